//! The names of the interfaces in `wit/` as binaries hold them. The package's version stands in one place, the line
//! `package` of `wit/world.wit`: tests take whole names from here.

/// The whole name of an interface of ours, with its version, as `muse:coord/queue@…` of `queue`.
pub fn interface(name: &str) -> String {
    format!("muse:coord/{name}@{}", version())
}

fn version() -> &'static str {
    let mut lines = include_str!("../../wit/world.wit").lines();
    let version = lines.find_map(|line| line.strip_prefix("package muse:coord@")?.strip_suffix(';'));
    version.expect("wit/world.wit begins with its package")
}
