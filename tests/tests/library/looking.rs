//! Choosing tasks, listing them, waiting for them, and what those have who look after the directory.

use std::time::Instant;

use crate::component::bindings::exports::muse::coord::admin::{GcOptions, QueueSettings};
use crate::component::bindings::exports::muse::coord::queue::{ClaimOptions, Filter, IfHeld, NewTask, Until};
use crate::component::bindings::exports::muse::coord::types::{Error, Sort, Status};
use crate::component::{Library, claim_by, every_task, titled};
use coord_tests::Repo;

use crate::library;

const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Adds a task to a queue, with tags, and tells its id.
fn add(library: &mut Library, title: &str, queue: &str, tags: &[&str]) -> String {
    let new = NewTask { queue: Some(queue.into()), tags: words(tags), ..titled(title) };
    library.enqueue(&new).unwrap().unwrap().task_id
}

fn claimed(library: &mut Library, options: &ClaimOptions) -> Option<String> {
    let lease = library.claim(options).unwrap().unwrap()?;
    Some(library.task(lease).unwrap().title)
}

#[test]
fn a_claim_chooses_by_queues_and_tags_and_keeps_the_order_among_what_matches() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let tasks: [(&str, &str, &[&str]); 5] = [
        ("1", "x", &["rust"]),
        ("2", "y", &["rust", "wasm"]),
        ("3", "z", &["wasm", "a tag that is too long for a name"]),
        ("4", "x", &["js"]),
        ("5", "z", &[]),
    ];
    for (title, queue, tags) in tasks {
        add(&mut library, title, queue, tags);
    }
    let any = claim_by("a");
    let choices = [
        (ClaimOptions { queues: words(&["none"]), ..any.clone() }, None),
        (ClaimOptions { tags: words(&["rust", "js"]), ..any.clone() }, None),
        (ClaimOptions { tags: words(&["wasm"]), exclude_tags: words(&["rust"]), ..any.clone() }, Some("3")),
        (ClaimOptions { any_tags: words(&["js", "wasm"]), ..any.clone() }, Some("2")),
        (ClaimOptions { queues: words(&["z", "x"]), exclude_tags: words(&["rust"]), ..any.clone() }, Some("4")),
        (ClaimOptions { queues: words(&["z", "x"]), ..any.clone() }, Some("1")),
        (ClaimOptions { tags: words(&["rust"]), ..any.clone() }, None),
        (any, Some("5")),
    ];
    for (options, title) in choices {
        assert_eq!(claimed(&mut library, &options).as_deref(), title, "{options:?}");
    }
}

#[test]
fn a_listing_goes_on_where_the_one_before_stopped_in_every_order() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let ids: Vec<_> = (0..5).map(|number| add(&mut library, &number.to_string(), "q", &["t"])).collect();
    add(&mut library, "other", "q", &[]);
    for place in [3, 1] {
        library.cancel(&ids[place], "boss", IfHeld::Refuse).unwrap().unwrap();
    }
    let orders = [
        (None, ["0", "1", "2", "3", "4"]),
        (Some(Sort::Created), ["0", "1", "2", "3", "4"]),
        (Some(Sort::CreatedLast), ["4", "3", "2", "1", "0"]),
        (Some(Sort::Ended), ["3", "1", "0", "2", "4"]),
        (Some(Sort::EndedLast), ["4", "2", "0", "1", "3"]),
    ];
    for (sort, titles) in orders {
        let mut filter = Filter { tags: words(&["t"]), sort, limit: Some(2), ..every_task() };
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let listing = library.tasks(&filter).unwrap().unwrap();
            seen.extend(listing.items.into_iter().map(|item| item.task.title));
            assert_eq!(listing.truncated, listing.next_cursor.is_some());
            pages += 1;
            filter.cursor = listing.next_cursor;
            if filter.cursor.is_none() {
                break;
            }
        }
        assert_eq!((seen.as_slice(), pages), (words(&titles).as_slice(), 3), "{sort:?}");
    }
    for cursor in ["", "x", "0.0.0", "../.."] {
        let filter = Filter { cursor: Some(cursor.into()), ..every_task() };
        assert!(matches!(library.tasks(&filter).unwrap(), Err(Error::BadArgs(_))), "{cursor}");
    }
}

#[test]
fn tasks_are_found_by_when_they_came_and_when_they_ended() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let first = add(&mut library, "first", "q", &[]);
    let second = add(&mut library, "second", "q", &[]);
    let since = library.item(&second).unwrap().unwrap().task.created_at;
    library.cancel(&first, "boss", IfHeld::Refuse).unwrap().unwrap();
    let ended_at = library.item(&first).unwrap().unwrap().ended_at.unwrap();
    let mut titles = |filter: Filter| -> Vec<String> {
        library.tasks(&filter).unwrap().unwrap().items.into_iter().map(|item| item.task.title).collect()
    };
    assert_eq!(titles(Filter { since: Some(since), ..every_task() }), ["second"]);
    assert_eq!(titles(Filter { ended_since: Some(ended_at), ..every_task() }), ["first"]);
    assert!(titles(Filter { ended_since: Some(ended_at + 1), ..every_task() }).is_empty());
    assert!(titles(Filter { since: Some(u64::MAX), ..every_task() }).is_empty());
}

#[test]
fn who_waits_for_ends_is_told_how_each_task_stands() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let [one, other] = ["one", "other"].map(|title| add(&mut library, title, "q", &[]));
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
    let refused = library.wait(&[], Until::All, Some(3_601)).unwrap();
    assert_eq!(refused, Err(Error::BadArgs("timeout-seconds must be between 0 and 3600, got 3601".into())));
}

#[test]
fn a_paused_queue_gives_nothing_until_it_is_resumed_and_a_limited_one_so_many_at_once() {
    let repo = Repo::new();
    let mut library = library(&repo);
    for title in ["1", "2", "3"] {
        add(&mut library, title, "q", &[]);
    }
    assert_eq!(library.pause("q").unwrap(), Ok(true));
    assert_eq!(library.pause("q").unwrap(), Ok(false));
    let paused = QueueSettings { queue: "q".into(), paused: true, max_in_flight: None };
    assert_eq!(library.settings().unwrap(), Ok(vec![paused]));
    assert_eq!(claimed(&mut library, &claim_by("a")), None);
    repo.coord("resume q").succeeded();
    assert_eq!(library.resume_queue("q").unwrap(), Ok(false));

    library.limit("q", Some(2)).unwrap().unwrap();
    let limited = QueueSettings { queue: "q".into(), paused: false, max_in_flight: Some(2) };
    assert_eq!(library.settings().unwrap(), Ok(vec![limited]));
    let leases = library.claim_many(&claim_by("a"), 3).unwrap().unwrap();
    assert_eq!(leases.len(), 2);
    library.complete(leases[0], None).unwrap().unwrap();
    assert_eq!(claimed(&mut library, &claim_by("b")).as_deref(), Some("3"));
    library.limit("q", None).unwrap().unwrap();
    assert_eq!(library.settings().unwrap(), Ok(vec![]));
    assert!(matches!(library.limit("q", Some(0)).unwrap(), Err(Error::BadArgs(_))));
}

#[test]
fn figures_are_by_queue_and_what_ended_long_ago_is_removed_on_demand() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let [done, kept] = ["done", "kept"].map(|title| add(&mut library, title, "q", &[]));
    for id in [&done, &kept] {
        assert_eq!(claimed(&mut library, &claim_by("a")).as_deref(), Some(if *id == done { "done" } else { "kept" }));
        let lease = library.resume(id, "a", None).unwrap().unwrap();
        library.complete(lease, None).unwrap().unwrap();
    }
    let waiting = add(&mut library, "waiting", "r", &[]);
    library.pause("r").unwrap().unwrap();
    let figures = library.stats(None).unwrap().unwrap();
    assert_eq!((figures.counts.completed, figures.counts.pending), (2, 1));
    let [q, r] = figures.queues.as_slice() else { panic!("{figures:?}") };
    assert_eq!((q.queue.as_str(), q.counts.completed, q.run_seconds.map(|run| run.count)), ("q", 2, Some(2)));
    assert!(q.wait_seconds.is_some_and(|wait| wait.p50 <= wait.max && wait.max < 60.0), "{q:?}");
    let created_at = library.item(&waiting).unwrap().unwrap().task.created_at;
    assert_eq!((r.paused, r.oldest_pending_since, r.run_seconds), (true, Some(created_at), None));

    let mut gc = |older_than_seconds, dry_run| {
        let collected = library.gc(GcOptions { older_than_seconds, keep_last: Some(1), dry_run }).unwrap().unwrap();
        (collected.removed, collected.kept)
    };
    assert_eq!([gc(3_600, false), gc(0, true), gc(0, false), gc(0, false)], [(0, 2), (1, 1), (1, 1), (0, 1)]);
    assert_eq!(library.show(&done).unwrap(), Err(Error::NotFound(done.clone())));
    assert_eq!(library.item(&kept).unwrap().unwrap().status, Status::Completed);
    assert_eq!(library.wait(&[&done], Until::All, Some(60)).unwrap().unwrap().items[0].item, None);
}
