//! A real Prometheus scrapes a run each second: it takes the page, has the counts of `run.json` in the end, and every
//! panel of the dashboard has something to show. Skipped where there is none, unless `WTSP_LOAD_REQUIRE_PROMETHEUS=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

#[path = "support/exposition.rs"]
mod exposition;
#[path = "support/program.rs"]
mod program;

use exposition::get;
use program::{Folder, Running, Served, has_program};

const PROFILE: &str = r#"
name = "prometheus"
seed = 7
[subscribers]
file = "subscribers.csv"
[clients]
reconnect = { fixed = { after = "1s" } }
[[stages]]
name = "sign-on"
duration = "5s"
clients = 40
[[stages]]
name = "calls"
duration = "9s"
calls_per_second = 20
arrivals = "poisson"
[calls]
ring = { uniform = { min = "20ms", max = "200ms" } }
hold = { exponential = "1s" }
"#;

/// Whether there is a Prometheus; it is no excuse where one is required.
fn has_prometheus() -> bool {
    let has = has_program("prometheus") && has_program("promtool");
    let required = std::env::var_os("WTSP_LOAD_REQUIRE_PROMETHEUS").is_some_and(|value| value == "1");
    assert!(has || !required, "`prometheus` and `promtool` are required, and not in the PATH");
    if !has {
        eprintln!(
            "skipped: `prometheus` and `promtool` are not in the PATH (Debian: apt-get install prometheus)"
        );
    }
    has
}

/// A Prometheus that scrapes one address each second, ended with the test.
struct Prometheus {
    _running: Running,
    url: String,
    begun: f64,
}

impl Prometheus {
    fn start(folder: &Folder, scraped: &str) -> Prometheus {
        let address = scraped.strip_prefix("http://").and_then(|url| url.strip_suffix("/metrics")).unwrap();
        let settings = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs: [{{ job_name: wtsp-load, static_configs: [{{ targets: [\"{address}\"] }}] }}]\n"
        );
        fs::write(folder.join("prometheus.yml"), settings).unwrap();
        let mut command = Command::new("prometheus");
        command.current_dir(folder.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
        command.args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        let mut running = Running::start(command);
        running.wait_for("ready to receive web requests");
        let stderr = running.stderr();
        let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let listening = lines.filter(|line| line["msg"] == "Listening on");
        let address = listening.filter_map(|line| line["address"].as_str().map(str::to_owned)).next();
        let url = format!("http://{}", address.unwrap_or_else(|| panic!("no address in:\n{stderr}")));
        Prometheus { _running: running, url, begun: now() }
    }

    /// The series that an expression gives, by second since the scrapes began.
    #[track_caller]
    fn range(&self, expression: &str) -> Vec<Series> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let (from, to) = (self.begun, now());
        let path = format!("/api/v1/query_range?query={query}&start={from}&end={to}&step=1");
        let (status, body) = get(&format!("{}{path}", self.url)).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["status"]), (200, &Value::from("success")), "{expression}: {body}");
        let series = answer["data"]["result"].as_array().unwrap().iter().map(|series| Series {
            labels: series["metric"].clone(),
            values: series["values"].as_array().unwrap().iter().filter_map(number).collect(),
        });
        series.collect()
    }

    /// The last value of an expression that gives one series.
    fn last(&self, expression: &str) -> Option<f64> {
        self.range(expression).first().and_then(|series| series.values.last().copied())
    }
}

struct Series {
    labels: Value,
    /// Those that are figures: 0 of 0 is none.
    values: Vec<f64>,
}

/// The value of a point, `[time, "value"]`.
fn number(point: &Value) -> Option<f64> {
    point[1].as_str()?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn prometheus_takes_what_a_run_offers_and_the_dashboard_shows_it() {
    if !has_prometheus() {
        return;
    }
    let folder = Folder::with(PROFILE);
    let served = Served::start(&folder, 60, &["--refuse-calls", "10%:503"]);
    let arguments = ["--target", &served.url, "--metrics", "127.0.0.1:0", "--metrics-linger", "5m"];
    let mut running = folder.start(&arguments);
    running.wait_for("/metrics\n");
    let stderr = running.stderr();
    let url = stderr.lines().find_map(|line| line.strip_prefix("metrics at ")).unwrap();
    let prometheus = Prometheus::start(&folder, url);
    running.wait_for("metrics stay at ");
    check_metrics(&get(url).unwrap().1);

    let run = folder.record();
    let due = run["attempts"]["due"].as_f64().unwrap();
    assert!(due > 50.0, "{due} attempts");
    running.wait_until("the last scrape", |_| prometheus.last("sum(wtsp_load_attempts_total)") == Some(due));
    assert_eq!(prometheus.last("min_over_time(up[1m])"), Some(1.0), "a scrape failed");
    for (expression, path) in [
        ("wtsp_load_attempts_due_total", "/attempts/due"),
        ("wtsp_load_attempts_total{outcome=\"answered\"}", "/attempts/answered"),
        ("sum(wtsp_load_attempts_rejected_total{code=\"503\"})", "/attempts_rejected/503"),
        ("wtsp_load_requests_acked_total", "/requests/acked"),
        ("wtsp_load_keepalives_sent_total", "/keepalives/sent"),
        ("wtsp_load_latency_seconds_count{metric=\"ack\"}", "/latency/ack/service/count"),
        (
            "wtsp_load_latency_seconds_bucket{metric=\"setup\", basis=\"response\", le=\"+Inf\"}",
            "/latency/setup/response/count",
        ),
    ] {
        let wanted = run.pointer(path).and_then(Value::as_f64);
        assert!(wanted > Some(0.0), "{path}");
        assert_eq!(prometheus.last(expression), wanted, "{expression}");
    }
    for (title, expression, legend) in expressions() {
        assert_shows(&prometheus, &title, &expression, &legend);
    }
    // What shows nothing would be found.
    assert!(prometheus.range("wtsp_load_no_such_name").is_empty());
    running.signal(Signal::SIGINT);
    running.wait();
    served.stop();
}

/// A panel's expression gives figures, and its series have the labels that the legend shows.
#[track_caller]
fn assert_shows(prometheus: &Prometheus, title: &str, expression: &str, legend: &str) {
    let asked = expression.replace("$__rate_interval", "5s").replace("$instance", ".*");
    assert!(!asked.contains('$'), "a variable that this test does not know: {asked}");
    let series = prometheus.range(&asked);
    let values: usize = series.iter().map(|series| series.values.len()).sum();
    assert!(values > 2, "\"{title}\" shows nothing: {expression}");
    let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    for label in labels {
        assert!(
            series.iter().all(|series| series.labels[label].is_string()),
            "\"{title}\": no {label} in {:?}",
            series.iter().map(|series| &series.labels).collect::<Vec<_>>()
        );
    }
}

/// The expressions of the dashboard, each with the title of its panel and its legend.
fn expressions() -> Vec<(String, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/grafana/dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push((text(&panel["title"]), text(&target["expr"]), text(&target["legendFormat"])));
        }
    }
    assert!(expressions.len() > 20, "{} expressions", expressions.len());
    expressions
}

/// `promtool check metrics` has nothing to say about a page.
#[track_caller]
fn check_metrics(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.trim().is_empty(), "{}: {words}", said.status);
}
