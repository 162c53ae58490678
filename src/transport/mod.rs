//! One WebSocket connection and what it takes to step thousands of them from one thread.
//!
//! [`Dialer`] and [`accept`] make a [`Link`]; a [`Link`] is polled by its owner. Which links have something to do, and that the
//! next thing is due, a [`Poller`] tells. Every read is stamped beneath TLS and
//! the WebSocket layer ([`Stream`]). A link reads into and writes from the [`Buffers`] of its thread, and has none of its
//! own while nothing is to be read or written ([`Frames`]).

mod accept;
mod buffers;
mod clock;
mod deadlines;
mod dial;
mod frame;
mod frames;
mod http;
mod limits;
mod link;
mod poller;
mod ready;
mod socket;
mod stream;
mod timer;
mod tls;
mod upgrade;

pub use accept::{Accepted, Asked, Refusal, SubProtocolRule, accept};
pub use buffers::Buffers;
pub use clock::Clock;
pub use deadlines::Deadlines;
pub use dial::{DialError, Dialer, Dialled, Opened};
pub use frame::{FrameReader, Incoming, Opcode, write_frame};
pub use frames::{Frame, FrameError, Frames};
pub use http::{HttpConnection, HttpRequest, HttpResponse};
pub use limits::{local_ports, most_descriptors, raise_descriptor_limit};
pub use link::{Closed, End, Initiator, Link, MAX_MESSAGE_BYTES, Received};
pub use poller::{Poller, Post, Watcher};
use ready::ReadySet;
pub use ready::ReadyWaker;
pub use socket::{Listening, Socket};
pub use stream::{Stamped, Stream};
pub use tls::{Resumption, TlsError, Trust, connector, own_acceptor, server_name};

/// The text of a message: UTF-8 in a shared buffer.
pub use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The WebSocket sub-protocol of WTSP (protocol, section 1.2).
pub const SUB_PROTOCOL: &str = "webtrit-protocol";
