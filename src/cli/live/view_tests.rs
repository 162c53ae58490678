//! The picture of a run, held against stored ones. `UPDATE_GOLDEN=1 cargo test --lib live` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::board::Board;
use super::view::view;
use crate::metrics::{AttemptFailure, DisconnectKey, Gauges, Metric, Outcome, Phase, Tally};
use crate::profile::{self, Overrides};
use crate::protocol::{EventName, RequestName};
use crate::record::{Change, ChangeKind, Health, Interval, Validity};
use crate::scheduler::{Event, Urgency};
use crate::transport::Initiator;
use crate::workload::{ArrivalLaw, Stage};

/// The quickstart, 16 s into it.
fn board() -> Board {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/quickstart.toml");
    let plan = profile::load(&profile, &Overrides::default()).expect("a profile that is shipped");
    let mut board = Board::new(&plan);
    let url = "ws://127.0.0.1:1234/signaling/v1\x1b[2J";
    board.take(&Event::Target { url, remote: false, directory: Path::new("reports") });
    for second in 0..16 {
        board.take(&Event::Interval(&interval(second)));
    }
    board.pace = (120, false);
    board.make_up();
    board
}

fn interval(second: u64) -> Interval {
    let mut tally = Tally::default();
    let counters = &mut tally.counters;
    if second < 10 {
        counters.signed_on = 50;
        (0..50).for_each(|client| {
            tally.latencies[Metric::Signon.index()].service.record(5_000 + 100 * client);
            if let Some(response) = &mut tally.latencies[Metric::Signon.index()].response {
                response.record(6_000 + 100 * client);
            }
        });
    } else {
        (counters.due, counters.started, counters.intended) = (24, 24, 23);
        (0..23).for_each(|_| counters.end(Outcome::Answered));
        counters.end(Outcome::Failed(AttemptFailure::NoProgress));
        counters.flows.count_many(("answered", "answered"), 23);
        counters.stopped_at.count(("answered", 2, true));
        counters.requests_sent[RequestName::OutgoingCall.index()] = 24;
        counters.requests_sent[RequestName::Accept.index()] = 23;
        counters.events[EventName::Ringing.index()] = 23;
        counters.events[EventName::Proceeding.index()] = 24;
        counters.events[EventName::Accepted.index()] = 46;
        counters.disconnects.count(DisconnectKey {
            code: 1006,
            initiator: Initiator::Network,
            phase: Phase::InCall,
        });
        for (metric, micros) in [(Metric::Ack, 1_270), (Metric::Lag, 64), (Metric::TimerLag, 3_400)] {
            (0..24).for_each(|call| tally.latencies[metric.index()].service.record(micros + 10 * call));
        }
        if let Some(response) = &mut tally.latencies[Metric::Setup.index()].response {
            (0..23).for_each(|call| response.record(3_000 + 500 * call));
            response.record(7_200_000_000);
        }
    }
    Interval {
        at: Duration::from_secs(second),
        length: Duration::from_secs(1),
        stage: Some(u32::from(second >= 10)),
        tally,
        gauges: Gauges { connected: 500, signed_on: 499, calls: 73, calls_answered: 64, control: 10 },
        health: Health {
            cpu_cores: 0.31,
            worker_cpu_max: 0.12,
            turn_max_us: 900,
            rss_bytes: 99 << 20,
            ..Health::default()
        },
        changes: Vec::new(),
    }
}

fn assert_golden(name: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let drawn = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, &drawn).expect("written");
    }
    let stored = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(drawn, stored, "differs from {}; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[test]
fn the_picture_of_80_and_of_200_columns_is_the_one_that_was_looked_at() {
    assert_golden("live-80x24.txt", &view(&board(), 80, 24, false));
    assert_golden("live-200x50.txt", &view(&board(), 200, 50, false));
    let mut asked = board();
    asked.has_help = true;
    assert_golden("live-help-80x24.txt", &view(&asked, 80, 24, false));
}

#[test]
fn a_picture_fits_whatever_size_its_window_has() {
    let mut board = board();
    for (urgency, stage, pace) in [
        (Urgency::Run, Some(1), (100, true)),
        (Urgency::Drain, None, (10, false)),
        (Urgency::Leave, None, (1_000, true)),
    ] {
        (board.urgency, board.stage, board.pace) = (urgency, stage, pace);
        for has_help in [false, true] {
            board.has_help = has_help;
            for (width, height) in
                [(1, 1), (20, 5), (40, 12), (79, 24), (80, 25), (157, 30), (158, 8), (300, 80)]
            {
                let lines = view(&board, width, height, false);
                assert_eq!(lines.len(), height, "{width} x {height}");
                let widest = lines.iter().map(|line| line.chars().count()).max();
                assert!(widest.is_some_and(|widest| widest <= width), "{width} x {height}: {widest:?}");
                assert!(!lines.concat().contains('\x1b'));
                // With colour it is the same picture.
                let coloured = view(&board, width, height, true);
                let bare = |line: &String| {
                    let mut pieces = line.split('\x1b');
                    let first = pieces.next().unwrap_or_default().to_owned();
                    let rest: String = pieces.filter_map(|piece| Some(piece.split_once('m')?.1)).collect();
                    (first + &rest).trim_end().to_owned()
                };
                assert_eq!(coloured.iter().map(bare).collect::<Vec<_>>(), lines);
            }
        }
    }
}

/// The numbers of a picture, with their groups of three.
fn numbers(lines: &[String]) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for line in lines {
        let mut number = String::new();
        for word in line.split(' ') {
            let digits: Vec<&str> = word.split(|c: char| !c.is_ascii_digit()).collect();
            // A group follows a number after one blank; anything else begins anew.
            let is_group = !number.is_empty() && digits.first().is_some_and(|group| group.len() == 3);
            for (place, digits) in digits.iter().enumerate() {
                if place > 0 || !is_group {
                    numbers.insert(std::mem::take(&mut number));
                }
                number.push_str(digits);
            }
            if !word.ends_with(|c: char| c.is_ascii_digit()) {
                numbers.insert(std::mem::take(&mut number));
            }
        }
        numbers.insert(number);
    }
    numbers
}

#[test]
fn a_number_is_shown_whole_or_not_at_all() {
    let mut board = board();
    let total = &mut board.total;
    (total.answered, total.busy, total.declined) = (1_234_567, 23_456, 3_456);
    (total.cancelled, total.unavailable, total.redirected) = (45_678, 5_678, 67_890);
    (total.blocked, total.unfinished, total.reconnects) = (7_890, 8_901, 91_234);
    total.requests_sent.iter_mut().for_each(|sent| *sent = 18_765_432);
    total.events.iter_mut().for_each(|seen| *seen = 29_876_543);
    total.stopped_at.count_many(("answered", 2, true), 34_567);
    for code in [1000, 1001, 1011, 4201, 4302, 4303, 4411, 4502, 4610] {
        let key = DisconnectKey { code, initiator: Initiator::Server, phase: Phase::InCall };
        total.disconnects.count_many(key, u64::from(code) * 101);
    }
    (board.gauges.signed_on, board.gauges.connected) = (17_654, 17_999);
    board.warnings.push("warning: 12 345 of 23 456 sessions at ws://192.168.100.200:54321".to_owned());
    for is_warned in [true, false] {
        if !is_warned {
            board.warnings.clear();
        }
        // Before the ladder goes beside it the rest has the whole width.
        let whole: BTreeSet<String> =
            [157, 400].into_iter().flat_map(|width| numbers(&view(&board, width, 100, false))).collect();
        assert!(whole.contains("1234567") && whole.contains("18765432"), "{whole:?}");
        for width in 20..=200 {
            let lines = view(&board, width, 100, false);
            for number in numbers(&lines) {
                assert!(whole.contains(&number), "{number} at {width} columns:\n{}", lines.join("\n"));
            }
        }
    }
    // Both halves have room beside each other.
    let lines = view(&board, 158, 60, false);
    assert!(lines.iter().any(|line| line.ends_with("unexpected")), "{}", lines.join("\n"));
    assert!(
        !view(&board, 157, 60, false)
            .iter()
            .any(|line| line.chars().count() > 80 && line.contains("unexpected"))
    );
}

#[test]
fn what_is_wanted_is_the_plans_also_where_nobody_came_round_to_it() {
    let mut board = board();
    let mut second = |at, due, changes| {
        let mut second = Interval { changes, ..interval(at) };
        (second.tally.counters.due, second.tally.counters.started) = (due, due);
        board.take(&Event::Interval(&second));
        board.call_rates()
    };
    for at in 16..20 {
        second(at, 0, Vec::new());
    }
    // The plan of the quickstart is 20 calls a second.
    let (what, wanted, done) = second(20, 0, Vec::new());
    assert_eq!((what, done), ("wanted", 0.0));
    assert!((wanted - 20.0).abs() < 1e-6, "{wanted}");
    let change = |at_us, what, factor| Change { at_us, what, factor };
    second(21, 0, vec![change(21_500_000, ChangeKind::Rate, Some(2.0))]);
    let (_, wanted, _) = second(22, 0, vec![change(23_000_000, ChangeKind::Pause, Some(0.0))]);
    assert!((wanted - (3.0 * 20.0 + 30.0 + 40.0) / 5.0).abs() < 1e-6, "{wanted}");
    let (_, wanted, _) = second(23, 0, Vec::new());
    assert!((wanted - (2.0 * 20.0 + 30.0 + 40.0) / 5.0).abs() < 1e-6, "{wanted}");
}

#[test]
fn calls_that_come_at_once_or_by_callers_are_due_and_not_wanted() {
    for stage in [
        |stage: &mut Stage| stage.arrivals = ArrivalLaw::AtOnce,
        |stage: &mut Stage| (stage.callers, stage.calls) = (7, None),
    ] {
        let mut board = board();
        board.stages.iter_mut().for_each(stage);
        let (what, due, done) = board.call_rates();
        assert_eq!((what, due), ("due", done));
        assert!(view(&board, 80, 24, false).iter().any(|line| line.contains("/s due    ")));
    }
}

#[test]
fn the_generator_is_judged_by_all_rules_of_the_verdict() {
    let mut board = board();
    let mut second = interval(16);
    second.health.throttled_us = Some(16_000_000);
    second.health.throttled_periods = Some(160);
    board.take(&Event::Interval(&second));
    let before = board.figures.why.clone();
    board.make_up();
    assert_eq!(board.figures.validity, Validity::Void, "{:?}", board.figures.why);
    assert_ne!(board.figures.why, before);
    // A single call that was late is no p99.
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/quickstart.toml");
    let mut calm =
        Board::new(&profile::load(&profile, &Overrides::default()).expect("a profile that is shipped"));
    let mut second = interval(0);
    let lag = &mut second.tally.latencies[Metric::Lag.index()].service;
    (0..20).for_each(|_| lag.record(50));
    lag.record(90_000);
    calm.take(&Event::Interval(&second));
    calm.make_up();
    assert_eq!((calm.figures.validity, &calm.figures.why), (Validity::Valid, &None));
}

#[test]
fn a_warning_from_outside_is_shown_and_not_obeyed() {
    let mut board = board();
    board.warnings.push(format!("warning: \x1b]0;x\x07{}", "long ".repeat(60)));
    let lines = view(&board, 80, 24, false);
    let last = lines.last().map(String::as_str).unwrap_or_default();
    assert!(last.contains("warning: ?]0;x?long") && last.ends_with('…'), "{last}");
}
