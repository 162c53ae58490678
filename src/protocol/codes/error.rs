//! Why a request was refused, and what went wrong later (protocol, sections 6.2 and 6.3).

use super::codes;

use ErrorCategory::{Call, Plugin, Request, Session, Sip, Token, Transport, Unauthorized, Unknown, Webrtc};

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCategory {
    /// Access to the gateway.
    Unauthorized,
    /// The way to the gateway or the back end.
    Transport,
    /// The form of the request.
    Request,
    /// Sessions and handles of the gateway.
    Session,
    /// The gateway's plugin, or what it was given.
    Plugin,
    /// The gateway's token.
    Token,
    /// The WebRTC leg.
    Webrtc,
    /// The state of a call or line.
    Call,
    /// A SIP status.
    Sip,
    /// Nothing is known.
    Unknown,
}

impl ErrorCategory {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Unauthorized => "unauthorized",
            Transport => "transport",
            Request => "request",
            Session => "session",
            Plugin => "plugin",
            Token => "token",
            Webrtc => "webrtc",
            Call => "call",
            Sip => "sip",
            Unknown => "unknown",
        }
    }
}

const GATEWAY_ACCESS: &str = "configuration of the media gateway's secret or token";
const SATURATION: &str = "saturation of the media gateway";
const HARNESS: &str = "harness bug";
const RETRY: &str = "passing trouble: retry with back-off";

codes! {
    /// The code of a response `error`.
    ResponseErrorCode: i32, (ErrorCategory, &'static str) {
        403 UnauthorizedRequest "unauthorized request" (Unauthorized, GATEWAY_ACCESS);
        405 UnauthorizedPlugin "unauthorized access to plugin" (Unauthorized, GATEWAY_ACCESS);
        410 CallGone "call vanished before it was accepted" (Call, "race of the two parties, or a slow server");
        450 TransportSpecific "transport specific error" (Transport, RETRY);
        452 MissingRequest "missing request" (Request, HARNESS);
        453 UnknownRequest "unknown request" (Request, HARNESS);
        454 InvalidJson "invalid JSON" (Request, HARNESS);
        455 InvalidJsonObject "invalid JSON object" (Request, HARNESS);
        456 MissingMandatoryElement "missing mandatory element" (Request, HARNESS);
        457 InvalidRequestPath "invalid path for this request" (Request, HARNESS);
        458 SessionNotFound "session not found" (Session, SATURATION);
        459 HandleNotFound "handle not found" (Session, SATURATION);
        460 PluginNotFound "plugin not found" (Plugin, SATURATION);
        461 PluginAttach "error attaching plugin" (Plugin, SATURATION);
        462 PluginMessage "error sending message to plugin" (Plugin, SATURATION);
        463 PluginDetach "error detaching from plugin" (Plugin, SATURATION);
        464 JsepUnknownType "unsupported JSEP type" (Plugin, HARNESS);
        465 JsepInvalidSdp "invalid SDP" (Plugin, HARNESS);
        466 TrickleInvalidStream "invalid stream" (Plugin, HARNESS);
        467 InvalidElementType "invalid element type" (Plugin, HARNESS);
        468 SessionConflict "session id already in use" (Session, "two sessions of the gateway share an id");
        469 UnexpectedAnswer "unexpected answer" (Plugin, HARNESS);
        470 TokenNotFound "token not found" (Token, GATEWAY_ACCESS);
        471 WebrtcState "wrong WebRTC state" (Webrtc, "candidates came before their offer was worked on: retry");
        472 NotAcceptingSessions "not accepting new sessions" (Session, SATURATION);
        490 UnknownError "unknown error" (Unknown, "the gateway does not say: report its reason text");
        500 NoRoutes "no routes in the back end's reply" (Transport, "routing of the back end");
        503 BusyLine "outgoing call on an occupied line" (Call, "the line was reused too soon: retry with back-off");
        other "unknown response error" (Unknown, "a code that the protocol does not have: report its reason text");
    }
}

impl ResponseErrorCode {
    /// What it is about.
    pub const fn category(self) -> ErrorCategory {
        self.facts().0
    }

    /// What a load test should conclude from it.
    pub const fn conclusion(self) -> &'static str {
        self.facts().1
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::TransportSpecific
                | Self::PluginMessage
                | Self::WebrtcState
                | Self::NotAcceptingSessions
                | Self::BusyLine
        )
    }

    /// Whether it points at a server at its limits.
    pub const fn is_saturation(self) -> bool {
        matches!(self.code(), 458..=463 | 472)
    }

    /// Whether the harness itself is to blame.
    pub const fn is_harness_bug(self) -> bool {
        matches!(self.code(), 452..=457 | 464..=467 | 469)
    }
}

codes! {
    /// The code of an event `error`. A number beyond the table is a SIP status.
    EventErrorCode: i32, (ErrorCategory, &'static str) {
        440 NoMessage "no message" (Request, HARNESS);
        441 InvalidJson "invalid JSON" (Request, HARNESS);
        442 InvalidRequest "invalid request" (Request, HARNESS);
        443 MissingElement "missing element" (Request, HARNESS);
        444 InvalidElement "invalid element" (Request, HARNESS);
        445 AlreadyRegistered "already registered" (Session, "the session was registered twice");
        446 InvalidAddress "invalid address" (Request, "bad number or address in the test data");
        447 WrongState "wrong state" (Call, "race of call states");
        448 MissingSdp "missing SDP" (Request, HARNESS);
        449 SipLibrary "Sofia error" (Plugin, "SIP side of the gateway: report its reason text");
        450 Io "I/O error" (Plugin, "saturation signal: for instance no RTP ports left");
        451 Recording "recording error" (Plugin, "the gateway cannot record: disk or configuration");
        452 TooStrict "too strict" (Plugin, "SRTP policy of the two parties");
        453 Helper "helper error" (Plugin, "the gateway's handle of an extra line");
        454 NoSuchCallId "no such Call-ID" (Call, "race of call states");
        455 NoSuchStream "no such stream" (Call, "race of call states");
        499 UnknownError "unknown error" (Unknown, "the gateway does not say: report its reason text");
        other "SIP status" (Sip, "the SIP side answered so");
    }
}

impl EventErrorCode {
    /// What it is about.
    pub const fn category(self) -> ErrorCategory {
        self.facts().0
    }

    /// What a load test should conclude from it.
    pub const fn conclusion(self) -> &'static str {
        self.facts().1
    }

    /// Whether it points at a server at its limits.
    pub const fn is_saturation(self) -> bool {
        matches!(self, Self::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_complete_and_each_code_is_read_back() {
        let expected: Vec<i32> =
            [403, 405, 410, 450].into_iter().chain(452..=472).chain([490, 500, 503]).collect();
        assert_eq!(ResponseErrorCode::KNOWN.iter().map(|code| code.code()).collect::<Vec<_>>(), expected);
        assert!(ResponseErrorCode::KNOWN.iter().all(|code| ResponseErrorCode::from(code.code()) == *code));

        let expected: Vec<i32> = (440..=455).chain([499]).collect();
        assert_eq!(EventErrorCode::KNOWN.iter().map(|code| code.code()).collect::<Vec<_>>(), expected);
        assert!(EventErrorCode::KNOWN.iter().all(|code| EventErrorCode::from(code.code()) == *code));
    }

    #[test]
    fn one_number_means_different_things_in_responses_and_events() {
        assert_eq!(ResponseErrorCode::from(450).category(), Transport);
        assert!(EventErrorCode::from(450).is_saturation() && !ResponseErrorCode::from(450).is_saturation());
        assert!(ResponseErrorCode::from(454).is_harness_bug());
        assert_eq!(EventErrorCode::from(454).name(), "no such Call-ID");
        assert_eq!(EventErrorCode::from(491).category(), Sip);
    }

    #[test]
    fn conclusions_agree_with_what_is_asked_about_them() {
        for code in ResponseErrorCode::KNOWN {
            assert_eq!(code.conclusion() == HARNESS, code.is_harness_bug(), "{code:?}");
            assert_eq!(code.conclusion() == SATURATION, code.is_saturation(), "{code:?}");
        }
        assert_eq!(ResponseErrorCode::from(-7).category(), Unknown);
        assert_eq!(ResponseErrorCode::from(-7).code(), -7);
    }
}
