//! The embedded core, seen by a plain WebSocket client that shares no code with it.

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
