//! How many sign-ons and calls the plan wants by some time: what the rates done are held against.

use std::time::Duration;

use crate::workload::{ArrivalLaw, Rate, Stage, passed};

/// What is wanted, as the run goes on.
pub(super) struct Planned {
    stages: Vec<Stage>,
    /// Up to when, from the start of the run.
    until: Duration,
}

impl Planned {
    /// A run of these stages that has not begun.
    pub fn new(stages: Vec<Stage>) -> Planned {
        Planned { stages, until: Duration::ZERO }
    }

    /// The plan holds up to `until`, from the start of the run. A run that is stopped wants no more.
    pub fn go_on_to(&mut self, until: Duration) {
        self.until = self.until.max(until);
    }

    /// Calls that are wanted by now. Those of callers are not among them: they come as the server lets them.
    pub fn calls(&self) -> f64 {
        self.sum(|stage, time| {
            let by = |rate: Rate| match stage.arrivals {
                ArrivalLaw::AtOnce => rate.expected(stage.duration),
                _ => rate.expected_by(time.as_secs_f64(), stage.duration),
            };
            stage.calls.map_or(0.0, by)
        })
    }

    /// Sign-ons that are wanted by now, those of churn included.
    pub fn signons(&self) -> f64 {
        self.sum(|stage, time| {
            let part = match stage.signon_arrivals {
                ArrivalLaw::AtOnce => 1.0,
                _ if time >= stage.signon_time => 1.0,
                _ => time.as_secs_f64() / stage.signon_time.as_secs_f64(),
            };
            let up = f64::from(stage.clients_to.saturating_sub(stage.clients_from));
            up * part + (stage.churn_per_second * time.as_secs_f64() - 1.0).max(0.0)
        })
    }

    /// The sum over the stages that have begun, each with how much of it has passed.
    fn sum(&self, of: impl Fn(&Stage, Duration) -> f64) -> f64 {
        let begun = passed(&self.stages, self.until).filter(|(_, time)| !time.is_zero());
        begun.map(|(stage, time)| of(stage, time)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_grows_as_the_plan_says_and_stops_with_it() {
        let seconds = Duration::from_secs;
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
        let mut planned = Planned::new(vec![sign_on, calls, rush]);
        assert_eq!((planned.calls(), planned.signons()), (0.0, 0.0));
        for (at, calls, signons) in
            [(2, 0.0, 40.0), (10, 0.0, 100.0), (15, 12.5, 109.0), (20, 50.0, 119.0), (21, 100.0, 119.0)]
        {
            planned.go_on_to(seconds(at));
            assert_eq!((planned.calls(), planned.signons()), (calls, signons), "{at}");
        }
        planned.go_on_to(seconds(90));
        assert_eq!(planned.calls(), 100.0);
    }
}
