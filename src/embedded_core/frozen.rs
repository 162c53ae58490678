//! Standing still on purpose.

use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::core::{Control, Core};
use super::listener::Listener;
use crate::law::Time;

/// How often a core that stands still looks whether its owner wants something.
const LOOK: Duration = Duration::from_millis(20);

impl Core {
    /// When the next freeze begins.
    pub(super) fn next_freeze(&self) -> Time {
        let freeze = self.options.freeze.filter(|_| self.is_running());
        freeze.map_or(Time::NEVER, |freeze| freeze.next(self.now))
    }

    fn frozen_until(&self) -> Option<Time> {
        self.options.freeze.filter(|_| self.is_running()).and_then(|freeze| freeze.at(self.now))
    }

    /// Begins a turn: takes the time, after having stood still for as long as the plan says. Says whether it has.
    ///
    /// The whole thread sleeps, as in a real stall: nothing is read, written, accepted or upgraded meanwhile. Only
    /// the core's owner is answered, and a core that is to stop does.
    pub(super) fn freeze(&mut self, control: &mut mpsc::Receiver<Control>, listener: &mut Listener) -> bool {
        self.now = self.clock.now();
        let Some(until) = self.frozen_until() else { return false };
        self.truth.freezes += 1;
        while self.now < until {
            match control.try_recv() {
                Ok(asked) => self.answer(asked, listener),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => thread::sleep(until.since(self.now).min(LOOK)),
            }
            self.now = self.clock.now();
        }
        true
    }
}
