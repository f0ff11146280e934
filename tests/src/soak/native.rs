//! The queue by the library: worker processes with two threads, each with a queue of its own, and orchestrators.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;

use coord_core::answer::ClaimRecord;
use coord_core::name::ErrorMessage;
use coord_core::queue::{
    Cancelling, Claim, ClaimRequest, Claimed, Enqueued, Finding, Gc, NewTask, Plan, Renewing, Retrying, Thoroughness,
};
use coord_core::transition::{Claimant, IfHeld, Refusal};
use coord_core::{JsonObject, Queue, limits};
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
    /// The coordination directory
    #[arg(long)]
    pub(super) directory: PathBuf,
    /// What its run ids begin with
    #[arg(long)]
    pub(super) name: String,
    /// What its choices follow from
    #[arg(long)]
    pub(super) seed: u64,
}

/// The library's own queue.
pub(super) struct Native(pub(super) Queue<DirStore>);

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
    Agent::new(run_id, options.seed ^ salt, Native::open(&options.directory), write)
}

impl Native {
    /// A queue of its own in that directory.
    pub(super) fn open(directory: &Path) -> Native {
        let handle = Handle::open(directory).expect("the coordination directory is there");
        Native(Queue::open(DirStore::new(handle, Sync::On)).expect("it is a queue"))
    }

    fn ask(&self, run_id: &str, op: &Op) -> Result<Answer, Box<dyn Error>> {
        let Native(queue) = self;
        let turn = &host::turn().ok_or("the system gives no random numbers")?;
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
}

impl Client for Native {
    fn is_alive(&self) -> bool {
        // It dies with its process.
        true
    }

    fn act(&mut self, run_id: &str, op: &Op) -> Option<Answer> {
        Some(self.ask(run_id, op).unwrap_or_else(|error| refused(error.as_ref())))
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
