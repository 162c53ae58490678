//! The closed sets of what is measured.

use std::fmt;

/// A latency that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// `POST /session` sent → its response complete (protocol, section 11.1: `rest_login`). Only of those that made a
    /// session.
    Login,
    /// Dialled → TCP connected.
    Tcp,
    /// TCP connected → TLS handshake done (`wss` only).
    Tls,
    /// Connected, and secured for `wss` → the server agreed to the upgrade.
    Upgrade,
    /// Dialled → 101: [`Tcp`](Metric::Tcp), [`Tls`](Metric::Tls) and [`Upgrade`](Metric::Upgrade) together.
    Connect,
    /// 101 → handshake `state`.
    State,
    /// Sign-on due → registered. RFC 6076: RRD, with the attachment inside.
    Signon,
    /// Keepalive sent → its echo or ack.
    Keepalive,
    /// Request sent → its response.
    Ack,
    /// Call due → first of `ringing`, `proceeding`, `progress`, `accepted`. RFC 6076: SRD; also called post-dial
    /// delay.
    Ringback,
    /// Caller's `outgoing_call` sent → callee's `incoming_call`.
    Alert,
    /// Callee's `accept` sent → caller's `accepted`.
    Answer,
    /// Call due → `accepted` at the caller, less the time for which our own callee let it ring.
    Setup,
    /// `hangup` sent → `hangup` event on the same leg. RFC 6076: SDD.
    Release,
    /// `hangup` sent → `hangup` event on the other leg.
    ReleaseRemote,
    /// Callee's `accept` sent → its own `accepted`.
    Establish,
    /// Callee's `decline` sent → caller's `hangup`.
    Decline,
    /// Caller's `hangup` sent before the answer → its own `hangup` event. Kept apart from [`Release`](Metric::Release).
    Cancel,
    /// `outgoing_call` sent → a `hangup` that none of ours asked for, before any answer. RFC 6076: SRD of failed attempts.
    Reject,
    /// `hold` sent → `holding`.
    Hold,
    /// `unhold` sent → `resuming`.
    Resume,
    /// `update` with an offer sent → the answer to it.
    Update,
    /// `hold`, `unhold` or `update` sent → the other side's `updating_call`.
    Reinvite,
    /// `transfer` sent → word that it has succeeded.
    Transfer,
    /// Connection lost → signed on again.
    Recovery,
    /// Call due → its request written to the socket: the generator's own lateness.
    Lag,
    /// Keepalive due → written to the socket: the generator's own lateness.
    KeepaliveLag,
    /// A worker's deadline → the turn of its loop that met it: the generator's own lateness. Every kind of deadline
    /// counts, so there is a figure also where nobody calls.
    TimerLag,
    /// A turn of a worker's loop begun → a frame of that turn handled: what came in last has waited longest. What a
    /// frame waited before the turn began is bounded by the longest turn and the run-queue delay.
    Handling,
    /// A control client's keepalive sent → its echo or ack, on the thread that has no load.
    KeepaliveControl,
    /// The same of a control client's twin, which is in a worker beside the load.
    KeepaliveTwin,
}

impl Metric {
    /// All of them, in the order of a report.
    pub const ALL: &'static [Metric] = &[
        Metric::Login,
        Metric::Tcp,
        Metric::Tls,
        Metric::Upgrade,
        Metric::Connect,
        Metric::State,
        Metric::Signon,
        Metric::Keepalive,
        Metric::Ack,
        Metric::Ringback,
        Metric::Alert,
        Metric::Answer,
        Metric::Setup,
        Metric::Release,
        Metric::ReleaseRemote,
        Metric::Establish,
        Metric::Decline,
        Metric::Cancel,
        Metric::Reject,
        Metric::Hold,
        Metric::Resume,
        Metric::Update,
        Metric::Reinvite,
        Metric::Transfer,
        Metric::Recovery,
        Metric::Lag,
        Metric::KeepaliveLag,
        Metric::TimerLag,
        Metric::Handling,
        Metric::KeepaliveControl,
        Metric::KeepaliveTwin,
    ];

    /// How many there are.
    pub const COUNT: usize = Metric::ALL.len();

    /// The place in an array of one value a metric.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in records and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Login => "login",
            Metric::Tcp => "tcp",
            Metric::Tls => "tls",
            Metric::Upgrade => "upgrade",
            Metric::Connect => "connect",
            Metric::State => "state",
            Metric::Signon => "signon",
            Metric::Keepalive => "keepalive",
            Metric::Ack => "ack",
            Metric::Ringback => "ringback",
            Metric::Alert => "alert",
            Metric::Answer => "answer",
            Metric::Setup => "setup",
            Metric::Release => "release",
            Metric::ReleaseRemote => "release_remote",
            Metric::Establish => "establish",
            Metric::Decline => "decline",
            Metric::Cancel => "cancel",
            Metric::Reject => "reject",
            Metric::Hold => "hold",
            Metric::Resume => "resume",
            Metric::Update => "update",
            Metric::Reinvite => "reinvite",
            Metric::Transfer => "transfer",
            Metric::Recovery => "recovery",
            Metric::Lag => "lag",
            Metric::KeepaliveLag => "keepalive_lag",
            Metric::TimerLag => "timer_lag",
            Metric::Handling => "handling",
            Metric::KeepaliveControl => "keepalive_control",
            Metric::KeepaliveTwin => "keepalive_twin",
        }
    }

    /// The metric of this name.
    pub fn from_name(name: &str) -> Option<Metric> {
        Metric::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// Whether it begins at a due time, and so exists twice: as response from due, as service from sent.
    pub const fn has_response(self) -> bool {
        matches!(self, Metric::Signon | Metric::Ringback | Metric::Setup)
    }

    /// Whether it is measured of a call, so that each flow has its own.
    pub const fn is_of_call(self) -> bool {
        matches!(
            self,
            Metric::Ringback
                | Metric::Alert
                | Metric::Answer
                | Metric::Setup
                | Metric::Release
                | Metric::ReleaseRemote
                | Metric::Establish
                | Metric::Decline
                | Metric::Cancel
                | Metric::Reject
                | Metric::Hold
                | Metric::Resume
                | Metric::Update
                | Metric::Reinvite
                | Metric::Transfer
        )
    }

    /// Whether it is about the generator itself and not about the server.
    pub const fn is_own(self) -> bool {
        matches!(
            self,
            Metric::Lag
                | Metric::KeepaliveLag
                | Metric::TimerLag
                | Metric::Handling
                | Metric::KeepaliveControl
                | Metric::KeepaliveTwin
        )
    }

    /// Where it starts and ends, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Metric::Login => "session asked for to session made (REST)",
            Metric::Tcp => "dialled to TCP connected",
            Metric::Tls => "TCP connected to TLS handshake done",
            Metric::Upgrade => "connected to upgrade agreed (101)",
            Metric::Connect => "dialled to 101: tcp, tls and upgrade",
            Metric::State => "101 to handshake state",
            Metric::Signon => "sign-on due to registered (RRD)",
            Metric::Keepalive => "keepalive sent to echo or ack",
            Metric::Ack => "request sent to its response",
            Metric::Ringback => "call due to first ringing (SRD, post-dial delay)",
            Metric::Alert => "caller's request sent to callee's incoming call",
            Metric::Answer => "callee's accept sent to caller's accepted",
            Metric::Setup => "call due to accepted, less the callee's ringing",
            Metric::Release => "hangup sent to hangup on the same leg (SDD)",
            Metric::ReleaseRemote => "hangup sent to hangup on the other leg",
            Metric::Establish => "callee's accept sent to its own accepted",
            Metric::Decline => "callee's decline sent to caller's hangup",
            Metric::Cancel => "caller's hangup sent while it rings to its hangup event",
            Metric::Reject => "request sent to a hangup that nobody asked for, unanswered (failed SRD)",
            Metric::Hold => "hold sent to holding",
            Metric::Resume => "unhold sent to resuming",
            Metric::Update => "update offer sent to its answer",
            Metric::Reinvite => "hold, unhold or update sent to the other side's updating_call",
            Metric::Transfer => "transfer sent to word of its success",
            Metric::Recovery => "connection lost to signed on again",
            Metric::Lag => "due to written: the generator's own lateness",
            Metric::KeepaliveLag => "keepalive due to written: the generator's own lateness",
            Metric::TimerLag => "a worker's deadline to the turn that met it: its own lateness",
            Metric::Handling => "turn begun to frame handled: what the generator adds to a reading",
            Metric::KeepaliveControl => "a control client's keepalive sent to echo or ack: without the load",
            Metric::KeepaliveTwin => "its twin's, in a worker beside the load",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an attempt ended: each ends exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The caller got `accepted`.
    Answered,
    /// The callee refused: 603, 607, 608.
    Declined,
    /// 486 or 600.
    Busy,
    /// The caller gave up while it rang.
    Cancelled,
    /// 480.
    Unavailable,
    /// 3xx.
    Redirected,
    /// Anything else that went wrong.
    Failed(AttemptFailure),
    /// No call, and it did what it was for.
    Done,
    /// Due, but the clients that it needs were not there, or not idle: never sent.
    Blocked,
    /// The run ended before the attempt did.
    Unfinished,
}

impl Outcome {
    /// The name in records, without the reason of a failure.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Declined => "declined",
            Outcome::Busy => "busy",
            Outcome::Cancelled => "cancelled",
            Outcome::Unavailable => "unavailable",
            Outcome::Redirected => "redirected",
            Outcome::Failed(_) => "failed",
            Outcome::Done => "done",
            Outcome::Blocked => "blocked",
            Outcome::Unfinished => "unfinished",
        }
    }
}

/// Writes a closed set of named reasons.
macro_rules! reasons {
    ($(#[$meta:meta])* $set:ident { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $set { $($(#[doc = $doc])+ $variant,)+ }

        impl $set {
            /// All of them.
            pub const ALL: &'static [$set] = &[$($set::$variant),+];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The place in an array of one value each.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The name in records.
            pub const fn name(self) -> &'static str {
                match self { $($set::$variant => $name,)+ }
            }

            /// What it is, for people.
            pub const fn meaning(self) -> &'static str {
                match self { $($set::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<$set> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

reasons! {
    /// Why an attempt failed.
    AttemptFailure {
        /// The request was refused with a response `error`.
        Refused = "refused",
        /// No response to a request in time.
        NoResponse = "no_response",
        /// No `ringing`, no `accepted`, no `hangup` in time.
        NoProgress = "no_progress",
        /// The callee accepted, the caller never heard of it.
        NoAnswer = "no_answer",
        /// The callee never got the call, though the caller was told that it rings.
        NotDelivered = "not_delivered",
        /// An `error` event ended the set-up.
        EventError = "event_error",
        /// A `hangup` with a code that is nobody's wish: 4xx to 6xx of the server.
        Rejected = "rejected",
        /// A connection of the call was lost while it was being set up.
        ConnectionLost = "connection_lost",
        /// We hung up before the answer, or declined, and the server did not say that the call is over.
        NotReleased = "not_released",
        /// A call that the flow needs beside the attempt's own came to nothing.
        SideCall = "side_call",
        /// The call ended normally before it was answered, and nobody of ours had ended it.
        EndedEarly = "ended_early",
    }
}

reasons! {
    /// Why a sign-on failed.
    SignonFailure {
        /// Nothing listens at the target.
        Refused = "refused",
        /// The connection was reset.
        Reset = "reset",
        /// No way to the target.
        Unreachable = "unreachable",
        /// Not connected within the connect timeout.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake failed.
        Tls = "tls",
        /// HTTP status other than 101; the status is kept beside it.
        Http = "http",
        /// Not a WebSocket server.
        NotWebSocket = "not_websocket",
        /// Closed before the sign-on was done; the close code is kept beside it.
        Closed = "closed",
        /// No handshake `state` in time.
        StateTimeout = "state_timeout",
        /// A `state`, but no `registered` in time.
        RegistrationTimeout = "registration_timeout",
        /// `registration_failed`; the SIP status is kept beside it.
        RegistrationFailed = "registration_failed",
        /// Registered, but not allowed to call (`authorization_failure`).
        RegisteredLimited = "registered_limited",
        /// The server had ended the session, and no new one could be made.
        NoSession = "no_session",
        /// This machine could open no more connections: not the server's doing.
        LocalLimit = "local_limit",
        /// The run ended, or the client was to sign off, before it was done.
        Unfinished = "unfinished",
    }
}

reasons! {
    /// What a connection was doing when it ended.
    Phase {
        /// Dialling, TLS or upgrade.
        Connecting = "connecting",
        /// Open, without the handshake `state`.
        WaitingState = "waiting_state",
        /// Signed on, without a call.
        Idle = "idle",
        /// Signed on, with a call.
        InCall = "in_call",
        /// Being signed off.
        Draining = "draining",
    }
}
