//! Lists the directory `claimed` of the granted directory 10,000 times while other processes rename and unlink in it,
//! and counts the listings that left out a name beginning with `stable-`, which nobody touches. The first argument is
//! how many such names there are. Exit code 1 if any was ever missing.

#[cfg(target_os = "wasi")]
mod sandbox;

#[cfg(target_os = "wasi")]
fn main() {
    use coord_core::Store;
    use coord_core::layout::{StateDir, state_dir};
    use coord_store::{DirStore, Sync};

    use sandbox::{exit, say};

    const LISTINGS: usize = 10_000;

    let stable: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let Some(grant) = coord_store::grants().pop() else { exit(2) };
    let store = DirStore::new(grant.directory, Sync::Off);
    let (mut incomplete, mut seen_others) = (0, 0);
    for _ in 0..LISTINGS {
        let Ok(Some(names)) = store.list(&state_dir(StateDir::Claimed)) else { exit(2) };
        let found = names.iter().filter(|name| name.starts_with("stable-")).count();
        seen_others += names.len() - found;
        incomplete += usize::from(found != stable);
    }
    say(&format!("{LISTINGS} listings, {seen_others} other names seen, {incomplete} listings incomplete"));
    exit(u8::from(incomplete > 0 || stable == 0));
}

#[cfg(not(target_os = "wasi"))]
fn main() {
    // The trap that this looks for is that of one target's standard library.
}
