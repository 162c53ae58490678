//! What a play asks of its owner.

use std::time::Duration;

use crate::law::Time;
use crate::metrics::{Metric, Outcome, Sample};

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who calls ("MO" in the protocol's tables).
    Caller,
    /// Who is called ("MT").
    Callee,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Caller, Side::Callee];

    /// The other side.
    pub const fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// One side of one of the calls of a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    /// Which of the play's calls.
    pub call: u8,
    /// Which side of it.
    pub side: Side,
}

impl Leg {
    /// The caller's leg of a call.
    pub const fn caller(call: u8) -> Leg {
        Leg { call, side: Side::Caller }
    }

    /// The callee's leg of a call.
    pub const fn callee(call: u8) -> Leg {
        Leg { call, side: Side::Callee }
    }

    /// The other side of the same call.
    pub const fn other(self) -> Leg {
        Leg { call: self.call, side: self.side.other() }
    }
}

/// A request to be sent on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `outgoing_call` with an offer.
    Call,
    /// `outgoing_call` that does what a `transfer` event asked this leg's party for.
    ReferredCall,
    /// `accept` with an answer.
    Accept,
    /// `accept` with an offer, as the incoming call had none.
    AcceptWithOffer,
    /// `hangup`.
    Hangup,
    /// `decline`: the end of an incoming call that was not accepted.
    Decline,
    /// `ice_trickle` with the candidate of this number.
    Candidate(u32),
    /// `ice_trickle` with the end mark.
    EndOfCandidates,
    /// `hold`.
    Hold,
    /// `unhold`.
    Unhold,
    /// `update` with an offer: an ICE restart.
    Update,
    /// `update` with the answer to an `updating_call`.
    UpdateAnswer,
    /// `update` with an offer, as the `updating_call` had none.
    UpdateAnswerWithOffer,
    /// `transfer` of this call to a party of the play.
    Transfer {
        /// To whom: the callee of this call of the play.
        to: u8,
        /// Attended: the call of the same client that is replaced.
        replaces: Option<u8>,
    },
    /// `presence_update`: about no call.
    Presence,
}

/// What a play asks of its owner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    /// Send this; the owner says when it was sent.
    Send(Leg, Ask),
    /// Record a latency that began when it was due.
    Sample(Sample),
    /// Record a latency that began when something was sent.
    Service(Metric, Time, Time),
    /// The attempt has ended so. Said exactly once by the play of an attempt.
    End {
        /// How.
        outcome: Outcome,
        /// Its flow was made to end so.
        intended: bool,
    },
    /// A call that the flow needs beside the attempt's own has ended so. Said once for each that was placed.
    SideCallEnd(Outcome),
    /// The attempt was answered as intended, but its flow broke off at this step of the script.
    Broken(usize),
    /// A call was ended by a `hangup` with this code that was nobody's wish; said before its end, if it is the
    /// attempt's own.
    Rejected(Option<i32>),
    /// A call was answered, was up for so long and is over; `completed` if both legs saw a regular end.
    Talked {
        /// From `accepted` to the first hang-up.
        time: Duration,
        /// Both legs got a `hangup` with code 200.
        completed: bool,
        /// It was not the attempt's own call.
        is_side_call: bool,
    },
    /// Something was wrong with what the server did.
    Found(Finding),
    /// The server has said no last word on this leg and will not: give its line back.
    Abandon(Leg),
    /// Nothing is up any more on any leg: the parties are free.
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
