//! Waiting for an absolute time, to the microsecond.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::Clock;
use crate::law::Time;

/// The kernel's timer, set for a time of the run's clock.
///
/// A runtime's timers round to a millisecond, as `epoll_wait` does, which alone would be a third of a fast server's latency;
/// the kernel's `timerfd` with an absolute time is late by tens of microseconds.
#[derive(Debug)]
pub(super) struct Timer {
    timer: TimerFd,
    clock: Clock,
    set_for: Time,
}

impl Timer {
    /// One that is not set.
    pub fn new(clock: Clock) -> io::Result<Timer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Timer { timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, clock, set_for: Time::NEVER })
    }

    /// Has it go off at `deadline`, and not at the time that was set before. [`Time::NEVER`] never comes.
    pub fn set(&mut self, deadline: Time) -> io::Result<()> {
        if self.set_for == deadline {
            return Ok(());
        }
        if deadline == Time::NEVER {
            self.timer.unset()?;
        } else {
            let at = TimeSpec::from(Duration::from_nanos(self.clock.on_monotonic(deadline)));
            self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        }
        self.set_for = deadline;
        Ok(())
    }

    /// It has gone off, for this deadline or for one before. Its expirations need not be read: setting it anew takes them
    /// back, and whoever watches it is told of each going off, not of a state.
    pub fn went_off(&mut self) {
        self.set_for = Time::NEVER;
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.timer.as_fd().as_raw_fd()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
