//! Profiles: what is written, what it means, and what is said about what is wrong.
#![allow(clippy::expect_used, reason = "a test's helpers fail like the test itself")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use wtsp_load::law::{Distribution, Seed};
use wtsp_load::profile::{
    self, DialectChoice, Force, Overrides, Plan, ProfileErrors, Reconnect, SdpPlan, Server, SubscriberSource,
};
use wtsp_load::protocol::HangupCode;
use wtsp_load::scenario::Flow;
use wtsp_load::transport::Resumption;
use wtsp_load::workload::{ArrivalLaw, Rate, SignOff};

const QUICKSTART: &str = "profiles/quickstart.toml";

/// The smallest profile that can be run.
const SMALL: &str = "[[stages]]\nduration = \"10s\"\nclients = 4\n";

/// A folder with a profile and a list of three subscribers.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(profile: &str) -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("p.toml"), profile).expect("written");
        fs::write(folder.path().join("subscribers.csv"), "token,number\na,1\nb,2\nc,3\n").expect("written");
        Folder(folder)
    }

    fn profile(&self) -> PathBuf {
        self.0.path().join("p.toml")
    }

    fn load(&self, set: &[&str]) -> Result<Plan, ProfileErrors> {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        profile::load(&self.profile(), &Overrides { set, ..Overrides::default() })
    }

    /// What is said about a profile that is wrong, with the folder's path left out.
    fn refusal(&self, set: &[&str]) -> String {
        let errors = self.load(set).expect_err("refused");
        let folder = format!("{}/", self.0.path().display());
        errors.render(false).replace(&folder, "")
    }
}

fn plan(profile: &str) -> Plan {
    Folder::new(profile).load(&[]).expect("a plan")
}

fn refusal(profile: &str) -> String {
    Folder::new(profile).refusal(&[])
}

fn quickstart(set: &[&str]) -> Result<Plan, ProfileErrors> {
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    profile::load(Path::new(QUICKSTART), &Overrides { set, ..Overrides::default() })
}

#[test]
fn the_keys_of_the_contract_work_as_they_are_written_there() {
    let profile = r#"
name = "busy-hour"
seed = 7
[target]
url = "wss://core.example.com"
dialect = "auto"
tenant = "acme"
force = "on-reconnect"
connect_timeout = "10s"
source_addresses = []
[target.tls]
insecure = true
server_name = "core.internal"
[subscribers]
file = "subscribers.csv"
[generator]
workers = 1
[clients]
keepalive_jitter = 0.1
request_timeout = "10s"
reconnect = "none"
[[stages]]
name = "sign-on"
duration = "10s"
clients = 3
arrivals = "constant"
[[stages]]
name = "steady"
duration = "60s"
calls_per_second = 20
arrivals = "poisson"
[calls]
ring = { uniform = { min = "200ms", max = "1s" } }
hold = { lognormal = { median = "3m", p95 = "15m" } }
candidates = 6
sdp_bytes = 3000
mix = [ { flow = "answered", weight = 90 } ]
"#;
    let plan = plan(profile);
    assert_eq!((plan.name.as_str(), plan.seed, plan.seed_drawn), ("busy-hour", Seed(7), false));
    assert_eq!(plan.target.server.to_string(), "wss://core.example.com/tenant/acme/signaling/v1");
    assert_eq!((plan.target.dialect, plan.target.force), (DialectChoice::Auto, Force::OnReconnect));
    assert_eq!(plan.target.tls.server_name.as_deref(), Some("core.internal"));
    assert_eq!((plan.workers, plan.subscriber_count), (1, 3));
    assert_eq!((plan.stages[1].clients_from, plan.stages[1].clients_to), (3, 3));
    assert_eq!(plan.stages[1].calls, Some(Rate::constant(20.0)));
    assert_eq!(plan.stages[1].arrivals, ArrivalLaw::Poisson);
    let hold = plan.calls.mix[0].hold;
    let (median, p95) = (Duration::from_secs(180), Duration::from_secs(900));
    assert_eq!(hold, Distribution::Lognormal { median, p95 });
}

#[test]
fn everything_that_is_left_out_has_a_default() {
    let plan = plan(&format!("{SMALL}calls_per_second = 0.1\n"));
    assert_eq!(plan.name, "p");
    assert!(plan.seed_drawn);
    assert_eq!(plan.target.server, Server::Embedded);
    assert_eq!(plan.subscribers, SubscriberSource::Count(4));
    assert_eq!(plan.stages[0].name, "stage-1");
    assert_eq!(plan.embedded_core.keepalive_interval, Duration::from_secs(30));
    assert_eq!(plan.embedded_core.lines, 2);
    let calls = plan.calls;
    assert_eq!(
        (calls.candidates, &calls.sdp, calls.mix[0].hangup_by_callee),
        (6, &SdpPlan::Bytes(3_000), 0.2)
    );
    assert_eq!(calls.candidate_spacing, Duration::from_millis(50));
    assert_eq!(calls.mix[0].flow, Flow::Answered);
}

#[test]
fn a_rate_can_be_given_in_four_ways() {
    let rate =
        |line: &str| plan(&format!("{SMALL}{line}\n[calls]\nhold = {{ fixed = \"10s\" }}\n")).stages[0].calls;
    assert_eq!(rate("calls_per_second = 20"), Some(Rate::constant(20.0)));
    assert_eq!(rate("calls_ramp = { from = 20, to = 0 }"), Some(Rate::ramp(20.0, 0.0)));
    assert_eq!(rate("bhca = 72000"), Some(Rate::constant(20.0)));
    assert_eq!(rate("erlangs = 100"), Some(Rate::constant(10.0)));
    assert_eq!(rate("calls_per_second = 0"), None);
    assert!(refusal(&format!("{SMALL}erlangs = 100\n")).contains("`erlangs` needs the mean hold time"));
    assert!(
        refusal(&format!("{SMALL}bhca = 1\nerlangs = 1\n[calls]\nhold = {{ fixed = \"1s\" }}\n"))
            .contains("`bhca` and `erlangs` both say how many calls are due")
    );
}

#[test]
fn a_rate_can_have_a_shape_in_each_of_its_units() {
    let rate =
        |line: &str| plan(&format!("{SMALL}{line}\n[calls]\nhold = {{ fixed = \"10s\" }}\n")).stages[0].calls;
    let seconds = Duration::from_secs;
    assert_eq!(rate("calls_per_second = { ramp = { from = 1, to = 5 } }"), Some(Rate::ramp(1.0, 5.0)));
    assert_eq!(
        rate("bhca = { steps = { from = 3600, to = 18000, count = 5 } }"),
        Some(Rate::Steps { from: 1.0, to: 5.0, count: 5 })
    );
    assert_eq!(
        rate("erlangs = { spike = { base = 10, peak = 50, at = \"2s\", length = \"3s\" } }"),
        Some(Rate::Spike { base: 1.0, peak: 5.0, at: seconds(2), length: seconds(3) })
    );
    for (line, message) in [
        ("calls_per_second = { rmp = { from = 1, to = 5 } }", "did you mean `ramp`?"),
        ("calls_per_second = { ramp = { from = 1 } }", "`to` is missing"),
        ("calls_per_second = {}", "exactly one choice"),
        (
            "bhca = { ramp = { from = 1, to = 5 }, steps = { from = 1, to = 5, count = 2 } }",
            "exactly one choice has to stand here",
        ),
        ("calls_per_second = { ramp = { from = -1, to = 5 } }", "must give a rate from 0"),
        ("calls_per_second = { steps = { from = 1, to = 5, count = 1 } }", "from 2 to 100 levels"),
        (
            "calls_per_second = { spike = { base = 1, peak = 5, at = \"8s\", length = \"3s\" } }",
            "the spike begins at 8s and ends at 11s, and the stage lasts 10s",
        ),
        ("calls_per_second = true", "expected a number, or a shape"),
    ] {
        let refusal = refusal(&format!("{SMALL}{line}\n"));
        assert!(
            refusal.starts_with("p.toml:4:") && refusal.contains(message),
            "{message:?} is not in\n{refusal}"
        );
    }
}

#[test]
fn sign_ons_have_a_law_a_rate_and_a_manner_of_leaving_of_their_own() {
    let more = "signon_arrivals = \"poisson\"\nsignons_per_second = 2\narrivals = \"constant\"\n\
                [[stages]]\nduration = \"10s\"\nchurn_per_second = 1.5\nsign_off = \"drop\"\n";
    let made = plan(&format!("{SMALL}{more}"));
    let (first, second) = (&made.stages[0], &made.stages[1]);
    assert_eq!((first.signon_arrivals, first.arrivals), (ArrivalLaw::Poisson, ArrivalLaw::Constant));
    assert_eq!((first.signon_time, second.signon_time), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!((first.sign_off, second.sign_off), (SignOff::Close, SignOff::Drop));
    assert_eq!((second.churn_per_second, made.sign_ons()), (1.5, 4 + 14));
    // Without a word of its own, the law of the stage is that of its sign-ons.
    assert_eq!(
        plan(&format!("{SMALL}arrivals = \"at_once\"\n")).stages[0].signon_arrivals,
        ArrivalLaw::AtOnce
    );
    let second = "[[stages]]\nduration = \"10s\"\n";
    for (addition, message) in [
        (
            "signons_per_second = 0.1\n".to_owned(),
            "4 clients at 0.1 a second take 40s, and the stage lasts 10s",
        ),
        ("signons_per_second = 0\n".to_owned(), "must be above 0"),
        (
            "signons_per_second = 9\narrivals = \"at_once\"\n".to_owned(),
            "the law `at_once` says all at the start",
        ),
        ("churn_per_second = 1\n".to_owned(), "0 are signed on from the stage's start"),
        (
            format!("{second}churn_per_second = 5\n"),
            "5 clients a second are to sign off and on again, and 4 are",
        ),
        (format!("{second}churn_per_second = 1\narrivals = \"at_once\"\n"), "is a steady rate"),
        (format!("{second}sign_off = \"vanish\"\n"), "unknown choice `vanish`"),
    ] {
        let refusal = refusal(&format!("{SMALL}{addition}"));
        assert!(refusal.contains(message), "{message:?} is not in\n{refusal}");
    }
    let idle = plan(&format!("{SMALL}{second}signons_per_second = 3\n"));
    assert!(idle.warnings[0].contains("`signons_per_second` has no effect"), "{:?}", idle.warnings);
}

#[test]
fn callers_need_clients_and_count_among_the_calls() {
    let second = |more: &str| format!("{SMALL}[[stages]]\nduration = \"10s\"\n{more}\n");
    let calls = "[calls]\nring = { fixed = \"1s\" }\nhold = { fixed = \"2s\" }\npause = { fixed = \"2s\" }\n";
    let made = plan(&second(&format!("callers = 2\n{calls}")));
    assert!(made.has_calls() && made.warnings.is_empty(), "{:?}", made.warnings);
    // Two callers, five seconds a round, of which they are busy for three.
    assert!((made.expected_calls() - 4.0).abs() < 1e-9, "{}", made.expected_calls());
    assert!((made.expected_peak_calls() - 1.2).abs() < 1e-9, "{}", made.expected_peak_calls());
    assert!(
        refusal(&second("callers = 3"))
            .contains("has 3 callers, who need 6 clients for their calls, and 4 are")
    );
    let unused = plan(&second(&format!("calls_per_second = 0.1\n{calls}")));
    assert_eq!(unused.warnings, ["no stage has callers, so `calls.pause` has no effect"]);
}

#[test]
fn an_error_has_file_line_column_snippet_and_cure() {
    assert_eq!(
        refusal("[[stages]]\nduration = \"10s\"\nclents = 2\n"),
        "p.toml:3:1: unknown key `clents`\n  |\n3 | clents = 2\n  | ^^^^^^\n  |\n  = help: did you mean `clients`?"
    );
    assert_eq!(
        refusal("[[stages]]\nclients = 2\nduration = \"10\"\n"),
        "p.toml:3:12: `10` has no unit; write \"10s\" for seconds, or ms, m, h, d\n  |\n3 | duration = \"10\"\n  |            ^^^^"
    );
}

#[test]
fn all_that_is_wrong_in_meaning_is_told_at_once_in_the_files_order() {
    let profile = "name = \"a/b\"\n[[stages]]\nduration = \"0s\"\nclients = 4\ncalls_per_second = -1\n[calls]\nsdp_bytes = 1\nhangup_by_callee = 2\nmix = []\n";
    let errors = Folder::new(profile).load(&[]).expect_err("refused");
    let text = errors.render(false);
    let lines = text.lines().filter_map(|line| line.split("p.toml:").nth(1));
    let places: Vec<&str> = lines.filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["1:8", "3:12", "5:20", "7:13", "8:20", "9:7"]);
}

#[test]
fn earlier_tls_sessions_are_taken_up_where_the_profile_says_so() {
    let of = |tls: &str| plan(&format!("{SMALL}[target.tls]\n{tls}"));
    let (on, off) = (of("resumption = true"), of(""));
    assert_eq!((on.target.tls.resumption, off.target.tls.resumption), (Resumption::On, Resumption::Off));
    assert_ne!(on.hash, off.hash);
}

#[test]
fn keepalives_come_as_often_as_the_profile_says() {
    let of = |interval: &str| plan(&format!("{SMALL}[clients]\n{interval}"));
    let (own, the_servers) = (of("keepalive_interval = \"250ms\""), of(""));
    assert_eq!(own.clients.keepalive_interval, Some(Duration::from_millis(250)));
    assert_eq!(the_servers.clients.keepalive_interval, None);
    assert_ne!(own.hash, the_servers.hash);
    let refused = refusal(&format!("{SMALL}[clients]\nkeepalive_interval = \"0s\"\n"));
    assert!(refused.contains("clients.keepalive_interval"), "{refused}");
}

#[test]
fn each_way_to_reconnect_has_its_defaults_and_is_checked() {
    let seconds = Duration::from_secs;
    let of = |written: &str| {
        let profile = format!("{SMALL}[clients]\nreconnect = {written}\n");
        Folder::new(&profile).load(&[]).expect("a plan")
    };
    let backoff = Reconnect::Backoff { base: Duration::from_millis(500), cap: seconds(30) };
    for (written, policy) in [
        ("\"none\"", Reconnect::None),
        ("{ fixed = {} }", Reconnect::Fixed { after: seconds(3) }),
        ("{ fixed = { after = \"5s\" } }", Reconnect::Fixed { after: seconds(5) }),
        ("{ backoff = {} }", backoff),
        (
            "{ backoff = { base = \"1s\", cap = \"1s\" } }",
            Reconnect::Backoff { base: seconds(1), cap: seconds(1) },
        ),
    ] {
        let plan = of(written);
        assert_eq!(plan.clients.reconnect, policy, "{written}");
        // Whoever is to come back has failed when it does not.
        let with_given_up = plan.thresholds.iter().any(|one| one.figure.name() == "clients.given_up");
        assert_eq!(with_given_up, policy != Reconnect::None, "{written}");
    }
    let hashes = ["\"none\"", "{ fixed = {} }", "{ fixed = { after = \"4s\" } }", "{ backoff = {} }"]
        .map(|written| of(written).hash);
    assert!(hashes.iter().enumerate().all(|(place, hash)| !hashes[..place].contains(hash)), "{hashes:?}");
    assert_eq!(Folder::new(SMALL).load(&[]).expect("a plan").hash, hashes[0]);
    for (written, said) in [
        ("{ fixed = { after = \"0s\" } }", "must be above zero"),
        ("{ backoff = { base = \"40s\" } }", "`cap` is 30s, which is less than `base`"),
        ("{ fixed = { afer = \"3s\" } }", "afer, available keys: after"),
        ("\"fixed\"", "table of settings"),
        ("{ exponential = {} }", "unknown choice `exponential`"),
    ] {
        let refusal = refusal(&format!("{SMALL}[clients]\nreconnect = {written}\n"));
        assert!(refusal.contains(said) && refusal.contains("p.toml:"), "{written}: {refusal}");
    }
}

#[test]
fn logins_have_a_pace_and_a_url_of_their_own() {
    let profile = "[target]\nurl = \"ws://core.example.com/x\"\ntenant = \"acme\"\n[subscribers]\n\
                   file = \"subscribers.csv\"\n[[stages]]\nduration = \"1s\"\nclients = 1\n";
    let folder = Folder::new(profile);
    let path = folder.0.path().join("subscribers.csv");
    fs::write(&path, "login,password\na,hush\n").expect("written");
    let plan = folder.load(&[]).expect("a plan");
    assert_eq!(plan.subscribers, SubscriberSource::Credentials(path));
    assert_eq!((plan.logins.pace.per_second, plan.logins.pace.concurrency), (20.0, 10));
    assert!(plan.warnings.iter().any(|warning| warning.contains("unencrypted")), "{:?}", plan.warnings);
    let set =
        ["subscribers.rest_url=\"https://api.example.com/y/api/v1\"", "subscribers.logins_per_second=0.5"];
    let plan = folder.load(&set).expect("a plan");
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.logins.pace.per_second, 0.5);
    let url = plan.logins.rest_url.expect("a URL");
    let at = format!("{}{}", url.rest_origin(), url.base().api());
    assert_eq!(at, "https://api.example.com/y/tenant/acme/api/v1");
    for (set, said) in [
        ("subscribers.logins_per_second=0", "must be from 0.01 to 1000"),
        ("subscribers.concurrency=65", "must be from 1 to 64"),
        ("subscribers.rest_url=\"https://a:b@c\"", "user name or a password"),
        ("subscribers.rest_url=\"core\"", "https://"),
    ] {
        let refusal = folder.refusal(&[set]);
        assert!(refusal.contains(said) && !refusal.contains("hush"), "{refusal}");
    }
    fs::write(folder.0.path().join("subscribers.csv"), "login,password\na,hush\na,hush\n").expect("written");
    let refusal = folder.refusal(&[]);
    assert!(refusal.contains("subscribers.csv:3: the login is the same as on line 2"), "{refusal}");
    assert!(!refusal.contains("hush"), "{refusal}");
}

#[test]
fn a_run_that_cannot_be_done_is_refused_with_its_cure() {
    for (profile, message) in [
        ("", "`stages` is missing"),
        ("stages = []", "the profile has no stages"),
        ("[[stages]]\nduration = \"1s\"\n", "no stage signs any client on"),
        ("[[stages]]\nduration = \"31d\"\nclients = 1\n", "a stage must last longer than 0s and at most 30d"),
        (
            "[[stages]]\nduration = \"1s\"\ncalls_per_second = 1\n",
            "has calls, which need 2 client(s), and none is",
        ),
        (
            "[[stages]]\nduration = \"1s\"\nclients = 1\ncalls_per_second = 1\n",
            "need 2 client(s), and only 1 is",
        ),
        (
            "[[stages]]\nduration = \"1s\"\nclients = 9\n[subscribers]\ncount = 8\n",
            "the stages sign up to 9 clients on, and there are 8 subscribers",
        ),
        (
            "[[stages]]\nduration = \"1s\"\nclients = 4\n[subscribers]\nfile = \"subscribers.csv\"\n",
            "the stages sign up to 4 clients on, and there are 3 subscribers",
        ),
        (
            "[target]\nurl = \"wss://a\"\n[[stages]]\nduration = \"1s\"\nclients = 4\n",
            "the target needs the tokens or passwords of its own subscribers",
        ),
        (
            "[generator]\nworkers = 3\n[[stages]]\nduration = \"1s\"\nclients = 4\ncalls_per_second = 1\n",
            "3 workers share 2 pair(s) of clients",
        ),
        (
            "[[stages]]\nname = \"a\"\nduration = \"1s\"\nclients = 4\n[[stages]]\nname = \"a\"\nduration = \"1s\"\n",
            "stage 1 is called `a` as well",
        ),
        (
            "[target]\nurl = \"wss://a\"\n[target.tls]\nca_file = \"ca.pem\"\n[subscribers]\nfile = \"subscribers.csv\"\n[[stages]]\nduration = \"1s\"\nclients = 2\n",
            "there is no file ca.pem",
        ),
        (
            "[calls]\nhold = { uniform = { min = \"2s\", max = \"1s\" } }\n[[stages]]\nduration = \"1s\"\nclients = 2\n",
            "`calls.hold` cannot be: min is above max",
        ),
        (
            "[calls]\nmix = [ { flow = \"answered\", weight = nan } ]\n[[stages]]\nduration = \"1s\"\nclients = 2\n",
            "a weight must be from 0",
        ),
        ("[[stages]]\nduration = \"1s\"\nclients = 2\ncalls_per_second = inf\n", "must give a rate from 0"),
    ] {
        let refusal = refusal(profile);
        assert!(refusal.contains(message), "{message:?} is not in\n{refusal}");
    }
}

#[test]
fn a_number_to_dial_needs_one_client_only() {
    let profile = "[target]\nurl = \"ws://a\"\n[subscribers]\nfile = \"subscribers.csv\"\n[[stages]]\nduration = \"10s\"\nclients = 1\n[[stages]]\nduration = \"10s\"\ncalls_per_second = 0.01\n[calls]\nnumber = \"9196\"\n";
    let plan = plan(profile);
    assert_eq!(plan.calls.parties(), 1);
    assert_eq!(plan.warnings, [""; 0]);
}

#[test]
fn the_control_group_is_a_hundredth_of_the_clients_within_bounds() {
    let of = |clients: &str, key: &[&str]| {
        let set = [&[clients, "subscribers.count=20000", "generator.workers=1"], key].concat();
        quickstart(&set).expect("a plan").control
    };
    for (clients, expected) in [(2, 1), (199, 1), (500, 5), (900, 9), (20_000, 10)] {
        let control = of(&format!("stages.0.clients={clients}"), &[]);
        assert_eq!((control.clients, control.quiet_clients()), (expected, 2 * expected));
        assert_eq!(control.absent, None);
    }
    assert_eq!(of("stages.0.clients=500", &["generator.control_clients=2"]).clients, 2);
    let none = of("stages.0.clients=500", &["generator.control_clients=0"]);
    assert_eq!((none.clients, none.absent.as_deref()), (0, Some("the profile has control_clients = 0")));
    let plan = quickstart(&["generator.control_clients=0", "generator.workers=1"]).expect("a plan");
    assert_eq!((plan.connections(), plan.threads()), (500, 1));
    let with = quickstart(&["generator.workers=1"]).expect("a plan");
    assert_eq!((with.connections(), with.threads()), (510, 2));
    assert_eq!(with.hash, plan.hash, "it is no part of the load");
}

#[test]
fn a_control_group_has_the_subscribers_that_are_left() {
    // The list has three.
    let folder = Folder::new(
        "[subscribers]\nfile = \"subscribers.csv\"\n[[stages]]\nduration = \"10s\"\nclients = 1\n",
    );
    assert_eq!(folder.load(&[]).expect("a plan").control.clients, 1);
    let few = folder.load(&["stages.0.clients=2"]).expect("a plan");
    assert_eq!(few.control.clients, 0);
    assert!(few.control.absent.is_some_and(|why| why.contains("2 subscribers or more")));
    assert_eq!(few.warnings, [""; 0]);
}

#[test]
fn a_control_group_that_was_asked_for_and_cannot_be_is_an_error() {
    let folder = Folder::new(
        "[subscribers]\nfile = \"subscribers.csv\"\n[[stages]]\nduration = \"10s\"\nclients = 1\n",
    );
    let refusal = folder.refusal(&["generator.control_clients=2"]);
    assert!(refusal.contains("needs 4 subscribers beyond the 1 of the clients"), "{refusal}");
    assert!(refusal.contains("list 2 more subscribers, or write control_clients = 1"), "{refusal}");
    let refusal = folder.refusal(&["generator.control_clients=101"]);
    assert!(refusal.contains("`control_clients` must be from 0 to 100"), "{refusal}");
}

#[test]
fn calls_that_would_find_nobody_idle_are_warned_of() {
    let warnings =
        quickstart(&["stages.1.calls_per_second=100", "generator.workers=1"]).expect("a plan").warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("of 1800 calls would be blocked"), "{warnings:?}");
    assert!(warnings[0].contains("have at least 9"), "{warnings:?}");
    // Pairs are shared out among workers, and a worker of few pairs runs out of idle ones sooner.
    let warnings = quickstart(&["generator.workers=63"]).expect("a plan").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("there are 250, shared out among 63 workers")));
    let plan = quickstart(&[]).expect("a plan");
    assert!((1..=5).contains(&plan.workers));
    assert_eq!(plan.warnings, [""; 0]);
}

#[test]
fn a_set_is_applied_before_the_profile_is_read() {
    let plan = quickstart(&[
        "stages.1.calls_ramp={ from = 1, to = 5 }",
        "calls.hold.fixed=2s",
        "clients.request_timeout=3s",
        "target.tenant=acme",
        "name=\"other\"",
        "generator.workers=1",
    ])
    .expect("a plan");
    assert_eq!(plan.stages[1].calls, Some(Rate::ramp(1.0, 5.0)));
    assert_eq!(plan.calls.mix[0].hold, Distribution::Fixed(Duration::from_secs(2)));
    assert_eq!(plan.clients.request_timeout, Duration::from_secs(3));
    assert_eq!((plan.target.tenant.as_deref(), plan.name.as_str()), (Some("acme"), "other"));
}

#[test]
fn an_error_in_a_set_names_it() {
    for (set, message) in [
        (
            "stages.1.calls_per_second=x",
            "--set stages.1.calls_per_second=x: invalid type: string \"x\", expected a number",
        ),
        ("stages.7.duration=5s", "--set stages.7.duration=5s: there is no `stages.7.duration`"),
        (
            "stages.1.calls_per_second=-1",
            "--set stages.1.calls_per_second=-1: `calls_per_second` must give a rate",
        ),
        ("calls.cnadidates=1", "--set calls.cnadidates=1: unknown key `cnadidates`"),
        ("calls", "--set calls: there is no `=`"),
        ("=1", "--set =1: the key, or a part of it, is empty"),
        ("calls.mix=[", "--set calls.mix=[: the value is not TOML"),
        ("name.x=1", "--set name.x=1: `name` is not a table"),
        ("seed=", "--set seed=: invalid type: string \"\""),
    ] {
        let refusal = quickstart(&[set]).expect_err("refused").to_string();
        assert!(refusal.starts_with(message), "{refusal}");
    }
}

#[test]
fn options_of_their_own_win_over_every_set() {
    let folder = Folder::new(&format!("{SMALL}calls_per_second = 0.1\n"));
    let overrides = Overrides {
        target: Some("ws://127.0.0.1:4000".to_owned()),
        dialect: Some("nested".to_owned()),
        seed: Some(9),
        flow: Some("answered".to_owned()),
        set: vec![
            "seed=8".to_owned(),
            "stages.0.clients=3".to_owned(),
            format!("subscribers.file={}", folder.0.path().join("subscribers.csv").display()),
        ],
    };
    let plan = profile::load(&folder.profile(), &overrides).expect("a plan");
    assert_eq!(plan.target.server.to_string(), "ws://127.0.0.1:4000/signaling/v1");
    assert_eq!((plan.target.dialect, plan.seed), (DialectChoice::Nested, Seed(9)));
    let wrong = Overrides {
        target: Some("core".to_owned()),
        flow: Some("conference".to_owned()),
        ..Overrides::default()
    };
    let refusal = profile::load(&folder.profile(), &wrong).expect_err("refused").to_string();
    assert!(refusal.contains("--target core: the URL does not begin with wss://"), "{refusal}");
    assert!(refusal.contains("unknown flow `conference`"), "{refusal}");
}

#[test]
fn the_embedded_core_takes_delays_by_message_and_a_freeze() {
    let core = "[embedded_core]\nfreeze = { every = \"10s\", length = \"1s\" }\n[embedded_core.delays]\n\
                ringing = { bimodal = { low = \"5ms\", high = \"80ms\", high_share = 0.1 } }\n\
                ack = { fixed = \"20ms\" }\n";
    let profile = format!("{SMALL}{core}");
    let made = plan(&profile);
    let millis = Duration::from_millis;
    let ringing = Distribution::bimodal(millis(5), millis(80), 0.1).expect("a law");
    let delays = &made.embedded_core.delays;
    let named: Vec<_> = delays.iter().map(|(message, law)| (message.name(), *law)).collect();
    assert_eq!(named, [("ack", Distribution::Fixed(millis(20))), ("ringing", ringing)]);
    let freeze = made.embedded_core.freeze.expect("a freeze");
    assert_eq!((freeze.every(), freeze.length()), (millis(10_000), millis(1_000)));
    assert_ne!(made.hash, plan(SMALL).hash);
    assert_ne!(made.hash, plan(&profile.replace("0.1 }", "0.2 }")).hash);

    let wrong = refusal(&profile.replace("ringing =", "ringin ="));
    assert!(wrong.contains("`ringin`") && wrong.contains("did you mean `ringing`?"), "{wrong}");
    let wrong = refusal(&profile.replace("length = \"1s\"", "length = \"10s\""));
    assert!(wrong.contains("shorter than the time from one to the next"), "{wrong}");
    let wrong = refusal(&profile.replace("high_share = 0.1", "high_share = 1.5"));
    assert!(wrong.contains("high_share must be from 0 to 1"), "{wrong}");
}

#[test]
fn the_embedded_core_takes_a_share_of_calls_to_refuse() {
    let profile = format!("{SMALL}[embedded_core]\nrefusals = {{ share = 0.01, code = 503 }}\n");
    let made = plan(&profile);
    assert_eq!(made.embedded_core.refusals, Some((0.01, HangupCode::ServiceUnavailable)));
    assert_ne!(made.hash, plan(SMALL).hash);
    assert_ne!(made.hash, plan(&profile.replace("503", "500")).hash);
    let wrong = refusal(&profile.replace("0.01", "1.01"));
    assert!(wrong.contains("above 0 and at most 1") && wrong.contains("share = 0.01"), "{wrong}");
    let wrong = refusal(&profile.replace("503", "200"));
    assert!(wrong.contains("200 is no SIP status of a refusal"), "{wrong}");
}

#[test]
fn a_count_is_for_the_embedded_core_only() {
    let overrides = Overrides { target: Some("wss://core.example.com".to_owned()), ..Overrides::default() };
    let refusal = profile::load(Path::new(QUICKSTART), &overrides).expect_err("refused").to_string();
    assert!(refusal.contains("`count` provisions subscribers in the embedded core only"), "{refusal}");
    assert!(refusal.contains("help: list them in a file"), "{refusal}");
}

#[test]
fn no_error_shows_a_token() {
    let url = "wss://user:hush-1@core/?token=hush-2";
    let folder = Folder::new(&format!(
        "[target]\nurl = \"{url}\"\ntoken = \"hush-3\"\n[[stages]]\nduration = \"1s\"\nclients = 2\n"
    ));
    let overrides = Overrides { target: Some(url.to_owned()), ..Overrides::default() };
    let mut texts =
        vec![folder.refusal(&[]), folder.refusal(&["target.token=hush-4", &format!("name={url}")])];
    let without = Folder::new(&format!("[target]\nurl = \"{url}\"\n{SMALL}"));
    texts.push(without.refusal(&[]));
    texts.push(format!("{:?}", without.load(&[])));
    texts.push(without.refusal(&[&format!("target.url={url}")]));
    texts.push(profile::load(&without.profile(), &overrides).expect_err("refused").to_string());
    for text in texts {
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn a_profile_that_is_no_text_file_is_refused_clearly() {
    let folder = Folder::new(SMALL);
    let refused = |path: &Path| profile::load(path, &Overrides::default()).expect_err("refused").to_string();
    assert!(refused(&folder.0.path().join("none.toml")).contains("none.toml: there is no such file"));
    assert!(refused(folder.0.path()).contains(": this is a directory"));
    fs::write(folder.profile(), b"name = \"a\"\nseed = \xff\n").expect("written");
    assert!(refused(&folder.profile()).contains("p.toml: line 2 is not UTF-8 text"));
    fs::File::create(folder.profile()).and_then(|file| file.set_len(100 << 20)).expect("written");
    assert!(refused(&folder.profile()).contains("larger than 1048576 bytes"));
    assert_eq!(
        refusal("[[stages]\n").lines().next(),
        Some("p.toml:1:10: this is not TOML: unclosed array table, expected `]`")
    );
}

#[test]
fn the_hash_is_of_the_load_and_of_nothing_else() {
    let hash = |set: &[&str]| quickstart(set).expect("a plan").hash;
    let same = hash(&[]);
    assert_eq!(same, hash(&["seed=8", "name=other", "generator.workers=1"]));
    assert_eq!(same, hash(&["stages.1.duration=\"18000ms\""]));
    for other in [
        "stages.1.calls_per_second=21",
        "stages.0.duration=11s",
        "calls.sdp_bytes=3001",
        "target.dialect=flat",
        "embedded_core.lines=3",
        "subscribers.count=501",
        "calls.ring.fixed=1s",
        "stages.1.signon_arrivals=at_once",
        "stages.0.signons_per_second=100",
        "stages.1.churn_per_second=1",
        "stages.1.sign_off=drop",
        "stages.1.callers=5",
        "stages.1.calls_per_second={ ramp = { from = 20, to = 21 } }",
        "stages.1.calls_per_second={ steps = { from = 20, to = 20, count = 2 } }",
    ] {
        assert_ne!(same, hash(&[other]), "{other}");
    }
}

#[test]
fn the_profiles_that_come_along_are_good() {
    let plan = quickstart(&[]).expect("a plan");
    assert_eq!((plan.peak_clients(), plan.duration()), (500, Duration::from_secs(28)));
    assert_eq!(plan.expected_calls(), 360.0);
    for (name, clients) in [("spike", 200), ("signon-ramp", 600), ("busy-hour", 1_000), ("soak", 200)] {
        let path = format!("profiles/{name}.toml");
        let plan = profile::load(Path::new(&path), &Overrides::default()).expect("a plan");
        assert_eq!((plan.name.as_str(), plan.peak_clients()), (name, clients));
        assert_eq!(plan.warnings, [""; 0], "{name}");
    }
    let missing = profile::load(Path::new("profiles/staging.toml"), &Overrides::default());
    let refusal = missing.expect_err("no subscribers").to_string();
    assert!(refusal.contains("profiles/subscribers.csv: cannot read the subscribers file"), "{refusal}");
    let dry = Overrides {
        target: Some("embedded".to_owned()),
        set: vec!["subscribers.count=200".to_owned()],
        ..Overrides::default()
    };
    let plan = profile::load(Path::new("profiles/staging.toml"), &dry).expect("a plan");
    assert_eq!((plan.peak_clients(), plan.warnings), (200, Vec::new()));
}

#[test]
fn the_schema_fits_the_profiles_that_come_along_and_refuses_wrong_ones() {
    let validator = jsonschema::validator_for(&profile::schema()).expect("a schema");
    let json = |text: &str| {
        let table: toml::Table = toml::from_str(text).expect("TOML");
        serde_json::to_value(table).expect("JSON")
    };
    let mut profiles = 0;
    for entry in fs::read_dir("profiles").expect("profiles") {
        let path = entry.expect("a file").path();
        let instance = json(&fs::read_to_string(&path).expect("text"));
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        profiles += 1;
    }
    assert!(profiles >= 2);
    assert!(validator.is_valid(&json(SMALL)));
    assert!(validator.is_valid(&json(&format!("{SMALL}bhca = {{ ramp = {{ from = 0, to = 3600 }} }}\n"))));
    for wrong in [
        "",
        "[[stages]]\nclients = 2",
        "[[stages]]\nduration = \"10\"",
        "[[stages]]\nduration = \"10s\"\nclents = 2",
        "[[stages]]\nduration = \"10s\"\n[target]\nforce = \"yes\"",
        "[[stages]]\nduration = \"10s\"\n[calls]\nhold = { expo = \"1s\" }",
        "[[stages]]\nduration = \"10s\"\n[thresholds]\na = 1",
        "[[stages]]\nduration = \"10s\"\nbhca = { ramp = { from = 0 } }",
        "[[stages]]\nduration = \"10s\"\nbhca = -1",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_profile_and_no_set_brings_the_reader_down(
        at in 0_usize..2_000,
        with in "[\\PC\n]{0,8}",
        key in "[a-z0-9.=é\"]{0,12}",
        value in "[\\PC]{0,8}",
    ) {
        let text = fs::read_to_string(QUICKSTART).expect("text");
        let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let folder = Folder::new(&format!("{}{with}{}", &text[..at], &text[at..]));
        for set in [vec![], vec![format!("{key}={value}")], vec![format!("stages.1.{key}{value}")]] {
            let overrides = Overrides { set, ..Overrides::default() };
            if let Err(errors) = profile::load(&folder.profile(), &overrides) {
                prop_assert!(!errors.render(true).is_empty());
                prop_assert!(!errors.problems().is_empty());
            }
        }
    }
}
