//! Finding a word in a closed set: the keys of messages, the names of events and requests.
//!
//! A `match` on a text compares one word after the other, which for fifty words costs more than reading the message.
//! Here the length and the first eight bytes tell which single word it could be.

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
}
