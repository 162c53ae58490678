//! `serve` as a program: its URL, its files, its end.

use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wtsp_load::embedded_core::Provisioned;
use wtsp_load::transport::{
    Buffers, Clock, Dialer, Received, Resumption, Trust, Watcher, connector, server_name,
};

/// A running `serve` and its URL; killed if a test fails before its end.
struct Serve {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Serve {
    fn start(arguments: &[&str]) -> Serve {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
        command.arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        stdout.read_line(&mut url).unwrap();
        Serve { child, stdout, url: url.trim().to_owned() }
    }

    /// Sends a signal; the exit code, and the rest of stdout.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It has mostly ended already.
        let _ = self.child.kill();
    }
}

#[test]
fn serve_prints_its_url_writes_its_subscribers_and_ends_with_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (csv, truth) = (path("subscribers.csv"), path("truth.json"));
    let serve = Serve::start(&["--subscribers", "3", "--write-subscribers", &csv, "--truth", &truth]);
    assert!(
        serve.url.starts_with("ws://127.0.0.1:") && serve.url.ends_with("/signaling/v1"),
        "{}",
        serve.url
    );
    let subscribers = Provisioned::from_csv(&fs::read_to_string(&csv).unwrap()).unwrap();
    assert_eq!(subscribers.len(), 3);
    assert_eq!(fs::metadata(&csv).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, rest) = serve.end(Signal::SIGTERM);
    assert_eq!((code, rest.as_str()), (Some(0), ""));
    let counted: Value = serde_json::from_str(&fs::read_to_string(&truth).unwrap()).unwrap();
    assert_eq!(counted["clients"], json!({ "signed_on": 0, "connections": 0, "peak": 0 }));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");

    // The same subscribers again; without a file, the truth comes on stdout.
    let serve = Serve::start(&["--subscribers-file", &csv]);
    let (code, rest) = serve.end(Signal::SIGINT);
    assert_eq!(code, Some(0));
    assert!(serde_json::from_str::<Value>(&rest).unwrap()["requests"].is_object());
}

#[test]
fn serve_writes_what_its_subscribers_sign_in_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tokens, credentials) = (path("tokens.csv"), path("credentials.csv"));
    let both = ["--write-subscribers", &tokens, "--write-credentials", &credentials];
    let serve = Serve::start(&[&["--subscribers", "3"][..], &both].concat());
    let read = |path: &str| Provisioned::from_csv(&fs::read_to_string(path).unwrap()).unwrap();
    let written = read(&credentials);
    assert_eq!(fs::metadata(&credentials).unwrap().permissions().mode() & 0o777, 0o600);
    let numbers = |list: &[Provisioned]| list.iter().map(|one| one.number.clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&written), numbers(&read(&tokens)));
    assert_eq!(serve.end(Signal::SIGTERM).0, Some(0));

    // Those that have a password keep it; one that has only a token gets one; a password makes no token.
    let serve =
        Serve::start(&["--subscribers-file", &credentials, "--write-credentials", &path("again.csv")]);
    assert_eq!(read(&path("again.csv")), written);
    assert_eq!(serve.end(Signal::SIGTERM).0, Some(0));
    let serve = Serve::start(&["--subscribers-file", &tokens, "--write-credentials", &path("made.csv")]);
    assert!(read(&path("made.csv")).iter().all(|one| one.credentials.is_some()));
    assert_eq!(serve.end(Signal::SIGTERM).0, Some(0));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
    let refused = ["serve", "--subscribers-file", &credentials, "--write-subscribers", &path("none.csv")];
    assert_eq!(command.args(refused).output().unwrap().status.code(), Some(3));
}

#[test]
fn serve_takes_delays_and_faults_and_refuses_those_that_cannot_be() {
    let delays =
        ["--delay", "ack=fixed:20ms", "--delay", "ringing=uniform:5ms..50ms", "--freeze", "100ms/200ms"];
    let refusals = ["--refuse-calls", "1%:503"];
    let serve = Serve::start(&[&["--subscribers", "1"][..], &delays, &refusals].concat());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (code, rest) = serve.end(Signal::SIGTERM);
    let truth: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(code, Some(0));
    assert!(truth["injected"].is_object() && truth["freezes"].as_u64().unwrap() > 0, "{truth}");
    for (wrong, said) in [
        (["--delay", "ack=20ms"], "fixed:20ms"),
        (["--delay", "ringin=fixed:20ms"], "ringing"),
        (["--freeze", "10s/1s"], "shorter"),
        (["--refuse-calls", "1%"], "1%:503"),
        (["--refuse-calls", "2:503"], "at most 1"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
        let output = command.arg("serve").args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
}

#[test]
fn what_cannot_be_served_is_said_and_is_exit_code_3() {
    for arguments in [
        ["--truth", "/nonexistent/truth.json"],
        ["--subscribers-file", "/nonexistent/subscribers.csv"],
        ["--listen", "203.0.113.1:1"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
        let output = command.arg("serve").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[tokio::test]
async fn wss_is_served_with_a_certificate_that_its_authority_signed() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let serve = Serve::start(&["--tls", "--write-ca", ca.to_str().unwrap()]);
    let address = serve.url.strip_prefix("wss://").and_then(|rest| rest.split('/').next()).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let tls = connector(&Trust::CaFile(ca), Resumption::Off).unwrap();
    let tls = tls.connect(server_name("127.0.0.1").unwrap(), tcp).await.unwrap();
    let url = format!("{}?token=unknown", serve.url);
    let (mut socket, _) = tokio_tungstenite::client_async(url, tls).await.unwrap();
    let close = socket.next().await.unwrap().unwrap();
    assert!(close.is_close(), "{close}");
    assert_eq!(serve.end(Signal::SIGTERM).0, Some(0));
}

#[tokio::test]
async fn an_earlier_tls_session_is_taken_up_if_that_is_wanted_and_not_if_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let serve = Serve::start(&["--tls", "--write-ca", ca.to_str().unwrap()]);
    let host = serve.url.strip_prefix("wss://").and_then(|rest| rest.split('/').next()).unwrap();
    for (resumption, resumed) in [(Resumption::Off, [false; 3]), (Resumption::On, [false, true, true])] {
        let tls = connector(&Trust::CaFile(ca.clone()), resumption).unwrap();
        let dialer = Arc::new(Dialer {
            addresses: vec![host.parse().unwrap()],
            host: host.to_owned(),
            path: "/signaling/v1".to_owned(),
            source_addresses: Vec::new(),
            tls: Some((tls, server_name("127.0.0.1").unwrap())),
            clock: Clock::start(),
        });
        let mut buffers = Buffers::default();
        for expected in resumed {
            let mut dialled =
                Arc::clone(&dialer).dial(0, "unknown".to_owned(), false, Watcher::Runtime).await.unwrap();
            assert_eq!(dialled.resumed, expected, "{resumption:?}");
            // The ticket comes with what the server says first.
            let received = poll_fn(|cx| dialled.link.poll_receive(&mut buffers, cx)).await;
            assert!(matches!(received, Received::Closed(_)), "{received:?}");
        }
    }
    assert_eq!(serve.end(Signal::SIGTERM).0, Some(0));
}
