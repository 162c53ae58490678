//! The messages of a call flow, by the names of their test vectors.

use wtsp_load::protocol::Dialect;

/// What a client receives per call and keepalives between: a quarter keepalives, a third acks, one in twelve with a
/// session description.
pub fn received(dialect: Dialect) -> [&'static str; 13] {
    let keepalive = match dialect {
        Dialect::Nested => "response-ack-keepalive",
        Dialect::Flat => "handshake-keepalive-echo",
    };
    [
        keepalive,
        "response-ack",
        "event-calling",
        "response-ack",
        keepalive,
        "event-ringing",
        "event-proceeding",
        "response-ack",
        "event-accepted-answer",
        "event-ice_webrtcup",
        keepalive,
        "response-ack",
        "event-hangup",
    ]
}

/// What a client sends in the same time.
pub fn sent(dialect: Dialect) -> [&'static str; 13] {
    let (call, keepalive) = match dialect {
        Dialect::Nested => ("request-call", "request-keepalive"),
        Dialect::Flat => ("request-outgoing_call", "handshake-keepalive-client"),
    };
    [
        keepalive,
        call,
        "request-ice_trickle",
        "request-ice_trickle",
        "request-ice_trickle",
        keepalive,
        "request-ice_trickle",
        "request-ice_trickle",
        "request-ice_trickle",
        "request-ice_trickle-completed",
        keepalive,
        "request-accept",
        "request-hangup",
    ]
}
