//! A comparison of two runs: for a terminal, for a pull request, for programs, to hand on.

mod markdown;
mod text;

use std::io::{self, Write};
use std::str::FromStr;

use super::html::overlay;
use super::units::{figure, latency};
use crate::comparison::{Compared, Comparison, Outcome, Unit};
use crate::record::{RecordError, RunRecord};
use crate::verdict::Verdict;

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonFormat {
    /// For a terminal.
    Text,
    /// For a pull request or a job summary.
    Markdown,
    /// For programs; `reports/comparison.schema.json` is its schema.
    Json,
    /// To hand on: a page with both runs in the same charts.
    Html,
}

/// There is no comparison in this format.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}` of a comparison; choose text, markdown, json or html")]
pub struct UnknownComparisonFormat(String);

impl FromStr for ComparisonFormat {
    type Err = UnknownComparisonFormat;

    fn from_str(name: &str) -> Result<ComparisonFormat, UnknownComparisonFormat> {
        match name {
            "text" => Ok(ComparisonFormat::Text),
            "markdown" => Ok(ComparisonFormat::Markdown),
            "json" => Ok(ComparisonFormat::Json),
            "html" => Ok(ComparisonFormat::Html),
            _ => Err(UnknownComparisonFormat(name.to_owned())),
        }
    }
}

impl ComparisonFormat {
    /// Writes the comparison of two `runs`, BASE first; only a text may have `colour`.
    ///
    /// # Errors
    /// The writer refuses, or the log of a run cannot be read, of which a page is made.
    pub fn write(
        self,
        comparison: &Comparison,
        runs: [(&RunRecord, &Verdict); 2],
        colour: bool,
        out: &mut dyn Write,
    ) -> Result<(), RecordError> {
        match self {
            ComparisonFormat::Text => Ok(text::text(comparison, colour, out)?),
            ComparisonFormat::Markdown => Ok(markdown::markdown(comparison, out)?),
            ComparisonFormat::Json => {
                serde_json::to_writer_pretty(&mut *out, comparison).map_err(io::Error::from)?;
                Ok(writeln!(out)?)
            }
            ComparisonFormat::Html => overlay(comparison, runs, out),
        }
    }
}

/// The JSON schema of a comparison.
pub fn comparison_schema() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Comparison>()
}

/// What the words mean, and what no comparison of two runs can know.
pub(super) fn small_print(comparison: &Comparison) -> [String; 2] {
    let settings = &comparison.settings;
    let means = format!(
        "Worse or better: the whole interval lies beyond the least relevant difference, which is {} % of BASE or {}, \
         whichever is more, but no less than what the generator itself was later in one run than in the other; of ratios \
         {} percentage points. Equal: all of it lies within. The intervals hold together with {} %: {} replicates of a \
         bootstrap over blocks of {} s, seed {}.",
        figure(settings.relative * 100.0),
        latency(settings.absolute_us),
        figure(settings.points),
        figure(comparison.confidence * 100.0),
        comparison.replicates,
        comparison.block_s,
        settings.seed,
    );
    let knows = "The seconds of two runs do not tell how much runs of the very same thing differ. Where something depends \
                 on a small difference, repeat both runs.";
    [means, knows.to_owned()]
}

/// A figure.
pub(super) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Micros => latency(value.max(0.0) as u64),
        Unit::Percent => format!("{} %", figure(value)),
    }
}

/// A difference, with its sign.
pub(super) fn difference(unit: Unit, value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    match unit {
        Unit::Micros => format!("{sign}{}", latency(value.abs().round() as u64)),
        Unit::Percent => format!("{sign}{} pp", figure((value.abs() * 100.0).round() / 100.0)),
    }
}

/// The interval of a difference.
pub(super) fn interval(one: &Compared) -> Option<String> {
    let (low, high) = one.low.zip(one.high)?;
    Some(format!("{} to {}", difference(one.unit, low), difference(one.unit, high)))
}

/// What is said of all together.
pub(super) fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Worse => "worse: NEW is worse than BASE by more than the least relevant difference",
        Outcome::Better => "better: NEW is better than BASE by more than the least relevant difference",
        Outcome::NoEvidence => "no evidence that NEW is worse or better, and none that it is not",
        Outcome::Equal => "equal: what differs is less than the least relevant difference",
        Outcome::TooFew => "nothing: there is too little to compare",
    }
}

/// Names of what there is too little of.
fn too_few(comparison: &Comparison) -> Vec<&str> {
    let few = comparison.compared.iter().filter(|one| one.outcome == Outcome::TooFew);
    few.map(|one| one.name.as_str()).collect()
}

/// What is told beside: name, BASE and NEW.
pub(super) fn told(comparison: &Comparison) -> Vec<[String; 3]> {
    let value = |name: &str, value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if name.ends_with(".p99") => latency(value.max(0.0) as u64),
        Some(value) => figure(value),
    };
    let told = comparison.told.iter();
    told.map(|one| [one.name.clone(), value(&one.name, one.base), value(&one.name, one.new)]).collect()
}
