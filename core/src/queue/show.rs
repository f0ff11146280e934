//! Show: one task, and all reports on it.

use alloc::vec::Vec;

use super::Queue;
use super::item::Item;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::name::Nonce;
use crate::store::Store;
use crate::time::Timestamp;
use crate::tree::{Import, LOOKS, Report};

/// One task, and all reports on it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The task.
    pub item: Item,
    /// The reports on it, oldest first: each failed attempt, and its end.
    pub history: Vec<Report>,
    /// Late results, oldest first. They do not count. At most [`crate::limits::LATE_RESULTS`].
    pub late_results: Vec<Report>,
    /// When the task was imported, if it was and had been held or had ended by then.
    pub imported: Option<Import>,
    /// How many of the history, the oldest, came with it.
    pub imported_reports: usize,
    /// Findings, for warnings.
    pub findings: Vec<Finding>,
}

impl<S: Store> Queue<S> {
    /// One task, its state at `now`, and all reports on it. Writes nothing.
    pub fn show(&self, id: TaskId, now: Timestamp) -> Result<Shown, Error> {
        let mut shown = self.look_at(id, now)?;
        for _ in 1..LOOKS {
            // A report of progress is removed once another has taken its place.
            if shown.findings.is_empty() {
                break;
            }
            shown = self.look_at(id, now)?;
        }
        Ok(shown)
    }

    fn look_at(&self, id: TaskId, now: Timestamp) -> Result<Shown, Error> {
        let mut findings = Vec::new();
        let located = self.tree.find_named(id)?;
        let entry = self.tree.as_it_stands(&located, now)?;
        let (task, told) = self.tree.task_and_told(id)?.ok_or(Error::NotFound { id })?;
        let item = self.item(task, &entry, &told, now, &mut findings)?;
        let chain = self.tree.history_in(&entry, &told)?;
        let late_results = told.late_results();
        let imported = told.import;
        let imported_reports = imported.as_ref().map_or(0, |mark| imported_of(&chain, mark));
        let mut history: Vec<Report> = chain.into_iter().filter_map(|(_, report)| report).collect();
        history.reverse();
        findings.extend(self.tree.take_findings());
        Ok(Shown { item, history, late_results, imported, imported_reports, findings })
    }
}

/// How many reports came with an import: those from the one that was the latest then. That may have been of progress
/// and be gone.
fn imported_of(chain: &[(Nonce, Option<Report>)], mark: &Import) -> usize {
    let Some(latest) = mark.report else { return 0 };
    let reports = chain.iter().filter_map(|(nonce, report)| Some((*nonce, report.as_ref()?.at)));
    let later = reports.clone().take_while(|(nonce, _)| *nonce != latest).count();
    let all = reports.clone().count();
    if later < all { all - later } else { reports.filter(|(_, at)| *at < mark.at).count() }
}
