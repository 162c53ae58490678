//! The percentile curve of each metric: the histograms of all seconds, added up.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::{LatencyHistogram, Metric};
use crate::record::{Decoder, HistogramError, StoredInterval};

/// Points of a curve each time the part that took longer is halved.
const POINTS_PER_HALVING: u32 = 6;

/// The histograms of some seconds added up, by metric and part.
#[derive(Default)]
pub(super) struct Added {
    histograms: BTreeMap<(usize, &'static str), LatencyHistogram>,
    decoder: Decoder,
}

impl Added {
    /// Adds the histograms of a second of some metrics.
    ///
    /// # Errors
    /// One of them is damaged.
    pub(super) fn add<'a>(
        &mut self,
        second: &StoredInterval,
        metrics: impl Iterator<Item = &'a Metric>,
    ) -> Result<(), HistogramError> {
        for metric in metrics {
            let Some(latency) = second.latency.metrics.get(metric.name()) else { continue };
            for (part, stored) in [("response", &latency.response), ("service", &latency.service)] {
                let Some(stored) = stored else { continue };
                let total = self.histograms.entry((metric.index(), part)).or_default();
                self.decoder.add(stored, total)?;
            }
        }
        Ok(())
    }

    /// What is not empty.
    pub(super) fn measured(&self) -> impl Iterator<Item = (Metric, &'static str, &LatencyHistogram)> {
        let measured = self.histograms.iter().filter(|(_, latency)| latency.count() > 0);
        measured.map(|((metric, part), latency)| (Metric::ALL[*metric], *part, latency))
    }

    /// Adds what others added up.
    fn merge(&mut self, other: &Added) {
        for (key, latency) in &other.histograms {
            self.histograms.entry(*key).or_default().add(latency);
        }
    }

    /// Forgets all of it.
    pub(super) fn clear(&mut self) {
        self.histograms.values_mut().for_each(LatencyHistogram::clear);
    }
}

/// The histograms of a run.
#[derive(Default)]
pub(super) struct Curves(Added);

impl Curves {
    /// Adds a second. Those of the generator itself have no curve.
    ///
    /// # Errors
    /// One of its histograms is damaged.
    pub(super) fn add(&mut self, second: &StoredInterval) -> Result<(), HistogramError> {
        self.0.add(second, Metric::ALL.iter().filter(|metric| !metric.is_own()))
    }

    /// Adds seconds that were added up.
    pub(super) fn merge(&mut self, seconds: &Added) {
        self.0.merge(seconds);
    }

    /// The curves for the page's script, by `<metric>.<part>`.
    pub(super) fn stored(&self) -> BTreeMap<String, Curve> {
        let measured = self.0.measured().filter(|(metric, ..)| !metric.is_own());
        measured.map(|(metric, part, latency)| (format!("{metric}.{part}"), Curve::of(latency))).collect()
    }
}

/// For each part of all that took longer, how long that was.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Curve {
    /// `1 / (1 - q)`: 2 is the median, 100 the p99.
    one_in: Vec<f64>,
    /// In microseconds.
    micros: Vec<u64>,
}

impl Curve {
    /// The curve ends where a single one is left that took longer. What lies beyond the range of a histogram has no
    /// place on it, and makes it end earlier.
    fn of(latency: &LatencyHistogram) -> Curve {
        let count = latency.count() as f64;
        let histogram = latency.histogram();
        let within = histogram.len() as f64;
        let steps = (count.log2() * f64::from(POINTS_PER_HALVING)).ceil().max(0.0) as u32;
        let (mut one_in, mut micros) = (Vec::new(), Vec::new());
        if within == 0.0 {
            return Curve { one_in, micros };
        }
        for step in 0..=steps {
            let x = (f64::from(step) / f64::from(POINTS_PER_HALVING)).exp2().min(count);
            let rank = (1.0 - 1.0 / x) * count;
            if rank > within {
                break;
            }
            one_in.push((x * 1e3).round() / 1e3);
            micros.push(histogram.value_at_quantile(rank / within));
        }
        if latency.over_range() == 0
            && let Some(last) = micros.last_mut()
        {
            *last = histogram.max();
        }
        Curve { one_in, micros }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_the_shortest_to_the_longest_through_the_percentiles() {
        let mut latency = LatencyHistogram::default();
        (1..=1_024).for_each(|micros| latency.record(micros));
        let curve = Curve::of(&latency);
        assert_eq!((curve.one_in[0], curve.micros[0]), (1.0, 1));
        let median = curve.one_in.iter().position(|x| *x == 2.0).unwrap();
        assert_eq!(curve.micros[median], latency.histogram().value_at_quantile(0.5));
        assert_eq!((curve.one_in.last(), curve.micros.last()), (Some(&1_024.0), Some(&1_024)));
        assert!(curve.micros.is_sorted());
    }

    #[test]
    fn what_lies_beyond_the_range_is_not_drawn() {
        let mut latency = LatencyHistogram::default();
        (0..90).for_each(|_| latency.record(1_000));
        (0..10).for_each(|_| latency.record(u64::MAX));
        let curve = Curve::of(&latency);
        assert!(curve.micros.iter().all(|micros| *micros == 1_000));
        assert!(*curve.one_in.last().unwrap() <= 10.0, "{curve:?}");
        assert_eq!(Curve::of(&LatencyHistogram::default()).micros, [0; 0]);
    }
}
