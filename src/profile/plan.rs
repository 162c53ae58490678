//! A profile as it is meant: every default filled in, proved feasible.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::call_plan::CallPlan;
use super::threshold::Thresholds;
use super::url::ServerUrl;
use crate::law::{Distribution, Freeze, Seed};
use crate::protocol::{Dialect, HangupCode, ServerMessage};
use crate::subscribers::rest::Pace;
use crate::transport::Resumption;
use crate::workload::{ArrivalLaw, Rate, Stage, stage_at};

/// What a run will do. Made by [`load`](super::load), and by nothing else outside of tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The name of the run.
    pub name: String,
    /// What load the plan describes, as 32 hexadecimal digits: two plans with the same hash put the same load on a
    /// target. It covers clients, stages, calls, dialect, `force`, the embedded core's settings and the number of
    /// subscribers, and leaves out where and with what: URL, tenant, TLS, addresses, paths, workers, name and seed.
    pub hash: String,
    /// The seed of every random draw.
    pub seed: Seed,
    /// Whether the seed was drawn, as the profile gives none.
    pub seed_drawn: bool,
    /// Whom to load.
    pub target: Target,
    /// Who signs on.
    pub subscribers: SubscriberSource,
    /// How many subscribers there are for clients: at least [`Plan::peak_clients`]. An embedded core that provisions
    /// them provisions some more for the control group where these do not suffice.
    pub subscriber_count: u32,
    /// How sessions are made for subscribers with login and password.
    pub logins: LoginPlan,
    /// Worker threads; at least one.
    pub workers: usize,
    /// The control group. It is no part of the load, and of its hash.
    pub control: ControlPlan,
    /// How every client behaves.
    pub clients: ClientPlan,
    /// The stages, one after the other; at least one.
    pub stages: Vec<Stage>,
    /// How every call goes: those that stages have, and those that somebody else makes to a client of the run.
    pub calls: CallPlan,
    /// The embedded core's settings, of use when the target is [`Server::Embedded`].
    pub embedded_core: EmbeddedPlan,
    /// What the figures of the run have to be. They are no part of the load, and of its hash.
    pub thresholds: Thresholds,
    /// The list of all calls, if one is to be written. It is no part of the load, and of its hash.
    pub cdr: Option<CdrPlan>,
    /// Whether the messages of the slowest and the failed calls are kept. It is no part of the load, and of its hash.
    pub flight_recorder: bool,
    /// What is feasible but probably not meant, a sentence each.
    pub warnings: Vec<String>,
}

/// Whom to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server.
    pub server: Server,
    /// The dialect to speak.
    pub dialect: DialectChoice,
    /// The tenant's id; it is part of the server's path already.
    pub tenant: Option<String>,
    /// When a client displaces an earlier connection of its session.
    pub force: Force,
    /// How long a connection may take, from dialling to the upgraded WebSocket.
    pub connect_timeout: Duration,
    /// Local addresses to dial from, in turn; empty for the system's choice.
    pub source_addresses: Vec<IpAddr>,
    /// TLS, for a `wss` server.
    pub tls: TlsPlan,
}

/// The server to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// The embedded core, in this process.
    Embedded,
    /// A Core at a URL.
    Url(ServerUrl),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Embedded => f.write_str("embedded"),
            Server::Url(url) => url.fmt(f),
        }
    }
}

/// The dialect to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectChoice {
    /// The founding document's: properties in a nested `data` object.
    Nested,
    /// Today's: properties at the top level.
    Flat,
    /// The one that a scout finds out before the run.
    Auto,
}

impl DialectChoice {
    /// The name in profiles and records.
    pub const fn name(self) -> &'static str {
        match self.dialect() {
            Some(dialect) => dialect.name(),
            None => "auto",
        }
    }

    /// The dialect, where it is chosen.
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            DialectChoice::Nested => Some(Dialect::Nested),
            DialectChoice::Flat => Some(Dialect::Flat),
            DialectChoice::Auto => None,
        }
    }
}

/// When a client displaces an earlier connection of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// On every sign-on.
    Always,
    /// Never.
    Never,
    /// When the client has lost its connection, or dropped it.
    OnReconnect,
}

/// TLS, for a `wss` server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPlan {
    /// A PEM file of certificates to trust instead of the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// The name to ask for and to check, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Whether earlier TLS sessions are taken up.
    pub resumption: Resumption,
}

/// Where subscribers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberSource {
    /// A CSV file of tokens, to be read with [`subscribers::load`](crate::subscribers::load).
    File(PathBuf),
    /// A CSV file of logins and passwords, to be read likewise.
    Credentials(PathBuf),
    /// That many are provisioned in the embedded core.
    Count(u32),
}

/// A list of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdrPlan {
    /// Rows a second at the most: of a plan with more, the list is a sample.
    pub sample_above: u32,
}

impl Default for CdrPlan {
    fn default() -> Self {
        CdrPlan { sample_above: 1_000 }
    }
}

/// Quiet clients, by which the generator's own part in a latency is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPlan {
    /// How many there are on a thread of their own; as many more, their twins, are in the workers.
    pub clients: u32,
    /// Why there are none, where there are none: for people.
    pub absent: Option<String>,
}

impl ControlPlan {
    /// Both kinds together.
    pub const fn quiet_clients(&self) -> u32 {
        2 * self.clients
    }
}

/// How sessions are made for subscribers with login and password.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginPlan {
    /// The REST API's Core, where it is another than the target. Its `secure` says `https`.
    pub rest_url: Option<ServerUrl>,
    /// How fast.
    pub pace: Pace,
}

/// How every client behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientPlan {
    /// By what share of the server's interval keepalives may come early, at random; 0 is exactly the interval.
    pub keepalive_jitter: f64,
    /// An interval between keepalives that holds where it is shorter than the server's.
    pub keepalive_interval: Option<Duration>,
    /// How long a request may wait for its response.
    pub request_timeout: Duration,
    /// What a client does that lost its connection, or found none.
    pub reconnect: Reconnect,
}

/// What a client does that lost its connection, or found none (protocol, section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// It stays away.
    None,
    /// It comes back after this time, as the mobile app does: neither growth nor jitter.
    Fixed {
        /// From the loss to the next attempt, and from one attempt to the next.
        after: Duration,
    },
    /// It comes back after a random time from zero to a limit that doubles with every failed attempt.
    Backoff {
        /// The limit of the first wait.
        base: Duration,
        /// The limit that no wait exceeds.
        cap: Duration,
    },
}

/// The embedded core's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedPlan {
    /// The keepalive interval that it asks of its clients.
    pub keepalive_interval: Duration,
    /// How many lines each subscriber has.
    pub lines: u32,
    /// How long it holds messages back, by name; in the order of the names.
    pub delays: Vec<(ServerMessage, Distribution)>,
    /// When it stands still.
    pub freeze: Option<Freeze>,
    /// The share of calls that it refuses, above 0 and up to 1, and the SIP status of the refusals.
    pub refusals: Option<(f64, HangupCode)>,
}

impl Plan {
    /// How long all stages last together.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|stage| stage.duration).sum()
    }

    /// The stage that goes on at `at` from the start; `None` after the last one.
    pub fn stage_at(&self, at: Duration) -> Option<&Stage> {
        stage_at(&self.stages, at).and_then(|index| self.stages.get(index))
    }

    /// The largest number of clients that are to be signed on at any time.
    pub fn peak_clients(&self) -> u32 {
        self.stages.iter().map(Stage::peak_clients).max().unwrap_or(0)
    }

    /// How many subscribers a run uses: those of its clients, of which the scout is one, and of the control group.
    pub fn subscribers_needed(&self) -> u32 {
        self.connections().max(1)
    }

    /// How many sign-ons are planned, those of churn on average; a client that comes again counts again.
    pub fn sign_ons(&self) -> u64 {
        let up = |stage: &Stage| u64::from(stage.clients_to.saturating_sub(stage.clients_from));
        let with_churn = |stage: &Stage| up(stage) + stage.expected_churn().round() as u64;
        self.stages.iter().map(with_churn).sum()
    }

    /// Whether any stage has calls.
    pub fn has_calls(&self) -> bool {
        self.stages.iter().any(Stage::has_calls)
    }

    /// How many calls are expected in all.
    pub fn expected_calls(&self) -> f64 {
        let of = |stage: &Stage| stage.expected_calls() + self.calls.expected_closed_calls(stage);
        self.stages.iter().map(of).sum()
    }

    /// One attempt in so many has a row in the list of all calls: 1, unless more are due in the busiest second than the
    /// list is to have rows. 0 without a list.
    pub fn cdr_one_in(&self) -> u64 {
        let Some(CdrPlan { sample_above }) = self.cdr else { return 0 };
        let open = |stage: &Stage| match stage.arrivals {
            ArrivalLaw::AtOnce => stage.expected_calls(),
            _ => stage.calls.map_or(0.0, Rate::peak),
        };
        let of = |stage: &Stage| open(stage) + self.calls.closed_rate(stage);
        let busiest = self.stages.iter().map(of).fold(0.0, f64::max);
        (busiest / f64::from(sample_above.max(1))).ceil().max(1.0) as u64
    }

    /// How many calls are expected to be up or ringing at the same time, in the busiest moment, if none is blocked.
    pub fn expected_peak_calls(&self) -> f64 {
        let busy = self.calls.mean_busy().as_secs_f64();
        let open = |stage: &Stage| stage.calls.map_or(0.0, |rate| rate.peak() * busy);
        let of = |stage: &Stage| open(stage) + self.calls.busy_callers(stage);
        self.stages.iter().map(of).fold(0.0, f64::max)
    }

    /// How many connections there are at the peak: those of the clients and of the control group.
    pub fn connections(&self) -> u32 {
        self.peak_clients() + self.control.quiet_clients()
    }

    /// How many threads have clients: the workers, and the control group's.
    pub const fn threads(&self) -> usize {
        self.workers + if self.control.clients > 0 { 1 } else { 0 }
    }

    /// How many file descriptors the process needs: one a client, two when the embedded core holds the other end,
    /// and some for itself.
    pub fn descriptors(&self) -> u64 {
        let ends = if self.target.server == Server::Embedded { 2 } else { 1 };
        u64::from(self.connections()) * ends + 16 * (self.threads() as u64 + 4)
    }
}
