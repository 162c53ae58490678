//! Reading and writing the messages of a call allocates nothing, and neither does recording its latencies.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it may panic over")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::hint::black_box;

use wtsp_load::metrics::{Metric, Recorder, Sample, Tally};
use wtsp_load::protocol::{
    Dialect, Line, Prepared, Reading, TransactionIds, decode_from_client, decode_from_core, encode_keepalive,
};

#[path = "support/counting.rs"]
mod counting;
#[path = "../benches/support/second.rs"]
mod second;
#[path = "support/vectors.rs"]
mod vectors;

use counting::allocations;
use second::{a_busy_second, latencies, sample};

/// What an answered call sends, in the order of section 5.2, with its keepalives.
const FROM_CORE: [&str; 14] = [
    "response-ack",
    "event-calling",
    "event-ringing",
    "event-proceeding",
    "event-progress",
    "event-accepted-answer",
    "event-accepted-callee",
    "event-ice_webrtcup",
    "event-ice_media",
    "event-ice_slowlink",
    "event-hangingup",
    "event-hangup",
    "event-ice_hangup",
    "response-error",
];

const FROM_CLIENT: [&str; 6] = [
    "request-accept",
    "request-ice_trickle",
    "request-ice_trickle-completed",
    "request-hold",
    "request-hangup",
    "request-update-offer",
];

fn texts(dialect: Dialect, names: &[&str], others: [&str; 2]) -> Vec<String> {
    let all = vectors::vectors();
    let find = |name: &&str| all.iter().find(|vector| vector.dialect == dialect && vector.name == *name);
    names.iter().chain(&others).map(|name| find(name).unwrap().text.clone()).collect()
}

fn both() -> [(Dialect, Vec<String>, Vec<String>); 2] {
    [
        (
            Dialect::Nested,
            texts(Dialect::Nested, &FROM_CORE, ["event-call", "response-ack-keepalive"]),
            texts(Dialect::Nested, &FROM_CLIENT, ["request-call", "request-keepalive"]),
        ),
        (
            Dialect::Flat,
            texts(Dialect::Flat, &FROM_CORE, ["event-incoming_call", "handshake-keepalive-echo"]),
            texts(Dialect::Flat, &FROM_CLIENT, ["request-outgoing_call", "handshake-keepalive-client"]),
        ),
    ]
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(black_box(vec![1_u8]))) > 0);
}

#[test]
fn reading_the_messages_of_a_call_allocates_nothing() {
    for (dialect, from_core, from_client) in both() {
        for text in &from_core {
            let count = allocations(|| drop(black_box(decode_from_core(text, Reading::Tolerant).unwrap())));
            assert_eq!(count, 0, "{dialect}: {text}");
        }
        for text in &from_client {
            let count = allocations(|| drop(black_box(decode_from_client(text, Reading::Tolerant).unwrap())));
            assert_eq!(count, 0, "{dialect}: {text}");
        }
    }
}

#[test]
fn writing_them_into_a_warm_buffer_allocates_nothing() {
    for (dialect, from_core, from_client) in both() {
        let mut out = Vec::with_capacity(8192);
        for text in &from_core {
            let message = decode_from_core(text, Reading::Tolerant).unwrap().message;
            assert_eq!(allocations(|| message.encode(dialect, &mut out).unwrap()), 0, "{dialect}: {text}");
        }
        for text in &from_client {
            let message = decode_from_client(text, Reading::Tolerant).unwrap().message;
            assert_eq!(allocations(|| message.encode(dialect, &mut out).unwrap()), 0, "{dialect}: {text}");
        }
    }
}

#[test]
fn recording_makes_room_once_for_a_power_of_two_and_then_never() {
    let mut recorder = Recorder::default();
    // Latencies of up to 100 ms lie in 8 blocks; a busy second times 7 metrics, 2 of them twice, and 4 requests.
    let first = allocations(|| a_busy_second(&mut recorder));
    assert!((1..=8 * (7 + 2 + 1 + 4)).contains(&first), "{first}");
    assert_eq!(allocations(|| a_busy_second(&mut recorder)), 0);
    let mut emptied = recorder.swap(Tally::default());
    emptied.clear();
    drop(recorder.swap(emptied));
    assert_eq!(allocations(|| a_busy_second(&mut recorder)), 0);
}

#[test]
fn recording_by_flow_makes_room_once_for_a_flow_and_then_never() {
    let mut recorder = Recorder::default();
    let calls = |recorder: &mut Recorder| {
        for flow in [0, 3] {
            for latency in latencies().take(1_000) {
                recorder.sample_of_flow(flow, sample(Metric::Setup, latency));
                let Sample { sent, done, .. } = sample(Metric::Release, latency);
                recorder.service_of_flow(flow, Metric::Release, sent, done);
            }
        }
    };
    // Besides the blocks of the metric itself, as above: a flow has three histograms of its own, and a place.
    let first = allocations(|| calls(&mut recorder));
    assert!((1..=3 * 3 * 8 + 2 * 2).contains(&first), "{first}");
    let mut emptied = recorder.swap(Tally::default());
    emptied.clear();
    drop(recorder.swap(emptied));
    assert_eq!(allocations(|| calls(&mut recorder)), 0);
}

#[test]
fn writing_a_prepared_request_allocates_nothing() {
    let ids = TransactionIds::new(7, 3);
    for dialect in [Dialect::Flat, Dialect::Nested] {
        let mut out = Vec::with_capacity(8192);
        // It is made when the first is needed.
        encode_keepalive(dialect, &ids, &mut out);
        assert_eq!(allocations(|| encode_keepalive(dialect, &ids, &mut out)), 0, "{dialect}");
        let call_id = Some("kT4vQ9mZc2XwB7nLr0HsYd3E");
        let hangup = Prepared::hangup(dialect);
        let mut hang_up = || hangup.encode(dialect, &ids, Line::Main(0), call_id, "", &mut out);
        assert_eq!(allocations(|| hang_up().unwrap()), 0, "{dialect}");
    }
}
