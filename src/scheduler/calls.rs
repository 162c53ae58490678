//! A worker's calls: due attempts, the pairs that make them, and what comes for them off the links.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::worker::{Owner, Stage, Worker};
use crate::client::{GivenUp, LegRef};
use crate::law::Time;
use crate::metrics::{Metric, Outcome};
use crate::profile::{CallDraw, CallPlan};
use crate::protocol::{
    CallLog, Candidate, EventBody, Jsep, JsepKind, RequestBody, RequestName, ResponseOutcome, Text,
    normalise_number,
};
use crate::scenario::{Answered, AnsweredPlan, Ask, Direction, Finding, Leg, Parties};
use crate::workload::AttemptNumber;

/// A call of this worker's clients.
#[derive(Debug)]
pub(super) struct Call {
    script: Answered,
    serial: u32,
    caller: Option<Party>,
    callee: Option<Party>,
    /// The earliest time for which the worker has a deadline of this call.
    wake_at: Time,
    due: Time,
    attempt: AttemptNumber,
    talk: Talk,
    /// The outcome has been counted.
    ended: bool,
}

/// For how long a call has been answered and up, until what its script says of that is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Talk {
    since: Option<Time>,
    before: Duration,
}

impl Talk {
    fn turn(&mut self, is_talking: bool, now: Time) {
        self.before = self.so_far(now);
        self.since = is_talking.then_some(now);
    }

    fn so_far(&self, now: Time) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// A client in a call.
#[derive(Clone, Copy, Debug)]
struct Party {
    place: usize,
    /// Its line, once there is one.
    line: Option<usize>,
}

impl Call {
    /// Whether it is an attempt whose outcome has not been counted.
    pub fn is_unended_attempt(&self) -> bool {
        self.script.is_attempt() && !self.ended
    }

    fn party(&mut self, leg: Leg) -> Option<&mut Party> {
        match leg {
            Leg::Caller => self.caller.as_mut(),
            Leg::Callee => self.callee.as_mut(),
        }
    }
}

/// The calls of a worker, each at a place of its own as long as it lasts.
#[derive(Debug, Default)]
pub(super) struct Calls {
    places: Vec<Option<Call>>,
    vacant: Vec<usize>,
    serial: u32,
}

impl Calls {
    /// The places that have a call.
    pub fn places(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|place| self.places[*place].is_some()).collect()
    }

    /// How long those that are there have been answered and up, all together.
    pub fn talk_so_far(&self, now: Time) -> Duration {
        self.places.iter().flatten().map(|call| call.talk.so_far(now)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.len() == self.vacant.len()
    }

    /// Takes a call out.
    pub fn forget(&mut self, place: usize) -> Option<Call> {
        let call = self.places.get_mut(place)?.take();
        if call.is_some() {
            self.vacant.push(place);
        }
        call
    }

    /// The number of the next call. It fits into a tag with room for the leg and for "no call".
    fn next_serial(&mut self) -> u32 {
        self.serial = (self.serial + 1) % (u32::MAX >> 2);
        self.serial
    }

    fn insert(&mut self, call: Call) -> usize {
        match self.vacant.pop() {
            Some(place) => {
                self.places[place] = Some(call);
                place
            }
            None => {
                self.places.push(Some(call));
                self.places.len() - 1
            }
        }
    }

    fn get(&mut self, place: usize, serial: u32) -> Option<&mut Call> {
        self.places.get_mut(place)?.as_mut().filter(|call| call.serial == serial)
    }
}

/// The plan of one call, from what it drew.
fn answered_plan(calls: &CallPlan, draw: CallDraw) -> AnsweredPlan {
    AnsweredPlan {
        ring: draw.ring,
        hold: draw.hold,
        hangup_by: if draw.hangup_by_callee { Leg::Callee } else { Leg::Caller },
        candidates: calls.candidates,
        candidate_spacing: calls.candidate_spacing,
    }
}

/// What a tag says about a response: which call, which leg.
fn tag(serial: u32, leg: Leg) -> u32 {
    serial << 1 | u32::from(leg == Leg::Callee)
}

impl Worker {
    /// Starts the attempt that is due, or counts it as blocked.
    pub fn attempt(&mut self, attempt: AttemptNumber, due: Time) {
        self.recorder.counters().due += 1;
        let calls = &self.shared.plan.calls;
        let plan = answered_plan(calls, calls.draw(self.shared.plan.seed, attempt));
        let parties = if calls.number.is_some() { Parties::Caller } else { Parties::Both };
        let Some((caller, line, callee)) = self.take_group(parties) else {
            self.recorder.counters().end(Outcome::Blocked);
            self.attempt_over(attempt);
            return;
        };
        let call = Call {
            script: Answered::new(plan, parties, due),
            serial: self.calls.next_serial(),
            caller: Some(Party { place: caller, line: Some(line) }),
            callee: callee.map(|place| Party { place, line: None }),
            wake_at: Time::NEVER,
            due,
            attempt,
            talk: Talk::default(),
            ended: false,
        };
        let serial = call.serial;
        let place = self.calls.insert(call);
        self.gauges.change(|gauges| gauges.calls += 1);
        self.clients[caller].legs[line] = Some(LegRef { call: place, serial, leg: Leg::Caller });
        if let Some(callee) = callee {
            self.clients[callee].expecting = Some(LegRef { call: place, serial, leg: Leg::Callee });
        }
        self.direct(place, serial, |script, out| script.start(out));
    }

    /// Takes clients that are free out of the queue: a caller with a line, and a callee where the call needs one.
    fn take_group(&mut self, parties: Parties) -> Option<(usize, usize, Option<usize>)> {
        let now = self.now();
        let caller = self.take_caller(now)?;
        let callee = match parties {
            Parties::Both => match self.take_idle() {
                Some(callee) => Some(callee),
                None => {
                    self.return_idle(caller);
                    return None;
                }
            },
            Parties::Caller | Parties::Callee => None,
        };
        let line = self.clients[caller].session.take_line(now)?;
        Some((caller, line, callee))
    }

    /// The next idle client with a line to call on. Those whose lines all rest from their last calls go to the end of
    /// the queue.
    fn take_caller(&mut self, now: Time) -> Option<usize> {
        for _ in 0..self.idle.len() {
            let place = self.take_idle()?;
            if self.clients[place].session.lines().free(now).is_some() {
                return Some(place);
            }
            self.make_idle(place);
        }
        None
    }

    fn take_idle(&mut self) -> Option<usize> {
        while let Some(place) = self.idle.pop_front() {
            self.clients[place].queued = false;
            if self.is_idle(place) {
                return Some(place);
            }
        }
        None
    }

    fn return_idle(&mut self, place: usize) {
        self.clients[place].queued = true;
        self.idle.push_front(place);
    }

    fn is_idle(&self, place: usize) -> bool {
        let client = &self.clients[place];
        let is_there = client.signed_on && !client.leaving && !client.is_closing();
        is_there && !client.in_call() && !client.session.lines().is_empty()
    }

    /// Puts the client into the queue if it is free.
    pub fn make_idle(&mut self, place: usize) {
        if !self.clients[place].queued && !self.is_quiet(place) && self.is_idle(place) {
            self.clients[place].queued = true;
            self.idle.push_back(place);
        }
    }

    /// A response to a request of a call.
    pub fn responded(
        &mut self,
        place: usize,
        tag: u32,
        request: RequestName,
        outcome: &ResponseOutcome<'_>,
        at: Time,
    ) {
        if let Some(leg) = self.clients[place].leg(tag >> 1) {
            self.direct(leg.call, leg.serial, |script, out| {
                script.response(leg.leg, request, outcome, at, out);
            });
        }
    }

    /// No response to a request of a call.
    pub fn not_responded(&mut self, place: usize, tag: u32, request: RequestName, now: Time) {
        if let Some(leg) = self.clients[place].leg(tag >> 1) {
            self.direct(leg.call, leg.serial, |script, out| script.no_response(leg.leg, request, now, out));
        }
    }

    /// An event on a line of the client.
    pub fn line_event(&mut self, place: usize, line: usize, event: &EventBody<'_>, at: Time) {
        if let EventBody::IncomingCall(parties) = event {
            self.incoming(place, line, normalise_number(&parties.caller), at);
        }
        let Some(leg) = self.clients[place].legs.get(line).copied().flatten() else { return };
        if let EventBody::Hangup { .. } = event {
            self.clients[place].legs[line] = None;
        }
        self.direct(leg.call, leg.serial, |script, out| script.event(leg.leg, event, at, out));
    }

    /// A call comes in: the one that is awaited, somebody else's, or one that should not be.
    fn incoming(&mut self, place: usize, line: usize, caller: &str, at: Time) {
        let expected = self.clients[place].expecting;
        let is_expected = expected.is_some_and(|leg| self.calls_from(leg, caller));
        if let (Some(leg), true) = (expected, is_expected) {
            self.clients[place].expecting = None;
            self.clients[place].legs[line] = Some(leg);
            if let Some(call) = self.calls.get(leg.call, leg.serial)
                && let Some(party) = call.party(Leg::Callee)
            {
                party.line = Some(line);
            }
            return;
        }
        let given_up = self.clients[place]
            .given_up
            .filter(|given_up| normalise_number(&self.subscriber_of(given_up.caller).number) == caller);
        if let Some(given_up) = given_up {
            // It crossed its caller's hang-up: the server has delivered it where it belongs, and ends it here too.
            self.clients[place].given_up = None;
            if !given_up.confirmed {
                self.send(place, line, RequestBody::Hangup, u32::MAX);
            }
        } else if self.shared.numbers.contains_key(caller) {
            let again = self.clients[place].legs.clone().into_iter().flatten();
            let again = again.filter(|leg| leg.leg == Leg::Callee).any(|leg| self.calls_from(leg, caller));
            let ledger = &mut self.recorder.counters().ledger;
            if again {
                ledger.duplicated += 1
            } else {
                ledger.misdelivered += 1
            }
            self.send(place, line, RequestBody::Decline { refer_id: None }, u32::MAX);
        } else if self.stage == Stage::Running {
            self.answer_foreign(place, line, at);
        } else {
            self.send(place, line, RequestBody::Decline { refer_id: None }, u32::MAX);
        }
    }

    fn calls_from(&mut self, leg: LegRef, caller: &str) -> bool {
        let Some(party) = self.calls.get(leg.call, leg.serial).and_then(|call| call.caller) else {
            return false;
        };
        normalise_number(&self.subscriber_of(party.place).number) == caller
    }

    /// Somebody who is no client of this run calls: the client answers, as a phone does.
    fn answer_foreign(&mut self, place: usize, line: usize, at: Time) {
        let number = u64::from(self.number_of(place));
        let serial = self.calls.next_serial();
        let calls = &self.shared.plan.calls;
        // Beyond the numbers of the run's own attempts.
        let attempt = 1 << 63 | number << 32 | u64::from(serial);
        let plan = answered_plan(calls, calls.draw(self.shared.plan.seed, attempt));
        let call = Call {
            script: Answered::new(plan, Parties::Callee, at),
            serial,
            caller: None,
            callee: Some(Party { place, line: Some(line) }),
            wake_at: Time::NEVER,
            due: at,
            attempt,
            talk: Talk::default(),
            ended: true,
        };
        let call = self.calls.insert(call);
        self.gauges.change(|gauges| gauges.calls += 1);
        self.clients[place].legs[line] = Some(LegRef { call, serial, leg: Leg::Callee });
    }

    // How calls live through a lost connection: what `recovery.rs` asks and tells of their legs.

    /// Whether the server has not ended the leg yet, as far as its call knows.
    pub fn leg_is_up(&mut self, leg: LegRef) -> bool {
        self.calls.get(leg.call, leg.serial).is_some_and(|call| call.script.is_up(leg.leg))
    }

    /// Whether the leg is up and its call is not being ended.
    pub fn leg_goes_on(&mut self, leg: LegRef) -> bool {
        self.leg_is_up(leg)
            && self.calls.get(leg.call, leg.serial).is_some_and(|call| call.script.is_going_on())
    }

    /// The connection of a leg is gone, and may come back. The script learns of it if it wants to send something
    /// meanwhile: then the leg is lost.
    pub fn leg_suspended(&mut self, _leg: LegRef, _now: Time) {}

    /// The server still has the call, on this line. What was accepted meanwhile is made up for.
    pub fn leg_resumed(&mut self, leg: LegRef, line: usize, log: CallLog, now: Time) {
        if let Some(party) = self.calls.get(leg.call, leg.serial).and_then(|call| call.party(leg.leg)) {
            party.line = Some(line);
        }
        if log.is_accepted && leg.leg == Leg::Caller {
            let accepted = EventBody::Accepted { jsep: None, is_focus: None, callee: None };
            self.direct(leg.call, leg.serial, |script, out| script.event(leg.leg, &accepted, now, out));
        }
    }

    /// The connection of a leg is gone for good, or its call is.
    pub fn leg_lost(&mut self, leg: LegRef, now: Time) {
        self.direct(leg.call, leg.serial, |script, out| script.lost(leg.leg, now, out));
    }

    /// Does what is due for the call.
    pub fn call_due(&mut self, place: usize, serial: u32, at: Time, now: Time) {
        let Some(call) = self.calls.get(place, serial) else { return };
        if call.wake_at == at {
            call.wake_at = Time::NEVER;
            self.direct(place, serial, |script, out| script.due(now, out));
        }
    }

    /// Hangs the call up: the run is over.
    pub fn drain_call(&mut self, place: usize, now: Time) {
        if let Some(serial) = self.calls.places.get(place).and_then(|call| Some(call.as_ref()?.serial)) {
            self.direct(place, serial, |script, out| script.drain(now, out));
        }
    }

    /// Lets the script of a call speak, and does what it says until it has no more to say.
    fn direct(&mut self, place: usize, serial: u32, speak: impl FnOnce(&mut Answered, &mut Vec<Direction>)) {
        let Some(call) = self.calls.get(place, serial) else { return };
        let was_talking = call.script.is_talking();
        let mut said = mem::take(&mut self.said);
        speak(&mut call.script, &mut said);
        let mut next = 0;
        while let Some(direction) = said.get(next).copied() {
            next += 1;
            self.carry_out(place, serial, direction, &mut said);
        }
        said.clear();
        self.said = said;
        let now = self.now();
        let Some(call) = self.calls.get(place, serial) else {
            self.count_answered(was_talking, false, now);
            return;
        };
        let is_talking = call.script.is_talking();
        if was_talking != is_talking {
            call.talk.turn(is_talking, now);
        }
        let due = call.script.next_due();
        if due < call.wake_at {
            call.wake_at = due;
            self.deadlines.push(due, Owner::Call { call: place, serial });
        }
        self.count_answered(was_talking, is_talking, now);
    }

    /// Counts a call among those that are answered and up, or no more.
    fn count_answered(&mut self, was: bool, is: bool, now: Time) {
        if was == is {
            return;
        }
        self.count_up_time(now);
        self.gauges.change(|gauges| {
            gauges.calls_answered = if is { gauges.calls_answered + 1 } else { gauges.calls_answered - 1 };
        });
    }

    fn carry_out(&mut self, place: usize, serial: u32, direction: Direction, said: &mut Vec<Direction>) {
        match direction {
            Direction::Send(leg, ask) => self.carry_out_send(place, serial, leg, ask, said),
            Direction::Sample(sample) => self.recorder.sample(sample),
            Direction::Service(metric, sent, done) => self.recorder.service(metric, sent, done),
            Direction::End(outcome) => {
                if let Some(call) = self.calls.get(place, serial) {
                    call.ended = true;
                }
                let counters = self.recorder.counters();
                counters.end(outcome);
                counters.intended += u64::from(outcome == Outcome::Answered);
            }
            Direction::Rejected(code) => self.recorder.counters().rejections.count(code),
            Direction::Talked { time, completed } => {
                let counters = self.recorder.counters();
                counters.talks += 1;
                counters.talk_micros += time.as_micros() as u64;
                counters.completed += u64::from(completed);
            }
            Direction::Found(finding) => {
                let ledger = &mut self.recorder.counters().ledger;
                match finding {
                    Finding::Lost => ledger.lost += 1,
                    Finding::OneLegOnly => ledger.one_leg_only += 1,
                    Finding::Duplicated => ledger.duplicated += 1,
                }
            }
            Direction::Abandon(leg) => self.abandon(place, serial, leg),
            Direction::Over => self.over(place),
        }
    }

    fn carry_out_send(&mut self, place: usize, serial: u32, leg: Leg, ask: Ask, said: &mut Vec<Direction>) {
        let Some(call) = self.calls.get(place, serial) else { return };
        let due = call.due;
        let Some(Party { place: client, line: Some(line) }) = call.party(leg).copied() else { return };
        let callee = call.callee.map(|party| party.place);
        // A line may have another call by now.
        let is_on_line = self.clients[client].legs.get(line).copied().flatten();
        let is_on_line = is_on_line.is_some_and(|on_line| on_line.serial == serial);
        let sent = if is_on_line { self.ask(client, line, ask, tag(serial, leg), callee) } else { None };
        let now = self.now();
        if let (Ask::Call, Some((_, written))) = (ask, sent) {
            self.recorder.service(Metric::Lag, due, written);
            self.recorder.counters().started += 1;
        }
        let Some(call) = self.calls.get(place, serial) else { return };
        match sent {
            Some((sent, _)) => call.script.sent(leg, ask, sent),
            None => call.script.lost(leg, now, said),
        }
    }

    /// Sends what a script asks for; when it was handed over and when it was written.
    fn ask(
        &mut self,
        place: usize,
        line: usize,
        ask: Ask,
        tag: u32,
        callee: Option<usize>,
    ) -> Option<(Time, Time)> {
        let shared = Arc::clone(&self.shared);
        let media = Arc::clone(&self.media);
        let jsep = |kind, sdp| Some(Jsep { kind, sdp });
        let body = match ask {
            Ask::Call => {
                let partner =
                    callee.map(|callee| &shared.subscribers[self.number_of(callee) as usize].number);
                RequestBody::OutgoingCall {
                    number: Text::Borrowed(partner.or(shared.plan.calls.number.as_ref())?),
                    jsep: jsep(JsepKind::Offer, media.offer()),
                    from: None,
                    refer_id: None,
                    replaces: None,
                }
            }
            Ask::Accept => RequestBody::Accept { jsep: jsep(JsepKind::Answer, media.answer()) },
            Ask::Hangup => RequestBody::Hangup,
            Ask::Decline => RequestBody::Decline { refer_id: None },
            Ask::Candidate(number) => {
                let candidate = media.candidate(number).map_or(Candidate::EndCompleted, Candidate::One);
                RequestBody::IceTrickle { candidate }
            }
            Ask::EndOfCandidates => RequestBody::IceTrickle { candidate: Candidate::EndCompleted },
        };
        self.send(place, line, body, tag)
    }

    /// Sends a request; when it was handed over and when it was written, or nothing if it could not be sent.
    pub fn send(
        &mut self,
        place: usize,
        line: usize,
        body: RequestBody<'_>,
        tag: u32,
    ) -> Option<(Time, Time)> {
        let name = body.name();
        let now = self.now();
        let written = self.clients[place].request(line, body, tag, now, &mut self.buffer);
        // A server that says nothing more would not wake it in time for the timeout.
        self.wake_client(place);
        let written = written.ok()?;
        self.recorder.counters().requests_sent[name.index()] += 1;
        Some((now, written))
    }

    /// Gives a line back on which the server says no last word.
    fn abandon(&mut self, place: usize, serial: u32, leg: Leg) {
        let now = self.now();
        let Some(call) = self.calls.get(place, serial) else { return };
        let Some(Party { place: client, line: Some(line) }) = call.party(leg).copied() else { return };
        let client = &mut self.clients[client];
        if client.legs.get(line).copied().flatten().is_some_and(|on_line| on_line.serial == serial) {
            client.legs[line] = None;
            client.session.free_line(line, now);
        }
    }

    /// The call is over on both legs.
    fn over(&mut self, place: usize) {
        let Some(call) = self.calls.forget(place) else { return };
        self.gauges.change(|gauges| gauges.calls -= 1);
        for Party { place: client, line } in [call.caller, call.callee].into_iter().flatten() {
            if self.clients[client].expecting.is_some_and(|leg| leg.serial == call.serial) {
                self.clients[client].expecting = None;
                let confirmed = call.script.is_confirmed_over();
                self.clients[client].given_up =
                    call.caller.map(|caller| GivenUp { caller: caller.place, confirmed });
            }
            if let Some(line) = line
                && let Some(leg) = self.clients[client].legs.get_mut(line)
                && leg.is_some_and(|leg| leg.serial == call.serial)
            {
                *leg = None;
                // Neither a hangup nor a give-up has done it: the call was never sent.
                let now = self.now();
                self.clients[client].session.free_line(line, now);
            }
            self.call_over(client);
        }
        self.attempt_over(call.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(calls: &mut Calls) -> (usize, u32) {
        let plan = AnsweredPlan {
            ring: Duration::ZERO,
            hold: Duration::ZERO,
            hangup_by: Leg::Caller,
            candidates: 0,
            candidate_spacing: Duration::ZERO,
        };
        let serial = calls.next_serial();
        let call = Call {
            script: Answered::new(plan, Parties::Both, Time::ZERO),
            serial,
            caller: None,
            callee: None,
            wake_at: Time::NEVER,
            due: Time::ZERO,
            attempt: 0,
            talk: Talk::default(),
            ended: false,
        };
        (calls.insert(call), serial)
    }

    #[test]
    fn a_place_is_used_again_and_its_calls_are_told_apart() {
        let mut calls = Calls::default();
        let (place, first) = call(&mut calls);
        assert!(calls.forget(place).is_some() && calls.forget(place).is_none());
        assert!(calls.is_empty());
        let (again, second) = call(&mut calls);
        assert_eq!((again, calls.places()), (place, vec![place]));
        assert!(calls.get(place, first).is_none() && calls.get(place, second).is_some());
        assert!(calls.get(place + 1, second).is_none() && calls.forget(place + 1).is_none());
    }

    #[test]
    fn a_tag_says_call_and_leg_and_is_never_that_of_no_call() {
        let mut calls = Calls { serial: (u32::MAX >> 2) - 2, ..Calls::default() };
        for _ in 0..4 {
            let serial = calls.next_serial();
            for leg in [Leg::Caller, Leg::Callee] {
                let tag = tag(serial, leg);
                assert_eq!((tag >> 1, tag & 1 == 1), (serial, leg == Leg::Callee));
                assert_ne!(tag >> 1, u32::MAX >> 1);
            }
        }
    }
}
