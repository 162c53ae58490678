//! The messages that the ratios are taken on: those of a call flow, in many variants, so that the processor's branch
//! predictor does not learn one text by heart.
//!
//! Shares and sizes are those of the prototype that the goals come from: of 208 messages received a quarter are
//! keepalives, a third acks, and one in twelve has a session description; the mean is about 330 bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde_json::value::{RawValue, to_raw_value};
use wtsp_load::law::{Draws, Seed};
use wtsp_load::protocol::{CallId, Dialect, Line, Prepared, TransactionIds, encode_keepalive};

/// How a server orders the keys of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// As a small map of Erlang's does: the kind and the transaction come behind a session description.
    Alphabetical,
    /// As the documents write them.
    Documented,
}

/// What a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Keepalive,
    Ack,
    Calling,
    Ringing,
    Proceeding,
    Accepted,
    IncomingCall,
    IceWebrtcup,
    IceMedia,
    Hangup,
    State,
}

/// How many of each are in the mix of messages received.
const MIX: [(Received, usize); 11] = [
    (Received::Keepalive, 48),
    (Received::Ack, 64),
    (Received::Calling, 15),
    (Received::Ringing, 15),
    (Received::Proceeding, 8),
    (Received::Accepted, 8),
    (Received::IncomingCall, 9),
    (Received::IceWebrtcup, 10),
    (Received::IceMedia, 9),
    (Received::Hangup, 16),
    (Received::State, 6),
];

/// How often the mix is there, each time with other ids.
const VARIANTS: usize = 4;

/// The mix of the messages received, shuffled.
pub fn received_mix(dialect: Dialect, order: KeyOrder) -> Vec<String> {
    let mut writer = Writer::new(dialect, order);
    let kinds = MIX.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, count * VARIANTS));
    let mut texts: Vec<String> = kinds.map(|kind| writer.received(kind)).collect();
    texts.shuffle(&mut writer.draws);
    texts
}

/// 64 variants of one message.
pub fn received(kind: Received, dialect: Dialect, order: KeyOrder) -> Vec<String> {
    let mut writer = Writer::new(dialect, order);
    (0..64).map(|_| writer.received(kind)).collect()
}

struct Writer {
    dialect: Dialect,
    order: KeyOrder,
    draws: Draws,
}

type Members = Vec<(&'static str, String)>;

impl Writer {
    fn new(dialect: Dialect, order: KeyOrder) -> Writer {
        Writer { dialect, order, draws: Seed(5).stream("texts", 0) }
    }

    fn object(&self, mut members: Members) -> String {
        if self.order == KeyOrder::Alphabetical {
            members.sort_unstable();
        }
        let members: Vec<String> =
            members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn received(&mut self, kind: Received) -> String {
        let is_nested = self.dialect == Dialect::Nested;
        let ids = transaction_ids(&mut self.draws);
        let transaction = ("transaction", quoted(ids.text()));
        let line = ("line", self.draws.random_range(0..4_u8).to_string());
        let call_id = ("call_id", quoted(&CallId::random(&mut self.draws)));
        let code = |code: u16| ("code", code.to_string());
        let event = |name| ("event", quoted(name));
        let (envelope, properties) = match kind {
            Received::Keepalive if is_nested => {
                (vec![("response", quoted("ack")), transaction, ("line", "0".to_owned())], vec![])
            }
            Received::Keepalive => (vec![("handshake", quoted("keepalive")), transaction], vec![]),
            Received::Ack if is_nested => (vec![("response", quoted("ack")), line, transaction], vec![]),
            Received::Ack => (vec![("response", quoted("ack")), transaction, line, call_id], vec![]),
            Received::Calling => (vec![event("calling"), transaction, line, call_id], vec![]),
            Received::Ringing => (vec![event("ringing"), transaction, line, call_id], vec![]),
            Received::Proceeding => (vec![event("proceeding"), transaction, line, call_id], vec![code(183)]),
            Received::Accepted => {
                let jsep = ("jsep", self.jsep("answer", 2_000));
                (
                    vec![event("accepted"), transaction, line, call_id],
                    vec![("callee", quoted(&self.number())), jsep],
                )
            }
            Received::IncomingCall => {
                let name = if self.draws.random() { "J\u{f6}rg M\u{fc}ller" } else { "Load Probe" };
                let jsep = ("jsep", self.jsep("offer", 3_100));
                let parties = vec![
                    ("callee", quoted(&self.number())),
                    ("caller", quoted(&self.number())),
                    ("caller_display_name", quoted(name)),
                    jsep,
                ];
                (vec![event(if is_nested { "call" } else { "incoming_call" }), line, call_id], parties)
            }
            Received::IceWebrtcup => (vec![event("ice_webrtcup"), line], vec![]),
            Received::IceMedia => (
                vec![event("ice_media"), line],
                vec![
                    ("mid", quoted("0")),
                    ("type", quoted("audio")),
                    ("receiving", self.draws.random::<bool>().to_string()),
                ],
            ),
            Received::Hangup => (
                vec![event("hangup"), transaction, line, call_id],
                vec![code(200), ("reason", quoted("Session Terminated"))],
            ),
            Received::State => {
                let lines = ["[null,null]", "[null,null,null,null]", "[]"];
                let registration = self.object(vec![("status", quoted("registered"))]);
                let lines = lines[self.draws.random_range(0..lines.len())].to_owned();
                let timestamp = self.draws.random_range(1_786_012_801_337_u64..1_800_000_000_000);
                return self.object(vec![
                    ("handshake", quoted("state")),
                    ("keepalive_interval", "30000".to_owned()),
                    ("timestamp", timestamp.to_string()),
                    ("registration", registration),
                    ("lines", lines),
                ]);
            }
        };
        let mut members = envelope;
        if is_nested && !properties.is_empty() {
            members.push(("data", self.object(properties)));
        } else {
            members.extend(properties);
        }
        self.object(members)
    }

    fn number(&mut self) -> String {
        format!("1555{:04}", self.draws.random_range(0..10_000_u32))
    }

    fn jsep(&mut self, kind: &str, bytes: usize) -> String {
        let sdp = sdp(bytes, &mut self.draws);
        self.object(vec![("type", quoted(kind)), ("sdp", sdp.get().to_owned())])
    }
}

/// Those of some client that has sent a few thousand requests at the most.
fn transaction_ids(draws: &mut Draws) -> TransactionIds {
    let mut ids = TransactionIds::new(draws.random(), draws.random());
    ids.skip_to(draws.random_range(0..5_000));
    ids
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A description of about as many bytes, as a JSON string: lines of 30 to 100 letters, each with an escaped end.
fn sdp(bytes: usize, draws: &mut Draws) -> Box<RawValue> {
    let bytes = draws.random_range(bytes..bytes + bytes / 8);
    let mut sdp = format!("v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", draws.random::<u32>());
    while sdp.len() + 60 < bytes {
        let _ = match draws.random_range(0..3) {
            0 => write!(sdp, "a=rtpmap:{} opus/48000/2\r\n", draws.random_range(96..128)),
            1 => {
                write!(sdp, "a=extmap:{} urn:ietf:params:rtp-hdrext:sdes:mid\r\n", draws.random_range(1..15))
            }
            _ => write!(
                sdp,
                "a=candidate:{} 1 udp 2122260223 192.0.2.{} {} typ host generation 0 network-id 1\r\n",
                draws.random::<u32>(),
                draws.random::<u8>(),
                draws.random::<u16>(),
            ),
        };
    }
    to_raw_value(&sdp).unwrap()
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Keepalive,
    OutgoingCall,
    Accept,
    IceTrickle,
    EndOfCandidates,
    Hangup,
}

/// Of twelve messages sent: the mean is about 600 bytes.
const SENT_MIX: [(Sent, usize); 6] = [
    (Sent::Keepalive, 3),
    (Sent::OutgoingCall, 1),
    (Sent::Accept, 1),
    (Sent::IceTrickle, 5),
    (Sent::EndOfCandidates, 1),
    (Sent::Hangup, 1),
];

/// A message about to be written.
pub struct Outgoing {
    ids: TransactionIds,
    /// What it is prepared as; a keepalive has its own way.
    prepared: Option<Prepared>,
    line: u16,
    call_id: Option<String>,
    number: String,
}

impl Outgoing {
    /// Writes it as a session does: with a fresh transaction, into a buffer that is warm.
    pub fn encode(&mut self, dialect: Dialect, out: &mut Vec<u8>) {
        match &self.prepared {
            None => encode_keepalive(dialect, &self.ids, out),
            Some(prepared) => {
                let line = Line::Main(self.line);
                prepared
                    .encode(dialect, &self.ids, line, self.call_id.as_deref(), &self.number, out)
                    .unwrap();
            }
        }
        self.ids.advance();
    }
}

/// The mix of the messages sent, shuffled.
pub fn sent_mix(dialect: Dialect) -> Vec<Outgoing> {
    let mut sender = Sender::new(dialect);
    let kinds = SENT_MIX.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, count * 64));
    let mut messages: Vec<Outgoing> = kinds.map(|kind| sender.outgoing(kind)).collect();
    messages.shuffle(&mut sender.draws);
    messages
}

/// 64 variants of one message.
pub fn sent(kind: Sent, dialect: Dialect) -> Vec<Outgoing> {
    let mut sender = Sender::new(dialect);
    (0..64).map(|_| sender.outgoing(kind)).collect()
}

struct Sender {
    dialect: Dialect,
    draws: Draws,
}

impl Sender {
    fn new(dialect: Dialect) -> Sender {
        Sender { dialect, draws: Seed(6).stream("sent", 0) }
    }

    fn outgoing(&mut self, kind: Sent) -> Outgoing {
        let dialect = self.dialect;
        let number = format!("1555{:04}", self.draws.random_range(0..10_000_u32));
        let mut sdp = |bytes| Arc::from(sdp(bytes, &mut self.draws));
        let prepared = match kind {
            Sent::Keepalive => None,
            Sent::OutgoingCall => Some(Prepared::outgoing_call(dialect, sdp(3_000), number.len())),
            Sent::Accept => Some(Prepared::accept(dialect, sdp(2_000))),
            Sent::IceTrickle => {
                let candidate = to_raw_value(&self.candidate()).unwrap();
                Some(Prepared::ice_trickle(dialect, Some(candidate.into())))
            }
            Sent::EndOfCandidates => Some(Prepared::ice_trickle(dialect, None)),
            Sent::Hangup => Some(Prepared::hangup(dialect)),
        };
        let has_call_id = matches!(kind, Sent::OutgoingCall | Sent::Accept | Sent::Hangup);
        Outgoing {
            ids: transaction_ids(&mut self.draws),
            prepared,
            line: self.draws.random_range(0..4),
            call_id: has_call_id.then(|| CallId::random(&mut self.draws).to_string()),
            number: if kind == Sent::OutgoingCall { number } else { String::new() },
        }
    }

    fn candidate(&mut self) -> serde_json::Value {
        serde_json::json!({
            "candidate": format!(
                "candidate:{} 1 udp 2122260223 192.0.2.{} {} typ host generation 0 network-cost 10",
                self.draws.random::<u32>(), self.draws.random::<u8>(), self.draws.random::<u16>(),
            ),
            "sdpMid": "0",
            "sdpMLineIndex": 0,
        })
    }
}
