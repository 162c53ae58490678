//! Star codes: what is dialled before a number to get a call of another kind.
//!
//! A gateway decides for itself whether a call has early media, and a PBX whether it passes an offer on. Here the caller
//! does, call by call, so that one core serves all flows at the same time.

use crate::protocol::normalise_number;

/// What a caller asks for with a code before the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StarCode {
    /// `*183`: early media (protocol, section 5.4).
    EarlyMedia,
    /// `*100`: the callee gets no offer (section 5.9).
    Offerless,
}

impl StarCode {
    const ALL: [StarCode; 2] = [StarCode::EarlyMedia, StarCode::Offerless];

    const fn digits(self) -> &'static str {
        match self {
            StarCode::EarlyMedia => "*183",
            StarCode::Offerless => "*100",
        }
    }

    /// The code that a dialled number or SIP URI begins with, if any, and the number that is called.
    pub(super) fn split(dialled: &str) -> (Option<StarCode>, &str) {
        let number = normalise_number(dialled);
        let found =
            StarCode::ALL.into_iter().find_map(|code| Some((code, number.strip_prefix(code.digits())?)));
        found.map_or((None, number), |(code, number)| (Some(code), number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_from_its_number() {
        for (dialled, expected) in [
            ("15550177", (None, "15550177")),
            ("*18315550177", (Some(StarCode::EarlyMedia), "15550177")),
            ("*10015550177", (Some(StarCode::Offerless), "15550177")),
            ("sip:*10015550177@pbx.example.net", (Some(StarCode::Offerless), "15550177")),
            ("*183", (Some(StarCode::EarlyMedia), "")),
            ("*9915550177", (None, "*9915550177")),
            ("", (None, "")),
        ] {
            assert_eq!(StarCode::split(dialled), expected, "{dialled}");
        }
    }
}
