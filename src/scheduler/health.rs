//! What the system tells of the generator itself: of a worker's thread, of the process, of the machine.
//!
//! It is read once a second. What a system does not tell is `None`, never zero.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The use that a thread made of processors, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadUse {
    /// The time for which it ran.
    pub cpu: Duration,
    /// The time for which it had something to do and no processor to do it on.
    pub run_delay: Option<Duration>,
}

impl ThreadUse {
    /// What was used since `earlier`.
    pub fn since(&self, earlier: &ThreadUse) -> ThreadUse {
        let run_delay = self.run_delay.zip(earlier.run_delay.or(Some(Duration::ZERO)));
        ThreadUse {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            run_delay: run_delay.map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// A file in which the system says something new at each reading. It stays open: to find it anew takes longer than to read
/// it.
#[derive(Debug)]
struct Source(File);

impl Source {
    fn open(path: impl AsRef<Path>) -> Option<Source> {
        File::open(path).ok().map(Source)
    }

    /// What it says now, as far as `room` goes. Allocates nothing.
    fn read<'a>(&self, room: &'a mut [u8]) -> Option<&'a str> {
        let length = self.0.read_at(room, 0).ok()?;
        std::str::from_utf8(room.get(..length)?).ok()
    }
}

/// Reads what a thread used. It belongs to that thread, and is made on it.
#[derive(Debug)]
pub(super) struct ThreadMeter {
    schedstat: Option<Source>,
}

impl ThreadMeter {
    /// The meter of the thread that calls.
    pub fn of_this_thread() -> ThreadMeter {
        ThreadMeter { schedstat: Source::open("/proc/thread-self/schedstat") }
    }

    /// What the thread has used so far. Allocates nothing: a worker reads it between two turns.
    pub fn read(&self) -> ThreadUse {
        let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
        let mut room = [0; 96];
        let schedstat = self.schedstat.as_ref().and_then(|source| source.read(&mut room));
        ThreadUse { cpu, run_delay: schedstat.and_then(run_delay) }
    }
}

/// The run-queue delay in a file like `/proc/thread-self/schedstat`: its second figure, in nanoseconds.
fn run_delay(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// What the process and the machine were like over a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// Memory in use (RSS), in bytes.
    pub rss_bytes: u64,
    /// Files and sockets open.
    pub fds_open: Option<u64>,
    /// The machine's processor time that its host gave to others, as a part.
    pub steal_part: Option<f64>,
    /// How often and how long the cgroup was throttled.
    pub throttled: Option<Throttled>,
}

/// How often and for how long a cgroup was throttled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Throttled {
    /// Periods in which its share was used up.
    pub periods: u64,
    /// Time for which it could not run, added up over processors.
    pub time: Duration,
}

/// Reads what the process and the machine are like, from one call to the next.
#[derive(Debug)]
pub(super) struct Surveyor {
    machine: Option<Source>,
    memory: Option<Source>,
    quotas: Vec<Source>,
    steal: Option<Ticks>,
    throttled: Option<Throttled>,
}

impl Surveyor {
    /// One whose first reading counts from now.
    pub fn new() -> Surveyor {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut surveyor = Surveyor {
            machine: Source::open("/proc/stat"),
            memory: Source::open("/proc/self/statm"),
            quotas: quota_files(&groups, &mounts).iter().filter_map(Source::open).collect(),
            steal: None,
            throttled: None,
        };
        surveyor.survey();
        surveyor
    }

    /// What there is now, and what was used since the last call.
    pub fn survey(&mut self) -> Surroundings {
        let mut room = [0; 1024];
        let ticks = self.machine.as_ref().and_then(|source| ticks(source.read(&mut room)?));
        let steal_part = ticks.zip(self.steal).and_then(|(now, then)| now.part_since(then));
        self.steal = ticks;
        let throttled = self.read_throttled();
        let since = throttled.zip(self.throttled).map(|(now, then)| Throttled {
            periods: now.periods.saturating_sub(then.periods),
            time: now.time.saturating_sub(then.time),
        });
        self.throttled = throttled;
        let rss_bytes =
            self.memory.as_ref().and_then(|source| rss_bytes(source.read(&mut room)?)).unwrap_or(0);
        Surroundings { rss_bytes, fds_open: open_descriptors(), steal_part, throttled: since }
    }

    /// The throttling of the group and of those around it, added up: any of them stops the process.
    fn read_throttled(&self) -> Option<Throttled> {
        let mut room = [0; 4096];
        let stats = self.quotas.iter().filter_map(|source| throttled(source.read(&mut room)?));
        stats.reduce(|one, other| Throttled {
            periods: one.periods + other.periods,
            time: one.time + other.time,
        })
    }
}

/// Processor time of the whole machine, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    stolen: u64,
    all: u64,
}

impl Ticks {
    /// The part that was stolen since `earlier`.
    fn part_since(self, earlier: Ticks) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        Some(self.stolen.saturating_sub(earlier.stolen) as f64 / all as f64)
    }
}

/// The first line of a file like `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. What follows is
/// part of user and nice.
fn ticks(stat: &str) -> Option<Ticks> {
    let mut figures = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let mut all: u64 = 0;
    let mut stolen = 0;
    for _ in 0..8 {
        stolen = figures.next()?.parse().ok()?;
        all = all.saturating_add(stolen);
    }
    Some(Ticks { stolen, all })
}

/// What a file `cpu.stat` says of throttling, of either version of cgroups: version 2 counts microseconds, and
/// version 1 nanoseconds. A group without a quota says nothing.
fn throttled(stat: &str) -> Option<Throttled> {
    let figure = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse::<u64>().ok()
    };
    let time = match figure("throttled_usec") {
        Some(micros) => Duration::from_micros(micros),
        None => Duration::from_nanos(figure("throttled_time")?),
    };
    Some(Throttled { periods: figure("nr_throttled")?, time })
}

/// The files `cpu.stat` of the process's cgroup and of all that it lies in, by files like `/proc/self/cgroup`
/// and `/proc/self/mountinfo`.
fn quota_files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for mount in mounts.lines() {
        let Some((place, kind)) = mount.split_once(" - ") else { continue };
        let mut place = place.split(' ').skip(3);
        let (Some(root), Some(point)) = (place.next(), place.next()) else { continue };
        let is_cpu = |options: &str| options.split(',').any(|option| option == "cpu");
        let mut kind = kind.split(' ');
        let group = match (kind.next(), kind.nth(1)) {
            (Some("cgroup2"), _) => group_path(groups, str::is_empty),
            (Some("cgroup"), Some(options)) if is_cpu(options) => group_path(groups, is_cpu),
            _ => None,
        };
        let Some(group) = group else { continue };
        // Within a container a group may be mounted as the root of what is seen.
        let inner = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
        let folder = Path::new(point).join(inner);
        let around = folder.ancestors().take_while(|folder| folder.starts_with(point));
        files.extend(around.map(|folder| folder.join("cpu.stat")).filter(|file| file.exists()));
    }
    files
}

/// The path of the cgroup whose list of controllers is as `wanted`.
fn group_path(groups: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        parts.next().filter(|controllers| wanted(controllers))?;
        parts.next()
    })
}

/// How many files and sockets the process has open.
fn open_descriptors() -> Option<u64> {
    // Newer kernels say it as the folder's size; with older ones the entries are counted.
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        open => Some(open),
    }
}

/// The memory in use, in bytes, by a file like `/proc/self/statm`.
fn rss_bytes(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    Some(pages * u64::try_from(page).unwrap_or(4096))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_queue_delay_is_the_second_figure_of_schedstat() {
        assert_eq!(run_delay("5123456 64405 17\n"), Some(Duration::from_nanos(64_405)));
        assert_eq!(run_delay("0"), None);
        assert_eq!(run_delay(""), None);
    }

    #[test]
    fn what_a_thread_used_counts_from_the_reading_before() {
        let used = |cpu, delay| ThreadUse {
            cpu: Duration::from_micros(cpu),
            run_delay: Some(Duration::from_micros(delay)),
        };
        assert_eq!(used(90, 40).since(&used(30, 15)), used(60, 25));
        assert_eq!(used(90, 40).since(&ThreadUse::default()), used(90, 40));
        let unknown = ThreadUse { run_delay: None, ..used(90, 0) };
        assert_eq!(unknown.since(&ThreadUse::default()).run_delay, None);
    }

    #[test]
    fn steal_is_a_part_of_the_time_of_all_processors() {
        let first = ticks("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2\n").unwrap();
        assert_eq!(first, Ticks { stolen: 35, all: 1000 });
        let second = ticks("cpu  150 0 50 830 10 0 5 55 40 0\n").unwrap();
        assert_eq!(second.part_since(first), Some(0.2));
        assert_eq!(first.part_since(first), None);
        assert_eq!(ticks("intr 1"), None);
        assert_eq!(ticks("cpu  1 2 3"), None);
    }

    #[test]
    fn the_memory_in_use_is_the_second_figure_of_statm_in_pages() {
        let pages = |pages: &str| rss_bytes(&format!("90000 {pages} 17 3 0 9 0\n"));
        assert_eq!(pages("30"), pages("1").map(|page| 30 * page));
        assert!(pages("1").is_some_and(|page| page >= 4096));
        assert_eq!((rss_bytes("90000"), rss_bytes("")), (None, None));
    }

    #[test]
    fn throttling_is_read_of_both_versions_of_cgroups() {
        let two = "usage_usec 9\nnr_periods 40\nnr_throttled 7\nthrottled_usec 1500\n";
        let one = "nr_periods 40\nnr_throttled 7\nthrottled_time 1500000\n";
        let expected = Some(Throttled { periods: 7, time: Duration::from_micros(1500) });
        assert_eq!((throttled(two), throttled(one)), (expected, expected));
        assert_eq!(throttled("usage_usec 9\nuser_usec 5\n"), None);
    }

    #[test]
    fn the_quota_of_every_group_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let point = root.path().join("cgroup");
        let inner = point.join("jobs/load");
        fs::create_dir_all(&inner).unwrap();
        for folder in [&point.join("jobs"), &inner] {
            fs::write(folder.join("cpu.stat"), "nr_throttled 1\nthrottled_usec 2\n").unwrap();
        }
        let (point, jobs) = (point.to_str().unwrap(), point.join("jobs/cpu.stat"));
        let expected = vec![inner.join("cpu.stat"), jobs];
        let two = format!("30 23 0:28 / {point} rw,relatime shared:4 - cgroup2 cgroup2 rw\n");
        assert_eq!(quota_files("1:name=systemd:/x\n0::/jobs/load\n", &two), expected);
        let one = format!("33 31 0:29 / {point} rw - cgroup cgroup rw,cpu,cpuacct\n");
        assert_eq!(quota_files("2:cpuacct,cpu:/jobs/load\n", &one), expected);
        let nested = format!("33 31 0:29 /docker/1 {point} rw - cgroup2 cgroup2 rw\n");
        assert_eq!(quota_files("0::/docker/1/jobs/load\n", &nested), expected);
        assert_eq!(quota_files("", ""), Vec::<PathBuf>::new());
    }

    #[test]
    fn this_process_has_something_open_and_some_memory() {
        let open = open_descriptors().unwrap();
        let held: Vec<File> = (0..10).map(|_| File::open("/proc/self/statm").unwrap()).collect();
        assert!(open_descriptors().unwrap() > open.min(3), "{held:?}");
        let meter = ThreadMeter::of_this_thread();
        assert!(meter.read().cpu > Duration::ZERO);
        let surroundings = Surveyor::new().survey();
        assert!(surroundings.rss_bytes > 0);
    }
}
