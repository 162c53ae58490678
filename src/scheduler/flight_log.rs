//! From the flights that are worth a look to lines of `flight.jsonl`: names, times from when a call was due, and texts
//! without secrets. All of it on the thread that writes.

use std::path::Path;
use std::time::Duration;

use super::flight::{Entry, Flight, Landed, Landings, What};
use super::worker::Shared;
use crate::law::Time;
use crate::metrics::Outcome;
use crate::profile::Plan;
use crate::protocol::{EventBody, FromCore, Reading, ResponseOutcome, decode_from_core};
use crate::record::{
    Direction, FlightWriter, KeptCall, KeptCalls, KeptMessage, MessageKind, RecordError, SLOWEST, excerpt,
    free_text,
};
use crate::scenario::Finding;
use crate::transport::Initiator;

/// For how many intervals one of the slowest calls has to last among them until it is written down. In the first minute
/// of a run most of those that are the slowest so far are outdone soon.
const SETTLED: u32 = 5;

/// Writes `flight.jsonl`, unless the plan does not want it.
pub(super) struct FlightLog(Option<Writing>);

struct Writing {
    writer: FlightWriter,
    /// The slowest calls that are not in the file yet, as they landed.
    slowest: Vec<Landed>,
    /// How many intervals have passed since it was written to.
    waited: u32,
}

impl FlightLog {
    /// Of a run in `directory`.
    pub fn new(plan: &Plan, directory: &Path) -> FlightLog {
        let writing = || Writing { writer: FlightWriter::new(directory), slowest: Vec::new(), waited: 0 };
        FlightLog(plan.flight_recorder.then(writing))
    }

    /// Takes in what an interval has brought: calls that failed are written down at once, the slowest ones from time to time.
    ///
    /// # Errors
    /// It could not be written, which is said once.
    pub fn write(&mut self, landings: Landings, shared: &Shared) -> Result<(), RecordError> {
        let Some(writing) = &mut self.0 else { return Ok(()) };
        writing.writer.failed(landings.failures);
        writing.writer.not_recorded(landings.unrecorded);
        let mut written = Ok(());
        for landed in landings.failed {
            written = written.and(writing.writer.keep(kept_call(&landed, shared), landed.is_failure));
        }
        landings.slowest.into_iter().for_each(|landed| writing.hold(landed));
        writing.waited += 1;
        if writing.waited >= SETTLED {
            written = written.and(writing.settle(shared));
        }
        written
    }

    /// What it holds in memory, in bytes.
    pub fn bytes(&self) -> u64 {
        let Some(writing) = &self.0 else { return 0 };
        writing.writer.bytes() + writing.slowest.len() as u64 * Flight::BYTES
    }

    /// Writes down what is left. How many calls were kept, and why not all that should be, if one could not be written;
    /// `said` is told of that where it was not said before.
    pub fn finish(
        self,
        shared: &Shared,
        said: impl FnOnce(&RecordError),
    ) -> (Option<KeptCalls>, Option<RecordError>) {
        let Some(mut writing) = self.0 else { return (None, None) };
        if let Err(error) = writing.settle(shared) {
            said(&error);
        }
        let (kept, problem) = writing.writer.finish();
        (Some(kept), problem)
    }
}

impl Writing {
    /// Keeps a call in mind, and forgets one that is not as slow where there are enough.
    fn hold(&mut self, landed: Landed) {
        self.slowest.push(landed);
        if self.slowest.len() > SLOWEST {
            let least = self.slowest.iter().enumerate().min_by_key(|(_, landed)| landed.setup());
            if let Some(least) = least.map(|(place, _)| place) {
                self.slowest.remove(least);
            }
        }
    }

    fn settle(&mut self, shared: &Shared) -> Result<(), RecordError> {
        self.waited = 0;
        let mut written = Ok(());
        for landed in self.slowest.drain(..) {
            if self.writer.is_slow(micros(landed.setup())) {
                written = written.and(self.writer.keep(kept_call(&landed, shared), landed.is_failure));
            }
        }
        written
    }
}

const fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

fn kept_call(landed: &Landed, shared: &Shared) -> KeptCall {
    let Landed { flight, why, number, due, flow, outcome, noted, clients, .. } = landed;
    let number_of = |client: u32| shared.subscribers.get(client as usize).map_or("", |one| &one.number);
    let last = clients.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let parties = clients[..last].iter().map(|client| client.map_or("", number_of).to_owned());
    let mut messages: Vec<KeptMessage> =
        flight.messages().map(|(entry, text)| kept_message(entry, text, *due)).collect();
    // Of several that were read at once, what the first made us send was noted before the others.
    messages.sort_by_key(|message| message.at_us);
    KeptCall {
        attempt: *number,
        flow: flow.name().to_owned(),
        outcome: outcome.name().to_owned(),
        reason: match outcome {
            Outcome::Failed(reason) => Some(reason.name().to_owned()),
            _ => None,
        },
        broken_step: noted.broken.map(|step| step + 1),
        finding: noted.found.map(|finding| name_of(finding).to_owned()),
        why: *why,
        due_us: due.micros_since(shared.start),
        stage: shared.plan.stage_at(due.since(shared.start)).map(|stage| stage.name.clone()),
        setup_us: flight.setup.map(micros),
        parties: parties.collect(),
        messages,
        left_out: flight.left_out() as u64,
    }
}

/// The name in `ledger`.
const fn name_of(finding: Finding) -> &'static str {
    match finding {
        Finding::Lost => "lost",
        Finding::OneLegOnly => "one_leg_only",
        Finding::Duplicated => "duplicated",
    }
}

fn kept_message(entry: &Entry, text: &str, due: Time) -> KeptMessage {
    let Entry { at, bytes, code, party, what, .. } = *entry;
    use MessageKind::{Close, Event, Late, Request, Response, State, Stray, Timeout};
    let (kind, name) = match what {
        What::Request(request) => (Request, request.name()),
        What::Ack(request) | What::Refused(request) => (Response, request.name()),
        What::Event(event) => (Event, event.name()),
        What::State => (State, "state"),
        What::Closed(initiator) => (Close, initiator.name()),
        What::Timeout(request) => (Timeout, request.name()),
        What::Late => (Late, "response"),
        What::Stray(event) => (Stray, event.name()),
        What::Unknown => (Stray, "unknown"),
        What::Malformed => (Stray, "malformed"),
    };
    let is_close = kind == Close;
    let is_ours = matches!(what, What::Request(_) | What::Closed(Initiator::Client));
    let said = if is_close { Some(text.to_owned()) } else { reason_in(text, bytes) };
    KeptMessage {
        at_us: if at >= due { at.micros_since(due) as i64 } else { -(due.micros_since(at) as i64) },
        party: usize::from(party),
        direction: if is_ours { Direction::Sent } else { Direction::Received },
        kind,
        name: name.to_owned(),
        code: code.map(Into::into),
        reason: said.filter(|said| !said.is_empty()).map(|said| free_text(&said)),
        bytes: if is_close { 0 } else { u64::from(bytes) },
        excerpt: if is_close { String::new() } else { excerpt(text) },
    }
}

/// The reason that a message from the server carries, if all of it is there.
fn reason_in(text: &str, bytes: u32) -> Option<String> {
    let is_whole = text.len() == bytes as usize && !text.is_empty();
    let decoded = is_whole.then(|| decode_from_core(text, Reading::Tolerant).ok()).flatten()?;
    let reason = match decoded.message {
        FromCore::Response(response) => match response.outcome {
            ResponseOutcome::Error { reason, .. } => reason,
            ResponseOutcome::Ack => None,
        },
        FromCore::Event(event) => match event.body {
            EventBody::Error { reason, .. }
            | EventBody::Hangup { reason, .. }
            | EventBody::IceHangup { reason } => reason,
            _ => None,
        },
        _ => None,
    };
    reason.map(|reason| reason.into_owned())
}
