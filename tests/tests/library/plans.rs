//! Tasks that are tried several times, later, after others, once, or many at once; and how their holders and others
//! steer them.

use crate::component::bindings::exports::muse::coord::queue::{ClaimOptions, IfHeld, NewTask};
use crate::component::bindings::exports::muse::coord::types::{Error, IfParentFails, Progress, ReportKind, Status};
use crate::component::{Library, claim_by, titled};
use coord_tests::Repo;

use crate::library;

const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Adds a task and tells its id.
fn add(library: &mut Library, new: &NewTask) -> String {
    library.enqueue(new).unwrap().unwrap().task_id
}

fn status(library: &mut Library, id: &str) -> Status {
    library.item(id).unwrap().unwrap().status
}

#[test]
fn a_plan_comes_back_as_it_was_given() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let parent = add(&mut library, &titled("first"));
    let new = NewTask {
        max_attempts: Some(3),
        backoff_seconds: Some(2),
        backoff_max_seconds: Some(60),
        at: Some(4_000_000_000_000_000),
        after: vec![parent.clone()],
        if_parent_fails: Some(IfParentFails::Run),
        unique: Some("key".into()),
        ..titled("second")
    };
    let task = library.enqueue(&new).unwrap().unwrap();
    assert_eq!((task.max_attempts, task.backoff_seconds, task.backoff_max_seconds), (Some(3), Some(2), Some(60)));
    assert_eq!((task.scheduled_at, &task.after), (Some(4_000_000_000_000_000), &vec![parent]));
    assert_eq!((task.if_parent_fails, task.unique.as_deref()), (Some(IfParentFails::Run), Some("key")));
    let shown = repo.coord(&format!("show {} --json", task.task_id)).succeeded().json();
    assert!(shown.to_string().contains(r#""max_attempts":3"#), "{shown}");

    let plain = library.enqueue(&titled("plain")).unwrap().unwrap();
    assert_eq!((plain.max_attempts, plain.backoff_seconds, plain.scheduled_at), (None, None, None));
    assert!(plain.after.is_empty() && plain.if_parent_fails.is_none() && plain.unique.is_none());
}

#[test]
fn a_failed_attempt_is_followed_by_another_and_the_last_one_is_put_back_by_a_retry() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let new = NewTask { max_attempts: Some(2), backoff_seconds: Some(0), ..titled("twice") };
    let id = add(&mut library, &new);
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let record = library.fail(lease, "once").unwrap().unwrap();
    assert!(record.scheduled_at.is_some() && record.error.as_deref() == Some("once"), "{record:?}");
    assert_ne!(record.status, Status::Failed);
    let Err(Error::NotClaimed(stands)) = library.heartbeat(lease, None).unwrap() else { panic!("not refused") };
    assert_eq!(stands.task_id, id);
    let Err(Error::NotTerminal(stands)) = library.retry(&id).unwrap() else { panic!("not refused") };
    assert_eq!(stands.task_id, id);

    let lease = library.claim(&ClaimOptions { wait_seconds: Some(5), ..claim_by("b") }).unwrap().unwrap().unwrap();
    assert_eq!(library.claim_record(lease).unwrap().attempt, 2);
    let record = library.fail(lease, "twice").unwrap().unwrap();
    assert_eq!((record.status, record.scheduled_at), (Status::Failed, None));
    let shown = library.show(&id).unwrap().unwrap();
    let told: Vec<_> =
        shown.history.iter().map(|report| (report.kind, report.error.as_deref(), report.attempt)).collect();
    assert_eq!(told, [(ReportKind::Failed, Some("once"), 1), (ReportKind::Failed, Some("twice"), 2)]);
    assert_eq!((shown.history[0].run_id.as_deref(), shown.history[1].run_id.as_deref()), (Some("a"), Some("b")));

    let released = library.retry(&id).unwrap().unwrap();
    assert_eq!((released.task_id, released.status, released.attempt), (id.clone(), Status::Pending, 0));
    let lease = library.claim(&claim_by("c")).unwrap().unwrap().unwrap();
    let record = library.fail_for_good(lease, "it will never work").unwrap().unwrap();
    assert_eq!((record.status, record.attempt), (Status::Failed, 1));
    repo.coord(&format!("retry {id}")).succeeded();
    let lease = library.claim(&claim_by("d")).unwrap().unwrap().unwrap();
    library.complete(lease, None).unwrap().unwrap();
    assert!(matches!(library.retry(&id).unwrap(), Err(Error::AlreadyTerminal(_))));
}

#[test]
fn a_task_that_is_put_off_is_claimed_when_it_is_due() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let later = add(&mut library, &NewTask { delay_seconds: Some(3_600), ..titled("later") });
    let soon = add(&mut library, &NewTask { delay_seconds: Some(1), ..titled("soon") });
    let item = library.item(&later).unwrap().unwrap();
    assert_eq!((item.status, item.task.scheduled_at.is_some()), (Status::Scheduled, true));
    assert!(library.claim(&claim_by("a")).unwrap().unwrap().is_none());
    let lease = library.claim(&ClaimOptions { wait_seconds: Some(10), ..claim_by("a") }).unwrap().unwrap().unwrap();
    assert_eq!(library.task(lease).unwrap().task_id, soon);

    let released = library.release(lease, Some(3_600)).unwrap().unwrap();
    assert_eq!((released.status, released.attempt, released.generation), (Status::Scheduled, 0, 1));
    assert_eq!(library.item(&soon).unwrap().unwrap().task.scheduled_at, released.scheduled_at);
    let both = NewTask { delay_seconds: Some(1), at: Some(1), ..titled("t") };
    assert!(matches!(library.enqueue(&both).unwrap(), Err(Error::BadArgs(_))));
}

#[test]
fn a_task_waits_for_those_that_it_comes_after() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let parent = add(&mut library, &titled("parent"));
    let after = |title: &str, what| NewTask { after: vec![parent.clone()], if_parent_fails: what, ..titled(title) };
    let [child, heir, patient] =
        [("child", None), ("heir", Some(IfParentFails::Run)), ("patient", Some(IfParentFails::Block))]
            .map(|(title, what)| add(&mut library, &after(title, what)));
    let item = library.item(&child).unwrap().unwrap();
    assert_eq!((item.status, item.blocked_on.as_ref()), (Status::Blocked, Some(&parent)));

    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    assert!(library.claim(&claim_by("a")).unwrap().unwrap().is_none());
    library.fail(lease, "broken").unwrap().unwrap();
    let item = library.item(&child).unwrap().unwrap();
    assert_eq!((item.status, item.claimer_run_id.as_ref()), (Status::Cancelled, None));
    assert!(item.reason.as_ref().is_some_and(|reason| reason.contains(&parent)), "{item:?}");
    assert_eq!(status(&mut library, &heir), Status::Pending);
    assert_eq!(status(&mut library, &patient), Status::Blocked);

    let nobody = NewTask { after: vec![NO_TASK.into()], ..titled("t") };
    assert_eq!(library.enqueue(&nobody).unwrap(), Err(Error::NotFound(NO_TASK.into())));
}

#[test]
fn a_refusal_tells_where_the_task_stands() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let later = add(&mut library, &NewTask { delay_seconds: Some(3_600), ..titled("later") });
    let next = add(&mut library, &NewTask { after: vec![later.clone()], ..titled("next") });
    let mut refused = |id: &str| match library.retry(id).unwrap() {
        Err(Error::NotTerminal(stands)) => stands,
        other => panic!("{other:?}"),
    };
    let stands = refused(&later);
    assert_eq!((stands.status, stands.scheduled_at.is_some(), stands.blocked_on), (Status::Scheduled, true, None));
    let stands = refused(&next);
    assert_eq!((stands.status, stands.scheduled_at, stands.blocked_on), (Status::Blocked, None, Some(later)));
}

#[test]
fn the_answer_to_a_cancel_tells_the_reason() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = add(&mut library, &titled("no longer"));
    let record = library.cancel_for(&id, "boss", IfHeld::Refuse, Some("not needed")).unwrap().unwrap();
    assert_eq!((record.status, record.reason.as_deref()), (Status::Cancelled, Some("not needed")));
}

#[test]
fn of_the_tasks_with_one_key_one_lives() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let new = NewTask { unique: Some("nightly".into()), ..titled("report") };
    let first = library.enqueue_or_find(&new).unwrap().unwrap();
    let second = library.enqueue_or_find(&new).unwrap().unwrap();
    assert_eq!((first.deduplicated, second.deduplicated, &first.task), (false, true, &second.task));
    let typed = repo.coord("enqueue report --unique nightly --json").succeeded().json();
    assert_eq!((&typed["task_id"], &typed["deduplicated"]), (&first.task.task_id.clone().into(), &true.into()));
    let elsewhere = library.enqueue_or_find(&NewTask { queue: Some("q".into()), ..new.clone() }).unwrap().unwrap();
    assert!(!elsewhere.deduplicated);

    library.cancel(&first.task.task_id, "boss", IfHeld::Refuse).unwrap().unwrap();
    let third = library.enqueue_or_find(&new).unwrap().unwrap();
    assert!(!third.deduplicated && third.task.task_id != first.task.task_id);
    let Err(Error::KeyTaken(taken)) = library.retry(&first.task.task_id).unwrap() else { panic!("not refused") };
    assert_eq!((taken.task_id, taken.status), (first.task.task_id, Status::Cancelled));
    assert_eq!(taken.live_task_id, third.task.task_id);
}

#[test]
fn a_batch_is_checked_whole_and_enqueued_in_order() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let mut new: Vec<NewTask> = (0..600).map(|number| titled(&format!("{number}"))).collect();
    new[599].queue = Some("a/b".into());
    let Err(Error::BadQueue(text)) = library.enqueue_all(&new).unwrap() else { panic!("not refused") };
    assert!(text.starts_with("tasks[599]: ") && text.contains("a/b"), "{text}");
    new[599].queue = None;
    new[1].after = vec![NO_TASK.into()];
    assert_eq!(library.enqueue_all(&new).unwrap(), Err(Error::NotFound(NO_TASK.into())));
    assert_eq!(repo.tasks()["total"], 0);

    new[1] = titled(&"x".repeat(600));
    let enqueued = library.enqueue_all(&new).unwrap().unwrap();
    assert_eq!(enqueued.len(), 600);
    assert_eq!(library.warnings().unwrap(), ["tasks[1]: title was cut from 600 to 512 characters"]);
    assert_eq!(repo.tasks()["total"], 600);
    assert_eq!(library.enqueue_all(&[]).unwrap(), Ok(Vec::new()));

    let leases = library.claim_many(&claim_by("a"), 500).unwrap().unwrap();
    let claimed: Vec<_> = leases.iter().map(|lease| library.task(*lease).unwrap()).collect();
    let first: Vec<_> = enqueued[..500].iter().map(|enqueued| enqueued.task.clone()).collect();
    assert_eq!(claimed, first);
    assert_eq!(library.claim_many(&claim_by("b"), 500).unwrap().unwrap().len(), 100);
    assert!(library.claim_many(&claim_by("b"), 500).unwrap().unwrap().is_empty());
    for max in [0, 100_001] {
        let Err(Error::BadArgs(text)) = library.claim_many(&claim_by("b"), max).unwrap() else { panic!("not refused") };
        assert_eq!(text, format!("max must be between 1 and 100000, got {max}"));
    }
    repo.coord("doctor").succeeded();
}

#[test]
fn what_follows_is_enqueued_if_the_completion_counts_and_else_not() {
    let repo = Repo::new();
    let mut library = library(&repo);
    add(&mut library, &titled("parent"));
    let lease = library.claim(&ClaimOptions { lease_seconds: Some(1), ..claim_by("slow") }).unwrap().unwrap().unwrap();
    let follow_ups = [titled("one"), NewTask { run_id: Some("boss".into()), ..titled("two") }];
    let wrong = [titled("one"), titled("")];
    let Err(Error::BadArgs(text)) = library.complete_and_enqueue(lease, None, &wrong).unwrap() else { panic!("taken") };
    assert!(text.starts_with("follow-ups[1]: "), "{text}");
    let fatherless = NewTask { after: vec![NO_TASK.into()], ..titled("three") };
    let refused = library.complete_and_enqueue(lease, None, &[titled("one"), fatherless]).unwrap();
    assert_eq!(refused.unwrap_err(), Error::NotFound(NO_TASK.into()));

    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let quick = library.claim(&claim_by("quick")).unwrap().unwrap().unwrap();
    let late = library.complete_and_enqueue(lease, Some(r#"{"late":1}"#), &follow_ups).unwrap();
    assert!(matches!(late, Err(Error::LeaseLost(_))), "{late:?}");
    assert!(library.claim(&claim_by("next")).unwrap().unwrap().is_none());

    let completed = library.complete_and_enqueue(quick, Some(r#"{"ok":1}"#), &follow_ups).unwrap().unwrap();
    assert_eq!(completed.claim_record.status, Status::Completed);
    let by: Vec<_> = completed.enqueued.iter().map(|new| new.task.created_by.as_str()).collect();
    assert_eq!(by, ["quick", "boss"]);
    let lease = library.claim(&claim_by("next")).unwrap().unwrap().unwrap();
    assert_eq!(library.task(lease).unwrap(), completed.enqueued[0].task);
}

#[test]
fn a_result_that_came_too_late_is_offered_to_the_next_holder() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = add(&mut library, &titled("slow work"));
    let slow = library.claim(&ClaimOptions { lease_seconds: Some(1), ..claim_by("slow") }).unwrap().unwrap().unwrap();
    assert_eq!(library.late_results(slow).unwrap(), []);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let quick = library.claim(&claim_by("quick")).unwrap().unwrap().unwrap();
    assert!(matches!(library.complete(slow, Some(r#"{"n":1}"#)).unwrap(), Err(Error::LeaseLost(_))));
    assert_eq!(library.late_results(quick).unwrap(), [], "it came after the claim");

    let late_results = library.show(&id).unwrap().unwrap().late_results;
    assert_eq!(
        (late_results.len(), late_results[0].run_id.as_deref(), late_results[0].result.as_deref()),
        (1, Some("slow"), Some(r#"{"n":1}"#))
    );
    library.release(quick, None).unwrap().unwrap();
    let third = library.claim(&claim_by("third")).unwrap().unwrap().unwrap();
    assert_eq!(library.late_results(third).unwrap(), late_results);
    let again = library.resume(&id, "third", None).unwrap().unwrap();
    assert_eq!(library.late_results(again).unwrap(), late_results);
}

#[test]
fn a_holder_that_is_asked_to_stop_learns_it_by_its_heartbeat() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = add(&mut library, &titled("work"));
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let refused = library.cancel(&id, "boss", IfHeld::Refuse).unwrap();
    assert!(matches!(refused, Err(Error::WrongOwner(_))), "{refused:?}");
    let asked = library.cancel_for(&id, "boss", IfHeld::Request, Some("not needed")).unwrap().unwrap();
    assert_eq!((asked.status, asked.claimer_run_id.as_str()), (Status::Claimed, "a"));
    let told = library.heartbeat(lease, None).unwrap().unwrap().cancel_request.unwrap();
    assert_eq!((told.run_id.as_deref(), told.reason.as_deref()), (Some("boss"), Some("not needed")));
    assert_eq!(library.item(&id).unwrap().unwrap().cancel_request, Some(told));
    library.report(lease, &Progress { progress: Some(0.9), note: None }).unwrap().unwrap();
    assert_eq!(library.release(lease, None).unwrap().unwrap().status, Status::Cancelled);
    let item = library.item(&id).unwrap().unwrap();
    assert_eq!((item.status, item.reason.as_deref()), (Status::Cancelled, Some("not needed")));

    let id = add(&mut library, &titled("taken away"));
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let off = library.cancel_for(&id, "boss", IfHeld::Force, Some("now")).unwrap().unwrap();
    assert_eq!(off.status, Status::Cancelled);
    assert!(matches!(library.heartbeat(lease, None).unwrap(), Err(Error::AlreadyTerminal(_))));
    let long = "r".repeat(4_097);
    assert!(matches!(library.cancel_for(&id, "boss", IfHeld::Force, Some(&long)).unwrap(), Err(Error::BadArgs(_))));
}

#[test]
fn how_far_a_holder_is_stands_beside_the_task() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = add(&mut library, &titled("long work"));
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    for progress in [0.25, 0.5] {
        let progress = Progress { progress: Some(progress), note: Some("going on".into()) };
        library.report(lease, &progress).unwrap().unwrap();
        let item = library.item(&id).unwrap().unwrap();
        assert_eq!((item.progress, item.note), (progress.progress, progress.note));
    }
    assert_eq!(library.show(&id).unwrap().unwrap().history.len(), 1, "the next takes the place of the one before");
    library.heartbeat(lease, None).unwrap().unwrap();
    assert!(library.item(&id).unwrap().unwrap().progress.is_some(), "a heartbeat by itself changes none of it");
    let too_much = Progress { progress: Some(1.5), note: None };
    assert!(matches!(library.report(lease, &too_much).unwrap(), Err(Error::BadArgs(_))));
    let no_number = Progress { progress: Some(f64::NAN), note: None };
    assert!(matches!(library.report(lease, &no_number).unwrap(), Err(Error::BadArgs(_))));
}
