//! The list of a run's calls, `calls.csv`: a row an attempt, written once nothing of it is up any more.
//!
//! It is written on request only. Above a rate it is a sample, every `one_in`-th attempt on average, chosen by the
//! attempt's number: the same ones whenever the plan and the seed are the same.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::writer::Log;
use super::{RecordError, RunRecord};

/// The list of a run's calls, in the run's directory.
pub const CALLS_FILE: &str = "calls.csv";

/// The columns. New ones are added at the end only, so that a column keeps its place.
const HEADER: &str = "attempt,stage,flow,caller,callee,due_s,ring_us,hold_us,lag_us,sent_us,incoming_us,ringback_us,\
                      answered_us,hangup_us,ended_us,outcome,intended,code,reason,broken_step\n";

/// The list of a run's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallsCsv {
    /// One attempt in so many has a row.
    pub one_in: u64,
    /// What became of it; `null` if the run was killed.
    #[serde(flatten)]
    pub end: Option<CallsEnd>,
}

/// What became of the list of a run's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallsEnd {
    /// Rows written.
    pub rows: u64,
    /// Attempts that should have a row and have none: more ended in a second than there was room for, or the disk was
    /// full.
    pub left_out: u64,
}

/// A row of the list: an attempt that is over.
#[derive(Clone, Debug, Default)]
pub struct CallRow<'a> {
    /// Its number in the run, from 0.
    pub attempt: u64,
    /// The stage in which it was due.
    pub stage: &'a str,
    /// Its flow.
    pub flow: &'a str,
    /// The caller's number; empty if nobody was there to call.
    pub caller: &'a str,
    /// The number that was dialled; empty if none was.
    pub callee: &'a str,
    /// When it was due, from the start of the run.
    pub due: Duration,
    /// For how long it was to ring, as drawn.
    pub ring: Duration,
    /// For how long it was to be held, as drawn.
    pub hold: Duration,
    /// From when it was due: written to the socket, sent, come in at the callee, ringing heard by the caller, answered,
    /// its end asked for by the first side, its end heard of by the first side.
    pub times: [Option<Duration>; 7],
    /// How it ended.
    pub outcome: &'a str,
    /// Whether its flow was made to end so.
    pub intended: bool,
    /// The code of the caller's `hangup`, or of the callee's if there is no other.
    pub code: Option<i32>,
    /// Why it failed; empty if it did not.
    pub reason: &'a str,
    /// The step at which an answered call's flow broke off, from 1.
    pub broken_step: Option<usize>,
}

impl CallRow<'_> {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let CallRow { attempt, due, ring, hold, outcome, intended, reason, .. } = self;
        write!(out, "{attempt},")?;
        for text in [self.stage, self.flow, self.caller, self.callee] {
            cell(text, out);
            out.push(',');
        }
        write!(out, "{:.6},{},{}", due.as_secs_f64(), ring.as_micros(), hold.as_micros())?;
        for time in self.times {
            out.push(',');
            time.map_or(Ok(()), |time| write!(out, "{}", time.as_micros()))?;
        }
        write!(out, ",{outcome},{intended},")?;
        self.code.map_or(Ok(()), |code| write!(out, "{code}"))?;
        write!(out, ",{reason},")?;
        self.broken_step.map_or(Ok(()), |step| write!(out, "{step}"))?;
        out.push('\n');
        Ok(())
    }
}

/// Writes a cell: in quotes where it has to be, and never as a formula. A number such as `+4930` stays what it is.
fn cell(text: &str, out: &mut String) {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // A spreadsheet runs what begins like a formula.
    let is_formula =
        text.starts_with(['=', '-', '@']) || text.strip_prefix('+').is_some_and(|rest| !is_number(rest));
    let guard = if is_formula { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(text);
    }
}

/// Writes the list while the run lasts. What [`append`](CallsWriter::append) was given is with the operating system.
pub struct CallsWriter {
    log: Log,
    text: String,
    end: CallsEnd,
}

impl CallsWriter {
    /// Makes the file in the run's directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(directory: &Path) -> Result<CallsWriter, RecordError> {
        let mut log = Log::create(directory.join(CALLS_FILE))?;
        log.append_lines(HEADER.as_bytes())?;
        Ok(CallsWriter { log, text: String::new(), end: CallsEnd::default() })
    }

    /// Takes a row into the next [`append`](CallsWriter::append).
    pub fn push(&mut self, row: &CallRow<'_>) {
        if self.log.is_broken() {
            self.end.left_out += 1;
            return;
        }
        // A text takes all that is written to it.
        let _ = row.write(&mut self.text);
        self.end.rows += 1;
    }

    /// Counts attempts that should have a row and for which there was no room.
    pub fn leave_out(&mut self, attempts: u64) {
        self.end.left_out += attempts;
    }

    /// Writes the rows down, so many as have been pushed since the last time.
    ///
    /// # Errors
    /// It could not be written. That is said once: from then on rows are only counted as left out.
    pub fn append(&mut self) -> Result<(), RecordError> {
        let written = if self.text.is_empty() { Ok(()) } else { self.log.append_lines(self.text.as_bytes()) };
        if written.is_err() {
            let lost = self.text.bytes().filter(|byte| *byte == b'\n').count() as u64;
            self.end.rows = self.end.rows.saturating_sub(lost);
            self.end.left_out += lost;
        }
        self.text.clear();
        written
    }

    /// What became of the list, and why it is not whole, if it could not be written to its end.
    pub fn finish(self) -> (CallsEnd, Option<RecordError>) {
        (self.end, self.log.into_problem())
    }
}

/// Copies the list of a run's calls to `out`.
///
/// # Errors
/// The run has none, it cannot be read, or the writer refuses.
pub fn print_calls(record: &RunRecord, out: &mut dyn Write) -> Result<(), RecordError> {
    let directory = record.intervals.log().parent().unwrap_or(Path::new(""));
    let path = directory.join(CALLS_FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RecordError::NoCalls { path: directory.to_owned() });
        }
        Err(error) => return Err(RecordError::read(&path, error)),
    };
    io::copy(&mut file, out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attempt: u64) -> CallRow<'static> {
        let times = [1, 2, 3, 4, 5, 6, 7].map(|micros| (micros != 4).then(|| Duration::from_micros(micros)));
        CallRow {
            attempt,
            stage: "steady",
            flow: "answered",
            caller: "+4930",
            callee: "=\"1,2\"",
            due: Duration::from_micros(1_500_001),
            ring: Duration::from_millis(20),
            hold: Duration::from_secs(1),
            times,
            outcome: "failed",
            intended: false,
            code: Some(503),
            reason: "rejected",
            broken_step: None,
        }
    }

    #[test]
    fn a_row_has_a_cell_for_every_column_and_what_did_not_happen_is_empty() {
        let mut text = String::new();
        row(7).write(&mut text).unwrap();
        let wanted = "7,steady,answered,+4930,\"'=\"\"1,2\"\"\",1.500001,20000,1000000,1,2,3,,5,6,7,failed,false,503,rejected,\n";
        assert_eq!(text, wanted);
        // One comma is within a number.
        assert_eq!(text.matches(',').count(), HEADER.matches(',').count() + 1);
    }

    #[test]
    fn rows_are_in_the_file_as_soon_as_they_are_appended() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = CallsWriter::create(root.path()).unwrap();
        (0..3).for_each(|attempt| writer.push(&row(attempt)));
        writer.append().unwrap();
        writer.leave_out(2);
        let text = std::fs::read_to_string(root.path().join(CALLS_FILE)).unwrap();
        assert_eq!(text.lines().count(), 1 + 3);
        assert!(CallsWriter::create(root.path()).is_err(), "a list is never written over another");
        let (end, problem) = writer.finish();
        assert_eq!(end, CallsEnd { rows: 3, left_out: 2 });
        assert!(problem.is_none());
    }

    #[test]
    fn a_full_disk_is_said_once_and_what_is_lost_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = CallsWriter::create(root.path()).unwrap();
        if !writer.log.fill() {
            return;
        }
        (0..3).for_each(|attempt| writer.push(&row(attempt)));
        let error = writer.append().unwrap_err().to_string();
        assert!(error.contains(CALLS_FILE) && error.contains("free some space"), "{error}");
        writer.push(&row(3));
        assert!(writer.append().is_ok());
        let (end, problem) = writer.finish();
        assert_eq!(end, CallsEnd { rows: 0, left_out: 4 });
        assert_eq!(problem.unwrap().to_string(), error);
    }
}
