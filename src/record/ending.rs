//! How a run came to an end before its plan did.

use super::{Aborted, ChangeKind, RunRecord};

/// Why a run ended before its plan did: what was measured is a part of what was to be.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EarlyEnd<'a> {
    /// It was interrupted, left, or killed.
    Interrupted,
    /// It was drained by hand. That is no interruption: what was measured is judged.
    Drained,
    /// A threshold ended it.
    Aborted(&'a Aborted),
}

impl RunRecord {
    /// Why it ended before its plan did; nothing where it did not.
    pub fn early_end(&self) -> Option<EarlyEnd<'_>> {
        let is_drained = || self.changes.iter().any(|change| change.what == ChangeKind::Drain);
        match &self.aborted_by {
            _ if self.interrupted => Some(EarlyEnd::Interrupted),
            Some(aborted) => Some(EarlyEnd::Aborted(aborted)),
            None => is_drained().then_some(EarlyEnd::Drained),
        }
    }
}

impl EarlyEnd<'_> {
    /// What became of the run, for people: it was so.
    pub fn words(&self) -> String {
        match self {
            EarlyEnd::Interrupted => "interrupted".to_owned(),
            EarlyEnd::Drained => "drained by hand".to_owned(),
            EarlyEnd::Aborted(by) => format!("ended early by the threshold {} {}", by.name, by.limit),
        }
    }
}
