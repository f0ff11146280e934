//! Tests whether a filesystem does what the queue needs, on files that nobody else looks at.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::layout;
use crate::path::Dir;
use crate::queue::Queue;
use crate::store::{Created, Linked, Made, Moved, Stamp, Store, StoreError};
use crate::time::Timestamp;
use crate::tree::LOOKS;
use crate::turn::Turn;

/// The results of the filesystem test. `None`: it could not be tested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Medium {
    /// Why nothing could be tested, if so: most often the directory is read-only here.
    pub refused: Option<StoreError>,
    /// Of two that make the same file, one does.
    pub exclusive_create: Option<bool>,
    /// A file can have a second name, and an existing one is not replaced.
    pub hard_links: Option<bool>,
    /// The number of a file's names is told.
    pub link_counts: Option<bool>,
    /// Of two that rename the same file, one does.
    pub renames: Option<bool>,
    /// So also from one directory to another.
    pub renames_between_directories: Option<bool>,
    /// A listing shows what is there at the time.
    pub listings: Option<bool>,
    /// A directory can be synced.
    pub directory_sync: Option<bool>,
    /// `A` is another name than `a`.
    pub case_sensitive: Option<bool>,
    /// A directory's time becomes another when a name in it does.
    pub directory_stamps: Option<bool>,
    /// How far the filesystem's clock is ahead of the caller's, in microseconds.
    pub clock_offset_micros: Option<i64>,
}

impl Medium {
    /// The missing guarantees, and what each means for the queue: a sentence each.
    pub fn degraded(&self) -> Vec<String> {
        let lacks = [
            (
                self.exclusive_create,
                "a file is not made exclusively: two agents can enqueue over each other; use another filesystem",
            ),
            (self.hard_links, "there are no hard links: nothing can be enqueued"),
            (
                self.link_counts,
                "the names of a file are not counted: use `doctor --repair` only while no agent is at work",
            ),
            (
                self.renames,
                "a file can be renamed twice from one name: two agents can win one task; use another filesystem",
            ),
            (
                self.renames_between_directories,
                "nothing can be renamed from one directory to another: nothing can be claimed",
            ),
            (self.listings, "a listing does not show what is there: claims miss tasks"),
            (self.directory_sync, "directories cannot be synced: an acknowledged task may be lost in a power cut"),
            (
                self.case_sensitive,
                "`A` and `a` are one name: queues whose names differ in that alone share their tasks",
            ),
            (
                self.directory_stamps,
                "a directory's time does not tell of changes: `claim --wait` finds a task up to a second late",
            ),
        ];
        let sentence = |(given, sentence): (Option<bool>, &str)| (given == Some(false)).then(|| sentence.into());
        let refused = self.refused.as_ref().map(|error| format!("the filesystem was not tried: {error}"));
        refused.into_iter().chain(lacks.into_iter().filter_map(sentence)).chain(self.clock_sentence()).collect()
    }

    fn clock_sentence(&self) -> Option<String> {
        let offset = self.clock_offset_micros?;
        let seconds = offset.unsigned_abs() / 1_000_000;
        let side = if offset > 0 { "ahead of" } else { "behind" };
        (seconds > 0).then(|| {
            format!(
                "the filesystem's clock is {seconds} s {side} this machine's: `claim --wait` finds a task up to a \
                 second late"
            )
        })
    }
}

impl<S: Store> Queue<S> {
    /// Tests in `tmp/` whether the filesystem does what the queue needs, and removes its files, except `tmp/` itself.
    /// The turn's clock is compared with the filesystem's.
    ///
    /// That the medium fails is a result here, and no error. An engine is no filesystem, and is not tested: its store
    /// knows what it is.
    pub fn probe(&self, turn: &Turn<'_>) -> Result<Medium, Error> {
        if self.tree.fused().is_some() {
            return Ok(Medium::default());
        }
        let dir = layout::trial(turn.nonce());
        for _ in 0..LOOKS {
            match self.try_in(&dir, turn.now()) {
                Ok(Some(medium)) => return Ok(medium),
                // Another doctor took this for what a dead one left behind, and removed it.
                Ok(None) => {}
                Err(Error::Store(error)) => return Ok(Medium { refused: Some(error), ..Medium::default() }),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// `None`: somebody took the directory away meanwhile.
    fn try_in(&self, dir: &Dir, now: Timestamp) -> Result<Option<Medium>, Error> {
        self.tree.make_dirs(dir)?;
        let medium = self.try_all(dir, now);
        let undisturbed = self.tree.store().stamp(dir)?.is_some();
        self.remove_trial(dir)?;
        Ok(if undisturbed { Some(medium?) } else { None })
    }

    /// One trial after the other, each with what the one before has left.
    fn try_all(&self, dir: &Dir, now: Timestamp) -> Result<Medium, StoreError> {
        let stamp = self.tree.store().stamp(dir)?.map(Stamp::micros);
        let exclusive_create = Some(self.try_create(dir)?);
        let gives = |outcome: Result<bool, StoreError>| Some(outcome.unwrap_or(false));
        Ok(Medium {
            refused: None,
            clock_offset_micros: stamp.map(|micros| micros.cast_signed().saturating_sub(now.micros().cast_signed())),
            exclusive_create,
            hard_links: gives(self.try_link(dir)),
            link_counts: gives(self.tree.store().links(&dir.file(FIRST)).map(|links| links == Some(2))),
            renames: gives(self.try_rename(dir, dir)),
            renames_between_directories: gives(self.try_rename_between(dir)),
            listings: gives(self.try_list(dir)),
            directory_sync: gives(self.tree.store().sync_dir(dir).map(|()| true)),
            case_sensitive: gives(self.tree.store().exists(&dir.file(FIRST.to_uppercase())).map(|folds| !folds)),
            directory_stamps: gives(self.try_stamp(dir)),
        })
    }

    fn try_create(&self, dir: &Dir) -> Result<bool, StoreError> {
        let [first, second] =
            [FIRST, LINKED].map(|content| self.tree.store().create(&dir.file(FIRST), content.as_bytes()));
        Ok((first?, second?) == (Created::Now, Created::Taken))
    }

    fn try_link(&self, dir: &Dir) -> Result<bool, StoreError> {
        let (from, to) = (dir.file(FIRST), dir.file(LINKED));
        let linked = (self.tree.store().link(&from, &to)?, self.tree.store().link(&from, &to)?);
        let content = self.tree.store().read(&to, FIRST.len())?;
        Ok(linked == (Linked::Now, Linked::Taken) && content.as_deref() == Some(FIRST.as_bytes()))
    }

    /// Renames a file to and fro, each twice.
    fn try_rename(&self, dir: &Dir, other: &Dir) -> Result<bool, StoreError> {
        let (from, to, beside) = (dir.file(FIRST), other.file(MOVED), other.file("beside"));
        let there = (self.tree.store().rename(&from, &to)?, self.tree.store().rename(&from, &beside)?);
        let back = (self.tree.store().rename(&to, &from)?, self.tree.store().rename(&to, &beside)?);
        Ok(there == (Moved::Here, Moved::Gone) && back == there)
    }

    fn try_rename_between(&self, dir: &Dir) -> Result<bool, StoreError> {
        let other = dir.child(OTHER);
        Ok(self.tree.store().make_dir(&other)? == Made::Now && self.try_rename(dir, &other)?)
    }

    fn try_list(&self, dir: &Dir) -> Result<bool, StoreError> {
        let names = self.tree.store().list(dir)?.unwrap_or_default();
        for name in [FIRST, LINKED, MOVED, OTHER] {
            if self.tree.store().exists(&dir.file(name))? != names.iter().any(|listed| listed == name) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes changes until the stamp is another, since those in quick succession may share one.
    fn try_stamp(&self, dir: &Dir) -> Result<bool, StoreError> {
        let before = self.tree.store().stamp(dir)?;
        let (one, other) = (dir.file(FIRST), dir.file(MOVED));
        for _ in 0..STAMP_TRIES {
            self.tree.store().rename(&one, &other)?;
            self.tree.store().rename(&other, &one)?;
            if self.tree.store().stamp(dir)? != before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes what a trial makes, and nothing else.
    pub(super) fn remove_trial(&self, dir: &Dir) -> Result<(), Error> {
        let other = dir.child(OTHER);
        for place in [&other, dir] {
            for name in [FIRST, LINKED, MOVED, "beside"] {
                self.tree.store().remove(&place.file(name))?;
            }
            self.tree.store().remove_dir(place)?;
        }
        Ok(())
    }
}

const FIRST: &str = "first";

const LINKED: &str = "linked";

const MOVED: &str = "moved";

const OTHER: &str = "other";

/// How many changes without another stamp are enough to say that there is none: each takes 5 µs at least, together
/// more than [`crate::limits::STAMP_GRAIN_MICROS`].
const STAMP_TRIES: usize = 5_000;
