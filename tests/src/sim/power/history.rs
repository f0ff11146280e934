//! What agents did so far, and one action more.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::store::{Created, StoreErrorKind};
use coord_core::{TaskId, layout};

use super::acknowledged::{Acknowledged, Ended};
use super::disk::{Change, Grown};
use super::{Action, Disk, Histories};
use crate::sim::agent::{Answer, Invocation, after};
use crate::sim::call::{Answered, Call, Outcome, Reply, failed};
use crate::sim::operation::{New, Operation, numbered};
use crate::sim::oracle::{entries, last_report};
use crate::sim::seeded_bug::{SeededBug, answered};
use crate::sim::world::World;

/// All tasks share their directories.
const DIGITS: &str = "7a";

/// What was done so far, what of it is on disk, and what was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) disk: Disk,
    pub(super) histories: Histories,
    pub(super) actions: Vec<String>,
    /// The action that is being done.
    pub(super) doing: Option<Action>,
    pub(super) base: Arc<Tree>,
    pub(super) tree: Tree,
    pub(super) changes: Vec<Change>,
    /// So many of the first changes have been cut in all ways, by what files hold and what is acknowledged now.
    pub(super) cut: Option<usize>,
    /// The files that do not hold, on disk, what they were made with.
    pub(super) grown: Vec<Grown>,
    pub(super) acknowledged: Acknowledged,
    /// The task that actions are about, and its lease.
    pub(super) task: Option<TaskId>,
    pub(super) clock: u64,
    pub(super) died: bool,
}

impl History {
    pub(super) fn new(disk: Disk, histories: Histories, world: &World) -> History {
        History {
            disk,
            histories,
            actions: Vec::new(),
            doing: None,
            base: world.tree.clone(),
            tree: Tree::clone(&world.tree),
            changes: Vec::new(),
            cut: None,
            grown: Vec::new(),
            acknowledged: Acknowledged::default(),
            task: None,
            clock: 1,
            died: false,
        }
    }

    /// Does an action, up to the death after so many calls if there is one, and tells after how many calls an agent may
    /// die in it. `moment` sees everything as it is before each call, and the call.
    ///
    /// Who dies after a call that has changed nothing leaves what it would have left by dying before it. So of those
    /// deaths there is the first only.
    pub(super) fn perform(
        &self,
        action: Action,
        death: Option<usize>,
        bug: Option<SeededBug>,
        moment: &mut dyn FnMut(&mut History, Option<&Call>),
    ) -> (History, Vec<usize>) {
        let invocation = self.invocation(action);
        let deaths = RefCell::new(Vec::from([1]));
        let state = RefCell::new((History { doing: Some(action), ..self.clone() }, 0, moment));
        let step = |call: Call| {
            let (history, calls, moment) = &mut *state.borrow_mut();
            if death.is_some_and(|death| *calls >= death) {
                return failed(StoreErrorKind::Other);
            }
            *calls += 1;
            if call.changes() || matches!(call, Call::Flush(_) | Call::SyncDir(_)) {
                moment(history, Some(&call));
            }
            let before = history.on_disk();
            let made = match &call {
                Call::Append(path, ..) if !history.disk.is_whole() => history.made(path),
                _ => None,
            };
            let reply = call.apply(&mut history.tree);
            match (&call, made) {
                (Call::Append(path, ..), Some(made)) => history.grow(made, path),
                (Call::CreateUnflushed(path, _), None) if reply == Ok(Outcome::Created(Created::Now)) => {
                    history.made_unflushed(path);
                }
                _ => {}
            }
            history.note(&call, &reply);
            if *calls > 1 && history.on_disk() != before {
                deaths.borrow_mut().push(*calls);
            }
            reply
        };
        let amid = Cell::new(self.invocation_amid(action));
        let ask = |call: Call| {
            if matches!(&call, Call::Flush(path) if !path.dir.is_below(&layout::tasks()))
                && let Some(invocation) = amid.take()
            {
                invocation.run(self.store(bug, step, true));
            }
            step(call)
        };
        let answer = invocation.run(self.store(bug, ask, !self.actions.len().is_multiple_of(2)));
        let (mut history, calls, _) = state.into_inner();
        history.doing = None;
        history.clock += if action == Action::TakeOver { 10 } else { 1 };
        if action == Action::Retry {
            // Told or not, the task may have an end no more.
            history.acknowledged.ended.clear();
            history.cut = None;
        }
        if death.is_none() {
            history.told(&answer, invocation.nonce);
        }
        let mut deaths = deaths.into_inner();
        deaths.retain(|death| *death < calls);
        (history, deaths)
    }

    fn invocation(&self, action: Action) -> Invocation {
        let nobody = TaskId::of_canonical(b"none");
        let task = self.task.unwrap_or(nobody);
        let step = self.actions.len() as u64;
        let nonce = Nonce::from_bits(0x100 * (step + 1));
        let added = |parent, follows| {
            let new = New { after: [parent, None], ..self.histories.tasks };
            let new = numbered(new, DIGITS, after(self.clock), follows);
            if follows.is_some() { New { after: [None, None], ..new } } else { new }
        };
        let operation = match action {
            Action::Enqueue | Action::EnqueueAsItIsClaimed => Operation::Enqueue(added(None, None)),
            Action::EnqueueChild => Operation::Enqueue(added(Some(task), None)),
            Action::Claim | Action::TakeOver => Operation::Claim,
            Action::Heartbeat => Operation::Heartbeat(task),
            Action::Progress => Operation::Progress(task),
            Action::Complete | Action::CompleteAsItIsSwept => Operation::Complete(task),
            Action::CompleteAndEnqueue => Operation::CompleteAndEnqueue(task, added(Some(task), Some(nonce))),
            Action::Fail => Operation::Fail(task),
            Action::Release => Operation::Release(task),
            Action::ReleaseLater => Operation::ReleaseLater(task, 2),
            Action::Cancel => Operation::Cancel(task),
            Action::RequestCancel => Operation::RequestCancel(task),
            Action::Retry => Operation::Retry(task),
            Action::Repair => Operation::Repair,
        };
        let seconds = match action {
            Action::TakeOver => self.clock + 10,
            Action::Repair => self.clock + 100,
            _ => self.clock,
        };
        // Another one asks, so that the holder is asked.
        let agent = usize::from(action == Action::RequestCancel);
        Invocation { agent, operation, now: after(seconds), nonce, lease: None }
    }

    /// The store that `ask` answers, as an agent sees it.
    fn store<'a>(&self, bug: Option<SeededBug>, ask: impl Fn(Call) -> Reply + 'a, is_other: bool) -> Answered<'a> {
        answered(bug, ask).ordering_names(self.knows(is_other)).whole(self.disk.is_whole())
    }

    /// What an agent knows of the disk. In mixed histories, every other agent does not know that names are ordered.
    fn knows(&self, is_other: bool) -> Option<bool> {
        let orders_names = self.disk.orders_names();
        if self.histories.is_mixed && orders_names && is_other { None } else { Some(orders_names) }
    }

    /// What another agent does in the middle of an action.
    fn invocation_amid(&self, action: Action) -> Option<Invocation> {
        let operation = match action {
            Action::EnqueueAsItIsClaimed => Operation::Claim,
            Action::CompleteAsItIsSwept => Operation::Sweep,
            _ => return None,
        };
        let nonce = Nonce::from_bits(0x100 * (self.actions.len() as u64 + 1) + 0x80);
        Some(Invocation { agent: 1, operation, now: after(self.clock), nonce, lease: None })
    }

    fn told(&mut self, answer: &Answer, nonce: Nonce) {
        self.cut = None;
        match *answer {
            Answer::Enqueued(id) | Answer::Deduplicated(id) => {
                self.task.get_or_insert(id);
                self.acknowledged.enqueued.insert(id);
            }
            Answer::Ended(id, _) => self.ended(id),
            Answer::Followed(id, _, follower) => {
                self.ended(id);
                self.acknowledged.enqueued.insert(follower);
            }
            Answer::TriedAgain(id, _) => {
                self.acknowledged.failed.insert((id, nonce));
            }
            _ => {}
        }
    }

    fn ended(&mut self, id: TaskId) {
        let entry = entries(&self.tree).map(|(_, entry)| entry).find(|entry| entry.id == id);
        let entry = entry.expect("a task that has just ended");
        let reported = last_report(&self.tree, &entry);
        self.acknowledged.ended.insert(id, Ended { name: entry.to_string(), reported });
    }
}
