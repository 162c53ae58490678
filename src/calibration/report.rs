//! Calibrations for people and for programs.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Bound, Calibrated, Case, QUANTILES, Row, Settings};
use crate::record::Validity;

/// What calibrations prove, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every p99 that is held to the bound keeps it.
    True,
    /// One does not.
    Off,
    /// Nothing: the generator was unfit in one of the runs.
    Void,
}

/// What the runs prove together: one that is void makes all of it void.
pub fn outcome(runs: &[Calibrated]) -> Outcome {
    if runs.iter().any(|run| run.validity == Validity::Void) {
        Outcome::Void
    } else if runs.iter().all(Calibrated::is_true) {
        Outcome::True
    } else {
        Outcome::Off
    }
}

/// Writes the table of one run.
///
/// # Errors
/// Those of `out`.
pub fn text(out: &mut impl Write, run: &Calibrated, settings: &Settings) -> io::Result<()> {
    writeln!(out, "{}: {}", run.case.name(), run.case.meaning(settings))?;
    let lag = |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), |us| format!("{us} µs"));
    writeln!(
        out,
        "  {} calls, {} not ended as planned; lag p50 {}, p99 {}, p99.9 {}; worker at most {:.0} % of a core; {}",
        run.calls,
        run.calls_astray,
        lag(run.lag.p50),
        lag(run.lag.p99),
        lag(run.lag.p999),
        run.worker_cpu_max * 100.0,
        run.validity.name()
    )?;
    run.validity_reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
    if !run.is_calm() {
        writeln!(out, "  {BUSY}")?;
    }
    writeln!(out)?;
    let quantiles = QUANTILES.map(|(_, name)| format!("  {:<26}", format!("{name}: injected, reported")));
    writeln!(out, "  {:<15}{:<10}{:>6}{}", "metric", "", "count", quantiles.concat())?;
    run.rows.iter().try_for_each(|row| write_row(out, row))?;
    writeln!(out)?;
    let foot = if run.case == Case::Freeze { FREEZE } else { DELAYS };
    writeln!(out, "  {foot}")?;
    writeln!(out)
}

/// What is said of a run whose generator was late.
const BUSY: &str = "\
lag p99 is not below 100 µs: the generator was not on time (other work on the machine, or too many calls), and what it
  reads late it reports late";

/// How the table of a law is to be read.
const DELAYS: &str = "\
in ms, all service: from when it was sent. Injected is what the core recorded for the message that ends the metric: state
  (state, signon), keepalive, ack, ringing (ringback), incoming_call (alert), the caller's accepted (answer), hangup to
  who asked for it (release) and to the other (release_remote), incoming_call and accepted added up (setup).";

/// How the two parts of a metric are to be read where a server stood still.
const FREEZE: &str = "\
in ms. response counts from when it was due, service from when it was sent; injected is what the schedule makes of
  calls that come in evenly, for a core that works off at once what has piled up. Calls
  are sent when they are due, whether the server stands still or not, so the service of what begins with them is their
  response, less the generator's lag. What a client sends in answer to the server (accept, hangup) it sends only when
  the server has let it get that far: its service meets fewer freezes than what is due meets, and must not be taken for
  what a caller waits.";

/// A row: each quantile injected, reported, and the error; a mark for those out of the bound.
fn write_row(out: &mut impl Write, row: &Row) -> io::Result<()> {
    write!(out, "  {:<15}{:<10}{:>6}", row.metric, row.part.name(), row.reported)?;
    for figure in &row.figures {
        let reported = figure.reported.map_or_else(|| ">10 min".to_owned(), millis);
        let error = figure.error().map_or_else(String::new, |error| match figure.percent() {
            Some(percent) if percent.abs() < 99.5 => format!("{error:+} µs {percent:+.1} %"),
            _ => format!("{error:+} µs"),
        });
        let mark = if figure.is_within() { ' ' } else { '!' };
        write!(out, "  {:>5} {reported:>5} {:<14}", millis(figure.injected), format!("{error}{mark}"))?;
    }
    let injected = row.injected.unwrap_or(row.reported);
    let counts = if injected == row.reported { String::new() } else { format!(", {injected} were injected") };
    match (row.bound, row.keeps_its_bound()) {
        (Bound::Free(why), _) => writeln!(out, "  {why}{counts}"),
        (Bound::Held, Some(false)) => writeln!(out, "  OFF{counts}"),
        (Bound::Held, _) => writeln!(out, "  ok{counts}"),
    }
}

/// Milliseconds with as many digits as a histogram keeps.
fn millis(micros: u64) -> String {
    let millis = micros as f64 / 1e3;
    let decimals = match millis {
        ..9.995 => 2,
        ..999.5 => 1,
        _ => 0,
    };
    format!("{millis:.decimals$}")
}

/// The runs as JSON.
pub fn json(runs: &[Calibrated], settings: &Settings) -> Value {
    json!({
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "seconds": settings.duration.as_secs_f64(),
        "calls_per_second": settings.calls_per_second,
        "seed": settings.seed,
        "bound": "1 % or 200 µs at p99, whichever is larger; for a freeze also the time between two calls",
        "result": match outcome(runs) {
            Outcome::True => "pass",
            Outcome::Off => "fail",
            Outcome::Void => "void",
        },
        "runs": runs.iter().map(|run| run_json(run, settings)).collect::<Vec<_>>(),
    })
}

fn run_json(run: &Calibrated, settings: &Settings) -> Value {
    json!({
        "law": run.case.name(),
        "meaning": run.case.meaning(settings),
        "calls": run.calls,
        "calls_astray": run.calls_astray,
        "lag": run.lag,
        "worker_cpu_max": run.worker_cpu_max,
        "validity": run.validity,
        "validity_reasons": run.validity_reasons,
        "calm": run.is_calm(),
        "within_bound": run.is_true(),
        "rows": run.rows.iter().map(row_json).collect::<Vec<_>>(),
    })
}

fn row_json(row: &Row) -> Value {
    let figure = |place: usize| {
        let figure = &row.figures[place];
        json!({
            "injected": figure.injected,
            "reported": figure.reported,
            "error_us": figure.error(),
            "error_percent": figure.percent(),
            "within": figure.is_within(),
        })
    };
    let names = QUANTILES.iter().enumerate();
    let figures: Map<String, Value> =
        names.map(|(place, (_, name))| (name.replace('.', ""), figure(place))).collect();
    json!({
        "metric": row.metric,
        "part": row.part.name(),
        "against": row.against,
        "injected": row.injected,
        "reported": row.reported,
        "within_bound": row.keeps_its_bound(),
        "figures": figures,
    })
}
