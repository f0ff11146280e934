//! An agent runs an operation, and is told what came of it. It opens the queue anew each time, as a process does.

use std::fmt;

use coord_core::answer::ClaimRecord;
use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{
    Batch, Cancelling, ClaimRequest, Enqueued, Failing, Gc, ImportError, Imported, Progress, Renewing, Retrying,
    Status, Thoroughness,
};
use coord_core::store::mem::MemStore;
use coord_core::tags::Choice;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, Store, Task, TaskId, Timestamp, Turn};

use super::operation::{New, Operation, task};

/// How long every lease lasts, in seconds.
pub const LEASE_SECONDS: i64 = 3;

/// When the simulation begins, in seconds since 1970.
pub const EPOCH: u64 = 1_795_336_200;

/// An agent runs an operation, at a time that its own clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invocation {
    /// Which agent, by its number.
    pub agent: usize,
    /// What to do.
    pub operation: Operation,
    /// What its clock says.
    pub now: Timestamp,
    /// The random number that it draws, from which its other nonces follow.
    pub nonce: Nonce,
    /// The lease that it names, if it names one.
    pub lease: Option<Nonce>,
}

/// What came of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The task is in the queue.
    Enqueued(TaskId),
    /// This task was in the queue, and has the key.
    Deduplicated(TaskId),
    /// These two are in the queue; each was there before if it says so.
    Both([(TaskId, bool); 2]),
    /// The task of a line is in the queue, and was not before.
    Imported(TaskId),
    /// The task of a line was in the queue before.
    Already(TaskId),
    /// The task is the agent's, by this generation and nonce.
    Claimed(TaskId, u32, Nonce),
    /// There is nothing to claim.
    Nothing,
    /// The lease goes on.
    Kept(TaskId, Nonce),
    /// The lease goes on, and its holder is asked to stop.
    AskedToStop(TaskId, Nonce),
    /// The task has ended as the operation says, under this lease.
    Ended(TaskId, Nonce),
    /// The task has ended in success, under this lease, and this one follows.
    Followed(TaskId, Nonce, TaskId),
    /// The attempt under this lease has ended; the task is tried again.
    TriedAgain(TaskId, Nonce),
    /// The task is given back, and this generation's holder has it no more.
    Released(TaskId, u32),
    /// The holder is asked to stop.
    Requested(TaskId),
    /// The task can be claimed again after its end.
    PutBack(TaskId),
    /// The directory was examined, or something was set.
    Done,
    /// The queue does not allow it: the error's stable word.
    Refused(&'static str),
    /// The medium failed, and nothing happened that was asked for.
    Failed,
    /// It is not known what happened: the medium failed.
    Unknown,
}

/// A time, in seconds after the simulation's beginning.
pub fn after(seconds: u64) -> Timestamp {
    Timestamp::from_micros((EPOCH + seconds) * 1_000_000)
}

/// The number of the agent whose run id is too long for a name.
pub const LONG_NAMED: usize = 4;

fn told(answer: Result<Answer, Error>) -> Answer {
    match answer {
        Ok(answer) => answer,
        Err(Error::Store(_)) => Answer::Failed,
        Err(Error::Unknown(_)) => Answer::Unknown,
        Err(error) => Answer::Refused(error.code()),
    }
}

/// An agent's name.
pub fn name(agent: usize) -> RunId {
    let long = "an agent whose run id is too long for a name";
    ["ann", "bob", "cid", "dot", long, "fay", "gus", "hal", "ida"][agent].parse().expect("a run id")
}

impl Invocation {
    /// Runs it on a queue that is opened for it, as a command does.
    pub fn run<S: Store>(&self, store: S) -> Answer {
        self.run_after([], store)
    }

    /// Runs it on a queue that is opened for it and for what comes before it.
    pub fn run_after<'a, S: Store>(&self, earlier: impl IntoIterator<Item = &'a Invocation>, store: S) -> Answer {
        told(Queue::open(store).and_then(|queue| {
            earlier.into_iter().for_each(|invocation| drop(invocation.try_run(&queue)));
            self.try_run(&queue)
        }))
    }

    /// Runs it on a queue that has been used before, and that has a cache.
    pub fn run_on<S: Store>(&self, queue: &Queue<S>) -> Answer {
        told(self.try_run(queue))
    }

    /// Its clock stands still.
    fn turn(&self) -> Turn<'_> {
        Turn::new(&self.now, self.nonce)
    }

    fn try_run<S: Store>(&self, queue: &Queue<S>) -> Result<Answer, Error> {
        let (operation, turn) = (self.operation, &self.turn());
        let name = QueueName::default_queue();
        match operation {
            Operation::Enqueue(new) => {
                let Enqueued { task: Task { id, .. }, deduplicated } = queue.enqueue(task(new), turn)?;
                return Ok(if deduplicated { Answer::Deduplicated(id) } else { Answer::Enqueued(id) });
            }
            Operation::Claim => return self.claim(queue),
            Operation::Sweep => drop(queue.sweep(turn)?),
            Operation::Pause => drop(queue.pause(&name, turn)?),
            Operation::Resume => drop(queue.resume(&name)?),
            Operation::Limit(max) => queue.limit_in_flight(&name, max, turn)?,
            Operation::EnqueueBoth(new) => return enqueue_both(queue, new, turn),
            Operation::Gc => drop(queue.gc(ALL_THAT_ENDED, turn)?),
            Operation::Export => export(queue, turn)?,
            Operation::Import(new, at) => return import(queue, &line_of(new, at), turn),
            Operation::Repair => drop(queue.repair(turn)?),
            Operation::Retry(id) => {
                return Ok(Answer::PutBack(queue.retry(id, Retrying::default(), turn)?.released.task_id));
            }
            Operation::Cancel(id) => return self.cancel(queue, id, IfHeld::Refuse),
            Operation::RequestCancel(id) => return self.cancel(queue, id, IfHeld::Request),
            Operation::ForceCancel(id) => return self.cancel(queue, id, IfHeld::Force),
            Operation::Heartbeat(id)
            | Operation::Progress(id)
            | Operation::Complete(id)
            | Operation::CompleteAndEnqueue(id, _)
            | Operation::Fail(id)
            | Operation::FailFinally(id)
            | Operation::Release(id)
            | Operation::ReleaseLater(id, _) => return self.try_as_holder(queue, id),
        }
        Ok(Answer::Done)
    }

    fn claim<S: Store>(&self, queue: &Queue<S>) -> Result<Answer, Error> {
        let claimed = queue.claim(&claim_by(self.agent), Thoroughness::Full, &self.turn())?.claimed;
        Ok(claimed.map_or(Answer::Nothing, |claimed| {
            Answer::Claimed(claimed.task.id, claimed.record.generation, claimed.record.claim_nonce)
        }))
    }

    fn cancel<S: Store>(&self, queue: &Queue<S>, id: TaskId, if_held: IfHeld) -> Result<Answer, Error> {
        let cancelling = Cancelling { run_id: name(self.agent), if_held, reason: None };
        let ClaimRecord { status, claim_nonce, .. } = queue.cancel(id, cancelling, &self.turn())?;
        Ok(if status == Status::Cancelled { Answer::Ended(id, claim_nonce) } else { Answer::Requested(id) })
    }

    fn try_as_holder<S: Store>(&self, queue: &Queue<S>, id: TaskId) -> Result<Answer, Error> {
        let (operation, turn) = (self.operation, &self.turn());
        let claimant = Claimant { run_id: name(self.agent), nonce: self.lease };
        let result = || Some(JsonObject::parse(&result_of(self.nonce)).expect("JSON"));
        match operation {
            Operation::Complete(_) => Ok(Answer::Ended(id, queue.complete(id, claimant, result(), turn)?.claim_nonce)),
            Operation::CompleteAndEnqueue(_, new) => {
                let new = Vec::from([task(new)]);
                let completed = queue.complete_and_enqueue(id, claimant, result(), new, turn)?;
                Ok(Answer::Followed(id, completed.record.claim_nonce, completed.enqueued[0].task.id))
            }
            Operation::Fail(_) | Operation::FailFinally(_) => {
                let is_final = matches!(operation, Operation::FailFinally(_));
                let failing = Failing { error: "".parse().expect("an empty message"), is_final };
                let ClaimRecord { status, claim_nonce, .. } = queue.fail(id, claimant, failing, turn)?;
                let ended = status == Status::Failed;
                Ok(if ended { Answer::Ended(id, claim_nonce) } else { Answer::TriedAgain(id, claim_nonce) })
            }
            Operation::Release(_) => Ok(Answer::Released(id, queue.release(id, claimant, 0, turn)?.generation)),
            Operation::ReleaseLater(_, seconds) => {
                Ok(Answer::Released(id, queue.release(id, claimant, seconds, turn)?.generation))
            }
            _ => {
                let progress = matches!(operation, Operation::Progress(_)).then(Progress::default);
                let kept = queue.heartbeat(id, claimant, Renewing { lease_seconds: None, progress }, turn)?;
                let is_asked = kept.cancel.cancel_requested;
                Ok(if is_asked {
                    Answer::AskedToStop(id, kept.claim_nonce)
                } else {
                    Answer::Kept(id, kept.claim_nonce)
                })
            }
        }
    }
}

/// Every ended task, however late it has ended.
const ALL_THAT_ENDED: Gc = Gc { older_than_seconds: 0, keep_last: 0, dry_run: false };

fn enqueue_both<S: Store>(queue: &Queue<S>, new: [New; 2], turn: &Turn<'_>) -> Result<Answer, Error> {
    let both = Batch::new(new.map(task).into()).step(queue, turn)?.expect("two tasks");
    let told = |place: usize| (both[place].task.id, both[place].deduplicated);
    Ok(Answer::Both([told(0), told(1)]))
}

/// Each task as a line, which an empty queue takes.
fn export<S: Store>(queue: &Queue<S>, turn: &Turn<'_>) -> Result<(), Error> {
    let elsewhere = Queue::open(MemStore::new())?;
    queue
        .export(turn, |line: String| {
            let taken = elsewhere.import(&line, &Turn::new(&turn.now(), Nonce::from_bits(0xe1)));
            // The export is no snapshot: the holder of a key, or a parent, may have changed since it was read.
            assert!(taken.is_ok(), "{taken:?}: {line}");
            Ok(())
        })
        .map(drop)
}

fn import<S: Store>(queue: &Queue<S>, line: &str, turn: &Turn<'_>) -> Result<Answer, Error> {
    match queue.import(line, turn) {
        Ok(Imported::Now(id) | Imported::Cancelled(id)) => Ok(Answer::Imported(id)),
        Ok(Imported::Already(id)) => Ok(Answer::Already(id)),
        Ok(Imported::KeyTaken(_)) => Ok(Answer::Refused("key_taken")),
        Ok(other) => panic!("{other:?}: {line}"),
        Err(ImportError::Queue(error)) => Err(error),
        Err(ImportError::Line(bad)) => panic!("{bad}: {line}"),
    }
}

/// The line of a task that was enqueued then, in another queue.
pub fn line_of(new: New, at: Timestamp) -> String {
    let queue = Queue::open(MemStore::new()).expect("an empty store");
    let mut lines = Vec::new();
    queue
        .enqueue(task(New { after: [None, None], ..new }), &Turn::new(&at, Nonce::from_bits(0xe0)))
        .expect("a store at rest");
    let exported: Result<_, Error> = queue.export(&Turn::new(&at, Nonce::from_bits(0xe1)), |line| {
        lines.push(line);
        Ok(())
    });
    exported.expect("a store at rest");
    lines.pop().expect("a task")
}

/// What an agent asks for when it claims.
pub fn claim_by(agent: usize) -> ClaimRequest {
    let (queues, choice) = (Vec::new(), Choice::default());
    ClaimRequest { run_id: name(agent), queues, choice, lease_seconds: LEASE_SECONDS }
}

/// The result that an agent reports. It names the invocation that it comes from.
pub fn result_of(nonce: Nonce) -> String {
    format!("{{\"by\":\"{nonce}\"}}")
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = String::from(name(self.agent));
        let seconds = self.now.micros().saturating_sub(EPOCH * 1_000_000) as f64 / 1e6;
        write!(f, "{who}: {} (at {seconds} s", self.operation)?;
        self.lease.iter().try_for_each(|lease| write!(f, ", as holder of lease {lease}"))?;
        write!(f, ")")
    }
}
