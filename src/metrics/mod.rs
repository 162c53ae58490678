//! What is measured, and how it is counted.
//!
//! [`Metric`] and [`Outcome`] are closed sets. A worker owns one [`Recorder`]; once a second it hands its [`Tally`] of
//! that second to the collector and gets an emptied one back. [`Tally::add`] is the only place where figures of several
//! workers or seconds become one.
//!
//! ```
//! use std::time::Duration;
//! use wtsp_load::law::Time;
//! use wtsp_load::metrics::{Metric, Recorder, Sample};
//!
//! let mut recorder = Recorder::default();
//! let due = Time::ZERO;
//! let sent = due + Duration::from_millis(3);
//! recorder.sample(Sample { metric: Metric::Ringback, due, sent, done: sent + Duration::from_millis(20) });
//! let tally = recorder.tally();
//! assert_eq!(tally.response(Metric::Ringback).unwrap().histogram().max(), 23_007); // 23 ms at 3 significant digits
//! assert_eq!(tally.service(Metric::Ringback).histogram().max(), 20_015);
//! ```

mod counts;
mod histogram;
mod latency;
mod metric;
mod recorder;
mod tally;

pub use counts::{Counts, Each};
pub use histogram::{Cell, LatencyHistogram};
pub use latency::{FlowLatencies, Latency};
pub use metric::{AttemptFailure, Metric, Outcome, Phase, SignonFailure};
pub use recorder::{Recorder, Sample};
pub use tally::{Counters, DisconnectKey, Gauges, Ledger, Recovered, SideCalls, SignonFailureKey, Tally};
