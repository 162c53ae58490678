//! A client's session and its server twin under any sequence of texts, times and wishes: never a panic, nothing that
//! grows, nothing that stays due, and whatever the client writes is a message that a core reads in the strict reading
//! and that the twin takes for one. What comes off the client's socket is thrown at the twin too.
//!
//! The input is a script: steps between bytes 0xFF, which no UTF-8 text has. A step whose first byte is below 7 is
//! the order of that number, with its settings behind it; any other is a text off the socket, as it stands.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wtsp_load::law::{Seed, Time};
use wtsp_load::protocol::{
    Candidate, CoreSession, Dialect, Due, EarlyRequests, Fact, FromClient, Heard, Line, LineTable, Lines,
    MAX_LINES_KEPT, OnLine, Reading, RequestBody, Session, SessionRules, SessionSettings, Supervision,
    Violation, decode_bytes_from_client,
};

const STATE: &str = r#"{"handshake":"state","keepalive_interval":30000,"timestamp":1,
    "registration":{"status":"registered"},"lines":[null,null]}"#;

/// The bound that the session promises for requests without an answer.
const MAX_PENDING: usize = 256;

fuzz_target!(|script: &[u8]| {
    // Most scripts begin attached, so that a text alone reaches the calls.
    let (dialect, attached) = match script.first() {
        Some(b'!') => (Dialect::Nested, true),
        Some(b'?') => (Dialect::Flat, false),
        _ => (Dialect::Flat, true),
    };
    let mut phone = Phone::new(dialect);
    if attached {
        phone.hear(STATE);
    }
    for step in script.split(|byte| *byte == 0xFF) {
        phone.step(step);
        phone.serve_what_is_due();
        phone.check();
    }
});

/// A client without a socket.
struct Phone {
    session: Session,
    /// Who reads what it writes.
    twin: CoreSession,
    /// Who reads what it is sent: texts of any kind.
    target: CoreSession,
    now: Time,
    written: Vec<u8>,
    waiting: usize,
    tag: u64,
}

impl Phone {
    fn new(dialect: Dialect) -> Phone {
        let settings = SessionSettings::default();
        let mut session = Session::new(dialect, settings, 1, 2, Seed(7).stream("fuzz", 0));
        session.opened(Time::ZERO);
        let twin = core(Some(dialect), Reading::Strict);
        let target = core(None, Reading::Tolerant);
        Phone { session, twin, target, now: Time::ZERO, written: Vec::new(), waiting: 0, tag: 0 }
    }

    fn step(&mut self, step: &[u8]) {
        let setting = |at: usize| step.get(at).copied().unwrap_or_default();
        match step.first() {
            Some(0) => {
                self.now += Duration::from_millis(u64::from(u16::from_le_bytes([setting(1), setting(2)])));
            }
            Some(1) => self.request(setting(1), usize::from(setting(2))),
            Some(2) => self.reopen(),
            Some(3) => drop(self.session.take_line(self.now)),
            Some(4) => self.session.free_line(usize::from(setting(1)), self.now),
            Some(5) => self.hear(STATE),
            Some(6) => self.hear_the_answer(setting(1)),
            _ => {
                if let Ok(text) = std::str::from_utf8(step) {
                    self.hear(text);
                }
            }
        }
    }

    /// The twin reads what was written last: it may dislike what is asked for, but not how.
    fn be_judged(&mut self) {
        let text = std::str::from_utf8(&self.written).expect("we write UTF-8");
        let heard = self.twin.receive(text, self.now, &Account(self.session.lines()));
        match heard {
            Heard::Close(violation @ (Violation::Unparsable | Violation::NotAMessage), _)
            | Heard::Close(violation @ (Violation::UnknownRequest | Violation::WrongCall), _) => {
                panic!("{violation:?}: {text}")
            }
            Heard::Repeated(request, _) => panic!("a transaction used twice: {request:?}"),
            Heard::Request(request) => {
                let transaction = request.transaction.to_string();
                self.twin.answered(&transaction, Ok(()));
            }
            _ => {}
        }
    }

    fn hear(&mut self, text: &str) {
        let account = Account(self.session.lines());
        if let Heard::Request(request) = self.target.receive(text, self.now, &account) {
            let transaction = request.transaction.to_string();
            self.target.answered(&transaction, Ok(()));
        }
        if let Fact::Response { tag, .. } = self.session.handle(text, self.now).fact {
            assert!(tag < self.tag, "an answer to a request that was never made");
            self.waiting = self.waiting.checked_sub(1).expect("more answers than requests");
        }
    }

    fn reopen(&mut self) {
        self.session.opened(self.now);
        self.waiting = 0;
    }

    fn request(&mut self, kind: u8, line: usize) {
        let body = match kind % 8 {
            0 => RequestBody::Accept { jsep: None },
            1 => RequestBody::Decline { refer_id: None },
            2 => RequestBody::Hangup,
            3 => RequestBody::Hold { direction: Some("inactive".into()) },
            4 => RequestBody::Unhold,
            5 => RequestBody::Transfer { number: "1002".into(), replace_call_id: None },
            6 => RequestBody::IceTrickle { candidate: Candidate::EndNull },
            _ => RequestBody::OutgoingCall {
                number: "1001".into(),
                jsep: None,
                from: None,
                refer_id: None,
                replaces: None,
            },
        };
        let has_call = self.session.lines().is_busy(line);
        if self.session.request(Some(line), &body.into(), self.tag, self.now, &mut self.written).is_err() {
            return;
        }
        self.tag += 1;
        self.waiting += 1;
        if has_call {
            let read = decode_bytes_from_client(&self.written, Reading::Strict).expect("a core must read it");
            assert!(matches!(read.message, FromClient::Request(_)), "{:?}", read.message);
            assert!(read.repairs.is_empty(), "{:?} in {:?}", read.repairs, read.message);
            self.be_judged();
        }
    }

    /// What a core would say to the last text written.
    fn hear_the_answer(&mut self, refused: u8) {
        let Ok(read) = decode_bytes_from_client(&self.written, Reading::Strict) else { return };
        let mut answer = Vec::new();
        let dialect = self.session.dialect();
        let encoded = match &read.message {
            FromClient::Request(request) if refused % 2 == 1 => {
                request.refuse(471, "fuzz".into()).encode(dialect, &mut answer)
            }
            FromClient::Request(request) => request.ack().encode(dialect, &mut answer),
            FromClient::Keepalive(keepalive) => keepalive.answer().encode(dialect, &mut answer),
            FromClient::Unknown(unknown) => panic!("wrote {unknown:?}"),
        };
        if encoded.is_ok() {
            let answer = String::from_utf8(answer).expect("we write UTF-8");
            self.hear(&answer);
        }
    }

    fn serve_what_is_due(&mut self) {
        let mut served = 0;
        while let Some(due) = self.session.due(self.now) {
            served += 1;
            assert!(served <= MAX_PENDING + 4, "there is no end to what is due: {due:?}");
            match due {
                Due::Keepalive => {
                    self.session.keepalive(self.now, &mut self.written);
                    let read = decode_bytes_from_client(&self.written, Reading::Strict)
                        .expect("a core must read it");
                    assert!(matches!(read.message, FromClient::Keepalive(_)), "{:?}", read.message);
                    self.be_judged();
                }
                Due::RequestTimeout { .. } => {
                    self.waiting = self.waiting.checked_sub(1).expect("more time-outs than requests");
                }
                Due::KeepaliveMissed | Due::StateTimeout => {}
            }
        }
        // A worker that sleeps until `next_due` would otherwise never sleep again.
        assert!(self.session.next_due() > self.now, "something stays due");
    }

    fn check(&self) {
        let lines = self.session.lines();
        assert!(lines.len() <= MAX_LINES_KEPT);
        assert!(lines.busy() <= lines.len());
        assert!(self.session.pending() <= MAX_PENDING);
        assert!(self.session.pending() <= self.waiting);
    }
}

/// The client's own lines, as the account that its twin keeps.
struct Account<'a>(&'a Lines);

impl LineTable for Account<'_> {
    fn on(&self, line: Line) -> OnLine<'_> {
        let Line::Main(line) = line else { return OnLine::Nothing };
        let line = usize::from(line);
        match self.0.call_id(line) {
            Some(call_id) => OnLine::Call(call_id),
            None if line < self.0.len() => OnLine::Free,
            None => OnLine::Nothing,
        }
    }
}

/// A core that has sent its state.
fn core(dialect: Option<Dialect>, reading: Reading) -> CoreSession {
    let rules = SessionRules {
        dialect,
        early_requests: EarlyRequests::Close,
        supervision: Supervision::Generous,
        keepalive_interval: Duration::from_secs(30),
        reading,
    };
    let mut core = CoreSession::new(rules, Time::ZERO);
    core.state_sent(Time::ZERO);
    core
}
