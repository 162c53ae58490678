//! How a run is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Tells a run to stop: first to drain, then to leave. Clones tell the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    level: Arc<AtomicU8>,
    aborted: Arc<AtomicBool>,
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

    /// Drains the run because of what it measured, or by a key, unless it is being stopped already; tells whether it
    /// does. That is no interruption: the record says what it was.
    pub fn abort(&self) -> bool {
        let aborted = self.level.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok();
        self.aborted.fetch_or(aborted, Ordering::AcqRel);
        aborted
    }

    /// Whether somebody asked for an end before the plan's own: by the first request, or by one to leave a run that
    /// was aborted before it had drained.
    pub fn is_interrupted(&self) -> bool {
        match self.urgency() {
            Urgency::Run => false,
            Urgency::Drain => !self.aborted.load(Ordering::Acquire),
            Urgency::Leave => true,
        }
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
    fn an_aborted_run_drains_and_is_not_interrupted() {
        let stop = Stop::default();
        assert!(stop.abort());
        assert!(!stop.abort());
        assert_eq!((stop.urgency(), stop.is_interrupted()), (Urgency::Drain, false));
        assert_eq!(stop.request(), Urgency::Leave);
        assert!(stop.is_interrupted());
    }

    #[test]
    fn a_run_that_is_being_stopped_is_not_aborted() {
        let stop = Stop::default();
        let _ = stop.request();
        assert!(!stop.abort());
        assert!(stop.is_interrupted());
    }

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
