//! Taking connections: TCP, TLS, and upgrade or REST, each by a future of its own until it is a link or gone.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::address::{Address, is_signaling};
use super::rest::{self, Ask};
use super::slab::Id;
use crate::law::Time;
use crate::transport::{
    Accepted, Clock, HttpConnection, HttpRequest, HttpResponse, Link, Listening, Poller, ReadyWaker, Socket,
    SubProtocolRule, accept,
};

/// About how long a TLS handshake and an upgrade may take together; and from one REST request to the end of the next.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks who has been here for longer.
const LOOK: Duration = Duration::from_secs(1);

/// How many upgrades and REST connections may be under way; who comes beyond waits in the backlog.
const MAX_GUESTS: usize = 2_048;

/// How many connections are taken in a turn, before the others have theirs.
const BURST: usize = 256;

/// How many guests are gone on with in a turn: one may take half a millisecond of TLS, for which all links wait.
const GUESTS_A_TURN: usize = 8;

/// How long to wait when a connection cannot be taken, for lack of a descriptor most likely.
const PAUSE: Duration = Duration::from_millis(50);

/// A REST request, and where its answer is awaited.
pub(super) type Asked = (Ask, oneshot::Sender<HttpResponse>);

/// Takes connections, and has those that are no links yet.
pub(super) struct Listener {
    tcp: Listening,
    reception: Reception,
    /// By their places.
    guests: HashMap<u32, Guest>,
    /// The places of those that have something to do.
    waiting: VecDeque<u32>,
    /// No connection is taken before: there was nothing left to hold one with.
    paused_until: Time,
    next_look: Time,
    /// How often there was no descriptor for one.
    out_of_descriptors: u64,
}

/// What all guests share.
#[derive(Clone)]
struct Reception {
    tls: Option<TlsAcceptor>,
    clock: Clock,
    sub_protocol: SubProtocolRule,
    asked: Rc<RefCell<Vec<Asked>>>,
    refused: Rc<Cell<u64>>,
}

/// A connection that is no link yet, and may never be one.
struct Guest {
    id: Id,
    /// Ends with the link that it has become, if any.
    stay: Pin<Box<dyn Future<Output = Option<Upgraded>>>>,
    leave: Rc<Leave>,
    ready: Arc<ReadyWaker>,
    waker: Waker,
}

/// Until when a guest may stay.
struct Leave {
    until: Cell<Time>,
    /// It came for REST, and not for an upgrade.
    is_rest: Cell<bool>,
}

/// A guest that has become a link, and how it was addressed.
type Upgraded = (Link, Address);

/// What became of a guest.
#[allow(clippy::large_enum_variant, reason = "nearly all are links, and none stays for long")]
pub(super) enum Became {
    /// It has been upgraded. Its place is to be filled.
    Link(Id, Link, Address),
    /// It is gone, and its place is to be given back.
    Gone(Id),
}

impl Listener {
    pub(super) fn new(
        tcp: Listening,
        tls: Option<TlsAcceptor>,
        clock: Clock,
        sub_protocol: SubProtocolRule,
    ) -> Listener {
        Listener {
            tcp,
            reception: Reception { tls, clock, sub_protocol, asked: Rc::default(), refused: Rc::default() },
            guests: HashMap::new(),
            waiting: VecDeque::new(),
            paused_until: Time::ZERO,
            next_look: Time::NEVER,
            out_of_descriptors: 0,
        }
    }

    /// When it has something to do, if no socket says so before.
    pub(super) fn next(&self) -> Time {
        if !self.waiting.is_empty() {
            return Time::ZERO;
        }
        let accept = if self.may_accept() { self.paused_until } else { Time::NEVER };
        accept.min(self.next_look)
    }

    fn may_accept(&self) -> bool {
        self.tcp.may_have_some() && self.guests.len() < MAX_GUESTS
    }

    /// Takes the connections that wait, some at a time. `reserve` gives a place to each; those that come to nothing go to `gone`.
    pub(super) fn accept(
        &mut self,
        now: Time,
        poller: &Poller,
        mut reserve: impl FnMut() -> Id,
        gone: &mut Vec<Id>,
    ) {
        for _ in 0..BURST {
            if !self.may_accept() || now < self.paused_until {
                return;
            }
            match self.tcp.accept() {
                Poll::Pending => return,
                Poll::Ready(Ok(tcp)) => {
                    let id = reserve();
                    if self.admit(tcp, id, now, poller).is_err() {
                        gone.push(id);
                        self.out_of_descriptors += 1;
                        self.paused_until = now + PAUSE;
                    }
                }
                // It was gone before it was taken.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // The kernel would say so again at once: wait for others to end.
                Poll::Ready(Err(error)) => {
                    self.out_of_descriptors += u64::from(is_exhausted(&error));
                    self.paused_until = now + PAUSE;
                }
            }
        }
    }

    /// Makes a guest of a connection. Fails where there is nothing left to have it watched with.
    fn admit(&mut self, tcp: TcpStream, id: Id, now: Time, poller: &Poller) -> io::Result<()> {
        let socket = Socket::accepted(tcp, poller, id.index)?;
        let leave = Rc::new(Leave { until: Cell::new(now + PATIENCE), is_rest: Cell::new(false) });
        let stay = Box::pin(self.reception.clone().receive(socket, Rc::clone(&leave)));
        let ready = poller.waker(id.index);
        let waker = Waker::from(Arc::clone(&ready));
        self.guests.insert(id.index, Guest { id, stay, leave, ready, waker });
        self.next_look = self.next_look.min(now + LOOK);
        Ok(())
    }

    /// The guest at this place, if there is one, has something to do.
    pub(super) fn is_ready(&mut self, place: u32) {
        if self.guests.contains_key(&place) {
            self.waiting.push_back(place);
        }
    }

    /// Goes on with those that have something to do, some at a time, and tells `became` of each that is no guest any more.
    pub(super) fn step(&mut self, mut became: impl FnMut(Became)) {
        for _ in 0..GUESTS_A_TURN {
            let Some(place) = self.waiting.pop_front() else { return };
            if let Some(guest) = self.go_on(place) {
                became(guest);
            }
        }
    }

    fn go_on(&mut self, place: u32) -> Option<Became> {
        let guest = self.guests.get_mut(&place)?;
        guest.ready.stepping();
        let Poll::Ready(upgraded) = guest.stay.as_mut().poll(&mut Context::from_waker(&guest.waker)) else {
            return None;
        };
        let id = guest.id;
        self.guests.remove(&place);
        Some(upgraded.map_or(Became::Gone(id), |(link, address)| Became::Link(id, link, address)))
    }

    /// All have time to be heard before they are sent away: the core stood still.
    pub(super) fn put_off_look(&mut self, now: Time) {
        if self.next_look != Time::NEVER {
            self.next_look = now + LOOK;
        }
    }

    /// Sends those away who have been here for too long; adds their places to `gone`.
    pub(super) fn look(&mut self, now: Time, gone: &mut Vec<Id>) {
        if now < self.next_look {
            return;
        }
        self.guests.retain(|_, guest| {
            let may_stay = now < guest.leave.until.get();
            if !may_stay {
                gone.push(guest.id);
                if !guest.leave.is_rest.get() {
                    bump(&self.reception.refused);
                }
            }
            may_stay
        });
        self.next_look = if self.guests.is_empty() { Time::NEVER } else { now + LOOK };
    }

    /// What has been asked over REST since the last call.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.reception.asked.take()
    }

    /// What has been counted since the last call: refused upgrades, and lacks of a descriptor.
    pub(super) fn counted(&mut self) -> (u64, u64) {
        (self.reception.refused.take(), std::mem::take(&mut self.out_of_descriptors))
    }
}

impl Reception {
    async fn receive(self, socket: Socket, leave: Rc<Leave>) -> Option<Upgraded> {
        let accepted = accept(socket, self.tls.clone(), self.clock, self.sub_protocol, is_signaling);
        match Box::pin(accepted).await {
            Some(Accepted::Link(link, asked)) => Some((link, Address::read(&asked))),
            Some(Accepted::Http(connection, request)) => {
                leave.is_rest.set(true);
                Box::pin(self.rest(connection, request, &leave)).await;
                None
            }
            None => {
                bump(&self.refused);
                None
            }
        }
    }

    /// Answers the REST requests of a connection, one after the other.
    async fn rest(&self, mut connection: HttpConnection, request: HttpRequest, leave: &Leave) {
        let mut next = Some(request);
        while let Some(request) = next.take() {
            leave.until.set(self.clock.now() + PATIENCE);
            let response = self.answer(&request).await;
            let is_answered = connection.answer(&response, request.is_kept_alive).await.is_ok();
            if is_answered && request.is_kept_alive {
                // Whoever sends requests without end has a turn for each, as all others have theirs.
                tokio::task::yield_now().await;
                next = connection.request().await;
            }
        }
    }

    async fn answer(&self, request: &HttpRequest) -> HttpResponse {
        match rest::read(request) {
            Ok(ask) => {
                let (answer, answered) = oneshot::channel();
                self.asked.borrow_mut().push((ask, answer));
                answered.await.unwrap_or_else(|_| rest::stopped())
            }
            Err(response) => {
                if !rest::is_api(request) {
                    bump(&self.refused);
                }
                response
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("tcp", &self.tcp)
            .field("guests", &self.guests.len())
            .finish_non_exhaustive()
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

fn bump(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}
