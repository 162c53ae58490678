//! `run --metrics`, asked while it runs: what a last scrape has is what `run.json` has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use wtsp_load::exporter::{FAMILIES, Family, Kind, PREFIX};

#[path = "support/exposition.rs"]
mod exposition;
#[path = "support/program.rs"]
mod program;

use exposition::{Labels, Page, get};
use program::{Folder, Running, Served, tokens};

const PROFILE: &str = r#"
name = "metrics"
seed = 7
[subscribers]
file = "subscribers.csv"
[[stages]]
name = "sign-on"
duration = "1s"
clients = 20
[[stages]]
name = "calls"
duration = "3s"
calls_per_second = 15
arrivals = "poisson"
[calls]
ring = { uniform = { min = "20ms", max = "200ms" } }
hold = { exponential = "400ms" }
mix = [ { flow = "answered", weight = 80 }, { flow = "declined", weight = 20 } ]
"#;

/// Where the metrics of a run are.
fn url(running: &mut Running) -> String {
    running.wait_for("/metrics\n");
    let stderr = running.stderr();
    let line = stderr.lines().find_map(|line| line.strip_prefix("metrics at ")).expect("the address");
    line.to_owned()
}

fn page(url: &str) -> (Page, String) {
    let (status, text) = get(url).expect("an answer");
    assert_eq!(status, 200);
    (Page::read(&text), text)
}

#[test]
fn the_last_scrape_has_what_the_record_has() {
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 40, &["--refuse-calls", "10%:503"]);
    let arguments = ["--target", &served.url, "--metrics", "127.0.0.1:0", "--metrics-linger", "5m"];
    let mut running = folder.start(&arguments);
    let url = url(&mut running);
    let (mut before, _) = page(&url);
    let mut scrapes = 0;
    while !running.stderr().contains("metrics stay at ") {
        let (now, _) = page(&url);
        now.assert_follows(&before);
        (before, scrapes) = (now, scrapes + 1);
        thread::sleep(Duration::from_millis(100));
    }
    assert!(scrapes > 3, "it was scraped while it ran");
    let (last, text) = page(&url);
    last.assert_follows(&before);
    for token in tokens(&folder.join("subscribers.csv")) {
        assert!(!text.contains(&token), "a token is on the page");
    }
    running.signal(Signal::SIGINT);
    let ended = running.wait();
    let code = ended.code;
    assert!(matches!(code, Some(1 | 4)), "the code of the run, and not of ^C: {ended:?}");
    assert!(get(&url).is_err(), "the metrics go with the process");
    let run = folder.record();
    assert!(run["attempts"]["due"].as_u64() > Some(10) && run["interrupted"] == false, "{}", run["attempts"]);
    for family in FAMILIES {
        assert_same(family, &last, &run);
    }
    assert_latencies(&last, &run);
    served.stop();
}

/// The value at a path of the record, in the first of a list; nothing where the list or map is empty.
fn at<'v>(run: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(run, |at, part| {
        let at = at.as_array().map_or(Some(at), |list| list.first())?;
        Some(at.get(part).unwrap_or_else(|| panic!("run.json has no {path}")))
    })
}

/// A metric is what the record says in the same place.
fn assert_same(family: &Family, page: &Page, run: &Value) {
    let Family { name, kind, labels, in_record, .. } = family;
    let places: Vec<Option<&Value>> = in_record.split(", ").map(|path| at(run, path)).collect();
    // What the plan wants has a place only in its stages.
    if *kind != Kind::Counter || name.ends_with("planned_total") {
        return;
    }
    let place = places[0].unwrap_or(&Value::Null);
    let unit = if in_record.ends_with("_us") { 1e-6 } else { 1.0 };
    let number = |value: &Value| value.as_f64().unwrap_or(0.0) * unit;
    let mut sum = 0.0;
    for (of, value) in page.of(name) {
        let wanted = match (*name, place) {
            (_, Value::Array(list)) => {
                let is = |one: &Value| labels.iter().all(|label| of[*label] == text(&one[*label]));
                number(&list.iter().find(|one| is(one)).unwrap_or_else(|| panic!("{name} {of:?}"))["count"])
            }
            (_, Value::Object(_)) => {
                number(labels.iter().fold(place, |at, label| at.get(&of[*label]).unwrap_or(&Value::Null)))
            }
            _ => number(place),
        };
        assert!((value - wanted).abs() < 1e-6, "{name} {of:?} is {value}, and {wanted} in run.json");
        sum += value;
    }
    let total = |map: &serde_json::Map<String, Value>| map.values().map(number).sum::<f64>();
    match place {
        Value::Object(map) if labels.len() == 1 && *name != "attempts_total" => {
            assert_eq!(sum, total(map), "{name}")
        }
        Value::Array(list) => {
            assert_eq!(sum, list.iter().map(|one| number(&one["count"])).sum::<f64>(), "{name}")
        }
        _ => {}
    }
    if *name == "attempts_total" {
        assert_eq!(Some(sum), run["attempts"]["due"].as_f64(), "every attempt has ended once");
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn assert_latencies(page: &Page, run: &Value) {
    let latency = run["latency"].as_object().expect("latencies");
    let mut measured = 0;
    let is_metric = |name: &str| !["ack_by_request", "by_flow"].contains(&name);
    for (metric, bases) in latency.iter().filter(|(metric, _)| is_metric(metric)) {
        for (basis, summary) in bases.as_object().expect("bases") {
            let labels = [("metric", metric), ("basis", basis)];
            let labels: Labels = labels.map(|(name, value)| (name.to_owned(), value.clone())).into();
            measured += u32::from(assert_latency(page, "latency_seconds", &labels, summary));
        }
    }
    assert!(measured > 10, "{measured} latencies");
    for (request, summary) in latency["ack_by_request"].as_object().expect("requests") {
        let labels = Labels::from([("request".to_owned(), request.clone())]);
        assert!(assert_latency(page, "latency_ack_by_request_seconds", &labels, summary));
    }
}

/// Count, sum and p99 are those of the record, as far as buckets can tell; whether there was anything.
fn assert_latency(page: &Page, name: &str, labels: &Labels, summary: &Value) -> bool {
    let value = |suffix: &str| {
        let series = (format!("{PREFIX}{name}{suffix}"), labels.clone());
        *page.0.get(&series).unwrap_or_else(|| panic!("no {series:?}"))
    };
    let count = summary["count"].as_f64().expect("a count");
    assert_eq!(value("_count"), count, "{labels:?}");
    let (Some(mean), Some(p99)) = (summary["mean"].as_f64(), summary["p99"].as_f64()) else { return false };
    let sum = mean * count / 1e6;
    assert!(
        (value("_sum") - sum).abs() < 1e-3 * sum + 1e-6 * count,
        "{labels:?}: {} is not {sum}",
        value("_sum")
    );
    let rank = (0.99 * count).ceil();
    let buckets = page.buckets(name, labels);
    let bucket = buckets.iter().position(|(_, within)| *within >= rank).expect("the last has all");
    let from = if bucket == 0 { 0.0 } else { buckets[bucket - 1].0 };
    let p99 = p99 / 1e6;
    // The record has a latency to three digits.
    assert!(
        p99 >= from && p99 * 0.999 <= buckets[bucket].0,
        "{labels:?}: {p99} is not in {from} to {:?}",
        buckets[bucket]
    );
    true
}

#[test]
fn an_address_that_cannot_be_is_said_before_anything_is_dialled() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--metrics", "9464"], 2, "write IP:PORT, as in 127.0.0.1:9464"),
        (&["--metrics", "metrics.example.com:9464"], 2, "write IP:PORT"),
        (&["--metrics-linger", "5s"], 2, "--metrics <ADDR>"),
        (&["--metrics", &address], 3, "metrics cannot be offered at 127.0.0.1:"),
    ];
    for (arguments, code, words) in cases {
        let folder = Folder::with(&PROFILE.replace("file = \"subscribers.csv\"", "count = 40"));
        let ended = folder.run(&[arguments, &["--target", "embedded"]].concat()).with_code(code);
        assert!(ended.stderr.contains(words), "{words:?} is not in: {}", ended.stderr);
        assert!(!folder.join("out").exists(), "a record of nothing");
    }
}

/// The dashboard of `reports/grafana`.
fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/grafana/dashboard.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_name_in_the_dashboard_is_one_of_ours() {
    let dashboard = dashboard();
    let mut names = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let is_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
            for word in expression.split(|sign| !is_name(sign)) {
                let Some(name) = word.strip_prefix(PREFIX) else { continue };
                let is = |family: &&Family| match family.kind {
                    Kind::Histogram => name.strip_prefix(family.name) == Some("_bucket"),
                    _ => name == family.name,
                };
                let family = FAMILIES.iter().find(is).unwrap_or_else(|| panic!("{name} in: {expression}"));
                assert!(expression.contains("instance=~\"$instance\""), "{expression}");
                let is_rated = expression.contains("rate(");
                assert!(!is_rated || family.kind != Kind::Gauge, "a rate of a gauge: {expression}");
                names += 1;
            }
        }
    }
    assert!(names > 20, "{names} names");
}

#[test]
fn the_table_of_names_is_the_one_that_is_shipped() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/METRICS.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- table -->\n").expect("where the table begins");
    let (_, after) = rest.split_once("<!-- end -->\n").expect("where the table ends");
    let mut table = "| name | labels | in `run.json` | what it is |\n| --- | --- | --- | --- |\n".to_owned();
    for Family { name, kind, labels, in_record, help, .. } in FAMILIES {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let places: Vec<String> = in_record.split(", ").map(|place| format!("`{place}`")).collect();
        let kind = if *kind == Kind::Histogram { " (histogram)" } else { "" };
        table +=
            &format!("| `{PREFIX}{name}`{kind} | {} | {} | {help} |\n", labels.join(" "), places.join(" "));
    }
    let new = format!("{before}<!-- table -->\n{table}<!-- end -->\n{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&path, &new).unwrap();
    } else {
        assert!(
            text == new,
            "reports/METRICS.md is not of this program: UPDATE_GOLDEN=1 writes the table anew"
        );
    }
}
