//! What measuring costs: recording one sample, and handing a second's tally to the collector.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wtsp_load::law::Time;
use wtsp_load::metrics::{Metric, Outcome, Recorder, Tally};
use wtsp_load::protocol::RequestName;

#[path = "../tests/support/counting.rs"]
mod counting;
#[path = "support/second.rs"]
mod second;

use counting::allocations;
use second::{a_busy_second, latencies, sample};

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(1));
    let mut recorder = Recorder::default();
    let mut next = latencies().map(|latency| sample(Metric::Setup, latency));
    group.bench_function("sample_from_due_and_from_sent", |bencher| {
        bencher.iter(|| next.next().map(|sample| recorder.sample(black_box(sample))));
    });
    let mut next = latencies().map(|latency| sample(Metric::Setup, latency));
    group.bench_function("sample_in_total_and_by_flow", |bencher| {
        bencher.iter(|| next.next().map(|sample| recorder.sample_of_flow(3, black_box(sample))));
    });
    let mut next = latencies();
    group.bench_function("service_from_sent", |bencher| {
        bencher.iter(|| {
            let done = next.next().map_or(Time::ZERO, |latency| Time::ZERO + latency);
            recorder.service(Metric::Alert, Time::ZERO, black_box(done));
        });
    });
    let mut next = latencies();
    group.bench_function("ack_in_total_and_by_request", |bencher| {
        bencher.iter(|| {
            let done = next.next().map_or(Time::ZERO, |latency| Time::ZERO + latency);
            recorder.ack(RequestName::Hangup, Time::ZERO, black_box(done));
        });
    });
    group.bench_function("outcome", |bencher| {
        bencher.iter(|| recorder.counters().end(black_box(Outcome::Answered)));
    });
    group.finish();
}

/// Once a second and worker: the worker swaps, the collector merges and empties.
fn hand_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hand_over");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).sample_size(20);
    let mut recorder = Recorder::default();
    let mut spare = Some(Tally::default());
    group.bench_function("swap", |bencher| {
        bencher.iter(|| spare = spare.take().map(|empty| recorder.swap(empty)));
    });
    let mut busy = Recorder::default();
    a_busy_second(&mut busy);
    let busy = busy.swap(Tally::default());
    let mut total = Tally::default();
    group.bench_function("merge_a_busy_second", |bencher| bencher.iter(|| total.add(black_box(&busy))));
    let idle = Tally::default();
    group.bench_function("merge_an_idle_second", |bencher| bencher.iter(|| total.add(black_box(&idle))));
    group.bench_function("fill_swap_merge_and_empty_a_busy_second", |bencher| {
        let mut recorder = Recorder::default();
        let mut spare = Some(Tally::default());
        bencher.iter(|| {
            a_busy_second(&mut recorder);
            spare = spare.take().map(|empty| {
                let mut full = recorder.swap(empty);
                total.add(&full);
                full.clear();
                full
            });
        });
    });
    group.finish();
}

/// Not a time: how often a busy second asks for memory, printed.
fn memory(_: &mut Criterion) {
    let mut recorder = Recorder::default();
    let asked = allocations(|| a_busy_second(&mut recorder));
    println!("allocations in a busy second of {} samples: {asked}", 1_000 * 24);
}

criterion_group!(recorder, memory, record, hand_over);
criterion_main!(recorder);
