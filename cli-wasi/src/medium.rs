//! What the queue's files are in: the directory that was granted or, where the feature `engine` is built for WASI, the
//! engine that the host has. Each of the two modules has the same items, and the rest of the commands knows neither.

#[cfg(not(all(target_os = "wasi", feature = "engine")))]
mod directory;
#[cfg(all(target_os = "wasi", feature = "engine"))]
mod engine;

#[cfg(not(all(target_os = "wasi", feature = "engine")))]
pub use directory::{IS_ENGINE, QueueStore, Sleep, now, open, point_here, remarks};
#[cfg(all(target_os = "wasi", feature = "engine"))]
pub use engine::{IS_ENGINE, QueueStore, Sleep, now, open, point_here, remarks};

/// The file by which a repository leads to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its path.
    pub path: String,
    /// True if this command made it.
    pub is_new: bool,
}
