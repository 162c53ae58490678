//! Delays that a core is told to make, and draws of them.
//!
//! A delay is counted from its cause: from the arrival of the request that a message answers or follows from, of the
//! upgrade for a `state`, of the `hangup` for an `ice_hangup`. A message that has no delay of its own follows at once
//! what it follows from, as ever.
//!
//! Messages that depend on each other keep their order: on one leg of a call, everything goes out in the order of its
//! causes, and a response before the events that its request causes. So a delay that is drawn may be outlasted by that
//! of an earlier message. What does not depend on each other may overtake: responses to candidates, keepalives, and
//! what is said on other lines. What the core records ([`Injected`](super::Injected)) is the time that was taken in
//! the end, not the draw.

use std::time::Duration;

use crate::law::{Distribution, Draws, Seed};
use crate::protocol::ServerMessage;

/// How long the core holds messages back, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delays {
    laws: Vec<(ServerMessage, Distribution)>,
}

impl Delays {
    /// Holds messages of this name back by this law; a later one of the same name counts.
    pub fn set(&mut self, message: ServerMessage, law: Distribution) {
        self.laws.retain(|(other, _)| *other != message);
        self.laws.push((message, law));
    }

    /// Sets the law of a message unless it has one.
    pub(super) fn default_to(&mut self, message: ServerMessage, law: Distribution) {
        if self.law(message).is_none() {
            self.set(message, law);
        }
    }

    /// The law of a message, if it has one.
    pub fn law(&self, message: ServerMessage) -> Option<Distribution> {
        self.laws.iter().find(|(other, _)| *other == message).map(|(_, law)| *law)
    }
}

impl FromIterator<(ServerMessage, Distribution)> for Delays {
    fn from_iter<T: IntoIterator<Item = (ServerMessage, Distribution)>>(laws: T) -> Self {
        let mut delays = Delays::default();
        laws.into_iter().for_each(|(message, law)| delays.set(message, law));
        delays
    }
}

/// Delays as they are drawn: each message has a stream of its own, so that the law of one does not change what
/// another draws.
#[derive(Debug)]
pub(super) struct Drawn {
    by_message: Vec<Option<(Distribution, Draws)>>,
}

impl Drawn {
    pub(super) fn new(delays: &Delays, seed: Seed) -> Drawn {
        let drawn = |message: ServerMessage| {
            delays.law(message).map(|law| (law, seed.stream("delay", message.index() as u64)))
        };
        Drawn { by_message: ServerMessage::all().map(drawn).collect() }
    }

    /// The delay of the next message of this name; none if it has no law.
    pub(super) fn next(&mut self, message: ServerMessage) -> Option<Duration> {
        let (law, draws) = self.by_message.get_mut(message.index())?.as_mut()?;
        Some(law.sample(draws))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::EventName;

    #[test]
    fn what_one_message_draws_does_not_depend_on_another() {
        let law = Distribution::uniform(Duration::ZERO, Duration::from_secs(1)).unwrap();
        let ringing = ServerMessage::Event(EventName::Ringing);
        let alone: Delays = [(ringing, law)].into_iter().collect();
        let both: Delays = [(ServerMessage::Ack, law), (ringing, law)].into_iter().collect();
        let (mut alone, mut both) = (Drawn::new(&alone, Seed(7)), Drawn::new(&both, Seed(7)));
        assert_eq!((alone.next(ServerMessage::Ack), alone.next(ServerMessage::State)), (None, None));
        for _ in 0..10 {
            assert_ne!(both.next(ServerMessage::Ack), both.next(ringing));
        }
        let mut again = Drawn::new(&[(ringing, law)].into_iter().collect(), Seed(7));
        (0..10).for_each(|_| assert!(again.next(ringing) == alone.next(ringing)));
    }
}
