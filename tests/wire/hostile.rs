//! The 80 hostile texts, each ending as the vectors' README says.

use std::fs;

use wtsp_load::protocol::{
    Candidate, Event, EventBody, FromCore, Line, Malformed, Reading, RegistrationStatus, Repair,
    ResponseOutcome, State, decode_bytes_from_client, decode_bytes_from_core, decode_from_core,
};

use super::{READINGS, folder, hostile};

/// The first number of a hostile file's name.
fn number(name: &str) -> u32 {
    name.split('-').next().unwrap().parse().unwrap()
}

/// The word that the README has for each hostile file.
fn expected_words() -> Vec<(String, String)> {
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    let table = readme.split("## invalid").nth(1).unwrap();
    let words: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[3].to_owned())
        })
        .collect();
    assert_eq!(words.len(), 80);
    words
}

/// Damage that hides in a value nobody needs, so that only a strict reader sees it.
const HIDDEN_DAMAGE: [u32; 2] = [18, 68];

#[test]
fn every_hostile_text_ends_as_its_word_says() {
    for ((name, word), (file, bytes)) in expected_words().into_iter().zip(hostile()) {
        assert_eq!(name, file);
        for reading in READINGS {
            let end = decode_bytes_from_core(&bytes, reading);
            let is_right = match &*word {
                "parse" if HIDDEN_DAMAGE.contains(&number(&name)) && reading == Reading::Tolerant => true,
                "parse" | "protocol" => end.is_err(),
                "unknown" => matches!(&end, Ok(decoded) if matches!(decoded.message, FromCore::Unknown(_))),
                "tolerate" | "ignore" => {
                    matches!(&end, Ok(decoded) if !matches!(decoded.message, FromCore::Unknown(_)))
                }
                word => panic!("{word}"),
            };
            assert!(is_right, "{name} ({word}, {reading:?}): {end:?}");
        }
    }
}

#[test]
fn every_refused_text_is_refused_for_the_right_reason() {
    use Malformed::*;
    for (name, bytes) in hostile() {
        let expected = match number(&name) {
            16 => NotUtf8,
            23..=26 | 79 => NotAnObject,
            27 | 28 => NoKind,
            30 | 31 => KindNotText,
            36 | 37 => DuplicateKey,
            56 | 57 | 80 => MissingProperty("callee"),
            1..=22 | 43 | 68 | 69 => NotJson,
            _ => continue,
        };
        assert_eq!(decode_bytes_from_core(&bytes, Reading::Strict).unwrap_err(), expected, "{name}");
        let tolerant = decode_bytes_from_core(&bytes, Reading::Tolerant);
        match number(&name) {
            69 => assert_eq!(tolerant.unwrap_err(), NoKind),
            number if HIDDEN_DAMAGE.contains(&number) => {}
            _ => assert_eq!(tolerant.unwrap_err(), expected, "{name}"),
        }
    }
}

#[test]
fn every_repair_of_a_hostile_text_is_the_one_its_text_names() {
    for (name, bytes) in hostile() {
        let expected: &[Repair] = match number(&name) {
            29 => &[Repair::MultiKind],
            38..=40 | 42 => &[Repair::BadLine],
            44 | 46 => &[Repair::Coerced],
            45 => &[Repair::NullProperty],
            47 => &[Repair::NoCallId, Repair::NullProperty],
            48 | 49 => &[Repair::NoCallId],
            50 => &[Repair::BadTransaction],
            52..=54 => &[Repair::BadJsep],
            55 => &[Repair::BadCandidate],
            58 => &[Repair::BadLines],
            59..=62 => &[Repair::BadKeepaliveInterval],
            63 | 64 => &[Repair::BadRegistration],
            65 => &[Repair::SkippedLogEntry],
            66 => &[Repair::NoCallLogs],
            67 => &[Repair::TooManyLines],
            77 => &[Repair::NoCode],
            // Nothing for the codec to put right: what is odd here is for the session, the scenario or the log.
            41 | 51 | 70..=76 | 78 => &[],
            _ => continue,
        };
        for reading in READINGS {
            let repairs = decode_bytes_from_core(&bytes, reading).unwrap().repairs;
            for repair in expected {
                assert!(repairs.contains(*repair), "{name}: {repairs:?}");
            }
            assert_eq!(repairs.iter().count(), expected.len(), "{name}: {repairs:?}");
        }
    }
}

/// Runs `check` on what a client makes of the hostile text number `wanted`.
fn with_hostile(wanted: u32, check: impl FnOnce(FromCore<'_>)) {
    let (_, bytes) = hostile().into_iter().find(|(name, _)| number(name) == wanted).unwrap();
    check(decode_bytes_from_core(&bytes, Reading::Tolerant).unwrap().message);
}

fn with_event(wanted: u32, check: impl FnOnce(Event<'_>)) {
    with_hostile(wanted, |message| match message {
        FromCore::Event(event) => check(event),
        other => panic!("{other:?}"),
    });
}

fn with_state(wanted: u32, check: impl FnOnce(State<'_>)) {
    with_hostile(wanted, |message| match message {
        FromCore::State(state) => check(state),
        other => panic!("{other:?}"),
    });
}

#[test]
fn three_kinds_at_once_are_a_response() {
    with_hostile(29, |message| {
        let FromCore::Response(response) = message else { panic!() };
        assert_eq!(response.outcome, ResponseOutcome::Ack);
    });
}

#[test]
fn an_impossible_line_leaves_the_call_id_to_go_by() {
    for (file, line) in [
        (38, Line::Invalid),
        (39, Line::Invalid),
        (40, Line::Invalid),
        (41, Line::Main(4096)),
        (42, Line::Invalid),
    ] {
        with_event(file, |event| {
            assert_eq!(event.line, line);
            assert_eq!(event.call_id.as_deref(), Some("kT4vQ9mZc2XwB7nLr0HsYd3E"));
        });
    }
}

#[test]
fn codes_and_reasons_of_other_types_are_coerced() {
    for (file, reason) in [(44, Some("ok")), (45, None), (46, Some("200"))] {
        with_event(file, |event| {
            let EventBody::Hangup { code, reason: found } = event.body else { panic!() };
            assert_eq!((code, found.as_deref()), (Some(200), reason));
        });
    }
}

#[test]
fn ids_of_other_types_match_nothing() {
    for file in [47, 48, 49] {
        with_event(file, |event| assert!(event.call_id.is_none()));
    }
    with_hostile(50, |message| {
        let FromCore::Response(response) = message else { panic!() };
        assert!(response.transaction.is_none());
    });
}

#[test]
fn an_unusable_session_description_is_absent() {
    for file in [52, 53, 54] {
        with_event(file, |event| assert!(matches!(event.body, EventBody::Accepted { jsep: None, .. })));
    }
    with_event(55, |event| {
        assert!(matches!(event.body, EventBody::IceTrickle { candidate: Candidate::Invalid(_) }));
    });
}

#[test]
fn a_bad_interval_is_half_a_minute() {
    for file in 59..=62 {
        with_state(file, |state| assert_eq!(state.keepalive_interval().0.as_secs(), 30));
    }
}

#[test]
fn an_interval_out_of_bounds_is_clamped() {
    let interval = |announced: &str| {
        let text = format!(r#"{{"handshake":"state","lines":[],"keepalive_interval":{announced}}}"#);
        let decoded = decode_from_core(&text, Reading::Tolerant).unwrap();
        let FromCore::State(state) = decoded.message else { panic!() };
        (state.keepalive_interval().0.as_millis(), decoded.repairs.contains(Repair::BadKeepaliveInterval))
    };
    assert_eq!(interval("25000"), (25_000, false));
    assert_eq!(interval("1000"), (1000, false));
    assert_eq!(interval("20"), (1000, true));
    assert_eq!(interval("700000"), (600_000, true));
    assert_eq!(interval("25000.5"), (30_000, true));
    assert_eq!(interval("\"25000\""), (25_000, false));
}

#[test]
fn what_a_state_says_badly_is_not_ready_or_not_there() {
    with_state(58, |state| assert!(state.lines.is_empty()));
    for file in [63, 64] {
        with_state(file, |state| assert_eq!(state.registration.status, RegistrationStatus::Unknown));
    }
    with_state(65, |state| {
        let line = state.lines[0].as_ref().unwrap();
        assert!(line.call_id.is_some() && line.call_logs.is_empty() && line.uncertain);
    });
    with_state(66, |state| assert!(state.lines[0].as_ref().unwrap().uncertain));
    with_state(67, |state| assert_eq!(state.lines.len(), 4096));
}

#[test]
fn unknown_names_are_told_as_they_stand() {
    for (file, name) in [(32, "event"), (33, "handshake"), (34, "response"), (35, "event")] {
        with_hostile(file, |message| {
            let FromCore::Unknown(unknown) = message else { panic!() };
            assert_eq!(unknown.kind.key(), name);
            assert!(!unknown.name.is_empty());
        });
    }
}

#[test]
fn odd_but_valid_texts_keep_their_value() {
    with_event(70, |event| {
        let EventBody::Hangup { reason, .. } = event.body else { panic!() };
        assert!(reason.unwrap().len() > 200_000);
    });
    for file in [71, 73] {
        with_event(file, |event| assert!(matches!(event.body, EventBody::Registered { .. })));
    }
    with_event(72, |event| assert_eq!(event.call_id.as_deref(), Some("kT4v\0Q9mZ")));
    with_event(74, |event| {
        let EventBody::Hangup { reason, .. } = event.body else { panic!() };
        assert!(reason.unwrap().contains("\u{1b}[31m"));
    });
    with_hostile(77, |message| {
        let FromCore::Response(response) = message else { panic!() };
        assert_eq!(response.outcome, ResponseOutcome::Error { code: None, reason: Some("?".into()) });
    });
    with_hostile(78, |message| {
        let FromCore::Keepalive(echo) = message else { panic!() };
        assert!(echo.transaction.is_none());
    });
}

#[test]
fn a_text_beyond_a_mebibyte_is_refused_unread() {
    let text = format!(r#"{{"event":"registered","x":"{}"}}"#, "y".repeat(1 << 20));
    assert_eq!(decode_from_core(&text, Reading::Tolerant).unwrap_err(), Malformed::TooLong);
}

#[test]
fn a_core_closes_with_the_code_for_what_it_cannot_read() {
    for ((name, word), (_, bytes)) in expected_words().into_iter().zip(hostile()) {
        let end = decode_bytes_from_client(&bytes, Reading::Strict);
        match (&*word, end) {
            ("parse", Err(Malformed::NotUtf8)) => assert_eq!(number(&name), 16),
            ("parse", Err(malformed)) => assert_eq!(malformed.close_code().code(), 4101, "{name}"),
            ("parse", Ok(_)) => panic!("{name}"),
            // Some are events without what an event needs, and it is no business of a core to look for that.
            ("protocol", Ok(decoded)) => {
                assert!(matches!(decoded.message, wtsp_load::protocol::FromClient::Unknown(_)), "{name}")
            }
            ("protocol", Err(malformed)) => assert_eq!(malformed.close_code().code(), 4501, "{name}"),
            _ => {}
        }
    }
}
