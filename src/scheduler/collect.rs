//! The way of the figures from the workers to the record: full tallies come in once a second, empty ones go back.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::cdr::Rows;
use super::flight::Landings;
use super::health::{Surroundings, Surveyor, ThreadUse};
use crate::metrics::{Gauges, Tally};
use crate::record::{Health, Interval};
use crate::workload;

/// Tallies a worker has: one it fills, one on its way, one in the interval that is being written, one in reserve. So nothing
/// queues without bound, and a collector that is late costs a longer interval, not a lost one.
const TALLIES: usize = 4;

/// A worker's figures of a second or so.
#[derive(Debug)]
pub(super) struct Report {
    pub worker: usize,
    /// Up to when, from the start of the run.
    pub until: Duration,
    pub tally: Tally,
    /// The attempts that are over, for the list of all calls.
    pub rows: Rows,
    /// Those of them whose messages are worth a look.
    pub landings: Landings,
    pub gauges: Gauges,
    /// What its thread has used since it was made.
    pub used: ThreadUse,
    pub turn_max: Duration,
    pub heartbeat_late_max: Duration,
    /// Whether it is the thread of the control clients: how that is makes nobody else late.
    pub is_control: bool,
    pub last: bool,
}

/// What a worker fills in a second or so.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub tally: Tally,
    pub rows: Rows,
    pub landings: Landings,
}

/// What comes to the collector.
#[allow(clippy::large_enum_variant, reason = "one a worker and second")]
#[derive(Debug)]
enum Message {
    Report(Report),
    /// This worker is gone, with its last report or without.
    Gone(usize),
}

/// A worker's end. The thread of the control clients has one too.
#[derive(Debug)]
pub(super) struct Channel {
    worker: usize,
    reports: SyncSender<Message>,
    spares: Receiver<Spare>,
    /// Those that have come back. The last one is taken first: it has room where the latencies lie, and each power of two
    /// that a tally has no room for yet costs two new pages.
    back: Vec<Spare>,
}

impl Channel {
    /// Something empty to fill, if the collector has given one back; for the last report there always is one.
    pub fn spare(&mut self, last: bool) -> Option<Spare> {
        self.back.extend(self.spares.try_iter());
        self.back.pop().or_else(|| last.then(Spare::default))
    }

    /// Which of all it is.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Hands a report in. There is room: each one sent holds one of the worker's few tallies.
    pub fn send(&self, report: Report) {
        // The collector is gone only when the whole run is.
        let _ = self.reports.send(Message::Report(report));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // There is room, as above; and nobody to tell once the whole run is gone.
        let _ = self.reports.try_send(Message::Gone(self.worker));
    }
}

/// The collector's end.
#[derive(Debug)]
pub(super) struct Collector {
    reports: Receiver<Message>,
    workers: Vec<WorkerEnd>,
    has_lost_a_worker: bool,
    /// The worker whose tally is that of the last interval, and what else it gets back with it.
    lent: Option<(usize, Rows, Landings)>,
    stages: Vec<workload::Stage>,
    until: Duration,
    surveyor: Surveyor,
}

#[derive(Debug)]
struct WorkerEnd {
    spares: SyncSender<Spare>,
    waiting: VecDeque<Report>,
    /// Nothing comes after what waits.
    done: bool,
    /// Its last report has come.
    has_ended: bool,
    /// Up to when its last report was, and what its thread had used by then.
    until: Duration,
    used: ThreadUse,
}

/// What the collector has to say.
#[derive(Debug)]
pub(super) enum Collected {
    /// Another interval, and the attempts that were over in it.
    Interval(Box<Interval>, Ended),
    /// Nothing for a while.
    Nothing,
    /// All workers are done.
    Done,
}

/// The attempts that were over in an interval.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub rows: Rows,
    pub landings: Landings,
}

/// What all workers' threads used over a second.
#[derive(Debug, Default)]
struct Threads {
    /// In cores: each over the time that it reports of, which is a little another for each.
    cpu: f64,
    cpu_max: f64,
    run_delay: Option<Duration>,
    run_delay_max: Option<Duration>,
    turn_max: Duration,
    heartbeat_late_max: Duration,
}

impl Threads {
    /// Adds what a worker reports that was at `before` by its report before.
    fn add(&mut self, report: &Report, before: &WorkerEnd) {
        let used = report.used.since(&before.used);
        let cpu = used.cpu.as_secs_f64() / report.until.saturating_sub(before.until).as_secs_f64().max(1e-3);
        self.cpu += cpu;
        if report.is_control {
            return;
        }
        self.cpu_max = self.cpu_max.max(cpu);
        if let Some(delay) = used.run_delay {
            self.run_delay = Some(self.run_delay.unwrap_or_default() + delay);
        }
        self.run_delay_max = self.run_delay_max.max(used.run_delay);
        self.turn_max = self.turn_max.max(report.turn_max);
        self.heartbeat_late_max = self.heartbeat_late_max.max(report.heartbeat_late_max);
    }

    /// The health of a second. What depends on the target is not known here.
    fn health(&self, around: &Surroundings) -> Health {
        let micros = |time: Duration| time.as_micros() as u64;
        Health {
            cpu_cores: self.cpu,
            worker_cpu_max: self.cpu_max,
            rss_bytes: around.rss_bytes,
            turn_max_us: micros(self.turn_max),
            run_delay_us: self.run_delay.map(micros),
            run_delay_max_us: self.run_delay_max.map(micros),
            heartbeat_late_max_us: micros(self.heartbeat_late_max),
            steal_part: around.steal_part,
            throttled_periods: around.throttled.map(|throttled| throttled.periods),
            throttled_us: around.throttled.map(|throttled| micros(throttled.time)),
            fds_open: around.fds_open,
            ..Health::default()
        }
    }
}

/// A collector for so many workers, and the workers' ends; `rows` makes room for a worker's attempts.
pub(super) fn collector(
    workers: usize,
    stages: &[workload::Stage],
    rows: impl Fn() -> Rows,
) -> (Collector, Vec<Channel>) {
    let (reports_in, reports) = sync_channel(workers * (TALLIES + 2));
    let mut ends = Vec::with_capacity(workers);
    let mut channels = Vec::with_capacity(workers);
    for worker in 0..workers {
        let (spares_in, spares) = sync_channel(TALLIES);
        for _ in 1..TALLIES {
            // There is room for all of them.
            let _ = spares_in.try_send(Spare { rows: rows(), ..Spare::default() });
        }
        ends.push(WorkerEnd {
            spares: spares_in,
            waiting: VecDeque::new(),
            done: false,
            has_ended: false,
            until: Duration::ZERO,
            used: ThreadUse::default(),
        });
        channels.push(Channel {
            worker,
            reports: reports_in.clone(),
            spares,
            back: Vec::with_capacity(TALLIES),
        });
    }
    let stages = stages.to_vec();
    let collector = Collector {
        reports,
        workers: ends,
        has_lost_a_worker: false,
        lent: None,
        stages,
        until: Duration::ZERO,
        surveyor: Surveyor::new(),
    };
    (collector, channels)
}

impl Collector {
    /// Waits for the next interval, for so long at the most.
    pub fn next(&mut self, patience: Duration) -> Collected {
        loop {
            if self.is_complete() {
                let mut ended = Ended::default();
                return Collected::Interval(Box::new(self.interval(&mut ended)), ended);
            }
            match self.reports.recv_timeout(patience) {
                Ok(Message::Report(report)) => {
                    let worker = &mut self.workers[report.worker];
                    worker.has_ended |= report.last;
                    worker.waiting.push_back(report);
                }
                // A worker that died has no last report: what it had handed in, and the others have, still counts.
                Ok(Message::Gone(worker)) => {
                    let worker = &mut self.workers[worker];
                    worker.done = true;
                    self.has_lost_a_worker |= !worker.has_ended;
                }
                Err(RecvTimeoutError::Timeout) => return Collected::Nothing,
                Err(RecvTimeoutError::Disconnected) => {
                    self.workers.iter_mut().for_each(|worker| worker.done = true);
                    if self.workers.iter().all(|worker| worker.waiting.is_empty()) {
                        return Collected::Done;
                    }
                }
            }
        }
    }

    /// Whether a worker has gone without its last report.
    pub fn has_lost_a_worker(&self) -> bool {
        self.has_lost_a_worker
    }

    /// Takes back the tally of the last interval, which nobody needs any more. Its room is some hundred KB, which would have
    /// to be made and cleared anew each second.
    pub fn take_back(&mut self, mut tally: Tally) {
        tally.clear();
        self.give_back(tally);
    }

    /// Gives the worker whose tally went with the last interval an empty one.
    fn give_back(&mut self, tally: Tally) {
        if let Some((worker, rows, landings)) = self.lent.take() {
            // A worker that is done wants none back.
            let _ = self.workers[worker].spares.try_send(Spare { tally, rows, landings });
        }
    }

    /// Whether every worker that still runs has reported.
    fn is_complete(&self) -> bool {
        let missing = |worker: &WorkerEnd| worker.waiting.is_empty() && !worker.done;
        !self.workers.iter().any(missing) && self.workers.iter().any(|worker| !worker.waiting.is_empty())
    }

    /// Makes one interval of the oldest report of each worker.
    fn interval(&mut self, ended: &mut Ended) -> Interval {
        // If nobody has handed back the last one's.
        self.give_back(Tally::default());
        let at = self.until;
        let mut sum: Option<Tally> = None;
        let mut gauges = Gauges::default();
        let mut until = at;
        let mut threads = Threads::default();
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let Some(mut report) = worker.waiting.pop_front() else { continue };
            threads.add(&report, worker);
            ended.rows.take(&mut report.rows);
            ended.landings.take(&mut report.landings);
            let Report { mut tally, rows, landings, .. } = report;
            match &mut sum {
                // The first one's is what the others' are added to.
                None => {
                    sum = Some(tally);
                    self.lent = Some((index, rows, landings));
                }
                Some(sum) => {
                    sum.add(&tally);
                    tally.clear();
                    // A worker that is done wants none back.
                    let _ = worker.spares.try_send(Spare { tally, rows, landings });
                }
            }
            gauges.connected += report.gauges.connected;
            gauges.signed_on += report.gauges.signed_on;
            gauges.calls += report.gauges.calls;
            gauges.calls_answered += report.gauges.calls_answered;
            gauges.control += report.gauges.control;
            until = until.max(report.until);
            (worker.until, worker.used) = (report.until, report.used);
        }
        self.until = until;
        let length = until - at;
        let health = threads.health(&self.surveyor.survey());
        let stage = workload::stage_at(&self.stages, at).map(|index| index as u32);
        let tally = sum.unwrap_or_default();
        Interval { at, length, stage, tally, gauges, health, changes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(channel: &mut Channel, second: u64, due: u64, last: bool) -> bool {
        let Some(Spare { mut tally, rows, landings }) = channel.spare(last) else { return false };
        tally.counters.due = due;
        channel.send(Report {
            worker: channel.worker,
            until: Duration::from_secs(second),
            tally,
            rows,
            landings,
            gauges: Gauges { connected: 1, ..Gauges::default() },
            used: ThreadUse { cpu: Duration::from_millis(100 * second), run_delay: None },
            turn_max: Duration::ZERO,
            heartbeat_late_max: Duration::ZERO,
            is_control: false,
            last,
        });
        true
    }

    fn next(collector: &mut Collector) -> Option<Box<Interval>> {
        match collector.next(Duration::from_millis(1)) {
            Collected::Interval(interval, _) => Some(interval),
            Collected::Nothing | Collected::Done => None,
        }
    }

    /// All that is still to come.
    fn rest(collector: &mut Collector) -> u64 {
        let mut due = 0;
        loop {
            match collector.next(Duration::from_millis(1)) {
                Collected::Interval(interval, _) => due += interval.tally.counters.due,
                Collected::Nothing => panic!("it waits for somebody who is gone"),
                Collected::Done => return due,
            }
        }
    }

    #[test]
    fn an_interval_is_what_all_workers_reported_of_it() {
        let (mut collector, mut channels) = collector(2, &[], Rows::default);
        assert!(report(&mut channels[0], 1, 3, false));
        assert!(next(&mut collector).is_none());
        assert!(report(&mut channels[1], 1, 4, false));
        let interval = next(&mut collector).expect("both have reported");
        assert_eq!((interval.tally.counters.due, interval.gauges.connected), (7, 2));
        assert_eq!(interval.length, Duration::from_secs(1));
        assert!((interval.health.cpu_cores - 0.2).abs() < 1e-9);
    }

    #[test]
    fn what_a_late_worker_used_is_of_the_time_that_it_reports_of() {
        let (mut collector, mut channels) = collector(2, &[], Rows::default);
        for (first, second) in [(1, 3), (4, 5)] {
            assert!(report(&mut channels[0], first, 1, false));
            assert!(report(&mut channels[1], second, 1, false));
            // Both have always used a tenth of a core, and the second interval is of two seconds.
            let health = next(&mut collector).expect("both have reported").health;
            assert!((health.cpu_cores - 0.2).abs() < 1e-9, "{health:?}");
            assert!((health.worker_cpu_max - 0.1).abs() < 1e-9, "{health:?}");
        }
    }

    #[test]
    fn nothing_of_a_late_worker_is_lost_and_nobody_waits_for_room() {
        let (mut collector, mut channels) = collector(2, &[], Rows::default);
        let mut sent = 0;
        for second in 1..=5 {
            // What does not go with this report goes with the next: the worker keeps its tally.
            sent += u64::from(report(&mut channels[0], second, 10, false)) * 10;
        }
        assert_eq!(sent, 30);
        assert!(report(&mut channels[1], 5, 1, false));
        let interval = next(&mut collector).expect("both have reported");
        assert!(!report(&mut channels[0], 6, 10, false), "it is still needed");
        collector.take_back(interval.tally);
        assert!(report(&mut channels[0], 6, 10, false), "a tally has come back");
        for mut channel in channels.drain(..) {
            assert!(report(&mut channel, 7, 5, true), "there always is room for the last");
        }
        assert_eq!(rest(&mut collector), 10 + 10 + 10 + 5 + 5);
        assert!(!collector.has_lost_a_worker());
    }

    #[test]
    fn a_tally_comes_back_empty_and_is_the_next_to_be_filled() {
        let (mut collector, mut channels) = collector(1, &[], Rows::default);
        for second in 1..=5 {
            let Spare { mut tally, rows, landings } = channels[0].spare(false).expect("a tally");
            assert_eq!(tally, Tally::default());
            // From the second one on it is that of the second before.
            assert_eq!(tally.acks.capacity() > 100, second > 1);
            tally.acks.reserve(100);
            tally.counters.due = second;
            tally.latencies[0].service.record(second);
            channels[0].back.push(Spare { tally, rows, landings });
            assert!(report(&mut channels[0], second, second, false));
            let interval = next(&mut collector).expect("it has reported");
            assert_eq!(interval.tally.counters.due, second);
            assert_eq!(interval.tally.latencies[0].service.count(), 1);
            collector.take_back(interval.tally);
        }
    }

    #[test]
    fn a_worker_that_dies_holds_nobody_up_and_what_it_reported_counts() {
        let (mut collector, mut channels) = collector(2, &[], Rows::default);
        let mut dead = channels.remove(0);
        assert!(report(&mut dead, 1, 3, false));
        drop(dead);
        assert!(report(&mut channels[0], 1, 4, false));
        assert_eq!(next(&mut collector).expect("a first interval").tally.counters.due, 7);
        assert!(collector.has_lost_a_worker());
        assert!(report(&mut channels[0], 2, 5, false));
        assert_eq!(next(&mut collector).expect("a second one").tally.counters.due, 5);
        assert!(report(&mut channels[0], 3, 6, true));
        channels.clear();
        assert_eq!(rest(&mut collector), 6);
    }
}
