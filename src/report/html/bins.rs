//! Seconds taken together, so that two runs have points at the same times, and not more than the eye can follow.

use super::curves::{Added, Curves};
use crate::metrics::Metric;
use crate::record::{
    Health, HistogramError, MetricLatency, RunRecord, StoredGauges, StoredHistogram, StoredInterval, Summary,
};

/// How many seconds may make a bin.
const LENGTHS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
/// The most bins of a run, as long as there is a length for it.
const MOST: u64 = 600;

/// Collects the seconds of a run into bins that begin at multiples of their length. A bin is an interval like any other:
/// what is counted is counted in all of it, a percentile is of all that was timed in it, and what there was is a mean of its
/// seconds.
pub(super) struct Bins {
    every: u64,
    bin: Option<StoredInterval>,
    /// How many seconds there are in the bin.
    seconds: u64,
    latencies: Added,
    /// The curves of all bins before: histograms take long to read, and are read once.
    curves: Curves,
}

impl Bins {
    /// How many seconds make a bin of the longest of these runs.
    pub(super) fn length(runs: &[&RunRecord]) -> u64 {
        let longest_us = runs.iter().map(|record| record.duration_us).max().unwrap_or(0);
        let seconds = longest_us.div_ceil(1_000_000);
        LENGTHS.into_iter().find(|length| seconds.div_ceil(*length) <= MOST).unwrap_or(seconds.div_ceil(MOST))
    }

    /// Bins of so many seconds.
    pub(super) fn new(every: u64) -> Bins {
        Bins { every, bin: None, seconds: 0, latencies: Added::default(), curves: Curves::default() }
    }

    /// Adds a second; where it begins a bin, the one before is handed out.
    ///
    /// # Errors
    /// One of its histograms is damaged.
    pub(super) fn add(&mut self, second: &StoredInterval) -> Result<Option<StoredInterval>, HistogramError> {
        // Seconds begin a little late, and now and then one begins early.
        let number = (second.at_us + 500_000) / 1_000_000;
        let at_us = number / self.every * self.every * 1_000_000;
        let done = if self.bin.as_ref().is_some_and(|bin| bin.at_us != at_us) { self.finish() } else { None };
        let bin = self.bin.get_or_insert_with(|| StoredInterval { at_us, ..StoredInterval::default() });
        bin.length_us += second.length_us;
        bin.stage = second.stage;
        bin.gauges = combined(bin.gauges, second.gauges, |sum, there_was| sum + there_was);
        bin.health = worst(&bin.health, &second.health);
        bin.clients.add(&second.clients);
        bin.counted.add(&second.counted);
        self.seconds += 1;
        self.latencies.add(second, Metric::ALL.iter())?;
        Ok(done)
    }

    /// The last bin.
    pub(super) fn finish(&mut self) -> Option<StoredInterval> {
        let mut bin = self.bin.take()?;
        let seconds = std::mem::take(&mut self.seconds).max(1);
        bin.gauges = combined(bin.gauges, bin.gauges, |sum, _| (sum + seconds / 2) / seconds);
        for (metric, part, latency) in self.latencies.measured() {
            let stored = StoredHistogram { summary: Summary::from(latency), histogram: None };
            let of_metric = bin.latency.metrics.entry(metric.name().to_owned());
            let of_metric = of_metric.or_insert(MetricLatency { response: None, service: None });
            match part {
                "response" => of_metric.response = Some(stored),
                _ => of_metric.service = Some(stored),
            }
        }
        self.curves.merge(&self.latencies);
        self.latencies.clear();
        Some(bin)
    }

    /// The percentile curves of all bins that were handed out.
    pub(super) fn curves(&self) -> &Curves {
        &self.curves
    }
}

/// Each member of what there was, made from two.
fn combined(one: StoredGauges, other: StoredGauges, combine: impl Fn(u64, u64) -> u64) -> StoredGauges {
    StoredGauges {
        connected: combine(one.connected, other.connected),
        signed_on: combine(one.signed_on, other.signed_on),
        calls: combine(one.calls, other.calls),
        calls_answered: combine(one.calls_answered, other.calls_answered),
        control: combine(one.control, other.control),
    }
}

/// The generator at its worst, as far as it is shown.
fn worst(one: &Health, other: &Health) -> Health {
    Health {
        heartbeat_late_max_us: one.heartbeat_late_max_us.max(other.heartbeat_late_max_us),
        worker_cpu_max: one.worker_cpu_max.max(other.worker_cpu_max),
        ..*other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::LatencyHistogram;
    use crate::record::Encoder;

    fn second(at_us: u64, micros: u64, due: u64) -> StoredInterval {
        let mut latency = LatencyHistogram::default();
        latency.record(micros);
        let response = Encoder::default().encode(&latency).unwrap();
        let mut second = StoredInterval { at_us, length_us: 1_000_000, ..StoredInterval::default() };
        second.latency.metrics.insert("setup".into(), MetricLatency { response, service: None });
        second.counted.attempts.due = due;
        second.gauges.calls = due;
        second
    }

    #[test]
    fn a_bin_counts_all_its_seconds_and_its_percentiles_are_of_all_its_latencies() {
        let mut bins = Bins::new(5);
        let mut done: Vec<StoredInterval> = Vec::new();
        // The sixth begins early, and belongs to the second bin all the same.
        for (at_us, due) in [(2_000, 1), (1_001_000, 2), (4_100_000, 4), (4_999_000, 8), (6_000_000, 16)] {
            done.extend(bins.add(&second(at_us, due * 1_000, due)).unwrap());
        }
        done.extend(bins.finish());
        let figures = |bin: &StoredInterval| {
            let p50 = bin.latency.metrics["setup"].response.as_ref().unwrap().summary.p50.unwrap();
            (bin.at_us, bin.length_us, bin.counted.attempts.due, bin.gauges.calls, p50 / 1_000)
        };
        let found: Vec<_> = done.iter().map(figures).collect();
        assert_eq!(found, [(0, 3_000_000, 7, 2, 2), (5_000_000, 2_000_000, 24, 12, 8)]);
        assert_eq!(bins.finish(), None);
    }

    #[test]
    fn a_bin_is_as_long_as_it_takes() {
        let length = |seconds: u64| {
            let mut record =
                crate::record::Fold::default().finish(&Default::default(), None, Default::default());
            record.duration_us = seconds * 1_000_000;
            Bins::length(&[&record])
        };
        assert_eq!([0, 60, 600, 601, 3_605, 86_400, 30 * 86_400].map(length), [1, 1, 1, 2, 10, 300, 4_320]);
    }
}
