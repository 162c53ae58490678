//! The answered call (protocol, sections 5.2 and 5.3), hung up by the caller or by the callee.
//!
//! | # | caller | callee | opens | closes |
//! | --- | --- | --- | --- | --- |
//! | 1 | → `outgoing_call`, trickles | | `ringback`, `setup`, `alert` | |
//! | 2 | | ← `incoming_call` | | `alert` |
//! | 3 | ← `ringing` | | | `ringback` |
//! | 4 | | rings, → `accept`, trickles | `answer` | |
//! | 5 | ← `accepted` | ← `accepted` | | `answer`, `setup`: the attempt is answered |
//! | 6 | holds, → `hangup` | or → `hangup` | `release`, `release_remote` | |
//! | 7 | ← `hangup` | ← `hangup` | | `release`, `release_remote`: the call is over |
//!
//! One of the parties may be somebody else's phone: then the script plays the other one alone.

use std::time::Duration;

use super::{Ask, Direction, Finding, Leg};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome, Sample};
use crate::protocol::{EventBody, HangupClass, HangupCode, RequestName, ResponseOutcome};

/// How long the server may take from the request to the answer, ringing left out (RFC 7501's establishment threshold;
/// SIP's timer B).
const SETUP_TIMEOUT: Duration = Duration::from_secs(32);
/// How long a `hangup` may follow an `error` in set-up before we hang up ourselves (protocol, section 5.19).
const ERROR_GRACE: Duration = Duration::from_secs(2);
/// How long the server may keep a call up whose other party has lost its connection: it may come back (protocol,
/// appendix C, point 11: 10 s).
const LOST_TIMEOUT: Duration = Duration::from_secs(12);
/// How long the last `hangup` of a call may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// The times and sizes of one call, drawn before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnsweredPlan {
    /// How long the callee lets it ring.
    pub ring: Duration,
    /// How long the call is held.
    pub hold: Duration,
    /// Who hangs up.
    pub hangup_by: Leg,
    /// Candidates that each side trickles before its end mark.
    pub candidates: u32,
    /// The time between two of them.
    pub candidate_spacing: Duration,
}

/// Who of the call's parties is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parties {
    /// Both: an attempt of the run.
    Both,
    /// The caller: an attempt of the run, to somebody else's phone.
    Caller,
    /// The callee: somebody else called one of our clients, which answers as a phone does. No attempt of the run.
    Callee,
}

/// The script of an answered call.
#[derive(Debug)]
pub struct Answered {
    plan: AnsweredPlan,
    parties: Parties,
    due: Time,
    phase: Phase,
    caller: LegState,
    callee: LegState,
    call_sent: Option<Time>,
    incoming: Option<Time>,
    accept_sent: Option<Time>,
    rung_back: bool,
    answered: Option<Time>,
    talk: Duration,
    ended: bool,
    one_leg_found: bool,
    /// Hung up because the run is over: hundreds at once, which no profile asked for, so their release is not timed.
    drained: bool,
    /// When the current step is over: the ring, the hold.
    step_due: Time,
    /// When the server has taken too long.
    timeout: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
    /// The server has taken up the request that set this leg up: a lost response to it means nothing any more.
    taken_up: bool,
    /// The server has been asked to end it.
    told: bool,
    hangup_sent: Option<Time>,
    /// The code of its `hangup`.
    hung_up: Option<Option<i32>>,
    candidates: u32,
    candidate_due: Time,
}

impl LegState {
    const NEW: LegState = LegState {
        up: false,
        taken_up: false,
        told: false,
        hangup_sent: None,
        hung_up: None,
        candidates: 0,
        candidate_due: Time::NEVER,
    };
}

impl Answered {
    /// The script of a call that was due at `due`.
    pub fn new(plan: AnsweredPlan, parties: Parties, due: Time) -> Answered {
        Answered {
            plan,
            parties,
            due,
            phase: Phase::SetUp,
            caller: LegState::NEW,
            callee: LegState::NEW,
            call_sent: None,
            incoming: None,
            accept_sent: None,
            rung_back: false,
            answered: None,
            talk: Duration::ZERO,
            ended: parties == Parties::Callee,
            one_leg_found: false,
            drained: false,
            step_due: Time::NEVER,
            timeout: Time::NEVER,
        }
    }

    /// Whether the call is one of the run's attempts.
    pub fn is_attempt(&self) -> bool {
        self.parties != Parties::Callee
    }

    /// Whether the call is answered and up.
    pub fn is_talking(&self) -> bool {
        self.phase == Phase::Talk
    }

    /// Whether the call is being set up or is up, and nobody has begun to end it.
    pub fn is_going_on(&self) -> bool {
        matches!(self.phase, Phase::SetUp | Phase::Talk)
    }

    /// Whether the server has this leg, as far as is known.
    pub fn is_up(&self, leg: Leg) -> bool {
        match leg {
            Leg::Caller => self.caller.up,
            Leg::Callee => self.callee.up,
        }
    }

    /// Whether the server has told the caller that the call is over.
    pub fn is_confirmed_over(&self) -> bool {
        self.caller.hung_up.is_some()
    }

    /// When the script wants to be asked again; [`Time::NEVER`] if only the server can move it.
    pub fn next_due(&self) -> Time {
        self.step_due.min(self.timeout).min(self.caller.candidate_due).min(self.callee.candidate_due)
    }

    /// Starts the call, if the caller is ours.
    pub fn start(&mut self, out: &mut Vec<Direction>) {
        if self.parties != Parties::Callee {
            out.push(Direction::Send(Leg::Caller, Ask::Call));
        }
    }

    /// The owner has sent what was asked for.
    pub fn sent(&mut self, leg: Leg, ask: Ask, at: Time) {
        match ask {
            Ask::Call => {
                self.call_sent = Some(at);
                self.caller.up = true;
                self.timeout = at + SETUP_TIMEOUT + self.plan.ring;
                self.trickle(Leg::Caller, at);
            }
            Ask::Accept => {
                self.accept_sent = Some(at);
                self.timeout = at + SETUP_TIMEOUT;
                self.trickle(Leg::Callee, at);
            }
            Ask::Hangup => {
                self.leg(leg).hangup_sent = Some(at);
                self.timeout = at + RELEASE_TIMEOUT;
            }
            Ask::Decline => self.timeout = at + RELEASE_TIMEOUT,
            Ask::Candidate(_) => self.trickle(leg, at),
            Ask::EndOfCandidates => {}
        }
    }

    /// A response has come.
    pub fn response(
        &mut self,
        leg: Leg,
        request: RequestName,
        outcome: &ResponseOutcome<'_>,
        now: Time,
        out: &mut Vec<Direction>,
    ) {
        let ResponseOutcome::Error { .. } = outcome else { return };
        match request {
            // The call never was: its line is free at once.
            RequestName::OutgoingCall => {
                self.abandon(leg, out);
                self.fail(AttemptFailure::Refused, now, out);
            }
            RequestName::Accept if self.phase == Phase::SetUp => {
                self.abandon(leg, out);
                self.fail(AttemptFailure::Refused, now, out);
            }
            RequestName::Hangup | RequestName::Decline => self.abandon(leg, out),
            _ => {}
        }
        self.check_over(out);
    }

    /// No response has come in time.
    pub fn no_response(&mut self, leg: Leg, request: RequestName, now: Time, out: &mut Vec<Direction>) {
        match request {
            // Events without a response are progress all the same (protocol, section 10, row 6).
            RequestName::OutgoingCall | RequestName::Accept
                if self.phase == Phase::SetUp && !self.leg(leg).taken_up =>
            {
                self.fail(AttemptFailure::NoResponse, now, out);
            }
            RequestName::Hangup | RequestName::Decline => self.abandon(leg, out),
            _ => {}
        }
        self.check_over(out);
    }

    /// An event has come.
    pub fn event(&mut self, leg: Leg, event: &EventBody<'_>, at: Time, out: &mut Vec<Direction>) {
        self.leg(leg).taken_up |=
            leg == Leg::Caller || matches!(event, EventBody::Accepting | EventBody::Accepted { .. });
        match (leg, event) {
            (Leg::Callee, EventBody::IncomingCall(_)) => self.on_incoming(at, out),
            (Leg::Caller, EventBody::Ringing | EventBody::Proceeding { .. } | EventBody::Progress { .. }) => {
                self.on_ringback(at, out)
            }
            (Leg::Caller, EventBody::Accepted { .. }) => self.on_accepted(at, out),
            // A call that somebody else made is up when the server confirms our accept.
            (Leg::Callee, EventBody::Accepted { .. })
                if self.parties == Parties::Callee && self.phase == Phase::SetUp =>
            {
                self.talk_from(at);
            }
            (leg, EventBody::Hangup { code, .. }) => self.on_hangup(leg, *code, at, out),
            (_, EventBody::Error { .. }) if self.phase == Phase::SetUp => {
                self.end(Outcome::Failed(AttemptFailure::EventError), out);
                self.wind_down(at);
                self.timeout = at + ERROR_GRACE;
            }
            _ => {}
        }
    }

    /// The connection of a leg is gone.
    pub fn lost(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.abandon(leg, out);
        if matches!(self.phase, Phase::SetUp | Phase::Talk) {
            if self.phase == Phase::SetUp {
                self.end(Outcome::Failed(AttemptFailure::ConnectionLost), out);
            }
            // The other party is not told by us but by the server: a hangup of ours would cross its own, and cost that
            // party's connection too (protocol, section 1.5: close 4610).
            self.wind_down(now);
            self.timeout = now + LOST_TIMEOUT;
        }
        self.check_over(out);
    }

    /// Does what is due.
    pub fn due(&mut self, now: Time, out: &mut Vec<Direction>) {
        for leg in [Leg::Caller, Leg::Callee] {
            if self.leg(leg).candidate_due <= now {
                self.next_candidate(leg, out);
            }
        }
        if self.step_due <= now {
            self.step_due = Time::NEVER;
            match self.phase {
                Phase::SetUp if self.callee.up => out.push(Direction::Send(Leg::Callee, Ask::Accept)),
                Phase::Talk => self.release(self.who_hangs_up(), now, out),
                Phase::SetUp | Phase::Release | Phase::Over => {}
            }
        }
        if self.timeout <= now {
            self.timeout = Time::NEVER;
            self.timed_out(now, out);
        }
        self.check_over(out);
    }

    /// The run is over: hangs up whatever is up. A call that is not answered yet ends as unfinished once the server
    /// has confirmed that; until then an answer may be under way that crosses the hang-up, and counts.
    pub fn drain(&mut self, now: Time, out: &mut Vec<Direction>) {
        if matches!(self.phase, Phase::SetUp | Phase::Talk) {
            self.drained = true;
            let leg = if self.caller.up { Leg::Caller } else { Leg::Callee };
            self.release(leg, now, out);
        } else if self.phase == Phase::Release && !self.caller.told && !self.callee.told {
            // Nothing may stay up for the server's patience with a lost connection.
            self.insist(now, out);
        }
        self.check_over(out);
    }

    fn on_incoming(&mut self, at: Time, out: &mut Vec<Direction>) {
        if self.incoming.is_some() {
            out.push(Direction::Found(Finding::Duplicated));
            return;
        }
        self.incoming = Some(at);
        self.callee.up = true;
        if let Some(sent) = self.call_sent {
            out.push(Direction::Service(Metric::Alert, sent, at));
        }
        if self.phase == Phase::SetUp {
            self.step_due = at + self.plan.ring;
            if self.parties == Parties::Callee {
                self.timeout = at + self.plan.ring + SETUP_TIMEOUT;
            }
        }
    }

    fn on_ringback(&mut self, at: Time, out: &mut Vec<Direction>) {
        if let (false, Some(sent), Phase::SetUp) = (self.rung_back, self.call_sent, self.phase) {
            self.rung_back = true;
            out.push(Direction::Sample(Sample { metric: Metric::Ringback, due: self.due, sent, done: at }));
        }
    }

    fn on_accepted(&mut self, at: Time, out: &mut Vec<Direction>) {
        let Some(sent) =
            self.call_sent.filter(|_| self.phase == Phase::SetUp || self.is_drained_unanswered())
        else {
            return;
        };
        self.on_ringback(at, out);
        let mut done = at;
        if let (Some(incoming), Some(accept_sent)) = (self.incoming, self.accept_sent) {
            out.push(Direction::Service(Metric::Answer, accept_sent, at));
            // What our own callee let it ring is not the server's doing.
            done = at - accept_sent.since(incoming);
        }
        out.push(Direction::Sample(Sample { metric: Metric::Setup, due: self.due, sent, done }));
        if self.phase == Phase::SetUp {
            self.talk_from(at);
        } else {
            self.answered = Some(at);
        }
        self.end(Outcome::Answered, out);
        if self.callee.hung_up.is_some() {
            // The other leg is gone already, so the end of this one is due at once.
            self.wind_down(at);
        }
    }

    fn time_release(&mut self, leg: Leg, at: Time, out: &mut Vec<Direction>) {
        if let Some(sent) = self.leg(leg).hangup_sent {
            out.push(Direction::Service(Metric::Release, sent, at));
        } else if let Some(sent) = self.leg(leg.other()).hangup_sent {
            out.push(Direction::Service(Metric::ReleaseRemote, sent, at));
        }
    }

    fn talk_from(&mut self, at: Time) {
        self.phase = Phase::Talk;
        self.answered = Some(at);
        self.step_due = at + self.plan.hold;
        self.timeout = Time::NEVER;
    }

    fn on_hangup(&mut self, leg: Leg, code: Option<i32>, at: Time, out: &mut Vec<Direction>) {
        if !self.leg(leg).up {
            return;
        }
        self.leg(leg).hung_up = Some(code);
        self.leg(leg).up = false;
        self.leg(leg).candidate_due = Time::NEVER;
        if !self.drained {
            self.time_release(leg, at, out);
        }
        match (self.phase, leg) {
            (phase @ (Phase::SetUp | Phase::Release), Leg::Caller) => {
                // In the release: a call that was drained before it was answered.
                let outcome = outcome_of(code, self.is_drained_unanswered());
                if outcome == Outcome::Failed(AttemptFailure::Rejected) && !self.ended {
                    out.push(Direction::Rejected(code));
                }
                self.end(outcome, out);
                if phase == Phase::SetUp {
                    self.ended_by_server(at);
                }
            }
            (Phase::SetUp, Leg::Callee) if self.parties == Parties::Both => {
                // Nothing is left to accept. The caller's own word on it says why; it is due at once.
                self.step_due = Time::NEVER;
                self.timeout = self.timeout.min(at + ERROR_GRACE);
            }
            (Phase::SetUp | Phase::Talk, _) => self.ended_by_server(at),
            (Phase::Release | Phase::Over, _) => {}
        }
        self.check_over(out);
    }

    fn timed_out(&mut self, now: Time, out: &mut Vec<Direction>) {
        match self.phase {
            Phase::SetUp => {
                let reason = match (self.accept_sent, self.incoming, self.parties) {
                    (Some(_), ..) => AttemptFailure::NoAnswer,
                    (None, None, Parties::Both) if self.rung_back => AttemptFailure::NotDelivered,
                    _ => AttemptFailure::NoProgress,
                };
                if reason == AttemptFailure::NotDelivered {
                    out.push(Direction::Found(Finding::Lost));
                }
                self.fail(reason, now, out);
            }
            Phase::Release => self.insist(now, out),
            Phase::Talk | Phase::Over => {}
        }
        self.check_over(out);
    }

    fn fail(&mut self, reason: AttemptFailure, now: Time, out: &mut Vec<Direction>) {
        if self.phase == Phase::SetUp {
            self.end(Outcome::Failed(reason), out);
            let leg = if self.caller.up { Leg::Caller } else { Leg::Callee };
            self.release(leg, now, out);
        }
    }

    /// The last `hangup` of a call has not come in time. What is still up is hung up, one leg after the other, because
    /// the end of one is the end of both; then it is given up.
    fn insist(&mut self, now: Time, out: &mut Vec<Direction>) {
        let one_leg_only = self.caller.hung_up.is_some() != self.callee.hung_up.is_some();
        if self.answered.is_some() && self.parties == Parties::Both && one_leg_only && !self.one_leg_found {
            self.one_leg_found = true;
            out.push(Direction::Found(Finding::OneLegOnly));
        }
        for leg in [Leg::Caller, Leg::Callee] {
            if self.hang_up(leg, out) {
                self.timeout = now + RELEASE_TIMEOUT;
                return;
            }
        }
        for leg in [Leg::Caller, Leg::Callee] {
            self.abandon(leg, out);
        }
    }

    /// Hangs up on `leg`, or on the other one if there is nothing to hang up on it.
    fn release(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.wind_down(now);
        if !self.hang_up(leg, out) {
            self.hang_up(leg.other(), out);
        }
    }

    /// The server has ended one leg of its own accord, and tells the other at once.
    fn ended_by_server(&mut self, now: Time) {
        self.wind_down(now);
        self.timeout = now + ERROR_GRACE;
    }

    /// Nothing more is asked for on either leg but its end.
    fn wind_down(&mut self, now: Time) {
        self.stop_talk(now);
        self.phase = Phase::Release;
        self.step_due = Time::NEVER;
        self.caller.candidate_due = Time::NEVER;
        self.callee.candidate_due = Time::NEVER;
        self.timeout = now + RELEASE_TIMEOUT;
    }

    /// Asks for the end of `leg`, once, if it is up; whether it did.
    fn hang_up(&mut self, leg: Leg, out: &mut Vec<Direction>) -> bool {
        // A gateway drops the hangup of a call that was not accepted (protocol, section 5.1, rule 4).
        let ringing = leg == Leg::Callee && self.accept_sent.is_none();
        let state = self.leg(leg);
        let is_due = state.up && !state.told;
        if is_due {
            state.told = true;
            out.push(Direction::Send(leg, if ringing { Ask::Decline } else { Ask::Hangup }));
        }
        is_due
    }

    fn stop_talk(&mut self, at: Time) {
        if let (Phase::Talk, Some(answered)) = (self.phase, self.answered) {
            self.talk = at.since(answered);
        }
    }

    fn who_hangs_up(&self) -> Leg {
        match self.parties {
            Parties::Both => self.plan.hangup_by,
            Parties::Caller => Leg::Caller,
            Parties::Callee => Leg::Callee,
        }
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<Direction>) {
        if !self.ended {
            self.ended = true;
            out.push(Direction::End(outcome));
        }
    }

    /// Gives up a leg on which the server says no last word.
    fn abandon(&mut self, leg: Leg, out: &mut Vec<Direction>) {
        if self.leg(leg).up {
            self.leg(leg).up = false;
            self.leg(leg).candidate_due = Time::NEVER;
            out.push(Direction::Abandon(leg));
        }
    }

    /// Whether the call was hung up by the end of the run before it was answered, and the server has not confirmed
    /// that yet: all other ways from the set-up to the release count the outcome at once.
    fn is_drained_unanswered(&self) -> bool {
        self.phase == Phase::Release && !self.ended
    }

    fn check_over(&mut self, out: &mut Vec<Direction>) {
        if self.phase != Phase::Release || self.caller.up || self.callee.up {
            return;
        }
        self.phase = Phase::Over;
        self.step_due = Time::NEVER;
        self.timeout = Time::NEVER;
        // What was drained, and got no answer and no other word on how it ended.
        self.end(Outcome::Unfinished, out);
        if self.answered.is_some() && self.is_attempt() {
            if self.parties == Parties::Both && self.incoming.is_none() {
                out.push(Direction::Found(Finding::Lost));
            }
            let regular = |leg: &LegState| leg.hung_up == Some(Some(200));
            let completed = match self.parties {
                Parties::Both => regular(&self.caller) && regular(&self.callee),
                Parties::Caller | Parties::Callee => regular(&self.caller),
            };
            out.push(Direction::Talked { time: self.talk, completed });
        }
        out.push(Direction::Over);
    }

    fn trickle(&mut self, leg: Leg, from: Time) {
        let spacing = self.plan.candidate_spacing;
        if self.leg(leg).up {
            self.leg(leg).candidate_due = from + spacing;
        }
    }

    fn next_candidate(&mut self, leg: Leg, out: &mut Vec<Direction>) {
        let candidates = self.plan.candidates;
        let state = self.leg(leg);
        state.candidate_due = Time::NEVER;
        let ask = if state.candidates < candidates {
            state.candidates += 1;
            Ask::Candidate(state.candidates - 1)
        } else {
            Ask::EndOfCandidates
        };
        out.push(Direction::Send(leg, ask));
    }

    fn leg(&mut self, leg: Leg) -> &mut LegState {
        match leg {
            Leg::Caller => &mut self.caller,
            Leg::Callee => &mut self.callee,
        }
    }
}

/// What the code of a `hangup` before the answer makes of the attempt (protocol, section 6.4).
fn outcome_of(code: Option<i32>, drained: bool) -> Outcome {
    match code.map(|code| HangupCode::from(code).class()) {
        Some(HangupClass::Busy) => Outcome::Busy,
        Some(HangupClass::Declined) => Outcome::Declined,
        Some(HangupClass::Unavailable) => Outcome::Unavailable,
        Some(HangupClass::Redirected) => Outcome::Redirected,
        Some(HangupClass::Completed | HangupClass::Cancelled) if drained => Outcome::Unfinished,
        Some(HangupClass::Completed | HangupClass::Cancelled) => Outcome::Failed(AttemptFailure::EndedEarly),
        _ => Outcome::Failed(AttemptFailure::Rejected),
    }
}

#[cfg(test)]
#[path = "answered_tests.rs"]
mod tests;
