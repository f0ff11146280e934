//! Classic mistakes, each as what a program that makes it does where the right one does a single store operation.

use super::call::{Call, Reply};

/// A classic mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// .
    None,
}

impl Mistake {
    /// Does `call` as a program with this mistake does it, by asking for other calls.
    pub fn make(self, call: Call, ask: &dyn Fn(Call) -> Reply) -> Reply {
        ask(call)
    }
}
