//! Frames and messages, as much of them as the floor needs.

/// Where a payload begins in a buffer, so that its frame's header fits in front of it.
const HEADER: usize = 8;

/// A frame under way: its payload is written first, then [`Frame::finish`] puts the header in front and masks it.
#[derive(Default)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Masks need not be hard to guess here, but they have to be there.
    mask: u64,
}

pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;

impl Frame {
    /// The payload of a new frame is made of these parts.
    pub fn of(&mut self, opcode: u8, parts: &[&[u8]]) -> &[u8] {
        self.bytes.clear();
        self.bytes.resize(HEADER, 0);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.finish(opcode)
    }

    fn finish(&mut self, opcode: u8) -> &[u8] {
        self.mask = self.mask.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mask = ((self.mask >> 32) as u32).to_ne_bytes();
        let length = self.bytes.len() - HEADER;
        let start = if length < 126 { HEADER - 6 } else { HEADER - 8 };
        self.bytes[start] = opcode;
        if length < 126 {
            self.bytes[start + 1] = 0x80 | length as u8;
        } else {
            self.bytes[start + 1] = 0x80 | 126;
            self.bytes[start + 2..start + 4].copy_from_slice(&(length as u16).to_be_bytes());
        }
        self.bytes[HEADER - 4..HEADER].copy_from_slice(&mask);
        // Eight bytes at a time, which the compiler makes wider still.
        let eight =
            u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
        let (eights, rest) = self.bytes[HEADER..].as_chunks_mut::<8>();
        for bytes in eights {
            *bytes = (u64::from_ne_bytes(*bytes) ^ eight).to_ne_bytes();
        }
        rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        &self.bytes[start..]
    }
}

/// Takes the first whole frame of a server: its opcode, its payload and what is behind it.
pub fn first_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [opcode, short, rest @ ..] = bytes else { return None };
    let (length, rest) = match short {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(*short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((opcode & 0x0f, payload, rest))
}

/// Where a text begins in another.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, _) = wanted.split_first()?;
    let mut from = 0;
    loop {
        from += text.get(from..)?.iter().position(|byte| byte == first)?;
        if text[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

/// What stands behind `key` up to the next quote, comma or brace; keys stand before any session description.
pub fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = &text[find(text, key)? + key.len()..];
    let length = value.iter().position(|byte| matches!(byte, b'"' | b',' | b'}'))?;
    Some(&value[..length])
}
