//! A server that stands still at set times.

use std::time::Duration;

use super::Time;

/// How a server stands still: for `length` at the end of every `every`, counted from its start.
///
/// ```
/// use std::time::Duration;
/// use wtsp_load::law::{Freeze, Time};
///
/// let freeze = Freeze::new(Duration::from_secs(10), Duration::from_secs(1)).unwrap();
/// let at = |millis| Time::ZERO + Duration::from_millis(millis);
/// assert_eq!(freeze.at(at(4_000)), None);
/// assert_eq!(freeze.at(at(9_500)), Some(at(10_000)));
/// assert_eq!(freeze.next(at(4_000)), at(9_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    every: Duration,
    length: Duration,
}

/// Why a freeze cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// It would last no time.
    #[error("the length of a freeze must be above zero")]
    Zero,
    /// There would be no time between two of them.
    #[error("the length of a freeze must be shorter than the time from one to the next")]
    Always,
}

impl Freeze {
    /// A freeze of `length` at the end of every `every`.
    ///
    /// # Errors
    /// [`FreezeError`].
    pub fn new(every: Duration, length: Duration) -> Result<Freeze, FreezeError> {
        if length.is_zero() {
            return Err(FreezeError::Zero);
        }
        if length >= every {
            return Err(FreezeError::Always);
        }
        Ok(Freeze { every, length })
    }

    /// From the beginning of one to that of the next.
    pub const fn every(self) -> Duration {
        self.every
    }

    /// How long one lasts.
    pub const fn length(self) -> Duration {
        self.length
    }

    /// The end of the freeze that `now` is in, if it is in one.
    pub fn at(self, now: Time) -> Option<Time> {
        let end = self.end_of_period(now);
        (now >= end - self.length).then_some(end)
    }

    /// When the freeze that `now` is in began, or else the next one begins.
    pub fn next(self, now: Time) -> Time {
        self.end_of_period(now) - self.length
    }

    fn end_of_period(self, now: Time) -> Time {
        let every = self.every.as_nanos();
        let end = (u128::from(now.as_nanos()) / every + 1) * every;
        Time::from_nanos(u64::try_from(end).unwrap_or(u64::MAX))
    }

    /// The wait of a request that comes in when a part `phase`, 0 to 1, of a period has passed.
    pub fn wait(self, phase: f64) -> Duration {
        let left = self.every.mul_f64((1.0 - phase).clamp(0.0, 1.0));
        if left > self.length { Duration::ZERO } else { left }
    }

    /// The wait that a part `quantile` of requests do not exceed, which come in evenly over whole periods: none for
    /// those outside of the freezes, and evenly from nothing to the freeze's length for those within.
    pub fn wait_quantile(self, quantile: f64) -> Duration {
        let free = (self.every - self.length).as_secs_f64() / self.every.as_secs_f64();
        if quantile <= free {
            return Duration::ZERO;
        }
        self.length.mul_f64(((quantile - free) / (1.0 - free)).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_at_the_end_of_every_period() {
        let freeze = Freeze::new(Duration::from_secs(10), Duration::from_secs(1)).unwrap();
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        assert_eq!(freeze.at(Time::ZERO), None);
        assert_eq!(freeze.at(at(9_000)), Some(at(10_000)));
        assert_eq!(freeze.at(at(10_000)), None);
        assert_eq!(freeze.at(at(39_999)), Some(at(40_000)));
        assert_eq!((freeze.next(at(9_500)), freeze.next(at(10_000))), (at(9_000), at(19_000)));
    }

    #[test]
    fn the_formula_agrees_with_requests_that_come_in_evenly() {
        let freeze = Freeze::new(Duration::from_secs(10), Duration::from_secs(1)).unwrap();
        let mut waits: Vec<Duration> = (0..10_000).map(|n| freeze.wait(f64::from(n) / 10_000.0)).collect();
        waits.sort();
        for (quantile, place) in [(0.5, 5_000), (0.9, 9_000), (0.95, 9_500), (0.99, 9_900), (0.999, 9_990)] {
            let off = waits[place].as_secs_f64() - freeze.wait_quantile(quantile).as_secs_f64();
            assert!(off.abs() < 0.002, "{quantile}: {off}");
        }
    }

    #[test]
    fn a_freeze_without_end_is_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Freeze::new(second, second), Err(FreezeError::Always));
        assert_eq!(Freeze::new(second, Duration::ZERO), Err(FreezeError::Zero));
    }
}
