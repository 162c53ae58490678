//! One WebSocket connection, from the first text to the close code.

use std::task::{Context, Poll};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Buffers;
use super::frames::{Frame, FrameError, Frames};
use crate::law::Time;

/// The longest message that is accepted (protocol, section 1.3).
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// One WebSocket. It is polled by its owner, has no task or timer of its own, and keeps how it ended.
#[derive(Debug)]
pub struct Link {
    frames: Frames,
    ending: Option<Box<Closed>>,
}

/// What comes off a link.
#[derive(Debug)]
pub enum Received {
    /// A text message.
    Text {
        /// The message.
        text: Utf8Bytes,
        /// When its last bytes came off the socket, before anything was parsed.
        at: Time,
    },
    /// A binary message of so many bytes, which the protocol does not have.
    Binary(usize),
    /// The connection has ended: nothing comes after this.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Who ended it.
    pub initiator: Initiator,
    /// The close code: 1005 for a close frame without one, 1006 for none at all (RFC 6455, section 7.4.1).
    pub code: u16,
    /// The reason given; free text from the other end.
    pub reason: String,
    /// When it was known.
    pub at: Time,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Initiator {
    /// The client's end closed first.
    Client,
    /// The server's end closed first.
    Server,
    /// Neither said so: the connection was lost.
    Network,
}

impl Initiator {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Initiator::Client => "client",
            Initiator::Server => "server",
            Initiator::Network => "network",
        }
    }
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// We dialled.
    Client,
    /// We were dialled.
    Server,
}

impl End {
    const fn us(self) -> Initiator {
        match self {
            End::Client => Initiator::Client,
            End::Server => Initiator::Server,
        }
    }

    const fn them(self) -> Initiator {
        match self {
            End::Client => Initiator::Server,
            End::Server => Initiator::Client,
        }
    }
}

impl Link {
    pub(super) fn new(frames: Frames) -> Link {
        Link { frames, ending: None }
    }

    /// What comes next. Texts still come after [`Link::close`], until the other end has closed too.
    pub fn poll_receive(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            let Poll::Ready(frame) = self.frames.poll_frame(buffers, cx) else { return Poll::Pending };
            let at = self.frames.stream().last_read();
            match frame {
                Ok(Frame::Text(text)) => return Poll::Ready(Received::Text { text, at }),
                Ok(Frame::Binary(bytes)) => return Poll::Ready(Received::Binary(bytes)),
                // The reply is out, or goes out with the next poll, and then the connection ends.
                Ok(Frame::Close { code, reason }) => {
                    let initiator = self.frames.end().them();
                    let close = || Box::new(Closed { initiator, code: code.unwrap_or(1005), reason, at });
                    self.ending.get_or_insert_with(close);
                }
                Err(error) => return Poll::Ready(Received::Closed(self.ended(error, at, buffers, cx))),
            }
        }
    }

    /// Sends `text`: writes as much of it as the socket takes; the rest goes with [`Link::poll_receive`], for which
    /// whoever watches the socket tells when it takes more.
    ///
    /// # Errors
    /// The connection has ended or its other end does not read: [`Link::poll_receive`] tells the rest, except for
    /// [`FrameError::Stuck`], on which the owner ends the connection.
    pub fn send(
        &mut self,
        text: &str,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        self.frames.send(text, buffers, cx)
    }

    /// Queues `text`, to be written by [`Link::flush`]: one write for all that is said to a client at a time.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn queue(
        &mut self,
        text: &str,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        self.frames.queue(text, buffers, cx)
    }

    /// Writes as much of what is queued as the socket takes; the rest goes with [`Link::poll_receive`].
    pub fn flush(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) {
        // An error shows in the next frame.
        let _ = self.frames.poll_flush(buffers, cx);
    }

    /// When bytes last went to the socket.
    pub fn last_write(&self) -> Time {
        self.frames.stream().last_write()
    }

    /// Starts the closing handshake. The owner goes on receiving until [`Received::Closed`], and drops the link
    /// if that takes too long (protocol, section 1.6: 3 s).
    pub fn close(&mut self, code: u16, reason: &str, now: Time, buffers: &mut Buffers, cx: &mut Context<'_>) {
        if self.ending.is_none() {
            let initiator = self.frames.end().us();
            self.ending = Some(Box::new(Closed { initiator, code, reason: reason.to_owned(), at: now }));
            // If it cannot be sent any more, the next receive says how the connection ended.
            self.frames.close(code, reason, buffers, cx);
        }
    }

    /// How the connection is being ended, once either end has begun to close.
    pub fn ending(&self) -> Option<&Closed> {
        self.ending.as_deref()
    }

    /// Whether either end has begun to close.
    pub fn is_closing(&self) -> bool {
        self.ending.is_some()
    }

    fn ended(&mut self, error: FrameError, at: Time, buffers: &mut Buffers, cx: &mut Context<'_>) -> Closed {
        if let Some(ending) = self.ending.take() {
            return *ending;
        }
        let ours = match error {
            FrameError::Protocol => Some(1002),
            FrameError::NotUtf8 => Some(1007),
            FrameError::TooLong => Some(1009),
            FrameError::Closed | FrameError::Lost | FrameError::Stuck => None,
        };
        match ours {
            Some(code) => {
                self.frames.close(code, "", buffers, cx);
                Closed { initiator: self.frames.end().us(), code, reason: error.to_string(), at }
            }
            None => Closed { initiator: Initiator::Network, code: 1006, reason: String::new(), at },
        }
    }
}
