//! How sessions are made for subscribers with login and password.

use super::Resolver;
use crate::profile::file::SubscribersFile;
use crate::profile::plan::{LoginPlan, Server, SubscriberSource, Target};
use crate::profile::url::{ServerUrl, UrlError};
use crate::subscribers::rest::Pace;

/// By default so many requests for a session are sent in a second, and so many are under way at a time: the protocol
/// document advises both (section 9.2), as a Core may limit sign-ins.
const LOGINS_PER_SECOND: f64 = 20.0;
const CONCURRENCY: u32 = 10;

impl Resolver<'_> {
    pub(super) fn logins(
        &mut self,
        file: &SubscribersFile,
        source: &SubscriberSource,
        target: &Target,
    ) -> LoginPlan {
        let has_logins = matches!(source, SubscriberSource::Credentials(_));
        let keys = [
            ("rest_url", file.rest_url.is_some()),
            ("logins_per_second", file.logins_per_second.is_some()),
            ("concurrency", file.concurrency.is_some()),
        ];
        for (key, _) in keys.iter().filter(|(_, is_given)| *is_given && !has_logins) {
            self.warnings
                .push(format!("`subscribers.{key}` has no effect, as no subscribers file lists logins"));
        }
        let rest_url = self.rest_url(file.rest_url.as_deref(), target);
        let per_second = file.logins_per_second.unwrap_or(LOGINS_PER_SECOND);
        let concurrency = file.concurrency.unwrap_or(CONCURRENCY);
        self.within("subscribers.logins_per_second", per_second, (0.01, 1_000.0));
        self.within("subscribers.concurrency", f64::from(concurrency), (1.0, 64.0));
        let url = rest_url.as_ref().or(match &target.server {
            Server::Url(url) => Some(url),
            Server::Embedded => None,
        });
        if let Some(url) = url.filter(|url| has_logins && !url.secure && !is_loopback(&url.host)) {
            let origin = url.rest_origin();
            self.warnings
                .push(format!("passwords go to {origin} unencrypted, as the URL is not an https one"));
        }
        LoginPlan { rest_url, pace: Pace { per_second, concurrency: concurrency as usize } }
    }

    fn rest_url(&mut self, written: Option<&str>, target: &Target) -> Option<ServerUrl> {
        let written = written?;
        if target.server == Server::Embedded {
            self.warnings.push("`subscribers.rest_url` has no effect on the embedded core".to_owned());
            return None;
        }
        match ServerUrl::parse(written, target.tenant.as_deref()) {
            Ok(url) => Some(url),
            // The tenant was refused where it stands.
            Err(UrlError::Tenant) => None,
            Err(error) => {
                let cure = match error {
                    UrlError::Scheme | UrlError::NoHost => "write it as \"https://core.example.com\"",
                    UrlError::UserInfo | UrlError::Query => {
                        "remove it: logins come from the subscribers file"
                    }
                    _ => error.cure(),
                };
                let message = match error {
                    UrlError::Scheme => "the URL does not begin with https:// or http://".to_owned(),
                    _ => error.to_string(),
                };
                self.value("subscribers.rest_url", message, cure);
                None
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
