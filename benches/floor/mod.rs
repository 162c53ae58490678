//! The floor: what the work of a harness costs when nothing but the work is done.
//!
//! One thread, one epoll, no runtime; frames made by hand, and of each message only that is looked at which the next
//! step needs. Nothing is measured, recorded or checked beyond that, so no harness can be cheaper by much. It speaks the
//! flat dialect, and `wtsp-load serve` finds no violation in what it does.
//!
//! Keepalives are gathered to 1 ms; sign-ons, calls and hang-ups are met exactly, by one `timerfd`.

mod client;
mod wire;

use std::collections::VecDeque;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::SockaddrStorage;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use wtsp_load::client::Media;
use wtsp_load::law::Seed;
use wtsp_load::profile::SdpPlan;
use wtsp_load::protocol::Dialect;

use super::Failure;
use client::{Client, Worth};

/// What is to be done, all of it on one connection a client.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// `127.0.0.1:7000`.
    pub address: Option<SocketAddr>,
    /// `token,number`, with a header.
    pub subscribers: PathBuf,
    /// The authority to trust: then it is `wss`.
    pub ca: Option<PathBuf>,
    /// Addresses to dial from, in turn; none leaves it to the system.
    pub sources: Vec<IpAddr>,
    pub clients: usize,
    pub signons_per_second: f64,
    /// Ends a client's work with its TLS handshake.
    pub handshake_only: bool,
    /// Instead of the interval that the server asks for.
    pub keepalive: Option<Duration>,
    pub calls_per_second: f64,
    /// For how long calls are placed, from the end of the sign-ons on.
    pub calls_for: Duration,
    pub hold: Duration,
    pub sdp_bytes: usize,
    /// From the start to the sign-off.
    pub length: Duration,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    pub signed_on: u64,
    pub keepalives: u64,
    pub calls: u64,
    /// Calls that were due when no two clients were free.
    pub blocked: u64,
    pub closed: u64,
}

/// What all clients send, made once.
pub struct Kit {
    pub media: Media,
    pub tokens: Vec<(String, String)>,
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub handshake_only: bool,
    pub sources: Vec<SockaddrStorage>,
}

/// A pair of neighbours: the first calls the second.
#[derive(Clone, Copy)]
struct Pair {
    call: u64,
    /// Parties that are not signed on, or whose line is not yet free again.
    busy: u8,
}

/// Does the order, and says what was done.
pub fn run(order: &Order) -> Result<Done, Failure> {
    wtsp_load::transport::raise_descriptor_limit()?;
    Floor::new(order)?.run()
}

struct Floor<'a> {
    order: &'a Order,
    kit: Kit,
    address: SockaddrStorage,
    epoll: Epoll,
    timer: TimerFd,
    armed_for: u64,
    clients: Vec<Client>,
    pairs: Vec<Pair>,
    idle: VecDeque<u32>,
    /// When the next keepalive of a client is due. All wait equally long, so the first in is the first out.
    keepalives: VecDeque<(u64, u32)>,
    /// When the caller of a pair hangs up; likewise.
    hangups: VecDeque<(u64, u32)>,
    interval: u64,
    calls_begun: u64,
    /// What the messages of one client were worth; kept for its memory.
    worth: Vec<Worth>,
    done: Done,
}

/// The timer's place among the descriptors; clients have those below.
const TIMER: u64 = u64::MAX;
const MILLISECOND: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;
/// How long the server may take to close at the end.
const GOODBYE: u64 = 3_000 * MILLISECOND;

impl<'a> Floor<'a> {
    fn new(order: &'a Order) -> Result<Floor<'a>, Failure> {
        let address = order.address.ok_or("no address")?;
        let tokens = tokens(order)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        // Edge-triggered: nobody has to read how often it went off.
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, TIMER))?;
        let sdp = SdpPlan::Bytes(order.sdp_bytes);
        let media = Media::new(&sdp, 0, Dialect::Flat, 0, &mut Seed(1).stream("media", 0))?;
        let tls = order.ca.as_ref().map(|ca| trusting(ca)).transpose()?;
        let sources = order.sources.iter().map(|source| SocketAddr::new(*source, 0).into()).collect();
        Ok(Floor {
            order,
            kit: Kit { media, tokens, tls, handshake_only: order.handshake_only, sources },
            address: address.into(),
            epoll,
            timer,
            armed_for: NEVER,
            clients: Vec::with_capacity(order.clients),
            pairs: vec![Pair { call: 0, busy: 2 }; order.clients.div_ceil(2)],
            idle: VecDeque::new(),
            keepalives: VecDeque::new(),
            hangups: VecDeque::new(),
            interval: 0,
            calls_begun: 0,
            worth: Vec::new(),
            done: Done::default(),
        })
    }

    fn run(mut self) -> Result<Done, Failure> {
        let start = now()?;
        let end = start + nanos(self.order.length);
        let mut events = vec![EpollEvent::empty(); 1024];
        let mut buffer = vec![0; 64 * 1024];
        let mut leaving = false;
        loop {
            let at = now()?;
            if !leaving && at >= end {
                leaving = true;
                self.clients.iter_mut().for_each(Client::close);
            }
            if leaving && (at >= end + GOODBYE || self.clients.iter().all(Client::is_closed)) {
                return Ok(self.done);
            }
            let timeout = if leaving { 10 } else { self.do_what_is_due(start, end, at)? };
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(timeout)) {
                Err(nix::errno::Errno::EINTR) => 0,
                count => count?,
            };
            let at = now()?;
            for event in &events[..count] {
                if event.data() != TIMER {
                    self.step(event.data() as u32, &mut buffer, at, leaving)?;
                }
            }
        }
    }

    /// Does what is due, and says how long there is nothing more to do, in milliseconds; the timer is set for what is due
    /// to the microsecond.
    fn do_what_is_due(&mut self, start: u64, end: u64, at: u64) -> Result<u16, Failure> {
        let exact = [end, self.sign_on(start, at)?, self.place_calls(start, at), self.hang_up(at)];
        self.arm(exact.into_iter().min().unwrap_or(end))?;
        while let Some(&(due, number)) = self.keepalives.front()
            && due <= at
        {
            self.keepalives.pop_front();
            if self.clients[number as usize].keepalive() {
                self.keepalives.push_back((due + self.interval, number));
            }
        }
        let keepalive = self.keepalives.front().map_or(NEVER, |(due, _)| due.saturating_sub(at));
        Ok(keepalive.div_ceil(MILLISECOND).min(1_000) as u16)
    }

    /// Signs on who is due; when the next one is.
    fn sign_on(&mut self, start: u64, at: u64) -> Result<u64, Failure> {
        while self.clients.len() < self.order.clients {
            let number = self.clients.len();
            let due = due_of(start, number as u64, self.order.signons_per_second);
            if due > at {
                return Ok(due);
            }
            let client = Client::dial(&self.kit, number, &self.address)?;
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            self.epoll.add(client.socket(), EpollEvent::new(flags, number as u64))?;
            self.clients.push(client);
        }
        Ok(NEVER)
    }

    /// Places the calls that are due; when the next one is.
    fn place_calls(&mut self, start: u64, at: u64) -> u64 {
        let order = self.order;
        if order.calls_per_second <= 0.0 {
            return NEVER;
        }
        let from = due_of(start, order.clients as u64, order.signons_per_second);
        loop {
            let due = due_of(from, self.calls_begun, order.calls_per_second);
            if due >= from + nanos(order.calls_for) {
                return NEVER;
            }
            if due > at {
                return due;
            }
            self.call();
        }
    }

    /// Hangs the calls up that have been held; when the next one will have been.
    fn hang_up(&mut self, at: u64) -> u64 {
        while let Some(&(due, pair)) = self.hangups.front() {
            if due > at {
                return due;
            }
            self.hangups.pop_front();
            self.clients[pair as usize * 2].hang_up(self.pairs[pair as usize].call);
        }
        NEVER
    }

    fn arm(&mut self, at: u64) -> Result<(), Failure> {
        if self.armed_for != at {
            let absolute = Expiration::OneShot(TimeSpec::from(Duration::from_nanos(at)));
            self.timer.set(absolute, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            self.armed_for = at;
        }
        Ok(())
    }

    fn call(&mut self) {
        self.calls_begun += 1;
        let Some(pair) = self.idle.pop_front() else {
            self.done.blocked += 1;
            return;
        };
        let call = self.calls_begun;
        self.pairs[pair as usize] = Pair { call, busy: 2 };
        let callee = &self.kit.tokens[pair as usize * 2 + 1].1;
        self.clients[pair as usize * 2].call(call, callee, &self.kit.media);
    }

    fn step(&mut self, number: u32, buffer: &mut [u8], at: u64, leaving: bool) -> Result<(), Failure> {
        let client = &mut self.clients[number as usize];
        let mut worth = std::mem::take(&mut self.worth);
        let alive = client.step(&self.kit, number as usize, buffer, &mut worth)?;
        for worth in worth.drain(..) {
            self.heed(number, worth, at);
        }
        self.worth = worth;
        if !alive {
            self.done.closed += 1;
            if !leaving && !self.kit.handshake_only {
                return Err(format!("client {number}: the server has closed its connection").into());
            }
        }
        Ok(())
    }

    /// Does what a message asks for.
    fn heed(&mut self, number: u32, worth: Worth, at: u64) {
        let pair = number / 2;
        match worth {
            Worth::SignedOn { interval } => {
                self.done.signed_on += 1;
                self.interval = nanos(self.order.keepalive.unwrap_or(interval));
                self.keepalives.push_back((at + self.interval, number));
                self.is_free(pair);
            }
            Worth::Keepalive => self.done.keepalives += 1,
            Worth::Accepted if number.is_multiple_of(2) => {
                self.hangups.push_back((at + nanos(self.order.hold), pair));
            }
            Worth::Accepted => {}
            Worth::LineFree => self.done.calls += u64::from(self.is_free(pair)),
            Worth::Secured => self.done.signed_on += 1,
        }
    }

    /// One of the pair is free; whether both are.
    fn is_free(&mut self, pair: u32) -> bool {
        let state = &mut self.pairs[pair as usize];
        state.busy = state.busy.saturating_sub(1);
        if state.busy == 0 {
            self.idle.push_back(pair);
        }
        state.busy == 0
    }
}

/// When the thing of this number is due, of so many a second.
fn due_of(from: u64, number: u64, per_second: f64) -> u64 {
    from + (number as f64 * 1e9 / per_second) as u64
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// `CLOCK_MONOTONIC`, in nanoseconds.
fn now() -> Result<u64, nix::Error> {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

fn tokens(order: &Order) -> Result<Vec<(String, String)>, Failure> {
    let csv = fs::read_to_string(&order.subscribers)?;
    let rows = csv.lines().skip(1).filter_map(|row| row.split_once(','));
    let tokens: Vec<_> = rows.take(order.clients).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    if tokens.len() < order.clients {
        return Err(format!("{}: only {} subscribers", order.subscribers.display(), tokens.len()).into());
    }
    Ok(tokens)
}

/// The settings of the harness: the same provider, the certificate checked, no session resumed.
fn trusting(ca: &PathBuf) -> Result<(Arc<ClientConfig>, ServerName<'static>), Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok((Arc::new(config), ServerName::try_from("127.0.0.1")?))
}
