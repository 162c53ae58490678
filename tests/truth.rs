//! What a run reports is what its server counted for itself: equal, not close.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::{assert_truth, count};

/// 20 clients on two workers sign on within a second and call each other for three, some hundred messages a second.
/// A call takes about half a second, and half of them are hung up by the callee.
const PROFILE: &str = r#"
name = "truth"
seed = 7
[subscribers]
file = "subscribers.csv"
[generator]
workers = 2
[[stages]]
name = "sign-on"
duration = "1s"
clients = 20
[[stages]]
name = "steady"
duration = "3s"
calls_per_second = 12
arrivals = "poisson"
[calls]
ring = { uniform = { min = "20ms", max = "200ms" } }
hold = { exponential = "400ms" }
candidates = 3
candidate_spacing = "20ms"
hangup_by_callee = 0.5
"#;

/// The profile against `serve`, in this dialect.
fn start(dialect: &str, serve: &[&str]) -> (Folder, Served, Vec<String>) {
    start_with(PROFILE, 20, dialect, serve)
}

/// The same, with so many subscribers. Those that the clients leave are the control group's.
fn start_with(
    profile: &str,
    subscribers: u32,
    dialect: &str,
    serve: &[&str],
) -> (Folder, Served, Vec<String>) {
    let folder = Folder::with(profile);
    let served = Served::start(&folder, subscribers, serve);
    let mut arguments = vec!["--target".to_owned(), served.url.clone()];
    arguments.extend(["--dialect".to_owned(), dialect.to_owned()]);
    if serve.contains(&"--tls") {
        arguments.extend(["--set".to_owned(), "target.tls.ca_file=ca.pem".to_owned()]);
    }
    (folder, served, arguments)
}

/// A whole run.
fn whole(dialect: &str, serve: &[&str]) -> (Value, Value) {
    let (folder, served, arguments) = start(dialect, serve);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    folder.run(&arguments).unless_unfit(0);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    assert_eq!(run["interrupted"], false);
    assert_eq!(count(&run, "/clients/signed_on"), 20);
    assert_eq!(count(&truth, "/clients/signed_on"), 20);
    assert_eq!(run.pointer("/clients/peak"), truth.pointer("/clients/peak"));
    assert_ne!(run["verdict"]["result"], "fail", "{}", run["verdict"]);
    assert!(count(&run, "/attempts/answered") > 15, "{}", run["attempts"]);
    // Both legs of each call end with it, whoever hung up.
    assert_eq!(
        count(&run, "/hangups/200") + count(&run, "/hangups/487"),
        2 * count(&run, "/attempts/started")
    );
    (run, truth)
}

/// A run that is stopped once calls are up.
fn stopped(dialect: &str, serve: &[&str]) {
    let (folder, served, arguments) = start(dialect, serve);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Long calls that come fast: some are in every state when the end comes.
    for set in ["stages.1.duration=1m", "stages.1.calls_per_second=40", "stages.1.arrivals=constant"] {
        arguments.extend(["--set", set]);
    }
    let mut running = folder.start(&arguments);
    folder.wait_for_interval(&mut running, "an answered call", |interval| {
        count(interval, "/attempts/answered") > 10
    });
    running.signal(Signal::SIGINT);
    running.wait().with_code(130);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    assert_eq!(run["interrupted"], true);
    assert_eq!(count(&run, "/clients/signed_on"), 20);
}

#[test]
fn a_flat_run_is_what_its_server_counted() {
    whole("flat", &["--dialect", "flat"]);
}

#[test]
fn a_nested_run_is_what_its_server_counted() {
    whole("nested", &["--dialect", "nested"]);
}

#[test]
fn a_run_that_finds_the_flat_dialect_is_what_its_server_counted() {
    let (run, _) = whole("auto", &["--dialect", "flat"]);
    assert_eq!(run["target"]["dialect_detected"], "flat");
}

#[test]
fn a_run_that_finds_the_nested_dialect_is_what_its_server_counted() {
    let (run, _) = whole("auto", &["--dialect", "nested"]);
    assert_eq!(run["target"]["dialect_detected"], "nested");
    // The scout's flat keepalive got no answer, and its nested one did: it has called nobody else.
    let (sent, answered) = (count(&run, "/keepalives/sent"), count(&run, "/keepalives/answered"));
    assert_eq!((sent - answered, count(&run, "/keepalives/missed")), (1, 1), "{}", run["keepalives"]);
}

#[test]
fn a_run_against_a_server_of_both_dialects_is_what_it_counted() {
    for dialect in ["auto", "nested"] {
        whole(dialect, &[]);
    }
}

#[test]
fn a_run_over_tls_is_what_its_server_counted() {
    for dialect in ["flat", "nested"] {
        let (run, _) = whole(dialect, &["--tls"]);
        assert!(run["target"]["url"].as_str().is_some_and(|url| url.starts_with("wss://")));
    }
}

#[test]
fn keepalives_that_are_due_each_second_are_what_the_server_counted() {
    for dialect in ["flat", "nested"] {
        let (folder, served, mut arguments) = start(dialect, &["--keepalive-interval", "1s"]);
        // Few calls: each request puts the next keepalive off.
        arguments.extend(["--set".to_owned(), "stages.1.calls_per_second=1".to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        folder.run(&arguments).unless_unfit(0);
        let (run, truth) = (folder.record(), served.stop());
        assert_truth(&run, &truth);
        assert!(count(&run, "/keepalives/sent") > 30, "{}", run["keepalives"]);
        assert_eq!(run["keepalives"]["missed"], 0);
        assert_eq!(run["keepalives"]["sent"], run["keepalives"]["answered"]);
    }
}

/// A server that refuses a share of the calls is what the run says it is, call by call, and fails it.
fn refusing(dialect: &str) {
    let serve = ["--dialect", dialect, "--refuse-calls", "25%:503", "--seed", "7"];
    // Every call is answered or refused before the run ends.
    let profile = PROFILE.replace("[calls]", "[[stages]]\nname = \"quiet\"\nduration = \"1s\"\n[calls]");
    let (folder, served, arguments) = start_with(&profile, 20, dialect, &serve);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = folder.run(&arguments).unless_unfit(1);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    let (refused, started) = (count(&truth, "/refusals"), count(&truth, "/attempts/started"));
    assert!(0 < refused && refused < started, "{refused} of {started}");
    for pointer in ["/hangups/503", "/attempts/failed"] {
        assert_eq!(count(&truth, pointer), refused, "{pointer}");
    }
    assert_eq!(run["attempts_failed"], json!({ "rejected": refused }));
    assert_eq!(run["attempts_rejected"], json!({ "503": refused }));
    assert_eq!(count(&run, "/attempts_unintended"), refused);
    // Nothing was cancelled or redirected, so all ratios have the same base: what the server was asked for.
    assert_eq!(count(&run, "/attempts/unfinished"), 0);
    let percent = |part: u64| (part as f64 / started as f64 * 1e6).round() / 1e4;
    for (name, part) in [("isa", refused), ("ser", started - refused), ("seer", started - refused)] {
        assert_eq!(run["kpi"][name], percent(part), "{name}");
    }
    if !ended.is_void() {
        let due = count(&run, "/attempts/due");
        let said = format!("{refused} of {due} calls did not end as their flow intends");
        let reasons = run["verdict"]["reasons"].to_string();
        assert!(reasons.contains(&said), "{reasons}");
    }
}

#[test]
fn a_flat_server_that_refuses_calls_is_measured_call_by_call() {
    refusing("flat");
}

#[test]
fn a_nested_server_that_refuses_calls_is_measured_call_by_call() {
    refusing("nested");
}

#[test]
fn one_refused_call_in_a_hundred_passes_a_threshold_that_allows_it() {
    let profile = PROFILE
        .replace("file = \"subscribers.csv\"", "count = 40")
        .replace("clients = 20", "clients = 40")
        .replace("calls_per_second = 12", "calls_per_second = 50")
        .replace("hold = { exponential = \"400ms\" }", "hold = { fixed = \"50ms\" }");
    let faults = "[embedded_core]\nrefusals = { share = 0.01, code = 503 }\n";
    let folder = Folder::with(&format!("{profile}{faults}[thresholds]\n\"kpi.ser\" = \"> 95\"\n"));
    let ended = folder.run(&[]).unless_unfit(0);
    let run = folder.record();
    let refused = count(&run, "/attempts_rejected/503");
    assert!(refused > 0, "{}", run["attempts"]);
    assert_eq!(count(&run, "/attempts/failed"), refused);
    if !ended.is_void() {
        assert_eq!(run["verdict"]["result"], "pass", "{}", run["verdict"]);
        assert_eq!(run["verdict"]["thresholds"][0]["found"], run["kpi"]["ser"]);
    }
}

#[test]
fn a_run_with_a_control_group_is_what_its_server_counted() {
    for (dialect, serve) in
        [("flat", [].as_slice()), ("nested", &["--tls"]), ("auto", &["--dialect", "nested"])]
    {
        let (folder, served, mut arguments) = start_with(PROFILE, 26, dialect, serve);
        arguments.extend(["--set".to_owned(), "generator.control_clients=3".to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        folder.run(&arguments).unless_unfit(0);
        let (run, truth) = (folder.record(), served.stop());
        assert_truth(&run, &truth);
        // The server cannot tell them from the others; the record does.
        assert_eq!(count(&run, "/clients/signed_on"), 20);
        assert_eq!(count(&run, "/generator/control/signed_on"), 6);
        assert_eq!(count(&truth, "/clients/signed_on"), 26);
        assert_eq!(count(&truth, "/clients/peak"), count(&run, "/clients/peak") + 6);
        assert!(count(&run, "/keepalives/answered") > 6, "{}", run["keepalives"]);
    }
}

#[test]
fn a_run_with_a_control_group_that_is_stopped_is_what_its_server_counted() {
    let (folder, served, mut arguments) = start_with(PROFILE, 22, "flat", &[]);
    arguments.extend(["--set".to_owned(), "stages.1.duration=1m".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut running = folder.start(&arguments);
    folder.wait_for_interval(&mut running, "a keepalive of the control group", |interval| {
        count(interval, "/latency/keepalive_control/service/count") > 0
    });
    running.signal(Signal::SIGINT);
    running.wait().with_code(130);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    assert_eq!(count(&run, "/generator/control/signed_on"), 2);
}

#[test]
fn a_flat_run_that_is_stopped_is_what_its_server_counted() {
    stopped("flat", &["--dialect", "flat"]);
}

#[test]
fn a_nested_run_over_tls_that_is_stopped_is_what_its_server_counted() {
    stopped("nested", &["--tls"]);
}

#[test]
fn early_media_media_events_and_a_staged_registration_change_nothing() {
    let (run, _) = whole("flat", &["--early-media", "--media-events", "--registration-delay", "100ms"]);
    assert!(
        count(&run, "/events/progress") > 0 && count(&run, "/events/registered") >= 20,
        "{}",
        run["events"]
    );
}
