//! A worker's clients that lost their connection: when they come back, and what becomes of their calls (protocol,
//! sections 2.5 and 2.7).

use std::mem;
use std::time::Duration;

use super::attempts::Tag;
use super::worker::{Stage, Worker};
use crate::client::{Ending, KeptCall, LegRef, Next};
use crate::law::Time;
use crate::metrics::Metric;
use crate::profile::Reconnect;
use crate::protocol::{CallLog, CloseCode, RequestBody, State};
use crate::scenario::Side;

/// How long a call waits for a party that has lost its connection. The server keeps it for 10 s (protocol, appendix C,
/// point 11).
const KEPT_FOR: Duration = Duration::from_secs(12);

/// How long a callee leaves the end of a call that was given up to its caller, who may be back at the same moment: two
/// hangups that cross cost a connection (protocol, section 6.1, 4610).
const CROSSING: Duration = Duration::from_secs(2);

impl Worker {
    /// A client is off without having wished it: it comes back as the profile says, or stays away.
    pub fn come_back(&mut self, place: usize, ending: Ending, was_signed_on: bool) {
        let now = self.now();
        let policy = self.shared.plan.clients.reconnect;
        let is_running = self.stage == Stage::Running;
        let client = &mut self.clients[place];
        if client.leaving || (!is_running && !client.is_away()) {
            return self.stop_coming_back(place);
        }
        if was_signed_on && client.reconnection.lost.is_none() {
            client.reconnection.lost = Some(now);
        }
        // Whatever the policy: its user would sign in again.
        if ending == Ending::Closed(CloseCode::SessionMissedError) && self.renew_session(place) {
            return;
        }
        match self.clients[place].reconnection.next(policy, ending, now) {
            Next::At(due) if is_running => {
                self.clients[place].reconnection.due = due;
                self.wake_client(place);
            }
            Next::At(_) => self.stay_away(place),
            // There is only a token of this subscriber: nothing to get a new one with.
            Next::NewToken | Next::Never => self.stay_away(place),
        }
    }

    /// Dials once more for a client that waited for it.
    pub fn dial_again(&mut self, place: usize) {
        let due = mem::replace(&mut self.clients[place].reconnection.due, Time::NEVER);
        if self.stage == Stage::Running {
            // What clients of the control group do is not among what the others did.
            let counts = !self.is_quiet(place);
            self.recorder.counters().reconnect_attempts += u64::from(counts);
            self.dial(place, due, true, true);
        } else {
            self.stay_away(place);
        }
    }

    /// The client was to come back, and does not.
    pub fn stay_away(&mut self, place: usize) {
        if self.shared.plan.clients.reconnect != Reconnect::None && !self.is_quiet(place) {
            self.recorder.counters().given_up += 1;
        }
        self.stop_coming_back(place);
    }

    /// The client is off, and nothing is left that it would come back to.
    fn stop_coming_back(&mut self, place: usize) {
        self.clients[place].reconnection.stop();
        self.give_up_kept_calls(place);
        self.clients[place].kept.clear();
    }

    /// The client is signed on, on whatever way it came there.
    pub fn is_back(&mut self, place: usize, at: Time) {
        if let Some(lost) = self.clients[place].reconnection.signed_on() {
            self.recorder.service(Metric::Recovery, lost, at);
        }
    }

    /// The connection under these legs is gone. They wait for the client to come back, if it may.
    pub fn keep_calls(&mut self, place: usize, legs: Vec<Option<LegRef>>, now: Time) {
        let may_come_back =
            self.shared.plan.clients.reconnect != Reconnect::None && self.stage == Stage::Running;
        for (line, leg) in legs.into_iter().enumerate() {
            let Some(leg) = leg else { continue };
            let client = &mut self.clients[place];
            match client.session.lines().call_id(line) {
                // Lost twice within a moment: it is kept already.
                Some(call_id) if client.kept.iter().any(|kept| *kept.call_id == *call_id) => {}
                Some(call_id) if may_come_back && !client.leaving => {
                    client.kept.push(KeptCall { leg, call_id: call_id.into(), is_ringing: false });
                    client.kept_until = now + KEPT_FOR;
                    self.leg_suspended(leg, now);
                }
                _ => self.leg_lost(leg, now),
            }
        }
    }

    /// The calls have waited in vain: for their client, or for the server to end them.
    pub fn give_up_kept_calls(&mut self, place: usize) {
        let now = self.now();
        self.clients[place].kept_until = Time::NEVER;
        if self.clients[place].has_state() {
            for KeptCall { call_id, is_ringing, .. } in mem::take(&mut self.clients[place].kept) {
                if let Some(line) = self.clients[place].session.lines().find_call(&call_id) {
                    self.end_found_call(place, line, is_ringing);
                }
            }
            return;
        }
        // That they were there is remembered until the server has said what is.
        let kept: Vec<LegRef> = self.clients[place].kept.iter().map(|kept| kept.leg).collect();
        for leg in kept {
            self.leg_lost(leg, now);
        }
    }

    /// Compares the calls of the client with those that the server has (section 2.7): each goes on or is ended, on
    /// both sides, so that no line leaks.
    pub fn recover_calls(&mut self, place: usize, state: &State<'_>, at: Time) {
        self.clients[place].kept_until = Time::NEVER;
        let mut kept = mem::take(&mut self.clients[place].kept);
        for line in 0..=self.clients[place].session.lines().guest() {
            let Some(call_id) = self.clients[place].session.lines().call_id(line) else { continue };
            let log = state.lines.get(line).and_then(Option::as_ref).or(state.guest_line.held());
            let log = log.map(|line| line.call_log());
            let log = log.unwrap_or_default();
            let known = kept.iter().position(|kept| *kept.call_id == *call_id);
            let known = known.map(|known| kept.swap_remove(known).leg);
            if log.is_over {
                // It ended in good order while the client was away.
                self.clients[place].session.free_line(line, at);
                known.into_iter().for_each(|leg| self.leg_lost(leg, at));
                continue;
            }
            self.recover_call(place, line, known, log, at);
        }
        for KeptCall { leg, .. } in kept {
            // Once a leg is lost its call no longer goes on: of both legs the first one back counts.
            // Somebody else's phone may have ended it.
            if self.leg_goes_on(leg) && self.is_between_ours(leg) {
                self.recorder.counters().recovered.lost += 1;
                self.recorder.counters().ledger.lost_on_reconnect += 1;
            }
            self.leg_lost(leg, at);
        }
    }

    /// A call that the server has on a line, and the leg of ours that it is, if it is one.
    fn recover_call(&mut self, place: usize, line: usize, known: Option<LegRef>, log: CallLog, at: Time) {
        let goes_on = known.is_some_and(|leg| self.leg_goes_on(leg));
        let recovered = &mut self.recorder.counters().recovered;
        match known {
            Some(_) if goes_on => recovered.survived += 1,
            Some(_) => recovered.stale += 1,
            None => recovered.unknown += 1,
        }
        if let Some(leg) = known.filter(|leg| self.leg_is_up(*leg)) {
            self.clients[place].legs[line] = Some(leg);
            self.leg_resumed(leg, line, log, at);
        }
        if goes_on {
            return;
        }
        let is_ringing = log.is_incoming && !log.is_accepted;
        let client = &mut self.clients[place];
        match (known.filter(|leg| leg.leg.side == Side::Callee), client.session.lines().call_id(line)) {
            (Some(leg), Some(call_id)) => {
                client.kept.push(KeptCall { leg, call_id: call_id.into(), is_ringing });
                client.kept_until = at + CROSSING;
            }
            _ => self.end_found_call(place, line, is_ringing),
        }
    }

    fn end_found_call(&mut self, place: usize, line: usize, is_ringing: bool) {
        // A gateway drops the hangup of a call that was not accepted (section 5.1, rule 4).
        let body = if is_ringing { RequestBody::Decline { refer_id: None } } else { RequestBody::Hangup };
        self.send(place, Some(line), &body.into(), Tag::NONE);
    }
}
