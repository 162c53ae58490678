//! The parser's words turned into the user's: unknown keys with the nearest known one.

use std::ops::Range;

use super::duration::parse_duration;
use super::error::{Problem, ProblemKind};

/// The problem that the parser's `message` about the structure of a profile tells of; `span` is where.
pub(super) fn of_structure(message: &str, span: Option<Range<usize>>) -> Problem {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (name, known) = quoted.split_first().map_or(("", &[][..]), |(name, known)| (*name, known));
    if message.starts_with("unknown field") {
        return Problem::new(ProblemKind::UnknownKey(name.to_owned()), span, choices(name, known, "keys"));
    }
    if message.starts_with("unknown variant") {
        let help = match parse_duration(name) {
            Ok(_) if known.contains(&"fixed") => format!("write {{ fixed = \"{name}\" }}"),
            _ => choices(name, known, "choices"),
        };
        return Problem::new(ProblemKind::Value(format!("unknown choice `{name}`")), span, help);
    }
    if message.starts_with("wanted exactly 1 element") {
        let message = "exactly one choice has to stand here".to_owned();
        return Problem::new(ProblemKind::Value(message), span, "write it as { NAME = SETTINGS }");
    }
    if message.starts_with("missing field") {
        return Problem::new(ProblemKind::Value(format!("`{name}` is missing")), span, missing(name));
    }
    Problem::new(ProblemKind::Value(plain(message)), span, type_cure(message))
}

fn missing(name: &str) -> String {
    match name {
        "stages" => "there is nothing to do without one: [[stages]] with duration = \"10s\" and clients = 2"
            .to_owned(),
        "duration" => "every stage needs a length, such as duration = \"60s\"".to_owned(),
        _ => format!("add the key `{name}`"),
    }
}

fn type_cure(message: &str) -> &'static str {
    if message.contains("expected a string") {
        "write the value in quotes; after --set, in quotes for TOML as well as for the shell: --set 'KEY=\"VALUE\"'"
    } else if message.contains("a duration") {
        "durations are written as \"250ms\", \"1.5s\", \"30s\", \"5m\" or \"2h\""
    } else {
        ""
    }
}

/// The parser's message without the names of Rust's types.
fn plain(message: &str) -> String {
    let mut plain = message.to_owned();
    for (rust, words) in [
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number from 0 to 9223372036854775807"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
    ] {
        plain = plain.replace(rust, words);
    }
    if let Some((kind, _)) =
        plain.split_once("expected struct ").or_else(|| plain.split_once("expected enum "))
    {
        plain = format!("{kind}expected a table of settings");
    }
    plain
}

/// What to write instead of `name`: the nearest of the known names, or all of them.
pub fn choices(name: &str, known: &[&str], what: &str) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing can stand here".to_owned(),
        None if known.len() == 1 => format!("the only one here is {}", known[0]),
        None => format!("the {what} here are {}", known.join(", ")),
    }
}

/// The nearest of the known names, if any is near.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |known: &&str| distance(name, known) <= 1 + name.len().max(known.len()) / 4;
    known.iter().copied().filter(close).min_by_key(|known| distance(name, known))
}

/// How many characters must be put in, taken out or changed to turn `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_suggested_and_far_ones_are_listed() {
        assert_eq!(
            choices("calls_per_secnd", &["calls_per_second", "bhca"], "keys"),
            "did you mean `calls_per_second`?"
        );
        assert_eq!(
            choices("rate", &["calls_per_second", "bhca"], "keys"),
            "the keys here are calls_per_second, bhca"
        );
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn the_names_of_rusts_types_do_not_reach_the_user() {
        let problem = of_structure("invalid value: integer `-5`, expected u32", None);
        assert_eq!(
            problem.kind.to_string(),
            "invalid value: integer `-5`, expected a whole number from 0 to 4294967295"
        );
    }
}
