//! The options on a command line, told from values as clap tells them, in the order in which they stand there: what
//! clap itself does not say, above all of a line that it refuses.

use std::ffi::{OsStr, OsString};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// An option as it stands on the line.
pub(super) struct Typed<'a> {
    /// What clap knows of it.
    pub(super) argument: &'a Arg,
    value: Value<'a>,
    /// It is given to this command.
    command: &'a Command,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    /// It takes none, or the line ends here.
    None,
    /// `--name=value`
    Joined(&'a OsStr),
    /// `--name value`
    Apart(&'a OsStr),
    /// It takes one, but the word behind it is none: it looks like an option, or is one.
    NotTaken(&'a OsStr),
}

/// The options of a line that begins with the program's name.
pub(super) fn options<'a>(muse: &'a Command, line: &'a [OsString]) -> Vec<Typed<'a>> {
    // A command behind those that lead to it.
    let (mut path, mut command) = (vec![muse], muse);
    let mut typed = Vec::new();
    let mut words = line.iter().skip(1).map(OsString::as_os_str).peekable();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else { continue };
        if text == "--" {
            break;
        }
        if let Some((name, joined)) = long(text) {
            let Some(argument) = option(&path, |argument| argument.get_long() == Some(name)) else { continue };
            let value = match (argument.get_action().takes_values(), joined, words.peek().copied()) {
                (false, ..) | (true, None, None) => Value::None,
                (true, Some(joined), _) => Value::Joined(OsStr::new(joined)),
                (true, None, Some(next)) if takes(argument, next) && !is_option(&path, next) => Value::Apart(next),
                (true, None, Some(next)) => Value::NotTaken(next),
            };
            if matches!(value, Value::Apart(_)) {
                words.next();
            }
            typed.push(Typed { argument, value, command });
        } else if let Some(letters) = text.strip_prefix('-') {
            // No letter takes a value. Behind one that is unknown they mean nothing.
            let flags = letters.chars().map_while(|letter| option(&path, |flag| flag.get_short() == Some(letter)));
            typed.extend(flags.map(|argument| Typed { argument, value: Value::None, command }));
        } else if let Some(subcommand) = command.find_subcommand(text) {
            path.push(subcommand);
            command = subcommand;
        }
    }
    typed
}

impl<'a> Typed<'a> {
    /// What it is given.
    pub(super) fn value(&self) -> Option<&'a OsStr> {
        match self.value {
            Value::None | Value::NotTaken(_) => None,
            Value::Joined(value) | Value::Apart(value) => Some(value),
        }
    }

    /// How to give it a value that looks like an option.
    fn tip(&self, word: &OsStr) -> String {
        let (option, word) = (self.argument.get_long().unwrap_or_default(), word.to_string_lossy());
        format!("to give --{option} the value '{word}', write '--{option}={word}'")
    }
}

/// Refuses an option of the command as the value of another one that would take it, unless it stands behind `=`: the
/// value was forgotten.
pub(super) fn no_option_as_value(typed: &[Typed<'_>]) -> Result<(), clap::Error> {
    for option in typed {
        let Value::NotTaken(word) = option.value else { continue };
        if takes(option.argument, word) {
            let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(option.command);
            error.insert(ContextKind::InvalidArg, ContextValue::String(option.argument.to_string()));
            error.insert(ContextKind::InvalidValue, ContextValue::String(String::new()));
            return Err(with_tip(error, option.tip(word)));
        }
    }
    Ok(())
}

/// The error with the way out, where clap knows none or a wrong one.
pub(super) fn with_tips(error: clap::Error, typed: &[Typed<'_>]) -> clap::Error {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => vec![name.as_str()],
        Some(ContextValue::Strings(names)) => names.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let (arguments, values) = (named(ContextKind::InvalidArg), named(ContextKind::InvalidValue));
    let not_taken = typed.iter().filter_map(|option| match option.value {
        Value::NotTaken(word) => Some((option, word)),
        _ => None,
    });
    let tip = match error.kind() {
        // Of `-xy` clap names `-x`.
        ErrorKind::UnknownArgument => {
            let is_it = |word: &OsStr| arguments.iter().any(|name| word.to_string_lossy().starts_with(name));
            not_taken.filter(|(_, word)| is_it(word)).map(|(option, word)| option.tip(word)).next()
        }
        ErrorKind::InvalidValue if values == [""] => {
            let is_it = |option: &Typed<'_>| arguments.contains(&option.argument.to_string().as_str());
            not_taken.filter(|(option, _)| is_it(option)).map(|(option, word)| option.tip(word)).next()
        }
        ErrorKind::MissingRequiredArgument if arguments.contains(&RUN_ID) => {
            Some("set MUSE_RUN_ID in the environment instead".to_string())
        }
        _ => None,
    };
    match tip {
        Some(tip) => with_tip(error, tip),
        None => error,
    }
}

/// How clap names the option.
const RUN_ID: &str = "--run-id <RUNID>";

fn with_tip(mut error: clap::Error, tip: String) -> clap::Error {
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    error
}

/// The name of a long option, and what stands behind its `=`.
fn long(word: &str) -> Option<(&str, Option<&str>)> {
    let word = word.strip_prefix("--")?;
    Some(word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value))))
}

/// An option of the last command, or one of another that is global.
fn option<'a>(path: &[&'a Command], is_meant: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
    path.iter().rev().flat_map(|command| command.get_arguments()).find(|argument| is_meant(argument))
}

fn is_option(path: &[&Command], word: &OsStr) -> bool {
    let name = word.to_str().and_then(long).map(|(name, _)| name);
    name.is_some_and(|name| option(path, |argument| argument.get_long() == Some(name)).is_some())
}

/// Whether clap takes a word behind an option as its value.
fn takes(argument: &Arg, word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    let is_number = || argument.is_allow_negative_numbers_set() && text.parse::<f64>().is_ok();
    !text.starts_with('-') || text == "-" || argument.is_allow_hyphen_values_set() || is_number()
}
