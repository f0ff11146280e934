//! `cargo xtask power-cut`: writers on real filesystems whose power is cut; nothing that was acknowledged may be
//! missing.
//!
//! The program is `tests/src/power_cut.rs`, which says what is done, what that shows, and what it does not. Here it
//! is built, and what makes the filesystems is installed.

use crate::build;
use crate::tools;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use xshell::{Shell, cmd};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many minutes all filesystems together are cut, after the red controls
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Cut so many images of each filesystem instead, however long it takes
    #[arg(long)]
    images: Option<usize>,
    /// On which filesystems: ext4, ext4-without-journal, xfs, btrfs [default: all]
    #[arg(long)]
    filesystem: Vec<String>,
    /// Have the writers rely on nothing that POSIX does not promise, as MUSE_COORD_SYNC=posix does
    #[arg(long)]
    posix: bool,
    /// The directory that the images are in meanwhile [default: the system's for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What all choices follow from [default: another each time]
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    ensure_filesystems(workspace);
    let program = build::native(workspace, "power_cut")?;
    let words = options.words();
    cmd!(sh, "{program} run {words...}").run()?;
    Ok(())
}

/// Programs that make and mend filesystems, and Debian's packages with them.
const PROGRAMS: [(&str, &str); 4] =
    [("mkfs.ext4", "e2fsprogs"), ("e2fsck", "e2fsprogs"), ("mkfs.xfs", "xfsprogs"), ("mkfs.btrfs", "btrfs-progs")];

/// Installs the programs that are missing, if this is root's Debian. Where it cannot, those filesystems are not cut,
/// and the cuts say so.
pub(crate) fn ensure_filesystems(workspace: &Workspace) {
    let sh = &workspace.shell;
    let missing = PROGRAMS.iter().filter(|(program, _)| tools::on_path(program).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() || tools::on_path("apt-get").is_none() || !is_root(sh) {
        return;
    }
    eprintln!("power-cut: installing {}", packages.join(", "));
    let install = || {
        cmd!(sh, "apt-get update").quiet().ignore_stdout().run()?;
        cmd!(sh, "apt-get install --yes --no-install-recommends {packages...}").quiet().ignore_stdout().run()
    };
    if let Err(error) = install() {
        eprintln!("power-cut: {error}");
    }
}

fn is_root(sh: &Shell) -> bool {
    cmd!(sh, "id -u").quiet().read().is_ok_and(|id| id == "0")
}

impl Options {
    /// The same for the program.
    fn words(&self) -> Vec<String> {
        let Options { minutes, images, filesystem, posix, dir, seed } = self;
        let mut words = vec![format!("--minutes={minutes}")];
        words.extend(images.map(|images| format!("--images={images}")));
        words.extend(filesystem.iter().map(|filesystem| format!("--filesystem={filesystem}")));
        words.extend(posix.then(|| "--posix".to_string()));
        words.extend(dir.as_ref().map(|dir| format!("--dir={}", dir.display())));
        words.extend(seed.map(|seed| format!("--seed={seed}")));
        words
    }
}
