//! A thread's own event loop: which of its connections have something to do, and when the next thing is due.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Wake, Waker};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::timer::Timer;
use super::{Clock, ReadySet, ReadyWaker};
use crate::law::Time;

/// Watches the sockets of one thread, each of which has a place of its own, and its next due time.
///
/// A general runtime does as much. But between its wait and the socket that is ready lie the driver, a slab, a waker, a
/// list and the task, and after that as much again on the way to the system call. Where little is to be done that code is
/// cold each time, and cost a tenth of a call. Here a wait gives the places themselves, and what is known of a socket is a
/// byte.
#[derive(Debug)]
pub struct Poller {
    watch: Arc<Watch>,
    events: Vec<EpollEvent>,
    timer: Timer,
    clock: Clock,
    ready: ReadySet,
    /// Wakes the thread where another one has something for a place of it.
    alert: Arc<Alert>,
    alert_waker: Waker,
}

/// What is known of the sockets of one thread, which alone writes to it.
#[derive(Debug)]
struct Watch {
    epoll: Epoll,
    sides: Box<[AtomicU8]>,
}

/// The socket may have something to read.
const READABLE: u8 = 1;
/// The socket may take something.
const WRITABLE: u8 = 2;
/// The other end has ended its part: after what there is to read the end is to be read.
const ENDED: u8 = 4;

/// What the system tells of that is of no place.
const TIMER: u64 = u64::MAX;
const ALERT: u64 = u64::MAX - 1;
/// How many there are of that, beside the sockets.
const OTHERS: usize = 2;

/// Wakes a thread that waits in [`Poller::wait`]. One that does not wait looks for itself, and costs no system call.
#[derive(Debug)]
struct Alert {
    event: EventFd,
    is_waiting: AtomicBool,
}

impl Wake for Alert {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_waiting.swap(false, Ordering::AcqRel) {
            // It cannot be full: it is written once for each wait.
            let _ = self.event.write(1);
        }
    }
}

impl Poller {
    /// A poller of so many connections, which tells of so many sockets at a time.
    ///
    /// # Errors
    /// The system's, when it has no descriptor left.
    pub fn new(places: usize, sockets_a_wait: usize, clock: Clock) -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = Timer::new(clock)?;
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&timer, EpollEvent::new(edges, TIMER))?;
        epoll.add(&event, EpollEvent::new(edges, ALERT))?;
        let alert = Arc::new(Alert { event, is_waiting: AtomicBool::new(false) });
        Ok(Poller {
            watch: Arc::new(Watch { epoll, sides: (0..places).map(|_| AtomicU8::new(0)).collect() }),
            events: vec![EpollEvent::empty(); sockets_a_wait + OTHERS],
            timer,
            clock,
            ready: ReadySet::default(),
            alert_waker: Waker::from(Arc::clone(&alert)),
            alert,
        })
    }

    /// A waker for the connection at `place`, also from other threads.
    pub fn waker(&self, place: u32) -> Arc<ReadyWaker> {
        self.ready.waker(place)
    }

    /// What the sockets of the connection at `place` are watched by.
    pub fn watcher(&self, place: u32) -> Watcher {
        Watcher::Poller(self.post(place))
    }

    pub(super) fn post(&self, place: u32) -> Post {
        Post { watch: Arc::clone(&self.watch), place }
    }

    /// Adds the places that have been woken, without a look at the sockets.
    pub fn woken(&self, ready: &mut Vec<u32>) {
        self.ready.take(ready, &Context::from_waker(&self.alert_waker));
    }

    /// Waits until a connection has something to do or `deadline` has come, and adds the places to `ready`. Only looks if
    /// there are some in it, or the deadline has come.
    ///
    /// # Errors
    /// The system's, which it has no reason to give.
    pub fn wait(&mut self, deadline: Time, ready: &mut Vec<u32>) -> io::Result<()> {
        // From here on whoever wakes a connection wakes the thread, so that nothing falls between the look and the wait.
        self.alert.is_waiting.store(true, Ordering::SeqCst);
        self.woken(ready);
        let timeout = if !ready.is_empty() || self.clock.now() >= deadline {
            EpollTimeout::ZERO
        } else {
            self.timer.set(deadline)?;
            EpollTimeout::NONE
        };
        let told = self.watch.epoll.wait(&mut self.events, timeout);
        self.alert.is_waiting.store(false, Ordering::Release);
        let told = match told {
            Ok(told) => told,
            // A signal: whoever waits looks again.
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &self.events[..told] {
            match event.data() {
                TIMER => self.timer.went_off(),
                // It tells of each write, not of a state, so it need not be read; and whoever was woken is asked for.
                ALERT => {}
                place => {
                    let place = place as u32;
                    self.watch.add(place, side_of(event.events()));
                    ready.push(place);
                }
            }
        }
        Ok(())
    }
}

fn side_of(told: EpollFlags) -> u8 {
    let ended = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
    let broken = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
    let side = |is: bool, side: u8| if is { side } else { 0 };
    side(told.intersects(EpollFlags::EPOLLIN | ended), READABLE)
        | side(told.intersects(EpollFlags::EPOLLOUT | broken), WRITABLE)
        | side(told.intersects(ended), ENDED)
}

impl Watch {
    fn side(&self, place: u32) -> u8 {
        self.sides.get(place as usize).map_or(0, |side| side.load(Ordering::Relaxed))
    }

    fn set(&self, place: u32, to: u8) {
        if let Some(side) = self.sides.get(place as usize) {
            side.store(to, Ordering::Relaxed);
        }
    }

    fn add(&self, place: u32, more: u8) {
        self.set(place, self.side(place) | more);
    }
}

/// Who tells a socket that it is ready.
#[derive(Clone, Debug)]
pub enum Watcher {
    /// The tokio runtime that the task runs in.
    Runtime,
    /// The poller of the thread.
    Poller(Post),
}

/// A place at a [`Poller`].
#[derive(Clone, Debug)]
pub struct Post {
    watch: Arc<Watch>,
    place: u32,
}

impl Post {
    /// Has the socket watched from here on, in place of whichever was there before.
    ///
    /// # Errors
    /// The system's, when it has no memory left for it, or the poller no such place.
    pub(super) fn begin(&self, socket: &impl AsFd) -> io::Result<()> {
        if self.place as usize >= self.watch.sides.len() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.watch.set(self.place, 0);
        let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        // It goes when it is closed: nobody else has the descriptor.
        Ok(self.watch.epoll.add(socket, EpollEvent::new(edges, u64::from(self.place)))?)
    }

    pub(super) fn is_readable(&self) -> bool {
        self.watch.side(self.place) & READABLE > 0
    }

    pub(super) fn is_writable(&self) -> bool {
        self.watch.side(self.place) & WRITABLE > 0
    }

    /// A read has emptied the socket: it is readable again once something has come. If the other end has ended its part
    /// nothing more will come, and the end is still to be read.
    pub(super) fn was_emptied(&self) {
        let side = self.watch.side(self.place);
        if side & ENDED == 0 {
            self.watch.set(self.place, side & !READABLE);
        }
    }

    /// A read has found nothing.
    pub(super) fn was_empty(&self) {
        self.watch.set(self.place, self.watch.side(self.place) & !READABLE);
    }

    /// A write has filled the socket: it is writable again once the other end has taken some.
    pub(super) fn was_filled(&self) {
        self.watch.set(self.place, self.watch.side(self.place) & !WRITABLE);
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
