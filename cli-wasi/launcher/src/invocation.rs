//! The little that the launcher has to know of the command line before the component reads it.
//!
//! Guaranteed: nothing is refused here. Every word goes to the component as it was typed, and the component alone says
//! what is wrong with it. Not guaranteed: that a command line the component would refuse is understood.

use std::ffi::OsString;

/// What the command line asks for, as far as the coordination directory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `muse coord init`: a repository is wanted here if there is none around.
    Init,
    /// Help, the version, completions or a schema, which are about `muse` and no repository: nothing may be created.
    Help,
    /// Any other command: works in the repository it finds.
    Work,
}

/// A command line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) purpose: Purpose,
    /// Errors are wanted as a JSON object on standard output.
    pub(crate) json: bool,
}

impl Invocation {
    /// Reads the arguments without the program's name.
    pub(crate) fn read(arguments: &[OsString]) -> Self {
        let options = before_double_dash(arguments);
        Self { purpose: purpose(options), json: wants_json(options) }
    }
}

fn before_double_dash(arguments: &[OsString]) -> &[OsString] {
    arguments.split(|word| word == "--").next().unwrap_or_default()
}

fn purpose(options: &[OsString]) -> Purpose {
    // `--title --help` is read as a call for help too. All that costs is that a missing directory stays missing.
    let helps = |word: &OsString| {
        let word = word.as_encoded_bytes();
        matches!(word, b"--help" | b"-h" | b"--version" | b"--schema") || word.starts_with(b"--schema=")
    };
    if options.iter().any(helps) || is_command("completions", options) {
        Purpose::Help
    } else if is_command("init", options) {
        Purpose::Init
    } else {
        Purpose::Work
    }
}

/// Whether the first two words are `coord` and the command, whatever flags stand before, between and after them.
fn is_command(command: &str, options: &[OsString]) -> bool {
    let mut after_format = false;
    let mut words = options.iter().filter(|word| {
        let value = std::mem::replace(&mut after_format, *word == "--format");
        !value && !word.as_encoded_bytes().starts_with(b"-")
    });
    words.next().is_some_and(|word| word == "coord") && words.next().is_some_and(|word| word == command)
}

fn wants_json(options: &[OsString]) -> bool {
    let spelled_in_one = options.iter().any(|word| word == "--json" || word == "-j" || word == "--format=json");
    let mut pairs = options.iter().zip(options.iter().skip(1));
    spelled_in_one || pairs.any(|(name, value)| name == "--format" && value == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        Invocation::read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn init_is_recognised_among_flags() {
        for line in [
            "coord init",
            "coord init --json",
            "coord -j init",
            "coord --json init",
            "coord --format=json init",
            "coord --format json init",
            "--json coord init",
            "--format text coord --format json init -j",
        ] {
            assert_eq!(read(line).purpose, Purpose::Init, "{line}");
        }
    }

    #[test]
    fn other_commands_are_not_init() {
        for line in
            ["", "init", "coord", "coord tasks", "coord enqueue init", "coord --format init tasks", "coord -- init"]
        {
            assert_eq!(read(line).purpose, Purpose::Work, "{line}");
        }
    }

    #[test]
    fn help_and_version_win_over_init() {
        for line in
            ["--help", "-h", "--version", "coord --help init", "coord init -h", "coord --version", "coord claim -h"]
        {
            assert_eq!(read(line).purpose, Purpose::Help, "{line}");
        }
        assert_eq!(read("coord enqueue -- --help").purpose, Purpose::Work);
    }

    #[test]
    fn what_is_asked_of_muse_alone_creates_nothing() {
        for line in
            ["coord completions bash", "coord --json completions zsh", "coord --schema init", "coord --schema=claim"]
        {
            assert_eq!(read(line).purpose, Purpose::Help, "{line}");
        }
        for line in ["completions", "coord enqueue completions", "coord enqueue -- --schema"] {
            assert_eq!(read(line).purpose, Purpose::Work, "{line}");
        }
    }

    #[test]
    fn json_is_recognised_in_every_spelling() {
        for line in ["coord tasks --json", "-j coord tasks", "coord --format json tasks", "coord tasks --format=json"] {
            assert!(read(line).json, "{line}");
        }
        for line in ["coord tasks", "coord tasks --format text", "coord enqueue json", "coord enqueue -- --json"] {
            assert!(!read(line).json, "{line}");
        }
    }
}
