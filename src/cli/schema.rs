//! `wtsp-load schema`: the JSON schema of a profile.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::profile;

pub(super) const EXAMPLES: &str = "\
Example:
  Let an editor complete and check profiles as you type: give it this file as their schema
    wtsp-load schema > profile.schema.json";

/// Prints the schema on stdout. Exit code 0, also when the reader has gone; 3 when it cannot be written.
pub fn run() -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{:#}", profile::schema()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("cannot write the schema: {error}");
            ExitCode::from(3)
        }
        _ => ExitCode::SUCCESS,
    }
}
