//! How connections end, and sign-ons that come to nothing: each by code, class, initiator and phase.

use std::time::Duration;

use crate::driver::{at_once, run};
use crate::independent::{Dialect, Fault, Knobs, Noise, Server};

/// Every close code of section 6.1 that goes over a wire, one that it does not know, and its class.
const CODES: [(u16, &str, &str); 29] = [
    (1000, "normal closure", "auxiliary"),
    (1001, "going away", "auxiliary"),
    (1008, "policy violation", "auxiliary"),
    (1011, "internal server error", "auxiliary"),
    (1012, "service restart", "auxiliary"),
    (1013, "try again later", "auxiliary"),
    (4000, "unmapped error", "auxiliary"),
    (4101, "socket message error", "socket"),
    (4201, "session missed error", "session"),
    (4300, "app unknown error", "app"),
    (4301, "app missed error", "app"),
    (4302, "app unregistered error", "app"),
    (4400, "controller unknown error", "controller"),
    (4401, "controller missed error", "controller"),
    (4402, "controller exit error", "controller"),
    (4410, "subscriber data adapter error", "controller"),
    (4411, "subscriber missed", "controller"),
    (4412, "subscriber credentials missed", "controller"),
    (4420, "controller webrtc error", "controller"),
    (4431, "controller attached error", "controller"),
    (4432, "controller not attached error", "controller"),
    (4441, "controller force attach close", "controller"),
    (4501, "signaling message error", "signaling"),
    (4502, "signaling keepalive timeout error", "signaling"),
    (4600, "request unknown error", "request"),
    (4601, "request execute error", "request"),
    (4602, "request execute timeout error", "request"),
    (4610, "request call id error", "request"),
    (4999, "", ""),
];

/// Everybody signs on, and then there is nothing to do for so long.
fn idle(clients: usize, seconds: u32) -> String {
    format!(
        "[clients]\nrequest_timeout = \"1s\"\n[[stages]]\nduration = \"500ms\"\nclients = {clients}\n[[stages]]\n\
         duration = \"{seconds}s\"\n"
    )
}

/// The target's keys; the scout's patience is the connect timeout.
fn target(dialect: Dialect) -> String {
    format!("dialect = \"{}\"\nconnect_timeout = \"1s\"", dialect.name())
}

/// A fault for each of `faults` from the second subscriber on: the first is the scout's.
fn faults(faults: Vec<Fault>) -> Box<dyn Fn(usize, usize) -> Fault + Send> {
    Box::new(move |subscriber, _| {
        subscriber.checked_sub(1).and_then(|one| faults.get(one).copied()).unwrap_or(Fault::None)
    })
}

#[test]
fn every_close_code_is_reported_with_its_phase_and_class() {
    at_once(Dialect::BOTH, |dialect| {
        let codes = CODES.map(|(code, ..)| code);
        let of = |fault: fn(u16) -> Fault| codes.map(fault);
        let all: Vec<Fault> =
            [of(Fault::CloseAtSignOn), of(Fault::CloseUnregistered), of(Fault::CloseIdle)].concat();
        let clients = all.len() + 1;
        let server = Server::start(Knobs { fault: faults(all), ..Knobs::of(dialect, clients) });
        let ran = run(&server, &target(dialect), &idle(clients, 3));
        let books = server.books();
        ran.adds_up();
        ran.ends_with(1);
        for (code, name, class) in CODES {
            assert_eq!(books.closed_by_server[&code], 3);
            assert_eq!(
                ran.disconnects(code, "server", "waiting_state"),
                1,
                "{code}: {}",
                ran.at("disconnects")
            );
            assert_eq!(ran.disconnects(code, "server", "idle"), 2, "{code}: {}", ran.at("disconnects"));
            assert_eq!(
                ran.signon_failures("closed", Some(code.into())),
                2,
                "{code}: {}",
                ran.at("signon_failures")
            );
            let all = ran.at("disconnects").as_array().unwrap();
            let one = all.iter().find(|one| one["code"] == code && one["initiator"] == "server").unwrap();
            if !name.is_empty() {
                assert_eq!((&one["name"], &one["class"]), (&name.into(), &class.into()));
            }
        }
        // The scout's, and that of the one client that nothing happened to.
        assert_eq!(ran.disconnects(1000, "client", "draining"), 2);
        assert_eq!(ran.disconnects_total(), clients as u64 + 1);
        assert_eq!(ran.count("clients.signon_failed"), 2 * CODES.len() as u64);
        assert_eq!(ran.count("clients.signed_on"), CODES.len() as u64 + 1);
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
    });
}

#[test]
fn closes_in_calls_are_told_from_idle_ones_and_end_their_calls() {
    at_once(Dialect::BOTH, |dialect| {
        let fault = Box::new(|subscriber, _| match subscriber {
            // Of different calls.
            4 | 8 => Fault::CloseInCall(4400),
            _ => Fault::None,
        });
        let server = Server::start(Knobs { fault, ..Knobs::of(dialect, 24) });
        let load = format!(
            "{}calls_per_second = 10\n[[stages]]\nduration = \"1s\"\n[calls]\nring = {{ fixed = \"50ms\" }}\n\
             hold = {{ fixed = \"300ms\" }}\ncandidates = 0\n",
            idle(24, 3)
        );
        let ran = run(&server, &target(dialect), &load);
        let books = server.books();
        ran.adds_up();
        let closed = books.closed_by_server.get(&4400).copied().unwrap_or(0);
        assert!(closed > 0);
        assert_eq!(ran.disconnects(4400, "server", "in_call"), closed, "{}", ran.at("disconnects"));
        // A hangup of ours that crosses the server's is closed with 4610 (section 6.1).
        let crossed = books.closed_by_server.get(&4610).copied().unwrap_or(0);
        assert_eq!(ran.disconnects(4610, "server", "*"), crossed, "{}", ran.at("disconnects"));
        assert_eq!(ran.disconnects(1000, "client", "draining"), 24 + 1 - closed - crossed);
        assert_eq!(ran.count("attempts.answered"), books.answered);
        assert!(ran.count("calls.completed") < ran.count("attempts.answered"));
        assert!(ran.at("closes_per_1000_connection_hours").as_f64().unwrap() > 0.0);
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
    });
}

#[test]
fn each_failed_sign_on_has_its_cause_and_status() {
    at_once(Dialect::BOTH, |dialect| {
        let all = vec![
            Fault::Http(401),
            Fault::Http(403),
            Fault::Http(404),
            Fault::Http(429),
            Fault::Http(503),
            Fault::NotHttp,
            Fault::NoUpgrade,
            Fault::HangUpInUpgrade,
            Fault::NeverState,
            Fault::NeverRegistered,
            Fault::RegistrationFailed(403),
            Fault::StateRegistrationFailed(503),
            Fault::Limited,
            Fault::SlowRegistration,
        ];
        let clients = all.len() + 1;
        let server = Server::start(Knobs { fault: faults(all), ..Knobs::of(dialect, clients) });
        let ran = run(&server, &target(dialect), &idle(clients, 1));
        ran.adds_up();
        ran.ends_with(1);
        for status in [401, 403, 404, 429, 503] {
            assert_eq!(ran.signon_failures("http", Some(status)), 1, "{}", ran.at("signon_failures"));
        }
        for cause in [
            "not_websocket",
            "connect_timeout",
            "reset",
            "state_timeout",
            "registration_timeout",
            "registered_limited",
        ] {
            assert_eq!(ran.signon_failures(cause, None), 1, "{cause}: {}", ran.at("signon_failures"));
        }
        for status in [403, 503] {
            assert_eq!(
                ran.signon_failures("registration_failed", Some(status)),
                1,
                "{}",
                ran.at("signon_failures")
            );
        }
        // The slow one, and the one that nothing happened to.
        assert_eq!(ran.count("clients.signed_on"), 2);
        assert_eq!(ran.count("clients.signon_failed"), clients as u64 - 2);
        assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
        assert!(server.books().violations.is_empty(), "{:#?}", server.books().violations);
    });
}

#[test]
fn a_server_that_sends_no_state_after_the_scout_fails_the_run() {
    at_once(Dialect::BOTH, |dialect| {
        let fault = Box::new(
            |subscriber, visit| {
                if (subscriber, visit) == (0, 0) { Fault::None } else { Fault::NeverState }
            },
        );
        let server = Server::start(Knobs { fault, ..Knobs::of(dialect, 10) });
        let ran = run(&server, &target(dialect), &idle(10, 1));
        ran.adds_up();
        ran.ends_with(1);
        assert_eq!(ran.signon_failures("state_timeout", None), 10);
        assert_eq!(ran.count("states"), 1);
        assert_eq!(ran.disconnects(1000, "client", "waiting_state"), 10, "{}", ran.at("disconnects"));
        assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    });
}

#[test]
fn dead_connections_are_found_by_their_keepalives_and_the_run_ends() {
    at_once(Dialect::BOTH, |dialect| {
        let fault = Box::new(|subscriber, _| match subscriber {
            2 | 3 => Fault::Dead,
            4 => Fault::NeverEcho,
            5 => Fault::Cut,
            _ => Fault::None,
        });
        let interval = Duration::from_secs(1);
        let server = Server::start(Knobs { fault, keepalive_interval: interval, ..Knobs::of(dialect, 10) });
        let ran = run(&server, &target(dialect), &idle(10, 4));
        ran.adds_up();
        assert_eq!(ran.count("keepalives.missed"), 3, "{}", ran.at("keepalives"));
        let (sent, answered) = (ran.count("keepalives.sent"), ran.count("keepalives.answered"));
        assert!(sent >= answered + 3, "{}", ran.at("keepalives"));
        // Four were lost without a close frame; six, and the scout, signed off.
        let lost: u64 =
            ["client", "network"].map(|initiator| ran.disconnects(1006, initiator, "idle")).iter().sum();
        assert_eq!(lost, 4, "{}", ran.at("disconnects"));
        assert_eq!(ran.disconnects(1000, "client", "draining"), 7);
        assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    });
}

#[test]
fn a_dead_connection_does_not_keep_the_run_from_ending() {
    at_once(Dialect::BOTH, |dialect| {
        // Found by nobody: the interval is longer than the run.
        let fault = Box::new(|subscriber, _| if subscriber > 0 { Fault::Dead } else { Fault::None });
        let server = Server::start(Knobs { fault, ..Knobs::of(dialect, 6) });
        let ran = run(&server, &target(dialect), &idle(6, 1));
        ran.adds_up();
        assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
        assert_eq!(ran.disconnects_total(), 7, "{}", ran.at("disconnects"));
    });
}

#[test]
fn a_close_frame_without_an_end_of_tcp_ends_the_connection() {
    at_once(Dialect::BOTH, |dialect| {
        let fault =
            Box::new(|subscriber, _| if subscriber > 3 { Fault::CloseWithoutEnd(4400) } else { Fault::None });
        let server = Server::start(Knobs { fault, ..Knobs::of(dialect, 10) });
        let ran = run(&server, &target(dialect), &idle(10, 4));
        ran.adds_up();
        assert_eq!(ran.disconnects(4400, "server", "idle"), 6, "{}", ran.at("disconnects"));
        assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    });
}

#[test]
fn what_breaks_the_websocket_protocol_ends_that_connection_alone() {
    at_once(Dialect::BOTH, |dialect| {
        let all = vec![Fault::NotUtf8, Fault::TooLong, Fault::NoFrame];
        let server =
            Server::start(Knobs { fault: faults(all), noise: vec![Noise::Ping], ..Knobs::of(dialect, 8) });
        let ran = run(&server, &target(dialect), &idle(8, 3));
        let books = server.books();
        ran.adds_up();
        ran.ends_with(0);
        for code in [1007, 1009, 1002] {
            assert_eq!(ran.disconnects(code, "client", "idle"), 1, "{code}: {}", ran.at("disconnects"));
            assert_eq!(books.closed_by_client.get(&code), Some(&1), "{:?}", books.closed_by_client);
        }
        assert_eq!(ran.disconnects(1000, "client", "draining"), 6);
        assert!(books.pongs >= 9, "{} pongs", books.pongs);
    });
}
