//! What a freeze does to calls that come in evenly, by arithmetic.

use std::time::Duration;

use super::Settings;
use crate::law::{Distribution, Draws, Freeze, Seed, Time};
use crate::metrics::Metric;

/// How many calls are reckoned: evenly over one period of the freeze.
const CALLS: u32 = 100_000;

/// What each metric of each call waits for a core that answers at once, unless it stands still.
#[derive(Debug)]
pub(super) struct Waits {
    alert: Vec<Duration>,
    answer: Vec<Duration>,
    setup: Vec<Duration>,
    release: Vec<Duration>,
}

impl Waits {
    /// Reckons the calls of `settings`.
    pub(super) fn new(freeze: Freeze, settings: &Settings) -> Waits {
        let mut draws = Seed(settings.seed).stream("calibration", 0);
        let mut waits = Waits { alert: vec![], answer: vec![], setup: vec![], release: vec![] };
        for call in 0..CALLS {
            let due = Time::ZERO + freeze.every().mul_f64(f64::from(call) / f64::from(CALLS));
            waits.call(freeze, due, &mut draws);
        }
        for times in [&mut waits.alert, &mut waits.answer, &mut waits.setup, &mut waits.release] {
            times.sort_unstable();
        }
        waits
    }

    /// Follows one call: whatever reaches the core while it stands still waits for the end of that.
    fn call(&mut self, freeze: Freeze, due: Time, draws: &mut Draws) {
        let taken = |at: Time| freeze.at(at).unwrap_or(at);
        let mut draw = |(min, max)| Distribution::Uniform { min, max }.sample(draws);
        let rung = taken(due);
        let accepting = rung + draw(Settings::RING);
        let accepted = taken(accepting);
        let hanging_up = accepted + draw(Settings::HOLD);
        self.alert.push(rung.since(due));
        self.answer.push(accepted.since(accepting));
        self.setup.push(rung.since(due) + accepted.since(accepting));
        self.release.push(taken(hanging_up).since(hanging_up));
    }

    /// The wait of `metric` that a part `quantile` of calls do not exceed, in microseconds.
    pub(super) fn quantile(&self, metric: Metric, quantile: f64) -> Option<u64> {
        let times = match metric {
            Metric::Ringback | Metric::Alert => &self.alert,
            Metric::Answer => &self.answer,
            Metric::Setup => &self.setup,
            Metric::Release | Metric::ReleaseRemote => &self.release,
            _ => return None,
        };
        let place = (times.len() as f64 * quantile).ceil() as usize;
        times.get(place.max(1) - 1).map(|time| time.as_micros() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_of_what_is_due_evenly_is_that_of_the_formula() {
        let settings = Settings::default();
        let freeze = settings.freeze().unwrap();
        let waits = Waits::new(freeze, &settings);
        for quantile in [0.5, 0.85, 0.9, 0.99, 0.999] {
            let exact = freeze.wait_quantile(quantile).as_micros() as i64;
            let reckoned = waits.quantile(Metric::Ringback, quantile).unwrap() as i64;
            assert!((exact - reckoned).abs() < 200, "{quantile}: {exact} {reckoned}");
        }
    }

    #[test]
    fn what_is_sent_in_answer_to_the_core_meets_fewer_freezes_than_what_is_due() {
        let settings = Settings::default();
        let waits = Waits::new(settings.freeze().unwrap(), &settings);
        // One in five is due in a freeze. An accept follows the ringing, which a frozen core does not send, so it
        // meets one only when it was rung just before.
        assert!(waits.quantile(Metric::Ringback, 0.9).unwrap() > 400_000);
        assert_eq!(waits.quantile(Metric::Answer, 0.9), Some(0));
    }
}
