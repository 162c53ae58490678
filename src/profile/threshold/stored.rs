//! A threshold as records keep it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Threshold, ThresholdError};

/// A figure of the run and what it had to be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Threshold")]
pub(super) struct Stored {
    /// The figure's name in `run.json`.
    name: String,
    /// Operator and figure.
    limit: String,
    /// The stage whose seconds count; `null` for the whole run.
    stage: Option<String>,
    /// What is left out at the start of the stage or of the run, in microseconds.
    warm_up_us: u64,
    /// Whether the run ends early when it does not hold.
    abort: bool,
}

impl From<Threshold> for Stored {
    fn from(threshold: Threshold) -> Stored {
        Stored {
            name: threshold.figure.name().to_owned(),
            limit: threshold.limit.to_string(),
            stage: threshold.stage,
            warm_up_us: threshold.warm_up.as_micros() as u64,
            abort: threshold.abort,
        }
    }
}

impl TryFrom<Stored> for Threshold {
    type Error = ThresholdError;

    fn try_from(stored: Stored) -> Result<Threshold, ThresholdError> {
        let Stored { name, limit, stage, warm_up_us, abort } = stored;
        let warm_up = Duration::from_micros(warm_up_us);
        Ok(Threshold { stage, warm_up, abort, ..Threshold::new(&name, &limit)? })
    }
}
