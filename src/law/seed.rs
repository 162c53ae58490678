//! Seeds: one number from which every draw of a run follows.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// The generator that draws are made with: 16 bytes of state, its output stable between releases.
pub type Draws = Pcg64Mcg;

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of draws called `name` with the number `index`.
    ///
    /// A stream depends on the seed, its name and its number alone, never on who drew before: what client 17
    /// draws does not change with the order in which clients run.
    pub fn stream(self, name: &str, index: u64) -> Draws {
        let mut state = mix(self.0 ^ 0x5754_5350_6c6f_6164);
        for byte in name.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        let low = mix(state ^ index);
        let high = mix(low ^ 0x9e37_79b9_7f4a_7c15);
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&low.to_le_bytes());
        seed[8..].copy_from_slice(&high.to_le_bytes());
        Draws::from_seed(seed)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn a_stream_depends_on_seed_name_and_index_alone() {
        let first = |seed: u64, name: &str, index| -> u64 { Seed(seed).stream(name, index).random() };
        assert_eq!(first(7, "ring", 3), first(7, "ring", 3));
        assert_ne!(first(7, "ring", 3), first(7, "ring", 4));
        assert_ne!(first(7, "ring", 3), first(7, "hold", 3));
        assert_ne!(first(7, "ring", 3), first(8, "ring", 3));
    }
}
