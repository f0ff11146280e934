//! What time alone does to tasks counts at once, whoever has drawn the consequence, and tasks that wait for others
//! learn of it.

use crate::world::*;
use coord_core::queue::{
    ClaimRequest, EndStep, Filter, Gc, Item, NewTask, Retrying, Start, Status, Thoroughness, Until, WaitingEnd,
};
use coord_core::task::IfParentFails;
use coord_core::{Error, TaskId, Timestamp};
use std::time::Duration;

fn expiring(new: &mut NewTask) {
    new.ttl_seconds = 1;
}

fn keyed(new: &mut NewTask) {
    new.plan.unique = "key".parse().ok();
}

impl World {
    fn collect(&self, older_than_seconds: i64, dry_run: bool) -> u64 {
        let gc = Gc { older_than_seconds, keep_last: 0, dry_run };
        self.queue.gc(gc, &self.turn()).unwrap().removed
    }

    fn retry(&self, id: TaskId, retrying: Retrying) -> Result<Status, Error> {
        self.queue.retry(id, retrying, &self.turn()).map(|retried| retried.released.status)
    }

    fn listed(&self, filter: &Filter) -> Vec<Item> {
        self.queue.tasks(filter, self.now()).unwrap().items
    }

    /// True if a wait for the task is over at its first look.
    fn wait_is_over(&self, id: TaskId) -> bool {
        let mut wait = WaitingEnd::new(Vec::from([id]), Until::All, Duration::ZERO);
        match wait.step(&self.queue, Duration::ZERO, &self.turn()).unwrap() {
            EndStep::Done(waited) => waited.is_over,
            EndStep::Sleep(_) => panic!("it waits for nothing"),
        }
    }
}

#[test]
fn a_key_is_free_once_the_task_that_had_it_has_expired() {
    let world = World::new();
    let expired = world.enqueue_with("first", |new| (expiring(new), keyed(new)).0).unwrap();
    world.pass(2);
    let next = world.enqueue_with("second", keyed).unwrap();
    assert_ne!(next, expired);
    world.claims(next);
    assert!(world.claim().is_none());
    assert!(matches!(world.retry(expired, Retrying::default()), Err(Error::KeyTaken { .. })));
    world.assert_healthy();
}

#[test]
fn a_task_that_expired_has_ended_for_everybody_before_anybody_moves_it() {
    let world = World::new();
    let before = world.now();
    let [id, other] = ["one", "other"].map(|title| world.enqueue_with(title, expiring).unwrap());
    world.pass(2);
    let item = world.item(id);
    let at = Timestamp::from_micros(item.task.record.created_at.micros() + SECOND);
    assert_eq!((item.status, item.ended_at), (Status::Expired, Some(at)));
    assert!(world.wait_is_over(id));
    let since = Filter { ended_since: Some(before), ..Filter::default() };
    assert_eq!(world.listed(&since).iter().map(|item| item.ended_at).max(), Some(world.item(other).ended_at));
    assert_eq!((world.collect(0, true), world.collect(100, true)), (2, 0));
    assert_eq!(world.retry(id, Retrying::default()), Ok(Status::Pending));
    world.claims(id);
    assert_eq!(world.collect(0, false), 1);
    assert!(matches!(world.queue.show(other, world.now()), Err(Error::NotFound { .. })));
    world.assert_healthy();
}

#[test]
fn when_a_task_ended_is_told_by_its_time_and_not_by_the_sweep() {
    let world = World::new();
    let id = world.enqueue_with("tried once", attempts(1, 0)).unwrap();
    let lease = world.claim().unwrap().record.expires_at;
    world.pass(20);
    let before = world.item(id);
    assert_eq!((before.status, before.ended_at), (Status::Failed, Some(lease)));
    assert!(world.wait_is_over(id), "a wait draws the consequence");
    let moved = world.item(id);
    assert_eq!((moved.status, moved.ended_at), (Status::Failed, Some(lease)));
    world.assert_healthy();
}

#[test]
fn a_holder_whose_last_attempt_ran_out_is_refused_as_show_tells() {
    let world = World::new();
    let id = world.enqueue_with("tried once", attempts(1, 0)).unwrap();
    world.claims(id);
    world.pass(20);
    assert_eq!(world.status(id), Status::Failed);
    let still_held = world.queue.still_held(id, holder(), world.now());
    assert_eq!(still_held.unwrap_err().code(), "already_terminal");
    let completed = world.queue.complete(id, holder(), None, &world.turn());
    assert_eq!(completed.unwrap_err().code(), "already_terminal");
    world.assert_healthy();
}

#[test]
fn a_scheduled_task_expires_by_the_time_it_was_due_though_nobody_moved_it() {
    let world = World::new();
    let id = world
        .enqueue_with("later", |new| {
            new.plan.start = Start::After(10);
            new.ttl_seconds = 5;
        })
        .unwrap();
    let due = world.item(id).scheduled_at.unwrap();
    world.pass(12);
    assert_eq!(world.status(id), Status::Pending);
    world.pass(10);
    let expired = (Status::Expired, Some(due.plus_seconds(5)));
    assert_eq!((world.item(id).status, world.item(id).ended_at), expired);
    assert!(world.claim().is_none());
    assert_eq!((world.item(id).status, world.item(id).ended_at), expired);
    world.assert_healthy();
}

#[test]
fn a_task_learns_within_a_second_that_its_parent_expired_whatever_is_claimed() {
    let world = World::new();
    let of_gpu = |new: &mut NewTask| {
        expiring(new);
        new.queue = "gpu".parse().unwrap();
    };
    let parent = world.enqueue_with("parent", of_gpu).unwrap();
    let child = world.after("child", &[parent], IfParentFails::Cancel);
    let grandchild = world.after("grandchild", &[child], IfParentFails::Cancel);
    world.pass(3);
    let request = ClaimRequest { queues: vec!["default".parse().unwrap()], ..ClaimRequest::any(agent(), 10) };
    world.queue.claim(&request, Thoroughness::Quick, &world.turn()).unwrap();
    assert_eq!([child, grandchild].map(|id| world.status(id)), [Status::Cancelled; 2]);
    world.assert_healthy();
}

#[test]
fn a_task_that_becomes_ready_late_expires_for_those_that_wait_for_it() {
    let world = World::new();
    let first = world.enqueue("first");
    let parent = world.enqueue_with("parent", |new| {
        expiring(new);
        new.plan.after = vec![first];
    });
    let child = world.after("child", &[parent.unwrap()], IfParentFails::Cancel);
    world.claims(first);
    world.complete(first);
    world.pass(3);
    assert!(world.wait_is_over(child));
    assert_eq!(world.status(child), Status::Cancelled);
    world.assert_healthy();
}

#[test]
fn a_task_is_cancelled_as_soon_as_any_parent_fails_whichever_is_listed_first() {
    for order in [[0, 1], [1, 0]] {
        let world = World::new();
        let parents = [world.enqueue("runs"), world.enqueue("fails")];
        let child = world.after("child", &order.map(|place| parents[place]), IfParentFails::Cancel);
        for parent in parents {
            world.claims(parent);
        }
        world.assert_healthy();
        world.fail(parents[1], "broke");
        assert_eq!(world.status(child), Status::Cancelled, "{order:?}");
        world.complete(parents[0]);
        world.assert_healthy();
        assert_eq!(world.collect(0, false), 3, "nothing of it is left that keeps its parents");
    }
}

#[test]
fn a_task_that_is_enqueued_after_any_parent_failed_is_cancelled_at_once() {
    let world = World::new();
    let parents = [world.enqueue("runs"), world.enqueue("fails")];
    for parent in parents {
        world.claims(parent);
    }
    world.fail(parents[1], "broke");
    let child = world.after("child", &parents, IfParentFails::Cancel);
    assert_eq!(world.status(child), Status::Cancelled);
    world.assert_healthy();
}

#[test]
fn what_a_blocked_task_lists_stays_whichever_it_waits_for_now() {
    for order in [[0, 1], [1, 0]] {
        let world = World::new();
        let parents = [world.enqueue("slow"), world.enqueue("quick")];
        let sum = world.after("sum", &order.map(|place| parents[place]), IfParentFails::Cancel);
        for parent in parents {
            world.claims(parent);
        }
        world.complete(parents[1]);
        assert_eq!(world.collect(0, false), 0, "{order:?}");
        world.complete(parents[0]);
        assert_eq!(world.status(sum), Status::Pending);
        assert_eq!(world.collect(0, false), 2);
        world.claims(sum);
        world.assert_healthy();
    }
}

#[test]
fn a_task_that_is_put_back_waits_for_its_parents_again() {
    let world = World::new();
    let parent = world.enqueue("parent");
    let child = world.after("child", &[parent], IfParentFails::Cancel);
    let grandchild = world.after("grandchild", &[child], IfParentFails::Cancel);
    world.claims(parent);
    world.fail(parent, "broke");
    let in_vain = Err(Error::WaitsInVain { id: child, parent, became: "failed" });
    assert_eq!(world.retry(child, Retrying::default()), in_vain);
    assert_eq!(world.retry(parent, Retrying::default()), Ok(Status::Pending));
    for id in [child, grandchild] {
        assert_eq!(world.retry(id, Retrying::default()), Ok(Status::Blocked));
    }
    for id in [parent, child, grandchild] {
        world.claims(id);
        assert!(world.claim().is_none());
        world.complete(id);
    }
    world.assert_healthy();
}

#[test]
fn a_task_can_be_put_back_without_waiting_and_its_dependants_with_it() {
    let world = World::new();
    let [parent, gone] = ["parent", "gone"].map(|title| world.enqueue(title));
    let child = world.after("child", &[parent, gone], IfParentFails::Cancel);
    let grandchild = world.after("grandchild", &[child], IfParentFails::Cancel);
    for id in [parent, gone] {
        world.claims(id);
    }
    world.complete(gone);
    world.fail(parent, "broke");
    let cascade = Retrying { cascade: true, ..Retrying::default() };
    let retried = world.queue.retry(parent, cascade, &world.turn()).unwrap();
    assert_eq!((&retried.dependants[..], &retried.left[..]), (&[child, grandchild][..], &[][..]));
    assert_eq!([child, grandchild].map(|id| world.status(id)), [Status::Blocked; 2]);
    world.claims(parent);
    world.fail(parent, "broke again");
    assert_eq!(world.status(child), Status::Cancelled);
    assert_eq!(world.collect(0, false), 4);
    assert!(matches!(world.retry(child, Retrying::default()), Err(Error::NotFound { .. })));

    let parent = world.enqueue("parent");
    let child = world.after("child", &[parent], IfParentFails::Cancel);
    world.claims(parent);
    world.fail(parent, "broke");
    world.pass(10);
    world.queue.gc(Gc { older_than_seconds: 0, keep_last: 1, dry_run: false }, &world.turn()).unwrap();
    let in_vain = Err(Error::WaitsInVain { id: child, parent, became: "removed" });
    assert_eq!(world.retry(child, Retrying::default()), in_vain);
    assert_eq!(world.retry(child, Retrying { is_now: true, ..Retrying::default() }), Ok(Status::Pending));
    world.claims(child);
    world.assert_healthy();
}
