//! A call that comes in without an offer: the callee makes it (protocol, section 5.9).

use super::Ask;
use super::script::{CALLEE, CALLER, HUNG_UP, PLACED, Pause, Script, Sign, expect, may, pause, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "comes in without an offer, so the callee makes one",
    section: "5.9",
    prefix: "*100",
    steps: &[
        PLACED,
        &[
            pause(CALLEE, Pause::Ring),
            send(CALLEE, Ask::AcceptWithOffer),
            may(CALLEE, Sign::Accepting),
            expect(CALLER, Sign::Accepted),
            expect(CALLEE, Sign::Accepted),
        ],
        HUNG_UP,
    ],
    ..Script::CALL
};
