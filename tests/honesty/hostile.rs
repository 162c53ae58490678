//! Nonsense from the server: survived, counted, and without effect on what is measured.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::driver::{at_once, run};
use crate::independent::{Dialect, Knobs, Noise, Server};

/// Those of the hostile vectors whose name begins with one of `numbers`; all with none.
fn vectors(numbers: &[&str]) -> Vec<Noise> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/invalid");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let wanted =
        |path: &Path| numbers.is_empty() || numbers.iter().any(|number| named(path).starts_with(number));
    // 16 is not UTF-8: in a text frame it ends the connection, as it must.
    let chosen = paths.iter().filter(|path| wanted(path) && !named(path).starts_with("16-"));
    chosen.map(|path| Noise::Text(fs::read(path).unwrap())).collect()
}

const LOAD: &str = "
[[stages]]
duration = \"500ms\"
clients = 20
[[stages]]
duration = \"2s\"
calls_per_second = 10
[[stages]]
duration = \"1s\"
[calls]
ring = { fixed = \"50ms\" }
hold = { fixed = \"150ms\" }
candidates = 1
";

#[test]
fn each_kind_of_nonsense_is_counted_under_its_name() {
    // How each is to be treated stands in tests/vectors/README.md.
    let malformed = [
        "01-", "03-", "04-", "06-", "09-", "12-", "13-", "14-", "23-", "24-", "25-", "26-", "27-", "28-",
        "30-", "79-",
    ];
    let unknown = ["32-", "33-", "34-", "35-"];
    // 78 is left out: it answers a keepalive that happens to be under way.
    let late = ["50-", "51-"];
    at_once(Dialect::BOTH, |dialect| {
        let mut noise = [vectors(&malformed), vectors(&unknown), vectors(&late)].concat();
        noise.extend([Noise::Binary(0), Noise::Binary(70_000), Noise::Ping]);
        let server =
            Server::start(Knobs { noise: noise.clone(), noise_in_calls: noise, ..Knobs::of(dialect, 20) });
        let ran = run(&server, &format!("dialect = \"{}\"", dialect.name()), LOAD);
        let books = server.books();
        ran.adds_up();
        if ran.was_overrun() {
            return;
        }
        ran.ends_with(0);
        // Once for each client and the scout, and for each leg of each answered call.
        let times = 21 + 2 * books.answered;
        assert_eq!(books.answered, 20);
        assert_eq!(ran.count("attempts.answered"), 20);
        assert_eq!(ran.count("malformed_messages"), times * malformed.len() as u64);
        assert_eq!(ran.count("unknown_events"), times * unknown.len() as u64);
        assert_eq!(ran.count("late_responses"), times * late.len() as u64);
        assert_eq!(ran.count("binary_messages"), times * 2);
        // The scout may be gone before its pong is.
        assert!([times, times - 1].contains(&books.pongs), "{} pongs", books.pongs);
        assert_eq!(ran.disconnects(1000, "client", "draining"), 21, "{}", ran.at("disconnects"));
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
        assert_eq!(ran.at("requests.sent"), &serde_json::to_value(&books.requests).unwrap());
    });
}

#[test]
fn all_hostile_messages_together_cost_no_connection_no_call_and_no_memory() {
    at_once(Dialect::BOTH, |dialect| {
        // Those that unregister a client, or give it other lines, would be obeyed: they come as states and events
        // that are well formed.
        let obeyed = ["58-", "59-", "60-", "61-", "62-", "63-", "64-", "65-", "66-", "67-"];
        let names: Vec<String> = (1..=80).map(|number| format!("{number:02}-")).collect();
        let names: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !obeyed.contains(name)).collect();
        let noise = vectors(&names);
        // The long ones are for a few clients: what they cost to read is no finding here.
        let load = LOAD
            .replace("clients = 20", "clients = 6")
            .replace("calls_per_second = 10", "calls_per_second = 2");
        let server =
            Server::start(Knobs { noise: noise.clone(), noise_in_calls: noise, ..Knobs::of(dialect, 6) });
        let ran = run(&server, &format!("dialect = \"{}\"", dialect.name()), &load);
        let books = server.books();
        ran.adds_up();
        if ran.was_overrun() {
            return;
        }
        ran.ends_with(0);
        assert!(books.answered > 0);
        assert_eq!(ran.count("attempts.answered"), books.answered);
        assert_eq!(ran.count("attempts.failed"), 0, "{}", ran.at("attempts_failed"));
        assert_eq!(ran.count("calls.completed"), books.answered);
        assert_eq!(ran.disconnects(1000, "client", "draining"), 7, "{}", ran.at("disconnects"));
        assert!(ran.count("malformed_messages") > 0 && ran.count("stray_events") > 0);
        assert!(ran.count("generator.rss_peak_bytes") < 256 << 20, "{}", ran.at("generator.rss_peak_bytes"));
        assert!(books.violations.is_empty(), "{:#?}", books.violations);
    });
}

#[test]
fn hostile_states_neither_crash_nor_spin_nor_bloat() {
    let states = ["58-", "59-", "60-", "61-", "62-", "63-", "64-", "65-", "66-", "67-"];
    at_once(Dialect::BOTH, |dialect| {
        let server = Server::start(Knobs {
            noise_in_calls: vectors(&states),
            keepalive_interval: Duration::from_secs(1),
            ..Knobs::of(dialect, 20)
        });
        let ran = run(&server, &format!("dialect = \"{}\"", dialect.name()), LOAD);
        let books = server.books();
        ran.adds_up();
        if ran.was_overrun() {
            return;
        }
        assert_eq!(ran.count("attempts.answered"), books.answered);
        assert_eq!(ran.count("states"), 21 + 2 * books.answered * states.len() as u64);
        // An interval of 0 is never a busy loop.
        assert!(books.keepalives < 200, "{} keepalives", books.keepalives);
        assert_eq!(ran.count("keepalives.sent"), books.keepalives);
        assert!(ran.count("generator.rss_peak_bytes") < 256 << 20, "{}", ran.at("generator.rss_peak_bytes"));
        assert_eq!(books.calls_left, 0);
        assert!(ran.took < Duration::from_secs(30), "{:?}", ran.took);
    });
}
