//! Transfers, blind and attended (sections 5.12 and 5.13).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wtsp_load::embedded_core::{CallIds, CoreOptions, EmbeddedCore, HangupTransaction, Transfers};
use wtsp_load::law::Distribution;
use wtsp_load::protocol::Violation;

use super::client::{Client, Form, PATIENCE, core_with, number};

const OLD: &str = "kT4vQ9mZc2XwB7nLr0HsYd3E";
const CONSULTATION: &str = "Zp81uWfJ6aNqTx0eRbK5oVgM";
const NEW: &str = "e0RjG6yKxT2mWnC8aUhQ4sLp";

const FORMS: [[Form; 3]; 4] = [
    [Form::Flat, Form::Flat, Form::Flat],
    [Form::Nested, Form::Nested, Form::Nested],
    [Form::Flat, Form::Nested, Form::Nested],
    [Form::Nested, Form::Flat, Form::Flat],
];

/// The transferor, the transferee and the target.
struct Parties {
    core: EmbeddedCore,
    t: Client,
    x: Client,
    y: Client,
}

/// T has called X, on line 0 of both.
async fn talking(forms: [Form; 3], change: impl FnOnce(&mut CoreOptions)) -> Parties {
    let core = core_with(4, change);
    let mut clients = Vec::new();
    for (index, form) in forms.into_iter().enumerate() {
        let mut client = Client::sign_on(&core, index, form).await;
        client.show_dialect().await;
        clients.push(client);
    }
    let [mut t, mut x, y] = <[Client; 3]>::try_from(clients).ok().unwrap();
    t.talk_to(&mut x, &number(&core, 1), OLD, (0, 0)).await;
    Parties { core, t, x, y }
}

impl Parties {
    /// T transfers its call with X to `target`; the event that X gets.
    async fn transfer(&mut self, target: &str, replaced: Option<&str>) -> (String, Value) {
        let mut rest = json!({ "number": target });
        if let Some(replaced) = replaced {
            rest["replace_call_id"] = replaced.into();
        }
        let transaction = self.t.request("transfer", 0, Some(OLD), rest).await;
        for expected in ["ack", "transferring"] {
            assert_eq!(self.t.expect(expected).await["transaction"], *transaction);
        }
        let offered = self.x.expect("transfer").await;
        assert_eq!((&offered["line"], &offered["refer_to"]), (&json!(0), &json!(target)));
        assert_eq!(offered["referred_by"], number(&self.core, 0));
        assert!(offered.get("call_id").is_none() && offered.get("transaction").is_none());
        assert!(offered["refer_id"].as_u64().is_some_and(|id| id > 0 && id <= u64::from(u32::MAX)));
        assert_eq!(offered.get("replace_call_id").and_then(Value::as_str), replaced);
        (transaction, offered)
    }

    /// X does as it is asked, on line 1.
    async fn call(&mut self, offered: &Value) {
        let target = offered["refer_to"].as_str().unwrap().to_owned();
        let refer_id = json!({ "refer_id": offered["refer_id"] });
        self.x.call_as(1, NEW, &target, refer_id).await;
        assert_eq!(self.x.names(2).await, ["ack", "calling"]);
        self.notified("active", "SIP/2.0 100 Trying").await;
    }

    async fn notified(&mut self, state: &str, content: &str) {
        let notify = self.t.expect("notify").await;
        assert_eq!((&notify["line"], &notify["call_id"]), (&json!(0), &json!(OLD)));
        let said = json!([notify["notify"], notify["subscription_state"], notify["content"]]);
        assert_eq!(said, json!(["refer", state, content]));
        assert_eq!(notify["content_type"], "message/sipfrag");
    }

    /// X's call was not answered: T is told, and its call goes on.
    async fn failed(&mut self, code: i32, reason: &str) {
        self.notified("terminated", &format!("SIP/2.0 {code} {reason}")).await;
        if self.t.form == Form::Flat {
            let failed = self.t.expect("transfer_failed").await;
            assert_eq!((&failed["code"], &failed["call_id"]), (&json!(code), &json!(OLD)));
        }
    }

    /// Y takes X's call on `line`, and T is told.
    async fn taken(&mut self, transaction: &str, line: u16) {
        self.y.accept_as(line, NEW).await;
        assert_eq!(self.y.names(2).await, ["ack", "accepted"]);
        self.x.expect("accepted").await;
        self.notified("terminated", "SIP/2.0 200 OK").await;
        if self.t.form == Form::Flat {
            let accepted = self.t.expect("transfer_accepted").await;
            assert_eq!((&accepted["code"], &accepted["transaction"]), (&json!(202), &json!(transaction)));
        }
    }

    /// The last call ends, and the core has counted what the clients have.
    async fn compare(mut self, expected: Transfers) {
        self.t.sign_off().await;
        self.x.sign_off().await;
        self.y.sign_off().await;
        let truth = self.core.stop().unwrap();
        assert_eq!(truth.transfers, expected);
        assert_eq!((truth.calls_up, truth.attempts.unfinished), (0, 0));
        let json = truth.to_json();
        assert_eq!(json["violations"], json!([]));
        let clients = [&self.t, &self.x, &self.y];
        let sum = |counts: [&BTreeMap<String, u64>; 3]| {
            let mut sum = BTreeMap::<String, u64>::new();
            for (name, count) in counts.into_iter().flatten() {
                *sum.entry(name.clone()).or_default() += count;
            }
            json!(sum)
        };
        assert_eq!(json["requests"]["sent"], sum(clients.map(|client| &client.sent)));
        assert_eq!(json["events"], sum(clients.map(|client| &client.events)));
        assert_eq!(truth.acked, self.t.acked + self.x.acked + self.y.acked);
    }
}

const ACCEPTED: Transfers = Transfers { started: 1, accepted: 1, failed: 0, unfinished: 0 };
const FAILED: Transfers = Transfers { started: 1, accepted: 0, failed: 1, unfinished: 0 };

#[tokio::test]
async fn a_blind_transfer_leaves_the_transferee_with_the_target() {
    for forms in FORMS {
        let mut parties = talking(forms, |_| {}).await;
        // A held call can be transferred.
        parties.t.request("hold", 0, Some(OLD), json!({})).await;
        assert_eq!(parties.t.names(2).await, ["ack", "holding"]);
        parties.x.expect("updating_call").await;
        let target = number(&parties.core, 2);
        let (transaction, offered) = parties.transfer(&target, None).await;
        parties.call(&offered).await;
        parties.notified("active", "SIP/2.0 180 Ringing").await;
        assert_eq!(parties.x.names(2).await, ["ringing", "proceeding"]);
        let incoming = parties.y.expect("incoming_call").await;
        assert_eq!(incoming["referred_by"], number(&parties.core, 0));
        assert_eq!(incoming["caller"], number(&parties.core, 1));
        assert!(incoming.get("replace_call_id").is_none());
        parties.taken(&transaction, 0).await;
        for client in [&mut parties.t, &mut parties.x] {
            let hangup = client.expect("hangup").await;
            assert_eq!((&hangup["code"], &hangup["call_id"]), (&json!(200), &json!(OLD)));
            assert_eq!(client.expect("ice_hangup").await["line"], 0);
        }
        let Parties { x, y, .. } = &mut parties;
        x.hang_up(y, NEW, (1, 0)).await;
        parties.compare(ACCEPTED).await;
    }
}

#[tokio::test]
async fn an_attended_transfer_ends_both_calls_of_the_transferor() {
    for forms in FORMS {
        let mut parties = talking(forms, |_| {}).await;
        let target = number(&parties.core, 2);
        parties.t.talk_to(&mut parties.y, &target, CONSULTATION, (1, 0)).await;
        let (transaction, offered) = parties.transfer(&target, Some(CONSULTATION)).await;
        parties.call(&offered).await;
        parties.notified("active", "SIP/2.0 180 Ringing").await;
        assert_eq!(parties.x.names(2).await, ["ringing", "proceeding"]);
        let incoming = parties.y.expect("incoming_call").await;
        assert_eq!(incoming["replace_call_id"], CONSULTATION);
        assert_eq!(incoming["referred_by"], number(&parties.core, 0));
        parties.taken(&transaction, 1).await;
        for (call, line) in [(OLD, 0), (CONSULTATION, 1)] {
            let hangup = parties.t.expect("hangup").await;
            assert_eq!((&hangup["code"], &hangup["call_id"]), (&json!(200), &json!(call)));
            assert_eq!(hangup["line"], line);
        }
        assert_eq!(parties.t.names(2).await, ["ice_hangup", "ice_hangup"]);
        for (client, call) in [(&mut parties.x, OLD), (&mut parties.y, CONSULTATION)] {
            let hangup = client.expect("hangup").await;
            assert_eq!((&hangup["code"], &hangup["call_id"]), (&json!(200), &json!(call)));
            assert_eq!(client.expect("ice_hangup").await["line"], 0);
        }
        let Parties { x, y, .. } = &mut parties;
        x.hang_up(y, NEW, (1, 1)).await;
        parties.compare(ACCEPTED).await;
    }
}

#[tokio::test]
async fn the_target_is_told_its_own_id_of_the_call_that_is_replaced() {
    let core = core_with(3, |options| options.call_ids = CallIds::Rewritten);
    let mut t = Client::sign_on(&core, 0, Form::Flat).await;
    let mut x = Client::sign_on(&core, 1, Form::Flat).await;
    let mut y = Client::sign_on(&core, 2, Form::Flat).await;
    let mut ids = Vec::new();
    for (line, callee, call) in [(0_u16, &mut x, OLD), (1, &mut y, CONSULTATION)] {
        t.call_as(line, call, &number(&core, usize::from(line) + 1), json!({})).await;
        assert_eq!(t.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        let id = callee.expect("incoming_call").await["call_id"].as_str().unwrap().to_owned();
        callee.accept_as(0, &id).await;
        assert_eq!(callee.names(2).await, ["ack", "accepted"]);
        t.expect("accepted").await;
        ids.push(id);
    }
    let id_at_y = ids.pop().unwrap();
    assert_ne!(id_at_y, CONSULTATION);
    let mut parties = Parties { core, t, x, y };
    let target = number(&parties.core, 2);
    let (_, offered) = parties.transfer(&target, Some(CONSULTATION)).await;
    parties.call(&offered).await;
    assert_eq!(parties.y.expect("incoming_call").await["replace_call_id"], id_at_y);
}

#[tokio::test]
async fn a_transferee_may_decline() {
    for forms in FORMS {
        for as_text in [false, true] {
            let mut parties = talking(forms, |_| {}).await;
            let (_, offered) = parties.transfer("15550142", None).await;
            // A handle goes back as it came, and comes back so again (section 7.4).
            let refer_id = &offered["refer_id"];
            let refer_id = if as_text { json!(refer_id.to_string()) } else { refer_id.clone() };
            let decline = json!({ "refer_id": refer_id });
            let transaction = parties.x.request("decline", 0, Some(OLD), decline).await;
            assert_eq!(parties.x.expect("ack").await["transaction"], *transaction);
            let declining = parties.x.expect("declining").await;
            assert_eq!((&declining["code"], &declining["refer_id"]), (&json!(603), &refer_id));
            parties.failed(603, "Decline").await;
            let Parties { t, x, .. } = &mut parties;
            t.hang_up(x, OLD, (0, 0)).await;
            parties.compare(FAILED).await;
        }
    }
}

#[tokio::test]
async fn a_transfer_that_leads_nowhere_leaves_the_call_up() {
    for forms in FORMS {
        let mut parties = talking(forms, |options| options.lines = 2).await;
        let offline = number(&parties.core, 3);
        for (target, code, reason) in [("99", 404, "Not Found"), (&*offline, 480, "Temporarily Unavailable")]
        {
            let (_, offered) = parties.transfer(target, None).await;
            parties.call(&offered).await;
            assert_eq!(parties.x.expect("hangup").await["code"], code);
            parties.failed(code, reason).await;
            parties.x.expect("ice_hangup").await;
        }
        // Declined by the target, and cancelled by the transferee.
        let target = number(&parties.core, 2);
        for (code, reason) in [(603, "Decline"), (487, "Request Terminated")] {
            let (_, offered) = parties.transfer(&target, None).await;
            parties.call(&offered).await;
            parties.notified("active", "SIP/2.0 180 Ringing").await;
            assert_eq!(parties.x.names(2).await, ["ringing", "proceeding"]);
            parties.y.expect("incoming_call").await;
            if code == 603 {
                parties.y.request("decline", 0, Some(NEW), json!({})).await;
                assert_eq!(parties.y.names(4).await, ["ack", "declining", "hangup", "ice_hangup"]);
                assert_eq!(parties.x.names(2).await, ["hangup", "ice_hangup"]);
            } else {
                let Parties { x, y, .. } = &mut parties;
                x.hang_up(y, NEW, (1, 0)).await;
            }
            parties.failed(code, reason).await;
        }
        let Parties { t, x, .. } = &mut parties;
        t.hang_up(x, OLD, (0, 0)).await;
        parties.compare(Transfers { started: 4, failed: 4, ..Transfers::default() }).await;
    }
}

#[tokio::test]
async fn a_transfer_to_a_busy_target_fails_with_486_and_the_star_codes_work_in_it() {
    let mut parties = talking(FORMS[0], |_| {}).await;
    let target = number(&parties.core, 2);
    let (transaction, offered) = parties.transfer(&format!("*183{target}"), None).await;
    parties.call(&offered).await;
    parties.notified("active", "SIP/2.0 183 Session Progress").await;
    assert_eq!(parties.x.names(2).await, ["progress", "proceeding"]);
    parties.y.expect("incoming_call").await;
    parties.taken(&transaction, 0).await;
    let Parties { core, t, x, y } = parties;
    drop((t, x, y));
    assert_eq!(core.stop().unwrap().transfers, ACCEPTED);

    let mut parties = talking(FORMS[0], |options| options.lines = 2).await;
    let target = number(&parties.core, 2);
    parties.y.call_as(0, "one", "99", json!({})).await;
    parties.y.expect("ack").await;
    let mut fourth = Client::sign_on(&parties.core, 3, Form::Flat).await;
    for (line, id) in [(0, "two"), (1, "three")] {
        fourth.call_as(line, id, &target, json!({})).await;
        assert_eq!(fourth.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
    }
    let (_, offered) = parties.transfer(&target, None).await;
    parties.call(&offered).await;
    parties.failed(486, "Busy Here").await;
    assert_eq!(parties.x.expect("hangup").await["code"], 486);
}

#[tokio::test]
async fn a_transfer_of_what_is_not_there_is_an_error_event() {
    let mut parties = talking(FORMS[0], |_| {}).await;
    for (replaced, code) in [("another", 454), (OLD, 454)] {
        let rest = json!({ "number": "15550142", "replace_call_id": replaced });
        let transaction = parties.t.request("transfer", 0, Some(OLD), rest).await;
        parties.t.expect("ack").await;
        let error = parties.t.expect("error").await;
        assert_eq!((&error["code"], &error["transaction"]), (&json!(code), &json!(transaction)));
        assert_eq!(error["call_id"], OLD);
    }
    // One at a time, whoever asks; a retransmission is none.
    let target = number(&parties.core, 2);
    let (transaction, offered) = parties.transfer(&target, None).await;
    let again = json!({
        "request": "transfer", "transaction": transaction, "line": 0, "call_id": OLD, "number": target,
    });
    parties.t.send(&again.to_string()).await;
    parties.t.expect("ack").await;
    parties.x.request("transfer", 0, Some(OLD), json!({ "number": "7" })).await;
    parties.x.expect("ack").await;
    assert_eq!(parties.x.expect("error").await["code"], 447);
    // A handle that was given to nobody, or to another, makes an ordinary call; a decline with it is dropped.
    let wrong = json!({ "refer_id": offered["refer_id"].as_u64().unwrap() ^ 1 });
    parties.x.request("decline", 0, Some(OLD), wrong).await;
    parties.x.expect("ack").await;
    parties.y.call_as(0, NEW, "99", json!({ "refer_id": offered["refer_id"] })).await;
    assert_eq!(parties.y.names(3).await, ["ack", "calling", "hangup"]);
    let Parties { t, x, .. } = &mut parties;
    t.hang_up(x, OLD, (0, 0)).await;
    // Long after its end, the connection is closed over it.
    t.request("hangup", 0, Some(OLD), json!({})).await;
    assert_eq!(t.close_code().await, 4610);
    let Parties { core, t, x, y } = parties;
    drop((t, x, y));
    let truth = core.stop().unwrap();
    assert_eq!((truth.transfers.started, truth.transfers.unfinished), (1, 1));
    assert_eq!(
        (truth.violations(Violation::WrongState), truth.violations(Violation::Retransmission)),
        (5, 1)
    );
    assert_eq!(truth.violations(Violation::WrongCall), 1);
    assert_eq!(truth.event_errors, [(447, 1), (454, 2)].into());
}

#[tokio::test]
async fn who_has_hung_up_is_not_told_and_the_transfer_goes_on() {
    for before_the_call in [true, false] {
        let mut parties = talking(FORMS[0], |_| {}).await;
        let target = number(&parties.core, 2);
        let (_, offered) = parties.transfer(&target, None).await;
        if before_the_call {
            let Parties { t, x, .. } = &mut parties;
            t.hang_up(x, OLD, (0, 0)).await;
        }
        let refer_id = json!({ "refer_id": offered["refer_id"].to_string() });
        parties.x.call_as(1, NEW, &target, refer_id).await;
        assert_eq!(parties.x.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        assert_eq!(parties.y.expect("incoming_call").await["referred_by"], number(&parties.core, 0));
        if !before_the_call {
            assert_eq!(parties.t.names(2).await, ["notify", "notify"]);
            let Parties { t, x, .. } = &mut parties;
            t.hang_up(x, OLD, (0, 0)).await;
        }
        parties.y.accept_as(0, NEW).await;
        assert_eq!(parties.y.names(2).await, ["ack", "accepted"]);
        let Parties { x, y, .. } = &mut parties;
        x.expect("accepted").await;
        x.hang_up(y, NEW, (1, 0)).await;
        parties.compare(ACCEPTED).await;
    }
}

#[tokio::test]
async fn what_comes_late_is_taken_and_dropped() {
    let slow = Distribution::Fixed(Duration::from_secs(60));
    let mut parties = talking(FORMS[0], |options| options.ice_hangup_delay = slow).await;
    let target = number(&parties.core, 2);
    parties.t.talk_to(&mut parties.y, &target, CONSULTATION, (1, 0)).await;
    let Parties { t, y, .. } = &mut parties;
    y.request("hangup", 0, Some(CONSULTATION), json!({})).await;
    assert_eq!(y.names(3).await, ["ack", "hangingup", "hangup"]);
    t.expect("hangup").await;
    // The consultation has just ended: no such call, and nobody's fault.
    let rest = json!({ "number": target, "replace_call_id": CONSULTATION });
    t.request("transfer", 0, Some(OLD), rest).await;
    t.expect("ack").await;
    assert_eq!(t.expect("error").await["code"], 454);
    let (_, offered) = parties.transfer(&target, None).await;
    let Parties { t, x, .. } = &mut parties;
    t.request("hangup", 0, Some(OLD), json!({})).await;
    assert_eq!(t.names(3).await, ["ack", "hangingup", "hangup"]);
    x.expect("hangup").await;
    // A transferee that declines when it has been hung up on has declined.
    x.request("decline", 0, Some(OLD), json!({ "refer_id": offered["refer_id"] })).await;
    x.expect("ack").await;
    t.request("transfer", 0, Some(OLD), json!({ "number": target })).await;
    t.expect("ack").await;
    x.show_dialect().await;
    assert_eq!(parties.core.truth().unwrap().violations(Violation::LateRequest), 3);
    parties.compare(FAILED).await;
}

#[tokio::test]
async fn a_transferee_that_never_calls_is_not_waited_for_for_ever() {
    let mut parties =
        talking(FORMS[0], |options| options.transfer_patience = Duration::from_millis(50)).await;
    parties.transfer("15550142", None).await;
    // As long as the call is up the transferee has time.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(parties.core.truth().unwrap().transfers.unfinished, 1);
    let Parties { core, t, x, .. } = &mut parties;
    t.hang_up(x, OLD, (0, 0)).await;
    let settled = async {
        while core.truth().unwrap().transfers.unfinished > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();
    parties.compare(FAILED).await;
}

#[tokio::test]
async fn a_consultation_that_has_ended_cannot_be_replaced() {
    // The transferee is slow: the transferor's consultation has ended when it calls.
    let mut parties = talking(FORMS[0], |_| {}).await;
    let target = number(&parties.core, 2);
    parties.t.talk_to(&mut parties.y, &target, CONSULTATION, (1, 0)).await;
    let (_, offered) = parties.transfer(&target, Some(CONSULTATION)).await;
    let Parties { t, y, .. } = &mut parties;
    t.hang_up(y, CONSULTATION, (1, 0)).await;
    parties.call(&offered).await;
    assert_eq!(parties.x.expect("hangup").await["code"], 481);
    parties.failed(481, "Call/Transaction Does Not Exist").await;
    parties.x.expect("ice_hangup").await;
    let Parties { t, x, .. } = &mut parties;
    t.hang_up(x, OLD, (0, 0)).await;
    parties.compare(FAILED).await;
}

#[tokio::test]
async fn a_transfer_of_a_client_that_stays_away_leaves_nothing_up() {
    for (lost, code) in [("t", 200), ("x", 487), ("y", 480)] {
        let mut parties = talking(FORMS[0], |options| {
            options.grace = Duration::from_millis(50);
            options.hangup_transaction = HangupTransaction::Own;
        })
        .await;
        let target = number(&parties.core, 2);
        let (_, offered) = parties.transfer(&target, None).await;
        parties.call(&offered).await;
        parties.notified("active", "SIP/2.0 180 Ringing").await;
        assert_eq!(parties.x.names(2).await, ["ringing", "proceeding"]);
        parties.y.expect("incoming_call").await;
        let Parties { core, mut t, mut x, mut y } = parties;
        match lost {
            "t" => {
                drop(t);
                assert_eq!(x.expect("hangup").await["code"], code);
                x.expect("ice_hangup").await;
                x.hang_up(&mut y, NEW, (1, 0)).await;
                drop((x, y));
            }
            "x" => {
                drop(x);
                assert_eq!(y.expect("hangup").await["code"], code);
                assert_eq!(t.expect("hangup").await["code"], 200);
                drop((t, y));
            }
            _ => {
                drop(y);
                assert_eq!(x.expect("hangup").await["code"], code);
                assert_eq!(t.expect("notify").await["content"], "SIP/2.0 480 Temporarily Unavailable");
                t.expect("transfer_failed").await;
                x.expect("ice_hangup").await;
                t.hang_up(&mut x, OLD, (0, 0)).await;
                drop((t, x));
            }
        }
        let truth = core.stop().unwrap();
        assert_eq!((truth.calls_up, truth.attempts.unfinished), (0, 0), "{lost}");
        assert_eq!(truth.transfers, FAILED, "{lost}");
    }
}
