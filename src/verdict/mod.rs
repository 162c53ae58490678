//! What a run proves: whether the generator was fit to measure, and whether the server passed.

pub mod limits;
mod thresholds;
mod validity;
mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use thresholds::{ThresholdResult, ThresholdVerdict};
pub use watch::Watch;

use self::validity::Finding;
use crate::profile::Kind;
use crate::record::{RunRecord, Validity};

/// What a run proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictResult {
    /// Every threshold holds.
    Pass,
    /// A threshold does not hold.
    Fail,
    /// Nothing: the generator was unfit.
    Void,
}

impl VerdictResult {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            VerdictResult::Pass => "pass",
            VerdictResult::Fail => "fail",
            VerdictResult::Void => "void",
        }
    }
}

/// What a run proves, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Pass, fail or void.
    pub result: VerdictResult,
    /// Why it is not a pass; what makes the generator doubtful is in `generator.validity_reasons`.
    pub reasons: Vec<String>,
    /// The thresholds, one by one, also of a run that is void.
    #[serde(default)]
    pub thresholds: Vec<ThresholdVerdict>,
}

/// Exit codes of a command: the contract of the command line.
pub mod exit {
    /// Everything holds.
    pub const PASS: u8 = 0;
    /// A threshold failed.
    pub const FAIL: u8 = 1;
    /// Bad usage, or a bad profile.
    pub const USAGE: u8 = 2;
    /// The run could not be made, or something could not be written.
    pub const CANNOT: u8 = 3;
    /// The generator was unfit: the numbers prove nothing.
    pub const VOID: u8 = 4;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// The exit code of a run that could be made and written: interrupted before void before fail.
pub fn exit_code(record: &RunRecord, verdict: &Verdict) -> u8 {
    match verdict.result {
        _ if record.interrupted => exit::INTERRUPTED,
        VerdictResult::Void => exit::VOID,
        VerdictResult::Fail => exit::FAIL,
        VerdictResult::Pass => exit::PASS,
    }
}

/// Whether the generator was fit to measure, by all rules; of a run that goes on, up to now.
pub fn validity(record: &RunRecord) -> Validity {
    fitness(record).0
}

/// The same with what speaks against it, the worst first.
pub fn fitness(record: &RunRecord) -> (Validity, Vec<String>) {
    let findings = validity::findings(record);
    let reasons = of(&findings, Validity::Void).chain(of(&findings, Validity::Degraded));
    (worst(&findings), reasons.collect())
}

fn worst(findings: &[Finding]) -> Validity {
    findings.iter().map(|finding| finding.validity).max().unwrap_or_default()
}

fn of(findings: &[Finding], validity: Validity) -> impl Iterator<Item = String> {
    findings.iter().filter(move |finding| finding.validity == validity).map(|finding| finding.reason.clone())
}

/// Judges a run: writes into the record whether the generator was fit to measure, and returns the verdict by its
/// thresholds. A threshold without a figure is not met.
pub fn judge(record: &mut RunRecord) -> Verdict {
    let (validity, reasons) = fitness(record);
    record.generator.validity = validity;
    record.generator.validity_reasons = reasons;
    let thresholds = thresholds::judge(record);
    if validity == Validity::Void {
        return Verdict {
            result: VerdictResult::Void,
            reasons: of(&validity::findings(record), Validity::Void).collect(),
            thresholds,
        };
    }
    let failures: Vec<String> = (record.thresholds.iter().zip(&thresholds))
        .filter(|(_, verdict)| verdict.result != ThresholdResult::Holds)
        .map(|(threshold, verdict)| thresholds::reason(record, threshold, verdict))
        .collect();
    let result = if failures.is_empty() { VerdictResult::Pass } else { VerdictResult::Fail };
    Verdict { result, reasons: failures, thresholds }
}

/// A figure for people.
pub fn figure(kind: Kind, value: f64) -> String {
    let plain = |value: f64, decimals: usize| {
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    match kind {
        Kind::Count => plain(value, 0),
        Kind::Micros if value < 1e3 => format!("{} µs", plain(value, 1)),
        Kind::Micros if value < 1e6 => format!("{} ms", plain(value / 1e3, 3)),
        Kind::Micros => format!("{} s", plain(value / 1e6, 3)),
        Kind::Seconds => format!("{} s", plain(value, 3)),
        Kind::Percent => format!("{} %", plain(value, 4)),
        Kind::Number => plain(value, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fold, Intervals, RunEnd, RunHeader};

    /// A run of 1000 calls, all well.
    fn record() -> RunRecord {
        let end = RunEnd::default();
        let mut record = Fold::default().finish(&RunHeader::default(), Some(&end), Intervals::default());
        let counted = &mut record.counted;
        counted.attempts.due = 1_000;
        counted.attempts.started = 1_000;
        counted.attempts.answered = 1_000;
        counted.attempts_intended = 1_000;
        record.generator.lag.count = 1_000;
        record.generator.lag.p99 = Some(300);
        record
    }

    fn judged(change: impl FnOnce(&mut RunRecord)) -> (VerdictResult, Validity, u8) {
        let mut record = record();
        change(&mut record);
        record.attempts_unintended = record.counted.attempts_unintended();
        let verdict = judge(&mut record);
        (verdict.result, record.generator.validity, exit_code(&record, &verdict))
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(judged(|_| ()), (VerdictResult::Pass, Validity::Valid, 0));
    }

    #[test]
    fn a_failed_sign_on_or_call_fails_the_run() {
        let fail = (VerdictResult::Fail, Validity::Valid, 1);
        assert_eq!(judged(|record| record.clients.signons.signon_failed = 1), fail);
        let failed = |record: &mut RunRecord| {
            record.counted.attempts.answered -= 1;
            record.counted.attempts.failed += 1;
            record.counted.attempts_intended -= 1;
        };
        assert_eq!(judged(failed), fail);
    }

    #[test]
    fn an_outcome_that_its_flow_intends_is_no_failure() {
        let declined = |record: &mut RunRecord| {
            record.counted.attempts.answered -= 60;
            record.counted.attempts.declined += 60;
        };
        assert_eq!(judged(declined), (VerdictResult::Pass, Validity::Valid, 0));
    }

    #[test]
    fn a_busy_answer_that_nobody_intended_is_a_failure() {
        let busy = |record: &mut RunRecord| {
            record.counted.attempts.answered -= 1;
            record.counted.attempts.busy += 1;
            record.counted.attempts_intended -= 1;
        };
        assert_eq!(judged(busy).0, VerdictResult::Fail);
    }

    #[test]
    fn a_late_generator_is_degraded_and_then_void() {
        let lag = |p99| move |record: &mut RunRecord| record.generator.lag.p99 = Some(p99);
        let limits::Limit { degraded, void } = limits::CALL_LAG_P99_US;
        assert_eq!(judged(lag(degraded as u64)).1, Validity::Valid);
        assert_eq!(judged(lag(degraded as u64 + 1)), (VerdictResult::Pass, Validity::Degraded, 0));
        assert_eq!(judged(lag(void.unwrap() as u64 + 1)), (VerdictResult::Void, Validity::Void, 4));
        let unknown = |record: &mut RunRecord| record.generator.lag.p99 = None;
        assert_eq!(judged(unknown).0, VerdictResult::Void);
    }

    #[test]
    fn a_void_run_says_nothing_against_the_server() {
        let mut record = record();
        record.clients.signons.signon_failed = 7;
        record.counted.attempts_intended = 0;
        record.generator.lag.p99 = None;
        let verdict = judge(&mut record);
        assert_eq!(verdict.result, VerdictResult::Void);
        assert_eq!(verdict.reasons, record.generator.validity_reasons);
        assert!(!verdict.reasons.iter().any(|reason| reason.contains("sign-ons")), "{:?}", verdict.reasons);
    }

    #[test]
    fn sums_that_do_not_add_up_make_a_run_void() {
        let wrong = |record: &mut RunRecord| record.sums.wrong.push("attempts.due is 3".into());
        assert_eq!(judged(wrong), (VerdictResult::Void, Validity::Void, 4));
    }

    #[test]
    fn interrupted_comes_before_void_and_void_before_fail() {
        let interrupted = |record: &mut RunRecord| {
            record.interrupted = true;
            record.sums.wrong.push("attempts.due is 3".into());
        };
        assert_eq!(judged(interrupted).2, 130);
        let void = |record: &mut RunRecord| {
            record.clients.signons.signon_failed = 1;
            record.sums.wrong.push("attempts.due is 3".into());
        };
        assert_eq!(judged(void).2, 4);
    }
}
