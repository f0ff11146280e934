//! The engine that the host has.

use coord_core::Timestamp;
use coord_granted::GrantedStore;
use coord_store::Sync;

use crate::bindings::exports::muse::coord::types::Error;

/// The store of an engine.
pub(crate) type QueueStore = GrantedStore;

/// Waits until the engine tells that something has come, as far as it tells.
pub(crate) type Sleep = coord_granted::Sleep;

/// The engine, when the host has connected to it.
pub(crate) fn open(sync: Sync) -> Result<QueueStore, Error> {
    Ok(GrantedStore::open(sync != Sync::Off).map_err(coord_core::Error::from)?)
}

/// The host makes it.
#[expect(clippy::unnecessary_wraps, reason = "another medium has something to make")]
pub(crate) fn make() -> Result<(), Error> {
    Ok(())
}

/// The engine's clock; before it was opened, the host's.
pub(crate) fn now() -> Timestamp {
    coord_granted::now()
}
