//! Classic mistakes, each as what a program that makes it does where the right one does a single store operation. A
//! checker that does not find them is none.

use coord_core::entry::{Entry, State};
use coord_core::layout;
use coord_core::store::{Created, Linked, Moved};

use super::agent::result_of;
use super::call::{Answered, Call, Outcome, Reply};

/// A classic mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// A claim makes its own new name and takes what it reads back there for proof that it won.
    RenameAndReadBack,
    /// An entry is created exclusively, and its content written then.
    CreateThenWrite,
    /// An expired claim is unlinked and made anew.
    UnlinkAndRecreate,
    /// A lease that had run out in an old listing is taken back under the name that the task has by now.
    ExpireByStaleListing,
    /// The directory of ended tasks is not synced.
    LeaveSyncOut,
    /// The settlement is written after the rename that points at it.
    RecordAfterRename,
    /// A waiting agent notes how a directory looks after it has read it, not before: so it looks the same ever after.
    LoseWakeUp,
    /// A release is taken for an attempt.
    KeepAttemptOnRelease,
    /// A release takes the task from whoever holds it by now, not from the lease that it was decided for.
    ReleaseWithoutOwnershipCheck,
    /// A doctor shelves a task again without taking the record's old name away.
    ShelveWithoutFence,
}

/// The store that `ask` answers, as a program with this mistake uses it, if there is one.
pub fn answered(mistake: Option<Mistake>, ask: impl Fn(Call) -> Reply) -> Answered<impl Fn(Call) -> Reply> {
    Answered(move |call| match mistake {
        None => ask(call),
        Some(mistake) => mistake.make(call, &ask),
    })
}

impl Mistake {
    /// Does `call` as a program with this mistake does it, by `ask`ing for other calls.
    fn make(self, call: Call, ask: &dyn Fn(Call) -> Reply) -> Reply {
        let (from_tasks, new) = match &call {
            Call::Rename(from, to) => (from.dir.as_str().starts_with("tasks"), Entry::parse(&to.name)),
            Call::Link(_, to) => (false, Entry::parse(&to.name)),
            _ => (false, None),
        };
        let state = new.as_ref().map(|entry| &entry.state);
        match (self, call, state) {
            (Mistake::RenameAndReadBack, Call::Rename(from, to), Some(State::Claimed(_))) if from.dir != to.dir => {
                let Outcome::Content(Some(content)) = ask(Call::Read(from.clone(), usize::MAX))? else {
                    return Ok(Outcome::Moved(Moved::Gone));
                };
                ask(Call::Create(to.clone(), content))?;
                ask(Call::Remove(from))?;
                let read_back = ask(Call::Exists(to))? == Outcome::Exists(true);
                Ok(Outcome::Moved(if read_back { Moved::Here } else { Moved::Gone }))
            }
            (Mistake::CreateThenWrite, Call::Link(from, to), Some(_)) => {
                if ask(Call::Create(to.clone(), [].into()))? != Outcome::Created(Created::Now) {
                    return ask(Call::Link(from, to));
                }
                // To write into it is to put the content where nothing was.
                ask(Call::Remove(to.clone()))?;
                ask(Call::Link(from, to)).map(|_| Outcome::Linked(Linked::Now))
            }
            (Mistake::UnlinkAndRecreate, Call::Rename(from, to), Some(State::Lapsed(_))) => {
                let Outcome::Content(Some(content)) = ask(Call::Read(from.clone(), usize::MAX))? else {
                    return Ok(Outcome::Moved(Moved::Gone));
                };
                ask(Call::Remove(from))?;
                let made = ask(Call::Create(to, content))? == Outcome::Created(Created::Now);
                Ok(Outcome::Moved(if made { Moved::Here } else { Moved::Gone }))
            }
            (Mistake::ExpireByStaleListing, Call::Rename(from, to), Some(State::Lapsed(_))) => {
                let id = new.map(|entry| entry.id);
                let Outcome::Names(Some(names)) = ask(Call::List(from.dir.clone()))? else {
                    return ask(Call::Rename(from, to));
                };
                let present = names.iter().find(|name| Entry::parse(name).map(|entry| entry.id) == id);
                ask(Call::Rename(present.map_or(from.clone(), |name| from.dir.file(name.as_str())), to))
            }
            (Mistake::LeaveSyncOut, Call::SyncDir(dir), _) if dir.as_str().starts_with("done") => Ok(Outcome::Synced),
            (Mistake::RecordAfterRename, Call::Create(path, content), _)
                if path.dir.as_str().starts_with("records") =>
            {
                match ask(Call::List(path.dir.clone()))? {
                    Outcome::Names(None) => ask(Call::Create(path, content)),
                    _ => Ok(Outcome::Created(Created::Now)),
                }
            }
            (Mistake::RecordAfterRename, Call::Rename(from, to), Some(State::Ended(ending))) => {
                let settlement = new.as_ref().zip(ending.settlement);
                let reply = ask(Call::Rename(from, to))?;
                if let Some((entry, nonce)) = settlement {
                    let content = format!("{{\"result\":{}}}\n", result_of(nonce));
                    let path = layout::settlement(entry.id, entry.version, nonce);
                    ask(Call::Create(path, content.into_bytes().into()))?;
                }
                Ok(reply)
            }
            (Mistake::KeepAttemptOnRelease, Call::Rename(from, to), Some(State::Ready { .. })) => {
                let kept = new.map(|entry| Entry { attempt: entry.attempt + 1, ..entry });
                ask(Call::Rename(from, kept.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (Mistake::ReleaseWithoutOwnershipCheck, Call::Rename(from, to), Some(State::Ready { .. })) => {
                let Outcome::Names(Some(names)) = ask(Call::List(from.dir.clone()))? else {
                    return ask(Call::Rename(from, to));
                };
                let mut entries = names.iter().filter_map(|name| Entry::parse(name));
                let present = new.and_then(|new| Some((entries.find(|entry| entry.id == new.id)?, new.state)));
                let Some((present, state)) = present else { return ask(Call::Rename(from, to)) };
                let by_now = from.dir.file(present.to_string());
                let Entry { version, attempt, .. } = present;
                let next = Entry { version: version + 1, attempt: attempt - 1, state, ..present };
                ask(Call::Rename(by_now, to.dir.file(next.to_string())))
            }
            (Mistake::LoseWakeUp, Call::Stamp(_), _) => Ok(Outcome::Stamp(None)),
            (Mistake::ShelveWithoutFence, Call::Rename(..), None) if from_tasks => Ok(Outcome::Moved(Moved::Here)),
            (Mistake::ShelveWithoutFence, Call::Link(from, to), Some(_)) => {
                let first = layout::parse_record(&from.name).map_or(from, layout::record);
                ask(Call::Link(first, to))
            }
            (Mistake::ShelveWithoutFence, Call::Links(path), _) => {
                let first = layout::parse_record(&path.name).map_or(path, layout::record);
                ask(Call::Links(first))
            }
            (_, call, _) => ask(call),
        }
    }
}
