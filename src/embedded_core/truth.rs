//! What the core counted itself: the truth that a run's own report is held against (protocol, Appendix C, point 13).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Injected;
use crate::protocol::{CloseCode, EventName, HangupClass, HangupCode, RequestName, Violation};
use crate::transport::Initiator;

/// What a core counted, by the names of `run.json`, as its clients should have seen it. Messages are counted by
/// their flat names in both dialects, keepalives apart. Sent is what was written to a connection that was not closing.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// Clients.
    pub clients: Clients,
    /// Sessions, as the REST API made and ended them.
    pub sessions: Sessions,
    /// What became of each call that was asked for.
    pub attempts: Attempts,
    /// What became of each transfer.
    pub transfers: Transfers,
    /// Calls up at the end.
    pub calls_up: u64,
    /// `hangup` events sent, by code.
    pub hangups: BTreeMap<i32, u64>,
    /// `error` events sent, by code.
    pub event_errors: BTreeMap<i32, u64>,
    /// Requests received, in the order of [`RequestName::ALL`]. Retransmissions and keepalives are not among them.
    pub requests: [u64; RequestName::COUNT],
    /// `ack` responses sent, repeated ones and those to keepalives not counted.
    pub acked: u64,
    /// `error` responses sent, by code; repeated ones not counted.
    pub request_errors: BTreeMap<i32, u64>,
    /// Events sent, in the order of [`EventName::ALL`].
    pub events: [u64; EventName::COUNT],
    /// Keepalives.
    pub keepalives: Keepalives,
    /// Ended connections, by close code and who closed first.
    pub disconnects: BTreeMap<(u16, Initiator), u64>,
    /// Handshake states sent.
    pub states_sent: u64,
    /// What clients did wrong, in the order of [`Violation::ALL`].
    pub violations: [u64; Violation::COUNT],
    /// Upgrades that did not come about: no WebSocket, a wrong path, a failed TLS handshake.
    pub upgrades_refused: u64,
    /// How often there was no descriptor left for a connection.
    pub out_of_descriptors: u64,
    /// Connections by tenant; beyond so many names, `other`.
    pub tenants: BTreeMap<String, u64>,
    /// How long messages were held back.
    pub injected: Injected,
    /// How often the core stood still as it was told to.
    pub freezes: u64,
    /// How many calls it refused as it was told to; they are in `attempts` and `hangups` too.
    pub refusals: u64,
}

/// Clients, as counted by their core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Different subscribers that were registered at some time.
    pub signed_on: u64,
    /// Connections that were upgraded.
    pub connections: u64,
    /// The most that were registered at the same time.
    pub peak: u64,
}

/// Sessions, as the REST API made and ended them (protocol, section 9.1). Those that were there from the start are not
/// among the created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Made by `POST /session`.
    pub created: u64,
    /// Ended by `DELETE /session`.
    pub deleted: u64,
    /// `POST /session` that got no session.
    pub refused: u64,
}

/// What became of each `outgoing_call`: `started` is the sum of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Answered with `ack` or `error`.
    pub started: u64,
    /// Accepted by the callee, whatever came after.
    pub answered: u64,
    /// Ended with 603, 607 or 608.
    pub declined: u64,
    /// Ended with 486 or 600.
    pub busy: u64,
    /// Ended with 487, or with 200 before an answer.
    pub cancelled: u64,
    /// Ended with 480.
    pub unavailable: u64,
    /// Ended with 3xx.
    pub redirected: u64,
    /// Ended in any other way, or refused.
    pub failed: u64,
    /// Neither answered nor ended yet.
    pub unfinished: u64,
}

/// What became of each `transfer` that was passed on to the transferee: `started` is the sum of the rest. The call
/// that the transferee makes for it is one of the attempts too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Passed on.
    pub started: u64,
    /// The target took the transferee's call.
    pub accepted: u64,
    /// The transferee refused or made no call, or that call was not answered.
    pub failed: u64,
    /// Not at an end yet.
    pub unfinished: u64,
}

/// Keepalives, in both forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalives {
    /// Received.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
}

impl Default for Truth {
    fn default() -> Self {
        Truth {
            clients: Clients::default(),
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            transfers: Transfers::default(),
            calls_up: 0,
            hangups: BTreeMap::new(),
            event_errors: BTreeMap::new(),
            requests: [0; RequestName::COUNT],
            acked: 0,
            request_errors: BTreeMap::new(),
            events: [0; EventName::COUNT],
            keepalives: Keepalives::default(),
            disconnects: BTreeMap::new(),
            states_sent: 0,
            violations: [0; Violation::COUNT],
            upgrades_refused: 0,
            out_of_descriptors: 0,
            tenants: BTreeMap::new(),
            injected: Injected::default(),
            freezes: 0,
            refusals: 0,
        }
    }
}

impl Attempts {
    /// A call that was not answered ended with this SIP status (protocol, section 6.4).
    pub(super) fn ended(&mut self, code: HangupCode) {
        *match code.end_of_call(false) {
            HangupClass::Busy => &mut self.busy,
            HangupClass::Cancelled => &mut self.cancelled,
            HangupClass::Declined => &mut self.declined,
            HangupClass::Unavailable => &mut self.unavailable,
            HangupClass::Redirected => &mut self.redirected,
            _ => &mut self.failed,
        } += 1;
    }
}

impl Truth {
    /// How many requests of this name were received.
    pub fn requests(&self, name: RequestName) -> u64 {
        self.requests[name.index()]
    }

    /// How many events of this name were sent.
    pub fn events(&self, name: EventName) -> u64 {
        self.events[name.index()]
    }

    /// How often clients did this.
    pub fn violations(&self, violation: Violation) -> u64 {
        self.violations[violation.index()]
    }

    /// How many messages could not be read.
    pub fn malformed_messages(&self) -> u64 {
        let malformed = Violation::ALL.iter().filter(|violation| violation.is_malformed());
        malformed.map(|violation| self.violations(*violation)).sum()
    }

    pub(super) fn violated(&mut self, violation: Violation) {
        self.violations[violation.index()] += 1;
    }

    /// As JSON, by the names of `run.json`; what was never counted is left out of the maps.
    pub fn to_json(&self) -> Value {
        let requests = counted(RequestName::ALL.iter().map(|name| name.name()), &self.requests);
        let events = counted(EventName::ALL.iter().map(|name| name.name()), &self.events);
        let violations: Vec<Value> = Violation::ALL
            .iter()
            .filter(|violation| self.violations(**violation) > 0 && !violation.is_forgivable())
            .map(|violation| json!({ "what": violation.name(), "count": self.violations(*violation) }))
            .collect();
        let (attempts, transfers) = (&self.attempts, &self.transfers);
        json!({
            "clients": {
                "signed_on": self.clients.signed_on,
                "connections": self.clients.connections,
                "peak": self.clients.peak,
            },
            "sessions": {
                "created": self.sessions.created,
                "deleted": self.sessions.deleted,
                "refused": self.sessions.refused,
            },
            "attempts": {
                "started": attempts.started,
                "answered": attempts.answered,
                "declined": attempts.declined,
                "busy": attempts.busy,
                "cancelled": attempts.cancelled,
                "unavailable": attempts.unavailable,
                "redirected": attempts.redirected,
                "failed": attempts.failed,
                "unfinished": attempts.unfinished,
            },
            "transfers": {
                "started": transfers.started,
                "accepted": transfers.accepted,
                "failed": transfers.failed,
                "unfinished": transfers.unfinished,
            },
            "calls_up": self.calls_up,
            "hangups": self.hangups,
            "event_errors": self.event_errors,
            "requests": { "sent": requests, "acked": self.acked, "errors": self.request_errors },
            "events": events,
            "keepalives": { "sent": self.keepalives.sent, "answered": self.keepalives.answered },
            "disconnects": self.disconnects(),
            "states_sent": self.states_sent,
            "violations": violations,
            "malformed_messages": self.malformed_messages(),
            "unknown_requests": self.violations(Violation::UnknownRequest),
            "late_requests": self.violations(Violation::LateRequest),
            "retransmissions": self.violations(Violation::Retransmission),
            "upgrades_refused": self.upgrades_refused,
            "out_of_descriptors": self.out_of_descriptors,
            "tenants": self.tenants,
            "injected": self.injected.to_json(),
            "freezes": self.freezes,
            "refusals": self.refusals,
        })
    }

    fn disconnects(&self) -> Vec<Value> {
        let ended = self.disconnects.iter();
        ended
            .map(|(&(code, initiator), count)| {
                let known = CloseCode::new(code);
                json!({
                    "code": code,
                    "name": known.name(),
                    "class": known.class().name(),
                    "initiator": initiator.name(),
                    "count": count,
                })
            })
            .collect()
    }
}

fn counted<'a>(names: impl Iterator<Item = &'a str>, counts: &[u64]) -> BTreeMap<&'a str, u64> {
    names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}
