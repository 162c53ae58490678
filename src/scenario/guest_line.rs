//! A call on the guest line, with a caller number of its own; flat alone has it (protocol, section 5.15).

use super::script::{ANSWERED, HUNG_UP, PLACED, Script};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "placed on the guest line, with another caller number",
    section: "5.15",
    flat_only: true,
    on_guest_line: true,
    steps: &[PLACED, ANSWERED, HUNG_UP],
    ..Script::CALL
};
