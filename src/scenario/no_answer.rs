//! A call that nobody answers: the caller lets it ring, and gives up (protocol, section 5.6).

use super::Ask;
use super::script::{CALLEE, CALLER, Intent, PLACED, Pause, Script, Sign, expect, pause, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "rings out: nobody answers, and the caller gives up",
    section: "5.6",
    intends: &[Intent::Cancelled, Intent::Unavailable],
    steps: &[
        PLACED,
        &[
            pause(CALLER, Pause::Ring),
            send(CALLER, Ask::Hangup),
            expect(CALLER, Sign::Hangup),
            expect(CALLEE, Sign::Hangup),
        ],
    ],
    ..Script::CALL
};
