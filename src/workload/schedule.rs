//! The schedule of one worker: all its stages, in the order in which things are due.

use std::time::Duration;

use super::{Arrivals, Pace, Rate, Segment, Stage};
use crate::law::{Draws, Seed};

/// The number of a call among all calls of a run, from 0, in the order in which they are due.
///
/// What a call draws (its flow, its times, who hangs up) comes from `seed.stream("call", number)`, so it does not
/// depend on which worker places it.
pub type AttemptNumber = u64;

/// One thing that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, from the start of the run.
    pub at: Duration,
    /// In which stage: an index into the run's stages.
    pub stage: usize,
    /// What is due.
    pub what: What,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A client signs on.
    SignOn {
        /// The client's number, from 0.
        client: u32,
    },
    /// A client signs off.
    SignOff {
        /// The client's number, from 0.
        client: u32,
    },
    /// A call is placed.
    Call {
        /// The call's number in the whole run.
        attempt: AttemptNumber,
    },
}

/// All that is due in one worker's part of a run, in time order, made as it is asked for.
///
/// At one and the same instant clients come before calls. Clients sign on in the order of their numbers, and the
/// highest number signs off first.
///
/// A run whose pace changes while it goes on is not asked for more than is settled: [`next_by`](Schedule::next_by).
#[derive(Debug)]
pub struct Schedule {
    stages: Vec<Stage>,
    seed: Seed,
    segment: Segment,
    next_attempt: AttemptNumber,
    stage: usize,
    start: Duration,
    pace: Pace,
    current: Option<Current>,
}

/// The stage that is being generated.
#[derive(Debug)]
struct Current {
    clients: Arrivals,
    changed: u32,
    churn: Churn,
    calls: Arrivals,
}

impl Schedule {
    /// The schedule of the part `segment` of the run that these stages make.
    pub fn new(stages: &[Stage], seed: Seed, segment: Segment) -> Schedule {
        let pace = Pace::default();
        let current = stages.first().map(|stage| Current::new(stage, 0, seed, &pace, Duration::ZERO));
        Schedule {
            stages: stages.to_vec(),
            seed,
            segment,
            next_attempt: 0,
            stage: 0,
            start: Duration::ZERO,
            pace,
            current,
        }
    }

    /// The next thing that is due by `horizon`, that included. What is due later stays, and may still move: a change of
    /// pace after a horizon that was asked for changes nothing of what was given.
    pub fn next_by(&mut self, horizon: Duration) -> Option<Due> {
        loop {
            let due = self.next_of_all(horizon)?;
            if self.owns(due.what) {
                return Some(due);
            }
        }
    }

    /// The run has this pace. It may only differ from the one before after every horizon that was asked for.
    pub fn set_pace(&mut self, pace: &Pace) {
        self.pace.clone_from(pace);
        if let Some(current) = &mut self.current {
            current.calls.set_pace(pace, self.start);
        }
    }

    /// What is due next in the whole run, whoever owns it.
    fn next_of_all(&mut self, horizon: Duration) -> Option<Due> {
        loop {
            let stage = self.stages.get(self.stage)?;
            let current = self.current.as_mut()?;
            if let Some(offset) = current.next_at() {
                if self.start + offset > horizon {
                    return None;
                }
                let (offset, what) = current.next(stage, &mut self.next_attempt)?;
                return Some(Due { at: self.start + offset, stage: self.stage, what });
            }
            // As long as the stage goes on a change of pace may bring more.
            if self.start + stage.duration > horizon {
                return None;
            }
            self.start += stage.duration;
            self.stage += 1;
            self.current = self
                .stages
                .get(self.stage)
                .map(|stage| Current::new(stage, self.stage as u64, self.seed, &self.pace, self.start));
        }
    }

    fn owns(&self, what: What) -> bool {
        match what {
            What::SignOn { client } | What::SignOff { client } => self.segment.owns_client(client),
            What::Call { attempt } => self.segment.owns_attempt(attempt),
        }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        self.next_by(Duration::MAX)
    }
}

impl Current {
    fn new(stage: &Stage, index: u64, seed: Seed, pace: &Pace, start: Duration) -> Current {
        let duration = stage.duration;
        let changes = u64::from(stage.client_changes());
        let draws = seed.stream("arrivals.clients", index);
        let clients = Arrivals::count(stage.signon_arrivals, changes, stage.signon_time, draws);
        let draws = seed.stream("arrivals.calls", index);
        let calls = match stage.calls {
            Some(rate) => Arrivals::paced(stage.arrivals, rate, duration, draws, pace, start),
            None => Arrivals::count(stage.arrivals, 0, duration, draws),
        };
        let churn = Churn::new(stage, seed.stream("arrivals.churn", index));
        Current { clients, changed: 0, churn, calls }
    }

    /// When the next thing is due.
    fn next_at(&mut self) -> Option<Duration> {
        let all = [self.clients.peek(), self.churn.next_at(), self.calls.peek()];
        all.into_iter().flatten().min()
    }

    fn next(&mut self, stage: &Stage, next_attempt: &mut AttemptNumber) -> Option<(Duration, What)> {
        let before = |at: Duration, other: Option<Duration>| other.is_none_or(|other| at <= other);
        let (churn, call) = (self.churn.next_at(), self.calls.peek());
        if let Some(at) = self.clients.peek().filter(|&at| before(at, churn) && before(at, call)) {
            self.clients.next();
            let changed = self.changed;
            self.changed += 1;
            let what = if stage.clients_to > stage.clients_from {
                What::SignOn { client: stage.clients_from + changed }
            } else {
                What::SignOff { client: stage.clients_from - 1 - changed }
            };
            return Some((at, what));
        }
        if churn.is_some_and(|at| before(at, call)) {
            return self.churn.next();
        }
        let at = self.calls.next()?;
        let attempt = *next_attempt;
        *next_attempt += 1;
        Some((at, What::Call { attempt }))
    }
}

/// Clients that sign off and on again beside everything else: at each arrival the one that is away comes back, and the
/// next one in turn leaves. At the last arrival none leaves, so that the stage ends with the clients that it promises.
#[derive(Debug)]
struct Churn {
    arrivals: Arrivals,
    clients: u32,
    next: u32,
    away: Option<u32>,
    /// The second of the two things that are due at the same arrival.
    leaving: Option<(Duration, u32)>,
}

impl Churn {
    fn new(stage: &Stage, draws: Draws) -> Churn {
        let clients = stage.churning_clients();
        let rate = Rate::constant(if clients > 0 { stage.churn_per_second } else { 0.0 });
        let mut churn = Churn {
            arrivals: Arrivals::rate(stage.signon_arrivals, rate, stage.duration, draws),
            clients,
            next: 0,
            away: None,
            leaving: None,
        };
        // Nobody comes back at the first arrival.
        let first = churn.arrivals.next();
        if let (Some(at), Some(_)) = (first, churn.arrivals.peek()) {
            churn.leaves(at);
        }
        churn
    }

    fn next_at(&mut self) -> Option<Duration> {
        match self.leaving {
            Some((at, _)) => Some(at),
            None => self.arrivals.peek(),
        }
    }

    fn next(&mut self) -> Option<(Duration, What)> {
        if let Some((at, client)) = self.leaving.take() {
            self.away = Some(client);
            return Some((at, What::SignOff { client }));
        }
        let at = self.arrivals.next()?;
        let client = self.away.take()?;
        if self.arrivals.peek().is_some() {
            self.leaves(at);
        }
        Some((at, What::SignOn { client }))
    }

    fn leaves(&mut self, at: Duration) {
        self.leaving = Some((at, self.next));
        self.next = (self.next + 1) % self.clients;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::ArrivalLaw;

    fn stage(seconds: u64, from: u32, to: u32, arrivals: ArrivalLaw, calls: Option<Rate>) -> Stage {
        let duration = Duration::from_secs(seconds);
        Stage {
            duration,
            clients_from: from,
            clients_to: to,
            signon_arrivals: arrivals,
            signon_time: duration,
            arrivals,
            calls,
            ..Stage::default()
        }
    }

    fn run() -> Vec<Stage> {
        vec![
            stage(10, 0, 101, ArrivalLaw::Constant, None),
            stage(20, 101, 101, ArrivalLaw::Poisson, Some(Rate::constant(50.0))),
            Stage {
                churn_per_second: 7.0,
                ..stage(20, 101, 101, ArrivalLaw::Poisson, Some(Rate::constant(5.0)))
            },
            Stage { churn_per_second: 4.0, ..stage(10, 101, 101, ArrivalLaw::Constant, None) },
            stage(5, 101, 31, ArrivalLaw::Poisson, Some(Rate::ramp(50.0, 0.0))),
            stage(5, 31, 40, ArrivalLaw::AtOnce, Some(Rate::constant(3.0))),
        ]
    }

    #[test]
    fn the_parts_of_all_workers_together_are_exactly_the_whole() {
        let whole: Vec<Due> = Schedule::new(&run(), Seed(7), Segment::WHOLE).collect();
        for of in [2, 3, 8] {
            let mut parts: Vec<Due> = (0..of)
                .flat_map(|index| Schedule::new(&run(), Seed(7), Segment { index, of }).collect::<Vec<_>>())
                .collect();
            assert_eq!(parts.len(), whole.len());
            for due in &whole {
                let found = parts.iter().position(|part| part == due).expect("due in one of the parts");
                parts.swap_remove(found);
            }
        }
    }

    #[test]
    fn things_are_due_in_order_and_calls_are_numbered_through() {
        let due: Vec<Due> = Schedule::new(&run(), Seed(7), Segment::WHOLE).collect();
        assert!(due.is_sorted_by_key(|due| (due.at, due.stage)));
        let attempts: Vec<u64> = due
            .iter()
            .filter_map(|due| if let What::Call { attempt } = due.what { Some(attempt) } else { None })
            .collect();
        assert_eq!(attempts, (0..attempts.len() as u64).collect::<Vec<_>>());
        assert!(attempts.len() > 1_000);
    }

    #[test]
    fn every_stage_ends_with_the_clients_that_it_promises() {
        let mut signed_on = std::collections::BTreeSet::new();
        let mut after = [0; 6];
        for due in Schedule::new(&run(), Seed(7), Segment::WHOLE) {
            match due.what {
                What::SignOn { client } => assert!(signed_on.insert(client)),
                What::SignOff { client } => assert!(signed_on.remove(&client)),
                What::Call { .. } => {}
            }
            after[due.stage] = signed_on.len();
        }
        assert_eq!(after, [101, 101, 101, 101, 31, 40]);
        assert_eq!(signed_on.last(), Some(&39));
    }

    #[test]
    fn churn_lets_one_client_after_the_other_leave_and_come_back() {
        let stage = Stage { churn_per_second: 4.0, ..stage(10, 9, 9, ArrivalLaw::Constant, None) };
        let due: Vec<Due> = Schedule::new(&[stage], Seed(7), Segment::WHOLE).collect();
        let (mut away, mut left) = (Vec::new(), Vec::new());
        for due in &due {
            match due.what {
                What::SignOff { client } => {
                    away.push(client);
                    left.push(client);
                }
                What::SignOn { client } => assert_eq!(away.pop(), Some(client)),
                What::Call { .. } => unreachable!("no calls"),
            }
            assert!(away.len() <= 1);
        }
        assert!(away.is_empty());
        // 40 arrivals: at the first nobody comes back, at the last nobody leaves.
        assert_eq!(left, (0..39).map(|index| index % 9).collect::<Vec<u32>>());
        let gap = |pair: &[Due]| pair[1].at - pair[0].at;
        assert!(due.windows(2).all(|pair| gap(pair).is_zero() || gap(pair) == Duration::from_millis(250)));
        // One arrival is not enough to leave and come back.
        let stage = Stage { churn_per_second: 0.1, ..stage_of_one() };
        assert_eq!(Schedule::new(&[stage], Seed(7), Segment::WHOLE).count(), 0);
    }

    fn stage_of_one() -> Stage {
        stage(10, 1, 1, ArrivalLaw::Constant, None)
    }

    #[test]
    fn sign_ons_at_a_rate_are_done_before_their_stage_is() {
        let stage = Stage {
            signon_time: Duration::from_secs(2),
            arrivals: ArrivalLaw::Poisson,
            ..stage(10, 0, 100, ArrivalLaw::Constant, Some(Rate::constant(3.0)))
        };
        let due: Vec<Due> = Schedule::new(&[stage], Seed(7), Segment::WHOLE).collect();
        let signons: Vec<Duration> =
            due.iter().filter(|due| matches!(due.what, What::SignOn { .. })).map(|due| due.at).collect();
        assert_eq!((signons.len(), signons[0]), (100, Duration::from_millis(10)));
        assert!(signons.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(20)));
        assert!(due.iter().any(|due| due.at > Duration::from_secs(8)));
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another() {
        let due = |seed| Schedule::new(&run(), Seed(seed), Segment::WHOLE).collect::<Vec<_>>();
        assert_eq!(due(7), due(7));
        assert_ne!(due(7), due(8));
    }

    #[test]
    fn a_schedule_of_weeks_starts_at_once() {
        let week = stage(7 * 86_400, 0, 0, ArrivalLaw::Poisson, Some(Rate::constant(1_000.0)));
        let first = Schedule::new(&[week], Seed(7), Segment::WHOLE).next().expect("a call");
        assert!(first.at < Duration::from_secs(1));
        assert_eq!(Schedule::new(&[], Seed(7), Segment::WHOLE).next(), None);
    }
}
