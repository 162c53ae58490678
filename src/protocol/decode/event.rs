//! Reading events (protocol, section 3.7).

use serde_json::value::RawValue;

use super::super::keys::Key;
use super::super::{
    CallParties, Decoded, Dialect, Event, EventBody, EventName, FromCore, Group, Line, Malformed,
    MessageKind, Repair, Text,
};
use super::{View, unknown};

#[inline(never)]
pub(super) fn decode<'a>(
    view: &mut View<'a>,
    wire_name: Text<'a>,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let Some(name) = EventName::from_wire(&wire_name) else {
        return unknown(view, MessageKind::Event, wire_name);
    };
    view.note_foreign_form(&wire_name, name.wire_name(Dialect::Nested), name.name());
    let transaction = view.transaction();
    let (line, call_id) = match (name.group(), name) {
        // The nested dialect writes a line here, to be ignored (section 3.2, rule 3).
        (Group::Session, _) => (Line::Absent, None),
        (Group::Line, _) => (view.line()?, None),
        (Group::Call, EventName::Error) => (view.line()?, view.optional_call_id()?),
        (Group::Call, _) => (view.line()?, view.call_id()?),
    };
    let head = Head { transaction, line, call_id };
    match name {
        EventName::Registering => head.with(view, EventBody::Registering),
        EventName::Unregistering => head.with(view, EventBody::Unregistering),
        EventName::Unregistered => head.with(view, EventBody::Unregistered),
        EventName::IceWebrtcup => head.with(view, EventBody::IceWebrtcup),
        EventName::Calling => head.with(view, EventBody::Calling),
        EventName::Ringing => head.with(view, EventBody::Ringing),
        EventName::Accepting => head.with(view, EventBody::Accepting),
        EventName::Holding => head.with(view, EventBody::Holding),
        EventName::Resuming => head.with(view, EventBody::Resuming),
        EventName::Updating => head.with(view, EventBody::Updating),
        EventName::Updated => head.with(view, EventBody::Updated),
        EventName::Transferring => head.with(view, EventBody::Transferring),
        EventName::Progress
        | EventName::Accepted
        | EventName::IncomingCall
        | EventName::UpdatingCall
        | EventName::MissedCall => with_parties(view, head, name),
        EventName::IceMedia
        | EventName::IceSlowlink
        | EventName::IceHangup
        | EventName::IceTrickle
        | EventName::Transfer => of_line(view, head, name),
        EventName::Notify
        | EventName::PeerMessage
        | EventName::NumberPresenceUpdate
        | EventName::NumberDialogsUpdate => relayed(view, head, name),
        _ => with_code(view, head, name),
    }
}

/// What all events have.
struct Head<'a> {
    transaction: Option<Text<'a>>,
    line: Line,
    call_id: Option<Text<'a>>,
}

impl<'a> Head<'a> {
    #[inline(always)]
    fn with(self, view: &View<'a>, body: EventBody<'a>) -> Result<Decoded<FromCore<'a>>, Malformed> {
        let Head { transaction, line, call_id } = self;
        view.decoded(FromCore::Event(Event { transaction, line, call_id, body }))
    }
}

/// The events that tell how something ended or goes on.
#[inline(never)]
fn with_code<'a>(
    view: &mut View<'a>,
    head: Head<'a>,
    name: EventName,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let body = match name {
        EventName::Registered => EventBody::Registered { phrase: view.text(Key::Phrase)? },
        EventName::RegistrationFailed => {
            EventBody::RegistrationFailed { code: view.expected_code()?, reason: view.text(Key::Reason)? }
        }
        EventName::Proceeding => EventBody::Proceeding { code: view.expected_code()? },
        EventName::Declining => {
            EventBody::Declining { code: view.expected_code()?, refer_id: view.refer_id()? }
        }
        EventName::Hangingup => EventBody::Hangingup { code: view.code()? },
        EventName::Hangup => {
            EventBody::Hangup { code: view.expected_code()?, reason: view.text(Key::Reason)? }
        }
        EventName::TransferAccepted => EventBody::TransferAccepted { code: view.code()? },
        EventName::TransferFailed => EventBody::TransferFailed { code: view.code()? },
        _ => EventBody::Error { code: view.expected_code()?, reason: view.text(Key::Reason)? },
    };
    head.with(view, body)
}

/// The events of a line that have more to say than that.
#[inline(never)]
fn of_line<'a>(
    view: &mut View<'a>,
    head: Head<'a>,
    name: EventName,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let body = match name {
        EventName::IceMedia => EventBody::IceMedia {
            media: match view.text(Key::Type)? {
                Some(media) => media,
                None => view.required_text(Key::Media)?,
            },
            receiving: view.required_flag(Key::Receiving)?,
            mid: view.text(Key::Mid)?,
        },
        EventName::IceSlowlink => EventBody::IceSlowlink {
            media: view.text(Key::Media)?,
            kind: view.text(Key::Type)?,
            uplink: view.required_flag(Key::Uplink)?,
            lost: view.integer(Key::Lost)?.ok_or(Malformed::MissingProperty(Key::Lost.name()))?,
            mid: view.text(Key::Mid)?,
        },
        EventName::IceHangup => EventBody::IceHangup { reason: view.text(Key::Reason)? },
        EventName::IceTrickle => EventBody::IceTrickle { candidate: view.candidate()? },
        _ => EventBody::Transfer {
            refer_id: view.refer_id()?.ok_or(Malformed::MissingProperty(Key::ReferId.name()))?,
            refer_to: view.required_text(Key::ReferTo)?,
            referred_by: view.text(Key::ReferredBy)?,
            replace_call_id: view.text(Key::ReplaceCallId)?,
        },
    };
    head.with(view, body)
}

/// The events that name who calls or answers.
#[inline(never)]
fn with_parties<'a>(
    view: &mut View<'a>,
    head: Head<'a>,
    name: EventName,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let body = match name {
        EventName::Progress => EventBody::Progress {
            callee: view.text(Key::Callee)?,
            is_focus: view.flag(Key::IsFocus)?,
            jsep: view.jsep()?,
        },
        EventName::Accepted => EventBody::Accepted {
            jsep: view.jsep()?,
            is_focus: view.flag(Key::IsFocus)?,
            callee: view.text(Key::Callee)?,
        },
        EventName::IncomingCall => EventBody::IncomingCall(parties(view)?),
        EventName::UpdatingCall => EventBody::UpdatingCall(parties(view)?),
        _ => EventBody::MissedCall {
            callee: view.required_text(Key::Callee)?,
            caller: view.required_text(Key::Caller)?,
            caller_display_name: view.text(Key::CallerDisplayName)?,
        },
    };
    head.with(view, body)
}

/// The events whose payload is passed on unread.
#[inline(never)]
fn relayed<'a>(
    view: &mut View<'a>,
    head: Head<'a>,
    name: EventName,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let body = match name {
        EventName::Notify => EventBody::Notify {
            package: view.text(Key::Notify)?,
            subscription_state: view.text(Key::SubscriptionState)?,
            content_type: view.text(Key::ContentType)?,
            content: view.required_text(Key::Content)?,
        },
        EventName::NumberPresenceUpdate => EventBody::NumberPresenceUpdate {
            number: view.required_text(Key::Number)?,
            presence_info: view.required_raw(Key::PresenceInfo, '[')?,
        },
        EventName::NumberDialogsUpdate => EventBody::NumberDialogsUpdate {
            number: view.required_text(Key::Number)?,
            dialog_infos: view.required_raw(Key::DialogInfos, '[')?,
        },
        _ => EventBody::PeerMessage {
            kind: view.required_text(Key::Type)?,
            data: view.required_raw(Key::Data, '{')?,
            sender: view.text(Key::Sender)?,
        },
    };
    head.with(view, body)
}

fn parties<'a>(view: &mut View<'a>) -> Result<CallParties<'a>, Malformed> {
    Ok(CallParties {
        callee: view.required_text(Key::Callee)?,
        caller: view.required_text(Key::Caller)?,
        caller_display_name: view.text(Key::CallerDisplayName)?,
        jsep: view.jsep()?,
        referred_by: view.text(Key::ReferredBy)?,
        replace_call_id: view.text(Key::ReplaceCallId)?,
        is_focus: view.flag(Key::IsFocus)?,
    })
}

impl<'a> View<'a> {
    /// A value that is kept as it stands, if it begins as it should.
    pub(super) fn raw(&mut self, key: Key, opening: char) -> Result<Option<&'a RawValue>, Malformed> {
        match self.wire.raw(key) {
            None => Ok(None),
            Some(raw) if raw.get().starts_with(opening) => Ok(Some(raw)),
            Some(raw) if raw.get() == "null" => self.null(),
            Some(_) => self.wrong_type(key, Repair::WrongType),
        }
    }

    pub(super) fn required_raw(&mut self, key: Key, opening: char) -> Result<&'a RawValue, Malformed> {
        self.raw(key, opening)?.ok_or(Malformed::MissingProperty(key.name()))
    }
}
