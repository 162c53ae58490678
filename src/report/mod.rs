//! Reports: each a function of a record, its verdict and a writer.

use std::io::Write;

use crate::record::{RecordError, RunEnd, RunRecord, RunWriter};
use crate::verdict::{self, Verdict, exit};

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

/// Ends a run: adds it up, judges it, and writes `run.json`, `latency.hlog` and `timeline.csv` beside its log.
pub fn finish(writer: RunWriter, end: &RunEnd) -> Finished {
    let recorded = writer.finish(end);
    let mut record = recorded.record;
    let verdict = verdict::judge(&mut record);
    Finished { record, verdict, problem: recorded.problem }
}

/// Writes the summary for a terminal.
///
/// # Errors
/// The writer refuses.
pub fn text(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    writeln!(out, "{} {}", record.profile.name, verdict.result.name())?;
    Ok(())
}
