//! Values of `coord_core` and of `muse:coord/store`, one made of the other.

use coord_core::layout::{Dir, Path};
use coord_core::store::fused::{Due, First, Head, Look, Move, Seen, SeenEntry, Step, Stepped, TimedDirs, Watermark};
use coord_core::store::{StoreError, StoreErrorKind};

use crate::bindings::muse::coord::store as host;

/// A bound: no host has more than that.
pub(crate) fn most(most: usize) -> u32 {
    u32::try_from(most).unwrap_or(u32::MAX)
}

pub(crate) fn failed(operation: &'static str, failure: host::Failure) -> StoreError {
    let (kind, detail) = match failure {
        host::Failure::Refused(why) => (StoreErrorKind::EngineRefused, why),
        host::Failure::Lost(why) => (StoreErrorKind::EngineLost, why),
    };
    StoreError { operation, path: String::new(), kind, detail }
}

/// The host gave an answer that the question does not have.
pub(crate) fn misunderstood() -> StoreError {
    failed("look at", host::Failure::Refused("the host answered another question".to_string()))
}

pub(crate) fn look(look: &Look) -> host::Look {
    match look {
        Look::Names(dir) => host::Look::Names(text(dir)),
        Look::Line(path) => host::Look::Line(path.to_string()),
        Look::Head(Head { of, after, watermarks, most: at_most }) => {
            let of = match of {
                TimedDirs::These(dirs) => host::TimedDirs::These(dirs.iter().map(text).collect()),
                TimedDirs::AllQueues => host::TimedDirs::AllQueues,
            };
            let watermarks = watermarks.iter().map(watermark).collect();
            host::Look::Head(host::Head { of, after: after.clone(), watermarks, most: most(*at_most) })
        }
        Look::OfTask(id) => host::Look::OfTask(id.hex()),
        Look::Due(Due { by, after, most: at_most }) => host::Look::Due(host::Due {
            by: by.micros(),
            after: after.as_ref().map(Path::to_string),
            most: most(*at_most),
        }),
    }
}

fn watermark(mark: &Watermark) -> host::Watermark {
    host::Watermark { priority: text(&mark.priority), first: mark.first.to_string() }
}

pub(crate) fn seen(seen: host::Seen) -> Seen {
    match seen {
        host::Seen::Names(names) => Seen::Names(names),
        host::Seen::Line(line) => Seen::Line(line),
        host::Seen::Entries(entries) => Seen::Entries(entries.into_iter().map(entry).collect()),
    }
}

fn entry(host::Entry { path, line }: host::Entry) -> SeenEntry {
    SeenEntry { path: Path::parse(&path), line }
}

/// `waits_for_log`: what has to be durable is.
pub(crate) fn step(Step { first, moves, durable, then }: &Step, waits_for_log: bool) -> host::Step {
    let first = match first {
        First::Nothing => host::First::Nothing,
        First::Create(path, content) => host::First::Create((path.to_string(), content.clone())),
        First::Append(line, at_most) => host::First::Append((line.clone(), most(*at_most))),
    };
    let moves = moves.iter().map(|one| match one {
        Move::Rename(from, to) => host::Move::Rename((from.to_string(), to.to_string())),
        Move::Link(from, to) => host::Move::Link((from.to_string(), to.to_string())),
    });
    host::Step { first, moves: moves.collect(), durable: *durable && waits_for_log, then: then.as_ref().map(text) }
}

pub(crate) fn stepped(stepped: host::Stepped) -> Stepped {
    match stepped {
        host::Stepped::Done(host::Done { by, found }) => {
            Stepped::Done { by: usize::try_from(by).unwrap_or(usize::MAX), found }
        }
        host::Stepped::Gone => Stepped::Gone,
        host::Stepped::Taken => Stepped::Taken,
        host::Stepped::Full => Stepped::Full,
    }
}

fn text(dir: &Dir) -> String {
    dir.as_str().to_string()
}
