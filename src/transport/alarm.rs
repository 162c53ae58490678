//! Waiting for an absolute time, to the microsecond.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

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

/// An alarm clock on a runtime's event loop.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
    clock: Clock,
}

impl Alarm {
    /// An alarm that is not set. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system's, when it has no descriptor left.
    pub fn new(clock: Clock) -> io::Result<Alarm> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; what it guards against, a descriptor that \
                                       is closed while registered, cannot be here: the timer owns its own"
        )]
        let timer = AsyncFd::new(Timer::new(clock)?)?;
        Ok(Alarm { timer, clock })
    }

    /// Ready once `deadline` has come; else the task is woken when it does. [`Time::NEVER`] never comes.
    pub fn poll(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.clock.now() >= deadline {
            return Poll::Ready(Ok(()));
        }
        loop {
            match self.timer.poll_read_ready_mut(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    ready.get_inner_mut().went_off();
                }
            }
        }
        self.timer.get_mut().set(deadline)?;
        Poll::Pending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is the report")]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn an_alarm_goes_off_each_time_it_is_set_and_not_before() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        for round in 0..50 {
            // Sometimes another deadline comes first, and sometimes one has come already.
            let later = clock.now() + Duration::from_secs(3600);
            let waited = poll_fn(|cx| Poll::Ready(alarm.poll(later, cx))).await;
            assert!(waited.is_pending());
            let deadline = clock.now() + Duration::from_micros(300 * (round % 3));
            let patience = Duration::from_secs(10);
            tokio::time::timeout(patience, poll_fn(|cx| alarm.poll(deadline, cx))).await.unwrap().unwrap();
            assert!(clock.now() >= deadline);
        }
    }
}
