//! Tasks that are put off, and many at once.

use crate::component::bindings::exports::muse::coord::types::{ClaimOptions, NewTask};
use crate::component::bindings::exports::muse::coord::types::{Error, Progress, Status};
use crate::component::{Library, claim_by, titled};
use coord_tests::Repo;

use crate::library;

const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Adds a task and tells its id.
fn add(library: &mut Library, new: &NewTask) -> String {
    library.enqueue(new).unwrap().unwrap().task_id
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
fn a_progress_that_is_no_number_is_refused() {
    let repo = Repo::new();
    let mut library = library(&repo);
    add(&mut library, &titled("long work"));
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    let no_number = Progress { progress: Some(f64::NAN), note: None };
    assert!(matches!(library.report(lease, &no_number).unwrap(), Err(Error::BadArgs(_))));
}
