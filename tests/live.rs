//! The live view as people have it: the program on a pseudo-terminal, watched and steered by keys.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is the report")]

#[path = "support/program.rs"]
mod program;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use program::PATIENCE;
use serde_json::Value;

const PROFILE: &str = r#"
name = "watched"
seed = 7
[target]
url = "embedded"
[subscribers]
count = 20
[generator]
workers = 1
[[stages]]
name = "steady"
duration = "60s"
clients = 20
calls_per_second = 5
arrivals = "constant"
[calls]
ring = { fixed = "50ms" }
hold = { fixed = "100ms" }
"#;

/// The program on a terminal.
struct Watched {
    child: Child,
    keys: File,
    /// Kept open, so that its settings can be asked for when the program has gone.
    terminal: OwnedFd,
    shown: Arc<Mutex<String>>,
    begun: Instant,
}

impl Watched {
    /// Starts a run on a terminal of this size.
    fn start(folder: &Path, columns: u16, rows: u16, options: &[&str]) -> Watched {
        Watched::start_reading(folder, columns, rows, options, false)
    }

    /// The same; what it reads is the terminal, or nothing.
    fn start_reading(folder: &Path, columns: u16, rows: u16, options: &[&str], nothing: bool) -> Watched {
        fs::write(folder.join("watched.toml"), PROFILE).unwrap();
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            // It is the terminal on its stdin that becomes that of a session.
            .args(["sh", "-c", if nothing { "exec \"$@\" </dev/null" } else { "exec \"$@\"" }, "sh"])
            .args([env!("CARGO_BIN_EXE_wtsp-load"), "run", "watched.toml", "--out", "out"])
            .args(options)
            .current_dir(folder)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut from, into) = (File::from(pty.master.try_clone().unwrap()), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut rest = Vec::new();
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                rest.extend_from_slice(&bytes[..count]);
                let whole = match std::str::from_utf8(&rest) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                into.lock().unwrap().push_str(std::str::from_utf8(&rest[..whole]).unwrap());
                rest.drain(..whole);
            }
        });
        Watched { child, keys: File::from(pty.master), terminal: pty.slave, shown, begun: Instant::now() }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        while !self.shown().contains(text) {
            assert!(self.begun.elapsed() < PATIENCE, "no `{text}` in:\n{}", self.shown());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether lines are given as they are typed, and typed characters shown: as a shell has it.
    fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.terminal).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for its end: the exit code.
    #[track_caller]
    fn end(&mut self) -> i32 {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(self.begun.elapsed() < PATIENCE, "it hangs:\n{}", self.shown());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The lines that were drawn between taking the terminal and giving it back, each without its codes.
fn drawn(shown: &str) -> Vec<String> {
    let view = shown.split_once("\x1b[?1049h").unwrap().1.split_once("\x1b[?1049l").unwrap().0;
    let mut lines = vec![String::new()];
    let mut characters = view.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            lines.last_mut().unwrap().push(character);
            continue;
        }
        assert_eq!(characters.next(), Some('['), "only codes that begin so are used");
        let last = characters.find(char::is_ascii_alphabetic);
        if last == Some('H') {
            lines.push(String::new());
        }
    }
    lines
}

fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("out/run.json")).unwrap()).unwrap()
}

/// How many changes its seconds have so far.
fn logged_changes(folder: &Path) -> usize {
    let log = fs::read_to_string(folder.join("out/intervals.jsonl")).unwrap_or_default();
    // The last line may be half a line.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some(line["changes"].as_array()?.len())).sum()
}

fn changes(record: &Value) -> Vec<(&str, Option<f64>)> {
    let changes = record["changes"].as_array().unwrap();
    changes.iter().map(|change| (change["what"].as_str().unwrap(), change["factor"].as_f64())).collect()
}

#[test]
fn a_run_is_watched_and_changed_by_keys_and_the_terminal_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path(), 80, 24, &[]);
    watched.wait_for("\x1b[?1049h");
    watched.wait_for("outgoing_call");
    assert!(!watched.is_cooked(), "keys come one by one");
    watched.press("++");
    watched.wait_for("rate 120 %");
    watched.press("p");
    watched.wait_for("PAUSED");
    watched.press("\x1b[A\x1bOp\x1b[3~?");
    watched.wait_for("leave at once");
    watched.press("p-");
    watched.wait_for("rate 110 %");
    // What has not taken effect by then the drain takes back.
    while logged_changes(folder.path()) < 5 {
        assert!(watched.begun.elapsed() < PATIENCE, "they take no effect");
        thread::sleep(Duration::from_millis(20));
    }
    watched.press("d");
    let code = watched.end();
    assert!([0, 1, 4].contains(&code), "{code}");
    assert!(watched.is_cooked());
    let shown = watched.shown();
    assert!(shown.contains("\x1b[?25h\x1b[?1049l"), "the cursor and the screen are back");
    let lines = drawn(&shown);
    let widest = lines.iter().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 80), "{widest:?}");
    let record = record(folder.path());
    let wanted = [
        ("rate", Some(1.1)),
        ("rate", Some(1.2)),
        ("pause", Some(0.0)),
        ("resume", Some(1.2)),
        ("rate", Some(1.1)),
        ("drain", None),
    ];
    assert_eq!(changes(&record), wanted);
    assert_eq!(record["interrupted"], false);
    assert_eq!(record["sums"]["hold"], true);
    // Each second has its own, so that a run that is killed has them too.
    assert_eq!(logged_changes(folder.path()), wanted.len());
}

#[test]
fn a_wide_terminal_is_left_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path(), 200, 50, &["--set", "stages.0.duration=300s"]);
    watched.wait_for("outgoing_call");
    watched.press("q");
    assert_eq!(watched.end(), 130);
    assert!(watched.is_cooked());
    let lines = drawn(&watched.shown());
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(widest > 100 && widest <= 200, "{widest}");
    let record = record(folder.path());
    assert_eq!(changes(&record), [("leave", None)]);
    assert_eq!(record["interrupted"], true);
}

#[test]
fn interrupting_from_the_keyboard_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path(), 80, 24, &[]);
    watched.wait_for("\x1b[?1049h");
    watched.press("\x03");
    assert_eq!(watched.end(), 130);
    assert!(watched.is_cooked() && watched.shown().contains("\x1b[?1049l"));
    assert!(changes(&record(folder.path())).is_empty());
}

#[test]
fn the_key_that_quits_does_not_and_its_signal_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path(), 80, 24, &[]);
    watched.wait_for("outgoing_call");
    // Both would kill or stop the program where it stands; then a key that does something.
    watched.press("\x1c\x1a+");
    watched.wait_for("rate 110 %");
    kill(Pid::from_raw(watched.child.id() as i32), Signal::SIGQUIT).unwrap();
    assert_eq!(watched.end(), 130);
    assert!(watched.is_cooked() && watched.shown().contains("\x1b[?1049l"));
    assert_eq!(record(folder.path())["interrupted"], true);
}

#[test]
fn where_no_key_can_be_read_none_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start_reading(folder.path(), 80, 24, &[], true);
    watched.wait_for("no keys: stdin is no terminal, ^C stops");
    assert!(!watched.shown().contains("pause"));
    let echo = tcgetattr(&watched.terminal).unwrap().local_flags;
    assert!(!echo.contains(LocalFlags::ECHO) && echo.contains(LocalFlags::ISIG));
    watched.press("\x03");
    assert_eq!(watched.end(), 130);
    assert!(watched.is_cooked());
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_the_record_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path(), 80, 24, &["--set", "stages.0.duration=3s"]);
    watched.wait_for("\x1b[?1049h");
    watched.press("\x13");
    while !folder.path().join("out/run.json").exists() {
        assert!(watched.begun.elapsed() < PATIENCE, "no record");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(watched.child.try_wait().unwrap().is_none(), "it has yet to give the terminal back");
    watched.press("\x11");
    let code = watched.end();
    assert!([0, 1, 4].contains(&code), "{code}");
    assert!(watched.is_cooked());
}

#[test]
fn plain_is_plain_and_quiet_is_quiet_on_a_terminal_too() {
    for option in ["--plain", "--quiet"] {
        let folder = tempfile::tempdir().unwrap();
        let options = [option, "--set", "stages.0.duration=6s"];
        let mut watched = Watched::start(folder.path(), 80, 24, &options);
        let code = watched.end();
        assert!([0, 1, 4].contains(&code), "{code}");
        let shown = watched.shown();
        assert!(!shown.contains("\x1b[?1049h"), "{shown}");
        assert_eq!(shown.contains("s steady     clients "), option == "--plain", "{shown}");
    }
}
