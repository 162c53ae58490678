//! How many things are due per second, and how that changes over a stage.

use std::time::Duration;

/// A rate of arrivals per second over a stage.
///
/// Every shape is a row of stretches in which the rate changes linearly, so its integral and the inverse of that are
/// exact.
///
/// ```
/// use std::time::Duration;
/// use wtsp_load::workload::Rate;
///
/// let minute = Duration::from_secs(60);
/// let spike = Rate::Spike { base: 1.0, peak: 11.0, at: Duration::from_secs(10), length: Duration::from_secs(5) };
/// assert_eq!(spike.expected(minute), 60.0 + 50.0);
/// assert_eq!(spike.reached(10.0 + 5.5, minute), 10.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Changes linearly from the stage's start to its end; constant when both are equal.
    Ramp {
        /// Arrivals per second at the stage's start.
        from: f64,
        /// Arrivals per second at the stage's end.
        to: f64,
    },
    /// Goes from one rate to another in levels of equal length and equal distance.
    Steps {
        /// Arrivals per second on the first level.
        from: f64,
        /// Arrivals per second on the last level.
        to: f64,
        /// How many levels there are; at least two.
        count: u32,
    },
    /// Constant, but for one stretch with another rate.
    Spike {
        /// Arrivals per second outside of it.
        base: f64,
        /// Arrivals per second in it.
        peak: f64,
        /// When it begins, from the stage's start.
        at: Duration,
        /// How long it lasts.
        length: Duration,
    },
}

/// A stretch of a stage in which the rate changes linearly.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Stretch {
    fn expected(self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    fn slope(self) -> f64 {
        (self.to - self.from) / self.seconds
    }

    fn expected_by(self, seconds: f64) -> f64 {
        seconds * (self.from + self.slope() * seconds / 2.0)
    }

    /// Solving the quadratic for its reciprocal root keeps full precision as the slope goes to zero, so that a constant
    /// rate needs no case of its own.
    fn reached(self, arrivals: f64) -> f64 {
        let root = (self.from * self.from + 2.0 * self.slope() * arrivals).max(0.0).sqrt();
        let sum = self.from + root;
        if sum > 0.0 { 2.0 * arrivals / sum } else { 0.0 }
    }
}

impl Rate {
    /// The same rate from start to end, per second.
    pub const fn constant(per_second: f64) -> Rate {
        Rate::ramp(per_second, per_second)
    }

    /// A rate that changes linearly over the stage, per second.
    pub const fn ramp(from: f64, to: f64) -> Rate {
        Rate::Ramp { from, to }
    }

    /// The rate at the stage's start, per second.
    pub fn first(self) -> f64 {
        match self {
            Rate::Ramp { from, .. } | Rate::Steps { from, .. } => from,
            Rate::Spike { base, peak, at, .. } => {
                if at.is_zero() {
                    peak
                } else {
                    base
                }
            }
        }
    }

    /// The rate at the end of a stage of this length, per second.
    pub fn last(self, duration: Duration) -> f64 {
        match self {
            Rate::Ramp { to, .. } | Rate::Steps { to, .. } => to,
            Rate::Spike { base, peak, at, length } => {
                if at + length >= duration {
                    peak
                } else {
                    base
                }
            }
        }
    }

    /// The highest rate, per second.
    pub fn peak(self) -> f64 {
        self.figures().into_iter().fold(0.0, f64::max)
    }

    /// The two rates that the shape is told by, per second.
    pub fn figures(self) -> [f64; 2] {
        match self {
            Rate::Ramp { from, to } | Rate::Steps { from, to, .. } => [from, to],
            Rate::Spike { base, peak, .. } => [base, peak],
        }
    }

    /// The same shape, with every rate divided by `divisor`.
    pub fn divided_by(self, divisor: f64) -> Rate {
        match self {
            Rate::Ramp { from, to } => Rate::Ramp { from: from / divisor, to: to / divisor },
            Rate::Steps { from, to, count } => Rate::Steps { from: from / divisor, to: to / divisor, count },
            Rate::Spike { base, peak, at, length } => {
                Rate::Spike { base: base / divisor, peak: peak / divisor, at, length }
            }
        }
    }

    /// The rate at `seconds` after the start of a stage of this length, per second.
    pub fn at(self, seconds: f64, duration: Duration) -> f64 {
        let mut left = seconds;
        for stretch in self.stretches(duration) {
            if left < stretch.seconds {
                return stretch.from + stretch.slope() * left;
            }
            left -= stretch.seconds;
        }
        self.last(duration)
    }

    /// The rate's integral over a whole stage of this length: how many arrivals are expected in it.
    pub fn expected(self, duration: Duration) -> f64 {
        self.stretches(duration).map(Stretch::expected).sum()
    }

    /// The rate's integral over the first `seconds` of a stage of this length.
    pub fn expected_by(self, seconds: f64, duration: Duration) -> f64 {
        let mut left = seconds;
        let mut sum = 0.0;
        for stretch in self.stretches(duration) {
            if left <= stretch.seconds {
                return sum + stretch.expected_by(left);
            }
            left -= stretch.seconds;
            sum += stretch.expected();
        }
        sum
    }

    /// When, in seconds after the stage's start, the rate's integral reaches `arrivals`: the exact inverse of
    /// [`Rate::expected_by`].
    pub fn reached(self, arrivals: f64, duration: Duration) -> f64 {
        let mut left = arrivals;
        let mut begins = 0.0;
        let mut stretches = self.stretches(duration).peekable();
        while let Some(stretch) = stretches.next() {
            let expected = stretch.expected();
            // Rounding may leave a crumb beyond the last one.
            if left <= expected || stretches.peek().is_none() {
                return begins + stretch.reached(left);
            }
            left -= expected;
            begins += stretch.seconds;
        }
        begins
    }

    /// The stretches of a stage of this length, those without length left out.
    fn stretches(self, duration: Duration) -> impl Iterator<Item = Stretch> {
        let whole = duration.as_secs_f64();
        let levels = match self {
            Rate::Ramp { .. } => 1,
            Rate::Steps { count, .. } => count.max(2),
            Rate::Spike { .. } => 3,
        };
        let level = move |index: u32| match self {
            Rate::Ramp { from, to } => Stretch { seconds: whole, from, to },
            Rate::Steps { from, to, .. } => {
                let rate = from + (to - from) * f64::from(index) / f64::from(levels - 1);
                Stretch { seconds: whole / f64::from(levels), from: rate, to: rate }
            }
            Rate::Spike { base, peak, at, length } => {
                let begins = at.min(duration).as_secs_f64();
                let ends = (at + length).min(duration).as_secs_f64();
                let (seconds, rate) = match index {
                    0 => (begins, base),
                    1 => (ends - begins, peak),
                    _ => (whole - ends, base),
                };
                Stretch { seconds, from: rate, to: rate }
            }
        };
        (0..levels).map(level).filter(|stretch| stretch.seconds > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = Rate> {
        let rate = || 0.0..5_000.0_f64;
        let millis = || (0_u64..100_000_000).prop_map(Duration::from_millis);
        prop_oneof![
            (rate(), rate()).prop_map(|(from, to)| Rate::Ramp { from, to }),
            (rate(), rate(), 2_u32..100).prop_map(|(from, to, count)| Rate::Steps { from, to, count }),
            (rate(), rate(), millis(), millis()).prop_map(|(base, peak, at, length)| Rate::Spike {
                base,
                peak,
                at,
                length
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_time_at_which_an_integral_is_reached_is_the_integrals_exact_inverse(
            rate in shapes(),
            seconds in 1_u64..100_000,
            share in 0.0..1.0_f64,
        ) {
            let duration = Duration::from_secs(seconds);
            let arrivals = rate.expected(duration) * share;
            let at = rate.reached(arrivals, duration);
            prop_assert!((0.0..=seconds as f64 * (1.0 + 1e-9)).contains(&at));
            let back = rate.expected_by(at, duration);
            prop_assert!((back - arrivals).abs() <= 1e-9 * rate.expected(duration).max(1.0), "{back} {arrivals}");
        }

        #[test]
        fn the_integral_over_a_whole_stage_is_what_it_comes_to_at_its_end(
            rate in shapes(), seconds in 1_u64..100_000,
        ) {
            let duration = Duration::from_secs(seconds);
            let (whole, expected) = (rate.expected_by(seconds as f64, duration), rate.expected(duration));
            prop_assert!((whole - expected).abs() <= 1e-9 * whole.max(1.0));
            prop_assert!(expected <= rate.peak() * seconds as f64 * (1.0 + 1e-9));
            let half = rate.divided_by(2.0).expected(duration);
            prop_assert!((half - expected / 2.0).abs() <= 1e-9 * whole.max(1.0));
        }
    }

    #[test]
    fn steps_are_levels_of_equal_length_from_the_first_rate_to_the_last() {
        let (rate, minute) = (Rate::Steps { from: 10.0, to: 40.0, count: 4 }, Duration::from_secs(60));
        assert_eq!(
            [15.0, 30.0, 45.0, 60.0].map(|at| rate.expected_by(at, minute)),
            [150.0, 450.0, 900.0, 1_500.0]
        );
        assert_eq!((rate.first(), rate.last(minute), rate.peak()), (10.0, 40.0, 40.0));
    }

    #[test]
    fn a_spike_is_between_two_stretches_of_the_base_rate() {
        let seconds = Duration::from_secs;
        let rate = Rate::Spike { base: 2.0, peak: 20.0, at: seconds(10), length: seconds(5) };
        assert_eq!([10.0, 15.0, 20.0].map(|at| rate.expected_by(at, seconds(20))), [20.0, 120.0, 130.0]);
        assert_eq!((rate.first(), rate.last(seconds(20)), rate.peak()), (2.0, 2.0, 20.0));
        assert_eq!([9.0, 10.0, 14.0, 15.0].map(|at| rate.at(at, seconds(20))), [2.0, 20.0, 20.0, 2.0]);
        // No arrival where the rate is nought.
        let alone = Rate::Spike { base: 0.0, peak: 20.0, at: seconds(10), length: seconds(5) };
        assert_eq!((alone.reached(0.5, seconds(20)), alone.reached(99.5, seconds(20))), (10.025, 14.975));
    }
}
