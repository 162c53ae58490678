//! Whether one run was better or worse than another, and what of it may be chance.
//!
//! [`compare`] draws blocks of seconds from both runs, takes every figure from them some thousand times, and so finds for
//! each an interval in which its true difference lies; all of them together with a probability of 95 %. A figure is
//! worse where its whole interval is beyond the least relevant difference, and equal where all of it is within.
//!
//! What the seconds of a run cannot tell is how much two runs of the same thing differ as such: another state of the
//! machine, another place of the processes on it. For that there is the least relevant difference, which is never less
//! than what the generator itself was later in one run than in the other; where more is at stake, repeat the runs.

mod bootstrap;
mod comparable;
mod quantiles;
mod sample;
mod window;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::bootstrap::{Blocks, Drawn, Replicated, simultaneous};
use self::quantiles::{Ratio, Table};
use self::sample::{Sample, Second, Timed};
use self::window::{Kind, Window};
use crate::law::Seed;
use crate::metrics::Metric;
use crate::record::{RecordError, RunRecord, ToolInfo};

/// The version of the shape of a [`Comparison`].
pub const SCHEMA_VERSION: u32 = 1;

/// How many times the seconds are drawn anew.
const REPLICATES: usize = 2_000;
/// With which probability all intervals together hold the truth.
const CONFIDENCE: f64 = 0.95;
/// The fewest seconds from which anything follows.
const SECONDS: usize = 20;
/// The fewest latencies that have to lie beyond a quantile, in each run.
const BEYOND: f64 = 20.0;
/// The quantiles that are compared.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

/// What counts as a difference, and how it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// The least relevant difference of a latency, as a part of what it is in BASE: 0.05 is 5 %.
    pub relative: f64,
    /// The least relevant difference of a latency, in microseconds. The larger one of the two holds.
    pub absolute_us: u64,
    /// The least relevant difference of a ratio, in percentage points.
    pub points: f64,
    /// What is left out at the start of the stages with calls, in seconds.
    pub warm_up_s: u64,
    /// The seed of what is drawn. The same seed gives the same answer.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { relative: 0.05, absolute_us: 200, points: 0.1, warm_up_s: 5, seed: 0 }
    }
}

/// What is said of a figure, and of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// By more than the least relevant difference, as sure as can be.
    #[serde(rename = "worse")]
    Worse,
    /// By more than the least relevant difference, as sure as can be.
    #[serde(rename = "better")]
    Better,
    /// Neither is proved: there is too much chance in it.
    #[serde(rename = "no evidence")]
    NoEvidence,
    /// The difference is less than the least relevant one, as sure as can be.
    #[serde(rename = "equal")]
    Equal,
    /// There is too little of it to say anything.
    #[serde(rename = "too few")]
    TooFew,
}

impl Outcome {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Worse => "worse",
            Outcome::Better => "better",
            Outcome::NoEvidence => "no evidence",
            Outcome::Equal => "equal",
            Outcome::TooFew => "too few",
        }
    }
}

/// One of the two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Its directory, as it was given.
    pub directory: String,
    /// The version of the program that made it.
    pub version: String,
    /// The name of its profile.
    pub profile: String,
    /// The hash of its plan.
    pub hash: String,
    /// Its seed.
    pub seed: u64,
    /// Its target.
    pub url: String,
    /// When it started, in milliseconds since the epoch.
    pub started_at: i64,
    /// How long it was measured, in microseconds.
    pub duration_us: u64,
    /// Whether its generator was fit: `valid`, `degraded` or `void`.
    pub validity: String,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Percent; differences are in percentage points.
    #[serde(rename = "percent")]
    Percent,
}

/// A figure of both runs. `difference`, `low` and `high` are NEW − BASE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Its name: `setup.response.p99`, `attempts.failed`.
    pub name: String,
    /// What it is counted in.
    pub unit: Unit,
    /// What it is in the seconds of BASE that count.
    pub base: f64,
    /// What it is in those of NEW.
    pub new: f64,
    /// NEW − BASE.
    pub difference: f64,
    /// The lower end of the interval of the difference; `null` where there is too little to say.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The least relevant difference.
    pub relevant: f64,
    /// How many latencies, calls or keepalives it is of, in BASE.
    pub base_count: u64,
    /// The same in NEW.
    pub new_count: u64,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// What is said of it.
    pub outcome: Outcome,
}

/// A figure that is told and not judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// Its name in `run.json`.
    pub name: String,
    /// What it is in BASE, as a whole run.
    pub base: Option<f64>,
    /// What it is in NEW.
    pub new: Option<f64>,
}

/// What came of comparing two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "A comparison of two runs by wtsp-load")]
pub struct Comparison {
    /// The version of this shape.
    pub schema_version: u32,
    /// The program that compared.
    pub tool: ToolInfo,
    /// The run that is compared with.
    pub base: Side,
    /// The run that is compared.
    pub new: Side,
    /// What is said of all together: worse if anything is, better if something is and nothing is worse, equal if
    /// all that can be said is.
    pub outcome: Outcome,
    /// What speaks against comparing these two.
    pub objections: Vec<String>,
    /// What else has to be known.
    pub remarks: Vec<String>,
    /// What counts as a difference.
    pub settings: Settings,
    /// With which probability all intervals together hold the truth.
    pub confidence: f64,
    /// How many times the seconds were drawn anew.
    pub replicates: usize,
    /// How many seconds with calls were compared, of the run that has fewer.
    pub seconds: usize,
    /// How long the blocks of seconds were that were drawn.
    pub block_s: usize,
    /// The latencies, and the ratios.
    pub compared: Vec<Compared>,
    /// What is told beside.
    pub told: Vec<Told>,
}

/// Compares the run `new` with the run `base`; their directories are named as they were given. Where
/// [`Comparison::objections`] has any, the figures are there all the same.
///
/// # Errors
/// The log of a run cannot be read.
pub fn compare(
    (base_directory, base): (&str, &RunRecord),
    (new_directory, new): (&str, &RunRecord),
    settings: Settings,
) -> Result<Comparison, RecordError> {
    let mut objections = comparable::objections(base, new);
    let same_plan = base.profile.hash == new.profile.hash;
    let runs = Runs { base: Sample::of(base)?, new: Sample::of(new)?, same_plan };
    let Found { compared, seconds, block } = runs.compare(settings, REPLICATES)?;
    if seconds < SECONDS {
        let warm_up = settings.warm_up_s;
        objections.push(format!(
            "there are too few seconds to say anything: {seconds} with calls, after a warm-up of {warm_up} s, and it \
             takes {SECONDS}"
        ));
    }
    Ok(Comparison {
        schema_version: SCHEMA_VERSION,
        tool: ToolInfo::default(),
        base: side(base_directory, base),
        new: side(new_directory, new),
        outcome: overall(&compared),
        objections,
        remarks: comparable::remarks(base, new),
        settings,
        confidence: CONFIDENCE,
        replicates: REPLICATES,
        seconds,
        block_s: block,
        compared,
        told: told(base, new),
    })
}

fn side(directory: &str, run: &RunRecord) -> Side {
    Side {
        directory: directory.to_owned(),
        version: run.tool.version.clone(),
        profile: run.profile.name.clone(),
        hash: run.profile.hash.clone(),
        seed: run.profile.seed,
        url: run.target.url.clone(),
        started_at: run.started_at,
        duration_us: run.duration_us,
        validity: run.generator.validity.name().to_owned(),
    }
}

fn overall(compared: &[Compared]) -> Outcome {
    let any = |outcome| compared.iter().any(|one| one.outcome == outcome);
    [Outcome::Worse, Outcome::Better, Outcome::NoEvidence, Outcome::Equal]
        .into_iter()
        .find(|outcome| any(*outcome))
        .unwrap_or(Outcome::TooFew)
}

fn told(base: &RunRecord, new: &RunRecord) -> Vec<Told> {
    type Figure = fn(&RunRecord) -> Option<f64>;
    let figures: [(&str, Figure); 7] = [
        ("kpi.cps_offered", |run| run.kpi.cps_offered),
        ("kpi.cps_completed", |run| run.kpi.cps_completed),
        ("attempts.blocked", |run| Some(run.counted.attempts.blocked as f64)),
        ("disconnects", |run| {
            let others = run.counted.disconnects.iter().filter(|one| !one.is_ours());
            Some(others.map(|one| one.count).sum::<u64>() as f64)
        }),
        ("generator.cpu_cores", |run| run.generator.cpu_cores),
        ("generator.lag.p99", |run| run.generator.lag.p99.map(|lag| lag as f64)),
        ("generator.timer_lag.p99", |run| run.generator.timer_lag.p99.map(|lag| lag as f64)),
    ];
    figures
        .into_iter()
        .map(|(name, figure)| Told { name: name.to_owned(), base: figure(base), new: figure(new) })
        .collect()
}

/// Both runs.
struct Runs {
    base: Sample,
    new: Sample,
    same_plan: bool,
}

/// What came of them.
struct Found {
    compared: Vec<Compared>,
    seconds: usize,
    block: usize,
}

/// A figure before its interval is known.
struct Pending {
    compared: Compared,
    /// Nothing if there is too little of it.
    replicated: Option<Replicated>,
}

impl Runs {
    fn compare(&self, settings: Settings, replicates: usize) -> Result<Found, RecordError> {
        let windows = [Kind::Load, Kind::SignOn]
            .map(|kind| Window::new(kind, &self.base, &self.new, self.same_plan, settings.warm_up_s));
        let drawn: Vec<Drawn> = (windows.iter().zip(0..))
            .map(|(window, kind)| {
                let seconds = [window.base.len(), window.new.len()];
                Drawn::new(seconds, window.paired, replicates, Seed(settings.seed), kind)
            })
            .collect();
        let own = self.own_lateness(&windows[0])?;
        let mut pending = Vec::new();
        for (place, timed) in Timed::all().into_iter().enumerate().filter(|(_, timed)| !timed.metric.is_own())
        {
            let kind = usize::from(timed.is_sign_on());
            self.latency(place, timed, &windows[kind], &drawn[kind], &own, settings, &mut pending)?;
        }
        self.ratios(&windows[0], &drawn[0], settings, &mut pending);
        let (seconds, block) = (windows[0].seconds(), drawn[0].base.0.length * windows[0].bin);
        Ok(Found { compared: judged(pending), seconds, block })
    }

    /// What the generator was later in one run than in the other, for each of [`QUANTILES`]: in sending calls, and in
    /// meeting its deadlines, which is how late it reads as well.
    fn own_lateness(&self, window: &Window) -> Result<[[f64; 2]; 3], RecordError> {
        let mut differences = [[0.0; 2]; 3];
        for (place, timed) in Timed::all().into_iter().enumerate() {
            let Some(kind) = [Metric::Lag, Metric::TimerLag].iter().position(|own| *own == timed.metric)
            else {
                continue;
            };
            let (base, new) = self.tables(place, window)?;
            for ((q, _), difference) in QUANTILES.iter().zip(&mut differences) {
                if let Some((base, new)) = whole(&base, *q).zip(whole(&new, *q)) {
                    difference[kind] = (new - base).abs();
                }
            }
        }
        Ok(differences)
    }

    fn tables(&self, place: usize, window: &Window) -> Result<(Table, Table), RecordError> {
        let base = Table::new(&self.base.cells(place, &window.base)?);
        let new = Table::new(&self.new.cells(place, &window.new)?);
        Ok((base, new))
    }

    #[allow(clippy::too_many_arguments, reason = "a step of one function")]
    fn latency(
        &self,
        place: usize,
        timed: Timed,
        window: &Window,
        drawn: &Drawn,
        own: &[[f64; 2]; 3],
        settings: Settings,
        pending: &mut Vec<Pending>,
    ) -> Result<(), RecordError> {
        let (base, new) = self.tables(place, window)?;
        for ((q, name), [sent, read]) in QUANTILES.iter().zip(own) {
            let Some((of_base, of_new)) = whole(&base, *q).zip(whole(&new, *q)) else { continue };
            let own = if timed.response && !timed.is_sign_on() { sent + read } else { *read };
            let difference = of_new - of_base;
            let few = base.count.min(new.count) as f64 * (1.0 - q) < BEYOND || window.seconds() < SECONDS;
            pending.push(Pending {
                compared: Compared {
                    name: format!("{}.{name}", timed.name()),
                    unit: Unit::Micros,
                    base: of_base,
                    new: of_new,
                    difference,
                    low: None,
                    high: None,
                    relevant: (settings.relative * of_base).max(settings.absolute_us as f64).max(own),
                    base_count: base.count,
                    new_count: new.count,
                    more_is_better: false,
                    outcome: Outcome::TooFew,
                },
                replicated: (!few).then(|| Replicated {
                    difference,
                    replicates: drawn.differences(
                        |blocks, starts| base.quantile(*q, blocks, starts),
                        |blocks, starts| new.quantile(*q, blocks, starts),
                        difference,
                    ),
                    // Half a cell of a histogram with 3 digits.
                    floor: (of_base.max(of_new) * 5e-4).max(0.5),
                    blocks: drawn.blocks(),
                }),
            });
        }
        Ok(())
    }

    fn ratios(&self, window: &Window, drawn: &Drawn, settings: Settings, pending: &mut Vec<Pending>) {
        type Counts = fn(&Second) -> (u64, u64);
        let ratios: [(&str, bool, Counts); 3] = [
            ("attempts.failed", false, |second| (second.attempts.failed, second.attempts.with_outcome())),
            ("kpi.seer", true, |second| {
                let attempts = &second.attempts;
                let proper = attempts.answered + attempts.busy + attempts.declined + attempts.unavailable;
                (proper, attempts.with_outcome().saturating_sub(attempts.cancelled))
            }),
            ("keepalives.missed", false, |second| {
                let keepalives = &second.keepalives;
                (keepalives.missed, keepalives.answered + keepalives.missed)
            }),
        ];
        for (name, more_is_better, counts) in ratios {
            let [base, new] = [(&self.base, &window.base), (&self.new, &window.new)].map(|(sample, bins)| {
                Ratio::new(bins.iter().map(|bin| {
                    let seconds = bin.iter().filter_map(|number| sample.seconds.get(number)).map(counts);
                    seconds.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
                }))
            });
            let ((base_part, base_whole), (new_part, new_whole)) = (base.counts(), new.counts());
            if base_whole == 0 || new_whole == 0 {
                continue;
            }
            let [of_base, of_new] = [(base_part, base_whole), (new_part, new_whole)]
                .map(|(part, all)| part as f64 * 100.0 / all as f64);
            let difference = of_new - of_base;
            let few = window.seconds() < SECONDS || (base_whole.min(new_whole) as f64) < BEYOND;
            pending.push(Pending {
                compared: Compared {
                    name: name.to_owned(),
                    unit: Unit::Percent,
                    base: of_base,
                    new: of_new,
                    difference,
                    low: None,
                    high: None,
                    relevant: settings.points,
                    base_count: base_whole,
                    new_count: new_whole,
                    more_is_better,
                    outcome: Outcome::TooFew,
                },
                replicated: (!few).then(|| Replicated {
                    difference,
                    replicates: drawn.differences(
                        |blocks, starts| base.percent(blocks, starts),
                        |blocks, starts| new.percent(blocks, starts),
                        difference,
                    ),
                    floor: counting_error([(base_part, base_whole), (new_part, new_whole)]),
                    blocks: drawn.blocks(),
                }),
            });
        }
    }
}

/// The standard error of the difference of two ratios, in percentage points, if each thing went wrong by itself. None of a
/// hundred does not prove that there never is any: half of one is added.
fn counting_error(ratios: [(u64, u64); 2]) -> f64 {
    let variances = ratios.map(|(part, whole)| {
        let share = (part as f64 + 0.5) / (whole as f64 + 1.0);
        share * (1.0 - share) / whole as f64
    });
    variances.iter().sum::<f64>().sqrt() * 100.0
}

/// A quantile of all seconds.
fn whole(table: &Table, q: f64) -> Option<f64> {
    let (blocks, starts) = Blocks::whole(table.seconds());
    table.quantile(q, &blocks, &starts)
}

/// Finds the intervals of all figures together, and says what follows.
fn judged(pending: Vec<Pending>) -> Vec<Compared> {
    let (mut compared, mut places, mut replicated) = (Vec::new(), Vec::new(), Vec::new());
    for (place, one) in pending.into_iter().enumerate() {
        compared.push(one.compared);
        if let Some(one) = one.replicated {
            places.push(place);
            replicated.push(one);
        }
    }
    for (place, half) in places.into_iter().zip(simultaneous(&replicated, CONFIDENCE)) {
        let one: &mut Compared = &mut compared[place];
        let (low, high) = (one.difference - half, one.difference + half);
        (one.low, one.high) = (Some(low), Some(high));
        let (more, less) = match one.more_is_better {
            false => (Outcome::Worse, Outcome::Better),
            true => (Outcome::Better, Outcome::Worse),
        };
        one.outcome = match one.relevant {
            relevant if low > relevant => more,
            relevant if high < -relevant => less,
            relevant if low >= -relevant && high <= relevant => Outcome::Equal,
            _ => Outcome::NoEvidence,
        };
    }
    compared
}

#[cfg(test)]
mod tests;
