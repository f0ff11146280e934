//! What the functions do, beside `muse` on the same directory.

use crate::component::bindings::exports::muse::coord::admin::{Durability, Treatment};
use crate::component::bindings::exports::muse::coord::queue::{ClaimOptions, Filter, IfHeld, NewTask};
use crate::component::bindings::exports::muse::coord::types::{Error, Status};
use crate::component::{claim_by, every_task, titled};
use coord_tests::Repo;

use crate::{COMPILED, library};

#[test]
fn a_task_goes_through_its_life_and_muse_sees_each_step() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let new = NewTask {
        priority: 7,
        queue: Some("builds".into()),
        ttl_seconds: Some(60),
        run_id: Some("orchestrator".into()),
        tags: vec!["rust".into(), " wasm ".into()],
        payload: Some(r#"{"n":1.10}"#.into()),
        ..titled("  Build it  ")
    };
    let task = library.enqueue(&new).unwrap().unwrap();
    assert_eq!((task.title.as_str(), task.priority, task.queue.as_str()), ("Build it", 7, "builds"));
    assert_eq!((task.ttl_seconds, task.created_by.as_str()), (60, "orchestrator"));
    assert_eq!(
        (task.tags.as_slice(), task.payload.as_str()),
        (["rust".into(), "wasm".into()].as_slice(), r#"{"n":1.10}"#)
    );
    assert_eq!(repo.coord("tasks --json").json()["items"][0]["task_id"], task.task_id.as_str());

    let lease = library.claim(&claim_by("agent")).unwrap().unwrap().unwrap();
    assert_eq!(library.task(lease).unwrap(), task);
    let record = library.claim_record(lease).unwrap();
    assert_eq!((record.claimer_run_id.as_str(), record.generation, record.attempt), ("agent", 1, 1));
    assert_eq!(record.expires_at - record.claimed_at, 3_600_000_000);
    assert_eq!(repo.coord("tasks --json").json()["items"][0]["claimer_run_id"], "agent");

    let beaten = library.heartbeat(lease, Some(10)).unwrap().unwrap();
    assert_eq!(beaten.expires_at - beaten.heartbeat_at, 10_000_000);
    assert_eq!(library.claim_record(lease).unwrap(), beaten);

    let completed = library.complete(lease, Some(r#"{"ok":true}"#)).unwrap().unwrap();
    assert_eq!((completed.status, completed.result.as_deref()), (Status::Completed, Some(r#"{"ok":true}"#)));
    assert_eq!(repo.coord("tasks --json").json()["items"][0]["result"]["ok"], true);
    let item = library.item(&task.task_id).unwrap().unwrap();
    assert_eq!((item.status, item.result.as_deref()), (Status::Completed, Some(r#"{"ok":true}"#)));
    library.drop_lease(lease).unwrap();
}

#[test]
fn what_is_left_out_has_the_command_lines_default() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let task = library.enqueue(&titled("plain")).unwrap().unwrap();
    assert_eq!((task.queue.as_str(), task.ttl_seconds, task.created_by.as_str()), ("default", 86_400, "unknown"));
    assert_eq!((task.priority, task.payload.as_str()), (0, "{}"));
}

#[test]
fn an_empty_queue_is_no_error_and_a_wait_ends() {
    let repo = Repo::new();
    let mut library = library(&repo);
    assert!(library.claim(&claim_by("a")).unwrap().unwrap().is_none());
    let waiting = ClaimOptions { wait_seconds: Some(1), ..claim_by("a") };
    let began = std::time::Instant::now();
    assert!(library.claim(&waiting).unwrap().unwrap().is_none());
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
}

#[test]
fn a_waiting_claim_gets_what_muse_enqueues_meanwhile() {
    let repo = Repo::new();
    let mut library = library(&repo);
    library.init().unwrap().unwrap();
    let waiting = ClaimOptions { wait_seconds: Some(60), ..claim_by("a") };
    std::thread::scope(|threads| {
        let claimed = threads.spawn(move || {
            let lease = library.claim(&waiting).unwrap().unwrap().unwrap();
            library.task(lease).unwrap().task_id
        });
        let id = repo.enqueue("late");
        assert_eq!(claimed.join().unwrap(), id);
    });
}

#[test]
fn a_refusal_says_who_has_the_task_and_until_when() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = repo.enqueue("contended");
    let lease = library.claim(&ClaimOptions { lease_seconds: Some(1), ..claim_by("slow") }).unwrap().unwrap().unwrap();
    let Err(Error::WrongOwner(current)) = library.cancel(&id, "other", IfHeld::Refuse).unwrap() else {
        panic!("not refused")
    };
    assert_eq!((current.task_id.as_str(), current.run_id.as_str(), current.generation), (id.as_str(), "slow", 1));

    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let taken = repo.coord("claim --run-id quick --json").json();
    assert_eq!(taken["task_id"], id.as_str());
    let Err(Error::LeaseLost(current)) = library.complete(lease, None).unwrap() else { panic!("not refused") };
    assert_eq!((current.status, current.run_id.as_str(), current.generation), (Status::Claimed, "quick", 2));
    assert!(current.expires_at > current.claimed_at);

    repo.coord(&format!("complete {id} --run-id quick")).succeeded();
    let Err(Error::AlreadyTerminal(ending)) = library.heartbeat(lease, None).unwrap() else { panic!("not refused") };
    assert_eq!((ending.status, ending.run_id.as_deref()), (Status::Completed, Some("quick")));
}

#[test]
fn a_released_task_waits_again_and_the_attempt_does_not_count() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = repo.enqueue("given back");
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    library.release(lease, None).unwrap().unwrap();
    let item = library.item(&id).unwrap().unwrap();
    assert_eq!((item.status, item.attempt, item.claimer_run_id), (Status::Pending, 0, None));
    let Err(Error::NotClaimed(stands)) = library.complete(lease, None).unwrap() else { panic!("not refused") };
    assert_eq!((&stands.task_id, stands.status), (&id, Status::Pending));

    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let record = library.claim_record(lease).unwrap();
    assert_eq!((record.generation, record.attempt), (2, 1));
    let failed = library.fail(lease, "broken").unwrap().unwrap();
    assert_eq!((failed.status, failed.error.as_deref()), (Status::Failed, Some("broken")));
}

#[test]
fn a_lease_is_taken_up_again_by_its_holder_alone() {
    let repo = Repo::new();
    let (mut before, mut after) = (library(&repo), library(&repo));
    let id = repo.enqueue("survives a restart");
    let lease = before.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let nonce = before.claim_record(lease).unwrap().claim_nonce;
    before.drop_lease(lease).unwrap();

    assert!(matches!(after.resume(&id, "b", None).unwrap(), Err(Error::WrongOwner(_))));
    assert!(matches!(after.resume(&id, "a", Some("0000000000000000")).unwrap(), Err(Error::LeaseLost(_))));
    let lease = after.resume(&id, "a", Some(&nonce)).unwrap().unwrap();
    assert_eq!(after.task(lease).unwrap().task_id, id);
    after.complete(lease, None).unwrap().unwrap();
}

#[test]
fn a_lease_never_acts_on_a_later_one_of_the_same_run_id() {
    let repo = Repo::new();
    let mut library = library(&repo);
    repo.enqueue("claimed twice");
    let first = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    library.release(first, None).unwrap().unwrap();
    let second = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    assert!(matches!(library.complete(first, None).unwrap(), Err(Error::LeaseLost(_))));
    library.complete(second, None).unwrap().unwrap();
}

#[test]
fn tasks_are_filtered_and_counted_as_on_the_command_line() {
    let repo = Repo::new();
    let mut library = library(&repo);
    for queue in ["x", "x", "y"] {
        library.enqueue(&NewTask { queue: Some(queue.into()), ..titled("some") }).unwrap().unwrap();
    }
    library.claim(&ClaimOptions { queues: vec!["y".into()], ..claim_by("a") }).unwrap().unwrap().unwrap();
    let all = library.tasks(&every_task()).unwrap().unwrap();
    assert_eq!((all.items.len(), all.counts.pending, all.counts.claimed, all.truncated), (3, 2, 1, false));
    let one = library.tasks(&Filter { queue: Some("x".into()), limit: Some(1), ..every_task() }).unwrap().unwrap();
    assert_eq!((one.items.len(), one.truncated), (1, true));
    let held = library.tasks(&Filter { run_id: Some("a".into()), ..every_task() }).unwrap().unwrap();
    assert_eq!(held.items.len(), 1);
    let claimed = library.tasks(&Filter { status: Some(Status::Claimed), ..every_task() }).unwrap().unwrap();
    assert_eq!(claimed.items[0].claimer_run_id.as_deref(), Some("a"));
}

#[test]
fn whoever_looks_after_the_directory_makes_it_sweeps_it_and_has_it_examined() {
    let repo = Repo::new();
    let mut library = library(&repo);
    assert_eq!(library.init().unwrap(), Ok(true));
    assert_eq!(library.init().unwrap(), Ok(false));
    library.set_durability(Durability::Unsynced).unwrap();
    repo.enqueue("abandoned");
    library.claim(&ClaimOptions { lease_seconds: Some(1), ..claim_by("dead") }).unwrap().unwrap().unwrap();
    assert_eq!(library.sweep().unwrap(), Ok(0));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(library.sweep().unwrap(), Ok(1));
    for treatment in [Treatment::Examine, Treatment::Repair] {
        let diagnosis = library.doctor(treatment).unwrap().unwrap();
        assert!(diagnosis.healthy && diagnosis.defects.is_empty() && diagnosis.counts.timed_out == 1);
    }
}

#[test]
fn each_value_has_its_limits_and_the_error_names_them() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let mut refused = |new: NewTask| library.enqueue(&new).unwrap().unwrap_err();
    let limits = [
        (NewTask { ttl_seconds: Some(0), ..titled("t") }, "1 and 315360000, got 0"),
        (NewTask { ttl_seconds: Some(315_360_001), ..titled("t") }, "1 and 315360000, got 315360001"),
        (NewTask { tags: vec!["t".into(); 33], ..titled("t") }, "33 (max 32)"),
        (NewTask { tags: vec!["a,b".into()], ..titled("t") }, "a,b"),
        (NewTask { run_id: Some(String::new()), ..titled("t") }, "run-id must not be empty"),
        (NewTask { payload: Some("[]".into()), ..titled("t") }, "invalid payload: it must be a JSON object"),
        (NewTask { queue: Some("no/queue".into()), ..titled("t") }, "no/queue"),
        (titled(" \n "), "title"),
    ];
    for (new, part) in limits {
        let (_, text) = told(refused(new));
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    let seconds = |lease_seconds, wait_seconds| ClaimOptions { lease_seconds, wait_seconds, ..claim_by("a") };
    for (options, part) in [
        (seconds(Some(0), None), "lease-seconds must be between 1 and 86400, got 0"),
        (seconds(None, Some(3_601)), "wait-seconds must be between 0 and 3600, got 3601"),
        (ClaimOptions { run_id: None, ..claim_by("a") }, "run-id is missing"),
    ] {
        let (_, text) = told(library.claim(&options).unwrap().unwrap_err());
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    assert_eq!(library.tasks(&every_task()).unwrap().unwrap().counts.pending, 0, "nothing was enqueued on the way");

    let cut = library.enqueue(&titled(&"x".repeat(600))).unwrap().unwrap();
    assert_eq!(cut.title.len(), 512);
    assert_eq!(library.warnings().unwrap(), ["title was cut from 600 to 512 characters"]);
    assert_eq!(library.warnings().unwrap(), Vec::<String>::new(), "told once");
}

#[test]
fn of_several_bad_values_the_one_is_told_that_the_command_line_tells() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let mut new = NewTask {
        run_id: Some(String::new()),
        ttl_seconds: Some(0),
        payload: Some("x".repeat(65_537)),
        tags: vec!["t".into(); 33],
        queue: Some("a/b".into()),
        ..titled(" ")
    };
    let mends: [fn(&mut NewTask); 7] = [
        |new| new.title = "t".into(),
        |new| new.run_id = None,
        |new| new.ttl_seconds = None,
        |new| new.payload = Some("[]".into()),
        |new| new.payload = None,
        |new| new.tags.clear(),
        |new| new.queue = None,
    ];
    for mend in mends {
        let refused = repo.muse(typed(&new)).ended_with(1);
        let message = refused.text_of("error").replace("--ttl", "ttl-seconds").replace("--", "");
        let (code, text) = told(library.enqueue(&new).unwrap().unwrap_err());
        assert_eq!((code, text), (refused.text_of("status").as_str(), message));
        mend(&mut new);
    }
    library.enqueue(&new).unwrap().unwrap();
}

/// The same, typed.
fn typed(new: &NewTask) -> Vec<String> {
    let ttl = new.ttl_seconds.map(|seconds| seconds.to_string());
    let tags = (!new.tags.is_empty()).then(|| new.tags.join(","));
    let values = [("--run-id", &new.run_id), ("--ttl", &ttl), ("--payload", &new.payload), ("--tags", &tags)];
    let values = values.into_iter().chain([("--queue", &new.queue)]);
    let flags = values.filter_map(|(flag, value)| value.as_ref().map(|value| format!("{flag}={value}")));
    ["coord", "enqueue", "--json", &new.title].map(String::from).into_iter().chain(flags).collect()
}

/// What a refusal of a value says: the command line's word for it, and the text.
fn told(error: Error) -> (&'static str, String) {
    match error {
        Error::BadArgs(text) => ("bad_args", text),
        Error::BadPayload(text) => ("bad_payload", text),
        Error::BadQueue(text) => ("bad_queue", text),
        Error::BadTaskId(text) => ("bad_task_id", text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_directory_or_with_two_it_says_what_to_grant() {
    let (here, there) = (Repo::new(), Repo::new());
    let two = [crate::directory(&here), crate::directory(&there)];
    let grants: Vec<_> = two.iter().map(|directory| (directory.as_path(), wasmtime_wasi::FsPerms::ReadWrite)).collect();
    for granted in [&grants[..0], &grants[..]] {
        let mut library = COMPILED.instance(granted).unwrap();
        let Err(Error::NotARepository(text)) = library.claim(&claim_by("a")).unwrap() else { panic!("not refused") };
        assert!(text.contains(".muse/coordination") && text.contains(&granted.len().to_string()), "{text}");
    }
}
