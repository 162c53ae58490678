//! Writing JSON objects into a buffer that is used again and again.
//!
//! serde would do it too, at the price of an error that cannot happen and a type for every shape. What a member is
//! called and where it stands is told in `encode`; here is only how JSON is written.

use serde_json::value::RawValue;

use super::fast::{find_special, is_plain_ascii};
use super::keys::Key;

/// A text with room behind it, because to copy a number of bytes that the compiler knows takes a few instructions, and
/// to copy just as many as there are takes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Padded<const SIZE: usize> {
    bytes: [u8; SIZE],
    length: u8,
}

impl<const SIZE: usize> Padded<SIZE> {
    /// The three texts behind each other.
    pub(super) const fn new(parts: [&str; 3]) -> Self {
        let mut literal = Self { bytes: [0; SIZE], length: 0 };
        let mut part = 0;
        while part < parts.len() {
            let mut at = 0;
            while at < parts[part].len() {
                literal.bytes[literal.length as usize] = parts[part].as_bytes()[at];
                literal.length += 1;
                at += 1;
            }
            part += 1;
        }
        literal
    }

    /// A JSON string of a text that needs no escapes.
    pub(super) const fn quoted(text: &str) -> Self {
        Self::new(["\"", text, "\""])
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        usize::from(self.length)
    }

    #[inline(always)]
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        out.truncate(begin + self.len());
    }
}

/// A word that is known beforehand.
pub(super) type Literal = Padded<32>;

/// An object under way: opened when made, to be closed with [`end`](Self::end).
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// It has no members yet.
    is_empty: bool,
    /// It is the `data` of another object, written only if it gets a member.
    is_data: bool,
}

impl<'o> Object<'o> {
    #[inline(always)]
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        Self { out, is_empty: true, is_data: false }
    }

    /// The members of an object that stays open, within a further object `data`, which is written only if it gets a
    /// member.
    #[inline(always)]
    pub(super) fn data(&mut self) -> Object<'_> {
        Object { out: self.out, is_empty: true, is_data: true }
    }

    /// Keys are known where they are written, so the compiler copies them without a call.
    #[inline(always)]
    fn member(&mut self, member: &'static str) {
        if !self.is_empty {
            self.out.extend_from_slice(member.as_bytes());
            return;
        }
        if self.is_data {
            self.out.extend_from_slice(Key::Data.member().as_bytes());
        }
        self.out.push(b'{');
        self.out.extend_from_slice(&member.as_bytes()[1..]);
        self.is_empty = false;
    }

    #[inline(always)]
    fn key(&mut self, key: Key) {
        self.member(key.member());
    }

    #[inline(always)]
    pub(super) fn text(&mut self, key: Key, value: &str) {
        self.member(key.text_member());
        push_rest_of_text(self.out, value);
    }

    /// A value that is known beforehand.
    #[inline(always)]
    pub(super) fn literal(&mut self, key: Key, value: &Literal) {
        self.key(key);
        value.push(self.out);
    }

    #[inline(always)]
    pub(super) fn integer(&mut self, key: Key, value: impl itoa::Integer) {
        self.key(key);
        push_integer(self.out, value);
    }

    /// A line, which hardly ever has a second digit.
    #[inline(always)]
    pub(super) fn line(&mut self, line: u16) {
        self.key(Key::Line);
        match line {
            0..=9 => self.out.push(b'0' + line as u8),
            _ => push_integer(self.out, line),
        }
    }

    pub(super) fn flag(&mut self, key: Key, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: Key) {
        self.raw(key, "null");
    }

    /// JSON as it stands.
    #[inline(always)]
    pub(super) fn raw(&mut self, key: Key, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// The rest of an object whose beginning was the literal value of the last member.
    #[inline(always)]
    pub(super) fn close_after(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
        self.out.push(b'}');
    }

    /// A member that writes itself.
    #[inline(always)]
    pub(super) fn value(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        write(self.out);
    }

    #[inline(always)]
    pub(super) fn optional_text(&mut self, key: Key, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn optional_integer(&mut self, key: Key, value: Option<impl itoa::Integer>) {
        if let Some(value) = value {
            self.integer(key, value);
        }
    }

    pub(super) fn optional_flag(&mut self, key: Key, value: Option<bool>) {
        if let Some(value) = value {
            self.flag(key, value);
        }
    }

    pub(super) fn optional_raw(&mut self, key: Key, value: Option<&RawValue>) {
        if let Some(value) = value {
            self.raw(key, value.get());
        }
    }

    /// Closes the object, if it was opened.
    #[inline(always)]
    pub(super) fn end(self) {
        match (self.is_empty, self.is_data) {
            (false, _) => self.out.push(b'}'),
            (true, false) => self.out.extend_from_slice(b"{}"),
            (true, true) => {}
        }
    }
}

pub(super) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A JSON string.
#[inline(always)]
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_rest_of_text(out, text);
}

/// The same behind its opening quote.
#[inline(always)]
fn push_rest_of_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Ids have sixteen to 32 bytes, numbers eight to sixteen: they are looked at and written as their first and their
    // last half, which may overlap. So it takes no loop and no call.
    if let (Some(first), Some(last), ..=32) =
        (bytes.first_chunk::<16>(), bytes.last_chunk::<16>(), bytes.len())
        && is_plain_ascii(first)
        && is_plain_ascii(last)
    {
        push_overlapping(out, first, last, bytes.len());
    } else if let (Some(first), Some(last), ..=16) =
        (bytes.first_chunk::<8>(), bytes.last_chunk::<8>(), bytes.len())
        && is_plain_ascii(first)
        && is_plain_ascii(last)
    {
        push_overlapping(out, first, last, bytes.len());
    } else {
        push_any_text(out, bytes);
    }
    out.push(b'"');
}

#[inline(always)]
fn push_overlapping(out: &mut Vec<u8>, first: &[u8], last: &[u8], length: usize) {
    let begin = out.len();
    out.extend_from_slice(first);
    out.truncate(begin + length - last.len());
    out.extend_from_slice(last);
}

#[inline(never)]
fn push_any_text(out: &mut Vec<u8>, bytes: &[u8]) {
    match find_special(bytes) {
        None => out.extend_from_slice(bytes),
        Some(_) => push_escaped(out, bytes),
    }
}

/// What must be escaped is escaped as `serde_json` does it; stretches without such are copied whole.
#[cold]
fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut copied = 0;
    for (at, byte) in bytes.iter().copied().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0x00..=0x1f => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' && byte < 0x20 {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        copied = at + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        write(&mut object);
        object.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_without_members_is_empty_and_data_without_members_is_absent() {
        assert_eq!(written(|_| {}), "{}");
        assert_eq!(
            written(|object| {
                object.line(0);
                object.data().end();
            }),
            r#"{"line":0}"#
        );
        assert_eq!(
            written(|object| {
                object.null(Key::Line);
                let mut data = object.data();
                data.flag(Key::Uplink, true);
                data.text(Key::Mid, "0");
                data.end();
            }),
            r#"{"line":null,"data":{"uplink":true,"mid":"0"}}"#
        );
    }

    #[test]
    fn texts_are_escaped_as_serde_json_escapes_them() {
        let all: String =
            (0..=0x2fff).filter_map(char::from_u32).chain(['\u{1f9b7}', '\u{10ffff}']).collect();
        for text in [
            "",
            "plain",
            "\"",
            "a\\b\"c\nd",
            "15550177",
            "15550\u{1}77",
            "+49 155501",
            "+49 15550\"",
            "of sixteen bytes",
            "of more than thirty-two bytes, so long",
            &all,
        ] {
            let mut out = Vec::new();
            push_text(&mut out, text);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }
}
