//! The seconds of a run as columns of points, in memory that does not grow with the run.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use super::charts::summaries;
use crate::metrics::Metric;
use crate::record::{Disconnects, RunRecord, StageInfo, StoredInterval, Summary};

/// The most points in a row that are drawn one a second: an hour, and what it takes to sign off.
const MOST_SECONDS: u64 = 4_000;
/// The points that a longer run is thinned to. Each has a highest and a lowest, so there are as many figures.
const THINNED_TO: u64 = 2_000;
/// The most codes of disconnects that have a column of their own.
const MOST_CODES: usize = 12;
/// An interval this long, in seconds, is not taken for a second: its counts are shown per second.
const LONG_S: f64 = 1.1;
/// What has no place of its own.
pub(super) const OTHERS: &str = "others";
/// The column of the connections that ended and should not have.
pub(super) const UNWANTED: &str = "unwanted_disconnects";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Something that was counted.
    Count,
    /// Something that was there at the end of a second.
    Level,
    /// A time in microseconds.
    Micros,
}

type Figure = Box<dyn Fn(&StoredInterval) -> Option<f64>>;

/// A row of points: of each the highest and the lowest of the seconds in it.
struct Column {
    key: String,
    kind: Kind,
    figure: Figure,
    high: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    sum: Vec<f64>,
}

impl Column {
    fn add(&mut self, second: &StoredInterval, begins_point: bool) {
        if begins_point {
            self.high.push(None);
            self.low.push(None);
            self.sum.push(0.0);
        }
        let length = second.length_us as f64 / 1e6;
        let Some(figure) = (self.figure)(second) else { return };
        let shown = if self.kind == Kind::Count && length > LONG_S { figure / length } else { figure };
        if let (Some(high), Some(low), Some(sum)) =
            (self.high.last_mut(), self.low.last_mut(), self.sum.last_mut())
        {
            *high = Some(high.map_or(shown, |high| high.max(shown)));
            *low = Some(low.map_or(shown, |low| low.min(shown)));
            *sum += figure;
        }
    }
}

/// The seconds of a run, as what is drawn.
pub(super) struct Timeline {
    /// How many seconds make a point.
    pub(super) every: u64,
    /// How many seconds were added.
    pub(super) seconds: u64,
    at: Vec<f64>,
    length: Vec<f64>,
    columns: Vec<Column>,
}

impl Timeline {
    /// Nothing yet of this run: only what it counted or timed at all gets a column.
    pub(super) fn new(record: &RunRecord) -> Timeline {
        let seconds = record.duration_us.div_ceil(1_000_000);
        let every = if seconds <= MOST_SECONDS { 1 } else { seconds.div_ceil(THINNED_TO) };
        Timeline { every, ..Timeline::unthinned(record, &[record]) }
    }

    /// Nothing yet of this run, which is one of `all`: what any of them counted or timed gets a column, so that all have
    /// the same. Each interval that is added is a point.
    pub(super) fn unthinned(record: &RunRecord, all: &[&RunRecord]) -> Timeline {
        let mut columns = Columns::default();
        columns.clients(record);
        columns.calls(all);
        columns.failures(all);
        columns.disconnects(all);
        columns.generator();
        columns.latencies(all);
        Timeline { every: 1, seconds: 0, at: Vec::new(), length: Vec::new(), columns: columns.0 }
    }

    /// Adds a second.
    pub(super) fn add(&mut self, second: &StoredInterval) {
        let begins_point = self.seconds.is_multiple_of(self.every);
        let (at, length) = (second.at_us as f64 / 1e6, second.length_us as f64 / 1e6);
        if begins_point {
            self.at.push(rounded(at, 3));
            self.length.push(length);
        } else if let (Some(length_so_far), Some(began)) = (self.length.last_mut(), self.at.last()) {
            *length_so_far = at + length - began;
        }
        self.seconds += 1;
        self.columns.iter_mut().for_each(|column| column.add(second, begins_point));
    }

    /// Whether there is a column of this name with anything in it but zeros.
    pub(super) fn has(&self, key: &str) -> bool {
        let column = self.columns.iter().find(|column| column.key == key);
        column.is_some_and(|column| column.high.iter().flatten().any(|value| *value != 0.0))
    }

    /// The names of the columns that begin with this.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let keys = self.columns.iter().map(|column| &column.key);
        keys.filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// The points for the page, of the columns that it shows.
    pub(super) fn stored(&self, shown: &BTreeSet<&str>) -> StoredTimeline {
        let has_long = self.length.iter().any(|length| *length > LONG_S);
        let columns = self.columns.iter().filter(|column| shown.contains(column.key.as_str()));
        let series = columns.filter(|column| !column.high.is_empty()).map(|column| {
            let thinned = self.every > 1;
            let exact = column.kind == Kind::Count && (thinned || has_long);
            let stored = StoredSeries {
                high: Points::of(&column.high, column.kind),
                low: thinned.then(|| Points::of(&column.low, column.kind)),
                sum: exact.then(|| {
                    Points::of(&column.sum.iter().map(|sum| Some(*sum)).collect::<Vec<_>>(), Kind::Count)
                }),
            };
            (column.key.clone(), stored)
        });
        StoredTimeline {
            every: self.every,
            at: self.at.iter().copied().map(Number).collect(),
            length: self.length.iter().map(|length| Number(rounded(*length, 3))).collect(),
            series: series.collect(),
        }
    }
}

/// Collects the columns of a run.
#[derive(Default)]
struct Columns(Vec<Column>);

impl Columns {
    fn push(&mut self, key: impl Into<String>, kind: Kind, figure: Figure) {
        let key = key.into();
        self.0.push(Column { key, kind, figure, high: Vec::new(), low: Vec::new(), sum: Vec::new() });
    }

    fn count(&mut self, key: impl Into<String>, figure: impl Fn(&StoredInterval) -> u64 + 'static) {
        self.push(key, Kind::Count, Box::new(move |second| Some(figure(second) as f64)));
    }

    fn level(&mut self, key: &str, figure: impl Fn(&StoredInterval) -> Option<f64> + 'static) {
        self.push(key, Kind::Level, Box::new(figure));
    }

    fn clients(&mut self, record: &RunRecord) {
        self.level("connected", |second| Some(second.gauges.connected as f64));
        self.level("signed_on", |second| Some(second.gauges.signed_on as f64));
        let stages = record.stages.clone();
        let wanted = move |second: &StoredInterval| Some(wanted_sign_ons(&stages, second));
        self.push("sign_ons.wanted", Kind::Count, Box::new(wanted));
        self.count("sign_ons.done", |second| second.clients.signed_on);
        self.count("sign_ons.failed", |second| second.clients.signon_failed);
        self.count("reconnects", |second| second.clients.reconnects);
        self.count("reconnects_failed", |second| second.clients.reconnects_failed);
    }

    fn calls(&mut self, runs: &[&RunRecord]) {
        self.level("calls", |second| Some(second.gauges.calls as f64));
        self.level("calls_answered", |second| Some(second.gauges.calls_answered as f64));
        self.count("completed", |second| second.counted.calls.completed);
        for (name, figure) in OUTCOMES {
            let is_any = runs.iter().any(|record| figure(record.counted.attempts) > 0);
            if is_any || ["due", "started", "answered"].contains(name) {
                self.count(format!("attempts.{name}"), |second| figure(second.counted.attempts));
            }
        }
        self.count("request_errors", |second| second.counted.requests.errors.values().sum());
        self.count("request_timeouts", |second| second.counted.requests.timeouts);
        self.count("keepalives_missed", |second| second.counted.keepalives.missed);
        self.count("late", |second| second.counted.late);
    }

    /// Failed attempts by reason, failed sign-ons by cause: closed sets.
    fn failures(&mut self, runs: &[&RunRecord]) {
        let reasons = runs.iter().flat_map(|record| record.counted.attempts_failed.keys());
        for name in reasons.cloned().collect::<BTreeSet<String>>() {
            let key = format!("failed.{name}");
            self.count(key, move |second| {
                second.counted.attempts_failed.get(&name).copied().unwrap_or_default()
            });
        }
        let failures = runs.iter().flat_map(|record| &record.counted.signon_failures);
        for cause in failures.map(|one| one.cause.clone()).collect::<BTreeSet<_>>() {
            let key = format!("signon_failed.{cause}");
            self.count(key, move |second| {
                let of_cause = second.counted.signon_failures.iter().filter(|one| one.cause == cause);
                of_cause.map(|one| one.count).sum()
            });
        }
    }

    /// Connections that ended, by code and who ended them. What a hostile server makes up beyond some codes is one.
    fn disconnects(&mut self, runs: &[&RunRecord]) {
        self.count(UNWANTED, |second| {
            let others = second.counted.disconnects.iter().filter(|one| !one.is_ours());
            others.map(|one| one.count).sum()
        });
        let disconnects = || runs.iter().flat_map(|record| &record.counted.disconnects);
        let mut by_key: BTreeMap<String, u64> = BTreeMap::new();
        for one in disconnects() {
            *by_key.entry(disconnect_key(one)).or_default() += one.count;
        }
        let mut keys: Vec<(String, u64)> = by_key.into_iter().collect();
        // Our own signing off is the most there is of, and the least worth a look.
        let ours = |key: &str| disconnects().any(|one| one.is_ours() && disconnect_key(one) == key);
        keys.sort_by_key(|(key, count)| (ours(key), std::cmp::Reverse(*count)));
        let has_others = keys.len() > MOST_CODES;
        keys.truncate(MOST_CODES);
        let keys: Vec<String> = keys.into_iter().map(|(key, _)| key).collect();
        if has_others {
            let named = keys.clone();
            let others = move |second: &StoredInterval| {
                let others = second.counted.disconnects.iter();
                others.filter(|one| !named.contains(&disconnect_key(one))).map(|one| one.count).sum()
            };
            self.count(format!("disconnects.{OTHERS}"), others);
        }
        for key in keys {
            self.count(format!("disconnects.{key}"), move |second| {
                let of_key = second.counted.disconnects.iter().filter(|one| disconnect_key(one) == key);
                of_key.map(|one| one.count).sum()
            });
        }
    }

    fn generator(&mut self) {
        self.level("cpu_cores", |second| Some(rounded(second.health.cpu_cores, 3)));
        self.level("worker_cpu", |second| Some(rounded(second.health.worker_cpu_max * 100.0, 1)));
        self.level("memory", |second| Some(rounded(second.health.rss_bytes as f64 / f64::from(1 << 20), 1)));
        let micros = |micros: u64| Some(micros as f64);
        self.push("turn_max", Kind::Micros, Box::new(move |second| micros(second.health.turn_max_us)));
        self.push(
            "heartbeat_late",
            Kind::Micros,
            Box::new(move |second| micros(second.health.heartbeat_late_max_us)),
        );
        self.push(
            "run_delay",
            Kind::Micros,
            Box::new(move |second| second.health.run_delay_max_us.and_then(micros)),
        );
    }

    fn latencies(&mut self, runs: &[&RunRecord]) {
        for metric in Metric::ALL {
            for part in ["response", "service"] {
                let is_measured = |record: &&RunRecord| {
                    summaries(record, *metric).iter().any(|(measured, _)| *measured == part)
                };
                if !runs.iter().any(is_measured) {
                    continue;
                }
                for (name, quantile) in quantiles(*metric) {
                    let of = move |second: &StoredInterval| {
                        let latency = second.latency.metrics.get(metric.name())?;
                        let stored = if part == "response" { &latency.response } else { &latency.service };
                        quantile(&stored.as_ref()?.summary).map(|micros| micros as f64)
                    };
                    self.push(format!("{metric}.{part}.{name}"), Kind::Micros, Box::new(of));
                }
            }
        }
    }
}

type Quantile = (&'static str, fn(&Summary) -> Option<u64>);

/// The percentiles of a second that are drawn. Those of the generator itself are drawn by their p99 alone.
fn quantiles(metric: Metric) -> &'static [Quantile] {
    const ALL: &[Quantile] =
        &[("p99", |one| one.p99), ("p50", |one| one.p50), ("p90", |one| one.p90), ("max", |one| one.max)];
    if metric.is_own() { &ALL[..1] } else { ALL }
}

type OfAttempts = (&'static str, fn(crate::record::Attempts) -> u64);

/// What becomes of attempts, in the order of a report.
pub(super) const OUTCOMES: &[OfAttempts] = &[
    ("due", |attempts| attempts.due),
    ("started", |attempts| attempts.started),
    ("answered", |attempts| attempts.answered),
    ("declined", |attempts| attempts.declined),
    ("busy", |attempts| attempts.busy),
    ("cancelled", |attempts| attempts.cancelled),
    ("unavailable", |attempts| attempts.unavailable),
    ("redirected", |attempts| attempts.redirected),
    ("done", |attempts| attempts.done),
    ("failed", |attempts| attempts.failed),
    ("blocked", |attempts| attempts.blocked),
    ("unfinished", |attempts| attempts.unfinished),
];

/// `4502 server`
fn disconnect_key(one: &Disconnects) -> String {
    format!("{} {}", one.code, one.initiator)
}

/// The sign-ons that the plan wants in a second.
fn wanted_sign_ons(stages: &[StageInfo], second: &StoredInterval) -> f64 {
    let (from, to) = (second.at_us as f64 / 1e6, (second.at_us + second.length_us) as f64 / 1e6);
    let mut before = 0;
    let mut wanted = 0.0;
    for stage in stages {
        let more = stage.clients.saturating_sub(before) as f64;
        before = stage.clients;
        let ends = stage.starts_s + stage.duration_s;
        let within = (to.min(ends) - from.max(stage.starts_s)).max(0.0);
        if stage.signon_arrivals == "at_once" {
            let is_now = (from..to).contains(&stage.starts_s);
            wanted += if is_now { more } else { 0.0 };
        } else if stage.duration_s > 0.0 {
            wanted += more * within / stage.duration_s;
        }
        wanted += stage.churn_per_second * within;
    }
    wanted
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// A figure, written without a point where it needs none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Number(value) = *self;
        if value.fract() == 0.0 && value.abs() < 1e15 {
            serializer.serialize_i64(value as i64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

/// The points of a run, for the page's script.
#[derive(Serialize)]
pub(super) struct StoredTimeline {
    /// How many seconds make a point.
    every: u64,
    /// When each began, in seconds from the start of the run.
    at: Vec<Number>,
    /// How long each lasted, in seconds.
    length: Vec<Number>,
    series: BTreeMap<String, StoredSeries>,
}

/// A row of points. Without `low` there was one second a point, without `sum` the highest is the count.
#[derive(Serialize)]
struct StoredSeries {
    high: Points,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Points>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<Points>,
}

/// Figures, in the form that takes the least room.
#[derive(Serialize)]
#[serde(untagged)]
enum Points {
    /// As they are.
    Plain(Vec<Option<Number>>),
    /// Those that are not zero, with their places.
    Sparse {
        /// How many figures there are.
        count: usize,
        /// `[place, figure]`.
        sparse: Vec<(usize, Number)>,
    },
    /// Times: see [`packed`].
    Packed(String),
}

impl Points {
    fn of(values: &[Option<f64>], kind: Kind) -> Points {
        if kind == Kind::Micros {
            return Points::Packed(packed(values));
        }
        let rounded: Vec<Option<f64>> = values.iter().map(|value| value.map(|it| rounded(it, 3))).collect();
        let nonzero = |(place, value): (usize, &Option<f64>)| {
            value.filter(|value| *value != 0.0).map(|value| (place, Number(value)))
        };
        let sparse: Vec<(usize, Number)> = rounded.iter().enumerate().filter_map(nonzero).collect();
        if sparse.len() * 4 < rounded.len() && rounded.iter().all(Option::is_some) {
            return Points::Sparse { count: rounded.len(), sparse };
        }
        Points::Plain(rounded.into_iter().map(|value| value.map(Number)).collect())
    }
}

/// The bits of a packed time that are its digits; those above are its power of ten.
const DIGITS: u32 = 13;
/// A time that is unknown.
const UNKNOWN: u16 = u16::MAX;

/// Times in microseconds, 16 bits each: 13 of a whole number and 3 of a power of ten, which is 3 digits and more up to
/// 22 hours. In base64, low byte first.
fn packed(values: &[Option<f64>]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.map_or(UNKNOWN, pack).to_le_bytes()).collect();
    BASE64.encode(bytes)
}

fn pack(micros: f64) -> u16 {
    let most = (1 << DIGITS) - 1;
    let mut whole = micros.max(0.0).round() as u64;
    for power in 0u16..8 {
        // The highest one of all means unknown.
        if whole < most {
            return (power << DIGITS) | whole as u16;
        }
        whole = whole.saturating_add(5) / 10;
    }
    UNKNOWN - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(code: u16) -> Option<f64> {
        (code != UNKNOWN).then(|| f64::from(code & 0x1fff) * 10f64.powi(i32::from(code >> DIGITS)))
    }

    #[test]
    fn packed_times_keep_three_digits() {
        for micros in [0.0, 1.0, 999.0, 8_190.0, 8_191.0, 8_196.0, 123_456.0, 600_000_000.0, 7.9e10] {
            let back = unpack(pack(micros)).unwrap();
            assert!((back - micros).abs() <= micros * 0.0007, "{micros} became {back}");
        }
        assert_eq!(unpack(UNKNOWN), None);
        assert_ne!(pack(f64::MAX), UNKNOWN);
    }

    fn second(at: u64, signed_on: u64, due: u64) -> StoredInterval {
        let mut second = StoredInterval { at_us: at * 1_000_000, length_us: 1_000_000, ..Default::default() };
        second.gauges.signed_on = signed_on;
        second.counted.attempts.due = due;
        second
    }

    fn record(seconds: u64) -> RunRecord {
        let fold = crate::record::Fold::default();
        let mut record = fold.finish(&Default::default(), None, Default::default());
        record.duration_us = seconds * 1_000_000;
        record
    }

    #[test]
    fn a_long_run_is_thinned_and_keeps_the_highest_the_lowest_and_all_counts() {
        let seconds = 86_400;
        let mut timeline = Timeline::new(&record(seconds));
        for at in 0..seconds {
            // One bad second in the middle.
            timeline.add(&second(at, if at == 40_000 { 3 } else { 500 }, if at == 40_000 { 70 } else { 20 }));
        }
        let points = timeline.at.len();
        assert!(points <= THINNED_TO as usize && points > 1_000, "{points}");
        let column = |key: &str| timeline.columns.iter().find(|column| column.key == key).unwrap();
        let lowest = column("signed_on").low.iter().flatten().copied().fold(f64::MAX, f64::min);
        let highest = column("attempts.due").high.iter().flatten().copied().fold(0.0, f64::max);
        assert_eq!((lowest, highest), (3.0, 70.0));
        assert_eq!(column("attempts.due").sum.iter().sum::<f64>(), (seconds * 20 + 50) as f64);
        let length: f64 = timeline.length.iter().sum();
        assert!((length - seconds as f64).abs() < 1.0, "{length}");
    }

    #[test]
    fn an_hour_is_drawn_second_by_second() {
        assert_eq!(Timeline::new(&record(3_605)).every, 1);
    }

    #[test]
    fn sign_ons_are_wanted_as_the_stages_say() {
        let stage = |starts_s, duration_s, clients, arrivals: &str| StageInfo {
            starts_s,
            duration_s,
            clients,
            signon_arrivals: arrivals.into(),
            ..StageInfo::default()
        };
        let stages = [
            stage(0.0, 10.0, 500, "constant"),
            stage(10.0, 5.0, 200, "constant"),
            stage(15.0, 5.0, 230, "at_once"),
        ];
        let wanted: Vec<f64> =
            [0, 9, 10, 15, 16].iter().map(|at| wanted_sign_ons(&stages, &second(*at, 0, 0))).collect();
        assert_eq!(wanted, [50.0, 50.0, 0.0, 30.0, 0.0]);
    }
}
