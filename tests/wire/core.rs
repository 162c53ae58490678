//! The rules by which a core reads, and what it answers: sections 3.5, 3.6, 4 and 6.1 of the protocol.

use wtsp_load::protocol::{
    Dialect, FromClient, Line, Malformed, Reading, Request, RequestBody, decode_from_client,
};

use super::{Message, decoded, vector};

fn refused(text: &str) -> Malformed {
    decode_from_client(text, Reading::Tolerant).unwrap_err()
}

#[test]
fn a_core_refuses_wrong_types_where_a_client_repairs() {
    let request = |rest: &str| format!(r#"{{"request":"hold","transaction":"t","call_id":"c",{rest}}}"#);
    assert_eq!(refused(&request(r#""line":"0""#)), Malformed::WrongType("line"));
    assert_eq!(refused(&request(r#""line":0.5"#)), Malformed::WrongType("line"));
    assert_eq!(refused(&request(r#""line":0,"direction":{}"#)), Malformed::WrongType("direction"));
    assert_eq!(
        refused(r#"{"request":"hangup","transaction":"t","line":0,"call_id":7}"#),
        Malformed::WrongType("call_id")
    );
    assert_eq!(
        refused(r#"{"request":"hangup","transaction":"t","line":0}"#),
        Malformed::MissingProperty("call_id")
    );
    assert_eq!(
        refused(r#"{"request":"hangup","transaction":"t","call_id":"c"}"#),
        Malformed::MissingProperty("line")
    );
    assert_eq!(
        refused(r#"{"request":"hangup","line":0,"call_id":"c"}"#),
        Malformed::MissingProperty("transaction")
    );
    assert_eq!(
        refused(r#"{"request":"hangup","transaction":7,"line":0,"call_id":"c"}"#),
        Malformed::WrongType("transaction")
    );
    assert_eq!(
        refused(r#"{"request":"ice_trickle","transaction":"t","line":0,"candidate":[]}"#),
        Malformed::WrongType("candidate")
    );
    assert_eq!(
        refused(r#"{"request":"accept","transaction":"t","line":0,"call_id":"c","jsep":"v=0"}"#),
        Malformed::WrongType("jsep")
    );
}

#[test]
fn a_line_that_no_client_has_is_well_typed_and_left_to_the_session() {
    for line in ["-1", "70000"] {
        let text = format!(r#"{{"request":"hangup","transaction":"t","line":{line},"call_id":"c"}}"#);
        let FromClient::Request(request) = decode_from_client(&text, Reading::Strict).unwrap().message else {
            panic!()
        };
        assert_eq!(request.line, Line::Invalid);
    }
}

#[test]
fn an_unknown_request_is_known_to_be_one() {
    for text in [r#"{"request":"teleport"}"#, r#"{"event":"ringing"}"#, r#"{"handshake":"state"}"#] {
        let decoded = decode_from_client(text, Reading::Strict).unwrap();
        assert!(matches!(decoded.message, FromClient::Unknown(_)), "{text}");
    }
}

#[test]
fn nulls_of_the_real_client_are_no_repairs() {
    let vector = vector(Dialect::Flat, "request-outgoing_call-client-shape");
    let (Message::Client(FromClient::Request(Request { body, .. })), repairs) =
        decoded(&vector, Reading::Strict)
    else {
        panic!()
    };
    assert!(matches!(body, RequestBody::OutgoingCall { from: None, refer_id: None, replaces: None, .. }));
    assert!(repairs.is_empty());
}

#[test]
fn a_keepalive_is_answered_in_kind_and_a_flat_one_byte_for_byte() {
    let flat = " {\"handshake\" : \"keepalive\", \"n\":1.50, \"data\":[1] }\n";
    let nested = r#"{"request":"keepalive","line":0,"transaction":"transaction-7"}"#;
    for (text, answer) in
        [(flat, flat), (nested, r#"{"response":"ack","line":0,"transaction":"transaction-7"}"#)]
    {
        let decoded = decode_from_client(text, Reading::Strict).unwrap();
        assert!(decoded.repairs.is_empty());
        let FromClient::Keepalive(keepalive) = decoded.message else { panic!() };
        let mut out = Vec::new();
        keepalive.answer().encode(Dialect::Nested, &mut out).unwrap();
        assert_eq!(std::str::from_utf8(&out).unwrap(), answer);
    }
}

#[test]
fn an_answer_gives_back_the_requests_line_and_call() {
    let text = r#"{"request":"hangup","transaction":"t","line":null,"call_id":"c"}"#;
    let FromClient::Request(request) = decode_from_client(text, Reading::Strict).unwrap().message else {
        panic!()
    };
    let mut out = Vec::new();
    request.ack().encode(Dialect::Flat, &mut out).unwrap();
    assert_eq!(out, br#"{"response":"ack","transaction":"t","line":null,"call_id":"c"}"#);
    request.refuse(503, "busy line".into()).encode(Dialect::Flat, &mut out).unwrap();
    assert_eq!(
        out,
        br#"{"response":"error","transaction":"t","line":null,"call_id":"c","code":503,"reason":"busy line"}"#
    );
}
