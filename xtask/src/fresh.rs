//! What takes long is done again only if it would come out otherwise.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Makes `output`, unless it is there and was made of the same. What it was made of is noted beside it, when it is
/// done.
pub(crate) fn unless_made_of(input: &[u8], output: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let note = PathBuf::from(format!("{}.made-of", output.display()));
    // A note that is not there says nothing.
    if output.exists() && fs::read(&note).is_ok_and(|noted| noted == input) {
        return Ok(());
    }
    make()?;
    fs::write(&note, input).with_context(|| format!("cannot write {}", note.display()))
}
