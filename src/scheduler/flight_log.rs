//! From the flights that are worth a look to lines of `flight.jsonl`: names, times from when a call was due, and texts
//! without secrets. All of it on the thread that writes.

use std::path::Path;

use super::flight::{Entry, Landed, Landings, What};
use super::worker::Shared;
use crate::law::Time;
use crate::metrics::Outcome;
use crate::profile::Plan;
use crate::protocol::{EventBody, FromCore, Reading, ResponseOutcome, decode_from_core};
use crate::record::{
    Direction, FlightWriter, KeptCall, KeptCalls, KeptMessage, MessageKind, RecordError, excerpt, free_text,
};
use crate::scenario::Finding;

/// Writes `flight.jsonl`, unless the plan does not want it.
pub(super) struct FlightLog(Option<FlightWriter>);

impl FlightLog {
    /// Of a run in `directory`.
    pub fn new(plan: &Plan, directory: &Path) -> FlightLog {
        FlightLog(plan.flight_recorder.then(|| FlightWriter::new(directory)))
    }

    /// Writes down what is still worth it.
    ///
    /// # Errors
    /// It could not be written, which is said once.
    pub fn write(&mut self, landings: &Landings, shared: &Shared) -> Result<(), RecordError> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        writer.leave_out(landings.left_out);
        let mut written = Ok(());
        for landed in &landings.kept {
            written = written.and(writer.keep(kept_call(landed, shared)));
        }
        written
    }

    /// How many calls were kept.
    pub fn finish(self) -> Option<KeptCalls> {
        self.0.map(FlightWriter::finish)
    }
}

fn kept_call(landed: &Landed, shared: &Shared) -> KeptCall {
    let Landed { flight, why, number, due, flow, outcome, noted, clients } = landed;
    let number_of = |client: u32| shared.subscribers.get(client as usize).map_or("", |one| &one.number);
    let last = clients.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let parties = clients[..last].iter().map(|client| client.map_or("", number_of).to_owned());
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
        setup_us: flight.setup.map(|setup| setup.as_micros() as u64),
        parties: parties.collect(),
        messages: flight.messages().map(|(entry, text)| kept_message(entry, text, *due)).collect(),
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
    use MessageKind::{Close, Event, Request, Response, State, Timeout};
    let (kind, name) = match what {
        What::Request(request) => (Request, request.name()),
        What::Ack(request) | What::Refused(request) => (Response, request.name()),
        What::Event(event) => (Event, event.name()),
        What::State => (State, "state"),
        What::Closed(initiator) => (Close, initiator.name()),
        What::Timeout(request) => (Timeout, request.name()),
    };
    let is_close = kind == Close;
    let said = if is_close { Some(text.to_owned()) } else { reason_in(text, bytes) };
    KeptMessage {
        at_us: if at >= due { at.micros_since(due) as i64 } else { -(due.micros_since(at) as i64) },
        party: usize::from(party),
        direction: if kind == Request { Direction::Sent } else { Direction::Received },
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
