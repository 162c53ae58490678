//! The valid test vectors, as they go over the wire.
#![allow(dead_code, reason = "not everyone who reads them needs all of this")]

use std::fs;
use std::path::{Path, PathBuf};

use wtsp_load::protocol::Dialect;

#[derive(Clone, Debug)]
pub struct Vector {
    pub dialect: Dialect,
    /// The file without its extension.
    pub name: String,
    /// Compact, as it goes over the wire.
    pub text: String,
}

impl Vector {
    /// Whether a client sends it. The server's echo of a keepalive is among these: the two look alike.
    pub fn is_from_client(&self) -> bool {
        self.name.starts_with("request-") || self.name.starts_with("handshake-keepalive")
    }
}

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

pub fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub fn vectors() -> Vec<Vector> {
    [(Dialect::Nested, "dialect-a"), (Dialect::Flat, "dialect-b")]
        .into_iter()
        .flat_map(|(dialect, name)| {
            files(name).into_iter().map(move |path| Vector {
                dialect,
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                text: compact(&fs::read_to_string(path).unwrap()),
            })
        })
        .collect()
}

/// White space between values taken out; unlike a trip through `Value`, this leaves key order and escapes alone.
fn compact(text: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        if in_string || !c.is_ascii_whitespace() {
            out.push(c);
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    out
}
