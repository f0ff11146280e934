//! Keys and limits.

use super::*;

#[test]
fn a_key_of_one_task_after_the_other_is_right() {
    let tale = Tale::default().then("orchestrator", with_key(1), enqueued(1));
    let tale = tale.then("o", with_key(2), Some(Answer::Deduplicated { task: name(1) }));
    let tale = tale.then("a", cancel_of(1), ended()).then("orchestrator", with_key(3), enqueued(3));
    let tale = tale.then("a", cancel_of(3), ended());
    let figures = tale.listed_as(1, "cancelled", "a", 0, None).listed_as(3, "cancelled", "a", 0, None).is_right();
    assert_eq!((figures.keys, figures.deduplicated, figures.keys_held_by_two), (1, 1, 0));
}

#[test]
fn a_key_of_two_is_found() {
    let tale = Tale::default().then("orchestrator", with_key(1), enqueued(1));
    let tale = tale.then("orchestrator", with_key(2), enqueued(2));
    let tale = tale.then("a", cancel_of(1), ended()).then("a", cancel_of(2), ended());
    let tale = tale.listed_as(1, "cancelled", "a", 0, None).listed_as(2, "cancelled", "a", 0, None);
    tale.is_wrong(&["it has key of red, while task 1 lives and has it"]);
    assert_eq!(tale.findings().figures.keys_held_by_two, 1);
}

#[test]
fn a_key_that_a_task_is_put_back_to_is_found() {
    let tale = Tale::default().then("orchestrator", with_key(1), enqueued(1)).then("a", cancel_of(1), ended());
    let tale = tale.then("orchestrator", with_key(2), enqueued(2)).then("a", retry_of(1), Some(Answer::PutBack));
    let tale = tale.then("a", cancel_of(1), ended()).then("a", cancel_of(2), ended());
    let tale = tale.listed_as(1, "cancelled", "a", 0, None).listed_as(2, "cancelled", "a", 0, None);
    tale.is_wrong(&["while task 2 lives and has it"]);
}

#[test]
fn whoever_is_told_of_a_task_that_has_ended_is_found() {
    let tale = Tale::default().then("orchestrator", with_key(1), enqueued(1)).then("a", cancel_of(1), ended());
    let tale = tale.then("o", with_key(2), Some(Answer::Deduplicated { task: name(1) }));
    tale.listed_as(1, "cancelled", "a", 0, None).is_wrong(&["o was told that it lives, and it had ended"]);
}

#[test]
fn an_enqueue_that_is_refused_is_found() {
    plain().refused("o", with_key(2), "not_found", None).is_wrong(&["no such task"]);
}

#[test]
fn a_limit_that_is_exceeded_is_found() {
    let limited = |number| Op::Enqueue { label: label(number), queue: LIMITED.into(), priority: 0, key: None };
    let two = |limit: Option<u32>| {
        let tale = Tale::default().then("orchestrator", limited(1), enqueued(1));
        let tale = tale.then("orchestrator", limited(2), enqueued(2));
        let set = Op::Limit { queue: LIMITED.into(), max: limit };
        let mut tale = tale.then("o", set, Some(Answer::Done));
        for (number, run_id) in [(1, "a"), (2, "b")] {
            let lease = tale.lease(run_id, 1, 60);
            let claimed = Answer::Claimed { task: name(number), label: label(number), lease };
            tale = tale.then(run_id, claim(), Some(claimed));
        }
        for number in [1, 2] {
            tale = tale.then("o", cancel_of(number), Some(Answer::Ended { generation: 1 }));
            tale = tale.listed_as(number, "cancelled", "o", 1, None);
        }
        tale
    };
    two(Some(1)).is_wrong(&["2 tasks of blue were held at once, and 1 were allowed"]);
    assert_eq!(two(Some(2)).is_right().limits, 1);
    two(None).is_right();
}
