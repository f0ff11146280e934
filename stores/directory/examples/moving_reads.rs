//! Reads `ready/queue/task` of the granted directory 100,000 times while another process moves it out of `ready` and
//! back. It is there or not: each other answer is told. Exit code 1 if there was one.

#[cfg(target_os = "wasi")]
mod sandbox;

#[cfg(target_os = "wasi")]
fn main() {
    use coord_core::Store;
    use coord_core::layout::Dir;
    use coord_store::{DirStore, Sync};

    use sandbox::{exit, say};

    const READS: usize = 100_000;

    let Some(grant) = coord_store::grants().pop() else { exit(2) };
    let store = DirStore::new(grant.directory, Sync::Off);
    let task = Dir::root().child("ready").child("queue").file("task");
    let (mut there, mut failed) = (0, 0);
    for _ in 0..READS {
        match store.read(&task, 100) {
            Ok(content) => there += usize::from(content.is_some()),
            Err(error) => {
                say(&error.to_string());
                failed += 1;
            }
        }
    }
    say(&format!("{READS} reads, {there} times it was there, {failed} failed"));
    exit(u8::from(failed > 0 || there == 0 || there == READS));
}

#[cfg(not(target_os = "wasi"))]
fn main() {
    // The native store has the same test beside the one that runs this.
}
