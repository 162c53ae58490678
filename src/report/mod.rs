//! Reports: each a function of a record, its verdict and a writer.
//!
//! [`finish`] ends a run and writes its files; [`load`] and [`Format::write`] make any report from a stored run.

mod comparison;
mod csv;
mod hgrm;
mod hlog;
mod html;
mod json;
mod junit;
mod markdown;
mod text;
pub(crate) mod units;

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

pub use comparison::{ComparisonFormat, UnknownComparisonFormat, comparison_schema};
pub use csv::csv;
pub use hgrm::{hgrm, hgrm_files};
pub use hlog::hlog;
pub use html::html;
pub use json::{json, run_schema};
pub use junit::junit;
pub use markdown::markdown;
pub use text::{Style, text};

use crate::record::{self, RUN_FILE, RecordError, RunEnd, RunRecord, RunWriter};
use crate::verdict::{self, Verdict, exit};

/// The histograms of every second, in the run's directory.
pub const HLOG_FILE: &str = "latency.hlog";
/// A row a second, in the run's directory.
pub const TIMELINE_FILE: &str = "timeline.csv";
/// The page to hand on, in the run's directory.
pub const HTML_FILE: &str = "report.html";
/// The summary in Markdown, in the run's directory.
pub const SUMMARY_FILE: &str = "summary.md";
/// The thresholds as test cases, in the run's directory.
pub const JUNIT_FILE: &str = "junit.xml";

/// A run that has ended, judged and written.
#[derive(Debug)]
pub struct Finished {
    /// Its record.
    pub record: RunRecord,
    /// What it proves.
    pub verdict: Verdict,
    /// What could not be written. The record holds all that was measured all the same.
    pub problem: Option<RecordError>,
}

impl Finished {
    /// The exit code of the run.
    pub fn exit_code(&self) -> u8 {
        if self.problem.is_some() { exit::CANNOT } else { verdict::exit_code(&self.record, &self.verdict) }
    }
}

/// The reports that a run leaves in its directory.
const FILES: [(&str, Format); 6] = [
    (RUN_FILE, Format::Json),
    (SUMMARY_FILE, Format::Markdown),
    (JUNIT_FILE, Format::Junit),
    (HLOG_FILE, Format::Hlog),
    (TIMELINE_FILE, Format::Csv),
    (HTML_FILE, Format::Html),
];

/// Ends a run: adds it up, judges it, and writes its reports beside its log.
///
/// What cannot be written is said by [`Finished::problem`]; what can be is.
pub fn finish(writer: RunWriter, end: &RunEnd) -> Finished {
    let directory = writer.directory().to_owned();
    let recorded = writer.finish(end);
    let (mut record, mut problem) = (recorded.record, recorded.problem);
    let verdict = verdict::judge(&mut record);
    for (name, format) in FILES {
        let saved = record::save(&directory.join(name), |out| format.write(&record, &verdict, out));
        problem = problem.or(saved.err());
    }
    Finished { record, verdict, problem }
}

/// The record and the verdict of the run in `directory`. A run that was killed is added up and judged now.
///
/// # Errors
/// See [`record::load`].
pub fn load(directory: &Path) -> Result<(RunRecord, Verdict), RecordError> {
    let mut record = record::load(directory)?;
    let verdict = stored_verdict(&directory.join(RUN_FILE))?;
    let verdict = verdict.unwrap_or_else(|| verdict::judge(&mut record));
    Ok((record, verdict))
}

/// The verdict in `run.json`, where there is one.
fn stored_verdict(run: &Path) -> Result<Option<Verdict>, RecordError> {
    #[derive(Deserialize)]
    struct OnlyVerdict {
        verdict: Option<Verdict>,
    }
    if !run.exists() {
        return Ok(None);
    }
    let file = File::open(run).map_err(|error| RecordError::read(run, error))?;
    let only: OnlyVerdict = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| RecordError::damaged(run, error.line(), error))?;
    Ok(only.verdict)
}

/// A kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The summary for a terminal.
    Text,
    /// `run.json`.
    Json,
    /// `summary.md`.
    Markdown,
    /// `junit.xml`.
    Junit,
    /// `latency.hlog`.
    Hlog,
    /// The percentile distribution of one latency, `<latency>.hgrm`; see [`hgrm()`].
    Hgrm,
    /// `timeline.csv`.
    Csv,
    /// `report.html`.
    Html,
    /// `calls.csv`, which a run has on request only.
    Calls,
}

impl Format {
    /// All of them.
    pub const ALL: &'static [Format] = &[
        Format::Text,
        Format::Json,
        Format::Markdown,
        Format::Junit,
        Format::Hlog,
        Format::Hgrm,
        Format::Csv,
        Format::Html,
        Format::Calls,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Junit => "junit",
            Format::Hlog => "hlog",
            Format::Hgrm => "hgrm",
            Format::Csv => "csv",
            Format::Html => "html",
            Format::Calls => "calls",
        }
    }

    /// Writes the report, a text without colour and with its glossary.
    ///
    /// # Errors
    /// The run's log cannot be read, it has no list of its calls, or the writer refuses.
    pub fn write(
        self,
        record: &RunRecord,
        verdict: &Verdict,
        out: &mut dyn Write,
    ) -> Result<(), RecordError> {
        match self {
            Format::Text => text(record, verdict, Style { glossary: true, ..Style::default() }, out),
            Format::Json => json(record, verdict, out),
            Format::Markdown => markdown(record, verdict, out),
            Format::Junit => junit(record, verdict, out),
            Format::Hlog => hlog(record, verdict, out),
            // It is about one latency, and none is named here: this says which there are.
            Format::Hgrm => hgrm(record, None, out),
            Format::Csv => csv(record, verdict, out),
            Format::Html => html(record, verdict, out),
            Format::Calls => record::print_calls(record, out),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no report of this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}`; choose one of {names}", names = names())]
pub struct UnknownFormat(pub String);

/// The names of all formats.
fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        let known = Format::ALL.iter().copied().find(|format| format.name() == name);
        known.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}
