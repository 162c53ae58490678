//! The WebTrit Signaling Protocol, without I/O: no socket, no clock, no runtime.

mod ids;
mod message;
mod names;

pub use ids::*;
pub use message::*;
pub use names::*;
