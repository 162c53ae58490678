//! The control group: what the generator itself adds.

use std::io;

use super::super::units::{count, latency as time, of};
use super::{Page, RunRecord};
use crate::record::Summary;

impl Page<'_> {
    /// Keepalives on the thread of the control clients against those in the workers.
    pub(super) fn control(&mut self, record: &RunRecord) -> io::Result<()> {
        let generator = &record.generator;
        let group = &generator.control;
        if let Some(why) = &group.info.absent {
            return self.entry("", &format!("no control group: {why}"));
        }
        if group.info.clients == 0 {
            // A record from before there were any.
            return Ok(());
        }
        let (control, twins) = (&generator.keepalive_control, &generator.keepalive_twin);
        let quantile = match (group.difference_p50_us, group.difference_p99_us) {
            (None, _) => None,
            (Some(_), None) => Some(("p90", (|one| one.p90) as fn(&Summary) -> Option<u64>)),
            (Some(_), Some(_)) => Some(("p99", (|one| one.p99) as fn(&Summary) -> Option<u64>)),
        };
        let failed = match group.counts.signon_failed {
            0 => String::new(),
            failed => format!("; {} of it failed", of(failed, "sign-on", "sign-ons")),
        };
        let text = match quantile {
            None => {
                let (control, twins) = (count(control.count), count(twins.count));
                format!("too few keepalives to compare ({control} without the load, {twins} beside it)")
            }
            Some((name, quantile)) => {
                let figure = |micros: Option<u64>| micros.map_or(">10 min".to_owned(), time);
                format!(
                    "keepalives took {} (p50), {} ({name}) without the load and {}, {} beside it; what they took \
                     longer is the workers' doing ({} and {} keepalives)",
                    figure(control.p50),
                    figure(quantile(control)),
                    figure(twins.p50),
                    figure(quantile(twins)),
                    count(control.count),
                    count(twins.count)
                )
            }
        };
        self.entry("", &format!("control group: {text}{failed}"))
    }
}
