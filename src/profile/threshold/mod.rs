//! Thresholds: what the figures of a run are held against.
//!
//! A [`Threshold`] names a [`Figure`] of `run.json` and a [`Limit`]. Here is what one means and how it is written; what a
//! figure came to is for the record to say, and whether a limit holds for the verdict.
//!
//! ```
//! use wtsp_load::profile::Threshold;
//!
//! let threshold = Threshold::new("latency.setup.response.p99", "< 250ms")?;
//! assert!(threshold.limit.holds(249_999.0)); // in the unit of the figure: microseconds
//! assert_eq!(threshold.to_string(), "latency.setup.response.p99 must be below 250ms");
//! # Ok::<(), wtsp_load::profile::ThresholdError>(())
//! ```

mod figure;
mod limit;
mod stored;
mod written;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use figure::{Figure, Kind, Origin, Part, Statistic};
pub use limit::{Limit, Operator};
pub(super) use written::{ThresholdsFile, Written, WrittenValue};

use super::duration::write_duration;

/// A figure of a run and what it has to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
pub struct Threshold {
    /// The figure.
    pub figure: Figure,
    /// What it has to be.
    pub limit: Limit,
    /// The stage whose seconds count; `None` for the whole run.
    pub stage: Option<String>,
    /// What is left out at the start of the stage, or of the run.
    pub warm_up: Duration,
    /// Whether the run ends early when it does not hold.
    pub abort: bool,
}

/// Why there is no such threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ThresholdError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Whether the name is wrong, rather than the limit.
    pub in_name: bool,
}

impl Threshold {
    /// A limit for a figure of the whole run.
    ///
    /// # Errors
    /// There is no such figure, or the limit does not fit it.
    pub fn new(name: &str, limit: &str) -> Result<Threshold, ThresholdError> {
        let figure = Figure::parse(name)?;
        let limit = Limit::parse(limit, &figure)?;
        Ok(Threshold { figure, limit, stage: None, warm_up: Duration::ZERO, abort: false })
    }

    /// Whether it is about the whole run, from its start.
    pub fn is_whole(&self) -> bool {
        self.stage.is_none() && self.warm_up.is_zero()
    }

    /// Which seconds count, where not all do: `in stage steady, without its first 5s`.
    pub fn scope(&self) -> Option<String> {
        let warm_up = (!self.warm_up.is_zero()).then(|| write_duration(self.warm_up));
        match (&self.stage, warm_up) {
            (None, None) => None,
            (Some(stage), None) => Some(format!("in stage {stage}")),
            (None, Some(warm_up)) => Some(format!("without the first {warm_up} of the run")),
            (Some(stage), Some(warm_up)) => Some(format!("in stage {stage}, without its first {warm_up}")),
        }
    }
}

impl fmt::Display for Threshold {
    /// In a person's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {} {}", self.figure, self.limit.operator().words(), self.limit.figure())?;
        self.scope().map_or(Ok(()), |scope| write!(f, " {scope}"))?;
        if self.abort { f.write_str("; the run ends when it is not") } else { Ok(()) }
    }
}

/// The thresholds of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Thresholds(#[schemars(with = "Vec<stored::Stored>")] pub Vec<Threshold>);

impl Thresholds {
    /// Whether they are those of a profile that has none.
    pub fn are_default(&self) -> bool {
        *self == Thresholds::default() || *self == Thresholds::of_returning()
    }

    /// What holds where a profile has no `[thresholds]` and its clients come back when their connection is lost: the
    /// same, and no client that stayed away.
    pub fn of_returning() -> Thresholds {
        let mut thresholds = Thresholds::default();
        thresholds.0.push(Threshold::none(Figure::given_up()));
        thresholds
    }
}

impl Threshold {
    /// That there is nothing of it.
    fn none(figure: Figure) -> Threshold {
        Threshold { figure, limit: Limit::none(), stage: None, warm_up: Duration::ZERO, abort: false }
    }
}

impl Default for Thresholds {
    /// What holds where a profile has no `[thresholds]`: no failed sign-on, no failed attempt. An outcome that the
    /// call's flow intends is no failure.
    fn default() -> Thresholds {
        Thresholds(vec![
            Threshold::none(Figure::signon_failed()),
            Threshold::none(Figure::attempts_unintended()),
        ])
    }
}

impl Deref for Thresholds {
    type Target = [Threshold];

    fn deref(&self) -> &[Threshold] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_thresholds_are_written_like_any_other() {
        let written: Vec<Threshold> = ["clients.signon_failed", "attempts_unintended", "clients.given_up"]
            .iter()
            .map(|name| Threshold::new(name, "== 0").expect("a threshold"))
            .collect();
        assert_eq!(Thresholds::default().0, written[..2]);
        assert_eq!(Thresholds::of_returning().0, written);
    }

    #[test]
    fn a_stored_threshold_is_read_back_as_it_was() {
        let mut threshold = Threshold::new("kpi.acd_s", ">= 1.5m").expect("a threshold");
        threshold.stage = Some("steady".to_owned());
        threshold.warm_up = Duration::from_secs(5);
        threshold.abort = true;
        let stored = serde_json::to_string(&threshold).expect("stored");
        assert_eq!(
            stored,
            r#"{"name":"kpi.acd_s","limit":">= 1.5m","stage":"steady","warm_up_us":5000000,"abort":true}"#
        );
        assert_eq!(serde_json::from_str::<Threshold>(&stored).expect("read"), threshold);
        assert_eq!(
            threshold.to_string(),
            "kpi.acd_s must be at least 1.5m in stage steady, without its first 5s; the run ends when it is not"
        );
    }
}
