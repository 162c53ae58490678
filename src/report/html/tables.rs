//! The figures of the whole run, as tables.

use super::markup::Html;
use super::moments::{by, clock};
use super::table::{Column, Table, figures, words as text};
use super::terms::Terms;
use super::timeline::OUTCOMES;
use crate::metrics::Metric;
use crate::protocol::{CloseCode, EventErrorCode, HangupCode, ResponseErrorCode};
use crate::record::{ByName, MetricLatency, RunRecord, SignonFailures, Summary};
use crate::report::text::words;
use crate::report::units::{bytes, count, duration, figure, latency as time, percent};
use crate::scenario::Flow;
use crate::verdict::{self, ThresholdResult, Verdict};

/// All tables but that of the thresholds.
pub(super) fn section(record: &RunRecord, terms: &Terms) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "figures")]).el("h2", &[], "Figures of the whole run");
    html.put(&latencies(record, terms)).put(&outcomes(record, terms));
    html.put(&flows(record)).put(&signons(record, terms)).put(&disconnects(record));
    html.put(&codes(record)).put(&requests(record)).put(&events(record));
    html.put(&noticed(record, terms)).put(&generator(record, terms));
    html.close("section");
    html
}

/// What was wanted, and what was found.
pub(super) fn thresholds(record: &RunRecord, verdict: &Verdict, has_hours: bool) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "thresholds")]).el("h2", &[], "Thresholds");
    let mut table = Table::new(&[
        text("figure"),
        figures("wanted"),
        figures("found"),
        text("result"),
        text("of"),
        figures("first failed"),
    ]);
    for (threshold, verdict) in record.thresholds.iter().zip(&verdict.thresholds) {
        let kind = threshold.figure.kind();
        let found = verdict.found.map_or("\u{2013}".to_owned(), |found| verdict::figure(kind, found));
        let (class, sign) = match verdict.result {
            ThresholdResult::Holds => ("good", "\u{2713}"),
            ThresholdResult::Fails => ("bad", "\u{2717}"),
            ThresholdResult::NoEvidence => ("bad", "?"),
        };
        table.text(&verdict.name).figure(None, &verdict.limit).figure(verdict.found, &found);
        table.with(|html| {
            html.el("span", &[("class", class)], format_args!("{sign} {}", verdict.result.name()));
        });
        table.text(&threshold.scope().unwrap_or_else(|| "the whole run".to_owned()));
        let first = verdict.first_failed_at_us;
        table.figure(first.map(|at| at as f64), &first.map(|at| clock(at, has_hours)).unwrap_or_default());
    }
    match table.is_empty() {
        true => html.el("p", &[], "The profile's [thresholds] ask for nothing."),
        false => html.put(&table.html("t-thresholds", "What was wanted, and what was found")),
    };
    html.close("section");
    html
}

fn latencies(record: &RunRecord, terms: &Terms) -> Html {
    let mut columns = vec![text("latency"), text("from"), figures("count")];
    columns.extend(["min", "mean", "p50", "p90", "p99", "p99.9", "max"].map(figures));
    let mut table = Table::new(&columns);
    for metric in Metric::ALL {
        let Some(latency) = record.latency.metrics.get(metric.name()) else { continue };
        rows(&mut table, terms, *metric, latency, |_| ());
    }
    let mut html = titled(
        &table,
        "t-latency",
        "Latencies: response from when it was due, service from when it was sent",
    );
    html.put(&by_flow(record, terms, &columns));
    columns.remove(1);
    let mut table = Table::new(&columns);
    for (request, summary) in &record.latency.ack_by_request {
        table.text(request);
        quantiles(&mut table, summary);
    }
    html.put(&titled(&table, "t-acks", "Responses by request (ack): request sent to its response"));
    html
}

/// The latencies of calls by their flow, or which flow they all follow.
fn by_flow(record: &RunRecord, terms: &Terms, columns: &[Column]) -> Html {
    let by_flow = &record.latency.by_flow;
    if by_flow.is_empty() {
        let mut html = Html::new();
        let is_of_call = |(name, latency): (&String, &MetricLatency<Summary>)| {
            let is_measured = latency.service.is_some_and(|service| service.count > 0);
            is_measured && Metric::from_name(name).is_some_and(Metric::is_of_call)
        };
        let mut flows = record.counted.flows.keys();
        if let (Some(flow), None, true) =
            (flows.next(), flows.next(), record.latency.metrics.iter().any(is_of_call))
        {
            let text = format_args!(
                "All calls follow one flow, {}: the latencies of calls are its own.",
                words(flow)
            );
            html.el("p", &[("class", "note")], text);
        }
        return html;
    }
    let columns: Vec<Column> = std::iter::once(text("flow")).chain(columns.iter().copied()).collect();
    let mut table = Table::new(&columns);
    let known = Flow::ALL.iter().map(|flow| flow.name());
    let beyond = by_flow.keys().map(String::as_str).filter(|flow| Flow::from_name(flow).is_none());
    for flow in known.chain(beyond) {
        let Some(measured) = by_flow.get(flow) else { continue };
        for metric in Metric::ALL {
            let Some(latency) = measured.get(metric.name()) else { continue };
            rows(&mut table, terms, *metric, latency, |table| {
                table.text(&words(flow));
            });
        }
    }
    titled(&table, "t-latency-by-flow", "Latencies of calls by their flow, side calls included")
}

/// The rows of a metric: from when it was due and from when it was sent. Each begins with what `begin` writes.
fn rows(
    table: &mut Table,
    terms: &Terms,
    metric: Metric,
    latency: &MetricLatency<Summary>,
    begin: impl Fn(&mut Table),
) {
    for (part, from, summary) in
        [("response", "due", &latency.response), ("service", "sent", &latency.service)]
    {
        let Some(summary) = summary.as_ref().filter(|summary| summary.count > 0) else { continue };
        begin(table);
        table.with(|html| terms.link(html, metric.name(), metric.name()));
        let shown = if metric.is_own() { "the generator's own" } else { from };
        table.with(|html| {
            html.text(shown);
            if !metric.is_own() {
                html.el("small", &[], format_args!(" {part}"));
            }
        });
        quantiles(table, summary);
    }
}

fn quantiles(table: &mut Table, summary: &Summary) {
    table.figure(Some(summary.count as f64), &count(summary.count));
    let mean = summary.mean.map(|mean| mean.round() as u64);
    for micros in [summary.min, mean, summary.p50, summary.p90, summary.p99, summary.p999, summary.max] {
        // One that is unknown lies beyond the range of a histogram.
        let value = micros.map_or(f64::INFINITY, |micros| micros as f64);
        table.figure(
            Some(value).filter(|value| value.is_finite()).or(Some(1e12)),
            &micros.map_or(">10 min".into(), time),
        );
    }
}

fn outcomes(record: &RunRecord, terms: &Terms) -> Html {
    let counted = &record.counted;
    let attempts = counted.attempts;
    let mut table = Table::new(&[text("outcome"), figures("calls"), figures("of due"), text("is")]);
    for (name, number) in OUTCOMES {
        let number = number(attempts);
        if *name == "started" || (number == 0 && !["due", "answered", "failed"].contains(name)) {
            continue;
        }
        let term = format!("attempts.{name}");
        table.with(|html| terms.link(html, &term, name));
        table.figure(Some(number as f64), &count(number));
        table.figure(Some(number as f64), &percent(number, attempts.due));
        let meaning = terms.text(&term).unwrap_or_default();
        table.with(|html| {
            html.prose(meaning);
        });
    }
    let mut html = titled(&table, "t-outcomes", "Calls by outcome");
    let mut table = Table::new(&[text("why"), figures("calls"), text("is")]);
    for (reason, number) in &counted.attempts_failed {
        let term = format!("failed.{reason}");
        table.with(|html| terms.link(html, &term, &words(reason)));
        table.figure(Some(*number as f64), &count(*number));
        let meaning = terms.text(&term).unwrap_or_default();
        table.with(|html| {
            html.prose(meaning);
        });
    }
    html.put(&titled(&table, "t-failed", "Why calls failed"));
    let mut table = Table::new(&[text("code"), figures("calls"), text("means"), text("conclude")]);
    hangups(&mut table, &counted.attempts_rejected);
    html.put(&titled(&table, "t-rejected", "Calls that failed as rejected, by the code of the hangup"));
    html
}

fn flows(record: &RunRecord) -> Html {
    let mut table = Table::new(&[text("flow"), text("outcome"), figures("attempts"), figures("of the flow")]);
    for (flow, outcomes) in &record.counted.flows {
        let all: u64 = outcomes.values().sum();
        for (outcome, number) in outcomes {
            table.text(&words(flow)).text(&words(outcome));
            table.figure(Some(*number as f64), &count(*number));
            table.figure(Some(*number as f64 / all.max(1) as f64), &percent(*number, all));
        }
    }
    let side = &record.counted.side_calls;
    for (outcome, number) in &side.ended {
        table.text("side calls").text(&words(outcome)).figure(Some(*number as f64), &count(*number));
        table.figure(Some(*number as f64 / side.started.max(1) as f64), &percent(*number, side.started));
    }
    let mut html = titled(&table, "t-flows", "Attempts by flow, and the calls that flows need beside them");
    let mut table = Table::new(&[text("flow, step and message"), figures("attempts")]);
    for (place, number) in &record.counted.attempts_broken {
        table.text(place).figure(Some(*number as f64), &count(*number));
    }
    html.put(&titled(&table, "t-broken", "Answered, but their flow broke off at a later step"));
    html
}

fn signons(record: &RunRecord, terms: &Terms) -> Html {
    let signons = &record.clients.signons;
    let clients = &record.clients;
    let (recovery, sessions) = (&record.counted.recovery, &record.counted.sessions);
    let keepalives = &record.counted.keepalives;
    let rows = [
        ("clients.planned", clients.planned, true),
        ("clients.signed_on", signons.signed_on, true),
        ("clients.peak", clients.peak, true),
        ("clients.signon_failed", signons.signon_failed, true),
        ("clients.reconnect_attempts", signons.reconnect_attempts, false),
        ("clients.reconnects", signons.reconnects, false),
        ("clients.reconnects_failed", signons.reconnects_failed, false),
        ("clients.given_up", signons.given_up, false),
        ("recovery.survived", recovery.survived, false),
        ("recovery.lost", recovery.lost, false),
        ("recovery.stale", recovery.stale, false),
        ("recovery.unknown", recovery.unknown, false),
        ("sessions.created", sessions.created, false),
        ("sessions.failed", sessions.failed, false),
        ("sessions.renewed", sessions.renewed, false),
        ("sessions.deleted", sessions.deleted, false),
        ("sessions.delete_failed", sessions.delete_failed, false),
        ("keepalives.sent", keepalives.sent, true),
        ("keepalives.answered", keepalives.answered, true),
        ("keepalives.missed", keepalives.missed, true),
    ];
    let mut html = counts("t-clients", "Clients, sessions and keepalives", &rows, terms);
    let columns = [text("why"), text("status"), figures("sign-ons"), text("is")];
    let table = causes(&columns, &record.counted.signon_failures, terms);
    html.put(&titled(&table, "t-signons", "Why sign-ons failed"));
    let table = causes(&columns, &record.counted.reconnect_failures, terms);
    html.put(&titled(&table, "t-reconnects", "Why reconnects failed"));
    html
}

fn causes(columns: &[Column], failures: &[SignonFailures], terms: &Terms) -> Table {
    let mut table = Table::new(columns);
    for one in failures {
        let term = format!("signon.{}", one.cause);
        table.with(|html| terms.link(html, &term, &words(&one.cause)));
        table.text(&one.status.map(|status| status.to_string()).unwrap_or_default());
        table.figure(Some(one.count as f64), &count(one.count));
        let meaning = terms.text(&term).unwrap_or_default();
        table.with(|html| {
            html.prose(meaning);
        });
    }
    table
}

fn disconnects(record: &RunRecord) -> Html {
    let mut table = Table::new(&[
        figures("code"),
        text("name"),
        text("ended by"),
        text("while"),
        figures("connections"),
        text("layer"),
        text("conclude"),
    ]);
    for one in &record.counted.disconnects {
        let code = CloseCode::from(one.code);
        let conclusion = match one.code {
            0 => "further codes, which were not kept apart",
            _ if one.is_ours() && one.code == 1000 => "our own sign-off, in good order",
            _ if one.is_ours() => "our own client dropped the connection, as the profile says",
            _ => code.conclusion(),
        };
        table
            .figure(Some(f64::from(one.code)), &one.code.to_string())
            .text(&one.name)
            .text(by(&one.initiator));
        table.text(&words(&one.phase)).figure(Some(one.count as f64), &count(one.count));
        table.text(&one.class).text(conclusion);
    }
    titled(&table, "t-disconnects", "Connections that ended")
}

fn codes(record: &RunRecord) -> Html {
    let counted = &record.counted;
    let columns = [text("code"), figures("events"), text("means"), text("conclude")];
    let mut table = Table::new(&columns);
    hangups(&mut table, &counted.hangups);
    let mut html = titled(&table, "t-hangups", "Hangup events of both legs, by code");
    let mut table = Table::new(&columns);
    by_code(&mut table, &counted.event_errors, |code| {
        let code = EventErrorCode::from(code);
        (code.name(), code.conclusion())
    });
    html.put(&titled(&table, "t-errors", "Error events, by code"));
    html
}

fn hangups(table: &mut Table, codes: &ByName) {
    by_code(table, codes, |code| {
        let code = HangupCode::from(code);
        (code.name(), code.class().conclusion())
    });
}

fn by_code(table: &mut Table, codes: &ByName, facts: fn(i32) -> (&'static str, &'static str)) {
    for (code, number) in codes {
        let (name, conclusion) = code.parse().map_or(("", ""), facts);
        table.figure(code.parse().ok(), code).figure(Some(*number as f64), &count(*number));
        table.text(name).text(conclusion);
    }
}

fn requests(record: &RunRecord) -> Html {
    let requests = &record.counted.requests;
    let mut table = Table::new(&[text("request"), figures("sent")]);
    for (name, number) in &requests.sent {
        table.text(name).figure(Some(*number as f64), &count(*number));
    }
    let mut html = titled(&table, "t-requests", "Requests sent, keepalives left out");
    let sent: u64 = requests.sent.values().sum();
    let refused: u64 = requests.errors.values().sum();
    if sent > 0 {
        html.open("p", &[("class", "note")]);
        html.text(format_args!(
            "Of {} requests {} were acknowledged, {} refused, and {} had no answer in time.",
            count(sent),
            count(requests.acked),
            count(refused),
            count(requests.timeouts)
        ));
        html.close("p");
    }
    let mut table = Table::new(&[text("code"), figures("responses"), text("means"), text("conclude")]);
    by_code(&mut table, &requests.errors, |code| {
        let code = ResponseErrorCode::from(code);
        (code.name(), code.conclusion())
    });
    html.put(&titled(&table, "t-refused", "Requests refused, by code"));
    html
}

fn events(record: &RunRecord) -> Html {
    let mut table = Table::new(&[text("event"), figures("received")]);
    for (name, number) in &record.counted.events {
        table.text(name).figure(Some(*number as f64), &count(*number));
    }
    titled(&table, "t-events", "Events received, by both legs")
}

/// Findings about the server, and what a healthy run has none of.
fn noticed(record: &RunRecord, terms: &Terms) -> Html {
    let counted = &record.counted;
    let ledger = &counted.ledger;
    let rows = [
        ("ledger.lost", ledger.lost, true),
        ("ledger.one_leg_only", ledger.one_leg_only, true),
        ("ledger.duplicated", ledger.duplicated, true),
        ("ledger.misdelivered", ledger.misdelivered, true),
        ("ledger.mixed_up", ledger.mixed_up, true),
        ("ledger.lost_on_reconnect", ledger.lost_on_reconnect, true),
        ("late_responses", counted.late_responses, false),
        ("stray_events", counted.stray_events, false),
        ("malformed_messages", counted.malformed_messages, false),
        ("unknown_events", counted.unknown_events, false),
        ("binary_messages", counted.binary_messages, false),
        ("repaired_messages", counted.repaired_messages, false),
        ("subprotocol_missing", counted.subprotocol_missing, false),
    ];
    counts("t-noticed", "What a healthy run has none of", &rows, terms)
}

/// Counts with what they are; one that is not always shown is shown where there is one.
fn counts(id: &'static str, caption: &str, rows: &[(&str, u64, bool)], terms: &Terms) -> Html {
    let mut table = Table::new(&[text("figure"), figures("count"), text("is")]);
    for (name, number, _) in rows.iter().filter(|(_, number, always)| *always || *number > 0) {
        let shown = words(name.trim_start_matches("clients.")).replace('.', " ");
        table.with(|html| terms.link(html, name, &shown));
        table.figure(Some(*number as f64), &count(*number));
        let meaning = terms.text(name).unwrap_or_default();
        table.with(|html| {
            html.prose(meaning);
        });
    }
    titled(&table, id, caption)
}

fn generator(record: &RunRecord, terms: &Terms) -> Html {
    let generator = &record.generator;
    let part = |part: f64| format!("{:.1} %", part * 100.0);
    let p99 =
        |summary: &Summary| summary.p99.map_or("\u{2013}".to_owned(), |p99| format!("{} (p99)", time(p99)));
    let seconds = |micros: u64| duration(micros as f64 / 1e6);
    let rows = [
        ("validity", Some(generator.validity.name().to_owned())),
        ("lag", Some(p99(&generator.lag))),
        ("keepalive_lag", Some(p99(&generator.keepalive_lag))),
        ("timer_lag", Some(p99(&generator.timer_lag))),
        ("handling", Some(p99(&generator.handling))),
        ("late", Some(count(generator.late))),
        ("cpu_cores", generator.cpu_cores.map(figure)),
        ("worker_cpu_max", Some(part(generator.worker_cpu_max))),
        ("busy_us", Some(seconds(generator.busy_us))),
        ("turn_max_us", Some(time(generator.turn_max_us))),
        ("heartbeat_late_max_us", Some(time(generator.heartbeat_late_max_us))),
        ("starved_part", generator.starved_part.map(part)),
        ("steal_part", generator.steal_part.map(part)),
        ("throttled_us", generator.throttled_us.map(seconds)),
        ("rss_peak_bytes", Some(bytes(generator.rss_peak_bytes))),
        ("bytes_per_client", generator.bytes_per_client.map(bytes)),
        ("fd_limit", Some(count(generator.fd_limit))),
        ("fds_left_min", generator.fds_left_min.map(count)),
        ("ports_left_min", generator.ports_left_min.map(count)),
        ("workers", Some(generator.workers.to_string())),
        ("cut_off", Some(generator.cut_off).filter(|it| *it > 0).map(count)),
    ];
    let mut table = Table::new(&[text("figure"), figures("value"), text("is")]);
    for (name, value) in rows {
        let Some(value) = value else { continue };
        let term = format!("generator.{name}");
        let shown = name.trim_end_matches("_us").trim_end_matches("_bytes");
        table.with(|html| terms.link(html, &term, &words(shown))).figure(None, &value);
        let meaning =
            terms.text(&term).unwrap_or_default().replace(", in microseconds", "").replace(", in bytes", "");
        table.with(|html| {
            html.prose(&meaning);
        });
    }
    titled(&table, "t-generator", "The generator's own health")
}

/// A table under its caption; nothing where it has no rows.
fn titled(table: &Table, id: &'static str, caption: &str) -> Html {
    if table.is_empty() { Html::new() } else { table.html(id, caption) }
}
