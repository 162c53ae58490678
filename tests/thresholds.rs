//! Thresholds: from the profile to the verdict, and their figures against those of the record.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use wtsp_load::metrics::{
    AttemptFailure, DisconnectKey, Gauges, Metric, Outcome, Phase, SignonFailure, SignonFailureKey, Tally,
};
use wtsp_load::profile::{self, Figure, Overrides, Plan, ProblemKind, Threshold, Thresholds};
use wtsp_load::protocol::{EventName, RequestName};
use wtsp_load::record::{
    Aborted, Change, ChangeKind, GLOSSARY, Health, Interval, Kpi, RUN_FILE, RunEnd, RunHeader, RunWriter,
    StageInfo, Window,
};
use wtsp_load::report::{self, Finished, Format, Style};
use wtsp_load::scenario::Flow;
use wtsp_load::scheduler::{self, Output, Stop};
use wtsp_load::transport::Initiator;
use wtsp_load::verdict::{ThresholdResult, VerdictResult, exit};

const SMALL: &str = "[[stages]]\nname = \"steady\"\nduration = \"10s\"\nclients = 4\n";

fn load(thresholds: &str, set: &[&str]) -> Result<Plan, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, format!("{SMALL}{thresholds}")).unwrap();
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    let plan = profile::load(&path, &Overrides { set, ..Overrides::default() });
    plan.map_err(|errors| errors.render(false).replace(&format!("{}/", folder.path().display()), ""))
}

fn words(plan: &Plan) -> Vec<String> {
    plan.thresholds.iter().map(ToString::to_string).collect()
}

#[test]
fn thresholds_are_written_as_the_contract_says() {
    let plan = load(
        "[thresholds]\n\"latency.setup.response.p99\" = \"< 250ms\"\n\"kpi.seer\" = \"> 99.5\"\n\
         \"latency.ack.service.p99\" = { limit = \"< 2s\", abort = true }\n",
        &[],
    );
    let mut expected = vec![
        "kpi.seer must be above 99.5",
        "latency.ack.service.p99 must be below 2s; the run ends when it is not",
        "latency.setup.response.p99 must be below 250ms",
    ];
    expected.sort_unstable();
    let plan = plan.unwrap();
    assert_eq!(words(&plan), expected);
    assert!(!plan.thresholds.are_default());
}

#[test]
fn quotes_may_be_left_out_and_a_figure_may_have_several_limits() {
    let plan = load(
        "[thresholds]\nkpi.seer = [\"> 90 %\", { limit = \"> 99\", stage = \"steady\", warm_up = \"5s\" }]\n\
         hangups.486 = { limit = \"<= 3\" }\n",
        &["thresholds.late_responses=== 0", "thresholds.kpi.isa.limit=< 1", "thresholds.kpi.isa.abort=true"],
    );
    assert_eq!(
        words(&plan.unwrap()),
        [
            "hangups.486 must be at most 3",
            "kpi.seer must be above 90 %",
            "kpi.seer must be above 99 in stage steady, without its first 5s",
            "kpi.isa must be below 1; the run ends when it is not",
            "late_responses must be exactly 0",
        ]
    );
}

#[test]
fn a_profile_without_thresholds_has_the_two_default_ones_and_an_empty_table_has_none() {
    assert_eq!(
        words(&load("", &[]).unwrap()),
        ["clients.signon_failed must be exactly 0", "attempts_unintended must be exactly 0"]
    );
    let plan = load("[thresholds]\n", &[]).unwrap();
    assert!(plan.thresholds.is_empty());
    assert!(plan.warnings[0].contains("the run passes whatever the target does"));
    let bare = load("[thresholds]\n\"generator.lag.p99\" = \"< 500\"\n", &[]).unwrap();
    assert!(
        bare.warnings[0].contains("is in microseconds; 500 may be meant as 500ms"),
        "{:?}",
        bare.warnings
    );
}

#[test]
fn thresholds_are_no_part_of_the_load() {
    let with = load("[thresholds]\n\"kpi.seer\" = \"> 99.5\"\n", &[]).unwrap();
    assert_eq!(with.hash, load("", &[]).unwrap().hash);
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_where_it_stands() {
    assert_eq!(
        load("[thresholds]\n\"kpi.sear\" = \"> 99.5\"\n", &[]).unwrap_err(),
        "p.toml:6:1: `kpi.sear` is not the name of a figure in run.json\n  |\n6 | \"kpi.sear\" = \"> 99.5\"\n  \
         | ^^^^^^^^^^\n  |\n  = help: did you mean `kpi.seer`?"
    );
    assert_eq!(
        load("[thresholds]\n\"attempts.failed\" = \"< 5ms\"\n", &[]).unwrap_err(),
        "p.toml:6:21: `attempts.failed` is a count, and its limit cannot be a duration\n  |\n6 | \
         \"attempts.failed\" = \"< 5ms\"\n  |                     ^^^^^^^\n  |\n  = help: write a figure, such as \"== 0\""
    );
}

#[test]
fn a_threshold_that_cannot_be_judged_is_refused_with_its_cure() {
    for (threshold, message, help) in [
        ("attempts.failed = 0", "a limit needs an operator", "write it in quotes, with an operator"),
        ("attempts.failed = true", "this is not a limit", "write a limit such as"),
        (
            "attempts.failed = \"0\"",
            "`0` has no operator",
            "write <, <=, >, >= or == first, such as \"== 0\"",
        ),
        ("kpi.seer = { abort = true }", "`limit` is missing", "write { limit ="),
        ("kpi.seer = { limit = 5 }", "`limit` must be a text", "write limit ="),
        ("kpi.seer = { limit = \"> 1\", abrt = true }", "unknown key `abrt`", "did you mean `abort`?"),
        ("kpi.seer = { limit = \"> 1\", abort = \"yes\" }", "`abort` must be true or false", ""),
        (
            "kpi.seer = { limit = \"> 1\", stage = \"stedy\" }",
            "there is no stage `stedy`",
            "did you mean `steady`?",
        ),
        ("kpi.seer = { limit = \"> 1\", warm_up = \"5\" }", "`5` has no unit", ""),
        (
            "kpi.seer = { limit = \"> 1\", warm_up = \"10s\" }",
            "the run lasts 10s",
            "make the warm-up shorter",
        ),
        (
            "kpi.seer = { limit = \"> 1\", stage = \"steady\", warm_up = \"9.5s\" }",
            "stage `steady` lasts 10s",
            "make the warm-up shorter",
        ),
        (
            "generator.fd_limit = { limit = \"> 1\", stage = \"steady\" }",
            "is known of the whole run only",
            "leave `stage` and `warm_up` out",
        ),
        (
            "generator.bytes_per_client = { limit = \"< 1\", abort = true }",
            "is known at the end only",
            "leave `abort` out",
        ),
        ("attempts.due = { limit = \"> 1\", abort = true }", "begins at zero and rises", "leave `abort` out"),
        (
            "latency.by_flow.declined.decline.service.p99 = \"< 1s\"",
            "no call of the mix follows the flow `declined`",
            "add it to `calls.mix`",
        ),
        (
            "latency.by_flow.answered.setup.response.p99 = \"< 1s\"",
            "all calls follow the flow `answered`",
            "write `latency.setup.response.p99`",
        ),
        ("kpi = {}", "there is no `limit`", "write limit ="),
        ("latency.setup.p99 = \"< 1s\"", "is not the name of a figure", "`latency.setup.response.p99`?"),
        ("tokn = \"< 1s\"", "is not the name of a figure", "the names are those of run.json"),
    ] {
        let refusal = load(&format!("[thresholds]\n{threshold}\n"), &[]).unwrap_err();
        assert!(refusal.starts_with("p.toml:6:"), "{refusal}");
        assert!(refusal.contains(message) && refusal.contains(help), "{threshold}:\n{refusal}");
    }
    let path = tempfile::tempdir().unwrap();
    let profile = path.path().join("p.toml");
    std::fs::write(&profile, format!("{SMALL}[thresholds]\nkpi.seer = \"99\"\n")).unwrap();
    let errors = profile::load(&profile, &Overrides::default()).unwrap_err();
    assert!(matches!(errors.problems()[0].kind, ProblemKind::Value(_)));
}

#[test]
fn the_schema_takes_what_is_written_and_refuses_what_is_not() {
    let validator = jsonschema::validator_for(&profile::schema()).unwrap();
    let json = |thresholds: &str| -> Value {
        let table: toml::Table = format!("{SMALL}[thresholds]\n{thresholds}").parse().unwrap();
        serde_json::to_value(table).unwrap()
    };
    for good in [
        "\"kpi.seer\" = \"> 99.5 %\"",
        "\"latency.ack.service.p99\" = { limit = \"< 2s\", abort = true, stage = \"a\", warm_up = \"5s\" }",
        "\"generator.lag.p99\" = [\"< 80µs\", { limit = \"<= 1.5ms\" }]",
    ] {
        assert!(validator.is_valid(&json(good)), "{good}");
    }
    for wrong in ["a = 1", "a = \"5\"", "a = { abort = true }", "a = { limit = \"< 1\", abrt = true }"] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
}

fn header(thresholds: Thresholds) -> RunHeader {
    let stage = |name: &str, starts_s, duration_s, calls| StageInfo {
        name: name.to_owned(),
        starts_s,
        duration_s,
        calls_per_second_from: calls,
        calls_per_second_to: calls,
        ..StageInfo::default()
    };
    RunHeader {
        stages: vec![stage("sign-on", 0.0, 2.0, 0.0), stage("steady", 2.0, 1_000.0, 100.0)],
        clients_planned: 10,
        workers: 2,
        fd_limit: 1_000,
        mean_hold_us: Some(4_000_000),
        thresholds,
        ..RunHeader::default()
    }
}

/// A second with so many calls, some of which are refused.
fn second(at: u64, calls: u64, refused: u64, millis: u64) -> Interval {
    let mut tally = Tally::default();
    for call in 0..calls {
        tally.latencies[Metric::Setup.index()].service.record((millis + call) * 1_000);
        let response = tally.latencies[Metric::Setup.index()].response.as_mut();
        response.unwrap().record((millis + call) * 1_000 + 300);
        let flow = if call % 3 == 0 { Flow::Declined } else { Flow::Answered };
        let of_flow = &mut tally.by_flow.of(flow.index())[Metric::Setup.index()];
        of_flow.service.record((millis + call) * 1_000);
        of_flow.response.as_mut().unwrap().record((millis + call) * 1_000 + 300);
        tally.latencies[Metric::Lag.index()].service.record(50 + call);
        tally.acks[RequestName::Accept.index()].record(700 + call);
    }
    let counters = &mut tally.counters;
    counters.due = calls;
    counters.started = calls;
    (refused..calls).for_each(|_| counters.end(Outcome::Answered));
    (0..refused).for_each(|_| counters.end(Outcome::Failed(AttemptFailure::Rejected)));
    counters.rejections.count_many(Some(503), refused);
    counters.flows.count_many(("answered", "answered"), calls - refused);
    counters.flows.count_many(("answered", "failed"), refused);
    counters.intended = calls - refused;
    counters.completed = calls - refused;
    counters.talks = calls - refused;
    counters.talk_micros = (calls - refused) * 4_100_000;
    counters.hangups.count_many(Some(200), 2 * (calls - refused));
    counters.requests_sent[RequestName::OutgoingCall.index()] = calls;
    counters.events[EventName::Accepted.index()] = calls - refused;
    counters.connected_micros = 10_000_000;
    counters
        .disconnects
        .count_many(DisconnectKey { code: 4502, initiator: Initiator::Server, phase: Phase::Idle }, refused);
    if at == 0 {
        counters.signed_on = 10;
        counters.signon_failures.count(SignonFailureKey { cause: SignonFailure::Http, status: Some(503) });
    }
    Interval {
        at: Duration::from_secs(at),
        length: Duration::from_secs(1),
        stage: Some(u32::from(at >= 2)),
        tally,
        gauges: Gauges { signed_on: 10, ..Gauges::default() },
        changes: Vec::new(),
        health: Health {
            cpu_cores: 0.5,
            rss_bytes: 9_000,
            worker_cpu_max: 0.25,
            turn_max_us: 900,
            ..Health::default()
        },
    }
}

fn run(root: &Path, thresholds: Thresholds, seconds: &[Interval], end: &RunEnd) -> Finished {
    let mut writer = RunWriter::create_under(root, header(thresholds)).unwrap();
    seconds.iter().for_each(|second| writer.interval(second).unwrap());
    report::finish(writer, end)
}

#[test]
fn one_refused_call_in_a_hundred_fails_the_run_in_its_first_second() {
    let root = tempfile::tempdir().unwrap();
    let mut seconds: Vec<Interval> =
        (0..10).map(|at| second(at, if at < 2 { 0 } else { 100 }, 0, 20)).collect();
    (5..10).for_each(|at| seconds[at as usize] = second(at, 100, 2, 20));
    let thresholds = Thresholds(vec![
        Threshold::new("attempts.failed", "== 0").unwrap(),
        Threshold::new("kpi.ser", "> 98").unwrap(),
        Threshold::new("kpi.ser", "> 99.9").unwrap(),
    ]);
    let run = run(root.path(), thresholds, &seconds, &RunEnd::default());
    assert_eq!(run.verdict.result, VerdictResult::Fail);
    assert_eq!(run.exit_code(), exit::FAIL);
    let [failed, ser, high] = &run.verdict.thresholds[..] else { panic!("three thresholds") };
    assert_eq!((failed.found, failed.result), (Some(10.0), ThresholdResult::Fails));
    assert_eq!(failed.first_failed_at_us, Some(5_000_000));
    assert_eq!(failed.first_failed_stage.as_deref(), Some("steady"));
    assert_eq!((ser.result, ser.first_failed_at_us), (ThresholdResult::Holds, None));
    assert_eq!((high.result, high.first_failed_at_us), (ThresholdResult::Fails, Some(5_000_000)));
    assert_eq!(
        run.verdict.reasons,
        [
            "attempts.failed is 10, wanted exactly 0; first in second 6 (stage steady)",
            "kpi.ser is 98.75 %, wanted above 99.9; first in second 6 (stage steady)",
        ]
    );
}

#[test]
fn what_was_not_measured_is_not_met() {
    let root = tempfile::tempdir().unwrap();
    let keepalive = Threshold::new("latency.keepalive.service.p99", "< 1s").unwrap();
    let later = Threshold { stage: Some("steady".to_owned()), ..Threshold::new("late", "== 0").unwrap() };
    let thresholds = Thresholds(vec![keepalive, later]);
    let run = run(root.path(), thresholds, &[second(0, 0, 0, 0)], &RunEnd::default());
    assert_eq!(run.verdict.result, VerdictResult::Fail);
    for threshold in &run.verdict.thresholds {
        assert_eq!((threshold.found, threshold.result), (None, ThresholdResult::NoEvidence));
    }
    assert!(run.verdict.reasons[1].contains("no evidence in stage steady"), "{:?}", run.verdict.reasons);
}

#[test]
fn a_stage_and_a_warm_up_leave_the_rest_out() {
    let root = tempfile::tempdir().unwrap();
    let slow_at_first = |at| second(at, 100, 0, if at < 5 { 900 } else { 20 });
    let seconds: Vec<Interval> = (0..10).map(slow_at_first).collect();
    let setup = || Threshold::new("latency.setup.response.p99", "< 250ms").unwrap();
    let warm = |warm_up| Threshold {
        stage: Some("steady".to_owned()),
        warm_up: Duration::from_secs(warm_up),
        ..setup()
    };
    let run = run(root.path(), Thresholds(vec![setup(), warm(3), warm(2)]), &seconds, &RunEnd::default());
    let results: Vec<ThresholdResult> = run.verdict.thresholds.iter().map(|one| one.result).collect();
    assert_eq!(results, [ThresholdResult::Fails, ThresholdResult::Holds, ThresholdResult::Fails]);
    let first: Vec<Option<u64>> = run.verdict.thresholds.iter().map(|one| one.first_failed_at_us).collect();
    assert_eq!(first, [Some(0), None, Some(4_000_000)]);
    // The same is said of a run that was killed, from its seconds alone.
    let directory = std::fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(directory.join(RUN_FILE)).unwrap();
    assert_eq!(report::load(&directory).unwrap().1.thresholds, run.verdict.thresholds);
}

#[test]
fn a_run_that_a_threshold_ended_has_failed_even_if_the_drain_mended_its_figure() {
    let root = tempfile::tempdir().unwrap();
    let threshold = Threshold { abort: true, ..Threshold::new("kpi.ser", "> 99").unwrap() };
    let aborted = Aborted {
        name: "kpi.ser".to_owned(),
        limit: "> 99".to_owned(),
        stage: None,
        found: 95.0,
        at_us: 2_000_000,
    };
    let end = RunEnd { aborted_by: Some(aborted.clone()), ..RunEnd::default() };
    let seconds = [second(0, 0, 0, 0), second(1, 0, 0, 0), second(2, 20, 1, 20), second(3, 500, 0, 20)];
    let run = run(root.path(), Thresholds(vec![threshold]), &seconds, &end);
    assert_eq!(run.record.aborted_by, Some(aborted));
    assert!(!run.record.interrupted);
    assert_eq!((run.verdict.result, run.exit_code()), (VerdictResult::Fail, exit::FAIL));
    let [ser] = &run.verdict.thresholds[..] else { panic!("one threshold") };
    assert_eq!((ser.result, ser.first_failed_at_us), (ThresholdResult::Fails, Some(2_000_000)));
    assert_eq!(
        run.verdict.reasons,
        [
            "kpi.ser is 99.8077 %, wanted above 99; first in second 3 (stage steady); the run was ended early, when it \
          was 95 %"
        ]
    );
    // The head of the summary names it also where a void verdict would not.
    let mut text = Vec::new();
    report::text(&run.record, &run.verdict, Style::default(), &mut text).unwrap();
    let words = String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("ended early by the threshold kpi.ser > 99"), "{words}");
    // In the report for pipelines it did not come to its end either, but what failed is the threshold.
    let mut junit = Vec::new();
    report::junit(&run.record, &run.verdict, &mut junit).unwrap();
    let junit = String::from_utf8(junit).unwrap();
    assert!(
        junit.contains(r#"<skipped message="it was ended early by the threshold kpi.ser &gt; 99"/>"#),
        "{junit}"
    );
    assert!(junit.contains(r#"tests="3" skipped="1" failures="1" errors="0""#), "{junit}");
}

#[test]
fn a_run_that_was_drained_by_hand_is_judged_and_every_report_says_so() {
    let root = tempfile::tempdir().unwrap();
    let at = |name| Threshold { stage: Some("later".to_owned()), ..Threshold::new(name, "== 0").unwrap() };
    let drained = RunEnd {
        changes: vec![
            Change { at_us: 1_500_000, what: ChangeKind::Rate, factor: Some(1.1) },
            Change { at_us: 2_500_000, what: ChangeKind::Drain, factor: None },
        ],
        ..RunEnd::default()
    };
    let seconds = [second(0, 20, 0, 20), second(1, 20, 0, 20), second(2, 20, 0, 20)];
    let words = |run: &Finished, format: Format| {
        let mut out = Vec::new();
        format.write(&run.record, &run.verdict, &mut out).unwrap();
        String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let none_failed = Thresholds(vec![Threshold::new("attempts.failed", "== 0").unwrap()]);
    let passed = run(&root.path().join("passed"), none_failed, &seconds, &drained);
    assert_eq!((passed.record.interrupted, passed.exit_code()), (false, exit::PASS));
    for (format, said) in [
        (Format::Text, "pass, as far as it got before it was drained by hand"),
        (Format::Text, "By hand rate 110 % at 1.5 s drained at 2.5 s"),
        (Format::Markdown, "As far as it got before it was drained by hand."),
        (Format::Markdown, "| By hand | rate 110 % at 1.5 s | | | drained at 2.5 s |"),
        (Format::Html, "as far as it got before it was drained by hand"),
        (Format::Html, ">rate 110 % at 1.5 s, drained at 2.5 s</dd>"),
        (Format::Junit, "<error message=\"it was drained by hand before its plan was done\"/>"),
        (
            Format::Junit,
            "<property name=\"changed_by_hand\" value=\"rate 110 % at 1.5 s; drained at 2.5 s\"/>",
        ),
    ] {
        let words = words(&passed, format);
        assert!(words.contains(said), "no `{said}` in {format:?}");
    }
    // What the drain kept from being measured has no evidence, and says why.
    let thresholds = Thresholds(vec![at("attempts.failed"), at("latency.setup.service.p99")]);
    let failed = run(&root.path().join("failed"), thresholds, &seconds, &drained);
    assert_eq!((failed.verdict.result, failed.exit_code()), (VerdictResult::Fail, exit::FAIL));
    for reason in &failed.verdict.reasons {
        let why = "no evidence in stage later, nothing was measured: the run was drained by hand";
        assert!(reason.ends_with(why), "{reason}");
    }
    assert!(words(&failed, Format::Markdown).contains("The run was drained by hand."));
}

#[test]
fn a_generator_that_was_unfit_passes_and_fails_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut unfit = second(2, 100, 0, 20);
    (0..50).for_each(|_| unfit.tally.latencies[Metric::Lag.index()].service.record(400_000));
    let run = run(root.path(), Thresholds::default(), &[unfit], &RunEnd::default());
    assert_eq!((run.verdict.result, run.exit_code()), (VerdictResult::Void, exit::VOID));
    assert_eq!(run.verdict.thresholds.len(), 2);
}

/// Runs a profile against the embedded core: a few clients, twenty calls a second to a number that nobody has.
fn refused_calls(thresholds: &str, seconds: u32) -> (tempfile::TempDir, Finished) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let profile = format!(
        "[[stages]]\nduration = \"1s\"\nclients = 10\n[[stages]]\nname = \"steady\"\nduration = \"{seconds}s\"\n\
         calls_per_second = 20\n[calls]\nnumber = \"nobody\"\n{thresholds}"
    );
    std::fs::write(&path, profile).unwrap();
    let plan = profile::load(&path, &Overrides::default()).unwrap();
    let output = Output::At(folder.path().join("run"));
    let ran = scheduler::run(plan, &output, &Stop::default(), &mut |_| ()).unwrap();
    assert!(ran.breakdown.is_none());
    (folder, ran.finished)
}

#[test]
fn a_threshold_ends_a_run_long_before_its_plan_does() {
    let (_folder, run) =
        refused_calls("[thresholds]\n\"kpi.ser\" = { limit = \"> 99\", abort = true }\n", 600);
    let aborted = run.record.aborted_by.as_ref().expect("aborted");
    assert_eq!((aborted.name.as_str(), aborted.limit.as_str(), aborted.found), ("kpi.ser", "> 99", 0.0));
    assert!(!run.record.interrupted);
    assert!(run.record.sums.hold, "{:?}", run.record.sums.wrong);
    assert!(run.record.counted.attempts.due >= 20);
    let [ser] = &run.verdict.thresholds[..] else { panic!("one threshold") };
    assert_eq!((ser.result, ser.found), (ThresholdResult::Fails, Some(0.0)));
    assert_eq!(ser.first_failed_stage.as_deref(), Some("steady"));
    let mut seconds = run.record.intervals.read().unwrap();
    let first = seconds.next().expect("a second").unwrap();
    assert_eq!((first.stage, first.counted.attempts.due), (Some(0), 0), "no call is due in it");
    // A machine that is too busy to measure is none to fail a server by.
    assert!([exit::FAIL, exit::VOID].contains(&run.exit_code()));
}

#[test]
fn calls_that_are_refused_fail_a_run_without_thresholds_of_its_own() {
    let (_folder, run) = refused_calls("", 2);
    let [signons, calls] = &run.verdict.thresholds[..] else { panic!("two thresholds") };
    assert_eq!((signons.name.as_str(), signons.result), ("clients.signon_failed", ThresholdResult::Holds));
    assert_eq!((calls.name.as_str(), calls.result), ("attempts_unintended", ThresholdResult::Fails));
    let attempts = &run.record.counted.attempts;
    assert_eq!(calls.found, Some((attempts.due - attempts.blocked - attempts.unfinished) as f64));
    assert!([exit::FAIL, exit::VOID].contains(&run.exit_code()));
}

/// The names of all numbers in `run.json`, with the numbers.
fn numbers(path: &str, value: &Value, found: &mut Vec<(String, Option<f64>)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                numbers(&format!("{path}{dot}{name}"), value, found);
            }
        }
        Value::Number(number) => found.push((path.to_owned(), number.as_f64())),
        Value::Null => found.push((path.to_owned(), None)),
        _ => {}
    }
}

/// What tells which run it is, rather than how it went.
const NOT_MEASURED: [&str; 12] = [
    "schema_version",
    "profile.",
    "target.",
    "environment.",
    "started_at",
    "ended_at",
    "aborted_by",
    // How much of the record there is. How many calls failed, kept or not, is `attempts_unintended`.
    "calls_csv",
    "kept_calls",
    "generator.control.absent",
    "tool.",
    "verdict",
];

#[test]
fn every_number_of_run_json_is_open_to_thresholds_and_comes_out_as_it_stands_there() {
    let root = tempfile::tempdir().unwrap();
    let seconds: Vec<Interval> = (0..6).map(|at| second(at, 30, 1, 20)).collect();
    let run = run(root.path(), Thresholds::default(), &seconds, &RunEnd::default());
    let mut out = Vec::new();
    report::json(&run.record, &run.verdict, &mut out).unwrap();
    let mut found = Vec::new();
    numbers("", &serde_json::from_slice(&out).unwrap(), &mut found);
    found.retain(|(name, _)| !NOT_MEASURED.iter().any(|left_out| name.starts_with(left_out)));
    assert!(found.len() > 200);
    for (name, number) in &found {
        let figure = Figure::parse(name).unwrap_or_else(|error| panic!("{error}: add it to the figures"));
        assert_eq!(run.record.figure(&figure), *number, "{name}");
    }
    // And there is no figure without a place in run.json, but for counts that are zero, and sums.
    let groups: BTreeSet<&str> = found.iter().filter_map(|(name, _)| name.split('.').next()).collect();
    for name in Figure::all() {
        let group = name.split('.').next().unwrap();
        let lists =
            ["signon_failures", "reconnect_failures", "disconnects", "event_errors", "attempts_broken"];
        assert!(groups.contains(group) || lists.contains(&group), "{name}");
    }
}

#[test]
fn the_glossary_of_the_readme_is_that_of_the_code() {
    let names: BTreeSet<String> =
        serde_json::to_value(Kpi::default()).unwrap().as_object().unwrap().keys().cloned().collect();
    let known: BTreeSet<String> = GLOSSARY.iter().map(|term| term.name.to_owned()).collect();
    let beside: Vec<&String> = known.difference(&names).collect();
    assert_eq!(beside, ["closes_per_1000_connection_hours"]);
    assert_eq!(names.difference(&known).count(), 0);
    let rows = GLOSSARY.iter().map(|term| {
        format!(
            "| `{}` | {} | {} | {} | {} |",
            term.name, term.long, term.unit, term.definition, term.defined_in
        )
    });
    let table: Vec<String> = rows.map(|row| row.replace("  ", " ")).collect();
    let readme = include_str!("../reports/README.md");
    let table = table.join("\n");
    assert!(readme.contains(&table), "reports/README.md must have these rows:\n{table}");
}

#[test]
fn every_name_of_the_record_that_needs_one_has_an_explanation_in_the_readme() {
    let run: serde_json::Value = serde_json::from_str(include_str!("golden/run.json")).unwrap();
    let readme = include_str!("../reports/README.md");
    for part in ["kpi", "attempts", "ledger", "generator"] {
        let is_of_part =
            |section: &&str| section.lines().next().unwrap_or_default().contains(&format!("`{part}`"));
        let section =
            readme.split("\n## ").find(is_of_part).unwrap_or_else(|| panic!("no section on {part}"));
        for name in run[part].as_object().unwrap().keys() {
            assert!(
                section.contains(&format!("`{name}`")),
                "reports/README.md does not say what {part}.{name} is"
            );
        }
    }
}

fn any_second() -> impl Strategy<Value = (u64, u64, u64)> {
    (0_u64..40).prop_flat_map(|calls| (Just(calls), 0..=calls, 1_u64..2_000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_figure_is_the_same_added_up_as_measured_from_the_file_and_of_the_whole(
        seconds in prop::collection::vec(any_second(), 1..8),
    ) {
        let root = tempfile::tempdir().unwrap();
        let seconds: Vec<Interval> = (seconds.iter().enumerate())
            .map(|(at, (calls, refused, millis))| second(at as u64, *calls, *refused, *millis))
            .collect();
        let run = run(root.path(), Thresholds::default(), &seconds, &RunEnd::default());
        for name in [
            "latency.setup.response.p99", "latency.setup.service.p50", "latency.setup.response.max",
            "latency.setup.service.mean", "latency.setup.response.count", "latency.ack_by_request.accept.p999",
            "latency.by_flow.answered.setup.response.p90", "latency.by_flow.declined.setup.service.max",
            "generator.lag.p90", "kpi.ser", "kpi.seer_all", "kpi.isa", "kpi.scr", "kpi.ira", "kpi.acd_s",
            "kpi.cps_offered", "kpi.erlangs_carried", "attempts.failed", "attempts_unintended", "hangups.200",
            "attempts_rejected.503", "disconnects.server", "disconnects.total", "clients.signon_failed",
            "closes_per_1000_connection_hours", "generator.rss_peak_bytes", "generator.cpu_cores",
        ] {
            let threshold = Threshold::new(name, "== 0").unwrap();
            let mut measured = Window::new(&threshold, &header(Thresholds::default()));
            seconds.iter().for_each(|second| assert!(measured.add_measured(second)));
            let mut stored = Window::new(&threshold, &header(Thresholds::default()));
            for second in run.record.intervals.read().unwrap() {
                prop_assert!(stored.add(&second.unwrap()).unwrap());
            }
            let whole = run.record.figure(&threshold.figure);
            prop_assert_eq!(measured.found(), whole, "{} as measured", name);
            prop_assert_eq!(stored.found(), whole, "{} from the file", name);
        }
    }
}
