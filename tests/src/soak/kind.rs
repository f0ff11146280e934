//! Which agents there are: how each reaches the queue, and what it does there.

use super::Options;
use super::history::{Action, Answer, Op, Verdict};
use super::javascript::Runtime;

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) face: Face,
    pub(super) role: Role,
}

/// How an agent reaches the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Muse,
    Native,
    JavaScript(Runtime),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Worker,
    Orchestrator,
}

/// Half of the workers by `muse` and half native, two in a process, with three orchestrators. Of the JavaScript workers
/// half in Node and half in Deno, with an orchestrator each.
pub(super) fn kinds(options: &Options) -> Vec<Kind> {
    let by_muse = options.agents / 2;
    let natives = (options.agents - by_muse).div_ceil(2);
    let in_deno = options.javascript / 2;
    let in_node = options.javascript - in_deno;
    let [node, deno] = [Runtime::Node, Runtime::Deno].map(Face::JavaScript);
    let counts = [
        (Face::Muse, by_muse, 2),
        (Face::Native, natives, 1),
        (node, in_node, in_node.min(1)),
        (deno, in_deno, in_deno.min(1)),
    ];
    let of_face = |(face, workers, orchestrators)| {
        let of_role = |role, count| vec![Kind { face, role }; count];
        [of_role(Role::Worker, workers), of_role(Role::Orchestrator, orchestrators)].concat()
    };
    counts.into_iter().flat_map(of_face).collect()
}

impl Kind {
    /// What the run ids of its agents begin with.
    pub(super) fn name(self) -> String {
        let Kind { face, role } = self;
        match role {
            Role::Worker => face.name().to_string(),
            Role::Orchestrator => format!("{}-orchestrator", face.name()),
        }
    }
}

impl Face {
    pub(super) fn name(self) -> &'static str {
        match self {
            Face::Muse => "muse",
            Face::Native => "native",
            Face::JavaScript(Runtime::Node) => "node",
            Face::JavaScript(Runtime::Deno) => "deno",
        }
    }

    /// Whether it is by this face that somebody completed a task, and was told so.
    pub(super) fn completed(self, action: &Action) -> bool {
        let its_own = action.run_id.strip_prefix(self.name()).is_some_and(|rest| rest.starts_with('-'));
        let completes = matches!(action.op, Op::Settle { verdict: Verdict::Complete, .. });
        its_own && completes && matches!(action.answer(), Some(Answer::Ended { .. }))
    }
}
