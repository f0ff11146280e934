//! Emoji of several characters, some of which are not seen by themselves: UTS #51, definitions ED-8 to ED-17.
//!
//! - two regional indicators: 🇮🇸
//! - a digit, `#` or `*` on a keycap: 1️⃣
//! - a picture, with the request to be drawn as one or with a tone of skin: ❤️ 👍🏽
//! - pictures that are joined: 👩‍🚀
//! - the flags of England, Scotland and Wales, spelt by tags. Other tags could spell any text, and are not let through.

use icu_properties::CodePointSetData;
use icu_properties::props::Emoji;

const JOINER: char = '\u{200d}';
const AS_PICTURE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// A black flag, the tags, and the tag that ends them.
const SPELT_FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// How many bytes at the start of the text are one emoji; 0: none.
pub(crate) fn length(text: &str) -> usize {
    match text.chars().next() {
        Some('0'..='9' | '#' | '*') => keycap(text),
        Some(first) if first.is_ascii() => 0,
        Some(first) if is_regional(first) => flag(text),
        Some(_) => spelt_flag(text).unwrap_or_else(|| joined(text)),
        None => 0,
    }
}

fn keycap(text: &str) -> usize {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some(AS_PICTURE), Some(KEYCAP)) => 1 + AS_PICTURE.len_utf8() + KEYCAP.len_utf8(),
        _ => 0,
    }
}

fn flag(text: &str) -> usize {
    let pair = || text.chars().take(2).filter(|c| is_regional(*c));
    if pair().count() == 2 { pair().map(char::len_utf8).sum() } else { 0 }
}

fn spelt_flag(text: &str) -> Option<usize> {
    SPELT_FLAGS.iter().find(|flag| text.starts_with(**flag)).map(|flag| flag.len())
}

/// A picture, and each that is joined to the one before. A joiner with no picture behind it is none of the emoji.
fn joined(text: &str) -> usize {
    let mut length = picture(text);
    while length > 0
        && let Some(next) = text.get(length..).and_then(|rest| rest.strip_prefix(JOINER))
        && let next @ 1.. = picture(next)
    {
        length += JOINER.len_utf8() + next;
    }
    length
}

fn picture(text: &str) -> usize {
    let mut characters = text.chars();
    match (characters.next().filter(|c| is_picture(*c)), characters.next()) {
        (Some(picture), Some(change)) if change == AS_PICTURE || is_tone(change) => {
            picture.len_utf8() + change.len_utf8()
        }
        (Some(picture), _) => picture.len_utf8(),
        (None, _) => 0,
    }
}

fn is_picture(c: char) -> bool {
    !c.is_ascii() && !is_regional(c) && CodePointSetData::new::<Emoji>().contains(c)
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

fn is_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}
