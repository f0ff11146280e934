//! Files and directories of a victim: looked for, cut, flipped and replaced.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What is in a directory, by relative paths. Nothing is followed or opened but directories.
#[derive(Default)]
pub(super) struct All {
    pub(super) files: Vec<PathBuf>,
    pub(super) directories: Vec<PathBuf>,
}

impl All {
    pub(super) fn any(&self, rng: &mut SmallRng) -> PathBuf {
        let from = if rng.next_u32().is_multiple_of(3) { &self.directories } else { &self.files };
        from.choose(rng).cloned().unwrap_or_else(|| PathBuf::from("tmp"))
    }
}

pub(super) fn all_below(root: &Path) -> All {
    let mut all = All::default();
    let mut to_read = BTreeSet::from([PathBuf::new()]);
    while let Some(directory) = to_read.pop_first() {
        let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name());
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => {
                    to_read.insert(path.clone());
                    all.directories.push(path);
                }
                false => all.files.push(path),
            }
        }
    }
    all.files.sort();
    all.directories.sort();
    all
}

/// A file to be written, if there is one.
pub(super) fn of_file(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().read(true).write(true).open(path)
}

/// Of what is there, and not of what it may be a link to.
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

pub(super) fn is_file_or_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_file() || there.is_dir())
}

pub(super) fn flip(file: &mut File, rng: &mut SmallRng) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length == 0 || length > 1 << 20 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let at = SeekFrom::Start(rng.random_range(0..length));
    let mut byte = [0];
    file.seek(at)?;
    file.read_exact(&mut byte)?;
    file.seek(at)?;
    file.write_all(&[byte[0] ^ (1 << rng.random_range(0..8))])
}

/// Puts something in the place of whatever is there.
pub(super) fn instead(path: &Path, put: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    cleared(path, false)?;
    put(path)
}

pub(super) fn cleared(path: &Path, has_to_be_there: bool) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_to_be_there => Ok(()),
        Err(error) => Err(error),
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

/// Makes a FIFO.
pub fn fifo(path: &Path) -> io::Result<()> {
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0)?)
}

/// The address of a socket may have 108 bytes, which many a path of the queue has not room in: so it is bound
/// elsewhere and moved.
pub(super) fn in_its_directory(path: &Path, bind: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let short = std::env::temp_dir().join(format!("s{}-{:x}", std::process::id(), address_of(path)));
    bind(&short)?;
    fs::rename(&short, path)
}

fn address_of(path: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
