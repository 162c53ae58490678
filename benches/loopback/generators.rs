//! Whatever can load the server: the harness, the floor, and the rivals.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Failure;

/// Where the work is done.
pub struct Site<'a> {
    /// `ws://127.0.0.1:7000/signaling/v1`
    pub url: &'a str,
    pub subscribers: &'a Path,
    /// The authority to trust, with `wss`.
    pub ca: Option<&'a Path>,
    /// For files of the run.
    pub directory: &'a Path,
    /// Where the rivals are installed.
    pub rivals: Option<&'a Path>,
}

/// What is to be done: clients sign on at a rate, and then there is load for some time.
#[derive(Clone, Debug)]
pub struct Work {
    pub tls: bool,
    pub clients: u32,
    pub signons_per_second: u32,
    /// The interval that the server asks for.
    pub keepalive: Duration,
    /// A shorter one of the clients' own.
    pub own_keepalive: Option<Duration>,
    pub calls_per_second: u32,
    pub load: Duration,
}

/// From the answer to the hang-up.
pub const HOLD: Duration = Duration::from_millis(500);
pub const SDP_BYTES: usize = 3_000;

impl Work {
    /// Clients that sign on and then do nothing.
    pub fn idle(tls: bool, clients: u32, signons_per_second: u32, load: Duration) -> Work {
        // The longest interval that there is: no keepalive within the run.
        let keepalive = Duration::from_secs(600);
        Work { tls, clients, signons_per_second, keepalive, own_keepalive: None, calls_per_second: 0, load }
    }

    pub fn keepalives(clients: u32, signons_per_second: u32, interval: Duration, load: Duration) -> Work {
        // Less than a second can only be the client's own wish.
        let own_keepalive = (interval < Duration::from_secs(1)).then_some(interval);
        let keepalive = interval.max(Duration::from_secs(1));
        Work { keepalive, own_keepalive, ..Work::idle(false, clients, signons_per_second, load) }
    }

    pub fn calls(clients: u32, signons_per_second: u32, calls_per_second: u32, load: Duration) -> Work {
        Work { calls_per_second, ..Work::idle(false, clients, signons_per_second, load) }
    }

    pub fn signon_time(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.clients) / f64::from(self.signons_per_second))
    }

    pub fn length(&self) -> Duration {
        self.signon_time() + self.load
    }

    /// The addresses to dial from. The kernel looks for a free port among those of one parity first; where they run out
    /// (14,000 to one server) its search alone costs more than the rest of a sign-on.
    pub fn sources(&self) -> Vec<String> {
        let count = if self.clients > 8_000 { self.clients.div_ceil(8_000) } else { 0 };
        (1..=count).map(|number| format!("127.0.0.{number}")).collect()
    }

    /// What it is, for the reader.
    pub fn describe(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let load = match (self.calls_per_second, self.interval() < self.length()) {
            (0, false) => "no load".to_owned(),
            (0, true) => format!("a keepalive every {:?}", self.interval()),
            (calls, _) => format!("{calls} calls/s"),
        };
        format!("{} clients over {scheme}, {load}; ", self.clients)
    }

    pub fn interval(&self) -> Duration {
        self.own_keepalive.unwrap_or(self.keepalive)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    Floor,
    /// The floor, which ends a client's work with its TLS handshake.
    Handshake,
    Harness,
    Node,
    Artillery,
    Tsung,
    K6,
}

impl Generator {
    pub const RIVALS: [Generator; 4] =
        [Generator::Node, Generator::Artillery, Generator::Tsung, Generator::K6];

    pub const fn name(self) -> &'static str {
        match self {
            Generator::Floor => "floor",
            Generator::Handshake => "handshake",
            Generator::Harness => "wtsp-load",
            Generator::Node => "Node `ws`",
            Generator::Artillery => "Artillery",
            Generator::Tsung => "Tsung",
            Generator::K6 => "k6",
        }
    }

    pub const fn is_rival(self) -> bool {
        !matches!(self, Generator::Floor | Generator::Handshake | Generator::Harness)
    }

    /// Whether the work can be done with it at all.
    pub const fn can(self, work: &Work) -> bool {
        // Its users send what is written down for them; they cannot answer what comes by itself.
        !(matches!(self, Generator::Tsung) && work.calls_per_second > 0)
    }

    /// The command that does the work, once.
    pub fn command(self, work: &Work, site: &Site<'_>) -> Result<Command, Failure> {
        match self {
            Generator::Floor | Generator::Handshake => floor(self, work, site),
            Generator::Harness => harness(work, site),
            rival => super::rivals::command(rival, work, site),
        }
    }
}

/// The harness's own command.
pub fn wtsp_load() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wtsp-load"))
}

/// The directory of the harness's record of a run.
pub fn record_of(site: &Site<'_>) -> PathBuf {
    site.directory.join("record")
}

/// This very program, as the floor.
fn floor(kind: Generator, work: &Work, site: &Site<'_>) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--as-floor");
    let mut tell = |key: &str, value: String| {
        command.env(format!("FLOOR_{key}"), value);
    };
    tell("URL", site.url.to_owned());
    tell("SUBSCRIBERS", site.subscribers.display().to_string());
    tell("CA", site.ca.map_or(String::new(), |ca| ca.display().to_string()));
    tell("SOURCES", work.sources().join(","));
    tell("CLIENTS", work.clients.to_string());
    tell("SIGNONS_PER_SECOND", work.signons_per_second.to_string());
    tell("HANDSHAKE_ONLY", (kind == Generator::Handshake).to_string());
    tell("KEEPALIVE_MS", work.own_keepalive.map_or(0, |own| own.as_millis()).to_string());
    tell("CALLS_PER_SECOND", work.calls_per_second.to_string());
    // As the harness does, which hangs up what is up at the end: no calls in the last second.
    tell("CALLS_FOR_MS", work.load.saturating_sub(TAIL).as_millis().to_string());
    tell("HOLD_MS", HOLD.as_millis().to_string());
    tell("SDP_BYTES", SDP_BYTES.to_string());
    tell("LENGTH_MS", work.length().as_millis().to_string());
    Ok(command)
}

/// The end of a run, in which no call is placed.
pub const TAIL: Duration = Duration::from_secs(1);

fn harness(work: &Work, site: &Site<'_>) -> Result<Command, Failure> {
    let profile = site.directory.join("profile.toml");
    fs::write(&profile, profile_of(work, site)?)?;
    let mut command = wtsp_load();
    command.arg("run").arg(profile).arg("--quiet").arg("--out").arg(record_of(site));
    Ok(command)
}

/// The same work as a profile. All that is not said here is as it is by default, health and record included.
fn profile_of(work: &Work, site: &Site<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    writeln!(text, "name = \"loopback\"\nseed = 1\n[target]\nurl = \"{}\"\ndialect = \"flat\"", site.url)?;
    if !work.sources().is_empty() {
        writeln!(text, "source_addresses = {:?}", work.sources())?;
    }
    if let Some(ca) = site.ca {
        writeln!(text, "[target.tls]\nca_file = \"{}\"", ca.display())?;
    }
    writeln!(text, "[subscribers]\nfile = \"{}\"", site.subscribers.display())?;
    writeln!(text, "[generator]\nworkers = 1\n[clients]\nkeepalive_jitter = 0.0")?;
    if let Some(own) = work.own_keepalive {
        writeln!(text, "keepalive_interval = \"{}ms\"", own.as_millis())?;
    }
    let stage = |text: &mut String, name: &str, length: Duration| {
        writeln!(text, "[[stages]]\nname = \"{name}\"\nduration = \"{}ms\"", length.as_millis())
    };
    stage(&mut text, "sign-on", work.signon_time())?;
    writeln!(text, "clients = {}", work.clients)?;
    if work.calls_per_second == 0 {
        stage(&mut text, "load", work.load)?;
        return Ok(text);
    }
    stage(&mut text, "load", work.load - TAIL)?;
    writeln!(text, "calls_per_second = {}", work.calls_per_second)?;
    stage(&mut text, "tail", TAIL)?;
    // At once and without candidates, as the floor does.
    writeln!(text, "[calls]\nring = {{ fixed = \"0ms\" }}\nhold = {{ fixed = \"{}ms\" }}", HOLD.as_millis())?;
    writeln!(text, "candidates = 0\nsdp_bytes = {SDP_BYTES}\nhangup_by_callee = 0.0")?;
    Ok(text)
}
