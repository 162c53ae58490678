//! The JSON schema of a profile, from the types and doc comments of [`ProfileFile`].

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::file::ProfileFile;
use crate::scenario::Flow;

/// The names of flows.
pub(super) fn flow_names(_: &mut schemars::SchemaGenerator) -> Schema {
    let names: Vec<&str> = Flow::ALL.iter().map(|flow| flow.name()).collect();
    schemars::json_schema!({ "type": "string", "enum": names })
}

/// The schema, adapted to TOML: a key may be left out, but there is no `null` that it could have.
pub(super) fn of_profile() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<ProfileFile>();
    RecursiveTransform(|schema: &mut Schema| {
        without_null(schema);
        on_one_line(schema);
    })
    .transform(&mut schema);
    schema.to_value()
}

fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
    }
}

/// Line breaks of doc comments have no meaning.
fn on_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
