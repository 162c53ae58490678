//! The call flows (protocol, section 5), one file for each part of a call's life.

mod presence;
mod release;
mod renegotiate;
mod set_up;
mod star_code;
mod transfer;

use super::AcceptRace;
use super::calls::LegRef;
use super::core::Core;
use super::post::Order;
use super::slab::Id;
use crate::law::Time;
use crate::protocol::{
    EventBody, EventErrorCode, HangupCode, JsepKind, Request, RequestBody, RequestName, RequestRefusal, Text,
    Violation,
};

impl Core {
    /// Executes a request that came `at` this time; a late one is about a call that has just ended.
    pub(super) fn execute(
        &mut self,
        from: Id,
        account: u32,
        request: &Request<'_>,
        text: &str,
        at: Time,
        is_late: bool,
    ) {
        self.truth.requests[request.body.name().index()] += 1;
        let due = at + self.ack_delay();
        let mut order = Order::new(from, account, request, text, due);
        if is_late {
            return self.late(&order);
        }
        let leg = match request.body.name() {
            // An acknowledged candidate causes nothing, so it need not wait for what does.
            RequestName::OutgoingCall | RequestName::IceTrickle | RequestName::PresenceUpdate => None,
            _ => self.accounts.get(account).leg_on(request.line),
        };
        let Some(leg) = leg else { return self.execute_alone(&order) };
        if let Some(call) = self.calls.get_mut(leg.call) {
            let on = call.leg_mut(leg.side);
            order.due = order.due.max(on.not_before);
            on.not_before = order.due;
            self.log(leg, at, order.kept());
        }
        self.execute_on(&order, leg);
    }

    /// A request that is not about a call that is up.
    fn execute_alone(&mut self, order: &Order<'_>) {
        match &order.request.body {
            RequestBody::OutgoingCall { .. } => self.outgoing_call(order),
            RequestBody::PresenceUpdate { settings } => self.presence_update(order, *settings),
            _ => {
                self.respond(order, Ok(()));
            }
        }
    }

    fn execute_on(&mut self, order: &Order<'_>, leg: LegRef) {
        match &order.request.body {
            RequestBody::Accept { jsep } => self.accept(order, leg, jsep.as_ref()),
            RequestBody::Decline { refer_id: None } => self.decline(order, leg),
            RequestBody::Decline { refer_id: Some(refer_id) } => self.decline_transfer(order, leg, refer_id),
            RequestBody::Hangup => self.hangup(order, leg),
            RequestBody::Hold { direction } => self.hold(order, leg, direction.as_deref()),
            RequestBody::Unhold => self.unhold(order, leg),
            RequestBody::Update { jsep: Some(jsep) } if jsep.kind == JsepKind::Offer => {
                self.update(order, leg, jsep);
            }
            RequestBody::Update { jsep: Some(jsep) } => self.update_answer(order, leg, jsep),
            RequestBody::Update { jsep: None } => self.missing_sdp(order, leg),
            RequestBody::PeerMessage { kind, data } => {
                self.acknowledge(order, leg);
                self.relay(order, leg, kind, data);
            }
            RequestBody::Transfer { number, replace_call_id } => {
                self.transfer(order, leg, number, replace_call_id.as_deref());
            }
            // Not about a call that is up.
            RequestBody::OutgoingCall { .. }
            | RequestBody::IceTrickle { .. }
            | RequestBody::PresenceUpdate { .. } => {}
        }
    }

    /// A request about a call that ended a moment ago: the gateway takes it and drops it (section 5.1, rule 4). Only
    /// an `accept` is told (section 5.6).
    fn late(&mut self, order: &Order<'_>) {
        self.truth.violated(Violation::LateRequest);
        if let RequestBody::Decline { refer_id: Some(refer_id) } = &order.request.body {
            self.decline_late_transfer(order, refer_id);
        }
        let is_accept = matches!(order.request.body, RequestBody::Accept { .. });
        match self.options.accept_race {
            _ if !is_accept => {
                self.respond(order, Ok(()));
            }
            AcceptRace::Refused => {
                self.respond(order, Err(RequestRefusal { code: 410, reason: "call is gone" }));
            }
            AcceptRace::HungUp => {
                self.respond(order, Ok(()));
                let code = HangupCode::RequestTerminated;
                let body =
                    EventBody::Hangup { code: Some(code.code()), reason: Some(Text::Borrowed(code.name())) };
                self.post(self.envelope(order), body);
            }
            AcceptRace::Closed => self.violated(order.from, Violation::WrongCall),
        }
    }

    /// Acknowledges a request about a call.
    fn acknowledge(&mut self, order: &Order<'_>, leg: LegRef) {
        if let Some(response) = self.respond(order, Ok(())) {
            self.log(leg, order.due, response);
        }
    }

    /// Acknowledges a request, and says in an event that the gateway refused it (section 6.3).
    fn acknowledge_in_vain(&mut self, order: &Order<'_>, leg: LegRef, code: EventErrorCode, why: Violation) {
        self.truth.violated(why);
        self.acknowledge(order, leg);
        self.event(leg, order.due, Some(&order.request.transaction), error(code));
    }

    /// Acknowledges a request that the call's state does not allow, and drops it as the gateway does.
    fn acknowledge_and_drop(&mut self, order: &Order<'_>, leg: LegRef) {
        self.truth.violated(Violation::WrongState);
        self.acknowledge(order, leg);
    }

    fn missing_sdp(&mut self, order: &Order<'_>, leg: LegRef) {
        self.acknowledge_in_vain(order, leg, EventErrorCode::MissingSdp, Violation::MissingSdp);
    }

    fn refuse_sdp(&mut self, order: &Order<'_>) {
        self.refuse(order, 465, "Invalid SDP", Violation::BadSdp);
    }

    /// Passes a message on to the other party's app, if its dialect has words for it.
    fn relay(&mut self, order: &Order<'_>, leg: LegRef, kind: &str, data: &serde_json::value::RawValue) {
        let Some(call) = self.calls.get(leg.call) else { return };
        let sender = std::rc::Rc::clone(&call.leg(leg.side).number);
        let body = EventBody::PeerMessage {
            kind: Text::Borrowed(kind),
            data,
            sender: Some(Text::Borrowed(&sender)),
        };
        self.event(LegRef { call: leg.call, side: leg.side.other() }, order.due, None, body);
    }

    /// Back to where a request came from.
    fn envelope<'a>(&self, order: &Order<'a>) -> super::post::Envelope<'a> {
        super::post::Envelope {
            account: order.account,
            line: order.request.line,
            call_id: order.request.call_id.as_deref(),
            transaction: Some(&order.request.transaction),
            due: order.due,
        }
    }
}

fn error(code: EventErrorCode) -> EventBody<'static> {
    EventBody::Error { code: Some(code.code()), reason: Some(Text::Borrowed(code.name())) }
}
