//! Which store operations commute with everything in a scenario, so that they are no scheduling points.

use coord_core::entry::Entry;
use coord_core::layout::{self, Dir, Path};
use coord_core::limits;
use coord_core::store::fused::{First, Look, Move, Step};

use super::Kind;
use super::space::Space;
use crate::sim::call::{Call, Reply, repeated};

impl Space {
    /// True for looking at what nobody changes in this scenario. That nobody does is asserted at each change.
    pub(super) fn is_constant(&self, call: &Call) -> bool {
        match call {
            Call::Read(path, _) if *path == layout::format() => true,
            // Reports on a task are appended behind the first line.
            Call::Read(path, _) => {
                self.is_constant_file(path) && (root_dir(&path.dir) != "tasks" || self.scenario.only_enqueues())
            }
            Call::FirstLine(path, _) | Call::Exists(path) => self.is_constant_file(path),
            Call::Links(path) => self.is_constant_dir(&path.dir),
            Call::List(dir) | Call::Stamp(dir) => self.is_constant_dir(dir),
            Call::SyncDir(_) => true,
            Call::Look(looks) => looks.iter().all(|look| match look {
                Look::Names(dir) => self.is_constant_dir(dir),
                Look::Line(path) => self.is_constant_file(path),
                _ => false,
            }),
            _ => false,
        }
    }

    /// True for a change of which no other agent sees anything, whenever it is made.
    pub(super) fn is_private(&self, call: &Call) -> bool {
        let (Call::Create(path, _) | Call::Link(_, path) | Call::Remove(path)) = call else { return false };
        let is_entry = Entry::parse(&path.name).is_some();
        let unseen = match root_dir(&path.dir) {
            "tmp" => true,
            // Before a key names a task, and after another task has it, only who enqueues the task knows of it.
            "tasks" => self.scenario.only_enqueues() && self.scenario.adds.is_unique,
            "unique" => self.scenario.only_enqueues() && is_entry,
            _ => false,
        };
        // A doctor sees everything.
        unseen && !self.scenario.has(Kind::Repair)
    }

    /// True for a file that is written once and stays while an agent may ask for it: the holder of a key, and the
    /// record of the task that has the key.
    pub(super) fn is_written_once(&self, path: &Path) -> bool {
        let is_kept = match root_dir(&path.dir) {
            "tasks" => layout::parse_record(&path.name).is_some(),
            "unique" => layout::parse_key_holder(&path.name).is_some_and(|number| number < limits::KEY_NUMBERS_KEPT),
            _ => false,
        };
        is_kept && self.scenario.only_enqueues() && !self.scenario.has(Kind::Repair)
    }

    pub(super) fn is_there_for_good(&self, dir: &Dir) -> bool {
        let is_kept = ["tasks", "claimed", "done", "unique"].contains(&root_dir(dir));
        is_kept && self.start.tree.list(dir).is_some()
    }

    fn is_constant_file(&self, path: &Path) -> bool {
        // Once written, a record stays, unless its task is removed, or a doctor mends it. Progress beside it does not.
        let stays = !self.scenario.has(Kind::Gc) && !self.scenario.has(Kind::Repair);
        let is_record = || root_dir(&path.dir) == "tasks" && layout::parse_record(&path.name).is_some();
        self.is_constant_dir(&path.dir) || stays && is_record() && self.start.tree.exists(path)
    }

    fn is_constant_dir(&self, dir: &Dir) -> bool {
        let adds = self.scenario.all_kinds().any(Kind::adds);
        let above_bucket = self.bucket.as_str().starts_with(dir.child("").as_str()) && *dir != Dir::root();
        match root_dir(dir) {
            // In an engine a directory comes and goes with what is below it.
            "ready" | "claimed" | "done" if self.scenario.is_whole => false,
            // Tasks that are enqueued at the time of the first one come into the same time bucket.
            "ready" => above_bucket && !self.scenario.has(Kind::Gc) && (!adds || self.scenario.clocks == [0]),
            "blocked" if self.scenario.only_enqueues() => true,
            "tasks" => {
                !adds && ![Kind::Gc, Kind::Repair, Kind::Progress].into_iter().any(|kind| self.scenario.has(kind))
            }
            "blocked" => !adds,
            "unique" => !self.scenario.adds.is_unique && !self.scenario.task.is_unique,
            "queues" => !self.scenario.all_kinds().any(Kind::sets),
            "runs" => true,
            "tags" => !self.scenario.has(Kind::Gc),
            "scheduled" => self.scenario.puts_nothing_off(),
            "claimed" | "done" | "purged" | "sweep" | "deadlines"
                if self.scenario.only_enqueues() && !self.scenario.has(Kind::Repair) =>
            {
                true
            }
            // A record whose name was taken, by itself or by a doctor, is dated a microsecond later. So its id changes.
            _ => {
                let moves_on = self.scenario.mishaps > 0 || self.scenario.has(Kind::Repair);
                let unsettled = adds && moves_on || self.scenario.all_kinds().any(Kind::imports);
                ["claimed", "done"].contains(&dir.as_str()) && !unsettled
            }
        }
    }

    pub(super) fn assert_not_constant(&self, call: &Call, reply: &Reply) {
        if *reply == repeated(reply) {
            // It changed nothing.
            return;
        }
        let changed = |path: &Path| assert!(!self.is_constant_file(path), "{call} changes what was constant");
        match call {
            Call::Create(path, _) | Call::Remove(path) | Call::Link(_, path) => changed(path),
            Call::Rename(from, to) => [from, to].into_iter().for_each(changed),
            Call::Step(steps) => {
                for Step { first, moves, .. } in steps.iter() {
                    if let First::Create(path, _) = first {
                        changed(path);
                    }
                    moves.iter().for_each(|one| match one {
                        Move::Rename(from, to) => [from, to].into_iter().for_each(changed),
                        Move::Link(_, to) => changed(to),
                    });
                }
            }
            Call::MakeDir(dir) | Call::RemoveDir(dir) => {
                let (parent, name) = dir.split().expect("not the root");
                changed(&parent.file(name));
            }
            _ => {}
        }
    }
}

/// The directory of the root that it is in.
pub(super) fn root_dir(dir: &Dir) -> &str {
    dir.as_str().split('/').next().unwrap_or_default()
}
