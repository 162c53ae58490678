//! Any bytes off a socket, read as WebSocket frames by either end, however the reads cut them: the same messages and the
//! same verdict as tungstenite.
//!
//! The first byte says which end reads and how much comes with each read; the rest is what comes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wtsp_load::transport::End;

#[path = "../../tests/support/frame_oracle.rs"]
mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let [how, bytes @ ..] = bytes else { return };
    let end = if how & 1 == 0 { End::Client } else { End::Server };
    let read = match usize::from(how >> 1) {
        127 => usize::MAX,
        read => read + 1,
    };
    oracle::same_verdict(end, bytes, &[read]);
});
