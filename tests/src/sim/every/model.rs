//! The scenario as a model of `stateright`'s: its steps, and what must and what may happen.

use coord_core::name::Nonce;
use stateright::{Model, Property};

use super::Kind;
use super::interned::Interned;
use super::space::{Doing, Now, Space, Step, What};
use super::taken::remembered;
use crate::sim::agent::{self, Answer, Invocation, after};
use crate::sim::operation::{New, Operation};
use crate::sim::oracle::Broken;

pub(super) const KEPT: &str = "every invariant is kept";

/// When every lease is over, in seconds after the beginning.
const LATER: u64 = 100;

/// The agent that asks for the key when all others have come to rest.
const LATE_ENQUEUER: usize = 7;

/// How often a task of a limited queue may be claimed and released, at most. Each of the two adds a version.
const GIVEN_BACK: u32 = 1;

impl Model for Space {
    type State = Now;
    type Action = Step;

    fn init_states(&self) -> Vec<Now> {
        let mut now = Now {
            place: self.known.place(self.start.clone()),
            agents: self.agents.clone(),
            invocations: self.scenario.invocations,
            mishaps: self.scenario.mishaps,
            late: Vec::new(),
            broken: None,
            answer: None,
        };
        for (agent, kind) in self.scenario.begun.iter().enumerate() {
            let step = Step { agent, what: What::Begin(*kind, self.scenario.clocks[0]) };
            self.step(&mut now, &step).expect("nobody is in the way");
            let looks = |now: &Now| now.agents[agent].busy.as_ref().is_some_and(|doing| !doing.call.changes());
            while agent < self.scenario.ahead && looks(&now) {
                self.step(&mut now, &Step { agent, what: What::Call }).expect("nobody is in the way");
            }
        }
        Vec::from([now])
    }

    fn actions(&self, now: &Now, steps: &mut Vec<Step>) {
        for (agent, state) in now.agents.iter().enumerate() {
            let mut may = |what| steps.push(Step { agent, what });
            match &state.busy {
                Some(doing) => {
                    may(What::Call);
                    if now.mishaps > 0 && self.scenario.is_whole {
                        [What::Lose, What::Die].into_iter().filter(|_| doing.call.changes()).for_each(may);
                    } else if now.mishaps > 0 && self.scenario.only_deaths {
                        may(What::Die);
                    } else if now.mishaps > 0 {
                        [What::Fail, What::FailAfter, What::Repeat, What::Die].into_iter().for_each(may);
                    }
                }
                None if now.invocations > 0 && state.invocations < self.scenario.invocations_each => {
                    for kind in &self.scenario.operations {
                        self.scenario.clocks.iter().for_each(|clock| may(What::Begin(*kind, *clock)));
                    }
                }
                None => {}
            }
        }
        steps.extend((0..now.late.len()).map(|place| Step { agent: 0, what: What::Arrive(place) }));
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
        self.scenario.limit.is_none() || now.place.world.oracle.highest_version() <= most
    }

    fn properties(&self) -> Vec<Property<Space>> {
        Vec::from([
            Property::always(KEPT, Space::is_kept),
            Property::sometimes("a second holder completes the task", |_, now: &Now| {
                now.told(|answer, oracle| matches!(answer, Answer::Ended(id, _) if oracle.holders(*id) > 1))
            }),
            Property::sometimes("a task is claimed that was released", |_, now: &Now| {
                now.told(|answer, oracle| matches!(answer, Answer::Claimed(id, ..) if oracle.releases(*id) > 0))
            }),
            Property::sometimes("a task is claimed that failed", |_, now: &Now| {
                now.told(|answer, oracle| matches!(answer, Answer::Claimed(id, ..) if oracle.failures(*id) > 0))
            }),
            Property::sometimes("a task is claimed that has ended", |_, now: &Now| {
                now.told(|answer, oracle| matches!(answer, Answer::Claimed(id, ..) if oracle.ends(*id) > 0))
            }),
            Property::sometimes("a task is claimed that waited for another", |_, now: &Now| {
                now.told(|answer, oracle| matches!(answer, Answer::Claimed(id, ..) if oracle.is_child(*id)))
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
            Property::sometimes("a task is removed", |_, now: &Now| now.place.world.oracle.removed() > 0),
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

impl Space {
    /// No invariant is broken, also not in what is left to do when nobody has an invocation any more.
    fn is_kept(&self, now: &Now) -> bool {
        now.broken.is_none() && (now.is_at_work() || self.ends_well(now))
    }

    /// As [`Space::left_to_do`], which depends on the world and on what is late.
    fn ends_well(&self, now: &Now) -> bool {
        let late = now.late.iter().map(Interned::number).collect();
        remembered(&self.known.rests, (now.place.number(), late), || self.left_to_do(now).is_ok())
    }

    /// All agents are at rest: what is left is worked off. Where nothing went wrong, nobody needs a sweep to be woken.
    fn left_to_do(&self, now: &Now) -> Result<(), Broken> {
        if self.scenario.mishaps == 0 {
            now.place.world.oracle.awake()?;
            now.place.world.oracle.leases_are_told()?;
            if self.scenario.operations == [Kind::Claim] {
                now.place.world.oracle.limit_is_used(after(self.scenario.clocks[0]))?;
            }
        }
        if self.scenario.changes_by_steps() {
            now.place.world.leaves_nothing(LATER)?;
        }
        let mut world = now.place.world.clone();
        if self.scenario.adds.is_unique {
            // An enqueuer that asks for the key is answered, even if dead agents left it half done.
            let new = New { number: 50_000, ttl_seconds: 1_000, ..self.scenario.adds };
            let invocation = Invocation {
                agent: LATE_ENQUEUER,
                operation: Operation::Enqueue(new),
                now: after(LATER),
                nonce: Nonce::from_bits(0xc0_0000),
                lease: None,
            };
            world.run(&invocation)?;
        }
        world.drain(LATER)?;
        // What has not arrived by then may still.
        for sent in &now.late {
            let (invocation, call) = &**sent;
            world.call(call, invocation).map(drop)?;
        }
        if now.late.is_empty() { Ok(()) } else { world.drain(2 * LATER) }
    }

    /// The steps to a state, in words.
    pub(super) fn schedule(&self, path: &[(Now, Option<Step>)]) -> String {
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
        if let What::Arrive(place) = step.what {
            let (invocation, call) = &*now.late[place];
            return format!("  {call}, of {}: takes effect", String::from(agent::name(invocation.agent)));
        }
        let Some(Doing { call, .. }) = agent.busy.as_deref() else {
            let What::Begin(kind, clock) = step.what else { return String::new() };
            return self.invocation(step.agent, agent, kind, clock).to_string();
        };
        let who = String::from(agent::name(step.agent));
        match step.what {
            What::Fail => format!("  {who}: {call}: fails"),
            What::FailAfter => format!("  {who}: {call}: takes effect, but is reported as failed"),
            What::Repeat => format!("  {who}: {call}: takes effect, the reply is lost, the call repeated"),
            What::Lose => format!("  {who}: {call}: the reply is lost"),
            What::Die => format!("  {who} dies, about to {call}"),
            What::Begin(..) | What::Call | What::Arrive(_) => format!("  {who}: {call}"),
        }
    }
}
