//! What decoding and encoding cost as ratios to floors over the same bytes, measured side by side in the same run: so
//! they hold on other machines, and each is printed beside its goal.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::Value;
use wtsp_load::protocol::{Dialect, Reading, decode_from_core};

use super::DIALECTS;
use super::texts::{KeyOrder, Outgoing, Received, Sent, received, received_mix, sent, sent_mix};

/// Rounds whose median counts.
const ROUNDS: usize = 41;
/// How long one contender runs in one round.
const TURN: Duration = Duration::from_micros(800);
/// How long the pieces of a request are: up to its transaction, that, up to its number, that; then the rest.
const PIECES: [usize; 4] = [48, 24, 72, 12];

/// Something that is done to all messages of a set.
struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
}

/// Messages that are decoded or encoded, and those who do it; the floor is the first of them, our own codec the second.
struct Case<'a> {
    name: String,
    messages: usize,
    bytes: usize,
    /// The most that our own may cost, in floors.
    goal: f64,
    contenders: Vec<Contender<'a>>,
}

/// Measures all cases, or says what `cargo bench -- --test` wants to know: that they run.
pub fn print(is_test: bool) {
    let rounds = if is_test { 1 } else { ROUNDS };
    let mut messages = Messages::new();
    let mut lines = Vec::new();
    println!("nanoseconds per message (medians of {rounds} interleaved rounds)");
    for mut case in messages.cases() {
        let medians = case.measure(rounds);
        let ns = |at: usize| medians[at].0;
        let others = case.contenders.iter().zip(&medians);
        let others: Vec<String> = others.map(|(it, (ns, _))| format!("{} {ns:.1}", it.name)).collect();
        println!("  {:38} {:5} B  {}", case.name, case.bytes / case.messages, others.join(", "));
        let ratio = medians[1].1;
        let held = if ratio <= case.goal { "held" } else { "MISSED" };
        lines.push(format!("  {:38} {ratio:6.2} {:6.2}  {held}", case.name, case.goal));
        if let Some(at) = case.contenders.iter().position(|it| it.name == "serde_json::Value") {
            let times = ns(at) / ns(1);
            let held = if times >= 4.0 { "held" } else { "MISSED" };
            lines.push(format!(
                "  {:38} {times:6.2} {:6.2}  {held}",
                format!("{}, faster than Value", case.name),
                4.0
            ));
        }
    }
    println!(
        "\nto the floor (decode: count the quotes; encode: copy)\n  {:38} {:>6} {:>6}",
        "", "ratio", "goal"
    );
    for line in lines {
        println!("{line}");
    }
}

/// Runs one contender of one case over and over, for a profiler: `codec loop CASE CONTENDER TIMES`.
pub fn repeat(case: &str, contender: &str, times: usize) {
    let mut messages = Messages::new();
    let mut cases = messages.cases();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let Some(case) = cases.iter_mut().find(|it| it.name == case) else {
        panic!("no such case; there are {names:#?}");
    };
    let found = case.contenders.iter_mut().find(|it| it.name == contender).unwrap();
    for _ in 0..times {
        (found.run)();
    }
    println!("{} messages", case.messages * times);
}

impl Case<'_> {
    /// Of each contender the median time of a message in nanoseconds, and the median of its ratios to the floor.
    fn measure(&mut self, rounds: usize) -> Vec<(f64, f64)> {
        let repeats: Vec<u32> = self
            .contenders
            .iter_mut()
            .map(|it| {
                (it.run)();
                let once = timed(1, &mut it.run).max(Duration::from_nanos(100));
                (TURN.as_nanos() / once.as_nanos()).clamp(1, 10_000) as u32
            })
            .collect();
        let mut times = vec![Vec::new(); self.contenders.len()];
        let mut ratios = times.clone();
        for _ in 0..rounds {
            for (at, it) in self.contenders.iter_mut().enumerate() {
                let took = timed(repeats[at], &mut it.run).as_secs_f64() * 1e9;
                times[at].push(took / f64::from(repeats[at]) / self.messages as f64);
            }
            for at in 0..times.len() {
                let (own, floor) = (times[at].last(), times[0].last());
                ratios[at].extend(own.zip(floor).map(|(own, floor)| own / floor));
            }
        }
        times.into_iter().zip(ratios).map(|(times, ratios)| (median(times), median(ratios))).collect()
    }
}

fn timed(repeats: u32, run: &mut dyn FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..repeats {
        run();
    }
    begun.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A case of messages sent: its name, its goal, its dialect, what is encoded, and what comes of it.
type SentCase = (String, f64, Dialect, Vec<Outgoing>, Vec<Vec<u8>>);

/// The messages of all cases.
struct Messages {
    received: Vec<(String, f64, Vec<String>)>,
    sent: Vec<SentCase>,
}

impl Messages {
    fn new() -> Messages {
        let mut messages = Messages { received: Vec::new(), sent: Vec::new() };
        for dialect in DIALECTS {
            // Nested has one object more in it, and may cost half as much again.
            let of = |goal: f64| if dialect == Dialect::Nested { goal * 1.5 } else { goal };
            for order in [KeyOrder::Alphabetical, KeyOrder::Documented] {
                let mut add = |name: &str, goal: f64, texts: Vec<String>| {
                    let order = if order == KeyOrder::Alphabetical { "alphabetical" } else { "documented" };
                    messages.received.push((format!("decode/{dialect}/{order}/{name}"), of(goal), texts));
                };
                add("mix", 7.0, received_mix(dialect, order));
                add("incoming_call", 3.5, received(Received::IncomingCall, dialect, order));
            }
            let mut add = |name: &str, goal: f64, mut outgoing: Vec<Outgoing>| {
                let written = |it: &mut Outgoing| {
                    let mut out = Vec::new();
                    it.encode(dialect, &mut out);
                    out
                };
                let texts = outgoing.iter_mut().map(written).collect();
                messages.sent.push((format!("encode/{dialect}/{name}"), of(goal), dialect, outgoing, texts));
            };
            add("mix", 2.0, sent_mix(dialect));
            add("outgoing_call", 1.1, sent(Sent::OutgoingCall, dialect));
        }
        messages
    }

    fn cases(&mut self) -> Vec<Case<'_>> {
        let decoded = self.received.iter().map(|(name, goal, texts)| decoding(name, *goal, texts));
        let encoded = self
            .sent
            .iter_mut()
            .map(|(name, goal, dialect, messages, texts)| encoding(name, *goal, *dialect, messages, texts));
        decoded.chain(encoded).collect()
    }
}

fn decoding<'a>(name: &str, goal: f64, texts: &'a [String]) -> Case<'a> {
    let contender = |name, run: fn(&str)| Contender {
        name,
        run: Box::new(move || texts.iter().for_each(|text| run(black_box(text)))),
    };
    Case {
        name: name.to_owned(),
        messages: texts.len(),
        bytes: texts.iter().map(String::len).sum(),
        goal,
        contenders: vec![
            contender("count the quotes", |text| {
                black_box(memchr::memchr_iter(b'"', text.as_bytes()).count());
            }),
            contender("decode", |text| {
                let _ = black_box(decode_from_core(text, Reading::Tolerant));
            }),
            contender("decode strictly", |text| {
                let _ = black_box(decode_from_core(text, Reading::Strict));
            }),
            contender("serde_json::Value", |text| {
                let _ = black_box(serde_json::from_str::<Value>(text));
            }),
            contender("look for an absent byte", |text| {
                black_box(memchr::memchr(1, text.as_bytes()));
            }),
        ],
    }
}

fn encoding<'a>(
    name: &str,
    goal: f64,
    dialect: Dialect,
    messages: &'a mut [Outgoing],
    texts: &'a [Vec<u8>],
) -> Case<'a> {
    let mut copied = Vec::with_capacity(1 << 16);
    let mut pieces = Vec::with_capacity(1 << 16);
    let mut written = Vec::with_capacity(1 << 16);
    Case {
        name: name.to_owned(),
        messages: texts.len(),
        bytes: texts.iter().map(Vec::len).sum(),
        goal,
        contenders: vec![
            Contender {
                name: "copy",
                run: Box::new(move || {
                    for text in texts {
                        copied.clear();
                        copied.extend_from_slice(black_box(text));
                        black_box(&copied);
                    }
                }),
            },
            Contender {
                name: "encode",
                run: Box::new(move || {
                    for message in messages.iter_mut() {
                        black_box(message).encode(dialect, &mut written);
                        black_box(&written);
                    }
                }),
            },
            // What any encoder does that puts values into a text: neither looked at nor escaped here.
            Contender {
                name: "copy in five pieces",
                run: Box::new(move || {
                    for text in texts {
                        pieces.clear();
                        let mut rest = &black_box(text)[..];
                        for length in PIECES {
                            let (piece, behind) = rest.split_at(length.min(rest.len()));
                            pieces.extend_from_slice(piece);
                            rest = behind;
                        }
                        pieces.extend_from_slice(rest);
                        black_box(&pieces);
                    }
                }),
            },
        ],
    }
}
