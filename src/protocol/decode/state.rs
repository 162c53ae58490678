//! Reading the handshake `state` (protocol, section 3.4.1; section 10, rows 11 to 16).

use std::time::Duration;

use serde_json::value::RawValue;

use super::super::keys::Key;
use super::super::raw::elements;
use super::super::wire::Value;
use super::super::{
    EventName, GuestLine, LineState, LogEntry, Registration, RegistrationStatus, Repair, RequestName, State,
};
use super::View;

/// The most lines that are kept of a state; no account has a hundredth of them.
pub const MAX_LINES: usize = 4096;

/// The interval where none is announced that can be believed (section 4.6).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(600);
/// Beyond this an interval is no longer long but absurd.
const ABSURD_INTERVAL: Duration = Duration::from_secs(24 * 3600);

impl State<'_> {
    /// The interval between keepalives, and whether it is another than the announced one (section 4.6): clamped to
    /// one second to ten minutes; half a minute where the announced one is missing or absurd.
    pub fn keepalive_interval(&self) -> (Duration, bool) {
        let announced =
            self.keepalive_interval_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        match announced {
            Some(interval) if !interval.is_zero() && interval <= ABSURD_INTERVAL => {
                let clamped = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
                (clamped, clamped != interval)
            }
            _ => (DEFAULT_INTERVAL, true),
        }
    }
}

impl<'a> View<'a> {
    /// A state never fails: what it does not say, or not well, is taken as section 10, row 16 has it.
    pub(super) fn state(&mut self) -> State<'a> {
        let state = State {
            keepalive_interval_ms: self.integer(Key::KeepaliveInterval).unwrap_or_default(),
            timestamp: self.integer(Key::Timestamp).unwrap_or_default(),
            registration: self.registration(),
            lines: self.lines(),
            guest_line: self.guest_line(),
            presence_infos: self.list(Key::PresenceInfos),
            dialog_infos: self.list(Key::DialogInfos),
        };
        if state.keepalive_interval().1 {
            self.repairs.add(Repair::BadKeepaliveInterval);
        }
        if state.registration.status == RegistrationStatus::Unknown {
            self.repairs.add(Repair::BadRegistration);
        }
        state
    }

    fn list(&mut self, key: Key) -> Option<&'a RawValue> {
        self.raw(key, '[').unwrap_or_default()
    }

    fn registration(&mut self) -> Registration<'a> {
        let mut registration = Registration { status: RegistrationStatus::Unknown, code: None, reason: None };
        let raw = self.wire.raw(Key::Registration);
        let mut said = self.inner();
        if raw.is_some_and(|raw| said.reads(raw)) {
            if let Value::Text(status) = said.wire.take(Key::Status) {
                registration.status = RegistrationStatus::from_wire(&status);
            }
            registration.code = said.code().unwrap_or_default();
            registration.reason = said.text(Key::Reason).unwrap_or_default();
        }
        registration
    }

    fn lines(&mut self) -> Vec<Option<LineState<'a>>> {
        let mut lines = Vec::new();
        let raw = self.wire.raw(Key::Lines);
        let read = raw.and_then(|raw| {
            elements(raw, |line| {
                if lines.len() == MAX_LINES {
                    self.repairs.add(Repair::TooManyLines);
                } else if line.get() == "null" {
                    lines.push(None);
                } else {
                    lines.push(Some(self.line_state(line)));
                }
            })
        });
        if read.is_none() {
            self.repairs.add(Repair::BadLines);
        }
        lines
    }

    fn guest_line(&mut self) -> GuestLine<'a> {
        match self.wire.raw(Key::GuestLine) {
            None => GuestLine::Absent,
            Some(raw) if raw.get() == "null" => GuestLine::Idle,
            Some(raw) => GuestLine::Line(self.line_state(raw)),
        }
    }

    /// A line of which nothing can be read is taken as free, but nothing is certain about it.
    fn line_state(&mut self, raw: &'a RawValue) -> LineState<'a> {
        let mut line = LineState { call_id: None, call_logs: Vec::new(), uncertain: false };
        let mut said = self.inner();
        if !said.reads(raw) {
            self.repairs.add(Repair::BadLines);
            line.uncertain = true;
            return line;
        }
        if let Value::Text(call_id) = said.wire.take(Key::CallId) {
            line.call_id = Some(call_id);
        }
        let entries = said.wire.raw(Key::CallLogs);
        let read = entries.and_then(|entries| {
            elements(entries, |entry| match log_entry(entry, &said) {
                Some(entry) => line.call_logs.push(entry),
                None => {
                    self.repairs.add(Repair::SkippedLogEntry);
                    line.uncertain = true;
                }
            })
        });
        if read.is_none() {
            self.repairs.add(Repair::NoCallLogs);
            line.uncertain = true;
        }
        line
    }
}

/// An entry is `[stamp, message]`, the message one of a known name.
fn log_entry<'a>(raw: &'a RawValue, view: &View<'a>) -> Option<LogEntry<'a>> {
    let (mut stamp, mut message, mut count) = (None, None, 0);
    elements(raw, |part| {
        match count {
            0 => stamp = part.get().parse().ok(),
            1 => message = Some(part),
            _ => {}
        }
        count += 1;
    })?;
    let message = message?;
    let mut said = view.inner();
    if !said.reads(message) {
        return None;
    }
    let mut name = |key| said.kind(key).and_then(Result::ok);
    let is_known = match (name(Key::Response), name(Key::Event), name(Key::Request)) {
        (Some(response), _, _) => response == "ack" || response == "error",
        (None, Some(event), _) => EventName::from_wire(&event).is_some(),
        (None, None, Some(request)) => RequestName::from_wire(&request).is_some(),
        (None, None, None) => false,
    };
    is_known.then_some(LogEntry { timestamp: stamp?, message })
}
