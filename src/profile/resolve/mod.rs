//! From a profile as written to the plan it means: defaults, and the proof that the run can be done.

mod calls;
mod control;
mod logins;
mod stages;
mod target;
mod thresholds;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use super::call_plan::{CallPlan, FlowShare};
use super::document::Places;
use super::duration::{WrittenDuration, write_duration};
use super::error::{Problem, ProblemKind};
use super::file::{ClientsFile, EmbeddedCoreFile, FreezeFile, ProfileFile, ReconnectFile, RefusalsFile};
use super::law_text::refusals;
use super::plan::{ClientPlan, EmbeddedPlan, Plan, Reconnect, Server, SubscriberSource, Target};
use super::source::Source;
use super::{capacity, hash, words};
use crate::law::{Distribution, Freeze, Seed};
use crate::protocol::{HangupCode, ServerMessage};
use crate::subscribers::{self, SubscriberList};
use crate::workload::Stage;
use thresholds::About;

/// The longest time that a time-out or a keepalive interval may have.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// The shortest interval between keepalives: ten steps of their grid.
const SHORTEST_KEEPALIVE_INTERVAL: Duration = Duration::from_millis(10);

/// By default a worker has at least this many clients: calls are shared out evenly among workers, and the fewer pairs
/// a worker has, the sooner it runs out of idle ones while another still has some.
const CLIENTS_A_WORKER: u32 = 100;

/// More workers than this are a mistake.
const MOST_WORKERS: u32 = 1_024;

/// Makes the plan, or tells everything that is wrong.
pub(super) fn plan(file: &ProfileFile, places: &Places, source: &Source) -> Result<Plan, Vec<Problem>> {
    let mut resolver = Resolver { places, source, problems: Vec::new(), warnings: Vec::new() };
    let plan = resolver.plan(file);
    if resolver.problems.is_empty() {
        return Ok(plan);
    }
    // In the order of the file, the command line last.
    resolver.problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    Err(resolver.problems)
}

/// Collects what is wrong while the plan is made. A wrong value is replaced by its default, so that the checks after it
/// find what else is wrong and nothing that follows from it.
struct Resolver<'a> {
    places: &'a Places,
    source: &'a Source,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Resolver<'_> {
    fn plan(&mut self, file: &ProfileFile) -> Plan {
        let name = self.name(file.name.as_deref());
        let (seed, seed_drawn) = file.seed.map_or_else(|| (drawn_seed(), true), |seed| (Seed(seed), false));
        let target = self.target(&file.target);
        let calls = self.calls(file.calls.as_ref());
        let stages = self.stages(&file.stages, calls.mean_hold(), file.calls.as_ref());
        self.check_parties(&stages, &calls);
        let (subscribers, subscriber_count) = self.subscribers(file, &target, &stages);
        let logins = self.logins(&file.subscribers, &subscribers, &target);
        let workers = self.workers(file.generator.workers, &target, &stages);
        let peak = stages.iter().map(Stage::peak_clients).max().unwrap_or(0);
        let spare = u32::from(calls.needs_offline());
        self.check_offline(&calls, &subscribers, subscriber_count, peak);
        let left = subscriber_count.saturating_sub(spare);
        let control = self.control(file.generator.control_clients, &subscribers, left, peak);
        let clients = self.clients(&file.clients);
        let embedded_core = self.embedded_core(file.embedded_core.as_ref(), &target);
        let about = About { stages: &stages, calls: &calls };
        let thresholds = self.thresholds(file.thresholds.as_ref(), about, clients.reconnect);
        self.warn_of_load(&stages, &calls, workers, file);
        let mut plan = Plan {
            name,
            hash: String::new(),
            seed,
            seed_drawn,
            target,
            subscribers,
            subscriber_count,
            logins,
            workers,
            control,
            clients,
            stages,
            calls,
            embedded_core,
            thresholds,
            cdr: self.cdr(file.calls.as_ref()),
            flight_recorder: file.generator.flight_recorder.unwrap_or(true),
            warnings: std::mem::take(&mut self.warnings),
        };
        plan.hash = hash::of(&plan);
        plan
    }

    /// Notes a value that is wrong in itself.
    fn value(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.places.value(path);
        self.problems.push(Problem::new(ProblemKind::Value(message.into()), span, help));
    }

    /// Notes values that do not go together.
    fn infeasible(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.places.value(path);
        self.problems.push(Problem::new(ProblemKind::Infeasible(message.into()), span, help));
    }

    fn name(&mut self, written: Option<&str>) -> String {
        let stem = self.source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = written.map(str::to_owned).or(stem).unwrap_or_default();
        let good = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(good) {
            self.value(
                "name",
                format!("`{name}` cannot be the name of a run, as its directory is named after it"),
                "write name = \"...\" with up to 64 letters, digits, `-`, `_` and `.`, not beginning with a point",
            );
        }
        name
    }

    /// A time that is above zero and at most `longest`.
    fn wait(&mut self, path: &str, written: Option<WrittenDuration>, default: u64) -> Duration {
        self.wait_or(path, written, Duration::from_secs(default))
    }

    fn wait_or(&mut self, path: &str, written: Option<WrittenDuration>, default: Duration) -> Duration {
        let Some(WrittenDuration(time)) = written else { return default };
        if time.is_zero() || time > LONGEST_WAIT {
            self.value(
                path,
                format!("`{path}` must be above zero and at most {}", write_duration(LONGEST_WAIT)),
                format!("the default is {}", write_duration(default)),
            );
            return default;
        }
        time
    }

    /// A figure within limits.
    fn within(&mut self, path: &str, figure: f64, limits: (f64, f64)) -> f64 {
        if !(limits.0..=limits.1).contains(&figure) {
            let message = format!("`{path}` must be from {} to {}", limits.0, limits.1);
            self.value(path, message, "");
        }
        figure
    }

    fn clients(&mut self, file: &ClientsFile) -> ClientPlan {
        let path = "clients.keepalive_jitter";
        ClientPlan {
            keepalive_jitter: self.within(path, file.keepalive_jitter.unwrap_or(0.1), (0.0, 0.9)),
            keepalive_interval: self.keepalive_interval(file.keepalive_interval),
            request_timeout: self.wait("clients.request_timeout", file.request_timeout, 10),
            reconnect: self.reconnect(file.reconnect),
        }
    }

    fn keepalive_interval(&mut self, written: Option<WrittenDuration>) -> Option<Duration> {
        let WrittenDuration(interval) = written?;
        if !(SHORTEST_KEEPALIVE_INTERVAL..=LONGEST_WAIT).contains(&interval) {
            let (shortest, longest) =
                (write_duration(SHORTEST_KEEPALIVE_INTERVAL), write_duration(LONGEST_WAIT));
            let path = "clients.keepalive_interval";
            self.value(
                path,
                format!("`{path}` must be from {shortest} to {longest}"),
                "the default is the interval that the server asks for",
            );
        }
        Some(interval)
    }

    fn reconnect(&mut self, file: Option<ReconnectFile>) -> Reconnect {
        match file {
            None | Some(ReconnectFile::None) => Reconnect::None,
            Some(ReconnectFile::Fixed { after }) => Reconnect::Fixed {
                after: self.wait_or("clients.reconnect.fixed.after", after, Duration::from_secs(3)),
            },
            Some(ReconnectFile::Backoff { base, cap }) => {
                let base = self.wait_or("clients.reconnect.backoff.base", base, Duration::from_millis(500));
                let cap = self.wait_or("clients.reconnect.backoff.cap", cap, Duration::from_secs(30));
                if cap < base {
                    let message = format!("`cap` is {}, which is less than `base`", write_duration(cap));
                    self.value(
                        "clients.reconnect.backoff.cap",
                        message,
                        "the limit grows from `base` to `cap`",
                    );
                }
                Reconnect::Backoff { base, cap }
            }
        }
    }

    fn embedded_core(&mut self, file: Option<&EmbeddedCoreFile>, target: &Target) -> EmbeddedPlan {
        let default = EmbeddedCoreFile::default();
        if file.is_some() && target.server != Server::Embedded {
            self.warnings.push("[embedded_core] has no effect, as the target is another one".to_owned());
        }
        let file = file.unwrap_or(&default);
        let lines = file.lines.unwrap_or(2);
        self.within("embedded_core.lines", f64::from(lines), (1.0, 64.0));
        let path = "embedded_core.keepalive_interval";
        let keepalive_interval = self.wait(path, file.keepalive_interval, 30);
        EmbeddedPlan {
            keepalive_interval,
            lines,
            delays: self.delays(file),
            freeze: self.freeze(file.freeze),
            refusals: self.refusals(file.refusals),
        }
    }

    fn delays(&mut self, file: &EmbeddedCoreFile) -> Vec<(ServerMessage, Distribution)> {
        let mut delays = Vec::new();
        for (name, law) in &file.delays {
            let path = format!("embedded_core.delays.{name}");
            match ServerMessage::from_name(name) {
                Some(message) => {
                    let none = Distribution::Fixed(Duration::ZERO);
                    delays.push((message, self.distribution(&path, Some(*law), none)));
                }
                None => {
                    let help = words::choices(name, &ServerMessage::names(), "messages");
                    self.value(&path, format!("the core sends no message `{name}`"), help);
                }
            }
        }
        delays
    }

    fn freeze(&mut self, written: Option<FreezeFile>) -> Option<Freeze> {
        let written = written?;
        let made = Freeze::new(written.every.0, written.length.0);
        if let Err(error) = made {
            let help = "such as freeze = { every = \"10s\", length = \"1s\" }";
            self.value("embedded_core.freeze", error.to_string(), help);
        }
        made.ok()
    }

    fn refusals(&mut self, written: Option<RefusalsFile>) -> Option<(f64, HangupCode)> {
        let written = written?;
        let made = refusals(written.share, written.code);
        if let Err(error) = made {
            let help = "such as refusals = { share = 0.01, code = 503 }";
            self.value("embedded_core.refusals", error.to_string(), help);
        }
        made.ok()
    }

    /// A path as the user meant it: relative to the profile, or to the working directory after `--set`.
    fn path(&self, key: &str, written: &str) -> PathBuf {
        let typed = self.places.value(key).is_some_and(|span| self.source.is_override(&span));
        match self.source.path.parent() {
            Some(folder) if !typed => folder.join(written),
            _ => PathBuf::from(written),
        }
    }

    fn subscribers(
        &mut self,
        file: &ProfileFile,
        target: &Target,
        stages: &[Stage],
    ) -> (SubscriberSource, u32) {
        let peak = stages.iter().map(Stage::peak_clients).max().unwrap_or(0);
        let file = &file.subscribers;
        let embedded = target.server == Server::Embedded;
        if file.file.is_some() && file.count.is_some() {
            let message = "`file` and `count` both say who the subscribers are";
            self.value("subscribers.count", message, "keep one of the two");
        }
        let (source, count) = match (&file.file, file.count) {
            (Some(name), _) => {
                let path = self.path("subscribers.file", name);
                let list = self.listed(&path);
                let count = list.as_ref().and_then(|list| u32::try_from(list.len()).ok()).unwrap_or(peak);
                match list {
                    Some(SubscriberList::Credentials(_)) => (SubscriberSource::Credentials(path), count),
                    Some(SubscriberList::Tokens(_)) | None => (SubscriberSource::File(path), count),
                }
            }
            (None, count) => {
                if !embedded {
                    self.no_tokens(count.is_some());
                }
                let count = count.unwrap_or(peak);
                (SubscriberSource::Count(count), if embedded { count } else { peak })
            }
        };
        if count < peak {
            let key = if file.file.is_some() { "subscribers.file" } else { "subscribers.count" };
            self.infeasible(
                key,
                format!("the stages sign up to {peak} clients on, and there are {count} subscribers"),
                format!("provide {peak} subscribers, or sign fewer clients on"),
            );
        }
        (source, count)
    }

    /// The subscribers that a file lists.
    fn listed(&mut self, path: &std::path::Path) -> Option<SubscriberList> {
        match subscribers::load(path) {
            Ok(list) => Some(list),
            Err(error) => {
                let help = "the file needs the header `token,number` or `login,password,number`, and a line for each \
                            subscriber; its path is relative to the profile's folder, or to the working directory after --set";
                self.value("subscribers.file", error.to_string(), help);
                None
            }
        }
    }

    /// A call that is to find its callee offline needs a subscriber that no client signs on as.
    fn check_offline(&mut self, calls: &CallPlan, source: &SubscriberSource, count: u32, peak: u32) {
        if !calls.needs_offline() {
            return;
        }
        let help = "write the number of somebody who is not signed on: \
                    mix = [ { flow = \"offline\", weight = 1, number = \"...\" } ]";
        match source {
            SubscriberSource::Count(_) => {}
            SubscriberSource::File(_) if count > peak => {}
            SubscriberSource::File(_) => {
                let message =
                    format!("the flow `offline` needs a subscriber beyond the {peak} of the clients");
                self.infeasible("calls.mix", message, help);
            }
            SubscriberSource::Credentials(_) => {
                let message = "the flow `offline` needs a number, as logins that are not used have none";
                self.infeasible("calls.mix", message, help);
            }
        }
    }

    fn no_tokens(&mut self, counted: bool) {
        let help = "list them in a file: [subscribers] file = \"subscribers.csv\", or \
                    --set subscribers.file=subscribers.csv on the command line";
        if counted {
            let message = "`count` provisions subscribers in the embedded core only; another target needs the tokens \
                           or passwords of its own subscribers";
            self.infeasible("subscribers.count", message, help);
        } else {
            let message =
                "the target needs the tokens or passwords of its own subscribers, and the profile names none";
            self.infeasible("target.url", message, help);
        }
    }

    /// The number of workers, so that none of them is without the clients that its calls need.
    fn workers(&mut self, written: Option<u32>, target: &Target, stages: &[Stage]) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let with_calls = stages.iter().filter(|stage| stage.has_calls());
        let groups = with_calls.map(|stage| stage.peak_clients().div_ceil(2).max(1) as usize).min();
        let groups = groups.unwrap_or(MOST_WORKERS as usize);
        let Some(written) = written else {
            let left = cores - usize::from(target.server == Server::Embedded).min(cores - 1);
            let peak = stages.iter().map(Stage::peak_clients).max().unwrap_or(0);
            return left.min(groups).min((peak / CLIENTS_A_WORKER) as usize).max(1);
        };
        let workers = written as usize;
        if !(1..=MOST_WORKERS).contains(&written) {
            let message = format!("`workers` must be from 1 to {MOST_WORKERS}");
            self.value("generator.workers", message, "the default is one a core");
        } else if workers > groups {
            self.infeasible(
                "generator.workers",
                format!(
                    "{workers} workers share {groups} pair(s) of clients, so some have none for their calls"
                ),
                format!("write workers = {groups} or fewer, or sign at least {} clients on", 2 * workers),
            );
        } else if workers > cores {
            self.warnings.push(format!(
                "{workers} workers are more than the {cores} core(s) of this machine; they will hold each other up"
            ));
        }
        workers.max(1)
    }

    fn warn_of_load(&mut self, stages: &[Stage], calls: &CallPlan, workers: usize, file: &ProfileFile) {
        let mut before = 0.0;
        for stage in stages {
            self.warnings.extend(capacity::warning(stage, calls, workers, before));
            before += stage.expected_calls();
        }
        if file.calls.is_some() && !stages.iter().any(Stage::has_calls) {
            self.warnings.push("no stage has calls, so [calls] has no effect".to_owned());
        }
        let closed = stages.iter().any(|stage| stage.callers > 0);
        if file.calls.as_ref().is_some_and(|calls| calls.pause.is_some()) && !closed {
            self.warnings.push("no stage has callers, so `calls.pause` has no effect".to_owned());
        }
        let peak = stages.iter().map(Stage::peak_clients).max().unwrap_or(0);
        if (before > 0.0 || closed) && calls.parties() == 2 && peak % 2 == 1 {
            self.warnings.push(format!("clients call each other in pairs, so one of {peak} has no partner"));
        }
        if calls.mix.iter().any(FlowShare::is_foreign)
            && file.target.url.as_deref().is_none_or(|url| url == "embedded")
        {
            let warning = "the embedded core has no echo service: `calls.number` must be one of its subscribers, or \
                           every call fails";
            self.warnings.push(warning.to_owned());
        }
    }
}

/// A seed from the system's randomness, small enough for every reader of JSON.
fn drawn_seed() -> Seed {
    Seed(RandomState::new().build_hasher().finish() >> 11)
}
