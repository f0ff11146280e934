//! Who gives which order, and what came of it. An agent opens the queue anew for each order, as a process does.

use std::fmt;

use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{ClaimRequest, NewTask, Thoroughness};
use coord_core::task::Record;
use coord_core::transition::Claimant;
use coord_core::{Error, JsonObject, Queue, Store, Task, TaskId, Timestamp};

/// How long every lease lasts, in seconds.
pub const LEASE_SECONDS: i64 = 3;

/// When the simulation begins, in seconds since 1970.
pub const EPOCH: u64 = 1_795_336_200;

/// What an agent is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Add a task of this number, with this priority, which may wait so many seconds.
    Enqueue(u16, i64, i64),
    /// Take the first task.
    Claim,
    /// Go on holding the task.
    Heartbeat(TaskId),
    /// End the task in success, with a result.
    Complete(TaskId),
    /// End the task in failure, with nothing to say.
    Fail(TaskId),
    /// Give the task back.
    Release(TaskId),
    /// Call the task off.
    Cancel(TaskId),
    /// Call the task off, whoever holds it.
    ForceCancel(TaskId),
    /// Examine and mend the directory.
    Repair,
}

/// An order, when it is given by the agent's clock, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errand {
    /// Which agent, by its number.
    pub agent: usize,
    /// What to do.
    pub order: Order,
    /// What its clock says.
    pub now: Timestamp,
    /// The random number that it draws; a repair draws those that follow it too.
    pub nonce: Nonce,
    /// The lease that it means, if it says so.
    pub lease: Option<Nonce>,
}

/// What came of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The task is in the queue.
    Enqueued(TaskId),
    /// The task is the agent's, by this generation and nonce.
    Claimed(TaskId, u32, Nonce),
    /// There is nothing to claim.
    Nothing,
    /// The lease goes on.
    Kept(TaskId, Nonce),
    /// The task has ended as ordered, under this lease.
    Ended(TaskId, Nonce),
    /// The task is given back, and this generation's holder has it no more.
    Released(TaskId, u32),
    /// The directory was examined.
    Examined,
    /// The queue does not allow it: the error's stable word.
    Refused(&'static str),
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
        Err(Error::Store(_)) => Answer::Unknown,
        Err(error) => Answer::Refused(error.code()),
    }
}

/// An agent's name.
pub fn name(agent: usize) -> RunId {
    let long = "an agent whose run id is too long for a name";
    ["ann", "bob", "cid", "dot", long, "fay"][agent].parse().expect("a run id")
}

impl Errand {
    /// Carries it out with a queue that is opened for it, as a command does.
    pub fn run<S: Store>(&self, store: S) -> Answer {
        told(Queue::open(store).and_then(|queue| self.try_run(&queue)))
    }

    /// Carries it out with a queue that has been used before, and remembers.
    pub fn run_on<S: Store>(&self, queue: &Queue<S>) -> Answer {
        told(self.try_run(queue))
    }

    fn try_run<S: Store>(&self, queue: &Queue<S>) -> Result<Answer, Error> {
        let Errand { order, now, nonce, .. } = *self;
        let claimant = || Claimant { run_id: name(self.agent), nonce: self.lease };
        Ok(match order {
            Order::Enqueue(number, priority, ttl_seconds) => {
                Answer::Enqueued(queue.enqueue(task(number, priority, ttl_seconds), now, nonce)?.id)
            }
            Order::Claim => {
                let request = ClaimRequest { run_id: name(self.agent), queue: None, lease_seconds: LEASE_SECONDS };
                match queue.claim(&request, Thoroughness::Full, now, nonce)?.claimed {
                    Some(claimed) => {
                        Answer::Claimed(claimed.task.id, claimed.record.generation, claimed.record.claim_nonce)
                    }
                    None => Answer::Nothing,
                }
            }
            Order::Heartbeat(id) => Answer::Kept(id, queue.heartbeat(id, claimant(), None, now)?.claim_nonce),
            Order::Complete(id) => {
                let result = JsonObject::parse(&result_of(nonce)).expect("JSON");
                Answer::Ended(id, queue.complete(id, claimant(), Some(result), now, nonce)?.claim_nonce)
            }
            Order::Fail(id) => {
                let nothing = "".parse().expect("an empty message");
                Answer::Ended(id, queue.fail(id, claimant(), nothing, now, nonce)?.claim_nonce)
            }
            Order::Release(id) => Answer::Released(id, queue.release(id, claimant(), now)?.generation),
            Order::Cancel(id) | Order::ForceCancel(id) => {
                let force = matches!(order, Order::ForceCancel(_));
                Answer::Ended(id, queue.cancel(id, name(self.agent), force, now, nonce)?.claim_nonce)
            }
            Order::Repair => {
                queue.repair(now, &mut nonce.counted_on())?;
                Answer::Examined
            }
        })
    }
}

/// The result that an agent reports: it tells which errand it came from.
pub fn result_of(nonce: Nonce) -> String {
    format!("{{\"by\":\"{nonce}\"}}")
}

/// A task to be enqueued.
pub fn task(number: u16, priority: i64, ttl_seconds: i64) -> NewTask {
    NewTask {
        title: format!("task {number}").parse().expect("a title"),
        priority,
        queue: QueueName::default_queue(),
        ttl_seconds,
        created_by: "orchestrator".parse().expect("a run id"),
        tags: Vec::new(),
        payload: JsonObject::parse("{}").expect("JSON"),
    }
}

/// The number of a task that comes into the same directories as those whose ids begin with these digits, enqueued then.
pub fn number_with(digits: &str, priority: i64, ttl_seconds: i64, now: Timestamp) -> u16 {
    let id_of = |number| {
        let NewTask { title, priority, queue, ttl_seconds, created_by, tags, payload } =
            task(number, priority, ttl_seconds);
        let record = Record { title, priority, queue, ttl_seconds, created_by, created_at: now, tags, payload };
        Task::encode(record).expect("JSON").0.id
    };
    (0..).find(|number| id_of(*number).hex().starts_with(digits)).expect("one of a few hundred")
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = String::from(name(self.agent));
        let seconds = self.now.micros().saturating_sub(EPOCH * 1_000_000) as f64 / 1e6;
        let what = match self.order {
            Order::Enqueue(number, priority, ttl) => format!("enqueue task {number}, priority {priority}, ttl {ttl}"),
            Order::Claim => "claim".to_string(),
            Order::Heartbeat(id) => format!("heartbeat {}", short(id)),
            Order::Complete(id) => format!("complete {}", short(id)),
            Order::Fail(id) => format!("fail {}", short(id)),
            Order::Release(id) => format!("release {}", short(id)),
            Order::Cancel(id) => format!("cancel {}", short(id)),
            Order::ForceCancel(id) => format!("cancel --force {}", short(id)),
            Order::Repair => "doctor --repair".to_string(),
        };
        write!(f, "{who}: {what} (at {seconds} s")?;
        self.lease.iter().try_for_each(|lease| write!(f, ", as holder of lease {lease}"))?;
        write!(f, ")")
    }
}

/// The beginning of an id, enough to tell a few tasks apart.
pub fn short(id: TaskId) -> String {
    id.fan_out(8)
}
