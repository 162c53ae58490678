//! The next due time of each of many things, earliest first.

use crate::law::Time;

/// How many entries of the heap lie below one: with four instead of two it is half as deep, and the four lie side by side.
const BELOW: usize = 4;

/// A due time for each of many things, which are told apart by a number of their own. It can be put forward, put back
/// and taken out, so nothing is ever woken for a time that does not stand any more.
///
/// A keepalive alone is three such changes: it is due, its answer is waited for, the next one is due. With a queue that
/// does not forget (`Deadlines`) every second wake-up of 18,000 idle clients was for a timeout of a keepalive that had its
/// answer, and at 5,000 calls a second 160,000 past timeouts waited in it.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// A heap: no entry is due before that at `(place - 1) / BELOW`.
    heap: Vec<Entry>,
    /// Where in the heap the entry of each thing is; [`Timers::NOWHERE`] where it has none.
    places: Vec<u32>,
    set: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Time,
    /// What is due at the same time comes in the order in which that was said.
    order: u64,
    of: u32,
}

impl Entry {
    fn is_before(&self, other: &Entry) -> bool {
        (self.at, self.order) < (other.at, other.order)
    }
}

impl Timers {
    const NOWHERE: u32 = u32::MAX;

    /// Has the thing `of` due `at`, whatever it was before; with [`Time::NEVER`] not at all.
    pub fn set(&mut self, of: usize, at: Time) {
        if of >= self.places.len() {
            self.places.resize(of + 1, Timers::NOWHERE);
        }
        match self.places[of] {
            Timers::NOWHERE if at == Time::NEVER => {}
            Timers::NOWHERE => {
                let entry = self.entry(of, at);
                self.heap.push(entry);
                self.rise(self.heap.len() - 1, entry);
            }
            place if at == Time::NEVER => self.take_out(place as usize),
            place if self.heap[place as usize].at == at => {}
            place => {
                let entry = self.entry(of, at);
                self.replace(place as usize, entry);
            }
        }
    }

    /// The earliest due time; [`Time::NEVER`] if there is none.
    pub fn next(&self) -> Time {
        self.heap.first().map_or(Time::NEVER, |entry| entry.at)
    }

    /// Takes the earliest one out if it is due by `now`.
    pub fn pop(&mut self, now: Time) -> Option<(Time, usize)> {
        let Entry { at, of, .. } = *self.heap.first().filter(|entry| entry.at <= now)?;
        self.take_out(0);
        Some((at, of as usize))
    }

    fn entry(&mut self, of: usize, at: Time) -> Entry {
        self.set += 1;
        Entry { at, order: self.set, of: of as u32 }
    }

    fn take_out(&mut self, place: usize) {
        self.places[self.heap[place].of as usize] = Timers::NOWHERE;
        if let Some(last) = self.heap.pop()
            && place < self.heap.len()
        {
            self.replace(place, last);
        }
    }

    /// Puts `entry` into the place of another one.
    fn replace(&mut self, place: usize, entry: Entry) {
        if place > 0 && entry.is_before(&self.heap[(place - 1) / BELOW]) {
            self.rise(place, entry);
        } else {
            self.sink(place, entry);
        }
    }

    /// Puts `entry` at `place`, or as far above as it has to be.
    fn rise(&mut self, mut place: usize, entry: Entry) {
        while place > 0 {
            let above = (place - 1) / BELOW;
            if !entry.is_before(&self.heap[above]) {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        self.put(place, entry);
    }

    /// Puts `entry` at `place`, or as far below as it has to be.
    fn sink(&mut self, mut place: usize, entry: Entry) {
        loop {
            let below = place * BELOW + 1..(place * BELOW + 1 + BELOW).min(self.heap.len());
            let earlier = |one: usize, other: usize| {
                if self.heap[other].is_before(&self.heap[one]) { other } else { one }
            };
            let Some(earliest) = below.reduce(earlier).filter(|at| self.heap[*at].is_before(&entry)) else {
                break;
            };
            self.put(place, self.heap[earliest]);
            place = earliest;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: Entry) {
        self.heap[place] = entry;
        self.places[entry.of as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_due_comes_out_once_earliest_first_and_in_the_order_of_setting() {
        let mut timers = Timers::default();
        for (of, at) in [(3, 30), (1, 10), (4, 30), (2, 20), (0, 5), (2, 40), (1, 30)] {
            timers.set(of, Time::from_nanos(at));
        }
        timers.set(0, Time::NEVER);
        timers.set(9, Time::NEVER);
        assert_eq!(timers.next(), Time::from_nanos(30));
        assert_eq!(timers.pop(Time::from_nanos(29)), None);
        let due = std::iter::from_fn(|| timers.pop(Time::from_nanos(99)));
        let due: Vec<(u64, usize)> = due.map(|(at, of)| (at.as_nanos(), of)).collect();
        assert_eq!(due, [(30, 3), (30, 4), (30, 1), (40, 2)]);
        assert_eq!(timers.next(), Time::NEVER);
    }

    proptest! {
        #[test]
        fn it_is_as_if_all_were_looked_at_each_time(
            changes in prop::collection::vec((0_usize..40, prop::option::weighted(0.8, 0_u64..50), any::<bool>()), 1..400),
        ) {
            let mut timers = Timers::default();
            // What is due, and since which change.
            let mut all = [None; 40];
            for (change, (of, at, pop)) in changes.into_iter().enumerate() {
                if pop {
                    let now = at.unwrap_or(25);
                    let first = (0..all.len()).filter(|of| all[*of].is_some()).min_by_key(|of| all[*of]);
                    let due = first.and_then(|of| all[of].map(|(at, _)| (at, of))).filter(|(at, _)| *at <= now);
                    if let Some((_, of)) = due {
                        all[of] = None;
                    }
                    prop_assert_eq!(timers.pop(Time::from_nanos(now)).map(|(at, of)| (at.as_nanos(), of)), due);
                } else {
                    timers.set(of, at.map_or(Time::NEVER, Time::from_nanos));
                    let is_same = all[of].map(|(at, _)| at) == at;
                    all[of] = if is_same { all[of] } else { at.map(|at| (at, change)) };
                }
                let next = all.iter().flatten().map(|(at, _)| *at).min();
                prop_assert_eq!(timers.next(), next.map_or(Time::NEVER, Time::from_nanos));
            }
        }
    }
}
