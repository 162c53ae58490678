//! The answered call, played against every server that can be thought of.

use proptest::prelude::*;

use super::call::{ERROR_GRACE, RELEASE_TIMEOUT};
use super::script::SETUP_TIMEOUT;
use super::test_owner::{CALLEE, CALLER, HOLD, Owner, RING, Word, draw, ms};
use super::*;
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};
use crate::protocol::RequestName;

#[test]
fn an_answered_call_is_measured_and_hung_up_by_either_side() {
    for by in Side::BOTH {
        let mut owner = Owner::talking(by);
        let by = Leg { call: 0, side: by };
        owner.after(HOLD.as_millis() as u64);
        assert!(owner.has(Direction::Send(by, Ask::Hangup)), "{by:?}");
        owner.after(30).hangup(by, 200).after(1).hangup(by.other(), 200);
        assert!(owner.is_over());
        assert_eq!(owner.outcomes(), [Outcome::Answered]);
        let talked = owner.count(|said| matches!(said, Direction::Talked { completed: true, .. }));
        assert_eq!(talked, 1);
        // Due, 3 ms late, 10 ms to ring, 500 ms rung, 10 ms to answer: the ring is not the server's.
        assert_eq!(owner.samples(Metric::Ringback), [ms(13)]);
        assert_eq!(owner.samples(Metric::Setup), [ms(23)]);
        assert_eq!(owner.samples(Metric::Alert), [ms(10)]);
        assert_eq!(owner.samples(Metric::Answer), [ms(10)]);
        assert_eq!(owner.samples(Metric::Release), [ms(30)]);
        assert_eq!(owner.samples(Metric::ReleaseRemote), [ms(31)]);
        assert_eq!(owner.sends(Ask::EndOfCandidates), 2);
        assert_eq!(owner.sends(Ask::Candidate(1)), 2);
    }
}

#[test]
fn the_code_of_a_hangup_before_the_answer_says_how_the_attempt_ended() {
    for (code, outcome) in [
        (486, Outcome::Busy),
        (600, Outcome::Busy),
        (603, Outcome::Declined),
        (480, Outcome::Unavailable),
        (302, Outcome::Redirected),
        (404, Outcome::Failed(AttemptFailure::Rejected)),
        (503, Outcome::Failed(AttemptFailure::Rejected)),
        (-1, Outcome::Failed(AttemptFailure::Rejected)),
        (487, Outcome::Failed(AttemptFailure::EndedEarly)),
        (200, Outcome::Failed(AttemptFailure::EndedEarly)),
    ] {
        // With the callee ringing, and right after the request (section 10, row 9).
        for mut owner in [Owner::ringing(), Owner::both()] {
            owner.hangup(CALLER, code).hangup(CALLEE, code);
            assert_eq!(owner.outcomes(), [outcome], "{code}");
            assert!(owner.is_over());
            let rejected = owner.count(|said| matches!(said, Direction::Rejected(_)));
            assert_eq!(rejected > 0, outcome == Outcome::Failed(AttemptFailure::Rejected), "{code}");
            owner.after(60_000);
            assert_eq!(owner.sends(Ask::Accept), 0, "{code}");
        }
    }
}

#[test]
fn a_callee_whose_call_has_gone_while_it_rang_does_not_accept_it() {
    let mut owner = Owner::ringing();
    owner.hangup(CALLEE, 487).after(1_000);
    assert_eq!(owner.sends(Ask::Accept), 0);
    owner.hangup(CALLER, 486);
    assert_eq!(owner.outcomes(), [Outcome::Busy]);
    assert!(owner.is_over());
}

#[test]
fn somebody_who_gives_up_while_our_client_rings_is_not_accepted() {
    let mut owner = Owner::new(Cast::Callee, Side::Callee);
    owner.incoming().after(10).hangup(CALLEE, 487);
    assert!(owner.is_over());
    owner.after(60_000);
    assert_eq!(owner.sends(Ask::Accept), 0);
    assert!(owner.outcomes().is_empty());
}

#[test]
fn a_call_of_somebody_else_is_accepted_held_and_hung_up() {
    let mut owner = Owner::new(Cast::Callee, Side::Caller);
    owner.incoming().after(RING.as_millis() as u64).event(CALLEE, Word::Accepted);
    assert_eq!(owner.play.talking(), 1);
    owner.after(HOLD.as_millis() as u64);
    assert!(owner.has(Direction::Send(CALLEE, Ask::Hangup)));
    owner.hangup(CALLEE, 200);
    assert!(owner.is_over());
    assert!(owner.outcomes().is_empty());
    assert_eq!(owner.count(|said| matches!(said, Direction::Talked { .. })), 0);
}

#[test]
fn a_call_to_somebody_else_needs_the_callers_leg_alone() {
    let mut owner = Owner::new(Cast::Caller, Side::Callee);
    owner.event(CALLER, Word::Ringing).after(2_000).event(CALLER, Word::Accepted);
    owner.after(HOLD.as_millis() as u64);
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.hangup(CALLER, 200);
    assert!(owner.is_over());
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
    assert_eq!(owner.count(|said| matches!(said, Direction::Found(_))), 0);
}

#[test]
fn events_said_twice_count_once() {
    let mut owner = Owner::talking(Side::Caller);
    owner.event(CALLER, Word::Ringing).event(CALLER, Word::Accepted);
    owner.after(HOLD.as_millis() as u64).hangup(CALLER, 200);
    // A worker takes the leg off its line at the first one; the script does not rely on it.
    owner.on_line.insert((0, 0));
    owner.hangup(CALLER, 200).hangup(CALLEE, 200);
    assert_eq!(owner.samples(Metric::Setup).len(), 1);
    assert_eq!(owner.samples(Metric::Ringback).len(), 1);
    assert_eq!(owner.samples(Metric::Release).len(), 1);
    assert_eq!(owner.count(|said| *said == Direction::Over), 1);
}

#[test]
fn a_request_that_is_refused_ends_the_attempt_and_the_other_leg() {
    let mut owner = Owner::both();
    owner.refused(CALLER, RequestName::OutgoingCall, 503);
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::Refused)]);
    assert!(owner.is_over() && owner.has(Direction::Abandon(CALLER)));

    let mut owner = Owner::ringing();
    owner.after(RING.as_millis() as u64).refused(CALLEE, RequestName::Accept, 410);
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::Refused)]);
    assert!(owner.has(Direction::Abandon(CALLEE)));
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.hangup(CALLER, 487);
    assert!(owner.is_over());
}

#[test]
fn a_refused_candidate_is_not_the_end_of_a_call() {
    let mut owner = Owner::talking(Side::Caller);
    owner.refused(CALLER, RequestName::IceTrickle, 471);
    owner.unanswered(CALLEE, RequestName::IceTrickle);
    assert_eq!(owner.play.talking(), 1);
}

#[test]
fn a_request_without_a_response_fails_the_attempt_unless_events_show_progress() {
    let mut owner = Owner::both();
    owner.unanswered(CALLER, RequestName::OutgoingCall);
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::NoResponse)]);
    owner.wait();

    let mut owner = Owner::ringing();
    owner.unanswered(CALLER, RequestName::OutgoingCall);
    assert!(owner.outcomes().is_empty());
    owner.after(RING.as_millis() as u64).event(CALLEE, Word::Accepted);
    owner.unanswered(CALLEE, RequestName::Accept).event(CALLER, Word::Accepted);
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
}

#[test]
fn a_hangup_without_a_response_gives_its_line_back() {
    let mut owner = Owner::talking(Side::Caller);
    owner.after(HOLD.as_millis() as u64).unanswered(CALLER, RequestName::Hangup);
    assert!(owner.has(Direction::Abandon(CALLER)));
    owner.hangup(CALLEE, 200);
    assert!(owner.is_over());
}

#[test]
fn an_error_event_ends_the_attempt_and_nothing_is_accepted_after_it() {
    let mut owner = Owner::ringing();
    owner.event(CALLER, Word::Error(447)).after(1_000);
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::EventError)]);
    assert_eq!(owner.sends(Ask::Accept), 0);
    // No hangup has followed in 2 s: we hang up ourselves (section 5.19).
    assert_eq!(owner.sends(Ask::Hangup), 0);
    owner.after(1_000);
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.event(CALLER, Word::Accepted).hangup(CALLER, 487).hangup(CALLEE, 487);
    assert!(owner.is_over());
    assert!(owner.samples(Metric::Setup).is_empty());
    assert_eq!(owner.count(|said| matches!(said, Direction::Talked { .. })), 0);
}

#[test]
fn a_server_that_says_nothing_more_is_given_up_by_name_of_what_is_missing() {
    let failed = |owner: &mut Owner| {
        owner.wait();
        assert_eq!(owner.outcomes().len(), 1);
        owner.outcomes()[0]
    };
    let mut owner = Owner::both();
    assert_eq!(failed(&mut owner), Outcome::Failed(AttemptFailure::NoProgress));
    let mut owner = Owner::both();
    owner.event(CALLER, Word::Ringing);
    assert_eq!(failed(&mut owner), Outcome::Failed(AttemptFailure::NotDelivered));
    assert!(owner.has(Direction::Found(Finding::Lost)));
    let mut owner = Owner::ringing();
    assert_eq!(failed(&mut owner), Outcome::Failed(AttemptFailure::NoAnswer));
    assert_eq!(owner.sends(Ask::Hangup), 2);
    let mut owner = Owner::talking(Side::Caller);
    assert_eq!(failed(&mut owner), Outcome::Answered);
    assert!(owner.has(Direction::Abandon(CALLER)) && owner.has(Direction::Abandon(CALLEE)));
}

#[test]
fn a_leg_that_the_server_forgets_is_hung_up_before_it_is_given_up() {
    let mut owner = Owner::talking(Side::Caller);
    owner.after(HOLD.as_millis() as u64).hangup(CALLER, 200).after(10_000);
    assert!(owner.has(Direction::Found(Finding::OneLegOnly)));
    assert!(owner.has(Direction::Send(CALLEE, Ask::Hangup)));
    owner.wait();
    assert_eq!(owner.count(|said| *said == Direction::Found(Finding::OneLegOnly)), 1);
    assert!(owner.has(Direction::Abandon(CALLEE)));

    let mut owner = Owner::ringing();
    owner.hangup(CALLER, 486).after(10_000);
    assert!(owner.has(Direction::Send(CALLEE, Ask::Decline)));
}

#[test]
fn a_call_that_is_answered_after_its_other_leg_has_gone_is_one_leg_only() {
    let mut owner = Owner::ringing();
    owner.after(RING.as_millis() as u64).hangup(CALLEE, 200).event(CALLER, Word::Accepted);
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
    owner.after(10_000);
    assert!(owner.has(Direction::Found(Finding::OneLegOnly)));
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
}

#[test]
fn an_answer_that_no_callee_of_ours_gave_is_a_finding() {
    let mut owner = Owner::both();
    owner.event(CALLER, Word::Accepted).after(HOLD.as_millis() as u64).hangup(CALLER, 200);
    assert!(owner.is_over());
    assert_eq!(owner.count(|said| *said == Direction::Found(Finding::Lost)), 1);
    assert!(owner.samples(Metric::Answer).is_empty());
}

#[test]
fn an_accepted_call_needs_no_ringing() {
    let mut owner = Owner::both();
    owner.incoming().after(RING.as_millis() as u64).event(CALLER, Word::Accepted);
    assert_eq!(owner.samples(Metric::Ringback).len(), 1);
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
}

#[test]
fn a_lost_connection_ends_the_call_on_the_other_leg_too() {
    for lost in [CALLER, CALLEE] {
        let mut owner = Owner::ringing();
        owner.lose(lost);
        assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::ConnectionLost)]);
        assert_eq!(
            owner.sends(Ask::Hangup) + owner.sends(Ask::Decline),
            0,
            "it would cross the server's own"
        );
        owner.hangup(lost.other(), 487);
        assert!(owner.is_over());

        let mut owner = Owner::ringing();
        owner.lose(lost).drain();
        let ask = if lost == CALLER { Ask::Decline } else { Ask::Hangup };
        assert!(owner.has(Direction::Send(lost.other(), ask)), "nothing stays up when the run is over");

        let mut owner = Owner::talking(Side::Caller);
        owner.lose(lost).lose(lost.other());
        assert!(owner.is_over());
        assert_eq!(owner.outcomes(), [Outcome::Answered]);
    }
}

#[test]
fn a_call_that_cannot_be_sent_is_over_at_once() {
    let mut owner = Owner::both();
    owner.play = Play::new(draw(Flow::Answered, Side::Caller), Cast::All, owner.now, 0);
    owner.said.clear();
    owner.lost[0] = true;
    owner.start();
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::ConnectionLost)]);
    assert!(owner.is_over());
}

#[test]
fn a_drained_call_is_hung_up_whatever_it_was_doing() {
    let mut owner = Owner::both();
    owner.drain();
    assert_eq!(owner.outcomes(), [], "an answer may be under way");
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.hangup(CALLER, 487);
    assert_eq!(owner.outcomes(), [Outcome::Unfinished]);

    let mut owner = Owner::ringing();
    owner.drain().drain();
    assert_eq!(owner.sends(Ask::Hangup), 1);
    owner.hangup(CALLER, 487).hangup(CALLEE, 487);
    assert_eq!(owner.outcomes(), [Outcome::Unfinished]);

    let mut owner = Owner::talking(Side::Callee);
    owner.drain();
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.hangup(CALLER, 200).hangup(CALLEE, 200);
    assert!(owner.is_over());

    let mut owner = Owner::new(Cast::Callee, Side::Callee);
    owner.incoming().drain();
    assert!(owner.has(Direction::Send(CALLEE, Ask::Decline)));
}

#[test]
fn a_description_with_all_candidates_in_it_is_not_followed_by_an_end_mark() {
    let draw = Draw { candidates: 0, ..draw(Flow::Answered, Side::Caller) };
    let mut owner = Owner::with(draw, Cast::All, 0);
    owner.start().after(10).incoming().event(CALLER, Word::Ringing).after(9_000);
    assert_eq!((owner.sends(Ask::Call), owner.sends(Ask::Accept)), (1, 1));
    assert_eq!(owner.sends(Ask::EndOfCandidates), 0);
}

#[test]
fn who_is_back_first_in_a_call_that_was_to_end_leaves_the_end_to_the_other() {
    let (caller, callee) = (0, 1);
    for back in [[caller, callee], [callee, caller]] {
        let mut owner = Owner::talking(Side::Caller);
        owner.suspend(caller).suspend(callee).after(HOLD.as_millis() as u64 + 1_000);
        assert!(!owner.has(Direction::Send(CALLER, Ask::Hangup)));
        owner.resume(back[0]).after(10).resume(back[1]);
        assert_eq!((owner.sends(Ask::Hangup), owner.sends(Ask::Update)), (1, 0), "{back:?}");
        assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    }
}

#[test]
fn nothing_is_trickled_once_the_call_is_being_hung_up() {
    let mut owner = Owner::ringing();
    owner.drain();
    let sent = owner.said.len();
    owner.after(9_000);
    assert_eq!(owner.said.len(), sent);
}

#[derive(Clone, Debug)]
enum Input {
    Pass(u64),
    Incoming,
    Event(Leg, u8),
    Hangup(Leg, i32),
    Refused(Leg, u8),
    Unanswered(Leg, u8),
    Lose(Leg),
    Drain,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let leg = || prop_oneof![Just(CALLER), Just(CALLEE)];
    let code = prop_oneof![Just(200), Just(302), Just(404), Just(486), Just(487), Just(603), any::<i32>()];
    let input = prop_oneof![
        4 => (0..2_000_u64).prop_map(Input::Pass),
        1 => (0..60_000_u64).prop_map(Input::Pass),
        2 => Just(Input::Incoming),
        6 => (leg(), 0..6_u8).prop_map(|(leg, kind)| Input::Event(leg, kind)),
        2 => (leg(), code).prop_map(|(leg, code)| Input::Hangup(leg, code)),
        1 => (leg(), 0..5_u8).prop_map(|(leg, request)| Input::Refused(leg, request)),
        1 => (leg(), 0..5_u8).prop_map(|(leg, request)| Input::Unanswered(leg, request)),
        1 => leg().prop_map(Input::Lose),
        1 => Just(Input::Drain),
    ];
    prop::collection::vec(input, 0..24)
}

fn request(number: u8) -> RequestName {
    [
        RequestName::OutgoingCall,
        RequestName::Accept,
        RequestName::Hangup,
        RequestName::Decline,
        RequestName::IceTrickle,
    ][usize::from(number)]
}

impl Owner {
    fn take(&mut self, input: &Input) {
        match *input {
            Input::Pass(millis) => self.after(millis),
            Input::Incoming => self.incoming(),
            Input::Event(leg, 0) => self.event(leg, Word::Calling),
            Input::Event(leg, 1) => self.event(leg, Word::Ringing),
            Input::Event(leg, 2) => self.event(leg, Word::Proceeding),
            Input::Event(leg, 3) => self.event(leg, Word::Accepting),
            Input::Event(leg, 4) => self.event(leg, Word::Error(447)),
            Input::Event(leg, _) => self.event(leg, Word::Accepted),
            Input::Hangup(leg, code) => self.hangup(leg, code),
            Input::Refused(leg, number) => self.refused(leg, request(number), 471),
            Input::Unanswered(leg, number) => self.unanswered(leg, request(number)),
            Input::Lose(leg) => self.lose(leg),
            Input::Drain => self.drain(),
        };
    }
}

proptest! {
    #[test]
    fn whatever_the_server_does_an_attempt_ends_once_and_is_over_in_time(
        cast in prop_oneof![3 => Just(Cast::All), 1 => Just(Cast::Caller), 1 => Just(Cast::Callee)],
        hangup_by in prop_oneof![Just(Side::Caller), Just(Side::Callee)],
        inputs in inputs(),
    ) {
        let mut owner = Owner::new(cast, hangup_by);
        if cast == Cast::Callee {
            owner.incoming();
        }
        for input in &inputs {
            if owner.is_over() {
                break;
            }
            owner.take(input);
        }
        let left = owner.now;
        owner.wait();
        // The set-up, the hold, and the ends of both legs and of the call.
        let longest = SETUP_TIMEOUT * 2 + RING * 2 + HOLD + ERROR_GRACE + RELEASE_TIMEOUT * 3;
        prop_assert!(owner.now.since(left) <= longest, "{:?}", owner.now.since(left));
        prop_assert_eq!(owner.outcomes().len(), usize::from(cast != Cast::Callee));
        prop_assert_eq!(owner.count(|said| *said == Direction::Over), 1);
        prop_assert!(owner.count(|said| *said == Direction::Found(Finding::OneLegOnly)) <= 1);
        for (metric, most) in [(Metric::Setup, 1), (Metric::Alert, 1), (Metric::Release, 2)] {
            prop_assert!(owner.samples(metric).len() <= most, "{metric}");
        }
        let talked = owner.count(|said| matches!(said, Direction::Talked { .. }));
        prop_assert_eq!(talked, usize::from(owner.outcomes() == [Outcome::Answered]));
        prop_assert_eq!(owner.play.next_due(), Time::NEVER);
    }
}
