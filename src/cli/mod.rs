//! The command line: a file per subcommand, and the only place that prints.

pub mod calibrate;
pub mod check;
pub mod compare;
pub mod flows;
mod live;
mod metrics;
mod progress;
pub mod report;
pub mod run;
pub mod schema;
pub mod serve;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::profile::Overrides;
use crate::record::RecordError;

const EXAMPLES: &str = "\
Examples:
  See it work, against the embedded core:
    wtsp-load run profiles/quickstart.toml

  Load a staging Core with your own profile, and see first what would be done:
    wtsp-load check staging.toml
    wtsp-load run staging.toml

Exit codes: 0 pass, 1 a threshold failed, 2 usage or profile, 3 could not run or
write, 4 void (the generator was unfit, so the numbers prove nothing), 130
interrupted.";

/// Load and stress harness for the WebTrit Signaling Protocol (WTSP)
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    /// Validate profiles and print what they would do; no connection is made
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Print the JSON schema of a profile
    #[command(after_help = schema::EXAMPLES)]
    Schema,
    Serve(serve::ServeArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Flows(flows::FlowsArgs),
    Calibrate(calibrate::CalibrateArgs),
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// The profiles
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    #[command(flatten)]
    overrides: OverrideArgs,
}

/// What the command line changes in a profile.
#[derive(Args, Clone, Debug, Default)]
pub struct OverrideArgs {
    /// Server to load: a ws or wss URL, or `embedded`
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Dialect to speak: nested, flat or auto
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Make all calls follow this flow
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Change one key of the profile, as in `--set stages.1.calls_per_second=50`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl From<OverrideArgs> for Overrides {
    fn from(args: OverrideArgs) -> Overrides {
        let OverrideArgs { target, dialect, seed, flow, set } = args;
        Overrides { target, dialect, seed, flow, set }
    }
}

/// Parses the command line, runs the subcommand, and returns its exit code.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args.profiles, &args.overrides.into()),
        Command::Schema => schema::run(),
        Command::Serve(args) => serve::run(args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Flows(args) => flows::run(&args),
        Command::Calibrate(args) => calibrate::run(args),
    }
}

/// Whether to write colours to this stream: to a terminal, unless `NO_COLOR` is set.
fn has_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the reader of stdout has gone away, which is its right and no failure.
fn is_broken_pipe(error: &RecordError) -> bool {
    matches!(error, RecordError::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
