//! Reading requests (protocol, section 3.5).

use super::super::keys::Key;
use super::super::{
    Dialect, FromClient, Group, Keepalive, Malformed, MessageKind, Repair, Request, RequestBody, RequestName,
    Text, Unknown,
};
use super::View;

pub(super) fn decode<'a>(
    view: &mut View<'a>,
    wire_name: Text<'a>,
    raw: &'a str,
) -> Result<FromClient<'a>, Malformed> {
    let Some(name) = RequestName::from_wire(&wire_name) else {
        return Ok(FromClient::Unknown(Unknown { kind: MessageKind::Request, name: wire_name }));
    };
    view.note_foreign_form(&wire_name, name.wire_name(Dialect::Nested), name.name());
    let transaction = transaction(view)?;
    let line = view.line()?;
    if name == RequestName::Keepalive {
        let transaction = Some(transaction);
        return Ok(FromClient::Keepalive(Keepalive { form: Dialect::Nested, transaction, line, raw }));
    }
    if name.group() != Group::Session && !view.wire.has(Key::Line) {
        return Err(Malformed::MissingProperty(Key::Line.name()));
    }
    let call_id = match name.group() {
        Group::Call => Some(view.optional_call_id()?.ok_or(Malformed::MissingProperty(Key::CallId.name()))?),
        // One snippet of the documents adds it to `ice_trickle`: ignored (decision 12.33).
        Group::Line | Group::Session => None,
    };
    let body = body(view, name)?;
    Ok(FromClient::Request(Request { transaction, line, call_id, body }))
}

fn transaction<'a>(view: &mut View<'a>) -> Result<Text<'a>, Malformed> {
    let is_there = view.wire.has(Key::Transaction);
    let key = Key::Transaction.name();
    view.transaction().ok_or(if is_there {
        Malformed::WrongType(key)
    } else {
        Malformed::MissingProperty(key)
    })
}

fn body<'a>(view: &mut View<'a>, name: RequestName) -> Result<RequestBody<'a>, Malformed> {
    Ok(match name {
        RequestName::OutgoingCall => RequestBody::OutgoingCall {
            number: view.required_text(Key::Number)?,
            jsep: view.jsep()?,
            from: view.text(Key::From)?,
            refer_id: view.refer_id()?,
            replaces: view.text(Key::Replaces)?,
        },
        RequestName::Accept => RequestBody::Accept { jsep: view.jsep()? },
        RequestName::Decline => RequestBody::Decline { refer_id: view.refer_id()? },
        // A keepalive has become a message of its own before it comes here.
        RequestName::Hangup | RequestName::Keepalive => RequestBody::Hangup,
        RequestName::Hold => RequestBody::Hold { direction: view.text(Key::Direction)? },
        RequestName::Unhold => RequestBody::Unhold,
        RequestName::Update => RequestBody::Update { jsep: view.jsep()? },
        RequestName::Transfer => RequestBody::Transfer {
            number: view.required_text(Key::Number)?,
            replace_call_id: view.text(Key::ReplaceCallId)?,
        },
        RequestName::IceTrickle => RequestBody::IceTrickle { candidate: view.candidate()? },
        RequestName::PresenceUpdate => {
            RequestBody::PresenceUpdate { settings: view.raw(Key::Settings, '{')? }
        }
        RequestName::PeerMessage => RequestBody::PeerMessage {
            kind: view.required_text(Key::Type)?,
            data: view.required_raw(Key::Data, '{')?,
        },
    })
}

impl View<'_> {
    /// Notes properties that stand where the message's name says they do not (section 10, row 42): `call` is a
    /// nested name, `outgoing_call` and `incoming_call` are flat ones. All other names say nothing.
    pub(super) fn note_foreign_form(&mut self, wire_name: &str, nested: &str, flat: &str) {
        if nested == flat {
            return;
        }
        let is_foreign =
            if wire_name == nested { self.wire.has_flat_properties() } else { self.wire.has_data() };
        if is_foreign {
            self.repairs.add(Repair::DialectMix);
        }
    }
}
