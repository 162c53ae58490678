//! Presence (sections 3.3, 3.5.11 and 3.7.4).

use serde_json::{Value, json};
use wtsp_load::protocol::Violation;

use super::client::{Client, Form, core, number};

fn settings() -> Value {
    json!({
        "available": true, "note": "in \"7\"", "status_icon": null, "device": "bench-rig", "time_offset_min": -180,
        "timestamp": "2026-08-06T09:20:31.447", "activity": "meeting", "dnd_mode": true,
    })
}

/// A session's request has no line.
async fn publish(client: &mut Client, transaction: &str, settings: Value) {
    let message = json!({ "request": "presence_update", "transaction": transaction, "settings": settings });
    *client.sent.entry("presence_update".into()).or_default() += 1;
    client.send(&message.to_string()).await;
}

#[tokio::test]
async fn presence_is_told_to_the_neighbour() {
    let core = core(4);
    let mut publisher = Client::sign_on(&core, 3, Form::Flat).await;
    let mut contact = Client::sign_on(&core, 2, Form::Flat).await;
    let mut stranger = Client::sign_on(&core, 0, Form::Flat).await;
    publish(&mut publisher, "1786013231447", settings()).await;
    let ack = publisher.expect("ack").await;
    assert_eq!(ack, json!({ "response": "ack", "transaction": "1786013231447" }));
    let update = contact.expect("number_presence_update").await;
    let who = number(&core, 3);
    assert_eq!(update["number"], who);
    assert!(["line", "call_id", "transaction"].iter().all(|key| update.get(key).is_none()));
    let mut info = update["presence_info"][0].clone();
    let arrival = info.as_object_mut().unwrap().remove("arrival_time").unwrap();
    assert!(arrival.as_str().unwrap().ends_with('Z'), "{arrival}");
    let expected = json!({
        "id": "presence-3", "number": who, "available": true, "note": "in \"7\"", "device": "bench-rig",
        "time_offset_min": -180, "timestamp": "2026-08-06T09:20:31.447",
        "activities": ["meeting", "do-not-disturb"], "source": "direct",
    });
    assert_eq!(info, expected);
    // Once more: answered again, told once.
    publish(&mut publisher, "1786013231447", settings()).await;
    publisher.expect("ack").await;
    for client in [&mut contact, &mut stranger] {
        client.show_dialect().await;
    }
    drop((publisher, contact, stranger));
    let truth = core.stop().unwrap().to_json();
    assert_eq!(truth["events"], json!({ "number_presence_update": 1 }));
    assert_eq!(truth["requests"]["sent"], json!({ "presence_update": 1 }));
    assert_eq!(truth["retransmissions"], 1);
}

#[tokio::test]
async fn presence_is_told_to_nobody_who_is_not_there_or_has_no_words_for_it() {
    let core = core(3);
    let mut nested = Client::sign_on(&core, 1, Form::Nested).await;
    nested.show_dialect().await;
    for index in [0, 2] {
        let mut publisher = Client::sign_on(&core, index, Form::Flat).await;
        publish(&mut publisher, "1", settings()).await;
        publisher.expect("ack").await;
    }
    nested.show_dialect().await;
    drop(nested);
    let truth = core.stop().unwrap();
    assert_eq!(truth.to_json()["events"], json!({}));
    assert_eq!(truth.acked, 2);
}

#[tokio::test]
async fn presence_without_settings_is_refused() {
    let core = core(2);
    let mut publisher = Client::sign_on(&core, 0, Form::Flat).await;
    let mut incomplete = settings();
    incomplete.as_object_mut().unwrap().remove("note");
    for (index, settings) in [Value::Null, json!({}), incomplete].into_iter().enumerate() {
        publish(&mut publisher, &index.to_string(), settings).await;
        publisher.expect("error 456").await;
    }
    drop(publisher);
    let truth = core.stop().unwrap();
    assert_eq!(truth.violations(Violation::BadPresence), 3);
    assert_eq!(truth.request_errors, [(456, 3)].into());
}
