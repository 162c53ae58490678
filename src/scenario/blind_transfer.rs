//! A call whose caller sends the callee on to somebody else, without asking (protocol, section 5.12).

use super::script::{
    ANSWERED, CALLEE, CALLER, PLACED, Parties, Pause, Script, Sign, expect, may, pause, send,
};
use super::{Ask, Leg};

const NEW_CALLER: Leg = Leg::caller(1);
const TARGET: Leg = Leg::callee(1);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "the caller transfers the callee to a third party, unasked",
    section: "5.12",
    parties: &["transferor", "transferee", "target"],
    calls: &[Parties::new(0, 1), Parties::new(1, 2)],
    lines: 2,
    steps: &[
        PLACED,
        ANSWERED,
        &[
            pause(CALLER, Pause::Think),
            send(CALLER, Ask::Transfer { to: 1, replaces: None }),
            may(CALLER, Sign::Transferring),
            expect(CALLEE, Sign::Referred),
            send(NEW_CALLER, Ask::ReferredCall),
            expect(TARGET, Sign::Incoming),
            pause(TARGET, Pause::Ring),
            send(TARGET, Ask::Accept),
            may(TARGET, Sign::Accepted),
            expect(NEW_CALLER, Sign::Accepted),
            expect(CALLER, Sign::Transferred),
            // The transferor never hangs up: the server does (protocol, section 5.12).
            expect(CALLER, Sign::Hangup),
            expect(CALLEE, Sign::Hangup),
            pause(NEW_CALLER, Pause::Hold),
            send(NEW_CALLER, Ask::Hangup),
            expect(NEW_CALLER, Sign::Hangup),
            expect(TARGET, Sign::Hangup),
        ],
    ],
    ..Script::CALL
};
