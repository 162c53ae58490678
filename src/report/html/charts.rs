//! What is drawn: the charts of a run, and what the panel says of a second.

use serde::Serialize;

use super::markup::Html;
use super::moments::by;
use super::places::{Chart, ChartKind, Places, Series, Unit};
use super::terms::Terms;
use super::timeline::{OTHERS, OUTCOMES, Timeline};
use crate::metrics::Metric;
use crate::protocol::CloseCode;
use crate::record::{RunRecord, Summary};
use crate::report::text::words;
use crate::report::units::{count, latency as time};

/// The latencies that are shown at once, in this order; the others are a click away.
const FIRST: [Metric; 7] = [
    Metric::Setup,
    Metric::Ringback,
    Metric::Answer,
    Metric::Release,
    Metric::Signon,
    Metric::Ack,
    Metric::Keepalive,
];

/// Lines of what the panel says of a second.
#[derive(Debug, Serialize)]
pub(super) struct PanelGroup {
    title: &'static str,
    rows: Vec<PanelRow>,
}

impl PanelGroup {
    /// The columns of the timeline that are told.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.key.as_str())
    }
}

#[derive(Debug, Serialize)]
struct PanelRow {
    key: String,
    label: String,
    unit: Unit,
    /// Whether it is left out where it is zero.
    sparse: bool,
}

/// The charts of a run, drawn by the script into places that are on the page already.
pub(super) struct Charts<'a> {
    timeline: &'a Timeline,
    terms: &'a Terms,
    places: Places,
}

impl<'a> Charts<'a> {
    /// The charts of a run, and the part of the page that has their places.
    pub(super) fn of(record: &RunRecord, timeline: &'a Timeline, terms: &'a Terms) -> (Vec<Chart>, Html) {
        let mut charts = Charts { timeline, terms, places: Places::default() };
        charts.load(record);
        charts.disconnects(record);
        charts.generator();
        charts.latencies(record);
        (charts.places.charts, charts.places.html)
    }

    fn load(&mut self, record: &RunRecord) {
        self.places.html.open("section", &[("id", "load")]).el("h2", &[], "Load and outcomes");
        self.places.html.raw("<div class=\"pair\">\n");
        let mut rates = vec![("sign_ons.wanted", "wanted"), ("sign_ons.done", "done")];
        rates.extend([("sign_ons.failed", "failed"), ("reconnects", "reconnects")]);
        self.chart(
            "clients",
            "Clients",
            "with an open connection, and signed on",
            Unit::Number,
            &[("connected", "connected"), ("signed_on", "signed on")],
        );
        self.chart(
            "sign-on-rate",
            "Sign-ons a second",
            "wanted by the plan, and done",
            Unit::PerSecond,
            &rates,
        );
        if record.counted.attempts.due > 0 {
            self.chart(
                "concurrent",
                "Concurrent calls",
                "being set up or up, and answered",
                Unit::Number,
                &[("calls", "calls"), ("calls_answered", "answered")],
            );
            self.chart(
                "call-rate",
                "Calls a second",
                "wanted: due; done: sent, and completed",
                Unit::PerSecond,
                &[("attempts.due", "due"), ("attempts.started", "sent"), ("completed", "completed")],
            );
            let outcomes = OUTCOMES.iter().filter(|(name, _)| !["due", "started"].contains(name));
            let outcomes: Vec<(String, String)> =
                outcomes.map(|(name, _)| (format!("attempts.{name}"), words(name))).collect();
            self.chart_of("outcomes", "Outcomes a second", "how attempts ended", Unit::PerSecond, outcomes);
            let failed = self.timeline.keys("failed.");
            if !failed.is_empty() {
                let failed =
                    failed.into_iter().map(|key| (key.clone(), words(key.trim_start_matches("failed."))));
                self.chart_of(
                    "failures",
                    "Failed calls a second",
                    "by reason",
                    Unit::PerSecond,
                    failed.collect(),
                );
            }
        }
        self.places.html.raw("</div>\n").close("section");
    }

    fn disconnects(&mut self, record: &RunRecord) {
        self.places.html.open("section", &[("id", "closes")]).el("h2", &[], "Disconnects");
        if record.counted.disconnects.is_empty() {
            self.places.html.el("p", &[], "No connection ended.").close("section");
            return;
        }
        let series = disconnect_rows(self.timeline);
        self.chart_of(
            "disconnects",
            "Connections that ended",
            "a second, by close code",
            Unit::PerSecond,
            series,
        );
        self.places.html.close("section");
    }

    fn generator(&mut self) {
        self.places.html.open("section", &[("id", "health")]).el("h2", &[], "The generator's own health");
        self.places.html.raw("<div class=\"pair\">\n");
        self.chart(
            "lag",
            "Lateness of the generator",
            "p99 of each second, and the worst heartbeat",
            Unit::Micros,
            &[
                ("lag.service.p99", "calls sent"),
                ("keepalive_lag.service.p99", "keepalives sent"),
                ("timer_lag.service.p99", "deadlines met"),
                ("handling.service.p99", "frames handled"),
                ("heartbeat_late", "worst heartbeat"),
            ],
        );
        self.chart(
            "cpu",
            "Processor",
            "of the busiest worker, as a part of one core",
            Unit::Percent,
            &[("worker_cpu", "busiest worker")],
        );
        self.places.html.raw("</div>\n").close("section");
    }

    fn latencies(&mut self, record: &RunRecord) {
        let terms = self.terms;
        latencies(&mut self.places, &[record], |places, metric| latency(places, terms, record, metric));
    }

    fn chart(&mut self, id: &str, title: &str, note: &str, unit: Unit, series: &[(&str, &str)]) {
        let series = series.iter().map(|(key, label)| ((*key).to_owned(), (*label).to_owned())).collect();
        self.chart_of(id, title, note, unit, series);
    }

    /// A chart over time, of what there was any of; of the first where there was nothing at all.
    fn chart_of(&mut self, id: &str, title: &str, note: &str, unit: Unit, all: Vec<(String, String)>) {
        let mut series: Vec<&(String, String)> =
            all.iter().filter(|(key, _)| self.timeline.has(key)).collect();
        if series.is_empty() {
            series = all.iter().filter(|(key, _)| self.timeline.keys(key).contains(key)).take(1).collect();
        }
        // What many lines are in needs no area beneath.
        let fill = series.len() <= 3;
        let series = series.into_iter().enumerate().map(|(colour, (key, label))| Series {
            run: 0,
            key: key.clone(),
            label: label.clone(),
            colour: colour_of(key).unwrap_or(colour % 8),
            fill: fill && colour == 0,
        });
        let (series, caption) = (series.collect(), format!("{title}: {note}"));
        self.places.place(id, &caption, ChartKind::Time, unit, series, false);
    }
}

/// The latencies that any of the runs measured, each written by `latency`: the first ones, and the others folded.
pub(super) fn latencies(
    places: &mut Places,
    runs: &[&RunRecord],
    mut latency: impl FnMut(&mut Places, Metric),
) {
    let is_measured = |metric: &&Metric| {
        !metric.is_own() && runs.iter().any(|record| !summaries(record, **metric).is_empty())
    };
    let others = Metric::ALL.iter().filter(|metric| !FIRST.contains(metric)).filter(is_measured);
    let others: Vec<Metric> = others.copied().collect();
    let first: Vec<Metric> = FIRST.iter().filter(is_measured).copied().collect();
    places.html.open("section", &[("id", "latency")]).el("h2", &[], "Latency");
    if first.is_empty() && others.is_empty() {
        places.html.el("p", &[], "No latency was measured.");
    }
    first.into_iter().for_each(|metric| latency(places, metric));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|metric| metric.name()).collect();
        let names = names.join(", ").replace('_', " ");
        places.html.open("details", &[("class", "more")]);
        places.html.el("summary", &[], format_args!("Further latencies: {names}"));
        others.into_iter().for_each(|metric| latency(places, metric));
        places.html.close("details");
    }
    places.html.close("section");
}

/// Begins the part of a metric with its name, and what it is.
pub(super) fn begin_latency(html: &mut Html, terms: &Terms, metric: Metric) {
    let id = format!("latency-{metric}");
    html.open("article", &[("class", "latency"), ("id", &id)]).open("h3", &[]);
    terms.link(html, metric.name(), &words(metric.name()));
    html.el("small", &[], format_args!(" {}", metric.meaning())).close("h3");
}

/// A metric: its percentiles over time, and its percentile curve.
fn latency(places: &mut Places, terms: &Terms, record: &RunRecord, metric: Metric) {
    let parts = summaries(record, metric);
    begin_latency(&mut places.html, terms, metric);
    for (part, summary) in &parts {
        write_figures(&mut places.html, part, summary);
    }
    places.html.raw("<div class=\"wide-pair\">\n");
    let quantiles = ["p50", "p90", "p99", "max"];
    for (index, (part, _)) in parts.iter().enumerate() {
        let series = quantiles.iter().enumerate().map(|(colour, name)| Series {
            run: 0,
            key: format!("{metric}.{part}.{name}"),
            label: (*name).to_owned(),
            // The last colours of the page are a scale, from the median to the longest.
            colour: 8 + colour,
            fill: false,
        });
        let (id, caption) = (format!("{metric}.{part}"), format!("{part}: percentiles of each second"));
        let series = series.collect();
        places.place(&id, &caption, ChartKind::Time, Unit::Micros, series, index > 0);
    }
    let curves = parts.iter().enumerate().map(|(colour, (part, _))| Series {
        run: 0,
        key: format!("{metric}.{part}"),
        label: (*part).to_owned(),
        colour,
        fill: false,
    });
    let (id, series) = (format!("{metric}.curve"), curves.collect());
    let caption = "percentiles of the whole run";
    places.place(&id, caption, ChartKind::Curve, Unit::Micros, series, false);
    places.html.raw("</div>\n").close("article");
}

/// The colour of what has one of its own: failures are red, what we did ourselves is grey.
fn colour_of(key: &str) -> Option<usize> {
    let colours = [
        ("attempts.answered", 0),
        ("attempts.failed", 3),
        ("sign_ons.failed", 3),
        ("attempts.declined", 4),
        ("attempts.busy", 5),
        ("attempts.cancelled", 6),
        ("attempts.unavailable", 1),
        ("attempts.redirected", 2),
        ("attempts.done", 2),
        ("attempts.blocked", 1),
        ("attempts.unfinished", 7),
        ("disconnects.1000 client", 7),
        ("disconnects.1006 client", 7),
    ];
    colours.iter().find(|(name, _)| *name == key).map(|(_, colour)| *colour)
}

/// The parts of a metric that were measured.
pub(super) fn summaries(record: &RunRecord, metric: Metric) -> Vec<(&'static str, &Summary)> {
    let Some(latency) = record.latency.metrics.get(metric.name()) else { return Vec::new() };
    let parts = [("response", latency.response.as_ref()), ("service", latency.service.as_ref())];
    let measured = parts.into_iter().filter_map(|(part, summary)| Some((part, summary?)));
    measured.filter(|(_, summary)| summary.count > 0).collect()
}

/// The figures of a latency in a line.
pub(super) fn write_figures(html: &mut Html, name: &str, summary: &Summary) {
    let line = format!(" {}", figures(summary));
    html.open("p", &[("class", "note figures")]).el("b", &[], name).text(line).close("p");
}

fn figures(summary: &Summary) -> String {
    let figure = |micros: Option<u64>| micros.map_or(">10 min".to_owned(), time);
    let mut text = format!(
        "p50 {} \u{b7} p90 {} \u{b7} p99 {} \u{b7} p99.9 {} \u{b7} max {} \u{b7} of {}",
        figure(summary.p50),
        figure(summary.p90),
        figure(summary.p99),
        figure(summary.p999),
        figure(summary.max),
        count(summary.count)
    );
    if summary.over_range > 0 {
        text += &format!(", {} of them beyond 10 min", count(summary.over_range));
    }
    text
}

/// The columns of disconnects, in words: `4502 signaling keepalive timeout error, by the server`.
fn disconnect_rows(timeline: &Timeline) -> Vec<(String, String)> {
    let label = |key: &str| {
        let rest = key.trim_start_matches("disconnects.");
        let Some((code, initiator)) = rest.split_once(' ') else { return OTHERS.to_owned() };
        let name = code.parse().map_or("", |code: u16| CloseCode::from(code).name());
        format!("{code} {name}, by {}", by(initiator))
    };
    timeline.keys("disconnects.").into_iter().map(|key| (key.clone(), label(&key))).collect()
}

/// What the panel says of a second of some runs, whose timelines have the same columns.
pub(super) fn panel(runs: &[&RunRecord], timeline: &Timeline) -> Vec<PanelGroup> {
    let row = |key: &str, label: &str, unit, sparse| PanelRow {
        key: key.into(),
        label: label.into(),
        unit,
        sparse,
    };
    let mut load = vec![
        row("signed_on", "clients signed on", Unit::Number, false),
        row("sign_ons.done", "sign-ons done", Unit::Number, true),
        row("sign_ons.failed", "sign-ons failed", Unit::Number, true),
        row("reconnects", "reconnects", Unit::Number, true),
        row("reconnects_failed", "reconnects failed", Unit::Number, true),
    ];
    let mut calls = vec![row("calls", "concurrent calls", Unit::Number, false)];
    calls.push(row("attempts.due", "came due", Unit::Number, false));
    let outcomes = OUTCOMES.iter().filter(|(name, _)| !["due", "started"].contains(name));
    calls.extend(
        outcomes.map(|(name, _)| {
            row(&format!("attempts.{name}"), &words(name), Unit::Number, *name != "answered")
        }),
    );
    calls.push(row("completed", "completed", Unit::Number, true));
    let mut trouble: Vec<PanelRow> = Vec::new();
    for (prefix, what) in [("failed.", "failed"), ("signon_failed.", "sign-on failed")] {
        let keys = timeline.keys(prefix);
        trouble.extend(keys.iter().map(|key| {
            row(key, &format!("{what}: {}", words(key.trim_start_matches(prefix))), Unit::Number, true)
        }));
    }
    trouble.extend(disconnect_rows(timeline).iter().map(|(key, label)| row(key, label, Unit::Number, true)));
    trouble.push(row("request_errors", "requests refused", Unit::Number, true));
    trouble.push(row("request_timeouts", "requests without an answer", Unit::Number, true));
    trouble.push(row("keepalives_missed", "keepalives missed", Unit::Number, true));
    let latencies = FIRST.iter().filter_map(|metric| {
        let (part, _) = runs.iter().find_map(|record| summaries(record, *metric).first().copied())?;
        let key = format!("{metric}.{part}.p99");
        Some(row(&key, &words(metric.name()), Unit::Micros, false))
    });
    let latencies = latencies.collect();
    let generator = vec![
        row("lag.service.p99", "calls sent late, p99", Unit::Micros, false),
        row("timer_lag.service.p99", "deadlines met late, p99", Unit::Micros, false),
        row("heartbeat_late", "worst heartbeat", Unit::Micros, false),
        row("worker_cpu", "busiest worker", Unit::Percent, false),
        row("late", "calls over 100 ms late", Unit::Number, true),
    ];
    let mut groups = vec![PanelGroup { title: "Clients", rows: std::mem::take(&mut load) }];
    if runs.iter().any(|record| record.counted.attempts.due > 0) {
        groups.push(PanelGroup { title: "Calls", rows: calls });
    }
    groups.push(PanelGroup { title: "Failures and disconnects", rows: trouble });
    groups.push(PanelGroup { title: "Latency, p99", rows: latencies });
    groups.push(PanelGroup { title: "Generator", rows: generator });
    let is_there = |row: &PanelRow| timeline.keys(&row.key).contains(&row.key);
    for group in &mut groups {
        group.rows.retain(is_there);
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}
