//! The performance of a flow's script: one attempt, from its due time until nothing of it is up.

use std::time::Duration;

use super::call::{Call, CallTimes, Manner};
use super::script::{Act, Callee, FILLERS, Pause, SETUP_TIMEOUT, Script, Sign, Step, When};
use super::{Ask, Direction, Flow, Leg, Side};
use crate::law::Time;
use crate::metrics::{AttemptFailure, Outcome};
use crate::protocol::{EventBody, HangupClass, HangupCode, RequestName, ResponseOutcome};

/// The times and choices of one attempt, drawn before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Which script.
    pub flow: Flow,
    /// How long the callee lets it ring.
    pub ring: Duration,
    /// How long the call is held, from its answer.
    pub hold: Duration,
    /// How long a party thinks between two things that it does in a call.
    pub think: Duration,
    /// How long a call stays on hold.
    pub on_hold: Duration,
    /// Who hangs up.
    pub hangup_by: Side,
    /// Two requests are to cross, in flows that know of such a race.
    pub crossing: bool,
    /// How long caller and callee wait before they send an update again that met the other side's.
    pub update_retry: [Duration; 2],
    /// Candidates that each side trickles before its end mark; 0 for neither.
    pub candidates: u32,
    /// The time between two of them.
    pub candidate_spacing: Duration,
}

/// Which of a play's parties are clients of ours. The others are somebody else's phones, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// All of them: an attempt of the run.
    All,
    /// The first, who calls somebody else's phone: an attempt of the run.
    Caller,
    /// The second: somebody else called one of our clients, which answers as a phone does. No attempt of the run.
    Callee,
}

/// One attempt's performance of its flow.
#[derive(Debug)]
pub struct Play {
    draw: Draw,
    script: &'static Script,
    cast: Cast,
    due: Time,
    calls: Vec<Call>,
    /// The place of the first filler among the calls.
    fillers: usize,
    /// The next step.
    step: usize,
    /// When it became the next one.
    since: Time,
    /// When it is due, or has taken too long.
    step_due: Time,
    scene: Scene,
    outcome: Option<Outcome>,
    /// It was meant to end so.
    is_as_intended: bool,
    /// The step that it stopped at did not come in time.
    is_overdue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// The script is being followed.
    Running,
    /// What is up is coming to its end.
    Ending,
    /// Nothing is up.
    Over,
}

impl Play {
    /// The play of an attempt that was due at `due`; `fillers` calls fill up the lines of whom the script says.
    pub fn new(draw: Draw, cast: Cast, due: Time, fillers: usize) -> Play {
        let script = draw.flow.script();
        let manner = Manner {
            candidates: draw.candidates,
            candidate_spacing: draw.candidate_spacing,
            update_retry: draw.update_retry,
        };
        let ours = |callee: Callee| match cast {
            Cast::All => [true, matches!(callee, Callee::Party(_))],
            Cast::Caller => [true, false],
            Cast::Callee => [false, true],
        };
        let fillers = if script.fills.is_some() { fillers } else { 0 };
        let planned = script.calls.iter().map(|parties| parties.callee);
        let filling = script.fills.iter().flat_map(|parties| std::iter::repeat_n(parties.callee, fillers));
        let calls = planned.chain(filling).enumerate();
        Play {
            draw,
            script,
            cast,
            due,
            calls: calls.map(|(number, callee)| Call::new(number as u8, manner, ours(callee))).collect(),
            fillers: script.calls.len(),
            step: 0,
            since: due,
            step_due: Time::NEVER,
            scene: Scene::Running,
            outcome: None,
            is_as_intended: false,
            is_overdue: false,
        }
    }

    /// The number of the step that is next, or that it stopped at, and whether that did not come in time.
    pub fn stands_at(&self) -> (usize, bool) {
        (self.step, self.is_overdue)
    }

    /// The flow that is performed.
    pub fn flow(&self) -> Flow {
        self.draw.flow
    }

    /// Whether it is one of the run's attempts.
    pub fn is_attempt(&self) -> bool {
        self.cast != Cast::Callee
    }

    /// How the attempt ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// How many of its calls are answered and up.
    pub fn talking(&self) -> usize {
        self.calls.iter().filter(|call| call.is_talking()).count()
    }

    /// How many of its calls are being set up or are up.
    pub fn live(&self) -> usize {
        self.calls.iter().filter(|call| !call.is_over()).count()
    }

    /// How many calls it has, placed or not.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// When its calls came how far, the attempt's own first.
    pub fn times(&self) -> impl Iterator<Item = &CallTimes> {
        self.calls.iter().map(Call::times)
    }

    /// Whether the server has told the caller of a call that it is over.
    pub fn is_confirmed_over(&self, call: u8) -> bool {
        self.calls.get(usize::from(call)).is_some_and(Call::is_confirmed_over)
    }

    /// Whether the server has this leg, as far as is known.
    pub fn is_up(&self, leg: Leg) -> bool {
        self.calls.get(usize::from(leg.call)).is_some_and(|call| call.is_up(leg.side))
    }

    /// Whether the call of this leg is being set up or is up, and nobody has begun to end it.
    pub fn is_going_on(&self, leg: Leg) -> bool {
        self.calls.get(usize::from(leg.call)).is_some_and(Call::is_live)
    }

    /// The parties of a call, by their places in the script.
    pub fn parties(&self, call: u8) -> super::Parties {
        let nobody = super::Parties { caller: 0, callee: Callee::None };
        self.script.calls.get(usize::from(call)).copied().or(self.script.fills).unwrap_or(nobody)
    }

    /// The party on a leg, by its place in the script.
    pub fn party(&self, leg: Leg) -> Option<u8> {
        let parties = self.parties(leg.call);
        match (leg.side, parties.callee) {
            (Side::Caller, _) => Some(parties.caller),
            (Side::Callee, Callee::Party(party)) => Some(party),
            (Side::Callee, _) => None,
        }
    }

    /// The call that waits to come in at this party from that one.
    pub fn awaited(&self, callee: u8, caller: u8) -> Option<Leg> {
        let wanted = super::Parties::new(caller, callee);
        let waits = |number: &u8| {
            let call = &self.calls[usize::from(*number)];
            self.parties(*number) == wanted && call.times().incoming.is_none() && !call.is_over()
        };
        (0..self.calls.len() as u8).find(waits).map(Leg::callee)
    }

    /// Whether a call of the play is on its way to this party, or will be.
    pub fn is_called(&self, party: u8) -> bool {
        let is_to = |number: u8| self.parties(number).callee == Callee::Party(party);
        let waits = |call: &Call| call.times().incoming.is_none() && (call.is_planned() || !call.is_over());
        self.calls.iter().enumerate().any(|(number, call)| is_to(number as u8) && waits(call))
    }

    /// When it wants to be asked again; [`Time::NEVER`] if only the server can move it.
    pub fn next_due(&self) -> Time {
        self.calls.iter().map(Call::next_due).fold(self.step_due, Time::min)
    }

    /// Starts it. `now` is the due time, or a little later.
    pub fn start(&mut self, now: Time, out: &mut Vec<Direction>) {
        if self.cast == Cast::Callee {
            self.calls[0].begin(self.due);
        }
        self.since = now;
        self.advance(now, out);
    }

    /// Its owner has sent what was asked for.
    pub fn sent(&mut self, leg: Leg, ask: Ask, at: Time) {
        if let Some(call) = self.calls.get_mut(usize::from(leg.call)) {
            call.sent(leg.side, ask, at);
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
        self.on(leg, now, out, |call, out| call.response(leg.side, request, outcome, now, out));
    }

    /// No response has come in time.
    pub fn no_response(&mut self, leg: Leg, request: RequestName, now: Time, out: &mut Vec<Direction>) {
        self.on(leg, now, out, |call, out| call.no_response(leg.side, request, now, out));
    }

    /// An event has come.
    pub fn event(&mut self, leg: Leg, event: &EventBody<'_>, at: Time, out: &mut Vec<Direction>) {
        self.on(leg, at, out, |call, out| call.event(leg.side, event, at, out));
    }

    /// The call of a leg was answered while its caller's connection was away: when, nobody knows.
    pub fn answered_unheard(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.on(leg, now, out, |call, _| call.answered_unheard(now));
    }

    /// The connection of a leg is gone for good.
    pub fn lost(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.on(leg, now, out, |call, out| call.lost(leg.side, now, out));
    }

    /// The connection of a leg is gone, and is to come back.
    pub fn suspended(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.on(leg, now, out, |call, _| call.suspended(leg.side));
    }

    /// The connection of a leg has come back, and the server still holds the call on it.
    pub fn resumed(&mut self, leg: Leg, now: Time, out: &mut Vec<Direction>) {
        self.on(leg, now, out, |call, _| call.resumed(leg.side));
        // Unless what it waited for was to hang up, or the other party is to hang up as soon as it is back too.
        if self.is_to_be_hung_up(leg) {
            return;
        }
        if let Some(call) = self.calls.get_mut(usize::from(leg.call)) {
            call.restart_media(leg.side, out);
        }
    }

    /// Whether the next thing on the leg's call is its end.
    fn is_to_be_hung_up(&self, leg: Leg) -> bool {
        let is_end = |step: &Step| step.leg.call == leg.call && step.act == Act::Send(Ask::Hangup);
        self.scene == Scene::Running && self.current().is_some_and(|step| is_end(&step))
    }

    /// Does what is due.
    pub fn due(&mut self, now: Time, out: &mut Vec<Direction>) {
        for call in &mut self.calls {
            call.due(now, out);
        }
        if self.scene == Scene::Running && self.step_due <= now {
            self.step_due = Time::NEVER;
            match self.current().map(|step| step.act) {
                Some(Act::Pause(_)) => self.next_step(now),
                Some(Act::Expect(_)) => self.not_seen(now, out),
                _ => {}
            }
        }
        self.advance(now, out);
    }

    /// The run is over: hangs up whatever is up.
    pub fn drain(&mut self, now: Time, out: &mut Vec<Direction>) {
        if self.scene == Scene::Running {
            self.scene = Scene::Ending;
            self.step_due = Time::NEVER;
        }
        for call in &mut self.calls {
            call.drain(now, out);
        }
        if self.calls[0].is_planned() {
            self.end(Outcome::Unfinished, None, out);
        }
        self.advance(now, out);
    }

    fn on(
        &mut self,
        leg: Leg,
        now: Time,
        out: &mut Vec<Direction>,
        tell: impl FnOnce(&mut Call, &mut Vec<Direction>),
    ) {
        if let Some(call) = self.calls.get_mut(usize::from(leg.call)) {
            tell(call, out);
        }
        self.advance(now, out);
    }

    /// Goes on with the script as far as it gets.
    fn advance(&mut self, now: Time, out: &mut Vec<Direction>) {
        self.take_news(out);
        while self.scene == Scene::Running {
            let Some(step) = self.current() else {
                // What the script has left up is hung up.
                self.finish(now, out);
                break;
            };
            if !self.is_done(&step) || self.is_moot(&step) {
                self.next_step(now);
                continue;
            }
            let has_moved = match step.act {
                Act::May(_) => true,
                Act::Send(ask) => self.each(step.leg, |play, leg| play.send(leg, ask, now, out)),
                Act::Expect(sign) => self.expect(&step, sign, now, out),
                Act::Pause(pause) => self.pause(&step, pause, now, out),
            };
            self.take_news(out);
            if self.scene != Scene::Running || !has_moved {
                break;
            }
            self.next_step(now);
        }
        if self.scene == Scene::Ending && self.calls.iter().all(Call::is_over) {
            self.scene = Scene::Over;
            self.step_due = Time::NEVER;
            out.push(Direction::Over);
        }
    }

    fn current(&self) -> Option<Step> {
        self.script.step(self.step).copied()
    }

    fn next_step(&mut self, now: Time) {
        self.step += 1;
        self.since = now;
        self.step_due = Time::NEVER;
    }

    /// Whether a step is part of this play.
    fn is_done(&self, step: &Step) -> bool {
        let is_wanted = match step.when {
            When::Always => true,
            When::HungUpBy(side) => match self.cast {
                Cast::All => self.draw.hangup_by == side,
                Cast::Caller => side == Side::Caller,
                Cast::Callee => side == Side::Callee,
            },
            When::Crossing => self.draw.crossing,
            When::CalledByOthers => self.cast == Cast::Callee,
        };
        let is_ours = match (self.cast, step.leg.side) {
            _ if matches!(step.act, Act::Pause(Pause::Hold)) => true,
            (Cast::All, _) => self.party(step.leg).is_some(),
            (Cast::Caller, side) => side == Side::Caller,
            (Cast::Callee, side) => side == Side::Callee,
        };
        is_wanted && is_ours
    }

    /// Whether a step belongs to a set-up that is done already: a call may be answered by somebody else.
    fn is_moot(&self, step: &Step) -> bool {
        let Some(call) = self.calls.get(usize::from(step.leg.call)) else { return false };
        let is_answered = call.times().answered.is_some();
        let of_setup = match step.act {
            Act::Expect(Sign::Incoming | Sign::Ringback | Sign::EarlyMedia) => true,
            Act::Pause(Pause::Ring) => true,
            Act::Send(Ask::Accept | Ask::AcceptWithOffer) => step.leg.side == Side::Callee,
            _ => false,
        };
        let may_be_unheard = self.cast == Cast::All && call.times().incoming.is_some();
        is_answered && of_setup && !may_be_unheard
    }

    /// Does something for a leg, or for that of each filler; whether it could be done for all.
    fn each(&mut self, leg: Leg, mut act: impl FnMut(&mut Play, Leg) -> bool) -> bool {
        if leg.call != FILLERS {
            return act(self, leg);
        }
        let mut all = true;
        for call in self.fillers..self.calls.len() {
            all &= act(self, Leg { call: call as u8, side: leg.side });
        }
        all
    }

    /// Sends on a leg; `false` if it has to wait, or cannot.
    fn send(&mut self, leg: Leg, ask: Ask, now: Time, out: &mut Vec<Direction>) -> bool {
        // What comes later is due when its turn has come: until then it is the server that takes its time.
        let due = if self.step == 0 { self.due } else { now };
        let Some(call) = self.calls.get_mut(usize::from(leg.call)) else { return false };
        if call.is_suspended(leg.side) {
            return false;
        }
        match ask {
            Ask::Call | Ask::ReferredCall | Ask::Presence => {
                if !call.is_planned() {
                    return true;
                }
                call.begin(due);
                out.push(Direction::Send(leg, ask));
            }
            _ if !call.can_send(leg.side) => {
                // The other side has hung up first, or the server has.
                if matches!(ask, Ask::Hangup | Ask::Decline) && !call.is_live() {
                    return true;
                }
                self.break_off(now, out);
                return false;
            }
            Ask::Hangup | Ask::Decline => {
                call.asking(leg.side, ask);
                call.release_by(leg.side, ask, now, out);
            }
            _ => {
                call.asking(leg.side, ask);
                out.push(Direction::Send(leg, ask));
            }
        }
        true
    }

    /// Waits for something to be seen.
    fn expect(&mut self, step: &Step, sign: Sign, now: Time, out: &mut Vec<Direction>) -> bool {
        let is_seen = self.each(step.leg, |play, leg| {
            let Some(call) = play.calls.get_mut(usize::from(leg.call)) else { return false };
            // Each filler keeps its sign until all have theirs.
            let is_filler = step.leg.call == FILLERS;
            match sign {
                Sign::Hangup => call.is_hung_up(leg.side),
                Sign::Ringback if is_filler => call.times().ringback.is_some(),
                _ => call.take(leg.side, sign),
            }
        });
        if is_seen {
            return true;
        }
        let is_hopeless = !self.each(step.leg, |play, leg| {
            let Some(call) = play.calls.get(usize::from(leg.call)) else { return false };
            let may_come = match sign {
                Sign::Hangup => return !call.has_ended(leg.side),
                // It may come after the caller's word.
                Sign::Missed => true,
                // The server may have ended the other side before it says so.
                Sign::Transferred => !call.has_ended(leg.side),
                Sign::Referred => call.is_live() && !call.is_refused(leg.side.other()),
                _ => call.is_planned() || call.is_live(),
            };
            may_come && !call.is_refused(leg.side)
        });
        if is_hopeless {
            self.break_off(now, out);
            return false;
        }
        if self.step_due == Time::NEVER {
            let is_in_setup = self.calls.get(usize::from(step.leg.call)).is_some_and(Call::is_in_setup);
            let within = match self.cast {
                // Somebody else's phone rings as long as it likes, whatever it does then.
                Cast::Caller if is_in_setup && !self.has_hung_up() => {
                    step.within.max(SETUP_TIMEOUT) + self.draw.ring
                }
                _ => step.within,
            };
            self.step_due = self.since + within;
        }
        false
    }

    /// Whether we have asked for the end of the attempt's own call.
    fn has_hung_up(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.calls[0].is_told(side))
    }

    /// Lets time pass.
    fn pause(&mut self, step: &Step, pause: Pause, now: Time, out: &mut Vec<Direction>) -> bool {
        let Some(call) = self.calls.get(usize::from(step.leg.call)) else { return true };
        if !call.is_live() && !call.is_planned() {
            self.break_off(now, out);
            return false;
        }
        if step.leg.side == Side::Callee && call.is_in_setup() && call.has_lost_callee() {
            // Nothing is left to accept; what the caller hears of it says how the call ends.
            self.step_due = self.since + self.draw.ring + SETUP_TIMEOUT;
            return false;
        }
        let times = call.times();
        let due = match pause {
            Pause::Ring => times.incoming.or(times.ringback).unwrap_or(self.since) + self.draw.ring,
            Pause::Hold => times.answered.unwrap_or(self.since) + self.draw.hold,
            Pause::Think => self.since + self.draw.think,
            Pause::OnHold => self.since + self.draw.on_hold,
        };
        self.step_due = due;
        due <= now
    }

    /// What the current step waits for has not come in time.
    fn not_seen(&mut self, now: Time, out: &mut Vec<Direction>) {
        let Some(step) = self.current() else { return };
        self.is_overdue = true;
        if let Some(call) = self.calls.get_mut(usize::from(step.leg.call)).filter(|call| call.is_in_setup()) {
            call.timed_out(now, out);
        }
        self.take_news(out);
        self.break_off(now, out);
    }

    /// The script cannot be followed any further: what is up is brought to its end.
    fn break_off(&mut self, now: Time, out: &mut Vec<Direction>) {
        let is_beside = self.current().is_none_or(|step| step.leg.call != 0);
        let own = &mut self.calls[0];
        if own.is_planned() {
            self.end(Outcome::Failed(AttemptFailure::SideCall), None, out);
        } else if own.is_in_setup() && is_beside {
            own.fail(AttemptFailure::SideCall, now, out);
        }
        self.take_news(out);
        if self.is_as_intended && matches!(self.outcome, Some(Outcome::Answered)) {
            out.push(Direction::Broken(self.step));
        }
        self.finish(now, out);
    }

    /// The script is over.
    fn finish(&mut self, now: Time, out: &mut Vec<Direction>) {
        self.scene = Scene::Ending;
        self.step_due = Time::NEVER;
        for call in &mut self.calls {
            call.release(now, out);
        }
        self.take_news(out);
    }

    fn take_news(&mut self, out: &mut Vec<Direction>) {
        for number in 0..self.calls.len() {
            let Some((outcome, code)) = self.calls[number].take_news() else { continue };
            if number == 0 {
                self.end(outcome, code, out);
            } else if self.calls[number].times().sent.is_some() {
                out.push(Direction::SideCallEnd(outcome));
            }
        }
    }

    fn end(&mut self, outcome: Outcome, code: Option<i32>, out: &mut Vec<Direction>) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(outcome);
        if !self.is_attempt() {
            return;
        }
        if outcome == Outcome::Failed(AttemptFailure::Rejected) {
            out.push(Direction::Rejected(code));
        }
        let class = code.map(|code| HangupCode::from(code).class());
        let no_such_number =
            matches!(class, Some(HangupClass::FailedUnknownUser | HangupClass::FailedNumber));
        let intended = self.script.intends.iter().any(|intent| intent.is_met(outcome, no_such_number));
        self.is_as_intended = intended;
        out.push(Direction::End { outcome, intended });
    }
}
