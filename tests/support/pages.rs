//! Reading a page: its markup, its words, and what its script draws from.

use std::collections::BTreeSet;

/// The page without what its scripts and style sheets are made of.
pub fn markup(page: &str) -> String {
    let mut rest = page;
    let mut markup = String::new();
    while let Some(begin) = ["<script", "<style"].iter().filter_map(|tag| rest.find(tag)).min() {
        let end = ["</script>", "</style>"].iter().filter_map(|tag| rest[begin..].find(tag)).min().unwrap();
        markup += &rest[..begin];
        rest = &rest[begin + end..];
        rest = &rest[rest.find('>').unwrap() + 1..];
    }
    markup + rest
}

/// The words on a piece of the page.
pub fn words(html: &str) -> String {
    let mut words = String::new();
    for part in html.split('<') {
        words += part.split_once('>').map_or(part, |(_, text)| text);
        words.push(' ');
    }
    let words = words.replace("&gt;", ">").replace("&lt;", "<").replace("&#39;", "'").replace("&quot;", "\"");
    words.replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands between two pieces of a page.
pub fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let from = page.find(begin).unwrap_or_else(|| panic!("there is no {begin}"));
    &page[from..from + page[from..].find(end).unwrap()]
}

/// What the script draws from.
pub fn data(page: &str) -> serde_json::Value {
    let json = between(page, "<script type=\"application/json\" id=\"data\">", "</script>");
    serde_json::from_str(&json[json.find('>').unwrap() + 1..]).unwrap()
}

/// The points of a run of the page.
pub fn run_data(page: &str, run: usize) -> serde_json::Value {
    data(page)["runs"][run].take()
}

/// Each tag is closed by its like, in order; only text and attributes in quotes are between.
pub fn assert_well_formed(page: &str) {
    let markup = markup(page);
    let mut open: Vec<&str> = Vec::new();
    for tag in markup.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or_else(|| panic!("{tag:?} is not closed"));
        assert!(!text.contains('>'), "{tag:?} is followed by {text:?}");
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "in {:?}", open),
            None if name.starts_with('!') || ["meta", "--"].contains(&name) => {}
            None => open.push(name),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag:?}");
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The page runs nothing but its own two scripts, and refers to nothing outside of itself.
pub fn assert_closed(page: &str) {
    let policy = between(page, "default-src", "\"");
    let policy = words(policy);
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for tag in markup(page).split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        for outside in
            ["src=", "srcset=", "href=\"http", "refresh", " style=", " onclick=", " onerror=", " onload="]
        {
            assert!(!tag.contains(outside), "{outside} in {tag}");
        }
        let name = tag.split_whitespace().next().unwrap();
        assert!(!["link", "iframe", "object", "embed", "form", "img", "base"].contains(&name), "{tag}");
    }
}

/// Each link of the page leads to a place on it, and no two places share a name.
pub fn assert_linked(page: &str, least: usize) {
    let markup = markup(page);
    let values = |attribute: &str| {
        let parts = markup.split(attribute).skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ids = values(" id=\"");
    let known: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(known.len(), ids.len(), "an id is there twice");
    let links = values(" href=\"#");
    assert!(links.len() > least, "{} links", links.len());
    for link in links {
        assert!(known.contains(&link), "#{link} leads nowhere");
    }
}
