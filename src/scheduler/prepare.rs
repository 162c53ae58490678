//! What is done before the first connection: subscribers, addresses, TLS, limits.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use super::RunError;
use crate::client::Scouted;
use crate::embedded_core::{CoreOptions, EmbeddedCore, Provisioned};
use crate::profile::{FlowShare, Plan, Server, ServerUrl, SubscriberSource};
use crate::protocol::{Dialect, normalise_number};
use crate::scenario::{Callee, Flow};
use crate::subscribers::{self, Secret, Subscriber};
use crate::transport::{Clock, Dialer, Trust, connector, local_ports, raise_descriptor_limit, server_name};

/// A run that can start.
pub(super) struct Prepared {
    pub subscribers: Vec<Subscriber>,
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

/// Checks limits and subscribers, starts the embedded core if that is the target, and finds the target's addresses.
pub(super) fn prepare(plan: &Plan, clock: Clock) -> Result<Prepared, RunError> {
    let descriptor_limit = raise_descriptor_limit().map_err(RunError::Limit)?;
    if plan.descriptors() > descriptor_limit {
        return Err(RunError::Descriptors { needed: plan.descriptors(), limit: descriptor_limit });
    }
    let listed = match &plan.subscribers {
        SubscriberSource::File(path) => Some(subscribers::load(path)?),
        SubscriberSource::Count(_) => None,
    };
    match &plan.target.server {
        Server::Embedded => {
            let core = start_core(plan, listed.as_deref())?;
            let subscribers = match listed {
                Some(listed) => listed,
                None => core.subscribers().iter().map(subscriber).collect(),
            };
            check_subscribers(plan, &subscribers)?;
            let dialer =
                dialer(plan, vec![core.address()], core.address().to_string(), "/signaling/v1", clock);
            let url = core.url();
            let ports = ports(plan, 1);
            Ok(Prepared {
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
            let subscribers = listed.unwrap_or_default();
            check_subscribers(plan, &subscribers)?;
            let addresses = resolve(url)?;
            let remote = addresses.iter().any(|address| !address.ip().is_loopback());
            let ports = check_ports(plan, addresses.len())?;
            let mut dialer = dialer(plan, addresses, authority(url), &url.path, clock);
            if url.secure {
                // Nobody else has the dialer yet.
                if let Some(dialer) = Arc::get_mut(&mut dialer) {
                    dialer.tls = Some(tls(plan, url)?);
                }
            }
            let url = url.to_string();
            Ok(Prepared { subscribers, dialer, core: None, url, remote, descriptor_limit, ports })
        }
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

fn start_core(plan: &Plan, listed: Option<&[Subscriber]>) -> Result<EmbeddedCore, RunError> {
    let subscribers = match listed {
        Some(listed) => {
            let provision = |subscriber: &Subscriber| Provisioned {
                token: subscriber.token.expose().to_owned(),
                number: subscriber.number.clone(),
            };
            listed.iter().map(provision).collect()
        }
        None => {
            // Whoever is to be offline is provisioned like the others.
            let offline = u32::from(calls_the_offline(plan));
            let count = plan.subscriber_count.max(plan.connections() + offline);
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

fn check_subscribers(plan: &Plan, subscribers: &[Subscriber]) -> Result<(), RunError> {
    let needed = plan.connections() as usize;
    if subscribers.len() < needed {
        return Err(RunError::Subscribers { needed, given: subscribers.len() });
    }
    Ok(())
}

/// Whether calls are to find subscribers of the run offline.
fn calls_the_offline(plan: &Plan) -> bool {
    let is_to = |share: &FlowShare| {
        let parties = share.flow.script().calls.first();
        share.number.is_none() && parties.is_some_and(|parties| parties.callee == Callee::Offline)
    };
    plan.has_calls() && plan.calls.mix.iter().any(is_to)
}

/// Whether there is what the flows of the mix need: a dialect that has words for them, lines, and somebody who is
/// offline.
pub(super) fn check_flows(
    plan: &Plan,
    subscribers: &[Subscriber],
    scouted: &Scouted,
) -> Result<(), RunError> {
    if calls_the_offline(plan) && subscribers.len() <= plan.connections() as usize {
        let reason = "every subscriber signs on, so nobody is offline (list one more than clients and control group \
                      need, or give it a `number` to dial)";
        return Err(RunError::Flow { flow: Flow::Offline.name(), reason: reason.to_owned() });
    }
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

fn resolve(url: &ServerUrl) -> Result<Vec<SocketAddr>, RunError> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let found = (host, url.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| RunError::Resolve { host: url.host.clone(), reason: error.to_string() })?
        .collect();
    // A name with addresses of both families is dialled over the family that it names first.
    let family = addresses.first().map(SocketAddr::is_ipv4);
    let mut same: Vec<SocketAddr> =
        addresses.into_iter().filter(|address| Some(address.is_ipv4()) == family).collect();
    same.dedup();
    if same.is_empty() {
        return Err(RunError::Resolve { host: url.host.clone(), reason: "it has no address".to_owned() });
    }
    Ok(same)
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
    Ok((connector(&trust)?, server_name(settings.server_name.as_deref().unwrap_or(&url.host))?))
}

fn dialer(plan: &Plan, addresses: Vec<SocketAddr>, host: String, path: &str, clock: Clock) -> Arc<Dialer> {
    let source_addresses = plan.target.source_addresses.clone();
    Arc::new(Dialer { addresses, host, path: path.to_owned(), source_addresses, tls: None, clock })
}
