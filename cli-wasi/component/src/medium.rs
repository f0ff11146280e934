//! What the queue's files are in: the directory that was granted or, with the feature `engine`, the engine that the
//! host has or, with the feature `sql`, the PostgreSQL server that the host asks. Each of the modules has the same
//! items, and the rest of the component knows none of them.

#[cfg(not(any(feature = "engine", feature = "sql")))]
mod directory;
#[cfg(feature = "engine")]
mod engine;
#[cfg(all(feature = "sql", not(feature = "engine")))]
mod sql;

#[cfg(not(any(feature = "engine", feature = "sql")))]
pub(crate) use directory::{QueueStore, Sleep, make, now, open};
#[cfg(feature = "engine")]
pub(crate) use engine::{QueueStore, Sleep, make, now, open};
#[cfg(all(feature = "sql", not(feature = "engine")))]
pub(crate) use sql::{QueueStore, Sleep, make, now, open};
