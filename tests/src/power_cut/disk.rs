//! Images on an XFS that shares blocks between copies, so that a copy of a mounted image is of one moment.
//!
//! All that is mounted is so in a mount namespace of this process alone: with the last process of that it is gone,
//! however those ended, and so are the loop devices.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::ioctl_ficlone;

use super::filesystem::Filesystem;
use super::history::Moment;
use super::judge::Cut;
use super::programs::run;

/// Large enough for every filesystem. An image takes no more room than what is written to it.
const IMAGE_BYTES: u64 = 400 << 20;

/// The same for the XFS that the images lie on.
const OUTER_BYTES: u64 = 12 << 30;

/// The XFS that the images lie on, and the place where one of them is mounted.
pub(super) struct Disk {
    place: PathBuf,
}

/// A filesystem on an image, mounted until it is dropped.
pub(super) struct Mounted {
    directory: PathBuf,
}

impl Disk {
    /// Made and mounted below `place`, where nothing is yet.
    pub(super) fn new(place: &Path) -> Result<Disk, String> {
        let disk = Disk { place: place.to_owned() };
        let outer = place.join("outer.img");
        make_image(&outer, OUTER_BYTES)?;
        make_directory(&disk.images())?;
        make_directory(&disk.mounted())?;
        run("mkfs.xfs", ["-q", "-K", "-m", "reflink=1"], [outer.as_path()])?;
        run("mount", ["-o", "loop"], [outer.as_path(), &disk.images()])?;
        Ok(disk)
    }

    /// A new filesystem with an empty coordination directory, which survives.
    pub(super) fn format(&self, filesystem: Filesystem) -> Result<PathBuf, String> {
        let image = self.images().join("original.img");
        make_image(&image, IMAGE_BYTES)?;
        filesystem.make(&image)?;
        let mounted = self.mount(filesystem, &image)?;
        make_directory(&mounted.coordination())?;
        // This writes all of it. From then on only the queue sees to it that something survives.
        mounted.unmount()?;
        Ok(image)
    }

    /// Mounts an image. One at a time.
    pub(super) fn mount(&self, filesystem: Filesystem, image: &Path) -> Result<Mounted, String> {
        filesystem.mend(image)?;
        let directory = self.mounted();
        run("mount", ["-o", filesystem.options()], [image, &directory])?;
        Ok(Mounted { directory })
    }

    /// Cuts the power: what the disk holds now. It is one moment, since the copy shares the blocks and the XFS lets
    /// nobody write meanwhile.
    pub(super) fn cut(&self, original: &Path, number: usize) -> Result<(PathBuf, Cut), String> {
        let copy = self.images().join(format!("cut-{number}.img"));
        let began = Moment::now();
        copy_image(original, &copy)?;
        let ended = Moment::now();
        Ok((copy, Cut { began, ended }))
    }

    fn images(&self) -> PathBuf {
        self.place.join("images")
    }

    fn mounted(&self) -> PathBuf {
        self.place.join("mounted")
    }
}

impl Mounted {
    /// The directory that the queue is in.
    pub(super) fn coordination(&self) -> PathBuf {
        self.directory.join("queue")
    }

    /// Unmounts it, and says if it cannot.
    pub(super) fn unmount(self) -> Result<(), String> {
        let unmounted = run("umount", None::<&str>, [self.directory.as_path()]);
        std::mem::forget(self);
        unmounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // On the way out of a failure, which is told. What stays mounted goes with the namespace.
        run("umount", ["--lazy"], [self.directory.as_path()]).unwrap_or_default();
    }
}

/// A second image with the same blocks, as of one moment: what `cp --reflink=always` does, without the milliseconds
/// in which a program starts.
pub(super) fn copy_image(image: &Path, copy: &Path) -> Result<(), String> {
    let of = |error: io::Error| format!("cannot copy {} to {}: {error}", image.display(), copy.display());
    let (image, copy) = (File::open(image).map_err(of)?, File::create(copy).map_err(of)?);
    ioctl_ficlone(copy, image).map_err(|error| of(error.into()))
}

/// A file without blocks, in the place of the one before.
fn make_image(path: &Path, bytes: u64) -> Result<(), String> {
    let made = File::create(path).and_then(|file| file.set_len(bytes));
    made.map_err(|error| format!("cannot make {}: {error}", path.display()))
}

fn make_directory(path: &Path) -> Result<(), String> {
    fs::create_dir(path).map_err(|error| format!("cannot make {}: {error}", path.display()))
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is not unmounted here goes with the namespace.
        run("umount", ["--lazy"], [self.images().as_path()]).unwrap_or_default();
    }
}
