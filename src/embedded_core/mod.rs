//! The stand-in WebTrit Core: everything that a client can see of one, and counters of its own.
//!
//! One thread, no lock. [`EmbeddedCore::start`] puts it on a thread of its own, for the harness's `url = "embedded"`, for
//! `serve` and for tests. Within, `core` holds all state and steps what has something to do; `listener` takes connections,
//! and has those that are no links yet; `attach` binds them to sessions; `flows` executes requests; `post` sends what
//! follows from them, each at its time. `rest` is the REST API on the same port, which makes and ends `sessions`.
//!
//! A caller may dial a star code before a number, as on a telephone, for a call of another kind: `*183<number>` gets early
//! media (`progress` with an answer instead of `ringing`, no answer in `accepted`; protocol, section 5.4), and with
//! `*100<number>` the callee gets no offer and makes one itself (section 5.9). So one core plays all flows at the same
//! time. Nobody sees the code but the core.
//!
//! What clients do to each other goes between neighbours where nothing else says to whom: the presence that the first of
//! each two subscribers publishes is told to the second, and the other way round.
//!
//! ```
//! use wtsp_load::embedded_core::{CoreOptions, EmbeddedCore, Provisioned};
//!
//! let subscribers = Provisioned::many(2)?;
//! let core = EmbeddedCore::start(CoreOptions { subscribers, ..CoreOptions::default() })?;
//! assert!(core.url().starts_with("ws://127.0.0.1:"));
//! let truth = core.stop()?;
//! assert_eq!(truth.clients.connections, 0);
//! # Ok::<(), std::io::Error>(())
//! ```

mod accounts;
mod address;
mod attach;
mod calls;
mod core;
mod delays;
mod flows;
mod frozen;
mod injected;
mod listener;
mod options;
mod post;
mod rest;
mod sessions;
mod slab;
mod subscribers;
mod thread;
mod truth;

pub use delays::Delays;
pub use injected::{Injected, Recipient};
pub use options::{AcceptRace, CallIds, CoreOptions, HangupTransaction, RegistrationMode};
pub use subscribers::{Credentials, Provisioned, SubscribersError};
pub use thread::EmbeddedCore;
pub use truth::{Attempts, Clients, Keepalives, Sessions, Transfers, Truth};
