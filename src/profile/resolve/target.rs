//! Whom to load.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Resolver;
use crate::profile::file::{DialectFile, ForceFile, TargetFile};
use crate::profile::plan::{DialectChoice, Force, Server, Target, TlsPlan};
use crate::profile::url::{ServerUrl, UrlError};
use crate::transport::Resumption;

impl Resolver<'_> {
    pub(super) fn target(&mut self, file: &TargetFile) -> Target {
        let server = self.server(file.url.as_deref().unwrap_or("embedded"), file.tenant.as_deref());
        let tls = self.tls(file, &server);
        if server == Server::Embedded && file.tenant.is_some() {
            self.warnings.push("`tenant` has no effect on the embedded core".to_owned());
        }
        Target {
            dialect: match file.dialect {
                Some(DialectFile::Nested) => DialectChoice::Nested,
                Some(DialectFile::Flat) => DialectChoice::Flat,
                Some(DialectFile::Auto) | None => DialectChoice::Auto,
            },
            tenant: file.tenant.clone().filter(|tenant| !tenant.is_empty()),
            force: match file.force {
                Some(ForceFile::Always) => Force::Always,
                Some(ForceFile::Never) => Force::Never,
                Some(ForceFile::OnReconnect) | None => Force::OnReconnect,
            },
            connect_timeout: self.wait("target.connect_timeout", file.connect_timeout, 10),
            source_addresses: self.source_addresses(&file.source_addresses, &server),
            tls,
            server,
        }
    }

    fn server(&mut self, url: &str, tenant: Option<&str>) -> Server {
        if url == "embedded" {
            return Server::Embedded;
        }
        match ServerUrl::parse(url, tenant) {
            Ok(url) => Server::Url(url),
            Err(error) => {
                let key = if error == UrlError::Tenant { "target.tenant" } else { "target.url" };
                self.value(key, error.to_string(), error.cure());
                // Any other server will do for the checks that follow.
                let host = "invalid".to_owned();
                Server::Url(ServerUrl { secure: true, host, port: 443, path: String::new() })
            }
        }
    }

    fn tls(&mut self, file: &TargetFile, server: &Server) -> TlsPlan {
        let tls = TlsPlan {
            ca_file: file.tls.ca_file.as_deref().map(|written| self.path("target.tls.ca_file", written)),
            insecure: file.tls.insecure,
            server_name: file.tls.server_name.clone(),
            resumption: if file.tls.resumption { Resumption::On } else { Resumption::Off },
        };
        let secure = matches!(server, Server::Url(url) if url.secure);
        if !secure && tls != TlsPlan::default() {
            self.warnings.push("[target.tls] has no effect, as the target is not a wss:// one".to_owned());
        }
        if let Some(path) = tls.ca_file.as_ref().filter(|path| secure && !path.is_file()) {
            let message = format!("there is no file {}", path.display());
            self.value(
                "target.tls.ca_file",
                message,
                "name a PEM file; the path is relative to the profile's folder",
            );
        }
        if tls.insecure && tls.ca_file.is_some() {
            let message = "`insecure` accepts any certificate, so `ca_file` would not be asked";
            self.value("target.tls.insecure", message, "keep one of the two");
        }
        tls
    }

    fn source_addresses(&mut self, addresses: &[IpAddr], server: &Server) -> Vec<IpAddr> {
        let mut seen = HashSet::new();
        for (index, address) in addresses.iter().enumerate() {
            let path = format!("target.source_addresses.{index}");
            if !seen.insert(address) {
                self.value(&path, format!("{address} is listed twice"), "list every address once");
            }
            if *server == Server::Embedded && !(address.is_ipv4() && address.is_loopback()) {
                let message =
                    format!("the embedded core is reached from loopback addresses only, not from {address}");
                self.infeasible(&path, message, "write addresses such as 127.0.0.2, or none");
            }
        }
        addresses.to_vec()
    }
}
