//! One run, every report: against files under `tests/golden`, the JSON schema, and another HdrHistogram
//! implementation. `UPDATE_GOLDEN=1 cargo test --test reports` writes the files anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wtsp_load::metrics::{
    AttemptFailure, DisconnectKey, Gauges, Latency, Metric, Outcome, Phase, SignonFailure, SignonFailureKey,
    Tally,
};
use wtsp_load::profile::{Threshold, Thresholds};
use wtsp_load::protocol::{EventName, RequestName};
use wtsp_load::record::{
    CallsCsv, CallsEnd, ControlInfo, Environment, Health, Interval, KeptCalls, ProfileInfo, RUN_FILE, RunEnd,
    RunHeader, RunWriter, StageInfo, TargetInfo, ToolInfo, Validity,
};
use wtsp_load::report::{
    self, Finished, Format, HLOG_FILE, HTML_FILE, JUNIT_FILE, SUMMARY_FILE, Style, TIMELINE_FILE,
};
use wtsp_load::scenario::Flow;
use wtsp_load::transport::Initiator;
use wtsp_load::verdict::VerdictResult;

fn header() -> RunHeader {
    RunHeader {
        tool: ToolInfo { name: "wtsp-load".into(), version: "1.2.3".into() },
        profile: ProfileInfo { name: "example".into(), hash: "0123456789abcdef".into(), seed: 7 },
        target: TargetInfo {
            url: "wss://core.example.com/signaling/v1".into(),
            remote: true,
            dialect: "auto".into(),
            dialect_detected: Some("flat".into()),
            subprotocol: Some(true),
            tls_insecure: true,
            tls_resumption: false,
            lines: Some(2),
            keepalive_interval_ms: Some(30_000),
            ..TargetInfo::default()
        },
        started_at: 1_767_225_600_000,
        clients_planned: 10,
        stages: vec![
            stage("sign-on", 0.0, 1.0, 0.0),
            StageInfo { arrivals: "poisson".into(), ..stage("steady", 1.0, 3.0, 20.0) },
        ],
        workers: 2,
        control: ControlInfo { clients: 1, absent: None },
        fd_limit: 20_000,
        mean_hold_us: Some(5_000_000),
        mean_busy_us: Some(1_000_000),
        environment: Environment { cores: 2, memory_bytes: 1 << 33, kernel: "linux 6.1".into() },
        thresholds: thresholds(),
        calls_csv: Some(CallsCsv { one_in: 4, end: None }),
    }
}

/// One that holds, two that fail, one without evidence, and one about a part of the run.
fn thresholds() -> Thresholds {
    let threshold = |name, limit| Threshold::new(name, limit).unwrap();
    Thresholds(vec![
        threshold("attempts_unintended", "== 0"),
        threshold("clients.signon_failed", "<= 1"),
        threshold("latency.keepalive.service.p99", "< 1s"),
        threshold("latency.setup.response.p99", "< 250ms"),
        Threshold {
            stage: Some("steady".into()),
            warm_up: Duration::from_secs(1),
            ..threshold("latency.ack_by_request.outgoing_call.p999", "<= 5 ms")
        },
    ])
}

fn stage(name: &str, starts_s: f64, duration_s: f64, calls: f64) -> StageInfo {
    StageInfo {
        name: name.into(),
        starts_s,
        duration_s,
        clients: 10,
        calls_per_second_from: calls,
        calls_per_second_to: calls,
        calls_per_second_peak: calls,
        arrivals: "constant".into(),
        signon_arrivals: "constant".into(),
        sign_off: "close".into(),
        ..StageInfo::default()
    }
}

fn record(latency: &mut Latency, micros: impl Iterator<Item = u64>) {
    for micros in micros {
        latency.service.record(micros);
        if let Some(response) = &mut latency.response {
            response.record(micros + 400);
        }
    }
}

/// The second in which everybody signs on.
fn sign_on() -> Tally {
    let mut tally = Tally::default();
    record(&mut tally.latencies[Metric::Connect.index()], (0..10).map(|client| 2_000 + client * 100));
    record(&mut tally.latencies[Metric::Signon.index()], (0..10).map(|client| 9_000 + client * 1_000));
    let counters = &mut tally.counters;
    counters.signed_on = 9;
    counters.control_signed_on = 2;
    counters.signon_failures.count(SignonFailureKey { cause: SignonFailure::Http, status: Some(503) });
    counters.states = 9;
    counters.events[EventName::Registered.index()] = 9;
    counters.connected_micros = 4_000_000;
    tally
}

/// A second with 20 calls.
fn calls(second: u64) -> Tally {
    let mut tally = Tally::default();
    let shapes = [(Metric::Ringback, 20), (Metric::Setup, 60), (Metric::Ack, 4), (Metric::Release, 8)];
    for (metric, millis) in shapes {
        let spread = (0..18).map(|call| (millis + call * call * second) * 1_000);
        record(&mut tally.latencies[metric.index()], spread.clone());
        if metric.is_of_call() {
            let (answered, second) = (Flow::Answered.index(), Flow::SecondCall.index());
            record(&mut tally.by_flow.of(answered)[metric.index()], spread.clone().take(16));
            record(&mut tally.by_flow.of(second)[metric.index()], spread.skip(16));
        }
    }
    let rejected = &mut tally.by_flow.of(Flow::AttendedTransfer.index())[Metric::Reject.index()];
    rejected.service.record(1_500);
    tally.latencies[Metric::Reject.index()].service.record(1_500);
    (0..19).for_each(|call| tally.latencies[Metric::Lag.index()].service.record(80 + call * 10));
    for (metric, micros) in [(Metric::KeepaliveControl, 200), (Metric::KeepaliveTwin, 260)] {
        (0..40).for_each(|one| tally.latencies[metric.index()].service.record(micros + one * second));
    }
    (0..19).for_each(|call| tally.acks[RequestName::OutgoingCall.index()].record(4_000 + call));
    let counters = &mut tally.counters;
    counters.due = 20;
    counters.started = 19;
    counters.intended = 18;
    (0..18).for_each(|_| counters.end(Outcome::Answered));
    counters.end(Outcome::Blocked);
    counters.end(Outcome::Failed(AttemptFailure::Rejected));
    counters.rejections.count(Some(503));
    counters.flows.count_many(("answered", "answered"), 16);
    counters.flows.count_many(("second_call", "answered"), 2);
    counters.flows.count(("second_call", "blocked"));
    counters.flows.count(("attended_transfer", "failed"));
    counters.side_calls.started = 2;
    counters.side_calls.ended.count_many("answered", 2);
    counters.side_calls.talk_micros = 2_000_000;
    counters.broken.count(("second_call", 11));
    counters.hangups.count_many(Some(200), 36);
    counters.hangups.count(Some(503));
    counters.completed = 18;
    counters.talks = 18;
    counters.talk_micros = 90_000_000;
    counters.up_micros = 90_000_000;
    counters.talk_within_micros = 89_900_000;
    counters.requests_sent[RequestName::OutgoingCall.index()] = 19;
    counters.requests_sent[RequestName::Accept.index()] = 18;
    counters.acked = 37;
    counters.events[EventName::Accepted.index()] = 36;
    counters.keepalives_sent = 9;
    counters.keepalives_answered = 9;
    counters.connected_micros = 9_000_000;
    tally
}

/// The second in which everybody leaves.
fn leave() -> Tally {
    let mut tally = Tally::default();
    let key = |code, initiator, phase| DisconnectKey { code, initiator, phase };
    let closes = &mut tally.counters.disconnects;
    closes.count_many(key(1000, Initiator::Client, Phase::Draining), 7);
    closes.count(key(4400, Initiator::Server, Phase::InCall));
    closes.count(key(1006, Initiator::Network, Phase::Idle));
    tally.counters.late_responses = 2;
    tally
}

/// Writes the run into a directory of its own.
fn run(root: &Path) -> (PathBuf, Finished) {
    let mut writer = RunWriter::create_under(root, header()).unwrap();
    let directory = writer.directory().to_owned();
    let seconds =
        [(None, sign_on()), (Some(1), calls(1)), (Some(1), calls(2)), (Some(1), calls(9)), (None, leave())];
    for (at, (stage, tally)) in seconds.into_iter().enumerate() {
        let busy = stage.is_some();
        let interval = Interval {
            at: Duration::from_secs(at as u64),
            length: Duration::from_secs(1),
            stage: stage.or((at == 0).then_some(0)),
            tally,
            gauges: Gauges {
                connected: 9,
                signed_on: 9,
                calls: if busy { 4 } else { 0 },
                calls_answered: if busy { 3 } else { 0 },
                control: 2,
            },
            changes: Vec::new(),
            health: Health {
                cpu_cores: 0.25,
                rss_bytes: 30 << 20,
                worker_cpu_max: 0.15,
                turn_max_us: 1_250,
                ..Health::default()
            },
        };
        writer.interval(&interval).unwrap();
    }
    let end = RunEnd {
        ended_at: 1_767_225_605_020,
        interrupted: false,
        bytes_per_client: Some(14_336),
        rss_peak_bytes: Some(33 << 20),
        aborted_by: None,
        sessions_deleted: 0,
        sessions_delete_failed: 0,
        calls_csv: Some(CallsEnd { rows: 15, left_out: 1 }),
        kept_calls: Some(KeptCalls { slowest: 10, failed: 4, left_out: 2, unrecorded: 7 }),
        changes: Vec::new(),
    };
    (directory, report::finish(writer, &end))
}

fn written(format: Format, run: &Finished) -> String {
    let mut out = Vec::new();
    let style = Style { hide_files: true, glossary: true, ..Style::default() };
    match format {
        Format::Text => report::text(&run.record, &run.verdict, style, &mut out).unwrap(),
        format => format.write(&run.record, &run.verdict, &mut out).unwrap(),
    }
    String::from_utf8(out).unwrap()
}

/// Holds `text` against a file of the repository, or writes the file.
fn assert_file(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(golden.lines()).position(|(new, old)| new != old);
    let place = first.unwrap_or(text.lines().count().min(golden.lines().count())) + 1;
    assert!(
        text == golden,
        "differs from {} at line {place}:\n  new: {:?}\n  old: {:?}\nUPDATE_GOLDEN=1 writes the file anew",
        path.display(),
        text.lines().nth(place - 1),
        golden.lines().nth(place - 1),
    );
}

#[test]
fn every_format_is_written_as_its_golden_file() {
    let root = tempfile::tempdir().unwrap();
    let (_, run) = run(root.path());
    for (format, name) in [
        (Format::Text, "summary.txt"),
        (Format::Json, "run.json"),
        (Format::Hlog, "latency.hlog"),
        (Format::Csv, "timeline.csv"),
        (Format::Markdown, "summary.md"),
        (Format::Junit, "junit.xml"),
    ] {
        assert_file(&format!("tests/golden/{name}"), &written(format, &run));
    }
    assert_file("tests/golden/setup.response.hgrm", &hgrm(&run, "setup.response"));
}

fn hgrm(run: &Finished, latency: &str) -> String {
    let mut out = Vec::new();
    report::hgrm(&run.record, Some(latency), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_files_of_a_run_are_its_reports() {
    let root = tempfile::tempdir().unwrap();
    let (directory, run) = run(root.path());
    assert!(run.problem.is_none(), "{:?}", run.problem);
    for (format, name) in [
        (Format::Json, RUN_FILE),
        (Format::Hlog, HLOG_FILE),
        (Format::Csv, TIMELINE_FILE),
        (Format::Html, HTML_FILE),
        (Format::Markdown, SUMMARY_FILE),
        (Format::Junit, JUNIT_FILE),
    ] {
        assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), written(format, &run));
    }
    assert_eq!(fs::read_dir(directory).unwrap().count(), 7);
}

#[test]
fn a_stored_run_is_read_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let (directory, run) = run(root.path());
    let (record, verdict) = report::load(&directory).unwrap();
    assert_eq!((&record, &verdict), (&run.record, &run.verdict));
    // And the same from its seconds alone.
    fs::remove_file(directory.join(RUN_FILE)).unwrap();
    assert_eq!(report::load(&directory).unwrap(), (record, verdict));
}

#[test]
fn the_summary_fits_into_80_columns_with_and_without_colour() {
    let root = tempfile::tempdir().unwrap();
    let (_, run) = run(root.path());
    let plain = written(Format::Text, &run);
    let wide: Vec<&str> = plain.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let mut coloured = Vec::new();
    let style = Style { colour: true, hide_files: true, glossary: true };
    report::text(&run.record, &run.verdict, style, &mut coloured).unwrap();
    let mut stripped = String::from_utf8(coloured).unwrap();
    for code in ["\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn a_drift_from_littles_law_is_a_warning() {
    let root = tempfile::tempdir().unwrap();
    let (_, mut run) = run(root.path());
    let text = |run: &Finished| {
        let mut out = Vec::new();
        report::text(&run.record, &run.verdict, Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(!text(&run).contains("Little's law"));
    let law = &mut run.record.littles_law[0];
    assert_eq!((law.stage.as_str(), law.drifts), ("steady", false));
    (law.carried, law.drifts) = (99.5, true);
    let text = text(&run).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Little's law does not hold in stage steady: 99.5 E were up"), "{text}");
}

#[test]
fn the_schema_is_the_one_that_is_shipped_and_the_record_fits_it() {
    let schema = serde_json::to_value(report::run_schema()).unwrap();
    assert_file("reports/run.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = run(root.path());
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(directory.join(RUN_FILE)).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = record;
    wrong["attempts"]["due"] = "many".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn every_name_of_the_contract_is_in_the_record() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = run(root.path());
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(directory.join(RUN_FILE)).unwrap()).unwrap();
    for pointer in include_str!("golden/contract.txt").lines() {
        assert!(record.pointer(pointer).is_some(), "{pointer} is missing");
    }
    let attempts = record["attempts"].as_object().unwrap();
    let sum: u64 = attempts
        .iter()
        .filter(|(name, _)| *name != "due" && *name != "started")
        .map(|(_, number)| number.as_u64().unwrap())
        .sum();
    assert_eq!(attempts["due"], sum);
}

/// What another implementation reads out of the interval log: `<tag> <count> <p99>` a line.
const READER: &str = r#"
import math
import sys
try:
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader
except ImportError:
    sys.exit(9)
totals = {}
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 600000000, 3))
while True:
    histogram = reader.get_next_interval_histogram()
    if histogram is None:
        break
    tag = histogram.get_tag()
    totals.setdefault(tag, HdrHistogram(1, 600000000, 3)).add(histogram)
print("start", reader.get_start_time_sec() if hasattr(reader, "get_start_time_sec") else 0, 0)
for tag, histogram in totals.items():
    count = histogram.get_total_count()
    # This implementation rounds the rank of a percentile; others, and ours, take the next whole one.
    rank = math.ceil(count * 99 / 100)
    for value in histogram.get_recorded_iterator():
        if value.total_count_to_this_value >= rank:
            print(tag, count, histogram.get_highest_equivalent_value(value.value_iterated_to))
            break
"#;

#[test]
fn another_implementation_reads_the_same_figures_from_the_interval_log() {
    let root = tempfile::tempdir().unwrap();
    let (directory, run) = run(root.path());
    let Some(text) = python(READER, &[&directory.join(HLOG_FILE)]) else { return };
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("start 1767225600.0 0"));
    let mut read: Vec<(String, u64, u64)> = lines
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            (word().to_owned(), word().parse().unwrap(), word().parse().unwrap())
        })
        .collect();
    read.sort();
    assert_eq!(read, expected_tags(&run));
}

/// What a Python script prints about some files; nothing if it ends with 9, as the module that it needs is not there.
fn python(script: &str, files: &[&Path]) -> Option<String> {
    let python = std::env::var("WTSP_LOAD_PYTHON").unwrap_or_else(|_| "python3".into());
    match Command::new(&python).args(["-c", script]).args(files).output() {
        Ok(output) if output.status.code() != Some(9) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        _ => {
            let required = std::env::var("WTSP_LOAD_REQUIRE_PYTHON").is_ok_and(|value| value == "1");
            assert!(!required, "{python} lacks a module: pip install hdrhistogram junitparser");
            println!("skipped: {python} lacks a module; pip install hdrhistogram junitparser brings it");
            None
        }
    }
}

/// What another implementation finds wrong with a distribution, which has to be that of a tag of the interval log.
const DISTRIBUTION_READER: &str = r#"
import io
import sys
try:
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader
except ImportError:
    sys.exit(9)
total = HdrHistogram(1, 600000000, 3)
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 600000000, 3))
while True:
    histogram = reader.get_next_interval_histogram()
    if histogram is None:
        break
    if histogram.get_tag() == "setup.response":
        total.add(histogram)
below = {}
for value in total.get_recorded_iterator():
    millis = total.get_highest_equivalent_value(value.value_iterated_to) / 1000
    below["%12.3f" % millis] = value.total_count_to_this_value
out = io.BytesIO()
total.output_percentile_distribution(out, 1000)
theirs = out.getvalue().decode().splitlines()
ours = open(sys.argv[2]).read().splitlines()
if ours[:3] != theirs[:3] or ours[-1] != theirs[-1]:
    print("head or foot:", ours[:3], theirs[:3], ours[-1], theirs[-1])
if ours[-3].split("=")[1] != theirs[-3].split("=")[1]:
    print("mean:", ours[-3], theirs[-3])
levels = []
for line in ours[2:-3]:
    value, level, count, *rest = line.split()
    levels.append(float(level))
    if below.get("%12s" % value) != int(count):
        print("count:", line)
    if int(count) < float(level) * total.get_total_count() - 1e-6:
        print("level:", line)
    if rest and abs(float(rest[0]) * (1 - float(level)) - 1) > 0.01:
        print("rest:", line)
if levels != sorted(levels) or levels[0] != 0 or levels[-1] != 1 or len(levels) < 20:
    print("levels:", levels)
print("read", len(levels) > 0)
"#;

#[test]
fn another_implementation_agrees_with_the_percentile_distribution() {
    let root = tempfile::tempdir().unwrap();
    let (directory, run) = run(root.path());
    report::hgrm_files(&run.record, &root.path().join("plots")).unwrap();
    let file = root.path().join("plots/setup.response.hgrm");
    assert_eq!(fs::read_to_string(&file).unwrap(), hgrm(&run, "setup.response"));
    let tags = expected_tags(&run).len();
    assert_eq!(fs::read_dir(root.path().join("plots")).unwrap().count(), tags);
    if let Some(wrong) = python(DISTRIBUTION_READER, &[&directory.join(HLOG_FILE), &file]) {
        assert_eq!(wrong, "read True\n");
    }
    let unknown = report::hgrm(&run.record, Some("setup"), &mut Vec::new()).unwrap_err().to_string();
    assert!(unknown.contains("no latency `setup`; it has connect.service, "), "{unknown}");
}

/// What a parser of JUnit files reads: a case a line.
const JUNIT_READER: &str = r#"
import sys
try:
    from junitparser import JUnitXml
except ImportError:
    sys.exit(9)
report = JUnitXml.fromfile(sys.argv[1])
for suite in report:
    print(suite.name, suite.tests, suite.failures, suite.errors, suite.skipped, sep="; ")
    for case in suite:
        result = "; ".join(type(it).__name__ + ": " + it.message for it in case.result) or "passed"
        print(case.classname, case.name, result, sep="; ")
"#;

#[test]
fn a_parser_of_junit_files_reads_a_case_for_each_threshold() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut run) = run(root.path());
    let Some(text) = python(JUNIT_READER, &[&directory.join(JUNIT_FILE)]) else { return };
    let expected = "\
example; 7; 3; 0; 0
run; the run came to its end; passed
run; the generator was fit to measure; passed
thresholds; attempts_unintended == 0; Failure: wanted == 0, found 6; first failed in second 2 (stage steady)
thresholds; clients.signon_failed <= 1; passed
thresholds; latency.keepalive.service.p99 < 1s; Failure: wanted < 1s, nothing was measured
thresholds; latency.setup.response.p99 < 250ms; Failure: wanted < 250ms, found 2.662 s; first failed in second 2 (stage \
steady)
thresholds; latency.ack_by_request.outgoing_call.p999 <= 5 ms in stage steady, without its first 1s; passed
";
    assert_eq!(text, expected);
    // Of a run that proves nothing, nothing has failed; and a name may hold whatever it likes.
    run.record.generator.validity = Validity::Void;
    run.record.interrupted = true;
    run.record.profile.name = HOSTILE.to_owned();
    run.record.generator.validity_reasons = vec![HOSTILE.to_owned()];
    run.verdict.result = VerdictResult::Void;
    let file = root.path().join("void.xml");
    fs::write(&file, written(Format::Junit, &run)).unwrap();
    let text = python(JUNIT_READER, &[&file]).unwrap();
    assert!(text.contains("; 7; 0; 2; 5\n"), "{text}");
    assert!(text.contains("Error: void: the generator was unfit"), "{text}");
    assert!(text.contains("Skipped: the run is void; wanted < 250ms, found 2.662 s"), "{text}");
}

/// What somebody might put into a name or a reason.
const HOSTILE: &str =
    "]]></x><script>alert(1)</script> & \u{1b}[31m\u{0}\r\n| # **a** [b](http://c) `d` @root";

#[test]
fn a_hostile_text_stays_a_text() {
    let root = tempfile::tempdir().unwrap();
    let (_, mut run) = run(root.path());
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('|')).count();
    let before = rows(&written(Format::Markdown, &run));
    run.record.profile.name = HOSTILE.to_owned();
    run.record.target.url = HOSTILE.to_owned();
    run.record.stages[0].name = HOSTILE.to_owned();
    run.verdict.reasons.push(HOSTILE.to_owned());
    run.verdict.thresholds[0].limit = HOSTILE.to_owned();
    for one in &mut run.record.counted.disconnects {
        one.name = HOSTILE.to_owned();
    }
    let text = written(Format::Markdown, &run);
    assert_eq!(rows(&text), before);
    let bare = text.replace("\\<", "").replace("\\|", "").replace("\\`", "").replace("\\[", "");
    // What stands in code is shown as it is.
    let bare: String = bare.split('`').step_by(2).collect();
    for sign in ["<", "\u{1b}", "\0", "`d", "http://c", "[b]", "@root"] {
        assert!(!bare.contains(sign), "{sign:?} in\n{text}");
    }
    let xml = written(Format::Junit, &run);
    for sign in ["<script", "]]>", "\u{1b}", "\0"] {
        assert!(!xml.contains(sign), "{sign:?} in\n{xml}");
    }
}

/// The tags of the run with their counts and p99, out of its record.
fn expected_tags(run: &Finished) -> Vec<(String, u64, u64)> {
    let latency = &run.record.latency;
    let mut tags = Vec::new();
    for (metric, latency) in &latency.metrics {
        for (part, summary) in [("response", &latency.response), ("service", &latency.service)] {
            if let Some(summary) = summary.filter(|summary| summary.count > 0) {
                tags.push((format!("{metric}.{part}"), summary.count, summary.p99.unwrap()));
            }
        }
    }
    for (request, summary) in &latency.ack_by_request {
        tags.push((format!("ack_by_request.{request}"), summary.count, summary.p99.unwrap()));
    }
    tags.sort();
    tags
}

#[test]
fn a_line_of_the_log_is_all_that_a_killed_run_needs() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create_under(root.path(), header()).unwrap();
    let interval = Interval {
        at: Duration::ZERO,
        length: Duration::from_secs(1),
        stage: Some(0),
        tally: calls(1),
        gauges: Gauges::default(),
        changes: Vec::new(),
        health: Health::default(),
    };
    writer.interval(&interval).unwrap();
    // Nothing is ended here, as nothing is when a process is killed.
    let (record, verdict) = report::load(writer.directory()).unwrap();
    assert!(record.interrupted);
    assert_eq!(wtsp_load::verdict::exit_code(&record, &verdict), 130);
    // But for the list of its calls, which this one has not, and for a latency that has to be named.
    for format in Format::ALL.iter().filter(|format| ![Format::Calls, Format::Hgrm].contains(format)) {
        let mut out = Vec::new();
        format.write(&record, &verdict, &mut out).unwrap();
        assert!(!out.is_empty());
    }
    report::hgrm(&record, Some("setup.service"), &mut Vec::new()).unwrap();
}

#[test]
fn nothing_in_a_run_is_named_like_a_secret() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = run(root.path());
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().to_lowercase();
        let text = without_glossary(&text);
        for word in ["token", "password", "secret", "authorization", "credential"] {
            assert!(!text.contains(word), "{} has the word {word}", path.display());
        }
    }
    let schema = serde_json::to_string(&report::run_schema()).unwrap().to_lowercase();
    for name in ["\"token\"", "\"password\"", "\"login\"", "\"hostname\"", "\"user\""] {
        assert!(!schema.contains(name), "the record has a place for {name}");
    }
}

/// A page without its glossary, which is the same for all runs, and may say of what there is nothing in a record.
fn without_glossary(text: &str) -> String {
    let Some((before, glossary)) = text.split_once("<section id=\"glossary\">") else {
        return text.to_owned();
    };
    before.to_owned() + glossary.split_once("</section>").unwrap().1
}

#[test]
fn formats_that_do_not_exist_are_refused_by_name() {
    let error = "pdf".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("there is no format `pdf`"), "{error}");
}
