//! The control group: quiet clients on a thread of their own, and their twins in the workers.
//!
//! Both do the same: they sign on when the run starts, send a keepalive a second, place no calls, and sign off with all
//! others. So what the twins' keepalives take longer is what a worker adds to everything that it measures. Clients under
//! load would not do for the comparison: their keepalives come every 30 s, are put off by calls, and wait at the server
//! behind what else is for the same client.
//!
//! What a quiet client sends and receives is counted like all that is on the wire. It is none of the run's sign-ons and
//! clients, and in none of their latencies.

use std::time::Duration;

use super::stop::Urgency;
use super::worker::{self, Owner, Shared, Worker};
use crate::law::Time;
use crate::metrics::Metric;
use crate::profile::Plan;
use crate::protocol::SessionSettings;
use crate::workload::{Segment, Stage};

/// How often a quiet client sends a keepalive: often enough for a p99 within minutes, and far too rarely for a load.
const INTERVAL: Duration = Duration::from_secs(1);

/// The share of the interval that is drawn, so that nothing that comes round once a second is hit each time, or never.
const JITTER: f64 = 0.2;

/// What a thread with clients is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its part of the load, with some of the twins.
    Load(Segment),
    /// The control clients, and nothing else.
    Control,
}

impl Role {
    /// The load, and which part of it the thread does: the control thread does the whole of none.
    pub fn load(self, plan: &Plan) -> (&[Stage], Segment) {
        match self {
            Role::Load(segment) => (&plan.stages, segment),
            Role::Control => (&[], Segment::WHOLE),
        }
    }

    /// The numbers of its quiet clients: control clients come after all clients of the load, twins after them.
    pub fn quiet_numbers(self, shared: &Shared) -> Vec<u32> {
        let (first, count) = (shared.plan.peak_clients(), shared.plan.control.clients);
        match self {
            Role::Control => (first..first + count).collect(),
            Role::Load(Segment { index, of }) => (0..count)
                .filter(|twin| *twin as usize % of == index)
                .map(|twin| first + count + twin)
                .collect(),
        }
    }
}

/// How the session of a quiet client behaves.
pub(super) fn quiet(settings: SessionSettings) -> SessionSettings {
    SessionSettings { keepalive_interval: Some(INTERVAL), keepalive_jitter: JITTER, ..settings }
}

impl Worker {
    /// Whether the client at this place is a control client or a twin.
    pub fn is_quiet(&self, place: usize) -> bool {
        place >= self.clients.len() - self.quiet.len()
    }

    /// The number of the quiet client at this place; `None` if a client of the load is there.
    pub fn quiet_number(&self, place: usize) -> Option<u32> {
        let loaded = self.clients.len() - self.quiet.len();
        self.quiet.get(place.checked_sub(loaded)?).copied()
    }

    /// Has all quiet clients sign on when the run starts.
    pub fn plan_quiet(&mut self) {
        let loaded = self.clients.len() - self.quiet.len();
        for place in loaded..self.clients.len() {
            self.deadlines.push(self.shared.start, Owner::Quiet(place));
        }
    }

    /// The answer to a keepalive has come.
    pub fn keepalive_answered(&mut self, place: usize, sent: Time, at: Time) {
        let metric = match (self.is_quiet(place), self.role) {
            (false, _) => Metric::Keepalive,
            (true, Role::Control) => Metric::KeepaliveControl,
            (true, Role::Load(_)) => Metric::KeepaliveTwin,
        };
        if metric == Metric::Keepalive || self.compares(at) {
            self.recorder.service(metric, sent, at);
        }
    }

    /// Whether what a quiet client measures at `at` has its like on the other side. Once the run ends it has not: the threads
    /// see that each in its own time, and the workers have all sign-offs to do.
    fn compares(&self, at: Time) -> bool {
        let Shared { start, steering, plan, .. } = &*self.shared;
        let is_running = self.stage == worker::Stage::Running && steering.stop().urgency() == Urgency::Run;
        is_running && at < *start + plan.duration()
    }

    /// Records a lateness of this thread, if it is a worker's: that of the control thread would hide those.
    pub fn own(&mut self, metric: Metric, from: Time, to: Time) {
        if matches!(self.role, Role::Load(_)) {
            self.recorder.service(metric, from, to);
        }
    }
}
