//! How a core behaves where the protocol leaves the choice open.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{Delays, Provisioned};
use crate::law::{Distribution, Freeze, Seed};
use crate::protocol::{
    Dialect, EarlyRequests, EventName, HangupCode, Reading, ServerMessage, SessionRules, Supervision,
};
use crate::transport::SubProtocolRule;

/// The settings of an [`EmbeddedCore`](super::EmbeddedCore).
#[derive(Clone, Debug)]
pub struct CoreOptions {
    /// Where to listen. Default: any free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Who may sign on. Default: nobody.
    pub subscribers: Vec<Provisioned>,
    /// `wss`, with a certificate of its own. Default: `ws`.
    pub tls: bool,
    /// Whether a client must offer the sub-protocol. Default: lenient.
    pub sub_protocol: SubProtocolRule,
    /// The dialect spoken; `None`, the default, is flat until a client's first message shows otherwise.
    pub dialect: Option<Dialect>,
    /// How closely JSON is read. Default: tolerant.
    pub reading: Reading,
    /// Lines of each subscriber, 0 to 16. Default: 2.
    pub lines: u16,
    /// The announced interval between keepalives. Default: 30 s.
    pub keepalive_interval: Duration,
    /// When a silent client is closed with 4502. Default: generous.
    pub supervision: Supervision,
    /// What becomes of requests before the state. Default: close with 4432.
    pub early_requests: EarlyRequests,
    /// From the upgrade to the state. Default: 5 ms.
    pub state_delay: Distribution,
    /// From a request's arrival to its response; the events that it causes follow at once. Default: 1 ms.
    pub ack_delay: Distribution,
    /// From `hangup` to `ice_hangup`. Default: 20 ms.
    pub ice_hangup_delay: Distribution,
    /// How long messages are held back, by name; these go before the three above. Default: no more than those.
    pub delays: Delays,
    /// When the core stands still, reading nothing and sending nothing, counted from its start. Default: never.
    pub freeze: Option<Freeze>,
    /// The share of calls, 0 to 1, that go nowhere, and the SIP status that they end with. Default: none.
    pub refusals: Option<(f64, HangupCode)>,
    /// How SIP registration goes. Default: done at once.
    pub registration: RegistrationMode,
    /// The SIP code of `decline`. Default: 603.
    pub decline_code: i32,
    /// What an `accept` gets that crossed the caller's cancelling. Default: response error 410.
    pub accept_race: AcceptRace,
    /// The transaction on `hangup`. Default: the original call's.
    pub hangup_transaction: HangupTransaction,
    /// The call ids of the two legs. Default: equal.
    pub call_ids: CallIds,
    /// The core answers re-INVITEs for holding itself, and the other party sees nothing. Default: no.
    pub auto_accept_reinvite: bool,
    /// All calls get early media, not only those to `*183<number>`: `progress` with an answer instead of `ringing`, and
    /// none in `accepted`. Default: no.
    pub early_media: bool,
    /// `ice_webrtcup` and `ice_media` on both legs once a call is answered. Default: no.
    pub media_events: bool,
    /// How long a transferee may still make the call that it was asked for once the transferred call has ended. Default:
    /// 32 s, as long as SIP waits for anything.
    pub transfer_patience: Duration,
    /// How long the calls of a lost connection stay up. Default: 10 s.
    pub grace: Duration,
    /// The seed of all draws. Default: 0.
    pub seed: Seed,
}

impl Default for CoreOptions {
    fn default() -> Self {
        let millis = |millis| Distribution::Fixed(Duration::from_millis(millis));
        CoreOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            subscribers: Vec::new(),
            tls: false,
            sub_protocol: SubProtocolRule::Lenient,
            dialect: None,
            reading: Reading::Tolerant,
            lines: 2,
            keepalive_interval: Duration::from_secs(30),
            supervision: Supervision::Generous,
            early_requests: EarlyRequests::Close,
            state_delay: millis(5),
            ack_delay: millis(1),
            ice_hangup_delay: millis(20),
            delays: Delays::default(),
            freeze: None,
            refusals: None,
            registration: RegistrationMode::AtOnce,
            decline_code: 603,
            accept_race: AcceptRace::Refused,
            hangup_transaction: HangupTransaction::OriginalCall,
            call_ids: CallIds::Equal,
            auto_accept_reinvite: false,
            early_media: false,
            media_events: false,
            transfer_patience: Duration::from_secs(32),
            grace: Duration::from_secs(10),
            seed: Seed(0),
        }
    }
}

impl CoreOptions {
    /// The law of every message that has one.
    pub(super) fn all_delays(&self) -> Delays {
        let mut delays = self.delays.clone();
        delays.default_to(ServerMessage::State, self.state_delay);
        delays.default_to(ServerMessage::Ack, self.ack_delay);
        delays.default_to(ServerMessage::Event(EventName::IceHangup), self.ice_hangup_delay);
        delays
    }

    pub(super) fn session_rules(&self) -> SessionRules {
        SessionRules {
            dialect: self.dialect,
            early_requests: self.early_requests,
            supervision: self.supervision,
            keepalive_interval: self.keepalive_interval,
            reading: self.reading,
        }
    }
}

/// How the SIP registration of a session goes (protocol, section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// The state says `registered`.
    #[default]
    AtOnce,
    /// The state says `unregistered`; `registering` and `registered` follow, each after this delay.
    Staged(Duration),
    /// The state says `unregistered`; `registering` and `registration_failed` follow, each after this delay.
    Fails(Duration),
    /// No state is ever sent.
    NoState,
}

/// What an `accept` gets that crossed the caller's cancelling (protocol, section 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptRace {
    /// Response error 410.
    #[default]
    Refused,
    /// An ack, and `hangup` 487 behind it.
    HungUp,
    /// Close with 4610.
    Closed,
}

/// The transaction on a `hangup` event (protocol, decision 12.23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HangupTransaction {
    /// That of the `outgoing_call` on the caller's leg, none on the callee's.
    #[default]
    OriginalCall,
    /// That of the request that ended the call, on the leg it came from.
    Own,
    /// None.
    None,
}

/// The call ids of the two legs of a call (protocol, decision 12.30).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallIds {
    /// The same on both, as SIP proxies have it.
    #[default]
    Equal,
    /// The callee's is a new one, as a back-to-back user agent has it.
    Rewritten,
}
