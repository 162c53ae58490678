//! Quantiles of any choice of seconds, without adding up their histograms again for each.

use super::bootstrap::Blocks;

/// The cells of a histogram that have something in them: the highest value of the cell, and how many are in it.
pub(super) type Cells = Vec<(u64, u64)>;

/// The latencies of a run, summed up along values and along time: how many are no longer than a value, in any stretch of
/// its seconds, is a difference of two figures.
pub(super) struct Table {
    values: Vec<u64>,
    /// A row for each value, with a figure for the begin of each second and the end of the last. Of all that is above
    /// 2^32 only the rest is kept, which is enough for differences.
    sums: Vec<u32>,
    seconds: usize,
    /// How many there are in all.
    pub(super) count: u64,
}

impl Table {
    pub(super) fn new(seconds: &[Cells]) -> Table {
        let mut values: Vec<u64> = seconds.iter().flatten().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let width = seconds.len() + 1;
        let mut sums = vec![0_u32; values.len() * width];
        for (second, cells) in seconds.iter().enumerate() {
            for (value, count) in cells {
                if let Ok(row) = values.binary_search(value) {
                    let cell = &mut sums[row * width + second + 1];
                    *cell = cell.wrapping_add(*count as u32);
                }
            }
        }
        for place in 0..sums.len() {
            let (row, column) = (place / width, place % width);
            // Along time, and along values: what was added twice is taken away once.
            let before = if column > 0 { sums[place - 1] } else { 0 };
            let below = if row > 0 { sums[place - width] } else { 0 };
            let both = if row > 0 && column > 0 { sums[place - width - 1] } else { 0 };
            sums[place] = sums[place].wrapping_add(before).wrapping_add(below).wrapping_sub(both);
        }
        let count = seconds.iter().flatten().map(|(_, count)| count).sum();
        Table { values, sums, seconds: seconds.len(), count }
    }

    /// How many figures there are along time.
    pub(super) fn seconds(&self) -> usize {
        self.seconds
    }

    /// How many of the seconds drawn are no longer than the value of `row`.
    fn below(&self, row: usize, blocks: &Blocks, starts: &[u32]) -> u64 {
        let width = self.seconds + 1;
        let row = &self.sums[row * width..(row + 1) * width];
        blocks.sum(starts, |from, to| u64::from(row[to].wrapping_sub(row[from])))
    }

    /// The quantile of the seconds drawn; nothing if nothing was measured in them.
    pub(super) fn quantile(&self, q: f64, blocks: &Blocks, starts: &[u32]) -> Option<f64> {
        let last = self.values.len().checked_sub(1)?;
        let all = self.below(last, blocks, starts);
        let rank = ((q * all as f64).ceil() as u64).max(1);
        let (mut low, mut high) = (0, last);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.below(middle, blocks, starts) >= rank { high = middle } else { low = middle + 1 }
        }
        (all > 0).then(|| self.values[low] as f64)
    }
}

/// Two counts a second, whose ratio is asked for: what went wrong, of how many.
pub(super) struct Ratio {
    part: Vec<u64>,
    whole: Vec<u64>,
}

impl Ratio {
    pub(super) fn new(seconds: impl Iterator<Item = (u64, u64)>) -> Ratio {
        let (mut part, mut whole) = (vec![0], vec![0]);
        let (mut parts, mut wholes) = (0, 0);
        for (one, of) in seconds {
            parts += one;
            wholes += of;
            part.push(parts);
            whole.push(wholes);
        }
        Ratio { part, whole }
    }

    /// The counts of all seconds.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.part.last().copied().unwrap_or(0), self.whole.last().copied().unwrap_or(0))
    }

    /// The ratio in percent, over the seconds drawn.
    pub(super) fn percent(&self, blocks: &Blocks, starts: &[u32]) -> Option<f64> {
        let part = blocks.sum(starts, |from, to| self.part[to] - self.part[from]);
        let whole = blocks.sum(starts, |from, to| self.whole[to] - self.whole[from]);
        (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;

    #[test]
    fn a_quantile_of_drawn_seconds_is_that_of_their_latencies_together() {
        let seconds: Vec<Cells> = (0..30)
            .map(|second| (0..5).map(|cell| ((second * 7 + cell * 13) % 50, 1 + cell % 3)).collect())
            .map(|mut cells: Cells| {
                cells.sort_unstable();
                cells
            })
            .collect();
        let table = Table::new(&seconds);
        let blocks = Blocks::new(30, 4);
        let mut draws = Seed(3).stream("test", 0);
        for _ in 0..50 {
            let starts = blocks.draw(&mut draws);
            let mut drawn = Vec::new();
            for second in blocks.seconds(&starts) {
                for (value, count) in &seconds[second] {
                    (0..*count).for_each(|_| drawn.push(*value));
                }
            }
            drawn.sort_unstable();
            for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
                let rank = ((q * drawn.len() as f64).ceil() as usize).max(1);
                assert_eq!(table.quantile(q, &blocks, &starts), Some(drawn[rank - 1] as f64));
            }
        }
        assert_eq!(table.count, table.below(table.values.len() - 1, &Blocks::new(30, 30), &[0]));
    }

    #[test]
    fn nothing_measured_has_no_quantile() {
        let blocks = Blocks::new(2, 1);
        assert_eq!(Table::new(&[vec![], vec![]]).quantile(0.5, &blocks, &[0, 1]), None);
        let ratio = Ratio::new([(1, 4), (0, 0)].into_iter());
        assert_eq!(ratio.percent(&blocks, &[0, 0]), Some(25.0));
        assert_eq!(ratio.percent(&blocks, &[1, 1]), None);
    }
}
