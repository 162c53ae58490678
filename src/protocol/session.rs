//! The client's side of one connection, as a state machine (protocol, sections 2.2, 4 and 5.1).
//!
//! A [`Session`] is handed texts and times. It hands out what a text meant ([`Fact`]), what is due ([`Due`]), and the
//! texts to send. It has no socket and no clock, so the same type serves a simulated client, a test and a fuzzer.
//!
//! ```
//! use wtsp_load::law::{Seed, Time};
//! use wtsp_load::protocol::{Dialect, Fact, Session, SessionSettings};
//!
//! let mut session = Session::new(Dialect::Flat, SessionSettings::default(), 1, 0, Seed(7).stream("client", 0));
//! session.opened(Time::ZERO);
//! let state = r#"{"handshake":"state","keepalive_interval":30000,"timestamp":1,
//!                 "registration":{"status":"registered"},"lines":[null,null]}"#;
//! let handled = session.handle(state, Time::from_nanos(5_000_000));
//! assert!(matches!(handled.fact, Fact::State { again: false, .. }));
//! assert!(session.is_ready());
//! ```

use std::time::Duration;

use rand::RngExt;

use super::lines::{LINE_REUSE_GUARD, Lines};
use super::{
    CallId, Dialect, Event, EventBody, FromCore, Line, Malformed, NotInDialect, Outgoing, Reading,
    RegistrationStatus, Repairs, RequestName, Response, ResponseOutcome, State, TransactionIds, Unknown,
    decode_from_core, encode_keepalive,
};
use crate::law::{Draws, Time};

/// What a session is told once; the same for all clients of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionSettings {
    /// How long a response may take, and a keepalive's echo, and the first `state` (sections 4.5 and 8: 10 s).
    pub request_timeout: Duration,
    /// The share of the keepalive interval that is drawn: 0.1 sends after 0.9 to 1.0 of the interval, 0 after
    /// exactly the interval (section 4.5).
    pub keepalive_jitter: f64,
    /// An interval between keepalives that holds where it is shorter than the server's: a server has to accept more
    /// frequent ones (section 4.4).
    pub keepalive_interval: Option<Duration>,
    /// How carefully messages are read.
    pub reading: Reading,
}

impl Default for SessionSettings {
    fn default() -> Self {
        SessionSettings {
            request_timeout: Duration::from_secs(10),
            keepalive_jitter: 0.1,
            keepalive_interval: None,
            reading: Reading::Tolerant,
        }
    }
}

/// Keepalives are due at whole milliseconds of the run's clock: nothing on the wire needs them finer, and what is due in
/// the same millisecond is sent in one turn. At 10,000 a second the generator then wakes up a tenth as often for them.
const KEEPALIVE_GRID: Duration = Duration::from_millis(1);

/// More requests than this without an answer on one connection, and the oldest time out before their time: a server
/// that never answers must not make a client grow.
const MAX_PENDING: usize = 256;

/// One client's side of one connection.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    settings: SessionSettings,
    /// They go on over reconnects, so that none is used twice in a run.
    ids: TransactionIds,
    draws: Draws,
    opened: Time,
    attached: bool,
    registration: RegistrationStatus,
    limited: bool,
    interval: Duration,
    /// When the server was last given a sign of life.
    last_sent: Time,
    keepalive_due: Time,
    keepalive_pending: Option<Pending>,
    pending: Vec<Pending>,
    lines: Lines,
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
struct Pending {
    counter: u32,
    request: RequestName,
    tag: u64,
    sent: Time,
}

/// What a text meant.
#[derive(Debug)]
pub struct Handled<'a> {
    /// What it meant.
    pub fact: Fact<'a>,
    /// What had to be repaired to understand it.
    pub repairs: Repairs,
}

/// What a text meant to the session.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for the time of one frame")]
pub enum Fact<'a> {
    /// The handshake state. `again` if it is not the first of the connection (section 10, row 18).
    State {
        /// The state.
        state: State<'a>,
        /// There was one before.
        again: bool,
    },
    /// The answer to our keepalive.
    KeepaliveAnswered {
        /// When that was sent.
        sent: Time,
    },
    /// The answer to our keepalive is an error: the connection counts as failed (section 4.2).
    KeepaliveRefused {
        /// Table 6.2; absent when the server gave none.
        code: Option<i32>,
    },
    /// The response to one of our requests.
    Response {
        /// Which request.
        request: RequestName,
        /// The tag that its owner gave it.
        tag: u64,
        /// When it was sent.
        sent: Time,
        /// What became of it.
        outcome: ResponseOutcome<'a>,
    },
    /// A response or echo to nothing that waits (section 10, rows 5 and 30).
    LateResponse,
    /// An event of the session, or one that concerns no call.
    Event(Event<'a>),
    /// An event on a line of ours: of its call, or of its media.
    LineEvent {
        /// The line.
        line: usize,
        /// The event.
        event: Event<'a>,
    },
    /// An event of a call that is over or never was (section 5.1, rule 3).
    StrayEvent(Event<'a>),
    /// A message that the protocol does not have.
    Unknown(Unknown<'a>),
    /// No message at all.
    Malformed(Malformed),
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A keepalive is to be sent: [`Session::keepalive`].
    Keepalive,
    /// The answer to a keepalive has not come in time: the connection counts as failed.
    KeepaliveMissed,
    /// The response to a request has not come in time.
    RequestTimeout {
        /// Which request.
        request: RequestName,
        /// The tag that its owner gave it.
        tag: u64,
    },
    /// The handshake state has not come in time.
    StateTimeout,
}

impl Session {
    /// A session that waits for its connection: of the client number `client` in the run `run`, which two make its
    /// transaction ids unique.
    pub fn new(dialect: Dialect, settings: SessionSettings, run: u32, client: u32, draws: Draws) -> Session {
        Session {
            dialect,
            settings,
            ids: TransactionIds::new(run, client),
            draws,
            opened: Time::ZERO,
            attached: false,
            registration: RegistrationStatus::Unknown,
            limited: false,
            interval: Duration::ZERO,
            last_sent: Time::ZERO,
            keepalive_due: Time::NEVER,
            keepalive_pending: None,
            pending: Vec::new(),
            lines: Lines::default(),
        }
    }

    /// The connection is open as of `at`: nothing may be sent before the state has come (section 2.6).
    pub fn opened(&mut self, at: Time) {
        self.opened = at;
        self.attached = false;
        self.registration = RegistrationStatus::Unknown;
        self.limited = false;
        self.keepalive_due = Time::NEVER;
        self.keepalive_pending = None;
        self.pending.clear();
        self.lines = Lines::default();
    }

    /// The dialect that it writes.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The handshake state has come.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// Attached and registered, without limits: calls can be made, if there is a line.
    pub fn is_ready(&self) -> bool {
        self.attached && self.registration == RegistrationStatus::Registered && !self.limited
    }

    /// Registered, but `authorization_failure` (decision 12.45).
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Where the registration stands.
    pub fn registration(&self) -> RegistrationStatus {
        self.registration
    }

    /// The interval between keepalives.
    pub fn keepalive_interval(&self) -> Duration {
        self.interval
    }

    /// The lines.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// A keepalive waits for its answer.
    pub fn awaits_keepalive(&self) -> bool {
        self.keepalive_pending.is_some()
    }

    /// Requests that wait for their response, the keepalive left out.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Reads a text that came off the socket `at`.
    pub fn handle<'a>(&mut self, text: &'a str, at: Time) -> Handled<'a> {
        let decoded = match decode_from_core(text, self.settings.reading) {
            Ok(decoded) => decoded,
            Err(malformed) => {
                return Handled { fact: Fact::Malformed(malformed), repairs: Repairs::default() };
            }
        };
        let fact = match decoded.message {
            FromCore::State(state) => self.on_state(state, at),
            FromCore::Keepalive(keepalive) => self.on_echo(keepalive.transaction.as_deref(), at),
            FromCore::Response(response) => self.on_response(response, at),
            FromCore::Event(event) => self.on_event(event, at),
            FromCore::Unknown(unknown) => Fact::Unknown(unknown),
        };
        Handled { fact, repairs: decoded.repairs }
    }

    /// Writes the request for `line` and the call on it into `out`, in place of what that held, and waits for its
    /// response from `now` on; a request of the session has no line. The owner finds it again by `tag`.
    ///
    /// # Errors
    /// The dialect cannot say it: nothing was written.
    pub fn request(
        &mut self,
        line: Option<usize>,
        request: &Outgoing<'_>,
        tag: u64,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), NotInDialect> {
        let name = request.name();
        let call_id = match name {
            // A candidate belongs to a line, not to a call (decision 12.33).
            RequestName::IceTrickle => None,
            _ => line.and_then(|line| self.lines.call_id(line)),
        };
        let line = line.map_or(Line::Absent, |line| self.lines.wire(line));
        request.encode(self.dialect, &self.ids, line, call_id, out)?;
        let pending = Pending { counter: self.ids.counter(), request: name, tag, sent: now };
        self.ids.advance();
        self.pending.push(pending);
        self.last_sent = now;
        // Any request puts the next keepalive off by a full interval (section 4.4).
        if self.keepalive_pending.is_none() {
            self.arm_keepalive(now);
        }
        Ok(())
    }

    /// Writes a keepalive into `out`, in place of what that held, and waits for its answer from `now` on.
    pub fn keepalive(&mut self, now: Time, out: &mut Vec<u8>) {
        encode_keepalive(self.dialect, &self.ids, out);
        let (counter, request) = (self.ids.counter(), RequestName::Keepalive);
        self.keepalive_pending = Some(Pending { counter, request, tag: 0, sent: now });
        self.ids.advance();
        self.last_sent = now;
        self.keepalive_due = Time::NEVER;
    }

    /// Takes a free line for a call to be made, with a new call id; not the one used last, if there is another
    /// (section 5.1, rule 8). `None` while all are busy or too fresh from their last call.
    pub fn take_line(&mut self, now: Time) -> Option<usize> {
        let line = self.lines.free(now)?;
        self.lines.occupy(line, CallId::random(&mut self.draws).as_str());
        Some(line)
    }

    /// Takes the last free line for a call to be made.
    pub fn take_last_line(&mut self, now: Time) -> Option<usize> {
        let line = self.lines.last_free(now)?;
        self.lines.occupy(line, CallId::random(&mut self.draws).as_str());
        Some(line)
    }

    /// Takes the guest line for a call to be made (section 5.15), if it is free.
    pub fn take_guest_line(&mut self, now: Time) -> Option<usize> {
        let line = self.lines.free_guest(now)?;
        self.lines.occupy(line, CallId::random(&mut self.draws).as_str());
        Some(line)
    }

    /// Gives a line back whose call never came to be or is beyond hope.
    pub fn free_line(&mut self, line: usize, now: Time) {
        self.lines.release(line, now + LINE_REUSE_GUARD);
    }

    /// When the next thing is due; [`Time::NEVER`] if nothing is.
    pub fn next_due(&self) -> Time {
        if self.pending.len() > MAX_PENDING {
            return Time::ZERO;
        }
        if !self.attached {
            return self.opened + self.settings.request_timeout;
        }
        let timeout = self.settings.request_timeout;
        let oldest =
            |pending: Option<&Pending>| pending.map_or(Time::NEVER, |pending| pending.sent + timeout);
        self.keepalive_due.min(oldest(self.keepalive_pending.as_ref())).min(oldest(self.pending.first()))
    }

    /// What is due by `now`; asked until there is nothing more.
    pub fn due(&mut self, now: Time) -> Option<Due> {
        if self.pending.len() > MAX_PENDING {
            return Some(self.give_up_oldest());
        }
        let timeout = self.settings.request_timeout;
        if !self.attached {
            if now < self.opened + timeout {
                return None;
            }
            // Said once.
            self.opened = Time::NEVER;
            return Some(Due::StateTimeout);
        }
        if self.keepalive_pending.is_some_and(|pending| pending.sent + timeout <= now) {
            self.keepalive_pending = None;
            self.arm_keepalive(now);
            return Some(Due::KeepaliveMissed);
        }
        if self.pending.first().is_some_and(|pending| pending.sent + timeout <= now) {
            return Some(self.give_up_oldest());
        }
        if self.keepalive_due <= now {
            self.keepalive_due = Time::NEVER;
            return Some(Due::Keepalive);
        }
        None
    }

    fn give_up_oldest(&mut self) -> Due {
        let Pending { request, tag, .. } = self.pending.remove(0);
        Due::RequestTimeout { request, tag }
    }

    fn arm_keepalive(&mut self, from: Time) {
        let share = 1.0 - self.settings.keepalive_jitter * self.draws.random::<f64>();
        let due = from + self.interval.mul_f64(share.clamp(0.0, 1.0));
        // Down, not up: never later than the server asks, and a train of them keeps its pace.
        self.keepalive_due = due.rounded_down_to(KEEPALIVE_GRID);
    }

    fn on_state<'a>(&mut self, state: State<'a>, at: Time) -> Fact<'a> {
        let again = self.attached;
        self.attached = true;
        self.registration = state.registration.status;
        let asked = state.keepalive_interval().0;
        self.interval = self.settings.keepalive_interval.map_or(asked, |own| own.min(asked));
        if !again {
            self.lines = Lines::from_state(&state.lines, state.guest_line.held());
            self.arm_keepalive(at);
        }
        Fact::State { state, again }
    }

    fn on_echo(&mut self, transaction: Option<&str>, at: Time) -> Fact<'static> {
        // One without our transaction may be the echo of anything: a round trip is measured, so it is not guessed
        // (section 10, row 29).
        let counter = transaction.and_then(|transaction| self.ids.parse(transaction));
        match self.keepalive_pending {
            Some(pending) if counter == Some(pending.counter) => self.keepalive_answered(pending, at),
            _ => Fact::LateResponse,
        }
    }

    fn keepalive_answered(&mut self, pending: Pending, at: Time) -> Fact<'static> {
        self.keepalive_over(at);
        Fact::KeepaliveAnswered { sent: pending.sent }
    }

    /// There is no keepalive under way any more.
    fn keepalive_over(&mut self, at: Time) {
        self.keepalive_pending = None;
        // The interval runs from one sign of life to the next, whatever the answer took. But where the answer took longer
        // than that, the next one is due now: it was the server that was late, and not we.
        self.arm_keepalive(self.last_sent);
        self.keepalive_due = self.keepalive_due.max(at);
    }

    fn on_response<'a>(&mut self, response: Response<'a>, at: Time) -> Fact<'a> {
        let Some(counter) =
            response.transaction.as_deref().and_then(|transaction| self.ids.parse(transaction))
        else {
            return Fact::LateResponse;
        };
        if let Some(pending) = self.keepalive_pending
            && pending.counter == counter
        {
            return match response.outcome {
                ResponseOutcome::Ack => self.keepalive_answered(pending, at),
                ResponseOutcome::Error { code, .. } => {
                    self.keepalive_over(at);
                    Fact::KeepaliveRefused { code }
                }
            };
        }
        let Some(place) = self.pending.iter().position(|pending| pending.counter == counter) else {
            return Fact::LateResponse;
        };
        let Pending { request, tag, sent, .. } = self.pending.remove(place);
        Fact::Response { request, tag, sent, outcome: response.outcome }
    }

    fn on_event<'a>(&mut self, event: Event<'a>, at: Time) -> Fact<'a> {
        match &event.body {
            EventBody::Registering => self.registration = RegistrationStatus::Registering,
            EventBody::Registered { phrase } => {
                self.registration = RegistrationStatus::Registered;
                self.limited = phrase.as_deref() == Some("authorization_failure");
            }
            EventBody::RegistrationFailed { .. } => {
                self.registration = RegistrationStatus::RegistrationFailed
            }
            EventBody::Unregistering => self.registration = RegistrationStatus::Unregistering,
            EventBody::Unregistered => self.registration = RegistrationStatus::Unregistered,
            EventBody::IncomingCall(_) => return self.on_incoming(event),
            EventBody::IceHangup { .. } => {
                match event.line {
                    Line::Main(line) if usize::from(line) < self.lines.len() => {
                        self.lines.lift_guard(usize::from(line));
                    }
                    Line::Guest => self.lines.lift_guard(self.lines.guest()),
                    _ => {}
                }
                return Fact::Event(event);
            }
            EventBody::MissedCall { .. } => {}
            _ => return self.on_line_event(event, at),
        }
        Fact::Event(event)
    }

    fn on_incoming<'a>(&mut self, event: Event<'a>) -> Fact<'a> {
        let (Line::Main(line), Some(call_id)) = (event.line, event.call_id.as_deref()) else {
            return Fact::StrayEvent(event);
        };
        let line = usize::from(line);
        if line >= self.lines.len() || self.lines.is_busy(line) {
            return Fact::StrayEvent(event);
        }
        self.lines.occupy(line, call_id);
        Fact::LineEvent { line, event }
    }

    fn on_line_event<'a>(&mut self, event: Event<'a>, at: Time) -> Fact<'a> {
        let found = match (event.line, event.call_id.as_deref()) {
            (Line::Main(line), Some(call_id)) if usize::from(line) < self.lines.len() => {
                self.lines.find(usize::from(line), call_id)
            }
            (Line::Guest, Some(call_id)) if self.lines.find(self.lines.guest(), call_id).is_some() => {
                Some(self.lines.guest())
            }
            (Line::Guest, None) => Some(self.lines.guest()).filter(|line| self.lines.is_busy(*line)),
            // No line that there is: the call id must do (section 10, row 24).
            (_, Some(call_id)) => self.lines.find_call(call_id),
            (Line::Main(line), None) => {
                let line = Some(usize::from(line)).filter(|line| *line < self.lines.len());
                line.filter(|line| self.lines.is_busy(*line))
            }
            (_, None) => None,
        };
        let Some(line) = found else {
            // A session's error in flat, and media events of idle lines, are no strays.
            let of_a_call = event.call_id.is_some() || matches!(event.line, Line::Invalid);
            return if of_a_call { Fact::StrayEvent(event) } else { Fact::Event(event) };
        };
        if matches!(event.body, EventBody::Hangup { .. }) {
            // The last word on a call; its media may take a little longer (section 5.1, rule 5).
            self.lines.release(line, at + LINE_REUSE_GUARD);
        }
        Fact::LineEvent { line, event }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
