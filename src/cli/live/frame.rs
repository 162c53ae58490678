//! Lines of a terminal: text in tones, never wider than it is told, and free of whatever a terminal would obey.

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Labels, and what matters least.
    Dim,
    Strong,
    Good,
    Warn,
    Bad,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Dim => Some("2"),
            Tone::Strong => Some("1"),
            Tone::Good => Some("32"),
            Tone::Warn => Some("33"),
            Tone::Bad => Some("1;31"),
        }
    }
}

/// A line: pieces of text from left to right.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pieces: Vec<(String, Tone)>,
}

impl Line {
    pub fn new() -> Line {
        Line::default()
    }

    /// Adds a piece.
    pub fn put(mut self, tone: Tone, text: impl AsRef<str>) -> Line {
        self.pieces.push((clean(text.as_ref()), tone));
        self
    }

    /// Adds plain text.
    pub fn text(self, text: impl AsRef<str>) -> Line {
        self.put(Tone::Plain, text)
    }

    /// Adds text that matters least.
    pub fn dim(self, text: impl AsRef<str>) -> Line {
        self.put(Tone::Dim, text)
    }

    /// Adds all of another line.
    pub fn join(mut self, other: Line) -> Line {
        self.pieces.extend(other.pieces);
        self
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(text, _)| text.chars().count()).sum()
    }

    /// Nothing but space up to this column.
    pub fn to(self, column: usize) -> Line {
        let gap = column.saturating_sub(self.width());
        self.text(" ".repeat(gap))
    }

    /// Adds `right` so that it ends at this column, if there is room for it and a gap.
    pub fn right(self, right: Line, column: usize) -> Line {
        let taken = self.width() + 1 + right.width();
        if taken > column {
            return self;
        }
        self.to(column - right.width()).join(right)
    }

    /// Adds `other` from this column on; what it covers of this line is cut off.
    pub fn beside(self, other: Line, column: usize) -> Line {
        self.cut(column).to(column).join(other)
    }

    /// As much of it as `width` columns have room for. What is left out is an ellipsis, and what a number begins with is
    /// not left: it would be another one.
    fn cut(self, width: usize) -> Line {
        let characters: Vec<char> = self.pieces.iter().flat_map(|(text, _)| text.chars()).collect();
        let fits = characters.iter().skip(width).all(|character| *character == ' ');
        let kept = if fits { width } else { whole(&characters, width.saturating_sub(1)) };
        let mut left = kept;
        let cut = |(text, tone): (String, Tone)| {
            let text: String = text.chars().take(left).collect();
            left -= text.chars().count();
            (text, tone)
        };
        let line = Line { pieces: self.pieces.into_iter().map(cut).collect() };
        if fits || width == 0 { line } else { line.dim("…") }
    }

    /// As it is written: at most `width` columns, with the codes of its tones or without any.
    pub fn written(self, width: usize, colour: bool) -> String {
        let mut written = String::new();
        for (text, tone) in self.cut(width).pieces.into_iter().filter(|(text, _)| !text.is_empty()) {
            match tone.code().filter(|_| colour) {
                Some(code) => written.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
                None => written.push_str(&text),
            }
        }
        if colour { written } else { written.trim_end().to_owned() }
    }
}

fn is_digit(characters: &[char], place: usize) -> bool {
    characters.get(place).is_some_and(char::is_ascii_digit)
}

/// Whether there is a blank between two groups of one number.
fn is_within_number(characters: &[char], place: usize) -> bool {
    let is_blank = characters.get(place) == Some(&' ');
    is_blank && place > 0 && is_digit(characters, place - 1) && is_digit(characters, place + 1)
}

/// The most of these characters, `most` at the most, that end with a whole word. The groups of a number are one word.
fn whole(characters: &[char], most: usize) -> usize {
    let is_gap = |place: usize| characters[place] == ' ' && !is_within_number(characters, place);
    (1..=most).rev().find(|place| is_gap(*place) || is_gap(*place - 1)).unwrap_or(0)
}

/// At most so many characters of a text from outside. A number in it is left out rather than cut.
pub(super) fn short(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.to_owned();
    }
    let is_of_number = |place: usize| is_digit(&characters, place) || is_within_number(&characters, place);
    let mut kept = most.saturating_sub(1);
    while kept > 0 && is_of_number(kept) && is_of_number(kept - 1) {
        kept -= 1;
    }
    characters.into_iter().take(kept).chain(['…']).collect()
}

/// The text with each character in it one column wide and harmless. Names, URLs and errors come from outside: what a
/// terminal would obey, or what would be of another width, becomes a question mark.
pub(super) fn clean(text: &str) -> String {
    let is_plain = |character: char| {
        matches!(character,
            ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}'
            | '–' | '—' | '…' | '→' | '←' | '↔' | '\u{2500}'..='\u{259f}')
    };
    text.chars().map(|character| if is_plain(character) { character } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_does_not_reach_it() {
        let hostile = "a\x1b]0;title\x07b\r\n\u{9b}31m\u{202e}漢\u{301}\u{ad}c";
        let written = Line::new().put(Tone::Bad, hostile).written(80, false);
        assert_eq!(written, "a?]0;title?b???31m????c");
        let written = Line::new().text(hostile).written(80, true);
        assert!(!written.contains('\x1b'), "{written:?}");
    }

    #[test]
    fn a_line_is_never_wider_than_it_may_be() {
        let line = || Line::new().put(Tone::Strong, "name").dim(" – µs").right(Line::new().text("end"), 20);
        assert_eq!(line().width(), 20);
        for width in 0..25 {
            assert!(line().written(width, false).chars().count() <= width);
            let coloured = line().written(width, true);
            let shown: usize = coloured
                .split('\x1b')
                .enumerate()
                .map(|(place, part)| {
                    if place == 0 {
                        part.chars().count()
                    } else {
                        part.split_once('m').map_or(0, |(_, text)| text.chars().count())
                    }
                })
                .sum();
            assert!(shown <= width, "{coloured:?}");
        }
        assert_eq!(line().right(Line::new().text("no room"), 24).width(), 20);
        assert_eq!(line().beside(Line::new().text("there"), 4).written(80, false), "…   there");
        assert_eq!(line().beside(Line::new().text("there"), 6).written(80, false), "name …there");
    }

    #[test]
    fn what_is_cut_ends_with_a_whole_word() {
        let cut = |text: &str, width| Line::new().text(text).written(width, false);
        let all = "1 214 of 13 500 calls";
        let cuts = [21, 20, 15, 14, 9, 8, 5, 1, 0].map(|width| cut(all, width));
        assert_eq!(
            cuts,
            [all, "1 214 of 13 500 …", "1 214 of …", "1 214 of …", "1 214 of…", "1 214 …", "…", "…", ""]
        );
        assert_eq!(cut("144       0      ", 12), "144       0", "blanks are no loss");
        assert_eq!(cut("144         0", 12), "144        …");
        assert_eq!(
            [13, 12, 10, 3].map(|most| short("host:1234/567", most)),
            ["host:1234/567", "host:1234/…", "host:1234…", "ho…"]
        );
    }
}
