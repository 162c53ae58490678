//! The order of the house: every `crate::` path points to the left, and the layers that hold the protocol and
//! the plan know no socket, no clock and no runtime.
//!
//! It reads the source rather than the compiled crate, because the compiler lets modules use each other in any
//! direction. Tests inside `src` are free: comments, strings, `#[cfg(test)]` items, the files that those declare,
//! and files named `tests.rs` or `.._tests.rs` are left out.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the source has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A layer may use itself and everything before it.
const ORDER: [&str; 17] = [
    "law",
    "protocol",
    "transport",
    "metrics",
    "scenario",
    "workload",
    "subscribers",
    "profile",
    "record",
    "verdict",
    "comparison",
    "report",
    "exporter",
    "client",
    "scheduler",
    "calibration",
    "cli",
];

/// The embedded core stands beside the order: what it may use, and who may use it.
const EMBEDDED_CORE: &str = "embedded_core";
const EMBEDDED_CORE_USES: [&str; 3] = ["law", "protocol", "transport"];
const EMBEDDED_CORE_USERS: [&str; 3] = ["scheduler", "calibration", "cli"];

/// Layers that are handed the time and the bytes, and what they must therefore not mention.
const PURE: [&str; 4] = ["law", "protocol", "scenario", "workload"];
const IMPURE_NAMES: [&str; 3] = ["tokio", "Instant", "SystemTime"];
const IMPURE_PATHS: [[&str; 2]; 5] =
    [["std", "net"], ["std", "fs"], ["std", "io"], ["std", "thread"], ["std", "process"]];

#[test]
fn every_crate_path_points_left_and_the_pure_layers_stay_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(files.len() > ORDER.len(), "only {} source files found under {}", files.len(), root.display());

    let found = check(&files);
    assert!(found.is_empty(), "the order of the house is broken:\n{}", found.join("\n"));
}

#[test]
fn every_layer_of_the_order_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for layer in ORDER.iter().chain([&EMBEDDED_CORE]) {
        let (folder, file) = (root.join(layer).join("mod.rs"), root.join(format!("{layer}.rs")));
        assert!(folder.is_file() || file.is_file(), "the order names `{layer}`, but there is no such module");
    }
}

#[test]
fn the_checker_catches_planted_violations() {
    let planted = [
        ("protocol/codec.rs", "use crate::transport::Link;", "crate::transport"),
        ("metrics/mod.rs", "use crate::{law::Time, client::Client};", "crate::client"),
        ("metrics/mod.rs", "fn f() { crate::scheduler::run() }", "crate::scheduler"),
        ("metrics/mod.rs", "fn f() -> crate::record::RunRecord { todo!() }", "crate::record"),
        ("metrics/mod.rs", "use super::report;", "crate::report"),
        ("metrics/totals.rs", "use super::super::{law, cli::main};", "crate::cli"),
        ("metrics/mod.rs", "mod inner { use super::super::client::Client; }", "crate::client"),
        ("metrics/mod.rs", "macro_rules! m { () => { $crate::verdict::judge() } }", "crate::verdict"),
        ("metrics/mod.rs", "use wtsp_load::report::text;", "crate::report"),
        ("metrics/mod.rs", "use crate::*;", "crate::*"),
        ("metrics/mod.rs", "use crate::surprise::Thing;", "crate::surprise"),
        ("embedded_core/mod.rs", "use crate::metrics::Metric;", "crate::metrics"),
        ("client/mod.rs", "use crate::embedded_core::Core;", "crate::embedded_core"),
        ("surprise/mod.rs", "", "surprise"),
        ("law/time.rs", "use std::time::Instant;", "Instant"),
        ("law/time.rs", "use std::time; fn f() { time::SystemTime::now(); }", "SystemTime"),
        ("workload/mod.rs", "use std::{fmt, io::Write};", "std::io"),
        ("workload/mod.rs", "fn f() { ::std::fs::read(\"x\"); }", "std::fs"),
        ("scenario/mod.rs", "async fn f() { tokio::task::yield_now().await }", "tokio"),
        ("protocol/mod.rs", "use std::net::IpAddr;", "std::net"),
        ("protocol/mod.rs", "#[cfg(not(test))] mod m { use std::net::IpAddr; }", "std::net"),
        ("protocol/mod.rs", "const C: char = '\"'; use std::net::IpAddr; // \"", "std::net"),
        ("protocol/mod.rs", "fn f<'a>(x: &'a str) { std::io::stdin(); } // 'a", "std::io"),
    ];
    for (path, text, named) in planted {
        let found = check(&[Source::new(path, text)]);
        assert_eq!(found.len(), 1, "{path}: {text}\nfound: {found:#?}");
        assert!(found[0].contains(named), "{path}: {text}\n`{named}` is not in: {}", found[0]);
    }
}

#[test]
fn the_checker_leaves_honest_code_alone() {
    let honest = [
        ("lib.rs", "pub mod cli; pub use crate::cli::main;"),
        ("main.rs", "fn main() { wtsp_load::cli::main(); }"),
        ("protocol/mod.rs", "mod ids; use crate::law::Time; pub(crate) use self::ids::Id; use std::fmt;"),
        ("protocol/codec/read.rs", "use super::super::Message; use crate::protocol::ids::{self, Id};"),
        (
            "protocol/mod.rs",
            "// use crate::cli;\n/* tokio /* nested */ std::net */ const S: &str = \"std::net\";",
        ),
        ("protocol/mod.rs", "const S: &str = r#\"tokio \" std::io\"#; const B: &[u8] = b\"\\\"tokio\";"),
        ("protocol/mod.rs", "#[cfg(test)] mod tests { use crate::cli::main; use std::time::Instant; }"),
        ("protocol/mod.rs", "#[cfg(test)]\n#[allow(dead_code)]\nfn now() -> std::time::Instant { todo!() }"),
        ("protocol/mod.rs", "#[cfg(test)] use std::io::{Read, Write};"),
        ("transport/mod.rs", "use std::net::IpAddr; use tokio::net::TcpStream; use std::time::Instant;"),
        ("embedded_core/mod.rs", "use crate::{law::Seed, protocol::Message, transport::Link};"),
        ("scheduler/mod.rs", "use crate::embedded_core; use crate::client::Client;"),
        ("cli/serve.rs", "use crate::embedded_core::Core; use crate::{law, report, scheduler::run};"),
    ];
    for (path, text) in honest {
        let found = check(&[Source::new(path, text)]);
        assert!(found.is_empty(), "{path}: {text}\nfound: {found:#?}");
    }
}

#[test]
fn a_file_that_only_a_test_module_declares_is_free() {
    let files = [
        Source::new("protocol/mod.rs", "#[cfg(test)] mod tests;"),
        Source::new("protocol/tests.rs", "use std::time::Instant; use crate::cli::main;"),
        Source::new("protocol/tests/twins.rs", "use crate::report::text;"),
        Source::new("protocol/session_tests.rs", "use crate::report::text;"),
    ];
    assert_eq!(check(&files), Vec::<String>::new());
}

/// One source file: its path below `src`, with `/`, and what it says.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The modules from the crate's root to this file: `protocol/codec/read.rs` is in three.
    fn modules(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&"mod" | &"lib" | &"main")) {
            parts.pop();
        }
        parts
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push(Source::new(&below, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Every violation in these files, each as one line: where, what, and what to do.
fn check(files: &[Source]) -> Vec<String> {
    let mut test_files = BTreeSet::new();
    let mut parsed = Vec::new();
    for file in files {
        let (code, test_modules) = without_tests(&tokens(&file.text));
        let home = file.modules().join("/");
        test_files.extend(test_modules.into_iter().map(|module| format!("{home}/{module}")));
        parsed.push((file, code));
    }
    let is_test = |file: &Source| {
        let path = file.modules().join("/");
        path.ends_with("tests")
            || test_files.iter().any(|test| path == *test || path.starts_with(&format!("{test}/")))
    };
    parsed.iter().filter(|(file, _)| !is_test(file)).flat_map(|(file, code)| check_file(file, code)).collect()
}

fn check_file(file: &Source, code: &[Token]) -> Vec<String> {
    let modules = file.modules();
    let Some(&layer) = modules.first() else {
        return Vec::new(); // lib.rs and main.rs stand above the order
    };
    if layer != EMBEDDED_CORE && !ORDER.contains(&layer) {
        return vec![format!(
            "src/{}:1: `{layer}` has no place in the order; give it one in tests/layers.rs and ARCHITECTURE.md",
            file.path
        )];
    }
    let mut found = BTreeSet::new();
    for path in paths(code) {
        let depth = modules.len() + path.inline_modules;
        let what = match target(&path.segments, depth) {
            Some(used) => refused_use(layer, used),
            None if PURE.contains(&layer) => impure(&path.segments).map(|name| {
                format!("`{layer}` mentions {name}; it is handed the time and the bytes instead")
            }),
            None => None,
        };
        if let Some(what) = what {
            found.insert((path.line, what));
        }
    }
    found.into_iter().map(|(line, what)| format!("src/{}:{line}: {what}", file.path)).collect()
}

/// The top-level module that a path inside this crate leads to, if it leaves the file's own.
fn target<'a>(segments: &[&'a str], depth: usize) -> Option<&'a str> {
    let segments = if segments[0] == "self" { &segments[1..] } else { segments };
    let supers = segments.iter().take_while(|segment| **segment == "super").count();
    if supers > 0 {
        return if supers >= depth { segments.get(supers).copied() } else { None };
    }
    match segments {
        ["crate" | "wtsp_load", used, ..] => Some(used),
        _ => None,
    }
}

/// Why `layer` may not use `used`, or nothing if it may.
fn refused_use(layer: &str, used: &str) -> Option<String> {
    let place = |name: &str| ORDER.iter().position(|at| *at == name);
    let allowed = match (layer, used) {
        (layer, used) if layer == used => true,
        (EMBEDDED_CORE, used) => EMBEDDED_CORE_USES.contains(&used),
        (layer, EMBEDDED_CORE) => EMBEDDED_CORE_USERS.contains(&layer),
        (layer, used) => matches!((place(layer), place(used)), (Some(at), Some(of)) if of < at),
    };
    (!allowed).then(|| {
        let why = if place(used).is_none() && used != EMBEDDED_CORE {
            "which is no layer: name the layer that the thing lives in"
        } else {
            "which does not stand to its left: move the thing left, or hand it in from the right"
        };
        format!("`{layer}` uses crate::{used}, {why}")
    })
}

fn impure(segments: &[&str]) -> Option<String> {
    if let Some(name) = segments.iter().find(|segment| IMPURE_NAMES.contains(segment)) {
        return Some((*name).to_owned());
    }
    let std_path =
        matches!(segments, [_, _, ..]) && IMPURE_PATHS.iter().any(|path| segments[..2] == path[..]);
    std_path.then(|| segments[..2].join("::"))
}

/// A path as written, groups taken apart: `use a::{b, c::d};` is `a::b` and `a::c::d`.
struct CodePath<'a> {
    segments: Vec<&'a str>,
    line: usize,
    /// How many `mod name { .. }` blocks of this file it stands in.
    inline_modules: usize,
}

fn paths(code: &[Token]) -> Vec<CodePath<'_>> {
    let mut found = Vec::new();
    let mut blocks = Vec::new(); // for each open brace: does it open a module?
    let mut at = 0;
    while at < code.len() {
        match code[at].text.as_str() {
            "{" => blocks.push(at >= 2 && code[at - 2].text == "mod"),
            "}" => drop(blocks.pop()),
            _ if code[at].is_name() => {
                let inline_modules = blocks.iter().filter(|module| **module).count();
                let mut leaves = Vec::new();
                let next = tree(code, at, Vec::new(), &mut leaves);
                found.extend(leaves.into_iter().map(|(segments, line)| CodePath {
                    segments,
                    line,
                    inline_modules,
                }));
                at = next;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads the path or the `use` tree that starts at `at`; returns where it ends.
fn tree<'a>(
    code: &'a [Token],
    mut at: usize,
    mut prefix: Vec<&'a str>,
    leaves: &mut Vec<(Vec<&'a str>, usize)>,
) -> usize {
    let text = |at: usize| code.get(at).map_or("", |token| token.text.as_str());
    loop {
        if text(at) == "{" {
            at += 1;
            while at < code.len() && text(at) != "}" {
                at = if text(at) == "," { at + 1 } else { tree(code, at, prefix.clone(), leaves) };
            }
            return at + 1;
        }
        let Some(token) = code.get(at).filter(|token| token.is_name() || token.text == "*") else {
            break; // a turbofish, or something that is no path at all
        };
        prefix.push(&token.text);
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if text(at) == "as" {
        at += 2;
    }
    let line = code[at.saturating_sub(1).min(code.len() - 1)].line;
    // A piece of a group that reads as nothing must still move on.
    let next = if prefix.is_empty() { at + 1 } else { at };
    if !prefix.is_empty() {
        leaves.push((prefix, line));
    }
    next
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Leaves `#[cfg(test)]` items out; also returns the names of test modules that live in files of their own.
fn without_tests(code: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut test_modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < code.len() {
        let Some(end) = attribute_end(code, at) else {
            kept.push(code[at].clone());
            at += 1;
            continue;
        };
        let attribute = &code[at..end];
        let has = |name: &str| attribute.iter().any(|token| token.text == name);
        if !(attribute.get(2).is_some_and(|token| token.text == "cfg") && has("test") && !has("not")) {
            kept.extend_from_slice(attribute);
            at = end;
            continue;
        }
        at = end;
        while let Some(end) = attribute_end(code, at) {
            at = end;
        }
        let item_end = item_end(code, at);
        if let [.., module, name, semicolon] = &code[at..item_end]
            && module.text == "mod"
            && semicolon.text == ";"
        {
            test_modules.push(name.text.clone());
        }
        at = item_end;
    }
    (kept, test_modules)
}

/// Where the outer attribute that starts at `at` ends, if one does.
fn attribute_end(code: &[Token], at: usize) -> Option<usize> {
    let starts = code.get(at)?.text == "#" && code.get(at + 1)?.text == "[";
    starts.then(|| closing(code, at + 1) + 1)
}

/// Where the item that starts at `at` ends: behind its `;` or behind its block.
fn item_end(code: &[Token], mut at: usize) -> usize {
    while at < code.len() {
        match code[at].text.as_str() {
            ";" => return at + 1,
            "{" => return closing(code, at) + 1,
            "(" | "[" => at = closing(code, at),
            _ => {}
        }
        at += 1;
    }
    code.len()
}

/// The bracket that closes the one at `open`.
fn closing(code: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in code.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len() - 1
}

/// Names, `::` and single signs; comments, literals and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        let next = chars.get(at + 1).copied();
        match chars[at] {
            '/' if next == Some('/') => at = until(&chars, at, |rest| rest[0] == '\n'),
            '/' if next == Some('*') => at = block_comment_end(&chars, at),
            '"' => at = string_end(&chars, at),
            '\'' => at = quote_end(&chars, at),
            first if first.is_whitespace() => at += 1,
            first if first.is_alphanumeric() || first == '_' => {
                at = until(&chars, at, |rest| !(rest[0].is_alphanumeric() || rest[0] == '_'));
                let word: String = chars[start..at].iter().collect();
                match literal_end(&chars, at, &word) {
                    Some(end) => at = end,
                    None => found.push(Token { text: word, line }),
                }
            }
            ':' if next == Some(':') => {
                at += 2;
                found.push(Token { text: "::".to_owned(), line });
            }
            sign => {
                at += 1;
                found.push(Token { text: sign.to_string(), line });
            }
        }
        line += chars[start..at].iter().filter(|sign| **sign == '\n').count();
    }
    found
}

fn until(chars: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| stop(&chars[*at..])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of the string that opens at `at`, escapes read.
fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of a character literal, or of the quote alone where it begins a lifetime.
fn quote_end(chars: &[char], at: usize) -> usize {
    match &chars[at + 1..] {
        ['\\', _, rest @ ..] => {
            let close = rest.iter().position(|sign| *sign == '\'').unwrap_or(rest.len());
            (at + 4 + close).min(chars.len())
        }
        [_, '\'', ..] => at + 3,
        [..] => until(chars, at + 1, |rest| !(rest[0].is_alphanumeric() || rest[0] == '_')),
    }
}

/// The end of a raw or prefixed literal of which `word` was the prefix, as in `b"..."` and `r#"..."#`.
fn literal_end(chars: &[char], at: usize, word: &str) -> Option<usize> {
    match (word, chars.get(at)?) {
        ("b" | "c", '"') => Some(string_end(chars, at)),
        ("b", '\'') => Some(quote_end(chars, at)),
        ("r" | "br" | "cr", '"' | '#') => {
            let hashes = chars[at..].iter().take_while(|sign| **sign == '#').count();
            (chars.get(at + hashes) == Some(&'"')).then(|| {
                let close = |rest: &[char]| {
                    rest[0] == '"' && rest[1..].iter().take_while(|sign| **sign == '#').count() >= hashes
                };
                (until(chars, at + hashes + 1, close) + 1 + hashes).min(chars.len())
            })
        }
        _ => None,
    }
}
