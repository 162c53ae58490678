//! Reading a record back.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::writer::{INTERVALS_FILE, RUN_FILE};
use super::{
    CALLS_FILE, FLIGHT_FILE, Fold, Intervals, RecordError, RunEnd, RunHeader, RunRecord, SCHEMA_VERSION,
    StoredInterval,
};

/// The record of the run in `directory`: from `run.json`, or, where the run was killed before it was written, from
/// `intervals.jsonl`. A last line that was cut short is left out.
///
/// # Errors
/// There is no record, or it is damaged, or of another schema version.
pub fn load(directory: &Path) -> Result<RunRecord, RecordError> {
    let (run, log) = (directory.join(RUN_FILE), directory.join(INTERVALS_FILE));
    if run.exists() {
        let mut record = load_run(&run)?;
        record.intervals = Intervals::of(&log);
        return Ok(record);
    }
    if log.exists() {
        return rebuild(&log);
    }
    Err(RecordError::NoRecord { path: directory.to_owned() })
}

/// Only the version, whatever else there is.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// The record in `run.json`, without its intervals.
fn load_run(path: &Path) -> Result<RunRecord, RecordError> {
    let open = || File::open(path).map(BufReader::new).map_err(|error| RecordError::read(path, error));
    let damaged = |error: serde_json::Error| RecordError::damaged(path, error.line(), error);
    let version: Version = serde_json::from_reader(open()?).map_err(damaged)?;
    check_version(path, version.schema_version)?;
    serde_json::from_reader(open()?).map_err(damaged)
}

fn check_version(path: &Path, found: u32) -> Result<(), RecordError> {
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(RecordError::Version { path: path.to_owned(), found, known: SCHEMA_VERSION })
}

/// The record that the seconds in `log` add up to.
fn rebuild(log: &Path) -> Result<RunRecord, RecordError> {
    let mut reader = IntervalReader::open(log)?;
    let mut fold = Fold::new(reader.header());
    while let Some(interval) = reader.next() {
        fold.add(&interval?).map_err(|error| reader.damaged(error))?;
    }
    Ok(fold.finish(&reader.header, reader.end.as_ref(), Intervals::of(log)))
}

/// The first line of a log.
#[derive(Deserialize)]
struct HeaderLine {
    schema_version: u32,
    header: RunHeader,
}

/// The last line of a log.
#[derive(Deserialize)]
struct EndLine {
    end: RunEnd,
}

/// How the last line of a log begins.
const END_LINE: &[u8] = b"{\"end\":";

/// Reads the seconds of a run from its log, one by one.
pub struct IntervalReader {
    path: PathBuf,
    input: BufReader<File>,
    line: Vec<u8>,
    lines: usize,
    header: RunHeader,
    end: Option<RunEnd>,
}

impl IntervalReader {
    /// Opens a log and reads its header.
    ///
    /// # Errors
    /// It cannot be read, or has no header of this schema version.
    pub fn open(path: &Path) -> Result<IntervalReader, RecordError> {
        let file = File::open(path).map_err(|error| RecordError::read(path, error))?;
        let mut reader = IntervalReader {
            path: path.to_owned(),
            input: BufReader::new(file),
            line: Vec::new(),
            lines: 0,
            header: RunHeader::default(),
            end: None,
        };
        if !reader.next_line()? {
            return Err(RecordError::damaged(path, 1, "the run's header is missing"));
        }
        let header: Version = serde_json::from_slice(&reader.line).map_err(|error| reader.damaged(error))?;
        check_version(path, header.schema_version)?;
        let header: HeaderLine =
            serde_json::from_slice(&reader.line).map_err(|error| reader.damaged(error))?;
        debug_assert_eq!(header.schema_version, SCHEMA_VERSION);
        reader.header = header.header;
        Ok(reader)
    }

    /// What was known of the run before it started.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// What is known since it ended; only after the last second, and not of a run that was killed.
    pub fn end(&self) -> Option<&RunEnd> {
        self.end.as_ref()
    }

    /// That the line which was read last is damaged.
    pub(crate) fn damaged(&self, reason: impl ToString) -> RecordError {
        RecordError::damaged(&self.path, self.lines, reason)
    }

    /// Reads the next line that is whole; the one that a killed process left unfinished is none.
    fn next_line(&mut self) -> Result<bool, RecordError> {
        self.line.clear();
        let read: io::Result<usize> = self.input.read_until(b'\n', &mut self.line);
        read.map_err(|error| RecordError::read(&self.path, error))?;
        self.lines += 1;
        Ok(self.line.pop_if(|last| *last == b'\n').is_some())
    }
}

impl Iterator for IntervalReader {
    type Item = Result<StoredInterval, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_line() {
            Ok(false) => None,
            Err(error) => Some(Err(error)),
            Ok(true) if self.line.starts_with(END_LINE) => {
                match serde_json::from_slice::<EndLine>(&self.line) {
                    Ok(end) => {
                        self.end = Some(end.end);
                        None
                    }
                    Err(error) => Some(Err(self.damaged(error))),
                }
            }
            Ok(true) => Some(serde_json::from_slice(&self.line).map_err(|error| self.damaged(error))),
        }
    }
}

/// Whether `directory` holds a run, of whatever kind.
pub(super) fn is_occupied(directory: &Path) -> bool {
    [RUN_FILE, INTERVALS_FILE, CALLS_FILE, FLIGHT_FILE]
        .iter()
        .any(|name| fs::exists(directory.join(name)).unwrap_or(true))
}
