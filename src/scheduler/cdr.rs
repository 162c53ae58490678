//! The list of all calls: what a worker notes of an attempt that is over, and how that becomes a row of `calls.csv`.
//!
//! A worker only copies times and numbers of clients into room that was made beforehand, which travels to the collector
//! with its tally. What a row says beyond them follows from the plan, and is put in by the thread that writes.

use std::path::Path;

use super::attempts::Attempt;
use super::worker::Shared;
use crate::law::Time;
use crate::metrics::Outcome;
use crate::profile::Plan;
use crate::record::{CallRow, CallsEnd, CallsWriter, RecordError};
use crate::scenario::{CallTimes, Finding, Leg};
use crate::workload::AttemptNumber;

/// Rows that a worker always has room for.
const FEW: u64 = 64;
/// Rows that it never has room for at once.
const MANY: u64 = 1 << 16;

/// What is noted of an attempt while it lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    /// When its request was written to the socket.
    pub written: Option<Time>,
    /// Whether it ended as its flow intends.
    pub intended: bool,
    /// The step at which its flow broke off.
    pub broken: Option<usize>,
    /// What was wrong last with what the server did.
    pub found: Option<Finding>,
}

/// What a worker notes of an attempt that is over. The rest follows from its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    number: AttemptNumber,
    due: Time,
    /// The numbers of the clients at both ends, where they are the run's.
    caller: Option<u32>,
    callee: Option<u32>,
    times: CallTimes,
    noted: Noted,
    outcome: Outcome,
}

impl Row {
    /// An attempt that was due and could not be made.
    pub fn blocked(number: AttemptNumber, due: Time) -> Row {
        let (times, noted) = Default::default();
        Row { number, due, caller: None, callee: None, times, noted, outcome: Outcome::Blocked }
    }

    /// An attempt that is over, of a worker that knows the numbers of its clients.
    pub fn of(attempt: &Attempt, client_number: impl Fn(usize) -> u32) -> Row {
        let number_on = |leg: Leg| attempt.client(leg).map(&client_number);
        Row {
            number: attempt.number,
            due: attempt.due,
            caller: number_on(Leg::caller(0)),
            callee: number_on(Leg::callee(0)),
            times: attempt.play.times().next().copied().unwrap_or_default(),
            noted: attempt.noted,
            outcome: attempt.play.outcome().unwrap_or(Outcome::Unfinished),
        }
    }
}

/// Rows on their way to the collector, in room that does not grow.
#[derive(Debug, Default)]
pub(super) struct Rows {
    kept: Vec<Row>,
    /// How many found no room.
    left_out: u64,
}

impl Rows {
    /// Room for what a worker of this plan may have to say in a second or two: what is due in them, and what may end
    /// together at the end of a stage or of the run.
    pub fn for_worker(plan: &Plan) -> Rows {
        let Some(cdr) = plan.cdr else { return Rows::default() };
        let workers = plan.workers.max(1) as u64;
        let up = u64::from(plan.peak_clients()) / workers / plan.cdr_one_in();
        let room = (FEW + 2 * u64::from(cdr.sample_above) + up).min(MANY);
        Rows { kept: Vec::with_capacity(room as usize), left_out: 0 }
    }

    /// Keeps a row, if there is room.
    pub fn push(&mut self, row: Row) {
        if self.kept.len() < self.kept.capacity() {
            self.kept.push(row);
        } else {
            self.left_out += 1;
        }
    }

    /// Takes all out of `other`, whose room stays.
    pub fn take(&mut self, other: &mut Rows) {
        self.kept.append(&mut other.kept);
        self.left_out += std::mem::take(&mut other.left_out);
    }
}

/// Whether this attempt has a row, where one in so many has. They are spread evenly over all numbers, and fall on every
/// worker alike.
pub(super) const fn has_row(number: AttemptNumber, one_in: u64) -> bool {
    match one_in {
        0 => false,
        1 => true,
        // The golden ratio's multiples are spread evenly, and go with no other division of the numbers.
        _ => (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(one_in),
    }
}

/// Writes `calls.csv`, where the plan wants it.
pub(super) struct CallList(Option<CallsWriter>);

impl CallList {
    /// Makes the file.
    pub fn create(plan: &Plan, directory: &Path) -> Result<CallList, RecordError> {
        Ok(CallList(plan.cdr.map(|_| CallsWriter::create(directory)).transpose()?))
    }

    /// Writes rows down, those of the attempts that ended first before the others.
    pub fn write(&mut self, rows: &Rows, shared: &Shared) -> Result<(), RecordError> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        for row in &rows.kept {
            push(writer, row, shared);
        }
        writer.leave_out(rows.left_out);
        writer.append()
    }

    /// What became of it, and what went wrong.
    pub fn finish(self) -> (Option<CallsEnd>, Option<RecordError>) {
        self.0.map(CallsWriter::finish).map_or((None, None), |(end, problem)| (Some(end), problem))
    }
}

fn push(writer: &mut CallsWriter, row: &Row, shared: &Shared) {
    let Row { number, due, times, noted, outcome, .. } = *row;
    let plan = &shared.plan;
    let (share, draw) = plan.calls.draw(plan.seed, number);
    let own_number = |client: u32| shared.subscribers.get(client as usize).map(|one| one.number.as_str());
    let parties = draw.flow.script().calls.first();
    let callee = parties.filter(|_| row.caller.is_some());
    let callee = callee.and_then(|parties| shared.number_to_dial(share, number, 0, *parties, row.callee));
    let due_at = due.since(shared.start);
    let after_due = |time: Option<Time>| time.map(|time| time.since(due));
    let times_after_due = [
        noted.written,
        times.sent,
        times.incoming,
        times.ringback,
        times.answered,
        times.hangup,
        times.ended,
    ];
    writer.push(&CallRow {
        attempt: number,
        stage: plan.stage_at(due_at).or(plan.stages.last()).map_or("", |stage| stage.name.as_str()),
        flow: draw.flow.name(),
        caller: row.caller.and_then(own_number).unwrap_or_default(),
        callee: callee.as_deref().unwrap_or_default(),
        due: due_at,
        ring: draw.ring,
        hold: draw.hold,
        times: times_after_due.map(after_due),
        outcome: outcome.name(),
        intended: noted.intended,
        code: times.code,
        reason: match outcome {
            Outcome::Failed(reason) => reason.name(),
            _ => "",
        },
        broken_step: noted.broken.map(|step| step + 1),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly_over_time_and_over_workers() {
        for one_in in [2, 3, 7, 20, 100] {
            let sampled: Vec<u64> = (0..60_000).filter(|number| has_row(*number, one_in)).collect();
            let share = sampled.len() as f64 * one_in as f64 / 60_000.0;
            assert!((share - 1.0).abs() < 0.02, "one in {one_in}: {share}");
            let longest = sampled.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(longest < 40 * one_in, "one in {one_in}: {longest}");
            let of_first = sampled.iter().filter(|number| **number % 4 == 0).count() as f64;
            assert!((of_first / sampled.len() as f64 - 0.25).abs() < 0.05, "one in {one_in}");
        }
        assert!((0..1_000).all(|number| has_row(number, 1) && !has_row(number, 0)));
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_room_never_grows() {
        let mut rows = Rows { kept: Vec::with_capacity(3), left_out: 0 };
        let room = rows.kept.capacity();
        (0..10).for_each(|number| rows.push(Row::blocked(number, Time::ZERO)));
        assert_eq!((rows.kept.len(), rows.left_out), (room, 10 - room as u64));
        let mut all = Rows::default();
        all.take(&mut rows);
        assert_eq!((rows.kept.len(), rows.left_out, rows.kept.capacity()), (0, 0, room));
        assert_eq!((all.kept.len() as u64, all.left_out), (room as u64, 10 - room as u64));
    }
}
