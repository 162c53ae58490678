use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::text::{BOUNDS_US, Samples};
use super::*;
use crate::metrics::{DisconnectKey, Gauges, LatencyHistogram, Metric, Outcome, Phase, Tally};
use crate::record::{ByName, Change, ChangeKind, Counted, Requests, SideCallCounts, StageInfo, TargetInfo};
use crate::transport::Initiator;
use crate::workload::Rate;

/// Figures of `run.json` that are no metrics.
const LEFT_OUT: &[&str] = &[
    // Known when the run has ended, and not before.
    "sessions.deleted",
    "sessions.delete_failed",
    "generator.cut_off",
    "generator.control.absent",
    "generator.validity_reasons",
    // Latencies, and so in `latency_seconds`.
    "generator.lag",
    "generator.keepalive_lag",
    "generator.timer_lag",
    "generator.handling",
    "generator.keepalive_control",
    "generator.keepalive_twin",
    // Of a single second, which a scrape may miss. What they come to over the run is under `generator`.
    "intervals.health.turn_max_us",
    "intervals.health.run_delay_us",
    "intervals.health.run_delay_max_us",
    "intervals.health.heartbeat_late_max_us",
    "intervals.health.steal_part",
    "intervals.health.throttled_periods",
    "intervals.health.throttled_us",
    "intervals.health.fds_left",
    "intervals.health.ports_left",
    // Half of what `gauges_control` counts when all are there.
    "generator.control.clients",
];

fn started() -> Exporter {
    Exporter::start("127.0.0.1:0".parse().expect("an address"), Vec::new()).expect("started")
}

/// A second in which every kind of thing has happened.
fn second(at: u64) -> Interval {
    let mut tally = Tally::default();
    for latency in &mut tally.latencies {
        latency.service.record(1_000);
    }
    tally.acks.iter_mut().for_each(|acks| acks.record(2_000));
    let counters = &mut tally.counters;
    (counters.due, counters.started, counters.intended) = (3, 2, 1);
    counters.end(Outcome::Answered);
    counters.disconnects.count(DisconnectKey {
        code: 4401,
        initiator: Initiator::Server,
        phase: Phase::Idle,
    });
    counters.hangups.count(None);
    counters.flows.count(("answered", "answered"));
    Interval {
        at: Duration::from_secs(at),
        length: Duration::from_secs(1),
        stage: Some(0),
        tally,
        gauges: Gauges { connected: 7, signed_on: 6, ..Gauges::default() },
        changes: Vec::new(),
        health: Health { rss_bytes: 1 << 20, ..Health::default() },
    }
}

fn header() -> RunHeader {
    let stage = |name: &str| StageInfo { name: name.to_owned(), ..StageInfo::default() };
    RunHeader {
        target: TargetInfo { url: "wss://host/a\"b\\c\nd\u{1b}[1m".to_owned(), ..TargetInfo::default() },
        stages: vec![stage("first"), stage("second")],
        ..RunHeader::default()
    }
}

#[test]
fn names_are_those_that_prometheus_wants() {
    let mut names = BTreeSet::new();
    for family in FAMILIES {
        let Family { name, kind, labels, help, .. } = family;
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
        assert!(names.insert(name), "{name} is there twice");
        assert!(is_name(name) && labels.iter().all(|label| is_name(label)), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(!name.ends_with("_us") && !name.contains("_us_"), "{name} is no base unit");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
    }
}

#[test]
fn every_figure_of_the_record_has_a_metric_or_is_left_out_by_name() {
    let exporter = started();
    exporter.interval(&second(0));
    let record = lock(&exporter.state).fold.so_far(&RunHeader::default());
    let mut tree = serde_json::to_value(&record.counted).expect("JSON");
    tree["clients"] = json!(record.clients);
    tree["generator"] = json!(record.generator);
    tree["intervals"] = json!({ "gauges": StoredGauges::default(), "health": Health::default() });
    let named: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.in_record.split(", ")).collect();
    let known = |path: &str| named.contains(path) || LEFT_OUT.contains(&path);
    let mut missing = Vec::new();
    unknown(&tree, "", &known, &mut missing);
    assert!(missing.is_empty(), "neither a metric nor left out: {missing:?}");
}

/// The paths of a tree beneath which nothing is known.
fn unknown(tree: &Value, path: &str, known: &impl Fn(&str) -> bool, missing: &mut Vec<String>) {
    match tree {
        _ if known(path) => {}
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                unknown(value, &below, known, missing);
            }
        }
        _ => missing.push(path.to_owned()),
    }
}

#[test]
fn every_family_is_on_every_page_and_closed_sets_are_there_from_the_start() {
    let page = started().page();
    for family in FAMILIES {
        assert!(page.contains(&format!("# TYPE {PREFIX}{} {}\n", family.name, family.kind.name())));
    }
    for sample in [
        "wtsp_load_attempts_total{outcome=\"declined\"} 0\n",
        "wtsp_load_attempts_failed_total{reason=\"no_response\"} 0\n",
        "wtsp_load_requests_sent_total{request=\"outgoing_call\"} 0\n",
        "wtsp_load_latency_seconds_count{metric=\"setup\",basis=\"response\"} 0\n",
        "wtsp_load_generator_validity{validity=\"valid\"} 1\n",
    ] {
        assert!(page.contains(sample), "{sample} is not on:\n{page}");
    }
    assert!(!page.contains("wtsp_load_run_info{"), "nothing is known of the run yet");
}

#[test]
fn seconds_add_up_and_gauges_are_those_of_the_last() {
    let exporter = started();
    exporter.begin(&header());
    exporter.interval(&second(0));
    let before = exporter.page();
    exporter.interval(&second(1));
    let page = exporter.page();
    for (sample, first, then) in [
        ("attempts_due_total", 3, 6),
        ("attempts_total{outcome=\"answered\"}", 1, 2),
        ("attempts_intended_total", 1, 2),
        ("flows_total{flow=\"answered\",outcome=\"answered\"}", 1, 2),
        ("hangups_total{code=\"none\"}", 1, 2),
        ("gauges_signed_on", 6, 6),
        ("health_rss_bytes", 1 << 20, 1 << 20),
        ("duration_seconds", 1, 2),
        ("stage{stage=\"first\"}", 1, 1),
        ("stage{stage=\"second\"}", 0, 0),
        ("latency_seconds_count{metric=\"lag\",basis=\"service\"}", 1, 2),
        ("latency_ack_by_request_seconds_count{request=\"hangup\"}", 1, 2),
    ] {
        for (page, value) in [(&before, first), (&page, then)] {
            assert!(page.contains(&format!("\n{PREFIX}{sample} {value}\n")), "{sample} {value}:\n{page}");
        }
    }
    let disconnects = page.lines().find(|line| line.starts_with("wtsp_load_disconnects_total")).expect("one");
    assert!(
        disconnects.contains("code=\"4401\"") && disconnects.contains("initiator=\"server\",phase=\"idle\"")
    );
}

#[test]
fn what_is_wanted_follows_what_was_changed_by_hand() {
    let steady = Stage {
        duration: Duration::from_secs(60),
        calls: Some(Rate::constant(10.0)),
        clients_to: 600,
        signon_time: Duration::from_secs(60),
        ..Stage::default()
    };
    let exporter =
        Exporter::start("127.0.0.1:0".parse().expect("an address"), vec![steady]).expect("started");
    for (at, what, factor, calls, signons) in [
        (0, ChangeKind::Rate, Some(2.0), 15, 10),
        (1, ChangeKind::Pause, Some(0.0), 25, 20),
        (2, ChangeKind::Resume, Some(2.0), 35, 30),
        (3, ChangeKind::Drain, None, 45, 35),
        (4, ChangeKind::Leave, None, 45, 35),
    ] {
        let changes = vec![Change { at_us: at * 1_000_000 + 500_000, what, factor }];
        exporter.interval(&Interval { changes, ..second(at) });
        let page = exporter.page();
        for (name, wanted) in [("attempts", calls), ("clients_signons", signons)] {
            let sample = format!("\n{PREFIX}{name}_planned_total {wanted}\n");
            assert!(page.contains(&sample), "{sample} is not on:\n{page}");
        }
    }
}

#[test]
fn what_a_label_says_cannot_leave_it() {
    let exporter = started();
    exporter.begin(&header());
    let page = exporter.page();
    assert!(page.contains(r#"target="wss://host/a\"b\\c\nd�[1m","#), "{page}");
}

#[test]
fn buckets_hold_what_the_histogram_holds() {
    assert!(BOUNDS_US.is_sorted_by(|one, next| one < next));
    assert_eq!((BOUNDS_US[0], BOUNDS_US[7], BOUNDS_US[40]), (100, 1_500, 600_000_000));
    let mut latency = LatencyHistogram::default();
    let mut micros: Vec<u64> = (0..400).map(|n| n * n * n * 9 + n).collect();
    micros.extend(BOUNDS_US);
    micros.iter().for_each(|micros| latency.record(*micros));
    latency.record(3_600_000_000);
    let mut page = String::new();
    let family = FAMILIES.iter().find(|family| family.name == "latency_seconds").expect("there");
    Samples::of(family, &mut page).histogram(&["setup", "response"], &latency);
    let value = |what: &str| -> f64 {
        let line = page.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}:\n{page}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a figure")
    };
    for bound in BOUNDS_US {
        // The histogram keeps three digits: what it cannot tell from the bound is within.
        let highest = latency.histogram().highest_equivalent(bound);
        let within = micros.iter().filter(|micros| **micros <= highest).count();
        assert_eq!(value(&format!("le=\"{}\"", bound as f64 / 1e6)), within as f64, "{bound}");
    }
    assert_eq!(value("le=\"+Inf\""), micros.len() as f64 + 1.0);
    assert_eq!(value("_count"), micros.len() as f64 + 1.0);
    let sum = (micros.iter().sum::<u64>() + 600_000_000) as f64 / 1e6;
    assert!((value("_sum") / sum - 1.0).abs() < 1e-3, "{} is not {sum}", value("_sum"));
}

/// Sends `request` and gives the answer.
fn ask(exporter: &Exporter, request: &str) -> String {
    let mut stream = TcpStream::connect(exporter.server.address()).expect("connected");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // Who is refused while he still sends may find the connection reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn only_a_get_of_the_metrics_is_answered_with_them() {
    let exporter = started();
    let status = |request: &str| ask(&exporter, request).lines().next().unwrap_or_default().to_owned();
    let get = ask(&exporter, "GET /metrics?x=y HTTP/1.1\r\nhost: h\r\n\r\n");
    let (head, body) = get.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, &*exporter.page());
    assert!(ask(&exporter, "HEAD /metrics HTTP/1.1\r\nhost: h\r\n\r\n").ends_with("\r\n\r\n"));
    assert_eq!(status("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), "HTTP/1.1 404 Not Found");
    let post = ask(&exporter, "POST /metrics HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD"), "{post}");
    let long = format!("GET /metrics HTTP/1.1\r\nhost: h\r\na: {}\r\n\r\n", "b".repeat(40_000));
    assert!(!status(&long).contains("200"), "a head without a bound was read");
    assert!(status("\u{16}\u{3}\u{1}\r\n\r\n").contains("400"));
}

#[test]
fn who_says_nothing_does_not_keep_others_from_it_for_ever() {
    let exporter = started();
    let silent = || TcpStream::connect(exporter.server.address()).expect("connected");
    let _silent: Vec<TcpStream> = (0..server::MAX_CONNECTIONS + 1).map(|_| silent()).collect();
    assert!(ask(&exporter, "GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let exporter = started();
    let address = exporter.server.address();
    let error = Exporter::start(address, Vec::new()).expect_err("taken").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("port 0"), "{error}");
    drop(exporter);
    // The listener goes with its thread.
    let free = || Exporter::start(address, Vec::new()).is_ok();
    let is_free = (0..500).any(|_| {
        free() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    });
    assert!(is_free, "{address} is still taken");
}

#[test]
fn the_generator_is_judged_by_the_rules_of_the_verdict() {
    let exporter = started();
    let mut late = second(0);
    for _ in 0..200 {
        late.tally.latencies[Metric::Lag.index()].service.record(50_000);
    }
    exporter.interval(&late);
    let page = exporter.page();
    assert!(
        page.contains("validity{validity=\"void\"} 1\n") && page.contains("validity{validity=\"valid\"} 0\n")
    );
}

/// Puts a figure of its own into every place of a tree.
fn number_all(tree: &mut Value, next: &mut u64) {
    match tree {
        Value::Object(map) => {
            map.iter_mut()
                .filter(|(name, _)| *name != "absent")
                .for_each(|(_, value)| number_all(value, next));
        }
        Value::Number(_) | Value::Null => {
            *next += 1_000;
            *tree = Value::from(*next);
        }
        _ => {}
    }
}

#[test]
fn each_metric_is_read_from_its_own_place() {
    let mut record = Fold::default().so_far(&RunHeader::default());
    // Maps by name have a place where there is a name in them.
    let one = |name: &str| ByName::from([(name.to_owned(), 0)]);
    let counted = Counted {
        attempts_failed: one("refused"),
        attempts_rejected: one("503"),
        attempts_broken: one("hold_resume.9 hold"),
        flows: [("busy".to_owned(), one("answered"))].into(),
        side_calls: SideCallCounts { ended: one("answered"), ..SideCallCounts::default() },
        hangups: one("200"),
        event_errors: one("460"),
        requests: Requests { sent: one("hangup"), errors: one("451"), ..Requests::default() },
        events: one("ringing"),
        ..Counted::default()
    };
    let mut tree = serde_json::to_value(&counted).expect("JSON");
    tree["clients"] = json!(record.clients);
    tree["generator"] = json!(record.generator);
    tree["intervals"] = json!({ "gauges": StoredGauges::default(), "health": Health::default() });
    number_all(&mut tree, &mut 0);
    let part = |path: &str| tree.pointer(path).expect("there").clone();
    record.counted = serde_json::from_value(tree.clone()).expect("counted");
    record.clients = serde_json::from_value(part("/clients")).expect("clients");
    record.generator = serde_json::from_value(part("/generator")).expect("generator");
    let moment = Moment {
        record: &record,
        latencies: &Tally::default(),
        wanted: &Wanted::new(Vec::new()),
        gauges: serde_json::from_value(part("/intervals/gauges")).expect("gauges"),
        health: serde_json::from_value(part("/intervals/health")).expect("health"),
        stage: None,
    };
    let page = text::page(&moment);
    let mut read = 0;
    for family in FAMILIES.iter().filter(|family| !matches!(family.labels, [_, _, _, ..])) {
        let place = family.in_record.split(", ").next().expect("a place");
        let Some(place) = tree.pointer(&format!("/{}", place.replace('.', "/"))) else { continue };
        let unit = if family.in_record.ends_with("_us") { 1e-6 } else { 1.0 };
        let samples = page.lines().filter_map(|line| line.strip_prefix(&format!("{PREFIX}{}", family.name)));
        for sample in samples.filter(|sample| sample.starts_with([' ', '{'])) {
            let (labels, value) = sample.rsplit_once(' ').expect("a value");
            let labels = labels.split('"').skip(1).step_by(2);
            let wanted = labels.fold(place, |at, label| &at[label]);
            // What a closed set has and the tree has not was counted zero times.
            let wanted = wanted.as_f64().unwrap_or(0.0) * unit;
            let value: f64 = value.parse().expect("a figure");
            if family.kind == Kind::Counter || family.labels.is_empty() {
                assert!((value - wanted).abs() < 1e-9, "{}{sample}: {wanted} in the record", family.name);
                read += u32::from(wanted > 0.0);
            }
        }
    }
    assert!(read > 80, "{read} figures");
}
