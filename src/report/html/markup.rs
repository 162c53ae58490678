//! Markup that cannot be broken out of: whatever is not a literal of this program is escaped.

use std::fmt::{Display, Write};

/// A piece of a page. Tags and the names of attributes are literals, so only escaped text can come from elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Html(String);

/// The attributes of a tag.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    /// Nothing yet.
    pub(super) fn new() -> Html {
        Html::default()
    }

    /// The page's text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Markup of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Text from wherever. A number does not break at the end of a line.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Html {
        self.escaped(unbroken(&text.to_string()))
    }

    fn escaped(&mut self, text: impl Display) -> &mut Html {
        // Writing into a `String` cannot fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Text in which what stands between backticks is code.
    pub(super) fn prose(&mut self, text: &str) -> &mut Html {
        for (index, part) in text.split('`').enumerate() {
            match index % 2 {
                0 => self.text(part),
                _ => self.el("code", &[], part),
            };
        }
        self
    }

    /// Begins an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Html {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    /// Ends an element.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Html {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        if !INLINE.contains(&tag) {
            self.0.push('\n');
        }
        self
    }

    /// An element with nothing but text in it.
    pub(super) fn el(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        text: impl Display,
    ) -> &mut Html {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// Another piece.
    pub(super) fn put(&mut self, other: &Html) -> &mut Html {
        self.0.push_str(&other.0);
        self
    }
}

/// What ends without a new line, which would be a space on the page.
const INLINE: [&str; 9] = ["a", "b", "code", "span", "td", "th", "dfn", "button", "small"];

/// The text with spaces that do not break where they group the digits of a number: `17 159`.
fn unbroken(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let groups = |place: usize| {
        let follows = (1..=3).all(|next| is_digit(place + next)) && !is_digit(place + 4);
        place.checked_sub(1).is_some_and(is_digit) && follows
    };
    let spaced = |(place, c)| if c == ' ' && groups(place) { '\u{a0}' } else { c };
    text.char_indices().map(spaced).collect()
}

/// Escapes what is written into it, for text and for attributes in double quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // What is not to be seen, or turns the direction of what is: shown by its number.
                '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                    write!(self.0, "\\x{:02x}", c as u32)?
                }
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(self.0, "\\u{{{:x}}}", c as u32)?;
                }
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// `text` with what is not to be seen, or turns the direction of what is, shown by its number: for what the script
/// writes on the page.
pub(super) fn visible(text: &str) -> String {
    let mut html = String::new();
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        html.clear();
        let _ = Escaped(&mut html).write_char(c);
        // Entities are for markup alone.
        if html.starts_with('&') { visible.push(c) } else { visible.push_str(&html) }
    }
    visible
}

/// JSON for a `<script type="application/json">`: nothing in it can end the script or begin a comment.
pub(super) fn json_in_script(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(value)?;
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Outside of strings JSON has none of these.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", c as u32);
            }
            c => safe.push(c),
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</script><img src=x onerror='alert(1)'>&\" \u{202e}\u{1b}[2J";

    #[test]
    fn no_text_is_markup() {
        let mut html = Html::new();
        html.el("p", &[("title", HOSTILE)], HOSTILE).prose("`<b>` and <i>");
        let text = html.as_str();
        assert_eq!(text.matches('<').count(), 4, "{text}");
        assert_eq!(text.matches('"').count(), 2, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\'']), "{text}");
    }

    #[test]
    fn a_number_stays_on_its_line() {
        let mut html = Html::new();
        html.el("p", &[("title", "1 000")], "5 722 busy, 1 234 567 in 10 000 s; 12 3456 and 7 89 ä 1 000");
        let wanted = "5\u{a0}722 busy, 1\u{a0}234\u{a0}567 in 10\u{a0}000 s; 12 3456 and 7 89 ä 1\u{a0}000";
        assert_eq!(html.as_str(), format!("<p title=\"1 000\">{wanted}</p>\n"));
    }

    #[test]
    fn no_data_ends_its_script_and_all_of_it_is_read_back() {
        let json = json_in_script(&[HOSTILE, "\u{2028}"]).unwrap();
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<[String; 2]>(&json).unwrap(), [HOSTILE, "\u{2028}"]);
    }
}
