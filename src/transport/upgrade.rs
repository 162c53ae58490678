//! The client's side of the WebSocket upgrade (RFC 6455, section 4).
//!
//! The library's own handshake cannot serve here: it gives the connection up when the server does not select the
//! sub-protocol, which this harness must survive and count (protocol, section 1.2).

use std::fmt::{self, Write};
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{SUB_PROTOCOL, Stream};

/// The longest answer to an upgrade that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Room for a request with a token of some length.
const REQUEST_BYTES: usize = 512;

/// An upgrade that the server agreed to.
#[derive(Debug)]
pub(super) struct Upgraded {
    /// Whether the server selected the sub-protocol.
    pub subprotocol: bool,
    /// What came behind the answer: often the handshake `state` already.
    pub rest: Vec<u8>,
}

/// Why there was no upgrade.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UpgradeError {
    /// An HTTP status other than 101.
    Refused(u16),
    /// Not HTTP, or a 101 that is not a WebSocket's.
    NotWebSocket,
    /// The connection was closed instead.
    Closed,
    /// The connection was reset.
    Reset,
}

/// A request for an upgrade.
#[derive(Debug)]
pub(super) struct Request {
    text: String,
    /// What the answer to its key is.
    accept: String,
}

impl Request {
    /// For the upgrade to `target` (path and query) at `host`.
    pub fn new(host: &str, target: fmt::Arguments<'_>) -> Request {
        let key = generate_key();
        let mut text = String::with_capacity(REQUEST_BYTES);
        // A string takes everything that is written to it.
        let _ = write!(
            text,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\
             User-Agent: wtsp-load/{}\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
        );
        Request { text, accept: derive_accept_key(key.as_bytes()) }
    }
}

/// Asks for an upgrade and reads the answer.
pub(super) async fn upgrade(stream: &mut Stream, request: Request) -> Result<Upgraded, UpgradeError> {
    stream.write_all(request.text.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(UpgradeError::Closed);
        }
        if let Some(upgraded) = parse(&answer, &request.accept)? {
            return Ok(upgraded);
        }
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(UpgradeError::NotWebSocket);
        }
    }
}

/// Reads the answer; `None` while it is not whole.
fn parse(answer: &[u8], accept_key: &str) -> Result<Option<Upgraded>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(answer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(UpgradeError::NotWebSocket),
    };
    match response.code {
        Some(101) => {}
        Some(status) => return Err(UpgradeError::Refused(status)),
        None => return Err(UpgradeError::NotWebSocket),
    }
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).map_or("", str::trim)
    };
    let lists =
        |name, token: &str| header(name).split(',').any(|item| item.trim().eq_ignore_ascii_case(token));
    if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
        return Err(UpgradeError::NotWebSocket);
    }
    // No extension was offered, so none may be accepted.
    if header("sec-websocket-accept") != accept_key || !header("sec-websocket-extensions").is_empty() {
        return Err(UpgradeError::NotWebSocket);
    }
    let subprotocol = header("sec-websocket-protocol") == SUB_PROTOCOL;
    Ok(Some(Upgraded { subprotocol, rest: answer[length..].to_vec() }))
}

fn lost(error: io::Error) -> UpgradeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => UpgradeError::Closed,
        _ => UpgradeError::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n\
                        Upgrade: WebSocket\r\nSec-WebSocket-Accept: key\r\n";

    fn answer(text: &str) -> Result<Option<Upgraded>, UpgradeError> {
        parse(text.as_bytes(), "key")
    }

    #[test]
    fn what_comes_behind_the_answer_is_kept() {
        let text = format!("{GOOD}Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n\x01rest");
        let upgraded = answer(&text).unwrap().unwrap();
        assert!(upgraded.subprotocol);
        assert_eq!(upgraded.rest, b"\x01rest");
    }

    #[test]
    fn a_server_that_selects_no_sub_protocol_is_taken_and_told_apart() {
        assert!(!answer(&format!("{GOOD}\r\n")).unwrap().unwrap().subprotocol);
    }

    #[test]
    fn refusals_and_nonsense_are_told_apart() {
        let refused = answer("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n\r\n");
        assert_eq!(refused.unwrap_err(), UpgradeError::Refused(429));
        assert_eq!(answer("SIP/2.0 200 OK\r\n\r\n").unwrap_err(), UpgradeError::NotWebSocket);
        let wrong_key = GOOD.replace("Accept: key", "Accept: other");
        assert_eq!(answer(&format!("{wrong_key}\r\n")).unwrap_err(), UpgradeError::NotWebSocket);
        assert!(answer("HTTP/1.1 101 Switch").unwrap().is_none());
    }
}
