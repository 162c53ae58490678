//! A call that its caller puts on hold and takes up again; the peer answers each re-INVITE (protocol, section 5.10).

use super::Ask;
use super::script::{
    ANSWERED, CALLEE, CALLER, HUNG_UP, PLACED, Pause, Script, Sign, expect, may, pause, send,
};

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "held and resumed by the caller, with the callee's renegotiation",
    section: "5.10",
    steps: &[
        PLACED,
        ANSWERED,
        &[
            pause(CALLER, Pause::Think),
            send(CALLER, Ask::Hold),
            expect(CALLER, Sign::Holding),
            // A server may answer the re-INVITE itself.
            may(CALLEE, Sign::UpdatingCall),
            may(CALLEE, Sign::Updated),
            pause(CALLER, Pause::OnHold),
            send(CALLER, Ask::Unhold),
            expect(CALLER, Sign::Resuming),
            may(CALLEE, Sign::UpdatingCall),
            may(CALLEE, Sign::Updated),
        ],
        HUNG_UP,
    ],
    ..Script::CALL
};
