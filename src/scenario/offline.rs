//! A call to a subscriber who is not signed on (protocol, section 5.8).

use super::Ask;
use super::script::{CALLER, Callee, Intent, Parties, SETUP_TIMEOUT, Script, Sign, expect, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "the callee is not signed on: 480",
    section: "5.8",
    parties: &["caller"],
    calls: &[Parties { caller: 0, callee: Callee::Offline }],
    intends: &[Intent::Unavailable],
    steps: &[&[send(CALLER, Ask::Call), expect(CALLER, Sign::Hangup).within(SETUP_TIMEOUT)]],
    ..Script::CALL
};
