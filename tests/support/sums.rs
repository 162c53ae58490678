//! Holding a run's record against itself, and against what the server counted.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wtsp_load::metrics::Metric;

/// A count; none is nought.
pub fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The sum of a map of counts.
fn of_map(map: Option<&Value>) -> u64 {
    map.and_then(Value::as_object).map_or(0, |map| map.values().filter_map(Value::as_u64).sum())
}

/// What holds for each record: the parts of `due` add up to it, and the program says so.
#[track_caller]
pub fn assert_sums(run: &Value) {
    assert_eq!(run["sums"], json!({ "hold": true, "wrong": [] }));
    let attempts = run["attempts"].as_object().expect("attempts");
    let parts = attempts.iter().filter(|(name, _)| !["due", "started"].contains(&name.as_str()));
    let sum: u64 = parts.map(|(_, count)| count.as_u64().expect("a count")).sum();
    assert_eq!(attempts["due"], sum, "{attempts:?}");
    let seconds = run["intervals"].as_array().expect("intervals");
    for name in attempts.keys() {
        let pointer = format!("/attempts/{name}");
        let of_seconds: u64 = seconds.iter().map(|second| count(second, &pointer)).sum();
        assert_eq!(of_seconds, count(run, &pointer), "{name} of all seconds");
    }
    let blocked = attempts["blocked"].as_u64().expect("a count");
    assert!(count(run, "/attempts/started") + blocked <= sum, "{attempts:?}");
    let flows = run["flows"].as_object().expect("flows");
    for name in attempts.keys().filter(|name| !["due", "started"].contains(&name.as_str())) {
        let of_flows: u64 = flows.values().map(|flow| count(flow, &format!("/{name}"))).sum();
        assert_eq!(attempts[name], of_flows, "{name} of all flows: {flows:?}");
    }
    assert_flows_add_up(run);
    let side = &run["side_calls"];
    assert_eq!(count(side, "/started"), of_map(side.get("ended")), "side calls: {side}");
}

/// Where latencies are kept by flow, they are those of all calls.
#[track_caller]
pub fn assert_flows_add_up(run: &Value) {
    let Some(by_flow) = run["latency"]["by_flow"].as_object() else { return };
    let of = |flow: &Value, pointer: &str| count(flow, &format!("{pointer}/count"));
    for metric in Metric::ALL.iter().filter(|metric| metric.is_of_call()) {
        for part in ["response", "service"] {
            let pointer = format!("/{metric}/{part}");
            let of_flows: u64 = by_flow.values().map(|flow| of(flow, &pointer)).sum();
            assert_eq!(of_flows, of(&run["latency"], &pointer), "{pointer} of all flows: {by_flow:?}");
        }
    }
}

/// Disconnects by code and initiator, whatever the phase.
pub fn disconnects(value: &Value) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for entry in value["disconnects"].as_array().expect("disconnects") {
        let key = format!("{} {}", entry["code"], entry["initiator"]);
        *sums.entry(key).or_default() += entry["count"].as_u64().expect("a count");
    }
    sums
}

/// The record and the truth agree, in every figure that both have. Nothing is left at the server.
///
/// A call that was ringing when the run was stopped is `unfinished` for us; for the server its caller hung up.
#[track_caller]
pub fn assert_truth(run: &Value, truth: &Value) {
    assert_sums(run);
    let show = || format!("\nrecord:\n{:#}\ntruth:\n{truth:#}", without_intervals(run));
    for pointer in [
        "/requests/sent",
        "/requests/acked",
        "/requests/errors",
        "/events",
        "/event_errors",
        "/hangups",
        "/keepalives/sent",
        "/keepalives/answered",
    ] {
        assert_eq!(run.pointer(pointer), truth.pointer(pointer), "{pointer}{}", show());
    }
    // For the server a call beside the attempts is a call like another, and a change of presence is none.
    let by_outcome = |name: &str| {
        count(run, &format!("/attempts/{name}")) + count(run, &format!("/side_calls/ended/{name}"))
    };
    let no_calls = of_map(run.pointer("/flows/presence")) - count(run, "/flows/presence/blocked");
    let started = count(run, "/attempts/started") + count(run, "/side_calls/started") - no_calls;
    assert_eq!(started, count(truth, "/attempts/started"), "started{}", show());
    for name in ["answered", "declined", "busy", "unavailable", "redirected", "failed"] {
        let pointer = format!("/attempts/{name}");
        assert_eq!(by_outcome(name), count(truth, &pointer), "{pointer}{}", show());
    }
    let given_up = by_outcome("cancelled") + by_outcome("unfinished");
    assert_eq!(given_up, count(truth, "/attempts/cancelled"), "given up{}", show());
    assert_eq!(count(truth, "/attempts/unfinished"), 0, "unfinished{}", show());
    assert_eq!(disconnects(run), disconnects(truth), "disconnects{}", show());
    assert_eq!(count(run, "/states"), count(truth, "/states_sent"), "states{}", show());
    let ledger = run["ledger"].as_object().expect("a ledger");
    assert!(
        ledger.values().all(|found| found == 0),
        "findings about a server that did nothing wrong{}",
        show()
    );
    assert_eq!(truth["calls_up"], 0, "calls up{}", show());
    let violations = truth["violations"].as_array().expect("violations").iter();
    // A request may cross the hangup of its call: that is nobody's fault.
    let wrong: Vec<_> = violations.filter(|violation| violation["what"] != "late_request").collect();
    assert!(wrong.is_empty(), "{wrong:?}{}", show());
    for name in
        ["unknown_events", "malformed_messages", "stray_events", "late_responses", "repaired_messages"]
    {
        assert_eq!(run[name], 0, "{name}{}", show());
    }
}

/// A record without its seconds, to be shown.
pub fn without_intervals(run: &Value) -> Value {
    let mut run = run.clone();
    run["intervals"] = json!(format!("{} of them", run["intervals"].as_array().map_or(0, Vec::len)));
    run["latency"] = Value::Null;
    run
}
