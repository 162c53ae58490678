//! What a core took: the time from a message's cause to its being written, by message.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::law::Time;
use crate::protocol::{EventName, ServerMessage};

/// Bounds and digits of the histograms: those of the harness's own, so that the two can be compared figure by figure.
const LOWEST: u64 = 1;
const HIGHEST: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// Who a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Whoever sent the request that caused it.
    Asker,
    /// The other party of the call, or somebody who asked for nothing.
    Other,
}

/// Histograms, in microseconds, of the time from the cause of a message to its being written to its connection: the
/// delays that were in effect, with the order of messages and the core's own lateness in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injected {
    by_message: Vec<[Option<Histogram<u64>>; 2]>,
    set_up: Option<Histogram<u64>>,
    over_range: u64,
}

impl Injected {
    /// What messages of this name were held back on their way to this party; nothing if there was none.
    pub fn to(&self, message: ServerMessage, to: Recipient) -> Option<&Histogram<u64>> {
        self.by_message.get(message.index())?[to as usize].as_ref()
    }

    /// What messages of this name were held back, whoever they went to.
    pub fn all(&self, message: ServerMessage) -> Option<Histogram<u64>> {
        let [asker, other] = self.by_message.get(message.index())?;
        let mut all = asker.clone().or_else(|| other.clone())?;
        if let (Some(_), Some(other)) = (asker, other) {
            // Histograms of the same bounds always fit into each other.
            let added = all.add(other);
            debug_assert!(added.is_ok(), "histograms of the same bounds");
        }
        Some(all)
    }

    /// The part of each call's set-up that was the core's: what its `incoming_call` and the caller's `accepted` were
    /// held back, added up.
    pub fn set_up(&self) -> Option<&Histogram<u64>> {
        self.set_up.as_ref()
    }

    /// How many took longer than the histograms hold, 10 minutes.
    pub fn over_range(&self) -> u64 {
        self.over_range
    }

    pub(super) fn record(&mut self, message: ServerMessage, to: Recipient, micros: u64) {
        if self.by_message.is_empty() {
            self.by_message = vec![[None, None]; ServerMessage::COUNT];
        }
        if let Some(place) = self.by_message.get_mut(message.index()) {
            self.over_range += u64::from(!add(&mut place[to as usize], micros));
        }
    }

    pub(super) fn record_set_up(&mut self, micros: u64) {
        self.over_range += u64::from(!add(&mut self.set_up, micros));
    }

    /// As JSON: count and quantiles by message, in microseconds.
    pub(super) fn to_json(&self) -> Value {
        let mut json = Map::new();
        for message in ServerMessage::all() {
            if let Some(histogram) = self.all(message) {
                json.insert(message.name().to_owned(), figures(&histogram));
            }
        }
        if let Some(histogram) = &self.set_up {
            json.insert("incoming_call+accepted".to_owned(), figures(histogram));
        }
        Value::Object(json)
    }
}

fn figures(histogram: &Histogram<u64>) -> Value {
    json!({
        "count": histogram.len(),
        "p50": histogram.value_at_quantile(0.5),
        "p90": histogram.value_at_quantile(0.9),
        "p99": histogram.value_at_quantile(0.99),
        "p999": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
    })
}

/// Adds a value, unless it is beyond the range.
fn add(place: &mut Option<Histogram<u64>>, micros: u64) -> bool {
    if place.is_none() {
        *place = Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).ok();
    }
    micros <= HIGHEST && place.as_mut().is_some_and(|histogram| histogram.record(micros).is_ok())
}

/// What the core does at the moment, and for whom: the cause of all that it sends meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause {
    /// When it came in.
    pub(super) at: Time,
    /// The connection that it came from.
    pub(super) from: Option<super::slab::Id>,
}

/// A message that waits to be written, as far as its delay is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) message: ServerMessage,
    pub(super) cause: Cause,
    /// The call that it belongs to, if it tells of its set-up.
    pub(super) call: Option<super::slab::Id>,
}

impl Held {
    /// Whether it is the first word of a call to the callee, or the last of its set-up to the caller.
    pub(super) fn is_of_set_up(&self, to: Recipient) -> bool {
        let names = [EventName::IncomingCall, EventName::Accepted];
        to == Recipient::Other && names.iter().any(|name| self.message == ServerMessage::Event(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_kept_by_message_and_recipient() {
        let mut injected = Injected::default();
        let hangup = ServerMessage::Event(EventName::Hangup);
        injected.record(hangup, Recipient::Asker, 1_000);
        injected.record(hangup, Recipient::Other, 3_000);
        injected.record(hangup, Recipient::Other, HIGHEST + 1);
        assert_eq!(injected.to(hangup, Recipient::Asker).unwrap().max(), 1_000);
        assert_eq!((injected.all(hangup).unwrap().len(), injected.over_range()), (2, 1));
        assert_eq!(injected.to(ServerMessage::Ack, Recipient::Asker), None);
        assert_eq!(injected.to_json()["hangup"]["count"], 2);
    }
}
