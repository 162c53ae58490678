//! `<latency>.hgrm`: the percentile distribution of one latency over the whole run, as text.
//!
//! This is what `outputPercentileDistribution` of HdrHistogram's own implementations writes, line for line, and what
//! the plotters made for it read. Values are in milliseconds.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use crate::metrics::LatencyHistogram;
use crate::record::{self, Decoder, RecordError, RunRecord};

/// How many lines there are for each halving of the distance to 100 %.
const TICKS: f64 = 5.0;
/// Microseconds in the unit of the values.
const SCALE: f64 = 1e3;
/// The cells of a bucket of a histogram with 3 significant digits.
const SUB_BUCKETS: u32 = 2048;

/// Writes the distribution of one latency, named as in `latency.hlog`: `setup.response`, `ack.service`,
/// `ack_by_request.accept`.
///
/// # Errors
/// The run's log cannot be read, it has no such latency, or the writer refuses.
pub fn hgrm(record: &RunRecord, latency: Option<&str>, out: &mut dyn Write) -> Result<(), RecordError> {
    let measured = totals(record, latency)?;
    match latency.and_then(|name| measured.get(name)) {
        Some(histogram) => Ok(distribution(histogram, out)?),
        None => {
            let there: Vec<String> = record
                .latency
                .tagged()
                .into_iter()
                .filter(|(_, it)| it.count > 0)
                .map(|(tag, _)| tag)
                .collect();
            Err(RecordError::NoLatency { name: latency.map(str::to_owned), there: there.join(", ") })
        }
    }
}

/// Writes a file for each latency into `directory`, which is made where it is not there.
///
/// # Errors
/// The run's log cannot be read, or a file cannot be written.
pub fn hgrm_files(record: &RunRecord, directory: &Path) -> Result<(), RecordError> {
    std::fs::create_dir_all(directory).map_err(|error| RecordError::write(directory, error))?;
    for (tag, histogram) in &totals(record, None)? {
        let path = directory.join(format!("{tag}.hgrm"));
        record::save(&path, |out| Ok(distribution(histogram, out)?))?;
    }
    Ok(())
}

/// The latencies of all seconds together, or one of them, by name.
fn totals(record: &RunRecord, only: Option<&str>) -> Result<BTreeMap<String, LatencyHistogram>, RecordError> {
    let mut decoder = Decoder::default();
    let mut totals: BTreeMap<String, LatencyHistogram> = BTreeMap::new();
    let mut seconds = record.intervals.read()?;
    while let Some(second) = seconds.next() {
        let second = second?;
        for (tag, stored) in second.latency.tagged() {
            if only.is_none_or(|only| only == tag) {
                let total = totals.entry(tag).or_default();
                decoder.add(stored, total).map_err(|error| seconds.damaged(error))?;
            }
        }
    }
    Ok(totals)
}

/// The table, with more lines the closer it gets to 100 %, and its footer.
fn distribution(latency: &LatencyHistogram, out: &mut dyn Write) -> io::Result<()> {
    let histogram = latency.histogram();
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let all = histogram.len();
    let (mut level, mut below) = (0.0, 0);
    for value in histogram.iter_recorded() {
        below += value.count_at_value();
        let millis = histogram.highest_equivalent(value.value_iterated_to()) as f64 / SCALE;
        let reached = 100.0 * below as f64 / all as f64;
        // A value has a line for each level that it reaches; the last one has one, and one for 100 %.
        while reached >= level {
            let (part, rest) = (level / 100.0, 1.0 / (1.0 - level / 100.0));
            writeln!(out, "{millis:12.3} {part:2.12} {below:10} {rest:14.2}")?;
            level = next_level(level);
            if below == all {
                writeln!(out, "{millis:12.3} {:2.12} {below:10}", 1.0)?;
                break;
            }
        }
    }
    let (mean, deviation) = (histogram.mean() / SCALE, histogram.stdev() / SCALE);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {:12.3}, Total count    = {all:12}]", histogram.max() as f64 / SCALE)?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {SUB_BUCKETS:12}]", histogram.buckets())?;
    match latency.over_range() {
        0 => Ok(()),
        // The format has no place for what lies beyond a histogram's range.
        over => writeln!(out, "#[{over} took more than 10 minutes and are not in this table]"),
    }
}

/// The level after this one, both in percent: [`TICKS`] steps for each halving of what is left to 100 %.
fn next_level(level: f64) -> f64 {
    let halvings = (100.0 / (100.0 - level)).log2().floor() + 1.0;
    level + 100.0 / (TICKS * halvings.exp2())
}
