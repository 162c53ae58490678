//! Any bytes, read as a message of either side in either reading: never a panic; what the strict reading accepts
//! the tolerant one reads alike, which is also to say that the fast reader reads as `serde_json` does, since the strict
//! reading uses that alone; and what was read can be written, read again and written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wtsp_load::protocol::{
    Dialect, FromClient, FromCore, Reading, decode_bytes_from_client, decode_bytes_from_core,
};

fuzz_target!(|bytes: &[u8]| {
    from_core(bytes);
    from_client(bytes);
});

/// The checks of one side. `$whole` are the messages of which the flat dialect loses nothing: a state is tidied
/// on reading, a keepalive keeps its raw text.
macro_rules! checks {
    ($name:ident, $decode:ident, $whole:pat) => {
        fn $name(bytes: &[u8]) {
            let tolerant = $decode(bytes, Reading::Tolerant);
            if let Ok(strict) = $decode(bytes, Reading::Strict) {
                let tolerant = tolerant.as_ref().expect("the strict reading accepts it");
                assert_eq!(spelled(&strict.message), spelled(&tolerant.message));
            }
            let Ok(decoded) = tolerant else { return };
            for dialect in [Dialect::Nested, Dialect::Flat] {
                let (mut once, mut twice) = (Vec::new(), Vec::new());
                if decoded.message.encode(dialect, &mut once).is_err() {
                    continue; // the dialect has no words for it
                }
                let again = $decode(&once, Reading::Tolerant).expect("we wrote it ourselves");
                again.message.encode(dialect, &mut twice).expect("we have written it before");
                assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
                if let ($whole, Dialect::Flat) = (&decoded.message, dialect) {
                    assert_eq!(spelled(&decoded.message), spelled(&again.message));
                }
            }
        }
    };
}

checks!(from_core, decode_bytes_from_core, FromCore::Event(_) | FromCore::Response(_));
checks!(from_client, decode_bytes_from_client, FromClient::Request(_));

/// Messages hold raw JSON, which has no equality of its own.
fn spelled(message: &impl std::fmt::Debug) -> String {
    format!("{message:?}")
}
