//! The figures of a run while it lasts, for Prometheus: `http://ADDR/metrics`.
//!
//! It stands between the reports and the scheduler: whoever observes a run hands it each second, and it adds them up as
//! `run.json` will. A page is made of that when one is asked for, at most once a second, on a thread of its own. So a
//! scrape costs the workers nothing.
//!
//! ```
//! use wtsp_load::exporter::Exporter;
//!
//! let exporter = Exporter::start("127.0.0.1:0".parse()?, Vec::new())?;
//! assert!(exporter.url().ends_with("/metrics"));
//! assert!(exporter.page().contains("wtsp_load_attempts_due_total 0\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod families;
mod server;
mod text;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use families::{FAMILIES, Family, Kind};
pub use text::PREFIX;

use self::families::Moment;
use self::server::Server;
use crate::record::{Fold, Health, Interval, RunHeader, StoredGauges, Wanted};
use crate::workload::Stage;

/// The metrics cannot be offered where they are wanted.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics cannot be offered at {address}: {reason}; name another address of this machine, or port 0 for any"
)]
pub struct ExporterError {
    /// Where they are wanted.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub reason: io::Error,
}

/// Offers the figures of a run until it is dropped.
#[derive(Debug)]
pub struct Exporter {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Exporter {
    /// Listens at `address` for whoever asks for the figures of a run of these stages.
    ///
    /// # Errors
    /// The address is taken or no address of this machine, or there is no thread to be had.
    pub fn start(address: SocketAddr, stages: Vec<Stage>) -> Result<Exporter, ExporterError> {
        let state = Arc::new(Mutex::new(State::new(stages)));
        let shared = Arc::clone(&state);
        let server = Server::start(address, move || lock(&shared).page())
            .map_err(|reason| ExporterError { address, reason })?;
        Ok(Exporter { state, server })
    }

    /// Where they are offered.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.server.address(), server::PATH)
    }

    /// The load is about to begin.
    pub fn begin(&self, header: &RunHeader) {
        lock(&self.state).begin(header);
    }

    /// Adds a second.
    pub fn interval(&self, interval: &Interval) {
        lock(&self.state).add(interval);
    }

    /// What somebody who asks now would get.
    pub fn page(&self) -> Arc<str> {
        lock(&self.state).page()
    }
}

/// What is known of the run up to now.
struct State {
    header: RunHeader,
    fold: Fold,
    wanted: Wanted,
    gauges: StoredGauges,
    health: Health,
    stage: Option<u32>,
    /// Made when it was first asked for after the last second.
    page: Option<Arc<str>>,
}

impl State {
    fn new(stages: Vec<Stage>) -> State {
        State {
            header: RunHeader::default(),
            fold: Fold::default(),
            wanted: Wanted::new(stages),
            gauges: StoredGauges::default(),
            health: Health::default(),
            stage: None,
            page: None,
        }
    }

    fn begin(&mut self, header: &RunHeader) {
        self.header = header.clone();
        self.fold = Fold::new(header);
        self.page = None;
    }

    fn add(&mut self, interval: &Interval) {
        self.fold.add_interval(interval);
        self.wanted.add(interval);
        self.gauges = interval.gauges.into();
        // The last second is mostly a piece of one: over a few milliseconds a use of processor time is noise.
        if interval.length >= Duration::from_millis(250) {
            self.health = interval.health;
        }
        self.stage = interval.stage;
        self.page = None;
    }

    fn page(&mut self) -> Arc<str> {
        if let Some(page) = &self.page {
            return Arc::clone(page);
        }
        let moment = Moment {
            record: &self.fold.so_far(&self.header),
            latencies: self.fold.latencies_so_far(),
            wanted: &self.wanted,
            gauges: self.gauges,
            health: self.health,
            stage: self.stage,
        };
        let page: Arc<str> = text::page(&moment).into();
        self.page = Some(Arc::clone(&page));
        page
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Nobody panics while holding it; if somebody did, figures that are a second old would be no harm.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
