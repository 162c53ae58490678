//! The table of differences: what each figure is in both runs, how far apart they are, and what follows.

use super::super::markup::Html;
use super::super::table::{Table, figures, words};
use super::super::terms::Terms;
use super::so_many;
use crate::comparison::{Compared, Comparison, Outcome};
use crate::report::comparison::{difference, interval, small_print, value};
use crate::report::units::{count, figure, of};

/// How many least relevant differences are drawn to either side.
const DRAWN: f64 = 5.0;
/// Half the width of a drawing, in its own units.
const HALF: f64 = 60.0;
/// What is written where nothing can be said.
const NOTHING: &str = "\u{2013}";

/// How many figures are worse, better and so on, and which is furthest away.
pub(super) fn in_a_sentence(comparison: &Comparison) -> String {
    let outcomes = [Outcome::Worse, Outcome::Better, Outcome::Equal, Outcome::NoEvidence, Outcome::TooFew];
    let many: Vec<String> = outcomes.into_iter().filter_map(|outcome| so_many(comparison, outcome)).collect();
    let all = of(comparison.compared.len() as u64, "figure", "figures");
    let mut text = format!("{all} in {} s with calls: {}.", comparison.seconds, many.join(", "));
    let differs = comparison.compared.iter().filter(|one| one.outcome == comparison.outcome);
    let furthest = differs.max_by(|one, other| units(one).abs().total_cmp(&units(other).abs()));
    if let Some(one) = furthest.filter(|one| matches!(one.outcome, Outcome::Worse | Outcome::Better)) {
        let (base, new) = (value(one.unit, one.base), value(one.unit, one.new));
        text += &format!(" Most of all {}: {base} in BASE, {new} in NEW", one.name);
        text += &relative(one).map_or(".".to_owned(), |(_, percent)| format!(" ({percent})."));
    }
    text
}

/// The section with the table.
pub(super) fn section(comparison: &Comparison, terms: &Terms) -> Html {
    let mut table = Table::new(&[
        words("figure"),
        words("outcome"),
        figures("drawn"),
        figures("BASE"),
        figures("NEW"),
        figures("difference"),
        figures("of BASE"),
        figures("its interval"),
        figures("least relevant"),
        figures("count, BASE"),
        figures("count, NEW"),
    ]);
    // What is worse comes first, and what nothing can be said of last.
    let mut compared: Vec<&Compared> = comparison.compared.iter().collect();
    compared.sort_by_key(|one| one.outcome);
    compared.into_iter().for_each(|one| row(&mut table, one, terms));
    let mut html = Html::new();
    html.open("section", &[("id", "differences")]).el("h2", &[], "Differences");
    html.el(
        "p",
        &[("class", "note")],
        format_args!(
            "Differences are NEW \u{2212} BASE. Drawn in units of the least relevant difference, from \u{2212}{DRAWN} to \
             +{DRAWN}: the interval, with the difference as a dot; the band is what is not relevant."
        ),
    );
    match table.is_empty() {
        true => html.el("p", &[], "There is nothing to compare."),
        false => html.put(&table.html("t-differences", "What differs")),
    };
    for paragraph in small_print(comparison) {
        html.el("p", &[("class", "note")], paragraph);
    }
    html.close("section");
    html
}

fn row(table: &mut Table, one: &Compared, terms: &Terms) {
    table.with(|html| terms.link(html, term(&one.name, terms), &one.name));
    let (class, sign) = look(one.outcome);
    let shown = format!("{sign} {}", one.outcome.name());
    table.ranked(f64::from(one.outcome as u8), |html| {
        html.el("span", &[("class", &format!("outcome {class}"))], shown);
    });
    table.ranked(units(one), |html| draw(html, one, class));
    table.figure(Some(one.base), &value(one.unit, one.base));
    table.figure(Some(one.new), &value(one.unit, one.new));
    table.figure(Some(one.difference), &difference(one.unit, one.difference));
    let (part, percent) = relative(one).unzip();
    table.figure(part, percent.as_deref().unwrap_or(NOTHING));
    table.figure(one.low, interval(one).as_deref().unwrap_or(NOTHING));
    let relevant = difference(one.unit, one.relevant);
    table.figure(Some(one.relevant), relevant.trim_start_matches('+'));
    for number in [one.base_count, one.new_count] {
        table.figure(Some(number as f64), &count(number));
    }
}

/// The name of a figure in the glossary.
fn term<'a>(name: &'a str, terms: &Terms) -> &'a str {
    let short = name.strip_prefix("kpi.").unwrap_or(name);
    match terms.text(short) {
        Some(_) => short,
        None => short.split('.').next().unwrap_or(short),
    }
}

/// The class and the sign of an outcome.
pub(super) const fn look(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Worse => ("bad", "\u{2717}"),
        Outcome::Better => ("good", "\u{2713}"),
        Outcome::Equal => ("good", "="),
        Outcome::NoEvidence => ("slow", "?"),
        Outcome::TooFew => ("faint", "\u{2026}"),
    }
}

/// The difference in units of the least relevant one.
fn units(one: &Compared) -> f64 {
    in_units(one, one.difference)
}

/// Where nothing is irrelevant, a difference is infinitely far away.
fn in_units(one: &Compared, value: f64) -> f64 {
    match value {
        0.0 => 0.0,
        value => (value / one.relevant).clamp(-f64::from(u32::MAX), f64::from(u32::MAX)),
    }
}

/// The difference as a part of what it is in BASE: to sort by, and to read. A difference of ratios is not told as one.
fn relative(one: &Compared) -> Option<(f64, String)> {
    if one.unit != crate::comparison::Unit::Micros || one.base <= 0.0 {
        return None;
    }
    let part = one.difference / one.base;
    let sign = if part < 0.0 { "-" } else { "+" };
    Some((part, format!("{sign}{} %", figure((part.abs() * 1e3).round() / 10.0))))
}

/// The interval of a difference against the least relevant one. The figures are in the other cells.
fn draw(html: &mut Html, one: &Compared, class: &'static str) {
    let x = |units: f64| HALF + units.clamp(-DRAWN, DRAWN) / DRAWN * (HALF - 4.0);
    let at = |units: f64| figure((x(units) * 10.0).round() / 10.0);
    let class = format!("drawn-interval {class}");
    html.open("svg", &[("class", &class), ("viewBox", "0 0 120 16"), ("aria-hidden", "true")]);
    let width = figure(x(1.0) - x(-1.0));
    let band = [("class", "band"), ("x", &at(-1.0)), ("y", "0"), ("width", &width), ("height", "16")];
    html.open("rect", &band).close("rect");
    line(html, "zero", [&at(0.0), "0", &at(0.0), "16"]);
    if let Some((low, high)) = one.low.zip(one.high) {
        let (low, high) = (in_units(one, low), in_units(one, high));
        line(html, "span", [&at(low), "8", &at(high), "8"]);
        // An interval without an end goes on.
        for end in [low, high].into_iter().filter(|end| end.abs() <= DRAWN) {
            line(html, "end", [&at(end), "5", &at(end), "11"]);
        }
    }
    html.open("circle", &[("cx", &at(units(one))), ("cy", "8"), ("r", "3")]).close("circle").close("svg");
}

fn line(html: &mut Html, class: &str, [x1, y1, x2, y2]: [&str; 4]) {
    let ends = [("class", class), ("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)];
    html.open("line", &ends).close("line");
}
