//! How the rivals are started. `benches/rivals/run` installs them; their scripts are beside it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Failure;
use super::generators::{Generator, HOLD, Site, TAIL, Work};

/// Their scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rivals");

pub fn command(rival: Generator, work: &Work, site: &Site<'_>) -> Result<Command, Failure> {
    let installed = site.rivals.ok_or("the rivals are not installed; use benches/rivals/run")?;
    let scripts = Path::new(SCRIPTS);
    let mut command = match rival {
        Generator::Node => {
            let mut command = Command::new("node");
            command.arg(scripts.join("node.mjs"));
            command
        }
        Generator::Artillery => {
            let mut command = Command::new(installed.join("node_modules/.bin/artillery"));
            command.args(["run", "--quiet"]).arg(scripts.join("artillery.yml"));
            command.env("ARTILLERY_DISABLE_TELEMETRY", "true");
            command
        }
        Generator::K6 => {
            let mut command = Command::new(installed.join("k6"));
            command.args(["run", "--quiet", "--no-summary", "--no-usage-report", "--address", ""]);
            command.arg(scripts.join("k6.js"));
            command
        }
        Generator::Tsung => return tsung(work, site),
        other => return Err(format!("{} is no rival", other.name()).into()),
    };
    let mut tell = |key: &str, value: String| {
        command.env(format!("WTSP_{key}"), value);
    };
    tell("URL", site.url.to_owned());
    tell("SUBSCRIBERS", site.subscribers.display().to_string());
    tell("SDP", site.directory.join("sdp.json").display().to_string());
    tell("MODULES", installed.join("node_modules/").display().to_string());
    tell("CLIENTS", work.clients.to_string());
    tell("SIGNONS_PER_SECOND", work.signons_per_second.to_string());
    tell("SIGNON_S", work.signon_time().as_secs_f64().ceil().to_string());
    tell("KEEPALIVE_MS", work.interval().as_millis().to_string());
    tell("CALLS_PER_SECOND", work.calls_per_second.to_string());
    tell("CALLS_FOR_MS", work.load.saturating_sub(TAIL).as_millis().to_string());
    tell("HOLD_MS", HOLD.as_millis().to_string());
    tell("LENGTH_MS", work.length().as_millis().to_string());
    tell("SOCKETS_A_VU", std::env::var("WTSP_SOCKETS_A_VU").unwrap_or_else(|_| "1".to_owned()));
    Ok(command)
}

/// Tsung reads a file instead of the environment.
fn tsung(work: &Work, site: &Site<'_>) -> Result<Command, Failure> {
    let csv = fs::read_to_string(site.subscribers)?;
    let tokens = site.directory.join("tokens.csv");
    fs::write(&tokens, csv.lines().skip(1).map(|row| format!("{row}\n")).collect::<String>())?;
    let port = site.url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).ok_or("no port")?;
    let is_alive = work.interval() < work.length();
    // A user lives as long as its loop: at least until the others have had their time.
    let every = if is_alive { work.interval() } else { Duration::from_secs(1) };
    let times = (work.length().as_secs_f64() / every.as_secs_f64()).ceil();
    let keepalive = if is_alive {
        "<request subst=\"true\"><websocket type=\"message\" frame=\"text\">\
         {\"handshake\":\"keepalive\",\"transaction\":\"transaction-7319045520000017%%_count%%\"}\
         </websocket></request>"
    } else {
        ""
    };
    let template = fs::read_to_string(Path::new(SCRIPTS).join("tsung.xml"))?;
    let config = template
        .replace("@PORT@", port)
        .replace("@CLIENTS@", &work.clients.to_string())
        .replace("@SIGNONS_PER_SECOND@", &work.signons_per_second.to_string())
        // Its users come at random: the number of them ends the phase.
        .replace("@SIGNON_S@", &(2.0 * work.signon_time().as_secs_f64() + 10.0).ceil().to_string())
        .replace("@TOKENS@", &tokens.display().to_string())
        .replace("@TIMES@", &times.to_string())
        .replace("@EVERY_S@", &every.as_secs_f64().to_string())
        .replace("@KEEPALIVE@", keepalive);
    let file = site.directory.join("tsung.xml");
    fs::write(&file, config)?;
    // Erlang's name server would stay behind as a daemon; one of our own, on a port of its own, ends with the rest.
    let mut command = Command::new("bash");
    command.args(["-c", "epmd & sleep 0.3; exec tsung -n -f \"$1\" -l \"$HOME\" start", "tsung"]).arg(file);
    let name_server = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    command.env("ERL_EPMD_PORT", name_server.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
    // Tsung and Erlang keep files in the home directory.
    command.env("HOME", site.directory);
    Ok(command)
}
