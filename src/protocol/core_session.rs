//! The server's side of one connection, without I/O: what a text from a client means, and whether it may be meant
//! now (protocol, sections 2.6, 4, 6.1 and 7.1).
//!
//! [`CoreSession`] is handed texts and the time, and hands out what to do: answer, execute, refuse, repeat, hold, or
//! close. It knows its connection alone. Which calls are on which lines outlives a connection, so whoever owns them
//! answers for them through [`LineTable`].

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    CloseCode, Dialect, FromClient, Keepalive, Line, Malformed, MessageKind, Reading, Request, RequestBody,
};
use super::{RequestName, decode_from_client};
use crate::law::Time;

/// How many responses a connection remembers, to repeat them (section 7.1). The real client has one request under
/// way at a time and repeats it for at most 40 s.
const REMEMBERED_RESPONSES: usize = 64;

/// When a silent client is closed with 4502 (section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervision {
    /// After `max(1.5 × interval, interval + 10 s)`.
    #[default]
    Generous,
    /// After `interval + 1 s`.
    Strict,
    /// Never.
    Off,
    /// Never, and keepalives are not answered either: to provoke the client's own timeout.
    NeverEcho,
}

impl Supervision {
    /// All of them.
    pub const ALL: [Supervision; 4] =
        [Supervision::Generous, Supervision::Strict, Supervision::Off, Supervision::NeverEcho];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Supervision::Generous => "generous",
            Supervision::Strict => "strict",
            Supervision::Off => "off",
            Supervision::NeverEcho => "never-echo",
        }
    }

    /// How long a client that was told `interval` may be silent; `None` is for ever.
    pub fn allows(self, interval: Duration) -> Option<Duration> {
        match self {
            Supervision::Generous => Some((interval + interval / 2).max(interval + Duration::from_secs(10))),
            Supervision::Strict => Some(interval + Duration::from_secs(1)),
            Supervision::Off | Supervision::NeverEcho => None,
        }
    }
}

/// What becomes of a request before the handshake state (section 2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyRequests {
    /// Close with 4432.
    #[default]
    Close,
    /// Keep it until the state is out.
    Hold,
    /// Execute it at once.
    Process,
}

/// The rules that a core has for all of its connections.
#[derive(Clone, Copy, Debug)]
pub struct SessionRules {
    /// The dialect that is spoken; `None` is flat until a client's first message shows otherwise (section 3.2).
    pub dialect: Option<Dialect>,
    /// What becomes of requests before the state.
    pub early_requests: EarlyRequests,
    /// When silence is too long.
    pub supervision: Supervision,
    /// The announced interval between keepalives.
    pub keepalive_interval: Duration,
    /// How closely JSON is read.
    pub reading: Reading,
}

/// What a client did that it should not have: a closed set, counted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// A text that is not JSON.
    Unparsable,
    /// A binary message.
    Binary,
    /// JSON that is not a message which a client may send.
    NotAMessage,
    /// A request of an unknown name.
    UnknownRequest,
    /// A request before the handshake state.
    EarlyRequest,
    /// A request about a call that is not on that line.
    WrongCall,
    /// Silent for longer than the supervision allows.
    Silent,
    /// Does not read what it is sent.
    NotReading,
    /// A transaction that was answered before.
    Retransmission,
    /// A request about a call that has just ended; ordinary where two hang up at once.
    LateRequest,
    /// A call on a line that is busy, or that there is not.
    BusyLine,
    /// A candidate for a line without a call.
    TrickleWithoutCall,
    /// A request that the call's state does not allow.
    WrongState,
    /// An SDP that is none.
    BadSdp,
    /// No session description where there must be one.
    MissingSdp,
    /// An answer that nobody waits for, or in place of an offer.
    UnexpectedAnswer,
    /// A request that this core does not execute.
    Unsupported,
    /// Presence without settings, or with some that are none.
    BadPresence,
}

impl Violation {
    /// All of them, in the order of [`index`](Self::index).
    pub const ALL: &'static [Violation] = &[
        Violation::Unparsable,
        Violation::Binary,
        Violation::NotAMessage,
        Violation::UnknownRequest,
        Violation::EarlyRequest,
        Violation::WrongCall,
        Violation::Silent,
        Violation::NotReading,
        Violation::Retransmission,
        Violation::LateRequest,
        Violation::BusyLine,
        Violation::TrickleWithoutCall,
        Violation::WrongState,
        Violation::BadSdp,
        Violation::MissingSdp,
        Violation::UnexpectedAnswer,
        Violation::Unsupported,
        Violation::BadPresence,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The place in [`ALL`](Self::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Violation::Unparsable => "unparsable",
            Violation::Binary => "binary",
            Violation::NotAMessage => "not_a_message",
            Violation::UnknownRequest => "unknown_request",
            Violation::EarlyRequest => "early_request",
            Violation::WrongCall => "wrong_call",
            Violation::Silent => "silent",
            Violation::NotReading => "not_reading",
            Violation::Retransmission => "retransmission",
            Violation::LateRequest => "late_request",
            Violation::BusyLine => "busy_line",
            Violation::TrickleWithoutCall => "trickle_without_call",
            Violation::WrongState => "wrong_state",
            Violation::BadSdp => "bad_sdp",
            Violation::MissingSdp => "missing_sdp",
            Violation::UnexpectedAnswer => "unexpected_answer",
            Violation::Unsupported => "unsupported",
            Violation::BadPresence => "bad_presence",
        }
    }

    /// Whether a client that does everything right may come to it: by repeating what was lost, or by crossing an incoming
    /// call or the end of one.
    pub const fn is_forgivable(self) -> bool {
        matches!(
            self,
            Violation::Retransmission
                | Violation::LateRequest
                | Violation::BusyLine
                | Violation::TrickleWithoutCall
        )
    }

    /// Whether it is a message that could not be read.
    pub const fn is_malformed(self) -> bool {
        matches!(self, Violation::Unparsable | Violation::Binary | Violation::NotAMessage)
    }

    /// The code and reason with which the connection is closed over it, if it is (section 6.1).
    pub const fn closes(self) -> Option<(CloseCode, &'static str)> {
        match self {
            Violation::Unparsable => Some((CloseCode::SocketMessageError, "message is not JSON")),
            Violation::Binary => Some((CloseCode::SocketMessageError, "binary message")),
            Violation::NotAMessage => {
                Some((CloseCode::SignalingMessageError, "not a message of this protocol"))
            }
            Violation::UnknownRequest => Some((CloseCode::RequestUnknownError, "unknown request")),
            Violation::EarlyRequest => {
                Some((CloseCode::ControllerNotAttachedError, "request before handshake state"))
            }
            Violation::WrongCall => Some((CloseCode::RequestCallIdError, "call request on wrong line")),
            Violation::Silent => Some((CloseCode::SignalingKeepaliveTimeoutError, "keepalive timeout")),
            _ => None,
        }
    }
}

/// A response that refuses a request (section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRefusal {
    /// Table 6.2.
    pub code: i32,
    /// Free text.
    pub reason: &'static str,
}

/// How a request was answered.
pub type Answer = Result<(), RequestRefusal>;

/// What is on a line, as far as requests about it are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLine<'a> {
    /// There is no such line.
    Nothing,
    /// No call.
    Free,
    /// This call has ended, its media leg not yet: the line takes a new one (section 5.1, rule 5).
    Closing(&'a str),
    /// This call.
    Call(&'a str),
}

/// The lines of the subscriber that a connection belongs to.
pub trait LineTable {
    /// What is on `line`.
    fn on(&self, line: Line) -> OnLine<'_>;
}

/// What a text from a client asks its core to do.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Answer this keepalive in kind: echo its text (flat), acknowledge it (nested).
    Keepalive(Keepalive<'a>),
    /// Execute this request, and tell [`CoreSession::answered`] how it was answered.
    Request(Request<'a>),
    /// As [`Heard::Request`], about a call that has just ended on that line.
    Late(Request<'a>),
    /// Refuse this request, and tell [`CoreSession::answered`] so.
    Refused(Request<'a>, RequestRefusal, Violation),
    /// A retransmission: answer as before, execute nothing.
    Repeated(Request<'a>, Answer),
    /// Hand the text in again once the state is out.
    Hold,
    /// Close the connection over this; with the name of the request that did it, if it was one.
    Close(Violation, Option<RequestName>),
    /// Nothing: a keepalive that is not to be answered.
    Ignore,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct CoreSession {
    rules: SessionRules,
    dialect: Dialect,
    is_dialect_known: bool,
    is_state_sent: bool,
    last_heard: Time,
    answered: Answered,
}

impl CoreSession {
    /// The session of a connection that was opened at `now`.
    pub fn new(rules: SessionRules, now: Time) -> CoreSession {
        CoreSession {
            rules,
            dialect: rules.dialect.unwrap_or(Dialect::Flat),
            is_dialect_known: rules.dialect.is_some(),
            is_state_sent: false,
            last_heard: now,
            answered: Answered::default(),
        }
    }

    /// The dialect to write to this client.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the client has been sent its state.
    pub fn is_state_sent(&self) -> bool {
        self.is_state_sent
    }

    /// The state goes out at `now`: from here on requests are welcome.
    pub fn state_sent(&mut self, now: Time) {
        self.is_state_sent = true;
        self.last_heard = self.last_heard.max(now);
    }

    /// When the client will have been silent for too long, as things stand. Before the state it cannot be: it has not
    /// been told the interval.
    pub fn silent_at(&self) -> Time {
        match self.rules.supervision.allows(self.rules.keepalive_interval) {
            Some(allowed) => self.last_heard + allowed,
            None => Time::NEVER,
        }
    }

    /// What `text`, which came `at` this time, asks for. Every message is a sign of life (section 4.5).
    pub fn receive<'a>(&mut self, text: &'a str, at: Time, lines: &impl LineTable) -> Heard<'a> {
        self.last_heard = self.last_heard.max(at);
        let message = match decode_from_client(text, self.rules.reading) {
            Ok(decoded) => decoded.message,
            Err(Malformed::NotJson) => return Heard::Close(Violation::Unparsable, None),
            Err(_) => return Heard::Close(Violation::NotAMessage, None),
        };
        self.learn_dialect(&message, text);
        match message {
            FromClient::Keepalive(keepalive) => self.keepalive(keepalive),
            FromClient::Request(request) => self.request(request, lines),
            FromClient::Unknown(unknown) if unknown.kind == MessageKind::Request => {
                Heard::Close(Violation::UnknownRequest, None)
            }
            FromClient::Unknown(_) => Heard::Close(Violation::NotAMessage, None),
        }
    }

    /// A request has been answered: its transaction is a retransmission from now on.
    pub fn answered(&mut self, transaction: &str, answer: Answer) {
        self.answered.remember(transaction, answer);
    }

    fn keepalive<'a>(&self, keepalive: Keepalive<'a>) -> Heard<'a> {
        // In nested a keepalive is a request, and no request may come before the state.
        if keepalive.form == Dialect::Nested
            && let Some(heard) = self.too_early(RequestName::Keepalive)
        {
            return heard;
        }
        match (self.rules.supervision, self.rules.dialect) {
            (Supervision::NeverEcho, _) => Heard::Ignore,
            // Who speaks one dialect only does not know the other's keepalive: that is how a scout tells them apart.
            (_, Some(only)) if only != keepalive.form => Heard::Ignore,
            _ => Heard::Keepalive(keepalive),
        }
    }

    fn request<'a>(&mut self, request: Request<'a>, lines: &impl LineTable) -> Heard<'a> {
        let name = request.body.name();
        if let Some(heard) = self.too_early(name) {
            return heard;
        }
        if let Some(answer) = self.answered.find(&request.transaction) {
            return Heard::Repeated(request, answer);
        }
        let on_line = match (request.line, self.dialect) {
            // Nested has no guest line (section 3.2, rule 3).
            (Line::Guest, Dialect::Nested) => OnLine::Nothing,
            (line, _) => lines.on(line),
        };
        let refusal = match name {
            RequestName::PresenceUpdate | RequestName::Keepalive => None,
            RequestName::OutgoingCall => match on_line {
                OnLine::Free | OnLine::Closing(_) => None,
                OnLine::Nothing => Some((503, "busy line: there is no such line", Violation::BusyLine)),
                OnLine::Call(_) => Some((503, "busy line", Violation::BusyLine)),
            },
            RequestName::IceTrickle => match on_line {
                OnLine::Nothing => return Heard::Close(Violation::WrongCall, Some(name)),
                OnLine::Free => Some((471, "no call on this line", Violation::TrickleWithoutCall)),
                OnLine::Closing(_) => return Heard::Late(request),
                OnLine::Call(_) => None,
            },
            _ => match (on_line, request.call_id.as_deref()) {
                (OnLine::Call(there), Some(meant)) if there == meant => None,
                (OnLine::Closing(there), Some(meant)) if there == meant => return Heard::Late(request),
                _ => return Heard::Close(Violation::WrongCall, Some(name)),
            },
        };
        match refusal {
            None => Heard::Request(request),
            Some((code, reason, violation)) => {
                Heard::Refused(request, RequestRefusal { code, reason }, violation)
            }
        }
    }

    fn too_early<'a>(&self, name: RequestName) -> Option<Heard<'a>> {
        match (self.is_state_sent, self.rules.early_requests) {
            (true, _) | (false, EarlyRequests::Process) => None,
            (false, EarlyRequests::Close) => Some(Heard::Close(Violation::EarlyRequest, Some(name))),
            (false, EarlyRequests::Hold) => Some(Heard::Hold),
        }
    }

    /// Section 3.2: the first message that says anything settles the dialect.
    fn learn_dialect(&mut self, message: &FromClient<'_>, text: &str) {
        if self.is_dialect_known {
            return;
        }
        let shown = match message {
            FromClient::Keepalive(keepalive) => Some(keepalive.form),
            FromClient::Request(request) => Some(dialect_of(request, text)),
            FromClient::Unknown(_) => None,
        };
        if let Some(dialect) = shown {
            self.dialect = dialect;
            self.is_dialect_known = true;
        }
    }
}

/// The dialect of a request, read off its text; once a connection.
fn dialect_of(request: &Request<'_>, text: &str) -> Dialect {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow)]
        request: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Ok(shape) = serde_json::from_str::<Shape<'_>>(text) else { return Dialect::Flat };
    let name = RequestName::OutgoingCall;
    if shape.request == name.wire_name(Dialect::Nested) {
        return Dialect::Nested;
    }
    // The one flat request that has a `data` of its own.
    let is_flat_data = matches!(request.body, RequestBody::PeerMessage { .. });
    match shape.data {
        Some(data) if data.get().starts_with('{') && !is_flat_data => Dialect::Nested,
        _ => Dialect::Flat,
    }
}

/// The last responses of a connection. A repeated request brings its own line and call id, so nothing is kept but
/// how it was answered: of an acknowledged one, as nearly all are, 8 bytes.
#[derive(Debug, Default)]
struct Answered {
    hasher: RandomState,
    /// The hashes of their transactions, a ring once they are [`REMEMBERED_RESPONSES`].
    marks: Vec<u64>,
    oldest: usize,
    /// Those of them that were refused.
    refused: Vec<(u64, RequestRefusal)>,
}

impl Answered {
    fn find(&self, transaction: &str) -> Option<Answer> {
        let mark = self.hasher.hash_one(transaction);
        self.marks.contains(&mark).then(|| {
            let refused = self.refused.iter().find(|(known, _)| *known == mark);
            refused.map_or(Ok(()), |(_, refusal)| Err(*refusal))
        })
    }

    fn remember(&mut self, transaction: &str, answer: Answer) {
        let mark = self.hasher.hash_one(transaction);
        if self.marks.len() < REMEMBERED_RESPONSES {
            self.marks.push(mark);
        } else {
            let forgotten = std::mem::replace(&mut self.marks[self.oldest], mark);
            self.refused.retain(|(known, _)| *known != forgotten);
            self.oldest = (self.oldest + 1) % REMEMBERED_RESPONSES;
        }
        if let Err(refusal) = answer {
            self.refused.push((mark, refusal));
        }
    }
}

#[cfg(test)]
#[path = "core_session_tests.rs"]
mod tests;
