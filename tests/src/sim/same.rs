//! The same operations on a queue in a directory and on one in another store, one after the other: the same answers,
//! and the same names with the same content. So the fused operations of an engine do what the calls of a directory do.
//!
//! What only a directory needs is left out: the files that say that directories are on disk. So is the time of the next
//! sweep, which depends on how much a sweep reads; and what depends on the order in which an invocation met several
//! tasks: which of its nonces it used for which, and which of several parents it tells of that have ended otherwise.

mod replayed;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use coord_core::layout::{self, Path, StateDir};
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;
use coord_core::{Queue, Store, TaskId};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::agent::{Answer, Invocation, after};
use super::call::{Answered, Call, Reply};
use super::operation::{New, Operation};
pub use replayed::compare_replayed;

/// How many agents take turns. Each keeps its queue open, and what it remembers.
const AGENTS: usize = 3;

/// All files of a store, and what they hold.
pub type Files = BTreeMap<Path, Vec<u8>>;

/// A store in memory that several agents share.
#[derive(Clone, Debug, Default)]
pub struct Shared(Rc<RefCell<Tree>>);

impl Shared {
    /// An engine.
    pub fn whole() -> Shared {
        Shared(Rc::new(RefCell::new(Tree::whole())))
    }

    /// An agent's view of it.
    pub fn store(&self) -> Answered<'static> {
        let (shared, is_whole) = (self.clone(), self.0.borrow().is_whole());
        Answered::by(move |call| shared.apply(call)).whole(is_whole)
    }

    fn apply(&self, call: Call) -> Reply {
        call.apply(&mut self.0.borrow_mut())
    }

    /// Removes the directories of tasks that nobody waits for any more. While one is there, it says that somebody may.
    fn remove_empty(&self) {
        let mut tree = self.0.borrow_mut();
        let blocked = layout::state_dir(StateDir::Blocked);
        for shard in tree.list(&blocked).unwrap_or_default().iter().map(|name| blocked.child(name)) {
            for parent in tree.list(&shard).unwrap_or_default() {
                tree.remove_dir(&shard.child(&parent));
            }
        }
    }

    /// All that is in it.
    pub fn files(&self) -> Files {
        self.0.borrow().files().map(|(path, content)| (path, content.to_vec())).collect()
    }
}

/// Does so many random operations on a queue in a directory, and on one in an empty store, which each agent opens.
/// Answers what differs, if anything does.
pub fn compare<S: Store>(
    seed: u64,
    operations: usize,
    store: impl Fn() -> S,
    files: impl Fn() -> Files,
) -> Result<(), String> {
    let directory = Shared::default();
    let mut player = Player::new(seed);
    let reference = [(); AGENTS].map(|()| Queue::open(directory.store()).expect("an empty store"));
    let compared = [(); AGENTS].map(|()| Queue::open(store()).expect("an empty store"));
    for _ in 0..operations {
        let invocation = player.next_invocation();
        let wanted = invocation.run_on(&reference[invocation.agent]);
        directory.remove_empty();
        let found = invocation.run_on(&compared[invocation.agent]);
        player.history.push(format!("{invocation}: {wanted:?}"));
        let difference = (wanted != found).then(|| format!("but in the other store: {found:?}"));
        if let Some(difference) = difference.or_else(|| difference_of(directory.files(), files())) {
            return Err(format!("seed {seed}\n{}\n{difference}", player.history.join("\n")));
        }
        player.told(&invocation, wanted);
    }
    Ok(())
}

/// Decides what is done next.
struct Player {
    random: SmallRng,
    seconds: u64,
    nonces: u64,
    tasks: Vec<TaskId>,
    leases: [Option<(TaskId, Nonce)>; AGENTS],
    history: Vec<String>,
}

impl Player {
    fn new(seed: u64) -> Player {
        let random = SmallRng::seed_from_u64(seed);
        Player { random, seconds: 1, nonces: 1, tasks: Vec::new(), leases: [None; AGENTS], history: Vec::new() }
    }

    fn next_invocation(&mut self) -> Invocation {
        // What an agent remembers of `ready/` costs order for a moment. That has passed.
        self.seconds += self.random.random_range(1..4);
        self.nonces += 0x100;
        let agent = self.random.random_range(0..AGENTS);
        let operation = self.next_operation(agent);
        let meant = self.leases[agent].filter(|(id, _)| operation.task() == Some(*id) && self.random.random_bool(0.5));
        let lease = meant.map(|(_, nonce)| nonce);
        Invocation { agent, operation, now: after(self.seconds), nonce: Nonce::from_bits(self.nonces), lease }
    }

    fn next_operation(&mut self, agent: usize) -> Operation {
        let Some(any) = self.any() else { return Operation::Enqueue(self.new_task()) };
        let mine = self.leases[agent].map_or(any, |(id, _)| id);
        match self.random.random_range(0..40) {
            0..9 => Operation::Enqueue(self.new_task()),
            9 => Operation::EnqueueBoth([self.new_task(), self.new_task()]),
            10..18 => Operation::Claim,
            18..20 => Operation::Heartbeat(mine),
            20..22 => Operation::Progress(mine),
            22..25 => Operation::Complete(mine),
            25 => Operation::CompleteAndEnqueue(mine, New { after: [None, None], ..self.new_task() }),
            26..28 => Operation::Fail(mine),
            28 => Operation::FailFinally(mine),
            29 => Operation::Release(mine),
            30 => Operation::ReleaseLater(mine, 2),
            31 => Operation::Cancel(any),
            32 => Operation::RequestCancel(any),
            33 => Operation::ForceCancel(any),
            34..36 => Operation::Retry(any),
            36 => Operation::Sweep,
            37 => Operation::Gc,
            38 => Operation::Repair,
            _ => match self.random.random_range(0..4) {
                0 => Operation::Pause,
                1 => Operation::Limit(Some(1)),
                2 => Operation::Limit(None),
                _ => Operation::Resume,
            },
        }
    }

    fn new_task(&mut self) -> New {
        let parents = match self.random.random_range(0..6) {
            0 => [self.any(), None],
            1 => [self.any(), self.any()],
            _ => [None, None],
        };
        // One that is named twice is refused.
        let after = if parents[0] == parents[1] { [parents[0], None] } else { parents };
        let [short, long] = [self.random.random_range(2..8), 100_000];
        New {
            number: self.random.random_range(0..1_000),
            priority: self.random.random_range(0..2),
            ttl_seconds: if self.random.random_bool(0.2) { short } else { long },
            max_attempts: self.random.random_bool(0.3).then_some(2),
            delay_seconds: if self.random.random_bool(0.2) { 3 } else { 0 },
            after,
            if_parent_fails: IfParentFails::ALL[self.random.random_range(0..3)],
            is_unique: self.random.random_bool(0.2),
            key: self.random.random_range(0..2),
        }
    }

    fn any(&mut self) -> Option<TaskId> {
        let place = self.random.random_range(0..self.tasks.len().max(1));
        self.tasks.get(place).copied()
    }

    fn told(&mut self, invocation: &Invocation, answer: Answer) {
        match answer {
            Answer::Enqueued(id) | Answer::Followed(_, _, id) => self.tasks.push(id),
            Answer::Both(both) => self.tasks.extend(both.map(|(id, _)| id)),
            Answer::Claimed(id, _, nonce) => self.leases[invocation.agent] = Some((id, nonce)),
            _ => {}
        }
    }
}

/// The first file that is not in both, or not the same.
fn difference_of(wanted: Files, found: Files) -> Option<String> {
    let [wanted, found] = [wanted, found].map(but_for_upkeep);
    let missing = wanted.iter().find(|(path, content)| found.get(*path) != Some(*content));
    let beyond = found.iter().find(|(path, _)| !wanted.contains_key(*path));
    let shown = |(path, content): (&Path, &Vec<u8>)| format!("{path}: {}", String::from_utf8_lossy(content));
    let missing = missing.map(|file| format!("in the directory there is {}", shown(file)));
    missing.or_else(|| beyond.map(|file| format!("in the other store there is {}", shown(file))))
}

fn but_for_upkeep(files: Files) -> Files {
    // A holder whose task was removed may leave a report behind.
    let is_there = |id: TaskId| files.contains_key(&layout::record(id));
    let is_stray = |path: &Path| layout::parse_report(&path.name).is_some_and(|(id, ..)| !is_there(id));
    let is_upkeep = |path: &Path| path.name == layout::PREPARED || path.dir == layout::sweep() || is_stray(path);
    let kept = files.iter().filter(|(path, _)| !is_upkeep(path));
    let undrawn = |(path, content): (&Path, &Vec<u8>)| {
        let content = but_for_parent(&but_for_draws(&String::from_utf8_lossy(content))).into_bytes();
        (path.dir.file(but_for_draws(&path.name)), content)
    };
    kept.map(undrawn).collect()
}

/// Why a task was cancelled, without the parent that is told of.
fn but_for_parent(text: &str) -> String {
    const REASON: &str = "it waited for sha256:";
    let Some((before, parent)) = text.split_once(REASON) else { return text.to_string() };
    let behind = parent.find('"').and_then(|end| parent.get(end..)).unwrap_or_default();
    format!("{before}{REASON}…{behind}")
}

/// The upper half of a nonce says which of an invocation's it is.
fn but_for_draws(text: &str) -> String {
    let is_hex = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let mut undrawn = String::new();
    for part in text.split_inclusive(|letter| !is_hex(letter)) {
        let digits = part.trim_end_matches(|letter| !is_hex(letter)).len();
        undrawn.push_str(if digits == 16 { &part[8..] } else { part });
    }
    undrawn
}
