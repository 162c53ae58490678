//! Finding a word in a closed set: the keys of messages, the names of events and requests.
//!
//! A `match` on a text compares one word after the other, which for fifty words costs more than reading the message.
//! Here the length and the first eight bytes tell which single word it could be.

use super::fast::ONES;

/// A closed set of words.
pub(super) struct Words<const N: usize> {
    words: [&'static str; N],
    heads: [u64; N],
    tails: [u64; N],
    /// For each value of the hash the one word that has it, counted from 1.
    places: [u8; SLOTS],
    /// What makes the hash tell all words apart.
    factor: u64,
}

const SLOTS: usize = 256;

impl<const N: usize> Words<N> {
    /// The set of these words, of which no two may be the same. A factor is searched for, which is for the compiler to
    /// do: without one the program is not built.
    pub(super) const fn new(words: [&'static str; N]) -> Self {
        assert!(N < SLOTS);
        let (mut heads, mut tails) = ([0; N], [0; N]);
        let mut at = 0;
        while at < N {
            heads[at] = head(words[at].as_bytes());
            tails[at] = tail(words[at].as_bytes());
            at += 1;
        }
        let mut factor: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            let mut places = [0; SLOTS];
            let mut placed = 0;
            while placed < N {
                let slot = slot(heads[placed], words[placed].len(), factor);
                if places[slot] != 0 {
                    break;
                }
                placed += 1;
                places[slot] = placed as u8;
            }
            if placed == N {
                return Self { words, heads, tails, places, factor };
            }
            factor = factor.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(2);
        }
    }

    /// The place of the word in the set, if it is there.
    #[inline(always)]
    pub(super) fn find(&self, word: &[u8]) -> Option<usize> {
        let head = head(word);
        let place = usize::from(self.places[slot(head, word.len(), self.factor)]).checked_sub(1)?;
        // Words of up to sixteen bytes, which nearly all are, are compared without a call of `memcmp`.
        let is_it = self.heads.get(place) == Some(&head)
            && self.words.get(place)?.len() == word.len()
            && (word.len() <= 8 || self.tails.get(place) == Some(&tail(word)))
            && (word.len() <= 16 || self.words.get(place)?.as_bytes() == word);
        is_it.then_some(place)
    }
}

/// A closed set of words that are read off a text that goes on behind them, each with a quote at its end: so that the
/// end need not be searched for before the word is known.
pub(super) struct QuotedWords<const N: usize> {
    words: [QuotedWord; N],
    /// For each value of the hash the one word that may have it.
    places: [u8; SLOTS],
    factor: u64,
}

#[derive(Clone, Copy)]
struct QuotedWord {
    word: &'static str,
    /// The first eight bytes, or those up to the quote, it among them, and zeros.
    head: u64,
    /// The next eight bytes likewise, and which of them count.
    tail: u64,
    tail_mask: u64,
}

impl<const N: usize> QuotedWords<N> {
    /// The set of these words. One that begins with the same eight bytes as another before it is not found, nor is one of
    /// more than fifteen bytes in the last 24 of a text, nor one of more than 23.
    pub(super) const fn new(words: [&'static str; N]) -> Self {
        assert!(N < SLOTS);
        let mut quoted = [QuotedWord { word: "", head: 0, tail: 0, tail_mask: 0 }; N];
        let mut at = 0;
        while at < N {
            quoted[at] = QuotedWord::new(words[at]);
            at += 1;
        }
        let mut factor: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            let mut places = [0; SLOTS];
            let mut is_taken = [false; SLOTS];
            let mut placed = 0;
            while placed < N {
                let slot = slot(quoted[placed].head, 0, factor);
                if !is_taken[slot] {
                    is_taken[slot] = true;
                    places[slot] = placed as u8;
                } else if quoted[places[slot] as usize].head != quoted[placed].head {
                    break;
                }
                placed += 1;
            }
            if placed == N {
                return Self { words: quoted, places, factor };
            }
            factor = factor.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(2);
        }
    }

    /// The place in the set, and the length, of the word that the text begins with.
    ///
    /// The length is that of the text up to its quote and not the word's own, though they are the same: where to read on
    /// is what everything waits for, so it must not wait for a table.
    #[inline(always)]
    pub(super) fn find(&self, text: &[u8]) -> Option<(usize, usize)> {
        let block = match text.first_chunk::<16>() {
            Some(block) => u128::from_le_bytes(*block),
            None => u128::from_le_bytes(padded(text)),
        };
        let (head, tail) = (block as u64, (block >> 64) as u64);
        let quote = quotes(head);
        let length = if quote != 0 {
            quote.trailing_zeros() as usize / 8
        } else {
            let quote = quotes(tail);
            if quote == 0 {
                return self.find_long(text);
            }
            8 + quote.trailing_zeros() as usize / 8
        };
        // The bytes up to the quote, it among them, and zeros.
        let head = head & (quote ^ quote.wrapping_sub(1));
        let place = usize::from(self.places[slot(head, 0, self.factor)]);
        let word = self.words.get(place)?;
        (head == word.head && tail & word.tail_mask == word.tail).then_some((place, length))
    }

    /// The same for a word of sixteen to 23 bytes, which are few.
    #[inline(never)]
    fn find_long(&self, text: &[u8]) -> Option<(usize, usize)> {
        let [head, _, end] = *text.first_chunk::<24>()?.as_chunks::<8>().0 else { return None };
        let length = 16 + quotes(u64::from_le_bytes(end)).trailing_zeros() as usize / 8;
        let place = usize::from(self.places[slot(u64::from_le_bytes(head), 0, self.factor)]);
        let word = self.words.get(place)?.word;
        (text.get(..length)? == word.as_bytes()).then_some((place, length))
    }
}

impl QuotedWord {
    const fn new(word: &'static str) -> Self {
        let mut bytes = [0; 16];
        let mut at = 0;
        while at < word.len() && at < 16 {
            bytes[at] = word.as_bytes()[at];
            at += 1;
        }
        if at < 16 {
            bytes[at] = b'"';
            at += 1;
        }
        let block = u128::from_le_bytes(bytes);
        let tail_mask = match at {
            0..=8 => 0,
            _ => u64::MAX >> (8 * (16 - at)),
        };
        Self { word, head: block as u64, tail: (block >> 64) as u64, tail_mask }
    }
}

/// The highest bit of the first byte that is a quote; above it other bits may be set.
#[inline(always)]
const fn quotes(word: u64) -> u64 {
    let others = word ^ (ONES * b'"' as u64);
    others.wrapping_sub(ONES) & !others & (ONES << 7)
}

/// The end of a text, and zeros.
#[cold]
#[inline(never)]
fn padded(text: &[u8]) -> [u8; 16] {
    let mut block = [0; 16];
    for (to, from) in block.iter_mut().zip(text) {
        *to = *from;
    }
    block
}

/// The first eight bytes of a word as a number, or all that there are.
#[inline(always)]
const fn head(word: &[u8]) -> u64 {
    if let Some(head) = word.first_chunk::<8>() {
        return u64::from_le_bytes(*head);
    }
    // The first four and the last four, which may overlap: the length is compared besides.
    if let (Some(first), Some(last)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        return u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32;
    }
    match *word {
        [a] => a as u64,
        [a, b] => a as u64 | (b as u64) << 8,
        [a, b, c] => a as u64 | (b as u64) << 8 | (c as u64) << 16,
        _ => 0,
    }
}

/// The last eight bytes of a word, if it has so many.
#[inline(always)]
const fn tail(word: &[u8]) -> u64 {
    match word.last_chunk::<8>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => 0,
    }
}

#[inline(always)]
const fn slot(head: u64, length: usize, factor: u64) -> usize {
    ((head ^ (length as u64) << 56).wrapping_mul(factor) >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 8] =
        ["a", "ab", "abc", "line", "caller", "caller_display_name", "presence_info", "presence_infos"];
    static SET: Words<8> = Words::new(WORDS);
    static QUOTED: QuotedWords<8> = QuotedWords::new(WORDS);

    #[test]
    fn each_word_is_found_at_its_place_and_no_other_text_is() {
        for (place, word) in WORDS.iter().enumerate() {
            assert_eq!(SET.find(word.as_bytes()), Some(place));
            for at in 0..word.len() {
                let mut other = word.as_bytes().to_vec();
                other[at] ^= 1;
                assert_eq!(SET.find(&other), None);
                assert_eq!(SET.find(&word.as_bytes()[..at]), WORDS.iter().position(|it| *it == &word[..at]));
            }
        }
        assert_eq!(SET.find(b""), None);
        assert_eq!(SET.find(b"caller_display_same"), None);
        assert_eq!(SET.find(b"caller_dizplay_name"), None);
    }

    #[test]
    fn a_quoted_word_is_found_whatever_follows_it_and_no_other_text_is() {
        for (place, word) in WORDS.iter().enumerate() {
            // It shares its first eight bytes with the one before.
            let found = (*word != "presence_infos").then_some((place, word.len()));
            for behind in ["", ":", ":0}", ":\"a text, and more\"}", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""] {
                let quoted = format!("{word}\"{behind}");
                let is_cut = word.len() > 15 && quoted.len() < 24;
                assert_eq!(QUOTED.find(quoted.as_bytes()), found.filter(|_| !is_cut), "{quoted}");
                for at in 0..=word.len() {
                    let mut other = quoted.clone().into_bytes();
                    other[at] ^= 1;
                    assert_eq!(QUOTED.find(&other), None, "{word} {behind} {at}");
                }
            }
        }
        assert_eq!(QUOTED.find(b""), None);
        assert_eq!(QUOTED.find(b"\""), None);
    }
}
