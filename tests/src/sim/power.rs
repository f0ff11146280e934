//! Power cuts: all that the disk may hold when the machine stops between any two store operations, or in the middle of
//! one.
//!
//! POSIX promises that a file's content is on disk after `fsync` of the file, and a name after `fsync` of its
//! directory; of everything else any part may be missing, and a rename between directories is two changes, of which
//! either may be missing ([`Disk::AnySubset`]). Filesystems with an ordered journal keep more: what is missing is the
//! end of history ([`Disk::Ordered`]). On the former `doctor --repair` comes first after a power cut, on the latter
//! nobody needs to.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::layout::{self, Dir, Path};
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::store::{Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, StoreErrorKind};
use coord_core::task::IfParentFails;

use super::agent::{Answer, Invocation, after};
use super::call::{Call, Outcome, Reply, failed};
use super::operation::{New, Operation, numbered};
use super::oracle::{Broken, Invariant, Oracle, chain, entries, expect, last_report};
use super::seeded_bug::{SeededBug, answered};
use super::world::World;

/// What a power cut may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Of what was not synced, any part: all that POSIX allows.
    AnySubset,
    /// Of what was not synced, the end: an ordered journal.
    Ordered,
    /// Of what was not synced, the end; and a flush of a file keeps its own names, with the directories above them:
    /// btrfs.
    OwnNames,
}

impl Disk {
    /// True if agents find that one flush does.
    fn orders_names(self) -> bool {
        self != Disk::AnySubset
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
    /// Call it off.
    Cancel,
    /// Ask its holder to stop.
    RequestCancel,
    /// Put it back after its end.
    Retry,
    /// Mend the directory.
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

/// When every lease is over, in seconds after the beginning.
const LATER: u64 = 100_000;

/// Explores the power cuts in every one of these histories that begins with [`Action::Enqueue`] in this world, and in
/// which one action at most is cut off by its agent's death, after any of its calls.
pub fn explore(disk: Disk, start: &World, histories: Histories, bug: Option<SeededBug>) -> Explored {
    let mut explorer = Explorer { disk, histories, bug, seen: HashSet::new(), explored: Explored::default() };
    explorer.extend(&History::new(disk, histories, start), Action::Enqueue, histories.length);
    explorer.explored
}

/// All tasks share their directories.
const DIGITS: &str = "7a";

struct Explorer {
    disk: Disk,
    histories: Histories,
    bug: Option<SeededBug>,
    /// The states that have been recovered from, by their hashes.
    seen: HashSet<u64>,
    explored: Explored,
}

/// What was done so far, what of it is on disk, and what was acknowledged.
#[derive(Clone, Debug)]
struct History {
    disk: Disk,
    histories: Histories,
    actions: Vec<String>,
    /// The action that is being done.
    doing: Option<Action>,
    base: Arc<Tree>,
    tree: Tree,
    changes: Vec<Change>,
    /// The files that do not hold, on disk, what they were made with.
    grown: Vec<Grown>,
    acknowledged: Acknowledged,
    /// The task that actions are about, and its lease.
    task: Option<TaskId>,
    clock: u64,
    died: bool,
}

/// One change of a directory.
#[derive(Clone, Debug)]
struct Change {
    what: Delta,
    durable: bool,
}

/// A file that lines were added to, or that was not flushed when it was made.
#[derive(Clone, Debug)]
struct Grown {
    /// What it held when it was made, which stands for it in changes of names.
    made: Arc<[u8]>,
    content: Arc<[u8]>,
    /// What of that is durable.
    flushed: Arc<[u8]>,
}

#[derive(Clone, Debug)]
enum Delta {
    Add(Path, Arc<[u8]>),
    Remove(Path),
    /// A rename that is one step on disk.
    Rename(Path, Path, Arc<[u8]>),
    AddDir(Dir),
    RemoveDir(Dir),
}

/// What agents were told, so that it must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Acknowledged {
    enqueued: BTreeSet<TaskId>,
    ended: BTreeMap<TaskId, Ended>,
    /// The reports on attempts that failed, by their nonces.
    failed: BTreeSet<(TaskId, Nonce)>,
}

/// An acknowledged end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Ended {
    name: String,
    reported: Option<String>,
}

impl Explorer {
    /// Does one action more, explores the power cuts in it, and goes on from its end, and from each death in it.
    fn extend(&mut self, history: &History, action: Action, length: usize) {
        if length == 0 || self.explored.failure.is_some() {
            return;
        }
        self.explored.histories += 1;
        let (mut after, ends) = history.perform(action, None, self.bug, &mut |moment, next| {
            self.explored.moments += 1;
            self.cut(moment, next);
        });
        after.actions.push(format!("{action:?}"));
        self.cut(&after, None);
        let deaths = if history.died { 0..0 } else { 1..ends };
        let bug = self.bug;
        let died = deaths.map(|calls| {
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
    fn cut(&mut self, history: &History, next: Option<&Call>) {
        let mut changes = history.changes.clone();
        self.cut_changes(history, &changes);
        if let Some(Call::Create(path, content) | Call::CreateUnflushed(path, content)) = next {
            for part in [0, content.len() / 2] {
                changes.push(Change { what: Delta::Add(path.clone(), content[..part].into()), durable: false });
                self.cut_changes(history, &changes);
                changes.pop();
            }
        }
    }

    fn cut_changes(&mut self, history: &History, changes: &[Change]) {
        let open: Vec<usize> = (0..changes.len()).filter(|&index| !changes[index].durable).collect();
        match self.disk {
            Disk::AnySubset => {
                assert!(open.len() < 20, "a history too long to explore: {:?}", history.actions);
                for kept in 0..1_u32 << open.len() {
                    let lost =
                        |index: usize| open.iter().position(|&o| o == index).is_some_and(|bit| kept >> bit & 1 == 0);
                    self.recover(history, changes, lost);
                }
            }
            Disk::OwnNames => {
                for end in 0..=changes.len() {
                    self.recover(history, changes, |index| index >= end && !changes[index].durable);
                }
            }
            Disk::Ordered => {
                let synced = changes.iter().rposition(|change| change.durable).map_or(0, |last| last + 1);
                for end in synced..=changes.len() {
                    self.recover(history, changes, |index| index >= end);
                }
            }
        }
    }

    /// The machine is on again: everything acknowledged is there, and can be worked off.
    fn recover(&mut self, history: &History, changes: &[Change], lost: impl Fn(usize) -> bool) {
        let mut tree = Tree::clone(&history.base);
        for (_, change) in changes.iter().enumerate().filter(|(index, _)| !lost(*index)) {
            change.what.replay(&mut tree);
        }
        for tree in history.contents(tree) {
            self.go_on_from(history, &tree);
        }
    }

    fn go_on_from(&mut self, history: &History, tree: &Tree) {
        let mut hasher = DefaultHasher::new();
        (tree, &history.acknowledged).hash(&mut hasher);
        if self.explored.failure.is_some() || !self.seen.insert(hasher.finish()) {
            return;
        }
        self.explored.states += 1;
        if let Err(broken) = history.acknowledged.recovered(tree, self.disk, history.clock) {
            let names: Vec<String> = tree.files().map(|(path, _)| format!("  {path}")).collect();
            let actions = history.actions.join("; ");
            let when = history.doing.map_or("after that".to_string(), |action| format!("during {action:?}"));
            self.explored.failure =
                Some(format!("{actions}; {when} the power fails, and leaves\n{}\n{broken}", names.join("\n")));
        }
    }
}

impl History {
    fn new(disk: Disk, histories: Histories, world: &World) -> History {
        History {
            disk,
            histories,
            actions: Vec::new(),
            doing: None,
            base: world.tree.clone(),
            tree: Tree::clone(&world.tree),
            changes: Vec::new(),
            grown: Vec::new(),
            acknowledged: Acknowledged::default(),
            task: None,
            clock: 1,
            died: false,
        }
    }

    /// Does a action, up to the death after so many calls if there is one, and tells how many calls it made. `moment`
    /// sees everything as it is before each call, and the call.
    fn perform(
        &self,
        action: Action,
        death: Option<usize>,
        bug: Option<SeededBug>,
        moment: &mut dyn FnMut(&History, Option<&Call>),
    ) -> (History, usize) {
        let invocation = self.invocation(action);
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
            let made = if let Call::Append(path, ..) = &call { history.made(path) } else { None };
            let reply = call.apply(&mut history.tree);
            match (&call, made) {
                (Call::Append(path, ..), Some(made)) => history.grow(made, path),
                (Call::CreateUnflushed(path, _), None) if reply == Ok(Outcome::Created(Created::Now)) => {
                    history.made_unflushed(path);
                }
                _ => {}
            }
            history.note(&call, &reply);
            reply
        };
        let amid = Cell::new(self.invocation_amid(action));
        let ask = |call: Call| {
            if matches!(&call, Call::Flush(path) if !path.dir.is_below(&layout::tasks()))
                && let Some(invocation) = amid.take()
            {
                invocation.run(answered(bug, step).ordering_names(self.knows(true)));
            }
            step(call)
        };
        let answer =
            invocation.run(answered(bug, ask).ordering_names(self.knows(!self.actions.len().is_multiple_of(2))));
        let (mut history, calls, _) = state.into_inner();
        history.doing = None;
        history.clock += if action == Action::TakeOver { 10 } else { 1 };
        if action == Action::Retry {
            // Told or not, the task may have an end no more.
            history.acknowledged.ended.clear();
        }
        if death.is_none() {
            history.told(&answer, invocation.nonce);
        }
        (history, calls)
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

    /// What an agent knows of the disk. Where agents know different things, one of two does not know what the others
    /// rely on.
    fn knows(&self, is_other: bool) -> Option<bool> {
        let orders_names = self.disk.orders_names();
        if self.histories.is_mixed && orders_names && is_other { None } else { Some(orders_names) }
    }

    /// What another agent does in the middle of a action.
    fn invocation_amid(&self, action: Action) -> Option<Invocation> {
        let operation = match action {
            Action::EnqueueAsItIsClaimed => Operation::Claim,
            Action::CompleteAsItIsSwept => Operation::Sweep,
            _ => return None,
        };
        let nonce = Nonce::from_bits(0x100 * (self.actions.len() as u64 + 1) + 0x80);
        Some(Invocation { agent: 1, operation, now: after(self.clock), nonce, lease: None })
    }

    /// What a file held when it was made, which is what changes of names tell.
    fn made(&self, path: &Path) -> Option<Arc<[u8]>> {
        let content = self.tree.content(path)?;
        let grown = self.grown.iter().find(|grown| Arc::ptr_eq(&grown.content, content));
        Some(grown.map_or(content, |grown| &grown.made).clone())
    }

    fn grow(&mut self, made: Arc<[u8]>, path: &Path) {
        let content = self.tree.content(path).cloned().expect("it was added to");
        match self.grown.iter_mut().find(|grown| Arc::ptr_eq(&grown.made, &made)) {
            Some(grown) => grown.content = content,
            None => self.grown.push(Grown { flushed: made.clone(), made, content }),
        }
    }

    fn made_unflushed(&mut self, path: &Path) {
        let made = self.tree.content(path).cloned().expect("it was made");
        self.grown.push(Grown { flushed: Arc::default(), content: made.clone(), made });
    }

    /// The tree with what its files may hold: of what was not flushed all, a part, or as many zeros.
    fn contents(&self, tree: Tree) -> Vec<Tree> {
        let mut trees = vec![tree];
        for grown in &self.grown {
            trees =
                trees.iter().flat_map(|tree| grown.contents().map(|content| grown.replay(tree, &content))).collect();
        }
        trees
    }

    fn flush(&mut self, path: &Path) {
        let Some(made) = self.made(path) else { return };
        if let Some(grown) = self.grown.iter_mut().find(|grown| Arc::ptr_eq(&grown.made, &made)) {
            grown.flushed = grown.content.clone();
        }
        let of_file = |content: &Arc<[u8]>| Arc::ptr_eq(content, &made);
        match self.disk {
            Disk::AnySubset => {}
            Disk::Ordered => self.changes.iter_mut().for_each(|change| change.durable = true),
            Disk::OwnNames => {
                let names: Vec<Path> = self
                    .tree
                    .files()
                    .map(|(path, _)| path)
                    .filter(|path| self.made(path).is_some_and(|it| of_file(&it)))
                    .collect();
                for change in &mut self.changes {
                    change.durable |= match &change.what {
                        Delta::Add(_, content) | Delta::Rename(_, _, content) => of_file(content),
                        Delta::AddDir(dir) => names.iter().any(|name| name.dir == *dir || name.dir.is_below(dir)),
                        Delta::Remove(_) | Delta::RemoveDir(_) => false,
                    };
                }
            }
        }
    }

    fn note(&mut self, call: &Call, reply: &Reply) {
        let content = |path: &Path| self.made(path).unwrap_or_default();
        let changes = match (call, reply) {
            (Call::Create(path, _) | Call::CreateUnflushed(path, _), Ok(Outcome::Created(Created::Now)))
            | (Call::Link(_, path), Ok(Outcome::Linked(Linked::Now))) => vec![Delta::Add(path.clone(), content(path))],
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here)))
                if from.dir == to.dir || self.disk.orders_names() =>
            {
                vec![Delta::Rename(from.clone(), to.clone(), content(to))]
            }
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here))) => {
                vec![Delta::Remove(from.clone()), Delta::Add(to.clone(), content(to))]
            }
            (Call::Remove(path), Ok(Outcome::Removed(Removed::Now))) => vec![Delta::Remove(path.clone())],
            (Call::MakeDir(dir), Ok(Outcome::Made(Made::Now))) => vec![Delta::AddDir(dir.clone())],
            (Call::RemoveDir(dir), Ok(Outcome::DirRemoved(DirRemoved::Now))) => vec![Delta::RemoveDir(dir.clone())],
            (Call::Flush(path), Ok(Outcome::Flushed(Flushed::Now))) => {
                self.flush(path);
                Vec::new()
            }
            (Call::SyncDir(dir), Ok(Outcome::Synced)) => {
                self.sync(dir);
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.changes.extend(changes.into_iter().map(|what| Change { what, durable: false }));
    }

    /// A journal is written up to the last change of the directory, no further. Of a directory that is gone the nearest
    /// above is synced.
    fn sync(&mut self, dir: &Dir) {
        if self.tree.list(dir).is_none() {
            return dir.split().map_or((), |(above, _)| self.sync(&above));
        }
        let changes = self.changes.iter_mut();
        match self.disk {
            Disk::AnySubset => {
                changes
                    .filter(|change| change.what.dir().as_ref() == Some(dir))
                    .for_each(|change| change.durable = true);
            }
            Disk::OwnNames => changes.for_each(|change| {
                let is_above = |new: &Dir| *new == *dir || dir.is_below(new);
                change.durable |= change.what.is_in(dir) || matches!(&change.what, Delta::AddDir(new) if is_above(new));
            }),
            Disk::Ordered => {
                changes.rev().skip_while(|change| !change.what.is_in(dir)).for_each(|change| change.durable = true);
            }
        }
    }

    fn told(&mut self, answer: &Answer, nonce: Nonce) {
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

impl Grown {
    fn contents(&self) -> impl Iterator<Item = Arc<[u8]>> {
        let new = self.content.get(self.flushed.len()..).unwrap_or_default();
        let with = |part: Vec<u8>| Arc::from([&self.flushed, part.as_slice()].concat());
        let parts = [with(new[..new.len() / 2].to_vec()), with(vec![0; new.len()]), self.flushed.clone()];
        let parts = if new.is_empty() { Vec::new() } else { parts.to_vec() };
        parts.into_iter().chain([self.content.clone()])
    }

    /// Puts this under each name that the file has.
    fn replay(&self, tree: &Tree, content: &Arc<[u8]>) -> Tree {
        let mut tree = tree.clone();
        let names: Vec<Path> =
            tree.files().filter(|(_, content)| Arc::ptr_eq(content, &self.made)).map(|(path, _)| path).collect();
        for path in names {
            tree.put(&path, content.clone());
        }
        tree
    }
}

impl Delta {
    /// The directory whose sync makes it durable.
    fn dir(&self) -> Option<Dir> {
        match self {
            Delta::Add(path, _) | Delta::Remove(path) | Delta::Rename(_, path, _) => Some(path.dir.clone()),
            Delta::AddDir(dir) | Delta::RemoveDir(dir) => dir.split().map(|(parent, _)| parent),
        }
    }

    /// True if it changes the directory.
    fn is_in(&self, dir: &Dir) -> bool {
        let from = if let Delta::Rename(from, ..) = self { Some(&from.dir) } else { None };
        from == Some(dir) || self.dir().as_ref() == Some(dir) || matches!(self, Delta::AddDir(new) if new == dir)
    }

    /// Does it on a disk on which others before it may be missing. What cannot be done is missing, too.
    fn replay(&self, tree: &mut Tree) {
        match self {
            Delta::Add(path, content) => tree.put(path, content.clone()),
            Delta::Remove(path) => tree.remove(path).is_ok(),
            Delta::Rename(from, to, content) => tree.remove(from).is_ok() && tree.put(to, content.clone()),
            Delta::AddDir(dir) => tree.make_dir(dir).is_ok(),
            Delta::RemoveDir(dir) => tree.remove_dir(dir) == DirRemoved::Now,
        };
    }
}

impl Acknowledged {
    fn recovered(&self, tree: &Tree, disk: Disk, clock: u64) -> Result<(), Broken> {
        let mut world =
            World { tree: Arc::new(tree.clone()), oracle: Oracle::blind(), orders_names: disk.orders_names() };
        if disk == Disk::AnySubset {
            self.is_told(&world, clock)?;
            world.heal(LATER)?;
        }
        self.is_in(&world.tree)?;
        if disk.orders_names() {
            // Else a task of which no name was left begins anew.
            self.are_reported(&world.tree)?;
        }
        world.oracle = Oracle::of(&world.tree);
        world.drain(LATER)?;
        self.is_in(&world.tree)?;
        world.heal(LATER)
    }

    /// A doctor that comes at once may not dare to mend yet, but it tells of every task that is on no shelf.
    fn is_told(&self, world: &World, clock: u64) -> Result<(), Broken> {
        let diagnosis = format!("{:?}", world.examine(clock));
        for id in &self.enqueued {
            let told = entries(&world.tree).any(|(_, entry)| entry.id == *id) || diagnosis.contains(&id.to_string());
            expect(told, Invariant::NothingLost, || format!("{id} was acknowledged, and a doctor says {diagnosis}"))?;
        }
        Ok(())
    }

    fn is_in(&self, tree: &Tree) -> Result<(), Broken> {
        for id in &self.enqueued {
            let names = entries(tree).filter(|(_, entry)| entry.id == *id).count();
            expect(names == 1, Invariant::OneEntry, || format!("{id} was acknowledged, and has {names} entries"))?;
        }
        for (id, Ended { name, reported }) in &self.ended {
            let entry = entries(tree).map(|(_, entry)| entry).find(|entry| entry.id == *id);
            let same = entry.as_ref().is_some_and(|entry| entry.to_string() == *name);
            expect(same, Invariant::NothingLost, || format!("{name} was acknowledged, and is {entry:?}"))?;
            let found = entry.and_then(|entry| last_report(tree, &entry));
            expect(found == *reported, Invariant::ResultsAreWhole, || format!("the result of {name} is {found:?}"))?;
        }
        Ok(())
    }

    /// The reports on attempts that failed are where the tasks' names lead to.
    fn are_reported(&self, tree: &Tree) -> Result<(), Broken> {
        for (id, nonce) in &self.failed {
            let entry = entries(tree).map(|(_, entry)| entry).find(|entry| entry.id == *id);
            let reports = entry.map(|entry| chain(tree, &entry)).unwrap_or_default();
            let there = reports.iter().any(|report| report.nonce == *nonce);
            expect(there, Invariant::ReportsStay, || format!("{id} does not lead to {nonce}, which was acknowledged"))?;
        }
        Ok(())
    }
}
