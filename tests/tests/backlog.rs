//! A claim costs the same whatever else the queue holds, as a whole process, in ratios measured in turn in one run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::cell::Cell;
use std::sync::RwLock;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::name::QueueName;
use coord_core::queue::{Batch, Cancelling, ClaimRequest, NewTask, Plan, Start, Thoroughness};
use coord_core::transition::IfHeld;
use coord_core::{JsonObject, Queue, TaskId};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::{Repo, medians, micros, report};
use muse_cli::host;

/// A test reads it while it makes or removes many files, and writes it while it measures. So no test measures what the
/// disk does for another one.
static DISK: RwLock<()> = RwLock::new(());

#[test]
fn a_claim_costs_the_same_on_few_and_beside_a_hundred_thousand_tasks() {
    const MANY: usize = 100_000;
    let [pending, unclaimable] = [Repo::new(), Repo::new()];
    at_ease(|| {
        thread::scope(|scope| {
            scope.spawn(|| fill(&pending, MANY));
            scope.spawn(|| {
                fill_with_unclaimable(&unclaimable, MANY);
                fill(&unclaimable, A_FEW);
            });
        });
    });
    assert_claims_cost_as_on_few_tasks(&pending, "pending");
    assert_claims_cost_as_on_few_tasks(&unclaimable, "that cannot be claimed");
    at_ease(|| drop([pending, unclaimable]));
}

#[test]
fn a_claim_costs_the_same_whatever_another_queue_holds() {
    for (kind, many) in [("dependants that are woken", 10_000), ("live leases", 2_000), ("priorities", 3_000)] {
        assert_claims_cost_as_beside_nothing(kind, many);
    }
}

/// The same with what it takes minutes to make and to remove: `cargo xtask test -- --test backlog -- --ignored
/// --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn a_claim_costs_the_same_whatever_another_queue_holds_however_much_that_is() {
    for (kind, many) in [("dependants that are woken", 100_000), ("live leases", 8_000), ("priorities", 60_000)] {
        assert_claims_cost_as_beside_nothing(kind, many);
    }
}

/// A claim of one queue, as a whole process, beside another queue that holds something, and beside one that holds
/// nothing. Of each lease of ten seconds at least 95 % are left when the process has ended.
fn assert_claims_cost_as_beside_nothing(kind: &str, many: usize) {
    const ROUNDS: usize = 61;
    let filled = |many: usize| {
        let repo = Repo::new();
        fill_another(&repo, kind, many);
        let queue = open(&repo);
        enqueue(&queue, (0..ROUNDS + 10).map(|number| of_queue("mine", new_task(number, Plan::default()))).collect());
        queue.limit_in_flight(&"rare".parse().unwrap(), Some(1), &host::turn().unwrap()).unwrap();
        repo
    };
    let repos = at_ease(|| [0, many].map(filled));
    let least_left = Cell::new(f64::INFINITY);
    let claim = |repo: &Repo| {
        let call =
            repo.coord_call("claim --run-id agent --queue mine --claim-ttl 10 --json").env("MUSE_COORD_SYNC", "off");
        let began = Instant::now();
        let claimed = call.run().succeeded();
        let took = began.elapsed();
        let left = micros(&claimed.text_of("expires_at")) - i64::try_from(host::now().micros()).unwrap();
        least_left.set(least_left.get().min(left as f64 / 1e6));
        took
    };
    let [beside_nothing, beside_many] = undisturbed(ROUNDS, [&|| claim(&repos[0]), &|| claim(&repos[1])]);
    at_ease(|| drop(repos));
    let (ratio, left) = (beside_many / beside_nothing, least_left.get());
    report(format_args!(
        "claim of another queue beside {many} {kind}: {:.2} ms, {ratio:.2}x; of 10 s at least {left:.2} s were left",
        beside_many * 1e3
    ));
    assert!(ratio <= 1.3, "{kind}: {ratio}");
    assert!(left >= 9.5, "{kind}: {left} s");
}

/// Puts so many of something into the queue `evil`.
fn fill_another(repo: &Repo, kind: &str, many: usize) {
    let queue = open(repo);
    let evil = |number: usize, plan: Plan| of_queue("evil", new_task(number, plan));
    match kind {
        "dependants that are woken" => {
            let parent = enqueue(&queue, vec![evil(0, Plan::default())])[0];
            let after = || Plan { after: vec![parent], ..Plan::default() };
            enqueue(&queue, (0..many).map(|number| evil(number, after())).collect());
            // Wakes some of them, and leaves the others to the sweeps.
            queue
                .cancel(parent, Cancelling::new("filler".parse().unwrap(), IfHeld::Refuse), &host::turn().unwrap())
                .unwrap();
        }
        "live leases" => {
            enqueue(&queue, (0..many).map(|number| evil(number, Plan::default())).collect());
            let request = ClaimRequest::any("filler".parse().unwrap(), 86_400);
            (0..many).for_each(|_| {
                let claim = queue.claim(&request, Thoroughness::Full, &host::turn().unwrap()).unwrap();
                assert!(claim.claimed.is_some());
            });
        }
        _ => {
            let of_priority = |number: usize| NewTask {
                priority: 1_000 + i64::try_from(number).unwrap(),
                ..evil(number, Plan::default())
            };
            enqueue(&queue, (0..many).map(of_priority).collect());
        }
    }
}

fn of_queue(queue: &str, new: NewTask) -> NewTask {
    NewTask { queue: queue.parse().unwrap(), ..new }
}

/// As many tasks as are claimed, and some more.
const A_FEW: usize = 50;

/// A claim as a whole process, against one on a few tasks and nothing else. Nothing is done between the claims, for
/// that would be measured along with them, in what it leaves in the caches.
fn assert_claims_cost_as_on_few_tasks(many: &Repo, kind: &str) {
    const ROUNDS: usize = 41;
    let few = Repo::new();
    fill(&few, A_FEW);
    let claim = |repo: &Repo| {
        let call = repo.coord_call("claim --run-id agent --json").env("MUSE_COORD_SYNC", "off");
        let began = Instant::now();
        call.run().succeeded();
        began.elapsed()
    };
    let [on_few, on_many] = undisturbed(ROUNDS, [&|| claim(&few), &|| claim(many)]);
    let ratio = on_many / on_few;
    report(format_args!(
        "claim: {:.2} ms on a few pending tasks, {:.2} ms beside 100,000 {kind}: {ratio:.2}x",
        on_few * 1e3,
        on_many * 1e3
    ));
    assert!(ratio <= 1.3, "{kind}: {ratio}");
}

/// Makes or removes many files, while nothing is measured.
fn at_ease<T>(change: impl FnOnce() -> T) -> T {
    let _disk = DISK.read();
    change()
}

/// Measures two things in turn, when the disk has nothing left to do.
fn undisturbed(rounds: usize, measured: [&dyn Fn() -> Duration; 2]) -> [f64; 2] {
    let _disk = DISK.write();
    rustix::fs::sync();
    medians(rounds, measured)
}

/// Enqueues so many tasks one by one by the library, unsynced, which is faster than as many processes. A batch would be
/// faster still, and leave more names at the head of the queue: `docs/benchmarks.md` has that.
fn fill(repo: &Repo, tasks: usize) {
    let queue = open(repo);
    for number in 0..tasks {
        queue.enqueue(new_task(number, Plan::default()), &host::turn().unwrap()).unwrap();
    }
}

/// Enqueues so many tasks that cannot be claimed: a third of them scheduled over a day, a third blocked on a hundred of
/// these, and a third ended.
fn fill_with_unclaimable(repo: &Repo, tasks: usize) {
    let queue = open(repo);
    let later = |i: usize| Plan { start: Start::After(86_400 + i64::try_from(i % 86_400).unwrap()), ..Plan::default() };
    let of_plan =
        |plan: &dyn Fn(usize) -> Plan| enqueue(&queue, (0..tasks / 3).map(|i| new_task(i, plan(i))).collect());
    let scheduled = of_plan(&later);
    of_plan(&|i| Plan { after: vec![scheduled[i % 100]], ..Plan::default() });
    for id in of_plan(&|_| Plan::default()) {
        let by = Cancelling::new("filler".parse().unwrap(), IfHeld::Refuse);
        queue.cancel(id, by, &host::turn().unwrap()).unwrap();
    }
}

fn open(repo: &Repo) -> Queue<DirStore> {
    std::fs::create_dir_all(repo.coordination("")).unwrap();
    Queue::open(DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off)).unwrap()
}

fn enqueue(queue: &Queue<DirStore>, tasks: Vec<NewTask>) -> Vec<TaskId> {
    let (mut batch, mut ids) = (Batch::new(tasks), Vec::new());
    while let Some(step) = batch.step(queue, &host::turn().unwrap()).unwrap() {
        ids.extend(step.into_iter().map(|enqueued| enqueued.task.id));
    }
    ids
}

fn new_task(number: usize, plan: Plan) -> NewTask {
    NewTask {
        title: format!("task {number}").parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 86_400,
        created_by: "filler".parse().unwrap(),
        tags: Vec::new(),
        plan,
        payload: JsonObject::parse(r#"{"file":"src/lib.rs"}"#).unwrap(),
    }
}
