//! Subscribers as the core knows them: where they are attached, and what is on their lines.

use std::collections::HashMap;
use std::rc::Rc;

use super::Provisioned;
use super::calls::LegRef;
use super::slab::Id;
use crate::law::Time;
use crate::protocol::{Dialect, Line, LineTable, OnLine, normalise_number};

/// One subscriber.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) number: Rc<str>,
    /// Its sessions, oldest first. They share one connection and one set of lines.
    pub(super) sessions: Vec<Session>,
    password: Option<Box<str>>,
    /// The app is switched on: it wants to be registered (section 9.1, app status).
    pub(super) is_switched_on: bool,
    /// The one connection that is attached, if any (protocol, section 2.4).
    pub(super) connection: Option<Id>,
    /// The token with which it came.
    pub(super) attached_with: Option<Rc<str>>,
    /// Its SIP registration is up.
    pub(super) is_registered: bool,
    /// It has been registered at some time: counted once.
    pub(super) was_signed_on: bool,
    /// The dialect of the last connection, in which logs go on while there is none.
    pub(super) dialect: Dialect,
    /// How often it was attached, so that an old grace does not end new calls.
    pub(super) attached: u32,
    pub(super) lines: Box<[Slot]>,
    /// The line of calls with another caller's number (protocol, section 5.15).
    pub(super) guest: Slot,
}

/// What a token stands for.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: Rc<str>,
    /// The installation that signed in; of a session that was there from the start empty.
    pub(super) identifier: Box<str>,
}

/// What is on a line.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// Nothing.
    Free,
    /// A call that has ended, while its media leg is taken down. After `until` nothing.
    Closing { call_id: Rc<str>, until: Time },
    /// A call.
    Call { call_id: Rc<str>, leg: LegRef },
}

impl Slot {
    fn leg(&self) -> Option<LegRef> {
        match self {
            Slot::Call { leg, .. } => Some(*leg),
            Slot::Free | Slot::Closing { .. } => None,
        }
    }
}

/// All subscribers.
#[derive(Debug)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
    by_token: HashMap<Rc<str>, u32>,
    by_number: HashMap<Rc<str>, u32>,
    by_login: HashMap<Box<str>, u32>,
}

/// The lines of an account at an instant.
pub(super) struct LinesAt<'a> {
    pub(super) account: &'a Account,
    pub(super) now: Time,
}

impl LineTable for LinesAt<'_> {
    fn on(&self, line: Line) -> OnLine<'_> {
        match self.account.slot(line) {
            None => OnLine::Nothing,
            Some(Slot::Call { call_id, .. }) => OnLine::Call(call_id),
            Some(Slot::Closing { call_id, until }) if *until > self.now => OnLine::Closing(call_id),
            Some(Slot::Free | Slot::Closing { .. }) => OnLine::Free,
        }
    }
}

impl Account {
    /// What is on `line`, if there is such a line.
    fn slot(&self, line: Line) -> Option<&Slot> {
        match line {
            Line::Main(line) => self.lines.get(usize::from(line)),
            Line::Guest => Some(&self.guest),
            Line::Absent | Line::Invalid => None,
        }
    }

    /// The call on `line`.
    pub(super) fn leg_on(&self, line: Line) -> Option<LegRef> {
        self.slot(line).and_then(Slot::leg)
    }

    /// The first line that takes a call (protocol, section 5.1, rule 8): one that is wholly free, else one whose last
    /// call is still being taken down; never `except`, and never the guest line.
    pub(super) fn free_line(&self, now: Time, except: Option<Line>) -> Option<Line> {
        let lines = LinesAt { account: self, now };
        let first = |wanted: fn(OnLine<'_>) -> bool| {
            let mut all = (0..self.lines.len() as u16).map(Line::Main);
            all.find(|line| Some(*line) != except && wanted(lines.on(*line)))
        };
        first(|on| on == OnLine::Free).or_else(|| first(|on| matches!(on, OnLine::Closing(_))))
    }

    /// The legs of its calls.
    pub(super) fn legs(&self) -> Vec<LegRef> {
        self.slots().filter_map(Slot::leg).collect()
    }

    /// The leg with this call id on a line other than `except`.
    pub(super) fn leg_of(&self, call_id: &str, except: LegRef) -> Option<LegRef> {
        self.slots().find_map(|slot| match slot {
            Slot::Call { call_id: there, leg } if **there == *call_id && *leg != except => Some(*leg),
            _ => None,
        })
    }

    /// Whether the last call of some line had this id, and its media leg is still being taken down.
    pub(super) fn has_just_ended(&self, call_id: &str, now: Time) -> bool {
        let is_that = |slot: &Slot| matches!(slot, Slot::Closing { call_id: there, until } if **there == *call_id && *until > now);
        self.slots().any(is_that)
    }

    /// Whether a call is up on any line.
    pub(super) fn has_calls(&self) -> bool {
        self.slots().any(|slot| slot.leg().is_some())
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.lines.iter().chain([&self.guest])
    }
}

impl Accounts {
    /// The accounts of `subscribers`, each with so many lines. Of two with one token, number or login, the first counts.
    pub(super) fn new(subscribers: &[Provisioned], lines: u16, dialect: Dialect) -> Accounts {
        let mut accounts = Accounts {
            accounts: Vec::with_capacity(subscribers.len()),
            by_token: HashMap::with_capacity(subscribers.len()),
            by_number: HashMap::with_capacity(subscribers.len()),
            by_login: HashMap::with_capacity(subscribers.len()),
        };
        for (index, subscriber) in (0..).zip(subscribers) {
            let number: Rc<str> = Rc::from(subscriber.number.as_str());
            let token: Rc<str> = Rc::from(subscriber.token.as_str());
            // Room for one: few ever have another.
            let mut sessions = Vec::with_capacity(1);
            if !token.is_empty() {
                accounts.by_token.entry(Rc::clone(&token)).or_insert(index);
                sessions.push(Session { token, identifier: Box::default() });
            }
            if let Some(credentials) = &subscriber.credentials {
                accounts.by_login.entry(credentials.login.as_str().into()).or_insert(index);
            }
            let key = Rc::from(normalise_number(&number));
            accounts.by_number.entry(key).or_insert(index);
            accounts.accounts.push(Account {
                number,
                sessions,
                password: subscriber.credentials.as_ref().map(|known| known.password.as_str().into()),
                is_switched_on: true,
                connection: None,
                attached_with: None,
                is_registered: false,
                was_signed_on: false,
                dialect,
                attached: 0,
                lines: vec![Slot::Free; usize::from(lines)].into(),
                guest: Slot::Free,
            });
        }
        accounts
    }

    /// The account of a session token.
    pub(super) fn by_token(&self, token: &str) -> Option<u32> {
        self.by_token.get(token).copied()
    }

    /// The account that a login and a password open.
    pub(super) fn by_password(&self, login: &str, password: &str) -> Option<u32> {
        let account = self.by_login.get(login).copied()?;
        (self.get(account).password.as_deref() == Some(password)).then_some(account)
    }

    /// Gives an account another session.
    pub(super) fn add_session(&mut self, account: u32, session: Session) {
        self.by_token.insert(Rc::clone(&session.token), account);
        self.get_mut(account).sessions.push(session);
    }

    /// Ends a session; whose it was.
    pub(super) fn remove_session(&mut self, token: &str) -> Option<u32> {
        let account = self.by_token.remove(token)?;
        self.get_mut(account).sessions.retain(|session| &*session.token != token);
        Some(account)
    }

    /// The account that a number reaches.
    pub(super) fn by_number(&self, number: &str) -> Option<u32> {
        self.by_number.get(normalise_number(number)).copied()
    }

    pub(super) fn get(&self, account: u32) -> &Account {
        &self.accounts[account as usize]
    }

    pub(super) fn get_mut(&mut self, account: u32) -> &mut Account {
        &mut self.accounts[account as usize]
    }

    /// Puts `slot` on a line of an account.
    pub(super) fn set_line(&mut self, account: u32, line: Line, slot: Slot) {
        let account = self.get_mut(account);
        let place = match line {
            Line::Main(line) => account.lines.get_mut(usize::from(line)),
            Line::Guest => Some(&mut account.guest),
            Line::Absent | Line::Invalid => None,
        };
        if let Some(place) = place {
            *place = slot;
        }
    }

    /// Who is told of an account's presence: its neighbour in the order of provisioning, the second of each pair the
    /// first's and the other way round.
    pub(super) fn contact_of(&self, account: u32) -> Option<u32> {
        let contact = account ^ 1;
        ((contact as usize) < self.accounts.len()).then_some(contact)
    }
}
