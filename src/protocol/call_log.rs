//! What the log of a line tells of its call (protocol, section 2.7).

use super::{EventBody, FromCore, LineState, Reading, decode_from_core};

/// What the log of a line tells of its call. Entries that cannot be read tell nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    /// The call is over, though it is still listed.
    pub is_over: bool,
    /// The call has come in: its earliest event says so.
    pub is_incoming: bool,
    /// The call was accepted.
    pub is_accepted: bool,
}

impl LineState<'_> {
    /// Reads the log of the line. The order is that of the stamps; of equal ones, what stands first is the newest.
    pub fn call_log(&self) -> CallLog {
        let mut log = CallLog::default();
        let (mut newest, mut oldest) = (i64::MIN, i64::MAX);
        for entry in &self.call_logs {
            let Ok(decoded) = decode_from_core(entry.message.get(), Reading::Tolerant) else { continue };
            let FromCore::Event(event) = decoded.message else { continue };
            log.is_accepted |= matches!(event.body, EventBody::Accepted { .. });
            if entry.timestamp > newest {
                newest = entry.timestamp;
                log.is_over = matches!(event.body, EventBody::Hangup { .. } | EventBody::MissedCall { .. });
            }
            if entry.timestamp <= oldest {
                oldest = entry.timestamp;
                log.is_incoming = matches!(event.body, EventBody::IncomingCall(_));
            }
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::State;

    const IN: &str = r#"{"event":"incoming_call","callee":"2","caller":"1"}"#;
    const RINGING: &str = r#"{"event":"ringing"}"#;
    const ACCEPTED: &str = r#"{"event":"accepted"}"#;
    const HANGUP: &str = r#"{"event":"hangup","code":200,"reason":"x"}"#;

    fn read(log: &[(i64, &str)]) -> CallLog {
        let entries: Vec<String> = log.iter().map(|(stamp, text)| format!("[{stamp},{text}]")).collect();
        let text = format!(
            r#"{{"handshake":"state","keepalive_interval":30000,"timestamp":1,"registration":{{"status":"registered"}},
                "lines":[{{"call_id":"a","call_logs":[{}]}}]}}"#,
            entries.join(",")
        );
        let decoded = decode_from_core(&text, Reading::Tolerant).expect("a message");
        let FromCore::State(State { lines, .. }) = decoded.message else { panic!("a state") };
        lines[0].as_ref().expect("a line").call_log()
    }

    #[test]
    fn the_direction_is_that_of_the_earliest_event_and_the_end_that_of_the_latest() {
        let ringing = CallLog { is_incoming: true, ..CallLog::default() };
        assert_eq!(read(&[(5, IN)]), ringing);
        assert_eq!(read(&[(6, RINGING), (5, IN)]), ringing);
        assert_eq!(read(&[(5, IN), (6, RINGING)]), ringing, "the order of the wire is not to be trusted");
        assert_eq!(read(&[(5, RINGING), (5, IN)]), ringing, "of equal stamps the last is the oldest");
        assert_eq!(read(&[(7, ACCEPTED), (5, IN)]), CallLog { is_accepted: true, ..ringing });
        assert!(read(&[(8, HANGUP), (7, ACCEPTED), (5, IN)]).is_over);
        assert!(!read(&[(5, RINGING)]).is_incoming);
        let nested = r#"{"event":"call","data":{"callee":"2","caller":"1"}}"#;
        assert!(read(&[(5, nested)]).is_incoming);
    }

    #[test]
    fn what_cannot_be_read_tells_nothing() {
        let log = [(9, r#"{"event":"hangup","code":[]}"#), (8, r#"{"response":"ack"}"#), (5, "{}"), (6, IN)];
        let log = read(&log);
        assert!(log.is_incoming && !log.is_accepted, "{log:?}");
        assert_eq!(read(&[]), CallLog::default());
    }
}
