//! The calls whose messages were kept, as ladders: who sent what to whom, and how much later.

use super::markup::Html;
use super::moments::clock;
use std::cmp::Reverse;

use crate::record::{
    Direction, FIRST_MESSAGES, FlightReader, Kept, KeptCall, KeptCalls, KeptMessage, MOST_RECORDED,
    MessageKind, SLOWEST,
};
use crate::report::text::words;
use crate::report::units::{count, latency as time, of};

/// The most calls on a page, and the most messages of a call. The file has them all.
const MOST_CALLS: usize = 40;
const MOST_MESSAGES: usize = 200;
/// The most parties of a call that have a column.
const MOST_PARTIES: usize = 4;
/// The most bytes of texts that come from the server, a message.
const MOST_TEXT: usize = 800;

/// The calls that were kept.
pub(super) fn section(calls: Option<FlightReader>, kept: Option<KeptCalls>, has_hours: bool) -> Html {
    let mut html = Html::new();
    html.open("section", &[("id", "calls")]).el("h2", &[], "The slowest and the failed calls");
    let (shown, left_out) = shown(calls.into_iter().flatten());
    let kept = kept.unwrap_or_default();
    if shown.is_empty() {
        html.el("p", &[], "No calls were kept: this run has no flight recorder's file, flight.jsonl.");
        return not_kept(html, &kept);
    }
    html.open("p", &[("class", "note")]);
    html.text("Each message of a call's clients until the call was over, keepalives left out, as the client sent or received \
         it: the arrow leads from the sender. With the time since the call was due and since the message before. A late \
         message answers nothing that was waited for; a stray one belongs to another call, or to none, or cannot be read. \
         Secrets are taken out.");
    html.close("p");
    shown.iter().for_each(|call| ladder(&mut html, call, has_hours));
    if left_out > 0 {
        html.el("p", &[("class", "note")], format_args!("{} more are in flight.jsonl.", count(left_out)));
    }
    not_kept(html, &kept)
}

/// The end of the section, with the failed calls that are not in it, and those of which nobody can say whether they
/// should be.
fn not_kept(mut html: Html, kept: &KeptCalls) -> Html {
    if kept.left_out > 0 {
        let of_their_kind = format_args!(
            "{} more failed calls were not kept: there were enough of their kind, or there was no room.",
            count(kept.left_out)
        );
        html.el("p", &[("class", "note")], of_their_kind);
    }
    let calls = kept.unrecorded;
    if calls > 0 {
        let words = format_args!(
            "The messages of {} were not recorded, however slow they were or however they ended: a worker records {} calls \
             at a time. More workers record more of them.",
            of(calls, "call", "calls"),
            count(MOST_RECORDED as u64)
        );
        html.el("p", &[("class", "note")], words);
    }
    html.close("section");
    html
}

/// Those that failed, as they came, and then the slowest, the slowest first; and how many failed ones there is no place
/// for. Calls that were among the slowest only until slower ones came are passed over.
fn shown(calls: impl Iterator<Item = KeptCall>) -> (Vec<KeptCall>, u64) {
    let (mut shown, mut slowest, mut left_out) = (Vec::new(), Vec::new(), 0);
    for call in calls {
        if call.why == Kept::SlowestSetup {
            slowest.push(call);
            slowest.sort_by_key(|call: &KeptCall| Reverse(call.setup_us));
            slowest.truncate(SLOWEST);
        } else if shown.len() < MOST_CALLS - SLOWEST {
            shown.push(call);
        } else {
            left_out += 1;
        }
    }
    shown.append(&mut slowest);
    (shown, left_out)
}

fn ladder(html: &mut Html, call: &KeptCall, has_hours: bool) {
    let why = match call.why {
        Kept::SlowestSetup => "slow",
        Kept::Failed => "failed",
    };
    html.open("details", &[("class", "ladder")]).open("summary", &[]);
    html.el("b", &[("class", why)], why).raw(" ");
    let mut said = vec![
        format!("call {} at {}", call.attempt, clock(call.due_us, has_hours)),
        format!("flow {}", words(&call.flow)),
    ];
    let outcome = match &call.reason {
        Some(reason) => format!("{}: {}", words(&call.outcome), words(reason)),
        None => words(&call.outcome),
    };
    said.push(outcome);
    said.extend(call.broken_step.map(|step| format!("broke off at step {step}")));
    said.extend(call.finding.as_ref().map(|finding| words(finding)));
    said.extend(call.setup_us.map(|micros| format!("set up in {}", time(micros))));
    said.extend(call.stage.as_ref().map(|stage| format!("stage {stage}")));
    html.text(said.join(", ")).close("summary");
    let parties = call.parties.len().clamp(1, MOST_PARTIES);
    html.raw("<div class=\"scroll\"><table class=\"steps\"><thead><tr>");
    html.raw("<th scope=\"col\" class=\"n\">since due</th><th scope=\"col\" class=\"n\">since last</th>");
    for (index, name) in PARTIES.iter().enumerate().take(parties) {
        let number = call.parties.get(index).map(|number| cut(number, 40)).unwrap_or_default();
        // The caller stands to the left of the Core, everybody else to the right.
        let client = format!("{name} {number}");
        let [left, right] = if index == 0 { [client.as_str(), "Core"] } else { ["Core", client.as_str()] };
        html.open("th", &[("scope", "col"), ("class", "leg")]);
        html.el("span", &[], left).el("span", &[], right).close("th");
    }
    html.raw("<th scope=\"col\" class=\"n\">bytes</th></tr></thead><tbody>\n");
    let mut before = None;
    for (place, message) in call.messages.iter().enumerate().take(MOST_MESSAGES) {
        if place == FIRST_MESSAGES && call.left_out > 0 {
            let columns = (parties + 3).to_string();
            html.open("tr", &[]).open("td", &[("colspan", columns.as_str()), ("class", "note")]);
            html.text(format_args!("{} messages are left out here", count(call.left_out)))
                .close("td")
                .close("tr");
            before = None;
        }
        row(html, message, before, parties);
        before = Some(message.at_us);
    }
    html.raw("</tbody></table></div>\n");
    let later = if call.messages.len() > FIRST_MESSAGES { 0 } else { call.left_out };
    let left_out = call.messages.len().saturating_sub(MOST_MESSAGES) as u64 + later;
    if left_out > 0 {
        html.el("p", &[("class", "note")], format_args!("{} later messages are left out.", count(left_out)));
    }
    html.close("details");
}

const PARTIES: [&str; MOST_PARTIES] = ["a", "b", "c", "d"];

fn row(html: &mut Html, message: &KeptMessage, before: Option<i64>, parties: usize) {
    let since = before.map_or(String::new(), |before| signed(message.at_us.saturating_sub(before)));
    html.open("tr", &[]).el("td", &[("class", "n")], signed(message.at_us));
    html.el("td", &[("class", "n")], since);
    for party in 0..parties {
        if party != message.party {
            html.raw("<td class=\"leg\"></td>");
            continue;
        }
        let to_the_right = (message.direction == Direction::Sent) == (party == 0);
        let (class, arrow) = match to_the_right {
            true => ("leg to-right", "\u{2192}"),
            false => ("leg to-left", "\u{2190}"),
        };
        html.open("td", &[("class", class)]);
        label(html, message, arrow);
        html.close("td");
    }
    let size = if message.bytes > 0 { count(message.bytes) } else { String::new() };
    html.el("td", &[("class", "n")], size).close("tr");
}

/// The message on its arrow; its text beneath, when it is asked for.
fn label(html: &mut Html, message: &KeptMessage, arrow: &str) {
    let kind = match message.kind {
        MessageKind::Request | MessageKind::Event => "",
        MessageKind::Response => "answer ",
        MessageKind::State => "state ",
        MessageKind::Close => "close ",
        MessageKind::Timeout => "timeout ",
        MessageKind::Late => "late ",
        MessageKind::Stray => "stray ",
    };
    let mut text = format!("{arrow} {kind}{}", cut(&message.name, 60));
    if let Some(code) = message.code {
        text += &format!(" {code}");
    }
    if let Some(reason) = &message.reason {
        text += &format!(" {}", cut(reason, 120));
    }
    if message.excerpt.is_empty() {
        html.el("span", &[], text);
        return;
    }
    html.open("details", &[]).el("summary", &[], text);
    html.el("pre", &[], cut(&message.excerpt, MOST_TEXT)).close("details");
}

/// A time that may lie before: `+1.20 ms`.
fn signed(micros: i64) -> String {
    let sign = if micros < 0 { "\u{2212}" } else { "+" };
    format!("{sign}{}", time(micros.unsigned_abs()))
}

/// At most so many characters of a text.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}
