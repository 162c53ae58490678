//! Subscribers with login and password: sessions that the REST API makes before a run and deletes after it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;
use wtsp_load::law::Seed;
use wtsp_load::metrics::{Metric, Recorder};
use wtsp_load::protocol::BasePath;
use wtsp_load::subscribers::rest::{Api, Desk, Pace, RestError, sign_in, sign_out};
use wtsp_load::subscribers::{Credentials, Secret};
use wtsp_load::transport::{Clock, Dialer};

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Ended, Folder, Served, files, run, tokens};
use sums::assert_sums;

/// Four clients that sign in with login and password and call each other.
const PROFILE: &str = r#"
name = "logins"
seed = 7
[subscribers]
file = "credentials.csv"
logins_per_second = 200
[generator]
workers = 1
control_clients = 0
[[stages]]
duration = "1s"
clients = 4
arrivals = "at_once"
[[stages]]
duration = "2s"
calls_per_second = 3
[calls]
ring = { fixed = "20ms" }
hold = { fixed = "100ms" }
candidates = 1
"#;

const WRITE: [&str; 2] = ["--write-credentials", "credentials.csv"];

/// The second column of the list: the passwords.
fn passwords(folder: &Folder) -> Vec<String> {
    let text = fs::read_to_string(folder.join("credentials.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
}

/// Rewrites the list line by line.
fn rewrite(folder: &Folder, change: impl Fn(usize, &str) -> String) {
    let path = folder.join("credentials.csv");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<String> = text.lines().enumerate().map(|(index, line)| change(index, line)).collect();
    fs::write(path, lines.join("\n")).unwrap();
}

/// None of these words is in any file but the lists, nor in what was said.
#[track_caller]
fn assert_hidden(folder: &Folder, words: &[String], said: &[&Ended]) {
    assert!(!words.is_empty() && words.iter().all(|word| word.len() >= 8));
    for (path, bytes) in files(folder.path()) {
        if path.extension().is_some_and(|extension| extension == "csv")
            && !path.starts_with(folder.join("out"))
        {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(words.iter().all(|word| !text.contains(word)), "{}", path.display());
    }
    for text in said.iter().flat_map(|ended| [&ended.stdout, &ended.stderr]) {
        assert!(words.iter().all(|word| !text.contains(word)), "{text}");
    }
}

#[test]
fn sessions_are_made_used_and_deleted_over_http() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 6, &WRITE);
    let checked = run(folder.path(), &["check", "p.toml", "--target", &served.url]).with_code(0);
    assert!(checked.stdout.contains("6 with login and password from"), "{}", checked.stdout);
    assert!(checked.stdout.contains("4 sessions by REST at http://127.0.0.1:"), "{}", checked.stdout);
    let running = folder.start(&["--target", &served.url]);
    let shown = ["cmdline", "environ"].map(|file| fs::read(format!("/proc/{}/{file}", running.id())));
    let ended = running.wait().unless_unfit(0);
    let record = folder.record();
    assert_sums(&record);
    let truth = served.stop();
    assert_eq!(truth["sessions"], json!({ "created": 4, "deleted": 4, "refused": 0 }));
    let sessions = json!({ "created": 4, "failed": 0, "deleted": 4, "delete_failed": 0, "renewed": 0 });
    assert_eq!(record["sessions"], sessions);
    assert_eq!(record["latency"]["login"]["service"]["count"], 4);
    assert_eq!(record["clients"]["signed_on"], 4);
    assert!(ended.stdout.contains("4 made, 0 renewed, 0 failed, 4 deleted"), "{}", ended.stdout);
    assert_hidden(&folder, &passwords(&folder), &[&ended, &checked]);
    for bytes in shown.into_iter().flatten() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(passwords(&folder).iter().all(|password| !text.contains(password)));
    }
}

#[test]
fn over_https_and_without_numbers_the_core_is_asked_for_them() {
    let tls = format!("{PROFILE}\n[target.tls]\nca_file = \"ca.pem\"\nserver_name = \"localhost\"\n");
    let folder = Folder::with(&tls);
    let served = Served::start(&folder, 4, &[&WRITE[..], &["--tls"]].concat());
    rewrite(&folder, |_, line| line.rsplit_once(',').unwrap().0.to_owned());
    assert!(fs::read_to_string(folder.join("credentials.csv")).unwrap().starts_with("login,password\n"));
    folder.run(&["--target", &served.url]).unless_unfit(0);
    let record = folder.record();
    assert!(record["attempts"]["answered"].as_u64().unwrap() > 0, "{}", record["attempts"]);
    let truth = served.stop();
    assert_eq!(truth["sessions"], json!({ "created": 4, "deleted": 4, "refused": 0 }));
}

#[test]
fn the_embedded_core_is_signed_in_to_as_well() {
    let folder = Folder::with(PROFILE);
    let list = "login,password,number\na,hush-hush-1,\nb,hush-hush-2,7002\nc,\"hush, \"\"3\",7003\nd,hush-hush-4,7004\n";
    fs::write(folder.join("credentials.csv"), list).unwrap();
    folder.run(&[]).unless_unfit(0);
    let record = folder.record();
    assert_eq!((&record["sessions"]["created"], &record["sessions"]["deleted"]), (&json!(4), &json!(4)));
}

#[test]
fn a_wrong_password_ends_the_run_and_the_error_names_the_login_alone() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 4, &WRITE);
    rewrite(&folder, |index, line| {
        let login = line.split(',').next().unwrap();
        if index == 3 { format!("{login},wrong-password,{login}") } else { line.to_owned() }
    });
    let ended = folder.run(&["--target", &served.url]).with_code(3);
    for word in ["`15550000003`", "HTTP 401", "incorrect_credentials", "subscribers file"] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert_hidden(&folder, &passwords(&folder), &[&ended]);
    assert!(!folder.join("out").exists(), "nothing was measured");
    let sessions = &served.stop()["sessions"];
    assert_eq!((&sessions["created"], &sessions["refused"]), (&sessions["deleted"], &json!(1)));
}

#[test]
fn a_signal_while_signing_in_deletes_what_was_made() {
    let folder = Folder::with(&PROFILE.replace("logins_per_second = 200", "logins_per_second = 1"));
    let served = Served::start(&folder, 4, &WRITE);
    let mut running = folder.start(&["--target", &served.url]);
    running.wait_for("/4 sessions made");
    running.signal(Signal::SIGINT);
    let ended = running.wait().with_code(130);
    assert!(ended.stderr.contains("sessions deleted"), "{}", ended.stderr);
    assert!(!folder.join("out").exists(), "nothing was measured");
    let sessions = &served.stop()["sessions"];
    assert_eq!(sessions["created"], sessions["deleted"]);
    assert!((1..4).contains(&sessions["created"].as_u64().unwrap()), "{sessions}");
}

/// The profile with calls for longer than any test waits.
fn long() -> String {
    PROFILE.replace("duration = \"2s\"", "duration = \"10m\"")
}

fn is_calling(interval: &Value) -> bool {
    interval["attempts"]["answered"].as_u64() > Some(0)
}

#[test]
fn a_signal_during_the_run_deletes_the_sessions_too() {
    let folder = Folder::with(&long());
    let served = Served::start(&folder, 4, &WRITE);
    let mut running = folder.start(&["--target", &served.url]);
    folder.wait_for_interval(&mut running, "a call", is_calling);
    running.signal(Signal::SIGINT);
    running.wait().with_code(130);
    assert_eq!(folder.record()["sessions"]["deleted"], 4);
    assert_eq!(served.stop()["sessions"]["deleted"], 4);
}

#[test]
fn a_session_that_the_core_ends_is_renewed_and_its_client_signs_on_again() {
    let folder = Folder::with(&long());
    let served = Served::start(&folder, 4, &WRITE);
    let mut running = folder.start(&["--target", &served.url]);
    folder.wait_for_interval(&mut running, "a call", is_calling);
    // The same installation signs in elsewhere: the Core ends its older session, and closes with 4201.
    let (login, password) = ("15550000002", passwords(&folder).remove(1));
    let identifier = format!("wtsp-load-{login}");
    let body =
        json!({ "type": "web", "identifier": identifier, "login": login, "password": password }).to_string();
    let address = served.url.trim_start_matches("ws://").split('/').next().unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        socket,
        "POST /api/v1/session HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let renewed = |interval: &Value| interval["sessions"]["renewed"] == 1;
    folder.wait_for_interval(&mut running, "a renewed session", renewed);
    let seconds = folder.intervals().len();
    running.wait_until("all to be signed on again", |_| {
        let later = folder.intervals();
        later.iter().skip(seconds).any(|interval| interval["gauges"]["signed_on"] == 4)
    });
    running.signal(Signal::SIGINT);
    running.wait().with_code(130);
    let record = folder.record();
    let sessions = &record["sessions"];
    assert_eq!((&sessions["created"], &sessions["renewed"]), (&json!(5), &json!(1)));
    assert_eq!((&sessions["deleted"], &sessions["delete_failed"]), (&json!(4), &json!(0)));
    let clients = &record["clients"];
    assert_eq!((&clients["signed_on"], &clients["reconnects"]), (&json!(4), &json!(1)));
    let missed = |one: &&Value| one["code"] == 4201;
    assert_eq!(record["disconnects"].as_array().unwrap().iter().filter(missed).count(), 1);
    // That of the test is gone too: it was of the same installation.
    let truth = &served.stop()["sessions"];
    assert_eq!((&truth["created"], &truth["deleted"]), (&json!(6), &json!(4)));
}

#[test]
fn a_second_signal_waits_for_no_session_to_be_deleted() {
    let folder = Folder::with(&long());
    let served = Served::start(&folder, 4, &WRITE);
    let tokens = Mutex::new(tokens(&folder.join("subscribers.csv")));
    // It never answers when a session is to be deleted.
    let (deleting, asked_to_delete) = std::sync::mpsc::channel();
    let address = fake(move |asked| {
        if asked.line.starts_with("DELETE") {
            // Nobody listens for a second one.
            let _ = deleting.send(());
            thread::sleep(Duration::from_secs(600));
        }
        (200, String::new(), json!({ "token": tokens.lock().unwrap().remove(0) }).to_string())
    });
    let one_at_a_time = "subscribers.concurrency=1";
    let set = format!("subscribers.rest_url=\"http://{address}\"");
    let arguments = ["--target", &served.url, "--set", &set, "--set", one_at_a_time];
    let mut running = folder.start(&arguments);
    folder.wait_for_interval(&mut running, "a call", is_calling);
    running.signal(Signal::SIGINT);
    asked_to_delete.recv_timeout(program::PATIENCE).unwrap();
    running.signal(Signal::SIGINT);
    let ended = running.wait().with_code(130);
    let sessions = &folder.record()["sessions"];
    assert_eq!((&sessions["deleted"], &sessions["delete_failed"]), (&json!(0), &json!(4)));
    assert!(ended.stderr.contains("4 of 4 sessions could not be deleted"), "{}", ended.stderr);
}

#[test]
fn a_target_that_cannot_be_loaded_leaves_no_session_behind() {
    let (folder, other) = (Folder::with(PROFILE), Folder::with(""));
    let rest = Served::start(&folder, 4, &WRITE);
    // Its tokens are unknown at the target.
    let target = Served::start(&other, 1, &[]);
    let set = format!("subscribers.rest_url=\"{}\"", rest.url.replace("ws://", "http://"));
    let ended = folder.run(&["--target", &target.url, "--set", &set]).with_code(3);
    assert!(ended.stderr.contains("cannot be loaded"), "{}", ended.stderr);
    assert_eq!(rest.stop()["sessions"], json!({ "created": 4, "deleted": 4, "refused": 0 }));
}

/// A request to a fake API.
struct Asked {
    line: String,
    head: String,
    body: Value,
}

/// An API made of a function from a request to status, further headers and body. It closes after each answer.
fn fake(answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || drop(serve(socket.unwrap(), &*answer)));
        }
    });
    address
}

fn serve(mut socket: TcpStream, answer: &dyn Fn(&Asked) -> (u16, String, String)) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let (mut line, mut head) = (String::new(), String::new());
    reader.read_line(&mut line)?;
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        reader.read_line(&mut head)?;
    }
    let length =
        head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let line = line.trim().to_owned();
    let (status, headers, body) =
        answer(&Asked { line, head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) });
    write!(
        socket,
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn api(address: &str) -> Api {
    let clock = Clock::start();
    let dialer = Dialer {
        addresses: vec![address.parse().unwrap()],
        host: address.to_owned(),
        path: String::new(),
        source_addresses: Vec::new(),
        tls: None,
        clock,
    };
    Api {
        dialer: Arc::new(dialer),
        base: BasePath::default(),
        origin: format!("http://{address}"),
        connect_timeout: Duration::from_secs(10),
        answer_timeout: Duration::from_secs(10),
    }
}

fn desk() -> (watch::Sender<bool>, Desk) {
    let (halt, halted) = watch::channel(false);
    let desk = Desk {
        sessions: RefCell::default(),
        recorder: RefCell::new(Recorder::default()),
        draws: RefCell::new(Seed(1).stream("test", 0)),
        halt: halted,
    };
    (halt, desk)
}

fn logins(count: usize) -> Vec<Credentials> {
    let login = |index: usize| Credentials {
        login: format!("u{index}"),
        password: Secret::new("pass-word"),
        number: Some(index.to_string()),
    };
    (0..count).map(login).collect()
}

const FAST: Pace = Pace { per_second: 1_000.0, concurrency: 4 };

/// An answer that makes a session.
fn token(asked: &Asked) -> (u16, String, String) {
    (
        200,
        String::new(),
        json!({ "token": format!("t-{}", asked.body["login"]).replace('"', "") }).to_string(),
    )
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it_from_all() {
    let refused = Arc::new(AtomicUsize::new(0));
    let times = Arc::new(Mutex::new(Vec::new()));
    let (count, seen) = (Arc::clone(&refused), Arc::clone(&times));
    let address = fake(move |asked| {
        seen.lock().unwrap().push(Instant::now());
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            return (429, "Retry-After: 2\r\n".to_owned(), String::new());
        }
        token(asked)
    });
    let (_halt, desk) = desk();
    let pace = Pace { per_second: 10.0, concurrency: 1 };
    sign_in(&api(&address), &logins(3), pace, &desk).await.unwrap();
    let tally = desk.recorder.borrow().tally().clone();
    assert_eq!((tally.counters.sessions_created, tally.counters.sessions_failed), (3, 1));
    assert_eq!(tally.service(Metric::Login).count(), 3, "only what made a session is timed");
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 4);
    // Lower bounds hold on any machine: the pause, and two turns of a tenth of a second after it.
    assert!(times[1] - times[0] > Duration::from_millis(1_900), "{times:?}");
    assert!(times[3] - times[1] > Duration::from_millis(150), "{times:?}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_given_up_after_a_while() {
    let (_halt, desk) = desk();
    let address = fake(|_| (503, "Retry-After: 0\r\n".to_owned(), "<html>busy</html>".to_owned()));
    let error = sign_in(&api(&address), &logins(1), FAST, &desk).await.unwrap_err();
    assert!(matches!(&error, RestError::Unavailable { status: 503, .. }), "{error}");
    assert_eq!(desk.recorder.borrow().tally().counters.sessions_failed, 5);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = sign_in(&api(&nobody), &logins(1), FAST, &desk).await.unwrap_err();
    assert!(matches!(&error, RestError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("nothing listens"), "{error}");
}

#[tokio::test]
async fn what_would_never_pass_is_said_at_once_with_its_cure_and_without_the_password() {
    for (status, body, said) in [
        (401, json!({ "code": "incorrect_credentials", "message": "pass-word" }), "check login and password"),
        (403, json!({ "code": "password_change_required" }), "must change its password"),
        (404, json!({ "errors": { "detail": "Not Found" } }), "subscribers.rest_url"),
        (405, json!({ "code": "signup_disabled" }), "switched off"),
        (422, json!({ "code": "pass-word" }), "does not accept"),
        (501, json!({ "code": "functionality_not_implemented" }), "token,number"),
        (302, json!("<html>"), "redirects"),
        (200, json!({ "tokens": [] }), "holds no token"),
        (200, json!({ "token": "t", "tenant_id": "../x" }), "cannot be part of a URL"),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let address = fake(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            (status, String::new(), body.to_string())
        });
        let (_halt, desk) = desk();
        let error = sign_in(&api(&address), &logins(1), FAST, &desk).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("`u0`") && text.contains(said) && !text.contains("pass-word"), "{text}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn subscribers_of_two_tenants_or_with_one_number_are_refused() {
    let (_halt, desk) = desk();
    let address = fake(|asked| {
        let tenant = if asked.body["login"] == "u0" { "acme" } else { "other" };
        (200, String::new(), json!({ "token": "t", "tenant_id": tenant }).to_string())
    });
    let error = sign_in(&api(&address), &logins(2), FAST, &desk).await.unwrap_err();
    assert!(matches!(error, RestError::Tenants { .. }), "{error}");
    assert_eq!(desk.made(), 2, "both are known, and can be deleted");

    let (_halt, desk) = self::desk();
    let address = fake(|asked| match asked.line.starts_with("GET /api/v1/user ") {
        true => (200, String::new(), json!({ "numbers": { "main": "+1 (5)".replace(' ', "") } }).to_string()),
        false => token(asked),
    });
    let without = |one: Credentials| Credentials { number: None, ..one };
    let list: Vec<Credentials> = logins(2).into_iter().map(without).collect();
    let error = sign_in(&api(&address), &list, FAST, &desk).await.unwrap_err();
    assert!(matches!(error, RestError::SameNumber { .. }), "{error}");
}

#[tokio::test]
async fn a_halt_waits_for_what_is_under_way_and_begins_nothing_more() {
    let address = fake(|asked| {
        thread::sleep(Duration::from_millis(300));
        token(asked)
    });
    let (halt, desk) = desk();
    let api = api(&address);
    let list = logins(50);
    let pace = Pace { per_second: 1_000.0, concurrency: 2 };
    let (signed_in, ()) = tokio::join!(sign_in(&api, &list, pace, &desk), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        halt.send(true).unwrap();
    });
    signed_in.unwrap();
    assert!((1..=2).contains(&desk.made()), "{}", desk.made());
    let gone = std::cell::Cell::new(0);
    let made: Vec<_> = desk.sessions.borrow().iter().flatten().cloned().collect();
    sign_out(&api, &made, pace, &gone).await;
    assert_eq!(gone.get(), made.len() as u64);
}

#[test]
fn a_tenant_that_the_core_names_is_in_every_url_from_then_on_and_no_secret_is_shown() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 4, &WRITE);
    let known = tokens(&folder.join("subscribers.csv"));
    let numbered: Vec<(String, String)> =
        (1_u64..).map(|n| (15_550_000_000 + n).to_string()).zip(known.clone()).collect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    // An API that hands out the tokens of the core, names a tenant, and has bad manners.
    let address = fake(move |asked| {
        lines.lock().unwrap().push((asked.line.clone(), asked.head.clone()));
        let body = match asked.line.split(' ').next().unwrap() {
            "POST" => {
                let login = asked.body["login"].as_str().unwrap();
                let (_, token) = numbered.iter().find(|(number, _)| number == login).unwrap();
                json!({ "token": token, "tenant_id": "acme", "password": asked.body["password"] })
            }
            _ => return (500, "Retry-After: 0\r\n".to_owned(), json!({ "code": asked.head }).to_string()),
        };
        (200, String::new(), body.to_string())
    });
    let set = format!("subscribers.rest_url=\"http://{address}/base\"");
    let ended = folder.run(&["--target", &served.url, "--set", &set]).unless_unfit(0);
    let record = folder.record();
    assert_eq!(
        (&record["sessions"]["deleted"], &record["sessions"]["delete_failed"]),
        (&json!(0), &json!(4))
    );
    assert!(ended.stderr.contains("4 of 4 sessions could not be deleted"), "{}", ended.stderr);
    assert!(record["target"]["url"].as_str().unwrap().ends_with("/tenant/acme/signaling/v1"));
    assert_eq!(served.stop()["tenants"]["acme"], 5, "the scout and four clients");
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|(line, _)| line.starts_with("POST /base/api/v1/session ")));
    let deleting = "DELETE /base/tenant/acme/api/v1/session ";
    assert!(seen.iter().any(|(line, head)| line.starts_with(deleting) && head.contains("Bearer ")));
    assert!(seen.iter().all(|(_, head)| head.to_lowercase().contains("x-request-id: ")));
    let secrets: Vec<String> = passwords(&folder).into_iter().chain(known).collect();
    assert_hidden(&folder, &secrets, &[&ended]);
}
