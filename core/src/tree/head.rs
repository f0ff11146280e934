//! The head of a queue: the entries that a claim tries, in the order in which they are claimed.
//!
//! A queue that is used repeatedly has read more names than a claim needed. Those serve the next claims first. No
//! decision relies on the cache (`cache`); before an agent is told that there is nothing, everything is read again.

use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::ControlFlow;

use super::Tree;
use super::located::Located;
use super::walk::{Empties, Onward, Walk};
use super::watch::Watch;
use crate::entry::Entry;
use crate::error::Error;
use crate::limits;
use crate::name::QueueName;
use crate::store::Store;
use crate::tags::Choice;
use crate::time::Timestamp;

/// The search of a claim.
pub(crate) struct Search<'a> {
    /// In these queues; none: in all of them.
    pub(crate) queues: &'a [QueueName],
    /// Not in these.
    pub(crate) except: &'a [QueueName],
    /// A claim's leftover names serve only claims with the same choice.
    pub(crate) choice: &'a Choice,
    /// The random value that decides which names to skip.
    pub(crate) chance: u64,
}

/// Is shown one entry, and says how to go on. [`Onward::Elsewhere`] says that another agent was faster with it.
pub(crate) type Try<'a> = dyn FnMut(Located) -> Result<Onward, Error> + 'a;

impl<S: Store> Tree<S> {
    /// Shows the entries at the head of the queues to `attempt` until it stops, those first that an earlier claim left
    /// over. `now` is the time of the last look at a clock, which `attempt` may renew.
    pub(crate) fn visit_head(
        &self,
        search: &Search<'_>,
        now: &Cell<Timestamp>,
        watch: Option<&mut Watch>,
        attempt: &mut Try<'_>,
    ) -> Result<(), Error> {
        match self.visit_leftovers(search, now, attempt)? {
            ControlFlow::Break(()) => Ok(()),
            ControlFlow::Continue(()) => self.visit_anew(search, now.get(), watch, attempt),
        }
    }

    /// Forgets the names at the head of the queue, and what is set for queues.
    pub(crate) fn forget_head(&self) {
        self.cache.borrow_mut().forget_head();
    }

    /// Forgets `ready/`, so that the next visit reads it. True if anything was cached.
    pub(crate) fn look_anew(&self) -> bool {
        self.cache.borrow_mut().forget_dirs()
    }

    /// Starts caching what is read. Most queues are opened for one claim, which has no use for a cache.
    pub(crate) fn begin_to_remember(&self) {
        self.cache.borrow_mut().walked = true;
    }

    /// Tries the names that were read before and not come to, at most until some races are lost.
    fn visit_leftovers(
        &self,
        search: &Search<'_>,
        now: &Cell<Timestamp>,
        attempt: &mut Try<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut lost = 0;
        while lost < limits::RACES_AMONG_LEFTOVERS {
            let next = self.cache.borrow_mut().next_leftover(search.queues, search.choice, now.get());
            let Some((bucket, name)) = next else { return Ok(ControlFlow::Continue(())) };
            let Some(entry) = Entry::parse(&name).filter(|_| !bucket.is_of(search.except)) else { continue };
            match attempt(Located { dir: bucket.dir, entry })? {
                Onward::Stop => return Ok(ControlFlow::Break(())),
                Onward::Next => {}
                Onward::Elsewhere => {
                    lost += 1;
                    self.cache.borrow_mut().pass_over_leftovers(search.chance);
                }
            }
        }
        self.cache.borrow_mut().forget_leftovers();
        Ok(ControlFlow::Continue(()))
    }

    /// Reads `ready/`, and remembers what is left of the time bucket in which the attempt stopped.
    fn visit_anew(
        &self,
        search: &Search<'_>,
        now: Timestamp,
        mut watch: Option<&mut Watch>,
        attempt: &mut Try<'_>,
    ) -> Result<(), Error> {
        if let Some(watch) = &mut watch {
            watch.begin(now);
        }
        let mut leftovers = Vec::new();
        let keep = self.cache.borrow().walked.then_some(&mut leftovers);
        let Search { queues, except, choice, chance } = *search;
        let mut walk =
            Walk { queues, except, until: None, empties: Empties::Remove(now), chance, watch, leftovers: keep };
        let flow = self.visit_ready(&mut walk, &mut |_, located| attempt(located))?;
        if flow.is_break() {
            self.cache.borrow_mut().keep_leftovers(leftovers, queues, choice, now, limits::HEAD_MICROS);
        }
        Ok(())
    }
}
