//! The addresses of a target.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{RunError, Stop, Urgency};
use crate::profile::ServerUrl;

/// How long a lookup goes on after a ^C.
const PATIENCE: Duration = Duration::from_millis(50);

/// Looks up the addresses of a host, those of one family.
///
/// # Errors
/// It has none, or somebody asked for an end meanwhile.
pub(super) fn look_up(url: &ServerUrl, stop: &Stop) -> Result<Vec<SocketAddr>, RunError> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port;
    let found = unless_stopped(stop, move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect))?;
    let addresses: Vec<SocketAddr> =
        found.map_err(|error| RunError::Resolve { host: url.host.clone(), reason: error.to_string() })?;
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

/// What a question comes to, on a thread of its own: the system's resolver waits for half a minute and longer if a name
/// server is silent, and nothing ends that but the end of the process.
fn unless_stopped<T: Send + 'static>(
    stop: &Stop,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<io::Result<T>, RunError> {
    let (answer, answers) = mpsc::channel();
    // Whoever asked may have gone.
    let asking = move || drop(answer.send(ask()));
    if let Err(error) = thread::Builder::new().name("resolver".to_owned()).spawn(asking) {
        return Ok(Err(error));
    }
    loop {
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Err(io::Error::other("the resolver broke down")));
            }
            Err(RecvTimeoutError::Timeout) if stop.urgency() > Urgency::Run => return Err(RunError::Stopped),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        ServerUrl::parse(text, None).unwrap()
    }

    #[test]
    fn a_name_has_addresses_of_one_family_and_an_address_is_its_own() {
        let stop = Stop::default();
        assert_eq!(
            look_up(&url("ws://127.0.0.1:7000/"), &stop).unwrap(),
            ["127.0.0.1:7000".parse().unwrap()]
        );
        assert_eq!(look_up(&url("ws://[::1]:7000/"), &stop).unwrap(), ["[::1]:7000".parse().unwrap()]);
    }

    #[test]
    fn a_lookup_that_does_not_end_is_left_when_somebody_asks_for_an_end() {
        let (stop, (hang_up, hangs)) = (Stop::default(), mpsc::channel::<()>());
        let asking = stop.clone();
        let unanswered = unless_stopped(&stop, move || {
            asking.request();
            // Until the test is over.
            hangs.recv().map_err(io::Error::other)
        });
        assert!(matches!(unanswered, Err(RunError::Stopped)));
        drop(hang_up);
    }

    #[test]
    fn a_resolver_that_breaks_down_is_an_error() {
        let broken = unless_stopped(&Stop::default(), || -> io::Result<()> { panic!("as a test wants it") });
        assert!(matches!(broken, Ok(Err(_))));
    }
}
