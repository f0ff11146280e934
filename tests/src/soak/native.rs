//! The queue by the library: worker processes with two threads, each with a queue of its own, and orchestrators.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::answer::ClaimRecord;
use coord_core::name::ErrorMessage;
use coord_core::queue::{
    Cancelling, Claim, ClaimRequest, Claimed, Enqueued, Filter, Finding, Gc, Listing, NewTask, Plan, Renewing,
    Retrying, Thoroughness,
};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld, Refusal};
use coord_core::{JsonObject, Queue, Store, Turn, limits};
use coord_postgres::{Passwords, PostgresStore};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;

use super::agent::{Agent, Client};
use super::history::{Answer, Holder, Label, Lease, Note, Op, Verdict};
use crate::log::Log;

/// One native process of the soak.
#[derive(Debug, clap::Args)]
pub struct AgentOptions {
    /// Enqueues a task for each line on standard input, instead of claiming
    #[arg(long)]
    pub(super) orchestrator: bool,
    #[command(flatten)]
    pub(super) at: At,
    /// What its run ids begin with
    #[arg(long)]
    pub(super) name: String,
    /// What its choices follow from
    #[arg(long)]
    pub(super) seed: u64,
}

/// Where the queue is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct At {
    /// The coordination directory
    #[arg(long)]
    pub(super) directory: PathBuf,
    /// The engine that the queue is on instead
    #[arg(long)]
    pub(super) engine: Option<String>,
}

/// The library's own queue.
pub(super) enum Native {
    Directory(Box<Queue<DirStore>>),
    Engine(Box<Queue<PostgresStore>>),
}

/// Is an agent until it is killed, or an orchestrator until nothing more is wanted.
pub fn agent(options: &AgentOptions) {
    if options.orchestrator {
        let mut orders = io::stdin().lines();
        one_of(options, "", 0).orchestrate(|| matches!(orders.next(), Some(Ok(_))));
        return;
    }
    thread::scope(|scope| {
        for (name, salt) in [(".a", 0), (".b", 1)] {
            // As a life is over by an answer that nobody foresaw, the process is.
            scope.spawn(move || match one_of(options, name, salt).work() {
                None => process::exit(1),
            });
        }
    });
}

fn one_of(options: &AgentOptions, name: &str, salt: u64) -> Agent<Native, impl FnMut(Note)> {
    let mut log = Log::open();
    let write = move |note: Note| log.note(&note);
    let run_id = format!("{}{name}", options.name);
    Agent::new(run_id, options.seed ^ salt, Native::open(&options.at), write)
}

impl Native {
    /// A queue of its own in that place.
    pub(super) fn open(at: &At) -> Native {
        match &at.engine {
            None => {
                let handle = Handle::open(&at.directory).expect("the coordination directory is there");
                Native::Directory(Box::new(Queue::open(DirStore::new(handle, Sync::On)).expect("it is a queue")))
            }
            Some(engine) => Native::Engine(Box::new(Queue::open(reached(engine)).expect("it is a queue"))),
        }
    }

    /// All tasks, up to so many.
    pub(super) fn tasks(&self, limit: usize) -> Listing {
        let (filter, now) = (Filter { limit, ..Filter::default() }, host::now());
        let listing = match self {
            Native::Directory(queue) => queue.tasks(&filter, now),
            Native::Engine(queue) => queue.tasks(&filter, now),
        };
        listing.expect("the queue can be listed")
    }
}

/// The server may be on its way up again.
fn reached(engine: &str) -> PostgresStore {
    let address = engine.parse().expect("the swarm names an address");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match coord_postgres::open(&address, Passwords::default()) {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

impl Client for Native {
    fn is_alive(&self) -> bool {
        // It dies with its process.
        true
    }

    fn act(&mut self, run_id: &str, op: &Op) -> Option<Answer> {
        let answer = match self {
            Native::Directory(queue) => ask(queue, run_id, op, &host::now),
            Native::Engine(queue) => ask(queue, run_id, op, &|| queue.store().server().now()),
        };
        match answer {
            // The server is gone: what was asked may have been done.
            Err(error) if is_of_engine(error.as_ref()) => None,
            answer => Some(answer.unwrap_or_else(|error| refused(error.as_ref()))),
        }
    }
}

fn is_of_engine(error: &(dyn Error + 'static)) -> bool {
    let known = error.downcast_ref::<coord_core::Error>();
    let of_store =
        |error: &StoreError| matches!(error.kind, StoreErrorKind::EngineRefused | StoreErrorKind::EngineLost);
    matches!(known, Some(coord_core::Error::Store(error) | coord_core::Error::Unknown(error)) if of_store(error))
}

fn ask<S: Store>(queue: &Queue<S>, run_id: &str, op: &Op, clock: &dyn Clock) -> Result<Answer, Box<dyn Error>> {
    let turn = &Turn::new(clock, host::nonce().ok_or("the system gives no random numbers")?);
    match op {
        Op::Enqueue { label, queue: name, priority, key } => {
            let new = new_task(label, name, *priority, key.as_deref())?;
            let Enqueued { task, deduplicated } = queue.enqueue(new, turn)?;
            let task = task.id.to_string();
            Ok(if deduplicated { Answer::Deduplicated { task } } else { Answer::Enqueued { task } })
        }
        Op::Retry { task } => {
            queue.retry(task.parse()?, Retrying { is_now: true, ..Retrying::default() }, turn)?;
            Ok(Answer::PutBack)
        }
        Op::Gc { older_than_seconds } => {
            let gc = Gc { older_than_seconds: *older_than_seconds, keep_last: 0, dry_run: false };
            queue.gc(gc, turn)?;
            Ok(Answer::Done)
        }
        Op::Limit { queue: name, max } => {
            queue.limit_in_flight(&name.parse()?, *max, turn)?;
            Ok(Answer::Done)
        }
        Op::Claim { queue: name, lease_seconds, .. } => {
            let queues = name.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            let request = ClaimRequest { queues, ..ClaimRequest::any(run_id.parse()?, *lease_seconds) };
            claimed(queue.claim(&request, Thoroughness::Full, turn)?)
        }
        Op::Heartbeat { task, nonce } => {
            let kept = queue.heartbeat(task.parse()?, claimant(run_id, nonce)?, Renewing::default(), turn)?;
            Ok(Answer::Kept(lease(&kept)))
        }
        Op::Settle { task, verdict, report, nonce } => {
            let (id, claimant) = (task.parse()?, claimant(run_id, nonce)?);
            let ended = match verdict {
                Verdict::Complete => queue.complete(id, claimant, Some(JsonObject::parse(report)?), turn),
                Verdict::Fail => queue.fail(id, claimant, report.parse::<ErrorMessage>()?.into(), turn),
            };
            Ok(Answer::Ended { generation: ended?.generation })
        }
        Op::Release { task, nonce } => {
            let released = queue.release(task.parse()?, claimant(run_id, nonce)?, 0, turn)?;
            Ok(Answer::Released { generation: released.generation })
        }
        Op::Cancel { task, force } => {
            let if_held = if *force { IfHeld::Force } else { IfHeld::Refuse };
            let ended = queue.cancel(task.parse()?, Cancelling::new(run_id.parse()?, if_held), turn)?;
            Ok(Answer::Ended { generation: ended.generation })
        }
    }
}

fn new_task(label: &Label, queue: &str, priority: i64, key: Option<&str>) -> Result<NewTask, Box<dyn Error>> {
    Ok(NewTask {
        title: "soak".parse()?,
        priority,
        queue: queue.parse()?,
        ttl_seconds: limits::PENDING_TTL_SECONDS_DEFAULT,
        created_by: label.by.parse()?,
        tags: Vec::new(),
        plan: Plan { unique: key.map(str::parse).transpose()?, ..Plan::default() },
        payload: JsonObject::parse(&serde_json::to_string(label)?)?,
    })
}

fn claimant(run_id: &str, nonce: &Option<String>) -> Result<Claimant, Box<dyn Error>> {
    Ok(Claimant { run_id: run_id.parse()?, nonce: nonce.as_deref().map(str::parse).transpose()? })
}

fn claimed(claim: Claim) -> Result<Answer, Box<dyn Error>> {
    if let Some(finding) = claim.findings.iter().find(|finding| !matches!(finding, Finding::PassedOver(_))) {
        return Err(finding.to_string().into());
    }
    let Some(Claimed { task, record, .. }) = claim.claimed else { return Ok(Answer::Empty) };
    let label = serde_json::from_str(task.record.payload.text())?;
    Ok(Answer::Claimed { task: task.id.to_string(), label, lease: lease(&record) })
}

fn lease(record: &ClaimRecord) -> Lease {
    Lease {
        generation: record.generation,
        nonce: record.claim_nonce.to_string(),
        claimed_micros: record.claimed_at.micros(),
        expires_micros: record.expires_at.micros(),
    }
}

fn refused(error: &(dyn Error + 'static)) -> Answer {
    let Some(known) = error.downcast_ref::<coord_core::Error>() else {
        return Answer::Broken { what: error.to_string() };
    };
    let status = known.code().to_string();
    match known {
        coord_core::Error::NotFound { .. } | coord_core::Error::KeyTaken { .. } => {
            Answer::Refused { status, holder: None }
        }
        coord_core::Error::Refused { refusal, who, .. } => {
            let generation = match refusal {
                Refusal::WrongOwner(current) | Refusal::LeaseLost(current) => Some(current.generation),
                _ => None,
            };
            let holder = who.clone().map(|run_id| Holder { run_id, generation });
            Answer::Refused { status, holder }
        }
        _ => Answer::Broken { what: error.to_string() },
    }
}
