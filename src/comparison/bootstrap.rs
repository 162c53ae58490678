//! The block bootstrap: how far a figure would be another had the run had other seconds of the same kind.
//!
//! Seconds of a run are not independent: a slow one is followed by slow ones. So blocks of consecutive seconds are drawn,
//! with replacement, until there are as many seconds as the run has (Künsch, 1989; circular, after Politis and Romano,
//! 1992), and the figure is taken of these. Intervals of many figures at once follow from the largest deviation of any of
//! them, each in units of its own standard error.

use rand::RngExt;

use crate::law::{Draws, Seed};

/// The shortest block, in seconds, where there are enough seconds for it.
const BLOCK: usize = 5;
/// At least so many blocks make up a run.
const BLOCKS: usize = 10;

/// How blocks are drawn from a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    seconds: usize,
    /// The seconds of a block.
    pub(super) length: usize,
}

impl Blocks {
    pub(super) fn new(seconds: usize, length: usize) -> Blocks {
        Blocks { seconds, length: length.clamp(1, seconds.max(1)) }
    }

    /// Blocks for so many seconds: of 5, or the cube root of the seconds if that is more, but at least ten of them.
    pub(super) fn of(seconds: usize) -> Blocks {
        let length = (seconds as f64).cbrt().round() as usize;
        Blocks::new(seconds, length.max(BLOCK).min(seconds / BLOCKS))
    }

    /// How many blocks make up the seconds.
    pub(super) fn number(&self) -> usize {
        self.seconds.div_ceil(self.length)
    }

    /// Draws where the blocks begin.
    pub(super) fn draw(&self, draws: &mut Draws) -> Vec<u32> {
        let seconds = self.seconds.max(1) as u32;
        (0..self.number()).map(|_| draws.random_range(0..seconds)).collect()
    }

    /// The stretches of seconds that make up the blocks which begin at `starts`. A block that goes beyond the end goes on
    /// at the start; the last one is cut to what is missing.
    fn stretches(&self, starts: &[u32], mut each: impl FnMut(usize, usize)) {
        let mut missing = self.seconds;
        for start in starts {
            let (from, length) = (*start as usize, self.length.min(missing));
            missing -= length;
            let to = (from + length).min(self.seconds);
            each(from, to);
            if from + length > self.seconds {
                each(0, from + length - self.seconds);
            }
        }
    }

    /// Sums up what there is in each stretch.
    pub(super) fn sum(&self, starts: &[u32], within: impl Fn(usize, usize) -> u64) -> u64 {
        let mut sum = 0;
        self.stretches(starts, |from, to| sum += within(from, to));
        sum
    }

    /// Where a single block that is the whole run begins, and the blocks for it.
    pub(super) fn whole(seconds: usize) -> (Blocks, [u32; 1]) {
        (Blocks::new(seconds, seconds), [0])
    }

    #[cfg(test)]
    pub(super) fn seconds(&self, starts: &[u32]) -> Vec<usize> {
        let mut all = Vec::new();
        self.stretches(starts, |from, to| all.extend(from..to));
        all
    }
}

/// The blocks drawn for one kind of figures: for each replicate those of BASE and those of NEW.
pub(super) struct Drawn {
    pub(super) base: (Blocks, Vec<Vec<u32>>),
    /// Nothing if both runs had the same plan: then the same seconds of it are drawn of both.
    pub(super) new: Option<(Blocks, Vec<Vec<u32>>)>,
}

impl Drawn {
    pub(super) fn new(seconds: [usize; 2], paired: bool, replicates: usize, seed: Seed, kind: u64) -> Drawn {
        let draw = |run: usize| {
            let blocks = Blocks::of(seconds[run]);
            let mut draws = seed.stream("comparison", kind * 2 + run as u64);
            (blocks, (0..replicates).map(|_| blocks.draw(&mut draws)).collect())
        };
        Drawn { base: draw(0), new: (!paired).then(|| draw(1)) }
    }

    /// The difference NEW − BASE in each replicate. Where either has no figure, it is `otherwise`.
    pub(super) fn differences(
        &self,
        base: impl Fn(&Blocks, &[u32]) -> Option<f64>,
        new: impl Fn(&Blocks, &[u32]) -> Option<f64>,
        otherwise: f64,
    ) -> Vec<f64> {
        let (blocks, all) = &self.base;
        let (new_blocks, new_all) = self.new.as_ref().unwrap_or(&self.base);
        let pairs = all.iter().zip(new_all);
        pairs
            .map(|(starts, new_starts)| {
                let difference = base(blocks, starts).zip(new(new_blocks, new_starts));
                difference.map_or(otherwise, |(base, new)| new - base)
            })
            .collect()
    }

    /// The fewest blocks that either run is made of.
    pub(super) fn blocks(&self) -> usize {
        let new = self.new.as_ref().unwrap_or(&self.base);
        self.base.0.number().min(new.0.number())
    }
}

/// A figure of which an interval is wanted.
pub(super) struct Replicated {
    /// The difference as it was measured.
    pub(super) difference: f64,
    /// The difference in each replicate.
    pub(super) replicates: Vec<f64>,
    /// The least standard error that is believed: a histogram and a count know no better.
    pub(super) floor: f64,
    /// How many blocks the runs are made of.
    pub(super) blocks: usize,
}

impl Replicated {
    /// The standard error of the difference.
    fn error(&self) -> f64 {
        let number = self.replicates.len().max(2) as f64;
        let mean = self.replicates.iter().sum::<f64>() / number;
        let squares: f64 = self.replicates.iter().map(|one| (one - mean).powi(2)).sum();
        (squares / (number - 1.0)).sqrt().max(self.floor)
    }
}

/// Half the width of the interval of each figure, so that all of them hold the truth together with this confidence.
pub(super) fn simultaneous(figures: &[Replicated], confidence: f64) -> Vec<f64> {
    let errors: Vec<f64> = figures.iter().map(Replicated::error).collect();
    let replicates = figures.iter().map(|figure| figure.replicates.len()).min().unwrap_or(0);
    let mut largest: Vec<f64> = (0..replicates)
        .map(|replicate| {
            let deviations = figures.iter().zip(&errors).map(|(figure, error)| {
                let deviation = (figure.replicates[replicate] - figure.difference).abs();
                if *error > 0.0 { deviation / error } else { 0.0 }
            });
            deviations.fold(0.0, f64::max)
        })
        .collect();
    largest.sort_unstable_by(f64::total_cmp);
    let place = ((confidence * replicates as f64).ceil() as usize).clamp(1, replicates.max(1)) - 1;
    // One figure alone would have 1.96 errors to either side.
    let critical = largest.get(place).copied().unwrap_or(0.0).max(1.96);
    figures
        .iter()
        .zip(errors)
        .map(|(figure, error)| error * critical * widening(critical, figure.blocks))
        .collect()
}

/// How much wider an interval is for an error that was estimated from so many blocks: Student's t against the normal
/// distribution, by the first term of its expansion, and what drawing from the blocks themselves takes off.
fn widening(critical: f64, blocks: usize) -> f64 {
    let free = blocks.saturating_sub(1).max(1) as f64;
    (1.0 + (critical * critical + 1.0) / (4.0 * free)) * ((free + 1.0) / free).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_seconds_are_drawn_as_there_are() {
        let mut draws = Seed(1).stream("test", 0);
        for seconds in [1, 2, 7, 20, 55, 3_600] {
            let blocks = Blocks::of(seconds);
            let drawn = blocks.seconds(&blocks.draw(&mut draws));
            assert_eq!(drawn.len(), seconds);
            assert!(drawn.iter().all(|second| *second < seconds));
        }
        assert_eq!([20, 55, 3_600].map(|seconds| Blocks::of(seconds).length), [2, 5, 15]);
    }

    #[test]
    fn intervals_of_many_figures_are_wider_than_of_one() {
        let mut draws = Seed(1).stream("test", 0);
        let mut figure = || {
            let replicates = (0..2_000).map(|_| (0..12).map(|_| draws.random::<f64>()).sum::<f64>() - 6.0);
            Replicated { difference: 0.0, replicates: replicates.collect(), floor: 0.0, blocks: 10_000 }
        };
        let figures: Vec<Replicated> = (0..50).map(|_| figure()).collect();
        let one = simultaneous(&figures[..1], 0.95)[0];
        let all = simultaneous(&figures, 0.95);
        assert!((1.85..2.1).contains(&one), "{one}");
        // Of 50 independent ones: 3.28 standard errors.
        assert!(all.iter().all(|half| (2.9..3.6).contains(half)), "{all:?}");
    }

    #[test]
    fn few_blocks_widen_an_interval() {
        assert!(widening(3.0, 10) > 1.3 && widening(3.0, 240) < 1.02);
    }
}
