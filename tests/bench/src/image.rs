//! Filesystems in files, mounted as loop devices: so that each machine measures ext4 with a journal and XFS, whatever
//! its own disk has.
//!
//! It needs root, and the tools of both. Every block of the file is written before, and nothing is discarded: else the
//! disk below would look for room at each flush.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::program::succeeded;

/// What is on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    /// As tables have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4 with a journal",
            Kind::Xfs => "XFS",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
        }
    }

    /// What makes it anew. All of its tables are written at once, and not by the kernel while something is measured.
    fn make(self) -> Command {
        let (program, options): (_, &[&str]) = match self {
            Kind::Ext4 => {
                ("mkfs.ext4", &["-q", "-F", "-i", "8192", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"])
            }
            Kind::Xfs => ("mkfs.xfs", &["-q", "-f", "-K"]),
        };
        let mut command = Command::new(program);
        command.args(options);
        command
    }
}

/// A mounted one, until this is dropped.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) kind: Kind,
    file: PathBuf,
    place: PathBuf,
    is_mounted: Cell<bool>,
}

impl Image {
    /// Makes one of so many MiB in a directory.
    pub(crate) fn new(kind: Kind, above: &Path, megabytes: usize) -> Result<Image> {
        let file = above.join(format!("{}.img", kind.word()));
        let image = Image { kind, place: above.join(kind.word()), file, is_mounted: Cell::new(false) };
        fs::create_dir(&image.place)?;
        let mut file = File::create(&image.file)?;
        let zeros = vec![0; 1 << 20];
        (0..megabytes).try_for_each(|_| file.write_all(&zeros)).context("no room for an image")?;
        file.sync_all()?;
        image.fill()?;
        Ok(image)
    }

    /// The root of the filesystem.
    pub(crate) fn root(&self) -> &Path {
        &self.place
    }

    /// Makes it empty: what is measured next meets nothing of what was before.
    pub(crate) fn renew(&self) -> Result<()> {
        self.unmount()?;
        self.fill()
    }

    fn fill(&self) -> Result<()> {
        succeeded(self.kind.make().arg(&self.file))?;
        succeeded(Command::new("mount").args(["-o", "loop"]).arg(&self.file).arg(&self.place))?;
        self.is_mounted.set(true);
        Ok(())
    }

    fn unmount(&self) -> Result<()> {
        succeeded(Command::new("umount").arg(&self.place))?;
        self.is_mounted.set(false);
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.is_mounted.get()
            && let Err(error) = self.unmount()
        {
            eprintln!("an image stays mounted: {error:#}");
        }
    }
}
