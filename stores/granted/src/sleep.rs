//! Sleep that ends early when the engine tells that something has come.

use std::time::Duration;

use coord_core::layout::Dir;
use coord_core::queue::Notice;
use coord_core::store::fused::Stirred;
use wasip2::clocks::monotonic_clock;

use crate::{GrantedStore, wait};

/// The directories that are waited for.
#[derive(Debug, Default)]
pub struct Sleep {
    dirs: Vec<Dir>,
}

impl Sleep {
    /// From now on what comes into these directories, and no others, ends a sleep.
    pub fn watch(&mut self, _store: &GrantedStore, dirs: impl Iterator<Item = Dir>) {
        self.dirs = dirs.collect();
    }

    /// Sleeps for so long, or until something may have come into one of the directories.
    pub fn sleep(&mut self, time: Duration) -> Notice {
        match wait(&self.dirs, time) {
            Ok(Stirred::Told) => Notice::Every,
            // The next look says what is wrong, if anything is.
            Ok(Stirred::Untold) | Err(_) => {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                monotonic_clock::subscribe_duration(nanos).block();
                Notice::None
            }
        }
    }
}
