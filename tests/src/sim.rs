//! The simulator: the real queue on a store in memory, where one place decides what happens at every store operation.
//!
//! An operation of the queue sees the world through [`coord_core::Store`] alone. So whoever answers its calls decides
//! everything: whose call comes next, whether it fails, whether its reply is lost, whether the agent lives to see it,
//! and what is left after a power cut. There is no second model of the queue; what is checked is the code that ships.
//!
//! - [`call`]: a store operation as a value, and a store whose every operation one function answers;
//! - [`agent`]: who gives which operation, and what came of it;
//! - [`oracle`]: watches every change of every name, and says which invariant was broken;
//! - [`world`]: the store and its oracle, together;
//! - [`every`]: all schedules of a few agents, by `stateright`;
//! - [`random`]: random schedules of more agents, by `shuttle`;
//! - [`power`]: all that a power cut may leave of a history;
//! - [`seeded_bug`]: stores that do what a program with a classic bug would do, to see the checkers find it.
#![allow(clippy::indexing_slicing, reason = "a simulation that goes wrong ends its test, loudly")]

pub mod agent;
pub mod call;
pub mod every;
pub mod operation;
pub mod oracle;
pub mod power;
pub mod random;
pub mod seeded_bug;

pub mod world;
