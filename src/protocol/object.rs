//! Writing JSON objects into a buffer that is used again and again.
//!
//! serde would do it too, at the price of an error that cannot happen and a type for every shape. What a member is
//! called and where it stands is told in `encode`; here is only how JSON is written.

use serde_json::value::RawValue;

/// An object under way: opened when made, to be closed with [`end`](Self::end).
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// What goes before the next member.
    before: &'static [u8],
    /// What [`end`](Self::end) writes.
    after: &'static [u8],
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        Self { out, before: b"{\"", after: b"{}" }
    }

    /// The members of an object that stays open, within a further object `data`, which is written only if it gets a
    /// member.
    pub(super) fn data(&mut self) -> Object<'_> {
        Object { out: self.out, before: b",\"data\":{\"", after: b"" }
    }

    fn key(&mut self, key: &'static str) {
        self.out.extend_from_slice(self.before);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.before = b",\"";
        self.after = b"}";
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        push_text(self.out, value);
    }

    pub(super) fn integer(&mut self, key: &'static str, value: impl itoa::Integer) {
        self.key(key);
        push_integer(self.out, value);
    }

    pub(super) fn flag(&mut self, key: &'static str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: &'static str) {
        self.raw(key, "null");
    }

    /// JSON as it stands.
    pub(super) fn raw(&mut self, key: &'static str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A member that writes itself.
    pub(super) fn value(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        write(self.out);
    }

    pub(super) fn optional_text(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn optional_integer(&mut self, key: &'static str, value: Option<impl itoa::Integer>) {
        if let Some(value) = value {
            self.integer(key, value);
        }
    }

    pub(super) fn optional_flag(&mut self, key: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.flag(key, value);
        }
    }

    pub(super) fn optional_raw(&mut self, key: &'static str, value: Option<&RawValue>) {
        if let Some(value) = value {
            self.raw(key, value.get());
        }
    }

    /// Closes the object, if it was opened.
    pub(super) fn end(self) {
        self.out.extend_from_slice(self.after);
    }
}

pub(super) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A JSON string. What must be escaped is escaped as `serde_json` does it; stretches without such are copied whole.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut copied = 0;
    let bytes = text.as_bytes();
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
    out.push(b'"');
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
                object.integer("line", 0);
                object.data().end();
            }),
            r#"{"line":0}"#
        );
        assert_eq!(
            written(|object| {
                object.null("line");
                let mut data = object.data();
                data.flag("uplink", true);
                data.text("mid", "0");
                data.end();
            }),
            r#"{"line":null,"data":{"uplink":true,"mid":"0"}}"#
        );
    }

    #[test]
    fn texts_are_escaped_as_serde_json_escapes_them() {
        let all: String =
            (0..=0x2fff).filter_map(char::from_u32).chain(['\u{1f9b7}', '\u{10ffff}']).collect();
        for text in ["", "plain", "\"", "a\\b\"c\nd", &all] {
            let mut out = Vec::new();
            push_text(&mut out, text);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }
}
