//! What several bugs share.

use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Dir, Path};
use coord_core::limits;
use coord_core::name::QueueName;
use coord_core::store::StoreError;
use coord_core::store::fused::{Look, Seen};
use coord_core::tags::TagSet;

use super::{Done, SeededBug};
use crate::sim::call::{Call, Outcome, Reply};

impl SeededBug {
    /// As [`SeededBug::make`], one question to an engine.
    pub(super) fn look(self, look: &Look, ask: &dyn Fn(Call) -> Reply, done: &mut Done) -> Result<Seen, StoreError> {
        let call = match look {
            Look::Head(_) if self == SeededBug::LeaveAfterGivingWay && done.gave_way => {
                return Ok(Seen::Entries(Vec::new()));
            }
            Look::Head(head) if self == SeededBug::NothingBelowTheWatermark => {
                let asked = Call::Look([look.clone()].into());
                let Outcome::Seen(seen) = ask(asked)? else { panic!("a look answers what was seen") };
                let Seen::Entries(entries) = &seen[0] else { panic!("at the head are entries") };
                let above = entries.iter().filter(|entry| !head.passes_over(&entry.path)).cloned();
                return Ok(Seen::Entries(above.collect()));
            }
            Look::Names(dir) => Call::List(dir.clone()),
            Look::Line(path) => Call::FirstLine(path.clone(), limits::RECORD_BYTES),
            other => Call::Look([other.clone()].into()),
        };
        Ok(match self.make_look(call, ask, done)? {
            Outcome::Names(names) => Seen::Names(names.map(|names| names.to_vec())),
            Outcome::Content(line) => Seen::Line(line.map(|line| line.to_vec())),
            Outcome::Seen(seen) => seen[0].clone(),
            other => panic!("{other:?} answers another call"),
        })
    }

    fn make_look(self, call: Call, ask: &dyn Fn(Call) -> Reply, done: &mut Done) -> Reply {
        if matches!(call, Call::Look(_)) { ask(call) } else { self.make(call, ask, done) }
    }
}

pub(super) fn is_in(root_dir: &str, dir: &Dir) -> bool {
    dir.as_str().split('/').next() == Some(root_dir)
}

/// The name of a task that can be claimed in the place of this one.
pub(super) fn as_ready(entry: Entry) -> Path {
    let pending_until = entry.created_at.plus_seconds(1_000);
    at_home(Entry { state: State::Ready { pending_until, tags: TagSet::default() }, ..entry })
}

pub(super) fn at_home(entry: Entry) -> Path {
    layout::home(&entry, &QueueName::default_queue()).file(entry.to_string())
}
