//! The closed load: callers that place one call after the other.

use super::AttemptNumber;

/// Where the numbers of the closed load's calls begin. Those of the open load count from 0 and do not get that far.
const FIRST: AttemptNumber = 1 << 62;

/// The number of the call that `caller` places after `before` others of its own in the same run: no other call of the
/// run has it, whichever worker places it and whenever.
///
/// ```
/// use wtsp_load::workload::{caller_of, closed_attempt};
///
/// assert_eq!(caller_of(closed_attempt(7, 3)), Some(7));
/// assert_ne!(closed_attempt(7, 3), closed_attempt(3, 7));
/// assert_eq!(caller_of(12), None); // a call of the open load
/// ```
pub const fn closed_attempt(caller: u32, before: u32) -> AttemptNumber {
    FIRST | (caller as u64) << 32 | before as u64
}

/// The caller of the closed load that placed the call with this number; `None` for a call that is not of the closed
/// load.
pub const fn caller_of(attempt: AttemptNumber) -> Option<u32> {
    if attempt >> 62 == 1 { Some((attempt >> 32) as u32 & (u32::MAX >> 2)) } else { None }
}
