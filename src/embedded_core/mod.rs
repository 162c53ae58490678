//! The stand-in WebTrit Core: everything that a client can see of one, and counters of its own.
//!
//! One thread, one task, no lock. [`EmbeddedCore::start`] puts it on a thread of its own, for the harness's
//! `url = "embedded"`, for `serve` and for tests. Within, `core` holds all state and steps what has something to do;
//! `listener` takes connections; `attach` binds them to sessions; `flows` executes requests; `post` sends what
//! follows from them, each at its time.
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
mod slab;
mod subscribers;
mod thread;
mod truth;

pub use delays::Delays;
pub use injected::{Injected, Recipient};
pub use options::{AcceptRace, CallIds, CoreOptions, HangupTransaction, RegistrationMode};
pub use subscribers::{Provisioned, SubscribersError};
pub use thread::EmbeddedCore;
pub use truth::{Attempts, Clients, Keepalives, Transfers, Truth};
