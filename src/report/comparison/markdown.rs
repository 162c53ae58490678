//! A comparison for a pull request or a job summary.

use std::io::{self, Write};

use super::super::markdown::{code, escaped};
use super::super::text::instant;
use super::super::units::{count, duration};
use super::{interval, said, small_print, told, too_few, value};
use crate::comparison::{Comparison, Outcome, Side};

pub(super) fn markdown(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let word = comparison.outcome.name().to_uppercase();
    let profile = escaped(&comparison.new.profile);
    writeln!(out, "## {} {word}: {profile}\n\n{}\n", sign(comparison.outcome), said(comparison.outcome))?;
    for objection in &comparison.objections {
        writeln!(out, "- ⚠️ Not comparable: {}", escaped(objection))?;
    }
    for remark in &comparison.remarks {
        writeln!(out, "- {}", escaped(remark))?;
    }
    writeln!(out, "\n| | run | started | length | version | seed | generator |")?;
    writeln!(out, "| --- | --- | --- | --- | --- | ---: | --- |")?;
    side("BASE", &comparison.base, out)?;
    side("NEW", &comparison.new, out)?;
    writeln!(out, "\n| | | BASE | NEW | difference | of |\n| --- | --- | ---: | ---: | ---: | ---: |")?;
    for (one, interval) in comparison.compared.iter().filter_map(|one| Some((one, interval(one)?))) {
        let (base, new) = (value(one.unit, one.base), value(one.unit, one.new));
        let of = format!("{} and {}", count(one.base_count), count(one.new_count));
        let outcome = format!("{} {}", sign(one.outcome), one.outcome.name());
        writeln!(out, "| {outcome} | {} | {base} | {new} | {interval} | {of} |", code(&one.name))?;
    }
    let few: Vec<String> = too_few(comparison).into_iter().map(code).collect();
    if !few.is_empty() {
        writeln!(out, "\nToo few to say anything: {}", few.join(", "))?;
    }
    writeln!(out, "\n| beside | BASE | NEW |\n| --- | ---: | ---: |")?;
    for [name, base, new] in told(comparison) {
        writeln!(out, "| {} | {base} | {new} |", code(&name))?;
    }
    for paragraph in small_print(comparison) {
        writeln!(out, "\n{}", escaped(&paragraph))?;
    }
    Ok(())
}

fn side(name: &str, side: &Side, out: &mut dyn Write) -> io::Result<()> {
    let cells = [
        side.directory.clone(),
        instant(side.started_at),
        duration(side.duration_us as f64 / 1e6),
        side.version.clone(),
        side.seed.to_string(),
        side.validity.clone(),
    ];
    writeln!(out, "| {name} | {} |", cells.map(|cell| escaped(&cell)).join(" | "))
}

const fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Worse => "❌",
        Outcome::Better => "✅",
        Outcome::Equal => "🟰",
        Outcome::NoEvidence | Outcome::TooFew => "⚪",
    }
}
