//! The little that the launcher has to know of the command line before the component reads it.
//!
//! Guaranteed: nothing is refused here. Every word goes to the component as it was typed, and the component alone says
//! what is wrong with it; only a file to read, which the component could not open, becomes its standard input, and its
//! name `-`. Not guaranteed: that a command line the component would refuse is understood.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use coord_store::repository::Purpose;

/// A command line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// It is `muse coord init`: a repository is wanted here if there is none around.
    pub init: bool,
    /// What the repository is wanted for.
    pub purpose: Purpose,
    /// The command may wait, for a task or for an end.
    pub waits: bool,
    /// A command was named that wants the queue, and not its help.
    pub is_command: bool,
    /// The engine that `init` is to make the repository lead to.
    pub store: Option<OsString>,
    /// Errors are wanted as a JSON object on standard output.
    pub json: bool,
    /// The file that the command is to read.
    pub input: Option<PathBuf>,
    /// The words for the component.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// Reads the arguments without the program's name.
    pub fn read(mut arguments: Vec<OsString>) -> Self {
        let options = before_double_dash(&arguments);
        let is = |name: &str| command(options).is_some_and(|command| command == name);
        let (init, json) = (is("init"), wants_json(options));
        let store = if init { last_value(options, "--store") } else { None };
        let purpose = match () {
            () if store.is_some() => Purpose::Point,
            () if init || is("doctor") => Purpose::Judge,
            () => Purpose::Work,
        };
        let asks_for_help = options.iter().any(|word| HELP.iter().any(|help| word == help));
        let is_command = !asks_for_help && command(options).is_some_and(|word| !NO_QUEUE.iter().any(|it| word == *it));
        let asks_to_wait = || options.iter().any(|word| word == "--wait" || joined(word, "--wait").is_some());
        let waits = is("wait") || is("claim") && asks_to_wait();
        let input = input(options).and_then(|Input { place, instead, file }| {
            *arguments.get_mut(place)? = instead;
            Some(file)
        });
        Self { init, purpose, waits, is_command, store, json, input, arguments }
    }
}

/// Words by which help is asked for, or what an answer looks like.
const HELP: [&str; 5] = ["--help", "-h", "--version", "-V", "--schema"];

/// Commands that want no queue.
const NO_QUEUE: [&str; 2] = ["help", "completions"];

fn before_double_dash(arguments: &[OsString]) -> &[OsString] {
    arguments.split(|word| word == "--").next().unwrap_or_default()
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
    // Of several the last one counts.
    let place = options.iter().rposition(|word| word == option || joined(word, option).is_some())?;
    let (place, name, instead) = match joined(options.get(place)?, option) {
        Some(name) => (place, name, format!("{option}=-").into()),
        None => (place + 1, options.get(place + 1)?.as_os_str(), "-".into()),
    };
    // Standard input itself, or another flag, for which the component will say that the name is missing.
    let is_name = !name.is_empty() && !name.as_encoded_bytes().starts_with(b"-");
    is_name.then(|| Input { place, instead, file: name.into() })
}

/// The value of an option; of several the last one.
fn last_value(options: &[OsString], option: &str) -> Option<OsString> {
    let place = options.iter().rposition(|word| word == option || joined(word, option).is_some())?;
    let value = joined(options.get(place)?, option).or_else(|| Some(options.get(place + 1)?.as_os_str()))?;
    Some(value.to_owned())
}

/// What stands behind `option=`.
fn joined<'a>(word: &'a OsStr, option: &str) -> Option<&'a OsStr> {
    Some(OsStr::new(word.to_str()?.strip_prefix(option)?.strip_prefix('=')?))
}

/// What is asked for last.
fn wants_json(options: &[OsString]) -> bool {
    // Then what is wrong is told on standard error.
    if options.iter().any(|word| word == "--print" || joined(word, "--print").is_some()) {
        return false;
    }
    let behind = options.iter().skip(1).map(Some).chain([None]);
    let asks = |(word, behind): (&OsString, Option<&OsString>)| match word.to_str()? {
        "--json" | "--format=json" => Some(true),
        "--format=text" => Some(false),
        "--format" if behind? == "json" => Some(true),
        "--format" if behind? == "text" => Some(false),
        // Several flags in one word, up to one that there is not.
        word => {
            let letters = word.strip_prefix('-')?;
            let is_flag = |letter: &char| matches!(letter, 'j' | 'h' | 'V');
            letters.chars().take_while(is_flag).any(|letter| letter == 'j').then_some(true)
        }
    };
    options.iter().zip(behind).filter_map(asks).last().unwrap_or(false)
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
            ("coord enqueue --batch one --batch=other", "other", "coord enqueue --batch one --batch=-"),
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
            assert!(read(line).init, "{line}");
        }
    }

    #[test]
    fn the_engine_that_init_is_to_lead_to_is_recognised() {
        for line in ["coord init --store postgres://h/d", "coord -j init --store=postgres://h/d --json"] {
            assert_eq!(read(line).store, Some("postgres://h/d".into()), "{line}");
        }
        for line in ["coord init", "coord init --store", "coord tasks --store x", "coord init -- --store x"] {
            assert_eq!(read(line).store, None, "{line}");
        }
    }

    #[test]
    fn help_wants_no_queue() {
        for line in ["coord tasks --help", "coord -h", "coord", "coord help tasks", "coord completions bash", "-V"] {
            assert!(!read(line).is_command, "{line}");
        }
        for line in ["coord tasks", "coord -j enqueue t", "coord enqueue -- --help"] {
            assert!(read(line).is_command, "{line}");
        }
    }

    #[test]
    fn other_commands_are_not_init() {
        for line in
            ["", "init", "coord", "coord tasks", "coord enqueue init", "coord --format init tasks", "coord -- init"]
        {
            assert!(!read(line).init, "{line}");
        }
    }

    #[test]
    fn what_may_wait_is_recognised() {
        for line in ["coord wait id", "coord claim --wait 9", "coord -j claim --wait=9", "coord claim --json --wait"] {
            assert!(read(line).waits, "{line}");
        }
        for line in ["coord claim", "coord enqueue wait", "coord enqueue --wait 9", "coord claim -- --wait", "wait"] {
            assert!(!read(line).waits, "{line}");
        }
    }

    #[test]
    fn json_is_recognised_in_every_spelling() {
        for line in [
            "coord tasks --json",
            "-j coord tasks",
            "coord --format json tasks",
            "coord tasks --format=json",
            "coord tasks -jx",
            "coord tasks -hj",
            "coord tasks --format text --json",
            "coord --format text tasks --format json",
        ] {
            assert!(read(line).json, "{line}");
        }
        for line in [
            "coord tasks",
            "coord tasks --format text",
            "coord enqueue json",
            "coord enqueue -- --json",
            "coord tasks --json --format text",
            "coord tasks -xj",
            "coord tasks --j",
        ] {
            assert!(!read(line).json, "{line}");
        }
        for line in ["coord tasks --json --print total", "coord --print=total tasks -j"] {
            assert!(!read(line).json, "{line}");
        }
    }
}
