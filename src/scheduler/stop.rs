//! How a run is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Tells a run to stop: first to drain, then to leave. Clones tell the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    level: Arc<AtomicU8>,
}

/// How urgently a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    Run,
    /// No new attempts; hang up, sign off, record.
    Drain,
    /// Leave now; what was measured is kept.
    Leave,
}

impl Stop {
    /// Asks for more: the first call drains the run, the second leaves it.
    pub fn request(&self) -> Urgency {
        let next = |level: u8| Some(level.saturating_add(1).min(2));
        // The closure always gives a value, so both arms hold the level before.
        let before = match self.level.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(before) | Err(before) => before,
        };
        if before == 0 { Urgency::Drain } else { Urgency::Leave }
    }

    /// What was asked for so far.
    pub fn urgency(&self) -> Urgency {
        match self.level.load(Ordering::Acquire) {
            0 => Urgency::Run,
            1 => Urgency::Drain,
            _ => Urgency::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_drains_and_the_second_leaves() {
        let stop = Stop::default();
        assert_eq!(stop.urgency(), Urgency::Run);
        assert_eq!(stop.request(), Urgency::Drain);
        assert_eq!(stop.clone().urgency(), Urgency::Drain);
        assert_eq!(stop.request(), Urgency::Leave);
        assert_eq!(stop.request(), Urgency::Leave);
    }
}
