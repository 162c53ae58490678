//! Writing a record while the run lasts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::load::is_occupied;
use super::{
    Encoder, Fold, Interval, Intervals, RecordError, RunEnd, RunHeader, RunRecord, SCHEMA_VERSION,
    StoredInterval, save,
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
        let fold = Fold::new(&header);
        Ok(RunWriter { directory, header, log, encoder: Encoder::default(), fold })
    }

    /// Replaces the header, as long as no interval was kept: with what is only known once the target was looked at.
    ///
    /// # Errors
    /// It could not be written.
    pub fn begin(&mut self, header: RunHeader) -> Result<(), RecordError> {
        self.header = header;
        self.fold = Fold::new(&self.header);
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
pub(super) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    line: Vec<u8>,
    problem: Option<RecordError>,
}

impl Log {
    pub(super) fn create(path: PathBuf) -> Result<Log, RecordError> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| RecordError::write(&path, error))?;
        Ok(Log { path, file, length: 0, line: Vec::new(), problem: None })
    }

    /// Whether a line was lost.
    pub(super) fn is_broken(&self) -> bool {
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
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        let written = match serde_json::to_writer(&mut text, line) {
            Ok(()) => {
                text.push(b'\n');
                self.append_lines(&text)
            }
            Err(error) => Err(self.broken(error.into())),
        };
        self.line = text;
        written
    }

    /// Hands whole lines to the operating system.
    pub(super) fn append_lines(&mut self, lines: &[u8]) -> Result<(), RecordError> {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a line is worse than none. A device without a length has no halves to cut off.
                let _ = self.file.set_len(self.length);
                Err(self.broken(error))
            }
        }
    }

    /// Puts whole lines in the place of all that was written, which stays where that fails.
    pub(super) fn replace(&mut self, lines: &[u8]) -> Result<(), RecordError> {
        save(&self.path, |out| Ok(out.write_all(lines)?))?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = file.map_err(|error| RecordError::write(&self.path, error))?;
        self.length = lines.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk.
    fn sync(&mut self) -> Result<(), RecordError> {
        self.file.sync_all().map_err(|error| self.broken(error))
    }

    /// From now on there is no room on its disk; `false` where no disk can be had that is full.
    #[cfg(test)]
    pub(super) fn fill(&mut self) -> bool {
        let full = OpenOptions::new().append(true).open("/dev/full");
        full.map(|full| self.file = full).is_ok()
    }

    /// Why it is not whole, if it is not.
    pub(super) fn into_problem(self) -> Option<RecordError> {
        self.problem
    }

    fn broken(&mut self, error: io::Error) -> RecordError {
        let error = RecordError::write(&self.path, error);
        self.problem = Some(error.again());
        error
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{AttemptFailure, Gauges, Metric, Outcome, Tally};
    use crate::record::{Change, ChangeKind, Health, load};
    use crate::scenario::Flow;

    fn header() -> RunHeader {
        let mut header =
            RunHeader { started_at: 1_700_000_000_000, clients_planned: 4, ..RunHeader::default() };
        header.profile.name = "busy hour/../x".into();
        header
    }

    /// The second `at` of a run, in which a call is answered and one fails.
    fn second(at: u64) -> Interval {
        let mut tally = Tally::default();
        tally.counters.due = 2;
        tally.counters.started = 2;
        tally.counters.end(Outcome::Answered);
        tally.counters.end(Outcome::Failed(AttemptFailure::NoResponse));
        tally.latencies[Metric::Lag.index()].service.record(100 + at);
        let setup = &mut tally.latencies[Metric::Setup.index()];
        setup.service.record(30_000 + at);
        if let Some(response) = &mut setup.response {
            response.record(31_000 + at);
            response.record(7_200_000_000);
        }
        for (flow, metric) in [(Flow::Answered, Metric::Setup), (Flow::Declined, Metric::Decline)] {
            let latency = &mut tally.by_flow.of(flow.index())[metric.index()];
            latency.service.record(30_000 + at);
            latency.response.iter_mut().for_each(|response| response.record(31_000 + at));
        }
        tally.acks[0].record(2_000);
        Interval {
            at: Duration::from_secs(at),
            length: Duration::from_secs(1),
            stage: Some(0),
            tally,
            gauges: Gauges { connected: 4, signed_on: at, calls: 1, calls_answered: 1, control: 0 },
            changes: Vec::new(),
            health: Health {
                cpu_cores: 0.3,
                rss_bytes: 1 << 20,
                worker_cpu_max: 0.2,
                turn_max_us: 900 + at,
                ..Health::default()
            },
        }
    }

    fn write_seconds(writer: &mut RunWriter, seconds: u64) {
        (0..seconds).for_each(|at| writer.interval(&second(at)).unwrap());
    }

    #[test]
    fn what_is_added_up_while_it_runs_is_what_the_log_adds_up_to() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
        write_seconds(&mut writer, 5);
        let directory = writer.directory().to_owned();
        let left = Change { at_us: 5_200_000, what: ChangeKind::Leave, factor: None };
        let end = RunEnd {
            ended_at: 1_700_000_005_250,
            bytes_per_client: Some(9),
            changes: vec![left],
            ..RunEnd::default()
        };
        let recorded = writer.finish(&end);
        assert!(recorded.problem.is_none());
        assert_eq!(load(&directory).unwrap(), recorded.record);
        assert!(recorded.record.sums.hold, "{:?}", recorded.record.sums);
        assert_eq!(recorded.record.changes, [left]);
        assert_eq!(recorded.record.clients.peak, 4);
        assert_eq!(recorded.record.latency.metrics["setup"].response.unwrap().over_range, 5);
        let by_flow = &recorded.record.latency.by_flow;
        assert_eq!(by_flow["answered"]["setup"].response.unwrap().max, Some(31_007));
        assert_eq!(by_flow["declined"]["decline"].service.unwrap().count, 5);
        assert_eq!((by_flow.len(), by_flow["answered"].len(), by_flow["declined"].len()), (2, 1, 1));
    }

    #[test]
    fn a_run_that_was_killed_in_the_middle_of_a_line_is_read_up_to_it() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
        write_seconds(&mut writer, 3);
        let log = writer.directory().join(INTERVALS_FILE);
        let directory = writer.directory().to_owned();
        drop(writer);
        let text = fs::read(&log).unwrap();
        fs::write(&log, &text[..text.len() - 10]).unwrap();
        let record = load(&directory).unwrap();
        assert!(record.interrupted);
        assert_eq!(record.counted.attempts.due, 4);
        assert_eq!(record.duration_us, 2_000_000);
        assert_eq!(record.ended_at, 1_700_000_002_000);
    }

    #[test]
    fn calls_in_flight_when_a_run_is_killed_are_unfinished() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
        let mut interval = second(0);
        interval.tally.counters.due += 3;
        writer.interval(&interval).unwrap();
        let record = load(writer.directory()).unwrap();
        assert_eq!((record.counted.attempts.unfinished, record.generator.cut_off), (3, 3));
        assert!(record.sums.hold, "{:?}", record.sums);
    }

    #[test]
    fn damage_in_the_middle_is_named_by_its_line() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
        write_seconds(&mut writer, 1);
        writer.log.file.write_all(b"{\"at_us\":\n").unwrap();
        write_seconds(&mut writer, 1);
        let error = load(writer.directory()).unwrap_err().to_string();
        assert!(error.contains("intervals.jsonl line 3"), "{error}");
    }

    #[test]
    fn a_full_disk_is_said_once_and_the_totals_go_on() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
        write_seconds(&mut writer, 1);
        if !writer.log.fill() {
            return;
        }
        let error = writer.interval(&second(1)).unwrap_err().to_string();
        assert!(error.contains("intervals.jsonl") && error.contains("free some space"), "{error}");
        assert!(writer.interval(&second(2)).is_ok());
        let recorded = writer.finish(&RunEnd::default());
        assert_eq!(recorded.problem.unwrap().to_string(), error);
        assert_eq!(recorded.record.counted.attempts.due, 6);
    }

    #[test]
    fn runs_of_one_second_get_directories_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..3)
            .map(|_| RunWriter::create_under(&root.path().join("reports"), header()).unwrap())
            .map(|writer| writer.directory().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let name = "busy-hour-..-x-20231114T221320Z";
        assert_eq!(names, [name.to_owned(), format!("{name}-2"), format!("{name}-3")]);
    }

    #[test]
    fn a_run_is_never_written_over_another() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("out");
        RunWriter::create_at(&directory, header()).unwrap();
        let error = RunWriter::create_at(&directory, header()).err().unwrap().to_string();
        assert!(error.contains("holds a run already"), "{error}");
    }

    #[test]
    fn a_directory_without_a_run_is_said_to_be_one() {
        let root = tempfile::tempdir().unwrap();
        let error = load(root.path()).unwrap_err().to_string();
        assert!(error.contains("holds no record of a run"), "{error}");
    }
}
