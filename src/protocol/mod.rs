//! The WebTrit Signaling Protocol, without I/O: no socket, no clock, no runtime.

mod base_path;
mod call_log;
mod codes;
mod core_session;
mod decode;
mod encode;
mod fast;
mod ids;
mod keys;
mod lines;
mod message;
mod names;
mod object;
mod prepared;
mod raw;
mod repair;
mod server_message;
mod session;
mod wire;
mod words;

pub use base_path::{BasePath, NotAPath};
pub use call_log::CallLog;
pub use codes::*;
pub use core_session::*;
pub use decode::*;
pub use encode::*;
pub use ids::*;
pub use lines::{LINE_REUSE_GUARD, Lines, MAX_LINES_KEPT};
pub use message::*;
pub use names::*;
pub use prepared::*;
pub use repair::*;
pub use server_message::ServerMessage;
pub use session::{Due, Fact, Handled, Session, SessionSettings};
