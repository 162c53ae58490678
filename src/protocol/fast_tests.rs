use serde_json::Value;

use super::*;

fn value(text: &str) -> Result<Value, Surprise> {
    read(text, std::marker::PhantomData::<Value>)
}

#[test]
fn the_first_special_byte_is_found_wherever_it_stands() {
    for byte in 0..=255 {
        let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
        for at in 0..24 {
            // What follows is what a mark may be carried into.
            for behind in [b'!', b'#', b'[', b']', b' ', b'"', 0x1f, 0x80, 0xff] {
                let mut bytes = [behind; 24];
                bytes[..at].fill(b'a');
                bytes[at] = byte;
                let first = bytes.iter().position(|it| *it < 0x20 || *it == b'"' || *it == b'\\');
                assert_eq!(find_special(&bytes), first);
                assert!(!is_special || first == Some(at));
                assert_eq!(is_plain_ascii(&bytes), first.is_none() && bytes.is_ascii());
            }
        }
    }
}

#[test]
fn plain_json_is_read_as_serde_json_reads_it() {
    for text in [
        r#"{"event":"hangup","line":0,"call_id":"kT4vQ9mZc2XwB7nLr0HsYd3E","code":200,"reason":""}"#,
        r#"{"a":null,"b":true,"c":false,"d":-5,"e":{"f":123456789012345678,"g":{}}}"#,
        " {\n\t\"with\" : \"white space\" ,\r\n \"line\" : 0 } \n",
        r#"{"a":"a text of more than sixteen bytes, even of more than thirty-two"}"#,
        r#"{"number":"J\u00f6rg","caller":"Jörg Müller und noch ein paar, höchstens"}"#,
        r#"            {"a":""}"#,
    ] {
        let plain = serde_json::from_str::<Value>(text).unwrap();
        match value(text) {
            Ok(read) => assert_eq!(read, plain, "{text}"),
            Err(Surprise) => assert!(text.contains('\\'), "{text}"),
        }
    }
}

#[test]
fn whatever_is_not_plain_is_a_surprise() {
    for text in [
        "",
        r#""a text, not an object""#,
        r#"{"a":"not closed, and longer than a block"#,
        r#"{"a":"an escape \n in a text that is wanted"}"#,
        "{\"a\":\"a raw \n in a text that is wanted\"}",
        r#"{"a":1.5,"b":"filling it up to a block"}"#,
        r#"{"a":01,"b":"filling it up to a block"}"#,
        r#"{"a":-0,"b":"filling it up to a block"}"#,
        r#"{"a":-,"b":"filling it up to a block"}"#,
        r#"{"a":1e3,"b":"filling it up to a block"}"#,
        r#"{"a":1234567890123456789,"b":"too long"}"#,
        r#"{"a":[1],"b":"filling it up to a block"}"#,
        r#"{"a":nul,"b":"filling it up to a block"}"#,
        r#"{"a":"b",}          and filled up"#,
        r#"{,"a":"b","c":"filling it up to a block"}"#,
        r#"{"a":"b" "c":"filling it up to a block"}"#,
        r#"{"a":"b","c":"filling it up to a block"}}"#,
        r#"{"a":"b","c":"filling it up to a block"} x"#,
        r#"{"a" "b","c":"filling it up to a block"}"#,
    ] {
        assert_eq!(value(text), Err(Surprise), "{text}");
    }
}

#[test]
fn a_raw_text_ends_at_the_first_quote_that_is_not_escaped() {
    for json in [r#""""#, r#""\"""#, r#""\\""#, r#""a\\\"b\\""#, r#""v=0\r\ns=-\r\n""#, "null", "[1,{}]"] {
        let text = format!(r#"{{"sdp":{json},"type":"offer"}}"#);
        let raws = read(&text, std::marker::PhantomData::<std::collections::BTreeMap<&str, &RawValue>>);
        assert_eq!(raws.unwrap()["sdp"].get(), json);
    }
}

#[test]
fn what_is_passed_over_is_json() {
    type Raws<'a> = std::collections::BTreeMap<&'a str, &'a RawValue>;
    let deep = |levels: usize| format!("{}0{}", "[".repeat(levels), "]".repeat(levels));
    let good = [
        "[]",
        "{}",
        "[ null , true,false ]",
        r#"{"a":[{"b":"c"},-1]}"#,
        r#"[1.5,"\n",{"\"":0}]"#,
        r#"["ä"]"#,
    ];
    for json in good.map(str::to_owned).into_iter().chain([1, 7, 8, 9, 100].map(deep)) {
        let text = format!(r#"{{"a":{json} , "b":0}}"#);
        assert_eq!(read(&text, std::marker::PhantomData::<Raws<'_>>).unwrap()["a"].get(), json);
    }
    let bad = [
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{1}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1]"#,
        "[01]",
        "[\u{1}]",
        r#"["\x"]"#,
        "[\"\n\"]",
        "[nul]",
        "[\"a\"",
    ];
    for json in bad {
        let text = format!(r#"{{"a":{json},"b":0}}"#);
        assert_eq!(read(&text, std::marker::PhantomData::<Raws<'_>>).err(), Some(Surprise), "{json}");
    }
}
