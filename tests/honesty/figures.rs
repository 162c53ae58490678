//! Counts and times: those of the record against those of the server.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::driver::{Ran, at_once, run, run_and};
use crate::independent::{Delay, Dialect, Freeze, Knobs, Server};

const MS: u64 = 1_000;

const CALLS: &str = "
[[stages]]
duration = \"1s\"
clients = 40
[[stages]]
duration = \"3s\"
calls_per_second = 20
[[stages]]
duration = \"1500ms\"
[calls]
ring = { fixed = \"100ms\" }
hold = { fixed = \"400ms\" }
candidates = 2
candidate_spacing = \"20ms\"
hangup_by_callee = 0.5
";

/// The quantile of what the server measured itself.
fn quantile(delays: &[u64], share: f64) -> u64 {
    let mut delays = delays.to_vec();
    delays.sort_unstable();
    delays[((delays.len() as f64 * share).ceil() as usize).clamp(1, delays.len()) - 1]
}

/// The rule: within a millisecond or 2 %, whichever is larger; never less than the server took, but for the
/// histogram's grain. What the generator was late by itself, in sending or in reading, is allowed for.
fn matches(what: &str, quantile: &str, measured: u64, truth: u64, ran: &Ran) -> Result<(), String> {
    assert!(
        measured * 1001 / 1000 + 100 >= truth,
        "{what}: {measured} µs measured, but the server took {truth} µs"
    );
    // A worker that meets its deadlines late reads what comes in as late.
    let late = ran.micros("lag.service", quantile).max(ran.micros("timer_lag.service", quantile));
    let slack = MS.max(truth / 50) + if late > 100 { 2 * late } else { 0 };
    if measured <= truth + slack {
        return Ok(());
    }
    Err(format!("{what}: {measured} µs measured, the server took {truth} µs"))
}

/// A machine that stands still for a few milliseconds as answers come in takes a p99 of 300 samples with it, and those
/// samples alone. So a run whose figures are too large is repeated: a figure that is wrong is wrong each time. A machine
/// that was too busy each time settles nothing.
fn one_of_three(run: impl Fn() -> (Ran, Result<(), String>)) {
    let mut settled = false;
    for _ in 0..3 {
        let (ran, agreed) = run();
        let Err(why) = agreed else { return };
        settled |= !(ran.is_doubtful() || is_busy());
        eprintln!("{why}");
    }
    assert!(!settled, "the figures are too large in each of three runs");
}

/// Whether more wants to run on this machine than can: this test's own processes wait most of the time.
fn is_busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::MAX);
    load > 0.5 * std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

fn delayed(dialect: Dialect, ack_delay: Delay) -> Knobs {
    Knobs {
        ack_delay,
        echo_delay: Duration::from_millis(25),
        state_delay: Duration::from_millis(30),
        keepalive_interval: Duration::from_secs(1),
        ..Knobs::of(dialect, 40)
    }
}

#[test]
fn counts_are_the_servers_and_delays_are_the_injected_ones() {
    let fixed = Delay::Fixed(Duration::from_millis(20));
    let uniform = Delay::Uniform(Duration::from_millis(5), Duration::from_millis(60));
    let cases = [
        (Dialect::Flat, fixed),
        (Dialect::Nested, fixed),
        (Dialect::Flat, uniform),
        (Dialect::Nested, uniform),
    ];
    let measured = |(dialect, delay): (Dialect, Delay)| {
        let server = Server::start(delayed(dialect, delay));
        let ran = run(&server, "dialect = \"auto\"", CALLS);
        let books = server.books();
        ran.agrees_with(&books);
        ran.ends_with(0);
        assert_eq!(ran.at("target.dialect_detected"), dialect.name());
        assert_eq!(ran.count("attempts.due"), 60);
        assert_eq!(ran.count("attempts.answered") + ran.count("attempts.blocked"), 60);
        assert_eq!(ran.count("calls.completed"), ran.count("attempts.answered"));
        let (injected50, injected99) = match delay {
            Delay::Uniform(..) => (25 * MS, 56 * MS),
            _ => (20 * MS, 20 * MS),
        };
        let (p50, p99) = (ran.micros("ack.service", "p50"), ran.micros("ack.service", "p99"));
        assert!(p50 >= injected50 && p99 >= injected99, "{p50} {p99}");
        assert!(ran.micros("signon.response", "min") >= 30 * MS);
        // One ack's delay to the ringing, two to the answer.
        if let Delay::Fixed(_) = delay {
            assert!(ran.micros("ringback.response", "min") >= 20 * MS);
            assert!(ran.micros("setup.response", "min") >= 40 * MS);
            assert!(ran.micros("answer.service", "min") >= 20 * MS);
            assert!(ran.micros("release.service", "min") >= 20 * MS);
        }
        let keepalive = ran.micros("keepalive.service", "p50");
        let matches = [
            matches("ack p50", "p50", p50, quantile(&books.ack_delays, 0.5), &ran),
            matches("ack p99", "p99", p99, quantile(&books.ack_delays, 0.99), &ran),
            matches("keepalive p50", "p50", keepalive, quantile(&books.echo_delays, 0.5), &ran),
        ];
        let agreed = matches.into_iter().collect();
        (ran, agreed)
    };
    at_once(cases, |case| one_of_three(|| measured(case)));
}

#[test]
fn a_frozen_server_shows_in_the_response_time() {
    at_once(Dialect::BOTH, |dialect| {
        let second = Duration::from_secs(1);
        let server = Server::start(Knobs {
            freeze: Some(Freeze { after: 2 * second, every: 5 * second, length: second }),
            ..Knobs::of(dialect, 80)
        });
        let target = format!("dialect = \"{}\"", dialect.name());
        let ran = run(
            &server,
            &target,
            "[[stages]]\nduration = \"1s\"\nclients = 80\n[[stages]]\nduration = \"5s\"\ncalls_per_second = 20\n\
             [[stages]]\nduration = \"1500ms\"\n[calls]\nring = { fixed = \"50ms\" }\nhold = { fixed = \"200ms\" }\n\
             candidates = 0\n",
        );
        ran.agrees_with(&server.books());
        assert_eq!(ran.count("attempts.due"), 100);
        if ran.was_overrun() {
            return;
        }
        ran.ends_with(0);
        assert_eq!(ran.count("attempts.blocked"), 0, "there were clients enough");
        // Calls due in the frozen second wait for what is left of it: of 100 calls in five seconds, 20 wait, the
        // first of them for all of it, the tenth for half.
        let of = |quantile| ran.micros("ringback.response", quantile) / MS;
        assert!((900..1_300).contains(&of("p99")), "p99 {}", of("p99"));
        assert!((400..800).contains(&of("p90")), "p90 {}", of("p90"));
        assert!(of("p50") < 200, "p50 {}", of("p50"));
        assert!(ran.micros("setup.response", "p99") >= 900 * MS);
        // The generator itself was on time all along: what was due in the frozen second was sent in it.
        if !ran.is_doubtful() {
            assert!(ran.micros("lag.service", "p99") < 100 * MS);
        }
    });
}

#[test]
fn a_generator_that_was_stopped_says_so_and_calls_its_run_void() {
    let server = Server::start(Knobs::of(Dialect::Flat, 40));
    let load = "[[stages]]\nduration = \"1s\"\nclients = 40\n[[stages]]\nduration = \"2s\"\ncalls_per_second = 20\n\
                [[stages]]\nduration = \"1s\"\n[calls]\nring = { fixed = \"50ms\" }\nhold = { fixed = \"150ms\" }\n\
                candidates = 0\n";
    let ran = run_and(&server.url(), &server.csv(), "", load, |process| {
        while server.calls() < 10 {
            std::thread::sleep(Duration::from_millis(5));
        }
        kill(process, Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(600));
        kill(process, Signal::SIGCONT).unwrap();
    });
    ran.adds_up();
    assert_eq!(ran.exit, 4, "{}", ran.stdout);
    assert_eq!(ran.at("generator.validity"), "void");
    assert_eq!(ran.count("attempts.due"), 40);
    // Twelve were due meanwhile, two of them in its last tenth of a second.
    let late = ran.count("late");
    assert!((9..=13).contains(&late) || is_busy(), "{late} late");
    assert!(ran.micros("lag.service", "max") >= 500 * MS);
}
