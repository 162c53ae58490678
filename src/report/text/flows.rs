//! The flows of a mix: what became of the attempts of each, and of the calls beside them.

use std::io;

use super::super::units::count;
use super::{Page, RunRecord, WIDTH, words, wrapped};
use crate::record::ByName;
use crate::scenario::Flow;

/// How far the outcomes of a flow are indented.
const OUTCOMES: usize = 31;

impl Page<'_> {
    /// The flows, where there are others than answered calls.
    pub(super) fn flows(&mut self, record: &RunRecord) -> io::Result<()> {
        let counted = &record.counted;
        if counted.flows.keys().all(|flow| flow == Flow::Answered.name()) {
            return self.broken(&counted.attempts_broken);
        }
        self.line(&format!("  {:<18}{:>9}", "by flow", "due"))?;
        let known = Flow::ALL.iter().map(|flow| flow.name());
        let beyond = counted.flows.keys().map(String::as_str).filter(|flow| Flow::from_name(flow).is_none());
        for flow in known.chain(beyond) {
            if let Some(outcomes) = counted.flows.get(flow) {
                self.outcomes(&words(flow), outcomes.values().sum(), outcomes, "")?;
            }
        }
        self.broken(&counted.attempts_broken)?;
        let side = &counted.side_calls;
        if side.started > 0 {
            let what = ": calls that flows need beside the attempts";
            self.outcomes("side calls", side.started, &side.ended, what)?;
        }
        Ok(())
    }

    /// Answered calls that did not go through all of their flow.
    fn broken(&mut self, broken: &ByName) -> io::Result<()> {
        let all: u64 = broken.values().sum();
        if all == 0 {
            return Ok(());
        }
        let places = broken.iter().map(|(place, number)| format!("{}: {}", place_of(place), count(*number)));
        let text =
            format!("answered, but its flow broke off later: {}", places.collect::<Vec<_>>().join(", "));
        self.row("broken off", all, &text)
    }

    fn outcomes(&mut self, name: &str, number: u64, outcomes: &ByName, remark: &str) -> io::Result<()> {
        let all: u64 = outcomes.values().sum();
        // The usual one first.
        let mut by_number: Vec<(&String, &u64)> = outcomes.iter().collect();
        by_number.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        let said = by_number.into_iter().map(|(outcome, number)| {
            if *number == all && all > 1 {
                return format!("all {}", words(outcome));
            }
            format!("{} {}", words(outcome), count(*number))
        });
        self.row(name, number, &format!("{}{remark}", said.collect::<Vec<_>>().join(", ")))
    }

    fn row(&mut self, name: &str, number: u64, text: &str) -> io::Result<()> {
        for (index, line) in wrapped(text, WIDTH - OUTCOMES).iter().enumerate() {
            match index {
                0 => self.line(&format!("    {name:<17}{:>8}  {line}", count(number)))?,
                _ => self.line(&format!("{:OUTCOMES$}{line}", ""))?,
            }
        }
        Ok(())
    }
}

/// `second_call.12 accepted` for people.
fn place_of(place: &str) -> String {
    let parts = place.split_once('.').and_then(|(flow, step)| Some((flow, step.split_once(' ')?)));
    match parts {
        Some((flow, (step, message))) => format!("{} at step {step} ({message})", words(flow)),
        None => words(place),
    }
}
