//! How true the figures are: runs against an embedded core whose delays are known, and what is reported of them.
//!
//! Stands between the scheduler, which it drives, and the command line, which prints what it finds. A [`Case`] is a law
//! of delays; [`calibrate`] makes a short run of it in this process and holds each metric that the delays reach against
//! what the core recorded of itself: the time from a message's cause to its being written, message by message. A
//! freeze is held against the arithmetic of its schedule instead, as a core that stands still cannot time itself.
//!
//! ```no_run
//! use wtsp_load::calibration::{Case, Settings, calibrate};
//! use wtsp_load::scheduler::Stop;
//!
//! let calibrated = calibrate(Case::Uniform, &Settings::default(), &Stop::default())?;
//! assert!(calibrated.rows.iter().any(|row| row.metric == "ack"));
//! # Ok::<(), wtsp_load::calibration::CalibrationError>(())
//! ```

mod case;
mod compare;
mod folder;
mod report;
mod schedule;

use std::fs;
use std::io;

pub use case::{Case, Settings};
pub use compare::{Bound, Figure, Part, QUANTILES, Row};
pub use report::{Outcome, json, outcome, text};

use self::folder::Folder;
use crate::profile::{self, Overrides, ProfileErrors};
use crate::record::{RunRecord, Summary, Validity};
use crate::scheduler::{self, Output, Ran, RunError, Stop};

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// No place for the run's files.
    #[error("no temporary folder can be made: {0}; set TMPDIR to one that can be written to")]
    Folder(#[source] io::Error),
    /// The settings make no plan.
    #[error("these settings make no run that can be done: {0}")]
    Settings(ProfileErrors),
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It was stopped.
    #[error("interrupted")]
    Interrupted,
    /// The core's own figures are missing.
    #[error("the embedded core broke down: this is a fault of wtsp-load, please report it")]
    Core,
}

/// A generator whose lag is below this many microseconds at a quantile is on time there.
pub const CALM_US: u64 = 100;

/// One run of known delays, and what was reported of it.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// Which delays.
    pub case: Case,
    /// Calls that were sent.
    pub calls: u64,
    /// Calls that did not end as they should, or were never sent.
    pub calls_astray: u64,
    /// The generator's lateness.
    pub lag: Summary,
    /// The part of a core that the worker used in its busiest second.
    pub worker_cpu_max: f64,
    /// Whether the generator was fit.
    pub validity: Validity,
    /// Why not.
    pub validity_reasons: Vec<String>,
    /// A row for each metric that the delays reach.
    pub rows: Vec<Row>,
}

impl Calibrated {
    /// Whether the generator was on time: less than 100 µs late at p99.
    pub fn is_calm(&self) -> bool {
        self.lag.p99.is_some_and(|lag| lag < CALM_US)
    }

    /// Whether every metric that is held to the bound keeps it at p99.
    pub fn is_true(&self) -> bool {
        self.rows.iter().all(|row| row.keeps_its_bound() != Some(false))
    }
}

/// Runs one case in this process, its files in a temporary folder.
///
/// # Errors
/// [`CalibrationError`].
pub fn calibrate(case: Case, settings: &Settings, stop: &Stop) -> Result<Calibrated, CalibrationError> {
    let ran = run(case, settings, stop)?;
    let record = &ran.finished.record;
    if record.interrupted {
        return Err(CalibrationError::Interrupted);
    }
    let rows = match case {
        Case::Freeze => compare::with_schedule(record, settings),
        _ => compare::with_injected(record, &ran.truth.as_ref().ok_or(CalibrationError::Core)?.injected),
    };
    Ok(Calibrated {
        case,
        calls: record.counted.attempts.started,
        calls_astray: astray(record),
        lag: record.generator.lag,
        worker_cpu_max: record.generator.worker_cpu_max,
        validity: record.generator.validity,
        validity_reasons: record.generator.validity_reasons.clone(),
        rows,
    })
}

/// Makes the run of a case and gives back all of it.
///
/// # Errors
/// [`CalibrationError`].
pub fn run(case: Case, settings: &Settings, stop: &Stop) -> Result<Ran, CalibrationError> {
    let folder = Folder::new().map_err(CalibrationError::Folder)?;
    let path = folder.path().join(format!("calibrate-{}.toml", case.name()));
    fs::write(&path, case.profile(settings)).map_err(CalibrationError::Folder)?;
    let plan = profile::load(&path, &Overrides::default()).map_err(CalibrationError::Settings)?;
    let output = Output::At(folder.path().join("run"));
    match scheduler::run(plan, &output, stop, &mut |_| ()) {
        Err(RunError::Stopped) => Err(CalibrationError::Interrupted),
        Err(error) => Err(error.into()),
        Ok(ran) => match ran.breakdown {
            Some(error) => Err(error.into()),
            None => Ok(ran),
        },
    }
}

/// Calls that were due and were not answered and ended as planned.
fn astray(record: &RunRecord) -> u64 {
    record.counted.attempts.due.saturating_sub(record.counted.attempts_intended)
}
