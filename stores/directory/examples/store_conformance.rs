//! Runs the conformance suite of stores on the directory store, inside the sandbox. The granted directory must be
//! empty; each check works in a directory of its own in it. Prints what each failed check found; exit code 1 if any.

#[cfg(target_os = "wasi")]
mod sandbox;

#[cfg(target_os = "wasi")]
fn main() {
    use coord_core::store::conformance;
    use coord_store::{DirStore, Handle, Sync};
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

    use sandbox::{exit, say};

    let Some((granted, _)) = wasip2::filesystem::preopens::get_directories().pop() else {
        say("grant one empty directory with --dir");
        exit(2);
    };
    let rights = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
    let mut stores = 0;
    let findings = conformance::findings(|| {
        stores += 1;
        let name = format!("store-{stores}");
        let made = granted.create_directory_at(&name);
        match made.and_then(|()| granted.open_at(PathFlags::empty(), &name, OpenFlags::DIRECTORY, rights)) {
            Ok(directory) => DirStore::new(Handle::new(directory), Sync::On),
            Err(code) => {
                say(&format!("cannot make {name}: {}", code.message()));
                exit(2);
            }
        }
    });
    findings.iter().for_each(|finding| say(finding));
    say(&format!("{} passed, {} failed", conformance::count() - findings.len(), findings.len()));
    exit(u8::from(!findings.is_empty()));
}

#[cfg(not(target_os = "wasi"))]
fn main() {
    // Natively the suite runs as a unit test of the store.
}
