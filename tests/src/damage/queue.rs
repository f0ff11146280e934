//! A queue with tasks in every state, made by the library itself, ten minutes ago: so that no doctor takes an
//! enqueuer to be at work.
#![expect(clippy::indexing_slicing, reason = "each list is as long as it is asked for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coord_core::layout;
use coord_core::name::{Nonce, QueueName};
use coord_core::queue::{Cancelling, ClaimRequest, Failing, NewTask, Plan, Progress, Renewing, Start, Thoroughness};
use coord_core::task::{Backoff, IfParentFails};
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{JsonObject, Queue, TaskId, Timestamp, Turn};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;

use super::files::all_below;

/// The tasks of a queue, by what can be done with them.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// Those that a claim may give out.
    pub(super) claimable: Vec<TaskId>,
    /// The one that `HOLDER` holds for an hour.
    pub(super) held: Option<TaskId>,
    /// All.
    pub(super) all: Vec<TaskId>,
    /// What belongs to each: its files, and the directories that it comes to.
    pub(super) places: BTreeMap<TaskId, Vec<PathBuf>>,
}

/// The holder of tasks in a queue as it is made.
pub(super) const HOLDER: &str = "holder";

/// How long ago the queue was made, in seconds: so all leases of a minute have run out.
const AGO_SECONDS: u64 = 600;

const HOUR: i64 = 3_600;

struct Maker {
    queue: Queue<DirStore>,
    at: Timestamp,
    nonce: Nonce,
    tasks: Tasks,
}

/// Makes the queue in a directory that is there.
pub(super) fn make(directory: &Path) -> Tasks {
    let handle = Handle::open(directory).expect("the directory is there");
    let queue = Queue::open(DirStore::new(handle, Sync::Off)).expect("it is empty");
    let at = Timestamp::from_micros(host::now().micros().saturating_sub(AGO_SECONDS * 1_000_000));
    let mut maker = Maker { queue, at, nonce: Nonce::from_bits(1 << 40), tasks: Tasks::default() };
    maker.fill();
    let files = all_below(directory).files;
    for (id, places) in &mut maker.tasks.places {
        places.extend(files.iter().filter(|file| file.to_string_lossy().contains(&id.hex())).cloned());
    }
    maker.tasks
}

impl Maker {
    fn fill(&mut self) {
        self.init();
        self.end_some();
        self.hold_some();
        self.let_some_wait();
    }

    fn init(&mut self) {
        let (now, nonce) = self.tick();
        let turn = Turn::new(&now, nonce);
        self.queue.init(&turn).expect("it can be made");
    }

    fn end_some(&mut self) {
        for ending in ["completed", "failed", "cancelled"] {
            let id = self.enqueue(|new| new.queue = queue(ending));
            self.claim(ending, HOLDER, HOUR);
            let (now, nonce) = self.tick();
            let turn = Turn::new(&now, nonce);
            match ending {
                "completed" => {
                    let result = JsonObject::parse(r#"{"done":true}"#).ok();
                    self.queue.complete(id, claimant(HOLDER), result, &turn).map(|_| ())
                }
                "failed" => {
                    let failing = Failing { error: "it broke".parse().expect("an error"), is_final: true };
                    self.queue.fail(id, claimant(HOLDER), failing, &turn).map(|_| ())
                }
                _ => {
                    let cancelling = Cancelling::new(HOLDER.parse().expect("a run id"), IfHeld::Force);
                    self.queue.cancel(id, cancelling, &turn).map(|_| ())
                }
            }
            .expect("it ends");
        }
    }

    fn hold_some(&mut self) {
        let held = self.enqueue(|new| new.queue = queue("held"));
        self.claim("held", HOLDER, HOUR);
        let (now, nonce) = self.tick();
        let turn = Turn::new(&now, nonce);
        let progress = Progress { progress: Some(0.5), note: None };
        self.queue
            .heartbeat(held, claimant(HOLDER), Renewing { progress: Some(progress), ..Renewing::default() }, &turn)
            .expect("it is held");
        self.tasks.held = Some(held);
        // By a run id that is too long for a name, and with somebody who waits.
        self.enqueue(|new| new.queue = queue("long"));
        self.claim("long", &"long-".repeat(30), HOUR);
        let parents = [held];
        self.enqueue(|new| new.plan.after = parents.to_vec());
        let parents: Vec<TaskId> = self.tasks.all.iter().rev().take(2).copied().collect();
        self.enqueue(|new| {
            new.plan.after.clone_from(&parents);
            new.plan.if_parent_fails = Some(IfParentFails::Run);
        });
        // The lease has run out since.
        let timed_out = self.enqueue(|new| new.queue = queue("timed-out"));
        self.claim("timed-out", "dead", 60);
        // One attempt of two has failed, and the next is due.
        let again = self.enqueue(|new| {
            new.queue = queue("again");
            new.plan.max_attempts = Some(2);
            new.plan.backoff = Some(Backoff { seconds: 1, max_seconds: 1 });
        });
        self.claim("again", HOLDER, HOUR);
        let (now, nonce) = self.tick();
        let turn = Turn::new(&now, nonce);
        let failing = Failing::from("not yet".parse::<coord_core::name::ErrorMessage>().expect("an error"));
        self.queue.fail(again, claimant(HOLDER), failing, &turn).expect("it fails");
        self.tasks.claimable.extend([timed_out, again]);
    }

    fn let_some_wait(&mut self) {
        self.enqueue(|new| new.plan.start = Start::After(HOUR));
        let due = self.enqueue(|new| new.plan.start = Start::After(60));
        self.tasks.claimable.push(due);
        for number in 0..6 {
            let id = self.enqueue(|new| {
                new.priority = [0, 0, 5, -1, 0, 0][number];
                new.queue = queue(["default", "default", "default", "default", "other", "other"][number]);
                new.tags = match number {
                    1 => (0..9).map(|number| format!("a-long-tag-{number}").parse().expect("a tag")).collect(),
                    _ => Vec::new(),
                };
                new.plan.unique = (number == 4).then(|| "key".parse().expect("a key"));
            });
            self.tasks.claimable.push(id);
        }
    }

    fn enqueue(&mut self, change: impl Fn(&mut NewTask)) -> TaskId {
        let mut new = NewTask {
            title: "task".parse().expect("a title"),
            priority: 0,
            queue: QueueName::default_queue(),
            ttl_seconds: 100_000,
            created_by: "orchestrator".parse().expect("a run id"),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse(&format!(r#"{{"number":{}}}"#, self.tasks.all.len())).expect("an object"),
        };
        change(&mut new);
        let (now, nonce) = self.tick();
        let turn = Turn::new(&now, nonce);
        let task = self.queue.enqueue(new, &turn).expect("it can be enqueued").task;
        let ready = layout::ready_bucket(&task.record.queue, task.record.priority, task.record.created_at);
        let comes_to = layout::dirs_for_task(task.id).into_iter().chain([ready]);
        self.tasks.places.insert(task.id, comes_to.map(|dir| PathBuf::from(dir.as_str())).collect());
        self.tasks.all.push(task.id);
        task.id
    }

    fn claim(&mut self, name: &str, run_id: &str, lease_seconds: i64) {
        let run_id = run_id.parse().expect("a run id");
        let request = ClaimRequest { queues: vec![queue(name)], ..ClaimRequest::any(run_id, lease_seconds) };
        let (now, nonce) = self.tick();
        let turn = Turn::new(&now, nonce);
        let claim = self.queue.claim(&request, Thoroughness::Full, &turn).expect("it can be claimed");
        assert!(claim.claimed.is_some(), "a task of {name} waits");
    }

    fn tick(&mut self) -> (Timestamp, Nonce) {
        self.at = self.at.plus_micros(20_000);
        self.nonce = Nonce::from_bits(self.nonce.bits() + (1 << 16));
        (self.at, self.nonce)
    }
}

fn queue(name: &str) -> QueueName {
    name.parse().expect("a queue")
}

fn claimant(run_id: &str) -> Claimant {
    Claimant { run_id: run_id.parse().expect("a run id"), nonce: None }
}
