use super::*;

const CALL: &str = "kT4vQ9mZc2XwB7nLr0HsYd3E";

/// A guest line with a call, all else as in [`ThreeLines`].
struct WithGuest;

impl LineTable for WithGuest {
    fn on(&self, line: Line) -> OnLine<'_> {
        if line == Line::Guest { OnLine::Call(CALL) } else { ThreeLines.on(line) }
    }
}

/// Line 0 free, line 1 with a call, line 2 closing, and no more.
struct ThreeLines;

impl LineTable for ThreeLines {
    fn on(&self, line: Line) -> OnLine<'_> {
        match line {
            Line::Main(0) => OnLine::Free,
            Line::Main(1) => OnLine::Call(CALL),
            Line::Main(2) => OnLine::Closing(CALL),
            _ => OnLine::Nothing,
        }
    }
}

fn rules() -> SessionRules {
    SessionRules {
        dialect: None,
        early_requests: EarlyRequests::Close,
        supervision: Supervision::Generous,
        keepalive_interval: Duration::from_secs(30),
        reading: Reading::Tolerant,
    }
}

fn session() -> CoreSession {
    let mut session = CoreSession::new(rules(), Time::ZERO);
    session.state_sent(Time::ZERO);
    session
}

/// What is heard, in a word.
fn word(heard: &Heard<'_>) -> String {
    match heard {
        Heard::Keepalive(_) => "keepalive".into(),
        Heard::Request(request) => request.body.name().name().into(),
        Heard::Late(_) => "late".into(),
        Heard::Refused(_, refusal, _) => format!("error {}", refusal.code),
        Heard::Repeated(_, answer) => format!("repeated {}", if answer.is_ok() { "ack" } else { "error" }),
        Heard::Hold => "hold".into(),
        Heard::Close(violation, _) => format!("close {}", violation.closes().unwrap().0.code()),
        Heard::Ignore => "ignore".into(),
    }
}

fn hear(text: &str) -> String {
    word(&session().receive(text, Time::ZERO, &ThreeLines))
}

fn call_request(name: &str, line: &str, call_id: &str) -> String {
    format!(
        r#"{{"request":"{name}","transaction":"transaction-1","line":{line},"call_id":"{call_id}","number":"7"}}"#
    )
}

#[test]
fn what_is_no_message_closes_with_the_code_of_the_table() {
    for (text, expected) in [
        ("", "close 4101"),
        ("BYE sip:a SIP/2.0", "close 4101"),
        (r#"{"request":"hangup","transaction":"#, "close 4101"),
        ("[]", "close 4501"),
        ("null", "close 4501"),
        ("{}", "close 4501"),
        (r#"{"request":null}"#, "close 4501"),
        (r#"{"event":"hangup","line":0}"#, "close 4501"),
        (r#"{"handshake":"state"}"#, "close 4501"),
        (r#"{"request":"hangup","line":0,"call_id":"x"}"#, "close 4501"),
        (r#"{"request":"hangup","transaction":7,"line":0,"call_id":"x"}"#, "close 4501"),
        (r#"{"request":"hangup","transaction":"t","line":"0","call_id":"x"}"#, "close 4501"),
        (r#"{"request":"reboot","transaction":"t"}"#, "close 4600"),
    ] {
        assert_eq!(hear(text), expected, "{text}");
    }
}

#[test]
fn a_request_must_name_the_call_that_is_on_its_line() {
    for (request, line, call_id, expected) in [
        ("hangup", "1", CALL, "hangup"),
        ("hangup", "1", "another", "close 4610"),
        ("hangup", "0", CALL, "close 4610"),
        ("hangup", "2", CALL, "late"),
        ("hangup", "2", "another", "close 4610"),
        ("hangup", "3", CALL, "close 4610"),
        ("hangup", "99999", CALL, "close 4610"),
        ("hangup", "null", CALL, "close 4610"),
        ("outgoing_call", "0", CALL, "outgoing_call"),
        ("outgoing_call", "2", CALL, "outgoing_call"),
        ("outgoing_call", "1", CALL, "error 503"),
        ("outgoing_call", "3", CALL, "error 503"),
        ("outgoing_call", "null", CALL, "error 503"),
    ] {
        assert_eq!(hear(&call_request(request, line, call_id)), expected, "{request} {line} {call_id}");
    }
}

#[test]
fn the_guest_line_is_a_line_of_the_flat_dialect_alone() {
    let trickle = r#"{"request":"ice_trickle","transaction":"t","line":null,"candidate":null}"#;
    for (text, flat, nested) in [
        (call_request("outgoing_call", "null", "another"), "error 503", "error 503"),
        (call_request("hangup", "null", CALL), "hangup", "close 4610"),
        (call_request("hangup", "null", "another"), "close 4610", "close 4610"),
        (trickle.to_owned(), "ice_trickle", "close 4610"),
    ] {
        for (dialect, expected) in [(Dialect::Flat, flat), (Dialect::Nested, nested)] {
            let mut session =
                CoreSession::new(SessionRules { dialect: Some(dialect), ..rules() }, Time::ZERO);
            session.state_sent(Time::ZERO);
            assert_eq!(word(&session.receive(&text, Time::ZERO, &WithGuest)), expected, "{dialect} {text}");
        }
    }
}

#[test]
fn a_candidate_needs_a_call_on_its_line() {
    for (line, expected) in [(0, "error 471"), (1, "ice_trickle"), (2, "late"), (3, "close 4610")] {
        let text = format!(r#"{{"request":"ice_trickle","transaction":"t","line":{line},"candidate":null}}"#);
        assert_eq!(hear(&text), expected, "{line}");
    }
}

#[test]
fn requests_before_the_state_are_treated_as_the_rule_says() {
    let text = call_request("hangup", "1", CALL);
    for (rule, expected) in [
        (EarlyRequests::Close, "close 4432"),
        (EarlyRequests::Hold, "hold"),
        (EarlyRequests::Process, "hangup"),
    ] {
        let rules = SessionRules { early_requests: rule, ..rules() };
        let mut session = CoreSession::new(rules, Time::ZERO);
        assert_eq!(word(&session.receive(&text, Time::ZERO, &ThreeLines)), expected);
        session.state_sent(Time::ZERO);
        assert_eq!(word(&session.receive(&text, Time::ZERO, &ThreeLines)), "hangup");
    }
}

#[test]
fn a_transaction_that_was_answered_is_a_retransmission_for_a_while() {
    let mut session = session();
    let text = call_request("hangup", "1", CALL);
    assert_eq!(word(&session.receive(&text, Time::ZERO, &ThreeLines)), "hangup");
    session.answered("transaction-1", Ok(()));
    assert_eq!(word(&session.receive(&text, Time::ZERO, &ThreeLines)), "repeated ack");
    let busy = call_request("outgoing_call", "1", CALL).replace("transaction-1", "transaction-2");
    let Heard::Refused(request, refusal, _) = session.receive(&busy, Time::ZERO, &ThreeLines) else {
        panic!("the line is busy");
    };
    session.answered(&request.transaction, Err(refusal));
    assert_eq!(word(&session.receive(&busy, Time::ZERO, &ThreeLines)), "repeated error");
    for number in 0..1_000 {
        session.answered(&format!("other-{number}"), Ok(()));
    }
    assert_eq!((session.answered.marks.len(), session.answered.refused.len()), (REMEMBERED_RESPONSES, 0));
    assert_eq!(word(&session.receive(&text, Time::ZERO, &ThreeLines)), "hangup");
    assert_eq!(word(&session.receive(&busy, Time::ZERO, &ThreeLines)), "error 503");
}

#[test]
fn the_first_message_shows_the_dialect() {
    for (text, expected) in [
        (r#"{"handshake":"keepalive","transaction":"t"}"#, Dialect::Flat),
        (r#"{"request":"keepalive","transaction":"t"}"#, Dialect::Nested),
        (
            r#"{"request":"call","line":0,"transaction":"t","call_id":"c","data":{"number":"7"}}"#,
            Dialect::Nested,
        ),
        (
            r#"{"request":"outgoing_call","line":0,"transaction":"t","call_id":"c","number":"7"}"#,
            Dialect::Flat,
        ),
        (r#"{"request":"hold","line":1,"transaction":"t","call_id":"c","data":{}}"#, Dialect::Nested),
        (
            r#"{"request":"peer_message","line":1,"transaction":"t","call_id":"c","type":"x","data":{}}"#,
            Dialect::Flat,
        ),
    ] {
        let mut session = session();
        session.receive(text, Time::ZERO, &ThreeLines);
        assert_eq!(session.dialect(), expected, "{text}");
        // It is settled once and for all.
        session.receive(r#"{"request":"keepalive","transaction":"t"}"#, Time::ZERO, &ThreeLines);
        session.receive(r#"{"handshake":"keepalive","transaction":"t"}"#, Time::ZERO, &ThreeLines);
        assert_eq!(session.dialect(), expected, "{text}");
    }
}

#[test]
fn any_message_is_a_sign_of_life() {
    let second = Duration::from_secs(1);
    for (supervision, interval, allowed) in [
        (Supervision::Generous, 30, Some(45)),
        (Supervision::Generous, 5, Some(15)),
        (Supervision::Strict, 30, Some(31)),
        (Supervision::Off, 30, None),
        (Supervision::NeverEcho, 30, None),
    ] {
        let rules = SessionRules { supervision, keepalive_interval: interval * second, ..rules() };
        let mut session = CoreSession::new(rules, Time::ZERO);
        session.state_sent(Time::ZERO);
        let text = call_request("hangup", "1", CALL);
        session.receive(&text, Time::ZERO + 3 * second, &ThreeLines);
        let expected = allowed.map_or(Time::NEVER, |allowed: u32| Time::ZERO + (3 + allowed) * second);
        assert_eq!(session.silent_at(), expected, "{supervision:?} {interval}");
    }
}

#[test]
fn keepalives_are_answered_unless_the_rule_is_never_to() {
    let text = r#"{"handshake":"keepalive","transaction":"t"}"#;
    assert_eq!(hear(text), "keepalive");
    let rules = SessionRules { supervision: Supervision::NeverEcho, ..rules() };
    let mut session = CoreSession::new(rules, Time::ZERO);
    assert_eq!(word(&session.receive(text, Time::ZERO, &ThreeLines)), "ignore");
}

#[test]
fn a_core_of_one_dialect_does_not_know_the_others_keepalive() {
    let (flat, nested) =
        (r#"{"handshake":"keepalive","transaction":"t"}"#, r#"{"request":"keepalive","transaction":"t"}"#);
    for (dialect, known, unknown) in [(Dialect::Flat, flat, nested), (Dialect::Nested, nested, flat)] {
        let mut session = CoreSession::new(SessionRules { dialect: Some(dialect), ..rules() }, Time::ZERO);
        session.state_sent(Time::ZERO);
        assert_eq!(word(&session.receive(known, Time::ZERO, &ThreeLines)), "keepalive");
        assert_eq!(word(&session.receive(unknown, Time::ZERO, &ThreeLines)), "ignore");
    }
}
