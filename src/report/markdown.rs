//! `summary.md`: what a pull request or a job summary shows of a run. The verdict first, and no more than a page.

use std::io::{self, Write};

use super::text::{by_hand, instant, stage_line, target};
use super::units::{count, duration, figure, latency as time, of, percent};
use crate::metrics::Metric;
use crate::record::{Disconnects, RecordError, RunRecord, Summary, Validity};
use crate::verdict::{self, ThresholdResult, Verdict, VerdictResult};

/// The latencies of a summary. Response where there is one, service where there is none.
const MAIN: [Metric; 8] = [
    Metric::Connect,
    Metric::Signon,
    Metric::Keepalive,
    Metric::Ack,
    Metric::Ringback,
    Metric::Answer,
    Metric::Setup,
    Metric::Release,
];

/// The most stages that are listed.
const STAGES: usize = 12;
/// The most changes by hand that are listed.
const CHANGES: usize = 12;
/// The most kinds of disconnects that are listed.
const DISCONNECTS: usize = 20;

/// Writes the summary in GitHub's Markdown.
///
/// # Errors
/// The writer refuses.
pub fn markdown(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    head(record, verdict, out)?;
    run(record, out)?;
    thresholds(record, verdict, out)?;
    latencies(record, out)?;
    disconnects(record, out)?;
    Ok(())
}

fn head(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let sign = match verdict.result {
        VerdictResult::Pass => "✅",
        VerdictResult::Fail => "❌",
        VerdictResult::Void => "⚪",
    };
    let word = verdict.result.name().to_uppercase();
    writeln!(out, "## {sign} {word}: {}\n", escaped(&record.profile.name))?;
    match (verdict.result, record.early_end().map(|early| early.words())) {
        (VerdictResult::Void, _) => {
            writeln!(out, "The generator was unfit, so the figures below prove nothing:\n")?;
        }
        (VerdictResult::Pass, Some(words)) => writeln!(out, "As far as it got before it was {words}.\n")?,
        (_, Some(words)) => writeln!(out, "The run was {}.\n", escaped(&words))?,
        _ => {}
    }
    list(&verdict.reasons, out)?;
    if record.generator.validity == Validity::Degraded {
        writeln!(out, "⚠️ The generator was degraded: no claim about capacity can rest on this run.\n")?;
        list(&record.generator.validity_reasons, out)?;
    }
    Ok(())
}

fn list(items: &[String], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        writeln!(out, "- {}", escaped(item))?;
    }
    if items.is_empty() { Ok(()) } else { writeln!(out) }
}

/// What ran, and its key figures.
fn run(record: &RunRecord, out: &mut dyn Write) -> io::Result<()> {
    let attempts = &record.counted.attempts;
    let (clients, signons) = (&record.clients, &record.clients.signons);
    writeln!(out, "| | |\n| --- | --- |")?;
    let mut row = |name: &str, text: &str| writeln!(out, "| {name} | {} |", escaped(text));
    let ran = format!(
        "{} for {}, seed {}, wtsp-load {}",
        instant(record.started_at),
        duration(record.duration_us as f64 / 1e6),
        record.profile.seed,
        record.tool.version,
    );
    row("Ran", &ran)?;
    let by_hand = by_hand(record);
    let more = by_hand.len().saturating_sub(CHANGES);
    // The last one is how it ended.
    for (index, change) in by_hand.iter().skip(more).enumerate() {
        row(if index == 0 { "By hand" } else { "" }, change)?;
    }
    if more > 0 {
        row("", &format!("and {more} more before these"))?;
    }
    row("Target", &target(&record.target))?;
    for (index, stage) in record.stages.iter().take(STAGES).enumerate() {
        row(if index == 0 { "Stages" } else { "" }, &stage_line(stage, 0))?;
    }
    if let Some(more @ 1..) = record.stages.len().checked_sub(STAGES) {
        row("", &format!("and {more} more"))?;
    }
    let text = format!(
        "{} of {} signed on, {} failed, {} at the peak",
        count(signons.signed_on),
        count(clients.planned),
        count(signons.signon_failed),
        count(clients.peak),
    );
    row("Clients", &text)?;
    let ended = [
        ("answered", attempts.answered),
        ("declined", attempts.declined),
        ("busy", attempts.busy),
        ("cancelled", attempts.cancelled),
        ("unavailable", attempts.unavailable),
        ("redirected", attempts.redirected),
        ("done", attempts.done),
        ("failed", attempts.failed),
        ("blocked", attempts.blocked),
        ("unfinished", attempts.unfinished),
    ];
    let ended = ended.iter().filter(|(name, number)| *number > 0 || *name == "failed");
    let ended: Vec<String> = ended
        .map(|(name, number)| match percent(*number, attempts.due) {
            part if *number > 0 => format!("{} {name} ({part})", count(*number)),
            _ => format!("{} {name}", count(*number)),
        })
        .collect();
    row("Calls", &format!("{} due: {}", count(attempts.due), ended.join(", ")))?;
    let kpi = &record.kpi;
    let ratios = [("SER", kpi.ser), ("SEER", kpi.seer), ("SCR", kpi.scr)];
    let mut figures: Vec<String> =
        ratios.iter().filter_map(|(name, it)| it.map(|it| format!("{name} {} %", figure(it)))).collect();
    let rates = [("calls/s offered", kpi.cps_offered), ("calls/s completed", kpi.cps_completed)];
    figures.extend(rates.iter().filter_map(|(name, it)| it.map(|it| format!("{} {name}", figure(it)))));
    if !figures.is_empty() {
        row("Key figures", &figures.join(", "))?;
    }
    let keepalives = &record.counted.keepalives;
    row("Keepalives", &format!("{} sent, {} missed", count(keepalives.sent), count(keepalives.missed)))?;
    let generator = &record.generator;
    let lag = generator.lag.p99.map(|lag| format!("; calls sent late by {} at p99", time(lag)));
    let busy = format!("; busiest worker {:.0} % of a core", generator.worker_cpu_max * 100.0);
    row("Generator", &format!("{}{}{busy}", generator.validity.name(), lag.unwrap_or_default()))?;
    writeln!(out)
}

fn thresholds(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    if verdict.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Thresholds\n\n| | figure | wanted | found |\n| --- | --- | --- | --- |")?;
    for (threshold, judged) in record.thresholds.iter().zip(&verdict.thresholds) {
        let sign = match judged.result {
            ThresholdResult::Holds => "✅",
            ThresholdResult::Fails | ThresholdResult::NoEvidence => "❌",
        };
        let found = judged.found.map_or_else(
            || "no evidence: nothing was measured".to_owned(),
            |found| verdict::figure(threshold.figure.kind(), found),
        );
        let failed = judged.first_failed().map(|second| format!(", first failed in {second}"));
        let scope = threshold.scope().map(|scope| format!(" {scope}")).unwrap_or_default();
        writeln!(
            out,
            "| {sign} | {}{} | {} | {}{} |",
            code(&judged.name),
            escaped(&scope),
            code(&judged.limit),
            escaped(&found),
            escaped(&failed.unwrap_or_default()),
        )?;
    }
    writeln!(out)
}

fn latencies(record: &RunRecord, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<(Metric, &str, &Summary)> =
        MAIN.iter().filter_map(|metric| main_latency(record, *metric)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Latency\n\n| | | count | p50 | p90 | p99 | max |")?;
    writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")?;
    for (metric, part, summary) in rows {
        let cells = [summary.p50, summary.p90, summary.p99, summary.max];
        let cells = cells.map(|cell| cell.map_or_else(|| "\\>10 min".to_owned(), time));
        writeln!(out, "| {metric} | {part} | {} | {} |", count(summary.count), cells.join(" | "))?;
    }
    writeln!(out, "\nResponse counts from when it was due, service from when it was sent.\n")
}

/// What a summary shows of a metric: its response, or its service where it has no due time.
fn main_latency(record: &RunRecord, metric: Metric) -> Option<(Metric, &'static str, &Summary)> {
    let latency = record.latency.metrics.get(metric.name())?;
    let (part, summary) = match metric.has_response() {
        true => ("response", latency.response.as_ref()?),
        false => ("service", latency.service.as_ref()?),
    };
    (summary.count > 0).then_some((metric, part, summary))
}

/// Connections that ended otherwise than by a sign-off of ours.
fn disconnects(record: &RunRecord, out: &mut dyn Write) -> io::Result<()> {
    let others: Vec<&Disconnects> = record.counted.disconnects.iter().filter(|one| !one.is_ours()).collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Disconnects\n\n| code | | by | when | count |\n| ---: | --- | --- | --- | ---: |")?;
    for one in others.iter().take(DISCONNECTS) {
        let cells = [&one.name, &one.initiator, &one.phase].map(|cell| escaped(&cell.replace('_', " ")));
        writeln!(out, "| {} | {} | {} |", one.code, cells.join(" | "), count(one.count))?;
    }
    if let Some(more @ 1..) = others.len().checked_sub(DISCONNECTS) {
        writeln!(out, "\nand {}", of(more as u64, "kind more", "kinds more"))?;
    }
    writeln!(out)
}

/// `text` as words of Markdown and nothing else: on one line, no markup, no HTML, no link, nobody mentioned.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '!' => {
                escaped.extend(['\\', c])
            }
            // A character that is not seen keeps a name and a number from being those of somebody and something.
            '@' | '#' => escaped.extend([c, '\u{2060}']),
            _ => escaped.push(c),
        }
    }
    escaped.replace("://", ":\\//").replace("www.", "www\\.")
}

/// A name as code. Names have no backticks; what has is not of ours.
pub(super) fn code(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control() && *c != '`').collect();
    format!("`{}`", plain.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_only_text() {
        let hostile = "a|b\n# **c** <img src=x> [d](http://e) `f` @root #1 www.g.h &amp; \u{1b}[31m";
        let text = escaped(hostile);
        assert_eq!(
            text,
            "a\\|b #\u{2060} \\*\\*c\\*\\* \\<img src=x\\> \\[d\\](http:\\//e) \\`f\\` @\u{2060}root #\u{2060}1 \
             www\\.g.h \\&amp;  \\[31m"
        );
        assert_eq!(code("a`b|c\nd"), "`ab\\|cd`");
    }
}
