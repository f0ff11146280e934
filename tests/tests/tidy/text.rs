//! What in a source file is code, what is a comment, and what is a text in quotes.

/// What a character is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Code,
    Comment,
    /// Between quotes. The quotes are code.
    Text,
}

/// The part of each character. The language follows from the extension of the path.
pub(super) fn parts(path: &str, source: &str) -> Vec<Part> {
    let chars: Vec<char> = source.chars().collect();
    let (is_rust, is_toml) = (path.ends_with(".rs"), path.ends_with(".toml"));
    let quotes = if is_rust {
        "\""
    } else if is_toml {
        "\"'"
    } else {
        "\"'`"
    };
    let quotes = if path.ends_with(".wit") { "" } else { quotes };
    let comment = if is_toml { "#" } else { "//" };
    let starts = |at: usize, word: &str| word.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let mut parts = Vec::with_capacity(chars.len());
    while parts.len() < chars.len() {
        let at = parts.len();
        let end = if starts(at, comment) {
            (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len())
        } else if !is_toml && starts(at, "/*") {
            (at + 2..chars.len()).find(|&i| starts(i, "*/")).map_or(chars.len(), |i| i + 2)
        } else {
            at
        };
        if end > at {
            parts.resize(end, Part::Comment);
            continue;
        }
        parts.push(Part::Code);
        let c = chars[at];
        if is_rust && c == '\'' {
            // A character, which may be a quote; a lifetime has no quote at its end.
            let length = if chars.get(at + 1) == Some(&'\\') { 3 } else { 2 };
            if chars.get(at + length) == Some(&'\'') {
                parts.resize(at + length + 1, Part::Code);
            }
        } else if quotes.contains(c) {
            let hashes = chars[..at].iter().rev().take_while(|c| **c == '#').count();
            let is_raw = is_rust && at > hashes && chars[at - hashes - 1] == 'r';
            let close = if is_raw { format!("\"{}", "#".repeat(hashes)) } else { c.to_string() };
            let mut i = at + 1;
            while i < chars.len() && !starts(i, &close) {
                i += if chars[i] == '\\' && !is_raw { 2 } else { 1 };
            }
            let end = i.min(chars.len());
            parts.resize(end, Part::Text);
            parts.resize((end + 1).min(chars.len()), Part::Code);
        }
    }
    parts
}

/// The source with a space in the place of each character of a comment or a text. Lines stay lines.
pub(super) fn code(path: &str, source: &str) -> String {
    let parts = parts(path, source);
    let only = |(c, part): (char, Part)| if part == Part::Code || c == '\n' { c } else { ' ' };
    source.chars().zip(parts).map(only).collect()
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn comments_and_texts_are_no_code() {
        assert_eq!(code("a.rs", "a(\"b\"); // c\n/* d */ e"), "a(\" \");     \n        e");
        assert_eq!(code("a.rs", "r#\"a\" b\"# c"), "r#\"    \"# c");
        assert_eq!(code("a.rs", "'\"' 'a \"\\\"\" b"), "'\"' 'a \"  \" b");
        assert_eq!(code("a.toml", "a = 'b' # c"), "a = ' '    ");
        assert_eq!(code("a.ts", "`a` // b"), "` `     ");
        assert_eq!(code("a.wit", "/// it's\na"), "        \na");
    }
}
