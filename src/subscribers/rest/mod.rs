//! Sessions by login and password, through the Core's REST API (protocol, section 9).
//!
//! [`sign_in()`] makes a session for each login, [`sign_out()`] deletes them. Both go through a few connections that are
//! kept, at the pace that a [`Pace`] sets, and neither gives up at the first failure: what may pass is tried again.

mod answer;
mod exchange;
mod pace;
mod sign_in;
mod sign_out;

use std::sync::Arc;
use std::time::Duration;

pub use pace::Pace;
pub use sign_in::{Desk, renew, sign_in};
pub use sign_out::sign_out;

use super::Secret;
use crate::protocol::{BasePath, NotAPath};
use crate::transport::{DialError, Dialer};

/// Where the REST API is.
pub struct Api {
    /// How to get there; its path is not used.
    pub dialer: Arc<Dialer>,
    /// The path of the Core, the profile's tenant included.
    pub base: BasePath,
    /// The URL for people: scheme, host and port.
    pub origin: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
}

/// A session that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its token.
    pub token: Secret,
    /// The number of its subscriber.
    pub number: String,
    /// The tenant that the Core named instead of the profile's, if it did. An empty one is none.
    pub tenant: Option<String>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// The Core refuses, and would again.
    #[error("no session for login `{login}`: {at} answered HTTP {status}{}: {cure}", shown_code(code))]
    Refused {
        /// The login.
        login: String,
        /// What was asked, without secrets.
        at: String,
        /// The HTTP status.
        status: u16,
        /// The Core's own code for it.
        code: Option<String>,
        /// What to do about it.
        cure: &'static str,
    },
    /// The Core answered again and again that it cannot now.
    #[error(
        "no session for login `{login}`: {at} answered HTTP {status}{} at each of {attempts} attempts: try again \
         later, or lower subscribers.logins_per_second",
        shown_code(code)
    )]
    Unavailable {
        /// The login.
        login: String,
        /// What was asked, without secrets.
        at: String,
        /// The HTTP status of the last answer.
        status: u16,
        /// The Core's own code for it.
        code: Option<String>,
        /// How often it was tried.
        attempts: u32,
    },
    /// There was no answer.
    #[error(
        "no session for login `{login}`: {at} could not be asked, at the last of {attempts} attempts because: {lost}"
    )]
    Lost {
        /// The login.
        login: String,
        /// What was asked, without secrets.
        at: String,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong at last.
        lost: Lost,
    },
    /// The answer is not what belongs there.
    #[error(
        "no session for login `{login}`: the answer to {at} {what}; check the URL and the version of the Core"
    )]
    Answer {
        /// The login.
        login: String,
        /// What was asked, without secrets.
        at: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A number that two subscribers have.
    #[error("the logins `{login}` and `{other}` have the same number; every subscriber needs one of its own")]
    SameNumber {
        /// The one.
        login: String,
        /// The other.
        other: String,
    },
    /// Subscribers of more than one tenant.
    #[error(
        "the logins `{login}` and `{other}` belong to different tenants; a run has one: list the subscribers of each \
         tenant in a file and a profile of their own"
    )]
    Tenants {
        /// The one.
        login: String,
        /// The other.
        other: String,
    },
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// No connection.
    #[error(transparent)]
    Dial(DialError),
    /// The connection was closed, or what came was not HTTP.
    #[error("the connection was lost before the answer was whole")]
    Connection,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// An answer of more bytes than any should have.
    #[error("the answer is too long")]
    TooLong,
}

fn shown_code(code: &Option<String>) -> String {
    code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default()
}

impl Api {
    /// The path of the API for a tenant that the Core named.
    fn path(&self, tenant: Option<&str>, endpoint: &str) -> Result<String, NotAPath> {
        let base = match tenant {
            Some(tenant) => self.base.with_tenant(tenant)?,
            None => self.base.clone(),
        };
        Ok(base.api() + endpoint)
    }

    /// A request as errors name it.
    fn named(&self, method: &str, path: &str) -> String {
        format!("{method} {}{path}", self.origin)
    }
}
