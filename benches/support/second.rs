//! What a worker records.

use std::time::Duration;

use wtsp_load::law::Time;
use wtsp_load::metrics::{Metric, Outcome, Recorder, Sample};
use wtsp_load::protocol::RequestName;

/// Latencies that fall into many cells of a histogram, as real ones do: 1 µs to about a tenth of a second.
pub fn latencies() -> impl Iterator<Item = Duration> {
    let mut micros = 1_u64;
    std::iter::repeat_with(move || {
        micros = (micros * 48_271) % 100_003;
        Duration::from_micros(micros)
    })
}

pub fn sample(metric: Metric, latency: Duration) -> Sample {
    let due = Time::ZERO + Duration::from_secs(1);
    Sample { metric, due, sent: due + Duration::from_micros(90), done: due + latency }
}

/// What a worker records in a second with some 1000 calls.
pub fn a_busy_second(recorder: &mut Recorder) {
    for latency in latencies().take(1_000) {
        let counters = recorder.counters();
        counters.due += 1;
        counters.started += 1;
        counters.end(Outcome::Answered);
        let due = Time::ZERO + Duration::from_secs(1);
        let done = due + latency;
        for metric in [Metric::Ringback, Metric::Setup] {
            recorder.sample(sample(metric, latency));
        }
        for metric in [Metric::Lag, Metric::Alert, Metric::Answer, Metric::Release, Metric::ReleaseRemote] {
            recorder.service(metric, due, done);
        }
        for request in [RequestName::OutgoingCall, RequestName::Accept, RequestName::Hangup] {
            recorder.ack(request, due, done);
        }
        for _ in 0..14 {
            recorder.ack(RequestName::IceTrickle, due, done);
        }
    }
}
