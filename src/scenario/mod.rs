//! What calls are made of: a [`Flow`] is the script of one attempt, a file each.
//!
//! A [`Script`] is a table of steps, like those of the protocol (section 5). A [`Play`] performs it. It knows no socket,
//! no clock and no client: it is handed what happened on the [`Leg`]s of its calls and what the time is, and hands out
//! [`Direction`]s: what to send on which leg, which latency was measured, how the attempt ended. Its owner carries them
//! out.

mod answered;
mod attended_transfer;
mod blind_transfer;
mod busy;
mod call;
mod cancelled;
mod declined;
mod direction;
mod early_media;
mod guest_line;
mod hold_resume;
pub mod ladder;
mod mutual;
mod no_answer;
mod offerless;
mod offline;
mod play;
mod presence;
mod renegotiate;
mod script;
mod second_call;
mod unknown_number;

pub use call::CallTimes;
pub use direction::{Ask, Direction, Finding, Leg, Side};
pub use play::{Cast, Draw, Play};
pub use script::{Act, Callee, FILLERS, Intent, MOST_PARTIES, Parties, Pause, Script, Sign, Step, When};

/// The flows that can be named in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// The answered call, hung up by the caller or by the callee.
    Answered,
    /// A call with early media: the answer comes with `progress`, and none with `accepted`.
    EarlyMedia,
    /// A call that the callee declines.
    Declined,
    /// A call that the caller cancels while it rings; the callee may accept at the same moment.
    Cancelled,
    /// A call to somebody whose lines are all taken.
    Busy,
    /// A call to a number that nobody has.
    UnknownNumber,
    /// A call to a subscriber who is not signed on.
    Offline,
    /// A call that nobody answers: the caller lets it ring, and gives up.
    NoAnswer,
    /// A call that its caller puts on hold and takes up again; the peer answers each re-INVITE.
    HoldResume,
    /// A call whose media are renegotiated: an ICE restart, now and then by both sides at once (glare).
    Renegotiate,
    /// A call whose caller sends the callee on to somebody else, without asking.
    BlindTransfer,
    /// A call whose caller asks a third party first, and then connects the two.
    AttendedTransfer,
    /// A call that comes in without an offer: the callee makes it.
    Offerless,
    /// A call on the guest line, with a caller number of its own; flat alone has it.
    GuestLine,
    /// A second call to somebody who is in one: the first is held, the second answered.
    SecondCall,
    /// A change of presence settings: no call; flat alone has it.
    Presence,
    /// Two that call each other at the same moment: one gives way, and takes the other's call.
    Mutual,
}

impl Flow {
    /// All of them.
    pub const ALL: &'static [Flow] = &[
        Flow::Answered,
        Flow::EarlyMedia,
        Flow::Declined,
        Flow::Cancelled,
        Flow::Busy,
        Flow::UnknownNumber,
        Flow::Offline,
        Flow::NoAnswer,
        Flow::HoldResume,
        Flow::Renegotiate,
        Flow::BlindTransfer,
        Flow::AttendedTransfer,
        Flow::Offerless,
        Flow::GuestLine,
        Flow::SecondCall,
        Flow::Presence,
        Flow::Mutual,
    ];

    /// How many there are.
    pub const COUNT: usize = Flow::ALL.len();

    /// The place in an array of one value a flow.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Flow::Answered => "answered",
            Flow::EarlyMedia => "early_media",
            Flow::Declined => "declined",
            Flow::Cancelled => "cancelled",
            Flow::Busy => "busy",
            Flow::UnknownNumber => "unknown_number",
            Flow::Offline => "offline",
            Flow::NoAnswer => "no_answer",
            Flow::HoldResume => "hold_resume",
            Flow::Renegotiate => "renegotiate",
            Flow::BlindTransfer => "blind_transfer",
            Flow::AttendedTransfer => "attended_transfer",
            Flow::Offerless => "offerless",
            Flow::GuestLine => "guest_line",
            Flow::SecondCall => "second_call",
            Flow::Presence => "presence",
            Flow::Mutual => "mutual",
        }
    }

    /// The flow of this name.
    pub fn from_name(name: &str) -> Option<Flow> {
        Flow::ALL.iter().copied().find(|flow| flow.name() == name)
    }

    /// Whether it can be played with somebody else's phone at the other end: what our caller does is all of it.
    pub fn can_call_others(self) -> bool {
        let script = self.script();
        script.calls.len() == 1 && matches!(script.callee(), Callee::Party(_))
    }

    /// What happens in it.
    pub const fn script(self) -> &'static Script {
        match self {
            Flow::Answered => &answered::SCRIPT,
            Flow::EarlyMedia => &early_media::SCRIPT,
            Flow::Declined => &declined::SCRIPT,
            Flow::Cancelled => &cancelled::SCRIPT,
            Flow::Busy => &busy::SCRIPT,
            Flow::UnknownNumber => &unknown_number::SCRIPT,
            Flow::Offline => &offline::SCRIPT,
            Flow::NoAnswer => &no_answer::SCRIPT,
            Flow::HoldResume => &hold_resume::SCRIPT,
            Flow::Renegotiate => &renegotiate::SCRIPT,
            Flow::BlindTransfer => &blind_transfer::SCRIPT,
            Flow::AttendedTransfer => &attended_transfer::SCRIPT,
            Flow::Offerless => &offerless::SCRIPT,
            Flow::GuestLine => &guest_line::SCRIPT,
            Flow::SecondCall => &second_call::SCRIPT,
            Flow::Presence => &presence::SCRIPT,
            Flow::Mutual => &mutual::SCRIPT,
        }
    }
}

#[cfg(test)]
mod answered_tests;
#[cfg(test)]
mod any_server_tests;
#[cfg(test)]
mod flows_tests;
#[cfg(test)]
mod test_owner;
#[cfg(test)]
mod test_server;
