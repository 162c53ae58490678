//! The control group: what it was to be, what became of it, and what it tells of the generator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::metrics::Counters;

/// From fewer keepalives than this no median is taken.
const ENOUGH_P50: u64 = 10;
/// From fewer keepalives than this no p99 is taken: it would be a single one of them.
const ENOUGH_P99: u64 = 100;

/// The control group that a run is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ControlInfo {
    /// Control clients: quiet ones on a thread of their own. As many more, their twins, are in the workers.
    pub clients: u64,
    /// Why there are none; `null` where there are.
    pub absent: Option<String>,
}

/// Sign-ons of control clients and their twins. They are not among those of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ControlCounts {
    /// Sign-ons that succeeded.
    pub signed_on: u64,
    /// Sign-ons that failed.
    pub signon_failed: u64,
}

impl From<&Counters> for ControlCounts {
    fn from(counters: &Counters) -> Self {
        ControlCounts { signed_on: counters.control_signed_on, signon_failed: counters.control_signon_failed }
    }
}

impl ControlCounts {
    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &ControlCounts) {
        let ControlCounts { signed_on, signon_failed } = other;
        self.signed_on += signed_on;
        self.signon_failed += signon_failed;
    }
}

/// Quiet clients that place no calls and send a keepalive each second: control clients on a thread of their own, and as
/// many twins in the workers, beside the load. Server, machine, time and what is sent are the same for both, so what
/// the twins' keepalives take longer is the workers' doing, up to chance.
///
/// It is no proof that the generator was well: on a busy machine the thread of the control clients waits for a
/// processor too, and what both have is in no difference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Control {
    /// What it was to be.
    #[serde(flatten)]
    pub info: ControlInfo,
    /// Sign-ons of control clients and twins. They are not among those of the run.
    #[serde(flatten)]
    pub counts: ControlCounts,
    /// The median of the twins' keepalives less that of the control clients', in microseconds; `null` if either sent
    /// fewer than 10.
    pub difference_p50_us: Option<i64>,
    /// The same of the p99; `null` if either sent fewer than 100.
    pub difference_p99_us: Option<i64>,
}

impl Control {
    /// The control group that these keepalives are of.
    pub fn new(info: ControlInfo, counts: ControlCounts, control: &Summary, twins: &Summary) -> Control {
        let enough = |enough| control.count >= enough && twins.count >= enough;
        Control {
            info,
            counts,
            difference_p50_us: difference(control.p50, twins.p50).filter(|_| enough(ENOUGH_P50)),
            difference_p99_us: difference(control.p99, twins.p99).filter(|_| enough(ENOUGH_P99)),
        }
    }
}

/// What the twins took longer, in microseconds; less than nothing if they were faster.
pub(super) fn difference(control: Option<u64>, twins: Option<u64>) -> Option<i64> {
    Some(twins? as i64 - control? as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::LatencyHistogram;

    fn keepalives(count: u64, micros: u64) -> Summary {
        let mut histogram = LatencyHistogram::default();
        (0..count).for_each(|one| histogram.record(micros + one));
        Summary::from(&histogram)
    }

    fn differences(control: &Summary, twins: &Summary) -> (Option<i64>, Option<i64>) {
        let control = Control::new(ControlInfo::default(), ControlCounts::default(), control, twins);
        (control.difference_p50_us, control.difference_p99_us)
    }

    #[test]
    fn what_a_slow_worker_adds_is_the_difference() {
        assert_eq!(differences(&keepalives(100, 200), &keepalives(100, 1_200)), (Some(1_000), Some(1_000)));
        assert_eq!(differences(&keepalives(200, 500), &keepalives(200, 400)), (Some(-100), Some(-100)));
    }

    #[test]
    fn too_few_keepalives_tell_nothing() {
        assert_eq!(differences(&keepalives(99, 200), &keepalives(500, 300)).1, None);
        assert_eq!(differences(&keepalives(9, 200), &keepalives(500, 300)), (None, None));
        assert_eq!(differences(&Summary::default(), &Summary::default()), (None, None));
    }
}
