//! Writing HdrHistogram's V2 format, compressed.
//!
//! The library does it as well. But for each histogram it wants 172 KB to be made, 190 KB to be cleared and a new
//! compressor of 320 KB, which is handed back to the system afterwards: with a dozen of them a second half of what the
//! collector cost was the kernel's work of bringing memory. Here everything is used again, and what is written is the
//! library's to the byte, which the tests hold.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::histogram::HistogramError;
use crate::metrics::LatencyHistogram;

const COOKIE: u32 = 0x1c84_9313;
const COOKIE_COMPRESSED: u32 = 0x1c84_9314;
/// Cookie, length, offset of the index, digits, lowest and highest value, and the ratio of integers to values.
const HEADER_BYTES: usize = 40;

/// Writes histograms, with memory that is used again.
pub(super) struct Writer {
    plain: Vec<u8>,
    compress: Compress,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer { plain: Vec::new(), compress: Compress::new(Compression::default(), true) }
    }
}

impl Writer {
    /// Appends `latency` to `out`, without what lies beyond its range.
    ///
    /// # Errors
    /// A count is beyond 2^63, which the format cannot hold; or the compressor gives up.
    pub fn write(&mut self, latency: &LatencyHistogram, out: &mut Vec<u8>) -> Result<(), HistogramError> {
        self.write_plain(latency)?;
        let start = out.len();
        out.extend_from_slice(&COOKIE_COMPRESSED.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        self.compress.reset();
        loop {
            out.reserve(self.plain.len() / 2 + 64);
            let taken = usize::try_from(self.compress.total_in()).unwrap_or(usize::MAX);
            let rest = self.plain.get(taken..).unwrap_or_default();
            if self.compress.compress_vec(rest, out, FlushCompress::Finish)? == Status::StreamEnd {
                break;
            }
        }
        set_length(&mut out[start + 4..], self.compress.total_out());
        Ok(())
    }

    /// What is compressed: a header, and the counts from the shortest latency to the longest.
    fn write_plain(&mut self, latency: &LatencyHistogram) -> Result<(), HistogramError> {
        let plain = &mut self.plain;
        plain.clear();
        plain.extend_from_slice(&COOKIE.to_be_bytes());
        plain.extend_from_slice(&[0; 8]);
        plain.extend_from_slice(&u32::from(LatencyHistogram::DIGITS).to_be_bytes());
        plain.extend_from_slice(&LatencyHistogram::LOWEST.to_be_bytes());
        plain.extend_from_slice(&LatencyHistogram::HIGHEST.to_be_bytes());
        plain.extend_from_slice(&1.0_f64.to_be_bytes());
        let mut next = 0;
        for cell in latency.cells() {
            match cell.index - next {
                0 => {}
                // One empty cell is a count of zero; more are their number, negated.
                1 => write_number(plain, 0),
                empty => write_number(plain, -i64::try_from(empty).map_err(|_| HistogramError::Count)?),
            }
            write_number(plain, i64::try_from(cell.count).map_err(|_| HistogramError::Count)?);
            next = cell.index + 1;
        }
        if next == 0 {
            write_number(plain, 0);
        }
        let counts = plain.len() - HEADER_BYTES;
        set_length(&mut plain[4..], counts as u64);
        Ok(())
    }
}

/// Puts a length into the first 4 bytes. No histogram is longer than 9 bytes a cell.
fn set_length(place: &mut [u8], length: u64) {
    place[..4].copy_from_slice(&(length as u32).to_be_bytes());
}

/// Appends a number in zigzag and LEB128, of 9 bytes at most: the ninth holds 8 bits.
fn write_number(plain: &mut Vec<u8>, number: i64) {
    let mut left = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
    for _ in 0..8 {
        if left < 0x80 {
            break;
        }
        plain.push(left as u8 | 0x80);
        left >>= 7;
    }
    plain.push(left as u8);
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
    use proptest::prelude::*;

    use super::*;

    fn of_the_library(latency: &LatencyHistogram) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&latency.histogram(), &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_librarys_to_the_byte(
            many in prop::collection::vec(
                (prop::collection::vec((0_u32..30, any::<u64>()), 0..200), 0..70),
                1..4,
            ),
        ) {
            // One writer for all: nothing of one histogram is in the next.
            let mut writer = Writer::default();
            for (latencies, doublings) in many {
                let mut latency = LatencyHistogram::default();
                for (bits, micros) in latencies {
                    latency.record((micros % (1 << bits)).min(LatencyHistogram::HIGHEST));
                }
                // Counts of many bytes, and beyond what can be stored.
                (0..doublings).for_each(|_| latency.add(&latency.clone()));
                let fits = latency.cells().all(|cell| i64::try_from(cell.count).is_ok());
                let mut written = b"before".to_vec();
                let result = writer.write(&latency, &mut written);
                prop_assert_eq!(result.is_ok(), fits);
                if fits {
                    prop_assert_eq!(&written[6..], of_the_library(&latency));
                }
            }
        }
    }

    #[test]
    fn one_with_nothing_in_its_range_is_written_as_the_library_does() {
        let mut latency = LatencyHistogram::default();
        latency.record(u64::MAX);
        let mut written = Vec::new();
        Writer::default().write(&latency, &mut written).unwrap();
        assert_eq!(written, of_the_library(&latency));
    }
}
