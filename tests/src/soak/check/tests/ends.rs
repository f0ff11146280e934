//! Ends that are wrong, and retries.

use super::*;

#[test]
fn a_resurrection_is_found() {
    let tale = plain().later(12).claimed("b", 2).completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    tale.is_wrong(&["it had ended, and b was answered Claimed", "it ended more than once"]);
    let kept = plain().lease("a", 1, 10);
    plain().then("a", heartbeat(), Some(Answer::Kept(kept))).is_wrong(&["it had ended, and a was answered Kept"]);
}

#[test]
fn a_swapped_result_is_found() {
    Tale::enqueued(1)
        .claimed("a", 1)
        .completed("a", 1)
        .listed("completed", "a", 1, Some("b 2"))
        .is_wrong(&["another is listed"]);
    let of_another = taken_over().completed("b", 2).listed("completed", "a", 1, Some("a 1"));
    of_another.is_wrong(&["another is listed"]);
}

#[test]
fn an_end_that_nobody_asked_for_is_found() {
    Tale::enqueued(1).claimed("a", 1).listed("completed", "a", 1, Some("a 1")).is_wrong(&["ended as nobody asked"]);
}

#[test]
fn two_accepted_ends_are_found() {
    taken_over()
        .completed("a", 1)
        .completed("b", 2)
        .listed("completed", "b", 2, Some("b 2"))
        .is_wrong(&["it ended more than once"]);
}

#[test]
fn a_stale_completion_that_was_accepted_is_found() {
    taken_over().completed("a", 1).listed("completed", "a", 1, Some("a 1")).is_in_no_order();
}

#[test]
fn a_completion_for_an_earlier_lease_of_the_same_agent_is_found() {
    let completed = |nonce: &str| {
        let tale = Tale::enqueued(1).claimed("a", 1).later(12).claimed("a", 2);
        let (task, report, nonce) = (name(1), report("a", 2), Some(nonce.to_string()));
        let op = Op::Settle { task, verdict: Verdict::Complete, report, nonce };
        let tale = tale.then("a", op, Some(Answer::Ended { generation: 2 }));
        tale.listed("completed", "a", 2, Some("a 2"))
    };
    completed("nonce of a 2").is_right();
    completed("nonce of a 1").is_in_no_order();
}

#[test]
fn a_task_that_was_put_back_ends_again() {
    let failed = |tale: Tale, generation| {
        let report = report("a", generation);
        let fail = Op::Settle { task: name(1), verdict: Verdict::Fail, report, nonce: None };
        tale.then("a", fail, Some(Answer::Ended { generation }))
    };
    let tale = failed(Tale::enqueued(1).claimed("a", 1), 1).then("o", retry_of(1), Some(Answer::PutBack));
    let mut tale = tale.claimed("b", 2).completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    tale.listing.entry(name(1)).and_modify(|listed| listed.attempt = 1);
    assert_eq!((tale.is_right().put_back, tale.is_right().searched), (1, 1));
    let tale = plain().then("o", retry_of(1), Some(Answer::PutBack));
    tale.is_in_no_order();
}

#[test]
fn what_was_removed_after_its_end_is_not_lost() {
    let mut tale = plain().then("o", Op::Gc { older_than_seconds: 1 }, Some(Answer::Done));
    tale.listing.clear();
    let tale = tale.refused("b", heartbeat(), "not_found", None);
    assert_eq!((tale.is_right().removed, tale.is_right().lost), (1, 0));
    let mut tale = plain();
    tale.listing.clear();
    tale.is_wrong(&["is not there"]);
    // It had not ended.
    let mut tale = Tale::enqueued(1).claimed("a", 1).then("o", Op::Gc { older_than_seconds: 1 }, Some(Answer::Done));
    tale.listing.clear();
    tale.is_wrong(&["is not there"]);
}
