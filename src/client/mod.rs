//! One simulated WebTrit app: a [`Client`] is a subscriber on one connection, stepped by its worker.
//!
//! It has no task and no timer of its own. What comes off its link becomes facts; what it is asked to send is written at
//! once. Which calls it takes part in is the worker's business.

mod connection;
mod media;
mod reconnect;
mod scout;

pub use connection::{AttemptRef, Client, Connection, GivenUp, KeptCall, LegRef, SendError, Signon};
pub use media::Media;
pub use reconnect::{Ending, Next, Reconnection};
pub(crate) use scout::count_fact;
pub use scout::{ScoutError, Scouted, Wishes, scout};
