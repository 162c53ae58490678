//! Input that no client should send (section 6.1).

use std::fs;
use std::path::Path;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use wtsp_load::transport::Initiator;

use super::client::{Client, Form, Seen, core, core_with};

#[tokio::test]
async fn every_hostile_vector_ends_in_a_close_of_the_table_and_harms_nobody_else() {
    let core = core(2);
    let mut bystander = Client::sign_on(&core, 1, Form::Flat).await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/invalid");
    let mut count = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let mut hostile = Client::connect(&core, 0, true, Form::Flat).await;
        hostile.expect("state").await;
        hostile.send(&text).await;
        match hostile.seen().await {
            Seen::Closed(code) => assert!([4101, 4501, 4600].contains(&code), "{path:?}: {code}"),
            // A keepalive may say anything beside.
            Seen::Message(message) => assert_eq!(message["handshake"], "keepalive", "{path:?}"),
        }
        count += 1;
    }
    assert!(count > 70);
    bystander.send(r#"{"handshake":"keepalive"}"#).await;
    bystander.expect("keepalive").await;
}

#[tokio::test]
async fn binary_is_closed_with_4101() {
    let core = core(1);
    let mut client = Client::sign_on(&core, 0, Form::Flat).await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.seen().await, Seen::Closed(4101));
}

#[tokio::test]
async fn text_that_is_not_utf8_or_too_long_is_closed_by_the_code_of_websockets() {
    let core = core(1);
    let text = |bytes: Vec<u8>| {
        let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
        Message::Frame(frame)
    };
    for (bytes, code) in [(vec![b'{', 0xff, b'}'], 1007), (vec![b' '; (1 << 20) + 1], 1009)] {
        let mut client = Client::connect(&core, 0, true, Form::Flat).await;
        client.expect("state").await;
        // The core may have closed before all of it is written.
        let _ = client.socket.send(text(bytes)).await;
        let seen = client.seen().await;
        // Where it closes over what it has not read, the system may reset the connection and lose the close frame.
        assert!(seen == Seen::Closed(code) || (code == 1009 && seen == Seen::Closed(1006)), "{seen:?}");
    }
    let disconnects = core.stop().unwrap().disconnects;
    assert!([1007, 1009].iter().all(|code| disconnects.contains_key(&(*code, Initiator::Server))));
}

#[tokio::test]
async fn who_does_not_read_is_dropped_before_it_costs_much() {
    let core = core(2);
    let mut deaf = Client::sign_on(&core, 0, Form::Flat).await;
    let text = format!(r#"{{"handshake":"keepalive","x":"{}"}}"#, "x".repeat(100_000));
    let mut sent = 0;
    // The kernel's buffers fill first, then the core's.
    while sent < 2_000 && deaf.socket.send(Message::text(text.clone())).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 2_000, "never dropped");
    let mut bystander = Client::sign_on(&core, 1, Form::Flat).await;
    bystander.send(r#"{"handshake":"keepalive"}"#).await;
    bystander.expect("keepalive").await;
    let truth = core.stop().unwrap();
    assert_eq!(truth.violations(wtsp_load::protocol::Violation::NotReading), 1);
}

#[tokio::test]
async fn a_strict_core_insists_on_the_sub_protocol() {
    let core = core_with(1, |options| {
        options.sub_protocol = wtsp_load::transport::SubProtocolRule::Strict;
    });
    let address = core.address();
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/signaling/v1?token=x");
    let refused = tokio_tungstenite::client_async(url, tcp).await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");
}
