//! The directory that a soak takes place in.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

/// How many remove files at once. A disk that discards what is freed takes milliseconds for each.
const REMOVERS: usize = 16;

/// A directory of its own, which is removed when it is dropped, or kept.
#[derive(Debug)]
pub(super) struct Place(Option<TempDir>);

impl Place {
    pub(super) fn new() -> Place {
        Place(Some(TempDir::with_prefix("muse-soak-").expect("make a temporary directory")))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_ref().expect("it is there until it is kept").path()
    }

    /// Leaves it to people.
    pub(super) fn keep(mut self) -> PathBuf {
        self.0.take().expect("it is kept once").keep()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(directory) = &self.0 else { return };
        let roots = ["tasks", "done"].map(|root| directory.path().join(".muse/coordination").join(root));
        let shards: Vec<PathBuf> = roots.iter().flat_map(fs::read_dir).flatten().flatten().map(|e| e.path()).collect();
        thread::scope(|scope| {
            for share in shards.chunks(shards.len().div_ceil(REMOVERS).max(1)) {
                // What cannot be removed here is left to the temporary directory, which removes all that is left.
                scope.spawn(move || share.iter().for_each(|shard| fs::remove_dir_all(shard).unwrap_or_default()));
            }
        });
    }
}
