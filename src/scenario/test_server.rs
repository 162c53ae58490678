//! A server for tests that behaves as the protocol says (section 5), but for what it is told to do otherwise.

use std::collections::VecDeque;
use std::time::Duration;

use super::test_owner::{Owner, Word, ms};
use super::*;
use crate::law::Time;
use crate::metrics::Outcome;
use crate::protocol::{RequestName, ResponseOutcome};

/// What every message of the server takes.
pub(super) const HOP: Duration = ms(10);
/// How long it keeps the calls of a connection that is gone.
const COMES_BACK: Duration = ms(8_000);

/// What the server, or the network, does otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Otherwise {
    Nothing,
    /// What shows this sign on this leg does not arrive.
    Swallowed(Leg, Sign),
    /// The request of this number, among all but candidates, is refused.
    Refused(usize),
    /// A party's connection is lost after so many moments.
    Lost(usize, usize),
    /// The run is over after so many moments.
    Drained(usize),
    /// Two updates that cross: both are refused, and not the later one alone.
    BothUpdatesLose,
    /// All updates of the caller are refused.
    NoUpdate,
    /// The transfer fails, with this word of it.
    NoTransfer(Word),
    /// A call is cancelled before it is accepted, though `accept` was sent first; the callee is told so.
    CancelWins(Race),
}

/// What a callee hears whose `accept` crossed the caller's hang-up (protocol, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Race {
    Refused410,
    Hangup487,
    ConnectionLost,
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Event(Leg, Word),
    Response(Leg, RequestName, bool),
    /// A connection is closed.
    Close(usize),
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    up: [bool; 2],
    answered: bool,
    cancelled: bool,
    /// Whose offer has no answer yet, and whether it was an `update`.
    offer: Option<(Side, bool)>,
    /// The call that brings its transfer about, and the one it replaces.
    transferred_by: Option<(u8, Option<u8>)>,
}

/// A play, its owner, and a server that the owner speaks to.
pub(super) struct Performance {
    pub owner: Owner,
    otherwise: Otherwise,
    queue: VecDeque<(Time, Message)>,
    held: Vec<Held>,
    heard: usize,
    requests: usize,
    fillers: usize,
    /// How many things have happened.
    pub moments: usize,
}

impl Performance {
    pub fn new(draw: Draw, fillers: usize, otherwise: Otherwise) -> Performance {
        let owner = Owner::with(draw, Cast::All, fillers);
        Performance {
            otherwise,
            queue: VecDeque::new(),
            held: vec![Held::default(); owner.play.calls()],
            heard: 0,
            requests: 0,
            fillers,
            moments: 0,
            owner,
        }
    }

    /// Plays it to its end.
    pub fn play(draw: Draw, fillers: usize, otherwise: Otherwise) -> Performance {
        let mut performance = Performance::new(draw, fillers, otherwise);
        performance.owner.start();
        performance.hear();
        while !performance.owner.is_over() {
            performance.moment();
        }
        performance
    }

    fn moment(&mut self) {
        match self.otherwise {
            Otherwise::Lost(party, moment) if moment == self.moments => self.close(party),
            Otherwise::Drained(moment) if moment == self.moments => {
                self.owner.drain();
            }
            _ => {}
        }
        self.moments += 1;
        self.hear();
        if self.owner.is_over() {
            return;
        }
        let (next, due) = (self.queue.front().map_or(Time::NEVER, |(at, _)| *at), self.owner.play.next_due());
        assert_ne!(next.min(due), Time::NEVER, "{:?} waits for ever", self.owner.play.flow());
        assert!(self.owner.now.since(Time::ZERO) < ms(400_000), "{:?} does not end", self.owner.play.flow());
        self.owner.now = self.owner.now.max(next.min(due));
        if next <= due {
            let message = self.queue.pop_front();
            message.into_iter().for_each(|(_, message)| self.deliver(message));
        } else {
            self.owner.tell(|play, now, out| play.due(now, out));
        }
        self.hear();
    }

    fn deliver(&mut self, message: Message) {
        let is_swallowed =
            |leg, word| sign_of(word).is_some_and(|sign| self.otherwise == Otherwise::Swallowed(leg, sign));
        match message {
            Message::Event(leg, word) if is_swallowed(leg, word) => {}
            Message::Event(leg, Word::Incoming) => {
                let party = self.owner.play.party(leg);
                let awaited = party.and_then(|party| {
                    self.owner.play.awaited(party, self.owner.play.parties(leg.call).caller)
                });
                if awaited == Some(leg) {
                    self.owner.event(leg, Word::Incoming);
                } else {
                    // A worker hangs up what nobody waits for any more.
                    self.end(leg.call, 487);
                }
            }
            Message::Event(leg, word) => {
                self.owner.event(leg, word);
            }
            Message::Response(leg, request, true) => {
                let outcome = ResponseOutcome::Ack;
                self.owner.responded(leg, request, &outcome);
            }
            Message::Response(leg, request, false) => {
                self.owner.refused(leg, request, 410);
            }
            Message::Close(party) => self.close(party),
        }
    }

    /// The connection of a party is lost: the server ends its calls after a while.
    fn close(&mut self, party: usize) {
        self.owner.lose_party(party);
        for leg in self.owner.legs_of(party) {
            let held = &mut self.held[usize::from(leg.call)];
            if std::mem::take(&mut held.up[leg.side as usize]) && held.up[leg.side.other() as usize] {
                held.up[leg.side.other() as usize] = false;
                let code = if held.answered { 200 } else { 487 };
                self.post_in(COMES_BACK, Message::Event(leg.other(), Word::Hangup(code)));
            }
        }
    }

    fn hear(&mut self) {
        while let Some((leg, ask)) = self.owner.sent.get(self.heard).copied() {
            self.heard += 1;
            let is_candidate = matches!(ask, Ask::Candidate(_) | Ask::EndOfCandidates);
            if !is_candidate {
                self.requests += 1;
                if self.otherwise == Otherwise::Refused(self.requests - 1) {
                    self.post(Message::Response(leg, request_of(ask), false));
                    continue;
                }
            }
            let crosses = matches!(self.otherwise, Otherwise::CancelWins(_)) && ask == Ask::Accept;
            if !crosses {
                self.post(Message::Response(leg, request_of(ask), true));
            }
            self.on(leg, ask);
        }
    }

    fn on(&mut self, leg: Leg, ask: Ask) {
        let call = usize::from(leg.call);
        match ask {
            Ask::Call | Ask::ReferredCall => self.on_call(leg),
            Ask::Accept | Ask::AcceptWithOffer => self.on_accept(leg, ask == Ask::AcceptWithOffer),
            Ask::Hangup => {
                let held = &mut self.held[call];
                held.cancelled = !held.answered;
                if held.answered {
                    self.end(leg.call, 200);
                } else if leg.side == Side::Caller {
                    self.end(leg.call, 487);
                }
            }
            Ask::Decline if !self.held[call].answered => {
                self.event(leg, Word::Declining);
                self.end(leg.call, 603);
            }
            Ask::Hold | Ask::Unhold => {
                self.event(leg, if ask == Ask::Hold { Word::Holding } else { Word::Resuming });
                self.event(leg.other(), Word::UpdatingCall);
                self.held[call].offer = Some((leg.side, false));
            }
            Ask::Update => self.on_update(leg),
            Ask::UpdateAnswer | Ask::UpdateAnswerWithOffer => {
                if let Some((asker, is_update)) = self.held[call].offer.take_if(|(side, _)| *side != leg.side)
                {
                    self.event(leg, Word::Updated);
                    if is_update {
                        self.event(Leg { call: leg.call, side: asker }, Word::Renegotiated);
                    }
                }
            }
            Ask::Transfer { to, replaces } => {
                self.event(leg, Word::Transferring);
                match self.otherwise {
                    Otherwise::NoTransfer(word) => self.event(leg, word),
                    _ => {
                        self.held[usize::from(to)].transferred_by = Some((leg.call, replaces));
                        self.event(leg.other(), Word::Transfer);
                    }
                }
            }
            Ask::Decline | Ask::Presence | Ask::Candidate(_) | Ask::EndOfCandidates => {}
        }
    }

    fn on_call(&mut self, leg: Leg) {
        self.held[usize::from(leg.call)] = Held { up: [true, false], ..self.held[usize::from(leg.call)] };
        self.event(leg, Word::Calling);
        let callee = match self.owner.play.parties(leg.call).callee {
            Callee::Party(party) => usize::from(party),
            Callee::Nobody => return self.end(leg.call, 404),
            Callee::Offline | Callee::None => return self.end(leg.call, 480),
        };
        if self.owner.lost[callee] {
            return self.end(leg.call, 480);
        }
        let flow = self.owner.play.flow();
        let up = self.owner.legs_of(callee);
        let up = up.iter().filter(|leg| self.held[usize::from(leg.call)].up[leg.side as usize]).count();
        if flow == Flow::Busy && callee == 1 && up == self.fillers {
            self.post(Message::Event(leg.other(), Word::Missed));
            return self.end(leg.call, 486);
        }
        self.held[usize::from(leg.call)].up[1] = true;
        self.event(leg.other(), Word::Incoming);
        self.event(leg, if flow == Flow::EarlyMedia { Word::Progress } else { Word::Ringing });
        self.event(leg, Word::Proceeding);
    }

    fn on_accept(&mut self, leg: Leg, offers: bool) {
        let held = &mut self.held[usize::from(leg.call)];
        if let Otherwise::CancelWins(race) = self.otherwise {
            match race {
                Race::Refused410 => {
                    held.up[1] = false;
                    self.post(Message::Response(leg, RequestName::Accept, false));
                }
                Race::Hangup487 => self.post(Message::Response(leg, RequestName::Accept, true)),
                Race::ConnectionLost => {
                    held.up[1] = false;
                    self.post(Message::Close(1));
                }
            }
            return;
        }
        if held.answered || !held.up[1] {
            return;
        }
        held.answered = true;
        let transferred = held.transferred_by;
        if offers {
            self.event(leg, Word::Accepting);
            self.event(leg.other(), Word::Accepted);
            self.post_in(HOP * 2, Message::Event(leg, Word::Accepted));
        } else {
            self.event(leg, Word::Accepted);
            self.event(leg.other(), Word::Accepted);
        }
        if let Some((by, replaced)) = transferred {
            let transferor = Leg::caller(by);
            self.event(transferor, Word::Notify(100));
            self.event(transferor, Word::Notify(200));
            self.event(transferor, Word::TransferAccepted);
            replaced.into_iter().for_each(|replaced| self.end(replaced, 200));
            self.end(by, 200);
        }
    }

    fn on_update(&mut self, leg: Leg) {
        let held = &mut self.held[usize::from(leg.call)];
        let is_refused = self.otherwise == Otherwise::NoUpdate && leg.side == Side::Caller;
        if is_refused {
            return self.event(leg, Word::Error(447));
        }
        let crosses = held.offer.is_some();
        if crosses && self.otherwise == Otherwise::BothUpdatesLose {
            held.offer = None;
            self.queue.retain(|(_, message)| !matches!(message, Message::Event(_, Word::UpdatingCall)));
            self.event(leg.other(), Word::Error(491));
            return self.event(leg, Word::Error(491));
        }
        if crosses {
            return self.event(leg, Word::Error(447));
        }
        held.offer = Some((leg.side, true));
        self.event(leg.other(), Word::UpdatingCall);
    }

    /// Ends what is up of a call.
    fn end(&mut self, call: u8, code: i32) {
        for side in [Side::Callee, Side::Caller] {
            if std::mem::take(&mut self.held[usize::from(call)].up[side as usize]) {
                self.event(Leg { call, side }, Word::Hangup(code));
            }
        }
    }

    fn event(&mut self, leg: Leg, word: Word) {
        self.post(Message::Event(leg, word));
    }

    fn post(&mut self, message: Message) {
        self.post_in(HOP, message);
    }

    fn post_in(&mut self, wait: Duration, message: Message) {
        let at = self.owner.now + wait;
        let place = self.queue.iter().position(|(other, _)| *other > at).unwrap_or(self.queue.len());
        self.queue.insert(place, (at, message));
    }

    /// The legs that the server still holds.
    pub fn left_up(&self) -> Vec<Leg> {
        let all = (0..self.held.len() as u8).flat_map(|call| Side::BOTH.map(|side| Leg { call, side }));
        all.filter(|leg| self.held[usize::from(leg.call)].up[leg.side as usize]).collect()
    }

    /// How many side calls were placed.
    pub fn side_calls(&self) -> usize {
        let is_call = |(leg, ask): &&(Leg, Ask)| leg.call > 0 && matches!(ask, Ask::Call | Ask::ReferredCall);
        self.owner.sent.iter().filter(is_call).count()
    }

    pub fn outcome(&self) -> Outcome {
        let outcomes = self.owner.outcomes();
        assert_eq!(outcomes.len(), 1, "an attempt ends once: {outcomes:?}");
        outcomes[0]
    }

    /// The requests that were handed over, without candidates: `0>hold` by the caller of the first call.
    pub fn requests(&self) -> String {
        let without = |(_, ask): &&(Leg, Ask)| !matches!(ask, Ask::Candidate(_) | Ask::EndOfCandidates);
        let write = |(leg, ask): &(Leg, Ask)| {
            let side = if leg.side == Side::Caller { '>' } else { '<' };
            format!("{}{side}{}", leg.call, ask.message())
        };
        let all: Vec<String> = self.owner.sent.iter().filter(without).map(write).collect();
        all.join(" ")
    }
}

/// The sign that a word is.
fn sign_of(word: Word) -> Option<Sign> {
    Some(match word {
        Word::Incoming => Sign::Incoming,
        Word::Calling | Word::Error(_) => return None,
        Word::Ringing | Word::Proceeding => Sign::Ringback,
        Word::Progress => Sign::EarlyMedia,
        Word::Accepted => Sign::Accepted,
        Word::Renegotiated => Sign::Renegotiated,
        Word::Accepting => Sign::Accepting,
        Word::Declining => Sign::Declining,
        Word::Hangup(_) => Sign::Hangup,
        Word::Missed => Sign::Missed,
        Word::Holding => Sign::Holding,
        Word::Resuming => Sign::Resuming,
        Word::UpdatingCall => Sign::UpdatingCall,
        Word::Updated => Sign::Updated,
        Word::Transferring => Sign::Transferring,
        Word::Transfer => Sign::Referred,
        Word::Notify(code) if code < 200 => return None,
        Word::Notify(_) | Word::TransferAccepted => Sign::Transferred,
        Word::TransferFailed => Sign::TransferFailed,
    })
}

pub(super) fn request_of(ask: Ask) -> RequestName {
    match ask {
        Ask::Call | Ask::ReferredCall => RequestName::OutgoingCall,
        Ask::Accept | Ask::AcceptWithOffer => RequestName::Accept,
        Ask::Hangup => RequestName::Hangup,
        Ask::Decline => RequestName::Decline,
        Ask::Candidate(_) | Ask::EndOfCandidates => RequestName::IceTrickle,
        Ask::Hold => RequestName::Hold,
        Ask::Unhold => RequestName::Unhold,
        Ask::Update | Ask::UpdateAnswer | Ask::UpdateAnswerWithOffer => RequestName::Update,
        Ask::Transfer { .. } => RequestName::Transfer,
        Ask::Presence => RequestName::PresenceUpdate,
    }
}
