//! How calls go: times, session descriptions, the mix of flows.

use std::time::Duration;

use super::Resolver;
use crate::law::Distribution;
use crate::profile::call_plan::{CallPlan, FlowShare, SdpPlan};
use crate::profile::duration::{WrittenDuration, write_duration};
use crate::profile::file::{CallsFile, CdrFile, DistributionFile, FlowShareFile, SdpFilesFile};
use crate::profile::plan::CdrPlan;
use crate::profile::words;
use crate::scenario::{Callee, Flow};

/// The longest mean of a time in a call.
const LONGEST_CALL: Duration = Duration::from_secs(86_400);

/// The largest file with a session description, in bytes.
const LARGEST_SDP: u64 = 60_000;

/// A number that no plan has, for calls that are to find nobody.
const NOBODY: &str = "000000000000";

impl Resolver<'_> {
    pub(super) fn calls(&mut self, file: Option<&CallsFile>) -> CallPlan {
        let default = CallsFile::default();
        let file = file.unwrap_or(&default);
        let candidates = file.candidates.unwrap_or(6);
        self.within("calls.candidates", f64::from(candidates), (0.0, 100.0));
        let of_all = self.of_all_flows(file);
        CallPlan {
            mix: self.mix(file.mix.as_deref(), &of_all),
            candidates,
            candidate_spacing: self.candidate_spacing(file.candidate_spacing),
            sdp: self.sdp(file),
            guest_number: self.number("calls.guest_number", file.guest_number.as_deref()),
            pause: self.distribution("calls.pause", file.pause, Distribution::Fixed(Duration::from_secs(1))),
        }
    }

    /// What `[calls]` says of all flows.
    fn of_all_flows(&mut self, file: &CallsFile) -> FlowShare {
        let short = Distribution::Uniform { min: Duration::from_millis(200), max: Duration::from_secs(1) };
        let exponential = |seconds| Distribution::Exponential { mean: Duration::from_secs(seconds) };
        let callee = file.hangup_by_callee.unwrap_or(0.2);
        FlowShare {
            flow: Flow::Answered,
            weight: 1.0,
            ring: self.distribution("calls.ring", file.ring, short),
            hold: self.distribution("calls.hold", file.hold, exponential(5)),
            think: self.distribution("calls.think", file.think, short),
            on_hold: self.distribution("calls.on_hold", file.on_hold, exponential(2)),
            hangup_by_callee: self.within("calls.hangup_by_callee", callee, (0.0, 1.0)),
            crossing: self.within("calls.crossing", file.crossing.unwrap_or(0.1), (0.0, 1.0)),
            prefix: String::new(),
            number: self.number("calls.number", file.number.as_deref()),
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

    fn sdp(&mut self, file: &CallsFile) -> SdpPlan {
        let bytes = file.sdp_bytes.unwrap_or(3_000);
        self.within("calls.sdp_bytes", f64::from(bytes), (200.0, LARGEST_SDP as f64));
        let Some(SdpFilesFile { offer, answer }) = &file.sdp_files else {
            return SdpPlan::Bytes(bytes as usize);
        };
        if file.sdp_bytes.is_some() {
            let message = "`sdp_bytes` and `sdp_files` both say what the session descriptions are";
            self.value("calls.sdp_bytes", message, "keep one of the two");
        }
        SdpPlan::Own {
            offer: self.sdp_file("calls.sdp_files.offer", offer),
            answer: self.sdp_file("calls.sdp_files.answer", answer),
        }
    }

    fn sdp_file(&mut self, key: &str, written: &str) -> String {
        let path = self.path(key, written);
        let help = "a text file that begins with `v=0`, as a browser's console prints it";
        let size = std::fs::metadata(&path).map(|of| of.len());
        let text = match size {
            Ok(size) if size > LARGEST_SDP => {
                let message = format!("{}: more than {LARGEST_SDP} bytes", path.display());
                self.value(key, message, help);
                return String::new();
            }
            Ok(_) => std::fs::read_to_string(&path),
            Err(error) => Err(error),
        };
        match text {
            Ok(text) if text.starts_with("v=0") => text.lines().flat_map(|line| [line, "\r\n"]).collect(),
            Ok(_) => {
                self.value(key, format!("{}: not a session description", path.display()), help);
                String::new()
            }
            Err(error) => {
                self.value(key, format!("{}: {error}", path.display()), help);
                String::new()
            }
        }
    }

    /// The list of all calls.
    pub(super) fn cdr(&mut self, file: Option<&CallsFile>) -> Option<CdrPlan> {
        match file?.cdr? {
            CdrFile::Whether(wanted) => wanted.then(CdrPlan::default),
            CdrFile::SampleAbove(sample_above) => {
                self.within("calls.cdr.sample_above", f64::from(sample_above), (1.0, 100_000.0));
                Some(CdrPlan { sample_above })
            }
        }
    }

    fn number(&mut self, path: &str, written: Option<&str>) -> Option<String> {
        let number = written?;
        let is_bad = |c: char| c.is_whitespace() || c.is_control();
        if number.is_empty() || number.len() > 128 || number.chars().any(is_bad) {
            let message = format!("`{path}` must have 1 to 128 characters and no spaces");
            self.value(path, message, "such as number = \"9196\"");
        }
        Some(number.to_owned())
    }

    fn mix(&mut self, written: Option<&[FlowShareFile]>, of_all: &FlowShare) -> Vec<FlowShare> {
        let Some(written) = written else {
            return vec![of_all.clone()];
        };
        let (mut mix, wrong_before) = (Vec::new(), self.problems.len());
        for (index, share) in written.iter().enumerate() {
            let path = format!("calls.mix.{index}");
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
            let resolved = self.share(&path, share, of_all);
            mix.extend(resolved.filter(|share| share.weight > 0.0));
        }
        if mix.is_empty() && self.problems.len() == wrong_before {
            let message = "no flow in the mix has a weight above zero";
            self.value("calls.mix", message, "write mix = [ { flow = \"answered\", weight = 1 } ]");
        }
        if mix.is_empty() {
            mix.push(of_all.clone());
        }
        mix
    }

    fn share(&mut self, path: &str, file: &FlowShareFile, of_all: &FlowShare) -> Option<FlowShare> {
        let key = |name: &str| format!("{path}.{name}");
        let Some(flow) = Flow::from_name(&file.flow) else {
            let names: Vec<&str> = Flow::ALL.iter().map(|flow| flow.name()).collect();
            let message = format!("unknown flow `{}`", file.flow);
            self.value(&key("flow"), message, words::choices(&file.flow, &names, "flows"));
            return None;
        };
        let script = flow.script();
        let callee = script.callee();
        let number = self.number(&key("number"), file.number.as_deref());
        if number.is_some()
            && (callee == Callee::None || matches!(callee, Callee::Party(_)) && !flow.can_call_others())
        {
            let message = format!(
                "`{}` needs clients of the run at all of its ends, so it dials no other number",
                flow.name()
            );
            self.value(&key("number"), message, "take `number` out, or take another flow");
        }
        let inherited = || of_all.number.clone().filter(|_| flow.can_call_others());
        let number = number.or_else(|| match callee {
            Callee::Nobody => Some(NOBODY.to_owned()),
            Callee::Party(_) => inherited(),
            Callee::Offline | Callee::None => None,
        });
        let share = |written: Option<f64>, default| written.unwrap_or(default);
        Some(FlowShare {
            flow,
            weight: file.weight,
            ring: self.distribution(&key("ring"), file.ring, of_all.ring),
            hold: self.distribution(&key("hold"), file.hold, of_all.hold),
            think: self.distribution(&key("think"), file.think, of_all.think),
            on_hold: self.distribution(&key("on_hold"), file.on_hold, of_all.on_hold),
            hangup_by_callee: self.within(
                &key("hangup_by_callee"),
                share(file.hangup_by_callee, of_all.hangup_by_callee),
                (0.0, 1.0),
            ),
            crossing: self.within(&key("crossing"), share(file.crossing, of_all.crossing), (0.0, 1.0)),
            prefix: file.prefix.clone().unwrap_or_else(|| script.prefix.to_owned()),
            number,
        })
    }
}
