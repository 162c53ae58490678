//! Thresholds that end a run early, held against its seconds while it lasts.

use super::thresholds::fails_so_far;
use crate::profile::Threshold;
use crate::record::{Aborted, Interval, RunHeader, Window};

/// Watches the thresholds of a run that may end it early.
pub struct Watch {
    watched: Vec<(Threshold, Window)>,
}

impl Watch {
    /// A watch over a run that is described by `header`.
    pub fn new(header: &RunHeader) -> Watch {
        let abort = header.thresholds.iter().filter(|threshold| threshold.abort);
        Watch { watched: abort.map(|one| (one.clone(), Window::new(one, header))).collect() }
    }

    /// Adds a second, and gives the threshold that ends the run with it. A run that is past its last stage ends anyway.
    pub fn interval(&mut self, interval: &Interval) -> Option<Aborted> {
        let mut aborted = None;
        for (threshold, window) in &mut self.watched {
            let added = window.add_measured(interval);
            let fails = || window.is_enough() && fails_so_far(threshold, window);
            if added && aborted.is_none() && interval.stage.is_some() && fails() {
                aborted = window.found().map(|found| Aborted {
                    name: threshold.figure.name().to_owned(),
                    limit: threshold.limit.to_string(),
                    stage: threshold.stage.clone(),
                    found,
                    at_us: interval.at.as_micros() as u64,
                });
            }
        }
        aborted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Gauges, Metric, Tally};
    use crate::profile::Thresholds;
    use crate::record::{Health, StageInfo};

    fn watch(change: impl FnOnce(&mut Threshold)) -> Watch {
        let mut threshold = Threshold::new("latency.ack.service.p99", "< 2s").expect("a threshold");
        threshold.abort = true;
        change(&mut threshold);
        let stage = |name: &str, starts_s| StageInfo {
            name: name.to_owned(),
            starts_s,
            duration_s: 10.0,
            ..StageInfo::default()
        };
        let stages = vec![stage("a", 0.0), stage("b", 10.0)];
        Watch::new(&RunHeader { thresholds: Thresholds(vec![threshold]), stages, ..RunHeader::default() })
    }

    /// A second with so many acks of 3 s.
    fn second(at: u64, stage: Option<u32>, acks: u64) -> Interval {
        let mut tally = Tally::default();
        (0..acks).for_each(|_| tally.latencies[Metric::Ack.index()].service.record(3_000_000));
        Interval {
            at: Duration::from_secs(at),
            length: Duration::from_secs(1),
            stage,
            tally,
            gauges: Gauges::default(),
            changes: Vec::new(),
            health: Health::default(),
        }
    }

    #[test]
    fn a_run_ends_early_once_there_is_evidence_enough() {
        let mut watch = watch(|_| ());
        assert_eq!(watch.interval(&second(0, Some(0), 19)), None);
        let aborted = watch.interval(&second(1, Some(0), 1)).expect("aborted");
        assert_eq!((aborted.name.as_str(), aborted.at_us), ("latency.ack.service.p99", 1_000_000));
        assert!(aborted.found > 2_990_000.0, "{aborted:?}");
    }

    #[test]
    fn a_warm_up_and_other_stages_do_not_count() {
        let mut watch = watch(|threshold| {
            threshold.stage = Some("b".to_owned());
            threshold.warm_up = Duration::from_secs(2);
        });
        for (at, stage) in [(9, Some(0)), (10, Some(1)), (11, Some(1)), (20, None)] {
            assert_eq!(watch.interval(&second(at, stage, 50)), None, "{at}");
        }
        assert!(watch.interval(&second(12, Some(1), 50)).is_some());
    }

    #[test]
    fn what_does_not_say_so_ends_no_run() {
        let mut watch = watch(|threshold| threshold.abort = false);
        assert_eq!(watch.interval(&second(0, Some(0), 100)), None);
    }
}
