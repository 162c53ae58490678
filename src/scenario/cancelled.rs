//! A call that the caller cancels while it rings; the callee may accept at the same moment (protocol, section 5.6).

use super::Ask;
use super::script::{CALLEE, CALLER, Intent, PLACED, Pause, Script, Sign, When, expect, pause, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "cancelled by the caller while it rings, also at the moment the callee accepts",
    section: "5.6",
    intends: &[Intent::Cancelled, Intent::Answered],
    steps: &[
        PLACED,
        &[
            pause(CALLER, Pause::Ring),
            send(CALLEE, Ask::Accept).when(When::Crossing),
            send(CALLER, Ask::Hangup),
            expect(CALLER, Sign::Hangup),
            expect(CALLEE, Sign::Hangup),
        ],
    ],
    ..Script::CALL
};
