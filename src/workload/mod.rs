//! What is due, and when: the workload of a run as a pure, seeded sequence.
//!
//! A run is a row of [`Stage`]s. [`Arrivals`] says when things are due within one stage, [`Schedule`] puts the
//! stages of one worker together: sign-ons, sign-offs and calls in the order in which they are due. Nothing here
//! knows a socket, a clock or a runtime, and nothing grows with the length of the run: a schedule holds a few
//! numbers, whether it describes ten seconds or a week.
//!
//! When a call of the closed load is due depends on the one before it, so only its number is known here
//! ([`closed_attempt`]), and with it all that it draws.
//!
//! The same stages and the same seed give the same schedule, to the nanosecond, on any number of workers: each
//! worker generates the whole sequence and keeps its own part of it ([`Segment`]).
//!
//! ```
//! use std::time::Duration;
//! use wtsp_load::law::Seed;
//! use wtsp_load::workload::{ArrivalLaw, Rate, Schedule, Segment, Stage, What};
//!
//! let steady = Stage {
//!     name: "steady".to_owned(),
//!     duration: Duration::from_secs(10),
//!     clients_to: 4,
//!     signon_time: Duration::from_secs(10),
//!     arrivals: ArrivalLaw::Constant,
//!     calls: Some(Rate::constant(2.0)),
//!     ..Stage::default()
//! };
//! let due: Vec<_> = Schedule::new(&[steady], Seed(7), Segment::WHOLE).collect();
//! assert_eq!(due.len(), 4 + 20);
//! assert!(due.is_sorted_by_key(|due| due.at));
//! assert_eq!(due[0].what, What::Call { attempt: 0 }); // at 0.25 s; the first sign-on is due at 1.25 s
//! ```

mod arrivals;
mod callers;
mod pace;
mod rate;
mod schedule;
mod stage;

pub use arrivals::Arrivals;
pub use callers::{caller_of, closed_attempt};
pub use pace::Pace;
pub use rate::Rate;
pub use schedule::{AttemptNumber, Due, Schedule, What};
pub use stage::{ArrivalLaw, Segment, SignOff, Stage, passed, stage_at};

#[cfg(test)]
mod paced_tests;
