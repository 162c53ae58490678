//! What is done before the first connection: subscribers, addresses, TLS, limits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::lookup::look_up;
use super::{RunError, Stop};
use crate::client::Scouted;
use crate::embedded_core::{self, CoreOptions, EmbeddedCore, Provisioned};
use crate::profile::{Plan, Server, ServerUrl, SubscriberSource};
use crate::protocol::{BasePath, Dialect, normalise_number};
use crate::subscribers::rest::Api;
use crate::subscribers::{self, Credentials, Secret, Subscriber, SubscriberList};
use crate::transport::{Clock, Dialer, Trust, connector, local_ports, raise_descriptor_limit, server_name};

/// A run that can start.
pub(super) struct Prepared {
    /// Empty as long as their sessions have to be made.
    pub subscribers: Vec<Subscriber>,
    /// Whose sessions have to be made, and where.
    pub logins: Option<(Api, Vec<Credentials>)>,
    pub dialer: Arc<Dialer>,
    /// Kept running for as long as the run.
    pub core: Option<EmbeddedCore>,
    /// The URL for people, without a token.
    pub url: String,
    /// Whether the target is another machine.
    pub remote: bool,
    pub descriptor_limit: u64,
    /// How many connections to the target there are local ports for.
    pub ports: u64,
}

impl Prepared {
    /// Goes to another path of the same server.
    pub(super) fn move_to(&mut self, path: &str) {
        let here = &self.dialer;
        if let Some(origin) = self.url.strip_suffix(&here.path) {
            self.url = format!("{origin}{path}");
        }
        self.dialer = Arc::new(Dialer {
            addresses: here.addresses.clone(),
            host: here.host.clone(),
            path: path.to_owned(),
            source_addresses: here.source_addresses.clone(),
            tls: here.tls.clone(),
            clock: here.clock,
        });
    }
}

/// Checks limits and subscribers, starts the embedded core if that is the target, and finds the target's addresses.
pub(super) fn prepare(plan: &Plan, clock: Clock, stop: &Stop) -> Result<Prepared, RunError> {
    let descriptor_limit = raise_descriptor_limit().map_err(RunError::Limit)?;
    if plan.descriptors() > descriptor_limit {
        return Err(RunError::Descriptors { needed: plan.descriptors(), limit: descriptor_limit });
    }
    let listed = match &plan.subscribers {
        SubscriberSource::File(path) | SubscriberSource::Credentials(path) => Some(subscribers::load(path)?),
        SubscriberSource::Count(_) => None,
    };
    if let Some(listed) = &listed {
        check_subscribers(plan, listed.len())?;
    }
    match &plan.target.server {
        Server::Embedded => {
            let core = start_core(plan, listed.as_ref())?;
            let host = core.address().to_string();
            let dialer = Arc::new(dialer_of(plan, vec![core.address()], host, "/signaling/v1", clock));
            let url = core.url();
            let ports = ports(plan, 1);
            let listed = listed.unwrap_or_else(|| {
                SubscriberList::Tokens(core.subscribers().iter().map(subscriber).collect())
            });
            let origin = format!("http://{}", core.address());
            let (subscribers, logins) =
                split(plan, listed, || Ok(api(plan, &dialer, BasePath::default(), origin)))?;
            Ok(Prepared {
                logins,
                subscribers,
                dialer,
                core: Some(core),
                url,
                remote: false,
                descriptor_limit,
                ports,
            })
        }
        Server::Url(url) => {
            let addresses = look_up(url, stop)?;
            let remote = addresses.iter().any(|address| !address.ip().is_loopback());
            let ports = check_ports(plan, addresses.len())?;
            let mut dialer = dialer_of(plan, addresses, authority(url), &url.path, clock);
            if url.secure {
                dialer.tls = Some(tls(plan, url)?);
            }
            let dialer = Arc::new(dialer);
            let listed = listed.unwrap_or_else(|| SubscriberList::Tokens(Vec::new()));
            let (subscribers, logins) = split(plan, listed, || rest_api(plan, url, &dialer, clock, stop))?;
            let url = url.to_string();
            Ok(Prepared { subscribers, logins, dialer, core: None, url, remote, descriptor_limit, ports })
        }
    }
}

/// Subscribers that have their sessions, or those who need them and where they are made.
#[allow(clippy::type_complexity, reason = "two of the parts of what is prepared")]
fn split(
    plan: &Plan,
    listed: SubscriberList,
    api: impl FnOnce() -> Result<Api, RunError>,
) -> Result<(Vec<Subscriber>, Option<(Api, Vec<Credentials>)>), RunError> {
    match listed {
        SubscriberList::Tokens(list) => Ok((list, None)),
        SubscriberList::Credentials(mut list) => {
            // Nobody else's session is made.
            list.truncate(plan.subscribers_needed() as usize);
            Ok((Vec::new(), Some((api()?, list))))
        }
    }
}

/// The REST API of the target, or of the Core that the profile names instead.
fn rest_api(
    plan: &Plan,
    target: &ServerUrl,
    dialer: &Arc<Dialer>,
    clock: Clock,
    stop: &Stop,
) -> Result<Api, RunError> {
    let Some(url) = &plan.logins.rest_url else {
        return Ok(api(plan, dialer, target.base(), target.rest_origin()));
    };
    let mut dialer = dialer_of(plan, look_up(url, stop)?, authority(url), &url.path, clock);
    if url.secure {
        let mut plan = plan.clone();
        if url.host != target.host {
            // The name that the profile gives is that of the target.
            plan.target.tls.server_name = None;
        }
        dialer.tls = Some(tls(&plan, url)?);
    }
    Ok(api(plan, &Arc::new(dialer), url.base(), url.rest_origin()))
}

fn api(plan: &Plan, dialer: &Arc<Dialer>, base: BasePath, origin: String) -> Api {
    Api {
        dialer: Arc::clone(dialer),
        base,
        origin,
        connect_timeout: plan.target.connect_timeout,
        answer_timeout: plan.clients.request_timeout,
    }
}

/// The client numbers of the numbers of the subscribers that the run uses. The others on the list may be anybody's
/// phones.
pub(super) fn numbers(subscribers: &[Subscriber], clients: u32) -> HashMap<Box<str>, u32> {
    let numbered = subscribers.iter().take(clients as usize).enumerate();
    numbered.map(|(place, subscriber)| (normalise_number(&subscriber.number).into(), place as u32)).collect()
}

/// The numbers of subscribers that never sign on, for calls that are to find them offline.
pub(super) fn offline(subscribers: &[Subscriber], connections: u32) -> Vec<String> {
    subscribers.iter().skip(connections as usize).map(|subscriber| subscriber.number.clone()).collect()
}

fn subscriber(provisioned: &Provisioned) -> Subscriber {
    Subscriber { token: Secret::new(provisioned.token.as_str()), number: provisioned.number.clone() }
}

fn start_core(plan: &Plan, listed: Option<&SubscriberList>) -> Result<EmbeddedCore, RunError> {
    let subscribers = match listed {
        Some(SubscriberList::Credentials(listed)) => listed.iter().map(account).collect(),
        Some(SubscriberList::Tokens(listed)) => {
            let provision = |subscriber: &Subscriber| Provisioned {
                token: subscriber.token.expose().to_owned(),
                number: subscriber.number.clone(),
                credentials: None,
            };
            listed.iter().map(provision).collect()
        }
        None => {
            let count = plan.subscriber_count.max(plan.connections() + u32::from(plan.calls.needs_offline()));
            Provisioned::many(count).map_err(RunError::Core)?
        }
    };
    let options = CoreOptions {
        subscribers,
        dialect: plan.target.dialect.dialect(),
        lines: u16::try_from(plan.embedded_core.lines).unwrap_or(u16::MAX),
        keepalive_interval: plan.embedded_core.keepalive_interval,
        delays: plan.embedded_core.delays.iter().copied().collect(),
        freeze: plan.embedded_core.freeze,
        refusals: plan.embedded_core.refusals,
        seed: plan.seed,
        ..CoreOptions::default()
    };
    EmbeddedCore::start(options).map_err(RunError::Core)
}

/// An account of the embedded core. It has no session, and without a number the login is its number.
fn account(credentials: &Credentials) -> Provisioned {
    let Credentials { login, password, number } = credentials;
    Provisioned {
        token: String::new(),
        number: number.as_ref().unwrap_or(login).clone(),
        credentials: Some(embedded_core::Credentials {
            login: login.clone(),
            password: password.expose().to_owned(),
        }),
    }
}

fn check_subscribers(plan: &Plan, given: usize) -> Result<(), RunError> {
    let needed = plan.subscribers_needed() as usize;
    if given < needed { Err(RunError::Subscribers { needed, given }) } else { Ok(()) }
}

/// Whether the server has what the flows of the mix need: a dialect that has words for them, and lines.
pub(super) fn check_flows(plan: &Plan, scouted: &Scouted) -> Result<(), RunError> {
    for share in plan.calls.mix.iter().filter(|_| plan.has_calls()) {
        let (flow, script) = (share.flow.name(), share.flow.script());
        if script.flat_only && scouted.dialect != Dialect::Flat {
            let reason = "it speaks nested, which has no words for it".to_owned();
            return Err(RunError::Flow { flow, reason });
        }
        if scouted.lines < script.lines && !script.on_guest_line {
            let reason = format!("a client needs {} lines for it, and has {}", script.lines, scouted.lines);
            return Err(RunError::Flow { flow, reason });
        }
    }
    Ok(())
}

/// How many connections to a target of so many addresses there are local ports for.
fn ports(plan: &Plan, addresses: usize) -> u64 {
    let sources = plan.target.source_addresses.len().max(1) as u64;
    local_ports() * sources * addresses as u64
}

fn check_ports(plan: &Plan, addresses: usize) -> Result<u64, RunError> {
    let ports = ports(plan, addresses);
    let needed = u64::from(plan.connections());
    if needed > ports {
        return Err(RunError::Ports { needed, ports });
    }
    Ok(ports)
}

/// The `Host` header: without the port where that is the scheme's own.
fn authority(url: &ServerUrl) -> String {
    match (url.secure, url.port) {
        (true, 443) | (false, 80) => url.host.clone(),
        (_, port) => format!("{}:{port}", url.host),
    }
}

fn tls(
    plan: &Plan,
    url: &ServerUrl,
) -> Result<(tokio_rustls::TlsConnector, rustls::pki_types::ServerName<'static>), RunError> {
    let settings = &plan.target.tls;
    let trust = match (&settings.ca_file, settings.insecure) {
        (_, true) => Trust::Anybody,
        (Some(path), false) => Trust::CaFile(path.clone()),
        (None, false) => Trust::Platform,
    };
    Ok((
        connector(&trust, settings.resumption)?,
        server_name(settings.server_name.as_deref().unwrap_or(&url.host))?,
    ))
}

fn dialer_of(plan: &Plan, addresses: Vec<SocketAddr>, host: String, path: &str, clock: Clock) -> Dialer {
    let source_addresses = plan.target.source_addresses.clone();
    Dialer { addresses, host, path: path.to_owned(), source_addresses, tls: None, clock }
}
