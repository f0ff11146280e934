//! How a scenario begins, and what an agent is told.

use std::sync::Arc;

use coord_core::name::{Nonce, QueueName};
use coord_core::{TaskId, layout, limits};

use super::space::{Agent, Space};
use super::{Kind, Scenario};
use crate::sim::agent::{Answer, Invocation, after};
use crate::sim::operation::{New, Operation, numbered};
use crate::sim::world::World;

/// By how many seconds the clock of a doctor is wrong that takes all agents for dead.
const LONG: u64 = 100;

/// In microseconds: a whole one before the first clock, and less than a watermark stays behind it.
const HALF_A_SECOND: u64 = 500_000;

impl Space {
    pub(super) fn new(scenario: Scenario) -> Space {
        let mut start = if scenario.is_whole { World::whole() } else { World::new() };
        let mut given = |operation, now, nonce| {
            let invocation = Invocation { agent: 0, operation, now, nonce: Nonce::from_bits(nonce), lease: None };
            start.run(&invocation).expect("nobody is in the way")
        };
        let Answer::Enqueued(task) = given(Operation::Enqueue(scenario.task), after(0), 0xe0) else {
            panic!("nobody is in the way")
        };
        let mut other = task;
        if scenario.limit.is_some() || scenario.another || scenario.goes_on {
            let (priority, later) = if scenario.goes_on { (scenario.task.priority, HALF_A_SECOND) } else { (-1, 0) };
            let (new, now) = (New { number: 1, priority, ..scenario.task }, after(0).plus_micros(later));
            let answer = given(Operation::Enqueue(numbered(new, &task.fan_out(2), now, None)), now, 0xe1);
            let Answer::Enqueued(id) = answer else { panic!("nobody is in the way") };
            other = id;
        }
        if scenario.limit.is_some() {
            given(Operation::Limit(scenario.limit), after(0), 0xe2);
        }
        start.oracle.limit = scenario.limit.map(|limit| limit as usize);
        if scenario.given.iter().any(|(_, kind)| *kind == Kind::Pause) && !scenario.has(Kind::Resume) {
            start.oracle.limit = Some(0);
        }
        let agents = vec![Agent::default(); scenario.agents];
        let bucket = layout::ready_bucket(&QueueName::default_queue(), 0, after(0));
        let mut space = Space { scenario, start, agents, task, other, bucket, known: Arc::default() };
        for (agent, kind) in space.scenario.given.clone() {
            space.agents[agent].invocations += 1;
            let invocation = space.invocation(agent, &space.agents[agent], kind, 1);
            let answer = space.start.run(&invocation).expect("nobody is in the way");
            if let Answer::Claimed(id, _, nonce) = answer
                && id == task
            {
                space.agents[agent].lease = Some(nonce);
            }
        }
        space.agents.iter_mut().for_each(|agent| agent.given = std::mem::take(&mut agent.invocations));
        space
    }

    pub(super) fn invocation(&self, agent: usize, state: &Agent, kind: Kind, clock: u64) -> Invocation {
        let (task, now) = (self.task, after(clock));
        let nonce = Nonce::from_bits(agent as u64 * 0x100 + u64::from(state.given + state.invocations) + 1);
        // It comes into the same directories, so that they need not be made.
        let number = 1_000 * (8 * agent as u16 + u16::from(state.given + state.invocations) + 1);
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
        let operation = match kind {
            Kind::Enqueue => Operation::Enqueue(added(None, None)),
            Kind::EnqueueChild => Operation::Enqueue(added(Some(task), None)),
            Kind::CompleteAndEnqueue => Operation::CompleteAndEnqueue(task, added(Some(task), Some(nonce))),
            Kind::Claim => Operation::Claim,
            Kind::Heartbeat => Operation::Heartbeat(task),
            Kind::Progress => Operation::Progress(task),
            Kind::Complete => Operation::Complete(task),
            Kind::Fail => Operation::Fail(task),
            Kind::FailFinally => Operation::FailFinally(task),
            Kind::Release => Operation::Release(task),
            Kind::ReleaseLater => Operation::ReleaseLater(task, 2),
            Kind::Cancel => Operation::Cancel(task),
            Kind::RequestCancel => Operation::RequestCancel(task),
            Kind::ForceCancel => Operation::ForceCancel(task),
            Kind::Retry => Operation::Retry(task),
            Kind::Sweep => Operation::Sweep,
            Kind::EnqueueBoth => Operation::EnqueueBoth(both()),
            Kind::EnqueueChildOfBoth => {
                let new = New { number, after: [Some(task), Some(other)], ..self.scenario.adds };
                Operation::Enqueue(same_place(new, now, None))
            }
            Kind::CompleteOther => Operation::Complete(other),
            Kind::FailOther => Operation::FailFinally(other),
            Kind::Gc => Operation::Gc,
            Kind::Export => Operation::Export,
            Kind::Import => {
                Operation::Import(same_place(New { number: 30_000, ..self.scenario.adds }, after(0), None), after(0))
            }
            Kind::ImportItself => Operation::Import(self.scenario.task, after(0)),
            Kind::Pause => Operation::Pause,
            Kind::Resume => Operation::Resume,
            Kind::LimitToOne => Operation::Limit(Some(1)),
            Kind::Repair => Operation::Repair,
        };
        let now = match kind {
            Kind::Repair => after(clock + LONG),
            // So that every end is in the past.
            Kind::Gc => after(clock + 2),
            _ => now,
        };
        // Every other agent says which lease it means, so both ways of asking are explored.
        let of_other = matches!(kind, Kind::CompleteOther | Kind::FailOther);
        let lease = state.lease.filter(|_| agent.is_multiple_of(2) && !of_other);
        Invocation { agent, operation, now, nonce, lease }
    }
}
