//! The requests that make the load, prepared: their whole text, with places for what changes.
//!
//! All clients of a run send the same few requests, of which only the transaction, the line, the call id and the number
//! change; descriptions and candidates are JSON already. Transactions and call ids of our own have a fixed length, and so
//! have lines of one digit and nearly always the numbers of a pool. So the text of such a request is written once, by the
//! encoder, with markers in those places; to send it is to copy it and to put the values where the markers are. The
//! encoder stays what defines a message, and writes whatever is not prepared: rarer requests, and values of another shape.

use std::sync::{Arc, LazyLock};

use serde_json::value::RawValue;

use super::fast::is_plain_ascii;
use super::{
    CallId, Candidate, Dialect, Jsep, JsepKind, Keepalive, Line, NotInDialect, RequestBody, RequestName,
    Text, TransactionIds,
};

/// A request that is about to be sent.
#[derive(Clone, Debug)]
pub enum Outgoing<'a> {
    /// One that is written as it is sent.
    Body(RequestBody<'a>),
    /// One that was prepared, with the number to call; no number where there is none to say.
    Prepared(&'a Prepared, &'a str),
}

impl<'a> From<RequestBody<'a>> for Outgoing<'a> {
    fn from(body: RequestBody<'a>) -> Self {
        Outgoing::Body(body)
    }
}

impl Outgoing<'_> {
    /// The name of the request.
    pub fn name(&self) -> RequestName {
        match self {
            Outgoing::Body(body) => body.name(),
            Outgoing::Prepared(prepared, _) => prepared.name,
        }
    }

    /// Writes it with the next of the transaction ids into `out`, in place of what that held.
    ///
    /// # Errors
    /// The dialect cannot say it: nothing was written.
    pub fn encode(
        &self,
        dialect: Dialect,
        ids: &TransactionIds,
        line: Line,
        call_id: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotInDialect> {
        match self {
            Outgoing::Body(body) => body.encode(dialect, ids.text(), line, call_id, out),
            Outgoing::Prepared(prepared, number) => prepared.encode(dialect, ids, line, call_id, number, out),
        }
    }
}

/// A request in one dialect that is sent again and again.
#[derive(Debug)]
pub struct Prepared {
    dialect: Dialect,
    name: RequestName,
    /// The description or candidate in it.
    json: Option<Arc<RawValue>>,
    marked: Marked,
}

impl Prepared {
    /// An `outgoing_call` (flat) or `call` (nested) with this offer, to numbers that are nearly always of so many
    /// characters.
    pub fn outgoing_call(dialect: Dialect, offer: Arc<RawValue>, number_length: usize) -> Prepared {
        Prepared::new(dialect, RequestName::OutgoingCall, Some(offer), number_length)
    }

    /// An `accept` with this answer.
    pub fn accept(dialect: Dialect, answer: Arc<RawValue>) -> Prepared {
        Prepared::new(dialect, RequestName::Accept, Some(answer), 0)
    }

    /// An `ice_trickle` with this candidate, or with the mark that there are no more.
    pub fn ice_trickle(dialect: Dialect, candidate: Option<Arc<RawValue>>) -> Prepared {
        Prepared::new(dialect, RequestName::IceTrickle, candidate, 0)
    }

    /// A `hangup`.
    pub fn hangup(dialect: Dialect) -> Prepared {
        Prepared::new(dialect, RequestName::Hangup, None, 0)
    }

    fn new(
        dialect: Dialect,
        name: RequestName,
        json: Option<Arc<RawValue>>,
        number_length: usize,
    ) -> Prepared {
        // A candidate belongs to a line, not to a call (decision 12.33).
        let call_id = (name != RequestName::IceTrickle).then_some(CALL_ID);
        let number = NUMBER.repeat(number_length);
        let mut text = Vec::new();
        let body = body(name, json.as_deref(), &number);
        // What the dialect could not say would leave no text, and be refused when it is sent.
        let _ = body.encode(dialect, TRANSACTION, Line::Main(LINE), call_id, &mut text);
        let marked = Marked::new(text, call_id, &number);
        Prepared { dialect, name, json, marked }
    }

    /// What it asks for, when it is sent to this number.
    pub fn body<'a>(&'a self, number: &'a str) -> RequestBody<'a> {
        body(self.name, self.json.as_deref(), number)
    }

    /// Writes it with the next of the transaction ids into `out`, in place of what that held. In another dialect than
    /// the one it was prepared in the encoder writes it.
    ///
    /// # Errors
    /// The dialect cannot say it: nothing was written.
    #[inline]
    pub fn encode(
        &self,
        dialect: Dialect,
        ids: &TransactionIds,
        line: Line,
        call_id: Option<&str>,
        number: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), NotInDialect> {
        match line {
            Line::Main(line @ 0..=9)
                if self.dialect == dialect
                    && self.marked.write(ids, line as u8, call_id, number, out).is_some() =>
            {
                Ok(())
            }
            _ => self.encode_unprepared(dialect, ids, line, call_id, number, out),
        }
    }

    #[cold]
    #[inline(never)]
    fn encode_unprepared(
        &self,
        dialect: Dialect,
        ids: &TransactionIds,
        line: Line,
        call_id: Option<&str>,
        number: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), NotInDialect> {
        self.body(number).encode(dialect, ids.text(), line, call_id, out)
    }
}

fn body<'a>(name: RequestName, json: Option<&'a RawValue>, number: &'a str) -> RequestBody<'a> {
    let jsep = |kind| json.map(|sdp| Jsep { kind, sdp });
    match name {
        RequestName::OutgoingCall => RequestBody::OutgoingCall {
            number: Text::Borrowed(number),
            jsep: jsep(JsepKind::Offer),
            from: None,
            refer_id: None,
            replaces: None,
        },
        RequestName::Accept => RequestBody::Accept { jsep: jsep(JsepKind::Answer) },
        RequestName::IceTrickle => {
            RequestBody::IceTrickle { candidate: json.map_or(Candidate::EndCompleted, Candidate::One) }
        }
        _ => RequestBody::Hangup,
    }
}

/// Writes a keepalive with the next of the transaction ids into `out`, in place of what that held.
pub fn encode_keepalive(dialect: Dialect, ids: &TransactionIds, out: &mut Vec<u8>) {
    static FLAT: LazyLock<Marked> = LazyLock::new(|| Marked::keepalive(Dialect::Flat));
    static NESTED: LazyLock<Marked> = LazyLock::new(|| Marked::keepalive(Dialect::Nested));
    let marked = match dialect {
        Dialect::Flat => &FLAT,
        Dialect::Nested => &NESTED,
    };
    if marked.write(ids, 0, None, "", out).is_none() {
        // Each dialect has a keepalive, so this cannot fail.
        let _ = Keepalive::new(dialect, Text::Borrowed(ids.text())).encode(out);
    }
}

// Markers are capitals, of which nothing else in a message has as many. All stand before its JSON.
const TRANSACTION: &str = "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT";
const LINE: u16 = 7;
const CALL_ID: &str = "CCCCCCCCCCCCCCCCCCCCCCCC";
const NUMBER: &str = "N";
const _: () = assert!(TRANSACTION.len() == TransactionIds::LENGTH && CALL_ID.len() == CallId::LENGTH);

/// A text with markers in it, and where they are.
#[derive(Debug)]
struct Marked {
    text: Box<[u8]>,
    transaction: usize,
    /// What a request does not have stands where its transaction does, and is written over by that: to ask whether it
    /// has it would be a branch that is foreseen in half of all messages, which is dearer than to write it.
    line: usize,
    call_id: usize,
    has_call_id: bool,
    number: usize,
    number_length: usize,
}

impl Marked {
    /// A text with this marker of a call id, if it has one, and of a number.
    fn new(text: Vec<u8>, call_id: Option<&str>, number: &str) -> Marked {
        let find = |marker: &str| text.windows(marker.len().max(1)).position(|it| it == marker.as_bytes());
        let transaction = find(TRANSACTION).unwrap_or(text.len());
        let line_key = "\"line\":";
        Marked {
            transaction,
            line: find(&format!("{line_key}{LINE}")).map_or(transaction, |begin| begin + line_key.len()),
            call_id: call_id.and_then(find).unwrap_or(transaction),
            has_call_id: call_id.is_some(),
            number: find(number).unwrap_or(transaction),
            number_length: number.len(),
            text: text.into(),
        }
    }

    fn keepalive(dialect: Dialect) -> Marked {
        let mut text = Vec::new();
        // The nested one has a line of its own, which stays; it cannot fail, as above.
        let _ = Keepalive::new(dialect, Text::Borrowed(TRANSACTION)).encode(&mut text);
        Marked::new(text, None, "")
    }

    /// Writes it in place of what `out` held; `None` if one of the values has another shape than its marker.
    #[inline(always)]
    fn write(
        &self,
        ids: &TransactionIds,
        line: u8,
        call_id: Option<&str>,
        number: &str,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let is_of_its_shape = call_id.is_some() == self.has_call_id && number.len() == self.number_length;
        let call_id: &[u8; CallId::LENGTH] = call_id.unwrap_or(CALL_ID).as_bytes().as_array()?;
        (is_of_its_shape && is_plain_ascii(call_id)).then_some(())?;
        out.clear();
        out.extend_from_slice(&self.text);
        put(out, self.line, &[b'0' + line])?;
        put(out, self.call_id, call_id)?;
        put(out, self.transaction, ids.bytes())?;
        if !number.is_empty() {
            put_number(out, self.number, number.as_bytes())?;
        }
        Some(())
    }
}

#[inline(always)]
fn put<const N: usize>(out: &mut [u8], at: usize, bytes: &[u8; N]) -> Option<()> {
    *out.get_mut(at..)?.first_chunk_mut()? = *bytes;
    Some(())
}

/// The same of a number, if there is no character in it that would have to be escaped.
#[inline(always)]
fn put_number(out: &mut [u8], at: usize, number: &[u8]) -> Option<()> {
    let (Some(first), Some(last), ..=16) =
        (number.first_chunk::<8>(), number.last_chunk::<8>(), number.len())
    else {
        return put_other_number(out, at, number);
    };
    // In two pieces that may overlap.
    put(out, at, first)?;
    put(out, at + number.len() - last.len(), last)?;
    (is_plain_ascii(first) && is_plain_ascii(last)).then_some(())
}

/// The same of one that is shorter than eight characters or longer than sixteen.
#[inline(never)]
fn put_other_number(out: &mut [u8], at: usize, number: &[u8]) -> Option<()> {
    out.get_mut(at..)?.get_mut(..number.len())?.copy_from_slice(number);
    number.iter().all(|byte| is_plain_ascii(&[*byte; 8])).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::protocol::Request;

    const DIALECTS: [Dialect; 2] = [Dialect::Flat, Dialect::Nested];
    const OWN_CALL_ID: &str = "kT4vQ9mZc2XwB7nLr0HsYd3E";

    fn prepared(dialect: Dialect, json: &RawValue, number_length: usize) -> [Prepared; 5] {
        let json = || Arc::from(json.to_owned());
        [
            Prepared::outgoing_call(dialect, json(), number_length),
            Prepared::accept(dialect, json()),
            Prepared::ice_trickle(dialect, Some(json())),
            Prepared::ice_trickle(dialect, None),
            Prepared::hangup(dialect),
        ]
    }

    fn any_line() -> impl Strategy<Value = Line> {
        prop_oneof![
            (0..12_u16).prop_map(Line::Main),
            any::<u16>().prop_map(Line::Main),
            Just(Line::Guest),
            Just(Line::Absent),
            Just(Line::Invalid),
        ]
    }

    proptest! {
        #[test]
        fn a_prepared_request_says_what_the_encoder_says(
            client in any::<u32>(),
            counter in prop_oneof![0..10_000_u32, any::<u32>()],
            line in any_line(),
            call_id in proptest::option::of("[a-zA-Z0-9]{24}|[ -~]{24}|\\PC{0,30}|.{24}"),
            number in "[0-9]{0,20}|[ -~]{0,18}|.{0,18}",
            other_length in proptest::option::of(0..20_usize),
            json in ".{0,300}|[TCN]{0,300}",
            before in 0..1_000_usize,
        ) {
            let json = to_raw_value(&json).unwrap();
            let mut ids = TransactionIds::new(client, client);
            ids.skip_to(counter);
            let before = vec![b'x'; before];
            for dialect in DIALECTS {
                for prepared in prepared(dialect, &json, other_length.unwrap_or(number.len())) {
                    let outgoing = Outgoing::Prepared(&prepared, &number);
                    for call_id in [call_id.as_deref(), Some(OWN_CALL_ID), None] {
                        for written in DIALECTS {
                            let (mut own, mut plain) = (before.clone(), before.clone());
                            let result = outgoing.encode(written, &ids, line, call_id, &mut own);
                            let transaction = ids.text().into();
                            let (call_id, body) = (call_id.map(Text::Borrowed), prepared.body(&number));
                            prop_assert_eq!(body.name(), outgoing.name());
                            let request = Request { transaction, line, call_id, body };
                            prop_assert_eq!(result, request.encode(written, &mut plain));
                            prop_assert_eq!(String::from_utf8(own), String::from_utf8(plain));
                        }
                    }
                }
                let (mut own, mut plain) = (Vec::new(), Vec::new());
                encode_keepalive(dialect, &ids, &mut own);
                Keepalive::new(dialect, ids.text().into()).encode(&mut plain).unwrap();
                prop_assert_eq!(own, plain);
            }
        }
    }

    #[test]
    fn values_of_our_own_shape_are_put_in_place_and_others_left_to_the_encoder() {
        let json = to_raw_value("v=0\r\n").unwrap();
        let ids = TransactionIds::new(731_904_552, 17);
        let is_put = |prepared: &Prepared, call_id, number| {
            prepared.marked.write(&ids, 9, call_id, number, &mut Vec::new()).is_some()
        };
        for dialect in DIALECTS {
            for number in ["15550177", "101", "+4915550177", "", "a number of more than sixteen"] {
                let [call, others @ ..] = prepared(dialect, &json, number.len());
                assert!(is_put(&call, Some(OWN_CALL_ID), number), "{dialect} {number}");
                for other in others {
                    let has_call_id = other.name != RequestName::IceTrickle;
                    assert!(is_put(&other, has_call_id.then_some(OWN_CALL_ID), ""), "{dialect} {other:?}");
                    assert!(!is_put(&other, (!has_call_id).then_some(OWN_CALL_ID), ""));
                }
            }
            let [call, ..] = prepared(dialect, &json, 8);
            for call_id in [Some("a-call-id\\of-24-character"), Some("short"), None] {
                assert!(!is_put(&call, call_id, "15550177"), "{call_id:?}");
            }
            for number in ["1555\"177", "\u{fc}\u{fc}\u{fc}\u{fc}", "1555017", "155501777"] {
                assert!(!is_put(&call, Some(OWN_CALL_ID), number), "{number}");
            }
            assert!(Marked::keepalive(dialect).write(&ids, 0, None, "", &mut Vec::new()).is_some());
        }
    }
}
