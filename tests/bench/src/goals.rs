//! What is to be reached, and what was.

use crate::image::Kind;

/// One figure that is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) key: Key,
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Backlog,
    PythonScript,
    Hello,
    OneUnsynced,
    ManyUnsynced,
    OneSynced,
    ManySynced,
    RawUnsynced,
    RawSynced,
    Component,
    BatchInProcess,
    BatchByMuse,
    Counts,
    WakeUp,
    Idle,
    /// Claim and completion with a result, synced, by one agent, against every transaction synced.
    Results(Kind),
    /// The same by 16 processes.
    ResultsOfMany(Kind),
    /// By one agent, against a SQLite whose claims are not synced either.
    ResultsBesideCompletions(Kind),
    Enqueue(Kind),
    EnqueueByMany(Kind),
    ResultsAgainstBefore,
    BacklogAgainstBefore,
    HelloAgainstBefore,
}

/// Which side of which value it is to be on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64, Unit),
    AtLeast(f64, Unit),
}

/// What it is counted in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// So many times as long.
    Cost,
    /// So many times as fast.
    Speed,
    Milliseconds,
    PercentOfACore,
}

impl Unit {
    pub(crate) fn of(self, value: impl std::fmt::Display) -> String {
        match self {
            Unit::Cost => format!("{value}×"),
            Unit::Speed => format!("{value}× faster"),
            Unit::Milliseconds => format!("{value} ms"),
            Unit::PercentOfACore => format!("{value} % of a core"),
        }
    }
}

impl Bound {
    pub(crate) fn unit(self) -> Unit {
        let (Bound::AtMost(_, unit) | Bound::AtLeast(_, unit)) = self;
        unit
    }

    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most, _) => value <= most,
            Bound::AtLeast(least, _) => value >= least,
        }
    }

    pub(crate) fn told(self) -> String {
        match self {
            Bound::AtMost(most, unit) => format!("at most {}", unit.of(most)),
            Bound::AtLeast(least, unit) => unit.of(least),
        }
    }
}

const fn goal(key: Key, figure: &'static str, bound: Bound) -> Goal {
    Goal { key, figure, bound }
}

/// All of them, in the order of the table.
pub(crate) const GOALS: [Goal; 28] = [
    goal(Key::Backlog, "claim, whole process, backlog 10^6 against 10^2", Bound::AtMost(1.3, Unit::Cost)),
    goal(
        Key::PythonScript,
        "claim, whole process, 10^4 pending, against the Python script that loads everything",
        Bound::AtLeast(100.0, Unit::Speed),
    ),
    goal(
        Key::Hello,
        "`muse coord tasks` on an empty queue, whole process, against a native hello world",
        Bound::AtMost(3.0, Unit::Cost),
    ),
    goal(
        Key::OneUnsynced,
        "claim+complete in process, one agent, sync off, against SQLite (`NORMAL`)",
        Bound::AtLeast(1.2, Unit::Speed),
    ),
    goal(Key::ManyUnsynced, "the same, 16 processes, against the faster SQLite", Bound::AtLeast(5.0, Unit::Speed)),
    goal(Key::OneSynced, "the same, one agent, sync on, against SQLite (`FULL`)", Bound::AtLeast(1.0, Unit::Speed)),
    goal(
        Key::ManySynced,
        "the same, 16 processes, sync on, against the faster SQLite",
        Bound::AtLeast(3.0, Unit::Speed),
    ),
    goal(
        Key::RawUnsynced,
        "claim+complete, sync off, against the raw lower bound of system calls",
        Bound::AtMost(1.4, Unit::Cost),
    ),
    goal(Key::RawSynced, "the same, sync on", Bound::AtMost(1.4, Unit::Cost)),
    goal(
        Key::Component,
        "component under wasmtime against the native core, same cycle",
        Bound::AtMost(1.3, Unit::Cost),
    ),
    goal(
        Key::BatchByMuse,
        "`enqueue --batch` of 10,000, sync on, against single enqueues, both by `muse`",
        Bound::AtLeast(20.0, Unit::Speed),
    ),
    goal(
        Key::BatchInProcess,
        "the same batch in process, against single enqueues in process",
        Bound::AtLeast(20.0, Unit::Speed),
    ),
    goal(
        Key::Counts,
        "`tasks --json` counts on 10^6 tasks, against reading every record through `muse` (`export`)",
        Bound::AtLeast(5.0, Unit::Speed),
    ),
    goal(
        Key::WakeUp,
        "`claim --wait`, from the return of an enqueue by another process to its end, median",
        Bound::AtMost(5.0, Unit::Milliseconds),
    ),
    goal(Key::Idle, "`claim --wait`, while there is nothing", Bound::AtMost(0.1, Unit::PercentOfACore)),
    goal(
        Key::Results(Kind::Ext4),
        "claim+complete with a result, sync on, one agent, against SQLite (`FULL`), ext4 with a journal",
        Bound::AtLeast(1.2, Unit::Speed),
    ),
    goal(Key::Results(Kind::Xfs), "the same, XFS", Bound::AtLeast(1.2, Unit::Speed)),
    goal(
        Key::ResultsOfMany(Kind::Ext4),
        "the same, 16 processes, ext4 with a journal",
        Bound::AtLeast(2.0, Unit::Speed),
    ),
    goal(Key::ResultsOfMany(Kind::Xfs), "the same, XFS", Bound::AtLeast(2.0, Unit::Speed)),
    goal(
        Key::ResultsBesideCompletions(Kind::Ext4),
        "the same, one agent, against SQLite that syncs no claim either, ext4 with a journal",
        Bound::AtLeast(0.7, Unit::Speed),
    ),
    goal(Key::ResultsBesideCompletions(Kind::Xfs), "the same, XFS", Bound::AtLeast(0.7, Unit::Speed)),
    goal(
        Key::Enqueue(Kind::Ext4),
        "enqueue, sync on, one agent, against SQLite (`FULL`), ext4 with a journal",
        Bound::AtLeast(0.9, Unit::Speed),
    ),
    goal(Key::Enqueue(Kind::Xfs), "the same, XFS", Bound::AtLeast(0.9, Unit::Speed)),
    goal(
        Key::EnqueueByMany(Kind::Ext4),
        "the same, 16 processes, ext4 with a journal",
        Bound::AtLeast(2.0, Unit::Speed),
    ),
    goal(Key::EnqueueByMany(Kind::Xfs), "the same, XFS", Bound::AtLeast(2.0, Unit::Speed)),
    goal(
        Key::ResultsAgainstBefore,
        "claim+complete with a result, sync off, one process, against the build `--against`",
        Bound::AtLeast(1.5, Unit::Speed),
    ),
    goal(
        Key::BacklogAgainstBefore,
        "claim, whole process, 10^6 wait, against the `muse` of `--against`",
        Bound::AtMost(1.05, Unit::Cost),
    ),
    goal(
        Key::HelloAgainstBefore,
        "`muse coord tasks` on an empty queue, against the `muse` of `--against`",
        Bound::AtMost(1.05, Unit::Cost),
    ),
];
