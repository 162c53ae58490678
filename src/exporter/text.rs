//! The text format of Prometheus, version 0.0.4: a page of samples.
//!
//! Written here and not by a library, because the names are a closed table and the format is a dozen lines; the library
//! for it writes OpenMetrics, whose counters `promtool check metrics` does not know.

use std::fmt::Write as _;

use super::families::{FAMILIES, Family, Moment};
use crate::metrics::LatencyHistogram;
use crate::record::ByName;

/// What every name begins with.
pub const PREFIX: &str = "wtsp_load_";

/// The content type of a page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper bounds of the buckets of latencies, in microseconds: six to a decade, from 100 µs to the end of the range.
/// A quantile of theirs lies in the same bucket as the true one; the ends of one are a factor of 1.67 apart at the most.
pub(super) const BOUNDS_US: [u64; 41] = {
    let steps = [100, 150, 200, 300, 500, 700];
    let mut bounds = [0; 41];
    let (mut at, mut decade) = (0, 1);
    while at < bounds.len() - 1 {
        bounds[at] = steps[at % steps.len()] * decade;
        if at % steps.len() == steps.len() - 1 {
            decade *= 10;
        }
        at += 1;
    }
    bounds[at] = RANGE_US;
    bounds
};

/// The longest latency that a histogram holds: 10 min.
const RANGE_US: u64 = 600_000_000;

/// Everything there is to say at this moment.
pub(super) fn page(moment: &Moment<'_>) -> String {
    let mut page = String::with_capacity(256 * 1024);
    for family in FAMILIES {
        let Family { name, kind, help, .. } = family;
        // A string takes whatever is written into it.
        let _ = writeln!(page, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {}", kind.name());
        (family.write)(moment, &mut Samples::of(family, &mut page));
    }
    page
}

/// Takes the samples of a family.
pub(super) struct Samples<'a> {
    family: &'a Family,
    page: &'a mut String,
}

impl<'a> Samples<'a> {
    /// Writes the samples of `family` to `page`.
    pub fn of(family: &'a Family, page: &'a mut String) -> Samples<'a> {
        Samples { family, page }
    }

    /// The only sample of a family without labels; none where nothing is known.
    pub fn value(&mut self, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.labelled(&[], value);
        }
    }

    /// The only sample of a family without labels, if it is a whole number.
    pub fn count(&mut self, count: impl Into<Option<u64>>) {
        self.value(count.into().map(|count| count as f64));
    }

    /// The only sample of a family without labels, in microseconds.
    pub fn micros(&mut self, micros: impl Into<Option<u64>>) {
        self.value(micros.into().map(|micros| micros as f64 / 1e6));
    }

    /// A sample with these values of the family's labels.
    pub fn labelled(&mut self, labels: &[&str], value: f64) {
        self.sample("", labels, None, value);
    }

    /// A sample a name that was counted.
    pub fn names(&mut self, counts: &ByName) {
        counts.iter().for_each(|(name, count)| self.labelled(&[name], *count as f64));
    }

    /// A sample a name of a closed set, counted or not: so a counter is there before it first counts.
    pub fn set<'n>(&mut self, names: impl IntoIterator<Item = &'n str>, counts: &ByName) {
        for name in names {
            self.labelled(&[name], counts.get(name).copied().unwrap_or(0) as f64);
        }
    }

    /// A histogram of latencies, in seconds.
    ///
    /// A latency belongs to a bucket by what the histogram kept of it, three digits. One beyond the range is in no bucket
    /// but the last, and in the sum with the range.
    pub fn histogram(&mut self, labels: &[&str], latency: &LatencyHistogram) {
        let mut buckets = [0; BOUNDS_US.len() + 1];
        let histogram = latency.histogram();
        let mut sum_us = latency.over_range() as f64 * RANGE_US as f64;
        for cell in histogram.iter_recorded() {
            let (from, count) =
                (histogram.lowest_equivalent(cell.value_iterated_to()), cell.count_at_value());
            buckets[BOUNDS_US.partition_point(|bound| *bound < from)] += count;
            sum_us += histogram.median_equivalent(from) as f64 * count as f64;
        }
        let mut below = 0;
        for (bound, count) in BOUNDS_US.iter().zip(buckets) {
            below += count;
            self.sample("_bucket", labels, Some(*bound as f64 / 1e6), below as f64);
        }
        let count = latency.count() as f64;
        self.sample("_bucket", labels, Some(f64::INFINITY), count);
        self.sample("_sum", labels, None, sum_us / 1e6);
        self.sample("_count", labels, None, count);
    }

    fn sample(&mut self, suffix: &str, values: &[&str], bound: Option<f64>, value: f64) {
        let Family { name, labels, .. } = self.family;
        debug_assert_eq!(labels.len(), values.len(), "{name}");
        let page = &mut *self.page;
        // A string takes whatever is written into it.
        let _ = write!(page, "{PREFIX}{name}{suffix}");
        let mut before = '{';
        for (label, value) in labels.iter().zip(values) {
            let _ = write!(page, "{before}{label}=\"{}\"", Escaped(value));
            before = ',';
        }
        if let Some(bound) = bound {
            let _ = match bound.is_finite() {
                true => write!(page, "{before}le=\"{bound}\""),
                false => write!(page, "{before}le=\"+Inf\""),
            };
            before = ',';
        }
        let _ = writeln!(page, "{} {value}", if before == ',' { "}" } else { "" });
    }
}

/// The value of a label, with what would end it or the line escaped.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for sign in self.0.chars() {
            match sign {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                sign if sign.is_control() => f.write_char('\u{fffd}')?,
                sign => f.write_char(sign)?,
            }
        }
        Ok(())
    }
}
