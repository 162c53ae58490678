//! What once went wrong, a test each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::count;
use wtsp_load::law::Time;
use wtsp_load::metrics::Outcome;
use wtsp_load::protocol::{EventBody, RequestName, ResponseOutcome};
use wtsp_load::scenario::{Ask, Cast, Direction, Draw, Flow, Leg, Play, Side};

/// A call that rings until the run's end hangs it up; then the events come that were on their way.
fn drained_while_it_rang(events: &[EventBody<'_>]) -> Vec<Outcome> {
    let ms = |millis| Time::ZERO + Duration::from_millis(millis);
    let draw = Draw {
        flow: Flow::Answered,
        ring: Duration::from_millis(100),
        hold: Duration::from_secs(1),
        think: Duration::ZERO,
        on_hold: Duration::ZERO,
        hangup_by: Side::Caller,
        crossing: false,
        update_retry: [Duration::from_secs(2); 2],
        candidates: 0,
        candidate_spacing: Duration::from_secs(9),
    };
    let (mut call, mut out) = (Play::new(draw, Cast::Caller, ms(0), 0), Vec::new());
    call.start(ms(0), &mut out);
    call.sent(Leg::caller(0), Ask::Call, ms(0));
    call.response(Leg::caller(0), RequestName::OutgoingCall, &ResponseOutcome::Ack, ms(1), &mut out);
    call.event(Leg::caller(0), &EventBody::Ringing, ms(2), &mut out);
    call.drain(ms(50), &mut out);
    assert!(out.contains(&Direction::Send(Leg::caller(0), Ask::Hangup)));
    call.sent(Leg::caller(0), Ask::Hangup, ms(50));
    for event in events {
        call.event(Leg::caller(0), event, ms(51), &mut out);
    }
    assert_eq!(out.last(), Some(&Direction::Over));
    let end = |direction: Direction| {
        if let Direction::End { outcome, .. } = direction { Some(outcome) } else { None }
    };
    out.into_iter().filter_map(end).collect()
}

fn hangup(code: i32) -> EventBody<'static> {
    EventBody::Hangup { code: Some(code), reason: None }
}

#[test]
fn an_answer_that_crossed_the_drains_hang_up_was_counted_as_unfinished() {
    let accepted = EventBody::Accepted { jsep: None, callee: None, is_focus: None };
    assert_eq!(drained_while_it_rang(&[accepted, hangup(200)]), [Outcome::Answered]);
    assert_eq!(drained_while_it_rang(&[hangup(486)]), [Outcome::Busy]);
    assert_eq!(drained_while_it_rang(&[hangup(487)]), [Outcome::Unfinished]);
}

/// A profile of a few calls, for a server that `serve` plays.
const FEW_CALLS: &str = r#"
seed = 7
[subscribers]
file = "subscribers.csv"
[clients]
request_timeout = "1s"
[[stages]]
name = "sign-on"
duration = "1s"
clients = 4
[[stages]]
name = "calls"
duration = "4s"
calls_per_second = 1
[calls]
candidates = 0
"#;

#[test]
fn requests_to_a_server_that_fell_silent_timed_out_only_when_something_else_was_due() {
    let folder = Folder::with(FEW_CALLS);
    let served = Served::start(&folder, 4, &["--ack-delay", "1m"]);
    folder.run(&["--target", &served.url]).unless_unfit(1);
    let run = folder.record();
    sums::assert_sums(&run);
    assert!(count(&run, "/requests/timeouts") >= 2, "{}", run["requests"]);
    assert_eq!(run["attempts_failed"]["no_response"], run["attempts"]["failed"]);
    drop(served);
}

#[test]
fn calls_that_crossed_their_callers_hang_up_were_said_to_be_misdelivered() {
    let profile = FEW_CALLS.replace("clients = 4", "clients = 40").replace("\"4s\"", "\"1m\"");
    let folder = Folder::with(&profile.replace("calls_per_second = 1", "calls_per_second = 20"));
    let served = Served::start(&folder, 40, &["--ack-delay", "400ms"]);
    let mut running = folder.start(&["--target", &served.url, "--set", "generator.workers=1"]);
    folder.wait_for_interval(&mut running, "a call", |interval| count(interval, "/attempts/started") > 0);
    running.signal(Signal::SIGINT);
    running.wait_for("stopping:");
    // The hang-ups are out. What they crossed, and what they led to, is all there when it wakes up.
    thread::sleep(Duration::from_millis(150));
    running.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_millis(600));
    running.signal(Signal::SIGCONT);
    running.wait().with_code(130);
    let (run, truth) = (folder.record(), served.stop());
    sums::assert_truth(&run, &truth);
}
