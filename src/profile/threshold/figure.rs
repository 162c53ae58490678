//! The figures of `run.json` that a threshold can name: a dotted path, and what kind of figure stands there.

use std::{fmt, iter};

use super::ThresholdError;
use crate::metrics::{AttemptFailure, Metric, Outcome, Phase, SignonFailure};
use crate::profile::words;
use crate::protocol::{EventName, RequestName};
use crate::scenario::Flow;
use crate::transport::Initiator;

/// A figure of `run.json`, by its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    name: String,
    kind: Kind,
    origin: Origin,
    whole_only: bool,
}

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How many: it begins at zero and only rises.
    Count,
    /// How long, in microseconds.
    Micros,
    /// How long, in seconds.
    Seconds,
    /// A part of a whole, in percent.
    Percent,
    /// Anything else: a rate, a size.
    Number,
}

impl Kind {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Kind::Count => "a count",
            Kind::Micros | Kind::Seconds => "a duration",
            Kind::Percent => "a percentage",
            Kind::Number => "a plain number",
        }
    }
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The latencies of a metric.
    Latency(Metric, Part, Statistic),
    /// The latencies of a metric in the calls of a flow.
    FlowLatency(Flow, Metric, Part, Statistic),
    /// The latencies of the responses to one kind of request.
    Ack(RequestName, Statistic),
    /// What was counted, and what follows from it.
    Counted,
}

impl Origin {
    /// Which figure of which latencies it is, if it is one of latencies.
    pub const fn statistic(self) -> Option<Statistic> {
        match self {
            Origin::Latency(.., statistic)
            | Origin::FlowLatency(.., statistic)
            | Origin::Ack(_, statistic) => Some(statistic),
            Origin::Counted => None,
        }
    }

    /// The flow that it is about alone.
    pub const fn flow(self) -> Option<Flow> {
        match self {
            Origin::FlowLatency(flow, ..) => Some(flow),
            _ => None,
        }
    }
}

/// From when a latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From when it was due.
    Response,
    /// From when it was sent.
    Service,
}

impl Part {
    const ALL: [Part; 2] = [Part::Response, Part::Service];

    const fn name(self) -> &'static str {
        match self {
            Part::Response => "response",
            Part::Service => "service",
        }
    }
}

/// A figure of some latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// How many were measured.
    Count,
    /// The shortest.
    Min,
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// One in 10 took longer.
    P90,
    /// One in 100 took longer.
    P99,
    /// One in 1000 took longer.
    P999,
    /// The longest.
    Max,
    /// How many lie beyond the range.
    OverRange,
}

impl Statistic {
    const ALL: [Statistic; 9] = [
        Statistic::P99,
        Statistic::P50,
        Statistic::P90,
        Statistic::P999,
        Statistic::Max,
        Statistic::Mean,
        Statistic::Min,
        Statistic::Count,
        Statistic::OverRange,
    ];

    const fn name(self) -> &'static str {
        match self {
            Statistic::Count => "count",
            Statistic::Min => "min",
            Statistic::Mean => "mean",
            Statistic::P50 => "p50",
            Statistic::P90 => "p90",
            Statistic::P99 => "p99",
            Statistic::P999 => "p999",
            Statistic::Max => "max",
            Statistic::OverRange => "over_range",
        }
    }

    /// What kind of figure it is.
    pub const fn kind(self) -> Kind {
        match self {
            Statistic::Count | Statistic::OverRange => Kind::Count,
            _ => Kind::Micros,
        }
    }
}

/// Figures of a name and a kind.
const PLAIN: &[(&str, Kind)] = &[
    ("attempts.answered", Kind::Count),
    ("attempts.blocked", Kind::Count),
    ("attempts.busy", Kind::Count),
    ("attempts.cancelled", Kind::Count),
    ("attempts.declined", Kind::Count),
    ("attempts.done", Kind::Count),
    ("attempts.due", Kind::Count),
    ("attempts.failed", Kind::Count),
    ("attempts.redirected", Kind::Count),
    ("attempts.started", Kind::Count),
    ("attempts.unavailable", Kind::Count),
    ("attempts.unfinished", Kind::Count),
    ("attempts_intended", Kind::Count),
    ("attempts_unintended", Kind::Count),
    ("binary_messages", Kind::Count),
    ("calls.completed", Kind::Count),
    ("calls.ended", Kind::Count),
    ("calls.talk_us", Kind::Micros),
    ("calls.talk_within_us", Kind::Micros),
    ("calls.up_us", Kind::Micros),
    ("clients.given_up", Kind::Count),
    ("clients.peak", Kind::Count),
    ("clients.reconnect_attempts", Kind::Count),
    ("clients.reconnects", Kind::Count),
    ("clients.reconnects_failed", Kind::Count),
    ("clients.signed_on", Kind::Count),
    ("clients.signon_failed", Kind::Count),
    ("closes_per_1000_connection_hours", Kind::Number),
    ("connected_us", Kind::Micros),
    ("generator.busy_us", Kind::Micros),
    ("generator.control.signed_on", Kind::Count),
    ("generator.control.signon_failed", Kind::Count),
    ("generator.cpu_cores", Kind::Number),
    ("generator.fds_left_min", Kind::Number),
    ("generator.heartbeat_late_max_us", Kind::Micros),
    ("generator.late", Kind::Count),
    ("generator.ports_left_min", Kind::Number),
    ("generator.rss_peak_bytes", Kind::Number),
    ("generator.run_delay_us", Kind::Micros),
    ("generator.starved_part", Kind::Number),
    ("generator.steal_part", Kind::Number),
    ("generator.throttled_periods", Kind::Count),
    ("generator.throttled_us", Kind::Micros),
    ("generator.turn_max_us", Kind::Micros),
    ("generator.worker_cpu_max", Kind::Number),
    ("keepalives.answered", Kind::Count),
    ("keepalives.missed", Kind::Count),
    ("keepalives.sent", Kind::Count),
    ("kpi.acd_s", Kind::Seconds),
    ("kpi.asr", Kind::Percent),
    ("kpi.bhca", Kind::Number),
    ("kpi.cps_completed", Kind::Number),
    ("kpi.cps_offered", Kind::Number),
    ("kpi.erlangs_carried", Kind::Number),
    ("kpi.erlangs_offered", Kind::Number),
    ("kpi.ira", Kind::Percent),
    ("kpi.isa", Kind::Percent),
    ("kpi.ner", Kind::Percent),
    ("kpi.scr", Kind::Percent),
    ("kpi.seer", Kind::Percent),
    ("kpi.seer_all", Kind::Percent),
    ("kpi.ser", Kind::Percent),
    ("kpi.ser_all", Kind::Percent),
    ("late", Kind::Count),
    ("late_responses", Kind::Count),
    ("ledger.duplicated", Kind::Count),
    ("ledger.lost", Kind::Count),
    ("ledger.lost_on_reconnect", Kind::Count),
    ("ledger.misdelivered", Kind::Count),
    ("ledger.mixed_up", Kind::Count),
    ("ledger.one_leg_only", Kind::Count),
    ("malformed_messages", Kind::Count),
    ("nonces_confirmed", Kind::Count),
    ("recovery.lost", Kind::Count),
    ("recovery.stale", Kind::Count),
    ("recovery.survived", Kind::Count),
    ("recovery.unknown", Kind::Count),
    ("repaired_messages", Kind::Count),
    ("requests.acked", Kind::Count),
    ("requests.timeouts", Kind::Count),
    ("sessions.created", Kind::Count),
    ("sessions.failed", Kind::Count),
    ("sessions.renewed", Kind::Count),
    ("side_calls.started", Kind::Count),
    ("side_calls.talk_us", Kind::Micros),
    ("states", Kind::Count),
    ("stray_events", Kind::Count),
    ("subprotocol_missing", Kind::Count),
    ("unknown_events", Kind::Count),
];

/// Figures that are known of the whole run only, once it has ended.
const WHOLE_ONLY: &[(&str, Kind)] = &[
    ("clients.planned", Kind::Number),
    ("duration_us", Kind::Micros),
    ("generator.bytes_per_client", Kind::Number),
    ("generator.control.clients", Kind::Number),
    ("generator.control.difference_p50_us", Kind::Micros),
    ("generator.control.difference_p99_us", Kind::Micros),
    ("generator.cut_off", Kind::Number),
    ("generator.fd_limit", Kind::Number),
    ("generator.workers", Kind::Number),
    ("mean_hold_us", Kind::Micros),
    ("sessions.delete_failed", Kind::Number),
    ("sessions.deleted", Kind::Number),
];

/// Counts by code, where any number may stand, or what is in [`NO_CODE`].
const BY_CODE: [&str; 5] = ["attempts_rejected", "disconnects", "event_errors", "hangups", "requests.errors"];

/// How an attempt ends, whatever its reason.
const OUTCOMES: [Outcome; 10] = [
    Outcome::Answered,
    Outcome::Declined,
    Outcome::Busy,
    Outcome::Cancelled,
    Outcome::Unavailable,
    Outcome::Redirected,
    Outcome::Failed(AttemptFailure::Rejected),
    Outcome::Done,
    Outcome::Blocked,
    Outcome::Unfinished,
];

/// What stands in place of a code: there was none, or there were too many different ones.
const NO_CODE: [&str; 2] = ["none", "others"];

impl Figure {
    /// The figure of this name.
    ///
    /// # Errors
    /// `run.json` has no such figure; the help names the nearest.
    pub fn parse(name: &str) -> Result<Figure, ThresholdError> {
        let figure = |kind, origin| Figure { name: name.to_owned(), kind, origin, whole_only: false };
        let known =
            |names: &[(&str, Kind)]| names.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        if let Some(origin) = latency(name) {
            return Ok(figure(origin.statistic().map_or(Kind::Count, Statistic::kind), origin));
        }
        if let Some(kind) = known(PLAIN) {
            return Ok(figure(kind, Origin::Counted));
        }
        if let Some(kind) = known(WHOLE_ONLY) {
            return Ok(Figure { whole_only: true, ..figure(kind, Origin::Counted) });
        }
        if is_code(name) || named_counts().iter().any(|known| known == name) {
            return Ok(figure(Kind::Count, Origin::Counted));
        }
        let message = format!("`{name}` is not the name of a figure in run.json");
        Err(ThresholdError { message, help: nearest(name), in_name: true })
    }

    /// Every figure that there is, but for counts by code.
    pub fn all() -> Vec<String> {
        let plain = PLAIN.iter().chain(WHOLE_ONLY).map(|(name, _)| (*name).to_owned());
        plain.chain(latency_names()).chain(named_counts()).collect()
    }

    pub(super) fn given_up() -> Figure {
        Figure::count("clients.given_up")
    }

    pub(super) fn signon_failed() -> Figure {
        Figure::count("clients.signon_failed")
    }

    pub(super) fn attempts_unintended() -> Figure {
        Figure::count("attempts_unintended")
    }

    fn count(name: &str) -> Figure {
        Figure { name: name.to_owned(), kind: Kind::Count, origin: Origin::Counted, whole_only: false }
    }

    /// Its name in `run.json`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of figure it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it comes from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it is known of the whole run only.
    pub const fn is_whole_only(&self) -> bool {
        self.whole_only
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The latency that a name is about, if it is.
fn latency(name: &str) -> Option<Origin> {
    let (group, statistic) = name.rsplit_once('.')?;
    let statistic = Statistic::ALL.into_iter().find(|one| one.name() == statistic)?;
    if let Some(metric) = group.strip_prefix("generator.").and_then(Metric::from_name)
        && metric.is_own()
    {
        return Some(Origin::Latency(metric, Part::Service, statistic));
    }
    let rest = group.strip_prefix("latency.")?;
    if let Some(request) = rest.strip_prefix("ack_by_request.") {
        let request = RequestName::ALL.iter().find(|one| one.name() == request)?;
        return Some(Origin::Ack(*request, statistic));
    }
    if let Some(rest) = rest.strip_prefix("by_flow.") {
        let (flow, rest) = rest.split_once('.')?;
        let (metric, part) = metric_and_part(rest).filter(|(metric, _)| metric.is_of_call())?;
        return Some(Origin::FlowLatency(Flow::from_name(flow)?, metric, part, statistic));
    }
    let (metric, part) = metric_and_part(rest)?;
    Some(Origin::Latency(metric, part, statistic))
}

/// `setup.response`, if there is such a latency.
fn metric_and_part(name: &str) -> Option<(Metric, Part)> {
    let (metric, part) = name.split_once('.')?;
    let metric = Metric::from_name(metric)?;
    let part = parts(metric).find(|one| one.name() == part)?;
    Some((metric, part))
}

fn parts(metric: Metric) -> impl Iterator<Item = Part> {
    Part::ALL.into_iter().filter(move |part| *part == Part::Service || metric.has_response())
}

fn latency_names() -> Vec<String> {
    let own = Metric::ALL.iter().filter(|metric| metric.is_own());
    let mut groups: Vec<String> = own.map(|metric| format!("generator.{metric}")).collect();
    for metric in Metric::ALL {
        groups.extend(parts(*metric).map(|part| format!("latency.{metric}.{}", part.name())));
    }
    for flow in Flow::ALL {
        for metric in Metric::ALL.iter().filter(|metric| metric.is_of_call()) {
            let name = |part: Part| format!("latency.by_flow.{}.{metric}.{}", flow.name(), part.name());
            groups.extend(parts(*metric).map(name));
        }
    }
    groups
        .extend(RequestName::ALL.iter().map(|request| format!("latency.ack_by_request.{}", request.name())));
    let names = groups.iter().flat_map(|group| {
        Statistic::ALL.into_iter().map(move |statistic| format!("{group}.{}", statistic.name()))
    });
    names.collect()
}

/// Counts by name, each with its sum as `total`.
fn named_counts() -> Vec<String> {
    let mut names = Vec::new();
    let mut group = |group: &str, of: &mut dyn Iterator<Item = &'static str>| {
        names.extend(iter::once("total").chain(of).map(|name| format!("{group}.{name}")));
    };
    let outcomes = || OUTCOMES.iter().map(|outcome| outcome.name());
    for flow in Flow::ALL {
        group(&format!("flows.{}", flow.name()), &mut outcomes());
    }
    group("side_calls.ended", &mut outcomes());
    group("attempts_broken", &mut iter::empty());
    group("attempts_failed", &mut AttemptFailure::ALL.iter().map(|one| one.name()));
    for failures in ["signon_failures", "reconnect_failures"] {
        group(failures, &mut SignonFailure::ALL.iter().map(|one| one.name()).chain(["others"]));
    }
    let initiators = [Initiator::Server, Initiator::Network, Initiator::Client].map(Initiator::name);
    group(
        "disconnects",
        &mut initiators.into_iter().chain(Phase::ALL.iter().map(|one| one.name())).chain(["others"]),
    );
    group("events", &mut EventName::ALL.iter().map(|one| one.name()));
    group("requests.sent", &mut RequestName::ALL.iter().map(|one| one.name()));
    for by_code in BY_CODE.into_iter().filter(|group| *group != "disconnects") {
        group(by_code, &mut NO_CODE.into_iter());
    }
    names
}

/// Whether a name is a count by code.
fn is_code(name: &str) -> bool {
    let code = name.rsplit_once('.').filter(|(group, _)| BY_CODE.contains(group)).map(|(_, code)| code);
    // As it is written in a record: `0486` would never be found.
    code.is_some_and(|code| code.parse::<i32>().is_ok_and(|number| number.to_string() == code))
}

/// What to write instead of `name`.
fn nearest(name: &str) -> String {
    let all = Figure::all();
    let parts: Vec<&str> = name.split('.').collect();
    // What is merely left out is put in before letters are compared.
    let whole =
        all.iter().filter(|known| is_subsequence(&parts, known)).min_by_key(|known| known.split('.').count());
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let near = whole.map(String::as_str).or_else(|| words::nearest(name, &known));
    near.map_or_else(
        || {
            "the names are those of run.json, such as latency.setup.response.p99, kpi.seer or hangups.486"
                .to_owned()
        },
        |near| format!("did you mean `{near}`?"),
    )
}

fn is_subsequence(parts: &[&str], name: &str) -> bool {
    let mut segments = name.split('.');
    parts.iter().all(|part| segments.any(|segment| segment == *part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_figure_and_none_is_there_twice() {
        let all = Figure::all();
        for name in &all {
            assert_eq!(Figure::parse(name).expect("a figure").name(), name);
        }
        let mut sorted = all.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
    }

    #[test]
    fn names_lead_to_their_source() {
        let origin = |name| Figure::parse(name).map(|figure| figure.origin());
        assert_eq!(
            origin("latency.setup.response.p99"),
            Ok(Origin::Latency(Metric::Setup, Part::Response, Statistic::P99))
        );
        assert_eq!(
            origin("generator.lag.max"),
            Ok(Origin::Latency(Metric::Lag, Part::Service, Statistic::Max))
        );
        assert_eq!(
            origin("latency.by_flow.declined.decline.service.p99"),
            Ok(Origin::FlowLatency(Flow::Declined, Metric::Decline, Part::Service, Statistic::P99))
        );
        assert_eq!(
            origin("latency.ack_by_request.accept.p99"),
            Ok(Origin::Ack(RequestName::Accept, Statistic::P99))
        );
        for counted in
            ["hangups.486", "hangups.total", "disconnects.4502", "disconnects.server", "events.accepted"]
        {
            assert_eq!(origin(counted), Ok(Origin::Counted), "{counted}");
        }
    }

    #[test]
    fn a_name_that_is_unknown_is_refused_with_the_nearest() {
        let help = |name| Figure::parse(name).expect_err("refused").help;
        assert_eq!(help("latency.setup.p99"), "did you mean `latency.setup.response.p99`?");
        assert_eq!(help("latency.setup.respones.p99"), "did you mean `latency.setup.response.p99`?");
        assert_eq!(help("seer"), "did you mean `kpi.seer`?");
        assert_eq!(help("attempts.faild"), "did you mean `attempts.failed`?");
        assert_eq!(help("hangups"), "did you mean `hangups.total`?");
        assert!(help("speed").starts_with("the names are those of run.json"));
        for wrong in [
            "latency.ack.response.p99",
            "latency.by_flow.answered.ack.service.p99",
            "latency.by_flow.answered.release.response.p99",
            "hangups.0486",
            "hangups.busy",
            "",
            ".",
            "kpi",
            "events.4",
        ] {
            assert!(Figure::parse(wrong).is_err(), "{wrong}");
        }
    }
}
