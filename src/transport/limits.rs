//! What this machine lets one process have.

use std::fs;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one and returns it.
///
/// # Errors
/// The system's, when the limit cannot be read.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}

/// How many descriptors this process can have open, once it raises its limit.
///
/// # Errors
/// The system's, when the limit cannot be read.
pub fn most_descriptors() -> io::Result<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).map(|(_, hard)| hard).map_err(io::Error::from)
}

/// How many ports the system can choose from for connections from one local address to one destination.
pub fn local_ports() -> u64 {
    // The kernel's default range, for a system that does not say.
    const DEFAULT: u64 = 60_999 - 32_768 + 1;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u64>().ok());
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) if last >= first => last - first + 1,
        _ => DEFAULT,
    }
}
