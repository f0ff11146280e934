//! Where the coordination directory is: the one directory that a queue works in. Native programs grant it to a
//! component.
//!
//! The repository is `$MUSE_REPO_ROOT` if that is set, else the nearest directory upward that holds `.muse/`. A
//! `$MUSE_REPO_ROOT` that holds no `.muse/` is no repository, and nothing else is tried: work must not land in a queue
//! that nobody named. Only `init` makes one: there, or in the current directory.
//!
//! Guaranteed: one that was found by searching may be trusted (`trust.rs`), or is refused. The name of a directory that
//! was made here survives a crash of the machine, unless `MUSE_COORD_SYNC=off`. Only its owner may look into it, unless
//! a group that may write above shares the queue, whatever the umask is. Not guaranteed: that the directory found is a
//! queue; its format is the queue's to judge.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use coord_core::store::{StoreError, StoreErrorKind};

use crate::Failure;
use crate::trust;

pub use crate::trust::open_to_others;

/// Where the search begins.
#[derive(Debug)]
pub enum Start {
    /// `$MUSE_REPO_ROOT`: this directory or none.
    Named(PathBuf),
    /// The current directory: this one or the nearest above it.
    Current(PathBuf),
}

/// The use that a repository is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To work in its queue.
    Work,
    /// To look at a queue that may have come with a copy, or to take it over.
    Judge,
    /// To make a file that leads to an engine, whichever is there.
    Point,
}

impl Start {
    /// Reads the process's own surroundings. An empty `$MUSE_REPO_ROOT` counts as none.
    pub fn of_this_process() -> io::Result<Start> {
        match env::var_os("MUSE_REPO_ROOT").filter(|root| !root.is_empty()) {
            Some(root) => std::path::absolute(root).map(Start::Named),
            None => env::current_dir().map(Start::Current),
        }
    }

    /// The repository's coordination directory, whether it exists yet or not; none without a repository. Fails where
    /// one was found that is not to be trusted: the search does not go on, as work must not land in a queue that nobody
    /// meant.
    pub fn found(&self, purpose: Purpose) -> Result<Option<PathBuf>, StoreError> {
        let root = match self {
            Start::Named(root) => is_repository(root).then_some(root.as_path()),
            Start::Current(directory) => directory.ancestors().find(|ancestor| is_repository(ancestor)),
        };
        if let (Start::Current(_), Some(root)) = (self, root) {
            trust::check(root, purpose)?;
        }
        Ok(root.map(coordination_directory))
    }

    /// The coordination directory of the repository that `init` makes where there is none. Fails where it could not be
    /// trusted afterwards.
    pub fn here(&self) -> Result<PathBuf, StoreError> {
        if let Start::Current(directory) = self {
            trust::check(directory, Purpose::Judge)?;
        }
        match self {
            Start::Named(path) | Start::Current(path) => Ok(coordination_directory(path)),
        }
    }
}

/// True if a file stands in the coordination directory's place: it leads to an engine, where the queue is instead.
pub fn leads_elsewhere(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| found.is_file())
}

/// The second name of the file that leads to an engine.
pub fn anchor_of(pointer: &Path) -> PathBuf {
    pointer.with_file_name("coordination.anchor")
}

/// True of a file that `init --store` made here, and that nobody else may write.
pub fn may_be_followed(pointer: &Path) -> bool {
    trust::distrust_of_pointer(pointer).is_none()
}

/// What a file in this directory is to be for others: as what is made in the coordination directory.
#[cfg(unix)]
pub fn permissions_within(directory: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = directory.metadata().map_or(0o700, |above| trust::mode_within(&above));
    fs::Permissions::from_mode(mode & 0o666)
}

/// Makes `.muse`, where the file that leads to an engine will stand.
pub fn ready_to_lead(directory: &Path) -> Result<(), StoreError> {
    let made = directory.parent().map_or(Ok(()), |muse| {
        muse.parent().map_or(Ok(()), fs::create_dir_all)?;
        create_one(muse)
    });
    made.map_err(|error| unusable(directory, error))
}

/// Sees to it that the coordination directory is there. It is made, with what is missing above it, unless something
/// else is in its place: a file, or a link that leads nowhere. Another process may be doing the same.
pub fn ready(directory: &Path) -> Result<(), StoreError> {
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) if leads_elsewhere(directory) => Err(led_elsewhere(directory)),
        Ok(_) => Err(unusable(directory, io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(directory) {
            Ok(target) => Err(leads_nowhere(directory, &target)),
            Err(_) => create(directory).map_err(|error| unusable(directory, error)),
        },
        Err(error) => Err(unusable(directory, error)),
    }
}

/// Why the coordination directory cannot be worked in, and the way out.
pub fn unusable(directory: &Path, error: io::Error) -> StoreError {
    Failure::from(error).at("open", &shown(directory))
}

fn leads_nowhere(directory: &Path, target: &Path) -> StoreError {
    let detail = format!("it is a link to {target:?}, which is not there");
    StoreError { operation: "open", path: shown(directory), kind: StoreErrorKind::WrongType, detail }
}

/// For a program that works in directories only.
fn led_elsewhere(directory: &Path) -> StoreError {
    let detail = "it is a file, which may lead to an engine: `muse coord` works there, and this program does not yet";
    let path = shown(directory);
    StoreError { operation: "open", path, kind: StoreErrorKind::Other, detail: detail.to_string() }
}

/// Escaped, in quotes: nothing is lost, and no control character reaches the terminal.
fn shown(directory: &Path) -> String {
    format!("the coordination directory {directory:?}")
}

fn create(directory: &Path) -> io::Result<()> {
    if let Some(muse) = directory.parent() {
        if let Some(root) = muse.parent() {
            fs::create_dir_all(root)?;
        }
        create_one(muse)?;
    }
    create_one(directory)?;
    if env::var_os("MUSE_COORD_SYNC").is_some_and(|value| value == "off") {
        return Ok(());
    }
    // The queue syncs what it makes inside. The names `coordination` and `.muse` are outside its reach.
    directory.ancestors().skip(1).take(2).try_for_each(|parent| File::open(parent)?.sync_all())
}

/// Nobody else may look into it, not for a moment, unless it is for those who may write above it.
#[cfg(unix)]
fn create_one(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let mode = |path: &Path| path.metadata().ok().map(|metadata| metadata.permissions().mode());
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    let above = directory.parent().and_then(|above| above.metadata().ok());
    let wanted = above.as_ref().map(trust::mode_within);
    if let Some(wanted) = wanted.filter(|wanted| mode(directory).map(|mode| mode & 0o2777) != Some(*wanted)) {
        // Of a directory whose mode cannot be set nothing more can be wanted.
        _ = fs::set_permissions(directory, fs::Permissions::from_mode(wanted));
    }
    Ok(())
}

#[cfg(not(unix))]
fn create_one(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
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
            assert_eq!(start.found(Purpose::Work).unwrap(), Some(temp.path().join(expected)));
        }
    }

    #[test]
    fn a_named_root_is_used_as_it_is() {
        let temp = nested();
        let outer = Start::Named(temp.path().join("outer"));
        assert_eq!(outer.found(Purpose::Work).unwrap(), Some(temp.path().join("outer/.muse/coordination")));
        let below = Start::Named(temp.path().join("outer/inner/below"));
        assert_eq!(below.found(Purpose::Work).unwrap(), None);
    }

    #[test]
    fn where_there_is_no_repository_one_can_be_made_right_here() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().to_owned();
        for start in [Start::Named(path.clone()), Start::Current(path.clone())] {
            assert_eq!(start.found(Purpose::Work).unwrap(), None);
            assert_eq!(start.here().unwrap(), path.join(".muse/coordination"));
        }
    }

    #[test]
    fn a_file_called_muse_is_no_repository() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join(".muse"), "").unwrap();
        let start = Start::Current(temp.path().to_owned());
        assert_eq!(start.found(Purpose::Work).unwrap(), None);
    }

    #[test]
    fn a_directory_is_made_with_what_is_missing_above_it_and_may_exist() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join(".muse/coordination");
        ready(&directory).unwrap();
        ready(&directory).unwrap();
        assert!(directory.is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_is_made_is_open_to_those_who_may_write_above_and_to_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = tempfile::tempdir().unwrap();
        for (mode, within) in [
            (0o700, 0o700),
            (0o755, 0o700),
            (0o750, 0o700),
            (0o2755, 0o700),
            (0o775, 0o770),
            (0o2775, 0o2770),
            (0o777, 0o777),
            (0o1777, 0o700),
        ] {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            let muse = temp.path().join(".muse");
            ready(&muse.join("coordination")).unwrap();
            for made in [muse.join("coordination"), muse] {
                let is = fs::metadata(&made).unwrap().permissions().mode() & 0o7777;
                assert_eq!(is, within, "{made:?} below {mode:o}: {is:o}");
                fs::remove_dir(&made).unwrap();
            }
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let temp = nested();
        let directory = temp.path().join("outer/.muse/coordination");
        fs::write(&directory, "").unwrap();
        let refused = ready(&directory).unwrap_err();
        assert!(refused.to_string().contains("it is a file, which may lead to an engine"), "{refused}");
        assert!(leads_elsewhere(&directory));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_the_directory_is_followed_and_one_that_leads_nowhere_refused() {
        let temp = nested();
        let directory = temp.path().join("outer/.muse/coordination");
        std::os::unix::fs::symlink("../elsewhere", &directory).unwrap();
        let refused = ready(&directory).unwrap_err();
        assert_eq!(
            (refused.kind, refused.detail.as_str()),
            (StoreErrorKind::WrongType, "it is a link to \"../elsewhere\", which is not there")
        );
        assert!(!temp.path().join("outer/elsewhere").exists());
        fs::create_dir(temp.path().join("outer/elsewhere")).unwrap();
        ready(&directory).unwrap();
    }
}
