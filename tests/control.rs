//! The control group: quiet clients that are none of the run's, and what is said of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::Value;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::{assert_sums, assert_truth, count};

/// 20 clients on two workers, which call each other.
const PROFILE: &str = r#"
name = "control"
seed = 7
[generator]
workers = 2
[[stages]]
name = "sign-on"
duration = "1s"
clients = 20
[[stages]]
name = "steady"
duration = "3s"
calls_per_second = 10
[calls]
ring = { fixed = "50ms" }
hold = { fixed = "200ms" }
"#;

/// A run with these further arguments: its record, and its summary.
fn run(folder: &Folder, arguments: &[&str]) -> (Value, String) {
    let ended = folder.run(arguments).unless_unfit(0);
    let record = folder.record();
    assert_sums(&record);
    // Whatever there is of a control group, the run is that of its clients.
    assert_eq!((count(&record, "/clients/planned"), count(&record, "/clients/signed_on")), (20, 20));
    assert_eq!((count(&record, "/clients/peak"), count(&record, "/clients/signon_failed")), (20, 0));
    for metric in ["connect", "state", "signon"] {
        assert_eq!(count(&record, &format!("/latency/{metric}/service/count")), 20, "{metric}");
    }
    // A summary is wrapped, and its words are looked for.
    (record, ended.stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Connections that ended.
fn closed(record: &Value) -> u64 {
    record["disconnects"].as_array().unwrap().iter().map(|one| count(one, "/count")).sum()
}

/// The most of a gauge in any second.
fn most(record: &Value, gauge: &str) -> u64 {
    let seconds = record["intervals"].as_array().unwrap().iter();
    seconds.map(|second| count(second, &format!("/gauges/{gauge}"))).max().unwrap()
}

#[test]
fn a_control_group_and_its_twins_are_measured_beside_the_run_and_are_none_of_it() {
    let folder = Folder::with(PROFILE);
    let (record, summary) = run(&folder, &["--set", "generator.control_clients=3"]);
    let group = &record["generator"]["control"];
    assert_eq!((count(group, "/clients"), count(group, "/signed_on")), (3, 6), "{group}");
    assert_eq!((&group["absent"], count(group, "/signon_failed")), (&Value::Null, 0), "{group}");
    assert_eq!((most(&record, "connected"), most(&record, "control")), (20, 6));
    // All signed off in good order: the clients, the group, and the scout.
    assert_eq!((closed(&record), count(&record, "/disconnects/0/code")), (20 + 6 + 1, 1000));
    let keepalives = |name: &str| count(&record, &format!("/latency/{name}/service/count"));
    let (control, twins) = (keepalives("keepalive_control"), keepalives("keepalive_twin"));
    assert!(control > 0 && twins > 0, "{control}, {twins}");
    // What the server's interval asks of the clients is not due within seconds: there is the scout's alone.
    assert_eq!(keepalives("keepalive"), 1);
    assert!(control + twins < count(&record, "/keepalives/answered"));
    assert_eq!(record["generator"]["keepalive_twin"], record["latency"]["keepalive_twin"]["service"]);
    assert!(summary.contains("control group: "), "{summary}");
}

#[test]
fn keepalives_of_a_second_are_compared_within_it() {
    let folder = Folder::with(PROFILE);
    let (record, _) = run(&folder, &["--set", "generator.control_clients=10"]);
    let mut compared = 0;
    for second in record["intervals"].as_array().unwrap() {
        let median =
            |name: &str| second.pointer(&format!("/latency/{name}/service/p50")).and_then(Value::as_i64);
        let expected = median("keepalive_twin").zip(median("keepalive_control"));
        let expected = expected.map(|(twins, control)| twins - control);
        assert_eq!(second["control"]["difference_p50_us"].as_i64(), expected);
        compared += u32::from(expected.is_some());
    }
    assert!(compared > 0);
}

#[test]
fn a_control_group_that_cannot_sign_on_is_shown_and_fails_nothing() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 20, &[]);
    let mut list = OpenOptions::new().append(true).open(folder.join("subscribers.csv")).unwrap();
    list.write_all(b"nobody-knows-this,777\nnobody-knows-that,778\n").unwrap();
    let (record, summary) =
        run(&folder, &["--target", &served.url, "--set", "subscribers.file=subscribers.csv"]);
    let group = &record["generator"]["control"];
    assert_eq!((count(group, "/clients"), count(group, "/signon_failed")), (1, 2), "{group}");
    assert_eq!((count(group, "/signed_on"), &group["difference_p50_us"]), (0, &Value::Null), "{group}");
    assert_eq!(record["signon_failures"].as_array().map(Vec::len), Some(0));
    assert!(summary.contains("too few keepalives to compare (0 without the load, 0 beside it)"), "{summary}");
    assert!(summary.contains("2 sign-ons of it failed"), "{summary}");
    assert_ne!(record["verdict"]["result"], "fail");
    assert_truth(&record, &served.stop());
}

#[test]
fn without_the_key_a_run_of_few_clients_has_one_control_client() {
    let folder = Folder::with(PROFILE);
    let (record, _) = run(&folder, &[]);
    assert_eq!(count(&record, "/generator/control/clients"), 1);
    assert_eq!(count(&record, "/generator/control/signed_on"), 2);
}

#[test]
fn with_the_key_at_nought_there_is_none() {
    let folder = Folder::with(PROFILE);
    let (record, summary) = run(&folder, &["--set", "generator.control_clients=0"]);
    assert_eq!((count(&record, "/generator/control/clients"), closed(&record)), (0, 21));
    assert_eq!(most(&record, "control"), 0);
    assert!(summary.contains("no control group: the profile has control_clients = 0"), "{summary}");
}

#[test]
fn with_a_list_too_short_for_it_there_is_none_and_the_summary_says_so() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 21, &[]);
    let list = "subscribers.file=subscribers.csv";
    let (record, summary) = run(&folder, &["--target", &served.url, "--set", list]);
    assert_eq!(count(&record, "/generator/control/clients"), 0);
    assert!(
        summary.contains("no control group: it needs 2 subscribers or more beyond those of the clients"),
        "{summary}"
    );
    let truth = served.stop();
    assert_eq!(count(&truth, "/clients/signed_on"), 20);
}
