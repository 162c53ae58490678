//! How a message is read off the wire: every key, whatever the message, in one pass and without a copy.
//!
//! Reading into enums by kind and name would parse each text two or three times and allocate on the way; one flat
//! set of slots for all keys costs a fourth of that and nothing on the heap. What the slots mean for a given message
//! is decided afterwards, in `decode`. So nothing here fails on a wrong type: a slot remembers what it found.
//!
//! This is the one definition of what is read. It is driven by `fast`, and by `serde_json` where that gives up.

mod jsep;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fast;
use super::keys::Key;
use super::{Line, Malformed, Reading, Text};

pub(super) use jsep::JsepSlot;

/// Those before `candidate` have a plain value, of which those before `phrase` are common; those before `jsep` are kept as
/// raw JSON.
const COMMON: usize = Key::Phrase as usize;
const VALUES: usize = Key::Candidate as usize;
const RAWS: usize = Key::Jsep as usize - VALUES;

const KINDS: u64 = Key::Handshake.bit() | Key::Request.bit() | Key::Response.bit() | Key::Event.bit();
/// What stays beside `data` in the nested dialect, and wins there over what is inside (section 3.2).
const ENVELOPE: u64 = Key::Line.bit() | Key::Transaction.bit() | Key::CallId.bit();

/// A value that is expected to be plain, as it was found.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    /// No such key.
    #[default]
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    /// With a fraction or an exponent, or beyond 64 bits.
    Number(f64),
    Text(Text<'a>),
    /// An array or an object, read over.
    Other,
}

/// A value as it nearly always is where a text is expected.
pub(super) enum Usual<'a> {
    Absent,
    Text(&'a str),
    /// Something else.
    No,
}

/// A value as it is kept: without anything to be dropped, since to look for that in all slots of a message costs as
/// much as to read a key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot<'a> {
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(&'a str),
    /// A text with escapes: its place in [`Wire::unescaped`].
    Unescaped(usize),
    Other,
}

/// What a message says, key by key, `data` already laid over the rest.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    common: [Slot<'a>; COMMON],
    /// These come into being with the first key that needs one: most messages have none, and to clear them all costs as
    /// much as to read a key.
    others: Option<[Slot<'a>; VALUES - COMMON]>,
    unescaped: Vec<String>,
    raws: Option<[Option<&'a RawValue>; RAWS]>,
    jsep: JsepSlot<'a>,
    /// The keys met at the top level, and in `data`.
    seen: u64,
    seen_in_data: u64,
    /// There is a `data` that is not an object (section 10, row 41).
    pub(super) bad_data: bool,
    /// `data` is kept as it stands: the message is a peer's.
    keeps_data: bool,
}

impl<'a> Wire<'a> {
    /// Nothing read yet.
    pub(super) const fn new() -> Self {
        Self {
            common: [Slot::Absent; COMMON],
            others: None,
            unescaped: Vec::new(),
            raws: None,
            jsep: JsepSlot::Absent,
            seen: 0,
            seen_in_data: 0,
            bad_data: false,
            keeps_data: false,
        }
    }

    /// Reads one JSON object. Text that is not JSON, anything but an object, and a key that is there twice are
    /// refused. It is read in place, because these slots are a kilobyte, and moving them shows in the benches.
    #[inline(always)]
    pub(super) fn read(&mut self, text: &'a str, reading: Reading) -> Result<(), Malformed> {
        self.fill(text, reading)?;
        // Where `data` came before the message's name, it was not known that it is not the nested dialect's.
        if self.has_data() && !self.keeps_data && self.is_peer_message() {
            return self.read_again(text, reading);
        }
        Ok(())
    }

    #[cold]
    fn read_again(&mut self, text: &'a str, reading: Reading) -> Result<(), Malformed> {
        *self = Self::new();
        self.keeps_data = true;
        self.fill(text, reading)
    }

    #[inline(always)]
    fn fill(&mut self, text: &'a str, reading: Reading) -> Result<(), Malformed> {
        if reading == Reading::Tolerant && self.fill_fast(text) {
            return Ok(());
        }
        self.fill_carefully(text)
    }

    #[inline(never)]
    fn fill_fast(&mut self, text: &'a str) -> bool {
        fast::read(text, Fill::<false> { wire: self }).is_ok()
    }

    /// The same from the beginning, by `serde_json`.
    #[cold]
    fn fill_carefully(&mut self, text: &'a str) -> Result<(), Malformed> {
        *self = Self { keeps_data: self.keeps_data, ..Self::new() };
        if !text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => Malformed::NotAnObject,
                Err(_) => Malformed::NotJson,
            });
        }
        let mut json = serde_json::Deserializer::from_str(text);
        // The slots take any type, so the one thing that is wrong with well-formed JSON is a key met twice.
        Fill::<false> { wire: self }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| if error.is_data() { Malformed::DuplicateKey } else { Malformed::NotJson })
    }

    /// `data` of this message is a property like any other, not the nested dialect's envelope (decision 12.40).
    fn is_peer_message(&self) -> bool {
        [Key::Event, Key::Request]
            .iter()
            .any(|kind| self.text(*kind).is_some_and(|name| name == "peer_message"))
    }

    fn text(&self, key: Key) -> Option<&str> {
        match self.slot(key) {
            Slot::Text(text) => Some(text),
            Slot::Unescaped(place) => self.unescaped.get(place).map(String::as_str),
            _ => None,
        }
    }

    #[inline(always)]
    fn slot(&self, key: Key) -> Slot<'a> {
        let key = key as usize;
        match &self.others {
            _ if key < COMMON => self.common[key],
            Some(others) => others[key - COMMON],
            None => Slot::Absent,
        }
    }

    #[inline(always)]
    fn slot_mut(&mut self, key: Key) -> (&mut Slot<'a>, &mut Vec<String>) {
        let key = key as usize;
        let slot = if key < COMMON {
            &mut self.common[key]
        } else {
            &mut self.others.get_or_insert([Slot::Absent; VALUES - COMMON])[key - COMMON]
        };
        (slot, &mut self.unescaped)
    }

    /// The value of `key` where it is a plain text or absent, as it nearly always is: the same as [`take`](Self::take),
    /// but for fewer instructions.
    #[inline(always)]
    pub(super) fn usual(&self, key: Key) -> Usual<'a> {
        match self.slot(key) {
            Slot::Absent => Usual::Absent,
            Slot::Text(text) => Usual::Text(text),
            _ => Usual::No,
        }
    }

    /// The value of `key` where it is an integer.
    #[inline(always)]
    pub(super) fn usual_integer(&self, key: Key) -> Option<i64> {
        match self.slot(key) {
            Slot::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The line likewise, where it is absent or a number.
    #[inline(always)]
    pub(super) fn usual_line(&self) -> Option<Line> {
        match self.slot(Key::Line) {
            Slot::Absent => Some(Line::Absent),
            Slot::Integer(number) => u16::try_from(number).ok().map(Line::Main),
            _ => None,
        }
    }

    /// The value of `key`; a text with escapes is there only once.
    #[inline]
    pub(super) fn take(&mut self, key: Key) -> Value<'a> {
        match self.slot(key) {
            Slot::Absent => Value::Absent,
            Slot::Null => Value::Null,
            Slot::Bool(value) => Value::Bool(value),
            Slot::Integer(value) => Value::Integer(value),
            Slot::Number(value) => Value::Number(value),
            Slot::Text(text) => Value::Text(Cow::Borrowed(text)),
            Slot::Unescaped(place) => {
                Value::Text(Cow::Owned(self.unescaped.get_mut(place).map(std::mem::take).unwrap_or_default()))
            }
            Slot::Other => Value::Other,
        }
    }

    /// The raw JSON of `key`, `null` included.
    pub(super) fn raw(&self, key: Key) -> Option<&'a RawValue> {
        self.raws?[key as usize - VALUES]
    }

    pub(super) fn jsep(&self) -> JsepSlot<'a> {
        self.jsep
    }

    pub(super) fn has(&self, key: Key) -> bool {
        (self.seen | self.seen_in_data) & key.bit() != 0
    }

    /// How many of the four kind keys there are.
    pub(super) fn kinds(&self) -> u32 {
        (self.seen & KINDS).count_ones()
    }

    /// Whether something stands in `data` other than the properties of a nested message, or beside it.
    pub(super) fn mixes_dialects(&self) -> bool {
        self.seen_in_data & ENVELOPE != 0 || self.seen_in_data != 0 && self.has_flat_properties()
    }

    pub(super) fn has_flat_properties(&self) -> bool {
        self.seen & !(KINDS | ENVELOPE | Key::Data.bit()) != 0
    }

    pub(super) fn has_data(&self) -> bool {
        self.seen & Key::Data.bit() != 0
    }
}

/// Puts the members of an object into their slots: of the message itself, or of its `data`.
struct Fill<'w, 'a, const IN_DATA: bool> {
    wire: &'w mut Wire<'a>,
}

impl<'a, const IN_DATA: bool> Fill<'_, 'a, IN_DATA> {
    /// Whether the value of `key` at this level counts, and a note that it was met.
    #[inline(always)]
    fn admits<E: serde::de::Error>(&mut self, key: Key) -> Result<bool, E> {
        let bit = key.bit();
        let (here, elsewhere) = if IN_DATA {
            (&mut self.wire.seen_in_data, self.wire.seen)
        } else {
            (&mut self.wire.seen, self.wire.seen_in_data)
        };
        if *here & bit != 0 {
            return Err(E::custom("duplicate key"));
        }
        *here |= bit;
        // Met at both levels: the envelope's own keys count at the top, all others in `data` (section 3.2).
        Ok(elsewhere & bit == 0 || (bit & ENVELOPE != 0) != IN_DATA)
    }

    #[inline(always)]
    fn member<M: MapAccess<'a>>(&mut self, key: Key, map: &mut M) -> Result<(), M::Error> {
        let is_known = (key as usize) <= Key::Jsep as usize;
        let is_envelope_only = key.bit() & (KINDS | Key::Data.bit()) != 0;
        if !is_known || IN_DATA && is_envelope_only || !self.admits(key)? {
            map.next_value::<IgnoredAny>()?;
        } else if (key as usize) < VALUES {
            let (slot, unescaped) = self.wire.slot_mut(key);
            map.next_value_seed(AnyValue { slot, unescaped })?;
        } else if !IN_DATA && key == Key::Data && !self.wire.keeps_data {
            map.next_value_seed(Fill::<true> { wire: self.wire })?;
        } else if key == Key::Jsep {
            self.wire.jsep = map.next_value()?;
        } else {
            let raw = map.next_value()?;
            self.wire.raws.get_or_insert([None; RAWS])[key as usize - VALUES] = Some(raw);
        }
        Ok(())
    }

    fn not_an_object(self) {
        self.wire.bad_data = true;
    }
}

impl<'a, const IN_DATA: bool> DeserializeSeed<'a> for Fill<'_, 'a, IN_DATA> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, const IN_DATA: bool> Visitor<'a> for Fill<'_, 'a, IN_DATA> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key_seed(AnyKey)? {
            self.member(key, &mut map)?;
        }
        Ok(())
    }

    // The rest can only be met at `data`: the top level was looked at before.

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.not_an_object();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.not_an_object();
        Ok(())
    }
}

/// Reads a key.
struct AnyKey;

impl<'de> DeserializeSeed<'de> for AnyKey {
    type Value = Key;

    #[inline(always)]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for AnyKey {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key::from_name(name.as_bytes()))
    }

    /// The place in [`Key::ALL`] of a key that was looked up already.
    #[inline(always)]
    fn visit_u64<E>(self, place: u64) -> Result<Key, E> {
        Ok(Key::ALL.get(place as usize).copied().unwrap_or(Key::Other))
    }

    #[inline(always)]
    fn visit_borrowed_bytes<E>(self, name: &[u8]) -> Result<Key, E> {
        Ok(Key::from_name(name))
    }
}

/// Reads a value into its slot, in place; a text with escapes goes to the list.
struct AnyValue<'w, 'a> {
    slot: &'w mut Slot<'a>,
    unescaped: &'w mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_, 'de> {
    type Value = ();

    #[inline(always)]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        *self.slot = Slot::Null;
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        *self.slot = Slot::Bool(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        *self.slot = Slot::Integer(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        *self.slot = i64::try_from(value).map_or(Slot::Number(value as f64), Slot::Integer);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        *self.slot = Slot::Number(value);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        *self.slot = Slot::Text(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        *self.slot = Slot::Unescaped(self.unescaped.len());
        self.unescaped.push(value.to_owned());
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        *self.slot = Slot::Other;
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        *self.slot = Slot::Other;
        Ok(())
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
