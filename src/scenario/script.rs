//! What a flow is written as: a table of steps, in the manner of the protocol's own (section 5).
//!
//! A [`Script`] is data. [`Play`](super::Play) performs it, `wtsp-load flows` draws it as a ladder.

use std::time::Duration;

use super::{Ask, Leg, Side};
use crate::metrics::{AttemptFailure, Metric, Outcome};

/// The most parties that a flow has.
pub const MOST_PARTIES: usize = 3;

/// Stands for each of the calls that fill up a party's lines ([`Script::fills`]).
pub const FILLERS: u8 = u8::MAX;

/// How long the server may take from a request to what it leads to at the other party, ringing left out (RFC 7501's
/// establishment threshold; SIP's timer B).
pub const SETUP_TIMEOUT: Duration = Duration::from_secs(32);

/// How long any other step may take (protocol, section 8: the mobile client's 10 s).
pub const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The script of a flow.
#[derive(Debug)]
pub struct Script {
    /// One line for people.
    pub about: &'static str,
    /// The section of the protocol whose table it implements.
    pub section: &'static str,
    /// What its parties are called; as many as it has.
    pub parties: &'static [&'static str],
    /// Who calls whom. The first call is the attempt's own; the others are side calls.
    pub calls: &'static [Parties],
    /// Who fills up whose lines before the attempt's own call: as many calls from the caller as it has lines.
    pub fills: Option<Parties>,
    /// How the attempt is meant to end.
    pub intends: &'static [Intent],
    /// The number of lines that each of its clients needs.
    pub lines: usize,
    /// Whether the nested dialect has no words for it.
    pub flat_only: bool,
    /// Whether the attempt's own call is placed on its caller's guest line.
    pub on_guest_line: bool,
    /// What the caller dials before the callee's number, where a profile does not say it: a feature code of the
    /// embedded core.
    pub prefix: &'static str,
    /// What happens, in order, in parts that flows share.
    pub steps: &'static [&'static [Step]],
}

impl Script {
    /// A flow of two parties with a single call; the rest is for each flow to say.
    pub const CALL: Script = Script {
        about: "",
        section: "",
        parties: &["caller", "callee"],
        calls: &[Parties::new(0, 1)],
        fills: None,
        intends: &[Intent::Answered],
        lines: 1,
        flat_only: false,
        on_guest_line: false,
        prefix: "",
        steps: &[],
    };

    /// The step of this number.
    pub fn step(&self, number: usize) -> Option<&'static Step> {
        let mut left = number;
        for part in self.steps {
            match part.get(left) {
                Some(step) => return Some(step),
                None => left -= part.len(),
            }
        }
        None
    }

    /// All steps, in order.
    pub fn all_steps(&self) -> impl Iterator<Item = &'static Step> {
        self.steps.iter().flat_map(|part| part.iter())
    }

    /// How long it keeps its clients busy, for given mean times: the hold counts from the answer, so that what passes in
    /// the meantime is part of it.
    pub fn mean_busy(&self, means: &[(Pause, Duration)]) -> Duration {
        let mean = |pause: Pause| {
            means.iter().find(|(of, _)| *of == pause).map_or(Duration::ZERO, |(_, mean)| *mean)
        };
        let steps = self.all_steps().filter(|step| step.when != When::HungUpBy(Side::Caller));
        let (mut busy, mut answered) = (Duration::ZERO, None);
        for step in steps {
            match step.act {
                Act::Expect(Sign::Accepted) => answered = answered.or(Some(busy)),
                Act::Pause(Pause::Hold) => busy = busy.max(answered.unwrap_or(busy) + mean(Pause::Hold)),
                Act::Pause(pause) => busy += mean(pause),
                _ => {}
            }
        }
        busy
    }

    /// Whom the attempt's own call is to.
    pub fn callee(&self) -> Callee {
        self.calls.first().map_or(Callee::None, |parties| parties.callee)
    }

    /// How many clients of the run it needs.
    pub const fn clients(&self) -> usize {
        self.parties.len()
    }
}

/// The parties of a call, by their places in [`Script::parties`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Who calls.
    pub caller: u8,
    /// Who is called.
    pub callee: Callee,
}

impl Parties {
    /// A call from one client of the play to another.
    pub const fn new(caller: u8, callee: u8) -> Parties {
        Parties { caller, callee: Callee::Party(callee) }
    }
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A client of the play.
    Party(u8),
    /// A number that nobody has.
    Nobody,
    /// A subscriber that is not signed on.
    Offline,
    /// The attempt is no call.
    None,
}

/// How an attempt is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// [`Outcome::Answered`].
    Answered,
    /// [`Outcome::Declined`].
    Declined,
    /// [`Outcome::Cancelled`].
    Cancelled,
    /// [`Outcome::Busy`].
    Busy,
    /// [`Outcome::Unavailable`].
    Unavailable,
    /// [`Outcome::Failed`] with a code that says that there is no such number.
    NoSuchNumber,
    /// [`Outcome::Done`].
    Done,
}

impl Intent {
    /// Whether an attempt that ended so ended as intended; `no_such_number` if its code said that.
    pub fn is_met(self, outcome: Outcome, no_such_number: bool) -> bool {
        match self {
            Intent::Answered => outcome == Outcome::Answered,
            Intent::Declined => outcome == Outcome::Declined,
            Intent::Cancelled => outcome == Outcome::Cancelled,
            Intent::Busy => outcome == Outcome::Busy,
            Intent::Unavailable => outcome == Outcome::Unavailable,
            Intent::NoSuchNumber => outcome == Outcome::Failed(AttemptFailure::Rejected) && no_such_number,
            Intent::Done => outcome == Outcome::Done,
        }
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Intent::Answered => "answered",
            Intent::Declined => "declined",
            Intent::Cancelled => "cancelled",
            Intent::Busy => "busy",
            Intent::Unavailable => "unavailable",
            Intent::NoSuchNumber => "failed (no such number)",
            Intent::Done => "done",
        }
    }
}

/// One step: something that a party does or sees.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// On which leg.
    pub leg: Leg,
    /// What.
    pub act: Act,
    /// In which plays.
    pub when: When,
    /// How long it may take, counted from the step before.
    pub within: Duration,
}

/// What a party does or sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It sends this.
    Send(Ask),
    /// It sees this; the play waits for it.
    Expect(Sign),
    /// It may see this, at about this time; the play does not wait for it.
    May(Sign),
    /// It lets time pass.
    Pause(Pause),
}

/// Which time a party lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The callee lets it ring.
    Ring,
    /// The call goes on, from its answer.
    Hold,
    /// A moment of thought.
    Think,
    /// The call stays on hold.
    OnHold,
}

impl Pause {
    /// The key in a profile.
    pub const fn name(self) -> &'static str {
        match self {
            Pause::Ring => "ring",
            Pause::Hold => "hold",
            Pause::Think => "think",
            Pause::OnHold => "on_hold",
        }
    }
}

/// In which plays a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In all.
    Always,
    /// In those that this side hangs up.
    HungUpBy(Side),
    /// In those in which two requests are to cross.
    Crossing,
    /// In those in which somebody else's phone calls.
    CalledByOthers,
}

/// What can be seen on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `incoming_call`.
    Incoming,
    /// `ringing`, `proceeding` or `progress`.
    Ringback,
    /// `progress`, with an answer: early media.
    EarlyMedia,
    /// `accepted`: at the caller the answer, at the callee that the call is established.
    Accepted,
    /// `accepting`.
    Accepting,
    /// `declining`.
    Declining,
    /// `hangup`.
    Hangup,
    /// `missed_call`.
    Missed,
    /// `holding`.
    Holding,
    /// `resuming`.
    Resuming,
    /// `updating_call`; a phone answers it at once.
    UpdatingCall,
    /// `updated`.
    Updated,
    /// The `accepted` that answers an `update`, or one's giving way to the other's.
    Renegotiated,
    /// `transferring`.
    Transferring,
    /// `transfer`: somebody else is to be called.
    Referred,
    /// The transfer has succeeded: `notify` with 2xx, or `transfer_accepted`.
    Transferred,
    /// The transfer has failed.
    TransferFailed,
    /// The response `ack`.
    Ack,
}

impl Sign {
    /// How many there are.
    pub const COUNT: usize = 18;

    /// The message that shows it, by its flat name.
    pub const fn message(self) -> &'static str {
        match self {
            Sign::Incoming => "incoming_call",
            Sign::Ringback => "ringing",
            Sign::EarlyMedia => "progress",
            Sign::Accepted | Sign::Renegotiated => "accepted",
            Sign::Accepting => "accepting",
            Sign::Declining => "declining",
            Sign::Hangup => "hangup",
            Sign::Missed => "missed_call",
            Sign::Holding => "holding",
            Sign::Resuming => "resuming",
            Sign::UpdatingCall => "updating_call",
            Sign::Updated => "updated",
            Sign::Transferring => "transferring",
            Sign::Referred => "transfer",
            Sign::Transferred => "notify 200",
            Sign::TransferFailed => "transfer_failed",
            Sign::Ack => "ack",
        }
    }

    /// The latencies that end with it.
    pub const fn closes(self, side: Side) -> &'static [Metric] {
        match (self, side) {
            (Sign::Incoming, _) => &[Metric::Alert],
            (Sign::Ringback | Sign::EarlyMedia, Side::Caller) => &[Metric::Ringback],
            (Sign::Accepted, Side::Caller) => &[Metric::Answer, Metric::Setup],
            (Sign::Accepted, Side::Callee) => &[Metric::Establish],
            (Sign::Holding, _) => &[Metric::Hold],
            (Sign::Resuming, _) => &[Metric::Resume],
            (Sign::UpdatingCall, _) => &[Metric::Reinvite],
            (Sign::Renegotiated, _) => &[Metric::Update],
            (Sign::Transferred, _) => &[Metric::Transfer],
            _ => &[],
        }
    }
}

impl Ask {
    /// The request, by its flat name.
    pub const fn message(self) -> &'static str {
        match self {
            Ask::Call | Ask::ReferredCall => "outgoing_call",
            Ask::Accept | Ask::AcceptWithOffer => "accept",
            Ask::Hangup => "hangup",
            Ask::Decline => "decline",
            Ask::Candidate(_) | Ask::EndOfCandidates => "ice_trickle",
            Ask::Hold => "hold",
            Ask::Unhold => "unhold",
            Ask::Update | Ask::UpdateAnswer | Ask::UpdateAnswerWithOffer => "update",
            Ask::Transfer { .. } => "transfer",
            Ask::Presence => "presence_update",
        }
    }

    /// The latencies that begin with it. Those of `hangup` depend on whether the call was answered.
    pub const fn opens(self) -> &'static [Metric] {
        match self {
            Ask::Call | Ask::ReferredCall => &[Metric::Ringback, Metric::Setup, Metric::Alert],
            Ask::Accept | Ask::AcceptWithOffer => &[Metric::Answer, Metric::Establish],
            Ask::Hangup => &[Metric::Release, Metric::ReleaseRemote],
            Ask::Decline => &[Metric::Decline],
            Ask::Hold => &[Metric::Hold, Metric::Reinvite],
            Ask::Unhold => &[Metric::Resume, Metric::Reinvite],
            Ask::Update => &[Metric::Update, Metric::Reinvite],
            Ask::Transfer { .. } => &[Metric::Transfer],
            _ => &[],
        }
    }
}

impl Step {
    /// What is sent or seen, by its flat name, or which time passes.
    pub const fn message(&self) -> &'static str {
        match self.act {
            Act::Send(ask) => ask.message(),
            Act::Expect(sign) | Act::May(sign) => sign.message(),
            Act::Pause(pause) => pause.name(),
        }
    }

    /// The same step in some plays alone.
    pub const fn when(mut self, when: When) -> Step {
        self.when = when;
        self
    }

    /// The same step with another patience.
    pub const fn within(mut self, within: Duration) -> Step {
        self.within = within;
        self
    }
}

/// The caller calls, and it rings at the callee.
pub const PLACED: &[Step] =
    &[send(CALLER, Ask::Call), may(CALLER, Sign::Ringback), expect(CALLEE, Sign::Incoming)];

/// It rings for a while, then the callee answers.
pub const ANSWERED: &[Step] = &[
    pause(CALLEE, Pause::Ring),
    send(CALLEE, Ask::Accept),
    may(CALLEE, Sign::Accepted),
    expect(CALLEE, Sign::Accepted).when(When::CalledByOthers),
    expect(CALLER, Sign::Accepted),
];

/// The call is held for its time, then one of the two hangs up.
pub const HUNG_UP: &[Step] = &[
    pause(CALLER, Pause::Hold),
    send(CALLER, Ask::Hangup).when(When::HungUpBy(Side::Caller)),
    send(CALLEE, Ask::Hangup).when(When::HungUpBy(Side::Callee)),
    expect(CALLER, Sign::Hangup),
    expect(CALLEE, Sign::Hangup),
];

const fn step(leg: Leg, act: Act, within: Duration) -> Step {
    Step { leg, act, when: When::Always, within }
}

/// → a request.
pub const fn send(leg: Leg, ask: Ask) -> Step {
    step(leg, Act::Send(ask), STEP_TIMEOUT)
}

/// ← an event that the play waits for.
pub const fn expect(leg: Leg, sign: Sign) -> Step {
    let within = match sign {
        Sign::Incoming | Sign::Ringback | Sign::EarlyMedia | Sign::Accepted | Sign::Transferred => {
            SETUP_TIMEOUT
        }
        _ => STEP_TIMEOUT,
    };
    step(leg, Act::Expect(sign), within)
}

/// ← an event that may come.
pub const fn may(leg: Leg, sign: Sign) -> Step {
    step(leg, Act::May(sign), STEP_TIMEOUT)
}

/// A time that a party lets pass.
pub const fn pause(leg: Leg, pause: Pause) -> Step {
    step(leg, Act::Pause(pause), STEP_TIMEOUT)
}

/// The attempt's own call at its caller.
pub const CALLER: Leg = Leg::caller(0);

/// The attempt's own call at its callee.
pub const CALLEE: Leg = Leg::callee(0);
