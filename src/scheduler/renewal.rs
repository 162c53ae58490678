//! New sessions during a run, for clients whose session the server has ended (4201; protocol, sections 6.1 and 9.4).
//!
//! A thread of its own asks for them, at the pace of the sign-ins before the run, so that no worker waits. A worker is
//! handed a future of the token, which is a part of the client's next dial.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use super::RunError;
use super::sessions::{left, runtime};
use super::stop::{Stop, Urgency};
use super::worker::{Stage, Worker};
use crate::client::Signon;
use crate::law::{Seed, Time};
use crate::metrics::{Recorder, Tally};
use crate::subscribers::rest::{self, Api, Desk, Pace, Session};
use crate::subscribers::{Credentials, Secret};
use crate::transport::DialError;

/// How many clients may wait for a new session; who comes beyond gets none.
const MAX_WAITING: usize = 100_000;

/// Asks for new sessions. When all that hold it have gone, the thread ends.
pub(super) struct Renewer {
    asks: mpsc::Sender<Ask>,
    counted: Arc<Mutex<Option<Tally>>>,
}

/// A client that needs a session, and where its token is awaited.
struct Ask {
    client: usize,
    answer: oneshot::Sender<Secret>,
}

/// The thread that makes them. It ends with the sessions as they are then.
pub(super) type Renewing = JoinHandle<Vec<Session>>;

/// What it takes to make sessions.
pub(super) struct Renewal {
    pub api: Arc<Api>,
    pub credentials: Arc<[Credentials]>,
    pub pace: Pace,
    pub seed: Seed,
    pub made: Vec<Session>,
    pub stop: Stop,
}

impl Renewer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, when it has no thread or descriptor to give.
    pub fn start(renewal: Renewal) -> Result<(Renewer, Renewing), RunError> {
        let (asks, asked) = mpsc::channel(MAX_WAITING);
        let counted = Arc::new(Mutex::new(None));
        let renewer = Renewer { asks, counted: Arc::clone(&counted) };
        let runtime = runtime()?;
        let body = move || runtime.block_on(serve(renewal, asked, &counted));
        let thread =
            thread::Builder::new().name("sessions".to_owned()).spawn(body).map_err(RunError::Worker)?;
        Ok((renewer, thread))
    }

    /// Asks for a new session of a client. The future fails if there will be none.
    fn renew(&self, client: u32) -> Option<oneshot::Receiver<Secret>> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask { client: client as usize, answer }).ok()?;
        Some(answered)
    }

    /// What was counted and timed since the last time, if anything was.
    pub fn take_counted(&self) -> Option<Tally> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Makes sessions as they are asked for, until nobody can ask any more or the run is to be left.
async fn serve(renewal: Renewal, asked: mpsc::Receiver<Ask>, counted: &Mutex<Option<Tally>>) -> Vec<Session> {
    let Renewal { api, credentials, pace, seed, made, stop } = renewal;
    // Workers ask for nothing once a run is stopped; what is under way is let end.
    let (_halt, halt) = watch::channel(false);
    let desk = Desk {
        sessions: RefCell::new(made.into_iter().map(Some).collect()),
        recorder: RefCell::new(Recorder::default()),
        draws: RefCell::new(seed.stream("renewals", 0)),
        halt,
    };
    let asked = tokio::sync::Mutex::new(asked);
    let waiting: RefCell<HashMap<usize, oneshot::Sender<Secret>>> = RefCell::default();
    let next = async || {
        loop {
            let Ask { client, answer } = asked.lock().await.recv().await?;
            // Whoever has not waited so long asks again, or is gone.
            if !answer.is_closed() {
                waiting.borrow_mut().insert(client, answer);
                return Some(client);
            }
        }
    };
    let done = |client: usize, is_made: bool| {
        let answer = waiting.borrow_mut().remove(&client);
        let mut recorder = desk.recorder.borrow_mut();
        if let Some(session) = desk.sessions.borrow().get(client).and_then(Option::as_ref).filter(|_| is_made)
        {
            recorder.counters().sessions_renewed += 1;
            // The client may have gone meanwhile: the session is deleted all the same.
            if let Some(answer) = answer {
                drop(answer.send(session.token.clone()));
            }
        }
        let tally = recorder.swap(Tally::default());
        counted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().add(&tally);
    };
    tokio::select! {
        () = rest::renew(&api, &credentials, pace, &desk, next, done) => {}
        () = left(&stop) => {}
    }
    desk.sessions.into_inner().into_iter().flatten().collect()
}

/// The tokens of clients that got a new session.
pub(super) type Tokens = HashMap<usize, Rc<RefCell<Secret>>>;

impl Worker {
    /// The token of the client at this place: its subscriber's, or that of its newest session.
    pub fn token_of(&self, place: usize) -> String {
        match self.tokens.get(&place) {
            Some(token) => token.borrow().expose().to_owned(),
            None => self.subscriber_of(place).token.expose().to_owned(),
        }
    }

    /// Signs a client on again with a new session, if it can get one; whether it can.
    pub fn renew_session(&mut self, place: usize) -> bool {
        let is_wanted = self.stage == Stage::Running && self.shared.steering.stop().urgency() == Urgency::Run;
        if !is_wanted || self.clients[place].leaving {
            return false;
        }
        let number = self.number_of(place);
        let Some(renewal) = self.shared.renewer.as_ref().and_then(|renewer| renewer.renew(number)) else {
            return false;
        };
        let old = Secret::new(self.token_of(place));
        let token = Rc::clone(self.tokens.entry(place).or_insert_with(|| Rc::new(RefCell::new(old))));
        let (dialer, force) = (Arc::clone(&self.shared.dialer), self.force(true));
        let watcher = self.poller.watcher(place as u32);
        let dialling = async move {
            let new = renewal.await.map_err(|_| DialError::NoSession)?;
            let text = new.expose().to_owned();
            token.replace(new);
            dialer.dial(number as usize, text, force, watcher).await
        };
        let now = self.now();
        // A session takes as long as an answer may take, and then the connection.
        let plan = &self.shared.plan;
        let timeout = now + plan.clients.request_timeout + 2 * plan.target.connect_timeout;
        self.recorder.counters().reconnect_attempts += u64::from(!self.is_quiet(place));
        self.clients[place].reconnection.due = Time::NEVER;
        self.clients[place].dial(dialling, Signon { due: now, sent: now, timeout, again: true });
        self.wake_client(place);
        true
    }
}
