//! What was asked for, and what all workloads are given.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex_lite::Regex;
use tempfile::TempDir;

use crate::image::{Image, Kind};
use crate::machine;
use crate::program::{Build, Programs};
use crate::repository::Repository;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The directory to measure in: its filesystem is what is measured [default: the system's for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure only what matches, by the names that are told as they begin
    #[arg(long, default_value = "")]
    only: Regex,
    /// Measure only what the table of goals needs
    #[arg(long)]
    goals: bool,
    /// Measure almost nothing, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Leave what was measured, and tell where it is
    #[arg(long)]
    keep: bool,
    /// Measure on images of ext4 with a journal and of XFS, too, which are made in the directory; that needs root
    #[arg(long)]
    images: bool,
    /// A directory with another build's `coord-bench`, and maybe its `muse`: both builds take turns
    #[arg(long)]
    against: Option<PathBuf>,
    /// Where tables and chart are written
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// The repository whose docs/benchmarks.md and chart are written anew, as far as they were measured
    #[arg(long)]
    write: Option<PathBuf>,
    /// The built `muse`; without it no processes of it are measured
    #[arg(long)]
    muse: Option<PathBuf>,
    /// The built `muse-coord.wasm`; without it no component is measured
    #[arg(long)]
    library: Option<PathBuf>,
    /// A Python that has the packages of `python/requirements.txt`; without it none of them is measured
    #[arg(long)]
    python: Option<PathBuf>,
    /// A built beanstalkd; without it none is measured
    #[arg(long)]
    beanstalkd: Option<PathBuf>,
}

/// What all workloads are given.
pub(crate) struct Bench {
    million: OnceCell<Repository>,
    keep: bool,
    /// Before the directory that they are in: they are unmounted first.
    disks: Vec<Disk>,
    everything: TempDir,
    only: Regex,
    goals: bool,
    quick: bool,
    pub(crate) output: PathBuf,
    pub(crate) write: Option<PathBuf>,
    pub(crate) programs: Programs,
    /// The build that this one is compared with.
    pub(crate) other: Option<Build>,
    /// Its `muse`.
    pub(crate) other_muse: Option<PathBuf>,
}

/// A filesystem that is measured on.
pub(crate) struct Disk {
    /// As tables have it.
    pub(crate) name: String,
    root: PathBuf,
    image: Option<Image>,
}

impl Disk {
    /// What is on it, if it is an image.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.image.as_ref().map(|image| image.kind)
    }

    /// Makes it empty if it is an image.
    pub(crate) fn renew(&self) -> Result<()> {
        self.image.as_ref().map_or(Ok(()), Image::renew)
    }

    /// A fresh directory on it. It stays until all is measured, or an image is renewed: a filesystem has work with what
    /// was deleted for a while, and the next batch would pay for it.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        Ok(tempfile::tempdir_in(&self.root).context("cannot make a directory to measure in")?.keep())
    }
}

impl Options {
    pub(crate) fn bench(&self) -> Result<Bench> {
        let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let everything = tempfile::Builder::new().prefix("coord-bench-").tempdir_in(&dir);
        let everything = everything.with_context(|| format!("cannot make a directory in {}", dir.display()))?;
        let other_muse = self.against.as_ref().map(|against| against.join("muse")).filter(|muse| muse.exists());
        let programs = [&self.muse, &self.library, &self.python, &self.beanstalkd].map(Option::as_deref);
        Ok(Bench {
            million: OnceCell::new(),
            keep: self.keep,
            disks: self.disks(everything.path())?,
            everything,
            only: self.only.clone(),
            goals: self.goals,
            quick: self.quick,
            output: self.output.clone(),
            write: self.write.clone(),
            programs: Programs::new(programs)?,
            other: self.against.as_deref().map(Build::of).transpose()?,
            other_muse: other_muse.map(std::path::absolute).transpose()?,
        })
    }

    /// The disk that the directory is on, and the images that were asked for and can be made here.
    fn disks(&self, everything: &Path) -> Result<Vec<Disk>> {
        let name = format!("{}, this disk", machine::filesystem(everything)?);
        let mut disks = vec![Disk { name, root: everything.to_owned(), image: None }];
        if self.images && !rustix::process::geteuid().is_root() {
            eprintln!(
                "!! NO IMAGES: only root can mount them, so nothing is measured on ext4 with a journal and on XFS"
            );
            return Ok(disks);
        }
        for kind in [Kind::Ext4, Kind::Xfs].into_iter().filter(|_| self.images) {
            let megabytes = if self.quick { 512 } else { 2_048 };
            match Image::new(kind, everything, megabytes) {
                Ok(image) => {
                    let name = format!("{}, image", kind.name());
                    disks.push(Disk { name, root: image.root().to_owned(), image: Some(image) });
                }
                Err(error) => eprintln!("!! NO IMAGE of {}, so nothing is measured on it: {error:#}", kind.name()),
            }
        }
        Ok(disks)
    }
}

/// Whether a figure is one of the goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is one of the goals.
    Goal,
    /// It is there to tell more.
    More,
}

impl Bench {
    /// Whether this is to be measured; if so, tells that it begins.
    pub(crate) fn wants(&self, name: &str, part: Part) -> bool {
        let wanted = self.only.is_match(name) && (!self.goals || part == Part::Goal);
        if wanted {
            eprintln!("── {name}");
        }
        wanted
    }

    /// Whether more is wanted than the goals.
    pub(crate) fn wants_more(&self) -> bool {
        !self.goals
    }

    /// One of two sizes: to measure, or only to see that it works.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// All that is measured on, the directory's own disk first.
    pub(crate) fn disks(&self) -> &[Disk] {
        &self.disks
    }

    /// The directory that is measured in.
    pub(crate) fn root(&self) -> &Path {
        self.everything.path()
    }

    /// The queue with a million tasks that wait, which takes a minute or two to make.
    pub(crate) fn million(&self) -> Result<&Repository> {
        if let Some(made) = self.million.get() {
            return Ok(made);
        }
        let made = Repository::with(self, self.size(1_000_000, 5_000))?;
        Ok(self.million.get_or_init(|| made))
    }

    /// A fresh directory on the filesystem that is measured. It stays until all is measured: a filesystem has work with
    /// what was deleted for a while, and the next batch would pay for it.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        Ok(tempfile::tempdir_in(self.root()).context("cannot make a directory to measure in")?.keep())
    }

    /// Removes all that was measured, unless it is to be kept.
    pub(crate) fn end(self) -> Result<()> {
        drop(self.disks);
        if self.keep {
            eprintln!("kept: {}", self.everything.keep().display());
            return Ok(());
        }
        eprintln!(
            "removing what was measured; where the filesystem discards what is freed at once that takes long: see --keep"
        );
        Ok(self.everything.close()?)
    }
}
