//! What decoding and encoding cost: every message of both dialects; then the mix of a call flow and the largest
//! messages beside floors measured on the same bytes in the same run, so that ratios hold on any machine.
//!
//! `cargo bench --bench codec -- ratios` prints the ratios alone, and `-- loop CASE CONTENDER TIMES` repeats one case, for
//! a profiler that counts instructions.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it may panic over")]
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use wtsp_load::protocol::{Dialect, FromClient, FromCore, Reading, decode_from_client, decode_from_core};

#[path = "../../tests/support/counting.rs"]
mod counting;
mod ratios;
mod texts;
#[path = "../../tests/support/vectors.rs"]
mod vectors;

use counting::allocations;
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

criterion_group!(codec, memory, every_message);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["loop", case, contender, times] => ratios::repeat(case, contender, times.parse().unwrap()),
        ["ratios"] => ratios::print(false),
        _ => {
            codec();
            Criterion::default().configure_from_args().final_summary();
            ratios::print(words.contains(&"--test"));
        }
    }
}
