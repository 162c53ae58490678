//! The scout: one client that signs on before the run, to find out what the run would meet.
//!
//! It checks URL, TLS, token and sub-protocol, learns lines and keepalive interval, and finds the dialect where the
//! profile leaves it open: nothing in the server's first message tells it, so the scout sends the flat keepalive
//! handshake, and on no answer the nested keepalive request on a new connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::law::{Seed, Time};
use crate::metrics::{Counters, DisconnectKey, Metric, Phase, Recorder};
use crate::protocol::{
    CloseCode, Dialect, Event, EventBody, Fact, RegistrationStatus, ResponseOutcome, Session, SessionSettings,
};
use crate::transport::{Buffers, Closed, DialError, Dialer, Initiator, Link, Received, Watcher};

/// The scout's number among the clients, which go from 0 up; seen in its transaction ids alone.
const SCOUT: u32 = 9_999_999;
/// How long the server may take for its part of the closing handshake (protocol, section 1.6).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer to a keepalive is awaited where the other dialect may still be tried.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the scout is to find out, and how patient it is.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The dialect, if the profile says it; else it is found.
    pub dialect: Option<Dialect>,
    /// The token to sign on with.
    pub token: String,
    /// Whether to displace another connection of that token.
    pub force: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How the session reads and waits.
    pub settings: SessionSettings,
    /// The number of the run, for transaction ids.
    pub run: u32,
}

/// What the scout found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scouted {
    /// The dialect to speak.
    pub dialect: Dialect,
    /// The server answered a keepalive in that dialect.
    pub keepalive_answered: bool,
    /// The server selected the sub-protocol.
    pub subprotocol: bool,
    /// Lines of the account.
    pub lines: usize,
    /// The interval between keepalives.
    pub keepalive_interval: Duration,
}

/// Why there can be no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoutError {
    /// No connection.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// Closed before it was signed on.
    #[error("the server closed the scout's connection with {code} ({name}): {conclusion}")]
    Closed {
        /// The close code.
        code: u16,
        /// Its name.
        name: &'static str,
        /// What to make of it.
        conclusion: &'static str,
    },
    /// No handshake state.
    #[error("the server sent no handshake state within {} s: is this a WebTrit Core?", .0.as_secs_f64())]
    NoState(Duration),
    /// Not registered.
    #[error("the scout's subscriber is not registered ({0}): check the account")]
    NotRegistered(&'static str),
    /// No dialect fits.
    #[error(
        "the server answered neither the flat nor the nested keepalive; name the `dialect` in the profile \
         if it never answers one"
    )]
    NoDialect,
}

/// Signs on, finds out, and signs off. What went over the wire is counted in `recorder`.
///
/// # Errors
/// [`ScoutError`] says why no run is possible.
pub async fn scout(
    dialer: Arc<Dialer>,
    wishes: &Wishes,
    recorder: &mut Recorder,
) -> Result<Scouted, ScoutError> {
    let trials: &[Dialect] = match wishes.dialect {
        Some(Dialect::Flat) => &[Dialect::Flat],
        Some(Dialect::Nested) => &[Dialect::Nested],
        None => &[Dialect::Flat, Dialect::Nested],
    };
    for dialect in trials {
        let mut visit = Visit::open(Arc::clone(&dialer), wishes, *dialect, recorder).await?;
        let signed_on = visit.sign_on().await;
        let answered = match signed_on {
            Ok(()) => visit.keepalive(wishes.dialect.is_none()).await,
            Err(_) => false,
        };
        let scouted = visit.found(answered);
        visit.sign_off().await;
        signed_on?;
        if answered || wishes.dialect.is_some() {
            return Ok(scouted);
        }
    }
    Err(ScoutError::NoDialect)
}

/// One connection of the scout.
struct Visit<'r> {
    link: Link,
    session: Session,
    recorder: &'r mut Recorder,
    dialer: Arc<Dialer>,
    subprotocol: bool,
    opened: Time,
    closed: Option<Closed>,
    buffer: Vec<u8>,
    buffers: Buffers,
    patience: Duration,
}

impl<'r> Visit<'r> {
    async fn open(
        dialer: Arc<Dialer>,
        wishes: &Wishes,
        dialect: Dialect,
        recorder: &'r mut Recorder,
    ) -> Result<Visit<'r>, ScoutError> {
        let dialling = Arc::clone(&dialer).dial(0, wishes.token.clone(), wishes.force, Watcher::Runtime);
        let dialled = timeout(wishes.connect_timeout, dialling).await.map_err(|_| DialError::Timeout)??;
        if !dialled.subprotocol {
            recorder.counters().subprotocol_missing += 1;
        }
        // Nothing is drawn that a run depends on.
        let draws = Seed(0).stream("scout", 0);
        let mut session = Session::new(dialect, wishes.settings, wishes.run, SCOUT, draws);
        session.opened(dialled.upgraded);
        Ok(Visit {
            link: dialled.link,
            session,
            recorder,
            dialer,
            subprotocol: dialled.subprotocol,
            opened: dialled.upgraded,
            closed: None,
            buffer: Vec::new(),
            buffers: Buffers::default(),
            patience: wishes.settings.request_timeout,
        })
    }

    fn found(&self, keepalive_answered: bool) -> Scouted {
        Scouted {
            dialect: self.session.dialect(),
            keepalive_answered,
            subprotocol: self.subprotocol,
            lines: self.session.lines().len(),
            keepalive_interval: self.session.keepalive_interval(),
        }
    }

    /// Waits for the state and the registration.
    async fn sign_on(&mut self) -> Result<(), ScoutError> {
        let attached = self.until(self.patience, |session, _| session.is_attached()).await;
        if !attached {
            return Err(self.gone().unwrap_or(ScoutError::NoState(self.patience)));
        }
        let done = |session: &Session, _: &Fact<'_>| {
            session.is_ready()
                || session.is_limited()
                || session.registration() == RegistrationStatus::RegistrationFailed
        };
        let concluded = self.until(self.patience, done).await;
        match (concluded, self.session.is_ready()) {
            (_, true) => Ok(()),
            (true, false) if self.session.is_limited() => {
                Err(ScoutError::NotRegistered("authorization failure"))
            }
            (true, false) => Err(ScoutError::NotRegistered("registration failed")),
            (false, false) => Err(self.gone().unwrap_or(ScoutError::NotRegistered("no word of it in time"))),
        }
    }

    /// Sends a keepalive in the dialect; whether it was answered.
    async fn keepalive(&mut self, on_trial: bool) -> bool {
        let now = self.dialer.clock.now();
        self.session.keepalive(now, &mut self.buffer);
        let Ok(text) = std::str::from_utf8(&self.buffer) else { return false };
        let (link, buffers) = (&mut self.link, &mut self.buffers);
        if poll_fn(|cx| std::task::Poll::Ready(link.send(text, buffers, cx))).await.is_err() {
            return false;
        }
        self.recorder.counters().keepalives_sent += 1;
        let patience = if on_trial { self.patience.min(TRIAL_TIMEOUT) } else { self.patience };
        let refused = self.recorder.counters().keepalives_missed;
        let concluded = |_: &Session, fact: &Fact<'_>| {
            matches!(fact, Fact::KeepaliveAnswered { .. } | Fact::KeepaliveRefused { .. })
        };
        let concluded = self.until(patience, concluded).await;
        let answered = concluded && self.recorder.counters().keepalives_missed == refused;
        if !concluded {
            self.recorder.counters().keepalives_missed += 1;
        }
        answered
    }

    async fn sign_off(mut self) {
        if self.closed.is_none() {
            let now = self.dialer.clock.now();
            let (link, buffers) = (&mut self.link, &mut self.buffers);
            poll_fn(|cx| {
                link.close(1000, "", now, buffers, cx);
                std::task::Poll::Ready(())
            })
            .await;
            self.until(CLOSE_TIMEOUT, |_, _| false).await;
        }
        let phase = match (&self.closed, self.session.is_attached()) {
            (_, false) => Phase::WaitingState,
            (Some(closed), true) if closed.initiator != Initiator::Client => Phase::Idle,
            (_, true) => Phase::Draining,
        };
        let (code, initiator) = match &self.closed {
            Some(closed) => (closed.code, closed.initiator),
            None => (1000, Initiator::Client),
        };
        self.recorder.counters().disconnects.count(DisconnectKey { code, initiator, phase });
        let open = self.dialer.clock.now().micros_since(self.opened);
        self.recorder.counters().connected_micros += open;
    }

    fn gone(&self) -> Option<ScoutError> {
        let closed = self.closed.as_ref()?;
        let code = CloseCode::from(closed.code);
        Some(ScoutError::Closed { code: closed.code, name: code.name(), conclusion: code.conclusion() })
    }

    /// Receives until `done` holds, for so long at the most; whether it does.
    async fn until(&mut self, patience: Duration, done: impl Fn(&Session, &Fact<'_>) -> bool) -> bool {
        if done(&self.session, &Fact::LateResponse) {
            return true;
        }
        let end = Instant::now() + patience;
        while self.closed.is_none() {
            let (link, buffers) = (&mut self.link, &mut self.buffers);
            let Ok(received) = timeout_at(end, poll_fn(|cx| link.poll_receive(buffers, cx))).await else {
                return false;
            };
            match received {
                Received::Text { text, at } => {
                    let fact = self.session.handle(&text, at).fact;
                    self.count(&fact, at);
                    if done(&self.session, &fact) {
                        return true;
                    }
                }
                Received::Binary(_) => self.recorder.counters().binary_messages += 1,
                Received::Closed(closed) => self.closed = Some(closed),
            }
        }
        false
    }

    fn count(&mut self, fact: &Fact<'_>, at: Time) {
        if let Fact::KeepaliveAnswered { sent } = fact {
            self.recorder.service(Metric::Keepalive, *sent, at);
        }
        count_fact(self.recorder, fact);
    }
}

/// Counts what came off a link.
pub(crate) fn count_fact(recorder: &mut Recorder, fact: &Fact<'_>) {
    let counters = recorder.counters();
    match fact {
        Fact::State { .. } => counters.states += 1,
        Fact::KeepaliveAnswered { .. } => counters.keepalives_answered += 1,
        // It is no answer to one of the requests that are counted.
        Fact::KeepaliveRefused { .. } => counters.keepalives_missed += 1,
        Fact::Response { outcome: ResponseOutcome::Ack, .. } => counters.acked += 1,
        Fact::Response { outcome: ResponseOutcome::Error { code, .. }, .. } => {
            counters.request_errors.count(*code);
        }
        Fact::LateResponse => counters.late_responses += 1,
        Fact::Event(event) | Fact::LineEvent { event, .. } => count_event(counters, event),
        Fact::StrayEvent(event) => {
            counters.stray_events += 1;
            count_event(counters, event);
        }
        Fact::Unknown(_) => counters.unknown_messages += 1,
        Fact::Malformed(_) => counters.malformed_messages += 1,
    }
}

fn count_event(counters: &mut Counters, event: &Event<'_>) {
    counters.events[event.body.name().index()] += 1;
    match event.body {
        EventBody::Error { code, .. } => counters.event_errors.count(code),
        EventBody::Hangup { code, .. } => counters.hangups.count(code),
        _ => {}
    }
}
