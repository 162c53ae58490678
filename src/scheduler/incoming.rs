//! What comes off the links for a worker's attempts: responses, events, and calls, which have to be told apart.

use super::attempts::{Referral, Tag};
use super::flight::{What, code_of};
use super::worker::{Stage, Worker};
use std::time::Duration;

use crate::client::LegRef;
use crate::law::Time;
use crate::protocol::{
    CallLog, CallParties, EventBody, ReferId, RequestBody, RequestName, ResponseOutcome, Text,
    normalise_number,
};
use crate::scenario::{Leg, Side};

/// How long a call that its caller has given up may be on its way to its callee: as long as any set-up may take.
const GIVEN_UP_FOR: Duration = Duration::from_secs(32);

impl Worker {
    /// A response to a request of the client, which came as `text`: to one of an attempt, or beside it.
    pub fn responded(
        &mut self,
        place: usize,
        tag: u64,
        request: RequestName,
        outcome: &ResponseOutcome<'_>,
        text: &str,
        at: Time,
    ) {
        let (what, code) = match outcome {
            ResponseOutcome::Ack => (What::Ack(request), None),
            ResponseOutcome::Error { code, .. } => (What::Refused(request), *code),
        };
        if let Some(on) = Tag::leg(tag) {
            self.attempts.note(on, at, what, code, text.as_bytes());
            let LegRef { attempt, serial, leg } = on;
            self.direct(attempt, serial, |play, out| play.response(leg, request, outcome, at, out));
        } else {
            self.note_beside(place, at, what, code, text);
        }
    }

    /// No response to a request of an attempt.
    pub fn not_responded(&mut self, tag: u64, request: RequestName, now: Time) {
        if let Some(on) = Tag::leg(tag) {
            self.attempts.note(on, now, What::Timeout(request), None, &[]);
            let LegRef { attempt, serial, leg } = on;
            self.direct(attempt, serial, |play, out| play.no_response(leg, request, now, out));
        }
    }

    /// An event on a line of the client, which came as `text`.
    pub fn line_event(&mut self, place: usize, line: usize, event: &EventBody<'_>, text: &str, at: Time) {
        if let EventBody::IncomingCall(parties) = event {
            self.incoming(place, line, parties, at);
        }
        let Some(on) = self.clients[place].legs.get(line).copied().flatten() else {
            return self.note_beside(place, at, What::Stray(event.name()), code_of(event), text);
        };
        self.attempts.note(on, at, What::Event(event.name()), code_of(event), text.as_bytes());
        let LegRef { attempt, serial, leg } = on;
        if let EventBody::Hangup { .. } = event {
            self.clients[place].legs[line] = None;
        }
        if let EventBody::Transfer { refer_id, refer_to, .. } = event
            && let Some(attempt) = self.attempts.get(attempt, serial)
        {
            attempt.referral =
                Some(Referral { refer_id: owned(refer_id), number: normalise_number(refer_to).to_owned() });
        }
        self.direct(attempt, serial, |play, out| play.event(leg, event, at, out));
    }

    /// A call to the client has found none of its lines free.
    pub fn missed_call(&mut self, place: usize, caller: &str, event: &EventBody<'_>, text: &str, at: Time) {
        let Some(at_client) = self.clients[place].attempt else { return };
        let Some(attempt) = self.attempts.of(at_client) else { return };
        // It is about the attempt's own call, which has no line here.
        let leg = Leg::callee(0);
        let is_callee = attempt.play.party(leg) == Some(at_client.party);
        let calling = attempt.client(Leg::caller(0)).filter(|_| is_callee);
        let is_own = calling.is_some_and(|calling| self.is_number_of(calling, caller));
        let what = if is_own { What::Event } else { What::Stray };
        self.note_beside(place, at, what(event.name()), None, text);
        if is_own {
            self.direct(at_client.attempt, at_client.serial, |play, out| play.event(leg, event, at, out));
        }
    }

    /// Notes a message of a client that is on none of the legs of its attempt, where that is recorded.
    pub fn note_beside(&mut self, place: usize, at: Time, what: What, code: Option<i32>, text: &str) {
        self.attempts.note_of_client(self.clients[place].attempt, at, what, code, text.as_bytes());
    }

    /// A call comes in: one that is awaited, somebody else's, or one that should not be.
    fn incoming(&mut self, place: usize, line: usize, parties: &CallParties<'_>, at: Time) {
        let caller = normalise_number(&parties.caller);
        if let Some(leg) = self.awaited(place, caller) {
            self.put_on_line(place, line, leg.attempt, leg.serial, leg.leg);
            self.check_nonce(leg, parties);
            return;
        }
        let given_up = self.clients[place]
            .given_up
            .filter(|given_up| given_up.at + GIVEN_UP_FOR > at && self.is_number_of(given_up.caller, caller));
        if let Some(given_up) = given_up {
            // It crossed its caller's hang-up: the server has delivered it where it belongs, and ends it here too.
            self.clients[place].given_up = None;
            if !given_up.confirmed {
                self.send(place, Some(line), &RequestBody::Hangup.into(), Tag::NONE);
            }
        } else if self.is_own_number(caller) {
            let again = self.clients[place].legs.clone().into_iter().flatten();
            let again = again.filter(|leg| leg.leg.side == Side::Callee).any(|leg| {
                let calling = self.attempts.get(leg.attempt, leg.serial);
                let calling = calling.and_then(|attempt| attempt.client(leg.leg.other()));
                calling.is_some_and(|calling| self.is_number_of(calling, caller))
            });
            let ledger = &mut self.recorder.counters().ledger;
            if again {
                ledger.duplicated += 1
            } else {
                ledger.misdelivered += 1
            }
            self.send(place, Some(line), &RequestBody::Decline { refer_id: None }.into(), Tag::NONE);
        } else if self.stage == Stage::Running {
            self.answer_foreign(place, line, at);
        } else {
            self.send(place, Some(line), &RequestBody::Decline { refer_id: None }.into(), Tag::NONE);
        }
    }

    /// The leg that waits at a client for a call from this number.
    fn awaited(&mut self, place: usize, caller: &str) -> Option<LegRef> {
        let at_client = self.clients[place].attempt?;
        let clients = self.attempts.of(at_client)?.clients;
        let calls = |client: &Option<usize>| client.is_some_and(|client| self.is_number_of(client, caller));
        let calling = clients.iter().position(calls)?;
        let leg = self.attempts.of(at_client)?.play.awaited(at_client.party, calling as u8)?;
        Some(LegRef { attempt: at_client.attempt, serial: at_client.serial, leg })
    }

    /// Puts a leg on a line of its client.
    pub fn put_on_line(&mut self, place: usize, line: usize, attempt: usize, serial: u32, leg: Leg) {
        if let Some(on_line) = self.clients[place].legs.get_mut(line) {
            *on_line = Some(LegRef { attempt, serial, leg });
        }
        if let Some(attempt) = self.attempts.get(attempt, serial) {
            attempt.set_line(leg, line);
        }
    }

    /// Whether a number is that of the client at this place, or the one that it shows on its guest line.
    fn is_number_of(&self, place: usize, number: &str) -> bool {
        normalise_number(&self.subscriber_of(place).number) == number || self.is_guest_number(number)
    }

    fn is_own_number(&self, number: &str) -> bool {
        self.shared.numbers.contains_key(number) || self.is_guest_number(number)
    }

    fn is_guest_number(&self, number: &str) -> bool {
        self.shared.plan.calls.guest_number.as_deref() == Some(number)
    }

    // How calls live through a lost connection: what `recovery.rs` asks and tells of their legs.

    /// Whether the server has not ended the leg yet, as far as its call knows.
    pub fn leg_is_up(&mut self, leg: LegRef) -> bool {
        self.attempts.get(leg.attempt, leg.serial).is_some_and(|attempt| attempt.play.is_up(leg.leg))
    }

    /// Whether the leg is up and its call is not being ended.
    pub fn leg_goes_on(&mut self, leg: LegRef) -> bool {
        self.leg_is_up(leg)
            && self
                .attempts
                .get(leg.attempt, leg.serial)
                .is_some_and(|attempt| attempt.play.is_going_on(leg.leg))
    }

    /// Whether both sides of the leg's call are clients of the run.
    pub fn is_between_ours(&mut self, leg: LegRef) -> bool {
        let attempt = self.attempts.get(leg.attempt, leg.serial);
        attempt.is_some_and(|attempt| attempt.client(leg.leg.other()).is_some())
    }

    /// The connection of a leg is gone, and may come back.
    pub fn leg_suspended(&mut self, leg: LegRef, now: Time) {
        let LegRef { attempt, serial, leg } = leg;
        self.direct(attempt, serial, |play, out| play.suspended(leg, now, out));
    }

    /// The server still has the call, on this line. What was accepted meanwhile is made up for.
    pub fn leg_resumed(&mut self, on: LegRef, line: usize, log: CallLog, now: Time) {
        let LegRef { attempt, serial, leg } = on;
        if let Some(attempt) = self.attempts.get(attempt, serial) {
            attempt.set_line(leg, line);
        }
        if log.is_accepted && leg.side == Side::Caller {
            self.direct(attempt, serial, |play, out| play.answered_unheard(leg, now, out));
        }
        self.direct(attempt, serial, |play, out| play.resumed(leg, now, out));
    }

    /// The connection of a leg is gone for good, or its call is.
    pub fn leg_lost(&mut self, leg: LegRef, now: Time) {
        let LegRef { attempt, serial, leg } = leg;
        self.direct(attempt, serial, |play, out| play.lost(leg, now, out));
    }
}

fn owned(refer_id: &ReferId<'_>) -> ReferId<'static> {
    match refer_id {
        ReferId::Number(number) => ReferId::Number(*number),
        ReferId::Text(text) => ReferId::Text(Text::Owned(text.to_string())),
    }
}
