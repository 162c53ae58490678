//! From the counters of workers to names, and from seconds to a run.

use super::{
    Attempts, ByName, Calls, Counted, Disconnects, Keepalives, LedgerCounts, Recovery, Requests,
    SessionCounts, SideCallCounts, SignonCounts, SignonFailures,
};
use std::collections::BTreeMap;

use crate::metrics::{AttemptFailure, Counters, Counts, SignonFailureKey};
use crate::protocol::{CloseCode, EventName, RequestName};
use crate::scenario::{Flow, Step};

/// Different codes that a record keeps apart; further ones are counted together as `others`, so that a hostile
/// server cannot make a long run's totals grow.
const MAX_CODES: usize = 256;

/// The name for what had no place of its own.
const OTHERS: &str = "others";

impl From<&Counters> for SignonCounts {
    fn from(counters: &Counters) -> Self {
        SignonCounts {
            signed_on: counters.signed_on,
            signon_failed: counters.signon_failures.total(),
            reconnect_attempts: counters.reconnect_attempts,
            reconnects: counters.reconnects,
            reconnects_failed: counters.reconnect_failures.total(),
            given_up: counters.given_up,
        }
    }
}

impl SignonCounts {
    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &SignonCounts) {
        let SignonCounts {
            signed_on,
            signon_failed,
            reconnect_attempts,
            reconnects,
            reconnects_failed,
            given_up,
        } = other;
        self.signed_on += signed_on;
        self.signon_failed += signon_failed;
        self.reconnect_attempts += reconnect_attempts;
        self.reconnects += reconnects;
        self.reconnects_failed += reconnects_failed;
        self.given_up += given_up;
    }
}

impl From<&Counters> for Counted {
    fn from(counters: &Counters) -> Self {
        Counted {
            sessions: SessionCounts {
                created: counters.sessions_created,
                failed: counters.sessions_failed,
                renewed: counters.sessions_renewed,
                // Known from the end of the run only: see `Fold::finish`.
                deleted: 0,
                delete_failed: 0,
            },
            signon_failures: signon_failures(&counters.signon_failures),
            reconnect_failures: signon_failures(&counters.reconnect_failures),
            recovery: Recovery::from(&counters.recovered),
            attempts: Attempts::from(counters),
            attempts_failed: named(
                AttemptFailure::ALL.iter().map(|reason| (reason.name(), counters.failed[reason.index()])),
            ),
            attempts_rejected: by_code(&counters.rejections),
            attempts_intended: counters.intended,
            attempts_broken: broken(counters),
            flows: flows(counters),
            nonces_confirmed: counters.nonces_confirmed,
            side_calls: SideCallCounts {
                started: counters.side_calls.started,
                ended: named(counters.side_calls.ended.iter()),
                talk_us: counters.side_calls.talk_micros,
            },
            calls: Calls {
                completed: counters.completed,
                ended: counters.talks,
                talk_us: counters.talk_micros,
                up_us: counters.up_micros,
                talk_within_us: counters.talk_within_micros,
            },
            hangups: by_code(&counters.hangups),
            event_errors: by_code(&counters.event_errors),
            ledger: LedgerCounts::from(&counters.ledger),
            requests: Requests::from(counters),
            late_responses: counters.late_responses,
            events: named(EventName::ALL.iter().map(|name| (name.name(), counters.events[name.index()]))),
            states: counters.states,
            unknown_events: counters.unknown_messages,
            malformed_messages: counters.malformed_messages,
            binary_messages: counters.binary_messages,
            repaired_messages: counters.repaired_messages,
            stray_events: counters.stray_events,
            subprotocol_missing: counters.subprotocol_missing,
            keepalives: Keepalives {
                sent: counters.keepalives_sent,
                answered: counters.keepalives_answered,
                missed: counters.keepalives_missed,
            },
            disconnects: disconnects(counters),
            connected_us: counters.connected_micros,
            // Known from the latencies only: see `StoredInterval::new`.
            late: 0,
        }
    }
}

impl From<&Counters> for Attempts {
    fn from(counters: &Counters) -> Self {
        Attempts {
            due: counters.due,
            started: counters.started,
            blocked: counters.blocked,
            answered: counters.answered,
            declined: counters.declined,
            busy: counters.busy,
            cancelled: counters.cancelled,
            unavailable: counters.unavailable,
            redirected: counters.redirected,
            failed: counters.failed_total(),
            unfinished: counters.unfinished,
            done: counters.done,
        }
    }
}

impl From<&Counters> for Requests {
    fn from(counters: &Counters) -> Self {
        Requests {
            sent: named(
                RequestName::ALL.iter().map(|name| (name.name(), counters.requests_sent[name.index()])),
            ),
            acked: counters.acked,
            errors: by_code(&counters.request_errors),
            timeouts: counters.request_timeouts,
        }
    }
}

impl From<&crate::metrics::Ledger> for LedgerCounts {
    fn from(ledger: &crate::metrics::Ledger) -> Self {
        let &crate::metrics::Ledger {
            lost,
            one_leg_only,
            duplicated,
            misdelivered,
            lost_on_reconnect,
            mixed_up,
        } = ledger;
        LedgerCounts { lost, one_leg_only, duplicated, misdelivered, lost_on_reconnect, mixed_up }
    }
}

impl From<&crate::metrics::Recovered> for Recovery {
    fn from(recovered: &crate::metrics::Recovered) -> Self {
        let &crate::metrics::Recovered { survived, lost, stale, unknown } = recovered;
        Recovery { survived, lost, stale, unknown }
    }
}

/// Attempts whose flow broke off, by flow, step and the message of the step.
fn broken(counters: &Counters) -> ByName {
    let name = |(flow, step): (&str, usize)| {
        let act = Flow::from_name(flow).and_then(|flow| flow.script().step(step)).map(Step::message);
        format!("{flow}.{} {}", step + 1, act.unwrap_or("end"))
    };
    let mut broken: ByName = counters.broken.iter().map(|(at, count)| (name(at), count)).collect();
    if counters.broken.others() > 0 {
        broken.insert(OTHERS.to_owned(), counters.broken.others());
    }
    broken
}

/// Attempts by flow and outcome.
fn flows(counters: &Counters) -> BTreeMap<String, ByName> {
    let mut flows = BTreeMap::<String, ByName>::new();
    for ((flow, outcome), count) in counters.flows.iter() {
        flows.entry(flow.to_owned()).or_default().insert(outcome.to_owned(), count);
    }
    if counters.flows.others() > 0 {
        flows.entry(OTHERS.to_owned()).or_default().insert(OTHERS.to_owned(), counters.flows.others());
    }
    flows
}

/// Those of `counts` that are not zero.
fn named<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> ByName {
    counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Counts by code; `none` is the name of a missing code.
fn by_code(counts: &Counts<Option<i32>>) -> ByName {
    let name = |code: Option<i32>| code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let mut codes: ByName = counts.iter().map(|(code, count)| (name(code), count)).collect();
    if counts.others() > 0 {
        codes.insert(OTHERS.into(), counts.others());
    }
    codes
}

/// The failed sign-ons, those that had no place any more under [`OTHERS`].
fn signon_failures(failures: &Counts<SignonFailureKey>) -> Vec<SignonFailures> {
    let others = SignonFailures { cause: OTHERS.into(), status: None, count: failures.others() };
    failures
        .iter()
        .map(|(key, count)| SignonFailures { cause: key.cause.name().into(), status: key.status, count })
        .chain((others.count > 0).then_some(others))
        .collect()
}

/// The connections that ended, those that had no place any more under [`OTHERS`].
fn disconnects(counters: &Counters) -> Vec<Disconnects> {
    let closes = &counters.disconnects;
    closes
        .iter()
        .map(|(key, count)| {
            let code = CloseCode::from(key.code);
            Disconnects {
                code: key.code,
                name: code.name().into(),
                class: code.class().name().into(),
                initiator: key.initiator.name().into(),
                phase: key.phase.name().into(),
                count,
            }
        })
        .chain((closes.others() > 0).then(|| Disconnects::others(closes.others())))
        .collect()
}

impl Disconnects {
    /// Connections that ended in ways of which there were too many to keep apart.
    fn others(count: u64) -> Disconnects {
        let others = || OTHERS.to_owned();
        Disconnects { code: 0, name: others(), class: others(), initiator: others(), phase: others(), count }
    }

    /// What has to be equal for two to be counted as one.
    fn key(&self) -> (u16, &str, &str) {
        (self.code, &self.initiator, &self.phase)
    }
}

impl SignonFailures {
    /// What has to be equal for two to be counted as one.
    fn key(&self) -> (&str, Option<i32>) {
        (&self.cause, self.status)
    }
}

impl Counted {
    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Counted) {
        // Taken apart field by field, so that a new one cannot be forgotten.
        let Counted {
            sessions,
            signon_failures,
            reconnect_failures,
            recovery,
            attempts,
            attempts_failed,
            attempts_rejected,
            attempts_intended,
            attempts_broken,
            flows,
            side_calls,
            nonces_confirmed,
            calls,
            hangups,
            event_errors,
            ledger,
            requests,
            late_responses,
            events,
            states,
            unknown_events,
            malformed_messages,
            binary_messages,
            repaired_messages,
            stray_events,
            subprotocol_missing,
            keepalives,
            disconnects,
            connected_us,
            late,
        } = other;
        self.sessions.add(sessions);
        signon_failures.iter().for_each(|failures| add_signon_failures(&mut self.signon_failures, failures));
        reconnect_failures
            .iter()
            .for_each(|failures| add_signon_failures(&mut self.reconnect_failures, failures));
        self.recovery.add(recovery);
        self.attempts.add(attempts);
        add_names(&mut self.attempts_failed, attempts_failed);
        add_names(&mut self.attempts_rejected, attempts_rejected);
        self.attempts_intended += attempts_intended;
        add_names(&mut self.attempts_broken, attempts_broken);
        for (flow, ended) in flows {
            add_names(self.flows.entry(flow.clone()).or_default(), ended);
        }
        self.side_calls.started += side_calls.started;
        add_names(&mut self.side_calls.ended, &side_calls.ended);
        self.side_calls.talk_us += side_calls.talk_us;
        self.nonces_confirmed += nonces_confirmed;
        self.calls.completed += calls.completed;
        self.calls.ended += calls.ended;
        self.calls.talk_us += calls.talk_us;
        self.calls.up_us += calls.up_us;
        self.calls.talk_within_us += calls.talk_within_us;
        add_names(&mut self.hangups, hangups);
        add_names(&mut self.event_errors, event_errors);
        self.ledger.add(ledger);
        self.requests.add(requests);
        self.late_responses += late_responses;
        add_names(&mut self.events, events);
        self.states += states;
        self.unknown_events += unknown_events;
        self.malformed_messages += malformed_messages;
        self.binary_messages += binary_messages;
        self.repaired_messages += repaired_messages;
        self.stray_events += stray_events;
        self.subprotocol_missing += subprotocol_missing;
        self.keepalives.sent += keepalives.sent;
        self.keepalives.answered += keepalives.answered;
        self.keepalives.missed += keepalives.missed;
        disconnects.iter().for_each(|closes| add_disconnects(&mut self.disconnects, closes));
        self.connected_us += connected_us;
        self.late += late;
    }
}

impl SessionCounts {
    fn add(&mut self, other: &SessionCounts) {
        let SessionCounts { created, failed, deleted, delete_failed, renewed } = other;
        self.created += created;
        self.failed += failed;
        self.deleted += deleted;
        self.delete_failed += delete_failed;
        self.renewed += renewed;
    }
}

impl Counted {
    /// Attempts that were sent and ended otherwise than their flow intended. Those that the run's end cut off did not.
    pub fn attempts_unintended(&self) -> u64 {
        let attempts = &self.attempts;
        let as_intended = self.attempts_intended.saturating_sub(self.broken());
        attempts.ended().saturating_sub(attempts.blocked + attempts.unfinished + as_intended)
    }

    /// Attempts that were answered, but whose flow broke off later.
    pub fn broken(&self) -> u64 {
        self.attempts_broken.values().sum()
    }
}

impl Attempts {
    /// Attempts that have ended, or were never sent.
    pub fn ended(&self) -> u64 {
        self.blocked
            + self.answered
            + self.declined
            + self.busy
            + self.cancelled
            + self.unavailable
            + self.redirected
            + self.failed
            + self.unfinished
            + self.done
    }

    /// Attempts that the server could have answered, and that have their outcome.
    pub fn with_outcome(&self) -> u64 {
        self.ended().saturating_sub(self.blocked + self.unfinished + self.redirected + self.done)
    }

    fn add(&mut self, other: &Attempts) {
        self.due += other.due;
        self.started += other.started;
        self.blocked += other.blocked;
        self.answered += other.answered;
        self.declined += other.declined;
        self.busy += other.busy;
        self.cancelled += other.cancelled;
        self.unavailable += other.unavailable;
        self.redirected += other.redirected;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.done += other.done;
    }
}

impl LedgerCounts {
    fn add(&mut self, other: &LedgerCounts) {
        self.lost += other.lost;
        self.one_leg_only += other.one_leg_only;
        self.duplicated += other.duplicated;
        self.misdelivered += other.misdelivered;
        self.lost_on_reconnect += other.lost_on_reconnect;
        self.mixed_up += other.mixed_up;
    }
}

impl Recovery {
    fn add(&mut self, other: &Recovery) {
        let Recovery { survived, lost, stale, unknown } = other;
        self.survived += survived;
        self.lost += lost;
        self.stale += stale;
        self.unknown += unknown;
    }
}

impl Requests {
    fn add(&mut self, other: &Requests) {
        add_names(&mut self.sent, &other.sent);
        self.acked += other.acked;
        add_names(&mut self.errors, &other.errors);
        self.timeouts += other.timeouts;
    }
}

/// Adds counts by name, in bounded space.
fn add_names(mine: &mut ByName, theirs: &ByName) {
    for (name, count) in theirs {
        let full = mine.len() >= MAX_CODES && !mine.contains_key(name);
        let name = if full { OTHERS } else { name };
        match mine.get_mut(name) {
            Some(mine) => *mine += count,
            None => {
                mine.insert(name.to_owned(), *count);
            }
        }
    }
}

/// Adds failed sign-ons of one cause, in bounded space.
fn add_signon_failures(mine: &mut Vec<SignonFailures>, theirs: &SignonFailures) {
    let known = mine.iter().position(|one| one.key() == theirs.key());
    match known {
        Some(known) => mine[known].count += theirs.count,
        None if mine.len() < MAX_CODES || theirs.cause == OTHERS => mine.push(theirs.clone()),
        None => {
            let others = SignonFailures { cause: OTHERS.into(), status: None, count: theirs.count };
            add_signon_failures(mine, &others);
        }
    }
    mine.sort_by(|one, other| one.key().cmp(&other.key()));
}

/// Adds connections that ended in one way, in bounded space.
fn add_disconnects(mine: &mut Vec<Disconnects>, theirs: &Disconnects) {
    let known = mine.iter().position(|one| one.key() == theirs.key());
    match known {
        Some(known) => mine[known].count += theirs.count,
        None if mine.len() < MAX_CODES || theirs.name == OTHERS => mine.push(theirs.clone()),
        None => add_disconnects(mine, &Disconnects::others(theirs.count)),
    }
    mine.sort_by(|one, other| one.key().cmp(&other.key()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_server_cannot_make_the_totals_grow() {
        let mut totals = Counted::default();
        for round in 0..50_i32 {
            let mut counters = Counters::default();
            for code in 0..100 {
                counters.hangups.count(Some(round * 100 + code));
            }
            totals.add(&Counted::from(&counters));
        }
        assert!(totals.hangups.len() <= MAX_CODES + 1);
        assert_eq!(totals.hangups.values().sum::<u64>(), 5_000);
    }

    #[test]
    fn names_that_were_not_counted_are_left_out() {
        let mut counters = Counters::default();
        counters.requests_sent[RequestName::Accept.index()] = 2;
        let counted = Counted::from(&counters);
        assert_eq!(counted.requests.sent, ByName::from([("accept".to_owned(), 2)]));
        assert!(counted.events.is_empty());
    }
}
