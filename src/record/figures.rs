//! The figures of `run.json` by their names: of a run that has ended, and of a part of one as it is added up.

use serde::Serialize;
use serde_json::Value;

use super::fold::Figures;
use super::histogram::{Decoder, quantile};
use super::kpi::{Basis, Kpi, calling_us, closes_per_1000_connection_hours};
use super::{
    Clients, Counted, Generator, HistogramError, Interval, Latencies, RunHeader, RunRecord, StoredHistogram,
    StoredInterval, Summary,
};
use crate::metrics::{LatencyHistogram, Tally};
use crate::profile::{Figure, Kind, Origin, Part, Statistic, Threshold};

/// What a figure that is more than a count has to rest on before it ends a run early: so many latencies, attempts or
/// calls.
const ENOUGH: u64 = 20;

/// The same for closes per connection time: an hour of it, in microseconds.
const ENOUGH_CONNECTED_US: u64 = 3_600_000_000;

/// Those parts of `run.json` in which a threshold finds its figure, latencies left out.
#[derive(Serialize)]
struct Plain<'a> {
    duration_us: u64,
    mean_hold_us: Option<u64>,
    clients: &'a Clients,
    #[serde(flatten)]
    counted: &'a Counted,
    attempts_unintended: u64,
    closes_per_1000_connection_hours: Option<f64>,
    kpi: &'a Kpi,
    generator: &'a Generator,
}

impl Plain<'_> {
    fn find(&self, name: &str) -> Option<f64> {
        let tree = serde_json::to_value(self).ok()?;
        let mut at = &tree;
        for (index, part) in name.split('.').enumerate() {
            at = match at {
                Value::Array(list) => return Some(in_list(list, part)),
                Value::Object(map) if part == "total" && index > 0 => return Some(total(map.values())),
                // The figure has a name of `run.json`, so what is missing was counted zero times.
                Value::Object(map) => match map.get(part) {
                    Some(value) => value,
                    None => return Some(0.0),
                },
                _ => return None,
            };
        }
        at.as_f64()
    }
}

fn total<'a>(values: impl Iterator<Item = &'a Value>) -> f64 {
    // An empty sum of floats is -0.
    values.filter_map(Value::as_f64).sum::<f64>() + 0.0
}

/// How many of a list of counts are of a kind: of all that stands beside the count, one thing is `part`.
fn in_list(list: &[Value], part: &str) -> f64 {
    let is = |value: &Value| match value {
        Value::String(text) => text == part,
        Value::Number(number) => number.to_string() == part,
        _ => false,
    };
    let of_kind = |one: &&Value| {
        let keys = ["cause", "code", "initiator", "phase"];
        part == "total" || keys.iter().any(|key| one.get(key).is_some_and(is))
    };
    total(list.iter().filter(of_kind).filter_map(|one| one.get("count")))
}

impl Summary {
    fn figure(&self, statistic: Statistic) -> Option<f64> {
        let micros = match statistic {
            Statistic::Count => Some(self.count),
            Statistic::Min => self.min,
            Statistic::Mean => return self.mean,
            Statistic::P50 => self.p50,
            Statistic::P90 => self.p90,
            Statistic::P99 => self.p99,
            Statistic::P999 => self.p999,
            Statistic::Max => self.max,
            Statistic::OverRange => Some(self.over_range),
        };
        micros.map(|micros| micros as f64)
    }
}

impl RunRecord {
    /// What a figure came to, in its own unit; `None` where nothing can be said: there was nothing to measure, or a
    /// latency lies beyond the range.
    pub fn figure(&self, figure: &Figure) -> Option<f64> {
        let origin = figure.origin();
        match origin.statistic() {
            Some(statistic) => {
                let summary = self.latency.of(origin).copied().unwrap_or_default();
                summary.figure(statistic)
            }
            None => Plain {
                duration_us: self.duration_us,
                mean_hold_us: self.mean_hold_us,
                clients: &self.clients,
                counted: &self.counted,
                attempts_unintended: self.attempts_unintended,
                closes_per_1000_connection_hours: self.closes_per_1000_connection_hours,
                kpi: &self.kpi,
                generator: &self.generator,
            }
            .find(figure.name()),
        }
    }
}

impl<H> Latencies<H> {
    /// Those that a figure comes from; `None` if it does not come from latencies, or nothing was measured.
    fn of(&self, origin: Origin) -> Option<&H> {
        match origin {
            Origin::Latency(metric, part, _) => self.metrics.get(metric.name())?.part(part),
            Origin::FlowLatency(flow, metric, part, _) => {
                self.by_flow.get(flow.name())?.get(metric.name())?.part(part)
            }
            Origin::Ack(request, _) => self.ack_by_request.get(request.name()),
            Origin::Counted => None,
        }
    }
}

/// The latencies of a tally that a figure comes from.
fn measured(tally: &Tally, origin: Origin) -> Option<&LatencyHistogram> {
    let (latency, part) = match origin {
        Origin::Latency(metric, part, _) => (tally.latencies.get(metric.index())?, part),
        Origin::FlowLatency(flow, metric, part, _) => {
            (tally.by_flow.get(flow.index())?.get(metric.index())?, part)
        }
        Origin::Ack(request, _) => return tally.acks.get(request.index()),
        Origin::Counted => return None,
    };
    match part {
        Part::Response => latency.response.as_ref(),
        Part::Service => Some(&latency.service),
    }
}

/// The figure of a threshold, added up over those seconds of a run that it is about.
///
/// A call that was due in them and has not ended is left out of ratios, as it has no outcome yet.
pub struct Window {
    figure: Figure,
    header: RunHeader,
    /// The stage whose seconds count; with `Some(None)` there is no such stage.
    stage: Option<Option<u32>>,
    from_us: u64,
    seconds: u64,
    latency: LatencyHistogram,
    figures: Figures,
    calling_us: u64,
    decoder: Decoder,
}

impl Window {
    /// An empty one, for the figure of `threshold` in a run that is described by `header`.
    pub fn new(threshold: &Threshold, header: &RunHeader) -> Window {
        let place = |name: &String| header.stages.iter().position(|stage| stage.name == *name);
        let stage = threshold.stage.as_ref().map(place);
        let starts = stage.flatten().and_then(|stage| header.stages.get(stage));
        let starts_us = starts.map_or(0, |stage| (stage.starts_s * 1e6).round() as u64);
        Window {
            figure: threshold.figure.clone(),
            header: header.clone(),
            stage: stage.map(|stage| stage.map(|stage| stage as u32)),
            from_us: if threshold.warm_up.is_zero() {
                0
            } else {
                starts_us + threshold.warm_up.as_micros() as u64
            },
            seconds: 0,
            latency: LatencyHistogram::default(),
            figures: Figures::default(),
            calling_us: 0,
            decoder: Decoder::default(),
        }
    }

    /// Adds a second that was stored, if it belongs here, and tells whether it does.
    ///
    /// # Errors
    /// Its histogram is damaged.
    pub fn add(&mut self, second: &StoredInterval) -> Result<bool, HistogramError> {
        if !self.is_about(second) {
            return Ok(false);
        }
        let stored: Option<&StoredHistogram> = second.latency.of(self.figure.origin());
        stored.map_or(Ok(()), |stored| self.decoder.add(stored, &mut self.latency))?;
        self.add_figures(second);
        Ok(true)
    }

    /// Adds a second as it was measured, if it belongs here, and tells whether it does.
    pub fn add_measured(&mut self, interval: &Interval) -> bool {
        let second = StoredInterval::without_latencies(interval);
        if !self.is_about(&second) {
            return false;
        }
        measured(&interval.tally, self.figure.origin())
            .into_iter()
            .for_each(|latency| self.latency.add(latency));
        self.add_figures(&second);
        true
    }

    fn is_about(&self, second: &StoredInterval) -> bool {
        self.stage.is_none_or(|stage| stage.is_some() && stage == second.stage)
            && second.at_us >= self.from_us
    }

    fn add_figures(&mut self, second: &StoredInterval) {
        self.seconds += 1;
        self.calling_us += calling_us(&self.header.stages, second.at_us, second.at_us + second.length_us);
        if self.figure.origin() == Origin::Counted {
            self.figures.add(second);
        }
    }

    /// What the figure has come to; `None` where nothing can be said yet.
    pub fn found(&self) -> Option<f64> {
        if self.seconds == 0 || self.figure.is_whole_only() {
            return None;
        }
        match self.figure.origin().statistic() {
            Some(statistic) => self.latency_figure(statistic),
            None => self.counted_figure(),
        }
    }

    /// One figure of the latencies. Only what is asked for is looked up: this is done every second.
    fn latency_figure(&self, statistic: Statistic) -> Option<f64> {
        let quantile = |q| quantile(&self.latency, q).map(|micros| micros as f64);
        match statistic {
            Statistic::P50 => quantile(0.5),
            Statistic::P90 => quantile(0.9),
            Statistic::P99 => quantile(0.99),
            Statistic::P999 => quantile(0.999),
            _ => Summary::from(&self.latency).figure(statistic),
        }
    }

    fn counted_figure(&self) -> Option<f64> {
        let figures = &self.figures;
        let kpi = Kpi::of(
            &figures.counted,
            &figures.signons,
            self.header.mean_hold_us,
            self.calling_us,
            Basis::SoFar,
        );
        Plain {
            duration_us: figures.length_us,
            mean_hold_us: self.header.mean_hold_us,
            clients: &figures.clients(&self.header),
            counted: &figures.counted,
            attempts_unintended: figures.counted.attempts_unintended(),
            closes_per_1000_connection_hours: closes_per_1000_connection_hours(&figures.counted),
            kpi: &kpi,
            generator: &figures.generator(),
        }
        .find(self.figure.name())
    }

    /// Whether there is enough to judge by before the run has ended: a percentile of three calls says little.
    pub fn is_enough(&self) -> bool {
        let counted = &self.figures.counted;
        match (self.figure.origin().statistic(), self.figure.kind(), self.figure.name()) {
            (_, Kind::Count, _) => true,
            (Some(_), ..) => self.latency.count() >= ENOUGH,
            (_, Kind::Percent, "kpi.ira") => {
                self.figures.signons.signed_on + self.figures.signons.signon_failed >= ENOUGH
            }
            (_, Kind::Percent, "kpi.scr") | (_, Kind::Seconds, _) => counted.calls.ended >= ENOUGH,
            (_, Kind::Percent, _) => counted.attempts.with_outcome() >= ENOUGH,
            (_, _, "closes_per_1000_connection_hours") => counted.connected_us >= ENOUGH_CONNECTED_US,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ByName, Disconnects, SignonFailures};

    fn found(counted: &Counted, name: &str) -> Option<f64> {
        let clients = Clients::default();
        let (kpi, generator) = (Kpi::default(), Generator::default());
        Plain {
            duration_us: 0,
            mean_hold_us: None,
            clients: &clients,
            counted,
            attempts_unintended: 0,
            closes_per_1000_connection_hours: None,
            kpi: &kpi,
            generator: &generator,
        }
        .find(Figure::parse(name).expect("a figure").name())
    }

    #[test]
    fn counts_are_found_by_name_and_their_sum_as_total() {
        let closes = |code, initiator: &str, phase: &str, count| Disconnects {
            code,
            name: String::new(),
            class: String::new(),
            initiator: initiator.to_owned(),
            phase: phase.to_owned(),
            count,
        };
        let failures = |cause: &str, status, count| SignonFailures { cause: cause.to_owned(), status, count };
        let counted = Counted {
            hangups: ByName::from([("200".to_owned(), 7), ("486".to_owned(), 2)]),
            disconnects: vec![
                closes(1000, "client", "draining", 5),
                closes(4502, "server", "idle", 2),
                closes(4502, "server", "in_call", 1),
            ],
            signon_failures: vec![failures("http", Some(503), 3), failures("tls", None, 1)],
            ..Counted::default()
        };
        let expected = [
            ("hangups.486", 2.0),
            ("hangups.total", 9.0),
            ("hangups.503", 0.0),
            ("disconnects.total", 8.0),
            ("disconnects.4502", 3.0),
            ("disconnects.server", 3.0),
            ("disconnects.in_call", 1.0),
            ("disconnects.network", 0.0),
            ("signon_failures.http", 3.0),
            ("signon_failures.total", 4.0),
            ("attempts_failed.total", 0.0),
            ("events.accepted", 0.0),
            ("requests.sent.total", 0.0),
        ];
        for (name, count) in expected {
            assert_eq!(found(&counted, name), Some(count), "{name}");
        }
        assert_eq!(found(&counted, "kpi.seer"), None);
        let nothing = found(&Counted::default(), "disconnects.server").expect("a count");
        assert!(nothing.is_sign_positive(), "nothing is written as 0, not as -0");
    }
}
