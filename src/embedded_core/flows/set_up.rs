//! Setting a call up: routing, ringing, answering (protocol, sections 5.2, 5.4, 5.7 and 5.8).

use std::rc::Rc;

use rand::RngExt;
use serde_json::value::RawValue;

use super::super::CallIds;
use super::super::accounts::Slot;
use super::super::calls::{Call, CallState, Leg, LegRef, Log, Sdp, Side, is_plausible};
use super::super::core::Core;
use super::super::post::{Envelope, Order};
use super::error;
use super::release::Release;
use crate::law::Time;
use crate::protocol::{
    CallId, CallParties, EventBody, EventErrorCode, EventName, HangupCode, Jsep, JsepKind, Line, Text,
    Violation,
};

/// The answer of a gateway that plays its own ringback.
const EARLY_MEDIA: &str = r#""v=0\r\no=- 1 1 IN IP4 192.0.2.200\r\ns=early media\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 20480 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.200\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=setup:active\r\na=rtpmap:111 opus/48000/2\r\n""#;

impl Core {
    /// `outgoing_call`: acknowledged, `calling`, and then wherever its number leads.
    pub(super) fn outgoing_call(&mut self, order: &Order<'_>, number: &str, jsep: Option<&Jsep<'_>>) {
        self.truth.attempts.started += 1;
        let (Line::Main(line), Some(call_id)) = (order.request.line, order.request.call_id.as_deref()) else {
            return;
        };
        match jsep {
            Some(jsep) if jsep.kind == JsepKind::Answer => {
                self.truth.attempts.failed += 1;
                let reason = "an offer belongs here";
                return self.refuse(order, 469, reason, Violation::UnexpectedAnswer);
            }
            Some(jsep) if !is_plausible(jsep) => {
                self.truth.attempts.failed += 1;
                return self.refuse_sdp(order);
            }
            _ => {}
        }
        let mut log = vec![Some(order.text.clone()), self.respond(order, Ok(()))];
        let envelope = self.envelope(order);
        let Some(jsep) = jsep else {
            self.truth.attempts.failed += 1;
            self.truth.violated(Violation::MissingSdp);
            self.post(envelope, error(EventErrorCode::MissingSdp));
            return;
        };
        let calling = self.event_due(EventName::Calling, order.due, order.due);
        log.push(self.post(Envelope { due: calling, ..envelope }, EventBody::Calling));
        let call_id: Rc<str> = Rc::from(call_id);
        match self.route(order, number, line, &call_id) {
            Ok((callee, callee_line)) => {
                let stamp = self.stamp(calling);
                let mut caller = self.leg(order.account, line, Rc::clone(&call_id), calling);
                caller.transaction = Some(Rc::from(&*order.request.transaction));
                caller.sdp = Sdp::of(jsep, order.text);
                log.into_iter().flatten().for_each(|text| caller.log.add(stamp, text));
                let call_id = self.callee_call_id(call_id);
                // Nothing has been said on this leg.
                let callee = self.leg(callee, callee_line, call_id, self.cause.at);
                self.ring(caller, callee, jsep, order.due);
            }
            Err(code) => {
                self.truth.attempts.ended(code);
                let release = Release { account: order.account, line, call_id, not_before: calling };
                self.take_down(&release, code, envelope.transaction, order.due);
            }
        }
    }

    /// Where a number leads: an account and a line of it, or why nowhere.
    fn route(
        &mut self,
        order: &Order<'_>,
        number: &str,
        line: u16,
        call_id: &str,
    ) -> Result<(u32, u16), HangupCode> {
        if let Some((share, code)) = self.options.refusals
            && self.refusals.random::<f64>() < share
        {
            self.truth.refusals += 1;
            return Err(code);
        }
        if !self.accounts.get(order.account).is_registered {
            return Err(HangupCode::Forbidden);
        }
        if number.is_empty() {
            return Err(HangupCode::AddressIncomplete);
        }
        let callee = self.accounts.by_number(number).ok_or(HangupCode::NotFound)?;
        if !self.is_reachable(callee) {
            return Err(HangupCode::TemporarilyUnavailable);
        }
        let busy = (callee == order.account).then_some(line);
        if let Some(line) = self.accounts.get(callee).free_line(self.now, busy) {
            return Ok((callee, line));
        }
        let (to, from) = self.numbers(callee, order.account);
        let body = EventBody::MissedCall {
            callee: Text::Borrowed(&to),
            caller: Text::Borrowed(&from),
            caller_display_name: None,
        };
        // No line is involved, but the message has one (decision 12.34).
        let line = Line::Main(0);
        let call_id = Some(call_id);
        let due = self.event_due(EventName::MissedCall, self.cause.at, order.due);
        self.post(Envelope { account: callee, line, call_id, transaction: None, due }, body);
        Err(HangupCode::BusyHere)
    }

    /// Whether calls can be put through to an account: attached, told its state, registered.
    fn is_reachable(&self, account: u32) -> bool {
        let account = self.accounts.get(account);
        let connection = account.connection.and_then(|id| self.connections.get(id));
        account.is_registered && connection.is_some_and(|connection| connection.session.is_state_sent())
    }

    /// Puts the two legs on their lines and lets the callee ring.
    fn ring(&mut self, caller: Leg, callee: Leg, jsep: &Jsep<'_>, due: Time) {
        let (calling, called) =
            ((caller.account, caller.line, Rc::clone(&caller.call_id)), (callee.account, callee.line));
        let rung = Rc::clone(&callee.call_id);
        let call = self.calls.insert_with(|_| Call {
            caller,
            callee,
            state: CallState::Ringing,
            alert_micros: None,
        });
        let (mo, mt) = (LegRef { call, side: Side::Caller }, LegRef { call, side: Side::Callee });
        self.accounts.set_line(calling.0, calling.1, Slot::Call { call_id: calling.2, leg: mo });
        self.accounts.set_line(called.0, called.1, Slot::Call { call_id: rung, leg: mt });
        let (to, from) = self.numbers(called.0, calling.0);
        self.event(mt, due, None, EventBody::IncomingCall(parties(&to, &from, *jsep)));
        let transaction = self.call_transaction(mo);
        let transaction = transaction.as_deref();
        if !self.options.early_media {
            self.event(mo, due, transaction, EventBody::Ringing);
            return self.event(mo, due, transaction, EventBody::Proceeding { code: Some(180) });
        }
        if let (Some(call), Ok(sdp)) =
            (self.calls.get_mut(call), RawValue::from_string(EARLY_MEDIA.to_owned()))
        {
            call.state = CallState::Early;
            let jsep = Some(Jsep { kind: JsepKind::Answer, sdp: &sdp });
            let callee = Some(Text::Borrowed(&*to));
            self.event(mo, due, transaction, EventBody::Progress { callee, is_focus: None, jsep });
            self.event(mo, due, transaction, EventBody::Proceeding { code: Some(183) });
        }
    }

    /// `accept`: the callee takes the call, and the caller gets its answer.
    pub(super) fn accept(&mut self, order: &Order<'_>, leg: LegRef, jsep: Option<&Jsep<'_>>) {
        let Some(jsep) = jsep else { return self.missing_sdp(order, leg) };
        let Some(call) = self.calls.get(leg.call) else { return };
        if leg.side == Side::Caller || call.is_answered() {
            return self.acknowledge_in_vain(order, leg, EventErrorCode::WrongState, Violation::WrongState);
        }
        // Every incoming call here has an offer, so an offer in return is not understood.
        if jsep.kind == JsepKind::Offer || !is_plausible(jsep) {
            return self.refuse_sdp(order);
        }
        self.acknowledge(order, leg);
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let had_answer = call.state == CallState::Early;
        call.state = CallState::InCall;
        call.callee.sdp = Sdp::of(jsep, order.text);
        self.truth.attempts.answered += 1;
        let established = |jsep, callee| EventBody::Accepted { jsep, is_focus: None, callee };
        self.event(leg, order.due, Some(&order.request.transaction), established(None, None));
        let caller = LegRef { call: leg.call, side: Side::Caller };
        let transaction = self.call_transaction(caller);
        let number = Rc::clone(&self.accounts.get(order.account).number);
        let answer = (!had_answer).then_some(*jsep);
        let body = established(answer, Some(Text::Borrowed(&*number)));
        self.event(caller, order.due, transaction.as_deref(), body);
        if self.options.media_events {
            self.media_is_up(leg, order.due);
            self.media_is_up(caller, order.due);
        }
    }

    fn media_is_up(&mut self, leg: LegRef, due: Time) {
        let Some(on) = self.calls.get(leg.call).map(|call| call.leg(leg.side)) else { return };
        let (account, line, not_before) = (on.account, Line::Main(on.line), on.not_before);
        let due = self.event_due(EventName::IceWebrtcup, not_before, due);
        let envelope = Envelope { account, line, call_id: None, transaction: None, due };
        self.post(envelope, EventBody::IceWebrtcup);
        let envelope = Envelope { due: self.event_due(EventName::IceMedia, due, due), ..envelope };
        let (media, mid) = (Text::Borrowed("audio"), Some(Text::Borrowed("0")));
        self.post(envelope, EventBody::IceMedia { media, receiving: true, mid });
    }

    /// The transaction of the `outgoing_call` behind a leg; a callee's has none.
    pub(super) fn call_transaction(&self, leg: LegRef) -> Option<Rc<str>> {
        self.calls.get(leg.call)?.leg(leg.side).transaction.clone()
    }

    /// The numbers of two accounts.
    pub(super) fn numbers(&self, callee: u32, caller: u32) -> (Rc<str>, Rc<str>) {
        (Rc::clone(&self.accounts.get(callee).number), Rc::clone(&self.accounts.get(caller).number))
    }

    fn leg(&self, account: u32, line: u16, call_id: Rc<str>, due: Time) -> Leg {
        Leg {
            account,
            line,
            call_id,
            transaction: None,
            not_before: due,
            sdp: None,
            hold: None,
            told: None,
            log: Log::default(),
        }
    }

    fn callee_call_id(&mut self, call_id: Rc<str>) -> Rc<str> {
        match self.options.call_ids {
            CallIds::Equal => call_id,
            CallIds::Rewritten => Rc::from(CallId::random(&mut self.draws).as_str()),
        }
    }
}

/// The parties and the offer of `incoming_call` and `updating_call`.
pub(super) fn parties<'a>(callee: &'a str, caller: &'a str, jsep: Jsep<'a>) -> CallParties<'a> {
    CallParties {
        callee: Text::Borrowed(callee),
        caller: Text::Borrowed(caller),
        caller_display_name: None,
        jsep: Some(jsep),
        referred_by: None,
        replace_call_id: None,
        is_focus: None,
    }
}
