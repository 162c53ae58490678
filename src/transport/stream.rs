//! The byte stream beneath a WebSocket: TCP, or TLS over TCP, with the time of each read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::{Clock, Socket};
use crate::law::Time;

/// A TCP connection that remembers when bytes last came off it and when bytes last went on it.
///
/// It lies beneath TLS and WebSocket: nothing has been decrypted or parsed when the time is taken.
#[derive(Debug)]
pub struct Stamped {
    tcp: Socket,
    clock: Clock,
    last_read: Time,
    last_write: Time,
    /// Boxed, as it is there only while a client signs on.
    flight: Option<Box<Flight>>,
}

/// What is written in a TLS handshake, until it goes to the socket.
///
/// TLS hands its records over one by one. Every write to a socket wakes the other end, which costs some 25 µs. So the
/// records of a flight go out together, and the last of them with what is said first on the open stream: of a sign-on's
/// four writes two are left.
#[derive(Debug, Default)]
struct Flight {
    bytes: Vec<u8>,
    /// How many of them have gone out.
    sent: usize,
    /// The handshake is done: a flush sends what is here.
    is_last: bool,
}

impl Stamped {
    fn new(tcp: Socket, clock: Clock) -> Stamped {
        Stamped { tcp, clock, last_read: clock.now(), last_write: clock.now(), flight: None }
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.tcp.poll_write(cx, bytes);
        if let Poll::Ready(Ok(_)) = written {
            self.last_write = self.clock.now();
        }
        written
    }

    /// Sends what there is of a flight.
    fn send_flight(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut flight) = self.flight.take() else { return Poll::Ready(Ok(())) };
        while flight.sent < flight.bytes.len() {
            match self.write(cx, &flight.bytes[flight.sent..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => flight.sent += sent,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.flight = Some(flight);
                    return Poll::Pending;
                }
            }
        }
        if !flight.is_last {
            flight.bytes.clear();
            flight.sent = 0;
            self.flight = Some(flight);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stamped {
    /// A handshake that fails ends with an alert, which tells the other end why. Whether it takes it is its own affair.
    fn drop(&mut self) {
        let flight = self.flight.as_ref().map(|flight| &flight.bytes[flight.sent..]);
        if let Some(alert) = flight.filter(|left| !left.is_empty()) {
            let _ = self.tcp.try_write(alert);
        }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flight.is_some() {
            ready!(self.send_flight(cx))?;
        }
        let before = buffer.filled().len();
        let read = self.tcp.poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.last_read = self.clock.now();
        }
        read
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.flight {
            Some(flight) => {
                flight.bytes.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            None => self.write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.flight {
            Some(flight) if !flight.is_last => return Poll::Ready(Ok(())),
            Some(_) => ready!(self.send_flight(cx))?,
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_flight(cx))?;
        self.tcp.poll_shutdown(cx)
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
    pub fn plain(tcp: Socket, clock: Clock) -> Stream {
        Stream::Plain(Stamped::new(tcp, clock))
    }

    /// `tcp` made ready for a TLS handshake: what is written goes out when the handshake waits for an answer.
    pub(super) fn stamped(tcp: Socket, clock: Clock) -> Stamped {
        let mut stamped = Stamped::new(tcp, clock);
        stamped.flight = Some(Box::default());
        stamped
    }

    /// Over a TLS handshake that is done. Its last records go out at the first flush, with whatever was written until then.
    pub(super) fn secured(mut tls: TlsStream<Stamped>) -> Stream {
        let tcp = match &mut tls {
            TlsStream::Client(tls) => tls.get_mut().0,
            TlsStream::Server(tls) => tls.get_mut().0,
        };
        if let Some(flight) = &mut tcp.flight {
            flight.is_last = true;
        }
        Stream::Tls(Box::new(tls))
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
        self.tcp().tcp.peer_address()
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, recv};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A stream in a TLS handshake, and the other end of its socket.
    async fn pair() -> (Stamped, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (Stream::stamped(dialled.into(), Clock::start()), accepted)
    }

    /// These many bytes, and no more, have come.
    async fn come(other: &mut TcpStream, bytes: usize) -> String {
        let mut text = vec![0; bytes];
        other.read_exact(&mut text).await.unwrap();
        nothing_has_come(other);
        String::from_utf8(text).unwrap()
    }

    fn nothing_has_come(other: &TcpStream) {
        // The system is asked: the runtime may not have looked yet.
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        assert_eq!(recv(other.as_raw_fd(), &mut [0; 1], flags), Err(Errno::EAGAIN));
    }

    #[tokio::test]
    async fn the_records_of_a_flight_go_out_when_the_answer_is_waited_for() {
        let (mut stream, mut other) = pair().await;
        for _ in 0..2 {
            stream.write_all(b"one ").await.unwrap();
            stream.flush().await.unwrap();
            stream.write_all(b"two").await.unwrap();
            stream.flush().await.unwrap();
            let written = stream.last_write;
            nothing_has_come(&other);
            let answer = async { (come(&mut other, 7).await, other.write_all(b"!").await.unwrap()).0 };
            let (text, read) = tokio::join!(answer, stream.read_u8());
            assert_eq!((text.as_str(), read.unwrap()), ("one two", b'!'));
            assert!(stream.last_write > written && stream.last_read > stream.last_write);
        }
    }

    #[tokio::test]
    async fn the_last_flight_goes_out_with_what_is_said_first() {
        let (mut stream, mut other) = pair().await;
        stream.write_all(b"finished ").await.unwrap();
        stream.flush().await.unwrap();
        stream.flight.as_mut().unwrap().is_last = true;
        stream.write_all(b"upgrade").await.unwrap();
        nothing_has_come(&other);
        stream.flush().await.unwrap();
        assert_eq!(come(&mut other, 16).await, "finished upgrade");
        // From then on what is written is written.
        assert!(stream.flight.is_none());
        stream.write_all(b"more").await.unwrap();
        assert_eq!(come(&mut other, 4).await, "more");
    }

    #[tokio::test]
    async fn a_handshake_that_fails_tells_why() {
        let (mut stream, mut other) = pair().await;
        stream.write_all(b"alert").await.unwrap();
        drop(stream);
        let mut text = String::new();
        other.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "alert");
    }
}
