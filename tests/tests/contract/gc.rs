//! `gc`: what has ended long enough ago is removed, and nothing else.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

use crate::with_each;

#[test]
fn only_what_has_ended_long_enough_ago_is_removed() {
    let repo = Repo::new();
    let [first, second, _] = ["first", "second", "third"].map(|title| repo.enqueue(title));
    repo.given([format!("cancel-task {first} --run-id a"), format!("cancel-task {second} --run-id a")]);
    assert_snapshot!(repo.session([
        "gc --older-than 7d",
        "gc --older-than 0 --dry-run",
        "gc --older-than 0 --keep-last 1 --json",
        "gc --older-than 0",
    ]), @r#"
    $ muse coord gc --older-than 7d

    🧹 0 ended task(s) removed
      Kept:       2 ended task(s)

      (<s>)
    exit 0

    $ muse coord gc --older-than 0 --dry-run

    🧹 2 ended task(s) would be removed; nothing was changed
      Kept:       0 ended task(s)

      (<s>)
    exit 0

    $ muse coord gc --older-than 0 --keep-last 1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "dry_run":false,"removed":1,"kept":1,"warnings":[]}
    exit 0

    $ muse coord gc --older-than 0

    🧹 1 ended task(s) removed
      Kept:       0 ended task(s)

      (<s>)
    exit 0
    "#);
    let tasks = repo.tasks();
    assert_eq!((&tasks["total"], &tasks["pending"]), (&json!(1), &json!(1)));
    repo.coord(&format!("show {first}")).ended_with(1);
    repo.coord("doctor").succeeded();
}

#[test]
fn the_last_to_end_is_kept() {
    let repo = Repo::new();
    let [first, second] = ["first", "second"].map(|title| repo.enqueue(title));
    repo.given([format!("cancel-task {second} --run-id a"), format!("cancel-task {first} --run-id a")]);
    repo.coord("gc --older-than 0 --keep-last 1").succeeded();
    assert_eq!(repo.tasks()["items"][0]["title"], "first");
}

#[test]
fn how_old_has_to_be_said_and_bad_values_are_refused() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["gc", "gc --older-than 1d --keep-last -1"]), @"
    $ muse coord gc
    2> error: the following required arguments were not provided:
    2>   --older-than <DURATION>
    2> 
    2> Usage: muse coord gc --older-than <DURATION>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord gc --older-than 1d --keep-last -1
    2> ❌ --keep-last must be between 0 and 9223372036854775807, got -1
    exit 1
    ");
    assert_snapshot!(with_each(&repo, "gc", "--older-than", ["-1", "315360001"]), @"
    $ muse coord gc --older-than -1
    2> ❌ --older-than must be between 0 and 315360000, got -1
    exit 1

    $ muse coord gc --older-than 315360001
    2> ❌ --older-than must be between 0 and 315360000, got 315360001
    exit 1
    ");
}
