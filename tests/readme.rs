//! The README as a test: its commands run, its flags exist, its tables say what the program does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use wtsp_load::verdict::exit;

const README: &str = include_str!("../README.md");

/// What the README's servers listen on, and where a test lets them listen.
const LISTEN: &str = "127.0.0.1:7000";
const ANYWHERE: &str = "127.0.0.1:0";

/// Appended to every run: later settings win.
const SHORT: [&str; 5] = [
    "stages.0.duration=1s",
    "stages.0.clients=20",
    "stages.1.duration=2s",
    "stages.1.calls_per_second=5",
    "calls.hold={ fixed = \"200ms\" }",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program(arguments: &[impl AsRef<std::ffi::OsStr>], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

fn help(of: &[&str]) -> String {
    let arguments: Vec<&str> = of.iter().copied().chain(["--help"]).collect();
    String::from_utf8(program(&arguments, root()).stdout).unwrap()
}

/// The lines of the fenced blocks of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}");
    let mut inside = false;
    let mut lines = Vec::new();
    for line in README.lines() {
        match line.starts_with("```") {
            true => inside = line == fence,
            false if inside => lines.push(line),
            false => {}
        }
    }
    lines
}

/// The arguments of the README's commands, without the program.
fn commands() -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let ours = blocks("sh").into_iter().filter(|line| *line != "cargo test").map(|line| {
        let arguments =
            line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("wtsp-load "));
        words(arguments.unwrap_or_else(|| panic!("what is this test to do with `{line}`?")))
    });
    ours.collect()
}

/// The subcommands that the program has.
fn subcommands() -> BTreeSet<String> {
    let help = help(&[]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let named = listed.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    named.filter(|line| !line.starts_with("   ")).filter_map(first).filter(|name| name != "help").collect()
}

/// The options named in a text.
fn options(text: &str) -> BTreeSet<String> {
    let is_part = |sign: char| sign.is_ascii_lowercase() || sign == '-';
    let words = text.split(|sign: char| !is_part(sign));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

/// A server of the README, ended with the test.
struct Serve {
    child: Child,
    url: String,
}

impl Serve {
    fn start(arguments: &[String], folder: &Path) -> Serve {
        let arguments = arguments.iter().map(|word| word.replace(LISTEN, ANYWHERE));
        let mut command = Command::new(env!("CARGO_BIN_EXE_wtsp-load"));
        command.args(arguments).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Serve { child, url: url.trim().to_owned() }
    }

    fn end(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It has mostly ended already.
        let _ = self.child.kill();
    }
}

/// A folder as the README's reader has it: the profiles, a copy of the template, subscribers for it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("profiles")).unwrap();
    for profile in profiles() {
        let name = profile.file_name().unwrap();
        fs::copy(&profile, folder.path().join("profiles").join(name)).unwrap();
    }
    fs::copy(root().join("profiles/staging.toml"), folder.path().join("staging.toml")).unwrap();
    let lines: String = (0..200).map(|number| format!("token-{number},{}\n", 1000 + number)).collect();
    fs::write(folder.path().join("subscribers.csv"), format!("token,number\n{lines}")).unwrap();
    folder
}

fn profiles() -> Vec<PathBuf> {
    let all = fs::read_dir(root().join("profiles")).unwrap().map(|entry| entry.unwrap().path());
    let mut profiles: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    profiles.sort();
    profiles
}

fn runs(folder: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<PathBuf> =
        fs::read_dir(folder.join("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn succeeded(arguments: &[String], folder: &Path) -> String {
    let output = program(arguments, folder);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it, shortened. A machine that was too busy to measure makes it void, which is no fault of the README.
fn ran(arguments: &[String], folder: &Path) -> String {
    let short = SHORT.iter().flat_map(|set| ["--set".to_owned(), (*set).to_owned()]);
    let arguments: Vec<String> = arguments.iter().cloned().chain(short).collect();
    let output = program(&arguments, folder);
    let summary = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!([exit::PASS, exit::VOID].map(i32::from).contains(&code), "{arguments:?}\n{summary}\n{said}");
    summary
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let folder = folder();
    let folder = folder.path();
    let mut server: Option<Serve> = None;
    let mut summaries = Vec::new();
    for arguments in commands() {
        let has = |word: &str| arguments.iter().any(|it| it.contains(word));
        match arguments[0].as_str() {
            "check" | "schema" | "flows" => assert!(!succeeded(&arguments, folder).is_empty()),
            // Nobody is loaded by a test; what would be done is checked.
            "run" if has("staging.toml") => {
                let (out, mut check) = (arguments.iter().position(|it| it == "--out"), arguments.clone());
                out.map(|at| check.drain(at..at + 2).count());
                check[0] = "check".to_owned();
                succeeded(&check, folder);
            }
            "run" if has(LISTEN) => {
                let server = server.take().expect("a server stands above it in the README");
                let url = server.url.trim_end_matches("/signaling/v1").to_owned();
                let here = format!("ws://{LISTEN}");
                let arguments: Vec<String> = arguments.iter().map(|word| word.replace(&here, &url)).collect();
                summaries.push(ran(&arguments, folder));
                server.end();
                let (run, truth) = (runs(folder).pop().unwrap().join("run.json"), folder.join("truth.json"));
                let (run, truth) = (json(&run), json(&truth));
                for same in ["/requests/sent", "/requests/acked", "/keepalives/sent", "/events", "/hangups"] {
                    assert_eq!(run.pointer(same), truth.pointer(same), "{same}");
                }
            }
            "run" => summaries.push(ran(&arguments, folder)),
            "serve" => server = Some(Serve::start(&arguments, folder)),
            "report" => {
                let mut arguments = arguments.clone();
                arguments[1] = runs(folder)[0].to_str().unwrap().to_owned();
                succeeded(&arguments, folder);
            }
            "compare" => {
                let mut arguments = arguments.clone();
                let run = runs(folder)[0].to_str().unwrap().to_owned();
                arguments[1..3].fill(run);
                // A run of this test is too short to be compared, even with itself.
                arguments.push("--anyway".to_owned());
                succeeded(&arguments, folder);
            }
            other => panic!("what is this test to do with `{other}`?"),
        }
    }
    assert!(server.is_none(), "nothing uses the last server of the README");
    assert!(summaries.len() >= 3 && !runs(folder).is_empty());
    the_summary_has_the_form_of(&summaries[0]);
}

/// The words at which the parts of a summary begin are those of a real one.
fn the_summary_has_the_form_of(real: &str) {
    let label = |line: &&str| line.starts_with(char::is_alphabetic);
    let labels = |text: &str| -> Vec<String> {
        let lines: Vec<&str> = text.lines().collect();
        lines
            .iter()
            .filter(|line| label(line))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let pasted = labels(&blocks("text").join("\n"));
    assert!(pasted.len() > 8, "{pasted:?}");
    let real = labels(real);
    for label in &pasted {
        assert!(real.contains(label), "the README's summary has `{label}`, a real one has {real:?}");
    }
}

#[test]
fn every_option_of_the_readme_exists() {
    for arguments in commands() {
        let known = options(&help(&[&arguments[0]]));
        for option in options(&arguments.join(" ")) {
            assert!(known.contains(&option), "`{}` has no option `{option}`", arguments.join(" "));
        }
    }
    let mut known = options("--release --help");
    subcommands().iter().for_each(|name| known.extend(options(&help(&[name]))));
    for option in options(&README.replace("---", "")) {
        assert!(known.contains(&option), "no command has `{option}`");
    }
}

#[test]
fn the_table_of_commands_has_every_command() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `wtsp-load "));
    let named = rows.filter_map(|row| row.split([' ', '`']).next().map(str::to_owned));
    assert_eq!(named.collect::<BTreeSet<String>>(), subcommands());
}

#[test]
fn the_table_of_exit_codes_is_the_programs() {
    let codes = [exit::PASS, exit::FAIL, exit::USAGE, exit::CANNOT, exit::VOID, exit::INTERRUPTED];
    let rows = README.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse().ok());
    assert_eq!(rows.collect::<BTreeSet<u8>>(), BTreeSet::from(codes));
    let help = help(&[]);
    let listed = help.split("Exit codes:").nth(1).unwrap();
    let numbers = listed.split(|sign: char| !sign.is_ascii_digit()).filter_map(|word| word.parse().ok());
    assert_eq!(numbers.collect::<BTreeSet<u8>>(), BTreeSet::from(codes), "{help}");
}

#[test]
fn every_help_has_examples_whose_options_exist() {
    for name in ["run", "check", "serve", "report", "compare", "flows"] {
        let help = help(&[name]);
        let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("{name} has no examples"));
        assert!(examples.contains(&format!("wtsp-load {name} ")), "{name}: {examples}");
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("wtsp-load ")) {
            let known = options(&self::help(&[line.split(' ').next().unwrap()]));
            assert!(options(line).is_subset(&known), "{name}: {line}");
        }
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "reports/README.md",
        "benches/README.md",
    ];
    for document in documents {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            assert!(path.with_file_name(link).exists(), "{document} links to {link}");
        }
        // Code in the text; what is in fences is another test's.
        let prose: String = text.split("```").step_by(2).collect();
        let named = prose.split('`').skip(1).step_by(2).filter(|code| !code.contains(char::is_whitespace));
        let is_ours = |code: &&str| {
            let folders = ["src/", "tests/", "benches/", "profiles/", "fuzz/", ".ci/"];
            folders.iter().any(|folder| code.starts_with(folder))
                || (code.contains('/') && code.ends_with(".rs"))
        };
        for file in named.filter(is_ours) {
            let (whole, short) = (root().join(file), root().join("src").join(file));
            assert!(whole.exists() || short.exists(), "{document} names `{file}`");
        }
    }
}

/// What a template lacks to be run as it is, it says itself.
const DRY_RUN: &str = "--target embedded --set subscribers.count=200";

#[test]
fn every_profile_passes_its_check() {
    for profile in profiles() {
        let text = fs::read_to_string(&profile).unwrap();
        let mut arguments = vec!["check", profile.to_str().unwrap()];
        if text.contains("core.example.com\"      #") {
            assert!(text.contains(DRY_RUN) && README.contains(DRY_RUN), "{}", profile.display());
            arguments.extend(DRY_RUN.split(' '));
        }
        let output = program(&arguments, root());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}\n{said}", profile.display());
        assert!(!String::from_utf8_lossy(&output.stdout).contains("warning"), "{}", profile.display());
    }
}
