//! A worker's own figures of the current second.

use std::mem;

use super::{Counters, Metric, Tally};
use crate::law::Time;
use crate::protocol::RequestName;

/// One latency, with the time it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What was measured.
    pub metric: Metric,
    /// When it was due to start.
    pub due: Time,
    /// When it did start: the request was written.
    pub sent: Time,
    /// When it was done: the answer came off the socket.
    pub done: Time,
}

/// A worker's figures of the current second. It belongs to one worker: recording takes no lock, waits for
/// nothing and allocates nothing, but for the first latency of a metric between two powers of two
/// (see [`LatencyHistogram`](super::LatencyHistogram)), and the first of a flow.
#[derive(Debug, Default)]
pub struct Recorder {
    tally: Tally,
}

impl Recorder {
    /// Records a latency that begins at a due time: as response from due and as service from sent.
    pub fn sample(&mut self, sample: Sample) {
        let Sample { metric, due, sent, done } = sample;
        self.tally.latencies[metric.index()].record(done.micros_since(due), done.micros_since(sent));
    }

    /// Records such a latency of a call: in total, and by the place of its flow.
    pub fn sample_of_flow(&mut self, flow: usize, sample: Sample) {
        let Sample { metric, due, sent, done } = sample;
        debug_assert!(metric.is_of_call(), "{metric} is not of a call");
        let (response, service) = (done.micros_since(due), done.micros_since(sent));
        self.tally.latencies[metric.index()].record(response, service);
        self.tally.by_flow.of(flow)[metric.index()].record(response, service);
    }

    /// Records a latency that begins when something was sent.
    pub fn service(&mut self, metric: Metric, sent: Time, done: Time) {
        self.tally.latencies[metric.index()].service.record(done.micros_since(sent));
    }

    /// Records such a latency of a call: in total, and by the place of its flow.
    pub fn service_of_flow(&mut self, flow: usize, metric: Metric, sent: Time, done: Time) {
        debug_assert!(metric.is_of_call(), "{metric} is not of a call");
        let micros = done.micros_since(sent);
        self.tally.latencies[metric.index()].service.record(micros);
        self.tally.by_flow.of(flow)[metric.index()].service.record(micros);
    }

    /// Records how long the response to a request took.
    pub fn ack(&mut self, request: RequestName, sent: Time, done: Time) {
        let micros = done.micros_since(sent);
        self.tally.latencies[Metric::Ack.index()].service.record(micros);
        self.tally.acks[request.index()].record(micros);
    }

    /// The figures so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The counters, for counting.
    pub fn counters(&mut self) -> &mut Counters {
        &mut self.tally.counters
    }

    /// Takes the full tally and goes on with `spare`, which must be empty.
    pub fn swap(&mut self, spare: Tally) -> Tally {
        debug_assert!(spare.counters == Counters::default(), "the spare must be empty");
        mem::replace(&mut self.tally, spare)
    }
}
