//! What a queue takes of the disk: bytes and inodes of tasks that wait, and of those that have ended with a result.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use super::settle;
use crate::contender::Contender;
use crate::options::{Bench, Disk, Part};
use crate::program::Build;
use crate::report::Report;
use crate::team::{Deed, by_processes};

const NAME: &str = "disk use";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    for disk in bench.disks() {
        if !bench.wants(&format!("{NAME}, {}", disk.name), Part::More) {
            continue;
        }
        disk.renew()?;
        let this = Build::this()?;
        rows.extend(of_both(bench, disk, "coord", Contender::CoordUnsynced, &this)?);
        if let Some(other) = &bench.other {
            rows.extend(of_both(bench, disk, "the other build", Contender::CoordUnsynced, other)?);
        }
        rows.extend(of_both(bench, disk, "sqlite", Contender::SqliteOff, &this)?);
    }
    report.table(NAME, &["tasks", "", "MB", "inodes", "bytes a task", "inodes a task"], rows);
    Ok(())
}

/// A row for tasks that wait, and one for the same tasks when all have ended.
fn of_both(bench: &Bench, disk: &Disk, name: &str, contender: Contender, build: &Build) -> Result<[Vec<String>; 2]> {
    let count = bench.size(100_000, 100) as u64;
    let directory = disk.directory()?;
    build.fill(contender, &directory, count)?;
    let waiting = Footprint::of(&directory)?;
    by_processes(1, contender, &directory, Deed::CompleteWithResults, build, &bench.programs)?;
    let ended = Footprint::of(&directory)?;
    let row = |state: &str, footprint: Footprint| footprint.row(format!("{count} {state}, {}", disk.name), name, count);
    Ok([row("wait", waiting), row("have ended with results", ended)])
}

/// What the filesystem has allocated for a directory and all below it.
struct Footprint {
    bytes: u64,
    inodes: usize,
}

impl Footprint {
    fn of(directory: &Path) -> Result<Footprint> {
        // What is only in memory has no blocks yet.
        settle(directory)?;
        let (mut bytes, mut seen, mut rest) = (0, HashSet::new(), vec![directory.to_owned()]);
        while let Some(path) = rest.pop() {
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                for entry in fs::read_dir(&path)? {
                    rest.push(entry?.path());
                }
            }
            // A task has several names.
            if seen.insert(metadata.ino()) {
                bytes += metadata.blocks() * 512;
            }
        }
        Ok(Footprint { bytes, inodes: seen.len() })
    }

    fn row(&self, state: String, name: &str, tasks: u64) -> Vec<String> {
        vec![
            state,
            name.to_owned(),
            format!("{:.1}", self.bytes as f64 / 1e6),
            self.inodes.to_string(),
            (self.bytes / tasks).to_string(),
            format!("{:.2}", self.inodes as f64 / tasks as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("one"), [1; 5_000]).unwrap();
        let before = Footprint::of(directory.path()).unwrap();
        fs::hard_link(path("one"), path("two")).unwrap();
        let after = Footprint::of(directory.path()).unwrap();
        assert_eq!((before.inodes, after.inodes), (2, 2));
        assert!(before.bytes >= 5_000 && after.bytes == before.bytes, "{} {}", before.bytes, after.bytes);
    }
}
