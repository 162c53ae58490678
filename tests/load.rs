//! The load that stages describe: shapes, laws, churn, sign-offs, callers, and how much traffic it comes to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do without, it may panic over"
)]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use wtsp_load::profile::{self, Overrides, Plan};
use wtsp_load::workload::{Rate, Schedule, Segment, What};

#[path = "independent/mod.rs"]
mod independent;
#[path = "support/program.rs"]
mod program;
#[path = "support/sums.rs"]
mod sums;

use independent::{Dialect, Fate, Knobs, Server};
use program::{Folder, Served};
use sums::{assert_sums, assert_truth, count, disconnects};

/// The Kolmogorov-Smirnov statistic times the root of the sample size. A sample of the law passes 1.63 once in a
/// hundred times, and 2.0 once in 1500; seeds are fixed, so a test that holds goes on holding.
fn kolmogorov_smirnov(times: &[f64], law: impl Fn(f64) -> f64) -> f64 {
    let size = times.len() as f64;
    let distance = times.iter().enumerate().fold(0.0_f64, |worst, (index, at)| {
        let share = law(*at);
        worst.max((share - index as f64 / size).abs()).max(((index as f64 + 1.0) / size - share).abs())
    });
    distance * size.sqrt()
}

fn plan_of(profile: &str) -> Plan {
    let folder = Folder::with(profile);
    profile::load(&folder.join("p.toml"), &Overrides::default()).expect("a plan")
}

/// When calls are due in the plan's stage `stage`, in seconds from its start.
fn calls_due(plan: &Plan, stage: usize) -> Vec<f64> {
    let start: Duration = plan.stages[..stage].iter().map(|stage| stage.duration).sum();
    let due = Schedule::new(&plan.stages, plan.seed, Segment::WHOLE);
    let calls = due.filter(|due| due.stage == stage && matches!(due.what, What::Call { .. }));
    calls.map(|due| (due.at - start).as_secs_f64()).collect()
}

#[test]
fn poisson_calls_are_due_by_the_law_of_their_stage_whatever_its_shape() {
    for shape in [
        "calls_per_second = 50",
        "calls_per_second = { ramp = { from = 0, to = 100 } }",
        "calls_ramp = { from = 100, to = 20 }",
        "bhca = { steps = { from = 36000, to = 360000, count = 5 } }",
        "erlangs = { spike = { base = 10, peak = 400, at = \"20s\", length = \"5s\" } }",
    ] {
        let plan = plan_of(&format!(
            "seed = 7\n[[stages]]\nduration = \"1s\"\nclients = 400\n[[stages]]\nduration = \"60s\"\n\
             arrivals = \"poisson\"\n{shape}\n[calls]\nhold = {{ fixed = \"2s\" }}\n"
        ));
        let (stage, due) = (&plan.stages[1], calls_due(&plan, 1));
        let rate = stage.calls.expect("calls");
        let expected = rate.expected(stage.duration);
        assert!((due.len() as f64 - expected).abs() < 4.0 * expected.sqrt(), "{shape}: {} due", due.len());
        let distance = kolmogorov_smirnov(&due, |at| rate.expected_by(at, stage.duration) / expected);
        assert!(distance < 1.63, "{shape}: {distance}");
        // The test can tell: the same times do not follow another law.
        let other = Rate::ramp(1.0, 0.0);
        let wrong = kolmogorov_smirnov(&due, |at| 2.0 * other.expected_by(at, stage.duration) / 60.0);
        assert!(wrong > 2.0, "{shape}: {wrong}");
    }
}

/// When a server that shares no code with the harness received each call of a stage, held against the stage's law and
/// against the times at which they were due.
fn received_by_the_law(seconds: u64, shape: &str) {
    let received = Arc::new(Mutex::new(Vec::<Instant>::new()));
    let mut knobs = Knobs::of(Dialect::Flat, 200);
    let noted = Arc::clone(&received);
    knobs.fate = Box::new(move |_| {
        noted.lock().expect("noted").push(Instant::now());
        Fate::Connected
    });
    let server = Server::start(knobs);
    let profile = format!(
        "seed = 7\n[target]\nurl = \"{}\"\ndialect = \"flat\"\n[subscribers]\nfile = \"subscribers.csv\"\n\
         [[stages]]\nduration = \"2s\"\nclients = 200\n[[stages]]\nduration = \"{seconds}s\"\n\
         arrivals = \"poisson\"\n{shape}\n{CALLS}",
        server.url()
    );
    let folder = Folder::with(&profile);
    fs::write(folder.join("subscribers.csv"), server.csv()).expect("written");
    folder.run(&[]).unless_unfit(0);
    let run = folder.record();
    assert_sums(&run);
    let plan = profile::load(&folder.join("p.toml"), &Overrides::default()).expect("a plan");
    let (stage, due) = (&plan.stages[1], calls_due(&plan, 1));
    let received = received.lock().expect("noted").clone();
    assert_eq!((count(&run, "/attempts/blocked"), received.len()), (0, due.len()), "{}", run["attempts"]);
    // The two clocks have no common start: the calls themselves say where the stage began.
    let since = |at: &Instant| at.duration_since(received[0]).as_secs_f64();
    let mut late: Vec<f64> = received.iter().zip(&due).map(|(at, due)| since(at) - due).collect();
    late.sort_by(f64::total_cmp);
    let start = late[late.len() / 2];
    let times: Vec<f64> = received.iter().map(|at| (since(at) - start).max(0.0)).collect();
    let rate = stage.calls.expect("calls");
    let expected = rate.expected(stage.duration);
    let distance = kolmogorov_smirnov(&times, |at| rate.expected_by(at, stage.duration) / expected);
    assert!(distance < 1.63, "{distance}");
}

#[test]
fn poisson_calls_reach_the_server_by_their_law() {
    received_by_the_law(5, "calls_per_second = { ramp = { from = 10, to = 50 } }");
}

#[test]
#[ignore = "heavy: just heavy"]
fn a_thousand_poisson_calls_reach_the_server_by_their_law() {
    received_by_the_law(20, "calls_per_second = 50");
}

#[test]
fn the_same_seed_makes_everything_the_same_the_closed_load_included() {
    let profile = |seed: u64| {
        plan_of(&format!(
            "seed = {seed}\n[[stages]]\nduration = \"5s\"\nclients = 40\n[[stages]]\nduration = \"30s\"\n\
             arrivals = \"poisson\"\ncalls_per_second = {{ ramp = {{ from = 1, to = 20 }} }}\ncallers = 4\n\
             churn_per_second = 2\n[calls]\nhold = {{ exponential = \"2s\" }}\npause = {{ exponential = \"1s\" }}\n"
        ))
    };
    let (one, same, other) = (profile(7), profile(7), profile(8));
    let due = |plan: &Plan| Schedule::new(&plan.stages, plan.seed, Segment::WHOLE).collect::<Vec<_>>();
    assert_eq!(due(&one), due(&same));
    assert_ne!(due(&one), due(&other));
    assert_eq!((&one.hash, &one.hash), (&same.hash, &other.hash));
    for attempt in [3, wtsp_load::workload::closed_attempt(2, 5)] {
        let drawn =
            |plan: &Plan| (plan.calls.draw(plan.seed, attempt), plan.calls.pause_before(plan.seed, attempt));
        assert_eq!(drawn(&one), drawn(&same));
        assert_ne!(drawn(&one), drawn(&other));
    }
}

/// Runs the profile against `serve`; the record and the truth. A busy machine may make the run void: what is due is due
/// all the same.
fn served(profile: &str, subscribers: u32, arguments: &[&str]) -> (Value, Value) {
    let folder = Folder::with(&format!("seed = 7\n[subscribers]\nfile = \"subscribers.csv\"\n{profile}"));
    let served = Served::start(&folder, subscribers, &[]);
    let mut all = vec!["--target", served.url.as_str()];
    all.extend(arguments);
    folder.run(&all).unless_unfit(0);
    let (run, truth) = (folder.record(), served.stop());
    assert_sums(&run);
    (run, truth)
}

const CALLS: &str = "[calls]\nring = { fixed = \"20ms\" }\nhold = { fixed = \"200ms\" }\ncandidates = 0\n";

#[test]
fn clients_sign_off_and_on_again_beside_calls_and_all_of_them_are_there_at_the_end() {
    let (run, truth) = served(
        &format!(
            "[[stages]]\nduration = \"1s\"\nclients = 20\nsignons_per_second = 40\n\
             [[stages]]\nduration = \"3s\"\nchurn_per_second = 5\ncalls_per_second = 4\n{CALLS}"
        ),
        20,
        &["--set", "generator.workers=2"],
    );
    assert_truth(&run, &truth);
    // 15 arrivals: at the first nobody comes back, at the last nobody leaves.
    assert_eq!(count(&run, "/clients/signed_on"), 20 + 14, "{}", run["clients"]);
    assert_eq!((&run["clients"]["peak"], &run["clients"]["signon_failed"]), (&20.into(), &0.into()));
    assert_eq!(disconnects(&run), [("1000 \"client\"".to_owned(), 20 + 14 + 1)].into());
}

#[test]
fn a_dropped_connection_is_the_clients_own_and_the_server_sees_a_lost_one() {
    let (run, truth) = served(
        "[[stages]]\nduration = \"1s\"\nclients = 12\narrivals = \"at_once\"\n\
         [[stages]]\nduration = \"1s\"\nclients = 4\nsign_off = \"drop\"\n\
         [[stages]]\nduration = \"1s\"\nclients = 10\n",
        12,
        &[],
    );
    assert_eq!(count(&run, "/clients/signed_on"), 12 + 6, "{}", run["clients"]);
    assert_eq!(run["clients"]["signon_failed"], 0);
    let closes = |lost: &str| [("1000 \"client\"".to_owned(), 11), (format!("1006 {lost:?}"), 8)].into();
    assert_eq!(disconnects(&run), closes("client"));
    assert_eq!(disconnects(&truth), closes("network"));
    assert_eq!(run["closes_per_1000_connection_hours"], 0.0);
    assert_eq!(run["stages"][1]["sign_off"], "drop");
}

#[test]
fn a_client_in_a_call_leaves_after_it_and_comes_back_if_that_was_due_meanwhile() {
    for (manner, closes) in [
        ("close", [("1000 \"client\"", 5)].as_slice()),
        ("drop", &[("1000 \"client\"", 3), ("1006 \"client\"", 2)]),
    ] {
        let (run, truth) = served(
            &format!(
                "[[stages]]\nduration = \"1s\"\nclients = 2\narrivals = \"at_once\"\n\
                 [[stages]]\nduration = \"500ms\"\ncalls_per_second = 2\narrivals = \"at_once\"\n\
                 [[stages]]\nduration = \"500ms\"\nclients = 0\narrivals = \"at_once\"\nsign_off = \"{manner}\"\n\
                 [[stages]]\nduration = \"4s\"\nclients = 2\narrivals = \"at_once\"\n{}",
                CALLS.replace("200ms", "2500ms")
            ),
            2,
            &[],
        );
        assert_eq!(run["attempts"]["answered"], 1, "{}", run["attempts"]);
        assert_eq!((&run["calls"]["completed"], &truth["calls_up"]), (&1.into(), &0.into()));
        assert_eq!((count(&run, "/clients/signed_on"), count(&run, "/clients/signon_failed")), (4, 0));
        let closes = closes.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect();
        assert_eq!(disconnects(&run), closes, "{manner}");
    }
}

#[test]
fn callers_place_one_call_after_the_other_beside_those_that_are_due_at_a_rate() {
    let (run, truth) = served(
        &format!(
            "[[stages]]\nduration = \"1s\"\nclients = 20\narrivals = \"at_once\"\n\
             [[stages]]\nduration = \"4s\"\ncallers = 4\ncalls_per_second = 3\n{CALLS}pause = {{ fixed = \"280ms\" }}\n"
        ),
        20,
        &["--set", "generator.workers=2"],
    );
    assert_truth(&run, &truth);
    let due = count(&run, "/attempts/due");
    // Each of the four takes half a second for a round, or more on a busy machine, and never has two calls at a time.
    assert!((12 + 4..=12 + 4 * 8).contains(&due), "{}", run["attempts"]);
    assert_eq!(count(&run, "/attempts/blocked"), 0);
    assert_eq!((&run["stages"][1]["callers"], &run["stages"][0]["callers"]), (&4.into(), &0.into()));
}

#[test]
fn callers_whose_calls_are_blocked_wait_before_they_try_again() {
    // Two clients only, and the open load keeps them busy.
    let (run, _) = served(
        "[[stages]]\nduration = \"1s\"\nclients = 2\narrivals = \"at_once\"\n\
         [[stages]]\nduration = \"3s\"\ncallers = 1\ncalls_per_second = { spike = { base = 0, peak = 20, at = \"0s\", length = \"100ms\" } }\n\
         [calls]\nring = { fixed = \"0ms\" }\nhold = { fixed = \"1m\" }\npause = { fixed = \"0s\" }\n",
        2,
        &[],
    );
    let blocked = count(&run, "/attempts/blocked");
    // Not sooner than 100 ms after each other.
    assert!((1..=2 + 30).contains(&blocked), "{}", run["attempts"]);
}

/// What the seeded schedule draws: erlangs that are up between two instants of the run, in seconds, if every call is
/// answered at once when it has rung.
fn drawn_erlangs(plan: &Plan, from: f64, length: f64) -> f64 {
    let up = Schedule::new(&plan.stages, plan.seed, Segment::WHOLE).filter_map(|due| {
        let What::Call { attempt } = due.what else { return None };
        let (_, draw) = plan.calls.draw(plan.seed, attempt);
        let answered = (due.at + draw.ring).as_secs_f64();
        Some((answered + draw.hold.as_secs_f64()).min(from + length) - answered.max(from))
    });
    up.map(|up| up.max(0.0)).sum::<f64>() / length
}

/// Runs a stage with calls and holds what it carried against the schedule's, and against Little's law.
fn carried(profile: &str, arguments: &[&str]) -> (f64, f64, Value) {
    let folder = Folder::with(profile);
    folder.run(arguments).unless_unfit(0);
    let run = folder.record();
    assert_sums(&run);
    let plan = profile::load(&folder.join("p.toml"), &Overrides::default()).expect("a plan");
    let law = run["littles_law"][0].clone();
    let figure = |name: &str| law[name].as_f64().unwrap_or_else(|| panic!("{name}: {law}"));
    assert_eq!(law["drifts"], false, "{law}");
    assert!(figure("drift").abs() < 0.05, "{law}");
    let drawn = drawn_erlangs(&plan, figure("from_us") / 1e6, figure("length_us") / 1e6);
    (figure("carried"), drawn, run)
}

#[test]
fn a_small_load_carries_what_its_schedule_drew_and_littles_law_holds() {
    let profile = format!(
        "seed = 7\n[[stages]]\nduration = \"1s\"\nclients = 60\narrivals = \"at_once\"\n\
         [[stages]]\nduration = \"6s\"\narrivals = \"poisson\"\ncalls_per_second = 25\n{}",
        CALLS.replace("fixed = \"200ms\"", "exponential = \"400ms\"")
    );
    let (carried, drawn, run) = carried(&profile, &[]);
    println!("{carried} E carried, {drawn} E drawn");
    // A machine that is too slow for this is void, and then what was drawn could not be placed.
    if run["verdict"]["result"] != "void" {
        assert!((carried / drawn - 1.0).abs() < 0.1, "{carried} E carried, {drawn} E drawn");
    }
}

/// 36,000 calls an hour that last 10 s each: 100 erlangs.
const HUNDRED_ERLANGS: &str = "seed = 7\n[[stages]]\nduration = \"5s\"\nclients = 320\n\
     [[stages]]\nname = \"busy hour\"\nduration = \"70s\"\nbhca = 36000\n\
     [calls]\nring = { fixed = \"500ms\" }\nhold = { fixed = \"10s\" }\n";

#[test]
#[ignore = "heavy: just heavy"]
fn ten_calls_a_second_of_ten_seconds_carry_a_hundred_erlangs() {
    let (carried, ..) = carried(HUNDRED_ERLANGS, &[]);
    assert!((carried / 100.0 - 1.0).abs() < 0.02, "{carried} E carried");
}

#[test]
#[ignore = "heavy: just heavy"]
fn ten_calls_a_second_at_random_carry_what_the_schedule_drew() {
    let profile = HUNDRED_ERLANGS.replace("bhca = 36000", "bhca = 36000\narrivals = \"poisson\"");
    let (carried, drawn, _) = carried(&profile, &[]);
    assert!((carried / drawn - 1.0).abs() < 0.02, "{carried} E carried, {drawn} E drawn");
}

/// A profile of the repository, made small.
fn small(name: &str, set: &[&str]) -> Value {
    let profile =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name)).expect("it");
    let folder = Folder::with(&profile);
    let arguments: Vec<&str> = set.iter().flat_map(|set| ["--set", *set]).collect();
    folder.run(&arguments).unless_unfit(0);
    let run = folder.record();
    assert_sums(&run);
    run
}

#[test]
fn the_spike_profile_runs_small() {
    let run = small(
        "spike.toml",
        &[
            "subscribers.count=60",
            "stages.0.clients=60",
            "stages.0.duration=1s",
            "stages.1.duration=4s",
            "stages.1.calls_per_second={ spike = { base = 2, peak = 20, at = \"1s\", length = \"1s\" } }",
            "stages.1.arrivals=constant",
            "calls.hold={ fixed = \"300ms\" }",
        ],
    );
    assert_eq!(run["attempts"]["due"], 3 * 2 + 20);
    assert_eq!(run["stages"][1]["calls_per_second_peak"], 20.0);
}

#[test]
fn the_sign_on_ramp_profile_runs_small() {
    let mut set = vec!["subscribers.count=40".to_owned()];
    for (stage, clients) in [(0, 10), (1, 20), (2, 40), (4, 8), (5, 40)] {
        set.push(format!("stages.{stage}.clients={clients}"));
    }
    for stage in 0..6 {
        set.push(format!("stages.{stage}.duration=1s"));
    }
    for stage in 0..3 {
        set.push(format!("stages.{stage}.signons_per_second=50"));
    }
    set.extend(["stages.3.churn_per_second=5", "stages.3.arrivals=constant"].map(str::to_owned));
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let run = small("signon-ramp.toml", &set);
    // Five arrivals of churn are four sign-ons; then 32 drop out, and all 32 storm back at once.
    assert_eq!(count(&run, "/clients/signed_on"), 40 + 4 + 32, "{}", run["clients"]);
    assert_eq!(run["clients"]["signon_failed"], 0);
    assert_eq!(disconnects(&run).get("1006 \"client\""), Some(&32));
}
