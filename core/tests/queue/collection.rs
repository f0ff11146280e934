//! What a collection leaves of a queue besides tasks.

use crate::world::{World, agent, tags};
use coord_core::TaskId;
use coord_core::layout::Dir;
use coord_core::queue::{Cancelling, ClaimRequest, Gc, Start};
use coord_core::store::Store as _;
use coord_core::store::mem::MemStore;
use coord_core::tags::Choice;
use coord_core::task::IfParentFails;
use coord_core::transition::IfHeld;

fn collect(world: &World) {
    let gc = Gc { older_than_seconds: 0, keep_last: 0, dry_run: false };
    world.queue.gc(gc, &world.turn()).unwrap();
}

fn directories_below(store: &MemStore, dir: &Dir) -> usize {
    let names = store.list(dir).unwrap_or_default().unwrap_or_default();
    let below = names.iter().map(|name| dir.child(name)).filter(|below| matches!(store.list(below), Ok(Some(_))));
    below.map(|below| 1 + directories_below(store, &below)).sum()
}

/// How many directories and files are left of so many tasks, once all have ended and been removed.
fn left_of(tasks: i64) -> (usize, usize) {
    let world = World::new();
    let mut parent = None;
    for number in 0..tasks {
        let id = world.enqueue_with("work", |new| {
            new.priority = number;
            new.queue = format!("queue-{number}").parse().unwrap();
            new.tags = tags(&[&format!("a-tag-too-long-for-a-name-{number}")]);
            new.plan.after = parent.into_iter().collect();
            new.plan.if_parent_fails = Some(IfParentFails::Run);
        });
        world.pass(1_000);
        parent = Some(id.unwrap());
    }
    let delayed = world.enqueue_with("later", |new| new.plan.start = Start::After(9_000)).unwrap();
    while let Some(claimed) = world.claim() {
        world.complete(claimed.task.id);
    }
    let cancelling = Cancelling::new(agent(), IfHeld::Refuse);
    world.queue.cancel(delayed, cancelling, &world.turn()).unwrap();
    // What has just changed is left to the next one.
    for _ in 0..2 {
        world.pass(10);
        collect(&world);
    }
    world.assert_healthy();
    assert_eq!(world.claim(), None);
    (directories_below(world.queue.store(), &Dir::root()), world.queue.store().files().len())
}

#[test]
fn what_is_left_after_everything_was_removed_does_not_grow_with_what_there_was() {
    // Each part of `tasks/`, `done/`, `blocked/` and `claimed/`, the directories of the root, and a file beside the
    // tasks of each first byte.
    let (directories, files) = left_of(300);
    assert!(directories <= 4 * 256 + 16 + 24 && files <= 256 + 4, "{directories} {files}");
    let (directories, files) = left_of(0);
    assert!(directories <= 24 && files <= 4, "{directories} {files}");
}

#[test]
fn the_text_of_tags_goes_with_the_last_task_that_may_need_it() {
    let world = World::new();
    let long = tags(&["a-tag-that-is-too-long-for-a-name"]);
    let texts = || world.queue.store().files().iter().filter(|path| path.dir.as_str() == "tags").count();
    let ids: Vec<TaskId> = [Start::Now, Start::After(60)]
        .into_iter()
        .map(|start| world.enqueue_with("work", |new| (new.tags, new.plan.start) = (long.clone(), start)).unwrap())
        .collect();
    let choice = Choice { all: long.clone(), ..Choice::default() };
    let chosen = ClaimRequest { choice, ..ClaimRequest::any(agent(), 10) };
    for id in ids {
        collect(&world);
        assert_eq!(texts(), 1);
        assert_eq!(world.claim_as(&chosen).map(|claimed| claimed.task.id), Some(id));
        collect(&world);
        assert_eq!(texts(), 1);
        world.complete(id);
        world.pass(61);
    }
    collect(&world);
    assert_eq!(texts(), 0);
}

/// An enqueuer finds the text there, and a collection removes it just before the task has an entry.
#[test]
fn a_task_whose_text_of_tags_was_removed_is_still_chosen_by_them() {
    let world = World::new();
    let long = tags(&["a-tag-that-is-too-long-for-a-name"]);
    let id = world.enqueue_with("work", |new| new.tags.clone_from(&long)).unwrap();
    let text = world.queue.store().files().into_iter().find(|path| path.dir.as_str() == "tags").unwrap();
    world.queue.store().remove(&text).unwrap();
    let choice = Choice { all: long, ..Choice::default() };
    let claimed = world.claim_as(&ClaimRequest { choice, ..ClaimRequest::any(agent(), 10) });
    assert_eq!(claimed.map(|claimed| claimed.task.id), Some(id));
}
