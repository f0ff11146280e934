//! Where the coordination directory is: the one directory that a queue works in. Native programs grant it to a component.
//!
//! The repository is `$MUSE_REPO_ROOT` if that is set, else the nearest directory upward that holds `.muse/`. A
//! `$MUSE_REPO_ROOT` that holds no `.muse/` is no repository, and nothing else is tried: work must not land in a queue
//! that nobody named. Only `init` makes one: there, or in the current directory.
//!
//! Guaranteed: the name of a directory that was made here survives a crash of the machine, unless `MUSE_COORD_SYNC=off`.
//! Not guaranteed: that the directory found is a queue; its format is the queue's to judge.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where the search begins.
#[derive(Debug)]
pub enum Start {
    /// `$MUSE_REPO_ROOT`: this directory or none.
    Named(PathBuf),
    /// The current directory: this one or the nearest above it.
    Current(PathBuf),
}

impl Start {
    /// Reads the process's own surroundings. An empty `$MUSE_REPO_ROOT` counts as none.
    pub fn of_this_process() -> io::Result<Start> {
        match env::var_os("MUSE_REPO_ROOT").filter(|root| !root.is_empty()) {
            Some(root) => std::path::absolute(root).map(Start::Named),
            None => env::current_dir().map(Start::Current),
        }
    }

    /// The repository's coordination directory, whether it exists yet or not; none without a repository.
    pub fn found(&self) -> Option<PathBuf> {
        let root = match self {
            Start::Named(root) => is_repository(root).then_some(root.as_path()),
            Start::Current(directory) => directory.ancestors().find(|ancestor| is_repository(ancestor)),
        };
        root.map(coordination_directory)
    }

    /// The coordination directory of the repository that `init` makes where there is none.
    pub fn here(&self) -> PathBuf {
        match self {
            Start::Named(path) | Start::Current(path) => coordination_directory(path),
        }
    }
}

/// Makes the coordination directory and what is missing above it. Another process may be doing the same.
pub fn create(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if env::var_os("MUSE_COORD_SYNC").is_some_and(|value| value == "off") {
        return Ok(());
    }
    // The queue syncs what it makes inside. The names `coordination` and `.muse` are outside its reach.
    directory.ancestors().skip(1).take(2).try_for_each(|parent| File::open(parent)?.sync_all())
}

fn coordination_directory(root: &Path) -> PathBuf {
    root.join(".muse").join("coordination")
}

fn is_repository(directory: &Path) -> bool {
    directory.join(".muse").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with `outer/.muse` and `outer/inner/.muse`, and `below` under both.
    fn nested() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("outer/.muse")).unwrap();
        fs::create_dir_all(temp.path().join("outer/inner/.muse")).unwrap();
        fs::create_dir_all(temp.path().join("outer/inner/below/further")).unwrap();
        temp
    }

    #[test]
    fn the_nearest_repository_upward_is_used() {
        let temp = nested();
        for (current, expected) in [
            ("outer", "outer/.muse/coordination"),
            ("outer/inner", "outer/inner/.muse/coordination"),
            ("outer/inner/below/further", "outer/inner/.muse/coordination"),
        ] {
            let start = Start::Current(temp.path().join(current));
            assert_eq!(start.found(), Some(temp.path().join(expected)));
        }
    }

    #[test]
    fn a_named_root_is_used_as_it_is() {
        let temp = nested();
        let outer = Start::Named(temp.path().join("outer"));
        assert_eq!(outer.found(), Some(temp.path().join("outer/.muse/coordination")));
        let below = Start::Named(temp.path().join("outer/inner/below"));
        assert_eq!(below.found(), None);
    }

    #[test]
    fn where_there_is_no_repository_one_can_be_made_right_here() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().to_owned();
        for start in [Start::Named(path.clone()), Start::Current(path.clone())] {
            assert_eq!(start.found(), None);
            assert_eq!(start.here(), path.join(".muse/coordination"));
        }
    }

    #[test]
    fn a_file_called_muse_is_no_repository() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join(".muse"), "").unwrap();
        let start = Start::Current(temp.path().to_owned());
        assert_eq!(start.found(), None);
    }

    #[test]
    fn a_directory_is_made_with_what_is_missing_above_it_and_may_exist() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join(".muse/coordination");
        create(&directory).unwrap();
        create(&directory).unwrap();
        assert!(directory.is_dir());
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let temp = nested();
        let directory = temp.path().join("outer/.muse/coordination");
        fs::write(&directory, "").unwrap();
        assert!(create(&directory).is_err());
    }
}
