//! Classic mistakes, each as what a program that makes it does where the right one does a single store operation. A
//! checker that does not find them is none.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::entry::{Ending, Entry, Outcome as Ended, State};
use coord_core::layout::{self, Dir, Path};
use coord_core::name::QueueName;
use coord_core::store::{Appended, Created, Flushed, Linked, Moved};
use coord_core::tags::TagSet;

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
    /// Who waits for a task is woken before its end is there, and not afterwards.
    WakeBeforeTheEnd,
    /// Whoever enqueues a task that waits for another does not look at that one after the link.
    LinkWithoutALook,
    /// A task that waits for another is shelved as one that can be claimed.
    LinkAsReady,
    /// Whoever wants a key does not look who got it.
    KeyWithoutALook,
    /// A lease that ran out is not counted as an attempt.
    ForgiveLapses,
    /// A lease that ran out can be taken over, although it was the last that there may be.
    LapseAfterTheLast,
    /// A task whose attempt failed is due at once.
    ForgetTheBackOff,
    /// The report whose place another takes is removed before the name leads to that.
    RemoveReportTooEarly,
    /// A heartbeat drops what its holder was asked.
    ForgetTheRequest,
    /// An agent that has claimed one too many does not count again.
    KeepOneTooMany,
    /// What an accepted completion enqueued is taken back as if that had been refused.
    TakeBackWhatFollows,
    /// A report whose place was taken is removed when nothing of that is on disk.
    SyncNoProgress,
    /// Whoever gets a key does not wait until that is on disk.
    SyncNoKey,
    /// An agent that asks for a key finds the task which has the key in no place yet, and takes its enqueuer for dead.
    TakeTheEnqueuerForDead,
    /// An agent that gives back a task, since it has one too many, does not look for another.
    LeaveAfterGivingWay,
    /// Nobody looks at the marks of those that list a task among others that they wait for.
    ForgetTheMarks,
    /// A collection looks who waits for a task before it takes that away, and not afterwards.
    CollectWithoutASecondLook,
}

/// The store that `ask` answers, as a program with this mistake uses it, if there is one.
pub fn answered<'a>(mistake: Option<Mistake>, ask: impl Fn(Call) -> Reply + 'a) -> Answered<'a> {
    let Some(mistake) = mistake else { return Answered::by(ask) };
    let done = RefCell::new(Done::default());
    Answered::by(move |call| mistake.make(call, &ask, &mut done.borrow_mut()))
}

/// What a program with a mistake has done before.
#[derive(Default)]
struct Done {
    /// It has linked a task that waits for another.
    linked: bool,
    /// It has renamed an entry to an end.
    ended: bool,
    /// It has claimed a task.
    claimed: bool,
    /// It takes a task away that has ended.
    collects: bool,
    /// What it wrote to get a key.
    key: Option<Arc<[u8]>>,
    /// The task that it asks for a key for.
    asks_for: Option<TaskId>,
    /// The tasks of enqueuers that it takes for dead.
    dead: BTreeSet<TaskId>,
    /// A key names its task, or did.
    has_a_key: bool,
    /// It has given a task back.
    gave_way: bool,
}

impl Mistake {
    /// Does `call` as a program with this mistake does it, by `ask`ing for other calls.
    fn make(self, call: Call, ask: &dyn Fn(Call) -> Reply, done: &mut Done) -> Reply {
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
            (Mistake::CreateThenWrite, Call::Link(from, to), Some(State::Ready { .. })) => {
                if ask(Call::Create(to.clone(), [].into()))? != Outcome::Created(Created::Now) {
                    return ask(Call::Link(from, to));
                }
                // To write into it is to put the content where nothing was.
                ask(Call::Remove(to.clone()))?;
                ask(Call::Link(from, to)).map(|_| Outcome::Linked(Linked::Now))
            }
            (Mistake::UnlinkAndRecreate, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let Outcome::Content(Some(content)) = ask(Call::Read(from.clone(), usize::MAX))? else {
                    return Ok(Outcome::Moved(Moved::Gone));
                };
                ask(Call::Remove(from))?;
                let made = ask(Call::Create(to, content))? == Outcome::Created(Created::Now);
                Ok(Outcome::Moved(if made { Moved::Here } else { Moved::Gone }))
            }
            (Mistake::ExpireByStaleListing, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let id = new.map(|entry| entry.id);
                let Outcome::Names(Some(names)) = ask(Call::List(from.dir.clone()))? else {
                    return ask(Call::Rename(from, to));
                };
                let present = names.iter().find(|name| Entry::parse(name).map(|entry| entry.id) == id);
                ask(Call::Rename(present.map_or(from.clone(), |name| from.dir.file(name.as_str())), to))
            }
            (Mistake::LeaveSyncOut, Call::SyncDir(dir), _) if dir.as_str().starts_with("done") => Ok(Outcome::Synced),
            (Mistake::LeaveSyncOut, Call::Flush(path), _)
                if is_in("done", &path.dir) || is_in("claimed", &path.dir) =>
            {
                Ok(Outcome::Flushed(Flushed::Now))
            }
            (Mistake::RecordAfterRename, Call::Append(path, ..), _) if is_in("claimed", &path.dir) => {
                Ok(Outcome::Appended(Appended::Now(2)))
            }
            (Mistake::RecordAfterRename, Call::Rename(from, to), Some(State::Ended(_))) => {
                let reply = ask(Call::Rename(from, to.clone()))?;
                if new.is_some_and(|entry| entry.report.is_some()) {
                    ask(Call::Append(to, b"\n{}\n".as_slice().into(), usize::MAX))?;
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
            (Mistake::WakeBeforeTheEnd, Call::Rename(from, to), Some(State::Ended(_))) => {
                done.ended = true;
                ask(Call::Rename(from, to))
            }
            // As if it had looked for them before, and had seen that the task lives.
            (Mistake::WakeBeforeTheEnd, Call::List(dir), _) if done.ended && is_in("blocked", &dir) => {
                Ok(Outcome::Names(None))
            }
            (Mistake::LinkWithoutALook, Call::Link(from, to), Some(State::Blocked { .. })) => {
                done.linked = true;
                ask(Call::Link(from, to))
            }
            (Mistake::LinkWithoutALook, Call::FirstLine(path, _), _) if done.linked && is_in("blocked", &path.dir) => {
                Ok(Outcome::Content(None))
            }
            (Mistake::LinkAsReady, Call::Link(from, to), Some(State::Blocked { .. })) => {
                ask(Call::Link(from, new.map_or(to, as_ready)))
            }
            (Mistake::KeyWithoutALook, Call::Link(from, to), _) if is_in("unique", &to.dir) => {
                if let Outcome::Content(content) = ask(Call::Read(from.clone(), usize::MAX))? {
                    done.key = content;
                }
                ask(Call::Link(from, to))
            }
            (Mistake::KeyWithoutALook, Call::Read(path, _), _) if done.key.is_some() && is_in("unique", &path.dir) => {
                Ok(Outcome::Content(done.key.clone()))
            }
            (Mistake::TakeTheEnqueuerForDead, Call::Link(from, to), _) if is_in("unique", &to.dir) => {
                done.asks_for = done.asks_for.or(new.map(|entry| entry.id));
                // It does so once, lest two do it to each other for ever.
                done.has_a_key |= layout::parse_key_holder(&to.name).is_some();
                ask(Call::Link(from, to))
            }
            (Mistake::TakeTheEnqueuerForDead, Call::List(dir), _) if is_in("unique", &dir) && !done.has_a_key => {
                let reply = ask(Call::List(dir))?;
                let Outcome::Names(Some(names)) = reply else { return Ok(reply) };
                let staged = |name: &String| Entry::parse(name).map(|entry| entry.id);
                let dead = |name: &String| staged(name).filter(|id| Some(*id) != done.asks_for);
                done.dead.extend(names.iter().filter_map(dead));
                Ok(Outcome::Names(Some(names.iter().filter(|name| dead(name).is_none()).cloned().collect())))
            }
            (Mistake::TakeTheEnqueuerForDead, Call::FirstLine(path, _), _)
                if layout::parse_record(&path.name).is_some_and(|id| done.dead.contains(&id)) =>
            {
                Ok(Outcome::Content(None))
            }
            (Mistake::LeaveAfterGivingWay, Call::Rename(from, to), Some(State::Ready { .. }))
                if is_in("claimed", &from.dir) =>
            {
                done.gave_way = true;
                ask(Call::Rename(from, to))
            }
            (Mistake::LeaveAfterGivingWay, Call::List(dir), _) if done.gave_way && is_in("ready", &dir) => {
                Ok(Outcome::Names(None))
            }
            (Mistake::ForgiveLapses, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let forgiven = new.map(|entry| Entry { attempt: entry.attempt - 1, ..entry });
                ask(Call::Rename(from, forgiven.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (Mistake::LapseAfterTheLast, Call::Rename(from, to), Some(State::Ended(_))) => {
                let lapsed = new.and_then(|entry| {
                    let lease = entry.lease()?.clone();
                    Some(at_home(Entry { state: State::TimedOut { lease, tags: TagSet::default() }, ..entry }))
                });
                ask(Call::Rename(from, lapsed.unwrap_or(to)))
            }
            (Mistake::ForgetTheBackOff, Call::Rename(from, to), Some(State::Scheduled { .. })) => {
                let last = Entry::parse(&from.name);
                let due = last.as_ref().and_then(Entry::lease).map(|lease| lease.heartbeat_at);
                let at_once = new.zip(due).map(|(entry, due)| Entry { state: State::Scheduled { due }, ..entry });
                ask(Call::Rename(from, at_once.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (Mistake::RemoveReportTooEarly, Call::Rename(from, to), Some(State::Claimed(_))) => {
                let last = Entry::parse(&from.name).filter(|last| new.is_some_and(|new| new.report != last.report));
                let superseded = last.and_then(|last| Some(layout::report(last.id, last.version, last.report?)));
                superseded.map(|path| ask(Call::Remove(path))).transpose()?;
                ask(Call::Rename(from, to))
            }
            (Mistake::ForgetTheRequest, Call::Rename(from, to), Some(State::Cancelling(lease)))
                if from.name.contains(".cancelling.") =>
            {
                let state = State::Claimed(lease.clone());
                let forgotten = new.as_ref().map(|entry| Entry { state, ..entry.clone() });
                ask(Call::Rename(from, forgotten.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (Mistake::KeepOneTooMany, Call::Rename(from, to), Some(State::Claimed(_))) => {
                done.claimed = true;
                ask(Call::Rename(from, to))
            }
            (Mistake::KeepOneTooMany, Call::List(dir), _) if done.claimed && is_in("claimed", &dir) => {
                Ok(Outcome::Names(None))
            }
            (Mistake::TakeBackWhatFollows, Call::Rename(from, to), Some(State::Ready { .. }))
                if is_in("blocked", &from.dir) =>
            {
                let taken_back = new.map(|entry| {
                    let (outcome, ended_at) = (Ended::Cancelled, entry.created_at);
                    at_home(Entry { state: State::Ended(Ending { outcome, ended_at, lease: None }), ..entry })
                });
                ask(Call::Rename(from, taken_back.unwrap_or(to)))
            }
            (Mistake::SyncNoProgress, Call::SyncDir(dir), _) if is_in("claimed", &dir) => Ok(Outcome::Synced),
            (Mistake::SyncNoKey, Call::SyncDir(dir), _) if is_in("unique", &dir) => Ok(Outcome::Synced),
            (Mistake::ForgetTheMarks, Call::List(dir), _) if is_in("blocked", &dir) => {
                Ok(match ask(Call::List(dir))? {
                    Outcome::Names(Some(names)) => {
                        let unmarked = names.iter().filter(|name| layout::parse_mark(name).is_none()).cloned();
                        Outcome::Names(Some(unmarked.collect()))
                    }
                    other => other,
                })
            }
            (Mistake::CollectWithoutASecondLook, Call::Rename(from, to), Some(_)) if is_in("purged", &to.dir) => {
                done.collects = true;
                ask(Call::Rename(from, to))
            }
            (Mistake::CollectWithoutASecondLook, Call::List(dir), _) if done.collects && is_in("blocked", &dir) => {
                Ok(Outcome::Names(None))
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

fn is_in(hall: &str, dir: &Dir) -> bool {
    dir.as_str().split('/').next() == Some(hall)
}

/// The name of a task that can be claimed in the place of this one.
fn as_ready(entry: Entry) -> Path {
    let pending_until = entry.created_at.plus_seconds(1_000);
    at_home(Entry { state: State::Ready { pending_until, tags: TagSet::default() }, ..entry })
}

fn at_home(entry: Entry) -> Path {
    layout::home(&entry, &QueueName::default_queue()).file(entry.to_string())
}
