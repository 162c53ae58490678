//! One instant of a run.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// An instant of a run: nanoseconds on the monotonic clock since the run's clock was started.
///
/// Everything that is handed a time is handed this, so that nothing but the transport reads a clock.
/// Additions saturate: a server's absurd interval must not overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of the run's clock.
    pub const ZERO: Time = Time(0);
    /// Later than any instant of any run.
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `nanos` nanoseconds after the clock was started.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the clock was started.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this instant; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The latest instant until this one that is a whole multiple of `grid` after the clock's start.
    pub const fn rounded_down_to(self, grid: Duration) -> Time {
        let grid = grid.as_nanos() as u64;
        if grid == 0 { self } else { Time(self.0 - self.0 % grid) }
    }

    /// Whole microseconds from `earlier` to this instant; zero if `earlier` is the later one.
    pub const fn micros_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, by: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl From<Duration> for Time {
    fn from(since_start: Duration) -> Time {
        Time::ZERO + since_start
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_saturate_instead_of_overflowing() {
        assert_eq!(Time::from_nanos(1) + Duration::MAX, Time::NEVER);
        assert_eq!(Time::from_nanos(1) - Duration::from_secs(1), Time::ZERO);
        assert_eq!(Time::ZERO.since(Time::from_nanos(5)), Duration::ZERO);
    }

    #[test]
    fn an_instant_is_rounded_down_to_the_grid_and_no_grid_leaves_it() {
        let (grid, whole) = (Duration::from_millis(1), Time::from_nanos(2_000_000));
        assert_eq!(Time::from_nanos(2_999_999).rounded_down_to(grid), whole);
        assert_eq!(whole.rounded_down_to(grid), whole);
        assert_eq!(Time::from_nanos(3).rounded_down_to(Duration::ZERO), Time::from_nanos(3));
    }
}
