//! `report.html`: what is on the page, of runs of all kinds. How it looks in a browser is in `browser.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/pages.rs"]
mod pages;
#[path = "support/runs.rs"]
mod runs;

use std::fs;

use pages::{assert_closed, assert_linked, assert_well_formed, between, data, markup, run_data, words};
use runs::HOSTILE;
use wtsp_load::metrics::Metric;
use wtsp_load::record::{KeptCalls, RUN_FILE, RunRecord};
use wtsp_load::report::{self, Finished, Format, HTML_FILE};
use wtsp_load::verdict::Verdict;

/// 2 MB, as the contract counts them.
const MOST_BYTES: usize = 2_000_000;

fn page(record: &RunRecord, verdict: &Verdict) -> String {
    let mut out = Vec::new();
    Format::Html.write(record, verdict, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn of(run: &Finished) -> String {
    page(&run.record, &run.verdict)
}

#[test]
fn what_others_say_is_text_and_never_markup() {
    let root = tempfile::tempdir().unwrap();
    let (_, run) = runs::troubled(root.path());
    let page = of(&run);
    assert!(!page.contains("<script>alert") && !page.contains("<img"));
    assert!(!page.contains('\u{202e}'), "the direction of the text can be turned");
    // Three scripts, of which one is data, and two style sheets: all ours.
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (3, 3));
    assert_eq!(page.matches("<style>").count(), 2);
    assert_well_formed(&page);
    let shown = words(&markup(&page));
    assert!(shown.contains("</script><script>alert(1)</script>"), "it is shown as it is");
    let turned = HOSTILE.replace('\u{202e}', "\\u{202e}");
    assert_eq!(data(&page)["stages"][1]["name"], turned);
}

#[test]
fn the_page_asks_for_nothing_and_runs_nothing_but_its_own() {
    let root = tempfile::tempdir().unwrap();
    assert_closed(&of(&runs::troubled(root.path()).1));
}

#[test]
fn every_link_leads_somewhere_and_no_two_places_share_a_name() {
    let root = tempfile::tempdir().unwrap();
    assert_linked(&of(&runs::troubled(root.path()).1), 60);
}

#[test]
fn the_figures_of_the_page_are_those_of_the_record() {
    let root = tempfile::tempdir().unwrap();
    let (_, run) = runs::troubled(root.path());
    let page = of(&run);
    let table = |id: &str| between(&page, &format!("id=\"{id}\""), "</table>").to_owned();
    // Latencies are held against the summary for terminals, which has its own golden file.
    let mut text = Vec::new();
    report::text(&run.record, &run.verdict, report::Style::default(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<Vec<String>> = table("t-latency")
        .split("<tr>")
        .map(|row| row.split("</t").map(words).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let mut seen = 0;
    for line in text.lines().skip_while(|line| !line.starts_with("Latency")).skip(1) {
        let cells: Vec<&str> =
            line.trim().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let [metric, part, count, p50, p90, p99, p999, max] = cells[..] else { break };
        let of_part =
            |row: &&Vec<String>| row.len() > 9 && row[0].ends_with(metric) && row[1].ends_with(part);
        let row = rows.iter().find(of_part).unwrap_or_else(|| panic!("{metric} {part} is missing: {rows:?}"));
        let figures: Vec<&str> =
            [2, 5, 6, 7, 8, 9].iter().map(|at| row[*at].rsplit("> ").next().unwrap()).collect();
        for (shown, expected) in figures.iter().zip([count, p50, p90, p99, p999, max]) {
            assert!(shown.ends_with(expected), "{metric} {part}: {shown} is not {expected}");
        }
        seen += 1;
    }
    assert_eq!(seen, 7, "connect, ack, release, and two parts of ringback and setup");
    let attempts = &run.record.counted.attempts;
    let outcomes = words(&table("t-outcomes"));
    assert!(outcomes.contains(&format!("due {} 100 %", attempts.due)), "{outcomes}");
    assert!(outcomes.contains(&format!("failed {} ", attempts.failed)), "{outcomes}");
    let closes = words(&table("t-disconnects"));
    assert!(closes.contains("4502 signaling keepalive timeout error the server in call 12"), "{closes}");
    assert!(closes.contains("check the generator's own lag before blaming the server"), "{closes}");
    assert!(words(&table("t-rejected")).contains("503 2 "));
    // The timeline adds up to the record, and keeps the second of the trouble.
    let data = run_data(&page, 0);
    let sum = |key: &str| {
        let high = &data["timeline"]["series"][key]["high"];
        match high.as_array() {
            Some(all) => all.iter().filter_map(serde_json::Value::as_f64).sum::<f64>(),
            None => high["sparse"].as_array().unwrap().iter().map(|one| one[1].as_f64().unwrap()).sum(),
        }
    };
    assert_eq!(sum("attempts.due"), attempts.due as f64);
    assert_eq!(sum("attempts.answered"), attempts.answered as f64);
    assert_eq!(sum("failed.connection_lost"), 5.0);
    assert_eq!(sum("disconnects.4502 server"), 12.0);
    assert_eq!(data["timeline"]["series"]["failed.connection_lost"]["high"]["sparse"][0][0], 42);
}

#[test]
fn latencies_by_flow_are_a_table_of_a_mix_and_one_flow_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (_, mut run) = runs::troubled(root.path());
    let page = of(&run);
    let table = between(&page, "id=\"t-latency-by-flow\"", "</table>");
    assert!(page.contains("<table class=\"sortable\" id=\"t-latency-by-flow\""), "it can be sorted");
    let rows: Vec<String> = table.split("<tr>").skip(2).map(words).collect();
    for (flow, measured) in &run.record.latency.by_flow {
        for (metric, latency) in measured {
            for (part, summary) in [("due response", latency.response), ("sent service", latency.service)] {
                let Some(summary) = summary else { continue };
                let begin = format!("{} {metric} {part} {}", flow.replace('_', " "), summary.count);
                assert!(rows.iter().any(|row| row.starts_with(&begin)), "{begin} is not among {rows:#?}");
            }
        }
    }
    // Two flows with ringback and setup twice, and release once.
    assert_eq!(rows.len(), 10);
    assert!(!page.contains("All calls follow one flow"));
    run.record.latency.by_flow.clear();
    run.record.counted.flows.retain(|flow, _| flow == "hold_resume");
    let page = of(&run);
    assert!(!page.contains("id=\"t-latency-by-flow\""));
    assert!(page.contains("All calls follow one flow, hold resume: the latencies of calls are its own."));
}

#[test]
fn the_verdict_comes_first_and_what_happened_at_00_42_is_told_in_words() {
    let root = tempfile::tempdir().unwrap();
    let page = of(&runs::troubled(root.path()).1);
    let heads = [
        "<b>FAIL</b>",
        "class=\"happened\">In 1 min",
        "class=\"tiles\"",
        "<h2>What happened when",
        "<h2>What ran",
        "<h2>Thresholds",
        "<h2>Key figures",
        "<h2>Load and outcomes",
        "<h2>Figures of the whole run",
        "<h2>The slowest and the failed calls",
        "<h2>Glossary",
    ];
    let place = |head: &&str| page.find(*head).unwrap_or_else(|| panic!("{head} is missing"));
    let places: Vec<usize> = heads.iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?}");
    let moments = words(between(&page, "id=\"moments\"", "</section>"));
    let expected = "00:42 7 calls failed while 27 came due (connection lost: 5, rejected: 2); 1 sign-on failed (http 503: 1); \
                    15 connections ended (4502 signaling keepalive timeout error by the server: 12, 1006 abnormal closure \
                    by the network: 3); 4 requests had no answer in time";
    assert!(moments.contains(expected), "{moments}");
    assert!(moments.contains("00:50 the generator was unfit: a worker stood still for 400 ms"), "{moments}");
    assert!(
        moments.contains("00:59 the run was ended early by the threshold attempts.failed < 5"),
        "{moments}"
    );
    assert_eq!(data(&page)["changes"][0]["from"], 59.0);
    assert!(moments.contains("the threshold attempts_unintended == 0 failed first"), "{moments}");
}

#[test]
fn kept_calls_are_ladders_and_a_cut_line_is_none() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut run) = runs::troubled(root.path());
    let page = of(&run);
    let calls = between(&page, "id=\"calls\"", "</section>");
    assert_eq!(calls.matches("class=\"ladder\"").count(), 2);
    let shown = words(calls);
    assert!(shown.contains("failed call 0 at 00:42, flow answered, failed: connection lost"), "{shown}");
    assert!(shown.contains("+1.90 ms +1.69 ms \u{2190} answer ack"), "{shown}");
    assert!(shown.contains("close close 4502"), "{shown}");
    assert!(shown.contains("3 later messages are left out"), "{shown}");
    assert!(!shown.contains("not recorded"), "{shown}");
    run.record.kept_calls = Some(KeptCalls { unrecorded: 120, ..KeptCalls::default() });
    let wanted = "The messages of 120 calls were not recorded";
    assert!(words(between(&of(&run), "id=\"calls\"", "</section>")).contains(wanted));
    fs::remove_file(directory.join(wtsp_load::record::FLIGHT_FILE)).unwrap();
    let none = words(&of(&run));
    assert!(none.contains("No calls were kept") && none.contains(wanted), "{none}");
}

#[test]
fn an_hour_with_every_latency_is_below_two_megabytes() {
    let root = tempfile::tempdir().unwrap();
    let run = runs::long(root.path(), 3_605, Metric::ALL);
    let page = of(&run);
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    let data = run_data(&page, 0);
    assert_eq!(data["timeline"]["at"].as_array().unwrap().len(), 3_605);
    assert_eq!(data["timeline"]["every"], 1);
    let p99 = data["timeline"]["series"]["setup.response.p99"]["high"].as_str().unwrap();
    assert_eq!(p99.len(), (3_605 * 2usize).div_ceil(3) * 4, "two bytes a second, in base64");
    assert!(!page.contains("id=\"thinned\""));
    assert!(data["curves"]["setup.response"]["micros"].as_array().unwrap().len() > 20);
}

#[test]
fn a_longer_run_is_thinned_and_the_page_says_so() {
    let root = tempfile::tempdir().unwrap();
    let run = runs::long(root.path(), 4_400, &[Metric::Setup, Metric::Ack, Metric::Lag]);
    let page = of(&run);
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    let note = words(between(&page, "id=\"thinned\"", "</p>"));
    assert!(note.contains("4400 seconds") && note.contains("stands for 3"), "{note}");
    let series = &run_data(&page, 0)["timeline"]["series"];
    let figures = |part: &str| -> Vec<f64> {
        let row = &series["signed_on"][part];
        row.as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect()
    };
    let (high, low) = (figures("high"), figures("low"));
    assert_eq!((high.len(), low.len()), (1_467, 1_467));
    assert!(high.iter().zip(&low).all(|(high, low)| high >= low));
    assert_eq!(low.iter().copied().fold(f64::MAX, f64::min), 480.0);
}

#[test]
fn runs_without_calls_or_without_anything_have_a_page() {
    let root = tempfile::tempdir().unwrap();
    for seconds in [4, 0] {
        let page = of(&runs::without_calls(root.path(), seconds).1);
        assert_well_formed(&page);
        assert!(words(&markup(&page)).contains("no calls came due"));
    }
}

#[test]
fn a_killed_run_has_the_page_of_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let directory = runs::killed(root.path());
    assert!(!directory.join(RUN_FILE).exists());
    let (record, verdict) = report::load(&directory).unwrap();
    let page = page(&record, &verdict);
    assert_well_formed(&page);
    assert!(words(&page).contains("interrupted, or killed"));
    assert_eq!(run_data(&page, 0)["timeline"]["at"].as_array().unwrap().len(), 59);
}

#[test]
fn a_run_leaves_its_page_and_a_stored_run_makes_the_same_one() {
    let root = tempfile::tempdir().unwrap();
    let (directory, run) = runs::troubled(root.path());
    assert!(run.problem.is_none(), "{:?}", run.problem);
    let left = fs::read_to_string(directory.join(HTML_FILE)).unwrap();
    let (record, verdict) = report::load(&directory).unwrap();
    assert!(left == page(&record, &verdict));
}
