//! The ladder of a flow with what was counted at each of its rungs.
//!
//! Messages are counted by their names and not by flow: how often each was sent or received is that of all calls. Where
//! attempts came to a stop is counted by flow and step.

use crate::metrics::Counters;
use crate::protocol::{EventName, RequestName};
use crate::scenario::{Act, Flow, Side, Sign, Step, When};

/// A message of a flow, from all legs on which it is sent or seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// Who sends or sees it.
    pub who: &'static str,
    pub message: &'static str,
    /// It is sent, and not received.
    pub is_sent: bool,
    /// How often, in all calls.
    pub count: u64,
    /// Attempts of the flow that waited for it in vain.
    pub timed_out: u64,
    /// Attempts of the flow in which something else happened instead.
    pub unexpected: u64,
}

/// The flow of which most attempts have ended, or that of the greatest weight where none has.
pub(super) fn busiest(total: &Counters, mix: &[(Flow, f64)]) -> Option<Flow> {
    let ended = |flow: Flow| -> u64 {
        total.flows.iter().filter(|((name, _), _)| *name == flow.name()).map(|(_, many)| many).sum()
    };
    let before = |one: &(Flow, f64), other: &(Flow, f64)| {
        ended(one.0).cmp(&ended(other.0)).then(one.1.total_cmp(&other.1))
    };
    mix.iter().copied().max_by(before).map(|(flow, _)| flow)
}

/// The rungs of a flow, in the order of its steps. The same message on another leg, or later, is on the same rung, as it
/// is counted by its name.
pub(super) fn rungs(flow: Flow, total: &Counters) -> Vec<Rung> {
    let mut rungs: Vec<Rung> = Vec::new();
    let mut of_step: Vec<Option<usize>> = Vec::new();
    for step in flow.script().all_steps() {
        let is_sent = match step.act {
            Act::Send(_) => true,
            Act::Expect(_) | Act::May(_) if step.when != When::CalledByOthers => false,
            _ => {
                of_step.push(None);
                continue;
            }
        };
        let who = match step.leg.side {
            Side::Caller => "caller",
            Side::Callee => "callee",
        };
        let (message, count) =
            if is_sent { (step.message(), sent(step, total)) } else { received(step, total) };
        let same = |rung: &Rung| rung.message == message && rung.is_sent == is_sent;
        let place = rungs.iter().position(same).unwrap_or_else(|| {
            rungs.push(Rung { who, message, is_sent, count, timed_out: 0, unexpected: 0 });
            rungs.len() - 1
        });
        if rungs[place].who != who {
            rungs[place].who = "both";
        }
        of_step.push(Some(place));
    }
    for ((name, step, is_overdue), many) in total.stopped_at.iter() {
        if name != flow.name() {
            continue;
        }
        // A time that passes is no message: who hangs up meanwhile is missed at the next one.
        let rung = of_step.get(step..).into_iter().flatten().find_map(|place| *place);
        let rung = rung.or(rungs.len().checked_sub(1));
        if let Some(rung) = rung.and_then(|rung| rungs.get_mut(rung)) {
            *(if is_overdue { &mut rung.timed_out } else { &mut rung.unexpected }) += many;
        }
    }
    rungs
}

fn sent(step: &Step, total: &Counters) -> u64 {
    let request = RequestName::ALL.iter().find(|request| request.name() == step.message());
    request.map_or(0, |request| total.requests_sent[request.index()])
}

/// What was received, and how often.
fn received(step: &Step, total: &Counters) -> (&'static str, u64) {
    let (Act::Expect(sign) | Act::May(sign)) = step.act else { return (step.message(), 0) };
    let of = |event: EventName| total.events[event.index()];
    // Where any of several messages will do it is the first that came at all.
    let any_of = |events: [EventName; 3]| {
        let event = events.into_iter().find(|event| of(*event) > 0).unwrap_or(events[0]);
        (event.name(), of(event))
    };
    match sign {
        Sign::Ringback => any_of([EventName::Ringing, EventName::Progress, EventName::Proceeding]),
        Sign::Transferred => any_of([EventName::Notify, EventName::TransferAccepted, EventName::Notify]),
        Sign::Ack => (sign.message(), total.acked),
        _ => {
            let event = EventName::ALL.iter().find(|event| event.name() == sign.message());
            (sign.message(), event.map_or(0, |event| of(*event)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flow_has_a_rung_for_each_message_of_its_script() {
        for flow in Flow::ALL.iter().copied() {
            let rungs = rungs(flow, &Counters::default());
            for step in flow.script().all_steps() {
                let is_message = !matches!(step.act, Act::Pause(_)) && step.when != When::CalledByOthers;
                let message = step.message().trim_end_matches(" 200");
                assert!(
                    !is_message || rungs.iter().any(|rung| rung.message == message),
                    "{}: {}",
                    flow.name(),
                    step.message()
                );
            }
        }
    }

    #[test]
    fn every_message_of_a_script_is_counted_by_a_name_of_the_protocol() {
        let mut total = Counters::default();
        total.requests_sent.iter_mut().for_each(|sent| *sent = 1);
        total.events.iter_mut().for_each(|seen| *seen = 1);
        total.acked = 1;
        for flow in Flow::ALL.iter().copied() {
            for rung in rungs(flow, &total) {
                assert!(rung.count > 0, "{}: {rung:?}", flow.name());
            }
        }
    }

    #[test]
    fn a_stop_is_counted_at_its_step_or_at_the_next_message() {
        let mut total = Counters::default();
        let flow = Flow::Answered;
        let pause = flow.script().all_steps().position(|step| matches!(step.act, Act::Pause(_)));
        total.stopped_at.count_many((flow.name(), pause.unwrap_or_default(), false), 3);
        total.stopped_at.count_many((flow.name(), 2, true), 2);
        total.stopped_at.count_many((Flow::Busy.name(), 2, true), 9);
        let rungs = rungs(flow, &total);
        let at = |message: &str| rungs.iter().find(|rung| rung.message == message).cloned();
        assert_eq!(at("accept").map(|rung| (rung.timed_out, rung.unexpected)), Some((0, 3)));
        assert_eq!(at("incoming_call").map(|rung| (rung.timed_out, rung.unexpected)), Some((2, 0)));
        assert_eq!(rungs.iter().map(|rung| rung.timed_out).sum::<u64>(), 2);
        assert_eq!(busiest(&total, &[(flow, 1.0), (Flow::Busy, 2.0)]), Some(Flow::Busy));
        total.flows.count((flow.name(), "answered"));
        assert_eq!(busiest(&total, &[(flow, 1.0), (Flow::Busy, 2.0)]), Some(flow));
    }
}
