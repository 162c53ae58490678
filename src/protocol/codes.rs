//! The code tables (protocol, section 6): closed types, with what a load test should conclude from each code.
//!
//! The same number means different things in different kinds of message (section 6.3), so each kind has a type of its
//! own, and numbers are counted by kind and code. A number that no table has is kept as `Other`.

mod close;
mod error;
mod hangup;

pub use close::{Advice, CloseClass, CloseCode};
pub use error::{ErrorCategory, EventErrorCode, ResponseErrorCode};
pub use hangup::{HangupClass, HangupCode, RegistrationFailure};

/// Writes a table of codes: for each its number, its variant, its name and the facts about it.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        $table:ident: $number:ty, $facts:ty {
            $($code:literal $variant:ident $name:literal $fact:tt;)+
            other $other_name:literal $other_fact:tt;
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $table {
            $(#[doc = concat!("`", $code, "`: ", $name)] $variant,)+
            /// A number that the table does not have.
            Other($number),
        }

        impl $table {
            /// All that the table has, by number.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// What the table has for this number.
            pub const fn new(code: $number) -> Self {
                match code {
                    $($code => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            pub const fn code(self) -> $number {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Other(code) => code,
                }
            }

            /// The name in records and reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(_) => $other_name,
                }
            }

            const fn facts(self) -> $facts {
                match self {
                    $(Self::$variant => $fact,)+
                    Self::Other(_) => $other_fact,
                }
            }
        }

        impl From<$number> for $table {
            fn from(code: $number) -> Self {
                Self::new(code)
            }
        }
    };
}

use codes;
