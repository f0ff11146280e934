//! The little that the launcher has to know of the command line before the component reads it.
//!
//! Guaranteed: nothing is refused here. Every word goes to the component as it was typed, and the component alone says
//! what is wrong with it; only a file to read, which the component could not open, becomes its standard input, and its name `-`.
//! Not guaranteed: that a command line the component would refuse is understood.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) purpose: Purpose,
    /// Errors are wanted as a JSON object on standard output.
    pub(crate) json: bool,
    /// The file that the command is to read.
    pub(crate) input: Option<PathBuf>,
    /// The words for the component.
    pub(crate) arguments: Vec<OsString>,
}

impl Invocation {
    /// Reads the arguments without the program's name.
    pub(crate) fn read(mut arguments: Vec<OsString>) -> Self {
        let options = before_double_dash(&arguments);
        let (purpose, json) = (purpose(options), wants_json(options));
        let input = input(options).filter(|_| purpose == Purpose::Work).and_then(|Input { place, instead, file }| {
            *arguments.get_mut(place)? = instead;
            Some(file)
        });
        Self { purpose, json, input, arguments }
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

/// Whether the first two words are `coord` and the command.
fn is_command(name: &str, options: &[OsString]) -> bool {
    command(options).is_some_and(|command| command == name)
}

/// The word after `coord`, whatever flags stand before, between and after them.
fn command(options: &[OsString]) -> Option<&OsStr> {
    let mut after_option = false;
    let mut words = options.iter().filter(|word| {
        let value = std::mem::replace(&mut after_option, *word == "--format" || *word == "--print");
        !value && !word.as_encoded_bytes().starts_with(b"-")
    });
    words.next().filter(|word| *word == "coord")?;
    words.next().map(OsString::as_os_str)
}

/// A file that a command reads, and which word is to stand where instead of its name.
struct Input {
    place: usize,
    instead: OsString,
    file: PathBuf,
}

fn input(options: &[OsString]) -> Option<Input> {
    let option = match command(options)?.to_str()? {
        "enqueue" => "--batch",
        "complete" => "--enqueue",
        _ => return None,
    };
    let place = options.iter().position(|word| word == option || joined(word, option).is_some())?;
    let (place, name, instead) = match joined(options.get(place)?, option) {
        Some(name) => (place, name, format!("{option}=-").into()),
        None => (place + 1, options.get(place + 1)?.as_os_str(), "-".into()),
    };
    // Standard input itself, or another flag, for which the component will say that the name is missing.
    let is_name = !name.is_empty() && !name.as_encoded_bytes().starts_with(b"-");
    is_name.then(|| Input { place, instead, file: name.into() })
}

/// What stands behind `option=`.
fn joined<'a>(word: &'a OsStr, option: &str) -> Option<&'a OsStr> {
    Some(OsStr::new(word.to_str()?.strip_prefix(option)?.strip_prefix('=')?))
}

fn wants_json(options: &[OsString]) -> bool {
    // Then what is wrong is told on standard error.
    if options.iter().any(|word| word == "--print" || joined(word, "--print").is_some()) {
        return false;
    }
    let spelled_in_one = options.iter().any(|word| word == "--json" || word == "-j" || word == "--format=json");
    let mut pairs = options.iter().zip(options.iter().skip(1));
    spelled_in_one || pairs.any(|(name, value)| name == "--format" && value == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        Invocation::read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn a_file_to_read_becomes_standard_input() {
        for (line, file, words) in [
            ("coord enqueue --batch tasks.ndjson --json", "tasks.ndjson", "coord enqueue --batch - --json"),
            ("-j coord enqueue --batch=../a=b", "../a=b", "-j coord enqueue --batch=-"),
            ("coord complete 7 --enqueue next", "next", "coord complete 7 --enqueue -"),
        ] {
            let Invocation { input, arguments, .. } = read(line);
            assert_eq!((input, arguments.join(OsStr::new(" "))), (Some(file.into()), words.into()), "{line}");
        }
        for line in [
            "coord enqueue --batch -",
            "coord enqueue --batch=-",
            "coord enqueue --batch=",
            "coord enqueue --batch",
            "coord enqueue --batch --json",
            "coord enqueue --batch file --help",
            "coord enqueue -- --batch file",
            "coord complete --batch file",
            "coord enqueue --enqueue file",
            "enqueue --batch file",
        ] {
            let Invocation { input, arguments, .. } = read(line);
            assert_eq!((input, arguments.join(OsStr::new(" "))), (None, line.into()));
        }
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
            "coord --print path init",
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
        for line in ["coord tasks --json --print total", "coord --print=total tasks -j"] {
            assert!(!read(line).json, "{line}");
        }
    }
}
