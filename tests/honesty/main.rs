//! The harness's account held against the account of a server that shares no code with it, and against what that
//! server was told to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "here, a panic is the report")]

mod closes;
mod driver;
mod figures;
mod hostile;
mod outcomes;
mod scouting;

#[path = "../independent/mod.rs"]
mod independent;
