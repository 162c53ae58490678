//! `run.json`: the record and its verdict, for programs.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::record::{RecordError, RunRecord};
use crate::verdict::Verdict;

/// Everything in `run.json`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "The record of a run of wtsp-load", rename = "Run")]
struct Run<'a> {
    #[serde(flatten)]
    record: &'a RunRecord,
    /// What the run proves.
    verdict: &'a Verdict,
}

/// Writes `run.json`. The seconds of the run are read from its log one by one.
///
/// # Errors
/// The log cannot be read, or the writer refuses.
pub fn json(record: &RunRecord, verdict: &Verdict, out: &mut dyn Write) -> Result<(), RecordError> {
    // Asked first, so that a log that is missing is said by name.
    record.intervals.read()?;
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Outline::default());
    Run { record, verdict }.serialize(&mut serializer).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// The JSON schema of `run.json`.
pub fn run_schema() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Run<'static>>()
}

/// How deep a value may be nested and still stand on lines of its own. What is deeper shares the line of what it is
/// in, so that a second of the run, or a metric, is one line.
const OUTLINE_DEPTH: usize = 2;

/// Writes the outline of a JSON document on lines, and its details within them.
#[derive(Default)]
struct Outline {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

impl Outline {
    /// Whether what is written now is within a line.
    fn is_compact(&self) -> bool {
        self.depth > OUTLINE_DEPTH
    }
}

/// Hands each call to the pretty or to the compact formatter.
macro_rules! by_depth {
    ($self:ident . $call:ident ( $($argument:expr),* )) => {
        if $self.is_compact() {
            CompactFormatter.$call($($argument),*)
        } else {
            $self.pretty.$call($($argument),*)
        }
    };
}

impl Formatter for Outline {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        by_depth!(self.begin_array(writer))
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = by_depth!(self.end_array(writer));
        self.depth -= 1;
        ended
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        by_depth!(self.begin_array_value(writer, first))
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self.end_array_value(writer))
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        by_depth!(self.begin_object(writer))
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = by_depth!(self.end_object(writer));
        self.depth -= 1;
        ended
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        by_depth!(self.begin_object_key(writer, first))
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self.begin_object_value(writer))
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self.end_object_value(writer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_share_a_line() {
        let value = serde_json::json!({ "a": [{ "b": [1, 2] }, {}], "c": { "d": [1] }, "e": [] });
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, Outline::default());
        value.serialize(&mut serializer).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": [\n    {\"b\":[1,2]},\n    {}\n  ],\n  \"c\": {\n    \"d\": [1]\n  },\n  \"e\": []\n}"
        );
    }
}
