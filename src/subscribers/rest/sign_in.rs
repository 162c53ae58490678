//! Making sessions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;
use rand::RngExt;
use serde_json::json;
use tokio::sync::watch;

use super::answer::{cure, error_code, may_pass, number, token_object};
use super::exchange::{Answer, Asked, Line};
use super::pace::Turns;
use super::{Api, Lost, Pace, RestError, Session};
use crate::law::Draws;
use crate::metrics::{Metric, Recorder};
use crate::protocol::normalise_number;
use crate::subscribers::{Credentials, Secret};

/// How often a thing is tried.
const ATTEMPTS: u32 = 5;
/// How long to wait after the first failure; twice as long after each further one, less a random part.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Where sessions are kept and what is measured of them, also when making them is broken off.
#[derive(Debug)]
pub struct Desk {
    /// The session of each login; nothing if there is none.
    pub sessions: RefCell<Vec<Option<Session>>>,
    /// Latencies and counts.
    pub recorder: RefCell<Recorder>,
    /// Of the waits between attempts.
    pub draws: RefCell<Draws>,
    /// True once no further request is to be begun. One that is under way is waited for, so that no session is made
    /// of which nobody knows.
    pub halt: watch::Receiver<bool>,
}

impl Desk {
    /// How many sessions there are.
    pub fn made(&self) -> usize {
        self.sessions.borrow().iter().flatten().count()
    }

    /// Waits for `wait`, unless all is halted; whether it is.
    async fn or_halt(&self, wait: impl Future<Output = ()>) -> bool {
        let mut halt = self.halt.clone();
        tokio::select! {
            // Whoever could halt it is gone: nobody will.
            halted = halt.wait_for(|halt| *halt) => halted.is_ok(),
            () = wait => *self.halt.borrow(),
        }
    }
}

/// One who is signed in.
struct Candidate<'a> {
    credentials: &'a Credentials,
    /// The installation that the Core is told of: the same in each run, so that a Core may know it again.
    identifier: String,
}

/// What is left to do after an attempt.
enum Next {
    Again(RestError, Option<Duration>),
    Never(RestError),
}

/// Makes a session for each of `list`, into the desk. `Ok` also when it was halted before all were made.
///
/// # Errors
/// The first [`RestError`] after which nothing more is begun. The sessions made until then are on the desk.
pub async fn sign_in(api: &Api, list: &[Credentials], pace: Pace, desk: &Desk) -> Result<(), RestError> {
    desk.sessions.borrow_mut().resize(list.len(), None);
    let (turns, failed) = (Turns::new(pace), RefCell::new(None));
    let next = RefCell::new(list.iter().enumerate());
    let line = |number| {
        let (turns, failed, next) = (&turns, &failed, &next);
        async move {
            let mut line = Line::new(api, number);
            while failed.borrow().is_none() && !*desk.halt.borrow() {
                let Some((place, credentials)) = next.borrow_mut().next() else { return };
                if let Err(error) = make(&mut line, credentials, place, turns, desk).await {
                    failed.borrow_mut().get_or_insert(error);
                }
            }
        }
    };
    join_all((0..pace.concurrency.min(list.len())).map(line)).await;
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    check(list, &desk.sessions.borrow())
}

/// Makes a session for whoever of `list` is `next`, at the same pace and into the same desk, until there is none.
/// `done` is told of each whether its session was made.
pub async fn renew(
    api: &Api,
    list: &[Credentials],
    pace: Pace,
    desk: &Desk,
    next: impl AsyncFn() -> Option<usize>,
    done: impl Fn(usize, bool),
) {
    let turns = Turns::new(pace);
    let line = |number| {
        let (turns, next, done) = (&turns, &next, &done);
        async move {
            let mut line = Line::new(api, number);
            while let Some(place) = next().await {
                let made = match list.get(place) {
                    Some(credentials) => make(&mut line, credentials, place, turns, desk).await.is_ok(),
                    None => false,
                };
                done(place, made);
            }
        }
    };
    join_all((0..pace.concurrency).map(line)).await;
}

/// That all numbers are different and all tenants the same.
fn check(list: &[Credentials], sessions: &[Option<Session>]) -> Result<(), RestError> {
    let mut numbers = HashMap::new();
    let mut first: Option<(&Credentials, &Session)> = None;
    let made = list.iter().zip(sessions).filter_map(|(one, session)| Some((one, session.as_ref()?)));
    for (one, session) in made {
        let pair = |other: &Credentials| (one.login.clone(), other.login.clone());
        if let Some(other) = numbers.insert(normalise_number(&session.number), one) {
            let (login, other) = pair(other);
            return Err(RestError::SameNumber { login, other });
        }
        match first {
            None => first = Some((one, session)),
            Some((other, like)) if like.tenant != session.tenant => {
                let (login, other) = pair(other);
                return Err(RestError::Tenants { login, other });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Makes one session, and keeps it on the desk; none when all is halted.
async fn make(
    line: &mut Line<'_>,
    credentials: &Credentials,
    place: usize,
    turns: &Turns,
    desk: &Desk,
) -> Result<(), RestError> {
    let identifier = format!("wtsp-load-{}", credentials.login);
    let candidate = Candidate { credentials, identifier };
    let made =
        attempts(line, turns, desk, async |line: &mut Line<'_>| post(line, &candidate, desk).await).await?;
    let Some(session) = made else { return Ok(()) };
    // From here on it has to be deleted, whatever becomes of the rest.
    desk.sessions.borrow_mut()[place] = Some(session.clone());
    if credentials.number.is_some() {
        return Ok(());
    }
    let found =
        attempts(line, turns, desk, async |line: &mut Line<'_>| ask_number(line, &candidate, &session).await);
    if let Some(number) = found.await? {
        desk.sessions.borrow_mut()[place] = Some(Session { number, ..session });
    }
    Ok(())
}

/// Tries until it succeeds, cannot succeed any more, or has failed too often; nothing when all is halted.
async fn attempts<'a, T>(
    line: &mut Line<'a>,
    turns: &Turns,
    desk: &Desk,
    mut attempt: impl AsyncFnMut(&mut Line<'a>) -> Result<T, Next>,
) -> Result<Option<T>, RestError> {
    let mut wait = FIRST_WAIT;
    for number in 1.. {
        if desk.or_halt(turns.turn()).await {
            return Ok(None);
        }
        let (error, asked) = match attempt(line).await {
            Ok(done) => return Ok(Some(done)),
            Err(Next::Never(error)) => return Err(error),
            Err(Next::Again(error, asked)) => (error, asked),
        };
        if number >= ATTEMPTS {
            return Err(error);
        }
        if let Some(asked) = asked {
            // What a server asks of one, it asks of all.
            turns.hold(asked.min(LONGEST_WAIT));
        } else {
            let part: f64 = desk.draws.borrow_mut().random();
            if desk.or_halt(tokio::time::sleep(wait.mul_f64(1.0 - part / 2.0))).await {
                return Ok(None);
            }
            wait *= 2;
        }
    }
    Ok(None)
}

/// Asks for a session.
async fn post(line: &mut Line<'_>, candidate: &Candidate<'_>, desk: &Desk) -> Result<Session, Next> {
    let Candidate { credentials, identifier } = candidate;
    let api = line.api;
    let path = api.base.api() + "/session";
    let body = json!({
        "bundle_id": null,
        "type": "web",
        "identifier": identifier,
        "login": credentials.login,
        "password": credentials.password.expose(),
    });
    let asked = Asked { method: Method::POST, path: &path, token: None, body: body.to_string() };
    let judged =
        judge(line.exchange(asked).await, api.named("POST", &path), candidate, &credentials.password);
    let made = judged.and_then(|(answer, at)| {
        let wrong =
            |what| Next::Never(RestError::Answer { login: credentials.login.clone(), at: at.clone(), what });
        let object = token_object(&answer.body).ok_or_else(|| wrong("holds no token"))?;
        let tenant = object.tenant_id.filter(|tenant| !tenant.is_empty());
        if api.path(tenant.as_deref(), "").is_err() {
            return Err(wrong("names a tenant that cannot be part of a URL"));
        }
        desk.recorder.borrow_mut().service(Metric::Login, answer.sent, answer.done);
        let number = credentials.number.clone().unwrap_or_default();
        Ok(Session { token: Secret::new(object.token), number, tenant })
    });
    let mut recorder = desk.recorder.borrow_mut();
    let counters = recorder.counters();
    *if made.is_ok() { &mut counters.sessions_created } else { &mut counters.sessions_failed } += 1;
    made
}

/// Asks for the number of a subscriber.
async fn ask_number(
    line: &mut Line<'_>,
    candidate: &Candidate<'_>,
    session: &Session,
) -> Result<String, Next> {
    let api = line.api;
    let login = &candidate.credentials.login;
    // The tenant was checked when the session was made.
    let path = api.path(session.tenant.as_deref(), "/user").unwrap_or_default();
    let asked = Asked { method: Method::GET, path: &path, token: Some(&session.token), body: String::new() };
    let judged = judge(line.exchange(asked).await, api.named("GET", &path), candidate, &session.token);
    let (answer, at) = judged?;
    let what = "holds neither numbers.ext nor numbers.main; give the number in the subscribers file";
    number(&answer.body).ok_or_else(|| Next::Never(RestError::Answer { login: login.clone(), at, what }))
}

/// Tells an answer from a failure that may pass and one that may not.
fn judge(
    answered: Result<Answer, Lost>,
    at: String,
    candidate: &Candidate<'_>,
    secret: &Secret,
) -> Result<(Answer, String), Next> {
    let login = candidate.credentials.login.clone();
    let answer = match answered {
        Ok(answer) if (200..300).contains(&answer.status) => return Ok((answer, at)),
        Ok(answer) => answer,
        Err(lost @ Lost::TooLong) => {
            return Err(Next::Never(RestError::Lost { login, at, attempts: 1, lost }));
        }
        Err(lost) => return Err(Next::Again(RestError::Lost { login, at, attempts: ATTEMPTS, lost }, None)),
    };
    let (status, code) = (answer.status, error_code(&answer.body, secret.expose()));
    if may_pass(status) {
        let error = RestError::Unavailable { login, at, status, code, attempts: ATTEMPTS };
        return Err(Next::Again(error, answer.retry_after));
    }
    let cure = cure(status, code.as_deref());
    Err(Next::Never(RestError::Refused { login, at, status, code, cure }))
}
