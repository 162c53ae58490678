//! Whether the clients of a stage suffice for its calls: Erlang's loss formula.
//!
//! A call needs idle clients for as long as it rings and lasts; none idle is `blocked`. In the steady state the share
//! of blocked calls depends on the mean of that time alone, whatever its law (Erlang B).

use super::call_plan::CallPlan;
use crate::workload::{ArrivalLaw, Stage};

/// How many slices a stage is cut into, for rates and clients that change over it.
const SLICES: u32 = 50;

/// Less than this share of a stage's calls blocked is not worth a word.
const TOLERATED: f64 = 0.01;

/// Fewer calls than this are not cause for a warning either.
const FEW: f64 = 1.0;

/// A warning for a stage whose calls will find too few idle clients. `before` calls were due in the stages before.
pub(super) fn warning(stage: &Stage, calls: &CallPlan, workers: usize, before: f64) -> Option<String> {
    let rate = stage.calls?;
    let expected = stage.expected_calls();
    let blocked = expected_blocked(stage, calls, workers, before);
    if blocked < FEW || blocked < TOLERATED * expected {
        return None;
    }
    let (parties, noun) = (calls.parties(), if calls.parties() == 1 { "client" } else { "pair" });
    let groups = stage.peak_clients() / parties;
    let busy = calls.mean_busy().as_secs_f64();
    let offered = if stage.arrivals == ArrivalLaw::AtOnce { expected } else { rate.peak() * busy };
    let needed = match stage.arrivals {
        ArrivalLaw::AtOnce => expected.ceil(),
        _ => f64::from(groups_for(offered / workers as f64)) * workers as f64,
    } + calls.busy_callers(stage);
    let shared = if workers > 1 { format!(", shared out among {workers} workers") } else { String::new() };
    Some(format!(
        "stage `{}`: about {blocked:.0} of {expected:.0} calls would be blocked, as no {noun} is idle: the calls would \
         keep {offered:.0} {noun}s busy, and there are {groups}{shared}; have at least {:.0} clients signed on, or plan fewer \
         or shorter calls",
        stage.name,
        needed * f64::from(parties),
    ))
}

fn expected_blocked(stage: &Stage, calls: &CallPlan, workers: usize, before: f64) -> f64 {
    let Some(rate) = stage.calls else { return 0.0 };
    let (expected, parties) = (stage.expected_calls(), f64::from(calls.parties()));
    if stage.arrivals == ArrivalLaw::AtOnce {
        let idle = (f64::from(stage.clients_from) / parties - calls.busy_callers(stage)).max(0.0);
        return (expected - idle).max(0.0);
    }
    // Fewer calls in all than there are groups cannot be blocked, however long they last.
    let fewest = f64::from(stage.clients_from.min(stage.clients_to));
    if before + expected + f64::from(stage.callers) <= fewest / parties {
        return 0.0;
    }
    let seconds = stage.duration.as_secs_f64();
    let slice = |index: u32| {
        let share = (f64::from(index) + 0.5) / f64::from(SLICES);
        let now = rate.at(share * seconds, stage.duration);
        let (from, to) = (f64::from(stage.clients_from), f64::from(stage.clients_to));
        // The closed load takes its groups as well.
        let left = (from + (to - from) * share) / parties - calls.busy_callers(stage);
        let groups = (left.max(0.0) / workers as f64) as u32;
        let load = now * calls.mean_busy().as_secs_f64() / workers as f64;
        now * seconds / f64::from(SLICES) * blocked_share(groups, load)
    };
    (0..SLICES).map(slice).sum()
}

/// The share of calls that find none of `groups` idle when `load` would be busy on average (Erlang B).
fn blocked_share(groups: u32, load: f64) -> f64 {
    (1..=groups).fold(1.0, |share, group| load * share / (f64::from(group) + load * share))
}

/// How many groups keep the share of blocked calls within what is tolerated.
fn groups_for(load: f64) -> u32 {
    let mut share = 1.0;
    let mut groups = 0;
    while share > TOLERATED && f64::from(groups) < 2.0 * load + 10.0 {
        groups += 1;
        share = load * share / (f64::from(groups) + load * share);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_formula_gives_the_values_of_the_printed_tables() {
        assert!((blocked_share(10, 5.0) - 0.018_385).abs() < 1e-6);
        assert!((blocked_share(100, 84.06) - 0.01).abs() < 1e-4);
        assert_eq!(blocked_share(0, 1.0), 1.0);
        assert_eq!(groups_for(84.06), 100);
        assert_eq!(blocked_share(5, 0.0), 0.0);
    }
}
