//! What was changed by hand while a run went on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A change that somebody made to a run while it went on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// When it took effect, in microseconds from the start of the run.
    pub at_us: u64,
    /// What it was.
    pub what: ChangeKind,
    /// The multiple of the planned rate of calls that is in force from then on: `1` as planned, `0` paused; `null` where
    /// calls have come to an end. Pauses of callers are divided by it. Calls that come at once follow it only where they
    /// begin.
    pub factor: Option<f64>,
}

/// What can be changed in a run while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Another rate of calls.
    Rate,
    /// No more calls.
    Pause,
    /// Calls again.
    Resume,
    /// No new calls; hang up, sign off.
    Drain,
    /// The run was left at once.
    Leave,
}

impl Change {
    /// What has changed, for people: `rate 110 %`, `paused`.
    pub fn words(&self) -> String {
        let percent = || (self.factor.unwrap_or(1.0) * 100.0).round();
        match self.what {
            ChangeKind::Rate if self.factor == Some(0.0) => "another rate, still paused".to_owned(),
            ChangeKind::Rate => format!("rate {} %", percent()),
            ChangeKind::Pause => "paused".to_owned(),
            ChangeKind::Resume => format!("resumed at {} %", percent()),
            ChangeKind::Drain => "drained".to_owned(),
            ChangeKind::Leave => "left".to_owned(),
        }
    }
}
