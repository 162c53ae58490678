//! A second call to somebody who is in one: the first is held, the second answered (protocol, section 5.16).

use super::script::{
    ANSWERED, CALLEE, CALLER, HUNG_UP, PLACED, Parties, Pause, Script, Sign, expect, may, pause, send,
};
use super::{Ask, Leg};

const SECOND_CALLER: Leg = Leg::caller(1);
const SECOND_CALLEE: Leg = Leg::callee(1);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "in a call a second comes in: it is answered while the first is held",
    section: "5.16",
    parties: &["first caller", "callee", "second caller"],
    calls: &[Parties::new(0, 1), Parties::new(2, 1)],
    lines: 2,
    steps: &[
        PLACED,
        ANSWERED,
        &[
            pause(CALLER, Pause::Think),
            send(SECOND_CALLER, Ask::Call),
            may(SECOND_CALLER, Sign::Ringback),
            expect(SECOND_CALLEE, Sign::Incoming),
            pause(SECOND_CALLEE, Pause::Ring),
            send(CALLEE, Ask::Hold),
            expect(CALLEE, Sign::Holding),
            may(CALLER, Sign::UpdatingCall),
            send(SECOND_CALLEE, Ask::Accept),
            may(SECOND_CALLEE, Sign::Accepted),
            expect(SECOND_CALLER, Sign::Accepted),
            pause(SECOND_CALLER, Pause::Think),
            send(SECOND_CALLER, Ask::Hangup),
            expect(SECOND_CALLER, Sign::Hangup),
            expect(SECOND_CALLEE, Sign::Hangup),
            send(CALLEE, Ask::Unhold),
            expect(CALLEE, Sign::Resuming),
            may(CALLER, Sign::UpdatingCall),
        ],
        HUNG_UP,
    ],
    ..Script::CALL
};
