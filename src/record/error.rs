//! What can go wrong with a record.

use std::io;
use std::path::{Path, PathBuf};

/// A record could not be written or read. Each names the file and, where there is one, the cure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The operating system refused to write.
    #[error("cannot write {}: {source}{}", path.display(), cure(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A stream could not be written to; whoever opened it knows its name.
    #[error("cannot write: {0}")]
    Stream(#[from] io::Error),
    /// The operating system refused to read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds no record of a run.
    #[error(
        "{} holds no record of a run: neither run.json nor intervals.jsonl; give a directory under reports/",
        path.display()
    )]
    NoRecord {
        /// The directory.
        path: PathBuf,
    },
    /// The run was made without a list of its calls.
    #[error(
        "{} has no calls.csv: a run writes it with `--cdr`, or with `cdr = true` in [calls] of its profile",
        path.display()
    )]
    NoCalls {
        /// The directory.
        path: PathBuf,
    },
    /// The run has not measured this latency, or none was named.
    #[error("{}; it has {there}", match name {
        Some(name) => format!("the run has no latency `{name}`"),
        None => "this report is about one latency: name it".to_owned(),
    })]
    NoLatency {
        /// The one that was asked for.
        name: Option<String>,
        /// Those that there are.
        there: String,
    },
    /// The output directory holds a run already.
    #[error("{} holds a run already; give --out a new directory", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// A file is damaged.
    #[error("{} line {line}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file was written by a version of this program that this one does not know.
    #[error("{} has schema version {found}; this program reads version {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version that this program writes.
        known: u32,
    },
}

impl RecordError {
    /// A failure to write `path`.
    pub fn write(path: &Path, source: io::Error) -> RecordError {
        RecordError::Write { path: path.to_owned(), source }
    }

    /// A failure to read `path`.
    pub fn read(path: &Path, source: io::Error) -> RecordError {
        RecordError::Read { path: path.to_owned(), source }
    }

    /// The same, where a stream that could not be written to is known to be `path`.
    pub(super) fn at(self, path: &Path) -> RecordError {
        match self {
            RecordError::Stream(source) => RecordError::write(path, source),
            other => other,
        }
    }

    /// The same once more: what was said when it happened is said again at the end.
    pub(super) fn again(&self) -> RecordError {
        match self {
            RecordError::Write { path, source } => {
                let code = source.raw_os_error();
                let again = code.map_or_else(|| source.kind().into(), io::Error::from_raw_os_error);
                RecordError::write(path, again)
            }
            other => RecordError::Stream(io::Error::other(other.to_string())),
        }
    }

    /// Damage at a line of `path`, counted from 1.
    pub fn damaged(path: &Path, line: usize, reason: impl ToString) -> RecordError {
        RecordError::Damaged { path: path.to_owned(), line, reason: reason.to_string() }
    }
}

/// What the user can do about a failed write.
fn cure(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or write elsewhere with --out"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; write elsewhere with --out",
        _ => "",
    }
}
