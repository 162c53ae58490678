//! The key figures, each with what it is.

use std::io;

use super::super::units::figure;
use super::{HOUR_US, Page, RunRecord, WIDTH, wrapped};
use crate::record::{GLOSSARY, RecordError, Term};

/// Columns of names and of values, and how far a definition is indented.
const NAMES: usize = 16;
const VALUES: usize = 13;
const DEFINITION: usize = 6;

impl Page<'_> {
    /// Every key figure with its definition: a figure whose meaning has to be guessed is worth nothing.
    pub(super) fn glossary(&mut self, record: &RunRecord) -> Result<(), RecordError> {
        let kpi = serde_json::to_value(record.kpi).map_err(io::Error::other)?;
        let value = |term: &Term| match term.name {
            "closes_per_1000_connection_hours" => {
                record.closes_per_1000_connection_hours.filter(|_| record.counted.connected_us > HOUR_US)
            }
            name => kpi.get(name).and_then(serde_json::Value::as_f64),
        };
        self.line("")?;
        self.line("Key figures   ratios of calls are over due - blocked - unfinished - redirected")?;
        for term in GLOSSARY {
            self.term(term, value(term))?;
        }
        Ok(())
    }

    fn term(&mut self, term: &Term, value: Option<f64>) -> io::Result<()> {
        let value = value.map_or("-".to_owned(), |value| format!("{} {}", figure(value), term.unit));
        self.line(&format!("  {:<NAMES$} {value:>VALUES$}  {}", term.name, term.long))?;
        let source = match term.defined_in {
            "" => String::new(),
            source => format!(" ({source})"),
        };
        for line in wrapped(&format!("{}{source}", term.definition), WIDTH - DEFINITION) {
            self.line(&format!("{:DEFINITION$}{line}", ""))?;
        }
        Ok(())
    }
}
