//! The session descriptions and candidates that clients send, made once.

use std::fmt::Write as _;

use serde_json::value::{RawValue, to_raw_value};

use crate::law::Draws;
use rand::RngExt;

/// The SDP and the candidates of a worker's clients, as the JSON they are on the wire: escaped once, sent by all.
#[derive(Debug)]
pub struct Media {
    offer: Box<RawValue>,
    answer: Box<RawValue>,
    candidates: Vec<Box<RawValue>>,
}

impl Media {
    /// Descriptions of about `sdp_bytes` bytes and `candidates` candidates.
    ///
    /// # Errors
    /// None that can occur: a text is always JSON.
    pub fn new(sdp_bytes: usize, candidates: u32, draws: &mut Draws) -> Result<Media, serde_json::Error> {
        let candidate = |number: u32| {
            let candidate = serde_json::json!({
                "candidate": candidate_text(number),
                "sdpMid": "0",
                "sdpMLineIndex": 0,
            });
            to_raw_value(&candidate)
        };
        Ok(Media {
            offer: to_raw_value(&description("actpass", sdp_bytes, draws))?,
            answer: to_raw_value(&description("active", sdp_bytes, draws))?,
            candidates: (0..candidates).map(candidate).collect::<Result<_, _>>()?,
        })
    }

    /// The SDP of an offer, as a JSON string.
    pub fn offer(&self) -> &RawValue {
        &self.offer
    }

    /// The SDP of an answer, as a JSON string.
    pub fn answer(&self) -> &RawValue {
        &self.answer
    }

    /// A candidate, as a JSON object.
    pub fn candidate(&self, number: u32) -> Option<&RawValue> {
        self.candidates.get(number as usize).map(AsRef::as_ref)
    }
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

    #[test]
    fn a_description_has_about_the_size_that_was_asked_for() {
        for bytes in [2_000, 3_000, 20_000] {
            let length = description("actpass", bytes, &mut Seed(1).stream("media", 0)).len();
            assert!(length.abs_diff(bytes) < 100, "{length} for {bytes}");
        }
    }
}
