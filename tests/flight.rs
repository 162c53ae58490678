//! The flight recorder: of a run with refusals and delays the slowest and the failed calls are kept, with the messages of
//! both legs, without secrets, and within bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;
use wtsp_load::record::{
    Direction, EXCERPT_BYTES, FIRST_MESSAGES, FLIGHT_FILE, FlightReader, Kept, KeptCall, KeptMessage,
    MOST_A_CAUSE, MessageKind, SLOWEST,
};

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::count;

fn profile(calls: &str) -> String {
    format!(
        r#"
name = "flight"
seed = 7
[subscribers]
file = "subscribers.csv"
[generator]
workers = 2
control_clients = 0
[[stages]]
duration = "500ms"
clients = 20
[[stages]]
name = "calls"
{calls}
[[stages]]
name = "quiet"
duration = "2s"
[calls]
ring = {{ uniform = {{ min = "20ms", max = "150ms" }} }}
hold = {{ fixed = "100ms" }}
candidates = 2
candidate_spacing = "5ms"
mix = [ {{ flow = "answered", weight = 1 }} ]
"#
    )
}

fn kept(folder: &Folder) -> Vec<KeptCall> {
    FlightReader::open(&folder.join("out")).unwrap().into_iter().flatten().collect()
}

fn of<'a>(
    call: &'a KeptCall,
    party: usize,
    name: &'a str,
    kind: MessageKind,
) -> impl Iterator<Item = &'a KeptMessage> {
    let is_it =
        move |message: &&KeptMessage| message.party == party && message.name == name && message.kind == kind;
    call.messages.iter().filter(is_it)
}

/// When the ladder has a message of a party first.
fn at(call: &KeptCall, party: usize, name: &str, kind: MessageKind) -> i64 {
    of(call, party, name, kind).next().unwrap_or_else(|| panic!("no {name} at {party}: {call:#?}")).at_us
}

fn assert_ladder(call: &KeptCall) {
    assert_eq!((call.flow.as_str(), call.parties.len(), call.left_out), ("answered", 2, 0), "{call:#?}");
    assert!(call.messages.is_sorted_by_key(|message| message.at_us), "{call:#?}");
    for message in &call.messages {
        assert!(message.party < 2 && message.excerpt.len() <= EXCERPT_BYTES, "{message:?}");
        assert_eq!(message.direction == Direction::Sent, message.kind == MessageKind::Request, "{message:?}");
    }
    let place = &call.messages[0];
    assert_eq!((place.party, place.name.as_str(), place.kind), (0, "outgoing_call", MessageKind::Request));
    assert!(place.bytes > 2_000 && place.excerpt.contains(&call.parties[1]), "{place:?}");
    let answers = call.messages.iter().filter(|message| message.kind == MessageKind::Response).count();
    let requests = call.messages.iter().filter(|message| message.kind == MessageKind::Request).count();
    assert!(answers <= requests && answers > 0, "{call:#?}");
}

/// The texts of the requests are those that were sent: the server's answers to them carry their transactions, and what has
/// nothing to be taken out is there to the last byte. The names of those that were answered.
fn assert_sent(call: &KeptCall) -> BTreeSet<&'static str> {
    let field = |message: &KeptMessage, name: &str| -> String {
        let (_, rest) = message.excerpt.split_once(&format!("\"{name}\":\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let mut transactions = BTreeMap::new();
    for request in call.messages.iter().filter(|message| message.kind == MessageKind::Request) {
        // A candidate has no text.
        if request.name == "ice_trickle" {
            assert!(request.excerpt.is_empty() && request.bytes > 60, "{request:?}");
        }
        // Nor has one for which there was no more room.
        if request.excerpt.is_empty() {
            assert_ne!(request.name, "outgoing_call", "{call:#?}");
            continue;
        }
        let named = field(request, "request");
        assert!(request.name == named || (request.name == "outgoing_call" && named == "call"), "{request:?}");
        if request.name == "hangup" {
            assert_eq!(request.excerpt.len() as u64, request.bytes, "{request:?}");
            assert!(request.excerpt.starts_with('{') && request.excerpt.ends_with('}'), "{request:?}");
        }
        let transaction = field(request, "transaction");
        assert!(transactions.insert(transaction, request.name.clone()).is_none(), "{call:#?}");
    }
    let call_ids: BTreeSet<String> = call.messages.iter().map(|message| field(message, "call_id")).collect();
    assert!(call_ids.len() <= 2, "one, and none where there is no text: {call:#?}");
    let mut answered = BTreeSet::new();
    for (name, request) in [("calling", "outgoing_call"), ("hangingup", "hangup")] {
        for event in
            call.messages.iter().filter(|message| message.name == name && !message.excerpt.is_empty())
        {
            let of = transactions.get(&field(event, "transaction")).map(String::as_str);
            assert_eq!(of, Some(request), "{event:?} of {transactions:?}");
            answered.insert(request);
        }
    }
    // The offer is the one that has come to the callee.
    let offer = |message: &KeptMessage| {
        message.excerpt.split_once("s=wtsp-load-").map(|(_, nonce)| nonce[..2].to_owned())
    };
    let [sent, received] = ["outgoing_call", "incoming_call"]
        .map(|name| call.messages.iter().find(|message| message.name == name).map(offer));
    assert!(received.is_none() || received == sent, "{call:#?}");
    assert!(sent.flatten().is_some(), "{call:#?}");
    answered
}

/// What the ladder says of a set-up is what was measured: from due to `accepted`, less what the callee let it ring.
fn assert_setup(call: &KeptCall) {
    let incoming = at(call, 1, "incoming_call", MessageKind::Event);
    let accept = at(call, 1, "accept", MessageKind::Request);
    let accepted = at(call, 0, "accepted", MessageKind::Event);
    let setup = accepted - (accept - incoming);
    let recorded = call.setup_us.unwrap() as i64;
    assert!((setup - recorded).abs() <= 3, "{setup} in the ladder, {recorded} recorded: {call:#?}");
}

#[test]
fn the_slowest_and_the_failed_calls_are_ladders_of_both_legs_without_a_secret() {
    for dialect in ["flat", "nested"] {
        let folder = Folder::with(&profile("duration = \"3s\"\ncalls_per_second = 20"));
        let delay = "accepted=uniform:1ms..60ms";
        let served = Served::start(
            &folder,
            20,
            &["--dialect", dialect, "--refuse-calls", "30%:503", "--delay", delay, "--seed", "5"],
        );
        let ended = folder.run(&["--target", &served.url, "--dialect", dialect]);
        assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
        served.stop();
        let (run, calls) = (folder.record(), kept(&folder));

        let failed: Vec<&KeptCall> = calls.iter().filter(|call| call.why == Kept::Failed).collect();
        let rejected = count(&run, "/attempts_failed/rejected");
        assert!(rejected > MOST_A_CAUSE as u64, "{}", ended.stdout);
        assert_eq!(count(&run, "/kept_calls/failed"), failed.len() as u64);
        let bad = count(&run, "/kept_calls/failed") + count(&run, "/kept_calls/left_out");
        assert!(bad >= rejected && bad >= count(&run, "/attempts_unintended"), "{bad}\n{}", ended.stdout);
        let mut causes = BTreeMap::new();
        failed.iter().for_each(|call| *causes.entry((&call.outcome, &call.reason)).or_insert(0) += 1);
        assert_eq!(causes[&(&"failed".to_owned(), &Some("rejected".to_owned()))], MOST_A_CAUSE);
        for call in &failed {
            assert_ladder(call);
            let hangup = of(call, 0, "hangup", MessageKind::Event).next().unwrap();
            assert_eq!(hangup.code, Some(503), "{call:#?}");
            assert!(hangup.reason.is_some() && hangup.excerpt.contains("503"), "{hangup:?}");
        }

        let mut slow: Vec<&KeptCall> = calls.iter().filter(|call| call.why == Kept::SlowestSetup).collect();
        assert!(slow.len() >= SLOWEST, "{}", slow.len());
        assert_eq!(count(&run, "/kept_calls/slowest"), SLOWEST as u64);
        slow.iter().for_each(|call| {
            assert_ladder(call);
            assert_setup(call);
            let hangups = [0, 1].map(|party| of(call, party, "hangup", MessageKind::Event).count());
            assert_eq!(hangups, [1, 1], "{call:#?}");
        });
        let answered: BTreeSet<&str> = calls.iter().flat_map(assert_sent).collect();
        assert_eq!(answered, BTreeSet::from(["hangup", "outgoing_call"]));
        slow.sort_by_key(|call| call.setup_us);
        let longest = slow.last().unwrap().setup_us.unwrap() as f64;
        let max = run.pointer("/latency/setup/response/max").and_then(Value::as_f64).unwrap();
        assert!((longest - max).abs() <= max * 0.01 + 2.0, "{longest} kept, {max} measured");

        let text = fs::read_to_string(folder.join("out").join(FLIGHT_FILE)).unwrap();
        for secret in ["ice-pwd", "ice-ufrag", "fingerprint", "candidate:", "192.0.2.", "127.0.0.1"] {
            assert!(!text.contains(secret), "{secret}");
        }
        for token in program::tokens(&folder.join("subscribers.csv")) {
            assert!(!text.contains(&token));
        }
        assert!(text.contains("m=audio") && text.contains("wtsp-load-"));

        let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
        assert_eq!(page.matches("class=\"ladder\"").count(), failed.len() + SLOWEST);
        let report = program::run(folder.path(), &["report", "out"]);
        assert!(report.stdout.contains(FLIGHT_FILE), "{}", report.stdout);
    }
}

#[test]
fn a_storm_of_failures_is_a_few_calls_and_a_count() {
    let profile = profile("duration = \"3s\"\ncalls_per_second = 60")
        .replace("file = \"subscribers.csv\"", "count = 20");
    let folder =
        Folder::with(&format!("{profile}\n[embedded_core]\nrefusals = {{ share = 1.0, code = 486 }}\n"));
    let ended = folder.run(&[]);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    let run = folder.record();
    let (kept_failed, left_out) = (count(&run, "/kept_calls/failed"), count(&run, "/kept_calls/left_out"));
    assert_eq!(count(&run, "/kept_calls/slowest"), 0);
    assert_eq!(kept(&folder).len() as u64, kept_failed);
    assert_eq!(kept_failed, MOST_A_CAUSE as u64, "{}", ended.stdout);
    assert_eq!(kept_failed + left_out, count(&run, "/attempts_unintended"));
    assert!(left_out > 50, "{left_out}");
    let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
    assert!(page.contains("more failed calls were not kept"));
}

#[test]
fn of_a_call_with_many_messages_the_first_and_the_last_ones_are_there() {
    let profile = profile("duration = \"2s\"\ncalls_per_second = 10")
        .replace("file = \"subscribers.csv\"", "count = 20");
    let folder = Folder::with(&profile.replace("candidates = 2", "candidates = 15"));
    let ended = folder.run(&["--set", "calls.hold={ fixed = \"400ms\" }"]);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    let calls = kept(&folder);
    let long: Vec<&KeptCall> = calls.iter().filter(|call| call.left_out > 0).collect();
    assert!(!long.is_empty(), "{calls:#?}");
    for call in long {
        assert_eq!(call.messages.len(), 2 * FIRST_MESSAGES);
        assert!(call.messages.is_sorted_by_key(|message| message.at_us), "{call:#?}");
        assert_eq!(call.messages[0].name, "outgoing_call");
        assert!(call.messages.iter().rev().take(4).any(|message| message.name == "hangup"), "{call:#?}");
    }
    let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
    assert!(page.contains("messages are left out here"));
}

#[test]
fn a_run_whose_calls_cannot_be_kept_says_so_and_does_not_end_well() {
    let profile = profile("duration = \"1s\"\ncalls_per_second = 10")
        .replace("file = \"subscribers.csv\"", "count = 20");
    let folder = Folder::with(&profile);
    let mut run = folder.start(&[]);
    run.wait_until("its directory", |_| folder.join("out/intervals.jsonl").exists());
    fs::create_dir(folder.join("out").join(FLIGHT_FILE)).unwrap();
    let ended = run.wait().with_code(3);
    let said = ended.stderr.lines().filter(|line| line.contains(FLIGHT_FILE)).count();
    assert_eq!(said, 2, "when it happened, and at the end: {}", ended.stderr);
    assert_eq!(count(&folder.record(), "/kept_calls/slowest"), 0);
    assert!(folder.record()["kept_calls"].is_object());
    assert!(count(&folder.record(), "/attempts/answered") > 0, "the rest of the record is there");
}

#[test]
fn a_killed_run_has_kept_its_calls_so_far_and_a_run_without_the_recorder_has_none() {
    let profile = profile("duration = \"1m\"\ncalls_per_second = 20")
        .replace("file = \"subscribers.csv\"", "count = 20");
    let folder = Folder::with(&profile);
    let mut running = folder.start(&[]);
    running.wait_until("a call that was kept", |_| !kept(&folder).is_empty());
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().code, None);
    assert!(!kept(&folder).is_empty());
    let report = program::run(folder.path(), &["report", "out", "--format", "html"]);
    assert!(report.stdout.contains("class=\"ladder\""), "{}", report.stderr);
    // Its directory is taken, even by that file alone.
    fs::remove_file(folder.join("out/intervals.jsonl")).unwrap();
    let refused = folder.run(&[]).with_code(3);
    assert!(refused.stderr.contains("holds a run already"), "{}", refused.stderr);

    let folder = Folder::with(&profile.replace("duration = \"1m\"", "duration = \"1s\""));
    let ended = folder.run(&["--set", "generator.flight_recorder=false"]);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    assert!(!folder.join("out").join(FLIGHT_FILE).exists());
    assert_eq!(folder.record()["kept_calls"], Value::Null);
    assert!(fs::read_to_string(folder.join("out/report.html")).unwrap().contains("No calls were kept"));
}
