//! A generator that is kept from its work says so, and does not blame the server.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_wtsp-load");

/// A server in a process of its own, which nobody starves; gone when the test is.
struct Serve(Child);

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and writes a profile that loads it for so many seconds with so many calls a second.
fn serve(folder: &Path, seconds: u32, calls: u32) -> Serve {
    serve_with(folder, seconds, calls, &[])
}

/// The same, with further arguments of the server.
fn serve_with(folder: &Path, seconds: u32, calls: u32, arguments: &[&str]) -> Serve {
    let subscribers = folder.join("subscribers.csv");
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--subscribers", "40", "--keepalive-interval", "1s", "--write-subscribers"]);
    command.arg(&subscribers).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut serve = Serve(command.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let profile = format!(
        "name = \"starved\"\nseed = 1\n[target]\nurl = \"{}\"\n[subscribers]\nfile = {subscribers:?}\n\
         [generator]\nworkers = 1\n[[stages]]\nname = \"calls\"\nduration = \"{seconds}s\"\nclients = 40\n\
         calls_per_second = {calls}\narrivals = \"constant\"\n[calls]\nring = {{ fixed = \"50ms\" }}\n\
         hold = {{ fixed = \"100ms\" }}\ncandidates = 1\n\
         mix = [ {{ flow = \"answered\", weight = 1 }} ]\n",
        url.trim(),
    );
    fs::write(folder.join("profile.toml"), profile).unwrap();
    serve
}

/// A generator that is to run the profile; its record goes to `out` in the same folder.
fn generator(program: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg("run").arg(folder.join("profile.toml"));
    command.args(["--quiet", "--out"]).arg(folder.join("out"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn record(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("out/run.json")).unwrap()).unwrap()
}

/// The run is void, and every reason is about the generator.
fn assert_void(code: Option<i32>, record: &Value) {
    let reasons = record["verdict"]["reasons"].to_string();
    assert_eq!(record["generator"]["validity"], "void", "{reasons} {}", record["generator"]);
    assert_eq!(record["verdict"]["result"], "void", "{reasons}");
    assert_eq!(code, Some(4), "{reasons}");
    assert!(!reasons.contains("failed sign-ons") && !reasons.contains("as their flow intends"), "{reasons}");
}

#[test]
fn a_generator_whose_processor_is_taken_is_void_and_says_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let _serve = serve(folder.path(), 3, 20);
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap()).unwrap();
    let mut only = CpuSet::new();
    only.set(first).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                sched_setaffinity(Pid::from_raw(0), &only).unwrap();
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let path = folder.path().to_owned();
    // A process inherits the processors of the thread that starts it.
    let ran = thread::spawn(move || {
        sched_setaffinity(Pid::from_raw(0), &only).unwrap();
        generator(&["nice", "-n", "10", PROGRAM], &path).status().unwrap()
    });
    let code = ran.join().unwrap().code();
    over.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|busy| busy.join().unwrap());
    let record = record(folder.path());
    assert_void(code, &record);
    let reasons = record["verdict"]["reasons"].to_string();
    assert!(reasons.contains("workers had no processor"), "{reasons}");
    assert!(reasons.contains("something else ran on the generator's processors"), "{reasons}");
}

/// Stops the generator for so long after its first second; its exit code and its record.
fn stopped_for(pause: Duration, mut generator: Command, folder: &Path) -> (Option<i32>, Value) {
    let mut child = generator.spawn().unwrap();
    let log = folder.join("out/intervals.jsonl");
    // The header, and a second.
    while fs::read_to_string(&log).unwrap_or_default().lines().count() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first second");
        thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    thread::sleep(pause);
    kill(pid, Signal::SIGCONT).unwrap();
    let code = child.wait().unwrap().code();
    (code, record(folder))
}

#[test]
fn answers_that_came_while_the_generator_was_stopped_are_no_timeouts() {
    let folder = tempfile::tempdir().unwrap();
    // Slow answers: some are under way whenever the generator is stopped.
    let slow = ["--ack-delay", "300ms", "--delay", "keepalive=fixed:300ms"];
    let _serve = serve_with(folder.path(), 7, 20, &slow);
    let mut generator = generator(&[PROGRAM], folder.path());
    generator.args(["--set", "clients.request_timeout=2s"]);
    let (code, record) = stopped_for(Duration::from_millis(2_700), generator, folder.path());
    assert_void(code, &record);
    assert!(record["keepalives"]["answered"].as_u64().unwrap() > 10, "{}", record["keepalives"]);
    assert_eq!(record["keepalives"]["missed"], 0, "{}", record["keepalives"]);
    assert_eq!(record["requests"]["timeouts"], 0, "{}", record["requests"]);
    assert_eq!(record["late_responses"], 0);
    assert_eq!(record["attempts"]["failed"], 0, "{}", record["attempts_failed"]);
    let signed_off = record["disconnects"].as_array().unwrap().iter().all(|one| one["code"] == 1000);
    assert!(signed_off, "{}", record["disconnects"]);
    // That answers were waited for is seen in how long they took.
    let waited = record["latency"]["ack"]["service"]["max"].as_u64().unwrap();
    assert!(waited > 2_000_000, "{waited}");
}

#[test]
fn a_generator_that_is_stopped_for_a_while_is_void() {
    let folder = tempfile::tempdir().unwrap();
    let _serve = serve(folder.path(), 8, 20);
    let (code, record) =
        stopped_for(Duration::from_millis(2_500), generator(&[PROGRAM], folder.path()), folder.path());
    assert_void(code, &record);
    let reasons = record["verdict"]["reasons"].to_string();
    assert!(reasons.contains("a worker stood still for"), "{reasons}");
    assert!(record["generator"]["heartbeat_late_max_us"].as_u64().unwrap() > 2_000_000);
}

#[test]
fn the_health_of_every_second_is_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let _serve = serve(folder.path(), 4, 2);
    generator(&[PROGRAM], folder.path()).status().unwrap();
    let record = record(folder.path());
    let generator = &record["generator"];
    for lag in ["lag", "keepalive_lag", "timer_lag", "handling"] {
        assert!(generator[lag]["count"].as_u64().unwrap() > 0, "{lag}: {generator}");
    }
    assert_eq!(generator["lag"]["count"], record["attempts"]["started"]);
    assert_eq!(generator["keepalive_lag"]["count"].as_u64(), sent_but_the_scouts(&record));
    let intervals = record["intervals"].as_array().unwrap();
    for health in intervals.iter().map(|interval| &interval["health"]) {
        let open = health["fds_open"].as_u64().unwrap();
        let limit = generator["fd_limit"].as_u64().unwrap();
        assert_eq!(health["fds_left"].as_u64(), Some(limit - open), "{health}");
        assert!(health["ports_left"].as_u64().unwrap() > 0, "{health}");
        assert!(health["heartbeat_late_max_us"].is_u64(), "{health}");
    }
    let sum = |name: &str| -> Option<u64> { intervals.iter().map(|one| one["health"][name].as_u64()).sum() };
    assert_eq!(generator["run_delay_us"].as_u64(), sum("run_delay_us"));
}

/// The keepalives that clients sent: the scout, which sends one to see what is spoken, has no due times.
fn sent_but_the_scouts(record: &Value) -> Option<u64> {
    Some(record["keepalives"]["sent"].as_u64()? - 1)
}
