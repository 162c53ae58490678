//! The requests that make the load, prepared: the text that the encoder writes, cut where values differ.
//!
//! All clients of a run send the same few requests, of which only the transaction, the line, the call id and the number
//! change; descriptions and candidates are JSON already. A template is one text of the encoder's with markers for these,
//! made when the first is needed, and copied in pieces of a fixed size: MIX instructions instead of 520 in the mix of a
//! call flow, and 100 is what a bare copy takes. The encoder stays what defines a message, and writes whatever has no
//! template: rarer requests, and values of another shape than ours.

use std::sync::LazyLock;

use serde_json::value::RawValue;

use super::fast::has_special;
use super::object::{Padded, push_rest_of_text};
use super::{
    CallId, Candidate, Dialect, Jsep, JsepKind, Keepalive, Line, NotInDialect, Request, RequestBody, Text,
    TransactionIds,
};

/// Writes a request with the next of the transaction ids into `out`, in place of what that held.
///
/// # Errors
/// The dialect cannot say it: nothing was written.
pub fn encode_request(
    dialect: Dialect,
    ids: &TransactionIds,
    line: Line,
    call_id: Option<&str>,
    body: RequestBody<'_>,
    out: &mut Vec<u8>,
) -> Result<(), NotInDialect> {
    if write_prepared(dialect, ids, line, call_id, &body, out).is_some() {
        return Ok(());
    }
    let (transaction, call_id) = (Text::Borrowed(ids.text()), call_id.map(Text::Borrowed));
    Request { transaction, line, call_id, body }.encode(dialect, out)
}

/// Writes a keepalive with the next of the transaction ids into `out`, in place of what that held.
pub fn encode_keepalive(dialect: Dialect, ids: &TransactionIds, out: &mut Vec<u8>) {
    let templates = Templates::of(dialect);
    if let Some(template) = &templates.keepalive {
        out.clear();
        template.head.push(out);
        ids.padded().push(out);
        template.middle.push(out);
    } else {
        // Each dialect has a keepalive, so this cannot fail.
        let _ = Keepalive::new(dialect, Text::Borrowed(ids.text())).encode(out);
    }
}

/// The same as [`encode_request`], if there is a template for it.
#[inline(always)]
fn write_prepared(
    dialect: Dialect,
    ids: &TransactionIds,
    line: Line,
    call_id: Option<&str>,
    body: &RequestBody<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let templates = Templates::of(dialect);
    let (template, number, json) = match body {
        RequestBody::IceTrickle { candidate: Candidate::One(candidate) } => {
            (&templates.ice_trickle, None, Some(*candidate))
        }
        RequestBody::IceTrickle { candidate: Candidate::EndCompleted } => {
            (&templates.end_of_candidates, None, None)
        }
        RequestBody::OutgoingCall {
            number,
            jsep: Some(Jsep { kind: JsepKind::Offer, sdp }),
            from: None,
            refer_id: None,
            replaces: None,
        } => (&templates.outgoing_call, Some(number), Some(*sdp)),
        RequestBody::Accept { jsep: Some(Jsep { kind: JsepKind::Answer, sdp }) } => {
            (&templates.accept, None, Some(*sdp))
        }
        RequestBody::Hangup => (&templates.hangup, None, None),
        _ => return None,
    };
    let template = template.as_ref()?;
    let Line::Main(line @ 0..=9) = line else { return None };
    let call_id: Option<&[u8; CallId::LENGTH]> = match call_id {
        Some(call_id) => Some(call_id.as_bytes().as_array().filter(|it| is_plain(it))?),
        None => None,
    };
    if call_id.is_some() != template.call_id_at.is_some() {
        return None;
    }
    out.clear();
    template.head.push(out);
    ids.padded().push(out);
    let middle = out.len();
    template.middle.push(out);
    if let (Some(at), Some(call_id)) = (template.call_id_at, call_id) {
        out.get_mut(middle + at..)?.first_chunk_mut()?.clone_from(call_id);
    }
    let line_at = match dialect {
        Dialect::Nested => template.line_at,
        Dialect::Flat => middle + template.line_at,
    };
    *out.get_mut(line_at)? = b'0' + line as u8;
    if let Some(number) = number {
        push_rest_of_text(out, number);
        template.behind_number.push(out);
    }
    if let Some(json) = json {
        out.extend_from_slice(json.get().as_bytes());
        template.end.push(out);
    }
    Some(())
}

/// Whether it has no characters that would have to be escaped.
#[inline(always)]
fn is_plain(call_id: &[u8; CallId::LENGTH]) -> bool {
    let (words, _) = call_id.as_chunks::<8>();
    !words.iter().any(|word| has_special(*word))
}

/// What a request of one kind reads like in one dialect.
struct Template {
    /// Up to the transaction.
    head: Padded<64>,
    /// Behind it, up to the number, or else to the JSON, or else to the end; with a call id of our own.
    middle: Padded<96>,
    /// Behind the number, up to the JSON.
    behind_number: Padded<48>,
    /// Behind the JSON.
    end: Padded<4>,
    /// Where the line stands: in the head in nested, in the middle in flat.
    line_at: usize,
    /// Where the call id stands in the middle.
    call_id_at: Option<usize>,
}

struct Templates {
    keepalive: Option<Template>,
    outgoing_call: Option<Template>,
    accept: Option<Template>,
    ice_trickle: Option<Template>,
    end_of_candidates: Option<Template>,
    hangup: Option<Template>,
}

// Markers are JSON that nothing else in a message reads like.
const TRANSACTION: &str = "TRANSACTION";
const LINE: u16 = 7;
const CALL_ID: &str = "CALL-ID-OF-24-CHARACTERS";
const NUMBER: &str = "NUMBER";
const MARKED_JSON: &str = "\"JSON\"";

impl Templates {
    #[inline(always)]
    fn of(dialect: Dialect) -> &'static Templates {
        static FLAT: LazyLock<Templates> = LazyLock::new(|| Templates::new(Dialect::Flat));
        static NESTED: LazyLock<Templates> = LazyLock::new(|| Templates::new(Dialect::Nested));
        match dialect {
            Dialect::Flat => &FLAT,
            Dialect::Nested => &NESTED,
        }
    }

    fn new(dialect: Dialect) -> Templates {
        let json = serde_json::from_str::<&RawValue>(MARKED_JSON).ok();
        let jsep = |kind| json.map(|sdp| Jsep { kind, sdp });
        let request = |call_id: Option<&str>, body| {
            let mut text = Vec::new();
            let transaction = Text::Borrowed(TRANSACTION);
            let call_id = call_id.map(Text::Borrowed);
            let request = Request { transaction, line: Line::Main(LINE), call_id, body };
            request.encode(dialect, &mut text).ok()?;
            Template::cut(dialect, text)
        };
        let trickle = |candidate| request(None, RequestBody::IceTrickle { candidate });
        let mut keepalive = Vec::new();
        let _ = Keepalive::new(dialect, Text::Borrowed(TRANSACTION)).encode(&mut keepalive);
        Templates {
            keepalive: Template::cut(dialect, keepalive),
            outgoing_call: request(
                Some(CALL_ID),
                RequestBody::OutgoingCall {
                    number: Text::Borrowed(NUMBER),
                    jsep: jsep(JsepKind::Offer),
                    from: None,
                    refer_id: None,
                    replaces: None,
                },
            ),
            accept: request(Some(CALL_ID), RequestBody::Accept { jsep: jsep(JsepKind::Answer) }),
            ice_trickle: json.and_then(|json| trickle(Candidate::One(json))),
            end_of_candidates: trickle(Candidate::EndCompleted),
            hangup: request(Some(CALL_ID), RequestBody::Hangup),
        }
    }
}

impl Template {
    /// The template that this text of the encoder's is, with markers in it.
    fn cut(dialect: Dialect, text: Vec<u8>) -> Option<Template> {
        let text = String::from_utf8(text).ok()?;
        let (head, rest) = text.split_once(TRANSACTION)?;
        let (rest, end) = rest.split_once(MARKED_JSON).unwrap_or((rest, ""));
        // `push_rest_of_text` writes the closing quote.
        let (middle, behind_number) = rest.split_once(concat!("NUMBER", "\"")).unwrap_or((rest, ""));
        let with_line = if dialect == Dialect::Nested { head } else { middle };
        Some(Template {
            head: Padded::of(head)?,
            middle: Padded::of(middle)?,
            behind_number: Padded::of(behind_number)?,
            end: Padded::of(end)?,
            line_at: with_line.find(&format!(":{LINE}")).map_or(0, |colon| colon + 1),
            call_id_at: middle.find(CALL_ID),
        })
    }
}
