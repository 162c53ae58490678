//! Attaching and detaching: which connection a session has, its state, its registration (protocol, sections 2.3, 2.4
//! and 2.7).

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::value::{RawValue, to_raw_value};

use super::RegistrationMode;
use super::accounts::Slot;
use super::address::Address;
use super::calls::{Log, Side};
use super::core::{Core, Due};
use super::post::{Envelope, Mark};
use super::slab::Id;
use crate::protocol::{
    CloseCode, Dialect, EventBody, GuestLine, HangupCode, Line, LineState, LogEntry, Registration,
    RegistrationStatus, ServerMessage, State, Text,
};

/// What is shown of a line in a state: the call and its log.
type Shown = Option<(String, Vec<(i64, Box<RawValue>)>)>;

impl Core {
    /// Binds a new connection to the session that its token stands for (section 2.4).
    pub(super) fn attach(&mut self, id: Id, address: &Address) {
        let Some(account) = self.accounts.by_token(&address.token) else {
            return self.close(id, CloseCode::SessionMissedError, "session missed");
        };
        if !self.accounts.get(account).is_switched_on {
            return self.close(id, CloseCode::AppUnregisteredError, "app unregistered");
        }
        let attached = self.accounts.get(account).connection;
        if attached.is_some() && !address.force {
            return self.close(id, CloseCode::ControllerAttachedError, "already attached");
        }
        let at_once = self.options.registration == RegistrationMode::AtOnce;
        let owner = self.accounts.get_mut(account);
        owner.connection = Some(id);
        owner.attached_with = owner
            .sessions
            .iter()
            .map(|session| &session.token)
            .find(|token| ***token == *address.token)
            .cloned();
        owner.attached = owner.attached.wrapping_add(1);
        owner.is_registered |= at_once;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.account = Some(account);
        }
        if let Some(displaced) = attached {
            self.close(displaced, CloseCode::ControllerForceAttachClose, "attached elsewhere");
        }
        if self.options.registration != RegistrationMode::NoState {
            let delay = self.delays.next(ServerMessage::State).unwrap_or_default();
            self.due.push(self.now + delay, Due::State(id, self.now));
        }
    }

    /// A connection has nothing to do with its session any more. Its calls stay up for the grace (Appendix C,
    /// point 11).
    pub(super) fn detach(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if std::mem::take(&mut connection.is_signed_on) {
            self.signed_on_now -= 1;
        }
        let (dialect, account) = (connection.session.dialect(), connection.account);
        let Some(account) = account.filter(|account| self.accounts.get(*account).connection == Some(id))
        else {
            return;
        };
        let owner = self.accounts.get_mut(account);
        owner.connection = None;
        owner.attached_with = None;
        owner.dialect = dialect;
        if owner.has_calls() {
            let attached = owner.attached;
            self.due.push(self.now + self.options.grace, Due::Grace(account, attached));
        } else {
            owner.is_registered = false;
        }
    }

    /// An account has been away for as long as its calls are kept, unless it came back.
    pub(super) fn grace_is_over(&mut self, account: u32, attached: u32) {
        let owner = self.accounts.get_mut(account);
        if owner.connection.is_some() || owner.attached != attached {
            return;
        }
        owner.is_registered = false;
        for leg in owner.legs() {
            let Some(call) = self.calls.get(leg.call) else { continue };
            let code = match (call.is_answered(), leg.side) {
                (true, _) => HangupCode::NormalEnd,
                (false, Side::Caller) => HangupCode::RequestTerminated,
                (false, Side::Callee) => HangupCode::TemporarilyUnavailable,
            };
            self.end_call(leg.call, self.now, code, None);
        }
    }

    /// Sends the state: the first message of a connection, and once.
    pub(super) fn send_state(&mut self, id: Id) {
        let Some(connection) = self.connections.get(id).filter(|connection| !connection.is_closing) else {
            return;
        };
        let Some(account) = connection.account else { return };
        let dialect = connection.session.dialect();
        let is_registered = self.accounts.get(account).is_registered;
        let shown = self.shown_lines(account);
        // A core that speaks nested alone has no guest line.
        let guest = self.shown_line(&self.accounts.get(account).guest).filter(|_| dialect == Dialect::Flat);
        let state = State {
            keepalive_interval_ms: i64::try_from(self.options.keepalive_interval.as_millis()).ok(),
            timestamp: Some(self.stamp(self.now)),
            registration: Registration {
                status: if is_registered {
                    RegistrationStatus::Registered
                } else {
                    RegistrationStatus::Unregistered
                },
                code: None,
                reason: None,
            },
            lines: shown.iter().map(|line| line.as_ref().map(line_state)).collect(),
            guest_line: guest.as_ref().map_or(GuestLine::Absent, |line| GuestLine::Line(line_state(line))),
            presence_infos: None,
            dialog_infos: None,
        };
        if state.encode(dialect, &mut self.scratch).is_err() {
            return;
        }
        let Some(text) = self.written() else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.session.state_sent(self.now);
        let silent_at = connection.session.silent_at();
        if silent_at < crate::law::Time::NEVER {
            self.silences.push(silent_at, id);
        }
        self.schedule(id, self.now, &text, Mark::State { is_registered }, None);
        if !is_registered {
            self.await_registration(id);
        }
        self.release_held(id);
    }

    /// The next step of a registration that takes its time: `registering`, then how it ends.
    pub(super) fn register_on(&mut self, id: Id) {
        let Some(connection) = self.connections.get(id).filter(|connection| !connection.is_closing) else {
            return;
        };
        let Some(account) = connection.account else { return };
        let was_begun = connection.is_registering;
        let envelope =
            Envelope { account, line: Line::Absent, call_id: None, transaction: None, due: self.now };
        if !was_begun {
            self.post(envelope, EventBody::Registering);
            if let Some(connection) = self.connections.get_mut(id) {
                connection.is_registering = true;
            }
            return self.await_registration(id);
        }
        if let RegistrationMode::Fails(_) = self.options.registration {
            let (code, reason) = (Some(403), Some(Text::Borrowed("Forbidden")));
            self.post(envelope, EventBody::RegistrationFailed { code, reason });
        } else {
            self.accounts.get_mut(account).is_registered = true;
            self.post(envelope, EventBody::Registered { phrase: Some(Text::Borrowed("ok")) });
        }
    }

    fn await_registration(&mut self, id: Id) {
        if let RegistrationMode::Staged(delay) | RegistrationMode::Fails(delay) = self.options.registration {
            self.due.push(self.now + delay, Due::Registration(id));
        }
    }

    /// A client has been told that it is registered.
    pub(super) fn signed_on(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(account) = connection.account.filter(|_| !connection.is_signed_on) else { return };
        connection.is_signed_on = true;
        self.signed_on_now += 1;
        let clients = &mut self.truth.clients;
        clients.peak = clients.peak.max(self.signed_on_now);
        if !std::mem::replace(&mut self.accounts.get_mut(account).was_signed_on, true) {
            clients.signed_on += 1;
        }
    }

    fn shown_lines(&self, account: u32) -> Vec<Shown> {
        self.accounts.get(account).lines.iter().map(|slot| self.shown_line(slot)).collect()
    }

    fn shown_line(&self, slot: &Slot) -> Shown {
        let Slot::Call { call_id, leg } = slot else { return None };
        let call = self.calls.get(leg.call)?;
        Some((call_id.to_string(), shown_log(&call.leg(leg.side).log)))
    }
}

fn line_state((call_id, log): &(String, Vec<(i64, Box<RawValue>)>)) -> LineState<'_> {
    LineState {
        call_id: Some(Text::Borrowed(call_id)),
        call_logs: log
            .iter()
            .map(|(timestamp, message)| LogEntry { timestamp: *timestamp, message })
            .collect(),
        uncertain: false,
    }
}

/// The entries of a log as they are shown: newest first, and without `line` and `call_id`, which the line itself has
/// (decisions 12.25 and 12.27).
fn shown_log(log: &Log) -> Vec<(i64, Box<RawValue>)> {
    let shown = |(stamp, text): &(i64, Rc<str>)| {
        let mut message: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        message.remove("line");
        message.remove("call_id");
        Some((*stamp, to_raw_value(&message).ok()?))
    };
    log.newest_first().filter_map(shown).collect()
}
