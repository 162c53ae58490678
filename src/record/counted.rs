//! What was counted, by the names of `run.json`: the shape that is stored.

mod count;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts by name or code. A name that is missing was counted zero times.
pub type ByName = BTreeMap<String, u64>;

/// Everything that was counted in a second or in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counted {
    /// Sessions made through the REST API.
    pub sessions: SessionCounts,
    /// Failed sign-ons of the schedule, by cause.
    pub signon_failures: Vec<SignonFailures>,
    /// Failed attempts of clients to come back, by cause.
    pub reconnect_failures: Vec<SignonFailures>,
    /// What clients found on their lines when they signed on.
    pub recovery: Recovery,
    /// Attempts, by how they ended.
    pub attempts: Attempts,
    /// Failed attempts, by reason.
    pub attempts_failed: ByName,
    /// Attempts that failed as `rejected`, by the code of the `hangup`.
    pub attempts_rejected: ByName,
    /// Attempts that ended as their flow intended.
    pub attempts_intended: u64,
    /// Attempts that were answered, but whose flow broke off at a later step: by flow, number of the step and the
    /// message of the step.
    pub attempts_broken: ByName,
    /// Attempts by flow, and by how they ended.
    pub flows: BTreeMap<String, ByName>,
    /// Calls that flows need beside the attempts' own: a consultation, a second call, one that fills a line.
    pub side_calls: SideCallCounts,
    /// Calls that came in with the nonce in their SDP's session name that their caller had put there. 0 where a gateway
    /// rewrites it: then the pair of numbers alone tells the call.
    pub nonces_confirmed: u64,
    /// Answered calls, once they have ended.
    pub calls: Calls,
    /// `hangup` events of both legs, by code.
    pub hangups: ByName,
    /// `error` events, by code.
    pub event_errors: ByName,
    /// Findings about the server.
    pub ledger: LedgerCounts,
    /// Requests, keepalives left out.
    pub requests: Requests,
    /// Answers that came after their request had timed out, or to no request.
    pub late_responses: u64,
    /// Events received, by name.
    pub events: ByName,
    /// Handshake states received.
    pub states: u64,
    /// Messages of a name that the protocol does not have.
    pub unknown_events: u64,
    /// Messages that were no messages of the protocol.
    pub malformed_messages: u64,
    /// Binary messages.
    pub binary_messages: u64,
    /// Messages that were understood after a repair.
    pub repaired_messages: u64,
    /// Events for calls that were over or never were.
    pub stray_events: u64,
    /// Connections on which the server did not select the sub-protocol.
    pub subprotocol_missing: u64,
    /// Keepalives.
    pub keepalives: Keepalives,
    /// Connections that ended, by code, initiator and phase.
    pub disconnects: Vec<Disconnects>,
    /// Time for which connections were open, in microseconds.
    pub connected_us: u64,
    /// Attempts that were started later than the limit of a valid run allows.
    pub late: u64,
}

/// Sessions made through the REST API, for subscribers with login and password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionCounts {
    /// Sessions that were made.
    pub created: u64,
    /// Requests for a session that failed, those included that were repeated.
    pub failed: u64,
    /// Sessions that were no more after the run: deleted, or ended by the server before. Known when a run has ended.
    pub deleted: u64,
    /// Sessions that could not be deleted after the run. Known when a run has ended.
    pub delete_failed: u64,
    /// Sessions that were made in place of one that the server had ended; they are among the created.
    pub renewed: u64,
}

/// Sign-ons that succeeded or failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SignonCounts {
    /// Sign-ons of the schedule that succeeded.
    pub signed_on: u64,
    /// Sign-ons of the schedule that failed.
    pub signon_failed: u64,
    /// Attempts of clients to come back after a lost connection or a failed sign-on.
    pub reconnect_attempts: u64,
    /// Those that ended signed on.
    pub reconnects: u64,
    /// Those that did not; the causes are in `reconnect_failures`.
    pub reconnects_failed: u64,
    /// Clients that were to come back and stayed away: for good, or until they were to sign off.
    pub given_up: u64,
}

/// What clients found on their lines when they signed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Recovery {
    /// Calls of theirs that had outlived the connection, and went on.
    pub survived: u64,
    /// Calls of theirs that the server had no more; each leg counts.
    pub lost: u64,
    /// Calls of theirs that had been given up in the meantime: hung up.
    pub stale: u64,
    /// Calls that they had never heard of: hung up.
    pub unknown: u64,
}

/// Failed sign-ons of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignonFailures {
    /// Why they failed.
    pub cause: String,
    /// The HTTP status, close code or SIP status, as the cause says; `null` where there is none.
    pub status: Option<i32>,
    /// How many.
    pub count: u64,
}

/// Attempts, by how they ended: `due` is the sum of all others but `started`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Attempts {
    /// Calls that came due.
    pub due: u64,
    /// Calls whose request was sent.
    pub started: u64,
    /// Due, but no idle pair was there to make the call: never sent.
    pub blocked: u64,
    /// The caller got `accepted`.
    pub answered: u64,
    /// The callee refused: 603, 607, 608.
    pub declined: u64,
    /// 486 or 600.
    pub busy: u64,
    /// Our own caller gave up while it rang.
    pub cancelled: u64,
    /// 480.
    pub unavailable: u64,
    /// 3xx.
    pub redirected: u64,
    /// Anything else that went wrong; the reasons are in `attempts_failed`.
    pub failed: u64,
    /// The run ended before the attempt did.
    pub unfinished: u64,
    /// No call, and it did what it was for: a change of presence.
    pub done: u64,
}

/// Calls that flows need beside the attempts' own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SideCallCounts {
    /// Placed.
    pub started: u64,
    /// By how they ended.
    pub ended: ByName,
    /// Time for which answered ones were up, in microseconds.
    pub talk_us: u64,
}

/// Answered calls that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Calls {
    /// Ended with a regular `hangup` on both legs.
    pub completed: u64,
    /// Ended, in whatever way.
    pub ended: u64,
    /// Time for which they were up, in microseconds.
    pub talk_us: u64,
    /// Time for which answered calls were up, in microseconds, by the number of them that were: whether they have ended or
    /// not.
    pub up_us: u64,
    /// The same by the calls themselves: that part of each one's talk time which falls into this time.
    pub talk_within_us: u64,
}

/// Findings about the server: calls that did not go the same way on both legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LedgerCounts {
    /// Calls of which the callee never heard.
    pub lost: u64,
    /// Calls that one leg believed up and the other did not.
    pub one_leg_only: u64,
    /// Calls that arrived more than once.
    pub duplicated: u64,
    /// Calls that arrived at a client that nobody called.
    pub misdelivered: u64,
    /// Calls that a reconnecting client found gone.
    pub lost_on_reconnect: u64,
    /// Calls that came in with another call's nonce: the session descriptions of two calls were mixed up.
    pub mixed_up: u64,
}

/// Requests, keepalives left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Requests {
    /// Sent, by name.
    pub sent: ByName,
    /// Acknowledged.
    pub acked: u64,
    /// Refused with a response `error`, by code.
    pub errors: ByName,
    /// Not answered in time.
    pub timeouts: u64,
}

/// Keepalives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Keepalives {
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Not answered in time.
    pub missed: u64,
}

/// Connections that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disconnects {
    /// The close code; 1006 when there was no close frame.
    pub code: u16,
    /// The name of the code.
    pub name: String,
    /// The class of the code.
    pub class: String,
    /// Who closed: `client`, `server`, or `network` when neither said so.
    pub initiator: String,
    /// What the connection was doing.
    pub phase: String,
    /// How many.
    pub count: u64,
}

impl Disconnects {
    /// Whether it is our own signing off. What a client drops by itself is a sign-off of the plan's.
    pub fn is_ours(&self) -> bool {
        [1000, 1006].contains(&self.code) && self.initiator == "client"
    }
}
