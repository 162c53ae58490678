//! `wtsp-load flows`: lists the call flows, or draws one as a ladder of messages.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use crate::profile;
use crate::scenario::{Flow, ladder};
use crate::verdict::exit;

const EXAMPLES: &str = "\
Examples:
  All flows, with what each needs:
    wtsp-load flows

  Who says what to whom in a blind transfer, and what is measured on the way:
    wtsp-load flows blind_transfer";

/// List the call flows, or draw one as a ladder of messages
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct FlowsArgs {
    /// The flow to draw
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Prints on stdout. Exit code 0, also when the reader has gone; 2 for an unknown flow; 3 when it cannot be written.
pub fn run(arguments: &FlowsArgs) -> ExitCode {
    let text = match arguments.name.as_deref() {
        None => ladder::list(),
        Some(name) => match Flow::from_name(name) {
            Some(flow) => ladder::ladder(flow),
            None => {
                let names: Vec<&str> = Flow::ALL.iter().map(|flow| flow.name()).collect();
                eprintln!("error: unknown flow `{name}`\nhelp: {}", profile::choices(name, &names, "flows"));
                return ExitCode::from(exit::USAGE);
            }
        },
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the flows: {error}");
            ExitCode::from(exit::CANNOT)
        }
        _ => ExitCode::SUCCESS,
    }
}
