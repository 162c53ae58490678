//! What was wrong with a message: repaired, or beyond it.

use std::fmt;

use thiserror::Error;

/// The longest message that is read (section 10, row 22).
pub const MAX_MESSAGE: usize = 1 << 20;

/// Why a text is not a message: section 10, rows 3, 23, 40 and 43. A client drops it, a core closes with
/// [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Malformed {
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Longer than [`MAX_MESSAGE`].
    #[error("longer than 1 MiB")]
    TooLong,
    /// Not JSON.
    #[error("not JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A key of the protocol is there twice.
    #[error("a key is there twice")]
    DuplicateKey,
    /// None of `handshake`, `request`, `response`, `event`.
    #[error("none of the keys handshake, request, response, event")]
    NoKind,
    /// The value of that key is not a text.
    #[error("the kind's value is not a text")]
    KindNotText,
    /// A property without which the message means nothing.
    #[error("{0} is missing")]
    MissingProperty(&'static str),
    /// A property of a type that it cannot have.
    #[error("{0} is of the wrong type")]
    WrongType(&'static str),
}

impl Malformed {
    /// The name in records: from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::DuplicateKey => "duplicate_key",
            Self::NoKind => "no_kind",
            Self::KindNotText => "kind_not_text",
            Self::MissingProperty(_) => "missing_property",
            Self::WrongType(_) => "wrong_type",
        }
    }
}

/// Writes the closed set of repairs.
macro_rules! repairs {
    ($($(#[$meta:meta])* $repair:ident = $name:literal,)+) => {
        /// Something wrong in a message that was put right on reading (section 10).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Repair {
            $($(#[$meta])* $repair,)+
        }

        impl Repair {
            /// All of them, in the order of [`index`](Self::index).
            pub const ALL: &'static [Self] = &[$(Self::$repair),+];

            /// How many there are: the length of an array of counters.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in records.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$repair => $name,)+
                }
            }

            /// The place in [`ALL`](Self::ALL), and in an array of counters.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

repairs! {
    /// Several kind keys: the first in the order of section 3.1 counts.
    MultiKind = "multi_kind",
    /// The state came as an event (decision 12.5).
    StateAsEvent = "state_as_event",
    /// Properties at the top level and in `data`, or where the other dialect has them (row 42).
    DialectMix = "dialect_mix",
    /// `data` is not an object (row 41).
    BadData = "bad_data",
    /// `line` is not a line number (row 24).
    BadLine = "bad_line",
    /// An event of a call without a usable `call_id`.
    NoCallId = "no_call_id",
    /// `transaction` is not a text.
    BadTransaction = "bad_transaction",
    /// An id longer than section 7 allows; taken as absent.
    OverlongId = "overlong_id",
    /// `null` where a value belongs (row 25).
    NullProperty = "null_property",
    /// A number written as a text, or a text as a number (row 25).
    Coerced = "coerced",
    /// A property of a type that cannot be coerced; taken as absent.
    WrongType = "wrong_type",
    /// No `code` where one belongs.
    NoCode = "no_code",
    /// The top-level `error` of responses before February 2023 (decision 12.9).
    LegacyError = "legacy_error",
    /// A `jsep` that cannot be used; taken as absent (row 28).
    BadJsep = "bad_jsep",
    /// A `candidate` that is neither an object nor `null`.
    BadCandidate = "bad_candidate",
    /// The keepalive interval is missing or insane (section 4.6).
    BadKeepaliveInterval = "bad_keepalive_interval",
    /// The registration is missing or of an unknown status (row 16).
    BadRegistration = "bad_registration",
    /// `lines`, one of them, or the guest line is not what it should be (row 16).
    BadLines = "bad_lines",
    /// More lines than are kept.
    TooManyLines = "too_many_lines",
    /// A line without a usable log.
    NoCallLogs = "no_call_logs",
    /// Entries of a log were skipped (row 13).
    SkippedLogEntry = "skipped_log_entry",
}

/// The repairs that one message took.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Repairs(u32);

impl Repairs {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u32;
    }

    /// Whether it was among them.
    pub const fn contains(self, repair: Repair) -> bool {
        self.0 & (1 << repair as u32) != 0
    }

    /// Whether there were none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, once.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.iter().copied().filter(move |repair| self.contains(*repair))
    }
}

impl fmt::Debug for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
