//! The states of a scenario, and the steps between them.

use std::sync::{Arc, RwLock};

use coord_core::TaskId;
use coord_core::layout::Dir;
use coord_core::name::Nonce;
use coord_core::store::{Stamp, StoreErrorKind};
use rustc_hash::FxHashMap;

use super::{Kind, Scenario};
use crate::sim::agent::{Answer, Invocation};
use crate::sim::call::{Call, Outcome, Reply, failed, repeated};
use crate::sim::oracle::{Broken, Oracle};
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
    pub(super) known: Arc<RwLock<Known>>,
}

/// How far each invocation comes with which replies, as far as that was found out.
pub(super) type Known = FxHashMap<Invocation, FxHashMap<Arc<Vec<Reply>>, Progress>>;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Now {
    pub(super) world: World,
    pub(super) agents: Vec<Agent>,
    pub(super) invocations: u8,
    pub(super) mishaps: u8,
    /// The changes that are under way to an engine, though nobody waits for their replies.
    pub(super) late: Vec<(Invocation, Arc<Call>)>,
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
    /// What it is doing, and the call that comes next.
    pub(super) busy: Option<(Invocation, Arc<Call>)>,
    /// The replies that it has had on this invocation, except those that never change.
    pub(super) replies: Arc<Vec<Reply>>,
    /// The lease that it believes it has.
    pub(super) lease: Option<Nonce>,
}

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
        self.answer.as_ref().is_some_and(|answer| is_so(answer, &self.world.oracle))
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
        now.answer = None;
        if let What::Arrive(place) = step.what {
            let (invocation, call) = now.late.remove(place);
            return now.world.call(&call, &invocation).map(drop);
        }
        let agent = &mut now.agents[step.agent];
        if !matches!(step.what, What::Begin(..) | What::Call) {
            now.mishaps -= 1;
        }
        let invocation = match (&step.what, agent.busy.take()) {
            (What::Begin(kind, clock), None) => {
                now.invocations -= 1;
                agent.invocations += 1;
                self.invocation(step.agent, agent, *kind, *clock)
            }
            (What::Die, Some(under_way)) => {
                agent.replies = Arc::default();
                now.late.extend(Some(under_way).filter(|(_, call)| self.scenario.is_whole && call.changes()));
                return Ok(());
            }
            (What::Lose, Some((invocation, call))) => {
                Arc::make_mut(&mut agent.replies).push(failed(StoreErrorKind::Other));
                now.late.push((invocation, call));
                invocation
            }
            (what, Some((invocation, call))) => {
                let reply = match what {
                    What::Fail => now.world.fail(&call),
                    _ => now.world.call(&call, &invocation)?,
                };
                self.assert_not_constant(&call, &reply);
                Arc::make_mut(&mut agent.replies).push(match what {
                    What::Repeat => repeated(&reply),
                    What::FailAfter => failed(StoreErrorKind::Other),
                    _ => reply.map(unstamped),
                });
                invocation
            }
            (what, None) => panic!("{what:?} is for busy agents"),
        };
        self.go_on(now, step.agent, invocation)
    }

    /// Has an agent go on with its invocation as far as its replies go, and do what nobody sees.
    fn go_on(&self, now: &mut Now, agent: usize, invocation: Invocation) -> Result<(), Broken> {
        let Now { world, agents, answer: told, .. } = now;
        let agent = &mut agents[agent];
        loop {
            match self.progress(&invocation, &agent.replies, &world.tree) {
                Progress::Wants(call) if self.is_private(&call) => {
                    Arc::make_mut(&mut agent.replies).push(world.call(&call, &invocation)?);
                }
                Progress::Wants(call) => {
                    agent.busy = Some((invocation, call));
                    return Ok(());
                }
                Progress::Over(answer) => {
                    agent.replies = Arc::default();
                    if let Answer::Claimed(_, _, nonce) = answer {
                        agent.lease = Some(nonce);
                    }
                    *told = Some(answer);
                    return world.told(&invocation, &answer);
                }
            }
        }
    }
}

/// A directory's stamp says only whether the directory is there.
fn unstamped(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Stamp(Some(_)) => Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))),
        other => other,
    }
}
