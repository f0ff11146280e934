//! Every schedule: all that a few agents can do to one task and what depends on it, explored to the end by
//! `stateright`.
//!
//! A state is the tree, the oracle, and the progress of each agent: the replies that its invocation has had so far. To
//! go on, the real operation runs again from its beginning, gets the same replies, and stops at the first call that has
//! no reply yet. So the code that ships is explored, equal states are explored once, and the schedule that violates an
//! invariant is the shortest there is.
//!
//! What a step does depends on the world and on the agent that takes it. Of both there are far fewer than of states. So
//! each is kept once (`interned`), and what a step does is found out once for each two of them (`taken`). The same goes
//! for the next call after given replies, and for what is left to do when all agents are at rest.
//!
//! Clocks stay within ten seconds of each other here, so no directory is removed. No sync fails. `random` tries both.
//!
//! Agents that claim from a limited queue may back off for each other without end, if their steps stay aligned. Such a
//! schedule is explored until a task would be released more often than `GIVEN_BACK` says; with a mishap, until the task
//! is claimed again.
//!
//! Reductions, and why they miss nothing:
//! - A store operation on names that nobody changes in the scenario commutes with everything, so it is no scheduling
//!   point. Examples are reading a record, listing the levels above a time bucket, and syncing. A change of such a name
//!   ends the run with a panic.
//! - An agent that stops for ever is every schedule in which it is not continued. So death is a step only where the
//!   agent comes back with another invocation, or where the others must come to rest without it.
//! - A change of a file that no other agent looks at is done at once, together with the step before. Examples are a
//!   draft, and the record of a task with a key before the key names the task.

mod independent;
mod interned;
mod invocation;
mod model;
mod replay;
mod space;
mod taken;

use std::time::{Duration, Instant};

use model::KEPT;
use space::Space;
use stateright::{Checker, HasDiscoveries, Model};

use super::operation::New;
use super::seeded_bug::SeededBug;

/// A few agents on one task.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many agents.
    pub agents: usize,
    /// How many invocations they run, all together.
    pub invocations: u8,
    /// How many of them each runs at most.
    pub invocations_each: u8,
    /// How often a call fails, or loses its reply, or an agent dies in the middle and comes back.
    pub mishaps: u8,
    /// The only mishaps are deaths.
    pub only_deaths: bool,
    /// What agents are at when it begins, by their numbers. Each is one of the invocations.
    pub begun: Vec<Kind>,
    /// How many of these are ahead: each has come, by itself, to its first change that others see.
    pub ahead: usize,
    /// What they may be told to do.
    pub operations: Vec<Kind>,
    /// The times at which an invocation may begin, in seconds after the task was enqueued. Each invocation has any of
    /// them, so clocks jump both ways.
    pub clocks: Vec<u64>,
    /// The task.
    pub task: New,
    /// The task that is added, if an operation adds one.
    pub adds: New,
    /// How many tasks may be claimed at once. Then there is another one, and all clocks are equal.
    pub limit: Option<u32>,
    /// There is another task, which is claimed after the first.
    pub another: bool,
    /// The first agent keeps its queue open, with what that remembers. Then there is another task, which was enqueued
    /// half a second later and has the same priority.
    pub goes_on: bool,
    /// What was done before, by whom.
    pub given: Vec<(usize, Kind)>,
    /// Agents know that the medium orders names.
    pub orders_names: bool,
    /// The queue is in an engine, where a step is one change. Of the mishaps it has those that a network adds: a change
    /// whose reply was lost may take effect at any later time, once, or never; also one of an agent that has died.
    pub is_whole: bool,
    /// The bug in the agents' programs.
    pub bug: Option<SeededBug>,
}

/// What an agent may be told about the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Operation::Enqueue`].
    Enqueue,
    /// [`Operation::Enqueue`], and the new one waits for the task.
    EnqueueChild,
    /// [`Operation::Claim`].
    Claim,
    /// [`Operation::Heartbeat`].
    Heartbeat,
    /// [`Operation::Progress`].
    Progress,
    /// [`Operation::Complete`].
    Complete,
    /// [`Operation::CompleteAndEnqueue`].
    CompleteAndEnqueue,
    /// [`Operation::Fail`].
    Fail,
    /// [`Operation::FailFinally`].
    FailFinally,
    /// [`Operation::Release`].
    Release,
    /// [`Operation::ReleaseLater`], for two seconds.
    ReleaseLater,
    /// [`Operation::Cancel`].
    Cancel,
    /// [`Operation::RequestCancel`].
    RequestCancel,
    /// [`Operation::ForceCancel`].
    ForceCancel,
    /// [`Operation::Retry`].
    Retry,
    /// [`Operation::Sweep`].
    Sweep,
    /// [`Operation::EnqueueBoth`]: two with the same key, if they have one.
    EnqueueBoth,
    /// [`Operation::Enqueue`], and the new one waits for the task and the other one.
    EnqueueChildOfBoth,
    /// [`Operation::Complete`] of the other task.
    CompleteOther,
    /// [`Operation::FailFinally`] of the other task.
    FailOther,
    /// [`Operation::Gc`].
    Gc,
    /// [`Operation::Export`].
    Export,
    /// [`Operation::Import`] of one task from another queue. All agents import the same one.
    Import,
    /// [`Operation::Import`] of the task itself.
    ImportItself,
    /// [`Operation::Pause`].
    Pause,
    /// [`Operation::Resume`].
    Resume,
    /// [`Operation::Limit`], of one.
    LimitToOne,
    /// [`Operation::Repair`], by a doctor that takes all agents for dead.
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
    /// The shortest schedule that breaks an invariant, one step a line.
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
        self.operations.contains(&kind) || self.begun.contains(&kind)
    }

    fn all_kinds(&self) -> impl Iterator<Item = Kind> {
        self.operations.iter().chain(&self.begun).copied()
    }

    /// True if all that agents do is a step of an engine's, of which none leaves anything half done. The progress that
    /// a step replaces is removed by another call.
    fn changes_by_steps(&self) -> bool {
        let by_calls = |kind| {
            Kind::adds(kind) && kind != Kind::Enqueue && kind != Kind::EnqueueChild
                || matches!(kind, Kind::Gc | Kind::Repair | Kind::Retry)
                || kind == Kind::Progress && self.mishaps > 0
        };
        let has_keys = self.task.is_unique || self.adds.is_unique;
        self.is_whole && !has_keys && !self.all_kinds().any(by_calls)
    }

    /// True if agents only enqueue, so every task that is there stays as it is.
    fn only_enqueues(&self) -> bool {
        // An enqueuer that asks for the key of an expired task moves that task.
        let latest = self.clocks.iter().copied().max().unwrap_or_default();
        let lasts = i64::try_from(latest).is_ok_and(|latest| latest < self.task.ttl_seconds);
        lasts && self.all_kinds().all(|kind| matches!(kind, Kind::Enqueue | Kind::Repair))
    }

    /// Explores all schedules, or until one breaks an invariant.
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
