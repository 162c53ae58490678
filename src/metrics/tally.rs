//! What was counted and timed in some stretch of a run.

use super::{
    AttemptFailure, Counts, Each, FlowLatencies, Latency, LatencyHistogram, Metric, Outcome, Phase,
    SignonFailure,
};
use crate::protocol::{EventName, RequestName};
use crate::transport::Initiator;

/// How a connection ended, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisconnectKey {
    /// The close code; 1006 when there was no close frame.
    pub code: u16,
    /// Who closed.
    pub initiator: Initiator,
    /// What the connection was doing.
    pub phase: Phase,
}

/// How a sign-on failed, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignonFailureKey {
    /// Why.
    pub cause: SignonFailure,
    /// HTTP status, close code or SIP status, as the cause says.
    pub status: Option<i32>,
}

/// Findings about the server: calls that did not go the same way on both legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Calls of which the callee never heard.
    pub lost: u64,
    /// Calls that one leg believed up and the other did not.
    pub one_leg_only: u64,
    /// Calls that arrived more than once.
    pub duplicated: u64,
    /// Calls that arrived at a client that nobody called.
    pub misdelivered: u64,
    /// Calls that a reconnecting client found gone.
    pub lost_on_reconnect: u64,
    /// Calls that came in with another call's nonce in their SDP.
    pub mixed_up: u64,
}

/// Calls that flows needed beside the attempts' own: a consultation, a second call, one that fills a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideCalls {
    /// Placed.
    pub started: u64,
    /// Ended, by the name of the outcome.
    pub ended: Counts<&'static str>,
    /// Time for which answered ones were up, in microseconds, counted when they end.
    pub talk_micros: u64,
}

impl SideCalls {
    fn add(&mut self, other: &SideCalls) {
        self.started += other.started;
        self.ended.add(&other.ended);
        self.talk_micros += other.talk_micros;
    }
}

/// What clients found on their lines when they signed on (protocol, section 2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Calls of theirs that had outlived the connection, and went on.
    pub survived: u64,
    /// Calls of theirs that the server had no more.
    pub lost: u64,
    /// Calls of theirs that had been given up in the meantime: hung up.
    pub stale: u64,
    /// Calls that they had never heard of: hung up.
    pub unknown: u64,
}

/// What there is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Clients with an open connection.
    pub connected: u64,
    /// Clients that are signed on.
    pub signed_on: u64,
    /// Calls that are being set up or are up.
    pub calls: u64,
    /// Calls that are answered and up.
    pub calls_answered: u64,
    /// Control clients and their twins with an open connection; they are not among the others.
    pub control: u64,
}

/// Everything that was counted and timed in some stretch of a run: a second of a worker, or a whole run.
///
/// It begins at a cache line, so that to move it takes the same instructions wherever that is: CI counts them, and on a stack
/// they would otherwise depend on the length of the program's path.
#[derive(Clone, Debug, PartialEq)]
#[repr(align(64))]
pub struct Tally {
    /// The latencies, by [`Metric::index`].
    pub latencies: Vec<Latency>,
    /// Those of calls once more, by flow; where they are kept apart.
    pub by_flow: FlowLatencies,
    /// The latencies of responses, by [`RequestName::index`].
    pub acks: Vec<LatencyHistogram>,
    /// What was counted.
    pub counters: Counters,
}

/// Everything that was counted in some stretch of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Attempts that came due.
    pub due: u64,
    /// Attempts whose request was sent.
    pub started: u64,
    /// Attempts that ended, by how.
    pub answered: u64,
    /// See [`Outcome::Declined`].
    pub declined: u64,
    /// See [`Outcome::Busy`].
    pub busy: u64,
    /// See [`Outcome::Cancelled`].
    pub cancelled: u64,
    /// See [`Outcome::Unavailable`].
    pub unavailable: u64,
    /// See [`Outcome::Redirected`].
    pub redirected: u64,
    /// See [`Outcome::Blocked`].
    pub blocked: u64,
    /// See [`Outcome::Unfinished`].
    pub unfinished: u64,
    /// See [`Outcome::Done`].
    pub done: u64,
    /// Attempts that failed, by [`AttemptFailure::index`].
    pub failed: Each<{ AttemptFailure::COUNT }>,
    /// Codes with which attempts ended as [`AttemptFailure::Rejected`]; `None` for a `hangup` without one.
    pub rejections: Counts<Option<i32>>,
    /// Attempts that ended as their flow intended.
    pub intended: u64,
    /// Attempts that were answered, and whose flow broke off later: by the name of the flow and the number of the step.
    pub broken: Counts<(&'static str, usize)>,
    /// Attempts that came to a stop otherwise than their flow intends: by the name of the flow, the number of the step,
    /// and whether that did not come in time. Seen while a run goes on; no record has it.
    pub stopped_at: Counts<(&'static str, usize, bool)>,
    /// Attempts that have ended, by the name of the flow and of the outcome.
    pub flows: Counts<(&'static str, &'static str)>,
    /// Calls that flows needed beside the attempts' own.
    pub side_calls: SideCalls,
    /// Calls that came in with the nonce in their SDP that their caller had put there.
    pub nonces_confirmed: u64,
    /// Answered calls that ended with a regular `hangup` on both legs.
    pub completed: u64,
    /// Time for which answered calls were up, in microseconds, counted when they end.
    pub talk_micros: u64,
    /// Answered calls that have ended.
    pub talks: u64,
    /// Time for which answered calls were up, in microseconds, by the number of them.
    pub up_micros: u64,
    /// The same by the calls themselves: the part of each one's talk time that falls into this stretch.
    pub talk_within_micros: u64,
    /// Sessions that were made through the REST API.
    pub sessions_created: u64,
    /// Requests for a session that failed, those included that were repeated.
    pub sessions_failed: u64,
    /// Sessions that were made in place of one that the server had ended.
    pub sessions_renewed: u64,
    /// Sign-ons of the schedule that succeeded.
    pub signed_on: u64,
    /// Sign-ons of the schedule that failed.
    pub signon_failures: Counts<SignonFailureKey>,
    /// Sign-ons of control clients and their twins that succeeded; not among those above.
    pub control_signed_on: u64,
    /// Sign-ons of control clients and their twins that failed; not among those above.
    pub control_signon_failed: u64,
    /// Dials of clients that came back after a lost connection or a failed sign-on.
    pub reconnect_attempts: u64,
    /// Those that ended signed on.
    pub reconnects: u64,
    /// Those that did not.
    pub reconnect_failures: Counts<SignonFailureKey>,
    /// Clients that were to come back and stayed away.
    pub given_up: u64,
    /// What clients found on their lines when they signed on.
    pub recovered: Recovered,
    /// Requests sent, by [`RequestName::index`]; keepalives are counted apart.
    pub requests_sent: Each<{ RequestName::COUNT }>,
    /// Requests acknowledged.
    pub acked: u64,
    /// Requests refused, by code; `None` for a refusal without one.
    pub request_errors: Counts<Option<i32>>,
    /// Requests not answered in time.
    pub request_timeouts: u64,
    /// Answers that came after their request had timed out, or to no request.
    pub late_responses: u64,
    /// Events received, by [`EventName::index`].
    pub events: Each<{ EventName::COUNT }>,
    /// Handshake states received.
    pub states: u64,
    /// Codes of `error` events.
    pub event_errors: Counts<Option<i32>>,
    /// Codes of `hangup` events.
    pub hangups: Counts<Option<i32>>,
    /// Messages of a name that the protocol does not have.
    pub unknown_messages: u64,
    /// Messages that were no messages of the protocol.
    pub malformed_messages: u64,
    /// Binary messages.
    pub binary_messages: u64,
    /// Messages that were understood after a repair.
    pub repaired_messages: u64,
    /// Events for calls that were over or never were.
    pub stray_events: u64,
    /// Connections on which the server did not select the sub-protocol.
    pub subprotocol_missing: u64,
    /// Keepalives sent.
    pub keepalives_sent: u64,
    /// Keepalives answered.
    pub keepalives_answered: u64,
    /// Keepalives not answered in time.
    pub keepalives_missed: u64,
    /// Connections that ended, by how.
    pub disconnects: Counts<DisconnectKey>,
    /// Time for which connections were open, in microseconds.
    pub connected_micros: u64,
    /// Findings about the server.
    pub ledger: Ledger,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            latencies: Latency::of_each(),
            by_flow: FlowLatencies::default(),
            acks: vec![LatencyHistogram::default(); RequestName::COUNT],
            counters: Counters::default(),
        }
    }
}

impl Tally {
    /// The latencies of `metric` from the time sent.
    pub fn service(&self, metric: Metric) -> &LatencyHistogram {
        &self.latencies[metric.index()].service
    }

    /// The latencies of `metric` from the due time, if it has one.
    pub fn response(&self, metric: Metric) -> Option<&LatencyHistogram> {
        self.latencies[metric.index()].response.as_ref()
    }

    /// Adds all that `other` counted and timed: the only merge there is.
    pub fn add(&mut self, other: &Tally) {
        self.add_latencies(other);
        self.counters.add(&other.counters);
    }

    /// Adds all that `other` timed.
    pub fn add_latencies(&mut self, other: &Tally) {
        for (mine, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            mine.add(theirs);
        }
        self.by_flow.add(&other.by_flow);
        for (mine, theirs) in self.acks.iter_mut().zip(&other.acks) {
            mine.add(theirs);
        }
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.latencies.iter_mut().for_each(Latency::clear);
        self.by_flow.clear();
        self.acks.iter_mut().for_each(LatencyHistogram::clear);
        self.counters = Counters::default();
    }
}

impl Counters {
    /// Counts an attempt that has ended.
    pub fn end(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Declined => self.declined += 1,
            Outcome::Busy => self.busy += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Unavailable => self.unavailable += 1,
            Outcome::Redirected => self.redirected += 1,
            Outcome::Failed(reason) => self.failed[reason.index()] += 1,
            Outcome::Blocked => self.blocked += 1,
            Outcome::Unfinished => self.unfinished += 1,
            Outcome::Done => self.done += 1,
        }
    }

    /// Attempts that failed, for any reason.
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Attempts that have ended.
    pub fn ended(&self) -> u64 {
        self.answered
            + self.declined
            + self.busy
            + self.cancelled
            + self.unavailable
            + self.redirected
            + self.failed_total()
            + self.blocked
            + self.unfinished
            + self.done
    }

    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Counters) {
        // Taken apart field by field, so that a new one cannot be forgotten.
        let Counters {
            due,
            started,
            answered,
            declined,
            busy,
            cancelled,
            unavailable,
            redirected,
            blocked,
            unfinished,
            done,
            failed,
            rejections,
            intended,
            broken,
            flows,
            stopped_at,
            side_calls,
            nonces_confirmed,
            completed,
            talk_micros,
            talks,
            up_micros,
            talk_within_micros,
            sessions_created,
            sessions_failed,
            sessions_renewed,
            signed_on,
            signon_failures,
            control_signed_on,
            control_signon_failed,
            reconnect_attempts,
            reconnects,
            reconnect_failures,
            given_up,
            recovered,
            requests_sent,
            acked,
            request_errors,
            request_timeouts,
            late_responses,
            events,
            states,
            event_errors,
            hangups,
            unknown_messages,
            malformed_messages,
            binary_messages,
            repaired_messages,
            stray_events,
            subprotocol_missing,
            keepalives_sent,
            keepalives_answered,
            keepalives_missed,
            disconnects,
            connected_micros,
            ledger,
        } = other;
        self.due += due;
        self.started += started;
        self.answered += answered;
        self.declined += declined;
        self.busy += busy;
        self.cancelled += cancelled;
        self.unavailable += unavailable;
        self.redirected += redirected;
        self.blocked += blocked;
        self.unfinished += unfinished;
        self.failed.add(failed);
        self.rejections.add(rejections);
        self.intended += intended;
        self.done += done;
        self.broken.add(broken);
        self.flows.add(flows);
        self.side_calls.add(side_calls);
        self.nonces_confirmed += nonces_confirmed;
        self.completed += completed;
        self.talk_micros += talk_micros;
        self.talks += talks;
        self.up_micros += up_micros;
        self.talk_within_micros += talk_within_micros;
        self.sessions_created += sessions_created;
        self.sessions_failed += sessions_failed;
        self.sessions_renewed += sessions_renewed;
        self.signed_on += signed_on;
        self.signon_failures.add(signon_failures);
        self.control_signed_on += control_signed_on;
        self.control_signon_failed += control_signon_failed;
        self.reconnect_attempts += reconnect_attempts;
        self.reconnects += reconnects;
        self.reconnect_failures.add(reconnect_failures);
        self.given_up += given_up;
        self.recovered.survived += recovered.survived;
        self.recovered.lost += recovered.lost;
        self.recovered.stale += recovered.stale;
        self.recovered.unknown += recovered.unknown;
        self.requests_sent.add(requests_sent);
        self.acked += acked;
        self.request_errors.add(request_errors);
        self.request_timeouts += request_timeouts;
        self.late_responses += late_responses;
        self.events.add(events);
        self.states += states;
        self.event_errors.add(event_errors);
        self.hangups.add(hangups);
        self.unknown_messages += unknown_messages;
        self.malformed_messages += malformed_messages;
        self.binary_messages += binary_messages;
        self.repaired_messages += repaired_messages;
        self.stray_events += stray_events;
        self.stopped_at.add(stopped_at);
        self.subprotocol_missing += subprotocol_missing;
        self.keepalives_sent += keepalives_sent;
        self.keepalives_answered += keepalives_answered;
        self.keepalives_missed += keepalives_missed;
        self.disconnects.add(disconnects);
        self.connected_micros += connected_micros;
        self.ledger.lost += ledger.lost;
        self.ledger.one_leg_only += ledger.one_leg_only;
        self.ledger.duplicated += ledger.duplicated;
        self.ledger.misdelivered += ledger.misdelivered;
        self.ledger.lost_on_reconnect += ledger.lost_on_reconnect;
        self.ledger.mixed_up += ledger.mixed_up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_tally_is_an_empty_one() {
        let mut tally = Tally::default();
        tally.counters.due = 3;
        tally.latencies[0].service.record(5);
        tally.counters.end(Outcome::Failed(AttemptFailure::Rejected));
        tally.clear();
        assert_eq!(tally, Tally::default());
    }
}
