//! Deleting sessions.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;

use super::answer::may_pass;
use super::exchange::{Asked, Line};
use super::{Api, Pace, Session};

/// How often a session is tried to be deleted.
const ATTEMPTS: u32 = 3;
/// How long to wait after a failure, unless the server asks for another time.
const WAIT: Duration = Duration::from_millis(500);
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Deletes sessions, as many at a time as `pace` allows. Each that is no more is counted in `gone`: deleted now, or
/// unknown to the Core before.
pub async fn sign_out(api: &Api, sessions: &[Session], pace: Pace, gone: &Cell<u64>) {
    let next = RefCell::new(sessions.iter());
    let line = |number| {
        let next = &next;
        async move {
            let mut line = Line::new(api, number);
            loop {
                let Some(session) = next.borrow_mut().next() else { return };
                if delete(&mut line, session).await {
                    gone.set(gone.get() + 1);
                }
            }
        }
    };
    join_all((0..pace.concurrency.min(sessions.len())).map(line)).await;
}

async fn delete(line: &mut Line<'_>, session: &Session) -> bool {
    // The tenant was checked when the session was made.
    let Ok(path) = line.api.path(session.tenant.as_deref(), "/session") else { return false };
    for _ in 0..ATTEMPTS {
        let token = Some(&session.token);
        let asked = Asked { method: Method::DELETE, path: &path, token, body: String::new() };
        let wait = match line.exchange(asked).await {
            Ok(answer) if (200..300).contains(&answer.status) || [401, 404].contains(&answer.status) => {
                return true;
            }
            Ok(answer) if may_pass(answer.status) => {
                answer.retry_after.map_or(WAIT, |wait| wait.min(LONGEST_WAIT))
            }
            Ok(_) => return false,
            Err(_) => WAIT,
        };
        tokio::time::sleep(wait).await;
    }
    false
}
