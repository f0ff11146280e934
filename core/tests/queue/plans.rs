//! Tasks that do not simply wait, run and end: attempts, delays, dependencies, keys, choices, requests to stop, queues
//! that are paused or limited, and what is done with tasks that have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use coord_core::answer::Percentiles;
use coord_core::entry::Entry;
use coord_core::layout::{self, Dir, Path, StateDir, shard_of};
use coord_core::name::{QueueName, RunId};
use coord_core::queue::{
    Batch, Cancelling, Change, ClaimRequest, EndStep, Failing, Filter, Gc, Imported, Item, NewTask, Notice, Progress,
    Renewing, ReportKind, Retrying, Sort, Start, Status, TaskWatch, Until, WaitingEnd,
};
use coord_core::request::{BadRequest, FilterDraft};
use coord_core::tags::Choice;
use coord_core::task::IfParentFails;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Store, TaskId, Timestamp, limits};

use crate::world::*;

#[test]
fn a_task_is_tried_as_often_as_it_may_be_and_each_failure_is_kept() {
    let world = World::new();
    let id = world.enqueue_with("flaky", attempts(3, 60)).unwrap();
    world.claims(id);
    assert_eq!(world.fail(id, "first"), Status::Scheduled);
    let due = world.item(id).scheduled_at.unwrap();
    assert!(world.claim().is_none(), "it backs off");
    world.assert_healthy();
    world.pass(61);
    assert!(world.now() > due);
    world.claims(id);
    // The second holder dies.
    world.pass(11);
    world.claims(id);
    assert_eq!(world.fail(id, "third"), Status::Failed);
    let said = [(ReportKind::Failed, "first"), (ReportKind::TimedOut, ""), (ReportKind::Failed, "third")];
    let history = world.history(id);
    assert_eq!(history.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), said.map(|(kind, _)| kind));
    assert_eq!((history[0].1.as_str(), history[2].1.as_str()), ("first", "third"));
    assert!(history[1].1.contains("lease expired"));
    assert_eq!(world.item(id).error.unwrap().as_str(), "third");
    world.assert_healthy();

    let back = world.queue.retry(id, Retrying::default(), &world.turn()).unwrap().released;
    assert_eq!((back.status, back.attempt, back.generation), (Status::Pending, 0, 3));
    world.claims(id);
    world.complete(id);
    assert_eq!(world.history(id).len(), 3, "what was reported stays");
    assert!(world.item(id).error.is_none(), "that was of an earlier attempt");
    assert!(matches!(world.queue.retry(id, Retrying::default(), &world.turn()), Err(Error::Refused { .. })));
    world.assert_healthy();
}

#[test]
fn a_task_that_is_out_of_attempts_by_a_lease_that_ran_out_has_failed() {
    let world = World::new();
    let id = world.enqueue_with("fatal", attempts(2, 0)).unwrap();
    world.claims(id);
    world.pass(11);
    world.claims(id);
    world.pass(11);
    assert!(world.claim().is_none());
    assert_eq!(world.status(id), Status::Failed);
    assert_eq!(world.history(id).len(), 2);
    // Without a number of attempts a lease that ran out can be taken over without end.
    let id = world.enqueue("as ever");
    for _ in 0..5 {
        world.claims(id);
        world.pass(11);
    }
}

#[test]
fn a_final_failure_ends_a_task_with_attempts_left() {
    let world = World::new();
    let id = world.enqueue_with("hopeless", attempts(5, 0)).unwrap();
    world.claims(id);
    let failing = Failing { error: "never".parse().unwrap(), is_final: true };
    let record = world.queue.fail(id, holder(), failing, &world.turn()).unwrap();
    assert_eq!(record.status, Status::Failed);
}

#[test]
fn a_task_waits_for_its_time_and_is_found_wherever_it_waits() {
    let world = World::new();
    let later = world.enqueue_with("later", |new| new.plan.start = Start::After(100)).unwrap();
    let at = Timestamp::from_micros(world.now().micros() + 50 * SECOND);
    let at_a_time = world.enqueue_with("at", |new| new.plan.start = Start::At(at)).unwrap();
    let released = world.enqueue("put off");
    world.claims(released);
    let put_off = world.queue.release(released, holder(), 70, &world.turn()).unwrap();
    assert_eq!((put_off.status, put_off.attempt), (Status::Scheduled, 0));
    for id in [later, at_a_time, released] {
        assert_eq!(world.status(id), Status::Scheduled);
    }
    assert!(world.claim().is_none());
    world.assert_healthy();
    for (seconds, id) in [(51, at_a_time), (20, released), (30, later)] {
        world.pass(seconds);
        assert_eq!(world.status(id), Status::Pending, "it is due, though nobody has moved it");
        world.claims(id);
        assert!(world.claim().is_none());
        world.complete(id);
    }
    let cancelled = world.enqueue_with("later", |new| new.plan.start = Start::After(100)).unwrap();
    world.queue.cancel(cancelled, Cancelling::new(agent(), IfHeld::Refuse), &world.turn()).unwrap();
    world.assert_healthy();
}

#[test]
fn a_task_runs_when_all_that_it_waits_for_have_completed() {
    let world = World::new();
    let parents = [world.enqueue("one"), world.enqueue("two"), world.enqueue("three")];
    let child = world.after("join", &parents, IfParentFails::Cancel);
    assert_eq!((world.status(child), world.item(child).blocked_on), (Status::Blocked, Some(parents[0])));
    world.assert_healthy();
    for parent in parents {
        world.claims(parent);
    }
    assert!(world.claim().is_none());
    for parent in [parents[1], parents[0], parents[2]] {
        assert_eq!(world.status(child), Status::Blocked);
        world.complete(parent);
    }
    world.claims(child);
    // Of a task that waits for what has ended already.
    let late = world.after("late", &parents, IfParentFails::Cancel);
    assert_eq!(world.status(late), Status::Pending);
    world.assert_healthy();
}

#[test]
fn a_task_does_as_it_was_told_if_one_that_it_waits_for_fails() {
    let world = World::new();
    let parent = world.enqueue("parent");
    let [cancel, block, run] = [IfParentFails::Cancel, IfParentFails::Block, IfParentFails::Run]
        .map(|policy| world.after("child", &[parent], policy));
    let grandchild = world.after("grandchild", &[cancel], IfParentFails::Cancel);
    world.claims(parent);
    world.fail(parent, "broke");
    assert_eq!([cancel, block, run].map(|id| world.status(id)), [Status::Cancelled, Status::Blocked, Status::Pending]);
    let reason = world.item(cancel).reason.unwrap();
    assert_eq!(reason.as_str(), format!("it waited for {parent}, which was failed"));
    assert!(world.item(grandchild).reason.unwrap().as_str().contains("cancelled"));
    world.claims(run);
    world.queue.retry(parent, Retrying::default(), &world.turn()).unwrap();
    world.claims(parent);
    world.complete(parent);
    world.claims(block);
    world.assert_healthy();
}

#[test]
fn a_task_that_nobody_woke_is_woken_by_a_sweep() {
    let world = World::new();
    let parent = world.enqueue("parent");
    let child = world.after("child", &[parent], IfParentFails::Cancel);
    world.claims(parent);
    // As an agent leaves it that dies right after its rename.
    let blocked = world.queue.store().files().into_iter().find(|path| path.dir == layout::blocked_on(parent)).unwrap();
    let hidden = layout::tmp().file("hidden");
    world.queue.store().rename(&blocked, &hidden).unwrap();
    world.complete(parent);
    world.queue.store().make_dir(&blocked.dir).unwrap();
    world.queue.store().rename(&hidden, &blocked).unwrap();
    assert_eq!(world.status(child), Status::Blocked);
    world.claims(child);
}

#[test]
fn a_task_whose_parent_was_removed_meanwhile_is_called_off_by_a_sweep() {
    let world = World::new();
    let [parent, other] = ["parent", "other"].map(|title| world.enqueue(title));
    let [alone, among_others] =
        [&[parent][..], &[parent, other]].map(|parents| world.after("child", parents, IfParentFails::Cancel));
    let goes_on = world.after("child", &[parent], IfParentFails::Run);
    // As it is if a collection takes the parent away, and the children's enqueuers, about to link them, die right after
    // that.
    let store = world.queue.store();
    let blocked: Vec<_> = store.files().into_iter().filter(|path| path.dir == layout::blocked_on(parent)).collect();
    let hidden = |path: &Path| layout::tmp().file(path.name.as_str());
    for path in &blocked {
        store.rename(path, &hidden(path)).unwrap();
    }
    world.claims(parent);
    world.fail(parent, "broke");
    let all = Gc { older_than_seconds: 0, keep_last: 0, dry_run: false };
    assert_eq!(world.queue.gc(all, &world.turn()).unwrap().removed, 1);
    store.make_dir(&layout::blocked_on(parent)).unwrap();
    for path in &blocked {
        store.rename(&hidden(path), path).unwrap();
    }
    world.queue.sweep(&world.turn()).unwrap();
    let statuses = [alone, among_others, goes_on].map(|id| world.status(id));
    assert_eq!(statuses, [Status::Cancelled, Status::Cancelled, Status::Pending]);
    assert_eq!(world.item(alone).reason.unwrap().as_str(), format!("it waited for {parent}, which was removed"));
    world.assert_healthy();
}

#[test]
fn nobody_waits_for_a_task_that_is_not_there() {
    let world = World::new();
    let nobody = TaskId::of_canonical(b"nobody");
    let refused = world.enqueue_with("child", |new| new.plan.after = vec![nobody]);
    assert_eq!(refused, Err(Error::NoParent { id: nobody }));
    assert_eq!(world.queue.tasks(&Filter::default(), world.now()).unwrap().counts.total(), 0);
}

#[test]
fn follow_ups_come_with_the_completion_or_not_at_all() {
    let world = World::new();
    let id = world.enqueue("plan");
    world.claims(id);
    let follow_ups = vec![new("a"), new("b")];
    let done = world.queue.complete_and_enqueue(id, holder(), None, follow_ups.clone(), &world.turn()).unwrap();
    let ids: Vec<TaskId> = done.enqueued.iter().map(|enqueued| enqueued.task.id).collect();
    for id in &ids {
        world.claims(*id);
        world.complete(*id);
    }
    let next = world.enqueue("another plan");
    world.claims(next);
    let mut late = new("c");
    late.plan.after = vec![TaskId::of_canonical(b"nobody")];
    let no_parent = world.queue.complete_and_enqueue(next, holder(), None, vec![late], &world.turn());
    assert!(matches!(no_parent, Err(Error::NoParent { .. })));
    world.complete(next);
    let refused = world.queue.complete_and_enqueue(id, holder(), None, follow_ups, &world.turn());
    assert!(matches!(refused, Err(Error::Refused { .. })));
    assert_eq!(world.queue.tasks(&Filter::default(), world.now()).unwrap().counts.total(), 4);
    world.assert_healthy();
}

#[test]
fn a_follow_up_of_a_holder_that_died_is_the_next_holders_if_that_enqueues_it_under_the_same_key() {
    let world = World::new();
    for adopts in [true, false] {
        let id = world.enqueue("plan");
        world.claims(id);
        let place = |dir: &Dir, of: TaskId| {
            let mut files = world.queue.store().files().into_iter();
            files.rfind(|path| path.dir.is_below(dir) && path.name.contains(&of.hex())).unwrap()
        };
        let held = place(&layout::state_dir(StateDir::Claimed), id);
        let mut follow_up = new("next");
        follow_up.plan.unique = "next".parse().ok();
        let complete =
            |follow_ups| world.queue.complete_and_enqueue(id, holder(), None, follow_ups, &world.turn()).unwrap();
        let first = complete(vec![follow_up.clone()]).enqueued[0].task.clone();
        // As an agent leaves it that dies before its completion.
        let blocked = layout::home(&Entry::first(&first), &first.record.queue).file(Entry::first(&first).to_string());
        world.queue.store().make_dir(&blocked.dir).unwrap();
        world.queue.store().rename(&place(&layout::TimedDir::ready(), first.id), &blocked).unwrap();
        world.queue.store().rename(&place(&layout::state_dir(StateDir::Done), id), &held).unwrap();
        world.pass(11);
        world.claims(id);
        let again = complete(if adopts { vec![follow_up] } else { Vec::new() });
        if adopts {
            assert_eq!((again.enqueued[0].task.id, again.enqueued[0].deduplicated), (first.id, true));
            world.claims(first.id);
            world.complete(first.id);
        } else {
            assert_eq!(world.status(first.id), Status::Cancelled);
        }
    }
}

#[test]
fn of_the_tasks_with_one_key_one_lives() {
    let world = World::new();
    let keyed = |queue: &'static str| {
        move |new: &mut NewTask| {
            new.plan.unique = "nightly".parse().ok();
            new.queue = queue.parse().unwrap();
        }
    };
    let first = world.enqueue_with("nightly", keyed("q")).unwrap();
    assert_eq!(world.enqueue_with("again", keyed("q")), Ok(first));
    let other = world.enqueue_with("nightly", keyed("other")).unwrap();
    assert_ne!(first, other);
    world.claims(first);
    assert_eq!(world.enqueue_with("while it runs", keyed("q")), Ok(first));
    world.fail(first, "broke");
    let second = world.enqueue_with("tomorrow", keyed("q")).unwrap();
    assert_ne!(first, second);
    let taken = Error::KeyTaken { id: first, status: Status::Failed, by: second };
    assert_eq!(world.queue.retry(first, Retrying::default(), &world.turn()), Err(taken));
    world.claims(other);
    world.claims(second);
    world.complete(second);
    assert!(world.queue.retry(first, Retrying::default(), &world.turn()).is_ok());
    assert_eq!(world.enqueue_with("again", keyed("q")), Ok(first));
    world.assert_healthy();
}

#[test]
fn a_batch_is_enqueued_in_order_and_not_at_all_if_a_parent_is_missing() {
    let world = World::new();
    let tasks: Vec<NewTask> = (0..600).map(|number| new(&format!("task {number}"))).collect();
    let mut batch = Batch::new(tasks.clone());
    let mut enqueued = Vec::new();
    while let Some(step) = batch.step(&world.queue, &world.turn()).unwrap() {
        assert!(step.len() <= limits::BATCH_STEP);
        enqueued.extend(step);
    }
    assert_eq!(enqueued.len(), 600);
    let mut buckets: BTreeMap<Dir, usize> = BTreeMap::new();
    for path in world.queue.store().files() {
        *buckets.entry(path.dir).or_default() += usize::from(path.name.contains(".ready."));
    }
    assert!(buckets.values().all(|names| *names <= 128), "{buckets:?}");
    for one in enqueued {
        world.claims(one.task.id);
    }
    let mut tasks = tasks;
    tasks[599].plan.after = vec![TaskId::of_canonical(b"nobody")];
    let mut batch = Batch::new(tasks);
    assert!(matches!(batch.step(&world.queue, &world.turn()), Err(Error::NoParent { .. })));
    assert_eq!(world.queue.tasks(&Filter::default(), world.now()).unwrap().counts.total(), 600);
}

#[test]
fn a_claim_chooses_by_tags_and_queues_in_order() {
    let world = World::new();
    let tagged = |title: &str, words: &[&str], queue: &str, priority| {
        world
            .enqueue_with(title, |new| {
                new.tags = tags(words);
                new.queue = queue.parse().unwrap();
                new.priority = priority;
            })
            .unwrap()
    };
    let long = ["a-tag-that-is-longer", "than-there-is-room-for"];
    let plain = tagged("plain", &[], "q", 0);
    let rust = tagged("rust", &["rust"], "q", 0);
    let both = tagged("both", &["rust", "gpu"], "r", 5);
    let overflowed = tagged("overflowed", &long, "r", 0);
    let request = |queues: &[&str], all: &[&str], any: &[&str], none: &[&str]| ClaimRequest {
        queues: queues.iter().map(|queue| queue.parse().unwrap()).collect(),
        choice: Choice { all: tags(all), any: tags(any), none: tags(none) },
        ..ClaimRequest::any(agent(), 10)
    };
    let next = |request: &ClaimRequest| {
        let claimed = world.claim_as(request)?.task.id;
        world.queue.release(claimed, holder(), 0, &world.turn()).unwrap();
        Some(claimed)
    };
    assert_eq!(next(&request(&[], &["rust"], &[], &[])), Some(both));
    assert_eq!(next(&request(&[], &["rust"], &[], &["gpu"])), Some(rust));
    assert_eq!(next(&request(&["q"], &[], &["gpu", "rust"], &[])), Some(rust));
    assert_eq!(next(&request(&["q", "r"], &[], &[], &["rust"])), Some(plain));
    assert_eq!(next(&request(&[], &[long[1]], &[], &[])), Some(overflowed));
    assert_eq!(next(&request(&[], &["rust", "cpu"], &[], &[])), None);
    world.assert_healthy();
}

#[test]
fn a_holder_is_asked_to_stop_and_told_by_whom_and_why() {
    let world = World::new();
    let id = world.enqueue("long");
    world.claims(id);
    let asking = Cancelling {
        run_id: "boss".parse().unwrap(),
        if_held: IfHeld::Request,
        reason: "the branch is gone".parse().ok(),
    };
    world.queue.cancel(id, asking, &world.turn()).unwrap();
    let progress = Progress { progress: Some(0.5), note: "half".parse().ok() };
    let kept = world
        .queue
        .heartbeat(id, holder(), Renewing { progress: Some(progress.clone()), ..Renewing::default() }, &world.turn())
        .unwrap();
    assert!(kept.cancel.cancel_requested);
    assert_eq!(kept.cancel.cancel_requested_by.as_deref(), Some("boss"));
    assert_eq!(kept.cancel.cancel_reason.as_deref(), Some("the branch is gone"));
    assert_eq!(world.item(id).progress, Some(progress));
    world.queue.release(id, holder(), 0, &world.turn()).unwrap();
    assert_eq!(world.status(id), Status::Cancelled);
    world.assert_healthy();

    let id = world.enqueue("silent");
    world.claims(id);
    let asking = Cancelling::new("boss".parse().unwrap(), IfHeld::Request);
    world.queue.cancel(id, asking, &world.turn()).unwrap();
    world.pass(11);
    assert!(world.claim().is_none());
    assert_eq!(world.status(id), Status::Cancelled);
    world.assert_healthy();
}

#[test]
fn only_the_latest_progress_is_kept() {
    let world = World::new();
    let id = world.enqueue_with("long", attempts(2, 0)).unwrap();
    world.claims(id);
    world.fail(id, "once");
    world.pass(1);
    world.claims(id);
    for step in 1..=4 {
        report_progress(&world, id, f64::from(step) / 4.0);
    }
    assert_eq!(
        world.history(id).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [ReportKind::Failed, ReportKind::Progress]
    );
    assert_eq!(world.item(id).progress.unwrap().progress, Some(1.0));
    world.assert_healthy();
}

fn report_progress(world: &World, id: TaskId, progress: f64) {
    let progress = Some(Progress { progress: Some(progress), note: None });
    world.queue.heartbeat(id, holder(), Renewing { progress, ..Renewing::default() }, &world.turn()).unwrap();
}

#[test]
fn progress_that_is_replaced_while_it_is_listed_is_not_lost() {
    let world = World::new();
    let ids = ["first", "second", "third"].map(|title| world.enqueue(title));
    for id in ids {
        world.claims(id);
        report_progress(&world, id, 0.25);
    }
    let move_on = || {
        report_progress(&world, ids[1], 0.5);
        report_progress(&world, ids[2], 0.5);
        world.fail(ids[2], "broken");
    };
    let mut list = world.queue.list(&Filter::default(), world.now()).unwrap();
    move_on();
    let mut listed = || list.next(&world.queue).unwrap().unwrap().progress.and_then(|progress| progress.progress);
    assert_eq!([listed(), listed(), listed()], [Some(0.25), Some(0.5), None]);
    assert_eq!(list.end(&world.queue).1, []);
}

#[test]
fn progress_that_is_replaced_while_changes_are_told_is_not_lost() {
    let world = World::new();
    let ids = ["first", "second"].map(|title| world.enqueue(title));
    for id in ids {
        world.claims(id);
        report_progress(&world, id, 0.25);
    }
    let mut told = Vec::new();
    let mut watch = TaskWatch::new(None, Vec::new());
    let findings = watch.step_by_step(&world.queue, world.now(), |change| {
        report_progress(&world, ids[1], 0.5);
        told.push(change.item.unwrap().progress.unwrap().progress);
        Ok::<_, Error>(())
    });
    assert_eq!((told, findings.unwrap()), (vec![Some(0.25), Some(0.5)], vec![]));
}

#[test]
fn a_result_that_came_too_late_is_kept_for_the_next_holder() {
    let world = World::new();
    let id = world.enqueue("slow");
    world.claims(id);
    world.pass(11);
    let other = ClaimRequest::any("other".parse().unwrap(), 10);
    assert_eq!(world.claim_as(&other).unwrap().late_results, []);
    let result = JsonObject::parse("{\"pr\":42}").ok();
    let late = world.queue.complete(id, holder(), result.clone(), &world.turn()).unwrap_err();
    assert_eq!(late.code(), "lease_lost");
    assert!(world.queue.complete(id, holder(), result.clone(), &world.turn()).is_err());
    world.pass(11);
    let claimed = world.claim().unwrap();
    assert_eq!(claimed.late_results.len(), 1, "one for each that was late");
    assert_eq!((claimed.late_results[0].run_id.as_str(), &claimed.late_results[0].result), ("agent", &result));
    assert_eq!(world.queue.show(id, world.now()).unwrap().late_results, claimed.late_results);
    world.complete(id);
    assert!(world.item(id).result.is_none(), "it does not count");
    world.assert_healthy();
}

#[test]
fn a_result_that_came_after_the_next_attempt_had_failed_is_kept_too() {
    let world = World::new();
    let id = world.enqueue_with("slow", attempts(3, 5)).unwrap();
    let (slow, result) = (ClaimRequest::any("slow".parse().unwrap(), 10), JsonObject::parse("{\"pr\":42}").ok());
    let complete = || {
        let claimant = Claimant { run_id: slow.run_id.clone(), nonce: None };
        world.queue.complete(id, claimant, result.clone(), &world.turn()).unwrap_err()
    };
    assert_eq!(complete().code(), "not_claimed");
    assert_eq!(world.queue.show(id, world.now()).unwrap().late_results, [], "nobody had held it");
    world.claim_as(&slow).unwrap();
    world.pass(11);
    world.claims(id);
    world.fail(id, "broke");
    assert_eq!(complete().code(), "not_claimed");
    let late_results = world.queue.show(id, world.now()).unwrap().late_results;
    assert_eq!((late_results.len(), &late_results[0].result), (1, &result));
    world.pass(60);
    world.claims(id);
    world.fail(id, "broke again");
    assert_eq!((world.status(id), complete().code()), (Status::Failed, "already_terminal"));
    world.queue.retry(id, Retrying::default(), &world.turn()).unwrap();
    assert_eq!(world.claim().unwrap().late_results, late_results, "one for each that was late");
    world.assert_healthy();
}

#[test]
fn nothing_is_claimed_of_a_paused_queue_and_no_more_than_allowed_of_a_limited_one() {
    let world = World::new();
    let queue: QueueName = "q".parse().unwrap();
    let ids: Vec<TaskId> = (0..3)
        .map(|number| world.enqueue_with(&format!("{number}"), |new| new.queue = "q".parse().unwrap()).unwrap())
        .collect();
    assert_eq!(world.queue.pause(&queue, &world.turn()), Ok(true));
    assert_eq!(world.queue.pause(&queue, &world.turn()), Ok(false));
    assert!(world.claim().is_none());
    let other = world.enqueue("elsewhere");
    world.claims(other);
    assert_eq!((world.queue.resume(&queue), world.queue.resume(&queue)), (Ok(true), Ok(false)));
    world.queue.limit_in_flight(&queue, Some(5), &world.turn()).unwrap();
    world.queue.limit_in_flight(&queue, Some(2), &world.turn()).unwrap();
    world.claims(ids[0]);
    world.claims(ids[1]);
    assert!(world.claim().is_none());
    world.complete(ids[0]);
    world.claims(ids[2]);
    assert_eq!(world.queue.settings().unwrap().max_in_flight, [(queue.clone(), 2)].into());
    world.queue.limit_in_flight(&queue, None, &world.turn()).unwrap();
    assert!(world.queue.settings().unwrap().max_in_flight.is_empty());
    world.assert_healthy();
}

#[test]
fn a_wait_ends_when_the_tasks_have_or_are_gone() {
    let world = World::new();
    let ids = [world.enqueue("a"), world.enqueue("b")];
    let mut all = WaitingEnd::new(ids.to_vec(), Until::All, Duration::from_secs(9));
    let mut any = WaitingEnd::new(ids.to_vec(), Until::Any, Duration::from_secs(9));
    let step =
        |wait: &mut WaitingEnd, seconds| wait.step(&world.queue, Duration::from_secs(seconds), &world.turn()).unwrap();
    let (done, [first_shard, second_shard]) = (Dir::root().child("done"), ids.map(|id| shard_of(StateDir::Done, id)));
    // Where names are ordered an enqueue need not have made them.
    for shard in [&first_shard, &second_shard] {
        world.queue.store().remove_dir(shard).unwrap();
    }
    assert!(matches!((step(&mut all, 0), step(&mut any, 0)), (EndStep::Sleep(_), EndStep::Sleep(_))));
    // On an engine, directories are always there.
    // On an engine it is there.
    assert!(is_engine() || all.watched().all(|dir| dir == done), "a shard that is not there comes into the directory");
    world.claims(ids[0]);
    world.complete(ids[0]);
    let untold = if is_engine() { limits::LOOK_EVERY_ON_ENGINE } else { limits::LOOK_FOR_ENDS_EVERY };
    assert!(matches!(step(&mut all, 1), EndStep::Sleep(time) if time == untold));
    all.notice(Notice::Every);
    assert!(matches!(step(&mut all, 1), EndStep::Sleep(time) if time == limits::LOOK_EVERY_WHEN_TOLD));
    let watched: Vec<Dir> = all.watched().collect();
    assert_eq!(watched, [if first_shard == second_shard || is_engine() { second_shard } else { done }]);
    let EndStep::Done(first) = step(&mut any, 1) else { panic!("one has ended") };
    let statuses = |tasks: &[(TaskId, Option<Item>)]| {
        tasks.iter().map(|(_, item)| item.as_ref().map(|item| item.status)).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&first.tasks), [Some(Status::Completed), Some(Status::Pending)]);
    assert!(first.is_over);
    let EndStep::Done(given_up) = step(&mut all, 9) else { panic!("its time is over") };
    assert!(!given_up.is_over);
    let short = world.enqueue_with("short", |new| new.ttl_seconds = 5).unwrap();
    let fatal = world.enqueue_with("fatal", attempts(1, 0)).unwrap();
    world.claims(ids[1]);
    world.complete(ids[1]);
    let any = ClaimRequest { choice: Choice::default(), ..ClaimRequest::any(agent(), 10) };
    assert_eq!(world.claim_as(&any).unwrap().task.id, short);
    world.queue.release(short, holder(), 0, &world.turn()).unwrap();
    let expiring = world.enqueue_with("expiring", |new| new.ttl_seconds = 5).unwrap();
    let mut by_themselves = WaitingEnd::new(vec![expiring, fatal], Until::All, Duration::from_secs(99));
    assert!(matches!(step(&mut by_themselves, 0), EndStep::Sleep(_)));
    world.claims(short);
    world.claims(fatal);
    world.pass(20);
    assert!(
        matches!(step(&mut by_themselves, 20), EndStep::Done(waited) if waited.is_over),
        "nobody claims, nobody reports"
    );
    let mut gone = WaitingEnd::new(vec![TaskId::of_canonical(b"nobody")], Until::All, Duration::from_secs(9));
    let EndStep::Done(gone) = step(&mut gone, 0) else { panic!("there is none") };
    assert!(gone.is_over && gone.tasks[0].1.is_none());
}

#[test]
fn a_watch_tells_what_there_is_and_then_what_changes() {
    let world = World::new();
    let first = world.enqueue("a");
    world.enqueue_with("elsewhere", |new| new.queue = "other".parse().unwrap()).unwrap();
    let mut watch = TaskWatch::new(Some(QueueName::default_queue()), Vec::new());
    let step = |watch: &mut TaskWatch| {
        let (changes, _) = watch.step(&world.queue, world.now()).unwrap();
        changes.into_iter().map(|Change { id, item }| (id, item.map(|item| item.status))).collect::<Vec<_>>()
    };
    assert_eq!(step(&mut watch), [(first, Some(Status::Pending))]);
    assert_eq!(step(&mut watch), []);
    let second = world.enqueue("b");
    world.claims(first);
    world.complete(first);
    assert_eq!(step(&mut watch), [(first, Some(Status::Completed)), (second, Some(Status::Pending))]);
    world.pass(100);
    let gc = Gc { older_than_seconds: 50, keep_last: 0, dry_run: false };
    world.queue.gc(gc, &world.turn()).unwrap();
    assert_eq!(step(&mut watch), [(first, None)]);
}

#[test]
fn what_ended_long_ago_is_removed_if_somebody_asks_for_it() {
    let world = World::new();
    let old: Vec<TaskId> = (0..3)
        .map(|_| {
            let id = world.enqueue_with("old", |new| new.plan.unique = "key".parse().ok()).unwrap();
            world.claims(id);
            world.fail(id, "broke");
            world.pass(10);
            id
        })
        .collect();
    let waited_for = world.enqueue("parent");
    world.claims(waited_for);
    world.fail(waited_for, "broke");
    world.after("child", &[waited_for], IfParentFails::Block);
    world.pass(1_000);
    let fresh = world.enqueue("fresh");
    world.claims(fresh);
    world.complete(fresh);
    let gc =
        |keep_last, dry_run| world.queue.gc(Gc { older_than_seconds: 500, keep_last, dry_run }, &world.turn()).unwrap();
    assert_eq!((gc(0, true).removed, gc(3, true).removed), (3, 2));
    assert_eq!((gc(0, false).removed, gc(0, false).removed), (3, 0));
    for id in old {
        assert_eq!(world.queue.show(id, world.now()).unwrap_err(), Error::NotFound { id });
    }
    assert_eq!(world.status(waited_for), Status::Failed);
    world.assert_healthy();
    let names = world.queue.store().files().into_iter().map(|path| path.to_string()).collect::<Vec<_>>();
    assert!(!names.iter().any(|name| name.starts_with("purged/")), "{names:?}");
    // Somebody may be about to go on from this number.
    assert_eq!(names.iter().filter(|name| name.starts_with("unique/") && name.ends_with("/3.json")).count(), 1);
    assert!(world.enqueue_with("new", |new| new.plan.unique = "key".parse().ok()).is_ok());
    world.assert_healthy();
}

#[test]
fn an_export_brings_everything_back_under_its_id() {
    let world = World::new();
    let long: RunId = "r".repeat(200).parse().unwrap();
    let ended = world.enqueue_with("ended", attempts(2, 0)).unwrap();
    world.claims(ended);
    world.fail(ended, "once");
    world.pass(1);
    assert!(world.claim_as(&ClaimRequest::any(long.clone(), 10)).is_some());
    let result = JsonObject::parse("{\"n\":1.10}").ok();
    world.queue.complete(ended, Claimant { run_id: long, nonce: None }, result.clone(), &world.turn()).unwrap();
    let waits = world.enqueue_with("waits", |new| new.tags = tags(&["t"])).unwrap();
    let held = world.enqueue("held");
    let later = world.enqueue_with("later", |new| new.plan.start = Start::After(50)).unwrap();
    let child = world.after("child", &[held], IfParentFails::Cancel);
    world.claims(waits);
    world.queue.release(waits, holder(), 0, &world.turn()).unwrap();
    let mut lines = Vec::new();
    world
        .queue
        .export::<Error>(&world.turn(), |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();

    let copy = World::new();
    copy.now.set(world.now.get());
    // What a task waits for comes first, here and in the export.
    let ends_first = |line: &String| (line.contains("blocked"), !line.contains("completed"));
    lines.sort_by_key(ends_first);
    for line in &lines {
        assert!(matches!(copy.queue.import(line, &copy.turn()), Ok(Imported::Now(_))));
        assert!(matches!(copy.queue.import(line, &copy.turn()), Ok(Imported::Already(_))));
    }
    for id in [ended, waits, held, later, child] {
        assert_eq!(copy.status(id), world.status(id));
    }
    assert_eq!((copy.item(ended).result, copy.history(ended)), (result, world.history(ended)));
    copy.claims(waits);
    copy.claims(held);
    copy.complete(held);
    copy.claims(child);
    copy.assert_healthy();
    assert!(copy.queue.import("{}", &copy.turn()).is_err());
    let forged = lines[0].replace("ended", "forged").replace("waits", "forged").replace("child", "forged");
    assert!(copy.queue.import(&forged, &copy.turn()).is_err());
}

#[test]
fn a_listing_goes_on_where_the_last_one_stopped_in_any_order() {
    let world = World::new();
    let ids: Vec<TaskId> = (0..7)
        .map(|number| {
            world
                .enqueue_with(&format!("task {number}"), |new| {
                    new.priority = number % 3;
                    new.tags = tags(if number % 2 == 0 { &["even"] } else { &[] });
                })
                .unwrap()
        })
        .collect();
    world.claims(ids[2]);
    world.complete(ids[2]);
    for sort in Sort::ALL {
        for limit in [2, 3, 7] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let filter = Filter { sort, limit, cursor, ..Filter::default() };
                let listing = world.queue.tasks(&filter, world.now()).unwrap();
                seen.extend(listing.items.iter().map(|item| item.task.id));
                cursor = listing.next;
                if cursor.is_none() {
                    break;
                }
            }
            let mut all = seen.clone();
            all.sort();
            all.dedup();
            assert_eq!((seen.len(), all.len()), (7, 7), "{sort:?} {limit}");
        }
    }
    let listed = |filter: Filter| world.queue.tasks(&filter, world.now()).unwrap().items.len();
    assert_eq!(listed(Filter { tags: tags(&["even"]), ..Filter::default() }), 4);
    assert_eq!(listed(Filter { ended_since: Some(Timestamp::from_micros(0)), ..Filter::default() }), 1);
    assert_eq!(listed(Filter { since: Some(world.now()), ..Filter::default() }), 0);
}

#[test]
fn figures_are_by_queue_and_of_a_window() {
    let world = World::new();
    let id = world.enqueue("a");
    world.pass(3);
    world.claims(id);
    world.pass(5);
    world.complete(id);
    world.enqueue_with("b", |new| new.queue = "other".parse().unwrap()).unwrap();
    world.queue.pause(&"other".parse().unwrap(), &world.turn()).unwrap();
    let stats = world.queue.stats(60, world.now()).unwrap();
    let figures = &stats.queues[&QueueName::default_queue()];
    let median = |times: Option<Percentiles>| times.map(|times| (times.count, times.p50));
    // Each operation takes a microsecond.
    assert_eq!((median(figures.wait), median(figures.run)), (Some((1, 3.000001)), Some((1, 5.000001))));
    let other = &stats.queues[&"other".parse().unwrap()];
    assert!(other.is_paused && other.oldest_pending_since.is_some() && other.counts.of(Status::Pending) == 1);
    world.pass(100);
    assert!(!world.queue.stats(60, world.now()).unwrap().queues.contains_key(&QueueName::default_queue()));
}

#[test]
fn a_refusal_says_where_the_task_stands_and_not_that_it_is_pending() {
    let world = World::new();
    let parent = world.enqueue("first");
    let blocked = world.after("second", &[parent], IfParentFails::Cancel);
    let scheduled = world.enqueue_with("later", |new| new.plan.start = Start::After(3_600)).unwrap();
    let complete = |id| world.queue.complete(id, holder(), None, &world.turn()).unwrap_err();
    let waits = format!("it is blocked: nobody can claim it before task {parent} has ended");
    for (id, says, code) in
        [(parent, "it is pending: claim it first", "not_claimed"), (blocked, waits.as_str(), "not_claimed")]
    {
        let error = complete(id);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.code(), code);
        assert_eq!(error.task_status(), Some(world.status(id)));
    }
    let error = complete(scheduled);
    assert!(error.to_string().contains("it is scheduled for 20"), "{error}");
    let back = world.queue.retry(blocked, Retrying::default(), &world.turn()).unwrap_err();
    assert!(back.to_string().contains("it is blocked and has not ended"), "{back}");
    assert_eq!(back.task_status(), Some(Status::Blocked));
}

#[test]
fn a_request_that_ends_the_task_is_told_as_a_cancel() {
    let world = World::new();
    let (pending, own) = (world.enqueue("pending"), world.enqueue_with("own", |new| new.priority = 1).unwrap());
    world.claims(own);
    for (id, run_id) in [(pending, "boss"), (own, "agent")] {
        let reason = Some("not needed".parse().unwrap());
        let request = Cancelling { reason, ..Cancelling::new(run_id.parse().unwrap(), IfHeld::Request) };
        let record = world.queue.cancel(id, request, &world.turn()).unwrap();
        assert_eq!(record.status, Status::Cancelled);
        assert_eq!(record.reason.unwrap().as_str(), "not needed");
        let shown = world.queue.show(id, world.now()).unwrap();
        let kinds: Vec<ReportKind> = shown.history.iter().map(|report| report.kind).collect();
        assert_eq!(kinds, [ReportKind::Cancelled]);
        assert_eq!(shown.item.reason.unwrap().as_str(), "not needed");
    }
}

#[test]
fn a_cursor_of_another_order_is_refused_and_says_of_which_it_is() {
    let world = World::new();
    (0..3).for_each(|number| _ = world.enqueue(&number.to_string()));
    for made in Sort::ALL {
        let listing = Filter { sort: made, limit: 1, ..Filter::default() };
        let cursor = world.queue.tasks(&listing, world.now()).unwrap().next.unwrap().to_string();
        for asked in Sort::ALL {
            let (sort, cursor) = (Some(asked.as_str().to_string()), Some(cursor.clone()));
            let checked = FilterDraft { sort, cursor, ..FilterDraft::default() }.check();
            assert_eq!(checked.is_ok(), made == asked, "{made:?} {asked:?}");
            let Err(bad) = checked else { continue };
            assert_eq!(bad.code(), "bad_args");
            assert_eq!(bad, BadRequest::CursorOfAnotherSort { of: made, sort: asked });
        }
    }
}
