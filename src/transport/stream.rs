//! The byte stream beneath a WebSocket: TCP, or TLS over TCP, with the time of each read.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::Clock;
use crate::law::Time;

/// A TCP connection that remembers when bytes last came off it and when bytes last went on it.
///
/// It lies beneath TLS and WebSocket: nothing has been decrypted or parsed when the time is taken.
#[derive(Debug)]
pub struct Stamped {
    tcp: TcpStream,
    clock: Clock,
    last_read: Time,
    last_write: Time,
}

impl Stamped {
    fn new(tcp: TcpStream, clock: Clock) -> Stamped {
        Stamped { tcp, clock, last_read: clock.now(), last_write: clock.now() }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.last_read = self.clock.now();
        }
        read
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        if let Poll::Ready(Ok(_)) = written {
            self.last_write = self.clock.now();
        }
        written
    }

    /// TLS hands over its records one by one. Those of a flight go out at once, as every write to the socket wakes the
    /// other end.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, pieces);
        if let Poll::Ready(Ok(_)) = written {
            self.last_write = self.clock.now();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// The stream of either scheme.
#[derive(Debug)]
pub enum Stream {
    /// `ws`.
    Plain(Stamped),
    /// `wss`.
    Tls(Box<TlsStream<Stamped>>),
}

impl Stream {
    /// Over `tcp` as it is.
    pub fn plain(tcp: TcpStream, clock: Clock) -> Stream {
        Stream::Plain(Stamped::new(tcp, clock))
    }

    /// `tcp` made ready for a TLS handshake.
    pub(super) fn stamped(tcp: TcpStream, clock: Clock) -> Stamped {
        Stamped::new(tcp, clock)
    }

    /// When bytes last came off the socket.
    pub fn last_read(&self) -> Time {
        self.tcp().last_read
    }

    /// When bytes last went to the socket.
    pub fn last_write(&self) -> Time {
        self.tcp().last_write
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's, once the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.tcp().tcp.peer_addr()
    }

    fn tcp(&self) -> &Stamped {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
