use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::*;
use crate::transport::Socket;

const PLACE: u32 = 3;

fn poller() -> Poller {
    Poller::new(8, 16, Clock::start()).unwrap()
}

fn soon(poller: &Poller) -> Time {
    poller.clock.now() + Duration::from_secs(10)
}

/// Polls until it is ready; waits for the poller in between.
fn drive<T>(poller: &mut Poller, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let end = soon(poller);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        assert_eq!(wait(poller, end), [PLACE]);
    }
}

fn wait(poller: &mut Poller, deadline: Time) -> Vec<u32> {
    let mut ready = Vec::new();
    poller.wait(deadline, &mut ready).unwrap();
    ready
}

/// A socket that is watched, and the other end of it.
fn pair(poller: &mut Poller) -> (Socket, std::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let watcher = poller.watcher(PLACE);
    let connecting = Socket::connect(listener.local_addr().unwrap(), None, &watcher);
    let socket = drive(poller, connecting).unwrap();
    (socket, listener.accept().unwrap().0)
}

/// What one read gives, with room for so much; `None` if there is nothing.
fn read(socket: &mut Socket, room: usize) -> Option<Vec<u8>> {
    let mut room = vec![0; room];
    let mut buffer = ReadBuf::new(&mut room);
    match socket.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
        Poll::Ready(read) => {
            read.unwrap();
            Some(buffer.filled().to_vec())
        }
        Poll::Pending => None,
    }
}

fn write(socket: &mut Socket, bytes: &[u8]) -> Option<usize> {
    match socket.poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
        Poll::Ready(written) => Some(written.unwrap()),
        Poll::Pending => None,
    }
}

#[test]
fn what_has_come_is_told_of_once_and_read_whole() {
    let mut poller = poller();
    let (mut socket, mut other) = pair(&mut poller);
    assert_eq!(read(&mut socket, 9), None);
    for text in [&b"one"[..], b"another one"] {
        other.write_all(text).unwrap();
        let end = soon(&poller);
        assert_eq!(wait(&mut poller, end), [PLACE]);
        let mut come = Vec::new();
        while let Some(part) = read(&mut socket, 4) {
            come.extend(part);
        }
        assert_eq!(come, text);
        let now = poller.clock.now();
        assert_eq!(wait(&mut poller, now), [0; 0], "there is nothing new");
    }
}

#[test]
fn the_end_is_read_also_where_it_came_with_the_last_bytes() {
    for room in [2, 3, 4, 64] {
        let mut poller = poller();
        let (mut socket, mut other) = pair(&mut poller);
        other.write_all(b"bye").unwrap();
        drop(other);
        // Both are there before anybody looks, so nothing tells of the end once more.
        thread::sleep(Duration::from_millis(20));
        let end = soon(&poller);
        assert_eq!(wait(&mut poller, end), [PLACE]);
        let mut come = Vec::new();
        loop {
            let part = read(&mut socket, room).expect("the end is still to come");
            if part.is_empty() {
                break;
            }
            come.extend(part);
        }
        assert_eq!(come, b"bye");
    }
}

#[test]
fn an_end_that_comes_later_is_told_of() {
    let mut poller = poller();
    let (mut socket, mut other) = pair(&mut poller);
    other.write_all(b"x").unwrap();
    let end = soon(&poller);
    assert_eq!(wait(&mut poller, end), [PLACE]);
    assert_eq!((read(&mut socket, 64), read(&mut socket, 64)), (Some(b"x".to_vec()), None));
    drop(other);
    assert_eq!(wait(&mut poller, end), [PLACE]);
    assert_eq!(read(&mut socket, 64), Some(Vec::new()));
}

#[test]
fn a_socket_that_is_full_is_written_to_once_the_other_end_has_read() {
    let mut poller = poller();
    let (mut socket, mut other) = pair(&mut poller);
    let block = vec![b'x'; 1 << 20];
    let mut written = 0;
    while let Some(more) = write(&mut socket, &block) {
        written += more;
    }
    assert_eq!(write(&mut socket, b"more"), None);
    let now = poller.clock.now();
    assert_eq!(wait(&mut poller, now), [0; 0]);
    let mut room = vec![0; written];
    other.read_exact(&mut room).unwrap();
    let end = soon(&poller);
    assert_eq!(wait(&mut poller, end), [PLACE]);
    assert_eq!(write(&mut socket, b"more"), Some(4));
}

#[test]
fn what_was_known_of_a_place_does_not_outlive_its_socket() {
    let mut poller = poller();
    let (socket, mut other) = pair(&mut poller);
    other.write_all(b"late").unwrap();
    let end = soon(&poller);
    assert_eq!(wait(&mut poller, end), [PLACE]);
    drop(socket);
    let (mut socket, _other) = pair(&mut poller);
    assert_eq!(read(&mut socket, 64), None);
}

#[test]
fn nobody_there_is_an_error() {
    let mut poller = poller();
    let address: SocketAddr = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let watcher = poller.watcher(PLACE);
    let failed = drive(&mut poller, Socket::connect(address, None, &watcher)).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_deadline_ends_the_wait_and_not_before() {
    let mut poller = poller();
    for pause in [0, 300, 2_000, 300] {
        // Sometimes another deadline was set before, and has not come.
        let deadline = poller.clock.now() + Duration::from_micros(pause);
        poller.timer.set(deadline + Duration::from_secs(3_600)).unwrap();
        while poller.clock.now() < deadline {
            assert_eq!(wait(&mut poller, deadline), [0; 0]);
        }
    }
}

#[test]
fn a_wait_with_something_to_do_is_a_look() {
    let mut poller = poller();
    poller.waker(5).wake_by_ref();
    assert_eq!(wait(&mut poller, Time::NEVER), [5]);
    let mut ready = vec![1];
    poller.wait(Time::NEVER, &mut ready).unwrap();
    assert_eq!(ready, [1]);
}

#[test]
fn no_wake_up_of_another_thread_is_lost() {
    const WAKE_UPS: usize = 5_000;
    let mut poller = poller();
    let (asked, asks) = std::sync::mpsc::sync_channel(1);
    let waker = poller.waker(2);
    let other = thread::spawn({
        let waker = Arc::clone(&waker);
        move || asks.into_iter().for_each(|()| waker.wake_by_ref())
    });
    for _ in 0..WAKE_UPS {
        asked.send(()).unwrap();
        let end = soon(&poller);
        let mut ready = Vec::new();
        while ready.is_empty() {
            assert!(poller.clock.now() < end, "a wake-up was lost");
            poller.wait(end, &mut ready).unwrap();
            poller.woken(&mut ready);
        }
        waker.stepping();
        assert_eq!(ready, [2]);
    }
    drop(asked);
    other.join().unwrap();
}
