//! Links over real sockets: both ends of ours, and each against bare sockets.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wtsp_load::law::Time;
use wtsp_load::transport::{
    Accepted, Buffers, Clock, Dialer, End, FrameError, FrameReader, Incoming, Initiator, Link, Opcode,
    Received, SubProtocolRule, Watcher, accept, write_frame,
};

use crate::counting::allocations;

fn dialer(address: SocketAddr) -> Arc<Dialer> {
    Arc::new(Dialer {
        addresses: vec![address],
        host: address.to_string(),
        path: "/signaling/v1".to_owned(),
        source_addresses: Vec::new(),
        tls: None,
        clock: Clock::start(),
    })
}

/// A link that dialled, and the bare socket of the other end, after the upgrade.
async fn client_and_socket() -> (Link, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    // Little room beneath, so that little has to be written until there is none.
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let dial = dialer(listener.local_addr().unwrap()).dial(0, "t".to_owned(), false, Watcher::Runtime);
    let upgrade = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            socket.read_buf(&mut request).await.unwrap();
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket
    };
    let (dialled, socket) = tokio::join!(dial, upgrade);
    (dialled.unwrap().link, socket)
}

/// A client's and a server's link.
async fn links() -> (Link, Link) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = Clock::start();
    let dial = dialer(listener.local_addr().unwrap()).dial(0, "t".to_owned(), false, Watcher::Runtime);
    let take = async {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        match accept(socket.into(), None, clock, SubProtocolRule::Strict, |_| Ok(())).await.unwrap() {
            Accepted::Link(link, _) => link,
            Accepted::Http(..) => panic!("no upgrade"),
        }
    };
    let (dialled, server) = tokio::join!(dial, take);
    (dialled.unwrap().link, server)
}

async fn receive(link: &mut Link, buffers: &mut Buffers) -> Received {
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, poll_fn(|cx| link.poll_receive(buffers, cx))).await.unwrap()
}

/// What there is by now.
async fn receive_now(link: &mut Link, buffers: &mut Buffers) -> Option<Received> {
    poll_fn(|cx| match link.poll_receive(buffers, cx) {
        Poll::Ready(received) => Poll::Ready(Some(received)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn send(link: &mut Link, buffers: &mut Buffers, text: &str) -> Result<(), FrameError> {
    poll_fn(|cx| Poll::Ready(link.send(text, buffers, cx))).await
}

async fn close(link: &mut Link, buffers: &mut Buffers, code: u16) {
    poll_fn(|cx| {
        link.close(code, "bye", Time::ZERO, buffers, cx);
        Poll::Ready(())
    })
    .await;
}

async fn text(link: &mut Link, buffers: &mut Buffers) -> (String, Time) {
    match receive(link, buffers).await {
        Received::Text { text, at } => (text.as_str().to_owned(), at),
        other => panic!("{other:?}"),
    }
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, opcode, payload, None);
    bytes
}

/// What the client writes, until that is `enough` or the connection ends.
async fn written(socket: &mut TcpStream, enough: impl Fn(&[Incoming]) -> bool) -> Vec<Incoming> {
    let (mut reader, mut bytes, mut got) = (FrameReader::new(End::Server), BytesMut::new(), Vec::new());
    while !enough(&got) {
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read_buf(&mut bytes)).await;
        if read.unwrap().unwrap() == 0 {
            break;
        }
        while let Some(incoming) = reader.read(&mut bytes).unwrap() {
            got.push(incoming);
        }
    }
    got
}

#[tokio::test]
async fn texts_of_all_lengths_go_both_ways() {
    let (mut client, mut server) = links().await;
    let (mut ours, mut theirs) = (Buffers::default(), Buffers::default());
    for length in [0, 1, 125, 126, 65_535, 65_536, 400_000] {
        let said = "x".repeat(length);
        send(&mut client, &mut ours, &said).await.unwrap();
        // What does not fit into the socket is written while the link is polled.
        let (heard, _) = tokio::select! {
            heard = text(&mut server, &mut theirs) => heard,
            received = receive(&mut client, &mut ours) => panic!("{received:?}"),
        };
        assert_eq!(heard, said);
        for part in ["first", "second"] {
            poll_fn(|cx| Poll::Ready(server.queue(part, &mut theirs, cx))).await.unwrap();
        }
        assert!(receive_now(&mut client, &mut ours).await.is_none(), "nothing is written before the flush");
        poll_fn(|cx| {
            server.flush(&mut theirs, cx);
            Poll::Ready(())
        })
        .await;
        assert_eq!(text(&mut client, &mut ours).await.0, "first");
        assert_eq!(text(&mut client, &mut ours).await.0, "second");
    }
}

#[tokio::test]
async fn a_message_has_the_time_of_the_read_that_made_it_whole() {
    let (mut link, mut socket) = client_and_socket().await;
    let mut buffers = Buffers::default();
    let two = [frame(Opcode::Text, b"one"), frame(Opcode::Text, b"two")].concat();
    let (first, second) = two.split_at(two.len() - 1);
    socket.write_all(first).await.unwrap();
    let (one, at_one) = text(&mut link, &mut buffers).await;
    assert_eq!(one, "one");
    assert!(receive_now(&mut link, &mut buffers).await.is_none());
    socket.write_all(&[second, &two].concat()).await.unwrap();
    let mut rest = Vec::new();
    for _ in 0..3 {
        rest.push(text(&mut link, &mut buffers).await);
    }
    let texts: Vec<_> = rest.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["two", "one", "two"]);
    assert!(rest[0].1 > at_one);
    assert!(rest.iter().all(|(_, at)| *at == rest[0].1), "they came with one read: {rest:?}");
}

#[tokio::test]
async fn texts_that_are_kept_stay_what_they_are() {
    let (mut client, mut server) = links().await;
    let (mut ours, mut theirs) = (Buffers::default(), Buffers::default());
    let mut kept = Vec::new();
    for number in 0..200 {
        send(&mut client, &mut ours, &format!("{number:01000}")).await.unwrap();
        kept.push(match receive(&mut server, &mut theirs).await {
            Received::Text { text, .. } => text,
            other => panic!("{other:?}"),
        });
    }
    for (number, text) in kept.iter().enumerate() {
        assert_eq!(text.as_str(), format!("{number:01000}"));
    }
}

#[tokio::test]
async fn links_with_one_buffer_do_not_get_into_each_others_way() {
    let (mut one, mut peer_of_one) = client_and_socket().await;
    let (mut two, mut peer_of_two) = client_and_socket().await;
    let mut buffers = Buffers::default();
    let said = frame(Opcode::Text, "to one, in two parts".as_bytes());
    peer_of_one.write_all(&said[..7]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(receive_now(&mut one, &mut buffers).await.is_none());
    peer_of_two.write_all(&frame(Opcode::Text, b"to two")).await.unwrap();
    assert_eq!(text(&mut two, &mut buffers).await.0, "to two");
    peer_of_one.write_all(&said[7..]).await.unwrap();
    assert_eq!(text(&mut one, &mut buffers).await.0, "to one, in two parts");
}

#[tokio::test]
async fn who_pings_and_does_not_read_gets_the_last_answer_later() {
    let (mut link, mut socket) = client_and_socket().await;
    let mut buffers = Buffers::default();
    let pings = 200_000_u32;
    let (mut sent, mut bytes) = (0, Vec::new());
    while sent < pings || !bytes.is_empty() {
        while bytes.len() < 4096 && sent < pings {
            sent += 1;
            bytes.extend(frame(Opcode::Ping, &[sent.to_be_bytes().as_slice(), &[0; 100]].concat()));
        }
        match socket.try_write(&bytes) {
            Ok(length) => drop(bytes.drain(..length)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(receive_now(&mut link, &mut buffers).await.is_none());
        tokio::task::yield_now().await;
    }
    assert!(receive_now(&mut link, &mut buffers).await.is_none());
    let answers = tokio::select! {
        answers = written(&mut socket, |got| got.last().map(number) == Some(pings)) => answers,
        received = receive(&mut link, &mut buffers) => panic!("{received:?}"),
    };
    // What the two sockets take is answered, and the last one; not all that were sent meanwhile.
    assert!((2..pings as usize / 2).contains(&answers.len()), "{}", answers.len());
    let numbers: Vec<_> = answers.iter().map(number).collect();
    assert!(numbers.is_sorted());
    assert_eq!(numbers.last(), Some(&pings));
}

/// The number in a pong.
fn number(pong: &Incoming) -> u32 {
    match pong {
        Incoming::Pong(payload) => u32::from_be_bytes(payload[..4].try_into().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_does_not_read_is_stuck_and_who_reads_again_gets_everything() {
    let (mut link, mut socket) = client_and_socket().await;
    let mut buffers = Buffers::default();
    let said = "x".repeat(10_000);
    let mut taken = 0;
    let error = loop {
        match send(&mut link, &mut buffers, &said).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, FrameError::Stuck);
    assert!(taken >= 512 * 1024 / 10_014, "{taken}");
    let got = tokio::select! {
        got = written(&mut socket, |got| got.len() == taken) => got,
        received = receive(&mut link, &mut buffers) => panic!("{received:?}"),
    };
    assert_eq!(got.len(), taken);
    assert!(got.iter().all(|one| *one == Incoming::Text(said.as_str().into())));
    send(&mut link, &mut buffers, "again").await.unwrap();
}

#[tokio::test]
async fn either_end_may_close_and_both_agree_who_it_was() {
    for end in [End::Client, End::Server] {
        let (mut client, mut server) = links().await;
        let (mut ours, mut theirs) = (Buffers::default(), Buffers::default());
        match end {
            End::Client => close(&mut client, &mut ours, 1000).await,
            End::Server => close(&mut server, &mut theirs, 4400).await,
        }
        let server_ended = async {
            let ended = receive(&mut server, &mut theirs).await;
            // A client waits for the server to end the connection.
            drop(server);
            ended
        };
        let (of_client, of_server) = tokio::join!(receive(&mut client, &mut ours), server_ended);
        for received in [of_client, of_server] {
            let Received::Closed(closed) = received else { panic!("{received:?}") };
            let (initiator, code) = match end {
                End::Client => (Initiator::Client, 1000),
                End::Server => (Initiator::Server, 4400),
            };
            assert_eq!((closed.initiator, closed.code, closed.reason.as_str()), (initiator, code, "bye"));
        }
        assert_eq!(send(&mut client, &mut ours, "late").await, Err(FrameError::Closed));
    }
}

#[tokio::test]
async fn the_end_of_a_connection_has_its_code() {
    let close_frame = |payload: &[u8]| frame(Opcode::Close, payload);
    let cases: [(Vec<u8>, Initiator, u16, Option<u16>); 8] = [
        (close_frame(&[]), Initiator::Server, 1005, None),
        (close_frame(&[0x03, 0xe9]), Initiator::Server, 1001, Some(1001)),
        (close_frame(&[0x03, 0xee]), Initiator::Server, 1002, Some(1002)),
        (close_frame(&[1]), Initiator::Client, 1002, Some(1002)),
        (vec![0x83, 0], Initiator::Client, 1002, Some(1002)),
        (frame(Opcode::Text, &[0xff]), Initiator::Client, 1007, Some(1007)),
        (vec![0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0], Initiator::Client, 1009, Some(1009)),
        (vec![0x81, 5, b'x'], Initiator::Network, 1006, None),
    ];
    for (bytes, initiator, code, answer) in cases {
        let (mut link, mut socket) = client_and_socket().await;
        let mut buffers = Buffers::default();
        socket.write_all(&bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let received = receive(&mut link, &mut buffers).await;
        let Received::Closed(closed) = received else { panic!("{received:?}") };
        assert_eq!((closed.initiator, closed.code), (initiator, code), "{bytes:02x?}");
        drop(link);
        let replies = written(&mut socket, |_| false).await;
        let codes: Vec<_> = replies
            .iter()
            .map(|reply| match reply {
                Incoming::Close(close) => close.as_ref().map(|(code, _)| *code),
                other => panic!("{other:?}"),
            })
            .collect();
        // A connection that was lost is told nothing.
        assert_eq!(
            codes,
            if initiator == Initiator::Network { vec![] } else { vec![answer] },
            "{bytes:02x?}"
        );
    }
}

#[tokio::test]
async fn what_comes_behind_a_close_frame_ends_the_connection_and_is_not_read() {
    let (mut link, mut socket) = client_and_socket().await;
    let mut buffers = Buffers::default();
    let bytes = [frame(Opcode::Close, &[0x03, 0xe8]), frame(Opcode::Text, b"late")].concat();
    socket.write_all(&bytes).await.unwrap();
    let received = receive(&mut link, &mut buffers).await;
    let Received::Closed(closed) = received else { panic!("{received:?}") };
    assert_eq!((closed.initiator, closed.code), (Initiator::Server, 1000));
}

#[test]
fn a_round_trip_allocates_nothing_and_leaves_no_buffer_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut link, mut socket) = client_and_socket().await;
        let mut buffers = Buffers::default();
        let answer = frame(Opcode::Text, &[b'x'; 1000]);
        for round in 0..100 {
            socket.write_all(&answer).await.unwrap();
            // The socket's readiness is the runtime's affair.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let mut got = None;
            poll_fn(|cx| {
                let count = allocations(|| {
                    link.send("a request", &mut buffers, cx).unwrap();
                    got = match link.poll_receive(&mut buffers, cx) {
                        Poll::Ready(Received::Text { text, .. }) => Some(text.len()),
                        _ => None,
                    };
                    assert!(link.poll_receive(&mut buffers, cx).is_pending());
                });
                // The first makes the thread's buffers.
                assert!(count == 0 || round == 0 || got.is_none(), "{count} in round {round}");
                if got.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            assert_eq!(got, Some(1000));
        }
    });
}
