//! The TOML of a profile with the command line's overrides put in, and where everything in it came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, ProblemKind};
use super::file::ProfileFile;
use super::source::{Edit, Source};
use super::words;

/// Keys of which a table holds one at most: an override of one takes the place of the others.
const EXCLUSIVE: [&[&str]; 3] = [
    &["file", "count"],
    &["calls_per_second", "calls_ramp", "bhca", "erlangs"],
    &["fixed", "uniform", "exponential", "lognormal"],
];

/// Where each key and value of a profile stands, by dotted path.
pub(super) struct Places(BTreeMap<String, (Range<usize>, Range<usize>)>);

impl Places {
    /// Where the value at `path` stands, or else the innermost table that would hold it.
    pub(super) fn value(&self, path: &str) -> Option<Range<usize>> {
        let mut path = path;
        loop {
            if let Some((_, value)) = self.0.get(path) {
                return Some(value.clone());
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// Where the key at `path` stands, or else the innermost table that would hold it.
    pub(super) fn key(&self, path: &str) -> Option<Range<usize>> {
        self.0.get(path).map(|(key, _)| key.clone()).or_else(|| self.value(path))
    }

    fn note(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.note_table(path, table),
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    let path = format!("{path}.{index}");
                    self.0.insert(path.clone(), (value.span(), value.span()));
                    self.note(&path, value);
                }
            }
            _ => {}
        }
    }

    fn note_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{}", key.get_ref());
            self.0.insert(path.clone(), (key.span(), value.span()));
            self.note(&path, value);
        }
    }
}

/// Reads the TOML, puts the overrides in and gives the profile as written, with the places of its values.
pub(super) fn read(source: &Source) -> Result<(ProfileFile, Places), Vec<Problem>> {
    let (mut table, errors) = DeTable::parse_recoverable(source.file_text());
    if !errors.is_empty() {
        return Err(errors.iter().map(syntax).collect());
    }
    let problems: Vec<Problem> =
        source.edits.iter().filter_map(|edit| apply(edit, source, table.get_mut()).err()).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut places = Places(BTreeMap::new());
    places.note_table("", table.get_ref());
    let file = ProfileFile::deserialize(toml::Deserializer::from(table))
        .map_err(|error| vec![words::of_structure(error.message(), error.span())])?;
    Ok((file, places))
}

fn syntax(error: &toml::de::Error) -> Problem {
    let message = format!("this is not TOML: {}", error.message());
    Problem::new(ProblemKind::Syntax(message), error.span(), "")
}

fn apply<'a>(edit: &Edit, source: &'a Source, table: &mut DeTable<'a>) -> Result<(), Problem> {
    let value = value_of(edit, source).map_err(|message| {
        let help = "quote it for the shell, and texts for TOML as well";
        wrong(edit, format!("the value is not TOML: {message}"), help)
    })?;
    let parts = parts(&edit.key);
    let Some((last, parents)) = parts.split_last() else { return Ok(()) };
    let table = inner_table(table, parents, edit)?;
    for other in EXCLUSIVE.iter().filter(|group| group.contains(last)).copied().flatten() {
        table.remove(*other);
    }
    table.remove(*last);
    table.insert(Spanned::new(edit.span.clone(), Cow::Owned((*last).to_owned())), value);
    Ok(())
}

/// The parts of a dotted key. The name of a figure is one part, as it is where a profile writes it in quotes.
fn parts(key: &str) -> Vec<&str> {
    let Some(rest) = key.strip_prefix("thresholds.") else { return key.split('.').map(str::trim).collect() };
    let option =
        rest.rsplit_once('.').filter(|(_, last)| ["limit", "abort", "stage", "warm_up"].contains(last));
    let (name, option) = option.map_or((rest, None), |(name, option)| (name, Some(option)));
    ["thresholds", name.trim().trim_matches('"')].into_iter().chain(option).collect()
}

fn wrong(edit: &Edit, message: String, help: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Override(message), Some(edit.span.clone()), help)
}

/// The table at the end of a path, made where it is missing. A number chooses from a list of tables.
fn inner_table<'t, 'a>(
    table: &'t mut DeTable<'a>,
    path: &[&str],
    edit: &Edit,
) -> Result<&'t mut DeTable<'a>, Problem> {
    let Some((name, rest)) = path.split_first() else { return Ok(table) };
    let key = Spanned::new(edit.span.clone(), Cow::Owned((*name).to_owned()));
    let missing = || Spanned::new(edit.span.clone(), DeValue::Table(DeTable::new()));
    match table.entry(key).or_insert_with(missing).get_mut() {
        DeValue::Table(table) => inner_table(table, rest, edit),
        DeValue::Array(array) => {
            let count = array.len();
            let number = rest.first().and_then(|part| part.parse::<usize>().ok());
            match number.and_then(|number| array.get_mut(number)).map(Spanned::get_mut) {
                Some(DeValue::Table(table)) => inner_table(table, rest.get(1..).unwrap_or_default(), edit),
                _ => Err(wrong(edit, format!("there is no `{}`", edit.key), counted(name, count))),
            }
        }
        _ => Err(wrong(edit, format!("`{name}` is not a table"), "")),
    }
}

fn counted(path: &str, count: usize) -> String {
    match count.checked_sub(1) {
        Some(last) => format!("`{path}` has the numbers 0 to {last}: {path}.0.KEY"),
        None => format!("`{path}` is empty"),
    }
}

fn value_of<'a>(edit: &Edit, source: &'a Source) -> Result<Spanned<DeValue<'a>>, String> {
    let text = source.text_of(edit.value.clone());
    let bare = || Spanned::new(edit.value.clone(), DeValue::String(Cow::Owned(text.trim().to_owned())));
    if edit.literal {
        return Ok(bare());
    }
    match DeValue::parse(text) {
        Ok(mut value) => {
            shift(&mut value, edit.value.start);
            Ok(value)
        }
        // A bare word is a text; what was meant to be more than a word is not taken for one.
        Err(error) if text.trim_start().starts_with(['[', '{', '"', '\'']) => Err(error.message().to_owned()),
        Err(_) => Ok(bare()),
    }
}

/// Moves the spans of a value that was parsed on its own to where its text stands in the source.
fn shift(value: &mut Spanned<DeValue<'_>>, by: usize) {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let span = moved(value.span());
    let mut inner = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
    match &mut inner {
        DeValue::Array(array) => array.iter_mut().for_each(|value| shift(value, by)),
        DeValue::Table(table) => {
            let entries = std::mem::take(table);
            for (key, mut value) in entries {
                shift(&mut value, by);
                let span = moved(key.span());
                table.insert(Spanned::new(span, key.into_inner()), value);
            }
        }
        _ => {}
    }
    *value = Spanned::new(span, inner);
}
