//! The queue as a component under wasmtime, beside the native core, both in this process.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use coord_core::JsonObject;
use coord_core::queue::{ClaimRequest, Thoroughness};
use coord_core::transition::Claimant;
use coord_host::{ClaimOptions, Durability, Library, claim_by};
use coord_store::Sync;

use crate::contender::{fill_queue, open};
use crate::figures::{Comparison, Turn, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::report::{Report, Shown};
use crate::task;

const NAME: &str = "component";
const RESULT: &str = r#"{"ok":true}"#;

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let Some(library) = &bench.programs.library else { return Ok(()) };
    if !bench.wants(NAME, Part::Goal) {
        return Ok(());
    }
    let directories = [bench.directory()?, bench.directory()?];
    let [native, component] = directories.each_ref().map(PathBuf::as_path);
    let tasks = bench.size(50, 5);
    let mut component = Component::open(library, component, tasks)?;
    let turns: [Turn<'_>; 2] = [
        ("native".to_owned(), Box::new(|| natively(native, tasks))),
        ("component".to_owned(), Box::new(|| component.cycles())),
    ];
    let comparison = Comparison::of("claim+complete with a result, sync off", bench.size(31, 2), turns.into())?;
    report.reach(Key::Component, comparison.cost("component", "native"));
    report.costs(NAME, &[comparison], Shown::Microseconds);
    Ok(())
}

/// Adds so many tasks and works them off; only that is timed.
fn natively(directory: &Path, tasks: usize) -> Result<f64> {
    fill_queue(directory, 0..tasks as u64)?;
    let queue = open(directory, Sync::Off)?;
    let request = ClaimRequest::any("agent".parse()?, task::LEASE_SECONDS);
    let (took, ()) = timed(|| {
        for _ in 0..tasks {
            let claim = queue.claim(&request, Thoroughness::Full, &task::turn()?)?;
            let claimed = claim.claimed.context("nothing to claim")?;
            let claimant = Claimant { run_id: request.run_id.clone(), nonce: Some(claimed.record.claim_nonce) };
            let result = Some(JsonObject::parse(RESULT)?);
            queue.complete(claimed.task.id, claimant, result, &task::turn()?)?;
        }
        Ok(())
    })?;
    Ok(took / tasks as f64)
}

struct Component<'a> {
    directory: &'a Path,
    library: Library,
    runtime: tokio::runtime::Runtime,
    next: ClaimOptions,
    tasks: usize,
}

impl<'a> Component<'a> {
    fn open(component: &Path, directory: &'a Path, tasks: usize) -> Result<Component<'a>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let mut library = ours(runtime.block_on(Library::open(component, directory)))?;
        ours(runtime.block_on(library.set_durability(Durability::Unsynced)))?;
        Ok(Component { directory, library, runtime, next: claim_by("agent"), tasks })
    }

    fn cycles(&mut self) -> Result<f64> {
        fill_queue(self.directory, 0..self.tasks as u64)?;
        let (took, ()) = timed(|| {
            for _ in 0..self.tasks {
                self.runtime.block_on(async {
                    let lease = ours(self.library.claim(&self.next).await)?.context("nothing to claim")?;
                    ours(self.library.task(lease).await)?;
                    ours(self.library.complete(lease, RESULT).await).map(drop)
                })?;
            }
            Ok(())
        })?;
        Ok(took / self.tasks as f64)
    }
}

/// wasmtime has errors of its own.
fn ours<T>(done: Result<T, impl std::fmt::Debug>) -> Result<T> {
    done.map_err(|error| anyhow!("{error:?}"))
}
