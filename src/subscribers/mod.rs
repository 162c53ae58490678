//! Who signs on: the subscribers of a run and their tokens.
//!
//! A subscribers file is CSV with the header `token,number`, or `login,password` with a `number` or without, one
//! subscriber a line. With a login and a password the REST API of the Core makes a session, and its token: [`rest`].
//! Tokens and passwords are [`Secret`]s: they are never printed, neither by their own formatting nor in an error about
//! the line on which they stand.
//!
//! ```
//! use wtsp_load::subscribers::{SubscriberList, parse};
//!
//! let Ok(SubscriberList::Tokens(list)) = parse("token,number\nt-1,1001\nt-2,1002\n") else { panic!() };
//! assert_eq!(list[1].number, "1002");
//! assert_eq!(format!("{:?}", list[1].token), "***");
//! ```

mod csv;
pub mod rest;
mod secret;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use csv::parse;
pub use secret::Secret;

/// The largest subscribers file that is read, in bytes: some two million subscribers.
const LARGEST: u64 = 256 << 20;

/// A subscriber: whom a client signs on as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The session token that the client signs on with.
    pub token: Secret,
    /// The number under which the subscriber is called.
    pub number: String,
}

/// What a client signs in with, to get a session and its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The login. It is no secret: errors name it.
    pub login: String,
    /// The password.
    pub password: Secret,
    /// The number under which the subscriber is called; nothing if the Core is to be asked.
    pub number: Option<String>,
}

/// What a subscribers file lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberList {
    /// Sessions that are there already.
    Tokens(Vec<Subscriber>),
    /// Subscribers whose sessions have to be made.
    Credentials(Vec<Credentials>),
}

impl SubscriberList {
    /// How many subscribers there are.
    pub fn len(&self) -> usize {
        match self {
            SubscriberList::Tokens(list) => list.len(),
            SubscriberList::Credentials(list) => list.len(),
        }
    }

    /// Whether there is none; [`parse`] gives no such list.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why there are no subscribers. Displayed as `file:line: what is wrong; cure`, and never with a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriberError {
    /// The file cannot be read.
    #[error("{}: cannot read the subscribers file: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is too large to be a list of subscribers.
    #[error("{}: {size} bytes are too many for a subscribers file; the limit is {LARGEST}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A line that cannot be.
    #[error("{}:{error}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        error: LineError,
    },
}

/// What is wrong with a line of a subscribers file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {problem}")]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What can be wrong with a line of a subscribers file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// A file without a single subscriber.
    #[error(
        "no subscriber; write the header `token,number` or `login,password,number`, and a line for each subscriber"
    )]
    Empty,
    /// The first line is not the header.
    #[error("the first line must be the header `token,number`, `login,password,number` or `login,password`")]
    NoHeader,
    /// Not two columns.
    #[error("{0} column(s) where two are needed: `token,number`")]
    Columns(usize),
    /// Not the columns of the header.
    #[error("{found} column(s) where the header has {needed}; a password with a comma belongs into quotes")]
    LoginColumns {
        /// How many there are.
        found: usize,
        /// How many the header has.
        needed: usize,
    },
    /// A column without a value.
    #[error("the {0} is empty")]
    EmptyColumn(&'static str),
    /// A column with a character that cannot be part of it.
    #[error("the {0} contains a space or a control character")]
    Space(&'static str),
    /// A column with a control character.
    #[error("the {0} contains a control character")]
    Control(&'static str),
    /// A quote that does not enclose a whole column.
    #[error("a quote may only enclose a whole column, and there is none within it; remove the quotes")]
    Quote,
    /// The same value as on an earlier line.
    #[error("the {column} is the same as on line {first}; every subscriber needs one of its own")]
    Duplicate {
        /// `token`, `login` or `number`.
        column: &'static str,
        /// The line on which it stood first.
        first: usize,
    },
    /// Text that is not UTF-8.
    #[error("not UTF-8 text; save the file as UTF-8")]
    NotUtf8,
}

/// Reads the subscribers file at `path`.
///
/// # Errors
/// [`SubscriberError`], with the line where there is one.
pub fn load(path: &Path) -> Result<SubscriberList, SubscriberError> {
    let unreadable = |source| SubscriberError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(SubscriberError::TooLarge { path: path.to_owned(), size });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    decode(bytes).map_err(|error| SubscriberError::Line { path: path.to_owned(), error })
}

fn decode(bytes: Vec<u8>) -> Result<SubscriberList, LineError> {
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes().iter().take(good).filter(|&&byte| byte == b'\n').count();
            Err(LineError { line, problem: LineProblem::NotUtf8 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("subscribers.csv");
        fs::write(&path, bytes).expect("written");
        (folder, path)
    }

    #[test]
    fn a_file_of_a_hundred_thousand_subscribers_is_read() {
        let mut text = String::from("token,number\n");
        for index in 0..100_000 {
            text.push_str(&format!("token-{index},{index}\n"));
        }
        let (_folder, path) = written(text.as_bytes());
        let Ok(SubscriberList::Tokens(list)) = load(&path) else { panic!("a list of tokens") };
        assert_eq!(list.len(), 100_000);
        assert_eq!(list[99_999].token.expose(), "token-99999");
    }

    #[test]
    fn an_error_names_the_file_and_the_line_and_never_a_token() {
        let (_folder, path) = written(b"token,number\nsecret-a,1\nsecret-a,2\n");
        let message = load(&path).expect_err("a duplicate").to_string();
        assert!(message.starts_with(&format!("{}:3: the token is the same as on line 2", path.display())));
        assert!(!message.contains("secret-a"), "{message}");
        let debug = format!("{:?}", load(&path));
        assert!(!debug.contains("secret-a"), "{debug}");
    }

    #[test]
    fn an_error_never_shows_a_password() {
        for lines in ["a,hush-1,1\nb,hush-1\n", "a,hush-1,1\na,hush-2,2\n", "a,\"hush-1,1\n"] {
            let (_folder, path) = written(format!("login,password,number\n{lines}").as_bytes());
            let error = load(&path).expect_err("refused");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
        let (_folder, path) = written(b"login,password\na,hush-1\n");
        assert!(!format!("{:?}", load(&path)).contains("hush"));
    }

    #[test]
    fn a_missing_file_a_folder_and_wrong_bytes_are_told_apart() {
        let (folder, path) = written(b"token,number\na,1\nb,\xff\n");
        assert!(load(&path).expect_err("bytes").to_string().contains(":3: not UTF-8"));
        let missing = folder.path().join("none.csv");
        assert!(matches!(load(&missing), Err(SubscriberError::Unreadable { .. })));
        assert!(matches!(load(folder.path()), Err(SubscriberError::Unreadable { .. })));
    }
}
