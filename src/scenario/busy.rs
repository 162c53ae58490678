//! A call to somebody whose lines are all taken (protocol, section 5.7).

use super::script::{CALLEE, CALLER, FILLERS, Intent, Parties, SETUP_TIMEOUT, Script, Sign, expect, send};
use super::{Ask, Leg};

/// The call on each of the callee's lines.
const FILLER: Leg = Leg::caller(FILLERS);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "the callee has no free line: 486, and a missed call",
    section: "5.7",
    parties: &["caller", "callee", "third"],
    fills: Some(Parties::new(1, 2)),
    intends: &[Intent::Busy],
    steps: &[&[
        send(FILLER, Ask::Call),
        expect(FILLER, Sign::Ringback),
        send(CALLER, Ask::Call),
        expect(CALLER, Sign::Hangup).within(SETUP_TIMEOUT),
        expect(CALLEE, Sign::Missed),
        send(FILLER, Ask::Hangup),
        expect(FILLER, Sign::Hangup),
    ]],
    ..Script::CALL
};
