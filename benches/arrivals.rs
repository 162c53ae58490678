//! What the schedule costs: the next arrival of each law, the next thing due for one worker of several, and what a
//! call draws.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::unwrap_used, reason = "what a bench cannot do without, it may panic over")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wtsp_load::law::Seed;
use wtsp_load::profile::{self, Overrides};
use wtsp_load::workload::{ArrivalLaw, Arrivals, Rate, Schedule, Segment, Stage};

const HOUR: Duration = Duration::from_secs(3_600);
const LAWS: [(&str, ArrivalLaw); 3] =
    [("at_once", ArrivalLaw::AtOnce), ("constant", ArrivalLaw::Constant), ("poisson", ArrivalLaw::Poisson)];

/// The next arrival: a million an hour, begun again when they are over.
fn next_arrival(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("next_arrival");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(1));
    let per_second = 1e6 / HOUR.as_secs_f64();
    let draws = || Seed(7).stream("arrivals", 0);
    for (name, law) in LAWS {
        let ramp = Rate::ramp(0.0, 2.0 * per_second);
        let steps = Rate::Steps { from: 0.0, to: 2.0 * per_second, count: 10 };
        for (shape, arrivals) in [
            ("calls", Arrivals::rate(law, Rate::constant(per_second), HOUR, draws())),
            ("calls_ramp", Arrivals::rate(law, ramp, HOUR, draws())),
            ("calls_steps", Arrivals::rate(law, steps, HOUR, draws())),
            ("sign_ons", Arrivals::count(law, 1_000_000, HOUR, draws())),
        ] {
            let mut endless = arrivals.cycle();
            group.bench_function(format!("{name}/{shape}"), |bencher| bencher.iter(|| endless.next()));
        }
    }
    group.finish();
}

/// A worker generates the whole schedule and keeps its own part. So what is due for it costs as much more as there are
/// workers.
fn striping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule_of_one_worker");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).sample_size(20);
    let stage = Stage {
        name: "steady".to_owned(),
        duration: Duration::from_secs(60),
        clients_to: 1_000,
        signon_arrivals: ArrivalLaw::Poisson,
        signon_time: Duration::from_secs(60),
        arrivals: ArrivalLaw::Poisson,
        calls: Some(Rate::constant(200.0)),
        ..Stage::default()
    };
    for of in [1, 2, 8, 64] {
        let segment = Segment { index: 0, of };
        let schedule = || Schedule::new(std::slice::from_ref(&stage), Seed(7), segment);
        group.throughput(Throughput::Elements(schedule().count() as u64));
        group
            .bench_function(format!("of_{of}"), |bencher| bencher.iter(|| schedule().map(black_box).count()));
    }
    group.finish();
}

/// What a call draws before it is placed: its flow, its times, who hangs up.
fn draw(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/quickstart.toml");
    let plan = profile::load(&path, &Overrides::default()).unwrap();
    let mut attempt = 0;
    criterion.bench_function("draw_of_a_call", |bencher| {
        bencher.iter(|| {
            attempt += 1;
            plan.calls.draw(plan.seed, black_box(attempt))
        });
    });
}

criterion_group!(arrivals, next_arrival, striping, draw);
criterion_main!(arrivals);
