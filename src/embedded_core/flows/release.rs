//! The end of a call: declined, cancelled, hung up (protocol, sections 5.2, 5.3, 5.5 and 5.6).

use std::rc::Rc;

use super::super::HangupTransaction;
use super::super::accounts::Slot;
use super::super::calls::{Leg, LegRef, Side};
use super::super::core::Core;
use super::super::post::{Envelope, Order};
use super::super::slab::Id;
use crate::law::Time;
use crate::protocol::{EventBody, EventName, HangupCode, Line, ServerMessage, Text};

/// A line that is released, and since when nothing is under way on it.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) account: u32,
    pub(super) line: Line,
    pub(super) call_id: Rc<str>,
    pub(super) not_before: Time,
}

impl Core {
    /// `decline`: the callee refuses the call.
    pub(super) fn decline(&mut self, order: &Order<'_>, leg: LegRef) {
        let Some(call) = self.calls.get(leg.call) else { return };
        if leg.side == Side::Caller || call.is_answered() {
            return self.acknowledge_and_drop(order, leg);
        }
        let code = HangupCode::new(self.options.decline_code);
        self.acknowledge(order, leg);
        let body = EventBody::Declining { code: Some(code.code()), refer_id: None };
        self.event(leg, order.due, Some(&order.request.transaction), body);
        self.end_call(leg.call, order.due, code, Some((leg.side, &order.request.transaction)));
    }

    /// `hangup`: the end of an answered call, a cancelled call, or a refusal by other means.
    pub(super) fn hangup(&mut self, order: &Order<'_>, leg: LegRef) {
        let Some(call) = self.calls.get(leg.call) else { return };
        let code = match (call.is_answered(), leg.side) {
            (true, _) => HangupCode::NormalEnd,
            (false, Side::Caller) => HangupCode::RequestTerminated,
            (false, Side::Callee) => HangupCode::new(self.options.decline_code),
        };
        self.acknowledge(order, leg);
        let transaction = &order.request.transaction;
        self.event(leg, order.due, Some(transaction), EventBody::Hangingup { code: None });
        self.end_call(leg.call, order.due, code, Some((leg.side, transaction)));
    }

    /// Ends a call with `code` on both legs; `by` is the leg and transaction of the request that ended it.
    pub(in super::super) fn end_call(
        &mut self,
        call: Id,
        due: Time,
        code: HangupCode,
        by: Option<(Side, &str)>,
    ) {
        let Some(call) = self.calls.remove(call) else { return };
        let (transfer, referred) = (call.transfer, call.referred.filter(|_| !call.is_answered()));
        if !call.is_answered() {
            self.truth.attempts.ended(code);
        }
        for (side, leg) in [(Side::Caller, call.caller), (Side::Callee, call.callee)] {
            let own = by.filter(|(ended_by, _)| *ended_by == side).map(|(_, transaction)| transaction);
            let Leg { account, line, call_id, transaction, not_before, .. } = leg;
            let transaction = match self.options.hangup_transaction {
                HangupTransaction::OriginalCall => transaction.as_deref(),
                HangupTransaction::Own => own,
                HangupTransaction::None => None,
            };
            let release = Release { account, line, call_id, not_before };
            self.take_down(&release, code, transaction, due);
        }
        if let Some(refer_id) = transfer {
            self.transferred_call_ended(refer_id);
        }
        if let Some(refer_id) = referred {
            self.transfer_failed(refer_id, due, code);
        }
    }

    /// Sends `hangup`, frees the line, and sends `ice_hangup` when the media leg is gone (section 5.1, rule 5).
    pub(super) fn take_down(
        &mut self,
        release: &Release,
        code: HangupCode,
        transaction: Option<&str>,
        due: Time,
    ) {
        let Release { account, line, call_id, not_before } = release;
        let due = self.event_due(EventName::Hangup, *not_before, due);
        let envelope = Envelope { account: *account, line: *line, call_id: Some(call_id), transaction, due };
        let cause = self.cause.at;
        let reason = Some(Text::Borrowed(code.name()));
        self.post(envelope, EventBody::Hangup { code: Some(code.code()), reason });
        let until = due + self.delays.next(ServerMessage::Event(EventName::IceHangup)).unwrap_or_default();
        // The media leg goes because of the hangup, so that is where its delay is counted from.
        self.cause.at = due;
        let closed = Envelope { call_id: None, transaction: None, due: until, ..envelope };
        self.post(closed, EventBody::IceHangup { reason: Some(Text::Borrowed("Close PC")) });
        self.cause.at = cause;
        self.accounts.set_line(*account, *line, Slot::Closing { call_id: Rc::clone(call_id), until });
    }
}
