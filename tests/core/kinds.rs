//! Calls of other kinds: star codes, the guest line, to oneself, to each other, several at once (sections 5.4, 5.9, 5.10
//! and 5.15 to 5.17).

use std::time::Duration;

use serde_json::{Value, json};
use wtsp_load::protocol::Violation;

use super::client::{ANSWER, CALL, Client, Form, OFFER, core, core_with, number};

const FORMS: [Form; 2] = [Form::Flat, Form::Nested];

/// A client that has shown its dialect.
async fn client(core: &wtsp_load::embedded_core::EmbeddedCore, index: usize, form: Form) -> Client {
    let mut client = Client::sign_on(core, index, form).await;
    client.show_dialect().await;
    client
}

#[tokio::test]
async fn a_star_code_gives_one_call_early_media() {
    for form in FORMS {
        let core = core(2);
        let (mut mo, mut mt) = (client(&core, 0, form).await, client(&core, 1, form).await);
        let callee = number(&core, 1);
        let call = mo.call(0, &format!("*183{callee}")).await;
        assert_eq!(mo.names(2).await, ["ack", "calling"]);
        let progress = mo.expect("progress").await;
        assert_eq!((&progress["jsep"]["type"], &progress["callee"]), (&json!("answer"), &json!(callee)));
        let proceeding = mo.expect("proceeding").await;
        assert_eq!((&proceeding["code"], &proceeding["transaction"]), (&json!(183), &json!(call)));
        let incoming = mt.expect("incoming_call").await;
        assert_eq!((&incoming["callee"], &incoming["jsep"]["type"]), (&json!(callee), &json!("offer")));
        mt.accept(0).await;
        assert_eq!(mt.names(2).await, ["ack", "accepted"]);
        assert!(mo.expect("accepted").await.get("jsep").is_none());
        mo.hang_up(&mut mt, CALL, (0, 0)).await;
        // The next one is an ordinary call.
        mo.talk_to(&mut mt, &callee, CALL, (0, 0)).await;
        mo.call_as(1, "unknown", "*18399", json!({})).await;
        assert_eq!(mo.names(2).await, ["ack", "calling"]);
        assert_eq!(mo.expect("hangup").await["code"], 404);
        mo.expect("ice_hangup").await;
        mo.call_as(1, "none", "*183", json!({})).await;
        assert_eq!(mo.names(2).await, ["ack", "calling"]);
        assert_eq!(mo.expect("hangup").await["code"], 484);
    }
}

#[tokio::test]
async fn a_star_code_keeps_the_offer_from_the_callee() {
    for form in FORMS {
        let core = core(2);
        let (mut mo, mut mt) = (client(&core, 0, form).await, client(&core, 1, form).await);
        let callee = number(&core, 1);
        let call = mo.call(0, &format!("sip:*100{callee}@pbx.example.net")).await;
        assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        let incoming = mt.expect("incoming_call").await;
        assert_eq!(incoming["callee"], *callee);
        assert!(incoming.get("jsep").is_none());
        // Where there is no offer there is nothing to answer.
        mt.accept(0).await;
        mt.expect("error 469").await;
        mt.request("accept", 0, Some(CALL), json!({})).await;
        mt.expect("ack").await;
        assert_eq!(mt.expect("error").await["code"], 448);
        let of_callee = OFFER.replace("192.0.2.1", "192.0.2.3");
        let offer = json!({ "jsep": { "type": "offer", "sdp": of_callee } });
        let accept = mt.request("accept", 0, Some(CALL), offer).await;
        for expected in ["ack", "accepting"] {
            assert_eq!(mt.expect(expected).await["transaction"], *accept);
        }
        let accepted = mt.expect("accepted").await;
        assert_eq!(accepted["jsep"], json!({ "type": "answer", "sdp": OFFER }));
        assert_eq!(accepted["transaction"], *accept);
        let accepted = mo.expect("accepted").await;
        assert_eq!(accepted["jsep"], json!({ "type": "answer", "sdp": of_callee }));
        assert_eq!(accepted["transaction"], *call);
        // What is said on the callee's leg belongs to its accept from now on (section 5.1, rule 2).
        mo.request("hangup", 0, Some(CALL), json!({})).await;
        assert_eq!(mt.expect("hangup").await["transaction"], *accept);
        drop((mo, mt));
        let truth = core.stop().unwrap();
        assert_eq!((truth.attempts.answered, truth.calls_up), (1, 0));
        assert_eq!(truth.violations(Violation::UnexpectedAnswer), 1);
    }
}

#[tokio::test]
async fn an_offer_is_not_accepted_with_an_offer() {
    let core = core(2);
    let (mut mo, mut mt) = (client(&core, 0, Form::Flat).await, client(&core, 1, Form::Flat).await);
    mo.call(0, &number(&core, 1)).await;
    mt.expect("incoming_call").await;
    mt.request("accept", 0, Some(CALL), json!({ "jsep": { "type": "offer", "sdp": OFFER } })).await;
    mt.expect("error 465").await;
}

#[tokio::test]
async fn a_guest_call_has_no_line_number_and_another_caller() {
    for form in FORMS {
        let core = core(2);
        let (mut mo, mut mt) = (client(&core, 0, Form::Flat).await, client(&core, 1, form).await);
        let (own, callee) = (number(&core, 0), number(&core, 1));
        mo.call_as(Value::Null, CALL, &callee, json!({ "from": "4930123" })).await;
        for expected in ["ack", "calling", "ringing", "proceeding"] {
            let message = mo.expect(expected).await;
            assert_eq!(message.get("line"), Some(&Value::Null), "{message}");
            assert_eq!(message["call_id"], CALL);
        }
        let incoming = mt.expect("incoming_call").await;
        assert_eq!((&incoming["caller"], &incoming["line"]), (&json!("4930123"), &json!(0)));
        // One at a time; the ordinary lines are beside it.
        mo.call_as(Value::Null, "second", &callee, json!({ "from": "4930123" })).await;
        let refused = mo.expect("error 503").await;
        assert_eq!(refused.get("line"), Some(&Value::Null));
        assert!(refused["reason"].as_str().unwrap().contains("busy line"));
        mt.accept(0).await;
        assert_eq!(mt.names(2).await, ["ack", "accepted"]);
        assert_eq!(mo.expect("accepted").await.get("line"), Some(&Value::Null));
        for candidate in [json!({ "candidate": "candidate:1", "sdpMid": "0" }), Value::Null] {
            mo.request("ice_trickle", Value::Null, None, json!({ "candidate": candidate })).await;
            assert_eq!(mo.expect("ack").await.get("line"), Some(&Value::Null));
        }
        let media_state = json!({ "type": "media_state", "data": { "video": false } });
        mo.request("peer_message", Value::Null, Some(CALL), media_state).await;
        assert_eq!(mo.expect("ack").await.get("line"), Some(&Value::Null));
        if form == Form::Flat {
            assert_eq!(mt.expect("peer_message").await["sender"], "4930123");
        }
        mo.request("hold", Value::Null, Some(CALL), json!({})).await;
        assert_eq!(mo.names(2).await, ["ack", "holding"]);
        assert_eq!(mt.expect("updating_call").await["caller"], "4930123");

        // After a reconnect it is beside the lines.
        drop(mo);
        let mut mo = Client::connect(&core, 0, true, Form::Flat).await;
        let state = mo.expect("state").await;
        assert_eq!(state["lines"], json!([null, null]));
        assert_eq!(state["guest_line"]["call_id"], CALL);
        let logs = state["guest_line"]["call_logs"].as_array().unwrap();
        assert_eq!(super::client::name(&logs[0][1]), "holding");
        mo.request("hangup", Value::Null, Some(CALL), json!({})).await;
        for expected in ["ack", "hangingup", "hangup", "ice_hangup"] {
            assert_eq!(mo.expect(expected).await.get("line"), Some(&Value::Null));
        }
        mo.call_as(Value::Null, CALL, &callee, json!({})).await;
        assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        assert_eq!(mt.names(2).await, ["hangup", "ice_hangup"]);
        assert_eq!(mt.expect("incoming_call").await["caller"], own);
        mo.request("hangup", Value::Null, Some(CALL), json!({})).await;
        assert_eq!(mt.expect("hangup").await["code"], 487);
        drop((mo, mt));
        let truth = core.stop().unwrap();
        assert_eq!((truth.attempts.started, truth.attempts.failed, truth.calls_up), (3, 1, 0));
    }
}

#[tokio::test]
async fn a_line_number_does_not_give_another_caller_and_no_call_comes_in_on_the_guest_line() {
    let core = core_with(2, |options| options.lines = 1);
    let (mut mo, mut mt) = (client(&core, 0, Form::Flat).await, client(&core, 1, Form::Flat).await);
    mo.call_as(0, CALL, &number(&core, 1), json!({ "from": "4930123" })).await;
    assert_eq!(mt.expect("incoming_call").await["caller"], number(&core, 0));
    assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    mt.call_as(Value::Null, "guest", &number(&core, 0), json!({ "from": "4930123" })).await;
    assert_eq!(mt.names(2).await, ["ack", "calling"]);
    assert_eq!(mt.expect("hangup").await["code"], 486);
    assert_eq!(mo.expect("missed_call").await["caller"], "4930123");
    // Nothing is up there any more: a request about it closes, as on any line.
    mt.expect("ice_hangup").await;
    mt.request("hangup", Value::Null, Some("guest"), json!({})).await;
    assert_eq!(mt.close_code().await, 4610);
}

#[tokio::test]
async fn a_guest_call_of_a_client_that_stays_away_is_ended() {
    let core = core_with(2, |options| options.grace = Duration::from_millis(50));
    let (mut mo, mut mt) = (client(&core, 0, Form::Flat).await, client(&core, 1, Form::Flat).await);
    mo.call_as(Value::Null, CALL, &number(&core, 1), json!({ "from": "4930123" })).await;
    assert_eq!(mo.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    mt.expect("incoming_call").await;
    drop(mo);
    assert_eq!(mt.expect("hangup").await["code"], 487);
    drop(mt);
    let truth = core.stop().unwrap();
    assert_eq!((truth.calls_up, truth.attempts.unfinished), (0, 0));
}

#[tokio::test]
async fn one_may_answer_oneself() {
    for form in FORMS {
        let core = core(1);
        let mut own = client(&core, 0, form).await;
        own.call(0, &number(&core, 0)).await;
        assert_eq!(own.names(5).await, ["ack", "calling", "incoming_call", "ringing", "proceeding"]);
        own.accept(1).await;
        own.expect("ack").await;
        let legs = [own.expect("accepted").await, own.expect("accepted").await];
        assert_eq!((&legs[0]["line"], &legs[1]["line"]), (&json!(1), &json!(0)));
        assert_eq!(legs[1]["jsep"], json!({ "type": "answer", "sdp": ANSWER }));
        own.request("hangup", 1, Some(CALL), json!({})).await;
        let mut names = own.names(6).await;
        names.sort();
        assert_eq!(names, ["ack", "hangingup", "hangup", "hangup", "ice_hangup", "ice_hangup"]);
        drop(own);
        let truth = core.stop().unwrap();
        assert_eq!((truth.attempts.answered, truth.calls_up), (1, 0));
    }
}

#[tokio::test]
async fn two_may_call_each_other_at_the_same_time() {
    for form in FORMS {
        let core = core(2);
        let (mut a, mut b) = (client(&core, 0, Form::Flat).await, client(&core, 1, form).await);
        let (of_a, of_b) = ("aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb");
        a.call_as(0, of_a, &number(&core, 1), json!({})).await;
        assert_eq!(a.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        b.call_as(1, of_b, &number(&core, 0), json!({})).await;
        let incoming = b.expect("incoming_call").await;
        assert_eq!((&incoming["line"], &incoming["call_id"]), (&json!(0), &json!(of_a)));
        assert_eq!(b.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        let incoming = a.expect("incoming_call").await;
        assert_eq!((&incoming["line"], &incoming["call_id"]), (&json!(1), &json!(of_b)));
        // The incoming one sorts first for B, who gives its own up and takes it.
        b.request("hangup", 1, Some(of_b), json!({})).await;
        assert_eq!(b.names(4).await, ["ack", "hangingup", "hangup", "ice_hangup"]);
        let hangup = a.expect("hangup").await;
        assert_eq!((&hangup["code"], &hangup["call_id"]), (&json!(487), &json!(of_b)));
        a.expect("ice_hangup").await;
        b.accept_as(0, of_a).await;
        assert_eq!(b.names(2).await, ["ack", "accepted"]);
        assert_eq!(a.expect("accepted").await["call_id"], of_a);
        a.hang_up(&mut b, of_a, (0, 0)).await;
        drop((a, b));
        let truth = core.stop().unwrap();
        let attempts = truth.attempts;
        assert_eq!((attempts.started, attempts.answered, attempts.cancelled), (2, 1, 1));
        assert_eq!((truth.calls_up, truth.to_json()["violations"].clone()), (0, json!([])));
    }
}

#[tokio::test]
async fn three_calls_of_one_client_are_held_and_resumed_each_for_itself() {
    for form in FORMS {
        let core = core_with(4, |options| options.lines = 3);
        let mut own = client(&core, 0, form).await;
        let ids = ["first", "second", "third"];
        let mut others = Vec::new();
        for (line, id) in (0..).zip(ids) {
            let mut other = client(&core, usize::from(line) + 1, Form::Flat).await;
            own.talk_to(&mut other, &number(&core, usize::from(line) + 1), id, (line, 0)).await;
            others.push(other);
        }
        own.request("hold", 1, Some("second"), json!({ "direction": "inactive" })).await;
        own.request("hold", 2, Some("third"), json!({})).await;
        assert_eq!(own.names(4).await, ["ack", "holding", "ack", "holding"]);
        for (other, id, attribute) in [(1, "second", "a=inactive"), (2, "third", "a=sendonly")] {
            let updating = others[other].expect("updating_call").await;
            assert_eq!(updating["call_id"], id);
            assert!(updating["jsep"]["sdp"].as_str().unwrap().contains(attribute));
            let answer = json!({ "jsep": { "type": "answer", "sdp": ANSWER } });
            others[other].request("update", 0, Some(id), answer).await;
            assert_eq!(others[other].names(2).await, ["ack", "updated"]);
        }
        own.request("unhold", 1, Some("second"), json!({})).await;
        assert_eq!(own.names(2).await, ["ack", "resuming"]);
        let updating = others[1].expect("updating_call").await;
        assert!(updating["jsep"]["sdp"].as_str().unwrap().contains("a=sendrecv"));
        for (line, other) in others.iter_mut().enumerate() {
            own.hang_up(other, ids[line], (line as u16, 0)).await;
        }
        drop((own, others));
        assert_eq!(core.stop().unwrap().calls_up, 0);
    }
}
