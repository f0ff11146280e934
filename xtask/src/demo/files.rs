//! The demo's real work: which files there are, and what is to be found out about each.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// So many that eight agents have something to do, so few that a person waits for them.
const MOST: usize = 300;

/// The files of one directory, by sorted relative paths.
pub(super) struct Files {
    pub(super) base: PathBuf,
    pub(super) paths: Vec<String>,
    /// How many more there are, which the demo leaves alone.
    pub(super) left_out: usize,
}

/// What an agent finds out, and records as the task's result.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Measure {
    sha256: String,
    lines: usize,
}

impl Files {
    /// This repository's own files, without what git is told to ignore.
    pub(super) fn of_repository(workspace: &Workspace) -> Result<Self> {
        let sh = &workspace.shell;
        let list = cmd!(sh, "git ls-files -z --cached --others --exclude-standard --deduplicate")
            .quiet()
            .read()
            .context("this is no git repository; name a directory to measure")?;
        let base = workspace.root.clone();
        // What is deleted and not yet committed is still in git's list.
        let names = list.split('\0').filter(|name| !name.is_empty());
        let paths = names.map(str::to_owned).filter(|name| base.join(name).is_file());
        Ok(Self::first(base.clone(), paths.collect()))
    }

    /// All files below a directory, except hidden ones, symbolic links, what is built (`target/`), and
    /// the few whose names are not Unicode, which JSON can't carry.
    pub(super) fn of_directory(directory: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read {}", directory.display());
        let base = directory.canonicalize().with_context(unreadable)?;
        let mut paths = Vec::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(below) = directories.pop() {
            for entry in fs::read_dir(base.join(&below)).with_context(unreadable)? {
                let entry = entry.with_context(unreadable)?;
                let kind = entry.file_type().with_context(unreadable)?;
                let path = below.join(entry.file_name());
                let name = entry.file_name();
                let hidden = name.as_encoded_bytes().starts_with(b".");
                if kind.is_dir() && !hidden && name != "target" {
                    directories.push(path);
                } else if kind.is_file() && !hidden {
                    paths.extend(path.into_os_string().into_string().ok());
                }
            }
        }
        Ok(Self::first(base, paths))
    }

    fn first(base: PathBuf, mut paths: Vec<String>) -> Self {
        paths.sort();
        let left_out = paths.len().saturating_sub(MOST);
        paths.truncate(MOST);
        Self { base, paths, left_out }
    }
}

impl Measure {
    pub(super) fn of(file: &Path) -> Result<Self> {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let digest = Sha256::digest(&content);
        Ok(Self {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            lines: content.iter().filter(|byte| **byte == b'\n').count(),
        })
    }
}
