//! What ^C does, and SIGTERM: the first ends a run in good order, the second at once. What was measured is kept, and
//! nothing stays up on the target.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Running, Served};
use sums::{assert_sums, assert_truth, count, disconnects};

/// How long "at once" may take on a machine that has better things to do.
const AT_ONCE: Duration = Duration::from_secs(5);

/// 20 clients that call each other ten times a second, for longer than any test waits.
const PROFILE: &str = r#"
name = "stop"
seed = 7
[subscribers]
file = "subscribers.csv"
[generator]
workers = 2
[[stages]]
name = "calls"
duration = "10m"
clients = 20
arrivals = "at_once"
[[stages]]
name = "more"
duration = "1s"
[calls]
ring = { uniform = { min = "20ms", max = "800ms" } }
hold = { exponential = "400ms" }
candidates = 2
"#;

/// The same with calls.
fn with_calls() -> String {
    PROFILE.replace("duration = \"10m\"", "duration = \"1s\"").replace(
        "duration = \"1s\"\n[calls]",
        "duration = \"10m\"\ncalls_per_second = 20\narrivals = \"poisson\"\n[calls]",
    )
}

/// A run of the profile with calls, once some have been answered.
fn in_the_middle(folder: &Folder, served: &Served) -> Running {
    let mut running = folder.start(&["--target", &served.url]);
    folder.wait_for_interval(&mut running, "an answered call", |interval| {
        count(interval, "/attempts/answered") > 5
    });
    running
}

/// The record of a run that was stopped: it says so, and its sums hold.
fn interrupted(folder: &Folder) -> Value {
    let run = folder.record();
    assert_eq!(run["interrupted"], true);
    assert_sums(&run);
    for name in ["intervals.jsonl", "latency.hlog", "timeline.csv"] {
        assert!(folder.join("out").join(name).exists(), "{name}");
    }
    run
}

#[test]
fn the_first_signal_hangs_up_signs_off_and_reports() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = Folder::with(&with_calls());
        let served = Served::start(&folder, 20, &[]);
        let running = in_the_middle(&folder, &served);
        running.signal(signal);
        let ended = running.wait_for_end(AT_ONCE).with_code(130);
        assert!(ended.stderr.contains("stopping: hanging up and signing off"), "{}", ended.stderr);
        assert!(ended.stdout.contains("interrupted"), "{}", ended.stdout);
        let run = interrupted(&folder);
        assert_truth(&run, &served.stop());
        assert!(count(&run, "/attempts/unfinished") > 0, "{}", run["attempts"]);
    }
}

#[test]
fn the_second_signal_leaves_at_once_and_keeps_the_record() {
    let folder = Folder::with(&with_calls());
    // Nothing that is asked for is confirmed: a drain would wait.
    let served = Served::start(&folder, 20, &["--ack-delay", "1m"]);
    let mut running = folder.start(&["--target", &served.url]);
    folder.wait_for_interval(&mut running, "a call", |interval| count(interval, "/attempts/started") > 5);
    running.signal(Signal::SIGINT);
    running.wait_for("stopping:");
    running.signal(Signal::SIGINT);
    let ended = running.wait_for_end(AT_ONCE).with_code(130);
    assert!(ended.stderr.contains("leaving"), "{}", ended.stderr);
    let (run, truth) = (interrupted(&folder), served.stop());
    assert!(count(&run, "/attempts/unfinished") > 0, "{}", run["attempts"]);
    assert_eq!(disconnects(&run), disconnects(&truth));
}

#[test]
fn two_signals_at_once_still_tell_the_target_to_end_what_is_up() {
    let folder = Folder::with(&with_calls());
    let served = Served::start(&folder, 20, &[]);
    let running = in_the_middle(&folder, &served);
    running.signal(Signal::SIGINT);
    running.signal(Signal::SIGTERM);
    running.wait_for_end(AT_ONCE).with_code(130);
    let (run, truth) = (interrupted(&folder), served.stop());
    assert_eq!(run.pointer("/requests/sent"), truth.pointer("/requests/sent"));
    assert_eq!(disconnects(&run), disconnects(&truth));
    assert_eq!(truth["calls_up"], 0, "{truth:#}");
}

#[test]
fn a_stop_while_clients_sign_on_ends_each_sign_on_with_a_count() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 20, &["--state-delay", "3s"]);
    let mut running = folder.start(&["--target", &served.url]);
    folder
        .wait_for_interval(&mut running, "a connection", |interval| count(interval, "/gauges/connected") > 0);
    running.signal(Signal::SIGINT);
    running.wait_for_end(AT_ONCE).with_code(130);
    let run = interrupted(&folder);
    assert_truth(&run, &served.stop());
    assert_eq!(count(&run, "/clients/signed_on") + count(&run, "/clients/signon_failed"), 20);
}

#[test]
fn a_stop_while_the_scout_waits_ends_the_program_and_leaves_no_record() {
    // It lets everybody connect, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::with(PROFILE);
    std::fs::write(folder.join("subscribers.csv"), subscribers(20)).unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    let mut running = folder.start(&["--target", &url]);
    running.wait_for("target ws://");
    let (_connection, _) = silent.accept().unwrap();
    running.signal(Signal::SIGINT);
    let ended = running.wait_for_end(AT_ONCE).with_code(130);
    assert!(ended.stderr.contains("stopped before the first stage"), "{}", ended.stderr);
    assert!(!folder.join("out").exists());
}

fn subscribers(count: u32) -> String {
    (0..count).fold("token,number\n".to_owned(), |list, number| list + &format!("token-{number},{number}\n"))
}
