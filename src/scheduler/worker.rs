//! A worker: a thread with its own clients, its own calls, its own recorder, and nothing shared.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::attempts::{Attempt, Attempts};
use super::callers::Callers;
use super::cdr::{Row, Rows, has_row};
use super::collect::{Channel, Report};
use super::control::{Role, quiet};
use super::flight::Flights;
use super::health::ThreadMeter;
use super::renewal::{Renewer, Tokens};
use super::steering::{Lookahead, Steering};
use super::stop::Urgency;
use super::timers::Timers;
use crate::client::{Client, Media, Reconnection};
use crate::law::Time;
use crate::metrics::{Gauges, Metric, Outcome, Recorder};
use crate::profile::{CallPlan, Force, Plan};
use crate::protocol::{Dialect, Session, SessionSettings};
use crate::scenario::Direction;
use crate::subscribers::Subscriber;
use crate::transport::{Buffers, Clock, Deadlines, Dialer, Poller, Received};
use crate::workload::{self, AttemptNumber, Schedule, Segment, SignOff, What};

/// How often a worker looks at the stop signal: a whole part of a second, so that one of its looks is at the second's end.
const TICK: Duration = Duration::from_millis(100);
/// How often the thread of the control clients does, whose lateness nobody asks for: each look costs some 40 µs.
const CONTROL_TICK: Duration = Duration::from_millis(500);
/// A worker that meets its next deadline later than this has stood still, and reads its links first.
const STOOD_STILL: Duration = Duration::from_millis(50);
/// How many sockets the system tells of between two turns.
const SOCKETS_A_TURN: usize = 1024;
/// At the end of the run so many clients sign off every so often: 6,400 a second. As fast as it can, a worker would let
/// the keepalives of the others wait, and call itself unfit for what nobody measures; and the server would see a burst
/// that no profile asked for.
const SIGN_OFFS: usize = 32;
const SIGN_OFFS_EVERY: Duration = Duration::from_millis(5);
/// What is read off one client's link in a turn, before the others get theirs.
const MESSAGES_A_TURN: usize = 64;
/// How long a client waits for the server's part of the closing handshake (protocol, section 1.6).
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What all workers of a run share, and only read.
pub(super) struct Shared {
    pub plan: Plan,
    pub subscribers: Vec<Subscriber>,
    /// The subscribers' numbers, normalised, to the clients that have them.
    pub numbers: HashMap<Box<str>, u32>,
    /// Numbers of subscribers that never sign on.
    pub offline: Vec<String>,
    pub dialer: Arc<Dialer>,
    pub dialect: Dialect,
    pub settings: SessionSettings,
    /// Tells this run's transaction ids from another's.
    pub run_number: u32,
    pub clock: Clock,
    /// When the first stage starts.
    pub start: Time,
    /// How the run is changed by hand, and stopped.
    pub steering: Steering,
    /// Makes new sessions, where subscribers have a login and a password.
    pub renewer: Option<Arc<Renewer>>,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It follows the schedule.
    Running,
    /// The schedule is done; calls are hung up, sign-ons under way may still conclude until the time given.
    Settling(Time),
    /// All clients sign off.
    SigningOff,
    /// All is done.
    Done,
}

/// Whose deadline it is, where it is neither a client's nor an attempt's: each of those has one that moves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// The sign-on of a quiet client.
    Quiet(usize),
    /// A caller of the closed load, by its number.
    Caller(u32),
    /// The callers of a stage.
    Callers {
        stage: usize,
    },
    Tick,
}

/// One worker.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub role: Role,
    pub segment: Segment,
    /// The clients of the load, and then the quiet ones.
    pub clients: Vec<Client>,
    /// Tokens that took the place of a subscriber's, by the client's place.
    pub tokens: Tokens,
    /// The numbers of the quiet clients.
    pub quiet: Vec<u32>,
    pub attempts: Attempts,
    pub callers: Callers,
    pub idle: VecDeque<usize>,
    pub media: Arc<Media>,
    pub said: Vec<Direction>,
    pub recorder: Recorder,
    /// Whether calls follow more than one flow.
    pub mixes_flows: bool,
    pub flights: Flights,
    /// Rows of the list of all calls that go with the next report.
    rows: Rows,
    /// One attempt in so many has one; 0 without a list.
    rows_one_in: u64,
    pub gauges: LiveGauges,
    pub deadlines: Deadlines<Owner>,
    /// When each client has something to do next, by its place.
    client_timers: Timers,
    /// Likewise each attempt.
    attempt_timers: Timers,
    pub buffer: Vec<u8>,
    /// What its links read into and write from.
    pub buffers: Buffers,
    pub stage: Stage,
    /// How many clients have been told to sign off, at the end of the run.
    signed_off: usize,
    /// When the next of them are.
    next_sign_offs: Time,
    schedule: Schedule,
    /// What is due next, if it is due before the horizon.
    next_due: Option<workload::Due>,
    pub lookahead: Lookahead,
    pub poller: Poller,
    turn: Vec<u32>,
    channel: Channel,
    second: u64,
    /// When this turn began: what became ready before it waited for it.
    begun: Time,
    /// How many turns have only read, since the worker stood still.
    reading: usize,
    turn_max: Duration,
    heartbeat_late_max: Duration,
    meter: ThreadMeter,
    connected_since: Time,
    up_since: Time,
    /// How long the calls that are up have lasted, as of the last report.
    talk_reported: Duration,
}

/// What there is now, and the most there was since the last report.
#[derive(Debug, Default)]
pub(super) struct LiveGauges {
    pub now: Gauges,
    pub highest: Gauges,
}

impl LiveGauges {
    /// Changes what there is now.
    pub fn change(&mut self, change: impl FnOnce(&mut Gauges)) {
        change(&mut self.now);
        let Gauges { connected, signed_on, calls, calls_answered, control } = self.now;
        self.highest.connected = self.highest.connected.max(connected);
        self.highest.signed_on = self.highest.signed_on.max(signed_on);
        self.highest.calls = self.highest.calls.max(calls);
        self.highest.calls_answered = self.highest.calls_answered.max(calls_answered);
        self.highest.control = self.highest.control.max(control);
    }
}

impl Worker {
    /// A worker with this role. Must be made on the thread that will run it.
    pub fn new(shared: Arc<Shared>, role: Role, channel: Channel) -> io::Result<Worker> {
        let (stages, segment) = role.load(&shared.plan);
        let quiet = role.quiet_numbers(&shared);
        let numbers = numbers(&shared, stages, segment, &quiet);
        let poller = Poller::new(numbers.len(), SOCKETS_A_TURN, shared.clock)?;
        let clients = clients(&shared, numbers, &poller);
        let CallPlan { sdp, candidates, .. } = &shared.plan.calls;
        let mut draws = shared.plan.seed.stream("media", segment.index as u64);
        let number_length = shared.subscribers.first().map_or(0, |subscriber| subscriber.number.len());
        let media = Media::new(sdp, *candidates, shared.dialect, number_length, &mut draws)
            .map_err(io::Error::other)?;
        let schedule = Schedule::new(stages, shared.plan.seed, segment);
        let mut deadlines = Deadlines::default();
        deadlines.push(shared.start, Owner::Tick);
        let connected_since = shared.start;
        let most_callers = stages.iter().map(|stage| stage.callers).max().unwrap_or(0);
        let flights = Flights::new(shared.plan.flight_recorder && matches!(role, Role::Load(_)));
        let (rows, rows_one_in) = (Rows::for_worker(&shared.plan), shared.plan.cdr_one_in());
        let mixes_flows = shared.plan.calls.mixes_flows();
        let mut worker = Worker {
            tokens: Tokens::default(),
            shared,
            role,
            segment,
            clients,
            quiet,
            attempts: Attempts::default(),
            callers: Callers::new(most_callers, segment),
            idle: VecDeque::new(),
            media: Arc::new(media),
            said: Vec::new(),
            recorder: Recorder::default(),
            mixes_flows,
            flights,
            rows,
            rows_one_in,
            gauges: LiveGauges::default(),
            deadlines,
            client_timers: Timers::default(),
            attempt_timers: Timers::default(),
            buffer: Vec::with_capacity(8 * 1024),
            buffers: Buffers::default(),
            stage: Stage::Running,
            signed_off: 0,
            next_sign_offs: Time::ZERO,
            schedule,
            next_due: None,
            lookahead: Lookahead::default(),
            poller,
            turn: Vec::new(),
            channel,
            second: 0,
            begun: connected_since,
            reading: 0,
            turn_max: Duration::ZERO,
            heartbeat_late_max: Duration::ZERO,
            meter: ThreadMeter::of_this_thread(),
            connected_since,
            up_since: connected_since,
            talk_reported: Duration::ZERO,
        };
        worker.await_callers();
        worker.plan_quiet();
        Ok(worker)
    }

    /// Works until all is done, and has reported it.
    ///
    /// # Errors
    /// The system's, which it has no reason to give.
    pub fn run(mut self) -> io::Result<()> {
        // The sockets are looked at after each turn, however much is due.
        while self.stage != Stage::Done {
            let next = self.next_deadline();
            self.poller.wait(next, &mut self.turn)?;
            self.turn();
        }
        self.report(true);
        Ok(())
    }

    /// One turn: what is due, then what is ready.
    fn turn(&mut self) {
        let begun = self.now();
        self.begun = begun;
        self.end_second(begun);
        self.look_ahead(begun);
        self.follow_schedule(begun);
        if self.has_read_up(begun) {
            self.meet_deadlines(begun);
        }
        let mut turn = std::mem::take(&mut self.turn);
        self.poller.woken(&mut turn);
        for place in turn.drain(..) {
            self.step(place as usize);
        }
        self.turn = turn;
        self.advance();
        self.turn_max = self.turn_max.max(self.now().since(begun));
    }

    /// Whether everything that came in before `begun`, or before the worker stood still, has been read.
    ///
    /// After a pause of ours deadlines are long due, and the answers that they wait for may lie in the sockets. So they
    /// are met only after as many turns as it takes to read every socket: what came in while the worker stood still is
    /// no timeout of the server's. The first turn may know only of what was there before the pause.
    fn has_read_up(&mut self, begun: Time) -> bool {
        let turns = 1 + self.clients.len().div_ceil(SOCKETS_A_TURN);
        let stood_still = begun.since(self.next_timer()) > STOOD_STILL;
        self.reading = if stood_still && self.reading < turns { self.reading + 1 } else { 0 };
        self.reading == 0
    }

    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// The place among this worker's clients of the client with this number.
    pub fn place_of(&self, number: u32) -> usize {
        let pair = number as usize / 2 / self.segment.of;
        pair * 2 + number as usize % 2
    }

    /// The number of the client at this place.
    pub fn number_of(&self, place: usize) -> u32 {
        if let Some(number) = self.quiet_number(place) {
            return number;
        }
        let pair = place / 2 * self.segment.of + self.segment.index;
        (pair * 2 + place % 2) as u32
    }

    /// The subscriber of the client at this place.
    pub fn subscriber_of(&self, place: usize) -> &Subscriber {
        &self.shared.subscribers[self.number_of(place) as usize]
    }

    fn next_deadline(&mut self) -> Time {
        let start = self.shared.start;
        let scheduled = match self.stage {
            Stage::SigningOff if self.has_to_sign_off() => self.next_sign_offs,
            // It has no schedule that could change.
            Stage::Running if self.role == Role::Control => Time::NEVER,
            Stage::Running => {
                let due = self.peek_schedule().map_or(Time::NEVER, |due| start + due.at);
                due.min(start + self.lookahead.latest())
            }
            _ => Time::NEVER,
        };
        scheduled.min(self.next_timer())
    }

    fn next_timer(&self) -> Time {
        self.deadlines.next().min(self.client_timers.next()).min(self.attempt_timers.next())
    }

    /// What is due next, as far as that stands: what may still be changed by hand is no deadline yet.
    fn peek_schedule(&mut self) -> Option<workload::Due> {
        if self.next_due.is_none() {
            self.next_due = self.schedule.next_by(self.lookahead.horizon());
        }
        self.next_due
    }

    /// Takes up what was changed by hand, before anything of it is due.
    fn look_ahead(&mut self, now: Time) {
        if self.role == Role::Control {
            return;
        }
        let now = now.since(self.shared.start);
        if self.lookahead.look(&self.shared.steering, now) {
            self.schedule.set_pace(self.lookahead.pace());
            self.pace_callers();
        }
    }

    /// Does what the schedule says is due by `now`.
    fn follow_schedule(&mut self, now: Time) {
        if self.stage != Stage::Running {
            return;
        }
        let start = self.shared.start;
        while let Some(workload::Due { at, stage, what }) = self.peek_schedule() {
            let due = start + at;
            if due > now {
                return;
            }
            self.next_due = None;
            match what {
                What::SignOn { client } => self.sign_on(self.place_of(client), due),
                What::SignOff { client } => {
                    let manner = self.shared.plan.stages[stage].sign_off;
                    self.sign_off(self.place_of(client), manner);
                }
                What::Call { attempt } => self.attempt(attempt, due),
            }
        }
    }

    fn meet_deadlines(&mut self, now: Time) {
        // Whatever was due first: what a call has to do does not wait for the keepalives that came due meanwhile.
        loop {
            let due = self.next_timer();
            if due > now {
                return;
            }
            self.own(Metric::TimerLag, due, now);
            if self.attempt_timers.next() == due {
                self.attempt_timers.pop(now).into_iter().for_each(|(_, place)| self.attempt_due(place, now));
                continue;
            }
            if self.client_timers.next() == due {
                self.client_timers.pop(now).into_iter().for_each(|(_, place)| self.client_due(place, now));
                continue;
            }
            let Some((at, owner)) = self.deadlines.pop(now) else { return };
            match owner {
                Owner::Quiet(place) if self.stage == Stage::Running => self.sign_on(place, at),
                Owner::Quiet(_) => {}
                Owner::Caller(number) => self.caller_due(number, at),
                Owner::Callers { stage } => self.callers_begin(stage, at),
                Owner::Tick => self.tick(at, now),
            }
        }
    }

    /// Reports a second that is over, before anything is done that is due in the next: it may be of another stage.
    fn end_second(&mut self, now: Time) {
        let second = now.since(self.shared.start).as_secs();
        if second > self.second && self.report(false) {
            self.second = second;
        }
    }

    fn tick(&mut self, at: Time, now: Time) {
        self.heartbeat_late_max = self.heartbeat_late_max.max(now.since(at));
        let start = self.shared.start;
        let tick = if self.role == Role::Control { CONTROL_TICK } else { TICK };
        let ticks = now.since(start).as_nanos() / tick.as_nanos() + 1;
        self.deadlines.push(start + tick * ticks as u32, Owner::Tick);
        match (self.shared.steering.stop().urgency(), self.stage) {
            (Urgency::Leave, _) => self.leave(now),
            (Urgency::Drain, Stage::Running) => self.drain(now, now),
            (Urgency::Drain, Stage::Settling(_)) => self.stage = Stage::Settling(now),
            (Urgency::Run, Stage::Running) if now >= self.shared.start + self.shared.plan.duration() => {
                // A sign-on that is due is owed its outcome, whatever the timeouts say.
                let plan = &self.shared.plan;
                let patience = plan.target.connect_timeout + 2 * plan.clients.request_timeout;
                self.drain(now, now + patience);
            }
            _ => {}
        }
    }

    /// No new attempts; hangs up every call.
    fn drain(&mut self, now: Time, settled_by: Time) {
        self.stage = Stage::Settling(settled_by);
        for attempt in self.attempts.places() {
            self.drain_attempt(attempt, now);
        }
    }

    /// Goes on from stage to stage of the end when nothing is left of the one before.
    fn advance(&mut self) {
        if let Stage::Settling(by) = self.stage {
            let now = self.now();
            // One that comes back by itself is owed nothing.
            let is_due = |client: &Client| client.signon.is_some_and(|signon| !signon.again);
            let settling = || now < by && self.clients.iter().any(is_due);
            if self.attempts.is_empty() && !settling() {
                self.stage = Stage::SigningOff;
            }
        }
        if self.has_to_sign_off() && self.begun >= self.next_sign_offs {
            let most = (self.signed_off + SIGN_OFFS).min(self.clients.len());
            for place in self.signed_off..most {
                self.sign_off(place, SignOff::Close);
            }
            self.signed_off = most;
            self.next_sign_offs = self.begun + SIGN_OFFS_EVERY;
        }
        let open = self.gauges.now.connected + self.gauges.now.control;
        let is_last = self.stage == Stage::SigningOff && !self.has_to_sign_off() && open == 0;
        if is_last && self.clients.iter().all(|client| !client.is_on()) {
            self.stage = Stage::Done;
        }
    }

    /// Whether there are clients that have not been told yet to sign off at the end.
    fn has_to_sign_off(&self) -> bool {
        self.stage == Stage::SigningOff && self.signed_off < self.clients.len()
    }

    /// Waits for nobody any more: the second request to stop. What is up is told to end all the same.
    fn leave(&mut self, now: Time) {
        if self.stage == Stage::Running {
            // Both requests came between two looks, so nothing has been hung up yet.
            self.drain(now, now);
        }
        for attempt in self.attempts.places() {
            let Some(mut attempt) = self.attempts.forget(attempt) else { continue };
            self.list_attempt(&mut attempt);
            if attempt.is_unended() {
                let counters = self.recorder.counters();
                counters.end(Outcome::Unfinished);
                counters.flows.count((attempt.play.flow().name(), Outcome::Unfinished.name()));
            }
        }
        for place in 0..self.clients.len() {
            self.leave_connection(place, now);
        }
        self.stage = Stage::Done;
    }

    /// Puts an attempt that is over into the list of all calls, and keeps its messages if they are worth a look.
    pub fn list_attempt(&mut self, attempt: &mut Attempt) {
        if attempt.play.is_attempt() {
            self.list(Row::of(attempt, |client| self.number_of(client)), attempt.number);
        }
        let clients = attempt.clients.map(|client| client.map(|client| self.number_of(client)));
        self.flights.land(attempt, clients);
    }

    /// Puts a row into the list of all calls, if that has one of this attempt.
    pub fn list(&mut self, row: Row, attempt: AttemptNumber) {
        if has_row(attempt, self.rows_one_in) {
            self.rows.push(row);
        }
    }

    /// Steps a client that has something to do.
    fn step(&mut self, place: usize) {
        self.clients[place].stepping();
        match self.clients[place].poll_dial() {
            Poll::Pending => return,
            Poll::Ready(None) => {}
            Poll::Ready(Some(Ok(dialled))) => self.opened(place, dialled),
            Poll::Ready(Some(Err(error))) => self.dial_failed(place, &error),
        }
        for left in (0..MESSAGES_A_TURN).rev() {
            let Poll::Ready(received) = self.clients[place].poll_receive(&mut self.buffers) else { break };
            match received {
                Received::Text { text, at } => {
                    self.received(place, &text, at);
                    self.own(Metric::Handling, self.begun, self.now());
                }
                Received::Binary(_) => self.recorder.counters().binary_messages += 1,
                Received::Closed(closed) => self.closed(place, &closed),
            }
            if left == 0 {
                self.clients[place].wake();
            }
        }
        if self.clients[place].is_closing() {
            let timeout = self.now() + CLOSE_TIMEOUT;
            self.clients[place].closing(timeout);
        }
        self.wake_client(place);
    }

    /// Sees to it that the client is asked when its next thing is due.
    pub fn wake_client(&mut self, place: usize) {
        let next = self.clients[place].next_due();
        // "At once" is no time that could be missed.
        let next = if next == Time::ZERO { self.now() } else { next };
        self.client_timers.set(place, next);
    }

    /// Sees to it that the attempt is asked when its next thing is due, if it has one.
    pub fn wake_attempt(&mut self, place: usize, next: Time) {
        self.attempt_timers.set(place, next);
    }

    /// Counts the time for which clients were connected, up to `now`; called before their number changes.
    pub fn count_connected_time(&mut self, now: Time) {
        let open = self.gauges.now.connected + self.gauges.now.control;
        let micros = now.micros_since(self.connected_since) * open;
        self.recorder.counters().connected_micros += micros;
        self.connected_since = self.connected_since.max(now);
    }

    /// Counts the time for which answered calls were up, up to `now`; called before their number changes.
    pub fn count_up_time(&mut self, now: Time) {
        let micros = now.micros_since(self.up_since) * self.gauges.now.calls_answered;
        self.recorder.counters().up_micros += micros;
        self.up_since = self.up_since.max(now);
    }

    /// Counts the talk time since the last report by the calls themselves: what has ended, and what goes on, less what of
    /// it was counted before.
    fn count_talk_time(&mut self, now: Time) {
        let going_on = self.attempts.talk_so_far(now);
        let counters = self.recorder.counters();
        let all = Duration::from_micros(counters.talk_micros + counters.side_calls.talk_micros) + going_on;
        counters.talk_within_micros = all.saturating_sub(self.talk_reported).as_micros() as u64;
        self.talk_reported = going_on;
    }

    /// Hands the figures so far to the collector; `false` if it has given no empty tally back yet, in which case they
    /// go with the next report.
    fn report(&mut self, last: bool) -> bool {
        let now = self.now();
        self.count_connected_time(now);
        let Some(spare) = self.channel.spare(last) else { return false };
        self.count_up_time(now);
        self.count_talk_time(now);
        let report = Report {
            worker: self.channel.worker(),
            until: now.since(self.shared.start),
            tally: self.recorder.swap(spare.tally),
            rows: std::mem::replace(&mut self.rows, spare.rows),
            landings: self.flights.hand_over(spare.landings),
            gauges: self.gauges.highest,
            used: self.meter.read(),
            turn_max: std::mem::take(&mut self.turn_max),
            heartbeat_late_max: std::mem::take(&mut self.heartbeat_late_max),
            is_control: self.role == Role::Control,
            last,
        };
        self.gauges.highest = self.gauges.now;
        self.channel.send(report);
        true
    }

    /// The force of a client's sign-on.
    pub fn force(&self, reconnect: bool) -> bool {
        match self.shared.plan.target.force {
            Force::Always => true,
            Force::Never => false,
            Force::OnReconnect => reconnect,
        }
    }
}

/// The numbers of the clients of a part of the load, and then of the quiet ones, and how the session of each behaves.
fn numbers(
    shared: &Shared,
    stages: &[workload::Stage],
    segment: Segment,
    quiet_numbers: &[u32],
) -> Vec<(u32, SessionSettings)> {
    let peak = stages.iter().map(workload::Stage::peak_clients).max().unwrap_or(0);
    let loaded = (0..peak).filter(|client| segment.owns_client(*client));
    let loaded = loaded.map(|number| (number, shared.settings));
    loaded.chain(quiet_numbers.iter().map(|number| (*number, quiet(shared.settings)))).collect()
}

/// The clients with these numbers.
fn clients(shared: &Shared, numbers: Vec<(u32, SessionSettings)>, poller: &Poller) -> Vec<Client> {
    let client = |(place, (number, settings))| {
        let draws = shared.plan.seed.stream("client", u64::from(number));
        let session = Session::new(shared.dialect, settings, shared.run_number, number, draws);
        let reconnection = Reconnection::new(shared.plan.seed.stream("reconnect", u64::from(number)));
        Client::new(session, reconnection, poller.waker(place as u32))
    };
    numbers.into_iter().enumerate().map(client).collect()
}
