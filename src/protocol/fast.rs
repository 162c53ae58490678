//! A reader for JSON as servers and clients really write it: a serde deserializer that skips over a 3 KB session
//! description as fast as memory is searched, for the same slots that `serde_json` fills.
//!
//! It knows objects, texts without escapes, integers and the three words; of arrays, how to pass over them. Whatever else
//! comes, in a place where it matters, is a [`Surprise`]: then `serde_json` reads the whole text again and says what it
//! is. So nothing is decided here, and there is one definition of what a message is. The one difference: a text that is
//! kept raw or that nobody wants is not looked into, so damage inside it goes unnoticed, as
//! [`Reading::Tolerant`](super::Reading) says.
//!
//! What it costs is less how much is done than what waits for what: where a key or a value begins is known only when
//! the one before it has ended. So nothing stands between a byte and the place to read on that could stand beside it.

use std::fmt;
use std::ops::Range;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::keys::Key;

/// Something that is better left to `serde_json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Surprise;

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain JSON")
    }
}

impl std::error::Error for Surprise {}

impl serde::de::Error for Surprise {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Surprise
    }
}

/// Reads an object and nothing behind it.
pub(super) fn read<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, Surprise> {
    let mut scanner = Scanner { text, at: 0 };
    if scanner.token()? != b'{' {
        return Err(Surprise);
    }
    let value = seed.deserialize(&mut scanner)?;
    match scanner.token() {
        Err(Surprise) if scanner.at == text.len() => Ok(value),
        _ => Err(Surprise),
    }
}

/// So many levels of plain objects and arrays are passed over here, where the protocol has five.
const PLAIN_LEVELS: usize = 8;

/// A place in a text.
///
/// It stays in registers, because no function that is not inlined gets a reference to it, only to a copy: see
/// [`aside`](Self::aside).
#[derive(Clone, Copy)]
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Does what is not worth being inlined, on a copy.
    #[inline(always)]
    fn aside<T>(&mut self, task: impl FnOnce(&mut Self) -> T) -> T {
        let mut copy = *self;
        let done = task(&mut copy);
        self.at = copy.at;
        done
    }

    #[inline(always)]
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The byte that the next token begins with.
    #[inline(always)]
    fn token(&mut self) -> Result<u8, Surprise> {
        match self.bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Ok(*byte),
            _ => self.aside(Self::token_behind_space),
        }
    }

    #[cold]
    fn token_behind_space(&mut self) -> Result<u8, Surprise> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Surprise),
            }
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), Surprise> {
        if self.token()? != byte {
            return Err(Surprise);
        }
        self.at += 1;
        Ok(())
    }

    /// The next two bytes.
    #[inline(always)]
    fn pair(&self) -> Option<[u8; 2]> {
        match self.bytes().get(self.at..)? {
            [first, second, ..] => Some([*first, *second]),
            _ => None,
        }
    }

    /// Goes on to the quote of the next member's key, if there is another member.
    #[inline(never)]
    fn finds_another_member(&mut self, before_key: u8) -> Result<bool, Surprise> {
        if before_key == b'{' {
            self.at += 1;
        }
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(false);
        }
        if before_key == b',' {
            self.expect(b',')?;
        }
        if self.token()? == b'"' { Ok(true) } else { Err(Surprise) }
    }

    /// Where the text is whose quote is next; one with an escape is a surprise.
    #[inline(always)]
    fn quoted(&mut self) -> Result<Range<usize>, Surprise> {
        let bytes = self.bytes();
        let begin = self.at + 1;
        let end = begin + find_special(bytes.get(begin..).ok_or(Surprise)?).ok_or(Surprise)?;
        if bytes.get(end) != Some(&b'"') {
            return Err(Surprise);
        }
        self.at = end + 1;
        Ok(begin..end)
    }

    /// Passes over the text whose quote is next, whatever is in it.
    fn skip_text(&mut self) -> Result<(), Surprise> {
        let bytes = self.bytes();
        let begin = self.at + 1;
        let mut at = begin;
        loop {
            at += memchr::memchr(b'"', bytes.get(at..).ok_or(Surprise)?).ok_or(Surprise)?;
            // A quote ends it unless it is escaped: behind an odd number of backslashes.
            let backslashes = bytes[begin..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            at += 1;
            if backslashes % 2 == 0 {
                self.at = at;
                return Ok(());
            }
        }
    }

    #[inline(always)]
    fn word(&mut self, word: &str) -> Result<(), Surprise> {
        if !self.bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(Surprise);
        }
        self.at += word.len();
        Ok(())
    }

    /// A plain integer that fits; whatever follows it is looked at by whoever reads on.
    #[inline(always)]
    fn integer<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Surprise> {
        let is_negative = self.bytes().get(self.at) == Some(&b'-');
        let begin = self.at + usize::from(is_negative);
        let mut number = 0_i64;
        self.at = begin;
        while let Some(digit) = self.bytes().get(self.at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
            self.at += 1;
        }
        let digits = self.at - begin;
        let has_leading_zero = digits > 1 && self.bytes().get(begin) == Some(&b'0');
        // No number of 18 digits overflows.
        if digits == 0 || digits > 18 || has_leading_zero || is_negative && number == 0 {
            return Err(Surprise);
        }
        visitor.visit_i64(if is_negative { -number } else { number })
    }

    /// Passes over a value in which all is plain, and which has so many levels at the most; else stays where it is.
    fn skip_plain(&mut self, levels: usize) -> Result<(), Surprise> {
        let begin = self.at;
        let skipped = self.skip_plain_or_stop(levels);
        if skipped.is_err() {
            self.at = begin;
        }
        skipped
    }

    fn skip_plain_or_stop(&mut self, levels: usize) -> Result<(), Surprise> {
        let opening = self.token()?;
        match opening {
            b'"' => return self.quoted().map(|_| ()),
            b'n' => return self.word("null"),
            b't' => return self.word("true"),
            b'f' => return self.word("false"),
            b'{' | b'[' if levels > 0 => self.at += 1,
            _ => return self.integer(serde::de::IgnoredAny).map(|_| ()),
        }
        let closing = if opening == b'{' { b'}' } else { b']' };
        if self.token()? == closing {
            self.at += 1;
            return Ok(());
        }
        loop {
            if opening == b'{' {
                if self.token()? != b'"' {
                    return Err(Surprise);
                }
                self.quoted()?;
                self.expect(b':')?;
            }
            self.skip_plain_or_stop(levels - 1)?;
            let behind = self.token()?;
            self.at += 1;
            match behind {
                b',' => {}
                _ if behind == closing => return Ok(()),
                _ => return Err(Surprise),
            }
        }
    }

    /// Passes over a value. An object or an array with anything in it that is not plain is left to `serde_json`.
    #[inline(never)]
    fn skip(&mut self) -> Result<(), Surprise> {
        match self.token()? {
            b'"' => self.skip_text(),
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'{' | b'[' if self.skip_plain(PLAIN_LEVELS).is_ok() => Ok(()),
            b'{' | b'[' => {
                let rest = self.text.get(self.at..).ok_or(Surprise)?;
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
                let Some(Ok(_)) = values.next() else { return Err(Surprise) };
                self.at += values.byte_offset();
                Ok(())
            }
            _ => self.integer(serde::de::IgnoredAny).map(|_| ()),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Scanner<'de> {
    type Error = Surprise;

    #[inline(always)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Surprise> {
        // The two that are most are told apart from the rest one by one: a jump table is a jump that is seldom foreseen.
        let token = self.token()?;
        if token == b'"' {
            let quoted = self.quoted()?;
            return visitor.visit_borrowed_str(self.text.get(quoted).ok_or(Surprise)?);
        }
        if token.is_ascii_digit() {
            return self.integer(visitor);
        }
        match token {
            b'{' => self.aside(|scanner| visitor.visit_map(Members { scanner, before_key: *b"{\"" })),
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            // An array, where a plain value belongs, among them.
            _ => self.integer(visitor),
        }
    }

    #[inline(always)]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Surprise> {
        // As bytes, because a word that is looked up need not be cut out of the text at a character's boundary.
        if let Some((place, length)) = Key::find_quoted(self.bytes().get(self.at + 1..).ok_or(Surprise)?) {
            self.at += length + 2;
            return visitor.visit_u64(place as u64);
        }
        let quoted = self.quoted()?;
        visitor.visit_borrowed_bytes(self.bytes().get(quoted).ok_or(Surprise)?)
    }

    #[inline(always)]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Surprise> {
        self.aside(|scanner| scanner.skip())?;
        visitor.visit_unit()
    }

    /// What asks for this is a `RawValue`: it wants an object whose one key is the name given here, and whose value is
    /// the JSON as it stands.
    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Surprise> {
        self.token()?;
        let begin = self.at;
        self.aside(|scanner| scanner.skip())?;
        let json = self.text.get(begin..self.at).ok_or(Surprise)?;
        visitor.visit_map(Raw { name: Some(name), json })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum
    }
}

/// The members of an object.
struct Members<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    /// What usually stands before the next key's first letter: at first the object's beginning, then a comma.
    before_key: [u8; 2],
}

impl<'a> MapAccess<'a> for Members<'_, 'a> {
    type Error = Surprise;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Surprise> {
        if self.scanner.pair() == Some(self.before_key) {
            self.scanner.at += 1;
        } else if !self.scanner.aside(|scanner| scanner.finds_another_member(self.before_key[0]))? {
            return Ok(None);
        }
        self.before_key = *b",\"";
        seed.deserialize(&mut *self.scanner).map(Some)
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Surprise> {
        self.scanner.expect(b':')?;
        seed.deserialize(&mut *self.scanner)
    }
}

/// JSON as it stands.
struct Raw<'a> {
    name: Option<&'static str>,
    json: &'a str,
}

impl<'a> MapAccess<'a> for Raw<'a> {
    type Error = Surprise;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Surprise> {
        let name = self.name.take();
        name.map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Surprise> {
        seed.deserialize(BorrowedStrDeserializer::new(self.json))
    }
}

/// The first byte that a plain text does not have: a quote, a backslash, a control character.
///
/// Eight bytes at a time, in ordinary registers: a vector would do more at once, but there is no way to it that is both
/// safe and sure to be compiled to one.
#[inline(always)]
pub(super) fn find_special(bytes: &[u8]) -> Option<usize> {
    // Nearly all texts that are wanted end within 32 bytes: worth being spared a loop.
    for at in [0, 16] {
        let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) else {
            return find_special_from(at, bytes);
        };
        let (low, high) = (specials(word::<0>(block)), specials(word::<8>(block)));
        if low != 0 {
            return Some(at + low.trailing_zeros() as usize / 8);
        }
        if high != 0 {
            return Some(at + 8 + high.trailing_zeros() as usize / 8);
        }
    }
    find_special_from(32, bytes)
}

/// Eight bytes of a block.
#[inline(always)]
fn word<const FROM: usize>(block: &[u8; 16]) -> u64 {
    (u128::from_le_bytes(*block) >> (8 * FROM)) as u64
}

/// Whether there is neither one of those nor anything beyond ASCII: half the work of finding the first.
#[inline(always)]
pub(super) fn is_plain_ascii<const N: usize>(bytes: &[u8; N]) -> bool {
    const { assert!(N.is_multiple_of(8)) };
    let (words, _) = bytes.as_chunks::<8>();
    let marks = words.iter().fold(0, |marks, word| {
        let word = u64::from_le_bytes(*word);
        let quotes_and_controls = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
        let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        marks | word | quotes_and_controls | backslashes
    });
    marks & HIGHS == 0
}

#[inline(never)]
fn find_special_from(mut at: usize, bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.get(at..)?.as_chunks::<8>();
    for word in words {
        let marks = specials(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?)
}

/// A one in each byte of a word, and the highest bit of each.
pub(super) const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES << 7;

/// The highest bit of each byte that is one of those; above the first it may be set in others too.
#[inline(always)]
const fn specials(word: u64) -> u64 {
    // A byte that is below another has its highest bit set after the subtraction, and had it not before. A borrow from
    // the byte below it does the same, but only above a byte that is marked already. With their second bit turned over
    // the quote is 0x20, and all that are below that stay so.
    let quotes_and_controls = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quotes_and_controls | backslashes) & !word & HIGHS
}

#[cfg(test)]
#[path = "fast_tests.rs"]
mod tests;
