//! What happens to one task by its id: heartbeat, complete, fail, release, cancel. Find its entry, decide, rename.

use serde::{Deserialize, Serialize};

use super::files::Located;
use super::{ClaimRecord, Queue, Status};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Shelf};
use crate::limits;
use crate::name::{ErrorMessage, Nonce, RunId};
use crate::store::{Moved, Store};
use crate::time::Timestamp;
use crate::transition::{Claimant, Command, Refusal, Verdict, decide};

/// What a holder says at the end, in `records/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settlement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorMessage>,
}

/// A task that its holder gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The task.
    pub task_id: TaskId,
    /// Where the task stands: it waits.
    pub status: Status,
    /// How many holders the task has had; the next one makes it one more.
    pub generation: u32,
    /// How many attempts at the task have begun, but for those that were given back, as this one.
    pub attempt: u32,
}

impl<S: Store> Queue<S> {
    /// Tells that the holder is alive: the lease now ends `lease_seconds` from now, or is as long again as it was.
    ///
    /// Also takes a lease that ran out up again, as long as nobody has taken the task over. Not synced.
    pub fn heartbeat(
        &self,
        id: TaskId,
        claimant: Claimant,
        lease_seconds: Option<i64>,
        now: Timestamp,
    ) -> Result<ClaimRecord, Error> {
        let entry = self.transition(id, &Command::Heartbeat { claimant, lease_seconds }, now, None)?;
        self.claim_record(&entry, now)
    }

    /// What a heartbeat would be answered, without one: the claim as it stands, or why the task is not the claimant's.
    ///
    /// For a holder at work who wants to know soon that its task was called off. Writes nothing.
    pub fn still_held(&self, id: TaskId, claimant: Claimant, now: Timestamp) -> Result<ClaimRecord, Error> {
        let Located { entry, .. } = self.find(id)?.ok_or(Error::NotFound { id })?;
        match decide(&entry, &Command::Heartbeat { claimant, lease_seconds: None }, now) {
            Ok(_) => self.claim_record(&entry, now),
            Err(refusal) => Err(self.refused(id, refusal)),
        }
    }

    /// Ends the task in success. Survives a power cut when it returns, result and all.
    ///
    /// Refused if the task was taken over; the task and its new holder are then unaffected.
    pub fn complete(
        &self,
        id: TaskId,
        claimant: Claimant,
        result: Option<JsonObject>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let settlement = Settlement { result, error: None };
        self.settle(id, claimant, Verdict::Complete, settlement, now, nonce)
    }

    /// Ends the task in failure. Otherwise as [`Queue::complete`].
    pub fn fail(
        &self,
        id: TaskId,
        claimant: Claimant,
        error: ErrorMessage,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let settlement = Settlement { result: None, error: Some(error) };
        self.settle(id, claimant, Verdict::Fail, settlement, now, nonce)
    }

    /// Gives the task back, so that anybody may claim it at once. It has not failed, and this was no attempt.
    ///
    /// Also gives back a task whose lease ran out, as long as nobody has taken it over. Not synced: after a power cut the
    /// task may still be claimed, until its lease ends. Refused with [`Error::Corrupt`] if the task's record cannot be
    /// trusted: nothing says then where the task would wait, and its holder, who has read it, may still end it.
    pub fn release(&self, id: TaskId, claimant: Claimant, now: Timestamp) -> Result<Released, Error> {
        let entry = self.transition(id, &Command::Release { claimant }, now, None)?;
        // CM-11: the task waits, whether or not the agent lives to tell.
        let Entry { id: task_id, generation, attempt, .. } = entry;
        Ok(Released { task_id, status: Status::of(&entry, now), generation, attempt })
    }

    /// Calls the task off: a waiting one, one's own, one whose lease has run out, or with `force` anybody's.
    ///
    /// A holder of a task that was called off learns it when it next speaks. Survives a power cut when it returns.
    pub fn cancel(
        &self,
        id: TaskId,
        run_id: RunId,
        force: bool,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let entry = self.transition(id, &Command::Cancel { run_id, force, nonce }, now, None)?;
        self.claim_record(&entry, now)
    }

    fn settle(
        &self,
        id: TaskId,
        claimant: Claimant,
        verdict: Verdict,
        settlement: Settlement,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let says_nothing = settlement.result.as_ref().is_none_or(JsonObject::is_empty)
            && settlement.error.as_ref().is_none_or(|error| error.as_str().is_empty());
        let written = (!says_nothing).then_some(&settlement);
        let command = Command::Settle { claimant, verdict, settlement: written.map(|_| nonce) };
        let entry = self.transition(id, &command, now, written)?;
        let record = self.claim_record(&entry, now)?;
        let result = settlement.result.filter(|result| !result.is_empty());
        Ok(ClaimRecord { result, error: settlement.error, ..record })
    }

    /// Finds the task and renames its entry to what `command` makes of it, as often as others are faster. A lease that this
    /// queue gave is tried first by the name that it had then.
    fn transition(
        &self,
        id: TaskId,
        command: &Command,
        now: Timestamp,
        settlement: Option<&Settlement>,
    ) -> Result<Entry, Error> {
        let mut known = self.memory.borrow_mut().take_lease(id);
        for _ in 0..limits::RACES {
            let known = known.take().filter(|located| decide(&located.entry, command, now).is_ok());
            let located = match known {
                Some(located) => located,
                None => self.find(id)?.ok_or(Error::NotFound { id })?,
            };
            let next = match decide(&located.entry, command, now) {
                Ok(next) => next,
                Err(refusal) => return Err(self.refused(id, refusal)),
            };
            let written = settlement.map(|settlement| self.write_settlement(&next, settlement)).transpose()?;
            if self.step(&located, &next, command)? == Moved::Here {
                if matches!(next.state, State::Claimed(_)) {
                    let dir = layout::shelf_of(Shelf::Claimed, id);
                    self.memory.borrow_mut().hold(Located { dir, entry: next.clone() });
                }
                return Ok(next);
            }
            // CM-5: the settlement of a rename that was lost to another agent is garbage.
            written.flatten().map(|path| self.store.remove(&path)).transpose()?;
        }
        Err(Error::Contended)
    }

    /// Renames, and makes an ending durable.
    fn step(&self, located: &Located, next: &Entry, command: &Command) -> Result<Moved, Error> {
        if let (Command::Cancel { run_id, nonce, .. }, Some(lease)) = (command, next.lease()) {
            self.spill(&lease.holder, run_id, *nonce)?;
        }
        let Some(home) = self.next_home(located, next)? else { return Ok(Moved::Gone) };
        let moved = self.shift(located, next, &home)?;
        if moved == Moved::Here && matches!(next.state, State::Ended(_)) {
            // CM-6: the ending is there for everybody, and survives a power cut once this returns.
            self.store.sync_dir(&home)?;
        }
        Ok(moved)
    }

    /// Writes what the holder says, before the name that points at it: CM-4.
    fn write_settlement(&self, next: &Entry, settlement: &Settlement) -> Result<Option<layout::Path>, Error> {
        let Some(path) = settlement_path(next) else { return Ok(None) };
        let mut content = serde_json::to_vec(settlement).map_err(|error| Error::Unencodable(error.into()))?;
        content.push(b'\n');
        self.create(&path, &content)?;
        self.store.sync_dir(&path.dir)?;
        Ok(Some(path))
    }

    /// What the holder of an ended task said; `None` if nothing; `Some(None)` if it cannot be read any more.
    pub(super) fn settlement(&self, entry: &Entry) -> Result<Option<Option<Settlement>>, Error> {
        let Some(path) = settlement_path(entry) else { return Ok(None) };
        let content = self.store.read(&path, limits::RECORD_BYTES)?;
        Ok(Some(content.and_then(|content| serde_json::from_slice(&content).ok())))
    }

    fn claim_record(&self, entry: &Entry, now: Timestamp) -> Result<ClaimRecord, Error> {
        let lease = entry.lease().ok_or(Error::NotFound { id: entry.id })?;
        let who = self.run_id_text(&lease.holder);
        ClaimRecord::of(entry, who, Status::of(entry, now)).ok_or(Error::NotFound { id: entry.id })
    }

    fn refused(&self, id: TaskId, refusal: Refusal) -> Error {
        let who = refusal.holder().map(|holder| self.run_id_text(holder));
        Error::Refused { id, refusal, who }
    }
}

/// The settlement that the entry of an ended task points at.
pub(super) fn settlement_path(entry: &Entry) -> Option<layout::Path> {
    match &entry.state {
        State::Ended(ending) => ending.settlement.map(|nonce| layout::settlement(entry.id, entry.version, nonce)),
        State::Ready { .. } | State::Lapsed(_) | State::Claimed(_) => None,
    }
}
