//! How a call comes to its end, whoever wishes it: once, with nothing of it left up.

use super::leg::LegState;
use super::{Call, ERROR_GRACE, LOST_TIMEOUT, Phase, RELEASE_TIMEOUT};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};
use crate::protocol::{HangupClass, HangupCode};
use crate::scenario::script::Sign;
use crate::scenario::{Ask, Direction, Finding, Side};

impl Call {
    /// The connection of a side is gone for good.
    pub fn lost(&mut self, side: Side, now: Time, out: &mut Vec<Direction>) {
        self.abandon(side, out);
        if self.is_live() {
            if side == Side::Callee && self.is_cancelled() {
                // One of the answers to an accept that crosses the caller's hang-up (protocol, section 5.6): what the
                // caller hears says how the call ends.
                return self.check_over(out);
            }
            if self.phase == Phase::SetUp {
                self.conclude(Outcome::Failed(AttemptFailure::ConnectionLost), None);
            }
            // The other party is not told by us but by the server: a hangup of ours would cross its own, and cost that
            // party's connection too (protocol, section 1.5: close 4610).
            self.wind_down(now);
            self.timeout = now + LOST_TIMEOUT;
        }
        self.check_over(out);
    }

    /// The server has taken too long.
    pub fn timed_out(&mut self, now: Time, out: &mut Vec<Direction>) {
        self.timeout = Time::NEVER;
        match self.phase {
            Phase::SetUp => {
                let is_told = self.legs.iter().any(|leg| leg.told);
                let reason = match (self.accept_sent, self.times.incoming) {
                    _ if is_told => AttemptFailure::NotReleased,
                    (Some(_), _) => AttemptFailure::NoAnswer,
                    (None, None) if self.ours == [true; 2] && self.times.ringback.is_some() => {
                        AttemptFailure::NotDelivered
                    }
                    _ => AttemptFailure::NoProgress,
                };
                if reason == AttemptFailure::NotDelivered {
                    out.push(Direction::Found(Finding::Lost));
                }
                self.fail(reason, now, out);
            }
            Phase::Release => self.insist(now, out),
            Phase::Planned | Phase::Talk | Phase::Over => {}
        }
        self.check_over(out);
    }

    /// The run is over: hangs up whatever is up. A call that is not answered yet ends as unfinished once the server
    /// has confirmed that; until then an answer may be under way that crosses the hang-up, and counts.
    pub fn drain(&mut self, now: Time, out: &mut Vec<Direction>) {
        if self.is_live() {
            self.is_drained = true;
            self.own_end = Some(Outcome::Unfinished);
            self.release(now, out);
        } else if self.phase == Phase::Release && self.legs.iter().all(|leg| !leg.told) {
            // Nothing may stay up for the server's patience with a lost connection.
            self.insist(now, out);
        }
        self.check_over(out);
    }

    /// Hangs up on whichever leg is up, if nobody has yet.
    pub fn release(&mut self, now: Time, out: &mut Vec<Direction>) {
        if !self.is_live() {
            return;
        }
        let is_told = self.legs.iter().any(|leg| leg.told);
        // Whoever has asked for a transfer may have no dialog any more, and a hangup then costs the connection
        // (protocol, section 5.12).
        let is_transferring =
            |side: Side| matches!(self.legs[side as usize].asked, Some((Metric::Transfer, _)));
        let first = if is_transferring(Side::Caller) { Side::Callee } else { Side::Caller };
        self.wind_down(now);
        if !is_told && !self.hang_up(first, out) {
            self.hang_up(first.other(), out);
        }
        self.check_over(out);
    }

    /// The script hangs up, or declines, on this side.
    pub fn release_by(&mut self, side: Side, ask: Ask, now: Time, out: &mut Vec<Direction>) {
        let is_answered = self.times.answered.is_some();
        self.legs[side as usize].told = true;
        if is_answered {
            self.wind_down(now);
        } else {
            // Still in its set-up, as what comes next says how it ends.
            self.legs.iter_mut().for_each(LegState::quiet);
            self.timeout = now + RELEASE_TIMEOUT;
        }
        out.push(Direction::Send(self.leg(side), ask));
    }

    pub(super) fn time_release(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
        let (own, others) =
            (self.legs[side as usize].hangup_sent, self.legs[side.other() as usize].hangup_sent);
        let is_answered = self.times.answered.is_some();
        let timed = match (own, others, side) {
            (Some(sent), _, _) if is_answered => Some((Metric::Release, sent)),
            (None, Some(sent), _) if is_answered => Some((Metric::ReleaseRemote, sent)),
            (Some(sent), _, Side::Caller) => Some((Metric::Cancel, sent)),
            (None, Some(sent), Side::Caller) if self.has_declined => Some((Metric::Decline, sent)),
            (None, None, Side::Caller) if !is_answered => self.times.sent.map(|sent| (Metric::Reject, sent)),
            _ => None,
        };
        if let Some((metric, sent)) = timed {
            out.push(Direction::Service(metric, sent, at));
        }
    }

    pub(super) fn on_hangup(&mut self, side: Side, code: Option<i32>, at: Time, out: &mut Vec<Direction>) {
        if !self.legs[side as usize].up {
            return;
        }
        let leg = &mut self.legs[side as usize];
        leg.hung_up = Some(code);
        (leg.up, leg.is_gone) = (false, true);
        leg.quiet();
        leg.see(Sign::Hangup);
        if self.times.ended.is_none() || side == Side::Caller {
            self.times.code = code;
        }
        self.times.ended.get_or_insert(at);
        if !self.is_drained {
            self.time_release(side, at, out);
        }
        match (self.phase, side) {
            (phase @ (Phase::SetUp | Phase::Release), Side::Caller) => {
                // In the release: a call that was drained before it was answered.
                let outcome = self.outcome_of(code);
                self.conclude(outcome, code);
                if phase == Phase::SetUp {
                    self.ended_by_server(at);
                }
            }
            (Phase::SetUp, Side::Callee) if self.ours[0] => {
                // Nothing is left to accept. The caller's own word on it says why; it is due at once.
                self.timeout = self.timeout.min(at + ERROR_GRACE);
            }
            (Phase::SetUp | Phase::Talk, _) => self.ended_by_server(at),
            (Phase::Planned | Phase::Release | Phase::Over, _) => {}
        }
        self.check_over(out);
    }

    /// What the code of a `hangup` before the answer makes of the call (protocol, section 6.4).
    pub(super) fn outcome_of(&self, code: Option<i32>) -> Outcome {
        let class = code.map(|code| HangupCode::from(code).class());
        match (class, self.own_end) {
            (Some(HangupClass::Completed | HangupClass::Cancelled), Some(own)) => own,
            // Whatever a server makes of it on the way: our callee has declined (protocol, section 5.5).
            (Some(HangupClass::Busy | HangupClass::Unavailable), None) if self.has_declined => {
                Outcome::Declined
            }
            (Some(HangupClass::Busy), _) => Outcome::Busy,
            (Some(HangupClass::Declined), _) => Outcome::Declined,
            (Some(HangupClass::Unavailable), _) => Outcome::Unavailable,
            (Some(HangupClass::Redirected), _) => Outcome::Redirected,
            (Some(HangupClass::Completed | HangupClass::Cancelled), None) => {
                Outcome::Failed(AttemptFailure::EndedEarly)
            }
            _ => Outcome::Failed(AttemptFailure::Rejected),
        }
    }

    /// Ends a set-up that has come to nothing.
    pub fn fail(&mut self, reason: AttemptFailure, now: Time, out: &mut Vec<Direction>) {
        if self.phase == Phase::SetUp {
            self.conclude(Outcome::Failed(reason), None);
            self.release(now, out);
        }
    }

    /// The last `hangup` of a call has not come in time. What is still up is hung up, one leg after the other, because
    /// the end of one is the end of both; then it is given up.
    pub(super) fn insist(&mut self, now: Time, out: &mut Vec<Direction>) {
        let one_leg_only = self.legs[0].hung_up.is_some() != self.legs[1].hung_up.is_some();
        let is_answered = self.times.answered.is_some();
        if is_answered && self.ours == [true; 2] && one_leg_only && !self.one_leg_found {
            self.one_leg_found = true;
            out.push(Direction::Found(Finding::OneLegOnly));
        }
        for side in Side::BOTH {
            if self.hang_up(side, out) {
                self.timeout = now + RELEASE_TIMEOUT;
                return;
            }
        }
        for side in Side::BOTH {
            self.abandon(side, out);
        }
    }

    /// The server has ended one leg of its own accord, and tells the other at once.
    pub(super) fn ended_by_server(&mut self, now: Time) {
        self.wind_down(now);
        self.timeout = now + ERROR_GRACE;
    }

    /// Nothing more is asked for on either leg but its end.
    pub(super) fn wind_down(&mut self, now: Time) {
        if let (Phase::Talk, Some(answered)) = (self.phase, self.times.answered) {
            self.talk = now.since(answered);
        }
        self.phase = Phase::Release;
        self.legs.iter_mut().for_each(LegState::quiet);
        self.timeout = now + RELEASE_TIMEOUT;
    }

    /// Asks for the end of a side, once, if it is up and can be reached; whether it did.
    pub(super) fn hang_up(&mut self, side: Side, out: &mut Vec<Direction>) -> bool {
        // A gateway drops the hangup of a call that was not accepted (protocol, section 5.1, rule 4).
        let is_ringing = side == Side::Callee && self.accept_sent.is_none();
        let leg = &mut self.legs[side as usize];
        let is_due = leg.up && !leg.told && !leg.is_suspended;
        if is_due {
            leg.told = true;
            out.push(Direction::Send(self.leg(side), if is_ringing { Ask::Decline } else { Ask::Hangup }));
        }
        is_due
    }

    pub(super) fn conclude(&mut self, outcome: Outcome, code: Option<i32>) {
        if self.conclusion.is_none() {
            self.conclusion = Some(outcome);
            self.news = Some((outcome, code));
        }
    }

    /// Gives up a leg on which the server says no last word.
    pub(super) fn abandon(&mut self, side: Side, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        // Nothing waits for it any more.
        leg.is_suspended = false;
        if leg.up {
            (leg.up, leg.is_gone) = (false, true);
            leg.quiet();
            out.push(Direction::Abandon(self.leg(side)));
        }
    }

    /// Whether the caller has hung up before an answer, and waits for the server's word on it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.phase == Phase::SetUp && self.legs[0].told
    }

    /// Whether that word has come before the callee's.
    pub(super) fn is_ended_by_cancelling(&self) -> bool {
        self.phase == Phase::Release && self.legs[0].told && self.times.answered.is_none()
    }

    /// Whether we have hung up before an answer, and the server has not confirmed that yet: all other ways from the
    /// set-up to the release conclude the call at once.
    pub(super) fn is_ended_unanswered(&self) -> bool {
        self.phase == Phase::Release && self.conclusion.is_none()
    }

    pub(super) fn check_over(&mut self, out: &mut Vec<Direction>) {
        let is_gone = |side: Side| self.legs[side as usize].is_gone || !self.ours[side as usize];
        if self.phase == Phase::SetUp && Side::BOTH.into_iter().all(is_gone) {
            self.conclude(Outcome::Failed(AttemptFailure::NotReleased), None);
            self.phase = Phase::Release;
        }
        if self.phase != Phase::Release || self.legs.iter().any(|leg| leg.up) {
            return;
        }
        self.phase = Phase::Over;
        self.timeout = Time::NEVER;
        // What we hung up, and got no answer and no other word on how it ended.
        self.conclude(self.own_end.unwrap_or(Outcome::Unfinished), None);
        if self.times.answered.is_some() && self.ours[0] {
            if self.ours[1] && self.times.incoming.is_none() {
                out.push(Direction::Found(Finding::Lost));
            }
            let is_regular = |side: Side| self.legs[side as usize].hung_up == Some(Some(200));
            let completed = is_regular(Side::Caller) && (!self.ours[1] || is_regular(Side::Callee));
            out.push(Direction::Talked { time: self.talk, completed, is_side_call: self.number != 0 });
        }
    }
}
