//! A TCP socket, and how it is known to be ready.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, listen, setsockopt, socket,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::poller::{Poller, Post, Watcher};

/// A TCP connection.
#[derive(Debug)]
pub enum Socket {
    /// A tokio runtime watches it. Boxed, as it is twice as large as the other, of which each client has one.
    Runtime(Box<TcpStream>),
    /// The poller of its thread watches it.
    Polled(std::net::TcpStream, Post),
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Socket {
        Socket::Runtime(Box::new(tcp))
    }
}

impl Socket {
    /// Connects to `address`, from `source` if that is given.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        address: SocketAddr,
        source: Option<IpAddr>,
        watcher: &Watcher,
    ) -> io::Result<Socket> {
        let tcp = connecting(address, source)?;
        let socket = match watcher {
            Watcher::Runtime => {
                let tcp = TcpStream::from_std(tcp)?;
                tcp.writable().await?;
                Socket::from(tcp)
            }
            Watcher::Poller(post) => {
                post.begin(&tcp)?;
                poll_fn(|_| if post.is_writable() { Poll::Ready(()) } else { Poll::Pending }).await;
                Socket::Polled(tcp, post.clone())
            }
        };
        match socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    /// A connection that was taken off a [`Listening`] socket, at a place of the same poller.
    ///
    /// # Errors
    /// The system's, when it has nothing left to watch it with.
    pub fn accepted(tcp: std::net::TcpStream, poller: &Poller, place: u32) -> io::Result<Socket> {
        // Without it what is written waits a little at times; that is no reason to send anybody away.
        let _ = tcp.set_nodelay(true);
        tcp.set_nonblocking(true)?;
        let post = poller.post(place);
        post.begin(&tcp)?;
        Ok(Socket::Polled(tcp, post))
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Socket::Runtime(tcp) => tcp.take_error(),
            Socket::Polled(tcp, _) => tcp.take_error(),
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's, once the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        match self {
            Socket::Runtime(tcp) => tcp.peer_addr(),
            Socket::Polled(tcp, _) => tcp.peer_addr(),
        }
    }

    /// Writes what the socket takes at once, and waits for nothing.
    ///
    /// # Errors
    /// As `write`; `WouldBlock` if it takes nothing.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Runtime(tcp) => tcp.try_write(bytes),
            Socket::Polled(tcp, _) => Write::write(&mut &*tcp, bytes),
        }
    }

    /// Reads once.
    ///
    /// # Errors
    /// As `read`.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Runtime(tcp) => Pin::new(&mut **tcp).poll_read(cx, buffer),
            Socket::Polled(tcp, post) => {
                let room = buffer.initialize_unfilled();
                let read = ready!(read(tcp, post, room))?;
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Writes once.
    ///
    /// # Errors
    /// As `write`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Runtime(tcp) => Pin::new(&mut **tcp).poll_write(cx, bytes),
            Socket::Polled(tcp, post) => write(tcp, post, bytes),
        }
    }

    /// Ends this end's part of the connection.
    ///
    /// # Errors
    /// As `shutdown`.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Runtime(tcp) => Pin::new(&mut **tcp).poll_shutdown(cx),
            Socket::Polled(tcp, _) => Poll::Ready(tcp.shutdown(Shutdown::Write)),
        }
    }
}

/// A socket that listens, and is watched by a poller.
#[derive(Debug)]
pub struct Listening {
    tcp: TcpListener,
    post: Post,
}

impl Listening {
    /// What the kernel may hold back during a storm of connections.
    const BACKLOG: i32 = 4096;

    /// Listens at `address`.
    ///
    /// # Errors
    /// The system's: the address is taken, or there is no descriptor.
    pub fn bind(address: SocketAddr, poller: &Poller, place: u32) -> io::Result<Listening> {
        let tcp = TcpListener::bind(address)?;
        // Some C libraries know of a lower highest one than the kernel, which takes all there may be for the other.
        listen(&tcp, Backlog::new(Listening::BACKLOG).unwrap_or(Backlog::MAXALLOWABLE))?;
        tcp.set_nonblocking(true)?;
        let post = poller.post(place);
        post.begin(&tcp)?;
        Ok(Listening { tcp, post })
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Whether connections may wait to be taken: some came since the last look that found none.
    pub fn may_have_some(&self) -> bool {
        self.post.is_readable()
    }

    /// Takes a connection, if one waits.
    ///
    /// # Errors
    /// The connection was gone before it was taken, or there is nothing left to hold it with.
    pub fn accept(&self) -> Poll<io::Result<std::net::TcpStream>> {
        let accepted = at_once(|| self.tcp.accept());
        if accepted.is_pending() {
            self.post.was_empty();
        }
        accepted.map_ok(|(tcp, _)| tcp)
    }
}

/// A socket on its way to `address`.
fn connecting(address: SocketAddr, source: Option<IpAddr>) -> io::Result<std::net::TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    if let Some(source) = source {
        // Without this option a port is taken for all destinations at the bind, not for one at the connect,
        // and a source address is used up at some 28,000 connections.
        setsockopt(&socket.as_fd(), IpBindAddressNoPort, &true)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))?;
    }
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let tcp = std::net::TcpStream::from(socket);
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

fn read(tcp: &std::net::TcpStream, post: &Post, room: &mut [u8]) -> Poll<io::Result<usize>> {
    if !post.is_readable() {
        return Poll::Pending;
    }
    let read = at_once(|| Read::read(&mut &*tcp, room));
    match read {
        Poll::Pending => post.was_empty(),
        // Less than there is room for has emptied it, which spares asking once more.
        Poll::Ready(Ok(bytes)) if bytes < room.len() => post.was_emptied(),
        Poll::Ready(_) => {}
    }
    read
}

fn write(tcp: &std::net::TcpStream, post: &Post, bytes: &[u8]) -> Poll<io::Result<usize>> {
    if !post.is_writable() {
        return Poll::Pending;
    }
    let written = at_once(|| Write::write(&mut &*tcp, bytes));
    match written {
        Poll::Pending => post.was_filled(),
        Poll::Ready(Ok(written)) if written < bytes.len() => post.was_filled(),
        Poll::Ready(_) => {}
    }
    written
}

/// What the system does now; pending if it would have to wait.
fn at_once<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            done => return Poll::Ready(done),
        }
    }
}
