//! One call of a play: what its two legs have come to, what is timed on them, and how it is brought to an end.
//!
//! Whatever the script is: a call ends once, nothing of it stays up, and what the server does out of turn is taken as
//! it comes.

use std::time::Duration;

use super::script::Sign;
use super::{Ask, Direction, Finding, Leg, Side};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome, Sample};
use crate::protocol::{EventBody, HangupClass, HangupCode, RequestName, ResponseOutcome};

/// How long a `hangup` may follow an `error` in set-up before we hang up ourselves (protocol, section 5.19).
pub(super) const ERROR_GRACE: Duration = Duration::from_secs(2);
/// How long the server may keep a call up whose other party has lost its connection: it may come back (protocol,
/// appendix C, point 11: 10 s).
pub(super) const LOST_TIMEOUT: Duration = Duration::from_secs(12);
/// How long the last `hangup` of a call may take.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an `update` is sent again that met another one.
const UPDATE_RETRIES: u8 = 3;

/// How a call trickles, and what it does when two updates meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Manner {
    /// Candidates that each side trickles before its end mark.
    pub candidates: u32,
    /// The time between two of them.
    pub candidate_spacing: Duration,
    /// How long a side waits before it sends an update again that met the other side's.
    pub update_retry: Duration,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
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

/// What one leg has come to.
#[derive(Debug)]
struct LegState {
    /// The server holds a call on this leg.
    up: bool,
    /// It did, and does no more.
    is_gone: bool,
    /// The server has taken up the request that set this leg up: a lost response to it means nothing any more.
    taken_up: bool,
    /// The server has been asked to end it.
    told: bool,
    hangup_sent: Option<Time>,
    /// The code of its `hangup`.
    hung_up: Option<Option<i32>>,
    /// Its connection is gone, and is to come back.
    is_suspended: bool,
    candidates: u32,
    candidate_due: Time,
    /// What has been seen and not yet been waited for.
    seen: [u8; Sign::COUNT],
    /// The server has refused what it was last asked for.
    refused: bool,
    /// `hold`, `unhold` or `update`: when the last was sent, for what the other side sees of it.
    reinvited: Option<Time>,
    /// When a request was sent that an event of its own answers.
    asked: Option<(Metric, Time)>,
    /// An update of ours that has no answer yet.
    offer: Option<Time>,
    update_tries: u8,
    update_due: Time,
}

impl LegState {
    const NEW: LegState = LegState {
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

    fn see(&mut self, sign: Sign) {
        let seen = &mut self.seen[sign as usize];
        *seen = seen.saturating_add(1);
    }

    /// Nothing more is to be sent on it but its end.
    fn quiet(&mut self) {
        self.candidate_due = Time::NEVER;
        self.update_due = Time::NEVER;
        self.offer = None;
    }
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
            Ask::Presence => (leg.up, self.times.sent) = (true, Some(at)),
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
                self.abandon(side, out);
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
            // It crossed the caller's hang-up (protocol, section 5.6); that one's own word is on its way.
            RequestName::Accept if self.phase == Phase::SetUp && self.own_end.is_some() => {
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
                if request == RequestName::PresenceUpdate {
                    self.abandon(side, out);
                }
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

    /// The connection of a side is gone for good.
    pub fn lost(&mut self, side: Side, now: Time, out: &mut Vec<Direction>) {
        self.legs[side as usize].is_suspended = false;
        self.abandon(side, out);
        if self.is_live() {
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

    /// The connection of a side is gone, and is to come back.
    pub fn suspended(&mut self, side: Side) {
        self.legs[side as usize].is_suspended = true;
    }

    /// The connection of a side has come back, and the server still holds the call on it. An answered one gets its
    /// media anew, as the mobile client does (protocol, section 2.7).
    pub fn resumed(&mut self, side: Side, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        leg.is_suspended = false;
        match self.phase {
            Phase::Talk => {
                leg.quiet();
                out.push(Direction::Send(self.leg(side), Ask::Update));
            }
            Phase::Release if !self.legs[side.other() as usize].told => {
                self.hang_up(side, out);
            }
            _ => {}
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
        self.wind_down(now);
        if !is_told && !self.hang_up(Side::Caller, out) {
            self.hang_up(Side::Callee, out);
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

    fn leg(&self, side: Side) -> Leg {
        Leg { call: self.number, side }
    }

    fn on_incoming(&mut self, at: Time, out: &mut Vec<Direction>) {
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

    fn on_ringback(&mut self, at: Time, out: &mut Vec<Direction>) {
        if let (None, Some(sent), Phase::SetUp) = (self.times.ringback, self.times.sent, self.phase) {
            self.times.ringback = Some(at);
            self.legs[0].see(Sign::Ringback);
            out.push(Direction::Sample(Sample { metric: Metric::Ringback, due: self.due, sent, done: at }));
        }
    }

    fn on_accepted(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
        if side == Side::Callee && !self.ours[0] && self.phase == Phase::SetUp {
            // A call that somebody else made is up when the server confirms our accept.
            self.legs[1].see(Sign::Accepted);
            return self.talk_from(at);
        }
        if self.legs[side as usize].offer.is_some() {
            return self.on_renegotiated(side, at, out);
        }
        if side == Side::Callee {
            if let Some(sent) = self.accept_sent.filter(|_| self.legs[1].seen[Sign::Accepted as usize] == 0) {
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

    fn on_asked(&mut self, side: Side, sign: Sign, at: Time, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        leg.see(sign);
        if let Some((metric, sent)) = leg.asked.take() {
            out.push(Direction::Service(metric, sent, at));
        }
    }

    fn on_transferred(&mut self, side: Side, is_done: bool, at: Time, out: &mut Vec<Direction>) {
        // Said twice by newer servers: `notify` and `transfer_accepted`.
        if !matches!(self.legs[side as usize].asked, Some((Metric::Transfer, _))) {
            return;
        }
        if is_done {
            self.on_asked(side, Sign::Transferred, at, out);
        } else {
            let leg = &mut self.legs[side as usize];
            leg.asked = None;
            leg.refused = true;
            leg.see(Sign::TransferFailed);
        }
    }

    fn on_updating_call(&mut self, side: Side, has_offer: bool, at: Time, out: &mut Vec<Direction>) {
        if self.phase != Phase::Talk {
            return;
        }
        if let Some(sent) = self.legs[side.other() as usize].reinvited.take() {
            out.push(Direction::Service(Metric::Reinvite, sent, at));
        }
        let retry = at + self.manner.update_retry;
        let leg = &mut self.legs[side as usize];
        leg.see(Sign::UpdatingCall);
        if leg.offer.take().is_some() {
            // Ours gives way, and is sent again (protocol, section 5.11).
            leg.update_due = retry;
        }
        let ask = if has_offer { Ask::UpdateAnswer } else { Ask::UpdateAnswerWithOffer };
        out.push(Direction::Send(self.leg(side), ask));
    }

    fn on_renegotiated(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        if let Some(sent) = leg.offer.take() {
            leg.see(Sign::Renegotiated);
            out.push(Direction::Service(Metric::Update, sent, at));
        }
    }

    fn on_error(&mut self, side: Side, code: Option<i32>, at: Time, out: &mut Vec<Direction>) {
        let retry = at + self.manner.update_retry;
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
            Phase::Talk if leg.update_due == Time::NEVER => leg.refused = true,
            _ => {}
        }
        self.check_over(out);
    }

    fn time_release(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
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

    fn talk_from(&mut self, at: Time) {
        self.phase = Phase::Talk;
        self.times.answered = Some(at);
        self.timeout = Time::NEVER;
    }

    fn on_hangup(&mut self, side: Side, code: Option<i32>, at: Time, out: &mut Vec<Direction>) {
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
    fn outcome_of(&self, code: Option<i32>) -> Outcome {
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
    fn insist(&mut self, now: Time, out: &mut Vec<Direction>) {
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
    fn ended_by_server(&mut self, now: Time) {
        self.wind_down(now);
        self.timeout = now + ERROR_GRACE;
    }

    /// Nothing more is asked for on either leg but its end.
    fn wind_down(&mut self, now: Time) {
        if let (Phase::Talk, Some(answered)) = (self.phase, self.times.answered) {
            self.talk = now.since(answered);
        }
        self.phase = Phase::Release;
        self.legs.iter_mut().for_each(LegState::quiet);
        self.timeout = now + RELEASE_TIMEOUT;
    }

    /// Asks for the end of a side, once, if it is up and can be reached; whether it did.
    fn hang_up(&mut self, side: Side, out: &mut Vec<Direction>) -> bool {
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

    fn conclude(&mut self, outcome: Outcome, code: Option<i32>) {
        if self.conclusion.is_none() {
            self.conclusion = Some(outcome);
            self.news = Some((outcome, code));
        }
    }

    /// Gives up a leg on which the server says no last word.
    fn abandon(&mut self, side: Side, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        if leg.up {
            (leg.up, leg.is_gone) = (false, true);
            leg.quiet();
            out.push(Direction::Abandon(self.leg(side)));
        }
    }

    /// Whether we have hung up before an answer, and the server has not confirmed that yet: all other ways from the
    /// set-up to the release conclude the call at once.
    fn is_ended_unanswered(&self) -> bool {
        self.phase == Phase::Release && self.conclusion.is_none()
    }

    fn check_over(&mut self, out: &mut Vec<Direction>) {
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

    fn trickle(&mut self, side: Side, from: Time) {
        let spacing = self.manner.candidate_spacing;
        let leg = &mut self.legs[side as usize];
        if leg.up && !leg.told {
            leg.candidate_due = from + spacing;
        }
    }

    fn next_candidate(&mut self, side: Side, out: &mut Vec<Direction>) {
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

/// Whether the body of a `notify` says that the transfer has succeeded (protocol, section 3.7.3): `SIP/2.0 2xx`.
fn is_sip_success(content: &str) -> bool {
    content.strip_prefix("SIP/2.0 ").is_some_and(|status| status.starts_with('2'))
}
