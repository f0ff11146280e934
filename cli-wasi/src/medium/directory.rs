//! The granted directory.

use std::time::{SystemTime, UNIX_EPOCH};

use coord_core::Timestamp;
use coord_store::{DirStore, Sync};

use super::Pointer;
use crate::host::{self, Grant};
use crate::output::Failure;

/// The store of a directory.
pub type QueueStore = DirStore;

/// Whether the host has an engine for the queue, and no directory.
pub const IS_ENGINE: bool = false;

/// Waits for what comes into some of its directories.
pub type Sleep = coord_store::LightSleep;

/// The store, and what people call it. `None`: no directory was granted.
pub fn open(sync: Sync) -> Result<Option<(QueueStore, String)>, Failure> {
    let mut grants = host::grants().into_iter();
    let Some(Grant { directory, name }) = grants.next() else { return Ok(None) };
    if grants.next().is_some() {
        return Err(Failure::bad_args("more than one directory was granted: grant .muse/coordination alone"));
    }
    Ok(Some((DirStore::new(directory, sync), name)))
}

/// The wall clock. A clock before 1970 counts as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks for the time")]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

/// What a doctor says of the place beside the queue itself.
pub fn remarks(_store: &QueueStore) -> Result<Vec<String>, Failure> {
    Ok(host::environment(coord_store::OPEN_TO_OTHERS).into_iter().collect())
}

/// A repository leads to its directory without a file that says so. Nobody is here who could ask an engine: the
/// launcher has another program for that.
pub fn point_here(_store: &QueueStore) -> Result<Option<Pointer>, Failure> {
    Ok(None)
}
