//! `coord-core`: a task queue that lives in a directory.
//!
//! A task is a file that moves; its name is its state; `rename` is the compare-and-swap.
//!
//! - `enqueue` writes the task once, as `tasks/<aa>/<id>.json`, and links it under its first *state entry* in `ready/`.
//! - A state entry is a file name with everything that a decision needs: id, version, generation, and for a claimed
//!   task the holder, the begin and end of the lease, and its nonce ([`entry`]).
//! - Every transition reads a name, lets [`transition::decide`] make the next one, and renames the exact old name to
//!   it. If several agents try, one succeeds; the others find the old name gone and look again.
//! - The version grows with every rename, so an old name never comes back and nothing is ever replaced.
//! - `claim` takes the smallest name in `ready/` to `claimed/`: one rename, nothing written. `complete`, `fail` and
//!   `cancel` take a name to `done/`. `release` moves it back; if a lease expires, the first agent that notices moves
//!   the name back.
//!
//! `PROTOCOL.md` beside this crate has the reasons: the life cycle, each operation, the leftovers of a crash, and
//! rejected designs. Start reading at [`Queue`], then [`entry`], [`transition`] and [`layout`].
//!
//! # What this crate does not do
//! It has no clock, no source of randomness, no files and no threads: each operation that changes something is lent a
//! [`Turn`], which has the agent's clock and its nonces; one that only reads is told the time; files are a [`Store`].
//! It does not retry, wait or log. It trusts those who can write the directory not to rename entries themselves; it
//! does not trust what they put into names and records.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod answer;
mod counts;
pub mod entry;
pub mod error;
mod finding;
pub mod id;
pub mod json;
pub mod layout;
pub mod limits;
pub mod name;
mod path;
pub mod queue;
mod refusal;
pub mod replay;
pub mod request;
#[cfg(feature = "schema")]
mod schema;
mod sorted;
mod spelling;
mod status;
pub mod store;
pub mod tags;
pub mod task;
pub mod time;
mod time_index;
pub mod transition;
mod tree;
pub mod turn;

pub use error::Error;
pub use id::TaskId;
pub use json::JsonObject;
pub use queue::Queue;
pub use store::Store;
pub use task::Task;
pub use time::Timestamp;
pub use turn::Turn;
