//! The lines of one client: slots for one call each (protocol, section 5.1, rules 5 and 8).

use std::time::Duration;

use super::{Line, LineState};
use crate::law::Time;

/// How long a line is left alone after its call, unless `ice_hangup` comes first (`line_reuse_guard`).
pub const LINE_REUSE_GUARD: Duration = Duration::from_millis(500);

/// The most lines that a client keeps: no real account has more, and a hostile state announces ten thousand.
pub const MAX_LINES_KEPT: usize = 64;

/// The lines of one client.
#[derive(Debug, Default)]
pub struct Lines {
    slots: Vec<Slot>,
    /// The line for calls with another caller number (section 5.15).
    guest: Slot,
    /// Where the search for a free line begins: behind the one used last.
    next: usize,
}

#[derive(Debug, Default)]
struct Slot {
    call_id: Option<Box<str>>,
    free_from: Time,
}

impl Lines {
    /// As many as the state announces, [`MAX_LINES_KEPT`] at the most; what it holds on them is busy.
    pub fn from_state(announced: &[Option<LineState<'_>>], guest: Option<&LineState<'_>>) -> Lines {
        let call_id = |line: &Option<LineState<'_>>| Some(line.as_ref()?.call_id.as_deref()?.into());
        let guest_call = guest.and_then(|line| Some(line.call_id.as_deref()?.into()));
        let slots = announced.iter().take(MAX_LINES_KEPT);
        let slots = slots.map(|line| Slot { call_id: call_id(line), free_from: Time::ZERO });
        Lines { slots: slots.collect(), guest: Slot { call_id: guest_call, free_from: Time::ZERO }, next: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none: only the guest line could call.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The place of the guest line: behind the others.
    pub fn guest(&self) -> usize {
        self.slots.len()
    }

    /// The guest line, if it is free.
    pub fn free_guest(&self, now: Time) -> Option<usize> {
        let is_free = self.guest.call_id.is_none() && self.guest.free_from <= now;
        is_free.then(|| self.guest())
    }

    /// The last free line.
    pub fn last_free(&self, now: Time) -> Option<usize> {
        self.slots.iter().rposition(|slot| slot.call_id.is_none() && slot.free_from <= now)
    }

    /// How many can be called on.
    pub fn count_free(&self, now: Time) -> usize {
        self.slots.iter().filter(|slot| slot.call_id.is_none() && slot.free_from <= now).count()
    }

    /// How a message names the line.
    pub(super) fn wire(&self, line: usize) -> Line {
        if line == self.guest() {
            return Line::Guest;
        }
        u16::try_from(line).map_or(Line::Invalid, Line::Main)
    }

    fn slot(&self, line: usize) -> Option<&Slot> {
        if line == self.guest() { Some(&self.guest) } else { self.slots.get(line) }
    }

    fn slot_mut(&mut self, line: usize) -> Option<&mut Slot> {
        if line == self.guest() { Some(&mut self.guest) } else { self.slots.get_mut(line) }
    }

    /// A free line, the next after the one used last; `None` while all are busy or too fresh from their last call.
    pub fn free(&self, now: Time) -> Option<usize> {
        let count = self.slots.len();
        (0..count)
            .map(|step| (self.next + step) % count)
            .find(|line| self.slots[*line].call_id.is_none() && self.slots[*line].free_from <= now)
    }

    /// When a line that has no call may be used again; [`Time::NEVER`] if each has one.
    pub fn free_from(&self) -> Time {
        let idle = self.slots.iter().filter(|slot| slot.call_id.is_none());
        idle.map(|slot| slot.free_from).min().unwrap_or(Time::NEVER)
    }

    /// Whether the line has a call.
    pub fn is_busy(&self, line: usize) -> bool {
        self.slot(line).is_some_and(|slot| slot.call_id.is_some())
    }

    /// How many have a call.
    pub fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| slot.call_id.is_some()).count()
    }

    /// The call on a line.
    pub fn call_id(&self, line: usize) -> Option<&str> {
        self.slot(line)?.call_id.as_deref()
    }

    /// The line, if this call is on it.
    pub fn find(&self, line: usize, call_id: &str) -> Option<usize> {
        (self.call_id(line)? == call_id).then_some(line)
    }

    /// The line that this call is on.
    pub fn find_call(&self, call_id: &str) -> Option<usize> {
        (0..=self.guest()).find(|line| self.call_id(*line) == Some(call_id))
    }

    pub(super) fn occupy(&mut self, line: usize, call_id: &str) {
        let is_guest = line == self.guest();
        if let Some(slot) = self.slot_mut(line) {
            slot.call_id = Some(call_id.into());
            if !is_guest {
                self.next = line + 1;
            }
        }
    }

    pub(super) fn release(&mut self, line: usize, free_from: Time) {
        if let Some(slot) = self.slot_mut(line) {
            slot.call_id = None;
            slot.free_from = free_from;
        }
    }

    pub(super) fn lift_guard(&mut self, line: usize) {
        if let Some(slot) = self.slot_mut(line) {
            slot.free_from = Time::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_call_takes_another_line_than_the_last_one_if_there_is_one() {
        let mut lines = Lines::from_state(&[None, None], None);
        let first = lines.free(Time::ZERO).unwrap();
        lines.occupy(first, "a");
        lines.release(first, Time::ZERO);
        assert_eq!((first, lines.free(Time::ZERO)), (0, Some(1)));
    }

    #[test]
    fn a_line_rests_after_its_call_until_the_media_are_gone() {
        let mut lines = Lines::from_state(&[None], None);
        lines.occupy(0, "a");
        assert_eq!(lines.free(Time::ZERO), None);
        lines.release(0, Time::from_nanos(5));
        assert_eq!(lines.free(Time::ZERO), None);
        assert_eq!(lines.free(Time::from_nanos(5)), Some(0));
        lines.lift_guard(0);
        assert_eq!(lines.free(Time::ZERO), Some(0));
    }
}
