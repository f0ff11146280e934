//! A process that works on the queue until it is killed, and notes each change on standard output.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::answer::ClaimRecord;
use coord_core::name::{ErrorMessage, RunId, UniqueKey};
use coord_core::queue::{
    Batch, Cancelling, ClaimRequest, Claimed, EndStep, Enqueued, Failing, Finding, NewTask, Plan, Progress, Renewing,
    Thoroughness, Until, WaitingEnd,
};
use coord_core::task::Backoff;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, TaskId, Turn, limits};
use muse_cli::host;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::faulty::{Faulty, SeededBug};
use super::history::{Answer, FAILED, Label, Note, Op, Said, Seen};
use crate::log::Log;

/// One writer.
#[derive(Debug, clap::Args)]
pub struct WriterOptions {
    /// The coordination directory, in the image
    #[arg(long)]
    pub(super) directory: PathBuf,
    /// Its run id
    #[arg(long)]
    pub(super) name: String,
    /// What its choices follow from
    #[arg(long)]
    pub(super) seed: u64,
    /// Rely on nothing that POSIX does not promise
    #[arg(long)]
    pub(super) posix: bool,
    /// How long it thinks after each answer, at most, in microseconds
    #[arg(long)]
    pub(super) thinking_micros: u64,
    /// What it does wrong
    #[arg(long)]
    pub(super) bug: Option<SeededBug>,
}

/// So many of its latest tasks a writer knows: to cancel them, to wait for them, to enqueue others after them.
const KNOWN: usize = 16;

/// There are so many unique keys.
const KEYS: u32 = 6;

/// How long leases are, in seconds: the shortest, so that some run out.
const LEASE_SECONDS: i64 = 1;

/// How long a writer waits for an end.
const WAIT: Duration = Duration::from_millis(60);

/// Works until it is killed, or nobody reads what it notes.
pub fn write(options: &WriterOptions) {
    Writer::new(options).work()
}

struct Writer {
    queue: Queue<Faulty>,
    name: String,
    random: SmallRng,
    thinking_micros: u64,
    log: Log,
    known: Vec<TaskId>,
    labels: u64,
}

/// What a settled task, or some that were enqueued, are answered as.
type Outcome = Result<Answer, Error>;

impl Writer {
    fn new(options: &WriterOptions) -> Writer {
        let WriterOptions { directory, name, seed, posix, thinking_micros, bug } = options;
        let store = Faulty::open(directory, *posix, *bug).expect("the coordination directory is there");
        Writer {
            queue: Queue::open(store).expect("it is a queue, or empty"),
            name: name.clone(),
            random: SmallRng::seed_from_u64(*seed),
            thinking_micros: *thinking_micros,
            log: Log::open(),
            known: Vec::new(),
            labels: 0,
        }
    }

    fn work(&mut self) {
        loop {
            match self.random.random_range(0..100) {
                0..22 => self.enqueue(1, |plan| plan),
                22..26 => self.enqueue(3, |plan| plan),
                26..34 => self.enqueue_with_key(),
                34..44 => self.enqueue_child(),
                44..47 => self.wait(),
                47..52 => self.cancel_one(),
                _ => self.claim(),
            }
        }
    }

    fn enqueue(&mut self, count: usize, plan: impl Fn(Plan) -> Plan) {
        let labels: Vec<Label> = (0..count).map(|_| self.label()).collect();
        let new: Vec<NewTask> = labels.iter().map(|label| self.new_task(label, &plan)).collect();
        self.note(Said::Began(Op::Enqueue(labels)));
        let enqueued = match <[NewTask; 1]>::try_from(new) {
            Ok([new]) => self.queue.enqueue(new, &turn()).map(|enqueued| vec![enqueued]),
            Err(new) => Batch::new(new).step(&self.queue, &turn()).map(Option::unwrap_or_default),
        };
        if let Ok(enqueued) = &enqueued {
            self.learn(enqueued);
        }
        self.answer(enqueued.map(|enqueued| Answer::Enqueued(ids(&enqueued))));
    }

    fn enqueue_with_key(&mut self) {
        let key = format!("key-{}", self.random.random_range(0..KEYS));
        let key: UniqueKey = key.parse().expect("a key");
        self.enqueue(1, |plan| Plan { unique: Some(key.clone()), ..plan });
    }

    /// After one or two that are known.
    fn enqueue_child(&mut self) {
        let parents = self.random.random_range(1..=2);
        let mut after: Vec<TaskId> = (0..parents).filter_map(|_| self.any_known()).collect();
        after.dedup();
        self.enqueue(1, |plan| Plan { after: after.clone(), ..plan });
    }

    fn wait(&mut self) {
        let ids: Vec<TaskId> = self.known.clone();
        self.note(Said::Began(Op::Wait));
        let (mut waiting, began) = (WaitingEnd::new(ids, Until::Any, WAIT), Instant::now());
        let answer = loop {
            match waiting.step(&self.queue, began.elapsed(), &turn()) {
                Ok(EndStep::Sleep(pause)) => thread::sleep(pause),
                Ok(EndStep::Done(waited)) => {
                    let items = waited.tasks.iter().filter_map(|(_, item)| item.as_ref());
                    let ended = items.filter(|item| item.ended_at.is_some()).map(|item| Seen {
                        task: item.task.id.to_string(),
                        status: item.status,
                        result: item.result.as_ref().map(|result| result.text().to_string()),
                    });
                    break Ok(Answer::Saw(ended.collect()));
                }
                Err(error) => break Err(error),
            }
        };
        self.answer(answer);
    }

    fn cancel_one(&mut self) {
        let Some(id) = self.any_known() else { return };
        let if_held = if self.random.random_bool(0.5) { IfHeld::Force } else { IfHeld::Refuse };
        self.cancel(id, if_held);
    }

    fn cancel(&mut self, id: TaskId, if_held: IfHeld) {
        let cancelling = Cancelling::new(self.run_id(), if_held);
        self.note(Said::Began(Op::Cancel { task: id.to_string() }));
        let cancelled = self.queue.cancel(id, cancelling, &turn());
        self.answer(cancelled.map(settled));
    }

    fn claim(&mut self) {
        let request = ClaimRequest::any(self.run_id(), LEASE_SECONDS);
        let claim = self.queue.claim(&request, Thoroughness::Full, &turn());
        match claim {
            Ok(claim) => {
                for finding in claim.findings.iter().filter(|finding| !matches!(finding, Finding::PassedOver(_))) {
                    self.complain(finding.to_string());
                }
                match claim.claimed {
                    Some(claimed) => self.settle(claimed),
                    // Somebody enqueues soon.
                    None => thread::sleep(Duration::from_millis(1)),
                }
            }
            Err(error) => self.complain(error.to_string()),
        }
    }

    fn settle(&mut self, Claimed { task, record, .. }: Claimed) {
        let id = task.id;
        match self.random.random_range(0..100) {
            0..34 => self.complete(id, &record, true, 0),
            34..56 => self.complete(id, &record, false, 0),
            56..68 => self.complete_and_follow(id, &record),
            68..80 => self.fail(id, &record),
            80..84 => self.cancel(id, IfHeld::Force),
            84..88 => {
                let progress = Progress { progress: Some(0.5), note: None };
                let kept = self.queue.heartbeat(
                    id,
                    claimant(&record),
                    Renewing { progress: Some(progress), ..Renewing::default() },
                    &turn(),
                );
                match kept {
                    Ok(_) => self.complete(id, &record, true, 0),
                    Err(error) => self.complain_unless_refused(error),
                }
            }
            88..94 => {
                let released = self.queue.release(id, claimant(&record), 0, &turn());
                released.map_or_else(|error| self.complain_unless_refused(error), drop);
            }
            // Its lease runs out.
            _ => {}
        }
    }

    fn complete_and_follow(&mut self, id: TaskId, record: &ClaimRecord) {
        let (says_something, follow_ups) = (self.random.random_bool(0.5), self.random.random_range(1..=2));
        self.complete(id, record, says_something, follow_ups);
    }

    fn complete(&mut self, id: TaskId, record: &ClaimRecord, says_something: bool, follow_ups: usize) {
        let result = says_something.then(|| self.result());
        let labels: Vec<Label> = (0..follow_ups).map(|_| self.label()).collect();
        let new: Vec<NewTask> = labels.iter().map(|label| self.new_task(label, &|plan| plan)).collect();
        let text = result.as_ref().map(|result| result.text().to_string());
        self.note(Said::Began(Op::Complete { task: id.to_string(), result: text, follow_ups: labels }));
        let (claimant, turn) = (claimant(record), &turn());
        let completed = match new.is_empty() {
            true => self.queue.complete(id, claimant, result, turn).map(|record| (record, Vec::new())),
            false => self
                .queue
                .complete_and_enqueue(id, claimant, result, new, turn)
                .map(|completed| (completed.record, completed.enqueued)),
        };
        if let Ok((_, enqueued)) = &completed {
            self.learn(enqueued);
        }
        self.answer(
            completed.map(|(record, enqueued)| Answer::Settled { status: record.status, enqueued: ids(&enqueued) }),
        );
    }

    fn fail(&mut self, id: TaskId, record: &ClaimRecord) {
        let label = self.label();
        let error = format!("{FAILED}{label}");
        let failing = Failing::from(error.parse::<ErrorMessage>().expect("an error message"));
        self.note(Said::Began(Op::Fail { task: id.to_string(), error }));
        let failed = self.queue.fail(id, claimant(record), failing, &turn());
        self.answer(failed.map(settled));
    }

    /// Of a few bytes, of most of a block, or of several blocks.
    fn result(&mut self) -> JsonObject {
        let (label, bytes) = (self.label(), [0, 200, 3_000, 20_000]);
        let bytes = bytes.get(self.random.random_range(0..bytes.len())).copied().unwrap_or(0);
        let result = serde_json::json!({ "of": label, "text": "x".repeat(bytes) });
        JsonObject::parse(&result.to_string()).expect("a result")
    }

    /// Half of the tasks have several attempts.
    fn new_task(&mut self, label: &Label, plan: &impl Fn(Plan) -> Plan) -> NewTask {
        let max_attempts = self.random.random_bool(0.5).then_some(3);
        let backoff = max_attempts.map(|_| Backoff { seconds: 0, max_seconds: 1 });
        let payload = serde_json::json!({ "label": label }).to_string();
        NewTask {
            title: "power cut".parse().expect("a title"),
            priority: self.random.random_range(-1..=1),
            queue: "work".parse().expect("a queue"),
            ttl_seconds: limits::PENDING_TTL_SECONDS_DEFAULT,
            created_by: self.run_id(),
            tags: Vec::new(),
            plan: plan(Plan { max_attempts, backoff, ..Plan::default() }),
            payload: JsonObject::parse(&payload).expect("a payload"),
        }
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        format!("{}-{}", self.name, self.labels)
    }

    fn run_id(&self) -> RunId {
        self.name.parse().expect("a run id")
    }

    fn any_known(&mut self) -> Option<TaskId> {
        let place = self.random.random_range(0..self.known.len().max(1));
        self.known.get(place).copied()
    }

    fn learn(&mut self, enqueued: &[Enqueued]) {
        self.known.extend(enqueued.iter().map(|enqueued| enqueued.task.id));
        self.known.drain(..self.known.len().saturating_sub(KNOWN));
    }

    fn answer(&mut self, outcome: Outcome) {
        let answer = outcome.unwrap_or_else(|error| match error {
            Error::Refused { .. } => Answer::Refused,
            error => Answer::Broken(error.to_string()),
        });
        self.note(Said::Got(answer));
        self.think();
    }

    /// Else what one writer forgets to sync is synced a moment later, with what the next one does.
    fn think(&mut self) {
        thread::sleep(Duration::from_micros(self.random.random_range(0..self.thinking_micros.max(1))));
    }

    /// Of an operation that is not noted.
    fn complain(&mut self, what: String) {
        self.note(Said::Began(Op::Wait));
        self.note(Said::Got(Answer::Broken(what)));
    }

    fn complain_unless_refused(&mut self, error: Error) {
        if !matches!(error, Error::Refused { .. }) {
            self.complain(error.to_string());
        }
    }

    fn note(&mut self, said: Said) {
        self.log.note(&Note::now(said));
    }
}

fn claimant(record: &ClaimRecord) -> Claimant {
    let run_id = record.claimer_run_id.parse().expect("it was one when it claimed");
    Claimant { run_id, nonce: Some(record.claim_nonce) }
}

fn settled(record: ClaimRecord) -> Answer {
    Answer::Settled { status: record.status, enqueued: Vec::new() }
}

fn ids(enqueued: &[Enqueued]) -> Vec<String> {
    enqueued.iter().map(|enqueued| enqueued.task.id.to_string()).collect()
}

fn turn() -> Turn<'static> {
    host::turn().expect("the system gives random numbers")
}
