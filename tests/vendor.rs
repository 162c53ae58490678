//! Judged by a real client: the vendor's own client library against `wtsp-load serve`, and against phones of ours.
//!
//! The scripts in `tests/vendor` drive the library in Node.js, hold what it sees against the protocol's flow tables,
//! and treat each of its complaints as a failure. Here their counts are held against the server's own.
//! `npm ci` in `tests/vendor` installs what they need; without it these tests say that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests: a panic is how they report.

#[path = "vendor/books.rs"]
mod books;
#[path = "vendor/children.rs"]
mod children;
#[path = "vendor/house.rs"]
mod house;

use books::Books;
use house::{Serve, the_vendors_client_is_here};
use std::collections::BTreeMap;

const NORMAL_CLOSURE: u64 = 1000;

/// Plays one scenario against a server of its own and returns the server's truth, found equal to what the phones saw.
fn judge(scenario: &str, subscribers: usize, options: &[&str]) -> Books {
    let serve = Serve::start(subscribers, options);
    let seen = serve.play(scenario);
    let truth = serve.stop();
    truth.assert_same_calls(&seen);
    assert_eq!(truth.keepalives, seen.keepalives, "keepalives and their echoes");
    truth
}

fn assert_all_signed_off(truth: &Books, phones: u64) {
    assert_eq!(truth.closes(), BTreeMap::from([(NORMAL_CLOSURE, phones)]));
}

#[test]
fn two_phones_talk_hold_renegotiate_and_hang_up() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("answered-call", 2, &[]);
    assert_eq!(truth.attempts("answered"), 2);
    assert_all_signed_off(&truth, 2);
}

#[test]
fn two_phones_talk_where_the_server_is_told_to_speak_flat() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("answered-call", 2, &["--dialect", "flat"]);
    assert_eq!(truth.attempts("answered"), 2);
}

#[test]
fn a_callee_can_refuse_a_call() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("declined-call", 2, &[]);
    assert_eq!(truth.attempts("answered"), 0);
    assert!(truth.attempts("declined") >= 1, "one of the two refusals is a decline");
    assert_all_signed_off(&truth, 2);
}

#[test]
fn a_caller_can_give_up_while_it_rings() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("cancelled-call", 2, &[]);
    assert_eq!(truth.attempts("cancelled"), 1);
    assert_all_signed_off(&truth, 2);
}

#[test]
fn calls_that_cannot_ring_end_with_the_reason_why() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("refused-calls", 4, &[]);
    assert_eq!(truth.attempts("answered"), 2, "one on each line of the busy phone");
    assert_eq!(truth.attempts("busy"), 1, "the call that found no line free");
    assert_all_signed_off(&truth, 3);
}

#[test]
fn phones_left_alone_stay_connected_over_several_keepalive_intervals() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("keepalive", 3, &[]);
    let (sent, answered) = truth.keepalives;
    assert!(sent >= 12, "three phones, four intervals each, and only {sent} keepalives");
    assert_eq!(sent, answered);
    assert_all_signed_off(&truth, 3);
}

#[test]
fn a_token_carries_one_connection_and_a_newcomer_needs_force() {
    if !the_vendors_client_is_here() {
        return;
    }
    let truth = judge("attach", 1, &[]);
    let (no_session, already_attached, displaced) = (4201, 4431, 4441);
    let closes = [(NORMAL_CLOSURE, 1), (no_session, 1), (already_attached, 1), (displaced, 1)];
    assert_eq!(truth.closes(), BTreeMap::from(closes));
}

#[test]
fn simulated_phones_answer_the_vendors_client() {
    if the_vendors_client_is_here() {
        let_simulated_phones_answer("flat");
    }
}

#[test]
fn simulated_phones_of_the_other_dialect_answer_the_vendors_client() {
    if the_vendors_client_is_here() {
        let_simulated_phones_answer("nested");
    }
}

#[test]
fn the_vendors_client_answers_a_simulated_caller() {
    if the_vendors_client_is_here() {
        let_a_simulated_phone_call("flat");
    }
}

#[test]
fn the_vendors_client_answers_a_simulated_caller_of_the_other_dialect() {
    if the_vendors_client_is_here() {
        let_a_simulated_phone_call("nested");
    }
}

/// The vendor's client calls two of ours and hangs up on the first; the second hangs up on it.
fn let_simulated_phones_answer(dialect: &str) {
    let serve = Serve::start(3, &[]);
    let (vendor, ours) = serve.subscribers.split_at(1);
    let peers = format!("{},{}", ours[0].number, ours[1].number);

    let run = serve.run(ours, dialect, AT_HOME);
    let seen = serve.cast("calls-ours", vendor, &[("WTSP_PEERS", &peers)]).finish();
    let record = run.interrupt();
    let truth = serve.stop();

    truth.assert_same_calls(&(&seen + &record));
    assert_eq!(truth.attempts("answered"), 2);
    assert_eq!(record.attempts("due"), 0, "phones that only answer attempt nothing");
    assert_eq!(truth.closes().keys().copied().collect::<Vec<_>>(), [NORMAL_CLOSURE]);
}

/// One of ours calls the vendor's client every other second and hangs up on it.
fn let_a_simulated_phone_call(dialect: &str) {
    let serve = Serve::start(2, &[]);
    let (callee, caller) = serve.subscribers.split_at(1);
    let vendor = serve.cast("called-by-ours", callee, &[("WTSP_CALLER", &caller[0].number)]);
    vendor.is_ready();

    let record = serve.run(caller, dialect, &calling(&callee[0].number)).finish();
    vendor.no_more_calls();
    let seen = vendor.finish();
    let truth = serve.stop();

    truth.assert_same_calls(&(&seen + &record));
    assert!(record.attempts("answered") >= 2, "half a call a second for six seconds");
    assert_eq!(record.attempts("answered"), record.attempts("due"));
    assert_eq!(record.attempts("answered"), truth.attempts("answered"));
    assert_eq!(record.attempts("failed"), 0);
}

/// Phones that wait to be called, longer than any scenario lasts.
const AT_HOME: &str = r#"
[[stages]]
name = "at-home"
duration = "25s"
clients = 2
arrivals = "at_once"

[calls]
ring = { fixed = "200ms" }
hold = { fixed = "2s" }
candidates = 2
"#;

/// A phone that calls a number which is none of ours.
fn calling(number: &str) -> String {
    format!(
        r#"
[[stages]]
name = "sign-on"
duration = "1s"
clients = 1
arrivals = "at_once"

[[stages]]
name = "calls"
duration = "6s"
calls_per_second = 0.5
arrivals = "constant"

[calls]
number = "{number}"
hold = {{ fixed = "500ms" }}
candidates = 2
"#
    )
}
