//! Says where the compiled library is that `muse-agent` embeds (`MUSE_COORD_CWASM`), and what it is compiled for.
//!
//! The library is compiled by `precompile.rs`, a program of this package, for it needs the very wasmtime that this
//! package is built with. A build script would need one of its own, which takes minutes to compile.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=MUSE_COORD_CWASM");
    println!("cargo::rustc-env=MUSE_TARGET={}", env::var_os("TARGET").unwrap_or_default().display());
    // Where there is none yet, `muse-agent` doesn't compile and says what to do; `precompile.rs` does.
    if let Some(library) = library() {
        println!("cargo::rerun-if-changed={}", library.display());
        println!("cargo::rustc-env=MUSE_COORD_CWASM={}", library.display());
    }
}

/// `$MUSE_COORD_CWASM`, else where `cargo xtask build` leaves it: in the target directory, which is above `$OUT_DIR`.
fn library() -> Option<PathBuf> {
    if let Some(named) = env::var_os("MUSE_COORD_CWASM") {
        return Some(PathBuf::from(named));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR")?);
    let compiled = |directory: &Path| directory.join("release/muse-coord.cwasm");
    out.ancestors().map(compiled).find(|path| path.exists())
}
