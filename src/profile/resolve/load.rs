//! What load: calls.

use std::time::Duration;

use super::Resolver;
use crate::law::Distribution;
use crate::profile::duration::{WrittenDuration, write_duration};
use crate::profile::error::{Problem, ProblemKind};
use crate::profile::file::{CallsFile, DistributionFile, FlowShareFile};
use crate::profile::plan::{CallPlan, FlowShare};
use crate::profile::words;

/// The longest mean of a ring or a hold.
const LONGEST_CALL: Duration = Duration::from_secs(86_400);

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
            pause: self.distribution("calls.pause", file.pause, Distribution::Fixed(Duration::from_secs(1))),
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
