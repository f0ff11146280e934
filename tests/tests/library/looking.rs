//! Waiting for ends: how long, and what wakes it.

use std::time::Instant;

use crate::component::bindings::exports::muse::coord::types::Status;
use crate::component::bindings::exports::muse::coord::types::{ClaimOptions, NewTask, Until};
use crate::component::{claim_by, titled};
use coord_tests::Repo;

use crate::library;

const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn who_waits_for_ends_is_told_how_each_task_stands() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let [one, other] = ["one", "other"].map(|title| library.enqueue(&titled(title)).unwrap().unwrap().task_id);
    let ids = [one.as_str(), NO_TASK, other.as_str()];
    let waited = library.wait(&ids, Until::All, None).unwrap().unwrap();
    let told: Vec<_> =
        waited.items.iter().map(|of| (of.task_id.as_str(), of.item.as_ref().map(|it| it.status))).collect();
    assert_eq!(told, [(ids[0], Some(Status::Pending)), (ids[1], None), (ids[2], Some(Status::Pending))]);
    assert!(waited.timed_out);
    assert!(!library.wait(&ids, Until::Any, Some(60)).unwrap().unwrap().timed_out, "one that there is not has ended");
    let began = Instant::now();
    assert!(library.wait(&[&one], Until::Any, Some(1)).unwrap().unwrap().timed_out);
    assert!(began.elapsed().as_secs() >= 1);

    std::thread::scope(|threads| {
        let waiting = threads.spawn(|| library.wait(&[&one, &other], Until::All, Some(60)).unwrap().unwrap());
        for id in [&one, &other] {
            assert_eq!(repo.claim("agent"), *id);
            repo.coord(&format!("complete {id} --run-id agent --result {{\"n\":1}}")).succeeded();
        }
        let waited = waiting.join().unwrap();
        assert!(!waited.timed_out);
        for of in waited.items {
            assert_eq!(of.item.unwrap().result.as_deref(), Some(r#"{"n":1}"#));
        }
    });
    // Nobody is left who would notice that its last holder died.
    let new = NewTask { max_attempts: Some(1), ..titled("abandoned") };
    let id = library.enqueue(&new).unwrap().unwrap().task_id;
    library.claim(&ClaimOptions { lease_seconds: Some(1), ..claim_by("dead") }).unwrap().unwrap().unwrap();
    let waited = library.wait(&[&id], Until::All, Some(60)).unwrap().unwrap();
    assert_eq!(waited.items[0].item.as_ref().map(|item| item.status), Some(Status::Failed));
}
