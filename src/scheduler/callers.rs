//! A worker's closed load: callers that place one call after the other, with a pause between.

use std::time::Duration;

use super::worker::{Owner, Stage, Worker};
use crate::law::Time;
use crate::workload::{AttemptNumber, Segment, caller_of, closed_attempt};

/// The callers of a worker.
#[derive(Debug, Default)]
pub(super) struct Callers {
    callers: Vec<Caller>,
}

/// One of them. It is nobody: it takes whichever clients are idle.
#[derive(Clone, Copy, Debug, Default)]
struct Caller {
    /// How many calls it has placed in this run.
    placed: u32,
    /// It calls, or pauses.
    is_on: bool,
    /// When its pause began, from the start of the run, and how long it is at the pace of the plan.
    pause: Option<(Duration, Duration)>,
    /// When that is over, as far as is known.
    due: Option<Time>,
}

impl Caller {
    /// When its pause was over, if that is by `now`.
    fn due_by(&self, now: Time) -> Option<Time> {
        self.due.filter(|due| *due <= now)
    }
}

impl Callers {
    /// Those of the whole run's callers, of which any stage has up to `most`, that belong to `segment`.
    pub fn new(most: u32, segment: Segment) -> Callers {
        let mine = (0..most).filter(|caller| segment.owns_caller(*caller)).count();
        Callers { callers: vec![Caller::default(); mine] }
    }
}

/// When, after a stage's start, a caller that did not call before places its first call: all of them evenly within the
/// first mean pause.
fn first_call(caller: u32, of: u32, pause: Duration) -> Duration {
    pause.mul_f64((f64::from(caller) + 0.5) / f64::from(of.max(1)))
}

impl Worker {
    /// Sets a deadline at the start of each stage that has callers.
    pub fn await_callers(&mut self) {
        if self.callers.callers.is_empty() {
            return;
        }
        let mut starts = self.shared.start;
        let shared = self.shared.clone();
        for (index, stage) in shared.plan.stages.iter().enumerate() {
            if stage.callers > 0 {
                self.deadlines.push(starts, Owner::Callers { stage: index });
            }
            starts += stage.duration;
        }
    }

    /// A stage with callers starts: those that do not call yet begin.
    pub fn callers_begin(&mut self, stage: usize, start: Time) {
        let of = self.shared.plan.stages.get(stage).map_or(0, |stage| stage.callers);
        let pause = self.shared.plan.calls.pause.mean();
        for place in 0..self.callers.callers.len() {
            let number = self.caller_at(place);
            if number < of && !self.callers.callers[place].is_on {
                self.callers.callers[place].is_on = true;
                self.pause(number, start, first_call(number, of, pause));
            }
        }
    }

    /// The caller's pause is over at `now`, or was: it places its next call, unless the stage it is in has it no more.
    pub fn caller_due(&mut self, number: u32, now: Time) {
        // A deadline of a pause that became another when the pace did stands no more.
        let Some(due) = self.caller(number).and_then(|caller| caller.due_by(now)) else { return };
        let is_running = self.stage == Stage::Running;
        let settled = self.shared.start + self.lookahead.horizon();
        if is_running && due > settled {
            // The run may have been paused before this: that is known as soon as the worker could look.
            self.deadlines.push(self.shared.start + self.lookahead.latest(), Owner::Caller(number));
            return;
        }
        let stage = self.shared.plan.stage_at(due.since(self.shared.start));
        let callers = stage.map_or(0, |stage| stage.callers);
        let is_wanted = number < callers && is_running;
        let Some(caller) = self.caller(number) else { return };
        (caller.pause, caller.due) = (None, None);
        caller.is_on = is_wanted;
        if is_wanted {
            let attempt = closed_attempt(number, caller.placed);
            caller.placed = caller.placed.wrapping_add(1);
            self.attempt(attempt, due);
        }
    }

    /// An attempt is over on both legs, or was blocked: if a caller placed it, its pause begins.
    pub fn attempt_over(&mut self, attempt: AttemptNumber) {
        let Some(number) = caller_of(attempt) else { return };
        let Some(next) = self.caller(number).map(|caller| closed_attempt(number, caller.placed)) else {
            return;
        };
        let pause = self.shared.plan.calls.pause_before(self.shared.plan.seed, next);
        let now = self.now();
        self.pause(number, now, pause);
    }

    /// The caller pauses from `from` on, for so long at the pace of the plan.
    fn pause(&mut self, number: u32, from: Time, pause: Duration) {
        let from = from.since(self.shared.start);
        if let Some(caller) = self.caller(number) {
            (caller.pause, caller.due) = (Some((from, pause)), None);
            self.await_caller(number);
        }
    }

    /// Sets the deadline at which the caller's pause is over, if it is another than before.
    fn await_caller(&mut self, number: u32) {
        let start = self.shared.start;
        let Some((from, pause)) = self.caller(number).and_then(|caller| caller.pause) else { return };
        let due = self.lookahead.pace().over(from, pause).map(|at| start + at);
        let Some(caller) = self.caller(number) else { return };
        if caller.due != due {
            caller.due = due;
            if let Some(due) = due {
                self.deadlines.push(due, Owner::Caller(number));
            }
        }
    }

    /// The pace of the run has changed: pauses last longer or shorter from then on.
    pub fn pace_callers(&mut self) {
        for place in 0..self.callers.callers.len() {
            self.await_caller(self.caller_at(place));
        }
    }

    fn caller_at(&self, place: usize) -> u32 {
        (place * self.segment.of + self.segment.index) as u32
    }

    fn caller(&mut self, number: u32) -> Option<&mut Caller> {
        self.callers.callers.get_mut(number as usize / self.segment.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_begin_evenly_within_the_first_pause() {
        let second = Duration::from_secs(1);
        let begins: Vec<Duration> = (0..4).map(|caller| first_call(caller, 4, second)).collect();
        assert_eq!(begins, [125, 375, 625, 875].map(Duration::from_millis));
    }

    #[test]
    fn a_caller_whose_deadline_was_put_off_is_due_when_it_was() {
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        let caller = Caller { due: Some(at(20)), ..Caller::default() };
        assert_eq!([10, 20, 21].map(|now| caller.due_by(at(now))), [None, Some(at(20)), Some(at(20))]);
    }

    #[test]
    fn every_caller_belongs_to_one_worker() {
        for of in 1..5 {
            let mine = |index| Callers::new(10, Segment { index, of }).callers.len();
            assert_eq!((0..of).map(mine).sum::<usize>(), 10);
        }
    }
}
