//! Stages, rates, and the part of a run that one worker does.

use std::time::Duration;

use super::AttemptNumber;

/// The law by which sign-ons and calls arrive within a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrivalLaw {
    /// All at the stage's start.
    AtOnce,
    /// Evenly: each arrival at the middle of its share of the stage.
    Constant,
    /// At random, independently of each other: the law of calls in a real network.
    Poisson,
}

impl ArrivalLaw {
    /// The name in profiles and records.
    pub const fn name(self) -> &'static str {
        match self {
            ArrivalLaw::AtOnce => "at_once",
            ArrivalLaw::Constant => "constant",
            ArrivalLaw::Poisson => "poisson",
        }
    }
}

/// A rate of arrivals per second that changes linearly over a stage; constant when both ends are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Arrivals per second at the stage's start.
    pub from: f64,
    /// Arrivals per second at the stage's end.
    pub to: f64,
}

impl Rate {
    /// The same rate from start to end, per second.
    pub const fn constant(per_second: f64) -> Rate {
        Rate { from: per_second, to: per_second }
    }

    /// The higher of the two ends, per second.
    pub fn peak(self) -> f64 {
        self.from.max(self.to)
    }

    /// The rate's integral over a whole stage of this length: how many arrivals are expected in it.
    pub fn expected(self, duration: Duration) -> f64 {
        (self.from + self.to) / 2.0 * duration.as_secs_f64()
    }

    /// The rate's integral over the first `seconds` of a stage of this length.
    pub fn expected_by(self, seconds: f64, duration: Duration) -> f64 {
        let slope = (self.to - self.from) / duration.as_secs_f64();
        seconds * (self.from + slope * seconds / 2.0)
    }

    /// When, in seconds after the stage's start, the rate's integral reaches `arrivals`: the exact inverse of
    /// [`Rate::expected_by`].
    ///
    /// Solving the quadratic for its reciprocal root keeps full precision as the slope goes to zero, so that the
    /// constant rate needs no case of its own.
    pub fn reached(self, arrivals: f64, duration: Duration) -> f64 {
        let slope = (self.to - self.from) / duration.as_secs_f64();
        let root = (self.from * self.from + 2.0 * slope * arrivals).max(0.0).sqrt();
        let sum = self.from + root;
        if sum > 0.0 { 2.0 * arrivals / sum } else { 0.0 }
    }
}

/// A stretch of the run with its own load. Every default is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The name that reports use.
    pub name: String,
    /// How long the stage lasts.
    pub duration: Duration,
    /// How many clients are to be signed on when the stage starts.
    pub clients_from: u32,
    /// How many clients are to be signed on when the stage ends.
    pub clients_to: u32,
    /// The law of sign-ons, sign-offs and calls in this stage.
    pub arrivals: ArrivalLaw,
    /// Calls due per second; `None` when the stage has no calls.
    pub calls: Option<Rate>,
}

impl Stage {
    /// How many clients sign on or off in this stage.
    pub const fn client_changes(&self) -> u32 {
        self.clients_from.abs_diff(self.clients_to)
    }

    /// The largest number of clients that are to be signed on at any time of the stage.
    pub fn peak_clients(&self) -> u32 {
        self.clients_from.max(self.clients_to)
    }

    /// How many calls are expected in this stage: exact to the nearest whole for `at_once` and `constant`, the
    /// mean for `poisson`.
    pub fn expected_calls(&self) -> f64 {
        self.calls.map_or(0.0, |rate| rate.expected(self.duration))
    }
}

/// The part of a run that one worker does: number `index` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which part, from 0.
    pub index: usize,
    /// Of how many parts.
    pub of: usize,
}

impl Segment {
    /// The only part: everything.
    pub const WHOLE: Segment = Segment { index: 0, of: 1 };

    /// Whether this part drives the client. Clients 2n and 2n + 1 may call each other, so both are in one part.
    pub const fn owns_client(self, client: u32) -> bool {
        (client / 2) as usize % self.of == self.index
    }

    /// Whether this part places the call: calls go round the parts in turn.
    pub const fn owns_attempt(self, attempt: AttemptNumber) -> bool {
        attempt % self.of as u64 == self.index as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_time_at_which_an_integral_is_reached_is_the_integrals_exact_inverse(
            from in 0.0..5_000.0_f64,
            to in 0.0..5_000.0_f64,
            seconds in 1_u64..100_000,
            share in 0.0..1.0_f64,
        ) {
            let (rate, duration) = (Rate { from, to }, Duration::from_secs(seconds));
            let arrivals = rate.expected(duration) * share;
            let at = rate.reached(arrivals, duration);
            prop_assert!((0.0..=seconds as f64 * (1.0 + 1e-9)).contains(&at));
            let back = rate.expected_by(at, duration);
            prop_assert!((back - arrivals).abs() <= 1e-9 * rate.expected(duration).max(1.0), "{back} {arrivals}");
        }

        #[test]
        fn the_integral_over_a_whole_stage_is_its_mean_rate_times_its_length(
            from in 0.0..5_000.0_f64, to in 0.0..5_000.0_f64, seconds in 1_u64..100_000,
        ) {
            let (rate, duration) = (Rate { from, to }, Duration::from_secs(seconds));
            let whole = rate.expected_by(seconds as f64, duration);
            prop_assert!((whole - rate.expected(duration)).abs() <= 1e-9 * whole.max(1.0));
        }
    }

    #[test]
    fn a_pair_of_clients_stays_in_one_part_and_every_client_is_in_exactly_one() {
        for of in 1..5 {
            for client in 0..100 {
                let owners: Vec<usize> =
                    (0..of).filter(|&index| Segment { index, of }.owns_client(client)).collect();
                assert_eq!(owners, [(client as usize / 2) % of]);
            }
        }
    }
}
