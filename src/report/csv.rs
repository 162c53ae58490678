//! `timeline.csv`: a row a second, for spreadsheets and plots.

use std::io::Write;

use crate::metrics::Metric;
use crate::record::{Counted, Health, RecordError, RunRecord, StageInfo, StoredInterval, Summary};
use crate::verdict::Verdict;

/// A column that is one figure of a second.
type Column = (&'static str, fn(&StoredInterval) -> u64);

/// The columns between the stage and the latencies. New ones are added at the end of the table only, so that a
/// column keeps its place.
const COLUMNS: &[Column] = &[
    ("connected", |second| second.gauges.connected),
    ("signed_on", |second| second.gauges.signed_on),
    ("calls", |second| second.gauges.calls),
    ("calls_answered", |second| second.gauges.calls_answered),
    ("sign_ons", |second| second.clients.signed_on),
    ("signon_failed", |second| second.clients.signon_failed),
    ("reconnects", |second| second.clients.reconnects),
    ("due", |second| second.counted.attempts.due),
    ("started", |second| second.counted.attempts.started),
    ("blocked", |second| second.counted.attempts.blocked),
    ("answered", |second| second.counted.attempts.answered),
    ("declined", |second| second.counted.attempts.declined),
    ("busy", |second| second.counted.attempts.busy),
    ("cancelled", |second| second.counted.attempts.cancelled),
    ("unavailable", |second| second.counted.attempts.unavailable),
    ("redirected", |second| second.counted.attempts.redirected),
    ("failed", |second| second.counted.attempts.failed),
    ("unfinished", |second| second.counted.attempts.unfinished),
    ("completed", |second| second.counted.calls.completed),
    ("requests_sent", |second| second.counted.requests.sent.values().sum()),
    ("requests_acked", |second| second.counted.requests.acked),
    ("request_errors", |second| second.counted.requests.errors.values().sum()),
    ("request_timeouts", |second| second.counted.requests.timeouts),
    ("events", |second| second.counted.events.values().sum()),
    ("keepalives_sent", |second| second.counted.keepalives.sent),
    ("keepalives_answered", |second| second.counted.keepalives.answered),
    ("keepalives_missed", |second| second.counted.keepalives.missed),
    ("disconnects", |second| disconnects(&second.counted)),
    ("late", |second| second.counted.late),
    ("rss_bytes", |second| second.health.rss_bytes),
    ("turn_max_us", |second| second.health.turn_max_us),
];

fn disconnects(counted: &Counted) -> u64 {
    counted.disconnects.iter().map(|one| one.count).sum()
}

/// The columns behind the latencies: what a system may not tell is an empty cell.
type HealthColumn = (&'static str, fn(&Health) -> Option<String>);

const HEALTH_COLUMNS: &[HealthColumn] = &[
    ("run_delay_us", |health| text(health.run_delay_us)),
    ("run_delay_max_us", |health| text(health.run_delay_max_us)),
    ("heartbeat_late_max_us", |health| text(Some(health.heartbeat_late_max_us))),
    ("steal_part", |health| health.steal_part.map(|part| format!("{part:.4}"))),
    ("throttled_periods", |health| text(health.throttled_periods)),
    ("throttled_us", |health| text(health.throttled_us)),
    ("fds_open", |health| text(health.fds_open)),
    ("fds_left", |health| text(health.fds_left)),
    ("ports_left", |health| text(health.ports_left)),
    ("bytes_per_client", |health| text(health.bytes_per_client)),
];

/// The last columns: what joined when there were others behind its like already.
const LATER_COLUMNS: &[Column] = &[
    ("done", |second| second.counted.attempts.done),
    ("side_calls", |second| second.counted.side_calls.started),
];

fn text(figure: Option<u64>) -> Option<String> {
    figure.map(|figure| figure.to_string())
}

/// The columns of one kind of latency, in microseconds but for the count. The table is what fixes their order.
type LatencyColumn = (&'static str, fn(&Summary) -> Option<u64>);

const LATENCY_COLUMNS: &[LatencyColumn] = &[
    ("count", |summary| Some(summary.count)),
    ("p50_us", |summary| summary.p50),
    ("p99_us", |summary| summary.p99),
    ("max_us", |summary| summary.max),
];

/// Writes the timeline: a header, then a row a second. A figure that is unknown is an empty cell.
///
/// # Errors
/// The run's log cannot be read, or the writer refuses.
pub fn csv(record: &RunRecord, _verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    let intervals = record.intervals.read()?;
    writeln!(out, "{}", header().join(","))?;
    for interval in intervals {
        writeln!(out, "{}", row(&interval?, &record.stages).join(","))?;
    }
    Ok(())
}

/// The kinds of latency that a metric has.
fn parts(metric: Metric) -> impl Iterator<Item = &'static str> {
    metric.has_response().then_some("response").into_iter().chain(["service"])
}

fn header() -> Vec<String> {
    let mut names: Vec<String> = ["at_s", "length_s", "stage"].map(str::to_owned).into();
    names.extend(COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(["cpu_cores", "worker_cpu_max"].map(str::to_owned));
    for metric in Metric::ALL {
        for part in parts(*metric) {
            names.extend(LATENCY_COLUMNS.iter().map(|(figure, _)| format!("{metric}_{part}_{figure}")));
        }
    }
    names.extend(HEALTH_COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(LATER_COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    names
}

fn row(second: &StoredInterval, stages: &[StageInfo]) -> Vec<String> {
    let stage = second.stage.and_then(|index| stages.get(index as usize));
    let mut cells = vec![
        format!("{:.3}", second.at_us as f64 / 1e6),
        format!("{:.3}", second.length_us as f64 / 1e6),
        stage.map(|stage| quoted(&stage.name)).unwrap_or_default(),
    ];
    cells.extend(COLUMNS.iter().map(|(_, figure)| figure(second).to_string()));
    cells.push(format!("{:.3}", second.health.cpu_cores));
    cells.push(format!("{:.3}", second.health.worker_cpu_max));
    for metric in Metric::ALL {
        let latency = second.latency.metrics.get(metric.name());
        for part in parts(*metric) {
            let stored = latency.and_then(|latency| match part {
                "response" => latency.response.as_ref(),
                _ => latency.service.as_ref(),
            });
            let summary = stored.map(|stored| stored.summary).unwrap_or_default();
            let figures = LATENCY_COLUMNS.iter().map(|(_, figure)| figure(&summary));
            cells.extend(figures.map(|figure| figure.map(|value| value.to_string()).unwrap_or_default()));
        }
    }
    cells.extend(HEALTH_COLUMNS.iter().map(|(_, figure)| figure(&second.health).unwrap_or_default()));
    cells.extend(LATER_COLUMNS.iter().map(|(_, figure)| figure(second).to_string()));
    cells
}

/// `text` as a cell: in quotes where it has to be, and never as a formula.
fn quoted(text: &str) -> String {
    // A spreadsheet runs what begins like a formula.
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        assert_eq!(row(&StoredInterval::default(), &[]).len(), header().len());
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
