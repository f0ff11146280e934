//! Which tasks somebody wants to see.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use super::bad_request::BadRequest;
use super::field::Field;
use super::{bad_word, null_as_left_out, time};
use crate::limits;
use crate::name::BadName;
use crate::queue::{Cursor, Filter, Sort, Status};

/// Which tasks somebody wants to see. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterDraft {
    /// Only tasks with this status.
    pub status: Option<Status>,
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those whose claim is this agent's.
    pub run_id: Option<String>,
    /// Only those that have all these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// Only those that were enqueued at this time, in RFC 3339, or later.
    pub since: Option<String>,
    /// Only those that ended at this time, in RFC 3339, or later.
    pub ended_since: Option<String>,
    /// In which order: `claim`, `created`, `-created`, `ended` or `-ended`; left out: `claim`.
    pub sort: Option<String>,
    /// Only those after the last one of an earlier listing in this order.
    pub cursor: Option<String>,
    /// At most so many; left out: [`limits::LIST_ITEMS_DEFAULT`].
    pub limit: Option<i64>,
}

impl FilterDraft {
    /// The filter.
    pub fn check(&self) -> Result<Filter, BadRequest> {
        let queue = self.queue.as_deref().map(str::parse).transpose()?;
        let run_id = self.run_id.as_deref().map(str::parse).transpose()?;
        let limit = self.limit.unwrap_or(limits::LIST_ITEMS_DEFAULT);
        let limit = usize::try_from(Field::Limit.check(limit)?).unwrap_or(usize::MAX);
        let tags = self.tags.iter().map(|tag| tag.parse()).collect::<Result<_, BadName>>()?;
        let since = self.since.as_deref().map(|at| time("time", at)).transpose()?;
        let ended_since = self.ended_since.as_deref().map(|at| time("time", at)).transpose()?;
        let sort = self.sort.as_deref().map(sort).transpose()?.unwrap_or_default();
        let cursor = self.cursor.as_deref().map(|given| cursor(given, sort)).transpose()?;
        Ok(Filter { status: self.status, queue, run_id, tags, since, ended_since, sort, cursor, limit })
    }
}

fn sort(given: &str) -> Result<Sort, BadRequest> {
    Sort::parse(given).ok_or_else(|| bad_word("order", given, "claim, created, -created, ended or -ended"))
}

fn cursor(given: &str, sort: Sort) -> Result<Cursor, BadRequest> {
    let cursor = Cursor::parse(given);
    let cursor = cursor.ok_or_else(|| bad_word("cursor", given, "the next_cursor of an earlier listing"))?;
    let of = cursor.sort();
    // It would be some place in the other order, and the listing would seem to go on.
    if of == sort { Ok(cursor) } else { Err(BadRequest::CursorOfAnotherSort { of, sort }) }
}
