//! What a client costs in memory.

use std::mem::size_of;

use crate::client::Client;
use crate::subscribers::Subscriber;
use crate::transport::ReadyWaker;

/// What a client holds before it connects, in bytes: itself, its subscriber and their place in the index of numbers. All of it
/// is there before the first second, so no growth can show it.
pub(super) fn held_before_connecting(subscribers: &[Subscriber]) -> u64 {
    let texts = |subscriber: &Subscriber| subscriber.token.expose().len() + 2 * subscriber.number.len();
    let texts = subscribers.iter().map(texts).sum::<usize>() / subscribers.len().max(1);
    let index = size_of::<(Box<str>, u32)>();
    (size_of::<Client>() + size_of::<ReadyWaker>() + size_of::<Subscriber>() + index + texts) as u64
}

/// The memory of the process against its clients: a line of least squares through the seconds in which clients were
/// added. Its slope is what one more client costs. Memory divided by clients would hold the process itself, which for
/// a few hundred clients is most of it.
#[derive(Debug, Default)]
pub(super) struct MemoryLine {
    points: f64,
    clients: f64,
    bytes: f64,
    clients_squared: f64,
    clients_bytes: f64,
    fewest: u64,
    most: u64,
    /// What else grows meanwhile, and is none of the clients'.
    beside: u64,
}

/// Fewer seconds do not make a line.
const FEWEST_POINTS: f64 = 3.0;
/// With less difference than this in clients the line shows the allocator's steps.
const FEWEST_CLIENTS: u64 = 500;

impl MemoryLine {
    /// So many bytes are in use for something else. What was given back once counts on, as the allocator keeps it.
    pub fn beside(&mut self, bytes: u64) {
        self.beside = self.beside.max(bytes);
    }

    /// Another second, at whose peak so many clients were connected and after which so many bytes were in use.
    pub fn second(&mut self, clients: u64, bytes: u64) {
        if clients <= self.most {
            return;
        }
        if self.most == 0 {
            self.fewest = clients;
        }
        self.most = clients;
        let (x, y) = (clients as f64, bytes.saturating_sub(self.beside) as f64);
        self.points += 1.0;
        self.clients += x;
        self.bytes += y;
        self.clients_squared += x * x;
        self.clients_bytes += x * y;
    }

    /// Bytes that one more client costs; `None` while there is not enough to tell.
    pub fn bytes_per_client(&self) -> Option<u64> {
        if self.points < FEWEST_POINTS || self.most - self.fewest < FEWEST_CLIENTS {
            return None;
        }
        let spread = self.points * self.clients_squared - self.clients * self.clients;
        let slope = (self.points * self.clients_bytes - self.clients * self.bytes) / spread;
        (slope > 0.0).then(|| slope.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_costs_what_the_memory_grows_by_with_each() {
        let mut line = MemoryLine::default();
        for clients in [500, 1_000, 1_500, 2_000, 2_000, 1_000] {
            line.second(clients, 60_000_000 + clients * 5_000);
        }
        assert_eq!(line.bytes_per_client(), Some(5_000));
    }

    #[test]
    fn what_grows_with_their_calls_is_not_laid_to_clients() {
        let mut line = MemoryLine::default();
        for (clients, calls) in [(500, 0), (1_000, 80), (1_500, 400), (2_000, 900)] {
            line.beside(calls * 5_300);
            line.second(clients, 60_000_000 + clients * 5_000 + calls * 5_300);
            // They are over, and their room is there for the next ones.
            line.beside(0);
        }
        assert_eq!(line.bytes_per_client(), Some(5_000));
    }

    #[test]
    fn a_few_clients_and_a_few_seconds_tell_nothing() {
        let mut line = MemoryLine::default();
        line.second(10, 60_000_000);
        line.second(2_000, 70_000_000);
        assert_eq!(line.bytes_per_client(), None);
        let mut line = MemoryLine::default();
        for clients in [10, 20, 30, 40] {
            line.second(clients, 60_000_000 + clients);
        }
        assert_eq!(line.bytes_per_client(), None);
    }
}
