//! Every flow, alone and in one mix: what the run says of it is what its server counted, and its list of calls adds up
//! to its record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Ended, Folder, Served};
use sums::{assert_flows_add_up, assert_sums, assert_truth, count};
use wtsp_load::scenario::{Flow, Intent};

/// How many runs there are at a time: they mostly wait.
const AT_ONCE: usize = 8;

/// Who calls whom, how often, and how long it is quiet afterwards, so that nothing is cut off.
struct Load {
    clients: u32,
    calls: &'static str,
    quiet: &'static str,
    mix: String,
}

/// The profile of a load. Two subscribers are left over: somebody has to be offline.
fn profile(load: &Load) -> String {
    let Load { clients, calls, quiet, mix } = load;
    format!(
        r#"
name = "flows"
seed = 7
[subscribers]
file = "subscribers.csv"
[generator]
workers = 1
control_clients = 0
[[stages]]
duration = "500ms"
clients = {clients}
[[stages]]
name = "calls"
{calls}
[[stages]]
name = "quiet"
duration = "{quiet}"
[calls]
ring = {{ uniform = {{ min = "20ms", max = "150ms" }} }}
hold = {{ uniform = {{ min = "300ms", max = "600ms" }} }}
think = {{ fixed = "50ms" }}
on_hold = {{ fixed = "80ms" }}
candidates = 2
candidate_spacing = "20ms"
hangup_by_callee = 0.5
cdr = true
mix = [ {mix} ]
"#
    )
}

/// Runs a load against `serve` in this dialect; nothing when the machine is too busy for it.
fn run(dialect: &str, load: &Load) -> (Folder, Ended, Value, Value) {
    let folder = Folder::with(&profile(load));
    let served = Served::start(&folder, load.clients + 2, &["--dialect", dialect]);
    let ended = folder.run(&["--target", &served.url, "--dialect", dialect]).unless_unfit(0);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    for what in ["/attempts_unintended", "/attempts/unfinished", "/attempts/failed"] {
        let wanted = if what == "/attempts/failed" { count(&run, "/flows/unknown_number/failed") } else { 0 };
        assert_eq!(count(&run, what), wanted, "{what}\n{:#}", sums::without_intervals(&run));
    }
    assert!(run["attempts_broken"].as_object().unwrap().is_empty(), "{}", run["attempts_broken"]);
    assert_eq!(count(&run, "/requests/timeouts"), 0);
    assert_listed(&folder, &run, 1);
    (folder, ended, run, truth)
}

/// A row of `calls.csv`, by column.
type Row = BTreeMap<String, String>;

fn rows(folder: &Folder) -> Vec<Row> {
    let text = fs::read_to_string(folder.join("out/calls.csv")).unwrap();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        columns.iter().zip(cells).map(|(column, cell)| ((*column).to_owned(), cell.to_owned())).collect()
    };
    lines.map(row).collect()
}

/// The list of calls adds up to the record, and each row in itself makes sense.
fn assert_listed(folder: &Folder, run: &Value, one_in: u64) {
    let rows = rows(folder);
    assert_eq!(run["calls_csv"], serde_json::json!({"one_in": one_in, "rows": rows.len(), "left_out": 0}));
    let numbers: BTreeSet<&String> = rows.iter().map(|row| &row["attempt"]).collect();
    assert_eq!(numbers.len(), rows.len(), "an attempt has two rows");
    let subscribers = fs::read_to_string(folder.join("subscribers.csv")).unwrap_or_default();
    let known: BTreeSet<&str> =
        subscribers.lines().filter_map(|line| Some(line.split_once(',')?.1)).collect();
    let mut flows = BTreeMap::<(String, String), u64>::new();
    for row in &rows {
        *flows.entry((row["flow"].clone(), row["outcome"].clone())).or_default() += 1;
        let time = |name: &str| row[name].parse::<u64>().ok();
        // No call is heard of before it was sent. Both sides are told on a connection of their own: where a cancel
        // crosses an answer, the callee may hear of the end before the caller hears of the answer.
        let sent = time("sent_us");
        let mut order = vec![
            ("sent_us", "incoming_us"),
            ("sent_us", "ringback_us"),
            ("incoming_us", "answered_us"),
            ("sent_us", "hangup_us"),
            ("sent_us", "ended_us"),
        ];
        order.extend((row["flow"] != "cancelled").then_some(("answered_us", "ended_us")));
        for (first, then) in order {
            if let (Some(first), Some(then)) = (time(first), time(then)) {
                assert!(first <= then, "{row:?}");
            }
        }
        assert_eq!(sent.is_none(), row["outcome"] == "blocked", "{row:?}");
        assert_eq!(time("lag_us").is_some(), sent.is_some(), "{row:?}");
        assert_eq!(time("answered_us").is_some(), row["outcome"] == "answered", "{row:?}");
        assert_eq!(row["reason"].is_empty(), row["outcome"] != "failed", "{row:?}");
        assert!(known.is_empty() || known.contains(row["caller"].as_str()) == sent.is_some(), "{row:?}");
    }
    if one_in == 1 {
        for (flow, outcomes) in run["flows"].as_object().unwrap() {
            for (outcome, number) in outcomes.as_object().unwrap() {
                let listed = flows.remove(&(flow.clone(), outcome.clone()));
                assert_eq!(listed, number.as_u64(), "{flow} {outcome}");
            }
        }
        assert!(flows.is_empty(), "listed and not counted: {flows:?}");
        let intended = rows.iter().filter(|row| row["intended"] == "true").count() as u64;
        assert_eq!(intended, count(run, "/attempts_intended"));
    }
}

/// Those that a dialect has words for.
fn flows(dialect: &str) -> Vec<Flow> {
    let all = Flow::ALL.iter().copied();
    all.filter(|flow| dialect == "flat" || !flow.script().flat_only).collect()
}

/// The name of the outcome that an intent means, in the record.
fn outcome(intent: Intent) -> &'static str {
    match intent {
        Intent::NoSuchNumber => "failed",
        intent => intent.name(),
    }
}

/// One flow, some attempts of it.
fn alone(dialect: &str, flow: Flow) {
    let name = flow.name();
    // Updates that cross are taken up after 2 to 9 s: too long for here, see the mix.
    let crossing = if flow == Flow::Renegotiate { 0.0 } else { 0.5 };
    let mix = format!("{{ flow = \"{name}\", weight = 1, crossing = {crossing} }}");
    let load = Load { clients: 14, calls: "duration = \"1500ms\"\ncalls_per_second = 4", quiet: "3s", mix };
    let (folder, _, run, _) = run(dialect, &load);
    let attempts = &run["flows"][name];
    assert_eq!(count(&run, "/attempts/due"), 6);
    let intended: Vec<&str> = flow.script().intends.iter().map(|intent| outcome(*intent)).collect();
    for (outcome, number) in attempts.as_object().unwrap() {
        assert!(intended.contains(&outcome.as_str()) || outcome == "blocked", "{name}: {outcome} {number}");
    }
    let ended: u64 = intended.iter().map(|outcome| count(attempts, &format!("/{outcome}"))).sum();
    assert!(ended > 0, "{name} in {dialect}: {attempts}");
    assert!(run["latency"]["by_flow"].is_null(), "one flow has the latencies of all: {}", run["latency"]);
    let sides = flow.script().calls.len() > 1 || flow.script().fills.is_some();
    assert_eq!(count(&run, "/side_calls/started") > 0, sides, "{name}: {}", run["side_calls"]);
    // What is dialled is what the flow says.
    for row in rows(&folder).iter().filter(|row| row["outcome"] != "blocked") {
        assert!(row["callee"].starts_with(flow.script().prefix), "{row:?}");
        assert_eq!(row["callee"].is_empty(), flow == Flow::Presence, "{row:?}");
    }
}

#[test]
fn each_flow_alone_is_what_its_server_counted() {
    let mut all = Vec::new();
    for dialect in ["flat", "nested"] {
        all.extend(flows(dialect).into_iter().map(|flow| (dialect, flow)));
    }
    let next = std::sync::Mutex::new(all.into_iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((dialect, flow)) = next.lock().unwrap().next() else { return };
                    alone(dialect, flow);
                }
            });
        }
    });
}

/// All flows that a dialect has, with the same weight.
fn mix(dialect: &str, crossing: f64) -> String {
    let share = |flow: Flow| format!("{{ flow = \"{}\", weight = 1, crossing = {crossing} }}", flow.name());
    flows(dialect).into_iter().map(share).collect::<Vec<_>>().join(", ")
}

fn all_in_one(dialect: &str, calls: &'static str) -> (Folder, Value) {
    let load = Load { clients: 80, calls, quiet: "14s", mix: mix(dialect, 0.4) };
    let (folder, ended, run, truth) = run(dialect, &load);
    let missing: Vec<&str> =
        flows(dialect).iter().map(|flow| flow.name()).filter(|flow| run["flows"][flow].is_null()).collect();
    assert!(missing.is_empty(), "never drawn: {missing:?}");
    let by_flow = run["latency"]["by_flow"].as_object().unwrap();
    let silent: Vec<&str> =
        flows(dialect).iter().map(|flow| flow.name()).filter(|flow| !by_flow.contains_key(*flow)).collect();
    // A change of presence is no call.
    assert!(silent.iter().all(|flow| *flow == "presence"), "without latencies: {silent:?}");
    assert!(count(&truth, "/transfers/accepted") > 0 && count(&run, "/nonces_confirmed") > 0);
    // A line that is never given back would be missed by a later call.
    if !ended.is_void() {
        assert_eq!(count(&run, "/attempts/blocked"), 0, "{}", run["attempts"]);
    }
    for said in ["by flow", "second call", "side calls"] {
        assert!(ended.stdout.contains(said), "{said} is not in the summary:\n{}", ended.stdout);
    }
    (folder, run)
}

#[test]
fn all_flows_in_one_flat_mix_are_what_their_server_counted() {
    all_in_one("flat", "duration = \"8s\"\ncalls_per_second = 15\narrivals = \"poisson\"");
}

#[test]
fn all_flows_in_one_nested_mix_are_what_their_server_counted() {
    all_in_one("nested", "duration = \"8s\"\ncalls_per_second = 15\narrivals = \"poisson\"");
}

#[test]
fn what_is_slow_in_one_flow_is_slow_in_its_latencies_alone() {
    let load = Load {
        clients: 40,
        calls: "duration = \"2s\"\ncalls_per_second = 16",
        quiet: "2s",
        mix: "{ flow = \"answered\", weight = 1 }, { flow = \"early_media\", weight = 1 }".to_owned(),
    };
    // Only a call with early media is told of its progress, and of nothing else before.
    let slow = "[embedded_core]\ndelays = { progress = { fixed = \"300ms\" } }\n";
    let profile = profile(&load)
        .replace("file = \"subscribers.csv\"", "count = 42")
        .replace("workers = 1", "workers = 2");
    let folder = Folder::with(&format!("{profile}{slow}"));
    folder.run(&["--dialect", "flat"]).unless_unfit(0);
    let run = folder.record();
    assert_sums(&run);
    let ringback = |flow: &str, part: &str, figure: &str| {
        count(&run, &format!("/latency/by_flow/{flow}/ringback/{part}/{figure}"))
    };
    for flow in ["answered", "early_media"] {
        let answered = count(&run, &format!("/flows/{flow}/answered"));
        assert!(answered > 5, "{}", run["flows"]);
        for part in ["response", "service"] {
            assert_eq!(ringback(flow, part, "count"), answered, "{flow}: {}", run["latency"]["by_flow"]);
        }
    }
    assert!(ringback("early_media", "service", "min") >= 299_000, "{}", run["latency"]["by_flow"]);
    assert!(ringback("answered", "service", "min") < 299_000, "{}", run["latency"]["by_flow"]);
    // Both are in the figure of all calls.
    let all = &run["latency"]["ringback"]["service"];
    assert_eq!(count(all, "/min"), ringback("answered", "service", "min"));
    assert!(count(all, "/max") >= ringback("early_media", "service", "min"));
}

#[test]
#[ignore = "heavy: just heavy"]
fn all_flows_in_one_mix_for_minutes_are_what_their_server_counted() {
    for dialect in ["flat", "nested"] {
        all_in_one(dialect, "duration = \"80s\"\ncalls_per_second = 15\narrivals = \"poisson\"");
    }
}

/// What a call draws and when it is due, of every row, by its number.
fn drawn(folder: &Folder) -> BTreeMap<u64, [String; 5]> {
    let columns = ["stage", "flow", "due_s", "ring_us", "hold_us"];
    let of = |row: &Row| (row["attempt"].parse().unwrap(), columns.map(|column| row[column].clone()));
    rows(folder).iter().map(of).collect()
}

/// A run against the embedded core, listed or not, with this seed.
fn embedded(seed: &str, arguments: &[&str]) -> Folder {
    let load = Load {
        clients: 20,
        calls: "duration = \"2s\"\ncalls_per_second = 20\narrivals = \"poisson\"",
        quiet: "100ms",
        mix: mix("flat", 0.4),
    };
    let profile = profile(&load).replace("file = \"subscribers.csv\"", "count = 22");
    let folder = Folder::with(&profile.replace("workers = 1", "workers = 2"));
    let mut all = vec!["--dialect", "flat", "--seed", seed];
    all.extend(arguments);
    // Calls that the end cuts off have not failed, but whatever becomes of them is no matter here.
    let ended = folder.run(&all);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    folder
}

#[test]
fn the_same_seed_gives_the_same_calls_at_the_same_times() {
    let (first, second, other) = thread::scope(|scope| {
        let [first, second, other] = ["11", "11", "12"].map(|seed| scope.spawn(move || embedded(seed, &[])));
        (first.join().unwrap(), second.join().unwrap(), other.join().unwrap())
    });
    let calls = drawn(&first);
    assert!(calls.len() > 10, "{calls:?}");
    assert_eq!(calls, drawn(&second));
    assert_ne!(calls, drawn(&other));
    assert_eq!(calls.len() as u64, count(&first.record(), "/attempts/due"));
}

#[test]
fn above_a_rate_the_list_is_a_sample_and_says_so() {
    let folder = embedded("11", &["--set", "calls.cdr={ sample_above = 5 }", "--set", "calls.candidates=0"]);
    let run = folder.record();
    let rows = rows(&folder);
    assert_eq!(run["calls_csv"]["one_in"], 4);
    assert_eq!(run["calls_csv"]["rows"], rows.len());
    let due = count(&run, "/attempts/due");
    assert!((rows.len() as u64) < due && !rows.is_empty(), "{} of {due}", rows.len());
    let report = program::run(folder.path(), &["report", "out"]).with_code(0);
    assert!(report.stdout.contains("calls.csv: one call in 4"), "{}", report.stdout);
    let listed = program::run(folder.path(), &["report", "out", "--format", "calls"]).with_code(0);
    assert_eq!(listed.stdout, fs::read_to_string(folder.join("out/calls.csv")).unwrap());
}

#[test]
fn a_killed_run_has_listed_its_calls_so_far() {
    let profile = profile(&Load {
        clients: 20,
        calls: "duration = \"1m\"\ncalls_per_second = 20",
        quiet: "1s",
        mix: mix("flat", 0.4),
    });
    // With a control group: none of it is called as somebody who is offline.
    let profile = profile.replace("file = \"subscribers.csv\"\n", "").replace("cdr = true\n", "");
    let folder = Folder::with(&profile.replace("control_clients = 0", "control_clients = 2"));
    let mut running = folder.start(&["--dialect", "flat", "--cdr"]);
    folder.wait_for_interval(&mut running, "a call to somebody who is offline", |interval| {
        count(interval, "/flows/offline/unavailable") > 0
    });
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().code, None);
    let listed = program::run(folder.path(), &["report", "out", "--format", "calls"]).with_code(0);
    assert!(listed.stdout.lines().count() > 1 && listed.stdout.ends_with('\n'), "{}", listed.stdout);
    let offline: Vec<Row> = rows(&folder).into_iter().filter(|row| row["flow"] == "offline").collect();
    assert!(!offline.is_empty());
    assert!(
        offline.iter().all(|row| ["unavailable", "blocked"].contains(&row["outcome"].as_str())),
        "{offline:?}"
    );
    let report = program::run(folder.path(), &["report", "out", "--format", "json"]).with_code(0);
    let record: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(record["calls_csv"], serde_json::json!({"one_in": 1}));
    // And it has what calls of each flow took.
    assert_flows_add_up(&record);
    assert!(count(&record, "/latency/by_flow/offline/reject/service/count") > 0, "{}", record["latency"]);
}

#[test]
fn a_call_to_somebody_offline_needs_somebody_who_stays_so() {
    let load = Load {
        clients: 4,
        calls: "duration = \"1s\"\ncalls_per_second = 1",
        quiet: "1s",
        mix: "{ flow = \"offline\", weight = 1 }".to_owned(),
    };
    let folder = Folder::with(&profile(&load));
    let served = Served::start(&folder, 4, &[]);
    let ended = folder.run(&["--target", &served.url]).with_code(2);
    for said in ["p.toml:", "`offline`", "a subscriber beyond the 4 of the clients", "number = "] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    served.stop();
}

#[test]
fn a_run_without_a_list_says_how_to_get_one() {
    let folder = embedded("11", &["--set", "calls.cdr=false"]);
    assert!(!folder.join("out/calls.csv").exists());
    assert_eq!(folder.record()["calls_csv"], Value::Null);
    let refused = program::run(folder.path(), &["report", "out", "--format", "calls"]).with_code(3);
    assert!(
        refused.stderr.contains("out has no calls.csv") && refused.stderr.contains("--cdr"),
        "{refused:?}"
    );
}

/// A profile that comes along, made small: a few seconds, and calls at a tenth to a sixtieth of their length.
fn small(name: &str, stages: &str) -> String {
    let path = format!("{}/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let (head, _) = text.split_once("[[stages]]").unwrap();
    let (_, rest) = text.split_once("[calls]").unwrap();
    let (calls, thresholds) = rest.split_once("[thresholds]").unwrap();
    // Minutes become tenths of a second, seconds hundredths.
    let calls = (0..10).fold(calls.to_owned(), |calls, digit| {
        let calls = calls.replace(&format!("{digit}m\""), &format!("{digit}00ms\""));
        calls.replace(&format!("{digit}s\""), &format!("{digit}0ms\""))
    });
    format!("{head}{stages}[calls]{calls}[thresholds]{thresholds}")
}

#[test]
fn the_profile_of_a_busy_hour_runs() {
    let stages = "[[stages]]\nname = \"sign-on\"\nduration = \"1s\"\nclients = 60\n[[stages]]\nname = \"busy hour\"\n\
                  duration = \"6s\"\nbhca = 54000\narrivals = \"poisson\"\n[[stages]]\nduration = \"12s\"\n";
    let profile = small("busy-hour", stages).replace("count = 1200", "count = 70");
    let run = &|dialect: &str| {
        let folder = Folder::with(&profile);
        // On a busy machine a latency may miss its limit.
        let ended = folder.run(&["--dialect", dialect]);
        assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
        let run = folder.record();
        assert_sums(&run);
        assert_listed(&folder, &run, 1);
        assert!(run["flows"].as_object().unwrap().len() > 8, "{}", run["flows"]);
        assert_eq!(count(&run, "/attempts_unintended"), 0, "{}", ended.stdout);
        assert!(count(&run, "/attempts/answered") > 20, "{}", run["attempts"]);
    };
    thread::scope(|scope| ["flat", "nested"].map(|dialect| scope.spawn(move || run(dialect))).map(drop));
}

#[test]
fn the_profile_of_a_soak_runs() {
    let stages = "[[stages]]\nname = \"sign-on\"\nduration = \"1s\"\nclients = 40\n[[stages]]\nname = \"day\"\n\
                  duration = \"5s\"\ncalls_per_second = 8\narrivals = \"poisson\"\nchurn_per_second = 2\n\
                  [[stages]]\nduration = \"2s\"\n";
    let folder = Folder::with(&small("soak", stages).replace("count = 220", "count = 50"));
    let ended = folder.run(&[]);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    let run = folder.record();
    assert_sums(&run);
    assert_listed(&folder, &run, 1);
    assert!(count(&run, "/attempts/answered") > 10, "{}", run["attempts"]);
    assert_eq!(count(&run, "/clients/signon_failed"), 0);
    assert_eq!(count(&run, "/attempts_unintended"), 0, "{}", ended.stdout);
}
