//! Schedules whose pace changes while they are generated.

use std::time::Duration;

use proptest::prelude::*;

use super::{ArrivalLaw, Due, Pace, Rate, Schedule, Segment, Stage, What};
use crate::law::Seed;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn stage(length: f64, arrivals: ArrivalLaw, calls: Rate) -> Stage {
    let duration = seconds(length);
    Stage { duration, signon_time: duration, arrivals, calls: Some(calls), ..Stage::default() }
}

fn run() -> Vec<Stage> {
    let spike =
        Rate::Spike { base: 30.0, peak: 200.0, at: Duration::from_secs(1), length: Duration::from_secs(1) };
    vec![
        Stage { clients_to: 20, ..stage(2.0, ArrivalLaw::Constant, Rate::ramp(0.0, 100.0)) },
        Stage {
            clients_from: 20,
            clients_to: 20,
            churn_per_second: 3.0,
            ..stage(4.0, ArrivalLaw::Poisson, Rate::constant(80.0))
        },
        stage(3.0, ArrivalLaw::Constant, spike),
        stage(1.0, ArrivalLaw::AtOnce, Rate::constant(40.0)),
        stage(2.0, ArrivalLaw::Poisson, Rate::Steps { from: 10.0, to: 90.0, count: 4 }),
    ]
}

/// What a part gets that looks ahead in steps of `step`, and learns of each change once its horizon is about to pass it.
fn looked_ahead(stages: &[Stage], changes: &[(Duration, f64)], segment: Segment, step: Duration) -> Vec<Due> {
    let mut schedule = Schedule::new(stages, Seed(7), segment);
    let (mut pace, mut known, mut horizon) = (Pace::default(), 0, Duration::ZERO);
    let mut all = Vec::new();
    while horizon < Duration::from_secs(20) {
        horizon += step;
        while let Some((at, factor)) = changes.get(known).filter(|(at, _)| *at <= horizon) {
            pace.change(*at, *factor);
            known += 1;
        }
        schedule.set_pace(&pace);
        all.extend(std::iter::from_fn(|| schedule.next_by(horizon)));
    }
    all
}

/// What comes of it when all changes are known beforehand.
fn known_beforehand(stages: &[Stage], changes: &[(Duration, f64)]) -> Vec<Due> {
    let mut pace = Pace::default();
    changes.iter().for_each(|(at, factor)| pace.change(*at, *factor));
    let mut schedule = Schedule::new(stages, Seed(7), Segment::WHOLE);
    schedule.set_pace(&pace);
    schedule.collect()
}

fn calls(due: &[Due], from: f64, to: f64) -> Vec<Duration> {
    let within =
        |due: &&Due| matches!(due.what, What::Call { .. }) && due.at >= seconds(from) && due.at < seconds(to);
    due.iter().filter(within).map(|due| due.at).collect()
}

#[test]
fn a_factor_of_one_changes_nothing() {
    let planned: Vec<Due> = Schedule::new(&run(), Seed(7), Segment::WHOLE).collect();
    assert_eq!(known_beforehand(&run(), &[(seconds(1.5), 1.0), (seconds(4.0), 1.0)]), planned);
    let step = Duration::from_millis(130);
    assert_eq!(looked_ahead(&run(), &[(seconds(1.5), 1.0)], Segment::WHOLE, step), planned);
}

#[test]
fn a_tenth_more_gives_a_tenth_more_of_the_rest() {
    for law in [ArrivalLaw::Constant, ArrivalLaw::Poisson] {
        let stages = [stage(20.0, law, Rate::constant(1_000.0))];
        let planned = known_beforehand(&stages, &[]);
        let faster = known_beforehand(&stages, &[(seconds(10.0), 1.1)]);
        assert_eq!(calls(&planned, 0.0, 10.0), calls(&faster, 0.0, 10.0));
        // The same positions come sooner: what would have been due after 5.5 s is due after 5.
        let (rest, sooner) = (calls(&planned, 10.0, 15.5), calls(&faster, 10.0, 15.0));
        assert!(rest.len().abs_diff(sooner.len()) <= 1, "{} and {}", rest.len(), sooner.len());
        for (planned, faster) in rest.iter().zip(&sooner) {
            let (wanted, found) = ((planned.as_secs_f64() - 10.0) / 1.1, faster.as_secs_f64() - 10.0);
            assert!((wanted - found).abs() < 1e-6, "{wanted} and {found}");
        }
        let more = calls(&faster, 10.0, 20.0).len() as f64 / 11_000.0;
        assert!((more - 1.0).abs() < if law == ArrivalLaw::Constant { 2e-4 } else { 0.03 }, "{more}");
    }
}

#[test]
fn a_pause_gives_no_calls_and_the_run_goes_on_after_it_where_it_was() {
    let stages = [
        stage(10.0, ArrivalLaw::Poisson, Rate::constant(200.0)),
        stage(5.0, ArrivalLaw::Poisson, Rate::constant(200.0)),
    ];
    let planned = known_beforehand(&stages, &[]);
    let paused = known_beforehand(&stages, &[(seconds(4.0), 0.0), (seconds(6.0), 1.0)]);
    assert!(calls(&paused, 4.0, 6.0).is_empty());
    let (before, after) = (calls(&planned, 4.0, 8.0), calls(&paused, 6.0, 10.0));
    assert!(!before.is_empty() && before.len() == after.len());
    for (before, after) in before.iter().zip(&after) {
        assert!((after.as_secs_f64() - before.as_secs_f64() - 2.0).abs() < 1e-6);
    }
    // The next stage begins when it was to begin, with the calls that it was to have.
    assert_eq!(calls(&paused, 10.0, 15.0), calls(&planned, 10.0, 15.0));
    // A pause without end ends nothing but the calls.
    let paused = known_beforehand(&run(), &[(seconds(1.0), 0.0)]);
    assert!(calls(&paused, 1.0, 12.0).is_empty());
    let signons = |due: &[Due]| -> Vec<Due> {
        due.iter().filter(|due| !matches!(due.what, What::Call { .. })).copied().collect()
    };
    assert_eq!(signons(&paused), signons(&known_beforehand(&run(), &[])));
}

#[test]
fn calls_that_come_at_once_wait_for_the_end_of_a_pause() {
    let stages = [
        stage(2.0, ArrivalLaw::Constant, Rate::constant(10.0)),
        stage(2.0, ArrivalLaw::AtOnce, Rate::constant(20.0)),
    ];
    for (changes, at, many) in [
        (&[(1.0, 0.0), (3.0, 1.5)][..], Some(3.0), 60),
        (&[(1.0, 0.0), (2.0, 1.0)], Some(2.0), 40),
        (&[(1.0, 0.5), (2.5, 2.0)], Some(2.0), 20),
        (&[(1.0, 0.0), (3.0, 1.0), (3.5, 0.0)], Some(3.0), 40),
        (&[(1.0, 0.0), (4.0, 1.0)], None, 0),
    ] {
        let changes: Vec<_> = changes.iter().map(|(at, factor)| (seconds(*at), *factor)).collect();
        let step = Duration::from_millis(130);
        for due in
            [known_beforehand(&stages, &changes), looked_ahead(&stages, &changes, Segment::WHOLE, step)]
        {
            let burst = calls(&due, 2.0, 9.0);
            assert_eq!((burst.len(), burst.first().copied()), (many, at.map(seconds)), "{changes:?}");
            assert!(burst.windows(2).all(|two| two[0] == two[1]));
        }
    }
}

#[test]
fn what_lies_beyond_the_horizon_is_not_consumed() {
    let mut schedule = Schedule::new(&run(), Seed(7), Segment::WHOLE);
    for _ in 0..3 {
        assert_eq!(schedule.next_by(Duration::ZERO), None);
    }
    let planned: Vec<Due> = Schedule::new(&run(), Seed(7), Segment::WHOLE).collect();
    assert_eq!(schedule.collect::<Vec<_>>(), planned);
}

fn changes() -> impl Strategy<Value = Vec<(Duration, f64)>> {
    proptest::collection::vec((1_u64..14_000_000, 0_u8..25), 0..8).prop_map(|mut changes| {
        changes.sort_unstable();
        changes.dedup_by_key(|(at, _)| *at);
        let change = |(at, tenths)| (Duration::from_micros(at), f64::from(tenths) / 10.0);
        changes.into_iter().map(change).collect()
    })
}

proptest! {
    #[test]
    fn the_parts_of_all_workers_together_are_the_whole_whatever_changes_and_whenever_they_look(
        changes in changes(),
        of in 1_usize..5,
        steps in proptest::collection::vec(20_u64..400, 5),
    ) {
        let stages = run();
        let whole = known_beforehand(&stages, &changes);
        prop_assert!(whole.is_sorted_by_key(|due| due.at));
        let parts = (0..of).flat_map(|index| {
            let step = Duration::from_millis(steps[index]);
            looked_ahead(&stages, &changes, Segment { index, of }, step)
        });
        let mut parts: Vec<Due> = parts.collect();
        // In time order; at one instant clients come before calls, whichever part they are in.
        let order = |due: &Due| match due.what {
            What::SignOn { client } => (due.at, due.stage, 0, u64::from(client)),
            What::SignOff { client } => (due.at, due.stage, 1, u64::from(client)),
            What::Call { attempt } => (due.at, due.stage, 2, attempt),
        };
        let mut whole = whole;
        parts.sort_by_key(order);
        whole.sort_by_key(order);
        prop_assert_eq!(parts, whole);
    }
}
