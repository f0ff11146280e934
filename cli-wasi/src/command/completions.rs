//! `muse coord completions`: a script by which a shell completes the command line.

use clap_complete::{Generator, aot};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{self, Shell};
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Script {
    shell: &'static str,
    script: String,
}

pub(super) fn run(args: &args::Completions) -> Result<Answered<Script>, Failure> {
    let answer = match args.shell {
        Shell::Bash => Script::of(aot::Bash, "bash"),
        Shell::Zsh => Script::of(aot::Zsh, "zsh"),
        Shell::Fish => Script::of(aot::Fish, "fish"),
        Shell::Powershell => Script::of(aot::PowerShell, "powershell"),
    }?;
    Ok(Answered { answer, warnings: Vec::new() })
}

impl Script {
    fn of(generator: impl Generator, shell: &'static str) -> Result<Script, Failure> {
        let mut script = Vec::new();
        aot::generate(generator, &mut args::command_line(), "muse", &mut script);
        let script = String::from_utf8(script).map_err(|error| Failure::new("error", error))?;
        Ok(Script { shell, script })
    }
}

impl Answer for Script {
    fn text(&self, page: &mut Page) {
        page.verbatim(&self.script);
    }
}
