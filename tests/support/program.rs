//! The program as its users have it: started, signalled, waited for within bounds, and never left behind.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take before it counts as hung. Machines are slow; nothing here waits this long in peace.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The program with these arguments, not started yet. It runs in `folder`.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ended {
    Running::start(command(folder, arguments)).wait()
}

/// What a program left when it had ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote to stdout.
    pub stdout: String,
    /// All that it wrote to stderr.
    pub stderr: String,
}

impl Ended {
    /// Insists on an exit code, and shows what was said where it is another.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Insists on an exit code, or that the machine was too busy for a run to prove anything.
    #[track_caller]
    pub fn unless_unfit(self, code: i32) -> Ended {
        if self.code == Some(4) && self.stdout.contains("VOID") {
            eprintln!("this machine is busy: a run was void");
            return self;
        }
        self.with_code(code)
    }

    /// Whether the run, or what was made of it, is void.
    pub fn is_void(&self) -> bool {
        self.code == Some(4)
    }
}

/// A program that runs. It is killed by its own id when dropped.
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Running {
    /// Starts it, and reads what it says.
    pub fn start(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let stdout = Output::of(child.stdout.take().expect("piped"));
        let stderr = Output::of(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("signalled");
    }

    /// What it has written to stderr up to now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until stderr contains `text`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(&format!("`{text}` on stderr"), |running| running.stderr.text().contains(text));
    }

    /// Waits until stdout has a first line, and gives it.
    #[track_caller]
    pub fn first_line(&mut self) -> String {
        self.wait_until("a line on stdout", |running| running.stdout.text().contains('\n'));
        self.stdout.text().lines().next().unwrap_or_default().to_owned()
    }

    /// Waits until something holds, as long as the program runs.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, holds: impl Fn(&Running) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait().expect("asked");
            // What it said last may have come after the look above.
            if (ended.is_some() && !holds(self)) || begun.elapsed() > PATIENCE {
                panic!(
                    "no {what}; ended: {ended:?}; stdout:\n{}\nstderr:\n{}",
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(self) -> Ended {
        self.wait_for_end(PATIENCE)
    }

    /// Waits for its end, for so long at the most.
    #[track_caller]
    pub fn wait_for_end(mut self, patience: Duration) -> Ended {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("asked") {
                Some(status) => break status,
                None if begun.elapsed() > patience => {
                    panic!("still running; stdout:\n{}\nstderr:\n{}", self.stdout.text(), self.stderr.text());
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        Ended { code: status.code(), stdout: self.stdout.rest(), stderr: self.stderr.rest() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago, and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program writes to one of its streams, read by a thread so that it never waits for its reader.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(mut stream: impl Read + Send + 'static) -> Output {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                kept.lock().expect("kept").extend_from_slice(&buffer[..count]);
            }
        });
        Output { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("kept")).into_owned()
    }

    /// All of it, once the stream has ended.
    fn rest(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read");
        }
        self.text()
    }
}

/// A folder with a profile `p.toml`, gone when dropped.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with this profile in it.
    pub fn with(profile: &str) -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("p.toml"), profile).expect("written");
        Folder(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `run p.toml --out out` with further arguments, started.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// `run p.toml --out out` with further arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["run", "p.toml", "--out", "out"];
        all.extend(arguments);
        command(self.path(), &all)
    }

    /// `run p.toml --out out` with further arguments, to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// The record that the run left.
    #[track_caller]
    pub fn record(&self) -> Value {
        json(&self.join("out/run.json"))
    }

    /// The lines of the record's log.
    pub fn intervals(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.join("out/intervals.jsonl")).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until the log of a run holds what is wanted.
    #[track_caller]
    pub fn wait_for_interval(&self, running: &mut Running, what: &str, holds: impl Fn(&Value) -> bool) {
        running.wait_until(what, |_| self.intervals().iter().any(&holds));
    }
}

/// The JSON in a file.
#[track_caller]
pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `serve`, with its list of subscribers in `subscribers.csv` of a folder.
pub struct Served {
    running: Running,
    truth: PathBuf,
    /// Where it can be dialled.
    pub url: String,
}

impl Served {
    /// Starts it, with `subscribers.csv` and, with `--tls` among the arguments, `ca.pem` in the folder.
    pub fn start(folder: &Folder, subscribers: u32, arguments: &[&str]) -> Served {
        let truth = folder.join("truth.json");
        let subscribers = subscribers.to_string();
        let mut all = vec!["serve", "--subscribers", &subscribers, "--write-subscribers", "subscribers.csv"];
        all.extend(["--truth", "truth.json"]);
        all.extend(arguments);
        if arguments.contains(&"--tls") {
            all.extend(["--write-ca", "ca.pem"]);
        }
        let mut running = Running::start(command(folder.path(), &all));
        let url = running.first_line();
        assert!(url.starts_with("ws"), "{url}");
        Served { running, truth, url }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Ends it; what it counted.
    #[track_caller]
    pub fn stop(self) -> Value {
        self.running.signal(Signal::SIGTERM);
        self.running.wait().with_code(0);
        json(&self.truth)
    }
}

/// The first column of a CSV file of subscribers: their tokens.
pub fn tokens(csv: &Path) -> Vec<String> {
    let text = fs::read_to_string(csv).expect("a list of subscribers");
    text.lines().skip(1).filter_map(|line| Some(line.split(',').next()?.to_owned())).collect()
}

/// All files below a folder, with what is in them.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    found
}

/// Whether `name` is a program that this machine has.
pub fn has_program(name: impl AsRef<OsStr>) -> bool {
    Command::new(name).arg("--version").output().is_ok()
}
