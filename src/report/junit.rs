//! `junit.xml`: the run as test cases, for pipelines. A case for each threshold, one that says whether the run came to
//! its end, and one that says whether the generator was fit to measure.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::{by_hand, instant, target};
use crate::profile::Threshold;
use crate::record::{EarlyEnd, RecordError, RunRecord, Validity};
use crate::verdict::{self, ThresholdResult, ThresholdVerdict, Verdict, VerdictResult};

/// Writes the test cases. A void run is an error, and its thresholds are skipped: they have proved nothing.
///
/// # Errors
/// The writer refuses.
pub fn junit(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    let mut suite = TestSuite::new(record.profile.name.clone());
    suite.set_time(Duration::from_micros(record.duration_us));
    suite.add_properties(properties(record));
    suite.add_test_cases([ended(record), fit(record)]);
    let thresholds = record.thresholds.iter().zip(&verdict.thresholds);
    suite.add_test_cases(thresholds.map(|(threshold, judged)| case(threshold, judged, verdict.result)));
    let mut report = Report::new("wtsp-load");
    report.set_time(Duration::from_micros(record.duration_us)).add_test_suite(suite);
    report.serialize(&mut *out).map_err(io::Error::other)?;
    writeln!(out)?;
    Ok(())
}

/// What ran.
fn properties(record: &RunRecord) -> Vec<Property> {
    let seed = record.profile.seed.to_string();
    let by_hand = by_hand(record).join("; ");
    let changed = Some(("changed_by_hand", by_hand)).filter(|(_, changes)| !changes.is_empty());
    [
        ("version", record.tool.version.clone()),
        ("started", instant(record.started_at)),
        ("target", target(&record.target)),
        ("profile.hash", record.profile.hash.clone()),
        ("profile.seed", seed),
    ]
    .into_iter()
    .chain(changed)
    .map(|(name, value)| Property::new(name, value))
    .collect()
}

fn ended(record: &RunRecord) -> TestCase {
    let status = match record.early_end() {
        Some(early @ (EarlyEnd::Interrupted | EarlyEnd::Drained)) => {
            let message = format!("it was {} before its plan was done", early.words());
            of_kind(NonSuccessKind::Error, &message, "")
        }
        // That is for the case of the threshold to fail.
        Some(early @ EarlyEnd::Aborted(_)) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(format!("it was {}", early.words()));
            skipped
        }
        None => TestCaseStatus::success(),
    };
    in_class("run", "the run came to its end", status)
}

fn fit(record: &RunRecord) -> TestCase {
    let generator = &record.generator;
    let reasons = generator.validity_reasons.join("\n");
    let status = match generator.validity {
        Validity::Void => of_kind(
            NonSuccessKind::Error,
            "void: the generator was unfit, so the numbers prove nothing",
            &reasons,
        ),
        Validity::Valid | Validity::Degraded => TestCaseStatus::success(),
    };
    let mut case = in_class("run", "the generator was fit to measure", status);
    if generator.validity == Validity::Degraded {
        case.set_system_out(format!("degraded: no claim about capacity can rest on this run\n{reasons}"));
    }
    case
}

/// A threshold: what was wanted and found, and since when it was not so.
fn case(threshold: &Threshold, judged: &ThresholdVerdict, result: VerdictResult) -> TestCase {
    let scope = threshold.scope().map(|scope| format!(" {scope}")).unwrap_or_default();
    let found = judged.found.map_or_else(
        || "nothing was measured".to_owned(),
        |found| format!("found {}", verdict::figure(threshold.figure.kind(), found)),
    );
    let since = judged.first_failed().map(|second| format!("; first failed in {second}")).unwrap_or_default();
    let message = format!("wanted {}, {found}{since}", judged.limit);
    let status = match (result, judged.result) {
        (VerdictResult::Void, _) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(format!("the run is void; {message}"));
            skipped
        }
        (_, ThresholdResult::Holds) => TestCaseStatus::success(),
        (_, ThresholdResult::Fails | ThresholdResult::NoEvidence) => {
            of_kind(NonSuccessKind::Failure, &message, "")
        }
    };
    let mut case = in_class("thresholds", &format!("{} {}{scope}", judged.name, judged.limit), status);
    if judged.result == ThresholdResult::Holds {
        case.set_system_out(message);
    }
    case
}

fn in_class(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn of_kind(kind: NonSuccessKind, message: &str, details: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    if !details.is_empty() {
        status.set_description(details);
    }
    status
}
