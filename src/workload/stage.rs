//! Stages, and the part of a run that one worker does.

use std::time::Duration;

use super::pace::Paced;
use super::{AttemptNumber, Pace, Rate};

/// The law by which sign-ons and calls arrive within a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ArrivalLaw {
    /// All at the stage's start.
    AtOnce,
    /// Evenly: each arrival at the middle of its share of the stage.
    #[default]
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

/// How clients sign off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignOff {
    /// They close the WebSocket with 1000.
    #[default]
    Close,
    /// They drop the TCP connection without a word, as a phone does that loses its network.
    Drop,
}

impl SignOff {
    /// The name in profiles and records.
    pub const fn name(self) -> &'static str {
        match self {
            SignOff::Close => "close",
            SignOff::Drop => "drop",
        }
    }
}

/// A stretch of the run with its own load. Every default is filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// The name that reports use.
    pub name: String,
    /// How long the stage lasts.
    pub duration: Duration,
    /// How many clients are to be signed on when the stage starts.
    pub clients_from: u32,
    /// How many clients are to be signed on when the stage ends.
    pub clients_to: u32,
    /// The law of sign-ons and sign-offs in this stage, churn included.
    pub signon_arrivals: ArrivalLaw,
    /// The time, from the stage's start, over which the sign-ons or sign-offs that change the number of clients are
    /// spread; at most the stage's length.
    pub signon_time: Duration,
    /// How many clients a second sign off and on again; nought for none.
    pub churn_per_second: f64,
    /// How clients sign off that do so in this stage.
    pub sign_off: SignOff,
    /// The law of calls in this stage.
    pub arrivals: ArrivalLaw,
    /// Calls due per second; `None` when the stage has none that are due at a rate.
    pub calls: Option<Rate>,
    /// Callers that place one call after the other, beside the calls that are due at a rate.
    pub callers: u32,
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

    /// How many clients take part in churn: those that are signed on from the stage's start to its end.
    pub fn churning_clients(&self) -> u32 {
        self.clients_from.min(self.clients_to)
    }

    /// How many sign-ons are expected that churn makes. A client that signs off signs on at the next arrival, so there is
    /// one fewer than arrivals.
    pub fn expected_churn(&self) -> f64 {
        (self.churn_per_second * self.duration.as_secs_f64() - 1.0).max(0.0)
    }

    /// Whether the stage has calls of whatever kind.
    pub const fn has_calls(&self) -> bool {
        self.calls.is_some() || self.callers > 0
    }

    /// How many calls are wanted in the first `time` of this stage, which begins at `start` of the run, at the run's pace.
    /// Those of callers are not among them: they come as the server lets them.
    pub fn wanted_calls(&self, start: Duration, time: Duration, pace: &Pace) -> f64 {
        let Some(rate) = self.calls else { return 0.0 };
        let mut paced = Paced::planned(rate, self.duration);
        paced.set(pace, start);
        match self.arrivals {
            ArrivalLaw::AtOnce => {
                let burst = paced.burst().filter(|(begins, _)| *begins < time);
                burst.map_or(0.0, |(_, calls)| calls as f64)
            }
            ArrivalLaw::Constant | ArrivalLaw::Poisson => paced.expected_by(time),
        }
    }

    /// How many sign-ons are wanted in the first `time` of this stage, those of churn on average. They have no pace.
    pub fn wanted_signons(&self, time: Duration) -> f64 {
        let part = match self.signon_arrivals {
            _ if time.is_zero() => 0.0,
            ArrivalLaw::AtOnce => 1.0,
            _ if time >= self.signon_time => 1.0,
            _ => time.as_secs_f64() / self.signon_time.as_secs_f64(),
        };
        let up = f64::from(self.clients_to.saturating_sub(self.clients_from));
        up * part + (self.churn_per_second * time.as_secs_f64() - 1.0).max(0.0)
    }

    /// How many calls are expected to be due at a rate in this stage: exact to the nearest whole for `at_once` and
    /// `constant`, the mean for `poisson`.
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

    /// Whether this part has the caller: callers go round the parts as pairs of clients do.
    pub const fn owns_caller(self, caller: u32) -> bool {
        caller as usize % self.of == self.index
    }

    /// Whether this part places the call: calls go round the parts in turn.
    pub const fn owns_attempt(self, attempt: AttemptNumber) -> bool {
        attempt % self.of as u64 == self.index as u64
    }
}

/// The index of the stage that goes on at `at` from the start; `None` after the last one.
pub fn stage_at(stages: &[Stage], at: Duration) -> Option<usize> {
    let mut ends = Duration::ZERO;
    stages.iter().position(|stage| {
        ends += stage.duration;
        at < ends
    })
}

/// The stages, each with how much of it has passed by `at` from the start.
pub fn passed(stages: &[Stage], at: Duration) -> impl Iterator<Item = (&Stage, Duration)> {
    let mut left = at;
    stages.iter().map(move |stage| {
        let time = left.min(stage.duration);
        left -= time;
        (stage, time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
