//! What is shown while a run goes on: one line that is written over on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::metrics::Counters;
use crate::profile::Plan;
use crate::record::Interval;
use crate::scheduler::Event;

/// The time between two lines where there is no terminal to write over.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows how a run goes on, on stderr.
pub(super) struct Progress {
    quiet: bool,
    terminal: bool,
    duration: Duration,
    stages: Vec<String>,
    clients: u32,
    total: Counters,
    next_plain: Duration,
    /// How often it was told how many sessions there are.
    told: u64,
}

impl Progress {
    /// The progress of a run of `plan`.
    pub fn new(plan: &Plan, quiet: bool) -> Progress {
        Progress {
            quiet,
            terminal: io::stderr().is_terminal(),
            duration: plan.duration(),
            stages: plan.stages.iter().map(|stage| stage.name.clone()).collect(),
            clients: plan.peak_clients(),
            total: Counters::default(),
            next_plain: PLAIN_EVERY,
            told: 0,
        }
    }

    /// Shows what has happened.
    pub fn show(&mut self, event: &Event<'_>) {
        if let Event::NotRecorded(error) = event {
            self.clear();
            eprintln!("warning: {error}; the run goes on, and its totals are kept in memory");
        }
        if let Event::SignedOut { deleted, delete_failed: failed @ 1.. } = event {
            self.clear();
            eprintln!(
                "warning: {failed} of {} sessions could not be deleted; the Core ends them in its own time",
                deleted + failed
            );
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
                self.clear();
                eprintln!("{deleted} sessions deleted");
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
            Event::Aborted(aborted) => {
                self.clear();
                eprintln!(
                    "stopping: {} is not {}, and the profile ends the run then; hanging up and signing off",
                    aborted.name, aborted.limit
                );
            }
            Event::Begun(_) | Event::NotRecorded(_) => {}
        }
    }

    /// Takes the line off the terminal.
    pub fn clear(&self) {
        if self.terminal && !self.quiet {
            eprint!("\r\x1b[K");
        }
    }

    /// A line a second on a terminal, every few seconds elsewhere.
    fn signing_in(&mut self, made: usize, of: usize) {
        self.told += 1;
        if self.terminal {
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
        let line = self.line(now, interval);
        if self.terminal {
            eprint!("\r{line}\x1b[K");
            // A line that cannot be shown is no loss.
            let _ = io::stderr().flush();
        } else if now >= self.next_plain {
            self.next_plain = now + PLAIN_EVERY;
            eprintln!("{line}");
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
