//! `run`: a profile against its target.

use std::process::ExitCode;
use clap::Args;
use std::path::PathBuf;
use super::OverrideArgs;

/// Run a profile
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The profile
    profile: PathBuf,
    #[command(flatten)]
    overrides: OverrideArgs,
}

/// Runs.
pub fn run(_args: RunArgs) -> ExitCode {
    ExitCode::SUCCESS
}
