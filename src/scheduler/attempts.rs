//! A worker's attempts: the plays under way, who plays in them, and on which lines.

use std::time::Duration;

use super::cdr::Noted;
use super::flight::Flight;
use crate::client::{AttemptRef, LegRef};
use crate::law::Time;
use crate::scenario::{Leg, MOST_PARTIES, Play, Side};
use crate::workload::AttemptNumber;

/// An attempt under way, or a call that somebody else has made to a client of this worker.
#[derive(Debug)]
pub(super) struct Attempt {
    pub play: Play,
    pub serial: u32,
    /// Which of the run's attempts it is.
    pub number: AttemptNumber,
    /// The share of the mix that it belongs to.
    pub share: usize,
    /// The places of the clients that play in it, by party.
    pub clients: [Option<usize>; MOST_PARTIES],
    /// The lines of each call's caller and callee, once there is one.
    pub lines: Vec<[Option<usize>; 2]>,
    /// Whom a `transfer` event has asked a client of it to call.
    pub referral: Option<Referral>,
    pub due: Time,
    /// What it adds to the gauges: calls that are up or being set up, and answered ones.
    pub live: u64,
    pub talking: u64,
    /// For how long its calls have been answered and up, less what is counted of it already.
    pub talk: Talk,
    /// What its row in the list of all calls says beyond its play.
    pub noted: Noted,
    /// Something has been sent for it.
    pub has_begun: bool,
    /// Its messages, where they are recorded.
    pub flight: Option<Box<Flight>>,
}

/// For how long the calls of an attempt have been answered and up, until what its play says of that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Talk {
    calls: u32,
    since: Time,
    before: Duration,
}

impl Talk {
    /// So many calls are up from now on.
    pub fn turn(&mut self, calls: u64, now: Time) {
        *self = Talk { calls: calls as u32, since: now, before: self.so_far(now) };
    }

    /// The play has said how long one of them was up.
    pub fn count(&mut self, talk: Duration) {
        self.before = self.before.saturating_sub(talk);
    }

    fn so_far(&self, now: Time) -> Duration {
        self.before + now.since(self.since) * self.calls
    }
}

/// What a `transfer` event asks for.
#[derive(Clone, Debug)]
pub(super) struct Referral {
    pub refer_id: crate::protocol::ReferId<'static>,
    pub number: String,
}

impl Attempt {
    /// The attempt with this number, due at `due`, before anything of it has been sent; `share` of the mix is its place
    /// there.
    pub fn new(
        play: Play,
        serial: u32,
        number: AttemptNumber,
        share: usize,
        clients: [Option<usize>; MOST_PARTIES],
        due: Time,
    ) -> Attempt {
        Attempt {
            lines: vec![[None; 2]; play.calls()],
            play,
            serial,
            number,
            share,
            clients,
            referral: None,
            due,
            live: 0,
            talking: 0,
            talk: Talk::default(),
            noted: Noted::default(),
            has_begun: false,
            flight: None,
        }
    }

    /// Whether it is an attempt whose outcome has not been counted.
    pub fn is_unended(&self) -> bool {
        self.play.is_attempt() && self.play.outcome().is_none()
    }

    /// The place of the client on a leg.
    pub fn client(&self, leg: Leg) -> Option<usize> {
        self.clients[usize::from(self.play.party(leg)?)]
    }

    /// The line of a leg.
    pub fn line(&self, leg: Leg) -> Option<usize> {
        self.lines.get(usize::from(leg.call))?[leg.side as usize]
    }

    /// Puts a leg on a line.
    pub fn set_line(&mut self, leg: Leg, line: usize) {
        if let Some(lines) = self.lines.get_mut(usize::from(leg.call)) {
            lines[leg.side as usize] = Some(line);
        }
    }

    /// All legs that clients of ours have, or will have.
    pub fn legs(&self) -> impl Iterator<Item = (Leg, usize)> {
        let legs = (0..self.lines.len() as u8).flat_map(|call| Side::BOTH.map(|side| Leg { call, side }));
        legs.filter_map(|leg| Some((leg, self.client(leg)?)))
    }
}

/// The attempts of a worker, each at a place of its own as long as it lasts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    places: Vec<Option<Attempt>>,
    vacant: Vec<usize>,
    serial: u32,
}

impl Attempts {
    /// The places that have an attempt.
    pub fn places(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|place| self.places[*place].is_some()).collect()
    }

    /// How long the calls of those that are there have been answered and up, all together.
    pub fn talk_so_far(&self, now: Time) -> Duration {
        self.places.iter().flatten().map(|attempt| attempt.talk.so_far(now)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.len() == self.vacant.len()
    }

    /// Takes an attempt out.
    pub fn forget(&mut self, place: usize) -> Option<Attempt> {
        let attempt = self.places.get_mut(place)?.take();
        if attempt.is_some() {
            self.vacant.push(place);
        }
        attempt
    }

    /// The number of the next one. It fits into a tag, and is never that of no attempt.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = (self.serial + 1) % Tag::SERIALS;
        self.serial
    }

    pub fn insert(&mut self, attempt: Attempt) -> usize {
        match self.vacant.pop() {
            Some(place) => {
                self.places[place] = Some(attempt);
                place
            }
            None => {
                self.places.push(Some(attempt));
                self.places.len() - 1
            }
        }
    }

    pub fn get(&mut self, place: usize, serial: u32) -> Option<&mut Attempt> {
        self.places.get_mut(place)?.as_mut().filter(|attempt| attempt.serial == serial)
    }

    pub fn of(&mut self, at: AttemptRef) -> Option<&mut Attempt> {
        self.get(at.attempt, at.serial)
    }

    pub fn serial_at(&self, place: usize) -> Option<u32> {
        Some(self.places.get(place)?.as_ref()?.serial)
    }
}

/// Which leg of which attempt a request belongs to, as the number that a session keeps of it.
pub(super) struct Tag;

impl Tag {
    /// The tag of a request that belongs to no attempt.
    pub const NONE: u64 = u64::MAX;
    /// How many serials there are.
    const SERIALS: u32 = 1 << 22;

    /// The tag of a leg: place, serial, call and side, from the top.
    pub fn of(leg: LegRef) -> u64 {
        let LegRef { attempt, serial, leg } = leg;
        (attempt as u64) << 31 | u64::from(serial) << 9 | u64::from(leg.call) << 1 | leg.side as u64
    }

    /// The leg of a tag.
    pub fn leg(tag: u64) -> Option<LegRef> {
        if tag == Tag::NONE {
            return None;
        }
        let side = if tag & 1 == 1 { Side::Callee } else { Side::Caller };
        let leg = Leg { call: (tag >> 1) as u8, side };
        Some(LegRef { attempt: (tag >> 31) as usize, serial: (tag >> 9) as u32 % Tag::SERIALS, leg })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scenario::{Cast, Draw, Flow};

    /// A call that is answered and hung up by its caller, without any pause.
    pub fn draw() -> Draw {
        Draw {
            flow: Flow::Answered,
            ring: Duration::ZERO,
            hold: Duration::ZERO,
            think: Duration::ZERO,
            on_hold: Duration::ZERO,
            hangup_by: Side::Caller,
            crossing: false,
            update_retry: [Duration::ZERO; 2],
            candidates: 0,
            candidate_spacing: Duration::ZERO,
        }
    }

    fn attempt(attempts: &mut Attempts) -> (usize, u32) {
        let serial = attempts.next_serial();
        let play = Play::new(draw(), Cast::All, Time::ZERO, 0);
        let attempt = Attempt::new(play, serial, 0, 0, [None; MOST_PARTIES], Time::ZERO);
        (attempts.insert(attempt), serial)
    }

    #[test]
    fn a_place_is_used_again_and_its_attempts_are_told_apart() {
        let mut attempts = Attempts::default();
        let (place, first) = attempt(&mut attempts);
        assert!(attempts.forget(place).is_some() && attempts.forget(place).is_none());
        assert!(attempts.is_empty());
        let (again, second) = attempt(&mut attempts);
        assert_eq!((again, attempts.places()), (place, vec![place]));
        assert!(attempts.get(place, first).is_none() && attempts.get(place, second).is_some());
        assert!(attempts.get(place + 1, second).is_none() && attempts.forget(place + 1).is_none());
    }

    #[test]
    fn a_tag_says_attempt_and_leg_and_is_never_that_of_none() {
        let mut attempts = Attempts { serial: Tag::SERIALS - 2, ..Attempts::default() };
        for attempt in [0, 1, 9_999_999] {
            let serial = attempts.next_serial();
            for leg in [Leg::caller(0), Leg::callee(0), Leg::callee(7), Leg::caller(200)] {
                let leg = LegRef { attempt, serial, leg };
                assert_eq!(Tag::leg(Tag::of(leg)), Some(leg));
                assert_ne!(Tag::of(leg), Tag::NONE);
            }
        }
        assert_eq!(Tag::leg(Tag::NONE), None);
    }
}
