//! The text that a plan is made from: the profile's own, and what the command line adds to it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Overrides;
use super::error::{Problem, ProblemKind, masked};

/// The largest profile that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A profile's text with the command line's overrides appended to it, so that one span can point at either.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    text: String,
    /// How many bytes of `text` are the file's.
    file_end: usize,
    pub(super) edits: Vec<Edit>,
}

/// One value from the command line that takes the place of what the profile says.
#[derive(Clone)]
pub(super) struct Edit {
    /// The option that it came with, such as `--set`.
    pub(super) option: &'static str,
    /// Where its text is.
    pub(super) span: Range<usize>,
    /// The dotted key that it sets.
    pub(super) key: String,
    /// Where the value's text is.
    pub(super) value: Range<usize>,
    /// Whether the value is a text as it stands, rather than TOML.
    pub(super) literal: bool,
}

/// Where a span is, in words.
pub(super) struct Place<'a> {
    pub(super) name: String,
    pub(super) text: &'a str,
    pub(super) span: Option<Range<usize>>,
}

impl Source {
    /// Reads the profile and notes the overrides, with all that is wrong with either.
    pub(super) fn read(path: &Path, overrides: &Overrides) -> (Source, Vec<Problem>) {
        let (text, mut problems) = match read_text(path) {
            Ok(text) => (text, Vec::new()),
            Err(problem) => (String::new(), vec![problem]),
        };
        let mut source = Source { path: path.to_owned(), file_end: text.len(), text, edits: Vec::new() };
        for set in &overrides.set {
            problems.extend(source.add_set(set).err());
        }
        source.add_options(overrides);
        (source, problems)
    }

    /// The profile's own text.
    pub(super) fn file_text(&self) -> &str {
        &self.text[..self.file_end]
    }

    pub(super) fn text_of(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    fn add_set(&mut self, set: &str) -> Result<(), Problem> {
        let span = self.append(set);
        let (key, value) = set.split_once('=').unwrap_or((set, ""));
        let key = key.trim().to_owned();
        let wrong = if !set.contains('=') {
            Some("there is no `=`")
        } else if key.split('.').any(|part| part.trim().is_empty()) {
            Some("the key, or a part of it, is empty")
        } else {
            None
        };
        let value = span.end - value.len()..span.end;
        self.edits.push(Edit { option: "--set", span: span.clone(), key, value, literal: false });
        let usage =
            "write it as --set KEY=VALUE with a dotted key, such as --set stages.1.calls_per_second=5";
        wrong.map_or(Ok(()), |wrong| {
            Err(Problem::new(ProblemKind::Override(wrong.to_owned()), Some(span), usage))
        })
    }

    /// The options of their own come after every `--set`, so that they win.
    fn add_options(&mut self, overrides: &Overrides) {
        let flow = |name: &String| {
            let name = toml::Value::String(name.clone());
            format!("[{{ flow = {name}, weight = 1 }}]")
        };
        let options = [
            ("--target", "target.url", overrides.target.clone(), true),
            ("--dialect", "target.dialect", overrides.dialect.clone(), true),
            ("--seed", "seed", overrides.seed.map(|seed| seed.to_string()), false),
            ("--flow", "calls.mix", overrides.flow.as_ref().map(flow), false),
        ];
        for (option, key, text, literal) in options {
            if let Some(text) = text {
                let span = self.append(&text);
                self.edits.push(Edit { option, key: key.to_owned(), value: span.clone(), span, literal });
            }
        }
    }

    /// Whether a span points at the command line rather than at the file.
    pub(super) const fn is_override(&self, span: &Range<usize>) -> bool {
        span.start > self.file_end
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Where a span is: `file:line:column`, or the option of the command line.
    pub(super) fn place(&self, span: Option<&Range<usize>>) -> Place<'_> {
        let path = self.path.display().to_string();
        let Some(span) = span else {
            return Place { name: path, text: "", span: None };
        };
        if let Some(edit) =
            self.edits.iter().find(|edit| (edit.span.start..=edit.span.end).contains(&span.start))
        {
            let text = self.text_of(edit.span.clone());
            let end = span.end.min(edit.span.end) - edit.span.start;
            let name = format!("{} {}", edit.option, masked(text));
            return Place { name, text, span: Some(span.start - edit.span.start..end) };
        }
        let before = &self.text[..span.start.min(self.file_end)];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        let span = span.start..span.end.min(self.file_end);
        Place { name: format!("{path}:{line}:{column}"), text: self.file_text(), span: Some(span) }
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let wrong = |message: String, help: &str| Problem::new(ProblemKind::Unreadable(message), None, help);
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            wrong("there is no such file".to_owned(), "the profiles that come along are in profiles/")
        }
        ErrorKind::IsADirectory => wrong("this is a directory".to_owned(), "name a profile within it"),
        _ => wrong(format!("cannot read the profile: {error}"), ""),
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(
            format!("larger than {LARGEST} bytes, which no profile is"),
            "subscribers belong into a file of their own: [subscribers] file = \"subscribers.csv\"",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        wrong(format!("line {line} is not UTF-8 text"), "save the profile as UTF-8")
    })
}
