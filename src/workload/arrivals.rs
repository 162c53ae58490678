//! When things are due within one stage.

use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution as _, Exp1};

use super::pace::Paced;
use super::{ArrivalLaw, Pace, Rate};
use crate::law::Draws;

/// When things are due within a stage: offsets from its start, in order, each within `[0, duration)`.
///
/// A pure function of its arguments that needs the same little memory for any number of arrivals. Nothing is summed
/// up from gap to gap for the constant law, so the millionth arrival is as exact as the first.
///
/// Arrivals at a rate have positions, which their law and their draws give, and are due where the integral of the rate
/// gets there. When the pace of the run changes ([`Pace`]) the positions stay and the times move.
#[derive(Clone, Debug)]
pub struct Arrivals {
    law: Law,
    duration: Duration,
    last: Duration,
    draws: Draws,
    /// The next one that nobody has taken.
    pending: Option<Place>,
    /// When that is due, if within the stage.
    due: Option<Duration>,
    /// Where positions are times.
    paced: Option<Paced>,
}

/// Where an arrival is in its stage.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At this time, whatever the pace.
    At(Duration),
    /// Where the integral of the rate gets there.
    Position(f64),
    /// The one with this number, of all that come together at the pace in force then.
    Burst(u64),
}

#[derive(Clone, Debug)]
enum Law {
    /// `left` arrivals at zero.
    AtOnce { left: u64 },
    /// All of a rate's, once it is not paused; arrival `next`.
    Burst { next: u64 },
    /// Arrival `next` of `of`, evenly spaced, in whole nanoseconds.
    Even { next: u64, of: u64 },
    /// Arrival `next` where the integral of the rate reaches `next` + 0.5.
    EvenRate { next: u64 },
    /// A Poisson process: `whole` + `part` is the integral of the rate at the latest arrival. Two numbers, as a sum
    /// of millions of gaps in one would lose its small end.
    PoissonRate { whole: u64, part: f64 },
    /// `left` of the order statistics of a uniform sample: minus the logarithm of the share of the stage that is
    /// left over is `passed`.
    PoissonCount { left: u64, passed: f64 },
}

impl Arrivals {
    /// Arrivals at a rate, as calls arrive.
    ///
    /// - `constant`: arrival k (from 0) is due where the integral of the rate reaches k + 0.5, the middle of its
    ///   share. So there are as many as the integral over the stage, rounded to the nearest whole number; a
    ///   constant rate keeps its spacing across the border of two stages, and a ramp from zero does not begin with
    ///   an arrival.
    /// - `poisson`: a Poisson process with this rate, made by inverting the rate's integral at the sums of unit
    ///   exponential gaps: exact on every shape, and no draw is thrown away. How many there are is random.
    /// - `at_once`: as many as the integral over the stage, rounded, all at its start.
    pub fn rate(law: ArrivalLaw, rate: Rate, duration: Duration, draws: Draws) -> Arrivals {
        Arrivals::paced(law, rate, duration, draws, &Pace::default(), Duration::ZERO)
    }

    /// The same in a stage that begins at `start` of a run of this pace. `at_once` comes where the stage is first not
    /// paused, and goes by the pace there.
    pub(super) fn paced(
        law: ArrivalLaw,
        rate: Rate,
        duration: Duration,
        draws: Draws,
        pace: &Pace,
        start: Duration,
    ) -> Arrivals {
        let law = match law {
            ArrivalLaw::AtOnce => Law::Burst { next: 0 },
            ArrivalLaw::Constant => Law::EvenRate { next: 0 },
            ArrivalLaw::Poisson => Law::PoissonRate { whole: 0, part: 0.0 },
        };
        let mut arrivals = Arrivals::new(law, duration, draws, Some(Paced::planned(rate, duration)));
        arrivals.set_pace(pace, start);
        arrivals
    }

    /// Exactly `count` arrivals within `duration`, as clients sign on.
    ///
    /// - `constant`: evenly spaced, each at the middle of its share of the stage.
    /// - `poisson`: the arrivals of a Poisson process of which it is known that there are `count`, which is a sorted
    ///   uniform sample; made one after the other.
    /// - `at_once`: all at the start.
    pub fn count(law: ArrivalLaw, count: u64, duration: Duration, draws: Draws) -> Arrivals {
        let law = match law {
            ArrivalLaw::AtOnce => Law::AtOnce { left: count },
            ArrivalLaw::Constant => Law::Even { next: 0, of: count },
            ArrivalLaw::Poisson => Law::PoissonCount { left: count, passed: 0.0 },
        };
        Arrivals::new(law, duration, draws, None)
    }

    fn new(law: Law, duration: Duration, draws: Draws, paced: Option<Paced>) -> Arrivals {
        Arrivals { law, duration, last: Duration::ZERO, draws, pending: None, due: None, paced }
    }

    /// The stage begins at `start` of a run of this pace: moves what is still to come. A pace may only differ from the
    /// one before in what is later than anything taken.
    pub(super) fn set_pace(&mut self, pace: &Pace, start: Duration) {
        if let Some(paced) = &mut self.paced {
            paced.set(pace, start);
            self.due = self.pending.and_then(|place| self.time(place));
        }
    }

    /// When the next one is due, if it is within the stage at the pace as known.
    pub(super) fn peek(&mut self) -> Option<Duration> {
        if self.pending.is_none() {
            self.pending = self.law.next(self.duration, &mut self.draws);
            self.due = self.pending.and_then(|place| self.time(place));
        }
        self.due
    }

    fn time(&self, place: Place) -> Option<Duration> {
        let at = match place {
            Place::At(at) => at,
            Place::Position(position) => seconds(self.paced.as_ref()?.reached(position)?),
            Place::Burst(number) => {
                let (at, many) = self.paced.as_ref()?.burst()?;
                (number < many).then_some(at)?
            }
        };
        // Rounding must neither turn two neighbours round nor push the last one over the stage's end.
        let end = self.duration.saturating_sub(Duration::from_nanos(1));
        Some(at.min(end).max(self.last))
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.last = self.peek()?;
        self.pending = None;
        Some(self.last)
    }
}

impl Law {
    fn next(&mut self, duration: Duration, draws: &mut Draws) -> Option<Place> {
        match self {
            Law::AtOnce { left } => {
                *left = left.checked_sub(1)?;
                Some(Place::At(Duration::ZERO))
            }
            Law::Burst { next } => {
                *next += 1;
                Some(Place::Burst(*next - 1))
            }
            Law::Even { next, of } => {
                let index = take(next, *of)?;
                let nanos = duration.as_nanos() * (2 * u128::from(index) + 1) / (2 * u128::from(*of));
                Some(Place::At(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))))
            }
            Law::EvenRate { next } => {
                *next += 1;
                Some(Place::Position(*next as f64 - 0.5))
            }
            Law::PoissonRate { whole, part } => {
                *part += gap(draws);
                *whole += part.trunc() as u64;
                *part = part.fract();
                Some(Place::Position(*whole as f64 + *part))
            }
            Law::PoissonCount { left, passed } => {
                *passed += gap(draws) / (*left as f64);
                *left = left.checked_sub(1)?;
                Some(Place::At(seconds(duration.as_secs_f64() * -(-*passed).exp_m1())))
            }
        }
    }
}

fn take(next: &mut u64, of: u64) -> Option<u64> {
    let index = *next;
    *next += u64::from(index < of);
    (index < of).then_some(index)
}

fn gap(draws: &mut impl Rng) -> f64 {
    Exp1.sample(draws)
}

fn seconds(value: f64) -> Duration {
    Duration::from_nanos((value * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn draws(index: u64) -> Draws {
        Seed(7).stream("arrivals", index)
    }

    /// The Kolmogorov-Smirnov statistic times the root of the sample size; 1.63 is passed once in a hundred.
    fn kolmogorov_smirnov(times: &[Duration], law: impl Fn(f64) -> f64) -> f64 {
        let count = times.len() as f64;
        let distance = times.iter().enumerate().fold(0.0_f64, |worst, (index, at)| {
            let share = law(at.as_secs_f64());
            worst.max((share - index as f64 / count).abs()).max(((index as f64 + 1.0) / count - share).abs())
        });
        distance * count.sqrt()
    }

    #[test]
    fn constant_arrivals_are_exact_for_hours() {
        let day = Duration::from_secs(86_400);
        let arrivals = Arrivals::rate(ArrivalLaw::Constant, Rate::constant(20.0), day, draws(0));
        let mut count = 0_u64;
        for (index, at) in arrivals.enumerate() {
            let exact = 50_000_000 * index as u64 + 25_000_000;
            assert!((at.as_nanos() as u64).abs_diff(exact) <= 1, "{index}: {at:?}");
            count += 1;
        }
        assert_eq!(count, 20 * 86_400);
    }

    #[test]
    fn counted_arrivals_are_evenly_spaced_and_as_many_as_asked_for() {
        let times: Vec<Duration> =
            Arrivals::count(ArrivalLaw::Constant, 500, Duration::from_secs(10), draws(0)).collect();
        assert_eq!(times.len(), 500);
        assert_eq!(times[0], Duration::from_millis(10));
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(20)));
    }

    #[test]
    fn at_once_is_everything_at_the_start() {
        let rate = Rate::ramp(0.0, 10.0);
        let calls: Vec<Duration> = Arrivals::rate(ArrivalLaw::AtOnce, rate, MINUTE, draws(0)).collect();
        assert_eq!(calls, vec![Duration::ZERO; 300]);
        let clients: Vec<Duration> = Arrivals::count(ArrivalLaw::AtOnce, 9, MINUTE, draws(0)).collect();
        assert_eq!(clients, vec![Duration::ZERO; 9]);
    }

    #[test]
    fn poisson_arrivals_follow_their_rate_whatever_its_shape() {
        let (at, length) = (Duration::from_secs(20), Duration::from_secs(5));
        for rate in [
            Rate::constant(100.0),
            Rate::ramp(0.0, 200.0),
            Rate::ramp(200.0, 0.0),
            Rate::Steps { from: 20.0, to: 180.0, count: 5 },
            Rate::Spike { base: 50.0, peak: 500.0, at, length },
        ] {
            let times: Vec<Duration> = Arrivals::rate(ArrivalLaw::Poisson, rate, MINUTE, draws(1)).collect();
            let expected = rate.expected(MINUTE);
            assert!((times.len() as f64 - expected).abs() < 3.0 * expected.sqrt(), "{}", times.len());
            let distance = kolmogorov_smirnov(&times, |at| rate.expected_by(at, MINUTE) / expected);
            assert!(distance < 1.63, "{rate:?}: {distance}");
        }
    }

    #[test]
    fn the_gaps_between_poisson_arrivals_are_exponential() {
        let rate = Rate::constant(100.0);
        let times: Vec<Duration> = Arrivals::rate(ArrivalLaw::Poisson, rate, MINUTE, draws(2)).collect();
        let mut gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort();
        let distance = kolmogorov_smirnov(&gaps, |gap| 1.0 - (-100.0 * gap).exp());
        assert!(distance < 1.63, "{distance}");
    }

    #[test]
    fn counted_poisson_arrivals_are_a_sorted_uniform_sample() {
        let times: Vec<Duration> = Arrivals::count(ArrivalLaw::Poisson, 5_000, MINUTE, draws(3)).collect();
        assert_eq!(times.len(), 5_000);
        let distance = kolmogorov_smirnov(&times, |at| at / 60.0);
        assert!(distance < 1.63, "{distance}");
    }

    #[test]
    fn poisson_arrivals_are_not_bunched_on_milliseconds() {
        let times = Arrivals::rate(ArrivalLaw::Poisson, Rate::constant(100.0), MINUTE, draws(4));
        let mut within: Vec<Duration> =
            times.map(|at| Duration::from_nanos(u64::from(at.subsec_nanos()) % 1_000_000)).collect();
        within.sort();
        let distance = kolmogorov_smirnov(&within, |at| at * 1e3);
        assert!(distance < 1.63, "{distance}");
    }

    fn laws() -> impl Strategy<Value = ArrivalLaw> {
        prop_oneof![Just(ArrivalLaw::AtOnce), Just(ArrivalLaw::Constant), Just(ArrivalLaw::Poisson)]
    }

    proptest! {
        #[test]
        fn arrivals_are_in_order_within_the_stage_and_the_same_for_the_same_seed(
            law in laws(),
            from in 0.0..300.0_f64,
            to in 0.0..300.0_f64,
            millis in 1_u64..20_000,
            count in 0_u64..2_000,
            seed in any::<u64>(),
        ) {
            let (rate, duration) = (Rate::ramp(from, to), Duration::from_millis(millis));
            let stream = || Seed(seed).stream("arrivals", 0);
            for arrivals in [
                Arrivals::rate(law, rate, duration, stream()),
                Arrivals::count(law, count, duration, stream()),
            ] {
                let times: Vec<Duration> = arrivals.clone().collect();
                prop_assert!(times.is_sorted());
                prop_assert!(times.iter().all(|&at| at < duration));
                prop_assert_eq!(&times, &arrivals.collect::<Vec<_>>());
            }
            let number = Arrivals::count(law, count, duration, stream()).count() as u64;
            prop_assert_eq!(number, count);
            if law != ArrivalLaw::Poisson {
                let number = Arrivals::rate(law, rate, duration, stream()).count();
                prop_assert_eq!(number as f64, rate.expected(duration).round());
            }
        }

        #[test]
        fn each_constant_arrival_is_due_where_the_integral_reaches_its_middle(
            from in 0.0..300.0_f64, to in 0.0..300.0_f64, millis in 1_000_u64..20_000,
        ) {
            let (rate, duration) = (Rate::ramp(from, to), Duration::from_millis(millis));
            for (index, at) in Arrivals::rate(ArrivalLaw::Constant, rate, duration, draws(0)).enumerate() {
                let reached = rate.expected_by(at.as_secs_f64(), duration);
                prop_assert!((reached - (index as f64 + 0.5)).abs() < 1e-5, "{index}: {reached}");
            }
        }
    }
}
