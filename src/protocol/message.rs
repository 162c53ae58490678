//! Every message of WTSP in one form for both dialects (protocol, section 3 and appendix A).
//!
//! What is decoded borrows from the frame it came in; what is encoded borrows from its owner. SDP stays as it
//! stands in the JSON, escapes and all: nothing here needs to look into it.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

/// A text that borrows from its frame where it has no escapes.
pub type Text<'a> = Cow<'a, str>;

/// How a message is written: the two dialects of WTSP (protocol, section 0.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The protocol of September 2022: properties nested in `data`, `call`, the `keepalive` request. "Dialect A".
    Nested,
    /// Today's public protocol: flat properties, `outgoing_call`, the `keepalive` handshake. "Dialect B".
    Flat,
}

impl Dialect {
    /// The name in profiles and records.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Nested => "nested",
            Dialect::Flat => "flat",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The `line` of a message. That the key is absent and that it is `null` mean different things (section 3.7.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Line {
    /// A numbered line.
    Main(u16),
    /// `null`: the guest line (flat only).
    Guest,
    /// No such key.
    #[default]
    Absent,
    /// A text, a fraction, a negative or an absurd number: the call is looked up by its id instead
    /// (section 10, row 24).
    Invalid,
}

/// The kind of a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsepKind {
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// A session description: its kind, and its SDP as the JSON string it is on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Jsep<'a> {
    /// Offer or answer.
    pub kind: JsepKind,
    /// The SDP as a JSON string, quotes and escapes included.
    pub sdp: &'a RawValue,
}

/// The `candidate` of an `ice_trickle`.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'a> {
    /// `null`: there are no more.
    EndNull,
    /// `{"completed":true}`: there are no more.
    EndCompleted,
    /// One candidate, as the object it is on the wire.
    One(&'a RawValue),
    /// Neither an object nor `null`: to be ignored. Only a client meets it; a core refuses the request.
    Invalid(&'a RawValue),
}

/// The handle of a transfer: a number in the documents, a string in the clients; sent back as it came
/// (section 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferId<'a> {
    /// A JSON number.
    Number(u64),
    /// A JSON string.
    Text(Text<'a>),
}

/// What a client receives.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for the time of one frame")]
pub enum FromCore<'a> {
    /// The handshake `state`: first message of a connection.
    State(State<'a>),
    /// The echo of a keepalive (flat; in nested it is an ordinary `ack`).
    Keepalive(Keepalive<'a>),
    /// A response to a request.
    Response(Response<'a>),
    /// An event.
    Event(Event<'a>),
    /// Well-formed, but of a name that this protocol does not have.
    Unknown(Unknown<'a>),
}

/// What a core receives.
#[derive(Clone, Debug)]
pub enum FromClient<'a> {
    /// A keepalive, in either form.
    Keepalive(Keepalive<'a>),
    /// A request.
    Request(Request<'a>),
    /// Well-formed, but of a name that this protocol does not have.
    Unknown(Unknown<'a>),
}

/// A well-formed message whose name is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// Which of the kind keys it has.
    pub kind: MessageKind,
    /// The name it has there.
    pub name: Text<'a>,
}

/// The four kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// `handshake`.
    Handshake,
    /// `request`.
    Request,
    /// `response`.
    Response,
    /// `event`.
    Event,
}

/// A keepalive (section 4): a handshake that is echoed (flat), or a request that is acknowledged (nested).
#[derive(Clone, Debug, PartialEq)]
pub struct Keepalive<'a> {
    /// The form it came in, whatever dialect the rest is in.
    pub form: Dialect,
    /// The client's mark, by which it knows the echo again.
    pub transaction: Option<Text<'a>>,
    /// `line` of the nested form: 0, or absent from the one historic client; means nothing.
    pub line: Line,
    /// The whole text as received. The core echoes a flat keepalive byte for byte.
    pub raw: &'a str,
}

/// A request (section 3.5).
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The client's id for this request.
    pub transaction: Text<'a>,
    /// The line it is about; absent for session requests.
    pub line: Line,
    /// The call it is about, if any.
    pub call_id: Option<Text<'a>>,
    /// What is asked for.
    pub body: RequestBody<'a>,
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum RequestBody<'a> {
    /// `outgoing_call` (flat), `call` (nested).
    OutgoingCall {
        /// The number to call.
        number: Text<'a>,
        /// The offer.
        jsep: Option<Jsep<'a>>,
        /// The caller's number, on the guest line (flat only).
        from: Option<Text<'a>>,
        /// This call follows the `transfer` with this handle.
        refer_id: Option<ReferId<'a>>,
        /// Takes over another device's call (flat only).
        replaces: Option<Text<'a>>,
    },
    /// `accept`.
    Accept {
        /// An answer, or an offer where the incoming call had none.
        jsep: Option<Jsep<'a>>,
    },
    /// `decline`.
    Decline {
        /// Refuses this transfer rather than a call.
        refer_id: Option<ReferId<'a>>,
    },
    /// `hangup`.
    Hangup,
    /// `hold`.
    Hold {
        /// `sendonly` (the default), `recvonly`, `inactive`.
        direction: Option<Text<'a>>,
    },
    /// `unhold`.
    Unhold,
    /// `update`: an offer to renegotiate, or the answer to an `updating_call`.
    Update {
        /// The offer or answer.
        jsep: Option<Jsep<'a>>,
    },
    /// `transfer`.
    Transfer {
        /// Where to.
        number: Text<'a>,
        /// Attended: the consultation call that is replaced.
        replace_call_id: Option<Text<'a>>,
    },
    /// `ice_trickle`.
    IceTrickle {
        /// A candidate or the end mark.
        candidate: Candidate<'a>,
    },
    /// `presence_update` (flat only).
    PresenceUpdate {
        /// The settings, as the object they are on the wire.
        settings: Option<&'a RawValue>,
    },
    /// `peer_message` (flat only).
    PeerMessage {
        /// `media_state` is the only one known.
        kind: Text<'a>,
        /// The payload, passed on unread.
        data: &'a RawValue,
    },
}

/// A response (section 3.6).
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// The id of the request it answers; matches nothing if it is absent or not a text.
    pub transaction: Option<Text<'a>>,
    /// The request's line, given back.
    pub line: Line,
    /// The request's call, given back (flat).
    pub call_id: Option<Text<'a>>,
    /// What became of the request.
    pub outcome: ResponseOutcome<'a>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseOutcome<'a> {
    /// `ack`: received and being processed.
    Ack,
    /// `error`: refused.
    Error {
        /// Table 6.2; absent when the server gave none.
        code: Option<i32>,
        /// Free text.
        reason: Option<Text<'a>>,
    },
}

/// An event (section 3.7).
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// A hint at the request behind it; never needed, never relied on (section 5.1, rule 2).
    pub transaction: Option<Text<'a>>,
    /// The line.
    pub line: Line,
    /// The call.
    pub call_id: Option<Text<'a>>,
    /// What happened.
    pub body: EventBody<'a>,
}

/// The parties and offer of `incoming_call` and `updating_call`.
#[derive(Clone, Debug)]
pub struct CallParties<'a> {
    /// The called number or URI.
    pub callee: Text<'a>,
    /// The calling number or URI.
    pub caller: Text<'a>,
    /// The caller's name; may be empty.
    pub caller_display_name: Option<Text<'a>>,
    /// The offer; absent in an offer-less call.
    pub jsep: Option<Jsep<'a>>,
    /// Who transferred.
    pub referred_by: Option<Text<'a>>,
    /// The call that this one replaces.
    pub replace_call_id: Option<Text<'a>>,
    /// The peer is a conference server.
    pub is_focus: Option<bool>,
}

/// What happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for the time of one frame")]
pub enum EventBody<'a> {
    /// SIP registration started.
    Registering,
    /// SIP registration succeeded.
    Registered {
        /// `ok`, `authorization_failure`, or free text.
        phrase: Option<Text<'a>>,
    },
    /// SIP registration failed.
    RegistrationFailed {
        /// SIP status.
        code: Option<i32>,
        /// Free text.
        reason: Option<Text<'a>>,
    },
    /// SIP unregistration started.
    Unregistering,
    /// SIP unregistration finished.
    Unregistered,
    /// An error of the session, a line or a call: see [`Event::error_scope`].
    Error {
        /// Table 6.3, or a SIP status.
        code: Option<i32>,
        /// Free text.
        reason: Option<Text<'a>>,
    },
    /// The media leg is up.
    IceWebrtcup,
    /// The gateway starts or stops receiving media of one kind.
    IceMedia {
        /// `audio` or `video`.
        media: Text<'a>,
        /// Starts or stops.
        receiving: bool,
        /// SDP mid.
        mid: Option<Text<'a>>,
    },
    /// Packet loss on the media leg.
    IceSlowlink {
        /// `audio` or `video`, from the clients' key `media`.
        media: Option<Text<'a>>,
        /// The same from the documents' key `type`.
        kind: Option<Text<'a>>,
        /// As seen by the gateway.
        uplink: bool,
        /// Packets lost in about a second.
        lost: i64,
        /// SDP mid.
        mid: Option<Text<'a>>,
    },
    /// The peer connection of the line is closed.
    IceHangup {
        /// Free text.
        reason: Option<Text<'a>>,
    },
    /// A remote candidate.
    IceTrickle {
        /// A candidate or the end mark.
        candidate: Candidate<'a>,
    },
    /// The other party asks us to call somebody else.
    Transfer {
        /// The handle of this request.
        refer_id: ReferId<'a>,
        /// Number or URI to call.
        refer_to: Text<'a>,
        /// Who asked.
        referred_by: Option<Text<'a>>,
        /// Attended: the call to replace.
        replace_call_id: Option<Text<'a>>,
    },
    /// The INVITE is leaving.
    Calling,
    /// The callee rings.
    Ringing,
    /// Progress without early media.
    Proceeding {
        /// SIP status, 180 or 183.
        code: Option<i32>,
    },
    /// Early media.
    Progress {
        /// The called party.
        callee: Option<Text<'a>>,
        /// The peer is a conference server.
        is_focus: Option<bool>,
        /// The answer; the later `accepted` has none.
        jsep: Option<Jsep<'a>>,
    },
    /// The call is answered, or a renegotiation is.
    Accepted {
        /// See the table of section 3.7.3.
        jsep: Option<Jsep<'a>>,
        /// The peer is a conference server.
        is_focus: Option<bool>,
        /// The answered party.
        callee: Option<Text<'a>>,
    },
    /// Processing of an `accept` with an offer started.
    Accepting,
    /// An INVITE arrived (`incoming_call` in flat, `call` in nested).
    IncomingCall(CallParties<'a>),
    /// An incoming call found no free line.
    MissedCall {
        /// The called number or URI.
        callee: Text<'a>,
        /// The calling number or URI.
        caller: Text<'a>,
        /// The caller's name.
        caller_display_name: Option<Text<'a>>,
    },
    /// Processing of `decline` started.
    Declining {
        /// The SIP code used.
        code: Option<i32>,
        /// The transfer that is refused.
        refer_id: Option<ReferId<'a>>,
    },
    /// Processing of `hangup` started, or the gateway began to hang up.
    Hangingup {
        /// One walkthrough shows it.
        code: Option<i32>,
    },
    /// The call is over.
    Hangup {
        /// SIP status, table 6.4.
        code: Option<i32>,
        /// Free text.
        reason: Option<Text<'a>>,
    },
    /// Processing of `hold` started.
    Holding,
    /// Processing of `unhold` started.
    Resuming,
    /// Processing of an `update` offer started.
    Updating,
    /// An `update` answer was applied.
    Updated,
    /// A re-INVITE arrived.
    UpdatingCall(CallParties<'a>),
    /// The REFER was sent.
    Transferring,
    /// A SIP NOTIFY arrived.
    Notify {
        /// The event package; `refer` for transfers.
        package: Option<Text<'a>>,
        /// `pending`, `active`, `terminated`.
        subscription_state: Option<Text<'a>>,
        /// `message/sipfrag` for transfers.
        content_type: Option<Text<'a>>,
        /// The body.
        content: Text<'a>,
    },
    /// The transfer is done (flat only).
    TransferAccepted {
        /// SIP status.
        code: Option<i32>,
    },
    /// The transfer was refused (flat only).
    TransferFailed {
        /// SIP status.
        code: Option<i32>,
    },
    /// The peer's message (flat only).
    PeerMessage {
        /// `media_state` is the only one known.
        kind: Text<'a>,
        /// The payload, unread.
        data: &'a RawValue,
        /// The peer's number.
        sender: Option<Text<'a>>,
    },
    /// The presence of a number (flat only).
    NumberPresenceUpdate {
        /// Whose.
        number: Text<'a>,
        /// The list, as it is on the wire.
        presence_info: &'a RawValue,
    },
    /// The dialogs of a number (flat only).
    NumberDialogsUpdate {
        /// Whose.
        number: Text<'a>,
        /// The list, as it is on the wire.
        dialog_infos: &'a RawValue,
    },
}

/// What an `error` event is about (section 3.7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorScope {
    /// The session.
    Session,
    /// A line.
    Line,
    /// A call.
    Call,
}

impl Event<'_> {
    /// What an `error` event with these keys is about: `call_id` says a call, else the key `line` a line.
    ///
    /// In nested, a session's error carries a `line` that means nothing, so there the two cannot be told apart.
    pub fn error_scope(&self) -> ErrorScope {
        match (&self.call_id, self.line) {
            (Some(_), _) => ErrorScope::Call,
            (None, Line::Absent) => ErrorScope::Session,
            (None, _) => ErrorScope::Line,
        }
    }
}

/// The handshake `state` (section 3.4.1).
#[derive(Clone, Debug)]
pub struct State<'a> {
    /// Milliseconds between keepalives, as announced: clamped by [`State::keepalive_interval`].
    pub keepalive_interval_ms: Option<i64>,
    /// The server's clock, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The state of the SIP registration.
    pub registration: Registration<'a>,
    /// A line each; `None` is an idle one.
    pub lines: Vec<Option<LineState<'a>>>,
    /// The guest line (flat only).
    pub guest_line: GuestLine<'a>,
    /// Initial presence list (flat only), as it is on the wire.
    pub presence_infos: Option<&'a RawValue>,
    /// Initial dialog list (flat only), as it is on the wire.
    pub dialog_infos: Option<&'a RawValue>,
}

/// The guest line in a `state`.
#[derive(Clone, Debug, Default)]
pub enum GuestLine<'a> {
    /// No such key.
    #[default]
    Absent,
    /// `null`: idle.
    Idle,
    /// An object; free when it has no call id.
    Line(LineState<'a>),
}

impl<'a> GuestLine<'a> {
    /// The line, if there is something on it.
    pub fn held(&self) -> Option<&LineState<'a>> {
        match self {
            GuestLine::Line(line) => Some(line),
            GuestLine::Absent | GuestLine::Idle => None,
        }
    }
}

/// The registration in a `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration<'a> {
    /// Where it stands.
    pub status: RegistrationStatus,
    /// SIP status after a failure.
    pub code: Option<i32>,
    /// Text after a failure.
    pub reason: Option<Text<'a>>,
}

/// Where a SIP registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationStatus {
    /// Under way.
    Registering,
    /// Done: calls can be made.
    Registered,
    /// Failed.
    RegistrationFailed,
    /// Being taken back.
    Unregistering,
    /// Not registered.
    Unregistered,
    /// A status that the protocol does not have, or none: not ready.
    Unknown,
}

/// A line that the server still holds a call on, or its remains (section 2.7).
#[derive(Clone, Debug)]
pub struct LineState<'a> {
    /// The call; absent or `null` means that the line is free.
    pub call_id: Option<Text<'a>>,
    /// What was said about the call, in the order of the wire.
    pub call_logs: Vec<LogEntry<'a>>,
    /// Entries were skipped, so the newest word about the call may be missing.
    pub uncertain: bool,
}

/// One entry of a line's log.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    /// Server clock, milliseconds since the epoch.
    pub timestamp: i64,
    /// The logged message, which may lack `line` and `call_id`.
    pub message: &'a RawValue,
}
