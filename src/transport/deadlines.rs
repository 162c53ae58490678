//! Due times of many things, earliest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::law::Time;

/// A queue of due times. What is due at the same time comes out in the order it went in.
///
/// There is no removal: whoever takes a deadline out asks its owner whether it still stands.
#[derive(Debug)]
pub struct Deadlines<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    pushed: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Time,
    order: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<T> Deadlines<T> {
    /// Adds `what`, due `at`.
    pub fn push(&mut self, at: Time, what: T) {
        self.heap.push(Reverse(Entry { at, order: self.pushed, what }));
        self.pushed += 1;
    }

    /// The earliest due time; [`Time::NEVER`] if there is none.
    pub fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |entry| entry.0.at)
    }

    /// Takes the earliest one out if it is due by `now`.
    pub fn pop(&mut self, now: Time) -> Option<(Time, T)> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_out_earliest_first_and_in_order_of_entry() {
        let mut deadlines = Deadlines::default();
        for (at, what) in [(3, 'c'), (1, 'a'), (3, 'd'), (2, 'b')] {
            deadlines.push(Time::from_nanos(at), what);
        }
        let mut out = String::new();
        while let Some((_, what)) = deadlines.pop(Time::from_nanos(3)) {
            out.push(what);
        }
        assert_eq!(out, "abcd");
        assert_eq!(deadlines.next(), Time::NEVER);
    }
}
