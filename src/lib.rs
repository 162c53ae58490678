//! `wtsp-load`: load and stress harness for the WebTrit Signaling Protocol.

#![forbid(unsafe_code)]

pub mod calibration;
pub mod cli;
pub mod client;
pub mod embedded_core;
pub mod law;
pub mod metrics;
pub mod profile;
pub mod protocol;
pub mod record;
pub mod report;
pub mod scenario;
pub mod scheduler;
pub mod subscribers;
pub mod transport;
pub mod verdict;
pub mod workload;
