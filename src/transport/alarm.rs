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

/// An alarm clock on the runtime's own event loop.
///
/// A runtime's timers round to a millisecond, which alone would be a third of a fast server's latency; the
/// kernel's `timerfd` with an absolute time is late by tens of microseconds.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
    clock: Clock,
    set_for: Time,
}

/// The kernel's timer, in the shape that the runtime registers.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Alarm {
    /// An alarm that is not set. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system's, when it has no descriptor left.
    pub fn new(clock: Clock) -> io::Result<Alarm> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; what it guards against, a descriptor that \
                                       is closed while registered, cannot be here: the timer owns its own"
        )]
        let timer = AsyncFd::new(Timer(timer))?;
        Ok(Alarm { timer, clock, set_for: Time::NEVER })
    }

    /// Ready once `deadline` has come; else the task is woken when it does. [`Time::NEVER`] never comes.
    pub fn poll(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.clock.now() >= deadline {
            return Poll::Ready(Ok(()));
        }
        loop {
            match self.timer.poll_read_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // It has gone off, for this deadline or for one before. Its expirations need not be read: setting it
                // anew takes them back, and the runtime is told of each going off, not of a state.
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    self.set_for = Time::NEVER;
                }
            }
        }
        if self.set_for != deadline {
            self.set(deadline)?;
        }
        Poll::Pending
    }

    fn set(&mut self, deadline: Time) -> io::Result<()> {
        if deadline == Time::NEVER {
            self.timer.get_ref().0.unset()?;
        } else {
            let at = TimeSpec::from(Duration::from_nanos(self.clock.on_monotonic(deadline)));
            self.timer.get_ref().0.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        }
        self.set_for = deadline;
        Ok(())
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
