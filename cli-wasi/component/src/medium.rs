//! What the queue's files are in: the directory that was granted or, with the feature `engine`, the engine that the
//! host has. Each of the two modules has the same items, and the rest of the component knows neither.

#[cfg(not(feature = "engine"))]
mod directory;
#[cfg(feature = "engine")]
mod engine;

#[cfg(not(feature = "engine"))]
pub(crate) use directory::{QueueStore, Sleep, now, open};
#[cfg(feature = "engine")]
pub(crate) use engine::{QueueStore, Sleep, now, open};
