//! The answered call, played against every server that can be thought of.

use proptest::prelude::*;

use std::time::Duration;

use super::call::{ERROR_GRACE, RELEASE_TIMEOUT};
use super::script::SETUP_TIMEOUT;
use super::*;
use crate::law::Time;
use crate::metrics::{AttemptFailure, Metric, Outcome};
use crate::protocol::{CallParties, EventBody, RequestName, ResponseOutcome};

const RING: Duration = Duration::from_millis(500);
const HOLD: Duration = Duration::from_secs(5);

const CALLER: Leg = Leg::caller(0);
const CALLEE: Leg = Leg::callee(0);

fn draw(hangup_by: Side) -> Draw {
    Draw {
        flow: Flow::Answered,
        ring: RING,
        hold: HOLD,
        think: ms(300),
        on_hold: ms(400),
        hangup_by,
        crossing: false,
        update_retry: ms(3_000),
        candidates: 2,
        candidate_spacing: ms(20),
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A script with an owner that carries its directions out, as a worker does.
struct Owner {
    script: Play,
    cast: Cast,
    now: Time,
    /// Which legs have a call on a line of their client: an event or a response reaches no other.
    on_line: [bool; 2],
    /// Which connections are gone.
    lost: [bool; 2],
    said: Vec<Direction>,
}

impl Owner {
    fn new(cast: Cast, hangup_by: Side) -> Owner {
        let due = Time::ZERO + ms(1_000);
        let mut owner = Owner {
            script: Play::new(draw(hangup_by), cast, due, 0),
            cast,
            now: due + ms(3),
            on_line: [false; 2],
            lost: [false; 2],
            said: Vec::new(),
        };
        owner.tell(|script, now, out| script.start(now, out));
        owner
    }

    /// A call between two of ours.
    fn both() -> Owner {
        Owner::new(Cast::All, Side::Caller)
    }

    /// A call that rings at the callee.
    fn ringing() -> Owner {
        let mut owner = Owner::both();
        owner.after(10).incoming().event(CALLER, &EventBody::Ringing);
        owner
    }

    /// A call that both hold.
    fn talking(hangup_by: Side) -> Owner {
        let mut owner = Owner::new(Cast::All, hangup_by);
        owner.after(10).incoming().event(CALLER, &EventBody::Ringing).after(RING.as_millis() as u64);
        owner.after(10).event(CALLEE, &accepted()).event(CALLER, &accepted());
        assert_eq!(owner.script.talking(), 1);
        owner
    }

    fn tell(&mut self, speak: impl FnOnce(&mut Play, Time, &mut Vec<Direction>)) -> &mut Owner {
        let mut said = Vec::new();
        speak(&mut self.script, self.now, &mut said);
        let mut next = 0;
        while let Some(direction) = said.get(next).copied() {
            next += 1;
            match direction {
                Direction::Send(leg, ask) => {
                    let is_new = ask == Ask::Call;
                    assert!(is_new || self.on_line[leg.side as usize], "{ask:?} on a dead leg, {leg:?}");
                    if self.lost[leg.side as usize] {
                        self.script.lost(leg, self.now, &mut said);
                    } else {
                        self.on_line[leg.side as usize] = true;
                        self.script.sent(leg, ask, self.now);
                    }
                }
                Direction::Abandon(leg) => self.on_line[leg.side as usize] = false,
                Direction::Over => self.on_line = [false; 2],
                _ => {}
            }
        }
        self.said.extend(said);
        self
    }

    /// Lets time pass, and does what comes due on the way when it is due.
    fn after(&mut self, millis: u64) -> &mut Owner {
        let until = self.now + ms(millis);
        while self.script.next_due() <= until {
            self.now = self.now.max(self.script.next_due());
            self.tell(|script, now, out| script.due(now, out));
        }
        self.now = until;
        self
    }

    fn incoming(&mut self) -> &mut Owner {
        self.on_line[1] = true;
        let parties = CallParties {
            callee: "1002".into(),
            caller: "1001".into(),
            caller_display_name: None,
            jsep: None,
            referred_by: None,
            replace_call_id: None,
            is_focus: None,
        };
        self.event(CALLEE, &EventBody::IncomingCall(parties))
    }

    fn event(&mut self, leg: Leg, event: &EventBody<'_>) -> &mut Owner {
        if self.on_line[leg.side as usize] {
            if matches!(event, EventBody::Hangup { .. }) {
                self.on_line[leg.side as usize] = false;
            }
            self.tell(|script, now, out| script.event(leg, event, now, out));
        }
        self
    }

    fn hangup(&mut self, leg: Leg, code: i32) -> &mut Owner {
        self.event(leg, &EventBody::Hangup { code: Some(code), reason: None })
    }

    fn refused(&mut self, leg: Leg, request: RequestName, code: i32) -> &mut Owner {
        let outcome = ResponseOutcome::Error { code: Some(code), reason: None };
        if self.on_line[leg.side as usize] {
            self.tell(|script, now, out| script.response(leg, request, &outcome, now, out));
        }
        self
    }

    fn unanswered(&mut self, leg: Leg, request: RequestName) -> &mut Owner {
        if self.on_line[leg.side as usize] {
            self.tell(|script, now, out| script.no_response(leg, request, now, out));
        }
        self
    }

    fn lose(&mut self, leg: Leg) -> &mut Owner {
        self.lost[leg.side as usize] = true;
        self.on_line[leg.side as usize] = false;
        self.tell(|script, now, out| script.lost(leg, now, out))
    }

    fn drain(&mut self) -> &mut Owner {
        self.tell(|script, now, out| script.drain(now, out))
    }

    /// Lets time pass until the call is over, with no more word from the server.
    fn wait(&mut self) -> &mut Owner {
        while !self.is_over() {
            let due = self.script.next_due();
            assert_ne!(due, Time::NEVER, "the call waits for ever: {:?}", self.script);
            self.now = self.now.max(due);
            self.tell(|script, now, out| script.due(now, out));
        }
        self
    }

    fn count(&self, wanted: impl Fn(&Direction) -> bool) -> usize {
        self.said.iter().filter(|direction| wanted(direction)).count()
    }

    fn is_over(&self) -> bool {
        self.count(|direction| *direction == Direction::Over) > 0
    }

    fn has(&self, direction: Direction) -> bool {
        self.said.contains(&direction)
    }

    fn sends(&self, ask: Ask) -> usize {
        self.count(|direction| matches!(direction, Direction::Send(_, sent) if *sent == ask))
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |direction: &Direction| match direction {
            Direction::End { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.said.iter().filter_map(outcome).collect()
    }

    fn samples(&self, metric: Metric) -> Vec<Duration> {
        let sample = |direction: &Direction| match direction {
            Direction::Sample(sample) if sample.metric == metric => Some(sample.done.since(sample.due)),
            Direction::Service(one, sent, done) if *one == metric => Some(done.since(*sent)),
            _ => None,
        };
        self.said.iter().filter_map(sample).collect()
    }
}

fn accepted() -> EventBody<'static> {
    EventBody::Accepted { jsep: None, is_focus: None, callee: None }
}

fn error() -> EventBody<'static> {
    EventBody::Error { code: Some(447), reason: None }
}

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
    owner.incoming().after(RING.as_millis() as u64).event(CALLEE, &accepted());
    assert_eq!(owner.script.talking(), 1);
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
    owner.event(CALLER, &EventBody::Ringing).after(2_000).event(CALLER, &accepted());
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
    owner.event(CALLER, &EventBody::Ringing).event(CALLER, &accepted());
    owner.after(HOLD.as_millis() as u64).hangup(CALLER, 200);
    // A worker takes the leg off its line at the first one; the script does not rely on it.
    owner.on_line[0] = true;
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
    assert_eq!(owner.script.talking(), 1);
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
    owner.after(RING.as_millis() as u64).event(CALLEE, &accepted());
    owner.unanswered(CALLEE, RequestName::Accept).event(CALLER, &accepted());
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
    owner.event(CALLER, &error()).after(1_000);
    assert_eq!(owner.outcomes(), [Outcome::Failed(AttemptFailure::EventError)]);
    assert_eq!(owner.sends(Ask::Accept), 0);
    // No hangup has followed in 2 s: we hang up ourselves (section 5.19).
    assert_eq!(owner.sends(Ask::Hangup), 0);
    owner.after(1_000);
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
    owner.event(CALLER, &accepted()).hangup(CALLER, 487).hangup(CALLEE, 487);
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
    owner.event(CALLER, &EventBody::Ringing);
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
    owner.after(RING.as_millis() as u64).hangup(CALLEE, 200).event(CALLER, &accepted());
    assert_eq!(owner.outcomes(), [Outcome::Answered]);
    owner.after(10_000);
    assert!(owner.has(Direction::Found(Finding::OneLegOnly)));
    assert!(owner.has(Direction::Send(CALLER, Ask::Hangup)));
}

#[test]
fn an_answer_that_no_callee_of_ours_gave_is_a_finding() {
    let mut owner = Owner::both();
    owner.event(CALLER, &accepted()).after(HOLD.as_millis() as u64).hangup(CALLER, 200);
    assert!(owner.is_over());
    assert_eq!(owner.count(|said| *said == Direction::Found(Finding::Lost)), 1);
    assert!(owner.samples(Metric::Answer).is_empty());
}

#[test]
fn an_accepted_call_needs_no_ringing() {
    let mut owner = Owner::both();
    owner.incoming().after(RING.as_millis() as u64).event(CALLER, &accepted());
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
    owner.script = Play::new(draw(Side::Caller), Cast::All, owner.now, 0);
    owner.said.clear();
    owner.lost = [true, false];
    owner.tell(|script, now, out| script.start(now, out));
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
            // Nobody of ours can be called in a call to somebody else, nor once nobody waits for it.
            Input::Incoming if self.cast == Cast::Caller || self.lost[1] => self,
            Input::Incoming => self.incoming(),
            Input::Event(leg, 0) => self.event(leg, &EventBody::Calling),
            Input::Event(leg, 1) => self.event(leg, &EventBody::Ringing),
            Input::Event(leg, 2) => self.event(leg, &EventBody::Proceeding { code: Some(180) }),
            Input::Event(leg, 3) => self.event(leg, &EventBody::Accepting),
            Input::Event(leg, 4) => self.event(leg, &error()),
            Input::Event(leg, _) => self.event(leg, &accepted()),
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
        prop_assert_eq!(owner.script.next_due(), Time::NEVER);
    }
}
