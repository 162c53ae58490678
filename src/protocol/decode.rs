//! From text to message, in either dialect, without being told which (protocol, sections 3.1, 3.2 and 10).
//!
//! A client bears with whatever can be borne with, and says what it repaired. A core is stricter with the types of
//! a request's properties, because the protocol has it close the connection over them (section 6.1).

mod event;
mod request;
mod state;

use super::keys::Key;
use super::raw;
use super::wire::{JsepSlot, Usual, Value, Wire};
use super::{
    Candidate, Dialect, FromClient, FromCore, Jsep, Keepalive, Line, MAX_CALL_ID, MAX_MESSAGE,
    MAX_TRANSACTION, Malformed, MessageKind, ReferId, Repair, Repairs, Response, ResponseOutcome, Text,
    Unknown,
};

pub use state::MAX_LINES;

/// How closely JSON is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Values that nobody needs are skipped unread; damage inside them goes unnoticed.
    #[default]
    Tolerant,
    /// Every value is read.
    Strict,
}

/// A message, and what it took to read it.
#[derive(Clone, Debug)]
pub struct Decoded<M> {
    /// The message.
    pub message: M,
    /// What was wrong with it.
    pub repairs: Repairs,
}

/// Reads what a core sent to a client.
pub fn decode_from_core(text: &str, reading: Reading) -> Result<Decoded<FromCore<'_>>, Malformed> {
    let mut view = View::new(Reader::Client, reading);
    view.read(text)?;
    from_core(&mut view, text)
}

/// Reads what a client sent to a core.
pub fn decode_from_client(text: &str, reading: Reading) -> Result<Decoded<FromClient<'_>>, Malformed> {
    let mut view = View::new(Reader::Core, reading);
    view.read(text)?;
    let message = from_client(&mut view, text)?;
    view.decoded(message)
}

/// [`decode_from_core`] for bytes that nobody has checked yet.
pub fn decode_bytes_from_core(bytes: &[u8], reading: Reading) -> Result<Decoded<FromCore<'_>>, Malformed> {
    decode_from_core(std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)?, reading)
}

/// [`decode_from_client`] for bytes that nobody has checked yet.
pub fn decode_bytes_from_client(
    bytes: &[u8],
    reading: Reading,
) -> Result<Decoded<FromClient<'_>>, Malformed> {
    decode_from_client(std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)?, reading)
}

/// The order of tests is the real client's (section 3.1).
///
/// Each kind of message is finished in a function of its own, which writes it to where it stays: otherwise all of them
/// meet at one place that moves two hundred bytes, whatever the message has of them.
fn from_core<'a>(view: &mut View<'a>, text: &'a str) -> Result<Decoded<FromCore<'a>>, Malformed> {
    if let Some(name) = view.kind(Key::Response) {
        return response(view, name?);
    }
    let handshake = view.kind(Key::Handshake);
    if matches!(&handshake, Some(Ok(name)) if name == "keepalive") {
        return flat_keepalive(view, text);
    }
    if let Some(name) = view.kind(Key::Event) {
        let name = name?;
        if name == "state" {
            view.repairs.add(Repair::StateAsEvent);
            return state(view);
        }
        return event::decode(view, name);
    }
    match handshake.transpose()? {
        Some(name) if name == "state" => state(view),
        Some(name) => unknown(view, MessageKind::Handshake, name),
        None => match view.kind(Key::Request).transpose()? {
            Some(name) => unknown(view, MessageKind::Request, name),
            None => Err(Malformed::NoKind),
        },
    }
}

#[inline(never)]
fn unknown<'a>(
    view: &View<'a>,
    kind: MessageKind,
    name: Text<'a>,
) -> Result<Decoded<FromCore<'a>>, Malformed> {
    view.decoded(FromCore::Unknown(Unknown { kind, name }))
}

#[inline(never)]
fn state<'a>(view: &mut View<'a>) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let state = view.state();
    view.decoded(FromCore::State(state))
}

#[inline(never)]
fn flat_keepalive<'a>(view: &mut View<'a>, text: &'a str) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let keepalive = keepalive(view, text);
    view.decoded(FromCore::Keepalive(keepalive))
}

fn from_client<'a>(view: &mut View<'a>, text: &'a str) -> Result<FromClient<'a>, Malformed> {
    let handshake = view.kind(Key::Handshake);
    if matches!(&handshake, Some(Ok(name)) if name == "keepalive") {
        return Ok(FromClient::Keepalive(keepalive(view, text)));
    }
    if let Some(name) = view.kind(Key::Request) {
        return request::decode(view, name?, text);
    }
    let others = [
        (MessageKind::Response, view.kind(Key::Response)),
        (MessageKind::Event, view.kind(Key::Event)),
        (MessageKind::Handshake, handshake),
    ];
    for (kind, name) in others {
        if let Some(name) = name {
            return Ok(FromClient::Unknown(Unknown { kind, name: name? }));
        }
    }
    Err(Malformed::NoKind)
}

/// The flat keepalive, of which all but its name is the client's business.
fn keepalive<'a>(view: &mut View<'a>, raw: &'a str) -> Keepalive<'a> {
    let transaction = match view.wire.take(Key::Transaction) {
        Value::Text(transaction) if transaction.len() <= MAX_TRANSACTION => Some(transaction),
        _ => None,
    };
    let several = view.repairs.contains(Repair::MultiKind);
    view.repairs = Repairs::default();
    if several {
        view.repairs.add(Repair::MultiKind);
    }
    Keepalive { form: Dialect::Flat, transaction, line: Line::Absent, raw }
}

#[inline(never)]
fn response<'a>(view: &mut View<'a>, name: Text<'a>) -> Result<Decoded<FromCore<'a>>, Malformed> {
    let outcome = match &*name {
        "ack" => ResponseOutcome::Ack,
        "error" => refusal(view)?,
        _ => return unknown(view, MessageKind::Response, name),
    };
    let (transaction, line, call_id) = (view.transaction(), view.line()?, view.optional_call_id()?);
    view.decoded(FromCore::Response(Response { transaction, line, call_id, outcome }))
}

/// The code and reason of an error response: where today's servers write them, or in the old `error`, which was
/// an object or a text (section 3.6.2).
fn refusal<'a>(view: &mut View<'a>) -> Result<ResponseOutcome<'a>, Malformed> {
    let (mut code, mut reason) = (view.code()?, view.text(Key::Reason)?);
    if let Some(error) = view.wire.raw(Key::Error) {
        view.repairs.add(Repair::LegacyError);
        if let Ok(text) = serde_json::from_str::<String>(error.get()) {
            reason = reason.or(Some(text.into()));
        } else {
            let mut old = view.inner();
            if old.reads(error) {
                code = code.or(old.code()?);
                reason = reason.or(old.text(Key::Reason)?);
            }
        }
    }
    if code.is_none() {
        view.repairs.add(Repair::NoCode);
    }
    Ok(ResponseOutcome::Error { code, reason })
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Repairs what it can.
    Client,
    /// Refuses properties of a wrong type, and takes `null` as absent without a word: real clients write it
    /// (section 3.5.3).
    Core,
}

/// A message as its keys and values, with the rules by which they are read.
struct View<'a> {
    wire: Wire<'a>,
    reader: Reader,
    reading: Reading,
    repairs: Repairs,
}

impl<'a> View<'a> {
    const fn new(reader: Reader, reading: Reading) -> Self {
        Self { wire: Wire::new(), reader, reading, repairs: Repairs::NONE }
    }

    fn read(&mut self, text: &'a str) -> Result<(), Malformed> {
        if text.len() > MAX_MESSAGE {
            return Err(Malformed::TooLong);
        }
        if self.reading == Reading::Strict {
            raw::check(text)?;
        }
        self.wire.read(text, self.reading)?;
        if self.wire.kinds() > 1 {
            self.repairs.add(Repair::MultiKind);
        }
        if self.wire.bad_data {
            self.repairs.add(Repair::BadData);
        }
        if self.wire.mixes_dialects() {
            self.repairs.add(Repair::DialectMix);
        }
        Ok(())
    }

    /// The message, and what it took to read it.
    #[inline(always)]
    #[allow(clippy::unnecessary_wraps, reason = "what all that finish a message return")]
    fn decoded<M>(&self, message: M) -> Result<Decoded<M>, Malformed> {
        Ok(Decoded { message, repairs: self.repairs })
    }

    /// A view for an object inside the message, by the same rules. What it takes to read it is not noted here.
    #[inline(always)]
    fn inner(&self) -> Self {
        Self::new(self.reader, self.reading)
    }

    /// Whether this is an object, which then is read.
    fn reads(&mut self, raw: &'a serde_json::value::RawValue) -> bool {
        self.wire.read(raw.get(), self.reading).is_ok()
    }

    /// The name under a kind key, if the key is there.
    #[inline(always)]
    fn kind(&mut self, key: Key) -> Option<Result<Text<'a>, Malformed>> {
        match self.wire.usual(key) {
            Usual::Absent => None,
            Usual::Text(name) => Some(Ok(name.into())),
            Usual::No => Some(self.unusual_kind(key)),
        }
    }

    #[cold]
    fn unusual_kind(&mut self, key: Key) -> Result<Text<'a>, Malformed> {
        match self.wire.take(key) {
            Value::Text(name) => Ok(name),
            _ => Err(Malformed::KindNotText),
        }
    }

    /// What becomes of a property of a wrong type: nothing, or the message is refused.
    fn wrong_type<T>(&mut self, key: Key, repair: Repair) -> Result<Option<T>, Malformed> {
        match self.reader {
            Reader::Core => Err(Malformed::WrongType(key.name())),
            Reader::Client => {
                self.repairs.add(repair);
                Ok(None)
            }
        }
    }

    fn null<T>(&mut self) -> Result<Option<T>, Malformed> {
        if self.reader == Reader::Client {
            self.repairs.add(Repair::NullProperty);
        }
        Ok(None)
    }

    fn coerced<T>(&mut self, key: Key, value: Option<T>) -> Result<Option<T>, Malformed> {
        let repair = if value.is_some() { Repair::Coerced } else { Repair::WrongType };
        self.wrong_type::<T>(key, repair).map(|_| value)
    }

    #[inline(always)]
    fn text(&mut self, key: Key) -> Result<Option<Text<'a>>, Malformed> {
        match self.wire.usual(key) {
            Usual::Absent => Ok(None),
            Usual::Text(text) => Ok(Some(text.into())),
            Usual::No => self.unusual_text(key),
        }
    }

    #[cold]
    fn unusual_text(&mut self, key: Key) -> Result<Option<Text<'a>>, Malformed> {
        match self.wire.take(key) {
            Value::Absent => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Null => self.null(),
            Value::Integer(number) => self.coerced(key, Some(number.to_string().into())),
            Value::Number(number) => self.coerced(key, Some(number.to_string().into())),
            Value::Bool(_) | Value::Other => self.wrong_type(key, Repair::WrongType),
        }
    }

    fn required_text(&mut self, key: Key) -> Result<Text<'a>, Malformed> {
        self.text(key)?.ok_or(Malformed::MissingProperty(key.name()))
    }

    #[inline(always)]
    fn integer(&mut self, key: Key) -> Result<Option<i64>, Malformed> {
        match self.wire.usual_integer(key) {
            Some(number) => Ok(Some(number)),
            None => self.unusual_integer(key),
        }
    }

    #[inline(never)]
    fn unusual_integer(&mut self, key: Key) -> Result<Option<i64>, Malformed> {
        match self.wire.take(key) {
            Value::Absent => Ok(None),
            Value::Integer(number) => Ok(Some(number)),
            Value::Null => self.null(),
            Value::Text(text) => self.coerced(key, text.parse().ok()),
            Value::Number(_) | Value::Bool(_) | Value::Other => self.wrong_type(key, Repair::WrongType),
        }
    }

    fn code(&mut self) -> Result<Option<i32>, Malformed> {
        match self.integer(Key::Code)?.map(i32::try_from) {
            None => Ok(None),
            Some(Ok(code)) => Ok(Some(code)),
            Some(Err(_)) => self.wrong_type(Key::Code, Repair::WrongType),
        }
    }

    /// A code that belongs to the message.
    fn expected_code(&mut self) -> Result<Option<i32>, Malformed> {
        let code = self.code()?;
        if code.is_none() {
            self.repairs.add(Repair::NoCode);
        }
        Ok(code)
    }

    #[inline(always)]
    fn flag(&mut self, key: Key) -> Result<Option<bool>, Malformed> {
        if !self.wire.has(key) {
            return Ok(None);
        }
        self.found_flag(key)
    }

    #[inline(never)]
    fn found_flag(&mut self, key: Key) -> Result<Option<bool>, Malformed> {
        match self.wire.take(key) {
            Value::Absent => Ok(None),
            Value::Bool(flag) => Ok(Some(flag)),
            Value::Null => self.null(),
            Value::Text(text) => self.coerced(key, text.parse().ok()),
            _ => self.wrong_type(key, Repair::WrongType),
        }
    }

    fn required_flag(&mut self, key: Key) -> Result<bool, Malformed> {
        self.flag(key)?.ok_or(Malformed::MissingProperty(key.name()))
    }

    /// Section 7.4: kept in the type it came in.
    fn refer_id(&mut self) -> Result<Option<ReferId<'a>>, Malformed> {
        match self.wire.take(Key::ReferId) {
            Value::Absent => Ok(None),
            Value::Text(text) => Ok(Some(ReferId::Text(text))),
            Value::Null => self.null(),
            Value::Integer(number) if number >= 0 => Ok(Some(ReferId::Number(number.unsigned_abs()))),
            _ => self.wrong_type(Key::ReferId, Repair::WrongType),
        }
    }

    /// Section 7.3. An integer that no line can have is of the right type, so it is for the core's session to
    /// refuse.
    #[inline(always)]
    fn line(&mut self) -> Result<Line, Malformed> {
        match self.wire.usual_line() {
            Some(line) => Ok(line),
            None => self.unusual_line(),
        }
    }

    #[cold]
    fn unusual_line(&mut self) -> Result<Line, Malformed> {
        Ok(match self.wire.take(Key::Line) {
            Value::Absent => Line::Absent,
            Value::Null => Line::Guest,
            Value::Integer(number) => match u16::try_from(number) {
                Ok(line) => Line::Main(line),
                Err(_) => {
                    self.repairs.add(Repair::BadLine);
                    Line::Invalid
                }
            },
            _ => self.wrong_type(Key::Line, Repair::BadLine)?.unwrap_or(Line::Invalid),
        })
    }

    #[inline(always)]
    fn transaction(&mut self) -> Option<Text<'a>> {
        match self.wire.usual(Key::Transaction) {
            Usual::Absent => None,
            Usual::Text(text) if text.len() <= MAX_TRANSACTION => Some(text.into()),
            _ => self.unusual_transaction(),
        }
    }

    #[cold]
    fn unusual_transaction(&mut self) -> Option<Text<'a>> {
        match self.wire.take(Key::Transaction) {
            Value::Absent => None,
            Value::Text(transaction) if transaction.len() <= MAX_TRANSACTION => Some(transaction),
            Value::Text(_) => {
                self.repairs.add(Repair::OverlongId);
                None
            }
            _ => {
                self.repairs.add(Repair::BadTransaction);
                None
            }
        }
    }

    #[inline(always)]
    fn optional_call_id(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        match self.wire.usual(Key::CallId) {
            Usual::Absent => Ok(None),
            Usual::Text(text) if text.len() <= MAX_CALL_ID => Ok(Some(text.into())),
            _ => self.unusual_call_id(),
        }
    }

    #[cold]
    fn unusual_call_id(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        match self.wire.take(Key::CallId) {
            Value::Absent => Ok(None),
            Value::Text(call_id) if call_id.len() <= MAX_CALL_ID => Ok(Some(call_id)),
            Value::Text(_) => self.wrong_type(Key::CallId, Repair::OverlongId),
            Value::Null => self.null(),
            _ => self.wrong_type(Key::CallId, Repair::NoCallId),
        }
    }

    /// The call id of a message about a call; its absence is noted.
    fn call_id(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        let call_id = self.optional_call_id()?;
        if call_id.is_none() {
            self.repairs.add(Repair::NoCallId);
        }
        Ok(call_id)
    }

    fn jsep(&mut self) -> Result<Option<Jsep<'a>>, Malformed> {
        match self.wire.jsep() {
            JsepSlot::Absent => Ok(None),
            JsepSlot::Good(jsep) => Ok(Some(jsep)),
            JsepSlot::Null => self.null(),
            JsepSlot::Bad => self.wrong_type(Key::Jsep, Repair::BadJsep),
        }
    }

    fn candidate(&mut self) -> Result<Candidate<'a>, Malformed> {
        let Some(raw) = self.wire.raw(Key::Candidate) else {
            return Err(Malformed::MissingProperty(Key::Candidate.name()));
        };
        Ok(match raw.get().as_bytes().first() {
            Some(b'n') => Candidate::EndNull,
            Some(b'{') if is_completed(raw.get()) => Candidate::EndCompleted,
            Some(b'{') => Candidate::One(raw),
            _ => self.wrong_type(Key::Candidate, Repair::BadCandidate)?.unwrap_or(Candidate::Invalid(raw)),
        })
    }
}

fn is_completed(candidate: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct End {
        completed: bool,
    }

    // The word is looked for first: candidates are many, ends few.
    candidate.contains("\"completed\"")
        && serde_json::from_str::<End>(candidate).is_ok_and(|end| end.completed)
}
