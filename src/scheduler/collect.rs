//! The way of the figures from the workers to the record: full tallies come in once a second, empty ones go back.

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::metrics::{Gauges, Tally};
use crate::record::{Health, Interval};
use crate::workload;

/// Tallies a worker has: one it fills, one on its way, one in reserve. So nothing queues without bound, and a collector
/// that is late costs a longer interval, not a lost one.
const TALLIES: usize = 3;

/// A worker's figures of a second or so.
#[derive(Debug)]
pub(super) struct Report {
    pub worker: usize,
    /// Up to when, from the start of the run.
    pub until: Duration,
    pub tally: Tally,
    pub gauges: Gauges,
    /// The processor time that its thread has used since it was made.
    pub cpu: Duration,
    pub turn_max: Duration,
    pub last: bool,
}

/// A worker's end.
#[derive(Debug)]
pub(super) struct Channel {
    reports: SyncSender<Report>,
    spares: Receiver<Tally>,
}

impl Channel {
    /// An empty tally, if the collector has given one back; for the last report there always is one.
    pub fn spare(&self, last: bool) -> Option<Tally> {
        match self.spares.try_recv() {
            Ok(tally) => Some(tally),
            Err(_) => last.then(Tally::default),
        }
    }

    /// Hands a report in. There is room: each one sent holds one of the worker's few tallies.
    pub fn send(&self, report: Report) {
        // The collector is gone only when the whole run is.
        let _ = self.reports.send(report);
    }
}

/// The collector's end.
#[derive(Debug)]
pub(super) struct Collector {
    reports: Receiver<Report>,
    workers: Vec<WorkerEnd>,
    stages: Vec<workload::Stage>,
    until: Duration,
}

#[derive(Debug)]
struct WorkerEnd {
    spares: SyncSender<Tally>,
    waiting: VecDeque<Report>,
    done: bool,
    cpu: Duration,
}

/// What the collector has to say.
#[derive(Debug)]
pub(super) enum Collected {
    /// Another interval.
    Interval(Box<Interval>),
    /// Nothing for a while.
    Nothing,
    /// All workers are done.
    Done,
}

/// A collector for so many workers, and the workers' ends.
pub(super) fn collector(workers: usize, stages: &[workload::Stage]) -> (Collector, Vec<Channel>) {
    let (reports_in, reports) = sync_channel(workers * (TALLIES + 1));
    let mut ends = Vec::with_capacity(workers);
    let mut channels = Vec::with_capacity(workers);
    for _ in 0..workers {
        let (spares_in, spares) = sync_channel(TALLIES);
        for _ in 1..TALLIES {
            // There is room for all of them.
            let _ = spares_in.try_send(Tally::default());
        }
        ends.push(WorkerEnd {
            spares: spares_in,
            waiting: VecDeque::new(),
            done: false,
            cpu: Duration::ZERO,
        });
        channels.push(Channel { reports: reports_in.clone(), spares });
    }
    (Collector { reports, workers: ends, stages: stages.to_vec(), until: Duration::ZERO }, channels)
}

impl Collector {
    /// Waits for the next interval, for so long at the most.
    pub fn next(&mut self, patience: Duration) -> Collected {
        loop {
            if self.is_complete() {
                return Collected::Interval(Box::new(self.interval()));
            }
            match self.reports.recv_timeout(patience) {
                Ok(report) => self.workers[report.worker].waiting.push_back(report),
                Err(RecvTimeoutError::Timeout) => return Collected::Nothing,
                Err(RecvTimeoutError::Disconnected) => {
                    // A worker that died has no last report: what the others have still counts.
                    self.workers.iter_mut().for_each(|worker| worker.done = true);
                    if self.workers.iter().all(|worker| worker.waiting.is_empty()) {
                        return Collected::Done;
                    }
                }
            }
        }
    }

    /// Whether every worker that still runs has reported.
    fn is_complete(&self) -> bool {
        let missing = |worker: &WorkerEnd| worker.waiting.is_empty() && !worker.done;
        !self.workers.iter().any(missing) && self.workers.iter().any(|worker| !worker.waiting.is_empty())
    }

    /// Makes one interval of the oldest report of each worker.
    fn interval(&mut self) -> Interval {
        let at = self.until;
        let mut tally = Tally::default();
        let mut gauges = Gauges::default();
        let mut until = at;
        let mut cpus = Vec::with_capacity(self.workers.len());
        let mut turn_max = Duration::ZERO;
        for worker in &mut self.workers {
            let Some(mut report) = worker.waiting.pop_front() else { continue };
            tally.add(&report.tally);
            report.tally.clear();
            // A worker that is done wants none back.
            let _ = worker.spares.try_send(report.tally);
            gauges.connected += report.gauges.connected;
            gauges.signed_on += report.gauges.signed_on;
            gauges.calls += report.gauges.calls;
            gauges.calls_answered += report.gauges.calls_answered;
            until = until.max(report.until);
            cpus.push(report.cpu.saturating_sub(worker.cpu).as_secs_f64());
            worker.cpu = report.cpu;
            worker.done |= report.last;
            turn_max = turn_max.max(report.turn_max);
        }
        self.until = until;
        let length = until - at;
        let seconds = length.as_secs_f64().max(1e-3);
        let health = Health {
            cpu_cores: cpus.iter().sum::<f64>() / seconds,
            worker_cpu_max: cpus.iter().copied().fold(0.0, f64::max) / seconds,
            rss_bytes: rss_bytes(),
            turn_max_us: turn_max.as_micros() as u64,
        };
        Interval { at, length, stage: self.stage_at(at), tally, gauges, health }
    }

    /// The stage that goes on at `at`.
    fn stage_at(&self, at: Duration) -> Option<u32> {
        let mut end = Duration::ZERO;
        let ends = self.stages.iter().map(|stage| {
            end += stage.duration;
            end
        });
        ends.enumerate().find(|(_, end)| at < *end).map(|(index, _)| index as u32)
    }
}

/// The memory in use by this process.
pub(super) fn rss_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(4096)
}
