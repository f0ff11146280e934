//! What agents do, whichever way they reach the queue: workers claim and settle, orchestrators enqueue and call off.
//!
//! They behave as badly as agents may: they work for longer than their lease, walk away, report twice, speak for tasks
//! that they have lost. What they may not do is claim what they were not given.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::history::{Answer, Label, Lease, Moment, Note, Op, Said, Task, Verdict};

/// The queues that tasks are enqueued in.
const QUEUES: [&str; 3] = ["red", "green", "blue"];

/// The one of them that is limited now and then.
pub(super) const LIMITED: &str = "blue";

/// How many keys there are in each queue.
const KEYS: u32 = 4;

/// What ended so long ago is removed.
const OLD_SECONDS: i64 = 4;

/// Leases are short, so that many run out.
const LEASE_SECONDS: std::ops::RangeInclusive<i64> = 1..=3;

/// A way to reach the queue.
pub(super) trait Client {
    /// Whether the agent lives. If it is killed during an operation, it stays open whether that took effect.
    fn is_alive(&self) -> bool;

    /// Does it; `None`: the agent was killed before it had the answer, or the engine is gone.
    fn act(&mut self, run_id: &str, op: &Op) -> Option<Answer>;
}

/// True for the warning that the limited queue has no more for now.
pub(super) fn tells_of_a_full_queue(warning: &str) -> bool {
    warning.contains(&format!("queue {LIMITED} is full: "))
}

/// True for the warning that something is in the way.
pub(super) fn tells_of_something_in_the_way(warning: &str) -> bool {
    warning.contains(" was skipped: ")
}

/// One life of an agent, under one run id. It is over as soon as an answer does not come.
pub(super) struct Agent<C, L> {
    run_id: String,
    rng: SmallRng,
    client: C,
    log: L,
}

impl<C: Client, L: FnMut(Note)> Agent<C, L> {
    pub(super) fn new(run_id: String, seed: u64, client: C, log: L) -> Self {
        Agent { run_id, rng: SmallRng::seed_from_u64(seed), client, log }
    }

    /// Claims and settles until its life is over.
    pub(super) fn work(&mut self) -> Option<Infallible> {
        let mut once_held: Vec<Task> = Vec::new();
        loop {
            match self.claim()? {
                Answer::Claimed { task, lease, .. } => {
                    self.attend(&task, &lease)?;
                    once_held.push(task);
                }
                _ => self.pause(10..50),
            }
            if self.one_in(20) {
                // One that this agent has had lately, whoever has it now.
                if let Some(task) = self.pick_late(&once_held, 3) {
                    self.cancel(task)?;
                }
            }
            if self.one_in(20)
                && let Some(task) = self.pick_late(&once_held, 3)
            {
                self.act(Op::Retry { task })?;
            }
        }
    }

    /// Enqueues as long as `wanted` says so, and sometimes calls a task off again.
    pub(super) fn orchestrate(&mut self, mut wanted: impl FnMut() -> bool) -> Option<()> {
        let mut enqueued: Vec<Task> = Vec::new();
        for number in 0.. {
            if !wanted() {
                break;
            }
            let label = Label { by: self.run_id.clone(), number };
            let queue = self.queue();
            let priority = self.rng.random_range(-1..=5);
            // As often as not one that others enqueue, too.
            let key = self.one_in(2).then(|| format!("key-{}", self.rng.random_range(0..KEYS)));
            let answer = self.act(Op::Enqueue { label, queue, priority, key })?;
            if let Answer::Enqueued { task } | Answer::Deduplicated { task } = answer {
                enqueued.push(task);
            }
            if self.one_in(10)
                && let Some(task) = self.pick_late(&enqueued, 20)
            {
                self.act(Op::Retry { task })?;
            }
            if self.one_in(40) {
                self.act(Op::Gc { older_than_seconds: OLD_SECONDS })?;
            }
            if self.one_in(40) {
                let max = self.one_in(2).then(|| self.rng.random_range(1..=3));
                self.act(Op::Limit { queue: LIMITED.to_string(), max })?;
            }
            if self.one_in(15)
                && let Some(task) = self.pick_late(&enqueued, 20)
            {
                self.cancel(task)?;
            }
        }
        Some(())
    }

    /// Claims and completes whatever can be claimed now.
    pub(super) fn drain(&mut self) {
        self.act(Op::Limit { queue: LIMITED.to_string(), max: None });
        let claim = Op::Claim { queue: None, lease_seconds: *LEASE_SECONDS.start(), wait_seconds: 0 };
        while let Some(Answer::Claimed { task, lease, .. }) = self.act(claim.clone()) {
            self.settle(&task, &lease, Verdict::Complete);
        }
    }

    fn claim(&mut self) -> Option<Answer> {
        let queue = self.one_in(3).then(|| self.queue());
        let lease_seconds = self.rng.random_range(LEASE_SECONDS);
        self.act(Op::Claim { queue, lease_seconds, wait_seconds: 1 })
    }

    /// What a holder does with its task.
    fn attend(&mut self, task: &Task, lease: &Lease) -> Option<()> {
        if self.one_in(4) {
            self.pause(0..30);
            self.heartbeat(task, lease)?;
        }
        match self.rng.random_range(0..100) {
            // For longer than the lease, so that another agent has the task, or has had it, when this one speaks again.
            0..4 => {
                let length = lease.expires_micros.saturating_sub(lease.claimed_micros) / 1_000;
                self.pause(length..length + 1_500);
            }
            // Long enough for an earlier holder to come back while this one works.
            4..12 => self.pause(200..900),
            _ => self.pause(0..30),
        }
        match self.rng.random_range(0..100) {
            0..70 => self.finish(task, lease, Verdict::Complete),
            70..82 => self.finish(task, lease, Verdict::Fail),
            82..89 => self.cancel(task.clone()),
            89..96 => self.give_back(task, lease),
            // Walks away.
            _ => Some(()),
        }
    }

    /// Settles, and does not always leave it at that.
    fn finish(&mut self, task: &Task, lease: &Lease, verdict: Verdict) -> Option<()> {
        let answer = self.settle(task, lease, verdict)?;
        let refused = matches!(answer, Answer::Refused { .. });
        if self.one_in(if refused { 2 } else { 30 }) {
            self.heartbeat(task, lease)?;
            self.settle(task, lease, Verdict::Complete)?;
        }
        Some(())
    }

    /// Releases, and sometimes goes on as if it had not.
    fn give_back(&mut self, task: &Task, lease: &Lease) -> Option<()> {
        let nonce = self.nonce_of(lease);
        self.act(Op::Release { task: task.clone(), nonce })?;
        if self.one_in(5) {
            self.heartbeat(task, lease)?;
            self.settle(task, lease, Verdict::Complete)?;
        }
        Some(())
    }

    fn settle(&mut self, task: &Task, lease: &Lease, verdict: Verdict) -> Option<Answer> {
        // It tells which attempt it is the report of: a swapped or stale one can't pass for another.
        let report = format!(r#"{{"generation":{},"run_id":"{}"}}"#, lease.generation, self.run_id);
        let nonce = self.nonce_of(lease);
        self.act(Op::Settle { task: task.clone(), verdict, report, nonce })
    }

    fn heartbeat(&mut self, task: &Task, lease: &Lease) -> Option<Answer> {
        let nonce = self.nonce_of(lease);
        self.act(Op::Heartbeat { task: task.clone(), nonce })
    }

    fn cancel(&mut self, task: Task) -> Option<()> {
        let force = self.one_in(2);
        self.act(Op::Cancel { task, force }).map(|_| ())
    }

    /// Notes it, does it, and notes the answer.
    fn act(&mut self, op: Op) -> Option<Answer> {
        if !self.client.is_alive() {
            return None;
        }
        self.note(Said::Began(op.clone()));
        let answer = self.client.act(&self.run_id, &op)?;
        self.note(Said::Got(answer.clone()));
        // Nobody knows whether it took effect, so it may have: as after a kill, only another run id goes on.
        (!matches!(answer, Answer::Broken { .. })).then_some(answer)
    }

    fn note(&mut self, said: Said) {
        (self.log)(Note { run_id: self.run_id.clone(), at: Moment::now(), said });
    }

    /// Half of those who speak for a lease say which one they mean.
    fn nonce_of(&mut self, lease: &Lease) -> Option<String> {
        self.one_in(2).then(|| lease.nonce.clone())
    }

    fn queue(&mut self) -> String {
        let index = self.rng.random_range(0..QUEUES.len());
        QUEUES.get(index).copied().unwrap_or_default().to_string()
    }

    /// Any of the last so many.
    fn pick_late(&mut self, tasks: &[Task], last: usize) -> Option<Task> {
        tasks.iter().rev().take(last).choose(&mut self.rng).cloned()
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.rng.random_ratio(1, many)
    }

    fn pause(&mut self, millis: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(self.rng.random_range(millis)));
    }
}
