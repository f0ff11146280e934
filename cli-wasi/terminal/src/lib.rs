//! Text that somebody else wrote, as people may see it on a terminal or in JSON.
//!
//! Guaranteed: every character of such a text is seen. Characters that act on a terminal, turn the direction of
//! writing, or leave no trace of their own are replaced by an escape of their code point. Unicode's properties decide
//! which these are: controls, format and private-use characters, line and paragraph separators, and all that is
//! "default ignorable". Emoji are let through, with the invisible characters that join their parts. Not guaranteed:
//! that two different texts look different. `a` of Latin and `а` of Cyrillic do not.

mod emoji;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_width::UnicodeWidthStr;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// What is seen as one: a character with its combining marks, or an emoji. It must not be cut.
    Seen(&'a str),
    /// A character that would not be seen, or not where it is.
    Hidden(char),
}

/// A text piece by piece, from its start. Nothing is left out.
#[derive(Clone, Debug)]
pub struct Pieces<'a>(&'a str);

/// The pieces of a text.
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces(text)
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let first = self.0.chars().next()?;
        let base = emoji::length(self.0);
        // A mark has been taken with what it belongs to. This one belongs to nothing here, or there are too many.
        if base == 0 && (is_hidden(first) || is_mark(first)) {
            self.0 = self.0.get(first.len_utf8()..)?;
            return Some(Piece::Hidden(first));
        }
        let base = base.max(first.len_utf8());
        let marks = self.0.get(base..)?.chars().take_while(|c| is_mark(*c) && !is_hidden(*c)).take(MARKS);
        let (seen, rest) = self.0.split_at_checked(base + marks.map(char::len_utf8).sum::<usize>())?;
        self.0 = rest;
        Some(Piece::Seen(seen))
    }
}

/// The most combining marks that one character has. No language needs more, and a tower of them covers the lines above
/// it.
const MARKS: usize = 8;

/// Tells whether a character, by itself, acts on a terminal or is not seen there.
pub fn is_hidden(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate};
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, Control | Format | PrivateUse | Surrogate | LineSeparator | ParagraphSeparator)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// A text for a terminal: what is hidden stands as its code point in braces, `\u{200b}`.
pub fn sanitised(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Seen(seen) => line.push_str(seen),
            Piece::Hidden(c) => line.extend(c.escape_unicode()),
        }
    }
    line
}

/// A line of JSON in which nothing is hidden. Hidden characters only occur in its strings, where JSON has an escape for
/// each, so it means the same.
pub fn sanitised_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    pieces(json).for_each(|piece| push_as_in_json(piece, &mut line));
    line
}

/// A text on one line without quotes: what is hidden, a line break too, stands as JSON escapes it.
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Hidden('\n') => line.push_str("\\n"),
            Piece::Hidden('\r') => line.push_str("\\r"),
            Piece::Hidden('\t') => line.push_str("\\t"),
            piece => push_as_in_json(piece, &mut line),
        }
    }
    line
}

fn push_as_in_json(piece: Piece<'_>, line: &mut String) {
    match piece {
        Piece::Seen(seen) => line.push_str(seen),
        Piece::Hidden(c) => {
            let mut units = [0; 2];
            line.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
}

/// How many columns of a terminal a [`sanitised`] text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A [`sanitised`] text with spaces behind it, as wide as `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    text.to_string() + &" ".repeat(columns.saturating_sub(width(text)))
}

/// A text [`sanitised`] and cut to `columns`, between two pieces; `…` tells of the cut.
pub fn fitted(text: &str, columns: usize) -> String {
    let text = sanitised(text);
    if width(&text) <= columns {
        return text;
    }
    let mut line = String::new();
    for piece in pieces(&text) {
        let Piece::Seen(seen) = piece else { continue };
        let whole = line.len();
        line.push_str(seen);
        // One column is for the `…`.
        if width(&line) >= columns {
            line.truncate(whole);
            break;
        }
    }
    line + "…"
}
