//! Every limit that decides whether a generator was fit to measure: all of them, in one place.
//!
//! They are sensible starting values, not yet measured ones; the calibration of a later version will set them.

/// A p99 of the call lag beyond this many microseconds makes a run degraded: 10 ms.
///
/// At more than that the generator's own lateness is no longer small beside the latencies of a healthy server.
pub const LAG_P99_DEGRADED_US: u64 = 10_000;

/// A p99 of the call lag beyond this many microseconds makes a run void: 100 ms.
///
/// The load that was offered was then not the load that was planned.
pub const LAG_P99_VOID_US: u64 = 100_000;

// The limit beyond which a call counts as `late`.
pub use crate::record::LATE_US;

/// More late calls than this part of those that were started makes a run degraded: 1 in 1000.
pub const LATE_PART_DEGRADED: f64 = 0.001;

/// A worker that used more than this part of a core in its busiest second makes a run degraded: 90 %.
///
/// Beyond it, what is ready waits for the worker, and the wait is measured as if it were the server's.
pub const WORKER_CPU_DEGRADED: f64 = 0.9;

/// More blocked calls than this part of those that came due makes a run degraded: 1 in 100.
///
/// The load that was offered was then not the load that was planned.
pub const BLOCKED_PART_DEGRADED: f64 = 0.01;
