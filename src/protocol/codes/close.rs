//! Why a WebSocket closed (protocol, section 6.1).

use super::codes;
use crate::protocol::Malformed;

use Advice::{BackOff, NewToken, Stop};
use CloseClass::{App, Auxiliary, Controller, Request, Session, Signaling, Socket};

/// The layer of the server that a close code speaks of (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseClass {
    /// The WebSocket itself, or nothing in particular.
    Auxiliary,
    /// The frames.
    Socket,
    /// The token.
    Session,
    /// The app behind the token.
    App,
    /// The controller of the session, and what it depends on.
    Controller,
    /// The signaling protocol.
    Signaling,
    /// One request.
    Request,
}

impl CloseClass {
    /// All of them.
    pub const ALL: &'static [Self] = &[Auxiliary, Socket, Session, App, Controller, Signaling, Request];

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Auxiliary => "auxiliary",
            Socket => "socket",
            Session => "session",
            App => "app",
            Controller => "controller",
            Signaling => "signaling",
            Request => "request",
        }
    }
}

/// What a client should do after a close that was not its own; after its own it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Reconnect at once. No code asks for it of a load test; the real mobile client does it after 4441.
    AtOnce,
    /// Reconnect with back-off.
    BackOff,
    /// Get a new token first.
    NewToken,
    /// Stop this client.
    Stop,
}

impl Advice {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "reconnect_at_once",
            BackOff => "reconnect_with_back_off",
            NewToken => "new_token",
            Stop => "stop",
        }
    }
}

codes! {
    /// A WebSocket close code.
    CloseCode: u16, (CloseClass, Advice, &'static str) {
        1000 NormalClosure "normal closure"
            (Auxiliary, BackOff, "the server drained or ended the session politely");
        1001 GoingAway "going away"
            (Auxiliary, BackOff, "restart or deployment; expect a wave of reconnects");
        1002 ProtocolError "protocol error"
            (Auxiliary, Stop, "first suspect the harness's WebSocket code");
        1003 UnsupportedData "unsupported data"
            (Auxiliary, Stop, "the harness sent binary");
        1005 NoStatusReceived "no status received"
            (Auxiliary, BackOff, "middlebox or sloppy server");
        1006 AbnormalClosure "abnormal closure"
            (Auxiliary, BackOff,
            "capacity, a proxy's idle timeout, a load balancer, or a starved harness: look at keepalive timing");
        1007 InvalidPayloadData "invalid payload data"
            (Auxiliary, Stop, "encoder bug");
        1008 PolicyViolation "policy violation"
            (Auxiliary, Stop, "rate limiting or authorisation policy");
        1009 MessageTooBig "message too big"
            (Auxiliary, Stop, "a session description or state is larger than a limit");
        1010 MandatoryExtension "mandatory extension"
            (Auxiliary, Stop, "configuration");
        1011 InternalServerError "internal server error"
            (Auxiliary, BackOff, "server bug under load: report it");
        1012 ServiceRestart "service restart"
            (Auxiliary, BackOff, "orderly overload handling");
        1013 TryAgainLater "try again later"
            (Auxiliary, BackOff, "orderly overload handling");
        1015 TlsHandshakeFailed "TLS handshake failed"
            (Auxiliary, Stop, "certificates");
        4000 UnmappedError "unmapped error"
            (Auxiliary, BackOff, "the server's catch-all: report its reason text");
        4101 SocketMessageError "socket message error"
            (Socket, Stop, "the harness sent garbage, or a negative test passed");
        4201 SessionMissedError "session missed error"
            (Session, NewToken, "token lifetime, logout, or the server lost its session store");
        4300 AppUnknownError "app unknown error"
            (App, BackOff, "server bug: report it");
        4301 AppMissedError "app missed error"
            (App, NewToken, "provisioning problem");
        4302 AppUnregisteredError "app unregistered error"
            (App, Stop, "expected in register-switch scenarios only");
        4400 ControllerUnknownError "controller unknown error"
            (Controller, BackOff,
            "gateway instability or overload of controller start-up: key saturation signal");
        4401 ControllerMissedError "controller missed error"
            (Controller, BackOff, "race at start-up or teardown");
        4402 ControllerExitError "controller exit error"
            (Controller, BackOff, "gateway loss or end of the session");
        4410 SubscriberDataAdapterError "subscriber data adapter error"
            (Controller, BackOff, "the adapter or billing is the bottleneck, not the Core");
        4411 SubscriberMissed "subscriber missed"
            (Controller, Stop, "bad test account");
        4412 SubscriberCredentialsMissed "subscriber credentials missed"
            (Controller, Stop, "bad test account");
        4420 ControllerWebrtcError "controller webrtc error"
            (Controller, BackOff, "media gateway down or full");
        4431 ControllerAttachedError "controller attached error"
            (Controller, Stop, "duplicate use of a token, or a ghost connection");
        4432 ControllerNotAttachedError "controller not attached error"
            (Controller, BackOff, "early request or displaced connection");
        4441 ControllerForceAttachClose "controller force attach close"
            (Controller, Stop, "two users of one token");
        4501 SignalingMessageError "signaling message error"
            (Signaling, Stop, "harness bug");
        4502 SignalingKeepaliveTimeoutError "signaling keepalive timeout error"
            (Signaling, BackOff, "check the generator's own lag before blaming the server");
        4600 RequestUnknownError "request unknown error"
            (Request, Stop, "dialect or version mismatch");
        4601 RequestExecuteError "request execute error"
            (Request, BackOff, "server bug: report it with the request");
        4602 RequestExecuteTimeoutError "request execute timeout error"
            (Request, BackOff, "saturation signal");
        4610 RequestCallIdError "request call id error"
            (Request, BackOff, "race of call states; a high rate means that the harness reuses dead calls");
        other "unknown close code"
            (Auxiliary, BackOff, "a code that the protocol does not have: report its reason text");
    }
}

impl CloseCode {
    /// The layer of the server it speaks of.
    pub const fn class(self) -> CloseClass {
        self.facts().0
    }

    /// What a client should do after it, unless it closed by itself.
    pub const fn advice(self) -> Advice {
        self.facts().1
    }

    /// What a load test should conclude from it.
    pub const fn conclusion(self) -> &'static str {
        self.facts().2
    }

    /// Whether it points at a server at its limits.
    pub const fn is_saturation(self) -> bool {
        matches!(
            self,
            Self::ServiceRestart
                | Self::TryAgainLater
                | Self::ControllerUnknownError
                | Self::ControllerWebrtcError
                | Self::RequestExecuteTimeoutError
        )
    }
}

impl Malformed {
    /// The code that a core closes with on such a text (section 6.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::NotUtf8 => CloseCode::InvalidPayloadData,
            Self::TooLong => CloseCode::MessageTooBig,
            Self::NotJson => CloseCode::SocketMessageError,
            Self::NotAnObject
            | Self::DuplicateKey
            | Self::NoKind
            | Self::KindNotText
            | Self::MissingProperty(_)
            | Self::WrongType(_) => CloseCode::SignalingMessageError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_each_code_is_read_back() {
        let codes: Vec<u16> = CloseCode::KNOWN.iter().map(|code| code.code()).collect();
        assert_eq!(
            codes,
            [
                1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1015, 4000,
                4101, 4201, 4300, 4301, 4302, 4400, 4401, 4402, 4410, 4411, 4412, 4420, 4431, 4432, 4441,
                4501, 4502, 4600, 4601, 4602, 4610
            ]
        );
        assert!(CloseCode::KNOWN.iter().all(|code| CloseCode::from(code.code()) == *code));
    }

    #[test]
    fn the_class_is_that_of_the_number() {
        for code in CloseCode::KNOWN {
            let class = match code.code() {
                4100..=4199 => Socket,
                4200..=4299 => Session,
                4300..=4399 => App,
                4400..=4499 => Controller,
                4500..=4599 => Signaling,
                4600..=4699 => Request,
                _ => Auxiliary,
            };
            assert_eq!(code.class(), class, "{code:?}");
        }
    }

    #[test]
    fn an_unknown_code_keeps_its_number_and_is_treated_like_4000() {
        let code = CloseCode::from(4777);
        assert_eq!(code.code(), 4777);
        assert_eq!((code.class(), code.advice()), (Auxiliary, BackOff));
    }

    #[test]
    fn what_cannot_be_read_closes_as_section_six_says() {
        assert_eq!(Malformed::NotUtf8.close_code().code(), 1007);
        assert_eq!(Malformed::NotJson.close_code().code(), 4101);
        assert_eq!(Malformed::NoKind.close_code().code(), 4501);
        assert_eq!(Malformed::WrongType("line").close_code().code(), 4501);
    }
}
