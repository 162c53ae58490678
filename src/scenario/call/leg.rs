//! What one leg of a call has come to, and its trickled candidates.

use super::{Call, Manner};
use crate::law::Time;
use crate::metrics::Metric;
use crate::scenario::script::Sign;
use crate::scenario::{Ask, Direction, Side};

/// What one leg has come to.
#[derive(Debug)]
pub(super) struct LegState {
    /// The server holds a call on this leg.
    pub up: bool,
    /// It did, and does no more.
    pub is_gone: bool,
    /// The server has taken up the request that set this leg up: a lost response to it means nothing any more.
    pub taken_up: bool,
    /// The server has been asked to end it.
    pub told: bool,
    pub hangup_sent: Option<Time>,
    /// The code of its `hangup`.
    pub hung_up: Option<Option<i32>>,
    /// Its connection is gone, and is to come back.
    pub is_suspended: bool,
    pub candidates: u32,
    pub candidate_due: Time,
    /// What has been seen and not yet been waited for.
    pub seen: [u8; Sign::COUNT],
    /// The server has refused what it was last asked for.
    pub refused: bool,
    /// `hold`, `unhold` or `update`: when the last was sent, for what the other side sees of it.
    pub reinvited: Option<Time>,
    /// When a request was sent that an event of its own answers.
    pub asked: Option<(Metric, Time)>,
    /// An update of ours that has no answer yet.
    pub offer: Option<Time>,
    pub update_tries: u8,
    pub update_due: Time,
}

impl LegState {
    pub const NEW: LegState = LegState {
        up: false,
        is_gone: false,
        taken_up: false,
        told: false,
        hangup_sent: None,
        hung_up: None,
        is_suspended: false,
        candidates: 0,
        candidate_due: Time::NEVER,
        seen: [0; Sign::COUNT],
        refused: false,
        reinvited: None,
        asked: None,
        offer: None,
        update_tries: 0,
        update_due: Time::NEVER,
    };

    pub fn see(&mut self, sign: Sign) {
        let seen = &mut self.seen[sign as usize];
        *seen = seen.saturating_add(1);
    }

    /// Nothing more is to be sent on it but its end.
    pub fn quiet(&mut self) {
        self.candidate_due = Time::NEVER;
        self.update_due = Time::NEVER;
        self.offer = None;
    }
}

impl Call {
    pub(super) fn trickle(&mut self, side: Side, from: Time) {
        let Manner { candidates, candidate_spacing: spacing, .. } = self.manner;
        let leg = &mut self.legs[side as usize];
        if candidates > 0 && leg.up && !leg.told {
            leg.candidate_due = from + spacing;
        }
    }

    pub(super) fn next_candidate(&mut self, side: Side, out: &mut Vec<Direction>) {
        let candidates = self.manner.candidates;
        let leg = &mut self.legs[side as usize];
        leg.candidate_due = Time::NEVER;
        let ask = if leg.candidates < candidates {
            leg.candidates += 1;
            Ask::Candidate(leg.candidates - 1)
        } else {
            Ask::EndOfCandidates
        };
        out.push(Direction::Send(self.leg(side), ask));
    }
}
