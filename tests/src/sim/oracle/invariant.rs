//! The invariants: what holds at every step, and what breaks it.

use std::fmt;

/// What must hold. Each is checked at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A task has exactly one state entry.
    OneEntry,
    /// Each generation of a task is granted to one holder.
    OneHolder,
    /// Versions and generations only grow.
    OnlyGrow,
    /// A task that has ended stays as it ended, until somebody retries it.
    EndedIsEnded,
    /// Only the holder of the present lease keeps the task or reports its end; every other is refused.
    OnlyTheHolder,
    /// No lease is taken from its holder before it has expired by the clock of the agent that takes it.
    NotBeforeItsTime,
    /// A claim is an attempt, unless its holder gives the task back; nothing else counts.
    AttemptsAreCounted,
    /// No task is tried more often than it may be, and a failure is final only when no attempt is left.
    AttemptsAreLimited,
    /// A delayed task becomes ready when it is due, and not before.
    NotBeforeItIsDue,
    /// A task that waits for others goes on when they have ended in a way that it allows, and not before.
    ParentsFirst,
    /// Nobody waits for what has happened.
    NobodyIsForgotten,
    /// At most one task with a given key in a queue has not ended.
    OneForAKey,
    /// An agent that enqueues a task is told its id. An agent that claims or retries a task is told so.
    EachIsAnswered,
    /// Expiry counts at once: nobody is told that an expired task is live.
    TimeCounts,
    /// There are no more leases than are allowed at once.
    NoMoreThanAllowed,
    /// Concurrent claims of a limited queue use all the room that there is.
    NobodyLeavesWhatIsFree,
    /// A holder that is asked to stop is told so, and nobody else is.
    HoldersAreAsked,
    /// No task is removed that has not ended, or that a blocked one waits for.
    WhatIsWaitedForStays,
    /// What a completion enqueues runs if the completion is accepted, and only then.
    AllOrNothing,
    /// What was acknowledged is there.
    NothingLost,
    /// An ended task's result is there, whole, from the moment at which the task has ended.
    ResultsAreWhole,
    /// Each report on a task stays, whole, and names the report before it.
    ReportsStay,
    /// What goes in comes out, and nothing else does.
    CountsAddUp,
    /// The highest priority comes first, then the oldest, when nobody else is about.
    InOrder,
    /// Nothing is left behind except what `doctor` knows.
    BoundedGarbage,
}

/// A violated invariant, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub seen: String,
}

/// The invariant holds if `kept`.
pub fn expect(kept: bool, invariant: Invariant, seen: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(Broken::new(invariant, seen())) }
}

impl Broken {
    /// An invariant was broken, as was seen.
    pub fn new(invariant: Invariant, seen: String) -> Broken {
        Broken { invariant, seen }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::OneEntry => "a task has exactly one state entry",
            Invariant::OneHolder => "each generation of a task is granted to one holder",
            Invariant::OnlyGrow => "versions and generations only grow",
            Invariant::EndedIsEnded => "a task that has ended stays as it ended",
            Invariant::OnlyTheHolder => "only the holder of the present lease keeps the task or reports its end",
            Invariant::NotBeforeItsTime => "no lease is taken from its holder before it has run out",
            Invariant::AttemptsAreCounted => "a claim is an attempt, unless its holder gives the task back",
            Invariant::AttemptsAreLimited => "no task is tried more often than it may be, nor given up before",
            Invariant::NotBeforeItIsDue => "a delayed task becomes ready when it is due",
            Invariant::ParentsFirst => "a task goes on when those that it waits for have ended as it allows",
            Invariant::NobodyIsForgotten => "nobody waits for what has happened",
            Invariant::OneForAKey => "at most one task with a key lives",
            Invariant::TimeCounts => "time that has passed counts at once",
            Invariant::EachIsAnswered => "an agent that enqueues, claims or retries a task is told so",
            Invariant::NoMoreThanAllowed => "there are no more leases than are allowed",
            Invariant::NobodyLeavesWhatIsFree => {
                "nobody is told that there is nothing while there is room for one more lease"
            }
            Invariant::HoldersAreAsked => "a holder that is asked to stop is told so",
            Invariant::WhatIsWaitedForStays => "no task is removed that has not ended, or that a blocked one waits for",
            Invariant::AllOrNothing => "what a completion enqueues runs if it is accepted, and only then",
            Invariant::NothingLost => "what was acknowledged is there",
            Invariant::ResultsAreWhole => "an ended task's result is there, whole",
            Invariant::ReportsStay => "every report on a task stays, whole",
            Invariant::CountsAddUp => "what goes in comes out, and nothing else does",
            Invariant::InOrder => "the highest priority comes first, then the oldest",
            Invariant::BoundedGarbage => "nothing is left behind but what `doctor` knows",
        })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}. Seen: {}", self.invariant, self.seen)
    }
}
