//! Runs that were never made: written second by second, for tests of reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wtsp_load::metrics::{
    AttemptFailure, DisconnectKey, Gauges, Metric, Outcome, Phase, SignonFailure, SignonFailureKey, Tally,
};
use wtsp_load::profile::{Threshold, Thresholds};
use wtsp_load::protocol::{EventName, RequestName};
use wtsp_load::record::{
    Aborted, Direction, FLIGHT_FILE, Health, INTERVALS_FILE, Interval, Kept, KeptCall, KeptMessage,
    MessageKind, ProfileInfo, RunEnd, RunHeader, RunWriter, StageInfo, StoredInterval, TargetInfo,
};
use wtsp_load::report::{self, Finished};
use wtsp_load::scenario::Flow;
use wtsp_load::transport::Initiator;

/// What somebody might call a profile, or say when closing a connection.
pub const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'& \u{202e}";

/// What is known of a run of so many seconds: a quarter of it for signing on.
pub fn header(name: &str, seconds: u64) -> RunHeader {
    let stage = |name: &str, starts_s: u64, duration_s: u64, calls: f64| StageInfo {
        name: name.into(),
        starts_s: starts_s as f64,
        duration_s: duration_s as f64,
        clients: 500,
        calls_per_second_from: calls,
        calls_per_second_to: calls,
        calls_per_second_peak: calls,
        arrivals: "poisson".into(),
        signon_arrivals: "constant".into(),
        sign_off: "close".into(),
        ..StageInfo::default()
    };
    let quarter = seconds / 4;
    RunHeader {
        profile: ProfileInfo { name: name.into(), hash: "0123456789abcdef".into(), seed: 7 },
        target: TargetInfo {
            url: format!("wss://core.example.com/{name}"),
            remote: true,
            dialect: "auto".into(),
            dialect_detected: Some("flat".into()),
            lines: Some(2),
            keepalive_interval_ms: Some(30_000),
            ..TargetInfo::default()
        },
        started_at: 1_767_225_600_000,
        clients_planned: 500,
        stages: vec![stage("sign-on", 0, quarter, 0.0), stage(name, quarter, seconds - quarter, 20.0)],
        workers: 2,
        fd_limit: 20_000,
        mean_hold_us: Some(4_000_000),
        thresholds: Thresholds(vec![
            Threshold::new("attempts_unintended", "== 0").unwrap(),
            Threshold::new("latency.setup.response.p99", "< 2s").unwrap(),
        ]),
        ..RunHeader::default()
    }
}

/// A second like any other.
pub fn second(at: u64, tally: Tally) -> Interval {
    Interval {
        at: Duration::from_secs(at),
        length: Duration::from_secs(1),
        stage: None,
        tally,
        gauges: Gauges { connected: 500, signed_on: 498, calls: 80, calls_answered: 71, control: 0 },
        changes: Vec::new(),
        health: Health { cpu_cores: 0.25, worker_cpu_max: 0.12, turn_max_us: 900, ..Health::default() },
    }
}

/// A second with 20 calls that went well.
pub fn calls(at: u64) -> Tally {
    let mut tally = Tally::default();
    for (metric, millis) in
        [(Metric::Ringback, 20), (Metric::Setup, 60), (Metric::Ack, 4), (Metric::Release, 8)]
    {
        let latency = &mut tally.latencies[metric.index()];
        for call in 0..20 {
            let micros = millis * 1_000 + call * call * 100 + at % 7 * 500;
            latency.service.record(micros);
            if let Some(response) = &mut latency.response {
                response.record(micros + 300);
            }
        }
    }
    for metric in [Metric::Ringback, Metric::Setup, Metric::Release] {
        for call in 0..20 {
            let flow = if call < 15 { Flow::Answered } else { Flow::HoldResume };
            let latency = &mut tally.by_flow.of(flow.index())[metric.index()];
            let micros = (metric.index() as u64 + call) * 1_000;
            latency.service.record(micros);
            latency.response.iter_mut().for_each(|response| response.record(micros + 300));
        }
    }
    (0..20).for_each(|call| tally.latencies[Metric::Lag.index()].service.record(60 + call * 5));
    tally.acks[RequestName::OutgoingCall.index()].record(4_000);
    let counters = &mut tally.counters;
    counters.due = 20;
    counters.started = 20;
    counters.intended = 20;
    (0..20).for_each(|_| counters.end(Outcome::Answered));
    counters.flows.count_many(("answered", "answered"), 15);
    counters.flows.count_many(("hold_resume", "answered"), 5);
    counters.hangups.count_many(Some(200), 40);
    counters.completed = 20;
    counters.talks = 20;
    counters.talk_micros = 80_000_000;
    counters.up_micros = 71_000_000;
    counters.talk_within_micros = 71_000_000;
    counters.requests_sent[RequestName::OutgoingCall.index()] = 20;
    counters.acked = 20;
    counters.events[EventName::Accepted.index()] = 40;
    counters.connected_micros = 500_000_000;
    tally
}

/// A second in which the server lost its mind.
fn trouble() -> Tally {
    let mut tally = calls(3);
    let counters = &mut tally.counters;
    counters.due += 7;
    counters.started += 7;
    (0..5).for_each(|_| counters.end(Outcome::Failed(AttemptFailure::ConnectionLost)));
    (0..2).for_each(|_| counters.end(Outcome::Failed(AttemptFailure::Rejected)));
    counters.rejections.count_many(Some(503), 2);
    let key = |code, initiator, phase| DisconnectKey { code, initiator, phase };
    counters.disconnects.count_many(key(4502, Initiator::Server, Phase::InCall), 12);
    counters.disconnects.count_many(key(1006, Initiator::Network, Phase::Idle), 3);
    counters.signon_failures.count(SignonFailureKey { cause: SignonFailure::Http, status: Some(503) });
    counters.requests_sent[RequestName::OutgoingCall.index()] += 7;
    counters.request_timeouts = 4;
    tally
}

/// A minute with calls, and trouble at 00:42; two calls were kept. All names are hostile where anybody could choose them.
pub fn troubled(root: &Path) -> (PathBuf, Finished) {
    let (directory, writer) = troubled_log(root);
    let aborted = Aborted {
        name: "attempts.failed".into(),
        limit: "< 5".into(),
        stage: None,
        found: 7.0,
        at_us: 59_000_000,
    };
    let end = RunEnd { ended_at: 1_767_225_660_000, aborted_by: Some(aborted), ..RunEnd::default() };
    (directory, report::finish(writer, &end))
}

/// The same, killed in its last second.
pub fn killed(root: &Path) -> PathBuf {
    let (directory, writer) = troubled_log(root);
    drop(writer);
    let log = directory.join(INTERVALS_FILE);
    let mut text = fs::read_to_string(&log).unwrap();
    text.truncate(text.len() - 100);
    fs::write(&log, text).unwrap();
    directory
}

fn troubled_log(root: &Path) -> (PathBuf, RunWriter) {
    let mut writer = RunWriter::create_under(root, header(HOSTILE, 60)).unwrap();
    let directory = writer.directory().to_owned();
    for at in 0..60 {
        let tally = match at {
            0..15 => {
                let mut tally = Tally::default();
                tally.counters.signed_on = 33;
                (0..33)
                    .for_each(|one| tally.latencies[Metric::Connect.index()].service.record(900 + one * 30));
                tally
            }
            42 => trouble(),
            _ => calls(at),
        };
        let mut second = second(at, tally);
        second.stage = Some(u32::from(at >= 15));
        if at == 50 {
            second.health.heartbeat_late_max_us = 400_000;
        }
        writer.interval(&second).unwrap();
    }
    let mut lines = String::new();
    for attempt in 0..2 {
        lines += &format!("{}\n", serde_json::to_string(&kept_call(attempt)).unwrap());
    }
    fs::write(directory.join(FLIGHT_FILE), lines + "{\"attempt\":3,\"fl").unwrap();
    (directory, writer)
}

fn kept_call(attempt: u64) -> KeptCall {
    let message = |at_us, party, direction, kind, name: &str, code: Option<i32>| KeptMessage {
        at_us,
        party,
        direction,
        kind,
        name: name.into(),
        code,
        reason: code.map(|_| HOSTILE.to_owned()),
        bytes: 812,
        excerpt: format!("{{\"request\":\"{name}\",\"x\":\"{HOSTILE}\"}}"),
    };
    use Direction::{Received, Sent};
    use MessageKind::{Close, Event, Request, Response};
    KeptCall {
        attempt,
        flow: "answered".into(),
        outcome: if attempt == 0 { "failed" } else { "answered" }.into(),
        reason: (attempt == 0).then(|| "connection_lost".into()),
        broken_step: None,
        finding: None,
        why: if attempt == 0 { Kept::Failed } else { Kept::SlowestSetup },
        due_us: 42_100_000,
        stage: Some(HOSTILE.into()),
        setup_us: (attempt == 1).then_some(61_200),
        parties: vec!["1001".into(), "1002".into()],
        messages: vec![
            message(210, 0, Sent, Request, "outgoing_call", None),
            message(1_900, 0, Received, Response, "ack", None),
            message(2_300, 1, Received, Event, "incoming_call", None),
            message(4_100, 0, Received, Event, "ringing", None),
            message(612_000, 1, Sent, Request, "accept", None),
            message(614_000, 1, Received, Close, "close", Some(4502)),
        ],
        left_out: 3,
    }
}

/// A run that placed no calls, and one that measured nothing at all.
pub fn without_calls(root: &Path, seconds: u64) -> (PathBuf, Finished) {
    let mut writer = RunWriter::create_under(root, header("idle", 4)).unwrap();
    let directory = writer.directory().to_owned();
    for at in 0..seconds {
        writer.interval(&second(at, Tally::default())).unwrap();
    }
    (directory, report::finish(writer, &RunEnd::default()))
}

/// A long run with every latency in every second. Its log has no histograms but at its start: they would take minutes to
/// make, and no more room on the page.
pub fn long(root: &Path, seconds: u64, metrics: &[Metric]) -> Finished {
    let mut full = Tally::default();
    for metric in metrics {
        let latency = &mut full.latencies[metric.index()];
        for call in 0..400u64 {
            let micros = 900 + call * call * (metric.index() as u64 + 1);
            latency.service.record(micros);
            if let Some(response) = &mut latency.response {
                response.record(micros + 250);
            }
        }
        if metric.is_of_call() {
            for flow in [Flow::Answered, Flow::HoldResume] {
                full.by_flow.of(flow.index())[metric.index()].service.record(900);
            }
        }
    }
    full.counters = calls(0).counters;
    for reason in AttemptFailure::ALL {
        full.counters.due += 1;
        full.counters.started += 1;
        full.counters.end(Outcome::Failed(*reason));
    }
    for code in [1001, 1006, 1011, 4201, 4400, 4402, 4420, 4431, 4441, 4502, 4601, 4602, 4610, 4777] {
        let key = DisconnectKey { code, initiator: Initiator::Server, phase: Phase::Idle };
        full.counters.disconnects.count(key);
    }
    let mut writer = RunWriter::create_under(root, header("long", seconds)).unwrap();
    let directory = writer.directory().to_owned();
    for at in 0..3 {
        writer.interval(&second(at, full.clone())).unwrap();
    }
    let mut finished = report::finish(writer, &RunEnd::default());
    let log = directory.join(INTERVALS_FILE);
    let written = fs::read_to_string(&log).unwrap();
    let last = written.lines().rfind(|line| line.starts_with("{\"at_us\"")).unwrap();
    let mut stored: StoredInterval = serde_json::from_str(last).unwrap();
    stored.drop_histograms();
    let mut lines: String = written
        .lines()
        .filter(|line| !line.starts_with("{\"end\""))
        .map(|line| format!("{line}\n"))
        .collect();
    for at in 3..seconds {
        stored.at_us = at * 1_000_000;
        stored.gauges.signed_on = 480 + at % 20;
        stored.counted.attempts.answered = 10 + at % 15;
        // No two seconds have the same figures: as many digits as there may be.
        for (place, latency) in stored.latency.metrics.values_mut().enumerate() {
            for one in [&mut latency.response, &mut latency.service].into_iter().flatten() {
                let summary = &mut one.summary;
                let p50 = 1_000 + (at * 7_919 + place as u64 * 104_729) % 997_001;
                summary.p50 = Some(p50);
                summary.p90 = Some(p50 * 3);
                summary.p99 = Some(p50 * 11);
                summary.max = Some(p50 * 31);
            }
        }
        lines += &serde_json::to_string(&stored).unwrap();
        lines.push('\n');
    }
    fs::write(&log, lines).unwrap();
    finished.record.duration_us = seconds * 1_000_000;
    finished
}
