//! `muse`: the command line as a WASI command, for the launcher and for any wasmtime.

fn main() {
    muse_cli::host::exit(muse_cli::run());
}
