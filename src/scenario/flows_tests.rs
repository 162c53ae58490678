//! Every flow, played against a server that behaves as the protocol says, and against one that fails it at one point.

use std::collections::BTreeMap;
use std::time::Duration;

use super::test_owner::{CALLEE, CALLER, Owner, RING, Word, draw, ms};
use super::test_server::{HOP, Otherwise, Performance, Race};
use super::*;
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};

/// A flow as it is played in one of its ways.
#[derive(Clone, Copy, Debug)]
struct Way {
    draw: Draw,
    fillers: usize,
}

impl Way {
    fn play(self, otherwise: Otherwise) -> Performance {
        Performance::play(self.draw, self.fillers, otherwise)
    }

    /// The steps that are done in it, by number.
    fn steps(self) -> Vec<(usize, Step)> {
        let is_done = |when| match when {
            When::Always => true,
            When::HungUpBy(side) => self.draw.hangup_by == side,
            When::Crossing => self.draw.crossing,
            When::CalledByOthers => false,
        };
        let all = self.draw.flow.script().all_steps().copied().enumerate();
        all.filter(|(_, step)| is_done(step.when)).collect()
    }
}

/// Every flow in each of its ways.
fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for flow in Flow::ALL.iter().copied() {
        let script = flow.script();
        let has = |when: &dyn Fn(When) -> bool| script.all_steps().any(|step| when(step.when));
        let sides: &[Side] =
            if has(&|when| matches!(when, When::HungUpBy(_))) { &Side::BOTH } else { &[Side::Caller] };
        let crossings: &[bool] = if has(&|when| when == When::Crossing) { &[false, true] } else { &[false] };
        let fillers: &[usize] = if script.fills.is_some() { &[0, 1, 2, 8] } else { &[0] };
        for hangup_by in sides.iter().copied() {
            for crossing in crossings.iter().copied() {
                for fillers in fillers.iter().copied() {
                    let draw = Draw { crossing, candidates: 0, ..draw(flow, hangup_by) };
                    ways.push(Way { draw, fillers });
                }
            }
        }
    }
    ways
}

fn way(flow: Flow) -> Way {
    Way { draw: draw(flow, Side::Caller), fillers: 0 }
}

/// What holds of every attempt, whatever happened: it ends once, each side call ends once, and it is over once.
fn assert_sound(played: &Performance, what: &str) {
    let owner = &played.owner;
    assert_eq!(owner.outcomes().len(), 1, "{what}: {:?}", owner.said);
    assert_eq!(owner.count(|said| *said == Direction::Over), 1, "{what}");
    assert_eq!(owner.said.last(), Some(&Direction::Over), "{what}: nothing is said after the end");
    assert_eq!(owner.side_ends().len(), played.side_calls(), "{what}: {:?}", owner.said);
    assert!(owner.broken().len() <= usize::from(played.outcome() == Outcome::Answered), "{what}");
    assert_eq!(owner.play.next_due(), Time::NEVER, "{what}");
}

/// Also: nothing is up any more at the server.
fn assert_hung_up(played: &Performance, what: &str) {
    assert_sound(played, what);
    assert!(played.left_up().is_empty(), "{what}: {:?} of {:?}", played.left_up(), played.owner.sent);
}

/// What a flow measures, in milliseconds, if every message takes [`HOP`]: the play starts 3 ms late.
fn measures(way: Way) -> Vec<(Metric, Vec<u64>)> {
    use Metric::*;
    let placed = vec![(Ringback, vec![13]), (Alert, vec![10])];
    let answered = vec![(Setup, vec![23]), (Answer, vec![10]), (Establish, vec![10])];
    let hung_up = vec![(Release, vec![10]), (ReleaseRemote, vec![10])];
    let call = [placed.clone(), answered.clone(), hung_up].concat();
    let with = |more: Vec<(Metric, Vec<u64>)>| [call.clone(), more].concat();
    // That of a side call is due when it is sent.
    let side = |count: usize| {
        let each = |metric, value| (metric, vec![value; count]);
        vec![each(Ringback, 10), each(Setup, 20), each(Alert, 10), each(Answer, 10), each(Establish, 10)]
    };
    match way.draw.flow {
        Flow::Answered | Flow::EarlyMedia | Flow::GuestLine => call,
        Flow::Declined => [placed, vec![(Decline, vec![10])]].concat(),
        // Its `accept` is a moment earlier, and wins.
        Flow::Cancelled if way.draw.crossing => call,
        Flow::Cancelled | Flow::NoAnswer => [placed, vec![(Cancel, vec![10])]].concat(),
        Flow::Busy => {
            let each = |metric| (metric, vec![10; way.fillers]);
            // They were due when the attempt was, 3 ms before they were sent.
            let late = |metric| (metric, vec![13; way.fillers]);
            vec![late(Ringback), each(Alert), each(Cancel), (Reject, vec![10])]
        }
        Flow::UnknownNumber | Flow::Offline => vec![(Reject, vec![10])],
        Flow::HoldResume => with(vec![(Hold, vec![10]), (Resume, vec![10]), (Reinvite, vec![10, 10])]),
        // The callee's gives way, and is sent again after 3 s.
        Flow::Renegotiate if way.draw.crossing => {
            with(vec![(Update, vec![20, 20]), (Reinvite, vec![10, 10])])
        }
        Flow::Renegotiate => with(vec![(Update, vec![20]), (Reinvite, vec![10])]),
        // 10 to the transferee, 10 to the target, its ringing, 10 back.
        Flow::BlindTransfer => [with(side(1)), vec![(Transfer, vec![530])]].concat(),
        Flow::AttendedTransfer => {
            [with(side(2)), vec![(Hold, vec![10]), (Reinvite, vec![10]), (Transfer, vec![30])]].concat()
        }
        // The callee hears of it when the caller's ACK arrives.
        Flow::Offerless => call
            .into_iter()
            .map(|(metric, values)| (metric, if metric == Establish { vec![20] } else { values }))
            .collect(),
        Flow::SecondCall => [
            with(side(1)),
            vec![(Hold, vec![10]), (Resume, vec![10]), (Reinvite, vec![10, 10])],
            vec![(Release, vec![10]), (ReleaseRemote, vec![10])],
        ]
        .concat(),
        Flow::Presence => Vec::new(),
        Flow::Mutual if way.draw.hangup_by == Side::Caller => {
            [placed, side(1), vec![(Cancel, vec![10]), (Release, vec![10]), (ReleaseRemote, vec![10])]]
                .concat()
        }
        Flow::Mutual => with(vec![(Ringback, vec![10]), (Alert, vec![10]), (Cancel, vec![10])]),
    }
}

/// The requests of a flow, in order: `0>hold` is sent by the caller of the first call, `1<accept` by the callee of the
/// second.
fn requests(way: Way) -> String {
    let answered = "0>outgoing_call 0<accept";
    let hangup = if way.draw.hangup_by == Side::Caller { "0>hangup" } else { "0<hangup" };
    let all = |call: &str| {
        let calls: Vec<String> = (1..=way.fillers).map(|number| format!("{number}>{call} ")).collect();
        calls.concat()
    };
    match way.draw.flow {
        Flow::Answered | Flow::EarlyMedia | Flow::GuestLine | Flow::Offerless => {
            format!("{answered} {hangup}")
        }
        Flow::Declined => "0>outgoing_call 0<decline".into(),
        Flow::Cancelled if way.draw.crossing => format!("{answered} 0>hangup"),
        Flow::Cancelled | Flow::NoAnswer => "0>outgoing_call 0>hangup".into(),
        Flow::Busy => {
            format!("{}0>outgoing_call {}", all("outgoing_call"), all("hangup")).trim_end().to_owned()
        }
        Flow::UnknownNumber | Flow::Offline => "0>outgoing_call".into(),
        Flow::HoldResume => format!("{answered} 0>hold 0<update 0>unhold 0<update {hangup}"),
        Flow::Renegotiate if way.draw.crossing => {
            format!("{answered} 0>update 0<update 0<update 0<update 0>update {hangup}")
        }
        Flow::Renegotiate => format!("{answered} 0>update 0<update {hangup}"),
        Flow::BlindTransfer => format!("{answered} 0>transfer 1>outgoing_call 1<accept 1>hangup"),
        Flow::AttendedTransfer => format!(
            "{answered} 0>hold 1>outgoing_call 0<update 1<accept \
             0>transfer 2>outgoing_call 2<accept 2>hangup"
        ),
        Flow::SecondCall => {
            format!("{answered} 1>outgoing_call 0<hold 1<accept 0>update 1>hangup 0<unhold 0>update {hangup}")
        }
        Flow::Presence => "0>presence_update".into(),
        Flow::Mutual if way.draw.hangup_by == Side::Caller => {
            "0>outgoing_call 1>outgoing_call 0>hangup 1<accept 1>hangup".into()
        }
        Flow::Mutual => "0>outgoing_call 1>outgoing_call 1>hangup 0<accept 0<hangup".into(),
    }
}

fn intended(way: Way) -> Outcome {
    match way.draw.flow {
        Flow::Declined => Outcome::Declined,
        Flow::Cancelled if way.draw.crossing => Outcome::Answered,
        Flow::Cancelled | Flow::NoAnswer => Outcome::Cancelled,
        Flow::Busy => Outcome::Busy,
        Flow::UnknownNumber => Outcome::Failed(AttemptFailure::Rejected),
        Flow::Offline => Outcome::Unavailable,
        Flow::Presence => Outcome::Done,
        Flow::Mutual if way.draw.hangup_by == Side::Caller => Outcome::Cancelled,
        _ => Outcome::Answered,
    }
}

#[test]
fn every_flow_asks_measures_and_ends_as_intended() {
    for way in ways() {
        let what = format!("{way:?}");
        let played = way.play(Otherwise::Nothing);
        assert_hung_up(&played, &what);
        let outcome = intended(way);
        assert!(played.owner.has(Direction::End { outcome, intended: true }), "{what}");
        assert_eq!(played.owner.broken(), [], "{what}");
        assert_eq!(played.requests(), requests(way), "{what}");
        let unwanted = |said: &Direction| matches!(said, Direction::Found(_) | Direction::Abandon(_));
        assert_eq!(played.owner.count(unwanted), 0, "{what}");
        let mut wanted: BTreeMap<Metric, Vec<Duration>> = BTreeMap::new();
        for (metric, values) in measures(way) {
            wanted.entry(metric).or_default().extend(values.into_iter().map(ms));
        }
        for metric in Metric::ALL.iter().copied() {
            let mut found = played.owner.samples(metric);
            let mut wanted = wanted.remove(&metric).unwrap_or_default();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{metric} in {what}");
        }
    }
}

#[test]
fn every_answered_call_is_talked_on_for_its_time() {
    for way in ways() {
        let played = way.play(Otherwise::Nothing);
        let own = played.owner.said.iter().find_map(|said| match said {
            Direction::Talked { time, completed, is_side_call: false } => Some((*time, *completed)),
            _ => None,
        });
        match (way.draw.flow, own) {
            (Flow::BlindTransfer | Flow::AttendedTransfer, Some((_, completed))) => assert!(completed),
            (Flow::Cancelled, Some((_, completed))) => assert!(completed),
            (_, Some((time, completed))) => {
                assert!(completed, "{way:?}");
                assert!(
                    time >= test_owner::HOLD - HOP && time < test_owner::HOLD + ms(4_000),
                    "{time:?} in {way:?}"
                );
            }
            (_, None) => assert_ne!(intended(way), Outcome::Answered, "{way:?}"),
        }
    }
}

/// What a missing sign makes of an attempt that is not answered yet.
fn failure_without(way: Way, leg: Leg, sign: Sign) -> AttemptFailure {
    match (way.draw.flow, sign) {
        _ if leg.call != 0 => AttemptFailure::SideCall,
        (_, Sign::Incoming) => AttemptFailure::NotDelivered,
        (_, Sign::Accepted) => AttemptFailure::NoAnswer,
        (Flow::Busy | Flow::UnknownNumber | Flow::Offline, Sign::Hangup) => AttemptFailure::NoProgress,
        (_, Sign::Hangup) => AttemptFailure::NotReleased,
        _ => AttemptFailure::NoProgress,
    }
}

/// What the play said of how its flow failed, and when.
fn failed_at(played: &Performance) -> Option<Time> {
    let is_failure = |said: &Direction| match said {
        Direction::End { outcome, .. } => matches!(outcome, Outcome::Failed(_)),
        Direction::Broken(_) => true,
        _ => false,
    };
    let mut all = played.owner.said.iter().zip(&played.owner.said_at);
    all.find(|(said, _)| is_failure(said)).map(|(_, at)| *at)
}

/// When the last request before this time was sent.
fn last_request(played: &Performance, before: Time) -> Time {
    let all = played.owner.said.iter().zip(&played.owner.said_at);
    let sent = all.filter(|(said, at)| **at < before && matches!(said, Direction::Send(..)));
    sent.map(|(_, at)| *at).max().expect("an attempt begins with a request")
}

#[test]
fn a_step_that_the_server_leaves_out_is_named_in_its_own_time() {
    let mut left_out = 0;
    for way in ways() {
        for (number, step) in way.steps() {
            let Act::Expect(sign) = step.act else { continue };
            let leg = if step.leg.call == FILLERS { Leg { call: 1, ..step.leg } } else { step.leg };
            if usize::from(leg.call) >= way.draw.flow.script().calls.len() + way.fillers {
                continue;
            }
            left_out += 1;
            let played = way.play(Otherwise::Swallowed(leg, sign));
            let what = format!("without {sign:?} on {leg:?} in {way:?}");
            assert_hung_up(&played, &what);
            let outcome = played.outcome();
            let broken: Vec<usize> = played.owner.broken().iter().map(|(step, _)| *step).collect();
            match outcome {
                // Answered, and broken off at this very step.
                Outcome::Answered => assert_eq!(broken, [number], "{what}"),
                // It had ended as it should before.
                outcome if outcome == intended(way) => assert!(broken.is_empty(), "{what}"),
                outcome => {
                    let failure = failure_without(way, leg, sign);
                    assert_eq!(outcome, Outcome::Failed(failure), "{what}");
                }
            }
            // The end of a call has times of its own, and so have updates that meet; a transfer without a word of it ends
            // with the old call.
            if matches!(sign, Sign::Hangup | Sign::Transferred) || way.draw.crossing {
                continue;
            }
            if let Some(failed) = failed_at(&played) {
                let waited = failed.since(last_request(&played, failed));
                assert!(waited.abs_diff(step.within) <= HOP * 3, "waited {waited:?} {what}");
            }
        }
    }
    assert!(left_out > 150, "{left_out}");
}

#[test]
fn a_request_that_is_refused_leaves_nothing_up() {
    let mut refused = 0;
    for way in ways() {
        let count = way.play(Otherwise::Nothing).requests().split(' ').count();
        for number in 0..count {
            let played = way.play(Otherwise::Refused(number));
            let requests = played.requests();
            let request = requests.split(' ').nth(number).unwrap_or_default().to_owned();
            let what = format!("{request} is refused in {way:?}");
            assert_sound(&played, &what);
            refused += 1;
            let (leg, name) = request.split_at(2);
            let outcome = played.outcome();
            match name {
                // It crosses the caller's hang-up, and is owed nothing else.
                "accept" if way.draw.flow == Flow::Cancelled => {
                    assert_eq!(outcome, Outcome::Cancelled, "{what}");
                }
                "outgoing_call" | "presence_update" | "accept" if leg.starts_with('0') => {
                    assert_eq!(outcome, Outcome::Failed(AttemptFailure::Refused), "{what}");
                }
                "hold" | "unhold" | "transfer" => {
                    assert_eq!(outcome, Outcome::Answered, "{what}");
                    assert_eq!(played.owner.broken().len(), 1, "{what}");
                    // It is over at once: nothing waits for what cannot come any more.
                    let at = played.owner.broken()[0].1;
                    let sent =
                        played.owner.said.iter().zip(&played.owner.said_at).filter(
                            |(said, _)| matches!(said, Direction::Send(_, ask) if ask.message() == name),
                        );
                    let sent = sent.map(|(_, at)| *at).max().expect("it was sent");
                    assert_eq!(at.since(sent), HOP, "{what}");
                }
                _ => {}
            }
            // A leg whose hangup was refused is nobody's to end any more.
            if !matches!(name, "hangup" | "decline" | "accept") {
                assert_hung_up(&played, &what);
            }
        }
    }
    assert!(refused > 80, "{refused}");
}

#[test]
fn a_lost_connection_at_any_moment_leaves_nothing_up() {
    for way in ways() {
        let moments = way.play(Otherwise::Nothing).moments;
        for party in 0..way.draw.flow.script().parties.len() {
            for moment in 0..moments {
                let played = way.play(Otherwise::Lost(party, moment));
                assert_hung_up(&played, &format!("party {party} is lost at moment {moment} of {way:?}"));
            }
        }
    }
}

#[test]
fn the_end_of_the_run_at_any_moment_leaves_nothing_up() {
    for way in ways() {
        let moments = way.play(Otherwise::Nothing).moments;
        for moment in 0..moments {
            let played = way.play(Otherwise::Drained(moment));
            let what = format!("drained at moment {moment} of {way:?}");
            assert_hung_up(&played, &what);
            assert_eq!(played.owner.broken(), [], "{what}");
            let outcome = played.outcome();
            assert!(
                [Outcome::Unfinished, intended(way), Outcome::Answered].contains(&outcome),
                "{outcome:?} {what}"
            );
        }
    }
}

#[test]
fn a_cancellation_that_wins_over_an_accept_is_one_whatever_the_callee_hears() {
    for race in [Race::Refused410, Race::Hangup487, Race::ConnectionLost] {
        let mut way = way(Flow::Cancelled);
        way.draw.crossing = true;
        let played = way.play(Otherwise::CancelWins(race));
        assert_hung_up(&played, &format!("{race:?}"));
        assert!(
            played.owner.has(Direction::End { outcome: Outcome::Cancelled, intended: true }),
            "{race:?}: {:?}",
            played.owner.said
        );
        assert_eq!(played.owner.samples(Metric::Cancel), [HOP], "{race:?}");
        assert_eq!(played.requests(), "0>outgoing_call 0<accept 0>hangup", "{race:?}");
    }
}

#[test]
fn updates_that_meet_are_sent_again_and_come_through() {
    let mut way = way(Flow::Renegotiate);
    way.draw.crossing = true;
    let played = way.play(Otherwise::BothUpdatesLose);
    assert_hung_up(&played, "both lose");
    assert_eq!(played.owner.broken(), [], "{:?}", played.owner.sent);
    assert_eq!(played.owner.samples(Metric::Update), [HOP * 2, HOP * 2]);
}

#[test]
fn an_update_that_is_refused_four_times_breaks_the_flow_off() {
    let played = way(Flow::Renegotiate).play(Otherwise::NoUpdate);
    assert_hung_up(&played, "no update");
    assert_eq!(played.owner.sends(Ask::Update), 4);
    assert_eq!(played.owner.broken().len(), 1);
    assert_eq!(played.outcome(), Outcome::Answered);
}

#[test]
fn a_transfer_that_fails_breaks_the_flow_off_at_once_and_the_call_is_hung_up() {
    for flow in [Flow::BlindTransfer, Flow::AttendedTransfer] {
        for word in [Word::TransferFailed, Word::Notify(603), Word::Error(454)] {
            let played = way(flow).play(Otherwise::NoTransfer(word));
            let what = format!("{word:?} in {flow:?}");
            assert_hung_up(&played, &what);
            assert_eq!(played.outcome(), Outcome::Answered, "{what}");
            assert!(played.owner.samples(Metric::Transfer).is_empty(), "{what}");
            let sent = played
                .owner
                .said
                .iter()
                .position(|said| matches!(said, Direction::Send(_, Ask::Transfer { .. })));
            let sent = played.owner.said_at[sent.expect("it was sent")];
            assert_eq!(played.owner.broken()[0].1.since(sent), HOP, "{what}");
        }
    }
}

#[test]
fn an_error_that_no_request_of_the_script_has_asked_for_does_not_break_a_flow_off() {
    // As for a candidate that comes too late (protocol, section 5.14).
    for leg in [CALLER, CALLEE] {
        let mut owner = Owner::talking(Side::Callee);
        owner.event(leg, Word::Error(466)).after(test_owner::HOLD.as_millis() as u64);
        owner.hangup(CALLEE, 200).hangup(CALLER, 200);
        assert!(owner.is_over());
        assert_eq!(owner.broken(), [], "{leg:?}");
    }
}

#[test]
fn a_presence_update_is_no_call_and_is_never_hung_up() {
    let mut owner = Owner::with(draw(Flow::Presence, Side::Caller), Cast::All, 0);
    owner.start().drain();
    assert_eq!(owner.outcomes(), [Outcome::Unfinished]);
    assert!(owner.is_over());
    assert_eq!(owner.sends(Ask::Hangup), 0);
}

#[test]
fn somebody_elses_phone_may_ring_before_it_refuses() {
    for (flow, code, outcome) in [(Flow::Declined, 603, Outcome::Declined), (Flow::Busy, 486, Outcome::Busy)]
    {
        let mut owner = Owner::with(draw(flow, Side::Caller), Cast::Caller, 0);
        owner.start().after(10).event(CALLER, Word::Ringing).after(20_000).hangup(CALLER, code);
        assert_eq!(owner.outcomes(), [outcome], "{flow:?}");
        assert!(owner.is_over());
        assert_eq!(owner.sends(Ask::Hangup), 0);
    }
}

#[test]
fn an_offerless_call_that_is_confirmed_twice_is_established_once() {
    let mut owner = Owner::with(draw(Flow::Offerless, Side::Caller), Cast::All, 0);
    owner.start().after(10).incoming().event(CALLER, Word::Ringing).after(RING.as_millis() as u64);
    owner.after(10).event(CALLER, Word::Accepted).event(CALLEE, Word::Accepted);
    owner.event(CALLEE, Word::Accepted);
    assert_eq!(owner.samples(Metric::Establish), [HOP]);
}

#[test]
fn a_call_that_was_not_to_be_answered_is_unintended_and_not_broken_as_well() {
    let mut owner = Owner::with(draw(Flow::Declined, Side::Caller), Cast::All, 0);
    owner.start().after(10).incoming().event(CALLER, Word::Accepted);
    owner.wait();
    assert!(owner.has(Direction::End { outcome: Outcome::Answered, intended: false }));
    assert!(owner.broken().is_empty());
}
