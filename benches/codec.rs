//! What decoding and encoding cost: every message of both dialects, the mix of a call flow, and floors measured on
//! the same bytes in the same run, so that ratios hold on any machine.
//!
//! `cargo bench --bench codec -- mix` runs the mix and its floors alone.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it may panic over")]
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wtsp_load::protocol::{Dialect, FromClient, FromCore, Reading, decode_from_client, decode_from_core};

#[path = "../tests/support/counting.rs"]
mod counting;
#[path = "support/mix.rs"]
mod mix_of_messages;
#[path = "../tests/support/vectors.rs"]
mod vectors;

use counting::allocations;
use mix_of_messages::{received, sent};
use vectors::{Vector, vectors};

const DIALECTS: [Dialect; 2] = [Dialect::Nested, Dialect::Flat];

enum Message<'a> {
    Core(FromCore<'a>),
    Client(FromClient<'a>),
}

fn decode(vector: &Vector) -> Option<Message<'_>> {
    if vector.is_from_client() && !vector.name.ends_with("echo") {
        decode_from_client(&vector.text, Reading::Tolerant)
            .ok()
            .map(|decoded| Message::Client(decoded.message))
    } else {
        decode_from_core(&vector.text, Reading::Tolerant).ok().map(|decoded| Message::Core(decoded.message))
    }
}

fn encode(message: &Message<'_>, dialect: Dialect, out: &mut Vec<u8>) {
    match message {
        Message::Core(message) => message.encode(dialect, out).unwrap(),
        Message::Client(message) => message.encode(dialect, out).unwrap(),
    }
}

/// One vector for each message of a dialect: the one with the shortest name, which is the plain case.
fn plain_cases(dialect: Dialect) -> Vec<Vector> {
    let mut cases = BTreeMap::<String, Vector>::new();
    for vector in vectors().into_iter().filter(|vector| vector.dialect == dialect) {
        let message = vector.name.splitn(3, '-').take(2).collect::<Vec<_>>().join("-");
        let case = cases.entry(message).or_insert_with(|| vector.clone());
        if vector.name.len() < case.name.len() {
            *case = vector;
        }
    }
    cases.into_values().collect()
}

fn named(dialect: Dialect, names: &[&str]) -> Vec<Vector> {
    let all = vectors();
    let find = |name: &&str| all.iter().find(|vector| vector.dialect == dialect && vector.name == *name);
    names.iter().map(|name| find(name).unwrap().clone()).collect()
}

fn every_message(criterion: &mut Criterion) {
    for dialect in DIALECTS {
        let cases = plain_cases(dialect);
        let mut group = criterion.benchmark_group(format!("decode/{dialect}"));
        group
            .warm_up_time(Duration::from_millis(50))
            .measurement_time(Duration::from_millis(150))
            .sample_size(20);
        for case in &cases {
            group.throughput(Throughput::Bytes(case.text.len() as u64));
            group.bench_function(&case.name, |bencher| bencher.iter(|| decode(black_box(case))));
        }
        group.finish();

        let mut group = criterion.benchmark_group(format!("encode/{dialect}"));
        group
            .warm_up_time(Duration::from_millis(50))
            .measurement_time(Duration::from_millis(150))
            .sample_size(20);
        let mut out = Vec::with_capacity(1 << 16);
        for case in &cases {
            let message = decode(case).unwrap();
            encode(&message, dialect, &mut out);
            group.throughput(Throughput::Bytes(out.len() as u64));
            group.bench_function(&case.name, |bencher| {
                bencher.iter(|| encode(black_box(&message), dialect, &mut out));
            });
        }
        group.finish();
    }
}

/// Per message of the mix: divide by the 13 it has.
fn mix(criterion: &mut Criterion) {
    for dialect in DIALECTS {
        let received = named(dialect, &received(dialect));
        let sent = named(dialect, &sent(dialect));
        let bytes =
            |vectors: &[Vector]| Throughput::Bytes(vectors.iter().map(|it| it.text.len() as u64).sum());

        let mut group = criterion.benchmark_group(format!("mix/decode/{dialect}"));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.throughput(bytes(&received));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| received.iter().filter_map(|text| decode(black_box(text))).count());
        });
        group.bench_function("decode_strictly", |bencher| {
            bencher.iter(|| {
                received
                    .iter()
                    .filter(|it| decode_from_core(black_box(&it.text), Reading::Strict).is_ok())
                    .count()
            });
        });
        floors(&mut group, &received);
        group.finish();

        let messages: Vec<_> = sent.iter().filter_map(decode).collect();
        let mut out = Vec::with_capacity(1 << 16);
        let mut group = criterion.benchmark_group(format!("mix/encode/{dialect}"));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.throughput(bytes(&sent));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    encode(black_box(message), dialect, &mut out);
                    black_box(&out);
                }
            });
        });
        floors(&mut group, &sent);
        group.finish();
    }
}

/// What any codec must do at least: look at each byte, find each quote, copy each byte.
fn floors(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, texts: &[Vector]) {
    group.bench_function("floor_look_for_an_absent_byte", |bencher| {
        bencher.iter(|| texts.iter().filter(|it| black_box(it.text.as_bytes()).contains(&1)).count());
    });
    group.bench_function("floor_count_quotes", |bencher| {
        let quotes =
            |text: &Vector| black_box(text.text.as_bytes()).iter().filter(|byte| **byte == b'"').count();
        bencher.iter(|| texts.iter().map(quotes).sum::<usize>());
    });
    group.bench_function("floor_copy", |bencher| {
        let mut out = Vec::with_capacity(1 << 16);
        bencher.iter(|| {
            for text in texts {
                out.clear();
                out.extend_from_slice(black_box(text.text.as_bytes()));
                black_box(&out);
            }
        });
    });
}

/// Not a time: how often each message asks for memory, printed.
fn memory(_: &mut Criterion) {
    println!("allocations per message (decode, encode into a warm buffer); messages not listed: none");
    let mut out = Vec::with_capacity(1 << 16);
    for dialect in DIALECTS {
        for case in plain_cases(dialect) {
            let decoding = allocations(|| drop(black_box(decode(&case))));
            let message = decode(&case).unwrap();
            let encoding = allocations(|| encode(&message, dialect, &mut out));
            if decoding + encoding > 0 {
                println!("  {dialect:6} {:40} {decoding:3} {encoding:3}", case.name);
            }
        }
    }
}

criterion_group!(codec, memory, mix, every_message);
criterion_main!(codec);
