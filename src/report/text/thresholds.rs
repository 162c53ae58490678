//! The table of thresholds: what was wanted, what was found, and whether that is good enough.

use std::io;

use super::{Colour, Page};
use crate::profile::Threshold;
use crate::record::RunRecord;
use crate::verdict::{self, ThresholdResult, ThresholdVerdict, Verdict};

/// The columns of names; a longer name has a line of its own.
const NAMES: usize = 38;

impl Page<'_> {
    /// The thresholds, where the profile has some of its own: of the two default ones the verdict says all there is.
    pub(super) fn thresholds(&mut self, record: &RunRecord, verdict: &Verdict) -> io::Result<()> {
        if verdict.thresholds.is_empty() || record.thresholds.are_default() {
            return Ok(());
        }
        let names = NAMES + 2;
        self.line(&format!("{:<names$}{:>14} {:>12}  result", "Thresholds", "wanted", "found"))?;
        for (threshold, verdict) in record.thresholds.iter().zip(&verdict.thresholds) {
            self.threshold(threshold, verdict)?;
        }
        self.line("")
    }

    fn threshold(&mut self, threshold: &Threshold, verdict: &ThresholdVerdict) -> io::Result<()> {
        let kind = threshold.figure.kind();
        let found = verdict.found.map_or("-".to_owned(), |found| verdict::figure(kind, found));
        let colour = match verdict.result {
            ThresholdResult::Holds => Colour::Good,
            ThresholdResult::Fails | ThresholdResult::NoEvidence => Colour::Bad,
        };
        let result = self.coloured(verdict.result.name(), colour);
        let mut name = verdict.name.as_str();
        if name.chars().count() > NAMES {
            self.line(&format!("  {name}"))?;
            name = "";
        }
        self.line(&format!("  {name:<NAMES$}{:>14} {found:>12}  {result}", verdict.limit))?;
        let failed = verdict.first_failed().map(|second| format!("first failed in {second}"));
        let remarks: Vec<String> = threshold.scope().into_iter().chain(failed).collect();
        for line in super::wrapped(&remarks.join("; "), super::WIDTH - 4) {
            if !line.is_empty() {
                self.line(&format!("    {line}"))?;
            }
        }
        Ok(())
    }
}
