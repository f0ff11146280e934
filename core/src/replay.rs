//! Operations for a host that cannot wait within a call, such as JavaScript.
//!
//! An operation is a function of its arguments, of what its queue remembers, of the times and random numbers that it is
//! given, and of the store's answers. So where an answer is still to come, the operation is run as far as that, and
//! then again from the beginning, once the host has the answer: with the same times, numbers and answers as before, on
//! a queue that remembers the same, it comes to the same question, and goes on.
//!
//! A [`Tape`] keeps what was given. From the first question without an answer on, a run is void: every further question
//! fails, and what the run has come to, an error or not, counts for nothing.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use crate::time::Timestamp;

/// A tape keeps what the earlier runs of an operation were given, and gives it to the next run.
#[derive(Debug)]
pub struct Tape<Q, A>(RefCell<Reel<Q, A>>);

#[derive(Debug)]
struct Reel<Q, A> {
    answers: Given<(Q, A)>,
    times: Given<Timestamp>,
    numbers: Given<u64>,
    /// What the run has asked, and is not answered yet.
    open: Option<Q>,
}

/// The things of one kind that runs were given, in order, and how many of them this run has been given.
#[derive(Debug)]
struct Given<T> {
    all: Vec<T>,
    next: usize,
}

/// Why a question is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The answer is still to come: the run is void.
    Open,
    /// An earlier run has asked something else here: the operation depends on something that is not on the tape. That
    /// is a fault.
    Other,
}

impl<Q: Clone + PartialEq, A: Clone> Tape<Q, A> {
    /// The answer, if it is on the tape.
    pub fn ask(&self, question: Q) -> Result<A, Unanswered> {
        let mut reel = self.0.borrow_mut();
        if reel.open.is_some() {
            return Err(Unanswered::Open);
        }
        match reel.answers.next() {
            Some((asked, answer)) if asked == question => Ok(answer),
            Some(_) => Err(Unanswered::Other),
            None => {
                reel.open = Some(question);
                Err(Unanswered::Open)
            }
        }
    }

    /// The time of this moment in an earlier run, or by the clock.
    pub fn time(&self, clock: impl FnOnce() -> Timestamp) -> Timestamp {
        self.0.borrow_mut().times.next_or(clock)
    }

    /// The random number that an earlier run was given here, or one that is drawn.
    pub fn number(&self, draw: impl FnOnce() -> u64) -> u64 {
        self.0.borrow_mut().numbers.next_or(draw)
    }

    /// The question that is open: the run was void.
    pub fn open(&self) -> Option<Q> {
        self.0.borrow().open.clone()
    }

    /// True if a question is open.
    pub fn is_void(&self) -> bool {
        self.0.borrow().open.is_some()
    }

    /// Answers the question that is open, and goes back to the beginning for the next run.
    pub fn answer(&self, answer: A) {
        let mut reel = self.0.borrow_mut();
        if let Some(question) = reel.open.take() {
            reel.answers.all.push((question, answer));
        }
        let Reel { answers, times, numbers, .. } = &mut *reel;
        (answers.next, times.next, numbers.next) = (0, 0, 0);
    }

    /// Forgets everything, for another operation.
    pub fn clear(&self) {
        *self.0.borrow_mut() = Reel::default();
    }
}

impl<T: Clone> Given<T> {
    fn next(&mut self) -> Option<T> {
        let given = self.all.get(self.next).cloned();
        self.next += usize::from(given.is_some());
        given
    }

    fn next_or(&mut self, make: impl FnOnce() -> T) -> T {
        self.next().unwrap_or_else(|| {
            let made = make();
            self.all.push(made.clone());
            self.next = self.all.len();
            made
        })
    }
}

impl<Q, A> Default for Tape<Q, A> {
    fn default() -> Tape<Q, A> {
        Tape(RefCell::default())
    }
}

impl<Q, A> Default for Reel<Q, A> {
    fn default() -> Reel<Q, A> {
        Reel { answers: Given::default(), times: Given::default(), numbers: Given::default(), open: None }
    }
}

impl<T> Default for Given<T> {
    fn default() -> Given<T> {
        Given { all: Vec::new(), next: 0 }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unanswered::Open => "the answer is still to come",
            Unanswered::Other => "run again, the operation asked something else: please report this fault",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_given_what_the_runs_before_were_given_and_one_answer_more() {
        let tape = Tape::default();
        let run = |first: u64| {
            let time = tape.time(|| Timestamp::from_micros(first));
            let number = tape.number(|| first);
            [tape.ask("a"), tape.ask("b")].map(|answer| (answer, time.micros(), number))
        };
        let open = Err(Unanswered::Open);
        assert_eq!(run(1), [(open, 1, 1), (open, 1, 1)]);
        assert_eq!(tape.open(), Some("a"));
        tape.answer(10);
        assert_eq!(run(2), [(Ok(10), 1, 1), (open, 1, 1)]);
        assert_eq!(tape.open(), Some("b"));
        tape.answer(20);
        assert_eq!(run(3), [(Ok(10), 1, 1), (Ok(20), 1, 1)]);
        assert!(!tape.is_void());
        tape.clear();
        assert_eq!(run(4)[0], (open, 4, 4));
    }

    #[test]
    fn a_run_that_asks_something_else_is_told_so() {
        let tape = Tape::default();
        assert_eq!(tape.ask("a"), Err(Unanswered::Open));
        tape.answer(1);
        assert_eq!(tape.ask("b"), Err(Unanswered::Other));
    }
}
