//! The engine that the host has.

use coord_core::{Error, Timestamp};
use coord_granted::GrantedStore;
use coord_store::Sync;

use super::Pointer;
use crate::output::Failure;

/// The store of an engine.
pub type QueueStore = GrantedStore;

/// Waits until the engine tells that something has come, as far as it tells.
pub type Sleep = coord_granted::Sleep;

/// The store, and what people call it. There always is one.
pub fn open(sync: Sync) -> Result<Option<(QueueStore, String)>, Failure> {
    let store = GrantedStore::open(sync != Sync::Off).map_err(Error::from)?;
    let name = store.name().to_string();
    Ok(Some((store, name)))
}

/// The engine's clock; before it was opened, the host's.
pub fn now() -> Timestamp {
    coord_granted::now()
}

/// What a doctor says of the place beside the queue itself.
pub fn remarks(store: &QueueStore) -> Result<Vec<String>, Failure> {
    Ok(store.doubts().map_err(Error::from)?)
}

/// Makes the repository lead to the engine, if that was asked for.
pub fn point_here(store: &QueueStore) -> Result<Option<Pointer>, Failure> {
    let pointer = store.point_here().map_err(Error::from)?;
    Ok(pointer.map(|(path, is_new)| Pointer { path, is_new }))
}

/// Whether the host has an engine for the queue, and no directory.
pub const IS_ENGINE: bool = true;
