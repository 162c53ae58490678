//! What every figure is: the key figures, the metrics, and, from the schema of `run.json`, all other names.
//!
//! Nothing is defined here. The glossary and the schema are the places for that, so a report cannot differ from them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::markup::Html;
use crate::metrics::{AttemptFailure, Metric, SignonFailure};
use crate::record::GLOSSARY;
use crate::report::run_schema;

/// The objects of `run.json` whose members are in the glossary, with a heading each.
const GROUPS: &[(&str, &str)] = &[
    ("latency", "Latencies by request and by flow"),
    ("clients", "Clients"),
    ("keepalives", "Keepalives"),
    ("attempts", "Attempts: every call that came due ends in exactly one way"),
    ("calls", "Answered calls"),
    ("side_calls", "Side calls"),
    ("requests", "Requests"),
    ("recovery", "Calls found on the lines after a reconnect"),
    ("ledger", "Findings about the server"),
    ("sessions", "Sessions (REST)"),
    ("kept_calls", "Calls that the flight recorder kept"),
    ("generator", "The generator"),
    ("target", "The target"),
];

/// Members of `run.json` itself that are in the glossary.
const TOP: &[&str] = &[
    "attempts_intended",
    "attempts_unintended",
    "attempts_failed",
    "attempts_rejected",
    "attempts_broken",
    "flows",
    "changes",
    "hangups",
    "event_errors",
    "events",
    "states",
    "disconnects",
    "late_responses",
    "stray_events",
    "unknown_events",
    "malformed_messages",
    "binary_messages",
    "repaired_messages",
    "subprotocol_missing",
    "nonces_confirmed",
    "connected_us",
    "littles_law",
    "mean_hold_us",
];

/// Further definitions of the schema: its name, what stands before the names of its members here, and a heading.
const SECONDS: &[(&str, &str, &str)] = &[
    ("StoredGauges", "gauges", "At the end of a second"),
    ("Health", "health", "The generator in a second"),
    ("Summary", "summary", "Figures of a latency"),
    ("LittlesLaw", "law", "Little's law"),
];

/// What is to be said first.
const READING: &[(&str, &str)] = &[
    (
        "response",
        "a latency from when it was due. A server that stalls cannot hide from it: what was due meanwhile is in it with \
         its whole wait",
    ),
    (
        "service",
        "the same from when it was sent. If it is much shorter than the response, the generator was late",
    ),
    (
        "p99",
        "one in 100 took longer; p50 is the median, p99.9 is exceeded by one in 1000. Read it with the count: \
         p99 of fewer than 100 is the longest",
    ),
    ("wanted", "what the plan says should happen then; done is what happened"),
    ("pass", "every threshold holds"),
    ("fail", "a threshold does not hold"),
    ("void", "the generator was unfit, so the figures prove nothing about the server"),
    (
        "degraded",
        "the generator's own delays are part of the figures: no claim about capacity can rest on them",
    ),
];

/// The glossary: its headings, and under each the terms.
pub(super) struct Terms {
    groups: Vec<(String, Vec<Term>)>,
}

/// A name, and what it is.
struct Term {
    /// Its name in `run.json`, or one of this page.
    name: String,
    /// The name written out, where it has one.
    long: &'static str,
    text: String,
    source: &'static str,
}

impl Terms {
    /// All of them.
    pub(super) fn new() -> Terms {
        let schema = run_schema().to_value();
        let definition = |name: &str| described(&schema["$defs"][name]);
        let mut groups = vec![("How to read them".to_owned(), reading()), ("Key figures".to_owned(), kpis())];
        groups.push(("Latencies".to_owned(), metrics()));
        for (object, heading) in GROUPS {
            let members = match reference(&schema["properties"][object]) {
                Some(name) => definition(name),
                None => described(&schema["properties"][object]),
            };
            groups.push(((*heading).to_owned(), named(object, members)));
        }
        let top = described(&schema);
        let top = TOP.iter().filter_map(|name| top.get(*name).map(|text| plain(*name, text.clone())));
        groups.push(("Further counts".to_owned(), top.collect()));
        groups.push(("Why attempts failed".to_owned(), failures()));
        for (object, prefix, heading) in SECONDS {
            groups.push(((*heading).to_owned(), named(prefix, definition(object))));
        }
        Terms { groups }
    }

    /// What the figure of this name is.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.term(name).map(|term| term.text.as_str())
    }

    fn term(&self, name: &str) -> Option<&Term> {
        self.groups.iter().flat_map(|(_, terms)| terms).find(|term| term.name == name)
    }

    /// `shown`, linked to what the figure of this name is.
    pub(super) fn link(&self, html: &mut Html, name: &str, shown: &str) {
        match self.term(name) {
            Some(term) => {
                let (to, title) = (format!("#{}", anchor(name)), term.text.replace('`', ""));
                html.el("a", &[("class", "term"), ("href", &to), ("title", &title)], shown);
            }
            None => {
                html.text(shown);
            }
        }
    }

    /// The glossary.
    pub(super) fn section(&self) -> Html {
        let mut html = Html::new();
        html.open("section", &[("id", "glossary")]).el("h2", &[], "Glossary");
        html.open("div", &[("class", "glossary")]);
        for (heading, terms) in self.groups.iter().filter(|(_, terms)| !terms.is_empty()) {
            html.el("h3", &[], heading).open("dl", &[]);
            for term in terms {
                html.open("dt", &[("id", &anchor(&term.name))]).el("code", &[], &term.name);
                if !term.long.is_empty() {
                    html.text(format_args!(" {}", term.long));
                }
                html.close("dt").open("dd", &[]).prose(&term.text);
                if !term.source.is_empty() {
                    html.text(format_args!(" ({})", term.source));
                }
                html.close("dd");
            }
            html.close("dl");
        }
        html.close("div").close("section");
        html
    }
}

/// The id of a term on the page.
fn anchor(name: &str) -> String {
    let safe = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' });
    format!("is-{}", safe.collect::<String>())
}

fn plain(name: impl Into<String>, text: String) -> Term {
    Term { name: name.into(), long: "", text, source: "" }
}

fn reading() -> Vec<Term> {
    READING.iter().map(|(name, text)| plain(*name, (*text).to_owned())).collect()
}

fn kpis() -> Vec<Term> {
    let term = |term: &crate::record::Term| Term {
        name: term.name.to_owned(),
        long: term.long,
        text: term.definition.to_owned(),
        source: term.defined_in,
    };
    GLOSSARY.iter().map(term).collect()
}

fn metrics() -> Vec<Term> {
    Metric::ALL.iter().map(|metric| plain(metric.name(), metric.meaning().to_owned())).collect()
}

fn failures() -> Vec<Term> {
    let attempts = AttemptFailure::ALL.iter().map(|one| (format!("failed.{}", one.name()), one.meaning()));
    let signons = SignonFailure::ALL.iter().map(|one| (format!("signon.{}", one.name()), one.meaning()));
    attempts.chain(signons).map(|(name, text)| plain(name, text.to_owned())).collect()
}

fn named(object: &str, members: BTreeMap<String, String>) -> Vec<Term> {
    members.into_iter().map(|(name, text)| plain(format!("{object}.{name}"), text)).collect()
}

/// The members of an object in a schema that are described, and how.
fn described(object: &Value) -> BTreeMap<String, String> {
    let members = object["properties"].as_object().into_iter().flatten();
    let text = |member: &Value| Some(member["description"].as_str()?.replace('\n', " "));
    members.filter_map(|(name, member)| Some((name.clone(), text(member)?))).collect()
}

/// The name of the definition that a member of a schema is of.
fn reference(member: &Value) -> Option<&str> {
    // What may be `null` is one of two.
    let reference = member["$ref"].as_str().or_else(|| member["anyOf"][0]["$ref"].as_str());
    reference?.strip_prefix("#/$defs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_record_counts_is_in_the_glossary() {
        let terms = Terms::new();
        for name in [
            "ser",
            "setup",
            "attempts.blocked",
            "latency.by_flow",
            "ledger.lost",
            "kept_calls.left_out",
            "generator.starved_part",
            "clients.peak",
            "disconnects",
            "failed.no_response",
            "gauges.signed_on",
        ] {
            assert!(terms.text(name).is_some_and(|text| text.len() > 5), "{name}");
        }
        assert!(terms.groups.iter().all(|(heading, terms)| !terms.is_empty() || panic!("{heading}")));
    }

    #[test]
    fn no_two_terms_share_a_place() {
        let terms = Terms::new();
        let mut anchors: Vec<String> =
            terms.groups.iter().flat_map(|(_, terms)| terms).map(|term| anchor(&term.name)).collect();
        let all = anchors.len();
        anchors.sort();
        anchors.dedup();
        assert_eq!(anchors.len(), all);
    }
}
