//! `report.html`: a page to hand on. It is one file, opens without a network, and asks for nothing from one.
//!
//! The seconds of the run are read once, one by one: into the points of the charts ([`timeline`]), the percentile curves
//! ([`curves`]) and the moments worth a word ([`moments`]), none of which grows with the run. The words and tables are
//! markup and work without a script; the charts are drawn by `page.js` with uPlot, which is part of the page.

mod bins;
mod charts;
mod curves;
mod head;
mod ladders;
mod markup;
mod moments;
mod overlay;
mod places;
mod table;
mod tables;
mod terms;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use charts::{Charts, PanelGroup};
use curves::{Curve, Curves};
use markup::{Html, json_in_script, visible};
use moments::Lookout;
pub(super) use overlay::overlay;
use places::Chart;
use terms::Terms;
use timeline::{StoredTimeline, Timeline};

use crate::record::{FlightReader, HistogramError, RecordError, RunRecord, StoredInterval};
use crate::verdict::Verdict;

/// The chart library, with its licence: see `vendor/LICENSE`.
const UPLOT_JS: &str = include_str!("vendor/uPlot.iife.min.js");
const UPLOT_CSS: &str = include_str!("vendor/uPlot.min.css");
const UPLOT_LICENSE: &str = include_str!("vendor/LICENSE");
const PAGE_JS: &str = include_str!("page.js");
const PAGE_CSS: &str = include_str!("page.css");

/// An hour in microseconds.
const HOUR_US: u64 = 3_600_000_000;

/// What a page's script draws from.
#[derive(Serialize)]
struct Data {
    /// The run, or both.
    runs: Vec<RunData>,
    /// How long the longest was, in seconds.
    duration_s: f64,
    charts: Vec<Chart>,
    panel: Vec<PanelGroup>,
    stages: Vec<Stretch>,
    /// When the generator was unfit.
    unfit: Vec<Stretch>,
    /// What changed a run at a time: a line across the charts, with its name.
    changes: Vec<Stretch>,
}

/// The points of a run.
#[derive(Serialize)]
struct RunData {
    /// What it is called where there are two.
    name: &'static str,
    /// When it started, in milliseconds since the epoch.
    started_at: i64,
    timeline: StoredTimeline,
    curves: BTreeMap<String, Curve>,
}

/// A stretch of a run that is marked in the charts.
#[derive(PartialEq, Serialize)]
struct Stretch {
    /// The run, by its place in [`Data::runs`].
    run: usize,
    from: f64,
    to: f64,
    name: String,
}

/// Hands out the seconds of a run one by one.
fn each_second(
    record: &RunRecord,
    mut see: impl FnMut(&StoredInterval) -> Result<(), HistogramError>,
) -> Result<(), RecordError> {
    let mut seconds = record.intervals.read()?;
    while let Some(second) = seconds.next() {
        let second = second?;
        see(&second).map_err(|error| seconds.damaged(error))?;
    }
    Ok(())
}

/// The columns that a page shows.
fn shown<'a>(charts: &'a [Chart], panel: &'a [PanelGroup]) -> BTreeSet<&'a str> {
    charts.iter().flat_map(Chart::columns).chain(panel.iter().flat_map(PanelGroup::columns)).collect()
}

/// Writes the page.
///
/// # Errors
/// The run's log or its kept calls cannot be read, or the writer refuses.
pub fn html(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    let (mut timeline, mut curves, mut lookout) =
        (Timeline::new(record), Curves::default(), Lookout::default());
    each_second(record, |second| {
        timeline.add(second);
        lookout.add(second);
        curves.add(second)
    })?;
    let directory = record.intervals.log().parent().unwrap_or(std::path::Path::new(""));
    let kept = FlightReader::open(directory)?;

    let has_hours = record.duration_us >= HOUR_US;
    let terms = Terms::new();
    let (charts, places) = Charts::of(record, &timeline, &terms);
    let (moments, left_out) = lookout.finish(record, verdict);
    let mut page = Html::new();
    let name = &record.profile.name;
    let title = format!("{name}: {}", verdict.result.name().to_uppercase());
    head(&mut page, &title, name, &format!("load test of {}", record.target.url), CONTENTS);
    page.raw("<main>\n").put(&head::verdict(record, verdict)).put(&head::headline(record, &terms));
    page.put(&moments::section(&moments, left_out, has_hours));
    page.put(&head::ran(record)).put(&tables::thresholds(record, verdict, has_hours));
    page.put(&head::key_figures(record, &terms).map_err(io::Error::from)?);
    page.raw(CHARTS_BEGIN).put(&legend(&timeline, &lookout)).put(&places).raw(CHARTS_END);
    page.put(&tables::section(record, &terms))
        .put(&ladders::section(kept, record.kept_calls, has_hours))
        .put(&terms.section());
    foot(
        &mut page,
        &format!("{} {} from run.json and intervals.jsonl", record.tool.name, record.tool.version),
    );

    let panel = charts::panel(&[record], &timeline);
    let stored = timeline.stored(&shown(&charts, &panel));
    let run = RunData { name: "", started_at: record.started_at, timeline: stored, curves: curves.stored() };
    let data = Data {
        runs: vec![run],
        duration_s: record.duration_us as f64 / 1e6,
        charts,
        panel,
        stages: stages(record),
        unfit: unfit(0, &lookout),
        changes: changes(0, record),
    };
    write(&page, &data, out)
}

/// Writes the words of a page, and after them its scripts with what they draw from.
fn write(page: &Html, data: &Data, out: &mut dyn Write) -> Result<(), RecordError> {
    out.write_all(page.as_str().as_bytes())?;
    let data = json_in_script(data).map_err(io::Error::from)?;
    writeln!(out, "<script type=\"application/json\" id=\"data\">{data}</script>")?;
    writeln!(
        out,
        "<!--\nuPlot\n{UPLOT_LICENSE}-->\n<script>{UPLOT_JS}</script>\n<script>{PAGE_JS}</script>"
    )?;
    writeln!(out, "</body>\n</html>")?;
    Ok(())
}

const CHARTS_BEGIN: &str = "<section id=\"charts\" class=\"with-panel\">\n<div class=\"drawn\">\n<noscript><p \
                            class=\"note\">The charts need the script that is in this page. All figures of the whole \
                            run are in the tables below.</p></noscript>\n";
const CHARTS_END: &str =
    "</div>\n<aside id=\"panel\" aria-labelledby=\"panel-title\" hidden></aside>\n</section>\n";

/// The top of a page, up to where its content begins.
fn head(page: &mut Html, title: &str, heading: &str, of: &str, contents: &[(&str, &str)]) {
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy())]).raw("\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.el("title", &[], format_args!("{title} \u{b7} wtsp-load"));
    page.raw("<style>")
        .raw(UPLOT_CSS)
        .raw("</style>\n<style>")
        .raw(PAGE_CSS)
        .raw("</style>\n</head>\n<body>\n");
    page.raw("<header>").el("h1", &[], heading).el("p", &[], of);
    page.raw("<nav aria-label=\"Contents\">");
    for (id, name) in contents {
        page.open("a", &[("href", id)]).text(name).close("a").raw(" ");
    }
    page.raw("</nav><div id=\"tools\"></div></header>\n");
}

/// The bottom of a page that was made by something from something.
fn foot(page: &mut Html, made_by: &str) {
    page.raw("</main>\n<footer>").text(format_args!(
        "Made by {made_by}. Charts by uPlot 1.6.32 (MIT). This page asks for nothing from any network."
    ));
    page.raw("</footer>\n");
}

const CONTENTS: &[(&str, &str)] = &[
    ("#verdict", "Verdict"),
    ("#moments", "What happened when"),
    ("#ran", "What ran"),
    ("#thresholds", "Thresholds"),
    ("#kpi", "Key figures"),
    ("#charts", "Charts"),
    ("#figures", "Tables"),
    ("#calls", "Calls"),
    ("#glossary", "Glossary"),
];

/// What the page may do: run its own two scripts, use its own two style sheets, and nothing else. No script that text
/// from outside might bring would run, and no request leaves the page.
fn policy() -> String {
    let hashes = |sources: [&str; 2]| {
        sources
            .map(|source| format!("'sha256-{}'", BASE64.encode(digest(&SHA256, source.as_bytes()))))
            .join(" ")
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hashes([UPLOT_JS, PAGE_JS]),
        hashes([UPLOT_CSS, PAGE_CSS])
    )
}

/// How to read what is common to all charts.
fn legend(timeline: &Timeline, lookout: &Lookout) -> Html {
    let mut html = Html::new();
    if timeline.every > 1 {
        let text = format!(
            "The run has {} seconds. Each point of the charts stands for {} of them: the line is the highest of these \
             seconds, the shade reaches down to the lowest. Counts at a point are of all its seconds.",
            timeline.seconds, timeline.every
        );
        html.el("p", &[("class", "note"), ("id", "thinned")], text);
    }
    if !lookout.unfit().is_empty() {
        html.el("p", &[("class", "note")], HATCHED);
    }
    html
}

const HATCHED: &str = "Hatched: the generator was unfit, so what is drawn there may be its own doing.";

fn stages(record: &RunRecord) -> Vec<Stretch> {
    let stretch = |stage: &crate::record::StageInfo| Stretch {
        run: 0,
        from: stage.starts_s,
        to: stage.starts_s + stage.duration_s,
        name: visible(&stage.name),
    };
    let ran_s = record.duration_us as f64 / 1e6;
    record.stages.iter().map(stretch).filter(|stage| stage.from < ran_s).collect()
}

/// What was not as the plan has it from then on.
fn changes(run: usize, record: &RunRecord) -> Vec<Stretch> {
    let aborted = record.aborted_by.iter().map(|aborted| {
        let at = aborted.at_us as f64 / 1e6;
        Stretch { run, from: at, to: at, name: format!("ended early: {}", visible(&aborted.name)) }
    });
    let by_hand = record.changes.iter().map(|change| {
        let at = change.at_us as f64 / 1e6;
        Stretch { run, from: at, to: at, name: change.words() }
    });
    aborted.chain(by_hand).collect()
}

fn unfit(run: usize, lookout: &Lookout) -> Vec<Stretch> {
    let stretches = lookout.unfit().iter();
    let stretch = |it: &moments::Unfit| Stretch {
        run,
        from: it.from_us as f64 / 1e6,
        to: it.to_us as f64 / 1e6,
        name: "generator unfit".to_owned(),
    };
    stretches.map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of the files of uPlot 1.6.32 as the npm registry has them.
    const VENDORED: [(&str, &str); 3] = [
        (UPLOT_JS, "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        (UPLOT_CSS, "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
        (UPLOT_LICENSE, "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
    ];

    #[test]
    fn the_chart_library_is_the_one_that_was_published() {
        for (text, expected) in VENDORED {
            let hash = digest(&SHA256, text.as_bytes());
            let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, expected);
        }
    }

    #[test]
    fn nothing_of_the_page_ends_its_script_or_style_early() {
        for text in [UPLOT_JS, PAGE_JS] {
            assert!(!text.contains("</script") && !text.contains("<!--"));
        }
        assert!(!UPLOT_CSS.contains("</style") && !PAGE_CSS.contains("</style"));
        assert!(!UPLOT_LICENSE.contains("--"));
        // With this a style sheet could fetch something, were the policy not there.
        assert!(!PAGE_CSS.contains("url(") && !PAGE_CSS.contains("@import"));
    }
}
