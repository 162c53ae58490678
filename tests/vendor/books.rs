//! Accounts of the same traffic by different parties, made comparable.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Add;

/// Messages that belong to no call: a scout before a run causes them too, so they are no part of the comparison.
const REGISTRATION: [&str; 5] =
    ["registering", "registered", "registration_failed", "unregistering", "unregistered"];

type Tally = BTreeMap<String, u64>;

/// What one party counted.
#[derive(Debug, Clone)]
pub struct Books {
    /// Requests from clients to the server, by name.
    pub requests: Tally,
    /// Those of them that were acked.
    pub acked: u64,
    /// Events about calls from the server to clients, by name.
    pub events: Tally,
    /// Keepalives that clients sent, and their echoes.
    pub keepalives: (u64, u64),
    /// The whole record where there is one.
    pub record: Value,
}

impl Books {
    /// From a `run.json` or the truth of `serve`, which uses the same names.
    pub fn of_record(record: Value) -> Self {
        Self {
            requests: tally(&record["requests"]["sent"]),
            acked: count(&record["requests"]["acked"]),
            events: call_events(&record["events"]),
            keepalives: (count(&record["keepalives"]["sent"]), count(&record["keepalives"]["answered"])),
            record,
        }
    }

    /// From the counts that a scenario prints.
    pub fn of_phones(counts: &Value) -> Self {
        Self {
            requests: tally(&counts["requests"]),
            acked: tally(&counts["responses"]).get("ack").copied().unwrap_or(0),
            events: call_events(&counts["events"]),
            keepalives: (count(&counts["keepalives"]["sent"]), count(&counts["keepalives"]["answered"])),
            record: Value::Null,
        }
    }

    /// How many attempts ended this way.
    pub fn attempts(&self, outcome: &str) -> u64 {
        count(&self.record["attempts"][outcome])
    }

    /// How many connections ended with each close code.
    pub fn closes(&self) -> BTreeMap<u64, u64> {
        let mut closes = BTreeMap::new();
        for end in self.record["disconnects"].as_array().into_iter().flatten() {
            *closes.entry(count(&end["code"])).or_default() += count(&end["count"]);
        }
        closes
    }

    /// Both must have counted the same calls, message by message.
    pub fn assert_same_calls(&self, other: &Self) {
        assert_eq!(self.requests, other.requests, "requests");
        assert_eq!(self.acked, other.acked, "acks");
        assert_eq!(self.events, other.events, "events");
    }
}

impl Add for &Books {
    type Output = Books;

    fn add(self, other: &Books) -> Books {
        Books {
            requests: sum(&self.requests, &other.requests),
            acked: self.acked + other.acked,
            events: sum(&self.events, &other.events),
            keepalives: (self.keepalives.0 + other.keepalives.0, self.keepalives.1 + other.keepalives.1),
            record: Value::Null,
        }
    }
}

fn sum(one: &Tally, other: &Tally) -> Tally {
    let mut sum = one.clone();
    for (name, count) in other {
        *sum.entry(name.clone()).or_default() += count;
    }
    sum
}

fn call_events(events: &Value) -> Tally {
    let mut events = tally(events);
    events.retain(|name, _| !REGISTRATION.contains(&name.as_str()));
    events
}

/// A name that is listed with 0 says the same as one that is not listed.
fn tally(counts: &Value) -> Tally {
    let named = counts.as_object().unwrap_or_else(|| panic!("counts by name expected, found {counts}"));
    named.iter().map(|(name, value)| (name.clone(), count(value))).filter(|(_, count)| *count > 0).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a count expected, found {value}"))
}
