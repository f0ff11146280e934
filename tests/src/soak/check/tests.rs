//! Histories that are wrong, each in one way, and the word that must be said about it.

mod ends;
mod keys;

use super::*;
use crate::soak::history::{Holder, Listed, Moment, Verdict};

const SECOND: u64 = 1_000_000;

/// What happens in a history, one after the other; each step takes a second, by both clocks.
#[derive(Clone, Default)]
struct Tale {
    actions: Vec<Action>,
    listing: Listing,
}

impl Tale {
    /// A task that "orchestrator" enqueued as its `number`th.
    fn enqueued(number: u64) -> Tale {
        let op = Op::Enqueue { label: label(number), queue: "red".into(), priority: 0, key: None };
        Tale::default().then("orchestrator", op, Some(Answer::Enqueued { task: name(number) }))
    }

    fn then(mut self, run_id: &str, op: Op, answer: Option<Answer>) -> Tale {
        let began = self.now();
        self.actions.push(Action { run_id: run_id.into(), began, op, ended: None });
        let at = self.now();
        if let Some(action) = self.actions.last_mut() {
            action.ended = answer.map(|answer| (at, answer));
        }
        self
    }

    fn now(&self) -> Moment {
        let steps = self.actions.iter().map(|action| 1 + u64::from(action.ended.is_some())).sum::<u64>();
        let seconds = steps + self.actions.len() as u64;
        Moment { nanos: seconds * SECOND * 1_000, wall_micros: seconds * SECOND }
    }

    /// Claimed now, for ten seconds.
    fn claimed(self, run_id: &str, generation: u32) -> Tale {
        let lease = self.lease(run_id, generation, 10);
        self.claimed_as(run_id, lease)
    }

    fn claimed_as(self, run_id: &str, lease: Lease) -> Tale {
        self.then(run_id, claim(), Some(Answer::Claimed { task: name(1), label: label(1), lease }))
    }

    fn lease(&self, run_id: &str, generation: u32, seconds: u64) -> Lease {
        let now = self.now().wall_micros;
        let nonce = format!("nonce of {run_id} {generation}");
        Lease { generation, nonce, claimed_micros: now, expires_micros: now + seconds * SECOND }
    }

    fn completed(self, run_id: &str, generation: u32) -> Tale {
        self.then(run_id, complete(run_id, generation), Some(Answer::Ended { generation }))
    }

    fn released(self, run_id: &str, generation: u32) -> Tale {
        self.then(run_id, release(), Some(Answer::Released { generation }))
    }

    fn refused(self, run_id: &str, op: Op, status: &str, holder: Option<(&str, u32)>) -> Tale {
        let holder = holder.map(|(run_id, generation)| Holder { run_id: run_id.into(), generation: Some(generation) });
        self.then(run_id, op, Some(Answer::Refused { status: status.into(), holder }))
    }

    /// So much time passes.
    fn later(mut self, seconds: u64) -> Tale {
        for _ in 0..seconds.div_ceil(3) {
            self = self.then("idler", claim(), Some(Answer::Empty));
        }
        self
    }

    fn listed(self, status: &str, by: &str, generation: u32, report: Option<&str>) -> Tale {
        self.listed_as(1, status, by, generation, report)
    }

    fn listed_as(mut self, number: u64, status: &str, by: &str, generation: u32, report: Option<&str>) -> Tale {
        let is_release = |action: &&Action| matches!(action.answer(), Some(Answer::Released { .. }));
        let releases = self.actions.iter().filter(is_release).count() as u32;
        let listed = Listed {
            label: Some(label(number)),
            status: status.into(),
            generation,
            attempt: generation - releases,
            by: Some(by.into()),
            report: report.map(String::from),
        };
        self.listing.insert(name(number), listed);
        self
    }

    fn findings(&self) -> Findings {
        check(&self.actions, &self.listing)
    }

    #[track_caller]
    fn is_right(&self) -> Figures {
        let findings = self.findings();
        assert_eq!(findings.violations, []);
        assert_eq!(findings.figures.too_long, 0);
        findings.figures
    }

    #[track_caller]
    fn is_wrong(&self, words: &[&str]) {
        let found: Vec<String> = self.findings().violations.into_iter().map(|violation| violation.what).collect();
        for word in words {
            assert!(found.iter().any(|what| what.contains(word)), "{word:?} is not in {found:#?}");
        }
        assert!(!found.is_empty());
    }

    /// The plain checks see nothing, the search does.
    #[track_caller]
    fn is_in_no_order(&self) {
        let found = self.findings().violations;
        assert!(matches!(found.as_slice(), [one] if one.what.starts_with("no order")), "{found:#?}");
    }
}

fn label(number: u64) -> Label {
    Label { by: "orchestrator".into(), number }
}

fn name(number: u64) -> Task {
    format!("task {number}")
}

fn claim() -> Op {
    Op::Claim { queue: None, lease_seconds: 10, wait_seconds: 0 }
}

fn complete(run_id: &str, generation: u32) -> Op {
    Op::Settle { task: name(1), verdict: Verdict::Complete, report: report(run_id, generation), nonce: None }
}

fn cancel(force: bool) -> Op {
    Op::Cancel { task: name(1), force }
}

fn heartbeat() -> Op {
    Op::Heartbeat { task: name(1), nonce: None }
}

fn release() -> Op {
    Op::Release { task: name(1), nonce: None }
}

fn report(run_id: &str, generation: u32) -> String {
    format!("{run_id} {generation}")
}

/// Enqueued, claimed by "a", completed by it.
fn plain() -> Tale {
    Tale::enqueued(1).claimed("a", 1).completed("a", 1).listed("completed", "a", 1, Some("a 1"))
}

/// Claimed by "a", who goes silent; then by "b".
fn taken_over() -> Tale {
    taken_over_as(|lease| lease)
}

fn taken_over_as(told: impl Fn(Lease) -> Lease) -> Tale {
    let tale = Tale::enqueued(1).claimed("a", 1).later(12);
    let lease = told(tale.lease("b", 2, 10));
    tale.claimed_as("b", lease)
}

#[test]
fn a_plain_life_is_right() {
    let figures = plain().is_right();
    assert_eq!((figures.enqueued, figures.claims, figures.completions, figures.searched), (1, 1, 1, 1));
    assert_eq!((figures.lost, figures.unexpected, figures.recovered, figures.takeovers), (0, 0, 0, 0));
}

#[test]
fn a_takeover_is_right_and_the_late_report_refused() {
    let tale = taken_over().refused("a", complete("a", 1), "lease_lost", Some(("b", 2)));
    let figures = tale.completed("b", 2).listed("completed", "b", 2, Some("b 2")).is_right();
    assert_eq!((figures.takeovers, figures.late_refused, figures.lease_lost), (1, 1, 1));
}

#[test]
fn what_nobody_was_told_of_may_have_happened() {
    // The enqueue, a first claim and the completion took effect, and their agents died before they knew.
    let enqueue = Op::Enqueue { label: label(1), queue: "red".into(), priority: 0, key: None };
    let tale =
        Tale::default().then("orchestrator", enqueue, None).then("dead", claim(), None).later(12).claimed("b", 2);
    let tale = tale.then("b", complete("b", 2), None).listed("completed", "b", 2, Some("b 2"));
    let figures = tale.is_right();
    assert_eq!((figures.recovered, figures.silent_claims, figures.silent_endings, figures.unknown), (1, 1, 1, 3));
}

#[test]
fn what_nobody_was_told_of_may_not_have_happened() {
    let tale = Tale::enqueued(1).claimed("a", 1).then("a", complete("a", 1), None).later(12).claimed("b", 2);
    tale.completed("b", 2).listed("completed", "b", 2, Some("b 2")).is_right();
}

#[test]
fn a_released_task_is_anybodys_at_once() {
    let tale = Tale::enqueued(1).claimed("a", 1).released("a", 1);
    let tale = tale.refused("a", complete("a", 1), "not_claimed", None).claimed("b", 2);
    let tale = tale.refused("a", complete("a", 1), "lease_lost", Some(("b", 2))).completed("b", 2);
    assert_eq!(tale.listed("completed", "b", 2, Some("b 2")).is_right().releases, 1);
}

#[test]
fn a_release_that_nobody_was_told_of_may_have_happened_or_not() {
    let silent = || Tale::enqueued(1).claimed("a", 1).then("a", release(), None);
    let done = |tale: Tale| tale.claimed("b", 2).completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    done(silent().later(12)).is_right();
    let mut released = done(silent());
    released.listing.entry(name(1)).and_modify(|listed| listed.attempt = 1);
    released.is_right();
}

#[test]
fn one_generation_claimed_by_two_is_found() {
    let twice = Tale::enqueued(1).claimed("a", 1).claimed("b", 1).completed("b", 1);
    twice.listed("completed", "b", 1, Some("b 1")).is_wrong(&["held by both a and b", "claimed twice"]);
}

#[test]
fn a_claim_while_the_lease_runs_is_found() {
    let early = Tale::enqueued(1).claimed("a", 1).claimed("b", 2).completed("b", 2);
    early.listed("completed", "b", 2, Some("b 2")).is_wrong(&["while the lease of a ran"]);
}

#[test]
fn a_claim_within_the_time_that_a_heartbeat_gave_is_found() {
    let tale = Tale::enqueued(1).claimed("a", 1);
    let kept = Lease { expires_micros: 100 * SECOND, ..tale.lease("a", 1, 10) };
    let tale = tale.then("a", heartbeat(), Some(Answer::Kept(kept))).later(12).claimed("b", 2).completed("b", 2);
    tale.listed("completed", "b", 2, Some("b 2")).is_wrong(&["while the lease of a ran"]);
}

#[test]
fn a_claim_while_the_lease_runs_is_found_when_the_answers_crossed() {
    let mut tale = Tale::enqueued(1).claimed("a", 1).claimed("b", 2);
    let start = tale.actions[1].began;
    tale.actions[2].began = start;
    tale.completed("b", 2).listed("completed", "b", 2, Some("b 2")).is_in_no_order();
}

#[test]
fn a_claim_whose_time_is_invented_is_found_by_the_clock() {
    let tale = Tale::enqueued(1).claimed("a", 1);
    let ahead = Lease { claimed_micros: 100 * SECOND, ..tale.lease("b", 2, 200) };
    let tale = tale.claimed_as("b", ahead).completed("b", 2);
    tale.listed("completed", "b", 2, Some("b 2")).is_wrong(&["while the lease of a ran"]);
}

#[test]
fn a_claim_whose_time_is_invented_is_found_by_the_queues_word() {
    let tale = taken_over_as(|lease| Lease { claimed_micros: lease.claimed_micros - 10 * SECOND, ..lease });
    tale.completed("b", 2).listed("completed", "b", 2, Some("b 2")).is_wrong(&["while the lease of a ran"]);
}

#[test]
fn a_nonce_of_two_leases_is_found() {
    let tale = taken_over_as(|lease| Lease { nonce: "nonce of a 1".into(), ..lease });
    tale.completed("b", 2).listed("completed", "b", 2, Some("b 2")).is_wrong(&["tells of two leases"]);
}

#[test]
fn a_lost_task_is_found() {
    Tale::enqueued(1).is_wrong(&["is not there"]);
    Tale::enqueued(1).claimed("a", 1).listed("timed_out", "a", 1, None).is_wrong(&["never worked off"]);
    assert_eq!(Tale::enqueued(1).findings().figures.lost, 1);
    plain().refused("b", heartbeat(), "not_found", None).is_wrong(&["no such task"]);
}

#[test]
fn a_task_that_nobody_enqueued_is_found() {
    plain().listed_as(2, "cancelled", "b", 0, None).is_wrong(&["nobody enqueued it"]);
    let mut twice = plain().listed_as(2, "cancelled", "b", 0, None);
    twice.listing.entry(name(2)).and_modify(|listed| listed.label = Some(label(1)));
    twice.is_wrong(&["is there twice"]);
    assert_eq!(twice.findings().figures.unexpected, 1);
}

#[test]
fn a_holder_that_never_asked_is_found() {
    let tale = Tale::enqueued(1).refused("a", cancel(false), "wrong_owner", Some(("stranger", 1))).later(12);
    let tale = tale.claimed("b", 2).completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    tale.is_wrong(&["stranger holds generation 1, but never asked"]);
}

#[test]
fn a_generation_that_no_claim_can_have_been_is_found() {
    Tale::enqueued(1)
        .claimed("b", 2)
        .completed("b", 2)
        .listed("completed", "b", 2, Some("b 2"))
        .is_wrong(&["1 claims took effect unheard, but 0 were made"]);
}

#[test]
fn a_refusal_without_cause_is_found() {
    let done = |tale: Tale| tale.completed("a", 1).listed("completed", "a", 1, Some("a 1"));
    let held = || Tale::enqueued(1).claimed("a", 1);
    done(held().refused("a", heartbeat(), "lease_lost", None)).is_in_no_order();
    done(held().refused("a", heartbeat(), "already_terminal", None)).is_in_no_order();
    done(held().refused("b", cancel(true), "wrong_owner", Some(("a", 1)))).is_in_no_order();
    done(held().refused("b", heartbeat(), "not_claimed", None)).is_in_no_order();
    done(held().refused("b", heartbeat(), "lease_lost", Some(("a", 1)))).is_in_no_order();
    done(held().refused("b", heartbeat(), "wrong_owner", Some(("a", 1)))).is_right();
    done(held().refused("b", cancel(false), "wrong_owner", Some(("a", 1)))).is_right();
}

#[test]
fn a_claim_after_a_release_that_was_refused_is_found() {
    let tale = Tale::enqueued(1).claimed("a", 1).refused("a", release(), "lease_lost", Some(("b", 2)));
    let tale = tale.claimed("b", 2).completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    tale.is_wrong(&["while the lease of a ran"]);
}

#[test]
fn a_wrong_release_is_found() {
    let done = |tale: Tale| tale.completed("b", 2).listed("completed", "b", 2, Some("b 2"));
    let held = || Tale::enqueued(1).claimed("a", 1);
    done(taken_over().released("a", 2)).is_in_no_order();
    done(held().released("a", 2).claimed("b", 2)).is_in_no_order();
    let kept = held().lease("a", 1, 10);
    done(held().released("a", 1).then("a", heartbeat(), Some(Answer::Kept(kept))).claimed("b", 2)).is_in_no_order();
    held().released("a", 1).completed("a", 1).listed("completed", "a", 1, Some("a 1")).is_in_no_order();
    plain().released("a", 1).is_wrong(&["it had ended, and a was answered Released"]);
    let mut counted = done(held().released("a", 1).claimed("b", 2));
    counted.listing.entry(name(1)).and_modify(|listed| listed.attempt = 2);
    counted.is_in_no_order();
}

#[test]
fn a_gentle_cancel_of_a_running_lease_is_found() {
    let cancelled = |tale: Tale, force| {
        let tale = tale.then("b", cancel(force), Some(Answer::Ended { generation: 1 }));
        tale.listed("cancelled", "b", 1, None)
    };
    cancelled(Tale::enqueued(1).claimed("a", 1), false).is_in_no_order();
    cancelled(Tale::enqueued(1).claimed("a", 1), true).is_right();
    cancelled(Tale::enqueued(1).claimed("a", 1).later(12), false).is_right();
}

#[test]
fn an_answer_that_nobody_foresaw_is_found() {
    let broken = Answer::Broken { what: "cannot list claimed/0: too many open files".into() };
    plain().then("b", claim(), Some(broken)).is_wrong(&["too many open files"]);
}

/// Asks to enqueue the `number`th task with the one key.
fn with_key(number: u64) -> Op {
    Op::Enqueue { label: label(number), queue: "red".into(), priority: 0, key: Some("key".into()) }
}

fn enqueued(number: u64) -> Option<Answer> {
    Some(Answer::Enqueued { task: name(number) })
}

fn cancel_of(number: u64) -> Op {
    Op::Cancel { task: name(number), force: true }
}

fn ended() -> Option<Answer> {
    Some(Answer::Ended { generation: 0 })
}

fn retry_of(number: u64) -> Op {
    Op::Retry { task: name(number) }
}
