//! `wtsp-load compare`: whether one run was worse or better than another.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::comparison::{self, Comparison, Outcome, Settings};
use crate::profile::parse_duration;
use crate::record::{self, RecordError, RunRecord};
use crate::report::{self, ComparisonFormat};
use crate::verdict::{Verdict, exit};

const EXAMPLES: &str = "\
Examples:
  Whether today's run is worse than last week's:
    wtsp-load compare reports/staging-20260307T150926Z reports/staging-20260314T150926Z

  For a pull request, with a tenth or 2 ms as the least that matters:
    wtsp-load compare base/ new/ --relative 10% --absolute 2ms --format markdown -o compare.md

  Both runs in the same charts, as a page to hand on:
    wtsp-load compare base/ new/ --format html -o compare.html

Exit codes: 0 not worse, 1 worse, 2 usage, or runs that are not comparable, 3 a
run cannot be read or the report cannot be written.";

/// Compares two runs of the same profile: per figure better, worse, equal or no evidence
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// The directory of the run to compare with
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The directory of the run to compare
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The least relevant difference of a latency, as a part of what it is in BASE
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent)]
    relative: f64,
    /// The least relevant difference of a latency; the larger one of the two holds
    #[arg(long, value_name = "DURATION", default_value = "200us", value_parser = micros)]
    absolute: u64,
    /// The least relevant difference of a ratio, in percentage points
    #[arg(long, value_name = "POINTS", default_value_t = 0.1, value_parser = points)]
    points: f64,
    /// What is left out at the start of the stages with calls
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    warm_up: Duration,
    /// Seed of what is drawn: the same seed gives the same answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Compare runs that are not comparable; the output says why they are not
    #[arg(long)]
    anyway: bool,
    /// How to write it: text, markdown, json or html
    #[arg(long, value_name = "F", default_value = "text")]
    format: ComparisonFormat,
    /// Where to write it; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Compares the runs.
pub fn run(arguments: &CompareArgs) -> ExitCode {
    match compare(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::CANNOT)
        }
    }
}

fn compare(arguments: &CompareArgs) -> Result<u8, RecordError> {
    let runs = [report::load(&arguments.base)?, report::load(&arguments.new)?];
    let runs = [0, 1].map(|place| (&runs[place].0, &runs[place].1));
    let settings = Settings {
        relative: arguments.relative,
        absolute_us: arguments.absolute,
        points: arguments.points,
        warm_up_s: arguments.warm_up.as_secs_f64().ceil() as u64,
        seed: arguments.seed,
    };
    let name = |path: &Path| path.display().to_string();
    let (base, new) = (name(&arguments.base), name(&arguments.new));
    let comparison = comparison::compare((&base, runs[0].0), (&new, runs[1].0), settings)?;
    if !comparison.objections.is_empty() && !arguments.anyway {
        eprintln!("error: the runs are not comparable");
        for objection in &comparison.objections {
            eprintln!("  - {}", objection.replace(char::is_control, "?"));
        }
        eprintln!("--anyway compares them all the same");
        return Ok(exit::USAGE);
    }
    let written = write(&comparison, runs, arguments);
    let code = if comparison.outcome == Outcome::Worse { exit::FAIL } else { exit::PASS };
    match written {
        // Whoever reads no further wants the exit code all the same.
        Err(error) if !super::is_broken_pipe(&error) => Err(error),
        _ => Ok(code),
    }
}

fn write(
    comparison: &Comparison,
    runs: [(&RunRecord, &Verdict); 2],
    arguments: &CompareArgs,
) -> Result<(), RecordError> {
    if arguments.output != Path::new("-") {
        return record::save(&arguments.output, |out| arguments.format.write(comparison, runs, false, out));
    }
    let stdout = io::stdout();
    let colour = super::has_colour(&stdout);
    let mut out = BufWriter::new(stdout.lock());
    arguments.format.write(comparison, runs, colour, &mut out)?;
    Ok(out.flush()?)
}

/// `5%`, or `5`.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>();
    let number = number.ok().filter(|number| (0.0..=1000.0).contains(number));
    number.map(|number| number / 100.0).ok_or_else(|| "give a part in percent, such as 5%".to_owned())
}

/// A duration, also in `us`, in microseconds.
fn micros(text: &str) -> Result<u64, String> {
    if let Some(number) = text.strip_suffix("us").or_else(|| text.strip_suffix("µs")) {
        return number.trim().parse().map_err(|_| "give whole microseconds, such as 200us".to_owned());
    }
    parse_duration(text).map(|duration| duration.as_micros() as u64).map_err(|error| error.to_string())
}

fn points(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "give percentage points from 0 to 100, such as 0.1".to_owned())
}
