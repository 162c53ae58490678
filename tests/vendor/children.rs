//! Child processes that never outlive their test, and waits that always end.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// No wait of these tests is longer.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(10);

/// A running program, killed by its own id when dropped.
pub struct Child {
    name: String,
    process: std::process::Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Child {
    /// Starts `command`; `name` is what messages call it.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = lines(process.stdout.take().unwrap());
        let stderr = lines(process.stderr.take().unwrap());
        Self { name: name.to_owned(), process, stdout, stderr }
    }

    /// The next line on stdout.
    pub fn line(&self) -> String {
        self.next_of(&self.stdout)
    }

    /// The next line on stderr.
    pub fn talk(&self) -> String {
        self.next_of(&self.stderr)
    }

    /// Asks it to end, as an operator would.
    pub fn terminate(&self) {
        let id = i32::try_from(self.process.id()).unwrap();
        // An error means that it is gone already, which is what was asked for.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }

    /// Waits until it ends by itself.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end; it says:\n{}", self.name, self.said());
            thread::sleep(GLANCE);
        }
    }

    /// What it said and nobody has read yet.
    pub fn said(&self) -> String {
        self.stderr.try_iter().chain(self.stdout.try_iter()).collect::<Vec<_>>().join("\n")
    }

    fn next_of(&self, stream: &Receiver<String>) -> String {
        stream.recv_timeout(PATIENCE).unwrap_or_else(|end| {
            let what = match end {
                RecvTimeoutError::Timeout => "says nothing",
                RecvTimeoutError::Disconnected => "ended without a word where one was due",
            };
            panic!("{} {what}; it says:\n{}", self.name, self.said())
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a stream on a thread of its own, so that a child never blocks on a full pipe.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
