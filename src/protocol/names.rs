//! The names of messages: closed sets, so that counters are arrays and labels are bounded
//! (protocol, section 3.8).

use std::fmt;

use super::keys::Key;
use super::object::Literal;
use super::words::Words;
use super::{Dialect, EventBody, JsepKind, MessageKind, RegistrationStatus, RequestBody};

/// Writes a closed set of names: the enum, its list, and each name with the dialects that have it.
macro_rules! names {
    (@for $name:literal $variant:path) => { $variant };
    (
        $(#[$meta:meta])*
        $set:ident { $($variant:ident = $flat:literal $(nested $nested:literal)? $(only $only:ident)?,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $set {
            $(#[doc = concat!("`", $flat, "`")] $variant,)+
        }

        impl $set {
            /// All of them, in the order of [`index`](Self::index).
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// How many there are: the length of an array of counters.
            pub const COUNT: usize = Self::ALL.len();

            /// The place in [`ALL`](Self::ALL), and in an array of counters.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The name in records and reports, whatever the dialect: the one of the flat dialect.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $flat,)+
                }
            }

            /// The name on the wire.
            pub const fn wire_name(self, dialect: Dialect) -> &'static str {
                match (self, dialect) {
                    $($((Self::$variant, Dialect::Nested) => $nested,)?)+
                    _ => self.name(),
                }
            }

            /// The name on the wire as a JSON string.
            #[inline(always)]
            pub(super) fn literal(self, dialect: Dialect) -> &'static Literal {
                static FLAT: [Literal; $set::COUNT] = [$(Literal::quoted($flat)),+];
                static NESTED: [Literal; $set::COUNT] =
                    [$(Literal::quoted($set::$variant.wire_name(Dialect::Nested))),+];
                match dialect {
                    Dialect::Flat => &FLAT[self.index()],
                    Dialect::Nested => &NESTED[self.index()],
                }
            }

            /// Whether the dialect has this message at all (section 3.2, rule 7).
            pub const fn is_in(self, dialect: Dialect) -> bool {
                match self {
                    $($(Self::$variant => matches!(dialect, Dialect::$only),)?)+
                    #[allow(unreachable_patterns, reason = "a set may have no such names")]
                    _ => {
                        let _ = dialect;
                        true
                    }
                }
            }

            /// The message of this name on the wire; the names of both dialects are read (decision 12.3).
            pub fn from_wire(name: &str) -> Option<Self> {
                const NAMES: [&str; [$($flat $(, $nested)?),+].len()] = [$($flat $(, $nested)?),+];
                const NAMED: [$set; NAMES.len()] = [$($set::$variant $(, names!(@for $nested $set::$variant))?),+];
                static WORDS: Words<{ NAMES.len() }> = Words::new(NAMES);
                WORDS.find(name.as_bytes()).map(|place| NAMED[place])
            }
        }

        impl fmt::Display for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// The requests (section 3.5). `keepalive` is among them for records: it is a request in nested only, and a
    /// [`Keepalive`](super::Keepalive) in both.
    RequestName {
        OutgoingCall = "outgoing_call" nested "call",
        Accept = "accept",
        Decline = "decline",
        Hangup = "hangup",
        Hold = "hold",
        Unhold = "unhold",
        Update = "update",
        Transfer = "transfer",
        IceTrickle = "ice_trickle",
        PresenceUpdate = "presence_update" only Flat,
        PeerMessage = "peer_message" only Flat,
        Keepalive = "keepalive",
    }
}

names! {
    /// The events (section 3.7).
    EventName {
        Registering = "registering",
        Registered = "registered",
        RegistrationFailed = "registration_failed",
        Unregistering = "unregistering",
        Unregistered = "unregistered",
        Error = "error",
        IceWebrtcup = "ice_webrtcup",
        IceMedia = "ice_media",
        IceSlowlink = "ice_slowlink",
        IceHangup = "ice_hangup",
        IceTrickle = "ice_trickle",
        Transfer = "transfer",
        Calling = "calling",
        Ringing = "ringing",
        Proceeding = "proceeding",
        Progress = "progress",
        Accepted = "accepted",
        Accepting = "accepting",
        IncomingCall = "incoming_call" nested "call",
        MissedCall = "missed_call",
        Declining = "declining",
        Hangingup = "hangingup",
        Hangup = "hangup",
        Holding = "holding",
        Resuming = "resuming",
        Updating = "updating",
        Updated = "updated",
        UpdatingCall = "updating_call",
        Transferring = "transferring",
        Notify = "notify",
        TransferAccepted = "transfer_accepted" only Flat,
        TransferFailed = "transfer_failed" only Flat,
        PeerMessage = "peer_message" only Flat,
        NumberPresenceUpdate = "number_presence_update" only Flat,
        NumberDialogsUpdate = "number_dialogs_update" only Flat,
    }
}

/// What a message is about: which of `line` and `call_id` it has (the three groups of sections 3.5 and 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Neither: the session, or (the two `number_*` events) anything at all.
    Session,
    /// A line: `line`, no `call_id`.
    Line,
    /// A call: both.
    Call,
}

impl RequestName {
    /// The group of the request. `presence_update` is of the session, `ice_trickle` of a line, the rest of a call.
    pub const fn group(self) -> Group {
        match self {
            Self::PresenceUpdate | Self::Keepalive => Group::Session,
            Self::IceTrickle => Group::Line,
            _ => Group::Call,
        }
    }
}

impl EventName {
    /// The group of the event. For `error` this says call, the widest: see
    /// [`Event::error_scope`](super::Event::error_scope).
    pub const fn group(self) -> Group {
        match self {
            Self::Registering
            | Self::Registered
            | Self::RegistrationFailed
            | Self::Unregistering
            | Self::Unregistered
            | Self::NumberPresenceUpdate
            | Self::NumberDialogsUpdate => Group::Session,
            Self::IceWebrtcup
            | Self::IceMedia
            | Self::IceSlowlink
            | Self::IceHangup
            | Self::IceTrickle
            | Self::Transfer => Group::Line,
            _ => Group::Call,
        }
    }
}

impl RequestBody<'_> {
    /// The name of the request.
    pub const fn name(&self) -> RequestName {
        match self {
            Self::OutgoingCall { .. } => RequestName::OutgoingCall,
            Self::Accept { .. } => RequestName::Accept,
            Self::Decline { .. } => RequestName::Decline,
            Self::Hangup => RequestName::Hangup,
            Self::Hold { .. } => RequestName::Hold,
            Self::Unhold => RequestName::Unhold,
            Self::Update { .. } => RequestName::Update,
            Self::Transfer { .. } => RequestName::Transfer,
            Self::IceTrickle { .. } => RequestName::IceTrickle,
            Self::PresenceUpdate { .. } => RequestName::PresenceUpdate,
            Self::PeerMessage { .. } => RequestName::PeerMessage,
        }
    }
}

impl EventBody<'_> {
    /// The name of the event.
    pub const fn name(&self) -> EventName {
        match self {
            Self::Registering => EventName::Registering,
            Self::Registered { .. } => EventName::Registered,
            Self::RegistrationFailed { .. } => EventName::RegistrationFailed,
            Self::Unregistering => EventName::Unregistering,
            Self::Unregistered => EventName::Unregistered,
            Self::Error { .. } => EventName::Error,
            Self::IceWebrtcup => EventName::IceWebrtcup,
            Self::IceMedia { .. } => EventName::IceMedia,
            Self::IceSlowlink { .. } => EventName::IceSlowlink,
            Self::IceHangup { .. } => EventName::IceHangup,
            Self::IceTrickle { .. } => EventName::IceTrickle,
            Self::Transfer { .. } => EventName::Transfer,
            Self::Calling => EventName::Calling,
            Self::Ringing => EventName::Ringing,
            Self::Proceeding { .. } => EventName::Proceeding,
            Self::Progress { .. } => EventName::Progress,
            Self::Accepted { .. } => EventName::Accepted,
            Self::Accepting => EventName::Accepting,
            Self::IncomingCall(_) => EventName::IncomingCall,
            Self::MissedCall { .. } => EventName::MissedCall,
            Self::Declining { .. } => EventName::Declining,
            Self::Hangingup { .. } => EventName::Hangingup,
            Self::Hangup { .. } => EventName::Hangup,
            Self::Holding => EventName::Holding,
            Self::Resuming => EventName::Resuming,
            Self::Updating => EventName::Updating,
            Self::Updated => EventName::Updated,
            Self::UpdatingCall(_) => EventName::UpdatingCall,
            Self::Transferring => EventName::Transferring,
            Self::Notify { .. } => EventName::Notify,
            Self::TransferAccepted { .. } => EventName::TransferAccepted,
            Self::TransferFailed { .. } => EventName::TransferFailed,
            Self::PeerMessage { .. } => EventName::PeerMessage,
            Self::NumberPresenceUpdate { .. } => EventName::NumberPresenceUpdate,
            Self::NumberDialogsUpdate { .. } => EventName::NumberDialogsUpdate,
        }
    }
}

impl JsepKind {
    /// The `type` on the wire.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        }
    }

    /// The kind of this `type`; the other two that browsers know are never seen here (section 3.3).
    pub fn from_wire(name: &str) -> Option<Self> {
        [Self::Offer, Self::Answer].into_iter().find(|kind| kind.wire_name() == name)
    }
}

impl RegistrationStatus {
    /// Those that the protocol has.
    pub const KNOWN: &'static [Self] = &[
        Self::Registering,
        Self::Registered,
        Self::RegistrationFailed,
        Self::Unregistering,
        Self::Unregistered,
    ];

    /// The name on the wire, and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::RegistrationFailed => "registration_failed",
            Self::Unregistering => "unregistering",
            Self::Unregistered => "unregistered",
            Self::Unknown => "unknown",
        }
    }

    /// The status of this name; [`Unknown`](Self::Unknown) for any that the protocol does not have.
    pub fn from_wire(name: &str) -> Self {
        Self::KNOWN.iter().copied().find(|status| status.name() == name).unwrap_or(Self::Unknown)
    }
}

impl MessageKind {
    /// The key that makes a message of this kind.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Response => "response",
            Self::Event => "event",
        }
    }

    pub(super) const fn wire_key(self) -> Key {
        match self {
            Self::Handshake => Key::Handshake,
            Self::Request => Key::Request,
            Self::Response => Key::Response,
            Self::Event => Key::Event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_dense_and_names_are_read_back_in_both_dialects() {
        for (place, name) in RequestName::ALL.iter().enumerate() {
            assert_eq!(name.index(), place);
            for dialect in [Dialect::Nested, Dialect::Flat] {
                assert_eq!(RequestName::from_wire(name.wire_name(dialect)), Some(*name));
            }
        }
        for (place, name) in EventName::ALL.iter().enumerate() {
            assert_eq!(name.index(), place);
            for dialect in [Dialect::Nested, Dialect::Flat] {
                assert_eq!(EventName::from_wire(name.wire_name(dialect)), Some(*name));
            }
        }
    }

    #[test]
    fn only_the_call_has_another_name_in_nested() {
        let renamed: Vec<_> =
            RequestName::ALL.iter().filter(|name| name.wire_name(Dialect::Nested) != name.name()).collect();
        assert_eq!(renamed, [&RequestName::OutgoingCall]);
        assert_eq!(EventName::IncomingCall.wire_name(Dialect::Nested), "call");
        assert_eq!(EventName::IncomingCall.wire_name(Dialect::Flat), "incoming_call");
    }

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(EventName::from_wire("Hangup"), None);
    }

    #[test]
    fn nested_lacks_what_rule_seven_says() {
        let missing: Vec<_> = EventName::ALL
            .iter()
            .filter(|name| !name.is_in(Dialect::Nested))
            .map(|name| name.name())
            .collect();
        assert_eq!(
            missing,
            [
                "transfer_accepted",
                "transfer_failed",
                "peer_message",
                "number_presence_update",
                "number_dialogs_update"
            ]
        );
        assert!(EventName::ALL.iter().all(|name| name.is_in(Dialect::Flat)));
        assert!(!RequestName::PresenceUpdate.is_in(Dialect::Nested));
        assert!(RequestName::Keepalive.is_in(Dialect::Nested));
    }
}
