//! Profiles: what a run is to do, from the TOML file to a plan that is proved feasible.
//!
//! A [`ProfileFile`] is what was written, and a [`Plan`] what it means: every default filled in, every choice made,
//! every contradiction found, before the first connection is dialled. [`load`] leads from one to the other. Whatever is
//! wrong comes as [`ProfileErrors`]: all of it at once, each with file, line, column and a cure.
//!
//! The command line's overrides ([`Overrides`]) are put into the parsed TOML before it is read as a profile, so they go
//! through the same checks, and an error about one of them names it.
//!
//! ```no_run
//! use std::path::Path;
//! use wtsp_load::profile::{self, Overrides};
//!
//! let plan = profile::load(Path::new("profiles/quickstart.toml"), &Overrides::default())?;
//! println!("{} clients for {:?}", plan.peak_clients(), plan.duration());
//! # Ok::<(), profile::ProfileErrors>(())
//! ```

mod call_plan;
mod capacity;
mod document;
mod duration;
mod error;
mod file;
mod hash;
mod law_text;
mod plan;
mod resolve;
mod schema;
mod source;
mod threshold;
mod url;
mod words;

use std::path::Path;

pub use call_plan::{CallPlan, FlowShare, SdpPlan};
pub use duration::{DurationError, WrittenDuration, parse_duration, write_duration};
pub use error::{Problem, ProblemKind, ProfileErrors};
pub use file::ProfileFile;
pub use law_text::{LawError, RefusalsError, parse_freeze, parse_law, parse_refusals};
pub use plan::{
    CdrPlan, ClientPlan, ControlPlan, DialectChoice, EmbeddedPlan, Force, LoginPlan, Plan, Reconnect, Server,
    SubscriberSource, Target, TlsPlan,
};
pub use threshold::{
    Figure, Kind, Limit, Operator, Origin, Part, Statistic, Threshold, ThresholdError, Thresholds,
};
pub use url::{ServerUrl, UrlError};
pub use words::choices;

use source::Source;

/// What the command line says instead of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--target`: a URL or `embedded`, for `target.url`.
    pub target: Option<String>,
    /// `--dialect`: for `target.dialect`.
    pub dialect: Option<String>,
    /// `--seed`: for `seed`.
    pub seed: Option<u64>,
    /// `--flow`: the only flow, for `calls.mix`.
    pub flow: Option<String>,
    /// `--set KEY=VALUE`, as given: a dotted key (stages are numbered from 0) and a TOML value; a bare word is a text.
    /// Later ones win over earlier ones, and the options above over all of them. Setting one of several keys that
    /// exclude each other, such as `subscribers.file` and `subscribers.count`, removes the others.
    pub set: Vec<String>,
}

/// Reads the profile at `path`, applies the overrides, and makes the plan.
///
/// Paths in a profile are relative to the profile's folder; in a `--set`, to the working directory. A subscribers file
/// is read and counted, but not kept.
///
/// # Errors
/// [`ProfileErrors`]: everything that is wrong, as far as it can be told at once.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Plan, ProfileErrors> {
    let (source, problems) = Source::read(path, overrides);
    if !problems.is_empty() {
        return Err(ProfileErrors::new(source, problems));
    }
    let plan = document::read(&source).and_then(|(file, places)| resolve::plan(&file, &places, &source));
    plan.map_err(|problems| ProfileErrors::new(source, problems))
}

/// The JSON schema of a profile, for editors.
pub fn schema() -> serde_json::Value {
    schema::of_profile()
}
