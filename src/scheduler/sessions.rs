//! The sessions of a run whose subscribers have a login and a password: made before it, deleted after it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::renewal::{Renewal, Renewer, Renewing};
use super::stop::{Stop, Urgency};
use super::{Event, RunError, STOP_LOOK};
use crate::law::Seed;
use crate::metrics::Recorder;
use crate::subscribers::rest::{self, Api, Desk, Pace, Session};
use crate::subscribers::{Credentials, Subscriber};

/// How often it is told how far the sign-ins are.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long deleting sessions may take, and how much longer for each.
const SIGN_OUT_LIMIT: Duration = Duration::from_secs(30);
const SIGN_OUT_LIMIT_EACH: Duration = Duration::from_millis(100);

/// The sessions of a run.
pub(super) struct Sessions {
    api: Arc<Api>,
    credentials: Arc<[Credentials]>,
    pace: Pace,
    seed: Seed,
    made: Vec<Session>,
    /// Has what was made, as long as it runs.
    renewing: Option<Renewing>,
}

/// What became of the sessions of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SignedOut {
    pub deleted: u64,
    pub delete_failed: u64,
}

impl Sessions {
    /// Those of `credentials`; none is made yet.
    pub fn new((api, credentials): (Api, Vec<Credentials>), pace: Pace, seed: Seed) -> Sessions {
        let (api, credentials) = (Arc::new(api), credentials.into());
        Sessions { api, credentials, pace, seed, made: Vec::new(), renewing: None }
    }

    /// Makes all of them, and tells `observer` how it goes. A first request to stop lets what is under way end, so
    /// that every session that was made is known; a second leaves it.
    ///
    /// # Errors
    /// Why a session could not be made, or that it was stopped. What was made is kept, for [`Sessions::sign_out`].
    pub fn sign_in(
        &mut self,
        recorder: &mut Recorder,
        stop: &Stop,
        observer: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Subscriber>, RunError> {
        let (halt, halted) = watch::channel(false);
        let desk = Desk {
            sessions: RefCell::default(),
            recorder: RefCell::new(mem::take(recorder)),
            draws: RefCell::new(self.seed.stream("logins", 0)),
            halt: halted,
        };
        let of = self.credentials.len();
        let signed_in = runtime()?.block_on(async {
            let mut work = pin!(rest::sign_in(&self.api, &self.credentials, self.pace, &desk));
            let mut told = Duration::ZERO;
            let mut look = look();
            loop {
                tokio::select! {
                    signed_in = &mut work => return signed_in.map_err(RunError::from),
                    _ = look.tick() => {}
                }
                match stop.urgency() {
                    Urgency::Run => {}
                    // Nobody is gone who listens: the work holds the other end.
                    Urgency::Drain => drop(halt.send(true)),
                    Urgency::Leave => return Err(RunError::Stopped),
                }
                told += STOP_LOOK;
                if told >= TELL_EVERY {
                    told = Duration::ZERO;
                    observer(Event::SigningIn { made: desk.made(), of });
                }
            }
        });
        *recorder = desk.recorder.into_inner();
        self.made = desk.sessions.into_inner().into_iter().flatten().collect();
        signed_in?;
        if stop.urgency() != Urgency::Run {
            return Err(RunError::Stopped);
        }
        let subscriber =
            |session: &Session| Subscriber { token: session.token.clone(), number: session.number.clone() };
        Ok(self.made.iter().map(subscriber).collect())
    }

    /// Starts what makes new sessions during the run.
    ///
    /// # Errors
    /// The system's, when it has no thread or descriptor to give.
    pub fn renew(&mut self, stop: &Stop) -> Result<Renewer, RunError> {
        let (renewer, renewing) = Renewer::start(Renewal {
            api: Arc::clone(&self.api),
            credentials: Arc::clone(&self.credentials),
            pace: self.pace,
            seed: self.seed,
            made: self.made.clone(),
            stop: stop.clone(),
        })?;
        self.renewing = Some(renewing);
        Ok(renewer)
    }

    /// The path of the signaling, where the Core has named another tenant than the profile's.
    pub fn signaling_path(&self) -> Option<String> {
        let tenant = self.made.first()?.tenant.as_deref()?;
        // It was checked when the session was made.
        self.api.base.with_tenant(tenant).ok().map(|base| base.signaling())
    }

    /// Deletes all that were made, as well as it can: what cannot be deleted in time, or before somebody asks to leave
    /// at once, is counted, and `observer` is told.
    pub fn sign_out(mut self, stop: &Stop, observer: &mut dyn FnMut(Event<'_>)) -> SignedOut {
        // Whoever could ask for another session has gone, so it ends. Had it broken down, the first ones are known.
        if let Some(made) = self.renewing.take().and_then(|renewing| renewing.join().ok()) {
            self.made = made;
        }
        let limit = SIGN_OUT_LIMIT + SIGN_OUT_LIMIT_EACH * u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let gone = Cell::new(0);
        if let Ok(runtime) = runtime().map_err(drop) {
            runtime.block_on(async {
                let work = rest::sign_out(&self.api, &self.made, self.pace, &gone);
                tokio::select! {
                    // Whether it is done or was too slow, `gone` has how far it came.
                    done = timeout(limit, work) => drop(done),
                    () = left(stop) => {}
                }
            });
        }
        let deleted = gone.get();
        let signed_out = SignedOut { deleted, delete_failed: self.made.len() as u64 - deleted };
        observer(Event::SignedOut { deleted, delete_failed: signed_out.delete_failed });
        signed_out
    }
}

pub(super) fn runtime() -> Result<Runtime, RunError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Worker)
}

fn look() -> tokio::time::Interval {
    let mut look = interval(STOP_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

/// Until somebody asks to leave at once.
pub(super) async fn left(stop: &Stop) {
    let mut look = look();
    while stop.urgency() != Urgency::Leave {
        look.tick().await;
    }
}
