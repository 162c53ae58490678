//! Attaching, losing and finding again (sections 1.1, 2.3, 2.4, 2.7 and 4.5).

use std::time::{Duration, Instant};

use serde_json::json;
use wtsp_load::embedded_core::RegistrationMode;
use wtsp_load::law::Distribution;
use wtsp_load::protocol::{EarlyRequests, Supervision};

use super::client::{CALL, Client, Form, Seen, core, core_with, number};

#[tokio::test]
async fn one_session_has_one_connection() {
    let core = core(1);
    let mut first = Client::sign_on(&core, 0, Form::Flat).await;
    let mut refused = Client::connect(&core, 0, false, Form::Flat).await;
    assert_eq!(refused.seen().await, Seen::Closed(4431));
    let mut second = Client::connect(&core, 0, true, Form::Flat).await;
    second.expect("state").await;
    assert_eq!(first.seen().await, Seen::Closed(4441));
    second.sign_off().await;
    // Who has left does not stand in the way of who comes.
    Client::sign_on(&core, 0, Form::Flat).await;
    let truth = core.stop().unwrap();
    assert_eq!((truth.clients.signed_on, truth.clients.connections, truth.clients.peak), (1, 4, 1));
}

#[tokio::test]
async fn the_path_must_be_the_signaling_and_the_token_known() {
    let core = core(1);
    let mut unknown = Client::dial(&core, "/signaling/v1?token=x", Form::Flat).await.unwrap();
    assert_eq!(unknown.seen().await, Seen::Closed(4201));
    assert!(Client::dial(&core, "/api/v1?token=x", Form::Flat).await.is_err());
    let token = &core.subscribers()[0].token;
    let path = format!("/base//tenant/acme/signaling/v1?force=false&token={token}");
    let mut tenant = Client::dial(&core, &path, Form::Flat).await.unwrap();
    tenant.expect("state").await;
    let truth = core.stop().unwrap();
    assert_eq!(truth.tenants, [("acme".to_owned(), 1)].into());
    assert_eq!(truth.upgrades_refused, 1);
}

#[tokio::test]
async fn registration_may_take_its_time_or_fail() {
    let delay = Duration::from_millis(5);
    for (mode, last) in [
        (RegistrationMode::Staged(delay), "registered"),
        (RegistrationMode::Fails(delay), "registration_failed"),
    ] {
        let core = core_with(1, |options| options.registration = mode);
        let mut client = Client::connect(&core, 0, false, Form::Flat).await;
        let state = client.expect("state").await;
        assert_eq!(state["registration"]["status"], "unregistered");
        client.expect("registering").await;
        client.expect(last).await;
        client.call(0, "7").await;
        assert_eq!(client.names(2).await, ["ack", "calling"]);
        let code = if last == "registered" { 404 } else { 403 };
        assert_eq!(client.expect("hangup").await["code"], code);
        let signed_on = core.stop().unwrap().clients.signed_on;
        assert_eq!(signed_on, u64::from(last == "registered"));
    }
}

#[tokio::test]
async fn requests_before_the_state_are_closed_or_held() {
    let slow = Distribution::Fixed(Duration::from_millis(300));
    let core = core_with(2, |options| options.state_delay = slow);
    let mut early = Client::connect(&core, 0, false, Form::Flat).await;
    early.call(0, "7").await;
    assert_eq!(early.close_code().await, 4432);
    let core = core_with(2, |options| {
        options.state_delay = slow;
        options.early_requests = EarlyRequests::Hold;
    });
    let mut early = Client::connect(&core, 0, false, Form::Flat).await;
    early.call(0, "7").await;
    assert_eq!(early.names(3).await, ["state", "ack", "calling"]);
}

#[tokio::test]
async fn a_silent_client_is_closed_and_one_that_keeps_alive_is_not() {
    let core = core_with(2, |options| {
        options.supervision = Supervision::Strict;
        options.keepalive_interval = Duration::from_millis(200);
    });
    let mut silent = Client::sign_on(&core, 0, Form::Flat).await;
    let mut alive = Client::sign_on(&core, 1, Form::Nested).await;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        alive.send(r#"{"request":"keepalive","transaction":"t"}"#).await;
        alive.expect("ack").await;
    }
    assert_eq!(silent.seen().await, Seen::Closed(4502));
    let truth = core.stop().unwrap();
    assert_eq!((truth.keepalives.sent, truth.keepalives.answered), (15, 15));
}

#[tokio::test]
async fn calls_survive_a_lost_connection_and_are_found_in_the_lines() {
    let core = core(2);
    let mut mo = Client::sign_on(&core, 0, Form::Flat).await;
    let mut mt = Client::sign_on(&core, 1, Form::Flat).await;
    mo.call(0, &number(&core, 1)).await;
    mt.expect("incoming_call").await;
    mt.accept(0).await;
    assert_eq!(mt.names(2).await, ["ack", "accepted"]);
    drop(mt);
    let mut mt = Client::connect(&core, 1, true, Form::Flat).await;
    let state = mt.expect("state").await;
    assert_eq!(state["lines"][0]["call_id"], CALL);
    assert!(state["lines"][1].is_null());
    let logs = state["lines"][0]["call_logs"].as_array().unwrap();
    let names: Vec<_> = logs.iter().map(|entry| super::client::name(&entry[1])).collect();
    assert_eq!(names.first().unwrap(), "accepted");
    assert_eq!(names.last().unwrap(), "incoming_call");
    assert!(logs.iter().all(|entry| entry[1].get("call_id").is_none() && entry[0].is_i64()));
    mt.request("hangup", 0, Some(CALL), json!({})).await;
    assert_eq!(mt.names(3).await, ["ack", "hangingup", "hangup"]);
    assert_eq!(core.stop().unwrap().calls_up, 0);
}

#[tokio::test]
async fn calls_of_a_client_that_stays_away_are_ended() {
    let core = core_with(2, |options| options.grace = Duration::from_millis(100));
    let mut mo = Client::sign_on(&core, 0, Form::Flat).await;
    let mut mt = Client::sign_on(&core, 1, Form::Flat).await;
    mo.call(0, &number(&core, 1)).await;
    assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    mt.expect("incoming_call").await;
    drop(mt);
    assert_eq!(mo.expect("hangup").await["code"], 480);
    let attempts = core.stop().unwrap().attempts;
    assert_eq!((attempts.unavailable, attempts.started), (1, 1));
}

#[tokio::test]
async fn two_thousand_clients_are_signed_on_at_once_and_closed_at_the_end() {
    wtsp_load::transport::raise_descriptor_limit().unwrap();
    const CLIENTS: usize = 2_000;
    let core = core(CLIENTS as u32);
    let dialled = (0..CLIENTS).map(|index| Client::sign_on(&core, index, Form::Flat));
    let mut clients: Vec<Client> = futures_util::future::join_all(dialled).await;
    for (index, pair) in clients.chunks_mut(2).take(100).enumerate() {
        let [mo, mt] = pair else { unreachable!() };
        mo.call(0, &number(&core, 2 * index + 1)).await;
        assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        mt.expect("incoming_call").await;
    }
    let truth = core.truth().unwrap();
    assert_eq!((truth.clients.signed_on, truth.clients.peak), (2_000, 2_000));
    let stopping = std::thread::spawn(move || core.stop());
    let closes = clients.iter_mut().map(|client| client.close_code());
    let codes = futures_util::future::join_all(closes).await;
    assert!(codes.iter().all(|code| *code == 1001));
    let truth = stopping.join().unwrap().unwrap();
    assert_eq!((truth.attempts.unfinished, truth.calls_up), (100, 100));
    assert_eq!(truth.disconnects.values().sum::<u64>(), 2_000);
}

#[tokio::test]
async fn a_core_has_stopped_once_its_last_client_has_gone() {
    for clients in [0, 3] {
        let mut took = Vec::new();
        for _ in 0..3 {
            let core = core(3);
            let dialled = (0..clients).map(|index| Client::sign_on(&core, index, Form::Flat));
            let mut clients: Vec<Client> = futures_util::future::join_all(dialled).await;
            let begun = Instant::now();
            let stopping = tokio::task::spawn_blocking(move || core.stop());
            futures_util::future::join_all(clients.iter_mut().map(|client| client.close_code())).await;
            drop(clients);
            stopping.await.unwrap().unwrap();
            took.push(begun.elapsed());
        }
        // A machine may stand still in one of them.
        took.sort();
        assert!(took[1] < Duration::from_millis(500), "{clients} clients: {took:?}");
    }
}
