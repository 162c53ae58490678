//! The REST API (section 9), spoken by hand: one socket, one request after the other.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wtsp_load::embedded_core::EmbeddedCore;

use super::client::{Client, Form, PATIENCE, Seen, core};

/// A connection that is kept.
struct Rest(TcpStream);

impl Rest {
    async fn connect(core: &EmbeddedCore) -> Rest {
        Rest(TcpStream::connect(core.address()).await.unwrap())
    }

    /// Sends a request; the status and the body of its answer.
    async fn ask(&mut self, line: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nHost: h\r\n{token}Content-Length: {length}\r\n\r\n");
        self.0.write_all((head + &body).as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> (u16, Value) {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8(read.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return (status, serde_json::from_str(body).unwrap_or(Value::Null));
                }
            }
            let more = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut read)).await.unwrap().unwrap();
            assert!(more > 0, "closed after {read:?}");
        }
    }

    async fn sign_in(&mut self, core: &EmbeddedCore, index: usize, identifier: &str) -> String {
        let (status, body) = self.ask("POST /api/v1/session", None, &sign_in(core, index, identifier)).await;
        assert_eq!(status, 200, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    /// Whether nothing more comes.
    async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(tokio::time::timeout(PATIENCE, self.0.read(&mut byte)).await.unwrap(), Ok(0) | Err(_))
    }
}

fn sign_in(core: &EmbeddedCore, index: usize, identifier: &str) -> Value {
    let credentials = core.subscribers()[index].credentials.clone().unwrap();
    json!({
        "bundle_id": null, "type": "web", "identifier": identifier,
        "login": credentials.login, "password": credentials.password,
    })
}

async fn sign_on(core: &EmbeddedCore, token: &str) -> Client {
    let mut client = Client::dial(core, &format!("/signaling/v1?token={token}"), Form::Flat).await.unwrap();
    client.expect("state").await;
    client
}

#[tokio::test]
async fn a_session_is_made_used_and_deleted_and_its_connection_closed_with_4201() {
    let core = core(2);
    let mut rest = Rest::connect(&core).await;
    let token = rest.sign_in(&core, 1, "one").await;
    let mut client = sign_on(&core, &token).await;
    let (status, user) = rest.ask("GET /api/v1/user", Some(&token), &Value::Null).await;
    assert_eq!((status, &user["numbers"]["ext"]), (200, &json!(core.subscribers()[1].number)));
    assert_eq!(rest.ask("DELETE /api/v1/session", Some(&token), &Value::Null).await.0, 204);
    assert_eq!(client.seen().await, Seen::Closed(4201));
    let (status, body) = rest.ask("GET /api/v1/user", Some(&token), &Value::Null).await;
    assert_eq!((status, &body["code"]), (401, &json!("token_invalid")));
    let sessions = core.stop().unwrap().sessions;
    assert_eq!((sessions.created, sessions.deleted, sessions.refused), (1, 1, 0));
}

#[tokio::test]
async fn one_installation_has_one_session_and_an_account_a_bounded_number() {
    let core = core(1);
    let mut rest = Rest::connect(&core).await;
    let first = rest.sign_in(&core, 0, "same").await;
    let mut client = sign_on(&core, &first).await;
    let second = rest.sign_in(&core, 0, "same").await;
    assert_eq!(client.seen().await, Seen::Closed(4201));
    assert_eq!(rest.ask("GET /api/v1/user", Some(&first), &Value::Null).await.0, 401);
    for other in 0..16 {
        rest.sign_in(&core, 0, &format!("other-{other}")).await;
    }
    assert_eq!(rest.ask("GET /api/v1/user", Some(&second), &Value::Null).await.0, 401);
}

#[tokio::test]
async fn every_path_works_with_a_base_and_a_tenant() {
    let core = core(1);
    let mut rest = Rest::connect(&core).await;
    assert_eq!(rest.ask("GET /api/health-check", None, &Value::Null).await.0, 200);
    let (status, info) = rest.ask("GET /x//tenant/acme/api/v1/system-info", None, &Value::Null).await;
    assert!(status == 200 && info["core"]["version"].is_string(), "{info}");
    let path = "POST /base/tenant/a%20b/api/v1/session";
    let (_, body) = rest.ask(path, None, &sign_in(&core, 0, "one")).await;
    assert_eq!(body["tenant_id"], "a b");
    for unknown in ["GET /api/v1/session", "POST /api/v2/session", "GET /", "GET /signaling/v1"] {
        let (status, body) = rest.ask(unknown, None, &Value::Null).await;
        assert_eq!((status, &body["errors"]["detail"]), (404, &json!("Not Found")), "{unknown}");
    }
    assert_eq!(core.stop().unwrap().upgrades_refused, 2);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_a_code() {
    let core = core(1);
    let mut rest = Rest::connect(&core).await;
    let good = sign_in(&core, 0, "one");
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for (body, status, code) in [
        (with("password", json!("wrong")), 401, "incorrect_credentials"),
        (with("login", json!("nobody")), 401, "incorrect_credentials"),
        (with("type", json!("toaster")), 422, "validation_error"),
        (with("identifier", json!("")), 422, "validation_error"),
        (with("password", json!(7)), 422, "validation_error"),
        (json!([]), 422, "validation_error"),
    ] {
        let (found, answer) = rest.ask("POST /api/v1/session", None, &body).await;
        assert_eq!((found, &answer["code"]), (status, &json!(code)), "{body}");
    }
    for line in ["DELETE /api/v1/session", "GET /api/v1/user", "PATCH /api/v1/app/status"] {
        let (status, answer) = rest.ask(line, None, &Value::Null).await;
        assert_eq!((status, &answer["code"]), (401, &json!("authorization_header_missing")), "{line}");
    }
    let truth = core.stop().unwrap();
    assert_eq!((truth.sessions.created, truth.sessions.refused), (0, 6));
    assert_eq!(truth.to_json()["sessions"], json!({ "created": 0, "deleted": 0, "refused": 6 }));
}

#[tokio::test]
async fn an_app_that_is_switched_off_is_unregistered_and_closed_with_4302() {
    let core = core(1);
    let mut rest = Rest::connect(&core).await;
    let token = rest.sign_in(&core, 0, "one").await;
    let mut client = sign_on(&core, &token).await;
    let status = "GET /api/v1/app/status";
    assert_eq!(rest.ask(status, Some(&token), &Value::Null).await.1, json!({ "register": true }));
    let switch = |on: bool| json!({ "register": on });
    assert_eq!(rest.ask("PATCH /api/v1/app/status", Some(&token), &switch(false)).await.0, 204);
    assert_eq!(client.names(2).await, ["unregistering", "unregistered"]);
    assert_eq!(client.seen().await, Seen::Closed(4302));
    let path = format!("/signaling/v1?token={token}");
    let mut refused = Client::dial(&core, &path, Form::Flat).await.unwrap();
    assert_eq!(refused.seen().await, Seen::Closed(4302));
    assert_eq!(rest.ask(status, Some(&token), &Value::Null).await.1, switch(false));
    assert_eq!(rest.ask("PATCH /api/v1/app/status", Some(&token), &switch(true)).await.0, 204);
    sign_on(&core, &token).await;
}

#[tokio::test]
async fn hostile_requests_are_refused_and_harm_nobody_else() {
    let core = core(1);
    let mut bystander = Client::sign_on(&core, 0, Form::Flat).await;
    let long = "a".repeat(20_000);
    let nested = "[".repeat(60_000);
    for (bytes, status) in [
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), Some(431)),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100)), Some(431)),
        ("POST /api/v1/session HTTP/1.1\r\nContent-Length: 70000\r\n\r\n".to_owned(), Some(413)),
        ("POST /api/v1/session HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), Some(501)),
        (format!("POST /api/v1/session HTTP/1.0\r\nContent-Length: 60000\r\n\r\n{nested}"), Some(422)),
        ("\0\0\0\0\r\n\r\n".to_owned(), Some(400)),
    ] {
        let mut rest = Rest::connect(&core).await;
        // The core may have closed before all of it is written.
        let _ = rest.0.write_all(bytes.as_bytes()).await;
        let mut read = Vec::new();
        // Where it closes over what it has not read, the system may reset the connection and lose the answer.
        let _ = tokio::time::timeout(PATIENCE, rest.0.read_to_end(&mut read)).await.unwrap();
        let found = String::from_utf8_lossy(&read).split(' ').nth(1).and_then(|status| status.parse().ok());
        assert!(found.is_none() || found == status, "{:.80}: {found:?}", bytes);
        assert!(rest.is_closed().await);
    }
    bystander.send(r#"{"handshake":"keepalive"}"#).await;
    bystander.expect("keepalive").await;
}

#[tokio::test]
async fn requests_sent_behind_each_other_are_answered_in_their_order() {
    let core = core(1);
    let mut rest = Rest::connect(&core).await;
    let both = "GET /api/health-check HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n";
    rest.0.write_all(both.as_bytes()).await.unwrap();
    let mut read = String::new();
    rest.0.read_to_string(&mut read).await.unwrap();
    let statuses: Vec<&str> = read.lines().filter(|line| line.contains("HTTP/1.1 ")).collect();
    assert!(statuses[0].contains("200 OK") && read.contains("HTTP/1.1 404 Not Found"), "{read}");
}

#[tokio::test]
async fn whoever_sends_requests_without_end_leaves_the_core_to_the_others() {
    let core = core(1);
    let mut bystander = Client::sign_on(&core, 0, Form::Flat).await;
    let (mut answers, mut requests) = Rest::connect(&core).await.0.into_split();
    let asking = tokio::spawn(async move {
        let many = "GET /nothing HTTP/1.1\r\n\r\n".repeat(500);
        while requests.write_all(many.as_bytes()).await.is_ok() {}
    });
    let reading = tokio::spawn(async move {
        let mut read = vec![0; 64 * 1024];
        while answers.read(&mut read).await.is_ok_and(|read| read > 0) {}
    });
    for _ in 0..100 {
        bystander.send(r#"{"handshake":"keepalive"}"#).await;
        bystander.expect("keepalive").await;
    }
    assert!(!asking.is_finished() && !reading.is_finished());
    let stopping = tokio::task::spawn_blocking(move || core.stop());
    assert_eq!(bystander.close_code().await, 1001);
    stopping.await.unwrap().unwrap();
    asking.await.unwrap();
    reading.await.unwrap();
}
