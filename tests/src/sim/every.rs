//! Every schedule: all that a few agents can do to one task and what depends on it, explored to the end by
//! `stateright`.
//!
//! A state is the tree, the ledger, and how far each agent has come: the replies that its errand has had so far. To go
//! on, the real operation is run again from its beginning, is given the same replies, and stops at the first call that
//! has no reply yet. So the code that ships is explored, states that look alike are explored once, and the path to a
//! broken promise is the shortest there is. How far an errand comes with its replies is noted, for the errand comes as
//! far with the same replies in every other state.
//!
//! Clocks stay within ten seconds of each other here, so no directory is removed, and no sync fails: that is for
//! `random`.
//!
//! Agents that claim from a limited queue may give way to each other for as long as chance keeps them in step. Such
//! schedules are explored until a task that has been given back [`GIVEN_BACK`] times would be so again; with a mishap,
//! until it is claimed again.
//!
//! What is reduced, and why nothing is missed: an operation on names that nobody changes in the scenario (reading a
//! record, listing the levels above the leaf, syncing) commutes with everything, so it is no scheduling point; a change
//! of such a name ends the run with a panic. An agent that stops for ever is every schedule in which it is not
//! continued, so death is a move of its own only where the agent comes back with another errand, or where all the
//! others have to come to rest without it. What an agent does to a file that no other agent looks at (its draft; with
//! unique keys its record, before the key names it and after it has lost the key) is done at once, together with the
//! step before.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use coord_core::TaskId;
use coord_core::entry::Entry;
use coord_core::layout::{self, Dir, Path};
use coord_core::limits;
use coord_core::name::{Nonce, QueueName};
use coord_core::store::mem::Tree;
use coord_core::store::{Flushed, Made, Stamp, StoreErrorKind};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::agent::{self, Answer, Errand, New, Order, after, numbered};
use super::call::{Call, Outcome, Reply, failed, repeated};
use super::ledger::{Broken, Ledger};
use super::mistake::{Mistake, answered};
use super::world::World;

/// A few agents on one task.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many agents.
    pub agents: usize,
    /// How many errands they run, all together.
    pub errands: u8,
    /// How many of them each runs at most.
    pub errands_each: u8,
    /// How often a call fails, or loses its reply, or an agent dies in the middle and comes back.
    pub mishaps: u8,
    /// The only mishaps are deaths.
    pub only_deaths: bool,
    /// What agents are at when it begins, by their numbers. Each is one of the errands.
    pub begun: Vec<Kind>,
    /// How many of these are ahead: each has come, by itself, to its first change that others see.
    pub ahead: usize,
    /// What they may be told to do.
    pub orders: Vec<Kind>,
    /// What an agent's clock may say when it is told, in seconds after the task was enqueued. Each errand chooses anew,
    /// so clocks jump both ways.
    pub clocks: Vec<u64>,
    /// The task.
    pub task: New,
    /// What is added to it, if it is ordered.
    pub adds: New,
    /// How many tasks may be claimed at once. Then there is another one, and all clocks are equal.
    pub limit: Option<u32>,
    /// There is another task, which is claimed after the first.
    pub another: bool,
    /// What was done before, by whom.
    pub given: Vec<(usize, Kind)>,
    /// Agents know that the medium orders names.
    pub orders_names: bool,
    /// What is wrong with the agents' programs.
    pub mistake: Option<Mistake>,
}

/// What an agent may be told about the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Order::Enqueue`].
    Enqueue,
    /// [`Order::Enqueue`], and the new one waits for the task.
    EnqueueChild,
    /// [`Order::Claim`].
    Claim,
    /// [`Order::Heartbeat`].
    Heartbeat,
    /// [`Order::Progress`].
    Progress,
    /// [`Order::Complete`].
    Complete,
    /// [`Order::CompleteAndEnqueue`].
    CompleteAndEnqueue,
    /// [`Order::Fail`].
    Fail,
    /// [`Order::FailFinally`].
    FailFinally,
    /// [`Order::Release`].
    Release,
    /// [`Order::ReleaseLater`], for two seconds.
    ReleaseLater,
    /// [`Order::Cancel`].
    Cancel,
    /// [`Order::RequestCancel`].
    RequestCancel,
    /// [`Order::ForceCancel`].
    ForceCancel,
    /// [`Order::Retry`].
    Retry,
    /// [`Order::Sweep`].
    Sweep,
    /// [`Order::EnqueueBoth`]: two with the same key, if they have one.
    EnqueueBoth,
    /// [`Order::Enqueue`], and the new one waits for the task and the other one.
    EnqueueChildOfBoth,
    /// [`Order::Complete`] of the other task.
    CompleteOther,
    /// [`Order::FailFinally`] of the other task.
    FailOther,
    /// [`Order::Gc`].
    Gc,
    /// [`Order::Export`].
    Export,
    /// [`Order::Import`] of one task from another queue, whoever does it.
    Import,
    /// [`Order::Import`] of the task itself.
    ImportItself,
    /// [`Order::Pause`].
    Pause,
    /// [`Order::Resume`].
    Resume,
    /// [`Order::Limit`], of one.
    LimitToOne,
    /// [`Order::Repair`], by a doctor who takes everybody for dead.
    Repair,
}

/// What was explored.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// The most steps on the way to one.
    pub depth: usize,
    /// How long it took.
    pub time: Duration,
    /// The shortest schedule that breaks a promise, one step a line.
    pub failure: Option<String>,
    /// What happens in some schedule, so that its checks are not empty.
    pub seen: Vec<&'static str>,
}

impl Kind {
    /// What can be done to a task that is tried once and depends on nothing.
    pub const PLAIN: [Kind; 7] =
        [Kind::Claim, Kind::Heartbeat, Kind::Complete, Kind::Fail, Kind::Release, Kind::Cancel, Kind::ForceCancel];

    /// All of these but [`Kind::Release`].
    pub const TO_AN_END: [Kind; 6] =
        [Kind::Claim, Kind::Heartbeat, Kind::Complete, Kind::Fail, Kind::Cancel, Kind::ForceCancel];

    fn imports(self) -> bool {
        matches!(self, Kind::Import | Kind::ImportItself)
    }

    /// True if it sets something for a queue.
    fn sets(self) -> bool {
        matches!(self, Kind::Pause | Kind::Resume | Kind::LimitToOne)
    }

    /// True if it makes a task.
    fn adds(self) -> bool {
        self.imports()
            || matches!(self, Kind::Enqueue | Kind::EnqueueChild | Kind::EnqueueChildOfBoth)
            || matches!(self, Kind::EnqueueBoth | Kind::CompleteAndEnqueue)
    }
}

impl Scenario {
    /// True if no task waits for its time in this scenario.
    fn puts_nothing_off(&self) -> bool {
        let later = self.has(Kind::ReleaseLater);
        let attempts = self.task.max_attempts.is_some() || self.adds.max_attempts.is_some();
        !later && !attempts && self.task.delay_seconds + self.adds.delay_seconds == 0
    }

    /// True if an agent may be told to do this.
    fn has(&self, kind: Kind) -> bool {
        self.orders.contains(&kind) || self.begun.contains(&kind)
    }

    fn all_kinds(&self) -> impl Iterator<Item = Kind> {
        self.orders.iter().chain(&self.begun).copied()
    }

    /// True if every task that is there stays as it is: then only who enqueues makes a difference.
    fn only_enqueues(&self) -> bool {
        // A task that expires on the way is moved by whoever asks for its key.
        let latest = self.clocks.iter().copied().max().unwrap_or_default();
        let lasts = i64::try_from(latest).is_ok_and(|latest| latest < self.task.ttl_seconds);
        lasts && self.all_kinds().all(|kind| matches!(kind, Kind::Enqueue | Kind::Repair))
    }

    /// Explores all schedules, or until one breaks a promise.
    pub fn explore(&self) -> Explored {
        let started = Instant::now();
        let space = Space::new(self.clone());
        let checker = space.clone().checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let mut discoveries = checker.discoveries();
        let failure = discoveries.remove(KEPT).map(|path| space.schedule(&path.into_vec()));
        Explored {
            states: checker.unique_state_count(),
            steps: checker.state_count(),
            depth: checker.max_depth(),
            time: started.elapsed(),
            failure,
            seen: discoveries.into_keys().collect(),
        }
    }
}

/// When every lease is over, in seconds after the beginning.
const LATER: u64 = 100;

/// The agent that asks for the key when all others have come to rest.
const LATE_ENQUEUER: usize = 7;

/// By how many seconds the clock of a doctor is wrong who takes everybody for dead.
const LONG: u64 = 100;
/// How often a task may be claimed of a limited queue and be given back, at most. A version is added by each of the
/// two.
const GIVEN_BACK: u32 = 1;

const KEPT: &str = "every promise is kept";

/// The scenario with its beginning.
#[derive(Clone, Debug)]
struct Space {
    scenario: Scenario,
    start: World,
    agents: Vec<Agent>,
    task: TaskId,
    /// If there is one.
    other: TaskId,
    leaf: Dir,
    known: Arc<RwLock<Known>>,
}

/// How far each errand comes with which replies, as far as that was found out.
type Known = HashMap<Errand, HashMap<Vec<Reply>, Progress>>;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Now {
    world: World,
    agents: Vec<Agent>,
    errands: u8,
    mishaps: u8,
    broken: Option<Broken>,
    /// What the last step told somebody.
    answer: Option<Answer>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Agent {
    /// How many errands it has run.
    errands: u8,
    /// How many it had run before.
    given: u8,
    /// What it is doing, and the call that comes next.
    busy: Option<(Errand, Call)>,
    /// The replies that it has had on this errand, but for those that never change.
    replies: Vec<Reply>,
    /// The lease that it believes to have.
    lease: Option<Nonce>,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    agent: usize,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// It is told to do something.
    Begin(Kind, u64),
    /// Its next call is done.
    Call,
    /// Its next call fails and changes nothing.
    Fail,
    /// Its next call takes effect; the reply is lost, and the call sent again.
    Repeat,
    /// Its next call takes effect; the agent hears that it failed.
    FailAfter,
    /// It dies and comes back.
    Die,
}

impl Now {
    /// True if somebody has just been told something of which this holds.
    fn told(&self, is_so: impl FnOnce(&Answer, &Ledger) -> bool) -> bool {
        self.answer.as_ref().is_some_and(|answer| is_so(answer, &self.world.ledger))
    }

    fn is_at_work(&self) -> bool {
        self.errands > 0 || self.agents.iter().any(|agent| agent.busy.is_some())
    }
}

/// How far an errand comes with the replies that there are.
#[derive(Clone, Debug)]
enum Progress {
    Wants(Call),
    Over(Answer),
}

impl Space {
    fn new(scenario: Scenario) -> Space {
        let mut start = World::new();
        let mut given = |order, nonce| {
            let errand = Errand { agent: 0, order, now: after(0), nonce: Nonce::from_bits(nonce), lease: None };
            start.run(&errand).expect("nobody is in the way")
        };
        let Answer::Enqueued(task) = given(Order::Enqueue(scenario.task), 0xe0) else { panic!("nobody is in the way") };
        let mut other = task;
        if scenario.limit.is_some() || scenario.another {
            let new = New { number: 1, priority: -1, ..scenario.task };
            let answer = given(Order::Enqueue(numbered(new, &task.fan_out(2), after(0), None)), 0xe1);
            let Answer::Enqueued(id) = answer else { panic!("nobody is in the way") };
            other = id;
        }
        if scenario.limit.is_some() {
            given(Order::Limit(scenario.limit), 0xe2);
        }
        start.ledger.limit = scenario.limit.map(|limit| limit as usize);
        if scenario.given.iter().any(|(_, kind)| *kind == Kind::Pause) && !scenario.has(Kind::Resume) {
            start.ledger.limit = Some(0);
        }
        let agents = vec![Agent::default(); scenario.agents];
        let leaf = layout::ready_bucket(&QueueName::default_queue(), 0, after(0));
        let mut space = Space { scenario, start, agents, task, other, leaf, known: Arc::default() };
        for (agent, kind) in space.scenario.given.clone() {
            space.agents[agent].errands += 1;
            let errand = space.errand(agent, &space.agents[agent], kind, 1);
            let answer = space.start.run(&errand).expect("nobody is in the way");
            if let Answer::Claimed(id, _, nonce) = answer
                && id == task
            {
                space.agents[agent].lease = Some(nonce);
            }
        }
        space.agents.iter_mut().for_each(|agent| agent.given = std::mem::take(&mut agent.errands));
        space
    }

    fn errand(&self, agent: usize, state: &Agent, kind: Kind, clock: u64) -> Errand {
        let (task, now) = (self.task, after(clock));
        let nonce = Nonce::from_bits(agent as u64 * 0x100 + u64::from(state.given + state.errands) + 1);
        // It comes into the same directories, so that they need not be made.
        let number = 1_000 * (8 * agent as u16 + u16::from(state.given + state.errands) + 1);
        let same_place = |new: New, at, follows| numbered(new, &task.fan_out(2), at, follows);
        let added = |parent: Option<TaskId>, follows| {
            let found = same_place(New { number, after: [parent, None], ..self.scenario.adds }, now, follows);
            // A completion waits for itself of its own accord.
            if follows.is_some() { New { after: [None, None], ..found } } else { found }
        };
        let other = self.other;
        let both = || {
            let first = added(None, None);
            let second = New { number: first.number + 1, ..first };
            [first, same_place(second, now.plus_micros(limits::BATCH_MICROS_APART), None)]
        };
        let order = match kind {
            Kind::Enqueue => Order::Enqueue(added(None, None)),
            Kind::EnqueueChild => Order::Enqueue(added(Some(task), None)),
            Kind::CompleteAndEnqueue => Order::CompleteAndEnqueue(task, added(Some(task), Some(nonce))),
            Kind::Claim => Order::Claim,
            Kind::Heartbeat => Order::Heartbeat(task),
            Kind::Progress => Order::Progress(task),
            Kind::Complete => Order::Complete(task),
            Kind::Fail => Order::Fail(task),
            Kind::FailFinally => Order::FailFinally(task),
            Kind::Release => Order::Release(task),
            Kind::ReleaseLater => Order::ReleaseLater(task, 2),
            Kind::Cancel => Order::Cancel(task),
            Kind::RequestCancel => Order::RequestCancel(task),
            Kind::ForceCancel => Order::ForceCancel(task),
            Kind::Retry => Order::Retry(task),
            Kind::Sweep => Order::Sweep,
            Kind::EnqueueBoth => Order::EnqueueBoth(both()),
            Kind::EnqueueChildOfBoth => {
                let new = New { number, after: [Some(task), Some(other)], ..self.scenario.adds };
                Order::Enqueue(same_place(new, now, None))
            }
            Kind::CompleteOther => Order::Complete(other),
            Kind::FailOther => Order::FailFinally(other),
            Kind::Gc => Order::Gc,
            Kind::Export => Order::Export,
            Kind::Import => {
                Order::Import(same_place(New { number: 30_000, ..self.scenario.adds }, after(0), None), after(0))
            }
            Kind::ImportItself => Order::Import(self.scenario.task, after(0)),
            Kind::Pause => Order::Pause,
            Kind::Resume => Order::Resume,
            Kind::LimitToOne => Order::Limit(Some(1)),
            Kind::Repair => Order::Repair,
        };
        let now = match kind {
            Kind::Repair => after(clock + LONG),
            // Whatever has ended by now ended before.
            Kind::Gc => after(clock + 2),
            _ => now,
        };
        // Every other agent says which lease it means, so both ways of asking are explored.
        let of_other = matches!(kind, Kind::CompleteOther | Kind::FailOther);
        let lease = state.lease.filter(|_| agent.is_multiple_of(2) && !of_other);
        Errand { agent, order, now, nonce, lease }
    }

    /// How far an errand comes with its replies.
    fn progress(&self, errand: &Errand, replies: &[Reply], tree: &Tree) -> Progress {
        let known = |known: &Known| known.get(errand)?.get(replies).cloned();
        if let Some(progress) = known(&self.known.read().expect("no holder panics")) {
            return progress;
        }
        let (progress, is_everywhere_so) = self.run(errand, replies, tree);
        if is_everywhere_so {
            let mut known = self.known.write().expect("no holder panics");
            known.entry(*errand).or_default().insert(replies.to_vec(), progress.clone());
        }
        progress
    }

    /// Runs an errand as far as its replies go. True if it comes as far with them whatever else happens to the tree.
    fn run(&self, errand: &Errand, replies: &[Reply], tree: &Tree) -> (Progress, bool) {
        let (next, wanted, looks) = (RefCell::new(replies.iter()), RefCell::new(None), Cell::new(false));
        let ask = |call: Call| {
            if wanted.borrow().is_some() {
                return failed(StoreErrorKind::Other);
            }
            if let Call::Stamp(dir) = &call
                && hall(dir) != "blocked"
            {
                // It has just changed, whoever asks. So nobody removes it when it is empty: that is for the random
                // schedules.
                return Ok(Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))));
            }
            match &call {
                // Whether the file has moved on is told by what comes after it, unless nothing does.
                Call::Flush(_) if !self.scenario.orders_names => return Ok(Outcome::Flushed(Flushed::Now)),
                // As all directories that tasks come to by their ids, or keys by theirs, it is never removed.
                Call::MakeDir(dir) if self.is_there_for_good(dir) => return Ok(Outcome::Made(Made::Taken)),
                _ if self.is_constant(&call) => return Ok(call.look(tree)),
                Call::Read(path, _) | Call::FirstLine(path, _) if self.is_written_once(path) => {
                    looks.set(true);
                    if tree.exists(path) {
                        return Ok(call.look(tree));
                    }
                }
                _ => {}
            }
            next.borrow_mut().next().cloned().unwrap_or_else(|| {
                *wanted.borrow_mut() = Some(call);
                failed(StoreErrorKind::Other)
            })
        };
        let answer = errand.run(answered(self.scenario.mistake, ask).ordering_names(self.scenario.orders_names));
        (wanted.take().map_or(Progress::Over(answer), Progress::Wants), !looks.get())
    }

    /// True for looking at what nobody changes in this scenario. That nobody does is asserted at each change.
    fn is_constant(&self, call: &Call) -> bool {
        match call {
            Call::Read(path, _) if *path == layout::format() => true,
            // What is reported of a task comes behind the first line.
            Call::Read(path, _) => {
                self.is_constant_file(path) && (hall(&path.dir) != "tasks" || self.scenario.only_enqueues())
            }
            Call::FirstLine(path, _) | Call::Exists(path) => self.is_constant_file(path),
            Call::Links(path) => self.is_constant_dir(&path.dir),
            Call::List(dir) | Call::Stamp(dir) => self.is_constant_dir(dir),
            Call::SyncDir(_) => true,
            _ => false,
        }
    }

    /// True for a change of which no other agent sees anything, whenever it is made.
    fn is_private(&self, call: &Call) -> bool {
        let (Call::Create(path, _) | Call::Link(_, path) | Call::Remove(path)) = call else { return false };
        let is_entry = Entry::parse(&path.name).is_some();
        let unseen = match hall(&path.dir) {
            "tmp" => true,
            // Before a key names a task, and after another task has it, only who enqueues the task knows of it.
            "tasks" => self.scenario.only_enqueues() && self.scenario.adds.is_unique,
            "unique" => self.scenario.only_enqueues() && is_entry,
            _ => false,
        };
        // A doctor sees everything.
        unseen && !self.scenario.has(Kind::Repair)
    }

    /// True for what is written once, and then is there as long as anybody asks for it: who has a key, and the record
    /// of a task that has it.
    fn is_written_once(&self, path: &Path) -> bool {
        let is_kept = match hall(&path.dir) {
            "tasks" => layout::parse_record(&path.name).is_some(),
            "unique" => layout::parse_key_holder(&path.name).is_some_and(|number| number < limits::KEY_NUMBERS_KEPT),
            _ => false,
        };
        is_kept && self.scenario.only_enqueues() && !self.scenario.has(Kind::Repair)
    }

    fn is_there_for_good(&self, dir: &Dir) -> bool {
        let is_kept = ["tasks", "claimed", "done", "unique"].contains(&hall(dir));
        is_kept && self.start.tree.list(dir).is_some()
    }

    fn is_constant_file(&self, path: &Path) -> bool {
        // Once written, a record stays, unless its task is removed, or a doctor mends it. Progress beside it does not.
        let stays = !self.scenario.has(Kind::Gc) && !self.scenario.has(Kind::Repair);
        let is_record = || hall(&path.dir) == "tasks" && layout::parse_record(&path.name).is_some();
        self.is_constant_dir(&path.dir) || stays && is_record() && self.start.tree.exists(path)
    }

    fn is_constant_dir(&self, dir: &Dir) -> bool {
        let adds = self.scenario.all_kinds().any(Kind::adds);
        let above_leaf = self.leaf.as_str().starts_with(dir.child("").as_str()) && *dir != Dir::root();
        match hall(dir) {
            // What is enqueued by the clock by which the task was comes into the same leaf.
            "ready" => above_leaf && !self.scenario.has(Kind::Gc) && (!adds || self.scenario.clocks == [0]),
            "blocked" if self.scenario.only_enqueues() => true,
            "tasks" => {
                !adds && ![Kind::Gc, Kind::Repair, Kind::Progress].into_iter().any(|kind| self.scenario.has(kind))
            }
            "blocked" => !adds,
            "unique" => !self.scenario.adds.is_unique && !self.scenario.task.is_unique,
            "queues" => !self.scenario.all_kinds().any(Kind::sets),
            "runs" => true,
            "tags" => !self.scenario.has(Kind::Gc),
            "scheduled" => self.scenario.puts_nothing_off(),
            "claimed" | "done" | "purged" | "sweep" | "deadlines"
                if self.scenario.only_enqueues() && !self.scenario.has(Kind::Repair) =>
            {
                true
            }
            // A record whose name was taken by itself, or that a doctor took away, moves on by a microsecond, and has
            // another id.
            _ => {
                let moves_on = self.scenario.mishaps > 0 || self.scenario.has(Kind::Repair);
                let unsettled = adds && moves_on || self.scenario.all_kinds().any(Kind::imports);
                ["claimed", "done"].contains(&dir.as_str()) && !unsettled
            }
        }
    }

    fn assert_not_constant(&self, call: &Call, reply: &Reply) {
        if *reply == repeated(reply) {
            // It changed nothing.
            return;
        }
        let changed = |path: &Path| assert!(!self.is_constant_file(path), "{call} changes what was constant");
        match call {
            Call::Create(path, _) | Call::Remove(path) | Call::Link(_, path) => changed(path),
            Call::Rename(from, to) => [from, to].into_iter().for_each(changed),
            Call::MakeDir(dir) | Call::RemoveDir(dir) => {
                let (parent, name) = dir.split().expect("not the root");
                changed(&parent.file(name));
            }
            _ => {}
        }
    }

    fn step(&self, now: &mut Now, step: &Step) -> Result<(), Broken> {
        now.answer = None;
        let agent = &mut now.agents[step.agent];
        if !matches!(step.what, What::Begin(..) | What::Call) {
            now.mishaps -= 1;
        }
        let errand = match (&step.what, agent.busy.take()) {
            (What::Begin(kind, clock), None) => {
                now.errands -= 1;
                agent.errands += 1;
                self.errand(step.agent, agent, *kind, *clock)
            }
            (What::Die, Some(_)) => {
                agent.replies.clear();
                return Ok(());
            }
            (what, Some((errand, call))) => {
                let reply = match what {
                    What::Fail => now.world.fail(&call),
                    _ => now.world.call(&call, &errand)?,
                };
                self.assert_not_constant(&call, &reply);
                agent.replies.push(match what {
                    What::Repeat => repeated(&reply),
                    What::FailAfter => failed(StoreErrorKind::Other),
                    _ => reply.map(unstamped),
                });
                errand
            }
            (what, None) => panic!("{what:?} is for busy agents"),
        };
        self.go_on(now, step.agent, errand)
    }

    /// Has an agent go on with its errand as far as its replies go, and do what nobody sees.
    fn go_on(&self, now: &mut Now, agent: usize, errand: Errand) -> Result<(), Broken> {
        let Now { world, agents, answer: told, .. } = now;
        let agent = &mut agents[agent];
        loop {
            match self.progress(&errand, &agent.replies, &world.tree) {
                Progress::Wants(call) if self.is_private(&call) => agent.replies.push(world.call(&call, &errand)?),
                Progress::Wants(call) => {
                    agent.busy = Some((errand, call));
                    return Ok(());
                }
                Progress::Over(answer) => {
                    agent.replies.clear();
                    if let Answer::Claimed(_, _, nonce) = answer {
                        agent.lease = Some(nonce);
                    }
                    *told = Some(answer);
                    return world.told(&errand, &answer);
                }
            }
        }
    }

    /// No promise is broken, also not in what is left to do when nobody has an errand any more.
    fn is_kept(&self, now: &Now) -> bool {
        now.broken.is_none() && (now.is_at_work() || self.left_to_do(now).is_ok())
    }

    /// All agents are at rest: what is left is worked off. Where nothing went wrong, nobody needs a sweep to be woken.
    fn left_to_do(&self, now: &Now) -> Result<(), Broken> {
        if self.scenario.mishaps == 0 {
            now.world.ledger.awake()?;
            if self.scenario.orders == [Kind::Claim] {
                now.world.ledger.limit_is_used(after(self.scenario.clocks[0]))?;
            }
        }
        let mut world = now.world.clone();
        if self.scenario.adds.is_unique {
            // Whatever the dead left undone, whoever asks for their key is answered.
            let new = New { number: 50_000, ttl_seconds: 1_000, ..self.scenario.adds };
            let errand = Errand {
                agent: LATE_ENQUEUER,
                order: Order::Enqueue(new),
                now: after(LATER),
                nonce: Nonce::from_bits(0xc0_0000),
                lease: None,
            };
            world.run(&errand)?;
        }
        world.drain(LATER)
    }

    /// The steps to a state, in words.
    fn schedule(&self, path: &[(Now, Option<Step>)]) -> String {
        let mut lines = Vec::new();
        for (now, step) in path {
            let left = || if now.is_at_work() { None } else { self.left_to_do(now).err() };
            lines.extend(now.broken.clone().or_else(left).map(|broken| broken.to_string()));
            lines.extend(step.iter().map(|step| self.describe(now, step)));
        }
        lines.join("\n")
    }

    fn describe(&self, now: &Now, step: &Step) -> String {
        let agent = &now.agents[step.agent];
        let Some((_, call)) = &agent.busy else {
            let What::Begin(kind, clock) = step.what else { return String::new() };
            return self.errand(step.agent, agent, kind, clock).to_string();
        };
        let who = String::from(agent::name(step.agent));
        match step.what {
            What::Fail => format!("  {who}: {call}: fails"),
            What::FailAfter => format!("  {who}: {call}: takes effect, but is reported as failed"),
            What::Repeat => format!("  {who}: {call}: takes effect, the reply is lost, the call repeated"),
            What::Die => format!("  {who} dies, about to {call}"),
            What::Begin(..) | What::Call => format!("  {who}: {call}"),
        }
    }
}

/// The directory of the root that it is in.
fn hall(dir: &Dir) -> &str {
    dir.as_str().split('/').next().unwrap_or_default()
}

/// What is told of a directory's time of change says only whether it is there.
fn unstamped(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Stamp(Some(_)) => Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))),
        other => other,
    }
}

impl Model for Space {
    type State = Now;
    type Action = Step;

    fn init_states(&self) -> Vec<Now> {
        let mut now = Now {
            world: self.start.clone(),
            agents: self.agents.clone(),
            errands: self.scenario.errands,
            mishaps: self.scenario.mishaps,
            broken: None,
            answer: None,
        };
        for (agent, kind) in self.scenario.begun.iter().enumerate() {
            let step = Step { agent, what: What::Begin(*kind, self.scenario.clocks[0]) };
            self.step(&mut now, &step).expect("nobody is in the way");
            let looks = |now: &Now| now.agents[agent].busy.as_ref().is_some_and(|(_, call)| !call.changes());
            while agent < self.scenario.ahead && looks(&now) {
                self.step(&mut now, &Step { agent, what: What::Call }).expect("nobody is in the way");
            }
        }
        Vec::from([now])
    }

    fn actions(&self, now: &Now, steps: &mut Vec<Step>) {
        for (agent, state) in now.agents.iter().enumerate() {
            let mut may = |what| steps.push(Step { agent, what });
            match state.busy {
                Some(_) => {
                    may(What::Call);
                    if now.mishaps > 0 && self.scenario.only_deaths {
                        may(What::Die);
                    } else if now.mishaps > 0 {
                        [What::Fail, What::FailAfter, What::Repeat, What::Die].into_iter().for_each(may);
                    }
                }
                None if now.errands > 0 && state.errands < self.scenario.errands_each => {
                    for kind in &self.scenario.orders {
                        self.scenario.clocks.iter().for_each(|clock| may(What::Begin(*kind, *clock)));
                    }
                }
                None => {}
            }
        }
    }

    fn next_state(&self, last: &Now, step: Step) -> Option<Now> {
        if last.broken.is_some() {
            return None;
        }
        let mut now = last.clone();
        now.broken = self.step(&mut now, &step).err();
        Some(now)
    }

    fn within_boundary(&self, now: &Now) -> bool {
        let most = 2 * (GIVEN_BACK + 1) - u32::from(self.scenario.mishaps > 0);
        self.scenario.limit.is_none() || now.world.ledger.highest_version() <= most
    }

    fn properties(&self) -> Vec<Property<Space>> {
        Vec::from([
            Property::always(KEPT, Space::is_kept),
            Property::sometimes("a second holder completes the task", |_, now: &Now| {
                now.told(|answer, ledger| matches!(answer, Answer::Ended(id, _) if ledger.holders(*id) > 1))
            }),
            Property::sometimes("a task is claimed that was released", |_, now: &Now| {
                now.told(|answer, ledger| matches!(answer, Answer::Claimed(id, ..) if ledger.releases(*id) > 0))
            }),
            Property::sometimes("a task is claimed that failed", |_, now: &Now| {
                now.told(|answer, ledger| matches!(answer, Answer::Claimed(id, ..) if ledger.failures(*id) > 0))
            }),
            Property::sometimes("a task is claimed that has ended", |_, now: &Now| {
                now.told(|answer, ledger| matches!(answer, Answer::Claimed(id, ..) if ledger.ends(*id) > 0))
            }),
            Property::sometimes("a task is claimed that waited for another", |_, now: &Now| {
                now.told(|answer, ledger| matches!(answer, Answer::Claimed(id, ..) if ledger.is_child(*id)))
            }),
            Property::sometimes("a late holder is refused", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Refused("lease_lost")))
            }),
            Property::sometimes("an ended task refuses", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Refused("already_terminal")))
            }),
            Property::sometimes("a key is another's", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Deduplicated(_) | Answer::Refused("key_taken")))
            }),
            Property::sometimes("a holder is asked to stop", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::AskedToStop(..)))
            }),
            Property::sometimes("a task is brought in", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Imported(_)))
            }),
            Property::sometimes("a task was there already", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Already(_)))
            }),
            Property::sometimes("a task is removed", |_, now: &Now| now.world.ledger.removed() > 0),
            Property::sometimes("both are enqueued", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Both([(_, false), (_, false)])))
            }),
            Property::sometimes("there is nothing to claim", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Nothing))
            }),
            Property::sometimes("a completion enqueues", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Followed(..)))
            }),
        ])
    }
}
