//! The terminal: taken for the view, drawn on without flicker, and given back as it was, whatever happens.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use terminal_size::{Height, Width, terminal_size_of};

/// The alternate screen, no cursor, no wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What is between these is shown at once by terminals that know them; others pass over them.
const BEGIN_FRAME: &str = "\x1b[?2026h";
const END_FRAME: &str = "\x1b[?2026l";

/// The size where a terminal does not tell its own.
const USUAL: (usize, usize) = (80, 24);

/// Whether the view has the terminal.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// How it was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static ON_PANIC: Once = Once::new();

/// Whether stderr is a terminal that a view can be drawn on.
pub(super) fn can_draw() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !is_dumb && is_in_front()
}

/// Whether this process is in the foreground of its terminal: one in the background that reads from it, or changes its
/// settings, is stopped by the system.
pub(super) fn is_in_front() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|group| group == getpgrp())
}

/// Whether it takes something now. After a ^S, or where the line to it has stalled, it does not, and a write would wait.
pub(super) fn is_ready() -> bool {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    poll(&mut ready, PollTimeout::ZERO).is_ok_and(|many| many > 0)
}

/// Takes the terminal; tells whether there are keys. Signals stay with the system, so ^C is what it was. ^Z and ^\ are
/// gone: a generator that stands still measures nothing, and one that is killed gives nothing back.
pub(super) fn take() -> bool {
    ON_PANIC.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
    // The settings are the terminal's own, whichever of its ends they are asked of; what is typed would show in the view
    // also where nobody reads it.
    let is_read = io::stdin().is_terminal();
    let attributes = tcgetattr(io::stderr()).ok().filter(|_| is_in_front());
    let is_set = attributes.is_some_and(|before| {
        let mut raw = before.clone();
        raw.local_flags.remove(LocalFlags::ECHO);
        raw.control_chars[SpecialCharacterIndices::VSUSP as usize] = 0;
        raw.control_chars[SpecialCharacterIndices::VQUIT as usize] = 0;
        if is_read {
            raw.local_flags.remove(LocalFlags::ICANON);
            raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
            raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        }
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(before);
        tcsetattr(io::stderr(), SetArg::TCSANOW, &raw).is_ok()
    });
    IS_TAKEN.store(true, Ordering::Release);
    // What cannot be shown is no loss.
    drop(io::stderr().write_all(ENTER.as_bytes()));
    is_set && is_read
}

/// Gives the terminal back as it was. Safe to be called whenever, and more than once. In the background the settings are
/// the shell's already.
pub(super) fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    drop(io::stderr().write_all(LEAVE.as_bytes()));
    let before = BEFORE.try_lock().ok().and_then(|before| before.clone());
    if let Some(before) = before.filter(|_| is_in_front()) {
        let _ = tcsetattr(io::stderr(), SetArg::TCSANOW, &before);
    }
}

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    terminal_size_of(io::stderr())
        .map(|(Width(width), Height(height))| (usize::from(width), usize::from(height)))
        .filter(|(width, height)| *width > 0 && *height > 0)
        .unwrap_or(USUAL)
}

/// How many columns a line takes, its tones left out.
fn columns(line: &str) -> usize {
    let mut pieces = line.split('\x1b');
    let first = pieces.next().map_or(0, |text| text.chars().count());
    let after_code = |piece: &str| piece.split_once('m').map_or(0, |(_, text)| text.chars().count());
    first + pieces.map(after_code).sum::<usize>()
}

/// What stands on the terminal.
#[derive(Debug, Default)]
pub(super) struct Screen {
    size: (usize, usize),
    lines: Vec<String>,
}

impl Screen {
    /// What has to be written so that `lines` stand on a terminal of this size: those that differ, or all on a new size.
    pub fn update(&mut self, lines: Vec<String>, size: (usize, usize)) -> String {
        let mut out = String::new();
        if self.size != size {
            self.size = size;
            self.lines.clear();
            out.push_str("\x1b[2J");
        }
        for (row, line) in lines.iter().enumerate() {
            if self.lines.get(row) != Some(line) {
                out.push_str(&format!("\x1b[{};1H{line}", row + 1));
                // At the end of a full line the cursor is still on its last column, which would go.
                if columns(line) < size.0 {
                    out.push_str("\x1b[K");
                }
            }
        }
        self.lines = lines;
        if out.is_empty() { out } else { format!("{BEGIN_FRAME}{out}{END_FRAME}") }
    }

    /// Shows `lines`, in one write.
    pub fn show(&mut self, lines: Vec<String>, size: (usize, usize)) {
        let update = self.update(lines, size);
        if IS_TAKEN.load(Ordering::Acquire) && !update.is_empty() {
            drop(io::stderr().write_all(update.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_changed_are_written() {
        let mut screen = Screen::default();
        let lines = |second: &str| vec!["one".to_owned(), second.to_owned()];
        let first = screen.update(lines("two"), (80, 2));
        assert_eq!(first, "\x1b[?2026h\x1b[2J\x1b[1;1Hone\x1b[K\x1b[2;1Htwo\x1b[K\x1b[?2026l");
        assert_eq!(screen.update(lines("two"), (80, 2)), "");
        assert_eq!(screen.update(lines("2"), (80, 2)), "\x1b[?2026h\x1b[2;1H2\x1b[K\x1b[?2026l");
        assert!(screen.update(lines("2"), (81, 2)).contains("one"), "a new size draws all anew");
        assert_eq!(screen.update(lines("\x1b[1mfull\x1b[0m"), (4, 2)).matches("\x1b[K").count(), 1);
    }
}
