//! Runs the program against a server, and reads what it has recorded.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::independent::{Books, Server, TOKEN};

/// What a run has left behind.
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    /// `run.json`; null where there is none.
    pub record: Value,
    pub took: Duration,
    folder: TempDir,
}

/// A run that has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a profile against a server. `rest` is the profile without the server's address and the subscribers.
pub fn run(server: &Server, target: &str, rest: &str) -> Ran {
    run_at(&server.url(), &server.csv(), target, rest)
}

pub fn run_at(url: &str, csv: &str, target: &str, rest: &str) -> Ran {
    run_and(url, csv, target, rest, |_| ())
}

/// The same, and does something to the process once it has started.
pub fn run_and(url: &str, csv: &str, target: &str, rest: &str, meanwhile: impl FnOnce(Pid)) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("subscribers.csv"), csv).unwrap();
    let profile = format!(
        "name = \"honesty\"\nseed = 7\n[target]\nurl = \"{url}\"\n{target}\n[subscribers]\nfile = \"subscribers.csv\"\n\
         [generator]\nworkers = 1\n{rest}\n"
    );
    fs::write(path("profile.toml"), &profile).unwrap();
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wtsp-load"))
        .args(["run", "--quiet", "--out"])
        .args([path("out"), path("profile.toml")])
        .stdin(Stdio::null())
        .stdout(File::create(path("stdout")).unwrap())
        .stderr(File::create(path("stderr")).unwrap())
        .spawn()
        .unwrap();
    meanwhile(Pid::from_raw(child.id() as i32));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!(
                "the run did not end by itself:\n{profile}\n{}",
                fs::read_to_string(path("stderr")).unwrap()
            );
        }
        thread::sleep(Duration::from_millis(10));
    };
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    let record =
        fs::read(path("out/run.json")).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
    let ran = Ran {
        exit: status.code().unwrap_or_else(|| panic!("killed: {status}\n{}", read("stderr"))),
        stdout: read("stdout"),
        stderr: read("stderr"),
        record,
        took: begun.elapsed(),
        folder,
    };
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran.holds_no_secret();
    ran
}

/// Several at once, for they mostly wait.
pub fn at_once<T: Send, I: IntoIterator<Item = T>, R: Send>(all: I, one: impl Fn(T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = all.into_iter().map(|item| scope.spawn(move || one(item))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, R>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

impl Ran {
    /// The number at `path`, such as `attempts.due`; 0 where there is none.
    pub fn count(&self, path: &str) -> u64 {
        self.at(path).as_u64().unwrap_or(0)
    }

    pub fn at(&self, path: &str) -> &Value {
        path.split('.').fold(&self.record, |value, key| &value[key])
    }

    /// A quantile, in microseconds.
    pub fn micros(&self, metric: &str, quantile: &str) -> u64 {
        let path = format!("latency.{metric}.{quantile}");
        self.at(&path).as_u64().unwrap_or_else(|| panic!("no {path}"))
    }

    /// How many connections ended so; any phase with `*`.
    pub fn disconnects(&self, code: u16, initiator: &str, phase: &str) -> u64 {
        let all = self.record["disconnects"].as_array().unwrap().iter();
        let those = all.filter(|one| {
            one["code"] == code && one["initiator"] == initiator && (phase == "*" || one["phase"] == phase)
        });
        those.map(|one| one["count"].as_u64().unwrap()).sum()
    }

    pub fn disconnects_total(&self) -> u64 {
        let all = self.record["disconnects"].as_array().unwrap().iter();
        all.map(|one| one["count"].as_u64().unwrap()).sum()
    }

    pub fn signon_failures(&self, cause: &str, status: Option<i32>) -> u64 {
        let all = self.record["signon_failures"].as_array().unwrap().iter();
        let those = all.filter(|one| one["cause"] == cause && one["status"] == serde_json::json!(status));
        those.map(|one| one["count"].as_u64().unwrap()).sum()
    }

    /// Whether this machine was too busy for the figures to mean anything; says so.
    pub fn is_doubtful(&self) -> bool {
        let late = self.at("generator.lag.p99").as_u64().unwrap_or(0);
        let doubtful = self.at("generator.validity") != "valid" || late > 3_000;
        if doubtful {
            eprintln!(
                "the machine is too busy for times to be held against times: calls were {late} µs late, {}",
                self.at("generator.validity_reasons")
            );
        }
        doubtful
    }

    /// Whether the machine was too busy to make the load that was planned; says so.
    pub fn was_overrun(&self) -> bool {
        let (blocked, late) = (self.count("attempts.blocked"), self.count("late"));
        if blocked + late > 0 {
            eprintln!(
                "the machine is too busy for this load: {blocked} calls blocked, {late} late; not looked at further"
            );
        }
        blocked + late > 0
    }

    /// Checks exit code and verdict; a run may be void on a machine that is too busy, but for no other reason.
    pub fn ends_with(&self, exit: i32) {
        if self.exit == 4 && self.at("sums.hold") == true {
            eprintln!("void on this machine: {}", self.at("generator.validity_reasons"));
            return;
        }
        assert_eq!(self.exit, exit, "{}\n{}", self.stdout, self.stderr);
        let verdict = if exit == 0 { "pass" } else { "fail" };
        assert_eq!(self.at("verdict.result"), verdict, "{}", self.stdout);
    }

    /// What holds for every record, whatever the server did.
    pub fn adds_up(&self) {
        assert_eq!(self.at("sums.hold"), true, "{}{}", self.at("sums"), self.stderr);
        let parts = [
            "blocked",
            "answered",
            "declined",
            "busy",
            "cancelled",
            "unavailable",
            "redirected",
            "failed",
            "unfinished",
            "done",
        ];
        let sum: u64 = parts.iter().map(|part| self.count(&format!("attempts.{part}"))).sum();
        assert_eq!(self.count("attempts.due"), sum, "{}", self.at("attempts"));
        let reasons: u64 = values(self.at("attempts_failed")).sum();
        assert_eq!(self.count("attempts.failed"), reasons, "{}", self.at("attempts_failed"));
    }

    /// What holds where the server got to say all it had to say.
    pub fn agrees_with(&self, books: &Books) {
        self.adds_up();
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
        let sent = serde_json::to_value(&books.requests).unwrap();
        assert_eq!(self.at("requests.sent"), &sent);
        assert_eq!(self.count("requests.acked"), books.acks);
        assert_eq!(self.at("requests.errors"), &serde_json::to_value(&books.errors).unwrap());
        assert_eq!(self.at("events"), &serde_json::to_value(&books.events).unwrap());
        assert_eq!(self.at("hangups"), &serde_json::to_value(&books.hangups).unwrap());
        assert_eq!(self.count("keepalives.sent"), books.keepalives + books.keepalives_foreign);
        assert_eq!(self.count("keepalives.answered"), books.keepalives_answered);
        assert_eq!(self.count("states"), books.states);
        // For a server a call beside the attempts is a call like another.
        let answered = self.count("attempts.answered") + self.count("side_calls.ended.answered");
        assert_eq!(answered, books.answered);
        assert_eq!(books.calls_left, 0);
    }

    fn holds_no_secret(&self) {
        let mut files = vec![self.folder.path().join("stdout"), self.folder.path().join("stderr")];
        files.extend(below(&self.folder.path().join("out")));
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
            assert!(!found, "{} holds a token", file.display());
        }
    }
}

/// The values of a map of counts.
pub fn values(map: &Value) -> impl Iterator<Item = u64> {
    map.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_u64)
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}
