//! The granted directory.

use coord_core::Timestamp;
use coord_store::{DirStore, Grant, Sync};
use wasip2::clocks::wall_clock;

use crate::bindings::exports::muse::coord::types::Error;

/// The store of a directory.
pub(crate) type QueueStore = DirStore;

/// Waits for what comes into some of its directories.
pub(crate) type Sleep = coord_store::LightSleep;

/// The one directory.
pub(crate) fn open(sync: Sync) -> Result<QueueStore, Error> {
    let mut grants = coord_store::grants();
    let granted = grants.len();
    match (grants.pop(), granted) {
        (Some(Grant { directory, .. }), 1) => Ok(DirStore::new(directory, sync)),
        _ => Err(Error::NotARepository(format!(
            "grant one directory, .muse/coordination itself, as the only preopen: {granted} are granted"
        ))),
    }
}

/// The directory has to be there: it was granted.
#[expect(clippy::unnecessary_wraps, reason = "another medium has something to make")]
pub(crate) fn make() -> Result<(), Error> {
    Ok(())
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let now = wall_clock::now();
    Timestamp::from_micros(now.seconds.saturating_mul(1_000_000).saturating_add(u64::from(now.nanoseconds) / 1_000))
}
