//! What each command answers with `--json`, for `--schema`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::{JsonSchema, Schema};

use super::{
    cancel_task, claim, complete, completions, doctor, enqueue, fail_task, gc, heartbeat, import, init, retry, show,
    stats, tasks, wait, watch,
};
use crate::answer::queue_settings::SettingsAnswer;
use crate::answer::released::ReleaseAnswer;
use crate::schema;

/// A command and the schema of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The command, as it is typed.
    pub command: &'static str,
    /// Its schema, for this command.
    pub(super) schema: fn(&str) -> Schema,
}

/// All commands, for `--schema`.
pub const ANSWERS: [Described; 22] = [
    Described::new::<init::InitAnswer>("init"),
    Described::new::<enqueue::EnqueueAnswer>("enqueue"),
    Described::new::<claim::ClaimAnswer>("claim"),
    Described::new::<heartbeat::HeartbeatAnswer>("heartbeat"),
    Described::new::<complete::CompleteAnswer>("complete"),
    Described::new::<fail_task::FailTaskAnswer>("fail-task"),
    Described::new::<ReleaseAnswer>("release"),
    Described::new::<cancel_task::CancelTaskAnswer>("cancel-task"),
    Described::new::<retry::RetryAnswer>("retry"),
    Described::new::<show::ShowAnswer>("show"),
    Described::new::<tasks::TasksAnswer>("tasks"),
    Described::new::<wait::WaitAnswer>("wait"),
    Described::lines::<watch::WatchLine>("watch"),
    Described::new::<stats::StatsAnswer>("stats"),
    Described::new::<SettingsAnswer>("pause"),
    Described::new::<SettingsAnswer>("resume"),
    Described::new::<SettingsAnswer>("limit"),
    Described::new::<gc::GcAnswer>("gc"),
    Described::lines::<schema::ExportedLine>("export"),
    Described::new::<import::ImportAnswer>("import"),
    Described::new::<doctor::DoctorAnswer>("doctor"),
    Described::new::<completions::CompletionsAnswer>("completions"),
];

impl Described {
    const fn new<T: JsonSchema>(command: &'static str) -> Described {
        Described { command, schema: schema::of::<T> }
    }

    const fn lines<T: JsonSchema>(command: &'static str) -> Described {
        Described { command, schema: schema::of_line::<T> }
    }
}

/// The commands that `--schema` takes.
pub fn described() -> impl TypedValueParser<Value = Described> {
    let described = |word: String| ANSWERS.iter().find(|described| described.command == word);
    PossibleValuesParser::new(ANSWERS.iter().map(|described| described.command))
        .try_map(move |word| described(word).copied().ok_or("no command"))
}
