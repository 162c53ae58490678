//! What load: stages and calls.

use std::collections::HashMap;
use std::time::Duration;

use super::Resolver;
use crate::law::Distribution;
use crate::profile::duration::{WrittenDuration, write_duration};
use crate::profile::error::{Problem, ProblemKind};
use crate::profile::file::{ArrivalsFile, CallsFile, DistributionFile, FlowShareFile, StageFile};
use crate::profile::plan::{CallPlan, FlowShare};
use crate::profile::words;
use crate::workload::{ArrivalLaw, Rate, Stage};

/// The longest a stage may last.
const LONGEST_STAGE: Duration = Duration::from_secs(30 * 86_400);

/// The highest rate of calls, per second. No generator places more; it is a slip of the pen.
const HIGHEST_RATE: f64 = 100_000.0;

/// The longest mean of a ring or a hold.
const LONGEST_CALL: Duration = Duration::from_secs(86_400);

/// The most clients of a run. A process has not more descriptors, and the plan counts in this.
const MOST_CLIENTS: u32 = 10_000_000;

/// The flows that can be placed.
const FLOWS: [&str; 1] = ["answered"];

/// The flows that later versions bring.
const LATER_FLOWS: [&str; 16] = [
    "attended_transfer",
    "blind_transfer",
    "busy",
    "cancelled",
    "declined",
    "early_media",
    "guest_line",
    "hold_resume",
    "mutual",
    "no_answer",
    "offerless",
    "offline",
    "presence",
    "renegotiate",
    "second_call",
    "unknown_number",
];

impl Resolver<'_> {
    pub(super) fn stages(
        &mut self,
        files: &[StageFile],
        hold: Distribution,
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

    fn stage(&mut self, index: usize, file: &StageFile, clients: u32, hold: Option<Distribution>) -> Stage {
        let path = format!("stages.{index}");
        let name = file.name.clone().unwrap_or_else(|| format!("stage-{}", index + 1));
        self.stage_name(&path, &name);
        Stage {
            name,
            duration: self.stage_duration(&path, file.duration),
            clients_from: clients,
            clients_to: self.stage_clients(&path, file.clients.unwrap_or(clients)),
            arrivals: match file.arrivals {
                Some(ArrivalsFile::AtOnce) => ArrivalLaw::AtOnce,
                Some(ArrivalsFile::Poisson) => ArrivalLaw::Poisson,
                Some(ArrivalsFile::Constant) | None => ArrivalLaw::Constant,
            },
            calls: self.rate(&path, file, hold),
        }
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
    fn rate(&mut self, path: &str, file: &StageFile, hold: Option<Distribution>) -> Option<Rate> {
        let mean = hold.map_or(0.0, |hold| hold.mean().as_secs_f64());
        let ways = [
            ("calls_per_second", file.calls_per_second.map(Rate::constant)),
            ("calls_ramp", file.calls_ramp.map(|ramp| Rate { from: ramp.from, to: ramp.to })),
            ("bhca", file.bhca.map(|per_hour| Rate::constant(per_hour / 3_600.0))),
            ("erlangs", file.erlangs.map(|erlangs| Rate::constant(erlangs / mean))),
        ];
        let mut given = ways.iter().filter_map(|(key, rate)| rate.map(|rate| (*key, rate)));
        let (key, rate) = given.next()?;
        let place = format!("{path}.{key}");
        if let Some((other, _)) = given.next() {
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
        let good = |rate: f64| rate.is_finite() && (0.0..=HIGHEST_RATE).contains(&rate);
        if !(good(rate.from) && good(rate.to)) {
            let message = format!("`{key}` must give a rate from 0 to {HIGHEST_RATE} calls per second");
            self.value(&place, message, "");
            return None;
        }
        (rate.peak() > 0.0).then_some(rate)
    }

    /// Calls need clients to place and take them.
    pub(super) fn check_parties(&mut self, stages: &[Stage], calls: &CallPlan) {
        let parties = calls.parties();
        for (index, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.calls.is_some()) {
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
            } else if stage.clients_from.min(stage.clients_to) < parties {
                self.warnings.push(format!(
                    "stage `{}` has calls while its clients still sign on or off: calls that find none signed on are \
                     blocked",
                    stage.name
                ));
            }
        }
    }

    pub(super) fn calls(&mut self, file: Option<&CallsFile>) -> CallPlan {
        let default = CallsFile::default();
        let file = file.unwrap_or(&default);
        let ring = Distribution::Uniform { min: Duration::from_millis(200), max: Duration::from_secs(1) };
        let hold = Distribution::Exponential { mean: Duration::from_secs(5) };
        let candidates = file.candidates.unwrap_or(6);
        self.within("calls.candidates", f64::from(candidates), (0.0, 100.0));
        let sdp_bytes = file.sdp_bytes.unwrap_or(3_000);
        self.within("calls.sdp_bytes", f64::from(sdp_bytes), (200.0, 60_000.0));
        let callee = file.hangup_by_callee.unwrap_or(0.2);
        CallPlan {
            ring: self.distribution("calls.ring", file.ring, ring),
            hold: self.distribution("calls.hold", file.hold, hold),
            candidates,
            candidate_spacing: self.candidate_spacing(file.candidate_spacing),
            sdp_bytes: sdp_bytes as usize,
            hangup_by_callee: self.within("calls.hangup_by_callee", callee, (0.0, 1.0)),
            mix: self.mix(file.mix.as_deref()),
            number: self.number(file.number.as_deref()),
        }
    }

    pub(super) fn distribution(
        &mut self,
        path: &str,
        written: Option<DistributionFile>,
        default: Distribution,
    ) -> Distribution {
        let Some(written) = written else { return default };
        let made = match written {
            DistributionFile::Fixed(time) => Ok(Distribution::Fixed(time.0)),
            DistributionFile::Uniform { min, max } => Distribution::uniform(min.0, max.0),
            DistributionFile::Exponential(mean) => Distribution::exponential(mean.0),
            DistributionFile::Lognormal { median, p95 } => Distribution::lognormal(median.0, p95.0),
            DistributionFile::Bimodal { low, high, high_share } => {
                Distribution::bimodal(low.0, high.0, high_share)
            }
        };
        match made {
            Ok(law) if law.mean() < LONGEST_CALL => law,
            Ok(_) => {
                let message = format!("the mean of `{path}` must be below {}", write_duration(LONGEST_CALL));
                self.value(path, message, "");
                default
            }
            Err(error) => {
                self.value(path, format!("`{path}` cannot be: {error}"), "");
                default
            }
        }
    }

    fn candidate_spacing(&mut self, written: Option<WrittenDuration>) -> Duration {
        let WrittenDuration(spacing) = written.unwrap_or(WrittenDuration(Duration::from_millis(50)));
        if spacing > Duration::from_secs(60) {
            let message = "`candidate_spacing` must be at most 1m";
            self.value("calls.candidate_spacing", message, "browsers trickle within about a second");
        }
        spacing
    }

    fn number(&mut self, written: Option<&str>) -> Option<String> {
        let number = written?;
        if number.is_empty()
            || number.len() > 128
            || number.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            let message = "`calls.number` must have 1 to 128 characters and no spaces";
            self.value("calls.number", message, "such as number = \"9196\"");
        }
        Some(number.to_owned())
    }

    fn mix(&mut self, written: Option<&[FlowShareFile]>) -> Vec<FlowShare> {
        let Some(written) = written else {
            return vec![FlowShare { flow: FLOWS[0].to_owned(), weight: 1.0 }];
        };
        for (index, share) in written.iter().enumerate() {
            let path = format!("calls.mix.{index}");
            self.flow(&format!("{path}.flow"), &share.flow);
            if !(share.weight.is_finite() && (0.0..=1e9).contains(&share.weight)) {
                let message = "a weight must be from 0 to 1000000000";
                self.value(
                    &format!("{path}.weight"),
                    message,
                    "weights are shares among all flows of the mix",
                );
            }
            if written.iter().take(index).any(|earlier| earlier.flow == share.flow) {
                let message = format!("the flow `{}` is in the mix twice", share.flow);
                self.value(&format!("{path}.flow"), message, "add the two weights up");
            }
        }
        let used = written.iter().filter(|share| share.weight > 0.0);
        let mix: Vec<FlowShare> =
            used.map(|share| FlowShare { flow: share.flow.clone(), weight: share.weight }).collect();
        if mix.is_empty() {
            let message = "no flow in the mix has a weight above zero";
            self.value("calls.mix", message, "write mix = [ { flow = \"answered\", weight = 1 } ]");
        }
        mix
    }

    fn flow(&mut self, path: &str, flow: &str) {
        if FLOWS.contains(&flow) {
            return;
        }
        if LATER_FLOWS.contains(&flow) {
            let message =
                format!("the flow `{flow}` is not supported yet; this version has {}", FLOWS.join(", "));
            let span = self.places.value(path);
            let help = "take it out of the mix, or run with --flow answered";
            self.problems.push(Problem::new(ProblemKind::NotSupportedYet(message), span, help));
            return;
        }
        self.value(path, format!("unknown flow `{flow}`"), words::choices(flow, &FLOWS, "flows"));
    }
}
