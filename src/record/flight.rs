//! The flight recorder's file, `flight.jsonl`: the messages of the calls that are worth a look, a line a call.
//!
//! Kept are the slowest and the failed calls, a bounded number of them, with a bounded part of each message. Who
//! writes it takes secrets out before: tokens, and of session descriptions what protects media.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordError;

/// The messages of the slowest and the failed calls, in the run's directory.
pub const FLIGHT_FILE: &str = "flight.jsonl";

/// The most bytes of a message's text that are kept.
pub const EXCERPT_BYTES: usize = 400;

/// Of a call with more messages than are kept these first ones stay, and as many last ones.
pub const FIRST_MESSAGES: usize = 24;

/// How many calls of a worker are recorded at a time.
pub const MOST_RECORDED: usize = 4_096;

/// The longest line that is read back: more than a call can take that is kept within bounds.
const MAX_LINE: u64 = 4 << 20;

/// A call whose messages were kept: a line of [`FLIGHT_FILE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCall {
    /// The number of the attempt in the run, as in `calls.csv`.
    pub attempt: u64,
    /// The flow that it followed.
    pub flow: String,
    /// How it ended: a name of `attempts` in `run.json`.
    pub outcome: String,
    /// Why it failed: a name of `attempts_failed`; `None` if it did not.
    #[serde(default)]
    pub reason: Option<String>,
    /// The step at which its flow broke off although it was answered, from 1.
    #[serde(default)]
    pub broken_step: Option<usize>,
    /// What was wrong with what the server did: a name of `ledger`.
    #[serde(default)]
    pub finding: Option<String>,
    /// Why it was kept.
    pub why: Kept,
    /// When it was due, in microseconds from the start of the run.
    pub due_us: u64,
    /// The stage in which it was due; `None` after the last one.
    #[serde(default)]
    pub stage: Option<String>,
    /// Its set-up, in microseconds: the response of the metric `setup`, where it was set up.
    #[serde(default)]
    pub setup_us: Option<u64>,
    /// The numbers of its clients: the first is party `a`, the caller; then `b`, `c`.
    pub parties: Vec<String>,
    /// Its messages, in the order in which they were sent and received.
    pub messages: Vec<KeptMessage>,
    /// Messages that there was no room for: those after the first [`FIRST_MESSAGES`], up to the last ones.
    #[serde(default)]
    pub left_out: u64,
}

/// How many calls were kept with their messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptCalls {
    /// Those that took longest to be set up.
    pub slowest: u64,
    /// Those that failed, ended as they were not meant to, or broke off.
    pub failed: u64,
    /// Such calls that were not kept: there were enough of their kind, or there was no room.
    pub left_out: u64,
    /// Calls whose messages were not recorded, whatever became of them: a worker records 4,096 calls at a time.
    #[serde(default)]
    pub unrecorded: u64,
}

/// Why a call was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is among those that took longest to be set up.
    SlowestSetup,
    /// It failed, ended as it was not meant to, or broke off.
    Failed,
}

/// A message of a call that was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMessage {
    /// When it was sent or received, in microseconds from when the call was due. Something may go before: below zero.
    pub at_us: i64,
    /// Whose it is: the index in [`KeptCall::parties`].
    pub party: usize,
    /// Which way it went, as seen by the client.
    pub direction: Direction,
    /// What it is.
    pub kind: MessageKind,
    /// The name of the request or event, in the flat dialect; of what is neither, what it is.
    pub name: String,
    /// The code that it carries: of a hangup, an error, a close frame.
    #[serde(default)]
    pub code: Option<i32>,
    /// The reason that it carries, in the server's words.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its size on the wire, in bytes of text.
    pub bytes: u64,
    /// Its text, secrets taken out, cut to [`EXCERPT_BYTES`]; empty where it was not kept.
    #[serde(default)]
    pub excerpt: String,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// By the client, to the server.
    Sent,
    /// By the client, from the server.
    Received,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A request.
    Request,
    /// The answer to one.
    Response,
    /// An event.
    Event,
    /// The handshake's state.
    State,
    /// No message: the connection was closed or lost.
    Close,
    /// No message: the client stopped waiting.
    Timeout,
    /// A response that the client did not wait for, or no longer.
    Late,
    /// An event of another call or of none, or a message that cannot be read.
    Stray,
}

/// Reads the calls that were kept, one by one.
pub struct FlightReader {
    input: BufReader<File>,
    line: Vec<u8>,
}

impl FlightReader {
    /// Opens the file of the run in `directory`; `None` if no calls were kept.
    ///
    /// # Errors
    /// There is one, and it cannot be opened.
    pub fn open(directory: &Path) -> Result<Option<FlightReader>, RecordError> {
        let path = directory.join(FLIGHT_FILE);
        match File::open(&path) {
            Ok(file) => Ok(Some(FlightReader { input: BufReader::new(file), line: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RecordError::read(&path, error)),
        }
    }
}

impl Iterator for FlightReader {
    type Item = KeptCall;

    /// The next call. A line that cannot be read, like the last one of a run that was killed, is passed over: the calls
    /// that were kept are illustrations, and nothing is counted from them.
    fn next(&mut self) -> Option<KeptCall> {
        loop {
            self.line.clear();
            let read = io::Read::take(&mut self.input, MAX_LINE).read_until(b'\n', &mut self.line).ok()?;
            if read == 0 {
                return None;
            }
            if let Ok(call) = serde_json::from_slice(&self.line) {
                return Some(call);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(attempt: u64) -> KeptCall {
        KeptCall {
            attempt,
            flow: "answered".into(),
            outcome: "failed".into(),
            reason: Some("no_response".into()),
            broken_step: None,
            finding: None,
            why: Kept::Failed,
            due_us: 42_000_000,
            stage: Some("steady".into()),
            setup_us: None,
            parties: vec!["1001".into(), "1002".into()],
            messages: vec![KeptMessage {
                at_us: -3,
                party: 0,
                direction: Direction::Sent,
                kind: MessageKind::Request,
                name: "outgoing_call".into(),
                code: None,
                reason: None,
                bytes: 3_210,
                excerpt: "{\"request\":\"outgoing_call\"}".into(),
            }],
            left_out: 0,
        }
    }

    #[test]
    fn calls_are_read_back_and_a_cut_last_line_is_none() {
        let directory = tempfile::tempdir().unwrap();
        assert!(FlightReader::open(directory.path()).unwrap().is_none());
        let line = |attempt| serde_json::to_string(&call(attempt)).unwrap();
        let cut = &line(3)[..40];
        let text = format!("{}\nnoise\n{}\n{cut}", line(1), line(2));
        std::fs::write(directory.path().join(FLIGHT_FILE), text).unwrap();
        let read: Vec<KeptCall> = FlightReader::open(directory.path()).unwrap().unwrap().collect();
        assert_eq!(read, [call(1), call(2)]);
    }
}
