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
        let mut is_new = false;
        loop {
            if self.clock.now() >= deadline {
                return Poll::Ready(Ok(()));
            }
            if self.set_for != deadline {
                self.set(deadline)?;
                is_new = true;
            }
            match self.timer.poll_read_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // Expirations are not read, which saves a system call for each: the runtime is told of every one
                // (edge-triggered), and setting the timer anew takes back one that it was not told of yet. So what is
                // ready here is of the deadline before; or the timer was early by the clock, and is set again.
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    if !is_new {
                        self.set_for = Time::NEVER;
                    }
                }
            }
        }
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
mod tests {
    use std::future::poll_fn;
    use std::thread::sleep;

    use super::*;

    #[tokio::test]
    async fn a_deadline_comes_also_behind_one_that_expired_unseen() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        for _ in 0..20 {
            let missed = clock.now() + Duration::from_micros(200);
            let waits = poll_fn(|cx| Poll::Ready(alarm.poll(missed, cx).is_pending())).await;
            assert!(waits || clock.now() >= missed);
            sleep(Duration::from_micros(300));
            // The runtime is told, and nobody asks.
            tokio::task::yield_now().await;
            let next = clock.now() + Duration::from_micros(300);
            let came = tokio::time::timeout(Duration::from_secs(10), poll_fn(|cx| alarm.poll(next, cx)));
            came.await.expect("woken").unwrap();
            assert!(clock.now() >= next);
        }
    }
}
