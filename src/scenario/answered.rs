//! The answered call, hung up by the caller or by the callee (protocol, sections 5.2 and 5.3).

use super::script::{ANSWERED, HUNG_UP, PLACED, Script};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "answered, held, hung up by either side",
    section: "5.2, 5.3",
    steps: &[PLACED, ANSWERED, HUNG_UP],
    ..Script::CALL
};
