//! What the figures of a run have to be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Resolver;
use crate::profile::call_plan::CallPlan;
use crate::profile::duration::{parse_duration, write_duration};
use crate::profile::error::{Problem, ProblemKind};
use crate::profile::plan::Reconnect;
use crate::profile::threshold::{
    Kind, Operator, Threshold, Thresholds, ThresholdsFile, Written, WrittenValue,
};
use crate::profile::words;
use crate::workload::Stage;

/// What of a plan thresholds are about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) stages: &'a [Stage],
    pub(super) calls: &'a CallPlan,
}

/// What can stand beside a limit.
const OPTIONS: [&str; 4] = ["limit", "abort", "stage", "warm_up"];

impl Resolver<'_> {
    pub(super) fn thresholds(
        &mut self,
        file: Option<&ThresholdsFile>,
        about: About<'_>,
        reconnect: Reconnect,
    ) -> Thresholds {
        let Some(ThresholdsFile(table)) = file else {
            let comes_back = reconnect != Reconnect::None;
            return if comes_back { Thresholds::of_returning() } else { Thresholds::default() };
        };
        let mut thresholds = Vec::new();
        for (name, written) in table {
            self.named("thresholds", name, written, about, &mut thresholds);
        }
        if table.is_empty() {
            let warning = "[thresholds] is empty, so the run passes whatever the target does";
            self.warnings.push(warning.to_owned());
        }
        Thresholds(thresholds)
    }

    /// What stands behind a name, or behind the beginning of one.
    fn named(
        &mut self,
        above: &str,
        name: &str,
        written: &Written,
        about: About<'_>,
        thresholds: &mut Vec<Threshold>,
    ) {
        let path = format!("{above}.{name}");
        match written {
            Written::List(list) => {
                for (index, written) in list.iter().enumerate() {
                    thresholds.extend(self.threshold(&path, &format!("{path}.{index}"), written, about));
                }
            }
            // The parser's way to hand a date over.
            Written::Table(table) if table.keys().any(|key| key.starts_with("$__toml")) => {
                self.value(&path, "a date is not a limit", "write a limit such as \"< 250ms\"");
            }
            Written::Table(table) if !table.keys().any(|key| OPTIONS.contains(&key.as_str())) => {
                for (name, written) in table {
                    self.named(&path, name, written, about, thresholds);
                }
                if table.is_empty() {
                    self.value(&path, "there is no `limit`", "write limit = \"< 250ms\", for instance");
                }
            }
            written => thresholds.extend(self.threshold(&path, &path, written, about)),
        }
    }

    /// One threshold: `path` leads to its name, `place` to its value.
    fn threshold(
        &mut self,
        path: &str,
        place: &str,
        written: &Written,
        about: About<'_>,
    ) -> Option<Threshold> {
        let problems = self.problems.len();
        let (limit, options) = self.limit(place, written)?;
        let name = path.strip_prefix("thresholds.").unwrap_or(path);
        let mut threshold = match Threshold::new(name, limit) {
            Ok(threshold) => threshold,
            Err(error) => {
                let span = match (error.in_name, options) {
                    (true, _) => self.places.key(path),
                    (false, Some(_)) => self.places.value(&format!("{place}.limit")),
                    (false, None) => self.places.value(place),
                };
                self.problems.push(Problem::new(ProblemKind::Value(error.message), span, error.help));
                return None;
            }
        };
        if let Some(options) = options {
            self.options(place, options, &mut threshold);
        }
        self.check_stage(place, &threshold, about.stages);
        self.check_flow(path, &threshold, about.calls);
        self.check_abort(place, &threshold);
        if threshold.figure.kind() == Kind::Micros && threshold.limit.is_bare() && !name.ends_with("_us") {
            let micros = threshold.limit.figure();
            self.warnings.push(format!(
                "`{name}`: a figure without a unit is in microseconds; {micros} may be meant as {micros}ms"
            ));
        }
        (self.problems.len() == problems).then_some(threshold)
    }

    /// The limit that is written, and the options beside it.
    fn limit<'w>(
        &mut self,
        place: &str,
        written: &'w Written,
    ) -> Option<(&'w str, Option<&'w BTreeMap<String, Written>>)> {
        match written {
            Written::Value(WrittenValue::Text(limit)) => Some((limit, None)),
            Written::Table(options) => match options.get("limit") {
                Some(Written::Value(WrittenValue::Text(limit))) => Some((limit, Some(options))),
                Some(_) => {
                    let help = "write limit = \"< 250ms\", for instance";
                    self.value(&format!("{place}.limit"), "`limit` must be a text", help);
                    None
                }
                None => {
                    self.value(
                        place,
                        "`limit` is missing",
                        "write { limit = \"< 250ms\", .. }, for instance",
                    );
                    None
                }
            },
            Written::Value(WrittenValue::Number(number)) => {
                let help =
                    format!("write it in quotes, with an operator: \"== {number}\", \"< {number}\", ...");
                self.value(place, "a limit needs an operator", help);
                None
            }
            _ => {
                let help = "write a limit such as \"< 250ms\", or { limit = \"< 250ms\", abort = true }";
                self.value(place, "this is not a limit", help);
                None
            }
        }
    }

    fn options(&mut self, place: &str, options: &BTreeMap<String, Written>, threshold: &mut Threshold) {
        for (key, written) in options {
            let path = format!("{place}.{key}");
            match (key.as_str(), written) {
                ("limit", _) => {}
                ("abort", Written::Value(WrittenValue::Bool(abort))) => threshold.abort = *abort,
                ("stage", Written::Value(WrittenValue::Text(stage))) => threshold.stage = Some(stage.clone()),
                ("warm_up", Written::Value(WrittenValue::Text(time))) => match parse_duration(time) {
                    Ok(time) => threshold.warm_up = time,
                    Err(error) => self.value(&path, error.to_string(), ""),
                },
                ("abort", _) => self.value(&path, "`abort` must be true or false", ""),
                ("stage", _) => self.value(&path, "`stage` must be the name of a stage, in quotes", ""),
                ("warm_up", _) => {
                    self.value(&path, "`warm_up` must be a duration in quotes", "such as \"5s\"")
                }
                _ => {
                    let span = self.places.key(&path);
                    let help = words::choices(key, &OPTIONS, "keys");
                    self.problems.push(Problem::new(ProblemKind::UnknownKey(key.clone()), span, help));
                }
            }
        }
    }

    /// There is such a stage, and something is left of it.
    fn check_stage(&mut self, place: &str, threshold: &Threshold, stages: &[Stage]) {
        if threshold.figure.is_whole_only() && !threshold.is_whole() {
            let message = format!("`{}` is known of the whole run only", threshold.figure);
            self.infeasible(place, message, "leave `stage` and `warm_up` out");
        }
        let lasts = match &threshold.stage {
            None => stages.iter().map(|stage| stage.duration).sum(),
            Some(name) => match stages.iter().find(|stage| stage.name == *name) {
                Some(stage) => stage.duration,
                None => {
                    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
                    let help = words::choices(name, &names, "stages");
                    self.value(&format!("{place}.stage"), format!("there is no stage `{name}`"), help);
                    return;
                }
            },
        };
        if threshold.warm_up + Duration::from_secs(1) > lasts && !threshold.warm_up.is_zero() {
            let what =
                threshold.stage.as_ref().map_or("the run".to_owned(), |name| format!("stage `{name}`"));
            let lasts = write_duration(lasts);
            let message =
                format!("{what} lasts {lasts}, so that the warm-up leaves less than a second of it");
            self.infeasible(&format!("{place}.warm_up"), message, "make the warm-up shorter");
        }
    }

    /// There are calls of the flow that it is about, and of others: latencies are told apart only then.
    fn check_flow(&mut self, path: &str, threshold: &Threshold, calls: &CallPlan) {
        let Some(flow) = threshold.figure.origin().flow() else { return };
        let problem = if calls.mix.iter().all(|share| share.flow != flow) {
            (
                format!("no call of the mix follows the flow `{}`", flow.name()),
                "add it to `calls.mix`".to_owned(),
            )
        } else if !calls.mixes_flows() {
            let name = threshold.figure.name().replacen(&format!("by_flow.{}.", flow.name()), "", 1);
            (format!("all calls follow the flow `{}`", flow.name()), format!("write `{name}`"))
        } else {
            return;
        };
        let span = self.places.key(path);
        self.problems.push(Problem::new(ProblemKind::Value(problem.0), span, problem.1));
    }

    /// It can be known before the run has ended.
    fn check_abort(&mut self, place: &str, threshold: &Threshold) {
        if !threshold.abort {
            return;
        }
        let (figure, operator) = (&threshold.figure, threshold.limit.operator());
        let help = "leave `abort` out";
        if figure.is_whole_only() {
            let message =
                format!("`{figure}` is known at the end only, which is too late to end the run early");
            self.infeasible(place, message, help);
        } else if figure.kind() == Kind::Count && matches!(operator, Operator::Above | Operator::AtLeast) {
            let message = format!(
                "`{figure}` begins at zero and rises, so that only the end can tell whether it got that far"
            );
            self.infeasible(place, message, help);
        }
    }
}
