//! Counting latencies by their size.

use hdrhistogram::Histogram;
use hdrhistogram::errors::AdditionError;

const HIGHEST: u64 = LatencyHistogram::HIGHEST;

/// Cells in a block; a power of two. With 3 digits a latency is known to one part in 1024 at the least.
const CELLS: usize = 1 << CELL_BITS;
const CELL_BITS: u32 = 10;
/// Latencies up to here have a cell each; of those beyond, each power of two has one block.
const EXACT: u64 = 2 * CELLS as u64 - 1;
/// Blocks up to that of the longest latency.
const BLOCKS: usize = place(HIGHEST).0 + 1;

/// So many cells are looked at together by whoever looks for those that are not empty. Most of a block is empty: so a busy
/// second is merged and emptied in a third of the instructions.
const RUN: usize = 32;

/// The counts of latencies between two powers of two.
type Block = Box<[u64; CELLS]>;

/// A histogram of latencies in microseconds, from 1 µs to 10 min at 3 significant digits.
///
/// Its cells are those of an HdrHistogram of these bounds, which [`histogram`](LatencyHistogram::histogram) makes of
/// it. But it has room for the powers of two only in which something was recorded: a histogram of all cells takes
/// 172 KB, what a second of a metric fills mostly 8 to 40 KB. And it counts nothing but the cells, which is what
/// makes recording a matter of 2 ns: total, shortest and longest follow from them.
#[derive(Clone, Debug, Default)]
pub struct LatencyHistogram {
    blocks: [Option<Block>; BLOCKS],
    over_range: u64,
}

/// A cell that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its place among all cells, empty ones included, from the shortest latency on. It is that of the library.
    pub index: usize,
    /// The shortest latency that is counted in it, in microseconds.
    pub lowest: u64,
    /// The longest.
    pub highest: u64,
    /// How many there are.
    pub count: u64,
}

/// The block and the cell of a latency.
const fn place(micros: u64) -> (usize, usize) {
    let halvings = EXACT.leading_zeros() - (micros | EXACT).leading_zeros();
    let index = ((halvings as usize) << CELL_BITS) + (micros >> halvings) as usize;
    (index >> CELL_BITS, index % CELLS)
}

/// The shortest latency of a cell: the inverse of [`place`].
const fn lowest(block: usize, cell: usize) -> u64 {
    match block.checked_sub(1) {
        None => cell as u64,
        Some(halvings) => ((CELLS + cell) as u64) << halvings,
    }
}

/// The longest latency of a cell.
const fn highest(block: usize, cell: usize) -> u64 {
    lowest(block, cell) + (1 << block.saturating_sub(1)) - 1
}

impl LatencyHistogram {
    /// The shortest latency that is told from zero, in microseconds.
    pub const LOWEST: u64 = 1;
    /// The longest latency that a histogram holds, in microseconds: 10 minutes. Longer ones are counted apart.
    pub const HIGHEST: u64 = 600_000_000;
    /// Significant decimal digits that a histogram keeps of a latency.
    pub const DIGITS: u8 = 3;

    /// Records a latency of `micros` microseconds. One beyond the range is counted, not clipped.
    #[inline]
    pub fn record(&mut self, micros: u64) {
        let (block, cell) = place(micros);
        match self.blocks.get_mut(block) {
            Some(Some(cells)) if micros <= HIGHEST => cells[cell] += 1,
            _ => self.record_rare(micros),
        }
    }

    /// Records the first latency of its power of two, or one beyond the range.
    #[cold]
    fn record_rare(&mut self, micros: u64) {
        if micros > HIGHEST {
            self.over_range += 1;
        } else {
            let (block, cell) = place(micros);
            room(&mut self.blocks[block])[cell] += 1;
        }
    }

    /// Adds all that `other` holds.
    pub fn add(&mut self, other: &LatencyHistogram) {
        self.over_range = self.over_range.saturating_add(other.over_range);
        for (mine, theirs) in self.blocks.iter_mut().zip(&other.blocks) {
            let Some(theirs) = theirs else { continue };
            let runs = runs_of(room(mine)).iter_mut().zip(theirs.as_chunks::<RUN>().0);
            for (mine, theirs) in runs.filter(|(_, theirs)| is_filled(theirs)) {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    *mine = mine.saturating_add(*theirs);
                }
            }
        }
    }

    /// Adds a histogram that was stored, and `over_range` latencies beyond its range.
    ///
    /// # Errors
    /// It holds values that do not fit into these bounds.
    pub fn add_stored(&mut self, stored: &Histogram<u64>, over_range: u64) -> Result<(), AdditionError> {
        if place(stored.max()).0 >= BLOCKS {
            return Err(AdditionError::OtherAddendValueExceedsRange);
        }
        for step in stored.iter_recorded() {
            let (block, cell) = place(stored.lowest_equivalent(step.value_iterated_to()));
            let mine = &mut room(&mut self.blocks[block])[cell];
            *mine = mine.saturating_add(step.count_at_value());
        }
        self.over_range = self.over_range.saturating_add(over_range);
        Ok(())
    }

    /// Forgets everything, and keeps the room for as much again.
    pub fn clear(&mut self) {
        let runs = self.blocks.iter_mut().flatten().flat_map(|cells| runs_of(cells));
        runs.filter(|run| is_filled(run)).for_each(|run| run.fill(0));
        self.over_range = 0;
    }

    /// The values within the range.
    pub fn histogram(&self) -> Histogram<u64> {
        // The bounds are constants that the library accepts; a test makes one.
        #[allow(clippy::expect_used, reason = "constant arguments, tested")]
        let mut histogram =
            Histogram::new_with_bounds(Self::LOWEST, Self::HIGHEST, Self::DIGITS).expect("valid bounds");
        for Cell { lowest, count, .. } in self.cells() {
            // Whatever has a cell here has one there.
            let recorded = histogram.record_n(lowest, count);
            debug_assert!(recorded.is_ok(), "histograms of the same bounds");
        }
        histogram
    }

    /// The cells that are not empty, from the shortest.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let blocks = self.blocks.iter().enumerate();
        let cells = blocks.filter_map(|(block, cells)| Some((block, cells.as_deref()?)));
        cells.flat_map(|(block, cells)| {
            let runs = cells.as_chunks::<RUN>().0.iter().enumerate().filter(|(_, run)| is_filled(run));
            let cells = runs.flat_map(|(run, cells)| (run * RUN..).zip(cells));
            cells.filter(|(_, count)| **count > 0).map(move |(cell, count)| Cell {
                index: block * CELLS + cell,
                lowest: lowest(block, cell),
                highest: highest(block, cell),
                count: *count,
            })
        })
    }

    /// How many latencies were longer than the range.
    pub fn over_range(&self) -> u64 {
        self.over_range
    }

    /// How many latencies were recorded, those beyond the range included.
    pub fn count(&self) -> u64 {
        let cells = self.blocks.iter().flatten().flat_map(|cells| cells.iter());
        cells.fold(self.over_range, |sum, count| sum.saturating_add(*count))
    }
}

/// The cells of a block, some at a time.
fn runs_of(cells: &mut [u64; CELLS]) -> &mut [[u64; RUN]] {
    cells.as_chunks_mut().0
}

/// Whether any of these cells is not empty; all are looked at, which takes fewer instructions than to stop at the first.
fn is_filled(run: &[u64; RUN]) -> bool {
    run.iter().fold(0, |any, count| any | count) > 0
}

/// The cells of a block, made where there are none yet.
fn room(block: &mut Option<Block>) -> &mut [u64; CELLS] {
    block.get_or_insert_with(|| Box::new([0; CELLS]))
}

impl PartialEq for LatencyHistogram {
    /// Room for more makes no difference.
    fn eq(&self, other: &LatencyHistogram) -> bool {
        self.over_range == other.over_range && self.cells().eq(other.cells())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(latencies: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        latencies.iter().for_each(|micros| histogram.record(*micros));
        histogram
    }

    /// What the library makes of the same.
    fn judge(latencies: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(
            LatencyHistogram::LOWEST,
            LatencyHistogram::HIGHEST,
            LatencyHistogram::DIGITS,
        )
        .unwrap();
        for micros in latencies.iter().filter(|micros| **micros <= HIGHEST) {
            histogram.record(*micros).unwrap();
        }
        histogram
    }

    /// Latencies of every order of magnitude, and those around each power of two.
    fn latency() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..=HIGHEST,
            (0_u32..64, -1_i64..=1).prop_map(|(power, beside)| (1_u64 << power).wrapping_add_signed(beside)),
            (0_u32..64, any::<u64>()).prop_map(|(bits, value)| value >> bits),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_the_library_would(latencies in prop::collection::vec(latency(), 0..200)) {
            let (mine, judge) = (of(&latencies), judge(&latencies));
            let over_range = latencies.iter().filter(|micros| **micros > HIGHEST).count() as u64;
            prop_assert_eq!((mine.count(), mine.over_range()), (latencies.len() as u64, over_range));
            let histogram = mine.histogram();
            prop_assert_eq!(&histogram, &judge);
            prop_assert_eq!((histogram.min(), histogram.max()), (judge.min(), judge.max()));
            prop_assert_eq!((histogram.len(), histogram.mean()), (judge.len(), judge.mean()));
            for q in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
                prop_assert_eq!(histogram.value_at_quantile(q), judge.value_at_quantile(q));
            }
        }

        #[test]
        fn adding_is_recording_both(
            one in prop::collection::vec(latency(), 0..50),
            other in prop::collection::vec(latency(), 0..50),
        ) {
            let both = of(&[one.as_slice(), &other].concat());
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(&sum, &both);
            let (mut stored, other) = (of(&one), of(&other));
            prop_assert!(stored.add_stored(&other.histogram(), other.over_range()).is_ok());
            prop_assert_eq!(stored, both);
        }

        #[test]
        fn a_cleared_one_is_an_empty_one(latencies in prop::collection::vec(latency(), 0..50)) {
            let mut histogram = of(&latencies);
            histogram.clear();
            prop_assert_eq!(&histogram, &LatencyHistogram::default());
            prop_assert_eq!(histogram.count(), 0);
        }
    }

    #[test]
    fn every_cell_is_that_of_the_library() {
        let judge = judge(&[]);
        for block in 0..BLOCKS {
            for cell in 0..CELLS {
                let micros = lowest(block, cell);
                assert_eq!(place(micros), (block, cell));
                assert_eq!(place(judge.highest_equivalent(micros)), (block, cell));
                assert_eq!(judge.lowest_equivalent(micros), micros);
                assert_eq!(judge.highest_equivalent(micros), highest(block, cell));
            }
        }
    }

    #[test]
    fn a_latency_beyond_the_range_is_counted_and_not_clipped() {
        let latency = of(&[5_000, 600_000_000, 600_000_001, 7_200_000_000, u64::MAX]);
        assert_eq!((latency.count(), latency.over_range()), (5, 3));
        assert!((600_000_000..601_000_000).contains(&latency.histogram().max()));
    }

    #[test]
    fn a_stored_histogram_beyond_the_range_is_refused_whole() {
        let mut stored = Histogram::<u64>::new(LatencyHistogram::DIGITS).unwrap();
        stored.record(5).unwrap();
        stored.record(1 << 40).unwrap();
        let mut latency = LatencyHistogram::default();
        assert!(latency.add_stored(&stored, 1).is_err());
        assert_eq!(latency, LatencyHistogram::default());
    }

    #[test]
    fn forged_counts_do_not_run_over() {
        let mut stored = judge(&[]);
        stored.record_n(5, u64::MAX).unwrap();
        let mut latency = LatencyHistogram::default();
        for _ in 0..2 {
            latency.add_stored(&stored, u64::MAX).unwrap();
        }
        assert_eq!(latency.count(), u64::MAX);
        let mut twice = latency.clone();
        twice.add(&latency);
        assert_eq!(twice, latency);
    }
}
