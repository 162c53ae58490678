//! The charts with both runs in the same axes: one figure each, so that a chart has two lines.

use super::super::charts::{begin_latency, latencies, summaries, write_figures};
use super::super::markup::Html;
use super::super::places::{ChartKind, Places, Series, Unit};
use super::super::terms::Terms;
use super::super::timeline::{Timeline, UNWANTED};
use super::NAMES;
use super::differences::look;
use crate::comparison::Comparison;
use crate::metrics::Metric;
use crate::record::RunRecord;
use crate::report::comparison::value;

/// The colour of BASE; that of NEW is the next one.
const FIRST_COLOUR: usize = 12;

/// A chart over time: the name of its column, its title, what it is, and in what.
type OverTime = (&'static str, &'static str, &'static str, Unit);

const LOAD: [OverTime; 6] = [
    ("attempts.due", "Calls wanted a second", "due by the plan", Unit::PerSecond),
    ("completed", "Calls done a second", "completed", Unit::PerSecond),
    ("calls", "Concurrent calls", "being set up or up", Unit::Number),
    ("attempts.failed", "Failed calls a second", "for whatever reason", Unit::PerSecond),
    ("signed_on", "Clients", "signed on", Unit::Number),
    (UNWANTED, "Disconnects a second", "connections that ended and should not have", Unit::PerSecond),
];

const GENERATOR: [OverTime; 2] = [
    ("lag.service.p99", "Lateness of the generator", "calls sent late, p99", Unit::Micros),
    ("timer_lag.service.p99", "Lateness of its deadlines", "met late, p99", Unit::Micros),
];

/// The charts of two runs, whose timelines have the same columns.
pub(super) fn charts(
    comparison: &Comparison,
    records: [&RunRecord; 2],
    timelines: [&Timeline; 2],
    terms: &Terms,
) -> Places {
    let mut places = Places::default();
    over_time(&mut places, "load", "Load and outcomes", &LOAD, timelines);
    latencies(&mut places, &records, |places, metric| latency(places, comparison, records, terms, metric));
    over_time(&mut places, "health", "The generators' own health", &GENERATOR, timelines);
    places
}

/// Charts of what there was any of in one of the runs.
fn over_time(
    places: &mut Places,
    id: &'static str,
    heading: &'static str,
    charts: &[OverTime],
    timelines: [&Timeline; 2],
) {
    let are_there: Vec<&OverTime> =
        charts.iter().filter(|(key, ..)| timelines.iter().any(|timeline| timeline.has(key))).collect();
    if are_there.is_empty() {
        return;
    }
    places.html.open("section", &[("id", id)]).el("h2", &[], heading).raw("<div class=\"pair\">\n");
    for (key, title, note, unit) in are_there {
        let caption = format!("{title}: {note}");
        places.place(key, &caption, ChartKind::Time, *unit, both(key), false);
    }
    places.html.raw("</div>\n").close("section");
}

/// A metric: its median and its p99 over time, and its percentile curve; from when it was due, where that is known.
fn latency(
    places: &mut Places,
    comparison: &Comparison,
    records: [&RunRecord; 2],
    terms: &Terms,
    metric: Metric,
) {
    let measured = records.map(|record| summaries(record, metric));
    let has_response = measured.iter().flatten().any(|(part, _)| *part == "response");
    let part = if has_response { "response" } else { "service" };
    begin_latency(&mut places.html, terms, metric);
    for (name, measured) in NAMES.into_iter().zip(&measured) {
        if let Some((_, summary)) = measured.iter().find(|(measured, _)| *measured == part) {
            write_figures(&mut places.html, name, summary);
        }
    }
    outcomes(&mut places.html, comparison, &format!("{metric}.{part}."));
    places.html.raw("<div class=\"three\">\n");
    for (quantile, title) in [("p50", "median"), ("p99", "p99")] {
        let key = format!("{metric}.{part}.{quantile}");
        let caption = format!("{title}: {part}, over time");
        places.place(&key, &caption, ChartKind::Time, Unit::Micros, both(&key), false);
    }
    let key = format!("{metric}.{part}");
    let (id, caption) = (format!("{metric}.curve"), format!("percentiles: {part}, of the whole run"));
    places.place(&id, &caption, ChartKind::Curve, Unit::Micros, both(&key), false);
    places.html.raw("</div>\n").close("article");
}

/// What is said of the figures that begin with this.
fn outcomes(html: &mut Html, comparison: &Comparison, prefix: &str) {
    let said = comparison.compared.iter().filter_map(|one| Some((one.name.strip_prefix(prefix)?, one)));
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        return;
    }
    html.open("p", &[("class", "note figures")]).el("b", &[], "compared");
    for (place, (quantile, one)) in said.into_iter().enumerate() {
        let (class, sign) = look(one.outcome);
        html.text(if place == 0 { " " } else { " \u{b7} " }).text(quantile).raw(" ");
        html.el("span", &[("class", class)], format_args!("{sign} {}", one.outcome.name()));
        let (base, new) = (value(one.unit, one.base), value(one.unit, one.new));
        html.text(format_args!(" ({base} \u{2192} {new})"));
    }
    html.close("p");
}

/// A figure of both runs.
fn both(key: &str) -> Vec<Series> {
    let series = NAMES.into_iter().enumerate().map(|(run, name)| Series {
        run,
        key: key.to_owned(),
        label: name.to_owned(),
        colour: FIRST_COLOUR + run,
        fill: false,
    });
    series.collect()
}
