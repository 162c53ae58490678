//! An owner of a play for tests: it carries directions out as a worker does, and checks what a play may ask for.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::value::RawValue;

use super::*;
use crate::law::Time;
use crate::metrics::{Metric, Outcome};
use crate::protocol::{CallParties, EventBody, Jsep, JsepKind, ReferId, RequestName, ResponseOutcome, Text};

pub(super) const RING: Duration = ms(500);
pub(super) const HOLD: Duration = ms(5_000);
pub(super) const THINK: Duration = ms(300);
pub(super) const ON_HOLD: Duration = ms(400);
/// What a play's start is late.
pub(super) const LATE: Duration = ms(3);

pub(super) const CALLER: Leg = Leg::caller(0);
pub(super) const CALLEE: Leg = Leg::callee(0);

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn draw(flow: Flow, hangup_by: Side) -> Draw {
    Draw {
        flow,
        ring: RING,
        hold: HOLD,
        think: THINK,
        on_hold: ON_HOLD,
        hangup_by,
        crossing: false,
        update_retry: [ms(3_000), ms(4_000)],
        candidates: 2,
        candidate_spacing: ms(20),
    }
}

/// An event that a test has a server say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Calling,
    Incoming,
    Ringing,
    Proceeding,
    /// `progress` with an answer.
    Progress,
    Accepted,
    /// The `accepted` that answers an `update`.
    Renegotiated,
    Accepting,
    Declining,
    Hangup(i32),
    Error(i32),
    Missed,
    Holding,
    Resuming,
    UpdatingCall,
    Updated,
    Transferring,
    Transfer,
    Notify(i32),
    TransferAccepted,
    TransferFailed,
}

impl Word {
    pub fn with(self, tell: impl FnOnce(&EventBody<'_>)) {
        static SDP: LazyLock<Box<RawValue>> =
            LazyLock::new(|| RawValue::from_string(r#""v=0\r\n""#.to_owned()).expect("a JSON string"));
        let jsep = |kind| Some(Jsep { kind, sdp: &SDP });
        let parties = || CallParties {
            callee: "1002".into(),
            caller: "1001".into(),
            caller_display_name: None,
            jsep: jsep(JsepKind::Offer),
            referred_by: None,
            replace_call_id: None,
            is_focus: None,
        };
        let text;
        let event = match self {
            Word::Calling => EventBody::Calling,
            Word::Incoming => EventBody::IncomingCall(parties()),
            Word::Ringing => EventBody::Ringing,
            Word::Proceeding => EventBody::Proceeding { code: Some(180) },
            Word::Progress => {
                EventBody::Progress { jsep: jsep(JsepKind::Answer), is_focus: None, callee: None }
            }
            Word::Accepted | Word::Renegotiated => {
                EventBody::Accepted { jsep: jsep(JsepKind::Answer), is_focus: None, callee: None }
            }
            Word::Accepting => EventBody::Accepting,
            Word::Declining => EventBody::Declining { code: Some(603), refer_id: None },
            Word::Hangup(code) => EventBody::Hangup { code: Some(code), reason: None },
            Word::Error(code) => EventBody::Error { code: Some(code), reason: None },
            Word::Missed => EventBody::MissedCall {
                callee: "1002".into(),
                caller: "1001".into(),
                caller_display_name: None,
            },
            Word::Holding => EventBody::Holding,
            Word::Resuming => EventBody::Resuming,
            Word::UpdatingCall => EventBody::UpdatingCall(parties()),
            Word::Updated => EventBody::Updated,
            Word::Transferring => EventBody::Transferring,
            Word::Transfer => EventBody::Transfer {
                refer_id: ReferId::Number(7),
                refer_to: "1003".into(),
                referred_by: None,
                replace_call_id: None,
            },
            Word::Notify(code) => {
                text = format!("SIP/2.0 {code} OK");
                EventBody::Notify {
                    package: Some("refer".into()),
                    subscription_state: Some(if code < 200 { "active" } else { "terminated" }.into()),
                    content_type: None,
                    content: Text::Borrowed(&text),
                }
            }
            Word::TransferAccepted => EventBody::TransferAccepted { code: Some(202) },
            Word::TransferFailed => EventBody::TransferFailed { code: Some(603) },
        };
        tell(&event);
    }
}

/// A play with an owner that carries its directions out, as a worker does.
pub(super) struct Owner {
    pub play: Play,
    pub cast: Cast,
    pub now: Time,
    /// Which legs have a call on a line of their client: an event or a response reaches no other.
    pub on_line: BTreeSet<(u8, usize)>,
    /// Which parties' connections are gone for good.
    pub lost: [bool; MOST_PARTIES],
    /// Which are gone and are to come back.
    pub away: [bool; MOST_PARTIES],
    pub said: Vec<Direction>,
    /// When each was said.
    pub said_at: Vec<Time>,
    /// What was handed over to the server.
    pub sent: Vec<(Leg, Ask)>,
}

impl Owner {
    pub fn with(draw: Draw, cast: Cast, fillers: usize) -> Owner {
        let due = Time::ZERO + ms(1_000);
        Owner {
            play: Play::new(draw, cast, due, fillers),
            cast,
            now: due + LATE,
            on_line: BTreeSet::new(),
            lost: [false; MOST_PARTIES],
            away: [false; MOST_PARTIES],
            said: Vec::new(),
            said_at: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// An answered call, started.
    pub fn new(cast: Cast, hangup_by: Side) -> Owner {
        let mut owner = Owner::with(draw(Flow::Answered, hangup_by), cast, 0);
        owner.start();
        owner
    }

    pub fn start(&mut self) -> &mut Owner {
        self.tell(|play, now, out| play.start(now, out))
    }

    /// A call between two of ours.
    pub fn both() -> Owner {
        Owner::new(Cast::All, Side::Caller)
    }

    /// A call that rings at the callee.
    pub fn ringing() -> Owner {
        let mut owner = Owner::both();
        owner.after(10).incoming().event(CALLER, Word::Ringing);
        owner
    }

    /// A call that both hold.
    pub fn talking(hangup_by: Side) -> Owner {
        let mut owner = Owner::new(Cast::All, hangup_by);
        owner.after(10).incoming().event(CALLER, Word::Ringing).after(RING.as_millis() as u64);
        owner.after(10).event(CALLEE, Word::Accepted).event(CALLER, Word::Accepted);
        assert_eq!(owner.play.talking(), 1);
        owner
    }

    pub fn tell(&mut self, speak: impl FnOnce(&mut Play, Time, &mut Vec<Direction>)) -> &mut Owner {
        let mut said = Vec::new();
        speak(&mut self.play, self.now, &mut said);
        let mut next = 0;
        while let Some(direction) = said.get(next).copied() {
            next += 1;
            match direction {
                Direction::Send(leg, ask) => self.send(leg, ask, &mut said),
                Direction::Abandon(leg) => {
                    self.on_line.remove(&key(leg));
                }
                Direction::Over => self.on_line.clear(),
                _ => {}
            }
        }
        self.said_at.resize(self.said.len() + said.len(), self.now);
        self.said.extend(said);
        self
    }

    fn send(&mut self, leg: Leg, ask: Ask, said: &mut Vec<Direction>) {
        let party = self.play.party(leg).map(usize::from).expect("a request is sent by somebody of ours");
        let begins = matches!(ask, Ask::Call | Ask::ReferredCall | Ask::Presence);
        assert!(begins || self.is_on_line(leg), "{ask:?} on a dead leg, {leg:?}");
        assert!(begins || !self.away[party], "{ask:?} while the connection is gone, {leg:?}");
        if self.lost[party] || self.away[party] {
            return self.play.lost(leg, self.now, said);
        }
        if ask != Ask::Presence {
            self.on_line.insert(key(leg));
        }
        self.sent.push((leg, ask));
        self.play.sent(leg, ask, self.now);
    }

    pub fn is_on_line(&self, leg: Leg) -> bool {
        self.on_line.contains(&key(leg))
    }

    /// Lets time pass, and does what comes due on the way when it is due.
    pub fn after(&mut self, millis: u64) -> &mut Owner {
        let until = self.now + ms(millis);
        while self.play.next_due() <= until {
            self.now = self.now.max(self.play.next_due());
            self.tell(|play, now, out| play.due(now, out));
        }
        self.now = until;
        self
    }

    pub fn incoming(&mut self) -> &mut Owner {
        self.event(CALLEE, Word::Incoming)
    }

    /// An event for a leg. A call comes in only where it is awaited, or where somebody else's is answered.
    pub fn event(&mut self, leg: Leg, word: Word) -> &mut Owner {
        if word == Word::Incoming && self.is_reachable(leg) {
            self.on_line.insert(key(leg));
        }
        if !self.is_on_line(leg) && word != Word::Missed {
            return self;
        }
        if let Word::Hangup(_) = word {
            self.on_line.remove(&key(leg));
        }
        word.with(|event| {
            self.tell(|play, now, out| play.event(leg, event, now, out));
        });
        self
    }

    fn is_reachable(&self, leg: Leg) -> bool {
        let party = self.play.party(leg).map(usize::from);
        let is_there = party.is_some_and(|party| !self.lost[party] && !self.away[party]);
        leg.side == Side::Callee && self.cast != Cast::Caller && is_there
    }

    pub fn hangup(&mut self, leg: Leg, code: i32) -> &mut Owner {
        self.event(leg, Word::Hangup(code))
    }

    pub fn refused(&mut self, leg: Leg, request: RequestName, code: i32) -> &mut Owner {
        let outcome = ResponseOutcome::Error { code: Some(code), reason: None };
        self.responded(leg, request, &outcome)
    }

    pub fn responded(&mut self, leg: Leg, request: RequestName, outcome: &ResponseOutcome<'_>) -> &mut Owner {
        if self.is_on_line(leg) || request == RequestName::PresenceUpdate {
            self.tell(|play, now, out| play.response(leg, request, outcome, now, out));
        }
        self
    }

    pub fn unanswered(&mut self, leg: Leg, request: RequestName) -> &mut Owner {
        if self.is_on_line(leg) || request == RequestName::PresenceUpdate {
            self.tell(|play, now, out| play.no_response(leg, request, now, out));
        }
        self
    }

    /// The connection of whoever is on this leg is gone for good.
    pub fn lose(&mut self, leg: Leg) -> &mut Owner {
        match self.play.party(leg) {
            Some(party) => self.lose_party(usize::from(party)),
            None => self,
        }
    }

    /// The connection of a party is gone for good: all its legs are told that have a line, and all on which it is to be
    /// called.
    pub fn lose_party(&mut self, party: usize) -> &mut Owner {
        self.lost[party] = true;
        self.away[party] = false;
        for leg in self.legs_of(party) {
            let had_line = self.on_line.remove(&key(leg));
            if had_line || leg.side == Side::Callee {
                self.tell(|play, now, out| play.lost(leg, now, out));
            }
        }
        self
    }

    /// The connection of a party is gone, and is to come back.
    pub fn suspend(&mut self, party: usize) -> &mut Owner {
        if !self.lost[party] && !self.away[party] {
            self.away[party] = true;
            for leg in self.legs_of(party) {
                if self.is_on_line(leg) {
                    self.tell(|play, now, out| play.suspended(leg, now, out));
                }
            }
        }
        self
    }

    /// It has come back, and the server still holds its calls.
    pub fn resume(&mut self, party: usize) -> &mut Owner {
        if std::mem::take(&mut self.away[party]) {
            for leg in self.legs_of(party) {
                if self.is_on_line(leg) {
                    self.tell(|play, now, out| play.resumed(leg, now, out));
                }
            }
        }
        self
    }

    /// All legs that a party has, or will have.
    pub fn legs_of(&self, party: usize) -> Vec<Leg> {
        let all = (0..self.play.calls() as u8).flat_map(|call| Side::BOTH.map(|side| Leg { call, side }));
        all.filter(|leg| self.play.party(*leg).map(usize::from) == Some(party)).collect()
    }

    pub fn drain(&mut self) -> &mut Owner {
        self.tell(|play, now, out| play.drain(now, out))
    }

    /// Lets time pass until the attempt is over, with no more word from the server.
    pub fn wait(&mut self) -> &mut Owner {
        while !self.is_over() {
            let due = self.play.next_due();
            assert_ne!(due, Time::NEVER, "{:?} waits for ever", self.play.flow());
            self.now = self.now.max(due);
            self.tell(|play, now, out| play.due(now, out));
        }
        self
    }

    pub fn count(&self, wanted: impl Fn(&Direction) -> bool) -> usize {
        self.said.iter().filter(|direction| wanted(direction)).count()
    }

    pub fn is_over(&self) -> bool {
        self.said.contains(&Direction::Over)
    }

    pub fn has(&self, direction: Direction) -> bool {
        self.said.contains(&direction)
    }

    pub fn sends(&self, ask: Ask) -> usize {
        self.count(|direction| matches!(direction, Direction::Send(_, sent) if *sent == ask))
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |direction: &Direction| match direction {
            Direction::End { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.said.iter().filter_map(outcome).collect()
    }

    /// How the side calls ended, in order.
    pub fn side_ends(&self) -> Vec<Outcome> {
        let end = |direction: &Direction| match direction {
            Direction::SideCallEnd(outcome) => Some(*outcome),
            _ => None,
        };
        self.said.iter().filter_map(end).collect()
    }

    /// The steps at which the flow broke off, and when.
    pub fn broken(&self) -> Vec<(usize, Time)> {
        let broken = |(said, at): (&Direction, &Time)| match said {
            Direction::Broken(step) => Some((*step, *at)),
            _ => None,
        };
        self.said.iter().zip(&self.said_at).filter_map(broken).collect()
    }

    pub fn samples(&self, metric: Metric) -> Vec<Duration> {
        let sample = |direction: &Direction| match direction {
            Direction::Sample(sample) if sample.metric == metric => Some(sample.done.since(sample.due)),
            Direction::Service(one, sent, done) if *one == metric => Some(done.since(*sent)),
            _ => None,
        };
        self.said.iter().filter_map(sample).collect()
    }
}

fn key(leg: Leg) -> (u8, usize) {
    (leg.call, leg.side as usize)
}
