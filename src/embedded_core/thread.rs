//! A core on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::core::{self, Control, Core};
use super::listener::Listener;
use super::{CoreOptions, Truth};
use crate::transport::{Clock, Listening, Poller, most_descriptors, own_acceptor};

/// How long the core is given to answer its owner: it does so with its next turn.
const ANSWER: Duration = Duration::from_secs(10);

/// How many sockets the system tells of between two turns.
const SOCKETS_A_TURN: usize = 1024;

/// A core has a place for each socket that it may come to hold, of a byte; some systems set no limit to those.
const MOST_PLACES: u64 = 1 << 20;

/// A core that runs on a thread of its own, named `core`, until it is stopped or dropped.
#[derive(Debug)]
pub struct EmbeddedCore {
    address: SocketAddr,
    authority: Option<String>,
    subscribers: Vec<super::Provisioned>,
    control: mpsc::Sender<Control>,
    thread: JoinHandle<io::Result<Truth>>,
}

impl EmbeddedCore {
    /// Listens, and runs from here on.
    ///
    /// # Errors
    /// The system's: the address is taken, or there is no descriptor, thread or certificate to be had.
    pub fn start(options: CoreOptions) -> io::Result<EmbeddedCore> {
        let (acceptor, authority) = match options.tls {
            false => (None, None),
            true => {
                let (acceptor, authority) = own_acceptor().map_err(io::Error::other)?;
                (Some(acceptor), Some(authority))
            }
        };
        let subscribers = options.subscribers.clone();
        let (control, controlled) = mpsc::channel(16);
        let clock = Clock::start();
        let poller = Poller::new(most_places()?, SOCKETS_A_TURN, clock)?;
        let tcp = Listening::bind(options.listen, &poller, core::LISTENER)?;
        let address = tcp.address()?;
        let thread = Builder::new().name("core".to_owned()).spawn(move || {
            // Delays are kept by the kernel's timers, without the default slack of 50 µs.
            let _ = nix::sys::prctl::set_timerslack(1);
            let listener = Listener::new(tcp, acceptor, clock, options.sub_protocol);
            Core::new(options, clock, poller).run(listener, controlled)
        })?;
        Ok(EmbeddedCore { address, authority, subscribers, control, thread })
    }

    /// Where clients connect to, without a token.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}/signaling/v1", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may sign on.
    pub fn subscribers(&self) -> &[super::Provisioned] {
        &self.subscribers
    }

    /// The PEM of the authority that signed its certificate, if it speaks `wss`.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What it has counted up to now.
    ///
    /// # Errors
    /// When it runs no more.
    pub fn truth(&self) -> io::Result<Truth> {
        let (answer, answered) = channel();
        self.control.try_send(Control::Truth(answer)).map_err(io::Error::other)?;
        answered.recv_timeout(ANSWER).map_err(io::Error::other)
    }

    /// Closes all connections with 1001, and tells what it counted.
    ///
    /// # Errors
    /// When it did not run to its end.
    pub fn stop(self) -> io::Result<Truth> {
        // A core without an owner stops.
        drop(self.control);
        self.thread.join().map_err(|_| io::Error::other("the core panicked"))?
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// As many as there can be sockets.
fn most_places() -> io::Result<usize> {
    let descriptors = most_descriptors()?.min(MOST_PLACES);
    Ok(descriptors as usize + core::OWN_PLACES as usize)
}
