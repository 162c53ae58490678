//! What a script asks of its owner.

use std::time::Duration;

use crate::law::Time;
use crate::metrics::{Metric, Outcome, Sample};

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Who calls ("MO" in the protocol's tables).
    Caller,
    /// Who is called ("MT").
    Callee,
}

impl Leg {
    /// The other side.
    pub const fn other(self) -> Leg {
        match self {
            Leg::Caller => Leg::Callee,
            Leg::Callee => Leg::Caller,
        }
    }
}

/// A request to be sent on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `outgoing_call` with an offer.
    Call,
    /// `accept` with an answer.
    Accept,
    /// `hangup`.
    Hangup,
    /// `decline`: the end of an incoming call that was not accepted.
    Decline,
    /// `ice_trickle` with the candidate of this number.
    Candidate(u32),
    /// `ice_trickle` with the end mark.
    EndOfCandidates,
}

/// What a script asks of its owner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    /// Send this; the owner says when it was sent.
    Send(Leg, Ask),
    /// Record a latency that began when it was due.
    Sample(Sample),
    /// Record a latency that began when something was sent.
    Service(Metric, Time, Time),
    /// The attempt has ended so. Said exactly once by the script of an attempt.
    End(Outcome),
    /// The attempt was ended by a `hangup` with this code that was nobody's wish; said before its end.
    Rejected(Option<i32>),
    /// The call was answered, was up for so long and is over; `completed` if both legs saw a regular end.
    Talked {
        /// From `accepted` to the first hang-up.
        time: Duration,
        /// Both legs got a `hangup` with code 200.
        completed: bool,
    },
    /// Something was wrong with what the server did.
    Found(Finding),
    /// The server has said no last word on this leg and will not: give its line back.
    Abandon(Leg),
    /// Nothing is up any more on either leg: the parties are free.
    Over,
}

/// A finding about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The callee never heard of the call.
    Lost,
    /// One leg believed the call up, the other did not.
    OneLegOnly,
    /// The call arrived more than once.
    Duplicated,
}
