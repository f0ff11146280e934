//! Many tasks, enqueued a few at a time.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::Queue;
use super::enqueue::{Dates, Enqueued};
use super::new_task::NewTask;
use crate::error::Error;
use crate::limits;
use crate::store::Store;
use crate::turn::Turn;

/// Many tasks, enqueued a few at a time. Each is dated when it is written.
#[derive(Clone, Debug)]
pub struct Batch {
    tasks: Rc<[NewTask]>,
    /// How many of them have been enqueued.
    done: usize,
    step: usize,
    is_checked: bool,
    dates: Dates,
}

impl Batch {
    /// A batch that has not begun.
    pub fn new(tasks: Vec<NewTask>) -> Batch {
        Batch { tasks: tasks.into(), done: 0, step: limits::BATCH_STEP, is_checked: false, dates: Dates::default() }
    }

    /// As many tasks in each step, at most [`limits::BATCH_STEP`]: for a host that does other things in between.
    /// Smaller steps sync more often.
    pub fn in_steps_of(self, step: usize) -> Batch {
        Batch { step: step.clamp(1, limits::BATCH_STEP), ..self }
    }

    /// Enqueues the next ones, in order; `None`: that was all.
    ///
    /// The first step checks that all parents exist, and writes nothing if one does not. If a later step fails, the
    /// earlier ones are enqueued: with unique keys the same batch can be given again.
    pub fn step<S: Store>(&mut self, queue: &Queue<S>, turn: &Turn<'_>) -> Result<Option<Vec<Enqueued>>, Error> {
        if !self.is_checked {
            queue.check_parents(self.tasks.iter())?;
            self.is_checked = true;
        }
        let step: Vec<_> = self.tasks.iter().skip(self.done).take(self.step).map(|new| (new.clone(), None)).collect();
        self.done += step.len();
        if step.is_empty() {
            return Ok(None);
        }
        let is_first = self.dates.is_unused();
        let enqueued = queue.enqueue_all(step, &mut self.dates, turn);
        enqueued.map(Some).map_err(|error| if is_first { error } else { error.after_the_change() })
    }
}
