//! The tables that go into `benches/README.md`.

use super::generators::Generator;
use super::rows::{Figure, Goal, Row};

/// What the runs of one generator have come to, in the row's unit.
pub struct Column {
    pub generator: Generator,
    pub values: Vec<f64>,
    /// The server's share of its processor, of each run.
    pub server: Vec<f64>,
    /// Whether each run did all of its work.
    pub whole: usize,
    /// How many runs had the verdict that the generator was fit; of the harness alone.
    pub valid: usize,
}

impl Column {
    pub fn new(generator: Generator) -> Column {
        Column { generator, values: Vec::new(), server: Vec::new(), whole: 0, valid: 0 }
    }

    fn shown(&self, figure: Figure) -> String {
        if self.values.is_empty() {
            return "cannot".to_owned();
        }
        if self.values.iter().all(|value| value.is_nan()) {
            return "failed".to_owned();
        }
        let shown = figure.show(median(&self.values));
        if self.whole * 2 > self.values.len() { shown } else { format!("not kept ({shown})") }
    }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The median of the ratios of runs that were neighbours.
fn ratio(of: &Column, to: &Column) -> f64 {
    let ratios: Vec<f64> = of.values.iter().zip(&to.values).map(|(of, to)| of / to).collect();
    median(&ratios)
}

pub const HEAD: &str = "\
| row | what | rate and clients | floor | wtsp-load | ratio | goal | held? | server's core: floor, wtsp-load | runs, whole, valid |
| --- | --- | --- | ---: | ---: | ---: | --- | --- | --- | --- |";

/// The harness against its floor.
pub fn line(row: &Row, columns: &[Column]) -> Option<String> {
    let floor = columns.iter().find(|column| column.generator == row.floor)?;
    let harness = columns.iter().find(|column| column.generator == Generator::Harness)?;
    let times = ratio(harness, floor);
    let value = median(&harness.values);
    let (goal, held) = match row.goal {
        Goal::Ratio(most) => (format!("≤ {most}"), times <= most),
        Goal::KiB(most) => (format!("≤ {most} KiB"), value <= most * 1024.0),
        Goal::Kept => {
            let all = harness.values.len();
            ("kept and valid".to_owned(), 2 * harness.valid > all && 2 * harness.whole > all)
        }
    };
    let share = |column: &Column| match median(&column.server) {
        share if share.is_nan() => "?".to_owned(),
        share => format!("{:.0} %", 100.0 * share),
    };
    let times = match row.figure {
        Figure::Kept { .. } => String::new(),
        _ => format!("{times:.2}"),
    };
    Some(format!(
        "| `{}` | {} | {} | {} | {} | {times} | {goal} | {} | {}, {} | {}, {}, {} |",
        row.name,
        row.what(),
        row.conditions(),
        floor.shown(row.figure),
        harness.shown(row.figure),
        if held { "yes" } else { "**no**" },
        share(floor),
        share(harness),
        harness.values.len(),
        harness.whole,
        harness.valid,
    ))
}

/// The head of the table of all generators.
pub fn rivals_head(generators: &[Generator]) -> String {
    let names: Vec<&str> = generators.iter().map(|generator| generator.name()).collect();
    let bars = " ---: |".repeat(generators.len() + 1);
    format!("| | {} | k6 ÷ wtsp-load |\n| --- |{bars}", names.join(" | "))
}

/// All generators beside each other.
pub fn rivals_line(row: &Row, columns: &[Column]) -> String {
    let values: Vec<String> = columns.iter().map(|column| column.shown(row.figure)).collect();
    let find = |wanted| columns.iter().find(|column| column.generator == wanted);
    let times = match (find(Generator::K6), find(Generator::Harness)) {
        (Some(k6), Some(harness)) if !k6.values.is_empty() => format!("{:.1}", ratio(k6, harness)),
        _ => String::new(),
    };
    format!("| {}, {} | {} | {times} |", row.what(), row.conditions(), values.join(" | "))
}
