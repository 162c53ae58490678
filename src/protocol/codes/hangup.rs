//! How a call ended, and why a registration failed (protocol, sections 6.4 and 6.5): SIP status codes.

use super::codes;

use HangupClass::{
    Busy, Cancelled, Completed, Declined, FailedAuth, FailedClient, FailedGlare, FailedMedia, FailedNumber,
    FailedProtocol, FailedRouting, FailedServer, FailedTimeout, FailedUnknown, FailedUnknownUser,
    FailedUnregistered, Redirected, Unavailable,
};

/// What became of a call, by the code of its hangup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HangupClass {
    /// Answered, and ended in the ordinary way.
    Completed,
    /// Ended before an answer by one of the parties.
    Cancelled,
    /// The callee is busy.
    Busy,
    /// The callee declined.
    Declined,
    /// The callee cannot be reached just now.
    Unavailable,
    /// Sent elsewhere; out of the denominators of SER and SEER.
    Redirected,
    /// The caller's request was at fault.
    FailedClient,
    /// Credentials.
    FailedAuth,
    /// Not registered, or not allowed.
    FailedUnregistered,
    /// There is no such user.
    FailedUnknownUser,
    /// Nobody answered the signaling in time.
    FailedTimeout,
    /// SIP lost track of the call.
    FailedProtocol,
    /// Loops on the way.
    FailedRouting,
    /// The number is no good.
    FailedNumber,
    /// The two parties' media do not match.
    FailedMedia,
    /// Two renegotiations met.
    FailedGlare,
    /// The server failed.
    FailedServer,
    /// A code that says nothing.
    FailedUnknown,
}

impl HangupClass {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Completed,
        Cancelled,
        Busy,
        Declined,
        Unavailable,
        Redirected,
        FailedClient,
        FailedAuth,
        FailedUnregistered,
        FailedUnknownUser,
        FailedTimeout,
        FailedProtocol,
        FailedRouting,
        FailedNumber,
        FailedMedia,
        FailedGlare,
        FailedServer,
        FailedUnknown,
    ];

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Completed => "completed",
            Cancelled => "cancelled",
            Busy => "busy",
            Declined => "declined",
            Unavailable => "unavailable",
            Redirected => "redirected",
            FailedClient => "failed.client",
            FailedAuth => "failed.auth",
            FailedUnregistered => "failed.unregistered",
            FailedUnknownUser => "failed.unknown_user",
            FailedTimeout => "failed.timeout",
            FailedProtocol => "failed.protocol",
            FailedRouting => "failed.routing",
            FailedNumber => "failed.number",
            FailedMedia => "failed.media",
            FailedGlare => "failed.glare",
            FailedServer => "failed.server",
            FailedUnknown => "failed.unknown",
        }
    }

    /// Whether the call failed, rather than ended as calls do.
    pub const fn is_failure(self) -> bool {
        !matches!(self, Completed | Cancelled | Busy | Declined | Unavailable | Redirected)
    }

    /// What a load test should conclude from it.
    pub const fn conclusion(self) -> &'static str {
        match self {
            Completed => "the call ended in the ordinary way",
            Cancelled => "one of the parties ended the call before it was answered",
            Busy => "the callee has no free line: the system answered as it should",
            Declined => "the callee declined: the system answered as it should",
            Unavailable => "the callee is not signed on: the system answered as it should",
            Redirected => "the call was sent elsewhere; it says nothing about this system",
            FailedClient => "the call was made in a form that is not accepted: harness or configuration",
            FailedAuth | FailedUnregistered => "bad test account, or a registration that was lost under load",
            FailedUnknownUser => "bad number in the test data, or provisioning lost it",
            FailedTimeout => "something on the way did not answer: capacity of the SIP side",
            FailedProtocol => "SIP lost track of the call: a defect or a restart",
            FailedRouting => "routing configuration",
            FailedNumber => "bad number in the test data",
            FailedMedia => "the two session descriptions do not match: harness or gateway configuration",
            FailedGlare => "both sides renegotiated at once: retry",
            FailedServer => "the server failed: capacity or a defect",
            FailedUnknown => "a code that the protocol does not have: report its reason text",
        }
    }
}

codes! {
    /// The code of a `hangup`: the SIP status that ended the call.
    HangupCode: i32, HangupClass {
        200 NormalEnd "SIP BYE" Completed;
        400 BadRequest "Bad Request" FailedClient;
        401 Unauthorized "Unauthorized" FailedAuth;
        403 Forbidden "Forbidden" FailedUnregistered;
        404 NotFound "Not Found" FailedUnknownUser;
        405 MethodNotAllowed "Method Not Allowed" FailedClient;
        406 NotAcceptable "Not Acceptable" FailedClient;
        407 ProxyAuthentication "Proxy Authentication Required" FailedAuth;
        408 RequestTimeout "Request Timeout" FailedTimeout;
        410 Gone "Gone" FailedUnknownUser;
        415 UnsupportedMediaType "Unsupported Media Type" FailedClient;
        420 BadExtension "Bad Extension" FailedClient;
        480 TemporarilyUnavailable "Temporarily Unavailable" Unavailable;
        481 CallDoesNotExist "Call/Transaction Does Not Exist" FailedProtocol;
        482 LoopDetected "Loop Detected" FailedRouting;
        483 TooManyHops "Too Many Hops" FailedRouting;
        484 AddressIncomplete "Address Incomplete" FailedNumber;
        485 Ambiguous "Ambiguous" FailedNumber;
        486 BusyHere "Busy Here" Busy;
        487 RequestTerminated "Request Terminated" Cancelled;
        488 NotAcceptableHere "Not Acceptable Here" FailedMedia;
        491 RequestPending "Request Pending" FailedGlare;
        500 ServerInternalError "Server Internal Error" FailedServer;
        501 NotImplemented "Not Implemented" FailedServer;
        502 BadGateway "Bad Gateway" FailedServer;
        503 ServiceUnavailable "Service Unavailable" FailedServer;
        504 ServerTimeout "Server Time-out" FailedTimeout;
        600 BusyEverywhere "Busy Everywhere" Busy;
        603 Decline "Decline" Declined;
        604 DoesNotExistAnywhere "Does Not Exist Anywhere" FailedUnknownUser;
        606 NotAcceptableAnywhere "Not Acceptable" FailedMedia;
        607 Unwanted "Unwanted" Declined;
        608 Rejected "Rejected" Declined;
        other "other" FailedUnknown;
    }
}

impl HangupCode {
    /// What the table makes of it; for 200, of a call that was answered.
    pub const fn class(self) -> HangupClass {
        match self {
            Self::Other(300..=399) => Redirected,
            _ => self.facts(),
        }
    }

    /// What became of a call that ended so: 200 is a completed call only if it was answered.
    pub const fn end_of_call(self, answered: bool) -> HangupClass {
        match self {
            Self::NormalEnd if !answered => Cancelled,
            _ => self.class(),
        }
    }

    /// Whether this end counts as an ineffective attempt (RFC 6076: ISA).
    pub const fn is_ineffective(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout | Self::ServerInternalError | Self::ServiceUnavailable | Self::ServerTimeout
        )
    }
}

codes! {
    /// The code of a failed registration: the SIP status of the REGISTER. Read one that may be absent with
    /// [`RegistrationFailure::from_code`].
    RegistrationFailure: i32, &'static str {
        0 NoCode "no code" "the server does not say";
        401 Unauthorized "Unauthorized" "bad credentials of the test account";
        403 Forbidden "Forbidden" "the account may not register";
        404 NotFound "Not Found" "the account is unknown";
        407 ProxyAuthentication "Proxy Authentication Required" "bad credentials of the test account";
        408 RequestTimeout "Request Timeout" "the SIP server did not answer: capacity";
        423 IntervalTooBrief "Interval Too Brief" "configuration of registration intervals";
        480 TemporarilyUnavailable "Temporarily Unavailable" "the SIP server could not be reached";
        500 ServerInternalError "Server Internal Error" "the SIP server failed";
        503 ServiceUnavailable "Service Unavailable" "maintenance or overload of the SIP server";
        504 ServerTimeout "Server Time-out" "the SIP server did not answer: capacity";
        other "other" "a status that the protocol does not name: report its reason text";
    }
}

impl RegistrationFailure {
    /// The failure with this code; without one it is [`NoCode`](Self::NoCode).
    pub fn from_code(code: Option<i32>) -> Self {
        Self::from(code.unwrap_or(0))
    }

    /// What a load test should conclude from it.
    pub const fn conclusion(self) -> &'static str {
        self.facts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_complete_and_each_code_is_read_back() {
        let codes: Vec<i32> = HangupCode::KNOWN.iter().map(|code| code.code()).collect();
        assert_eq!(
            codes,
            [
                200, 400, 401, 403, 404, 405, 406, 407, 408, 410, 415, 420, 480, 481, 482, 483, 484, 485,
                486, 487, 488, 491, 500, 501, 502, 503, 504, 600, 603, 604, 606, 607, 608
            ]
        );
        assert!(HangupCode::KNOWN.iter().all(|code| HangupCode::from(code.code()) == *code));
        let codes: Vec<i32> = RegistrationFailure::KNOWN.iter().map(|code| code.code()).collect();
        assert_eq!(codes, [0, 401, 403, 404, 407, 408, 423, 480, 500, 503, 504]);
        assert_eq!(RegistrationFailure::from_code(None), RegistrationFailure::NoCode);
    }

    #[test]
    fn an_ordinary_end_before_the_answer_is_a_cancelled_call() {
        assert_eq!(HangupCode::from(200).end_of_call(true), Completed);
        assert_eq!(HangupCode::from(200).end_of_call(false), Cancelled);
        assert_eq!(HangupCode::from(487).end_of_call(false), Cancelled);
    }

    #[test]
    fn classes_follow_the_table() {
        for (code, class) in [
            (302, "redirected"),
            (404, "failed.unknown_user"),
            (480, "unavailable"),
            (486, "busy"),
            (600, "busy"),
            (603, "declined"),
            (607, "declined"),
            (606, "failed.media"),
            (504, "failed.timeout"),
            (-1, "failed.unknown"),
            (299, "failed.unknown"),
            (999, "failed.unknown"),
        ] {
            assert_eq!(HangupCode::from(code).end_of_call(false).name(), class, "{code}");
        }
        assert!(
            HangupClass::ALL.iter().all(|class| class.is_failure() == class.name().starts_with("failed."))
        );
    }

    #[test]
    fn ineffective_are_the_four_of_rfc_6076() {
        let codes: Vec<_> =
            HangupCode::KNOWN.iter().filter(|code| code.is_ineffective()).map(|code| code.code()).collect();
        assert_eq!(codes, [408, 500, 503, 504]);
    }
}
