//! `[thresholds]` as a profile writes it, read without judging what it means.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The table: names of figures, with or without quotes.
#[derive(Debug, Default)]
pub struct ThresholdsFile(pub(in crate::profile) BTreeMap<String, Written>);

/// What stands behind a name: a limit, a limit with options, several of these, or the rest of a name that was written
/// without quotes.
#[derive(Debug)]
pub enum Written {
    /// One value.
    Value(WrittenValue),
    /// A table.
    Table(BTreeMap<String, Written>),
    /// A list.
    List(Vec<Written>),
}

/// A value that is no table.
#[derive(Debug)]
pub enum WrittenValue {
    /// A text.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
}

impl<'de> Deserialize<'de> for ThresholdsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ThresholdsFile, D::Error> {
        BTreeMap::deserialize(deserializer).map(ThresholdsFile)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a limit such as \"< 250ms\", or { limit = \"< 250ms\", abort = true }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Value(WrittenValue::Text(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Value(WrittenValue::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Written, E> {
        Ok(Written::Value(WrittenValue::Number(value as f64)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Written, E> {
        Ok(Written::Value(WrittenValue::Number(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Written::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Written, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((key, value)) = table.next_entry()? {
            all.insert(key, value);
        }
        Ok(Written::Table(all))
    }
}

impl JsonSchema for ThresholdsFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Thresholds".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let limit = serde_json::json!({
            "type": "string",
            "description": "An operator and a figure. Durations take a unit (us, ms, s, m or h).",
            "pattern": r"^ *(<|<=|>|>=|==) *[0-9]+(\.[0-9]+)? *(us|µs|μs|ms|s|m|h|%)? *$",
            "examples": ["< 250ms", "> 99.5", "== 0"],
        });
        let options = serde_json::json!({
            "type": "object",
            "properties": {
                "limit": limit.clone(),
                "abort": {
                    "type": "boolean", "default": false,
                    "description": "End the run early when the limit does not hold: calls are hung up, clients signed \
                                    off, and the run is reported as failed.",
                },
                "stage": {
                    "type": "string",
                    "description": "Only the seconds of this stage count. Default: the whole run.",
                },
                "warm_up": {
                    "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|m|h|d)$",
                    "description": "What is left out at the start of the stage, or of the run.",
                },
            },
            "required": ["limit"],
            "additionalProperties": false,
        });
        schemars::json_schema!({
            "type": "object",
            "description": "What the figures of the run have to be, by their names in run.json. They take the place of \
                            the two that hold without them: no failed sign-on, no failed attempt.",
            "propertyNames": { "pattern": r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$" },
            "additionalProperties": {
                "anyOf": [limit.clone(), options.clone(), { "type": "array", "items": { "anyOf": [limit, options] } }],
            },
        })
    }
}
