//! One client of the floor: a socket, and as little beside it as can be.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockType, SockaddrLike, SockaddrStorage, sockopt,
};
use rustls::ClientConnection;
use wtsp_load::client::Media;

use super::super::Failure;
use super::Kit;
use super::wire::{CLOSE, Frame, TEXT, find, first_frame, value};

/// What a message is worth to the floor.
pub enum Worth {
    /// The `state` has come, with the interval that it asks for.
    SignedOn {
        interval: Duration,
    },
    /// The TLS handshake is done, and no more was wanted.
    Secured,
    Keepalive,
    Accepted,
    /// After a call.
    LineFree,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dialled,
    Upgrading,
    Open,
    Closed,
}

pub struct Client {
    socket: OwnedFd,
    stage: Stage,
    number: u32,
    /// Transactions given out.
    count: u32,
    /// What is there only now and then: an end of a frame to come, bytes that the socket did not take.
    left_over: Option<Box<LeftOver>>,
    tls: Option<Box<ClientConnection>>,
}

#[derive(Default)]
struct LeftOver {
    read: Vec<u8>,
    unwritten: Vec<u8>,
}

thread_local! {
    /// The one frame that is being made.
    static FRAME: std::cell::RefCell<Frame> = std::cell::RefCell::default();
}

impl Client {
    /// Dials; the rest comes with [`Client::step`].
    pub fn dial(kit: &Kit, number: usize, address: &SockaddrStorage) -> Result<Client, Failure> {
        let family = address.family().unwrap_or(AddressFamily::Inet);
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket::socket(family, SockType::Stream, flags, None)?;
        socket::setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
        if let Some(source) = kit.sources.get(number % kit.sources.len().max(1)) {
            // The port is chosen with the destination in mind, as it is without a bind.
            socket::setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket::bind(socket.as_raw_fd(), source)?;
        }
        match socket::connect(socket.as_raw_fd(), address) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let tls = match &kit.tls {
            None => None,
            Some((config, name)) => Some(Box::new(ClientConnection::new(Arc::clone(config), name.clone())?)),
        };
        Ok(Client { socket, stage: Stage::Dialled, number: number as u32, count: 0, left_over: None, tls })
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Sends a keepalive, if there is anybody to send it to.
    pub fn keepalive(&mut self) -> bool {
        let transaction = self.transaction();
        self.say(TEXT, &[br#"{"handshake":"keepalive","transaction":""#, transaction.as_bytes(), br#""}"#]);
        self.stage == Stage::Open
    }

    pub fn call(&mut self, call: u64, callee: &str, media: &Media) {
        let (transaction, id) = (self.transaction(), call_id(call));
        self.say(
            TEXT,
            &[
                br#"{"request":"outgoing_call","transaction":""#,
                transaction.as_bytes(),
                br#"","line":0,"call_id":""#,
                id.as_bytes(),
                br#"","number":""#,
                callee.as_bytes(),
                br#"","jsep":{"type":"offer","sdp":"#,
                media.offer(call).get().as_bytes(),
                b"}}",
            ],
        );
    }

    pub fn hang_up(&mut self, call: u64) {
        let (transaction, id) = (self.transaction(), call_id(call));
        self.say(
            TEXT,
            &[
                br#"{"request":"hangup","transaction":""#,
                transaction.as_bytes(),
                br#"","line":0,"call_id":""#,
                id.as_bytes(),
                br#""}"#,
            ],
        );
    }

    fn accept(&mut self, line: &[u8], call_id: &[u8], media: &Media) {
        let transaction = self.transaction();
        self.say(
            TEXT,
            &[
                br#"{"request":"accept","transaction":""#,
                transaction.as_bytes(),
                br#"","line":"#,
                line,
                br#","call_id":""#,
                call_id,
                br#"","jsep":{"type":"answer","sdp":"#,
                media.answer().get().as_bytes(),
                b"}}",
            ],
        );
    }

    /// Begins to close in good order.
    pub fn close(&mut self) {
        match self.stage {
            Stage::Open => self.say(CLOSE, &[&1000_u16.to_be_bytes()]),
            _ => self.stage = Stage::Closed,
        }
    }

    /// Does what the socket allows; false once the connection has ended.
    pub fn step(
        &mut self,
        kit: &Kit,
        number: usize,
        buffer: &mut [u8],
        worth: &mut Vec<Worth>,
    ) -> Result<bool, Failure> {
        if self.stage == Stage::Closed {
            return Ok(true);
        }
        if self.left_over.as_ref().is_some_and(|left| !left.unwritten.is_empty()) {
            let unwritten = self.left_over.take().map(|left| *left).unwrap_or_default();
            self.keep_read(unwritten.read);
            self.write(&unwritten.unwritten);
        }
        self.advance(kit, number, worth);
        loop {
            let got = match socket::recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(got) => got,
                Err(Errno::EAGAIN) => return Ok(self.stage != Stage::Closed),
                // The server may drop the connection at the end.
                Err(_) if self.stage == Stage::Open => 0,
                Err(error) => return Err(format!("client {number}: {error} while it signed on").into()),
            };
            if got == 0 {
                self.stage = Stage::Closed;
                return Ok(false);
            }
            match self.tls.take() {
                None => self.read(kit, &buffer[..got], worth)?,
                Some(mut tls) => {
                    let clear = decrypt(&mut tls, &buffer[..got])?;
                    self.tls = Some(tls);
                    self.advance(kit, number, worth);
                    self.read(kit, &clear, worth)?;
                }
            }
            // Less than fits was all there was.
            if got < buffer.len() {
                return Ok(self.stage != Stage::Closed);
            }
        }
    }

    /// Goes on with the handshakes.
    fn advance(&mut self, kit: &Kit, number: usize, worth: &mut Vec<Worth>) {
        if self.stage != Stage::Dialled {
            return;
        }
        if let Some(tls) = &self.tls
            && tls.is_handshaking()
        {
            return self.flush_tls();
        }
        if kit.handshake_only {
            self.flush_tls();
            worth.push(Worth::Secured);
            self.stage = Stage::Upgrading;
            return;
        }
        self.stage = Stage::Upgrading;
        let request = format!(
            "GET /signaling/v1?token={}&force=false HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: webtrit-protocol\r\n\r\n",
            kit.tokens[number].0
        );
        self.write(request.as_bytes());
    }

    fn read(&mut self, kit: &Kit, bytes: &[u8], worth: &mut Vec<Worth>) -> Result<(), Failure> {
        let joined;
        let mut bytes = bytes;
        if let Some(left) = self.left_over.take() {
            let LeftOver { mut read, unwritten } = *left;
            if !unwritten.is_empty() {
                self.left_over = Some(Box::new(LeftOver { read: Vec::new(), unwritten }));
            }
            read.extend_from_slice(bytes);
            joined = read;
            bytes = &joined;
        }
        if self.stage == Stage::Upgrading {
            let Some(end) = find(bytes, b"\r\n\r\n") else {
                self.keep_read(bytes.to_vec());
                return Ok(());
            };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err("the upgrade was refused".into());
            }
            self.stage = Stage::Open;
            bytes = &bytes[end + 4..];
        }
        while let Some((opcode, payload, rest)) = first_frame(bytes) {
            match opcode {
                1 => self.message(kit, payload, worth),
                8 => self.stage = Stage::Closed,
                _ => {}
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.keep_read(bytes.to_vec());
        }
        Ok(())
    }

    fn message(&mut self, kit: &Kit, text: &[u8], worth: &mut Vec<Worth>) {
        if text.starts_with(br#"{"handshake":"keepalive""#) {
            worth.push(Worth::Keepalive);
        } else if text.starts_with(br#"{"handshake":"state""#) {
            let interval =
                value(text, br#""keepalive_interval":"#).and_then(|ms| std::str::from_utf8(ms).ok());
            let interval = interval.and_then(|ms| ms.parse().ok()).unwrap_or(30_000);
            worth.push(Worth::SignedOn { interval: Duration::from_millis(interval) });
        } else if let Some(event) = value(&text[..text.len().min(64)], br#"{"event":""#) {
            match event {
                b"incoming_call" => {
                    let (line, id) = (value(text, br#""line":"#), value(text, br#""call_id":""#));
                    if let (Some(line), Some(id)) = (line, id) {
                        self.accept(line, id, &kit.media);
                    }
                }
                b"accepted" => worth.push(Worth::Accepted),
                b"ice_hangup" => worth.push(Worth::LineFree),
                _ => {}
            }
        }
    }

    fn say(&mut self, opcode: u8, parts: &[&[u8]]) {
        FRAME.with_borrow_mut(|frame| self.write(frame.of(opcode, parts)));
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            // Into memory, which takes it all.
            Some(tls) => {
                let _ = tls.writer().write_all(bytes);
                self.flush_tls();
            }
            None => self.write_raw(bytes),
        }
    }

    fn flush_tls(&mut self) {
        let mut sealed = Vec::new();
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut sealed).is_ok() {}
        }
        if !sealed.is_empty() {
            self.write_raw(&sealed);
        }
    }

    fn write_raw(&mut self, bytes: &[u8]) {
        let waiting = self.left_over.as_ref().is_some_and(|left| !left.unwritten.is_empty());
        let sent = if waiting {
            0
        } else {
            // A connection that has ended is found so by the next read.
            socket::send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL).unwrap_or(0)
        };
        if sent < bytes.len() {
            self.left_over.get_or_insert_default().unwritten.extend_from_slice(&bytes[sent..]);
        }
    }

    fn keep_read(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.left_over.get_or_insert_default().read = bytes;
        }
    }

    /// As long as those of the harness.
    fn transaction(&mut self) -> String {
        self.count += 1;
        format!("transaction-731904552{:07}{}", self.number, self.count)
    }
}

fn call_id(call: u64) -> String {
    format!("{call:024}")
}

fn decrypt(tls: &mut ClientConnection, mut sealed: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut clear = Vec::new();
    while !sealed.is_empty() {
        tls.read_tls(&mut sealed)?;
        let state = tls.process_new_packets()?;
        let from = clear.len();
        clear.resize(from + state.plaintext_bytes_to_read(), 0);
        match tls.reader().read_exact(&mut clear[from..]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => clear.truncate(from),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(clear)
}
