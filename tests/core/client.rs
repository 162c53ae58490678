//! A client made of a WebSocket library and JSON values, in either dialect. It counts what it sees.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use wtsp_load::embedded_core::{CoreOptions, EmbeddedCore, Provisioned};

/// What any wait is bounded by.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n";
pub const ANSWER: &str =
    "v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n";
pub const CALL: &str = "kT4vQ9mZc2XwB7nLr0HsYd3E";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Nested,
    Flat,
}

/// What a client saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A message, in flat form and with flat names.
    Message(Value),
    /// The close code.
    Closed(u16),
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub form: Form,
    pub sent: BTreeMap<String, u64>,
    pub events: BTreeMap<String, u64>,
    pub acked: u64,
    transactions: u64,
}

/// A core with so many subscribers and no delays.
pub fn core(subscribers: u32) -> EmbeddedCore {
    core_with(subscribers, |_| {})
}

pub fn core_with(subscribers: u32, change: impl FnOnce(&mut CoreOptions)) -> EmbeddedCore {
    let subscribers = Provisioned::many(subscribers).unwrap();
    let mut options = CoreOptions { subscribers, ..CoreOptions::default() };
    change(&mut options);
    EmbeddedCore::start(options).unwrap()
}

pub fn number(core: &EmbeddedCore, index: usize) -> String {
    core.subscribers()[index].number.clone()
}

impl Client {
    /// Connects the subscriber `index` and takes its state.
    pub async fn sign_on(core: &EmbeddedCore, index: usize, form: Form) -> Client {
        let mut client = Client::connect(core, index, false, form).await;
        let state = client.message().await;
        assert_eq!(state["handshake"], "state");
        assert_eq!(state["registration"]["status"], "registered");
        client
    }

    pub async fn connect(core: &EmbeddedCore, index: usize, force: bool, form: Form) -> Client {
        let token = &core.subscribers()[index].token;
        let path = format!("/signaling/v1?token={token}&force={force}");
        Client::dial(core, &path, form).await.unwrap()
    }

    pub async fn dial(core: &EmbeddedCore, path: &str, form: Form) -> Result<Client, Error> {
        let address = core.address();
        let tcp = TcpStream::connect(address).await?;
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "webtrit-protocol".parse().unwrap());
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
        let (sent, events) = (BTreeMap::new(), BTreeMap::new());
        Ok(Client { socket, form, sent, events, acked: 0, transactions: 0 })
    }

    /// Sends a request given in flat form, and returns its transaction.
    pub async fn request(
        &mut self,
        name: &str,
        line: impl Into<Value>,
        call_id: Option<&str>,
        rest: Value,
    ) -> String {
        self.transactions += 1;
        let transaction = format!("transaction-{}", self.transactions);
        let mut message = json!({ "request": name, "transaction": transaction, "line": line.into() });
        if let Some(call_id) = call_id {
            message["call_id"] = call_id.into();
        }
        let rest = rest.as_object().cloned().unwrap_or_default();
        match self.form {
            Form::Flat => message.as_object_mut().unwrap().extend(rest),
            Form::Nested => {
                if name == "outgoing_call" {
                    message["request"] = "call".into();
                }
                if !rest.is_empty() {
                    message["data"] = rest.into();
                }
            }
        }
        *self.sent.entry(name.to_owned()).or_default() += 1;
        self.send(&message.to_string()).await;
        transaction
    }

    /// Calls `number` on `line`.
    pub async fn call(&mut self, line: u16, number: &str) -> String {
        let rest = json!({ "number": number, "jsep": { "type": "offer", "sdp": OFFER } });
        self.request("outgoing_call", line, Some(CALL), rest).await
    }

    /// Calls `number` on `line` under an id, with whatever else is to be said.
    pub async fn call_as(
        &mut self,
        line: impl Into<Value>,
        call_id: &str,
        number: &str,
        more: Value,
    ) -> String {
        let mut rest = json!({ "number": number, "jsep": { "type": "offer", "sdp": OFFER } });
        rest.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.request("outgoing_call", line, Some(call_id), rest).await
    }

    pub async fn accept(&mut self, line: u16) -> String {
        self.accept_as(line, CALL).await
    }

    pub async fn accept_as(&mut self, line: u16, call_id: &str) -> String {
        let rest = json!({ "jsep": { "type": "answer", "sdp": ANSWER } });
        self.request("accept", line, Some(call_id), rest).await
    }

    /// A call of `self` to `callee` as far as answered, each on a line of its own.
    pub async fn talk_to(&mut self, callee: &mut Client, number: &str, call_id: &str, lines: (u16, u16)) {
        self.call_as(lines.0, call_id, number, json!({})).await;
        assert_eq!(self.names(4).await, ["ack", "calling", "ringing", "proceeding"]);
        callee.expect("incoming_call").await;
        callee.accept_as(lines.1, call_id).await;
        assert_eq!(callee.names(2).await, ["ack", "accepted"]);
        self.expect("accepted").await;
    }

    /// Hangs an answered call up, and sees both legs to their end.
    pub async fn hang_up(&mut self, other: &mut Client, call_id: &str, lines: (u16, u16)) {
        self.request("hangup", lines.0, Some(call_id), json!({})).await;
        assert_eq!(self.names(4).await, ["ack", "hangingup", "hangup", "ice_hangup"]);
        let hangup = other.expect("hangup").await;
        assert_eq!((&hangup["line"], &hangup["call_id"]), (&json!(lines.1), &json!(call_id)));
        other.expect("ice_hangup").await;
    }

    /// Sends a keepalive in its own form, by which the core knows its dialect.
    pub async fn show_dialect(&mut self) {
        match self.form {
            Form::Flat => {
                // Byte for byte, whatever is in it.
                let text = r#"{"handshake":"keepalive",  "transaction":"t","x":1.0}"#;
                self.send(text).await;
                self.expect("keepalive").await;
            }
            Form::Nested => {
                self.send(r#"{"request":"keepalive","line":0,"transaction":"t"}"#).await;
                let ack = self.expect("ack").await;
                assert_eq!(ack["transaction"], "t");
                self.acked -= 1;
            }
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn seen(&mut self) -> Seen {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing comes");
            match next {
                Some(Ok(Message::Text(text))) => {
                    let message = self.in_flat_form(serde_json::from_str(&text).unwrap());
                    if let Some(event) = message["event"].as_str() {
                        *self.events.entry(event.to_owned()).or_default() += 1;
                    }
                    self.acked += u64::from(message["response"] == "ack");
                    return Seen::Message(message);
                }
                Some(Ok(Message::Close(close))) => {
                    return Seen::Closed(close.map_or(1005, |close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Seen::Closed(1006),
            }
        }
    }

    pub async fn message(&mut self) -> Value {
        match self.seen().await {
            Seen::Message(message) => message,
            Seen::Closed(code) => panic!("closed with {code}"),
        }
    }

    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Seen::Closed(code) = self.seen().await {
                return code;
            }
        }
    }

    /// The next messages, as `ack` or the names of events.
    pub async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(name(&self.message().await));
        }
        names
    }

    /// The next message, which must be this one.
    pub async fn expect(&mut self, expected: &str) -> Value {
        let message = self.message().await;
        assert_eq!(name(&message), expected, "{message}");
        message
    }

    /// Closes with 1000, and reads until the other end has closed too.
    pub async fn sign_off(&mut self) {
        let frame = CloseFrame { code: 1000.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap() {}
    }

    /// Checks the form of a message, and turns it into the flat one.
    fn in_flat_form(&self, message: Value) -> Value {
        let Value::Object(mut message) = message else { panic!("not an object: {message}") };
        // The first message does not show a dialect.
        if message.contains_key("handshake") {
            return message.into();
        }
        let envelope = ["event", "response", "line", "transaction", "call_id"];
        match self.form {
            Form::Flat => assert!(!message.contains_key("data") || message["event"] == "peer_message"),
            Form::Nested => {
                if let Some(Value::Object(data)) = message.remove("data") {
                    message.extend(data);
                } else {
                    let rest: Map<_, _> =
                        message.clone().into_iter().filter(|(key, _)| !envelope.contains(&&**key)).collect();
                    assert!(rest.is_empty(), "beside the envelope: {rest:?}");
                }
                if message.get("event").is_some_and(|event| event == "call") {
                    message.insert("event".into(), "incoming_call".into());
                }
            }
        }
        message.into()
    }
}

/// `ack`, `error 503` or the name of an event.
pub fn name(message: &Value) -> String {
    match (message["response"].as_str(), message["event"].as_str()) {
        (Some("error"), _) => format!("error {}", message["code"]),
        (Some(response), _) => response.to_owned(),
        (None, Some(event)) => event.to_owned(),
        (None, None) => message["handshake"].as_str().unwrap_or("nothing").to_owned(),
    }
}
