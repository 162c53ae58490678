//! Writing a record while the run lasts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::load::is_occupied;
use super::{
    Encoder, Fold, Interval, Intervals, RecordError, RunEnd, RunHeader, RunRecord, SCHEMA_VERSION,
    StoredInterval,
};

/// The record of a run that has ended, in the run's directory.
pub const RUN_FILE: &str = "run.json";
/// The seconds of a run, appended as they happen, in the run's directory.
pub const INTERVALS_FILE: &str = "intervals.jsonl";

/// Keeps a run: a line a second in its directory, and the totals in memory.
///
/// Nothing is held back: when [`interval`](RunWriter::interval) returns, the line is with the operating system, and
/// survives the death of this process. When the disk is full the totals go on in memory.
pub struct RunWriter {
    directory: PathBuf,
    header: RunHeader,
    log: Log,
    encoder: Encoder,
    fold: Fold,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Recorded {
    /// Its record.
    pub record: RunRecord,
    /// Why the log is not whole, if it is not.
    pub problem: Option<RecordError>,
}

impl RunWriter {
    /// Makes a directory `<profile>-<UTC time>` under `root`, and `root` where it is missing, and opens the log in it.
    /// A second run of the same second gets a number.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn create_under(root: &Path, header: RunHeader) -> Result<RunWriter, RecordError> {
        fs::create_dir_all(root).map_err(|error| RecordError::write(root, error))?;
        let name = format!("{}-{}", file_name(&header.profile.name), utc(header.started_at));
        let mut directory = root.join(&name);
        for number in 2.. {
            match fs::create_dir(&directory) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    directory = root.join(format!("{name}-{number}"));
                }
                Err(error) => return Err(RecordError::write(&directory, error)),
            }
        }
        RunWriter::open(directory, header)
    }

    /// Opens the log in `directory`, and makes the directory where it is missing.
    ///
    /// # Errors
    /// Nothing can be written there, or a run is there already.
    pub fn create_at(directory: &Path, header: RunHeader) -> Result<RunWriter, RecordError> {
        fs::create_dir_all(directory).map_err(|error| RecordError::write(directory, error))?;
        if is_occupied(directory) {
            return Err(RecordError::Occupied { path: directory.to_owned() });
        }
        RunWriter::open(directory.to_owned(), header)
    }

    fn open(directory: PathBuf, header: RunHeader) -> Result<RunWriter, RecordError> {
        let mut log = Log::create(directory.join(INTERVALS_FILE))?;
        log.append(&HeaderLine { schema_version: SCHEMA_VERSION, header: &header })?;
        Ok(RunWriter { directory, header, log, encoder: Encoder::default(), fold: Fold::default() })
    }

    /// Replaces the header, as long as no interval was kept: with what is only known once the target was looked at.
    ///
    /// # Errors
    /// It could not be written.
    pub fn begin(&mut self, header: RunHeader) -> Result<(), RecordError> {
        self.header = header;
        self.log.restart()?;
        self.log.append(&HeaderLine { schema_version: SCHEMA_VERSION, header: &self.header })
    }

    /// Takes back what was made for a run that did not come to be.
    pub fn discard(self) {
        // Only what is empty but for the log goes; whatever else is there is not ours.
        let _ = fs::remove_file(&self.log.path);
        let _ = fs::remove_dir(&self.directory);
    }

    /// The directory of the run.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a second of the run.
    ///
    /// # Errors
    /// It could not be written. That is said once: from then on the run is kept in memory only, as totals, and
    /// [`finish`](RunWriter::finish) says it again.
    pub fn interval(&mut self, interval: &Interval) -> Result<(), RecordError> {
        let stored = StoredInterval::new(interval, &mut self.encoder)
            .map_err(|error| RecordError::damaged(&self.log.path, 0, error))?;
        self.fold.add_measured(&stored, &interval.tally);
        if self.log.is_broken() { Ok(()) } else { self.log.append(&stored) }
    }

    /// Ends the record.
    pub fn finish(mut self, end: &RunEnd) -> Recorded {
        if !self.log.is_broken() {
            let ended = self.log.append(&EndLine { end }).and_then(|()| self.log.sync());
            // Said by `problem`.
            drop(ended);
        }
        let intervals = Intervals::of(&self.log.path);
        let record = self.fold.finish(&self.header, Some(end), intervals);
        Recorded { record, problem: self.log.problem }
    }
}

#[derive(Serialize)]
struct HeaderLine<'a> {
    schema_version: u32,
    header: &'a RunHeader,
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: &'a RunEnd,
}

/// A file of lines that are appended whole or not at all.
struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    line: Vec<u8>,
    problem: Option<RecordError>,
}

impl Log {
    fn create(path: PathBuf) -> Result<Log, RecordError> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| RecordError::write(&path, error))?;
        Ok(Log { path, file, length: 0, line: Vec::new(), problem: None })
    }

    /// Whether a line was lost.
    fn is_broken(&self) -> bool {
        self.problem.is_some()
    }

    /// Forgets what was written.
    fn restart(&mut self) -> Result<(), RecordError> {
        // A device without a length has nothing to forget.
        let _ = self.file.set_len(0);
        self.length = 0;
        Ok(())
    }

    /// Hands a line to the operating system.
    fn append(&mut self, line: &impl Serialize) -> Result<(), RecordError> {
        self.line.clear();
        let written = serde_json::to_writer(&mut self.line, line).map_err(io::Error::from).and_then(|()| {
            self.line.push(b'\n');
            self.file.write_all(&self.line)
        });
        match written {
            Ok(()) => {
                self.length += self.line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a line is worse than none. A device without a length has no halves to cut off.
                let _ = self.file.set_len(self.length);
                Err(self.broken(error))
            }
        }
    }

    /// Waits until everything is on the disk.
    fn sync(&mut self) -> Result<(), RecordError> {
        self.file.sync_all().map_err(|error| self.broken(error))
    }

    fn broken(&mut self, error: io::Error) -> RecordError {
        let again = io::Error::from(error.kind());
        self.problem = Some(RecordError::write(&self.path, again));
        RecordError::write(&self.path, error)
    }
}

/// `name` as a part of a file name: what is not a letter, a digit, `.`, `_` or `-` becomes `-`.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().take(64).map(plain).collect();
    if name.is_empty() { "run".into() } else { name }
}

/// A time in milliseconds since the epoch as `yyyymmddThhmmssZ`.
fn utc(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
}
