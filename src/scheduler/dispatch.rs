//! What an attempt that is due needs: clients that are idle, as many as its flow has parties.

use super::attempts::Attempt;
use super::cdr::Row;
use super::worker::Worker;
use crate::client::AttemptRef;
use crate::law::Time;
use crate::metrics::Outcome;
use crate::scenario::{Callee, Cast, Draw, Flow, Leg, MOST_PARTIES, Play};
use crate::workload::AttemptNumber;

/// The clients of a play, by party, and how many calls fill up the lines of one.
struct Group {
    clients: [Option<usize>; MOST_PARTIES],
    fillers: usize,
}

impl Worker {
    /// Starts the attempt that is due, or counts it as blocked.
    pub fn attempt(&mut self, number: AttemptNumber, due: Time) {
        self.recorder.counters().due += 1;
        let calls = &self.shared.plan.calls;
        let (share, draw) = calls.draw(self.shared.plan.seed, number);
        let cast = if calls.mix[share].is_foreign() { Cast::Caller } else { Cast::All };
        let now = self.now();
        let Some(Group { clients, fillers }) = self.take_group(draw.flow, cast, now) else {
            let counters = self.recorder.counters();
            counters.end(Outcome::Blocked);
            counters.flows.count((draw.flow.name(), Outcome::Blocked.name()));
            self.list(Row::blocked(number, due), number);
            self.attempt_over(number);
            return;
        };
        let play = Play::new(draw, cast, due, fillers);
        let serial = self.attempts.next_serial();
        let flight = self.flights.take_off();
        self.begin(Attempt { flight, ..Attempt::new(play, serial, number, share, clients, due) });
    }

    /// Starts a play with its clients.
    fn begin(&mut self, attempt: Attempt) {
        let (serial, clients) = (attempt.serial, attempt.clients);
        let place = self.attempts.insert(attempt);
        for (party, client) in clients.into_iter().enumerate() {
            if let Some(client) = client {
                let party = party as u8;
                self.clients[client].attempt = Some(AttemptRef { attempt: place, serial, party });
            }
        }
        let now = self.now();
        self.direct(place, serial, |play, out| play.start(now, out));
    }

    /// Somebody who is no client of this run calls: the client answers, as a phone does. The call is on `line`.
    pub fn answer_foreign(&mut self, client: usize, line: usize, at: Time) {
        let serial = self.attempts.next_serial();
        // Beyond the numbers of the run's own attempts.
        let number = 1 << 63 | u64::from(self.number_of(client)) << 32 | u64::from(serial);
        let calls = &self.shared.plan.calls;
        let draw = Draw { flow: Flow::Answered, ..calls.draw(self.shared.plan.seed, number).1 };
        let play = Play::new(draw, Cast::Callee, at, 0);
        let attempt = Attempt::new(play, serial, number, 0, [None, Some(client), None], at);
        let place = self.attempts.insert(attempt);
        self.put_on_line(client, line, place, serial, Leg::callee(0));
        self.direct(place, serial, |play, out| play.start(at, out));
    }

    /// Takes clients that are free out of the queue, with the lines that their parts need.
    fn take_group(&mut self, flow: Flow, cast: Cast, now: Time) -> Option<Group> {
        let script = flow.script();
        let count = if cast == Cast::All { script.clients() } else { 1 };
        let mut group = Group { clients: [None; MOST_PARTIES], fillers: 0 };
        for party in 0..count.min(MOST_PARTIES) {
            let is_full = script.fills.is_some_and(|fills| cast == Cast::All && fills.caller == party as u8);
            let calls = script.calls.iter().any(|parties| parties.caller == party as u8);
            let callee = script.fills.is_some_and(|fills| fills.callee == Callee::Party(party as u8));
            let need = match (is_full || callee, calls) {
                (true, _) => usize::MAX,
                (false, true) if script.on_guest_line => 0,
                (false, true) => script.lines,
                (false, false) => 0,
            };
            let Some(client) = self.take_with_lines(need, script.on_guest_line && party == 0, now) else {
                for client in group.clients.into_iter().flatten().rev() {
                    self.return_idle(client);
                }
                return None;
            };
            if is_full {
                group.fillers = self.clients[client].session.lines().len();
            }
            group.clients[party] = Some(client);
        }
        Some(group)
    }

    /// The next idle client with as many free lines, or all of its lines free. Those whose lines rest from their last
    /// calls go to the end of the queue.
    fn take_with_lines(&mut self, need: usize, guest: bool, now: Time) -> Option<usize> {
        for _ in 0..self.idle.len() {
            let place = self.take_idle()?;
            let lines = self.clients[place].session.lines();
            let has_lines = lines.count_free(now) >= need.min(lines.len());
            if has_lines && (!guest || lines.free_guest(now).is_some()) {
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
}
