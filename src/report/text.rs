//! The summary for a terminal: what ran, what came of it, and whether to believe it. 80 columns.

mod control;
mod flows;
mod glossary;
mod latency;
mod thresholds;

use std::io::{self, Write};

use super::units::{bytes, count, duration, figure, latency as time, of, percent};
use super::{HLOG_FILE, HTML_FILE, JUNIT_FILE, SUMMARY_FILE, TIMELINE_FILE};
use crate::metrics::AttemptFailure;
use crate::protocol::CloseCode;
use crate::record::{
    CALLS_FILE, CallsCsv, Change, Disconnects, FLIGHT_FILE, INTERVALS_FILE, RUN_FILE, RecordError, RunRecord,
    SignonFailures, StageInfo, TargetInfo, Validity,
};
use crate::verdict::{Verdict, VerdictResult};

/// How a summary is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether with the colours of a terminal.
    pub colour: bool,
    /// Whether the paths of the run's files are left out.
    pub hide_files: bool,
    /// Whether with all key figures and their definitions, as in a report that is handed on.
    pub glossary: bool,
}

/// Writes the summary for a terminal.
///
/// # Errors
/// The writer refuses.
pub fn text(
    record: &RunRecord,
    verdict: &Verdict,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), RecordError> {
    let mut page = Page { out, style };
    page.head(record, verdict)?;
    page.verdict(record, verdict)?;
    page.thresholds(record, verdict)?;
    page.clients(record)?;
    page.calls(record)?;
    page.latencies(record)?;
    page.trouble(record)?;
    page.disconnects(record)?;
    page.generator(record)?;
    if style.glossary {
        page.glossary(record)?;
    }
    page.files(record)?;
    Ok(())
}

/// The columns of a summary.
const WIDTH: usize = 80;
/// Where the text beside a label begins.
const INDENT: usize = 14;

/// An hour in microseconds.
const HOUR_US: u64 = 3_600_000_000;

/// A colour with a meaning.
#[derive(Clone, Copy)]
enum Colour {
    Good,
    Warning,
    Bad,
}

/// What a summary is written on.
struct Page<'a> {
    out: &'a mut dyn Write,
    style: Style,
}

impl Page<'_> {
    fn coloured(&self, text: &str, colour: Colour) -> String {
        if !self.style.colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Good => 32,
            Colour::Warning => 33,
            Colour::Bad => 31,
        };
        format!("\x1b[1;{code}m{text}\x1b[0m")
    }

    /// A label and what it is about, in as many lines as it takes.
    fn entry(&mut self, label: &str, text: &str) -> io::Result<()> {
        for (index, line) in wrapped(text, WIDTH - INDENT).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(self.out, "{label:<INDENT$}{line}")?;
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    fn head(&mut self, record: &RunRecord, verdict: &Verdict) -> io::Result<()> {
        let word = verdict.result.name().to_uppercase();
        let title = format!("wtsp-load {}: {}", record.tool.version, record.profile.name);
        let gap = WIDTH.saturating_sub(title.chars().count() + word.len()).max(2);
        let word = self.coloured(&word, colour_of(verdict.result));
        self.line(&format!("{title}{}{word}", " ".repeat(gap)))?;
        self.line("")?;
        let early = record.early_end().map(|early| format!(", {}", early.words())).unwrap_or_default();
        let ran = format!(
            "{} for {}{early}, seed {}",
            instant(record.started_at),
            duration(record.duration_us as f64 / 1e6),
            record.profile.seed
        );
        self.entry("Ran", &ran)?;
        for (index, change) in by_hand(record).iter().enumerate() {
            self.entry(if index == 0 { "By hand" } else { "" }, change)?;
        }
        self.entry("Target", &target(&record.target))?;
        if record.target.tls_insecure {
            self.entry("", "certificates were not checked: the profile says insecure")?;
        }
        let width = record.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        for (index, stage) in record.stages.iter().enumerate() {
            self.entry(if index == 0 { "Stages" } else { "" }, &stage_line(stage, width))?;
        }
        self.line("")
    }

    fn verdict(&mut self, record: &RunRecord, verdict: &Verdict) -> io::Result<()> {
        let early = record.early_end().map(|early| early.words());
        let as_far = early.map(|words| format!("pass, as far as it got before it was {words}"));
        let meaning = match verdict.result {
            VerdictResult::Pass if as_far.is_some() => as_far.as_deref().unwrap_or_default(),
            VerdictResult::Pass if record.thresholds.are_default() => {
                "pass: every sign-on and every call went as it should"
            }
            VerdictResult::Pass if record.thresholds.is_empty() => {
                "pass: the profile's [thresholds] ask for nothing"
            }
            VerdictResult::Pass => "pass: every threshold holds",
            VerdictResult::Fail => "fail:",
            VerdictResult::Void => "void: the generator was unfit, so the figures below prove nothing",
        };
        self.entry("Verdict", meaning)?;
        for reason in &verdict.reasons {
            self.entry("", &format!("- {reason}"))?;
        }
        if record.generator.validity == Validity::Degraded {
            let warning = self.coloured("degraded", Colour::Warning);
            self.entry("Warning", &format!("{warning}: no claim about capacity can rest on this run"))?;
            for reason in &record.generator.validity_reasons {
                self.entry("", &format!("- {reason}"))?;
            }
        }
        self.line("")
    }

    fn clients(&mut self, record: &RunRecord) -> io::Result<()> {
        let clients = &record.clients;
        let text = format!(
            "{} of {} signed on, {} at the peak, {} failed, {}",
            count(clients.signons.signed_on),
            count(clients.planned),
            count(clients.peak),
            count(clients.signons.signon_failed),
            of(clients.signons.reconnects, "reconnect", "reconnects"),
        );
        self.entry("Clients", &text)?;
        let sessions = &record.counted.sessions;
        if sessions.created + sessions.failed > 0 {
            let text = format!(
                "{} made, {} renewed, {} failed, {} deleted, {} not deleted",
                count(sessions.created),
                count(sessions.renewed),
                count(sessions.failed),
                count(sessions.deleted),
                count(sessions.delete_failed),
            );
            self.entry("Sessions", &text)?;
        }
        self.signon_failures(&record.counted.signon_failures)?;
        self.reconnects(record)?;
        let keepalives = &record.counted.keepalives;
        let missed = if keepalives.missed == 0 { "none".into() } else { count(keepalives.missed) };
        let text = format!(
            "{} sent, {} answered, {missed} missed",
            count(keepalives.sent),
            count(keepalives.answered)
        );
        self.entry("Keepalives", &text)?;
        self.line("")
    }

    fn calls(&mut self, record: &RunRecord) -> io::Result<()> {
        let attempts = &record.counted.attempts;
        if attempts.due == 0 {
            self.entry("Calls", "none")?;
            return self.line("");
        }
        let rate = |rate: Option<f64>| rate.map_or("-".into(), figure);
        let text = format!(
            "{} due, {}/s offered, {}/s completed",
            count(attempts.due),
            rate(record.kpi.cps_offered),
            rate(record.kpi.cps_completed)
        );
        self.entry("Calls", &text)?;
        let outcomes = [
            ("answered", attempts.answered, ""),
            ("declined", attempts.declined, ""),
            ("busy", attempts.busy, ""),
            ("cancelled", attempts.cancelled, "given up by our caller while it rang"),
            ("unavailable", attempts.unavailable, ""),
            ("redirected", attempts.redirected, ""),
            ("done", attempts.done, "no call, and it did what it was for"),
            ("failed", attempts.failed, ""),
            ("blocked", attempts.blocked, "never sent: no idle pair of clients"),
            ("unfinished", attempts.unfinished, "the run ended first"),
        ];
        for (name, number, remark) in outcomes {
            if number > 0 || name == "answered" || name == "failed" {
                let part = percent(number, attempts.due);
                self.line(&format!("  {name:<18}{:>9}  {part:>8}  {remark}", count(number)))?;
            }
            if name == "failed" {
                self.failures(record)?;
            }
        }
        self.flows(record)?;
        self.kpis(record)
    }

    /// Why calls failed.
    fn failures(&mut self, record: &RunRecord) -> io::Result<()> {
        for (reason, number) in &record.counted.attempts_failed {
            let codes: Vec<String> = match reason == AttemptFailure::Rejected.name() {
                true => {
                    record.counted.attempts_rejected.iter().map(|(code, n)| format!("{code}: {n}")).collect()
                }
                false => Vec::new(),
            };
            let line =
                format!("    {:<16}{:>9}            {}", words(reason), count(*number), codes.join(", "));
            self.line(&line)?;
        }
        Ok(())
    }

    fn kpis(&mut self, record: &RunRecord) -> io::Result<()> {
        let kpi = &record.kpi;
        let ratios = [
            ("SER", kpi.ser),
            ("SEER", kpi.seer),
            ("SCR", kpi.scr),
            ("ISA", kpi.isa),
            ("ASR", kpi.asr),
            ("NER", kpi.ner),
            ("IRA", kpi.ira),
        ];
        let ratios: Vec<String> = ratios
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name} {} %", figure(value))))
            .collect();
        // No more than fit into a line, so that no figure is cut from its name.
        for (index, ratios) in ratios.chunks(4).enumerate() {
            self.entry(if index == 0 { "  ratios" } else { "" }, &ratios.join(", "))?;
        }
        if let (Some(offered), Some(carried)) = (kpi.erlangs_offered, kpi.erlangs_carried) {
            let held = kpi.acd_s.map(|held| format!(", {} s a call", figure(held))).unwrap_or_default();
            let text = format!("{} E offered, {} E carried{held}", figure(offered), figure(carried));
            self.entry("  traffic", &text)?;
        }
        for law in record.littles_law.iter().filter(|law| law.drifts) {
            let warning = self.coloured("Little's law does not hold", Colour::Warning);
            let text = format!(
                "{warning} in stage {}: {} E were up, and the calls that make them add up to {} E. The two come from \
                 different books of this program, and one of them is wrong: please report it",
                law.stage,
                figure(law.carried),
                figure(law.expected)
            );
            self.entry("  warning", &text)?;
        }
        self.line("")
    }

    /// What a healthy run has none of.
    fn trouble(&mut self, record: &RunRecord) -> io::Result<()> {
        let counted = &record.counted;
        let ledger = &counted.ledger;
        let troubles = [
            (counted.requests.errors.values().sum(), "requests refused"),
            (counted.requests.timeouts, "requests without an answer in time"),
            (counted.late_responses, "answers after their time"),
            (counted.event_errors.values().sum(), "error events"),
            (counted.malformed_messages, "malformed messages from the server"),
            (counted.binary_messages, "binary messages from the server"),
            (counted.repaired_messages, "messages understood only after a repair"),
            (counted.unknown_events, "messages of an unknown name"),
            (counted.stray_events, "events of calls that were over or never were"),
            (counted.subprotocol_missing, "connections without the sub-protocol"),
            (ledger.lost, "calls lost: the callee never heard of them"),
            (ledger.one_leg_only, "calls that only one leg believed up"),
            (ledger.duplicated, "calls that arrived more than once"),
            (ledger.misdelivered, "calls that arrived at the wrong client"),
            (ledger.mixed_up, "calls that arrived with the session description of another"),
            (ledger.lost_on_reconnect, "calls lost over a reconnect"),
            (counted.recovery.stale, "calls hung up after a reconnect, as they had been given up"),
            (
                counted.recovery.unknown,
                "calls found on a line at sign-on that the client did not know, hung up",
            ),
        ];
        let troubles: Vec<_> = troubles.into_iter().filter(|(number, _): &(u64, _)| *number > 0).collect();
        if troubles.is_empty() {
            return Ok(());
        }
        self.line("Noticed")?;
        for (number, what) in troubles {
            self.line(&format!("  {:>9}  {what}", count(number)))?;
        }
        self.line("")
    }

    /// How clients came back, where any tried.
    fn reconnects(&mut self, record: &RunRecord) -> io::Result<()> {
        let signons = &record.clients.signons;
        if signons.reconnect_attempts == 0 && signons.given_up == 0 {
            return Ok(());
        }
        let text = format!(
            "{}, {} failed, {} gave up",
            of(signons.reconnect_attempts, "attempt", "attempts"),
            count(signons.reconnects_failed),
            of(signons.given_up, "client", "clients"),
        );
        self.entry("Reconnects", &text)?;
        self.signon_failures(&record.counted.reconnect_failures)
    }

    fn signon_failures(&mut self, failures: &[SignonFailures]) -> io::Result<()> {
        for failures in failures {
            let status = failures.status.map(|status| format!(" {status}")).unwrap_or_default();
            self.line(&format!("  {:>9}  {}{status}", count(failures.count), words(&failures.cause)))?;
        }
        Ok(())
    }

    fn disconnects(&mut self, record: &RunRecord) -> io::Result<()> {
        let (ours, others): (Vec<&Disconnects>, Vec<&Disconnects>) =
            record.counted.disconnects.iter().partition(|one| one.is_ours());
        let with_code = |code| ours.iter().filter(|one| one.code == code).map(|one| one.count).sum::<u64>();
        let mut signed_off = format!("{} signed off in good order", of(with_code(1000), "client", "clients"));
        if with_code(1006) > 0 {
            signed_off += &format!(", {} by dropping the connection", count(with_code(1006)));
        }
        let unwanted: u64 = others.iter().map(|one| one.count).sum();
        // Over less than an hour of connection a rate per 1000 hours says more than it knows.
        let rate = record.closes_per_1000_connection_hours;
        let rate = rate.filter(|rate| *rate > 0.0 && record.counted.connected_us > HOUR_US);
        let rate =
            rate.map(|rate| format!(" ({} per 1000 connection hours)", figure(rate))).unwrap_or_default();
        let unwanted = if unwanted == 0 { "none".to_owned() } else { count(unwanted) };
        let text = format!("{unwanted}{rate}; {signed_off}");
        self.entry("Disconnects", &text)?;
        for one in others {
            let meaning = CloseCode::from(one.code).conclusion();
            let head = format!("{} {}, by {}, {}", one.code, one.name, one.initiator, words(&one.phase));
            let head = if one.code == 0 { "of other kinds".into() } else { head };
            self.line(&format!("  {:>9}  {head}", count(one.count)))?;
            if one.code != 0 {
                for line in wrapped(meaning, WIDTH - 13) {
                    self.line(&format!("{:13}{line}", ""))?;
                }
            }
        }
        self.line("")
    }

    fn generator(&mut self, record: &RunRecord) -> io::Result<()> {
        let generator = &record.generator;
        let colour = match generator.validity {
            Validity::Valid => Colour::Good,
            Validity::Degraded => Colour::Warning,
            Validity::Void => Colour::Bad,
        };
        let validity = self.coloured(generator.validity.name(), colour);
        let lag = &generator.lag;
        let lag = match (lag.p50, lag.p99, lag.max) {
            (Some(p50), Some(p99), Some(max)) => {
                format!("calls sent late by {} (p50), {} (p99), {} (max)", time(p50), time(p99), time(max))
            }
            _ => "no call lag measured".into(),
        };
        self.entry("Generator", &format!("{validity}; {lag}"))?;
        self.lateness(record)?;
        self.control(record)?;
        let cpu = generator.cpu_cores.map_or("-".into(), figure);
        let text = format!(
            "{}, {cpu} of {} cores used, busiest worker {:.0} % of a core, longest turn {}",
            of(u64::from(generator.workers), "worker", "workers"),
            record.environment.cores,
            generator.worker_cpu_max * 100.0,
            time(generator.turn_max_us),
        );
        self.entry("", &text)?;
        let client = generator.bytes_per_client;
        let client = client.map(|client| format!(", {} a client", bytes(client))).unwrap_or_default();
        let memory = bytes(generator.rss_peak_bytes);
        let mut descriptors = format!("{} descriptors allowed", count(generator.fd_limit));
        if let Some(left) = generator.fds_left_min {
            descriptors += &format!(" ({} left at the least)", count(left));
        }
        self.entry("", &format!("{memory} of memory{client}, {descriptors}"))
    }

    /// How late the generator was with all but calls, and what kept it from its processors.
    fn lateness(&mut self, record: &RunRecord) -> io::Result<()> {
        let generator = &record.generator;
        let late = [
            ("keepalives", &generator.keepalive_lag),
            ("deadlines", &generator.timer_lag),
            ("frames", &generator.handling),
        ];
        let late = late.iter().filter(|(_, lag)| lag.count > 0);
        let late: Vec<String> =
            late.map(|(what, lag)| format!("{what} {}", lag.p99.map_or(">10 min".into(), time))).collect();
        if !late.is_empty() {
            self.entry("", &format!("late at p99: {}", late.join(", ")))?;
        }
        let part = |part: f64| format!("{:.1} %", part * 100.0);
        let mut kept = Vec::new();
        if let Some(starved) = generator.starved_part {
            kept.push(format!("waited for a processor {} of its busy time", part(starved)));
        }
        if let Some(stolen) = generator.steal_part.filter(|stolen| *stolen > 0.001) {
            kept.push(format!("{} of the machine stolen by its host", part(stolen)));
        }
        if let Some(throttled) = generator.throttled_us.filter(|throttled| *throttled > 0) {
            kept.push(format!("throttled by its cgroup for {}", duration(throttled as f64 / 1e6)));
        }
        if kept.is_empty() { Ok(()) } else { self.entry("", &kept.join(", ")) }
    }

    fn files(&mut self, record: &RunRecord) -> io::Result<()> {
        let directory = record.intervals.log().parent().filter(|path| !path.as_os_str().is_empty());
        if let (Some(directory), false) = (directory, self.style.hide_files) {
            self.line("")?;
            // Not wrapped: a path that is cut cannot be pasted.
            writeln!(self.out, "{:<INDENT$}{}", "Files", directory.display())?;
            let names = [
                HTML_FILE,
                RUN_FILE,
                INTERVALS_FILE,
                SUMMARY_FILE,
                JUNIT_FILE,
                HLOG_FILE,
                TIMELINE_FILE,
                CALLS_FILE,
                FLIGHT_FILE,
            ];
            let there: Vec<&str> = names.into_iter().filter(|name| directory.join(name).exists()).collect();
            self.entry("", &there.join(", "))?;
            if let Some(listed) = record.calls_csv.as_ref().and_then(calls_listed) {
                self.entry("", &listed)?;
            }
            if !self.style.glossary {
                self.entry("", "definitions of the ratios: wtsp-load report DIR")?;
            }
        }
        Ok(())
    }
}

/// What the list of calls leaves out, if it is not whole.
fn calls_listed(csv: &CallsCsv) -> Option<String> {
    let left_out = csv.end.map_or(0, |end| end.left_out);
    let mut said = Vec::new();
    if csv.one_in > 1 {
        said.push(format!("one call in {}", count(csv.one_in)));
    }
    if left_out > 0 {
        said.push(format!("{} for which there was no room are missing", of(left_out, "call", "calls")));
    }
    (!said.is_empty()).then(|| format!("{CALLS_FILE}: {}", said.join("; ")))
}

const fn colour_of(result: VerdictResult) -> Colour {
    match result {
        VerdictResult::Pass => Colour::Good,
        VerdictResult::Fail | VerdictResult::Void => Colour::Bad,
    }
}

/// The server, as a person asks for it.
pub(super) fn target(target: &TargetInfo) -> String {
    let place = match (target.embedded, target.remote) {
        (true, _) => ", the embedded core in this process",
        (false, true) => ", another machine",
        (false, false) => ", on this machine",
    };
    let dialect = match &target.dialect_detected {
        Some(detected) if *detected != target.dialect => {
            format!("; dialect {detected} (asked for {})", target.dialect)
        }
        _ => format!("; dialect {}", target.dialect),
    };
    format!("{}{place}{dialect}", target.url)
}

/// A stage: how long, and what load.
pub(super) fn stage_line(stage: &StageInfo, width: usize) -> String {
    let (from, to) = (stage.calls_per_second_from, stage.calls_per_second_to);
    let mut calls = match (from > 0.0 || to > 0.0, from == to) {
        (false, _) => String::new(),
        (true, true) => format!(", {} calls/s", figure(from)),
        (true, false) => format!(", {} to {} calls/s", figure(from), figure(to)),
    };
    if stage.calls_per_second_peak > from.max(to) {
        calls += &format!(", up to {} calls/s", figure(stage.calls_per_second_peak));
    }
    if stage.callers > 0 {
        calls += &format!(", {}", of(u64::from(stage.callers), "caller", "callers"));
    }
    if stage.churn_per_second > 0.0 {
        calls += &format!(", {} clients/s off and on", figure(stage.churn_per_second));
    }
    let clients = of(stage.clients, "client", "clients");
    let lasts = duration(stage.duration_s);
    format!("{:<width$}  {lasts}, {clients}{calls}, {}", stage.name, words(&stage.arrivals))
}

/// What was changed by hand, and when.
pub(super) fn by_hand(record: &RunRecord) -> Vec<String> {
    let at = |change: &Change| duration(change.at_us as f64 / 1e6);
    record.changes.iter().map(|change| format!("{} at {}", change.words(), at(change))).collect()
}

/// A time in milliseconds since the epoch, for people.
pub(super) fn instant(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A name of a record as words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// `text` in lines of at most `width` characters, broken at spaces where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        let line = &mut lines[line];
        let fits = visible(line) + 1 + visible(word) <= width;
        if line.is_empty() {
            line.push_str(word);
        } else if fits {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// How many columns `text` takes on a terminal: colours take none.
fn visible(text: &str) -> usize {
    let mut within_code = false;
    let mut columns = 0;
    for c in text.chars() {
        match c {
            '\x1b' => within_code = true,
            'm' if within_code => within_code = false,
            _ if within_code => {}
            _ => columns += 1,
        }
    }
    columns
}
