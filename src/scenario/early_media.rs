//! A call with early media: the answer comes with `progress`, and none with `accepted` (protocol, section 5.4).

use super::Ask;
use super::script::{ANSWERED, CALLEE, CALLER, HUNG_UP, Script, Sign, expect, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "early media: progress with an answer, then accepted without one",
    section: "5.4",
    prefix: "*183",
    steps: &[
        &[send(CALLER, Ask::Call), expect(CALLEE, Sign::Incoming), expect(CALLER, Sign::EarlyMedia)],
        ANSWERED,
        HUNG_UP,
    ],
    ..Script::CALL
};
