//! Little's law, as a check of the books: the calls that are up at a time are as many as their rate times their length.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StageInfo, StoredInterval};

/// Beyond this part of the calls that are up, the two sides do not agree. What is left of a difference between them are
/// the moments between a message and its handling, once a call: far less than this, unless a call lasts for milliseconds.
const TOLERATED: f64 = 0.05;

/// With fewer completed calls than this, those moments may weigh more.
const ENOUGH: u64 = 100;

/// Little's law in a stage, its ramp-up left out: L, the calls that were up on average, and λW, the rate at which they
/// ended times the time for which they lasted.
///
/// The two sides come from different books: L from the number of calls that are up, as it changes; λW from what each call
/// says of itself. A call that was up when the time began or ended counts with the part of it that lies within. So the
/// law holds in any stretch of time, whatever the law of hold times, and not only in the mean of long ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LittlesLaw {
    /// The stage's name.
    pub stage: String,
    /// When the time begins that is looked at, in microseconds from the start of the run: in the first second after the
    /// stage's first mean busy time.
    pub from_us: u64,
    /// How long that time is, in microseconds.
    pub length_us: u64,
    /// Calls completed in it.
    pub completed: u64,
    /// Calls completed per second: λ.
    pub completed_per_second: f64,
    /// Mean talk time of the calls that ended in it, in seconds: W.
    pub mean_talk_s: Option<f64>,
    /// The traffic that was carried, in erlangs: L, by the number of calls that were up.
    pub carried: f64,
    /// What it has to be, in erlangs: the talk time of all calls that falls into it, per time.
    pub expected: f64,
    /// By how much `carried` differs, as a part of `expected`; `null` where nothing was expected.
    pub drift: Option<f64>,
    /// Whether the difference is more than 5 %, with 100 completed calls or more: the books of this program are wrong.
    pub drifts: bool,
}

/// Adds up the two sides, stage by stage.
#[derive(Clone, Debug, Default)]
pub(super) struct LittlesLawFold {
    stages: Vec<Sides>,
}

#[derive(Clone, Debug)]
struct Sides {
    name: String,
    has_calls: bool,
    steady_from_us: u64,
    from_us: Option<u64>,
    length_us: u64,
    completed: u64,
    ended: u64,
    talk_us: u64,
    up_us: u64,
    talk_within_us: u64,
}

impl LittlesLawFold {
    /// Nothing added yet; `mean_busy_us` is for how long a call keeps its clients busy.
    pub(super) fn new(stages: &[StageInfo], mean_busy_us: Option<u64>) -> LittlesLawFold {
        let sides = |stage: &StageInfo| Sides {
            name: stage.name.clone(),
            has_calls: stage.has_calls(),
            steady_from_us: (stage.starts_s * 1e6).round() as u64 + mean_busy_us.unwrap_or(0),
            from_us: None,
            length_us: 0,
            completed: 0,
            ended: 0,
            talk_us: 0,
            up_us: 0,
            talk_within_us: 0,
        };
        LittlesLawFold { stages: stages.iter().map(sides).collect() }
    }

    /// Adds a second.
    pub(super) fn add(&mut self, second: &StoredInterval) {
        let stage = second.stage.and_then(|stage| self.stages.get_mut(stage as usize));
        let Some(sides) = stage.filter(|sides| sides.has_calls && second.at_us >= sides.steady_from_us)
        else {
            return;
        };
        let calls = &second.counted.calls;
        sides.from_us.get_or_insert(second.at_us);
        sides.length_us += second.length_us;
        sides.completed += calls.completed;
        sides.ended += calls.ended;
        sides.talk_us += calls.talk_us;
        sides.up_us += calls.up_us;
        sides.talk_within_us += calls.talk_within_us;
    }

    /// What became of it, for the stages that had calls for long enough.
    pub(super) fn finish(&self) -> Vec<LittlesLaw> {
        self.stages.iter().filter_map(Sides::finish).collect()
    }
}

impl Sides {
    fn finish(&self) -> Option<LittlesLaw> {
        let from_us = self.from_us.filter(|_| self.length_us > 0)?;
        let per_time = |micros: u64| micros as f64 / self.length_us as f64;
        let (carried, expected) = (per_time(self.up_us), per_time(self.talk_within_us));
        let drift = (expected > 0.0).then(|| carried / expected - 1.0);
        let is_wrong = drift.map_or(carried > 0.0, |drift| drift.abs() > TOLERATED);
        Some(LittlesLaw {
            stage: self.name.clone(),
            from_us,
            length_us: self.length_us,
            completed: self.completed,
            completed_per_second: rounded(self.completed as f64 / (self.length_us as f64 / 1e6)),
            mean_talk_s: (self.ended > 0).then(|| rounded(self.talk_us as f64 / 1e6 / self.ended as f64)),
            carried: rounded(carried),
            expected: rounded(expected),
            drift: drift.map(rounded),
            drifts: is_wrong && self.completed >= ENOUGH,
        })
    }
}

/// To 4 decimals, as the key figures are.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Calls, Counted};

    fn second(at: u64, stage: u32, calls: Calls) -> StoredInterval {
        let counted = Counted { calls, ..Counted::default() };
        StoredInterval {
            at_us: at * 1_000_000,
            length_us: 1_000_000,
            stage: Some(stage),
            counted,
            ..Default::default()
        }
    }

    fn fold(calls: Calls) -> Vec<LittlesLaw> {
        let stages = [(0.0, 0.0), (5.0, 20.0)].map(|(starts_s, rate)| StageInfo {
            name: format!("from {starts_s}"),
            starts_s,
            duration_s: 20.0,
            calls_per_second_peak: rate,
            ..StageInfo::default()
        });
        let mut fold = LittlesLawFold::new(&stages, Some(2_500_000));
        (0..5).for_each(|at| fold.add(&second(at, 0, calls)));
        (5..25).for_each(|at| fold.add(&second(at, 1, calls)));
        fold.finish()
    }

    #[test]
    fn the_law_holds_from_the_second_after_the_ramp_up_on() {
        let calls = Calls {
            completed: 20,
            ended: 20,
            talk_us: 40_000_000,
            up_us: 41_000_000,
            talk_within_us: 40_900_000,
        };
        let [law] = &fold(calls)[..] else { panic!("one stage has calls") };
        assert_eq!((law.stage.as_str(), law.from_us, law.length_us), ("from 5", 8_000_000, 17_000_000));
        assert_eq!((law.completed, law.completed_per_second, law.mean_talk_s), (340, 20.0, Some(2.0)));
        assert_eq!((law.carried, law.expected, law.drift), (41.0, 40.9, Some(0.0024)));
        assert!(!law.drifts);
    }

    #[test]
    fn calls_that_never_end_in_one_of_the_books_are_noticed() {
        let books = |completed, up_us, talk_within_us| {
            let ended = completed;
            fold(Calls { completed, ended, talk_us: 1_000_000, up_us, talk_within_us })[0].clone()
        };
        assert!(books(20, 44_000_000, 40_000_000).drifts);
        assert!(books(20, 36_000_000, 40_000_000).drifts);
        assert!(books(20, 44_000_000, 0).drifts);
        assert!(!books(20, 0, 0).drifts);
        // Too few calls to tell.
        assert!(!books(1, 44_000_000, 40_000_000).drifts);
    }
}
