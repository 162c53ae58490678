//! The pace of a run: how its load was changed by hand while it went on.

use std::time::Duration;

use super::Rate;

/// The pace of a run: which multiple of the planned load is in force, from when on.
///
/// It multiplies the rate at which calls are due, and divides the pauses of callers. Calls that come at once go by the
/// pace at which they begin: at their stage's start, or where a pause across it ends. Sign-ons keep their times, and
/// stages theirs: what a slower pace leaves over when its stage ends is not made up for. The schedule is a function of plan, seed and pace.
///
/// ```
/// use std::time::Duration;
/// use wtsp_load::workload::Pace;
///
/// let second = Duration::from_secs(1);
/// let mut pace = Pace::default();
/// pace.change(10 * second, 0.0);
/// pace.change(15 * second, 2.0);
/// assert_eq!((pace.factor(9 * second), pace.factor(12 * second)), (1.0, 0.0));
/// // Of a pause of 4 s that began at 8 s the second half is over twice as fast, once the run goes on.
/// assert_eq!(pace.over(8 * second, 4 * second), Some(16 * second));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// From when, and which.
    changes: Vec<(Duration, f64)>,
}

impl Pace {
    /// From `at` on, counted from the start of the run, `factor` times the planned load is due; nought is a pause. No
    /// change may be before the one before it: such a one takes effect together with that.
    pub fn change(&mut self, at: Duration, factor: f64) {
        let (last, in_force) = self.changes.last().copied().unwrap_or((Duration::ZERO, 1.0));
        let factor = if factor.is_finite() { factor.max(0.0) } else { in_force };
        // Two stretches of one pace are one, so that what changes nothing moves nothing by as little as a rounding.
        if factor != in_force {
            self.changes.push((at.max(last), factor));
        }
    }

    /// The factor in force at `at`.
    pub fn factor(&self, at: Duration) -> f64 {
        let after = self.changes.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).map_or(1.0, |index| self.changes[index].1)
    }

    /// When a pause of this length is over that began at `from`; `None` as long as the run is paused for good.
    pub fn over(&self, from: Duration, pause: Duration) -> Option<Duration> {
        let mut left = pause;
        for (begins, ends, factor) in self.stretches(from) {
            let goes_on = ends.saturating_sub(begins);
            let passes = if factor == 1.0 { goes_on } else { scaled(goes_on, factor) };
            if factor > 0.0 && left <= passes {
                return Some(begins + if factor == 1.0 { left } else { scaled(left, factor.recip()) });
            }
            left = left.saturating_sub(passes);
        }
        None
    }

    /// From when to when which factor is in force, from `from` on; without end in the last one.
    fn stretches(&self, from: Duration) -> impl Iterator<Item = (Duration, Duration, f64)> {
        let begins = std::iter::once((Duration::ZERO, 1.0)).chain(self.changes.iter().copied());
        let ends = self.changes.iter().map(|(at, _)| *at).chain(std::iter::once(Duration::MAX));
        begins
            .zip(ends)
            .map(move |((begins, factor), ends)| (begins.max(from), ends, factor))
            .filter(|(begins, ends, _)| begins < ends)
    }
}

fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// The positions of a stage's arrivals at a pace: where the integral of the rate times the pace has got to, and where
/// the rate's own would be then.
#[derive(Clone, Debug)]
pub(super) struct Paced {
    rate: Rate,
    duration: Duration,
    pieces: Vec<Piece>,
}

/// A part of a stage at one pace.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// When it begins, after the stage's start.
    begins: Duration,
    /// The paced integral where it begins and ends.
    from: f64,
    to: f64,
    /// The rate's own integral where it begins.
    planned: f64,
    factor: f64,
}

impl Paced {
    /// A stage of this rate and length, at the pace of the plan.
    pub fn planned(rate: Rate, duration: Duration) -> Paced {
        let begins = Duration::ZERO;
        let pieces =
            vec![Piece { begins, from: 0.0, to: rate.expected(duration), planned: 0.0, factor: 1.0 }];
        Paced { rate, duration, pieces }
    }

    /// The stage begins at `start`, and this is the run's pace.
    pub fn set(&mut self, pace: &Pace, start: Duration) {
        let end = start + self.duration;
        self.pieces.clear();
        let mut from = 0.0;
        for (begins, ends, factor) in pace.stretches(start).take_while(|(begins, ..)| *begins < end) {
            let by = |at: Duration| match at {
                at if at <= start => 0.0,
                at if at >= end => self.rate.expected(self.duration),
                at => self.rate.expected_by((at - start).as_secs_f64(), self.duration),
            };
            let planned = by(begins);
            let to = from + factor * (by(ends) - planned);
            if factor > 0.0 {
                let begins = begins.saturating_sub(start);
                self.pieces.push(Piece { begins, from, to, planned, factor });
            }
            from = to;
        }
    }

    /// When all the stage's arrivals come if they come at once, and how many they are: where it is first not paused, at
    /// the pace there. `None` where it is paused to its end.
    pub fn burst(&self) -> Option<(Duration, u64)> {
        let first = self.pieces.first()?;
        Some((first.begins, (self.rate.expected(self.duration) * first.factor).round() as u64))
    }

    /// How many arrivals are expected in the first `time` of the stage: the inverse of [`Paced::reached`].
    pub fn expected_by(&self, time: Duration) -> f64 {
        let begun = self.pieces.partition_point(|piece| piece.begins <= time);
        let Some(piece) = begun.checked_sub(1).map(|last| self.pieces[last]) else { return 0.0 };
        let planned = self.rate.expected_by(time.min(self.duration).as_secs_f64(), self.duration);
        (piece.from + piece.factor * (planned - piece.planned)).min(piece.to)
    }

    /// When, in seconds after the stage's start, the position is reached; `None` if not within the stage.
    pub fn reached(&self, position: f64) -> Option<f64> {
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.to < position))?;
        let planned = piece.planned + (position - piece.from).max(0.0) / piece.factor;
        Some(self.rate.reached(planned, self.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_is_over_when_its_length_has_passed_at_the_pace() {
        let mut pace = Pace::default();
        assert_eq!(pace.over(3 * SECOND, 2 * SECOND), Some(5 * SECOND));
        pace.change(4 * SECOND, 0.5);
        assert_eq!(pace.over(3 * SECOND, SECOND), Some(4 * SECOND));
        assert_eq!(pace.over(3 * SECOND, 2 * SECOND), Some(6 * SECOND));
        assert_eq!(pace.over(10 * SECOND, 2 * SECOND), Some(14 * SECOND));
        pace.change(5 * SECOND, 0.0);
        assert_eq!(pace.over(3 * SECOND, 2 * SECOND), None);
        pace.change(9 * SECOND, 1.0);
        assert_eq!(pace.over(3 * SECOND, 2 * SECOND), Some(9 * SECOND + SECOND / 2));
    }

    #[test]
    fn a_change_to_the_pace_in_force_is_none() {
        let mut pace = Pace::default();
        pace.change(SECOND, 1.0);
        assert_eq!(pace, Pace::default());
        pace.change(SECOND, 1.1);
        let before = pace.clone();
        pace.change(2 * SECOND, 1.1);
        assert_eq!(pace, before);
    }

    proptest! {
        #[test]
        fn the_paced_integral_is_reached_when_the_sum_over_the_pieces_says(
            from in 0.0..300.0_f64,
            to in 0.0..300.0_f64,
            changes in proptest::collection::vec((0_u64..40_000, 0_u8..30), 0..6),
            start in 0_u64..20_000,
            position in 0.0..1.0_f64,
        ) {
            let (rate, duration) = (Rate::ramp(from, to), Duration::from_secs(20));
            let start = Duration::from_millis(start);
            let mut sorted = changes;
            sorted.sort_unstable();
            let mut pace = Pace::default();
            for (at, tenths) in sorted {
                pace.change(Duration::from_millis(at), f64::from(tenths) / 10.0);
            }
            let mut paced = Paced::planned(rate, duration);
            paced.set(&pace, start);
            // By hand, in steps of a millisecond.
            let step = |millis: u64| {
                let at = Duration::from_millis(millis);
                let by = |at: Duration| rate.expected_by(at.as_secs_f64(), duration);
                pace.factor(start + at) * (by(at + Duration::from_millis(1)) - by(at))
            };
            let total: f64 = (0..20_000).map(step).sum();
            let position = position * total;
            prop_assume!(total > 1.0);
            let reached = paced.reached(position);
            prop_assert!(reached.is_some());
            let millis = (reached.unwrap_or_default() * 1e3) as u64;
            let summed: f64 = (0..millis).map(step).sum();
            let slack = 2.0 * step(millis) + 2.0 * step(millis.saturating_sub(1)) + 1e-6;
            prop_assert!((summed - position).abs() <= slack, "{summed} and {position}, {slack}");
            let by = paced.expected_by(Duration::from_millis(millis));
            prop_assert!((by - summed).abs() <= slack, "{by} expected, {summed} summed up");
            prop_assert!(paced.reached(total * 1.001 + 0.1).is_none());
        }
    }
}
