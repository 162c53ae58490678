//! The seconds of a run that a comparison draws from.

use std::collections::BTreeMap;

use super::quantiles::Cells;
use crate::metrics::Metric;
use crate::record::{Attempts, Decoder, Keepalives, RecordError, RunRecord, StoredHistogram};

/// The seconds of a run, by their number from its start. Histograms stay as they are stored until they are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) seconds: BTreeMap<u64, Second>,
}

/// A second of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    /// Whether its stage has calls.
    pub(super) has_calls: bool,
    /// The latencies that are compared, by their place in [`Timed::all`].
    pub(super) latencies: Vec<Option<StoredHistogram>>,
    pub(super) attempts: Attempts,
    pub(super) keepalives: Keepalives,
}

/// A latency that is compared, or told beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) metric: Metric,
    /// Whether from the due time.
    pub(super) response: bool,
}

impl Timed {
    /// All of them: of each metric its response, or its service where it has no due time.
    pub(super) fn all() -> Vec<Timed> {
        Metric::ALL.iter().map(|metric| Timed { metric: *metric, response: metric.has_response() }).collect()
    }

    /// The name as in `run.json`.
    pub(super) fn name(self) -> String {
        let part = if self.response { "response" } else { "service" };
        format!("{}.{part}", self.metric)
    }

    /// Whether it is about making connections, which is done when clients sign on and not while calls are due.
    pub(super) fn is_sign_on(self) -> bool {
        matches!(
            self.metric,
            Metric::Login
                | Metric::Tcp
                | Metric::Tls
                | Metric::Upgrade
                | Metric::Connect
                | Metric::State
                | Metric::Signon
                | Metric::Recovery
        )
    }
}

impl Sample {
    /// The seconds of the stages of a run.
    ///
    /// # Errors
    /// The run's log cannot be read.
    pub(super) fn of(record: &RunRecord) -> Result<Sample, RecordError> {
        let timed = Timed::all();
        let any_calls = record.stages.iter().any(|stage| stage.has_calls());
        let mut seconds = BTreeMap::new();
        for second in record.intervals.read()? {
            let mut second = second?;
            let Some(stage) = second.stage.and_then(|stage| record.stages.get(stage as usize)) else {
                continue;
            };
            let latencies = timed.iter().map(|timed| {
                let latency = second.latency.metrics.get_mut(timed.metric.name())?;
                if timed.response { latency.response.take() } else { latency.service.take() }
            });
            let latencies = latencies.collect();
            let mut number = (second.at_us + 500_000) / 1_000_000;
            // A late collector may begin two within one.
            while seconds.contains_key(&number) {
                number += 1;
            }
            let attempts = second.counted.attempts;
            let keepalives = second.counted.keepalives;
            // A run without calls is about its keepalives: then every stage counts.
            let has_calls = stage.has_calls() || !any_calls;
            seconds.insert(number, Second { has_calls, latencies, attempts, keepalives });
        }
        Ok(Sample { seconds })
    }

    /// The cells of a latency in the seconds of each of `bins`.
    ///
    /// # Errors
    /// A histogram is damaged.
    pub(super) fn cells(&self, place: usize, bins: &[Vec<u64>]) -> Result<Vec<Cells>, RecordError> {
        let mut decoder = Decoder::default();
        let mut all = Vec::with_capacity(bins.len());
        for bin in bins {
            let mut cells = Cells::new();
            let seconds = bin.iter().filter_map(|number| self.seconds.get(number));
            for stored in seconds.filter_map(|second| second.latencies.get(place)?.as_ref()) {
                decoder.cells(stored, &mut cells).map_err(|error| {
                    RecordError::Stream(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
                })?;
            }
            all.push(cells);
        }
        Ok(all)
    }
}
