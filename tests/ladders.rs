//! The ladders of calls that do not go smoothly: a connection that is lost, closed or comes back, and messages that nobody
//! waits for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs;
use std::time::Duration;

use wtsp_load::record::{Direction, FlightReader, Kept, KeptCall, KeptMessage, MessageKind};

#[path = "support/cable.rs"]
mod cable;
#[path = "independent/mod.rs"]
mod independent;
#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use cable::Cable;
use independent::{Dialect, Fate, Fault, Knobs, Noise, Server};
use program::{Folder, Served};
use sums::count;

fn profile(clients: usize, hold: &str, rest: &str) -> String {
    format!(
        "name = \"ladders\"\nseed = 7\n[subscribers]\nfile = \"subscribers.csv\"\n[generator]\nworkers = 1\n\
         control_clients = 0\n[[stages]]\nduration = \"500ms\"\nclients = {clients}\n[[stages]]\nduration = \"1s\"\n\
         calls_per_second = 2\n[[stages]]\nname = \"quiet\"\nduration = \"5s\"\n[calls]\nring = {{ fixed = \"20ms\" }}\n\
         hold = {{ fixed = \"{hold}\" }}\ncandidates = 0\n{rest}\n"
    )
}

fn kept(folder: &Folder) -> Vec<KeptCall> {
    FlightReader::open(&folder.join("out")).unwrap().into_iter().flatten().collect()
}

/// The messages of a party of this kind.
fn of(call: &KeptCall, party: usize, kind: MessageKind) -> Vec<&KeptMessage> {
    call.messages.iter().filter(|message| message.party == party && message.kind == kind).collect()
}

fn names<'a>(messages: &[&'a KeptMessage]) -> Vec<&'a str> {
    messages.iter().map(|message| message.name.as_str()).collect()
}

/// Calls of the embedded core's clients that are up when all lose their connection.
fn cut(reconnect: &str) -> Folder {
    let folder = Folder::with(&profile(4, "4s", &format!("[clients]\nreconnect = {reconnect}")));
    let served = Served::start(&folder, 4, &[]);
    let cable = Cable::to(&served.url);
    let mut run = folder.start(&["--target", &cable.url()]);
    folder.wait_for_interval(&mut run, "calls that are up", |second| {
        count(second, "/gauges/calls_answered") > 1
    });
    cable.cut_for(Duration::from_millis(100));
    let ended = run.wait();
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    served.stop();
    folder
}

#[test]
fn a_lost_connection_is_the_end_of_both_legs_and_why_the_call_was_kept() {
    let folder = cut("\"none\"");
    let calls = kept(&folder);
    assert_eq!(calls.len(), 2, "{calls:#?}");
    for call in &calls {
        assert_eq!((call.why, call.parties.len()), (Kept::Failed, 2), "{call:#?}");
        assert!(call.messages.is_sorted_by_key(|message| message.at_us), "{call:#?}");
        for party in [0, 1] {
            let closes = of(call, party, MessageKind::Close);
            assert_eq!(names(&closes), ["network"], "{call:#?}");
            let KeptMessage { direction, code, bytes, excerpt, .. } = closes[0];
            assert_eq!(
                (*direction, *code, *bytes, excerpt.as_str()),
                (Direction::Received, Some(1006), 0, "")
            );
            let last = call.messages.iter().rfind(|message| message.party == party).unwrap();
            assert_eq!(last, closes[0], "nothing comes after it: {call:#?}");
            // It was up when that happened, and long before it was to be hung up.
            let accepted = of(call, party, MessageKind::Event);
            let accepted = accepted.iter().find(|event| event.name == "accepted").unwrap().at_us;
            assert!((accepted..accepted + 4_000_000).contains(&last.at_us), "{call:#?}");
        }
        assert!(call.messages.iter().all(|message| message.name != "hangup"), "{call:#?}");
    }
    let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
    assert_eq!(page.matches("close network 1006").count(), 4);
}

#[test]
fn of_a_call_that_outlives_an_outage_the_ladder_has_the_outage_and_what_came_after() {
    let folder = cut("{ fixed = { after = \"300ms\" } }");
    let calls = kept(&folder);
    assert_eq!(calls.len(), 2, "{calls:#?}");
    for call in &calls {
        for party in [0, 1] {
            let own = call.messages.iter().filter(|message| message.party == party);
            let own: Vec<(MessageKind, &str)> =
                own.map(|message| (message.kind, message.name.as_str())).collect();
            let after = own.iter().skip_while(|(kind, _)| *kind != MessageKind::Close);
            let after: Vec<_> = after.copied().collect();
            let wanted = [(MessageKind::Close, "network"), (MessageKind::State, "state")];
            assert!(after.starts_with(&wanted), "{call:#?}");
            assert!(after.contains(&(MessageKind::Event, "hangup")), "{call:#?}");
        }
    }
}

/// A run of a few calls against the independent server.
fn against(knobs: Knobs) -> Vec<KeptCall> {
    let folder = Folder::with(&profile(knobs.subscribers, "200ms", ""));
    let server = Server::start(knobs);
    fs::write(folder.join("subscribers.csv"), server.csv()).unwrap();
    let ended = folder.run(&["--target", &server.url(), "--dialect", "flat"]);
    assert!([Some(0), Some(1), Some(4)].contains(&ended.code), "{}\n{}", ended.stdout, ended.stderr);
    let calls = kept(&folder);
    assert_eq!(calls.len(), 2, "{calls:#?}");
    calls
}

#[test]
fn a_connection_that_the_server_closes_in_a_call_stands_in_its_ladder_with_its_code() {
    let fault = Box::new(|_, _| Fault::CloseInCall(4502));
    for call in against(Knobs { fault, ..Knobs::of(Dialect::Flat, 4) }) {
        assert_eq!(call.why, Kept::Failed);
        let closes = [0, 1].map(|party| of(&call, party, MessageKind::Close));
        let all: Vec<_> = closes.iter().flatten().map(|close| (close.name.as_str(), close.code)).collect();
        assert!(!all.is_empty() && all.iter().all(|close| *close == ("server", Some(4502))), "{call:#?}");
    }
}

#[test]
fn what_nobody_waits_for_stands_in_the_ladder_and_is_told_apart() {
    let texts = [
        r#"{"response":"ack","transaction":"of-nobody"}"#,
        r#"{"event":"ice_hangup","line":0,"reason":"DTLS alert"}"#,
        r#"{"event":"ice_hangup","line":1,"reason":"Close PC"}"#,
        r#"{"event":"hangup","line":1,"call_id":"of-nobody","code":480,"reason":"gone"}"#,
        "no message",
    ];
    let noise_in_calls = texts.map(|text| Noise::Text(text.as_bytes().to_vec())).to_vec();
    for call in against(Knobs { noise_in_calls, ..Knobs::of(Dialect::Flat, 4) }) {
        for party in [0, 1] {
            let late = of(&call, party, MessageKind::Late);
            assert_eq!(names(&late), ["response"], "{call:#?}");
            assert!(late[0].excerpt.contains("of-nobody"), "{call:#?}");
            let own = of(&call, party, MessageKind::Event);
            let own = own.iter().find(|event| event.name == "ice_hangup").unwrap();
            assert_eq!(own.reason.as_deref(), Some("DTLS alert"), "{call:#?}");
            let stray = of(&call, party, MessageKind::Stray);
            assert_eq!(names(&stray), ["ice_hangup", "hangup", "malformed"], "{call:#?}");
            assert_eq!((stray[1].code, stray[1].reason.as_deref()), (Some(480), Some("gone")));
            assert!(late.iter().chain(&stray).all(|message| message.direction == Direction::Received));
        }
    }
}

#[test]
fn a_call_that_comes_twice_is_in_the_ladder_as_a_stray_with_what_was_done_about_it() {
    let fate = Box::new(|_| Fate::Duplicated);
    for call in against(Knobs { fate, ..Knobs::of(Dialect::Flat, 4) }) {
        let events = names(&of(&call, 1, MessageKind::Event));
        assert_eq!(events.iter().filter(|name| **name == "incoming_call").count(), 1, "{call:#?}");
        let stray = names(&of(&call, 1, MessageKind::Stray));
        assert!(stray.starts_with(&["incoming_call"]) && stray.contains(&"hangup"), "{call:#?}");
        for kind in [MessageKind::Request, MessageKind::Response] {
            assert!(names(&of(&call, 1, kind)).contains(&"decline"), "{kind:?}: {call:#?}");
        }
        assert!(of(&call, 0, MessageKind::Stray).is_empty(), "{call:#?}");
    }
}
