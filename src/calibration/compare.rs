//! What was injected against what was reported.

use hdrhistogram::Histogram;

use super::Settings;
use super::schedule::Waits;
use crate::embedded_core::{Injected, Recipient};
use crate::metrics::Metric;
use crate::protocol::{EventName, ServerMessage};
use crate::record::{RunRecord, Summary};

/// The quantiles of a row, and their names.
pub const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// The quantile that is held to the bound: the place in [`QUANTILES`].
const P99: usize = 2;

/// What figures may be off by: 1 %, or this many microseconds, whichever is larger.
const BOUND_US: u64 = 200;

/// From when a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From when it was due.
    Response,
    /// From when it was sent.
    Service,
}

impl Part {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Response => "response",
            Part::Service => "service",
        }
    }
}

/// One quantile, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What was injected, or what the schedule says.
    pub injected: u64,
    /// What the run reported; nothing if it lies beyond the range.
    pub reported: Option<u64>,
    /// The slack that there is anyway: the time between two calls, where a schedule is compared.
    pub slack: u64,
}

impl Figure {
    /// Reported less injected, in microseconds.
    pub fn error(&self) -> Option<i64> {
        Some(i64::try_from(self.reported?).ok()? - i64::try_from(self.injected).ok()?)
    }

    /// The error in percent of what was injected; nothing if that is nothing.
    pub fn percent(&self) -> Option<f64> {
        (self.injected > 0).then_some(100.0 * self.error()? as f64 / self.injected as f64)
    }

    /// Whether it is within 1 % or 200 µs.
    pub fn is_within(&self) -> bool {
        let bound = (self.injected / 100).max(BOUND_US).max(self.slack);
        self.error().is_some_and(|error| error.unsigned_abs() <= bound)
    }
}

/// Whether a row is held to the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is, at p99.
    Held,
    /// It is not: it has more in it than what was injected.
    Free(&'static str),
}

/// A metric, injected against reported.
#[derive(Clone, Debug)]
pub struct Row {
    /// The metric's name in records.
    pub metric: &'static str,
    /// From when it is counted.
    pub part: Part,
    /// What it is held against: the message whose delay it is, or the schedule.
    pub against: &'static str,
    /// How many were injected; nothing for a schedule.
    pub injected: Option<u64>,
    /// How many were reported.
    pub reported: u64,
    /// The figures, by [`QUANTILES`].
    pub figures: [Figure; QUANTILES.len()],
    /// Whether it is held to the bound.
    pub bound: Bound,
}

impl Row {
    /// Whether p99 is within the bound and as many were reported as injected, to 1 %; nothing if it is not held to it.
    pub fn keeps_its_bound(&self) -> Option<bool> {
        let counts = self.injected.is_none_or(|injected| injected.abs_diff(self.reported) * 100 <= injected);
        (self.bound == Bound::Held).then_some(counts && self.figures[P99].is_within())
    }
}

/// A metric against the delays that the core recorded.
struct Pairing {
    metric: Metric,
    message: ServerMessage,
    to: Recipient,
    bound: Bound,
}

/// The metrics that one message's delay reaches.
fn pairings() -> Vec<Pairing> {
    let event =
        |metric, name, to| Pairing { metric, message: ServerMessage::Event(name), to, bound: Bound::Held };
    let answer = |metric, message| Pairing { metric, message, to: Recipient::Asker, bound: Bound::Held };
    let signon = Bound::Free("has connecting in it");
    vec![
        answer(Metric::State, ServerMessage::State),
        Pairing { bound: signon, ..answer(Metric::Signon, ServerMessage::State) },
        answer(Metric::Keepalive, ServerMessage::Keepalive),
        answer(Metric::Ack, ServerMessage::Ack),
        event(Metric::Ringback, EventName::Ringing, Recipient::Asker),
        event(Metric::Alert, EventName::IncomingCall, Recipient::Other),
        event(Metric::Answer, EventName::Accepted, Recipient::Other),
        event(Metric::Release, EventName::Hangup, Recipient::Asker),
        event(Metric::ReleaseRemote, EventName::Hangup, Recipient::Other),
    ]
}

/// Every metric that a delay reaches, as service, against what the core recorded.
pub(super) fn with_injected(record: &RunRecord, injected: &Injected) -> Vec<Row> {
    let paired = pairings().into_iter().filter_map(|pairing| {
        let Pairing { metric, message, to, bound } = pairing;
        row(record, metric, message.name(), injected.to(message, to)?, bound)
    });
    let set_up = injected.set_up();
    let set_up =
        set_up.and_then(|held| row(record, Metric::Setup, "incoming_call+accepted", held, Bound::Held));
    paired.chain(set_up).collect()
}

fn row(
    record: &RunRecord,
    metric: Metric,
    against: &'static str,
    injected: &Histogram<u64>,
    bound: Bound,
) -> Option<Row> {
    let summary = reported(record, metric, Part::Service)?;
    let figures = each_quantile(&summary, |quantile| injected.value_at_quantile(quantile), 0);
    let (metric, part) = (metric.name(), Part::Service);
    let (injected, reported) = (Some(injected.len()), summary.count);
    Some(Row { metric, part, against, injected, reported, figures, bound })
}

/// The metrics of calls against the arithmetic of the freeze: response where there is one, and service.
pub(super) fn with_schedule(record: &RunRecord, settings: &Settings) -> Vec<Row> {
    let Some(freeze) = settings.freeze() else { return Vec::new() };
    let waits = Waits::new(freeze, settings);
    // Which of evenly spaced calls is the quantile is not known more closely than to the next one.
    let slack = (1e6 / settings.calls_per_second.max(1e-3)) as u64;
    let metrics = [
        Metric::Ringback,
        Metric::Setup,
        Metric::Alert,
        Metric::Answer,
        Metric::Release,
        Metric::ReleaseRemote,
    ];
    let parts = metrics.into_iter().flat_map(|metric| [(metric, Part::Response), (metric, Part::Service)]);
    let rows = parts.filter_map(|(metric, part)| {
        let summary = reported(record, metric, part)?;
        let figures =
            each_quantile(&summary, |quantile| waits.quantile(metric, quantile).unwrap_or(0), slack);
        // What is due evenly is known exactly. What is sent in answer to the server depends on what each call drew.
        let exact = metric == Metric::Ringback && part == Part::Response;
        let bound = if exact { Bound::Held } else { Bound::Free("beside it") };
        let (metric, against) = (metric.name(), "schedule");
        Some(Row { metric, part, against, injected: None, reported: summary.count, figures, bound })
    });
    rows.collect()
}

fn each_quantile(summary: &Summary, injected: impl Fn(f64) -> u64, slack: u64) -> [Figure; QUANTILES.len()] {
    let reported = [summary.p50, summary.p90, summary.p99, summary.p999];
    std::array::from_fn(|place| Figure {
        injected: injected(QUANTILES[place].0),
        reported: reported[place],
        slack,
    })
}

fn reported(record: &RunRecord, metric: Metric, part: Part) -> Option<Summary> {
    let latency = record.latency.metrics.get(metric.name())?;
    let summary = match part {
        Part::Response => latency.response,
        Part::Service => latency.service,
    };
    summary.filter(|summary| summary.count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_be_off_by_1_percent_or_200_microseconds() {
        let figure = |injected, reported| Figure { injected, reported: Some(reported), slack: 0 };
        assert!(figure(5_000, 5_200).is_within() && !figure(5_000, 5_201).is_within());
        assert!(figure(80_000, 79_200).is_within() && !figure(80_000, 79_199).is_within());
        assert!(!Figure { reported: None, ..figure(5, 5) }.is_within());
        assert_eq!((figure(0, 90).error(), figure(0, 90).percent()), (Some(90), None));
        assert!(Figure { slack: 5_000, ..figure(1_000, 5_900) }.is_within());
    }
}
