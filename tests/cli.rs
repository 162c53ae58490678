//! The program as a user has it: exit codes, what is said where, what is refused, and what is never said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use program::{Ended, Folder, Running, Served, command, files, has_program, run, tokens};
use sums::{assert_sums, count};

/// Four clients against the embedded core, some calls, two seconds.
const SMALL: &str = r#"name = "small"
seed = 7

[[stages]]
duration = "1s"
clients = 4

[[stages]]
duration = "1500ms"
calls_per_second = 4

[calls]
ring = { fixed = "20ms" }
hold = { fixed = "200ms" }
candidates = 2
"#;

/// The same with a list of subscribers, for a server elsewhere.
fn small_with_file() -> String {
    SMALL.replace("seed = 7\n", "seed = 7\n[subscribers]\nfile = \"subscribers.csv\"\n")
}

/// A run of the small profile that has passed.
fn finished() -> (Folder, Ended) {
    let folder = Folder::with(SMALL);
    let ended = folder.run(&[]).unless_unfit(0);
    (folder, ended)
}

/// Whether a summary says what became of a run that went well, on a machine that may have been too busy for it.
fn has_verdict(summary: &str) -> bool {
    summary.contains("PASS") || summary.contains("VOID")
}

fn report(folder: &Folder, format: &str) -> Ended {
    run(folder.path(), &["report", "out", "--format", format])
}

/// What is said about a profile that is refused: with exit code 2, on stderr alone, before anybody is dialled.
fn refusal(profile: &str, arguments: &[&str]) -> String {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let folder = Folder::with(profile);
    fs::write(folder.join("subscribers.csv"), "token,number\nsecret-token-1,1\nsecret-token-2,2\n").unwrap();
    let url = format!("ws://{}", nobody.local_addr().unwrap());
    let mut all = vec!["--target", &url];
    all.extend(arguments);
    let ended = folder.run(&all).with_code(2);
    assert_eq!(nobody.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody was dialled");
    assert_eq!(ended.stdout, "");
    assert!(!folder.join("out").exists());
    // `check` says the same.
    let checked = run(folder.path(), &["check", "p.toml", "--target", &url]);
    if arguments.is_empty() {
        assert_eq!(checked.with_code(2).stderr.trim_end(), ended.stderr.trim_end());
    }
    ended.stderr
}

#[test]
fn a_run_that_passes_says_so_on_stdout_and_talks_on_stderr() {
    let (folder, ended) = finished();
    assert!(ended.stdout.starts_with("wtsp-load ") && has_verdict(&ended.stdout), "{}", ended.stdout);
    assert!(ended.stderr.contains("record in out") && ended.stderr.contains("scout:"), "{}", ended.stderr);
    for colour in [&ended.stdout, &ended.stderr] {
        assert!(!colour.contains('\x1b'), "{colour:?}");
    }
    let record = folder.record();
    assert_sums(&record);
    assert_eq!(record["verdict"]["result"], if ended.is_void() { "void" } else { "pass" });
    let again = folder.run(&[]).with_code(3);
    assert!(again.stderr.contains("holds a run already; give --out a new directory"), "{}", again.stderr);
    assert_eq!(folder.record(), record);
}

#[test]
fn without_out_the_record_goes_below_reports_and_quiet_means_quiet() {
    let folder = Folder::with(
        &SMALL.replace("\n[calls]", "\n[embedded_core]\nkeepalive_interval = \"30s\"\n\n[calls]"),
    );
    let ended =
        run(folder.path(), &["run", "p.toml", "--quiet", "--set", "stages.1.duration=100ms"]).unless_unfit(0);
    assert_eq!(ended.stderr, "");
    assert!(has_verdict(&ended.stdout), "{}", ended.stdout);
    let runs: Vec<_> = fs::read_dir(folder.join("reports")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].file_name().unwrap().to_string_lossy().starts_with("small-"), "{runs:?}");
    assert!(runs[0].join("run.json").exists());
}

#[test]
fn a_failed_sign_on_fails_the_run_with_exit_code_1_and_names_no_token() {
    let folder = Folder::with(&small_with_file().replace("clients = 4", "clients = 6"));
    let served = Served::start(&folder, 5, &[]);
    let mut list = OpenOptions::new().append(true).open(folder.join("subscribers.csv")).unwrap();
    list.write_all(b"a-token-that-nobody-knows,777\n").unwrap();
    let ended = folder.run(&["--target", &served.url]).unless_unfit(1);
    assert!(ended.is_void() || ended.stdout.contains("FAIL"), "{}", ended.stdout);
    let record = folder.record();
    assert_eq!(record["clients"]["signon_failed"], 1);
    assert_eq!(record["signon_failures"][0]["cause"], "closed");
    assert_eq!(record["signon_failures"][0]["status"], 4201);
    assert_no_tokens(&folder, &[&ended]);
    assert_eq!(count(&served.stop(), "/clients/signed_on"), 5);
}

#[test]
fn usage_errors_have_exit_code_2() {
    let folder = Folder::with(SMALL);
    for arguments in [
        &[][..],
        &["dance"],
        &["run"],
        &["run", "p.toml", "--loudly"],
        &["run", "none.toml"],
        &["report", "out", "--format", "oil-painting"],
        &["check"],
    ] {
        let ended = run(folder.path(), arguments).with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_generator_that_stood_still_makes_the_run_void_with_exit_code_4() {
    let folder =
        Folder::with(&SMALL.replace("1500ms", "4s").replace("calls_per_second = 4", "calls_per_second = 20"));
    let mut running = folder.start(&["--set", "stages.0.clients=40"]);
    folder.wait_for_interval(&mut running, "a call", |interval| count(interval, "/attempts/started") > 0);
    running.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_secs(1));
    running.signal(Signal::SIGCONT);
    let ended = running.wait().with_code(4);
    assert!(ended.stdout.contains("VOID"), "{}", ended.stdout);
    let record = folder.record();
    assert_eq!(record["generator"]["validity"], "void");
    assert!(count(&record, "/generator/late") > 5, "{}", record["generator"]);
    assert_sums(&record);
}

#[test]
fn a_wrong_profile_is_refused_with_file_line_column_and_cure() {
    let wrong = SMALL.replace("calls_per_second = 4", "calls_per_secnd = 4");
    let said = refusal(&wrong, &[]);
    assert!(said.contains("p.toml:10:1"), "{said}");
    assert!(said.contains("calls_per_secnd") && said.contains("did you mean `calls_per_second`?"), "{said}");
    let said = refusal(&SMALL.replace("\"1s\"", "\"1 fortnight\""), &[]);
    assert!(said.contains("p.toml:5:12") && said.contains("the units are"), "{said}");
    let said = refusal("name = \"broken\nseed = 1\n", &[]);
    assert!(said.contains("p.toml:1:"), "{said}");
    let said = refusal(&small_with_file(), &[]);
    assert!(said.contains("4") && said.contains("2") && said.contains("p.toml:"), "{said}");
    let said = refusal(SMALL, &["--set", "stages.0.clients=many"]);
    assert!(said.contains("stages.0.clients"), "{said}");
}

#[test]
fn a_flow_that_does_not_exist_is_refused_by_its_name() {
    let said = refusal(&small_with_file(), &["--flow", "conference"]);
    assert!(said.contains("conference"), "{said}");
}

#[test]
fn check_prints_the_plan_of_each_profile_and_connects_to_nothing() {
    let folder = Folder::with(SMALL);
    let checked = run(folder.path(), &["check", "p.toml", "p.toml"]).with_code(0);
    assert_eq!(checked.stdout.matches("the profile is good").count(), 2, "{}", checked.stdout);
    assert_eq!(checked.stderr, "");
    fs::write(folder.join("wrong.toml"), "stages = 1").unwrap();
    let checked = run(folder.path(), &["check", "wrong.toml", "p.toml"]).with_code(2);
    assert!(checked.stdout.contains("the profile is good"), "{}", checked.stdout);
    assert!(checked.stderr.contains("wrong.toml:1:"), "{}", checked.stderr);
}

#[test]
fn the_schema_takes_the_profiles_that_are_shipped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&run(root, &["schema"]).with_code(0).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["quickstart", "staging"] {
        let text = fs::read_to_string(root.join("profiles").join(name).with_extension("toml")).unwrap();
        let profile: toml::Value = toml::from_str(&text).unwrap();
        let profile = serde_json::to_value(profile).unwrap();
        let errors: Vec<_> = validator.iter_errors(&profile).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    }
}

#[test]
fn each_report_is_made_of_a_run_that_has_ended_and_of_one_that_was_killed() {
    let (folder, _) = finished();
    for (format, file) in [
        ("json", "run.json"),
        ("hlog", "latency.hlog"),
        ("csv", "timeline.csv"),
        ("markdown", "summary.md"),
        ("junit", "junit.xml"),
    ] {
        let kept = fs::read_to_string(folder.join("out").join(file)).unwrap();
        assert_eq!(report(&folder, format).with_code(0).stdout, kept, "{format}");
    }
    assert!(has_verdict(&report(&folder, "text").with_code(0).stdout));
    run(folder.path(), &["report", "out", "--format", "csv", "-o", "mine.csv"]).with_code(0);
    assert_eq!(
        fs::read(folder.join("mine.csv")).unwrap(),
        fs::read(folder.join("out/timeline.csv")).unwrap()
    );
    // A distribution is of one latency: each in a file of its own, or one by name.
    run(folder.path(), &["report", "out", "--format", "hgrm", "-o", "plots"]).with_code(0);
    let one = run(folder.path(), &["report", "out", "--format", "hgrm", "--metric", "setup.response"]);
    let plotted = fs::read_to_string(folder.join("plots/setup.response.hgrm")).unwrap();
    assert_eq!(one.with_code(0).stdout, plotted);
    assert!(report(&folder, "hgrm").with_code(2).stderr.contains("name it with --metric"));
    let unknown =
        run(folder.path(), &["report", "out", "--format", "hgrm", "--metric", "nothing"]).with_code(3);
    assert!(
        unknown.stderr.contains("it has ") && unknown.stderr.contains("setup.response"),
        "{}",
        unknown.stderr
    );
    run(folder.path(), &["report", "out", "--metric", "setup.response"]).with_code(2);

    let folder = Folder::with(&SMALL.replace("1500ms", "1m"));
    let mut running = folder.start(&[]);
    folder.wait_for_interval(&mut running, "an answered call", |interval| {
        count(interval, "/attempts/answered") > 0
    });
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().code, None);
    assert!(!folder.join("out/run.json").exists());
    let mut log = OpenOptions::new().append(true).open(folder.join("out/intervals.jsonl")).unwrap();
    log.write_all(b"{\"at_us\":99000000,\"length_us\":10").unwrap();
    for format in ["text", "json", "hlog", "csv", "markdown", "junit"] {
        let made = report(&folder, format).with_code(0);
        assert!(made.stdout.lines().count() > 2, "{format}: {}", made.stdout);
    }
    let record: Value = serde_json::from_str(&report(&folder, "json").stdout).unwrap();
    assert_sums(&record);
    assert_eq!(record["interrupted"], true);
    assert!(count(&record, "/attempts/answered") > 0);
    assert!(report(&folder, "text").stdout.contains("interrupted"), "{}", report(&folder, "text").stdout);
}

#[test]
fn a_report_of_nothing_names_the_directory_and_has_exit_code_3() {
    let folder = Folder::with(SMALL);
    let ended = run(folder.path(), &["report", "out"]).with_code(3);
    assert!(ended.stderr.contains("out holds no record of a run"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_stdout_that_is_full_is_one() {
    let (folder, _) = finished();
    fs::rename(folder.join("out"), folder.join("before")).unwrap();
    let all: [&[&str]; 7] = [
        &["flows"],
        &["flows", "attended_transfer"],
        &["report", "before"],
        &["report", "before", "--format", "json"],
        &["check", "p.toml"],
        &["schema"],
        &["run", "p.toml", "--out", "out", "--quiet"],
    ];
    for arguments in all {
        let mut child =
            command(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        // A busy machine makes a run void, which is no matter of its reader.
        let code = output.status.code();
        assert!(code == Some(0) || (arguments[0] == "run" && code == Some(4)), "{arguments:?}: {code:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        if !Path::new("/dev/full").exists() {
            continue;
        }
        // A directory of its own for each run.
        let _ = fs::rename(folder.join("out"), folder.join("ran"));
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(folder.path(), arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn colours_are_for_terminals_and_no_color_is_heeded() {
    if !has_program("script") {
        eprintln!("skipped: no `script` on this machine to play a terminal");
        return;
    }
    let (folder, _) = finished();
    let shown = |no_colour: &str| {
        let program = format!("'{}' report out", env!("CARGO_BIN_EXE_wtsp-load"));
        let output = Command::new("script")
            .args(["-qec", &program, "/dev/null"])
            .current_dir(folder.path())
            .env("NO_COLOR", no_colour)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (coloured, plain) = (shown(""), shown("1"));
    assert!(coloured.contains("\x1b[") && has_verdict(&coloured), "{coloured:?}");
    assert!(!plain.contains("\x1b[") && has_verdict(&plain), "{plain:?}");
}

#[test]
fn an_unreachable_target_has_exit_code_3_and_leaves_no_record() {
    let folder = Folder::with(&small_with_file());
    fs::write(folder.join("subscribers.csv"), list(4)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = folder.run(&["--target", &format!("ws://{free}")]).with_code(3);
    assert!(ended.stderr.contains("connection refused: nothing listens"), "{}", ended.stderr);
    assert_no_tokens(&folder, &[&ended]);
    let ended = folder.run(&["--target", "ws://no-such-host.invalid"]).with_code(3);
    assert!(ended.stderr.contains("no-such-host.invalid"), "{}", ended.stderr);
    assert!(!folder.join("out").exists());
    // An address that belongs to nobody (RFC 5737).
    let ended =
        folder.run(&["--target", "ws://192.0.2.1", "--set", "target.connect_timeout=1s"]).with_code(3);
    assert!(
        ended.stderr.contains("is not on this machine: up to 4 clients will sign on"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_has_exit_code_3_and_says_what_to_do() {
    let folder = Folder::with(&small_with_file());
    let served = Served::start(&folder, 4, &["--tls"]);
    let ended = folder.run(&["--target", &served.url]).with_code(3);
    assert!(
        ended.stderr.contains("TLS handshake failed") && ended.stderr.contains("ca_file"),
        "{}",
        ended.stderr
    );
    let other = Folder::with(SMALL);
    Served::start(&other, 1, &["--tls"]).stop();
    let ca = format!("target.tls.ca_file=\"{}\"", other.join("ca.pem").display());
    folder.run(&["--target", &served.url, "--set", &ca]).with_code(3);
    let name = "target.tls.server_name=core.example.com";
    let ended = folder
        .run(&["--target", &served.url, "--set", "target.tls.ca_file=ca.pem", "--set", name])
        .with_code(3);
    assert!(ended.stderr.contains("core.example.com") || ended.stderr.contains("name"), "{}", ended.stderr);
    folder.run(&["--target", &served.url, "--set", "target.tls.insecure=true"]).unless_unfit(0);
    assert_eq!(folder.record()["target"]["tls_insecure"], true);
    // Those that were turned away come after their first message, and are counted all the same.
    assert_eq!(count(&served.stop(), "/upgrades_refused"), 3);
}

#[test]
fn more_clients_than_descriptors_are_refused_before_anybody_is_dialled() {
    let folder = Folder::with(SMALL);
    let program = env!("CARGO_BIN_EXE_wtsp-load");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\"", program, "run", "p.toml", "--out", "out"]);
    limited.args(["--set", "stages.0.clients=30000"]).current_dir(folder.path()).stdin(Stdio::null());
    let ended = Running::start(limited).wait().with_code(3);
    let said = &ended.stderr;
    assert!(said.contains("open descriptors, and this process may have 256"), "{said}");
    assert!(said.contains("needs 60") && said.contains("ulimit -Hn"), "{said}");
    assert_eq!(ended.stdout, "");
    assert!(!folder.join("out").exists());
}

#[test]
fn a_full_disk_ends_no_run_and_is_named_with_its_cure() {
    let folder = Folder::with(&SMALL.replace("1500ms", "5s"));
    fs::create_dir(folder.join("disk")).unwrap();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let inside = |size: &str, then: &str| {
        let mut apart = Command::new("unshare");
        apart.arg(if is_root { "-m" } else { "-rm" });
        apart.args(["sh", "-c"]).arg(format!("mount -t tmpfs -o size={size} tmpfs disk && {then}"));
        apart.arg(env!("CARGO_BIN_EXE_wtsp-load")).current_dir(folder.path()).stdin(Stdio::null());
        apart
    };
    if !inside("16k", "true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine lets nobody mount a small disk (`unshare -m`)");
        return;
    }
    let run = "exec \"$0\" run p.toml --out disk/out";
    let ended = Running::start(inside("16k", run)).wait().with_code(3);
    let said = &ended.stderr;
    assert!(said.contains("disk/out/intervals.jsonl") && said.contains("free some space"), "{said}");
    assert!(said.contains("the run goes on") && said.contains("error: cannot write"), "{said}");
    assert!(ended.stdout.contains("Calls") && ended.stdout.contains("answered"), "{}", ended.stdout);
    // Full from the start: there is no run.
    let filled = format!("dd if=/dev/zero of=disk/full bs=4k 2>/dev/null; {run}");
    let ended = Running::start(inside("16k", &filled)).wait().with_code(3);
    assert!(
        ended.stderr.contains("cannot write disk/out") && ended.stderr.contains("free some space"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}

#[test]
fn every_command_has_a_help_text_with_examples() {
    let folder = Folder::with(SMALL);
    let help = run(folder.path(), &["--help"]).with_code(0);
    // Lines are broken where the terminal ends.
    let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 pass", "1 a threshold", "2 usage", "3 could not", "4 void", "130 interrupted"] {
        assert!(text.contains(code), "{code}: {}", help.stdout);
    }
    for name in ["run", "check", "schema", "serve", "report", "flows"] {
        assert!(help.stdout.contains(&format!("  {name} ")), "{name}: {}", help.stdout);
        let of_command = run(folder.path(), &[name, "--help"]).with_code(0);
        assert!(of_command.stdout.contains(&format!("wtsp-load {name}")), "{name}: {}", of_command.stdout);
        assert!(of_command.stdout.contains("Example"), "{name}: {}", of_command.stdout);
    }
    assert!(run(folder.path(), &["--version"]).with_code(0).stdout.starts_with("wtsp-load "));
}

#[test]
fn a_flow_is_drawn_and_one_that_does_not_exist_is_refused_with_the_nearest() {
    let folder = Folder::with(SMALL);
    let list = run(folder.path(), &["flows"]).with_code(0).stdout;
    assert!(list.contains("\nblind_transfer "), "{list}");
    let drawn = run(folder.path(), &["flows", "blind_transfer"]).with_code(0).stdout;
    assert!(drawn.starts_with("blind_transfer\n") && !drawn.contains('\x1b'), "{drawn}");
    let refused = run(folder.path(), &["flows", "blind_transfr"]).with_code(2);
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("unknown flow `blind_transfr`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("did you mean `blind_transfer`?"), "{}", refused.stderr);
}

#[test]
fn no_token_is_in_anything_that_a_run_writes_or_shows() {
    let folder = Folder::with(&small_with_file());
    let served = Served::start(&folder, 4, &[]);
    let running = folder.start(&["--target", &served.url]);
    let shown = ["cmdline", "environ"].map(|file| fs::read(format!("/proc/{}/{file}", running.id())));
    let served_shown = fs::read(format!("/proc/{}/cmdline", served.id()));
    let ended = running.wait().unless_unfit(0);
    let reports = ["text", "json", "hlog", "csv"].map(|format| report(&folder, format).with_code(0));
    let checked = run(folder.path(), &["check", "p.toml", "--target", &served.url]).with_code(0);
    served.stop();
    let mut all = vec![&ended, &checked];
    all.extend(&reports);
    assert_no_tokens(&folder, &all);
    for bytes in shown.into_iter().chain([served_shown]).flatten() {
        assert!(tokens(&folder.join("subscribers.csv")).iter().all(|token| !holds(&bytes, token)));
    }
    // Nor in what is said about a list that is wrong.
    let token = tokens(&folder.join("subscribers.csv")).remove(0);
    for line in
        [format!("{token},1\n"), format!("{token}\n"), format!("a {token},1\n"), format!("\"{token},1\n")]
    {
        let mut list = OpenOptions::new().append(true).open(folder.join("subscribers.csv")).unwrap();
        list.write_all(line.as_bytes()).unwrap();
        let ended = run(folder.path(), &["run", "p.toml", "--target", "ws://127.0.0.1:9", "--out", "b"]);
        assert!(ended.code == Some(2) || ended.code == Some(3), "{ended:?}");
        assert!(
            ended.stderr.contains("subscribers.csv:") && !ended.stderr.contains(&token),
            "{}",
            ended.stderr
        );
        list.set_len(list.metadata().unwrap().len() - line.len() as u64).unwrap();
    }
    // Nor when it is put where it does not belong.
    let url = format!("ws://127.0.0.1:9/?token={token}");
    let ended = folder.run(&["--target", &url]).with_code(2);
    assert!(!ended.stderr.contains(&token), "{}", ended.stderr);
}

/// No token of the list is in any file of the run, nor in what was said.
#[track_caller]
fn assert_no_tokens(folder: &Folder, said: &[&Ended]) {
    let tokens = tokens(&folder.join("subscribers.csv"));
    assert!(tokens.len() >= 4);
    let is_list = |path: &Path| path.file_name() == Some(OsStr::new("subscribers.csv"));
    for (path, bytes) in files(folder.path()).into_iter().filter(|(path, _)| !is_list(path)) {
        assert!(tokens.iter().all(|token| !holds(&bytes, token)), "{}", path.display());
    }
    for ended in said {
        for text in [&ended.stdout, &ended.stderr] {
            assert!(tokens.iter().all(|token| !text.contains(token)), "{text}");
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn list(count: u32) -> String {
    (0..count).fold("token,number\n".to_owned(), |list, number| list + &format!("token-{number},{number}\n"))
}
