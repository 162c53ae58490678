//! `run`: a profile against its target.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::OverrideArgs;
use super::metrics::{Metrics, MetricsArgs};
use super::progress::Progress;
use crate::profile::{self, Plan};
use crate::report::{self, Style};
use crate::scheduler::{self, Event, Output, RunError, Steering, Stop, Urgency};
use crate::verdict::exit;

const EXAMPLES: &str = "\
Examples:
  See it work, against the embedded core:
    wtsp-load run profiles/quickstart.toml

  The same profile with more calls:
    wtsp-load run profiles/quickstart.toml --set stages.1.calls_per_second=50

  Load a Core that runs elsewhere, and keep the record in a place of your own:
    wtsp-load run staging.toml --target wss://core.example.com --out monday

The first ^C stops new calls, hangs up, signs off and reports. The second leaves
at once; what was measured is kept.

On a terminal the run is shown as it goes on, and keys change it: p pauses it and
lets it go on, + and - change the rate of calls by a tenth of the plan's, d ends it
early and has it judged, q leaves as a second ^C does, ? lists them. Every change is
stamped in the record, and compare refuses such a run.";

/// Run a profile: sign clients on, let them call each other, and report
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// The profile
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Directory for the record of this run; by default a new one below `reports`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// List all calls in `calls.csv`, as `cdr = true` in [calls] does
    #[arg(long)]
    cdr: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Say nothing while it runs
    #[arg(long, short)]
    quiet: bool,
    /// No live view and no keys on a terminal: a line every few seconds, as without one
    #[arg(long, conflicts_with = "quiet")]
    plain: bool,
}

/// Runs a profile and prints the summary.
pub fn run(args: RunArgs) -> ExitCode {
    let mut plan = match profile::load(&args.profile, &args.overrides.into()) {
        Ok(plan) => plan,
        Err(errors) => {
            eprint!("{}", errors.render(super::has_colour(&io::stderr())));
            return ExitCode::from(exit::USAGE);
        }
    };
    if args.cdr {
        plan.cdr.get_or_insert_default();
    }
    if !args.quiet {
        plan.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    let output = match args.out {
        Some(directory) => Output::At(directory),
        None => Output::Under(PathBuf::from("reports")),
    };
    let stop = Stop::default();
    let steering = Steering::new(stop.clone());
    let mut progress = Progress::new(&plan, args.quiet, args.plain, &steering);
    let is_silent =
        if args.quiet { Arc::new(AtomicBool::new(true)) } else { Arc::clone(progress.has_view()) };
    if let Err(error) = listen_for_signals(stop.clone(), is_silent) {
        eprintln!("error: signals cannot be received: {error}");
        return ExitCode::from(exit::CANNOT);
    }
    let metrics = match Metrics::start(args.metrics, &plan, args.quiet) {
        Ok(metrics) => metrics,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(exit::CANNOT);
        }
    };
    let announcement = announcement(&plan);
    let ran = scheduler::run_steered(plan, &output, &steering, &mut |event| {
        if let Event::Target { remote: true, url, .. } = event {
            eprintln!("{url} is not on this machine: {announcement}");
        }
        metrics.observe(&event);
        progress.show(&event);
    });
    progress.end();
    match ran {
        Ok(ran) => {
            let code = conclude(&ran);
            metrics.linger(&stop);
            code
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, RunError::Stopped) { exit::INTERRUPTED } else { exit::CANNOT })
        }
    }
}

/// What is about to be done to a target.
fn announcement(plan: &Plan) -> String {
    let calls = match plan.expected_calls() {
        0.0 => "no calls".to_owned(),
        calls => format!("about {calls:.0} calls"),
    };
    let control = if plan.control.clients > 0 { ", the control group included," } else { "" };
    format!(
        "up to {} clients{control} will sign on there and place {calls} in {}. ^C stops it.",
        plan.connections(),
        profile::write_duration(plan.duration()),
    )
}

/// Prints the summary, and what went wrong.
fn conclude(ran: &scheduler::Ran) -> ExitCode {
    let finished = &ran.finished;
    let mut stdout = io::stdout().lock();
    let style = Style { colour: super::has_colour(&io::stdout()), ..Style::default() };
    let printed = report::text(&finished.record, &finished.verdict, style, &mut stdout);
    drop(stdout.flush());
    for error in
        finished.problem.iter().map(ToString::to_string).chain(ran.breakdown.iter().map(ToString::to_string))
    {
        eprintln!("error: {error}");
    }
    if ran.breakdown.is_some() {
        return ExitCode::from(exit::CANNOT);
    }
    match printed {
        Err(error) if !super::is_broken_pipe(&error) => {
            eprintln!("error: the summary cannot be printed: {error}");
            ExitCode::from(exit::CANNOT)
        }
        _ => ExitCode::from(finished.exit_code()),
    }
}

/// Turns SIGINT and SIGTERM into requests to stop, and SIGQUIT into one to leave, on a thread of its own that ends with the process. It says so, unless
/// it is to be silent at that moment.
pub(super) fn listen_for_signals(stop: Stop, is_silent: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Registered here, so that no signal is lost between now and the thread's first turn.
    let (mut interrupt, mut terminate, mut quit) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::quit())?)
    };
    let listen = move || {
        runtime.block_on(async {
            loop {
                let urgency = tokio::select! {
                    Some(()) = interrupt.recv() => stop.request(),
                    Some(()) = terminate.recv() => stop.request(),
                    Some(()) = quit.recv() => stop.request().max(stop.request()),
                    else => return,
                };
                let said = match urgency {
                    Urgency::Drain => "stopping: hanging up and signing off; ^C again leaves at once",
                    _ => "leaving",
                };
                if !is_silent.load(Ordering::Acquire) {
                    eprintln!("{}{said}", if io::stderr().is_terminal() { "\r\x1b[K" } else { "" });
                }
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
}
