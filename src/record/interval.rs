//! A second of a run: as the scheduler hands it in, and as it is stored.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::control::difference;
use super::counted::{Counted, SignonCounts};
use super::histogram::{
    ByMetric, Encoder, HistogramError, Latencies, MetricLatency, StoredHistogram, quantile,
};
use super::{Change, ControlCounts, Health};
use crate::metrics::{Gauges, Latency, LatencyHistogram, Metric, Tally};
use crate::protocol::RequestName;
use crate::scenario::Flow;

/// A call that is written later than this many microseconds after it was due counts as `late`: 100 ms. It is one of the
/// limits of `verdict::limits`, and stands here because the seconds of a run are counted
/// by it.
pub const LATE_US: u64 = 100_000;

/// A second of a run, or what there was of it.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// When it began, from the start of the run.
    pub at: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// The index of the stage in [`RunHeader::stages`](super::RunHeader::stages); `None` before the first and after
    /// the last, and once the run was stopped.
    pub stage: Option<u32>,
    /// What all workers together counted and timed.
    pub tally: Tally,
    /// What there was at its end.
    pub gauges: Gauges,
    /// How the generator was.
    pub health: Health,
    /// What was changed by hand, as far as not told before.
    pub changes: Vec<Change>,
}

/// What there was at the end of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StoredGauges {
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

impl From<Gauges> for StoredGauges {
    fn from(gauges: Gauges) -> Self {
        let Gauges { connected, signed_on, calls, calls_answered, control } = gauges;
        StoredGauges { connected, signed_on, calls, calls_answered, control }
    }
}

/// The control group in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ControlSecond {
    /// Sign-ons of control clients and their twins.
    #[serde(flatten)]
    pub counts: ControlCounts,
    /// The median of the twins' keepalives less that of the control clients', in microseconds; `null` if either have
    /// sent none. `latency` has how many there were.
    pub difference_p50_us: Option<i64>,
}

impl ControlSecond {
    fn of(tally: &Tally) -> ControlSecond {
        let median = |metric| quantile(tally.service(metric), 0.5);
        ControlSecond {
            counts: ControlCounts::from(&tally.counters),
            difference_p50_us: difference(median(Metric::KeepaliveControl), median(Metric::KeepaliveTwin)),
        }
    }
}

/// A second of a run, as it is stored: a line of `intervals.jsonl`, and (without histograms) a member of
/// `intervals` in `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredInterval {
    /// When it began, in microseconds from the start of the run.
    pub at_us: u64,
    /// How long it lasted, in microseconds.
    pub length_us: u64,
    /// The index of the stage in `stages`; `null` before the first and after the last.
    pub stage: Option<u32>,
    /// What there was at its end.
    pub gauges: StoredGauges,
    /// How the generator was.
    pub health: Health,
    /// Sign-ons.
    pub clients: SignonCounts,
    /// The control group.
    #[serde(default)]
    pub control: ControlSecond,
    /// What was counted.
    #[serde(flatten)]
    pub counted: Counted,
    /// What was changed by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Latencies; what was not measured in this second is left out.
    pub latency: Latencies<StoredHistogram>,
}

impl StoredInterval {
    /// The stored form of `interval`, histograms and all.
    ///
    /// # Errors
    /// See [`Encoder::encode`].
    pub fn new(interval: &Interval, encoder: &mut Encoder) -> Result<StoredInterval, HistogramError> {
        let latency = latencies(&interval.tally, encoder)?;
        Ok(StoredInterval { latency, ..StoredInterval::without_latencies(interval) })
    }

    /// The stored form of `interval` but for its latencies.
    pub(super) fn without_latencies(interval: &Interval) -> StoredInterval {
        let mut counted = Counted::from(&interval.tally.counters);
        counted.late = late(interval.tally.service(Metric::Lag));
        StoredInterval {
            at_us: interval.at.as_micros() as u64,
            length_us: interval.length.as_micros() as u64,
            stage: interval.stage,
            gauges: interval.gauges.into(),
            health: interval.health,
            clients: SignonCounts::from(&interval.tally.counters),
            control: ControlSecond::of(&interval.tally),
            counted,
            changes: interval.changes.clone(),
            latency: Latencies::default(),
        }
    }

    /// Forgets the histograms and keeps their figures, but for those by flow: a mix of many would fill the record.
    pub fn drop_histograms(&mut self) {
        self.latency.by_flow.clear();
        for latency in self.latency.metrics.values_mut() {
            for stored in [&mut latency.response, &mut latency.service].into_iter().flatten() {
                stored.histogram = None;
            }
        }
        self.latency.ack_by_request.values_mut().for_each(|stored| stored.histogram = None);
    }
}

/// How many calls were later than [`LATE_US`]. Taken from what was measured, so that it cannot be forgotten.
fn late(lag: &LatencyHistogram) -> u64 {
    // A cell spans values that it cannot tell apart: the one with the limit in it is not late.
    let late = lag.cells().filter(|cell| cell.lowest > LATE_US);
    late.map(|cell| cell.count).sum::<u64>() + lag.over_range()
}

/// The latencies of `tally` as they are stored.
fn latencies(tally: &Tally, encoder: &mut Encoder) -> Result<Latencies<StoredHistogram>, HistogramError> {
    let metrics = by_metric(&tally.latencies, encoder)?;
    let mut latencies = Latencies { metrics, ..Latencies::default() };
    for flow in Flow::ALL {
        let Some(measured) = tally.by_flow.get(flow.index()) else { continue };
        let measured = by_metric(measured, encoder)?;
        if !measured.is_empty() {
            latencies.by_flow.insert(flow.name().into(), measured);
        }
    }
    for (request, latency) in RequestName::ALL.iter().zip(&tally.acks) {
        if let Some(stored) = encoder.encode(latency)? {
            latencies.ack_by_request.insert(request.name().into(), stored);
        }
    }
    Ok(latencies)
}

fn by_metric(
    latencies: &[Latency],
    encoder: &mut Encoder,
) -> Result<ByMetric<StoredHistogram>, HistogramError> {
    let mut stored = ByMetric::new();
    for (metric, latency) in Metric::ALL.iter().zip(latencies) {
        let response = latency.response.as_ref().map(|response| encoder.encode(response));
        let response = response.transpose()?.flatten();
        let service = encoder.encode(&latency.service)?;
        if response.is_some() || service.is_some() {
            stored.insert(metric.name().into(), MetricLatency { response, service });
        }
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_calls_are_counted_from_the_lag() {
        let mut lag = LatencyHistogram::default();
        for micros in [0, 99_000, 100_000, 150_000, 2_000_000, 7_200_000_000] {
            lag.record(micros);
        }
        assert_eq!(late(&lag), 3);
        assert_eq!(late(&LatencyHistogram::default()), 0);
    }
}
