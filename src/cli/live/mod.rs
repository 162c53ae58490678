//! The live view: a run as people watch it on a terminal, and the keys by which they change it.
//!
//! It has a thread of its own, which draws twice a second at the most often and reads the keys; while the terminal takes
//! nothing (^S, a stalled line) nothing is drawn, and nobody waits for it before the record is whole. What it shows comes once a second with the intervals of the record. The
//! terminal is driven by a few escape sequences and `termios`: a library for screens would be eighty more crates for one
//! screen.

mod board;
mod frame;
mod ladder;
mod terminal;
mod view;
#[cfg(test)]
mod view_tests;

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::board::Board;
use self::terminal::Screen;
use crate::profile::Plan;
use crate::scheduler::{Event, Steering, Wish};

/// How often, in milliseconds, it is looked whether the window has another size, or the run is being stopped.
const LOOK_MILLIS: u16 = 500;

/// The live view of a run.
pub(super) struct Live {
    shared: Arc<Shared>,
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    board: Mutex<Board>,
    steering: Steering,
    has_colour: bool,
    is_over: AtomicBool,
    /// The view has been told that there is something new, and has not looked yet.
    is_stale: AtomicBool,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Whether there is a terminal for it.
    pub fn is_possible() -> bool {
        terminal::can_draw()
    }

    /// The view of a run of `plan`, which keys change by `steering`. Nothing is drawn yet.
    pub fn new(plan: &Plan, steering: Steering, has_colour: bool) -> Live {
        let board = Mutex::new(Board::new(plan));
        let shared = Shared {
            board,
            steering,
            has_colour,
            is_over: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
        };
        Live { shared: Arc::new(shared), wake: None, thread: None }
    }

    /// Whether the view has the terminal, so that nobody else may write there.
    pub fn is_shown(&self) -> bool {
        self.thread.is_some()
    }

    /// Takes in what has happened; the view appears when the load begins.
    pub fn take(&mut self, event: &Event<'_>) {
        self.shared.board().take(event);
        if matches!(event, Event::Scouted(_)) {
            self.begin();
        }
        self.draw_soon();
    }

    /// Shows a warning, which is said again when the view is over.
    pub fn warn(&mut self, warning: String) {
        self.shared.board().warnings.push(warning);
        self.draw_soon();
    }

    /// Gives the terminal back, and what was warned of meanwhile. It may wait for the terminal, so the record has to be
    /// whole by then.
    pub fn end(&mut self) -> Vec<String> {
        self.shared.is_over.store(true, Ordering::Release);
        self.draw_soon();
        if let Some(thread) = self.thread.take() {
            // A view that broke down has said so.
            let _ = thread.join();
        }
        terminal::give_back();
        std::mem::take(&mut self.shared.board().warnings)
    }

    fn begin(&mut self) {
        if self.is_shown() {
            return;
        }
        let Ok((woken, wake)) = io::pipe() else { return };
        let shared = Arc::clone(&self.shared);
        let watch = move || watch(&shared, woken);
        if let Ok(thread) = thread::Builder::new().name("live view".to_owned()).spawn(watch) {
            (self.wake, self.thread) = (Some(wake), Some(thread));
        }
    }

    fn draw_soon(&mut self) {
        // Told once, it needs no more: so this never waits for a view that waits for its terminal.
        let is_told = self.shared.is_stale.swap(true, Ordering::AcqRel);
        if let Some(wake) = self.wake.as_mut().filter(|_| !is_told) {
            // A view that is gone needs not be woken up.
            let _ = wake.write_all(&[0]);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// Draws, and obeys keys, until the view is over.
fn watch(shared: &Shared, mut woken: PipeReader) {
    let (mut is_shown, mut has_keys) = (false, false);
    let mut screen = Screen::default();
    while !shared.is_over.load(Ordering::Acquire) {
        shared.is_stale.store(false, Ordering::Release);
        // Whoever stopped the program from outside and let it go on in the background has a shell on the terminal.
        let is_in_front = terminal::is_in_front();
        let is_ready = terminal::is_ready();
        match (is_in_front, is_shown) {
            (true, false) if is_ready => {
                has_keys = terminal::take();
                (screen, is_shown) = (Screen::default(), true);
            }
            (false, true) if is_ready => {
                terminal::give_back();
                is_shown = false;
            }
            _ => {}
        }
        if is_in_front && is_shown && is_ready {
            let size = terminal::size();
            let lines = {
                let mut board = shared.board();
                board.make_up();
                board.pace = shared.steering.pace();
                board.urgency = shared.steering.stop().urgency();
                board.has_keys = has_keys;
                view::view(&board, size.0, size.1, shared.has_colour)
            };
            screen.show(lines, size);
        }
        let (is_woken, is_pressed) = wait(&woken, has_keys && is_in_front);
        let mut bytes = [0; 64];
        if is_woken && matches!(woken.read(&mut bytes), Ok(0) | Err(_)) {
            return;
        }
        if is_pressed && terminal::is_in_front() {
            match nix::unistd::read(io::stdin(), &mut bytes) {
                Ok(count @ 1..) => pressed(shared, &bytes[..count]),
                // The terminal is gone.
                _ => has_keys = false,
            }
        }
    }
}

/// Waits for a look, a change of the board, or a key: whether there is one of the latter two.
fn wait(woken: &PipeReader, has_keys: bool) -> (bool, bool) {
    let stdin = io::stdin();
    let mut ready = vec![PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
    if has_keys {
        ready.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
    }
    // Interrupted: the size may have changed.
    let _ = poll(&mut ready, PollTimeout::from(LOOK_MILLIS));
    let is_ready = |place: usize| ready.get(place).is_some_and(|one: &PollFd<'_>| one.any().unwrap_or(false));
    (is_ready(0), is_ready(1))
}

/// Obeys the keys.
fn pressed(shared: &Shared, keys: &[u8]) {
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let wish = match key {
            b'?' | b'h' | b'H' => {
                let mut board = shared.board();
                board.has_help = !board.has_help;
                continue;
            }
            // Arrows and the like are an escape, a `[` or `O` and all up to a letter or `~`; none means anything here.
            0x1b => {
                if matches!(keys.next(), Some(b'[' | b'O')) {
                    keys.find(|key| key.is_ascii_alphabetic() || **key == b'~');
                }
                continue;
            }
            b'p' | b'P' | b' ' => Wish::Pause,
            b'+' | b'=' => Wish::Faster,
            b'-' | b'_' => Wish::Slower,
            b'd' | b'D' => Wish::Drain,
            b'q' | b'Q' => Wish::Leave,
            _ => continue,
        };
        shared.steering.wish(wish);
    }
}
