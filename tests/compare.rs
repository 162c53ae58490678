//! `compare`: its figures against files under `tests/golden`, its schema, its exit codes, and what it refuses.
//! `UPDATE_GOLDEN=1 cargo test --test compare` writes the files anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/pages.rs"]
mod pages;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use wtsp_load::comparison::{self, Comparison, Outcome, Settings};
use wtsp_load::metrics::{AttemptFailure, Gauges, Metric, Outcome as Ended, Tally};
use wtsp_load::record::{
    Change, ChangeKind, Health, Interval, ProfileInfo, RunEnd, RunHeader, RunRecord, RunWriter, StageInfo,
    TargetInfo, ToolInfo,
};
use wtsp_load::report::{self, ComparisonFormat, comparison_schema};
use wtsp_load::verdict::Verdict;

/// A run with 40 seconds of calls, as it is left in a directory.
struct Made<'a> {
    /// How long everything takes, as a part of what it mostly does.
    slower: f64,
    /// Every so many-th call fails; 0 for none.
    fails: u64,
    hash: &'a str,
    name: &'a str,
    embedded: bool,
    /// The late second of a generator that is unfit.
    lag_us: u64,
    changed: Option<Change>,
    ends: bool,
}

const BASE: Made<'static> = Made {
    slower: 1.0,
    fails: 0,
    hash: "1234",
    name: "example",
    embedded: false,
    changed: None,
    lag_us: 100,
    ends: true,
};

impl Made<'_> {
    fn header(&self) -> RunHeader {
        let stage = |name: &str, starts_s, duration_s, calls| StageInfo {
            name: name.into(),
            starts_s,
            duration_s,
            clients: 50,
            calls_per_second_from: calls,
            calls_per_second_to: calls,
            calls_per_second_peak: calls,
            ..StageInfo::default()
        };
        RunHeader {
            tool: ToolInfo { name: "wtsp-load".into(), version: "1.2.3".into() },
            profile: ProfileInfo { name: self.name.into(), hash: self.hash.into(), seed: 7 },
            target: TargetInfo {
                url: "ws://core.example.com".into(),
                embedded: self.embedded,
                remote: !self.embedded,
                dialect: "flat".into(),
                ..TargetInfo::default()
            },
            started_at: 1_767_225_600_000,
            stages: vec![stage("sign-on", 0.0, 2.0, 0.0), stage("steady", 2.0, 40.0, 60.0)],
            ..RunHeader::default()
        }
    }

    fn second(&self, number: u64) -> Tally {
        let mut tally = Tally::default();
        let micros = |millis: u64, call: u64| {
            let wave = (number * 7 + call * 13) % 40 + call % 3 * (number % 4);
            ((millis * 1_000 + wave * 250) as f64 * self.slower) as u64
        };
        if number < 2 {
            for client in 0..25 {
                tally.latencies[Metric::Signon.index()].service.record(micros(5, client));
                let response = tally.latencies[Metric::Signon.index()].response.as_mut().unwrap();
                response.record(micros(5, client) + 50);
            }
            tally.counters.signed_on = 25;
            return tally;
        }
        for call in 0..60 {
            for (metric, millis) in [(Metric::Ringback, 20), (Metric::Setup, 60), (Metric::Ack, 4)] {
                let latency = &mut tally.latencies[metric.index()];
                latency.service.record(micros(millis, call));
                if let Some(response) = &mut latency.response {
                    response.record(micros(millis, call) + 60);
                }
            }
            tally.latencies[Metric::Lag.index()].service.record(self.lag_us + call);
            let counters = &mut tally.counters;
            counters.due += 1;
            counters.started += 1;
            if self.fails > 0 && (number * 60 + call).is_multiple_of(self.fails) {
                counters.end(Ended::Failed(AttemptFailure::Rejected));
                counters.rejections.count(Some(503));
            } else {
                counters.end(Ended::Answered);
                counters.intended += 1;
            }
        }
        tally
    }

    /// Leaves the run below a folder.
    fn leave(&self, folder: &Path) -> PathBuf {
        let mut writer = RunWriter::create_under(folder, self.header()).unwrap();
        for number in 0..42 {
            let interval = Interval {
                at: Duration::from_secs(number),
                length: Duration::from_secs(1),
                stage: Some(u32::from(number >= 2)),
                tally: self.second(number),
                gauges: Gauges { connected: 50, signed_on: 50, ..Gauges::default() },
                health: Health::default(),
                changes: self.changed.filter(|_| number == 20).into_iter().collect(),
            };
            writer.interval(&interval).unwrap();
        }
        let directory = writer.directory().to_owned();
        if self.ends {
            let end = RunEnd { ended_at: 1_767_225_642_000, ..RunEnd::default() };
            assert!(report::finish(writer, &end).problem.is_none());
        }
        directory
    }
}

/// Two runs, compared. Their directories are there as long as this is.
struct Pair {
    _folder: tempfile::TempDir,
    runs: [(RunRecord, Verdict); 2],
    comparison: Comparison,
}

impl Pair {
    fn of(base: &Made, new: &Made) -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let runs = [("a", base), ("b", new)].map(|(name, made)| {
            let directory = made.leave(&folder.path().join(name));
            report::load(&directory).unwrap()
        });
        let [(base, _), (new, _)] = &runs;
        let mut comparison =
            comparison::compare(("reports/a", base), ("reports/b", new), Settings::default()).unwrap();
        comparison.tool.version = "1.2.3".into();
        Pair { _folder: folder, runs, comparison }
    }

    fn written(&self, format: ComparisonFormat) -> String {
        let mut out = Vec::new();
        let [base, new] = &self.runs;
        let runs = [(&base.0, &base.1), (&new.0, &new.1)];
        format.write(&self.comparison, runs, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

fn compared(base: &Made, new: &Made) -> Comparison {
    Pair::of(base, new).comparison
}

/// Holds `text` against a file of the repository, or writes the file.
fn assert_file(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&path, text).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(golden.lines()).find(|(new, old)| new != old);
    assert!(text == golden, "differs from {}: {first:?}; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[test]
fn a_comparison_is_written_as_its_golden_files_and_fits_its_schema() {
    let slower = Pair::of(&BASE, &Made { slower: 1.2, fails: 30, ..BASE });
    assert_eq!(slower.comparison.outcome, Outcome::Worse);
    let text = slower.written(ComparisonFormat::Text);
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    assert_file("tests/golden/comparison.txt", &text);
    assert_file("tests/golden/comparison.md", &slower.written(ComparisonFormat::Markdown));
    let json = slower.written(ComparisonFormat::Json);
    assert_file("tests/golden/comparison.json", &json);
    let schema = serde_json::to_value(comparison_schema()).unwrap();
    let shipped = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    assert_file("reports/comparison.schema.json", &shipped);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
}

#[test]
fn a_run_is_equal_to_itself_and_better_than_a_slower_one() {
    let same = compared(&BASE, &BASE);
    // Of few calls it cannot be proved that fewer than one in a thousand fail.
    let latencies = same.compared.iter().filter(|one| one.low.is_some() && !one.name.contains("failed"));
    let different: Vec<_> = latencies.filter(|one| one.difference != 0.0).collect();
    assert!(different.is_empty(), "{different:#?}");
    assert!(same.compared.iter().any(|one| one.outcome == Outcome::Equal));
    assert!(!matches!(same.outcome, Outcome::Worse | Outcome::Better), "{:?}", same.outcome);
    assert_eq!(compared(&Made { slower: 1.2, ..BASE }, &BASE).outcome, Outcome::Better);
}

#[test]
fn runs_that_are_not_comparable_say_why() {
    let faster = Change { at_us: 20_500_000, what: ChangeKind::Rate, factor: Some(1.1) };
    let all = [
        (Made { hash: "5678", ..BASE }, "the plans differ"),
        (Made { embedded: true, ..BASE }, "the targets are of different kinds"),
        (Made { lag_us: 50_000, ..BASE }, "NEW is void"),
        (
            Made { changed: Some(faster), ..BASE },
            "NEW was changed by hand while it ran (first: rate 110 %; 1 in all)",
        ),
    ];
    for (new, why) in all {
        let comparison = compared(&BASE, &new);
        assert!(
            comparison.objections.iter().any(|one| one.contains(why)),
            "{why}: {:?}",
            comparison.objections
        );
    }
    assert!(compared(&BASE, &BASE).objections.is_empty());
}

#[test]
fn what_the_generator_itself_was_later_is_no_difference_of_the_server() {
    let [base, new] = [100, 15_000].map(|lag_us| Made { lag_us, ..BASE });
    for one in compared(&base, &new).compared.iter().filter(|one| one.name.contains("response")) {
        let own = if one.name.starts_with("signon") { 0.0 } else { 14_000.0 };
        assert!(one.relevant >= own, "{one:?}");
    }
}

#[test]
fn the_exit_code_says_whether_it_is_worse_and_whether_it_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let leave = |name: &str, made: &Made| {
        let left = made.leave(&folder.path().join(name));
        left.strip_prefix(folder.path()).unwrap().display().to_string()
    };
    let base = leave("a", &BASE);
    let slower = leave("b", &Made { slower: 1.2, ..BASE });
    let other = leave("c", &Made { hash: "5678", ..BASE });
    let killed = leave("d", &Made { ends: false, ..BASE });
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["compare"].iter().chain(arguments).copied().collect();
        program::run(folder.path(), &all)
    };
    let worse = run(&[&base, &slower]).with_code(1);
    assert!(worse.stdout.lines().next().unwrap().ends_with("WORSE"), "{}", worse.stdout);
    run(&[&slower, &base]).with_code(0);
    run(&[&base, &slower, "--relative", "50%"]).with_code(0);
    let refused = run(&[&base, &other]).with_code(2);
    assert!(refused.stderr.contains("the plans differ"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    let anyway = run(&[&base, &other, "--anyway"]).with_code(0);
    assert!(anyway.stdout.contains("not comparable: the plans differ"), "{}", anyway.stdout);
    let noted = run(&[&base, &killed, "--format", "json", "-o", "out.json"]).with_code(0);
    assert_eq!(noted.stdout, "");
    let json = program::json(&folder.path().join("out.json"));
    assert_eq!(json["remarks"][0], "NEW ended before its plan did");
    let page = run(&[&base, &slower, "--format", "html"]).with_code(1);
    pages::assert_well_formed(&page.stdout);
    run(&[&base, "nowhere"]).with_code(3);
    run(&[&base, &slower, "--relative", "much"]).with_code(2);
    run(&[&base, &slower, "--format", "pdf"]).with_code(2);
}

#[test]
fn a_hostile_name_stays_a_name() {
    let mut pair = Pair::of(&BASE, &BASE);
    let comparison = &mut pair.comparison;
    comparison.new.profile = "\u{1b}[31m|<script>`@root\n# x".into();
    comparison.base.directory = comparison.new.profile.clone();
    comparison.objections.push(comparison.new.profile.clone());
    let text = pair.written(ComparisonFormat::Text);
    assert!(!text.contains('\u{1b}'), "{text}");
    let markdown = pair.written(ComparisonFormat::Markdown);
    for sign in ["\u{1b}", " <script", "\n# x", "@root"] {
        assert!(!markdown.contains(sign), "{sign:?} in\n{markdown}");
    }
    let page = pair.written(ComparisonFormat::Html);
    pages::assert_well_formed(&page);
    assert_eq!(page.matches("<script").count(), 3, "two scripts and their data");
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn a_page_has_the_verdict_first_and_both_runs_in_the_same_charts() {
    let changed = Change { at_us: 20_500_000, what: ChangeKind::Rate, factor: Some(1.1) };
    let new = Made { slower: 1.2, fails: 30, changed: Some(changed), ..BASE };
    let pair = Pair::of(&BASE, &new);
    let page = pair.written(ComparisonFormat::Html);
    pages::assert_well_formed(&page);
    pages::assert_closed(&page);
    pages::assert_linked(&page, 20);
    let heads = [
        "<b>WORSE</b>",
        "NOT COMPARABLE",
        "NEW was changed by hand",
        "11 worse",
        "<h2>What ran",
        "<h2>Differences",
        "<h2>Load and outcomes",
        "<h2>Latency",
        "<h2>Counts of the whole runs",
        "<h2>Glossary",
    ];
    let place = |head: &&str| page.find(*head).unwrap_or_else(|| panic!("{head} is missing"));
    let places: Vec<usize> = heads.iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?}");
    let ran = pages::words(pages::between(&page, "id=\"ran\"", "</section>"));
    assert!(ran.contains("Verdict differs FAIL") || ran.contains("Verdict differs PASS"), "{ran}");
    assert!(ran.contains("Directory reports/a reports/b"), "{ran}");
    // Every figure has its row, with what the golden texts say of it.
    let table = pages::between(&page, "id=\"t-differences\"", "</table>");
    let rows: Vec<String> = table.split("<tr>").skip(2).map(pages::words).collect();
    assert_eq!(rows.len(), pair.comparison.compared.len());
    let row = |name: &str| rows.iter().find(|row| row.starts_with(name)).unwrap();
    let p50 = "setup.response.p50 \u{2717} worse 65.3 ms 78.4 ms +13.1 ms +20 %";
    assert!(row("setup.response.p50").starts_with(p50), "{}", row("setup.response.p50"));
    assert!(row("signon.response.p50").contains("too few"), "{rows:#?}");
    assert!(rows[0].contains("worse") && rows[rows.len() - 1].contains("too few"), "{rows:#?}");
    // Both runs have points, at the same times, and what is marked says of which it is.
    let data = pages::data(&page);
    let runs = [0, 1].map(|run| pages::run_data(&page, run));
    assert_eq!([&runs[0]["name"], &runs[1]["name"]], ["BASE", "NEW"]);
    assert_eq!(runs[0]["timeline"]["at"], runs[1]["timeline"]["at"]);
    assert_ne!(runs[0]["curves"]["setup.response"], runs[1]["curves"]["setup.response"]);
    for chart in data["charts"].as_array().unwrap() {
        let lines = chart["series"].as_array().unwrap();
        let key = lines[0]["key"].as_str().unwrap();
        assert_eq!([&lines[0]["run"], &lines[1]["run"]], [0, 1], "{key}");
        let of = if chart["kind"] == "curve" { "/curves" } else { "/timeline/series" };
        for run in &runs {
            assert!(run.pointer(of).unwrap().get(key).is_some(), "{key} has no points");
        }
    }
    assert_eq!(data["changes"][0]["name"], "NEW: rate 110 %");
    // Of BASE nothing failed: that is a line at zero, and no hole.
    let failed = |run: &Value| run["timeline"]["series"]["attempts.failed"]["high"].clone();
    assert_eq!(failed(&runs[0])["sparse"], Value::Array(Vec::new()));
    assert!(failed(&runs[1]).is_object() || failed(&runs[1]).is_array());
}
