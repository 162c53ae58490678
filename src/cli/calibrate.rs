//! `wtsp-load calibrate`: injected delays against reported ones, on this machine.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, value_parser};

use crate::calibration::{self, Calibrated, CalibrationError, Case, Outcome, Settings};
use crate::scheduler::Stop;
use crate::verdict::exit;

const EXAMPLES: &str = "\
Examples:
  See how true this machine's figures are, in a minute and a half:
    wtsp-load calibrate

  One law, longer, and with more load:
    wtsp-load calibrate --law long-tail --seconds 60 --calls-per-second 500

  For a program:
    wtsp-load calibrate --json > calibration.json

Each law is a run against an embedded core that holds its messages back by it and records by how much. A figure may be
off by 1 % or 200 µs, whichever is larger; one that is off by more has a `!`. Nothing else should run meanwhile.

Exit codes: 0 every p99 is within the bound, 1 one is not, 2 usage, 3 could not run, 4 void (the generator was unfit,
so the figures prove nothing), 130 interrupted.";

/// Hold what is reported against delays that are known: how true are this machine's figures?
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    /// How long calls are placed for each law; a freeze takes whole periods of 5 s
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Calls per second
    #[arg(long, value_name = "RATE", default_value_t = 200.0, value_parser = rate)]
    calls_per_second: f64,
    /// Seed of the delays and of the calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only this law; repeatable
    #[arg(long = "law", value_name = "NAME", value_parser = PossibleValuesParser::new(Case::ALL.map(Case::name)))]
    laws: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Say nothing meanwhile
    #[arg(long, short)]
    quiet: bool,
}

/// Calibrates, and prints what it found.
pub fn run(args: CalibrateArgs) -> ExitCode {
    let stop = Stop::default();
    if let Err(error) = super::run::listen_for_signals(stop.clone(), Arc::new(AtomicBool::new(args.quiet))) {
        eprintln!("error: signals cannot be received: {error}");
        return ExitCode::from(exit::CANNOT);
    }
    let settings = Settings {
        duration: Duration::from_secs(args.seconds),
        calls_per_second: args.calls_per_second,
        seed: args.seed,
        ..Settings::default()
    };
    let mut runs = Vec::new();
    let is_wanted = |case: &Case| args.laws.is_empty() || args.laws.iter().any(|law| law == case.name());
    for case in Case::ALL.into_iter().filter(is_wanted) {
        say(&args, case);
        match calibration::calibrate(case, &settings, &stop) {
            Ok(calibrated) => runs.push(calibrated),
            Err(error) => return failed(&error),
        }
        if !args.json
            && let Err(code) = print(|out| calibration::text(out, &runs[runs.len() - 1], &settings))
        {
            return code;
        }
    }
    match conclude(&args, &settings, &runs) {
        Ok(()) => ExitCode::from(match calibration::outcome(&runs) {
            Outcome::True => exit::PASS,
            Outcome::Off => exit::FAIL,
            Outcome::Void => exit::VOID,
        }),
        Err(code) => code,
    }
}

fn say(args: &CalibrateArgs, case: Case) {
    if !args.quiet && (args.json || io::stderr().is_terminal()) {
        eprintln!("calibrating: {} ...", case.name());
    }
}

fn failed(error: &CalibrationError) -> ExitCode {
    eprintln!("error: {error}");
    match error {
        CalibrationError::Interrupted => ExitCode::from(exit::INTERRUPTED),
        CalibrationError::Settings(errors) => {
            eprint!("{}", errors.render(super::has_colour(&io::stderr())));
            ExitCode::from(exit::USAGE)
        }
        _ => ExitCode::from(exit::CANNOT),
    }
}

/// The JSON, or the last line of the text.
fn conclude(args: &CalibrateArgs, settings: &Settings, runs: &[Calibrated]) -> Result<(), ExitCode> {
    if args.json {
        return print(|out| writeln!(out, "{:#}", calibration::json(runs, settings)));
    }
    let said = match calibration::outcome(runs) {
        Outcome::True => "every p99 is within 1 % or 200 µs of what was injected",
        Outcome::Off => {
            "not every p99 is within 1 % or 200 µs of what was injected; those that are not say OFF"
        }
        Outcome::Void => "void: the generator was unfit in one of the runs, so the figures prove nothing",
    };
    print(|out| writeln!(out, "{said}"))
}

/// Prints on stdout. Whoever stopped reading has seen enough.
fn print(write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) -> Result<(), ExitCode> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("error: the table cannot be printed: {error}");
            Err(ExitCode::from(exit::CANNOT))
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a number belongs here".to_owned())?;
    if (1.0..=10_000.0).contains(&rate) { Ok(rate) } else { Err("from 1 to 10000".to_owned()) }
}
