//! What a client asks for in its URL (protocol, section 1.1).

use percent_encoding::percent_decode_str;

use crate::transport::{Asked, Refusal};

/// The parts of a connection's URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The tenant, if the path names one.
    pub(super) tenant: Option<String>,
    /// The session token; empty if there is none.
    pub(super) token: String,
    /// Take the session over from whoever is attached.
    pub(super) force: bool,
}

/// Whether a path is that of the signaling: any base path, an optional tenant, slashes in any number.
pub(super) fn is_signaling(asked: &Asked) -> Result<(), Refusal> {
    let mut segments = asked.path.rsplit('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some("v1"), Some("signaling")) => Ok(()),
        _ => Err(Refusal(404)),
    }
}

impl Address {
    /// The address of a path that [`is_signaling`]. The token comes from the query, else from a bearer header.
    pub(super) fn read(asked: &Asked) -> Address {
        let mut segments = asked.path.rsplit('/').filter(|segment| !segment.is_empty()).skip(2);
        let tenant = match (segments.next(), segments.next()) {
            (Some(id), Some("tenant")) => Some(decode(id)),
            _ => None,
        };
        let query = |name: &str| {
            let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(value))
        };
        Address {
            tenant,
            token: query("token").or_else(|| asked.bearer.clone()).unwrap_or_default(),
            force: query("force").is_some_and(|force| force == "true"),
        }
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, query: &str, bearer: Option<&str>) -> Asked {
        Asked { path: path.to_owned(), query: query.to_owned(), bearer: bearer.map(str::to_owned) }
    }

    #[test]
    fn any_base_path_will_do_and_slashes_collapse() {
        for (path, tenant) in [
            ("/signaling/v1", None),
            ("//signaling/v1", None),
            ("/x/y//signaling///v1/", None),
            ("/tenant/acme/signaling/v1", Some("acme")),
            ("/x/tenant/a%20b/signaling/v1", Some("a b")),
            ("/tenant/x/y/signaling/v1", None),
        ] {
            let asked = asked(path, "token=t", None);
            assert_eq!(is_signaling(&asked), Ok(()), "{path}");
            assert_eq!(Address::read(&asked).tenant.as_deref(), tenant, "{path}");
        }
        for path in ["/", "/signaling", "/signaling/v2", "/signaling/v1/x", "/xsignaling/v1"] {
            assert_eq!(is_signaling(&asked(path, "", None)), Err(Refusal(404)), "{path}");
        }
    }

    #[test]
    fn the_query_token_wins_over_the_bearer() {
        for (query, bearer, token, force) in [
            ("token=a%2Bb&force=true", Some("c"), "a+b", true),
            ("force=false", Some("c"), "c", false),
            ("force=1&token=", None, "", false),
            ("", None, "", false),
        ] {
            let address = Address::read(&asked("/signaling/v1", query, bearer));
            assert_eq!((address.token.as_str(), address.force), (token, force), "{query}");
        }
    }
}
