//! Taking connections: TCP, TLS, and upgrade or REST, beside the task that steps the core.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::TlsAcceptor;

use super::address::{Address, is_signaling};
use super::rest::{self, Ask};
use crate::transport::{
    Accepted, Clock, HttpConnection, HttpRequest, HttpResponse, Link, SubProtocolRule, accept,
};

/// What the kernel may hold back for us during a storm of connections.
const BACKLOG: u32 = 4096;

/// How long a TLS handshake and an upgrade may take together; and from one REST request to the end of the next.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many upgrades and REST connections may be under way; who comes beyond waits in the backlog.
const MAX_UPGRADING: usize = 2_048;

/// How long to wait when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens the socket that a core listens on.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What has come in for the core.
#[allow(clippy::large_enum_variant, reason = "nearly all are links, and none stays for long")]
#[derive(Debug)]
pub(super) enum Arrival {
    /// A connection that has been upgraded.
    Link(Link, Address),
    /// A REST request, and where its answer is awaited.
    Rest(Ask, oneshot::Sender<HttpResponse>),
}

/// Where upgraded connections and REST requests wait to be taken by the core, and what is counted of the others.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    queue: RefCell<Vec<Arrival>>,
    waker: RefCell<Option<Waker>>,
    upgrading: Cell<usize>,
    one_less: Notify,
    refused: Cell<u64>,
    out_of_descriptors: Cell<u64>,
}

impl Arrivals {
    /// Moves what has arrived to `into`; the task is woken at the next arrival.
    pub(super) fn take(&self, into: &mut Vec<Arrival>, cx: &Context<'_>) {
        match &mut *self.waker.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        into.append(&mut self.queue.borrow_mut());
    }

    fn arrived(&self, arrival: Arrival) {
        self.queue.borrow_mut().push(arrival);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// How connections are taken.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) clock: Clock,
    pub(super) sub_protocol: SubProtocolRule,
    pub(super) arrivals: Rc<Arrivals>,
}

impl Listener {
    /// Takes connections for ever. Runs within a `LocalSet`.
    pub(super) async fn run(self, tcp: TcpListener) {
        loop {
            while self.arrivals.upgrading.get() >= MAX_UPGRADING {
                self.arrivals.one_less.notified().await;
            }
            match tcp.accept().await {
                Ok((stream, _)) => {
                    self.arrivals.upgrading.set(self.arrivals.upgrading.get() + 1);
                    tokio::task::spawn_local(self.clone().upgrade(stream));
                }
                // The connection was gone before it was taken, or there is nothing left to hold it with. In the
                // latter case the kernel would say so again at once: wait for others to end.
                Err(error) => {
                    if is_exhausted(&error) {
                        bump(&self.arrivals.out_of_descriptors);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn upgrade(self, stream: TcpStream) {
        let upgrade = accept(stream, self.tls.clone(), self.clock, self.sub_protocol, is_signaling);
        match tokio::time::timeout(UPGRADE_TIMEOUT, Box::pin(upgrade)).await {
            Ok(Some(Accepted::Link(link, asked))) => {
                self.arrivals.arrived(Arrival::Link(link, Address::read(&asked)));
            }
            Ok(Some(Accepted::Http(connection, request))) => Box::pin(self.rest(connection, request)).await,
            Ok(None) | Err(_) => bump(&self.arrivals.refused),
        }
        self.arrivals.upgrading.set(self.arrivals.upgrading.get().saturating_sub(1));
        self.arrivals.one_less.notify_one();
    }

    /// Answers the REST requests of a connection, one after the other.
    async fn rest(&self, mut connection: HttpConnection, request: HttpRequest) {
        let mut next = Some(request);
        while let Some(request) = next.take() {
            let turn = async {
                let response = self.answer(&request).await;
                connection.answer(&response, request.is_kept_alive).await.ok()?;
                if request.is_kept_alive { connection.request().await } else { None }
            };
            next = tokio::time::timeout(UPGRADE_TIMEOUT, turn).await.ok().flatten();
        }
    }

    async fn answer(&self, request: &HttpRequest) -> HttpResponse {
        match rest::read(request) {
            Ok(ask) => {
                let (answer, answered) = oneshot::channel();
                self.arrivals.arrived(Arrival::Rest(ask, answer));
                answered.await.unwrap_or_else(|_| rest::stopped())
            }
            Err(response) => {
                if !rest::is_api(request) {
                    bump(&self.arrivals.refused);
                }
                response
            }
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

fn bump(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Arrivals {
    /// What has been counted since the last call: refused upgrades, and lacks of a descriptor.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.refused.take(), self.out_of_descriptors.take())
    }
}
