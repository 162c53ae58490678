//! What is known of a run before it starts.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallsCsv, ControlInfo};
use crate::profile::Thresholds;

/// What is known of a run before the first connection: the first line of `intervals.jsonl`.
///
/// It has no place for a secret: of subscribers it knows their number only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeader {
    /// The program that ran.
    pub tool: ToolInfo,
    /// The profile that was run.
    pub profile: ProfileInfo,
    /// The server under test, and what the scout found out about it.
    pub target: TargetInfo,
    /// When the run started, in milliseconds since the epoch.
    pub started_at: i64,
    /// The most clients that any stage asks for.
    pub clients_planned: u64,
    /// The stages, in their order.
    pub stages: Vec<StageInfo>,
    /// Worker threads of the generator.
    pub workers: u32,
    /// The control group that the run is to have.
    #[serde(default)]
    pub control: ControlInfo,
    /// Files and sockets that the process may have open at once.
    pub fd_limit: u64,
    /// The mean time for which the plan holds an answered call, in microseconds; `null` without calls.
    pub mean_hold_us: Option<u64>,
    /// The mean time for which the plan keeps the clients of an answered call busy, ringing included, in microseconds;
    /// `null` without calls.
    #[serde(default)]
    pub mean_busy_us: Option<u64>,
    /// The machine that generated the load.
    pub environment: Environment,
    /// What the figures of the run have to be.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// The list of its calls, where one is written.
    #[serde(default)]
    pub calls_csv: Option<CallsCsv>,
}

/// The program that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for ToolInfo {
    /// This very program.
    fn default() -> Self {
        ToolInfo { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// The profile that was run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileInfo {
    /// Its name.
    pub name: String,
    /// A hash of the plan: equal for equal plans, whatever the file looked like.
    pub hash: String,
    /// The seed of everything that was drawn.
    pub seed: u64,
}

/// The server under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetInfo {
    /// Its URL, without token; for the core of this process the address it listens on.
    pub url: String,
    /// Whether it is the embedded core in the generator's own process.
    pub embedded: bool,
    /// Whether it is on another machine.
    pub remote: bool,
    /// The dialect that was asked for: `nested`, `flat` or `auto`.
    pub dialect: String,
    /// The dialect that the server was found to speak, or `null` if nobody looked.
    pub dialect_detected: Option<String>,
    /// Whether the server selected the sub-protocol when the scout asked for it.
    pub subprotocol: Option<bool>,
    /// Whether certificates were not checked, because the profile said so.
    pub tls_insecure: bool,
    /// Whether earlier TLS sessions were taken up where the server offered it, because the profile said so.
    #[serde(default)]
    pub tls_resumption: bool,
    /// Lines that the server gave the scout.
    pub lines: Option<u32>,
    /// The keepalive interval that the server gave the scout, in milliseconds.
    pub keepalive_interval_ms: Option<u64>,
}

/// A stretch of the run with its own load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// When it starts, in seconds from the start of the run.
    pub starts_s: f64,
    /// How long it lasts, in seconds.
    pub duration_s: f64,
    /// Clients to be signed on at its end.
    pub clients: u64,
    /// Calls per second that come due when it starts.
    pub calls_per_second_from: f64,
    /// Calls per second that come due when it ends.
    pub calls_per_second_to: f64,
    /// The most calls per second that come due in it.
    #[serde(default)]
    pub calls_per_second_peak: f64,
    /// Callers that place one call after the other, beside the calls that are due at a rate.
    #[serde(default)]
    pub callers: u32,
    /// The law of arrivals of calls: `at_once`, `constant` or `poisson`.
    pub arrivals: String,
    /// The law of arrivals of sign-ons and sign-offs.
    #[serde(default)]
    pub signon_arrivals: String,
    /// Clients that sign off and on again, per second.
    #[serde(default)]
    pub churn_per_second: f64,
    /// How its clients sign off: `close`, with 1000, or `drop`, without a close frame.
    #[serde(default)]
    pub sign_off: String,
}

impl StageInfo {
    /// Whether it has calls of whatever kind.
    pub fn has_calls(&self) -> bool {
        let rates = [self.calls_per_second_from, self.calls_per_second_to, self.calls_per_second_peak];
        self.callers > 0 || rates.iter().any(|rate| *rate > 0.0)
    }
}

/// The machine that generated the load. It has no name: a record is handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Processors that the process may use.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The operating system and its version.
    pub kernel: String,
}

impl Environment {
    /// The machine that this runs on. What cannot be found out is zero or empty.
    pub fn here() -> Environment {
        let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kernel = format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned();
        Environment { cores, memory_bytes: memory_bytes(Path::new("/proc/meminfo")), kernel }
    }
}

/// The `MemTotal` of a file like `/proc/meminfo`, in bytes; 0 where there is none.
fn memory_bytes(meminfo: &Path) -> u64 {
    let text = std::fs::read_to_string(meminfo).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_without_its_name() {
        let here = Environment::here();
        assert!(here.cores > 0);
        assert!(!here.kernel.is_empty());
    }
}
