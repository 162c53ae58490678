//! What a profile plans is what becomes due, with every stage and law; what cannot be done then is counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use serde_json::{Value, json};

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::{assert_sums, assert_truth, count};

/// Runs the profile against the embedded core. A busy machine may make the run void: what is due is due all the same.
fn ran(profile: &str, arguments: &[&str]) -> Value {
    let folder = Folder::with(profile);
    folder.run(arguments).unless_unfit(0);
    let run = folder.record();
    assert_sums(&run);
    run
}

const CALLS: &str = r#"
[calls]
ring = { fixed = "10ms" }
hold = { exponential = "200ms" }
candidates = 0
"#;

#[test]
fn the_same_seed_makes_the_same_calls_due_however_many_workers_there_are() {
    let stage = |more: &str| format!("[[stages]]\nduration = \"1s\"\n{more}\n");
    let stages = [
        stage("clients = 40\narrivals = \"at_once\""),
        stage("calls_per_second = 30\narrivals = \"poisson\""),
        stage("calls_ramp = { from = 0, to = 20 }"),
        stage(""),
    ];
    let profile = stages.concat() + CALLS;
    let runs = [("7", "1"), ("7", "2"), ("8", "1")].map(|(seed, workers)| {
        let run = ran(&profile, &["--seed", seed, "--set", &format!("generator.workers={workers}")]);
        assert_eq!(run["profile"]["seed"].to_string(), seed);
        assert_eq!(run["generator"]["workers"].to_string(), workers);
        run
    });
    let due = |run: &Value| count(run, "/attempts/due");
    assert_eq!(due(&runs[0]), due(&runs[1]));
    assert_ne!(due(&runs[0]), due(&runs[2]));
    // The same load, whoever generates it; a seed is not part of it.
    assert_eq!(runs[0]["profile"]["hash"], runs[2]["profile"]["hash"]);
    for run in &runs {
        assert_eq!(count(run, "/clients/signed_on"), 40);
        // The poisson law's, and exactly ten of the ramp.
        assert!(due(run) > 10 + 10 && due(run) < 10 + 70, "{}", due(run));
    }
}

#[test]
fn calls_for_which_nobody_is_idle_are_counted_as_blocked_and_not_put_off() {
    let profile = "seed = 7\n[[stages]]\nduration = \"1s\"\nclients = 2\narrivals = \"at_once\"\n\
         [[stages]]\nduration = \"2s\"\ncalls_per_second = 50\n"
        .to_owned()
        + &CALLS.replace("exponential = \"200ms\"", "fixed = \"300ms\"");
    let run = ran(&profile, &[]);
    let attempts = &run["attempts"];
    assert_eq!(attempts["due"], 100, "{attempts}");
    // One pair, and each call takes it a third of a second: no more than seven can begin in two seconds.
    let started = count(&run, "/attempts/started");
    assert!((1..=7).contains(&started), "{attempts}");
    assert_eq!(count(&run, "/attempts/blocked"), 100 - started, "{attempts}");
    assert_eq!(count(&run, "/requests/sent/outgoing_call"), started);
    assert_ne!(run["generator"]["validity"], "valid", "{}", run["generator"]);
}

#[test]
fn clients_come_and_go_as_the_stages_say_and_leave_with_1000() {
    let stages = r#"seed = 7
[subscribers]
file = "subscribers.csv"
[[stages]]
name = "all at once"
duration = "1500ms"
clients = 20
arrivals = "at_once"
[[stages]]
name = "down"
duration = "1s"
clients = 6
[[stages]]
name = "rest"
duration = "1500ms"
[[stages]]
name = "up"
duration = "1s"
clients = 16
arrivals = "poisson"
[[stages]]
name = "calls"
duration = "1s"
calls_ramp = { from = 2, to = 10 }
"#;
    let folder = Folder::with(&(stages.to_owned() + CALLS));
    let served = Served::start(&folder, 20, &[]);
    folder.run(&["--target", &served.url, "--set", "generator.workers=2"]).unless_unfit(0);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    assert_eq!(count(&run, "/clients/peak"), 20);
    assert_eq!(count(&run, "/clients/signed_on"), 20 + 10);
    assert_eq!(run["clients"]["signon_failed"], 0);
    assert_eq!(count(&truth, "/clients/signed_on"), 20);
    // One more: the scout.
    assert_eq!(json!(sums::disconnects(&run)), json!({ "1000 \"client\"": 31 }));
    assert!(run["disconnects"].as_array().unwrap().iter().all(|entry| entry["phase"] == "draining"));
    assert_eq!(count(&run, "/attempts/due"), 6);
    let lowest =
        run["intervals"].as_array().unwrap().iter().skip(2).map(|second| count(second, "/clients/signed_on"));
    println!("{:?}", lowest.collect::<Vec<_>>());
}

#[test]
fn calls_that_are_all_due_at_once_are_all_placed_at_once() {
    let profile = "seed = 7\n[[stages]]\nduration = \"1s\"\nclients = 40\n[[stages]]\nduration = \"1s\"\n\
         calls_per_second = 20\narrivals = \"at_once\"\n"
        .to_owned()
        + CALLS;
    let run = ran(&profile, &[]);
    assert_eq!(run["attempts"]["due"], 20);
    // A client that a busy machine has signed on late was not there to call.
    let started = count(&run, "/attempts/started");
    assert_eq!(started + count(&run, "/attempts/blocked"), 20, "{}", run["attempts"]);
    let busiest =
        run["intervals"].as_array().unwrap().iter().map(|second| count(second, "/attempts/started")).max();
    assert_eq!(busiest, Some(started));
}
