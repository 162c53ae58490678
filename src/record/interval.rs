//! A second of a run: as the scheduler hands it in, and as it is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counted::{Counted, SignonCounts};
use super::histogram::StoredHistogram;
use crate::metrics::{Gauges, Tally};

/// A second of a run, or what there was of it.
#[derive(Clone, Debug)]
pub struct Interval {
    /// When it began, from the start of the run.
    pub at: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// The index of the stage in [`RunHeader::stages`](super::RunHeader::stages); `None` before the first and after
    /// the last.
    pub stage: Option<u32>,
    /// What all workers together counted and timed.
    pub tally: Tally,
    /// What there was at its end.
    pub gauges: Gauges,
    /// How the generator was.
    pub health: Health,
}

/// How the generator was in some second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Health {
    /// Processor time used, in cores. An embedded core in the same process is left out where its share is known.
    pub cpu_cores: f64,
    /// Memory in use (RSS), in bytes.
    pub rss_bytes: u64,
    /// Processor time of the busiest worker, as a part of one core: 0 to 1.
    pub worker_cpu_max: f64,
    /// The longest turn of a worker's loop, in microseconds: how long something that was ready may have waited.
    pub turn_max_us: u64,
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
}

impl From<Gauges> for StoredGauges {
    fn from(gauges: Gauges) -> Self {
        let Gauges { connected, signed_on, calls, calls_answered } = gauges;
        StoredGauges { connected, signed_on, calls, calls_answered }
    }
}

/// The latencies of one metric in a second; what was not measured is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StoredLatency {
    /// From the due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<StoredHistogram>,
    /// From the time sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<StoredHistogram>,
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
    /// What was counted.
    #[serde(flatten)]
    pub counted: Counted,
    /// Latencies by metric.
    pub latency: BTreeMap<String, StoredLatency>,
    /// Latencies of responses, by request name.
    pub ack_by_request: BTreeMap<String, StoredHistogram>,
}
