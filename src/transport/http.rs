//! The server's side of HTTP/1.1, as far as an upgrade and a small JSON API need it.
//!
//! What comes is bounded in length, headers and body apart; how long it may take is its caller's affair.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Stream;

/// The longest request line and headers that are read.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// What is read at once.
const READ_BYTES: usize = 2 * 1024;
/// The longest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// One connection that speaks HTTP, from the server's side.
#[derive(Debug)]
pub struct HttpConnection {
    stream: Stream,
    /// What has been read and belongs to no request yet.
    read: Vec<u8>,
}

/// A request, body and all.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, undecoded; may be empty.
    pub query: String,
    /// The token of an `Authorization: Bearer` header, if there is one.
    pub bearer: Option<String>,
    /// The body; may be empty.
    pub body: Vec<u8>,
    /// Whether the other end wants to go on with this connection.
    pub is_kept_alive: bool,
    /// What it says about a WebSocket, if it asks for one.
    pub(super) upgrade: Option<UpgradeRequest>,
}

/// The headers of a WebSocket upgrade (RFC 6455, section 4.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpgradeRequest {
    pub(super) key: Option<String>,
    pub(super) is_version_13: bool,
    pub(super) sub_protocols: String,
}

impl std::fmt::Debug for HttpRequest {
    /// Without query, token and body: all three may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// A body of JSON; empty for none.
    pub json: String,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRequest {
    /// The other end closed, or the connection is lost.
    Gone,
    /// What it sent is refused with this status.
    Refused(u16),
}

impl From<io::Error> for NoRequest {
    fn from(_: io::Error) -> NoRequest {
        NoRequest::Gone
    }
}

/// What a head says about the body and the connection.
struct Head {
    request: HttpRequest,
    length: usize,
    body: usize,
    expects_continue: bool,
}

impl HttpConnection {
    pub(super) fn new(stream: Stream) -> HttpConnection {
        HttpConnection { stream, read: Vec::new() }
    }

    /// The next request; `None` once there is none. What cannot be read as one is answered with 400, 413, 431 or 501.
    pub async fn request(&mut self) -> Option<HttpRequest> {
        match self.next().await {
            Ok(request) => Some(request),
            Err(NoRequest::Gone) => None,
            Err(NoRequest::Refused(status)) => {
                self.refuse(status).await;
                None
            }
        }
    }

    async fn next(&mut self) -> Result<HttpRequest, NoRequest> {
        let head = loop {
            if let Some(head) = parse(&self.read)? {
                break head;
            }
            if self.read.len() >= MAX_HEAD_BYTES {
                return Err(NoRequest::Refused(431));
            }
            self.read_more().await?;
        };
        let Head { mut request, length, body, expects_continue } = head;
        if body > MAX_BODY_BYTES {
            return Err(NoRequest::Refused(413));
        }
        if expects_continue && self.read.len() < length + body {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        while self.read.len() < length + body {
            self.read_more().await?;
        }
        let rest = self.read.split_off(length + body);
        request.body = std::mem::replace(&mut self.read, rest).split_off(length);
        Ok(request)
    }

    async fn read_more(&mut self) -> Result<(), NoRequest> {
        // Room for most requests: what does not fill it has emptied the socket, which is not asked again.
        self.read.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(NoRequest::Gone),
            _ => Ok(()),
        }
    }

    /// Answers, and says whether the connection goes on.
    ///
    /// # Errors
    /// The system's, when the other end is gone.
    pub async fn answer(&mut self, response: &HttpResponse, is_kept_alive: bool) -> io::Result<()> {
        let HttpResponse { status, json } = response;
        let reason = reason(*status);
        let connection = if is_kept_alive { "keep-alive" } else { "close" };
        let mut text = format!("HTTP/1.1 {status} {reason}\r\nconnection: {connection}\r\n");
        if !json.is_empty() {
            text += "content-type: application/json; charset=utf-8\r\n";
        }
        // A 204 has no length (RFC 9110, section 8.6).
        if *status != 204 {
            text += &format!("content-length: {}\r\n", json.len());
        }
        text += "\r\n";
        text += json;
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Answers with a bare status; the connection ends with it.
    pub(super) async fn refuse(&mut self, status: u16) {
        // Whoever is gone has no need of an answer.
        let _ = self.answer(&HttpResponse { status, json: String::new() }, false).await;
        let _ = self.stream.shutdown().await;
    }

    /// The stream, and what was read of it beyond the last request.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.read)
    }

    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

/// Reads the head of a request; `None` while it is not whole.
fn parse(read: &[u8]) -> Result<Option<Head>, NoRequest> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(read) {
        Ok(httparse::Status::Complete(length)) if length > MAX_HEAD_BYTES => {
            return Err(NoRequest::Refused(431));
        }
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(NoRequest::Refused(431)),
        Err(_) => return Err(NoRequest::Refused(400)),
    };
    let values = |name: &'static str| {
        let named = parsed.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
    };
    let first = |name| values(name).next();
    let lists = |name, token: &str| {
        values(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    // Only a plain length says where the next request begins.
    if first("transfer-encoding").is_some() {
        return Err(NoRequest::Refused(501));
    }
    let mut lengths = values("content-length");
    let body = match (lengths.next(), lengths.next()) {
        (None, _) => 0,
        (Some(digits), None) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| NoRequest::Refused(413))?
        }
        _ => return Err(NoRequest::Refused(400)),
    };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let bearer = first("authorization").and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let is_new = parsed.version == Some(1);
    let upgrade = (lists("upgrade", "websocket") && lists("connection", "upgrade")).then(|| UpgradeRequest {
        key: first("sec-websocket-key").map(str::to_owned),
        is_version_13: first("sec-websocket-version") == Some("13"),
        sub_protocols: values("sec-websocket-protocol").collect::<Vec<_>>().join(","),
    });
    let request = HttpRequest {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        bearer: bearer.map(|(_, token)| token.trim().to_owned()),
        body: Vec::new(),
        is_kept_alive: is_new && !lists("connection", "close"),
        upgrade: upgrade.filter(|_| is_new && parsed.method == Some("GET")),
    };
    let expects_continue = lists("expect", "100-continue");
    Ok(Some(Head { request, length, body, expects_continue }))
}

/// The words behind a status, of those that are sent here.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, NoRequest> {
        parse(text.as_bytes())
    }

    fn refusal(text: &str) -> Option<NoRequest> {
        head(text).err()
    }

    #[test]
    fn a_request_is_read_with_its_query_its_token_and_the_length_of_its_body() {
        let text = "POST /x/api/v1/session?a=b HTTP/1.1\r\nHost: h\r\nauthorization: bearer tok\r\n\
                    Content-Length: 7\r\n\r\n{\"a\":1}GET /";
        let Ok(Some(Head { request, length, body, expects_continue })) = head(text) else {
            panic!("not read");
        };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/x/api/v1/session"));
        assert_eq!((request.query.as_str(), request.bearer.as_deref()), ("a=b", Some("tok")));
        assert_eq!((body, &text[length..length + body]), (7, "{\"a\":1}"));
        assert!(request.is_kept_alive && request.upgrade.is_none() && !expects_continue);
        assert!(!format!("{request:?}").contains("tok"));
    }

    #[test]
    fn who_says_close_or_speaks_an_old_version_is_not_kept() {
        for text in ["GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
            assert!(!head(text).unwrap().unwrap().request.is_kept_alive, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let post = |headers: &str| refusal(&format!("POST / HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(post("Content-Length: 1\r\nContent-Length: 1\r\n"), Some(NoRequest::Refused(400)));
        assert_eq!(post("Content-Length: +1\r\n"), Some(NoRequest::Refused(400)));
        assert_eq!(post("Content-Length: 99999999999999999999999\r\n"), Some(NoRequest::Refused(413)));
        assert_eq!(post("Transfer-Encoding: chunked\r\n"), Some(NoRequest::Refused(501)));
        assert_eq!(post(&"a: b\r\n".repeat(65)), Some(NoRequest::Refused(431)));
        assert_eq!(refusal("\x16\x03\x01\x02"), Some(NoRequest::Refused(400)));
        assert!(head("POST / HT").unwrap().is_none());
    }

    #[test]
    fn an_upgrade_is_told_from_other_requests() {
        let upgrade = |text: &str| head(text).unwrap().unwrap().request.upgrade;
        let good = "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let found = upgrade(good).unwrap();
        assert_eq!((found.key.as_deref(), found.is_version_13), (Some("k"), true));
        assert_eq!(upgrade(&good.replace("GET", "POST")), None);
        assert_eq!(upgrade(&good.replace("Upgrade: websocket", "Upgrade: h2c")), None);
    }
}
