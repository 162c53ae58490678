//! What is measured, and which goal it has.

use std::time::Duration;

use super::generators::{Generator, Work};

/// A line of the table.
pub struct Row {
    pub name: &'static str,
    pub work: Work,
    pub figure: Figure,
    /// What the harness is compared with.
    pub floor: Generator,
    pub goal: Goal,
    /// Whether the rivals do it too.
    pub with_rivals: bool,
}

/// What a row shows.
#[derive(Clone, Copy)]
pub enum Figure {
    /// Bytes that one client more takes: the slope from so many clients to those of the work.
    Memory { few: u32 },
    /// Processor time a sign-on.
    SignOn,
    /// Processor time for each of so many keepalive round trips a second.
    Keepalive(u32),
    /// Processor time for each of so many answered calls a second.
    Call(u32),
    /// Whether so much a second is kept, with a valid verdict.
    Kept { per_second: u32, what: &'static str },
}

/// What the harness is to reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Times the floor's.
    Ratio(f64),
    KiB(f64),
    Kept,
}

/// All rows.
pub fn all() -> Vec<Row> {
    let seconds = Duration::from_secs;
    let ms = Duration::from_millis;
    let row = |name, work, figure, goal| Row {
        name,
        work,
        figure,
        goal,
        floor: Generator::Floor,
        with_rivals: true,
    };
    let alone = |row: Row| Row { with_rivals: false, ..row };
    let signon_wss = Row {
        floor: Generator::Handshake,
        ..alone(row("signon-wss", Work::idle(true, 1_500, 300, ms(3_500)), Figure::SignOn, Goal::Ratio(1.15)))
    };
    let keepalives = |clients, rate, every| Work::keepalives(clients, rate, every, ms(9_000));
    let calls = |clients, rate, per_second| Work::calls(clients, rate, per_second, ms(9_000));
    vec![
        row(
            "idle-ws",
            Work::idle(false, 18_000, 2_500, ms(4_500)),
            Figure::Memory { few: 1_000 },
            Goal::KiB(4.0),
        ),
        alone(row(
            "idle-wss",
            Work::idle(true, 4_000, 400, ms(4_500)),
            Figure::Memory { few: 500 },
            Goal::KiB(14.0),
        )),
        row("signon-ws", Work::idle(false, 5_000, 1_000, ms(3_500)), Figure::SignOn, Goal::Ratio(1.3)),
        signon_wss,
        row("keepalive-1k", keepalives(1_000, 500, seconds(1)), Figure::Keepalive(1_000), Goal::Ratio(1.3)),
        row(
            "keepalive-10k",
            keepalives(10_000, 2_500, seconds(1)),
            Figure::Keepalive(10_000),
            Goal::Ratio(1.3),
        ),
        row("call-100", calls(400, 200, 100), Figure::Call(100), Goal::Ratio(1.4)),
        alone(row("call-1600", calls(4_000, 2_000, 1_600), Figure::Call(1_600), Goal::Ratio(1.4))),
        alone(row(
            "most-keepalives",
            // Slowly, as a sign-on beside 60,000 keepalives a second takes from what is asked for.
            Work::keepalives(18_000, 1_000, ms(300), ms(20_000)),
            Figure::Kept { per_second: 60_000, what: "keepalives" },
            Goal::Kept,
        )),
        alone(row(
            "most-calls",
            calls(12_000, 3_000, 5_000),
            Figure::Kept { per_second: 5_000, what: "calls" },
            Goal::Kept,
        )),
    ]
}

/// The same kinds of work, small: to see that floor and harness do what they should, and without a violation.
pub fn small() -> Vec<(Generator, Work)> {
    let ms = Duration::from_millis;
    let works = [
        (Generator::Floor, Work::idle(false, 100, 100, ms(3_000))),
        (Generator::Floor, Work::idle(true, 40, 40, ms(3_000))),
        (Generator::Handshake, Work::idle(true, 40, 40, ms(3_000))),
        (Generator::Floor, Work::keepalives(100, 100, ms(1_000), ms(6_000))),
        (Generator::Floor, Work::calls(200, 200, 20, ms(5_000))),
    ];
    let both = |(floor, work): (Generator, Work)| [(floor, work.clone()), (Generator::Harness, work)];
    works.into_iter().flat_map(both).collect()
}

impl Row {
    /// The work, for the reader.
    pub fn conditions(&self) -> String {
        let Work { clients, signons_per_second, .. } = self.work;
        let scheme = if self.work.tls { "wss" } else { "ws" };
        match self.figure {
            Figure::Memory { few } => format!("{scheme}, {few} to {clients} clients"),
            Figure::SignOn => format!("{scheme}, {signons_per_second}/s, {clients} clients"),
            Figure::Keepalive(rate) => format!("{rate}/s, {clients} clients"),
            Figure::Call(rate) => format!("{rate}/s, {clients} clients, no trickle"),
            Figure::Kept { per_second, what } => format!("{per_second} {what}/s, {clients} clients"),
        }
    }

    pub fn what(&self) -> &'static str {
        match self.figure {
            Figure::Memory { .. } => "memory per idle client",
            Figure::SignOn => "CPU per sign-on",
            Figure::Keepalive(_) => "CPU per keepalive round trip",
            Figure::Call(_) => "CPU per answered call, both legs",
            Figure::Kept { .. } => "kept, verdict valid",
        }
    }
}

impl Figure {
    /// The figure in words.
    pub fn show(self, value: f64) -> String {
        match self {
            Figure::Memory { .. } => format!("{:.2} KiB", value / 1024.0),
            Figure::Kept { .. } => format!("{:.1} %", value * 100.0),
            _ if value >= 100.0 => format!("{value:.0} µs"),
            _ => format!("{value:.1} µs"),
        }
    }
}
