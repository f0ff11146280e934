//! What it costs to reach the queue through the component, as a ratio measured side by side in one process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::{Duration, Instant};

use coord_core::name::{QueueName, RunId};
use coord_core::queue::{ClaimRequest, NewTask, Plan, Thoroughness};
use coord_core::transition::Claimant;
use coord_core::{JsonObject, Queue};
use coord_host::{ClaimOptions, Durability, Library, claim_by};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::{report, required};
use muse_cli::host;

const BATCH: usize = 20;

/// The goal is 1.5, and is not reached: 1.7 to 1.8 were measured. Both cycles make the same system calls, but for one
/// more for each name of a listing, which wasmtime 48 looks at once more. The bound only tells when it gets worse.
#[test]
fn claim_and_complete_through_the_component_cost_about_twice_as_much_as_in_the_native_core() {
    let ratio = measured(15, BATCH);
    assert!(ratio <= 2.2, "{ratio}");
}

/// A burst of a thousand leaves a directory with dozens of names on the way to the head of the queue: 1.8 to 2.2 were
/// measured.
#[test]
fn amid_a_burst_they_cost_more_for_each_name_of_a_listing() {
    let ratio = measured(2, 1_000);
    assert!(ratio <= 2.8, "{ratio}");
}

/// The ratio of the medians on queues of so many tasks.
fn measured(rounds: usize, tasks: usize) -> f64 {
    let mut times = [Vec::new(), Vec::new()];
    let rounds: Vec<_> = (0..rounds).map(|_| [filled(tasks), filled(tasks)]).collect();
    // A directory that claims have emptied stays for ten seconds, and every claim looks into it: that would be
    // measured, too.
    std::thread::sleep(Duration::from_secs(11));
    for directories in &rounds {
        let [native, component] = directories.each_ref().map(tempfile::TempDir::path);
        let (mut native, mut component) = (Native::new(native), Component::new(component));
        let [of_native, of_component] = &mut times;
        for _batch in 0..tasks / BATCH {
            of_native.extend((0..BATCH).map(|_| native.cycle()));
            of_component.extend((0..BATCH).map(|_| component.cycle()));
        }
    }
    let [native, component] = times.map(median);
    let ratio = component / native;
    report(format!(
        "claim and complete among {tasks}: {:.1} µs in the native core, {:.1} µs through the component: {ratio:.2}x",
        native * 1e6,
        component * 1e6
    ));
    ratio
}

struct Native {
    queue: Queue<DirStore>,
    request: ClaimRequest,
}

impl Native {
    fn new(directory: &Path) -> Native {
        let run_id: RunId = "agent".parse().unwrap();
        Native { queue: open(directory), request: ClaimRequest::any(run_id, 3_600) }
    }

    fn cycle(&mut self) -> Duration {
        let began = Instant::now();
        let claim = self.queue.claim(&self.request, Thoroughness::Full, &host::turn().unwrap()).unwrap();
        let claimed = claim.claimed.unwrap();
        let claimant = Claimant { run_id: self.request.run_id.clone(), nonce: Some(claimed.record.claim_nonce) };
        let result = JsonObject::parse(r#"{"ok":true}"#).unwrap();
        self.queue.complete(claimed.task.id, claimant, Some(result), &host::turn().unwrap()).unwrap();
        began.elapsed()
    }
}

struct Component {
    library: Library,
    runtime: tokio::runtime::Runtime,
    next: ClaimOptions,
}

impl Component {
    fn new(directory: &Path) -> Component {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut library = runtime.block_on(Library::open(&required("MUSE_COORD_WASM"), directory)).unwrap();
        runtime.block_on(library.set_durability(Durability::Unsynced)).unwrap();
        Component { library, runtime, next: claim_by("agent") }
    }

    fn cycle(&mut self) -> Duration {
        let began = Instant::now();
        self.runtime
            .block_on(async {
                let lease = self.library.claim(&self.next).await?.unwrap();
                self.library.task(lease).await?;
                self.library.complete(lease, r#"{"ok":true}"#).await
            })
            .unwrap();
        began.elapsed()
    }
}

/// A queue with as many tasks as will be claimed.
fn filled(tasks: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path());
    for i in 0..tasks {
        let new = NewTask {
            title: format!("task {i}").parse().unwrap(),
            priority: 0,
            queue: QueueName::default_queue(),
            ttl_seconds: 86_400,
            created_by: "filler".parse().unwrap(),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse(r#"{"file":"src/lib.rs"}"#).unwrap(),
        };
        queue.enqueue(new, &host::turn().unwrap()).unwrap();
    }
    directory
}

fn open(directory: &Path) -> Queue<DirStore> {
    Queue::open(DirStore::new(Handle::open(directory).unwrap(), Sync::Off)).unwrap()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).unwrap().as_secs_f64()
}
