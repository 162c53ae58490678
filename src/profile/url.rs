//! Where the target is: its URL, with tenant and suffix as section 1.1 of the protocol document rules.

use std::fmt;
use std::net::Ipv6Addr;

use crate::protocol::BasePath;

/// The URL of a Core, tenant and suffix applied. Displays without token, as it holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether the connection is encrypted: `wss` rather than `ws`.
    pub secure: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The path up to the query: base path, tenant and `/signaling/v1`.
    pub path: String,
}

/// Why a text is not the URL of a Core.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No scheme, or one that is not known.
    #[error("the URL does not begin with wss:// or ws://")]
    Scheme,
    /// No host.
    #[error("the URL has no host")]
    NoHost,
    /// A host that cannot be.
    #[error("the host of the URL is neither a name nor an address")]
    Host,
    /// A port that cannot be.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// User name or password before the host.
    #[error("the URL holds a user name or a password")]
    UserInfo,
    /// A query, which might hold a token.
    #[error("the URL holds a query (`?...`)")]
    Query,
    /// A fragment.
    #[error("the URL holds a fragment (`#...`)")]
    Fragment,
    /// A character that has to be percent-encoded.
    #[error("the path of the URL holds a character that does not belong there")]
    Path,
    /// A tenant that cannot be part of a path.
    #[error("the tenant is not a single part of a path")]
    Tenant,
}

impl UrlError {
    /// What to do about it.
    pub const fn cure(&self) -> &'static str {
        match self {
            UrlError::Scheme | UrlError::NoHost => {
                "write it as \"wss://core.example.com\", or \"embedded\" for the embedded core"
            }
            UrlError::Host => {
                "write a host name (international ones in their xn-- form), an IPv4 address, or [an IPv6 address]"
            }
            UrlError::Port => "write a port such as :443, or none for the scheme's own",
            UrlError::UserInfo | UrlError::Query => {
                "remove it: tokens come from the subscribers file, and `force` is a key of [target]"
            }
            UrlError::Fragment => "remove it",
            UrlError::Path => "percent-encode it",
            UrlError::Tenant => "write the tenant's id alone, without `tenant/` and slashes",
        }
    }
}

impl ServerUrl {
    /// Reads a base URL and applies the tenant: a tenant's two path segments are appended, or take the place of
    /// those that the base path ends in; `/signaling/v1` is added when the path lacks it. `https` and `http` are
    /// read as `wss` and `ws`, as the vendor's clients do with the URL of the REST API.
    ///
    /// # Errors
    /// [`UrlError`]; a query is refused because it may hold a token, and it is not part of the message.
    pub fn parse(text: &str, tenant: Option<&str>) -> Result<ServerUrl, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "wss" | "https" => true,
            "ws" | "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        let before_fragment = rest.split('#').next().unwrap_or_default();
        if before_fragment.contains('?') {
            return Err(UrlError::Query);
        }
        if before_fragment.len() < rest.len() {
            return Err(UrlError::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = parse_authority(authority)?;
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        Ok(ServerUrl { secure, host, port, path: full_path(path, tenant)? })
    }
}

fn parse_authority(text: &str) -> Result<(String, Option<u16>), UrlError> {
    if text.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(UrlError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
            let port = after.strip_prefix(':').or(after.is_empty().then_some("")).ok_or(UrlError::Port)?;
            (address, (!after.is_empty()).then_some(port))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let named = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    if !text.starts_with('[') && !host.chars().all(named) {
        return Err(UrlError::Host);
    }
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().ok().filter(|&port| port != 0).ok_or(UrlError::Port)?)
        }
        Some(_) => return Err(UrlError::Port),
        None => None,
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn full_path(path: &str, tenant: Option<&str>) -> Result<String, UrlError> {
    let base = BasePath::parse(path).map_err(|_| UrlError::Path)?;
    let base = base.with_tenant(tenant.unwrap_or_default()).map_err(|_| UrlError::Tenant)?;
    Ok(base.signaling())
}

impl ServerUrl {
    /// The path of the Core, without `/signaling/v1`.
    pub fn base(&self) -> BasePath {
        // It was made from one.
        BasePath::parse(&self.path).unwrap_or_default()
    }

    /// Scheme, host and port of the REST API.
    pub fn rest_origin(&self) -> String {
        let (scheme, default_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = if self.port == default_port { String::new() } else { format!(":{}", self.port) };
        format!("{scheme}://{host}{port}")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.secure { ("wss", 443) } else { ("ws", 80) };
        let host = &self.host;
        if host.contains(':') { write!(f, "{scheme}://[{host}]") } else { write!(f, "{scheme}://{host}") }?;
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(base: &str, tenant: &str) -> String {
        ServerUrl::parse(base, Some(tenant)).expect("a URL").path
    }

    #[test]
    fn the_worked_examples_of_the_protocol_document_hold() {
        assert_eq!(path("https://core.example.net", ""), "/signaling/v1");
        assert_eq!(path("https://core.example.net", "acme"), "/tenant/acme/signaling/v1");
        assert_eq!(path("https://core.example.net/x/y", "acme"), "/x/y/tenant/acme/signaling/v1");
        assert_eq!(path("https://core.example.net/tenant/old", "acme"), "/tenant/acme/signaling/v1");
        assert_eq!(path("https://core.example.net/tenant/old", ""), "/tenant/old/signaling/v1");
    }

    #[test]
    fn only_a_tenant_at_the_end_is_replaced_and_the_suffix_is_added_once() {
        assert_eq!(path("wss://a/tenant/x/y", "acme"), "/tenant/x/y/tenant/acme/signaling/v1");
        assert_eq!(path("wss://a/signaling/v1", ""), "/signaling/v1");
        assert_eq!(path("wss://a/tenant/old/signaling/v1/", "acme"), "/tenant/acme/signaling/v1");
        assert_eq!(path("wss://a//b//", ""), "/b/signaling/v1");
    }

    #[test]
    fn a_url_is_displayed_with_its_port_only_where_it_is_not_the_schemes_own() {
        let shown = |text| ServerUrl::parse(text, None).expect("a URL").to_string();
        assert_eq!(shown("https://Core.Example.net:443"), "wss://core.example.net/signaling/v1");
        assert_eq!(shown("ws://127.0.0.1:4000/x"), "ws://127.0.0.1:4000/x/signaling/v1");
        assert_eq!(shown("wss://[::1]:8443"), "wss://[::1]:8443/signaling/v1");
    }

    #[test]
    fn what_is_not_a_base_url_is_refused() {
        let refused = |text| ServerUrl::parse(text, None).expect_err("refused");
        assert_eq!(refused("core.example.com"), UrlError::Scheme);
        assert_eq!(refused("ftp://core.example.com"), UrlError::Scheme);
        assert_eq!(refused("wss://"), UrlError::NoHost);
        assert_eq!(refused("wss://:443"), UrlError::NoHost);
        assert_eq!(refused("wss://a b"), UrlError::Host);
        assert_eq!(refused("wss://[::1"), UrlError::Host);
        assert_eq!(refused("wss://a:0"), UrlError::Port);
        assert_eq!(refused("wss://a:"), UrlError::Port);
        assert_eq!(refused("wss://[::1]443"), UrlError::Port);
        assert_eq!(refused("wss://a:70000"), UrlError::Port);
        assert_eq!(refused("wss://user:word@a"), UrlError::UserInfo);
        assert_eq!(refused("wss://a/?token=t"), UrlError::Query);
        assert_eq!(refused("wss://a?token=t#x"), UrlError::Query);
        assert_eq!(refused("wss://a/#x"), UrlError::Fragment);
        assert_eq!(refused("wss://a/b c"), UrlError::Path);
        assert_eq!(ServerUrl::parse("wss://a", Some("x/y")), Err(UrlError::Tenant));
    }
}
