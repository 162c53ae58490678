//! The command line: a file per subcommand, and the only place that prints.

pub mod check;
pub mod schema;

use std::process::ExitCode;

/// Parses the command line, runs the subcommand, and returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
