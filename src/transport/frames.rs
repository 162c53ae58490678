//! The frame codec, behind a seam of its own: only this file knows which WebSocket library frames the bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{MAX_MESSAGE_BYTES, Stream};

/// What one connection holds to read into. The library's default of 128 KiB is allocated and cleared for each
/// connection, and would make memory the limit of a run.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What may be queued before it is written without being asked to.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What may wait to be written before the other end counts as not reading.
const MAX_WRITE_BUFFER_BYTES: usize = 512 * 1024;

/// One WebSocket's frames.
#[derive(Debug)]
pub struct Frames {
    socket: WebSocketStream<Stream>,
}

/// What the frame codec makes of the bytes that came.
#[derive(Debug)]
pub enum Frame {
    /// A whole text message; its bytes live in a buffer that is shared, not copied.
    Text(Utf8Bytes),
    /// A whole binary message of so many bytes. The protocol has none.
    Binary(usize),
    /// The other end's close frame.
    Close {
        /// Its code, if it has one.
        code: Option<u16>,
        /// Its reason; may be empty.
        reason: String,
    },
}

/// Why no more frames will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The closing handshake is done.
    #[error("closed")]
    Closed,
    /// The connection ended without a close frame.
    #[error("connection lost without a close frame")]
    Lost,
    /// The other end broke RFC 6455.
    #[error("the other end broke the WebSocket protocol")]
    Protocol,
    /// A text that is not UTF-8.
    #[error("a text message that is not UTF-8")]
    NotUtf8,
    /// A message longer than [`MAX_MESSAGE_BYTES`].
    #[error("a message longer than 1 MiB")]
    TooLong,
    /// The other end does not read what it is sent.
    #[error("the other end does not read")]
    Stuck,
}

impl From<Error> for FrameError {
    fn from(error: Error) -> FrameError {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => FrameError::Closed,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) | Error::Tls(_) => {
                FrameError::Lost
            }
            Error::Protocol(ProtocolError::SendAfterClosing | ProtocolError::ReceivedAfterClosing) => {
                FrameError::Closed
            }
            Error::Capacity(CapacityError::MessageTooLong { .. }) => FrameError::TooLong,
            Error::Utf8(_) => FrameError::NotUtf8,
            Error::WriteBufferFull(_) => FrameError::Stuck,
            _ => FrameError::Protocol,
        }
    }
}

/// The library's settings for either end.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

impl Frames {
    /// The client's end, after the upgrade; `rest` is what came behind the server's answer to it.
    pub(super) async fn client(stream: Stream, rest: Vec<u8>) -> Frames {
        Frames {
            socket: WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config())).await,
        }
    }

    /// The server's end, after the upgrade; `rest` is what came behind the client's request.
    pub(super) async fn server(stream: Stream, rest: Vec<u8>) -> Frames {
        Frames {
            socket: WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config())).await,
        }
    }

    /// The stream beneath.
    pub fn stream(&self) -> &Stream {
        self.socket.get_ref()
    }

    /// The next frame. Pings are answered on the way.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, FrameError>> {
        loop {
            let frame = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Err(FrameError::Closed)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Some(Ok(message))) => message,
            };
            return Poll::Ready(Ok(match frame {
                Message::Text(text) => Frame::Text(text),
                Message::Binary(bytes) => Frame::Binary(bytes.len()),
                Message::Close(None) => Frame::Close { code: None, reason: String::new() },
                Message::Close(Some(close)) => {
                    Frame::Close { code: Some(close.code.into()), reason: close.reason.to_string() }
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            }));
        }
    }

    /// Queues `text`; [`Frames::poll_flush`] writes it.
    ///
    /// # Errors
    /// [`FrameError::Stuck`] when too much is queued already, else why the connection has ended.
    pub fn send(&mut self, text: Utf8Bytes, cx: &mut Context<'_>) -> Result<(), FrameError> {
        self.queue(Message::Text(text), cx)
    }

    /// Queues a close frame, likewise.
    ///
    /// # Errors
    /// As [`Frames::send`].
    pub fn close(&mut self, code: u16, reason: &str, cx: &mut Context<'_>) -> Result<(), FrameError> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from(reason) };
        self.queue(Message::Close(Some(frame)), cx)
    }

    /// Writes what is queued. Ready when nothing is left of it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(FrameError::from)
    }

    fn queue(&mut self, message: Message, cx: &mut Context<'_>) -> Result<(), FrameError> {
        // The library says "not ready" only while a flush is under way; it queues all the same.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.socket).poll_ready(cx) {
            return Err(error.into());
        }
        Ok(Pin::new(&mut self.socket).start_send(message)?)
    }
}
