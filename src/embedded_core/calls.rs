//! Calls: two legs and what has been said on each.

use std::rc::Rc;

use serde_json::value::RawValue;

use super::slab::Id;
use crate::law::Time;
use crate::protocol::{Jsep, Line};

/// How much of a call's log is kept; nothing that is real comes near it.
const MAX_LOG: usize = 48;

/// Which of a call's two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who called (MO).
    Caller,
    /// Who was called (MT).
    Callee,
}

/// One leg of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegRef {
    pub(super) call: Id,
    pub(super) side: Side,
}

/// Where a call stands (protocol, Appendix C, point 7). `inviting` and `closing` have no length here: an INVITE
/// arrives at once, and a call that ends is off its lines, which remember it ([`Slot`](super::accounts::Slot)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallState {
    /// The callee rings.
    Ringing,
    /// As [`CallState::Ringing`], and the caller has had an answer with `progress`.
    Early,
    /// Answered.
    InCall,
    /// Answered, and an `updating_call` waits for its answer.
    Reinviting(Reinvite),
}

/// An `updating_call` that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reinvite {
    /// Who must answer.
    pub(super) answerer: Side,
    /// The other side asked for it with `update`, and gets the answer; otherwise it holds or resumes.
    pub(super) is_update: bool,
    /// When it was sent.
    pub(super) since: Time,
}

/// A direction of media that a holder asks for (protocol, section 3.5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Hold {
    pub(super) fn from_wire(direction: Option<&str>) -> Hold {
        match direction {
            Some("inactive") => Hold::Inactive,
            Some("recvonly") => Hold::RecvOnly,
            _ => Hold::SendOnly,
        }
    }

    const fn attribute(self) -> &'static str {
        match self {
            Hold::SendOnly => "a=sendonly",
            Hold::RecvOnly => "a=recvonly",
            Hold::Inactive => "a=inactive",
        }
    }
}

/// A call with both of its legs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Leg,
    pub(super) callee: Leg,
    pub(super) state: CallState,
    /// The callee is not given the caller's offer, and makes one itself (section 5.9).
    pub(super) is_offerless: bool,
    /// The transfer of this call that is under way.
    pub(super) transfer: Option<u32>,
    /// The transfer that this call is made for.
    pub(super) referred: Option<u32>,
    /// How long the `incoming_call` was held back, in microseconds, once it is out.
    pub(super) alert_micros: Option<u64>,
}

/// A transfer under way (sections 5.12 and 5.13).
#[derive(Debug)]
pub(super) struct Transfer {
    /// The transferor's leg of the call that is transferred.
    pub(super) transferor: LegRef,
    /// Attended: the transferor's leg of the call that is replaced too.
    pub(super) consultation: Option<LegRef>,
    /// Whose call is transferred, and who is to call.
    pub(super) transferee: u32,
    /// The transferor's number.
    pub(super) referred_by: Rc<str>,
    /// The transaction of the `transfer`.
    pub(super) transaction: Rc<str>,
    /// The transferee makes the call: it is up to that call now.
    pub(super) is_taken: bool,
}

impl Call {
    pub(super) fn leg(&self, side: Side) -> &Leg {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    pub(super) fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, CallState::InCall | CallState::Reinviting(_))
    }
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// One party's part of a call.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) account: u32,
    pub(super) line: Line,
    /// The number that the other party sees.
    pub(super) number: Rc<str>,
    pub(super) call_id: Rc<str>,
    /// The transaction of the `outgoing_call`; none on the callee's leg.
    pub(super) transaction: Option<Rc<str>>,
    /// Nothing goes out on this leg before this: what was said first arrives first.
    pub(super) not_before: Time,
    /// The last SDP that this party sent.
    pub(super) sdp: Option<Sdp>,
    /// How this party holds the call, if it does.
    pub(super) hold: Option<Hold>,
    /// How the other party was last told that it does.
    pub(super) told: Option<Hold>,
    pub(super) log: Log,
}

/// An SDP, where it lies in the text that brought it.
#[derive(Clone, Debug)]
pub(super) struct Sdp {
    text: Rc<str>,
    start: usize,
    end: usize,
}

impl Sdp {
    /// The SDP of `jsep`, which was read from `text`, of which `kept` is a copy.
    pub(super) fn of(jsep: &Jsep<'_>, text: &str, kept: &Rc<str>) -> Option<Sdp> {
        let raw = jsep.sdp.get();
        let start = (raw.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let end = start + raw.len();
        (kept.get(start..end) == Some(raw)).then(|| Sdp { text: Rc::clone(kept), start, end })
    }

    /// The SDP with its media in this direction, as far as it says `sendrecv`.
    pub(super) fn directed(&self, hold: Option<Hold>) -> Option<Box<RawValue>> {
        let raw = self.text.get(self.start..self.end)?;
        let raw = match hold {
            None => raw.to_owned(),
            Some(hold) => raw.replace("a=sendrecv", hold.attribute()),
        };
        RawValue::from_string(raw).ok()
    }
}

/// Whether a description can be one: `v=0` at its beginning and a medium (protocol, Appendix C, point 8).
pub(super) fn is_plausible(jsep: &Jsep<'_>) -> bool {
    let sdp = jsep.sdp.get();
    sdp.starts_with("\"v=0") && sdp.contains("m=")
}

/// What was said about a call on one leg, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<(i64, Rc<str>)>,
}

impl Log {
    /// Adds what was said at `stamp`, milliseconds since the epoch. The first entry, which tells a call's direction, is
    /// never given up.
    pub(super) fn add(&mut self, stamp: i64, text: Rc<str>) {
        if self.entries.len() == MAX_LOG {
            self.entries.remove(1);
        }
        self.entries.push((stamp, text));
    }

    /// The entries, newest first (protocol, decision 12.25).
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &(i64, Rc<str>)> {
        self.entries.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::JsepKind;

    #[test]
    fn an_sdp_is_found_again_in_its_text_and_turned_to_a_direction() {
        let text: Rc<str> = Rc::from(r#"{"x":1,"sdp":"v=0\r\nm=audio\r\na=sendrecv\r\n"}"#);
        let start = text.find("\"v=0").unwrap();
        let raw: &RawValue = serde_json::from_str(&text[start..text.len() - 1]).unwrap();
        let jsep = Jsep { kind: JsepKind::Offer, sdp: raw };
        assert!(is_plausible(&jsep));
        let kept = Rc::from(&*text);
        let sdp = Sdp::of(&jsep, &text, &kept).unwrap();
        assert_eq!(sdp.directed(None).unwrap().get(), raw.get());
        let held = sdp.directed(Some(Hold::Inactive)).unwrap();
        assert_eq!(held.get(), r#""v=0\r\nm=audio\r\na=inactive\r\n""#);
        assert!(Sdp::of(&jsep, "another", &kept).is_none());
        assert!(Sdp::of(&jsep, &text, &Rc::from("another")).is_none());
    }

    #[test]
    fn a_long_log_keeps_its_first_and_its_newest_entries() {
        let mut log = Log::default();
        for stamp in 0..100 {
            log.add(stamp, Rc::from(""));
        }
        let stamps: Vec<_> = log.newest_first().map(|(stamp, _)| *stamp).collect();
        assert_eq!((stamps.len(), stamps[0], stamps[MAX_LOG - 1]), (MAX_LOG, 99, 0));
    }
}
