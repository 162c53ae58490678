//! A client's session, told everything that a server may say to it.

use super::*;
use crate::law::Seed;
use crate::protocol::{Candidate, FromClient, MAX_LINES_KEPT, RequestBody, decode_bytes_from_client};

const TIMEOUT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_secs(30);

fn secs(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn opened(dialect: Dialect, jitter: f64) -> Session {
    let settings = SessionSettings { keepalive_jitter: jitter, ..SessionSettings::default() };
    let mut session = Session::new(dialect, settings, 7, 3, Seed(7).stream("client", 3));
    session.opened(Time::ZERO);
    session
}

fn state(registration: &str, lines: &str) -> String {
    format!(
        r#"{{"handshake":"state","keepalive_interval":30000,"timestamp":1,"registration":{{"status":"{registration}"}},"lines":{lines}}}"#
    )
}

/// Attached and registered at [`Time::ZERO`], with two lines, without jitter.
fn attached(dialect: Dialect) -> Session {
    let mut session = opened(dialect, 0.0);
    session.handle(&state("registered", "[null,null]"), Time::ZERO);
    session
}

/// Writes an end of candidates for line 0 and returns its transaction.
fn ask(session: &mut Session, tag: u64, now: Time) -> String {
    let mut out = Vec::new();
    let body = RequestBody::IceTrickle { candidate: Candidate::EndNull };
    session.request(Some(0), &body.into(), tag, now, &mut out).unwrap();
    transaction(&out)
}

fn beat(session: &mut Session, now: Time) -> String {
    let mut out = Vec::new();
    session.keepalive(now, &mut out);
    transaction(&out)
}

fn transaction(written: &[u8]) -> String {
    match decode_bytes_from_client(written, Reading::Strict).unwrap().message {
        FromClient::Request(request) => request.transaction.to_string(),
        FromClient::Keepalive(keepalive) => keepalive.transaction.unwrap().to_string(),
        FromClient::Unknown(unknown) => panic!("wrote {unknown:?}"),
    }
}

fn ack(transaction: &str) -> String {
    format!(r#"{{"response":"ack","line":0,"transaction":"{transaction}"}}"#)
}

fn refusal(transaction: &str) -> String {
    format!(r#"{{"response":"error","transaction":"{transaction}","line":0,"code":458,"reason":""}}"#)
}

fn echo(transaction: &str) -> String {
    format!(r#"{{"handshake":"keepalive","transaction":"{transaction}"}}"#)
}

fn event(name: &str, line: &str, call_id: &str) -> String {
    format!(r#"{{"event":"{name}","line":{line},"call_id":"{call_id}","callee":"1","caller":"2"}}"#)
}

macro_rules! assert_fact {
    ($session:expr, $text:expr, $at:expr, $fact:pat $(if $guard:expr)?) => {
        let text = $text;
        let handled = $session.handle(&text, $at);
        assert!(matches!(handled.fact, $fact $(if $guard)?), "{text}: {:?}", handled.fact);
    };
}

#[test]
fn a_keepalive_is_due_an_interval_after_the_state_and_then_after_each_other() {
    for dialect in [Dialect::Nested, Dialect::Flat] {
        let mut session = attached(dialect);
        assert_eq!(session.next_due(), secs(30));
        assert_eq!(session.due(secs(30) - Duration::from_nanos(1)), None);
        assert_eq!(session.due(secs(30)), Some(Due::Keepalive));
        assert_eq!(session.due(secs(30)), None);
        let id = beat(&mut session, secs(30));
        let answer = if dialect == Dialect::Nested { ack(&id) } else { echo(&id) };
        assert_fact!(session, answer, secs(33), Fact::KeepaliveAnswered { sent } if sent == secs(30));
        assert_eq!(session.next_due(), secs(60));
    }
}

#[test]
fn a_keepalives_jitter_only_shortens_the_interval_and_by_its_share_at_most() {
    for client in 0..200 {
        let settings = SessionSettings { keepalive_jitter: 0.1, ..SessionSettings::default() };
        let mut session =
            Session::new(Dialect::Flat, settings, 7, client, Seed(7).stream("c", u64::from(client)));
        session.opened(Time::ZERO);
        session.handle(&state("registered", "[]"), Time::ZERO);
        let due = session.next_due().since(Time::ZERO);
        assert!(due >= INTERVAL.mul_f64(0.9) && due <= INTERVAL, "{due:?}");
    }
}

#[test]
fn a_request_puts_the_next_keepalive_off_by_a_full_interval() {
    let mut session = attached(Dialect::Flat);
    let id = ask(&mut session, 1, secs(20));
    session.handle(&ack(&id), secs(21));
    assert_eq!(session.next_due(), secs(50));
    // Also one that is sent while a keepalive waits for its answer.
    assert_eq!(session.due(secs(50)), Some(Due::Keepalive));
    let beat = beat(&mut session, secs(50));
    let id = ask(&mut session, 1, secs(52));
    session.handle(&ack(&id), secs(53));
    session.handle(&echo(&beat), secs(54));
    assert_eq!(session.next_due(), secs(82));
}

#[test]
fn what_the_server_says_does_not_put_a_keepalive_off() {
    let mut session = attached(Dialect::Flat);
    session.handle(r#"{"event":"registered","phrase":"ok"}"#, secs(29));
    assert_eq!(session.next_due(), secs(30));
}

#[test]
fn a_keepalive_whose_answer_took_longer_than_the_interval_makes_the_next_due_when_it_came() {
    let own = SessionSettings {
        keepalive_interval: Some(Duration::from_secs(1)),
        keepalive_jitter: 0.0,
        ..SessionSettings::default()
    };
    for is_refused in [false, true] {
        let mut session = Session::new(Dialect::Flat, own, 7, 0, Seed(7).stream("c", 0));
        session.opened(Time::ZERO);
        session.handle(&state("registered", "[]"), Time::ZERO);
        session.due(secs(1));
        let id = beat(&mut session, secs(1));
        let came = secs(3) + Duration::from_micros(1_500);
        session.handle(&if is_refused { refusal(&id) } else { echo(&id) }, came);
        assert_eq!(session.next_due(), came, "the server was late by a second, and not the client");
    }
}

#[test]
fn a_keepalive_that_is_not_answered_is_missed_once() {
    let mut session = attached(Dialect::Flat);
    session.due(secs(30));
    let id = beat(&mut session, secs(30));
    assert_eq!(session.next_due(), secs(40));
    assert_eq!(session.due(secs(40)), Some(Due::KeepaliveMissed));
    assert_eq!(session.due(secs(40)), None);
    assert_fact!(session, echo(&id), secs(41), Fact::LateResponse);
    assert_eq!(session.next_due(), secs(70));
}

#[test]
fn a_refused_keepalive_is_no_late_response() {
    let mut session = attached(Dialect::Nested);
    let id = beat(&mut session, secs(30));
    assert_fact!(session, refusal(&id), secs(31), Fact::KeepaliveRefused { code: Some(458) });
    assert_fact!(session, refusal(&id), secs(31), Fact::LateResponse);
    assert_eq!(session.next_due(), secs(60));
}

#[test]
fn an_echo_counts_only_if_it_bears_the_transaction() {
    let mut session = attached(Dialect::Flat);
    assert_fact!(session, r#"{"handshake":"keepalive"}"#, secs(1), Fact::LateResponse);
    let id = beat(&mut session, secs(30));
    assert_fact!(session, echo("transaction-1"), secs(31), Fact::LateResponse);
    assert_fact!(session, r#"{"handshake":"keepalive"}"#, secs(31), Fact::LateResponse);
    assert_fact!(session, echo(&id), secs(31), Fact::KeepaliveAnswered { .. });
}

#[test]
fn an_absurd_interval_is_not_obeyed() {
    for (interval, obeyed) in [("0", 30), ("-5", 30), ("1", 1), ("99999999999999", 600), ("null", 30)] {
        let mut session = opened(Dialect::Flat, 0.0);
        let text = state("registered", "[]").replace("30000", interval);
        session.handle(&text, Time::ZERO);
        let due = session.next_due().since(Time::ZERO).as_secs();
        assert!((1..=600).contains(&due), "{interval}: {due}");
        assert!(due == obeyed || due == 30, "{interval}: {due}");
    }
}

#[test]
fn a_connection_without_a_state_times_out_once() {
    let mut session = opened(Dialect::Flat, 0.0);
    assert_eq!(session.next_due(), Time::ZERO + TIMEOUT);
    assert_eq!(session.due(secs(10)), Some(Due::StateTimeout));
    assert_eq!(session.due(secs(11)), None);
    assert_eq!(session.next_due(), Time::NEVER);
}

#[test]
fn a_response_finds_its_request_by_its_transaction_in_any_order() {
    let mut session = attached(Dialect::Flat);
    let first = ask(&mut session, 1, secs(1));
    let second = ask(&mut session, 2, secs(2));
    assert_fact!(session, ack(&second), secs(3), Fact::Response { tag: 2, sent, .. } if sent == secs(2));
    assert_fact!(
        session,
        refusal(&first),
        secs(4),
        Fact::Response { tag: 1, outcome: ResponseOutcome::Error { code: Some(458), .. }, .. }
    );
    assert_fact!(session, ack(&first), secs(5), Fact::LateResponse);
    assert_fact!(session, ack("transaction-9999"), secs(5), Fact::LateResponse);
    assert_fact!(session, r#"{"response":"ack"}"#, secs(5), Fact::LateResponse);
}

#[test]
fn a_request_without_a_response_times_out_and_its_response_is_late_then() {
    let mut session = attached(Dialect::Flat);
    let id = ask(&mut session, 5, secs(1));
    assert_eq!(session.next_due(), secs(11));
    let request = RequestName::IceTrickle;
    assert_eq!(session.due(secs(11)), Some(Due::RequestTimeout { request, tag: 5 }));
    assert_eq!(session.due(secs(11)), None);
    assert_fact!(session, ack(&id), secs(12), Fact::LateResponse);
}

#[test]
fn requests_beyond_what_is_kept_time_out_and_are_not_forgotten() {
    let mut session = attached(Dialect::Flat);
    for tag in 0..300 {
        ask(&mut session, tag, secs(1));
    }
    assert_eq!(session.next_due(), Time::ZERO);
    let mut timed_out = 0;
    while let Some(due) = session.due(secs(1)) {
        assert_eq!(due, Due::RequestTimeout { request: RequestName::IceTrickle, tag: timed_out });
        timed_out += 1;
    }
    assert_eq!((timed_out, session.pending()), (300 - 256, 256));
    assert_eq!(session.next_due(), secs(11));
}

#[test]
fn no_transaction_is_used_twice_not_even_over_a_reconnect() {
    let mut session = attached(Dialect::Flat);
    let mut ids = std::collections::BTreeSet::new();
    for round in 0..50 {
        assert!(ids.insert(ask(&mut session, round, secs(1))));
        assert!(ids.insert(beat(&mut session, secs(1))));
        session.opened(secs(1));
        session.handle(&state("registered", "[null]"), secs(1));
    }
}

#[test]
fn an_answer_from_before_a_reconnect_is_late() {
    let mut session = attached(Dialect::Flat);
    let id = ask(&mut session, 1, secs(1));
    session.opened(secs(2));
    assert_eq!(session.pending(), 0);
    assert!(!session.is_attached() && session.lines().is_empty());
    assert_fact!(session, ack(&id), secs(3), Fact::LateResponse);
}

#[test]
fn a_second_state_changes_the_registration_and_keeps_lines_and_keepalive() {
    let mut session = attached(Dialect::Flat);
    let line = session.take_line(Time::ZERO).unwrap();
    let due = session.next_due();
    assert_fact!(session, state("unregistered", "[]"), secs(5), Fact::State { again: true, .. });
    assert!(!session.is_ready());
    assert!(session.lines().is_busy(line));
    assert_eq!(session.next_due(), due);
}

#[test]
fn a_state_with_nothing_in_it_attaches_without_lines_and_without_a_registration() {
    let mut session = opened(Dialect::Flat, 0.0);
    assert_fact!(session, r#"{"handshake":"state"}"#, Time::ZERO, Fact::State { again: false, .. });
    assert!(session.is_attached() && !session.is_ready());
    assert_eq!(session.take_line(secs(1)), None);
    assert_eq!(session.next_due(), secs(30));
}

#[test]
fn a_state_of_ten_thousand_lines_is_cut() {
    let mut session = opened(Dialect::Flat, 0.0);
    let lines = format!("[{}]", vec!["null"; 10_000].join(","));
    session.handle(&state("registered", &lines), Time::ZERO);
    assert!(session.lines().len() <= MAX_LINES_KEPT);
}

#[test]
fn a_line_without_a_call_id_is_free_and_one_with_a_call_is_busy() {
    let mut session = opened(Dialect::Flat, 0.0);
    let lines = r#"[{"call_id":null,"call_logs":[]},{"call_id":"x","call_logs":[[1,{"event":"?"}],7]}]"#;
    session.handle(&state("registered", lines), Time::ZERO);
    assert!(!session.lines().is_busy(0) && session.lines().is_busy(1));
}

#[test]
fn the_registration_follows_its_events_and_a_limited_one_is_not_ready() {
    let mut session = opened(Dialect::Flat, 0.0);
    session.handle(&state("unregistered", "[null]"), Time::ZERO);
    let registered = r#"{"event":"registered","phrase":"ok"}"#;
    for (text, ready, limited) in [
        (r#"{"event":"registering"}"#, false, false),
        (r#"{"event":"registration_failed","code":503,"reason":null}"#, false, false),
        (r#"{"event":"registered","phrase":"authorization_failure"}"#, false, true),
        (registered, true, false),
        (registered, true, false),
        (r#"{"event":"unregistering"}"#, false, false),
        (registered, true, false),
        (r#"{"event":"unregistered"}"#, false, false),
    ] {
        assert_fact!(session, text, secs(1), Fact::Event(_));
        assert_eq!((session.is_ready(), session.is_limited()), (ready, limited), "{text}");
    }
}

#[test]
fn a_registration_before_the_state_makes_nobody_ready() {
    let mut session = opened(Dialect::Flat, 0.0);
    assert_fact!(session, r#"{"event":"registered","phrase":"ok"}"#, Time::ZERO, Fact::Event(_));
    assert!(!session.is_ready());
    assert_fact!(session, event("incoming_call", "0", "a"), Time::ZERO, Fact::StrayEvent(_));
    assert_eq!(session.next_due(), secs(10));
}

#[test]
fn an_incoming_call_takes_its_line_and_its_hangup_frees_it_after_the_guard() {
    let mut session = attached(Dialect::Flat);
    assert_fact!(session, event("incoming_call", "1", "a"), secs(1), Fact::LineEvent { line: 1, .. });
    assert!(session.lines().is_busy(1));
    // Said twice, on a line that is taken, on one that there is not, and on none.
    for line in ["1", "7", "null"] {
        assert_fact!(session, event("incoming_call", line, "a"), secs(1), Fact::StrayEvent(_));
    }
    assert_fact!(session, event("hangup", "1", "a"), secs(2), Fact::LineEvent { line: 1, .. });
    assert_fact!(session, event("hangup", "1", "a"), secs(2), Fact::StrayEvent(_));
    assert_eq!(session.take_line(secs(2)), Some(0));
    assert_eq!(session.take_line(secs(2)), None);
    assert_eq!(session.take_line(secs(2) + LINE_REUSE_GUARD), Some(1));
}

#[test]
fn an_ice_hangup_lifts_the_guard() {
    let mut session = attached(Dialect::Flat);
    session.handle(&event("incoming_call", "0", "a"), secs(1));
    session.handle(&event("incoming_call", "1", "b"), secs(1));
    session.handle(&event("hangup", "0", "a"), secs(2));
    assert_eq!(session.take_line(secs(2)), None);
    session.handle(r#"{"event":"ice_hangup","line":0,"reason":"Close PC"}"#, secs(2));
    assert_eq!(session.take_line(secs(2)), Some(0));
}

#[test]
fn an_event_finds_its_call_by_line_and_call_id_or_by_call_id_alone() {
    let mut session = attached(Dialect::Flat);
    session.handle(&event("incoming_call", "0", "a"), secs(1));
    for line in ["0", "null", "9", "\"0\"", "70000"] {
        assert_fact!(session, event("accepting", line, "a"), secs(1), Fact::LineEvent { line: 0, .. });
    }
    // With a transaction that is foreign; and the other line's call is another call.
    let foreign = r#"{"event":"accepting","line":0,"call_id":"a","transaction":"transaction-5"}"#;
    assert_fact!(session, foreign, secs(1), Fact::LineEvent { line: 0, .. });
    assert_fact!(session, event("accepting", "1", "a"), secs(1), Fact::StrayEvent(_));
    assert_fact!(session, event("hangup", "0", "b"), secs(1), Fact::StrayEvent(_));
    assert!(session.lines().is_busy(0));
}

#[test]
fn two_calls_of_one_call_id_are_told_apart_by_their_lines() {
    let mut session = attached(Dialect::Flat);
    session.handle(&event("incoming_call", "0", "a"), secs(1));
    session.handle(&event("incoming_call", "1", "a"), secs(1));
    assert_fact!(session, event("hangup", "1", "a"), secs(1), Fact::LineEvent { line: 1, .. });
    assert!(session.lines().is_busy(0) && !session.lines().is_busy(1));
}

#[test]
fn what_is_no_message_or_an_unknown_one_changes_nothing() {
    let mut session = attached(Dialect::Flat);
    for text in ["", "null", "[]", "{", "\u{feff}{}", "7", r#"{"event":"hangup"} x"#] {
        assert_fact!(session, text, secs(1), Fact::Malformed(_));
    }
    for text in [r#"{"event":"transfer_tried"}"#, r#"{"handshake":"hello"}"#, r#"{"response":"maybe"}"#] {
        assert_fact!(session, text, secs(1), Fact::Unknown(_));
    }
    assert!(session.is_ready());
    assert_eq!(session.next_due(), secs(30));
}

#[test]
fn a_call_has_a_call_id_of_its_own_and_a_candidate_has_none() {
    let mut session = attached(Dialect::Flat);
    let line = session.take_line(Time::ZERO).unwrap();
    let call_id = session.lines().call_id(line).unwrap().to_owned();
    let mut out = Vec::new();
    session.request(Some(line), &RequestBody::Hangup.into(), 0, secs(1), &mut out).unwrap();
    assert!(std::str::from_utf8(&out).unwrap().contains(&call_id));
    let candidate = RequestBody::IceTrickle { candidate: Candidate::EndNull };
    session.request(Some(line), &candidate.into(), 0, secs(1), &mut out).unwrap();
    assert!(!std::str::from_utf8(&out).unwrap().contains(&call_id));
    session.free_line(line, secs(2));
    assert_eq!(session.lines().busy(), 0);
    assert_eq!(session.lines().free_from(), Time::ZERO);
}

#[test]
fn an_interval_of_ones_own_holds_where_it_is_shorter_than_the_servers() {
    for (own, expected) in [(1, 1), (60, 30)] {
        let settings = SessionSettings {
            keepalive_interval: Some(Duration::from_secs(own)),
            ..SessionSettings::default()
        };
        let mut session = Session::new(Dialect::Flat, settings, 1, 0, Seed(7).stream("client", 0));
        session.opened(Time::ZERO);
        session.handle(&state("registered", "[]"), Time::ZERO);
        assert_eq!(session.keepalive_interval(), Duration::from_secs(expected));
        assert!(session.next_due() <= Time::ZERO + Duration::from_secs(expected));
    }
}
