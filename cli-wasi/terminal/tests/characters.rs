//! Which characters are let through, of all that there are, and how wide a text is then.

#![cfg(not(target_os = "wasi"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use muse_terminal::{Piece, fitted, is_hidden, on_one_line, padded, pieces, sanitised, sanitised_json, width};
use proptest::prelude::*;
use regex::Regex;

/// What must not be let through, as another hand has Unicode's tables, of a version that may be older.
const HIDDEN: &str = r"^[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]$";

#[test]
fn of_all_code_points_exactly_those_are_hidden_that_unicode_says_are() {
    let hidden = Regex::new(HIDDEN).unwrap();
    let unassigned = Regex::new(r"^\p{Cn}$").unwrap();
    let mut buffer = [0; 4];
    for c in '\0'..=char::MAX {
        let text: &str = c.encode_utf8(&mut buffer);
        let expected = hidden.is_match(text);
        assert!(is_hidden(c) == expected || unassigned.is_match(text), "U+{:04X}: {}", u32::from(c), is_hidden(c));
    }
}

#[test]
fn no_code_point_by_itself_comes_through_without_being_seen() {
    let hidden = Regex::new(HIDDEN).unwrap();
    let mut buffer = [0; 4];
    for c in '\0'..=char::MAX {
        let text: &str = c.encode_utf8(&mut buffer);
        for shown in [sanitised(text), sanitised(&format!("a{text}b")), sanitised_json(&format!("\"{text}\""))] {
            assert!(!shown.chars().any(|c| hidden.is_match(c.encode_utf8(&mut [0; 4]))), "U+{:04X}", u32::from(c));
        }
    }
}

#[test]
fn samples_that_once_came_through_stand_as_their_code_points() {
    let ranges = [
        ('\u{200b}', '\u{200d}'),
        ('\u{2060}', '\u{2064}'),
        ('\u{206a}', '\u{206f}'),
        ('\u{ad}', '\u{ad}'),
        ('\u{180e}', '\u{180e}'),
        ('\u{115f}', '\u{115f}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{ffa0}', '\u{ffa0}'),
        ('\u{fe00}', '\u{fe0f}'),
        ('\u{e0100}', '\u{e01ef}'),
        ('\u{fff9}', '\u{fffb}'),
        ('\u{1d173}', '\u{1d17a}'),
        ('\u{1bca0}', '\u{1bca3}'),
        ('\u{e000}', '\u{f8ff}'),
    ];
    for c in ranges.into_iter().flat_map(|(first, last)| first..=last) {
        let expected = format!("a\\u{{{:x}}}b", u32::from(c));
        assert_eq!(sanitised(&format!("a{c}b")), expected);
    }
}

#[test]
fn emoji_come_through_whole() {
    for emoji in ["👩‍🚀", "❤️", "👍🏽", "👩🏽‍❤️‍💋‍👨🏻", "🏳️‍🌈", "🇮🇸🇫🇷", "1️⃣", "#️⃣", "👨‍👩‍👧‍👦", "😀", "©️"]
    {
        assert_eq!(sanitised(emoji), emoji);
        assert_eq!(sanitised(&format!("a{emoji}b")), format!("a{emoji}b"));
    }
    for letters in ["gbeng", "gbsct", "gbwls"] {
        let flag = format!("\u{1f3f4}{}\u{e007f}", tags(letters));
        assert_eq!(sanitised(&flag), flag);
    }
}

#[test]
fn what_joins_emoji_is_seen_where_it_joins_none() {
    for (text, shown) in [
        ("a\u{200d}b", "a\\u{200d}b"),
        ("👩\u{200d}", "👩\\u{200d}"),
        ("👩\u{200d}\u{200d}🚀", "👩\\u{200d}\\u{200d}🚀"),
        ("👩\u{200d}a", "👩\\u{200d}a"),
        ("a\u{fe0f}", "a\\u{fe0f}"),
        ("1\u{fe0f}", "1\\u{fe0f}"),
        ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\u{fe0f}"),
        ("❤\u{fe0e}", "❤\\u{fe0e}"),
        ("\u{fe0f}❤", "\\u{fe0f}❤"),
    ] {
        assert_eq!(sanitised(text), shown);
    }
}

#[test]
fn tags_behind_a_flag_cannot_spell_a_text() {
    let text = format!("\u{1f3f4}{}\u{e007f}", tags("run rm"));
    assert_eq!(pieces(&text).filter(|piece| matches!(piece, Piece::Hidden(_))).count(), 7);
    let more = format!("\u{1f3f4}{}\u{e007f}{}", tags("gbeng"), tags("x"));
    assert!(sanitised(&more).ends_with("\\u{e0078}"));
}

fn tags(letters: &str) -> String {
    letters.chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect()
}

#[test]
fn a_letter_has_its_marks_and_no_tower_of_them() {
    for text in ["e\u{301}", "Việt", "हिन्दी", "ภาษาไทย", "שָׁלוֹם", "a\u{327}\u{302}\u{301}"]
    {
        assert_eq!(sanitised(text), text);
    }
    assert_eq!(sanitised("\u{301}a"), "\\u{301}a");
    let tower = sanitised(&format!("a{}", "\u{301}".repeat(200)));
    assert_eq!((tower.matches('\u{301}').count(), tower.matches("\\u{301}").count()), (8, 192));
    assert_eq!(width(&tower), 1 + 192 * "\\u{301}".len());
}

#[test]
fn a_text_is_fitted_by_its_width_on_the_screen() {
    for (text, columns, expected) in [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("👩‍🚀👩‍🚀", 4, "👩‍🚀👩‍🚀"),
        ("👩‍🚀👩‍🚀", 3, "👩‍🚀…"),
        ("👩‍🚀👩‍🚀", 2, "…"),
        ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ("🇮🇸🇫🇷🇩🇪", 5, "🇮🇸🇫🇷…"),
    ] {
        assert_eq!(fitted(text, columns), expected);
    }
    assert_eq!(padded("漢", 4), "漢  ");
    assert_eq!(padded("e\u{301}", 4), "e\u{301}   ");
    assert_eq!(padded("👩‍🚀", 4), "👩‍🚀  ");
}

#[test]
fn a_text_is_one_line_whatever_is_in_it() {
    assert_eq!(on_one_line("a\nb\rc\td\u{1b}\u{e0041}"), "a\\nb\\rc\\td\\u001b\\udb40\\udc41");
}

fn nasty() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(vec!["👩", "🚀", "❤", "1", "a", "漢", "\u{1f3f4}", "🇮", "🏽"]).prop_map(String::from),
        prop::sample::select(vec!['\u{200d}', '\u{fe0f}', '\u{20e3}', '\u{301}', '\u{e0067}', '\u{e007f}'])
            .prop_map(String::from),
    ];
    prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_pieces_are_the_text(text in nasty()) {
        let mut whole = String::new();
        for piece in pieces(&text) {
            match piece {
                Piece::Seen(seen) => whole.push_str(seen),
                Piece::Hidden(c) => whole.push(c),
            }
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn what_was_made_harmless_stays_as_it_is(text in nasty()) {
        let shown = sanitised(&text);
        prop_assert_eq!(sanitised(&shown), shown);
    }

    #[test]
    fn a_fitted_text_fits(text in nasty(), columns in 1_usize..60) {
        let line = fitted(&text, columns);
        prop_assert!(width(&line) <= columns, "{line:?}");
        prop_assert!(width(&padded(&line, columns)) == columns, "{line:?}");
    }
}
