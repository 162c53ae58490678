//! What the harness costs, beside the floor: a bare epoll client that does the same work against the same server.
//!
//! `cargo bench --bench loopback [-- FILTER] [--quick] [--pairs N] [--rivals DIR] [--test]`
//!
//! A server (`wtsp-load serve`) on one processor, a generator on another. Floor and harness take turns, so that a
//! machine that drifts drifts for both; medians are shown. `README.md` says how to read the table.

mod floor;
#[path = "loopback/generators.rs"]
mod generators;
#[path = "loopback/machine.rs"]
mod machine;
#[path = "loopback/rivals.rs"]
mod rivals;
#[path = "loopback/rows.rs"]
mod rows;
#[path = "loopback/run.rs"]
mod run;
#[path = "loopback/table.rs"]
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use generators::{Generator, SDP_BYTES, Work};
use machine::{Cores, INTERRUPTED, Interrupt};
use rows::{Figure, Row};
use run::{Bench, KEPT, Seen};
use table::Column;
use wtsp_load::client::Media;
use wtsp_load::law::Seed;
use wtsp_load::profile::SdpPlan;
use wtsp_load::protocol::Dialect;
use wtsp_load::verdict::limits::STEAL_PART;

type Failure = Box<dyn std::error::Error>;

/// Beyond this share, processor time that the host gave to others spoils a run.
const STOLEN: f64 = STEAL_PART.degraded;
/// How often a run that was spoiled is tried.
const TRIES: u32 = 3;

/// What the command line asks for.
struct Wishes {
    filter: Vec<String>,
    pairs: usize,
    rivals: Option<PathBuf>,
    test: bool,
}

fn main() -> ExitCode {
    let is_floor = std::env::args().nth(1).is_some_and(|argument| argument == "--as-floor");
    let result = if is_floor { as_floor() } else { wishes().and_then(|wishes| bench(&wishes)) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loopback: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wishes() -> Result<Wishes, Failure> {
    let mut wishes = Wishes { filter: Vec::new(), pairs: 5, rivals: None, test: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => wishes.pairs = 1,
            "--test" => wishes.test = true,
            "--pairs" => {
                let pairs = arguments.next().and_then(|pairs| pairs.parse().ok());
                wishes.pairs = pairs.filter(|pairs| *pairs > 0).ok_or("--pairs wants a number, such as 5")?;
            }
            "--rivals" => {
                let directory = arguments.next().ok_or("--rivals wants the directory they are in")?;
                wishes.rivals = Some(std::fs::canonicalize(directory)?);
            }
            // Cargo says it to every bench.
            "--bench" => {}
            option if option.starts_with('-') => return Err(format!("no option `{option}`").into()),
            filter => wishes.filter.push(filter.to_owned()),
        }
    }
    Ok(wishes)
}

fn bench(wishes: &Wishes) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let media = Media::new(&SdpPlan::Bytes(SDP_BYTES), 0, Dialect::Flat, 0, &mut Seed(1).stream("media", 0))?;
    let sdp = media.offer(0).get().to_owned();
    let bench = Bench { cores, interrupt: Interrupt::catch()?, rivals: wishes.rivals.clone(), sdp };
    if wishes.test {
        return check(&bench);
    }
    let wanted = |row: &Row| {
        (wishes.rivals.is_none() || row.with_rivals)
            && (wishes.filter.is_empty() || wishes.filter.iter().any(|filter| row.name.contains(filter)))
    };
    let rows: Vec<Row> = rows::all().into_iter().filter(wanted).collect();
    if rows.is_empty() {
        println!("loopback: no row has {} in its name", wishes.filter.join(" or "));
        return Ok(());
    }
    println!(
        "{}; the server on processor {}, the generator on {}",
        machine::describe(),
        cores.server,
        cores.generator
    );
    let (mut lines, mut rivals_lines) = (Vec::new(), Vec::new());
    for row in &rows {
        let columns = measure(&bench, row, wishes.pairs)?;
        lines.extend(table::line(row, &columns));
        rivals_lines.push(table::rivals_line(row, &columns));
    }
    println!("\n{}\n{}", table::HEAD, lines.join("\n"));
    if wishes.rivals.is_some() {
        let all = generators_of(&bench, &rows[0]);
        println!("\n{}\n{}", table::rivals_head(&all), rivals_lines.join("\n"));
    }
    Ok(())
}

fn generators_of(bench: &Bench, row: &Row) -> Vec<Generator> {
    let mut all = vec![row.floor, Generator::Harness];
    if bench.rivals.is_some() {
        all.extend(Generator::RIVALS);
    }
    all
}

/// All generators in turn, as often as was asked for.
fn measure(bench: &Bench, row: &Row, pairs: usize) -> Result<Vec<Column>, Failure> {
    let mut columns: Vec<Column> = generators_of(bench, row).into_iter().map(Column::new).collect();
    let is_question = matches!(row.figure, Figure::Kept { .. });
    for pair in 0..if is_question { pairs.min(3) } else { pairs } {
        for column in &mut columns {
            if !column.generator.can(&row.work) {
                continue;
            }
            let generator = column.generator;
            let value = undisturbed(bench, row, generator, pair + 1);
            match value {
                Ok((value, seen)) => {
                    let flaws = seen.flaws.join("; ");
                    let (server, stolen) = (100.0 * seen.server, 100.0 * seen.stolen);
                    let shown = row.figure.show(value);
                    let validity = seen.validity.as_deref().unwrap_or("");
                    eprintln!(
                        "{} {}: {} {shown}, the server {server:.0} % of its core, {stolen:.0} % stolen {validity} {flaws}",
                        row.name,
                        pair + 1,
                        generator.name()
                    );
                    column.values.push(value);
                    column.server.push(seen.server);
                    column.whole += usize::from(seen.kept >= KEPT && seen.is_clean);
                    column.valid += usize::from(seen.validity.as_deref() == Some("valid"));
                }
                // A rival that breaks down has not done the work, nor has the harness where the question is whether it can.
                Err(error) if (generator.is_rival() || is_question) && error.to_string() != INTERRUPTED => {
                    eprintln!("{} {}: {} failed: {error}", row.name, pair + 1, generator.name());
                    column.values.push(if is_question { 0.0 } else { f64::NAN });
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(columns)
}

/// The row's figure of a run in which the machine was this bench's, as far as that can be had in three.
fn undisturbed(bench: &Bench, row: &Row, generator: Generator, pair: usize) -> Result<(f64, Seen), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let result = value_of(bench, row, generator);
        let why = match &result {
            Ok((_, seen)) if seen.stolen > STOLEN => {
                format!("the host gave {:.0} % of the machine to others", 100.0 * seen.stolen)
            }
            // Another process may have had the processor at the wrong moment.
            Err(error) if error.to_string() != INTERRUPTED && tries < 2 => error.to_string(),
            _ => return result,
        };
        if tries == TRIES {
            return result;
        }
        eprintln!("{} {pair}: {} once more: {why}", row.name, generator.name());
    }
}

/// The row's figure of one run (of two, where it is a slope), and what else was seen.
fn value_of(bench: &Bench, row: &Row, generator: Generator) -> Result<(f64, Seen), Failure> {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    if let Figure::Memory { few } = row.figure {
        let many = if generator.is_rival() { row.work.clients.min(4 * few) } else { row.work.clients };
        // A rival signs on as slowly as it must.
        let rate = if generator.is_rival() { 500 } else { row.work.signons_per_second };
        let work = |clients| Work { clients, signons_per_second: rate, ..row.work.clone() };
        let (few_seen, seen) = (bench.run(generator, &work(few))?, bench.run(generator, &work(many))?);
        let more = seen.resident as f64 - few_seen.resident as f64;
        return Ok((more / f64::from(many - few), seen));
    }
    let seen = bench.run(generator, &row.work)?;
    let value = match row.figure {
        Figure::SignOn => micros(seen.cpu_per_signon),
        Figure::Keepalive(rate) | Figure::Call(rate) => micros(seen.cpu_per(rate)),
        Figure::Memory { .. } | Figure::Kept { .. } => seen.kept,
    };
    Ok((value, seen))
}

/// Small works by floor and harness; whether all of it was done, and nothing that the server objects to.
fn check(bench: &Bench) -> Result<(), Failure> {
    for (generator, work) in rows::small() {
        let seen = bench.run(generator, &work)?;
        let outcome = if seen.is_clean && seen.kept >= KEPT { "ok" } else { "FAILED" };
        let (done, flaws) = (100.0 * seen.kept, seen.flaws.join("; "));
        println!("{outcome}: {} did {done:.1} % of {}{flaws}", generator.name(), work.describe());
        if outcome != "ok" {
            return Err("a generator does not do its work".into());
        }
    }
    Ok(())
}

/// The floor's own process: its order comes in the environment.
fn as_floor() -> Result<(), Failure> {
    let text = |key: &str| std::env::var(format!("FLOOR_{key}")).map_err(|_| format!("no FLOOR_{key}"));
    let figure = |key: &str| Ok::<f64, Failure>(text(key)?.parse()?);
    let ms = |key: &str| Ok::<Duration, Failure>(Duration::from_millis(text(key)?.parse()?));
    let url = text("URL")?;
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let order = floor::Order {
        address: Some(authority.parse()?),
        subscribers: text("SUBSCRIBERS")?.into(),
        ca: Some(text("CA")?).filter(|ca| !ca.is_empty()).map(PathBuf::from),
        sources: text("SOURCES")?
            .split(',')
            .filter(|address| !address.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?,
        clients: text("CLIENTS")?.parse()?,
        signons_per_second: figure("SIGNONS_PER_SECOND")?,
        handshake_only: text("HANDSHAKE_ONLY")? == "true",
        keepalive: Some(ms("KEEPALIVE_MS")?).filter(|own| !own.is_zero()),
        calls_per_second: figure("CALLS_PER_SECOND")?,
        calls_for: ms("CALLS_FOR_MS")?,
        hold: ms("HOLD_MS")?,
        sdp_bytes: text("SDP_BYTES")?.parse()?,
        length: ms("LENGTH_MS")?,
    };
    let done = floor::run(&order)?;
    println!("{done:?}");
    Ok(())
}
