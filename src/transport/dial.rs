//! Dialling: TCP, TLS, upgrade.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::frames::Frames;
use super::upgrade::{Request, UpgradeError, upgrade};
use super::{Clock, End, Link, Socket, Stream, Watcher};
use crate::law::Time;

/// What RFC 3986 leaves as it is in a query value.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Dials one server for many clients.
pub struct Dialer {
    /// The server's addresses, dialled in turn.
    pub addresses: Vec<SocketAddr>,
    /// The value of the `Host` header.
    pub host: String,
    /// The path, tenant included: up to `/signaling/v1`, or up to `/api/v1` where the REST API is dialled.
    pub path: String,
    /// Local addresses to dial from, in turn; empty leaves it to the system.
    pub source_addresses: Vec<IpAddr>,
    /// For `wss`: the settings and the name that the certificate must have.
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The run's clock.
    pub clock: Clock,
}

/// A stream that is open, before anything was said on it.
#[derive(Debug)]
pub struct Opened {
    /// The stream.
    pub stream: Stream,
    /// When it was dialled.
    pub started: Time,
    /// When TCP was connected.
    pub connected: Time,
    /// When the TLS handshake was done; without TLS the same as `connected`.
    pub secured: Time,
    /// The TLS handshake took up an earlier session.
    pub resumed: bool,
}

/// A connection that is open, and how long each step took.
#[derive(Debug)]
pub struct Dialled {
    /// The connection.
    pub link: Link,
    /// When it was dialled.
    pub started: Time,
    /// When TCP was connected.
    pub connected: Time,
    /// When the TLS handshake was done; for `ws` the same as `connected`.
    pub secured: Time,
    /// When the server had agreed to the upgrade.
    pub upgraded: Time,
    /// The TLS handshake took up an earlier session.
    pub resumed: bool,
    /// The server selected the sub-protocol. One that does not is taken all the same, and counted
    /// (protocol, section 1.2).
    pub subprotocol: bool,
}

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody listens there.
    #[error("connection refused: nothing listens at the target's address")]
    Refused,
    /// The server or a middlebox reset the connection.
    #[error("connection reset while connecting")]
    Reset,
    /// No way leads there.
    #[error("target unreachable: {0}")]
    Unreachable(io::ErrorKind),
    /// Not done within the profile's `connect_timeout`.
    #[error("no connection within the connect timeout")]
    Timeout,
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {failure}{cure}", failure = .0, cure = tls_cure(.0))]
    Tls(String),
    /// The server answered the upgrade with this HTTP status.
    #[error("the server refused the upgrade with HTTP status {0}")]
    Http(u16),
    /// What the server answered is not a WebSocket upgrade.
    #[error("the server's answer is not a WebSocket upgrade")]
    NotWebSocket,
    /// The server closed the connection instead of answering the upgrade.
    #[error("connection closed during the upgrade")]
    Closed,
    /// There is no session to connect with: its token was to be made first.
    #[error("no session could be made")]
    NoSession,
    /// This machine has run out of descriptors, ports or memory: not the server's doing.
    #[error(
        "this machine cannot open another connection ({0}): raise the descriptor limit, add source addresses, or spread the clients over more generators"
    )]
    Local(io::ErrorKind),
}

/// What the user can do about a failed TLS handshake.
fn tls_cure(failure: &str) -> &'static str {
    match failure {
        text if text.contains("UnknownIssuer") => {
            "; if the server is to be trusted, name the certificate of its authority in target.tls.ca_file"
        }
        text if text.contains("NotValidForName") || text.contains("not valid for name") => {
            "; if the certificate is the right one, put a name that it has into target.tls.server_name"
        }
        _ => "",
    }
}

impl DialError {
    /// The name in records: one of a closed set.
    pub const fn name(&self) -> &'static str {
        match self {
            DialError::Refused => "refused",
            DialError::Reset => "reset",
            DialError::Unreachable(_) => "unreachable",
            DialError::Timeout => "timeout",
            DialError::Tls(_) => "tls",
            DialError::Http(_) => "http",
            DialError::NotWebSocket => "not_websocket",
            DialError::Closed => "closed_in_upgrade",
            DialError::NoSession => "no_session",
            DialError::Local(_) => "local_limit",
        }
    }

    /// The HTTP status behind it, if that is what it is.
    pub const fn status(&self) -> Option<u16> {
        match self {
            DialError::Http(status) => Some(*status),
            _ => None,
        }
    }

    fn from_connect(error: &io::Error) -> DialError {
        use nix::libc::{EADDRINUSE, EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};
        match (error.kind(), error.raw_os_error()) {
            (_, Some(EMFILE | ENFILE | ENOBUFS | ENOMEM | EADDRNOTAVAIL | EADDRINUSE)) => {
                DialError::Local(error.kind())
            }
            (io::ErrorKind::ConnectionRefused, _) => DialError::Refused,
            (io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted, _) => DialError::Reset,
            (io::ErrorKind::TimedOut, _) => DialError::Timeout,
            (kind, _) => DialError::Unreachable(kind),
        }
    }

    fn from_tls(error: &io::Error) -> DialError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => DialError::Tls(tls.to_string()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                DialError::Tls("the server closed the connection in the handshake".to_owned())
            }
            None => DialError::Reset,
        }
    }
}

impl From<UpgradeError> for DialError {
    fn from(error: UpgradeError) -> DialError {
        match error {
            UpgradeError::Refused(status) => DialError::Http(status),
            UpgradeError::NotWebSocket => DialError::NotWebSocket,
            UpgradeError::Closed => DialError::Closed,
            UpgradeError::Reset => DialError::Reset,
        }
    }
}

impl Dialer {
    /// Dials for the client `number`, which chooses among several addresses, with its `token` and `force`
    /// (protocol, section 1.1). The owner drops the future when the connect timeout has passed. `watcher` tells when to poll
    /// it, and later the link.
    ///
    /// # Errors
    /// [`DialError`] says what went wrong in which step; it never holds the token.
    pub async fn dial(
        self: Arc<Self>,
        number: usize,
        token: String,
        force: bool,
        watcher: Watcher,
    ) -> Result<Dialled, DialError> {
        let Opened { mut stream, started, connected, secured, resumed } = self.open(number, &watcher).await?;
        let query = utf8_percent_encode(&token, QUERY_VALUE);
        let request = Request::new(&self.host, format_args!("{}?token={query}&force={force}", self.path));
        let upgraded = upgrade(&mut stream, request).await?;
        let at = stream.last_read();
        let link = Link::new(Frames::new(stream, End::Client, &upgraded.rest));
        Ok(Dialled {
            link,
            started,
            connected,
            secured,
            upgraded: at,
            resumed,
            subprotocol: upgraded.subprotocol,
        })
    }

    /// Opens a stream to the server for the client `number`: TCP, and TLS where that is set.
    ///
    /// # Errors
    /// [`DialError`], as [`Dialer::dial`] but for the upgrade.
    pub async fn open(&self, number: usize, watcher: &Watcher) -> Result<Opened, DialError> {
        let started = self.clock.now();
        let tcp = self.connect(number, watcher).await.map_err(|error| DialError::from_connect(&error))?;
        let connected = self.clock.now();
        let Some((connector, name)) = &self.tls else {
            return Ok(Opened {
                stream: Stream::plain(tcp, self.clock),
                started,
                connected,
                secured: connected,
                resumed: false,
            });
        };
        let tls = connector.connect(name.clone(), Stream::stamped(tcp, self.clock)).await;
        let tls = tls.map_err(|error| DialError::from_tls(&error))?;
        let resumed = tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let stream = Stream::secured(tls.into());
        Ok(Opened { stream, started, connected, secured: self.clock.now(), resumed })
    }

    async fn connect(&self, number: usize, watcher: &Watcher) -> io::Result<Socket> {
        let address = *self
            .addresses
            .get(number % self.addresses.len().max(1))
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let source = self.source_addresses.get(number % self.source_addresses.len().max(1)).copied();
        Socket::connect(address, source, watcher).await
    }
}
