//! What a cut has left, held against what was acknowledged before it.

mod promises;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;

use coord_core::name::Nonce;
use coord_core::queue::{Claim, ClaimRequest, Counts, Defect, Diagnosis, Filter, Finding, Item, Status, Thoroughness};
use coord_core::task::IfParentFails;
use coord_core::time::Timestamp;
use coord_core::transition::Claimant;
use coord_core::{Queue, TaskId, Turn, limits};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;
use promises::{End, Promises};
use serde::Serialize;

use super::filesystem::Rules;
use super::history::{Action, Moment, Task};

/// When an image was taken. What was answered before `began` was acknowledged before the cut, and what was not asked
/// before `ended` cannot be in it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cut {
    pub(super) began: Moment,
    pub(super) ended: Moment,
}

/// What came of one image.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// How many acknowledged changes were looked for.
    pub(super) checked: usize,
    /// Those that are not there.
    pub(super) missing: Vec<String>,
    /// What a cut must not leave, but nobody was promised.
    pub(super) faults: Vec<String>,
}

impl Verdict {
    /// True if all is as it must be.
    pub(super) fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.faults.is_empty()
    }
}

/// After such a time a doctor takes no enqueuer for one at work.
const A_DOCTOR_COMES_AFTER: i64 = 120;

/// Longer than any lease and back-off of the writers, in seconds.
const LATER: i64 = 3_600;

/// So often a queue is claimed empty again, each time later.
const DRAINS: i64 = 20;

/// Judges the queue in `directory`, mends it if the filesystem's promises ask for that, and works it off.
pub(super) fn judge(directory: &Path, actions: &[Action], cut: Cut, rules: Rules) -> Verdict {
    let mut judge = Judge { verdict: Verdict::default(), promises: Promises::of(actions, cut, rules) };
    if let Err(error) = judge.judge(directory, rules) {
        judge.verdict.faults.push(error);
    }
    judge.verdict
}

struct Judge<'a> {
    verdict: Verdict,
    promises: Promises<'a>,
}

type NativeQueue = Queue<DirStore>;

/// How long the power is off at least, in seconds.
const POWER_OFF: i64 = 2;

impl Judge<'_> {
    fn judge(&mut self, directory: &Path, rules: Rules) -> Result<(), String> {
        let handle = Handle::open(directory).map_err(|error| format!("cannot open the queue: {error}"))?;
        // What is done to the image from here on has no need to survive.
        let queue = Queue::open_for_doctor(DirStore::new(handle, Sync::Off)).map_err(told("open"))?;
        // A machine needs longer to be on again: nobody is taken to be still at a flush.
        let now = host::now().plus_seconds(POWER_OFF);
        self.see_the_doctor(&queue, now, rules)?;
        let sweep = queue.sweep(&Turn::new(&now, nonce())).map_err(told("sweep"))?;
        self.weigh(&sweep.findings);
        let items = self.items(&queue, now)?;
        self.check(&queue, &items, now)?;
        self.drain(&queue, now)?;
        let after = now.plus_seconds(LATER * (DRAINS + 1));
        let drained = self.items(&queue, after)?;
        self.check_ends(&drained);
        // The queue is whole for the doctor, too, once it was worked off.
        self.see_the_doctor(&queue, after, rules)
    }

    /// Where names are kept as POSIX promises, a repair comes first.
    fn see_the_doctor(&mut self, queue: &NativeQueue, now: Timestamp, rules: Rules) -> Result<(), String> {
        let later = now.plus_seconds(A_DOCTOR_COMES_AFTER);
        let Diagnosis { defects, .. } = match rules.doctor_first {
            true => queue.repair(&Turn::new(&later, nonce())).map_err(told("repair"))?,
            false => queue.examine(later).map_err(told("doctor"))?,
        };
        let unexplained = defects.iter().filter(|defect| !self.promises.explains(defect, rules));
        let told = unexplained.map(|Defect { task_id, path, problem, .. }| {
            let id = task_id.map_or_else(String::new, |id| id.to_string());
            format!("doctor: {} at {path}, task {id}: {problem}", problem.code())
        });
        self.verdict.faults.extend(told);
        Ok(())
    }

    /// Of a task that nobody was told of, its record may be torn.
    fn weigh(&mut self, findings: &[Finding]) {
        for finding in findings {
            let is_unknown = match finding {
                Finding::Quarantined { id, .. } | Finding::LeftOut { id, .. } => !self.promises.is_there(*id),
                _ => false,
            };
            if !is_unknown {
                self.verdict.faults.push(finding.to_string());
            }
        }
    }

    fn items(&mut self, queue: &NativeQueue, now: Timestamp) -> Result<BTreeMap<Task, Item>, String> {
        let filter = Filter { limit: usize::MAX - 1, ..Filter::default() };
        let listing = queue.tasks(&filter, now).map_err(told("list"))?;
        self.weigh(&listing.findings);
        Ok(listing.items.into_iter().map(|item| (item.task.id.to_string(), item)).collect())
    }

    fn check(&mut self, queue: &NativeQueue, items: &BTreeMap<Task, Item>, now: Timestamp) -> Result<(), String> {
        for task in &self.promises.there {
            self.verdict.checked += 1;
            if !items.contains_key(*task) {
                self.verdict.missing.push(format!("{task} was enqueued and is not there"));
            }
        }
        self.check_ends(items);
        self.verdict.checked += self.promises.ended.len();
        self.check_failures(queue, items, now)?;
        self.check_follow_ups(items);
        self.check_what_was_not_promised(items);
        Ok(())
    }

    fn check_ends(&mut self, items: &BTreeMap<Task, Item>) {
        for (task, end) in &self.promises.ended {
            match items.get(*task) {
                Some(item) if End::of(item) == *end => {}
                Some(item) => self.verdict.missing.push(format!("{task} ended: {end:?}, and is: {}", stands(item))),
                None => self.verdict.missing.push(format!("{task} ended: {end:?}, and is not there")),
            }
        }
    }

    fn check_failures(
        &mut self,
        queue: &NativeQueue,
        items: &BTreeMap<Task, Item>,
        now: Timestamp,
    ) -> Result<(), String> {
        for (task, error) in &self.promises.failures {
            self.verdict.checked += 1;
            // One that is not there at all is told of already.
            let Some(item) = items.get(*task) else { continue };
            let shown = queue.show(item.task.id, now).map_err(told("show"))?;
            let is_told =
                |told: &coord_core::queue::Report| told.error.as_ref().is_some_and(|of| of.as_str() == *error);
            if !shown.history.iter().any(is_told) {
                self.verdict.missing.push(format!("{task} {error:?}, and is: {}", stands(item)));
            }
        }
        Ok(())
    }

    /// Their parent has completed, so they wait for nothing, and nobody cancels them but who asks for it.
    fn check_follow_ups(&mut self, items: &BTreeMap<Task, Item>) {
        for task in &self.promises.follow_ups {
            self.verdict.checked += 1;
            let Some(item) = items.get(*task) else { continue };
            let is_called_off = item.status == Status::Cancelled && !self.promises.cancelled.contains(task);
            if item.status == Status::Blocked || is_called_off {
                self.verdict.missing.push(format!("{task} follows a completion, and is: {}", stands(item)));
            }
        }
    }

    /// What was not acknowledged is whole or not there.
    fn check_what_was_not_promised(&mut self, items: &BTreeMap<Task, Item>) {
        let labels: BTreeSet<&str> = items.values().filter_map(|item| label(item)).collect();
        let mut live_by_key: HashMap<&str, Vec<&Task>> = HashMap::new();
        let mut faults = Vec::new();
        for (task, item) in items {
            if !label(item).is_some_and(|label| self.promises.labels.contains(&label.to_string())) {
                faults.push(format!("{task} was never enqueued"));
            }
            if !self.promises.may_end(task, item) {
                faults.push(format!("{task} ended as nobody has ended it: {}", stands(item)));
            }
            let key = item.task.record.unique.as_ref().filter(|_| item.ended_at.is_none());
            if let Some(key) = key {
                live_by_key.entry(key.as_str()).or_default().push(task);
            }
            if let Some(parent) = ran_before(item, items) {
                faults.push(format!("{task} is {}, and waits for {parent}, which has not completed", stands(item)));
            }
            let result = item.result.as_ref().map(|result| result.text());
            let followers = result.and_then(|result| self.promises.followers.get(result)).copied().unwrap_or_default();
            for follower in followers.iter().filter(|follower| !labels.contains(follower.as_str())) {
                faults.push(format!("{task} was completed without its follow-up {follower}"));
            }
        }
        let twice = live_by_key.into_iter().filter(|(_, tasks)| tasks.len() > 1);
        faults.extend(twice.map(|(key, tasks)| format!("{key} is the key of several: {tasks:?}")));
        self.verdict.faults.extend(faults);
    }

    /// Claims and completes all that there is, later and later.
    fn drain(&mut self, queue: &NativeQueue, now: Timestamp) -> Result<(), String> {
        for round in 1..=DRAINS {
            let at = now.plus_seconds(LATER * round);
            while let Some((id, claimant)) = self.claim_at(queue, at)? {
                queue.complete(id, claimant, None, &Turn::new(&at, nonce())).map_err(told("complete"))?;
            }
            if is_drained(&queue.list(&Filter::default(), at).map_err(told("count"))?.counts) {
                return Ok(());
            }
        }
        let counts = queue.list(&Filter::default(), now.plus_seconds(LATER * DRAINS)).map_err(told("count"))?.counts;
        let left = Status::ALL.map(|status| (status.as_str(), counts.of(status)));
        self.verdict.faults.push(format!("the queue cannot be worked off: {left:?}"));
        Ok(())
    }

    fn claim_at(&mut self, queue: &NativeQueue, at: Timestamp) -> Result<Option<(TaskId, Claimant)>, String> {
        let run_id: coord_core::name::RunId = "drain".parse().expect("a run id");
        let request = ClaimRequest::any(run_id.clone(), limits::CLAIM_TTL_SECONDS_DEFAULT);
        let Claim { claimed, findings, .. } =
            queue.claim(&request, Thoroughness::Full, &Turn::new(&at, nonce())).map_err(told("claim"))?;
        self.weigh(&findings);
        let claimant = |nonce| Claimant { run_id, nonce: Some(nonce) };
        Ok(claimed.map(|claimed| (claimed.task.id, claimant(claimed.record.claim_nonce))))
    }
}

/// The parent that has not completed, of a task that has gone on all the same.
fn ran_before(item: &Item, items: &BTreeMap<Task, Item>) -> Option<String> {
    let record = &item.task.record;
    let has_gone_on = !matches!(item.status, Status::Blocked | Status::Cancelled);
    let waits = record.if_parent_fails.unwrap_or_default() == IfParentFails::Cancel;
    let has_completed = |parent: &String| items.get(parent).is_some_and(|parent| parent.status == Status::Completed);
    let mut parents = record.after.iter().map(|parent| parent.to_string());
    parents.find(|parent| has_gone_on && waits && !has_completed(parent))
}

/// How a task stands, for people.
fn stands(item: &Item) -> String {
    let End { text, .. } = End::of(item);
    let text = text.map_or_else(String::new, |text| format!(" {text:.60}"));
    format!("{}{text}, generation {}, attempt {}", item.status.as_str(), item.generation, item.attempt)
}

fn label(item: &Item) -> Option<&str> {
    item.task.record.payload.text().strip_prefix("{\"label\":\"")?.strip_suffix("\"}")
}

fn is_drained(counts: &Counts) -> bool {
    let ended = [Status::Completed, Status::Failed, Status::Cancelled, Status::Expired];
    ended.into_iter().map(|status| counts.of(status)).sum::<u64>() == counts.total()
}

fn told<E: Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

fn nonce() -> Nonce {
    host::nonce().expect("the system gives random numbers")
}
