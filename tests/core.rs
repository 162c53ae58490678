//! The embedded core, seen by a plain WebSocket client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests: a panic is how they report")]

#[path = "core/client.rs"]
mod client;
#[path = "core/connections.rs"]
mod connections;
#[path = "core/flows.rs"]
mod flows;
#[path = "core/hostile.rs"]
mod hostile;
#[path = "core/serve.rs"]
mod serve;
