//! The top of the page: the verdict and its reasons, what happened in a sentence, what ran, and the key figures.

use super::markup::Html;
use super::terms::Terms;
use crate::record::{GLOSSARY, RunRecord, StageInfo, Summary, Validity};
use crate::report::text::{by_hand, instant, words};
use crate::report::units::{bytes, count, duration, figure, latency as time, of, percent};
use crate::verdict::{Verdict, VerdictResult};

/// Connection time in microseconds from which on a rate of closes says something: an hour.
const HOUR_US: u64 = 3_600_000_000;

/// The verdict, its reasons, and what happened.
pub(super) fn verdict(record: &RunRecord, verdict: &Verdict) -> Html {
    let early = record.early_end().map(|early| early.words());
    let as_far = early.map(|words| format!("as far as it got before it was {words}"));
    let (sign, meaning) = match verdict.result {
        VerdictResult::Pass if as_far.is_some() => ("\u{2713}", as_far.as_deref().unwrap_or_default()),
        VerdictResult::Pass if record.thresholds.is_empty() => ("\u{2713}", "its thresholds ask for nothing"),
        VerdictResult::Pass if record.thresholds.are_default() => {
            ("\u{2713}", "every sign-on and every call went as it should")
        }
        VerdictResult::Pass => ("\u{2713}", "every threshold holds"),
        VerdictResult::Fail => ("\u{2717}", "a threshold does not hold"),
        VerdictResult::Void => {
            ("\u{2298}", "the generator was unfit, so the figures below prove nothing about the server")
        }
    };
    let name = verdict.result.name();
    let mut html = Html::new();
    html.open("section", &[("id", "verdict"), ("class", name)]);
    html.open("p", &[("class", "word")]).el("span", &[("aria-hidden", "true")], sign).raw(" ");
    html.el("b", &[], name.to_uppercase()).raw(" ").el("span", &[("class", "meaning")], meaning).close("p");
    reasons(&mut html, &verdict.reasons);
    if record.generator.validity == Validity::Degraded {
        html.open("p", &[("class", "degraded")]).raw("\u{26a0} ").el("b", &[], "DEGRADED").raw(" ");
        html.text("the generator's own delays are part of the figures: no claim about capacity can rest on this run");
        html.close("p");
        reasons(&mut html, &record.generator.validity_reasons);
    }
    html.el("p", &[("class", "happened")], happened(record)).close("section");
    html
}

fn reasons(html: &mut Html, reasons: &[String]) {
    if reasons.is_empty() {
        return;
    }
    html.open("ul", &[]);
    for reason in reasons {
        html.el("li", &[], reason);
    }
    html.close("ul");
}

/// The run in a sentence.
fn happened(record: &RunRecord) -> String {
    let (clients, attempts) = (&record.clients, &record.counted.attempts);
    let signed_on = clients.signons.signed_on;
    let mut text = format!("In {}, ", duration(record.duration_us as f64 / 1e6));
    text += &match signed_on <= clients.planned {
        true => format!("{} of {} signed on", count(signed_on), of(clients.planned, "client", "clients")),
        // Clients that sign off and on again count each time.
        false => format!("{} signed on {} times", of(clients.planned, "client", "clients"), count(signed_on)),
    };
    if attempts.due == 0 {
        text += "; no calls came due";
    } else {
        let came = if attempts.due == 1 { "call came due" } else { "calls came due" };
        text += &format!(" and {} {came}: {} answered", count(attempts.due), count(attempts.answered));
        let others = [
            (attempts.declined, "declined"),
            (attempts.busy, "busy"),
            (attempts.cancelled, "cancelled"),
            (attempts.unavailable, "unavailable"),
            (attempts.redirected, "redirected"),
            (attempts.done, "done without a call"),
            (attempts.failed, "failed"),
            (attempts.blocked, "never sent for lack of idle clients"),
            (attempts.unfinished, "unfinished when the run ended"),
        ];
        for (number, what) in others.into_iter().filter(|(number, _)| *number > 0) {
            text += &format!(", {} {what}", count(number));
        }
    }
    if let Some((p50, p99)) = setup(record).and_then(|setup| setup.p50.zip(setup.p99)) {
        text += &format!(". A call was set up in {} (median), {} (p99)", time(p50), time(p99));
    }
    let unwanted: u64 =
        record.counted.disconnects.iter().filter(|one| !one.is_ours()).map(|one| one.count).sum();
    text += &match unwanted {
        0 => ". No connection ended that should not".to_owned(),
        1 => ". 1 connection ended that should not".to_owned(),
        many => format!(". {} connections ended that should not", count(many)),
    };
    if clients.signons.reconnects > 0 {
        text += &format!(", and {} came back", of(clients.signons.reconnects, "client", "clients"));
    }
    text + "."
}

/// The response of the set-up, where there is one.
fn setup(record: &RunRecord) -> Option<&Summary> {
    record.latency.metrics.get("setup")?.response.as_ref().filter(|summary| summary.count > 0)
}

/// The figures that are asked for first.
pub(super) fn headline(record: &RunRecord, terms: &Terms) -> Html {
    let attempts = &record.counted.attempts;
    let unknown = || "\u{2013}".to_owned();
    let signons = &record.clients.signons;
    let mut tiles = vec![
        (
            "clients.signed_on",
            "Sign-ons",
            count(signons.signed_on),
            format!("of {}", of(record.clients.planned, "client", "clients")),
        ),
        (
            "attempts.due",
            "Calls due",
            count(attempts.due),
            match record.kpi.cps_offered {
                Some(rate) => format!("{} a second", figure(rate)),
                None => "none planned".to_owned(),
            },
        ),
        ("attempts.answered", "Answered", count(attempts.answered), percent(attempts.answered, attempts.due)),
        (
            "attempts_unintended",
            "Went wrong",
            count(record.attempts_unintended),
            "not as their flow intends".to_owned(),
        ),
        (
            "seer",
            "SEER",
            record.kpi.seer.map_or_else(unknown, |it| format!("{} %", figure(it))),
            "proper answers".to_owned(),
        ),
    ];
    if let Some(setup) = setup(record) {
        let p99 = setup.p99.map_or(">10 min".into(), time);
        let p50 = setup.p50.map_or(">10 min".into(), time);
        tiles.push(("setup", "Set-up, p99", p99, format!("median {p50}")));
    }
    if let Some(carried) = record.kpi.erlangs_carried {
        let offered = record.kpi.erlangs_offered.map_or_else(unknown, figure);
        tiles.push((
            "erlangs_carried",
            "Carried",
            format!("{} E", figure(carried)),
            format!("of {offered} E offered"),
        ));
    }
    let generator = &record.generator;
    let lag = generator
        .lag
        .p99
        .map_or("no call lag measured".into(), |p99| format!("calls late by {} (p99)", time(p99)));
    tiles.push(("generator.validity", "Generator", generator.validity.name().to_owned(), lag));
    let mut html = Html::new();
    html.open("dl", &[("class", "tiles")]);
    for (term, label, value, note) in tiles {
        html.open("div", &[]).open("dt", &[]);
        terms.link(&mut html, term, label);
        html.close("dt").open("dd", &[]).el("b", &[], value).el("small", &[], note).close("dd").close("div");
    }
    html.close("dl");
    html
}

/// What ran, in words: profile, target, machine, version, seed.
pub(super) fn facts(record: &RunRecord) -> [(&'static str, String); 7] {
    let target = &record.target;
    let place = match (target.embedded, target.remote) {
        (true, _) => "the embedded core, in the generator's own process",
        (false, true) => "another machine",
        (false, false) => "the generator's machine",
    };
    let dialect = match &target.dialect_detected {
        Some(found) if *found != target.dialect => format!("{found} (asked for {})", target.dialect),
        _ => target.dialect.clone(),
    };
    let mut server = vec![place.to_owned(), format!("dialect {dialect}")];
    server.extend(target.lines.map(|lines| of(u64::from(lines), "line", "lines")));
    server.extend(
        target.keepalive_interval_ms.map(|ms| format!("keepalive every {}", duration(ms as f64 / 1e3))),
    );
    server.extend(target.subprotocol.filter(|it| !it).map(|_| "does not select the sub-protocol".to_owned()));
    server.extend(target.tls_insecure.then(|| "certificates were not checked".to_owned()));
    let environment = &record.environment;
    let generator = &record.generator;
    let mut machine = vec![
        of(u64::from(environment.cores), "core", "cores"),
        bytes(environment.memory_bytes),
        environment.kernel.clone(),
        of(u64::from(generator.workers), "worker", "workers"),
    ];
    machine.extend(generator.cpu_cores.map(|cores| format!("{} cores used", figure(cores))));
    machine.push(format!("{} of memory at the peak", bytes(generator.rss_peak_bytes)));
    let ended = record.early_end().map(|early| format!(", {}", early.words())).unwrap_or_default();
    let began = format!(
        "{} to {} ({}{ended})",
        instant(record.started_at),
        instant(record.ended_at),
        duration(record.duration_us as f64 / 1e6)
    );
    let mut load = vec![of(record.clients.planned, "client", "clients")];
    load.extend(record.mean_hold_us.map(|micros| format!("calls held for {} on average", time(micros))));
    [
        (
            "Profile",
            format!("{} (plan {}), seed {}", record.profile.name, record.profile.hash, record.profile.seed),
        ),
        ("Target", target.url.clone()),
        ("Server", server.join(", ")),
        ("Ran", began),
        ("Load", load.join(", ")),
        ("Generator", machine.join(", ")),
        ("Program", format!("{} {}", record.tool.name, record.tool.version)),
    ]
}

/// What ran, and its plan.
pub(super) fn ran(record: &RunRecord) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "ran")]).el("h2", &[], "What ran");
    html.open("div", &[("class", "halves")]).open("dl", &[("class", "facts")]);
    let by_hand = Some(by_hand(record).join(", ")).filter(|changes| !changes.is_empty());
    for (label, text) in facts(record).into_iter().chain(by_hand.map(|changes| ("By hand", changes))) {
        html.el("dt", &[], label).el("dd", &[], text);
    }
    html.close("dl");
    if !record.stages.is_empty() {
        html.put(&stages(&record.stages));
    }
    html.close("div").close("section");
    html
}

fn stages(stages: &[StageInfo]) -> Html {
    let mut html = Html::new();
    html.raw("<div class=\"scroll\"><table><caption>Stages</caption><thead><tr>");
    html.raw("<th scope=\"col\">stage</th><th scope=\"col\" class=\"n\">from</th><th scope=\"col\" class=\"n\">for</th>");
    html.raw("<th scope=\"col\" class=\"n\">clients</th><th scope=\"col\">calls</th><th scope=\"col\">arrivals</th>");
    html.raw("</tr></thead><tbody>\n");
    for stage in stages {
        html.open("tr", &[]).el("th", &[("scope", "row")], &stage.name);
        html.el("td", &[("class", "n")], duration(stage.starts_s));
        html.el("td", &[("class", "n")], duration(stage.duration_s));
        html.el("td", &[("class", "n")], count(stage.clients));
        html.el("td", &[], calls(stage)).el("td", &[], words(&stage.arrivals)).close("tr");
    }
    html.raw("</tbody></table></div>\n");
    html
}

/// The calls of a stage.
fn calls(stage: &StageInfo) -> String {
    let (from, to) = (stage.calls_per_second_from, stage.calls_per_second_to);
    let mut parts = Vec::new();
    if from > 0.0 || to > 0.0 {
        let rate = if from == to { figure(from) } else { format!("{} to {}", figure(from), figure(to)) };
        parts.push(format!("{rate} a second"));
    }
    if stage.calls_per_second_peak > from.max(to) {
        parts.push(format!("up to {} a second", figure(stage.calls_per_second_peak)));
    }
    if stage.callers > 0 {
        parts.push(of(u64::from(stage.callers), "caller", "callers"));
    }
    if stage.churn_per_second > 0.0 {
        parts.push(format!("{} clients/s off and on", figure(stage.churn_per_second)));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Every key figure, with what it is.
pub(super) fn key_figures(record: &RunRecord, terms: &Terms) -> Result<Html, serde_json::Error> {
    let kpi = serde_json::to_value(record.kpi)?;
    let mut html = Html::new();
    html.open("section", &[("id", "kpi")]).el("h2", &[], "Key figures");
    html.el(
        "p",
        &[("class", "note")],
        "Ratios of calls are over due \u{2212} blocked \u{2212} unfinished \u{2212} redirected.",
    );
    html.raw("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">figure</th><th scope=\"col\" class=\"n\">value</th>");
    html.raw("<th scope=\"col\">is</th><th scope=\"col\">defined in</th></tr></thead><tbody>\n");
    for term in GLOSSARY {
        let value = match term.name {
            "closes_per_1000_connection_hours" => {
                record.closes_per_1000_connection_hours.filter(|_| record.counted.connected_us > HOUR_US)
            }
            name => kpi.get(name).and_then(serde_json::Value::as_f64),
        };
        let value = value.map_or("\u{2013}".to_owned(), |value| format!("{} {}", figure(value), term.unit));
        html.open("tr", &[]).open("th", &[("scope", "row")]);
        terms.link(&mut html, term.name, &short(term.name));
        html.text(format_args!(" {}", term.long)).close("th").el("td", &[("class", "n")], value);
        html.open("td", &[]).prose(term.definition).close("td").el("td", &[], term.defined_in).close("tr");
    }
    html.raw("</tbody></table></div>\n");
    for law in &record.littles_law {
        let holds = if law.drifts {
            "does not hold: the books of this program are wrong, please report it"
        } else {
            "holds"
        };
        let text = format!(
            ": {} E were up in stage {}, and the calls that make them add up to {} E",
            figure(law.carried),
            law.stage,
            figure(law.expected)
        );
        let class = if law.drifts { "note bad" } else { "note" };
        html.open("p", &[("class", class)]);
        terms.link(&mut html, "littles_law", "Little's law");
        html.text(format_args!(" {holds}{text}.")).close("p");
    }
    html.close("section");
    Ok(html)
}

/// The name of a key figure as it is known: ratios by their capitals.
fn short(name: &str) -> String {
    match name {
        "closes_per_1000_connection_hours" => "closes".to_owned(),
        name if name.len() <= 4 => name.to_uppercase(),
        name => words(name),
    }
}
