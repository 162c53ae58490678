//! The WebTrit Signaling Protocol, without I/O: no socket, no clock, no runtime.

mod decode;
mod encode;
mod ids;
mod message;
mod names;
mod object;
mod repair;
mod wire;

pub use decode::*;
pub use encode::*;
pub use ids::*;
pub use message::*;
pub use names::*;
pub use repair::*;
