//! The path under which a Core is found (section 1.1), for signaling and for REST.

/// The path of a Core, tenant included: empty, or segments with a slash before each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// A character that must be percent-encoded in a path, or a tenant of more than one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPath;

impl BasePath {
    /// Reads the path of a URL. Repeated slashes collapse: a base path that ends in one would give `//signaling/v1`. A
    /// `/signaling/v1` or `/api/v1` at the end is no part of the base.
    ///
    /// # Errors
    /// [`NotAPath`].
    pub fn parse(path: &str) -> Result<BasePath, NotAPath> {
        if !path.bytes().all(is_allowed) {
            return Err(NotAPath);
        }
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.ends_with(&["signaling", "v1"]) || parts.ends_with(&["api", "v1"]) {
            parts.truncate(parts.len() - 2);
        }
        Ok(BasePath::of(&parts))
    }

    /// The path of a tenant: its two segments are appended, or take the place of those in which the path ends. An
    /// empty id adds nothing.
    ///
    /// # Errors
    /// [`NotAPath`].
    pub fn with_tenant(&self, tenant: &str) -> Result<BasePath, NotAPath> {
        if tenant.is_empty() {
            return Ok(self.clone());
        }
        let is_dots = matches!(tenant, "." | "..");
        if is_dots || !tenant.bytes().all(|byte| is_allowed(byte) && byte != b'/') {
            return Err(NotAPath);
        }
        let mut parts: Vec<&str> = self.0.split('/').skip(1).collect();
        if parts.len() >= 2 && parts[parts.len() - 2] == "tenant" {
            parts.truncate(parts.len() - 2);
        }
        parts.extend(["tenant", tenant]);
        Ok(BasePath::of(&parts))
    }

    /// The path of the WebSocket.
    pub fn signaling(&self) -> String {
        format!("{}/signaling/v1", self.0)
    }

    /// The path of the REST API (section 9).
    pub fn api(&self) -> String {
        format!("{}/api/v1", self.0)
    }

    fn of(parts: &[&str]) -> BasePath {
        BasePath(parts.iter().flat_map(|part| ["/", part]).collect())
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_have_the_base_and_the_tenant() {
        for (path, tenant, base) in [
            ("", "", ""),
            ("/signaling/v1", "acme", "/tenant/acme"),
            ("/x//y/api/v1/", "", "/x/y"),
            ("/x/tenant/old", "acme", "/x/tenant/acme"),
            ("/tenant/x/y", "acme", "/tenant/x/y/tenant/acme"),
        ] {
            let found = BasePath::parse(path).and_then(|base| base.with_tenant(tenant)).unwrap();
            assert_eq!(found.signaling(), format!("{base}/signaling/v1"));
            assert_eq!(found.api(), format!("{base}/api/v1"));
        }
    }

    #[test]
    fn what_cannot_be_in_a_path_is_refused() {
        assert_eq!(BasePath::parse("/a b"), Err(NotAPath));
        for tenant in ["x/y", "a b", "..", "a?b", "a\r\nb"] {
            assert_eq!(BasePath::default().with_tenant(tenant), Err(NotAPath), "{tenant}");
        }
    }
}
