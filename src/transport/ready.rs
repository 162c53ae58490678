//! Which of many connections have something to do.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// Collects the wake-ups of many connections for the one thread that steps them.
///
/// A worker steps thousands of clients, the embedded core its connections. Each has a [`Waker`] that says which one it is; a
/// wake-up puts its number on a list, once, and wakes whoever steps them. So a turn costs what is ready, not what is there.
/// The list's mutex is only ever contended by a wake-up from another thread: in a worker that of a session that was asked
/// for, in a core that of its owner.
#[derive(Debug, Default)]
pub struct ReadySet {
    list: Arc<List>,
}

#[derive(Debug, Default)]
struct List {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<u32>,
    task: Option<Waker>,
}

/// The waker of one connection.
#[derive(Debug)]
pub struct ReadyWaker {
    number: u32,
    listed: AtomicBool,
    list: Arc<List>,
}

impl ReadySet {
    /// A waker for the connection `number`.
    pub fn waker(&self, number: u32) -> Arc<ReadyWaker> {
        Arc::new(ReadyWaker { number, listed: AtomicBool::new(false), list: Arc::clone(&self.list) })
    }

    /// Moves the numbers of all that were woken since the last call to the end of `into`, and has the waker of `cx`
    /// woken at the next wake-up.
    pub fn take(&self, into: &mut Vec<u32>, cx: &Context<'_>) {
        let mut state = self.list.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if into.is_empty() {
            mem::swap(into, &mut state.ready);
        } else {
            into.append(&mut state.ready);
        }
    }
}

impl ReadyWaker {
    /// Says that the connection is about to be stepped: a wake-up from now on lists it again.
    pub fn stepping(&self) {
        // A swap, so that whoever steps sees all that was there when somebody else found the place listed already.
        self.listed.swap(false, Ordering::AcqRel);
    }
}

impl Wake for ReadyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.list.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ready.push(self.number);
        // The first of a turn wakes whoever steps them; the others find it awake.
        if state.ready.len() == 1
            && let Some(task) = &state.task
        {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_woken_twice_is_ready_once() {
        let set = ReadySet::default();
        let waker = set.waker(7);
        Waker::from(Arc::clone(&waker)).wake_by_ref();
        Waker::from(Arc::clone(&waker)).wake_by_ref();
        let mut ready = Vec::new();
        set.take(&mut ready, &Context::from_waker(Waker::noop()));
        assert_eq!(ready, [7]);
        ready.clear();
        waker.stepping();
        Waker::from(waker).wake();
        set.take(&mut ready, &Context::from_waker(Waker::noop()));
        assert_eq!(ready, [7]);
    }
}
