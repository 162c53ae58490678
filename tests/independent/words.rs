//! The words of WTSP in both dialects, as the protocol's text has them (sections 3.1 to 3.6).

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The founding document's: properties inside `data`.
    Nested,
    /// Today's: properties at the top level.
    Flat,
}

impl Dialect {
    pub const BOTH: [Dialect; 2] = [Dialect::Flat, Dialect::Nested];

    pub fn name(self) -> &'static str {
        match self {
            Dialect::Nested => "nested",
            Dialect::Flat => "flat",
        }
    }
}

/// The keys that stay at the top level in the nested dialect.
const ENVELOPE: [&str; 7] = ["handshake", "request", "response", "event", "line", "transaction", "call_id"];

/// Writes a message that is given in the flat dialect.
pub fn write(dialect: Dialect, flat: Value) -> String {
    if dialect == Dialect::Flat || flat.get("handshake").is_some() {
        return flat.to_string();
    }
    let Value::Object(flat) = flat else { panic!("a message is an object") };
    let (mut nested, mut data) = (Map::new(), Map::new());
    for (key, value) in flat {
        if ENVELOPE.contains(&key.as_str()) {
            nested.insert(key, value)
        } else {
            data.insert(key, value)
        };
    }
    if nested.get("event") == Some(&json!("incoming_call")) {
        nested.insert("event".into(), json!("call"));
    }
    if nested.contains_key("response") {
        nested.remove("call_id");
    }
    nested.entry("line").or_insert(json!(0));
    if !data.is_empty() {
        nested.insert("data".into(), Value::Object(data));
    }
    Value::Object(nested).to_string()
}

/// What a client has sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By its flat name; a keepalive of either form is `keepalive`.
    pub name: String,
    /// The keepalive handshake of the flat dialect.
    pub handshake: bool,
    pub line: Option<usize>,
    pub transaction: String,
    pub call_id: Option<String>,
    pub rest: Map<String, Value>,
    pub text: String,
}

/// Reads what a client has sent; in words what is wrong with it. Nothing is tolerated here.
pub fn read(dialect: Dialect, text: &str) -> Result<Asked, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON ({error}): {text}"))?;
    let Value::Object(mut top) = value else { return Err(format!("no object: {text}")) };
    let transaction = match top.remove("transaction") {
        Some(Value::String(transaction)) if transaction.starts_with("transaction-") => transaction,
        _ => return Err(format!("no transaction: {text}")),
    };
    if let Some(handshake) = top.remove("handshake") {
        if handshake != json!("keepalive") {
            return Err(format!("a client sends no such handshake: {text}"));
        }
        let (rest, text) = (top, text.to_owned());
        return Ok(Asked {
            name: "keepalive".into(),
            handshake: true,
            line: None,
            transaction,
            call_id: None,
            rest,
            text,
        });
    }
    let Some(Value::String(name)) = top.remove("request") else { return Err(format!("no request: {text}")) };
    let name = match (dialect, name.as_str()) {
        (Dialect::Nested, "call") => "outgoing_call".to_owned(),
        (Dialect::Nested, "outgoing_call") => return Err("nested says `call`".to_owned()),
        (Dialect::Flat, "call" | "keepalive") => return Err(format!("flat has no request `{name}`")),
        _ => name,
    };
    let line = match top.remove("line") {
        Some(line) => Some(line.as_u64().ok_or_else(|| format!("line is no number: {text}"))? as usize),
        None => return Err(format!("no line: {text}")),
    };
    let call_id = match top.remove("call_id") {
        Some(Value::String(call_id)) if !call_id.is_empty() => Some(call_id),
        None => None,
        Some(_) => return Err(format!("call_id is no string: {text}")),
    };
    let is_of_call = !matches!(name.as_str(), "keepalive" | "ice_trickle");
    if call_id.is_some() != is_of_call {
        return Err(format!("call_id belongs to requests of a call, and only there: {text}"));
    }
    let rest = match (dialect, top.remove("data")) {
        (Dialect::Flat, Some(_)) => return Err(format!("flat has no `data`: {text}")),
        (Dialect::Flat, None) => std::mem::take(&mut top),
        (Dialect::Nested, Some(Value::Object(data))) if !data.is_empty() => data,
        (Dialect::Nested, None) => Map::new(),
        (Dialect::Nested, Some(_)) => return Err(format!("`data` is an object that is not empty: {text}")),
    };
    if !top.is_empty() {
        return Err(format!("properties outside `data`: {text}"));
    }
    check_properties(&name, &rest).map_err(|wrong| format!("{wrong}: {text}"))?;
    Ok(Asked { name, handshake: false, line, transaction, call_id, rest, text: text.to_owned() })
}

fn check_properties(name: &str, rest: &Map<String, Value>) -> Result<(), String> {
    let jsep = |kind: &str| match rest.get("jsep") {
        Some(jsep) if jsep["type"] == kind && is_sdp(&jsep["sdp"]) => Ok(()),
        _ => Err(format!("`{name}` needs an SDP of type {kind}")),
    };
    let only = |names: &[&str]| match rest.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("`{name}` has no property `{key}`")),
        None => Ok(()),
    };
    match name {
        "outgoing_call" => {
            only(&["number", "jsep", "from", "refer_id", "replaces"])?;
            rest.get("number").and_then(Value::as_str).ok_or("no number")?;
            jsep("offer")
        }
        "accept" => only(&["jsep"]).and_then(|()| jsep("answer")),
        "ice_trickle" => match rest.get("candidate") {
            Some(Value::Null) => only(&["candidate"]),
            Some(Value::Object(one)) if one.get("completed") == Some(&json!(true)) && one.len() == 1 => {
                Ok(())
            }
            Some(Value::Object(one)) if one.get("candidate").is_some_and(Value::is_string) => {
                only(&["candidate"])
            }
            _ => Err("no candidate".to_owned()),
        },
        "decline" => only(&["refer_id"]),
        "hold" => only(&["direction"]),
        "update" => only(&["jsep"]).and_then(|()| jsep("offer").or(jsep("answer"))),
        "hangup" | "keepalive" | "unhold" => only(&[]),
        _ => Err("no such request".to_owned()),
    }
}

fn is_sdp(sdp: &Value) -> bool {
    sdp.as_str().is_some_and(|sdp| sdp.starts_with("v=0\r\n") && sdp.contains("\r\nm="))
}
