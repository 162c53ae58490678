//! The parties of these tests: `serve`, the vendor's client in Node, and a `run` of ours.

use crate::books::Books;
use crate::children::Child;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const WTSP_LOAD: &str = env!("CARGO_BIN_EXE_wtsp-load");
const INSIST: &str = "WTSP_LOAD_REQUIRE_VENDOR";

/// Whether the vendor's client can run here. Where it cannot, says so, or fails if it has to.
pub fn the_vendors_client_is_here() -> bool {
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    let missing = match (node, scripts().join("node_modules").is_dir()) {
        (true, true) => return true,
        (false, _) => "Node.js 20 or later is missing; with it, run `npm ci` in tests/vendor",
        (true, false) => "the vendor's client is not installed; run `npm ci` in tests/vendor",
    };
    assert!(std::env::var(INSIST).as_deref() != Ok("1"), "{INSIST}=1, but {missing}");
    // Written past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "skipped: {missing}");
    false
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendor")
}

/// A row of the list that `serve` wrote.
#[derive(Clone)]
pub struct Subscriber {
    row: String,
    pub number: String,
}

/// The embedded core on its own, with the subscribers it provisioned.
pub struct Serve {
    child: Child,
    pub url: String,
    pub subscribers: Vec<Subscriber>,
    folder: TempDir,
}

impl Serve {
    /// Starts `serve` with `subscribers` subscribers; keepalives are due every second, the least that clients accept.
    pub fn start(subscribers: usize, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("all.csv");
        let mut command = Command::new(WTSP_LOAD);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--keepalive-interval", "1s", "--lines", "2"])
            .args(["--subscribers", &subscribers.to_string()])
            .arg("--write-subscribers")
            .arg(&list)
            .arg("--truth")
            .arg(folder.path().join("truth.json"))
            .args(options);
        let child = Child::start("serve", &mut command);
        let url = child.line();
        Self { child, url, subscribers: read_subscribers(&list), folder }
    }

    /// Plays a scenario with all subscribers, to its end, which must be a good one.
    pub fn play(&self, scenario: &str) -> Books {
        self.cast(scenario, &self.subscribers, &[]).finish()
    }

    /// Starts a scenario with some of the subscribers.
    pub fn cast(&self, scenario: &str, subscribers: &[Subscriber], settings: &[(&str, &str)]) -> Vendor {
        let list = self.write_subscribers("vendor.csv", subscribers);
        let mut command = Command::new("node");
        command
            .arg(scripts().join(scenario).with_extension("mjs"))
            .env("WTSP_URL", &self.url)
            .env("WTSP_SUBSCRIBERS", list)
            .envs(settings.iter().copied());
        Vendor { child: Child::start(scenario, &mut command) }
    }

    /// Starts `wtsp-load run` against this server in one of the dialects: `load` is the profile's own part.
    pub fn run(&self, subscribers: &[Subscriber], dialect: &str, load: &str) -> Run {
        let list = self.write_subscribers("ours.csv", subscribers);
        let profile = self.folder.path().join("profile.toml");
        let target = format!("[target]\nurl = {:?}\ndialect = {dialect:?}\n", self.url);
        let file =
            format!("[subscribers]\nfile = {:?}\n[generator]\nworkers = 1\n", list.display().to_string());
        fs::write(&profile, format!("name = \"with-the-vendors-client\"\n{target}{file}{load}")).unwrap();
        let out = self.folder.path().join("out");
        let mut command = Command::new(WTSP_LOAD);
        command.arg("run").arg(profile).arg("--quiet").arg("--out").arg(&out);
        Run { child: Child::start("run", &mut command), out }
    }

    /// Ends the server and returns the truth: what it counted itself.
    pub fn stop(mut self) -> Books {
        self.child.terminate();
        let status = self.child.end();
        assert!(status.code().is_some(), "serve should leave by itself, not {status}");
        let truth = read_json(&self.folder.path().join("truth.json"));
        assert_no_violations(&truth);
        Books::of_record(truth)
    }

    fn write_subscribers(&self, name: &str, subscribers: &[Subscriber]) -> PathBuf {
        let list = self.folder.path().join(name);
        let rows: String = subscribers.iter().map(|subscriber| format!("{}\n", subscriber.row)).collect();
        fs::write(&list, format!("token,number\n{rows}")).unwrap();
        list
    }
}

/// The vendor's client at work on a scenario.
pub struct Vendor {
    child: Child,
}

impl Vendor {
    /// Waits for its word that it is signed on.
    pub fn is_ready(&self) {
        assert_eq!(self.child.talk(), "ready");
    }

    /// Tells it that no more calls will come.
    pub fn no_more_calls(&self) {
        self.child.terminate();
    }

    /// Waits for the end of the scenario and returns what its phones counted. Any complaint of theirs fails the test.
    pub fn finish(mut self) -> Books {
        let result = self.child.line();
        let result: Value = serde_json::from_str(&result).unwrap();
        let status = self.child.end();
        assert!(status.success() && result["ok"] == true, "{}", complaints(&result));
        Books::of_phones(&result["counts"])
    }
}

/// A load run of ours.
pub struct Run {
    child: Child,
    out: PathBuf,
}

impl Run {
    /// Ends it early and returns its record.
    pub fn interrupt(self) -> Books {
        self.child.terminate();
        self.finish()
    }

    /// Waits for its end and returns its record. The exit code is not looked at: a busy machine may void the run's
    /// latencies, which are not the matter here, but never its counts.
    pub fn finish(mut self) -> Books {
        let status = self.child.end();
        let record = find(&self.out, "run.json").unwrap_or_else(|| {
            panic!("run ended with {status} and left no run.json:\n{}", self.child.said())
        });
        Books::of_record(read_json(&record))
    }
}

/// Nothing that a conforming client sends may look wrong to the server.
fn assert_no_violations(truth: &Value) {
    assert_eq!(truth["malformed_messages"], 0, "{truth:#}");
    assert_eq!(truth["unknown_requests"], 0, "{truth:#}");
    assert_eq!(truth["violations"], json!([]), "{truth:#}");
    assert_eq!(truth["event_errors"], json!({}), "{truth:#}");
}

fn complaints(result: &Value) -> String {
    let list = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| format!("  {}", entry.as_str().map_or(entry.to_string(), str::to_owned)))
            .collect()
    };
    let mut report = vec![format!("{} went wrong:", result["scenario"])];
    report.extend(list(&result["complaints"]));
    for phone in result["phones"].as_array().into_iter().flatten() {
        report.push(format!("what {} saw:", phone["name"]));
        report.extend(list(&phone["journal"]));
    }
    report.join("\n")
}

fn read_subscribers(list: &Path) -> Vec<Subscriber> {
    let text = fs::read_to_string(list).unwrap();
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some("token,number"));
    rows.map(|row| Subscriber { row: row.to_owned(), number: row.split(',').nth(1).unwrap().to_owned() })
        .collect()
}

fn read_json(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// A run directory may be the one that was named or one beneath it.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let here = folder.join(name);
    if here.is_file() {
        return Some(here);
    }
    let beneath = fs::read_dir(folder).ok()?;
    beneath.filter_map(Result::ok).find_map(|entry| find(&entry.path(), name))
}
