//! Processors, processes and what they use.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::ClockId;
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::os::fd::AsFd;

use super::Failure;

/// How long a process may take to end once it was asked to.
const PATIENCE: Duration = Duration::from_secs(20);

/// The two processors that the bench uses: one for the server, one for whatever loads it.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub server: usize,
    pub generator: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub fn find() -> Result<Cores, Failure> {
        let set = sched_getaffinity(Pid::from_raw(0))?;
        let mut free = (0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false));
        match (free.next(), free.next()) {
            (Some(server), Some(generator)) => Ok(Cores { server, generator }),
            _ => Err("two processors are needed: one for the server, one for the generator".into()),
        }
    }

    /// The time that the host of a virtual machine gave to others while these two had work, both together, since the
    /// start.
    pub fn stolen(self) -> Result<Duration, Failure> {
        let per_second = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")?;
        let stat = read(Path::new("/proc/stat"))?;
        // cpuN user nice system idle iowait irq softirq steal, in ticks (proc_stat(5)).
        let ticks_of = |core: usize| {
            let name = format!("cpu{core} ");
            let fields = stat.lines().find_map(|line| line.strip_prefix(&name))?;
            fields.split_whitespace().nth(7)?.parse::<u64>().ok()
        };
        let ticks = ticks_of(self.server).zip(ticks_of(self.generator)).ok_or("/proc/stat: no steal")?;
        Ok(Duration::from_secs(ticks.0 + ticks.1) / u32::try_from(per_second)?)
    }
}

/// The error after a ^C.
pub const INTERRUPTED: &str = "interrupted";

/// A ^C that has not been heeded yet. It is taken note of instead of ending the process, so that the children are ended.
pub struct Interrupt(SignalFd);

impl Interrupt {
    pub fn catch() -> Result<Interrupt, Failure> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block()?;
        Ok(Interrupt(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When the bench is to end.
    pub fn sleep(&self, time: Duration) -> Result<(), Failure> {
        let timeout = PollTimeout::try_from(time)?;
        match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout)? {
            0 => Ok(()),
            _ => Err(INTERRUPTED.into()),
        }
    }
}

/// A child on a processor of its own, with all that it starts. It ends with its owner.
pub struct Pinned {
    child: Child,
    group: Pid,
    pub name: &'static str,
}

impl Pinned {
    pub fn spawn(name: &'static str, command: &mut Command, core: usize) -> Result<Pinned, Failure> {
        // A child inherits the processors of the thread that starts it, and its blocked signals.
        let mut spawn = move || -> Result<Child, Failure> {
            let mut set = CpuSet::new();
            set.set(core)?;
            sched_setaffinity(Pid::from_raw(0), &set)?;
            SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]).thread_unblock()?;
            Ok(command.process_group(0).spawn()?)
        };
        let spawn = || spawn().map_err(|error| error.to_string());
        let child = thread::scope(|scope| scope.spawn(spawn).join());
        let child = child.map_err(|_| "a thread failed")?.map_err(|error| format!("{name}: {error}"))?;
        let group = Pid::from_raw(child.id() as i32);
        Ok(Pinned { child, group, name })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn pid(&self) -> i32 {
        self.group.as_raw()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration, interrupt: &Interrupt) -> Result<ExitStatus, Failure> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if since.elapsed() > patience {
                return Err(format!("{} did not end within {patience:?}", self.name).into());
            }
            interrupt.sleep(Duration::from_millis(20))?;
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self, interrupt: &Interrupt) -> Result<ExitStatus, Failure> {
        let _ = killpg(self.group, Signal::SIGTERM);
        self.wait(PATIENCE, interrupt)
    }

    /// The processor time that it has used, with all that it has started.
    pub fn cpu(&self) -> Duration {
        tree(self.pid()).into_iter().filter_map(cpu_of).sum()
    }

    /// The memory that it has in use, with all that it has started, in bytes.
    pub fn resident(&self) -> u64 {
        tree(self.pid()).into_iter().filter_map(resident_of).sum()
    }

    /// How many descriptors it has open. The kernel says so since 6.2 without a look at each.
    pub fn descriptors(&self) -> u64 {
        let path = format!("/proc/{}/fd", self.pid());
        match fs::metadata(&path).map_or(0, |metadata| metadata.len()) {
            0 => fs::read_dir(&path).map_or(0, |entries| entries.count() as u64),
            count => count,
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let is_there = matches!(self.child.try_wait(), Ok(None));
        if is_there {
            let _ = killpg(self.group, Signal::SIGTERM);
            for _ in 0..100 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        // What it has started, and itself if it would not end.
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A process and its descendants.
fn tree(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces and brackets in it.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Of all its threads, those that have ended too, to the nanosecond.
fn cpu_of(pid: i32) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).ok()?;
    clock.now().ok().map(Duration::from)
}

fn resident_of(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// What kind of machine this is, in a few words.
pub fn describe() -> String {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let is_virtual = if cpu_info.contains("hypervisor") { " VM" } else { "" };
    let version: String = kernel.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect();
    format!("{cores}-core {model}{is_virtual}, Linux {}", version.trim_end_matches('.'))
}

/// A file's text, with its name in the error.
pub fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error: io::Error| format!("{}: {error}", path.display()).into())
}
