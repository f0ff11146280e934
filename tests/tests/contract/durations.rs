//! Durations: seconds, or a number with its unit, wherever seconds are asked for.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use coord_tests::{Repo, micros};
use insta::assert_snapshot;
use serde_json::Value;

use crate::with_each;

#[test]
fn a_duration_is_seconds_or_a_number_with_its_unit() {
    let repo = Repo::new();
    for (given, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7_200), ("1h30m", 5_400), ("7d", 604_800)] {
        let task = repo.coord(&format!("enqueue t --ttl {given} --delay {given} --json")).succeeded().json();
        assert_eq!(task["ttl_seconds"], seconds);
        assert_eq!(seconds_between(&task["created_at"], &task["scheduled_at"]), seconds);
    }
    repo.enqueue("now");
    let claim = repo.coord("claim --run-id a --claim-ttl 15m --wait 1s --json").succeeded().json();
    assert_eq!(seconds_between(&claim["claimed_at"], &claim["expires_at"]), 900);
    let id = claim["task_id"].as_str().unwrap();
    let kept = repo.coord(&format!("heartbeat {id} --run-id a --claim-ttl 2h --json")).succeeded().json();
    assert_eq!(seconds_between(&kept["heartbeat_at"], &kept["expires_at"]), 7_200);
}

#[test]
fn what_is_no_duration_is_wrong_usage_and_what_is_taken_is_said() {
    let repo = Repo::new();
    assert_snapshot!(with_each(&repo, "enqueue t", "--delay", ["", "soon", "1w", "1.5h", "h", "30m1h", "9223372036854775807d"]), @"
    $ muse coord enqueue t --delay ''
    2> error: invalid value '' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay soon
    2> error: invalid value 'soon' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay 1w
    2> error: invalid value '1w' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay 1.5h
    2> error: invalid value '1.5h' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay h
    2> error: invalid value 'h' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay 30m1h
    2> error: invalid value '30m1h' for '--delay <DURATION>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay 9223372036854775807d
    2> ❌ --delay must be between 0 and 315360000, got 9223372036854775807d
    exit 1
    ");
    assert_snapshot!(with_each(&repo, "enqueue t --max-attempts 2", "--backoff", ["1s:", ":5", "1s:2s:3s"]), @"
    $ muse coord enqueue t --max-attempts 2 --backoff 1s:
    2> error: invalid value '1s:' for '--backoff <DURATION[:MAX]>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --max-attempts 2 --backoff :5
    2> error: invalid value ':5' for '--backoff <DURATION[:MAX]>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --max-attempts 2 --backoff 1s:2s:3s
    2> error: invalid value '1s:2s:3s' for '--backoff <DURATION[:MAX]>': give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    for line in [
        "enqueue t --ttl soon",
        "claim --run-id a --wait soon",
        "claim --run-id a --claim-ttl soon",
        "heartbeat 7 --run-id a --claim-ttl soon",
        "release 7 --run-id a --delay soon",
        "wait 7 --timeout soon",
        "stats --window soon",
        "gc --older-than soon",
    ] {
        let outcome = repo.coord(&format!("{line} --json")).ended_with(2);
        assert!(outcome.text_of("error").contains("give seconds, or numbers with s, m, h or d"), "{outcome}");
    }
}

fn seconds_between(from: &Value, until: &Value) -> i64 {
    let [from, until] = [from, until].map(|time| micros(time.as_str().unwrap()));
    (until - from) / 1_000_000
}
