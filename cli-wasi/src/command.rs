//! Dispatch: from parsed arguments to the command that runs.
//!
//! Each command has a file with its flags (`Arguments`), its JSON answer (`<Command>Answer`), `run`, and its text for
//! people. `run` checks all values in the contract's order before it touches a file, then calls the queue. No command's
//! file names another command's file: what several commands share is in `context`, `flags`, `values` and
//! `crate::answer`.

pub mod answers;
pub mod cancel_task;
pub mod claim;
pub mod complete;
pub mod completions;
mod context;
pub mod doctor;
pub mod enqueue;
pub mod export;
pub mod fail_task;
mod flags;
pub mod gc;
pub mod heartbeat;
pub mod import;
pub mod init;
pub mod limit;
pub mod pause;
pub mod release;
pub mod resume;
pub mod retry;
pub mod show;
pub mod stats;
pub mod tasks;
pub mod values;
pub mod wait;
pub mod watch;

use schemars::Schema;

use crate::answer::batch::BatchAnswer;
use crate::answer::queue_settings::SettingsAnswer;
use crate::answer::released::ReleaseAnswer;
use crate::args::{self, Asked, Command, Invocation};
use crate::host::Stopwatch;
use crate::output::{Failure, Printer};
use crate::print;
use crate::schema;

use context::Context;

/// Runs a command, prints its answer or error, and returns the exit code.
pub fn run(invocation: Invocation, stopwatch: Stopwatch) -> u8 {
    let Invocation { asked, format, fields, columns, lines, sync } = invocation;
    let printer = Printer { format, fields: &fields, columns, lines, changes: false, stopwatch };
    let command = match asked {
        Asked::Run(command) => *command,
        Asked::Schema(_) if !fields.is_empty() => {
            return printer.fail(&Failure::bad_args(
                "--print prints fields of an answer, and --schema gives none: leave one of them out",
            ));
        }
        Asked::Schema(described) => return printer.schema(&(described.schema)(described.command)),
        Asked::Refuse(bad) => return printer.fail(&bad.into()),
    };
    if let Err(problem) = print::check(&fields, || schema_of(&command)) {
        return printer.fail(&Failure::bad_args(problem));
    }
    let printer = Printer { changes: changes(&command), ..printer };
    let context = Context { printer, sync };
    match command {
        Command::Init(args) => printer.finish(init::run(&args, &context)),
        Command::Enqueue(args) => printer.finish(enqueue::run(&args, &context)),
        Command::Claim(args) => claim::run(&args, &context),
        Command::Heartbeat(args) => printer.finish(heartbeat::run(&args, &context)),
        Command::Complete(args) => printer.finish(complete::run(&args, &context)),
        Command::FailTask(args) => printer.finish(fail_task::run(&args, &context)),
        Command::Release(args) => printer.finish(release::run(&args, &context)),
        Command::CancelTask(args) => printer.finish(cancel_task::run(&args, &context)),
        Command::Retry(args) => printer.finish(retry::run(&args, &context)),
        Command::Show(args) => printer.finish(show::run(&args, &context)),
        Command::Tasks(args) => tasks::run(&args, &context),
        Command::Wait(args) => printer.finish(wait::run(&args, &context)),
        Command::Watch(args) => printer.stream(|stream| watch::run(&args, &context, stream)),
        Command::Stats(args) => stats::run(&args, &context),
        Command::Pause(args) => printer.finish(pause::run(&args, &context)),
        Command::Resume(args) => printer.finish(resume::run(&args, &context)),
        Command::Limit(args) => printer.finish(limit::run(&args, &context)),
        Command::Gc(args) => printer.finish(gc::run(&args, &context)),
        Command::Export(_) => printer.stream(|stream| export::run(&context, stream)),
        Command::Import(_) => printer.finish(import::run(&context)),
        Command::Doctor(args) => printer.finish(doctor::run(&args, &context)),
        Command::Completions(args) => printer.finish(completions::run(&args, args::command_line())),
    }
}

/// Whether the command changes the queue if it succeeds.
fn changes(command: &Command) -> bool {
    match command {
        Command::Gc(args) => !args.dry_run,
        Command::Doctor(args) => args.repair,
        Command::Show(_)
        | Command::Tasks(_)
        | Command::Wait(_)
        | Command::Watch(_)
        | Command::Stats(_)
        | Command::Export(_)
        | Command::Completions(_) => false,
        Command::Init(_)
        | Command::Enqueue(_)
        | Command::Claim(_)
        | Command::Heartbeat(_)
        | Command::Complete(_)
        | Command::FailTask(_)
        | Command::Release(_)
        | Command::CancelTask(_)
        | Command::Retry(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Limit(_)
        | Command::Import(_) => true,
    }
}

/// The schema of the answer that this call will give, for `--print`.
fn schema_of(command: &Command) -> Schema {
    match command {
        Command::Init(_) => schema::of_answer::<init::InitAnswer>(),
        Command::Enqueue(args) if args.batch.is_some() => schema::of_answer::<BatchAnswer>(),
        Command::Enqueue(_) => schema::of_answer::<enqueue::EnqueuedTask>(),
        Command::Claim(args) if args.max.is_some() => schema::of_answer::<claim::SeveralClaims>(),
        Command::Claim(_) => schema::of_answer::<claim::OneClaim>(),
        Command::Heartbeat(_) => schema::of_answer::<heartbeat::HeartbeatAnswer>(),
        Command::Complete(_) => schema::of_answer::<complete::CompleteAnswer>(),
        Command::FailTask(_) => schema::of_answer::<fail_task::FailTaskAnswer>(),
        Command::Release(_) => schema::of_answer::<ReleaseAnswer>(),
        Command::Retry(_) => schema::of_answer::<retry::RetryAnswer>(),
        Command::CancelTask(_) => schema::of_answer::<cancel_task::CancelTaskAnswer>(),
        Command::Show(_) => schema::of_answer::<show::ShowAnswer>(),
        Command::Tasks(_) => schema::of_answer::<tasks::TasksAnswer>(),
        Command::Wait(_) => schema::of_answer::<wait::WaitAnswer>(),
        Command::Watch(_) => schema::of_each_line::<watch::WatchLine>(),
        Command::Stats(_) => schema::of_answer::<stats::StatsAnswer>(),
        Command::Pause(_) | Command::Resume(_) | Command::Limit(_) => schema::of_answer::<SettingsAnswer>(),
        Command::Gc(_) => schema::of_answer::<gc::GcAnswer>(),
        Command::Export(_) => schema::of_each_line::<schema::ExportedLine>(),
        Command::Import(_) => schema::of_answer::<import::ImportAnswer>(),
        Command::Doctor(_) => schema::of_answer::<doctor::DoctorAnswer>(),
        Command::Completions(_) => schema::of_answer::<completions::CompletionsAnswer>(),
    }
}
