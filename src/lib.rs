//! `wtsp-load`: load and stress harness for the WebTrit Signaling Protocol.
//!
//! It signs thousands of simulated WebTrit apps on over WebSocket, keeps them alive, lets them call each other, and
//! reports latencies, outcomes and disconnect codes. The command is [`cli`]; the rest is a library, so that tests,
//! benches and other tools can use its parts.
//!
//! # The map
//!
//! A module uses only those to its left:
//!
//! [`law`] → [`protocol`] → [`transport`] → [`metrics`] → [`scenario`] → [`workload`] → [`subscribers`] →
//! [`profile`] → [`record`] → [`verdict`] → [`comparison`] → [`report`] → [`exporter`] →
//! [`client`] → [`scheduler`] → [`cli`]
//!
//! [`embedded_core`], the stand-in server, uses `law`, `protocol` and `transport` only. `law`, `protocol`, `scenario`
//! and `workload` know no socket, no clock and no runtime: they are handed texts and the time.
//!
//! # The two routes
//!
//! **From a profile to running clients:** [`profile::load`] makes a [`profile::Plan`] of a file. [`scheduler::run`]
//! starts worker threads that share nothing. A worker's [`workload::Schedule`] says what is due and when; its
//! [`client::Client`]s do it, each with a [`protocol::Session`] over a [`transport::Link`].
//!
//! **From one latency to the report:** a [`transport::Link`] stamps what it reads, the session says what it meant, the
//! play of the attempt ([`scenario::Play`]) says what was measured, and the worker's [`metrics::Recorder`] keeps it.
//! Once a second its [`metrics::Tally`] goes to the collector, and so into a [`record::RunRecord`]. A
//! [`verdict::Verdict`] and every [`report`] are made from that.
//!
//! # The nouns
//!
//! | noun | is |
//! | --- | --- |
//! | [`Plan`](profile::Plan) | a profile with every default filled in, proved feasible before the first connection |
//! | [`Subscriber`](subscribers::Subscriber) | who: number and token |
//! | [`Client`](client::Client) | a subscriber alive on one connection: one simulated app |
//! | [`Session`](protocol::Session) | the protocol state of that connection |
//! | [`Link`](transport::Link) | the WebSocket under it |
//! | [`Stage`](workload::Stage) | a stretch of the run with its own load |
//! | [`Arrivals`](workload::Arrivals) | when things are due within a stage |
//! | [`Flow`](scenario::Flow) | which script an attempt follows |
//! | [`Recorder`](metrics::Recorder) | a worker's histograms and counters of the current second |
//! | [`RunRecord`](record::RunRecord) | all that is kept of a run |
//! | [`Verdict`](verdict::Verdict) | pass, fail or void, with reasons |
//!
//! # An example
//!
//! What the quickstart will do, without doing it:
//!
//! ```
//! use std::path::Path;
//! use wtsp_load::profile::{self, Overrides};
//! use wtsp_load::workload::{Schedule, Segment, What};
//!
//! let plan = profile::load(Path::new("profiles/quickstart.toml"), &Overrides::default())?;
//! let (mut sign_ons, mut calls) = (0, 0);
//! for due in Schedule::new(&plan.stages, plan.seed, Segment::WHOLE) {
//!     match due.what {
//!         What::SignOn { .. } => sign_ons += 1,
//!         What::Call { .. } => calls += 1,
//!         What::SignOff { .. } => {}
//!     }
//! }
//! assert_eq!(sign_ons, 500);
//! assert!((300..420).contains(&calls)); // 20 a second for 18 s, at random
//! # Ok::<(), profile::ProfileErrors>(())
//! ```

#![forbid(unsafe_code)]

pub mod calibration;
pub mod cli;
pub mod client;
pub mod comparison;
pub mod embedded_core;
pub mod exporter;
pub mod law;
pub mod metrics;
pub mod profile;
pub mod protocol;
pub mod record;
pub mod report;
pub mod scenario;
pub mod scheduler;
pub mod subscribers;
pub mod transport;
pub mod verdict;
pub mod workload;
