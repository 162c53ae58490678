//! What becomes of calls: refusals and oddities, each counted where it belongs.

use std::time::Duration;

use crate::driver::{Ran, at_once, run};
use crate::independent::{Books, Dialect, Fate, Knobs, Server};

/// So many calls a second, evenly spaced.
fn calls(clients: u32, per_second: u32, seconds: u32) -> String {
    format!(
        "[clients]\nrequest_timeout = \"1s\"\n[[stages]]\nduration = \"500ms\"\nclients = {clients}\n[[stages]]\n\
         duration = \"{seconds}s\"\ncalls_per_second = {per_second}\n[[stages]]\nduration = \"1s\"\n[calls]\n\
         ring = {{ fixed = \"50ms\" }}\nhold = {{ fixed = \"150ms\" }}\ncandidates = 1\ncandidate_spacing = \"20ms\"\n"
    )
}

fn run_calls(dialect: Dialect, knobs: Knobs, load: &str) -> (Ran, Books) {
    let server = Server::start(knobs);
    let ran = run(&server, &format!("dialect = \"{}\"", dialect.name()), load);
    let books = server.books();
    ran.adds_up();
    (ran, books)
}

#[test]
fn one_call_in_a_hundred_refused_is_counted_exactly_and_fails_the_run() {
    at_once(Dialect::BOTH, |dialect| {
        let fate = Box::new(|call| if call % 100 == 50 { Fate::Refused(503) } else { Fate::Connected });
        let (ran, books) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 80) }, &calls(80, 50, 4));
        if ran.was_overrun() {
            return;
        }
        ran.agrees_with(&books);
        // On a machine that is too busy some may be blocked, and never reach the server.
        let (due, blocked) = (ran.count("attempts.due"), ran.count("attempts.blocked"));
        let sent = books.requests["outgoing_call"];
        let refused = (sent + 49) / 100;
        assert_eq!((due, sent), (200, due - blocked));
        assert!(refused >= 1);
        assert_eq!(ran.count("attempts.failed"), refused);
        assert_eq!(ran.count("attempts.answered"), sent - refused);
        assert_eq!(ran.count("attempts_failed.refused"), refused);
        assert_eq!(ran.count("requests.errors.503"), refused, "{}", ran.at("requests"));
        if blocked == 0 {
            assert_eq!(ran.at("kpi.ser"), 99.0);
        }
        ran.ends_with(1);
        assert!(ran.stdout.contains("FAIL") || ran.exit == 4, "{}", ran.stdout);
    });
}

#[test]
fn each_end_of_a_call_is_counted_under_its_name() {
    // Of ten calls each; those that are missing are connected.
    let fates = [
        (1, Fate::HungUp(486)),
        (2, Fate::HungUp(480)),
        (3, Fate::HungUp(404)),
        (4, Fate::HungUp(603)),
        (5, Fate::HungUp(500)),
        (6, Fate::HungUp(302)),
        (7, Fate::ErrorEvent(450)),
        (8, Fate::NoResponse),
    ];
    at_once(Dialect::BOTH, |dialect| {
        let fate = Box::new(move |call| {
            fates.iter().find(|(of, _)| *of == call % 10).map_or(Fate::Connected, |(_, fate)| *fate)
        });
        let (ran, books) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 60) }, &calls(60, 20, 3));
        if ran.was_overrun() {
            return;
        }
        ran.adds_up();
        ran.ends_with(1);
        assert_eq!(ran.count("attempts.due"), 60);
        assert_eq!(ran.count("attempts.blocked"), 0);
        for (what, count) in
            [("busy", 6), ("unavailable", 6), ("declined", 6), ("redirected", 6), ("answered", 12)]
        {
            assert_eq!(ran.count(&format!("attempts.{what}")), count, "{what} of {}", ran.at("attempts"));
        }
        // 404, 500, the error event, and no response at all.
        assert_eq!(ran.count("attempts.failed"), 24);
        assert_eq!(ran.count("attempts_failed.rejected"), 12);
        assert_eq!(ran.count("attempts_failed.event_error"), 6);
        assert_eq!(ran.count("attempts_failed.no_response"), 6);
        assert_eq!(ran.at("attempts_rejected"), &serde_json::json!({"404": 6, "500": 6}));
        assert_eq!(ran.at("event_errors"), &serde_json::json!({"450": 6}));
        assert_eq!(ran.at("hangups"), &serde_json::to_value(&books.hangups).unwrap());
        assert_eq!(ran.count("requests.timeouts"), 6, "{}", ran.at("requests"));
        // What was never answered is hung up all the same; this server never had such a call.
        assert_eq!(ran.disconnects(4610, "server", "in_call"), 6, "{}", ran.at("disconnects"));
        // Of 54 that count: 60 without the redirected.
        assert_eq!(ran.at("kpi.ser_all"), 22.2222);
        assert_eq!(ran.at("kpi.isa"), 11.1111, "only 500 counts, of 404 and 500");
    });
}

#[test]
fn calls_that_come_to_the_wrong_client_or_twice_are_found() {
    at_once(Dialect::BOTH, |dialect| {
        let fate = Box::new(|call| match call % 10 {
            3 => Fate::Misdelivered,
            7 => Fate::Duplicated,
            _ => Fate::Connected,
        });
        let (ran, books) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 60) }, &calls(60, 20, 2));
        if ran.was_overrun() {
            return;
        }
        ran.agrees_with(&books);
        assert_eq!(ran.count("attempts.answered"), 40);
        assert_eq!(ran.count("ledger.misdelivered"), 4);
        assert_eq!(ran.count("ledger.duplicated"), 4);
        assert_eq!(ran.count("ledger.lost"), 0);
    });
}

#[test]
fn odd_but_legal_servers_do_not_disturb_the_account() {
    at_once(Dialect::BOTH, |dialect| {
        let knobs = Knobs {
            events_first: true,
            rewrite_call_ids: true,
            sip_uris: true,
            late_transactions: false,
            select_subprotocol: false,
            fragments: true,
            ..Knobs::of(dialect, 40)
        };
        let (ran, books) = run_calls(dialect, knobs, &calls(40, 20, 2));
        if ran.was_overrun() {
            return;
        }
        ran.agrees_with(&books);
        ran.ends_with(0);
        assert_eq!(ran.count("attempts.answered"), 40);
        assert_eq!(ran.count("calls.completed"), 40);
        assert_eq!(ran.count("subprotocol_missing"), 41, "the scout included");
        assert_eq!(ran.at("target.subprotocol"), false);
        assert!(
            books.pings > 0 && books.pongs == books.pings,
            "{} pongs to {} pings",
            books.pongs,
            books.pings
        );
    });
}

#[test]
fn messages_that_come_twice_count_for_one_call() {
    at_once(Dialect::BOTH, |dialect| {
        let (ran, books) =
            run_calls(dialect, Knobs { twice: true, ..Knobs::of(dialect, 40) }, &calls(40, 20, 2));
        if ran.was_overrun() {
            return;
        }
        ran.adds_up();
        ran.ends_with(0);
        assert_eq!(ran.count("attempts.answered"), 40);
        assert_eq!(ran.count("calls.completed"), 40);
        assert_eq!(ran.at("events"), &serde_json::to_value(&books.events).unwrap());
        assert_eq!(ran.at("requests.sent"), &serde_json::to_value(&books.requests).unwrap());
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
        assert!(ran.count("stray_events") > 0);
    });
}

#[test]
fn a_response_that_comes_too_late_is_counted_as_late_and_as_timed_out() {
    at_once(Dialect::BOTH, |dialect| {
        let late = Duration::from_millis(1_400);
        let fate = Box::new(move |call| if call == 5 { Fate::LateResponse(late) } else { Fate::Connected });
        let (ran, _) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 40) }, &calls(40, 10, 1));
        if ran.was_overrun() {
            return;
        }
        ran.adds_up();
        ran.ends_with(1);
        assert_eq!(ran.count("attempts.due"), 10);
        assert_eq!(ran.count("attempts_failed.no_response"), 1);
        assert!(ran.count("requests.timeouts") >= 1);
    });
}

#[test]
fn a_call_that_ends_on_one_leg_alone_is_hung_up_on_the_other() {
    at_once(Dialect::BOTH, |dialect| {
        let fate = Box::new(|call| match call % 10 {
            3 => Fate::HangsUpCallerOnly(486),
            7 => Fate::HalfEnded,
            _ => Fate::Connected,
        });
        let load = calls(60, 20, 2).replace("\"1s\"\n[calls]", "\"3s\"\n[calls]");
        let (ran, books) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 60) }, &load);
        if ran.was_overrun() {
            return;
        }
        ran.adds_up();
        assert_eq!(ran.count("attempts.busy"), 4);
        assert_eq!(
            ran.count("ledger.misdelivered"),
            0,
            "a call that crosses its own end is where it belongs"
        );
        assert_eq!(ran.count("attempts.answered"), 36);
        assert_eq!(ran.count("ledger.one_leg_only"), 4);
        assert_eq!(books.calls_left, 0);
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
        assert_eq!(ran.at("requests.sent"), &serde_json::to_value(&books.requests).unwrap());
        // Of the calls that the server ended for the caller alone, those that were up are hung up by the callee's client.
        assert_eq!(ran.count("requests.sent.hangup"), 36, "{}", ran.at("requests"));
    });
}

/// `cargo test --test honesty -- --ignored lost`: takes 45 s, because a phone waits 32 s for an answer.
#[test]
#[ignore = "heavy: just heavy"]
fn a_call_that_rings_for_the_caller_alone_is_found_lost() {
    at_once(Dialect::BOTH, |dialect| {
        let fate = Box::new(|call| if call == 3 { Fate::Lost } else { Fate::Connected });
        let load = format!("{}\n", calls(20, 10, 1)).replace("\"1s\"\n[calls]", "\"36s\"\n[calls]");
        let (ran, books) = run_calls(dialect, Knobs { fate, ..Knobs::of(dialect, 20) }, &load);
        if ran.was_overrun() {
            return;
        }
        ran.agrees_with(&books);
        ran.ends_with(1);
        assert_eq!(ran.count("ledger.lost"), 1);
        assert_eq!(ran.count("attempts_failed.not_delivered"), 1);
        assert_eq!(ran.count("attempts.answered"), 9);
    });
}

#[test]
fn flows_of_all_kinds_are_what_a_server_that_shares_no_code_with_them_counted() {
    let flows = [
        ("answered", "answered"),
        ("declined", "declined"),
        ("cancelled", "cancelled"),
        ("busy", "busy"),
        ("unknown_number", "failed"),
        ("offline", "unavailable"),
        ("no_answer", "cancelled"),
        ("hold_resume", "answered"),
        ("renegotiate", "answered"),
        ("second_call", "answered"),
        ("mutual", "answered"),
    ];
    // Updates that meet are for the embedded core: this server takes one at a time.
    let share = |flow: &str| {
        let crossing = if flow == "cancelled" { 0.5 } else { 0.0 };
        format!("{{ flow = \"{flow}\", weight = 1, crossing = {crossing} }}")
    };
    let mix: Vec<String> = flows.iter().map(|(flow, _)| share(flow)).collect();
    let load = format!(
        "control_clients = 0\n[[stages]]\nduration = \"1s\"\nclients = 60\n[[stages]]\nduration = \"6s\"\n\
         calls_per_second = 12\n[[stages]]\nduration = \"4s\"\n[calls]\nring = {{ fixed = \"80ms\" }}\n\
         hold = {{ fixed = \"1500ms\" }}\nthink = {{ fixed = \"60ms\" }}\non_hold = {{ fixed = \"100ms\" }}\n\
         candidates = 1\ncandidate_spacing = \"20ms\"\nhangup_by_callee = 0.5\nmix = [ {} ]\n",
        mix.join(", ")
    );
    at_once(Dialect::BOTH, |dialect| {
        let (ran, books) = run_calls(dialect, Knobs::of(dialect, 62), &load);
        if ran.was_overrun() {
            return;
        }
        ran.agrees_with(&books);
        ran.ends_with(0);
        assert_eq!(ran.count("attempts.due"), 72);
        for (flow, outcome) in flows {
            assert!(ran.count(&format!("flows.{flow}.{outcome}")) > 0, "{flow}: {}", ran.at("flows"));
        }
        for what in ["attempts_unintended", "attempts.unfinished", "requests.timeouts", "stray_events"] {
            assert_eq!(ran.count(what), 0, "{what}");
        }
        assert_eq!(ran.at("attempts_broken"), &serde_json::json!({}));
        for event in
            ["missed_call", "holding", "resuming", "updating", "updating_call", "updated", "declining"]
        {
            assert!(books.event(event) > 0, "{event}");
        }
    });
}
