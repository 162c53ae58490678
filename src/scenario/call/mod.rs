//! One call of a play: what its two legs have come to, what is timed on them, and how it is brought to an end.
//!
//! Whatever the script is: a call ends once, nothing of it stays up, and what the server does out of turn is taken as
//! it comes.

mod leg;
mod release;
mod renegotiation;
mod setup;

use std::time::Duration;

use leg::LegState;
use renegotiation::is_sip_success;

use super::script::Sign;
use super::{Ask, Direction, Leg, Side};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};
use crate::protocol::{EventBody, RequestName, ResponseOutcome};

/// How long a `hangup` may follow an `error` in set-up before we hang up ourselves (protocol, section 5.19).
pub(in crate::scenario) const ERROR_GRACE: Duration = Duration::from_secs(2);
/// How long the server may keep a call up whose other party has lost its connection: it may come back (protocol,
/// appendix C, point 11: 10 s).
pub(in crate::scenario) const LOST_TIMEOUT: Duration = Duration::from_secs(12);
/// How long the last `hangup` of a call may take.
pub(in crate::scenario) const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an `update` is sent again that met another one.
const UPDATE_RETRIES: u8 = 3;

/// How a call trickles, and what it does when two updates meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::scenario) struct Manner {
    /// Candidates that each side trickles before its end mark. None: it does not trickle, and has no end to mark.
    pub candidates: u32,
    /// The time between two of them.
    pub candidate_spacing: Duration,
    /// How long each side waits before it sends an update again that met the other side's.
    pub update_retry: [Duration; 2],
}

/// One call.
#[derive(Debug)]
pub(in crate::scenario) struct Call {
    number: u8,
    manner: Manner,
    /// Which sides are clients of ours.
    ours: [bool; 2],
    /// When it was due.
    due: Time,
    phase: Phase,
    legs: [LegState; 2],
    times: CallTimes,
    accept_sent: Option<Time>,
    /// The callee has heard that its accept has done it.
    is_established: bool,
    /// How it ends if the server confirms our hang-up before an answer.
    own_end: Option<Outcome>,
    has_declined: bool,
    conclusion: Option<Outcome>,
    /// The conclusion, until the play has taken notice of it, and the code of a rejection.
    news: Option<(Outcome, Option<i32>)>,
    talk: Duration,
    one_leg_found: bool,
    /// Hung up because the run is over: hundreds at once, which no profile asked for, so their release is not timed.
    is_drained: bool,
    /// When the server has taken too long.
    timeout: Time,
}

/// When a call came how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    /// Its request was sent.
    pub sent: Option<Time>,
    /// The callee got it.
    pub incoming: Option<Time>,
    /// The caller heard that it rings.
    pub ringback: Option<Time>,
    /// The caller heard that it is answered; at a foreign caller's, our client that it is established.
    pub answered: Option<Time>,
    /// The first of its sides that are ours asked for its end.
    pub hangup: Option<Time>,
    /// The first side heard that it is over.
    pub ended: Option<Time>,
    /// The code of the caller's `hangup`, or of the callee's if there is no other.
    pub code: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Planned,
    SetUp,
    Talk,
    Release,
    Over,
}

impl Call {
    /// A call that is still to be placed; `ours` says for caller and callee whether they are clients of ours.
    pub fn new(number: u8, manner: Manner, ours: [bool; 2]) -> Call {
        Call {
            number,
            manner,
            ours,
            due: Time::ZERO,
            phase: Phase::Planned,
            legs: [LegState::NEW, LegState::NEW],
            times: CallTimes::default(),
            accept_sent: None,
            is_established: false,
            own_end: None,
            has_declined: false,
            conclusion: None,
            news: None,
            talk: Duration::ZERO,
            one_leg_found: false,
            is_drained: false,
            timeout: Time::NEVER,
        }
    }

    /// It is about to be placed, or about to come in from somebody else.
    pub fn begin(&mut self, due: Time) {
        self.due = due;
        self.phase = Phase::SetUp;
    }

    /// Whether it is still to be placed.
    pub fn is_planned(&self) -> bool {
        self.phase == Phase::Planned
    }

    /// Whether it is being set up, or is up.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::SetUp | Phase::Talk)
    }

    /// Whether it is being set up.
    pub fn is_in_setup(&self) -> bool {
        self.phase == Phase::SetUp
    }

    /// Whether it is answered and up.
    pub fn is_talking(&self) -> bool {
        self.phase == Phase::Talk
    }

    /// Whether nothing of it is up.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Planned | Phase::Over)
    }

    /// Whether the server has told the caller that it is over.
    pub fn is_confirmed_over(&self) -> bool {
        self.legs[0].hung_up.is_some()
    }

    /// When it came how far.
    pub fn times(&self) -> &CallTimes {
        &self.times
    }

    /// How it ended, if that is not known to the play yet, and the code of a rejection.
    pub fn take_news(&mut self) -> Option<(Outcome, Option<i32>)> {
        self.news.take()
    }

    /// Whether the server has a side, as far as is known.
    pub fn is_up(&self, side: Side) -> bool {
        self.legs[side as usize].up
    }

    /// Whether anything can be sent on a side: it is up, and nobody has ended it.
    pub fn can_send(&self, side: Side) -> bool {
        let leg = &self.legs[side as usize];
        leg.up && !leg.told && self.is_live()
    }

    /// Whether the server has been asked to end a side.
    pub fn is_told(&self, side: Side) -> bool {
        self.legs[side as usize].told
    }

    /// Whether the connection of a side is gone, and is to come back.
    pub fn is_suspended(&self, side: Side) -> bool {
        self.legs[side as usize].is_suspended
    }

    /// Whether the server has refused what a side asked for last.
    pub fn is_refused(&self, side: Side) -> bool {
        self.legs[side as usize].refused
    }

    /// Whether a side is over.
    pub fn has_ended(&self, side: Side) -> bool {
        let leg = &self.legs[side as usize];
        let never_came =
            self.phase == Phase::Release && side == Side::Callee && self.times.incoming.is_none();
        leg.is_gone || never_came || self.phase == Phase::Over
    }

    /// Whether the server has said that a side is over, or never told it of the call.
    pub fn is_hung_up(&self, side: Side) -> bool {
        let leg = &self.legs[side as usize];
        leg.hung_up.is_some() || !leg.is_gone && self.has_ended(side)
    }

    /// Whether the callee's leg is over while the call is being set up.
    pub fn has_lost_callee(&self) -> bool {
        self.legs[1].is_gone
    }

    /// Takes a sign that a side has seen.
    pub fn take(&mut self, side: Side, sign: Sign) -> bool {
        let seen = &mut self.legs[side as usize].seen[sign as usize];
        let was_seen = *seen > 0;
        *seen = seen.saturating_sub(1);
        was_seen
    }

    /// When it wants to be asked again.
    pub fn next_due(&self) -> Time {
        let of_leg = |leg: &LegState| {
            if leg.is_suspended { Time::NEVER } else { leg.candidate_due.min(leg.update_due) }
        };
        self.timeout.min(of_leg(&self.legs[0])).min(of_leg(&self.legs[1]))
    }

    /// Its owner has sent what was asked for.
    pub fn sent(&mut self, side: Side, ask: Ask, at: Time) {
        let leg = &mut self.legs[side as usize];
        match ask {
            Ask::Call | Ask::ReferredCall => {
                self.times.sent = Some(at);
                leg.up = true;
                self.trickle(side, at);
            }
            Ask::Accept | Ask::AcceptWithOffer => {
                self.accept_sent = Some(at);
                self.trickle(side, at);
            }
            Ask::Hangup | Ask::Decline => {
                leg.hangup_sent = Some(at);
                self.times.hangup.get_or_insert(at);
                self.timeout = at + RELEASE_TIMEOUT;
            }
            Ask::Candidate(_) => self.trickle(side, at),
            Ask::Hold => (leg.asked, leg.reinvited) = (Some((Metric::Hold, at)), Some(at)),
            Ask::Unhold => (leg.asked, leg.reinvited) = (Some((Metric::Resume, at)), Some(at)),
            Ask::Update => (leg.offer, leg.reinvited) = (Some(at), Some(at)),
            Ask::Transfer { .. } => leg.asked = Some((Metric::Transfer, at)),
            // No call: nothing of it is up.
            Ask::Presence => self.times.sent = Some(at),
            Ask::EndOfCandidates | Ask::UpdateAnswer | Ask::UpdateAnswerWithOffer => {}
        }
    }

    /// The script asks for something on a side: what it waits for next has not been refused.
    pub fn asking(&mut self, side: Side, ask: Ask) {
        self.legs[side as usize].refused = false;
        match ask {
            Ask::Hangup if self.phase == Phase::SetUp => self.own_end = Some(Outcome::Cancelled),
            Ask::Decline => self.has_declined = true,
            _ => {}
        }
    }

    /// A response has come.
    pub fn response(
        &mut self,
        side: Side,
        request: RequestName,
        outcome: &ResponseOutcome<'_>,
        now: Time,
        out: &mut Vec<Direction>,
    ) {
        let ResponseOutcome::Error { .. } = outcome else {
            if request == RequestName::PresenceUpdate {
                self.legs[side as usize].see(Sign::Ack);
                self.conclude(Outcome::Done, None);
                self.wind_down(now);
                self.check_over(out);
            }
            return;
        };
        match request {
            // The call never was: its line is free at once.
            RequestName::OutgoingCall | RequestName::PresenceUpdate => {
                self.abandon(side, out);
                self.fail(AttemptFailure::Refused, now, out);
            }
            // It crossed the caller's hang-up (protocol, section 5.6), whose own word has come or is on its way.
            RequestName::Accept if self.is_cancelled() || self.is_ended_by_cancelling() => {
                self.abandon(side, out)
            }
            RequestName::Accept if self.phase == Phase::SetUp => {
                self.abandon(side, out);
                self.fail(AttemptFailure::Refused, now, out);
            }
            RequestName::Hangup | RequestName::Decline => self.abandon(side, out),
            RequestName::Hold | RequestName::Unhold | RequestName::Update | RequestName::Transfer => {
                self.legs[side as usize].refused = true;
            }
            _ => {}
        }
        self.check_over(out);
    }

    /// No response has come in time.
    pub fn no_response(&mut self, side: Side, request: RequestName, now: Time, out: &mut Vec<Direction>) {
        match request {
            // Events without a response are progress all the same (protocol, section 10, row 6).
            RequestName::OutgoingCall | RequestName::Accept | RequestName::PresenceUpdate
                if self.phase == Phase::SetUp && !self.legs[side as usize].taken_up =>
            {
                self.fail(AttemptFailure::NoResponse, now, out);
            }
            RequestName::Hangup | RequestName::Decline => self.abandon(side, out),
            _ => {}
        }
        self.check_over(out);
    }

    /// An event has come.
    pub fn event(&mut self, side: Side, event: &EventBody<'_>, at: Time, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        leg.taken_up |=
            side == Side::Caller || matches!(event, EventBody::Accepting | EventBody::Accepted { .. });
        match (side, event) {
            (Side::Callee, EventBody::IncomingCall(_)) => self.on_incoming(at, out),
            (Side::Caller, EventBody::Ringing | EventBody::Proceeding { .. }) => self.on_ringback(at, out),
            (Side::Caller, EventBody::Progress { jsep, .. }) => {
                if jsep.is_some() {
                    leg.see(Sign::EarlyMedia);
                }
                self.on_ringback(at, out);
            }
            (_, EventBody::Accepted { .. }) => self.on_accepted(side, at, out),
            (_, EventBody::Hangup { code, .. }) => self.on_hangup(side, *code, at, out),
            (_, EventBody::Error { code, .. }) => self.on_error(side, *code, at, out),
            (_, EventBody::MissedCall { .. }) => leg.see(Sign::Missed),
            (_, EventBody::Accepting) => leg.see(Sign::Accepting),
            (_, EventBody::Declining { .. }) => leg.see(Sign::Declining),
            (_, EventBody::Holding) => self.on_asked(side, Sign::Holding, at, out),
            (_, EventBody::Resuming) => self.on_asked(side, Sign::Resuming, at, out),
            (_, EventBody::UpdatingCall(parties)) => {
                self.on_updating_call(side, parties.jsep.is_some(), at, out)
            }
            (_, EventBody::Updated) if leg.offer.is_some() => self.on_renegotiated(side, at, out),
            (_, EventBody::Updated) => leg.see(Sign::Updated),
            (_, EventBody::Transferring) => leg.see(Sign::Transferring),
            (_, EventBody::Transfer { .. }) => leg.see(Sign::Referred),
            (_, EventBody::TransferAccepted { .. }) => self.on_transferred(side, true, at, out),
            (_, EventBody::TransferFailed { .. }) => self.on_transferred(side, false, at, out),
            (_, EventBody::Notify { subscription_state, content, .. })
                if subscription_state.as_deref() == Some("terminated") =>
            {
                self.on_transferred(side, is_sip_success(content), at, out)
            }
            _ => {}
        }
    }

    /// The connection of a side is gone, and is to come back.
    pub fn suspended(&mut self, side: Side) {
        let leg = &mut self.legs[side as usize];
        leg.is_suspended = true;
        // What it waits for may come while nobody hears it, and would be timed by when the client is back.
        (leg.offer, leg.reinvited, leg.asked) = (None, None, None);
    }

    /// The connection of a side has come back, and the server still holds the call on it. What is to end is ended by
    /// whoever has found it.
    pub fn resumed(&mut self, side: Side) {
        self.legs[side as usize].is_suspended = false;
    }

    /// The media of a side whose connection has come back are made anew, if the call goes on: as the mobile client does
    /// (protocol, section 2.7).
    pub fn restart_media(&mut self, side: Side, out: &mut Vec<Direction>) {
        if self.is_talking() && self.can_send(side) {
            self.legs[side as usize].quiet();
            out.push(Direction::Send(self.leg(side), Ask::Update));
        }
    }

    /// Does what is due.
    pub fn due(&mut self, now: Time, out: &mut Vec<Direction>) {
        for side in Side::BOTH {
            if self.legs[side as usize].is_suspended {
                continue;
            }
            if self.legs[side as usize].candidate_due <= now {
                self.next_candidate(side, out);
            }
            if self.legs[side as usize].update_due <= now {
                self.legs[side as usize].update_due = Time::NEVER;
                out.push(Direction::Send(self.leg(side), Ask::Update));
            }
        }
        if self.timeout <= now {
            self.timed_out(now, out);
        }
        self.check_over(out);
    }

    fn leg(&self, side: Side) -> Leg {
        Leg { call: self.number, side }
    }

    fn on_error(&mut self, side: Side, code: Option<i32>, at: Time, out: &mut Vec<Direction>) {
        let retry = at + self.manner.update_retry[side as usize];
        let leg = &mut self.legs[side as usize];
        match self.phase {
            Phase::SetUp => {
                self.conclude(Outcome::Failed(AttemptFailure::EventError), None);
                self.wind_down(at);
                self.timeout = at + ERROR_GRACE;
            }
            // Wrong state, request pending: two updates have met.
            Phase::Talk if matches!(code, Some(447 | 491)) && leg.offer.is_some() => {
                leg.offer = None;
                leg.update_tries += 1;
                if leg.update_tries > UPDATE_RETRIES {
                    leg.refused = true;
                } else {
                    leg.update_due = retry;
                }
            }
            // One that nothing asked for, as about a candidate that comes late (protocol, section 5.14), is no end.
            Phase::Talk if leg.asked.is_some() || leg.offer.is_some() => leg.refused = true,
            _ => {}
        }
        self.check_over(out);
    }
}
