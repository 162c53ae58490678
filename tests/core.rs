//! The embedded core, seen by a plain WebSocket client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests: a panic is how they report")]

#[path = "core/client.rs"]
mod client;
#[path = "core/connections.rs"]
mod connections;
#[path = "core/delays.rs"]
mod delays;
#[path = "core/flows.rs"]
mod flows;
#[path = "core/hostile.rs"]
mod hostile;
#[path = "core/kinds.rs"]
mod kinds;
#[path = "core/presence.rs"]
mod presence;
#[path = "core/rest.rs"]
mod rest;
#[path = "core/serve.rs"]
mod serve;
#[path = "core/transfers.rs"]
mod transfers;
