//! Whether the figures of a run are what its thresholds want, and since when they are not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::Threshold;
use crate::record::{RecordError, RunRecord, Window};

/// What became of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ThresholdResult {
    /// The figure is as it has to be.
    #[serde(rename = "holds")]
    Holds,
    /// It is not.
    #[serde(rename = "fails")]
    Fails,
    /// There is no figure: nothing was measured. The threshold counts as not met.
    #[serde(rename = "no evidence")]
    NoEvidence,
}

impl ThresholdResult {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            ThresholdResult::Holds => "holds",
            ThresholdResult::Fails => "fails",
            ThresholdResult::NoEvidence => "no evidence",
        }
    }
}

/// A threshold, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdVerdict {
    /// The figure's name in `run.json`.
    pub name: String,
    /// What it has to be: operator and figure.
    pub limit: String,
    /// The stage that it is about; `null` for the whole run.
    pub stage: Option<String>,
    /// What is left out at the start of the stage or of the run, in microseconds.
    pub warm_up_us: u64,
    /// What was found, in the unit of the figure; `null` where nothing can be said.
    pub found: Option<f64>,
    /// Whether that is as it has to be.
    pub result: ThresholdResult,
    /// When the first second began at whose end the figure, of all that counts until then, was not as it has to be:
    /// the `at_us` of that interval. `null` where it never was, or where only the end can tell.
    pub first_failed_at_us: Option<u64>,
    /// The stage of that second; `null` also before the first stage and after the last.
    pub first_failed_stage: Option<String>,
}

/// A threshold on its way through the seconds of a run.
struct Course<'a> {
    threshold: &'a Threshold,
    window: Window,
    /// The first second in which it failed: when it began, and its stage.
    first: Option<(u64, Option<u32>)>,
}

/// What became of each threshold of a run. The seconds of the run are read again where a threshold is about some of
/// them only, or has failed.
pub(super) fn judge(record: &RunRecord) -> Vec<ThresholdVerdict> {
    let mut verdicts: Vec<ThresholdVerdict> =
        record.thresholds.iter().map(|threshold| whole(record, threshold)).collect();
    let is_open = |verdict: &ThresholdVerdict, threshold: &Threshold| {
        !threshold.is_whole() || verdict.result == ThresholdResult::Fails
    };
    if !verdicts.iter().zip(record.thresholds.iter()).any(|(verdict, threshold)| is_open(verdict, threshold))
    {
        return verdicts;
    }
    // Without all its seconds a run is judged by its totals; what needs the seconds is then without evidence.
    let Ok(Some(courses)) = follow(record) else { return verdicts };
    for (verdict, course) in verdicts.iter_mut().zip(&courses) {
        if !course.threshold.is_whole() {
            verdict.found = course.window.found();
            verdict.result = result(course.threshold, verdict.found);
        }
        settle(record, verdict, course);
    }
    verdicts
}

/// What the totals of a run say to a threshold. They say nothing to one that is about some seconds only.
fn whole(record: &RunRecord, threshold: &Threshold) -> ThresholdVerdict {
    let found = if threshold.is_whole() { record.figure(&threshold.figure) } else { None };
    let aborted = is_aborted_by(record, threshold);
    ThresholdVerdict {
        name: threshold.figure.name().to_owned(),
        limit: threshold.limit.to_string(),
        stage: threshold.stage.clone(),
        warm_up_us: threshold.warm_up.as_micros() as u64,
        found,
        result: if aborted { ThresholdResult::Fails } else { result(threshold, found) },
        first_failed_at_us: None,
        first_failed_stage: None,
    }
}

fn result(threshold: &Threshold, found: Option<f64>) -> ThresholdResult {
    match found {
        None => ThresholdResult::NoEvidence,
        Some(found) if threshold.limit.holds(found) => ThresholdResult::Holds,
        Some(_) => ThresholdResult::Fails,
    }
}

/// Whether this is the threshold that ended the run early: then it has failed, whatever the drain made of its figure.
fn is_aborted_by(record: &RunRecord, threshold: &Threshold) -> bool {
    record.aborted_by.as_ref().is_some_and(|aborted| {
        aborted.name == threshold.figure.name()
            && aborted.limit == threshold.limit.to_string()
            && aborted.stage == threshold.stage
    })
}

/// Leads every threshold through the seconds of a run; nothing if some of them were not stored.
fn follow(record: &RunRecord) -> Result<Option<Vec<Course<'_>>>, RecordError> {
    let mut seconds = record.intervals.read()?;
    let header = seconds.header().clone();
    let mut courses: Vec<Course<'_>> = record
        .thresholds
        .iter()
        .map(|threshold| Course { threshold, window: Window::new(threshold, &header), first: None })
        .collect();
    let mut ends_us = 0;
    while let Some(second) = seconds.next() {
        let second = second?;
        ends_us = second.at_us + second.length_us;
        for course in &mut courses {
            let added = course.window.add(&second).map_err(|error| seconds.damaged(error))?;
            if added && course.first.is_none() && fails_so_far(course.threshold, &course.window) {
                course.first = Some((second.at_us, second.stage));
            }
        }
    }
    Ok((ends_us == record.duration_us).then_some(courses))
}

/// Whether what a threshold's figure has come to so far is certain not to be what it has to be.
pub(super) fn fails_so_far(threshold: &Threshold, window: &Window) -> bool {
    let kind = threshold.figure.kind();
    window.found().is_some_and(|found| !threshold.limit.holds_so_far(found, kind))
}

/// Completes a verdict by what the seconds of the run tell.
fn settle(record: &RunRecord, verdict: &mut ThresholdVerdict, course: &Course<'_>) {
    if is_aborted_by(record, course.threshold) {
        verdict.result = ThresholdResult::Fails;
    }
    if verdict.result != ThresholdResult::Fails {
        return;
    }
    if let Some((at_us, stage)) = course.first {
        verdict.first_failed_at_us = Some(at_us);
        let stage = stage.and_then(|stage| record.stages.get(stage as usize));
        verdict.first_failed_stage = stage.map(|stage| stage.name.clone());
    }
}

impl ThresholdVerdict {
    /// When it first failed, in words: `second 12 (stage steady)`.
    pub fn first_failed(&self) -> Option<String> {
        let second = self.first_failed_at_us? / 1_000_000 + 1;
        let stage = self.first_failed_stage.as_ref().map(|stage| format!(" (stage {stage})"));
        Some(format!("second {second}{}", stage.unwrap_or_default()))
    }
}

/// Why a threshold is not met, in words.
pub(super) fn reason(record: &RunRecord, threshold: &Threshold, verdict: &ThresholdVerdict) -> String {
    let scope = threshold.scope().map(|scope| format!(" {scope}")).unwrap_or_default();
    let Some(found) = verdict.found else {
        let early = record.early_end().map(|early| format!(": the run was {}", early.words()));
        let early = early.unwrap_or_default();
        return format!(
            "{} {}: no evidence{scope}, nothing was measured{early}",
            verdict.name, verdict.limit
        );
    };
    let since = verdict.first_failed().map(|second| format!("; first in {second}")).unwrap_or_default();
    let found = crate::verdict::figure(threshold.figure.kind(), found);
    let (what, detail) = match threshold.figure.name() {
        "clients.signon_failed" => (
            format!("failed sign-ons: {found}, with {} clients planned", record.clients.planned),
            worst_sign_on(record),
        ),
        "clients.given_up" => (format!("clients that did not come back: {found}"), String::new()),
        "attempts_unintended" => {
            let due = record.counted.attempts.due;
            (format!("{found} of {due} calls did not end as their flow intends"), String::new())
        }
        name => (format!("{name} is {found}"), String::new()),
    };
    let words = threshold.limit.operator().words();
    let mut text = format!("{what}{detail}{scope}, wanted {words} {}{since}", threshold.limit.figure());
    if let Some(aborted) = record.aborted_by.as_ref().filter(|_| is_aborted_by(record, threshold)) {
        let found = crate::verdict::figure(threshold.figure.kind(), aborted.found);
        text += &format!("; the run was ended early, when it was {found}");
    }
    text
}

/// The cause of most failed sign-ons.
fn worst_sign_on(record: &RunRecord) -> String {
    let worst = record.counted.signon_failures.iter().max_by_key(|one| one.count);
    worst.map_or_else(String::new, |one| {
        let status = one.status.map(|status| format!(" {status}")).unwrap_or_default();
        format!(", most of them by {}{status}", one.cause)
    })
}
