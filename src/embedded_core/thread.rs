//! A core on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::core::{Control, Core};
use super::listener::{Arrivals, Listener, bind};
use super::{CoreOptions, Truth};
use crate::transport::{Clock, own_acceptor};

/// How long the core is given to answer its owner: it does so with its next turn.
const ANSWER: Duration = Duration::from_secs(10);

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
        let (bound, binding) = channel();
        let thread = Builder::new()
            .name("core".to_owned())
            .spawn(move || run(options, acceptor, controlled, &bound))?;
        let address = listening(&binding)?;
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

fn listening(binding: &Receiver<io::Result<SocketAddr>>) -> io::Result<SocketAddr> {
    binding.recv().map_err(|_| io::Error::other("the core did not start"))?
}

fn run(
    options: CoreOptions,
    tls: Option<TlsAcceptor>,
    control: mpsc::Receiver<Control>,
    bound: &Sender<io::Result<SocketAddr>>,
) -> io::Result<Truth> {
    // Delays are kept by the kernel's timers, without the default slack of 50 µs.
    let _ = nix::sys::prctl::set_timerslack(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let opened = bind(options.listen).and_then(|tcp| Ok((tcp.local_addr()?, tcp)));
        let (address, tcp): (SocketAddr, TcpListener) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Whoever started the core waits for this.
                let _ = bound.send(Err(error));
                return Err(io::Error::other("the core cannot listen"));
            }
        };
        let _ = bound.send(Ok(address));
        let clock = Clock::start();
        let arrivals = Rc::new(Arrivals::default());
        let sub_protocol = options.sub_protocol;
        let listener = Listener { tls, clock, sub_protocol, arrivals: Rc::clone(&arrivals) };
        tokio::task::spawn_local(listener.run(tcp));
        Core::new(options, clock).run(arrivals, control).await
    })
}
