//! What load: stages.

use std::collections::HashMap;
use std::time::Duration;

use super::Resolver;
use crate::profile::call_plan::CallPlan;
use crate::profile::duration::{WrittenDuration, write_duration};
use crate::profile::file::{ArrivalsFile, CallsFile, RateFile, ShapeFile, SignOffFile, StageFile};
use crate::workload::{ArrivalLaw, Rate, SignOff, Stage};

/// The longest a stage may last.
const LONGEST_STAGE: Duration = Duration::from_secs(30 * 86_400);

/// The highest rate, per second. No generator does more; it is a slip of the pen.
const HIGHEST_RATE: f64 = 100_000.0;

/// The most clients of a run. A process has not more descriptors, and the plan counts in this.
const MOST_CLIENTS: u32 = 10_000_000;

/// The most levels of a rate in steps. What is due next is found by going through them.
const MOST_STEPS: u32 = 100;

impl Resolver<'_> {
    pub(super) fn stages(
        &mut self,
        files: &[StageFile],
        hold: Duration,
        calls: Option<&CallsFile>,
    ) -> Vec<Stage> {
        if files.is_empty() {
            let help = "add a stage: [[stages]] with duration = \"10s\" and clients = 2";
            self.infeasible("stages", "the profile has no stages, so there is nothing to do", help);
        }
        let hold = calls.and_then(|calls| calls.hold).map(|_| hold);
        let mut names = HashMap::new();
        let mut stages: Vec<Stage> = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let clients = stages.last().map_or(0, |stage| stage.clients_to);
            let stage = self.stage(index, file, clients, hold);
            if let Some(first) = names.insert(stage.name.clone(), index + 1) {
                let message = format!("stage {first} is called `{}` as well", stage.name);
                let path = format!("stages.{index}.name");
                self.value(&path, message, "give every stage a name of its own");
            }
            stages.push(stage);
        }
        if !stages.is_empty() && stages.iter().all(|stage| stage.peak_clients() == 0) {
            let message = "no stage signs any client on, so there is nothing to do";
            self.infeasible("stages.0", message, "write clients = 2 or more in the first stage");
        }
        stages
    }

    fn stage(&mut self, index: usize, file: &StageFile, clients: u32, hold: Option<Duration>) -> Stage {
        let path = format!("stages.{index}");
        let name = file.name.clone().unwrap_or_else(|| format!("stage-{}", index + 1));
        self.stage_name(&path, &name);
        let duration = self.stage_duration(&path, file.duration);
        let arrivals = file.arrivals.map_or(ArrivalLaw::Constant, law);
        let mut stage = Stage {
            name,
            duration,
            clients_from: clients,
            clients_to: self.stage_clients(&path, file.clients.unwrap_or(clients)),
            signon_arrivals: file.signon_arrivals.map_or(arrivals, law),
            signon_time: duration,
            churn_per_second: 0.0,
            sign_off: match file.sign_off {
                Some(SignOffFile::Drop) => SignOff::Drop,
                Some(SignOffFile::Close) | None => SignOff::Close,
            },
            arrivals,
            calls: self.rate(&path, file, duration, hold),
            callers: self.stage_callers(&path, file.callers.unwrap_or(0)),
        };
        if let Some(rate) = file.signons_per_second {
            stage.signon_time = self.signon_time(&path, &stage, rate);
        }
        if let Some(rate) = file.churn_per_second {
            stage.churn_per_second = self.churn(&path, &stage, rate);
        }
        stage
    }

    fn stage_callers(&mut self, path: &str, callers: u32) -> u32 {
        if callers > MOST_CLIENTS {
            let message =
                format!("{callers} callers are more than {MOST_CLIENTS}, the most that a plan can have");
            self.value(&format!("{path}.callers"), message, "");
            return 0;
        }
        callers
    }

    /// The time that a stage's sign-ons or sign-offs take at this rate.
    fn signon_time(&mut self, path: &str, stage: &Stage, rate: f64) -> Duration {
        let place = format!("{path}.signons_per_second");
        let changes = stage.client_changes();
        if !(rate > 0.0 && rate <= HIGHEST_RATE) {
            let message = format!("`signons_per_second` must be above 0 and at most {HIGHEST_RATE}");
            self.value(&place, message, "leave it out to spread them over the whole stage");
            return stage.duration;
        }
        if stage.signon_arrivals == ArrivalLaw::AtOnce {
            let message =
                "`signons_per_second` says at which rate, and the law `at_once` says all at the start";
            self.value(&place, message, "keep one of them, or write signon_arrivals = \"constant\"");
            return stage.duration;
        }
        if changes == 0 {
            self.warnings.push(format!(
                "stage `{}` signs nobody on or off, so `signons_per_second` has no effect",
                stage.name
            ));
            return stage.duration;
        }
        let time = Duration::from_secs_f64(f64::from(changes) / rate);
        if time > stage.duration {
            let at_least = f64::from(changes) / stage.duration.as_secs_f64();
            self.infeasible(
                &place,
                format!(
                    "{changes} clients at {rate} a second take {}, and the stage lasts {}",
                    write_duration(Duration::from_secs(time.as_secs_f64().ceil() as u64)),
                    write_duration(stage.duration)
                ),
                format!(
                    "let the stage last longer, or write signons_per_second = {} or more",
                    at_least.ceil()
                ),
            );
            return stage.duration;
        }
        time
    }

    /// How many clients a second sign off and on again.
    fn churn(&mut self, path: &str, stage: &Stage, rate: f64) -> f64 {
        let place = format!("{path}.churn_per_second");
        let clients = stage.churning_clients();
        if !(0.0..=HIGHEST_RATE).contains(&rate) {
            let message = format!("`churn_per_second` must be from 0 to {HIGHEST_RATE}");
            self.value(&place, message, "");
            return 0.0;
        }
        if rate == 0.0 {
            return rate;
        }
        if stage.signon_arrivals == ArrivalLaw::AtOnce {
            let message = "`churn_per_second` is a steady rate, and the law of sign-ons is `at_once`";
            self.value(&place, message, "write signon_arrivals = \"constant\" or \"poisson\"");
            return 0.0;
        }
        if clients < 2 || rate > f64::from(clients) {
            let message = format!(
                "{rate} clients a second are to sign off and on again, and {clients} are signed on from the stage's \
                 start to its end"
            );
            let help =
                "have at least 2 clients signed on before the stage, and no fewer than churn_per_second";
            self.infeasible(&place, message, help);
            return 0.0;
        }
        rate
    }

    fn stage_name(&mut self, path: &str, name: &str) {
        if name.trim().is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            let message = "the name of a stage must have 1 to 64 printable characters";
            self.value(&format!("{path}.name"), message, "");
        }
    }

    fn stage_clients(&mut self, path: &str, clients: u32) -> u32 {
        if clients > MOST_CLIENTS {
            let message =
                format!("{clients} clients are more than {MOST_CLIENTS}, the most that a plan can have");
            self.value(&format!("{path}.clients"), message, "");
        }
        clients
    }

    fn stage_duration(&mut self, path: &str, written: WrittenDuration) -> Duration {
        let WrittenDuration(duration) = written;
        if duration.is_zero() || duration > LONGEST_STAGE {
            let message =
                format!("a stage must last longer than 0s and at most {}", write_duration(LONGEST_STAGE));
            self.value(&format!("{path}.duration"), message, "such as duration = \"60s\"");
            return Duration::from_secs(1);
        }
        duration
    }

    /// The rate of calls of a stage, in whichever of the four ways it is given.
    fn rate(
        &mut self,
        path: &str,
        file: &StageFile,
        duration: Duration,
        hold: Option<Duration>,
    ) -> Option<Rate> {
        let mean = hold.map_or(0.0, |hold| hold.as_secs_f64());
        let ways = [
            ("calls_per_second", file.calls_per_second, 1.0),
            ("calls_ramp", file.calls_ramp.map(|ramp| RateFile::Shape(ShapeFile::Ramp(ramp))), 1.0),
            ("bhca", file.bhca, 3_600.0),
            ("erlangs", file.erlangs, mean),
        ];
        let mut given = ways.into_iter().filter_map(|(key, rate, divisor)| Some((key, rate?, divisor)));
        let (key, rate, divisor) = given.next()?;
        let place = format!("{path}.{key}");
        if let Some((other, ..)) = given.next() {
            let message = format!("`{key}` and `{other}` both say how many calls are due");
            self.value(&format!("{path}.{other}"), message, "keep one of them");
        }
        if key == "erlangs" && mean <= 0.0 {
            let message = "`erlangs` needs the mean hold time, and the profile gives none";
            self.infeasible(
                &place,
                message,
                "add [calls] with hold = { exponential = \"3m\" }, or another law",
            );
            return None;
        }
        let rate = self.shape(&place, rate, duration)?.divided_by(divisor);
        if !rate.figures().iter().all(|rate| (0.0..=HIGHEST_RATE).contains(rate)) {
            let message = format!("`{key}` must give a rate from 0 to {HIGHEST_RATE} calls per second");
            self.value(&place, message, "");
            return None;
        }
        (rate.peak() > 0.0).then_some(rate)
    }

    /// A rate as it is written, in the unit of its key.
    fn shape(&mut self, place: &str, written: RateFile, duration: Duration) -> Option<Rate> {
        match written {
            RateFile::Constant(rate) => Some(Rate::constant(rate)),
            RateFile::Shape(ShapeFile::Ramp(ramp)) => Some(Rate::ramp(ramp.from, ramp.to)),
            RateFile::Shape(ShapeFile::Steps(steps)) => {
                if !(2..=MOST_STEPS).contains(&steps.count) {
                    let message = format!("a rate in steps has from 2 to {MOST_STEPS} levels");
                    self.value(
                        &format!("{place}.steps.count"),
                        message,
                        "one level is a constant rate: a number",
                    );
                    return None;
                }
                Some(Rate::Steps { from: steps.from, to: steps.to, count: steps.count })
            }
            RateFile::Shape(ShapeFile::Spike(spike)) => {
                let (at, length) = (spike.at.0, spike.length.0);
                let ends = at.saturating_add(length);
                if length.is_zero() || ends > duration {
                    let message = format!(
                        "the spike begins at {} and ends at {}, and the stage lasts {}",
                        write_duration(at),
                        write_duration(ends),
                        write_duration(duration)
                    );
                    let help = "a spike has a length above zero and ends with its stage at the latest";
                    self.infeasible(&format!("{place}.spike"), message, help);
                    return None;
                }
                Some(Rate::Spike { base: spike.base, peak: spike.peak, at, length })
            }
        }
    }

    /// Calls need clients to place and take them.
    pub(super) fn check_parties(&mut self, stages: &[Stage], calls: &CallPlan) {
        let parties = calls.parties();
        for (index, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.has_calls()) {
            let needed = u64::from(parties) * u64::from(stage.callers);
            if stage.peak_clients() < parties {
                self.infeasible(
                    &format!("stages.{index}"),
                    format!(
                        "stage `{}` has calls, which need {parties} client(s), and {} signed on",
                        stage.name,
                        match stage.peak_clients() {
                            0 => "none is".to_owned(),
                            some => format!("only {some} is"),
                        }
                    ),
                    "sign clients on in this stage or an earlier one: clients = 2 or more",
                );
            } else if needed > u64::from(stage.peak_clients()) {
                self.infeasible(
                    &format!("stages.{index}.callers"),
                    format!(
                        "stage `{}` has {} callers, who need {needed} clients for their calls, and {} are signed on",
                        stage.name,
                        stage.callers,
                        stage.peak_clients()
                    ),
                    format!("have fewer callers, or sign {needed} clients on"),
                );
            } else if u64::from(stage.clients_from.min(stage.clients_to)) < needed.max(parties.into()) {
                self.warnings.push(format!(
                    "stage `{}` has calls while its clients still sign on or off: calls that find none signed on are \
                     blocked",
                    stage.name
                ));
            }
        }
    }
}

const fn law(written: ArrivalsFile) -> ArrivalLaw {
    match written {
        ArrivalsFile::AtOnce => ArrivalLaw::AtOnce,
        ArrivalsFile::Constant => ArrivalLaw::Constant,
        ArrivalsFile::Poisson => ArrivalLaw::Poisson,
    }
}
