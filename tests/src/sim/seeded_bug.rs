//! Classic bugs, each as other store operations in the place of a single right one. A checker must find each of them.

mod parts;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::entry::{Ending, Entry, Outcome as Ended, State};
use coord_core::layout;
use coord_core::store::fused::{First, Move, Seen, Step, Stepped};
use coord_core::store::{Appended, Created, Flushed, Linked, Moved, StoreError, by_calls};
use coord_core::tags::TagSet;

use parts::{as_ready, at_home, is_in};

use super::call::{Answered, Call, Outcome, Reply};

/// A classic bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeededBug {
    /// A claim makes its own new name and takes what it reads back there for proof that it won.
    RenameAndReadBack,
    /// An entry is created exclusively, and its content written then.
    CreateThenWrite,
    /// An expired claim is unlinked and made anew.
    UnlinkAndRecreate,
    /// A lease that had expired in an old listing is timed out under the name that the task has by now.
    ExpireByStaleListing,
    /// The directory of ended tasks is not synced.
    LeaveSyncOut,
    /// The settlement is written after the rename that points at it.
    RecordAfterRename,
    /// A waiting agent notes how a directory looks after it has read it, not before: so it looks the same ever after.
    LoseWakeUp,
    /// A release is taken for an attempt.
    KeepAttemptOnRelease,
    /// A release takes the task from its present holder, not from the lease that the release was decided for.
    ReleaseWithoutOwnershipCheck,
    /// A doctor relinks a task without taking the record's old name away.
    RelinkWithoutFence,
    /// Dependents of a task are woken before its end is there, and not afterwards.
    WakeBeforeTheEnd,
    /// An enqueuer does not look at the parent of its task again after the link.
    LinkWithoutALook,
    /// A task that waits for another is linked as one that can be claimed.
    LinkAsReady,
    /// An enqueuer that wants a key does not look which task got it.
    KeyWithoutALook,
    /// An expired lease is not counted as an attempt.
    ForgiveTimeouts,
    /// The task can be claimed again after the last allowed attempt has timed out.
    TimeOutAfterTheLast,
    /// A task whose attempt failed is due at once.
    ForgetTheBackOff,
    /// The report whose place another takes is removed before the name leads to that.
    RemoveReportTooEarly,
    /// A heartbeat drops the request to stop.
    ForgetTheRequest,
    /// An agent that has claimed one too many does not count again.
    KeepOneTooMany,
    /// The tasks that an accepted completion enqueued are taken back, as if it had been refused.
    TakeBackWhatFollows,
    /// A report whose place was taken is removed when nothing of that is on disk.
    SyncNoProgress,
    /// An enqueuer that gets a key does not sync it.
    SyncNoKey,
    /// An agent that asks for a key does not find the holder's task yet, and takes that enqueuer for dead.
    TakeTheEnqueuerForDead,
    /// An agent that releases a task because of the limit does not look for another.
    LeaveAfterGivingWay,
    /// Nobody looks at the marks that tasks with several parents leave at each of them.
    ForgetTheMarks,
    /// A `gc` looks for dependents before it moves a task away, and not afterwards.
    CollectWithoutASecondLook,
    /// A step whose reply was lost is sent to the engine again.
    StepTwice,
    /// What a step writes is there though the move that makes it count is not made.
    StepInParts,
    /// Of the moves of a step all are made whose old names are there.
    EveryCandidate,
    /// An end is acknowledged before it is on disk.
    EndWithoutALog,
    /// A look at the head that finds nothing above the watermarks does not go through what is below them.
    NothingBelowTheWatermark,
}

/// The store that `ask` answers, as a program with this bug uses it, if there is one.
pub fn answered<'a>(bug: Option<SeededBug>, ask: impl Fn(Call) -> Reply + 'a) -> Answered<'a> {
    let Some(bug) = bug else { return Answered::by(ask) };
    let done = RefCell::new(Done::default());
    Answered::by(move |call| bug.make(call, &ask, &mut done.borrow_mut()))
}

/// What a program with a bug has done before.
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

impl SeededBug {
    /// Does `call` as a program with this bug does it, by `ask`ing for other calls.
    fn make(self, call: Call, ask: &dyn Fn(Call) -> Reply, done: &mut Done) -> Reply {
        let (from_tasks, new) = match &call {
            Call::Rename(from, to) => (from.dir.as_str().starts_with("tasks"), Entry::parse(&to.name)),
            Call::Link(_, to) => (false, Entry::parse(&to.name)),
            _ => (false, None),
        };
        let state = new.as_ref().map(|entry| &entry.state);
        match (self, call, state) {
            (SeededBug::RenameAndReadBack, Call::Rename(from, to), Some(State::Claimed(_))) if from.dir != to.dir => {
                let Outcome::Content(Some(content)) = ask(Call::Read(from.clone(), usize::MAX))? else {
                    return Ok(Outcome::Moved(Moved::Gone));
                };
                ask(Call::Create(to.clone(), content))?;
                ask(Call::Remove(from))?;
                let read_back = ask(Call::Exists(to))? == Outcome::Exists(true);
                Ok(Outcome::Moved(if read_back { Moved::Here } else { Moved::Gone }))
            }
            (SeededBug::CreateThenWrite, Call::Link(from, to), Some(State::Ready { .. })) => {
                if ask(Call::Create(to.clone(), [].into()))? != Outcome::Created(Created::Now) {
                    return ask(Call::Link(from, to));
                }
                // To write into it is to put the content where nothing was.
                ask(Call::Remove(to.clone()))?;
                ask(Call::Link(from, to)).map(|_| Outcome::Linked(Linked::Now))
            }
            (SeededBug::UnlinkAndRecreate, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let Outcome::Content(Some(content)) = ask(Call::Read(from.clone(), usize::MAX))? else {
                    return Ok(Outcome::Moved(Moved::Gone));
                };
                ask(Call::Remove(from))?;
                let made = ask(Call::Create(to, content))? == Outcome::Created(Created::Now);
                Ok(Outcome::Moved(if made { Moved::Here } else { Moved::Gone }))
            }
            (SeededBug::ExpireByStaleListing, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let id = new.map(|entry| entry.id);
                let Outcome::Names(Some(names)) = ask(Call::List(from.dir.clone()))? else {
                    return ask(Call::Rename(from, to));
                };
                let present = names.iter().find(|name| Entry::parse(name).map(|entry| entry.id) == id);
                ask(Call::Rename(present.map_or(from.clone(), |name| from.dir.file(name.as_str())), to))
            }
            (SeededBug::LeaveSyncOut, Call::SyncDir(dir), _) if dir.as_str().starts_with("done") => Ok(Outcome::Synced),
            (SeededBug::LeaveSyncOut, Call::Flush(path), _)
                if is_in("done", &path.dir) || is_in("claimed", &path.dir) =>
            {
                Ok(Outcome::Flushed(Flushed::Now))
            }
            (SeededBug::RecordAfterRename, Call::Append(path, ..), _) if is_in("claimed", &path.dir) => {
                Ok(Outcome::Appended(Appended::Now(2)))
            }
            (SeededBug::RecordAfterRename, Call::Rename(from, to), Some(State::Ended(_))) => {
                let reply = ask(Call::Rename(from, to.clone()))?;
                if new.is_some_and(|entry| entry.report.is_some()) {
                    ask(Call::Append(to, b"\n{}\n".as_slice().into(), usize::MAX))?;
                }
                Ok(reply)
            }
            (SeededBug::KeepAttemptOnRelease, Call::Rename(from, to), Some(State::Ready { .. })) => {
                let kept = new.map(|entry| Entry { attempt: entry.attempt + 1, ..entry });
                ask(Call::Rename(from, kept.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (SeededBug::ReleaseWithoutOwnershipCheck, Call::Rename(from, to), Some(State::Ready { .. })) => {
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
            (SeededBug::WakeBeforeTheEnd, Call::Rename(from, to), Some(State::Ended(_))) => {
                done.ended = true;
                ask(Call::Rename(from, to))
            }
            // As if it had looked for them before, and had seen that the task lives.
            (SeededBug::WakeBeforeTheEnd, Call::List(dir), _) if done.ended && is_in("blocked", &dir) => {
                Ok(Outcome::Names(None))
            }
            (SeededBug::LinkWithoutALook, Call::Link(from, to), Some(State::Blocked { .. })) => {
                done.linked = true;
                ask(Call::Link(from, to))
            }
            (SeededBug::LinkWithoutALook, Call::FirstLine(path, _), _)
                if done.linked && is_in("blocked", &path.dir) =>
            {
                Ok(Outcome::Content(None))
            }
            (SeededBug::LinkAsReady, Call::Link(from, to), Some(State::Blocked { .. })) => {
                ask(Call::Link(from, new.map_or(to, as_ready)))
            }
            (SeededBug::KeyWithoutALook, Call::Link(from, to), _) if is_in("unique", &to.dir) => {
                if let Outcome::Content(content) = ask(Call::Read(from.clone(), usize::MAX))? {
                    done.key = content;
                }
                ask(Call::Link(from, to))
            }
            (SeededBug::KeyWithoutALook, Call::Read(path, _), _)
                if done.key.is_some() && is_in("unique", &path.dir) =>
            {
                Ok(Outcome::Content(done.key.clone()))
            }
            (SeededBug::TakeTheEnqueuerForDead, Call::Link(from, to), _) if is_in("unique", &to.dir) => {
                done.asks_for = done.asks_for.or(new.map(|entry| entry.id));
                // Only once, or two enqueuers would do it to each other without end.
                done.has_a_key |= layout::parse_key_holder(&to.name).is_some();
                ask(Call::Link(from, to))
            }
            (SeededBug::TakeTheEnqueuerForDead, Call::List(dir), _) if is_in("unique", &dir) && !done.has_a_key => {
                let reply = ask(Call::List(dir))?;
                let Outcome::Names(Some(names)) = reply else { return Ok(reply) };
                let staged = |name: &String| Entry::parse(name).map(|entry| entry.id);
                let dead = |name: &String| staged(name).filter(|id| Some(*id) != done.asks_for);
                done.dead.extend(names.iter().filter_map(dead));
                Ok(Outcome::Names(Some(names.iter().filter(|name| dead(name).is_none()).cloned().collect())))
            }
            (SeededBug::TakeTheEnqueuerForDead, Call::FirstLine(path, _), _)
                if layout::parse_record(&path.name).is_some_and(|id| done.dead.contains(&id)) =>
            {
                Ok(Outcome::Content(None))
            }
            (SeededBug::LeaveAfterGivingWay, Call::Rename(from, to), Some(State::Ready { .. }))
                if is_in("claimed", &from.dir) =>
            {
                done.gave_way = true;
                ask(Call::Rename(from, to))
            }
            (SeededBug::LeaveAfterGivingWay, Call::List(dir), _) if done.gave_way && is_in("ready", &dir) => {
                Ok(Outcome::Names(None))
            }
            (SeededBug::ForgiveTimeouts, Call::Rename(from, to), Some(State::TimedOut { .. })) => {
                let forgiven = new.map(|entry| Entry { attempt: entry.attempt - 1, ..entry });
                ask(Call::Rename(from, forgiven.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (SeededBug::TimeOutAfterTheLast, Call::Rename(from, to), Some(State::Ended(_))) => {
                let timed_out = new.and_then(|entry| {
                    let lease = entry.lease()?.clone();
                    Some(at_home(Entry { state: State::TimedOut { lease, tags: TagSet::default() }, ..entry }))
                });
                ask(Call::Rename(from, timed_out.unwrap_or(to)))
            }
            (SeededBug::ForgetTheBackOff, Call::Rename(from, to), Some(State::Scheduled { .. })) => {
                let last = Entry::parse(&from.name);
                let due = last.as_ref().and_then(Entry::lease).map(|lease| lease.heartbeat_at);
                let at_once = new.zip(due).map(|(entry, due)| Entry { state: State::Scheduled { due }, ..entry });
                ask(Call::Rename(from, at_once.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (SeededBug::RemoveReportTooEarly, Call::Rename(from, to), Some(State::Claimed(_))) => {
                let last = Entry::parse(&from.name).filter(|last| new.is_some_and(|new| new.report != last.report));
                let superseded = last.and_then(|last| Some(layout::report(last.id, last.version, last.report?)));
                superseded.map(|path| ask(Call::Remove(path))).transpose()?;
                ask(Call::Rename(from, to))
            }
            (SeededBug::ForgetTheRequest, Call::Rename(from, to), Some(State::Cancelling(lease)))
                if Entry::parse(&from.name).is_some_and(|last| matches!(last.state, State::Cancelling(_))) =>
            {
                let state = State::Claimed(lease.clone());
                let forgotten = new.as_ref().map(|entry| Entry { state, ..entry.clone() });
                ask(Call::Rename(from, forgotten.map_or(to.clone(), |entry| to.dir.file(entry.to_string()))))
            }
            (SeededBug::KeepOneTooMany, Call::Rename(from, to), Some(State::Claimed(_))) => {
                done.claimed = true;
                ask(Call::Rename(from, to))
            }
            (SeededBug::KeepOneTooMany, Call::List(dir), _) if done.claimed && is_in("claimed", &dir) => {
                Ok(Outcome::Names(None))
            }
            (SeededBug::TakeBackWhatFollows, Call::Rename(from, to), Some(State::Ready { .. }))
                if is_in("blocked", &from.dir) =>
            {
                let taken_back = new.map(|entry| {
                    let (outcome, ended_at) = (Ended::Cancelled, entry.created_at);
                    at_home(Entry { state: State::Ended(Ending { outcome, ended_at, lease: None }), ..entry })
                });
                ask(Call::Rename(from, taken_back.unwrap_or(to)))
            }
            (SeededBug::SyncNoProgress, Call::SyncDir(dir), _) if is_in("claimed", &dir) => Ok(Outcome::Synced),
            (SeededBug::SyncNoKey, Call::SyncDir(dir), _) if is_in("unique", &dir) => Ok(Outcome::Synced),
            (SeededBug::ForgetTheMarks, Call::List(dir), _) if is_in("blocked", &dir) => {
                Ok(match ask(Call::List(dir))? {
                    Outcome::Names(Some(names)) => {
                        let unmarked = names.iter().filter(|name| layout::parse_mark(name).is_none()).cloned();
                        Outcome::Names(Some(unmarked.collect()))
                    }
                    other => other,
                })
            }
            (SeededBug::CollectWithoutASecondLook, Call::Rename(from, to), Some(_)) if is_in("purged", &to.dir) => {
                done.collects = true;
                ask(Call::Rename(from, to))
            }
            (SeededBug::CollectWithoutASecondLook, Call::List(dir), _) if done.collects && is_in("blocked", &dir) => {
                Ok(Outcome::Names(None))
            }
            (SeededBug::LoseWakeUp, Call::Stamp(_), _) => Ok(Outcome::Stamp(None)),
            (SeededBug::RelinkWithoutFence, Call::Rename(..), None) if from_tasks => Ok(Outcome::Moved(Moved::Here)),
            (SeededBug::RelinkWithoutFence, Call::Link(from, to), Some(_)) => {
                let first = layout::parse_record(&from.name).map_or(from, layout::record);
                ask(Call::Link(first, to))
            }
            (SeededBug::RelinkWithoutFence, Call::Links(path), _) => {
                let first = layout::parse_record(&path.name).map_or(path, layout::record);
                ask(Call::Links(first))
            }
            (SeededBug::StepTwice, Call::Step(steps), _) => {
                ask(Call::Step(steps.clone())).or_else(|_| ask(Call::Step(steps)))
            }
            (SeededBug::StepInParts, Call::Step(steps), _) => {
                for Step { first, moves, .. } in steps.iter() {
                    match (first, moves.first()) {
                        (First::Create(path, content), _) => drop(ask(Call::Create(path.clone(), content[..].into()))?),
                        (First::Append(line, most), Some(Move::Rename(from, _))) => {
                            drop(ask(Call::Append(from.clone(), line[..].into(), *most))?);
                        }
                        _ => {}
                    }
                }
                let without = |step: &Step| Step { first: First::Nothing, ..step.clone() };
                ask(Call::Step(steps.iter().map(without).collect()))
            }
            (SeededBug::EveryCandidate, Call::Step(steps), _) => {
                let reply = ask(Call::Step(steps.clone()))?;
                for step in steps.iter() {
                    for other in step.moves.iter().skip(1) {
                        ask(Call::Step([Step { moves: vec![other.clone()], ..step.clone() }].into()))?;
                    }
                }
                Ok(reply)
            }
            (SeededBug::EndWithoutALog, Call::Step(steps), _) => {
                let ends = |one: &Move| matches!(one, Move::Rename(_, to) if is_in("done", &to.dir));
                let unlogged = |step: &Step| {
                    let durable = step.durable && !step.moves.iter().any(ends);
                    Step { durable, ..step.clone() }
                };
                ask(Call::Step(steps.iter().map(unlogged).collect()))
            }
            (_, Call::Look(looks), _) => {
                let seen: Result<Vec<Seen>, StoreError> = looks.iter().map(|look| self.look(look, ask, done)).collect();
                Ok(Outcome::Seen(seen?.into()))
            }
            (_, Call::Step(steps), _) => {
                let done = RefCell::new(done);
                let store = Answered::by(|call| self.make(call, ask, &mut done.borrow_mut())).whole(true);
                let outcomes: Result<Vec<Stepped>, StoreError> =
                    steps.iter().map(|step| by_calls::step(&store, step)).collect();
                Ok(Outcome::Stepped(outcomes?.into()))
            }
            (_, call, _) => ask(call),
        }
    }
}
