//! The server's side of the WebSocket upgrade.

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};

use super::frames::{self, Frames};
use super::{Clock, Link, SUB_PROTOCOL, Stream};

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

/// Takes a connection: TLS if there is an acceptor, then the upgrade, which `judge` may refuse.
///
/// # Errors
/// `None` when no upgrade came about; whoever dialled has been told in HTTP or TLS.
pub async fn accept(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    clock: Clock,
    rule: SubProtocolRule,
    judge: impl FnOnce(&Asked) -> Result<(), Refusal> + Unpin,
) -> Option<(Link, Asked)> {
    let _ = tcp.set_nodelay(true);
    let stream = match tls {
        None => Stream::plain(tcp, clock),
        Some(acceptor) => {
            let tls = acceptor.accept(Stream::stamped(tcp, clock)).await.ok()?;
            Stream::Tls(Box::new(tls.into()))
        }
    };
    let mut asked = None;
    #[allow(clippy::result_large_err, reason = "the type is the library's")]
    let callback = |request: &Request, mut response: Response| {
        let wanted = read(request);
        judge(&wanted).map_err(|Refusal(status)| refuse(status))?;
        if select_sub_protocol(request, rule)? {
            let name = HeaderValue::from_static(SUB_PROTOCOL);
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        asked = Some(wanted);
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, callback, Some(frames::config())).await.ok()?;
    Some((Link::new(Frames::from_socket(socket)), asked?))
}

fn read(request: &Request) -> Asked {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    Asked {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        bearer: bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned),
    }
}

#[allow(clippy::result_large_err, reason = "the type is the library's")]
fn select_sub_protocol(request: &Request, rule: SubProtocolRule) -> Result<bool, ErrorResponse> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = offers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUB_PROTOCOL);
    match (offered, rule) {
        (false, SubProtocolRule::Strict) => Err(refuse(400)),
        (offered, _) => Ok(offered),
    }
}

fn refuse(status: u16) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response
}
