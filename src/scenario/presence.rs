//! A change of presence settings: no call; flat alone has it (protocol, section 3.5.11).

use super::Ask;
use super::script::{CALLER, Callee, Intent, Parties, SETUP_TIMEOUT, Script, Sign, expect, send};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "changes its presence settings; no call",
    section: "3.5.11",
    parties: &["client"],
    calls: &[Parties { caller: 0, callee: Callee::None }],
    intends: &[Intent::Done],
    lines: 0,
    flat_only: true,
    steps: &[&[send(CALLER, Ask::Presence), expect(CALLER, Sign::Ack).within(SETUP_TIMEOUT)]],
    ..Script::CALL
};
