//! WebSocket frames (RFC 6455, section 5) as bytes: no socket, no time.

use std::str;

use bytes::{Buf, BytesMut};
use tokio_tungstenite::tungstenite::Bytes;

use super::{End, FrameError, MAX_MESSAGE_BYTES, Utf8Bytes};

/// The longest payload of a control frame (section 5.5).
pub(super) const MAX_CONTROL_BYTES: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is (section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// A text message, or its first part.
    Text,
    /// A binary message, or its first part.
    Binary,
    /// The end.
    Close,
    /// A question whether the other end is there.
    Ping,
    /// Its answer.
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// Adds a whole frame to `out`, masked with `key` if there is one: a client's must be (section 5.3).
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) {
    out.reserve(frame_len(payload.len(), key.is_some()));
    let mask = if key.is_some() { MASKED } else { 0 };
    out.push(FINAL | opcode.bits());
    match (payload.len(), u16::try_from(payload.len())) {
        (length @ 0..=125, _) => out.push(mask | length as u8),
        (_, Ok(length)) => {
            out.push(mask | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        (length, Err(_)) => {
            out.push(mask | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask_with(&mut out[start..], key);
    }
}

/// The length of such a frame.
pub(super) const fn frame_len(payload: usize, is_masked: bool) -> usize {
    let length = if payload <= 125 {
        2
    } else if payload <= u16::MAX as usize {
        4
    } else {
        10
    };
    length + if is_masked { 4 } else { 0 } + payload
}

/// Masks, or takes a mask off. Eight bytes at a time, which the compiler makes 16 or 32 of.
fn mask_with(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (eights, rest) = payload.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// A message or control frame that has come in whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message of so many bytes.
    Binary(usize),
    /// A ping; it is to be answered with the same payload.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close frame: its code and reason, if it has them. A code that may not be sent has become 1002.
    Close(Option<(u16, String)>),
}

/// Puts together what comes to one end of a connection.
#[derive(Debug)]
pub struct FrameReader {
    end: End,
    /// The message of which some frames have come, and others are still to come. Few servers send any in parts.
    parts: Option<Box<Parts>>,
}

/// The head of a frame.
struct Head {
    is_final: bool,
    opcode: Opcode,
    key: Option<[u8; 4]>,
    /// Its own length.
    length: usize,
    /// The payload's.
    payload: usize,
}

impl FrameReader {
    /// For what comes to this end.
    pub fn new(end: End) -> FrameReader {
        FrameReader { end, parts: None }
    }

    /// Takes the next message or control frame off the front of `bytes`; `None` while it is not whole. A text stays
    /// where it is, as a part of the same allocation.
    ///
    /// A frame that its head makes wrong is refused as soon as the head is there.
    ///
    /// # Errors
    /// [`FrameError::Protocol`], [`FrameError::TooLong`] or [`FrameError::NotUtf8`]; nothing is to be read after that.
    pub fn read(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        while let Some(head) = self.head(bytes)? {
            // Checked against the limit in `head`, so the sum is a small one.
            if bytes.len() < head.length + head.payload {
                return Ok(None);
            }
            bytes.advance(head.length);
            let mut payload = bytes.split_to(head.payload);
            if let Some(key) = head.key {
                mask_with(&mut payload, key);
            }
            if let Some(incoming) = self.take(&head, payload)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// Reads and judges the head of the frame at the front.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (payload, rest) = match (second & !MASKED, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
            }
            (126 | 127, _) => return Ok(None),
            (length, rest) => (u64::from(length), rest),
        };
        let (key, rest) = match (second & MASKED != 0, rest) {
            (false, rest) => (None, rest),
            (true, [a, b, c, d, rest @ ..]) => (Some([*a, *b, *c, *d]), rest),
            (true, _) => return Ok(None),
        };
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(FrameError::Protocol)?;
        // Judged by what the head says, so that nobody can make us wait for, or make room for, what is refused anyway.
        let payload = usize::try_from(payload).ok().filter(|payload| *payload <= MAX_MESSAGE_BYTES);
        let payload = payload.ok_or(FrameError::TooLong)?;
        let is_final = first & FINAL != 0;
        let is_masked_right = key.is_some() == (self.end == End::Server);
        let is_control_right = !opcode.is_control() || (is_final && payload <= MAX_CONTROL_BYTES);
        let is_turn = match opcode {
            Opcode::Continuation => self.parts.is_some(),
            Opcode::Text | Opcode::Binary => self.parts.is_none(),
            _ => true,
        };
        if first & RESERVED != 0 || !is_masked_right || !is_control_right || !is_turn {
            return Err(FrameError::Protocol);
        }
        Ok(Some(Head { is_final, opcode, key, length: bytes.len() - rest.len(), payload }))
    }

    /// Takes a frame; what has become whole with it.
    fn take(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Incoming>, FrameError> {
        match head.opcode {
            Opcode::Ping => Ok(Some(Incoming::Ping(payload.freeze()))),
            Opcode::Pong => Ok(Some(Incoming::Pong(payload.freeze()))),
            Opcode::Close => close(&payload).map(|close| Some(Incoming::Close(close))),
            Opcode::Text if head.is_final => {
                let text = Utf8Bytes::try_from(payload).map_err(|_| FrameError::NotUtf8)?;
                Ok(Some(Incoming::Text(text)))
            }
            Opcode::Binary if head.is_final => Ok(Some(Incoming::Binary(payload.len()))),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let parts = self.parts.get_or_insert_with(|| Box::new(Parts::of(head.opcode)));
                parts.add(&payload)?;
                if !head.is_final {
                    return Ok(None);
                }
                self.parts.take().map(|parts| parts.whole()).transpose()
            }
        }
    }
}

/// Reads the payload of a close frame (section 5.5.1).
fn close(payload: &[u8]) -> Result<Option<(u16, String)>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::Protocol),
        [high, low, reason @ ..] => {
            let reason = str::from_utf8(reason).map_err(|_| FrameError::NotUtf8)?;
            match u16::from_be_bytes([*high, *low]) {
                code if may_be_sent(code) => Ok(Some((code, reason.to_owned()))),
                _ => Ok(Some((1002, "Protocol violation".to_owned()))),
            }
        }
    }
}

/// Whether a close frame may carry `code` (section 7.4, and the registry of codes).
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999)
}

/// The first frames of a message.
#[derive(Debug)]
enum Parts {
    Text {
        text: String,
        /// The first bytes of a character that was cut in two.
        cut: Vec<u8>,
    },
    Binary(usize),
}

impl Parts {
    fn of(opcode: Opcode) -> Parts {
        match opcode {
            Opcode::Binary => Parts::Binary(0),
            _ => Parts::Text { text: String::new(), cut: Vec::new() },
        }
    }

    /// Adds the payload of a frame. Each byte is checked once.
    fn add(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        match self {
            Parts::Binary(bytes) => {
                *bytes += payload.len();
                if *bytes > MAX_MESSAGE_BYTES { Err(FrameError::TooLong) } else { Ok(()) }
            }
            Parts::Text { text, cut } if text.len() + cut.len() + payload.len() > MAX_MESSAGE_BYTES => {
                *text = String::new();
                Err(FrameError::TooLong)
            }
            Parts::Text { text, cut } if cut.is_empty() => {
                *cut = add_text(text, payload)?;
                Ok(())
            }
            Parts::Text { text, cut } => {
                let joined = [&cut[..], payload].concat();
                *cut = add_text(text, &joined)?;
                Ok(())
            }
        }
    }

    fn whole(self) -> Result<Incoming, FrameError> {
        match self {
            Parts::Binary(bytes) => Ok(Incoming::Binary(bytes)),
            Parts::Text { text, cut } if cut.is_empty() => Ok(Incoming::Text(text.into())),
            Parts::Text { .. } => Err(FrameError::NotUtf8),
        }
    }
}

/// Adds `bytes` to `text`, but for the beginning of a character at their end, which is given back.
fn add_text(text: &mut String, bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut chunks = bytes.utf8_chunks();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let cut = chunk.invalid();
        if cut.is_empty() {
            continue;
        }
        let is_begun = str::from_utf8(cut).is_err_and(|error| error.error_len().is_none());
        return if is_begun && chunks.next().is_none() { Ok(cut.to_vec()) } else { Err(FrameError::NotUtf8) };
    }
    Ok(Vec::new())
}
