//! How many sign-ons and calls a run wants by now: what the rates done are held against, wherever a run is watched.

use std::time::Duration;

use super::Interval;
use crate::workload::{ArrivalLaw, Pace, Stage, passed};

/// What is wanted of a run up to now: by its plan, and by what was changed by hand since.
///
/// It never falls. A run that is stopped wants no more.
///
/// ```
/// use std::time::Duration;
/// use wtsp_load::record::Wanted;
/// use wtsp_load::workload::{Rate, Stage};
///
/// let stage = Stage { duration: Duration::from_secs(60), calls: Some(Rate::constant(2.0)), ..Stage::default() };
/// let mut wanted = Wanted::new(vec![stage]);
/// wanted.go_on_to(Duration::from_secs(10));
/// assert_eq!(wanted.calls(), 20.0);
/// ```
#[derive(Clone, Debug)]
pub struct Wanted {
    stages: Vec<Stage>,
    pace: Pace,
    /// Up to when, from the start of the run.
    until: Duration,
    /// When the run was ended by hand.
    ended: Option<Duration>,
}

impl Wanted {
    /// A run of these stages that has not begun.
    pub fn new(stages: Vec<Stage>) -> Wanted {
        Wanted { stages, pace: Pace::default(), until: Duration::ZERO, ended: None }
    }

    /// Another interval has passed.
    pub fn add(&mut self, interval: &Interval) {
        for change in &interval.changes {
            // What is past stays as it was told.
            let at = Duration::from_micros(change.at_us).max(self.until);
            match change.factor {
                Some(factor) => self.pace.change(at, factor),
                None => self.ended = Some(self.ended.map_or(at, |ended| ended.min(at))),
            }
        }
        if interval.stage.is_some() {
            self.go_on_to(interval.at + interval.length);
        }
    }

    /// The run has gone on up to `until`, from its start.
    pub fn go_on_to(&mut self, until: Duration) {
        let until = self.ended.map_or(until, |ended| until.min(ended));
        self.until = self.until.max(until);
    }

    /// Calls that are wanted by now. Those of callers are not among them: they come as the server lets them.
    pub fn calls(&self) -> f64 {
        self.calls_of(|_| true)
    }

    /// Those of them that are spread over time.
    pub fn calls_at_a_rate(&self) -> f64 {
        self.calls_of(|stage| stage.arrivals != ArrivalLaw::AtOnce)
    }

    /// Sign-ons that are wanted by now, those of churn included.
    pub fn signons(&self) -> f64 {
        passed(&self.stages, self.until).map(|(stage, time)| stage.wanted_signons(time)).sum()
    }

    fn calls_of(&self, counts: impl Fn(&Stage) -> bool) -> f64 {
        let mut starts = Duration::ZERO;
        let wanted = passed(&self.stages, self.until).map(|(stage, time)| {
            let start = starts;
            starts += stage.duration;
            if counts(stage) { stage.wanted_calls(start, time, &self.pace) } else { 0.0 }
        });
        wanted.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Change, ChangeKind};
    use crate::workload::Rate;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Sign-ons, then calls at a rising rate, then as many at once.
    fn stages() -> Vec<Stage> {
        let sign_on =
            Stage { duration: seconds(10), clients_to: 100, signon_time: seconds(5), ..Stage::default() };
        let calls = Stage {
            duration: seconds(10),
            clients_from: 100,
            clients_to: 100,
            calls: Some(Rate::ramp(0.0, 10.0)),
            churn_per_second: 2.0,
            ..Stage::default()
        };
        let rush = Stage { arrivals: ArrivalLaw::AtOnce, churn_per_second: 0.0, ..calls.clone() };
        vec![sign_on, calls, rush]
    }

    /// The second before `ends`, at whose middle the pace was changed, or the run ended.
    fn second(ends: u64, stage: Option<u32>, changes: &[(ChangeKind, Option<f64>)]) -> Interval {
        let at = seconds(ends - 1);
        let at_us = (at + seconds(1) / 2).as_micros() as u64;
        let changes = changes.iter().map(|(what, factor)| Change { at_us, what: *what, factor: *factor });
        Interval { at, length: seconds(1), stage, changes: changes.collect(), ..Interval::default() }
    }

    #[test]
    fn what_is_wanted_grows_as_the_plan_says_and_stops_with_it() {
        let mut wanted = Wanted::new(stages());
        assert_eq!((wanted.calls(), wanted.signons()), (0.0, 0.0));
        for (at, calls, signons) in
            [(2, 0.0, 40.0), (10, 0.0, 100.0), (15, 12.5, 109.0), (20, 50.0, 119.0), (21, 100.0, 119.0)]
        {
            wanted.go_on_to(seconds(at));
            assert_eq!((wanted.calls(), wanted.signons()), (calls, signons), "{at}");
            assert_eq!(wanted.calls_at_a_rate(), calls.min(50.0), "{at}");
        }
        wanted.go_on_to(seconds(90));
        assert_eq!(wanted.calls(), 100.0);
    }

    #[test]
    fn a_rate_that_is_changed_by_hand_changes_what_is_wanted_from_then_on() {
        let steady = Stage { duration: seconds(60), calls: Some(Rate::constant(10.0)), ..Stage::default() };
        let mut wanted = Wanted::new(vec![steady]);
        let (rate, pause, resume) = (ChangeKind::Rate, ChangeKind::Pause, ChangeKind::Resume);
        let mut by = Vec::new();
        for (ends, changes) in [
            (1, &[][..]),
            (2, &[(rate, Some(2.0))]),
            (3, &[(pause, Some(0.0))]),
            (4, &[]),
            (5, &[(resume, Some(2.0)), (rate, Some(1.0))]),
            (6, &[(ChangeKind::Drain, None)]),
            (7, &[]),
        ] {
            wanted.add(&second(ends, Some(0), changes));
            by.push(wanted.calls());
        }
        assert_eq!(by, [10.0, 25.0, 35.0, 35.0, 40.0, 45.0, 45.0]);
    }

    #[test]
    fn calls_at_once_go_by_the_pace_at_which_they_begin() {
        let (rate, pause, resume) = (ChangeKind::Rate, ChangeKind::Pause, ChangeKind::Resume);
        let begin = |changes: &[(u64, ChangeKind, f64)], until: u64| {
            let mut wanted = Wanted::new(stages());
            for ends in 1..=until {
                let of_it = changes.iter().filter(|(at, ..)| *at == ends);
                let of_it: Vec<_> = of_it.map(|(_, what, factor)| (*what, Some(*factor))).collect();
                wanted.add(&second(ends, Some(0), &of_it));
            }
            wanted.calls() - wanted.calls_at_a_rate()
        };
        assert_eq!(begin(&[(15, rate, 0.5)], 20), 0.0);
        assert_eq!(begin(&[(15, rate, 0.5)], 21), 25.0);
        assert_eq!(begin(&[(15, rate, 0.5), (25, rate, 2.0)], 30), 25.0);
        assert_eq!(begin(&[(15, pause, 0.0)], 23), 0.0);
        assert_eq!(begin(&[(15, pause, 0.0), (23, resume, 2.0)], 23), 100.0);
        assert_eq!(begin(&[(15, pause, 0.0)], 30), 0.0);
    }

    #[test]
    fn a_run_that_was_ended_wants_no_more_sign_ons_and_nothing_that_was_told_is_taken_back() {
        let mut wanted = Wanted::new(stages());
        wanted.add(&second(2, Some(0), &[]));
        // It is told late: what was wanted by then stands.
        let late = second(2, Some(0), &[(ChangeKind::Drain, None)]);
        wanted.add(&Interval { at: seconds(2), ..late });
        wanted.add(&second(9, Some(0), &[]));
        assert_eq!(wanted.signons(), 40.0);

        let mut stopped = Wanted::new(stages());
        stopped.add(&second(2, Some(0), &[]));
        stopped.add(&second(3, None, &[]));
        assert_eq!(stopped.signons(), 40.0);
    }
}
