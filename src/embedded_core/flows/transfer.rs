//! Transferring a call, blind or attended (protocol, sections 5.12 and 5.13).
//!
//! The transferor's `transfer` is passed on to the transferee, who calls the target with the `refer_id` it is given, or
//! declines. The transferor is told how that call goes by `notify`: 100 when it is made, 180 or 183 when the target
//! rings, and at the end how it was answered. If the target took it, the transferred call ends on both legs, and so does
//! the one that it replaces. If not, the transferred call goes on as if nothing had been asked.

use std::rc::Rc;

use rand::RngExt;

use super::super::calls::{LegRef, Transfer};
use super::super::core::{Core, Due};
use super::super::post::Order;
use crate::law::Time;
use crate::protocol::{EventBody, EventErrorCode, HangupCode, ReferId, Text, Violation};

impl Core {
    /// `transfer`: the other party is asked to call `number`; `replaced` is the transferor's call with the target in an
    /// attended transfer.
    pub(super) fn transfer(&mut self, order: &Order<'_>, leg: LegRef, number: &str, replaced: Option<&str>) {
        let Some(call) = self.calls.get(leg.call) else { return };
        if !call.is_answered() || call.transfer.is_some() {
            return self.acknowledge_in_vain(order, leg, EventErrorCode::WrongState, Violation::WrongState);
        }
        let transferee = LegRef { call: leg.call, side: leg.side.other() };
        let consultation = replaced.map(|replaced| self.consultation(order, leg, replaced));
        let consultation = match consultation.transpose() {
            Ok(consultation) => consultation,
            Err(why) => return self.acknowledge_in_vain(order, leg, EventErrorCode::NoSuchCallId, why),
        };
        let refer_id = self.new_refer_id();
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        call.transfer = Some(refer_id);
        let referred_by = Rc::clone(&call.leg(leg.side).number);
        let transfer = Transfer {
            transferor: leg,
            consultation,
            transferee: call.leg(transferee.side).account,
            referred_by: Rc::clone(&referred_by),
            transaction: Rc::from(&*order.request.transaction),
            is_taken: false,
        };
        self.transfers.insert(refer_id, transfer);
        self.truth.transfers.started += 1;
        self.acknowledge(order, leg);
        self.event(leg, order.due, Some(&order.request.transaction), EventBody::Transferring);
        let body = EventBody::Transfer {
            refer_id: ReferId::Number(u64::from(refer_id)),
            refer_to: Text::Borrowed(number),
            referred_by: Some(Text::Borrowed(&referred_by)),
            replace_call_id: replaced.map(Text::Borrowed),
        };
        self.event(transferee, order.due, None, body);
    }

    /// The transferor's leg of the call that an attended transfer replaces: another one of its calls, and answered.
    fn consultation(&self, order: &Order<'_>, leg: LegRef, replaced: &str) -> Result<LegRef, Violation> {
        let account = self.accounts.get(order.account);
        let is_own = order.request.call_id.as_deref() == Some(replaced);
        let found = account.leg_of(replaced, leg).filter(|_| !is_own);
        let is_answered = |found: &LegRef| self.calls.get(found.call).is_some_and(|call| call.is_answered());
        found.filter(is_answered).ok_or_else(|| {
            // The target may have hung up a moment ago.
            let has_just_ended = !is_own && account.has_just_ended(replaced, self.now);
            if has_just_ended { Violation::LateRequest } else { Violation::WrongState }
        })
    }

    /// A handle as the gateway makes them: a random number of 32 bits other than zero (section 7.4).
    fn new_refer_id(&mut self) -> u32 {
        loop {
            let refer_id = self.draws.random_range(1..=u32::MAX);
            if !self.transfers.contains_key(&refer_id) {
                return refer_id;
            }
        }
    }

    /// The transfer with this handle that was offered to `account`, and which it has neither taken nor refused.
    fn offered(&self, account: u32, refer_id: &ReferId<'_>) -> Option<u32> {
        let refer_id = match refer_id {
            ReferId::Number(number) => u32::try_from(*number).ok()?,
            ReferId::Text(text) => text.parse().ok()?,
        };
        let transfer = self.transfers.get(&refer_id)?;
        (transfer.transferee == account && !transfer.is_taken).then_some(refer_id)
    }

    /// The transferee makes the call that it was asked for. One that follows no transfer is an ordinary call.
    pub(super) fn take_transfer(&mut self, order: &Order<'_>, refer_id: &ReferId<'_>) -> Option<u32> {
        let Some(refer_id) = self.offered(order.account, refer_id) else {
            self.truth.violated(Violation::WrongState);
            return None;
        };
        self.transfers.get_mut(&refer_id)?.is_taken = true;
        self.notify(refer_id, order.due, "active", 100, "Trying");
        Some(refer_id)
    }

    /// `decline` with a `refer_id`: the transferee does not call.
    pub(super) fn decline_transfer(&mut self, order: &Order<'_>, leg: LegRef, refer_id: &ReferId<'_>) {
        let is_of_this_call =
            |offered: &u32| self.calls.get(leg.call).is_some_and(|call| call.transfer == Some(*offered));
        let Some(offered) = self.offered(order.account, refer_id).filter(is_of_this_call) else {
            return self.acknowledge_and_drop(order, leg);
        };
        self.acknowledge(order, leg);
        let code = HangupCode::Decline;
        let body = EventBody::Declining { code: Some(code.code()), refer_id: Some(refer_id.clone()) };
        self.event(leg, order.due, Some(&order.request.transaction), body);
        self.transfer_failed(offered, order.due, code);
    }

    /// As [`decline_transfer`](Self::decline_transfer), of a call that has just ended: there is nobody left to tell.
    pub(super) fn decline_late_transfer(&mut self, order: &Order<'_>, refer_id: &ReferId<'_>) {
        if let Some(offered) = self.offered(order.account, refer_id) {
            self.transfer_failed(offered, order.due, HangupCode::Decline);
        }
    }

    /// The transferred call has ended, whoever ended it: the transferee may still call, but not for ever.
    pub(super) fn transferred_call_ended(&mut self, refer_id: u32) {
        self.due.push(self.now + self.options.transfer_patience, Due::Transfer(refer_id));
    }

    /// The transferred call is long gone, and the transferee has not called.
    pub(in super::super) fn transfer_is_stale(&mut self, refer_id: u32) {
        if self.transfers.get(&refer_id).is_some_and(|transfer| !transfer.is_taken) {
            self.transfer_failed(refer_id, self.now, HangupCode::RequestTimeout);
        }
    }

    /// The target rings.
    pub(super) fn transfer_goes_on(&mut self, refer_id: u32, due: Time, is_early: bool) {
        let (code, reason) = if is_early { (183, "Session Progress") } else { (180, "Ringing") };
        self.notify(refer_id, due, "active", code, reason);
    }

    /// The call of the transferee was not answered, or never made: the transferred call goes on.
    pub(super) fn transfer_failed(&mut self, refer_id: u32, due: Time, code: HangupCode) {
        self.notify(refer_id, due, "terminated", code.code(), code.name());
        let Some(transfer) = self.end_transfer(refer_id) else { return };
        self.truth.transfers.failed += 1;
        let body = EventBody::TransferFailed { code: Some(code.code()) };
        self.event(transfer.transferor, due, None, body);
    }

    /// The target took the call of the transferee: what that call stands for now ends.
    pub(super) fn transfer_accepted(&mut self, refer_id: u32, due: Time) {
        self.notify(refer_id, due, "terminated", 200, "OK");
        let Some(transfer) = self.end_transfer(refer_id) else { return };
        self.truth.transfers.accepted += 1;
        let body = EventBody::TransferAccepted { code: Some(202) };
        self.event(transfer.transferor, due, Some(&transfer.transaction), body);
        self.end_call(transfer.transferor.call, due, HangupCode::NormalEnd, None);
        if let Some(consultation) = transfer.consultation {
            self.end_call(consultation.call, due, HangupCode::NormalEnd, None);
        }
    }

    fn end_transfer(&mut self, refer_id: u32) -> Option<Transfer> {
        let transfer = self.transfers.remove(&refer_id)?;
        if let Some(call) = self.calls.get_mut(transfer.transferor.call) {
            call.transfer = None;
        }
        Some(transfer)
    }

    /// Tells the transferor how far it is, unless its call has ended.
    fn notify(&mut self, refer_id: u32, due: Time, state: &'static str, code: i32, reason: &str) {
        let Some(transferor) = self.transfers.get(&refer_id).map(|transfer| transfer.transferor) else {
            return;
        };
        let body = EventBody::Notify {
            package: Some(Text::Borrowed("refer")),
            subscription_state: Some(Text::Borrowed(state)),
            content_type: Some(Text::Borrowed("message/sipfrag")),
            content: Text::Owned(format!("SIP/2.0 {code} {reason}")),
        };
        self.event(transferor, due, None, body);
    }
}
