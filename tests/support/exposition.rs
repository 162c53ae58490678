//! Pages of metrics: asked for, and read as strictly as Prometheus reads them.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use wtsp_load::exporter::{FAMILIES, Kind, PREFIX};

/// The body of `http://…` by GET, with the status before it.
pub fn get(url: &str) -> std::io::Result<(u16, String)> {
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Ok((status, body.to_owned()))
}

/// The labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

/// A page: the samples, by name and labels.
#[derive(Debug, Default)]
pub struct Page(pub BTreeMap<(String, Labels), f64>);

impl Page {
    /// Reads a page, and insists that it has no other names and labels than it may have.
    #[track_caller]
    pub fn read(text: &str) -> Page {
        assert!(text.ends_with('\n'));
        let mut page = Page::default();
        let mut family = None;
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (what, name) = (words.next().expect("a word"), words.next().expect("a name"));
                let known = FAMILIES.iter().find(|known| name.strip_prefix(PREFIX) == Some(known.name));
                let known = known.unwrap_or_else(|| panic!("an unknown name: {line}"));
                if what == "TYPE" {
                    assert!(seen.insert(known.name), "{name} is there twice");
                    assert_eq!(words.next(), Some(known.kind.name()), "{line}");
                    family = Some(known);
                }
                continue;
            }
            let family = family.expect("a family before its samples");
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels_of(labels.strip_suffix('}').expect("closed"));
            let suffix = name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix(family.name));
            match suffix {
                Some("") => assert_ne!(family.kind, Kind::Histogram, "{line}"),
                Some("_bucket" | "_sum" | "_count") => assert_eq!(family.kind, Kind::Histogram, "{line}"),
                _ => panic!("{line} stands among the samples of {}", family.name),
            }
            let mut names: BTreeSet<&str> = family.labels.iter().copied().collect();
            names.extend((suffix == Some("_bucket")).then_some("le"));
            assert_eq!(labels.keys().map(String::as_str).collect::<BTreeSet<_>>(), names, "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no figure: {line}"));
            assert!(value.is_finite(), "{line}");
            let before = page.0.insert((name.to_owned(), labels), value);
            assert_eq!(before, None, "there twice: {line}");
        }
        page.assert_histograms();
        page
    }

    /// The only sample of this name, without labels.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.0.get(&(format!("{PREFIX}{name}"), Labels::new())).copied()
    }

    /// The samples of this name.
    pub fn of<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a Labels, f64)> + use<'a> {
        let name = format!("{PREFIX}{name}");
        self.0.iter().filter(move |((of, _), _)| *of == name).map(|((_, labels), value)| (labels, *value))
    }

    /// Buckets grow, and the last one is the count.
    #[track_caller]
    fn assert_histograms(&self) {
        for family in FAMILIES.iter().filter(|family| family.kind == Kind::Histogram) {
            for (labels, count) in self.of(&format!("{}_count", family.name)) {
                let buckets = self.buckets(family.name, labels);
                assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{buckets:?}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{labels:?}");
            }
        }
    }

    /// The buckets of a histogram: upper bounds, and how many are at most that.
    pub fn buckets(&self, name: &str, labels: &Labels) -> Vec<(f64, f64)> {
        let of = self.of(&format!("{name}_bucket"));
        let mut buckets: Vec<(f64, f64)> = of
            .filter(|(of, _)| labels.iter().all(|(name, value)| of.get(name) == Some(value)))
            .map(|(of, count)| (of["le"].parse().expect("a bound"), count))
            .collect();
        buckets.sort_by(|one, next| one.0.total_cmp(&next.0));
        buckets
    }

    /// Insists that nothing that only grows has become less since `before`.
    #[track_caller]
    pub fn assert_follows(&self, before: &Page) {
        let is_gauge = |name: &str| {
            let of = |family: &&wtsp_load::exporter::Family| name.strip_prefix(PREFIX) == Some(family.name);
            FAMILIES.iter().find(of).is_some_and(|family| family.kind == Kind::Gauge)
        };
        for (series, value) in before.0.iter().filter(|((name, _), _)| !is_gauge(name)) {
            let now = self.0.get(series).unwrap_or_else(|| panic!("{series:?} is gone"));
            assert!(now >= value, "{series:?} went from {value} to {now}");
        }
    }
}

fn labels_of(text: &str) -> Labels {
    let mut labels = Labels::new();
    let mut left = text;
    while !left.is_empty() {
        let (name, rest) = left.split_once("=\"").expect("a label");
        let mut value = String::new();
        let mut signs = rest.char_indices();
        let end = loop {
            match signs.next().expect("the end of a label") {
                (at, '"') => break at,
                (_, '\\') => value.push(match signs.next().expect("what is escaped").1 {
                    'n' => '\n',
                    sign @ ('\\' | '"') => sign,
                    sign => panic!("\\{sign} is no escape"),
                }),
                (_, sign) => value.push(sign),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "{name} is there twice");
        left = &rest[end + 1..];
        left = left.strip_prefix(',').unwrap_or(left);
    }
    labels
}
