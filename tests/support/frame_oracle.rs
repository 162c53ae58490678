//! tungstenite as the judge of `transport::FrameReader`: the same bytes, the same verdict.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::BytesMut;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use wtsp_load::transport::{End, FrameError, FrameReader, Incoming, MAX_MESSAGE_BYTES};

/// What came of some bytes: what they held, and how it ended.
pub type Verdict = (Vec<Incoming>, FrameError);

/// Ours, where the bytes come in reads of these sizes, over and over. A close frame ends it.
pub fn ours(end: End, bytes: &[u8], reads: &[usize]) -> Verdict {
    let (mut reader, mut unread, mut got) = (FrameReader::new(end), BytesMut::new(), Vec::new());
    let mut rest = bytes;
    let mut sizes = reads.iter().copied().cycle();
    loop {
        match reader.read(&mut unread) {
            Err(error) => return (got, error),
            Ok(Some(close @ Incoming::Close(_))) => {
                got.push(close);
                return (got, FrameError::Closed);
            }
            Ok(Some(incoming)) => got.push(incoming),
            Ok(None) if rest.is_empty() => return (got, FrameError::Lost),
            Ok(None) => {
                let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
                unread.extend_from_slice(&rest[..size]);
                rest = &rest[size..];
            }
        }
    }
}

/// tungstenite's.
pub fn theirs(end: End, bytes: &[u8]) -> Verdict {
    let role = match end {
        End::Client => Role::Client,
        End::Server => Role::Server,
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let pipe = Pipe(bytes.iter().copied().collect());
    let mut socket = WebSocket::from_raw_socket(pipe, role, Some(config));
    let mut got = Vec::new();
    loop {
        got.push(match socket.read() {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(bytes)) => Incoming::Binary(bytes.len()),
            Ok(Message::Ping(payload)) => Incoming::Ping(payload),
            Ok(Message::Pong(payload)) => Incoming::Pong(payload),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                got.push(Incoming::Close(close));
                return (got, FrameError::Closed);
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(error) => return (got, class(&error)),
        });
    }
}

fn class(error: &Error) -> FrameError {
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => FrameError::TooLong,
        Error::Utf8(_) => FrameError::NotUtf8,
        Error::Protocol(ResetWithoutClosingHandshake) => FrameError::Lost,
        Error::Protocol(_) => FrameError::Protocol,
        error => panic!("{error}"),
    }
}

/// Both must say the same, but for one thing: a frame that its head makes wrong is refused by us with its head, and by
/// tungstenite with the end of its payload, which may never come.
pub fn same_verdict(end: End, bytes: &[u8], reads: &[usize]) {
    let ours = ours(end, bytes, reads);
    let mut theirs = theirs(end, bytes);
    if (ours.1, theirs.1) == (FrameError::Protocol, FrameError::Lost) {
        let mut longer = bytes.to_vec();
        longer.resize(bytes.len() + MAX_MESSAGE_BYTES, 0);
        theirs = self::theirs(end, &longer);
    }
    assert_eq!(ours, theirs, "{end:?} {bytes:02x?}");
}

/// A stream of which this is left to read, and which takes whatever is written.
struct Pipe(VecDeque<u8>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
