//! What calls are made of: a [`Flow`] is the script of one call, a file each.
//!
//! A script knows no socket, no clock and no client. It is handed what happened on the two [`Leg`]s of its call and
//! what the time is, and hands out [`Direction`]s: what to send on which leg, which latency was measured, how the
//! attempt ended. Its owner carries them out.

mod answered;
mod direction;

pub use answered::{Answered, AnsweredPlan, Parties};
pub use direction::{Ask, Direction, Finding, Leg};

/// The flows that can be named in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// [`Answered`].
    Answered,
}

impl Flow {
    /// All of them.
    pub const ALL: &'static [Flow] = &[Flow::Answered];

    /// The name in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Flow::Answered => "answered",
        }
    }

    /// The flow of this name.
    pub fn from_name(name: &str) -> Option<Flow> {
        Flow::ALL.iter().copied().find(|flow| flow.name() == name)
    }
}
