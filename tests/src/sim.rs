//! The simulator: the real queue on a store in memory, where one place decides what happens at every store operation.
//!
//! An operation of the queue sees the world through [`coord_core::Store`] alone. The simulator answers these calls, so
//! it decides everything: whose call comes next, whether it fails, whether its reply is lost, whether the agent lives
//! to see it, and what a power cut leaves. There is no second model of the queue: the code that ships is checked.
//!
//! - [`call`]: a store operation as a value, and a store whose every operation one function answers;
//! - [`operation`]: the operations that an agent may run, and the tasks that they enqueue;
//! - [`agent`]: an agent runs an operation: an invocation, and its answer;
//! - [`oracle`]: sees every change of a name and every answer, and says which invariant is violated;
//! - [`world`]: the store and its oracle, together;
//! - [`every`]: all schedules of a few agents, by `stateright`;
//! - [`random`]: random schedules of more agents, by `shuttle`;
//! - [`power`]: all that a power cut may leave of a history;
//! - [`same`]: the same operations on two stores, one after the other;
//! - [`seeded_bug`]: stores that behave as if the program had a classic bug, which the checkers must find.
#![allow(clippy::indexing_slicing, reason = "a simulation that goes wrong ends its test, loudly")]

pub mod agent;
pub mod call;
pub mod every;
pub mod operation;
pub mod oracle;
pub mod power;
pub mod random;
pub mod same;
pub mod seeded_bug;
pub mod world;
