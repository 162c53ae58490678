//! The server's side of a connection: TLS, the first request, and the WebSocket upgrade if it asks for one.

use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::Frames;
use super::http::UpgradeRequest;
use super::{Clock, End, HttpConnection, HttpRequest, Link, SUB_PROTOCOL, Socket, Stream};

/// What a client asked for in its upgrade request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path, without the query.
    pub path: String,
    /// The query, undecoded; may be empty.
    pub query: String,
    /// The token of an `Authorization: Bearer` header, if there is one.
    pub bearer: Option<String>,
}

/// An upgrade request that is refused with this HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u16);

/// Whether a client must offer the sub-protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubProtocolRule {
    /// No offer, no upgrade: HTTP 400.
    Strict,
    /// A client that offers none is taken without.
    Lenient,
}

/// What a connection turned out to be with its first request.
#[derive(Debug)]
pub enum Accepted {
    /// A WebSocket, and what was asked for.
    Link(Link, Asked),
    /// Plain HTTP, and its first request, which is to be answered.
    Http(HttpConnection, HttpRequest),
}

/// Takes a connection: TLS if there is an acceptor, then its first request. If that asks for an upgrade, `judge` may
/// refuse it.
///
/// # Errors
/// `None` when nothing came about; whoever dialled has been told in HTTP or TLS.
pub async fn accept(
    tcp: Socket,
    tls: Option<TlsAcceptor>,
    clock: Clock,
    rule: SubProtocolRule,
    judge: impl FnOnce(&Asked) -> Result<(), Refusal>,
) -> Option<Accepted> {
    let stream = match tls {
        None => Stream::plain(tcp, clock),
        Some(acceptor) => {
            let tls = acceptor.accept(Stream::stamped(tcp, clock)).await.ok()?;
            Stream::secured(tls.into())
        }
    };
    let mut connection = HttpConnection::new(stream);
    let mut request = connection.request().await?;
    let Some(upgrade) = request.upgrade.take() else { return Some(Accepted::Http(connection, request)) };
    let asked = Asked { path: request.path, query: request.query, bearer: request.bearer };
    let agreed = judge(&asked).and_then(|()| agree(&upgrade, rule));
    let answer = match agreed {
        Ok(answer) => answer,
        Err(Refusal(status)) => {
            connection.refuse(status).await;
            return None;
        }
    };
    let stream = connection.stream_mut();
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let (stream, rest) = connection.into_parts();
    Some(Accepted::Link(Link::new(Frames::new(stream, End::Server, &rest)), asked))
}

/// The answer to an upgrade (RFC 6455, section 4.2.2). No extension is taken up.
fn agree(upgrade: &UpgradeRequest, rule: SubProtocolRule) -> Result<String, Refusal> {
    if !upgrade.is_version_13 {
        return Err(Refusal(426));
    }
    let key = upgrade.key.as_deref().ok_or(Refusal(400))?;
    let offered = upgrade.sub_protocols.split(',').any(|name| name.trim() == SUB_PROTOCOL);
    let selected = match (offered, rule) {
        (false, SubProtocolRule::Strict) => return Err(Refusal(400)),
        (false, SubProtocolRule::Lenient) => String::new(),
        (true, _) => format!("Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n"),
    };
    let accept = derive_accept_key(key.as_bytes());
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{selected}\r\n"
    ))
}
