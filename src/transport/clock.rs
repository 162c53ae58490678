//! The run's clock.

use nix::time::{ClockId, clock_gettime};

use crate::law::Time;

/// The monotonic clock of a run. All of a run's times are read from one such clock, so they can be subtracted
/// from each other; the time of day is a label, never a term.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: u64,
}

impl Clock {
    /// Starts a clock: its [`Time::ZERO`] is now.
    pub fn start() -> Clock {
        Clock { started: monotonic_nanos() }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        Time::from_nanos(monotonic_nanos().saturating_sub(self.started))
    }

    /// `time` on `CLOCK_MONOTONIC` itself, in nanoseconds, for the kernel's absolute timers.
    pub(super) fn on_monotonic(&self, time: Time) -> u64 {
        self.started.saturating_add(time.as_nanos())
    }
}

fn monotonic_nanos() -> u64 {
    // CLOCK_MONOTONIC cannot fail on Linux; were it to, a clock that stands still is seen at once as no run
    // at all, and is not a panic in the middle of one.
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
