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
    wtsp-load report reports/quickstart-20260314T150926Z --format html -o report.html

  The percentile distribution of each latency, for a plotter, in a file each:
    wtsp-load report reports/quickstart-20260314T150926Z --format hgrm -o plots/

  Of one of them:
    wtsp-load report reports/quickstart-20260314T150926Z --format hgrm --metric setup.response";

/// Makes a report from a stored run, also from one that was killed.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The directory of the run
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The report: text, json, markdown, junit, hlog, hgrm, csv, html or calls
    #[arg(long, value_name = "F", default_value = "text")]
    pub format: Format,
    /// Where to write it; `-` is stdout. For hgrm without --metric a directory, for a file a latency
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// The latency of an hgrm report, by its name in latency.hlog: `setup.response`, `ack.service`
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
}

/// Makes the report. Exit code 0, 2 when the options do not fit, or 3 when the run cannot be read or the report cannot be written.
pub fn run(arguments: &ReportArgs) -> ExitCode {
    let is_hgrm = arguments.format == Format::Hgrm;
    let to_stream = arguments.output == Path::new("-");
    if arguments.metric.is_some() && !is_hgrm {
        return usage("--metric is for --format hgrm; the other reports have every latency");
    }
    if arguments.metric.is_none() && is_hgrm && to_stream {
        return usage(
            "an hgrm file is about one latency: name it with --metric, or give -o a directory for all",
        );
    }
    let made = match arguments.output.as_path() {
        _ if to_stream => to_stdout(arguments),
        directory if is_hgrm && arguments.metric.is_none() => to_directory(arguments, directory),
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

fn usage(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(exit::USAGE)
}

fn to_directory(arguments: &ReportArgs, directory: &Path) -> Result<(), RecordError> {
    let (record, _) = report::load(&arguments.directory)?;
    report::hgrm_files(&record, directory)
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
        Format::Hgrm => report::hgrm(&record, arguments.metric.as_deref(), &mut out)?,
        format => format.write(&record, &verdict, &mut out)?,
    }
    Ok(out.flush()?)
}

fn to_file(arguments: &ReportArgs, path: &Path) -> Result<(), RecordError> {
    let (record, verdict) = report::load(&arguments.directory)?;
    record::save(path, |out| match arguments.format {
        Format::Hgrm => report::hgrm(&record, arguments.metric.as_deref(), out),
        format => format.write(&record, &verdict, out),
    })
}
