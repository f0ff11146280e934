//! The words that come from outside, each checked once at the border: queue, run id, title, tag, key, nonce.
//!
//! A value of these types is within its limits wherever it appears, also when it was read back from disk.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::spelling::{Hex, is_lower_hex, short_digest, shortened};

/// The name of a queue: 1 to 64 of `[A-Za-z0-9_-]`. It becomes a directory name as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QueueName(String);

/// The run id of an agent: 1 to 256 characters of any kind. Two agents must not share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunId(String);

/// A title, for people: 1 to 512 characters without white space around them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Title(String);

/// A word to choose tasks by: 1 to 64 characters without commas and without white space around them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag(String);

/// The error message of a failed task: at most 4,096 characters, possibly none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ErrorMessage(String);

/// The reason of a cancellation, or a note on progress: at most 4,096 characters, possibly none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Note(String);

/// A unique key; only one task with it can be live in its queue: 1 to 256 characters of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UniqueKey(String);

/// Sixty-four random bits that make one lease, or one record, unlike any other. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce(u64);

/// A word outside its limits. `Display` names the value, the limit and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Not a queue name.
    Queue {
        /// The text as given.
        given: String,
    },
    /// A run id without a character.
    RunIdEmpty,
    /// A run id that is too long.
    RunIdTooLong {
        /// Its length in characters.
        chars: usize,
    },
    /// A title without a visible character.
    TitleEmpty,
    /// A tag without a visible character, with a comma, or with white space around it.
    Tag {
        /// The text as given.
        given: String,
    },
    /// A tag that is longer than any that a task has.
    TagTooLong {
        /// The text as given.
        given: String,
        /// Its length in characters.
        chars: usize,
    },
    /// An error message that is too long.
    ErrorTooLong {
        /// Its length in characters.
        chars: usize,
    },
    /// A reason or a note that is too long.
    NoteTooLong {
        /// Its length in characters.
        chars: usize,
    },
    /// A unique key that is empty or too long.
    UniqueKey {
        /// Its length in characters.
        chars: usize,
    },
    /// Not sixteen lower-case hexadecimal digits.
    Nonce {
        /// The text as given.
        given: String,
    },
}

impl QueueName {
    /// The queue of a task for which none was named.
    pub fn default_queue() -> QueueName {
        QueueName("default".to_string())
    }
}

impl FromStr for QueueName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<QueueName, BadName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=limits::QUEUE_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(QueueName(text.to_string()))
        } else {
            Err(BadName::Queue { given: text.to_string() })
        }
    }
}

impl FromStr for RunId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<RunId, BadName> {
        match text.chars().count() {
            0 => Err(BadName::RunIdEmpty),
            chars if chars > limits::RUN_ID_CHARS => Err(BadName::RunIdTooLong { chars }),
            _ => Ok(RunId(text.to_string())),
        }
    }
}

impl Title {
    /// The title in `text`: trimmed, cut to the limit. The second value is its length before the cut, if it was cut.
    pub fn cut(text: &str) -> Result<(Title, Option<usize>), BadName> {
        let (kept, cut_from) = cut(text, limits::TITLE_CHARS);
        if kept.is_empty() { Err(BadName::TitleEmpty) } else { Ok((Title(kept), cut_from)) }
    }
}

impl FromStr for Title {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Title, BadName> {
        match Title::cut(text)? {
            (title, None) if title.0 == text => Ok(title),
            _ => Err(BadName::TitleEmpty),
        }
    }
}

impl Tag {
    /// The tag in `text`: trimmed, cut to the limit. The second value is its length before the cut, if it was cut.
    pub fn cut(text: &str) -> Result<(Tag, Option<usize>), BadName> {
        let (kept, cut_from) = cut(text, limits::TAG_CHARS);
        if kept.is_empty() || kept.contains(',') {
            return Err(BadName::Tag { given: text.to_string() });
        }
        Ok((Tag(kept), cut_from))
    }
}

impl FromStr for Tag {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Tag, BadName> {
        match Tag::cut(text)? {
            (tag, None) if tag.0 == text => Ok(tag),
            (_, None) => Err(BadName::Tag { given: text.to_string() }),
            (_, Some(chars)) => Err(BadName::TagTooLong { given: text.to_string(), chars }),
        }
    }
}

impl FromStr for ErrorMessage {
    type Err = BadName;

    fn from_str(text: &str) -> Result<ErrorMessage, BadName> {
        match text.chars().count() {
            chars if chars > limits::ERROR_CHARS => Err(BadName::ErrorTooLong { chars }),
            _ => Ok(ErrorMessage(text.to_string())),
        }
    }
}

impl FromStr for Note {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Note, BadName> {
        match text.chars().count() {
            chars if chars > limits::NOTE_CHARS => Err(BadName::NoteTooLong { chars }),
            _ => Ok(Note(text.to_string())),
        }
    }
}

impl FromStr for UniqueKey {
    type Err = BadName;

    fn from_str(text: &str) -> Result<UniqueKey, BadName> {
        match text.chars().count() {
            chars if chars == 0 || chars > limits::UNIQUE_CHARS => Err(BadName::UniqueKey { chars }),
            _ => Ok(UniqueKey(text.to_string())),
        }
    }
}

impl Nonce {
    /// The same nonce for the same run id, for what there is to be one of for each agent.
    pub fn of_run_id(run_id: &RunId) -> Nonce {
        let digest = short_digest(run_id.as_str());
        Nonce(digest.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default())
    }

    /// The bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// A nonce of these bits, which the caller took from a random source.
    pub fn from_bits(bits: u64) -> Nonce {
        Nonce(bits)
    }
}

impl FromStr for Nonce {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Nonce, BadName> {
        let bad = || BadName::Nonce { given: text.to_string() };
        if text.len() != 16 || !text.bytes().all(is_lower_hex) {
            return Err(bad());
        }
        u64::from_str_radix(text, 16).map(Nonce).map_err(|_| bad())
    }
}

impl TryFrom<String> for Nonce {
    type Error = BadName;

    fn try_from(text: String) -> Result<Nonce, BadName> {
        text.parse()
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        nonce.to_string()
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex::<16>(self.0).fmt(f)
    }
}

/// The common code of the text types: reading them as text and back.
macro_rules! text_type {
    ($($type:ident),+) => {$(
        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;

            fn try_from(text: String) -> Result<$type, BadName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.0
            }
        }
    )+};
}

text_type!(QueueName, RunId, Title, Tag, ErrorMessage, Note, UniqueKey);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, "run id", "error message")
    }
}

impl BadName {
    /// The problem, with somebody's words for a run id and an error message. The others have one name everywhere.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>, run_id: &str, error: &str) -> fmt::Result {
        match self {
            BadName::Queue { given } => write!(
                f,
                "invalid queue name {:?}: use 1 to {} letters, digits, '_' or '-'",
                shortened(given),
                limits::QUEUE_BYTES
            ),
            BadName::RunIdEmpty => write!(f, "{run_id} must not be empty: give each agent a name of its own"),
            BadName::RunIdTooLong { chars } => {
                write!(f, "{run_id} is too long ({chars} characters; max {})", limits::RUN_ID_CHARS)
            }
            BadName::TitleEmpty => write!(f, "title must be non-empty: describe the work in a few words"),
            BadName::Tag { given } => {
                write!(f, "invalid tag {:?}: it needs a visible character and no comma", shortened(given))
            }
            BadName::TagTooLong { given, chars } => {
                let (given, max) = (shortened(given), limits::TAG_CHARS);
                write!(f, "tag {given:?} is too long ({chars} characters; max {max}): ")?;
                write!(f, "give its first {max} characters")
            }
            BadName::ErrorTooLong { chars } => {
                write!(f, "{error} is too long ({chars} characters; max {})", limits::ERROR_CHARS)
            }
            BadName::NoteTooLong { chars } => {
                write!(f, "a reason or note is too long ({chars} characters; max {})", limits::NOTE_CHARS)
            }
            BadName::UniqueKey { chars } => {
                write!(f, "a unique key must have 1 to {} characters, got {chars}", limits::UNIQUE_CHARS)
            }
            BadName::Nonce { given } => write!(
                f,
                "invalid claim nonce {:?}: give the 16 hexadecimal digits of `claim_nonce` as `claim` printed them",
                shortened(given)
            ),
        }
    }
}

impl core::error::Error for BadName {}

/// The text without white space around it, at most `max_chars` long, and its length if that was more.
fn cut(text: &str, max_chars: usize) -> (String, Option<usize>) {
    let trimmed = text.trim();
    let chars = trimmed.chars().count();
    if chars <= max_chars {
        return (trimmed.to_string(), None);
    }
    let kept: String = trimmed.chars().take(max_chars).collect();
    (kept.trim_end().to_string(), Some(chars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_can_only_be_a_plain_directory_name() {
        for good in ["default", "a", "A-b_9", &"q".repeat(64)] {
            assert_eq!(good.parse::<QueueName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a b", "a.b", "é", "a\0", "%41", &"q".repeat(65)] {
            assert_eq!(bad.parse::<QueueName>(), Err(BadName::Queue { given: bad.to_string() }));
        }
    }

    #[test]
    fn a_title_is_trimmed_and_cut_and_the_cut_is_told() {
        assert_eq!(Title::cut("  Fix it \n"), Ok((Title("Fix it".to_string()), None)));
        assert_eq!(Title::cut(" \t"), Err(BadName::TitleEmpty));
        let (title, cut_from) = Title::cut(&"é".repeat(600)).unwrap();
        assert_eq!((title.as_str().chars().count(), cut_from), (limits::TITLE_CHARS, Some(600)));
        let (title, _) = Title::cut(&alloc::format!("{} x", "y".repeat(511))).unwrap();
        assert_eq!(title.as_str().parse(), Ok(title.clone()), "a cut title is a title");
    }

    #[test]
    fn texts_from_a_record_are_held_to_the_same_limits() {
        assert!(" padded".parse::<Title>().is_err());
        assert!("t".repeat(65).parse::<Tag>().is_err());
        assert!("a,b".parse::<Tag>().is_err());
        assert!("".parse::<RunId>().is_err());
        assert!("r".repeat(257).parse::<RunId>().is_err());
        assert!("e".repeat(4097).parse::<ErrorMessage>().is_err());
        assert!("é".repeat(256).parse::<RunId>().is_ok());
    }

    #[test]
    fn a_nonce_reads_back_as_it_was_written() {
        let nonce = Nonce::from_bits(0xfeed);
        assert_eq!(nonce.to_string(), "000000000000feed");
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        for bad in ["", "feed", "000000000000FEED", "+00000000000feed", "000000000000feedd"] {
            assert!(bad.parse::<Nonce>().is_err(), "{bad}");
        }
    }
}
