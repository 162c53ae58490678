//! What goes out: encoded once, logged, due at its time, counted when it is written.

use std::cell::OnceCell;
use std::rc::Rc;

use super::calls::{LegRef, Sdp};
use super::core::{Core, Due};
use super::injected::Held;
use super::slab::Id;
use crate::law::Time;
use crate::protocol::{
    Answer, Dialect, EarlyRequests, Event, EventBody, EventName, Group, Jsep, Keepalive, Line, Request,
    RequestName, RequestRefusal, Response, ResponseOutcome, ServerMessage, Text, Violation,
};

/// As what a text is counted once it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// A state, and whether it says `registered`.
    State { is_registered: bool },
    /// An answer to a keepalive.
    Keepalive,
    /// A response.
    Response(Answer),
    /// A response that was given before.
    Repeated(Answer),
    /// An event, and its code if it has one that is counted.
    Event(EventName, Option<i32>),
}

impl Mark {
    /// What it is, by name.
    const fn message(self) -> ServerMessage {
        match self {
            Mark::State { .. } => ServerMessage::State,
            Mark::Keepalive => ServerMessage::Keepalive,
            Mark::Response(Ok(())) | Mark::Repeated(Ok(())) => ServerMessage::Ack,
            Mark::Response(Err(_)) | Mark::Repeated(Err(_)) => ServerMessage::ERROR,
            Mark::Event(name, _) => ServerMessage::Event(name),
        }
    }
}

/// A request under way: where it came from, and when what it causes goes out.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) from: Id,
    pub(super) account: u32,
    pub(super) request: &'a Request<'a>,
    /// When its response goes out, and the events that it causes behind it.
    pub(super) due: Time,
    /// The text of the request. It lies in a buffer that the next read uses again.
    text: &'a str,
    /// A copy of it, once somebody keeps it.
    kept: OnceCell<Rc<str>>,
}

impl<'a> Order<'a> {
    pub(super) fn new(
        from: Id,
        account: u32,
        request: &'a Request<'a>,
        text: &'a str,
        due: Time,
    ) -> Order<'a> {
        Order { from, account, request, due, text, kept: OnceCell::new() }
    }

    /// The text of the request, to be kept: copied the first time.
    pub(super) fn kept(&self) -> Rc<str> {
        Rc::clone(self.kept.get_or_init(|| Rc::from(self.text)))
    }

    /// The SDP of its `jsep`, to be kept.
    pub(super) fn sdp(&self, jsep: &Jsep<'_>) -> Option<Sdp> {
        Sdp::of(jsep, self.text, &self.kept())
    }
}

/// A text that is held back until it is due.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) to: Id,
    pub(super) text: Rc<str>,
    pub(super) mark: Mark,
    pub(super) held: Held,
}

/// Where an event goes, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) account: u32,
    pub(super) line: Line,
    pub(super) call_id: Option<&'a str>,
    pub(super) transaction: Option<&'a str>,
    pub(super) due: Time,
}

impl Core {
    /// Answers a request, and notes that it was. Gives back the response for the call's log.
    pub(super) fn respond(&mut self, order: &Order<'_>, answer: Answer) -> Option<Rc<str>> {
        let session = &mut self.connections.get_mut(order.from)?.session;
        session.answered(&order.request.transaction, answer);
        let response = self.encode_response(order.from, order.request, answer)?;
        let due = match answer {
            Ok(()) => order.due,
            // A refusal causes nothing that could depend on it.
            Err(_) => {
                let law = self.delays.next(ServerMessage::ERROR);
                law.map_or(order.due, |delay| self.cause.at + delay)
            }
        };
        self.schedule(order.from, due, &response, Mark::Response(answer), None);
        Some(response)
    }

    /// Refuses a request, and counts what was wrong with it.
    pub(super) fn refuse(&mut self, order: &Order<'_>, code: i32, reason: &'static str, why: Violation) {
        self.truth.violated(why);
        self.respond(order, Err(RequestRefusal { code, reason }));
    }

    /// Refuses a request that its session finds fault with.
    pub(super) fn refused(&mut self, order: &Order<'_>, refusal: RequestRefusal, why: Violation) {
        let name = order.request.body.name();
        self.truth.requests[name.index()] += 1;
        if name == RequestName::OutgoingCall {
            self.truth.attempts.started += 1;
            self.truth.attempts.failed += 1;
        }
        self.refuse(order, refusal.code, refusal.reason, why);
    }

    /// Sends the response that a retransmitted request had before.
    pub(super) fn repeat(&mut self, to: Id, request: &Request<'_>, answer: Answer, at: Time) {
        self.truth.violated(Violation::Retransmission);
        let due = at + self.ack_delay();
        if let Some(response) = self.encode_response(to, request, answer) {
            self.schedule(to, due, &response, Mark::Repeated(answer), None);
        }
    }

    /// Answers a keepalive in kind, at once unless told otherwise: a flat one byte for byte (protocol, section 4).
    pub(super) fn keepalive(&mut self, to: Id, keepalive: &Keepalive<'_>, text: &str) {
        self.truth.keepalives.sent += 1;
        let acknowledged;
        let answer = match keepalive.form {
            Dialect::Flat => text,
            Dialect::Nested => {
                let response = Response {
                    transaction: keepalive.transaction.as_deref().map(Text::Borrowed),
                    line: keepalive.line,
                    call_id: None,
                    outcome: ResponseOutcome::Ack,
                };
                if response.encode(Dialect::Nested, &mut self.scratch).is_err() {
                    return;
                }
                let Some(written) = self.written() else { return };
                acknowledged = written;
                &*acknowledged
            }
        };
        let mark = Mark::Keepalive;
        let held = Held { message: mark.message(), cause: self.cause, call: None };
        // Without a delay it waits for nothing, though it was read later than the turn began. To hold it back until the end
        // of the turn would cost a copy, two changes of a heap and a slab, which is a twentieth of all that it costs.
        match self.delays.next(ServerMessage::Keepalive).filter(|delay| !delay.is_zero()) {
            None => self.deliver(to, answer, mark, held),
            Some(delay) => {
                self.hold_back(self.cause.at + delay, Post { to, text: Rc::from(answer), mark, held });
            }
        }
    }

    /// When an event goes out: its own delay after its cause, but not before what it depends on; without a delay of
    /// its own at `due`, with what causes it.
    pub(super) fn event_due(&mut self, name: EventName, not_before: Time, due: Time) -> Time {
        let own = self.delays.next(ServerMessage::Event(name));
        own.map_or(due, |delay| self.cause.at + delay).max(not_before)
    }

    /// Sends an event on a leg, behind all that was sent on it before, and logs it there.
    pub(super) fn event(&mut self, leg: LegRef, due: Time, transaction: Option<&str>, body: EventBody<'_>) {
        let Some(not_before) = self.calls.get(leg.call).map(|call| call.leg(leg.side).not_before) else {
            return;
        };
        let due = self.event_due(body.name(), not_before, due);
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let on = call.leg_mut(leg.side);
        on.not_before = due;
        let (account, call_id, line) = (on.account, Rc::clone(&on.call_id), on.line);
        // An event of the line does not say which call is on it.
        let call_id = (body.name().group() == Group::Call).then_some(&*call_id);
        let envelope = Envelope { account, line, call_id, transaction, due };
        if let Some(text) = self.post_of(envelope, body, Some(leg.call)) {
            self.log(leg, due, text);
        }
    }

    /// Adds what was said at `at` to the log of a leg.
    pub(super) fn log(&mut self, leg: LegRef, at: Time, text: Rc<str>) {
        let stamp = self.stamp(at);
        if let Some(call) = self.calls.get_mut(leg.call) {
            call.leg_mut(leg.side).log.add(stamp, text);
        }
    }

    /// Sends an event to an account, if it is there to receive it. Gives back its text for a log, unless the
    /// dialect has no words for it.
    pub(super) fn post(&mut self, envelope: Envelope<'_>, body: EventBody<'_>) -> Option<Rc<str>> {
        self.post_of(envelope, body, None)
    }

    fn post_of(&mut self, envelope: Envelope<'_>, body: EventBody<'_>, call: Option<Id>) -> Option<Rc<str>> {
        let account = self.accounts.get(envelope.account);
        let connection = account.connection.and_then(|id| Some((id, self.connections.get(id)?)));
        let dialect = connection.map_or(account.dialect, |(_, connection)| connection.session.dialect());
        let name = body.name();
        let code = match &body {
            EventBody::Hangup { code, .. } | EventBody::Error { code, .. } => *code,
            _ => None,
        };
        let is_early = self.rules.early_requests == EarlyRequests::Process;
        let to = connection.filter(|(_, connection)| connection.session.is_state_sent() || is_early);
        let to = to.map(|(id, _)| id);
        let event = Event {
            transaction: envelope.transaction.map(Text::Borrowed),
            line: envelope.line,
            call_id: envelope.call_id.map(Text::Borrowed),
            body,
        };
        event.encode(dialect, &mut self.scratch).ok()?;
        let text = self.written()?;
        if let Some(to) = to {
            self.schedule(to, envelope.due, &text, Mark::Event(name, code), call);
        }
        Some(text)
    }

    /// Sends `text` when it is due: now, or later.
    pub(super) fn schedule(&mut self, to: Id, due: Time, text: &Rc<str>, mark: Mark, call: Option<Id>) {
        let held = Held { message: mark.message(), cause: self.cause, call };
        if due <= self.now {
            self.deliver(to, text, mark, held);
        } else {
            self.hold_back(due, Post { to, text: Rc::clone(text), mark, held });
        }
    }

    fn hold_back(&mut self, due: Time, post: Post) {
        let id = self.posts.insert_with(|_| post);
        self.due.push(due, Due::Send(id));
    }

    /// What has been encoded last, as a text of its own.
    pub(super) fn written(&self) -> Option<Rc<str>> {
        std::str::from_utf8(&self.scratch).ok().map(Rc::from)
    }

    /// Counts a text that was written to a connection.
    pub(super) fn sent(&mut self, to: Id, mark: Mark) {
        match mark {
            Mark::State { is_registered } => {
                self.truth.states_sent += 1;
                if is_registered {
                    self.signed_on(to);
                }
            }
            Mark::Keepalive => self.truth.keepalives.answered += 1,
            Mark::Response(Ok(())) => self.truth.acked += 1,
            Mark::Response(Err(refusal)) => {
                *self.truth.request_errors.entry(refusal.code).or_default() += 1;
            }
            Mark::Repeated(_) => {}
            Mark::Event(name, code) => {
                self.truth.events[name.index()] += 1;
                match (name, code) {
                    (EventName::Hangup, Some(code)) => *self.truth.hangups.entry(code).or_default() += 1,
                    (EventName::Error, Some(code)) => *self.truth.event_errors.entry(code).or_default() += 1,
                    (EventName::Registered, _) => self.signed_on(to),
                    _ => {}
                }
            }
        }
    }

    fn encode_response(&mut self, to: Id, request: &Request<'_>, answer: Answer) -> Option<Rc<str>> {
        let dialect = self.connections.get(to)?.session.dialect();
        // A line that cannot be written back has been refused by its type, or is none of this dialect's.
        let line = match (request.line, dialect) {
            (Line::Invalid, _) | (Line::Guest, Dialect::Nested) => Line::Absent,
            (line, _) => line,
        };
        let response = Response {
            transaction: Some(Text::Borrowed(&request.transaction)),
            line,
            call_id: request.call_id.as_deref().map(Text::Borrowed),
            outcome: match answer {
                Ok(()) => ResponseOutcome::Ack,
                Err(RequestRefusal { code, reason }) => {
                    ResponseOutcome::Error { code: Some(code), reason: Some(Text::Borrowed(reason)) }
                }
            },
        };
        response.encode(dialect, &mut self.scratch).ok()?;
        self.written()
    }
}
