//! On a medium that orders names an end takes one flush: what its holder, or a power cut, leaves in between is finished
//! or taken back.

use crate::world::*;
use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Dir, Path, StateDir};
use coord_core::queue::Status;
use coord_core::store::{Moved, Store as _};
use coord_core::transition::IfHeld;
use coord_core::{JsonObject, TaskId, limits};

/// A task whose end has got as far as its ended name in `claimed/`, with its report or without.
fn unfinished(is_reported: bool, attempts: Option<u32>) -> (World, TaskId) {
    let world = World::that_orders_names();
    let id = world.enqueue_with("work", |new| new.plan.max_attempts = attempts).unwrap();
    world.claims(id);
    let store = world.queue.store();
    let (record, held) = (layout::record(id), entry_in(&world, StateDir::Claimed, id));
    let before = store.read(&record, limits::FILE_BYTES).unwrap().unwrap();
    world.queue.complete(id, holder(), JsonObject::parse("{\"n\":1}").ok(), &world.turn()).unwrap();
    let ended = entry_in(&world, StateDir::Done, id);
    assert_eq!(store.rename(&ended, &held.dir.file(ended.name.as_str())), Ok(Moved::Here));
    if !is_reported {
        let entry = held.dir.file(ended.name.as_str());
        store.remove(&entry).unwrap();
        store.remove(&record).unwrap();
        store.create(&record, &before).unwrap();
        store.link(&record, &entry).unwrap();
    }
    (world, id)
}

fn entry_in(world: &World, state_dir: StateDir, id: TaskId) -> Path {
    let dir = layout::shard_of(state_dir, id);
    let names = world.queue.store().list(&dir).unwrap().unwrap();
    dir.file(names.into_iter().find(|name| name.contains(&id.hex())).unwrap())
}

fn status(world: &World, id: TaskId) -> Status {
    world.queue.show(id, world.now()).unwrap().item.status
}

#[test]
fn an_end_that_is_reported_is_finished_by_whoever_meets_it() {
    type Meet = fn(&World, TaskId);
    let meets: [Meet; 6] = [
        |world, _| {
            world.pass(2);
            assert!(world.claim().is_none());
        },
        |world, id| {
            let complete = world.queue.complete(id, holder(), None, &world.turn());
            assert_eq!(complete.unwrap_err().code(), "already_terminal");
        },
        |world, id| {
            let cancelling = coord_core::queue::Cancelling::new(agent(), IfHeld::Force);
            let cancel = world.queue.cancel(id, cancelling, &world.turn());
            assert_eq!(cancel.unwrap_err().code(), "already_terminal");
        },
        |world, id| {
            let retry = world.queue.retry(id, Default::default(), &world.turn());
            assert_eq!(retry.unwrap_err().code(), "already_terminal");
        },
        |world, id| _ = world.after("child", &[id], coord_core::task::IfParentFails::Block),
        |world, _| drop(world.queue.repair(&world.turn()).unwrap()),
    ];
    for meet in meets {
        let (world, id) = unfinished(true, None);
        assert_eq!(status(&world, id), Status::Claimed, "it is not there for certain");
        world.assert_healthy();
        assert_eq!(status(&world, id), Status::Claimed, "an examination changes nothing");
        meet(&world, id);
        let shown = world.queue.show(id, world.now()).unwrap();
        assert_eq!((shown.item.status, shown.item.result.unwrap().text()), (Status::Completed, "{\"n\":1}"));
        world.assert_healthy();
    }
}

#[test]
fn an_end_whose_report_is_lost_is_taken_back() {
    for attempts in [None, Some(1), Some(2)] {
        let (world, id) = unfinished(false, attempts);
        assert_eq!(status(&world, id), Status::Claimed);
        world.pass(2);
        assert!(world.claim().is_none(), "its lease is not over");
        assert_eq!(status(&world, id), Status::Claimed);
        let entry = Entry::parse(&entry_in(&world, StateDir::Claimed, id).name).unwrap();
        assert!(matches!(entry.state, State::Claimed(_)) && entry.report.is_none() && entry.queue.is_some());
        let ends = |world: &World| world.queue.complete(id, holder(), None, &world.turn()).is_ok();
        if attempts == Some(1) {
            world.pass(20);
            assert!(world.claim().is_none());
            assert_eq!(status(&world, id), Status::Failed, "it was the only attempt");
        } else {
            world.pass(20);
            world.claims(id);
            assert!(ends(&world));
        }
        world.assert_healthy();
    }
}

#[test]
fn what_goes_on_by_one_flush_is_the_same_as_by_three() {
    let root = |world: &World| -> Vec<Path> {
        // What says that directories are durable is needed by the letter of POSIX alone.
        let is_task_or_token = |path: &Path| path.dir != Dir::root() && path.name != layout::PREPARED;
        world.queue.store().files().into_iter().filter(is_task_or_token).collect()
    };
    let play = |world: World| {
        let done = world.enqueue("done");
        let failed = world.enqueue("failed");
        world.claims(done);
        world.queue.complete(done, holder(), JsonObject::parse("{\"n\":1}").ok(), &world.turn()).unwrap();
        world.claims(failed);
        world.fail(failed, "broke");
        world.assert_healthy();
        root(&world)
    };
    assert_eq!(play(World::that_orders_names()), play(World::new()));
}

#[test]
fn time_does_nothing_to_an_end_that_is_not_finished() {
    let (world, id) = unfinished(true, Some(1));
    world.pass(20);
    assert_eq!(status(&world, id), Status::TimedOut, "its lease has run out, and it has not failed");
    assert!(world.claim().is_none());
    assert_eq!(status(&world, id), Status::Completed);
    world.assert_healthy();
}
