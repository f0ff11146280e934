//! Every schedule: all that a few agents can do to one task and what depends on it, explored to the end by `stateright`.
//!
//! A state is the tree, the ledger, and how far each agent has come: the replies that its errand has had so far. To go on,
//! the real operation is run again from its beginning, is given the same replies, and stops at the first call that has
//! no reply yet. So the code that ships is explored, states that look alike are explored once, and the path to a broken
//! promise is the shortest there is.
//!
//! Clocks stay within ten seconds of each other here, so no directory is removed, and no sync fails: that is for `random`.
//!
//! Agents that claim from a limited queue may give way to each other for as long as chance keeps them in step. Such schedules are
//! explored until a task that has been given back [`GIVEN_BACK`] times would be so again; with a mishap, until it is claimed
//! again.
//!
//! What is reduced, and why nothing is missed: an operation on names that nobody changes in the scenario (reading a
//! record, listing the levels above the leaf, syncing) commutes with everything, so it is no scheduling point; a change
//! of such a name ends the run with a panic. An agent that stops for ever is every schedule in which it is not
//! continued, so death is a move of its own only where the agent comes back with another errand.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use coord_core::TaskId;
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{Nonce, QueueName};
use coord_core::store::mem::Tree;
use coord_core::store::{Made, Stamp, StoreErrorKind};
use stateright::{Checker, Model, Property};

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
    /// What was done before, by whom.
    pub given: Vec<(usize, Kind)>,
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

    /// True if it makes a task.
    fn adds(self) -> bool {
        matches!(self, Kind::Enqueue | Kind::EnqueueChild | Kind::CompleteAndEnqueue)
    }
}

impl Scenario {
    /// True if no task waits for its time in this scenario.
    fn puts_nothing_off(&self) -> bool {
        let later = self.orders.contains(&Kind::ReleaseLater);
        let attempts = self.task.max_attempts.is_some() || self.adds.max_attempts.is_some();
        !later && !attempts && self.task.delay_seconds + self.adds.delay_seconds == 0
    }

    /// Explores all schedules, or until one breaks a promise.
    pub fn explore(&self) -> Explored {
        let started = Instant::now();
        let space = Space::new(self.clone());
        let checker = space.clone().checker().threads(2).spawn_bfs().join();
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

/// How often a task may be claimed of a limited queue and be given back, at most. A version is added by each of the two.
const GIVEN_BACK: u32 = 1;

const KEPT: &str = "every promise is kept";

/// The scenario with its beginning.
#[derive(Clone, Debug)]
struct Space {
    scenario: Scenario,
    start: World,
    agents: Vec<Agent>,
    task: TaskId,
    leaf: Dir,
}

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
        if scenario.limit.is_some() {
            let other = New { number: 1, priority: -1, ..scenario.task };
            given(Order::Enqueue(numbered(other, &task.fan_out(2), after(0), None)), 0xe1);
            given(Order::Limit(scenario.limit), 0xe2);
        }
        start.ledger.limit = scenario.limit.map(|limit| limit as usize);
        let agents = vec![Agent::default(); scenario.agents];
        let leaf = layout::ready_leaf(&QueueName::default_queue(), 0, after(0));
        let mut space = Space { scenario, start, agents, task, leaf };
        for (agent, kind) in space.scenario.given.clone() {
            space.agents[agent].errands += 1;
            let errand = space.errand(agent, &space.agents[agent], kind, 1);
            let answer = space.start.run(&errand).expect("nobody is in the way");
            if let Answer::Claimed(_, _, nonce) = answer {
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
        let added = |parent: Option<TaskId>, follows| {
            let number = 1_000 * (8 * agent as u16 + u16::from(state.given + state.errands) + 1);
            let new = New { number, after: [parent, None], ..self.scenario.adds };
            let found = numbered(new, &task.fan_out(2), now, follows);
            // A completion waits for itself of its own accord.
            if follows.is_some() { New { after: [None, None], ..found } } else { found }
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
        };
        // Every other agent says which lease it means, so both ways of asking are explored.
        let lease = state.lease.filter(|_| agent.is_multiple_of(2));
        Errand { agent, order, now, nonce, lease }
    }

    /// Runs an errand as far as its replies go.
    fn progress(&self, errand: &Errand, replies: &[Reply], tree: &Tree) -> Progress {
        let (next, wanted) = (RefCell::new(replies.iter()), RefCell::new(None));
        let ask = |call: Call| {
            if wanted.borrow().is_some() {
                return failed(StoreErrorKind::Other);
            }
            if let Call::Stamp(_) = &call {
                // It has just changed, whoever asks. So nobody removes it when it is empty: that is for the random schedules.
                return Ok(Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))));
            }
            match &call {
                // As all directories that tasks come to by their ids, or keys by theirs, it is never removed.
                Call::MakeDir(dir) if self.is_there_for_good(dir) => return Ok(Outcome::Made(Made::Taken)),
                _ if self.is_constant(&call) => return Ok(call.look(tree)),
                _ => {}
            }
            next.borrow_mut().next().cloned().unwrap_or_else(|| {
                *wanted.borrow_mut() = Some(call);
                failed(StoreErrorKind::Other)
            })
        };
        let answer = errand.run(answered(self.scenario.mistake, ask));
        wanted.take().map_or(Progress::Over(answer), Progress::Wants)
    }

    /// True for looking at what nobody changes in this scenario. That nobody does is asserted at each change.
    fn is_constant(&self, call: &Call) -> bool {
        match call {
            Call::Read(path, _) if *path == layout::format() => true,
            Call::Read(path, _) | Call::Exists(path) => self.is_constant_file(path),
            Call::Links(path) => self.is_constant_dir(&path.dir),
            Call::List(dir) | Call::Stamp(dir) => self.is_constant_dir(dir),
            Call::SyncDir(_) => true,
            _ => false,
        }
    }

    fn is_there_for_good(&self, dir: &Dir) -> bool {
        let hall = dir.as_str().split('/').next().unwrap_or_default();
        let is_kept = ["tasks", "claimed", "done", "records", "unique"].contains(&hall);
        is_kept && self.start.tree.list(dir).is_some()
    }

    fn is_constant_file(&self, path: &Path) -> bool {
        let recorded = || path.dir.as_str().starts_with("tasks/") && self.start.tree.exists(path);
        self.is_constant_dir(&path.dir) || recorded()
    }

    fn is_constant_dir(&self, dir: &Dir) -> bool {
        let hall = dir.as_str().split('/').next().unwrap_or_default();
        let adds = self.scenario.orders.iter().any(|kind| kind.adds());
        let above_leaf = self.leaf.as_str().starts_with(dir.child("").as_str()) && *dir != Dir::root();
        match hall {
            // What is enqueued by the clock by which the task was comes into the same leaf.
            "ready" => above_leaf && (!adds || self.scenario.clocks == [0]),
            "tasks" | "blocked" => !adds,
            "unique" => !self.scenario.adds.is_unique,
            "queues" | "runs" | "tags" => true,
            "scheduled" => self.scenario.puts_nothing_off(),
            // A record whose name was taken by itself moves on by a microsecond, and has another id.
            _ => ["claimed", "done"].contains(&dir.as_str()) && !(adds && self.scenario.mishaps > 0),
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
                    What::Fail => failed(StoreErrorKind::Other),
                    _ => now.world.call(&call, &errand)?,
                };
                self.assert_not_constant(&call, &reply);
                agent.replies.push(match what {
                    What::Repeat => repeated(&reply),
                    What::FailAfter => failed(StoreErrorKind::Other),
                    _ => reply,
                });
                errand
            }
            (what, None) => panic!("{what:?} is for busy agents"),
        };
        match self.progress(&errand, &agent.replies, &now.world.tree) {
            Progress::Wants(call) => agent.busy = Some((errand, call)),
            Progress::Over(answer) => {
                agent.replies.clear();
                if let Answer::Claimed(_, _, nonce) = answer {
                    agent.lease = Some(nonce);
                }
                now.answer = Some(answer);
                now.world.told(&errand, &answer)?;
            }
        }
        Ok(())
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
        now.world.clone().drain(LATER)
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

impl Model for Space {
    type State = Now;
    type Action = Step;

    fn init_states(&self) -> Vec<Now> {
        Vec::from([Now {
            world: self.start.clone(),
            agents: self.agents.clone(),
            errands: self.scenario.errands,
            mishaps: self.scenario.mishaps,
            broken: None,
            answer: None,
        }])
    }

    fn actions(&self, now: &Now, steps: &mut Vec<Step>) {
        for (agent, state) in now.agents.iter().enumerate() {
            let mut may = |what| steps.push(Step { agent, what });
            match state.busy {
                Some(_) => {
                    may(What::Call);
                    if now.mishaps > 0 {
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
            Property::sometimes("a completion enqueues", |_, now: &Now| {
                now.told(|answer, _| matches!(answer, Answer::Followed(..)))
            }),
        ])
    }
}
