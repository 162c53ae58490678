//! Every limit that decides whether a generator was fit to measure: all of them, in one place, each with why.
//!
//! They are set from measurements, which `ARCHITECTURE.md` shows. A figure up to the limit, the limit included, is
//! fine.

use crate::record::Validity;
// The limit beyond which a call counts as `late`, and the part of a core beyond which a second counts as busy.
pub use crate::record::{BUSY_PART, LATE_US};

/// From where a figure makes a run degraded, and from where void.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// More than this makes a run degraded.
    pub degraded: f64,
    /// More than this makes it void; `None`: this alone never does.
    pub void: Option<f64>,
}

impl Limit {
    const fn new(degraded: f64, void: f64) -> Limit {
        Limit { degraded, void: Some(void) }
    }

    const fn degraded_only(degraded: f64) -> Limit {
        Limit { degraded, void: None }
    }

    /// What a figure makes of a run, and the limit that it exceeds; `None` within all limits.
    pub fn judge(&self, figure: f64) -> Option<(Validity, f64)> {
        match self.void {
            Some(void) if figure > void => Some((Validity::Void, void)),
            _ if figure > self.degraded => Some((Validity::Degraded, self.degraded)),
            _ => None,
        }
    }
}

/// p99 of the lag of calls (due → written), in microseconds: 2 ms, and 20 ms.
///
/// A response counts from when it was due, so a p99 of it holds as much again as the p99 of the lag. 2 ms are 1 % of a
/// goal of 200 ms; 20 ms are 10 % of it, and more than a healthy server takes.
pub const CALL_LAG_P99_US: Limit = Limit::new(2_000.0, 20_000.0);

/// p99 of the lag of keepalives (due → written), in microseconds: 100 ms, and 1 s.
///
/// A keepalive is due to the second, and nothing is measured from its due time: what suffers is the load that was
/// planned, and in the end the server's patience, which would then be blamed for it.
pub const KEEPALIVE_LAG_P99_US: Limit = Limit::new(100_000.0, 1_000_000.0);

/// p99 of the lateness of a worker's deadlines, in microseconds: 2 ms, and 20 ms.
///
/// A frame that comes in wakes the worker just as a deadline does: what the one waits the other waits too. As measured,
/// the p99 of latencies grows by as much as the p99 of this, from the first millisecond on. The limits are those of
/// the lag of calls.
pub const TIMER_LAG_P99_US: Limit = Limit::new(2_000.0, 20_000.0);

/// p99 of the time from the begin of a turn until a frame was handled, in microseconds: 5 ms, and 50 ms.
///
/// It stands in the latencies of whatever came in at the end of a long turn.
pub const HANDLING_P99_US: Limit = Limit::new(5_000.0, 50_000.0);

/// The longest that a worker stood still, by its heartbeat, in microseconds: 250 ms, and 2 s.
///
/// A pause of a quarter of a second stands in the upper percentiles of a run of minutes. After two seconds a
/// server may lose patience with clients that say nothing, and close their connections.
pub const STOOD_STILL_US: Limit = Limit::new(250_000.0, 2_000_000.0);

/// The part of the time for which workers had something to do in which they had no processor: 30 %, and 50 %.
///
/// Beside one busy process on the same processor it is 75 %. It counts only where it can be felt: see [`STARVED_TIMER_LAG_P99_US`].
pub const STARVED_PART: Limit = Limit::new(0.3, 0.5);

/// Waiting for a processor is judged when the p99 of the lateness of deadlines is beyond this many microseconds: 2 ms.
///
/// A worker that wakes up ten thousand times a second for 5 µs of work, and waits 5 µs for its turn, has waited half of
/// the time, and nobody can tell.
pub const STARVED_TIMER_LAG_P99_US: f64 = 2_000.0;

/// Workers that waited for a processor for more than this part of their time, and were late, were late for it: 10 %.
///
/// On a processor of its own a worker waits for 5 % of its time or so: for the time that waking up takes.
pub const STARVED_PART_CAUSE: f64 = 0.1;

/// The part of the run for which the cgroup had no processor time left: 1 %, and 10 %.
///
/// A quota takes the processors away for tens of milliseconds at a time.
pub const THROTTLED_PART: Limit = Limit::new(0.01, 0.1);

/// The part of the machine's processor time that its host gave to others: 5 %.
///
/// It is of the whole machine and says nothing about the workers; what they feel of it shows in their deadlines.
pub const STEAL_PART: Limit = Limit::degraded_only(0.05);

/// The part of the run in which a worker used more than [`BUSY_PART`] of a core: none, and a third.
///
/// Beyond it what is ready waits for the worker. In a single second that is a burst; in a third of the run it is the
/// generator's ceiling that was found.
pub const BUSY: Limit = Limit::new(0.0, 1.0 / 3.0);

/// The part of the calls that were started that were [late](LATE_US): 1 in 1000.
pub const LATE_PART: Limit = Limit::degraded_only(0.001);

/// The part of the calls that came due that were blocked: 1 in 100.
///
/// The load that was offered was then not the load that was planned.
pub const BLOCKED_PART: Limit = Limit::degraded_only(0.01);

/// The fewest descriptors and ports that must be left: 1.
///
/// With none left connections fail, and not for a fault of the server's.
pub const FEWEST_LEFT: u64 = 1;
