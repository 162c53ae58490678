//! A comparison for a terminal. 80 columns.

use std::io::{self, Write};

use super::super::text::{instant, wrapped};
use super::super::units::duration;
use super::{interval, said, small_print, told, too_few, value};
use crate::comparison::{Comparison, Outcome, Side};

const WIDTH: usize = 80;
/// Where the text beside a label begins.
const INDENT: usize = 14;

pub(super) fn text(comparison: &Comparison, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("wtsp-load compare: {}", plain(&comparison.new.profile));
    let word = comparison.outcome.name().to_uppercase();
    let gap = WIDTH.saturating_sub(title.chars().count() + word.len()).max(2);
    writeln!(out, "{title}{}{}\n", " ".repeat(gap), coloured(&word, comparison.outcome, colour))?;
    entry("Base", &side(&comparison.base), out)?;
    entry("New", &side(&comparison.new), out)?;
    let seconds = comparison.seconds;
    entry(
        "Compared",
        &format!("{seconds} s with calls of each, in blocks of {} s", comparison.block_s),
        out,
    )?;
    entry("Verdict", said(comparison.outcome), out)?;
    for objection in &comparison.objections {
        entry("Warning", &format!("not comparable: {}", plain(objection)), out)?;
    }
    for remark in &comparison.remarks {
        entry("Note", &plain(remark), out)?;
    }
    table(comparison, colour, out)?;
    let few = too_few(comparison);
    if !few.is_empty() {
        entry("Too few", &plain(&few.join(", ")), out)?;
    }
    writeln!(out, "\nBeside                               base      new")?;
    for [name, base, new] in told(comparison) {
        writeln!(out, "  {:<30}{base:>9}{new:>9}", plain(&name))?;
    }
    for paragraph in small_print(comparison) {
        writeln!(out)?;
        for line in wrapped(&paragraph, WIDTH) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn table(comparison: &Comparison, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = comparison.compared.iter().filter_map(|one| Some((one, interval(one)?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{:<26}{:>9}{:>9}{:>22}", "", "base", "new", "difference")?;
    for (one, interval) in rows {
        let (base, new) = (value(one.unit, one.base), value(one.unit, one.new));
        let outcome = coloured(one.outcome.name(), one.outcome, colour);
        writeln!(out, "{:<26}{base:>9}{new:>9}{interval:>22}  {outcome}", plain(&one.name))?;
    }
    Ok(())
}

fn side(side: &Side) -> String {
    plain(&format!(
        "{}, {} for {}, wtsp-load {}, seed {}, {}",
        side.directory,
        instant(side.started_at),
        duration(side.duration_us as f64 / 1e6),
        side.version,
        side.seed,
        side.validity
    ))
}

fn entry(label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    for (index, line) in wrapped(text, WIDTH - INDENT).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(out, "{label:<INDENT$}{line}")?;
    }
    Ok(())
}

fn coloured(text: &str, outcome: Outcome, colour: bool) -> String {
    let code = match outcome {
        Outcome::Worse => 31,
        Outcome::Better | Outcome::Equal => 32,
        Outcome::NoEvidence | Outcome::TooFew => 33,
    };
    if colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// `text` without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
