//! Sleep that ends early when something comes into one of some directories, where the host tells of that.
//!
//! Guaranteed: a caller that is told [`Notice::Every`] sleeps through nothing that comes, if the host keeps its
//! word. For that a directory is watched before its caller looks into it for the last time before a sleep; and when
//! something has come into one, all below it are watched anew, since they may have gone and come again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coord_core::layout::Dir;
use coord_core::queue::Notice;

use crate::DirStore;
use crate::failure::Failure;
use crate::platform::{self, Arrivals};

/// A caller that waits for more directories than this is told nothing, and looks for itself. `done/` has as many
/// shards.
const WATCHED: usize = 256;

/// The directories that are watched at present.
#[derive(Debug, Default)]
pub struct LightSleep {
    arrivals: BTreeMap<Dir, Arrivals>,
    notice: Notice,
    /// The caller has to look before it sleeps, since something may have come before it was told.
    is_new: bool,
    /// The host has failed to tell, and is not asked again.
    tells_nothing: bool,
}

impl LightSleep {
    /// From now on what comes into these directories, and no others, ends a sleep.
    pub fn watch(&mut self, store: &DirStore, dirs: impl Iterator<Item = Dir>) {
        let watching = self.watch_all(store, dirs.collect());
        let notice = if watching == Watching::Some { Notice::None } else { Notice::Every };
        self.is_new = watching == Watching::New || notice != self.notice;
        self.notice = notice;
    }

    /// Sleeps for so long, or until something comes into one of the directories, and says what the caller is told of.
    /// Where that is new, be it of one directory, it does not sleep: the caller has to look before, for something may
    /// have come already.
    pub fn sleep(&mut self, time: Duration) -> Notice {
        if !std::mem::take(&mut self.is_new) {
            self.sleep_lightly(time);
        }
        self.notice
    }

    fn watch_all(&mut self, store: &DirStore, dirs: BTreeSet<Dir>) -> Watching {
        if self.tells_nothing || dirs.len() > WATCHED {
            self.arrivals.clear();
            return Watching::Some;
        }
        self.arrivals.retain(|dir, _| dirs.contains(dir));
        let mut watching = Watching::Same;
        for dir in dirs.into_iter().filter(|dir| !self.arrivals.contains_key(dir)).collect::<Vec<_>>() {
            match store.arrivals(&dir) {
                Ok(arrivals) => {
                    self.arrivals.insert(dir, arrivals);
                    watching = Watching::New;
                }
                // The directory has gone since the caller looked. The caller looks again soon.
                Err(Failure::NotFound) => return Watching::Some,
                Err(_) => {
                    self.tell_nothing();
                    return Watching::Some;
                }
            }
        }
        watching
    }

    fn sleep_lightly(&mut self, time: Duration) {
        let ready = platform::sleep(time, self.arrivals.values());
        let ready: Vec<Dir> = ready.into_iter().filter_map(|at| self.arrivals.keys().nth(at).cloned()).collect();
        for dir in ready {
            // Unless it was forgotten for what has come above it.
            let Some(arrivals) = self.arrivals.get(&dir) else { continue };
            match arrivals.have_come() {
                true => self.arrivals.retain(|other, _| !other.is_below(&dir)),
                false => self.tell_nothing(),
            }
        }
    }

    /// Does not rely on the host any more, which has refused to tell, or says that it can tell something and then does
    /// not.
    fn tell_nothing(&mut self) {
        self.tells_nothing = true;
        self.arrivals.clear();
    }
}

/// Of what the caller is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watching {
    /// Not of all that it wants to be told of.
    Some,
    /// Of all, for the first time.
    New,
    /// Of all, as before.
    Same,
}
