//! Delays by message name, and freezes: what is told to the core is what its clients see and what it records.

use std::time::{Duration, Instant};

use serde_json::json;
use wtsp_load::embedded_core::{CoreOptions, Recipient};
use wtsp_load::law::{Distribution, Freeze};
use wtsp_load::protocol::{EventName, ServerMessage};

use super::client::{Client, Form, core_with, number};

const ACK: Distribution = Distribution::Fixed(Duration::from_millis(60));

fn delayed(options: &mut CoreOptions) {
    let fixed = |millis| Distribution::Fixed(Duration::from_millis(millis));
    for (name, law) in
        [("ack", ACK), ("ringing", fixed(30)), ("incoming_call", fixed(90)), ("error", fixed(40))]
    {
        options.delays.set(ServerMessage::from_name(name).unwrap(), law);
    }
}

#[tokio::test]
async fn delays_count_from_the_cause_and_leave_what_depends_on_each_other_in_order() {
    let core = core_with(2, delayed);
    let mut mo = Client::sign_on(&core, 0, Form::Flat).await;
    let mut mt = Client::sign_on(&core, 1, Form::Flat).await;
    let begun = Instant::now();
    mo.call(0, &number(&core, 1)).await;
    // `ringing` would be faster than the ack, and has to wait for it.
    assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    assert!(begun.elapsed() >= Duration::from_millis(60));
    mt.expect("incoming_call").await;
    assert!(begun.elapsed() >= Duration::from_millis(90));
    let truth = core.stop().unwrap();
    let took = |message, to| truth.injected.to(message, to).unwrap().min();
    assert!(took(ServerMessage::Ack, Recipient::Asker) >= 59_900);
    assert!(took(ServerMessage::Event(EventName::Ringing), Recipient::Asker) >= 59_900);
    assert!(took(ServerMessage::Event(EventName::IncomingCall), Recipient::Other) >= 89_900);
    let json = truth.to_json();
    assert_eq!(json["injected"]["incoming_call"]["count"], 1, "{json}");
    assert!(json["injected"]["state"]["p50"].as_u64().unwrap() >= 4_900, "{json}");
}

#[tokio::test]
async fn a_refusal_and_a_keepalive_have_delays_of_their_own() {
    let core = core_with(1, |options| {
        delayed(options);
        let law = Distribution::Fixed(Duration::from_millis(50));
        options.delays.set(ServerMessage::Keepalive, law);
    });
    let mut client = Client::sign_on(&core, 0, Form::Flat).await;
    client
        .request(
            "outgoing_call",
            0,
            Some(super::client::CALL),
            json!({ "number": "1", "jsep": { "type": "answer", "sdp": "v=0 m=" } }),
        )
        .await;
    assert_eq!(client.names(1).await, ["error 469"]);
    client.send(r#"{"handshake":"keepalive","transaction":"t"}"#).await;
    client.expect("keepalive").await;
    let truth = core.stop().unwrap();
    let took = |message| truth.injected.to(message, Recipient::Asker).unwrap().min();
    assert!(took(ServerMessage::ERROR) >= 39_900);
    assert!(took(ServerMessage::Keepalive) >= 49_900);
}

#[tokio::test]
async fn a_frozen_core_reads_nothing_and_sends_nothing_and_yet_tells_and_stops() {
    let (every, length) = (Duration::from_millis(600), Duration::from_millis(400));
    let core = core_with(1, |options| options.freeze = Freeze::new(every, length).ok());
    let mut client = Client::sign_on(&core, 0, Form::Flat).await;
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < 3 * every {
        let sent = Instant::now();
        client.send(r#"{"handshake":"keepalive","transaction":"t"}"#).await;
        client.expect("keepalive").await;
        longest = longest.max(sent.elapsed());
    }
    assert!(longest >= length * 9 / 10, "{longest:?}");
    let truth = core.truth().unwrap();
    assert!(truth.freezes >= 2, "{}", truth.freezes);
    drop(client);
    assert!(core.stop().unwrap().to_json()["freezes"].as_u64().unwrap() >= truth.freezes);
}
