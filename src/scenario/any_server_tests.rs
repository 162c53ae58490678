//! Every flow, played against a server that does anything at any time.

use proptest::prelude::*;

use std::time::Duration;

use super::script::SETUP_TIMEOUT;
use super::test_owner::{HOLD, ON_HOLD, Owner, RING, THINK, Word, draw, ms};
use super::test_server::request_of;
use super::*;
use crate::law::Time;
use crate::metrics::{Metric, Outcome};
use crate::protocol::{RequestName, ResponseOutcome};

const WORDS: [Word; 24] = [
    Word::Calling,
    Word::Incoming,
    Word::Ringing,
    Word::Proceeding,
    Word::Progress,
    Word::Accepted,
    Word::Renegotiated,
    Word::Accepting,
    Word::Declining,
    Word::Error(447),
    Word::Error(491),
    Word::Error(454),
    Word::Missed,
    Word::Holding,
    Word::Resuming,
    Word::UpdatingCall,
    Word::Updated,
    Word::Transferring,
    Word::Transfer,
    Word::Notify(100),
    Word::Notify(200),
    Word::Notify(603),
    Word::TransferAccepted,
    Word::TransferFailed,
];

const REQUESTS: [RequestName; 10] = [
    RequestName::OutgoingCall,
    RequestName::Accept,
    RequestName::Hangup,
    RequestName::Decline,
    RequestName::IceTrickle,
    RequestName::Hold,
    RequestName::Unhold,
    RequestName::Update,
    RequestName::Transfer,
    RequestName::PresenceUpdate,
];

#[derive(Clone, Debug)]
enum Input {
    Pass(u64),
    Event(u8, Side, usize),
    /// What the current step of the script waits for, or something else of use, on all legs.
    Helpful(usize),
    Hangup(u8, Side, i32),
    Response(u8, Side, usize, bool),
    Unanswered(u8, Side, usize),
    Lose(usize),
    Suspend(usize),
    Resume(usize),
    Drain,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let side = || prop_oneof![Just(Side::Caller), Just(Side::Callee)];
    let code = prop_oneof![Just(200), Just(404), Just(480), Just(486), Just(487), Just(603), any::<i32>()];
    let request = || 0..REQUESTS.len();
    let input = prop_oneof![
        8 => (0..2_000_u64).prop_map(Input::Pass),
        1 => (0..60_000_u64).prop_map(Input::Pass),
        8 => (0..5_u8, side(), 0..WORDS.len()).prop_map(|(call, side, word)| Input::Event(call, side, word)),
        24 => (0..WORDS.len()).prop_map(Input::Helpful),
        2 => (0..5_u8, side(), code).prop_map(|(call, side, code)| Input::Hangup(call, side, code)),
        2 => (0..5_u8, side(), request(), any::<bool>()).prop_map(|(call, side, request, is_ack)| {
            Input::Response(call, side, request, is_ack)
        }),
        1 => (0..5_u8, side(), request()).prop_map(|(call, side, at)| Input::Unanswered(call, side, at)),
        1 => (0..MOST_PARTIES).prop_map(Input::Lose),
        1 => (0..MOST_PARTIES).prop_map(Input::Suspend),
        2 => (0..MOST_PARTIES).prop_map(Input::Resume),
        1 => Just(Input::Drain),
    ];
    prop::collection::vec(input, 0..60)
}

impl Owner {
    fn receive(&mut self, input: &Input) {
        match *input {
            Input::Pass(millis) => {
                self.after(millis);
            }
            Input::Event(call, side, word) => self.hear(Leg { call, side }, WORDS[word]),
            Input::Helpful(word) => {
                for call in 0..self.play.calls() as u8 {
                    Side::BOTH.into_iter().for_each(|side| self.hear(Leg { call, side }, WORDS[word]));
                }
            }
            Input::Hangup(call, side, code) => self.hear(Leg { call, side }, Word::Hangup(code)),
            // A session hands on answers to what was asked alone.
            Input::Response(call, side, request, _) | Input::Unanswered(call, side, request)
                if !self.has_asked(Leg { call, side }, REQUESTS[request]) => {}
            Input::Response(call, side, request, true) => {
                self.responded(Leg { call, side }, REQUESTS[request], &ResponseOutcome::Ack);
            }
            Input::Response(call, side, request, false) => {
                self.refused(Leg { call, side }, REQUESTS[request], 471);
            }
            Input::Unanswered(call, side, request) => {
                self.unanswered(Leg { call, side }, REQUESTS[request]);
            }
            Input::Lose(party) => {
                self.lose_party(party);
            }
            Input::Suspend(party) => {
                self.suspend(party);
            }
            Input::Resume(party) => {
                self.resume(party);
            }
            Input::Drain => {
                self.drain();
            }
        }
    }

    fn has_asked(&self, leg: Leg, request: RequestName) -> bool {
        self.sent.iter().any(|(on, ask)| *on == leg && request_of(*ask) == request)
    }

    /// An event, if it can reach the leg.
    fn hear(&mut self, leg: Leg, word: Word) {
        let party = self.play.party(leg);
        let is_there =
            party.is_some_and(|party| !self.lost[usize::from(party)] && !self.away[usize::from(party)]);
        let is_awaited = || {
            let caller = self.play.parties(leg.call).caller;
            party.is_some_and(|party| self.play.awaited(party, caller) == Some(leg))
        };
        if is_there && (word != Word::Incoming || is_awaited()) {
            self.event(leg, word);
        }
    }
}

/// The longest that a flow may take with a server that says nothing more: every step its time, then the end of each call.
fn longest(flow: Flow) -> Duration {
    let steps = flow.script().all_steps().map(|step| step.within.max(SETUP_TIMEOUT));
    steps.sum::<Duration>() + (RING + HOLD + THINK + ON_HOLD) * 4 + ms(60_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_server_does_every_attempt_of_every_flow_ends_once_and_in_time(
        flow in 0..Flow::COUNT,
        hangup_by in prop_oneof![Just(Side::Caller), Just(Side::Callee)],
        crossing in any::<bool>(),
        cast in prop_oneof![5 => Just(Cast::All), 1 => Just(Cast::Caller)],
        fillers in 0..4_usize,
        inputs in inputs(),
    ) {
        let flow = Flow::ALL[flow];
        let cast = if flow.can_call_others() { cast } else { Cast::All };
        let draw = Draw { crossing, ..draw(flow, hangup_by) };
        let mut owner = Owner::with(draw, cast, if cast == Cast::All { fillers } else { 0 });
        owner.start();
        for input in &inputs {
            if owner.is_over() {
                break;
            }
            owner.receive(input);
        }
        let left = owner.now;
        (0..MOST_PARTIES).for_each(|party| {
            owner.resume(party);
        });
        owner.wait();
        prop_assert!(owner.now.since(left) <= longest(flow), "{:?}", owner.now.since(left));
        prop_assert_eq!(owner.play.next_due(), Time::NEVER);
        prop_assert_eq!(owner.outcomes().len(), 1);
        prop_assert_eq!(owner.count(|said| *said == Direction::Over), 1);
        prop_assert_eq!(owner.said.last(), Some(&Direction::Over));
        let is_side = |(leg, ask): &&(Leg, Ask)| leg.call > 0 && matches!(ask, Ask::Call | Ask::ReferredCall);
        prop_assert_eq!(owner.side_ends().len(), owner.sent.iter().filter(is_side).count());
        prop_assert!(owner.broken().len() <= usize::from(owner.outcomes() == [Outcome::Answered]));
        let talked = |side| owner.count(|said| matches!(said, Direction::Talked { is_side_call, .. } if *is_side_call == side));
        prop_assert_eq!(talked(false), usize::from(owner.outcomes() == [Outcome::Answered]));
        let answered = owner.side_ends().into_iter().filter(|end| *end == Outcome::Answered).count();
        prop_assert_eq!(talked(true), answered);
        let calls = owner.play.calls();
        for metric in [Metric::Ringback, Metric::Setup, Metric::Alert, Metric::Answer, Metric::Establish, Metric::Reject] {
            prop_assert!(owner.samples(metric).len() <= calls, "{metric}");
        }
        prop_assert!(owner.samples(Metric::Release).len() <= 2 * calls);
        prop_assert!(owner.samples(Metric::Transfer).len() <= 1);
    }
}
