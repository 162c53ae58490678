//! How many instructions decoding, encoding and recording take, counted by Valgrind's Callgrind: unlike times, these
//! do not depend on the machine's mood. `counts.json` has what they were, and `.ci/instructions` compares.
#![allow(clippy::unwrap_used, reason = "what a bench cannot do without, it may panic over")]
#![allow(missing_docs, reason = "gungraun's macros make functions without")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use wtsp_load::metrics::{Metric, Recorder, Sample, Tally};
use wtsp_load::protocol::{Dialect, Reading, RequestName, decode_from_core};

#[path = "../support/second.rs"]
mod second;
#[allow(dead_code, reason = "the other benches need more of it")]
#[path = "../codec/texts.rs"]
mod texts;

use second::{a_busy_second, latencies, sample};
use texts::{KeyOrder, Outgoing, Received, Sent};

fn received(kind: Received, dialect: Dialect) -> Vec<String> {
    texts::received(kind, dialect, KeyOrder::Alphabetical)
}

fn received_mix(dialect: Dialect) -> Vec<String> {
    texts::received_mix(dialect, KeyOrder::Alphabetical)
}

/// What a client sends, and room to write it to.
struct Sending {
    dialect: Dialect,
    messages: Vec<Outgoing>,
    out: Vec<u8>,
}

/// Each has been sent once before: what is made at the first use, as the keepalive is, is paid once a run.
fn sending(dialect: Dialect, mut messages: Vec<Outgoing>) -> Sending {
    let mut out = Vec::with_capacity(1 << 16);
    messages.iter_mut().for_each(|message| message.encode(dialect, &mut out));
    Sending { dialect, messages, out }
}

#[library_benchmark]
#[bench::mix_flat(received_mix(Dialect::Flat))]
#[bench::mix_nested(received_mix(Dialect::Nested))]
#[bench::incoming_call_flat(received(Received::IncomingCall, Dialect::Flat))]
#[bench::incoming_call_nested(received(Received::IncomingCall, Dialect::Nested))]
fn decode(texts: Vec<String>) -> Vec<String> {
    for text in &texts {
        let _ = black_box(decode_from_core(black_box(text), Reading::Tolerant));
    }
    texts
}

#[library_benchmark]
#[bench::mix_flat(sending(Dialect::Flat, texts::sent_mix(Dialect::Flat)))]
#[bench::mix_nested(sending(Dialect::Nested, texts::sent_mix(Dialect::Nested)))]
#[bench::outgoing_call_flat(sending(Dialect::Flat, texts::sent(Sent::OutgoingCall, Dialect::Flat)))]
#[bench::outgoing_call_nested(sending(Dialect::Nested, texts::sent(Sent::OutgoingCall, Dialect::Nested)))]
fn encode(mut sending: Sending) -> Sending {
    for message in &mut sending.messages {
        black_box(message).encode(sending.dialect, &mut sending.out);
        black_box(&sending.out);
    }
    sending
}

/// A thousand latencies, for a recorder that has recorded such before.
fn thousand(metric: Metric) -> (Recorder, Vec<Sample>) {
    let mut recorder = Recorder::default();
    a_busy_second(&mut recorder);
    (recorder, latencies().take(1_000).map(|latency| sample(metric, latency)).collect())
}

#[library_benchmark]
#[bench::thousand(thousand(Metric::Setup))]
fn record_sample((mut recorder, samples): (Recorder, Vec<Sample>)) -> (Recorder, Vec<Sample>) {
    for sample in &samples {
        recorder.sample(*black_box(sample));
    }
    (recorder, samples)
}

/// The same, with room for a flow.
fn thousand_of_flow() -> (Recorder, Vec<Sample>) {
    let (mut recorder, samples) = thousand(Metric::Setup);
    samples.iter().for_each(|sample| recorder.sample_of_flow(3, *sample));
    (recorder, samples)
}

#[library_benchmark]
#[bench::thousand(thousand_of_flow())]
fn record_sample_of_flow((mut recorder, samples): (Recorder, Vec<Sample>)) -> (Recorder, Vec<Sample>) {
    for sample in &samples {
        recorder.sample_of_flow(3, *black_box(sample));
    }
    (recorder, samples)
}

#[library_benchmark]
#[bench::thousand(thousand(Metric::Alert))]
fn record_service((mut recorder, samples): (Recorder, Vec<Sample>)) -> (Recorder, Vec<Sample>) {
    for sample in &samples {
        let sample = black_box(sample);
        recorder.service(Metric::Alert, sample.sent, sample.done);
    }
    (recorder, samples)
}

#[library_benchmark]
#[bench::thousand(thousand(Metric::Ack))]
fn record_ack((mut recorder, samples): (Recorder, Vec<Sample>)) -> (Recorder, Vec<Sample>) {
    for sample in &samples {
        let sample = black_box(sample);
        recorder.ack(RequestName::Hangup, sample.sent, sample.done);
    }
    (recorder, samples)
}

/// A worker's full recorder and an emptied tally for it; the collector's total.
fn full() -> (Recorder, Tally, Tally) {
    let mut recorder = Recorder::default();
    a_busy_second(&mut recorder);
    let mut spare = recorder.swap(Tally::default());
    a_busy_second(&mut recorder);
    let mut total = Tally::default();
    total.add(&spare);
    spare.clear();
    (recorder, spare, total)
}

#[library_benchmark]
#[bench::busy_second(full())]
fn swap((mut recorder, spare, total): (Recorder, Tally, Tally)) -> (Recorder, Tally, Tally) {
    let full = recorder.swap(black_box(spare));
    (recorder, full, total)
}

#[library_benchmark]
#[bench::busy_second(full())]
fn merge_and_empty((mut recorder, spare, mut total): (Recorder, Tally, Tally)) -> (Recorder, Tally, Tally) {
    let mut full = recorder.swap(black_box(spare));
    total.add(&full);
    full.clear();
    (recorder, full, total)
}

library_benchmark_group!(name = codec, benchmarks = [decode, encode]);
library_benchmark_group!(
    name = recorder,
    benchmarks = [record_sample, record_sample_of_flow, record_service, record_ack, swap, merge_and_empty]
);
main!(library_benchmark_groups = [codec, recorder]);
