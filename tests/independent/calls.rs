//! Who is attached, and the calls between them (protocol, section 5).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use super::connection::{Do, Out, Peer};
use super::words::{self, Asked};
use super::{Books, BySubscriber, Fate, Fault, Knobs, count, lock, number};

pub struct Hub {
    pub knobs: Knobs,
    pub books: Books,
    pub first_call: Option<Instant>,
    clients: BySubscriber<Client>,
    visits: BySubscriber<usize>,
    connections: u64,
    calls: BTreeMap<u64, Call>,
    calls_made: u64,
}

struct Client {
    connection: u64,
    attached: bool,
    out: Out,
    fault: Fault,
    lines: Vec<Option<(u64, Side)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
    /// Got the call by mistake, or once more.
    Stranger,
}

#[derive(Clone, Debug)]
struct Leg {
    subscriber: usize,
    line: usize,
    call_id: String,
}

#[derive(Clone, Debug)]
struct Call {
    fate: Fate,
    transaction: String,
    caller: Leg,
    callee: Option<Leg>,
    stranger: Option<Leg>,
    answered: bool,
    /// Who waits for the other's answer to an `update`.
    offered: Option<Side>,
}

/// What a server makes of its own accord, for a party whose peer holds or resumes.
const OFFER: &str =
    "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=inactive\r\n";

impl Call {
    fn leg(&self, side: Side) -> Option<&Leg> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Callee => self.callee.as_ref(),
            Side::Stranger => self.stranger.as_ref(),
        }
    }

    fn sides(&self) -> impl Iterator<Item = Side> + use<> {
        let there = [Side::Caller, Side::Callee, Side::Stranger].map(|side| self.leg(side).map(|_| side));
        there.into_iter().flatten()
    }
}

impl Hub {
    pub fn new(knobs: Knobs) -> Hub {
        Hub {
            knobs,
            books: Books::default(),
            first_call: None,
            clients: BySubscriber::new(),
            visits: BySubscriber::new(),
            connections: 0,
            calls: BTreeMap::new(),
            calls_made: 0,
        }
    }

    pub fn next_fault(&mut self, subscriber: usize) -> Fault {
        let visits = self.visits.entry(subscriber).or_default();
        *visits += 1;
        (self.knobs.fault)(subscriber, *visits - 1)
    }

    /// Whether nobody is connected.
    pub fn is_quiet(&self) -> bool {
        self.clients.is_empty()
    }

    pub fn calls_up(&self) -> u64 {
        self.calls.len() as u64
    }

    /// The rules of section 2.4: the connection's number, or the code to close it with.
    pub fn attach(&mut self, subscriber: usize, force: bool, out: Out, fault: Fault) -> Result<u64, u16> {
        if let Some(earlier) = self.clients.get(&subscriber) {
            if !force {
                return Err(4431);
            }
            let _ = earlier.out.send(Do::Close(4441));
            let earlier = earlier.connection;
            self.detach(subscriber, earlier);
        }
        self.connections += 1;
        let lines = vec![None; self.knobs.lines];
        let connection = self.connections;
        self.clients.insert(subscriber, Client { connection, attached: false, out, fault, lines });
        Ok(connection)
    }

    /// The state goes out.
    pub fn attached(&mut self, subscriber: usize, connection: u64) {
        if let Some(client) =
            self.clients.get_mut(&subscriber).filter(|client| client.connection == connection)
        {
            client.attached = true;
        }
    }

    pub fn is_attached(&self, subscriber: usize, connection: u64) -> bool {
        self.clients.get(&subscriber).is_some_and(|client| client.connection == connection && client.attached)
    }

    /// The connection is gone; its calls end.
    pub fn detach(&mut self, subscriber: usize, connection: u64) {
        if self.clients.get(&subscriber).is_none_or(|client| client.connection != connection) {
            return;
        }
        let Some(client) = self.clients.remove(&subscriber) else { return };
        for (call, _) in client.lines.into_iter().flatten() {
            let code = self.calls.get(&call).map_or(200, |call| if call.answered { 200 } else { 480 });
            self.end(call, code, "Session Terminated");
        }
    }

    pub fn session_event(&mut self, out: &Out, event: Value) {
        count(&mut self.books.events, event["event"].as_str().unwrap().to_owned());
        let _ = out.send(Do::Say(words::write(self.knobs.dialect, event)));
    }

    /// Sends an event of a call to the leg on `side`.
    fn tell(&mut self, call: &Call, side: Side, transaction: Option<&str>, mut event: Value) {
        let Some(leg) = call.leg(side) else { return };
        let Some(client) = self.clients.get(&leg.subscriber) else { return };
        let name = event["event"].as_str().unwrap().to_owned();
        event["line"] = json!(leg.line);
        if !name.starts_with("ice_") {
            event["call_id"] = json!(leg.call_id);
        }
        if let Some(transaction) = transaction {
            event["transaction"] = json!(transaction);
        }
        let code = event["code"].to_string();
        let text = words::write(self.knobs.dialect, event);
        let times = if self.knobs.twice { 2 } else { 1 };
        for _ in 0..times {
            count(&mut self.books.events, name.clone());
            if name == "hangup" {
                count(&mut self.books.hangups, code.clone());
            }
            let _ = client.out.send(Do::Say(text.clone()));
        }
    }

    /// The same for a later event of a call, to the caller.
    fn tell_caller(&mut self, call: &Call, event: Value) {
        let transaction = self.knobs.late_transactions.then_some(call.transaction.as_str());
        self.tell(call, Side::Caller, transaction, event);
    }

    /// Hangs up on every leg.
    fn end(&mut self, number: u64, code: i32, reason: &str) {
        let Some(call) = self.calls.remove(&number) else { return };
        for side in call.sides() {
            self.hang_up(&call, side, code, reason);
        }
    }

    fn hang_up(&mut self, call: &Call, side: Side, code: i32, reason: &str) {
        let event = json!({"event": "hangup", "code": code, "reason": reason});
        match side {
            Side::Caller => self.tell_caller(call, event),
            _ => self.tell(call, side, None, event),
        }
        if let Some(leg) = call.leg(side)
            && let Some(client) = self.clients.get_mut(&leg.subscriber)
            && let Some(line) = client.lines.get_mut(leg.line)
        {
            *line = None;
        }
        self.tell(call, side, None, json!({"event": "ice_hangup", "reason": "Close PC"}));
    }

    fn on_line(&self, subscriber: usize, line: usize) -> Option<(u64, Side)> {
        *self.clients.get(&subscriber)?.lines.get(line)?
    }

    /// Puts a call on a free line of somebody.
    fn take_line(&mut self, subscriber: usize, number: u64, side: Side) -> Option<usize> {
        let lines = &mut self.clients.get_mut(&subscriber)?.lines;
        let is_free = |line: &Option<_>| line.is_none();
        let line = match side {
            // Out of the way of a call that its client may be about to make.
            Side::Stranger => lines.iter().rposition(is_free),
            _ => lines.iter().position(is_free),
        }?;
        lines[line] = Some((number, side));
        Some(line)
    }

    fn party(&self, subscriber: usize) -> String {
        let number = number(subscriber);
        if self.knobs.sip_uris { format!("sip:{number}@pbx.example.net;user=phone") } else { number }
    }

    /// Tells the other side of a call of a new offer.
    fn re_invite(&mut self, call: &Call, from: Side, jsep: &Value) {
        let to = if from == Side::Caller { Side::Callee } else { Side::Caller };
        let callee = call.callee.as_ref().map_or(0, |leg| leg.subscriber);
        let event = json!({
            "event": "updating_call", "callee": self.party(callee), "caller": self.party(call.caller.subscriber),
            "jsep": jsep,
        });
        self.tell(call, to, None, event);
    }

    /// Tells somebody of a call for which there is no line.
    fn missed(&mut self, call: &Call, callee: usize, call_id: String) {
        let told = Call { callee: Some(Leg { subscriber: callee, line: 0, call_id }), ..call.clone() };
        let event = json!({
            "event": "missed_call", "callee": self.party(callee), "caller": self.party(call.caller.subscriber),
        });
        self.tell(&told, Side::Callee, None, event);
    }

    fn incoming(&mut self, call: &Call, side: Side, callee: usize, jsep: &Value) {
        let event = json!({
            "event": "incoming_call", "callee": self.party(callee), "caller": self.party(call.caller.subscriber),
            "caller_display_name": "Load Probe", "jsep": jsep,
        });
        self.tell(call, side, None, event);
    }
}

/// Responses, and the code of a close in place of one.
enum Verdict {
    Ack,
    Error(i32, &'static str),
    Close(u16),
    Silence,
}

/// Does what a client asks for, once its response is due.
pub async fn perform(peer: Peer, asked: Asked, at: Instant) {
    let (delay, fate) = {
        let mut hub = lock(&peer.hub);
        let fate = (asked.name == "outgoing_call").then(|| {
            hub.calls_made += 1;
            hub.first_call.get_or_insert(at);
            (hub.knobs.fate)(hub.calls_made - 1)
        });
        (hub.knobs.ack_delay.draw(), fate.unwrap_or(Fate::Connected))
    };
    if !delay.is_zero() {
        sleep_until((at + delay).into()).await;
    }
    let late = settle(&mut lock(&peer.hub), &peer, &asked, at, fate);
    if let Some(late) = late {
        sleep(late).await;
        respond(&mut lock(&peer.hub), &peer, &asked, at, None);
    }
}

/// Responds, and does it; the time after which alone the response is to come.
fn settle(hub: &mut Hub, peer: &Peer, asked: &Asked, at: Instant, fate: Fate) -> Option<Duration> {
    if !hub.is_attached(peer.subscriber, peer.connection) {
        return None;
    }
    match (judge(hub, peer, asked, fate), fate) {
        (Verdict::Close(code), _) => drop(peer.out.send(Do::Close(code))),
        (Verdict::Error(code, reason), _) => respond(hub, peer, asked, at, Some((code, reason))),
        (Verdict::Silence, Fate::LateResponse(late)) => return Some(late),
        (Verdict::Silence, _) => {}
        (Verdict::Ack, _) if hub.knobs.events_first => {
            follow(hub, peer, asked, fate);
            respond(hub, peer, asked, at, None);
        }
        (Verdict::Ack, _) => {
            respond(hub, peer, asked, at, None);
            follow(hub, peer, asked, fate);
        }
    }
    None
}

fn respond(hub: &mut Hub, peer: &Peer, asked: &Asked, at: Instant, error: Option<(i32, &str)>) {
    let mut response = json!({"response": "ack", "transaction": asked.transaction, "line": asked.line});
    if let Some(call_id) = &asked.call_id {
        response["call_id"] = json!(call_id);
    }
    if let Some((code, reason)) = error {
        count(&mut hub.books.errors, code.to_string());
        response["response"] = json!("error");
        response["code"] = json!(code);
        response["reason"] = json!(reason);
    } else {
        hub.books.acks += 1;
    }
    let _ = peer.out.send(Do::Say(words::write(hub.knobs.dialect, response)));
    hub.books.ack_delays.push(at.elapsed().as_micros() as u64);
}

/// Whether a request can be done: what its response says.
fn judge(hub: &mut Hub, peer: &Peer, asked: &Asked, fate: Fate) -> Verdict {
    let line = asked.line.unwrap_or(usize::MAX);
    if line >= hub.knobs.lines {
        hub.books.violations.push(format!("no such line: {}", asked.text));
    }
    let on_line = hub.on_line(peer.subscriber, line);
    let call = on_line.and_then(|(number, side)| Some((hub.calls.get(&number)?, side)));
    let is_its_call =
        call.is_some_and(|(call, side)| call.leg(side).map(|leg| &leg.call_id) == asked.call_id.as_ref());
    match asked.name.as_str() {
        "outgoing_call" if on_line.is_some() => {
            hub.books.violations.push(format!("a call on a busy line: {}", asked.text));
            Verdict::Error(503, "busy line")
        }
        "outgoing_call" => match fate {
            Fate::Refused(code) => Verdict::Error(code, "as told"),
            Fate::NoResponse | Fate::LateResponse(_) => Verdict::Silence,
            _ => Verdict::Ack,
        },
        "ice_trickle" if on_line.is_none() => Verdict::Error(466, "no call on this line"),
        "ice_trickle" => Verdict::Ack,
        "accept" if !is_its_call => Verdict::Error(410, "gone"),
        _ if is_its_call => Verdict::Ack,
        // Its `hangup` may have crossed ours.
        _ => Verdict::Close(4610),
    }
}

/// The events that a request causes.
fn follow(hub: &mut Hub, peer: &Peer, asked: &Asked, fate: Fate) {
    let Some(line) = asked.line else { return };
    if asked.name == "outgoing_call" {
        return place(hub, peer, asked, line, fate);
    }
    let Some((number, side)) = hub.on_line(peer.subscriber, line) else { return };
    let Some(call) = hub.calls.get(&number).cloned() else { return };
    let own = Some(asked.transaction.as_str());
    match asked.name.as_str() {
        "accept" => answer(hub, number, call, side, asked),
        "decline" | "hangup" if side == Side::Stranger => {
            hub.tell(&call, side, own, json!({"event": "hangingup"}));
            hub.hang_up(&call, side, 200, "as told");
            if let Some(call) = hub.calls.get_mut(&number) {
                call.stranger = None;
            }
        }
        "decline" => {
            hub.tell(&call, side, own, json!({"event": "declining", "code": 603}));
            hub.end(number, 603, "Decline");
        }
        "hangup" => {
            hub.tell(&call, side, own, json!({"event": "hangingup"}));
            let code = if call.answered { 200 } else { 487 };
            hub.end(number, code, "Session Terminated");
        }
        "hold" | "unhold" => {
            let event = if asked.name == "hold" { "holding" } else { "resuming" };
            hub.tell(&call, side, own, json!({"event": event}));
            hub.re_invite(&call, side, &json!({"type": "offer", "sdp": OFFER}));
        }
        "update" => update(hub, number, call, side, asked),
        _ => {}
    }
}

/// An offer goes on to the other side, and an answer to who waits for it (sections 5.10 and 5.11).
fn update(hub: &mut Hub, number: u64, mut call: Call, side: Side, asked: &Asked) {
    let own = Some(asked.transaction.as_str());
    let jsep = &asked.rest["jsep"];
    if jsep["type"] == "offer" {
        call.offered = Some(side);
        hub.calls.insert(number, call.clone());
        hub.tell(&call, side, own, json!({"event": "updating"}));
        return hub.re_invite(&call, side, jsep);
    }
    hub.tell(&call, side, own, json!({"event": "updated"}));
    if let Some(waits) = call.offered.take().filter(|waits| *waits != side) {
        hub.calls.insert(number, call.clone());
        hub.tell(&call, waits, None, json!({"event": "accepted", "jsep": jsep}));
    }
}

/// An `outgoing_call` that was acked.
fn place(hub: &mut Hub, peer: &Peer, asked: &Asked, line: usize, fate: Fate) {
    let call_id = asked.call_id.clone().unwrap_or_default();
    let own = Some(asked.transaction.as_str());
    let number = hub.calls_made;
    let leg = |subscriber, line, call_id| Leg { subscriber, line, call_id };
    let mut call = Call {
        fate,
        transaction: asked.transaction.clone(),
        caller: leg(peer.subscriber, line, call_id.clone()),
        callee: None,
        stranger: None,
        answered: false,
        offered: None,
    };
    // Two calls may have been made before either was acked.
    let number = if hub.calls.contains_key(&number) {
        hub.calls.keys().max().map_or(1, |last| last + 1)
    } else {
        number
    };
    if let Some(client) = hub.clients.get_mut(&peer.subscriber) {
        client.lines[line] = Some((number, Side::Caller));
    }
    hub.tell(&call, Side::Caller, own, json!({"event": "calling"}));
    hub.calls.insert(number, call.clone());
    match fate {
        Fate::HungUp(code) => return hub.end(number, code, "as told"),
        Fate::ErrorEvent(code) => {
            hub.tell(&call, Side::Caller, own, json!({"event": "error", "code": code, "reason": "as told"}));
            return hub.end(number, 500, "Server Internal Error");
        }
        _ => {}
    }
    let called = asked.rest["number"].as_str().unwrap_or_default().to_owned();
    let callee = (0..hub.knobs.subscribers).find(|one| super::number(*one) == called);
    let Some(callee) = callee else { return hub.end(number, 404, "Not Found") };
    if !hub.clients.get(&callee).is_some_and(|client| client.attached) {
        return hub.end(number, 480, "Temporarily Unavailable");
    }
    let their_id = if hub.knobs.rewrite_call_ids { call_id.chars().rev().collect() } else { call_id };
    if fate != Fate::Lost {
        let Some(line) = hub.take_line(callee, number, Side::Callee) else {
            hub.missed(&call, callee, their_id);
            return hub.end(number, 486, "Busy Here");
        };
        call.callee = Some(leg(callee, line, their_id));
        hub.incoming(&call, Side::Callee, callee, &asked.rest["jsep"]);
    }
    let other = match fate {
        Fate::Misdelivered => {
            let others = hub.clients.iter().filter(|(one, client)| {
                ![callee, peer.subscriber].contains(one)
                    && client.attached
                    && client.lines.iter().all(Option::is_none)
            });
            others.map(|(one, _)| *one).min()
        }
        Fate::Duplicated => Some(callee),
        _ => None,
    };
    if let Some(other) = other
        && let Some(line) = hub.take_line(other, number, Side::Stranger)
    {
        call.stranger = Some(leg(other, line, format!("stray-{number}")));
        hub.incoming(&call, Side::Stranger, callee, &asked.rest["jsep"]);
    }
    hub.calls.insert(number, call.clone());
    if let Fate::HangsUpCallerOnly(code) = fate {
        return hub.hang_up(&call, Side::Caller, code, "as told");
    }
    hub.tell_caller(&call, json!({"event": "ringing"}));
    hub.tell_caller(&call, json!({"event": "proceeding", "code": 180}));
}

fn answer(hub: &mut Hub, number: u64, mut call: Call, side: Side, asked: &Asked) {
    if side != Side::Callee || call.answered {
        hub.books.violations.push(format!("accepted what cannot be: {}", asked.text));
        return;
    }
    call.answered = true;
    hub.books.answered += 1;
    hub.calls.insert(number, call.clone());
    hub.tell(&call, side, Some(&asked.transaction), json!({"event": "accepted"}));
    let callee = call.callee.as_ref().map_or(0, |leg| leg.subscriber);
    let accepted = json!({"event": "accepted", "callee": hub.party(callee), "jsep": asked.rest["jsep"]});
    hub.tell_caller(&call, accepted);
    for subscriber in [call.caller.subscriber, callee] {
        let Some(client) = hub.clients.get(&subscriber) else { continue };
        for noise in &hub.knobs.noise_in_calls {
            hub.books.noise += 1;
            let _ = client.out.send(Do::Make(noise.clone()));
        }
        if let Fault::CloseInCall(code) = client.fault {
            let out = client.out.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(50)).await;
                let _ = out.send(Do::Close(code));
            });
        }
    }
    if call.fate == Fate::HalfEnded {
        hub.hang_up(&call, Side::Caller, 200, "SIP BYE");
    }
}
