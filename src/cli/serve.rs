//! `serve`: the embedded core on its own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::embedded_core::{CoreOptions, EmbeddedCore, Provisioned, RegistrationMode, Truth};
use crate::law::{Distribution, Freeze, Seed};
use crate::profile::{parse_duration, parse_freeze, parse_law, parse_refusals};
use crate::protocol::{Dialect, HangupCode, Reading, ServerMessage, Supervision};
use crate::transport::{SubProtocolRule, raise_descriptor_limit};
use crate::verdict::exit;

/// How often it is looked whether the core has ended by itself.
const LOOK: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  Serve 1000 subscribers, and let a load run use them:
    wtsp-load serve --listen 127.0.0.1:7000 --write-subscribers subscribers.csv

  Serve 1000 subscribers that sign in over REST with login and password:
    wtsp-load serve --listen 127.0.0.1:7000 --write-credentials credentials.csv

  Serve the same subscribers again, and keep what was counted:
    wtsp-load serve --subscribers-file subscribers.csv --truth truth.json

  Hold answers back by known laws, and stand still for 1 s in every 10:
    wtsp-load serve --delay ack=fixed:20ms --delay ringing=uniform:5ms..50ms --delay hangup=lognormal:10ms,60ms \
      --delay accepted=bimodal:5ms,80ms,0.1 --freeze 1s/10s --truth truth.json

  Refuse 1 in 100 calls with 503:
    wtsp-load serve --refuse-calls 1%:503 --truth truth.json

  Serve wss, slowly, in the dialect of 2022:
    wtsp-load serve --tls --write-ca ca.pem --ack-delay 50ms --dialect nested

Dial *183 before a number for a call with early media, and *100 for one whose
callee gets no offer.

The first line of stdout is the URL, once it listens. SIGTERM or ^C ends it: all
connections are closed with 1001, and what was counted is written as JSON.";

/// Run the embedded core on its own: a stand-in WebTrit Core that counts for itself
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// How many subscribers to make, with numbers from 15550000001 on, random tokens and random passwords
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "subscribers_file")]
    pub subscribers: u32,
    /// Take the subscribers of this file instead: CSV with the header `token,number` or `login,password,number`
    #[arg(long, value_name = "FILE")]
    pub subscribers_file: Option<PathBuf>,
    /// Write the subscribers to this file, which only its owner may read
    #[arg(long, value_name = "FILE")]
    pub write_subscribers: Option<PathBuf>,
    /// Write what they sign in with over REST to this file, which only its owner may read: CSV with the header
    /// `login,password,number`. A subscriber without a password gets one
    #[arg(long, value_name = "FILE")]
    pub write_credentials: Option<PathBuf>,
    /// Write what was counted to this file; `-` is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub truth: PathBuf,
    /// Interval between keepalives, as announced to the clients
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub keepalive_interval: Duration,
    /// When a silent client is closed with 4502
    #[arg(long, value_name = "MODE", default_value = "generous", value_parser = supervision)]
    pub supervision: Supervision,
    /// Lines of each subscriber
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=16))]
    pub lines: u16,
    /// Insist on the sub-protocol, and read every JSON value
    #[arg(long)]
    pub strict: bool,
    /// The dialect to speak; auto is flat until a client's first message shows otherwise
    #[arg(long, value_enum, default_value_t = DialectChoice::Auto)]
    pub dialect: DialectChoice,
    /// Serve wss, with a certificate of its own
    #[arg(long)]
    pub tls: bool,
    /// Write the certificate of the authority behind it to this file
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub write_ca: Option<PathBuf>,
    /// From the upgrade to the state
    #[arg(long, value_name = "DURATION", default_value = "5ms", value_parser = parse_duration)]
    pub state_delay: Duration,
    /// From a request to its response
    #[arg(long, value_name = "DURATION", default_value = "1ms", value_parser = parse_duration)]
    pub ack_delay: Duration,
    /// From a hangup to its ice_hangup
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = parse_duration)]
    pub ice_hangup_delay: Duration,
    /// Hold messages of this flat name back by a law, counted from what causes them: `state`, `keepalive`, `ack`,
    /// `error`, or an event's name; repeatable, and stronger than the three options above. Laws: fixed:20ms,
    /// uniform:5ms..50ms, exponential:20ms, lognormal:10ms,60ms, bimodal:5ms,80ms,0.1
    #[arg(long, value_name = "NAME=LAW", value_parser = delay)]
    pub delay: Vec<(ServerMessage, Distribution)>,
    /// Stand still, reading nothing and sending nothing, for so long in every so long
    #[arg(long, value_name = "LENGTH/EVERY", value_parser = parse_freeze)]
    pub freeze: Option<Freeze>,
    /// Refuse a share of the calls, drawn by the seed: acknowledged, calling, and hangup with this SIP status
    #[arg(long, value_name = "SHARE:CODE", value_parser = parse_refusals)]
    pub refuse_calls: Option<(f64, HangupCode)>,
    /// Seed of the delays and the refusals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Let SIP registration take this long twice: from the state to `registering`, from there to `registered`
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub registration_delay: Option<Duration>,
    /// How long the calls of a lost connection stay up
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub grace: Duration,
    /// Give all callers early media: `progress` instead of `ringing`
    #[arg(long)]
    pub early_media: bool,
    /// Send ice_webrtcup and ice_media once a call is answered
    #[arg(long)]
    pub media_events: bool,
}

/// The choice of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectChoice {
    /// The protocol of September 2022
    Nested,
    /// Today's public protocol
    Flat,
    /// Flat, until the client's first message shows otherwise
    Auto,
}

impl DialectChoice {
    const fn dialect(self) -> Option<Dialect> {
        match self {
            DialectChoice::Nested => Some(Dialect::Nested),
            DialectChoice::Flat => Some(Dialect::Flat),
            DialectChoice::Auto => None,
        }
    }
}

/// Serves until told to stop.
pub fn run(args: ServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wtsp-load serve: {error}");
            ExitCode::from(exit::CANNOT)
        }
    }
}

fn serve(args: ServeArgs) -> Result<(), String> {
    let truth_file = (args.truth != Path::new("-")).then(|| args.truth.clone());
    if let Some(path) = &truth_file {
        check_directory(path)?;
    }
    if !args.listen.ip().is_loopback() {
        eprintln!(
            "wtsp-load serve: warning: {} can be reached from other machines; whoever has a token can sign on",
            args.listen
        );
    }
    if let Err(error) = raise_descriptor_limit() {
        eprintln!("wtsp-load serve: warning: the descriptor limit could not be raised ({error})");
    }
    let subscribers = subscribers(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::new().map_err(|error| format!("signals cannot be caught: {error}"))?
    };
    let listen = args.listen;
    let core = EmbeddedCore::start(options(&args, subscribers));
    let core = core.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    if let (Some(path), Some(authority)) = (&args.write_ca, core.authority()) {
        write_whole(path, authority, 0o644)?;
    }
    announce(&core)?;
    runtime.block_on(signals.wait(&core));
    let truth = core.stop().map_err(|error| format!("the core failed: {error}"))?;
    eprintln!(
        "wtsp-load serve: {} connections, {} calls, {} still up",
        truth.clients.connections, truth.attempts.started, truth.calls_up
    );
    write_truth(truth_file.as_deref(), &truth)
}

fn options(args: &ServeArgs, subscribers: Vec<Provisioned>) -> CoreOptions {
    CoreOptions {
        listen: args.listen,
        subscribers,
        tls: args.tls,
        sub_protocol: if args.strict { SubProtocolRule::Strict } else { SubProtocolRule::Lenient },
        reading: if args.strict { Reading::Strict } else { Reading::Tolerant },
        dialect: args.dialect.dialect(),
        lines: args.lines,
        keepalive_interval: args.keepalive_interval,
        supervision: args.supervision,
        state_delay: Distribution::Fixed(args.state_delay),
        ack_delay: Distribution::Fixed(args.ack_delay),
        ice_hangup_delay: Distribution::Fixed(args.ice_hangup_delay),
        delays: args.delay.iter().copied().collect(),
        freeze: args.freeze,
        refusals: args.refuse_calls,
        seed: Seed(args.seed),
        registration: args.registration_delay.map_or(RegistrationMode::AtOnce, RegistrationMode::Staged),
        early_media: args.early_media,
        media_events: args.media_events,
        grace: args.grace,
        ..CoreOptions::default()
    }
}

fn subscribers(args: &ServeArgs) -> Result<Vec<Provisioned>, String> {
    let mut subscribers = match &args.subscribers_file {
        None => Provisioned::many(args.subscribers).map_err(|error| format!("no random tokens: {error}"))?,
        Some(path) => {
            let csv = fs::read_to_string(path)
                .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
            Provisioned::from_csv(&csv).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    if let Some(path) = &args.write_subscribers {
        if subscribers.iter().any(|subscriber| subscriber.token.is_empty()) {
            let cure = "sign in over REST, or serve a list of `token,number`";
            return Err(format!(
                "{}: subscribers with login and password have no tokens; {cure}",
                path.display()
            ));
        }
        write_whole(path, &Provisioned::to_csv(&subscribers), 0o600)?;
    }
    if let Some(path) = &args.write_credentials {
        Provisioned::give_passwords(&mut subscribers)
            .map_err(|error| format!("no random passwords: {error}"))?;
        write_whole(path, &Provisioned::to_credentials_csv(&subscribers), 0o600)?;
    }
    Ok(subscribers)
}

/// The URL is the first line of stdout, and there once it can be connected to.
fn announce(core: &EmbeddedCore) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", core.url()).and_then(|()| stdout.flush());
    written.or_else(no_reader).map_err(|error| format!("stdout: {error}"))?;
    eprintln!("wtsp-load serve: {} subscribers; ^C to stop", core.subscribers().len());
    Ok(())
}

fn write_truth(path: Option<&Path>, truth: &Truth) -> Result<(), String> {
    let json = format!("{:#}\n", truth.to_json());
    match path {
        Some(path) => write_whole(path, &json, 0o644),
        None => {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(json.as_bytes()).and_then(|()| stdout.flush());
            written.or_else(no_reader).map_err(|error| format!("stdout: {error}"))
        }
    }
}

/// Nobody reads what is written: no fault of ours.
fn no_reader(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

fn check_directory(path: &Path) -> Result<(), String> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    match directory {
        Some(directory) if !directory.is_dir() => {
            Err(format!("{}: its directory does not exist; make it first", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    check_directory(path)?;
    let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    let written = if is_special { fs::write(path, text) } else { replace(path, text, mode) };
    written.map_err(|error| format!("{}: cannot be written: {error}", path.display()))
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        // What went wrong is told; the rest of it is of no use to anybody.
        let _ = fs::remove_file(&part);
    }
    written
}

/// The signals that end it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Until a signal comes, or the core has ended by itself.
    async fn wait(&mut self, core: &EmbeddedCore) {
        while !core.has_ended() {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

fn supervision(text: &str) -> Result<Supervision, String> {
    let names = Supervision::ALL.map(Supervision::name);
    let found = Supervision::ALL.into_iter().find(|mode| mode.name() == text);
    found.ok_or_else(|| format!("one of {} belongs here", names.join(", ")))
}

fn delay(text: &str) -> Result<(ServerMessage, Distribution), String> {
    let (name, law) = text.split_once('=').ok_or("a name and a law belong here, such as ack=fixed:20ms")?;
    let message = ServerMessage::from_name(name).ok_or_else(|| {
        format!("the core sends no message `{name}`; it sends {}", ServerMessage::names().join(", "))
    })?;
    Ok((message, parse_law(law).map_err(|error| error.to_string())?))
}
