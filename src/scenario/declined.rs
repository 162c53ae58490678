//! A call that the callee declines (protocol, section 5.5).

use super::Ask;
use super::script::{CALLEE, CALLER, Intent, PLACED, Pause, Script, Sign, expect, may, pause, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "rings, and is declined by the callee",
    section: "5.5",
    intends: &[Intent::Declined],
    steps: &[
        PLACED,
        &[
            pause(CALLEE, Pause::Ring),
            send(CALLEE, Ask::Decline),
            may(CALLEE, Sign::Declining),
            expect(CALLER, Sign::Hangup),
            expect(CALLEE, Sign::Hangup),
        ],
    ],
    ..Script::CALL
};
