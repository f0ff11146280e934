//! What every face is asked: the calls, in their order. What they come to the core says, so no answer stands here.

/// A call of the face: `call!(Show { "task_id": "@a" })`.
macro_rules! call {
    ($verb:ident $with:tt) => {
        $crate::scenarios::call($verb, serde_json::json!($with))
    };
}

/// A call of the core in the same directory, by a clock that is so many seconds ahead.
macro_rules! core {
    ($ahead:expr, $verb:ident $with:tt) => {
        $crate::scenarios::core($ahead, $verb, serde_json::json!($with))
    };
}

mod life;
mod looking;
mod plans;
mod refusals;

use serde_json::Value;

use crate::call::{By, Call, Scenario, Step, Verb};

/// An id that no task has.
const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// All of them.
pub fn all() -> Vec<Scenario> {
    [life::all(), plans::all(), looking::all(), refusals::all()].concat()
}

/// A call of the face.
fn call(verb: Verb, with: Value) -> Step {
    Step { by: By::Face, call: Call { verb, with } }
}

/// A call of the core in the same directory, by a clock that is `ahead` seconds ahead.
pub fn core(ahead: i64, verb: Verb, with: Value) -> Step {
    Step { by: By::Core { ahead }, call: Call { verb, with } }
}
