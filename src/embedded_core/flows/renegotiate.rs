//! Holding, resuming and renegotiating an answered call (protocol, sections 5.10 and 5.11).

use std::rc::Rc;
use std::time::Duration;

use super::super::calls::{CallState, Hold, LegRef, Reinvite, is_plausible};
use super::super::core::Core;
use super::super::post::Order;
use super::error;
use super::set_up::parties;
use crate::law::Time;
use crate::protocol::{EventBody, EventErrorCode, Jsep, JsepKind, Text, Violation};

/// How long SIP waits for the answer to a re-INVITE: 64 times T1.
const REINVITE_TIMEOUT: Duration = Duration::from_secs(32);

impl Core {
    /// `hold`: the holder hears no more of it than `holding`.
    pub(super) fn hold(&mut self, order: &Order<'_>, leg: LegRef, direction: Option<&str>) {
        self.redirect(order, leg, Some(Hold::from_wire(direction)), EventBody::Holding);
    }

    /// `unhold`.
    pub(super) fn unhold(&mut self, order: &Order<'_>, leg: LegRef) {
        self.redirect(order, leg, None, EventBody::Resuming);
    }

    fn redirect(&mut self, order: &Order<'_>, leg: LegRef, hold: Option<Hold>, event: EventBody<'_>) {
        if !self.calls.get(leg.call).is_some_and(|call| call.is_answered()) {
            return self.acknowledge_and_drop(order, leg);
        }
        self.acknowledge(order, leg);
        self.event(leg, order.due, Some(&order.request.transaction), event);
        if let Some(call) = self.calls.get_mut(leg.call) {
            call.leg_mut(leg.side).hold = hold;
        }
        self.tell_hold(leg, order.due);
    }

    /// Tells the other party, unless it knows already, how `leg` holds the call. While a re-INVITE is under way it has
    /// to wait: whoever ends that one calls here again.
    fn tell_hold(&mut self, leg: LegRef, due: Time) {
        let is_answered_here = self.options.auto_accept_reinvite;
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let on = call.leg(leg.side);
        if on.hold == on.told || is_pending(call.state, due) {
            return;
        }
        let (hold, sdp) = (on.hold, on.sdp.as_ref().and_then(|sdp| sdp.directed(on.hold)));
        call.leg_mut(leg.side).told = hold;
        let Some(sdp) = sdp.filter(|_| !is_answered_here) else { return };
        self.reinvite(leg, Jsep { kind: JsepKind::Offer, sdp: &sdp }, false, due);
    }

    /// Sends an offer of `leg` to the other party.
    fn reinvite(&mut self, leg: LegRef, jsep: Jsep<'_>, is_update: bool, due: Time) {
        let answerer = leg.side.other();
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        call.state = CallState::Reinviting(Reinvite { answerer, is_update, since: due });
        let (callee, caller) = (Rc::clone(&call.callee.number), Rc::clone(&call.caller.number));
        let body = EventBody::UpdatingCall(parties(&callee, &caller, Some(jsep)));
        self.event(LegRef { call: leg.call, side: answerer }, due, None, body);
    }

    /// `update` with an offer.
    pub(super) fn update(&mut self, order: &Order<'_>, leg: LegRef, jsep: &Jsep<'_>) {
        if !is_plausible(jsep) {
            return self.refuse_sdp(order);
        }
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        if is_pending(call.state, order.due) {
            // Two at once is glare, which nobody is to blame for: the later one loses, rolls its own back and answers
            // the other's.
            self.acknowledge(order, leg);
            let transaction = Some(&*order.request.transaction);
            return self.event(leg, order.due, transaction, error(EventErrorCode::WrongState));
        }
        if !call.is_answered() {
            return self.acknowledge_in_vain(order, leg, EventErrorCode::WrongState, Violation::WrongState);
        }
        call.leg_mut(leg.side).sdp = order.sdp(jsep);
        self.acknowledge(order, leg);
        self.event(leg, order.due, Some(&order.request.transaction), EventBody::Updating);
        self.reinvite(leg, *jsep, true, order.due);
    }

    /// `update` with the answer to an `updating_call`.
    pub(super) fn update_answer(&mut self, order: &Order<'_>, leg: LegRef, jsep: &Jsep<'_>) {
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let asked = match call.state {
            CallState::Reinviting(reinvite) if reinvite.answerer == leg.side => reinvite,
            _ => {
                let reason = "unexpected answer (no offer)";
                return self.refuse(order, 469, reason, Violation::UnexpectedAnswer);
            }
        };
        if !is_plausible(jsep) {
            return self.refuse_sdp(order);
        }
        call.state = CallState::InCall;
        call.leg_mut(leg.side).sdp = order.sdp(jsep);
        let number = Rc::clone(&call.leg(leg.side).number);
        self.acknowledge(order, leg);
        self.event(leg, order.due, Some(&order.request.transaction), EventBody::Updated);
        let asker = LegRef { call: leg.call, side: leg.side.other() };
        if asked.is_update {
            let transaction = self.call_transaction(asker);
            let callee = Some(Text::Borrowed(&*number));
            let body = EventBody::Accepted { jsep: Some(*jsep), is_focus: None, callee };
            self.event(asker, order.due, transaction.as_deref(), body);
        }
        self.tell_hold(asker, order.due);
        self.tell_hold(leg, order.due);
    }
}

fn is_pending(state: CallState, now: Time) -> bool {
    matches!(state, CallState::Reinviting(reinvite) if reinvite.since + REINVITE_TIMEOUT > now)
}
