//! How fit the generator was: in a second, and over a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Generator;

/// The shortest piece of a second, in microseconds, whose use of processor time is taken seriously.
const SHORTEST_US: u64 = 250_000;

/// A second in which a worker used more than this part of a core counts as busy: 90 %. It is one of the limits of
/// `verdict::limits`, and stands here because the seconds of a run are counted by it.
pub const BUSY_PART: f64 = 0.9;

/// How the generator was in some second. What the system does not tell is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Health {
    /// Processor time used, in cores. An embedded core in the same process is left out where its share is known.
    pub cpu_cores: f64,
    /// Memory in use (RSS), in bytes.
    pub rss_bytes: u64,
    /// Processor time of the busiest worker, as a part of one core: 0 to 1.
    pub worker_cpu_max: f64,
    /// The longest turn of a worker's loop, in microseconds: how long something that was ready may have waited.
    pub turn_max_us: u64,
    /// For how long workers had something to do and no processor to do it on, all together, in microseconds.
    pub run_delay_us: Option<u64>,
    /// The same of the worker that waited most, in microseconds.
    pub run_delay_max_us: Option<u64>,
    /// The worst lateness of a worker's heartbeat, which is due ten times a second, in microseconds.
    pub heartbeat_late_max_us: u64,
    /// Processor time of this machine that its host gave to others, as a part of the machine's: 0 to 1.
    pub steal_part: Option<f64>,
    /// Periods in which the cgroup had used up its share of processor time.
    pub throttled_periods: Option<u64>,
    /// For how long the cgroup was kept from running therefore, in microseconds, added up over processors.
    pub throttled_us: Option<u64>,
    /// Files and sockets that the process had open.
    pub fds_open: Option<u64>,
    /// Files and sockets that it could still have opened.
    pub fds_left: Option<u64>,
    /// Local ports that were left for connections to the target: those of the range, less the clients connected.
    pub ports_left: Option<u64>,
    /// What one more client costs in memory, as far as known by then, in bytes; `null` with an embedded core in the
    /// process, or with too few clients to tell.
    pub bytes_per_client: Option<u64>,
}

/// Adds the health of seconds up, in memory that does not grow with their number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HealthFold {
    length_us: u64,
    cpu_us: f64,
    rss_peak_bytes: u64,
    worker_cpu_max: f64,
    busy_us: u64,
    turn_max_us: u64,
    heartbeat_late_max_us: u64,
    run_delay_us: Option<u64>,
    steal_us: Option<f64>,
    throttled_periods: Option<u64>,
    throttled_us: Option<u64>,
    fds_left_min: Option<u64>,
    ports_left_min: Option<u64>,
}

impl HealthFold {
    /// Adds a second that lasted `length_us`.
    pub fn add(&mut self, health: &Health, length_us: u64) {
        let length = length_us as f64;
        self.length_us += length_us;
        self.cpu_us += health.cpu_cores * length;
        self.rss_peak_bytes = self.rss_peak_bytes.max(health.rss_bytes);
        // The last second is mostly a piece of one: over a few milliseconds a use of processor time is noise.
        if length_us >= SHORTEST_US {
            self.worker_cpu_max = self.worker_cpu_max.max(health.worker_cpu_max);
            self.busy_us += if health.worker_cpu_max > BUSY_PART { length_us } else { 0 };
        }
        self.turn_max_us = self.turn_max_us.max(health.turn_max_us);
        self.heartbeat_late_max_us = self.heartbeat_late_max_us.max(health.heartbeat_late_max_us);
        self.run_delay_us = sum(self.run_delay_us, health.run_delay_us);
        self.throttled_periods = sum(self.throttled_periods, health.throttled_periods);
        self.throttled_us = sum(self.throttled_us, health.throttled_us);
        if let Some(part) = health.steal_part {
            self.steal_us = Some(self.steal_us.unwrap_or_default() + part * length);
        }
        self.fds_left_min = lower(self.fds_left_min, health.fds_left);
        self.ports_left_min = lower(self.ports_left_min, health.ports_left);
    }

    /// What they come to.
    pub fn generator(&self) -> Generator {
        let run = |value: f64| (self.length_us > 0).then(|| value / self.length_us as f64);
        Generator {
            cpu_cores: run(self.cpu_us),
            worker_cpu_max: self.worker_cpu_max,
            busy_us: self.busy_us,
            turn_max_us: self.turn_max_us,
            heartbeat_late_max_us: self.heartbeat_late_max_us,
            run_delay_us: self.run_delay_us,
            starved_part: self.starved_part(),
            steal_part: self.steal_us.and_then(run),
            throttled_periods: self.throttled_periods,
            throttled_us: self.throttled_us,
            rss_peak_bytes: self.rss_peak_bytes,
            fds_left_min: self.fds_left_min,
            ports_left_min: self.ports_left_min,
            ..Generator::default()
        }
    }

    /// The part of the time for which workers had something to do in which they had no processor.
    fn starved_part(&self) -> Option<f64> {
        let waited = self.run_delay_us? as f64;
        let wanted = waited + self.cpu_us;
        (wanted > 0.0).then(|| waited / wanted)
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_add_up_and_the_worst_of_them_is_kept() {
        let mut fold = HealthFold::default();
        let second = Health {
            cpu_cores: 0.5,
            worker_cpu_max: 0.95,
            run_delay_us: Some(1_500_000),
            throttled_us: Some(10),
            steal_part: Some(0.2),
            fds_left: Some(70),
            heartbeat_late_max_us: 9,
            ..Health::default()
        };
        fold.add(&second, 1_000_000);
        fold.add(&Health { fds_left: Some(90), steal_part: Some(0.0), ..Health::default() }, 1_000_000);
        let generator = fold.generator();
        assert_eq!(generator.cpu_cores, Some(0.25));
        assert_eq!(generator.busy_us, 1_000_000);
        assert_eq!(generator.starved_part, Some(0.75));
        assert_eq!(generator.steal_part, Some(0.1));
        assert_eq!((generator.throttled_us, generator.throttled_periods), (Some(10), None));
        assert_eq!((generator.fds_left_min, generator.ports_left_min), (Some(70), None));
        assert_eq!(generator.heartbeat_late_max_us, 9);
    }

    #[test]
    fn a_use_of_processor_time_over_a_few_milliseconds_is_noise() {
        let mut fold = HealthFold::default();
        fold.add(&Health { worker_cpu_max: 1.2, ..Health::default() }, 3_000);
        let generator = fold.generator();
        assert_eq!((generator.worker_cpu_max, generator.busy_us), (0.0, 0));
    }

    #[test]
    fn what_the_system_does_not_tell_is_unknown_and_not_zero() {
        let mut fold = HealthFold::default();
        fold.add(&Health { cpu_cores: 1.0, ..Health::default() }, 1_000_000);
        let generator = fold.generator();
        assert_eq!(
            (generator.starved_part, generator.steal_part, generator.run_delay_us),
            (None, None, None)
        );
    }
}
