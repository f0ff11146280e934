//! The command line as a WASI command on an engine, for a host that has one: world `command-on-store` of `wit/`.

fn main() {
    muse_cli::host::exit(muse_cli::run());
}
