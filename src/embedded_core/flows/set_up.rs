//! Setting a call up: routing, ringing, answering (protocol, sections 5.2, 5.4, 5.7 to 5.9 and 5.15).

use std::rc::Rc;

use rand::RngExt;
use serde_json::value::RawValue;

use super::super::CallIds;
use super::super::accounts::Slot;
use super::super::calls::{Call, CallState, Leg, LegRef, Log, Side, is_plausible};
use super::super::core::Core;
use super::super::post::{Envelope, Order};
use super::error;
use super::release::Release;
use super::star_code::StarCode;
use crate::law::Time;
use crate::protocol::{
    CallId, CallParties, EventBody, EventErrorCode, EventName, HangupCode, Jsep, JsepKind, Line, RequestBody,
    Text, Violation,
};

/// The answer of a gateway that plays its own ringback.
const EARLY_MEDIA: &str = r#""v=0\r\no=- 1 1 IN IP4 192.0.2.200\r\ns=early media\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 20480 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.200\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=setup:active\r\na=rtpmap:111 opus/48000/2\r\n""#;

/// A call that is asked for.
struct Outgoing {
    line: Line,
    call_id: Rc<str>,
    /// The number that the callee sees.
    number: Rc<str>,
    code: Option<StarCode>,
    /// The transfer that it is made for.
    referred: Option<u32>,
    /// When `calling` goes out.
    calling: Time,
}

/// Where a number leads.
struct Destination {
    account: u32,
    line: Line,
    /// The callee's call that the new one replaces.
    replaced: Option<Rc<str>>,
}

impl Core {
    /// `outgoing_call`: acknowledged, `calling`, and then wherever its number leads.
    pub(super) fn outgoing_call(&mut self, order: &Order<'_>) {
        self.truth.attempts.started += 1;
        let RequestBody::OutgoingCall { number, jsep, from, refer_id, replaces } = &order.request.body else {
            return;
        };
        let Some(call_id) = order.request.call_id.as_deref() else { return };
        if let Some((code, reason, why)) = fault(jsep.as_ref(), replaces.is_some()) {
            self.truth.attempts.failed += 1;
            return self.refuse(order, code, reason, why);
        }
        let mut log = vec![Some(order.kept()), self.respond(order, Ok(()))];
        let envelope = self.envelope(order);
        let Some(jsep) = jsep else {
            self.truth.attempts.failed += 1;
            self.truth.violated(Violation::MissingSdp);
            self.post(envelope, error(EventErrorCode::MissingSdp));
            return;
        };
        let calling = self.event_due(EventName::Calling, order.due, order.due);
        log.push(self.post(Envelope { due: calling, ..envelope }, EventBody::Calling));
        let (code, number) = StarCode::split(number);
        let referred = refer_id.as_ref().and_then(|refer_id| self.take_transfer(order, refer_id));
        let line = order.request.line;
        let from = from.as_deref().filter(|from| line == Line::Guest && !from.is_empty());
        let shown = from.map_or_else(|| Rc::clone(&self.accounts.get(order.account).number), Rc::from);
        let outgoing = Outgoing { line, call_id: Rc::from(call_id), number: shown, code, referred, calling };
        match self.route(order, &outgoing, number) {
            Ok(to) => self.put_through(order, &outgoing, &to, jsep, log),
            Err(code) => self.turn_away(order, &outgoing, code),
        }
    }

    /// A number leads to somebody who can be called.
    fn put_through(
        &mut self,
        order: &Order<'_>,
        outgoing: &Outgoing,
        to: &Destination,
        jsep: &Jsep<'_>,
        log: Vec<Option<Rc<str>>>,
    ) {
        let Outgoing { line, call_id, number, calling, .. } = outgoing;
        let mut caller = leg(order.account, *line, Rc::clone(number), Rc::clone(call_id), *calling);
        caller.transaction = Some(Rc::from(&*order.request.transaction));
        caller.sdp = order.sdp(jsep);
        let stamp = self.stamp(*calling);
        log.into_iter().flatten().for_each(|text| caller.log.add(stamp, text));
        let call_id = self.callee_call_id(Rc::clone(call_id));
        let number = Rc::clone(&self.accounts.get(to.account).number);
        // Nothing has been said on this leg.
        let callee = leg(to.account, to.line, number, call_id, self.cause.at);
        self.ring(outgoing, caller, callee, jsep, to.replaced.as_deref(), order.due);
    }

    /// A number leads nowhere.
    fn turn_away(&mut self, order: &Order<'_>, outgoing: &Outgoing, code: HangupCode) {
        self.truth.attempts.ended(code);
        let Outgoing { line, calling, .. } = *outgoing;
        let call_id = Rc::clone(&outgoing.call_id);
        let release = Release { account: order.account, line, call_id, not_before: calling };
        self.take_down(&release, code, Some(&order.request.transaction), order.due);
        if let Some(refer_id) = outgoing.referred {
            self.transfer_failed(refer_id, order.due, code);
        }
    }

    /// Where a number leads: an account and a line of it, or why nowhere.
    fn route(
        &mut self,
        order: &Order<'_>,
        outgoing: &Outgoing,
        number: &str,
    ) -> Result<Destination, HangupCode> {
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
        let replaced = self.replaced_by(outgoing, callee)?;
        let busy = (callee == order.account).then_some(outgoing.line);
        if let Some(line) = self.accounts.get(callee).free_line(self.now, busy) {
            return Ok(Destination { account: callee, line, replaced });
        }
        let to = Rc::clone(&self.accounts.get(callee).number);
        let body = EventBody::MissedCall {
            callee: Text::Borrowed(&to),
            caller: Text::Borrowed(&outgoing.number),
            caller_display_name: None,
        };
        // No line is involved, but the message has one (decision 12.34).
        let line = Line::Main(0);
        let call_id = Some(&*outgoing.call_id);
        let due = self.event_due(EventName::MissedCall, self.cause.at, order.due);
        self.post(Envelope { account: callee, line, call_id, transaction: None, due }, body);
        Err(HangupCode::BusyHere)
    }

    /// The callee's own id of the call that an attended transfer replaces. Who has no such call refuses the new one, as
    /// RFC 3891 has it.
    fn replaced_by(&self, outgoing: &Outgoing, callee: u32) -> Result<Option<Rc<str>>, HangupCode> {
        let transfer = outgoing.referred.and_then(|refer_id| self.transfers.get(&refer_id));
        let Some(of_transferor) = transfer.and_then(|transfer| transfer.consultation) else {
            return Ok(None);
        };
        let of_target = self.calls.get(of_transferor.call).map(|call| call.leg(of_transferor.side.other()));
        let of_target = of_target.filter(|leg| leg.account == callee);
        of_target.map(|leg| Some(Rc::clone(&leg.call_id))).ok_or(HangupCode::CallDoesNotExist)
    }

    /// Whether calls can be put through to an account: attached, told its state, registered.
    fn is_reachable(&self, account: u32) -> bool {
        let account = self.accounts.get(account);
        let connection = account.connection.and_then(|id| self.connections.get(id));
        account.is_registered && connection.is_some_and(|connection| connection.session.is_state_sent())
    }

    /// Puts the two legs on their lines and lets the callee ring.
    fn ring(
        &mut self,
        outgoing: &Outgoing,
        caller: Leg,
        callee: Leg,
        jsep: &Jsep<'_>,
        replaced: Option<&str>,
        due: Time,
    ) {
        let places = [&caller, &callee].map(|leg| (leg.account, leg.line, Rc::clone(&leg.call_id)));
        let to = Rc::clone(&callee.number);
        let is_offerless = outgoing.code == Some(StarCode::Offerless);
        let is_early = self.options.early_media || outgoing.code == Some(StarCode::EarlyMedia);
        let call = self.calls.insert_with(|_| Call {
            caller,
            callee,
            state: if is_early { CallState::Early } else { CallState::Ringing },
            is_offerless,
            transfer: None,
            referred: outgoing.referred,
            alert_micros: None,
        });
        let [mo, mt] = [Side::Caller, Side::Callee].map(|side| LegRef { call, side });
        for ((account, line, call_id), leg) in places.into_iter().zip([mo, mt]) {
            self.accounts.set_line(account, line, Slot::Call { call_id, leg });
        }
        let transfer = outgoing.referred.and_then(|refer_id| self.transfers.get(&refer_id));
        let referred_by = transfer.map(|transfer| Rc::clone(&transfer.referred_by));
        let parties = CallParties {
            referred_by: referred_by.as_deref().map(Text::Borrowed),
            replace_call_id: replaced.map(Text::Borrowed),
            ..parties(&to, &outgoing.number, (!is_offerless).then_some(*jsep))
        };
        self.event(mt, due, None, EventBody::IncomingCall(parties));
        self.tell_caller_of_ringing(mo, &to, is_early, due);
        if let Some(refer_id) = outgoing.referred {
            self.transfer_goes_on(refer_id, due, is_early);
        }
    }

    fn tell_caller_of_ringing(&mut self, caller: LegRef, callee: &str, is_early: bool, due: Time) {
        let transaction = self.call_transaction(caller);
        let transaction = transaction.as_deref();
        let (event, code) = match is_early.then(early_media).flatten() {
            None => (EventBody::Ringing, 180),
            Some(sdp) => {
                let jsep = Some(Jsep { kind: JsepKind::Answer, sdp });
                (EventBody::Progress { callee: Some(Text::Borrowed(callee)), is_focus: None, jsep }, 183)
            }
        };
        self.event(caller, due, transaction, event);
        self.event(caller, due, transaction, EventBody::Proceeding { code: Some(code) });
    }

    /// `accept`: the callee takes the call, and the caller gets its answer.
    pub(super) fn accept(&mut self, order: &Order<'_>, leg: LegRef, jsep: Option<&Jsep<'_>>) {
        let Some(jsep) = jsep else { return self.missing_sdp(order, leg) };
        let Some(call) = self.calls.get(leg.call) else { return };
        if leg.side == Side::Caller || call.is_answered() {
            return self.acknowledge_in_vain(order, leg, EventErrorCode::WrongState, Violation::WrongState);
        }
        // What had no offer is accepted with one.
        match (call.is_offerless, jsep.kind) {
            (true, JsepKind::Answer) => {
                let reason = "unexpected answer (no offer)";
                return self.refuse(order, 469, reason, Violation::UnexpectedAnswer);
            }
            (false, JsepKind::Offer) => return self.refuse_sdp(order),
            _ if !is_plausible(jsep) => return self.refuse_sdp(order),
            _ => {}
        }
        self.acknowledge(order, leg);
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let had_answer = call.state == CallState::Early;
        call.state = CallState::InCall;
        call.callee.sdp = order.sdp(jsep);
        let referred = call.referred.take();
        self.truth.attempts.answered += 1;
        self.tell_accepter(order, leg);
        let caller = LegRef { call: leg.call, side: Side::Caller };
        let transaction = self.call_transaction(caller);
        let Some(number) = self.calls.get(leg.call).map(|call| Rc::clone(&call.callee.number)) else {
            return;
        };
        let answer = (!had_answer).then_some(Jsep { kind: JsepKind::Answer, sdp: jsep.sdp });
        let body =
            EventBody::Accepted { jsep: answer, is_focus: None, callee: Some(Text::Borrowed(&*number)) };
        self.event(caller, order.due, transaction.as_deref(), body);
        if self.options.media_events {
            self.media_is_up(leg, order.due);
            self.media_is_up(caller, order.due);
        }
        if let Some(refer_id) = referred {
            self.transfer_accepted(refer_id, order.due);
        }
    }

    /// Tells who has accepted that the call is up; whoever made an offer gets the caller's description as the answer.
    fn tell_accepter(&mut self, order: &Order<'_>, leg: LegRef) {
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let transaction = Some(&*order.request.transaction);
        let is_offerless = call.is_offerless;
        let sdp = call.caller.sdp.as_ref().filter(|_| is_offerless).and_then(|sdp| sdp.directed(None));
        if is_offerless {
            // What is said on this leg belongs to the accept from now on (section 5.1, rule 2).
            call.callee.transaction = transaction.map(Rc::from);
            self.event(leg, order.due, transaction, EventBody::Accepting);
        }
        let jsep = sdp.as_deref().map(|sdp| Jsep { kind: JsepKind::Answer, sdp });
        let body = EventBody::Accepted { jsep, is_focus: None, callee: None };
        self.event(leg, order.due, transaction, body);
    }

    fn media_is_up(&mut self, leg: LegRef, due: Time) {
        let Some(on) = self.calls.get(leg.call).map(|call| call.leg(leg.side)) else { return };
        let (account, line, not_before) = (on.account, on.line, on.not_before);
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

    fn callee_call_id(&mut self, call_id: Rc<str>) -> Rc<str> {
        match self.options.call_ids {
            CallIds::Equal => call_id,
            CallIds::Rewritten => Rc::from(CallId::random(&mut self.draws).as_str()),
        }
    }
}

/// What is wrong with a request for a call, if anything: how it is refused, and as what it counts.
fn fault(jsep: Option<&Jsep<'_>>, is_takeover: bool) -> Option<(i32, &'static str, Violation)> {
    match jsep {
        _ if is_takeover => {
            Some((453, "takeover is not supported by the embedded core", Violation::Unsupported))
        }
        Some(jsep) if jsep.kind == JsepKind::Answer => {
            Some((469, "an offer belongs here", Violation::UnexpectedAnswer))
        }
        Some(jsep) if !is_plausible(jsep) => Some((465, "Invalid SDP", Violation::BadSdp)),
        _ => None,
    }
}

fn early_media() -> Option<&'static RawValue> {
    serde_json::from_str(EARLY_MEDIA).ok()
}

/// A leg on which nothing has been said yet.
fn leg(account: u32, line: Line, number: Rc<str>, call_id: Rc<str>, not_before: Time) -> Leg {
    Leg {
        account,
        line,
        number,
        call_id,
        transaction: None,
        not_before,
        sdp: None,
        hold: None,
        told: None,
        log: Log::default(),
    }
}

/// The parties and the offer, if there is one, of `incoming_call` and `updating_call`.
pub(super) fn parties<'a>(callee: &'a str, caller: &'a str, jsep: Option<Jsep<'a>>) -> CallParties<'a> {
    CallParties {
        callee: Text::Borrowed(callee),
        caller: Text::Borrowed(caller),
        caller_display_name: None,
        jsep,
        referred_by: None,
        replace_call_id: None,
        is_focus: None,
    }
}
