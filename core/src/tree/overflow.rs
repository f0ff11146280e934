//! Texts that are too long for a name and so stand in a side file: run ids and tags.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Tree;
use crate::entry::Holder;
use crate::error::Error;
use crate::layout;
use crate::limits;
use crate::name::{RunId, Tag};
use crate::store::Store;
use crate::tags::TagSet;
use crate::turn::Turn;

impl<S: Store> Tree<S> {
    /// Writes down a run id that is too long for a name, before a name points at it. A text that is torn, or not the
    /// one that the digest is of, is moved out of the way.
    pub(crate) fn overflow(&self, holder: &Holder, run_id: &RunId, turn: &Turn<'_>) -> Result<(), Error> {
        if !holder.overflows() {
            return Ok(());
        }
        let path = layout::run(holder);
        // One that this agent may not read only serves to be shown.
        let Some(found) = self.unless_in_the_way(self.store.read(&path, limits::RECORD_BYTES))? else { return Ok(()) };
        match found.map(|content| serde_json::from_slice::<RunId>(&content)) {
            Some(Ok(found)) if holder.is_of(&found) => return Ok(()),
            Some(_) => drop(self.shift_file(&path, &layout::quarantine_by(turn.nonce()).file(path.name.as_str()))?),
            None => {}
        }
        let content = serde_json::Value::from(run_id.as_str()).to_string();
        self.publish(&path, content.as_bytes(), turn).map(|_| ())
    }

    /// The run id of a holder; the letters of the name if the text is missing or cannot be trusted. It is only
    /// displayed, so it is no reason to fail a change that has taken effect.
    pub(crate) fn run_id_text(&self, holder: &Holder) -> String {
        let overflowed = || self.overflowed(holder).ok()?;
        holder.run_id().or_else(overflowed).map_or_else(|| holder.as_str().into(), String::from)
    }

    /// The run id in `runs/` that a holder points at; `None` if it is missing, torn, or not the one that the digest is
    /// of.
    pub(crate) fn overflowed(&self, holder: &Holder) -> Result<Option<RunId>, Error> {
        Ok(self.overflow_text(holder)?.filter(|run_id| holder.is_of(run_id)))
    }

    /// The run id in the file in `runs/` that a holder points at, whosever it is; `None` if it is missing or torn.
    pub(crate) fn overflow_text(&self, holder: &Holder) -> Result<Option<RunId>, Error> {
        let content = self.unless_in_the_way(self.store.read(&layout::run(holder), limits::RECORD_BYTES))?.flatten();
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// Writes down tags that are too long for a name, before a name points at them.
    pub(crate) fn overflow_tags(&self, tags: &[Tag], turn: &Turn<'_>) -> Result<(), Error> {
        let set = TagSet::of(tags);
        let path = layout::tag_text(&set);
        if !set.overflows() || self.store.exists(&path)? {
            return Ok(());
        }
        let content = serde_json::to_vec(tags).map_err(|error| Error::Unencodable(error.into()))?;
        self.publish(&path, &content, turn).map(|_| ())
    }

    /// The tags in `tags/` that a name points at; `None` if their text is missing or torn. Many tasks have the same.
    pub(super) fn overflowed_tags(&self, tags: &TagSet) -> Result<Option<Rc<Vec<Tag>>>, Error> {
        if let Some(known) = self.cache.borrow().tags(tags) {
            return Ok(Some(known));
        }
        let content = self.unless_in_the_way(self.store.read(&layout::tag_text(tags), limits::RECORD_BYTES))?.flatten();
        let read: Option<Vec<Tag>> = content.and_then(|content| serde_json::from_slice(&content).ok());
        let read = read.filter(|read| TagSet::of(read) == *tags).map(Rc::new);
        if let Some(read) = &read {
            self.cache.borrow_mut().know_tags(tags, read.clone());
        }
        Ok(read)
    }
}
