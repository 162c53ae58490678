//! The WebTrit Signaling Protocol, without I/O: no socket, no clock, no runtime.

mod message;

pub use message::*;
