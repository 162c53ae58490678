//! One request and its answer, over a connection that is kept for the next.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::time::timeout;

use super::{Api, Lost};
use crate::law::Time;
use crate::subscribers::Secret;
use crate::transport::Watcher;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A connection to the API, opened when it is needed.
pub(super) struct Line<'a> {
    pub(super) api: &'a Api,
    /// Chooses among several addresses.
    number: usize,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a Secret>,
    /// JSON; empty for none.
    pub(super) body: String,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long the Core asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
    pub(super) sent: Time,
    pub(super) done: Time,
}

impl<'a> Line<'a> {
    pub(super) fn new(api: &'a Api, number: usize) -> Line<'a> {
        Line { api, number, open: None }
    }

    /// Asks, and waits for the whole answer.
    pub(super) async fn exchange(&mut self, asked: Asked<'_>) -> Result<Answer, Lost> {
        let request = self.request(asked).ok_or(Lost::Connection)?;
        let mut kept = self.open.take();
        if let Some(open) = &mut kept
            && open.ready().await.is_err()
        {
            // The Core has closed it meanwhile.
            kept = None;
        }
        let mut open = match kept {
            Some(open) => open,
            None => timeout(self.api.connect_timeout, self.connect()).await.map_err(|_| Lost::Timeout)??,
        };
        let clock = self.api.dialer.clock;
        let sent = clock.now();
        let answer = async {
            let response = open.send_request(request).await.map_err(|_| Lost::Connection)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
                true => Lost::TooLong,
                false => Lost::Connection,
            })?;
            let retry_after = head.headers.get(header::RETRY_AFTER).and_then(retry_after);
            let status = head.status.as_u16();
            Ok(Answer { status, retry_after, body: body.to_bytes(), sent, done: clock.now() })
        };
        let answer = timeout(self.api.answer_timeout, answer).await.map_err(|_| Lost::Timeout)??;
        self.open = Some(open);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Lost> {
        let opened = self.api.dialer.open(self.number, &Watcher::Runtime).await.map_err(Lost::Dial)?;
        let (sender, connection) =
            handshake(TokioIo::new(opened.stream)).await.map_err(|_| Lost::Connection)?;
        // It ends with the sender, or when the Core closes; what goes wrong on it, the sender is told.
        tokio::spawn(async { drop(connection.await) });
        Ok(sender)
    }

    /// The request with its headers (protocol, section 9); nothing if the token cannot be sent in one.
    fn request(&self, asked: Asked<'_>) -> Option<Request<Full<Bytes>>> {
        let json = "application/json";
        let mut request = Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .header(header::HOST, &self.api.dialer.host)
            .header(header::USER_AGENT, concat!("wtsp-load/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, json)
            .header("x-request-id", request_id());
        if !asked.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        }
        if let Some(token) = asked.token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        request.body(Full::from(asked.body)).ok()
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let seconds = date.timestamp().as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// 32 lower-case letters, as the mobile client sends them.
fn request_id() -> String {
    let mut bytes = [0; 32];
    // Without randomness it is the same each time, which hurts nobody.
    let _ = SysRng.try_fill_bytes(&mut bytes);
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let read = |text: &'static str| retry_after(&HeaderValue::from_static(text));
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(read("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1_000_000));
        assert_eq!(read("soon"), None);
    }
}
