//! What one instance of the component keeps between calls, and the world around it: the queue, nonces, a stopwatch.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use coord_core::Turn;
use coord_core::name::Nonce;
use coord_core::queue::{Finding, Queue};
use coord_store::Sync;
use wasip2::clocks::monotonic_clock;
use wasip2::random::random;

use crate::bindings::exports::muse::coord::types::Error;
use crate::medium::{self, QueueStore, now};

/// How many warnings that nobody asked for are kept.
const WARNINGS_KEPT: usize = 100;

/// What is kept between calls.
pub(crate) struct Instance {
    queue: Option<Queue<QueueStore>>,
    sync: Sync,
    warnings: VecDeque<String>,
}

thread_local! {
    /// A component of WASI 0.2 has one thread, and no import calls back into it.
    static INSTANCE: RefCell<Instance> =
        const { RefCell::new(Instance { queue: None, sync: Sync::On, warnings: VecDeque::new() }) };
}

impl Instance {
    /// Does something with what is kept. Not to be nested.
    pub(crate) fn with<T>(act: impl FnOnce(&mut Instance) -> T) -> T {
        INSTANCE.with_borrow_mut(act)
    }

    /// The queue. The first call opens it; if that fails, the next one tries again.
    pub(crate) fn queue(&mut self) -> Result<&Queue<QueueStore>, Error> {
        match &mut self.queue {
            Some(queue) => Ok(queue),
            none => Ok(none.insert(Queue::open(medium::open(self.sync)?)?)),
        }
    }

    /// What is written from now on is synced, or not.
    pub(crate) fn set_sync(&mut self, sync: Sync) {
        self.sync = sync;
        self.queue = None;
    }

    /// Keeps what was not as it should be, for whoever asks.
    pub(crate) fn warn(&mut self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.extend(warnings);
        let superfluous = self.warnings.len().saturating_sub(WARNINGS_KEPT);
        self.warnings.drain(..superfluous);
    }

    /// As [`Instance::warn`].
    pub(crate) fn warn_of(&mut self, findings: &[Finding]) {
        self.warn(findings.iter().map(ToString::to_string));
    }

    /// What was kept, once.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        self.warnings.drain(..).collect()
    }
}

/// The clock and fresh nonces for an operation.
pub(crate) fn turn() -> Turn<'static> {
    Turn::new(&now, Nonce::from_bits(random::get_random_u64()))
}

/// Measures how long a call takes, by a clock that never jumps.
pub(crate) struct Stopwatch(u64);

impl Stopwatch {
    /// Starts measuring.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(monotonic_clock::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now().saturating_sub(self.0))
    }
}
