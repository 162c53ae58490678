//! The page of a comparison: the verdict and the differences as a table, and both runs in the same axes.
//!
//! The seconds of both runs are taken together into bins of the same length ([`Bins`]), each from the start of its run.

mod differences;
mod drawn;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::bins::Bins;
use super::charts::panel;
use super::markup::Html;
use super::moments::{Lookout, by};
use super::table::{Table, figures, words as text};
use super::terms::Terms;
use super::timeline::{OUTCOMES, Timeline};
use super::{
    CHARTS_BEGIN, CHARTS_END, Data, HATCHED, RunData, Stretch, changes, each_second, foot, head, shown,
    stages, unfit, write,
};
use crate::comparison::{Comparison, Outcome};
use crate::protocol::CloseCode;
use crate::record::{RecordError, RunRecord};
use crate::report::comparison::{said, told};
use crate::report::text::words;
use crate::report::units::{count, of, percent};
use crate::verdict::Verdict;

/// What the two runs are called, the one that is compared with first.
const NAMES: [&str; 2] = ["BASE", "NEW"];

const CONTENTS: &[(&str, &str)] = &[
    ("#verdict", "Verdict"),
    ("#ran", "What ran"),
    ("#differences", "Differences"),
    ("#charts", "Charts"),
    ("#latency", "Latency"),
    ("#counts", "Counts"),
    ("#glossary", "Glossary"),
];

/// What was seen in the seconds of a run.
struct Seen {
    timeline: Timeline,
    bins: Bins,
    lookout: Lookout,
}

impl Seen {
    fn of(record: &RunRecord, both: &[&RunRecord], every: u64) -> Result<Seen, RecordError> {
        let mut seen = Seen {
            timeline: Timeline::unthinned(record, both),
            bins: Bins::new(every),
            lookout: Lookout::default(),
        };
        each_second(record, |second| {
            seen.lookout.add(second);
            seen.bins.add(second)?.iter().for_each(|bin| seen.timeline.add(bin));
            Ok(())
        })?;
        seen.bins.finish().iter().for_each(|bin| seen.timeline.add(bin));
        Ok(seen)
    }
}

/// Writes the page of a comparison of two runs, BASE first.
///
/// # Errors
/// The log of a run cannot be read, or the writer refuses.
pub(in crate::report) fn overlay(
    comparison: &Comparison,
    runs: [(&RunRecord, &Verdict); 2],
    out: &mut dyn Write,
) -> Result<(), RecordError> {
    let records = runs.map(|(record, _)| record);
    let every = Bins::length(&records);
    let seen = [Seen::of(records[0], &records, every)?, Seen::of(records[1], &records, every)?];
    let timelines = [&seen[0].timeline, &seen[1].timeline];
    let terms = Terms::new();
    let places = drawn::charts(comparison, records, timelines, &terms);

    let mut page = Html::new();
    let name = &comparison.new.profile;
    let title = format!("{name}: {}", comparison.outcome.name().to_uppercase());
    let heading = format!("{name}: NEW against BASE");
    let of = format!("a comparison of {} with {}", comparison.new.directory, comparison.base.directory);
    head(&mut page, &title, &heading, &of, CONTENTS);
    page.raw("<main>\n").put(&verdict(comparison)).put(&ran(comparison, runs));
    page.put(&differences::section(comparison, &terms));
    page.raw(CHARTS_BEGIN).put(&legend(every, &seen)).put(&places.html).raw(CHARTS_END);
    page.put(&counts(comparison, records)).put(&terms.section());
    let tool = &comparison.tool;
    foot(
        &mut page,
        &format!("{} {} from the run.json and intervals.jsonl of both runs", tool.name, tool.version),
    );

    let (charts, panel) = (places.charts, panel(&records, timelines[0]));
    let shown = shown(&charts, &panel);
    let run = |place: usize| RunData {
        name: NAMES[place],
        started_at: records[place].started_at,
        timeline: timelines[place].stored(&shown),
        curves: seen[place].bins.curves().stored(),
    };
    let named = |mut stretch: Stretch| {
        stretch.name = format!("{}: {}", NAMES[stretch.run], stretch.name);
        stretch
    };
    let marked = |of: fn(usize, &RunRecord, &Seen) -> Vec<Stretch>| {
        let both = (0..2).flat_map(|run| of(run, records[run], &seen[run]));
        both.map(named).collect::<Vec<Stretch>>()
    };
    let runs = vec![run(0), run(1)];
    let [of_base, of_new] = records.map(stages);
    let data = Data {
        runs,
        duration_s: records.map(|record| record.duration_us as f64 / 1e6).into_iter().fold(0.0, f64::max),
        // Where the plans differ there is no stage that both are in.
        stages: if of_base == of_new { of_base } else { Vec::new() },
        unfit: marked(|run, _, seen| unfit(run, &seen.lookout)),
        changes: marked(|run, record, _| changes(run, record)),
        charts,
        panel,
    };
    write(&page, &data, out)
}

/// The verdict of the comparison, what speaks against it, and what else has to be known.
fn verdict(comparison: &Comparison) -> Html {
    let outcome = comparison.outcome;
    let (class, sign) = match outcome {
        // What cannot be compared is neither good nor bad.
        _ if !comparison.objections.is_empty() => ("void", "\u{26a0}"),
        Outcome::Worse => ("fail", "\u{2717}"),
        Outcome::Better | Outcome::Equal => ("pass", "\u{2713}"),
        Outcome::NoEvidence | Outcome::TooFew => ("void", "?"),
    };
    let name = outcome.name();
    let meaning = said(outcome);
    let meaning = meaning.strip_prefix(name).map_or(meaning, |rest| rest.trim_start_matches([':', ' ']));
    let mut html = Html::new();
    html.open("section", &[("id", "verdict"), ("class", class)]);
    html.open("p", &[("class", "word")]).el("span", &[("aria-hidden", "true")], sign).raw(" ");
    html.el("b", &[], name.to_uppercase()).raw(" ").el("span", &[("class", "meaning")], meaning).close("p");
    if !comparison.objections.is_empty() {
        html.open("p", &[("class", "degraded")]).el("b", &[], "NOT COMPARABLE");
        html.text(" the figures are there all the same, but prove nothing").close("p").open("ul", &[]);
        for objection in &comparison.objections {
            html.el("li", &[], objection);
        }
        html.close("ul");
    }
    if !comparison.remarks.is_empty() {
        html.open("ul", &[("class", "remarks")]);
        for remark in &comparison.remarks {
            html.el("li", &[], remark);
        }
        html.close("ul");
    }
    html.el("p", &[("class", "happened")], differences::in_a_sentence(comparison)).close("section");
    html
}

/// What the two runs were, beside each other.
fn ran(comparison: &Comparison, runs: [(&RunRecord, &Verdict); 2]) -> Html {
    let verdicts = runs.map(|(record, verdict)| {
        let mut words = vec![verdict.result.name().to_uppercase()];
        words.extend(verdict.reasons.iter().cloned());
        format!("{}; generator {}", words.join("; "), record.generator.validity.name())
    });
    let mut rows = vec![("Verdict", verdicts)];
    rows.push(("Directory", [&comparison.base, &comparison.new].map(|side| side.directory.clone())));
    let [base, new] = runs.map(|(record, _)| super::head::facts(record));
    rows.extend(base.into_iter().zip(new).map(|((label, base), (_, new))| (label, [base, new])));
    let mut html = Html::new();
    html.open("section", &[("id", "ran")]).el("h2", &[], "What ran");
    html.raw("<div class=\"scroll\"><table class=\"both\"><thead><tr><td></td>");
    for (place, name) in NAMES.into_iter().enumerate() {
        html.open("th", &[("scope", "col")]).put(&run_name(place, name)).close("th");
    }
    html.raw("</tr></thead><tbody>\n");
    for (label, [base, new]) in rows {
        // No two runs have these in common.
        let differs = base != new && !["Directory", "Ran", "Generator"].contains(&label);
        html.open("tr", &[]).open("th", &[("scope", "row")]).text(label);
        if differs {
            html.raw(" ").el("small", &[], "differs");
        }
        html.close("th").el("td", &[], base).el("td", &[], new).close("tr");
    }
    html.raw("</tbody></table></div>\n").close("section");
    html
}

/// The name of a run, with its stroke in the charts.
fn run_name(place: usize, name: &str) -> Html {
    let mut html = Html::new();
    let stroke = if place == 0 { "stroke base" } else { "stroke new" };
    html.open("span", &[("class", stroke), ("aria-hidden", "true")]).close("span").text(name);
    html
}

/// How to read what is common to all charts.
fn legend(every: u64, seen: &[Seen; 2]) -> Html {
    let mut html = Html::new();
    html.open("p", &[("class", "note")])
        .put(&run_name(0, "BASE is dashed, "))
        .put(&run_name(1, "NEW is solid."));
    html.raw(" Time is from the start of each run.").close("p");
    if every > 1 {
        let text = format!(
            "Each point stands for {every} seconds: percentiles are of all that was timed in them, rates and what \
             there was are means of them."
        );
        html.el("p", &[("class", "note"), ("id", "thinned")], text);
    }
    if seen.iter().any(|seen| !seen.lookout.unfit().is_empty()) {
        html.el("p", &[("class", "note")], HATCHED);
    }
    html
}

/// What is counted and told, and not judged.
fn counts(comparison: &Comparison, records: [&RunRecord; 2]) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "counts")]).el("h2", &[], "Counts of the whole runs");
    html.put(&outcomes(records)).put(&disconnects(records));
    let mut table = Table::new(&[text("figure"), figures("BASE"), figures("NEW")]);
    for ([name, base, new], told) in told(comparison).iter().zip(&comparison.told) {
        table.text(name).figure(told.base, base).figure(told.new, new);
    }
    html.put(&table.html("t-told", "What is told beside")).close("section");
    html
}

/// What became of the calls, and why they failed.
fn outcomes(records: [&RunRecord; 2]) -> Html {
    let mut rows: Vec<(String, [u64; 2])> = Vec::new();
    for (name, figure) in OUTCOMES {
        rows.push((words(name), records.map(|record| figure(record.counted.attempts))));
        if *name == "failed" {
            let reasons = records.iter().flat_map(|record| record.counted.attempts_failed.keys());
            for reason in reasons.collect::<BTreeSet<_>>() {
                let of_reason = |record: &RunRecord| {
                    record.counted.attempts_failed.get(reason).copied().unwrap_or_default()
                };
                rows.push((format!("failed: {}", words(reason)), records.map(of_reason)));
            }
        }
    }
    let mut table =
        Table::new(&[text("calls"), figures("BASE"), figures("of due"), figures("NEW"), figures("of due")]);
    for (name, both) in rows.into_iter().filter(|(_, both)| both.iter().any(|count| *count > 0)) {
        table.text(&name);
        for (record, number) in records.into_iter().zip(both) {
            let due = record.counted.attempts.due;
            let part = (due > 0).then(|| number as f64 / due as f64);
            table.figure(Some(number as f64), &count(number)).figure(part, &percent(number, due));
        }
    }
    match table.is_empty() {
        true => Html::default(),
        false => table.html("t-outcomes", "What became of the calls"),
    }
}

/// The connections that ended and should not have, by code.
fn disconnects(records: [&RunRecord; 2]) -> Html {
    let mut by_code: BTreeMap<(u16, &str), [u64; 2]> = BTreeMap::new();
    for (place, record) in records.into_iter().enumerate() {
        for one in record.counted.disconnects.iter().filter(|one| !one.is_ours()) {
            by_code.entry((one.code, &one.initiator)).or_default()[place] += one.count;
        }
    }
    let mut table = Table::new(&[
        figures("code"),
        text("name"),
        text("ended by"),
        figures("BASE"),
        figures("NEW"),
        text("conclude"),
    ]);
    for ((number, initiator), [base, new]) in by_code {
        let code = CloseCode::from(number);
        table.figure(Some(f64::from(number)), &number.to_string()).text(code.name()).text(by(initiator));
        table.figure(Some(base as f64), &count(base)).figure(Some(new as f64), &count(new));
        table.text(code.conclusion());
    }
    if table.is_empty() {
        let mut html = Html::new();
        html.el("p", &[], "No connection ended that should not.");
        return html;
    }
    table.html("t-disconnects", "Connections that ended and should not have")
}

/// So many of so many figures: `11 worse`.
fn so_many(comparison: &Comparison, outcome: Outcome) -> Option<String> {
    let number = comparison.compared.iter().filter(|one| one.outcome == outcome).count();
    (number > 0).then(|| of(number as u64, outcome.name(), outcome.name()))
}
