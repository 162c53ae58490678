//! Finding a word in a closed set: the keys of messages, the names of events and requests.
//!
//! A `match` on a text compares one word after the other, which for fifty words costs more than reading the message.
//! Here the length and the first eight bytes tell which single word it could be.

/// A closed set of words.
pub(super) struct Words<const N: usize> {
    words: [&'static str; N],
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
        let mut marks = [0; N];
        let mut at = 0;
        while at < N {
            marks[at] = mark(words[at].as_bytes());
            at += 1;
        }
        let mut factor: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            let mut places = [0; SLOTS];
            let mut placed = 0;
            while placed < N {
                let slot = slot(marks[placed], factor);
                if places[slot] != 0 {
                    break;
                }
                placed += 1;
                places[slot] = placed as u8;
            }
            if placed == N {
                return Self { words, places, factor };
            }
            factor = factor.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(2);
        }
    }

    /// The place of the word in the set, if it is there.
    #[inline(always)]
    pub(super) fn find(&self, word: &[u8]) -> Option<usize> {
        let place = usize::from(self.places[slot(mark(word), self.factor)]).checked_sub(1)?;
        is_same(self.words.get(place)?.as_bytes(), word).then_some(place)
    }
}

/// The length of a word and its first eight bytes, or those of its bytes that there are.
#[inline(always)]
const fn mark(word: &[u8]) -> u64 {
    let head = match word.first_chunk::<8>() {
        Some(head) => u64::from_le_bytes(*head),
        None => short(word),
    };
    head ^ (word.len() as u64) << 56
}

/// Fewer than eight bytes as a number: the first four and the last four, which may overlap.
#[inline(always)]
const fn short(word: &[u8]) -> u64 {
    match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32
        }
        _ => match *word {
            [a] => a as u64,
            [a, b] => a as u64 | (b as u64) << 8,
            [a, b, c] => a as u64 | (b as u64) << 8 | (c as u64) << 16,
            _ => 0,
        },
    }
}

#[inline(always)]
const fn slot(mark: u64, factor: u64) -> usize {
    (mark.wrapping_mul(factor) >> 56) as usize
}

/// Equality without the call of `memcmp` that `==` costs: nearly all words have at most sixteen bytes.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let Some((one_head, other_head)) = one.first_chunk::<8>().zip(other.first_chunk::<8>()) else {
        return short(one) == short(other);
    };
    let Some((one_tail, other_tail)) = one.last_chunk::<8>().zip(other.last_chunk::<8>()) else {
        return false;
    };
    one_head == other_head && one_tail == other_tail && (one.len() <= 16 || one == other)
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
                assert!(!is_same(&other, word.as_bytes()));
                assert_eq!(SET.find(&word.as_bytes()[..at]), WORDS.iter().position(|it| *it == &word[..at]));
            }
            assert!(is_same(word.as_bytes(), word.as_bytes()));
        }
        assert_eq!(SET.find(b""), None);
        assert_eq!(SET.find(b"caller_display_same"), None);
        assert_eq!(SET.find(b"caller_dizplay_name"), None);
    }
}
