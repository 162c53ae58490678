//! Runs against servers that misbehave.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wtsp_load::profile::{self, Overrides};
use wtsp_load::record::RunRecord;
use wtsp_load::scheduler::{self, Output, Stop};

const STATE: &str = r#"{"handshake":"state","keepalive_interval":30000,"timestamp":1,"registration":{"status":"registered"},"lines":[null,null]}"#;

/// A server that takes every upgrade, sends the state, then `frames`, and then only reads.
fn server(frames: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            // The first to come is the scout, which is not what is tested.
            let frames = if number == 0 { &[][..] } else { frames };
            thread::spawn(move || drop(serve(socket.unwrap(), frames)));
        }
    });
    url
}

fn serve(mut socket: TcpStream, frames: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    write!(
        socket,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: webtrit-protocol\r\n\r\n"
    )?;
    socket.write_all(&[0x81, 126, 0, STATE.len() as u8])?;
    socket.write_all(STATE.as_bytes())?;
    socket.write_all(frames)?;
    std::io::copy(&mut socket, &mut std::io::sink()).map(drop)
}

/// Two clients against `url`, for 3 s, with one call a second.
fn run(url: &str) -> RunRecord {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    fs::write(folder.path().join("s.csv"), "token,number\na,1001\nb,1002\n").unwrap();
    let text = format!(
        "[target]\nurl = \"{url}\"\ndialect = \"flat\"\n[subscribers]\nfile = \"s.csv\"\n\
         [clients]\nrequest_timeout = \"1s\"\n\
         [[stages]]\nduration = \"1s\"\nclients = 2\narrivals = \"at_once\"\n\
         [[stages]]\nduration = \"2s\"\ncalls_per_second = 1\n"
    );
    fs::write(&path, text).unwrap();
    let plan = match profile::load(&path, &Overrides::default()) {
        Ok(plan) => plan,
        Err(errors) => panic!("{}", errors.render(false)),
    };
    let output = Output::At(folder.path().join("out"));
    scheduler::run(plan, &output, &Stop::default(), &mut |_| {}).unwrap().finished.record
}

#[test]
fn a_server_that_closes_and_keeps_its_socket_open_does_not_hold_the_run_up() {
    // A close frame with 4400, which no end of the connection follows.
    let record = run(&server(&[0x88, 2, 0x11, 0x30]));
    let closes: Vec<_> = record.counted.disconnects.iter().filter(|one| one.code == 4400).collect();
    assert_eq!(closes.iter().map(|one| one.count).sum::<u64>(), 2, "{:?}", record.counted.disconnects);
}

#[test]
fn a_call_request_without_a_response_times_out_when_its_time_is_over() {
    let record = run(&server(&[]));
    let attempts = &record.counted.attempts;
    assert!(attempts.started > 0);
    // Its client's next keepalive is not due for half a minute.
    assert_eq!(attempts.failed, attempts.started, "{attempts:?}");
    assert!(record.counted.requests.timeouts >= attempts.started);
}
