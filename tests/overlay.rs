//! `compare --format html` of runs with trouble, of long ones, and of some that have little in common. What every such page
//! has is in `compare.rs`, how it looks in a browser in `browser.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/pages.rs"]
mod pages;
#[path = "support/runs.rs"]
mod runs;

use pages::{assert_closed, assert_linked, assert_well_formed, between, data, markup, run_data, words};
use runs::HOSTILE;
use wtsp_load::comparison::{self, Settings};
use wtsp_load::metrics::Metric;
use wtsp_load::record::RunRecord;
use wtsp_load::report::{self, ComparisonFormat, Finished};
use wtsp_load::verdict::Verdict;

/// 2 MB, as the contract counts them.
const MOST_BYTES: usize = 2_000_000;

fn page(base: (&RunRecord, &Verdict), new: (&RunRecord, &Verdict)) -> String {
    let compared = comparison::compare((HOSTILE, base.0), (HOSTILE, new.0), Settings::default()).unwrap();
    let mut out = Vec::new();
    ComparisonFormat::Html.write(&compared, [base, new], false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn of(base: &Finished, new: &Finished) -> String {
    page((&base.record, &base.verdict), (&new.record, &new.verdict))
}

#[test]
fn what_others_say_is_text_and_never_markup() {
    let root = tempfile::tempdir().unwrap();
    let (_, run) = runs::troubled(root.path());
    let page = of(&run, &run);
    assert!(!page.contains("<script>alert") && !page.contains("<img"));
    assert!(!page.contains('\u{202e}'), "the direction of the text can be turned");
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (3, 3));
    assert_well_formed(&page);
    assert_closed(&page);
    assert_linked(&page, 20);
    assert!(words(&markup(&page)).contains("</script><script>alert(1)</script>"), "it is shown as it is");
    assert_eq!(data(&page)["stages"][1]["name"], HOSTILE.replace('\u{202e}', "\\u{202e}"));
    // What went wrong is counted beside each other.
    let closes = words(between(&page, "id=\"t-disconnects\"", "</table>"));
    assert!(closes.contains("4502 signaling keepalive timeout error the server 12 12"), "{closes}");
    let outcomes = words(between(&page, "id=\"t-outcomes\"", "</table>"));
    assert!(outcomes.contains("failed: connection lost 5"), "{outcomes}");
}

#[test]
fn two_hours_with_every_latency_are_below_two_megabytes() {
    let root = tempfile::tempdir().unwrap();
    let [base, new] = ["a", "b"].map(|name| runs::long(&root.path().join(name), 3_605, Metric::ALL));
    let page = of(&base, &new);
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    let note = words(between(&page, "id=\"thinned\"", "</p>"));
    assert!(note.contains("stands for 10 seconds"), "{note}");
    for run in [0, 1] {
        let run = run_data(&page, run);
        assert_eq!(run["timeline"]["at"].as_array().unwrap().len(), 361);
        assert_eq!(run["timeline"]["at"][42], 420);
        // As many points as there would be with histograms in every second.
        let p99 = run["timeline"]["series"]["setup.response.p99"]["high"].as_str().unwrap();
        assert_eq!(p99.len(), (361 * 2usize).div_ceil(3) * 4, "two bytes a point, in base64");
        // Counts are shown a second, and kept as they are.
        let due = &run["timeline"]["series"]["attempts.due"];
        let (mean, sum) = (due["high"][10].as_f64().unwrap(), due["sum"][10].as_f64().unwrap());
        assert!((mean * 10.0 - sum).abs() < 0.1 && sum > 0.0, "{mean}, {sum}");
    }
}

#[test]
fn runs_of_other_lengths_without_calls_or_cut_off_have_a_page() {
    let root = tempfile::tempdir().unwrap();
    let (_, troubled) = runs::troubled(&root.path().join("a"));
    let (killed, verdict) = report::load(&runs::killed(&root.path().join("b"))).unwrap();
    let killed = Finished { record: killed, verdict, problem: None };
    let idle = [0, 4].map(|seconds| runs::without_calls(&root.path().join(seconds.to_string()), seconds).1);
    for (base, new) in
        [(&troubled, &killed), (&idle[1], &troubled), (&troubled, &idle[0]), (&idle[0], &idle[0])]
    {
        let page = of(base, new);
        assert_well_formed(&page);
        assert_closed(&page);
        let seconds = [0, 1].map(|run| run_data(&page, run)["timeline"]["at"].as_array().unwrap().len());
        let expected = [base, new].map(|run| run.record.duration_us.div_ceil(1_000_000) as usize);
        assert_eq!(seconds, expected);
    }
    // Other stages are not drawn as if they were those of both.
    assert!(data(&of(&idle[1], &troubled))["stages"].as_array().unwrap().is_empty());
}
