//! Where the queue is on an engine, `muse-host` does what is asked: it is large, and reaches engines. `muse` becomes
//! it, with the same words, variables and streams.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use coord_store::repository;
use muse_launcher::{Failure, Invocation};

/// The program.
const COMPANION: &str = "muse-host";

/// True if the user says that the queue is on an engine: by `MUSE_COORD_STORE`, or by `init --store`.
pub(crate) fn is_asked_for(Invocation { is_command, store, .. }: &Invocation) -> bool {
    let named = || env::var_os("MUSE_COORD_STORE").is_some_and(|value| !value.is_empty());
    *is_command && (store.is_some() || named())
}

/// True if the repository says so: a file that leads to the engine stands in the directory's place.
pub(crate) fn is_due(invocation: &Invocation, directory: Option<&Result<PathBuf, Failure>>) -> bool {
    match directory {
        Some(Ok(directory)) => invocation.is_command && repository::leads_elsewhere(directory),
        Some(Err(_)) | None => false,
    }
}

/// Becomes the program: the one beside this, or else the one on `PATH`. Returns only if it cannot.
pub(crate) fn to_companion() -> Failure {
    let beside = env::current_exe().ok().map(|program| program.with_file_name(COMPANION));
    let program = beside.clone().filter(|beside| beside.exists()).unwrap_or_else(|| COMPANION.into());
    let source = Command::new(program).args(env::args_os().skip(1)).exec();
    Failure::Companion { beside, source }
}
