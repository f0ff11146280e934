//! Says where the compiled library is that `muse-agent` embeds (`MUSE_COORD_CWASM`). `muse-precompile` compiles it.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=MUSE_COORD_CWASM");
    // Where there is none yet, `muse-agent` doesn't compile and says what to do.
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
