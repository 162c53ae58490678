//! A client's session under any sequence of texts, times and wishes: never a panic, nothing that grows, nothing
//! that stays due, and whatever it writes is a message that a core reads in the strict reading.
//!
//! The input is a script: steps between bytes 0xFF, which no UTF-8 text has. A step whose first byte is below 7 is
//! the order of that number, with its settings behind it; any other is a text off the socket, as it stands.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wtsp_load::law::{Seed, Time};
use wtsp_load::protocol::{
    Candidate, Dialect, Due, Fact, FromClient, MAX_LINES_KEPT, Reading, RequestBody, Session,
    SessionSettings, decode_bytes_from_client,
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
    now: Time,
    written: Vec<u8>,
    waiting: usize,
    tag: u32,
}

impl Phone {
    fn new(dialect: Dialect) -> Phone {
        let settings = SessionSettings::default();
        let mut session = Session::new(dialect, settings, 1, 2, Seed(7).stream("fuzz", 0));
        session.opened(Time::ZERO);
        Phone { session, now: Time::ZERO, written: Vec::new(), waiting: 0, tag: 0 }
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

    fn hear(&mut self, text: &str) {
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
        if self.session.request(line, body, self.tag, self.now, &mut self.written).is_err() {
            return;
        }
        self.tag += 1;
        self.waiting += 1;
        if has_call {
            let read = decode_bytes_from_client(&self.written, Reading::Strict).expect("a core must read it");
            assert!(matches!(read.message, FromClient::Request(_)), "{:?}", read.message);
            assert!(read.repairs.is_empty(), "{:?} in {:?}", read.repairs, read.message);
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
