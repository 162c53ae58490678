//! Counters by a small key.

/// Counts by key, for keys that come from outside and are few: codes.
///
/// It holds a bounded number of keys; what comes beyond them is counted together, so that a hostile server
/// cannot make it grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<K> {
    counts: Vec<(K, u64)>,
    others: u64,
}

/// More different codes than all tables of the protocol have.
const MAX_KEYS: usize = 128;

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts { counts: Vec::new(), others: 0 }
    }
}

impl<K: Copy + Ord> Counts<K> {
    /// Counts one more `key`.
    pub fn count(&mut self, key: K) {
        self.count_many(key, 1);
    }

    /// Counts `many` more `key`.
    pub fn count_many(&mut self, key: K, many: u64) {
        match self.counts.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(place) => self.counts[place].1 += many,
            Err(place) if self.counts.len() < MAX_KEYS => self.counts.insert(place, (key, many)),
            Err(_) => self.others += many,
        }
    }

    /// Counts `many` more of the keys that had no place.
    pub fn count_others(&mut self, many: u64) {
        self.others += many;
    }

    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Counts<K>) {
        for &(key, many) in &other.counts {
            self.count_many(key, many);
        }
        self.others += other.others;
    }

    /// Each key with its count, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// How often keys were counted that had no place any more.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, many)| many).sum::<u64>() + self.others
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.others = 0;
    }
}

/// One counter for each member of a closed set, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Each<const N: usize>([u64; N]);

impl<const N: usize> Default for Each<N> {
    fn default() -> Self {
        Each([0; N])
    }
}

impl<const N: usize> Each<N> {
    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Each<N>) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }
}

impl<const N: usize> std::ops::Deref for Each<N> {
    type Target = [u64; N];

    fn deref(&self) -> &[u64; N] {
        &self.0
    }
}

impl<const N: usize> std::ops::DerefMut for Each<N> {
    fn deref_mut(&mut self) -> &mut [u64; N] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_different_codes_are_all_counted_in_bounded_space() {
        let mut counts = Counts::default();
        for code in 0..1_000_u16 {
            counts.count(code);
        }
        assert_eq!(counts.total(), 1_000);
        assert_eq!(counts.iter().count(), MAX_KEYS);
    }
}
