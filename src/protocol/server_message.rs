//! The names of what a server sends.

use super::EventName;

/// What a server sends, by its flat name: the handshake state, answers, events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// `state`: the handshake.
    State,
    /// `keepalive`: the answer to one.
    Keepalive,
    /// `ack`: the response to a request that was taken.
    Ack,
    /// An event, or `error`, which is the name of a response and of an event.
    Event(EventName),
}

impl ServerMessage {
    /// The response to a request that was refused. It shares its name with an event.
    pub const ERROR: ServerMessage = ServerMessage::Event(EventName::Error);

    /// How many there are.
    pub const COUNT: usize = 3 + EventName::COUNT;

    /// All of them, by [`ServerMessage::index`].
    pub fn all() -> impl Iterator<Item = ServerMessage> {
        let answers = [ServerMessage::State, ServerMessage::Keepalive, ServerMessage::Ack];
        answers.into_iter().chain(EventName::ALL.iter().copied().map(ServerMessage::Event))
    }

    /// The place in an array of one value each.
    pub const fn index(self) -> usize {
        match self {
            ServerMessage::State => 0,
            ServerMessage::Keepalive => 1,
            ServerMessage::Ack => 2,
            ServerMessage::Event(event) => 3 + event.index(),
        }
    }

    /// The flat name.
    pub const fn name(self) -> &'static str {
        match self {
            ServerMessage::State => "state",
            ServerMessage::Keepalive => "keepalive",
            ServerMessage::Ack => "ack",
            ServerMessage::Event(event) => event.name(),
        }
    }

    /// The one of this flat name.
    pub fn from_name(name: &str) -> Option<ServerMessage> {
        ServerMessage::all().find(|message| message.name() == name)
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        ServerMessage::all().map(ServerMessage::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_found_by_its_name_and_place() {
        assert_eq!(ServerMessage::all().count(), ServerMessage::COUNT);
        for (index, message) in ServerMessage::all().enumerate() {
            assert_eq!((message.index(), ServerMessage::from_name(message.name())), (index, Some(message)));
        }
        assert_eq!(ServerMessage::from_name("call"), None);
    }
}
