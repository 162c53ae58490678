//! One run: a server on one processor, a generator on the other, and what was seen of both.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Failure;
use super::generators::{Generator, Site, TAIL, Work, record_of, wtsp_load};
use super::machine::{Cores, Interrupt, Pinned, read};

/// From the last sign-on to the window, in which the generator and the server come to rest.
const SETTLE: Duration = Duration::from_secs(1);
/// How often it is looked how far the sign-ons are.
const LOOK: Duration = Duration::from_millis(10);
/// How long a generator may take to get going, and to write its report at the end.
const PATIENCE: Duration = Duration::from_secs(90);
/// As a worker of the harness signs its clients off (`SIGN_OFFS` of `scheduler/worker.rs`).
const SIGN_OFFS_PER_SECOND: f64 = 6_400.0;
/// What may be lost between the generator's clock and this one's, before the last second of its load.
const SLACK: Duration = Duration::from_millis(1_500);
/// Below this share of what was to be done, it was not done.
pub const KEPT: f64 = 0.95;

/// What all runs have in common.
pub struct Bench {
    pub cores: Cores,
    pub interrupt: Interrupt,
    pub rivals: Option<PathBuf>,
    /// The session descriptions that rivals send, as the JSON they are on the wire.
    pub sdp: String,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Processor time in the window of the sign-ons, a sign-on.
    pub cpu_per_signon: Duration,
    /// Processor time in the window of the load.
    pub cpu_of_load: Duration,
    /// The share of a processor that the server used in the window of interest.
    pub server: f64,
    /// The generator's memory once all are on, in bytes.
    pub resident: u64,
    /// The length of the window of the load.
    pub window: Duration,
    /// The share of the two processors that the host gave to others in the window of interest.
    pub stolen: f64,
    /// Which share of the keepalives, or of the calls, was done. Of the sign-ons where there is no other load.
    pub kept: f64,
    /// `valid`, `degraded` or `void`; of the harness alone.
    pub validity: Option<String>,
    /// What the server counted, and nothing that it objects to.
    pub is_clean: bool,
    /// What is wrong with the run.
    pub flaws: Vec<String>,
}

impl Bench {
    /// Does the work once with the generator.
    pub fn run(&self, generator: Generator, work: &Work) -> Result<Seen, Failure> {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let directory = scratch.path();
        let mut server = self.serve(work, directory)?;
        let mut url = String::new();
        let stdout = server.child().stdout.take().ok_or("no stdout")?;
        BufReader::new(stdout).read_line(&mut url)?;
        let (subscribers, ca) = (directory.join("subscribers.csv"), directory.join("ca.pem"));
        fs::write(directory.join("sdp.json"), &self.sdp)?;
        let site = Site {
            url: url.trim(),
            subscribers: &subscribers,
            ca: work.tls.then_some(ca.as_path()),
            directory,
            rivals: self.rivals.as_deref(),
        };
        let log = directory.join("generator.log");
        let mut command = generator.command(work, &site)?;
        command.current_dir(directory).stdin(Stdio::null());
        command.stdout(fs::File::create(&log)?).stderr(fs::File::create(directory.join("generator.err"))?);
        let idle_descriptors = server.descriptors();
        let mut child = Pinned::spawn(generator.name(), &mut command, self.cores.generator)?;
        let watched = self.watch(work, &server, &mut child, idle_descriptors);
        let mut seen = watched.map_err(|error| format!("{error}\n{}", tail_of(directory)))?;
        let status = child.wait(work.length() + PATIENCE, &self.interrupt)?;
        // A verdict is no failure of the bench.
        if !status.success() && generator != Generator::Harness && !generator.is_rival() {
            return Err(format!("{}: {status}\n{}", generator.name(), tail_of(directory)).into());
        }
        drop(child);
        server.stop(&self.interrupt)?;
        let truth: Value = serde_json::from_str(&read(&directory.join("truth.json"))?)?;
        seen.judge(generator, work, &truth);
        if generator == Generator::Harness {
            let record: Value = serde_json::from_str(&read(&record_of(&site).join("run.json"))?)?;
            seen.validity = record["generator"]["validity"].as_str().map(str::to_owned);
            let reasons = record["generator"]["validity_reasons"].as_array().into_iter().flatten();
            // What is wrong, without the cure.
            let reasons = reasons.filter_map(Value::as_str).filter_map(|reason| reason.split(": ").next());
            seen.flaws.extend(reasons.map(str::to_owned));
        }
        Ok(seen)
    }

    fn serve(&self, work: &Work, directory: &Path) -> Result<Pinned, Failure> {
        let mut command = wtsp_load();
        // The control group's clients, and the scout, are beside those of the load.
        let subscribers = work.clients + 16;
        command.args(["serve", "--strict", "--dialect", "flat", "--listen", "127.0.0.1:0"]);
        command.args(["--subscribers", &subscribers.to_string()]);
        command.args(["--keepalive-interval", &format!("{}ms", work.keepalive.as_millis())]);
        command.arg("--write-subscribers").arg(directory.join("subscribers.csv"));
        command.arg("--truth").arg(directory.join("truth.json"));
        if work.tls {
            command.arg("--tls").arg("--write-ca").arg(directory.join("ca.pem"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Pinned::spawn("the server", &mut command, self.cores.server)
    }

    /// Watches the sign-ons, and then the load.
    fn watch(&self, work: &Work, server: &Pinned, child: &mut Pinned, before: u64) -> Result<Seen, Failure> {
        let clients = u64::from(work.clients);
        let mut mark = |share: u64| self.until(server, child, before + clients * share / 100);
        // Not from the very first on: a generator that has just started is still getting ready.
        let (first, last) = (mark(15)?, mark(90)?);
        let signons = last.descriptors.saturating_sub(first.descriptors).max(1) as u32;
        let signon_window = last.at - first.at;
        mark(100)?;
        self.rest(child, SETTLE)?;
        let resident = child.resident();
        let began = self.reading(server, child)?;
        let window = work.load.saturating_sub(SETTLE + TAIL + SLACK);
        self.rest(child, window)?;
        let ended = self.reading(server, child)?;
        let is_load = work.calls_per_second > 0 || work.interval() < work.length();
        let (from, to) = if is_load { (&began, &ended) } else { (&first, &last) };
        let over = to.at - from.at;
        Ok(Seen {
            cpu_per_signon: (last.generator - first.generator) / signons,
            cpu_of_load: ended.generator - began.generator,
            server: (to.server - from.server).as_secs_f64() / over.as_secs_f64(),
            stolen: (to.stolen - from.stolen).as_secs_f64() / (2.0 * over.as_secs_f64()),
            resident,
            window: ended.at - began.at,
            // How much of the rate the sign-ons had.
            kept: f64::from(signons) / signon_window.as_secs_f64() / f64::from(work.signons_per_second),
            validity: None,
            is_clean: true,
            flaws: Vec::new(),
        })
    }

    fn reading(&self, server: &Pinned, child: &Pinned) -> Result<Reading, Failure> {
        let (descriptors, stolen) = (server.descriptors(), self.cores.stolen()?);
        let server = server.cpu();
        Ok(Reading { at: Instant::now(), descriptors, server, generator: child.cpu(), stolen })
    }

    /// Waits until the server has so many descriptors open.
    fn until(&self, server: &Pinned, child: &mut Pinned, count: u64) -> Result<Reading, Failure> {
        let since = Instant::now();
        loop {
            let descriptors = server.descriptors();
            if descriptors >= count {
                return self.reading(server, child);
            }
            if since.elapsed() > PATIENCE {
                let what = format!("{} of {count} descriptors at the server", descriptors);
                return Err(format!("{}: only {what} after {PATIENCE:?}", child.name).into());
            }
            self.rest(child, LOOK)?;
        }
    }

    fn rest(&self, child: &mut Pinned, time: Duration) -> Result<(), Failure> {
        self.interrupt.sleep(time)?;
        match child.ended()? {
            None => Ok(()),
            Some(status) => Err(format!("{} has ended too early: {status}", child.name).into()),
        }
    }
}

/// What the processes have used by now.
struct Reading {
    at: Instant,
    descriptors: u64,
    server: Duration,
    generator: Duration,
    stolen: Duration,
}

impl Seen {
    /// Holds what the server has counted against what was to be done.
    fn judge(&mut self, generator: Generator, work: &Work, truth: &Value) {
        let count = |pointer: &str| truth.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
        let clients = f64::from(work.clients);
        let load = work.load.as_secs_f64();
        let intervals = work.interval().as_secs_f64();
        self.kept = if work.calls_per_second > 0 {
            let due = f64::from(work.calls_per_second) * (load - TAIL.as_secs_f64());
            let answered = count("/attempts/answered");
            if count("/calls_up") > 0.0 {
                self.is_clean = false;
                self.flaws.push(format!("{} calls left up", count("/calls_up")));
            }
            answered / due
        } else if work.interval() < work.length() {
            // One who signs on in the middle of the sign-ons has half an interval too little at the end, on average. The
            // harness signs its clients off one after another, and those still there keep alive.
            let sign_off = if generator == Generator::Harness { clients / SIGN_OFFS_PER_SECOND } else { 0.0 };
            let time = load + (work.signon_time().as_secs_f64() + sign_off) / 2.0;
            let due = clients * (time / intervals - 0.5);
            count("/keepalives/answered") / due
        } else if generator == Generator::Handshake {
            self.kept.min(1.0)
        } else {
            // As many as there were to be, and as fast.
            self.kept.min(count("/states_sent") / clients).min(1.0)
        };
        if self.kept < KEPT {
            self.flaws.push(format!("only {:.1} % of the work was done", 100.0 * self.kept));
        }
        let violations = truth["violations"].as_array().map_or(0, Vec::len);
        if violations > 0 {
            self.is_clean = false;
            self.flaws.push(format!("violations: {}", truth["violations"]));
        }
    }

    /// Processor time in the window of the load, for each of so many a second.
    pub fn cpu_per(&self, per_second: u32) -> Duration {
        let done = f64::from(per_second) * self.window.as_secs_f64() * self.kept.clamp(0.01, 1.0);
        self.cpu_of_load.div_f64(done)
    }
}

/// The last words of a generator.
fn tail_of(directory: &Path) -> String {
    let last = |name: &str| {
        let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    format!("{}\n{}", last("generator.log"), last("generator.err"))
}
