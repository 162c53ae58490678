//! What the Core answers, read with care: it may hold secrets, and it may hold anything.

use serde::Deserialize;

/// The token object (protocol, section 9.1).
#[derive(Deserialize)]
pub(super) struct TokenObject {
    pub(super) token: String,
    pub(super) tenant_id: Option<String>,
}

/// The own data of a user, as far as a number is in it (protocol, section 9.3).
#[derive(Deserialize)]
struct User {
    numbers: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    ext: Option<String>,
    main: Option<String>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: String,
}

/// The token object of a body.
pub(super) fn token_object(body: &[u8]) -> Option<TokenObject> {
    let object: TokenObject = serde_json::from_slice(body).ok()?;
    let is_token = !object.token.is_empty() && object.token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then_some(object)
}

/// The number to dial: `numbers.ext`, else `numbers.main`.
pub(super) fn number(body: &[u8]) -> Option<String> {
    let Numbers { ext, main } = serde_json::from_slice::<User>(body).ok()?.numbers;
    let is_number = |number: &String| {
        !number.is_empty() && !number.chars().any(|char| char.is_whitespace() || char.is_control())
    };
    ext.filter(is_number).or(main.filter(is_number))
}

/// The code of an error body, if it looks like one and not like the `secret` that was sent.
pub(super) fn error_code(body: &[u8], secret: &str) -> Option<String> {
    let ErrorObject { code } = serde_json::from_slice(body).ok()?;
    let is_code = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    (is_code && !code.contains(secret)).then_some(code)
}

/// Whether an answer of this status may be another one the next time (protocol, section 9.2).
pub(super) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=599)
}

/// What to do about a refusal.
pub(super) fn cure(status: u16, code: Option<&str>) -> &'static str {
    match (status, code) {
        (403, Some("password_change_required")) => {
            "this account must change its password first; do that, and write the new one into the subscribers file"
        }
        (401, _) => "check login and password in the subscribers file",
        (403, _) => "the account may not sign in; ask the operator of the Core",
        (404, Some(_)) => "the Core does not know this user; check the subscribers file and target.tenant",
        (404, None) => {
            "there is no REST API at this URL; check target.url and target.tenant, or set subscribers.rest_url"
        }
        (405, _) => {
            "sign-in by password is switched off there, or the URL is wrong; check subscribers.rest_url"
        }
        (422, _) => {
            "the Core does not accept such a sign-in; check the subscribers file, and ask the operator of the Core"
        }
        (501, _) => "the Core does not offer sign-in by password; list tokens instead, `token,number`",
        (300..=399, _) => "it redirects; write the URL that it redirects to into subscribers.rest_url",
        _ => "check target.url, target.tenant and subscribers.rest_url",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_extension_or_else_the_main_one() {
        let read = |text: &str| number(text.as_bytes());
        assert_eq!(read(r#"{"numbers":{"main":"15550","ext":"101"}}"#).as_deref(), Some("101"));
        assert_eq!(read(r#"{"numbers":{"main":"15550","ext":null}}"#).as_deref(), Some("15550"));
        assert_eq!(read(r#"{"numbers":{"main":"1 5"}}"#), None);
        assert_eq!(read(r#"{"numbers":{}}"#), None);
        assert_eq!(read("<html>"), None);
    }

    #[test]
    fn a_code_is_a_short_word_and_never_a_secret() {
        let read = |text: &str| error_code(text.as_bytes(), "s3cret");
        assert_eq!(read(r#"{"code":"token_invalid","message":"x"}"#).as_deref(), Some("token_invalid"));
        assert_eq!(read(r#"{"code":"not_s3cret"}"#), None);
        assert_eq!(read(r#"{"code":"two words"}"#), None);
        assert_eq!(read(r#"{"errors":{"detail":"Not Found"}}"#), None);
    }

    #[test]
    fn a_token_is_one_word() {
        assert!(token_object(br#"{"token":"abc","tenant_id":null}"#).is_some());
        for body in [r#"{"token":""}"#, r#"{"token":"a b"}"#, r#"{"token":"a\r\nb"}"#, "{}", "[]"] {
            assert!(token_object(body.as_bytes()).is_none(), "{body}");
        }
    }
}
