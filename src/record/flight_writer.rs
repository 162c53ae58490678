//! Writing the calls that are worth a look, while the run lasts.

use std::path::{Path, PathBuf};

use super::RecordError;
use super::flight::{FLIGHT_FILE, Kept, KeptCall, KeptCalls};
use super::writer::Log;

/// How many of the calls that took longest to be set up are kept.
pub const SLOWEST: usize = 10;
/// How many calls that failed for the same reason are kept.
pub const MOST_A_CAUSE: usize = 5;
/// How many calls that failed are kept.
const MOST_FAILED: u64 = 100;
/// How many bytes calls that failed may take.
const FAILED_BYTES: usize = 1 << 20;
/// The longest line; a call that would take more goes without the texts of its messages.
const LINE_BYTES: usize = 64 << 10;
/// What the file may hold, in bytes and in calls: what is worth it and what was, until slower ones came.
const FILE_BYTES: usize = 2 << 20;
const FILE_CALLS: usize = 200;

/// Writes [`FLIGHT_FILE`] while the run lasts, a line a call, within bounds.
///
/// Calls that are among the slowest so far are appended as they come. When the file is full of those that have been
/// outdone it is written anew, with what is still worth it: beside it first, so that it is never lost.
pub struct FlightWriter {
    path: PathBuf,
    /// The file, once there is something to write.
    log: Option<Log>,
    /// Why it could not be written, which has been said.
    problem: Option<RecordError>,
    /// What stands in the file and is still worth it.
    lines: Vec<Line>,
    failed_bytes: usize,
    /// How many calls of each cause are there.
    causes: Vec<(Cause, usize)>,
    file_bytes: usize,
    file_calls: usize,
    end: KeptCalls,
    /// How many calls failed, and how many of these are kept for whichever reason.
    failures: u64,
    failures_kept: u64,
}

struct Line {
    /// The set-up, of a call that is there for it.
    setup: Option<u64>,
    is_failure: bool,
    text: Vec<u8>,
}

/// What calls that failed have in common.
type Cause = (String, Option<String>, Option<usize>, Option<String>);

impl FlightWriter {
    /// A writer for the run in `directory`. There is no file as long as there is nothing to be kept.
    pub fn new(directory: &Path) -> FlightWriter {
        FlightWriter {
            path: directory.join(FLIGHT_FILE),
            log: None,
            problem: None,
            lines: Vec::new(),
            failed_bytes: 0,
            causes: Vec::new(),
            file_bytes: 0,
            file_calls: 0,
            end: KeptCalls::default(),
            failures: 0,
            failures_kept: 0,
        }
    }

    /// Keeps a call, which may be a failure also where it is to be kept as a slow one, if it is still worth it and there
    /// is room.
    ///
    /// # Errors
    /// It could not be written. That is said once: from then on nothing is kept.
    pub fn keep(&mut self, mut call: KeptCall, is_failure: bool) -> Result<(), RecordError> {
        if call.why == Kept::Failed
            && !self.has_room_for(&call)
            && call.setup_us.is_some_and(|setup| self.is_slow(setup))
        {
            // Of its kind there are enough, but few that were as slow.
            call.why = Kept::SlowestSetup;
        }
        let is_wanted = match call.why {
            Kept::Failed => self.has_room_for(&call),
            Kept::SlowestSetup => self.is_slow(call.setup_us.unwrap_or(0)),
        };
        if !is_wanted || self.problem.is_some() {
            return Ok(());
        }
        let mut line = line_of(&call);
        if line.len() > LINE_BYTES {
            call.messages.iter_mut().for_each(|message| message.excerpt.clear());
            line = line_of(&call);
        }
        let is_failed = call.why == Kept::Failed;
        if line.len() > LINE_BYTES || is_failed && self.failed_bytes + line.len() > FAILED_BYTES {
            return Ok(());
        }
        let before = (self.end, self.failures_kept);
        self.admit(&call, is_failure, line);
        let written = self.write();
        if let Err(error) = &written {
            // What is in the file stays there.
            self.problem = Some(error.again());
            (self.end, self.failures_kept) = before;
        }
        written
    }

    /// Counts calls that failed, kept or not.
    pub fn failed(&mut self, calls: u64) {
        self.failures += calls;
    }

    /// Counts calls whose messages were not recorded.
    pub fn not_recorded(&mut self, calls: u64) {
        self.end.unrecorded += calls;
    }

    /// What it holds in memory, in bytes.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.text.len() as u64).sum()
    }

    /// How many calls were kept, and why no more, if the file could not be written to its end.
    pub fn finish(self) -> (KeptCalls, Option<RecordError>) {
        let left_out = self.failures.saturating_sub(self.failures_kept);
        (KeptCalls { left_out, ..self.end }, self.problem)
    }

    /// Whether a set-up of so many microseconds is among the longest so far.
    pub fn is_slow(&self, setup: u64) -> bool {
        let slowest = self.lines.iter().filter_map(|line| line.setup);
        self.end.slowest < SLOWEST as u64 || slowest.min().is_none_or(|least| least < setup)
    }

    fn has_room_for(&self, call: &KeptCall) -> bool {
        let cause = cause_of(call);
        let kept = self.causes.iter().find(|(known, _)| *known == cause).map_or(0, |(_, kept)| *kept);
        kept < MOST_A_CAUSE && self.end.failed < MOST_FAILED
    }

    /// Takes it in, and out for it one of the slowest that it has outdone.
    fn admit(&mut self, call: &KeptCall, is_failure: bool, text: Vec<u8>) {
        self.failures_kept += u64::from(is_failure);
        if call.why == Kept::Failed {
            self.end.failed += 1;
            self.failed_bytes += text.len();
            let cause = cause_of(call);
            match self.causes.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, kept)) => *kept += 1,
                None => self.causes.push((cause, 1)),
            }
            self.lines.push(Line { setup: None, is_failure, text });
            return;
        }
        let setups = self.lines.iter().enumerate().filter_map(|(place, line)| Some((line.setup?, place)));
        match setups.min() {
            Some((_, place)) if self.end.slowest >= SLOWEST as u64 => {
                self.failures_kept -= u64::from(self.lines.remove(place).is_failure);
            }
            _ => self.end.slowest += 1,
        }
        self.lines.push(Line { setup: Some(call.setup_us.unwrap_or(0)), is_failure, text });
    }

    /// Writes the newest line down, or all of them where there is no room for one more.
    fn write(&mut self) -> Result<(), RecordError> {
        if self.log.is_none() {
            self.log = Some(Log::create(self.path.clone())?);
        }
        let (Some(log), Some(Line { text: newest, .. })) = (&mut self.log, self.lines.last()) else {
            return Ok(());
        };
        if self.file_bytes + newest.len() <= FILE_BYTES && self.file_calls < FILE_CALLS {
            self.file_bytes += newest.len();
            self.file_calls += 1;
            return log.append_lines(newest);
        }
        let all: Vec<u8> = self.lines.iter().flat_map(|line| &line.text).copied().collect();
        log.replace(&all)?;
        (self.file_bytes, self.file_calls) = (all.len(), self.lines.len());
        Ok(())
    }
}

fn cause_of(call: &KeptCall) -> Cause {
    (call.outcome.clone(), call.reason.clone(), call.broken_step, call.finding.clone())
}

fn line_of(call: &KeptCall) -> Vec<u8> {
    // There is nothing in it that JSON could not say.
    let mut line = serde_json::to_vec(call).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::{Direction, EXCERPT_BYTES, FlightReader, KeptMessage, MessageKind};

    fn call(attempt: u64, setup_us: Option<u64>, reason: &str) -> KeptCall {
        let message = KeptMessage {
            at_us: 10,
            party: 0,
            direction: Direction::Sent,
            kind: MessageKind::Request,
            name: "outgoing_call".into(),
            code: None,
            reason: None,
            bytes: 3_000,
            excerpt: "x".repeat(EXCERPT_BYTES),
        };
        KeptCall {
            attempt,
            flow: "answered".into(),
            outcome: if setup_us.is_some() { "answered" } else { "failed" }.into(),
            reason: setup_us.is_none().then(|| reason.to_owned()),
            broken_step: None,
            finding: None,
            why: if setup_us.is_some() { Kept::SlowestSetup } else { Kept::Failed },
            due_us: attempt,
            stage: None,
            setup_us,
            parties: vec!["1001".into(), "1002".into()],
            messages: vec![message; 40],
            left_out: 0,
        }
    }

    /// Hands a call over as the log does, which has told of it before where it failed.
    fn keep(writer: &mut FlightWriter, call: KeptCall) -> Result<(), RecordError> {
        let is_failure = call.why == Kept::Failed;
        writer.failed(u64::from(is_failure));
        writer.keep(call, is_failure)
    }

    fn read(directory: &Path) -> Vec<KeptCall> {
        FlightReader::open(directory).unwrap().into_iter().flatten().collect()
    }

    #[test]
    fn a_storm_of_failures_is_a_few_of_each_cause_and_a_count() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        assert!(!root.path().join(FLIGHT_FILE).exists());
        for attempt in 0..5_000 {
            keep(&mut writer, call(attempt, None, ["rejected", "no_response"][attempt as usize % 2]))
                .unwrap();
        }
        writer.failed(7);
        writer.not_recorded(3);
        let kept = 2 * MOST_A_CAUSE as u64;
        let wanted = KeptCalls { slowest: 0, failed: kept, left_out: 5_007 - kept, unrecorded: 3 };
        assert_eq!(writer.finish().0, wanted);
        let calls = read(root.path());
        assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), (0..kept).collect::<Vec<_>>());
    }

    #[test]
    fn failures_of_a_thousand_causes_stay_within_bounds() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        (0..1_000).for_each(|attempt| keep(&mut writer, call(attempt, None, &attempt.to_string())).unwrap());
        let (end, problem) = writer.finish();
        assert!(problem.is_none());
        assert_eq!(end.failed + end.left_out, 1_000);
        assert_eq!(read(root.path()).len() as u64, end.failed);
        assert!(end.failed > 20 && fs::metadata(root.path().join(FLIGHT_FILE)).unwrap().len() <= 1 << 20);
    }

    #[test]
    fn of_calls_that_get_slower_and_slower_the_last_ones_are_there_and_failures_stay() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        keep(&mut writer, call(9_999, None, "rejected")).unwrap();
        for attempt in 0..1_000 {
            keep(&mut writer, call(attempt, Some(attempt * 3 + 1), "")).unwrap();
            let size = fs::metadata(root.path().join(FLIGHT_FILE)).unwrap().len();
            assert!(size <= FILE_BYTES as u64, "{size} after {attempt}");
            if attempt % 100 == 0 {
                let calls = read(root.path());
                assert!(calls.len() <= FILE_CALLS);
                assert!(
                    calls.iter().any(|call| call.attempt == 9_999)
                        && calls.iter().any(|call| call.attempt == attempt)
                );
            }
        }
        keep(&mut writer, call(1_000, Some(5), "")).unwrap();
        let calls = read(root.path());
        assert!((990..1_000).all(|slow| calls.iter().any(|call| call.attempt == slow)));
        assert!(calls.iter().all(|call| call.attempt != 1_000), "it is not among the slowest");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");
        let (end, problem) = writer.finish();
        assert_eq!(end, KeptCalls { slowest: SLOWEST as u64, failed: 1, ..KeptCalls::default() });
        assert!(problem.is_none());
    }

    #[test]
    fn a_call_that_is_too_long_goes_without_its_texts() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        let mut long = call(1, Some(9), "");
        long.messages.iter_mut().for_each(|message| message.excerpt = "\u{1}".repeat(EXCERPT_BYTES));
        keep(&mut writer, long.clone()).unwrap();
        let calls = read(root.path());
        assert_eq!(calls[0].messages.len(), long.messages.len());
        assert!(calls[0].messages.iter().all(|message| message.excerpt.is_empty()));
    }

    #[test]
    fn a_full_disk_is_said_once_and_what_is_lost_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        keep(&mut writer, call(0, None, "rejected")).unwrap();
        if !writer.log.as_mut().unwrap().fill() {
            return;
        }
        let error = keep(&mut writer, call(1, None, "rejected")).unwrap_err().to_string();
        assert!(error.contains(FLIGHT_FILE) && error.contains("free some space"), "{error}");
        assert!(keep(&mut writer, call(2, None, "no_response")).is_ok());
        assert!(keep(&mut writer, call(3, Some(1), "")).is_ok());
        let (end, problem) = writer.finish();
        assert_eq!(end, KeptCalls { failed: 1, left_out: 2, ..KeptCalls::default() });
        assert_eq!(problem.unwrap().to_string(), error);
    }

    #[test]
    fn where_the_file_cannot_be_written_anew_it_stays_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        keep(&mut writer, call(9_999, None, "rejected")).unwrap();
        // Nothing can be written beside it.
        fs::create_dir(root.path().join(format!(".{FLIGHT_FILE}.part"))).unwrap();
        let full =
            (0..1_000).find(|setup| keep(&mut writer, call(*setup, Some(setup + 1), "")).is_err()).unwrap();
        assert!(full > SLOWEST as u64, "{full}");
        let calls = read(root.path());
        assert_eq!(calls.len() as u64, full + 1);
        assert!(calls[0].attempt == 9_999 && (1..=full).all(|place| calls[place as usize].attempt < full));
        // From then on nothing is kept, and it is said once.
        assert!(keep(&mut writer, call(2_000, Some(5_000), "")).is_ok());
        assert_eq!(read(root.path()), calls);
        let (end, problem) = writer.finish();
        assert_eq!(end, KeptCalls { slowest: SLOWEST as u64, failed: 1, ..KeptCalls::default() });
        assert!(problem.unwrap().to_string().contains(FLIGHT_FILE));
    }

    #[test]
    fn a_slow_call_that_failed_is_kept_as_slow_where_there_are_enough_of_its_kind() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        let broke_off = |attempt, setup| KeptCall {
            why: Kept::Failed,
            broken_step: Some(3),
            ..call(attempt, Some(setup), "")
        };
        (0..MOST_A_CAUSE as u64).for_each(|attempt| keep(&mut writer, broke_off(attempt, 9_000)).unwrap());
        (0..20).for_each(|attempt| keep(&mut writer, call(100 + attempt, Some(100 + attempt), "")).unwrap());
        keep(&mut writer, broke_off(200, 5)).unwrap();
        keep(&mut writer, broke_off(201, 8_000)).unwrap();
        let calls = read(root.path());
        let slow = calls.iter().find(|call| call.attempt == 201).unwrap();
        assert_eq!(slow.why, Kept::SlowestSetup);
        assert!(calls.iter().all(|call| call.attempt != 200));
        let (end, _) = writer.finish();
        let wanted = KeptCalls { slowest: SLOWEST as u64, failed: 5, left_out: 1, unrecorded: 0 };
        assert_eq!(end, wanted);
    }

    #[test]
    fn of_failures_that_get_slower_and_slower_none_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = FlightWriter::new(root.path());
        for attempt in 0..100 {
            let slow = KeptCall { broken_step: Some(3), ..call(attempt, Some(attempt + 1), "") };
            writer.failed(1);
            let why = if attempt < 5 { Kept::Failed } else { Kept::SlowestSetup };
            writer.keep(KeptCall { why, ..slow }, true).unwrap();
        }
        let (end, _) = writer.finish();
        assert_eq!(end, KeptCalls { slowest: 10, failed: 5, left_out: 85, unrecorded: 0 });
    }
}
