//! What is known of a run while it goes on: sums of its seconds, and its last few.

use std::collections::VecDeque;
use std::time::Duration;

use crate::metrics::{Counters, Gauges, LatencyHistogram, Metric};
use crate::profile::Plan;
use crate::record::{BUSY_PART, Health, Interval, Summary, Validity};
use crate::scenario::Flow;
use crate::scheduler::{Event, Urgency};
use crate::verdict::limits;
use crate::workload::Stage;

/// How many seconds "now" is.
pub(super) const NOW_SECONDS: usize = 5;

/// The latencies that are shown, in the order of a client's life.
const SHOWN: [Metric; 8] = [
    Metric::Signon,
    Metric::Keepalive,
    Metric::Ack,
    Metric::Ringback,
    Metric::Setup,
    Metric::Release,
    Metric::Transfer,
    Metric::Recovery,
];

/// What the generator's fitness is judged by.
const OWN: [Metric; 4] = [Metric::Lag, Metric::TimerLag, Metric::KeepaliveLag, Metric::Handling];

/// What is known of a run.
pub(super) struct Board {
    pub name: String,
    pub target: String,
    pub stages: Vec<Stage>,
    pub duration: Duration,
    pub planned_clients: u32,
    pub mix: Vec<(Flow, f64)>,
    /// Up to when it is known what happened, from the start of the run.
    pub now: Duration,
    pub stage: Option<usize>,
    pub gauges: Gauges,
    pub health: Health,
    pub total: Counters,
    pub latencies: Vec<Tracked>,
    own: Vec<Tracked>,
    seconds: VecDeque<Second>,
    longest_pause_us: u64,
    busy_us: u64,
    /// The rate of calls in percent of the plan's, and whether they are paused.
    pub pace: (u32, bool),
    pub urgency: Urgency,
    pub has_help: bool,
    /// Whether there are keys to be pressed.
    pub has_keys: bool,
    /// What went wrong, in words; said again when the view is over.
    pub warnings: Vec<String>,
}

/// What was done in a second.
#[derive(Clone, Copy)]
struct Second {
    length: Duration,
    signed_on: u64,
    due: u64,
    started: u64,
}

/// The latencies of a metric: of the last seconds, and of all.
pub(super) struct Tracked {
    pub metric: Metric,
    total: LatencyHistogram,
    /// Values and how often each: a histogram of a second is nearly empty.
    recent: VecDeque<Vec<(u64, u64)>>,
}

impl Tracked {
    fn new(metric: Metric) -> Tracked {
        Tracked { metric, total: LatencyHistogram::default(), recent: VecDeque::new() }
    }

    fn add(&mut self, latencies: &LatencyHistogram) {
        self.total.add(latencies);
        let histogram = latencies.histogram();
        let cells = histogram.iter_recorded();
        let cells = cells.map(|cell| (cell.value_iterated_to(), cell.count_since_last_iteration()));
        let beyond = Some((u64::MAX, latencies.over_range())).filter(|(_, many)| *many > 0);
        self.recent.push_back(cells.chain(beyond).collect());
        if self.recent.len() > NOW_SECONDS {
            self.recent.pop_front();
        }
    }

    /// p50 and p99 of the last seconds, in microseconds; nothing without any.
    pub fn now(&self) -> Option<[u64; 2]> {
        let mut cells: Vec<(u64, u64)> = self.recent.iter().flatten().copied().collect();
        cells.sort_unstable();
        let count: u64 = cells.iter().map(|(_, many)| many).sum();
        let quantile = |part: f64| {
            let mut left = ((count as f64 * part).ceil() as u64).max(1);
            cells.iter().find_map(|(value, many)| {
                let is_in = left <= *many;
                left = left.saturating_sub(*many);
                is_in.then_some(*value)
            })
        };
        Some([quantile(0.5)?, quantile(0.99)?])
    }

    /// p50 and p99 of all, in microseconds, and how many there are.
    pub fn so_far(&self) -> Option<([u64; 2], u64)> {
        let summary = Summary::from(&self.total);
        // One that lies beyond the range has no figure, and is not nothing.
        let quantiles = [summary.p50, summary.p99].map(|quantile| quantile.unwrap_or(u64::MAX));
        Some((quantiles, self.total.count())).filter(|(_, count)| *count > 0)
    }
}

impl Board {
    /// A run of `plan` that has not begun.
    pub fn new(plan: &Plan) -> Board {
        Board {
            name: plan.name.clone(),
            target: String::new(),
            stages: plan.stages.clone(),
            duration: plan.duration(),
            planned_clients: plan.peak_clients(),
            mix: plan.calls.mix.iter().map(|share| (share.flow, share.weight)).collect(),
            now: Duration::ZERO,
            stage: Some(0),
            gauges: Gauges::default(),
            health: Health::default(),
            total: Counters::default(),
            latencies: SHOWN.into_iter().map(Tracked::new).collect(),
            own: OWN.into_iter().map(Tracked::new).collect(),
            seconds: VecDeque::new(),
            longest_pause_us: 0,
            busy_us: 0,
            pace: (100, false),
            urgency: Urgency::Run,
            has_help: false,
            has_keys: true,
            warnings: Vec::new(),
        }
    }

    /// Takes in what has happened.
    pub fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Target { url, .. } => self.target = (*url).to_owned(),
            Event::Scouted(scouted) => self.target += &format!(" · {}", scouted.dialect),
            Event::Interval(interval) => self.interval(interval),
            _ => {}
        }
    }

    fn interval(&mut self, interval: &Interval) {
        let counters = &interval.tally.counters;
        self.now = interval.at + interval.length;
        self.stage = interval.stage.map(|stage| stage as usize);
        self.gauges = interval.gauges;
        self.health = interval.health;
        self.total.add(counters);
        for tracked in self.latencies.iter_mut().chain(&mut self.own) {
            let metric = tracked.metric;
            tracked.add(interval.tally.response(metric).unwrap_or(interval.tally.service(metric)));
        }
        self.longest_pause_us = self.longest_pause_us.max(interval.health.heartbeat_late_max_us);
        if interval.health.worker_cpu_max > BUSY_PART && interval.length > Duration::from_millis(250) {
            self.busy_us += interval.length.as_micros() as u64;
        }
        self.seconds.push_back(Second {
            length: interval.length,
            signed_on: counters.signed_on,
            due: counters.due,
            started: counters.started,
        });
        if self.seconds.len() > NOW_SECONDS {
            self.seconds.pop_front();
        }
    }

    /// How often a second, in the last seconds.
    fn rate(&self, of: impl Fn(&Second) -> u64) -> f64 {
        let length: Duration = self.seconds.iter().map(|second| second.length).sum();
        let many: u64 = self.seconds.iter().map(of).sum();
        many as f64 / length.as_secs_f64().max(1e-3)
    }

    /// Sign-ons a second: wanted by the plan at this moment, and done in the last seconds.
    pub fn signon_rates(&self) -> (f64, f64) {
        let wanted = self.stage_now().map_or(0.0, |(stage, since)| {
            let changes = since < stage.signon_time && stage.clients_to > stage.clients_from;
            let new = f64::from(stage.client_changes()) / stage.signon_time.as_secs_f64().max(1e-3);
            stage.churn_per_second + if changes { new } else { 0.0 }
        });
        (wanted, self.rate(|second| second.signed_on))
    }

    /// Calls a second, in the last seconds: due, and placed.
    pub fn call_rates(&self) -> (f64, f64) {
        (self.rate(|second| second.due), self.rate(|second| second.started))
    }

    /// The stage that goes on, and for how long it has.
    pub fn stage_now(&self) -> Option<(&Stage, Duration)> {
        let index = self.stage?;
        let starts: Duration = self.stages.iter().take(index).map(|stage| stage.duration).sum();
        Some((self.stages.get(index)?, self.now.saturating_sub(starts)))
    }

    /// A lateness of the generator's own: its p99 of the last seconds, and of all, in microseconds.
    pub fn own_p99(&self, metric: Metric) -> (Option<u64>, Option<u64>) {
        let tracked = self.own.iter().find(|tracked| tracked.metric == metric);
        tracked.map_or((None, None), |tracked| {
            (tracked.now().map(|now| now[1]), tracked.so_far().map(|(all, _)| all[1]))
        })
    }

    /// Whether the generator has been fit so far, and what speaks against it most. The verdict looks at more.
    pub fn fitness(&self) -> (Validity, Option<&'static str>) {
        let p99 = |metric| self.own_p99(metric).1.unwrap_or(0) as f64;
        let part = |many: u64, of: u64| if of > 0 { many as f64 / of as f64 } else { 0.0 };
        let findings = [
            (limits::CALL_LAG_P99_US, p99(Metric::Lag), "calls are late"),
            (limits::TIMER_LAG_P99_US, p99(Metric::TimerLag), "deadlines are met late"),
            (limits::KEEPALIVE_LAG_P99_US, p99(Metric::KeepaliveLag), "keepalives are late"),
            (limits::HANDLING_P99_US, p99(Metric::Handling), "turns are long"),
            (limits::STOOD_STILL_US, self.longest_pause_us as f64, "a worker stood still"),
            (limits::BUSY, part(self.busy_us, self.now.as_micros() as u64), "a worker uses all of its core"),
            (limits::BLOCKED_PART, part(self.total.blocked, self.total.due), "calls are blocked"),
        ];
        let judged = findings.iter().filter_map(|(limit, figure, why)| Some((limit.judge(*figure)?.0, *why)));
        // The first of the worst.
        judged
            .rev()
            .max_by_key(|(validity, _)| *validity)
            .map_or((Validity::Valid, None), |(validity, why)| (validity, Some(why)))
    }

    /// Connections that have ended, by code.
    pub fn closes(&self) -> Vec<(u16, u64)> {
        let mut closes: Vec<(u16, u64)> = Vec::new();
        for (key, many) in self.total.disconnects.iter() {
            match closes.iter_mut().find(|(code, _)| *code == key.code) {
                Some((_, count)) => *count += many,
                None => closes.push((key.code, many)),
            }
        }
        closes
    }
}
