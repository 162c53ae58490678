//! A WTSP server that shares no code with the harness: written from the protocol's text alone, so that an error in
//! how that was read does not hide on both sides of the wire.
//!
//! It runs on a thread of its own and counts for itself what it received and sent. It can be told to be slow, to
//! freeze, to refuse, to close and to talk nonsense.
#![allow(dead_code, reason = "not every test needs every knob")]

mod calls;
mod connection;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use self::calls::Hub;
pub use self::words::Dialect;

/// How the server behaves.
pub struct Knobs {
    pub dialect: Dialect,
    pub subscribers: usize,
    pub lines: usize,
    pub keepalive_interval: Duration,
    /// From a request to its response.
    pub ack_delay: Delay,
    /// From a keepalive to its echo or ack.
    pub echo_delay: Duration,
    /// From the upgrade to the handshake state.
    pub state_delay: Duration,
    /// Nobody is served while it lasts.
    pub freeze: Option<Freeze>,
    /// What is done to a connection: of which subscriber, its how manieth (0 is the first).
    pub fault: Box<dyn Fn(usize, usize) -> Fault + Send>,
    /// What becomes of the n-th call (0 is the first).
    pub fate: Box<dyn Fn(u64) -> Fate + Send>,
    /// What is said to every client after its state, besides what is due.
    pub noise: Vec<Noise>,
    /// The same, whenever a call is answered.
    pub noise_in_calls: Vec<Noise>,
    /// Every text goes out in three frames, with a ping between two of them.
    pub fragments: bool,
    /// Every event of a call is sent twice.
    pub twice: bool,
    /// A response comes after the events that its request caused.
    pub events_first: bool,
    /// The callee's leg has another call id than the caller's.
    pub rewrite_call_ids: bool,
    /// Numbers in events are SIP URIs.
    pub sip_uris: bool,
    /// Later events of a call carry its transaction.
    pub late_transactions: bool,
    /// The sub-protocol is selected.
    pub select_subprotocol: bool,
    pub answers_keepalives: bool,
    /// What a keepalive of the other dialect is answered with: a close code, or nothing.
    pub foreign_keepalive: Option<u16>,
    pub tls: Option<TlsAcceptor>,
}

impl Knobs {
    /// A server that does what it should.
    pub fn of(dialect: Dialect, subscribers: usize) -> Knobs {
        Knobs {
            dialect,
            subscribers,
            lines: 2,
            keepalive_interval: Duration::from_secs(30),
            ack_delay: Delay::None,
            echo_delay: Duration::ZERO,
            state_delay: Duration::ZERO,
            freeze: None,
            fault: Box::new(|_, _| Fault::None),
            fate: Box::new(|_| Fate::Connected),
            noise: Vec::new(),
            noise_in_calls: Vec::new(),
            fragments: false,
            twice: false,
            events_first: false,
            rewrite_call_ids: false,
            sip_uris: false,
            late_transactions: true,
            select_subprotocol: true,
            answers_keepalives: true,
            foreign_keepalive: None,
            tls: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Delay {
    None,
    Fixed(Duration),
    Uniform(Duration, Duration),
}

impl Delay {
    fn draw(self) -> Duration {
        match self {
            Delay::None => Duration::ZERO,
            Delay::Fixed(delay) => delay,
            Delay::Uniform(min, max) => rand::rng().random_range(min..max),
        }
    }
}

/// Frozen for `length`, for the first time `after` the first call came, and then once in `every`.
#[derive(Clone, Copy, Debug)]
pub struct Freeze {
    pub after: Duration,
    pub every: Duration,
    pub length: Duration,
}

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The upgrade is refused with this status.
    Http(u16),
    /// The upgrade is answered with something that is not HTTP.
    NotHttp,
    /// The upgrade is never answered.
    NoUpgrade,
    /// TCP ends instead of an answer to the upgrade.
    HangUpInUpgrade,
    /// Closed with this code in place of the handshake state.
    CloseAtSignOn(u16),
    /// Closed with this code in place of the registration.
    CloseUnregistered(u16),
    /// Closed with this code a while after the sign-on.
    CloseIdle(u16),
    /// Closed with this code a while after a call was answered.
    CloseInCall(u16),
    /// The close frame comes, but the end of TCP does not.
    CloseWithoutEnd(u16),
    /// TCP ends a while after the sign-on, without a close frame.
    Cut,
    /// After the sign-on nothing is read or written any more.
    Dead,
    NeverState,
    NeverEcho,
    /// A while after the sign-on, a text that is not UTF-8.
    NotUtf8,
    /// A while after the sign-on, a text of 2 MiB.
    TooLong,
    /// A while after the sign-on, bytes that are no frame.
    NoFrame,
    /// `unregistered`, then `registering`, then `registered`.
    SlowRegistration,
    /// `unregistered`, and nothing more.
    NeverRegistered,
    /// The state says `unregistered`, an event says that it failed.
    RegistrationFailed(u16),
    /// The state itself says that it failed.
    StateRegistrationFailed(u16),
    /// Registered, but not allowed to call.
    Limited,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Connected,
    /// A response `error`.
    Refused(i32),
    /// A `hangup` instead of the callee.
    HungUp(i32),
    /// An `error` event, and a `hangup` behind it.
    ErrorEvent(i32),
    /// The caller hears it ring, the callee hears nothing.
    Lost,
    /// Somebody else gets the call, too.
    Misdelivered,
    /// The callee gets it on two lines.
    Duplicated,
    /// No response.
    NoResponse,
    /// The response comes after so long.
    LateResponse(Duration),
    /// After the answer, the caller alone is told that it is over.
    HalfEnded,
    /// A refusal by the callee's line: the caller gets the `hangup`, the callee does not.
    HangsUpCallerOnly(i32),
}

/// What is said besides what is due.
#[derive(Clone, Debug)]
pub enum Noise {
    /// A text, as it is.
    Text(Vec<u8>),
    Binary(usize),
    Ping,
}

/// What the server has counted.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub connections: u64,
    pub upgrades: u64,
    pub states: u64,
    /// Requests received, by flat name; keepalives are counted apart.
    pub requests: BTreeMap<String, u64>,
    pub acks: u64,
    pub errors: BTreeMap<String, u64>,
    /// Events sent, by flat name.
    pub events: BTreeMap<String, u64>,
    pub hangups: BTreeMap<String, u64>,
    pub keepalives: u64,
    pub keepalives_answered: u64,
    pub keepalives_foreign: u64,
    pub answered: u64,
    /// Close frames that came, by code, those that answered one of ours left out.
    pub closed_by_client: BTreeMap<u16, u64>,
    /// Close frames that went out first, by code.
    pub closed_by_server: BTreeMap<u16, u64>,
    pub noise: u64,
    pub pings: u64,
    pub pongs: u64,
    /// From each request's arrival to the moment its response was handed to the socket, in microseconds.
    pub ack_delays: Vec<u64>,
    pub echo_delays: Vec<u64>,
    /// What clients did that the protocol does not allow.
    pub violations: Vec<String>,
    /// Calls that were up when the server ended.
    pub calls_left: u64,
}

impl Books {
    pub fn requests_total(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn event(&self, name: &str) -> u64 {
        self.events.get(name).copied().unwrap_or(0)
    }
}

/// The server, on its thread.
pub struct Server {
    pub address: SocketAddr,
    pub subscribers: usize,
    hub: Arc<Mutex<Hub>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(knobs: Knobs) -> Server {
        let subscribers = knobs.subscribers;
        let tls = knobs.tls.clone();
        let freeze = knobs.freeze;
        let hub = Arc::new(Mutex::new(Hub::new(knobs)));
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let inside = Arc::clone(&hub);
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                if let Some(freeze) = freeze {
                    tokio::spawn(freeze_now_and_then(Arc::clone(&inside), freeze));
                }
                tokio::spawn(accept(listener, inside, tls));
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        };
        let thread = thread::spawn(body);
        Server { address: address.recv().unwrap(), subscribers, hub, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Calls that have come so far.
    pub fn calls(&self) -> u64 {
        lock(&self.hub).books.requests.get("outgoing_call").copied().unwrap_or(0)
    }

    /// The list of subscribers, as the harness reads it.
    pub fn csv(&self) -> String {
        let lines = (0..self.subscribers).map(|one| format!("{},{}\n", token(one), number(one)));
        format!("token,number\n{}", lines.collect::<String>())
    }

    /// What was counted, once all connections have ended or a while has passed.
    pub fn books(&self) -> Books {
        let patience = Instant::now() + Duration::from_secs(2);
        loop {
            let hub = lock(&self.hub);
            if hub.is_quiet() || Instant::now() > patience {
                let mut books = hub.books.clone();
                books.calls_left = hub.calls_up();
                return books;
            }
            drop(hub);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The start of every token: what no output of the harness may hold.
pub const TOKEN: &str = "hush-hush";

pub fn token(subscriber: usize) -> String {
    format!("{TOKEN}+/=&{subscriber:05}")
}

pub fn number(subscriber: usize) -> String {
    format!("{}", 15_550_000 + subscriber)
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn accept(listener: TcpListener, hub: Arc<Mutex<Hub>>, tls: Option<TlsAcceptor>) {
    while let Ok((tcp, _)) = listener.accept().await {
        tcp.set_nodelay(true).unwrap();
        lock(&hub).books.connections += 1;
        let (hub, tls) = (Arc::clone(&hub), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection::serve(tcp, hub).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        connection::serve(stream, hub).await;
                    }
                }
            }
        });
    }
}

/// Nothing else runs on this thread while it sleeps: that is the point.
async fn freeze_now_and_then(hub: Arc<Mutex<Hub>>, freeze: Freeze) {
    let first = loop {
        if let Some(first) = lock(&hub).first_call {
            break first;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let mut next = first + freeze.after;
    loop {
        tokio::time::sleep_until(next.into()).await;
        let end = next + freeze.length;
        thread::sleep(end.saturating_duration_since(Instant::now()));
        next += freeze.every;
    }
}

/// A map by name or code.
pub fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

type BySubscriber<T> = HashMap<usize, T>;
