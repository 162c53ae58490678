//! The picture of a run: a board, as lines of so many columns. A pure function.

use std::time::Duration;

use super::board::{Board, Figures, NOW_SECONDS};
use super::frame::{Line, Tone, short};
use super::ladder::{busiest, rungs};
use crate::record::Validity;
use crate::report::units::{count, latency};
use crate::scheduler::Urgency;

/// Where what belongs to a label begins.
const INDENT: usize = 13;
/// The widest that one column of the picture gets.
const COLUMN: usize = 80;
/// From this height on there is room for what matters less.
const ROOMY: usize = 30;
/// The columns of the ladder.
const LADDER: usize = 78;
/// From this width on the ladder stands beside the rest.
const WIDE: usize = COLUMN + LADDER;

/// The keys, and what they do.
pub(super) const KEYS: [(&str, &str); 7] = [
    ("p", "pause: no more calls, or calls again. Clients stay signed on"),
    ("+", "a tenth of the planned rate more: calls come sooner, pauses are shorter"),
    ("-", "a tenth of the planned rate less"),
    ("d", "drain: no new calls, hang up, sign off; what was measured is judged"),
    ("q", "leave at once; what was measured is kept. As ^C twice"),
    ("?", "this help, and back"),
    ("", "Changes are stamped in the record. compare refuses a run with any."),
];

/// The lines of a terminal of `width` columns and `height` rows, without codes for colours where there are none.
pub(super) fn view(board: &Board, width: usize, height: usize, colour: bool) -> Vec<String> {
    let is_wide = width >= WIDE;
    let column = if is_wide { COLUMN } else { width };
    let mut aside = if board.has_help { help() } else { ladder(board) };
    let mut body = vec![Line::new()];
    body.extend(facts(board, column, height >= ROOMY));
    let top = head(board, width);
    let room = height.saturating_sub(top.len() + 1);
    if is_wide {
        aside.insert(0, Line::new());
        let rows = body.len().max(aside.len());
        body.resize_with(rows, Line::new);
        let mut aside = aside.into_iter();
        body = body.into_iter().map(|line| line.beside(aside.next().unwrap_or_default(), COLUMN)).collect();
    } else if board.has_help && body.len() + 1 + aside.len() > room {
        body = aside;
    } else {
        body.push(Line::new());
        body.extend(aside);
    }
    // Where there is little room the gaps go first, the lowest before the others, then what stands last.
    while body.len() > room {
        match body.iter().rposition(|line| line.width() == 0) {
            Some(gap) => drop(body.remove(gap)),
            None => body.truncate(room),
        }
    }
    body.resize_with(room, Line::new);
    let lines = top.into_iter().chain(body).chain([foot(board, width)]);
    lines.take(height).map(|line| line.written(width, colour)).collect()
}

/// What runs, how far it is, against what.
fn head(board: &Board, width: usize) -> Vec<Line> {
    let left = board.duration.saturating_sub(board.now);
    let clock = |time: Duration| {
        let seconds = time.as_secs();
        if board.duration.as_secs() < 3_600 {
            format!("{}:{:02}", seconds / 60, seconds % 60)
        } else {
            format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        }
    };
    let stage = match (board.stage_now(), board.urgency) {
        (_, Urgency::Drain) => Line::new().put(Tone::Warn, "draining: hanging up, signing off"),
        (_, Urgency::Leave) => Line::new().put(Tone::Warn, "leaving"),
        (None, _) => Line::new().text("closing: hanging up, signing off"),
        (Some((stage, since)), _) => {
            let place = board.stage.map_or(0, |stage| stage + 1);
            Line::new()
                .put(Tone::Strong, short(&stage.name, 24))
                .dim(format!(" {place} of {}, ", board.stages.len()))
                .text(clock(stage.duration.saturating_sub(since)))
                .dim(" left")
        }
    };
    let name = Line::new().text(" ").put(Tone::Strong, short(&board.name, 30)).dim("  ");
    let times = Line::new()
        .text(clock(board.now))
        .dim(" of ")
        .text(clock(board.duration))
        .dim(", ")
        .text(clock(left))
        .dim(" left ");
    let bar = 20.min(width / 4);
    let part = board.now.as_secs_f64() / board.duration.as_secs_f64().max(1e-3);
    let done = ((part * bar as f64) as usize).min(bar);
    let bar = Line::new().put(Tone::Good, "━".repeat(done)).dim("─".repeat(bar - done)).text(" ");
    let target = short(&board.target, width.saturating_sub(26).max(10));
    vec![name.join(stage).right(times, width), Line::new().dim(format!(" {target}")).right(bar, width)]
}

/// What is measured.
fn facts(board: &Board, width: usize, is_roomy: bool) -> Vec<Line> {
    let mut lines = clients(board);
    lines.push(Line::new());
    lines.extend(latencies(board));
    lines.push(Line::new());
    lines.push(outcomes(board, width));
    lines.push(closes(board, width));
    lines.extend(generator(board, is_roomy));
    lines
}

fn label(name: &str) -> Line {
    Line::new().dim(format!(" {name}")).to(INDENT)
}

/// A rate in four characters or so.
fn per_second(rate: f64) -> String {
    if rate >= 100.0 { format!("{rate:.0}/s") } else { format!("{rate:.1}/s") }
}

fn clients(board: &Board) -> Vec<Line> {
    let gauges = board.gauges;
    let total = &board.total;
    let wanted = board.stage_now().map_or(0, |(stage, _)| stage.clients_to.max(stage.clients_from));
    let coming = gauges.connected.saturating_sub(gauges.signed_on);
    let away = u64::from(board.planned_clients).saturating_sub(gauges.connected);
    let states = label("Clients")
        .put(Tone::Strong, format!("{:>8}", count(gauges.signed_on)))
        .dim(format!(" of {} signed on", count(u64::from(wanted.max(board.planned_clients)))))
        .to(44)
        .text(count(coming))
        .dim(" signing on or off")
        .to(66)
        .text(count(away))
        .dim(" away");
    let (wanted, done) = board.signon_rates();
    let failed = total.signon_failures.total();
    let signons = rates("Sign-ons", "wanted", wanted, done)
        .put(if failed > 0 { Tone::Bad } else { Tone::Plain }, count(failed))
        .dim(" failed")
        .to(66)
        .text(count(total.reconnects))
        .dim(" came back");
    let (what, wanted, placed) = board.call_rates();
    let calls = rates("Calls", what, wanted, placed)
        .text(count(gauges.calls))
        .dim(" going on")
        .to(66)
        .text(count(gauges.calls_answered))
        .dim(" answered");
    vec![states, signons, calls]
}

fn rates(name: &str, what: &str, wanted: f64, done: f64) -> Line {
    let done = Line::new().put(Tone::Strong, format!("{:>8}", per_second(done))).dim(" done");
    label(name).text(format!("{:>8}", per_second(wanted))).dim(format!(" {what:<6}")).join(done).to(44)
}

fn latencies(board: &Board) -> Vec<Line> {
    let mut lines = vec![
        Line::new()
            .dim(" Latency")
            .to(INDENT)
            .dim(format!("{:>18}{:>11}", format!("last {NOW_SECONDS} s, p50"), "p99"))
            .dim(format!("{:>15}{:>11}{:>12}", "so far, p50", "p99", "count")),
    ];
    let time = |micros: Option<u64>| match micros {
        Some(u64::MAX) => "> 10 min".to_owned(),
        Some(micros) => latency(micros),
        None => "–".to_owned(),
    };
    for latency in &board.figures.latencies {
        let (now, all) = (latency.now, latency.so_far);
        lines.push(
            Line::new()
                .text(format!("   {}", latency.metric.name()))
                .to(INDENT)
                .put(Tone::Strong, format!("{:>18}", time(now.map(|now| now[0]))))
                .put(Tone::Strong, format!("{:>11}", time(now.map(|now| now[1]))))
                .text(format!("{:>15}{:>11}", time(Some(all[0])), time(Some(all[1]))))
                .dim(format!("{:>12}", count(latency.count))),
        );
    }
    lines
}

fn outcomes(board: &Board, width: usize) -> Line {
    let total = &board.total;
    // What went wrong comes early, so that it is not what is left out.
    let all = [
        ("answered", total.answered, Tone::Good),
        ("failed", total.failed_total(), Tone::Bad),
        ("broken", total.broken.total(), Tone::Bad),
        ("blocked", total.blocked, Tone::Warn),
        ("declined", total.declined, Tone::Plain),
        ("busy", total.busy, Tone::Plain),
        ("cancelled", total.cancelled, Tone::Plain),
        ("unavailable", total.unavailable, Tone::Plain),
        ("redirected", total.redirected, Tone::Plain),
        ("done", total.done, Tone::Plain),
        ("unfinished", total.unfinished, Tone::Plain),
    ];
    // Those that come of every run are there from the start, so that the line does not jump.
    let shown = all.into_iter().filter(|(name, many, _)| *many > 0 || matches!(*name, "answered" | "failed"));
    let pieces = shown.map(|(name, many, tone)| {
        let tone = if many == 0 { Tone::Plain } else { tone };
        Line::new().put(tone, count(many)).dim(format!(" {name}"))
    });
    listed(label("Outcomes"), pieces, width)
}

fn closes(board: &Board, width: usize) -> Line {
    let closes = board.closes();
    if closes.is_empty() {
        return label("Disconnects").dim("none");
    }
    let pieces = closes.into_iter().map(|(code, many)| {
        // 1000 is how clients sign off; whatever else closes is a finding.
        let tone = if code == 1000 { Tone::Plain } else { Tone::Warn };
        Line::new().put(tone, code.to_string()).dim(format!(" × {}", count(many)))
    });
    listed(label("Disconnects"), pieces, width)
}

/// The line with as many of the pieces after it as there is room for, and an ellipsis for the others.
fn listed(mut line: Line, pieces: impl Iterator<Item = Line>, width: usize) -> Line {
    const GAP: &str = "   ";
    let mut pieces = pieces.peekable();
    let mut gap = "";
    while let Some(piece) = pieces.next() {
        let needed = line.width() + gap.len() + piece.width();
        let rest = if pieces.peek().is_some() { GAP.len() + 1 } else { 0 };
        if needed + rest > width {
            return line.text(gap).dim("…");
        }
        line = line.text(gap).join(piece);
        gap = GAP;
    }
    line
}

fn generator(board: &Board, is_roomy: bool) -> Vec<Line> {
    let Figures { validity, why, late, .. } = &board.figures;
    let tone = match validity {
        Validity::Valid => Tone::Good,
        Validity::Degraded => Tone::Warn,
        Validity::Void => Tone::Bad,
    };
    let time = |micros: Option<u64>| micros.map_or("–".to_owned(), latency);
    let health = &board.health;
    let mut lines = vec![
        label("Generator")
            .put(tone, validity.name())
            .to(INDENT + 11)
            .dim("late p99: calls ")
            .text(time(late[0]))
            .dim(", deadlines ")
            .text(time(late[1]))
            .to(69)
            .text(format!("{:.2}", health.cpu_cores))
            .dim(" cores"),
    ];
    if let Some(why) = why {
        lines.push(label("").put(tone, why));
    }
    if is_roomy {
        let part = |share: f64| format!("{:.0} %", share * 100.0);
        lines.push(
            label("")
                .dim("busiest worker ")
                .text(part(health.worker_cpu_max))
                .dim(" of a core, longest turn ")
                .text(latency(health.turn_max_us))
                .dim(", memory ")
                .text(format!("{} MiB", health.rss_bytes >> 20)),
        );
    }
    lines
}

fn ladder(board: &Board) -> Vec<Line> {
    let Some(flow) =
        busiest(&board.total, &board.mix).filter(|_| board.stages.iter().any(|stage| stage.has_calls()))
    else {
        return Vec::new();
    };
    let of_all = if board.mix.len() > 1 { " (messages: all flows)" } else { "" };
    let mut lines = vec![
        Line::new()
            .text(" ")
            .put(Tone::Strong, flow.name())
            .dim(of_all)
            .to(35)
            .dim(format!("{:>10}{:>10}", "sent", "received"))
            .dim(format!("{:>11}{:>12}", "timed out", "unexpected")),
    ];
    for rung in rungs(flow, &board.total) {
        let (sent, received) = match rung.is_sent {
            true => (count(rung.count), String::new()),
            false => (String::new(), count(rung.count)),
        };
        let bad = |many: u64| if many > 0 { Tone::Bad } else { Tone::Dim };
        lines.push(
            Line::new()
                .dim(format!("   {:<8}", rung.who))
                .text(format!("{:<17}", rung.message))
                .dim(if rung.is_sent { "─────→" } else { "←─────" })
                .to(35)
                .text(format!("{sent:>10}{received:>10}"))
                .put(bad(rung.timed_out), format!("{:>11}", count(rung.timed_out)))
                .put(bad(rung.unexpected), format!("{:>12}", count(rung.unexpected))),
        );
    }
    lines
}

fn help() -> Vec<Line> {
    let line = |(key, does): (&str, &str)| Line::new().put(Tone::Strong, format!("   {key:<3}")).text(does);
    let mut lines = vec![Line::new().text(" ").put(Tone::Strong, "Keys")];
    lines.extend(KEYS.into_iter().map(line));
    lines
}

/// How the run is steered, the latest warning, and the keys.
fn foot(board: &Board, width: usize) -> Line {
    let (percent, is_paused) = board.pace;
    let mut state = Line::new().text(" ");
    if is_paused {
        state = state.put(Tone::Warn, "PAUSED  ");
    }
    if percent != 100 {
        state = state.put(Tone::Warn, format!("rate {percent} %  "));
    }
    if let Some(warning) = board.warnings.last() {
        return state.put(Tone::Warn, short(warning, width.saturating_sub(state_width(board) + 1)));
    }
    if !board.has_keys {
        let why = Line::new().dim("no keys: stdin is no terminal, ^C stops ");
        return state.right(why, width);
    }
    let mut keys = Line::new();
    for (key, does) in [
        ("p", if is_paused { " go on   " } else { " pause   " }),
        ("+ -", " rate   "),
        ("d", " drain   "),
        ("q", " leave   "),
        ("?", " help "),
    ] {
        keys = keys.put(Tone::Strong, key).dim(does);
    }
    state.right(keys, width)
}

fn state_width(board: &Board) -> usize {
    1 + if board.pace.1 { 8 } else { 0 } + if board.pace.0 != 100 { 12 } else { 0 }
}
