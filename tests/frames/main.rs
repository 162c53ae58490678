//! The frame codec against tungstenite.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use proptest::collection::vec;
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use wtsp_load::transport::{End, FrameError, Incoming, MAX_MESSAGE_BYTES, Opcode, write_frame};

#[path = "../support/counting.rs"]
mod counting;
mod links;
#[path = "../support/frame_oracle.rs"]
mod oracle;

use oracle::{ours, same_verdict, theirs};

const ENDS: [End; 2] = [End::Client, End::Server];

/// The key of a frame that is sent to this end.
fn key(end: End, key: [u8; 4]) -> Option<[u8; 4]> {
    (end == End::Server).then_some(key)
}

/// A frame as tungstenite writes it.
fn their_frame(opcode: OpCode, is_final: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let header = FrameHeader { is_final, opcode, mask, ..FrameHeader::default() };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).unwrap();
    bytes
}

/// A text in parts of these sizes, with a ping before each of them but the first.
fn fragmented(text: &str, sizes: &[usize], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut rest, mut opcode) = (text.as_bytes(), Data::Text);
    for size in sizes {
        let (part, after) = rest.split_at((*size).min(rest.len()));
        bytes.extend(their_frame(OpCode::Data(opcode), false, part, mask));
        bytes.extend(their_frame(OpCode::Control(Control::Ping), true, b"there?", mask));
        (rest, opcode) = (after, Data::Continue);
    }
    bytes.extend(their_frame(OpCode::Data(opcode), true, rest, mask));
    bytes
}

/// Any text, with characters of every length.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "\\PC{0,40}",
        6 => "[a-zåé€𝄞]{0,300}",
        1 => (65_530..65_540_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn reads() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), vec(1..200_usize, 1..20)]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Client), Just(End::Server)]
}

/// Frames that are mostly right: any opcode, any flags, a length that may be a lie.
fn mostly_frames(end: End) -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![8 => 0..3_u8, 4 => 8..11_u8, 1 => 0..16_u8];
    let flags = prop_oneof![6 => Just(0x80_u8), 3 => Just(0_u8), 1 => (0..16_u8).prop_map(|bits| bits << 4)];
    let payload = prop_oneof![
        "[a-zåé€𝄞]{0,30}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..140),
        (900..5100_u16, "[ -~]{0,5}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ];
    let is_masked = prop::bool::weighted(if end == End::Server { 0.95 } else { 0.05 });
    let lie = prop_oneof![20 => Just(0_u64), 1 => 1..3_u64, 1 => any::<u64>()];
    let frame = (opcode, flags, payload, is_masked, any::<[u8; 4]>(), lie).prop_map(
        |(opcode, flags, payload, is_masked, key, lie)| {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Opcode::Binary, &payload, is_masked.then_some(key));
            bytes[0] = flags | opcode;
            if lie > 0 {
                let mask = bytes[1] & 0x80;
                bytes.splice(1..2, [mask | 127].into_iter().chain(lie.to_be_bytes()));
            }
            bytes
        },
    );
    vec(frame, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn what_tungstenite_writes_is_read_however_it_is_cut(
        end in end(),
        messages in vec((text(), vec(0..60_usize, 0..5), any::<[u8; 4]>()), 0..4),
        reads in reads(),
    ) {
        let mut bytes = Vec::new();
        for (text, sizes, mask) in &messages {
            bytes.extend(fragmented(text, sizes, key(end, *mask)));
        }
        let (got, error) = ours(end, &bytes, &reads);
        prop_assert_eq!(error, FrameError::Lost);
        let is_text = |incoming: &Incoming| match incoming {
            Incoming::Text(text) => Some(text.as_str().to_owned()),
            _ => None,
        };
        let texts: Vec<_> = got.iter().filter_map(is_text).collect();
        prop_assert_eq!(texts, messages.iter().map(|(text, ..)| text.clone()).collect::<Vec<_>>());
        let pings = got.iter().filter(|incoming| **incoming == Incoming::Ping("there?".into())).count();
        prop_assert_eq!(pings, messages.iter().map(|(_, sizes, _)| sizes.len()).sum::<usize>());
    }

    #[test]
    fn tungstenite_reads_what_is_written(
        end in end(),
        messages in vec((text(), any::<[u8; 4]>()), 0..5),
    ) {
        let mut bytes = Vec::new();
        for (text, mask) in &messages {
            write_frame(&mut bytes, Opcode::Text, text.as_bytes(), key(end, *mask));
        }
        let (got, error) = theirs(end, &bytes);
        prop_assert_eq!(error, FrameError::Lost);
        prop_assert_eq!(got, messages.iter().map(|(text, _)| Incoming::Text(text.into())).collect::<Vec<_>>());
    }

    #[test]
    fn hostile_bytes_get_the_verdict_that_tungstenite_gives(
        (end, bytes) in end().prop_flat_map(|end| (Just(end), mostly_frames(end))),
        reads in reads(),
    ) {
        same_verdict(end, &bytes, &reads);
    }

    #[test]
    fn any_bytes_do(end in end(), bytes in vec(any::<u8>(), 0..64), reads in reads()) {
        same_verdict(end, &bytes, &reads);
    }
}

#[test]
fn frames_of_every_length_of_a_length_are_the_same_byte_for_byte() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, MAX_MESSAGE_BYTES] {
        let payload = "x".repeat(length);
        for mask in [None, Some([1, 2, 3, 4])] {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Opcode::Text, payload.as_bytes(), mask);
            assert_eq!(bytes, their_frame(OpCode::Data(Data::Text), true, payload.as_bytes(), mask));
        }
    }
}

#[test]
fn a_message_of_the_longest_length_is_taken_and_one_byte_more_is_not() {
    for end in ENDS {
        for (length, is_taken) in [(MAX_MESSAGE_BYTES, true), (MAX_MESSAGE_BYTES + 1, false)] {
            let mask = key(end, [7; 4]);
            let text = "x".repeat(length);
            let whole = fragmented(&text, &[], mask);
            for bytes in [whole, fragmented(&text, &[MAX_MESSAGE_BYTES / 2, 9], mask)] {
                let (got, error) = ours(end, &bytes, &[64 * 1024]);
                assert_eq!(error == FrameError::Lost, is_taken);
                assert_eq!(got.iter().any(|one| matches!(one, Incoming::Text(_))), is_taken);
                same_verdict(end, &bytes, &[64 * 1024]);
            }
        }
    }
}

#[test]
fn a_frame_that_its_head_makes_wrong_is_refused_with_it() {
    // Reserved bits, a control frame in parts, one that is too long, a masked frame from a server, a continuation of nothing.
    for head in [[0xc1, 5], [0x09, 0], [0x89, 126], [0x81, 0x85], [0x80, 5]] {
        let bytes = [&head[..], &[0, 126, 1, 2]].concat();
        assert_eq!(ours(End::Client, &bytes, &[1]).1, FrameError::Protocol, "{head:02x?}");
    }
    let unmasked = [0x81, 5];
    assert_eq!(ours(End::Server, &unmasked, &[1]).1, FrameError::Protocol);
    let announced = [0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 1];
    assert_eq!(ours(End::Client, &announced, &[1]).1, FrameError::TooLong);
}
