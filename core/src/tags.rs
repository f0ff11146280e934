//! Choosing by tags: what a waiting task's name says of them, and what a claim asks for.
//!
//! A claim that chooses reads names alone. Tags that are too long for a name stand there as `~` and a digest of them
//! all, and their text in `tags/`, once for all tasks that have the same.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::limits;
use crate::name::Tag;
use crate::sorted;
use crate::spelling::{escaped, is_lower_hex, short_digest, unescaped};

/// The tags of a task, as a set, as a name can hold them. Equal sets have equal texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet(String);

/// Which tags a task must have and must not have to be claimed. By default any will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// All of these.
    pub all: Vec<Tag>,
    /// At least one of these, if there are any.
    pub any: Vec<Tag>,
    /// None of these.
    pub none: Vec<Tag>,
}

impl TagSet {
    /// The set of these tags.
    pub fn of(tags: &[Tag]) -> TagSet {
        let words = sorted::set(tags.iter().map(Tag::as_str));
        // In a name the dot separates fields, and here the tilde tags.
        let word = |tag: &str| escaped(tag).replace('.', "%2e");
        let text = words.iter().map(|tag| word(tag)).collect::<Vec<_>>().join(SEPARATOR);
        if text.len() <= limits::TAGS_BYTES {
            return TagSet(text);
        }
        let digest = short_digest(&serde_json::Value::from_iter(words).to_string());
        TagSet(SEPARATOR.to_string() + digest.get(..DIGEST_BYTES).unwrap_or_default())
    }

    /// Reads what stands in a name.
    pub(crate) fn parse(text: &str) -> Option<TagSet> {
        let good = match text.strip_prefix(SEPARATOR) {
            Some(digest) => digest.len() == DIGEST_BYTES && digest.bytes().all(is_lower_hex),
            None => inline(text).is_some_and(|tags| TagSet::of(&tags).0 == text),
        };
        good.then(|| TagSet(text.to_string()))
    }

    /// True if there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the tags are too long for a name, so that their text is in `tags/`.
    pub fn overflows(&self) -> bool {
        self.0.starts_with(SEPARATOR)
    }

    /// The tags, if the name itself holds them.
    pub fn inline(&self) -> Option<Vec<Tag>> {
        if self.is_empty() { Some(Vec::new()) } else { inline(&self.0) }
    }

    /// The set's letters in the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Choice {
    /// True if it does not choose.
    pub fn is_any(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.none.is_empty()
    }

    /// True if a task with these tags is one of those that are asked for.
    pub fn admits(&self, tags: &[Tag]) -> bool {
        let has = |tag: &Tag| tags.contains(tag);
        self.all.iter().all(has) && (self.any.is_empty() || self.any.iter().any(has)) && !self.none.iter().any(has)
    }
}

fn inline(text: &str) -> Option<Vec<Tag>> {
    text.split(SEPARATOR).map(|word| unescaped(word)?.parse().ok()).collect()
}

const SEPARATOR: &str = "~";
const DIGEST_BYTES: usize = 14;

const _: () = assert!(SEPARATOR.len() + DIGEST_BYTES <= limits::TAGS_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(words: &[&str]) -> Vec<Tag> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn a_set_reads_back_from_its_text_in_any_order() {
        for words in [&["a"][..], &["rust", "billing"], &["a.b", "~"], &["%41"], &["é", "c d"]] {
            let set = TagSet::of(&tags(words));
            assert_eq!(TagSet::parse(set.as_str()), Some(set.clone()), "{set:?}");
            let mut sorted = tags(words);
            sorted.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            assert_eq!(set.inline(), Some(sorted.clone()));
            sorted.reverse();
            assert_eq!(TagSet::of(&sorted), set);
            assert!(!set.as_str().contains('.'));
        }
        assert!(TagSet::of(&[]).is_empty() && TagSet::of(&[]).inline() == Some(Vec::new()));
        for bad in ["", "b~a", "a~a", "a~", "A%2E", "a.b", "~123", "~00000000000000g", &"x".repeat(17)] {
            assert_eq!(TagSet::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_long_set_stands_as_a_digest() {
        let (one, other) = (
            TagSet::of(&tags(&["a-long-tag", "another"])),
            TagSet::of(&tags(&["a-long-tag,another".split(',').next().unwrap(), "anothes"])),
        );
        assert!(one.overflows() && one.inline().is_none() && one.as_str().len() == limits::TAGS_BYTES);
        assert_ne!(one, other);
        assert_eq!(TagSet::parse(one.as_str()), Some(one));
    }

    #[test]
    fn a_choice_is_all_and_any_and_none() {
        let choice = Choice { all: tags(&["a", "b"]), any: tags(&["c", "d"]), none: tags(&["e"]) };
        assert!(choice.admits(&tags(&["b", "a", "d", "x"])));
        for not in [&["a", "c"][..], &["a", "b"], &["a", "b", "c", "e"], &[]] {
            assert!(!choice.admits(&tags(not)), "{not:?}");
        }
        assert!(Choice::default().is_any() && Choice::default().admits(&[]) && !choice.is_any());
    }
}
