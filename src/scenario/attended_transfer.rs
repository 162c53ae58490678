//! A call whose caller asks a third party first, and then connects the two (protocol, section 5.13).

use super::script::{
    ANSWERED, CALLEE, CALLER, PLACED, Parties, Pause, Script, Sign, expect, may, pause, send,
};
use super::{Ask, Leg};

const CONSULTER: Leg = Leg::caller(1);
const CONSULTED: Leg = Leg::callee(1);
const NEW_CALLER: Leg = Leg::caller(2);
const TARGET: Leg = Leg::callee(2);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "the caller holds, asks a third party, and connects the two",
    section: "5.13",
    parties: &["transferor", "transferee", "target"],
    calls: &[Parties::new(0, 1), Parties::new(0, 2), Parties::new(1, 2)],
    lines: 2,
    steps: &[
        PLACED,
        ANSWERED,
        &[
            pause(CALLER, Pause::Think),
            send(CALLER, Ask::Hold),
            expect(CALLER, Sign::Holding),
            may(CALLEE, Sign::UpdatingCall),
            send(CONSULTER, Ask::Call),
            expect(CONSULTED, Sign::Incoming),
            pause(CONSULTED, Pause::Ring),
            send(CONSULTED, Ask::Accept),
            expect(CONSULTER, Sign::Accepted),
            pause(CONSULTER, Pause::Think),
            send(CALLER, Ask::Transfer { to: 2, replaces: Some(1) }),
            may(CALLER, Sign::Transferring),
            expect(CALLEE, Sign::Referred),
            send(NEW_CALLER, Ask::ReferredCall),
            expect(TARGET, Sign::Incoming),
            send(TARGET, Ask::Accept),
            expect(NEW_CALLER, Sign::Accepted),
            expect(CALLER, Sign::Transferred),
            expect(CALLER, Sign::Hangup),
            expect(CALLEE, Sign::Hangup),
            expect(CONSULTER, Sign::Hangup),
            expect(CONSULTED, Sign::Hangup),
            pause(NEW_CALLER, Pause::Hold),
            send(NEW_CALLER, Ask::Hangup),
            expect(NEW_CALLER, Sign::Hangup),
            expect(TARGET, Sign::Hangup),
        ],
    ],
    ..Script::CALL
};
