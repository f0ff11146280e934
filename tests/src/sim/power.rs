//! Power cuts: all that the disk may hold when the machine stops between any two store operations, or in the middle of
//! one.
//!
//! POSIX promises that a file's content is on disk after `fsync` of the file, and a name after `fsync` of its
//! directory. Any part of everything else may be missing, and a rename between directories is two changes, of which
//! either may be missing ([`Disk::AnySubset`]). A filesystem with an ordered journal keeps more: only the end of the
//! history is missing ([`Disk::Ordered`]). An engine with a log keeps each change whole, and all before one that is
//! durable ([`Disk::Log`]). On the first, `doctor --repair` comes first after a power cut.

mod acknowledged;
mod disk;
mod history;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;

use acknowledged::Recoveries;
use disk::{Change, Delta};
use history::History;

use super::call::Call;
use super::operation::New;
use super::seeded_bug::SeededBug;
use super::world::World;

/// What a power cut may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Any part of what was not synced: all that POSIX allows.
    AnySubset,
    /// The end of what was not synced: an ordered journal.
    Ordered,
    /// The end of what was not synced, except that a flush of a file keeps its own names and the directories above
    /// them: btrfs.
    OwnNames,
    /// The end of what is in the log of an engine, behind the last change that had to be durable.
    Log,
}

impl Disk {
    /// True if agents find that one flush does.
    fn orders_names(self) -> bool {
        matches!(self, Disk::Ordered | Disk::OwnNames)
    }

    /// True if only the end of a history is missing, so that no doctor has to come first.
    fn keeps_order(self) -> bool {
        self != Disk::AnySubset
    }

    /// True for an engine.
    fn is_whole(self) -> bool {
        self == Disk::Log
    }
}

/// What an agent does in a history, on the task that the history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add a task.
    Enqueue,
    /// Add a task, which another agent takes before the enqueuer's first flush behind its link.
    EnqueueAsItIsClaimed,
    /// Add a task that waits for the one that the history is about.
    EnqueueChild,
    /// Take the first task.
    Claim,
    /// Take the first task when every lease before is over.
    TakeOver,
    /// Go on holding it.
    Heartbeat,
    /// Go on holding it, and say how far it is.
    Progress,
    /// End it in success, with a result.
    Complete,
    /// The same, and another agent sweeps before the holder's first flush of an entry.
    CompleteAsItIsSwept,
    /// The same, and add a task that follows.
    CompleteAndEnqueue,
    /// End it in failure, or this attempt.
    Fail,
    /// Give it back.
    Release,
    /// Give it back for later.
    ReleaseLater,
    /// Cancel it.
    Cancel,
    /// Ask its holder to stop.
    RequestCancel,
    /// Retry it after its end.
    Retry,
    /// Repair the directory.
    Repair,
}

/// Which histories there are.
#[derive(Clone, Copy, Debug)]
pub struct Histories {
    /// What every task is like.
    pub tasks: New,
    /// What an agent may do after the first task is enqueued.
    pub actions: &'static [Action],
    /// How many actions at most.
    pub length: usize,
    /// Not all agents know that the disk orders names.
    pub is_mixed: bool,
}

impl Histories {
    /// Tasks that are tried once and depend on nothing.
    pub const PLAIN: Histories = Histories {
        tasks: TASK,
        actions: &[
            Action::Enqueue,
            Action::Claim,
            Action::TakeOver,
            Action::Heartbeat,
            Action::Complete,
            Action::Fail,
            Action::Release,
            Action::Cancel,
            Action::Repair,
        ],
        length: 4,
        is_mixed: false,
    };

    /// Two agents at one task at the same time.
    pub const AMID: Histories = Histories {
        tasks: TASK,
        actions: &[
            Action::EnqueueAsItIsClaimed,
            Action::Claim,
            Action::CompleteAsItIsSwept,
            Action::Complete,
            Action::Release,
        ],
        length: 4,
        is_mixed: true,
    };

    /// Tasks with several attempts.
    pub const ATTEMPTS: Histories = Histories {
        tasks: New { max_attempts: Some(2), ..TASK },
        actions: &[
            Action::Claim,
            Action::TakeOver,
            Action::Progress,
            Action::Fail,
            Action::ReleaseLater,
            Action::Repair,
        ],
        length: 4,
        is_mixed: false,
    };

    /// Tasks that wait for others.
    pub const DEPENDANTS: Histories = Histories {
        tasks: TASK,
        actions: &[
            Action::EnqueueChild,
            Action::Claim,
            Action::Complete,
            Action::CompleteAndEnqueue,
            Action::RequestCancel,
        ],
        length: 4,
        is_mixed: false,
    };

    /// Tasks of which one lives, and that are put back.
    pub const UNIQUE: Histories = Histories {
        tasks: New { is_unique: true, ..TASK },
        actions: &[Action::Enqueue, Action::Cancel, Action::Retry, Action::Repair],
        length: 4,
        is_mixed: false,
    };
}

const TASK: New = New {
    number: 0,
    priority: 0,
    ttl_seconds: 1_000_000,
    max_attempts: None,
    delay_seconds: 0,
    after: [None, None],
    if_parent_fails: IfParentFails::Cancel,
    is_unique: false,
    key: 0,
};

/// What was explored.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Histories, each a sequence of actions of which one may be cut off by its agent's death.
    pub histories: usize,
    /// Moments at which the power may fail.
    pub moments: usize,
    /// Different states of the disk, each with what had been acknowledged by then. Each was recovered from.
    pub states: usize,
    /// The first that breaks an invariant: the history, and what was seen.
    pub failure: Option<String>,
}

/// Explores the power cuts in every one of these histories that begins with [`Action::Enqueue`] in this world, and in
/// which one action at most is cut off by its agent's death, after any of its calls that changes something.
pub fn explore(disk: Disk, start: &World, histories: Histories, bug: Option<SeededBug>) -> Explored {
    let (seen, recoveries, explored) = (HashSet::new(), Recoveries::default(), Explored::default());
    let mut explorer = Explorer { disk, histories, bug, seen, recoveries, explored };
    explorer.extend(&History::new(disk, histories, start), Action::Enqueue, histories.length);
    explorer.explored
}

struct Explorer {
    disk: Disk,
    histories: Histories,
    bug: Option<SeededBug>,
    /// The states that have been recovered from, by their hashes.
    seen: HashSet<u64>,
    recoveries: Recoveries,
    explored: Explored,
}

impl Explorer {
    /// Does one action more, explores the power cuts in it, and goes on from its end, and from each death in it.
    fn extend(&mut self, history: &History, action: Action, length: usize) {
        if length == 0 || self.explored.failure.is_some() {
            return;
        }
        self.explored.histories += 1;
        let (mut after, deaths) = history.perform(action, None, self.bug, &mut |moment, next| {
            self.explored.moments += 1;
            self.cut(moment, next);
        });
        after.actions.push(format!("{action:?}"));
        self.cut(&mut after, None);
        let deaths = if history.died { Vec::new() } else { deaths };
        let bug = self.bug;
        let died = deaths.into_iter().map(|calls| {
            let (mut died, _) = history.perform(action, Some(calls), bug, &mut |_, _| {});
            died.actions.push(format!("{action:?}, dies after {calls} calls"));
            died.died = true;
            died
        });
        for next in [after].into_iter().chain(died) {
            for action in self.histories.actions {
                self.extend(&next, *action, length - 1);
            }
        }
    }

    /// The power fails now, when the call `next` may be half done.
    fn cut(&mut self, history: &mut History, next: Option<&Call>) {
        let mut changes = history.changes.clone();
        self.cut_changes(history, &changes);
        history.cut = Some(changes.len());
        if let Some(Call::Create(path, content) | Call::CreateUnflushed(path, content)) = next
            && !self.disk.is_whole()
        {
            for part in [0, content.len() / 2] {
                changes.push(Change { what: Delta::Add(path.clone(), content[..part].into()), durable: false });
                self.cut_changes(history, &changes);
                changes.pop();
            }
        }
    }

    fn cut_changes(&mut self, history: &History, changes: &[Change]) {
        match self.disk {
            Disk::AnySubset => {
                let open = changes.iter().filter(|change| !change.durable).count();
                assert!(open < 20, "a history too long to explore: {:?}", history.actions);
                // A cut that keeps no change that is new since the last one leaves what that left: then no more was
                // durable, so the others could be lost in the same ways.
                if history.cut != Some(changes.len()) {
                    self.any_are_lost(history, changes, 0, history.cut.is_none(), Tree::clone(&history.base));
                }
            }
            Disk::OwnNames => {
                for end in 0..=changes.len() {
                    self.recover(history, changes, |index| index >= end && !changes[index].durable);
                }
            }
            Disk::Ordered | Disk::Log => {
                let synced = changes.iter().rposition(|change| change.durable).map_or(0, |last| last + 1);
                for end in synced..=changes.len() {
                    self.recover(history, changes, |index| index >= end);
                }
            }
        }
    }

    /// Of the changes behind the first `done`, which came to the tree or were lost, any that are not durable are lost.
    fn any_are_lost(&mut self, history: &History, changes: &[Change], done: usize, is_new: bool, mut tree: Tree) {
        let Some(change) = changes.get(done) else { return self.recover_from(history, tree) };
        if !change.durable && (is_new || done + 1 < changes.len()) {
            self.any_are_lost(history, changes, done + 1, is_new, tree.clone());
        }
        change.what.replay(&mut tree);
        let is_new = is_new || history.cut.is_none_or(|cut| done >= cut);
        self.any_are_lost(history, changes, done + 1, is_new, tree);
    }

    fn recover(&mut self, history: &History, changes: &[Change], lost: impl Fn(usize) -> bool) {
        let mut tree = Tree::clone(&history.base);
        for (_, change) in changes.iter().enumerate().filter(|(index, _)| !lost(*index)) {
            change.what.replay(&mut tree);
        }
        self.recover_from(history, tree);
    }

    /// The machine is on again: everything acknowledged is there, and can be worked off.
    fn recover_from(&mut self, history: &History, tree: Tree) {
        for tree in history.contents(tree) {
            self.go_on_from(history, &tree);
        }
    }

    fn go_on_from(&mut self, history: &History, tree: &Tree) {
        let digest = digest_of(tree);
        if self.explored.failure.is_some() || !self.seen.insert(digest_of(&(digest, &history.acknowledged))) {
            return;
        }
        self.explored.states += 1;
        if let Err(broken) = history.acknowledged.recovered(tree, digest, history.clock, self) {
            let names: Vec<String> = tree.files().map(|(path, _)| format!("  {path}")).collect();
            let actions = history.actions.join("; ");
            let when = history.doing.map_or("after that".to_string(), |action| format!("during {action:?}"));
            self.explored.failure =
                Some(format!("{actions}; {when} the power fails, and leaves\n{}\n{broken}", names.join("\n")));
        }
    }
}

/// What stands for a value where many are remembered.
fn digest_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
