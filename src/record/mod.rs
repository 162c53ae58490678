//! What is kept of a run, and the files it is kept in.
//!
//! A [`RunWriter`] makes the run's directory and appends a line a second to `intervals.jsonl`, which is the source of
//! everything: counters by name, and every histogram without loss. A [`Fold`] adds the seconds up to a [`RunRecord`],
//! while the run lasts and, by the same code, from the file of a run that was killed ([`load`]). The memory of both
//! does not grow with the length of the run.
//!
//! No secret has a place in any of these types.

mod calls;
mod change;
mod control;
mod counted;
mod ending;
mod error;
mod figures;
mod flight;
mod flight_writer;
mod fold;
mod glossary;
mod header;
mod health;
mod histogram;
mod interval;
mod kpi;
mod littles_law;
mod load;
mod redact;
mod run;
mod save;
mod v2;
mod wanted;
mod writer;

pub use calls::{CALLS_FILE, CallRow, CallsCsv, CallsEnd, CallsWriter, print_calls};
pub use change::{Change, ChangeKind};
pub use control::{Control, ControlCounts, ControlInfo};
pub use counted::{
    Attempts, ByName, Calls, Counted, Disconnects, Keepalives, LedgerCounts, Recovery, Requests,
    SessionCounts, SideCallCounts, SignonCounts, SignonFailures,
};
pub use ending::EarlyEnd;
pub use error::RecordError;
pub use figures::Window;
pub use flight::{
    Direction, EXCERPT_BYTES, FIRST_MESSAGES, FLIGHT_FILE, FlightReader, Kept, KeptCall, KeptCalls,
    KeptMessage, MOST_RECORDED, MessageKind,
};
pub use flight_writer::{FlightWriter, MOST_A_CAUSE, SLOWEST};
pub use fold::Fold;
pub use glossary::{GLOSSARY, Term};
pub use header::{Environment, ProfileInfo, RunHeader, StageInfo, TargetInfo, ToolInfo};
pub use health::{BUSY_PART, Health};
pub use histogram::{
    ByMetric, Decoder, Encoder, HistogramError, Latencies, MetricLatency, StoredHistogram, Summary,
};
pub use interval::{ControlSecond, Interval, LATE_US, StoredGauges, StoredInterval};
pub use kpi::Kpi;
pub use littles_law::LittlesLaw;
pub use load::{IntervalReader, load};
pub use redact::{excerpt, reason as free_text};
pub use run::{Aborted, Clients, Generator, Intervals, RunEnd, RunRecord, SCHEMA_VERSION, Sums, Validity};
pub use save::save;
pub use wanted::Wanted;
pub use writer::{INTERVALS_FILE, RUN_FILE, Recorded, RunWriter};
