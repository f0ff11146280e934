//! The ledger watches every change of every name, and every answer, and says which promise was broken.
//!
//! It knows the promises of `PROTOCOL.md` and nothing of how the queue keeps them: it never calls `decide`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use coord_core::entry::{Entry, Lease, Outcome as Ending, State};
use coord_core::layout::{self, Path};
use coord_core::limits;
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::store::{Created, Linked, Moved, Removed};
use coord_core::{TaskId, Timestamp};

use super::agent::{Answer, Errand, Order, name, result_of};
use super::call::{Call, Outcome, Reply};

/// What is promised. Each is checked at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// A task has exactly one state entry.
    OneEntry,
    /// Each generation of a task is granted to one holder.
    OneHolder,
    /// Versions and generations only grow.
    OnlyGrow,
    /// A task that has ended stays as it ended.
    EndedIsEnded,
    /// Only the holder of the present lease keeps the task or reports its end; every other is refused.
    OnlyTheHolder,
    /// No lease is taken from its holder before it has run out by the clock of whoever takes it.
    NotBeforeItsTime,
    /// A claim is an attempt, unless its holder gives the task back; nothing else counts.
    AttemptsAreCounted,
    /// What was acknowledged is there.
    NothingLost,
    /// An ended task's result is there, whole, from the moment at which the task has ended.
    ResultsAreWhole,
    /// What goes in comes out, and nothing else does.
    CountsAddUp,
    /// The highest priority comes first, then the oldest, when nobody else is about.
    InOrder,
    /// Nothing is left behind but what `doctor` knows.
    BoundedGarbage,
}

/// A broken promise, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What was seen.
    pub seen: String,
}

/// What is known of each task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    lives: BTreeMap<TaskId, Life>,
}

/// What was seen of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Life {
    /// Where its entries stand.
    entries: BTreeSet<Path>,
    /// The last name that it had.
    last: Option<String>,
    /// The nonce and the holder of each generation's lease.
    leases: BTreeMap<u32, (Nonce, String)>,
    /// The generations whose holders were told that they hold the task.
    told: BTreeSet<u32>,
    /// How often each lease was kept without its holder having been told so yet.
    kept: BTreeMap<Nonce, u32>,
    /// The generations whose holders gave the task back, and whether they were told so.
    released: BTreeMap<u32, bool>,
    /// It was called off while the lease of another ran, which takes force.
    forced: bool,
    /// Somebody was told that the task has ended as it ordered.
    end_told: bool,
    /// Somebody was told that the task is in the queue.
    acknowledged: bool,
}

impl Ledger {
    /// A ledger of what is in the tree already, all of it acknowledged.
    pub fn of(tree: &Tree) -> Ledger {
        let mut ledger = Ledger::default();
        let mut entries: Vec<(Path, Entry)> = entries(tree).collect();
        entries.sort_by_key(|(_, entry)| entry.version);
        for (path, entry) in entries {
            let life = ledger.lives.entry(entry.id).or_default();
            life.acknowledged = true;
            life.last = Some(path.name.clone());
            life.leases.extend(entry.lease().map(|lease| (entry.generation, tenure(lease))));
            life.entries.insert(path);
        }
        ledger
    }

    /// The tasks that were seen.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.lives.keys().copied()
    }

    /// The place of a task in the order in which tasks are claimed.
    pub fn place(&self, id: TaskId) -> (Reverse<i64>, Timestamp, TaskId) {
        let entry = self.lives.get(&id).and_then(Life::last_entry).expect("a task that was seen");
        (Reverse(entry.priority), entry.created_at, id)
    }

    /// How many holders the task has had.
    pub fn holders(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.leases.len())
    }

    /// How often the task was given back.
    pub fn releases(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.released.len())
    }

    /// Notes an operation that was done, by an agent whose clock says `now`.
    pub fn done(&mut self, call: &Call, reply: &Reply, tree: &Tree, now: Timestamp) -> Result<(), Broken> {
        let (gone, come) = match (call, reply) {
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here))) => (Some(from), Some(to)),
            (Call::Link(_, to), Ok(Outcome::Linked(Linked::Now))) => (None, Some(to)),
            (Call::Create(to, _), Ok(Outcome::Created(Created::Now))) => (None, Some(to)),
            (Call::Remove(from), Ok(Outcome::Removed(Removed::Now))) => (Some(from), None),
            _ => return Ok(()),
        };
        let before = gone.and_then(|path| Some((path, on_a_shelf(path)?)));
        let after = come.and_then(|path| Some((path, on_a_shelf(path)?)));
        let Some(id) = before.iter().chain(&after).map(|(_, entry)| entry.id).next() else { return Ok(()) };
        let life = self.lives.entry(id).or_default();
        if let Some((path, _)) = &before {
            life.entries.remove(*path);
        }
        if let Some((path, _)) = &after {
            life.entries.insert((*path).clone());
        }
        life.check_entries(id)?;
        // A doctor that brings an entry to where it belongs changes nothing of what its name says.
        let brought_home = before.is_some_and(|(path, _)| come.is_some_and(|to| to.name == path.name));
        if let (Some((path, entry)), false) = (after, brought_home) {
            life.follow(&entry, now)?;
            life.last = Some(path.name.clone());
            check_settlement(&entry, tree)?;
        }
        Ok(())
    }

    /// Notes what an agent was told.
    pub fn told(&mut self, errand: &Errand, answer: &Answer) -> Result<(), Broken> {
        match *answer {
            Answer::Enqueued(id) => {
                let life = self.lives.entry(id).or_default();
                life.acknowledged = true;
                life.check_entries(id)
            }
            Answer::Claimed(id, generation, nonce) => {
                let life = self.lives.entry(id).or_default();
                let mine = life.tenure_of(errand, nonce);
                expect(life.leases.get(&generation) == Some(&mine), Promise::OneHolder, || {
                    format!("{errand} was granted generation {generation}, but its lease is another")
                })?;
                expect(life.told.insert(generation), Promise::OneHolder, || {
                    format!("generation {generation} was granted twice")
                })
            }
            Answer::Kept(id, nonce) => self.lives.entry(id).or_default().check_kept(errand, nonce),
            Answer::Ended(id, nonce) => self.lives.entry(id).or_default().check_end(errand, nonce),
            Answer::Released(id, generation) => self.lives.entry(id).or_default().check_released(errand, generation),
            Answer::Refused(code) => self.check_refusal(errand, code),
            Answer::Nothing | Answer::Examined | Answer::Unknown => Ok(()),
        }
    }

    /// Whoever is refused is told why: by the state of the task, which is there.
    fn check_refusal(&self, errand: &Errand, code: &str) -> Result<(), Broken> {
        let (Order::Heartbeat(id)
        | Order::Complete(id)
        | Order::Fail(id)
        | Order::Release(id)
        | Order::Cancel(id)
        | Order::ForceCancel(id)) = errand.order
        else {
            return Ok(());
        };
        let by_state = ["not_claimed", "wrong_owner", "lease_lost", "already_terminal"].contains(&code);
        let there = self.lives.get(&id).is_some_and(|life| life.acknowledged);
        expect(by_state || !there, Promise::NothingLost, || format!("{errand} was refused: {code}"))
    }

    /// What must hold when all agents are at rest and every task has ended.
    pub fn closed(&self) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            let ended = life.last_entry().is_some_and(|entry| matches!(entry.state, State::Ended(_)));
            expect(ended || !life.acknowledged, Promise::CountsAddUp, || format!("{id} never ended: {life:?}"))?;
            expect(life.entries.len() == 1 || !life.acknowledged, Promise::NothingLost, || format!("{id}: {life:?}"))?;
        }
        Ok(())
    }
}

impl Life {
    fn check_entries(&self, id: TaskId) -> Result<(), Broken> {
        expect(self.entries.len() <= 1, Promise::OneEntry, || format!("{id} has {:?}", self.entries))?;
        expect(!self.acknowledged || !self.entries.is_empty(), Promise::NothingLost, || {
            format!("{id} is on no shelf, and was acknowledged")
        })
    }

    /// The task now has the name `next`.
    fn follow(&mut self, next: &Entry, now: Timestamp) -> Result<(), Broken> {
        let Some(last) = self.last_entry() else {
            let first = next.version == 1 && next.generation == 0 && matches!(next.state, State::Ready { .. });
            return expect(first, Promise::OnlyGrow, || format!("the first name is {next}"));
        };
        let step = || format!("{last} became {next}");
        expect(!matches!(last.state, State::Ended(_)), Promise::EndedIsEnded, step)?;
        let taken = matches!(next.state, State::Claimed(_)) && next.generation != last.generation;
        let grown = next.version == last.version + 1 && next.generation == last.generation + u32::from(taken);
        expect(grown, Promise::OnlyGrow, step)?;
        let released = !matches!(last.state, State::Ready { .. }) && matches!(next.state, State::Ready { .. });
        let counted = next.attempt + u32::from(released) == last.attempt + u32::from(taken);
        expect(counted, Promise::AttemptsAreCounted, step)?;
        let same_lease = next.lease().map(|lease| lease.nonce) == last.lease().map(|lease| lease.nonce);
        let same_holder = next.lease().map(|lease| &lease.holder) == last.lease().map(|lease| &lease.holder);
        let late = last.lease().is_some_and(|lease| lease.expires_at <= now.max(lease.heartbeat_at));
        match (&last.state, &next.state) {
            (State::Ready { .. } | State::Lapsed(_), State::Claimed(lease)) if taken => {
                let waited_too_long = matches!(last.state, State::Ready { pending_until } if pending_until <= now);
                expect(!waited_too_long, Promise::EndedIsEnded, step)?;
                let other = self.leases.insert(next.generation, tenure(lease));
                expect(other.is_none(), Promise::OneHolder, step)
            }
            (State::Claimed(_), State::Claimed(_)) if taken => Err(Broken::new(Promise::OneHolder, step())),
            (State::Claimed(_) | State::Lapsed(_), State::Claimed(lease)) => {
                *self.kept.entry(lease.nonce).or_default() += 1;
                let heard_of = last.lease().map(|lease| lease.heartbeat_at);
                expect(heard_of <= Some(lease.heartbeat_at), Promise::OnlyGrow, step)?;
                expect(same_lease && same_holder, Promise::OnlyTheHolder, step)
            }
            (State::Claimed(_) | State::Lapsed(_), State::Ready { pending_until }) => {
                let again = self.released.insert(last.generation, false);
                expect(again.is_none(), Promise::OneHolder, step)?;
                // A task that was claimed in time does not run out of it.
                expect(pending_until.micros() == limits::TIME_MICROS, Promise::NotBeforeItsTime, step)
            }
            (State::Claimed(_), State::Lapsed(_)) => {
                expect(same_lease && same_holder, Promise::OnlyTheHolder, step)?;
                expect(late, Promise::NotBeforeItsTime, step)
            }
            (State::Claimed(_) | State::Lapsed(_), State::Ended(ending)) => match ending.outcome {
                Ending::Completed | Ending::Failed => expect(same_lease && same_holder, Promise::OnlyTheHolder, step),
                Ending::Cancelled => {
                    self.forced = matches!(last.state, State::Claimed(_)) && !late && !same_holder;
                    expect(same_lease, Promise::OnlyTheHolder, step)
                }
                Ending::Expired => Err(Broken::new(Promise::NotBeforeItsTime, step())),
            },
            (State::Ready { pending_until }, State::Ended(ending)) => match ending.outcome {
                Ending::Cancelled => Ok(()),
                Ending::Expired => expect(*pending_until <= now, Promise::NotBeforeItsTime, step),
                Ending::Completed | Ending::Failed => Err(Broken::new(Promise::OnlyTheHolder, step())),
            },
            _ => Err(Broken::new(Promise::OnlyTheHolder, step())),
        }
    }

    /// Whoever was told that it keeps the task has that lease, and has kept it: once for each time that it was told.
    fn check_kept(&mut self, errand: &Errand, nonce: Nonce) -> Result<(), Broken> {
        let mine = self.tenure_of(errand, nonce);
        let held = self.leases.values().any(|lease| *lease == mine) && errand.lease.is_none_or(|lease| lease == nonce);
        let kept = self.kept.get_mut(&nonce).is_some_and(|times| {
            let untold = *times > 0;
            *times = times.saturating_sub(1);
            untold
        });
        expect(held && kept, Promise::OnlyTheHolder, || {
            format!("{errand} was accepted; the leases are {:?}", self.leases)
        })
    }

    /// Whoever was told that the task is given back had it, by the lease that it meant, and has given it back: it was
    /// told so once, and has the task no more.
    fn check_released(&mut self, errand: &Errand, generation: u32) -> Result<(), Broken> {
        let seen = || format!("{errand} was accepted as generation {generation}; the leases are {:?}", self.leases);
        let lease = self.leases.get(&generation);
        let mine = lease.is_some_and(|(nonce, _)| lease == Some(&self.tenure_of(errand, *nonce)));
        let meant = errand.lease.is_none_or(|meant| lease.is_some_and(|(nonce, _)| *nonce == meant));
        expect(mine && meant, Promise::OnlyTheHolder, seen)?;
        let untold = self.released.get(&generation) == Some(&false);
        expect(untold, Promise::OnlyTheHolder, seen)?;
        self.released.insert(generation, true);
        Ok(())
    }

    /// Whoever was told that the task has ended has ended it, and by its own lease. Nobody else was told so.
    fn check_end(&mut self, errand: &Errand, nonce: Nonce) -> Result<(), Broken> {
        let seen = || format!("{errand} was accepted; the task is {}", self.last.as_deref().unwrap_or("nowhere"));
        let Some(State::Ended(ending)) = self.last_entry().map(|entry| entry.state) else {
            return Err(Broken::new(Promise::NothingLost, seen()));
        };
        let outcome = match errand.order {
            Order::Complete(_) => Ending::Completed,
            Order::Fail(_) => Ending::Failed,
            _ => Ending::Cancelled,
        };
        expect(ending.outcome == outcome, Promise::EndedIsEnded, seen)?;
        expect(!self.end_told, Promise::EndedIsEnded, || format!("{errand} was accepted, as another was before"))?;
        let allowed = !self.forced || matches!(errand.order, Order::ForceCancel(_));
        expect(allowed, Promise::NotBeforeItsTime, seen)?;
        let by = ending.lease.as_ref().map(tenure);
        expect(by == Some(self.tenure_of(errand, nonce)), Promise::OnlyTheHolder, seen)?;
        let meant = errand.lease.is_none_or(|lease| lease == nonce) || outcome == Ending::Cancelled;
        expect(meant, Promise::OnlyTheHolder, seen)?;
        let settled = outcome != Ending::Completed || ending.settlement == Some(errand.nonce);
        expect(settled, Promise::ResultsAreWhole, seen)?;
        self.end_told = true;
        Ok(())
    }

    /// A lease of whoever runs the errand, as names tell of it.
    fn tenure_of(&self, errand: &Errand, nonce: Nonce) -> (Nonce, String) {
        let holder = self.last_entry().map(|entry| entry.holder(&name(errand.agent)).as_str().to_string());
        (nonce, holder.unwrap_or_default())
    }

    fn last_entry(&self) -> Option<Entry> {
        self.last.as_deref().and_then(Entry::parse)
    }
}

fn tenure(lease: &Lease) -> (Nonce, String) {
    (lease.nonce, lease.holder.as_str().to_string())
}

/// The settlement that an ended task's name points at is there, and says what its writer said.
fn check_settlement(entry: &Entry, tree: &Tree) -> Result<(), Broken> {
    let State::Ended(ending) = &entry.state else { return Ok(()) };
    let Some(nonce) = ending.settlement else { return Ok(()) };
    let path = layout::settlement(entry.id, entry.version, nonce);
    let content = tree.content(&path).map(|content| String::from_utf8_lossy(content).into_owned());
    let whole = content.as_ref().is_some_and(|content| *content == format!("{{\"result\":{}}}\n", result_of(nonce)));
    expect(whole, Promise::ResultsAreWhole, || format!("{path} holds {content:?}"))
}

/// The state entries that are on shelves.
pub fn entries(tree: &Tree) -> impl Iterator<Item = (Path, Entry)> {
    tree.files().filter_map(|(path, _)| Some((path.clone(), on_a_shelf(&path)?)))
}

fn on_a_shelf(path: &Path) -> Option<Entry> {
    let shelf = path.dir.as_str().split('/').next()?;
    if ["ready", "claimed", "done"].contains(&shelf) { Entry::parse(&path.name) } else { None }
}

/// The promise holds if `kept`.
pub fn expect(kept: bool, promise: Promise, seen: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(Broken::new(promise, seen())) }
}

impl Broken {
    /// A promise was broken, as was seen.
    pub fn new(promise: Promise, seen: String) -> Broken {
        Broken { promise, seen }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Promise::OneEntry => "a task has exactly one state entry",
            Promise::OneHolder => "each generation of a task is granted to one holder",
            Promise::OnlyGrow => "versions and generations only grow",
            Promise::EndedIsEnded => "a task that has ended stays as it ended",
            Promise::OnlyTheHolder => "only the holder of the present lease keeps the task or reports its end",
            Promise::NotBeforeItsTime => "no lease is taken from its holder before it has run out",
            Promise::AttemptsAreCounted => "a claim is an attempt, unless its holder gives the task back",
            Promise::NothingLost => "what was acknowledged is there",
            Promise::ResultsAreWhole => "an ended task's result is there, whole",
            Promise::CountsAddUp => "what goes in comes out, and nothing else does",
            Promise::InOrder => "the highest priority comes first, then the oldest",
            Promise::BoundedGarbage => "nothing is left behind but what `doctor` knows",
        })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}. Seen: {}", self.promise, self.seen)
    }
}
