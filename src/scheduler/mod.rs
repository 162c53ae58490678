//! From a plan to a record: worker threads that share nothing, a schedule that says when things are due, and a
//! collector that gathers what was measured.
//!
//! What is due happens when it is due, or is counted as blocked: the load does not slow down when the server does.

mod attempts;
mod callers;
mod cdr;
mod collect;
mod control;
mod direct;
mod dispatch;
mod flight;
mod flight_log;
mod health;
mod incoming;
mod lookup;
mod memory;
mod prepare;
mod recovery;
mod renewal;
mod sessions;
mod signon;
mod steering;
mod stop;
mod timers;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use steering::{Steering, Wish};
pub use stop::{Stop, Urgency};

use self::cdr::{CallList, Rows};
use self::collect::{Channel, Collected, collector};
use self::control::Role;
use self::flight_log::FlightLog;
use self::memory::{MemoryLine, held_before_connecting};
use self::prepare::{Prepared, prepare};
use self::renewal::Renewer;
use self::sessions::{Sessions, SignedOut};
use self::worker::{Shared, Worker};
use crate::client::{ScoutError, Scouted, Wishes, scout};
use crate::embedded_core::Truth;
use crate::law::Seed;
use crate::metrics::{Recorder, Tally};
use crate::profile::{Force, Plan, Server};
use crate::protocol::SessionSettings;
use crate::record::{
    Aborted, CallsCsv, CallsEnd, ControlInfo, Environment, Interval, KeptCalls, ProfileInfo, RecordError,
    RunEnd, RunHeader, RunWriter, StageInfo, TargetInfo,
};
use crate::report::{self, Finished};
use crate::subscribers::SubscriberError;
use crate::subscribers::rest::RestError;
use crate::transport::{Clock, Resumption, TlsError};
use crate::verdict::Watch;
use crate::workload::{Rate, Segment, Stage};

/// The time that workers get to be ready before the first thing is due.
const HEAD_START: Duration = Duration::from_millis(100);

/// How often it is looked whether to stop, while the scout is out or sessions are made and deleted.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// Why there was no run, or no more of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The descriptor limit cannot be read.
    #[error("the limit of open descriptors cannot be read: {0}")]
    Limit(#[source] io::Error),
    /// Not enough descriptors.
    #[error(
        "the plan needs {needed} open descriptors, and this process may have {limit}: raise the hard limit \
         (`ulimit -Hn`), plan fewer clients, or share them out among several generators"
    )]
    Descriptors {
        /// How many the plan needs.
        needed: u64,
        /// How many there are.
        limit: u64,
    },
    /// Not enough local ports.
    #[error(
        "the plan needs {needed} connections to the target, and this machine has {ports} ports for them: name more \
         `source_addresses`, or widen net.ipv4.ip_local_port_range"
    )]
    Ports {
        /// How many the plan needs.
        needed: u64,
        /// How many there are.
        ports: u64,
    },
    /// Not enough subscribers.
    #[error("the plan needs {needed} subscribers, and there are {given}: add some, or plan fewer clients")]
    Subscribers {
        /// How many the plan needs.
        needed: usize,
        /// How many there are.
        given: usize,
    },
    /// The list of subscribers.
    #[error(transparent)]
    SubscriberList(#[from] SubscriberError),
    /// A session that could not be made.
    #[error(transparent)]
    Session(#[from] RestError),
    /// The target's name has no address.
    #[error("the target `{host}` has no address that can be found: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The embedded core.
    #[error("the embedded core cannot start: {0}")]
    Core(#[source] io::Error),
    /// The scout.
    #[error("the target {url} cannot be loaded: {reason}")]
    Scout {
        /// The target.
        url: String,
        /// What the scout met.
        #[source]
        reason: ScoutError,
    },
    /// A flow of the mix needs something that the server does not have.
    #[error("the flow `{flow}` cannot be played against this server: {reason}; take it out of `calls.mix`")]
    Flow {
        /// Its name.
        flow: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The run was stopped before it began.
    #[error("stopped before the first stage")]
    Stopped,
    /// This machine.
    #[error("a worker cannot run: {0}")]
    Worker(#[source] io::Error),
    /// A fault of this program's own.
    #[error("a worker broke down: this is a fault of wtsp-load, please report it")]
    Panicked,
}

/// Where the record of a run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into a new directory, named after profile and time, below this one.
    Under(PathBuf),
    /// Into this very directory.
    At(PathBuf),
}

/// What happens while a run is prepared and goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The target is known; nothing has been dialled yet.
    Target {
        /// Its URL, without token.
        url: &'a str,
        /// Whether it is another machine.
        remote: bool,
        /// The record's directory.
        directory: &'a Path,
    },
    /// Sessions are being made through the REST API.
    SigningIn {
        /// How many there are.
        made: usize,
        /// How many there are to be.
        of: usize,
    },
    /// The sessions of the run were deleted, or not.
    SignedOut {
        /// How many are no more.
        deleted: u64,
        /// How many could not be deleted.
        delete_failed: u64,
    },
    /// The scout is back.
    Scouted(&'a Scouted),
    /// The load is about to begin; this is all that is known before.
    Begun(&'a RunHeader),
    /// Another interval was measured.
    Interval(&'a Interval),
    /// A threshold ends the run early: no new attempts, hang up, sign off, record.
    Aborted(&'a Aborted),
    /// The record cannot be written any more; the run goes on.
    NotRecorded(&'a RecordError),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Its record and verdict, and what could not be written.
    pub finished: Finished,
    /// Where.
    pub directory: PathBuf,
    /// A worker's breakdown, if there was one: the record holds what was measured until then.
    pub breakdown: Option<RunError>,
    /// What the embedded core counted, where that was the target.
    pub truth: Option<Truth>,
}

/// Runs `plan` and tells `observer` what happens. Blocks until the run is over or `stop` ends it.
///
/// # Errors
/// [`RunError`]: nothing was measured. What goes wrong later is in [`Ran`].
pub fn run(
    plan: Plan,
    output: &Output,
    stop: &Stop,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Ran, RunError> {
    run_steered(plan, output, &Steering::new(stop.clone()), observer)
}

/// The same for a run that is changed by hand while it goes on.
///
/// # Errors
/// As for [`run`].
pub fn run_steered(
    plan: Plan,
    output: &Output,
    steering: &Steering,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Ran, RunError> {
    let stop = steering.stop();
    let clock = Clock::start();
    let mut prepared = prepare(&plan, clock, stop)?;
    let mut sessions =
        prepared.logins.take().map(|logins| Sessions::new(logins, plan.logins.pace, plan.seed));
    let mut writer = match output {
        Output::Under(root) => RunWriter::create_under(root, header(&plan, &prepared, None))?,
        Output::At(directory) => RunWriter::create_at(directory, header(&plan, &prepared, None))?,
    };
    let directory = writer.directory().to_owned();
    observer(Event::Target { url: &prepared.url, remote: prepared.remote, directory: &directory });
    let core = prepared.core.take();
    // However the run goes from here on, the sessions that were made are deleted.
    let mut recorder = Recorder::default();
    let looked = look(&plan, &mut prepared, &mut sessions, &mut recorder, stop, observer);
    let is_ready = looked.is_ok();
    let looked = looked.and_then(|looked| {
        let renewer = sessions.as_mut().map(|sessions| sessions.renew(stop)).transpose()?;
        Ok(Looked { renewer: renewer.map(Arc::new), ..looked })
    });
    let loaded =
        looked.and_then(|looked| load(plan, prepared, looked, recorder, &mut writer, steering, observer));
    let signed_out = sessions.map(|sessions| sessions.sign_out(stop, observer)).unwrap_or_default();
    // What it counted is its own; the record is the clients'.
    let truth = core.and_then(|core| core.stop().ok());
    let Loaded { measured, breakdown, calls_csv, kept_calls, not_written } = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            if !is_ready {
                writer.discard();
            }
            return Err(error);
        }
    };
    let SignedOut { deleted, delete_failed } = signed_out;
    let end = RunEnd {
        ended_at: now_millis(),
        interrupted: stop.is_interrupted() || breakdown.is_some(),
        bytes_per_client: measured.bytes_per_client(),
        rss_peak_bytes: Some(measured.rss_peak),
        aborted_by: measured.aborted_by,
        sessions_deleted: deleted,
        sessions_delete_failed: delete_failed,
        calls_csv,
        kept_calls,
        changes: steering.take_changes(Duration::MAX),
    };
    let mut finished = report::finish(writer, &end);
    finished.problem = finished.problem.or(not_written);
    Ok(Ran { finished, directory, breakdown, truth })
}

/// What is known of the target before it is loaded.
struct Looked {
    scouted: Scouted,
    settings: SessionSettings,
    run_number: u32,
    renewer: Option<Arc<Renewer>>,
}

/// Makes the sessions that are still to be made, and sends the scout.
fn look(
    plan: &Plan,
    prepared: &mut Prepared,
    sessions: &mut Option<Sessions>,
    recorder: &mut Recorder,
    stop: &Stop,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Looked, RunError> {
    if let Some(sessions) = sessions {
        prepared.subscribers = sessions.sign_in(recorder, stop, observer)?;
        if let Some(path) = sessions.signaling_path() {
            prepared.move_to(&path);
        }
    }
    let run_number = Seed(now_millis().unsigned_abs()).stream("run", u64::from(std::process::id()));
    let run_number = rand::RngExt::random(&mut { run_number });
    let settings = SessionSettings {
        request_timeout: plan.clients.request_timeout,
        keepalive_jitter: plan.clients.keepalive_jitter,
        keepalive_interval: plan.clients.keepalive_interval,
        ..SessionSettings::default()
    };
    let scouted = send_scout(plan, prepared, settings, run_number, recorder, stop)?;
    if stop.urgency() != Urgency::Run {
        return Err(RunError::Stopped);
    }
    prepare::check_flows(plan, &scouted)?;
    observer(Event::Scouted(&scouted));
    Ok(Looked { scouted, settings, run_number, renewer: None })
}

/// What is left when the load is over.
struct Loaded {
    measured: Measured,
    breakdown: Option<RunError>,
    /// What became of the list of calls, and of the calls whose messages are kept.
    calls_csv: Option<CallsEnd>,
    kept_calls: Option<KeptCalls>,
    /// Why one of the two is not whole.
    not_written: Option<RecordError>,
}

/// Puts the load on the target, until the plan is done or `stop` ends it.
fn load(
    plan: Plan,
    prepared: Prepared,
    looked: Looked,
    mut recorder: Recorder,
    writer: &mut RunWriter,
    steering: &Steering,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded, RunError> {
    let stop = steering.stop();
    let Looked { scouted, settings, run_number, renewer } = looked;
    let header = header(&plan, &prepared, Some(&scouted));
    let mut watch = Watch::new(&header);
    observer(Event::Begun(&header));
    writer.begin(header)?;
    let mut calls = CallList::create(&plan, writer.directory())?;
    let mut flights = FlightLog::new(&plan, writer.directory());
    let rows = || Rows::for_worker(&plan);
    let (mut collector, channels) = collector(plan.threads(), &plan.stages, rows);
    let mut measured = Measured {
        before: Some(recorder.swap(Tally::default())),
        embedded: plan.target.server == Server::Embedded,
        descriptors: prepared.descriptor_limit,
        ports: prepared.ports,
        held: held_before_connecting(&prepared.subscribers),
        ..Measured::default()
    };
    let clock = prepared.dialer.clock;
    let Prepared { subscribers, dialer, .. } = prepared;
    let shared = Arc::new(Shared {
        numbers: prepare::numbers(&subscribers, plan.peak_clients()),
        offline: prepare::offline(&subscribers, plan.connections()),
        plan,
        subscribers,
        dialer,
        dialect: scouted.dialect,
        settings,
        run_number,
        clock,
        start: clock.now() + HEAD_START,
        steering: steering.clone(),
        renewer: renewer.clone(),
    });
    steering.begin(clock, shared.start, shared.plan.duration());
    let threads = start_workers(&shared, channels)?;
    // Once a run is stopped its stages are over.
    let mut stopped = false;
    loop {
        match collector.next(Duration::from_millis(500)) {
            Collected::Done => break,
            Collected::Nothing => {}
            Collected::Interval(mut interval, ended) => {
                if let Some(counted) = renewer.as_ref().and_then(|renewer| renewer.take_counted()) {
                    interval.tally.add(&counted);
                }
                // It grows with the calls that are up, which mostly grow with the clients.
                measured.memory.beside(ended.landings.bytes + flights.bytes());
                measured.interval(&mut interval);
                interval.changes = steering.take_changes(interval.at + interval.length);
                interval.stage = interval.stage.filter(|_| !stopped);
                let listed = calls.write(&ended.rows, &shared);
                let written = [writer.interval(&interval), listed, flights.write(ended.landings, &shared)];
                for error in written.into_iter().filter_map(Result::err) {
                    observer(Event::NotRecorded(&error));
                }
                observer(Event::Interval(&interval));
                if let Some(aborted) = watch.interval(&interval).filter(|_| stop.abort()) {
                    observer(Event::Aborted(&aborted));
                    measured.aborted_by = Some(aborted);
                }
                stopped = stop.urgency() != Urgency::Run;
                collector.take_back(interval.tally);
            }
        }
        if collector.has_lost_a_worker() && stop.urgency() == Urgency::Run {
            // Half a load proves nothing: what was measured until now is recorded.
            stop.request();
        }
    }
    let breakdown = join(threads).err();
    let (calls_csv, not_listed) = calls.finish();
    let (kept_calls, not_kept) = flights.finish(&shared, |error| observer(Event::NotRecorded(error)));
    Ok(Loaded { measured, breakdown, calls_csv, kept_calls, not_written: not_listed.or(not_kept) })
}

/// What is measured of the process itself while intervals come in.
#[derive(Debug, Default)]
struct Measured {
    /// What was counted before the first stage: sign-ins, and the scout.
    before: Option<Tally>,
    rss_peak: u64,
    /// Whether the process holds the server's ends too.
    embedded: bool,
    /// How many files and sockets it may have open.
    descriptors: u64,
    /// How many connections to the target have a local port.
    ports: u64,
    memory: MemoryLine,
    /// What a client holds before it connects, in bytes.
    held: u64,
    aborted_by: Option<Aborted>,
}

impl Measured {
    fn interval(&mut self, interval: &mut Interval) {
        // What the scout sent and received is part of what the server saw.
        if let Some(before) = self.before.take() {
            interval.tally.add(&before);
        }
        let connected = interval.gauges.connected;
        let health = &mut interval.health;
        health.fds_left = health.fds_open.map(|open| self.descriptors.saturating_sub(open));
        let open = connected + interval.gauges.control;
        health.ports_left = Some(self.ports.saturating_sub(open));
        self.rss_peak = self.rss_peak.max(health.rss_bytes);
        self.memory.second(connected, health.rss_bytes);
        health.bytes_per_client = self.bytes_per_client();
    }

    /// Memory that one more client costs; nothing where the process holds the server's ends too.
    fn bytes_per_client(&self) -> Option<u64> {
        let growth = self.memory.bytes_per_client().filter(|_| !self.embedded)?;
        Some(self.held + growth)
    }
}

fn send_scout(
    plan: &Plan,
    prepared: &Prepared,
    settings: SessionSettings,
    run: u32,
    recorder: &mut Recorder,
    stop: &Stop,
) -> Result<Scouted, RunError> {
    let Some(first) = prepared.subscribers.first() else {
        return Err(RunError::Subscribers { needed: 1, given: 0 });
    };
    let wishes = Wishes {
        dialect: plan.target.dialect.dialect(),
        token: first.token.expose().to_owned(),
        force: plan.target.force == Force::Always,
        connect_timeout: plan.target.connect_timeout,
        // What it finds out is what the server asks for.
        settings: SessionSettings { keepalive_interval: None, ..settings },
        run,
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Worker)?;
    runtime.block_on(async {
        tokio::select! {
            scouted = scout(Arc::clone(&prepared.dialer), &wishes, recorder) => {
                scouted.map_err(|reason| RunError::Scout { url: prepared.url.clone(), reason })
            }
            () = stopped(stop) => Err(RunError::Stopped),
        }
    })
}

/// Until somebody asks to stop.
async fn stopped(stop: &Stop) {
    while stop.urgency() == Urgency::Run {
        tokio::time::sleep(STOP_LOOK).await;
    }
}

type Thread = JoinHandle<io::Result<()>>;

/// Starts the workers and then, with the channel that is left, the thread of the control clients.
fn start_workers(shared: &Arc<Shared>, channels: Vec<Channel>) -> Result<Vec<Thread>, RunError> {
    let of = shared.plan.workers;
    let start = |(index, channel)| {
        let shared = Arc::clone(shared);
        let (name, role) = match index {
            index if index < of => (format!("worker {index}"), Role::Load(Segment { index, of })),
            _ => ("control".to_owned(), Role::Control),
        };
        let body = move || work(shared, role, channel);
        thread::Builder::new().name(name).spawn(body).map_err(RunError::Worker)
    };
    let threads = channels.into_iter().enumerate().map(start).collect::<Result<Vec<_>, _>>();
    if threads.is_err() {
        // Those that did start have nobody to report to.
        shared.steering.stop().request();
        shared.steering.stop().request();
    }
    threads
}

fn work(shared: Arc<Shared>, role: Role, channel: Channel) -> io::Result<()> {
    // Only the kernel's timers are used, and they are not rounded to the default slack of 50 µs then.
    let _ = nix::sys::prctl::set_timerslack(1);
    Worker::new(shared, role, channel)?.run()
}

fn join(threads: Vec<Thread>) -> Result<(), RunError> {
    for thread in threads {
        thread.join().map_err(|_| RunError::Panicked)?.map_err(RunError::Worker)?;
    }
    Ok(())
}

fn header(plan: &Plan, prepared: &Prepared, scouted: Option<&Scouted>) -> RunHeader {
    let target = &plan.target;
    RunHeader {
        tool: Default::default(),
        profile: ProfileInfo { name: plan.name.clone(), hash: plan.hash.clone(), seed: plan.seed.0 },
        target: TargetInfo {
            url: prepared.url.clone(),
            embedded: target.server == Server::Embedded,
            remote: prepared.remote,
            dialect: target.dialect.name().to_owned(),
            dialect_detected: scouted.map(|scouted| scouted.dialect.name().to_owned()),
            subprotocol: scouted.map(|scouted| scouted.subprotocol),
            tls_insecure: target.tls.insecure,
            tls_resumption: target.tls.resumption == Resumption::On,
            lines: scouted.map(|scouted| scouted.lines as u32),
            keepalive_interval_ms: scouted.map(|scouted| scouted.keepalive_interval.as_millis() as u64),
        },
        started_at: now_millis(),
        clients_planned: u64::from(plan.peak_clients()),
        stages: stage_infos(&plan.stages),
        workers: plan.workers as u32,
        control: ControlInfo {
            clients: u64::from(plan.control.clients),
            absent: plan.control.absent.clone(),
        },
        fd_limit: prepared.descriptor_limit,
        mean_hold_us: plan.has_calls().then(|| plan.calls.mean_hold().as_micros() as u64),
        mean_busy_us: plan.has_calls().then(|| plan.calls.mean_busy().as_micros() as u64),
        environment: Environment::here(),
        thresholds: plan.thresholds.clone(),
        calls_csv: plan.cdr.map(|_| CallsCsv { one_in: plan.cdr_one_in(), end: None }),
    }
}

fn stage_infos(stages: &[Stage]) -> Vec<StageInfo> {
    let mut starts = Duration::ZERO;
    let info = |stage: &Stage| {
        let starts_s = starts.as_secs_f64();
        starts += stage.duration;
        StageInfo {
            name: stage.name.clone(),
            starts_s,
            duration_s: stage.duration.as_secs_f64(),
            clients: u64::from(stage.clients_to),
            calls_per_second_from: stage.calls.map_or(0.0, Rate::first),
            calls_per_second_to: stage.calls.map_or(0.0, |rate| rate.last(stage.duration)),
            calls_per_second_peak: stage.calls.map_or(0.0, Rate::peak),
            callers: stage.callers,
            arrivals: stage.arrivals.name().to_owned(),
            signon_arrivals: stage.signon_arrivals.name().to_owned(),
            churn_per_second: stage.churn_per_second,
            sign_off: stage.sign_off.name().to_owned(),
        }
    };
    stages.iter().map(info).collect()
}

fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
