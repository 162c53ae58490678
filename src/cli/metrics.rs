//! `run --metrics`: the figures of the run for Prometheus, while it lasts.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::exporter::{Exporter, ExporterError};
use crate::profile::{Plan, parse_duration, write_duration};
use crate::scheduler::{Event, Stop, Urgency};

/// How often it is looked whether somebody wants to leave.
const LOOK: Duration = Duration::from_millis(50);

/// Where the figures of a run are offered, and for how long.
#[derive(Args, Clone, Copy, Debug)]
pub struct MetricsArgs {
    /// Offer the figures to Prometheus while it runs, at http://ADDR/metrics; ADDR is IP:PORT, port 0 any that is free
    #[arg(long, value_name = "ADDR", value_parser = address)]
    metrics: Option<SocketAddr>,
    /// Keep them up for so long after the run, so that its end is scraped too; two scrape intervals are enough
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration, requires = "metrics")]
    metrics_linger: Duration,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write IP:PORT, as in 127.0.0.1:9464 or [::1]:9464".to_owned())
}

/// The metrics of a run, if they are wanted.
pub(super) struct Metrics {
    exporter: Option<Exporter>,
    linger: Duration,
    quiet: bool,
}

impl Metrics {
    /// Offers them, and says where.
    pub fn start(args: MetricsArgs, plan: &Plan, quiet: bool) -> Result<Metrics, ExporterError> {
        let start = |address| Exporter::start(address, plan.stages.clone());
        let exporter = args.metrics.map(start).transpose()?;
        if let Some(exporter) = exporter.as_ref().filter(|_| !quiet) {
            eprintln!("metrics at {}", exporter.url());
        }
        Ok(Metrics { exporter, linger: args.metrics_linger, quiet })
    }

    /// Adds what has happened.
    pub fn observe(&self, event: &Event<'_>) {
        let Some(exporter) = &self.exporter else { return };
        match event {
            Event::Begun(header) => exporter.begin(header),
            Event::Interval(interval) => exporter.interval(interval),
            _ => {}
        }
    }

    /// Keeps them up after the run, until ^C.
    pub fn linger(self, stop: &Stop) {
        let Some(exporter) = self.exporter.filter(|_| !self.linger.is_zero()) else { return };
        if !self.quiet {
            eprintln!("metrics stay at {} for {}; ^C ends that", exporter.url(), write_duration(self.linger));
        }
        if stop.urgency() == Urgency::Run {
            // There is nothing left to drain: the next ^C leaves.
            stop.request();
        }
        let ended = Instant::now();
        while ended.elapsed() < self.linger && stop.urgency() != Urgency::Leave {
            thread::sleep(LOOK);
        }
    }
}
