//! What is shown while a run goes on: the live view on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::live::Live;
use crate::metrics::Counters;
use crate::profile::Plan;
use crate::record::Interval;
use crate::scheduler::{Event, Steering};

/// The time between two lines where there is no live view.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows how a run goes on, on stderr.
pub(super) struct Progress {
    quiet: bool,
    is_terminal: bool,
    live: Option<Live>,
    has_view: Arc<AtomicBool>,
    duration: Duration,
    stages: Vec<String>,
    clients: u32,
    total: Counters,
    next_plain: Duration,
    /// How often it was told how many sessions there are.
    told: u64,
    /// What is said when the view is over.
    later: Vec<String>,
}

impl Progress {
    /// The progress of a run of `plan`: on a terminal a live view with keys that change the run by `steering`, unless it
    /// is to be plain.
    pub fn new(plan: &Plan, quiet: bool, plain: bool, steering: &Steering) -> Progress {
        let has_live = !quiet && !plain && Live::is_possible();
        let has_colour = super::has_colour(&io::stderr());
        Progress {
            quiet,
            is_terminal: io::stderr().is_terminal(),
            live: has_live.then(|| Live::new(plan, steering.clone(), has_colour)),
            has_view: Arc::default(),
            duration: plan.duration(),
            stages: plan.stages.iter().map(|stage| stage.name.clone()).collect(),
            clients: plan.peak_clients(),
            total: Counters::default(),
            next_plain: PLAIN_EVERY,
            told: 0,
            later: Vec::new(),
        }
    }

    /// Shows what has happened.
    pub fn show(&mut self, event: &Event<'_>) {
        if let Event::NotRecorded(error) = event {
            self.warn(format!("warning: {error}; the run goes on, and its totals are kept in memory"));
        }
        if let Event::SignedOut { deleted, delete_failed: failed @ 1.. } = event {
            self.warn(format!(
                "warning: {failed} of {} sessions could not be deleted; the Core ends them in its own time",
                deleted + failed
            ));
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Target { url, directory, .. } => {
                eprintln!("target {url}, record in {}", directory.display());
            }
            Event::SigningIn { made, of } => self.signing_in(*made, *of),
            Event::SignedOut { deleted, delete_failed: 0 } => {
                self.say_later(format!("{deleted} sessions deleted"));
            }
            Event::SignedOut { .. } => {}
            Event::Scouted(scouted) => {
                self.clear();
                eprintln!(
                    "scout: speaks {}, {} lines, keepalive every {} s{}{}",
                    scouted.dialect,
                    scouted.lines,
                    scouted.keepalive_interval.as_secs_f64(),
                    if scouted.subprotocol { "" } else { "; it did not select the sub-protocol" },
                    if scouted.keepalive_answered { "" } else { "; it did not answer a keepalive" },
                );
            }
            Event::Interval(interval) => self.interval(interval),
            Event::Aborted(aborted) => self.warn(format!(
                "stopping: {} is not {}, and the profile ends the run then; hanging up and signing off",
                aborted.name, aborted.limit
            )),
            Event::Begun(_) | Event::NotRecorded(_) => {}
        }
        if let Some(live) = &mut self.live {
            live.take(event);
            self.has_view.store(live.is_shown(), Ordering::Release);
        }
    }

    /// Whether a live view has the terminal.
    pub fn has_view(&self) -> &Arc<AtomicBool> {
        &self.has_view
    }

    /// Ends it: the terminal is as it was, and what was warned of stands there. It waits for the terminal, so the record
    /// has to be whole.
    pub fn end(&mut self) {
        self.clear();
        if let Some(mut live) = self.live.take() {
            let warnings = live.end();
            self.has_view.store(false, Ordering::Release);
            warnings.iter().chain(&self.later).for_each(|line| eprintln!("{line}"));
        }
    }

    /// Takes the line off the terminal.
    fn clear(&self) {
        let has_view = self.has_view.load(Ordering::Acquire);
        if self.is_terminal && !self.quiet && !has_view {
            eprint!("\r\x1b[K");
        }
    }

    /// Says something at once, or when the view that has the terminal is over.
    fn say_later(&mut self, line: String) {
        if self.live.as_ref().is_some_and(Live::is_shown) {
            self.later.push(line);
        } else {
            self.clear();
            eprintln!("{line}");
        }
    }

    fn warn(&mut self, warning: String) {
        self.clear();
        match self.live.as_mut().filter(|live| live.is_shown()) {
            Some(live) => live.warn(warning),
            None => eprintln!("{warning}"),
        }
    }

    /// A line a second on a terminal, every few seconds elsewhere.
    fn signing_in(&mut self, made: usize, of: usize) {
        self.told += 1;
        if self.is_terminal {
            eprint!("\r{made}/{of} sessions made\x1b[K");
            // A line that cannot be shown is no loss.
            let _ = io::stderr().flush();
        } else if self.told % PLAIN_EVERY.as_secs() == 1 {
            eprintln!("{made}/{of} sessions made");
        }
    }

    fn interval(&mut self, interval: &Interval) {
        self.total.add(&interval.tally.counters);
        let now = interval.at + interval.length;
        let has_view = self.live.as_ref().is_some_and(Live::is_shown);
        if now >= self.next_plain && !has_view {
            self.next_plain = now + PLAIN_EVERY;
            eprintln!("{}", self.line(now, interval));
        }
    }

    fn line(&self, now: Duration, interval: &Interval) -> String {
        let total = &self.total;
        let stage = interval.stage.and_then(|stage| self.stages.get(stage as usize));
        let mut line = format!(
            "{:>4}/{:.0} s {:<10.10} clients {}/{}",
            now.as_secs(),
            self.duration.as_secs_f64(),
            stage.map_or("closing", String::as_str),
            interval.gauges.signed_on,
            self.clients,
        );
        if total.due > 0 {
            let rate = interval.tally.counters.due as f64 / interval.length.as_secs_f64().max(1e-3);
            line += &format!(" calls {} up {rate:.0}/s answered {}", interval.gauges.calls, total.answered);
        }
        let failed = total.ended() - total.intended - total.blocked - total.unfinished;
        for (name, count) in [
            ("failed", failed),
            ("blocked", total.blocked),
            ("sign-ons failed", total.signon_failures.total()),
            ("keepalives missed", total.keepalives_missed),
        ] {
            if count > 0 {
                line += &format!(" {name} {count}");
            }
        }
        line
    }
}
