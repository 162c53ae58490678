//! The rules by which a client reads: sections 3.2, 3.4, 3.6 and 7 of the protocol.

use wtsp_load::protocol::{
    Decoded, Dialect, EventBody, FromCore, Line, Malformed, Reading, Registration, RegistrationStatus,
    Repair, ResponseOutcome, decode_from_core,
};

use super::{Message, decoded, vector};

fn core(text: &str) -> Decoded<FromCore<'_>> {
    decode_from_core(text, Reading::Strict).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn data_wins_over_the_top_level_but_not_for_the_envelope() {
    // In whichever order the two come.
    for text in [
        r#"{"event":"hangup","line":1,"call_id":"top","code":1,"data":{"line":2,"call_id":"in","code":2,"reason":"r"}}"#,
        r#"{"data":{"line":2,"call_id":"in","code":2,"reason":"r"},"event":"hangup","line":1,"call_id":"top","code":1}"#,
        r#"{"event":"hangup","data":{"line":2,"call_id":"in","code":2,"reason":"r"},"line":1,"call_id":"top","code":1}"#,
    ] {
        let Decoded { message: FromCore::Event(event), repairs } = core(text) else { panic!() };
        assert_eq!((event.line, event.call_id.as_deref()), (Line::Main(1), Some("top")), "{text}");
        assert!(matches!(event.body, EventBody::Hangup { code: Some(2), .. }), "{text}");
        assert!(repairs.contains(Repair::DialectMix), "{text}");
    }
}

#[test]
fn properties_are_found_where_the_other_dialect_has_them() {
    let nested = r#"{"event":"incoming_call","line":1,"call_id":"c","data":{"callee":"1","caller":"2"}}"#;
    let flat = r#"{"event":"call","line":1,"call_id":"c","callee":"1","caller":"2"}"#;
    for text in [nested, flat] {
        let Decoded { message: FromCore::Event(event), repairs } = core(text) else { panic!() };
        assert!(matches!(event.body, EventBody::IncomingCall(_)), "{text}");
        assert!(repairs.contains(Repair::DialectMix), "{text}");
    }
}

#[test]
fn the_data_of_a_peer_message_is_its_own_wherever_it_stands() {
    for text in [
        r#"{"event":"peer_message","line":1,"call_id":"c","type":"t","data":{"type":"inner","line":7}}"#,
        r#"{"call_id":"c","data":{"type":"inner","line":7},"event":"peer_message","line":1,"type":"t"}"#,
    ] {
        let Decoded { message: FromCore::Event(event), repairs } = core(text) else { panic!() };
        let EventBody::PeerMessage { kind, data, .. } = event.body else { panic!() };
        assert_eq!((&*kind, data.get(), event.line), ("t", r#"{"type":"inner","line":7}"#, Line::Main(1)));
        assert!(repairs.is_empty(), "{repairs:?}");
    }
}

#[test]
fn a_kind_inside_data_is_none() {
    assert_eq!(
        decode_from_core(r#"{"data":{"event":"registered"}}"#, Reading::Tolerant).unwrap_err(),
        Malformed::NoKind
    );
}

#[test]
fn data_that_is_no_object_is_absent() {
    for data in ["null", "[1]", "7", "-7", "0.5", "true", r#""{}""#] {
        for text in [
            format!(r#"{{"event":"ringing","line":0,"call_id":"c","data":{data}}}"#),
            format!(r#"{{"call_id":"c","data":{data},"event":"ringing","line":0}}"#),
        ] {
            let Decoded { message: FromCore::Event(event), repairs } = core(&text) else { panic!() };
            assert!(matches!(event.body, EventBody::Ringing));
            assert!(repairs.contains(Repair::BadData), "{text}");
        }
    }
}

#[test]
fn the_old_error_is_read_as_an_object_and_as_a_text() {
    for (error, code, reason) in [
        (r#"{"code":465,"reason":"Invalid SDP"}"#, Some(465), Some("Invalid SDP")),
        (r#""Invalid SDP""#, None, Some("Invalid SDP")),
        ("[]", None, None),
    ] {
        let text = format!(r#"{{"response":"error","transaction":"t","error":{error}}}"#);
        let Decoded { message: FromCore::Response(response), repairs } = core(&text) else { panic!() };
        let ResponseOutcome::Error { code: found, reason: said } = response.outcome else { panic!() };
        assert_eq!((found, said.as_deref()), (code, reason));
        assert!(repairs.contains(Repair::LegacyError));
    }
}

#[test]
fn ids_beyond_their_limits_match_nothing() {
    let long = "x".repeat(256);
    let text = format!(r#"{{"event":"ringing","line":0,"transaction":"{long}","call_id":"{long}"}}"#);
    let Decoded { message: FromCore::Event(event), repairs } = core(&text) else { panic!() };
    assert!(event.transaction.is_none() && event.call_id.is_none());
    assert!(repairs.contains(Repair::OverlongId));
}

#[test]
fn a_log_may_hold_events_requests_and_responses_and_keeps_its_order() {
    let vector = vector(Dialect::Flat, "handshake-state-active-call");
    let (Message::Core(FromCore::State(state)), _) = decoded(&vector, Reading::Strict) else { panic!() };
    let line = state.lines[0].as_ref().unwrap();
    assert!(!line.uncertain);
    let kinds: Vec<_> = ["\"event\"", "\"request\"", "\"response\""]
        .into_iter()
        .filter(|kind| line.call_logs.iter().any(|entry| entry.message.get().contains(kind)))
        .collect();
    assert_eq!(kinds.len(), 3);
}

#[test]
fn a_registration_says_why_it_failed() {
    let vector = vector(Dialect::Nested, "handshake-state-registration_failed");
    let (Message::Core(FromCore::State(state)), _) = decoded(&vector, Reading::Strict) else { panic!() };
    let Registration { status, code, reason } = state.registration;
    assert_eq!(status, RegistrationStatus::RegistrationFailed);
    assert!(code.is_some() && reason.is_some());
}
