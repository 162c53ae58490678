//! The WebTrit Signaling Protocol, without I/O: no socket, no clock, no runtime.

mod core_session;
mod decode;
mod encode;
mod ids;
mod message;
mod names;
mod object;
mod repair;
mod wire;

pub use core_session::*;
pub use decode::*;
pub use encode::*;
pub use ids::*;
pub use message::*;
pub use names::*;
pub use repair::*;
