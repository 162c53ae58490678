//! The REST API: what is asked for, and how it is answered (protocol, section 9). `sessions` does it.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::transport::{HttpRequest, HttpResponse};

/// The types of app that may sign in (protocol, section 9.1).
const TYPES: [&str; 8] = ["smart", "web", "linux", "macos", "windows", "android", "android_hms", "ios"];

/// The longest text that is taken in a field of a request.
const MAX_TEXT: usize = 256;

/// A request that the core can execute.
#[derive(Debug)]
pub(super) enum Ask {
    /// `GET /api/health-check`
    Health,
    /// `GET /system-info`
    SystemInfo,
    /// `POST /session`; nothing if its body is not what belongs there.
    SignIn(Option<SignIn>),
    /// What needs a session: its token, if one was given, and what for.
    WithSession(Option<String>, Errand),
}

/// What is asked for with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// `DELETE /session`
    SignOut,
    /// `GET /user`
    User,
    /// `GET /app/status`
    Status,
    /// `PATCH /app/status`; nothing if its body is not what belongs there.
    Switch(Option<bool>),
}

/// The body of `POST /session`.
#[derive(Deserialize)]
pub(super) struct SignIn {
    #[serde(rename = "type")]
    app: String,
    pub(super) identifier: String,
    pub(super) login: String,
    pub(super) password: String,
    /// The tenant of the path.
    #[serde(skip)]
    pub(super) tenant: Option<String>,
}

impl std::fmt::Debug for SignIn {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("login", &self.login).finish_non_exhaustive()
    }
}

/// The body of `PATCH /app/status`.
#[derive(Deserialize)]
struct Switch {
    register: bool,
}

/// Whether a request is for the API at all, whatever it asks.
pub(super) fn is_api(request: &HttpRequest) -> bool {
    request.path.split('/').any(|segment| segment == "api")
}

/// What a request asks for: below any base path, with a tenant or without, slashes in any number.
///
/// # Errors
/// The answer to what the API does not have.
pub(super) fn read(request: &HttpRequest) -> Result<Ask, HttpResponse> {
    let segments: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let Some(api) = segments.iter().rposition(|segment| *segment == "api") else { return Err(unrouted()) };
    let tenant = match segments[..api] {
        [.., "tenant", id] => Some(percent_decode_str(id).decode_utf8_lossy().into_owned()),
        _ => None,
    };
    let errand = |errand| Ok(Ask::WithSession(request.bearer.clone(), errand));
    match (request.method.as_str(), &segments[api + 1..]) {
        ("GET", ["health-check"]) => Ok(Ask::Health),
        ("GET", ["v1", "system-info"]) => Ok(Ask::SystemInfo),
        ("POST", ["v1", "session"]) => Ok(Ask::SignIn(sign_in(&request.body, tenant))),
        ("DELETE", ["v1", "session"]) => errand(Errand::SignOut),
        ("GET", ["v1", "user"]) => errand(Errand::User),
        ("GET", ["v1", "app", "status"]) => errand(Errand::Status),
        ("PATCH", ["v1", "app", "status"]) => {
            let body = serde_json::from_slice::<Switch>(&request.body);
            errand(Errand::Switch(body.ok().map(|switch| switch.register)))
        }
        _ => Err(unrouted()),
    }
}

fn sign_in(body: &[u8], tenant: Option<String>) -> Option<SignIn> {
    let asked: SignIn = serde_json::from_slice(body).ok()?;
    let texts = [&asked.identifier, &asked.login, &asked.password];
    let are_good = texts.iter().all(|text| !text.is_empty() && text.len() <= MAX_TEXT);
    (are_good && TYPES.contains(&asked.app.as_str())).then_some(SignIn { tenant, ..asked })
}

/// An answer with a body.
pub(super) fn found(body: &Value) -> HttpResponse {
    HttpResponse { status: 200, json: body.to_string() }
}

/// An answer without one.
pub(super) fn done() -> HttpResponse {
    HttpResponse { status: 204, json: String::new() }
}

/// A refusal (protocol, section 9.2).
pub(super) fn refused(status: u16, code: &str, message: &str) -> HttpResponse {
    HttpResponse { status, json: json!({ "code": code, "message": message }).to_string() }
}

/// What is not in the API; in the form of the web framework (protocol, section 9.2).
fn unrouted() -> HttpResponse {
    HttpResponse { status: 404, json: json!({ "errors": { "detail": "Not Found" } }).to_string() }
}

/// A core that stops takes no more requests.
pub(super) fn stopped() -> HttpResponse {
    HttpResponse { status: 503, json: String::new() }
}
