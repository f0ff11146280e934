//! Says where the compiled component is that `muse` embeds (`MUSE_CWASM`). `muse-precompile` compiles it.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=MUSE_CWASM");
    // Where there is none yet, `muse` doesn't compile and says what to do.
    if let Some(compiled) = compiled() {
        println!("cargo::rerun-if-changed={}", compiled.display());
        println!("cargo::rustc-env=MUSE_CWASM={}", compiled.display());
    }
}

/// `$MUSE_CWASM`, else where `cargo xtask build` leaves it: in the target directory, which is above `$OUT_DIR`.
fn compiled() -> Option<PathBuf> {
    if let Some(named) = env::var_os("MUSE_CWASM") {
        return Some(PathBuf::from(named));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR")?);
    let compiled = |directory: &Path| directory.join("release/muse.cwasm");
    out.ancestors().map(compiled).find(|path| path.exists())
}
