//! How calls go: the flows of the mix, and what each call draws.

use std::time::Duration;

use rand::RngExt;

use crate::law::{Distribution, Seed};
use crate::scenario::{Callee, Draw, Flow, Side};
use crate::workload::{AttemptNumber, Stage};

/// The shortest pause between two calls of a caller: calls that fail at once must not become a busy loop.
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// When two updates meet, the loser's is sent again after this long (protocol, section 5.11).
const UPDATE_RETRY_SECONDS: std::ops::Range<f64> = 2.0..9.0;

/// How every call goes.
#[derive(Clone, Debug, PartialEq)]
pub struct CallPlan {
    /// The flows that calls follow; at least one, with weights that are finite and above zero.
    pub mix: Vec<FlowShare>,
    /// ICE candidates that each side trickles before the end mark; 0 for neither.
    pub candidates: u32,
    /// The time from one trickled candidate to the next.
    pub candidate_spacing: Duration,
    /// The session descriptions that calls are made with.
    pub sdp: SdpPlan,
    /// The number that callers show on their guest line; their own if there is none.
    pub guest_number: Option<String>,
    /// How long a caller of the closed load pauses before its next call.
    pub pause: Distribution,
}

/// The session descriptions that calls are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdpPlan {
    /// Made up, of about so many bytes.
    Bytes(usize),
    /// One's own.
    Own {
        /// The offer's text.
        offer: String,
        /// The answer's.
        answer: String,
    },
}

/// A flow's share of the calls.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowShare {
    /// The flow.
    pub flow: Flow,
    /// Its weight among all flows of the mix.
    pub weight: f64,
    /// How long a callee lets it ring; where the caller gives up, how long that one does.
    pub ring: Distribution,
    /// How long a call lasts, from the answer to the hang-up.
    pub hold: Distribution,
    /// How long a party thinks between two things that it does in a call.
    pub think: Distribution,
    /// How long a call stays on hold.
    pub on_hold: Distribution,
    /// The share of calls, 0 to 1, that the callee hangs up.
    pub hangup_by_callee: f64,
    /// The share of calls, 0 to 1, in which two requests cross, in flows that know of such a race.
    pub crossing: f64,
    /// What is dialled before the callee's number.
    pub prefix: String,
    /// The number to dial instead of that of a client of the run.
    pub number: Option<String>,
}

impl FlowShare {
    /// Whether its calls go to somebody else's phone.
    pub fn is_foreign(&self) -> bool {
        self.number.is_some() && matches!(self.flow.script().callee(), Callee::Party(_))
    }

    /// How many clients of this run a call needs.
    pub fn clients(&self) -> u32 {
        if self.is_foreign() { 1 } else { self.flow.script().clients() as u32 }
    }

    /// How long a call keeps its clients busy on average.
    pub fn mean_busy(&self) -> Duration {
        self.flow.script().mean_busy(&[
            (crate::scenario::Pause::Ring, self.ring.mean()),
            (crate::scenario::Pause::Hold, self.hold.mean()),
            (crate::scenario::Pause::Think, self.think.mean()),
            (crate::scenario::Pause::OnHold, self.on_hold.mean()),
        ])
    }
}

impl CallPlan {
    /// Whether calls are to find a subscriber of the list who is not signed on.
    pub fn needs_offline(&self) -> bool {
        self.mix.iter().any(|share| share.number.is_none() && share.flow.script().callee() == Callee::Offline)
    }

    /// Whether there are calls of more than one flow.
    pub fn mixes_flows(&self) -> bool {
        self.mix.windows(2).any(|shares| shares[0].flow != shares[1].flow)
    }

    /// How many clients of this run a call needs at the most.
    pub fn parties(&self) -> u32 {
        self.mix.iter().map(FlowShare::clients).max().unwrap_or(1)
    }

    /// What the call with this number in the run draws, and its place in the mix: the same for the same seed, whoever
    /// places it.
    pub fn draw(&self, seed: Seed, attempt: AttemptNumber) -> (usize, Draw) {
        let mut draws = seed.stream("call", attempt);
        // The order of the draws is part of what a seed means; new ones go to the end.
        let place = self.draw_share(draws.random());
        let by_callee = draws.random::<f64>();
        let share = &self.mix[place];
        let ring = share.ring.sample(&mut draws);
        let hold = share.hold.sample(&mut draws);
        let think = share.think.sample(&mut draws);
        let on_hold = share.on_hold.sample(&mut draws);
        let crossing = draws.random::<f64>() < share.crossing;
        // One a side: if both waited the same, their updates would meet again.
        let update_retry =
            Side::BOTH.map(|_| Duration::from_secs_f64(draws.random_range(UPDATE_RETRY_SECONDS)));
        let hangup_by = if by_callee < share.hangup_by_callee { Side::Callee } else { Side::Caller };
        let draw = Draw {
            flow: share.flow,
            ring,
            hold,
            think,
            on_hold,
            hangup_by,
            crossing,
            update_retry,
            candidates: self.candidates,
            candidate_spacing: self.candidate_spacing,
        };
        (place, draw)
    }

    fn draw_share(&self, share: f64) -> usize {
        let total: f64 = self.mix.iter().map(|share| share.weight).sum();
        let mut left = share * total;
        let chosen = self.mix.iter().position(|share| {
            left -= share.weight;
            left < 0.0
        });
        // Rounding may leave a crumb after the last one.
        chosen.unwrap_or(self.mix.len().saturating_sub(1))
    }

    /// How long a caller of the closed load pauses before the call with this number. Drawn apart from what the call
    /// itself draws, so that the two do not depend on each other's order.
    pub fn pause_before(&self, seed: Seed, attempt: AttemptNumber) -> Duration {
        self.pause.sample(&mut seed.stream("pause", attempt)).max(SHORTEST_PAUSE)
    }

    /// How long a caller of the closed load takes on average from one call to the next, at a server that answers at
    /// once.
    fn mean_round(&self) -> Duration {
        self.mean_busy() + self.pause.mean().max(SHORTEST_PAUSE)
    }

    /// How many calls of the closed load are expected in a stage, at a server that answers at once; at others fewer.
    pub fn expected_closed_calls(&self, stage: &Stage) -> f64 {
        f64::from(stage.callers) * stage.duration.as_secs_f64() / self.mean_round().as_secs_f64()
    }

    /// How many callers of a stage's closed load are busy at a time, on average.
    pub fn busy_callers(&self, stage: &Stage) -> f64 {
        self.closed_rate(stage) * self.mean_busy().as_secs_f64()
    }

    /// How many calls the callers of a stage's closed load place in a second, on average.
    pub fn closed_rate(&self, stage: &Stage) -> f64 {
        if stage.callers == 0 {
            0.0
        } else {
            f64::from(stage.callers) / self.mean_round().as_secs_f64().max(1e-3)
        }
    }

    /// How long a call keeps its clients busy on average, over the whole mix.
    pub fn mean_busy(&self) -> Duration {
        self.mean(FlowShare::mean_busy)
    }

    /// How long an answered call is held on average.
    pub fn mean_hold(&self) -> Duration {
        self.mean(|share| share.hold.mean())
    }

    fn mean(&self, of: impl Fn(&FlowShare) -> Duration) -> Duration {
        let total: f64 = self.mix.iter().map(|share| share.weight).sum();
        let sum: f64 = self.mix.iter().map(|share| share.weight * of(share).as_secs_f64()).sum();
        Duration::from_secs_f64(sum / total.max(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> CallPlan {
        let share = |flow, weight| FlowShare {
            flow,
            weight,
            ring: Distribution::Uniform { min: Duration::from_millis(200), max: Duration::from_secs(1) },
            hold: Distribution::Exponential { mean: Duration::from_secs(5) },
            think: Distribution::Fixed(Duration::from_millis(500)),
            on_hold: Distribution::Fixed(Duration::from_secs(2)),
            hangup_by_callee: 0.2,
            crossing: 0.1,
            prefix: String::new(),
            number: None,
        };
        CallPlan {
            mix: vec![share(Flow::Answered, 9.0), share(Flow::Declined, 1.0)],
            candidates: 6,
            candidate_spacing: Duration::from_millis(50),
            sdp: SdpPlan::Bytes(3_000),
            guest_number: None,
            pause: Distribution::Fixed(Duration::from_secs(1)),
        }
    }

    #[test]
    fn a_call_draws_the_same_for_the_same_seed_and_number() {
        let calls = calls();
        assert_eq!(calls.draw(Seed(7), 41), calls.draw(Seed(7), 41));
        assert_ne!(calls.draw(Seed(7), 41), calls.draw(Seed(7), 42));
        assert_ne!(calls.draw(Seed(7), 41), calls.draw(Seed(8), 41));
    }

    #[test]
    fn calls_draw_in_the_shares_that_the_plan_gives() {
        let (calls, count) = (calls(), 20_000);
        let draws: Vec<Draw> = (0..count).map(|number| calls.draw(Seed(7), number).1).collect();
        let share = |which: &dyn Fn(&Draw) -> bool| {
            draws.iter().filter(|draw| which(draw)).count() as f64 / count as f64
        };
        assert!((share(&|draw| draw.flow == Flow::Declined) - 0.1).abs() < 0.01);
        assert!((share(&|draw| draw.hangup_by == Side::Callee) - 0.2).abs() < 0.01);
        assert!((share(&|draw| draw.crossing) - 0.1).abs() < 0.01);
        assert!((share(&|draw| draw.hold < Duration::from_millis(3_466)) - 0.5).abs() < 0.015);
        assert!((share(&|draw| draw.ring < Duration::from_millis(600)) - 0.5).abs() < 0.015);
        for side in Side::BOTH {
            let is_short = |draw: &Draw| draw.update_retry[side as usize] < Duration::from_millis(5_500);
            assert!((share(&is_short) - 0.5).abs() < 0.015);
        }
        assert!(share(&|draw| draw.update_retry[0] == draw.update_retry[1]) < 0.001);
    }

    #[test]
    fn clients_are_busy_for_what_a_flow_lets_pass() {
        let calls = calls();
        assert_eq!(calls.mix[0].mean_busy(), Duration::from_millis(5_600));
        assert_eq!(calls.mix[1].mean_busy(), Duration::from_millis(600));
        assert_eq!(calls.mean_busy(), Duration::from_millis(5_100));
    }
}
