//! What the functions do, beside `muse` on the same directory.

use crate::component::bindings::exports::muse::coord::admin::{Durability, Treatment};
use crate::component::bindings::exports::muse::coord::types::Error;
use crate::component::bindings::exports::muse::coord::types::{ClaimOptions, NewTask};
use crate::component::{claim_by, every_task, titled};
use coord_tests::Repo;

use crate::{COMPILED, library};

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
fn whoever_looks_after_the_directory_makes_it_sweeps_it_and_has_it_examined() {
    let repo = Repo::new();
    let mut library = library(&repo);
    assert_eq!(library.init().unwrap(), Ok(true));
    assert_eq!(library.init().unwrap(), Ok(false));
    library.set_durability(Durability::Unsynced).unwrap();
    repo.enqueue("held");
    library.claim(&claim_by("alive")).unwrap().unwrap().unwrap();
    assert_eq!(library.sweep().unwrap(), Ok(0));
    repo.ago(7_200).enqueue(r#"{"title":"abandoned","queue":"other"}"#);
    repo.ago(3_600).claim("dead", "other");
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
