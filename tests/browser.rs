//! `report.html` and the page of a comparison in a real browser: headless Chromium opens pages of several runs, and the script in `tests/browser` tries
//! what a person would. Without Chromium, or before `npm ci` in `tests/browser`, the test says that it is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/runs.rs"]
mod runs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use wtsp_load::comparison::{self, Settings};
use wtsp_load::metrics::Metric;
use wtsp_load::report::{self, ComparisonFormat, Finished, Format, HTML_FILE};

const INSIST: &str = "WTSP_LOAD_REQUIRE_BROWSER";
const PLACES: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Whether there is a browser. Where there is none, says so, or fails if there has to be.
fn a_browser_is_here() -> bool {
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let chromium = named.into_iter().chain(PLACES.map(PathBuf::from)).any(|path| path.exists());
    let missing = match (node, chromium, scripts().join("node_modules").is_dir()) {
        (true, true, true) => return true,
        (false, ..) => "Node.js 20 or later is missing; with it, run `npm ci` in tests/browser",
        (_, false, _) => "Chromium is missing; install the package `chromium`, or name one in CHROMIUM",
        (.., false) => "playwright-core is not installed; run `npm ci` in tests/browser",
    };
    assert!(std::env::var(INSIST).as_deref() != Ok("1"), "{INSIST}=1, but {missing}");
    // Written past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "skipped: {missing}");
    false
}

fn look_at(page: &Path) {
    let output = Command::new("node").arg(scripts().join("look.mjs")).arg(page).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{said}{complained}", page.display());
}

fn write(run: &Finished, page: &Path) {
    let file = |out: &mut dyn Write| Format::Html.write(&run.record, &run.verdict, out);
    wtsp_load::record::save(page, file).unwrap();
}

#[test]
fn a_run_with_trouble_can_be_looked_at() {
    if !a_browser_is_here() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = runs::troubled(root.path());
    look_at(&directory.join(HTML_FILE));
}

#[test]
fn a_killed_run_and_one_without_calls_can_be_looked_at() {
    if !a_browser_is_here() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = runs::without_calls(root.path(), 4);
    look_at(&directory.join(HTML_FILE));
    let page = root.path().join("killed.html");
    let (record, verdict) = report::load(&runs::killed(root.path())).unwrap();
    write(&Finished { record, verdict, problem: None }, &page);
    look_at(&page);
}

#[test]
fn a_thinned_run_with_every_latency_can_be_looked_at() {
    if !a_browser_is_here() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let page = root.path().join("long.html");
    write(&runs::long(root.path(), 4_400, Metric::ALL), &page);
    look_at(&page);
}

#[test]
fn comparisons_of_runs_of_all_kinds_can_be_looked_at() {
    if !a_browser_is_here() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (_, troubled) = runs::troubled(&root.path().join("a"));
    let (_, idle) = runs::without_calls(&root.path().join("b"), 4);
    let long = runs::long(&root.path().join("c"), 700, &[Metric::Setup, Metric::Ack, Metric::Lag]);
    let page = root.path().join("compare.html");
    for (base, new) in [(&troubled, &troubled), (&long, &troubled), (&idle, &troubled)] {
        let [of_base, of_new] = [base, new].map(|run| (runs::HOSTILE, &run.record));
        let compared = comparison::compare(of_base, of_new, Settings::default()).unwrap();
        let both = [base, new].map(|run| (&run.record, &run.verdict));
        let file = |out: &mut dyn Write| ComparisonFormat::Html.write(&compared, both, false, out);
        wtsp_load::record::save(&page, file).unwrap();
        look_at(&page);
    }
}
