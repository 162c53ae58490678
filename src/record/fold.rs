//! Adding seconds up to a run.

use super::health::HealthFold;
use super::histogram::Decoder;
use super::kpi::{Basis, Kpi, calling_us, closes_per_1000_connection_hours};
use super::littles_law::LittlesLawFold;
use super::{
    ByMetric, CallsCsv, Change, Clients, Control, ControlCounts, Counted, Generator, HistogramError,
    Interval, Intervals, Latencies, MetricLatency, RunEnd, RunHeader, RunRecord, SCHEMA_VERSION,
    SignonCounts, StoredHistogram, StoredInterval, Summary, Sums,
};
use crate::metrics::{Latency, Metric, Tally};
use crate::protocol::RequestName;
use crate::scenario::Flow;

/// Adds the seconds of a run up, in memory that does not grow with their number.
#[derive(Default)]
pub struct Fold {
    /// The latencies only; the counters are kept by their names.
    tally: Tally,
    figures: Figures,
    littles_law: LittlesLawFold,
    decoder: Decoder,
}

/// Everything but the latencies, added up.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) counted: Counted,
    pub(super) signons: SignonCounts,
    control: ControlCounts,
    peak: u64,
    pub(super) length_us: u64,
    changes: Vec<Change>,
    ends_us: u64,
    health: HealthFold,
}

impl Figures {
    /// Adds a second.
    pub(super) fn add(&mut self, stored: &StoredInterval) {
        self.counted.add(&stored.counted);
        self.signons.add(&stored.clients);
        self.control.add(&stored.control.counts);
        self.peak = self.peak.max(stored.gauges.signed_on);
        self.length_us += stored.length_us;
        self.changes.extend_from_slice(&stored.changes);
        self.ends_us = self.ends_us.max(stored.at_us + stored.length_us);
        self.health.add(&stored.health, stored.length_us);
    }

    pub(super) fn clients(&self, header: &RunHeader) -> Clients {
        Clients { planned: header.clients_planned, peak: self.peak, signons: self.signons }
    }

    /// What the seconds tell of the generator.
    pub(super) fn generator(&self) -> Generator {
        let control = Control { counts: self.control, ..Control::default() };
        Generator { late: self.counted.late, control, ..self.health.generator() }
    }
}

impl Fold {
    /// Nothing added yet of the run that is described by `header`.
    pub fn new(header: &RunHeader) -> Fold {
        let littles_law = LittlesLawFold::new(&header.stages, header.mean_busy_us);
        Fold { littles_law, ..Fold::default() }
    }

    /// Adds a second that was stored.
    ///
    /// # Errors
    /// One of its histograms is damaged.
    pub fn add(&mut self, stored: &StoredInterval) -> Result<(), HistogramError> {
        add_stored(&mut self.decoder, &stored.latency.metrics, &mut self.tally.latencies)?;
        for (flow, stored) in &stored.latency.by_flow {
            let Some(flow) = Flow::from_name(flow) else { continue };
            add_stored(&mut self.decoder, stored, self.tally.by_flow.of(flow.index()))?;
        }
        for (request, total) in RequestName::ALL.iter().zip(&mut self.tally.acks) {
            let stored: Option<&StoredHistogram> = stored.latency.ack_by_request.get(request.name());
            stored.map_or(Ok(()), |stored| self.decoder.add(stored, total))?;
        }
        self.figures.add(stored);
        self.littles_law.add(stored);
        Ok(())
    }

    /// Adds a second whose latencies are at hand: `tally` is what `stored` was made from.
    pub(super) fn add_measured(&mut self, stored: &StoredInterval, tally: &Tally) {
        self.tally.add_latencies(tally);
        self.figures.add(stored);
        self.littles_law.add(stored);
    }

    /// Adds a second as it was measured.
    pub fn add_interval(&mut self, interval: &Interval) {
        self.add_measured(&StoredInterval::without_latencies(interval), &interval.tally);
    }

    /// The latencies of all that was added; its counters are not used.
    pub fn latencies_so_far(&self) -> &Tally {
        &self.tally
    }

    /// The record of a run that goes on, up to now. What is under way has no outcome yet: it is in no ratio, and the
    /// sums are not looked at.
    pub fn so_far(&self, header: &RunHeader) -> RunRecord {
        let Figures { counted, signons, ends_us, .. } = &self.figures;
        let calling_us = calling_us(&header.stages, 0, *ends_us);
        RunRecord {
            kpi: Kpi::of(counted, signons, header.mean_hold_us, calling_us, Basis::SoFar),
            sums: Sums { hold: true, wrong: Vec::new() },
            ..self.finish(header, Some(&RunEnd::default()), Intervals::default())
        }
    }

    /// The record of the run; without an `end` it is that of a run that was killed.
    pub fn finish(&self, header: &RunHeader, end: Option<&RunEnd>, intervals: Intervals) -> RunRecord {
        let Figures { signons, ends_us, .. } = &self.figures;
        let mut counted = self.figures.counted.clone();
        let attempts = &mut counted.attempts;
        // A killed process could not say what became of the calls it had in flight: the run ended before they did.
        let cut_off = if end.is_none() { attempts.due.saturating_sub(attempts.ended()) } else { 0 };
        attempts.unfinished += cut_off;
        let after = end.map_or(&[][..], |end| &end.changes);
        let sessions = &mut counted.sessions;
        sessions.deleted += end.map_or(0, |end| end.sessions_deleted);
        sessions.delete_failed += end.map_or(0, |end| end.sessions_delete_failed);
        let latency = self.latencies();
        let generator = self.generator(header, end, cut_off);
        let calling_us = calling_us(&header.stages, 0, *ends_us);
        RunRecord {
            schema_version: SCHEMA_VERSION,
            tool: header.tool.clone(),
            profile: header.profile.clone(),
            target: header.target.clone(),
            started_at: header.started_at,
            ended_at: end.map_or(header.started_at + (ends_us / 1000) as i64, |end| end.ended_at),
            duration_us: *ends_us,
            interrupted: end.is_none_or(|end| end.interrupted),
            aborted_by: end.and_then(|end| end.aborted_by.clone()),
            changes: self.figures.changes.iter().chain(after).copied().collect(),
            environment: header.environment.clone(),
            clients: self.figures.clients(header),
            stages: header.stages.clone(),
            mean_hold_us: header.mean_hold_us,
            attempts_unintended: counted.attempts_unintended(),
            sums: Sums::of(&counted, signons),
            closes_per_1000_connection_hours: closes_per_1000_connection_hours(&counted),
            latency,
            kpi: Kpi::of(&counted, signons, header.mean_hold_us, calling_us, Basis::Whole),
            littles_law: self.littles_law.finish(),
            generator,
            thresholds: header.thresholds.clone(),
            calls_csv: header.calls_csv.map(|csv| CallsCsv { end: end.and_then(|end| end.calls_csv), ..csv }),
            kept_calls: end.and_then(|end| end.kept_calls),
            counted,
            intervals,
        }
    }

    /// The figures of all latencies; of metrics that were never measured, too.
    fn latencies(&self) -> Latencies<Summary> {
        let by_flow = Flow::ALL.iter().filter_map(|flow| {
            let mut measured = summaries(self.tally.by_flow.get(flow.index())?);
            measured.retain(|_, latency| latency.service.is_some_and(|service| service.count > 0));
            Some((flow.name().to_owned(), measured))
        });
        let acks = RequestName::ALL
            .iter()
            .zip(&self.tally.acks)
            .filter(|(_, latency)| latency.count() > 0)
            .map(|(request, latency)| (request.name().to_owned(), Summary::from(latency)));
        Latencies {
            ack_by_request: acks.collect(),
            by_flow: by_flow.filter(|(_, measured)| !measured.is_empty()).collect(),
            metrics: summaries(&self.tally.latencies),
        }
    }

    fn generator(&self, header: &RunHeader, end: Option<&RunEnd>, cut_off: u64) -> Generator {
        let generator = self.figures.generator();
        let own = |metric| Summary::from(self.tally.service(metric));
        let (keepalive_control, keepalive_twin) = (own(Metric::KeepaliveControl), own(Metric::KeepaliveTwin));
        Generator {
            lag: own(Metric::Lag),
            keepalive_lag: own(Metric::KeepaliveLag),
            timer_lag: own(Metric::TimerLag),
            handling: own(Metric::Handling),
            control: Control::new(
                header.control.clone(),
                generator.control.counts,
                &keepalive_control,
                &keepalive_twin,
            ),
            keepalive_control,
            keepalive_twin,
            rss_peak_bytes: end.and_then(|end| end.rss_peak_bytes).unwrap_or(generator.rss_peak_bytes),
            bytes_per_client: end.and_then(|end| end.bytes_per_client),
            fd_limit: header.fd_limit,
            workers: header.workers,
            cut_off,
            ..generator
        }
    }
}

/// Adds what is stored by metric to `totals`, by [`Metric::index`].
fn add_stored(
    decoder: &mut Decoder,
    stored: &ByMetric<StoredHistogram>,
    totals: &mut [Latency],
) -> Result<(), HistogramError> {
    for (metric, total) in Metric::ALL.iter().zip(totals) {
        let Some(stored) = stored.get(metric.name()) else { continue };
        let parts =
            [(&stored.response, total.response.as_mut()), (&stored.service, Some(&mut total.service))];
        for (stored, total) in parts {
            if let (Some(stored), Some(total)) = (stored, total) {
                decoder.add(stored, total)?;
            }
        }
    }
    Ok(())
}

/// The figures of `latencies`, which are by [`Metric::index`].
fn summaries(latencies: &[Latency]) -> ByMetric<Summary> {
    let metrics = Metric::ALL.iter().zip(latencies).map(|(metric, latency)| {
        let response = latency.response.as_ref().map(Summary::from);
        let service = Some(Summary::from(&latency.service));
        (metric.name().to_owned(), MetricLatency { response, service })
    });
    metrics.collect()
}
