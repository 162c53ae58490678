//! From message to text, exactly as the dialect writes it (protocol, sections 0.3 and 3.2).
//!
//! The properties of a message are told once. The flat dialect has them beside the envelope, the nested one in
//! `data`; what nested has no words for is refused before anything is written.

use std::borrow::Cow;

use thiserror::Error;

use super::keys::Key;
use super::object::{Literal, Object, push_integer, push_text};
use super::{
    CallParties, Candidate, Dialect, Event, EventBody, FromClient, FromCore, Group, GuestLine, Jsep,
    JsepKind, Keepalive, Line, LineState, ReferId, Registration, RegistrationStatus, Request, RequestBody,
    Response, ResponseOutcome, State, Text, Unknown,
};

/// The dialect has no words for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the {} dialect cannot say {what}", dialect.name())]
pub struct NotInDialect {
    /// The dialect that was asked for.
    pub dialect: Dialect,
    /// What it cannot say.
    pub what: &'static str,
}

impl FromCore<'_> {
    /// Writes the message into `out`, in place of what that held.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        match self {
            Self::State(state) => state.encode(dialect, out),
            Self::Keepalive(keepalive) => keepalive.encode(out),
            Self::Response(response) => response.encode(dialect, out),
            Self::Event(event) => event.encode(dialect, out),
            Self::Unknown(unknown) => unknown.encode(dialect, out),
        }
    }
}

impl FromClient<'_> {
    /// Writes the message into `out`, in place of what that held.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        match self {
            Self::Keepalive(keepalive) => keepalive.encode(out),
            Self::Request(request) => request.encode(dialect, out),
            Self::Unknown(unknown) => unknown.encode(dialect, out),
        }
    }
}

impl Unknown<'_> {
    /// Writes the name alone into `out`, which is all that is known of it: for provoking what others do with it.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        Envelope {
            kind: self.kind.wire_key(),
            name: Name::Unknown(&self.name),
            transaction: None,
            line: Line::Absent,
            call_id: None,
        }
        .write(dialect, out, |_| {})
    }
}

/// The name of a message.
enum Name<'a> {
    Known(&'static Literal),
    Unknown(&'a str),
}

/// What stands before the properties.
struct Envelope<'a> {
    kind: Key,
    name: Name<'a>,
    transaction: Option<&'a str>,
    line: Line,
    call_id: Option<&'a str>,
}

impl Envelope<'_> {
    /// Key order and `line` are the dialect's (sections 0.3 and 3.2, rules 2 and 3).
    #[inline(always)]
    fn write(
        &self,
        dialect: Dialect,
        out: &mut Vec<u8>,
        properties: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), NotInDialect> {
        let what = match (self.line, dialect) {
            (Line::Guest, Dialect::Nested) => Some("the guest line"),
            (Line::Invalid, _) => Some("a line that is none"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(NotInDialect { dialect, what });
        }
        out.clear();
        let mut object = Object::begin(out);
        match self.name {
            Name::Known(name) => object.literal(self.kind, name),
            Name::Unknown(name) => object.text(self.kind, name),
        }
        match dialect {
            Dialect::Nested => {
                self.write_line(dialect, &mut object);
                object.optional_text(Key::Transaction, self.transaction);
                object.optional_text(Key::CallId, self.call_id);
                let mut data = object.data();
                properties(&mut data);
                data.end();
            }
            Dialect::Flat => {
                object.optional_text(Key::Transaction, self.transaction);
                self.write_line(dialect, &mut object);
                object.optional_text(Key::CallId, self.call_id);
                properties(&mut object);
            }
        }
        object.end();
        Ok(())
    }

    #[inline(always)]
    fn write_line(&self, dialect: Dialect, object: &mut Object<'_>) {
        match (self.line, dialect) {
            (Line::Main(line), _) => object.line(line),
            (Line::Guest, _) => object.null(Key::Line),
            // Always a number in nested; where there is no line it is 0 and means nothing.
            (Line::Absent | Line::Invalid, Dialect::Nested) => object.line(0),
            (Line::Absent | Line::Invalid, Dialect::Flat) => {}
        }
    }
}

impl<'a> Keepalive<'a> {
    /// The keepalive that a client of this dialect sends (section 4).
    pub fn new(dialect: Dialect, transaction: Text<'a>) -> Self {
        let line = match dialect {
            Dialect::Nested => Line::Main(0),
            Dialect::Flat => Line::Absent,
        };
        Self { form: dialect, transaction: Some(transaction), line, raw: "" }
    }

    /// What a core answers, in kind whatever else the client speaks (decision 12.6): the echo of a flat keepalive,
    /// the `ack` of a nested one.
    pub fn answer(&self) -> FromCore<'a> {
        match self.form {
            Dialect::Flat => FromCore::Keepalive(self.clone()),
            Dialect::Nested => FromCore::Response(Response {
                transaction: self.transaction.clone(),
                line: self.line,
                call_id: None,
                outcome: ResponseOutcome::Ack,
            }),
        }
    }

    /// Writes it into `out`, in place of what that held: a received flat one byte for byte as it came (section 4.3).
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        let kind = match self.form {
            Dialect::Flat if !self.raw.is_empty() => {
                out.clear();
                out.extend_from_slice(self.raw.as_bytes());
                return Ok(());
            }
            Dialect::Flat => Key::Handshake,
            Dialect::Nested => Key::Request,
        };
        let transaction = self.transaction.as_deref();
        static KEEPALIVE: Literal = Literal::quoted("keepalive");
        let name = Name::Known(&KEEPALIVE);
        Envelope { kind, name, transaction, line: self.line, call_id: None }.write(self.form, out, |_| {})
    }
}

impl<'a> Request<'a> {
    /// Writes the request into `out`, in place of what that held.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        self.body.encode(dialect, &self.transaction, self.line, self.call_id.as_deref(), out)
    }

    /// The `ack` of this request, with the request's line and call (section 3.6).
    pub fn ack(&self) -> Response<'a> {
        self.response(ResponseOutcome::Ack)
    }

    /// The refusal of this request (table 6.2).
    pub fn refuse(&self, code: i32, reason: Text<'a>) -> Response<'a> {
        self.response(ResponseOutcome::Error { code: Some(code), reason: Some(reason) })
    }

    fn response(&self, outcome: ResponseOutcome<'a>) -> Response<'a> {
        Response {
            transaction: Some(self.transaction.clone()),
            line: self.line,
            call_id: self.call_id.clone(),
            outcome,
        }
    }
}

impl RequestBody<'_> {
    /// Writes the request of this body into `out`, in place of what that held.
    pub(super) fn encode(
        &self,
        dialect: Dialect,
        transaction: &str,
        line: Line,
        call_id: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotInDialect> {
        let name = self.name();
        let what = match (self, dialect) {
            _ if !name.is_in(dialect) => Some(name.name()),
            (Self::OutgoingCall { from: Some(_), .. }, Dialect::Nested) => Some("from"),
            (Self::OutgoingCall { replaces: Some(_), .. }, Dialect::Nested) => Some("replaces"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(NotInDialect { dialect, what });
        }
        let name = Name::Known(name.literal(dialect));
        Envelope { kind: Key::Request, name, transaction: Some(transaction), line, call_id }.write(
            dialect,
            out,
            |object| self.write(object),
        )
    }

    fn write(&self, object: &mut Object<'_>) {
        match self {
            Self::OutgoingCall { number, jsep, from, refer_id, replaces } => {
                object.text(Key::Number, number);
                write_refer_id(object, refer_id.as_ref());
                object.optional_text(Key::Replaces, replaces.as_deref());
                object.optional_text(Key::From, from.as_deref());
                write_jsep(object, *jsep);
            }
            Self::Accept { jsep } | Self::Update { jsep } => write_jsep(object, *jsep),
            Self::Decline { refer_id } => write_refer_id(object, refer_id.as_ref()),
            Self::Hangup | Self::Unhold => {}
            Self::Hold { direction } => object.optional_text(Key::Direction, direction.as_deref()),
            Self::Transfer { number, replace_call_id } => {
                object.text(Key::Number, number);
                object.optional_text(Key::ReplaceCallId, replace_call_id.as_deref());
            }
            Self::IceTrickle { candidate } => write_candidate(object, *candidate),
            Self::PresenceUpdate { settings } => object.optional_raw(Key::Settings, *settings),
            Self::PeerMessage { kind, data } => {
                object.text(Key::Type, kind);
                object.raw(Key::Data, data.get());
            }
        }
    }
}

impl Response<'_> {
    /// Writes the response into `out`, in place of what that held.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        static ACK: Literal = Literal::quoted("ack");
        static ERROR: Literal = Literal::quoted("error");
        let name = match self.outcome {
            ResponseOutcome::Ack => &ACK,
            ResponseOutcome::Error { .. } => &ERROR,
        };
        let call_id = match dialect {
            Dialect::Nested => None,
            Dialect::Flat => self.call_id.as_deref(),
        };
        Envelope {
            kind: Key::Response,
            name: Name::Known(name),
            transaction: self.transaction.as_deref(),
            line: self.line,
            call_id,
        }
        .write(dialect, out, |object| {
            if let ResponseOutcome::Error { code, reason } = &self.outcome {
                write_failure(object, *code, reason.as_ref());
            }
        })
    }
}

impl Event<'_> {
    /// Writes the event into `out`, in place of what that held.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        let name = self.body.name();
        if !name.is_in(dialect) {
            return Err(NotInDialect { dialect, what: name.name() });
        }
        let line = match name.group() {
            Group::Session => Line::Absent,
            Group::Line | Group::Call => self.line,
        };
        Envelope {
            kind: Key::Event,
            name: Name::Known(name.literal(dialect)),
            transaction: self.transaction.as_deref(),
            line,
            call_id: self.call_id.as_deref(),
        }
        .write(dialect, out, |object| self.body.write(object))
    }
}

impl EventBody<'_> {
    fn write(&self, object: &mut Object<'_>) {
        match self {
            Self::Registered { phrase } => object.optional_text(Key::Phrase, phrase.as_deref()),
            Self::RegistrationFailed { code, reason }
            | Self::Error { code, reason }
            | Self::Hangup { code, reason } => write_failure(object, *code, reason.as_ref()),
            Self::IceTrickle { candidate } => write_candidate(object, *candidate),
            Self::IceHangup { reason } => object.optional_text(Key::Reason, reason.as_deref()),
            Self::Proceeding { code }
            | Self::Hangingup { code }
            | Self::TransferAccepted { code }
            | Self::TransferFailed { code } => object.optional_integer(Key::Code, *code),
            Self::Declining { code, refer_id } => {
                object.optional_integer(Key::Code, *code);
                write_refer_id(object, refer_id.as_ref());
            }
            Self::Progress { callee, is_focus, jsep } | Self::Accepted { jsep, is_focus, callee } => {
                object.optional_text(Key::Callee, callee.as_deref());
                object.optional_flag(Key::IsFocus, *is_focus);
                write_jsep(object, *jsep);
            }
            Self::IncomingCall(parties) | Self::UpdatingCall(parties) => parties.write(object),
            Self::MissedCall { callee, caller, caller_display_name } => {
                object.text(Key::Callee, callee);
                object.text(Key::Caller, caller);
                object.optional_text(Key::CallerDisplayName, caller_display_name.as_deref());
            }
            _ => self.write_rarer(object),
        }
    }

    /// The rest, apart only to keep functions short.
    fn write_rarer(&self, object: &mut Object<'_>) {
        match self {
            Self::IceMedia { media, receiving, mid } => {
                object.optional_text(Key::Mid, mid.as_deref());
                object.text(Key::Type, media);
                object.flag(Key::Receiving, *receiving);
            }
            Self::IceSlowlink { media, kind, uplink, lost, mid } => {
                object.optional_text(Key::Mid, mid.as_deref());
                object.optional_text(Key::Media, media.as_deref());
                object.optional_text(Key::Type, kind.as_deref());
                object.flag(Key::Uplink, *uplink);
                object.integer(Key::Lost, *lost);
            }
            Self::Transfer { refer_id, refer_to, referred_by, replace_call_id } => {
                write_refer_id(object, Some(refer_id));
                object.text(Key::ReferTo, refer_to);
                object.optional_text(Key::ReferredBy, referred_by.as_deref());
                object.optional_text(Key::ReplaceCallId, replace_call_id.as_deref());
            }
            Self::Notify { package, subscription_state, content_type, content } => {
                object.optional_text(Key::Notify, package.as_deref());
                object.optional_text(Key::SubscriptionState, subscription_state.as_deref());
                object.optional_text(Key::ContentType, content_type.as_deref());
                object.text(Key::Content, content);
            }
            Self::PeerMessage { kind, data, sender } => {
                object.text(Key::Type, kind);
                object.raw(Key::Data, data.get());
                object.optional_text(Key::Sender, sender.as_deref());
            }
            Self::NumberPresenceUpdate { number, presence_info } => {
                object.text(Key::Number, number);
                object.raw(Key::PresenceInfo, presence_info.get());
            }
            Self::NumberDialogsUpdate { number, dialog_infos } => {
                object.text(Key::Number, number);
                object.raw(Key::DialogInfos, dialog_infos.get());
            }
            // All others have no properties.
            _ => {}
        }
    }
}

impl CallParties<'_> {
    fn write(&self, object: &mut Object<'_>) {
        object.text(Key::Callee, &self.callee);
        object.text(Key::Caller, &self.caller);
        object.optional_text(Key::CallerDisplayName, self.caller_display_name.as_deref());
        object.optional_text(Key::ReferredBy, self.referred_by.as_deref());
        object.optional_text(Key::ReplaceCallId, self.replace_call_id.as_deref());
        object.optional_flag(Key::IsFocus, self.is_focus);
        write_jsep(object, self.jsep);
    }
}

impl State<'_> {
    /// Writes the state into `out`, in place of what that held. It has no `data` in either dialect.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), NotInDialect> {
        let what = match (dialect, &self.guest_line) {
            (Dialect::Flat, _) => None,
            (Dialect::Nested, GuestLine::Line(_)) => Some("guest_line"),
            (Dialect::Nested, _) if self.presence_infos.is_some() => Some("presence_infos"),
            (Dialect::Nested, _) if self.dialog_infos.is_some() => Some("dialog_infos"),
            (Dialect::Nested, _) => None,
        };
        if let Some(what) = what {
            return Err(NotInDialect { dialect, what });
        }
        out.clear();
        let mut object = Object::begin(out);
        object.text(Key::Handshake, "state");
        object.optional_integer(Key::KeepaliveInterval, self.keepalive_interval_ms);
        object.optional_integer(Key::Timestamp, self.timestamp);
        object.value(Key::Registration, |out| self.registration.write(out));
        object.value(Key::Lines, |out| {
            push_list(out, &self.lines, |out, line| match line {
                Some(line) => line.write(out),
                None => out.extend_from_slice(b"null"),
            });
        });
        match (&self.guest_line, dialect) {
            (GuestLine::Line(line), _) => object.value(Key::GuestLine, |out| line.write(out)),
            (GuestLine::Idle, Dialect::Flat) => object.null(Key::GuestLine),
            (GuestLine::Idle, Dialect::Nested) | (GuestLine::Absent, _) => {}
        }
        object.optional_raw(Key::PresenceInfos, self.presence_infos);
        object.optional_raw(Key::DialogInfos, self.dialog_infos);
        object.end();
        Ok(())
    }
}

impl Registration<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        if self.status != RegistrationStatus::Unknown {
            object.text(Key::Status, self.status.name());
        }
        write_failure(&mut object, self.code, self.reason.as_ref());
        object.end();
    }
}

impl LineState<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        match &self.call_id {
            Some(call_id) => object.text(Key::CallId, call_id),
            None => object.null(Key::CallId),
        }
        object.value(Key::CallLogs, |out| {
            push_list(out, &self.call_logs, |out, entry| {
                out.push(b'[');
                push_integer(out, entry.timestamp);
                out.push(b',');
                out.extend_from_slice(entry.message.get().as_bytes());
                out.push(b']');
            });
        });
        object.end();
    }
}

fn push_list<T>(out: &mut Vec<u8>, items: &[T], mut push: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

fn write_failure(object: &mut Object<'_>, code: Option<i32>, reason: Option<&Text<'_>>) {
    object.optional_integer(Key::Code, code);
    object.optional_text(Key::Reason, reason.map(Cow::as_ref));
}

#[inline(always)]
fn write_jsep(object: &mut Object<'_>, jsep: Option<Jsep<'_>>) {
    if let Some(jsep) = jsep {
        static OFFER: Literal = Literal::new(["{\"type\":\"", JsepKind::Offer.wire_name(), "\",\"sdp\":"]);
        static ANSWER: Literal = Literal::new(["{\"type\":\"", JsepKind::Answer.wire_name(), "\",\"sdp\":"]);
        let kind = match jsep.kind {
            JsepKind::Offer => &OFFER,
            JsepKind::Answer => &ANSWER,
        };
        object.literal(Key::Jsep, kind);
        object.close_after(jsep.sdp.get());
    }
}

fn write_candidate(object: &mut Object<'_>, candidate: Candidate<'_>) {
    match candidate {
        Candidate::EndNull => object.null(Key::Candidate),
        Candidate::EndCompleted => object.raw(Key::Candidate, r#"{"completed":true}"#),
        Candidate::One(raw) | Candidate::Invalid(raw) => object.raw(Key::Candidate, raw.get()),
    }
}

#[inline(always)]
fn write_refer_id(object: &mut Object<'_>, refer_id: Option<&ReferId<'_>>) {
    match refer_id {
        Some(ReferId::Number(number)) => object.integer(Key::ReferId, *number),
        Some(ReferId::Text(text)) => object.value(Key::ReferId, |out| push_text(out, text)),
        None => {}
    }
}
