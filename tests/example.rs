//! `reports/example` is what the program makes today: `reports/example/renew --reports` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;

use wtsp_load::profile::{self, Overrides};
use wtsp_load::record::{RUN_FILE, Validity};
use wtsp_load::report::{self, Format, HLOG_FILE, HTML_FILE, JUNIT_FILE, SUMMARY_FILE, TIMELINE_FILE};
use wtsp_load::verdict::{self, VerdictResult};

/// As `renew` names it, for the summary says where its files are.
fn example() -> PathBuf {
    PathBuf::from("reports/example")
}

#[test]
fn every_report_of_the_example_is_what_its_run_gives() {
    let (record, verdict) = report::load(&example()).unwrap();
    let formats = [
        (RUN_FILE, Format::Json),
        (SUMMARY_FILE, Format::Markdown),
        (JUNIT_FILE, Format::Junit),
        (HLOG_FILE, Format::Hlog),
        (TIMELINE_FILE, Format::Csv),
        (HTML_FILE, Format::Html),
        ("report.txt", Format::Text),
    ];
    for (file, format) in formats {
        let mut made = Vec::new();
        format.write(&record, &verdict, &mut made).unwrap();
        let stored = fs::read(example().join(file)).unwrap();
        assert!(
            made == stored,
            "{file} is another; look at `reports/example/renew --reports` and what it changes"
        );
    }
}

#[test]
fn the_example_tells_what_its_readme_says() {
    let (record, verdict) = report::load(&example()).unwrap();
    let plan = profile::load(&example().join("profile.toml"), &Overrides::default()).unwrap();
    assert_eq!(record.profile.hash, plan.hash, "the run is not one of profile.toml");
    assert_eq!(verdict.result, VerdictResult::Fail);
    assert_eq!(verdict::validity(&record), Validity::Valid, "what is late is to be the server's doing");
    let [slow] =
        &verdict.thresholds.iter().filter(|one| one.first_failed_at_us.is_some()).collect::<Vec<_>>()[..]
    else {
        panic!("one threshold fails: {:?}", verdict.thresholds)
    };
    assert_eq!(slow.name, "latency.setup.response.p99");
    let second = slow.first_failed_at_us.unwrap() / 1_000_000;
    assert!((42..=45).contains(&second), "in second {second}");
    let read = |file: &str| fs::read_to_string(example().join(file)).unwrap();
    assert_eq!(read("calls.csv").lines().count() as u64, 1 + record.counted.attempts.due);
}
