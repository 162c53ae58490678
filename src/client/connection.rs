//! A client and its connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Reconnection;
use crate::law::Time;
use crate::metrics::Phase;
use crate::protocol::{NotInDialect, Outgoing, Session};
use crate::scenario::Leg;
use crate::transport::{Buffers, DialError, Dialled, FrameError, Link, ReadyWaker, Received};

/// A dial under way.
type Dialling = Pin<Box<dyn Future<Output = Result<Dialled, DialError>>>>;

/// One simulated app.
#[derive(Debug)]
pub struct Client {
    /// Its protocol state; it outlives its connections.
    pub session: Session,
    /// Its connection.
    pub connection: Connection,
    /// The sign-on under way.
    pub signon: Option<Signon>,
    /// Which leg of which call is on each line.
    pub legs: Vec<Option<LegRef>>,
    /// The attempt that it plays in.
    pub attempt: Option<AttemptRef>,
    /// A call that was over before it had come in here. It may be on its way still.
    pub given_up: Option<GivenUp>,
    /// The calls that were on its lines when its connection was lost.
    pub kept: Vec<KeptCall>,
    /// Until when these wait for it; once it is back, until when it waits for their end.
    pub kept_until: Time,
    /// How it comes back when its connection is lost.
    pub reconnection: Reconnection,
    /// It signs off as soon as its calls are over.
    pub leaving: bool,
    /// It drops its connection when it signs off, instead of closing it.
    pub drops: bool,
    /// It has dropped its latest connection, which the server may not have noticed yet.
    pub dropped: bool,
    /// It signs on again as soon as it has signed off.
    pub returning: bool,
    /// It is signed on.
    pub signed_on: bool,
    /// It stands in the queue of idle clients.
    pub queued: bool,
    /// Since when the other end of its connection does not read; [`Time::NEVER`] if it does.
    stuck_since: Time,
    waker: Arc<ReadyWaker>,
    task: Waker,
}

/// A leg of a call: which attempt of the worker, which of its legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegRef {
    /// The attempt's place in its worker's list.
    pub attempt: usize,
    /// Tells attempts apart that had the same place one after the other.
    pub serial: u32,
    /// The leg.
    pub leg: Leg,
}

/// A call of a client that lost its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCall {
    /// The leg that it is.
    pub leg: LegRef,
    /// The server's name for it.
    pub call_id: Box<str>,
    /// It is to be ended, and rings.
    pub is_ringing: bool,
}

/// A client's part in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRef {
    /// The attempt's place in its worker's list.
    pub attempt: usize,
    /// Tells attempts apart that had the same place one after the other.
    pub serial: u32,
    /// Which of its parties the client is.
    pub party: u8,
}

/// A call that its caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The place of the caller's client.
    pub caller: usize,
    /// The server has said that the call is over: its `hangup` follows here too.
    pub confirmed: bool,
    /// When.
    pub at: Time,
}

/// A sign-on under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signon {
    /// When it was due.
    pub due: Time,
    /// When it was dialled.
    pub sent: Time,
    /// When it will have taken too long.
    pub timeout: Time,
    /// The client comes back by itself: the schedule has nothing to do with it.
    pub again: bool,
}

/// The connection of a client.
pub enum Connection {
    /// None.
    Off,
    /// On its way.
    Dialling(Dialling),
    /// Open.
    Open {
        /// The link.
        link: Box<Link>,
        /// When the server had agreed to the upgrade.
        opened: Time,
        /// When the server's part of the closing handshake will have taken too long.
        close_timeout: Time,
    },
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Connection::Off => "Off",
            Connection::Dialling(_) => "Dialling",
            Connection::Open { .. } => "Open",
        })
    }
}

impl Client {
    /// A client that is not connected.
    pub fn new(session: Session, reconnection: Reconnection, waker: Arc<ReadyWaker>) -> Client {
        let task = Waker::from(Arc::clone(&waker));
        Client {
            session,
            connection: Connection::Off,
            signon: None,
            legs: Vec::new(),
            attempt: None,
            given_up: None,
            kept: Vec::new(),
            kept_until: Time::NEVER,
            reconnection,
            leaving: false,
            drops: false,
            dropped: false,
            returning: false,
            signed_on: false,
            queued: false,
            stuck_since: Time::NEVER,
            waker,
            task,
        }
    }

    /// Starts to dial: the client is to be stepped at once.
    pub fn dial(
        &mut self,
        dialling: impl Future<Output = Result<Dialled, DialError>> + 'static,
        signon: Signon,
    ) {
        self.connection = Connection::Dialling(Box::pin(dialling));
        self.signon = Some(signon);
        self.stuck_since = Time::NEVER;
        self.task.wake_by_ref();
    }

    /// Has the client stepped again in the next turn.
    pub fn wake(&self) {
        self.task.wake_by_ref();
    }

    /// Says that the client is being stepped: it is listed again at its next wake-up.
    pub fn stepping(&self) {
        self.waker.stepping();
    }

    /// Polls the dial under way; ready at once with `None` if there is none.
    pub fn poll_dial(&mut self) -> Poll<Option<Result<Dialled, DialError>>> {
        let Connection::Dialling(dialling) = &mut self.connection else { return Poll::Ready(None) };
        dialling.as_mut().poll(&mut Context::from_waker(&self.task)).map(Some)
    }

    /// What comes next off the link; pending if there is none.
    pub fn poll_receive(&mut self, buffers: &mut Buffers) -> Poll<Received> {
        let Connection::Open { link, .. } = &mut self.connection else { return Poll::Pending };
        link.poll_receive(buffers, &mut Context::from_waker(&self.task))
    }

    /// Sends the request on `line`, or without one; when it was handed over and when it was written to the socket.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn request(
        &mut self,
        line: Option<usize>,
        request: &Outgoing<'_>,
        tag: u64,
        now: Time,
        buffer: &mut Vec<u8>,
        buffers: &mut Buffers,
    ) -> Result<Time, SendError> {
        self.link()?;
        self.session.request(line, request, tag, now, buffer)?;
        self.write(now, buffer, buffers)
    }

    /// Sends a keepalive.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn keepalive(
        &mut self,
        now: Time,
        buffer: &mut Vec<u8>,
        buffers: &mut Buffers,
    ) -> Result<Time, SendError> {
        self.link()?;
        self.session.keepalive(now, buffer);
        self.write(now, buffer, buffers)
    }

    /// Starts to close; the connection is over when [`Client::poll_receive`] says so, or at `timeout`.
    pub fn close(&mut self, code: u16, now: Time, timeout: Time, buffers: &mut Buffers) {
        if let Connection::Open { link, close_timeout, .. } = &mut self.connection
            && !link.is_closing()
        {
            link.close(code, "", now, buffers, &mut Context::from_waker(&self.task));
            *close_timeout = timeout;
            // What the socket says to it is seen at once.
            self.task.wake_by_ref();
        }
    }

    /// Whether the other end of its connection does not read: its owner is to drop it.
    pub fn is_stuck(&self) -> bool {
        self.stuck_since < Time::NEVER
    }

    /// If the server has begun to close: the connection is over at `timeout`, whether TCP ends until then or not.
    pub fn closing(&mut self, timeout: Time) {
        if let Connection::Open { link, close_timeout, .. } = &mut self.connection
            && link.is_closing()
            && *close_timeout == Time::NEVER
        {
            *close_timeout = timeout;
        }
    }

    /// Whether either end has begun to close.
    pub fn is_closing(&self) -> bool {
        matches!(&self.connection, Connection::Open { link, .. } if link.is_closing())
    }

    /// Whether there is a connection, or one on its way.
    pub fn is_on(&self) -> bool {
        !matches!(self.connection, Connection::Off)
    }

    /// Whether the server has told it how things stand on this connection.
    pub fn has_state(&self) -> bool {
        matches!(self.connection, Connection::Open { .. }) && self.session.is_attached()
    }

    /// Whether it has lost its place, and is to come back.
    pub fn is_away(&self) -> bool {
        let returns = self.signon.is_some_and(|signon| signon.again);
        returns || self.reconnection.is_waiting() || self.reconnection.lost.is_some()
    }

    /// Whether it plays in an attempt, or a call is on a line.
    pub fn in_call(&self) -> bool {
        self.attempt.is_some() || self.legs.iter().any(Option::is_some)
    }

    /// What the connection is doing.
    pub fn phase(&self) -> Phase {
        match &self.connection {
            Connection::Off | Connection::Dialling(_) => Phase::Connecting,
            Connection::Open { .. } if self.leaving => Phase::Draining,
            Connection::Open { .. } if !self.session.is_attached() => Phase::WaitingState,
            Connection::Open { .. } if self.in_call() => Phase::InCall,
            Connection::Open { .. } => Phase::Idle,
        }
    }

    /// When the client next wants to be asked what is due.
    pub fn next_due(&self) -> Time {
        let signon = self.signon.map_or(Time::NEVER, |signon| signon.timeout);
        let due = match &self.connection {
            Connection::Off => self.reconnection.due,
            Connection::Dialling(_) => signon,
            Connection::Open { .. } if self.is_stuck() => self.stuck_since,
            Connection::Open { link, close_timeout, .. } if link.is_closing() => *close_timeout,
            Connection::Open { .. } => signon.min(self.session.next_due()),
        };
        due.min(self.kept_until)
    }

    fn link(&mut self) -> Result<&mut Link, SendError> {
        match &mut self.connection {
            Connection::Open { link, .. } if !link.is_closing() => Ok(link),
            _ => Err(SendError::NotOpen),
        }
    }

    fn write(&mut self, now: Time, buffer: &[u8], buffers: &mut Buffers) -> Result<Time, SendError> {
        // The encoders write UTF-8 and nothing else; checking costs less than an `unsafe` is worth.
        let text = std::str::from_utf8(buffer).map_err(|_| SendError::NotOpen)?;
        let Connection::Open { link, .. } = &mut self.connection else { return Err(SendError::NotOpen) };
        let sent = link.send(text, buffers, &mut Context::from_waker(&self.task));
        // The socket's last write may be an earlier one's, where it takes no more for now.
        let written = link.last_write().max(now);
        if let Err(error) = sent {
            self.stuck_since = if error == FrameError::Stuck { now } else { Time::NEVER };
            // The link says itself how it ended.
            self.task.wake_by_ref();
            return Err(error.into());
        }
        Ok(written)
    }
}

/// Why something could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection, or it is being closed.
    #[error("not connected")]
    NotOpen,
    /// The dialect cannot say it.
    #[error("not in this dialect")]
    Dialect,
    /// The connection has ended, or its other end does not read.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<NotInDialect> for SendError {
    fn from(_: NotInDialect) -> SendError {
        SendError::Dialect
    }
}
