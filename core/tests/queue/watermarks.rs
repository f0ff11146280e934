//! From where on an agent that goes on reads the head of the queues, on a medium with fused operations. What it passes
//! over is hidden for a second at most, and never decides that there is nothing.

use coord_core::layout::{first_path_from, ready_priority};
use coord_core::name::QueueName;
use coord_core::queue::ClaimRequest;
use coord_core::store::fused::Watermark;
use coord_core::tags::Choice;
use coord_core::{Queue, TaskId, Timestamp, limits};

use super::trips::{Far, View, claimant};
use super::world::tags;

const SECOND: u64 = 1_000_000;

/// What an agent has left over serves it no longer.
const A_MOMENT: u64 = limits::HEAD_MICROS_OF_A_TRIP;

impl Far {
    fn pass(&self, micros: u64) {
        self.micros.set(self.micros.get() + micros);
    }

    fn enqueued(&self, many: usize) -> Vec<TaskId> {
        let queue = self.open();
        let ids = (0..many).map(|number| self.enqueue(&queue, &format!("t{number}"))).collect();
        self.pass(SECOND);
        ids
    }

    fn created_at(&self, id: TaskId) -> Timestamp {
        self.open().task(id).unwrap().unwrap().record.created_at
    }

    fn release(&self, by: &Queue<View>, id: TaskId) {
        by.release(id, claimant(), 0, &self.turn()).unwrap();
    }

    /// The one question for the head that the next claim asks, and what it gets.
    fn looks(&self, queue: &Queue<View>) -> (Vec<Watermark>, Option<TaskId>) {
        let (heads, claimed) = self.heads(|| self.claim(queue));
        assert_eq!(heads.len(), 1, "{heads:?}");
        (heads[0].watermarks.clone(), claimed)
    }
}

fn mark(priority: i64, from: Timestamp) -> Watermark {
    let queue: QueueName = "q".parse().unwrap();
    let priority = ready_priority(&queue, priority);
    Watermark { first: first_path_from(&priority, from), priority }
}

#[test]
fn a_look_begins_at_the_first_task_that_was_seen_and_goes_through_all_each_second() {
    let far = Far::new();
    let ids = far.enqueued(40);
    let ann = far.open();
    assert_eq!(far.looks(&ann), (vec![], Some(ids[0])));
    for id in &ids[1..16] {
        assert_eq!(far.claim(&ann), Some(*id));
    }
    assert_eq!(far.looks(&ann), (vec![mark(0, far.created_at(ids[0]))], Some(ids[16])));
    far.pass(A_MOMENT);
    assert_eq!(far.looks(&ann), (vec![mark(0, far.created_at(ids[16]))], Some(ids[17])));
    far.pass(SECOND);
    assert_eq!(far.looks(&ann), (vec![], Some(ids[18])));
    far.pass(SECOND - 100);
    assert_eq!(far.looks(&ann), (vec![mark(0, far.created_at(ids[18]))], Some(ids[19])));
    far.pass(A_MOMENT);
    assert_eq!(far.looks(&ann), (vec![], Some(ids[20])), "a look that is narrowed is none at all of the head");
}

#[test]
fn a_task_that_another_agent_gives_back_is_seen_a_second_later_at_most() {
    let far = Far::new();
    let ids = far.enqueued(20);
    let (ann, bob) = (far.open(), far.open());
    assert_eq!(far.claim(&bob), Some(ids[0]));
    assert_eq!(far.claim(&ann), Some(ids[1]));
    far.release(&bob, ids[0]);
    far.pass(A_MOMENT);
    assert_eq!(far.claim(&ann), Some(ids[2]));
    far.pass(SECOND);
    assert_eq!(far.claim(&ann), Some(ids[0]));
}

#[test]
fn a_task_that_another_agent_gives_back_is_seen_at_once_if_nothing_else_waits() {
    let far = Far::new();
    let ids = far.enqueued(2);
    let (ann, bob) = (far.open(), far.open());
    assert_eq!(far.claim(&bob), Some(ids[0]));
    assert_eq!(far.claim(&ann), Some(ids[1]));
    far.release(&bob, ids[0]);
    far.pass(A_MOMENT);
    // To look, to take it, and to read what its last holder may have reported.
    assert_eq!(far.trips(|| far.claim(&ann)), (3, Some(ids[0])));
}

#[test]
fn a_task_that_an_agent_gives_back_itself_is_seen_at_once() {
    let far = Far::new();
    let ids = far.enqueued(20);
    let (ann, bob) = (far.open(), far.open());
    assert_eq!(far.claim(&ann), Some(ids[0]));
    assert_eq!(far.claim(&bob), Some(ids[1]));
    far.pass(A_MOMENT);
    assert_eq!(far.claim(&ann), Some(ids[2]));
    far.release(&ann, ids[0]);
    assert_eq!(far.claim(&ann), Some(ids[0]));
}

#[test]
fn a_higher_priority_and_another_queue_do_not_wait() {
    let far = Far::new();
    let ids = far.enqueued(20);
    let ann = far.open();
    assert_eq!(far.claim(&ann), Some(ids[0]));
    let higher = far.enqueue_with(&far.open(), "higher", |new| new.priority = 1);
    let elsewhere = far.enqueue_with(&far.open(), "elsewhere", |new| {
        (new.priority, new.queue) = (2, "other".parse().unwrap());
    });
    far.pass(A_MOMENT);
    assert_eq!(far.claim(&ann), Some(elsewhere));
    assert_eq!(far.claim(&ann), Some(higher));
    far.pass(A_MOMENT);
    assert_eq!(far.claim(&ann), Some(ids[1]));
    let higher = far.enqueue_with(&far.open(), "as high as the last one", |new| new.priority = 1);
    far.pass(A_MOMENT);
    let (watermarks, claimed) = far.looks(&ann);
    assert_eq!((watermarks.len(), claimed), (3, Some(higher)));
}

#[test]
fn a_task_whose_enqueuer_is_a_little_behind_is_seen_at_once() {
    let far = Far::new();
    let ids = far.enqueued(1);
    let ann = far.open();
    assert_eq!(far.claim(&ann), Some(ids[0]));
    // There is nothing, as far as ann sees.
    assert_eq!(far.claim(&ann), None);
    let now = far.micros.get();
    far.micros.set(now - 200_000);
    let late = far.enqueue(&far.open(), "late");
    far.micros.set(now);
    far.enqueue(&far.open(), "in time");
    far.pass(A_MOMENT);
    assert_eq!(far.claim(&ann), Some(late));
}

#[test]
fn what_is_below_a_watermark_is_looked_at_before_an_agent_is_told_that_nothing_fits() {
    let far = Far::new();
    let wanted = far.enqueue_with(&far.open(), "wanted", |new| new.tags = tags(&["x"]));
    let ids = far.enqueued(20);
    let (ann, bob) = (far.open(), far.open());
    assert_eq!(far.claim(&bob), Some(wanted));
    assert_eq!(far.claim(&ann), Some(ids[0]));
    far.release(&bob, wanted);
    far.pass(A_MOMENT);
    let choice = Choice { all: tags(&["x"]), ..Choice::default() };
    let request = ClaimRequest { choice, ..ClaimRequest::any("agent".parse().unwrap(), 100) };
    assert_eq!(far.claim_as(&ann, &request), Some(wanted));
    assert_eq!(far.claim_as(&ann, &request), None);
}
