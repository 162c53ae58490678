//! The session descriptions and candidates that clients send, made once, and the requests that carry them.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use crate::law::Draws;
use crate::profile::SdpPlan;
use crate::protocol::{Dialect, Prepared};
use rand::RngExt;

/// How many offers are told apart by their nonce: enough that two calls that a server mixes up hardly ever have the same
/// one, and few enough to be made before the run.
const NONCES: u64 = 64;

/// What the session name of our descriptions begins with; the nonce follows.
const SESSION_NAME: &str = "wtsp-load-";

/// The SDP and the candidates of a worker's clients, as the JSON they are on the wire: escaped once, sent by all. What is
/// sent in every call is prepared as whole requests.
#[derive(Debug)]
pub struct Media {
    /// One for each nonce, and the calls with them.
    offers: Vec<Arc<RawValue>>,
    calls: Vec<Prepared>,
    answer: Arc<RawValue>,
    accept: Prepared,
    candidates: Vec<Prepared>,
    end_of_candidates: Prepared,
    hangup: Prepared,
    presence: Box<RawValue>,
}

impl Media {
    /// Descriptions as planned, and `candidates` candidates, for clients that speak this dialect and mostly call numbers of
    /// so many characters.
    ///
    /// # Errors
    /// None that can occur: a text is always JSON.
    pub fn new(
        sdp: &SdpPlan,
        candidates: u32,
        dialect: Dialect,
        number_length: usize,
        draws: &mut Draws,
    ) -> Result<Media, serde_json::Error> {
        let (offer, answer) = match sdp {
            SdpPlan::Bytes(bytes) => {
                (description("actpass", *bytes, draws), description("active", *bytes, draws))
            }
            SdpPlan::Own { offer, answer } => (offer.clone(), answer.clone()),
        };
        let offers = (0..NONCES).map(|nonce| Ok(to_raw_value(&named(&offer, nonce))?.into()));
        let offers = offers.collect::<Result<Vec<Arc<RawValue>>, serde_json::Error>>()?;
        let answer: Arc<RawValue> = to_raw_value(&answer)?.into();
        let candidate = |number: u32| {
            let candidate = serde_json::json!({
                "candidate": candidate_text(number),
                "sdpMid": "0",
                "sdpMLineIndex": 0,
            });
            Ok(Prepared::ice_trickle(dialect, Some(to_raw_value(&candidate)?.into())))
        };
        let presence = serde_json::json!({
            "available": true,
            "note": "",
            "status_icon": null,
            "device": "wtsp-load",
            "time_offset_min": 0,
            "timestamp": "2026-01-01T00:00:00.000",
            "activity": null,
            "dnd_mode": false,
        });
        let call = |offer: &Arc<RawValue>| Prepared::outgoing_call(dialect, Arc::clone(offer), number_length);
        Ok(Media {
            calls: offers.iter().map(call).collect(),
            offers,
            accept: Prepared::accept(dialect, Arc::clone(&answer)),
            answer,
            candidates: (0..candidates).map(candidate).collect::<Result<_, serde_json::Error>>()?,
            end_of_candidates: Prepared::ice_trickle(dialect, None),
            hangup: Prepared::hangup(dialect),
            presence: to_raw_value(&presence)?,
        })
    }

    /// The call of the attempt with this number.
    pub fn call(&self, attempt: u64) -> &Prepared {
        &self.calls[Media::nonce_of(attempt) as usize]
    }

    /// What answers it.
    pub fn accept(&self) -> &Prepared {
        &self.accept
    }

    /// What ends it.
    pub fn hangup(&self) -> &Prepared {
        &self.hangup
    }

    /// The candidate with this number; behind the last, that there are no more.
    pub fn candidate(&self, number: u32) -> &Prepared {
        self.candidates.get(number as usize).unwrap_or(&self.end_of_candidates)
    }

    /// That there are no more candidates.
    pub fn end_of_candidates(&self) -> &Prepared {
        &self.end_of_candidates
    }

    /// The SDP of the offer of the attempt with this number, as a JSON string.
    pub fn offer(&self, attempt: u64) -> &RawValue {
        &self.offers[Media::nonce_of(attempt) as usize]
    }

    /// The nonce in the session name of an attempt's offer.
    pub const fn nonce_of(attempt: u64) -> u64 {
        // The callers of a closed load count their calls in the lower half.
        (attempt ^ attempt >> 32) % NONCES
    }

    /// The nonce in the session name of a description, if it has one of ours.
    pub fn nonce_in(sdp: &RawValue) -> Option<u64> {
        // It stands near the beginning, or not at all.
        let sdp = sdp.get().as_bytes();
        let head = std::str::from_utf8(&sdp[..sdp.len().min(512)]).ok()?;
        let (_, name) = head.split_once(concat!(r"\ns=", "wtsp-load-"))?;
        let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
        name[..digits].parse().ok()
    }

    /// The SDP of an answer, as a JSON string.
    pub fn answer(&self) -> &RawValue {
        &self.answer
    }

    /// The settings of a `presence_update`, as a JSON object.
    pub fn presence(&self) -> &RawValue {
        &self.presence
    }
}

/// A description with a nonce in its session name.
fn named(sdp: &str, nonce: u64) -> String {
    let named = |line: &str| match line.strip_prefix("s=") {
        Some(_) => format!("s={SESSION_NAME}{nonce:02}\r\n"),
        None => format!("{line}\r\n"),
    };
    sdp.lines().map(named).collect()
}

/// A candidate with an address reserved for documentation (RFC 5737).
fn candidate_text(number: u32) -> String {
    let priority = 2_122_260_223 - number * 256;
    format!(
        "candidate:{} 1 udp {priority} 192.0.2.{} {} typ host generation 0 network-cost 10",
        842_163_049 + number,
        1 + number % 250,
        50_000 + number % 10_000,
    )
}

/// A browser's audio description (bundle, ICE, DTLS fingerprint, Opus), filled up to `bytes` with the candidates that a
/// gateway's and a browser's descriptions are long for.
fn description(setup: &str, bytes: usize, draws: &mut Draws) -> String {
    let mut sdp = format!(
        "v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS wtsp-load\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
         c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{:08x}\r\na=ice-pwd:{:024x}\r\n\
         a=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\na=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n",
        draws.random::<u64>() >> 2,
        draws.random::<u32>(),
        draws.random::<u128>() >> 32,
        fingerprint(draws),
    );
    let mut number = 1_000;
    while sdp.len() + 80 < bytes {
        let _ = write!(sdp, "a={}\r\n", candidate_text(number));
        number += 1;
    }
    sdp
}

fn fingerprint(draws: &mut Draws) -> String {
    let bytes: [u8; 32] = draws.random();
    bytes.map(|byte| format!("{byte:02X}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;

    fn media_of(sdp: &SdpPlan) -> Media {
        Media::new(sdp, 1, Dialect::Flat, 8, &mut Seed(1).stream("media", 0)).expect("JSON")
    }

    #[test]
    fn an_offer_says_which_attempt_it_belongs_to_and_another_text_does_not() {
        let media = media_of(&SdpPlan::Bytes(2_000));
        for attempt in [0, 5, 63, 64, 1_000] {
            assert_eq!(Media::nonce_in(media.offer(attempt)), Some(Media::nonce_of(attempt)));
        }
        assert_eq!(Media::nonce_in(media.answer()), None);
        let own = SdpPlan::Own { offer: "v=0\r\ns=-\r\nt=0 0\r\n".to_owned(), answer: String::new() };
        let media = media_of(&own);
        assert_eq!(media.offer(7).get(), r#""v=0\r\ns=wtsp-load-07\r\nt=0 0\r\n""#);
    }

    #[test]
    fn a_description_has_about_the_size_that_was_asked_for() {
        for bytes in [2_000, 3_000, 20_000] {
            let length = description("actpass", bytes, &mut Seed(1).stream("media", 0)).len();
            assert!(length.abs_diff(bytes) < 100, "{length} for {bytes}");
        }
    }
}
