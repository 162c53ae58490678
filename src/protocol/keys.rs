//! The keys of messages, each named once: by these they are read and written.

use super::words::{QuotedWords, Words};

/// Names every key of the protocol, once.
macro_rules! keys {
    ($($key:ident = $name:literal,)+) => {
        /// A key of a message, or any that the protocol does not have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Key {
            $($key,)+
            Other,
        }

        impl Key {
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Key::$key => $name,)+
                    Key::Other => "",
                }
            }

            /// The beginning of a member of an object that is not its first.
            #[inline(always)]
            pub(super) const fn member(self) -> &'static str {
                match self {
                    $(Key::$key => concat!(",\"", $name, "\":"),)+
                    Key::Other => "",
                }
            }

            /// The beginning of such a member whose value is a text.
            #[inline(always)]
            pub(super) const fn text_member(self) -> &'static str {
                match self {
                    $(Key::$key => concat!(",\"", $name, "\":\""),)+
                    Key::Other => "",
                }
            }

            pub(super) const ALL: [Key; [$($name),+].len()] = [$(Key::$key),+];

            #[inline(always)]
            pub(super) fn from_name(name: &[u8]) -> Key {
                static NAMES: Words<{ Key::ALL.len() }> = Words::new([$($name),+]);
                NAMES.find(name).map_or(Key::Other, |place| Key::ALL[place])
            }

            /// The place in [`ALL`](Self::ALL), and the length, of the key that stands at the beginning of a text with a
            /// quote behind it. A few are not found: [`from_name`](Self::from_name) knows all.
            #[inline(always)]
            pub(super) fn find_quoted(text: &[u8]) -> Option<(usize, usize)> {
                static NAMES: QuotedWords<{ Key::ALL.len() }> = QuotedWords::new([$($name),+]);
                NAMES.find(text)
            }
        }
    };
}

// Those with a slot for a plain value come first, of them the ones that most messages have; then those that are kept as
// raw JSON: `wire` uses the order.
keys! {
    Handshake = "handshake",
    Request = "request",
    Response = "response",
    Event = "event",
    Line = "line",
    Transaction = "transaction",
    CallId = "call_id",
    Code = "code",
    Reason = "reason",
    Callee = "callee",
    Caller = "caller",
    CallerDisplayName = "caller_display_name",
    Phrase = "phrase",
    Number = "number",
    From = "from",
    ReferId = "refer_id",
    Replaces = "replaces",
    Direction = "direction",
    ReplaceCallId = "replace_call_id",
    Type = "type",
    Sender = "sender",
    ReferTo = "refer_to",
    ReferredBy = "referred_by",
    IsFocus = "is_focus",
    Receiving = "receiving",
    Mid = "mid",
    Media = "media",
    Uplink = "uplink",
    Lost = "lost",
    Notify = "notify",
    SubscriptionState = "subscription_state",
    ContentType = "content_type",
    Content = "content",
    KeepaliveInterval = "keepalive_interval",
    Timestamp = "timestamp",
    Status = "status",
    Candidate = "candidate",
    Registration = "registration",
    Lines = "lines",
    GuestLine = "guest_line",
    CallLogs = "call_logs",
    PresenceInfos = "presence_infos",
    DialogInfos = "dialog_infos",
    PresenceInfo = "presence_info",
    Settings = "settings",
    Error = "error",
    Data = "data",
    Jsep = "jsep",
    // This one is met only within the last.
    Sdp = "sdp",
}

impl Key {
    /// Its place in a set of keys.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u32
    }
}
