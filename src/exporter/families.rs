//! Every metric that there is: its name, its labels, where the same figure is in `run.json`, and how it is read.
//!
//! A name is that of `run.json`, with `_` for `.`. What `run.json` has as a map by name or code, and what adds up to a
//! whole, has a label. Microseconds are seconds here, and what only grows ends with `_total`.

use super::text::Samples;
use crate::metrics::{AttemptFailure, Metric, Tally};
use crate::protocol::{EventName, RequestName};
use crate::record::{
    Attempts, Health, LedgerCounts, Recovery, RunRecord, SignonFailures, StoredGauges, Validity, Wanted,
};
use crate::verdict;

/// A metric of Prometheus: all samples of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name, without [`PREFIX`](super::PREFIX).
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Where the same is in `run.json`; several places have commas between them.
    pub in_record: &'static str,
    /// What it is.
    pub help: &'static str,
    pub(super) write: fn(&Moment<'_>, &mut Samples<'_>),
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, in buckets.
    Histogram,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What is known of a run at some moment.
pub(super) struct Moment<'a> {
    /// All of it until now.
    pub record: &'a RunRecord,
    /// Its latencies.
    pub latencies: &'a Tally,
    /// What is wanted by now.
    pub wanted: &'a Wanted,
    /// What there was at the end of the last second.
    pub gauges: StoredGauges,
    /// How the generator was in it.
    pub health: Health,
    /// The stage that it was in.
    pub stage: Option<u32>,
}

type Write = fn(&Moment<'_>, &mut Samples<'_>);
type Labels = &'static [&'static str];

const fn counter(
    name: &'static str,
    labels: Labels,
    in_record: &'static str,
    help: &'static str,
    write: Write,
) -> Family {
    Family { name, kind: Kind::Counter, labels, in_record, help, write }
}

const fn gauge(
    name: &'static str,
    labels: Labels,
    in_record: &'static str,
    help: &'static str,
    write: Write,
) -> Family {
    Family { name, kind: Kind::Gauge, labels, in_record, help, write }
}

const fn histogram(
    name: &'static str,
    labels: Labels,
    in_record: &'static str,
    help: &'static str,
    write: Write,
) -> Family {
    Family { name, kind: Kind::Histogram, labels, in_record, help, write }
}

/// All of them, in the order of a page.
#[rustfmt::skip] // a table: a row or two a metric
pub const FAMILIES: &[Family] = &[
    gauge("run_info", &["version", "profile", "hash", "seed", "target", "dialect"],
        "tool.version, profile.name, profile.hash, profile.seed, target.url, target.dialect_detected",
        "What runs, once the load begins: always 1.", run_info),
    gauge("started_at_seconds", &[], "started_at", "When the run started, since the epoch.",
        |run, to| to.value((run.record.started_at > 0).then_some(run.record.started_at as f64 / 1e3))),
    gauge("duration_seconds", &[], "duration_us", "How long has been measured.",
        |run, to| to.micros(run.record.duration_us)),
    gauge("stage", &["stage"], "stages.name", "1 for the stage that goes on, 0 for the others.", stages),

    gauge("gauges_connected", &[], "intervals.gauges.connected", "Clients with an open connection.",
        |run, to| to.count(run.gauges.connected)),
    gauge("gauges_signed_on", &[], "intervals.gauges.signed_on", "Clients that are signed on.",
        |run, to| to.count(run.gauges.signed_on)),
    gauge("gauges_calls", &[], "intervals.gauges.calls", "Calls that are being set up or are up.",
        |run, to| to.count(run.gauges.calls)),
    gauge("gauges_calls_answered", &[], "intervals.gauges.calls_answered", "Calls that are answered and up.",
        |run, to| to.count(run.gauges.calls_answered)),
    gauge("gauges_control", &[], "intervals.gauges.control", "Control clients and twins with an open connection.",
        |run, to| to.count(run.gauges.control)),

    gauge("clients_planned", &[], "clients.planned", "The most clients that any stage asks for.",
        |run, to| to.count(run.record.clients.planned)),
    gauge("clients_peak", &[], "clients.peak", "The most clients that were signed on at the end of any second.",
        |run, to| to.count(run.record.clients.peak)),
    counter("clients_signons_planned_total", &[], "stages.clients",
        "Sign-ons that the plan wants by now, those of churn included.", |run, to| to.value(run.wanted.signons())),
    counter("clients_signed_on_total", &[], "clients.signed_on", "Sign-ons of the schedule that succeeded.",
        |run, to| to.count(run.record.clients.signons.signed_on)),
    counter("clients_signon_failed_total", &[], "clients.signon_failed", "Sign-ons of the schedule that failed.",
        |run, to| to.count(run.record.clients.signons.signon_failed)),
    counter("clients_reconnect_attempts_total", &[], "clients.reconnect_attempts",
        "Attempts of clients to come back.", |run, to| to.count(run.record.clients.signons.reconnect_attempts)),
    counter("clients_reconnects_total", &[], "clients.reconnects", "Those that ended signed on.",
        |run, to| to.count(run.record.clients.signons.reconnects)),
    counter("clients_reconnects_failed_total", &[], "clients.reconnects_failed", "Those that did not.",
        |run, to| to.count(run.record.clients.signons.reconnects_failed)),
    counter("clients_given_up_total", &[], "clients.given_up", "Clients that were to come back and stayed away.",
        |run, to| to.count(run.record.clients.signons.given_up)),
    counter("signon_failures_total", &["cause", "status"], "signon_failures", "Failed sign-ons of the schedule.",
        |run, to| signon_failures(&run.record.counted.signon_failures, to)),
    counter("reconnect_failures_total", &["cause", "status"], "reconnect_failures",
        "Failed attempts of clients to come back.",
        |run, to| signon_failures(&run.record.counted.reconnect_failures, to)),
    counter("recovery_total", &["found"], "recovery", "Calls that clients found on their lines when they signed on.",
        recovery),
    counter("sessions_created_total", &[], "sessions.created", "Sessions made through the REST API.",
        |run, to| to.count(run.record.counted.sessions.created)),
    counter("sessions_failed_total", &[], "sessions.failed", "Requests for a session that failed.",
        |run, to| to.count(run.record.counted.sessions.failed)),
    counter("sessions_renewed_total", &[], "sessions.renewed", "Sessions made in place of one that had ended.",
        |run, to| to.count(run.record.counted.sessions.renewed)),

    counter("attempts_planned_total", &[], "stages.calls_per_second_from, stages.calls_per_second_to",
        "Attempts that are wanted by now, by the plan and what was changed by hand; those of callers are not among them.",
        |run, to| to.value(run.wanted.calls())),
    counter("attempts_due_total", &[], "attempts.due", "Attempts that came due.",
        |run, to| to.count(run.record.counted.attempts.due)),
    counter("attempts_started_total", &[], "attempts.started", "Attempts whose request was sent.",
        |run, to| to.count(run.record.counted.attempts.started)),
    counter("attempts_total", &["outcome"], "attempts", "Attempts that have ended.", attempts),
    counter("attempts_intended_total", &[], "attempts_intended", "Attempts that ended as their flow intends.",
        |run, to| to.count(run.record.counted.attempts_intended)),
    counter("attempts_failed_total", &["reason"], "attempts_failed", "Failed attempts.",
        |run, to| to.set(AttemptFailure::ALL.iter().map(|one| one.name()), &run.record.counted.attempts_failed)),
    counter("attempts_rejected_total", &["code"], "attempts_rejected", "Attempts that failed as rejected.",
        |run, to| to.names(&run.record.counted.attempts_rejected)),
    counter("attempts_broken_total", &["step"], "attempts_broken",
        "Attempts that were answered, but whose flow broke off at a later step.",
        |run, to| to.names(&run.record.counted.attempts_broken)),
    counter("flows_total", &["flow", "outcome"], "flows", "Attempts that have ended, by flow.", flows),
    counter("side_calls_started_total", &[], "side_calls.started", "Calls beside the attempts' own that were placed.",
        |run, to| to.count(run.record.counted.side_calls.started)),
    counter("side_calls_ended_total", &["outcome"], "side_calls.ended", "Calls beside the attempts' own that ended.",
        |run, to| to.names(&run.record.counted.side_calls.ended)),
    counter("side_calls_talk_seconds_total", &[], "side_calls.talk_us", "Time for which these were up.",
        |run, to| to.micros(run.record.counted.side_calls.talk_us)),
    counter("nonces_confirmed_total", &[], "nonces_confirmed", "Calls that came in with their caller's nonce.",
        |run, to| to.count(run.record.counted.nonces_confirmed)),
    counter("calls_completed_total", &[], "calls.completed", "Answered calls that ended regularly on both legs.",
        |run, to| to.count(run.record.counted.calls.completed)),
    counter("calls_ended_total", &[], "calls.ended", "Answered calls that ended.",
        |run, to| to.count(run.record.counted.calls.ended)),
    counter("calls_talk_seconds_total", &[], "calls.talk_us", "Time for which these were up.",
        |run, to| to.micros(run.record.counted.calls.talk_us)),
    counter("calls_up_seconds_total", &[], "calls.up_us",
        "Time for which answered calls were up, ended or not; its rate is the traffic in erlangs.",
        |run, to| to.micros(run.record.counted.calls.up_us)),
    counter("calls_talk_within_seconds_total", &[], "calls.talk_within_us", "The same by the calls themselves.",
        |run, to| to.micros(run.record.counted.calls.talk_within_us)),
    counter("hangups_total", &["code"], "hangups", "Hangup events of both legs.",
        |run, to| to.names(&run.record.counted.hangups)),
    counter("event_errors_total", &["code"], "event_errors", "Error events.",
        |run, to| to.names(&run.record.counted.event_errors)),
    counter("ledger_total", &["finding"], "ledger", "Calls that did not go the same way on both legs.", ledger),

    counter("requests_sent_total", &["request"], "requests.sent", "Requests, keepalives left out.",
        |run, to| to.set(requests(), &run.record.counted.requests.sent)),
    counter("requests_acked_total", &[], "requests.acked", "Requests that were acknowledged.",
        |run, to| to.count(run.record.counted.requests.acked)),
    counter("requests_errors_total", &["code"], "requests.errors", "Requests that were refused.",
        |run, to| to.names(&run.record.counted.requests.errors)),
    counter("requests_timeouts_total", &[], "requests.timeouts", "Requests that were not answered in time.",
        |run, to| to.count(run.record.counted.requests.timeouts)),
    counter("late_responses_total", &[], "late_responses", "Answers after the time-out, or to no request.",
        |run, to| to.count(run.record.counted.late_responses)),
    counter("events_total", &["event"], "events", "Events received.",
        |run, to| to.set(EventName::ALL.iter().map(|event| event.name()), &run.record.counted.events)),
    counter("states_total", &[], "states", "Handshake states received.",
        |run, to| to.count(run.record.counted.states)),
    counter("unknown_events_total", &[], "unknown_events", "Messages of a name that the protocol does not have.",
        |run, to| to.count(run.record.counted.unknown_events)),
    counter("malformed_messages_total", &[], "malformed_messages", "Messages that were none of the protocol.",
        |run, to| to.count(run.record.counted.malformed_messages)),
    counter("binary_messages_total", &[], "binary_messages", "Binary messages.",
        |run, to| to.count(run.record.counted.binary_messages)),
    counter("repaired_messages_total", &[], "repaired_messages", "Messages that were understood after a repair.",
        |run, to| to.count(run.record.counted.repaired_messages)),
    counter("stray_events_total", &[], "stray_events", "Events for calls that were over or never were.",
        |run, to| to.count(run.record.counted.stray_events)),
    counter("subprotocol_missing_total", &[], "subprotocol_missing",
        "Connections on which the server did not select the sub-protocol.",
        |run, to| to.count(run.record.counted.subprotocol_missing)),
    counter("keepalives_sent_total", &[], "keepalives.sent", "Keepalives sent.",
        |run, to| to.count(run.record.counted.keepalives.sent)),
    counter("keepalives_answered_total", &[], "keepalives.answered", "Keepalives answered.",
        |run, to| to.count(run.record.counted.keepalives.answered)),
    counter("keepalives_missed_total", &[], "keepalives.missed", "Keepalives not answered in time.",
        |run, to| to.count(run.record.counted.keepalives.missed)),
    counter("disconnects_total", &["code", "name", "class", "initiator", "phase"], "disconnects",
        "Connections that ended.", disconnects),
    counter("connected_seconds_total", &[], "connected_us", "Time for which connections were open.",
        |run, to| to.micros(run.record.counted.connected_us)),

    histogram("latency_seconds", &["metric", "basis"], "latency",
        "Latencies: basis response counts from when it was due, service from when it was sent.", latencies),
    histogram("latency_ack_by_request_seconds", &["request"], "latency.ack_by_request",
        "From a request to its response.", acks),

    counter("late_total", &[], "late, generator.late", "Attempts that were sent more than 100 ms late.",
        |run, to| to.count(run.record.counted.late)),
    gauge("generator_validity", &["validity"], "generator.validity",
        "1 for whether the generator has been fit until now: valid, degraded or void.", validity),
    gauge("generator_workers", &[], "generator.workers", "Worker threads.",
        |run, to| to.count(u64::from(run.record.generator.workers))),
    gauge("generator_cpu_cores", &[], "generator.cpu_cores", "Processor time used over the run, in cores.",
        |run, to| to.value(run.record.generator.cpu_cores)),
    gauge("generator_worker_cpu_max", &[], "generator.worker_cpu_max",
        "The busiest worker in its busiest second, as a part of one core.",
        |run, to| to.value(run.record.generator.worker_cpu_max)),
    counter("generator_busy_seconds_total", &[], "generator.busy_us",
        "Time in which a worker used more than 90 % of a core.", |run, to| to.micros(run.record.generator.busy_us)),
    gauge("generator_turn_max_seconds", &[], "generator.turn_max_us", "The longest turn of a worker's loop.",
        |run, to| to.micros(run.record.generator.turn_max_us)),
    gauge("generator_heartbeat_late_max_seconds", &[], "generator.heartbeat_late_max_us",
        "The worst lateness of a worker's heartbeat.",
        |run, to| to.micros(run.record.generator.heartbeat_late_max_us)),
    counter("generator_run_delay_seconds_total", &[], "generator.run_delay_us",
        "Time in which workers had something to do and no processor.",
        |run, to| to.micros(run.record.generator.run_delay_us)),
    gauge("generator_starved_part", &[], "generator.starved_part",
        "The same as a part of the time for which they had something to do.",
        |run, to| to.value(run.record.generator.starved_part)),
    gauge("generator_steal_part", &[], "generator.steal_part",
        "The part of the machine's processor time that its host gave to others.",
        |run, to| to.value(run.record.generator.steal_part)),
    counter("generator_throttled_periods_total", &[], "generator.throttled_periods",
        "Periods in which the cgroup had used up its processor time.",
        |run, to| to.count(run.record.generator.throttled_periods)),
    counter("generator_throttled_seconds_total", &[], "generator.throttled_us",
        "Time for which the cgroup was kept from running therefore.",
        |run, to| to.micros(run.record.generator.throttled_us)),
    gauge("generator_rss_peak_bytes", &[], "generator.rss_peak_bytes", "The most memory that was used.",
        |run, to| to.count(run.record.generator.rss_peak_bytes)),
    gauge("generator_fd_limit", &[], "generator.fd_limit", "Files and sockets that may be open at once.",
        |run, to| to.count(run.record.generator.fd_limit)),
    gauge("generator_fds_left_min", &[], "generator.fds_left_min", "The fewest that could still have been opened.",
        |run, to| to.count(run.record.generator.fds_left_min)),
    gauge("generator_ports_left_min", &[], "generator.ports_left_min", "The fewest local ports that were left.",
        |run, to| to.count(run.record.generator.ports_left_min)),
    counter("generator_control_signed_on_total", &[], "generator.control.signed_on",
        "Sign-ons of control clients and twins that succeeded.",
        |run, to| to.count(run.record.generator.control.counts.signed_on)),
    counter("generator_control_signon_failed_total", &[], "generator.control.signon_failed",
        "Sign-ons of control clients and twins that failed.",
        |run, to| to.count(run.record.generator.control.counts.signon_failed)),
    gauge("generator_control_difference_p50_seconds", &[], "generator.control.difference_p50_us",
        "What keepalives take longer beside the load than without it, at the median.",
        |run, to| to.value(difference(run.record.generator.control.difference_p50_us))),
    gauge("generator_control_difference_p99_seconds", &[], "generator.control.difference_p99_us",
        "The same at p99.", |run, to| to.value(difference(run.record.generator.control.difference_p99_us))),
    gauge("health_cpu_cores", &[], "intervals.health.cpu_cores",
        "Processor time used in the last second, in cores.", |run, to| to.value(run.health.cpu_cores)),
    gauge("health_worker_cpu_max", &[], "intervals.health.worker_cpu_max",
        "The busiest worker in the last second, as a part of one core.",
        |run, to| to.value(run.health.worker_cpu_max)),
    gauge("health_rss_bytes", &[], "intervals.health.rss_bytes", "Memory in use.",
        |run, to| to.count(run.health.rss_bytes)),
    gauge("health_bytes_per_client", &[], "intervals.health.bytes_per_client, generator.bytes_per_client",
        "What one more client costs in memory.", |run, to| to.count(run.health.bytes_per_client)),
    gauge("health_fds_open", &[], "intervals.health.fds_open", "Files and sockets that are open.",
        |run, to| to.count(run.health.fds_open)),
];

fn run_info(run: &Moment<'_>, to: &mut Samples<'_>) {
    let RunRecord { tool, profile, target, .. } = run.record;
    if target.url.is_empty() {
        return;
    }
    let dialect = target.dialect_detected.as_deref().unwrap_or(&target.dialect);
    let seed = profile.seed.to_string();
    to.labelled(&[&tool.version, &profile.name, &profile.hash, &seed, &target.url, dialect], 1.0);
}

fn stages(run: &Moment<'_>, to: &mut Samples<'_>) {
    for (index, stage) in run.record.stages.iter().enumerate() {
        let goes_on = run.stage == Some(index as u32);
        to.labelled(&[&stage.name], f64::from(u8::from(goes_on)));
    }
}

fn attempts(run: &Moment<'_>, to: &mut Samples<'_>) {
    // Taken apart field by field, so that a new outcome cannot be forgotten.
    let Attempts {
        due: _,
        started: _,
        blocked,
        answered,
        declined,
        busy,
        cancelled,
        unavailable,
        redirected,
        failed,
        unfinished,
        done,
    } = run.record.counted.attempts;
    let ended = [
        ("answered", answered),
        ("declined", declined),
        ("busy", busy),
        ("cancelled", cancelled),
        ("unavailable", unavailable),
        ("redirected", redirected),
        ("failed", failed),
        ("done", done),
        ("blocked", blocked),
        ("unfinished", unfinished),
    ];
    each(&ended, to);
}

fn recovery(run: &Moment<'_>, to: &mut Samples<'_>) {
    let Recovery { survived, lost, stale, unknown } = run.record.counted.recovery;
    each(&[("survived", survived), ("lost", lost), ("stale", stale), ("unknown", unknown)], to);
}

fn ledger(run: &Moment<'_>, to: &mut Samples<'_>) {
    let LedgerCounts { lost, one_leg_only, duplicated, misdelivered, lost_on_reconnect, mixed_up } =
        run.record.counted.ledger;
    let findings = [
        ("lost", lost),
        ("one_leg_only", one_leg_only),
        ("duplicated", duplicated),
        ("misdelivered", misdelivered),
        ("lost_on_reconnect", lost_on_reconnect),
        ("mixed_up", mixed_up),
    ];
    each(&findings, to);
}

fn each(counts: &[(&str, u64)], to: &mut Samples<'_>) {
    counts.iter().for_each(|(name, count)| to.labelled(&[name], *count as f64));
}

fn signon_failures(failures: &[SignonFailures], to: &mut Samples<'_>) {
    for SignonFailures { cause, status, count } in failures {
        let status = status.map(|status| status.to_string()).unwrap_or_default();
        to.labelled(&[cause, &status], *count as f64);
    }
}

fn flows(run: &Moment<'_>, to: &mut Samples<'_>) {
    for (flow, ended) in &run.record.counted.flows {
        ended.iter().for_each(|(outcome, count)| to.labelled(&[flow, outcome], *count as f64));
    }
}

fn disconnects(run: &Moment<'_>, to: &mut Samples<'_>) {
    for one in &run.record.counted.disconnects {
        let code = one.code.to_string();
        to.labelled(&[&code, &one.name, &one.class, &one.initiator, &one.phase], one.count as f64);
    }
}

fn requests() -> impl Iterator<Item = &'static str> {
    RequestName::ALL
        .iter()
        .filter(|request| **request != RequestName::Keepalive)
        .map(|request| request.name())
}

fn latencies(run: &Moment<'_>, to: &mut Samples<'_>) {
    for metric in Metric::ALL {
        if let Some(response) = run.latencies.response(*metric) {
            to.histogram(&[metric.name(), "response"], response);
        }
        to.histogram(&[metric.name(), "service"], run.latencies.service(*metric));
    }
}

/// Those of requests that were sent: most runs need few of them.
fn acks(run: &Moment<'_>, to: &mut Samples<'_>) {
    for (request, latency) in RequestName::ALL.iter().zip(&run.latencies.acks) {
        if latency.count() > 0 {
            to.histogram(&[request.name()], latency);
        }
    }
}

fn validity(run: &Moment<'_>, to: &mut Samples<'_>) {
    let now = verdict::validity(run.record);
    for validity in [Validity::Valid, Validity::Degraded, Validity::Void] {
        to.labelled(&[validity.name()], f64::from(u8::from(validity == now)));
    }
}

fn difference(micros: Option<i64>) -> Option<f64> {
    micros.map(|micros| micros as f64 / 1e6)
}
