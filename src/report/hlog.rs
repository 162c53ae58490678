//! `latency.hlog`: every histogram of every second, in the HdrHistogram interval log format, version 1.3.
//!
//! Any HdrHistogram implementation reads it. The values are microseconds; each line's time is in seconds from the
//! start of the run, its maximum in milliseconds.

use std::io::Write;

use crate::record::{RecordError, RunRecord, StoredHistogram, StoredInterval};
use crate::verdict::Verdict;

/// Writes the interval log, a second after the other. A tag is `<metric>.response`, `<metric>.service` or
/// `ack_by_request.<request>`.
///
/// # Errors
/// The run's log cannot be read, or the writer refuses.
pub fn hlog(record: &RunRecord, _verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    let intervals = record.intervals.read()?;
    let start = record.started_at as f64 / 1e3;
    writeln!(out, "#[wtsp-load {}: {}; values in microseconds]", record.tool.version, record.profile.name)?;
    writeln!(out, "#[Histogram log format version 1.3]")?;
    // Both, because readers differ in what they take the other one to be.
    writeln!(out, "#[BaseTime: {start:.3} (seconds since epoch)]")?;
    writeln!(out, "#[StartTime: {start:.3} (seconds since epoch)]")?;
    writeln!(
        out,
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
    )?;
    for interval in intervals {
        write_interval(&interval?, out)?;
    }
    Ok(())
}

/// Writes the lines of a second.
fn write_interval(interval: &StoredInterval, out: &mut dyn Write) -> Result<(), RecordError> {
    for (tag, stored) in interval.latency.tagged() {
        write_line(&tag, interval, stored, out)?;
    }
    Ok(())
}

fn write_line(
    tag: &str,
    interval: &StoredInterval,
    stored: &StoredHistogram,
    out: &mut dyn Write,
) -> Result<(), RecordError> {
    let over_range = stored.summary.over_range;
    if over_range > 0 {
        // The format has no place for what lies beyond a histogram's range.
        writeln!(out, "#[{over_range} of {tag} took more than 10 minutes and are not in the next line]")?;
    }
    let (start, length) = (interval.at_us as f64 / 1e6, interval.length_us as f64 / 1e6);
    let max = stored.summary.max.unwrap_or_default() as f64 / 1e3;
    let histogram = stored.histogram.as_deref().unwrap_or_default();
    writeln!(out, "Tag={tag},{start:.3},{length:.3},{max:.3},{histogram}")?;
    Ok(())
}
