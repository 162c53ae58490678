use super::*;
use crate::protocol::ResponseOutcome;
use crate::scenario::{Ask, Cast, Leg, Play};
use crate::scheduler::attempts::tests::draw;

fn landed(attempt: u64, setup: Option<u64>) -> Landed {
    let mut flight = Flight::new();
    flight.setup = setup.map(Duration::from_micros);
    Landed {
        flight,
        why: if setup.is_some() { Kept::SlowestSetup } else { Kept::Failed },
        number: attempt,
        due: Time::ZERO,
        flow: Flow::Answered,
        outcome: Outcome::Answered,
        noted: Noted::default(),
        is_failure: setup.is_none(),
        clients: [None; MOST_PARTIES],
    }
}

#[test]
fn the_first_and_the_last_messages_are_there_in_order_with_the_heads_of_their_texts() {
    for messages in [0, 1, 23, 24, 25, 47, 48, 49, 72, 73, 1_000] {
        let mut flight = Flight::new();
        for number in 0..messages {
            let text = format!("{number} {}", "ä".repeat(600));
            let what = What::Event(EventName::Hangup);
            flight.note(Time::from_nanos(number), 0, what, Some(486), text.as_bytes());
        }
        assert_eq!((flight.messages().count() + flight.left_out()) as u64, messages);
        let first = (0..messages).take(FIRST_MESSAGES);
        let last = (messages.saturating_sub(LAST_MESSAGES as u64).max(FIRST_MESSAGES as u64)..messages)
            .collect::<Vec<_>>();
        let wanted: Vec<Time> = first.chain(last).map(Time::from_nanos).collect();
        assert_eq!(flight.messages().map(|(entry, _)| entry.at).collect::<Vec<_>>(), wanted);
        for (entry, text) in flight.messages().filter(|(_, text)| !text.is_empty()) {
            let begin = format!("{} ", entry.at.since(Time::ZERO).as_nanos());
            assert!(text.starts_with(&begin) && text.len() <= EXCERPT_BYTES, "{text}");
            assert!(entry.bytes > 1_200);
        }
        assert_eq!(flight.text.capacity(), TEXT_BYTES);
        let texts = flight.messages().filter(|(_, text)| !text.is_empty()).count() as u64;
        assert!(texts >= messages.min((TEXT_BYTES / EXCERPT_BYTES) as u64), "{texts} of {messages}");
    }
}

#[test]
fn a_flight_is_small() {
    assert!(size_of::<Entry>() <= 24, "{}", size_of::<Entry>());
    assert!(MOST_RECORDED as u64 * Flight::BYTES <= 22_000_000, "{}", Flight::BYTES);
}

#[test]
fn what_goes_with_a_report_is_bounded_and_slower_calls_take_the_place_of_others() {
    let mut flights = Flights::new(true);
    (0..100).for_each(|attempt| flights.keep(landed(attempt, Some(attempt))));
    let slowest = |flights: &Flights| flights.landings.slowest.iter().map(|one| one.number).min();
    assert_eq!((flights.landings.slowest.len(), slowest(&flights)), (SLOWEST, Some(100 - SLOWEST as u64)));
    let bytes = flights.hand_over(Landings::default()).bytes;
    assert_eq!(bytes, 100 * Flight::BYTES, "those that made room are there to be used again");
    assert_eq!(flights.hand_over(Landings::default()).bytes, 90 * Flight::BYTES);
}

/// An attempt whose server has refused its call, or has not said anything yet.
fn attempt(number: u64, is_refused: bool) -> Attempt {
    let (mut play, mut out, leg) =
        (Play::new(draw(), Cast::Caller, Time::ZERO, 0), Vec::new(), Leg::caller(0));
    if is_refused {
        play.start(Time::ZERO, &mut out);
        play.sent(leg, Ask::Call, Time::ZERO);
        let refused = ResponseOutcome::Error { code: Some(486), reason: None };
        play.response(leg, RequestName::OutgoingCall, &refused, Time::ZERO, &mut out);
    }
    Attempt::new(play, 1, number, 0, [Some(0), None, None], Time::ZERO)
}

#[test]
fn a_burst_of_failures_costs_none_of_the_slowest_calls_and_these_cost_no_failure() {
    let mut flights = Flights::new(true);
    for number in 0..100 {
        let is_slow = number % 10 == 0;
        let mut attempt = attempt(number, !is_slow);
        attempt.noted.broken = (!is_slow).then_some(number as usize);
        attempt.flight = flights.take_off();
        if let Some(flight) = attempt.flight.as_mut().filter(|_| is_slow) {
            flight.setup = Some(Duration::from_secs(number + 1));
        }
        flights.land(&mut attempt, [Some(0), None, None]);
    }
    let Landings { failed, slowest, failures, .. } = flights.hand_over(Landings::default());
    assert_eq!((failed.len(), slowest.len(), failures), (MOST_FAILED, 10, 90));
    assert!(failed.iter().all(|landed| landed.why == Kept::Failed && landed.setup().is_zero()));
    assert!(slowest.iter().all(|landed| landed.why == Kept::SlowestSetup && landed.number % 10 == 0));
    assert_eq!((flights.landings.failed.len(), flights.under_way), (0, 0));
}

#[test]
fn a_failed_call_that_is_kept_as_a_slow_one_is_a_failure_all_the_same() {
    let mut flights = Flights::new(true);
    for number in 0..100 {
        let mut attempt = attempt(number, true);
        attempt.noted.broken = Some(2);
        attempt.flight = flights.take_off();
        attempt.flight.as_mut().unwrap().setup = Some(Duration::from_secs(number + 1));
        flights.land(&mut attempt, [Some(0), None, None]);
    }
    let Landings { failed, slowest, failures, .. } = flights.hand_over(Landings::default());
    assert_eq!((failed.len(), slowest.len(), failures), (MOST_A_CAUSE, SLOWEST, 100));
    assert!(failed.iter().chain(&slowest).all(|landed| landed.is_failure));
}

#[test]
fn of_a_cause_a_few_are_new_and_of_set_ups_the_longest_are_slow() {
    let mut flights = Flights::new(true);
    let cause = |step| (Outcome::Answered, Some(step), None);
    let new = (0..5_000).filter(|number| flights.is_new(cause(number % 1_000))).count();
    assert_eq!(new, MOST_CAUSES * MOST_A_CAUSE);
    let micros = Duration::from_micros;
    assert!((0..SLOWEST as u64).all(|setup| flights.is_slow(micros(100 + setup))));
    assert!(!flights.is_slow(micros(100)) && !flights.is_slow(micros(7)));
    assert!(
        flights.is_slow(micros(500)) && !flights.is_slow(micros(101)) && flights.is_slow(micros(102 + 1))
    );
}

#[test]
fn room_is_given_to_so_many_attempts_and_used_again() {
    let mut flights = Flights::new(true);
    let all: Vec<_> = (0..MOST_RECORDED + 3).filter_map(|_| flights.take_off()).collect();
    assert_eq!(all.len(), MOST_RECORDED);
    // Beyond them an attempt flies without, which is counted once, whatever becomes of it.
    let mut without = attempt(9_999, true);
    assert!(without.flight.is_none());
    flights.land(&mut without, [Some(0), None, None]);
    let landings = flights.hand_over(Landings::default());
    assert_eq!((landings.unrecorded, landings.failures, landings.failed.len()), (3, 1, 0));
    assert_eq!(flights.hand_over(Landings::default()).unrecorded, 0);

    let mut off = Flights::new(false);
    assert!(off.take_off().is_none());
    assert_eq!(off.landings.unrecorded, 0);
}
