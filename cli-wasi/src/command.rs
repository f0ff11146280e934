//! From typed arguments to an answer. Each command has a file with the same two parts: `run` has what was typed
//! checked, in the contract's order and before any file is touched, and asks the queue; `text` says it to people.

mod archive;
mod batch;
mod bounded;
mod cancel_task;
mod claim;
mod claim_record;
mod complete;
mod completions;
mod doctor;
mod enqueue;
mod fail_task;
mod fields;
mod gc;
mod heartbeat;
mod init;
mod release;
mod settings;
mod show;
mod stats;
mod tasks;
mod wait;
mod watch;

pub use tasks::FIELDS as TASK_FIELDS;

use coord_core::name::Nonce;
use coord_core::request::{self, BadRequest, FieldNames};
use coord_core::transition::Claimant;
use coord_core::{Error, Queue, TaskId};
use coord_store::{DirStore, Sync};
use schemars::{JsonSchema, Schema};

use crate::args::{self, Asked, Command, Format, Invocation};
use crate::host::{self, Grant, Stopwatch};
use crate::output::{Answer, Answered, Failure, Printer};
use crate::print;
use crate::schema;

use settings::Setting;

/// What the values are called here.
const FIELD_NAMES: FieldNames = FieldNames {
    run_id: "--run-id",
    ttl_seconds: "--ttl",
    lease_seconds: "--claim-ttl",
    wait_seconds: "--wait",
    limit: "--limit",
    max_attempts: "--max-attempts",
    backoff: "--backoff",
    delay: "--delay",
    after: "--after",
    if_parent_fails: "--if-parent-fails",
    payload: "--payload",
    result: "--result",
    error: "--error",
};

/// A command and the schema of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The command, as it is typed.
    pub command: &'static str,
    schema: fn(&str) -> Schema,
}

/// All commands, for `--schema`.
pub const ANSWERS: [Described; 22] = [
    Described::new::<init::Initialised>("init"),
    Described::new::<enqueue::Added>("enqueue"),
    Described::new::<claim::Outcome>("claim"),
    Described::new::<heartbeat::Kept>("heartbeat"),
    Described::new::<complete::Completed>("complete"),
    Described::new::<fail_task::Failed>("fail-task"),
    Described::new::<release::Released>("release"),
    Described::new::<cancel_task::Cancelled>("cancel-task"),
    Described::new::<release::PutBack>("retry"),
    Described::new::<show::Shown>("show"),
    Described::list::<tasks::Tasks>("tasks"),
    Described::new::<wait::Ends>("wait"),
    Described::lines::<watch::Sight>("watch"),
    Described::new::<stats::Stats>("stats"),
    Described::new::<settings::QueueSettings>("pause"),
    Described::new::<settings::QueueSettings>("resume"),
    Described::new::<settings::QueueSettings>("limit"),
    Described::new::<gc::Removal>("gc"),
    Described::lines::<schema::ExportedLine>("export"),
    Described::new::<archive::Import>("import"),
    Described::new::<doctor::Examined>("doctor"),
    Described::new::<completions::Script>("completions"),
];

impl Described {
    const fn new<T: Answer>(command: &'static str) -> Described {
        Described { command, schema: schema::of::<T> }
    }

    const fn list<T: JsonSchema>(command: &'static str) -> Described {
        Described { command, schema: schema::of_list::<T> }
    }

    const fn lines<T: JsonSchema>(command: &'static str) -> Described {
        Described { command, schema: schema::of_line::<T> }
    }
}

/// Runs a command, prints what came of it, and tells the exit code.
pub fn run(invocation: Invocation, stopwatch: Stopwatch) -> u8 {
    let Invocation { asked, format, fields, columns, lines, sync } = invocation;
    let printer = Printer { format, fields: &fields, columns, lines, changes: false, stopwatch };
    let repository = Repository { sync };
    let command = match asked {
        Asked::Run(command) => *command,
        Asked::Schema(_) if !fields.is_empty() => {
            return printer.fail(&bad_args("--print is for answers, and --schema is none: leave one out"));
        }
        Asked::Schema(described) => return printer.schema(&(described.schema)(described.command)),
        Asked::Refuse(bad) => return printer.fail(&bad.into()),
    };
    if let Err(problem) = print::check(&fields, || schema_of(&command)) {
        return printer.fail(&bad_args(problem));
    }
    let printer = Printer { changes: changes(&command), ..printer };
    match command {
        Command::Init => printer.finish(init::run(&repository)),
        Command::Enqueue(args) => printer.finish(enqueue::run(&args, &repository)),
        Command::Claim(args) if args.max.is_some() => claim::run_several(&args, &repository, printer),
        Command::Claim(args) => printer.finish(claim::run(&args, &repository, stopwatch)),
        Command::Heartbeat(args) => printer.finish(heartbeat::run(&args, &repository)),
        Command::Complete(args) => printer.finish(complete::run(&args, &repository)),
        Command::FailTask(args) => printer.finish(fail_task::run(&args, &repository)),
        Command::Release(args) => printer.finish(release::run(&args, &repository)),
        Command::CancelTask(args) => printer.finish(cancel_task::run(&args, &repository)),
        Command::Retry(args) => printer.finish(release::run_retry(&args, &repository)),
        Command::Show(args) => printer.finish(show::run(&args, &repository)),
        Command::Tasks(args) if args.watch => tasks::watch(&args, &repository, printer),
        Command::Tasks(args) => tasks::run(&args, &repository, printer),
        Command::Wait(args) => printer.finish(wait::run(&args, &repository, stopwatch)),
        Command::Watch(args) => printer.stream(|stream| watch::run(&args, &repository, stream)),
        Command::Stats(args) if args.prometheus => printer.plain(prometheus(&args, printer, &repository)),
        Command::Stats(args) => printer.finish(stats::run(&args, &repository)),
        Command::Pause(args) => printer.finish(settings::run(&args, Setting::Paused, &repository)),
        Command::Resume(args) => printer.finish(settings::run(&args, Setting::Resumed, &repository)),
        Command::Limit(args) => {
            let set = |max| settings::run(&args.queue, max, &repository);
            printer.finish(Setting::in_flight(args.max_in_flight).and_then(set))
        }
        Command::Gc(args) => printer.finish(gc::run(&args, &repository)),
        Command::Export => printer.stream(|stream| archive::export(&repository, stream)),
        Command::Import => printer.finish(archive::import(&repository)),
        Command::Doctor(args) => printer.finish(doctor::run(&args, &repository)),
        Command::Completions(args) => printer.finish(completions::run(&args)),
    }
}

/// Whether a command changes something if it does what is asked.
fn changes(command: &Command) -> bool {
    match command {
        Command::Gc(args) => !args.dry_run,
        Command::Doctor(args) => args.repair,
        Command::Show(_)
        | Command::Tasks(_)
        | Command::Wait(_)
        | Command::Watch(_)
        | Command::Stats(_)
        | Command::Export
        | Command::Completions(_) => false,
        Command::Init
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
        | Command::Import => true,
    }
}

/// The schema of the very answer that a command will give, for `--print`.
fn schema_of(command: &Command) -> Schema {
    match command {
        Command::Init => schema::of_answer::<init::Initialised>(),
        Command::Enqueue(args) if args.batch.is_some() => schema::of_answer::<batch::Batched>(),
        Command::Enqueue(_) => schema::of_answer::<enqueue::Single>(),
        Command::Claim(args) if args.max.is_some() => schema::of_answer::<claim::Several>(),
        Command::Claim(_) => schema::of_answer::<claim::Mine>(),
        Command::Heartbeat(_) => schema::of_answer::<heartbeat::Kept>(),
        Command::Complete(_) => schema::of_answer::<complete::Completed>(),
        Command::FailTask(_) => schema::of_answer::<fail_task::Failed>(),
        Command::Release(_) => schema::of_answer::<release::Released>(),
        Command::Retry(_) => schema::of_answer::<release::PutBack>(),
        Command::CancelTask(_) => schema::of_answer::<cancel_task::Cancelled>(),
        Command::Show(_) => schema::of_answer::<show::Shown>(),
        Command::Tasks(_) => schema::of_answer::<tasks::Tasks>(),
        Command::Wait(_) => schema::of_answer::<wait::Ends>(),
        Command::Watch(_) => schema::of_each_line::<watch::Sight>(),
        Command::Stats(_) => schema::of_answer::<stats::Stats>(),
        Command::Pause(_) | Command::Resume(_) | Command::Limit(_) => schema::of_answer::<settings::QueueSettings>(),
        Command::Gc(_) => schema::of_answer::<gc::Removal>(),
        Command::Export => schema::of_each_line::<schema::ExportedLine>(),
        Command::Import => schema::of_answer::<archive::Import>(),
        Command::Doctor(_) => schema::of_answer::<doctor::Examined>(),
        Command::Completions(_) => schema::of_answer::<completions::Script>(),
    }
}

fn prometheus(
    args: &args::Stats,
    Printer { format, fields, .. }: Printer<'_>,
    repository: &Repository,
) -> Result<Answered<String>, Failure> {
    if format == Format::Json || !fields.is_empty() {
        return Err(bad_args("--prometheus is a format of its own: leave --json and --print out"));
    }
    let Answered { answer, warnings } = stats::run(args, repository)?;
    Ok(Answered { answer: answer.prometheus(), warnings })
}

/// The repository that the command was granted, which is opened only once all values have been checked.
struct Repository {
    sync: Option<String>,
}

/// A queue, and what people call its directory.
struct OpenQueue {
    queue: Queue<DirStore>,
    directory: String,
}

impl Repository {
    fn open(&self) -> Result<OpenQueue, Failure> {
        self.open_by(Queue::open)
    }

    fn open_for_doctor(&self) -> Result<OpenQueue, Failure> {
        self.open_by(Queue::open_for_doctor)
    }

    fn open_by(&self, open: fn(DirStore) -> Result<Queue<DirStore>, Error>) -> Result<OpenQueue, Failure> {
        let sync = self.sync()?;
        let mut grants = host::grants().into_iter();
        let Some(Grant { directory, name }) = grants.next() else { return Err(no_repository()) };
        if grants.next().is_some() {
            return Err(bad_args("more than one directory was granted: grant .muse/coordination alone"));
        }
        let queue = open(DirStore::new(directory, sync))?;
        Ok(OpenQueue { queue, directory: name })
    }

    fn sync(&self) -> Result<Sync, Failure> {
        match self.sync.as_deref() {
            None | Some("on") => Ok(Sync::On),
            Some("posix") => Ok(Sync::Posix),
            Some("off") => Ok(Sync::Off),
            Some(other) => Err(bad_args(format!("MUSE_COORD_SYNC must be on, posix or off, not {other:?}"))),
        }
    }
}

/// Why what prints line by line stopped.
enum Stopped {
    Queue(Error),
    NobodyReads,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Queue(error)
    }
}

fn no_repository() -> Failure {
    Failure {
        error: "fatal: not a muse repository (or any parent up to mount point /)".to_string(),
        status: "not_a_repository",
        standing: None,
        hint: Some(
            "run `muse coord init` where the repository is to be, or set MUSE_REPO_ROOT to a directory that holds .muse/; \
             under wasmtime, grant it with --dir .muse/coordination",
        ),
        exit_code: 2,
    }
}

fn bad_args(error: impl ToString) -> Failure {
    Failure::new("bad_args", error)
}

impl From<BadRequest> for Failure {
    fn from(bad: BadRequest) -> Failure {
        Failure::new(bad.code(), bad.message(&FIELD_NAMES))
    }
}

/// Words that were typed with commas between them, without the empty ones.
fn words<Word: AsRef<str>>(typed: impl IntoIterator<Item = Word>) -> Vec<String> {
    let words = typed.into_iter().map(|word| word.as_ref().trim().to_string());
    words.filter(|word| !word.is_empty()).collect()
}

fn nonce() -> Result<Nonce, Failure> {
    host::nonce().ok_or_else(|| Failure::new("io_error", "the host gives no random numbers; nothing was changed"))
}

/// Checks the run id; then `between`, which the contract puts before the task id; then the task id and the nonce.
fn lease<T>(
    args: &args::Lease,
    between: impl FnOnce() -> Result<T, BadRequest>,
) -> Result<(TaskId, Claimant, T), BadRequest> {
    let run_id = request::run_id(Some(&args.run.run_id))?;
    let between = between()?;
    let id = request::task_id(&args.task_id)?;
    let nonce = request::claim_nonce(args.claim_nonce.as_deref())?;
    Ok((id, Claimant { run_id, nonce }, between))
}
