//! What of a message may be kept: its text without secrets, and without what is nobody's business.
//!
//! Nothing is looked for that must go. What is known to be harmless stays, and everything else goes: a server may send
//! keys that nobody has heard of. A message may be cut anywhere, and need not be JSON.

use super::EXCERPT_BYTES;

/// What stands where something was taken out.
const HIDDEN: char = '\u{2026}';
/// The most characters of a text that is shown.
const TEXT: usize = 120;
/// The most characters of a word of a free text, and the most digits of a number in one: a token is longer.
const WORD: usize = 24;
const DIGITS: usize = 5;

/// The keys whose values are shown. `sdp` and `content` have rules of their own.
const SHOWN: [&str; 29] = [
    "call_id",
    "callee",
    "caller",
    "code",
    "completed",
    "content_type",
    "direction",
    "event",
    "from",
    "handshake",
    "is_focus",
    "line",
    "media",
    "mid",
    "number",
    "package",
    "phrase",
    "reason",
    "receiving",
    "refer_id",
    "refer_to",
    "referred_by",
    "replace_call_id",
    "replaces",
    "request",
    "response",
    "subscription_state",
    "transaction",
    "type",
];

/// After these words a free text is cut off: whoever explains a failure may quote what failed.
const MARKS: [&str; 17] = [
    "a=",
    "authorization",
    "basic ",
    "bearer",
    "candidate",
    "credential",
    "crypto",
    "eyj",
    "fingerprint",
    "ice-",
    "inline:",
    "key",
    "passw",
    "pwd",
    "secret",
    "token",
    "ufrag",
];

/// A message without its secrets, cut to [`EXCERPT_BYTES`]. Of a session description only the media, their direction and
/// the number of our own are left. What is cut short or no JSON is read as far as it goes.
pub fn excerpt(message: &str) -> String {
    let mut out = String::with_capacity(message.len().min(EXCERPT_BYTES + 4));
    let (mut rest, mut key) = (message, "");
    // Whether the key stands right before, and whether its colon does.
    let (mut is_after_key, mut is_member) = (false, false);
    while !rest.is_empty() && out.len() < EXCERPT_BYTES {
        let Some(after_quote) = rest.strip_prefix('"') else {
            let (plain, after) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
            if !push_plain(plain, is_after_key && is_shown(key), &mut out) {
                out.push(HIDDEN);
                break;
            }
            is_member = is_after_key && plain.trim_ascii() == ":";
            is_after_key = false;
            rest = after;
            continue;
        };
        let (text, after) = split_string(after_quote);
        let is_whole = after.is_some();
        rest = after.unwrap_or("");
        out.push('"');
        is_after_key = rest.trim_ascii_start().starts_with(':');
        if is_after_key {
            key = text;
            out.push_str(if is_name(key) { key } else { "\u{2026}" });
        } else {
            // An item of a list has no key of its own.
            push_value(if is_member { key } else { "" }, text, is_whole, &mut out);
        }
        out.push('"');
        is_member = false;
    }
    out.truncate(out.floor_char_boundary(EXCERPT_BYTES));
    out
}

/// A text that a server says of a failure, without what it may quote: of its words only those that are words, and short
/// numbers.
pub fn reason(text: &str) -> String {
    // An escaped letter may be there to be overlooked.
    if text.contains("\\u00") {
        return HIDDEN.into();
    }
    let bare = bare(text);
    let mut out = String::with_capacity(bare.len());
    let mut is_hiding = false;
    for word in bare.split_inclusive(char::is_whitespace) {
        let is_hidden = !is_word(word);
        if !is_hidden {
            out.push_str(word);
        } else if !is_hiding {
            out.push(HIDDEN);
            if word.ends_with(' ') {
                out.push(' ');
            }
        }
        is_hiding = is_hidden;
    }
    out
}

/// A text of which only the beginning is shown: up to a word after which there may be a secret, and not much of it.
fn bare(text: &str) -> String {
    let end = mark_end(text).min(text.char_indices().nth(TEXT).map_or(text.len(), |at| at.0));
    let mut out = text[..end].to_owned();
    if end < text.len() {
        out.push(HIDDEN);
    }
    out
}

/// Whether it is a word of a language, or a short number, with punctuation around it or without.
fn is_word(word: &str) -> bool {
    if word.trim() == "SIP/2.0" {
        return true;
    }
    let core =
        word.trim_matches(|one: char| one.is_whitespace() || one == HIDDEN || ".,;:!?()\"'\\".contains(one));
    let is_number = core.len() <= DIGITS && core.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = |one: char| one.is_alphabetic() || "-_'".contains(one);
    // Capitals stand at the beginning, or all over: what changes within is no word.
    let is_mixed =
        core.chars().zip(core.chars().skip(1)).any(|(one, next)| one.is_lowercase() && next.is_uppercase());
    is_number || core.chars().count() <= WORD && core.chars().all(is_letter) && !is_mixed
}

/// Where the first of the marks ends, or else the text.
fn mark_end(text: &str) -> usize {
    let begins_with = |rest: &[u8], mark: &str| {
        rest.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
    };
    let bytes = text.as_bytes();
    let mut places = bytes.iter().enumerate().filter(|(_, byte)| MARK_STARTS[usize::from(**byte)]);
    let end = places.find_map(|(at, _)| {
        MARKS.iter().find(|mark| begins_with(&bytes[at..], mark)).map(|mark| at + mark.len())
    });
    end.unwrap_or(text.len())
}

/// Which bytes a mark may begin with.
const MARK_STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut place = 0;
    while place < MARKS.len() {
        let first = MARKS[place].as_bytes()[0];
        starts[first as usize] = true;
        starts[first.to_ascii_uppercase() as usize] = true;
        place += 1;
    }
    starts
};

fn is_shown(key: &str) -> bool {
    SHOWN.binary_search(&key).is_ok()
}

/// Whether it can be the name of a key and nothing else.
fn is_name(key: &str) -> bool {
    key.len() <= 24 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        || ["sdpMid", "sdpMLineIndex", "usernameFragment"].contains(&key)
}

/// The text up to the quote that ends it, escapes and all, and what follows it, if it ends.
fn split_string(rest: &str) -> (&str, Option<&str>) {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return (&rest[..at], Some(&rest[at + 1..])),
            _ => {}
        }
    }
    (rest, None)
}

/// What stands between texts: punctuation, and values that are no texts. `false` at what JSON does not have.
fn push_plain(plain: &str, mut is_shown: bool, out: &mut String) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let mut rest = plain.trim_ascii();
    while let Some(first) = rest.chars().next() {
        let end = match is_part(first as u8) && first.is_ascii() {
            true => rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        rest = after.trim_ascii_start();
        match token {
            "true" | "false" | "null" => out.push_str(token),
            ":" => out.push_str(token),
            "{" | "}" | "[" | "]" | "," => {
                out.push_str(token);
                is_shown = false;
            }
            _ if token.len() <= 24
                && token.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)) =>
            {
                match std::mem::take(&mut is_shown) {
                    true => out.push_str(token),
                    false => out.push(HIDDEN),
                }
            }
            _ => return false,
        }
    }
    true
}

fn push_value(key: &str, text: &str, is_whole: bool, out: &mut String) {
    match key {
        "sdp" => push_description(text, is_whole, out),
        // The status of a transfer, and not somebody's dialogs.
        "content" if text.starts_with("SIP/2.0 ") => out.push_str(&reason(text)),
        "phrase" | "reason" => out.push_str(&reason(text)),
        // An escaped letter may be there to be overlooked.
        _ if is_shown(key) && !text.contains("\\u00") => out.push_str(&bare(text)),
        _ => out.push(HIDDEN),
    }
}

/// The lines of a session description that tell calls and holds apart.
fn push_description(sdp: &str, is_whole: bool, out: &mut String) {
    let sdp = sdp.replace("\\/", "/");
    let mut lines: Vec<&str> = sdp.split("\\r").flat_map(|part| part.split("\\n")).collect();
    if !is_whole {
        lines.pop();
    }
    for line in lines {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match kind {
            "m" => {
                let mut words = value.split(' ');
                let (media, port, protocol) = (words.next(), words.next(), words.next());
                let (Some(media), Some(port), Some(protocol)) = (media, port, protocol) else { continue };
                let is_protocol =
                    protocol.len() <= 20 && protocol.bytes().all(|b| b.is_ascii_uppercase() || b == b'/');
                let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
                if ["audio", "video", "application"].contains(&media) && is_port && is_protocol {
                    out.push_str(&format!("m={media} {port} {protocol} "));
                }
            }
            "s" if value.strip_prefix("wtsp-load-").is_some_and(|rest| rest.parse::<u8>().is_ok()) => {
                out.push_str(&format!("s={value} "));
            }
            "a" if ATTRIBUTES.contains(&value) => out.push_str(&format!("a={value} ")),
            _ => {}
        }
    }
    out.push(HIDDEN);
}

const ATTRIBUTES: [&str; 7] =
    ["sendrecv", "sendonly", "recvonly", "inactive", "setup:actpass", "setup:active", "setup:passive"];

#[cfg(test)]
mod tests {
    use super::*;

    /// None of these may come out, from wherever they were.
    const SECRETS: [&str; 12] = [
        "pW0rdOfIce",
        "uFr4g",
        "AB:CD:EF:01",
        "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "203.0.113.77",
        "192.168.178.20",
        "eyJhbGciOi",
        "T0kenT0ken",
        "t0psecret",
        "Erika Mustermann",
        "987654321",
        "h1dden",
    ];

    /// Messages with a secret in every place that one may have.
    fn messages() -> Vec<String> {
        let sdp = |end: &str| {
            [
                "v=0",
                "o=- 987654321 2 IN IP4 192.168.178.20",
                "s=wtsp-load-07",
                "s=h1dden",
                "t=0 0",
                "m=audio 9 UDP/TLS/RTP/SAVPF 111",
                "c=IN IP4 203.0.113.77",
                "m=audio 9 h1dden/x 1",
                "a=ice-ufrag:uFr4g",
                "a=ice-pwd:pW0rdOfIce",
                "a=fingerprint:sha-256 AB:CD:EF:01",
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
                "k=clear:t0psecret",
                "a=candidate:1 1 udp 1 203.0.113.77 5 typ host",
                "a=sendrecv a=ice-pwd:pW0rdOfIce",
                "a=setup:actpass",
                "a=inactive",
            ]
            .join(end)
        };
        let mut messages: Vec<String> = ["\\r\\n", "\\n", "\\u000a", " "]
            .iter()
            .map(|end| {
                format!(
                    "{{\"request\":\"outgoing_call\",\"line\":0,\"number\":\"1002\",\"jsep\":{{\"type\":\"offer\",\"sdp\":\"{}\"}}}}",
                    sdp(end)
                )
            })
            .collect();
        messages.push(sdp("\r\n"));
        messages.extend(
            [
                r#"{"event":"ice_trickle","candidate":{"candidate":"candidate:1 1 udp 1 203.0.113.77","usernameFragment":"uFr4g","sdpMid":"0"}}"#,
                r#"{"event":"hangup","code":403,"reason":"invalid token T0kenT0ken","token":"T0kenT0ken","password":987654321}"#,
                r#"{"event":"hangup","reason":"bad line a=ice-pwd:pW0rdOfIce in \"offer\" Bearer T0kenT0ken"}"#,
                r#"{"event":"hangup","reason":"\u0061=ice-\u0070wd:pW0rdOfIce"}"#,
                r#"{"event":"incoming_call","caller":"1001","caller_display_name":"Erika Mustermann","jsep":null}"#,
                r#"{"event":"notify","content_type":"application/dialog-info+xml","content":"<x>Erika Mustermann</x>"}"#,
                r#"{"event":"number_dialogs_update","dialog_infos":[{"code":1},"h1dden",["h1dden",987654321],987654321]}"#,
                r#"{"event":"new","turn":{"urls":["turn:203.0.113.77"],"credential":"t0psecret","code":[987654321]}}"#,
                r#"{"T0kenT0ken":1,"A1:t0psecret":{"code":2}}"#,
                r#"  t0psecret {"code": t0psecret, "reason" : "Bearer: T0kenT0ken" }"#,
                r#"{"reason":"see https://core/x?access_token=eyJhbGciOi.T0kenT0ken&x=1","code":1e987654321}"#,
                r#"{"code":1 "h1dden", "h1dden"}"#,
            ]
            .map(str::to_owned),
        );
        messages
    }

    #[test]
    fn no_secret_comes_out_wherever_it_is_and_wherever_the_message_is_cut() {
        for message in messages() {
            for end in (0..=message.len()).filter(|end| message.is_char_boundary(*end)) {
                let kept = excerpt(&message[..end]);
                assert!(kept.len() <= EXCERPT_BYTES);
                for secret in SECRETS {
                    assert!(!kept.contains(secret), "{secret} of {} is in {kept}", &message[..end]);
                }
            }
        }
    }

    #[test]
    fn a_reason_does_not_quote_what_failed() {
        for said in [
            "bad line a=ice-pwd:pW0rdOfIce",
            "no such token: T0kenT0ken",
            "Authorization: T0kenT0ken",
            "unusable eyJhbGciOi.T0kenT0ken",
            "ICE-UFRAG uFr4g",
            "session 987654321 missed",
            "see wss://203.0.113.77/ws?session=T0kenT0ken",
            "auth=T0kenT0ken, pass=t0psecret",
            "Basic dXNlcjpwYXNz",
            "sip:1001:t0psecret@203.0.113.77 o=- 987654321 IN IP4 192.168.178.20",
            "k=clear:t0psecret said they",
            "{\"\\u0070assword\":\"T0kenT0ken\"}, and so on",
        ] {
            let kept = reason(said);
            assert!(SECRETS.iter().all(|secret| !kept.contains(secret)) && !kept.is_empty(), "{kept}");
            assert!(!kept.contains("dXNlcjpwYXNz"), "{kept}");
        }
        assert_eq!(reason(&"ä".repeat(500)), "\u{2026}");
        assert_eq!(reason(&"ä ".repeat(500)).chars().count(), TEXT + 1);
        for said in
            ["signaling keepalive timeout error", "NORMAL_CLEARING", "503 Service Unavailable (try again.)"]
        {
            assert_eq!(reason(said), said);
        }
        assert_eq!(reason("client 5f0c9a71e2 of room 12 gone"), "client \u{2026} of room 12 gone");
    }

    #[test]
    fn what_tells_calls_apart_stays() {
        let message = r#"{"request":"outgoing_call","transaction":"transaction-1","line":null,"call_id":"x1","number":"+4930","jsep":{"type":"offer","sdp":"v=0\r\ns=wtsp-load-07\r\nm=audio 9 UDP\/TLS\/RTP\/SAVPF 111\r\na=ice-pwd:x\r\na=inactive\r\n"}}"#;
        let kept = r#"{"request":"outgoing_call","transaction":"transaction-1","line":null,"call_id":"x1","number":"+4930","jsep":{"type":"offer","sdp":"s=wtsp-load-07 m=audio 9 UDP/TLS/RTP/SAVPF a=inactive …"}}"#;
        assert_eq!(excerpt(message), kept);
        let message =
            r#"{ "event" : "hangup" , "line" : 0, "code" : 486, "reason" : "Busy \"Here\"", "new":7 }"#;
        assert_eq!(
            excerpt(message),
            r#"{"event":"hangup","line":0,"code":486,"reason":"Busy \"Here\"","new":…}"#
        );
        let message = r#"{"event":"notify","content":"SIP/2.0 200 OK"}"#;
        assert_eq!(excerpt(message), message);
        assert_eq!(reason("invalid token abc"), "invalid token…");
        assert_eq!(reason("Not Found"), "Not Found");
    }

    #[test]
    fn an_excerpt_is_bounded_whatever_the_message_is() {
        for message in ["\"".repeat(9_000), "[".repeat(9_000), "{\"code\":".repeat(2_000), "ä".repeat(3_000)]
        {
            assert!(excerpt(&message).len() <= EXCERPT_BYTES);
        }
        assert!(SHOWN.is_sorted());
    }
}
