//! What happens in an answered call: hold and resume, renegotiation, transfer (protocol, sections 5.10 to 5.13).

use super::{Call, Phase};
use crate::law::Time;
use crate::metrics::Metric;
use crate::scenario::script::Sign;
use crate::scenario::{Ask, Direction, Side};

impl Call {
    pub(super) fn on_asked(&mut self, side: Side, sign: Sign, at: Time, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        leg.see(sign);
        if let Some((metric, sent)) = leg.asked.take() {
            out.push(Direction::Service(metric, sent, at));
        }
    }

    pub(super) fn on_transferred(&mut self, side: Side, is_done: bool, at: Time, out: &mut Vec<Direction>) {
        // Said twice by newer servers: `notify` and `transfer_accepted`.
        if !matches!(self.legs[side as usize].asked, Some((Metric::Transfer, _))) {
            return;
        }
        if is_done {
            self.on_asked(side, Sign::Transferred, at, out);
        } else {
            let leg = &mut self.legs[side as usize];
            leg.asked = None;
            leg.refused = true;
            leg.see(Sign::TransferFailed);
        }
    }

    pub(super) fn on_updating_call(
        &mut self,
        side: Side,
        has_offer: bool,
        at: Time,
        out: &mut Vec<Direction>,
    ) {
        if self.phase != Phase::Talk {
            return;
        }
        if let Some(sent) = self.legs[side.other() as usize].reinvited.take() {
            out.push(Direction::Service(Metric::Reinvite, sent, at));
        }
        let retry = at + self.manner.update_retry[side as usize];
        let leg = &mut self.legs[side as usize];
        leg.see(Sign::UpdatingCall);
        if leg.offer.take().is_some() {
            // Ours gives way, and is sent again (protocol, section 5.11).
            leg.update_due = retry;
        }
        let ask = if has_offer { Ask::UpdateAnswer } else { Ask::UpdateAnswerWithOffer };
        out.push(Direction::Send(self.leg(side), ask));
    }

    pub(super) fn on_renegotiated(&mut self, side: Side, at: Time, out: &mut Vec<Direction>) {
        let leg = &mut self.legs[side as usize];
        if let Some(sent) = leg.offer.take() {
            leg.see(Sign::Renegotiated);
            out.push(Direction::Service(Metric::Update, sent, at));
        }
    }
}

/// Whether the body of a `notify` says that the transfer has succeeded (protocol, section 3.7.3): `SIP/2.0 2xx`.
pub(super) fn is_sip_success(content: &str) -> bool {
    content.strip_prefix("SIP/2.0 ").is_some_and(|status| status.starts_with('2'))
}
