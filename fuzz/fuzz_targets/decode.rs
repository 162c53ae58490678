//! Any bytes, read as a message of either side in either reading: never a panic; what the strict reading accepts
//! the tolerant one reads alike; and what was read can be written, read again and written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wtsp_load::protocol::{
    Dialect, FromClient, FromCore, Reading, decode_bytes_from_client, decode_bytes_from_core,
};

fuzz_target!(|bytes: &[u8]| {
    core_message(bytes);
    client_message(bytes);
});

fn core_message(bytes: &[u8]) {
    let read = |reading| decode_bytes_from_core(bytes, reading).map(|decoded| decoded.message);
    let tolerant = read(Reading::Tolerant);
    if let Ok(strict) = read(Reading::Strict) {
        assert_eq!(spelled(&strict), spelled(tolerant.as_ref().expect("strict accepts it")));
    }
    let Ok(message) = tolerant else { return };
    for dialect in [Dialect::Nested, Dialect::Flat] {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if message.encode(dialect, &mut once).is_err() {
            continue; // the dialect has no words for it
        }
        let again = decode_bytes_from_core(&once, Reading::Tolerant).expect("we wrote it").message;
        again.encode(dialect, &mut twice).expect("we wrote it before");
        assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
        if let (FromCore::Event(_) | FromCore::Response(_), Dialect::Flat) = (&message, dialect) {
            assert_eq!(spelled(&message), spelled(&again));
        }
    }
}

fn client_message(bytes: &[u8]) {
    let read = |reading| decode_bytes_from_client(bytes, reading).map(|decoded| decoded.message);
    let tolerant = read(Reading::Tolerant);
    if let Ok(strict) = read(Reading::Strict) {
        assert_eq!(spelled(&strict), spelled(tolerant.as_ref().expect("strict accepts it")));
    }
    let Ok(message) = tolerant else { return };
    for dialect in [Dialect::Nested, Dialect::Flat] {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if message.encode(dialect, &mut once).is_err() {
            continue;
        }
        let again = decode_bytes_from_client(&once, Reading::Tolerant).expect("we wrote it").message;
        again.encode(dialect, &mut twice).expect("we wrote it before");
        assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
        if let (FromClient::Request(_), Dialect::Flat) = (&message, dialect) {
            assert_eq!(spelled(&message), spelled(&again));
        }
    }
}

/// Messages hold raw JSON, which has no equality of its own.
fn spelled(message: &impl std::fmt::Debug) -> String {
    format!("{message:?}")
}
