//! How large the things are of which there is one for each client.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use wtsp_load::client::Client;
use wtsp_load::protocol::Session;
use wtsp_load::transport::{Clock, Dialer, Frames, Link, Stream, Watcher};

/// Bounds close above what there is: whoever makes one larger is to know it.
#[test]
fn what_there_is_one_of_for_each_client_stays_small() {
    let dialer = Arc::new(Dialer {
        addresses: Vec::new(),
        host: String::new(),
        path: String::new(),
        source_addresses: Vec::new(),
        tls: None,
        clock: Clock::start(),
    });
    let dialling = dialer.dial(0, String::new(), false, Watcher::Runtime);
    let sizes = [
        ("Stream", size_of::<Stream>(), 56),
        ("Frames", size_of::<Frames>(), 152),
        ("Link", size_of::<Link>(), 160),
        ("Session", size_of::<Session>(), 288),
        ("Client", size_of::<Client>(), 576),
        ("a dial, which is gone when it is done", size_of_val(&dialling), 1408),
    ];
    for (name, size, bound) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= bound, "{name} has {size} bytes, more than {bound}");
    }
}
