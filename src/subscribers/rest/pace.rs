//! How fast the API is asked.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How fast sessions are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The most requests for a session in a second, repeated ones included.
    pub per_second: f64,
    /// The most that are under way at a time.
    pub concurrency: usize,
}

/// Gives out turns, evenly spaced, to whoever asks.
#[derive(Debug)]
pub(super) struct Turns {
    between: Duration,
    next: Cell<Instant>,
}

impl Turns {
    pub(super) fn new(pace: Pace) -> Turns {
        Turns { between: Duration::from_secs_f64(1.0 / pace.per_second), next: Cell::new(Instant::now()) }
    }

    /// Waits for one's turn.
    pub(super) async fn turn(&self) {
        let mine = self.next.get().max(Instant::now());
        self.next.set(mine + self.between);
        sleep_until(mine).await;
    }

    /// Gives out no turn before so long has passed.
    pub(super) fn hold(&self, pause: Duration) {
        self.next.set(self.next.get().max(Instant::now() + pause));
    }
}
