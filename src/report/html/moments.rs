//! What happened when, in words: the answer to "what was at 00:42?" for whoever has not run the test.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::markup::Html;
use crate::metrics::Metric;
use crate::record::{RunRecord, StoredInterval, Summary};
use crate::report::text::words;
use crate::report::units::{count, latency as time, of};
use crate::verdict::{Verdict, limits};

/// The most stretches of trouble that are told, the worst ones.
const MOST_STRETCHES: usize = 30;
/// So many seconds without trouble end a stretch of it.
const QUIET_US: u64 = 2_500_000;
/// The most causes that a sentence names.
const MOST_CAUSES: usize = 4;
/// The most causes that are kept apart in a stretch.
const MOST_KEYS: usize = 64;
/// Fewer latencies than this have no p99.
const FEW: u64 = 100;
/// How long something lasts, in microseconds, of which only the second that it began in is known: less than any second.
const INSTANT_US: u64 = 10_000;
/// The most stretches of an unfit generator that are marked.
const MOST_UNFIT: usize = 500;
/// The shortest piece of a second, in microseconds, whose use of processor time is taken seriously.
const SHORTEST_US: u64 = 250_000;
/// A second that is this much longer than one, in microseconds, is worth a word.
const LATE_SECOND_US: u64 = 500_000;

/// With fewer requests in a second than this, that none is answered says nothing.
const FEWEST_ASKED: u64 = 10;

/// The latencies whose worst second is told.
const WORST: [(Metric, &str); 4] = [
    (Metric::Setup, "response"),
    (Metric::Signon, "response"),
    (Metric::Ack, "service"),
    (Metric::Keepalive, "service"),
];

/// Something worth a word.
#[derive(Debug, PartialEq)]
pub(super) struct Moment {
    /// When it began, in microseconds from the start of the run.
    pub(super) from_us: u64,
    /// When it was over.
    pub(super) to_us: u64,
    /// What it was.
    pub(super) text: String,
}

/// Looks out for moments, second by second.
#[derive(Default)]
pub(super) struct Lookout {
    stretch: Option<Stretch>,
    stretches: Vec<Stretch>,
    left_out: usize,
    unfit: Vec<Unfit>,
    gaps: Vec<Moment>,
    silences: Vec<Silence>,
    worst: [Option<(u64, u64, Summary)>; WORST.len()],
    ends_us: u64,
}

/// Seconds in which something went wrong.
#[derive(Default)]
struct Stretch {
    from_us: u64,
    to_us: u64,
    due: u64,
    failed: ByCause,
    signon_failed: ByCause,
    disconnects: ByCause,
    request_errors: u64,
    request_timeouts: u64,
    keepalives_missed: u64,
}

/// Seconds in which the server answered nothing.
struct Silence {
    from_us: u64,
    to_us: u64,
    asked: u64,
}

/// Counts by cause, of a bounded number of causes.
#[derive(Default)]
struct ByCause(BTreeMap<String, u64>);

/// A stretch in which the generator was unfit.
pub(super) struct Unfit {
    /// When it began, in microseconds from the start of the run.
    pub(super) from_us: u64,
    /// When it was over.
    pub(super) to_us: u64,
    /// By how many times its limit a figure was exceeded, at worst, and what that was.
    worst: (f64, String),
}

impl Lookout {
    /// Looks at a second.
    pub(super) fn add(&mut self, second: &StoredInterval) {
        let ends_us = second.at_us + second.length_us;
        self.gap(second);
        self.trouble(second, ends_us);
        self.silence(second, ends_us);
        if let Some(worst) = unfit(second) {
            let has_room = self.unfit.len() < MOST_UNFIT;
            match self.unfit.last_mut().filter(|last| last.to_us + QUIET_US > second.at_us) {
                Some(last) => {
                    last.to_us = ends_us;
                    if worst.0 > last.worst.0 {
                        last.worst = worst;
                    }
                }
                None if has_room => {
                    self.unfit.push(Unfit { from_us: second.at_us, to_us: ends_us, worst });
                }
                None => {}
            }
        }
        for ((metric, part), worst) in WORST.iter().zip(&mut self.worst) {
            let latency = second.latency.metrics.get(metric.name());
            let stored = latency.and_then(|latency| match *part {
                "response" => latency.response.as_ref(),
                _ => latency.service.as_ref(),
            });
            let Some(summary) = stored.map(|stored| stored.summary) else { continue };
            let p99 = |summary: &Summary| summary.p99.unwrap_or(u64::MAX);
            if worst.as_ref().is_none_or(|(.., so_far)| p99(&summary) > p99(so_far)) {
                *worst = Some((second.at_us, ends_us, summary));
            }
        }
        self.ends_us = ends_us;
    }

    fn gap(&mut self, second: &StoredInterval) {
        let missing = second.at_us.saturating_sub(self.ends_us);
        if missing > LATE_SECOND_US {
            let text = format!("nothing was recorded for {}", time(missing));
            self.gaps.push(Moment { from_us: self.ends_us, to_us: second.at_us, text });
        }
        if second.length_us > 1_000_000 + LATE_SECOND_US && self.gaps.len() < MOST_STRETCHES {
            let text = format!(
                "the generator came late to its own books: a \u{201c}second\u{201d} of {}",
                time(second.length_us)
            );
            self.gaps.push(Moment { from_us: second.at_us, to_us: second.at_us + second.length_us, text });
        }
        self.gaps.truncate(MOST_STRETCHES);
    }

    fn trouble(&mut self, second: &StoredInterval, ends_us: u64) {
        let one = Stretch::of(second, ends_us);
        if one.weight() == 0 {
            return;
        }
        match self.stretch.as_mut().filter(|so_far| so_far.to_us + QUIET_US > second.at_us) {
            Some(so_far) => so_far.add(&one),
            None => {
                self.settle();
                self.stretch = Some(one);
            }
        }
    }

    fn silence(&mut self, second: &StoredInterval, ends_us: u64) {
        let (requests, keepalives) = (&second.counted.requests, &second.counted.keepalives);
        let asked = requests.sent.values().sum::<u64>() + keepalives.sent;
        let answered = requests.acked + requests.errors.values().sum::<u64>() + keepalives.answered;
        if asked < FEWEST_ASKED || answered > 0 {
            return;
        }
        let has_room = self.silences.len() < MOST_STRETCHES;
        match self.silences.last_mut().filter(|last| last.to_us == second.at_us) {
            Some(last) => (last.to_us, last.asked) = (ends_us, last.asked + asked),
            None if has_room => {
                self.silences.push(Silence { from_us: second.at_us, to_us: ends_us, asked });
            }
            None => {}
        }
    }

    /// Puts the stretch that is over to the others; the lightest one goes where there are too many.
    fn settle(&mut self) {
        self.stretches.extend(self.stretch.take());
        if self.stretches.len() > MOST_STRETCHES {
            let lightest = (0..self.stretches.len()).min_by_key(|at| self.stretches[*at].weight());
            lightest.map(|at| self.stretches.remove(at));
            self.left_out += 1;
        }
    }

    /// The stretches in which the generator was unfit.
    pub(super) fn unfit(&self) -> &[Unfit] {
        &self.unfit
    }

    /// All that is worth a word, in its order, and how many stretches of trouble are left out of it.
    pub(super) fn finish(&mut self, record: &RunRecord, verdict: &Verdict) -> (Vec<Moment>, usize) {
        self.settle();
        let mut moments: Vec<Moment> = std::mem::take(&mut self.gaps);
        moments.extend(self.stretches.iter().map(Stretch::told));
        moments.extend(self.silences.iter().map(|silence| Moment {
            from_us: silence.from_us,
            to_us: silence.to_us,
            text: format!(
                "the server answered nothing: {} sent",
                of(silence.asked, "request or keepalive", "requests and keepalives")
            ),
        }));
        moments.extend(self.unfit.iter().take(MOST_STRETCHES).map(|unfit| Moment {
            from_us: unfit.from_us,
            to_us: unfit.to_us,
            text: format!("the generator was unfit: {}", unfit.worst.1),
        }));
        for ((metric, part), worst) in WORST.iter().zip(&self.worst) {
            let Some((from_us, to_us, summary)) = *worst else { continue };
            let p99 = summary.p99.map_or("more than 10 min".into(), time);
            let text =
                format!("the slowest second of {metric}: p99 {p99}, of {} ({part})", count(summary.count));
            moments.push(Moment { from_us, to_us, text });
        }
        for threshold in &verdict.thresholds {
            let Some(at_us) = threshold.first_failed_at_us else { continue };
            let text = format!("the threshold {} {} failed first", threshold.name, threshold.limit);
            moments.push(Moment { from_us: at_us, to_us: at_us + INSTANT_US, text });
        }
        for change in &record.changes {
            let text = format!("changed by hand: {}", change.words());
            moments.push(Moment { from_us: change.at_us, to_us: change.at_us + INSTANT_US, text });
        }
        if let Some(aborted) = &record.aborted_by {
            let text = format!("the run was ended early by the threshold {} {}", aborted.name, aborted.limit);
            moments.push(Moment { from_us: aborted.at_us, to_us: aborted.at_us + INSTANT_US, text });
        } else if record.interrupted {
            let text = "the run was interrupted, or killed".to_owned();
            moments.push(Moment { from_us: record.duration_us, to_us: record.duration_us, text });
        }
        moments.sort_by_key(|moment| (moment.from_us, Reverse(moment.to_us)));
        (moments, self.left_out)
    }
}

impl Stretch {
    fn of(second: &StoredInterval, ends_us: u64) -> Stretch {
        let counted = &second.counted;
        let mut one = Stretch { from_us: second.at_us, to_us: ends_us, ..Stretch::default() };
        one.due = counted.attempts.due;
        for (cause, number) in &counted.attempts_failed {
            one.failed.add(&words(cause), *number);
        }
        for failure in &counted.signon_failures {
            let status = failure.status.map(|status| format!(" {status}")).unwrap_or_default();
            one.signon_failed.add(&format!("{}{status}", words(&failure.cause)), failure.count);
        }
        for ended in counted.disconnects.iter().filter(|one| !one.is_ours()) {
            one.disconnects
                .add(&format!("{} {} by {}", ended.code, ended.name, by(&ended.initiator)), ended.count);
        }
        one.request_errors = counted.requests.errors.values().sum();
        one.request_timeouts = counted.requests.timeouts;
        one.keepalives_missed = counted.keepalives.missed;
        one
    }

    fn add(&mut self, other: &Stretch) {
        self.to_us = other.to_us;
        self.due += other.due;
        self.request_errors += other.request_errors;
        self.request_timeouts += other.request_timeouts;
        self.keepalives_missed += other.keepalives_missed;
        self.failed.add_all(&other.failed);
        self.signon_failed.add_all(&other.signon_failed);
        self.disconnects.add_all(&other.disconnects);
    }

    /// How much went wrong.
    fn weight(&self) -> u64 {
        let causes = [&self.failed, &self.signon_failed, &self.disconnects];
        let by_cause: u64 = causes.iter().map(|one| one.total()).sum();
        by_cause + self.request_errors + self.request_timeouts + self.keepalives_missed
    }

    fn told(&self) -> Moment {
        let mut said = Vec::new();
        if self.failed.total() > 0 {
            let failed = of(self.failed.total(), "call", "calls");
            said.push(format!("{failed} failed while {} came due ({})", count(self.due), self.failed.told()));
        }
        if self.signon_failed.total() > 0 {
            let failed = of(self.signon_failed.total(), "sign-on", "sign-ons");
            said.push(format!("{failed} failed ({})", self.signon_failed.told()));
        }
        if self.disconnects.total() > 0 {
            let ended = of(self.disconnects.total(), "connection", "connections");
            said.push(format!("{ended} ended ({})", self.disconnects.told()));
        }
        let rest = [
            (self.request_errors, "request was refused", "requests were refused"),
            (self.request_timeouts, "request had no answer in time", "requests had no answer in time"),
            (self.keepalives_missed, "keepalive was missed", "keepalives were missed"),
        ];
        let rest = rest.into_iter().filter(|(number, ..)| *number > 0);
        said.extend(rest.map(|(number, one, many)| of(number, one, many)));
        Moment { from_us: self.from_us, to_us: self.to_us, text: said.join("; ") }
    }
}

impl ByCause {
    fn add(&mut self, cause: &str, number: u64) {
        let cause = if self.0.contains_key(cause) || self.0.len() < MOST_KEYS { cause } else { "others" };
        *self.0.entry(cause.to_owned()).or_default() += number;
    }

    fn add_all(&mut self, other: &ByCause) {
        other.0.iter().for_each(|(cause, number)| self.add(cause, *number));
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The most frequent ones.
    fn told(&self) -> String {
        let mut causes: Vec<(&String, &u64)> = self.0.iter().collect();
        causes.sort_by_key(|(_, number)| Reverse(**number));
        let mut told: Vec<String> = causes
            .iter()
            .take(MOST_CAUSES)
            .map(|(cause, number)| format!("{cause}: {}", count(**number)))
            .collect();
        if causes.len() > MOST_CAUSES {
            let others: u64 = causes[MOST_CAUSES..].iter().map(|(_, number)| **number).sum();
            told.push(format!("others: {}", count(others)));
        }
        told.join(", ")
    }
}

/// Who ended a connection, for people.
pub(super) fn by(initiator: &str) -> &str {
    match initiator {
        "client" => "the client",
        "server" => "the server",
        "network" => "the network",
        other => other,
    }
}

/// Why the generator was unfit in a second, if it was, and by how many times the limit: by the limits that make a whole run
/// void, and by standing still or being busy, which a run can have a little of.
fn unfit(second: &StoredInterval) -> Option<(f64, String)> {
    let own = |metric: Metric| {
        let summary = second.latency.metrics.get(metric.name())?.service.as_ref()?.summary;
        let quantile = if summary.count < FEW { summary.p90 } else { summary.p99 };
        Some(quantile.unwrap_or(u64::MAX))
    };
    let health = &second.health;
    let late = [
        (own(Metric::Lag), limits::CALL_LAG_P99_US.void, "calls were sent late by"),
        (own(Metric::TimerLag), limits::TIMER_LAG_P99_US.void, "deadlines were met late by"),
        (own(Metric::Handling), limits::HANDLING_P99_US.void, "frames were handled late by"),
        (
            Some(health.heartbeat_late_max_us),
            Some(limits::STOOD_STILL_US.degraded),
            "a worker stood still for",
        ),
    ];
    let late = late.into_iter().filter_map(|(micros, limit, what)| {
        let (micros, limit) = (micros?, limit?);
        let shown = if micros == u64::MAX { "more than 10 min".to_owned() } else { time(micros) };
        Some((micros as f64 / limit, format!("{what} {shown}")))
    });
    let busy_part = if second.length_us > SHORTEST_US { health.worker_cpu_max } else { 0.0 };
    let busy = (busy_part / limits::BUSY_PART, format!("a worker used {:.0} % of a core", busy_part * 100.0));
    let worst = late.chain([busy]).max_by(|one, other| one.0.total_cmp(&other.0));
    worst.filter(|(times, _)| *times > 1.0)
}

/// The time of a run as a clock shows it: `00:42`, or `1:00:42` in runs of an hour and more.
pub(super) fn clock(micros: u64, has_hours: bool) -> String {
    let seconds = micros / 1_000_000;
    match has_hours {
        true => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        false => format!("{:02}:{:02}", seconds / 60, seconds % 60),
    }
}

/// The list of moments.
pub(super) fn section(moments: &[Moment], left_out: usize, has_hours: bool) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "moments")]).el("h2", &[], "What happened when");
    if moments.is_empty() {
        html.el("p", &[], "Nothing out of the ordinary.").close("section");
        return html;
    }
    html.open("ol", &[("class", "moments")]);
    for moment in moments {
        let from = format!("{:.3}", moment.from_us as f64 / 1e6);
        let to = format!("{:.3}", moment.to_us as f64 / 1e6);
        html.open("li", &[("data-from", &from), ("data-to", &to)]);
        let mut shown = clock(moment.from_us, has_hours);
        // A stretch ends within its last second.
        let last = clock(moment.to_us.saturating_sub(1).max(moment.from_us), has_hours);
        if last != shown && moment.to_us > moment.from_us + 1_900_000 {
            shown = format!("{shown}\u{2013}{last}");
        }
        html.el("button", &[("type", "button"), ("class", "at"), ("data-at", &from)], shown);
        html.el("span", &[], &moment.text).close("li");
    }
    html.close("ol");
    if left_out > 0 {
        let more = of(left_out as u64, "lesser stretch of trouble is", "lesser stretches of trouble are");
        html.el("p", &[("class", "note")], format_args!("{more} left out."));
    }
    html.close("section");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Disconnects;

    fn second(at: u64) -> StoredInterval {
        StoredInterval { at_us: at * 1_000_000, length_us: 1_000_000, ..StoredInterval::default() }
    }

    fn told(seconds: &[StoredInterval]) -> Vec<String> {
        let mut lookout = Lookout::default();
        seconds.iter().for_each(|second| lookout.add(second));
        let mut record = crate::record::Fold::default().finish(&Default::default(), None, Default::default());
        record.interrupted = false;
        let verdict = crate::verdict::judge(&mut record);
        let (moments, _) = lookout.finish(&record, &verdict);
        moments.iter().map(|moment| format!("{} {}", clock(moment.from_us, false), moment.text)).collect()
    }

    #[test]
    fn a_stretch_of_trouble_is_told_once_with_its_causes() {
        let mut seconds: Vec<StoredInterval> = (0..60).map(second).collect();
        for at in [42, 43, 45] {
            seconds[at].counted.attempts.due = 20;
            seconds[at].counted.attempts_failed.insert("no_response".into(), 5);
        }
        let disconnects = |code, initiator: &str, count| Disconnects {
            code,
            name: "signaling keepalive timeout error".into(),
            class: String::new(),
            initiator: initiator.into(),
            phase: "idle".into(),
            count,
        };
        seconds[43].counted.disconnects =
            vec![disconnects(4502, "server", 3), disconnects(1000, "client", 90)];
        assert_eq!(
            told(&seconds),
            [
                "00:42 15 calls failed while 60 came due (no response: 15); 3 connections ended (4502 signaling \
                 keepalive timeout error by the server: 3)"
            ]
        );
    }

    #[test]
    fn gaps_and_an_unfit_generator_are_told() {
        let mut seconds: Vec<StoredInterval> = [0, 1, 5, 6].into_iter().map(second).collect();
        seconds[3].health.heartbeat_late_max_us = 400_000;
        assert_eq!(
            told(&seconds),
            [
                "00:02 nothing was recorded for 3.00 s",
                "00:06 the generator was unfit: a worker stood still for 400 ms"
            ]
        );
    }

    #[test]
    fn a_server_that_falls_silent_is_told_once() {
        let mut seconds: Vec<StoredInterval> = (0..60).map(second).collect();
        for (at, second) in seconds.iter_mut().enumerate() {
            second.counted.requests.sent.insert("outgoing_call".into(), 8);
            second.counted.keepalives.sent = 4;
            second.counted.keepalives.answered = u64::from(![42, 43].contains(&at));
        }
        assert_eq!(told(&seconds), ["00:42 the server answered nothing: 24 requests and keepalives sent"]);
        seconds.iter_mut().for_each(|second| second.counted.keepalives.sent = 1);
        assert!(told(&seconds).is_empty(), "too few to tell");
    }

    #[test]
    fn endless_trouble_does_not_make_an_endless_list() {
        let mut lookout = Lookout::default();
        for at in 0..10_000 {
            let mut second = second(at * 10);
            second.counted.requests.timeouts = 1 + at % 7;
            second.counted.attempts_failed.insert(format!("made up {at}"), 1);
            lookout.add(&second);
        }
        lookout.settle();
        assert_eq!((lookout.stretches.len(), lookout.left_out), (MOST_STRETCHES, 10_000 - MOST_STRETCHES));
    }
}
