//! The latency table.

use std::io;

use super::super::units::{count, latency as time};
use super::{Page, RunRecord, words};
use crate::metrics::Metric;
use crate::record::{ByMetric, Summary};
use crate::scenario::{Flow, Intent};

impl Page<'_> {
    /// A row for each latency that was measured: from due (response) and from sent (service).
    pub(super) fn latencies(&mut self, record: &RunRecord) -> io::Result<()> {
        let rows = rows(record);
        if rows.is_empty() {
            return Ok(());
        }
        self.line(&row("Latency", "", ["count", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned)))?;
        for (metric, part, summary) in &rows {
            self.line(&row(&format!("  {metric}"), part, cells(summary)))?;
        }
        if rows.iter().any(|(_, part, _)| *part == "response") {
            self.line("")?;
            self.line("  response counts from when it was due, service from when it was sent")?;
            self.line("  a stalled server shows in response with the whole wait; what clients send once")?;
            self.line("  it has spoken is held back with it, so that answer and release show less of it")?;
        }
        self.latencies_by_flow(record)?;
        self.line("")
    }

    /// A row for each flow of a mix: how long its calls took to be set up, or else to come to their end.
    fn latencies_by_flow(&mut self, record: &RunRecord) -> io::Result<()> {
        let by_flow = &record.latency.by_flow;
        if by_flow.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.line(&flow_row("  by flow", "", "", ["count", "p50", "p99", "max"].map(str::to_owned)))?;
        for flow in Flow::ALL.iter().copied() {
            let Some((metric, part, summary)) = by_flow.get(flow.name()).and_then(|it| telling(flow, it))
            else {
                continue;
            };
            let [number, p50, _, p99, _, max] = cells(summary);
            let name = format!("    {}", words(flow.name()));
            self.line(&flow_row(&name, metric.name(), part, [number, p50, p99, max]))?;
        }
        Ok(())
    }
}

/// What tells most of how the calls of a flow were served: what ends the wait of a caller as the flow intends, or else
/// what there was most of. The calls that a flow needs beside, such as those that fill the lines of a busy callee, are of
/// the flow too, and may be more.
fn telling(flow: Flow, measured: &ByMetric<Summary>) -> Option<(Metric, &'static str, &Summary)> {
    let ends = [Metric::Setup, Metric::Reject, Metric::Decline, Metric::Cancel];
    let intended = match flow.script().intends.first()? {
        Intent::Answered => Metric::Setup,
        Intent::Busy | Intent::Unavailable | Intent::NoSuchNumber => Metric::Reject,
        Intent::Declined => Metric::Decline,
        Intent::Cancelled => Metric::Cancel,
        Intent::Done => return None,
    };
    let of = |metric: Metric| {
        let latency = measured.get(metric.name())?;
        let response = latency.response.as_ref().map(|summary| (metric, "response", summary));
        response.or(latency.service.as_ref().map(|summary| (metric, "service", summary)))
    };
    // The last of those that are most, so that the first of them comes last.
    of(intended).or_else(|| ends.into_iter().rev().filter_map(of).max_by_key(|(.., summary)| summary.count))
}

fn flow_row(flow: &str, metric: &str, part: &str, figures: [String; 4]) -> String {
    let mut row = format!("{flow:<22}{metric:<8}{part:<9}");
    for figure in figures {
        row.push_str(&format!("{figure:>9}"));
    }
    row
}

/// What was measured, in the order of a report.
fn rows(record: &RunRecord) -> Vec<(&'static str, &'static str, &Summary)> {
    let mut rows = Vec::new();
    // The generator's own lateness stands with the generator.
    for metric in Metric::ALL.iter().filter(|metric| !metric.is_own()) {
        let Some(latency) = record.latency.metrics.get(metric.name()) else { continue };
        for (part, summary) in [("response", &latency.response), ("service", &latency.service)] {
            if let Some(summary) = summary.as_ref().filter(|summary| summary.count > 0) {
                rows.push((metric.name(), part, summary));
            }
        }
    }
    rows
}

fn row(label: &str, part: &str, cells: [String; 6]) -> String {
    let [number, figures @ ..] = cells;
    let mut row = format!("{label:<17}{part:<9}{number:>9}");
    for figure in figures {
        row.push_str(&format!("{figure:>9}"));
    }
    row
}

/// The figures of a row. One that is unknown lies beyond the range of a histogram.
fn cells(summary: &Summary) -> [String; 6] {
    let figure = |value: Option<u64>| value.map_or_else(|| ">10 min".to_owned(), time);
    [
        count(summary.count),
        figure(summary.p50),
        figure(summary.p90),
        figure(summary.p99),
        figure(summary.p999),
        figure(summary.max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::MetricLatency;

    #[test]
    fn a_flow_is_told_by_what_it_intends_and_not_by_the_calls_beside() {
        let of =
            |count| MetricLatency { service: Some(Summary { count, ..Summary::default() }), response: None };
        let busy = ByMetric::from([("reject".to_owned(), of(10)), ("cancel".to_owned(), of(20))]);
        let told = |flow| telling(flow, &busy).map(|(metric, part, summary)| (metric, part, summary.count));
        assert_eq!(told(Flow::Busy), Some((Metric::Reject, "service", 10)));
        assert_eq!(told(Flow::Cancelled), Some((Metric::Cancel, "service", 20)));
        // What was intended never came about.
        assert_eq!(told(Flow::Answered), Some((Metric::Cancel, "service", 20)));
    }
}
