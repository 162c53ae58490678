//! Latencies by metric, and by flow.

use super::{LatencyHistogram, Metric};

/// The latencies of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    /// From the due time; for metrics that have one.
    pub response: Option<LatencyHistogram>,
    /// From the time sent.
    pub service: LatencyHistogram,
}

impl Latency {
    /// An empty one for each metric, by [`Metric::index`].
    pub(super) fn of_each() -> Vec<Latency> {
        let latency = |metric: &Metric| Latency {
            response: metric.has_response().then(LatencyHistogram::default),
            service: LatencyHistogram::default(),
        };
        Metric::ALL.iter().map(latency).collect()
    }

    /// Records one of so many microseconds from due and from sent.
    #[inline]
    pub(super) fn record(&mut self, response: u64, service: u64) {
        self.service.record(service);
        if let Some(responses) = &mut self.response {
            responses.record(response);
        }
    }

    /// Adds all that `other` holds.
    pub(super) fn add(&mut self, other: &Latency) {
        self.service.add(&other.service);
        if let (Some(mine), Some(theirs)) = (&mut self.response, &other.response) {
            mine.add(theirs);
        }
    }

    /// Forgets everything, and keeps the room for as much again.
    pub(super) fn clear(&mut self) {
        self.service.clear();
        if let Some(response) = &mut self.response {
            response.clear();
        }
    }

    fn is_empty(&self) -> bool {
        self.service.count() == 0 && self.response.as_ref().is_none_or(|response| response.count() == 0)
    }
}

/// The latencies of calls by their flow. A flow is known by its place in an array of one value a flow.
///
/// It has room for those flows only of which something was recorded, made with the first such latency and kept when it
/// is emptied: as a [`LatencyHistogram`] does with its powers of two.
#[derive(Clone, Debug, Default)]
pub struct FlowLatencies {
    flows: Vec<Vec<Latency>>,
}

impl FlowLatencies {
    /// Those of a flow, by [`Metric::index`]; `None` if there never were any.
    pub fn get(&self, flow: usize) -> Option<&[Latency]> {
        self.flows.get(flow).map(Vec::as_slice).filter(|latencies| !latencies.is_empty())
    }

    /// Those of a flow, by [`Metric::index`], to add to.
    #[inline]
    pub fn of(&mut self, flow: usize) -> &mut [Latency] {
        if self.flows.get(flow).is_none_or(Vec::is_empty) {
            self.make_room(flow);
        }
        &mut self.flows[flow]
    }

    #[cold]
    fn make_room(&mut self, flow: usize) {
        if self.flows.len() <= flow {
            self.flows.resize_with(flow + 1, Vec::new);
        }
        self.flows[flow] = Latency::of_each();
    }

    /// Adds all that `other` holds.
    pub(super) fn add(&mut self, other: &FlowLatencies) {
        let filled = other.flows.iter().enumerate().filter(|(_, latencies)| !latencies.is_empty());
        for (flow, theirs) in filled {
            self.of(flow).iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.add(theirs));
        }
    }

    /// Forgets everything, and keeps the room for as much again.
    pub(super) fn clear(&mut self) {
        self.flows.iter_mut().flatten().for_each(Latency::clear);
    }
}

impl PartialEq for FlowLatencies {
    /// Room for more makes no difference.
    fn eq(&self, other: &FlowLatencies) -> bool {
        let latency = |of: &FlowLatencies, flow, metric: &Metric| {
            let latency = of.get(flow).map(|latencies| &latencies[metric.index()]);
            latency.filter(|latency| !latency.is_empty()).cloned()
        };
        let flows = 0..self.flows.len().max(other.flows.len());
        flows.into_iter().all(|flow| {
            Metric::ALL.iter().all(|metric| latency(self, flow, metric) == latency(other, flow, metric))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::law::Time;
    use crate::metrics::{Recorder, Sample, Tally};

    const FLOWS: usize = 5;
    const METRICS: [Metric; 4] = [Metric::Setup, Metric::Ringback, Metric::Release, Metric::Hold];

    /// A latency of a call: its flow, and the worker that records it.
    fn recorded() -> impl Strategy<Value = (usize, usize, Metric, u64)> {
        let micros = (0_u32..34, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits));
        (0_usize..3, 0..FLOWS, prop::sample::select(&METRICS[..]), micros)
    }

    fn record(recorder: &mut Recorder, flow: usize, metric: Metric, micros: u64) {
        let sent = Time::ZERO + Duration::from_micros(700);
        let done = sent + Duration::from_micros(micros);
        if metric.has_response() {
            recorder.sample_of_flow(flow, Sample { metric, due: Time::ZERO, sent, done });
        } else {
            recorder.service_of_flow(flow, metric, sent, done);
        }
    }

    /// All flows of a tally, added up.
    fn sum(tally: &Tally) -> Vec<Latency> {
        let mut sum = Latency::of_each();
        for latencies in (0..FLOWS).filter_map(|flow| tally.by_flow.get(flow)) {
            sum.iter_mut().zip(latencies).for_each(|(sum, latency)| sum.add(latency));
        }
        sum
    }

    proptest! {
        #[test]
        fn the_flows_add_up_to_the_metric_on_any_number_of_workers(
            samples in prop::collection::vec(recorded(), 0..60),
        ) {
            let mut alone = Recorder::default();
            let mut workers: Vec<Recorder> = (0..3).map(|_| Recorder::default()).collect();
            for &(worker, flow, metric, micros) in &samples {
                record(&mut alone, flow, metric, micros);
                record(&mut workers[worker], flow, metric, micros);
            }
            let (mut there, mut back) = (Tally::default(), Tally::default());
            workers.iter().for_each(|worker| there.add(worker.tally()));
            workers.iter().rev().for_each(|worker| back.add(worker.tally()));
            prop_assert_eq!(&there, &back);
            prop_assert_eq!(&there, alone.tally());
            prop_assert_eq!(sum(&there), there.latencies.clone());
            // Nothing of one flow is in another's.
            for flow in 0..FLOWS {
                let of_flow = samples.iter().filter(|sample| sample.1 == flow).count() as u64;
                let kept = there.by_flow.get(flow).unwrap_or_default().iter();
                prop_assert_eq!(kept.map(|latency| latency.service.count()).sum::<u64>(), of_flow);
            }
        }

        #[test]
        fn a_cleared_one_is_an_empty_one(samples in prop::collection::vec(recorded(), 0..20)) {
            let mut recorder = Recorder::default();
            for (_, flow, metric, micros) in samples {
                record(&mut recorder, flow, metric, micros);
            }
            let mut tally = recorder.swap(Tally::default());
            tally.clear();
            prop_assert_eq!(tally, Tally::default());
        }
    }

    #[test]
    fn flows_differ_by_what_was_recorded_and_not_by_their_room() {
        let with = |flow: usize| {
            let mut flows = FlowLatencies::default();
            flows.of(flow)[Metric::Alert.index()].service.record(7);
            flows
        };
        let roomy = {
            let mut flows = with(1);
            flows.of(3);
            flows
        };
        assert_eq!(with(1), roomy);
        assert_ne!(with(1), with(3));
        assert_ne!(with(1), FlowLatencies::default());
    }
}
