//! As many clients as one process is made for.
//!
//! Heavy: two minutes, 1 GB, and a limit of 15,200 open descriptors (`ulimit -n`) for each of two processes. Only a
//! release build says anything about size and speed:
//!
//! ```sh
//! cargo test --release --locked --test scale -- --ignored --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs;
use std::time::Duration;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Folder, Served};
use sums::{assert_truth, count};

const CLIENTS: u64 = 15_000;

const PROFILE: &str = r#"
name = "scale"
seed = 7
[subscribers]
file = "subscribers.csv"
[[stages]]
name = "sign-on"
duration = "30s"
clients = 15000
[[stages]]
name = "steady"
duration = "60s"
calls_per_second = 50
arrivals = "poisson"
[calls]
hold = { exponential = "3s" }
"#;

#[test]
#[ignore = "heavy: just heavy"]
fn fifteen_thousand_clients_sign_on_and_each_keepalive_is_answered() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, CLIENTS as u32, &["--keepalive-interval", "20s"]);
    let before = rss_bytes(served.id());
    let mut running = folder.start(&["--target", &served.url]);
    running.wait_for("scout:");
    folder.wait_for_interval(&mut running, "everybody signed on", |interval| {
        count(interval, "/gauges/signed_on") == CLIENTS
    });
    let core = rss_bytes(served.id()).saturating_sub(before) / CLIENTS;
    let ended = running.wait_for_end(Duration::from_secs(180)).unless_unfit(0);
    println!("{}", ended.stdout);
    let (run, truth) = (folder.record(), served.stop());
    assert_truth(&run, &truth);
    assert_eq!(count(&run, "/clients/signed_on"), CLIENTS);
    assert_eq!(run["clients"]["signon_failed"], 0);
    assert_eq!(count(&run, "/clients/peak"), CLIENTS);
    assert_eq!(count(&truth, "/clients/signed_on"), CLIENTS);
    let keepalives = &run["keepalives"];
    // Each client sends three or four in a minute, but those that call.
    assert!(count(&run, "/keepalives/sent") > 2 * CLIENTS, "{keepalives}");
    assert_eq!(keepalives["sent"], keepalives["answered"], "{keepalives}");
    assert_eq!(keepalives["missed"], 0);
    assert_eq!(run["attempts"]["failed"], 0);
    println!(
        "a client takes {} bytes of the generator and {core} of the core",
        run["generator"]["bytes_per_client"]
    );
}

/// The memory that a process has in use.
fn rss_bytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
