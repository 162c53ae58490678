//! What is wrong with a profile, where, and what to do about it.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::source::Source;

/// The kinds of problems that a profile can have. Each displays as its message, without place or cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file cannot be read, or is no text.
    #[error("{0}")]
    Unreadable(String),
    /// It is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that no version knows.
    #[error("unknown key `{0}`")]
    UnknownKey(String),
    /// A value that is wrong in itself.
    #[error("{0}")]
    Value(String),
    /// Values that do not go together: the run could not be done as described.
    #[error("{0}")]
    Infeasible(String),
    /// A `--set` that cannot be applied.
    #[error("{0}")]
    Override(String),
}

/// One thing that is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, in bytes of the [`Source`]; `None` for the file as a whole.
    pub(super) span: Option<Range<usize>>,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, span: Option<Range<usize>>, help: impl Into<String>) -> Problem {
        Problem { kind, span, help: Some(help.into()).filter(|help| !help.is_empty()) }
    }
}

/// All that is wrong with a profile.
///
/// Displays every problem as `file:line:column: message`, the line itself with a caret, and `help:` with the cure;
/// whatever may be a token or a password is blotted out.
#[derive(thiserror::Error)]
#[error("{}", self.render(false))]
pub struct ProfileErrors {
    source_text: Source,
    problems: Vec<Problem>,
}

impl ProfileErrors {
    pub(super) fn new(source_text: Source, problems: Vec<Problem>) -> ProfileErrors {
        ProfileErrors { source_text, problems }
    }

    /// The problems, in the order in which they were found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems as a person reads them, with colours for a terminal if `styled`.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let rendered: Vec<String> =
            self.problems.iter().map(|problem| render(&renderer, &self.source_text, problem)).collect();
        rendered.join("\n\n")
    }
}

impl fmt::Debug for ProfileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

fn render(renderer: &Renderer, source: &Source, problem: &Problem) -> String {
    let place = source.place(problem.span.as_ref());
    let message = masked(&problem.kind.to_string());
    let title = Level::ERROR.with_name(place.name).primary_title(message);
    let help = problem.help.as_deref().map(|help| Level::HELP.message(masked(help)));
    let mut group = annotate_snippets::Group::with_title(title);
    if let Some(span) = place.span {
        let snippet = Snippet::source(masked(place.text))
            .annotation(AnnotationKind::Primary.span(first_line(place.text, span)));
        group = group.element(snippet);
    }
    let rendered = renderer.render(&[group.elements(help)]);
    // The gutter leaves spaces at the ends of some lines.
    rendered.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The part of a span that is on its first line: a caret, not a fence.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let end =
        text.get(span.clone()).and_then(|text| text.find('\n')).map_or(span.end, |end| span.start + end);
    span.start..end.max(span.start)
}

/// The text with everything blotted out that may be a secret, without changing its length in bytes: user, password,
/// query and fragment of URLs, and what is assigned to a key whose name speaks of a secret.
pub(super) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let url = &text[start..];
        let end = start + url.find(['"', '\'', '`', '\n', ' ']).unwrap_or(url.len());
        if let Some(user) = text[start..end].rfind('@') {
            bytes[start..start + user].fill(b'*');
        }
        if let Some(query) = text[start..end].find(['?', '#']) {
            bytes[start + query + 1..end].fill(b'*');
        }
    }
    for word in ["token", "password", "secret"] {
        for (at, _) in text.match_indices(word) {
            blot_value(text, at + word.len(), &mut bytes);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Blots out the rest of the line after an equals sign that follows at `from`.
fn blot_value(text: &str, from: usize, bytes: &mut [u8]) {
    let rest = &text[from..];
    let line = rest.lines().next().unwrap_or_default();
    let name = line.trim_start_matches(|char: char| char.is_alphanumeric() || "_-\"' ".contains(char));
    if name.starts_with('=') {
        let start = from + (line.len() - name.len()) + 1;
        bytes[start..from + line.len()].fill(b'*');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_blotted_out_and_nothing_else_changes() {
        assert_eq!(masked("url = \"wss://u:p@a/b?key=é#x\" # y"), "url = \"wss://***@a/b?********\" # y");
        assert_eq!(masked("token = \"hush\"\nname = \"a\""), "token =*******\nname = \"a\"");
        assert_eq!(masked("url = \"wss://a/b\" # no token here"), "url = \"wss://a/b\" # no token here");
        assert_eq!(masked("header `token,number`"), "header `token,number`");
    }
}
