//! The states of a scenario, and the steps between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::layout::{self, Dir, TimedDir};
use coord_core::name::Nonce;
use coord_core::store::Stamp;
use coord_core::store::mem::Tree;

use super::interned::Interned;
use super::taken::{Known, Place, Taken};
use super::{Kind, Scenario};
use crate::sim::agent::{Answer, Invocation};
use crate::sim::call::{Call, Outcome, Reply};
use crate::sim::oracle::{Broken, Invariant, Oracle, expect};
use crate::sim::world::World;

/// The scenario with its beginning.
#[derive(Clone, Debug)]
pub(super) struct Space {
    pub(super) scenario: Scenario,
    pub(super) start: World,
    pub(super) agents: Vec<Agent>,
    pub(super) task: TaskId,
    /// If there is one.
    pub(super) other: TaskId,
    /// The time bucket that the task is enqueued in.
    pub(super) bucket: Dir,
    pub(super) known: Arc<Known>,
}

/// What an agent has done before with the queue that it keeps open, and which replies it had.
pub(super) type Earlier = Arc<Vec<(Invocation, Arc<Vec<Reply>>)>>;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Now {
    pub(super) place: Interned<Place>,
    pub(super) agents: Vec<Agent>,
    pub(super) invocations: u8,
    pub(super) mishaps: u8,
    /// The changes that are under way to an engine, though nobody waits for their replies.
    pub(super) late: Vec<Interned<Sent>>,
    pub(super) broken: Option<Broken>,
    /// What the last step told somebody.
    pub(super) answer: Option<Answer>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Agent {
    /// How many invocations it has run.
    pub(super) invocations: u8,
    /// How many it had run before.
    pub(super) given: u8,
    pub(super) busy: Option<Interned<Doing>>,
    /// The lease that it believes it has.
    pub(super) lease: Option<Nonce>,
    /// If it keeps its queue open.
    pub(super) earlier: Earlier,
    /// The tasks that anybody could have claimed ever since it began to look for one, if it keeps its queue open.
    pub(super) free: BTreeSet<TaskId>,
}

/// What an agent is doing.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Doing {
    pub(super) invocation: Invocation,
    /// What was done before with the same queue.
    pub(super) earlier: Earlier,
    /// The replies that it has had, except those that never change.
    pub(super) replies: Arc<Vec<Reply>>,
    /// The call that comes next.
    pub(super) call: Arc<Call>,
}

/// A call, and the invocation that it is of.
pub(super) type Sent = (Invocation, Arc<Call>);

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) agent: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
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
    /// The reply to its next call is lost, and the agent hears that it failed. It may take effect later.
    Lose,
    /// A call whose reply was lost takes effect.
    Arrive(usize),
    /// It dies and comes back.
    Die,
}

impl Now {
    /// True if somebody has just been told something of which this holds.
    pub(super) fn told(&self, is_so: impl FnOnce(&Answer, &Oracle) -> bool) -> bool {
        self.answer.as_ref().is_some_and(|answer| is_so(answer, &self.place.world.oracle))
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.invocations > 0 || self.agents.iter().any(|agent| agent.busy.is_some())
    }
}

/// How far an invocation comes with the replies that there are.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    Wants(Arc<Call>),
    Over(Answer),
}

impl Space {
    pub(super) fn step(&self, now: &mut Now, step: &Step) -> Result<(), Broken> {
        let done = self.make(now, step);
        if self.scenario.goes_on {
            let free = free(&now.place.world.tree);
            now.agents.iter_mut().for_each(|agent| agent.free.retain(|id| free.contains(id)));
        }
        done
    }

    fn make(&self, now: &mut Now, step: &Step) -> Result<(), Broken> {
        let agent = &mut now.agents[step.agent];
        if matches!(step.what, What::Fail | What::Repeat | What::FailAfter | What::Lose | What::Die) {
            now.mishaps -= 1;
        }
        let taken = match (&step.what, agent.busy.take()) {
            (What::Arrive(place), busy) => {
                let sent = now.late.remove(*place);
                Taken { busy, ..self.arrived(&now.place, &sent) }
            }
            (What::Begin(kind, clock), None) => {
                now.invocations -= 1;
                agent.invocations += 1;
                if self.keeps_open(step.agent) {
                    agent.free = free(&now.place.world.tree);
                }
                let invocation = self.invocation(step.agent, agent, *kind, *clock);
                self.begun(&now.place, invocation, &agent.earlier)
            }
            (What::Die, Some(doing)) => {
                agent.earlier = Arc::default();
                let goes_on = self.scenario.is_whole && doing.call.changes();
                now.late.extend(goes_on.then(|| self.known.sent(&doing)));
                Taken::nothing(now.place.clone())
            }
            (what, Some(doing)) => {
                now.late.extend((*what == What::Lose).then(|| self.known.sent(&doing)));
                self.called(&now.place, &doing, what)
            }
            (what, None) => panic!("{what:?} is for busy agents"),
        };
        (now.place, now.answer, agent.busy) = (taken.place, taken.answer, taken.busy);
        if let Some(Answer::Claimed(_, _, nonce)) = now.answer {
            agent.lease = Some(nonce);
        }
        if let (true, Some(over)) = (self.keeps_open(step.agent), taken.over) {
            let invocation = over.0;
            Arc::make_mut(&mut agent.earlier).push(over);
            let left = std::mem::take(&mut agent.free);
            let is_so = now.answer != Some(Answer::Nothing) || left.is_disjoint(&free(&now.place.world.tree));
            expect(is_so, Invariant::NobodyLeavesWhatIsFree, || format!("{invocation}: {left:?}"))?;
        }
        taken.broken.map_or(Ok(()), Err)
    }

    fn keeps_open(&self, agent: usize) -> bool {
        self.scenario.goes_on && agent == 0
    }
}

/// The tasks that can be claimed.
fn free(tree: &Tree) -> BTreeSet<TaskId> {
    let ready = tree.files().filter(|(path, _)| path.dir.is_below(&TimedDir::ready()));
    ready.filter_map(|(path, _)| layout::task_of(&path)).collect()
}

/// A directory's stamp says only whether the directory is there.
pub(super) fn unstamped(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Stamp(Some(_)) => Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))),
        other => other,
    }
}
