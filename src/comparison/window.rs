//! Which seconds of two runs are compared.

use super::sample::{Sample, Second};

/// The most figures in a row along time. Of a longer run several seconds together are one, so that memory and time have a
/// bound.
const LONGEST: usize = 3_600;

/// Which kind of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those in which calls are due, without the warm-up.
    Load,
    /// Those from the first connection that was made to the last.
    SignOn,
}

/// Seconds of both runs, in their order: numbers from the start of the run. A bin is a second, or several of a long run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    pub(super) base: Vec<Vec<u64>>,
    pub(super) new: Vec<Vec<u64>>,
    /// Whether both are the same seconds of the same plan.
    pub(super) paired: bool,
    /// The seconds in a bin.
    pub(super) bin: usize,
}

impl Window {
    /// The seconds of a kind. Runs of the same plan are compared in the seconds that both have.
    pub(super) fn new(kind: Kind, base: &Sample, new: &Sample, same_plan: bool, warm_up_s: u64) -> Window {
        let [mut of_base, mut of_new] = [base, new].map(|sample| match kind {
            Kind::Load => load(sample, warm_up_s),
            Kind::SignOn => sign_on(sample),
        });
        if same_plan {
            // The union, where both have it: a second without a sign-on in one run only is one of both.
            let mut both: Vec<u64> = of_base.iter().chain(&of_new).copied().collect();
            both.sort_unstable();
            both.dedup();
            both.retain(|number| [base, new].iter().all(|run| run.seconds.contains_key(number)));
            (of_base, of_new) = (both.clone(), both);
        }
        let bin = of_base.len().max(of_new.len()).div_ceil(LONGEST).max(1);
        let bins = |seconds: Vec<u64>| seconds.chunks(bin).map(<[u64]>::to_vec).collect();
        Window { base: bins(of_base), new: bins(of_new), paired: same_plan, bin }
    }

    /// How many seconds there are of the run that has fewer.
    pub(super) fn seconds(&self) -> usize {
        let count = |bins: &[Vec<u64>]| bins.iter().map(Vec::len).sum::<usize>();
        count(&self.base).min(count(&self.new))
    }
}

fn load(sample: &Sample, warm_up_s: u64) -> Vec<u64> {
    let mut with_calls =
        sample.seconds.iter().filter(|(_, second)| second.has_calls).map(|(number, _)| *number);
    let Some(first) = with_calls.next() else { return Vec::new() };
    std::iter::once(first).chain(with_calls).filter(|number| *number >= first + warm_up_s).collect()
}

fn sign_on(sample: &Sample) -> Vec<u64> {
    let signs_on = |second: &Second| {
        let latencies = super::sample::Timed::all();
        second.latencies.iter().zip(latencies).any(|(stored, timed)| stored.is_some() && timed.is_sign_on())
    };
    let mut numbers = sample.seconds.iter().filter(|(_, second)| signs_on(second)).map(|(number, _)| *number);
    let Some(first) = numbers.next() else { return Vec::new() };
    let last = numbers.next_back().unwrap_or(first);
    sample.seconds.range(first..=last).map(|(number, _)| *number).collect()
}
