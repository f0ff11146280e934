//! `muse coord completions`: a script by which a shell completes the command line.

use clap::{Args, ValueEnum};
use clap_complete::{Generator, aot};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Answered, Failure, Page};

/// Print a shell script that completes this command line
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that completions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

const COMPLETIONS_HELP: &str = "\
`cargo xtask install` installs the scripts and the man pages with the program. By hand:
  bash        source <(muse coord completions bash)             in ~/.bashrc
  zsh         muse coord completions zsh > DIR/_muse            where DIR is in $fpath
  fish        muse coord completions fish | source              in ~/.config/fish/config.fish
  PowerShell  muse coord completions powershell | Out-String | Invoke-Expression    in $PROFILE";

#[derive(Serialize, JsonSchema)]
pub(super) struct CompletionsAnswer {
    shell: &'static str,
    script: String,
}

/// Prints the script for `command_line`, the whole of it.
pub(super) fn run(args: &Arguments, command_line: clap::Command) -> Result<Answered<CompletionsAnswer>, Failure> {
    let answer = match args.shell {
        Shell::Bash => CompletionsAnswer::of(aot::Bash, "bash", command_line),
        Shell::Zsh => CompletionsAnswer::of(aot::Zsh, "zsh", command_line),
        Shell::Fish => CompletionsAnswer::of(aot::Fish, "fish", command_line),
        Shell::Powershell => CompletionsAnswer::of(aot::PowerShell, "powershell", command_line),
    }?;
    Ok(Answered { answer, warnings: Vec::new() })
}

impl CompletionsAnswer {
    fn of(
        generator: impl Generator,
        shell: &'static str,
        mut command_line: clap::Command,
    ) -> Result<CompletionsAnswer, Failure> {
        let mut script = Vec::new();
        aot::generate(generator, &mut command_line, "muse", &mut script);
        let script = String::from_utf8(script).map_err(|error| Failure::new("error", error))?;
        Ok(CompletionsAnswer { shell, script })
    }
}

impl Answer for CompletionsAnswer {
    fn text(&self, page: &mut Page) {
        page.verbatim(&self.script);
    }
}
