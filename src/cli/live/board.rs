//! What is known of a run while it goes on: sums of its seconds, and its last few.

use std::collections::VecDeque;
use std::time::Duration;

use crate::metrics::{Counters, Gauges, LatencyHistogram, Metric};
use crate::profile::Plan;
use crate::record::{Fold, Health, Interval, RunHeader, RunRecord, Summary, Validity, Wanted};
use crate::scenario::Flow;
use crate::scheduler::{Event, Urgency};
use crate::verdict;
use crate::workload::{ArrivalLaw, Stage};

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

/// The generator's own lateness that is shown.
const OWN: [Metric; 2] = [Metric::Lag, Metric::TimerLag];

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
    /// As of when they were last made up.
    pub figures: Figures,
    header: RunHeader,
    fold: Fold,
    recent: Vec<Recent>,
    seconds: VecDeque<Second>,
    /// Whether there was a second since the figures were made up.
    is_stale: bool,
    wanted: Wanted,
    /// The rate of calls in percent of the plan's, and whether they are paused: what was asked for.
    pub pace: (u32, bool),
    pub urgency: Urgency,
    pub has_help: bool,
    /// Whether there are keys to be pressed.
    pub has_keys: bool,
    /// What went wrong, in words; said again when the view is over.
    pub warnings: Vec<String>,
}

/// What takes some reckoning: made up once a second, however often it is drawn.
#[derive(Default)]
pub(super) struct Figures {
    /// Latencies of which there were any.
    pub latencies: Vec<LatencyFigures>,
    /// p99 of the last seconds, in microseconds: how late calls were, and deadlines.
    pub late: [Option<u64>; OWN.len()],
    /// Whether the generator has been fit so far, by the rules of the verdict, and what speaks against it most.
    pub validity: Validity,
    pub why: Option<String>,
}

/// p50 and p99 of a metric, in microseconds; `u64::MAX` where it lies beyond the range.
pub(super) struct LatencyFigures {
    pub metric: Metric,
    /// Of the last seconds; nothing without any.
    pub now: Option<[u64; 2]>,
    /// Of all, and how many there are.
    pub so_far: [u64; 2],
    pub count: u64,
}

/// What was done in a second.
#[derive(Clone, Copy)]
struct Second {
    length: Duration,
    signed_on: u64,
    /// Calls that the plan wants, at the pace in force.
    wanted: f64,
    due: u64,
    started: u64,
}

/// The latencies of a metric in the last seconds.
struct Recent {
    metric: Metric,
    /// Values and how often each: a histogram of a second is nearly empty.
    seconds: VecDeque<Vec<(u64, u64)>>,
}

impl Recent {
    fn new(metric: Metric) -> Recent {
        Recent { metric, seconds: VecDeque::new() }
    }

    fn add(&mut self, latencies: &LatencyHistogram) {
        // The room of the second that falls out is that of the one that comes in.
        let oldest = (self.seconds.len() == NOW_SECONDS).then(|| self.seconds.pop_front());
        let mut cells = oldest.flatten().unwrap_or_default();
        cells.clear();
        cells.extend(latencies.cells().map(|cell| (cell.highest, cell.count)));
        cells.extend(Some((u64::MAX, latencies.over_range())).filter(|(_, many)| *many > 0));
        self.seconds.push_back(cells);
    }

    /// Its p50 and p99, in microseconds; nothing without any.
    fn quantiles(&self) -> Option<[u64; 2]> {
        let mut cells: Vec<(u64, u64)> = self.seconds.iter().flatten().copied().collect();
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
            figures: Figures::default(),
            header: RunHeader::default(),
            fold: Fold::default(),
            recent: SHOWN.into_iter().chain(OWN).map(Recent::new).collect(),
            seconds: VecDeque::new(),
            is_stale: false,
            wanted: Wanted::new(plan.stages.clone()),
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
            Event::Begun(header) => {
                self.header = (*header).clone();
                self.fold = Fold::new(header);
            }
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
        self.fold.add_interval(interval);
        for recent in &mut self.recent {
            let metric = recent.metric;
            recent.add(interval.tally.response(metric).unwrap_or(interval.tally.service(metric)));
        }
        if self.seconds.len() == NOW_SECONDS {
            self.seconds.pop_front();
        }
        // Also where a worker stood still and counted none as due. Calls that come at once have no rate.
        let before = self.wanted.calls_at_a_rate();
        self.wanted.add(interval);
        self.seconds.push_back(Second {
            length: interval.length,
            signed_on: counters.signed_on,
            wanted: self.wanted.calls_at_a_rate() - before,
            due: counters.due,
            started: counters.started,
        });
        self.is_stale = true;
    }

    /// Makes the figures up, if there was a second since they were.
    pub fn make_up(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let record = self.fold.so_far(&self.header);
        let (validity, reasons) = verdict::fitness(&record);
        let of = |metric| self.recent.iter().find(|recent| recent.metric == metric)?.quantiles();
        let latencies = SHOWN.into_iter().filter_map(|metric| {
            let summary = so_far(&record, metric).filter(|summary| summary.count > 0)?;
            // One that lies beyond the range has no figure, and is not nothing.
            let so_far = [summary.p50, summary.p99].map(|quantile| quantile.unwrap_or(u64::MAX));
            Some(LatencyFigures { metric, now: of(metric), so_far, count: summary.count })
        });
        self.figures = Figures {
            latencies: latencies.collect(),
            late: OWN.map(|metric| of(metric).map(|[_, p99]| p99)),
            validity,
            // What comes after is the cause and the cure, which take more than a line.
            why: reasons.first().and_then(|reason| reason.split(": ").next()).map(str::to_owned),
        };
    }

    /// How often a second, in the last seconds.
    fn rate(&self, of: impl Fn(&Second) -> f64) -> f64 {
        let length: Duration = self.seconds.iter().map(|second| second.length).sum();
        let many: f64 = self.seconds.iter().map(of).sum();
        many / length.as_secs_f64().max(1e-3)
    }

    /// Sign-ons a second: wanted by the plan at this moment, and done in the last seconds.
    pub fn signon_rates(&self) -> (f64, f64) {
        let wanted = self.stage_now().map_or(0.0, |(stage, since)| {
            let changes = since < stage.signon_time && stage.clients_to > stage.clients_from;
            let new = f64::from(stage.client_changes()) / stage.signon_time.as_secs_f64().max(1e-3);
            stage.churn_per_second + if changes { new } else { 0.0 }
        });
        (wanted, self.rate(|second| second.signed_on as f64))
    }

    /// Calls a second, in the last seconds, with what the first figure is: wanted by the plan, and placed. Calls that come
    /// at once and those of callers are known when they come due.
    pub fn call_rates(&self) -> (&'static str, f64, f64) {
        let has_rate = |stage: &Stage| stage.callers == 0 && stage.arrivals != ArrivalLaw::AtOnce;
        let placed = self.rate(|second| second.started as f64);
        match self.stage_now() {
            Some((stage, _)) if !has_rate(stage) => ("due", self.rate(|second| second.due as f64), placed),
            _ => ("wanted", self.rate(|second| second.wanted), placed),
        }
    }

    /// The stage that goes on, and for how long it has.
    pub fn stage_now(&self) -> Option<(&Stage, Duration)> {
        let index = self.stage?;
        let starts: Duration = self.stages.iter().take(index).map(|stage| stage.duration).sum();
        Some((self.stages.get(index)?, self.now.saturating_sub(starts)))
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

/// The response of a metric, where it has one, and its service elsewhere.
fn so_far(record: &RunRecord, metric: Metric) -> Option<&Summary> {
    let latency = record.latency.metrics.get(metric.name())?;
    latency.response.as_ref().or(latency.service.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_last_seconds() {
        let mut recent = Recent::new(Metric::Setup);
        assert_eq!(recent.quantiles(), None);
        let mut second = |micros, many| {
            let mut latencies = LatencyHistogram::default();
            (0..many).for_each(|_| latencies.record(micros));
            recent.add(&latencies);
            recent.quantiles()
        };
        assert_eq!(second(100, 10), Some([100, 100]));
        for _ in 2..NOW_SECONDS {
            second(200, 10);
        }
        assert_eq!(second(u64::MAX, 1), Some([200, u64::MAX]));
        assert_eq!(second(300, 1), Some([200, u64::MAX]), "the first second is none of them any more");
        for _ in 2..NOW_SECONDS {
            second(300, 1);
        }
        assert_eq!(second(300, 1), Some([300, 300]));
    }
}
