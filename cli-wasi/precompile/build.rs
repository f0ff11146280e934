//! Says which target this build is for: `std` does not tell the whole of its name.

use std::env;

fn main() {
    println!("cargo::rustc-env=MUSE_TARGET={}", env::var_os("TARGET").unwrap_or_default().display());
}
