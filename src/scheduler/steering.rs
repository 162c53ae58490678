//! Changing a run by hand while it goes on: pause, another rate, drain, leave.
//!
//! All workers must take up a change at the same instant of the schedule, however late each of them looks. So none
//! follows its schedule further than a horizon that it has told here, and a change takes effect after all that were
//! told. The schedule stays a function of plan, seed and the changes, which the record has.
//!
//! A worker tells its horizon and then reads the number of the change, and a change raises that number and then reads the
//! horizon: so it either has the one or is seen by the other, without a lock. Only where the number is another one the
//! worker takes the lock, for what has changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::stop::{Stop, Urgency};
use crate::law::Time;
use crate::record::{Change, ChangeKind};
use crate::transport::Clock;
use crate::workload::Pace;

/// How far ahead a worker looks. As far ahead a change takes effect.
const AHEAD: Duration = Duration::from_millis(250);
/// With less than this before it a worker looks again in whichever turn it has. It has one every 100 ms.
const ENOUGH: Duration = Duration::from_millis(200);
/// With less than this before it a worker that sleeps wakes up to look.
const SOON: Duration = Duration::from_millis(100);
/// After this long it looks again, where a change was just being made.
const RETRY: Duration = Duration::from_millis(1);

/// The steps in which the rate changes, in percent of the plan's; also the lowest rate.
const STEP: u32 = 10;
/// The highest rate, in percent of the plan's.
const HIGHEST: u32 = 1_000;

/// How many wishes are kept that come before a run begins: somebody leans on a key, in the tenth of a second for which the
/// view is there and the load is not.
const MOST_EARLY: usize = 64;

/// Changes a run while it goes on. Clones change the same run.
#[derive(Clone, Debug, Default)]
pub struct Steering {
    stop: Stop,
    state: Arc<Mutex<State>>,
    told: Arc<Told>,
}

/// What workers and those who change the run tell each other.
#[derive(Debug, Default)]
struct Told {
    /// The furthest that any worker may have followed the schedule, in microseconds from the start of the run.
    horizon: AtomicU64,
    /// The number of the latest change of the pace.
    version: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// The run's clock, and when on it the first stage starts.
    begun: Option<(Clock, Time)>,
    /// How long the plan is.
    duration: Duration,
    pace: Pace,
    percent: u32,
    is_paused: bool,
    /// What was changed and has not been taken yet.
    changes: Vec<Change>,
    /// What was wished before it began.
    early: Vec<Wish>,
}

impl Default for State {
    fn default() -> Self {
        State {
            begun: None,
            duration: Duration::ZERO,
            pace: Pace::default(),
            percent: 100,
            is_paused: false,
            changes: Vec::new(),
            early: Vec::new(),
        }
    }
}

/// What is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No more calls, or calls again.
    Pause,
    /// A tenth of the plan's rate more.
    Faster,
    /// A tenth of the plan's rate less.
    Slower,
    /// No new attempts; hang up, sign off, record. What was measured is judged, as if the plan ended here.
    Drain,
    /// What the second request to stop does, whether there was a first one or not.
    Leave,
}

impl Steering {
    /// Steers a run that `stop` stops.
    pub fn new(stop: Stop) -> Steering {
        Steering { stop, ..Steering::default() }
    }

    /// What stops the run.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The rate in percent of the plan's, and whether the run is paused.
    pub fn pace(&self) -> (u32, bool) {
        let state = self.lock();
        (state.percent, state.is_paused)
    }

    /// Changes the run, unless it has come to the end of its plan, or is being stopped already (then it can still be left).
    /// Gives what has changed: a pace from the instant in it on, the rest at once. Before it begins nothing has, and the
    /// wish is kept until then.
    pub fn wish(&self, wish: Wish) -> Option<Change> {
        let mut state = self.lock();
        let Some((clock, start)) = state.begun else {
            if state.early.len() < MOST_EARLY {
                state.early.push(wish);
            }
            return None;
        };
        let now = clock.now().since(start);
        let is_running = self.stop.urgency() == Urgency::Run;
        let (kind, at) = match wish {
            // Meant, and no interruption: what was measured is judged. After the plan's end there is nothing to cut short.
            Wish::Drain if is_running && now < state.duration && self.stop.abort() => {
                (ChangeKind::Drain, now)
            }
            Wish::Leave if self.stop.urgency() != Urgency::Leave => {
                while self.stop.request() != Urgency::Leave {}
                (ChangeKind::Leave, now)
            }
            Wish::Pause | Wish::Faster | Wish::Slower if is_running => {
                self.told.version.fetch_add(1, Ordering::SeqCst);
                let horizon = self.told.horizon.load(Ordering::SeqCst);
                // In whole microseconds, as the record has it, and later than what any worker has done.
                let at = Duration::from_micros(horizon.max(now.as_micros() as u64) + 1);
                (state.set(wish, at)?, at)
            }
            _ => return None,
        };
        let factor = match kind {
            ChangeKind::Drain | ChangeKind::Leave => {
                // What was to come after this does not take effect any more.
                state.changes.retain(|change| change.at_us <= at.as_micros() as u64);
                None
            }
            _ => Some(state.factor()),
        };
        let change = Change { at_us: at.as_micros() as u64, what: kind, factor };
        state.changes.push(change);
        Some(change)
    }

    /// The first stage of the run starts at `start`; its plan takes so long.
    pub(super) fn begin(&self, clock: Clock, start: Time, duration: Duration) {
        let mut state = self.lock();
        state.begun = Some((clock, start));
        state.duration = duration;
        let early = std::mem::take(&mut state.early);
        drop(state);
        for wish in early {
            self.wish(wish);
        }
    }

    /// What took effect by `until` of the run and was not taken before: what is to come may still not come.
    pub(super) fn take_changes(&self, until: Duration) -> Vec<Change> {
        self.lock().changes.extract_if(.., |change| change.at_us <= until.as_micros() as u64).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Changes the pace at `at`, if there is something to change.
    fn set(&mut self, wish: Wish, at: Duration) -> Option<ChangeKind> {
        if at >= self.duration {
            return None;
        }
        let kind = match wish {
            Wish::Pause if self.is_paused => ChangeKind::Resume,
            Wish::Pause => ChangeKind::Pause,
            Wish::Faster if self.percent < HIGHEST => {
                self.percent += STEP;
                ChangeKind::Rate
            }
            Wish::Slower if self.percent > STEP => {
                self.percent -= STEP;
                ChangeKind::Rate
            }
            _ => return None,
        };
        match kind {
            ChangeKind::Pause => self.is_paused = true,
            ChangeKind::Resume => self.is_paused = false,
            _ => {}
        }
        let factor = self.factor();
        self.pace.change(at, factor);
        Some(kind)
    }

    /// The factor that is in force once all changes are.
    fn factor(&self) -> f64 {
        if self.is_paused { 0.0 } else { f64::from(self.percent) / 100.0 }
    }
}

/// How far a worker may follow its schedule, and at which pace.
#[derive(Debug, Default)]
pub(super) struct Lookahead {
    horizon: Duration,
    version: u64,
    pace: Pace,
    /// Before this it does not look again.
    retry: Duration,
}

impl Lookahead {
    /// Until when the schedule stands.
    pub fn horizon(&self) -> Duration {
        self.horizon
    }

    /// The pace, as far as it is known.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// When to look again, at the latest: long before the horizon, so that what is due after it is known in time.
    pub fn latest(&self) -> Duration {
        self.horizon.saturating_sub(SOON).max(self.retry)
    }

    /// Looks further ahead than `now` where that is due, about ten times a second; tells whether the pace has changed.
    /// Never waits: where it has changed and somebody holds the lock this moment, there is time to look again.
    pub fn look(&mut self, steering: &Steering, now: Duration) -> bool {
        if self.horizon >= now + ENOUGH || now < self.retry {
            return false;
        }
        let horizon = (now + AHEAD).as_micros() as u64;
        steering.told.horizon.fetch_max(horizon, Ordering::SeqCst);
        let has_changed = steering.told.version.load(Ordering::SeqCst) != self.version;
        if has_changed {
            let state = match steering.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(state)) => state.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    self.retry = now + RETRY;
                    return false;
                }
            };
            self.version = steering.told.version.load(Ordering::SeqCst);
            self.pace.clone_from(&state.pace);
        }
        self.horizon = Duration::from_micros(horizon);
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Steering {
        let (steering, clock) = (Steering::default(), Clock::start());
        steering.begin(clock, clock.now(), Duration::from_secs(3_600));
        steering
    }

    #[test]
    fn a_change_takes_effect_after_whatever_a_worker_has_done() {
        let steering = begun();
        // One of them is far ahead, as if the other had stood still.
        let (mut late, mut early) = (Lookahead::default(), Lookahead::default());
        let hour = Duration::from_secs(600);
        assert!(!late.look(&steering, Duration::ZERO) && !early.look(&steering, hour));
        let change = steering.wish(Wish::Faster).expect("a change");
        let at = Duration::from_micros(change.at_us);
        assert!(at > early.horizon() && early.horizon() == hour + AHEAD);
        assert_eq!((change.what, change.factor), (ChangeKind::Rate, Some(1.1)));
        for look in [&mut late, &mut early] {
            let now = look.horizon();
            assert!(look.look(&steering, now));
            assert_eq!(look.pace().factor(at), 1.1);
            assert_eq!(look.pace().factor(at - Duration::from_nanos(1)), 1.0);
            assert!(!look.look(&steering, now + Duration::from_secs(1)), "there is nothing new");
        }
    }

    #[test]
    fn a_lock_that_is_held_makes_nothing_late() {
        let steering = begun();
        let mut lookahead = Lookahead::default();
        let mut now = Duration::ZERO;
        lookahead.look(&steering, now);
        let held = steering.lock();
        // As long as nothing changes nobody needs it. A worker that sleeps until it has to look knows 100 ms before.
        for _ in 0..100 {
            now = lookahead.latest();
            assert!(lookahead.horizon() >= now + SOON);
            assert!(!lookahead.look(&steering, now));
            assert_eq!(lookahead.horizon(), now + AHEAD);
        }
        drop(held);
        steering.wish(Wish::Slower).expect("a change");
        let held = steering.lock();
        let stands = lookahead.horizon();
        now = lookahead.latest();
        for _ in 0..50 {
            assert!(!lookahead.look(&steering, now));
            assert_eq!(lookahead.horizon(), stands, "what has changed is not known yet");
            assert_eq!(lookahead.latest(), now + RETRY, "it looks again at once");
            now = lookahead.latest();
        }
        drop(held);
        assert!(lookahead.look(&steering, now), "the change is taken up");
        assert!(now < stands, "and long before the horizon that stood");
        assert_eq!(lookahead.pace().factor(Duration::from_secs(3_000)), 0.9);
    }

    #[test]
    fn of_a_change_and_a_worker_that_looks_one_sees_the_other() {
        for _ in 0..200 {
            let (steering, clock) = (Steering::default(), Clock::start());
            steering.begin(clock, clock.now(), Duration::from_secs(1 << 40));
            let changing = steering.clone();
            let change = std::thread::spawn(move || changing.wish(Wish::Faster));
            let (mut lookahead, mut now) = (Lookahead::default(), Duration::from_secs(60));
            let mut stood = Duration::ZERO;
            let at = loop {
                if lookahead.look(&steering, now) {
                    let change = change.join().ok().flatten().expect("a change");
                    break Duration::from_micros(change.at_us);
                }
                stood = lookahead.horizon();
                now = lookahead.latest();
            };
            assert!(at > stood, "{at:?} is within what was settled, {stood:?}");
            assert_eq!(lookahead.pace().factor(at), 1.1);
        }
    }

    #[test]
    fn a_pause_keeps_the_rate_and_rates_have_bounds() {
        let steering = begun();
        assert_eq!(steering.wish(Wish::Slower).and_then(|change| change.factor), Some(0.9));
        assert_eq!(steering.wish(Wish::Pause).map(|change| change.what), Some(ChangeKind::Pause));
        assert_eq!(steering.wish(Wish::Slower).and_then(|change| change.factor), Some(0.0));
        assert_eq!(steering.pace(), (80, true));
        let resumed = steering.wish(Wish::Pause).expect("a change");
        assert_eq!((resumed.what, resumed.factor), (ChangeKind::Resume, Some(0.8)));
        let slower = std::iter::from_fn(|| steering.wish(Wish::Slower)).count();
        assert_eq!((slower, steering.pace()), (7, (10, false)));
        let faster = std::iter::from_fn(|| steering.wish(Wish::Faster)).last();
        assert_eq!(faster.and_then(|change| change.factor), Some(10.0));
        let changes = steering.take_changes(Duration::MAX);
        assert!(changes.is_sorted_by_key(|change| change.at_us) && changes.len() > 100);
        assert!(steering.take_changes(Duration::MAX).is_empty());
    }

    #[test]
    fn a_run_that_is_stopping_can_only_be_left() {
        let steering = begun();
        assert_eq!(steering.wish(Wish::Drain).map(|change| change.what), Some(ChangeKind::Drain));
        for wish in [Wish::Drain, Wish::Pause, Wish::Faster, Wish::Slower] {
            assert_eq!(steering.wish(wish), None);
        }
        assert_eq!(steering.wish(Wish::Leave).map(|change| change.what), Some(ChangeKind::Leave));
        assert_eq!(steering.wish(Wish::Leave), None);
        assert_eq!(steering.stop().urgency(), Urgency::Leave);
    }

    #[test]
    fn what_is_wished_before_a_run_begins_comes_with_it() {
        let (steering, clock) = (Steering::default(), Clock::start());
        for wish in [Wish::Slower, Wish::Leave] {
            assert_eq!(steering.wish(wish), None);
        }
        assert_eq!((steering.pace(), steering.stop().urgency()), ((100, false), Urgency::Run));
        steering.begin(clock, clock.now() + Duration::from_secs(60), Duration::from_secs(3_600));
        assert_eq!(steering.stop().urgency(), Urgency::Leave);
        let kinds: Vec<ChangeKind> = steering.take_changes(Duration::MAX).iter().map(|it| it.what).collect();
        assert_eq!(kinds, [ChangeKind::Leave], "the slower pace came to nothing");
    }

    #[test]
    fn what_has_not_begun_or_is_over_cannot_be_changed() {
        let steering = Steering::default();
        assert_eq!(steering.wish(Wish::Faster), None);
        let clock = Clock::start();
        steering.begin(clock, clock.now(), Duration::ZERO);
        assert_eq!(steering.wish(Wish::Faster), None);
        assert_eq!(steering.pace(), (100, false));
        assert_eq!(steering.wish(Wish::Drain), None, "it is over already");
        assert_eq!(steering.stop().urgency(), Urgency::Run);
        assert!(steering.wish(Wish::Leave).is_some(), "it can still be left");
    }

    #[test]
    fn a_change_that_did_not_take_effect_before_the_end_is_none() {
        let steering = begun();
        Lookahead::default().look(&steering, Duration::from_secs(60));
        let faster = steering.wish(Wish::Faster).expect("a change");
        assert!(steering.take_changes(Duration::from_secs(60)).is_empty(), "it has not taken effect");
        let drained = steering.wish(Wish::Drain).expect("a change");
        assert!(drained.at_us < faster.at_us);
        assert_eq!(steering.take_changes(Duration::MAX), [drained]);
        let left = steering.wish(Wish::Leave).expect("a change");
        assert_eq!(steering.take_changes(Duration::MAX), [left], "it is there after the last second, too");
    }
}
