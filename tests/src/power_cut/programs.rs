//! Programs of the system that make, mount and copy images.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs one with words and then paths, to its end. What went wrong is told in its own words.
pub(super) fn run<'a, Word: AsRef<OsStr>>(
    program: &str,
    words: impl IntoIterator<Item = Word>,
    paths: impl IntoIterator<Item = &'a Path>,
) -> Result<(), String> {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    let words: Vec<OsString> = words.chain(paths.into_iter().map(OsString::from)).collect();
    let output = Command::new(program).args(&words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{program} {words:?}: {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}

/// True if it is on the PATH.
pub(super) fn is_there(program: &str) -> bool {
    run("sh", ["-c", "command -v \"$1\"", "sh", program], []).is_ok()
}
