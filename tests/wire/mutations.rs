//! Texts that nobody would write.

use proptest::prelude::*;
use serde_json::Value;
use wtsp_load::protocol::{Dialect, Reading, decode_bytes_from_client, decode_bytes_from_core};

use super::{hostile, vectors};

/// One change to a text: at a place, some bytes out and some in.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\"",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "null",
            "1e400",
            "\\u0022",
            "\\ud83d",
            "\"data\":",
            "\"line\":null,",
            "\"event\":\"call\",",
            "0.5",
            "-",
            "true",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0..4_usize, bytes)
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = vectors().into_iter().map(|vector| vector.text.into_bytes()).collect();
    texts.extend(hostile().into_iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.len() < 20_000));
    (prop::sample::select(texts), prop::collection::vec(mutation(), 0..4)).prop_map(
        |(mut text, mutations)| {
            for (place, out, inserted) in mutations {
                let place = place.index(text.len() + 1);
                let end = (place + out).min(text.len());
                text.splice(place..end, inserted);
            }
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_codec_panic_and_strict_accepts_no_more_than_tolerant(text in mutated()) {
        let tolerant = decode_bytes_from_core(&text, Reading::Tolerant);
        let strict = decode_bytes_from_core(&text, Reading::Strict);
        if let Ok(strict) = &strict {
            let tolerant = tolerant.as_ref().unwrap();
            prop_assert_eq!(format!("{:?}", strict), format!("{:?}", tolerant));
            prop_assert!(serde_json::from_slice::<Value>(&text).is_ok());
        }
        for (decoded, dialect) in tolerant.iter().flat_map(|it| [(it, Dialect::Nested), (it, Dialect::Flat)]) {
            let mut out = Vec::new();
            if decoded.message.encode(dialect, &mut out).is_ok() && strict.is_ok() {
                prop_assert!(decode_bytes_from_core(&out, Reading::Strict).is_ok());
            }
        }
        let tolerant = decode_bytes_from_client(&text, Reading::Tolerant);
        let strict = decode_bytes_from_client(&text, Reading::Strict);
        prop_assert!(strict.is_err() || tolerant.is_ok());
        if let (Ok(strict), Ok(tolerant)) = (&strict, &tolerant) {
            prop_assert_eq!(format!("{:?}", strict), format!("{:?}", tolerant));
        }
        if let Ok(decoded) = tolerant {
            let mut out = Vec::new();
            let _ = decoded.message.encode(Dialect::Flat, &mut out);
            let _ = decoded.message.encode(Dialect::Nested, &mut out);
        }
    }
}
