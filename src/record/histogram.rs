//! Histograms as they are stored: figures for people, and the whole of it for programs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::v2;
use crate::metrics::{Cell, LatencyHistogram, Metric};
use crate::profile::Part;
use crate::protocol::RequestName;

/// The figures of some latencies, in microseconds at 3 significant digits.
///
/// A figure is `null` where it is unknown: nothing was measured, or it lies beyond the range of 10 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Summary {
    /// How many were measured, those beyond the range included.
    pub count: u64,
    /// The shortest.
    pub min: Option<u64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The median: half took longer.
    pub p50: Option<u64>,
    /// One in 10 took longer.
    pub p90: Option<u64>,
    /// One in 100 took longer.
    pub p99: Option<u64>,
    /// One in 1000 took longer.
    pub p999: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
    /// How many took longer than 10 minutes: they are counted, but not in the histogram.
    pub over_range: u64,
}

impl From<&LatencyHistogram> for Summary {
    fn from(latency: &LatencyHistogram) -> Self {
        Summary::of(latency)
    }
}

impl Summary {
    /// Of the cells themselves: an HdrHistogram has 172 KB to be made and searched for each figure, and says the same.
    fn of(latency: &LatencyHistogram) -> Summary {
        let (cells, over_range): (Vec<Cell>, u64) = (latency.cells().collect(), latency.over_range());
        let within = cells.iter().fold(0_u64, |sum, cell| sum.saturating_add(cell.count));
        let count = within.saturating_add(over_range);
        let quantile = |q| quantile_of(cells.iter().copied(), within, over_range, q);
        // With latencies beyond the range, what depends on their size is unknown.
        let is_known = over_range == 0 && count > 0;
        let mean = || {
            let middle = |cell: &Cell| (cell.lowest + (cell.highest - cell.lowest).div_ceil(2)) as f64;
            let part = |cell: &Cell| middle(cell) * cell.count as f64 / within as f64;
            cells.iter().fold(0.0, |sum, cell| sum + part(cell))
        };
        Summary {
            count,
            min: cells.first().map(|cell| cell.lowest),
            mean: is_known.then(|| (mean() * 10.0).round() / 10.0),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: cells.last().map(|cell| cell.highest).filter(|_| is_known),
            over_range,
        }
    }
}

/// The latency that a part `q` of all did not exceed; unknown if that one lies beyond the range.
pub(super) fn quantile(latency: &LatencyHistogram, q: f64) -> Option<u64> {
    let over_range = latency.over_range();
    quantile_of(latency.cells(), latency.count() - over_range, over_range, q)
}

/// The same of cells with `within` latencies in them.
fn quantile_of(cells: impl Iterator<Item = Cell>, within: u64, over_range: u64, q: f64) -> Option<u64> {
    let rank = (q * (within as f64 + over_range as f64)).ceil().max(1.0);
    let mut left = rank as u64;
    for cell in cells {
        if left <= cell.count {
            return Some(cell.highest);
        }
        left -= cell.count;
    }
    None
}

/// Some latencies, as they are stored: their figures, and their histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredHistogram {
    /// The figures.
    #[serde(flatten)]
    pub summary: Summary,
    /// The histogram, losslessly: HdrHistogram V2, compressed, in base64. In `intervals.jsonl` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}

/// The latencies of one metric. What has no due time has no `response`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricLatency<H> {
    /// From the due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<H>,
    /// From the time sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<H>,
}

/// Latencies by metric.
pub type ByMetric<H> = BTreeMap<String, MetricLatency<H>>;

impl<H> MetricLatency<H> {
    /// The latencies from the one time or the other.
    pub fn part(&self, part: Part) -> Option<&H> {
        match part {
            Part::Response => self.response.as_ref(),
            Part::Service => self.service.as_ref(),
        }
    }
}

/// Latencies of every metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latencies<H> {
    /// Those of responses, by request name.
    pub ack_by_request: BTreeMap<String, H>,
    /// Those of calls, side calls included, by flow and metric, where the plan has several flows. With one flow they are
    /// the latencies beside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_flow: BTreeMap<String, ByMetric<H>>,
    /// By metric.
    #[serde(flatten)]
    pub metrics: ByMetric<H>,
}

impl<H> Latencies<H> {
    /// Everything that was measured, in the order of a report, each with its name: `setup.response`, `setup.service`,
    /// `ack_by_request.accept`.
    pub fn tagged(&self) -> Vec<(String, &H)> {
        let mut tagged = Vec::new();
        for metric in Metric::ALL {
            let Some(latency) = self.metrics.get(metric.name()) else { continue };
            for (part, measured) in [("response", &latency.response), ("service", &latency.service)] {
                tagged.extend(measured.as_ref().map(|measured| (format!("{metric}.{part}"), measured)));
            }
        }
        for request in RequestName::ALL {
            let measured = self.ack_by_request.get(request.name());
            tagged.extend(measured.map(|measured| (format!("ack_by_request.{request}"), measured)));
        }
        tagged
    }
}

/// A histogram could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// It could not be compressed.
    #[error("a histogram cannot be stored: {0}")]
    Compress(#[from] flate2::CompressError),
    /// A count is beyond what the stored form can hold.
    #[error("a histogram cannot be stored: it holds a count of 2^63 or more")]
    Count,
    /// It is not base64.
    #[error("a histogram is damaged: {0}")]
    Base64(#[from] base64::DecodeError),
    /// It is not a histogram.
    #[error("a histogram is damaged: {0}")]
    Decode(#[from] hdrhistogram::serialization::DeserializeError),
    /// Its values do not fit.
    #[error("a histogram holds values beyond 10 minutes")]
    Range,
}

/// Writes histograms as they are stored, with buffers that are used again.
#[derive(Default)]
pub struct Encoder {
    writer: v2::Writer,
    buffer: Vec<u8>,
}

impl Encoder {
    /// The stored form of `latency`; `None` if nothing was measured.
    ///
    /// # Errors
    /// It holds a count of 2^63 or more.
    pub fn encode(&mut self, latency: &LatencyHistogram) -> Result<Option<StoredHistogram>, HistogramError> {
        let summary = Summary::from(latency);
        if summary.count == 0 {
            return Ok(None);
        }
        self.buffer.clear();
        self.writer.write(latency, &mut self.buffer)?;
        Ok(Some(StoredHistogram { summary, histogram: Some(BASE64.encode(&self.buffer)) }))
    }
}

/// What a latency beyond the range of 10 minutes counts as where it is one among others, in microseconds.
const BEYOND_US: u64 = 601_000_000;

/// Reads stored histograms, with buffers that are used again.
#[derive(Default)]
pub struct Decoder {
    deserializer: Deserializer,
    buffer: Vec<u8>,
}

impl Decoder {
    /// Adds the cells of what is stored to `cells`: the highest value of each that is not empty, in microseconds, and how
    /// many are in it. What took more than 10 minutes is in one cell beyond all others.
    ///
    /// # Errors
    /// It is damaged.
    pub fn cells(
        &mut self,
        stored: &StoredHistogram,
        cells: &mut Vec<(u64, u64)>,
    ) -> Result<(), HistogramError> {
        if stored.summary.over_range > 0 {
            cells.push((BEYOND_US, stored.summary.over_range));
        }
        let Some(histogram) = self.decode(stored)? else { return Ok(()) };
        let recorded = histogram.iter_recorded();
        cells.extend(
            recorded
                .map(|cell| (histogram.highest_equivalent(cell.value_iterated_to()), cell.count_at_value())),
        );
        Ok(())
    }

    /// Adds what is stored to `latency`.
    ///
    /// # Errors
    /// It is damaged, or holds values that do not fit.
    pub fn add(
        &mut self,
        stored: &StoredHistogram,
        latency: &mut LatencyHistogram,
    ) -> Result<(), HistogramError> {
        let Some(histogram) = self.decode(stored)? else { return Ok(()) };
        latency.add_stored(&histogram, stored.summary.over_range).map_err(|_| HistogramError::Range)
    }

    fn decode(&mut self, stored: &StoredHistogram) -> Result<Option<Histogram<u64>>, HistogramError> {
        let Some(encoded) = &stored.histogram else { return Ok(None) };
        self.buffer.clear();
        BASE64.decode_vec(encoded, &mut self.buffer)?;
        Ok(Some(self.deserializer.deserialize(&mut self.buffer.as_slice())?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_histogram_is_stored_without_loss() {
        let mut latency = LatencyHistogram::default();
        for micros in [0, 1, 999, 25_000, 599_000_000, 600_000_000, 1_000_000_000] {
            latency.record(micros);
        }
        let stored = Encoder::default().encode(&latency).unwrap().unwrap();
        let mut back = LatencyHistogram::default();
        Decoder::default().add(&stored, &mut back).unwrap();
        assert_eq!(back, latency);
        assert_eq!(Summary::from(&back), stored.summary);
    }

    proptest! {
        #[test]
        fn its_figures_are_those_of_the_library(
            latencies in prop::collection::vec((0_u32..30, any::<u64>()).prop_map(|(bits, it)| it % (1 << bits)), 0..300),
        ) {
            let mut latency = LatencyHistogram::default();
            latencies.iter().filter(|micros| **micros <= 600_000_000).for_each(|micros| latency.record(*micros));
            let judge = latency.histogram();
            let summary = Summary::from(&latency);
            let known = |it: u64| Some(it).filter(|_| !judge.is_empty());
            prop_assert_eq!(summary.count, judge.len());
            prop_assert_eq!((summary.min, summary.max), (known(judge.min()), known(judge.max())));
            let mean = (judge.mean() * 10.0).round() / 10.0;
            prop_assert_eq!(summary.mean, Some(mean).filter(|_| !judge.is_empty()));
            let found = [summary.p50, summary.p90, summary.p99, summary.p999];
            for (q, found) in [0.5, 0.9, 0.99, 0.999].into_iter().zip(found) {
                prop_assert_eq!(found, known(judge.value_at_quantile(q)));
                prop_assert_eq!(found, quantile(&latency, q));
            }
        }
    }

    #[test]
    fn figures_that_lie_beyond_the_range_are_unknown() {
        let mut latency = LatencyHistogram::default();
        (0..9).for_each(|_| latency.record(1_000));
        latency.record(3_600_000_000);
        let summary = Summary::from(&latency);
        assert_eq!((summary.count, summary.over_range), (10, 1));
        assert_eq!((summary.p50, summary.p90), (Some(1_000), Some(1_000)));
        assert_eq!((summary.p99, summary.max, summary.mean), (None, None, None));
    }

    #[test]
    fn a_damaged_histogram_is_an_error() {
        let stored = StoredHistogram { histogram: Some("HISTFAAA!".into()), ..StoredHistogram::default() };
        let mut latency = LatencyHistogram::default();
        assert!(Decoder::default().add(&stored, &mut latency).is_err());
    }
}
