//! `wtsp-load report`: makes a report from a stored run, also from one that was killed.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::record::{self, RecordError};
use crate::report::{self, Format, Style};
use crate::verdict::exit;

const EXAMPLES: &str = "\
Examples:
  The summary of a run, once more:
    wtsp-load report reports/quickstart-20260314T150926Z

  Its seconds as a table:
    wtsp-load report reports/quickstart-20260314T150926Z --format csv -o timeline.csv

  A page to hand on:
    wtsp-load report reports/quickstart-20260314T150926Z --format html -o report.html";

/// Makes a report from a stored run, also from one that was killed.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The directory of the run
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The report: text, json, hlog, csv, html or calls
    #[arg(long, value_name = "F", default_value = "text")]
    pub format: Format,
    /// Where to write it; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

/// Makes the report. Exit code 0, or 3 when the run cannot be read or the report cannot be written.
pub fn run(arguments: &ReportArgs) -> ExitCode {
    let made = match arguments.output.as_path() {
        path if path == Path::new("-") => to_stdout(arguments),
        path => to_file(arguments, path),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if super::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::CANNOT)
        }
    }
}

fn to_stdout(arguments: &ReportArgs) -> Result<(), RecordError> {
    let (record, verdict) = report::load(&arguments.directory)?;
    let stdout = io::stdout();
    let colour = super::has_colour(&stdout);
    let mut out = BufWriter::new(stdout.lock());
    match arguments.format {
        Format::Text => {
            report::text(&record, &verdict, Style { colour, glossary: true, ..Style::default() }, &mut out)?
        }
        format => format.write(&record, &verdict, &mut out)?,
    }
    Ok(out.flush()?)
}

fn to_file(arguments: &ReportArgs, path: &Path) -> Result<(), RecordError> {
    let (record, verdict) = report::load(&arguments.directory)?;
    record::save(path, |out| arguments.format.write(&record, &verdict, out))
}
