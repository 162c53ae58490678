//! A call to a number that nobody has (protocol, section 5.8).

use super::Ask;
use super::script::{CALLER, Callee, Intent, Parties, SETUP_TIMEOUT, Script, Sign, expect, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "a number that nobody has: 404",
    section: "5.8",
    parties: &["caller"],
    calls: &[Parties { caller: 0, callee: Callee::Nobody }],
    intends: &[Intent::NoSuchNumber],
    steps: &[&[send(CALLER, Ask::Call), expect(CALLER, Sign::Hangup).within(SETUP_TIMEOUT)]],
    ..Script::CALL
};
