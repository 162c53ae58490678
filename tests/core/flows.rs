//! The call flows of sections 5.2 to 5.11 and 5.14, in both dialects and across them.

use serde_json::{Value, json};
use wtsp_load::embedded_core::{AcceptRace, EmbeddedCore};

use super::client::{ANSWER, CALL, Client, Form, OFFER, core, core_with, number};

const FORMS: [(Form, Form); 4] = [
    (Form::Flat, Form::Flat),
    (Form::Nested, Form::Nested),
    (Form::Nested, Form::Flat),
    (Form::Flat, Form::Nested),
];

/// Two clients who have each shown their dialect.
async fn two(core: &EmbeddedCore, forms: (Form, Form)) -> (Client, Client) {
    let mut mo = Client::sign_on(core, 0, forms.0).await;
    let mut mt = Client::sign_on(core, 1, forms.1).await;
    mo.show_dialect().await;
    mt.show_dialect().await;
    (mo, mt)
}

/// Brings a call up to ringing; its transaction.
async fn ring(mo: &mut Client, mt: &mut Client, callee: &str) -> (String, Value) {
    let transaction = mo.call(0, callee).await;
    for expected in ["ack", "calling", "ringing", "proceeding"] {
        let message = mo.expect(expected).await;
        assert_eq!(message["transaction"], *transaction);
    }
    (transaction, mt.expect("incoming_call").await)
}

async fn answer(mo: &mut Client, mt: &mut Client, callee: &str) -> String {
    let (transaction, _) = ring(mo, mt, callee).await;
    mt.accept(0).await;
    assert_eq!(mt.names(2).await, ["ack", "accepted"]);
    mo.expect("accepted").await;
    transaction
}

#[tokio::test]
async fn a_call_is_answered_and_hung_up_by_either_side_in_any_pair_of_dialects() {
    for forms in FORMS {
        for hung_up_by_caller in [true, false] {
            let core = core(2);
            let (mut mo, mut mt) = two(&core, forms).await;
            let callee = number(&core, 1);
            let (call, incoming) = ring(&mut mo, &mut mt, &callee).await;
            assert_eq!(incoming["caller"], number(&core, 0));
            assert_eq!(incoming["callee"], *callee);
            assert_eq!(incoming["jsep"], json!({ "type": "offer", "sdp": OFFER }));
            assert_eq!((&incoming["line"], &incoming["call_id"]), (&json!(0), &json!(CALL)));
            assert!(incoming.get("transaction").is_none());

            let accept = mt.accept(0).await;
            mt.expect("ack").await;
            let accepted = mt.expect("accepted").await;
            assert_eq!(accepted["transaction"], *accept);
            assert!(accepted.get("jsep").is_none());
            let accepted = mo.expect("accepted").await;
            assert_eq!(accepted["transaction"], *call);
            assert_eq!(accepted["jsep"], json!({ "type": "answer", "sdp": ANSWER }));

            for client in [&mut mo, &mut mt] {
                for candidate in [json!({ "candidate": "candidate:1", "sdpMid": "0" }), Value::Null] {
                    client.request("ice_trickle", 0, None, json!({ "candidate": candidate })).await;
                    client.expect("ack").await;
                }
            }

            let (by, other) = if hung_up_by_caller { (&mut mo, &mut mt) } else { (&mut mt, &mut mo) };
            let hangup = by.request("hangup", 0, Some(CALL), json!({})).await;
            by.expect("ack").await;
            assert_eq!(by.expect("hangingup").await["transaction"], *hangup);
            for client in [by, other] {
                assert_eq!(client.expect("hangup").await["code"], 200);
                let closed = client.expect("ice_hangup").await;
                assert!(closed.get("call_id").is_none());
            }
            sign_off_and_compare(core, mo, mt, 200).await;
        }
    }
}

/// The core has counted what the clients have.
async fn sign_off_and_compare(core: EmbeddedCore, mut mo: Client, mut mt: Client, code: i32) {
    mo.sign_off().await;
    mt.sign_off().await;
    let truth = core.stop().unwrap().to_json();
    for (what, of_mo, of_mt) in [("requests", &mo.sent, &mt.sent), ("events", &mo.events, &mt.events)] {
        let mut seen = of_mo.clone();
        of_mt.iter().for_each(|(name, count)| *seen.entry(name.clone()).or_default() += count);
        let counted = if what == "requests" { &truth["requests"]["sent"] } else { &truth["events"] };
        assert_eq!(*counted, json!(seen), "{what}");
    }
    assert_eq!(truth["requests"]["acked"], mo.acked + mt.acked);
    assert_eq!(truth["hangups"], json!({ code.to_string(): 2 }));
    assert_eq!(truth["keepalives"], json!({ "sent": 2, "answered": 2 }));
    assert_eq!(truth["clients"], json!({ "signed_on": 2, "connections": 2, "peak": 2 }));
    assert_eq!(truth["disconnects"][0]["code"], 1000);
    assert_eq!(truth["disconnects"][0]["initiator"], "client");
    assert_eq!(truth["disconnects"][0]["count"], 2);
    assert_eq!((&truth["calls_up"], &truth["violations"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_call_is_declined() {
    for forms in FORMS {
        let core = core(2);
        let (mut mo, mut mt) = two(&core, forms).await;
        ring(&mut mo, &mut mt, &number(&core, 1)).await;
        mt.request("decline", 0, Some(CALL), json!({})).await;
        mt.expect("ack").await;
        assert_eq!(mt.expect("declining").await["code"], 603);
        for client in [&mut mo, &mut mt] {
            assert_eq!(client.expect("hangup").await["code"], 603);
            client.expect("ice_hangup").await;
        }
        assert_eq!(core.truth().unwrap().attempts.declined, 1);
        sign_off_and_compare(core, mo, mt, 603).await;
    }
}

#[tokio::test]
async fn a_call_is_cancelled_and_an_accept_that_crosses_is_told() {
    for (race, expected) in [
        (AcceptRace::Refused, vec!["error 410", "ice_hangup"]),
        (AcceptRace::HungUp, vec!["ack", "hangup", "ice_hangup"]),
    ] {
        let core = core_with(2, |options| {
            options.accept_race = race;
            options.ice_hangup_delay =
                wtsp_load::law::Distribution::Fixed(std::time::Duration::from_millis(500));
        });
        let (mut mo, mut mt) = two(&core, FORMS[0]).await;
        ring(&mut mo, &mut mt, &number(&core, 1)).await;
        mo.request("hangup", 0, Some(CALL), json!({})).await;
        assert_eq!(mo.names(3).await, ["ack", "hangingup", "hangup"]);
        assert_eq!(mt.expect("hangup").await["code"], 487);
        mt.accept(0).await;
        assert_eq!(mt.names(expected.len()).await, expected);
        // Once the media leg is gone, there is no such call.
        mt.accept(0).await;
        assert_eq!(mt.close_code().await, 4610);
        let truth = core.stop().unwrap();
        assert_eq!((truth.attempts.cancelled, truth.attempts.answered, truth.calls_up), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_call_that_leads_nowhere_is_hung_up_with_the_reason() {
    let core = core(3);
    let mut mo = Client::sign_on(&core, 0, Form::Flat).await;
    let offline = number(&core, 2);
    for (callee, code) in [("99", 404), (&*offline, 480), ("", 484)] {
        mo.call(0, callee).await;
        mo.expect("ack").await;
        mo.expect("calling").await;
        assert_eq!(mo.expect("hangup").await["code"], code);
        mo.expect("ice_hangup").await;
    }
    let attempts = core.stop().unwrap().attempts;
    assert_eq!((attempts.started, attempts.failed, attempts.unavailable), (3, 2, 1));
}

#[tokio::test]
async fn a_callee_without_a_free_line_misses_the_call() {
    let core = core_with(3, |options| options.lines = 1);
    let (mut mo, mut mt) = two(&core, FORMS[2]).await;
    let callee = number(&core, 1);
    ring(&mut mo, &mut mt, &callee).await;
    let mut third = Client::sign_on(&core, 2, Form::Flat).await;
    third.call(0, &format!("sip:{callee}@pbx.example.net")).await;
    assert_eq!(third.names(2).await, ["ack", "calling"]);
    assert_eq!(third.expect("hangup").await["code"], 486);
    let missed = mt.expect("missed_call").await;
    assert_eq!(missed["caller"], number(&core, 2));
    // The caller's line is busy too, and its call goes on.
    mo.call(0, &callee).await;
    let refused = mo.expect("error 503").await;
    assert!(refused["reason"].as_str().unwrap().contains("busy line"));
    mt.accept(0).await;
    mo.expect("accepted").await;
    let truth = core.stop().unwrap();
    let attempts = truth.attempts;
    assert_eq!((attempts.started, attempts.busy, attempts.failed, attempts.answered), (3, 1, 1, 1));
    assert_eq!(truth.calls_up, 1);
}

#[tokio::test]
async fn one_may_call_oneself_on_the_other_line() {
    let core = core(1);
    let mut own = Client::sign_on(&core, 0, Form::Flat).await;
    own.call(0, &number(&core, 0)).await;
    assert_eq!(own.names(2).await, ["ack", "calling"]);
    let incoming = own.expect("incoming_call").await;
    assert_eq!((&incoming["line"], &incoming["call_id"]), (&json!(1), &json!(CALL)));
    assert_eq!(own.names(2).await, ["ringing", "proceeding"]);
    own.request("decline", 1, Some(CALL), json!({})).await;
    let mut names = own.names(4).await;
    names.sort();
    assert_eq!(names, ["ack", "declining", "hangup", "hangup"]);
}

#[tokio::test]
async fn a_call_is_held_and_resumed() {
    for forms in FORMS {
        let core = core(2);
        let (mut mo, mut mt) = two(&core, forms).await;
        answer(&mut mo, &mut mt, &number(&core, 1)).await;
        let steps = [("hold", "holding", "a=inactive"), ("unhold", "resuming", "a=sendrecv")];
        for (request, event, attribute) in steps {
            // Twice is no more than once: no second re-INVITE.
            for _ in 0..2 {
                let rest = if request == "hold" { json!({ "direction": "inactive" }) } else { json!({}) };
                mo.request(request, 0, Some(CALL), rest).await;
                assert_eq!(mo.names(2).await, ["ack", event]);
            }
            let updating = mt.expect("updating_call").await;
            assert_eq!(updating["jsep"]["type"], "offer");
            assert!(updating["jsep"]["sdp"].as_str().unwrap().contains(attribute));
            let rest = json!({ "jsep": { "type": "answer", "sdp": ANSWER } });
            mt.request("update", 0, Some(CALL), rest).await;
            assert_eq!(mt.names(2).await, ["ack", "updated"]);
        }
        mo.request("hangup", 0, Some(CALL), json!({})).await;
        assert_eq!(mo.names(3).await, ["ack", "hangingup", "hangup"]);
        assert_eq!(mt.names(1).await, ["hangup"]);
    }
}

#[tokio::test]
async fn a_call_is_renegotiated_and_glare_is_an_error_event() {
    let core = core(2);
    let (mut mo, mut mt) = two(&core, FORMS[3]).await;
    let call = answer(&mut mo, &mut mt, &number(&core, 1)).await;
    let offer = json!({ "jsep": { "type": "offer", "sdp": OFFER } });
    let answer = json!({ "jsep": { "type": "answer", "sdp": ANSWER } });
    mo.request("update", 0, Some(CALL), offer.clone()).await;
    assert_eq!(mo.names(2).await, ["ack", "updating"]);
    mt.expect("updating_call").await;
    let glare = mt.request("update", 0, Some(CALL), offer).await;
    mt.expect("ack").await;
    let error = mt.expect("error").await;
    assert_eq!((&error["code"], &error["transaction"]), (&json!(447), &json!(glare)));
    mt.request("update", 0, Some(CALL), answer.clone()).await;
    assert_eq!(mt.names(2).await, ["ack", "updated"]);
    let accepted = mo.expect("accepted").await;
    assert_eq!((&accepted["jsep"]["type"], &accepted["transaction"]), (&json!("answer"), &json!(call)));
    mt.request("update", 0, Some(CALL), answer).await;
    mt.expect("error 469").await;
}

#[tokio::test]
async fn early_media_brings_the_answer_before_the_call_is_accepted() {
    let core = core_with(2, |options| {
        options.early_media = true;
        options.media_events = true;
    });
    let (mut mo, mut mt) = two(&core, FORMS[0]).await;
    mo.call(0, &number(&core, 1)).await;
    assert_eq!(mo.names(2).await, ["ack", "calling"]);
    assert_eq!(mo.expect("progress").await["jsep"]["type"], "answer");
    assert_eq!(mo.expect("proceeding").await["code"], 183);
    mt.expect("incoming_call").await;
    mt.accept(0).await;
    assert_eq!(mt.names(4).await, ["ack", "accepted", "ice_webrtcup", "ice_media"]);
    assert!(mo.expect("accepted").await.get("jsep").is_none());
    assert_eq!(mo.names(2).await, ["ice_webrtcup", "ice_media"]);
}

#[tokio::test]
async fn requests_that_cannot_be_are_refused_by_the_code_of_the_table() {
    let core = core(2);
    let (mut mo, mut mt) = two(&core, FORMS[0]).await;
    let callee = number(&core, 1);
    let bad = json!({ "number": callee, "jsep": { "type": "offer", "sdp": "SIP/2.0 200 OK" } });
    mo.request("outgoing_call", 0, Some(CALL), bad).await;
    mo.expect("error 465").await;
    mo.request("outgoing_call", 0, Some(CALL), json!({ "number": callee })).await;
    mo.expect("ack").await;
    assert_eq!(mo.expect("error").await["code"], 448);
    mo.request("outgoing_call", 7, Some(CALL), json!({ "number": callee })).await;
    mo.expect("error 503").await;
    mo.request("ice_trickle", 0, None, json!({ "candidate": null })).await;
    mo.expect("error 471").await;
    ring(&mut mo, &mut mt, &callee).await;
    // The caller cannot accept its own call; what the gateway ignores is acknowledged and no more.
    mo.request("accept", 0, Some(CALL), json!({ "jsep": { "type": "answer", "sdp": ANSWER } })).await;
    mo.expect("ack").await;
    assert_eq!(mo.expect("error").await["code"], 447);
    for ignored in ["decline", "hold", "unhold"] {
        mo.request(ignored, 0, Some(CALL), json!({})).await;
        mo.expect("ack").await;
    }
    mo.request("transfer", 0, Some(CALL), json!({ "number": "7" })).await;
    mo.expect("ack").await;
    assert_eq!(mo.expect("error").await["code"], 447);
    // A takeover is a flow of the protocol that this core does not play.
    mo.call_as(1, "another", &callee, json!({ "replaces": "x;from-tag=a;to-tag=b" })).await;
    mo.expect("error 453").await;
    let truth = core.stop().unwrap();
    assert_eq!((truth.attempts.started, truth.attempts.failed), (5, 4));
    assert_eq!(truth.event_errors, [(447, 2), (448, 1)].into());
}

#[tokio::test]
async fn a_retransmission_is_answered_again_and_executed_once() {
    let core = core(2);
    let (mut mo, mut mt) = two(&core, FORMS[0]).await;
    let call = json!({
        "request": "outgoing_call", "transaction": "transaction-77", "line": 0, "call_id": CALL,
        "number": number(&core, 1), "jsep": { "type": "offer", "sdp": OFFER },
        "refer_id": null, "replaces": null, "from": null,
    });
    mo.send(&call.to_string()).await;
    assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    mo.send(&call.to_string()).await;
    assert_eq!(mo.expect("ack").await["transaction"], "transaction-77");
    mt.expect("incoming_call").await;
    let truth = core.stop().unwrap();
    assert_eq!((truth.attempts.started, truth.acked), (1, 1));
    assert_eq!(truth.attempts.unfinished, 1);
}
