//! A worker carries out what its plays ask for.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::attempts::Tag;
use super::flight::What;
use super::worker::{Shared, Worker};
use crate::client::{GivenUp, LegRef, Media};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};
use crate::protocol::{Jsep, JsepKind, Outgoing, RequestBody, Text};
use crate::scenario::{Ask, Callee, Direction, Finding, Flow, Leg, Parties, Play, Side};
use crate::workload::AttemptNumber;

impl Shared {
    /// The number that is dialled for a call of an attempt of this share of the mix, to this client if it is one of the
    /// run's; nothing if it is no call.
    pub fn number_to_dial(
        &self,
        share: usize,
        attempt: AttemptNumber,
        call: u8,
        parties: Parties,
        callee: Option<u32>,
    ) -> Option<Cow<'_, str>> {
        let share = self.plan.calls.mix.get(share)?;
        let prefix = if call == 0 { share.prefix.as_str() } else { "" };
        let dialled = match (callee, parties.callee) {
            (Some(callee), _) => self.subscribers.get(callee as usize)?.number.as_str(),
            (None, Callee::None) => return None,
            (None, Callee::Offline) if share.number.is_none() => {
                self.offline.get(attempt as usize % self.offline.len().max(1))?.as_str()
            }
            (None, _) => share.number.as_deref()?,
        };
        Some(if prefix.is_empty() {
            Cow::Borrowed(dialled)
        } else {
            Cow::Owned(format!("{prefix}{dialled}"))
        })
    }
}

impl Worker {
    /// Does what is due for the attempt.
    pub fn attempt_due(&mut self, place: usize, now: Time) {
        if let Some(serial) = self.attempts.serial_at(place) {
            self.direct(place, serial, |play, out| play.due(now, out));
        }
    }

    /// Hangs up all calls of the attempt: the run is over.
    pub fn drain_attempt(&mut self, place: usize, now: Time) {
        if let Some(serial) = self.attempts.serial_at(place) {
            self.direct(place, serial, |play, out| play.drain(now, out));
        }
    }

    /// Lets a play speak, and does what it says until it has no more to say.
    pub fn direct(&mut self, place: usize, serial: u32, speak: impl FnOnce(&mut Play, &mut Vec<Direction>)) {
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        let mut said = mem::take(&mut self.said);
        speak(&mut attempt.play, &mut said);
        let mut next = 0;
        while let Some(direction) = said.get(next).copied() {
            next += 1;
            self.carry_out(place, serial, direction, &mut said);
        }
        said.clear();
        self.said = said;
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        let due = attempt.play.next_due();
        self.wake_attempt(place, due);
        self.gauge(place, serial);
    }

    /// Keeps the gauges of calls true to an attempt.
    fn gauge(&mut self, place: usize, serial: u32) {
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        // Somebody else's call is none of the run's, and nobody counts its talk.
        let counts = u64::from(attempt.play.is_attempt());
        let (live, talking) = (attempt.play.live() as u64, attempt.play.talking() as u64 * counts);
        let before = (mem::replace(&mut attempt.live, live), mem::replace(&mut attempt.talking, talking));
        if before != (live, talking) {
            let now = self.now();
            if let Some(attempt) = self.attempts.get(place, serial) {
                attempt.talk.turn(talking, now);
            }
            self.count_up_time(now);
            self.gauges.change(|gauges| {
                gauges.calls = gauges.calls + live - before.0;
                gauges.calls_answered = gauges.calls_answered + talking - before.1;
            });
        }
    }

    fn carry_out(&mut self, place: usize, serial: u32, direction: Direction, said: &mut Vec<Direction>) {
        match direction {
            Direction::Send(leg, ask) => self.carry_out_send(place, serial, leg, ask, said),
            Direction::Sample(sample) => {
                match self.flow_apart(place, serial) {
                    Some(flow) => self.recorder.sample_of_flow(flow.index(), sample),
                    None => self.recorder.sample(sample),
                }
                if sample.metric == Metric::Setup
                    && let Some(attempt) = self.attempts.get(place, serial)
                    && let Some(flight) = attempt.flight.as_mut().filter(|_| sample.due == attempt.due)
                {
                    flight.setup = Some(sample.done.since(sample.due));
                }
            }
            Direction::Service(metric, sent, done) => match self.flow_apart(place, serial) {
                Some(flow) => self.recorder.service_of_flow(flow.index(), metric, sent, done),
                None => self.recorder.service(metric, sent, done),
            },
            Direction::End { outcome, intended } => self.ended(place, serial, outcome, intended),
            Direction::SideCallEnd(outcome) => {
                self.recorder.counters().side_calls.ended.count(outcome.name())
            }
            Direction::Broken(step) => {
                let Some(attempt) = self.attempts.get(place, serial) else { return };
                attempt.noted.broken = Some(step);
                let (flow, (_, is_overdue)) = (attempt.play.flow().name(), attempt.play.stands_at());
                let counters = self.recorder.counters();
                counters.broken.count((flow, step));
                counters.stopped_at.count((flow, step, is_overdue));
            }
            Direction::Rejected(code) => self.recorder.counters().rejections.count(code),
            Direction::Talked { time, is_side_call: true, .. } => {
                self.count_talk(place, serial, time);
                self.recorder.counters().side_calls.talk_micros += time.as_micros() as u64;
            }
            Direction::Talked { time, completed, is_side_call: false } => {
                self.count_talk(place, serial, time);
                let counters = self.recorder.counters();
                counters.talks += 1;
                counters.talk_micros += time.as_micros() as u64;
                counters.completed += u64::from(completed);
            }
            Direction::Found(finding) => {
                if let Some(attempt) = self.attempts.get(place, serial) {
                    attempt.noted.found = Some(finding);
                }
                let ledger = &mut self.recorder.counters().ledger;
                match finding {
                    Finding::Lost => ledger.lost += 1,
                    Finding::OneLegOnly => ledger.one_leg_only += 1,
                    Finding::Duplicated => ledger.duplicated += 1,
                }
            }
            Direction::Abandon(leg) => self.abandon(LegRef { attempt: place, serial, leg }),
            Direction::Over => self.over(place, serial),
        }
    }

    /// The flow of an attempt, where latencies are kept apart by it. Where all calls follow one flow, its latencies are
    /// those of all; and somebody else's call follows none of the run's.
    fn flow_apart(&mut self, place: usize, serial: u32) -> Option<Flow> {
        if !self.mixes_flows {
            return None;
        }
        let attempt = self.attempts.get(place, serial)?;
        attempt.play.is_attempt().then(|| attempt.play.flow())
    }

    /// A call of the attempt is over that was up for so long: from here on it is counted as such.
    fn count_talk(&mut self, place: usize, serial: u32, time: Duration) {
        self.gauge(place, serial);
        if let Some(attempt) = self.attempts.get(place, serial) {
            attempt.talk.count(time);
        }
    }

    fn ended(&mut self, place: usize, serial: u32, outcome: Outcome, intended: bool) {
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        attempt.noted.intended = intended;
        let (flow, (step, is_overdue)) = (attempt.play.flow().name(), attempt.play.stands_at());
        let counters = self.recorder.counters();
        if !intended && !matches!(outcome, Outcome::Unfinished | Outcome::Blocked) {
            let is_overdue = is_overdue || outcome == Outcome::Failed(AttemptFailure::NoResponse);
            counters.stopped_at.count((flow, step, is_overdue));
        }
        counters.end(outcome);
        counters.intended += u64::from(intended);
        counters.flows.count((flow, outcome.name()));
    }

    fn carry_out_send(&mut self, place: usize, serial: u32, leg: Leg, ask: Ask, said: &mut Vec<Direction>) {
        let sent = self.ask(LegRef { attempt: place, serial, leg }, ask);
        let now = self.now();
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        let Some((sent, written)) = sent else { return attempt.play.lost(leg, now, said) };
        attempt.play.sent(leg, ask, sent);
        let (due, is_first) = (attempt.due, !mem::replace(&mut attempt.has_begun, true));
        if is_first && attempt.play.is_attempt() {
            // Whichever request it is: only the first one's delay is the generator's alone.
            self.recorder.service(Metric::Lag, due, written);
        }
        match ask {
            Ask::Call | Ask::ReferredCall | Ask::Presence if leg.call == 0 => {
                if let Some(attempt) = self.attempts.get(place, serial) {
                    attempt.noted.written = Some(written);
                }
                self.recorder.counters().started += 1;
            }
            Ask::Call | Ask::ReferredCall => self.recorder.counters().side_calls.started += 1,
            _ => {}
        }
    }

    /// Sends what a play asks for; when it was handed over and when it was written, or nothing if it could not be sent.
    fn ask(&mut self, on: LegRef, ask: Ask) -> Option<(Time, Time)> {
        let client = self.attempts.get(on.attempt, on.serial)?.client(on.leg)?;
        let line = match ask {
            Ask::Presence => None,
            Ask::Call | Ask::ReferredCall => Some(self.take_line(on, client)?),
            _ => Some(self.line_of(on, client)?),
        };
        let media = Arc::clone(&self.media);
        let shared = Arc::clone(&self.shared);
        let attempt = self.attempts.get(on.attempt, on.serial)?;
        let offer = Some(Jsep { kind: JsepKind::Offer, sdp: media.offer(attempt.number) });
        let answer = Some(Jsep { kind: JsepKind::Answer, sdp: media.answer() });
        let number;
        let prepared = |prepared| Outgoing::Prepared(prepared, "");
        let request: Outgoing<'_> = match ask {
            Ask::Call => {
                let call = media.call(attempt.number);
                number = self.number_to_dial(on, &shared)?;
                let from = shared.plan.calls.guest_number.as_deref().map(Text::Borrowed);
                if from.is_some() && self.is_on_guest_line(on) {
                    let number = Text::Borrowed(&number);
                    RequestBody::OutgoingCall { number, jsep: offer, from, refer_id: None, replaces: None }
                        .into()
                } else {
                    Outgoing::Prepared(call, &number)
                }
            }
            Ask::ReferredCall => {
                let referral = attempt.referral.take()?;
                number = Cow::Owned(referral.number);
                let (number, refer_id) = (Text::Borrowed(&number), Some(referral.refer_id));
                RequestBody::OutgoingCall { number, jsep: offer, from: None, refer_id, replaces: None }.into()
            }
            Ask::Accept => prepared(media.accept()),
            Ask::AcceptWithOffer => RequestBody::Accept { jsep: offer }.into(),
            Ask::Hangup => prepared(media.hangup()),
            Ask::Decline => RequestBody::Decline { refer_id: None }.into(),
            Ask::Candidate(number) => prepared(media.candidate(number)),
            Ask::EndOfCandidates => prepared(media.end_of_candidates()),
            // Both real clients hold so.
            Ask::Hold => RequestBody::Hold { direction: Some(Text::Borrowed("inactive")) }.into(),
            Ask::Unhold => RequestBody::Unhold.into(),
            Ask::Update | Ask::UpdateAnswerWithOffer => RequestBody::Update { jsep: offer }.into(),
            Ask::UpdateAnswer => RequestBody::Update { jsep: answer }.into(),
            Ask::Transfer { to, replaces } => {
                let to = attempt.client(Leg::callee(to))?;
                let replaced = replaces.and_then(|call| attempt.line(Leg::caller(call)));
                let replaced = replaced.and_then(|line| self.clients[client].session.lines().call_id(line));
                let replace_call_id = replaced.map(|call_id| Text::Owned(call_id.to_owned()));
                let number = &shared.subscribers[self.number_of(to) as usize].number;
                RequestBody::Transfer { number: Text::Borrowed(number), replace_call_id }.into()
            }
            Ask::Presence => RequestBody::PresenceUpdate { settings: Some(media.presence()) }.into(),
        };
        self.send(client, line, &request, Tag::of(on))
    }

    /// The number that the caller of a call dials.
    fn number_to_dial<'a>(&mut self, on: LegRef, shared: &'a Shared) -> Option<Cow<'a, str>> {
        let attempt = self.attempts.get(on.attempt, on.serial)?;
        let (share, number) = (attempt.share, attempt.number);
        let callee = attempt.client(on.leg.other());
        let parties = attempt.play.parties(on.leg.call);
        let callee = callee.map(|callee| self.number_of(callee));
        shared.number_to_dial(share, number, on.leg.call, parties, callee)
    }

    /// Whether the leg's call is placed on its caller's guest line.
    fn is_on_guest_line(&mut self, on: LegRef) -> bool {
        let attempt = self.attempts.get(on.attempt, on.serial);
        on.leg.call == 0 && attempt.is_some_and(|attempt| attempt.play.flow().script().on_guest_line)
    }

    /// A line for a call to be made.
    fn take_line(&mut self, on: LegRef, client: usize) -> Option<usize> {
        let now = self.now();
        let is_guest = self.is_on_guest_line(on);
        let party = self.clients[client].attempt.map(|at_client| at_client.party);
        let attempt = self.attempts.get(on.attempt, on.serial)?;
        let is_called = party.is_some_and(|party| attempt.play.is_called(party));
        let session = &mut self.clients[client].session;
        let line = match (is_guest, is_called) {
            (true, _) => session.take_guest_line(now),
            // The server puts the call that is on its way on the first line that is free.
            (false, true) => session.take_last_line(now),
            (false, false) => session.take_line(now),
        }?;
        self.put_on_line(client, line, on.attempt, on.serial, on.leg);
        Some(line)
    }

    /// The line of a leg, if it is still the leg's.
    fn line_of(&mut self, on: LegRef, client: usize) -> Option<usize> {
        let line = self.attempts.get(on.attempt, on.serial)?.line(on.leg)?;
        let on_line = self.clients[client].legs.get(line).copied().flatten()?;
        (on_line == on).then_some(line)
    }

    /// Sends a request; when it was handed over and when it was written, or nothing if it could not be sent.
    pub fn send(
        &mut self,
        place: usize,
        line: Option<usize>,
        request: &Outgoing<'_>,
        tag: u64,
    ) -> Option<(Time, Time)> {
        let name = request.name();
        let now = self.now();
        let written =
            self.clients[place].request(line, request, tag, now, &mut self.buffer, &mut self.buffers);
        // A server that says nothing more would not wake it in time for the timeout.
        self.wake_client(place);
        let written = written.ok()?;
        self.recorder.counters().requests_sent[name.index()] += 1;
        if let Some(on) = Tag::leg(tag) {
            self.attempts.note(on, now, What::Request(name), None, &self.buffer);
        } else {
            let of = self.clients[place].attempt;
            self.attempts.note_of_client(of, now, What::Request(name), None, &self.buffer);
        }
        Some((now, written))
    }

    /// Gives a line back on which the server says no last word.
    fn abandon(&mut self, on: LegRef) {
        let now = self.now();
        let Some(client) =
            self.attempts.get(on.attempt, on.serial).and_then(|attempt| attempt.client(on.leg))
        else {
            return;
        };
        if let Some(line) = self.line_of(on, client) {
            self.clients[client].legs[line] = None;
            self.clients[client].session.free_line(line, now);
        }
    }

    /// Nothing of the attempt is up any more.
    fn over(&mut self, place: usize, serial: u32) {
        self.gauge(place, serial);
        let Some(attempt) = self.attempts.get(place, serial) else { return };
        for call in 0..attempt.play.calls() as u8 {
            for side in Side::BOTH {
                // Where neither a hangup nor a give-up has done it: the call was never sent.
                self.abandon(LegRef { attempt: place, serial, leg: Leg { call, side } });
            }
        }
        let Some(mut attempt) = self.attempts.forget(place) else { return };
        self.wake_attempt(place, Time::NEVER);
        let now = self.now();
        self.list_attempt(&mut attempt);
        for (call, times) in attempt.play.times().enumerate() {
            let leg = Leg::callee(call as u8);
            if times.sent.is_some()
                && times.incoming.is_none()
                && let (Some(callee), Some(caller)) = (attempt.client(leg), attempt.client(leg.other()))
            {
                let confirmed = attempt.play.is_confirmed_over(call as u8);
                self.clients[callee].given_up = Some(GivenUp { caller, confirmed, at: now });
            }
        }
        for client in attempt.clients.into_iter().flatten() {
            let is_in_it = |at: &crate::client::AttemptRef| (at.attempt, at.serial) == (place, serial);
            if self.clients[client].attempt.as_ref().is_some_and(is_in_it) {
                self.clients[client].attempt = None;
            }
            self.call_over(client);
        }
        self.attempt_over(attempt.number);
    }

    /// Looks whether the offer of an awaited call is the one that its caller has sent.
    pub fn check_nonce(&mut self, on: LegRef, parties: &crate::protocol::CallParties<'_>) {
        let Some(attempt) = self.attempts.get(on.attempt, on.serial) else { return };
        let number = attempt.number;
        let Some(jsep) = &parties.jsep else { return };
        let found = Media::nonce_in(jsep.sdp);
        let counters = self.recorder.counters();
        match found {
            Some(nonce) if nonce == Media::nonce_of(number) => counters.nonces_confirmed += 1,
            Some(_) => counters.ledger.mixed_up += 1,
            None => {}
        }
    }

    /// The legs of a client's attempt that have no line, for when its connection is gone: that of a call that has not come
    /// in yet, and that of an attempt that is no call.
    pub fn legs_without_line(&mut self, place: usize) -> Vec<LegRef> {
        let Some(at_client) = self.clients[place].attempt else { return Vec::new() };
        let Some(attempt) = self.attempts.of(at_client) else { return Vec::new() };
        let (place_of_attempt, serial) = (at_client.attempt, at_client.serial);
        let without = attempt.legs().filter(|(leg, client)| *client == place && attempt.line(*leg).is_none());
        without.map(|(leg, _)| LegRef { attempt: place_of_attempt, serial, leg }).collect()
    }
}
