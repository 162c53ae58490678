//! What all links of a thread read into and write from.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rand::rngs::SysRng;
use rand::{Rng, SeedableRng, TryRng};
use rand_pcg::Pcg64Mcg;
use tokio::io::{AsyncRead, ReadBuf};

use super::Stream;

/// What is offered to one read. Larger than any message but a few, so that a read that does not fill it has emptied the
/// socket, which spares asking once more.
const READ_BYTES: usize = 64 * 1024;

/// What is kept to write from.
const KEPT_WRITE_BYTES: usize = 64 * 1024;

/// The buffers of one thread, lent to each of its links while that reads or writes: a link that has nothing to do holds
/// none. The owner of the links owns them.
///
/// A text that was received lies in the read buffer. So whoever keeps one for longer than its turn copies it: as long as
/// it lives the buffer cannot be used again, and the next read has to make another.
#[derive(Debug)]
pub struct Buffers {
    /// What the system reads into.
    arriving: Box<[u8]>,
    reading: BytesMut,
    writing: Vec<u8>,
    keys: Pcg64Mcg,
}

impl Default for Buffers {
    fn default() -> Self {
        // A mask has to differ from frame to frame and to be no guess of whoever wrote the payload (RFC 6455, section
        // 5.3); here the payload's author is ourselves. Should the system have no entropy, any number will do.
        let seed = SysRng.try_next_u64().unwrap_or(0x9e37_79b9_7f4a_7c15);
        Buffers {
            arriving: vec![0; READ_BYTES].into_boxed_slice(),
            reading: BytesMut::new(),
            writing: Vec::new(),
            keys: Pcg64Mcg::seed_from_u64(seed),
        }
    }
}

impl Buffers {
    /// Reads once. What was read is the caller's own part of the buffer; empty at the end of the stream.
    ///
    /// It comes by way of `arriving`, as only memory with something in it can be handed to the system without `unsafe`, and
    /// room that is used again has nothing in it. The copy is of what has come, some 20 ns.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<BytesMut>> {
        let mut arriving = ReadBuf::new(&mut self.arriving);
        ready!(Pin::new(stream).poll_read(cx, &mut arriving))?;
        let arrived = arriving.filled();
        // If no text of before lives any more this only moves back to the buffer's beginning, which is in the
        // processor's cache; it neither allocates nor clears.
        if !self.reading.try_reclaim(READ_BYTES) {
            self.reading = BytesMut::with_capacity(READ_BYTES);
        }
        self.reading.extend_from_slice(arrived);
        Poll::Ready(Ok(self.reading.split()))
    }

    /// A mask for the next frame.
    pub(super) fn key(&mut self) -> [u8; 4] {
        self.keys.next_u32().to_ne_bytes()
    }

    /// The buffer to write from, empty.
    pub(super) fn take_writing(&mut self) -> Vec<u8> {
        mem::take(&mut self.writing)
    }

    /// Gives it back.
    pub(super) fn put_writing(&mut self, mut buffer: Vec<u8>) {
        // One long message should not be remembered for ever.
        if buffer.capacity() <= KEPT_WRITE_BYTES {
            buffer.clear();
            self.writing = buffer;
        }
    }
}
