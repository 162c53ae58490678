//! How a call is set up, and what is measured on the way.

use super::{Call, Phase};
use crate::law::Time;
use crate::metrics::{Metric, Outcome, Sample};
use crate::scenario::script::Sign;
use crate::scenario::{Direction, Finding, Side};

impl Call {
    pub(super) fn on_incoming(&mut self, at: Time, out: &mut Vec<Direction>) {
        if self.times.incoming.is_some() {
            out.push(Direction::Found(Finding::Duplicated));
            return;
        }
        self.times.incoming = Some(at);
        self.legs[1].up = true;
        self.legs[1].see(Sign::Incoming);
        if let Some(sent) = self.times.sent {
            out.push(Direction::Service(Metric::Alert, sent, at));
        }
    }

    pub(super) fn on_ringback(&mut self, at: Time, out: &mut Vec<Direction>) {
        if let (None, Some(sent), Phase::SetUp) = (self.times.ringback, self.times.sent, self.phase) {
            self.times.ringback = Some(at);
            self.legs[0].see(Sign::Ringback);
            out.push(Direction::Sample(Sample { metric: Metric::Ringback, due: self.due, sent, done: at }));
        }
    }

    pub(super) fn on_accepted(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
        if side == Side::Callee && !self.ours[0] && self.phase == Phase::SetUp {
            // A call that somebody else made is up when the server confirms our accept.
            self.legs[1].see(Sign::Accepted);
            return self.talk_from(at);
        }
        if self.legs[side as usize].offer.is_some() {
            return self.on_renegotiated(side, at, out);
        }
        if side == Side::Callee {
            if let Some(sent) = self.accept_sent.filter(|_| !self.is_established) {
                self.is_established = true;
                self.legs[1].see(Sign::Accepted);
                out.push(Direction::Service(Metric::Establish, sent, at));
            }
            return;
        }
        let is_awaited = self.phase == Phase::SetUp || self.is_ended_unanswered();
        let Some(sent) = self.times.sent.filter(|_| is_awaited) else { return };
        self.on_ringback(at, out);
        self.legs[0].see(Sign::Accepted);
        let mut done = at;
        if let (Some(incoming), Some(accept_sent)) = (self.times.incoming, self.accept_sent) {
            out.push(Direction::Service(Metric::Answer, accept_sent, at));
            // What our own callee let it ring is not the server's doing.
            done = at - accept_sent.since(incoming);
        }
        out.push(Direction::Sample(Sample { metric: Metric::Setup, due: self.due, sent, done }));
        if self.phase == Phase::SetUp {
            self.talk_from(at);
        } else {
            self.times.answered = Some(at);
        }
        self.conclude(Outcome::Answered, None);
        if self.legs[1].hung_up.is_some() || self.legs.iter().any(|leg| leg.told) {
            // The other leg is gone already, or we have hung up already: the end of this one is due at once.
            self.wind_down(at);
        }
    }

    /// It was answered while nobody heard it: it goes on, and no latency is taken of that.
    pub fn answered_unheard(&mut self, now: Time) {
        if self.phase == Phase::SetUp {
            self.legs[0].see(Sign::Accepted);
            self.talk_from(now);
            self.conclude(Outcome::Answered, None);
        }
    }

    pub(super) fn talk_from(&mut self, at: Time) {
        self.phase = Phase::Talk;
        self.times.answered = Some(at);
        self.timeout = Time::NEVER;
    }
}
