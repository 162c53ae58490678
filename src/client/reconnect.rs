//! When a client that lost its connection, or found none, comes back (protocol, sections 2.5 and 6.1).
//!
//! ```
//! use std::time::Duration;
//! use wtsp_load::client::{Ending, Next, Reconnection};
//! use wtsp_load::law::{Seed, Time};
//! use wtsp_load::profile::Reconnect;
//! use wtsp_load::protocol::CloseCode;
//!
//! let policy = Reconnect::Fixed { after: Duration::from_secs(3) };
//! let mut reconnection = Reconnection::new(Seed(7).stream("reconnect", 0));
//! let next = reconnection.next(policy, Ending::Closed(CloseCode::GoingAway), Time::ZERO);
//! assert_eq!(next, Next::At(Time::ZERO + Duration::from_secs(3)));
//! ```

use std::time::Duration;

use rand::RngExt;

use crate::law::{Draws, Time};
use crate::profile::Reconnect;
use crate::protocol::{Advice, CloseCode};

/// How many displaced connections (4441) are followed by a reconnect at once, within [`DISPLACED_SPAN`]: two clients of
/// one token displace each other forever (protocol, section 6.1).
const MOST_DISPLACED: u8 = 3;
/// See [`MOST_DISPLACED`].
const DISPLACED_SPAN: Duration = Duration::from_secs(10);

/// How it came that a client is off, without having wished it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No connection came about, whatever the reason.
    NotConnected,
    /// The connection was closed with this code, or lost (1006).
    Closed(CloseCode),
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It dials again at this time.
    At(Time),
    /// It needs a new token first: its session is no more.
    NewToken,
    /// It stays away.
    Never,
}

/// What a client remembers from one attempt to come back to the next.
#[derive(Clone, Debug)]
pub struct Reconnection {
    /// When it dials again; [`Time::NEVER`] if it does not.
    pub due: Time,
    /// When the connection was lost on which it was signed on last; nothing once it is signed on again.
    pub lost: Option<Time>,
    /// Attempts since it was signed on that came to nothing.
    failed: u32,
    /// It has met another connection of its session (4431) since it was signed on.
    met_another: bool,
    /// How often it has been displaced (4441) since when.
    displaced: (u8, Time),
    draws: Draws,
}

impl Reconnection {
    /// Of a client that has nothing to come back from. Its waits are drawn from `draws`.
    pub fn new(draws: Draws) -> Reconnection {
        Reconnection {
            due: Time::NEVER,
            lost: None,
            failed: 0,
            met_another: false,
            displaced: (0, Time::ZERO),
            draws,
        }
    }

    /// Whether it waits for its next attempt.
    pub fn is_waiting(&self) -> bool {
        self.due < Time::NEVER
    }

    /// The client is signed on: the next loss is a first one. When the connection before was lost, if one was.
    pub fn signed_on(&mut self) -> Option<Time> {
        self.failed = 0;
        self.met_another = false;
        self.lost.take()
    }

    /// The client is to stay away until its next sign-on of the schedule. What displaced it is remembered.
    pub fn stop(&mut self) {
        self.due = Time::NEVER;
        self.signed_on();
    }

    /// What the client does after `ending` at `now`, for which it was not to blame.
    pub fn next(&mut self, policy: Reconnect, ending: Ending, now: Time) -> Next {
        match policy {
            Reconnect::None => Next::Never,
            Reconnect::Fixed { after } => self.next_fixed(after, ending, now),
            Reconnect::Backoff { base, cap } => self.next_backoff(base, cap, ending, now),
        }
    }

    /// The mobile app: always after the same time, but at once where another connection has displaced it; and not
    /// without a session, for then it logs its user out.
    fn next_fixed(&mut self, after: Duration, ending: Ending, now: Time) -> Next {
        match ending {
            Ending::Closed(CloseCode::SessionMissedError) => Next::NewToken,
            Ending::Closed(CloseCode::ControllerForceAttachClose) if self.is_displaced_again(now) => {
                Next::At(now)
            }
            Ending::Closed(_) | Ending::NotConnected => Next::At(now + after),
        }
    }

    /// The table of section 6.1. Dials that fail are all tried again: a server that restarts refuses, resets and
    /// breaks off handshakes of TLS as it goes.
    fn next_backoff(&mut self, base: Duration, cap: Duration, ending: Ending, now: Time) -> Next {
        let code = match ending {
            Ending::NotConnected => return Next::At(now + self.draw_wait(base, cap)),
            Ending::Closed(code) => code,
        };
        match code.advice() {
            Advice::AtOnce => Next::At(now),
            Advice::BackOff => Next::At(now + self.draw_wait(base, cap)),
            Advice::NewToken => Next::NewToken,
            // A ghost of its own connection may be in the way; this once it is displaced.
            Advice::Stop if code == CloseCode::ControllerAttachedError && !self.met_another => {
                self.met_another = true;
                Next::At(now + self.draw_wait(base, cap))
            }
            Advice::Stop => Next::Never,
        }
    }

    /// Full jitter: any time from zero to the limit, which doubles with every failed attempt up to `cap`.
    fn draw_wait(&mut self, base: Duration, cap: Duration) -> Duration {
        let limit = 2_u32.checked_pow(self.failed).and_then(|factor| base.checked_mul(factor));
        self.failed = self.failed.saturating_add(1);
        limit.unwrap_or(cap).min(cap).mul_f64(self.draws.random())
    }

    /// Whether this displacement is one of the few that are followed at once.
    fn is_displaced_again(&mut self, now: Time) -> bool {
        let (times, since) = self.displaced;
        if times == 0 || now.since(since) >= DISPLACED_SPAN {
            self.displaced = (1, now);
            return true;
        }
        self.displaced.0 = times.saturating_add(1);
        times < MOST_DISPLACED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;

    const FIXED: Reconnect = Reconnect::Fixed { after: Duration::from_secs(3) };
    const BASE: Duration = Duration::from_millis(500);
    const CAP: Duration = Duration::from_secs(30);
    const BACKOFF: Reconnect = Reconnect::Backoff { base: BASE, cap: CAP };

    fn client(number: u64) -> Reconnection {
        Reconnection::new(Seed(7).stream("reconnect", number))
    }

    fn after_close(policy: Reconnect, code: u16) -> Next {
        client(0).next(policy, Ending::Closed(CloseCode::from(code)), Time::ZERO)
    }

    #[test]
    fn the_mobile_app_comes_back_after_3_s_but_at_once_when_displaced_and_never_without_a_session() {
        for code in CloseCode::KNOWN.iter().copied().chain([CloseCode::from(4777)]) {
            let expected = match code.code() {
                4201 => Next::NewToken,
                4441 => Next::At(Time::ZERO),
                _ => Next::At(Time::ZERO + Duration::from_secs(3)),
            };
            assert_eq!(after_close(FIXED, code.code()), expected, "{code:?}");
        }
        let mut client = client(0);
        for _ in 0..1_000 {
            let next = client.next(FIXED, Ending::NotConnected, Time::ZERO);
            assert_eq!(next, Next::At(Time::ZERO + Duration::from_secs(3)));
        }
    }

    #[test]
    fn back_off_follows_the_table_of_close_codes() {
        for code in CloseCode::KNOWN.iter().copied().chain([CloseCode::from(4777)]) {
            let next = after_close(BACKOFF, code.code());
            match code.code() {
                1002 | 1003 | 1007..=1010 | 1015 | 4101 | 4302 | 4411 | 4412 | 4441 | 4501 | 4600 => {
                    assert_eq!(next, Next::Never, "{code:?}");
                }
                4201 | 4301 => assert_eq!(next, Next::NewToken, "{code:?}"),
                _ => assert!(matches!(next, Next::At(at) if at <= Time::ZERO + BASE), "{code:?}: {next:?}"),
            }
        }
    }

    #[test]
    fn without_a_policy_a_client_stays_away() {
        for ending in [Ending::NotConnected, Ending::Closed(CloseCode::GoingAway)] {
            assert_eq!(client(0).next(Reconnect::None, ending, Time::ZERO), Next::Never);
        }
    }

    #[test]
    fn the_limit_of_a_wait_doubles_up_to_the_cap_and_waits_lie_anywhere_below_it() {
        let clients = 2_000_u32;
        let mut waits = vec![Vec::new(); 40];
        for number in 0..clients {
            let mut client = client(number.into());
            for waits in &mut waits {
                let Next::At(at) = client.next(BACKOFF, Ending::NotConnected, Time::ZERO) else { panic!() };
                waits.push(at.since(Time::ZERO));
            }
        }
        for (failed, waits) in waits.iter().enumerate() {
            let limit = BASE.mul_f64(2_f64.powi(failed as i32)).min(CAP);
            assert!(waits.iter().all(|wait| *wait <= limit), "attempt {failed}");
            let mean = waits.iter().sum::<Duration>() / clients;
            assert!(mean > limit.mul_f64(0.45) && mean < limit.mul_f64(0.55), "attempt {failed}: {mean:?}");
            let first_tenth = waits.iter().filter(|wait| **wait < limit / 10).count();
            assert!((100..300).contains(&first_tenth), "attempt {failed}: {first_tenth}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits_and_a_sign_on_starts_them_over() {
        let waits = |number| {
            let mut client = client(number);
            [(); 5].map(|()| client.next(BACKOFF, Ending::NotConnected, Time::ZERO))
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
        let mut client = client(0);
        for _ in 0..20 {
            client.next(BACKOFF, Ending::NotConnected, Time::ZERO);
        }
        client.signed_on();
        let next = client.next(BACKOFF, Ending::NotConnected, Time::ZERO);
        assert!(matches!(next, Next::At(at) if at <= Time::ZERO + BASE), "{next:?}");
    }

    #[test]
    fn a_client_that_is_displaced_again_and_again_comes_back_at_once_three_times_in_10_s() {
        let displaced = Ending::Closed(CloseCode::ControllerForceAttachClose);
        let mut client = client(0);
        let second = |second| Time::ZERO + Duration::from_secs(second);
        let at_once: Vec<bool> = (0..13)
            .map(|now| {
                let next = client.next(FIXED, displaced, second(now));
                client.signed_on();
                next == Next::At(second(now))
            })
            .collect();
        let expected: Vec<bool> = (0..13).map(|now| !(3..10).contains(&now)).collect();
        assert_eq!(at_once, expected);
    }

    #[test]
    fn a_client_that_meets_another_connection_tries_once_more() {
        let attached = Ending::Closed(CloseCode::ControllerAttachedError);
        let mut client = client(0);
        assert!(matches!(client.next(BACKOFF, attached, Time::ZERO), Next::At(_)));
        assert_eq!(client.next(BACKOFF, attached, Time::ZERO), Next::Never);
        client.signed_on();
        assert!(matches!(client.next(BACKOFF, attached, Time::ZERO), Next::At(_)));
    }
}
