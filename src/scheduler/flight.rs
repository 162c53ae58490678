//! The flight recorder: the messages of each attempt under way, and which of them go to the collector at its end.
//!
//! A worker notes of each message what it is, when, and the head of its text, in room that the attempt has for as long as
//! it lasts and the next one after it. Nothing is read, taken out or written here: that is done to the few that are kept,
//! by the thread that writes (`flight_log.rs`).

use std::num::NonZeroI32;
use std::time::Duration;

use super::attempts::{Attempt, Attempts};
use super::cdr::Noted;
use crate::client::{AttemptRef, LegRef};
use crate::law::Time;
use crate::metrics::Outcome;
use crate::protocol::{EventBody, EventName, RequestName};
use crate::record::{EXCERPT_BYTES, FIRST_MESSAGES, Kept, MOST_A_CAUSE, MOST_RECORDED, SLOWEST};
use crate::scenario::{Finding, Flow, MOST_PARTIES};
use crate::transport::Initiator;
use crate::workload::AttemptNumber;

/// The last messages of an attempt that are kept, beside the first ones.
const LAST_MESSAGES: usize = FIRST_MESSAGES;
const MESSAGES: usize = FIRST_MESSAGES + LAST_MESSAGES;
/// The room for the texts of an attempt's messages: more than a call without surprises has. The last of it is for those
/// that carry a code, for they tell why.
const TEXT_BYTES: usize = 4 << 10;
const PLAIN_TEXT_BYTES: usize = 3 << 10;
/// How many attempts that failed go with one report, beside the slowest.
const MOST_FAILED: usize = 32;
/// How many causes of failure are told apart: more than there are.
const MOST_CAUSES: usize = 256;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A request.
    Request(RequestName),
    /// A request's answer: received.
    Ack(RequestName),
    /// A request's answer: refused.
    Refused(RequestName),
    /// An event.
    Event(EventName),
    /// The handshake's state, after a connection has come back.
    State,
    /// The connection has ended.
    Closed(Initiator),
    /// There was no answer to a request in time.
    Timeout(RequestName),
    /// A response that nobody waits for.
    Late,
    /// An event of another call, or of none that there is.
    Stray(EventName),
    /// A message that the protocol does not have.
    Unknown,
    /// A text that is no message.
    Malformed,
}

impl What {
    /// Whether its text says more than its name: neither an ack nor a candidate does.
    const fn has_text(self) -> bool {
        !matches!(
            self,
            What::Ack(_)
                | What::Timeout(_)
                | What::Request(RequestName::IceTrickle)
                | What::Event(EventName::IceTrickle)
                | What::Stray(EventName::IceTrickle)
        )
    }
}

/// What is noted of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// When it was sent or received, as the measurements have it.
    pub at: Time,
    pub bytes: u32,
    /// A code of 0 says nothing.
    pub code: Option<NonZeroI32>,
    text_at: u16,
    text_length: u16,
    pub party: u8,
    pub what: What,
}

/// The messages of an attempt.
#[derive(Debug)]
pub(super) struct Flight {
    entries: [Entry; MESSAGES],
    /// Its room is made once, and never grows.
    text: Vec<u8>,
    /// How many messages there were.
    seen: u32,
    /// The response time of its own set-up.
    pub setup: Option<Duration>,
}

impl Flight {
    /// What one takes in memory.
    pub const BYTES: u64 = (size_of::<Flight>() + TEXT_BYTES) as u64;

    fn new() -> Box<Flight> {
        const NOTHING: Entry = Entry {
            at: Time::ZERO,
            bytes: 0,
            code: None,
            text_at: 0,
            text_length: 0,
            party: 0,
            what: What::State,
        };
        // Written to at once, so that what the process has of it in memory is what is told of it.
        let mut text = vec![b' '; TEXT_BYTES];
        text.clear();
        Box::new(Flight { entries: [NOTHING; MESSAGES], text, seen: 0, setup: None })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.seen = 0;
        self.setup = None;
    }

    /// Notes a message of a party.
    pub fn note(&mut self, at: Time, party: u8, what: What, code: Option<i32>, text: &[u8]) {
        let seen = self.seen as usize;
        let code = code.and_then(NonZeroI32::new);
        let text_at = self.text.len();
        if what.has_text() {
            let end = if code.is_some() { TEXT_BYTES } else { PLAIN_TEXT_BYTES };
            let room = EXCERPT_BYTES.min(end.saturating_sub(text_at));
            self.text.extend_from_slice(&text[..text.len().min(room)]);
        }
        let text_length = (self.text.len() - text_at) as u16;
        let place = match seen {
            ..MESSAGES => seen,
            _ => FIRST_MESSAGES + (seen - FIRST_MESSAGES) % LAST_MESSAGES,
        };
        let bytes = text.len() as u32;
        self.entries[place] = Entry { at, bytes, code, text_at: text_at as u16, text_length, party, what };
        self.seen += 1;
    }

    /// The messages that are there with the heads of their texts, as they came.
    pub fn messages(&self) -> impl Iterator<Item = (&Entry, &str)> {
        let there = &self.entries[..MESSAGES.min(self.seen as usize)];
        let (first, last) = there.split_at(there.len().min(FIRST_MESSAGES));
        let (newer, older) = last.split_at(self.left_out() % LAST_MESSAGES);
        first.iter().chain(older).chain(newer).map(|entry| (entry, self.text_of(entry)))
    }

    fn text_of(&self, entry: &Entry) -> &str {
        let start = usize::from(entry.text_at);
        let text = self.text.get(start..start + usize::from(entry.text_length)).unwrap_or_default();
        // It may have been cut within a character.
        text.utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    /// How many messages there was no room for.
    pub fn left_out(&self) -> usize {
        (self.seen as usize).saturating_sub(MESSAGES)
    }
}

/// An attempt that is over, and worth a look.
#[derive(Debug)]
pub(super) struct Landed {
    pub flight: Box<Flight>,
    pub why: Kept,
    pub number: AttemptNumber,
    pub due: Time,
    pub flow: Flow,
    pub outcome: Outcome,
    pub noted: Noted,
    /// It did not go as its flow intends, whyever it is kept.
    pub is_failure: bool,
    /// The numbers of its clients, by party.
    pub clients: [Option<u32>; MOST_PARTIES],
}

impl Landed {
    /// The response time of its set-up; zero if it was never set up.
    pub fn setup(&self) -> Duration {
        self.flight.setup.unwrap_or_default()
    }
}

/// Attempts that are worth a look, on their way to the collector. Neither kind takes the place of the other.
#[derive(Debug, Default)]
pub(super) struct Landings {
    pub failed: Vec<Landed>,
    pub slowest: Vec<Landed>,
    /// All that failed, whether they are among them or not.
    pub failures: u64,
    /// Those that began without room for their messages.
    pub unrecorded: u64,
    /// What the recorder of the worker takes in memory, these attempts included.
    pub bytes: u64,
}

impl Landings {
    /// Takes all out of `other`, whose room stays.
    pub fn take(&mut self, other: &mut Landings) {
        self.failed.append(&mut other.failed);
        self.slowest.append(&mut other.slowest);
        self.failures += std::mem::take(&mut other.failures);
        self.unrecorded += std::mem::take(&mut other.unrecorded);
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

/// What failed attempts have in common.
type Cause = (Outcome, Option<usize>, Option<Finding>);

/// A worker's flight recorder.
#[derive(Debug, Default)]
pub(super) struct Flights {
    is_on: bool,
    /// Room that attempts have left behind.
    #[expect(
        clippy::vec_box,
        reason = "a box goes from attempt to attempt; out of it, 1.2 KB would be copied each time"
    )]
    spare: Vec<Box<Flight>>,
    under_way: usize,
    /// The longest set-ups so far, the shortest of them first.
    slowest: Vec<Duration>,
    /// How many attempts have been kept of each cause.
    causes: Vec<(Cause, usize)>,
    pub landings: Landings,
}

impl Flights {
    /// A recorder that is on or off.
    pub fn new(is_on: bool) -> Flights {
        Flights { is_on, slowest: Vec::with_capacity(SLOWEST + 1), ..Flights::default() }
    }

    /// Room for the messages of an attempt, if there is any: all of it together is 21 MB. An attempt beyond flies without, and
    /// is counted.
    pub fn take_off(&mut self) -> Option<Box<Flight>> {
        if !self.is_on || self.under_way >= MOST_RECORDED {
            self.landings.unrecorded += u64::from(self.is_on);
            return None;
        }
        self.under_way += 1;
        Some(self.spare.pop().unwrap_or_else(Flight::new))
    }

    /// The attempt of the clients with these numbers is over: its messages are kept, or their room is there for the next one.
    pub fn land(&mut self, attempt: &mut Attempt, clients: [Option<u32>; MOST_PARTIES]) {
        if !self.is_on || !attempt.play.is_attempt() {
            return;
        }
        let outcome = attempt.play.outcome().unwrap_or(Outcome::Unfinished);
        let cause = cause_of(outcome, &attempt.noted);
        self.landings.failures += u64::from(cause.is_some());
        let Some(flight) = attempt.flight.take() else { return };
        self.under_way -= 1;
        let has_room = self.landings.failed.len() < MOST_FAILED;
        let why = match (cause, flight.setup) {
            (Some(cause), _) if has_room && self.is_new(cause) => Kept::Failed,
            // Also one that went wrong later, of which there are enough: its set-up is as slow as it is.
            (_, Some(setup)) if self.is_slow(setup) => Kept::SlowestSetup,
            _ => return self.give_back(flight),
        };
        self.keep(Landed {
            flight,
            why,
            number: attempt.number,
            due: attempt.due,
            flow: attempt.play.flow(),
            outcome,
            noted: attempt.noted,
            is_failure: cause.is_some(),
            clients,
        });
    }

    fn keep(&mut self, landed: Landed) {
        let Landings { failed, slowest, .. } = &mut self.landings;
        if landed.why == Kept::Failed {
            return failed.push(landed);
        }
        if slowest.len() < SLOWEST {
            return slowest.push(landed);
        }
        // One that was not as slow makes room. There is one, as this one is among the longest so far.
        if let Some(least) = slowest.iter_mut().min_by_key(|other| other.setup()) {
            let flight = std::mem::replace(least, landed).flight;
            self.give_back(flight);
        }
    }

    /// What goes with a report, for which `empty` comes.
    pub fn hand_over(&mut self, empty: Landings) -> Landings {
        let mut landings = std::mem::replace(&mut self.landings, empty);
        let flights = self.under_way + self.spare.len() + landings.failed.len() + landings.slowest.len();
        landings.bytes = flights as u64 * Flight::BYTES;
        landings
    }

    fn give_back(&mut self, mut flight: Box<Flight>) {
        flight.clear();
        self.spare.push(flight);
    }

    /// Whether there are not enough of these yet; counts one more of them.
    fn is_new(&mut self, cause: Cause) -> bool {
        let known = self.causes.iter().position(|(known, _)| *known == cause);
        if known.is_none() && self.causes.len() < MOST_CAUSES {
            self.causes.push((cause, 0));
        }
        let place = known.unwrap_or(self.causes.len() - 1);
        let Some((_, kept)) = self.causes.get_mut(place).filter(|(known, _)| *known == cause) else {
            return false;
        };
        *kept += 1;
        *kept <= MOST_A_CAUSE
    }

    /// Whether a set-up is among the longest so far; counts it among them.
    fn is_slow(&mut self, setup: Duration) -> bool {
        if self.slowest.len() >= SLOWEST && self.slowest.first().is_some_and(|least| *least >= setup) {
            return false;
        }
        let place = self.slowest.partition_point(|other| *other < setup);
        self.slowest.insert(place, setup);
        if self.slowest.len() > SLOWEST {
            self.slowest.remove(0);
        }
        true
    }
}

/// Why an attempt is worth a look that was not just slow. One that never began, or that the end of the run cut off, is not.
fn cause_of(outcome: Outcome, noted: &Noted) -> Option<Cause> {
    let is_failed = match outcome {
        Outcome::Blocked | Outcome::Unfinished => false,
        _ => !noted.intended || noted.broken.is_some() || noted.found.is_some(),
    };
    is_failed.then_some((outcome, noted.broken, noted.found))
}

impl Attempts {
    /// Notes a message of a leg, where its attempt is recorded.
    #[inline]
    pub fn note(&mut self, on: LegRef, at: Time, what: What, code: Option<i32>, text: &[u8]) {
        if let Some(attempt) = self.get(on.attempt, on.serial)
            && let Some(flight) = &mut attempt.flight
            && let Some(party) = attempt.play.party(on.leg)
        {
            flight.note(at, party, what, code, text);
        }
    }

    /// Whether the line of an event is one of its client's in its attempt; so is none, for then it is about the client.
    pub fn has_line(&mut self, of: Option<AttemptRef>, line: Option<usize>) -> bool {
        let Some(line) = line else { return true };
        of.is_some_and(|at_client| {
            self.of(at_client).is_some_and(|attempt| {
                let client = attempt.clients[usize::from(at_client.party)];
                attempt.legs().any(|(leg, of)| Some(of) == client && attempt.line(leg) == Some(line))
            })
        })
    }

    /// Notes a message that a client got or sent beside the legs of its attempt.
    pub fn note_of_client(
        &mut self,
        of: Option<AttemptRef>,
        at: Time,
        what: What,
        code: Option<i32>,
        text: &[u8],
    ) {
        if let Some(at_client) = of
            && let Some(flight) = self.of(at_client).and_then(|attempt| attempt.flight.as_mut())
        {
            flight.note(at, at_client.party, what, code, text);
        }
    }
}

/// The code that an event carries.
pub(super) const fn code_of(event: &EventBody<'_>) -> Option<i32> {
    match event {
        EventBody::RegistrationFailed { code, .. }
        | EventBody::Error { code, .. }
        | EventBody::Proceeding { code }
        | EventBody::Declining { code, .. }
        | EventBody::Hangingup { code }
        | EventBody::Hangup { code, .. }
        | EventBody::TransferAccepted { code }
        | EventBody::TransferFailed { code } => *code,
        _ => None,
    }
}

#[cfg(test)]
#[path = "flight_tests.rs"]
mod tests;
