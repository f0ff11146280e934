//! Reading all names of a coordination directory. No file is opened, and nothing is concluded: what is seen here may
//! have moved on before the next directory is read.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::name::{Nonce, QueueName};
use crate::path::{Dir, Path};
use crate::queue::Queue;
use crate::queue::settings::is_setting;
use crate::store::{Store, StoreError, StoreErrorKind};
use crate::time::Timestamp;
use crate::tree::{LOOKS, Located};

/// How deep a directory is looked through that is nobody's: as deep as `ready/`, seen from the root.
const STRANGE_DEPTH: usize = 8;

/// How many names are read in such directories in all.
const STRANGE_NAMES: usize = 100_000;

/// All names there are, by what they tell.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) tasks: BTreeMap<TaskId, TaskFiles>,
    pub(super) drafts: Vec<Path>,
    pub(super) tokens: Vec<Timestamp>,
    pub(super) foreign: Vec<Path>,
    /// Files that cannot be read in the place of a directory of the queue.
    pub(super) in_the_way: Vec<(Path, StoreError)>,
    /// How many names have been read in directories that are nobody's.
    strange: usize,
}

/// The names that belong to one task.
#[derive(Default)]
pub(super) struct TaskFiles {
    /// Its entries, each as often as it was seen at a new place.
    pub(super) sightings: Vec<Located>,
    /// Those in directories that no queue makes: perhaps one of the queue's that a hand has moved, perhaps somebody's
    /// copy.
    pub(super) strays: Vec<Located>,
    /// The reports on it, with the version and the nonce of each.
    pub(super) reports: Vec<(Path, u32, Nonce)>,
}

impl<S: Store> Queue<S> {
    /// Reads every directory, records first: a task that is enqueued meanwhile is seen by its entry.
    pub(super) fn scan(&self) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        self.scan_root(&mut scan)?;
        self.scan_shards(&layout::tasks(), &mut scan, &mut |scan, dir, name| {
            if name == layout::PREPARED {
                return Some(());
            }
            if let Some((id, version, nonce)) = layout::parse_report(&name)
                && layout::record(id).dir == *dir
            {
                scan.files_of(id).reports.push((dir.file(name), version, nonce));
                return Some(());
            }
            layout::parse_record(&name).filter(|id| layout::record(*id).dir == *dir).map(|id| {
                scan.files_of(id);
            })
        })?;
        self.scan_blocked(&mut scan)?;
        self.scan_timed(&TimedDir::scheduled(), &mut scan)?;
        for state_dir in [StateDir::Claimed, StateDir::Done] {
            self.scan_shards(&layout::state_dir(state_dir), &mut scan, &mut |_, _, _| None)?;
        }
        self.scan_ready(&mut scan)?;
        self.scan_flat(&layout::runs(), &mut scan, |_, name| layout::is_run(name))?;
        self.scan_flat(&layout::tag_texts(), &mut scan, |_, name| layout::is_tag_text(name))?;
        self.scan_flat(&layout::queue_settings(), &mut scan, |_, name| is_setting(name))?;
        for dir in [layout::purged(), layout::removing()] {
            self.scan_flat(&dir, &mut scan, |_, name| Entry::parse(name).is_some() || name == layout::REMOVING)?;
        }
        self.scan_keys(&mut scan)?;
        self.scan_deadlines(&mut scan)?;
        self.scan_flat(&layout::sweep(), &mut scan, |scan, name| {
            layout::parse_sweep_token(name).map(|token| scan.tokens.push(token)).is_some()
        })?;
        for name in self.scan_names(&layout::quarantine_dir(), &mut scan)? {
            if name.parse::<Nonce>().is_ok() {
                self.scan_names(&layout::quarantine_dir().child(&name), &mut scan)?;
            }
        }
        let drafts = self.scan_names(&layout::tmp(), &mut scan)?;
        scan.drafts = drafts.into_iter().map(|name| layout::tmp().file(name)).collect();
        // In `tmp/`, too, a hand may have put what it took from a state directory.
        let drafts = scan.drafts.iter().filter(|draft| draft.name.parse::<Nonce>().is_err());
        for path in scan.foreign.iter().chain(drafts).cloned().collect::<Vec<_>>() {
            self.scan_strange(&path.dir.child(&path.name), &mut scan, STRANGE_DEPTH)?;
        }
        Ok(scan)
    }

    fn scan_root(&self, scan: &mut Scan) -> Result<(), Error> {
        for name in self.scan_names(&Dir::root(), scan)? {
            let known = layout::ROOT_NAMES.contains(&name.as_str()) || layout::HARMLESS_NAMES.contains(&name.as_str());
            if !known {
                scan.foreign.push(Dir::root().file(name));
            }
        }
        Ok(())
    }

    /// Reads a directory that is fanned out by id. `known` takes a name in a shard that belongs there; entries are
    /// noted wherever they are.
    fn scan_shards(
        &self,
        whole: &Dir,
        scan: &mut Scan,
        known: &mut dyn FnMut(&mut Scan, &Dir, String) -> Option<()>,
    ) -> Result<(), Error> {
        for shard in self.scan_names(whole, scan)? {
            if !layout::is_shard(&shard) {
                scan.entry_or_foreign(whole, shard);
                continue;
            }
            let shard = whole.child(&shard);
            for name in self.scan_names(&shard, scan)? {
                if known(scan, &shard, name.clone()).is_none() {
                    scan.entry_or_foreign(&shard, name);
                }
            }
        }
        Ok(())
    }

    fn scan_ready(&self, scan: &mut Scan) -> Result<(), Error> {
        let root = TimedDir::ready();
        for name in self.scan_names(&root, scan)? {
            match name.parse::<QueueName>() {
                Ok(queue) => self.scan_timed(&TimedDir::queue(&queue), scan)?,
                Err(_) => scan.entry_or_foreign(&root, name),
            }
        }
        Ok(())
    }

    fn scan_blocked(&self, scan: &mut Scan) -> Result<(), Error> {
        let whole = layout::state_dir(StateDir::Blocked);
        for shard in self.scan_names(&whole, scan)? {
            if !layout::is_shard(&shard) {
                scan.entry_or_foreign(&whole, shard);
                continue;
            }
            let shard = whole.child(&shard);
            for parent in self.scan_names(&shard, scan)? {
                match TaskId::from_hex(&parent) {
                    Some(parent) => {
                        let dir = layout::blocked_on(parent);
                        let mut names = self.scan_names(&dir, scan)?;
                        names.retain(|name| layout::parse_mark(name).is_none());
                        names.into_iter().for_each(|name| scan.entry_or_foreign(&dir, name));
                    }
                    None => scan.entry_or_foreign(&shard, parent),
                }
            }
        }
        Ok(())
    }

    fn scan_keys(&self, scan: &mut Scan) -> Result<(), Error> {
        let whole = layout::unique_keys();
        for queue in self.scan_names(&whole, scan)? {
            if queue.parse::<QueueName>().is_err() {
                scan.foreign.push(whole.file(queue));
                continue;
            }
            let queue = whole.child(&queue);
            for key in self.scan_names(&queue, scan)? {
                let key = queue.child(&key);
                for name in self.scan_names(&key, scan)? {
                    match layout::parse_key_holder(&name) {
                        Some(_) => self.scan_file(key.file(name), scan)?,
                        None => scan.entry_or_foreign(&key, name),
                    }
                }
            }
        }
        Ok(())
    }

    /// An agent that asks for a key reads this. A file that cannot be read is in the way.
    fn scan_file(&self, path: Path, scan: &mut Scan) -> Result<(), Error> {
        match self.tree.store().read(&path, limits::RECORD_BYTES) {
            Err(error) if error.is_of_one_place() => scan.in_the_way.push((path, error)),
            read => drop(read?),
        }
        Ok(())
    }

    fn scan_deadlines(&self, scan: &mut Scan) -> Result<(), Error> {
        let whole = layout::deadlines();
        for outer in self.scan_names(&whole, scan)? {
            let outer = whole.child(&outer);
            for inner in self.scan_names(&outer, scan)? {
                self.scan_flat(&outer.child(&inner), scan, |_, name| layout::parse_deadline(name).is_some())?;
            }
        }
        Ok(())
    }

    fn scan_timed(&self, timed: &TimedDir, scan: &mut Scan) -> Result<(), Error> {
        for name in self.scan_names(&timed.dir, scan)? {
            match timed.child(&name) {
                Some(child) => self.scan_timed(&child, scan)?,
                None => scan.entry_or_foreign(&timed.dir, name),
            }
        }
        Ok(())
    }

    fn scan_flat(
        &self,
        dir: &Dir,
        scan: &mut Scan,
        mut known: impl FnMut(&mut Scan, &str) -> bool,
    ) -> Result<(), Error> {
        for name in self.scan_names(dir, scan)? {
            if !known(scan, &name) {
                scan.foreign.push(dir.file(name));
            }
        }
        Ok(())
    }

    /// Looks for entries in a directory that is nobody's. A directory that cannot be listed is skipped.
    fn scan_strange(&self, dir: &Dir, scan: &mut Scan, depth: usize) -> Result<(), Error> {
        let names = match self.tree.store().list(dir) {
            Err(error) if error.is_of_one_place() => return Ok(()),
            names => names?.unwrap_or_default(),
        };
        for name in names {
            scan.strange += 1;
            match Entry::parse(&name) {
                Some(entry) => scan.files_of(entry.id).strays.push(Located { dir: dir.clone(), entry }),
                None if depth > 0 && scan.strange < STRANGE_NAMES => {
                    self.scan_strange(&dir.child(&name), scan, depth - 1)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The names in a directory. Something else in its place, or a directory that this agent may not read, is in the
    /// way.
    fn scan_names(&self, dir: &Dir, scan: &mut Scan) -> Result<Vec<String>, Error> {
        let Some((parent, name)) = dir.split() else { return Ok(self.tree.store().list(dir)?.unwrap_or_default()) };
        let (mut error, place) = (None, parent.file(name));
        for _ in 0..LOOKS {
            match self.tree.store().list(dir) {
                Ok(Some(names)) => return Ok(names.into_iter().filter(|name| !layout::is_quarantined(name)).collect()),
                Ok(None) if !self.tree.store().exists(&place)? => return Ok(Vec::new()),
                Ok(None) => {
                    let (kind, detail) = (StoreErrorKind::WrongType, "it is a dangling symbolic link".into());
                    error = Some(StoreError { operation: "list", path: place.to_string(), kind, detail });
                }
                Err(found) if found.is_of_one_place() => {
                    error = Some(found);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        scan.in_the_way.extend(error.map(|error| (place, error)));
        Ok(Vec::new())
    }
}

impl Scan {
    fn files_of(&mut self, id: TaskId) -> &mut TaskFiles {
        self.tasks.entry(id).or_default()
    }

    fn entry_or_foreign(&mut self, dir: &Dir, name: String) {
        match Entry::parse(&name) {
            Some(entry) => self.files_of(entry.id).sightings.push(Located { dir: dir.clone(), entry }),
            None => self.foreign.push(dir.file(name)),
        }
    }
}

impl TaskFiles {
    /// True if the task was seen in a place where agents look for it.
    pub(super) fn stands(&self) -> bool {
        self.sightings.iter().any(|located| !located.dir.is_below(&layout::unique_keys()))
    }
}
