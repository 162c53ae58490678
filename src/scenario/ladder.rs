//! A flow's script as people read it: a list of all flows, and each as a ladder of messages between its parties and the
//! core. Pure text, in lines of [`WIDTH`] characters at the most.

use std::fmt::Write as _;
use std::time::Duration;

use super::script::{Act, Callee, FILLERS, Parties, Pause, Script, Sign, Step, When};
use super::{Ask, Flow, Side};
use crate::metrics::Metric;

/// The longest line.
pub const WIDTH: usize = 80;

/// Step and call.
const NUMBERS: usize = 6;
/// A party's column: the longest message (`presence_update` is longer, and has a column to itself), its arrow, a gap.
const COLUMN: usize = 18;
/// Where the remarks of an only line end.
const INDENT: &str = "  ";

/// All flows, two lines each.
pub fn list() -> String {
    let mut text = String::new();
    line(&mut text, "FLOW               CLIENTS  LINES  DIALECTS      MEANT TO END   SECTION");
    for flow in Flow::ALL.iter().copied() {
        let script = flow.script();
        let lines = if script.fills.is_some() { "all".to_owned() } else { script.lines.to_string() };
        let (dialects, intended) = (dialects(script), script.intends.first().map_or("", |it| it.name()));
        let intended = intended.split(" (").next().unwrap_or_default();
        line(
            &mut text,
            &format!(
                "{:<17}  {:>7}  {lines:>5}  {dialects:<12}  {intended:<13}  {}",
                flow.name(),
                script.clients(),
                script.section
            ),
        );
        line(&mut text, &format!("{INDENT}{}", script.about));
    }
    text
}

/// One flow: its facts, its ladder, and what happens beside its steps.
pub fn ladder(flow: Flow) -> String {
    let script = flow.script();
    let mut text = String::new();
    line(&mut text, flow.name());
    facts(&mut text, script);
    line(&mut text, "");
    rungs(&mut text, script);
    line(&mut text, "");
    for note in notes(flow) {
        paragraph(&mut text, "- ", &note);
    }
    text
}

fn dialects(script: &Script) -> &'static str {
    if script.flat_only { "flat" } else { "nested, flat" }
}

fn facts(text: &mut String, script: &Script) {
    let intends: Vec<&str> = script.intends.iter().map(|intent| intent.name()).collect();
    let lines = match (script.fills, script.lines) {
        (Some(_), _) => "all of the callee, 1 of the others".to_owned(),
        (None, 0) => "none".to_owned(),
        (None, lines) => format!("{lines} of each client that calls"),
    };
    let calls: Vec<String> = script
        .calls
        .iter()
        .chain(&script.fills)
        .enumerate()
        .filter_map(|(number, parties)| {
            let number = if number < script.calls.len() { (number + 1).to_string() } else { "*".to_owned() };
            Some(format!(
                "{number}: {} to {}",
                script.parties[usize::from(parties.caller)],
                called(script, *parties)?
            ))
        })
        .collect();
    for (name, fact) in [
        ("what", script.about.to_owned()),
        ("clients", script.parties.join(", ")),
        ("calls", if calls.is_empty() { "none".to_owned() } else { calls.join("; ") }),
        ("lines", lines),
        ("dialects", dialects(script).to_owned()),
        ("meant to end", intends.join(" or ")),
        ("protocol", format!("section {}", script.section)),
    ] {
        let name = format!("{INDENT}{name:<14}");
        paragraph(text, &name, &fact);
    }
}

fn called(script: &Script, parties: Parties) -> Option<&'static str> {
    match parties.callee {
        Callee::Party(party) => script.parties.get(usize::from(party)).copied(),
        Callee::Nobody => Some("a number that nobody has"),
        Callee::Offline => Some("a subscriber who is not signed on"),
        Callee::None => None,
    }
}

/// The ladder: the first party to the left of the core, the others to its right.
fn rungs(text: &mut String, script: &Script) {
    let right = COLUMN * (script.parties.len() - 1);
    let names: String =
        script.parties[1..].iter().map(|name| format!("   {name:<width$}", width = COLUMN - 3)).collect();
    line(text, &format!(" #  c {:>left$} core{names}", script.parties[0], left = COLUMN - 2));
    let mut course = Course::default();
    for (number, step) in script.all_steps().enumerate() {
        let call = match step.leg.call {
            FILLERS => "*".to_owned(),
            call => (call + 1).to_string(),
        };
        let (left, right_of) = sides(script, step);
        let remark = course.remark(step);
        let room = WIDTH - NUMBERS - COLUMN - 1 - right - 1;
        let remarks = wrapped(&remark, room);
        for (row, remark) in remarks.iter().enumerate() {
            let rung = match row {
                0 => format!("{:>2}  {call} {left:>COLUMN$}│{right_of:<right$} {remark}", number + 1),
                _ => format!("{:NUMBERS$}{:COLUMN$}│{:right$} {remark}", "", "", ""),
            };
            line(text, &rung);
        }
    }
}

/// What stands to the left and to the right of the core.
fn sides(script: &Script, step: &Step) -> (String, String) {
    let parties = script.calls.get(usize::from(step.leg.call)).copied().or(script.fills);
    let party = parties.map_or(0, |parties| match (step.leg.side, parties.callee) {
        (Side::Callee, Callee::Party(party)) => usize::from(party),
        _ => usize::from(parties.caller),
    });
    let shaft = match step.act {
        Act::May(_) => '╌',
        _ => '─',
    };
    let message = step.message();
    if party == 0 {
        let left = match step.act {
            Act::Send(_) => format!("{message} {shaft}→"),
            Act::Expect(_) | Act::May(_) => format!("{message} ←{shaft}"),
            Act::Pause(_) => format!("({message})  "),
        };
        return (left, String::new());
    }
    let reach: String = std::iter::repeat_n(shaft, COLUMN * (party - 1) + 1).collect();
    let right = match step.act {
        Act::Send(_) => format!("←{reach} {message}"),
        Act::Expect(_) | Act::May(_) => format!("{reach}→ {message}"),
        Act::Pause(_) => format!("{:width$}({message})", "", width = COLUMN * (party - 1) + 3),
    };
    (String::new(), right)
}

/// How far the calls have come: what a hang-up starts and ends depends on it.
#[derive(Default)]
struct Course {
    answered: Vec<u8>,
    /// Who has asked for the end of which call, how, and in which plays.
    ending: Vec<(u8, Side, Ask, When)>,
}

impl Course {
    fn remark(&mut self, step: &Step) -> String {
        let mut parts: Vec<String> = Vec::new();
        match step.when {
            When::Always => {}
            When::HungUpBy(Side::Caller) => parts.push("if the caller ends it".to_owned()),
            When::HungUpBy(Side::Callee) => parts.push("if the callee ends it".to_owned()),
            When::Crossing => parts.push("if two are to cross".to_owned()),
            When::CalledByOthers => parts.push("if somebody else's phone calls".to_owned()),
        }
        match step.act {
            Act::Pause(pause) => parts.push(key(pause).to_owned()),
            Act::May(_) => parts.push("optional".to_owned()),
            Act::Expect(_) => parts.push(format!("within {}", seconds(step.within))),
            Act::Send(_) => {}
        }
        let (starts, ends) = (self.starts(step), self.ends(step));
        for (word, metrics) in [("starts", starts), ("ends", ends)] {
            if !metrics.is_empty() {
                let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
                parts.push(format!("{word} {}", names.join(", ")));
            }
        }
        parts.join("; ")
    }

    fn starts(&mut self, step: &Step) -> Vec<Metric> {
        let Act::Send(ask) = step.act else { return Vec::new() };
        let call = step.leg.call;
        if matches!(ask, Ask::Hangup | Ask::Decline) {
            self.ending.push((call, step.leg.side, ask, step.when));
        }
        match ask {
            Ask::Hangup if !self.answered.contains(&call) => vec![Metric::Cancel],
            _ => ask.opens().to_vec(),
        }
    }

    fn ends(&mut self, step: &Step) -> Vec<Metric> {
        let (Act::Expect(sign) | Act::May(sign)) = step.act else { return Vec::new() };
        let (call, side) = (step.leg.call, step.leg.side);
        if sign == Sign::Accepted && side == Side::Caller {
            self.answered.push(call);
        }
        if sign != Sign::Hangup {
            return sign.closes(side).to_vec();
        }
        let mut ends = Vec::new();
        let excludes = |when: When| matches!((when, step.when), (When::HungUpBy(one), When::HungUpBy(other)) if one != other);
        for (_, by, ask, _) in self.ending.iter().filter(|ending| ending.0 == call && !excludes(ending.3)) {
            let metric = match (ask, self.answered.contains(&call)) {
                (Ask::Decline, _) => Some(Metric::Decline).filter(|_| side == Side::Caller),
                (_, true) if *by == side => Some(Metric::Release),
                (_, true) => Some(Metric::ReleaseRemote),
                (_, false) => Some(Metric::Cancel).filter(|_| *by == side),
            };
            ends.extend(metric.filter(|metric| !ends.contains(metric)));
        }
        let is_unasked = !self.ending.iter().any(|ending| ending.0 == call);
        if is_unasked && side == Side::Caller && !self.answered.contains(&call) {
            ends.push(Metric::Reject);
        }
        ends
    }
}

/// The key of a profile that says how long.
fn key(pause: Pause) -> &'static str {
    match pause {
        Pause::Ring => "calls.ring",
        Pause::Hold => "calls.hold, from the answer",
        Pause::Think => "calls.think",
        Pause::OnHold => "calls.on_hold",
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// What is not in the steps.
fn notes(flow: Flow) -> Vec<String> {
    let script = flow.script();
    let has = |wanted: &dyn Fn(&Step) -> bool| script.all_steps().any(wanted);
    let mut notes = Vec::new();
    let mut note = |is_so: bool, text: &str| {
        if is_so {
            notes.push(text.to_owned());
        }
    };
    note(script.fills.is_some(), "*: once for each line of the callee.");
    note(
        !script.prefix.is_empty(),
        &format!(
            "The caller dials {} before the number, which has the embedded core play its part; `prefix` in calls.mix changes it.",
            script.prefix
        ),
    );
    note(
        script.on_guest_line,
        "The call is on the guest line (`line: null`), with calls.guest_number as its `from`.",
    );
    note(
        script.calls.iter().any(|parties| parties.callee == Callee::Nobody),
        "`number` in calls.mix is what is dialled, if no number of its own.",
    );
    note(
        flow == Flow::Mutual,
        "Real clients compare call ids to find out who gives way, which is a coin toss; here it is who would hang up.",
    );
    note(
        has(&|step| matches!(step.when, When::HungUpBy(_))),
        "calls.hangup_by_callee is the share of attempts that the callee ends.",
    );
    note(
        has(&|step| step.when == When::Crossing),
        "calls.crossing is the share of attempts in which two requests cross.",
    );
    note(
        has(&|step| step.act == Act::Send(Ask::Update)),
        "An update that meets the other side's (error 447 or 491, or an updating_call before its answer) is sent again after 2 to 9 s, three times at the most.",
    );
    note(
        has(&|step| step.act == Act::Expect(Sign::Transferred)),
        "Word of the transfer's success is notify with 2xx or transfer_accepted, whichever comes first. transfer_failed breaks the flow off.",
    );
    note(
        has(&|step| {
            matches!(step.act, Act::Send(Ask::Hold | Ask::Unhold | Ask::Update))
                || step.act == Act::May(Sign::UpdatingCall)
        }),
        "updating_call is answered at once with update.",
    );
    note(
        has(&|step| matches!(step.act, Act::Send(Ask::Call))),
        "After outgoing_call and accept each side trickles calls.candidates candidates, calls.candidate_spacing apart, and an end mark (ice_trickle); with calls.candidates = 0 neither.",
    );
    note(true, "Every request is to be answered with ack, which the metric `ack` times; that is not drawn.");
    note(
        has(&|step| step.act == Act::May(Sign::Ringback)),
        "proceeding and progress count as ringing; accepted without any counts as all of it.",
    );
    note(
        flow.can_call_others(),
        "With `number`, somebody else's phone takes the right side: its steps are left out, and it may ring for calls.ring more.",
    );
    note(
        true,
        "A step that does not come within its time ends the attempt; if that was answered already it counts as broken, by the number of the step. What is up is hung up, and has 10 s to end.",
    );
    notes
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A text after a name, its further lines below its first.
fn paragraph(text: &mut String, name: &str, words: &str) {
    let indent = name.chars().count();
    for (row, words) in wrapped(words, WIDTH - indent).iter().enumerate() {
        let name = if row == 0 { name } else { "" };
        line(text, &format!("{name:<indent$}{words}"));
    }
}

/// `text` in lines of at most `width` characters, at least one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let has_room = lines[last].chars().count() + 1 + word.chars().count() <= width;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if has_room {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ladder_has_each_step_once_in_order_and_fits_the_width() {
        for flow in Flow::ALL.iter().copied() {
            let text = ladder(flow);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            let steps: Vec<&Step> = flow.script().all_steps().collect();
            let rungs: Vec<&str> = text
                .lines()
                .skip_while(|line| !line.starts_with(" #  c"))
                .skip(1)
                .take_while(|line| !line.is_empty())
                .collect();
            let numbered: Vec<&&str> = rungs.iter().filter(|rung| !rung[..2].trim().is_empty()).collect();
            assert_eq!(numbered.len(), steps.len(), "{text}");
            for (number, (rung, step)) in numbered.iter().zip(&steps).enumerate() {
                assert_eq!(rung[..2].trim().parse(), Ok(number + 1), "{text}");
                assert!(rung.contains(step.message()), "{}: {rung}", step.message());
                let (sends, sees) =
                    (matches!(step.act, Act::Send(_)), matches!(step.act, Act::Expect(_) | Act::May(_)));
                let is_left = rung.split('│').next().is_some_and(|left| left.contains(step.message()));
                // Towards the core is to the right on its left, and to the left on its right.
                assert_eq!(rung.contains('→'), if is_left { sends } else { sees }, "{rung}");
                assert_eq!(rung.contains('←'), if is_left { sees } else { sends }, "{rung}");
            }
            // Remarks break lines between words: joined they say each step's time.
            let joined = rungs.join(" ");
            let waits = steps.iter().filter(|step| matches!(step.act, Act::Expect(_))).count();
            assert_eq!(joined.matches("within").count(), waits, "{text}");
            let pauses = steps.iter().filter(|step| matches!(step.act, Act::Pause(_))).count();
            assert_eq!(joined.matches("calls.").count(), pauses, "{text}");
            let optional = steps.iter().filter(|step| matches!(step.act, Act::May(_))).count();
            assert_eq!(joined.matches("optional").count(), optional, "{text}");
        }
    }

    #[test]
    fn the_list_has_every_flow_once_and_fits_the_width() {
        let list = list();
        assert!(list.lines().all(|line| line.chars().count() <= WIDTH), "{list}");
        for flow in Flow::ALL.iter().copied() {
            let named = list.lines().filter(|line| line.split(' ').next() == Some(flow.name()));
            assert_eq!(named.count(), 1, "{flow:?}");
            assert!(list.contains(flow.script().about));
        }
        assert_eq!(list.lines().count(), 1 + 2 * Flow::COUNT);
    }

    #[test]
    fn a_declined_call_is_drawn_so() {
        let text = ladder(Flow::Declined);
        let drawn: Vec<&str> = text.lines().filter(|line| line.contains('│')).collect();
        assert_eq!(
            drawn,
            [
                " 1  1   outgoing_call ─→│                   starts ringback, setup, alert",
                " 2  1         ringing ←╌│                   optional; ends ringback",
                " 3  1                   │─→ incoming_call   within 32 s; ends alert",
                " 4  1                   │   (ring)          calls.ring",
                " 5  1                   │←─ decline         starts decline",
                " 6  1                   │╌→ declining       optional",
                " 7  1          hangup ←─│                   within 10 s; ends decline",
                " 8  1                   │─→ hangup          within 10 s",
            ]
        );
    }
}
