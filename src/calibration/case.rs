//! The laws that are injected, and the runs that show them.

use std::time::Duration;

use crate::law::{Distribution, Freeze};
use crate::profile::write_duration;

/// The messages that are held back: one for each metric, and the acks.
const HELD: [&str; 7] = ["state", "keepalive", "ack", "ringing", "incoming_call", "accepted", "hangup"];

/// Sign-ons a second: what a core can well do.
const SIGN_ONS: u64 = 300;

/// What a calibration injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Every message after 20 ms.
    Fixed,
    /// From 5 to 50 ms.
    Uniform,
    /// 5 ms, and 80 ms for one in ten.
    Bimodal,
    /// Lognormal: half within 10 ms, one in 20 beyond 60 ms.
    LongTail,
    /// No delay, but a core that stands still for 1 s in every 5.
    Freeze,
}

/// How the runs of a calibration are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long calls are placed in each run; a freeze rounds it up to whole periods.
    pub duration: Duration,
    /// Calls per second.
    pub calls_per_second: f64,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The freeze of [`Case::Freeze`].
    pub freeze: (Duration, Duration),
}

impl Default for Settings {
    /// 10 s of 200 calls a second; a freeze of 1 s in every 5 s.
    fn default() -> Self {
        Settings {
            duration: Duration::from_secs(10),
            calls_per_second: 200.0,
            seed: 1,
            freeze: (Duration::from_secs(5), Duration::from_secs(1)),
        }
    }
}

impl Settings {
    /// How long callees let it ring.
    pub(super) const RING: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(150));
    /// How long calls last.
    pub(super) const HOLD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

    /// The freeze, if there can be such a one.
    pub(super) fn freeze(&self) -> Option<Freeze> {
        Freeze::new(self.freeze.0, self.freeze.1).ok()
    }

    /// How long calls are placed, in whole periods of the freeze.
    fn whole_periods(&self) -> Duration {
        let periods = (self.duration.as_secs_f64() / self.freeze.0.as_secs_f64()).ceil().max(1.0);
        self.freeze.0.mul_f64(periods)
    }
}

impl Case {
    /// All of them, in the order of a table.
    pub const ALL: [Case; 5] = [Case::Fixed, Case::Uniform, Case::Bimodal, Case::LongTail, Case::Freeze];

    /// The name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Case::Fixed => "fixed",
            Case::Uniform => "uniform",
            Case::Bimodal => "bimodal",
            Case::LongTail => "long-tail",
            Case::Freeze => "freeze",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Case> {
        Case::ALL.into_iter().find(|case| case.name() == name)
    }

    /// The law of the delays; none for a freeze.
    pub const fn law(self) -> Option<Distribution> {
        let millis = Duration::from_millis;
        Some(match self {
            Case::Fixed => Distribution::Fixed(millis(20)),
            Case::Uniform => Distribution::Uniform { min: millis(5), max: millis(50) },
            Case::Bimodal => Distribution::Bimodal { low: millis(5), high: millis(80), high_share: 0.1 },
            Case::LongTail => Distribution::Lognormal { median: millis(10), p95: millis(60) },
            Case::Freeze => return None,
        })
    }

    /// What is injected, in words.
    pub fn meaning(self, settings: &Settings) -> String {
        match self {
            Case::Fixed => "every message 20 ms after its cause".to_owned(),
            Case::Uniform => "5 to 50 ms, equally likely".to_owned(),
            Case::Bimodal => "5 ms, and 80 ms for one message in ten".to_owned(),
            Case::LongTail => "lognormal, half within 10 ms and one in 20 beyond 60 ms".to_owned(),
            Case::Freeze => {
                let (every, length) = settings.freeze;
                format!("no delay, but a core that stands still for {length:?} in every {every:?}")
            }
        }
    }

    /// The profile of its run.
    ///
    /// There is no control group: every message that the core held back is one that the run reports.
    ///
    /// Calls come evenly, so that arithmetic can say what a freeze does to them. A stage without calls follows, so that
    /// all of them end by themselves.
    pub(super) fn profile(self, settings: &Settings) -> String {
        let steady = if self == Case::Freeze { settings.whole_periods() } else { settings.duration };
        // Calls that a freeze holds up keep their clients busy.
        let held_up = if self == Case::Freeze { settings.freeze.1.as_secs_f64() } else { 0.5 };
        let clients = 2 * (settings.calls_per_second * (0.6 + held_up)).ceil() as u32 + 20;
        let quiet = write_duration(Duration::from_millis(1_500) + settings.freeze.1);
        let range = |(min, max)| format!("{{ min = \"{}\", max = \"{}\" }}", text(min), text(max));
        format!(
            "name = \"calibrate-{name}\"\nseed = {seed}\n\
             target = {{ url = \"embedded\", dialect = \"flat\" }}\n\
             generator = {{ workers = 1, control_clients = 0 }}\n\
             calls = {{ ring = {{ uniform = {ring} }}, hold = {{ uniform = {hold} }}, candidates = 1, \
             candidate_spacing = \"20ms\", sdp_bytes = 1000 }}\n\
             [embedded_core]\nkeepalive_interval = \"2s\"\n{core}\
             [[stages]]\nname = \"sign-on\"\nduration = \"{sign_on}ms\"\nclients = {clients}\n\
             [[stages]]\nname = \"settle\"\nduration = \"{quiet}\"\n\
             [[stages]]\nname = \"calls\"\nduration = \"{steady}\"\ncalls_per_second = {rate:?}\n\
             [[stages]]\nname = \"quiet\"\nduration = \"{quiet}\"\n",
            name = self.name(),
            seed = settings.seed,
            sign_on = (u64::from(clients) * 1_000 / SIGN_ONS).max(1_000),
            ring = range(Settings::RING),
            hold = range(Settings::HOLD),
            core = self.core(settings),
            steady = text(steady),
            rate = settings.calls_per_second,
        )
    }

    /// The settings of the core, in TOML.
    fn core(self, settings: &Settings) -> String {
        let law = match self.law() {
            None => {
                let (every, length) = settings.freeze;
                return format!(
                    "freeze = {{ every = \"{}\", length = \"{}\" }}\ndelays = {{ ack = {{ fixed = \"0ms\" }} }}\n",
                    text(every),
                    text(length)
                );
            }
            Some(Distribution::Fixed(time)) => format!("fixed = \"{}\"", text(time)),
            Some(Distribution::Uniform { min, max }) => {
                format!("uniform = {{ min = \"{}\", max = \"{}\" }}", text(min), text(max))
            }
            Some(Distribution::Exponential { mean }) => format!("exponential = \"{}\"", text(mean)),
            Some(Distribution::Lognormal { median, p95 }) => {
                format!("lognormal = {{ median = \"{}\", p95 = \"{}\" }}", text(median), text(p95))
            }
            Some(Distribution::Bimodal { low, high, high_share }) => format!(
                "bimodal = {{ low = \"{}\", high = \"{}\", high_share = {high_share:?} }}",
                text(low),
                text(high)
            ),
        };
        let held = HELD.map(|name| format!("{name} = {{ {law} }}\n"));
        format!("[embedded_core.delays]\n{}", held.concat())
    }
}

/// A duration as a profile has it, without rounding.
fn text(time: Duration) -> String {
    format!("{}ms", time.as_nanos() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Overrides};

    #[test]
    fn every_case_makes_a_profile_that_can_be_run() {
        for case in Case::ALL {
            assert_eq!(Case::from_name(case.name()), Some(case));
            let folder = super::super::folder::Folder::new().unwrap();
            let path = folder.path().join("profile.toml");
            std::fs::write(&path, case.profile(&Settings::default())).unwrap();
            let plan = match profile::load(&path, &Overrides::default()) {
                Ok(plan) => plan,
                Err(errors) => panic!("{}", errors.render(false)),
            };
            assert_eq!(plan.warnings, Vec::<String>::new(), "{}", case.name());
            let delays = plan.embedded_core.delays;
            assert_eq!(delays.len(), if case == Case::Freeze { 1 } else { HELD.len() });
            assert!(delays.iter().all(|(_, law)| case.law().is_none_or(|expected| *law == expected)));
            assert_eq!(plan.embedded_core.freeze.is_some(), case == Case::Freeze);
        }
    }
}
