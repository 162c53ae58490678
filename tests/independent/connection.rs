//! One connection: the upgrade by hand, then texts in both directions, and what can go wrong with them.

use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use super::calls::{Hub, perform};
use super::words::{self, Dialect};
use super::{Fault, Noise, count, lock, token};

/// How long after a sign-on, or after an answer, a fault shows.
const A_WHILE: Duration = Duration::from_millis(150);

/// What a connection is to do.
#[derive(Debug)]
pub enum Do {
    Say(String),
    Make(Noise),
    Close(u16),
    CloseWithoutEnd(u16),
    /// End TCP.
    Cut,
    /// Read and write nothing any more.
    Die,
    /// Bytes that are no frame.
    Break,
}

pub type Out = UnboundedSender<Do>;

struct Upgrade {
    path: String,
    token: String,
    force: bool,
    key: String,
}

pub async fn serve<S>(mut stream: S, hub: Arc<Mutex<Hub>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(request) = read_head(&mut stream).await else { return };
    let upgrade = match read_upgrade(&request) {
        Ok(upgrade) => upgrade,
        Err(wrong) => {
            lock(&hub).books.violations.push(wrong);
            return refuse(&mut stream, 400).await;
        }
    };
    let (fault, subscriber, selects) = {
        let mut hub = lock(&hub);
        let subscriber = (0..hub.knobs.subscribers).find(|one| token(*one) == upgrade.token);
        let fault = subscriber.map_or(Fault::CloseAtSignOn(4201), |subscriber| hub.next_fault(subscriber));
        (fault, subscriber, hub.knobs.select_subprotocol)
    };
    match fault {
        Fault::Http(status) => return refuse(&mut stream, status).await,
        Fault::NoUpgrade => return pending().await,
        Fault::HangUpInUpgrade => return,
        Fault::NotHttp => {
            let _ = stream.write_all(b"SIP/2.0 200 OK\r\n\r\n").await;
            return;
        }
        _ => {}
    }
    let protocol = if selects { "Sec-WebSocket-Protocol: webtrit-protocol\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{protocol}\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(upgrade.key.as_bytes())
    );
    if stream.write_all(answer.as_bytes()).await.is_err() {
        return;
    }
    lock(&hub).books.upgrades += 1;
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    talk(socket, hub, subscriber.unwrap_or(usize::MAX), upgrade.force, fault).await;
}

async fn read_head<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        // What a plain server says to TLS.
        if head[0] == 0x16 {
            refuse(stream, 400).await;
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// What the protocol demands of an upgrade (sections 1.1 and 1.2).
fn read_upgrade(request: &str) -> Result<Upgrade, String> {
    let mut lines = request.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or("").split(' ').collect();
    let [method, target, version] = first[..] else { return Err("no request line".to_owned()) };
    let (path, query) = target.split_once('?').ok_or("no query")?;
    let header = |name: &str| {
        let found = request.split("\r\n").find_map(|line| {
            line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        found.unwrap_or("").to_owned()
    };
    if (method, version) != ("GET", "HTTP/1.1") || !path.ends_with("/signaling/v1") {
        return Err(format!("{method} {path} {version}"));
    }
    if header("sec-websocket-protocol") != "webtrit-protocol" || header("sec-websocket-version") != "13" {
        return Err("sub-protocol or version".to_owned());
    }
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    let force = match value("force").as_deref() {
        Some("true") => true,
        Some("false") => false,
        other => return Err(format!("force is {other:?}")),
    };
    let token = value("token").ok_or("no token")?;
    let token = percent_decode_str(&token).decode_utf8().map_err(|_| "token")?.into_owned();
    Ok(Upgrade { path: path.to_owned(), token, force, key: header("sec-websocket-key") })
}

async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, status: u16) {
    let answer =
        format!("HTTP/1.1 {status} Refused\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// What a connection is, for those who speak over it.
#[derive(Clone)]
pub struct Peer {
    pub hub: Arc<Mutex<Hub>>,
    pub subscriber: usize,
    pub connection: u64,
    pub fault: Fault,
    pub out: Out,
}

async fn talk<S>(
    mut socket: WebSocketStream<S>,
    hub: Arc<Mutex<Hub>>,
    subscriber: usize,
    force: bool,
    fault: Fault,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (out, mut orders) = unbounded_channel();
    if let Fault::CloseAtSignOn(code) = fault {
        let _ = out.send(Do::Close(code));
    }
    let connection = match lock(&hub).attach(subscriber, force, out.clone(), fault) {
        Ok(connection) => connection,
        Err(code) => {
            let _ = out.send(Do::Close(code));
            0
        }
    };
    let peer = Peer { hub: Arc::clone(&hub), subscriber, connection, fault, out };
    if connection > 0 && !matches!(fault, Fault::NeverState | Fault::CloseAtSignOn(_)) {
        tokio::spawn(sign_on(peer.clone()));
    }
    exchange(&mut socket, &mut orders, &peer).await;
    lock(&hub).detach(subscriber, connection);
}

/// State and registration, then the faults that come a while after them.
async fn sign_on(peer: Peer) {
    let (delay, interval, lines, noise) = {
        let knobs = &lock(&peer.hub).knobs;
        (knobs.state_delay, knobs.keepalive_interval, knobs.lines, knobs.noise.clone())
    };
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let registration = match peer.fault {
        Fault::SlowRegistration | Fault::NeverRegistered | Fault::CloseUnregistered(_) => {
            json!({"status": "unregistered"})
        }
        Fault::RegistrationFailed(_) | Fault::Limited => json!({"status": "unregistered"}),
        Fault::StateRegistrationFailed(code) => {
            json!({"status": "registration_failed", "code": code, "reason": "Forbidden"})
        }
        _ => json!({"status": "registered"}),
    };
    let state = json!({
        "handshake": "state", "keepalive_interval": interval.as_millis() as u64, "timestamp": 1_786_012_801_337_u64,
        "registration": registration, "lines": vec![Value::Null; lines],
    });
    {
        let mut hub = lock(&peer.hub);
        hub.books.states += 1;
        hub.attached(peer.subscriber, peer.connection);
        let _ = peer.out.send(Do::Say(state.to_string()));
        for noise in noise {
            hub.books.noise += 1;
            let _ = peer.out.send(Do::Make(noise));
        }
    }
    let event = |event: Value| lock(&peer.hub).session_event(&peer.out, event);
    match peer.fault {
        Fault::SlowRegistration => {
            sleep(A_WHILE).await;
            event(json!({"event": "registering"}));
            sleep(A_WHILE).await;
            event(json!({"event": "registered", "phrase": "ok"}));
        }
        Fault::RegistrationFailed(code) => {
            event(json!({"event": "registering"}));
            event(json!({"event": "registration_failed", "code": code, "reason": "Forbidden"}));
        }
        Fault::Limited => event(json!({"event": "registered", "phrase": "authorization_failure"})),
        _ => {}
    }
    sleep(A_WHILE).await;
    let order = match peer.fault {
        Fault::CloseUnregistered(code) | Fault::CloseIdle(code) => Do::Close(code),
        Fault::CloseWithoutEnd(code) => Do::CloseWithoutEnd(code),
        Fault::Cut => Do::Cut,
        Fault::Dead => Do::Die,
        Fault::NotUtf8 => Do::Make(Noise::Text(b"{\"event\":\"\xff\xfe\"}".to_vec())),
        Fault::TooLong => Do::Make(Noise::Text(vec![b' '; 2 << 20])),
        Fault::NoFrame => Do::Break,
        _ => return,
    };
    let _ = peer.out.send(order);
}

async fn exchange<S>(socket: &mut WebSocketStream<S>, orders: &mut UnboundedReceiver<Do>, peer: &Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut seen = HashSet::new();
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) if !closing => received(peer, &text, &mut seen),
                Some(Ok(Message::Close(frame))) => {
                    let mut hub = lock(&peer.hub);
                    // Nothing more is expected of it, so that a successor may come.
                    hub.detach(peer.subscriber, peer.connection);
                    if !closing {
                        count(&mut hub.books.closed_by_client, frame.map_or(1005, |frame| frame.code.into()));
                    }
                    closing = true;
                }
                Some(Ok(Message::Pong(_))) => lock(&peer.hub).books.pongs += 1,
                Some(Ok(Message::Binary(_))) => lock(&peer.hub).books.violations.push("a binary message".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            order = orders.recv(), if !closing => match order {
                Some(Do::Die) => return pending().await,
                Some(Do::Cut) | None => return,
                Some(Do::CloseWithoutEnd(code)) => {
                    close(socket, peer, code).await;
                    return pending().await;
                }
                Some(Do::Close(code)) => {
                    close(socket, peer, code).await;
                    // What still comes from the client is of no interest.
                    let _ = timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = socket.next().await {} }).await;
                    return;
                }
                Some(Do::Break) => {
                    // The reserved bits are set, and the opcode is none.
                    let _ = socket.get_mut().write_all(&[0xff; 16]).await;
                }
                Some(Do::Say(text)) => say(socket, peer, &text).await,
                Some(Do::Make(noise)) => make(socket, noise).await,
            },
        }
    }
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, peer: &Peer, code: u16) {
    count(&mut lock(&peer.hub).books.closed_by_server, code);
    let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static("as told") };
    let _ = socket.send(Message::Close((code != 1005).then_some(frame))).await;
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, peer: &Peer, text: &str) {
    if !lock(&peer.hub).knobs.fragments {
        let _ = socket.send(Message::text(text)).await;
        return;
    }
    // Cut anywhere, also inside a character.
    let bytes = text.as_bytes();
    let (first, second) = (bytes.len() / 3, bytes.len() * 2 / 3);
    let frame = |part: &[u8], code, last| {
        Message::Frame(Frame::message(Bytes::copy_from_slice(part), OpCode::Data(code), last))
    };
    let _ = socket.feed(frame(&bytes[..first], Data::Text, false)).await;
    let _ = socket.feed(Message::Ping(Bytes::from_static(b"still there?"))).await;
    lock(&peer.hub).books.pings += 1;
    let _ = socket.feed(frame(&bytes[first..second], Data::Continue, false)).await;
    let _ = socket.send(frame(&bytes[second..], Data::Continue, true)).await;
}

async fn make<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, noise: Noise) {
    let message = match noise {
        Noise::Text(bytes) => {
            Message::Frame(Frame::message(Bytes::from(bytes), OpCode::Data(Data::Text), true))
        }
        Noise::Binary(length) => Message::Binary(Bytes::from(vec![0; length])),
        Noise::Ping => Message::Ping(Bytes::from_static(b"?")),
    };
    let _ = socket.send(message).await;
}

fn received(peer: &Peer, text: &str, seen: &mut HashSet<String>) {
    let at = Instant::now();
    let mut hub = lock(&peer.hub);
    let dialect = hub.knobs.dialect;
    let asked = match words::read(dialect, text) {
        Ok(asked) => asked,
        // The scout tries both dialects.
        Err(_) if text.contains(r#""request":"keepalive""#) => return foreign_keepalive(peer, &mut hub),
        Err(wrong) => return hub.books.violations.push(wrong),
    };
    if asked.handshake && dialect == Dialect::Nested {
        return foreign_keepalive(peer, &mut hub);
    }
    if !seen.insert(asked.transaction.clone()) {
        hub.books.violations.push(format!("a transaction used twice: {text}"));
    }
    if !hub.is_attached(peer.subscriber, peer.connection) {
        hub.books.violations.push(format!("before the state: {text}"));
    }
    if asked.name == "keepalive" {
        hub.books.keepalives += 1;
        if !hub.knobs.answers_keepalives || peer.fault == Fault::NeverEcho {
            return;
        }
        let delay = hub.knobs.echo_delay;
        drop(hub);
        let peer = peer.clone();
        tokio::spawn(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let mut hub = lock(&peer.hub);
            if !hub.is_attached(peer.subscriber, peer.connection) {
                return;
            }
            hub.books.keepalives_answered += 1;
            let answer = match dialect {
                Dialect::Flat => asked.text,
                Dialect::Nested => {
                    json!({"response": "ack", "line": asked.line, "transaction": asked.transaction})
                        .to_string()
                }
            };
            let _ = peer.out.send(Do::Say(answer));
            hub.books.echo_delays.push(at.elapsed().as_micros() as u64);
        });
        return;
    }
    count(&mut hub.books.requests, asked.name.clone());
    drop(hub);
    tokio::spawn(perform(peer.clone(), asked, at));
}

fn foreign_keepalive(peer: &Peer, hub: &mut Hub) {
    hub.books.keepalives_foreign += 1;
    if let Some(code) = hub.knobs.foreign_keepalive {
        let _ = peer.out.send(Do::Close(code));
    }
}
