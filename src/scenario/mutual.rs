//! Two that call each other at the same moment: one gives way, and takes the other's call (protocol, section 5.17).

use super::script::{CALLEE, CALLER, Intent, Parties, Pause, Script, Sign, When, expect, pause, send};
use super::{Ask, Leg, Side};

const BACK_CALLER: Leg = Leg::caller(1);
const BACK_CALLEE: Leg = Leg::callee(1);

/// The script.
pub(super) const SCRIPT: Script = Script {
    about: "two call each other at once: one gives way and takes the other's call",
    section: "5.17",
    calls: &[Parties::new(0, 1), Parties::new(1, 0)],
    intends: &[Intent::Answered, Intent::Cancelled],
    lines: 2,
    steps: &[&[
        send(CALLER, Ask::Call),
        send(BACK_CALLER, Ask::Call),
        expect(CALLEE, Sign::Incoming),
        expect(BACK_CALLEE, Sign::Incoming),
        // Real clients compare call ids, which is a coin toss: here it is who else would hang up.
        send(CALLER, Ask::Hangup).when(When::HungUpBy(Side::Caller)),
        expect(CALLER, Sign::Hangup).when(When::HungUpBy(Side::Caller)),
        pause(BACK_CALLEE, Pause::Ring).when(When::HungUpBy(Side::Caller)),
        send(BACK_CALLEE, Ask::Accept).when(When::HungUpBy(Side::Caller)),
        expect(BACK_CALLER, Sign::Accepted).when(When::HungUpBy(Side::Caller)),
        pause(BACK_CALLER, Pause::Hold).when(When::HungUpBy(Side::Caller)),
        send(BACK_CALLER, Ask::Hangup).when(When::HungUpBy(Side::Caller)),
        send(BACK_CALLER, Ask::Hangup).when(When::HungUpBy(Side::Callee)),
        expect(BACK_CALLER, Sign::Hangup),
        pause(CALLEE, Pause::Ring).when(When::HungUpBy(Side::Callee)),
        send(CALLEE, Ask::Accept).when(When::HungUpBy(Side::Callee)),
        expect(CALLER, Sign::Accepted).when(When::HungUpBy(Side::Callee)),
        pause(CALLER, Pause::Hold).when(When::HungUpBy(Side::Callee)),
        send(CALLEE, Ask::Hangup).when(When::HungUpBy(Side::Callee)),
        expect(CALLER, Sign::Hangup).when(When::HungUpBy(Side::Callee)),
    ]],
    ..Script::CALL
};
