//! Whether the generator was fit to measure: the rules, each of which names cause and cure.

use super::limits::{self, Limit};
use crate::record::{RunRecord, Summary, Validity};

/// What speaks against the generator, and how heavily.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub validity: Validity,
    pub reason: String,
}

/// Every rule.
const RULES: &[fn(&RunRecord) -> Option<Finding>] = &[
    call_lag,
    keepalive_lag,
    timer_lag,
    handling,
    stood_still,
    starved,
    throttled,
    steal,
    busy,
    late,
    blocked,
    cut_off,
    descriptors,
    ports,
];

/// All that speaks against the generator of a run.
pub(super) fn findings(record: &RunRecord) -> Vec<Finding> {
    let wrong = |wrong: &String| Finding {
        validity: Validity::Void,
        reason: format!("the counts do not add up: {wrong}; this is a fault of wtsp-load, please report it"),
    };
    record.sums.wrong.iter().map(wrong).chain(RULES.iter().filter_map(|rule| rule(record))).collect()
}

/// The finding of a figure that exceeds its limit; `reason` is told the limit.
fn beyond(limit: Limit, figure: f64, reason: impl FnOnce(f64) -> String) -> Option<Finding> {
    limit.judge(figure).map(|(validity, limit)| Finding { validity, reason: reason(limit) })
}

/// The finding of a p99 that exceeds its limit; where there are few, of a p90: a p99 would be a single one of them.
fn lateness(record: &RunRecord, latency: &Summary, limit: Limit, [what, done]: [&str; 2]) -> Option<Finding> {
    if latency.count == 0 {
        return None;
    }
    let (of, quantile) = if latency.count < FEW { (10, latency.p90) } else { (100, latency.p99) };
    // A quantile that is unknown lies beyond the range of 10 minutes.
    let figure = quantile.map_or(f64::INFINITY, |micros| micros as f64);
    let shown = quantile.map_or("more than 10 min".to_owned(), |micros| time(micros as f64));
    let reason = |limit| {
        let (limit, cause) = (time(limit), cause(record));
        format!("1 {what} in {of} was {done} {shown} late or more (limit {limit}): {cause}")
    };
    beyond(limit, figure, reason)
}

/// Fewer than so many have no p99.
const FEW: u64 = 100;

fn call_lag(record: &RunRecord) -> Option<Finding> {
    lateness(record, &record.generator.lag, limits::CALL_LAG_P99_US, ["call", "sent"])
}

fn keepalive_lag(record: &RunRecord) -> Option<Finding> {
    let lag = &record.generator.keepalive_lag;
    lateness(record, lag, limits::KEEPALIVE_LAG_P99_US, ["keepalive", "sent"])
}

fn timer_lag(record: &RunRecord) -> Option<Finding> {
    lateness(record, &record.generator.timer_lag, limits::TIMER_LAG_P99_US, ["deadline", "met"])
}

fn handling(record: &RunRecord) -> Option<Finding> {
    lateness(record, &record.generator.handling, limits::HANDLING_P99_US, ["frame", "handled"])
}

fn stood_still(record: &RunRecord) -> Option<Finding> {
    let longest = record.generator.heartbeat_late_max_us as f64;
    beyond(limits::STOOD_STILL_US, longest, |limit| {
        let (longest, limit) = (time(longest), time(limit));
        format!("a worker stood still for {longest} (limit {limit}): {}", cause(record))
    })
}

fn starved(record: &RunRecord) -> Option<Finding> {
    let timer_lag = record.generator.timer_lag.p99.unwrap_or_default() as f64;
    let part = record.generator.starved_part?;
    if timer_lag <= limits::STARVED_TIMER_LAG_P99_US {
        return None;
    }
    beyond(limits::STARVED_PART, part, |limit| {
        let (part, limit) = (percent(part), percent(limit));
        let cause = cause(record);
        format!(
            "for {part} of the time for which they had something to do, workers had no processor (limit {limit}): \
             {cause}"
        )
    })
}

const STARVED_CURE: &str = "something else ran on the generator's processors (workers beyond the number of cores \
                            count, too); stop it, give the generator a machine of its own, or plan fewer clients";

fn throttled(record: &RunRecord) -> Option<Finding> {
    let part = throttled_part(record)?;
    beyond(limits::THROTTLED_PART, part, |limit| {
        format!(
            "its cgroup had used up its processor time for {} of the run (limit {}): {THROTTLED_CURE}",
            percent(part),
            percent(limit)
        )
    })
}

const THROTTLED_CURE: &str = "raise the quota (cpu.max, cpu.cfs_quota_us, or the container's CPU limit), use more \
                              machines, or plan fewer clients";

/// The part of the run for which the cgroup was throttled.
fn throttled_part(record: &RunRecord) -> Option<f64> {
    let throttled = record.generator.throttled_us? as f64;
    (record.duration_us > 0).then(|| throttled / record.duration_us as f64)
}

fn steal(record: &RunRecord) -> Option<Finding> {
    let part = record.generator.steal_part?;
    beyond(limits::STEAL_PART, part, |limit| {
        let (part, limit) = (percent(part), percent(limit));
        format!(
            "the host gave {part} of this machine's processor time to others (limit {limit}): {STEAL_CURE}"
        )
    })
}

const STEAL_CURE: &str = "use a machine, or a host, that is not shared";

fn busy(record: &RunRecord) -> Option<Finding> {
    let generator = &record.generator;
    if record.duration_us == 0 {
        return None;
    }
    let part = generator.busy_us as f64 / record.duration_us as f64;
    beyond(limits::BUSY, part, |_| {
        format!(
            "a worker used more than {} of a core for {} (at most {}): {BUSY_CURE}",
            percent(limits::BUSY_PART),
            time(generator.busy_us as f64),
            percent(generator.worker_cpu_max)
        )
    })
}

const BUSY_CURE: &str = "use more workers or more machines, or plan fewer clients or calls";

fn late(record: &RunRecord) -> Option<Finding> {
    let (late, started) = (record.generator.late, record.counted.attempts.started);
    beyond(limits::LATE_PART, part(late, started), |_| {
        let limit = time(limits::LATE_US as f64);
        format!("{late} of {started} calls were sent more than {limit} late: {}", cause(record))
    })
}

fn blocked(record: &RunRecord) -> Option<Finding> {
    let (blocked, due) = (record.counted.attempts.blocked, record.counted.attempts.due);
    beyond(limits::BLOCKED_PART, part(blocked, due), |_| {
        format!(
            "{blocked} of {due} calls were not sent, because no pair of clients was idle: use more clients"
        )
    })
}

fn cut_off(record: &RunRecord) -> Option<Finding> {
    let cut_off = record.generator.cut_off;
    let reason = || format!("the run was cut off: {cut_off} calls were in flight and count as unfinished");
    (cut_off > 0).then(|| Finding { validity: Validity::Degraded, reason: reason() })
}

fn descriptors(record: &RunRecord) -> Option<Finding> {
    let reason = "the process had no descriptor left: raise the hard limit (`ulimit -Hn`), plan fewer clients, or \
                  share them out among several generators";
    let none = record.generator.fds_left_min.is_some_and(|left| left < limits::FEWEST_LEFT);
    none.then(|| Finding { validity: Validity::Degraded, reason: reason.to_owned() })
}

fn ports(record: &RunRecord) -> Option<Finding> {
    let reason = "no local port was left for connections to the target: name more `source_addresses`, or widen \
                  net.ipv4.ip_local_port_range";
    let none = record.generator.ports_left_min.is_some_and(|left| left < limits::FEWEST_LEFT);
    none.then(|| Finding { validity: Validity::Degraded, reason: reason.to_owned() })
}

/// Why the generator was late, as far as its health tells, and what to do about it.
fn cause(record: &RunRecord) -> String {
    let generator = &record.generator;
    if let Some(part) = throttled_part(record)
        && part > limits::THROTTLED_PART.degraded
    {
        return format!("its cgroup was throttled for {} of the run; {THROTTLED_CURE}", percent(part));
    }
    if let Some(part) = generator.starved_part
        && part > limits::STARVED_PART_CAUSE
    {
        return STARVED_CURE.to_owned();
    }
    if let Some(part) = generator.steal_part
        && part > limits::STEAL_PART.degraded
    {
        return format!("the host gave {} of this machine to others; {STEAL_CURE}", percent(part));
    }
    if generator.worker_cpu_max > limits::BUSY_PART {
        return format!("a worker used {} of a core; {BUSY_CURE}", percent(generator.worker_cpu_max));
    }
    if generator.worker_cpu_max > limits::BUSY_PART / 2.0 {
        return format!("the generator was too slow for this load; {BUSY_CURE}");
    }
    PAUSED_CURE.to_owned()
}

const PAUSED_CURE: &str = "the generator had time to spare and did not run: look for what stops it or its machine (a \
                           stop signal, a snapshot, memory that is swapped out), or use another machine";

fn part(of: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { of as f64 / all as f64 }
}

/// A part as a percentage.
fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// A time in microseconds, for people.
fn time(micros: f64) -> String {
    match micros {
        micros if micros >= 1e6 => format!("{:.1} s", micros / 1e6),
        micros if micros >= 100_000.0 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.1} ms", micros / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fold, Intervals, RunEnd, RunHeader};

    /// A run of a minute by a generator that was well, and what `change` makes of it.
    fn judged(change: impl FnOnce(&mut RunRecord)) -> Vec<Finding> {
        let end = RunEnd::default();
        let mut record = Fold::default().finish(&RunHeader::default(), Some(&end), Intervals::default());
        record.duration_us = 60_000_000;
        record.counted.attempts.due = 1_000;
        record.counted.attempts.started = 1_000;
        let generator = &mut record.generator;
        for lag in [&mut generator.lag, &mut generator.keepalive_lag, &mut generator.timer_lag] {
            *lag = Summary { count: 1_000, p99: Some(300), ..Summary::default() };
        }
        generator.worker_cpu_max = 0.2;
        generator.starved_part = Some(0.05);
        generator.steal_part = Some(0.01);
        generator.throttled_us = Some(0);
        (generator.fds_left_min, generator.ports_left_min) = (Some(500), Some(20_000));
        change(&mut record);
        findings(&record)
    }

    /// A run gets one finding of that weight, with these words.
    fn assert_found(change: impl FnOnce(&mut RunRecord), validity: Validity, words: &[&str]) {
        let found = judged(change);
        let [Finding { validity: was, reason }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(*was, validity, "{reason}");
        words.iter().for_each(|word| assert!(reason.contains(word), "{word:?} is not in: {reason}"));
    }

    #[test]
    fn a_healthy_generator_is_found_nothing_against() {
        assert_eq!(judged(|_| ()), []);
    }

    #[test]
    fn a_health_that_is_unknown_is_not_held_against_it() {
        let unknown = |record: &mut RunRecord| record.generator = Default::default();
        assert_eq!(judged(unknown), []);
    }

    #[test]
    fn each_kind_of_lateness_has_its_limits() {
        type Lag = fn(&mut RunRecord) -> &mut Summary;
        let kinds: [(Lag, Limit, &str); 4] = [
            (|record| &mut record.generator.lag, limits::CALL_LAG_P99_US, "call in 100"),
            (|record| &mut record.generator.keepalive_lag, limits::KEEPALIVE_LAG_P99_US, "keepalive in 100"),
            (|record| &mut record.generator.timer_lag, limits::TIMER_LAG_P99_US, "deadline in 100"),
            (|record| &mut record.generator.handling, limits::HANDLING_P99_US, "frame in 100"),
        ];
        for (lag, limit, words) in kinds {
            let set = |p99: Option<u64>| {
                move |record: &mut RunRecord| {
                    *lag(record) = Summary { count: 1_000, p99, ..Summary::default() };
                }
            };
            let void = limit.void.unwrap() as u64;
            assert_eq!(judged(set(Some(limit.degraded as u64))), []);
            assert_found(
                set(Some(limit.degraded as u64 + 1)),
                Validity::Degraded,
                &[words, "or use another machine"],
            );
            assert_found(set(Some(void + 1)), Validity::Void, &[words, "(limit "]);
            assert_found(set(None), Validity::Void, &["more than 10 min"]);
        }
    }

    #[test]
    fn a_single_late_one_of_few_is_not_held_against_it() {
        let few = |p90| {
            move |record: &mut RunRecord| {
                let lag = Summary { count: 40, p90: Some(p90), p99: Some(90_000), ..Summary::default() };
                record.generator.lag = lag;
            }
        };
        assert_eq!(judged(few(1_000)), []);
        assert_found(few(30_000), Validity::Void, &["1 call in 10 was sent 30.0 ms late"]);
    }

    #[test]
    fn a_worker_that_stood_still_is_found() {
        let still = |micros| move |record: &mut RunRecord| record.generator.heartbeat_late_max_us = micros;
        assert_found(still(300_000), Validity::Degraded, &["stood still for 300 ms"]);
        assert_found(still(2_500_000), Validity::Void, &["stood still for 2.5 s"]);
    }

    #[test]
    fn waiting_for_a_processor_counts_where_it_can_be_felt() {
        let starved = |part, timer_lag| {
            move |record: &mut RunRecord| {
                record.generator.starved_part = Some(part);
                record.generator.timer_lag.p99 = Some(timer_lag);
            }
        };
        assert_eq!(judged(starved(0.8, 1_900)), []);
        let weights = |part| -> Vec<Validity> {
            judged(starved(part, 2_500)).iter().map(|finding| finding.validity).collect()
        };
        assert_eq!(weights(0.2), [Validity::Degraded]);
        assert_eq!(weights(0.4), [Validity::Degraded, Validity::Degraded]);
        assert_eq!(weights(0.8), [Validity::Degraded, Validity::Void]);
        let void = judged(starved(0.8, 2_500)).pop().unwrap().reason;
        assert!(void.contains("80 %") && void.contains("a machine of its own"), "{void}");
    }

    #[test]
    fn a_throttled_generator_is_told_to_raise_its_quota() {
        let throttled = |micros| move |record: &mut RunRecord| record.generator.throttled_us = Some(micros);
        assert_found(throttled(1_200_000), Validity::Degraded, &["2 % of the run", "cpu.max"]);
        assert_found(throttled(30_000_000), Validity::Void, &["50 % of the run", "raise the quota"]);
    }

    #[test]
    fn a_machine_whose_host_gives_its_time_to_others_degrades() {
        let stolen = |record: &mut RunRecord| record.generator.steal_part = Some(0.3);
        assert_found(stolen, Validity::Degraded, &["30 %", "not shared"]);
    }

    #[test]
    fn a_busy_second_degrades_and_a_busy_third_of_the_run_voids() {
        let busy = |micros| {
            move |record: &mut RunRecord| {
                record.generator.busy_us = micros;
                record.generator.worker_cpu_max = 0.97;
            }
        };
        assert_found(
            busy(1_000_000),
            Validity::Degraded,
            &["90 % of a core for 1.0 s", "97 %", "more workers"],
        );
        assert_found(busy(21_000_000), Validity::Void, &["for 21.0 s"]);
    }

    #[test]
    fn late_and_blocked_and_cut_off_calls_degrade() {
        assert_found(|record| record.generator.late = 2, Validity::Degraded, &["2 of 1000", "100 ms late"]);
        let blocked = |record: &mut RunRecord| record.counted.attempts.blocked = 11;
        assert_found(blocked, Validity::Degraded, &["more clients"]);
        assert_found(|record| record.generator.cut_off = 1, Validity::Degraded, &["cut off"]);
    }

    #[test]
    fn descriptors_and_ports_that_run_out_degrade() {
        assert_found(|record| record.generator.fds_left_min = Some(0), Validity::Degraded, &["ulimit"]);
        assert_found(|record| record.generator.ports_left_min = Some(0), Validity::Degraded, &["port_range"]);
    }

    #[test]
    fn counts_that_do_not_add_up_void() {
        let wrong = |record: &mut RunRecord| record.sums.wrong.push("attempts.due is 3".into());
        assert_found(wrong, Validity::Void, &["do not add up", "attempts.due is 3"]);
    }

    #[test]
    fn lateness_is_put_down_to_what_the_health_shows() {
        let late_because = |change: fn(&mut RunRecord)| {
            let found = judged(|record| {
                record.generator.lag.p99 = Some(500_000);
                change(record);
            });
            found.into_iter().find(|one| one.reason.starts_with("1 call")).unwrap().reason
        };
        assert!(
            late_because(|record| record.generator.starved_part = Some(0.9)).contains("something else ran")
        );
        assert!(
            late_because(|record| record.generator.throttled_us = Some(6_000_000))
                .contains("throttled for 10 %")
        );
        assert!(late_because(|record| record.generator.steal_part = Some(0.2)).contains("host gave 20 %"));
        assert!(late_because(|record| record.generator.worker_cpu_max = 0.99).contains("99 % of a core"));
        assert!(
            late_because(|record| record.generator.worker_cpu_max = 0.6).contains("too slow for this load")
        );
        assert!(late_because(|_| ()).contains("had time to spare"));
    }
}
