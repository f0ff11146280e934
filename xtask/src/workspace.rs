//! Where things are: the clone, what is built from it, and the cache that outlives every clone.
//!
//! Only what is slow to make and the same for every clone is kept in the cache, outside the clone: a stock wasmtime,
//! Debian's package lists. Deleting it costs time, nothing else.

use crate::js::test::JavaScript;
use crate::parts::Parts;
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

pub(crate) struct Workspace {
    /// The root of the clone, an absolute path.
    pub(crate) root: PathBuf,
    /// `muse-coord/` in the user's cache directory. It exists.
    pub(crate) cache: PathBuf,
    /// Runs programs in `root`.
    pub(crate) shell: Shell,
    /// What was done so far, and how long it took.
    pub(crate) parts: Parts,
    /// The npm package with what its tests need, if they are ready.
    pub(crate) javascript: RefCell<Option<JavaScript>>,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let root = root()?;
        let cache = cache_directory()?;
        let shell = Shell::new()?;
        shell.change_dir(&root);
        Ok(Self { root, cache, shell, parts: Parts::new(), javascript: RefCell::default() })
    }

    /// Cargo's target directory, wherever the user's settings put it.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let sh = &self.shell;
        let metadata = cmd!(sh, "cargo metadata --locked --format-version 1 --no-deps --offline").quiet().read()?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("cargo metadata did not answer with JSON")?;
        let directory = metadata
            .get("target_directory")
            .and_then(|value| value.as_str())
            .context("cargo metadata names no target_directory")?;
        Ok(PathBuf::from(directory))
    }

    /// Waits until no other xtask holds the lock `name`, and holds it for as long as the returned file is open.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let path = self.cache.join(format!("{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// Under `cargo run`, the clone that cargo was called in; else the clone that this program was compiled from.
fn root() -> Result<PathBuf> {
    let compiled_from = || env!("CARGO_MANIFEST_DIR").into();
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(compiled_from);
    let root = Path::new(&manifest).parent();
    Ok(root.context("xtask lies in no workspace")?.to_owned())
}

fn cache_directory() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".cache")))
        .context("no home directory: set XDG_CACHE_HOME to an absolute path")?;
    let cache = base.join("muse-coord");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}: set XDG_CACHE_HOME", cache.display()))?;
    Ok(cache)
}
