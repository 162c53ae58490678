use proptest::prelude::*;

use super::*;

/// All texts of the test vectors, the hostile ones that are UTF-8 among them.
fn vectors() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut texts = Vec::new();
    for dialect in ["dialect-a", "dialect-b", "invalid"] {
        for file in std::fs::read_dir(folder.join(dialect)).unwrap() {
            let path = file.unwrap().path();
            if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((format!("{dialect}/{}", path.file_stem().unwrap().display()), text));
            }
        }
    }
    texts.retain(|(_, text)| text.len() < 20_000);
    texts.sort();
    texts
}

/// What the fast reader makes of a text, and what `serde_json` makes of it.
fn both(text: &str, keeps_data: bool) -> (Option<String>, Result<String, Malformed>) {
    let new = || Wire { keeps_data, ..Wire::new() };
    let (mut fast, mut careful) = (new(), new());
    let is_read = fast::read(text, Fill::<false> { wire: &mut fast }).is_ok();
    let result = careful.fill_carefully(text).map(|()| format!("{careful:?}"));
    (is_read.then(|| format!("{fast:?}")), result)
}

#[test]
fn the_messages_of_both_dialects_are_read_fast_and_as_serde_json_reads_them() {
    let mut surprises = Vec::new();
    for (name, text) in vectors() {
        if name.starts_with("invalid") {
            continue;
        }
        for keeps_data in [false, true] {
            match both(&text, keeps_data) {
                (Some(fast), Ok(careful)) => assert_eq!(fast, careful, "{name}"),
                (Some(_), Err(malformed)) => panic!("{name}: {malformed}"),
                (None, _) => surprises.push(name.clone()),
            }
        }
    }
    surprises.dedup();
    // They have escapes in texts that are wanted.
    assert_eq!(
        surprises.into_iter().filter(|name| !name.contains("event-notify")).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

/// Bytes out and a text in, at some place.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, &'static str)> {
    let texts = [
        "",
        " ",
        "\"",
        "\\",
        "\\\"",
        "\\u0022",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "0",
        "-",
        ".5",
        "1e400",
        "\n",
        "\u{e4}",
        "\"data\":{",
        "\"line\":null,",
        "\"event\":\"peer_message\",",
        "\"li\\u006ee\":1,",
    ];
    (any::<prop::sample::Index>(), 0..4_usize, prop::sample::select(texts.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_both_readers_accept_they_read_alike(
        (_, text) in prop::sample::select(vectors()),
        mutations in prop::collection::vec(mutation(), 0..4),
        keeps_data in any::<bool>(),
    ) {
        let mut text = text.into_bytes();
        for (place, out, inserted) in mutations {
            let place = place.index(text.len() + 1);
            let end = (place + out).min(text.len());
            text.splice(place..end, inserted.bytes());
        }
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        if let (Some(fast), Ok(careful)) = both(&text, keeps_data) {
            prop_assert_eq!(fast, careful);
        }
    }
}
