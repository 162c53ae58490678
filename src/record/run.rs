//! The record of a whole run.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    CallsCsv, CallsEnd, Change, Control, Counted, Environment, IntervalReader, KeptCalls, Kpi, Latencies,
    LittlesLaw, ProfileInfo, RecordError, SignonCounts, StageInfo, StoredInterval, Summary, TargetInfo,
    ToolInfo,
};
use crate::profile::Thresholds;

/// The version of the shape of `run.json` and `intervals.jsonl`. It rises when a name changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What is only known when a run has ended: the last line of `intervals.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunEnd {
    /// When the run ended, in milliseconds since the epoch.
    pub ended_at: i64,
    /// Whether it was ended before its plan was.
    pub interrupted: bool,
    /// What a signed-on client cost the generator, in bytes of memory; `None` if it was not measured.
    pub bytes_per_client: Option<u64>,
    /// The most memory (RSS) that the process ever used, in bytes; `None`: the most of any second is taken.
    pub rss_peak_bytes: Option<u64>,
    /// The threshold that ended it early, if one did. That is no interruption.
    #[serde(default)]
    pub aborted_by: Option<Aborted>,
    /// Sessions that were no more after the run.
    #[serde(default)]
    pub sessions_deleted: u64,
    /// Sessions that could not be deleted.
    #[serde(default)]
    pub sessions_delete_failed: u64,
    /// What became of `calls.csv`, where it was written.
    #[serde(default)]
    pub calls_csv: Option<CallsEnd>,
    /// What the flight recorder has kept, where it was on.
    #[serde(default)]
    pub kept_calls: Option<KeptCalls>,
    /// What was changed by hand after the last second.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// A threshold that ended a run early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Aborted {
    /// The figure's name in `run.json`.
    pub name: String,
    /// What it had to be.
    pub limit: String,
    /// The stage that the threshold is about; `null` for the whole run.
    pub stage: Option<String>,
    /// What it had come to, in its own unit.
    pub found: f64,
    /// When the second began that decided it, in microseconds from the start of the run.
    pub at_us: u64,
}

/// All that is kept of a run. Every report is made from it, now or a year later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// The version of this shape.
    pub schema_version: u32,
    /// The program that ran.
    pub tool: ToolInfo,
    /// The profile that was run.
    pub profile: ProfileInfo,
    /// The server under test.
    pub target: TargetInfo,
    /// When the run started, in milliseconds since the epoch.
    pub started_at: i64,
    /// When it ended, in milliseconds since the epoch.
    pub ended_at: i64,
    /// How long it was measured, in microseconds: to the end of the last second that was stored.
    pub duration_us: u64,
    /// Whether it was ended before its plan was.
    pub interrupted: bool,
    /// The threshold that ended it early, if one did. That is no interruption.
    #[serde(default)]
    pub aborted_by: Option<Aborted>,
    /// What was changed by hand while it went on, in the order of time. Such a run is not compared with others.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The machine that generated the load.
    pub environment: Environment,
    /// Clients and their sign-ons.
    pub clients: Clients,
    /// The stages of the plan.
    pub stages: Vec<StageInfo>,
    /// The mean time for which the plan holds an answered call, in microseconds.
    pub mean_hold_us: Option<u64>,
    /// What was counted.
    #[serde(flatten)]
    pub counted: Counted,
    /// Attempts that were sent and ended otherwise than their flow intended. Those that the end of the run cut off did
    /// not.
    pub attempts_unintended: u64,
    /// Whether the counts fit together.
    pub sums: Sums,
    /// Open connections that the server or the network ended, per 1000 hours of connection.
    pub closes_per_1000_connection_hours: Option<f64>,
    /// Latencies, by metric.
    pub latency: Latencies<Summary>,
    /// The key figures of telephony.
    pub kpi: Kpi,
    /// Little's law, for each stage that had calls for longer than its ramp-up.
    #[serde(default)]
    pub littles_law: Vec<LittlesLaw>,
    /// The generator's own health.
    pub generator: Generator,
    /// What the figures of the run had to be; `verdict.thresholds` says which of them were.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// The list of its calls, `calls.csv`, where one was written.
    #[serde(default)]
    pub calls_csv: Option<CallsCsv>,
    /// Calls whose messages are in `flight.jsonl`; `null` without the flight recorder, and of a run that was killed.
    #[serde(default)]
    pub kept_calls: Option<KeptCalls>,
    /// Every second of the run, without histograms; they are in `intervals.jsonl`.
    pub intervals: Intervals,
}

/// Clients and their sign-ons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clients {
    /// The most that any stage asks for.
    pub planned: u64,
    /// The most that were signed on at the end of any second.
    pub peak: u64,
    /// Their sign-ons.
    #[serde(flatten)]
    pub signons: SignonCounts,
}

/// Whether the counts of a run fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sums {
    /// Whether all do.
    pub hold: bool,
    /// Those that do not, in words.
    pub wrong: Vec<String>,
}

/// The generator's own health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Generator {
    /// How late calls were written to their sockets.
    pub lag: Summary,
    /// How late keepalives were written to their sockets.
    pub keepalive_lag: Summary,
    /// How late workers met their deadlines, of whatever kind.
    pub timer_lag: Summary,
    /// From the begin of a turn of a worker's loop until a frame of that turn was handled.
    pub handling: Summary,
    /// How long keepalives of control clients took, on a thread without load.
    pub keepalive_control: Summary,
    /// How long those of their twins took, in the workers.
    pub keepalive_twin: Summary,
    /// The control group.
    pub control: Control,
    /// Processor time used, in cores, over the whole run. An embedded core in the same process is left out where its
    /// share is known.
    pub cpu_cores: Option<f64>,
    /// Processor time of the busiest worker in its busiest second, as a part of one core: 0 to 1.
    pub worker_cpu_max: f64,
    /// For how long a worker used more than 90 % of a core, in microseconds.
    pub busy_us: u64,
    /// The longest turn of a worker's loop, in microseconds.
    pub turn_max_us: u64,
    /// The worst lateness of a worker's heartbeat, which is due ten times a second, in microseconds.
    pub heartbeat_late_max_us: u64,
    /// For how long workers had something to do and no processor to do it on, all together, in microseconds.
    pub run_delay_us: Option<u64>,
    /// The same as a part of the time for which they had something to do: 0 to 1.
    pub starved_part: Option<f64>,
    /// Processor time of this machine that its host gave to others, as a part of the machine's: 0 to 1.
    pub steal_part: Option<f64>,
    /// Periods in which the cgroup had used up its share of processor time.
    pub throttled_periods: Option<u64>,
    /// For how long the cgroup was kept from running therefore, in microseconds, added up over processors.
    pub throttled_us: Option<u64>,
    /// The most memory (RSS) that was used, in bytes.
    pub rss_peak_bytes: u64,
    /// What a signed-on client cost, in bytes of memory.
    pub bytes_per_client: Option<u64>,
    /// Files and sockets that the process may have open at once.
    pub fd_limit: u64,
    /// The fewest files and sockets that it could still have opened.
    pub fds_left_min: Option<u64>,
    /// The fewest local ports that were left for connections to the target.
    pub ports_left_min: Option<u64>,
    /// Worker threads.
    pub workers: u32,
    /// Attempts that were started later than the limit of a valid run allows.
    pub late: u64,
    /// Attempts that the stored seconds saw come due but not end, because the process was killed. They are counted
    /// as `unfinished`.
    pub cut_off: u64,
    /// Whether the generator was fit to measure.
    pub validity: Validity,
    /// Why it was not.
    pub validity_reasons: Vec<String>,
}

/// Whether the generator was fit to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It was.
    #[default]
    Valid,
    /// Its own delays are part of the figures: no claim about capacity can rest on them.
    Degraded,
    /// The numbers prove nothing.
    Void,
}

impl Validity {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Validity::Valid => "valid",
            Validity::Degraded => "degraded",
            Validity::Void => "void",
        }
    }
}

/// The seconds of a run: not held in memory, but read from `intervals.jsonl` whenever they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    log: PathBuf,
}

impl Intervals {
    /// Those of a log.
    pub fn of(log: &Path) -> Intervals {
        Intervals { log: log.to_owned() }
    }

    /// The log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Reads them from the start.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(&self) -> Result<IntervalReader, RecordError> {
        IntervalReader::open(&self.log)
    }
}

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for interval in self.read().map_err(S::Error::custom)? {
            let mut interval = interval.map_err(S::Error::custom)?;
            interval.drop_histograms();
            sequence.serialize_element(&interval)?;
        }
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for Intervals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Intervals::default())
    }
}

impl JsonSchema for Intervals {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Intervals".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<StoredInterval>::json_schema(generator)
    }
}
