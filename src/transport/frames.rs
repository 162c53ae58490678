//! The frames of one connection: what comes off its stream, and what goes on it.
//!
//! A codec of our own, because a library's holds a read buffer for each connection. Here a connection that has nothing to
//! read or write holds none: it borrows those of its thread ([`Buffers`]) and keeps only what it cannot be rid of, a frame
//! of which the rest is still to come and bytes that the socket does not take. The bytes themselves are read and made in
//! `frame.rs`, which is tested and fuzzed against tungstenite.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use super::frame::{FrameReader, Incoming, MAX_CONTROL_BYTES, Opcode, frame_len, write_frame};
use super::{Buffers, End, Stream, Utf8Bytes};

/// What may be queued before it is written without being asked to.
const QUEUE_BYTES: usize = 16 * 1024;

/// What may wait to be written before the other end counts as not reading.
const MAX_UNWRITTEN_BYTES: usize = 512 * 1024;

/// One WebSocket's frames.
#[derive(Debug)]
pub struct Frames {
    stream: Stream,
    end: End,
    reader: FrameReader,
    /// What was read and is still to be looked at. Between polls it is empty, or the connection's own copy of a frame
    /// that is not whole, or, where a turn ended before all messages had been taken, the rest of the thread's buffer.
    unread: BytesMut,
    /// `unread` is a part of the thread's buffer.
    is_lent: bool,
    /// What is queued, or what the socket does not take.
    unwritten: Vec<u8>,
    /// The stream may hold something that the socket has not taken: TLS has a buffer of its own.
    is_unflushed: bool,
    /// The socket took no more when it was last tried.
    is_blocked: bool,
    /// The latest ping that came while the socket took nothing: the others need no answer (RFC 6455, section 5.5.3).
    unanswered: Option<Box<[u8]>>,
    has_sent_close: bool,
    has_received_close: bool,
    /// Nothing can be written any more.
    is_broken: bool,
    /// Nothing will be read any more.
    is_over: bool,
}

/// What comes off a connection.
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
    /// A message longer than [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    #[error("a message longer than 1 MiB")]
    TooLong,
    /// The other end does not read what it is sent.
    #[error("the other end does not read")]
    Stuck,
}

impl Frames {
    /// This end of a connection after the upgrade; `rest` is what came behind the other end's part of it.
    pub(super) fn new(stream: Stream, end: End, rest: &[u8]) -> Frames {
        Frames {
            stream,
            end,
            reader: FrameReader::new(end),
            unread: BytesMut::from(rest),
            is_lent: false,
            unwritten: Vec::new(),
            is_unflushed: false,
            is_blocked: false,
            unanswered: None,
            has_sent_close: false,
            has_received_close: false,
            is_broken: false,
            is_over: false,
        }
    }

    /// Which end this is.
    pub fn end(&self) -> End {
        self.end
    }

    /// The stream beneath.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The next frame. Pings are answered on the way. After an error there is none.
    ///
    /// # Errors
    /// [`FrameError`], why no more will come.
    pub fn poll_frame(
        &mut self,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame, FrameError>> {
        if self.is_over {
            return Poll::Ready(Err(FrameError::Closed));
        }
        if self.is_blocked {
            // An error shows in what is read next.
            let _ = self.poll_flush(buffers, cx);
        }
        let next = self.poll_next(buffers, cx);
        match &next {
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => self.keep_unread(),
            Poll::Ready(Err(_)) => {
                self.is_over = true;
                self.unread = BytesMut::new();
                self.reader = FrameReader::new(self.end);
            }
        }
        next
    }

    fn poll_next(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<Result<Frame, FrameError>> {
        loop {
            if self.has_received_close {
                return self.poll_end(buffers, cx).map(Err);
            }
            match self.reader.read(&mut self.unread)? {
                Some(Incoming::Text(text)) => return Poll::Ready(Ok(Frame::Text(text))),
                Some(Incoming::Binary(bytes)) => return Poll::Ready(Ok(Frame::Binary(bytes))),
                Some(Incoming::Ping(payload)) => self.answer(&payload, buffers, cx),
                Some(Incoming::Pong(_)) => {}
                Some(Incoming::Close(close)) => return Poll::Ready(Ok(self.closed(close, buffers, cx))),
                None => match ready!(self.poll_read(buffers, cx)) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(FrameError::Lost)),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Reads once; how much has come.
    fn poll_read(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.unread.is_empty() {
            // Also one that is empty would hold on to the thread's buffer.
            self.unread = BytesMut::new();
            self.is_lent = false;
        }
        let read = ready!(buffers.poll_read(&mut self.stream, cx))?;
        let length = read.len();
        if self.unread.is_empty() {
            self.unread = read;
            self.is_lent = true;
        } else {
            // It grows by what has come, never by what a head has announced.
            self.keep_unread();
            self.unread.extend_from_slice(&read);
        }
        Poll::Ready(Ok(length))
    }

    /// Gives the thread's buffer back: what is left of it becomes the connection's own.
    fn keep_unread(&mut self) {
        if self.is_lent {
            self.unread = BytesMut::from(&self.unread[..]);
            self.is_lent = false;
        }
    }

    /// After the other end's close frame: a server ends the connection as soon as its own is out, a client waits for the
    /// server to do so (RFC 6455, section 7.1.1).
    fn poll_end(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<FrameError> {
        if self.end == End::Server {
            let _ = ready!(self.poll_flush(buffers, cx));
            return Poll::Ready(FrameError::Closed);
        }
        if self.unread.is_empty() {
            // The end, or what should not come any more.
            let _ = ready!(self.poll_read(buffers, cx));
        }
        Poll::Ready(FrameError::Closed)
    }

    /// The other end's close frame has come: answers it, if it is no answer itself.
    fn closed(&mut self, close: Option<(u16, String)>, buffers: &mut Buffers, cx: &mut Context<'_>) -> Frame {
        self.has_received_close = true;
        if !self.has_sent_close {
            let payload = close.as_ref().map_or(Vec::new(), |(code, reason)| close_payload(*code, reason));
            self.has_sent_close = true;
            self.write(Opcode::Close, &payload, buffers, cx);
        }
        match close {
            None => Frame::Close { code: None, reason: String::new() },
            Some((code, reason)) => Frame::Close { code: Some(code), reason },
        }
    }

    fn answer(&mut self, ping: &[u8], buffers: &mut Buffers, cx: &mut Context<'_>) {
        if self.has_sent_close {
            return;
        }
        if self.is_blocked {
            // Whoever pings and does not read makes us keep one answer, not all of them.
            self.unanswered = Some(Box::from(ping));
        } else {
            self.write(Opcode::Pong, ping, buffers, cx);
        }
    }

    /// Sends `text`: writes as much of it as the socket takes, [`Frames::poll_flush`] the rest.
    ///
    /// # Errors
    /// [`FrameError::Stuck`] when too much waits to be written already, else why the connection has ended.
    pub fn send(
        &mut self,
        text: &str,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        self.admit(text.len())?;
        self.write(Opcode::Text, text.as_bytes(), buffers, cx);
        if self.is_broken { Err(FrameError::Lost) } else { Ok(()) }
    }

    /// Queues `text`; [`Frames::poll_flush`] writes it.
    ///
    /// # Errors
    /// As [`Frames::send`].
    pub fn queue(
        &mut self,
        text: &str,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        self.admit(text.len())?;
        let key = self.key(buffers);
        write_frame(&mut self.unwritten, Opcode::Text, text.as_bytes(), key);
        if self.unwritten.len() > QUEUE_BYTES {
            let _ = self.poll_flush(buffers, cx)?;
        }
        Ok(())
    }

    /// Sends a close frame. If that is not possible any more nothing happens.
    pub fn close(&mut self, code: u16, reason: &str, buffers: &mut Buffers, cx: &mut Context<'_>) {
        if !self.has_sent_close && !self.is_broken {
            self.has_sent_close = true;
            self.unanswered = None;
            self.write(Opcode::Close, &close_payload(code, reason), buffers, cx);
        }
    }

    /// Writes what is queued. Ready when nothing is left of it; what it was kept in is gone then, too.
    ///
    /// # Errors
    /// [`FrameError::Lost`]: nothing can be written any more. What can still be read says how the connection ended.
    pub fn poll_flush(
        &mut self,
        buffers: &mut Buffers,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FrameError>> {
        let flushed = if self.is_broken {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        } else {
            self.poll_write_out(buffers, cx)
        };
        self.is_blocked = flushed.is_pending();
        let flushed = ready!(flushed);
        self.unwritten = Vec::new();
        self.is_broken = flushed.is_err();
        Poll::Ready(flushed.map_err(|_| FrameError::Lost))
    }

    fn poll_write_out(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.unwritten.is_empty() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unwritten))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.unwritten.drain(..written);
                self.is_unflushed = true;
            }
            if self.is_unflushed {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                self.is_unflushed = false;
            }
            let Some(ping) = self.unanswered.take() else { return Poll::Ready(Ok(())) };
            let key = self.key(buffers);
            write_frame(&mut self.unwritten, Opcode::Pong, &ping, key);
        }
    }

    /// Whether a text of so many bytes may be sent.
    fn admit(&self, length: usize) -> Result<(), FrameError> {
        if self.has_sent_close || self.is_over {
            return Err(FrameError::Closed);
        }
        if self.is_broken {
            return Err(FrameError::Lost);
        }
        let length = frame_len(length, self.end == End::Client);
        if self.unwritten.len() + length > MAX_UNWRITTEN_BYTES { Err(FrameError::Stuck) } else { Ok(()) }
    }

    /// Writes a frame at once, from the thread's buffer, if nothing waits to be written before it; else behind that.
    fn write(&mut self, opcode: Opcode, payload: &[u8], buffers: &mut Buffers, cx: &mut Context<'_>) {
        let key = self.key(buffers);
        if self.is_broken {
            return;
        }
        if self.is_blocked || !self.unwritten.is_empty() {
            write_frame(&mut self.unwritten, opcode, payload, key);
        } else {
            let mut frame = buffers.take_writing();
            write_frame(&mut frame, opcode, payload, key);
            match Pin::new(&mut self.stream).poll_write(cx, &frame) {
                Poll::Ready(Ok(written)) => {
                    self.is_unflushed = true;
                    self.unwritten.extend_from_slice(frame.get(written..).unwrap_or_default());
                }
                Poll::Ready(Err(_)) => self.is_broken = true,
                Poll::Pending => self.unwritten.extend_from_slice(&frame),
            }
            buffers.put_writing(frame);
        }
        // An error shows in what is read next.
        let _ = self.poll_flush(buffers, cx);
    }

    fn key(&self, buffers: &mut Buffers) -> Option<[u8; 4]> {
        (self.end == End::Client).then(|| buffers.key())
    }
}

/// The payload of a close frame. A reason that is too long for one is cut.
fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL_BYTES - 2)];
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}
