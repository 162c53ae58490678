//! The core itself: all of its state, stepped from one thread.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::accounts::{Accounts, LinesAt};
use super::address::Address;
use super::calls::{Call, Transfer};
use super::delays::Drawn;
use super::injected::{Cause, Held};
use super::listener::{Became, Listener};
use super::post::{Mark, Order, Post};
use super::slab::{Id, Slab};
use super::{CoreOptions, Recipient, Truth, rest};
use crate::law::{Draws, Time};
use crate::protocol::{
    CloseCode, CoreSession, Dialect, EventName, Heard, ServerMessage, SessionRules, Violation,
};
use crate::transport::{
    Buffers, Clock, Deadlines, FrameError, Initiator, Link, Poller, ReadyWaker, Received,
};

/// How many messages of one connection are taken before the others have their turn.
const BURST: usize = 32;

/// How many requests are held until the state is out.
const MAX_HELD: usize = 32;

/// How long the other end has to close too (protocol, section 1.6).
const CLOSING: Duration = Duration::from_secs(3);

/// How long a core that stops waits for its clients to close.
const STOPPING: Duration = Duration::from_secs(2);

/// How many tenants are told apart; their names come from clients.
const MAX_TENANTS: usize = 64;

/// The place of the listener's socket.
pub(super) const LISTENER: u32 = 0;
/// The place that is woken by what the owner asks.
const CONTROL: u32 = 1;
/// Places that are never a connection's.
pub(super) const OWN_PLACES: u32 = 2;

/// What the core's owner asks of it. When the owner has gone, it closes all connections with 1001 and ends.
#[derive(Debug)]
pub(super) enum Control {
    /// What has been counted up to now.
    Truth(std::sync::mpsc::Sender<Truth>),
}

/// What is due at some time.
#[derive(Debug)]
pub(super) enum Due {
    /// This text goes out.
    Send(Id),
    /// This connection gets its state, for which it waits since then.
    State(Id, Time),
    /// SIP registration of this connection's session goes on.
    Registration(Id),
    /// This account may have been away for too long; it had been attached so many times when it went.
    Grace(u32, u32),
    /// This transfer may have been offered for too long.
    Transfer(u32),
    /// This connection should have closed by now.
    Drop(Id),
}

// A heap moves its entries about. With the messages themselves in it, taking out those of an answered call cost 6,700
// instructions, with their numbers 2,800 (60 clients; the difference grows with them).
const _: () = assert!(size_of::<Due>() <= 24);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) session: CoreSession,
    /// Whose it is; nobody's if its token is unknown.
    pub(super) account: Option<u32>,
    /// A close has been sent or received: nothing is sent any more.
    pub(super) is_closing: bool,
    /// The code with which the core itself closed it.
    closed_with: Option<CloseCode>,
    /// Counted among those that are registered now.
    pub(super) is_signed_on: bool,
    /// Has been told `registering`.
    pub(super) is_registering: bool,
    /// Something is queued, for the end of the turn to write.
    is_unwritten: bool,
    /// When what was queued was last written.
    written: Time,
    /// Texts that wait for the state.
    held: Vec<Box<str>>,
    ready: Arc<ReadyWaker>,
    waker: Waker,
}

/// The core.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: CoreOptions,
    pub(super) rules: SessionRules,
    pub(super) clock: Clock,
    /// The time of this turn.
    pub(super) now: Time,
    /// Milliseconds from the epoch to the clock's zero.
    epoch: i64,
    pub(super) accounts: Accounts,
    pub(super) calls: Slab<Call>,
    /// Transfers that have not come to an end, by the `refer_id` that was given to the transferee.
    pub(super) transfers: HashMap<u32, Transfer>,
    pub(super) connections: Slab<Connection>,
    pub(super) due: Deadlines<Due>,
    /// When which connection may have been silent for too long: one entry each, renewed when it is due. Apart from
    /// `due`, which stays small with thousands of clients: it is what is asked and changed for each message.
    pub(super) silences: Deadlines<Id>,
    /// What waits in `due` to go out: a heap moves its entries about, so they are small.
    pub(super) posts: Slab<Post>,
    pub(super) truth: Truth,
    pub(super) signed_on_now: u64,
    pub(super) scratch: Vec<u8>,
    /// What its links read into and write from.
    buffers: Buffers,
    pub(super) draws: Draws,
    pub(super) delays: Drawn,
    /// Which calls are refused as the options want it; a stream of its own.
    pub(super) refusals: Draws,
    /// Why whatever is sent now is sent.
    pub(super) cause: Cause,
    /// Who has something queued.
    unwritten: Vec<Id>,
    /// What is queued, and to whom.
    queued: Vec<(Id, Held)>,
    poller: Poller,
    stop_at: Option<Time>,
}

impl Core {
    /// A core whose sockets are watched by `poller`.
    pub(super) fn new(mut options: CoreOptions, clock: Clock, poller: Poller) -> Core {
        // The accounts have all of it.
        let subscribers = std::mem::take(&mut options.subscribers);
        let now = clock.now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = since_epoch.as_millis() as i64 - now.as_nanos() as i64 / 1_000_000;
        let dialect = options.dialect.unwrap_or(Dialect::Flat);
        let mut connections = Slab::default();
        (0..OWN_PLACES).for_each(|_| _ = connections.reserve());
        Core {
            rules: options.session_rules(),
            clock,
            now,
            epoch,
            accounts: Accounts::new(&subscribers, options.lines, dialect),
            calls: Slab::default(),
            transfers: HashMap::new(),
            connections,
            due: Deadlines::default(),
            silences: Deadlines::default(),
            posts: Slab::default(),
            truth: Truth::default(),
            signed_on_now: 0,
            scratch: Vec::new(),
            buffers: Buffers::default(),
            draws: options.seed.stream("embedded core", 0),
            delays: Drawn::new(&options.all_delays(), options.seed),
            refusals: options.seed.stream("refusals", 0),
            cause: Cause::default(),
            unwritten: Vec::new(),
            queued: Vec::new(),
            poller,
            stop_at: None,
            options,
        }
    }

    /// Steps whatever has something to do, until told to stop.
    ///
    /// # Errors
    /// The system's, which it has no reason to give.
    pub(super) fn run(
        mut self,
        mut listener: Listener,
        mut control: mpsc::Receiver<Control>,
    ) -> io::Result<Truth> {
        let controlled = self.poller.waker(CONTROL);
        let control_waker = Waker::from(Arc::clone(&controlled));
        let mut ready = Vec::new();
        loop {
            if self.freeze(&mut control, &mut listener) {
                // What came meanwhile is heard before anybody is told that he was silent.
                self.poller.wait(Time::ZERO, &mut ready)?;
                listener.put_off_look(self.now);
            }
            controlled.stepping();
            self.controlled(&mut control, &mut listener, &mut Context::from_waker(&control_waker));
            for place in ready.drain(..) {
                if self.connections.at(place).is_some() {
                    self.step(place);
                } else {
                    listener.is_ready(place);
                }
            }
            // Links come first: a handshake takes long.
            self.meet_deadlines();
            self.receive_guests(&mut listener);
            self.meet_deadlines();
            if self.has_stopped() {
                break;
            }
            let next = self.due.next().min(self.silences.next()).min(listener.next());
            let next = next.min(self.stop_at.unwrap_or(Time::NEVER)).min(self.next_freeze());
            self.poller.wait(next, &mut ready)?;
        }
        for id in self.connections.ids() {
            self.give_up(id);
        }
        Ok(self.counted(&mut listener))
    }

    fn has_stopped(&self) -> bool {
        self.stop_at.is_some_and(|stop_at| self.now >= stop_at || self.connections.len() == 0)
    }

    /// Goes on with connections that are no links yet, and takes new ones.
    fn receive_guests(&mut self, listener: &mut Listener) {
        let mut gone = Vec::new();
        listener.step(|guest| match guest {
            Became::Link(id, link, address) => self.connected(id, link, &address),
            Became::Gone(id) => gone.push(id),
        });
        gone.drain(..).for_each(|id| self.connections.release(id));
        listener.accept(self.now, &self.poller, || self.connections.reserve(), &mut gone);
        listener.look(self.now, &mut gone);
        gone.drain(..).for_each(|id| self.connections.release(id));
        for (ask, answer) in listener.asked() {
            self.cause = Cause { at: self.now, from: None };
            let response = if self.is_running() { self.rest(ask) } else { rest::stopped() };
            // Whoever asked may have gone.
            let _ = answer.send(response);
        }
    }

    /// Does what is due, and writes what was queued until then.
    fn meet_deadlines(&mut self) {
        while let Some((_, due)) = self.due.pop(self.now) {
            self.is_due(due);
        }
        while let Some((_, id)) = self.silences.pop(self.now) {
            self.supervise(id);
        }
        self.write_queued();
    }

    fn is_due(&mut self, due: Due) {
        self.cause = Cause { at: self.now, from: None };
        match due {
            Due::Send(post) => {
                if let Some(Post { to, text, mark, held }) = self.posts.remove(post) {
                    self.deliver(to, &text, mark, held);
                }
            }
            Due::State(id, since) => {
                self.cause = Cause { at: since, from: Some(id) };
                self.send_state(id);
            }
            Due::Registration(id) => self.register_on(id),
            Due::Grace(account, attached) => self.grace_is_over(account, attached),
            Due::Transfer(refer_id) => self.transfer_is_stale(refer_id),
            Due::Drop(id) => self.give_up(id),
        }
    }

    fn controlled(
        &mut self,
        control: &mut mpsc::Receiver<Control>,
        listener: &mut Listener,
        cx: &mut Context<'_>,
    ) {
        // A stopped core listens no more: its owner's going is what may have stopped it.
        while self.stop_at.is_none() {
            match control.poll_recv(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(asked)) => self.answer(asked, listener),
                Poll::Ready(None) => self.stop(),
            }
        }
    }

    /// Whether it has not been told to stop.
    pub(super) fn is_running(&self) -> bool {
        self.stop_at.is_none()
    }

    /// Does what the owner asks.
    pub(super) fn answer(&mut self, asked: Control, listener: &mut Listener) {
        let Control::Truth(answer) = asked;
        let truth = self.counted(listener);
        // Whoever asked may have gone.
        let _ = answer.send(truth);
    }

    fn stop(&mut self) {
        self.stop_at = Some(self.now + STOPPING);
        for id in self.connections.ids() {
            self.close(id, CloseCode::GoingAway, "core stops");
        }
    }

    /// The truth as it stands.
    fn counted(&mut self, listener: &mut Listener) -> Truth {
        let (refused, out_of_descriptors) = listener.counted();
        self.truth.upgrades_refused += refused;
        self.truth.out_of_descriptors += out_of_descriptors;
        let mut truth = self.truth.clone();
        truth.calls_up = self.calls.len() as u64;
        truth.transfers.unfinished = self.transfers.len() as u64;
        truth.attempts.unfinished = self.calls.iter().filter(|call| !call.is_answered()).count() as u64;
        truth
    }

    /// Takes a connection that was upgraded, to the place that was set aside for it.
    fn connected(&mut self, id: Id, link: Link, address: &Address) {
        // Its state is due from here on: the turn may have begun before its upgrade was done.
        self.now = self.clock.now();
        self.truth.clients.connections += 1;
        if let Some(tenant) = address.tenant.as_deref() {
            count_tenant(&mut self.truth.tenants, tenant);
        }
        let session = CoreSession::new(self.rules, self.now);
        let ready = self.poller.waker(id.index);
        let waker = Waker::from(Arc::clone(&ready));
        let connection = Connection {
            link,
            session,
            account: None,
            is_closing: false,
            closed_with: None,
            is_signed_on: false,
            is_registering: false,
            is_unwritten: false,
            written: Time::ZERO,
            held: Vec::new(),
            ready,
            waker,
        };
        self.connections.fill(id, connection);
        if self.stop_at.is_some() {
            self.close(id, CloseCode::GoingAway, "core stops");
        } else {
            self.attach(id, address);
        }
        // What came behind the upgrade already.
        self.step(id.index);
    }

    /// Takes what a connection has to say.
    fn step(&mut self, index: u32) {
        let Some(id) = self.connections.at(index) else { return };
        for _ in 0..BURST {
            let Some(connection) = self.connections.get_mut(id) else { return };
            connection.ready.stepping();
            let mut cx = Context::from_waker(&connection.waker);
            match connection.link.poll_receive(&mut self.buffers, &mut cx) {
                Poll::Pending => return self.settle(id),
                Poll::Ready(Received::Text { text, at }) => self.hear(id, &text, at),
                Poll::Ready(Received::Binary(_)) => self.violated(id, Violation::Binary),
                Poll::Ready(Received::Closed(closed)) => {
                    return self.ended(id, closed.code, closed.initiator);
                }
            }
        }
        if let Some(connection) = self.connections.get(id) {
            connection.waker.wake_by_ref();
        }
    }

    /// Nothing more has come: writes what is still to be written, and notes a close that the client began.
    fn settle(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.link.is_closing() && !connection.is_closing {
            connection.is_closing = true;
            self.detach(id);
            self.due.push(self.now + CLOSING, Due::Drop(id));
        }
    }

    pub(super) fn hear(&mut self, id: Id, text: &str, at: Time) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(account) = connection.account.filter(|_| !connection.is_closing) else { return };
        self.cause = Cause { at, from: Some(id) };
        let lines = LinesAt { account: self.accounts.get(account), now: at };
        match connection.session.receive(text, at, &lines) {
            Heard::Keepalive(keepalive) => self.keepalive(id, &keepalive, text),
            Heard::Request(request) => self.execute(id, account, &request, text, at, false),
            Heard::Late(request) => self.execute(id, account, &request, text, at, true),
            Heard::Refused(request, refusal, violation) => {
                let due = at + self.ack_delay();
                let order = Order::new(id, account, &request, text, due);
                self.refused(&order, refusal, violation);
            }
            Heard::Repeated(request, answer) => self.repeat(id, &request, answer, at),
            Heard::Hold if connection.held.len() < MAX_HELD => connection.held.push(text.into()),
            Heard::Hold => self.violated(id, Violation::EarlyRequest),
            Heard::Close(violation, request) => {
                if let Some(name) = request {
                    self.truth.requests[name.index()] += 1;
                }
                self.violated(id, violation);
            }
            Heard::Ignore => self.truth.keepalives.sent += 1,
        }
    }

    /// Hands in what was held until the state was out.
    pub(super) fn release_held(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        for text in std::mem::take(&mut connection.held) {
            self.hear(id, &text, self.now);
        }
    }

    /// Counts a violation, and closes the connection if that is what it is for.
    pub(super) fn violated(&mut self, id: Id, violation: Violation) {
        if self.connections.get(id).is_none_or(|connection| connection.is_closing) {
            return;
        }
        self.truth.violated(violation);
        if let Some((code, reason)) = violation.closes() {
            self.close(id, code, reason);
        }
    }

    fn supervise(&mut self, id: Id) {
        let Some(connection) = self.connections.get(id).filter(|connection| !connection.is_closing) else {
            return;
        };
        let silent_at = connection.session.silent_at();
        if silent_at > self.now {
            self.silences.push(silent_at, id);
        } else {
            self.violated(id, Violation::Silent);
        }
    }

    /// Begins to close a connection.
    pub(super) fn close(&mut self, id: Id, code: CloseCode, reason: &str) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.is_closing {
            return;
        }
        connection.is_closing = true;
        connection.closed_with = Some(code);
        connection.held = Vec::new();
        let mut cx = Context::from_waker(&connection.waker);
        connection.link.close(code.code(), reason, self.now, &mut self.buffers, &mut cx);
        self.detach(id);
        self.due.push(self.now + CLOSING, Due::Drop(id));
    }

    /// Sends a text to a connection that is not closing, and counts it. It is written with the end of the turn.
    pub(super) fn deliver(&mut self, to: Id, text: &str, mark: Mark, held: Held) {
        let Some(connection) = self.connections.get_mut(to).filter(|connection| !connection.is_closing)
        else {
            return;
        };
        let mut cx = Context::from_waker(&connection.waker);
        match connection.link.queue(text, &mut self.buffers, &mut cx) {
            Ok(()) => {
                if !std::mem::replace(&mut connection.is_unwritten, true) {
                    self.unwritten.push(to);
                }
                self.queued.push((to, held));
                self.sent(to, mark);
            }
            Err(FrameError::Stuck) => {
                self.truth.violated(Violation::NotReading);
                self.lost(to);
            }
            // The next receive tells how it ended.
            Err(_) => {}
        }
    }

    /// Writes what has been queued: what is said to one client in a turn goes out in one piece.
    fn write_queued(&mut self) {
        for id in self.unwritten.drain(..) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            // The time of the turn may be some way back by now.
            connection.written = self.clock.now();
            connection.is_unwritten = false;
            let mut cx = Context::from_waker(&connection.waker);
            connection.link.flush(&mut self.buffers, &mut cx);
        }
        for (id, held) in self.queued.drain(..) {
            let Some(connection) = self.connections.get(id) else { continue };
            let to = if held.cause.from == Some(id) { Recipient::Asker } else { Recipient::Other };
            let micros = connection.written.micros_since(held.cause.at);
            self.truth.injected.record(held.message, to, micros);
            let Some(call) = held.call.filter(|_| held.is_of_set_up(to)) else { continue };
            let Some(call) = self.calls.get_mut(call) else { continue };
            if held.message == ServerMessage::Event(EventName::IncomingCall) {
                call.alert_micros = Some(micros);
            } else if let Some(alert) = call.alert_micros.take() {
                self.truth.injected.record_set_up(alert + micros);
            }
        }
    }

    /// Drops a connection whose other end did not close in time.
    fn give_up(&mut self, id: Id) {
        let Some(connection) = self.connections.get(id) else { return };
        match connection.closed_with {
            Some(code) => self.ended(id, code.code(), Initiator::Server),
            None => self.lost(id),
        }
    }

    /// A connection is no more, and nobody closed it.
    fn lost(&mut self, id: Id) {
        self.ended(id, CloseCode::AbnormalClosure.code(), Initiator::Network);
    }

    fn ended(&mut self, id: Id, code: u16, initiator: Initiator) {
        self.detach(id);
        if self.connections.remove(id).is_some() {
            *self.truth.disconnects.entry((code, initiator)).or_default() += 1;
        }
    }

    /// Draws the delay of a response.
    pub(super) fn ack_delay(&mut self) -> Duration {
        self.delays.next(ServerMessage::Ack).unwrap_or_default()
    }

    /// `time` as milliseconds since the epoch.
    pub(super) fn stamp(&self, time: Time) -> i64 {
        self.epoch + (time.as_nanos() / 1_000_000) as i64
    }
}

fn count_tenant(tenants: &mut BTreeMap<String, u64>, tenant: &str) {
    let is_room = tenants.len() < MAX_TENANTS && tenant.len() <= 64;
    let name = if is_room || tenants.contains_key(tenant) { tenant } else { "other" };
    *tenants.entry(name.to_owned()).or_default() += 1;
}
