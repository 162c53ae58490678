//! A call whose media are renegotiated: an ICE restart, now and then by both sides at once (glare) (protocol, section 5.11).

use std::time::Duration;

use super::Ask;
use super::script::{
    ANSWERED, CALLEE, CALLER, HUNG_UP, PLACED, Pause, Script, Sign, When, expect, may, pause, send,
};

/// How long a renegotiation may take whose update has to be sent again.
const GLARE_TIMEOUT: Duration = Duration::from_secs(45);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "renegotiated by the caller (ICE restart), now and then by both at once (glare)",
    section: "5.11",
    steps: &[
        PLACED,
        ANSWERED,
        &[
            pause(CALLER, Pause::Think),
            send(CALLER, Ask::Update),
            send(CALLEE, Ask::Update).when(When::Crossing),
            may(CALLEE, Sign::UpdatingCall),
            may(CALLEE, Sign::Updated),
            // Whose update loses sends it again after 2 to 9 s.
            expect(CALLER, Sign::Renegotiated).within(GLARE_TIMEOUT),
            expect(CALLEE, Sign::Renegotiated).when(When::Crossing).within(GLARE_TIMEOUT),
        ],
        HUNG_UP,
    ],
    ..Script::CALL
};
