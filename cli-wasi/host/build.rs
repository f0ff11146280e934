//! Says where the compiled components are that `muse-host` embeds: for agents the library, in a directory and on an
//! engine (`MUSE_COORD_CWASM`, `MUSE_COORD_STORE_CWASM`), and the command line on an engine (`MUSE_ON_STORE_CWASM`).
//! `muse-precompile` compiles them.

use std::env;
use std::path::{Path, PathBuf};

/// By which variable each is named, and where `cargo xtask build` leaves it below the target directory.
const EMBEDDED: [(&str, &str); 3] = [
    ("MUSE_COORD_CWASM", "release/muse-coord.cwasm"),
    ("MUSE_COORD_STORE_CWASM", "release/muse-coord-store.cwasm"),
    ("MUSE_ON_STORE_CWASM", "release/muse-on-store.cwasm"),
];

fn main() {
    for (variable, place) in EMBEDDED {
        println!("cargo::rerun-if-env-changed={variable}");
        // Where there is none yet, `muse-host` doesn't compile and says what to do.
        if let Some(compiled) = compiled(variable, place) {
            println!("cargo::rerun-if-changed={}", compiled.display());
            println!("cargo::rustc-env={variable}={}", compiled.display());
        }
    }
}

/// What the variable names, else where it was left in the target directory, which is above `$OUT_DIR`.
fn compiled(variable: &str, place: &str) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR")?);
    let compiled = |directory: &Path| directory.join(place);
    out.ancestors().map(compiled).find(|path| path.exists())
}
