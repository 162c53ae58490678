//! A worker's sign-ons, keepalives and sign-offs.

use std::mem;
use std::sync::Arc;

use super::flight::{What, code_of};
use super::worker::{CLOSE_TIMEOUT, Stage, Worker};
use crate::client::{Connection, Ending, Signon, count_fact};
use crate::law::Time;
use crate::metrics::{DisconnectKey, Metric, Sample, SignonFailure, SignonFailureKey};
use crate::protocol::{
    CloseCode, Due, Event, EventBody, Fact, Line, RegistrationStatus, State, normalise_number,
};
use crate::transport::{Closed, DialError, Dialled, Initiator};
use crate::workload::SignOff;

impl Worker {
    /// Signs the client on, which was due at `due`.
    pub fn sign_on(&mut self, place: usize, due: Time) {
        let client = &mut self.clients[place];
        if !client.leaving && client.is_away() {
            // It has never signed off, and is on its way back.
            return;
        }
        if client.leaving && matches!(client.connection, Connection::Open { .. }) {
            // A call, or the server, keeps it from having signed off: it comes back once it has.
            client.returning = true;
            return;
        }
        let displaces = mem::take(&mut client.dropped);
        if client.is_on() {
            // The new connection would meet the old one.
            self.drop_connection(place, self.now());
        }
        self.clients[place].leaving = false;
        self.dial(place, due, false, displaces);
    }

    /// Dials for the client: for a sign-on of the schedule, or because it comes back `again`. It `displaces` an earlier
    /// connection that the server may not know to be gone.
    pub fn dial(&mut self, place: usize, due: Time, again: bool, displaces: bool) {
        let sent = self.now();
        let timeout = sent + self.shared.plan.target.connect_timeout;
        let token = self.token_of(place);
        let number = self.number_of(place) as usize;
        let (dialer, watcher) = (Arc::clone(&self.shared.dialer), self.poller.watcher(place as u32));
        let dialling = dialer.dial(number, token, self.force(displaces), watcher);
        self.clients[place].reconnection.due = Time::NEVER;
        self.clients[place].dial(dialling, Signon { due, sent, timeout, again });
        self.wake_client(place);
    }

    /// Signs the client off as soon as its calls are over.
    pub fn sign_off(&mut self, place: usize, manner: SignOff) {
        let now = self.now();
        self.clients[place].drops = manner == SignOff::Drop;
        self.clients[place].returning = false;
        match self.clients[place].connection {
            Connection::Off if self.clients[place].is_away() => self.stay_away(place),
            Connection::Off => {}
            Connection::Dialling(_) => self.break_dial_off(place),
            Connection::Open { .. } => {
                self.clients[place].leaving = true;
                if !self.clients[place].in_call() {
                    self.say_goodbye(place, now);
                }
            }
        }
    }

    /// Closes in good order, or drops the connection if that is the client's manner: but only one that is signed on, and
    /// not at the end of the run. A keepalive under way is owed its answer first: it counts as answered or as missed.
    fn say_goodbye(&mut self, place: usize, now: Time) {
        if self.clients[place].session.awaits_keepalive() {
            return;
        }
        if self.clients[place].drops && self.stage == Stage::Running && self.clients[place].signed_on {
            self.clients[place].dropped = true;
            return self.end_connection(place, Initiator::Client, now);
        }
        if self.clients[place].signon.is_some() {
            self.signon_failed(place, SignonFailure::Unfinished, None);
        }
        self.give_up_kept_calls(place);
        self.clients[place].close(1000, now, now + CLOSE_TIMEOUT, &mut self.buffers);
        self.wake_client(place);
    }

    /// The connection is open.
    pub fn opened(&mut self, place: usize, dialled: Dialled) {
        let Dialled { link, started, connected, secured, upgraded, subprotocol, .. } = dialled;
        let is_quiet = self.is_quiet(place);
        if !is_quiet {
            self.recorder.service(Metric::Tcp, started, connected);
            if secured > connected {
                self.recorder.service(Metric::Tls, connected, secured);
            }
            self.recorder.service(Metric::Upgrade, secured, upgraded);
            self.recorder.service(Metric::Connect, started, upgraded);
        }
        self.recorder.counters().subprotocol_missing += u64::from(!subprotocol);
        self.count_connected_time(self.now());
        self.gauges.change(|gauges| if is_quiet { gauges.control += 1 } else { gauges.connected += 1 });
        let client = &mut self.clients[place];
        client.connection =
            Connection::Open { link: Box::new(link), opened: upgraded, close_timeout: Time::NEVER };
        client.session.opened(upgraded);
        if let Some(signon) = &mut client.signon {
            // From here the session's own timeout counts, and then the registration's.
            signon.timeout = Time::NEVER;
        }
    }

    /// No connection came about.
    pub fn dial_failed(&mut self, place: usize, error: &DialError) {
        let cause = match error {
            DialError::Refused => SignonFailure::Refused,
            DialError::Reset | DialError::Closed => SignonFailure::Reset,
            DialError::Timeout => SignonFailure::ConnectTimeout,
            DialError::Tls(_) => SignonFailure::Tls,
            DialError::Http(_) => SignonFailure::Http,
            DialError::NotWebSocket => SignonFailure::NotWebSocket,
            DialError::NoSession => SignonFailure::NoSession,
            DialError::Local(_) => SignonFailure::LocalLimit,
            _ => SignonFailure::Unreachable,
        };
        self.clients[place].connection = Connection::Off;
        self.signon_failed(place, cause, error.status().map(i32::from));
        self.come_back(place, Ending::NotConnected, false);
    }

    /// Stops to dial: the client is not wanted any more.
    fn break_dial_off(&mut self, place: usize) {
        self.clients[place].connection = Connection::Off;
        self.signon_failed(place, SignonFailure::Unfinished, None);
    }

    /// A text came off the client's link.
    pub fn received(&mut self, place: usize, text: &str, at: Time) {
        let handled = self.clients[place].session.handle(text, at);
        self.recorder.counters().repaired_messages += u64::from(!handled.repairs.is_empty());
        count_fact(&mut self.recorder, &handled.fact);
        match handled.fact {
            Fact::State { state, again } => {
                self.note_beside(place, at, What::State, None, text);
                self.attached(place, again, &state, at);
            }
            // The connection counts as failed and is abandoned, as the mobile client does (section 4.4).
            Fact::KeepaliveRefused { .. } => self.drop_connection(place, at),
            Fact::KeepaliveAnswered { sent } => {
                self.keepalive_answered(place, sent, at);
                if self.clients[place].leaving {
                    self.call_over(place);
                }
            }
            Fact::Response { request, tag, sent, outcome } => {
                self.recorder.ack(request, sent, at);
                self.responded(place, tag, request, &outcome, text, at);
            }
            Fact::Event(event) => self.session_event(place, &event, text, at),
            Fact::LineEvent { line, event } => self.line_event(place, line, &event.body, text, at),
            Fact::StrayEvent(event) => {
                let what = What::Stray(event.body.name());
                self.note_beside(place, at, what, code_of(&event.body), text);
            }
            Fact::LateResponse => self.note_beside(place, at, What::Late, None, text),
            Fact::Unknown(_) => self.note_beside(place, at, What::Unknown, None, text),
            Fact::Malformed(_) => self.note_beside(place, at, What::Malformed, None, text),
        }
    }

    fn attached(&mut self, place: usize, again: bool, state: &State<'_>, at: Time) {
        let status = state.registration.code;
        if again {
            // Its lines are known better here; its registration is news (section 10, row 18).
            return self.check_registration(place, status, at);
        }
        let is_quiet = self.is_quiet(place);
        let client = &mut self.clients[place];
        if let Connection::Open { opened, .. } = client.connection
            && !is_quiet
        {
            self.recorder.service(Metric::State, opened, at);
        }
        client.legs = vec![None; client.session.lines().guest() + 1];
        if let Some(signon) = &mut client.signon {
            signon.timeout = at + self.shared.plan.clients.request_timeout;
        }
        self.recover_calls(place, state, at);
        self.check_registration(place, status, at);
    }

    fn session_event(&mut self, place: usize, event: &Event<'_>, text: &str, at: Time) {
        let body = &event.body;
        if let EventBody::MissedCall { caller, .. } = body {
            return self.missed_call(place, normalise_number(caller), body, text, at);
        }
        let what = if self.is_of_attempt(place, event.line) { What::Event } else { What::Stray };
        self.note_beside(place, at, what(body.name()), code_of(body), text);
        match body {
            EventBody::RegistrationFailed { code, .. } => self.check_registration(place, *code, at),
            EventBody::Registered { .. }
            | EventBody::Unregistered
            | EventBody::Unregistering
            | EventBody::Registering => self.check_registration(place, None, at),
            EventBody::IceHangup { .. } => self.make_idle(place),
            _ => {}
        }
    }

    /// Whether an event is about the client's attempt, or about the client and no line of it.
    fn is_of_attempt(&mut self, place: usize, line: Line) -> bool {
        let client = &self.clients[place];
        let line = match line {
            Line::Main(line) => Some(usize::from(line)),
            Line::Guest => Some(client.session.lines().guest()),
            Line::Absent | Line::Invalid => None,
        };
        self.attempts.has_line(client.attempt, line)
    }

    /// Draws the conclusion from where the registration stands; `status` is the SIP status of one that failed.
    fn check_registration(&mut self, place: usize, status: Option<i32>, at: Time) {
        let is_quiet = self.is_quiet(place);
        let client = &mut self.clients[place];
        let failed = match client.session.registration() {
            RegistrationStatus::RegistrationFailed => Some(SignonFailure::RegistrationFailed),
            _ if client.session.is_limited() => Some(SignonFailure::RegisteredLimited),
            _ => None,
        };
        match (client.signon, client.session.is_ready(), failed) {
            (Some(Signon { again, .. }), true, _) if is_quiet => {
                client.signon = None;
                client.signed_on = true;
                client.reconnection.signed_on();
                self.recorder.counters().control_signed_on += u64::from(!again);
            }
            (Some(Signon { due, sent, again, .. }), true, _) => {
                client.signon = None;
                client.signed_on = true;
                if again {
                    self.recorder.counters().reconnects += 1;
                } else {
                    self.recorder.sample(Sample { metric: Metric::Signon, due, sent, done: at });
                    self.recorder.counters().signed_on += 1;
                }
                self.is_back(place, at);
                self.gauges.change(|gauges| gauges.signed_on += 1);
                self.make_idle(place);
            }
            // The connection stays up as a phone's would; the server may yet register it.
            (Some(_), false, Some(cause)) => self.signon_failed(place, cause, status),
            (None, ready, _) if ready != client.signed_on => {
                client.signed_on = ready;
                if is_quiet {
                    return;
                }
                self.gauges.change(|gauges| {
                    gauges.signed_on = if ready { gauges.signed_on + 1 } else { gauges.signed_on - 1 };
                });
                if ready {
                    self.is_back(place, at);
                }
                self.make_idle(place);
            }
            _ => {}
        }
    }

    /// Does what is due for the client.
    pub fn client_due(&mut self, place: usize, now: Time) {
        if self.clients[place].kept_until <= now {
            self.give_up_kept_calls(place);
        }
        match &self.clients[place].connection {
            Connection::Off if self.clients[place].reconnection.due <= now => self.dial_again(place),
            Connection::Off => {}
            Connection::Dialling(_) => {
                if self.clients[place].signon.is_some_and(|signon| signon.timeout <= now) {
                    self.dial_failed(place, &DialError::Timeout);
                }
            }
            Connection::Open { .. } if self.clients[place].is_stuck() => self.drop_connection(place, now),
            Connection::Open { link, close_timeout, .. } if link.is_closing() => {
                if *close_timeout <= now {
                    self.drop_connection(place, now);
                }
            }
            Connection::Open { .. } => self.session_due(place, now),
        }
        self.wake_client(place);
    }

    fn session_due(&mut self, place: usize, now: Time) {
        loop {
            // What is due first comes first, so this is when it was due.
            let at = self.clients[place].session.next_due();
            let Some(due) = self.clients[place].session.due(now) else { break };
            match due {
                Due::Keepalive => {
                    if let Ok(written) =
                        self.clients[place].keepalive(now, &mut self.buffer, &mut self.buffers)
                    {
                        self.recorder.counters().keepalives_sent += 1;
                        if !self.is_quiet(place) {
                            self.recorder.service(Metric::KeepaliveLag, at, written);
                        }
                    }
                }
                Due::KeepaliveMissed => {
                    // The connection counts as failed and is abandoned, as the mobile client does (section 4.4).
                    self.recorder.counters().keepalives_missed += 1;
                    self.drop_connection(place, now);
                    return;
                }
                Due::RequestTimeout { request, tag } => {
                    self.recorder.counters().request_timeouts += 1;
                    self.not_responded(tag, request, now);
                }
                Due::StateTimeout => {
                    self.signon_failed(place, SignonFailure::StateTimeout, None);
                    self.clients[place].close(1000, now, now + CLOSE_TIMEOUT, &mut self.buffers);
                    return;
                }
            }
        }
        if self.clients[place].signon.is_some_and(|signon| signon.timeout <= now) {
            self.signon_failed(place, SignonFailure::RegistrationTimeout, None);
        }
    }

    /// The connection has ended.
    pub fn closed(&mut self, place: usize, closed: &Closed) {
        let phase = self.clients[place].phase();
        if self.clients[place].signon.is_some() {
            let cause =
                if self.clients[place].leaving { SignonFailure::Unfinished } else { SignonFailure::Closed };
            self.signon_failed(place, cause, Some(i32::from(closed.code)));
        }
        let key = DisconnectKey { code: closed.code, initiator: closed.initiator, phase };
        self.recorder.counters().disconnects.count(key);
        let was_signed_on = self.clients[place].signed_on;
        let what = What::Closed(closed.initiator);
        let (code, reason) = (Some(i32::from(closed.code)), closed.reason.as_bytes());
        // Without a word of the server's it is known when it is noticed, and not when something was last read.
        let at = if closed.initiator == Initiator::Network { self.now() } else { closed.at };
        self.attempts.note_of_client(self.clients[place].attempt, at, what, code, reason);
        self.gone(place);
        self.come_back(place, Ending::Closed(CloseCode::from(closed.code)), was_signed_on);
        if mem::take(&mut self.clients[place].returning) && self.stage == Stage::Running {
            self.sign_on(place, self.now());
        }
    }

    /// Closes the connection with 1000 and does not wait for the server's part.
    pub fn leave_connection(&mut self, place: usize, now: Time) {
        if !self.clients[place].is_on() && self.clients[place].is_away() {
            self.stay_away(place);
        }
        self.clients[place].leaving = true;
        self.clients[place].close(1000, now, now, &mut self.buffers);
        self.drop_connection(place, now);
    }

    /// Drops the connection without waiting for the server any longer. Whoever has begun to close it has ended it;
    /// if nobody has, it counts as lost.
    pub fn drop_connection(&mut self, place: usize, now: Time) {
        self.end_connection(place, Initiator::Network, now);
    }

    /// Drops the connection; if nobody has begun to close it, it was lost on the side of `initiator`.
    fn end_connection(&mut self, place: usize, initiator: Initiator, now: Time) {
        match &self.clients[place].connection {
            Connection::Off => {}
            Connection::Dialling(_) => self.break_dial_off(place),
            Connection::Open { link, .. } => {
                let lost = || Closed { initiator, code: 1006, reason: String::new(), at: now };
                let closed = link.ending().cloned().unwrap_or_else(lost);
                self.closed(place, &closed);
            }
        }
    }

    fn gone(&mut self, place: usize) {
        let now = self.now();
        self.count_connected_time(now);
        let is_quiet = self.is_quiet(place);
        let awaited = self.legs_without_line(place);
        let client = &mut self.clients[place];
        client.connection = Connection::Off;
        let signed_on = mem::take(&mut client.signed_on);
        let legs = mem::take(&mut client.legs);
        self.gauges.change(|gauges| {
            if is_quiet {
                gauges.control -= 1;
            } else {
                gauges.connected -= 1;
                gauges.signed_on -= u64::from(signed_on);
            }
        });
        self.keep_calls(place, legs, now);
        for leg in awaited {
            self.leg_lost(leg, now);
        }
    }

    fn signon_failed(&mut self, place: usize, cause: SignonFailure, status: Option<i32>) {
        let Some(signon) = self.clients[place].signon.take() else { return };
        let key = SignonFailureKey { cause, status };
        match (self.is_quiet(place), signon.again) {
            (true, again) => self.recorder.counters().control_signon_failed += u64::from(!again),
            (false, true) => self.recorder.counters().reconnect_failures.count(key),
            (false, false) => self.recorder.counters().signon_failures.count(key),
        }
        if signon.again && cause == SignonFailure::Unfinished {
            self.stay_away(place);
        }
    }

    /// The last call of the client is over: it signs off if it was asked to, or waits for the next.
    pub fn call_over(&mut self, place: usize) {
        if self.clients[place].leaving && !self.clients[place].in_call() {
            self.say_goodbye(place, self.now());
        } else {
            self.make_idle(place);
        }
    }
}
